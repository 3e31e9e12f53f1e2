"""Convolution in any number of dims: windows of the input times the weights, by matrix products.

Three functions that are linear in each operand: `convolve` (input, weights -> result), `transposed`
(result, weights -> input) and `weights` (input, result -> weights). Each is the derivative of the
others, so they are closed under differentiation.

The windows of a block of samples are copied into the columns of a matrix ("im2col": Chellapilla,
Puri and Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006).
The samples of a column block lie either outside the places of a window or, for small images,
innermost: then what is copied are long runs, whatever the stride.

Shapes: input (N, C, *S), weights (O, C / groups, *K), result (N, O, *L).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import depthwise
from .layouts import follow
from .numeric import HALF, SINGLE, Array

Ints = tuple[int, ...]

_COLUMNS = 1 << 20  # elements of a block of columns: a few MB
_WIDE = 64  # places from which on a product for every sample is as good as one for all


def out_sizes(size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Ints:
    """Return how many windows fit each dim."""
    return tuple(
        [(n + 2 * p - d * (k - 1) - 1) // s + 1
         for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)]
    )  # fmt: skip


def _half(f: Callable[..., Array]) -> Callable[..., Array]:
    """Let a kernel compute float16 in float32."""

    def kernel(x: Array, y: Array, *rest: Any) -> Array:
        if x.dtype is not HALF and y.dtype is not HALF:
            return f(x, y, *rest)
        wide = [a.astype(SINGLE) if isinstance(a, np.ndarray) else a for a in (x, y, *rest)]
        return f(*wide).astype(HALF)

    kernel.__name__ = f.__name__
    return kernel


# ---------------------------------------------------------------- blocks of samples
class _Plan:
    """How one convolution is cut into blocks and laid out."""

    def __init__(
        self, n: int, channels: int, outputs: int, kernel: Ints, out: Ints, stride: Ints,
        padding: Ints, dilation: Ints, groups: int,
    ) -> None:  # fmt: skip
        self.kernel, self.out, self.stride = kernel, out, stride
        self.padding, self.dilation, self.groups = padding, dilation, groups
        self.channels, self.outputs = channels, outputs
        self.taps = math.prod(kernel)
        self.places = math.prod(out)
        # samples innermost: where runs along the last dim are short, and turning costs little
        run = out[-1] if out else 1
        few = n * outputs * self.places < 1 << 18
        self.last = n >= 4 and (run <= 16 or (run < 32 and few))
        one = channels * self.taps * self.places
        step = max(1, _COLUMNS // max(one, 1))
        self.blocks = [slice(i, min(i + step, n)) for i in range(0, n, step)]
        # a large sample is cut along its first dim of space
        self.bands = [slice(None)]
        if one > 2 * _COLUMNS:
            step = max(1, _COLUMNS // (one // out[0]))
            self.bands = [slice(i, i + step) for i in range(0, out[0], step)]

    def arranged(self, x: Array) -> Array:
        """A block (N, C, *S), padded, as (C, N, *S) or (C, *S, N)."""
        order = (1, *range(2, x.ndim), 0) if self.last else (1, 0, *range(2, x.ndim))
        t = x.transpose(order)
        if not any(self.padding):
            return np.ascontiguousarray(t) if self.last else t
        wide = self.empty_input(x.shape[0], x.shape[2:], x.dtype)
        self.inner(wide, x.shape[2:])[...] = t
        return wide

    def empty_input(self, n: int, size: Ints, dtype: Any) -> Array:
        """Zeros in the form of `arranged`."""
        size = tuple([m + 2 * p for m, p in zip(size, self.padding, strict=True)])
        return np.zeros(
            (self.channels, *size, n) if self.last else (self.channels, n, *size), dtype
        )

    def inner(self, wide: Array, size: Ints) -> Array:
        """What of an arranged block is not padding."""
        cut = tuple([slice(p, p + m) for m, p in zip(size, self.padding, strict=True)])
        return wide[(slice(None), *cut)] if self.last else wide[(slice(None), slice(None), *cut)]

    def windows(self, wide: Array) -> Array:
        """A view of an arranged block: (C, *K, N, *L) or (C, *K, *L, N)."""
        t, first = wide.strides, 1 if self.last else 2
        space = t[first : first + len(self.out)]
        taps = [a * d for a, d in zip(space, self.dilation, strict=True)]
        places = [a * s for a, s in zip(space, self.stride, strict=True)]
        if self.last:
            shape = (self.channels, *self.kernel, *self.out, wide.shape[-1])
            strides = (t[0], *taps, *places, t[-1])
        else:
            shape = (self.channels, *self.kernel, wide.shape[1], *self.out)
            strides = (t[0], *taps, t[1], *places)
        if wide.flags.c_contiguous:  # ten times cheaper than as_strided
            return np.ndarray(shape, wide.dtype, wide, 0, strides)
        return as_strided(wide, shape, strides)

    def band(self, windows: Array, cut: slice) -> Array:
        """The windows of some places along the first dim of space."""
        return windows[(slice(None),) * (1 + len(self.kernel) + (not self.last)) + (cut,)]

    def columns(self, windows: Array) -> Array:
        """Windows as (groups, C / groups * taps, N * places)."""
        return windows.reshape(self.groups, self.channels // self.groups * self.taps, -1)

    def rows(self, u: Array) -> Array:
        """A block (N, O, *L) as (O, N * places), in the order of the columns."""
        n, o, *out = u.shape
        places = math.prod(out)
        u = u.reshape(n, o, places)
        return u.transpose((1, 2, 0) if self.last else (1, 0, 2)).reshape(o, n * places)

    def unrow(self, r: Array, n: int) -> Array:
        """(O, N * places) back to a view (N, O, *L)."""
        rest = self.out[1:]
        if self.last:
            r = r.reshape(self.outputs, -1, *rest, n)
            return r.transpose(r.ndim - 1, *range(r.ndim - 1))
        r = r.reshape(self.outputs, n, -1, *rest)
        return r.swapaxes(0, 1)


def _plan(
    x: Array, kernel: Ints, outputs: int, out: Ints, stride: Ints, padding: Ints, dilation: Ints,
    groups: int,
) -> _Plan:  # fmt: skip
    return _Plan(x.shape[0], x.shape[1], outputs, kernel, out, stride, padding, dilation, groups)


def _is_product(kernel: Ints, stride: Ints, padding: Ints, groups: int, n: int, out: Ints) -> bool:
    """True where a convolution is one matrix product a sample: single taps everywhere."""
    return (
        groups == 1 and not any(padding) and all(k == 1 for k in kernel)
        and all(s == 1 for s in stride) and (n == 1 or math.prod(out) >= _WIDE)
    )  # fmt: skip


def _times(a: Array, b: Array) -> Array:
    """Products of matrices, one for every group."""
    return a[0].dot(b[0])[None] if len(a) == 1 else np.matmul(a, b)


# ---------------------------------------------------------------- the three
def convolution(x: Array, y: Array, *rest: Any) -> Array:
    """`convolve`, in the memory format of its operands."""
    return follow(convolve(x, y, *rest), x, y)


def conv_transposed(u: Array, y: Array, *rest: Any) -> Array:
    """`transposed`, in the memory format of its operands."""
    return follow(transposed(u, y, *rest), u, y)


@_half
def convolve(
    x: Array, y: Array, z: Array | None, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    """result[n, o, l] = z[o] + sum over c, k of input[n, c, l * stride + k * dilation - padding] weights[o, c, k]."""
    n, o, kernel = x.shape[0], y.shape[0], y.shape[2:]
    out = out_sizes(x.shape[2:], kernel, stride, padding, dilation)
    if not x.size or not y.size:
        zero = np.zeros((n, o, *out), x.dtype)
        return zero if z is None else zero + _channel(z, zero)
    if _is_product(kernel, stride, padding, groups, n, out):
        r = np.matmul(y.reshape(o, -1), x.reshape(n, x.shape[1], -1)).reshape(n, o, *out)
        if z is not None:
            r += _channel(z, r)
        return r
    w = y.reshape(groups, o // groups, -1)
    if groups == x.shape[1] > 1:
        r = depthwise.convolve(x, w, kernel, out, stride, padding, dilation)
        if z is not None:
            r += _channel(z, r)
        return r
    result = np.empty((n, o, *out), x.dtype)
    plan = _plan(x, kernel, o, out, stride, padding, dilation, groups)
    for cut in plan.blocks:
        windows, target = plan.windows(plan.arranged(x[cut])), result[cut]
        for band in plan.bands:
            r = _times(w, plan.columns(plan.band(windows, band))).reshape(o, -1)
            if z is not None:
                r += z[:, None]
            target[:, :, band] = plan.unrow(r, len(target))
    return result


def _channel(z: Array, like: Array) -> Array:
    return z.reshape(-1, *[1] * (like.ndim - 2))


@_half
def transposed(
    u: Array, y: Array, z: Array | None, size: Ints, stride: Ints, padding: Ints, dilation: Ints,
    groups: int,
) -> Array:  # fmt: skip
    """The adjoint of `convolve` in its input, whose dims of space are `size`: every place of `u`
    spreads its value times the weights over its window."""
    n, o, kernel, out = u.shape[0], u.shape[1], y.shape[2:], u.shape[2:]
    channels = y.shape[1] * groups
    if not u.size or not y.size:
        result = np.zeros((n, channels, *size), u.dtype)
    elif _is_product(kernel, stride, padding, groups, n, out):
        result = np.matmul(y.reshape(o, channels).T, u.reshape(n, o, -1)).reshape(
            n, channels, *size
        )
    elif groups == channels > 1:
        w = y.reshape(groups, o // groups, -1)
        result = depthwise.transposed(u, w, size, kernel, stride, padding, dilation)
    else:
        mirror = _mirrored(out, size, kernel, stride, padding, dilation, o, channels, groups)
        if mirror is not None:
            return convolve(u, _flipped(y, groups), z, stride, mirror, dilation, groups)
        result = np.empty((n, channels, *size), u.dtype)
        plan = _Plan(n, channels, o, kernel, out, stride, padding, dilation, groups)
        w = y.reshape(groups, o // groups, -1).swapaxes(1, 2)
        for cut in plan.blocks:
            _spread(plan, w, u[cut], result[cut])
    if z is not None:
        result += _channel(z, result)
    return result


def _mirrored(
    out: Ints, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, outputs: int,
    channels: int, groups: int,
) -> Ints | None:  # fmt: skip
    """The padding with which a convolution with flipped weights is the adjoint; None if it isn't
    one, or if its columns (of the results' channels) are more work than spreading."""
    if any(s != 1 for s in stride) or outputs > channels:
        return None
    mirror = tuple([d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True)])
    if any(p < 0 for p in mirror) or out_sizes(out, kernel, stride, mirror, dilation) != size:
        return None
    return mirror


