"""Running reductions over raw arrays, along one dim counted from the front."""

from __future__ import annotations

import numpy as np

from .layouts import packed
from .reduce import I64, WIDE, accumulator, in_float32

ndarray = np.ndarray


def _running(f: np.ufunc, x: ndarray, dim: int) -> ndarray:
    d = x.dtype
    wide = accumulator(d)
    if x.ndim == 0:
        return x.astype(wide if d.kind in "iub" else d)
    out = f.accumulate(x, dim, wide)
    return packed(out if d in WIDE or d.kind in "iub" else out.astype(d))


def cumsum(x: ndarray, dim: int) -> ndarray:
    """Running sums; integers in int64, 16-bit floats in float32."""
    return _running(np.add, x, dim)


def cumprod(x: ndarray, dim: int) -> ndarray:
    """Running products."""
    return _running(np.multiply, x, dim)


@in_float32
def logcumsumexp(x: ndarray, dim: int) -> ndarray:
    """Running log(sum(exp(x)))."""
    if x.ndim == 0:
        return x.copy()
    if x.dtype.kind == "c":
        top = np.maximum.accumulate(x.real, dim).max(dim, keepdims=True, initial=-np.inf)
        top = np.where(np.isinf(top), 0, top)
        return packed(np.log(np.cumsum(np.exp(x - top), dim)) + top)
    return packed(np.logaddexp.accumulate(x, dim))


def _last_best(x: ndarray, best: ndarray, dim: int) -> ndarray:
    """Where the running extreme was last met: at an equal element, or at a NaN after the first."""
    n = x.shape[dim]
    place = np.arange(n).reshape([-1 if d == dim else 1 for d in range(x.ndim)])
    met = x == best
    if x.dtype.kind == "f":
        met |= np.isnan(x)
    return np.maximum.accumulate(np.where(met, place, 0), dim).astype(I64, copy=False)


def cummax(x: ndarray, dim: int) -> ndarray:
    """Positions of the running maxima."""
    if x.ndim == 0:
        return np.zeros((), I64)
    return _last_best(x, np.maximum.accumulate(x, dim), dim)


def cummin(x: ndarray, dim: int) -> ndarray:
    """Positions of the running minima."""
    if x.ndim == 0:
        return np.zeros((), I64)
    return _last_best(x, np.minimum.accumulate(x, dim), dim)
