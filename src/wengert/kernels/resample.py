"""Averages and interpolation along single dims: sparse matrices with few entries a row ("bands").

Average pooling, adaptive pooling and every interpolation but the nearest in several dims are products
of one such matrix per dim, so one kernel and one rule (the transpose) serve them all. A band is kept
as pieces: result[rows] += weight * x[columns], with rows and columns slices wherever they are regular
(pooling always, interpolation by small factors), else index arrays.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .layouts import follow
from .numeric import HALF, SINGLE, Array

_FEW = 12  # pieces by slices up to which these beat one gather


class Band:
    """A sparse (rows, columns) matrix that is applied along a dim."""

    def __init__(self, rows: int, columns: int, r: Array, c: Array, v: Array) -> None:
        self.rows, self.columns = rows, columns
        self._entries = (r, c, v)
        self._pieces: list[Any] | None = None
        self._transposed: Band | None = None

    @property
    def T(self) -> Band:
        """The transpose."""
        if self._transposed is None:
            r, c, v = self._entries
            order = np.lexsort((r, c))
            self._transposed = t = Band(self.columns, self.rows, c[order], r[order], v[order])
            t._transposed = self
        return self._transposed

    @property
    def pieces(self) -> list[Any]:
        """(rows, columns, weights) of every piece; weights are None (ones), a number or an array."""
        if self._pieces is None:
            r, c, v = self._entries
            first = np.searchsorted(r, np.arange(self.rows))
            nth = np.arange(len(r)) - first[r]
            self._pieces = []
            for k in range(int(nth.max(initial=-1)) + 1):
                at = nth == k
                self._pieces += _split(r[at], c[at], v[at])
        return self._pieces

    def apply(self, x: Array, dim: int) -> Array:
        """The product with every row of x along a dim (counted from the end, negative)."""
        after = -1 - dim
        rest = (slice(None),) * after
        shape = list(x.shape)
        shape[dim] = self.rows
        out = np.empty(shape, x.dtype)
        started = False
        for rows, columns, weights in self.pieces:
            part = x[(..., columns, *rest)] if isinstance(columns, slice) else x.take(columns, dim)
            w: Any = weights
            if isinstance(w, np.ndarray):
                w = w.astype(x.dtype).reshape(-1, *[1] * after)
            elif w is not None:
                w = x.dtype.type(w)
            if not started:
                if isinstance(rows, slice) and len(range(*rows.indices(self.rows))) == self.rows:
                    if w is None:
                        out[...] = part
                    else:
                        np.multiply(part, w, out)
                    started = True
                    continue
                out.fill(0)
                started = True
            target = (..., rows, *rest)
            out[target] += part if w is None else part * w
        if not started:
            out.fill(0)
        return out


def _slice(at: Array) -> slice | None:
    """Indices as a slice, if they are in equal steps upwards."""
    if len(at) == 1:
        return slice(int(at[0]), int(at[0]) + 1, 1)
    step = int(at[1] - at[0])
    if step < 1 or np.any(np.diff(at) != step):
        return None
    return slice(int(at[0]), int(at[-1]) + 1, step)


def _runs(r: Array, c: Array) -> list[slice]:
    """Cut two index arrays where one of them changes its step."""
    cuts, start = [], 0
    while start < len(r):
        stop = start + 1
        if stop < len(r):
            dr, dc = r[stop] - r[start], c[stop] - c[start]
            while (
                stop < len(r)
                and dc > 0
                and r[stop] - r[stop - 1] == dr
                and c[stop] - c[stop - 1] == dc
            ):
                stop += 1
        cuts.append(slice(start, stop))
        if len(cuts) > _FEW:
            break
        start = stop
    return cuts


def _split(r: Array, c: Array, v: Array) -> list[Any]:
    """Pieces of at most one entry a row: by slices if few of these do, else one by index arrays."""
    best: list[Any] | None = None
    for phases in (1, 2, 3, 4):
        found: list[Any] = []
        for p in range(min(phases, len(r))):
            a, b, w = r[p::phases], c[p::phases], v[p::phases]
            found += [(a[cut], b[cut], w[cut]) for cut in _runs(a, b)]
        if len(found) <= _FEW and (best is None or len(found) < len(best)):
            best = found
    if best is None:
        rows = _slice(r)
        return [(r if rows is None else rows, c, _weights(v))]
    return [(_slice(a), _slice(b), _weights(w)) for a, b, w in best]


def _weights(v: Array) -> Any:
    if np.all(v == v[0]):
        return None if v[0] == 1 else float(v[0])
    return v


def from_entries(rows: int, columns: int, r: Any, c: Any, v: Any) -> Band:
    """A band from entries in any order; those of one place add up, zeros are left out."""
    r, c, v = (np.asarray(a).reshape(-1) for a in (r, c, v))
    flat, where = np.unique(r.astype(np.int64) * columns + c, return_inverse=True)
    total = np.bincount(where.reshape(-1), v, len(flat))
    keep = total != 0
    flat = flat[keep]
    return Band(rows, columns, flat // max(columns, 1), flat % max(columns, 1), total[keep])


def apply_bands(x: Array, bands: tuple[tuple[int, Band], ...]) -> Array:
    """Apply bands along dims: those that shrink first, and dims of long runs where most is done."""
    given = x.dtype
    out = x.astype(SINGLE) if given is HALF else x
    shrinking = sorted(((d, b) for d, b in bands if b.rows <= b.columns), key=lambda p: p[0])
    growing = sorted(((d, b) for d, b in bands if b.rows > b.columns), key=lambda p: -p[0])
    for d, b in (*shrinking, *growing):
        out = b.apply(out, d)
    if out is x:
        out = x.copy()
    return follow(out if out.dtype == given else out.astype(given), x)


# ---------------------------------------------------------------- averages
@lru_cache(maxsize=256)
def average(
    n: int, out: int, kernel: int, stride: int, padding: int, count_padding: bool, divide: bool
) -> Band:
    """Means (or sums, unless `divide`) over windows; padding counts as zeros or not at all."""
    start = np.arange(out) * stride - padding
    r, c = _spans(np.maximum(start, 0), np.minimum(start + kernel, n))
    size = window_sizes(n, out, kernel, stride, padding, count_padding)
    return from_entries(out, n, r, c, (1 / size)[r] if divide else np.ones(len(r)))


def window_sizes(
    n: int, out: int, kernel: int, stride: int, padding: int, count_padding: bool
) -> Array:
    """How many elements every window has."""
    start = np.arange(out) * stride - padding
    end = np.minimum(start + kernel, n + padding)
    return end - start if count_padding else np.minimum(end, n) - np.maximum(start, 0)


@lru_cache(maxsize=256)
def adaptive(n: int, out: int) -> Band:
    """Means over the windows floor(i n / out) .. ceil((i + 1) n / out) - 1."""
    i = np.arange(out)
    start, end = i * n // out, -(-(i + 1) * n // out)
    r, c = _spans(start, end)
    return from_entries(out, n, r, c, (1 / (end - start))[r])


def _spans(start: Array, end: Array) -> tuple[Array, Array]:
    """Row and column of every element of the windows start..end - 1."""
    size = np.maximum(end - start, 0)
    r = np.repeat(np.arange(len(start)), size)
    offset = np.arange(len(r)) - np.repeat(np.cumsum(size) - size, size)
    return r, start[r] + offset


# ---------------------------------------------------------------- interpolation
def _scale(n: int, out: int, align: bool, factor: float | None, real: Any) -> Any:
    """How far the source moves for one step of the result."""
    if align:
        return real(n - 1) / real(out - 1) if out > 1 else real(0)
    return real(1 / factor) if factor is not None and factor > 0 else real(n) / real(out)


@lru_cache(maxsize=256)
def nearest(n: int, out: int, factor: float | None, exact: bool) -> Band:
    """The element floor(i scale), or floor((i + 1/2) scale) if `exact`."""
    i = np.arange(out)
    scale = _scale(n, out, False, factor, np.float32)
    at = i.astype(np.float32)
    if exact:
        c = np.minimum(np.floor((at + np.float32(0.5)) * scale).astype(np.int64), n - 1)
    elif out == n:
        c = i
    elif out == 2 * n:
        c = i >> 1
    else:
        c = np.minimum(np.floor(at * scale).astype(np.int64), n - 1)
    return from_entries(out, n, i, c, np.ones(out))


def _source(out: int, scale: Any, align: bool, cubic: bool, real: Any) -> Array:
    i = np.arange(out).astype(real)
    if align:
        return scale * i
    at = scale * (i + real(0.5)) - real(0.5)
    return at if cubic else np.maximum(at, real(0))


@lru_cache(maxsize=256)
def linear(n: int, out: int, factor: float | None, align: bool, double: bool) -> Band:
    """The two neighbours of every source position, weighted by their distance to it."""
    i = np.arange(out)
    if n == out:
        return from_entries(out, n, i, i, np.ones(out))
    real: Any = np.float64 if double else np.float32
    at = _source(out, _scale(n, out, align, factor, real), align, False, real)
    c = np.minimum(at.astype(np.int64), n - 1)
    after = np.clip(at - c, 0, 1)
    other = c + (c < n - 1)
    return from_entries(out, n, [i, i], [c, other], [1 - after, after])


def cubic_weights(t: Any, a: float = -0.75) -> tuple[Any, Any, Any, Any]:
    """The weights of the four neighbours at distance t after the second (Keys, "Cubic Convolution
    Interpolation for Digital Image Processing", 1981)."""

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return far(t + 1), near(t), near(1 - t), far(2 - t)


@lru_cache(maxsize=256)
def cubic(n: int, out: int, factor: float | None, align: bool, double: bool) -> Band:
    """Four neighbours of every source position; those outside are the ones at the border."""
    i = np.arange(out)
    real: Any = np.float64 if double else np.float32
    at = _source(out, _scale(n, out, align, factor, real), align, True, real)
    c = np.minimum(np.floor(at).astype(np.int64), n - 1)
    weights = cubic_weights(np.clip(at - c, 0, 1))
    columns = [np.clip(c + k, 0, n - 1) for k in (-1, 0, 1, 2)]
    return from_entries(out, n, [i] * 4, columns, list(weights))


def _triangle(x: Array) -> Array:
    return np.maximum(1 - x, 0.0)


def _keys(x: Array) -> Array:
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(x: Array) -> Array:
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


# mode -> filter of the distance, and how far it reaches
_FILTERS = {"bilinear": (_triangle, 1.0), "bicubic": (_keys, 2.0), "lanczos": (_lanczos, 3.0)}


@lru_cache(maxsize=256)
def smooth(n: int, out: int, factor: float | None, align: bool, double: bool, mode: str) -> Band:
    """Interpolation that, when shrinking, widens its filter by the factor: without aliasing."""
    real: Any = np.float64 if double else np.float32
    scale = float(_scale(n, out, align, factor, real))
    f, half = _FILTERS[mode]
    widened = max(scale, 1.0)
    support = half * widened
    center = scale * (np.arange(out) + 0.5)
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    last = np.minimum((center + support + 0.5).astype(np.int64), n)
    r, c = _spans(first, last)
    w = f(np.abs((c - center[r] + 0.5) / widened))
    total = np.bincount(r, w, out)
    return from_entries(out, n, r, c, w / np.where(total == 0, 1, total)[r])
