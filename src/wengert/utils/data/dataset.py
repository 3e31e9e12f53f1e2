"""Data sets: things with samples, and ways to combine and split them."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from ...core.tensor import Tensor
from ...ops.generator import Generator
from ...ops.random import randperm

__all__ = [
    "ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset",
    "TensorDataset", "random_split",
]  # fmt: skip

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Indexed(Protocol[T_co]):
    """Whatever can be indexed: a list, a tensor or a range is a data set too."""

    def __getitem__(self, index: Any, /) -> T_co: ...


class Dataset(Generic[T_co]):
    """A map from keys (mostly 0 ... n - 1) to samples.

    Subclasses define `__getitem__`, most of them `__len__`, and `__getitems__(indices)` where a
    whole batch can be had at once.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """Samples in the order in which they come; subclasses define `__iter__`.

    With several workers every worker iterates over all of it: look at `get_worker_info()` to share
    the work.
    """

    def __add__(self, other: Dataset[Any]) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Rows of tensors: sample i is the tuple of the i-th slices.

    AssertionError unless all have the same first dim.

    >>> import wengert as torch
    >>> data = torch.utils.data.TensorDataset(torch.ones(3, 2), torch.arange(3))
    >>> data[1]
    (tensor([1., 1.]), tensor(1))
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [t.shape[0] for t in tensors]
        if any(n != sizes[0] for n in sizes):
            raise AssertionError(f"Size mismatch between tensors: their first dims are {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class StackDataset(Dataset[Any]):
    """Data sets side by side: sample i is the tuple (or dict, by name) of their i-th samples.

    ValueError unless all have one length.

    >>> import wengert as torch
    >>> torch.utils.data.StackDataset(image=[1, 2], label=["a", "b"])[1]
    {'image': 2, 'label': 'b'}
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like "
                "input/output, but both types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        sizes = [len(d) for d in args or kwargs.values()]
        if any(n != sizes[0] for n in sizes):
            raise ValueError(f"Size mismatch between datasets: their lengths are {sizes}")
        self._length = sizes[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {k: d[index] for k, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __getitems__(self, indices: Sequence[Any]) -> list[Any]:
        """Return the samples at these indices, fetched from each data set in one go if it can."""
        if isinstance(self.datasets, dict):
            columns = [_fetched(d, indices) for d in self.datasets.values()]
            rows = zip(*columns, strict=True)
            return [dict(zip(self.datasets, row, strict=True)) for row in rows]
        return list(zip(*(_fetched(d, indices) for d in self.datasets), strict=True))

    def __len__(self) -> int:
        return self._length


def _fetched(dataset: Any, indices: Sequence[Any]) -> list[Any]:
    several = getattr(dataset, "__getitems__", None)
    if not several:
        return [dataset[i] for i in indices]
    found: list[Any] = several(indices)
    if len(found) != len(indices):
        raise ValueError(
            "Nested dataset's output size mismatch. Expected "
            f"{len(indices)}, got {len(found)} from {type(dataset).__name__}.__getitems__"
        )
    return found


class ConcatDataset(Dataset[T_co]):
    """Data sets one after the other. AssertionError for none, or for an IterableDataset.

    >>> import wengert as torch
    >>> torch.utils.data.ConcatDataset([[1, 2], [3]])[-1]
    3
    """

    datasets: list[Any]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        for d in self.datasets:
            if isinstance(d, IterableDataset):
                raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        if which == len(self.datasets):
            raise IndexError(f"index {index} is out of range for {len(self)} samples")
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]


class ChainDataset(IterableDataset[Any]):
    """Iterable data sets one after the other; AssertionError on meeting another kind."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = datasets

    def _parts(self) -> Iterator[IterableDataset[Any]]:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield d

    def __iter__(self) -> Iterator[Any]:
        for d in self._parts():
            yield from d

    def __len__(self) -> int:
        sized: Any = self._parts()
        return sum(len(d) for d in sized)


class Subset(Dataset[T_co]):
    """The samples of a data set at some indices.

    >>> import wengert as torch
    >>> list(torch.utils.data.Subset("abcde", [4, 0]))
    ['e', 'a']
    """

    dataset: Any
    indices: Sequence[int]

    def __init__(self, dataset: Indexed[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        """Return the samples at these positions, fetched in one go if the data set can."""
        inner = [self.indices[i] for i in indices]
        several = getattr(self.dataset, "__getitems__", None)
        if callable(several):
            return several(inner)
        return [self.dataset[i] for i in inner]

    def __len__(self) -> int:
        return len(self.indices)


def tensor_rows(dataset: Any, indices: Any) -> list[Tensor] | None:
    """Return the batch of these samples in one go where that is the same: the rows of tensors.

    None for other data sets, and for tensors with a history (whose batches PyTorch stacks).
    """
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or not indices:
        return None
    tensors: Any = dataset.tensors
    if any(t.requires_grad for t in tensors):
        return None
    return [t[indices] for t in tensors]


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset[Any]]:
    """Split a data set at random into subsets of these lengths, or of these shares summing to 1.

    What rounding down leaves over goes to the first subsets, one each. ValueError unless the
    lengths sum to the length of the data set.

    >>> import wengert as torch
    >>> g = torch.Generator().manual_seed(42)
    >>> [list(s) for s in torch.utils.data.random_split(range(6), [2, 4], generator=g)]
    [[0, 3], [2, 4, 1, 5]]
    """
    n = len(dataset)
    total = sum(lengths)
    if math.isclose(total, 1) and total <= 1:
        sizes = _shares(lengths, n)
    elif total != n:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"The lengths {list(lengths)} sum to {total}, the dataset has {n} samples."
        )
    else:
        sizes = [int(k) for k in lengths]
    order = randperm(n, generator=generator)._array.tolist()
    ends = list(itertools.accumulate(sizes))
    return [Subset(dataset, order[e - k : e]) for e, k in zip(ends, sizes, strict=True)]


def _shares(fractions: Sequence[float], n: int) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1: {fraction}")
    sizes = [math.floor(n * fraction) for fraction in fractions]
    for i in range(n - sum(sizes)):
        sizes[i % len(sizes)] += 1
    for i, size in enumerate(sizes):
        if size == 0:
            warnings.warn(
                f"Length of split at index {i} is 0. This might result in an empty dataset.",
                stacklevel=3,
            )
    return sizes
