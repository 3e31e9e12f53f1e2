"""Order statistics over raw arrays: where sorted, k-th, median, mode and top elements are.

NaN counts as larger than every number, as in PyTorch (and in NumPy's sorts). Every function returns
int64 positions; the values are picked by them elsewhere. `dim` is counted from the front.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .reduce import I64

ndarray = np.ndarray


_starts: dict[tuple[tuple[int, ...], int], ndarray] = {}


def _rows(shape: tuple[int, ...], dim: int) -> ndarray:
    """The flat position of the first element along `dim`, for every place in the other dims."""
    found = _starts.get((shape, dim))
    if found is None:
        found = np.arange(int(np.prod(shape)), dtype=I64).reshape(shape)
        found = found[(slice(None),) * dim + (slice(0, 1),)].copy()
        if found.size <= 4096:
            if len(_starts) > 64:
                _starts.clear()
            _starts[shape, dim] = found
    return found


def pick(x: ndarray, index: ndarray, dim: int) -> ndarray:
    """The elements at the positions `index` along one dim; both have the same other dims."""
    if x.ndim < 2 or not x.flags.c_contiguous or not x.size:
        return np.take_along_axis(x, index, dim) if x.ndim else x.copy()
    inner = 1
    for n in x.shape[dim + 1 :]:
        inner *= n
    at = _rows(x.shape, dim) + (index if inner == 1 else index * inner)
    return x.ravel().take(at)


def argsort(x: ndarray, dim: int, descending: bool) -> ndarray:
    """Positions in sorted order; equal elements keep their order in both directions."""
    if x.ndim == 0:
        return np.zeros((), I64)
    if not descending:
        return x.argsort(dim, kind="stable").astype(I64, copy=False)
    back = np.flip(x, dim).argsort(dim, kind="stable")
    return np.flip(x.shape[dim] - 1 - back, dim).astype(I64, copy=False)


def topk(x: ndarray, k: int, dim: int, largest: bool) -> ndarray:
    """Positions of the k largest (or smallest) elements, best first."""
    if x.ndim == 0:
        return np.zeros((), I64)
    n = x.shape[dim]
    if n <= 64 or 4 * k > n or k == 0:
        return argsort(x, dim, largest).take(range(k), dim)
    if largest:
        found = x.argpartition(n - k, dim).take(range(n - k, n), dim)
    else:
        found = x.argpartition(k - 1, dim).take(range(k), dim)
    found.sort(dim)  # so that ties are given in order of position
    order = argsort(np.take_along_axis(x, found, dim), dim, largest)
    return np.take_along_axis(found, order, dim).astype(I64, copy=False)


def _first(x: ndarray, value: ndarray, dim: int, keepdim: bool) -> Any:
    """Where `value` (with dim of size 1) is first found along dim; NaN finds NaN."""
    same = x == value
    if x.dtype.kind not in "iub":
        same |= np.isnan(x) & np.isnan(value)
    return np.asarray(same.argmax(dim, keepdims=keepdim)).astype(I64, copy=False)


def kth(x: ndarray, k: int, dim: int, keepdim: bool) -> Any:
    """Where the k-th smallest element (from 1) is."""
    if x.ndim == 0:
        return np.zeros((), I64)
    part = np.partition(x, k - 1, dim).take([k - 1], dim)
    return _first(x, part, dim, keepdim)


def median(x: ndarray, dim: int, keepdim: bool) -> Any:
    """Where the lower median is; at a NaN if there is one."""
    if x.ndim == 0:
        return np.zeros((), I64)
    n = x.shape[dim]
    at = [(n - 1) // 2] if x.dtype.kind in "iub" else [(n - 1) // 2, n - 1]
    part = np.partition(x, at, dim)
    middle = part.take(at[:1], dim)
    if len(at) > 1:
        last = part.take([n - 1], dim)
        middle = np.where(np.isnan(last), last, middle)
    return _first(x, middle, dim, keepdim)


def nanmedian(x: ndarray, dim: int, keepdim: bool) -> Any:
    """Where the lower median of the numbers is; at the first element if all are NaN."""
    if x.ndim == 0:
        return np.zeros((), I64)
    if x.dtype.kind in "iub":
        return median(x, dim, keepdim)
    numbers = (~np.isnan(x)).sum(dim, I64, keepdims=True)
    at = np.maximum(numbers - 1, 0) // 2
    middle = np.take_along_axis(np.sort(x, dim), at, dim)
    return _first(x, middle, dim, keepdim)


def mode(x: ndarray, dim: int, keepdim: bool) -> Any:
    """Where the smallest of the most frequent elements is last found."""
    if x.ndim == 0:
        return np.zeros((), I64)
    n = x.shape[dim]
    s = np.sort(np.moveaxis(x, dim, -1), -1)
    place = np.arange(n)
    starts = np.zeros(s.shape, I64)
    starts[..., 1:] = np.where(s[..., 1:] != s[..., :-1], place[1:], 0)
    run = place - np.maximum.accumulate(starts, -1)
    best = np.take_along_axis(s, run.argmax(-1)[..., None], -1)
    back = _first(np.flip(x, dim), np.moveaxis(best, -1, dim), dim, keepdim)
    return n - 1 - back


def unique(x: ndarray, dim: int | None) -> tuple[ndarray, ndarray, ndarray]:
    """Sorted distinct elements (or slices), where each element went, and how often each came."""
    values, inverse, counts = np.unique(
        x, return_inverse=True, return_counts=True, axis=dim, equal_nan=False
    )
    inverse = inverse.reshape(x.shape if dim is None else (x.shape[dim],))
    return values, inverse.astype(I64, copy=False), counts.astype(I64, copy=False)


def unique_consecutive(x: ndarray, dim: int | None) -> tuple[ndarray, ndarray, ndarray]:
    """The first of every run of equal elements (or slices), and inverse and counts as above."""
    rows = x.reshape(-1, 1) if dim is None else np.moveaxis(x, dim, 0).reshape(x.shape[dim], -1)
    fresh = np.ones(len(rows), bool)
    fresh[1:] = (rows[1:] != rows[:-1]).any(1)
    starts = np.flatnonzero(fresh)
    inverse = fresh.cumsum() - 1
    counts = np.diff(np.append(starts, len(rows)))
    values = x.reshape(-1)[starts] if dim is None else x.take(starts, dim)
    inverse = inverse.reshape(x.shape) if dim is None else inverse
    return values, inverse.astype(I64, copy=False), counts.astype(I64, copy=False)


def searchsorted(x: ndarray, y: ndarray, sorter: ndarray | None, right: bool, int32: bool) -> Any:
    """Where the elements of y belong in the sorted rows of x."""
    side: Any = "right" if right else "left"
    kind = np.int32 if int32 else I64
    if x.ndim == 1:
        return np.asarray(np.searchsorted(x, y, side, sorter)).astype(kind, copy=False)
    out = np.empty(y.shape, kind)
    for at in np.ndindex(x.shape[:-1]):
        out[at] = np.searchsorted(x[at], y[at], side, None if sorter is None else sorter[at])
    return out


def bincount(x: ndarray, y: ndarray | None, minlength: int) -> ndarray:
    """How often every non-negative integer up to the largest comes, or the sum of its weights."""
    if y is None:
        return np.bincount(x, minlength=minlength).astype(I64, copy=False)
    out = np.bincount(x, y, minlength)
    return out.astype(y.dtype) if y.dtype == np.float32 else out


def histc(x: ndarray, bins: int, low: float, high: float) -> ndarray:
    """Counts in equal bins of [low, high]; what lies outside is not counted."""
    counts, _ = np.histogram(x.astype(np.float64), bins, (low, high))
    return counts.astype(x.dtype)
