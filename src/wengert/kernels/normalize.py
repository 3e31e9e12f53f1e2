"""Normalisation on arrays: zero mean and unit variance over some dims, then weight and bias.

`shape` is how the input is viewed (None: as it is), `axes` the dims of that view over which the
statistics go, `affine` the shape in which weight and bias broadcast. float16 computes in float32.

There are two forms. Where the statistics go over the last dims ("features", layer norm), an array is
rows with one mean each and weights along them. Else it is (N, C, L) and everything is one number for
a channel of a sample ("channels": batch, group, instance norm), so the result is x * a + b.

Sums are products with vectors of ones: BLAS adds four times as fast as `np.add.reduce`. Broadcast
factors are rank-one products where that saves a pass. Large arrays are treated in blocks.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .layouts import follow, packed
from .numeric import HALF, ONE, SINGLE, Array

Ints = tuple[int, ...]
Parts = tuple[Array | None, Array | None, Array | None]

_BLOCK = 1 << 16  # elements of a block: some of these fit a second-level cache
_FEW = 1 << 14  # elements up to which calls cost more than passes
_SHORT = 16  # places of a channel below which its factor is repeated for each


@lru_cache(maxsize=128)
def _filled(n: int, value: float, dtype: np.dtype) -> Array:
    return np.full(n, value, dtype)


def _ones(n: int, dtype: np.dtype) -> Array:
    return _filled(n, 1.0, dtype) if n < 1 << 20 else np.ones(n, dtype)


@lru_cache(maxsize=128)
def _number(value: float, dtype: np.dtype) -> Array:
    """A kept 0-d array: beside small arrays it is twice as fast as a Python number."""
    return np.array(value, dtype)


def _rsqrt(var: Array, eps: float) -> Array:
    r = np.add(var, _number(eps, var.dtype))
    np.sqrt(r, r)
    return np.divide(ONE[r.dtype], r, r)


def _blocks(rows: int, n: int) -> list[slice]:
    """Slices of rows that fit a cache together with a few temporaries."""
    step = _step(n)
    return [slice(0, rows)] if rows <= step else [slice(i, i + step) for i in range(0, rows, step)]


def _step(n: int) -> int:
    return max(1, _BLOCK // max(n, 1))


def _is_features(ndim: int, axes: Ints) -> bool:
    return axes == tuple(range(ndim - len(axes), ndim))


def _flat(p: Array | None, dtype: np.dtype) -> Array | None:
    """A weight or bias as a vector of the dtype that is computed in."""
    if p is None:
        return None
    if p.ndim != 1:
        p = p.reshape(-1)
    return p if p.dtype is dtype or p.dtype == dtype else p.astype(dtype)


def _off_centre(mean: Array, r: Array) -> bool:
    """True where sums of squares, or of products, would lose digits to the mean."""
    scaled = mean * r
    return not np.max(np.abs(scaled), initial=0.0) < 2.0


# ---------------------------------------------------------------- the entries
def standardize(
    x: Array,
    y: Array | None,
    z: Array | None,
    shape: Ints | None,
    axes: Ints,
    affine: Ints,
    eps: float,
) -> tuple[Array, Array, Array]:
    """(x - mean) / sqrt(var + eps) * y + z; also the mean and the variance, dims kept."""
    given = x.dtype
    wide = x.astype(SINGLE) if given is HALF else x
    if 0 < x.size <= _FEW:
        d = wide.dtype
        out, mean, var = _few(wide, _flat(y, d), _flat(z, d), shape, axes, eps)
        return _laid_out(out if given is not HALF else out.astype(HALF), x), mean, var
    v = wide if shape is None else wide.reshape(shape)
    kept = _kept(v.shape, axes)
    y, z = _flat(y, v.dtype), _flat(z, v.dtype)
    if not v.size:
        nothing = np.full(kept, np.nan, v.dtype)
        return np.zeros(x.shape, given), nothing, nothing
    if _is_features(v.ndim, axes) and shape is None:
        out, mean, var = _features(v.reshape(math.prod(kept), -1), y, z, eps)
    else:
        out, mean, var = _Channels(v.shape, shape).standardize(v, y, z, eps)
    out = _laid_out(out.reshape(x.shape), x)
    return out if out.dtype == given else out.astype(given), mean.reshape(kept), var.reshape(kept)


def _laid_out(out: Array, x: Array) -> Array:
    """A result in row-major order, or with the channels innermost like its input."""
    return out if x.flags.c_contiguous and out.flags.c_contiguous else follow(packed(out), x)


def standardize_backward(
    g: Array, x: Array, y: Array | None, mean: Array, var: Array, need: tuple[bool, ...],
    shape: Ints | None, axes: Ints, affine: Ints, eps: float,
) -> Parts:  # fmt: skip
    """The cotangents of input, weight and bias, in the shapes of view and affine.

    With h = (x - mean) r and r = 1 / sqrt(var + eps): r (gy - mean(gy) - h mean(gy h)).
    """
    v = x if shape is None else x.reshape(shape)
    g = g if shape is None else g.reshape(shape)
    d = mean.dtype
    v, g = (a if a.dtype == d else a.astype(d) for a in (v, g))
    y = _flat(y, d)
    if not v.size:
        none = [
            np.zeros(t, d) if wanted else None
            for t, wanted in zip((v.shape, affine, affine), need, strict=True)
        ]
        return none[0], none[1], none[2]
    r = _rsqrt(var, eps)
    few = v.size <= _FEW
    if not few and _off_centre(mean, r):
        v, mean = np.subtract(v, mean), np.zeros_like(mean)
    if few:
        gx, gy, gz = _few_pull(g, v, y, mean, r, need, shape, axes)
    elif _is_features(v.ndim, axes) and shape is None:
        n = math.prod([v.shape[a] for a in axes])
        flat = mean.reshape(-1), r.reshape(-1)
        gx, gy, gz = _features_pull(g.reshape(-1, n), v.reshape(-1, n), y, *flat, need)
    else:
        gx, gy, gz = _Channels(v.shape, shape).pull(g, v, y, mean.reshape(-1), r.reshape(-1), need)
    return (
        None if gx is None else gx.reshape(v.shape),
        None if gy is None else gy.reshape(affine),
        None if gz is None else gz.reshape(affine),
    )


# ---------------------------------------------------------------- few elements, few calls
def _thin(x: Array, shape: Ints | None, axes: Ints) -> tuple[Ints, Ints, Any, Any]:
    """How to see x: the shape for its statistics and that for its weights, and how many numbers of
    each kind there are; `None` in the indices is where a vector of them broadcasts."""
    if shape is not None:
        n, groups, each, places = shape
        return (n * groups, each * places), (n, groups * each, places), _LAST, _LAST
    if x.ndim == len(axes) or axes[0] == x.ndim - len(axes):
        count = math.prod(x.shape[axes[0] :])
        rows = (x.size // count, count)
        return rows, rows, _LAST, ...
    n, c, *rest = x.shape
    view = (n, c, math.prod(rest))
    return view, view, _LAST, _LAST


_LAST = (slice(None), None)


def _total(v: Array) -> Array:
    """The sums of rows (two dims), or of channels (three: over the first and the last)."""
    if v.ndim == 2:
        return v.dot(_ones(v.shape[1], v.dtype))
    n, c, places = v.shape
    if places > 1:
        v = v.reshape(n * c, places).dot(_ones(places, v.dtype))
    return _ones(n, v.dtype).dot(v.reshape(n, c))


def _few(
    x: Array, y: Array | None, z: Array | None, shape: Ints | None, axes: Ints, eps: float
) -> tuple[Array, Array, Array]:
    """`standardize` in the fewest calls."""
    view, affine, by_mean, by_weight = _thin(x, shape, axes)
    v = x.reshape(view)
    mean = _total(v)
    n = _number(x.size // len(mean), x.dtype)
    mean /= n
    out = np.subtract(v, mean[by_mean])
    var = _total(np.multiply(out, out))
    var /= n
    r = _rsqrt(var, eps)
    if len(view) == 3 and y is not None:
        r *= y
        y = None
    out *= r[by_mean]
    if y is not None or z is not None:
        out = out.reshape(affine)
        if y is not None:
            out *= y[by_weight]
        if z is not None:
            out += z[by_weight]
    kept = _kept(x.shape if shape is None else shape, axes)
    return out.reshape(x.shape), mean.reshape(kept), var.reshape(kept)


def _kept(shape: Ints, axes: Ints) -> Ints:
    return tuple([1 if d in axes else n for d, n in enumerate(shape)])


def _few_pull(
    g: Array, v: Array, y: Array | None, mean: Array, r: Array, need: tuple[bool, ...],
    shape: Ints | None, axes: Ints,
) -> Parts:  # fmt: skip
    """`standardize_backward` in the fewest calls."""
    view, affine, by_mean, by_weight = _thin(v, shape, axes)
    r = r.reshape(-1)
    g = g.reshape(affine)
    n = _number(v.size // len(r), r.dtype)
    h = np.subtract(v.reshape(view), mean.reshape(-1)[by_mean])
    h *= r[by_mean]
    gx: Any = None
    gy: Any = None
    gz: Any = None
    weights_alike = len(view) == 3  # batch norm: sums for the weights are those for the means
    rows = by_weight is ...
    if need[1] or weights_alike:
        p = np.multiply(g, h.reshape(affine))
        gy = _ones(len(p), p.dtype).dot(p) if rows else _total(p)
    if need[2] or weights_alike:
        gz = _ones(len(g), g.dtype).dot(g) if rows else _total(g)
    if need[0]:
        if weights_alike:
            a, b = gz / n, gy / n
            gx = np.subtract(g, a[by_mean])
            scale = r if y is None else r * y
        else:
            gx = g.copy() if y is None else np.multiply(g, y[by_weight])
            gx = gx.reshape(view)
            a, b = _total(gx), _total(np.multiply(gx, h))
            a /= n
            b /= n
            gx -= a[by_mean]
            scale = r
        h *= b[by_mean]
        gx -= h
        gx *= scale[by_mean]
    return gx, gy if need[1] else None, gz if need[2] else None


# ---------------------------------------------------------------- statistics of rows
def _features(v: Array, y: Array | None, z: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """(x - m) r y + z = x (r y) - (m r y - z), both brackets products of thin matrices."""
    rows, n = v.shape
    d = v.dtype
    mean = v.dot(_ones(n, d))
    mean /= n
    var = np.vecdot(v, v)
    var /= n
    squares = mean * mean
    lost = not np.all(squares * 2 <= var)  # the difference would lose digits
    var -= squares
    shift = mean
    if lost:
        v = np.subtract(v, mean[:, None])
        rest = v.dot(_ones(n, d))  # what rounding left of the mean
        rest /= n
        v -= rest[:, None]
        mean += rest
        var = np.vecdot(v, v)
        var /= n
        shift = np.zeros_like(mean)
    ones = _ones(n, d) if y is None else y
    left = np.empty((rows, 2), d)
    right = np.stack([ones, np.zeros(n, d) if z is None else z])
    r = _rsqrt(var, eps)
    np.multiply(shift, r, left[:, 0])
    np.negative(left[:, 0], left[:, 0])
    left[:, 1] = 1
    out = np.empty(v.shape, d)
    part = np.empty((min(rows, _step(n)), n), d)
    column, row = r[:, None], ones[None]
    for cut in _blocks(rows, n):
        o = out[cut]
        t = part[: len(o)]
        np.multiply(v[cut], np.dot(column[cut], row, t), o)
        if not lost or z is not None:
            o += np.dot(left[cut], right, t)
    return out, mean, var


def _features_pull(
    g: Array, v: Array, y: Array | None, mean: Array, r: Array, need: tuple[bool, ...]
) -> Parts:
    """gx = g y r - x b - c with b = r^3 mean(g y (x - m)), c = r mean(g y) - m b."""
    rows, n = v.shape
    d = v.dtype
    gx = np.empty(v.shape, d) if need[0] else None
    factor = _ones(n, d) if y is None else y
    gy, gz = np.zeros((2, n), d)
    scaled = mean * r
    size = (min(rows, _step(n)), n)
    products, part = np.empty(size, d), np.empty(size, d)
    for cut in _blocks(rows, n):
        h, x, s = g[cut], v[cut], r[cut]
        p = np.multiply(h, x, products[: len(h)])
        if need[1]:
            gy += s.dot(p)
            gy -= scaled[cut].dot(h)
        if need[2]:
            gz += _ones(len(h), d).dot(h)
        if gx is None:
            continue
        sums = h.dot(factor)
        sums *= s / n
        b = p.dot(factor)
        b *= s / n
        m = mean[cut]
        b -= m * sums
        b *= s
        b *= s
        sums -= m * b
        o = gx[cut]
        np.multiply(h, np.dot(s[:, None], factor[None], part[: len(h)]), o)
        t = np.multiply(x, b[:, None], p)
        t += sums[:, None]
        o -= t
    return gx, gy if need[1] else None, gz if need[2] else None


# ---------------------------------------------------------------- a number for every channel
class _Channels:
    """An array (N, C, L) whose statistics are shared by samples, or by the channels of a group."""

    def __init__(self, view: Ints, shape: Ints | None) -> None:
        if shape is None:
            self.n, self.c, *rest = view
            self.l = math.prod(rest)
            self.groups = 0  # batch norm
            self.count = self.n * self.l
        else:
            self.n, self.groups, each, self.l = shape
            self.c = self.groups * each
            self.count = each * self.l
        self.in_rows = self.l >= _SHORT
        self.view = (self.n * self.c, self.l) if self.in_rows else (self.n, self.c * self.l)

    def sums(self, v: Array, w: Array | None = None) -> Array:
        """The sums of v (of v * w) over what has one mean: a vector."""
        if self.groups:
            if w is None:
                rows = v.reshape(self.n * self.groups, -1)
                return rows.dot(_ones(rows.shape[1], v.dtype))
            return np.vecdot(
                v.reshape(self.n * self.groups, -1), w.reshape(self.n * self.groups, -1)
            )
        return self.by_channel(self.partial(v, w))

    def partial(self, v: Array, w: Array | None = None) -> Array:
        """The sums of v (of v * w) for every channel and, where that is as cheap, every sample."""
        if self.in_rows:
            rows = v.reshape(self.view)
            if w is None:
                part = rows.dot(_ones(self.l, v.dtype))
            else:
                part = np.vecdot(rows, w.reshape(self.view))
            return part.reshape(self.n, self.c)
        if w is not None:
            v = v * w
        if self.groups:
            return (
                v.reshape(self.n * self.c, self.l)
                .dot(_ones(self.l, v.dtype))
                .reshape(self.n, self.c)
            )
        part = _ones(self.n, v.dtype).dot(v.reshape(self.view))
        return (part if self.l == 1 else part.reshape(self.c, self.l).sum(1))[None]

    def by_channel(self, part: Array) -> Array:
        """Sum `partial` results over the samples."""
        return part[0] if len(part) == 1 else _ones(len(part), part.dtype).dot(part)

    def spread(self, p: Array) -> Array:
        """One number for every channel (1 or N, C) in a shape that broadcasts against the view."""
        if self.in_rows:
            if len(p) != self.n:
                p = np.broadcast_to(p, (self.n, self.c))
            return p.reshape(-1, 1)
        return p if self.l == 1 else np.repeat(p, self.l, 1)

    def each(self, p: Array) -> Array:
        """One number for every mean as one for every channel: (1 or N, C)."""
        if not self.groups:
            return p[None]
        p = p.reshape(self.n, self.groups)
        return p if self.c == self.groups else np.repeat(p, self.c // self.groups, 1)

    def scaled(self, v: Array, a: Array, b: Array | None, out: Array | None = None) -> Array:
        """v * a + b, a and b one number for every channel."""
        v = v.reshape(self.view)
        a = self.spread(a)
        b = None if b is None else self.spread(b)
        out = np.empty(self.view, v.dtype) if out is None else out
        if v.size <= 2 * _BLOCK:
            np.multiply(v, a, out)
            if b is not None:
                out += b
            return out
        for cut in _blocks(*self.view):
            here = cut if len(a) > 1 else slice(None)
            o = out[cut]
            np.multiply(v[cut], a[here], o)
            if b is not None:
                o += b[here]
        return out

    def standardize(
        self, v: Array, y: Array | None, z: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        n = v.dtype.type(self.count)
        mean = self.sums(v) / n
        lost = True
        if v.size > _FEW:
            squares = self.sums(v, v) / n
            var = squares - mean * mean
            lost = not np.all(squares <= 4 * var)
        if lost:
            v = self.centred(v, mean)
            if v.size > _FEW:
                rest = self.sums(v) / n  # what rounding left of the mean
                v -= self.spread(self.each(rest))
                mean = mean + rest
            var = self.sums(v, v) / n
        a = self.each(_rsqrt(var, eps))
        if y is not None:
            a = a * y
        b: Any = z if lost else -self.each(mean) * a
        if z is not None:
            b = z[None] if lost else b + z
        return self.scaled(v, a, b, v.reshape(self.view) if lost else None), mean, var

    def centred(self, v: Array, mean: Array) -> Array:
        return np.subtract(v.reshape(self.view), self.spread(self.each(mean)))

    def pull(
        self, g: Array, v: Array, y: Array | None, mean: Array, r: Array, need: tuple[bool, ...]
    ) -> Parts:
        gx: Any = None
        gy: Any = None
        gz: Any = None
        s, m = self.each(r), self.each(mean)
        sums = self.partial(g)  # of g, and of g (x - m)
        products: Any = None
        if need[0] or need[1]:
            products = self.partial(g, v)
            if not self.groups:
                sums, products = self.by_channel(sums)[None], self.by_channel(products)[None]
            products = products - m * sums
        elif not self.groups:
            sums = self.by_channel(sums)[None]
        if need[2]:
            gz = self.by_channel(sums)
        if need[1]:
            gy = self.by_channel(products * s)
        if need[0]:
            n = v.dtype.type(self.count)
            a = s if y is None else s * y
            if self.groups:
                rows = (self.n, self.groups, -1)
                sums, products = (
                    (t if y is None else t * y).reshape(rows).sum(2).reshape(-1)
                    for t in (sums, products)
                )
                sums, products = self.each(sums), self.each(products)
                slope = products * (s * s * s) / -n
                shift = sums * s / -n - m * slope
            else:
                slope = products * (a * s * s) / -n
                shift = sums * a / -n - m * slope
            gx = self.combined(g, a, v, slope, shift)
        return gx, gy, gz

    def combined(self, g: Array, a: Array, v: Array, b: Array, c: Array) -> Array:
        """g * a + v * b + c in blocks; a, b and c one number for every channel."""
        g, v = g.reshape(self.view), v.reshape(self.view)
        a, b, c = (self.spread(p) for p in (a, b, c))
        out = np.empty(self.view, v.dtype)
        for cut in _blocks(*self.view):
            here = [p[cut] if len(p) > 1 else p for p in (a, b, c)]
            o = out[cut]
            np.multiply(g[cut], here[0], o)
            t = np.multiply(v[cut], here[1])
            t += here[2]
            o += t
        return out


# ---------------------------------------------------------------- given statistics
def rescale(
    x: Array, y: Array | None, z: Array | None, m: Array, v: Array, affine: Ints, eps: float
) -> Array:
    """(x - m) / sqrt(v + eps) * y + z with statistics that are given."""
    factor = _rsqrt(v, eps)
    if y is not None:
        factor = factor * y
    shift = -m * factor if z is None else z - m * factor
    given = x.dtype
    if x.size <= _FEW or factor.dtype != given:
        out = x * factor.reshape(affine)
        out += shift.reshape(affine)
        return out if out.dtype == given else out.astype(given)
    out = _Channels(x.shape, None).scaled(x, factor[None], shift[None])
    return _laid_out(out.reshape(x.shape), x)


def rescale_backward(
    g: Array, x: Array, y: Array | None, m: Array, v: Array, need: tuple[bool, ...], affine: Ints,
    eps: float,
) -> Parts:  # fmt: skip
    """The cotangents of input, weight and bias: g r y, sum(g (x - m)) r and sum(g)."""
    if HALF in (g.dtype, x.dtype, v.dtype):
        g, x, m, v = (t.astype(SINGLE) for t in (g, x, m, v))
        y = _flat(y, SINGLE)
    r = _rsqrt(v, eps)
    a = r if y is None else r * y
    if x.size <= _FEW or not x.dtype == g.dtype == a.dtype:
        axes = (0, *range(2, x.ndim))
        gx = g * a.reshape(affine) if need[0] else None
        gy = gz = None
        if need[1]:
            h = x - m.reshape(affine)
            h *= r.reshape(affine)
            gy = np.add.reduce(g * h, axes)
        if need[2]:
            gz = np.add.reduce(g, axes)
        return gx, gy, gz
    whole = _Channels(x.shape, None)
    gx = whole.scaled(g, a[None], None).reshape(x.shape) if need[0] else None
    gy = gz = None
    if need[1] or need[2]:
        gz = whole.sums(g)
    if need[1]:
        centred = _off_centre(m, r)
        products = whole.sums(g, whole.centred(x, m) if centred else x)
        gy = (products if centred else products - m * gz) * r
    return gx, gy, gz if need[2] else None


def update(running: Array, value: Array, momentum: float, factor: float = 1.0) -> None:
    """running = (1 - momentum) running + momentum factor value, in place, computed in float64."""
    wide = value.reshape(running.shape).astype(np.float64)
    wide *= momentum * factor
    wide += running * np.float64(1.0 - momentum)
    running[...] = wide
