"""What a profiler notes while the program runs.

A `Recorder` watches calls (as a mode), backward runs (as a watcher) and labelled blocks. It only
appends to lists; events are built when recording has ended. With memory profiling, arrays that
calls make are counted when they appear and, by weak reference, when they die.
"""

from __future__ import annotations

import math
import re
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core import state
from ..core.node import LEAF, PORT, Node, public_name
from ..core.tensor import Tensor
from . import watch
from .profiler_util import EventList, FunctionEvent

now = time.perf_counter_ns
_PACKAGE = __name__.partition(".")[0]
CALL, NODE, BACKWARD, LABEL, MEMORY = 0, 2, 1, 7, 3  # kinds of spans; 0, 1 and 7 are scopes


class Span:
    """One thing that ran: what, when, in which thread, and what it allocated itself."""

    __slots__ = (
        "allocated", "concrete", "dtypes", "end", "flops", "kind", "name", "seq", "shapes",
        "stack", "start", "strides", "thread",
    )  # fmt: skip

    shapes: list[Any] | None
    dtypes: list[str] | None
    strides: list[Any] | None
    concrete: list[Any] | None
    stack: list[str] | None

    def __init__(self, name: str, kind: int, thread: _Thread) -> None:
        self.name, self.kind, self.thread = name, kind, thread
        self.seq = -1
        self.allocated = self.flops = 0
        self.shapes = self.dtypes = self.strides = self.concrete = self.stack = None
        self.start = now()
        self.end: int = 0


