"""Profiler events, their averages and the list that holds them.

Times are microseconds as floats. The text table is in profiler_table, the trace in profiler_trace.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from .profiler_table import build_table, format_memory, format_time, format_time_share
from .profiler_tools import EventMetadata, Kernel, MemRecordsAcc, StringTable


class DeviceType(enum.Enum):
    """Where an event ran; this library runs on the CPU."""

    CPU = 0
    CUDA = 1

    def __repr__(self) -> str:
        return f"<DeviceType.{self.name}: {self.value}>"


class ProfilerActivity(enum.Enum):
    """What can be watched; here the CPU."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class Interval:
    """A span of time from `start` to `end`, in microseconds."""

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = end

    def elapsed_us(self) -> float:
        """Return the length of the span."""
        return self.end - self.start


class FormattedTimesMixin:
    """The derived and formatted times that events and averages share.

    Nothing runs on a device yet, so what PyTorch reports for one is zero here.
    """

    count: int
    cpu_time_total: float
    self_cpu_time_total: float

    device_memory_usage = self_device_memory_usage = 0
    device_time_total = self_device_time_total = 0
    device_time = cuda_time = 0.0
    cuda_time_total = self_cuda_time_total = self_cuda_memory_usage = 0
    device_time_str = device_time_total_str = self_device_time_total_str = "0.000us"

    @property
    def cpu_time(self) -> float:
        """The mean time of one call, children included."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        """The mean time of one call as text."""
        return format_time(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """The time of all calls, children included, as text."""
        return format_time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """The time of all calls without that of their children, as text."""
        return format_time(self.self_cpu_time_total)


class FunctionEvent(FormattedTimesMixin):
    """One call: what ran, when, inside what.

    Arguments are those of PyTorch's event that have a meaning on a CPU: `start_us` and `end_us`
    are microseconds, `cpu_memory_usage` the bytes allocated less those freed during the call.
    """

    count = 1
    node_id = -1
    device_type = DeviceType.CPU
    device_index = 0
    is_remote = is_legacy = False
    use_device: str | None = None

    def __init__(
        self,
        id: int,
        name: str,
        thread: int,
        start_us: float,
        end_us: float,
        *,
        overload_name: str = "",
        trace_name: str | None = None,
        fwd_thread: int = 0,
        input_shapes: list | None = None,
        input_dtypes: list | None = None,
        input_strides: list | None = None,
        concrete_inputs: list | None = None,
        stack: list[str] | None = None,
        scope: int = 0,
        cpu_memory_usage: int = 0,
        is_async: bool = False,
        sequence_nr: int = -1,
        flops: int = 0,
        is_user_annotation: bool = False,
        tid: int | None = None,
    ) -> None:
        self.id, self.external_id, self.name, self.thread = id, id, name, thread
        self.trace_name = name if trace_name is None else trace_name
        self.overload_name = overload_name
        self.time_range = Interval(start_us, end_us)
        self.fwd_thread, self.scope, self.sequence_nr = fwd_thread, scope, sequence_nr
        self.input_shapes = [] if input_shapes is None else input_shapes
        self.input_dtypes = [] if input_dtypes is None else input_dtypes
        self.structured_input_shapes = self.input_shapes
        self.structured_input_strides = [] if input_strides is None else input_strides
        self.concrete_inputs = [] if concrete_inputs is None else concrete_inputs
        self.stack = [] if stack is None else stack
        self.cpu_memory_usage, self.is_async, self.flops = cpu_memory_usage, is_async, flops
        self.is_user_annotation = is_user_annotation
        self.device_resource_id = thread if tid is None else tid
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.kernels: list = []
        self.self_cpu_percent = self.total_cpu_percent = ""

    @property
    def key(self) -> str:
        """What events are grouped by: the name."""
        return self.name

    @property
    def activity_type(self) -> str:
        """The category of the event in a trace."""
        return "user_annotation" if self.is_user_annotation else "cpu_op"

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        """The time of the call, children included."""
        return 0 if self.is_async else self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """The time of the call without that of its children."""
        if self.is_async:
            return 0
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        """Bytes allocated less bytes freed by the call itself, not by its children."""
        if self.is_async:
            return 0
        return self.cpu_memory_usage - sum(child.cpu_memory_usage for child in self.cpu_children)

    def append_cpu_child(self, child: FunctionEvent) -> None:
        """Note an event that ran inside this one."""
        self.cpu_children.append(child)

    def set_cpu_parent(self, parent: FunctionEvent) -> None:
        """Note the event that this one ran inside."""
        self.cpu_parent = parent

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start} end_us={self.time_range.end} "
            f"cpu_children={[child.id for child in self.cpu_children]} thread={self.thread} "
            f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage} "
            f"is_async={self.is_async} seq_nr={self.sequence_nr}>"
        )


class FunctionEventAvg(FormattedTimesMixin):
    """The sum over events of one key, from which averages are read."""

    device_type = DeviceType.CPU
    is_async = is_remote = is_legacy = False
    use_device: str | None = None
    node_id = -1

    def __init__(self) -> None:
        self.key: str | None = None
        self.count = 0
        self.overload_name: str | None = None
        self.cpu_time_total: float = 0
        self.self_cpu_time_total: float = 0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.flops = 0
        self.input_shapes: Any = None
        self.stack: list[str] | None = None
        self.scope: int | None = None
        self.is_user_annotation: bool = False
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] | None = None
        self.self_cpu_percent = self.total_cpu_percent = ""

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Add an event, or another average, of the same key; return self."""
        if self.key is None:
            self.key, self.overload_name = other.key, other.overload_name
            self.cpu_parent, self.cpu_children = other.cpu_parent, other.cpu_children
            self.input_shapes, self.stack = other.input_shapes, other.stack
            self.scope, self.is_user_annotation = other.scope, other.is_user_annotation
        if not isinstance(other, FunctionEvent | FunctionEventAvg):
            raise TypeError(f"can only add a FunctionEvent or FunctionEventAvg, not {type(other)}")
        if other.key != self.key:
            raise AssertionError(f"can't add an event of key {other.key!r} to one of {self.key!r}")
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        self.count += other.count
        self.flops += other.flops
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str}  self_cuda_time={self.self_device_time_total_str} "
            f"cuda_time={self.device_time_str} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage} cuda_memory_usage=0>"
        )


