"""The profiler: what ran, how often, for how long, and how much memory it took.

`profile` is a context manager; nothing is watched outside of it. See profiler_record for how.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, Self

from . import profiler_record
from .profiler_record import LABEL, Recorder
from .profiler_tools import (
    EnforceUnique,
    KinetoStepTracker,
    MemRecordsAcc,
    ProfilerConfig,
    ProfilerState,
    emit_itt,
    emit_nvtx,
    load_nvprof,
    parse_nvprof_trace,
)
from .profiler_util import (
    DeviceType,
    EventList,
    FunctionEvent,
    FunctionEventAvg,
    ProfilerActivity,
)


class profile:
    """Note every call, node of backward and labelled block while the context is open.

    enabled         False makes the context do nothing
    record_shapes   note the shapes of inputs (a column, and what averages can be grouped by)
    with_flops      count floating point operations of products, mul and add
    profile_memory  count the bytes of arrays that are made and freed
    with_stack      note the user's source lines
    use_device, use_cuda
                    there is no device to profile: a warning says so, the CPU is profiled

    The other arguments are accepted so that PyTorch scripts run; they have no effect.

    >>> import wengert as torch
    >>> x = torch.ones(2, 3)
    >>> with torch.autograd.profiler.profile() as prof:
    ...     y = x * x
    >>> [(row.key, row.count) for row in prof.key_averages()]
    [('aten::mul', 1)]
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        experimental_config: Any = None,
        acc_events: bool = False,
        custom_trace_id_callback: Callable | None = None,
        post_processing_timeout_s: float | None = None,
        activity_filters: Any = None,
    ) -> None:
        self.enabled = enabled
        self.entered = False
        self.use_cuda, self.use_device, self.use_cpu = use_cuda, None, use_cpu
        self.record_shapes = record_shapes or with_flops
        self.with_flops, self.profile_memory = with_flops, profile_memory
        self.with_stack, self.with_modules = with_stack, with_modules
        self._recorder: Recorder | None = None
        self._events: EventList | None = None
        if not enabled:
            return
        if use_cuda:
            warnings.warn(
                "The attribute `use_cuda` will be deprecated soon, please use "
                "``use_device = 'cuda'`` instead.",
                FutureWarning,
                stacklevel=2,
            )
            use_device = "cuda"
        if use_device in ("cuda", "xpu", "mtia", "hpu"):
            name = use_device.upper()
            warnings.warn(f"{name} is not available, disabling {name} profiling", stacklevel=2)
            self.use_cuda = False
        elif use_device is not None:
            warnings.warn(f"The {use_device} is not a valid device option.", stacklevel=2)
        if not use_cpu:
            raise AssertionError("use_cpu=False: there is nothing but the CPU to profile")

    def __enter__(self) -> Any:  # None where it is not enabled
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self.entered = True
        self._recorder = Recorder(
            shapes=self.record_shapes, memory=self.profile_memory, stack=self.with_stack,
            flops=self.with_flops,
        )  # fmt: skip
        self._recorder.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._recorder is not None:
            self._recorder.stop()
            self._events = self._recorder.events()

    def toggle_collection_dynamic(self, enabled: bool, activities: Any = ()) -> None:
        """Stop watching, or watch again, inside the context."""
        if self._recorder is None or self._events is not None:
            return
        if enabled:
            self._recorder.resume()
        else:
            self._recorder.pause()

    # ---------------------------------------------------------------- results
    @property
    def function_events(self) -> EventList:
        """Every event, in order of start."""
        return EventList() if self._events is None else self._events

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds spent in all events."""
        return self.function_events.self_cpu_time_total

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """Return the averages of events by name; see `EventList.key_averages`."""
        return self.function_events.key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """Return all events as a text table; see `EventList.table`."""
        return self.function_events.table(
            sort_by, row_limit, max_src_column_width, max_name_column_width,
            max_shapes_column_width, header, top_level_events_only,
        )  # fmt: skip

    def total_average(self) -> FunctionEventAvg:
        """Return one average over all events."""
        return self.function_events.total_average()

    def export_chrome_trace(
        self, path: str, metadata: dict | None = None, use_python_export: bool = False
    ) -> None:
        """Write a Chrome trace; open it at ui.perfetto.dev or in chrome://tracing.

        `metadata` is merged into the top level of the file; a path ending in ``.gz`` is compressed.
        """
        from .profiler_trace import write_trace

        if self._events is None:
            raise RuntimeError("can't export a trace that didn't finish running")
        write_trace(path, self._events, recorder=self._recorder, metadata=metadata)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write the stacks of events and their times, for flame graphs; needs with_stack=True."""
        if not self.with_stack:
            raise AssertionError("export_stacks() requires with_stack=True")
        if self._events is None:
            raise RuntimeError("can't export stacks of a profile that didn't finish running")
        self._events.export_stacks(path, metric)

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._events is None else repr(self._events)

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._events is None else str(self._events)


class record_function:
    """Label a block, or every call of a decorated function, in the profiler's tables and traces.

    Without a profiler it costs next to nothing.

    >>> import wengert as torch
    >>> with torch.autograd.profiler.profile() as prof:
    ...     with torch.autograd.profiler.record_function("my block"):
    ...         y = torch.ones(2) + 1
    >>> [row.key for row in prof.key_averages()]
    ['my block', 'aten::add']
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._open: list[list] = []

    def __enter__(self) -> Self:
        spans = []
        for recorder in profiler_record.active:
            span = recorder.open(self.name, LABEL)
            if recorder.shapes and self.args is not None:
                span.shapes, span.strides, span.dtypes, span.concrete = (
                    [[]],
                    [[]],
                    [""],
                    [self.args],
                )
            spans.append((recorder, span))
        self._open.append(spans)
        return self

    def __exit__(self, *exc: object) -> None:
        for recorder, span in self._open.pop():
            if not span.end:  # else the profiler was stopped inside the block
                recorder.close(span)

    def __call__(self, func: Callable) -> Callable:
        """Decorate: every call is a block of this name."""

        @functools.wraps(func)
        def labelled(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return func(*args, **kwargs)

        return labelled


def kineto_available() -> bool:
    """Return False: events come from this library's own recorder."""
    return False


__all__ = [
    "DeviceType", "EnforceUnique", "EventList", "FunctionEvent", "FunctionEventAvg",
    "KinetoStepTracker", "MemRecordsAcc", "ProfilerActivity", "ProfilerConfig", "ProfilerState",
    "emit_itt", "emit_nvtx", "kineto_available", "load_nvprof", "parse_nvprof_trace", "profile",
    "record_function",
]  # fmt: skip
