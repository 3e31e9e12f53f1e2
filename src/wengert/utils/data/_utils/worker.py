"""Worker threads of a DataLoader: what they do and what they know about themselves.

Workers are threads of this process. NumPy and file access let several of them run at once; pure
Python code takes turns. What a worker draws by default comes from a generator of its own, seeded
with the loader's base seed plus its number, as in PyTorch's worker processes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from ....kernels.random import set_own_generator
from ....ops.generator import Generator
from .fetch import Fetch

_here = threading.local()

END, FAILED, DONE = "end", "failed", "done"
RESTART = -1  # the number of a task that starts the data set anew


class WorkerInfo:
    """What `get_worker_info` returns: id, num_workers, seed and dataset."""

    __slots__ = ("dataset", "id", "num_workers", "seed")

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any) -> None:
        self.id, self.num_workers, self.seed, self.dataset = id, num_workers, seed, dataset

    def __repr__(self) -> str:
        return (
            f"WorkerInfo(id={self.id}, num_workers={self.num_workers}, seed={self.seed}, "
            f"dataset={self.dataset!r})"
        )


def get_worker_info() -> WorkerInfo | None:
    """Return the facts about the DataLoader worker that runs this code; None outside of one.

    >>> import wengert as torch
    >>> torch.utils.data.get_worker_info() is None
    True
    """
    return getattr(_here, "info", None)


def work(
    info: WorkerInfo,
    init: Callable[[int], None] | None,
    make_fetch: Callable[[], Fetch],
    tasks: SimpleQueue[Any],
    results: SimpleQueue[Any],
) -> None:
    """Answer tasks until one is None.

    A task is (number, indices), or (RESTART, None); an answer is (number, DONE, batch), (number,
    END, None) after the last sample of an iterable data set, or (number, FAILED, exception).
    """
    _here.info = info
    set_own_generator(Generator().manual_seed(info.seed))
    fetch: Fetch | None = None
    broken: BaseException | None = None
    try:
        if init is not None:
            init(info.id)
    except BaseException as error:
        broken = _noted(error, info)
    try:
        while (task := tasks.get()) is not None:
            number, indices = task
            if number == RESTART:
                fetch = None
                continue
            if broken is not None:
                results.put((number, FAILED, broken))
                continue
            try:
                if fetch is None:
                    fetch = make_fetch()
                results.put((number, DONE, fetch(indices)))
            except StopIteration:
                results.put((number, END, None))
            except BaseException as error:
                results.put((number, FAILED, _noted(error, info)))
    finally:
        set_own_generator(None)


def _noted(error: BaseException, info: WorkerInfo) -> BaseException:
    error.add_note(f"Caught in DataLoader worker {info.id} of {info.num_workers}.")
    return error
