"""The largest element of every window, over the last dims of an array of any rank.

Which tap of its window was the largest is kept as a small number for every place ("taps"); reading
and adding at these (`pick`, `put`) are then one pass for each tap, without index arrays. The places
in the whole image, which users see, are made from them (`positions`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .layouts import follow
from .numeric import HALF, SINGLE, Array, keep

Ints = tuple[int, ...]

_BLOCK = 1 << 17  # places of a block
_FEW = 1 << 11  # elements of windows up to which calls cost more than passes


class Windows:
    """Windows over the last dims: their kernel, stride, padding in front, dilation and number."""

    def __init__(
        self, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, out: Ints
    ) -> None:
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.dilation, self.out = dilation, out
        self.dims = len(kernel)
        self.taps = math.prod(kernel)
        self.apart = all(
            s >= d * (k - 1) + 1 for k, s, d in zip(kernel, stride, dilation, strict=True)
        )
        self.tap_type = np.dtype(np.uint8 if self.taps <= 256 else np.int32)

    def wide_size(self, size: Ints) -> Ints:
        """The size of the padded dims: with the padding in front, and as far as windows reach."""
        return tuple(
            [max(n + p, (m - 1) * s + d * (k - 1) + 1)
             for n, p, m, s, d, k in zip(size, self.padding, self.out, self.stride, self.dilation, self.kernel, strict=True)]
        )  # fmt: skip

    def inner(self, wide: Array, size: Ints) -> Array:
        """What of a padded array is not padding."""
        return wide[(..., *[slice(p, p + n) for p, n in zip(self.padding, size, strict=True)])]

    def padded(self, x: Array, value: Any) -> Array:
        """x itself, or with `value` around it where windows reach over its borders."""
        size = x.shape[x.ndim - self.dims :]
        wide_size = self.wide_size(size)
        if wide_size == size:
            return x
        wide = np.full((*x.shape[: x.ndim - self.dims], *wide_size), value, x.dtype)
        self.inner(wide, size)[...] = x
        return wide

    def views(self, wide: Array) -> Iterator[Array]:
        """For every tap, the elements that it sees, one for every window."""
        for at in product(*map(range, self.kernel)):
            cut = [
                slice(i * d, i * d + (m - 1) * s + 1, s)
                for i, d, m, s in zip(at, self.dilation, self.out, self.stride, strict=True)
            ]
            yield wide[(..., *cut)]

    def first_taps(self) -> Array:
        """For every window, the first tap that is not in the padding in front."""
        total = np.zeros((1,) * self.dims, np.int64)
        for dim, (k, s, p, d, m) in enumerate(
            zip(self.kernel, self.stride, self.padding, self.dilation, self.out, strict=True)
        ):
            tap = -(-np.maximum(p - np.arange(m) * s, 0) // d)
            shape = [1] * self.dims
            shape[dim] = m
            total = total * k + tap.reshape(shape)
        return np.broadcast_to(total, self.out)


def _least(dtype: np.dtype) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _blocks(lead: Ints, places: int) -> list[slice]:
    """Cut the rows of all leading dims so that the temporaries of a block stay in the cache."""
    rows = math.prod(lead)
    step = max(1, _BLOCK // max(places, 1))
    return [slice(i, i + step) for i in range(0, rows, step)]


def max_pool(
    x: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, out: Ints
) -> tuple[Array, Array]:
    """The largest elements of the windows and their taps; the first of equal ones, nan before all."""
    w = Windows(kernel, stride, padding, dilation, out)
    lead = x.shape[: x.ndim - w.dims]
    best = np.empty((*lead, *out), x.dtype)
    taps = np.zeros((*lead, *out), w.tap_type)
    if any(padding):
        taps[...] = w.first_taps()
    blocks = _blocks(lead, math.prod(out))
    if best.size * w.taps <= _FEW:
        _few_largest(w, x, best, taps)
    elif len(blocks) < 2:
        _largest(w, x, best, taps)
    else:
        rows, best_rows, taps_rows = (_rows(a, w.dims) for a in (x, best, taps))
        for cut in blocks:
            _largest(w, rows[cut], best_rows[cut], taps_rows[cut])
    return follow(best, x), follow(taps, x)


def _rows(x: Array, dims: int) -> Array:
    return x.reshape(-1, *x.shape[x.ndim - dims :])


def _few_largest(w: Windows, x: Array, best: Array, taps: Array) -> None:
    """`_largest` in the fewest calls: all windows as rows."""
    wide = w.padded(x, _least(x.dtype))
    lead, strides = best.shape[: best.ndim - w.dims], wide.strides
    space = strides[len(strides) - w.dims :]
    steps = [a * s for a, s in zip(space, w.stride, strict=True)]
    inside = [a * d for a, d in zip(space, w.dilation, strict=True)]
    rows = as_strided(
        wide, (*lead, *w.out, *w.kernel), (*strides[: len(lead)], *steps, *inside)
    ).reshape(-1, w.taps)
    at = rows.argmax(1)
    np.maximum.reduce(rows, 1, out=best.reshape(-1))
    if any(w.padding):  # taps holds the first ones inside: where all is minus infinity
        at = np.maximum(at, taps.reshape(-1))
    taps.reshape(-1)[...] = at
    if best.dtype.kind == "f" and best.size and np.isnan(np.maximum.reduce(best, None)):
        for k in range(w.taps):  # the last nan of a window
            taps.reshape(-1)[np.isnan(rows[:, k])] = k


def _largest(w: Windows, x: Array, best: Array, taps: Array) -> None:
    result = best
    if x.dtype is HALF:
        x, best = x.astype(SINGLE), best.astype(SINGLE)
    wide = w.padded(x, _least(x.dtype))
    chosen = np.empty(best.shape, bool)
    number = np.empty(best.shape, w.tap_type)
    for k, values in enumerate(w.views(wide)):
        if k == 0:
            best[...] = values
            continue
        np.greater(values, best, chosen)
        np.maximum(values, best, out=best)
        np.multiply(chosen, w.tap_type.type(k), number)
        np.maximum(taps, number, out=taps)  # a later tap has a larger number
    if best.dtype.kind == "f" and best.size and np.isnan(np.maximum.reduce(best, None)):
        for k, values in enumerate(w.views(wide)):  # the last nan of a window
            taps[np.isnan(values)] = k
    if best is not result:
        result[...] = best


def pick(
    x: Array, taps: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, out: Ints
) -> Array:
    """The elements at the taps."""
    w = Windows(kernel, stride, padding, dilation, out)
    result = np.empty(taps.shape, x.dtype)
    for k, values in enumerate(w.views(w.padded(x, 0))):
        if k == 0:
            result[...] = values
        else:
            np.copyto(result, values, where=taps == w.tap_type.type(k))
    return result


def put(
    g: Array, taps: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints,
    out: Ints,
) -> Array:  # fmt: skip
    """The adjoint of `pick`: zeros of size `size` in the last dims, with g added at the taps."""
    w = Windows(kernel, stride, padding, dilation, out)
    lead = g.shape[: g.ndim - w.dims]
    result = np.empty((*lead, *size), g.dtype)
    rows, taps_rows, results = (_rows(a, w.dims) for a in (g, taps, result))
    for cut in _blocks(lead, math.prod(out)):
        _put(w, rows[cut], taps_rows[cut], results[cut], size)
    return result


def _put(w: Windows, g: Array, taps: Array, result: Array, size: Ints) -> None:
    wide_size = w.wide_size(size)
    reach = tuple([m * s for m, s in zip(w.out, w.stride, strict=True)])
    wide = result if wide_size == size else np.empty((len(g), *wide_size), g.dtype)
    if not w.apart or wide_size != reach or w.taps != math.prod(w.stride):
        wide.fill(0)  # not every element is written below
    for k, target in enumerate(w.views(wide)):
        share = keep(g, taps == w.tap_type.type(k))
        if w.apart:
            target[...] = share
        else:
            target += share
    if wide is not result:
        result[...] = w.inner(wide, size)


def positions(
    taps: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    """Taps as flat places in the last dims, int64."""
    dims = len(kernel)
    out = taps.shape[taps.ndim - dims :]
    first = np.zeros((1,) * dims, np.int64)
    offset = np.zeros((1,) * dims, np.int64)
    for dim in range(dims):
        shape = [1] * dims
        shape[dim] = -1
        at = np.arange(out[dim]) * stride[dim] - padding[dim]
        first = first * size[dim] + at.reshape(shape)
        offset = offset * size[dim] + (np.arange(kernel[dim]) * dilation[dim]).reshape(shape)
    return follow(first + offset.reshape(-1).take(taps), taps)


# ---------------------------------------------------------------- windows that begin anywhere
def largest_at(x: Array, starts: tuple[Array, ...], ends: tuple[Array, ...]) -> Array:
    """Flat places (in the last dims) of the largest elements of the windows starts..ends - 1.

    For every dim of space, `starts` and `ends` have as many entries in their last dim as there are
    windows; their other dims are those of x, or they have none.
    """
    dims = len(starts)
    lead = x.shape[: x.ndim - dims]
    out = tuple([s.shape[-1] for s in starts])
    kernel = [int((b - a).max(initial=0)) for a, b in zip(starts, ends, strict=True)]
    alike = all(s.ndim == 1 for s in starts)
    if alike and math.prod(out) <= math.prod(kernel) and not (x.size and _has_nan(x)):
        return _by_window(x, starts, ends)
    size = x.shape[x.ndim - dims :]
    flat = x.reshape(*lead, math.prod(size))
    best: Any = None
    where: Any = None
    for at in product(*map(range, kernel)):
        place: Any = 0
        for dim in range(dims):
            here = np.minimum(starts[dim] + at[dim], ends[dim] - 1)  # past the end: the last again
            shape = (*here.shape[:-1], *[1] * dim, here.shape[-1], *[1] * (dims - 1 - dim))
            place = place * size[dim] + here.reshape(shape)
        if alike:
            index = place.reshape(-1)
            values = flat.take(index, -1)
        else:
            index = place.reshape(*lead, math.prod(out))
            values = np.take_along_axis(flat, index, -1)
        if best is None:
            best, where = values, np.empty(values.shape, np.int64)
            where[...] = index
            continue
        better = values > best
        if values.dtype.kind == "f":
            better |= np.isnan(values)
        np.copyto(best, values, where=better)
        np.copyto(where, index, where=better)
    return follow(where.reshape(*lead, *out), x)


def _has_nan(x: Array) -> bool:
    return x.dtype.kind == "f" and bool(np.isnan(np.maximum.reduce(x, None)))


def _by_window(x: Array, starts: tuple[Array, ...], ends: tuple[Array, ...]) -> Array:
    """The same, one window at a time: where there are fewer of these than elements of one."""
    dims = len(starts)
    lead, size = x.shape[: x.ndim - dims], x.shape[x.ndim - dims :]
    out = tuple([len(s) for s in starts])
    result: Any = np.empty((*lead, *out), np.int64)
    for at in product(*map(range, out)):
        first = [int(s[i]) for s, i in zip(starts, at, strict=True)]
        spans = [int(e[i]) - f for e, i, f in zip(ends, at, first, strict=True)]
        cut = tuple([slice(f, f + n) for f, n in zip(first, spans, strict=True)])
        rows = x[(..., *cut)].reshape(*lead, math.prod(spans))
        place: Any = 0
        for f, i, n in zip(first, np.unravel_index(rows.argmax(-1), spans), size, strict=True):
            place = place * n + (i + f)
        result[(..., *at)] = place
    return follow(result, x)


def adaptive_windows(n: int, out: int) -> tuple[Array, Array]:
    """The windows floor(i n / out) .. ceil((i + 1) n / out) - 1: their starts and ends."""
    i = np.arange(out)
    return i * n // out, -(-(i + 1) * n // out)


def fractional_starts(sample: Array, n: int, out: int, kernel: int) -> Array:
    """Starts of `out` windows of size `kernel`, a random step apart (Graham, "Fractional Max-Pooling",
    2014): floor((i + u) a) - floor(u a) with a = (n - kernel) / (out - 1), the last one at the end."""
    last = n - kernel
    starts = np.empty((*sample.shape, out), np.int64)
    if out > 1:
        a = sample.dtype.type(last) / sample.dtype.type(out - 1)
        i = np.arange(out - 1, dtype=sample.dtype)
        starts[..., :-1] = ((sample[..., None] + i) * a).astype(np.int64) - (
            sample[..., None] * a
        ).astype(np.int64)
    if out:
        starts[..., -1] = last
    return starts


def take_places(x: Array, places: Array, dims: int) -> Array:
    """The elements at flat places of the last `dims` dims."""
    rows = math.prod(x.shape[: x.ndim - dims])
    if not places.size:
        return np.zeros(places.shape, x.dtype)
    flat = np.take_along_axis(x.reshape(rows, -1), places.reshape(rows, -1), -1)
    return follow(flat.reshape(places.shape), x)


def put_places(g: Array, places: Array, size: Ints, add: bool) -> Array:
    """Zeros whose last dims have the sizes `size`, with g added (or written) at flat places."""
    lead = g.shape[: g.ndim - len(size)]
    rows, n = math.prod(lead), math.prod(size)
    result = np.zeros(rows * n, g.dtype)
    if not g.size:
        return result.reshape(*lead, *size)
    index = places.reshape(rows, -1) + (np.arange(rows) * n)[:, None]
    if add:
        np.add.at(result, index.reshape(-1), g.reshape(-1))
    else:
        result[index.reshape(-1)] = g.reshape(-1)
    return result.reshape(*lead, *size)
