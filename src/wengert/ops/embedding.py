"""Embedding: rows of a table picked by index, and one-hot codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import all_batched
from ..core.define import primitive, utility
from ..core.errors import type_name
from ..core.inplace import before_write, bump
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import scatter
from ..kernels.dtypes import int64
from .checking import check_tensor


def _take(x: np.ndarray, y: np.ndarray, padding_idx: int, scale: bool) -> np.ndarray:
    scatter.check_bounds(y, x.shape[0], _out_of_range(x.shape[0]))
    return x.take(y, 0)


def _out_of_range(n: int) -> Any:
    return lambda i: IndexError(
        f"index out of range in self: index {i} of an embedding with {n} rows"
    )


def _factors(y: np.ndarray, rows: int, padding_idx: int, scale: bool, d: Any) -> np.ndarray:
    """What the cotangent of every picked row is multiplied by: 0 at the padding index, and with
    `scale` 1 / how often the index occurs."""
    f = np.ones(y.shape, d)
    if scale:
        f /= np.bincount(y.reshape(-1), minlength=rows)[y]
    if padding_idx >= 0:
        f[y == padding_idx] = 0
    return f[..., None]


def _spread_rows(
    g: np.ndarray, y: np.ndarray, rows: int, padding_idx: int, scale: bool
) -> np.ndarray:
    """Add the rows of g up at their indices."""
    if scale:
        g = g * _factors(y, rows, -1, True, g.dtype)
    out = scatter.index_backward(g, y, (rows, g.shape[-1]), (0,))
    if padding_idx >= 0:
        out[padding_idx] = 0
    return out


def _factors_in_ops(g: Any, y: Any, padding_idx: int, scale: bool) -> Any:
    """The same over tensors, those of a transform too."""
    if y._spec.plain:
        return wrap(_factors(y._array, g.shape[0], padding_idx, scale, g._spec.np))
    f = T.unsqueeze(T.cast(T.ne(y, padding_idx), g._spec.dtype), y.ndim)
    if scale:
        ones = T.ones_like(f)
        counts = T.embedding_backward(ones, y, g.shape[0], -1, False)
        f = f / T.embedding(counts, y, -1, False)
    return f


utility("embedding_factors", lambda g, y, pad, scale: _factors(y, g.shape[0], pad, scale, g.dtype),
        _factors_in_ops)  # fmt: skip


def _offset(y: Any, rows: int) -> Any:
    """Let the indices of each example point into its own table of all tables in a row."""
    size = y.shape[0]
    shift = np.arange(size).reshape((size,) + (1,) * (y.ndim - 1)) * rows
    return T.cast(y, int64) + wrap(shift)


def _embedding_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    x, y = xs
    pad, scale = params
    if not on[0] and not scale:  # more indices into one table
        return op.call(x, y, pad, scale)
    x, y = all_batched(xs, on)
    size, rows, width = x.shape
    out = op.call(T.reshape(x, (size * rows, width)), _offset(y, rows), -1, scale)
    if pad < 0:
        return out
    return T.where(T.unsqueeze(T.eq(y, pad), y.ndim), out.detach(), out)


def _embedding_backward_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    g, y = all_batched(xs, on)
    rows, pad, scale = params
    size, width = g.shape[0], g.shape[-1]
    out = T.reshape(op.call(g, _offset(y, rows), size * rows, -1, scale), (size, rows, width))
    if pad >= 0:
        out = out * wrap((np.arange(rows) != pad).astype(g._spec.np)[:, None])
    return out


def _gather_rule(xp: Any, g: Any, y: Any, padding_idx: int, scale: bool) -> Any:
    rows = xp.embedding(g, y, padding_idx, scale)
    return rows * xp.embedding_factors(g, y, padding_idx, scale) if scale or padding_idx >= 0 else rows


embedding_row = primitive(
    "opaque", "embedding(x, y, *, padding_idx, scale)", _take,
    x=lambda xp, g, y, x_spec, padding_idx, scale:
    xp.embedding_backward(g, y, x_spec.shape[0], padding_idx, scale),
    jvp=lambda xp, xs, ts, out, params: xp.embedding(ts[0], xs[1], *params),
    saved={"y": "indices"}, batch=_embedding_batch,
)  # fmt: skip

primitive(
    "opaque", "embedding_backward(x, y, *, rows, padding_idx, scale)", _spread_rows,
    x=_gather_rule,
    jvp=lambda xp, xs, ts, out, params: xp.embedding_backward(ts[0], xs[1], *params),
    batch=_embedding_backward_batch,
)  # fmt: skip


def _check(weight: Any, indices: Any) -> None:
    check_tensor(weight, "embedding", "weight", 1)
    check_tensor(indices, "embedding", "indices", 2)
    if weight._spec.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if indices._spec.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {type_name(indices)} instead (while checking arguments for "
            "embedding)"
        )


def _renormalise(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Shrink, in place and unrecorded, the rows in use whose norm is above max_norm."""
    w = weight._array
    scatter.check_bounds(indices._array, w.shape[0], _out_of_range(w.shape[0]))
    rows = np.unique(indices._array)
    used = w[rows]
    norms = np.linalg.norm(used.astype(np.float64), norm_type, axis=1)
    large = norms > max_norm
    if large.any():
        factors = (max_norm / (norms[large] + 1e-7)).astype(w.dtype)
        before_write(w)
        w[rows[large]] = used[large] * factors[:, None]
    bump(weight)


@public("F")
def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """Return the rows of `weight` (V, D) at the indices `input` (any shape): (..., D).

    The row `padding_idx` gets no gradient. With `max_norm`, rows in use that are longer are first
    shortened in place. `scale_grad_by_freq` divides gradients by how often an index occurs. The
    gradient is dense whatever `sparse` says.

    >>> import wengert as torch
    >>> table = torch.tensor([[1., 2.], [3., 4.]])
    >>> torch.nn.functional.embedding(torch.tensor([1, 1]), table)
    tensor([[3., 4.],
            [3., 4.]])
    """
    _check(weight, input)
    pad = -1
    if padding_idx is not None:
        rows = weight._spec.shape[0]
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        pad = padding_idx % rows
    if max_norm is not None:
        _renormalise(weight, input, max_norm, norm_type)
    return embedding_row(weight, input, pad, scale_grad_by_freq)


@public("torch", name="embedding")
def _embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:  # fmt: skip
    """Return the rows of a table at some indices; nn.functional.embedding says more."""
    _check(weight, indices)
    return embedding_row(weight, indices, padding_idx, scale_grad_by_freq)


@public("F")
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return int64 codes (..., num_classes): 1 at the class number, 0 elsewhere.

    num_classes is one more than the largest class by default. RuntimeError for class numbers that
    are negative or too large.

    >>> import wengert as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    check_tensor(tensor, "one_hot", "tensor")
    if tensor._spec.dtype.name != "int64":
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    y = tensor._array
    if y.size == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return wrap(np.zeros((*y.shape, num_classes), np.int64))
    if y.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(y.max()) + 1
    elif num_classes <= y.max():
        raise RuntimeError("Class values must be smaller than num_classes.")
    return wrap((y[..., None] == np.arange(num_classes)).astype(np.int64, "C"))
