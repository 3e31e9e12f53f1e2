"""`FileWriter`: one event file and what goes into it."""

from __future__ import annotations

import itertools
import os
import socket
import time
from typing import Any

from ._wire import double, integer, message, record

_count = itertools.count()  # numbers the files of this process


class FileWriter:
    """Writes events to a new file `events.out.tfevents.<time>.<host>.<process>.<number><suffix>`.

    Events are handed to the system when `max_queue` of them wait or `flush_secs` have passed since
    the last time, at the latest with `flush` and `close`.

    >>> import tempfile
    >>> from wengert.utils.tensorboard import FileWriter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer = FileWriter(folder)
    ...     writer.close()
    ...     len(os.listdir(folder))
    1
    """

    def __init__(
        self, log_dir: Any, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str = ""
    ) -> None:
        self._dir = str(log_dir)
        self._most = max_queue
        self._seconds = flush_secs
        self._suffix = filename_suffix
        self._open()

    def _open(self) -> None:
        os.makedirs(self._dir, exist_ok=True)
        name = (
            f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}."
            f"{next(_count)}{self._suffix}"
        )
        self.path = os.path.join(self._dir, name)
        self._file: Any = open(self.path, "wb")  # noqa: SIM115 (until `close`)
        self._waiting = 0
        self._flushed = time.monotonic()
        self.add_event(message(3, b"brain.Event:2"))
        self.flush()

    def get_logdir(self) -> str:
        """Returns the directory of the file."""
        return self._dir

    def add_event(self, event: bytes, step: Any = None, walltime: float | None = None) -> None:
        """Adds an event: the bytes of what it carries, at a step and a time (now)."""
        if self._file is None:
            raise ValueError("the event file is closed: reopen() begins another one")
        head = double(1, time.time() if walltime is None else walltime)
        if step is not None:
            head += integer(2, int(step))
        self._file.write(record(head + event))
        self._waiting += 1
        if self._waiting >= self._most or time.monotonic() - self._flushed >= self._seconds:
            self.flush()

    def add_summary(
        self, summary: bytes, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds an event that carries a summary."""
        self.add_event(message(5, summary), global_step, walltime)

    def add_graph(self, graph_profile: bytes, walltime: float | None = None) -> None:
        """Adds an event that carries a graph."""
        self.add_event(message(4, graph_profile), None, walltime)

    def start_at(self, step: int) -> None:
        """Notes that a run begins anew at a step: what earlier files have from there on is void."""
        self.add_event(message(3, b"brain.Event:2"), step)
        self.add_event(message(7, integer(1, 1)), step)

    def flush(self) -> None:
        """Hands everything to the system."""
        if self._file is not None:
            self._file.flush()
        self._waiting = 0
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Closes the file; `reopen` begins another one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def reopen(self) -> None:
        """Begins a new file if this one is closed."""
        if self._file is None:
            self._open()
