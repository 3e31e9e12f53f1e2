"""`ExecutionTraceObserver`: which calls ran inside which, with their inputs, as one JSON file."""

from __future__ import annotations

import os
import time
from typing import Any, Self

from ..autograd.profiler_record import Recorder
from ..autograd.profiler_util import FunctionEvent

_SCHEMA = "1.1.1-chakra.0.0.4"
_THREAD = "[pytorch|profiler|execution_trace|thread]"


class ExecutionTraceObserver:
    """Writes an execution trace: every call between `start` and `stop` as a node of a tree.

    A node has the name of the call, the node that it ran inside (ctrl_deps), shapes, types and
    strides of its inputs, the values of those that are no tensors, and sequence numbers that tie
    backward to forward. Results are not noted. A path ending in ``.gz`` is compressed.

    >>> import os, tempfile
    >>> import wengert as torch
    >>> path = os.path.join(tempfile.mkdtemp(), "trace.json")
    >>> observer = torch.profiler.ExecutionTraceObserver().register_callback(path)
    >>> observer.start()
    >>> y = torch.ones(2) * 2
    >>> observer.stop()
    >>> observer.unregister_callback()
    >>> os.path.exists(path)
    True
    """

    def __init__(self) -> None:
        self.output_file_path = ""
        self.extra_resources_collection = False
        self._recorder: Recorder | None = None
        self._began = 0
        self._nodes: list[dict[str, Any]] = []
        self._registered = False

    @property
    def is_registered(self) -> bool:
        """True between `register_callback` and `unregister_callback`."""
        return self._registered

    def is_running(self) -> bool:
        """Return True between `start` and `stop`."""
        return self._recorder is not None

    def register_callback(self, output_file_path: str) -> Self:
        """Choose the file; return self. Another call changes nothing until `unregister_callback`."""
        if not self._registered:
            self._registered, self.output_file_path = True, str(output_file_path)
            self._began, self._nodes = time.perf_counter_ns() // 1_000_000, []
        return self

    def set_extra_resource_collection(self, val: bool) -> None:
        """Accepted for PyTorch programs: there are no generated kernels to collect."""
        self.extra_resources_collection = bool(val)

    def get_output_file_path(self) -> str | None:
        """Return the path of the file, None if there is none."""
        return self.output_file_path or None

    def start(self) -> None:
        """Begin to note calls, if a file was chosen."""
        if self._registered and self._recorder is None:
            self._recorder = Recorder(shapes=True, memory=False, stack=False, flops=False)
            self._recorder.start()

    def stop(self) -> None:
        """Stop; what was noted stays until the file is written."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.stop()
            self._add(list(recorder.events()))

    def unregister_callback(self) -> None:
        """Stop, and write the file."""
        self.stop()
        if not self._registered:
            return
        self._registered = False
        import gzip
        import json

        trace = {
            "schema": _SCHEMA,
            "pid": os.getpid(),
            "time": time.strftime("%Y-%m-%d %H:%M:%S"),
            "start_ts": self._began,
            "nodes": self._nodes,
            "finish_ts": time.perf_counter_ns() // 1_000_000,
        }
        opener: Any = gzip.open if self.output_file_path.endswith(".gz") else open
        with opener(self.output_file_path, "wt", encoding="utf-8") as file:
            json.dump(trace, file, indent=1, default=str)

    cleanup = unregister_callback

    def _add(self, events: list[FunctionEvent]) -> None:
        """Make nodes of events; every thread is a node itself, above its outermost calls."""
        threads: dict[int, int] = {}
        numbers: dict[int, int] = {}
        for e in events:
            if e.thread not in threads:
                threads[e.thread] = self._node(_THREAD, 1, e.thread, scope=7)
            inside = threads[e.thread] if e.cpu_parent is None else numbers[e.cpu_parent.id]
            numbers[e.id] = self._node(
                e.name, inside, e.thread, scope=e.scope, seq=e.sequence_nr, back=e.fwd_thread,
                inputs=(e.concrete_inputs, e.input_shapes, e.input_dtypes,
                        e.structured_input_strides),
            )  # fmt: skip

    def _node(
        self, name: str, inside: int, thread: int, *, scope: int, seq: int = -1, back: int = 0,
        inputs: tuple[list, list, list, list] = ([], [], [], []),
    ) -> int:  # fmt: skip
        number = len(self._nodes) + 2  # 1 is the process
        attributes = (
            ("rf_id", "uint64", number - 2), ("fw_parent", "uint64", 0), ("seq_id", "int64", seq),
            ("scope", "uint64", scope), ("tid", "uint64", thread), ("fw_tid", "uint64", back),
        )  # fmt: skip
        values, shapes, types, strides = inputs
        self._nodes.append({
            "id": number, "name": name, "ctrl_deps": inside,
            "inputs": {"values": values, "shapes": shapes, "types": types, "strides": strides},
            "outputs": {"values": [], "shapes": [], "types": [], "strides": []},
            "attrs": [{"name": n, "type": t, "value": v} for n, t, v in attributes],
        })  # fmt: skip
        return number