class EventList(list):
    """Events or averages, with a text table, averages and exports."""

    def __init__(
        self,
        events: Iterable = (),
        *,
        use_device: str | None = None,
        profile_memory: bool = False,
        with_flops: bool = False,
    ) -> None:
        super().__init__(events)
        self._use_device = use_device
        self._profile_memory = profile_memory
        self._with_flops = with_flops
        self._tree_built = False

    def _build_tree(self) -> None:
        """Find each event's parent: the innermost event of its thread that spans it.

        A child that is alone under a parent of its own name is the same call seen twice: it goes.
        """
        by_thread: dict[int, list] = {}
        for event in self:
            if not event.is_async:
                by_thread.setdefault(event.thread, []).append(event)
        for events in by_thread.values():
            events.sort(key=lambda e: (e.time_range.start, -e.time_range.end))
            open_: list[FunctionEvent] = []
            for event in events:
                span = event.time_range
                while open_ and not (
                    span.start < open_[-1].time_range.end and span.end <= open_[-1].time_range.end
                ):
                    open_.pop()
                if open_:
                    open_[-1].append_cpu_child(event)
                    event.set_cpu_parent(open_[-1])
                open_.append(event)
        self._merge_doubles()
        self._tree_built = True

    def _merge_doubles(self) -> None:
        doubles = set()
        for event in self:
            parent = event.cpu_parent
            if parent is not None and parent.name == event.name and len(parent.cpu_children) == 1:
                doubles.add(id(event))
                parent.cpu_children = event.cpu_children
                for child in event.cpu_children:
                    child.set_cpu_parent(parent)
        if doubles:
            self[:] = [event for event in self if id(event) not in doubles]

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, each without its children."""
        return sum(event.self_cpu_time_total for event in self)

    def supported_export_stacks_metrics(self) -> list[str]:
        """Return what `export_stacks` can weigh a stack with."""
        return [
            "self_cpu_time_total",
            "self_cuda_time_total",
            "self_xpu_time_total",
            "self_privateuse1_time_total",
        ]

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """Return the events as a text table in PyTorch's layout.

        `sort_by` is any numeric attribute of the events, such as ``self_cpu_time_total``; an
        unknown one raises AttributeError. `row_limit=-1` shows all rows.
        """
        return build_table(
            self,
            sort_by=sort_by,
            row_limit=row_limit,
            max_src_column_width=max_src_column_width,
            max_name_column_width=max_name_column_width,
            max_shapes_column_width=max_shapes_column_width,
            header=header,
            profile_memory=self._profile_memory,
            with_flops=self._with_flops,
            top_level_events_only=top_level_events_only,
            time_unit=time_unit,
        )

    def __str__(self) -> str:
        return self.table()

    def key_averages(
        self,
        group_by_input_shapes: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """Return one average per name, in order of first call.

        The flags split a name by the shapes of its inputs and by its top `group_by_stack_n`
        stack entries.
        """
        if not self._tree_built:
            self._build_tree()
        groups: dict[tuple, FunctionEventAvg] = {}
        for event in self:
            key = (
                event.key,
                event.overload_name if group_by_overload_name else "",
                event.is_user_annotation,
                str(event.input_shapes) if group_by_input_shapes else "",
                tuple((event.stack or ())[:group_by_stack_n]),
            )
            groups.setdefault(key, FunctionEventAvg()).add(event)
        averages = EventList(
            groups.values(),
            use_device=self._use_device,
            profile_memory=self._profile_memory,
            with_flops=self._with_flops,
        )
        averages._tree_built = True
        for average in averages:
            average.stack = (average.stack or [])[:group_by_stack_n]
            if not group_by_input_shapes:
                average.input_shapes = ""
            if not group_by_overload_name:
                average.overload_name = ""
        return averages

    def total_average(self) -> FunctionEventAvg:
        """Return one average over all events, under the key "Total"."""
        total = FunctionEventAvg()
        for event in self:
            total.add(event)
            total.key = None  # the next event brings another key
        total.key = "Total"
        return total

    def export_chrome_trace(self, path: str) -> None:
        """Write the events as a Chrome trace; open it in Perfetto or chrome://tracing."""
        from .profiler_trace import write_trace

        write_trace(path, self)

    def export_stacks(self, path: str, metric: str) -> None:
        """Write one line per event: its stack, outermost first, and its time in microseconds.

        The file is what flame graph tools read. Raises ValueError for an unknown metric.
        """
        metrics = self.supported_export_stacks_metrics()
        if metric not in metrics:
            raise ValueError(f"metric should be one of: {metrics}")
        unwritable = str.maketrans(" ;\t\n", "____")
        with open(path, "w", encoding="utf-8") as file:
            for event in self:
                weight = int(getattr(event, metric, 0))
                if event.stack and weight > 0:
                    frames = (frame.translate(unwritable) for frame in reversed(event.stack))
                    file.write(f"{';'.join(frames)} {weight}\n")


__all__ = [
    "DeviceType",
    "EventList",
    "EventMetadata",
    "FormattedTimesMixin",
    "FunctionEvent",
    "FunctionEventAvg",
    "Interval",
    "Kernel",
    "MemRecordsAcc",
    "ProfilerActivity",
    "StringTable",
    "format_memory",
    "format_time",
    "format_time_share",
]
