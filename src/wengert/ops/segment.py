"""Reductions over consecutive segments of a dim, whose lengths are data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels.dims import wrap_dim
from .checking import check_tensor

T: Any = TENSORS

_NEUTRAL = {"sum": 0.0, "mean": 0.0, "max": -math.inf, "min": math.inf, "prod": 1.0}
_NAMES = {"amax": "max", "amin": "min"}


def _places(lengths: Any, offsets: Any) -> tuple[np.ndarray, np.ndarray]:
    """First element and length of every segment, along the last dim."""
    given, name = (lengths, "lengths") if lengths is not None else (offsets, "offsets")
    check_tensor(given, "segment_reduce", name)
    if not given._spec.plain:
        raise RuntimeError(f"segment_reduce(): {name} cannot differ between the examples of vmap")
    a = given._array
    if a.dtype not in (np.int32, np.int64):
        raise NotImplementedError(
            f"\"_segment_reduce_{name}_cpu_kernel1\" not implemented for '{given.dtype.scalar_name}'"
        )
    a = a.astype(np.int64)
    if lengths is None:
        return a[..., :-1], np.diff(a, axis=-1)
    ends = np.cumsum(a, -1)
    return ends - a, a


def _checked(
    data: Tensor, reduce: str, lengths: Any, indices: Any, offsets: Any, axis: int, unsafe: bool
) -> tuple[str, np.ndarray, np.ndarray]:
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    reduce = _NAMES.get(reduce, reduce)
    if reduce not in _NEUTRAL:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    x = data._spec
    if x.dtype.category != 2:
        raise NotImplementedError(
            f"\"_segment_reduce_cpu\" not implemented for '{x.dtype.scalar_name}'"
        )
    first, count = _places(lengths, offsets)
    name = "offsets" if lengths is None else "lengths"
    if not 0 < count.ndim <= x.ndim:
        raise RuntimeError(
            f"segment_reduce(): {name} has {count.ndim} dims, data has {x.ndim}: it needs at least one and "
            "no more than data"
        )
    if axis != count.ndim - 1:
        raise RuntimeError(
            f"segment_reduce(): Expected axis to be the last dimension of {name} but got {axis}."
        )
    if count.shape[:-1] != tuple(x.shape[: count.ndim - 1]):
        raise RuntimeError(
            f"segment_reduce(): the leading dims of {name}, {list(count.shape[:-1])}, are not those of "
            f"data, of shape {list(x.shape)}"
        )
    if count.size and count.min() < 0:
        raise RuntimeError(f"{name} contains negative value!")
    size = x.shape[axis]
    if lengths is not None and not unsafe and (count.sum(-1) != size).any():
        raise RuntimeError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to "
            "data.size(lengths.dim()-1) when !unsafe."
        )
    if count.size and (first.min() < 0 or (first + count).max() > size):
        raise RuntimeError(
            f"segment_reduce(): {name} reaches beyond the {size} elements of dim {axis} of data"
        )
    return reduce, first, count


def _segments(first: np.ndarray, count: np.ndarray, size: int) -> np.ndarray:
    """The number of the segment of every element; one beyond the last for those in none."""
    *lead, n = count.shape
    out = np.full((math.prod(lead), size), n)
    rows = len(out), n
    for row, start, length in zip(out, first.reshape(rows), count.reshape(rows), strict=True):
        end = start[-1] + length[-1] if n else 0
        row[start[0] if n else 0 : end] = np.repeat(np.arange(n), length)
    return out.reshape(*lead, size)


@public("torch")
def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Tensor | None = None,
    offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:  # fmt: skip
    """Reduce consecutive segments of dim `axis`: "sum", "mean", "max", "min" or "prod" of each.

    The segments have these `lengths`, or begin and end at these `offsets` (one more than there are
    segments); their leading dims are those of data before `axis`. With `unsafe=True` lengths need not
    cover the dim. A reduction starts from `initial`; without it, an empty segment gives 0, nan,
    -inf, inf and 1. Where several elements are the largest, they share the gradient. indices is
    not supported, as in PyTorch.

    >>> import wengert as torch
    >>> torch.segment_reduce(torch.tensor([1., 2., 3.]), "sum", lengths=torch.tensor([2, 1]))
    tensor([3., 3.])
    """
    check_tensor(data, "segment_reduce", "data")
    x = data._spec
    axis = wrap_dim(axis, x.ndim)
    reduce, first, count = _checked(data, reduce, lengths, indices, offsets, axis, unsafe)
    n = count.shape[-1]
    tail = (1,) * (x.ndim - count.ndim)
    segments = _segments(first, count, x.shape[axis])
    at = np.broadcast_to(segments.reshape(*segments.shape, *tail), x.shape)
    start = _NEUTRAL[reduce] if initial is None else float(initial)
    shape = (*x.shape[:axis], n + 1, *x.shape[axis + 1 :])
    extreme = reduce in ("max", "min")
    base = wrap(np.full(shape, _NEUTRAL[reduce] if extreme else start, x.np))
    how = {"max": "amax", "min": "amin", "mean": "sum"}.get(reduce, reduce)
    out = T.scatter_reduce(base, data, wrap(at.copy()), axis, how, not extreme)
    out = T.narrow(out, axis, 0, n)
    if (
        extreme and initial is not None
    ):  # a tie with the start leaves the gradient with the elements
        limit = wrap(np.full((), start, x.np))
        return T.where(out < limit if reduce == "max" else out > limit, limit, out)
    if reduce == "mean":
        by = count if initial is None else np.maximum(count, 1)
        out = out / wrap(by.reshape(*count.shape, *tail).astype(x.np))
    return out
