"""Small tools of kernels: cached constants, selection, Horner's scheme, work in cache-sized blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = Any  # a NumPy array, or one of another library with its names

BLOCK = 8192  # elements: a few float64 temporaries of this size stay in a second-level cache
MANY = 1 << 15  # elements from which on functions of many passes work in blocks
HALF = np.dtype(np.float16)
SINGLE = np.dtype(np.float32)
DOUBLE = np.dtype(np.float64)


class Constant(dict[Any, Any]):
    """One number as a 0-d array of any dtype: `ONE[x.dtype]`.

    A ufunc takes a 0-d array twice as fast as a Python number.
    """

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def __missing__(self, dtype: np.dtype) -> Array:
        made = self[dtype] = np.array(self.value, dtype)
        return made


ZERO = Constant(0)
ONE = Constant(1)

_rows: dict[Any, Any] = {}
_LONGEST_ROW = 1 << 16


def _row_of(value: float, like: np.ndarray) -> Array:
    """An array of the value, as long as the last dim of `like`; the longest so far is kept."""
    n, key = like.shape[-1], (value, like.dtype)
    row = _rows.get(key)
    if row is None or row.size < n:
        if len(_rows) >= 64:
            _rows.clear()
        row = _rows[key] = np.full(n, value, like.dtype)
        row.flags.writeable = False
    return row[:n]


def at_least(x: Array, value: float) -> Array:
    """Return max(x, value); nan stays.

    NumPy's loops for maximum and minimum are five times slower when an operand is a scalar (10
    against 2 us for 32768 floats), so a row of the value is broadcast instead.
    """
    if x.size < 1024 or not 128 <= x.shape[-1] <= _LONGEST_ROW:
        return np.maximum(x, x.dtype.type(value))
    return np.maximum(x, _row_of(value, x))


def at_most(x: Array, value: float) -> Array:
    """Return min(x, value); nan stays. See `at_least`."""
    if x.size < 1024 or not 128 <= x.shape[-1] <= _LONGEST_ROW:
        return np.minimum(x, x.dtype.type(value))
    return np.minimum(x, _row_of(value, x))


_INTEGERS: dict[int, Any] = {2: np.dtype(np.int16), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}
_FEW = 2048  # elements up to which np.where is the fastest


def keep(x: Array, mask: np.ndarray) -> Array:
    """Return x where the mask is True and 0 elsewhere, also where x is inf or nan.

    np.where runs element by element with an unpredictable branch (3.6 ms for 10^6 floats here);
    multiplying the bits of x by 0 or 1 as integers is a vector loop (0.23 ms).
    """
    d = x.dtype
    if x.size <= _FEW or d.kind != "f" or mask.shape != x.shape:
        return np.where(mask, x, ZERO[d])
    return np.multiply(x.view(_INTEGERS[d.itemsize]), mask).view(d)


def choose(mask: Array, x: Array, y: np.ndarray) -> Array:
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


def constants(values: Sequence[float], dtype: np.dtype = DOUBLE) -> tuple[Any, ...]:
    """Return numbers as 0-d arrays: a ufunc takes these twice as fast as Python floats."""
    return tuple(np.array(v, dtype) for v in values)


def horner(coefficients: Sequence[Any], s: np.ndarray) -> Array:
    """Return c[0] + c[1] s + c[2] s^2 + ... in a new array."""
    out = np.multiply(s, coefficients[-1])
    for c in coefficients[-2:0:-1]:
        out += c
        out *= s
    out += coefficients[0]
    return out


def by_blocks(f: Callable[..., Array], x: Array, *rest: Any) -> Array:
    """Return f(x, *rest) for an elementwise f that makes many temporaries.

    `rest` holds parameters and arrays; arrays that are not of the shape of x stop the blocking.
    """
    if x.ndim == 0:
        return f(x.reshape(1), *rest).reshape(())
    if x.size <= MANY or not x.flags.c_contiguous:
        return f(x, *rest)
    arrays = [isinstance(r, np.ndarray) for r in rest]
    for r, is_array in zip(rest, arrays, strict=True):
        if is_array and not (r.shape == x.shape and r.flags.c_contiguous):
            return f(x, *rest)
    flat = x.reshape(-1)
    parts = [r.reshape(-1) if a else r for r, a in zip(rest, arrays, strict=True)]
    out = np.empty(x.shape, x.dtype)
    flat_out = out.reshape(-1)
    for i in range(0, flat.size, 2 * BLOCK):
        cut = slice(i, i + 2 * BLOCK)
        flat_out[cut] = f(flat[cut], *[p[cut] if a else p for p, a in zip(parts, arrays, strict=True)])
    return out


def half_in_single(f: Callable[..., Array]) -> Callable[..., Array]:
    """Make a kernel compute float16 in float32 and round once."""

    def kernel(x: Array, *rest: Any) -> Array:
        if x.dtype is not HALF:
            return f(x, *rest)
        wide = [r.astype(SINGLE) if getattr(r, "dtype", None) is HALF else r for r in rest]
        return np.asarray(f(x.astype(SINGLE), *wide)).astype(HALF)

    kernel.__name__ = f.__name__
    return kernel


def widened(f: Callable[..., Array]) -> Callable[..., Array]:
    """The same for an elementwise kernel of many passes, which then works in blocks."""

    def blocked(x: Array, *rest: Any) -> Array:
        return by_blocks(f, x, *rest) if x.size > MANY else f(x, *rest)

    blocked.__name__ = f.__name__
    return half_in_single(blocked)


def refuse_complex(name: str, *xs: np.ndarray) -> None:
    """Raise NotImplementedError for complex numbers, whose imaginary parts would be lost."""
    for x in xs:
        if x.dtype.kind == "c":
            kind = "ComplexFloat" if x.dtype.itemsize == 8 else "ComplexDouble"
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{kind}'")


def in_double(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Make an elementwise float64 function serve every float dtype: compute wide, round once."""

    def kernel(x: np.ndarray) -> Array:
        x = np.asarray(x)
        if x.dtype == DOUBLE:
            return by_blocks(f, x)
        refuse_complex(f.__name__, x)
        if x.ndim == 0:
            return f(x.reshape(1).astype(DOUBLE)).reshape(()).astype(x.dtype)
        return by_blocks(lambda b: f(b.astype(DOUBLE)).astype(b.dtype), x)

    kernel.__name__ = f.__name__
    return kernel
