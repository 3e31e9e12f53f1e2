"""Losses on arrays: the value of each element, the reduction, and the pick of the true class."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .activation import sigmoid
from .numeric import HALF, MANY, SINGLE, Array, at_least, at_most, keep


def reduced(loss: Array, reduction: str) -> Any:
    """Apply a reduction: "none", "mean" or "sum"."""
    if reduction == "none":
        return loss
    total = np.add.reduce(loss, None)
    if reduction == "sum":
        return total
    return total / loss.size if loss.size else total / total.dtype.type(0)


def _total(value: Any, x: Array, y: Array, c: Any) -> Any:
    """The sum of value(x, y, c); large arrays in blocks, so that no temporary leaves the cache."""
    if x.size <= MANY or not (x.flags.c_contiguous and y.flags.c_contiguous):
        return np.add.reduce(value(x, y, c), None)
    x, y, total = x.reshape(-1), y.reshape(-1), 0.0
    for i in range(0, x.size, MANY):
        cut = slice(i, i + MANY)
        total += float(np.add.reduce(value(x[cut], y[cut], c)))
    return x.dtype.type(total)


def fused(value: Any) -> Any:
    """Make a kernel (x, y, c, reduction) of the loss of each element; float16 computes in float32."""

    def kernel(x: Array, y: Array, c: Any, reduction: str) -> Any:
        if x.dtype is HALF:
            return np.asarray(kernel(x.astype(SINGLE), y.astype(SINGLE), c, reduction)).astype(HALF)
        if reduction == "none":
            return value(x, y, c)
        total = _total(value, x, y, c)
        if reduction == "sum":
            return total
        return total / x.size if x.size else total / total.dtype.type(0)

    return kernel


@fused
def _squares(x: Array, y: Array, c: None) -> Array:
    d = x - y
    d *= d
    return d


_FEW = 4096  # squares of up to so many elements are summed by one dot product


def mse(x: Array, y: Array, c: None, reduction: str) -> Any:
    """(x - y)^2."""
    if reduction == "none" or not 0 < x.size <= _FEW or x.dtype is HALF:
        return _squares(x, y, c, reduction)
    d = np.subtract(x, y)
    total = np.vdot(d, d)
    return total / d.size if reduction == "mean" else total


@fused
def smooth_l1(x: Array, y: Array, beta: float) -> Array:
    """d^2 / (2 beta) below beta, |d| - beta / 2 above."""
    return _huber(x, y, beta) / beta


@fused
def huber(x: Array, y: Array, delta: float) -> Array:
    """d^2 / 2 below delta, delta (|d| - delta / 2) above."""
    return _huber(x, y, delta)


def _huber(x: Array, y: Array, delta: float) -> Array:
    """With low = min(|d|, delta), both branches are low (|d| - low / 2)."""
    size = np.abs(x - y)
    low = at_most(size, delta)
    size -= low * 0.5
    size *= low
    return size


@fused
def bce(x: Array, y: Array, c: None) -> Array:
    """-(y log x + (1 - y) log(1 - x)), the logarithms not below -100."""
    if not (np.greater_equal(x, 0) & np.less_equal(x, 1)).all():
        raise RuntimeError("all elements of input should be between 0 and 1")
    return (y - 1) * at_least(np.log1p(-x), -100) - y * at_least(np.log(x), -100)


@fused
def bce_with_logits(x: Array, y: Array, c: None) -> Array:
    """log(1 + e^x) - x y, with no overflow and no cancellation for y in {0, 1}."""
    e = np.exp(np.negative(np.abs(x)))
    out = at_least(x, 0)
    out -= x * y  # exactly 0 on the right side, so that the next term keeps its digits
    out += np.log1p(e)
    return out


@fused
def soft_margin(x: Array, y: Array, c: None) -> Array:
    """log(1 + exp(-x y))."""
    z = x * y
    return np.log1p(np.exp(-np.abs(z))) - at_most(z, 0)


def weighted_bce_with_logits(
    x: Array, y: Array, z: Array | None, w: Array | None, reduction: str
) -> Any:
    """z (log(1 + e^-x) (1 + (w - 1) y) + (1 - y) x)."""
    half = x.dtype is HALF
    if half:
        x, y, z, w = (None if a is None else a.astype(SINGLE) for a in (x, y, z, w))
    fall = np.log1p(np.exp(-np.abs(x))) - at_most(x, 0)
    out = (1 - y) * x + (fall if w is None else fall * ((w - 1) * y + 1))
    total = reduced(out if z is None else out * z, reduction)
    return np.asarray(total).astype(HALF) if half else total


def bce_with_logits_slope(x: Array, y: Array) -> Array:
    out = sigmoid(x)
    out -= y
    return out


# ---------------------------------------------------------------- the true class
@lru_cache(maxsize=64)
def _numbered(n: int) -> Array:
    return np.arange(n)


def _largest(y: Array) -> Any:
    if y.size < 1024:  # argmax has less to set up
        return y.item(y.argmax())
    return np.maximum.reduce(y, None)


def _picking(x_shape: tuple, y: Array, ignore_index: int) -> tuple[Any, Array | None]:
    """The index of the true class of every sample, and which samples count (None: all)."""
    classes = x_shape[1 if len(x_shape) > 1 else 0]
    if y.dtype.kind != "i" or y.itemsize != 8:
        y = y.astype(np.int64)
    valid = None
    if y.size and _largest(y.view(np.uint64)) >= classes:  # negative ones are huge
        valid = y != ignore_index
        wrong = valid & ((y < 0) | (y >= classes))
        if wrong.any():
            raise IndexError(
                f"Target {int(y[wrong].ravel()[0])} is out of bounds. There are {classes} classes: "
                f"targets go from 0 to {classes - 1}, or are ignore_index ({ignore_index})"
            )
        y = np.where(valid, y, 0)
    elif 0 <= ignore_index < classes:
        valid = y != ignore_index
    if len(x_shape) == 1:
        return (y.reshape(()),), None if valid is None else valid.reshape(())
    if len(x_shape) == 2:
        return (_numbered(x_shape[0]), y), valid
    grid = np.ogrid[tuple(slice(n) for n in y.shape)]
    return (grid[0], y, *grid[1:]), valid


def _weights(key: tuple, z: Array | None, valid: Array | None, d: Any) -> Any:
    """The weight of every sample, or None where all count alike."""
    y = key[1] if len(key) > 1 else key[0]
    w = None if z is None else z.astype(d, copy=False)[y]
    if valid is None:
        return w
    return valid.astype(d) if w is None else keep(np.asarray(w), valid)


def nll(x: Array, y: Array, z: Array | None, ignore_index: int, reduction: str, spatial: bool) -> Any:
    """Minus the input at the true class of every sample, weighted by class."""
    key, valid = _picking(x.shape, y, ignore_index)
    picked = x[key]
    w = _weights(key, z, valid, x.dtype)
    if w is not None:
        # an ignored sample counts 0 even if its input is inf or nan
        picked = picked * w if valid is None else keep(np.asarray(picked * w), valid)
    if reduction == "none":
        return np.negative(picked).reshape(y.shape)
    wide = np.float32 if x.dtype is HALF else None
    total = -np.add.reduce(picked, None, wide)
    if reduction == "mean":
        total = total / (x.dtype.type(y.size) if w is None else np.add.reduce(w, None, wide))
    return total.astype(x.dtype) if wide else total


def nll_backward(
    g: Array, y: Array, z: Array | None, shape: tuple, ignore_index: int, reduction: str, spatial: bool
) -> Array:
    """The transpose of `nll`."""
    key, valid = _picking(shape, y, ignore_index)
    w = _weights(key, z, valid, g.dtype)
    out = np.zeros(shape, g.dtype)
    share = np.negative(g).reshape(np.shape(key[1]) if reduction == "none" and len(key) > 1 else ())
    if reduction == "mean":
        share = share / (y.size if w is None else np.add.reduce(w, None))
    out[key] = share if w is None else keep(np.asarray(share * w), valid) if valid is not None else share * w
    return out
