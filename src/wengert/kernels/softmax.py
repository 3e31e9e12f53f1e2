"""Softmax and its logarithm on arrays, along one dim; float16 is computed in float32.

Large arrays go through the cache in blocks of rows when the dim is the last one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .layouts import packed
from .numeric import MANY, Array, half_in_single

_FEW = 1 << 12


def _by_rows(f: Callable[..., Array]) -> Callable[..., Array]:
    """Make f(*arrays, dim) work on blocks of rows where that saves memory traffic."""

    def kernel(*args: Any) -> Array:
        *arrays, dim = args
        x = arrays[0]
        if x.ndim == 0:
            return f(*[a.reshape(1) for a in arrays], 0).reshape(())
        dim %= x.ndim
        if x.size <= 2 * MANY or dim != x.ndim - 1 or not all(a.flags.c_contiguous for a in arrays):
            return f(*args)
        n = x.shape[-1]
        rows = [a.reshape(-1, n) for a in arrays]
        out = np.empty(rows[0].shape, x.dtype)
        step = max(1, MANY // n)
        for i in range(0, len(out), step):
            cut = slice(i, i + step)
            out[cut] = f(*[r[cut] for r in rows], 1)
        return out.reshape(x.shape)

    return half_in_single(kernel)


def _shifted(x: Array, dim: int) -> Array:
    """x minus its largest element along the dim, so that exp can't overflow; in row-major order."""
    if x.shape[dim] == 0:
        return x.copy()
    return packed(np.subtract(x, np.maximum.reduce(x, dim, keepdims=True)))


def plain_exp(x: Array, dim: int, limit: float) -> Any:
    """(exp(x), its sums along the last dim) where no shift is needed for that; None otherwise.

    The largest element of each row costs more than all the rest when rows are short; whether
    anything is above the limit is one pass. Small sums mean that a whole row is far below it.
    """
    if dim != x.ndim - 1 or not x.flags.c_contiguous or x.dtype.kind != "f":
        return None
    n = x.shape[-1]
    if not x.size or n < 2 or not _largest(x) <= limit:
        return None
    out = np.exp(x)
    sums = out.reshape(-1, n).dot(_ones(n, x.dtype))
    if not sums[sums.argmin()] > math.exp(-limit):
        return None
    return out, sums.reshape(*x.shape[:-1], 1)


def _largest(x: Array) -> Any:
    if x.size < _FEW:  # argmax has less to set up
        return x.item(x.argmax())
    return np.maximum.reduce(x, None)


@lru_cache(maxsize=256)
def _ones(n: int, d: Any) -> Array:
    return np.ones(n, d)


@_by_rows
def softmax(x: Array, dim: int) -> Array:
    """exp(x) / sum(exp(x))."""
    made = plain_exp(x, dim, 50.0)
    if made is not None:
        out, sums = made
        return np.divide(out, sums, out)
    out = _shifted(x, dim)
    np.exp(out, out)
    out /= np.add.reduce(out, dim, keepdims=True)
    return out


@_by_rows
def softmax_backward(g: Array, out: Array, dim: int) -> Array:
    """out (g - sum(g out))."""
    if (
        dim == g.ndim - 1
        and g.shape == out.shape
        and g.flags.c_contiguous
        and out.flags.c_contiguous
    ):
        made = np.subtract(g, np.einsum("...i,...i->...", g, out)[..., None])
        made *= out
        return made
    t = g * out
    return np.subtract(t, out * np.add.reduce(t, dim, keepdims=True))


@_by_rows
def log_softmax(x: Array, dim: int) -> Array:
    """x - log(sum(exp(x)))."""
    made = plain_exp(x, dim, 8.0)  # so that the logarithm is small and exact enough
    if made is not None:
        out, sums = made
        return np.subtract(x, np.log(sums, sums), out)
    out = _shifted(x, dim)
    out -= np.log(np.add.reduce(np.exp(out), dim, keepdims=True))
    return out


@_by_rows
def log_softmax_backward(g: Array, out: Array, dim: int) -> Array:
    """g - softmax * sum(g)."""
    p = np.exp(out)
    if dim == g.ndim - 1 and g.flags.c_contiguous and g.size:
        n = g.shape[-1]
        p *= g.reshape(-1, n).dot(_ones(n, g.dtype)).reshape(*g.shape[:-1], 1)
    else:
        p *= np.add.reduce(g, dim, keepdims=True)
    return np.subtract(g, p, p)
