"""`DataLoader`: batches of a data set, in order or shuffled, made here or by worker threads.

One seed gives the order of PyTorch's DataLoader: each pass draws a base seed, then the sampler
draws its own.
"""

from __future__ import annotations

import functools
import itertools
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from ...ops.generator import Generator
from ._utils.collate import default_collate, default_convert
from ._utils.fetch import Fetch, fetcher
from ._utils.worker import DONE, END, RESTART, WorkerInfo, get_worker_info, work
from .dataset import Indexed, IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, random_int64

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _Endless(Sampler[None]):
    """The sampler of an iterable data set, which ends by itself."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader(Generic[T_co]):
    """Iterate over a data set in batches.

    dataset       anything with `__getitem__` and `__len__`, or an IterableDataset
    batch_size    samples in a batch; None gives single samples, as they are
    shuffle       a new random order each pass
    sampler       the indices to visit; batch_sampler: the lists of indices, one a batch
    collate_fn    puts the list of samples together (`default_collate`)
    drop_last     leave out the last batch if it is short
    generator     where the order comes from instead of the default generator
    num_workers   how many threads make batches ahead of time; 0 makes them when asked for. The
                  order is the same. PyTorch's are processes; see _utils/worker.py.
    worker_init_fn, prefetch_factor, timeout, persistent_workers, in_order: for these threads
    pin_memory, pin_memory_device, multiprocessing_context: accepted; no batch changes by them

    ValueError for options that exclude each other.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> data = torch.utils.data.TensorDataset(torch.arange(5))
    >>> for (x,) in torch.utils.data.DataLoader(data, batch_size=2, shuffle=True):
    ...     print(x)
    tensor([1, 4])
    tensor([2, 3])
    tensor([0])
    """

    def __init__(
        self,
        dataset: Indexed[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(
            num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context
        )
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            _check_iterable(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                    "and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        order: Any = sampler
        if sampler is None:
            if self._iterable:
                order = _Endless()
            elif shuffle:
                order = RandomSampler(dataset, generator=generator)  # type: ignore[arg-type]
            else:
                order = SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(order, batch_size, drop_last)
        batched = batch_sampler is not None
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.dataset: Any = dataset
        self.sampler = order
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.num_workers = num_workers
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._workers: _Workers | None = None
        self._said: int | None = None  # what len() of an iterable data set was when asked
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and self.__dict__.get("_ready"):
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        object.__setattr__(self, name, value)

    def __iter__(self) -> Iterator[Any]:
        if self.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device "
                "pinned memory won't be used.",
                stacklevel=2,
            )
        if self.num_workers == 0:
            return _Counted(self, _Here(self))
        if not self.persistent_workers:
            return _Counted(self, _Workers(self))
        if self._workers is None:
            self._workers = _Workers(self)
        else:
            self._workers.restart(self)
        return _Counted(self, self._workers)

    def __len__(self) -> int:
        """The number of batches; TypeError for an IterableDataset without a length."""
        if not self._iterable:
            return len(self._index_sampler)
        n = self._said = len(self.dataset)
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _fetcher(self) -> Callable[[], Fetch]:
        """What makes a fetch function; it does not know the loader (see _Workers)."""
        batched = self.batch_sampler is not None
        return functools.partial(
            fetcher, self.dataset, self._iterable, batched, self.collate_fn, self.drop_last
        )


def _check_workers(
    num_workers: int, timeout: float, prefetch: int | None, persistent: bool, context: Any
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0:
        if prefetch is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to "
                "None."
            )
        if persistent:
            raise ValueError("persistent_workers option needs num_workers > 0")
        if context is not None:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading "
                f"(num_workers > 0), but got num_workers={num_workers}"
            )
    elif prefetch is not None and prefetch < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if context is not None:
        _check_context(context)


def _check_context(context: Any) -> None:
    """Workers are threads, but what is no way to start processes is refused as in PyTorch."""
    import multiprocessing
    from multiprocessing.context import BaseContext

    methods = multiprocessing.get_all_start_methods()
    if isinstance(context, str):
        if context not in methods:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {methods}, "
                f"but got multiprocessing_context={context!r}"
            )
    elif not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )


def _check_iterable(shuffle: bool | None, sampler: Any, batch_sampler: Any) -> None:
    start = "DataLoader with IterableDataset: expected unspecified"
    if shuffle:
        raise ValueError(f"{start} shuffle option, but got shuffle={shuffle}")
    if sampler is not None:
        raise ValueError(f"{start} sampler option, but got sampler={sampler}")
    if batch_sampler is not None:
        raise ValueError(f"{start} batch_sampler option, but got batch_sampler={batch_sampler}")


class _Counted:
    """One pass over a loader: warns when it gives more than an iterable data set said it had."""

    def __init__(self, loader: DataLoader[Any], batches: Iterator[Any]) -> None:
        self._loader, self._batches = loader, batches
        self._given, self._said = 0, loader._said

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> Any:
        batch = next(self._batches)
        self._given += 1
        if self._said is not None and self._given > self._said:
            warnings.warn(
                f"Length of IterableDataset {self._loader.dataset} was reported to be "
                f"{self._said} (when accessing len(dataloader)), but {self._given} samples "
                "have been fetched.",
                stacklevel=2,
            )
        return batch

    def __len__(self) -> int:
        return len(self._loader)


class _Here:
    """Batches made one by one, when they are asked for."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._indices = iter(loader._index_sampler)
        random_int64(loader.generator)  # the base seed, which only workers use
        self._fetch = loader._fetcher()()

    def __iter__(self) -> _Here:
        return self

    def __next__(self) -> Any:
        return self._fetch(next(self._indices))


