"""Bags of embeddings: sums, means or maxima of the rows of a table; and the norms of rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.batching import loop, refuse_dynamic
from ..core.cold import bind
from ..core.define import plain, primitive
from ..core.errors import type_name
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels.dtypes import FLOAT
from .checking import check_tensor
from .embedding import _renormalise, embedding_row

T: Any = TENSORS


# ---------------------------------------------------------------- the row
def _segment_sum(x: np.ndarray, y: np.ndarray, bags: int, mean: bool) -> np.ndarray:
    """Add up (or average) the rows of x that lie together and have one number in y."""
    out = np.zeros((bags, *x.shape[1:]), x.dtype)
    if len(y):
        starts = np.flatnonzero(np.concatenate([[True], y[1:] != y[:-1]]))
        used = y[starts]
        sums = np.add.reduceat(x, starts, 0)
        if mean:
            sums /= np.diff(starts, append=len(y)).astype(x.dtype)[:, None]
        out[used] = sums
    return out


def _segment_spread(x: np.ndarray, y: np.ndarray, mean: bool) -> np.ndarray:
    """The transpose: every row gets what its bag has."""
    rows = x[y]
    if mean and len(y):
        rows /= np.bincount(y)[y].astype(x.dtype)[:, None]
    return rows


def _by_columns(op: Any, xs: list, on: list, params: tuple) -> Any:
    """The rows of examples side by side, as more columns; without that where bags differ."""
    x, y = xs
    if on[1] or x._spec.ndim != 3:
        return loop(op, xs, on, params)
    size, n, width = x._spec.shape
    out = bind(op, (T.reshape(T.transpose(x, 0, 1), (n, size * width)), y), params)
    return T.transpose(T.reshape(out, (out._spec.shape[0], size, width)), 0, 1)


segment_sum = primitive(
    "opaque", "segment_sum(x, y, *, bags, mean)", _segment_sum, node="EmbeddingBagBackward0",
    x=lambda xp, g, y, mean: xp.segment_spread(g, y, mean),
    jvp=lambda xp, xs, ts, out, params: xp.segment_sum(ts[0], xs[1], *params),
    saved={"y": "offset2bag"}, batch=_by_columns,
)  # fmt: skip

primitive(
    "opaque", "segment_spread(x, y, *, mean)", _segment_spread,
    x=lambda xp, g, y, x_spec, mean: xp.segment_sum(g, y, x_spec.shape[0], mean),
    jvp=lambda xp, xs, ts, out, params: xp.segment_spread(ts[0], xs[1], *params),
    batch=_by_columns,
)  # fmt: skip


def _largest(x: np.ndarray, y: np.ndarray, bags: int) -> np.ndarray:
    """For every bag and column, the first row that is largest there; 0 for an empty bag."""
    out = np.zeros((bags, x.shape[1]), np.int64)
    if len(y):
        starts = np.flatnonzero(np.concatenate([[True], y[1:] != y[:-1]]))
        top = np.maximum.reduceat(x, starts, 0)
        sizes = np.diff(starts, append=len(y))
        position = np.where(x == np.repeat(top, sizes, 0), np.arange(len(y))[:, None], len(y) - 1)
        out[y[starts]] = np.minimum.reduceat(position, starts, 0)
    return out


segment_largest = plain("segment_largest(x, y, *, bags)", _largest, promote=None, batch=_by_columns)


# ---------------------------------------------------------------- bags
def _bag_numbers(indices: Any, offsets: Any, include_last: bool) -> tuple[np.ndarray, int]:
    """Which bag every index is in, and how many bags there are."""
    n, starts = indices.size, offsets.astype(np.int64)
    if len(starts) and starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {starts[0]}"
        )
    if len(starts) and starts[-1] > n:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {n} but got offsets[-1] of "
            f"{starts[-1]}"
        )
    if include_last:
        if not len(starts):
            raise RuntimeError("include_last_offset: number of offset should be at least 1")
        starts, ends = starts[:-1], starts[1:]
    else:
        ends = np.append(starts[1:], n)
    sizes = np.maximum(ends - starts, 0)
    return np.repeat(np.arange(len(starts)), sizes), len(starts)


def _check_indices(weight: Tensor, indices: np.ndarray) -> None:
    rows = weight._spec.shape[0]
    wrong = (indices < 0) | (indices >= rows)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise RuntimeError(
            f"Index {at} of input takes value {indices[at]} which is not in the valid range [0, {rows})"
        )


def bags_of(
    weight: Tensor, indices: np.ndarray, bag: np.ndarray, bags: int, scale: bool, mode: str,
    psw: Any, padding_idx: int,
) -> tuple:  # fmt: skip
    """The reduced bags, and which of the items decided (mode "max")."""
    _check_indices(weight, indices)
    if padding_idx >= 0:
        kept = np.flatnonzero(indices != padding_idx)
        if len(kept) < len(indices):
            indices, bag = indices[kept], bag[kept]
            if psw is not None:
                psw = T.index_select(psw, wrap(kept), 0)
    rows = embedding_row(weight, wrap(indices), -1, scale)
    if mode == "max":
        if not len(indices):
            return T.sum(rows, (0,), True) + wrap(np.zeros((bags, 1), weight._spec.np)), None
        at = segment_largest(rows, wrap(bag), bags)
        empty = np.bincount(bag, minlength=bags) == 0
        picked = T.gather(rows, at, 0)
        return (T.masked_fill(picked, wrap(empty[:, None]), 0.0) if empty.any() else picked), at
    if psw is not None:
        rows = rows * T.unsqueeze(psw, 1)
    return segment_sum(rows, wrap(bag), bags, mode == "mean"), None


def _check_types(weight: Any, indices: Any) -> None:
    if indices._spec.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {type_name(indices)} instead (while checking arguments for "
            "embedding_bag)"
        )
    if weight._spec.ndim != 2:
        raise RuntimeError("weight has to be a 2D Tensor")


def _padding(padding_idx: int | None, rows: int) -> int:
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, -{rows} through {rows - 1}, but "
            f"got {padding_idx}"
        )
    return padding_idx % rows


# ---------------------------------------------------------------- public functions
@public("F")
def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
    norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean",
    sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """Return sums, means or maxima over bags of rows of `weight` (V, D): (bags, D).

    `input` is (bags, n), or one list of all indices with the position at which each bag begins in
    `offsets` (with `include_last_offset` also where the last one ends). `per_sample_weights`
    multiplies the rows (mode "sum" alone). Indices equal to `padding_idx` don't count; an empty bag
    gives zeros.

    >>> import wengert as torch
    >>> table = torch.tensor([[1., 2.], [3., 4.], [5., 6.]])
    >>> F = torch.nn.functional
    >>> F.embedding_bag(torch.tensor([0, 1, 2]), table, torch.tensor([0, 2]), mode="sum")
    tensor([[4., 6.],
            [5., 6.]])
    """
    check_tensor(input, "embedding_bag")
    check_tensor(weight, "embedding_bag", "weight", 2)
    if weight._spec.dtype.name == "int64" and input._spec.dtype.category == FLOAT:
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage "
            "`embedding_bag(weight, input, ...)` is deprecated, and should now be "
            "`embedding_bag(input, weight, ...)`.",
            stacklevel=2,
        )
        input, weight = weight, input
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it "
            f"must have the same shape as the input ({input.shape})"
        )
    ndim = input._spec.ndim
    if ndim not in (1, 2):
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {ndim}")
    if ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
                f"fixed length sequences. However, found offsets of type {type(offsets)}"
            )
        if per_sample_weights is not None:
            per_sample_weights = T.reshape(per_sample_weights, (-1,))
    elif offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    elif offsets._spec.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    _check_types(weight, input)
    pad = _padding(padding_idx, weight._spec.shape[0])
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}')."
        )
    refuse_dynamic("embedding_bag", input)
    indices = input._array.reshape(-1).astype(np.int64, copy=False)
    if offsets is None:
        bags, n = input._spec.shape
        bag = np.repeat(np.arange(bags), n)
    else:
        bag, bags = _bag_numbers(indices, offsets._array, include_last_offset)
        indices = indices[: len(bag)]
    if max_norm is not None:
        _check_indices(weight, indices)
        _renormalise(weight, wrap(indices), max_norm, norm_type)
    out: Tensor = bags_of(
        weight, indices, bag, bags, scale_grad_by_freq, mode, per_sample_weights, pad
    )[0]
    return out


@public("torch", name="embedding_bag")
def _embedding_bag(
    weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool = False,
    mode: int = 0, sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Return (bags, number of each index's bag, sizes of the bags, indices of the maxima).

    `mode` is 0, 1 or 2 for sum, mean or max; nn.functional.embedding_bag says more.
    """
    check_tensor(weight, "embedding_bag", "weight")
    check_tensor(indices, "embedding_bag", "indices", 2)
    _check_types(weight, indices)
    how = ("sum", "mean", "max")[mode]
    bag, bags = _bag_numbers(indices._array, offsets._array, include_last_offset)
    values = indices._array[: len(bag)].astype(np.int64, copy=False)
    pad = _padding(padding_idx, weight._spec.shape[0])
    out, which = bags_of(weight, values, bag, bags, scale_grad_by_freq, how, per_sample_weights, pad)
    counted = bag if pad < 0 else bag[values != pad]
    sizes = np.bincount(counted, minlength=bags)
    used = values if pad < 0 else values[values != pad]
    largest = wrap(sizes.copy()) if which is None else wrap(used)[which]
    return out, wrap(bag), wrap(sizes), largest


@public("torch")
def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Shorten, in place, the rows at some indices whose norm is above max_norm.

    >>> import wengert as torch
    >>> torch.embedding_renorm_(torch.full((2, 1), 3.), torch.tensor([1]), 1., 2.)
    tensor([[3.0000],
            [1.0000]])
    """
    check_tensor(input, "embedding_renorm_", "self")
    check_tensor(indices, "embedding_renorm_", "indices", 2)
    _renormalise(input, indices, max_norm, norm_type)
    return input
