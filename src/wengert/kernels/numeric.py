"""Small tools of kernels: cached constants, selection, Horner's scheme, work in cache-sized blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

BLOCK = 8192  # elements: a few float64 temporaries of this size stay in a second-level cache
HALF = np.dtype(np.float16)
SINGLE = np.dtype(np.float32)
DOUBLE = np.dtype(np.float64)


class Constant(dict):
    """One number as a 0-d array of any dtype: `ONE[x.dtype]`.

    A ufunc takes a 0-d array twice as fast as a Python number.
    """

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def __missing__(self, dtype: np.dtype) -> np.ndarray:
        made = self[dtype] = np.array(self.value, dtype)
        return made


ZERO = Constant(0)
ONE = Constant(1)

_INTEGERS = {2: np.dtype(np.int16), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}
_FEW = 2048  # elements up to which np.where is the fastest


def keep(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return x where the mask is True and 0 elsewhere, also where x is inf or nan.

    np.where runs element by element with an unpredictable branch (3.6 ms for 10^6 floats here);
    multiplying the bits of x by 0 or 1 as integers is a vector loop (0.23 ms).
    """
    d = x.dtype
    if x.size <= _FEW or d.kind != "f" or mask.shape != x.shape:
        return np.where(mask, x, ZERO[d])
    return np.multiply(x.view(_INTEGERS[d.itemsize]), mask).view(d)


def choose(mask: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return x where the mask is True and y elsewhere, for arrays of one dtype; see `keep`."""
    d = x.dtype
    if x.size <= _FEW or d.kind != "f" or not mask.shape == x.shape == y.shape:
        return np.where(mask, x, y)
    bits = _INTEGERS[d.itemsize]
    other = y.view(bits)
    out = np.subtract(x.view(bits), other)  # wraps around, and back again
    out *= mask
    out += other
    return out.view(d)


def constants(values: Sequence[float], dtype: np.dtype = DOUBLE) -> tuple:
    """Return numbers as 0-d arrays: a ufunc takes these twice as fast as Python floats."""
    return tuple(np.array(v, dtype) for v in values)


def horner(coefficients: Sequence, s: np.ndarray) -> np.ndarray:
    """Return c[0] + c[1] s + c[2] s^2 + ... in a new array."""
    out = np.multiply(s, coefficients[-1])
    for c in coefficients[-2:0:-1]:
        out += c
        out *= s
    out += coefficients[0]
    return out


def by_blocks(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return f(x) for an elementwise f that makes many temporaries."""
    if x.ndim == 0:
        return f(x.reshape(1)).reshape(())
    if x.size <= BLOCK:
        return f(x)
    flat = x.reshape(-1)
    out = np.empty_like(flat)
    for i in range(0, flat.size, BLOCK):
        out[i : i + BLOCK] = f(flat[i : i + BLOCK])
    return out.reshape(x.shape)


def in_double(f: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Make an elementwise float64 function serve every float dtype: compute wide, round once."""

    def kernel(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x)
        if x.dtype == DOUBLE:
            return by_blocks(f, x)
        if x.ndim == 0:
            return f(x.reshape(1).astype(DOUBLE)).reshape(()).astype(x.dtype)
        return by_blocks(lambda b: f(b.astype(DOUBLE)).astype(b.dtype), x)

    kernel.__name__ = f.__name__
    return kernel