class _Workers:
    """Batches made ahead of time by threads, handed out in order (or as they come).

    Task k goes to the next worker that is not at its end, in turn. Threads know their queues only,
    so that a loader which nobody iterates any more can be collected, and they with it.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._tasks: list[SimpleQueue[Any]] = []
        self._count = n = loader.num_workers
        self._timeout = loader.timeout or None
        self._in_order = loader.in_order
        self._ahead = n * (loader.prefetch_factor or 1)
        self._indices = iter(loader._index_sampler)
        seed = random_int64(loader.generator)
        self._results: SimpleQueue[Any] = SimpleQueue()
        self._tasks += [SimpleQueue() for _ in range(n)]
        make_fetch = loader._fetcher()
        for k in range(n):
            info = WorkerInfo(k, n, seed + k, loader.dataset)
            args = (info, loader.worker_init_fn, make_fetch, self._tasks[k], self._results)
            threading.Thread(
                target=work, args=args, name=f"DataLoader worker {k}", daemon=True
            ).start()
        self._keep = loader.persistent_workers
        self._begin()

    def restart(self, loader: DataLoader[Any]) -> None:
        """Begin another pass with the same workers."""
        while self._sent > self._received:  # what an abandoned pass left behind
            self._results.get()
            self._received += 1
        for tasks in self._tasks:
            tasks.put((RESTART, None))
        self._indices = iter(loader._index_sampler)
        self._begin()

    def _begin(self) -> None:
        self._open = [True] * self._count
        self._turn = itertools.cycle(range(self._count))
        self._sent = self._received = self._next = 0
        self._owners: dict[int, int] = {}  # task -> worker, of tasks not yet handed out
        self._arrived: dict[int, tuple[str, Any]] = {}
        for _ in range(self._ahead):
            self._send()

    def _send(self) -> None:
        """Give the next task to the next worker, if there are both."""
        if not any(self._open):
            return
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        worker = next(k for k in self._turn if self._open[k])
        self._owners[self._sent] = worker
        self._tasks[worker].put((self._sent, indices))
        self._sent += 1

    def __iter__(self) -> _Workers:
        return self

    def __next__(self) -> Any:
        while self._owners:
            number = self._wanted()
            outcome, value = self._arrived.pop(number)
            worker = self._owners.pop(number)
            if outcome == END:
                if self._open[worker]:
                    self._open[worker] = False
                    self._send()
                continue
            self._send()
            if outcome == DONE:
                return value
            raise value
        if not self._keep:
            self._stop()
        raise StopIteration

    def _wanted(self) -> int:
        """Return the number of the task to hand out now, once its answer is there."""
        first = next(iter(self._owners))
        while first not in self._arrived if self._in_order else not self._arrived:
            try:
                number, outcome, value = self._results.get(timeout=self._timeout)
            except Empty:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds") from None
            self._received += 1
            self._arrived[number] = outcome, value
        return first if self._in_order else next(iter(self._arrived))

    def _stop(self) -> None:
        for tasks in self._tasks:
            tasks.put(None)

    def __del__(self) -> None:
        self._stop()
