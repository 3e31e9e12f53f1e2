"""The profiler's Chrome trace: JSON that Perfetto, chrome://tracing and speedscope open.

Event kinds (`ph`): X a span, s and f the two ends of an arrow from a call to its backward, i an
instant, M a name for a process or thread. Times are microseconds since `baseTimeNanoseconds`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any


def write_trace(
    path: str,
    events: Iterable[Any],
    *,
    recorder: Any = None,
    metadata: dict | None = None,
    name: str = "wengert profiler",
) -> None:
    """Write events to `path` as a trace, compressed if the path ends in ``.gz``."""
    import gzip
    import json

    trace = build_trace(list(events), recorder, name)
    trace.update(metadata or {})
    trace["traceName"] = str(path)
    opener: Any = gzip.open if str(path).endswith(".gz") else open
    entries = trace.pop("traceEvents")
    head = json.dumps(trace, indent=1, default=str).removesuffix("\n}")
    lines = ",\n  ".join([json.dumps(entry, default=str) for entry in entries])
    with opener(path, "wt", encoding="utf-8") as file:  # an event a line, by the fast encoder
        file.write(f'{head},\n "traceEvents": [\n  {lines}\n ]\n}}\n')


def build_trace(events: list[Any], recorder: Any, name: str) -> dict[str, Any]:
    """The trace as a dictionary."""
    import platform

    pid = os.getpid()
    threads = {t.native: t.name for t in recorder.threads} if recorder is not None else {}
    for e in events:
        threads.setdefault(e.device_resource_id, f"thread {e.thread}")
    entries = _names(pid, threads)
    for number, e in enumerate(events):
        if e.name != "[memory]":
            entries.append(_span(e, pid, number))
    entries += _arrows(events, pid)
    if recorder is not None:
        entries += _memory(recorder, pid)
        entries += _window(recorder, name)
    return {
        "schemaVersion": 1,
        "deviceProperties": [],
        "trace_id": os.urandom(16).hex().upper(),
        "host_name": platform.node(),
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": 0 if recorder is None else recorder.wall,
        "traceEvents": entries,
    }


def _names(pid: int, threads: dict[int, str]) -> list[dict]:
    def note(what: str, tid: int, **args: Any) -> dict:
        return {"ph": "M", "name": what, "ts": 0.0, "pid": pid, "tid": tid, "args": args}

    entries = [
        note("process_name", 0, name="python"),
        note("process_labels", 0, labels="CPU"),
        note("process_sort_index", 0, sort_index=pid),
    ]
    for tid, label in threads.items():
        entries.append(note("thread_name", tid, name=f"thread {tid} ({label})"))
        entries.append(note("thread_sort_index", tid, sort_index=tid))
    return entries


def _span(e: Any, pid: int, number: int) -> dict:
    args: dict[str, Any] = {"External id": e.id}
    if e.sequence_nr >= 0:
        args["Sequence number"] = e.sequence_nr
        args["Fwd thread id"] = e.fwd_thread
    args["Record function id"] = 0
    if e.input_shapes:
        args["Concrete Inputs"] = ["" if c is None else str(c) for c in e.concrete_inputs]
        args["Input type"] = e.input_dtypes
        args["Input Strides"] = e.structured_input_strides
        args["Input Dims"] = e.input_shapes
    if e.stack:
        args["Call stack"] = ";".join(e.stack)
    args["Ev Idx"] = number
    return {
        "ph": "X",
        "cat": e.activity_type,
        "name": e.trace_name,
        "pid": pid,
        "tid": e.device_resource_id,
        "ts": e.time_range.start,
        "dur": e.time_range.elapsed_us(),
        "args": args,
    }


def _arrows(events: list[Any], pid: int) -> list[dict]:
    """An arrow from each recorded call to the node of the same sequence number in backward."""
    calls = {
        e.sequence_nr: e for e in events if e.scope == 0 and not e.fwd_thread and e.sequence_nr >= 0
    }
    entries = []
    for e in events:
        call = calls.get(e.sequence_nr)
        if e.scope != 1 or call is None:
            continue
        for ph, end in (("s", call), ("f", e)):
            entry = {
                "ph": ph,
                "id": e.sequence_nr,
                "pid": pid,
                "tid": end.device_resource_id,
                "ts": end.time_range.start,
                "cat": "fwdbwd",
                "name": "fwdbwd",
            }
            if ph == "f":
                entry["bp"] = "e"
            entries.append(entry)
    return entries


def _memory(recorder: Any, pid: int) -> list[dict]:
    changes = [(*m, 1) for m in recorder.made] + [(*f, -1) for f in recorder.freed]
    entries, total = [], 0
    for when, thread, size, address, sign in sorted(changes, key=lambda c: c[0]):
        total += sign * size
        entries.append(
            {
                "ph": "i",
                "cat": "cpu_instant_event",
                "s": "t",
                "name": "[memory]",
                "pid": pid,
                "tid": thread.native,
                "ts": (when - recorder.began) / 1e3,
                "args": {
                    "Total Reserved": 0,
                    "Total Allocated": total,
                    "Bytes": sign * size,
                    "Device Id": -1,
                    "Device Type": 0,
                    "Addr": address,
                },
            }
        )
    return entries


def _window(recorder: Any, name: str) -> list[dict]:
    length = (recorder.ended - recorder.began) / 1e3
    return [
        {
            "ph": "X",
            "cat": "Trace",
            "name": f"{name} (0)",
            "pid": "Spans",
            "tid": name,
            "ts": 0.0,
            "dur": length,
            "args": {"Op count": 0},
        },
        {
            "ph": "i",
            "s": "g",
            "name": f"Iteration Start: {name}",
            "pid": "Traces",
            "tid": f"Trace {name}",
            "ts": 0.0,
        },
        {"ph": "i", "s": "g", "name": "Record Window End", "pid": "", "tid": "", "ts": length},
    ]
