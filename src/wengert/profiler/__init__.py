"""`wengert.profiler`: the profiler with a schedule over training steps.

It records like `autograd.profiler`, but only the steps that a schedule names, and hands every
finished window to `on_trace_ready`.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

from ..autograd.profiler import kineto_available, record_function
from ..autograd.profiler_record import Recorder
from ..autograd.profiler_util import DeviceType, EventList, ProfilerActivity

if TYPE_CHECKING:  # what __getattr__ loads when it is touched
    from .execution_trace import ExecutionTraceObserver


class ProfilerAction(enum.Enum):
    """What to do during a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """Return the activities that can be watched."""
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:  # fmt: skip
    """Return a schedule: skip, then cycles of `wait` + `warmup` + `active` steps.

    repeat           how many cycles (0: until the end)
    skip_first       steps before the first cycle
    skip_first_wait  true: the first cycle has no waiting steps

    >>> import wengert as torch
    >>> plan = torch.profiler.schedule(wait=1, warmup=1, active=2)
    >>> [plan(step).name for step in range(4)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise ValueError(
            "schedule: active must be positive, and wait, warmup, repeat, skip_first not negative"
        )

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        length = wait + warmup + active
        cycle, place = divmod(step, length)
        if (repeat and cycle >= repeat) or place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def _always(_: int) -> ProfilerAction:
    return ProfilerAction.RECORD


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """Return an `on_trace_ready` that writes each window as a trace file into a directory."""

    def handler(prof: profile) -> None:
        import platform
        import time

        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{platform.node()}_{os.getpid()}"
        ending = ".pt.trace.json.gz" if use_gzip else ".pt.trace.json"
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}{ending}"))

    return handler


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


class profile:
    """Profile the steps that `schedule` names; call `step()` after each.

    activities      what to watch; only the CPU is there
    schedule        step number -> ProfilerAction; by default every step is recorded
    on_trace_ready  called with this object when a window is finished
    record_shapes, profile_memory, with_stack, with_flops
                    as in `autograd.profiler.profile`

    >>> import wengert as torch
    >>> with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as prof:
    ...     y = torch.ones(2) * 2
    >>> [row.key for row in prof.key_averages()]
    ['aten::mul']
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[Any], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable | None = None,
    ) -> None:
        self.activities = set(activities) if activities else supported_activities()
        self.schedule = schedule or _always
        self.record_steps = schedule is not None
        self.on_trace_ready = on_trace_ready
        self.record_shapes, self.profile_memory = record_shapes or with_flops, profile_memory
        self.with_stack, self.with_flops = with_stack, with_flops
        self.step_num = 0
        self.current_action = self.schedule(0)
        self.metadata: dict[str, Any] = {}
        self._recorder: Recorder | None = None
        self._events: EventList | None = None
        self._step: record_function | None = None

    # ---------------------------------------------------------------- steps
    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; what the schedule says of step 0 applies from here."""
        if self.current_action in _RECORDING:
            self._begin()

    def stop(self) -> None:
        """End, and hand over a window that is open."""
        self._end_step()
        if self._recorder is not None:
            self._finish()

    def step(self) -> None:
        """Tell that a step has ended and the next one begins."""
        before = self.current_action
        self._end_step()
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        goes_on = self.current_action in _RECORDING
        if self._recorder is not None and (before is ProfilerAction.RECORD_AND_SAVE or not goes_on):
            self._finish()
        if goes_on:
            if self._recorder is None:
                self._begin()
            else:
                self._begin_step()

    def _begin(self) -> None:
        self._recorder = Recorder(
            shapes=self.record_shapes, memory=self.profile_memory, stack=self.with_stack,
            flops=self.with_flops,
        )  # fmt: skip
        self._recorder.start()
        self._begin_step()

    def _begin_step(self) -> None:
        if self.record_steps:
            self._step = record_function(f"ProfilerStep#{self.step_num}")
            self._step.__enter__()

    def _end_step(self) -> None:
        if self._step is not None:
            self._step.__exit__()
            self._step = None

    def _finish(self) -> None:
        recorder = self._recorder
        assert recorder is not None
        recorder.stop()
        self._last, self._events, self._recorder = recorder, recorder.events(), None
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def toggle_collection_dynamic(self, enable: bool, activities: Any = ()) -> None:
        """Stop watching, or watch again, inside a window."""
        if self._recorder is not None:
            self._recorder.resume() if enable else self._recorder.pause()

    # ---------------------------------------------------------------- results
    def events(self) -> EventList:
        """Return the events of the last finished window."""
        if self._events is None:
            raise AssertionError("there are no events before the profiler has stopped")
        return self._events

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """Return the averages of the last finished window by name."""
        return self.events().key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def export_chrome_trace(self, path: str) -> None:
        """Write the last finished window as a Chrome trace; ``.gz`` is compressed."""
        from ..autograd.profiler_trace import write_trace

        write_trace(path, self.events(), recorder=self._last, metadata=self.metadata)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write the stacks of events and their times, for flame graphs; needs with_stack=True."""
        self.events().export_stacks(path, metric)

    def add_metadata(self, key: str, value: str) -> None:
        """Add a text to the top level of traces."""
        self.metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Add a JSON value, given as text, to the top level of traces."""
        import json

        self.metadata[key] = json.loads(value)


_LATE = {"ExecutionTraceObserver": "execution_trace", "itt": "itt"}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        import importlib

        module = importlib.import_module(f".{_LATE[name]}", __name__)
        return module if name == "itt" else getattr(module, name)
    from .._missing import explain

    raise AttributeError(explain(name, __all__, __name__))


__all__ = [
    "DeviceType",
    "ExecutionTraceObserver",
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]
