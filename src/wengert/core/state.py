"""The few global facts that recording and running consult. Imports nothing of wengert.

Hot paths read `MODE` and `NOGRAD` as module attributes: one load and one test each.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

MODE: Any = None  # innermost mode that wants to see every call (profiler, anomaly, inference ...)
NOGRAD = 0  # how many threads are inside no_grad; when positive a thread asks its own flag
LAST_WRITE = 0  # sequence number of the latest in-place write anywhere
WATCHED_LEAVES = False  # some leaf has hooks: backward then runs leaves as soon as they are complete
BEFORE_WRITE: Any = None  # called with an array that is about to be written in place, or None
WATCH_RUNS: Any = None  # makes a context for every backward run (hooks on several tensors), or None
ANOMALY: Any = None  # the innermost watcher of backward runs (anomaly, profiler), or None

tick = itertools.count(1).__next__  # sequence numbers date calls and in-place writes alike

_lock = threading.Lock()


class _ThreadState(threading.local):
    grad = True
    inference = False
    layout = True
    batch: Any = None  # the innermost running vmap
    transforms = 0  # how many transforms of functions are running (grad, vjp, jvp, vmap ...)


_thread = _ThreadState()


def is_grad_enabled() -> bool:
    """Return True if calls made by this thread are recorded."""
    return _thread.grad


def set_grad_enabled(flag: bool) -> bool:
    """Switch recording for this thread and return the previous setting."""
    global NOGRAD
    before = _thread.grad
    if before is not flag:
        _thread.grad = flag
        with _lock:
            NOGRAD += -1 if flag else 1
    return before


def is_inference() -> bool:
    """Return True if this thread is inside inference mode."""
    return _thread.inference


def set_inference(flag: bool) -> bool:
    """Switch inference mode for this thread and return the previous setting."""
    before = _thread.inference
    _thread.inference = flag
    return before


def current_batch() -> Any:
    """Return the innermost running vmap of this thread, or None."""
    return _thread.batch


def set_batch(level: Any) -> None:
    """Make a vmap the innermost one of this thread."""
    _thread.batch = level


def in_transform() -> bool:
    """Return True inside a function that a transform (grad, jvp, vmap ...) is running."""
    return _thread.transforms > 0


def depth_of_transforms() -> int:
    """Return how many transforms are running in this thread, one inside the other."""
    return _thread.transforms


def enter_transform(by: int) -> None:
    """Count a transform that begins (1) or ends (-1)."""
    _thread.transforms += by


def keeps_layout() -> bool:
    """Return True if this thread gives gradients the layout of their leaves, copying if need be."""
    return _thread.layout


def set_keeps_layout(flag: bool) -> bool:
    """Switch the layout rule for this thread and return the previous setting."""
    before = _thread.layout
    _thread.layout = flag
    return before


class Mode:
    """Something that watches or changes every call; subclasses override `call`.

    Modes nest: the innermost sees a call first and passes it on to the one outside it.
    """

    outer: Mode | None = None

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        """Handle one op call; the default passes it on."""
        return self.forward(op, args, params)

    def forward(self, op: Any, args: tuple, params: tuple) -> Any:
        """Run the call in the next mode outside this one, or for real."""
        outer = self.outer
        if outer is not None:
            return outer.call(op, args, params)
        return op.evaluate(args, params)

    def exported(self, t: Any) -> None:
        """Note that the values of a tensor are handed to NumPy."""
        if self.outer is not None:
            self.outer.exported(t)

    def imported(self, t: Any) -> None:
        """Note that a tensor was made of a NumPy array."""
        if self.outer is not None:
            self.outer.imported(t)


def push_mode(mode: Mode) -> None:
    """Make `mode` the innermost watcher."""
    global MODE
    mode.outer = MODE
    MODE = mode


def pop_mode(mode: Mode) -> None:
    """Remove `mode`, wherever in the chain it is."""
    global MODE
    if MODE is mode:
        MODE = mode.outer
        mode.outer = None
        return
    inner = MODE
    while inner is not None and inner.outer is not mode:
        inner = inner.outer
    if inner is not None:
        inner.outer = mode.outer
        mode.outer = None