class _Thread:
    """A thread as the profiler sees it: its number, and the spans that are open in it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.native = threading.get_native_id()
        self.name = threading.current_thread().name
        self.open: list[Span] = []


class Recorder:
    """Collects spans between `start` and `stop`."""

    def __init__(self, *, shapes: bool, memory: bool, stack: bool, flops: bool) -> None:
        self.shapes, self.memory, self.stack, self.flops = shapes or flops, memory, stack, flops
        self.spans: list[Span] = []
        self.freed: list[tuple[int, _Thread, int, int]] = []  # when, where, bytes, address
        self.made: list[tuple[int, _Thread, int, int]] = []
        self.threads: list[_Thread] = []
        self.running = False
        self._local = threading.local()
        self._lock = threading.RLock()  # a weak reference may die while it is held
        self._alive: dict[int, Any] = {}
        self._calls, self._runs = _Calls(self), _Runs(self)
        self.began = self.ended = self.wall = self.first_seq = 0

    # ---------------------------------------------------------------- life
    def start(self) -> None:
        """Begin to watch."""
        self.wall = time.time_ns()
        self.began = now()
        self.first_seq = state.tick()
        self.resume()

    def resume(self) -> None:
        """Watch again after `pause`."""
        global active
        if not self.running:
            self.running = True
            with _lock:
                active = (*active, self)
            state.push_mode(self._calls)
            watch.push(self._runs)

    def pause(self) -> None:
        """Stop watching for a while; spans that are open are closed."""
        global active
        if self.running:
            self.running = False
            state.pop_mode(self._calls)
            watch.pop(self._runs)
            with _lock:
                active = tuple(r for r in active if r is not self)
            self.ended = now()
            for thread in self.threads:
                for span in thread.open:
                    span.end = self.ended
                thread.open.clear()

    def stop(self) -> None:
        """End recording."""
        self.pause()
        self._alive.clear()

    # ---------------------------------------------------------------- spans
    def thread(self) -> _Thread:
        """The current thread."""
        found = getattr(self._local, "thread", None)
        if found is None:
            with self._lock:
                found = self._local.thread = _Thread(len(self.threads) + 1)
                self.threads.append(found)
        return found

    def open(self, name: str, kind: int) -> Span:
        """Begin a span in this thread."""
        thread = self.thread()
        span = Span(name, kind, thread)
        self.spans.append(span)
        thread.open.append(span)
        if self.stack:
            span.stack = _user_stack()
        return span

    def close(self, span: Span) -> None:
        """End a span, and whatever was left open inside it."""
        span.end = now()
        stack = span.thread.open
        while stack:
            inner = stack.pop()
            if inner is span:
                return
            inner.end = span.end

    # ---------------------------------------------------------------- memory
    def count(self, values: Any, span: Span) -> None:
        """Count the arrays among `values` that were not there before."""
        for v in values:
            a = v._array if isinstance(v, Tensor) else v
            while isinstance(a, np.ndarray) and isinstance(a.base, np.ndarray):
                a = a.base
            if isinstance(a, np.ndarray) and a.base is None and id(a) not in self._alive:
                size, address = a.nbytes, a.__array_interface__["data"][0]
                span.allocated += size
                self.made.append((now(), span.thread, size, address))
                self._alive[id(a)] = weakref.ref(a, self._dies(id(a), size, address))

    def seen(self, values: Any) -> None:
        """Note arrays that were made before, so that results over their memory don't count."""
        for v in values:
            a = v._array if isinstance(v, Tensor) else None
            while a is not None and isinstance(a.base, np.ndarray):
                a = a.base
            if a is not None and id(a) not in self._alive:
                self._alive[id(a)] = weakref.ref(a, self._forget(id(a)))

    def _forget(self, key: int) -> Callable:
        return lambda _: self._alive.pop(key, None)

    def _dies(self, key: int, size: int, address: int) -> Callable:
        def died(_: Any) -> None:
            if self._alive.pop(key, None) is None or not self.running:
                return
            thread = self.thread()
            if thread.open:
                thread.open[-1].allocated -= size
            else:
                span = Span("[memory]", MEMORY, thread)
                span.end = span.start
                span.allocated = -size
                self.spans.append(span)
            self.freed.append((now(), thread, size, address))

        return died

    # ---------------------------------------------------------------- events
    def events(self) -> EventList:
        """The spans as events, with the tree of who called whom."""
        spans = sorted(self.spans, key=lambda s: (s.start, -s.end))
        forward = {
            s.seq: s.thread.number for s in spans if s.kind == CALL and s.seq >= self.first_seq
        }
        events = EventList(profile_memory=self.memory, with_flops=self.flops)
        total: dict[int, int] = {}
        for number, s in enumerate(spans, 1):
            seq = s.seq - self.first_seq if s.seq >= self.first_seq else -1
            back = s.kind in (NODE, BACKWARD)
            name = "ProfilerStep*" if s.name.startswith("ProfilerStep#") else s.name
            event = FunctionEvent(
                number, name, s.thread.number, (s.start - self.began) / 1e3,
                (s.end - self.began) / 1e3, trace_name=s.name, input_shapes=s.shapes, input_dtypes=s.dtypes,
                input_strides=s.strides, concrete_inputs=s.concrete, stack=s.stack,
                scope=s.kind if s.kind in (BACKWARD, LABEL) else CALL, sequence_nr=seq,
                fwd_thread=forward.get(s.seq, 0) if back else 0, flops=s.flops,
                is_user_annotation=s.kind == LABEL, tid=s.thread.native,
            )  # fmt: skip
            total[number] = s.allocated
            events.append(event)
        events._build_tree()
        for event in reversed(events):  # children come after their parent
            event.cpu_memory_usage += total[event.id]
            if event.cpu_parent is not None:
                event.cpu_parent.cpu_memory_usage += event.cpu_memory_usage
        return events


active: tuple[Recorder, ...] = ()  # the recorders that labelled blocks report to
_lock = threading.Lock()


class _Calls(state.Mode):
    """Times every call."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        recorder = self.recorder
        span = recorder.open(call_name(op, params), CALL)
        if recorder.shapes:
            _describe(span, args, params)
        if recorder.memory:
            recorder.seen(args)
        try:
            result = self.forward(op, args, params)
            results = result if isinstance(result, tuple) else (result,)
            for r in results:
                edge = r._edge if isinstance(r, Tensor) else None
                if edge is not None and edge.op is not LEAF:
                    span.seq = (edge.edges[0] if edge.op is PORT else edge).seq
            if recorder.memory:
                recorder.count(results, span)
            if recorder.flops:
                span.flops = _flops(span.name, span.shapes or [], result)
            return result
        finally:
            recorder.close(span)


class _Runs(watch.Watcher):
    """Times every node that backward runs."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def run(self, node: Node, g: Any, create: bool) -> Any:
        if node.op is PORT:
            return super().run(node, g, create)
        outer = watch.Watcher.run
        return self._timed(public_name(node), node.seq, g, lambda: outer(self, node, g, create))

    def accumulate(self, add: Callable, leaf: Node, g: Any, create: bool) -> None:
        def run() -> tuple:
            watch.Watcher.accumulate(self, add, leaf, g, create)
            return (leaf.out,)

        self._timed("torch::autograd::AccumulateGrad", -1, g, run)

    def _timed(self, name: str, seq: int, g: Any, run: Callable) -> Any:
        recorder = self.recorder
        outer = recorder.open("autograd::engine::evaluate_function: " + name, NODE)
        span = recorder.open(name, BACKWARD)
        outer.seq = span.seq = seq
        arrived = tuple(getattr(g, "items", (g,)))
        if recorder.shapes:
            _describe(span, arrived, ())
        try:
            result = run()
            if recorder.memory and result is not None:
                recorder.count([c for c in result if c is not None], span)
            return result
        finally:
            recorder.close(span)
            recorder.close(outer)