def _flipped(y: Array, groups: int) -> Array:
    """The weights with their taps reversed and the roles of the channels exchanged."""
    o, c, *kernel = y.shape
    y = y.reshape(groups, o // groups, c, *kernel).swapaxes(1, 2)
    y = y[(slice(None),) * 3 + (slice(None, None, -1),) * len(kernel)]
    return y.reshape(groups * c, o // groups, *kernel)


def _spread(plan: _Plan, w: Array, u: Array, result: Array) -> None:
    """Add up what the places of a block send to the elements of their windows."""
    n, size = u.shape[0], result.shape[2:]
    wide = plan.empty_input(n, size, u.dtype)
    windows = plan.windows(wide)
    for band in plan.bands:
        r = plan.rows(u[:, :, band])
        part = plan.band(windows, band)
        columns = _times(w, r.reshape(plan.groups, -1, r.shape[-1])).reshape(part.shape)
        for at in product(*map(range, plan.kernel)):
            part[(slice(None), *at)] += columns[(slice(None), *at)]
    inner = plan.inner(wide, size)
    last = inner.ndim - 1
    result[...] = inner.transpose(
        (last, *range(last)) if plan.last else (1, 0, *range(2, last + 1))
    )


@_half
def weights(
    x: Array, u: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    """The adjoint of `convolve` in its weights: windows of the input times values of the result."""
    channels = x.shape[1]
    o, out = u.shape[1], u.shape[2:]
    shape = (o, channels // groups, *kernel)
    if not x.size or not u.size:
        return np.zeros(shape, x.dtype)
    if groups == channels > 1:
        return depthwise.weights(x, u, kernel, stride, padding, dilation).reshape(shape)
    plan = _plan(x, kernel, o, out, stride, padding, dilation, groups)
    total: Any = None
    for cut in plan.blocks:
        windows = plan.windows(plan.arranged(x[cut]))
        for band in plan.bands:
            r = plan.rows(u[cut][:, :, band])
            columns = plan.columns(plan.band(windows, band))
            part = _times(r.reshape(groups, o // groups, -1), columns.swapaxes(1, 2))
            total = part if total is None else np.add(total, part, total)
    return total.reshape(shape)
