"""Evenly spaced numbers with PyTorch's bits.

PyTorch fills these with vector loops whose roundings are part of the result: a fused multiply-add
here, blocks of one vector register there. Checked bit for bit against its CPU build; the notes say
what is imitated.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .fma import fma32, fma64

_HALF, _SINGLE, _DOUBLE = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)

# Elements of one 256-bit register, and for float16 of two of them.
_LANES = {_HALF: 16, _SINGLE: 8, _DOUBLE: 4}


def arange_size(start: float, end: float, step: float) -> int:
    """Return how many values ``start, start + step, ...`` lie before ``end``."""
    if all(isinstance(v, int) for v in (start, end, step)):
        return -((start - end) // step)  # type: ignore[return-value]
    return math.ceil((end - start) / step)


def arange(start: Any, step: Any, n: int, dtype: np.dtype) -> np.ndarray:
    """Return n values start + k step.

    Floats are made register by register: its first value is rounded to the dtype, the others are
    that value plus small multiples of the step. What is left after the last pair of registers is
    start + k step directly.
    """
    if dtype.kind != "f":
        start, step = int(start), int(step)
        if not step:  # a fraction that became an integer
            return np.full(n, start, dtype)
        line = np.arange(start, start + n * step, step, dtype=np.int64)[:n]
        return line.astype(dtype, copy=False)
    lanes = _LANES[dtype]
    k = np.arange(n)
    first = k - k % lanes
    whole = n - n % (2 * lanes)
    first[whole:] = k[whole:]
    inner = (k - first).astype(np.float64)
    if dtype == _DOUBLE:
        base = _line64(first.astype(np.float64), step, start)
        out = _line64(inner, step, base)
        out[whole:] = base[whole:]
        return out
    if dtype == _SINGLE:
        base = (start + step * first).astype(np.float32)
        return np.asarray(base + step * inner, np.float32)
    step, start = np.float32(step), np.float32(start)
    halves = fma32(first.astype(np.float32), step, start).astype(np.float16)
    line = halves.astype(np.float32) + step * inner.astype(np.float32)
    return np.asarray(line, np.float16)


def _line64(k: np.ndarray, step: float, base: float | np.ndarray) -> np.ndarray:
    """Return k * step + base in float64, rounded once, where base may vary by element."""
    if isinstance(base, np.ndarray):
        out = np.empty_like(base)
        for value in np.unique(base):
            where = base == value
            out[where] = fma64(k[where], step, float(value))
        return out
    return fma64(k, float(step), float(base))


def linspace(start: Any, end: Any, n: int, dtype: np.dtype) -> np.ndarray:
    """Return n values from start to end: one half counted from the start, the other from the end.

    The step is rounded to the dtype (float64 for integers); each value is one fused multiply-add.
    """
    if n < 2:
        return np.full(n, start).astype(dtype)
    half = n // 2
    up, down = np.arange(half), np.arange(n - 1 - half, -1, -1)
    if dtype.kind == "c":
        out = np.empty(n, dtype)
        start, end = complex(start), complex(end)
        out.real = linspace(start.real, end.real, n, out.real.dtype)
        out.imag = linspace(start.imag, end.imag, n, out.real.dtype)
        return out
    if dtype == _HALF:
        start, end = np.float16(start), np.float16(end)
        short = np.float16(end - start) / np.float16(n - 1)
        up, down = up.astype(dtype), down.astype(dtype)
        return np.concatenate([start + short * up, end - short * down])
    if dtype == _SINGLE:
        start, end = np.float32(start), np.float32(end)
        single = (end - start) / np.float32(n - 1)
        up, down = up.astype(dtype), down.astype(dtype)
        return np.concatenate([fma32(up, single, start), fma32(down, -single, end)])
    if dtype.kind != "f":
        start, end = int(start), int(end)
    step = (float(end) - float(start)) / (n - 1)
    up, down = up.astype(np.float64), down.astype(np.float64)
    line = np.concatenate([fma64(up, step, float(start)), fma64(down, -step, float(end))])
    return line if dtype == _DOUBLE else line.astype(dtype)


def logspace(start: Any, end: Any, n: int, base: float, dtype: np.dtype) -> np.ndarray:
    """Return base ** linspace(start, end, n), the exponents in float64, not fused."""
    half = n // 2
    up, down = np.arange(half), np.arange(n - 1 - half, -1, -1)
    if dtype.kind == "c":
        first, last = dtype.type(start), dtype.type(end)
        step = (last - first) / dtype.type(max(n - 1, 1))
        line = [first] if n == 1 else np.concatenate([first + step * up, last - step * down])
        return np.power(complex(base), line).astype(dtype)
    if n == 1:
        exponents = [float(start)]
    else:
        kind = dtype.type if dtype.kind == "f" else int
        step = float(kind(end) - kind(start)) / max(n - 1, 1)
        start, end = float(kind(start)), float(kind(end))
        exponents = np.concatenate([start + step * up, end - step * down]).tolist()
    values = np.array([_power(base, x) for x in exponents], np.float64)
    return (values.astype(np.float32) if dtype == _HALF else values).astype(dtype)


def _power(base: float, x: float) -> float:
    """Return C's pow: NumPy's vector form differs in the last bit, Python's raises."""
    try:
        return math.pow(base, x)
    except (ValueError, OverflowError):
        with np.errstate(all="ignore"):
            return float(np.power(np.float64(base), x))
