"""Fused multiply-add on arrays: a * b + c rounded once, from IEEE + - * alone.

The C++ loops whose numbers we reproduce are compiled with contraction, so `x * scale + shift` there
rounds once. NumPy has no such function; these two give the same bits on every platform.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_HALF_STEP = 1 << 28  # the middle between two float32 values, in units of the float64 that holds it
_STEP_MASK = (1 << 29) - 1
_SPLITTER = 134217729.0  # 2**27 + 1, Dekker's constant for 53-bit numbers
_SAFE = 2.0**300  # products and their error terms stay normal between 1 / _SAFE and _SAFE


def fma32(x: Array, scale: float, shift: float) -> Array:
    """x * scale + shift in float32 (scale and shift rounded to it first), rounded once.

    The product is exact in float64. Their sum is rounded to 53 bits and then to 24, which goes
    wrong only where the first rounding was inexact and fell on the middle of two float32 values.
    """
    product = np.multiply(x, np.float64(np.float32(scale)), dtype=np.float64)
    if shift == 0.0:
        product += 0.0  # -0 + 0 is +0, as in the contracted loop
        return product.astype(np.float32)
    addend = np.float64(np.float32(shift))
    total = product + addend
    middle = (total.view(np.int64) & _STEP_MASK) == _HALF_STEP
    if middle.any():
        error = _sum_error(product, addend, total)
        total = np.where(middle & (error > 0), np.nextafter(total, np.inf), total)
        total = np.where(middle & (error < 0), np.nextafter(total, -np.inf), total)
    return total.astype(np.float32)


def fma64(x: Array, scale: float, shift: float) -> Array:
    """x * scale + shift in float64, rounded once."""
    if shift == 0.0:
        return np.asarray(x * scale + 0.0)
    if scale == 1.0:
        return np.asarray(x + shift)
    limits = [abs(scale), abs(shift)]
    if not all(1.0 / _SAFE < limit < _SAFE for limit in limits):
        return np.array([_fma_exact(v, scale, shift) for v in x.tolist()], np.float64)
    # Dekker's product and Knuth's sum give x * scale + shift as three terms without error; the two
    # small ones are added with rounding to odd, after which one ordinary rounding is the right one
    # (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
    product = x * scale
    x_high, x_low = _split(x)
    s_high, s_low = _split(np.float64(scale))
    low = ((x_high * s_high - product) + x_high * s_low + x_low * s_high) + x_low * s_low
    total = product + shift
    rest = _sum_error(product, np.float64(shift), total)
    tail = rest + low
    tail_error = _sum_error(rest, low, tail)
    bits = tail.view(np.int64)
    to_odd = (tail_error != 0) & ((bits & 1) == 0)
    towards = np.where((tail_error > 0) == (tail >= 0), 1, -1)
    tail = np.where(to_odd, (bits + towards).view(np.float64), tail)
    return np.asarray(total + tail)


def fma64_for32(x: Array, scale: float, shift: float) -> Array:
    """As fma64, where the result will be rounded to float32: the two agree after that.

    Ordinary arithmetic will do but for values next to the middle of two float32 values, those
    that cancel, and those too small for a normal float32.
    """
    product = x * scale
    total = product + shift
    size = np.abs(total)
    doubt = near_float32_middle(total)
    doubt |= size * 16.0 < np.abs(product)
    doubt |= size < 1e-30
    if doubt.any():
        total[doubt] = fma64(x[doubt], scale, shift)
    return total


def near_float32_middle(x: Array) -> Array:
    """Where float64 x is so close to the middle of two float32 values that it may be rounded wrong.

    That takes an error in the last bits of x, and is so for about one value in four million.
    """
    low_bits = x.view(np.uint64) & _STEP_MASK
    low_bits -= _HALF_STEP - 64  # wraps below: one unsigned comparison tests both sides
    return low_bits < 128


def _sum_error(a: Array, b: Any, total: Array) -> Array:
    """The exact error of total = a + b (Knuth's TwoSum)."""
    back = total - a
    return np.asarray((a - (total - back)) + (b - back))


def _split(v: Any) -> tuple[Any, Any]:
    scaled = v * _SPLITTER
    high = scaled - (scaled - v)
    return high, v - high


def _fma_exact(x: float, scale: float, shift: float) -> float:
    """One value by rational arithmetic, for scales where float64 could under- or overflow."""
    from fractions import Fraction
    from math import inf, isfinite

    if not (isfinite(x) and isfinite(scale) and isfinite(shift)):
        return x * scale + shift
    exact = Fraction(x) * Fraction(scale) + Fraction(shift)
    try:
        return float(exact)
    except OverflowError:
        return inf if exact > 0 else -inf
