"""Batching rules of matrix products: which one larger product a batch of products is.

Where only the rows of the first operand have the batch the op itself runs on more rows; else it is
a stack of products. Below R stands for all rows of one example made into one dim.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.batching import all_batched, composed, size_of_batch, spread, with_rank
from ..core.cold import bind
from ..core.op import TENSORS as T


def _rows(x: Any, batched: bool) -> Any:
    """(B, ..., k) -> (B, R, k), or (..., k) -> (R, k)."""
    shape = x._spec.shape
    if batched:
        return x if len(shape) == 3 else T.reshape(x, (shape[0], _count(shape[1:-1]), shape[-1]))
    return x if len(shape) == 2 else T.reshape(x, (_count(shape[:-1]), shape[-1]))


def _count(shape: Any) -> int:
    n = 1
    for d in shape:
        n *= d
    return n


def rows_product(stacked: str) -> Callable:
    """mm and mm_nt: x is (..., k), y a matrix; `stacked` is the same product of stacks."""

    def rule(op: Any, xs: list, on: list, params: tuple) -> Any:
        x, y = xs
        if not on[1]:
            return bind(op, (x, y), params)
        size = y._spec.shape[0]
        lead = x._spec.shape[on[0] : -1]
        r = _rows(x, on[0])
        if not on[0]:
            r = spread(r, size)
        out = getattr(T, stacked)(r, y)
        return out if len(lead) == 1 else T.reshape(out, (size, *lead, out._spec.shape[-1]))

    return rule


def tn_product(op: Any, xs: list, on: list, params: tuple) -> Any:
    """mm_tn: (..., n), (..., m) -> (n, m), summed over all rows."""
    size = size_of_batch(xs, on)
    x, y = [_rows(v, b) for v, b in zip(xs, on, strict=True)]
    if on[0] and on[1]:
        return T.bmm_tn(x, y)
    return T.bmm_tn(x if on[0] else spread(x, size), y if on[1] else spread(y, size))


def stack_product(op: Any, xs: list, on: list, params: tuple) -> Any:
    """bmm and its kin: any number of leading dims is a stack to the kernel."""
    return bind(op, tuple(all_batched(xs, on)), params)


def matrix_vector(op: Any, xs: list, on: list, params: tuple) -> Any:
    """mv: (..., k), (k,) -> (...)."""
    x, y = xs
    if not on[1]:
        return bind(op, (x, y), params)
    lead = x._spec.shape[on[0] : -1]
    r = _rows(x, on[0])
    if on[0]:
        out = T.squeeze(T.bmm(r, T.unsqueeze(y, 2)), (2,))
    else:
        out = T.mm_nt(y, r)
    return out if len(lead) == 1 else T.reshape(out, (y._spec.shape[0], *lead))


def vector_matrix(op: Any, xs: list, on: list, params: tuple) -> Any:
    """vm: (...), (..., k) -> (k,), summed over all rows."""
    x, y = xs
    size = size_of_batch(xs, on)
    r = _rows(y, on[1])
    if not on[1]:
        return T.mm(T.reshape(x, (size, _count(x._spec.shape[1:]))), r)
    if on[0]:
        flat = T.reshape(x, (size, 1, _count(x._spec.shape[1:])))
    else:
        flat = spread(T.reshape(x, (1, _count(x._spec.shape))), size)
    return T.squeeze(T.bmm(flat, r), (1,))


def outer_product(op: Any, xs: list, on: list, params: tuple) -> Any:
    """outer: (...), (k,) -> (..., k)."""
    x, y = xs
    if not on[1]:
        return bind(op, (x, y), params)
    rank = x._spec.ndim - on[0]
    return T.unsqueeze(x, x._spec.ndim) * with_rank(y, True, rank + 1)


def dot_product(op: Any, xs: list, on: list, params: tuple) -> Any:
    """dot: (k,), (k,) -> ()."""
    x, y = xs
    if on[0] and on[1]:
        return T.sum(x * y, (1,), False)
    return T.mv(x, y) if on[0] else T.mv(y, x)


def linear_layer(op: Any, xs: list, on: list, params: tuple) -> Any:
    """linear: bias (n,), input (..., k), weight (n, k) -> (..., n)."""
    b, x, w = xs
    if not (on[0] or on[2]):
        return T.rows_linear(b, x, w)
    rank = x._spec.ndim - on[1]
    out = rows_product("bmm_nt")(T.mm_nt.op, [x, w], [on[1], on[2]], ()) if on[1] or on[2] else T.mm_nt(x, w)
    return out + (with_rank(b, True, rank) if on[0] else b)


def adding(product: Callable) -> Any:
    """beta * input + alpha * product, from the product itself."""

    def fn(xp: Any, x: Any, y: Any, z: Any, beta: Any, alpha: Any) -> Any:
        out = product(xp, y, z)
        out = out if alpha == 1 else out * alpha
        if beta == 0:
            return out if tuple(x.shape) == tuple(out.shape) else xp.expand(out, tuple(out.shape))
        return (x if beta == 1 else x * beta) + out

    return composed(fn)