# ------------------------------------------------------------------- what a call looked like
class _Called(NamedTuple):
    """Stands for a node where only its parameters matter: for its name."""

    rest: tuple


_PRIVATE = frozenset(("to_copy", "unsafe_view", "reshape_alias", "softmax", "log_softmax"))


def call_name(op: Any, params: tuple) -> str:
    """Return the name of a call: PyTorch's name of the op, read off the name of its node.

    MulBackward0 is aten::mul, whichever of the rows that multiply ran.
    """
    own = getattr(op, "profile_name", None)
    if own is not None:
        return own
    label = op.nodename
    if label.__class__ is not str:
        label = label(_Called(params))
    if not op.differentiable or "Backward" not in label:
        return "aten::" + op.name
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", label[: label.rindex("Backward")]).lower()
    return f"aten::_{words}" if words in _PRIVATE else f"aten::{words}"


def _describe(span: Span, args: tuple, params: tuple) -> None:
    """Note shapes, strides and dtypes of the inputs, and the values of the parameters."""
    shapes: list = []
    strides: list = []
    dtypes: list = []
    concrete: list = []
    for a in args:
        array = a._array if isinstance(a, Tensor) else a
        if isinstance(array, np.ndarray):
            shapes.append(list(array.shape))
            strides.append([s // array.itemsize for s in array.strides])
            dtypes.append(_type_name(array.dtype))
            concrete.append(None)
        else:
            shapes.append([])
            strides.append([])
            dtypes.append("" if a is None else "Scalar")
            concrete.append(a)
    for p in params:
        shapes.append([])
        strides.append([])
        dtypes.append(
            "" if p is None else "ScalarList" if isinstance(p, tuple | list) else "Scalar"
        )
        concrete.append(p)
    span.shapes, span.strides, span.dtypes, span.concrete = shapes, strides, dtypes, concrete


def _type_name(dtype: np.dtype) -> str:
    """The C++ name of an element type, as traces have it."""
    names = {
        "float32": "float", "float64": "double", "float16": "c10::Half", "int64": "long int",
        "int32": "int", "int16": "short int", "int8": "signed char", "uint8": "unsigned char",
        "bool": "bool", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
    }  # fmt: skip
    return names.get(dtype.name, dtype.name)


_PRODUCTS = frozenset(("aten::mm", "aten::bmm", "aten::matmul", "aten::addmm", "aten::baddbmm"))


def _flops(name: str, shapes: list, out: Any) -> int:
    """Floating point operations of the calls that PyTorch counts: products, mul and add.

    An (m, k) by (k, n) product takes 2mkn, and mkn is the root of the product of the three sizes,
    whichever of the factors is transposed.
    """
    if name in ("aten::mul", "aten::add"):
        return math.prod(shapes[0])
    factors = shapes[1:3] if name in ("aten::addmm", "aten::baddbmm") else shapes[:2]
    if name not in _PRODUCTS or not isinstance(out, Tensor):
        return 0
    count = math.prod(out.shape[:-2])
    sizes = [math.prod(shape) for shape in (*factors, out.shape)]
    return 2 * count * math.isqrt(math.prod(sizes) // count**3) if count else 0


def _user_stack() -> list[str]:
    """The user's frames, innermost first."""
    frames: list[str] = []
    frame: Any = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != _PACKAGE:
            code = frame.f_code
            frames.append(f"{code.co_filename}({frame.f_lineno}): {code.co_name}")
        frame = frame.f_back
    return frames
