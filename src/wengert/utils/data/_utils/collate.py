"""Batches out of samples: the default ways to put samples together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ....core.tensor import Tensor
from ....ops.create import as_tensor, tensor
from ....ops.join import stack

__all__ = ["default_collate", "default_convert"]

_KINDS = "batch must contain tensors, numpy arrays, numbers, dicts or lists"


def default_convert(data: Any) -> Any:
    """Return one sample with its NumPy arrays as tensors; everything else stays as it is.

    >>> import wengert as torch
    >>> import numpy as np
    >>> torch.utils.data.default_convert({"x": np.array([1, 2]), "name": "a"})
    {'x': tensor([1, 2]), 'name': 'a'}
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _mapping_like(data, lambda key: default_convert(data[key]))
    if _is_namedtuple(data):
        return type(data)(*(default_convert(d) for d in data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _sequence_like(data, [default_convert(d) for d in data])
    return data


def default_collate(batch: Any) -> Any:
    """Return a list of samples as one batch, in which tensors have one dim more, in front.

    Numbers and arrays become tensors (Python floats float64 ones), mappings and sequences are put
    together member by member, strings stay a list. TypeError for other things, RuntimeError for
    samples of different lengths or shapes.

    >>> import wengert as torch
    >>> torch.utils.data.default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch, 0)
    if isinstance(first, np.ndarray):
        if first.dtype.kind in "SUO":
            raise TypeError(f"default_collate: {_KINDS}; found {first.dtype}")
        return stack([as_tensor(a) for a in batch], 0)
    if isinstance(first, (np.bool_, np.number)):
        return as_tensor(np.asarray(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=float)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _mapping_like(first, lambda key: default_collate([d[key] for d in batch]))
    if isinstance(first, Sequence):
        return _collate_sequences(batch, first)
    raise TypeError(f"default_collate: {_KINDS}; found {type(first)}")


def _collate_sequences(batch: Any, first: Any) -> Any:
    sizes = {len(d) for d in batch}
    if len(sizes) > 1 and not _is_namedtuple(first):
        raise RuntimeError(
            f"each element in list of batch should be of equal size, got lengths {sorted(sizes)}"
        )
    columns = list(zip(*batch))
    if _is_namedtuple(first):
        return type(first)(*(default_collate(c) for c in columns))
    members = [default_collate(c) for c in columns]
    return members if isinstance(first, tuple) else _sequence_like(first, members)


def _is_namedtuple(x: Any) -> bool:
    return isinstance(x, tuple) and hasattr(x, "_fields")


def _mapping_like(data: Mapping[Any, Any], value: Callable[[Any], Any]) -> Any:
    """A mapping of data's own type with new values; a dict where that type can't be filled."""
    new = {key: value(key) for key in data}
    try:
        if hasattr(data, "update"):  # a copy keeps what else the type carries
            same = copy.copy(data)
            same.update(new)
            return same
        return type(data)(new)  # type: ignore[call-arg]
    except TypeError:
        return new


def _sequence_like(data: Sequence[Any], members: list[Any]) -> Any:
    """A sequence of data's own type with new members; a list where that type can't be filled."""
    if type(data) is list:
        return members
    try:
        if hasattr(data, "__setitem__"):
            same: Any = copy.copy(data)
            for i, member in enumerate(members):
                same[i] = member
            return same
        return type(data)(members)  # type: ignore[call-arg]
    except TypeError:
        return members
