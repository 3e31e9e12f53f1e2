"""How vmap treats reads and writes by index tensors.

Where only the data or only the positions have a batch, the call runs on them as they are. Where both
have one, the batch becomes an indexed dim itself: the position in the batch is part of the flat
position, so that one call serves all examples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import Rule, all_batched, size_of_batch, spread
from ..core.cold import bind
from ..core.dual import innermost
from ..core.op import TENSORS as T
from ..core.tensor import Tensor, wrap
from ..kernels import scatter as kernels
from ..kernels.dims import count


def _later(dims: tuple) -> tuple:
    return tuple([d + 1 for d in dims])


def _moved(x: Tensor, first: int, last: int, to: int) -> Tensor:
    """Move the dims first .. last - 1 to where they stand `to` dims from the front."""
    if first in (last, to):
        return x
    rest = [*range(first), *range(last, x.ndim)]
    moved: Tensor = T.permute(x, (*rest[:to], *range(first, last), *rest[to:]))
    return moved


def _counted(y: Tensor, n: int, size: int) -> Tensor:
    """Return positions below n in each example as positions in the whole batch."""
    at = innermost(y)
    kernels.check_bounds(at, n, kernels.out_of_bounds(0, n, IndexError), negative=True)
    if at.size and at.min() < 0:
        y = T.where(y < 0, y + n, y)
    counted: Tensor = y + wrap((np.arange(size) * n).reshape((size,) + (1,) * (y.ndim - 1)))
    return counted


def index_rule(op: Any, xs: list, on: list, params: tuple) -> Any:
    """Rule of index(x, y, *, dims)."""
    (x, y), (dims,) = xs, params
    near = kernels.adjacent(dims)
    if not on[1]:
        out = bind(op, (x, y), (_later(dims),))
        return out if near else _moved(out, y.ndim, y.ndim + 1, 0)
    if not on[0]:
        at = dims[0] if near else 0
        return _moved(bind(op, (x, y), (dims,)), at, at + 1, 0)
    n = count([x.shape[d + 1] for d in dims])
    out = bind(op, (x, _counted(y, n, x.shape[0])), ((0, *_later(dims)),))
    return _moved(out, 1, y.ndim, 1 + dims[0]) if near else out


def _in_front(v: Tensor, dims: tuple, rank: int, near: bool) -> Tensor:
    """Bring the dims of the positions, of that rank, next to the batch."""
    return _moved(v, 1 + dims[0], 1 + dims[0] + rank, 1) if near else v


def index_backward_rule(op: Any, xs: list, on: list, params: tuple) -> Any:
    """Rule of index_backward(x, y, *, shape, dims)."""
    (g, y), (shape, dims) = xs, params
    near = kernels.adjacent(dims)
    size = size_of_batch(xs, on)
    whole = (size, *shape)
    if not on[1]:
        return bind(op, (g if near else _moved(g, 0, 1, y.ndim), y), (whole, _later(dims)))
    g = _in_front(g if on[0] else spread(g, size), dims, y.ndim - 1, near)
    y = _counted(y, count([shape[d] for d in dims]), size)
    return bind(op, (g, y), (whole, (0, *_later(dims))))


def index_put_rule(op: Any, xs: list, on: list, params: tuple) -> Any:
    """Rule of index_put(x, y, z, *, dims, accumulate), whose y broadcasts."""
    (x, v, z), (dims, accumulate) = xs, params
    near = kernels.adjacent(dims)
    size = size_of_batch(xs, on)
    x, v = (t if b else spread(t, size) for t, b in zip((x, v), on[:2], strict=True))
    if not on[2]:
        v = v if near else _moved(v, 0, 1, z.ndim)
        return bind(op, (x, v, z), (_later(dims), accumulate))
    v = _in_front(v, dims, z.ndim - 1, near)
    z = _counted(z, count([x.shape[d + 1] for d in dims]), size)
    return bind(op, (x, v, z), ((0, *_later(dims)), accumulate))


def lined_up(follows: int) -> Rule:
    """The rule of gather and the scatters, whose inputs have one rank (0 counts as 1).

    The result has the dims of the input number `follows`.
    """

    def rule(op: Any, xs: list, on: list, params: tuple) -> Any:
        xs = all_batched(xs, on)
        shape = (xs[follows].shape[0],) if xs[follows].ndim == 1 else None
        xs = [T.unsqueeze(x, 1) if x.ndim == 1 else x for x in xs]
        out = bind(op, tuple(xs), (params[0] + 1, *params[1:]))
        return out if shape is None else T.reshape(out, shape)

    return rule


def gather_backward_rule(op: Any, xs: list, on: list, params: tuple) -> Any:
    """Rule of gather_backward(x, y, *, dim, shape)."""
    xs = [T.unsqueeze(x, 1) if x.ndim == 1 else x for x in all_batched(xs, on)]
    dim, shape = params
    size = xs[0].shape[0]
    out = bind(op, tuple(xs), (dim + 1, (size, *(shape or (1,)))))
    return out if shape else T.reshape(out, (size,))


# ------------------------------------------------------------------- said by index and index_put
def flat(xp: Any, x: Any) -> Any:
    """Return x with one dim."""
    return xp.reshape(x, (x._spec.numel,))


def select_rows(xp: Any, x: Any, y: Any, dim: int) -> Any:
    """index_select by index."""
    return xp.index(x, y, (dim % x.ndim,))


def take(xp: Any, x: Any, y: Any) -> Any:
    """Take by index."""
    return xp.index(flat(xp, x), y, (0,))


def put(xp: Any, x: Any, v: Any, z: Any, accumulate: bool) -> Any:
    """Put by index_put."""
    written = xp.index_put(flat(xp, x), v, z, (0,), accumulate)
    return xp.reshape(written, tuple(x.shape))


def add_rows(xp: Any, x: Any, y: Any, z: Any, dim: int, alpha: Any) -> Any:
    """index_add by index_put."""
    y = y if alpha == 1 else y * alpha
    if not x.ndim:
        return x + xp.sum(y, None, False)
    return xp.index_put(x, y, z, (dim,), True)


def copy_rows(xp: Any, x: Any, y: Any, z: Any, dim: int) -> Any:
    """index_copy by index_put."""
    if not x.ndim:
        return xp.where(xp.ones_like(x) == 1, xp.reshape(y, ()), x)
    return xp.index_put(x, y, z, (dim,), False)


def fill_rows(xp: Any, x: Any, y: Any, dim: int, value: Any) -> Any:
    """index_fill by index_put."""
    if not x.ndim:
        return xp.fill(x, value, "FillBackward0") if y._spec.numel else xp.clone(x, "C")
    v = wrap(np.full((1,) * x.ndim, value, x.dtype.np))
    return xp.index_put(x, v, y, (dim,), False)
