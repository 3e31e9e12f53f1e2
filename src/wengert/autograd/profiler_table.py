"""The profiler's text table, in PyTorch's layout to the byte.

Columns are right-aligned and two spaces apart; the stack column is left-aligned. It reads events
by their attributes and imports nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

_WIDTH = 12  # of every column whose content has a bounded length
_MARGIN = 4  # what name, shapes and source columns add to their longest cell
_GAP = "  "
_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0}
_FLOPS = ("FLOPs", "KFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs")


def format_time(us: float) -> str:
    """Return microseconds as text in the unit that fits: ``5.823ms``."""
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    if us >= 1e3:
        return f"{us / 1e3:.3f}ms"
    return f"{us:.3f}us"


def format_time_share(us: float, total_us: float) -> str:
    """Return a share of a total as text: ``50.69%``."""
    if total_us == 0:
        return "NaN"
    return f"{us * 100.0 / total_us:.2f}%"


def format_memory(nbytes: int) -> str:
    """Return bytes as text in the unit that fits: ``2.93 KB``."""
    for unit, size in (("GB", 1024**3), ("MB", 1024**2), ("KB", 1024)):
        if abs(nbytes) >= size:
            return f"{nbytes / size:.2f} {unit}"
    return f"{nbytes} B"


class _Column:
    """A heading, a width, and the text of an event's cell."""

    def __init__(
        self, heading: str, cell: Callable[[Any], str], width: int = _WIDTH, left: bool = False
    ) -> None:
        self.heading, self.cell, self.width, self.left = heading, cell, width, left

    def place(self, text: str) -> str:
        return (text.ljust(self.width) if self.left else text.rjust(self.width)) + _GAP


def build_table(
    events: Sequence[Any],
    *,
    sort_by: str | None = None,
    row_limit: int = 100,
    max_src_column_width: int | None = 75,
    max_name_column_width: int | None = 55,
    max_shapes_column_width: int | None = 80,
    header: str | None = None,
    profile_memory: bool = False,
    with_flops: bool = False,
    top_level_events_only: bool = False,
    time_unit: str | None = None,
) -> str:
    """Return events (or averages) as a table; an empty list gives an empty text."""
    if not events:
        return ""
    if sort_by is not None:
        attribute = sort_by
        events = sorted(events, key=lambda e: getattr(e, attribute), reverse=True)
    total = sum(e.self_cpu_time_total for e in events)
    time = _timer(time_unit)
    columns = [_name_column(events, max_name_column_width), *_time_columns(total, time)]
    if profile_memory:
        columns.append(_Column("CPU Mem", lambda e: format_memory(e.cpu_memory_usage)))
        columns.append(_Column("Self CPU Mem", lambda e: format_memory(e.self_cpu_memory_usage)))
    columns.append(_Column("# of Calls", lambda e: str(e.count)))
    if any(e.input_shapes is not None and len(e.input_shapes) > 0 for e in events):
        columns.append(_shapes_column(events, max_shapes_column_width))
    source = None
    if any(e.stack for e in events):
        source = _source_column(events, max_src_column_width)
        columns.append(source)
    if with_flops and any(e.flops and e.flops > 0 for e in events):
        columns.append(_flops_column(events))

    rule = "".join("-" * c.width + _GAP for c in columns) + "\n"
    wide = "=" * (len(rule) - len(_GAP) - 1) + "\n"
    lines = []
    if header is not None:
        lines.append(f"{wide}{header}\n")
    if top_level_events_only:
        lines.append(f"{wide}This report only display top-level ops statistics\n")
    lines += [rule, "".join(c.place(c.heading) for c in columns) + "\n", rule]
    shown = 0
    for event in events:
        if shown == row_limit:
            break
        if top_level_events_only and event.cpu_parent is not None:
            continue
        shown += 1
        lines.append("".join(c.place(c.cell(event)) for c in columns) + "\n")
        if source is not None:
            for frame in [*(event.stack or ())[1:], ""]:
                cut = _tail(frame, source.width)
                lines.append("".join(c.place(cut if c is source else "") for c in columns) + "\n")
    lines.append(rule)
    lines.append(f"Self CPU time total: {time(total)}\n")
    return "".join(lines)


def _timer(unit: str | None) -> Callable[[float], str]:
    if unit is None:
        return format_time
    if unit not in _UNITS:
        raise ValueError(f"time_unit should be one of {', '.join(_UNITS)}, not {unit!r}")
    return lambda us: f"{us / _UNITS[unit]:.3f}{unit}"


def _capped(longest: int, cap: int | None) -> int:
    return longest + _MARGIN if cap is None else min(longest + _MARGIN, cap)


def _name_column(events: Sequence[Any], cap: int | None) -> _Column:
    def cell(e: Any) -> str:
        if cap is not None and len(e.key) >= cap - 3:
            return e.key[: cap - 3] + "..."
        return e.key

    return _Column("Name", cell, _capped(max(len(e.key) for e in events), cap))


def _time_columns(total: float, time: Callable[[float], str]) -> list[_Column]:
    def self_share(e: Any) -> str:
        e.self_cpu_percent = format_time_share(e.self_cpu_time_total, total)
        return e.self_cpu_percent

    def total_share(e: Any) -> str:
        e.total_cpu_percent = "0" if e.is_async else format_time_share(e.cpu_time_total, total)
        return e.total_cpu_percent

    return [
        _Column("Self CPU %", self_share),
        _Column("Self CPU", lambda e: time(e.self_cpu_time_total)),
        _Column("CPU total %", total_share),
        _Column("CPU total", lambda e: time(e.cpu_time_total)),
        _Column("CPU time avg", lambda e: time(e.cpu_time)),
    ]


def _shapes_column(events: Sequence[Any], cap: int | None) -> _Column:
    width = _capped(max(len(str(e.input_shapes)) for e in events), cap)
    return _Column("Input Shapes", lambda e: str(e.input_shapes)[:width], width)


def _source_column(events: Sequence[Any], cap: int | None) -> _Column:
    width = _capped(max(len(frame) for e in events for frame in (e.stack or ("",))), cap)

    def cell(e: Any) -> str:
        return _tail(e.stack[0], width) if e.stack else ""

    return _Column("Source Location", cell, width, left=True)


def _tail(text: str, width: int) -> str:
    """The end of a text that is too long for its column."""
    return "..." + text[3 - width :] if len(text) > width else text


def _flops_column(events: Sequence[Any]) -> _Column:
    least = min(e.flops for e in events if e.flops and e.flops > 0)
    step = min(int(math.log10(least)) // 3, len(_FLOPS) - 1)
    scale = 10.0 ** (3 * step)

    def cell(e: Any) -> str:
        return f"{e.flops / scale:8.3f}" if e.flops and e.flops > 0 else "--"

    return _Column(f"Total {_FLOPS[step]}", cell)
