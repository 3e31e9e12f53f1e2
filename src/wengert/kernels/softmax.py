"""Softmax and its logarithm on arrays, along one dim; float16 is computed in float32.

Large arrays go through the cache in blocks of rows when the dim is the last one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .layouts import packed
from .numeric import MANY, Array, half_in_single


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


@_by_rows
def softmax(x: Array, dim: int) -> Array:
    """exp(x) / sum(exp(x))."""
    out = _shifted(x, dim)
    np.exp(out, out)
    out /= np.add.reduce(out, dim, keepdims=True)
    return out


@_by_rows
def log_softmax(x: Array, dim: int) -> Array:
    """x - log(sum(exp(x)))."""
    out = _shifted(x, dim)
    out -= np.log(np.add.reduce(np.exp(out), dim, keepdims=True))
    return out


@_by_rows
def log_softmax_backward(g: Array, out: Array, dim: int) -> Array:
    """g - softmax * sum(g)."""
    p = np.exp(out)
    p *= np.add.reduce(g, dim, keepdims=True)
    return np.subtract(g, p, p)
