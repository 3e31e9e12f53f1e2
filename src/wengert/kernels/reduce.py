"""Reductions over raw arrays: sums, products, moments, softly stabilised logs, extremes.

`dim` is None (all elements) or a tuple of dims counted from the front. 16-bit floats accumulate in
float32; integers and bool in int64, as PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from .layouts import packed

ndarray = np.ndarray
# typed Any: the stubs of reduce() take no positional keepdims, which is the fast way to call it
add: Any = np.add
multiply: Any = np.multiply
maximum: Any = np.maximum
minimum: Any = np.minimum
F16, F32, F64, I64 = np.dtype("f2"), np.dtype("f4"), np.dtype("f8"), np.dtype("i8")
WIDE = frozenset(map(np.dtype, "fdFD"))  # what reductions compute in as it is
_BLAS = frozenset(map(np.dtype, "fd"))
_ones: dict[tuple[int, np.dtype], ndarray] = {}


def accumulator(d: np.dtype) -> np.dtype:
    """Return the dtype that sums and products of a dtype are taken in."""
    if d in WIDE:
        return d
    return I64 if d.kind in "iub" else F32


def in_float32(kernel: Callable) -> Callable:
    """Let a kernel of one array compute 16-bit floats in float32 and return 16 bits again."""

    @wraps(kernel)
    def k(x: ndarray, *params: Any) -> Any:
        d = x.dtype
        if d in WIDE or d.kind in "iub":
            return kernel(x, *params)
        out = kernel(x.astype(F32), *params)
        if out.__class__ is tuple:
            return tuple([o.astype(d) if o.dtype == F32 else o for o in out])
        return out.astype(d)

    return k


def ones(n: int, d: np.dtype) -> ndarray:
    """Return a vector of ones that nobody may write to; short ones are kept."""
    found = _ones.get((n, d))
    if found is None:
        found = np.ones(n, d)
        if n <= 4096:
            if len(_ones) > 256:
                _ones.clear()
            _ones[n, d] = found
    return found


def reduced(x: ndarray, dim: tuple | None) -> int:
    """Return how many elements go into each element of a reduction."""
    if dim is None:
        return x.size
    n = 1
    for d in dim:
        n *= x.shape[d]
    return n


# ------------------------------------------------------------------- sums
def _total(flat: ndarray) -> Any:
    """Add up a vector with BLAS, in rows of 1024: two to four times as fast as add.reduce, and as
    exact, as the rows are added up like a tree."""
    n = flat.size
    if n <= 4096:
        return flat.dot(ones(n, flat.dtype))
    whole = n - n % 1024
    head = flat[:whole].reshape(-1, 1024).dot(ones(1024, flat.dtype))
    out = _total(head)
    return out if whole == n else out + flat[whole:].dot(ones(n - whole, flat.dtype))


def kept_shape(shape: tuple, dim: tuple) -> tuple:
    """Return a shape with 1 in place of each of some dims."""
    return tuple([1 if k in dim else n for k, n in enumerate(shape)])


def _last_dims(x: ndarray, dim: tuple) -> Any:
    """Sums over the last dims, or over all but dim 1, by BLAS; None if they are others.

    Four to ten times as fast as add.reduce, which adds short rows one by one.
    """
    channels = 0 in dim and 1 not in dim and len(dim) == x.ndim - 1
    lead = 2 if channels else x.ndim - len(dim)
    if not channels and any([k < lead for k in dim]):
        return None
    shape = x.shape[:lead]
    n = 1
    for k in x.shape[lead:]:
        n *= k
    if not 1 < n <= 4096 or not x.size:
        return None
    out = x.reshape(-1, n).dot(ones(n, x.dtype)).reshape(shape)
    return ones(shape[0], x.dtype).dot(out) if channels else out


def sum(x: ndarray, dim: tuple | None, keepdim: bool) -> Any:
    """Add up; by products with ones (BLAS) where it can, which over many rows is more exact too."""
    d = x.dtype
    if d in WIDE:
        if dim is None:
            if not keepdim and d in _BLAS and x.flags.c_contiguous:
                if x.ndim == 2 and 64 <= x.shape[1] <= 4096 and 2 <= x.shape[0] <= 4096:
                    rows, n = x.shape
                    return x.dot(ones(n, d)).dot(ones(rows, d))
                return _total(x.ravel())
        elif len(dim) == 1 and x.ndim == 2 and d in _BLAS:
            rows, n = x.shape
            if dim[0] == 0:
                if rows > 1:
                    out = ones(rows, d).dot(x)
                    return out[None] if keepdim else out
            elif 1 < n <= 4096 and x.flags.c_contiguous:
                out = x.dot(ones(n, d))
                return out[:, None] if keepdim else out
        elif x.ndim > 2 and d in _BLAS and x.flags.c_contiguous:
            out = _last_dims(x, dim)
            if out is not None:
                return out.reshape(kept_shape(x.shape, dim)) if keepdim else out
        out = add.reduce(x, dim, None, None, keepdim)
        return out if x.ndim < 3 else packed(out)
    if d.kind in "iub":
        return packed(add.reduce(x, dim, I64, None, keepdim))
    return packed(add.reduce(x, dim, F32, None, keepdim).astype(d))


def mean(x: ndarray, dim: tuple | None, keepdim: bool) -> Any:
    """Average."""
    d = x.dtype
    if d in WIDE:
        return sum(x, dim, keepdim) / reduced(x, dim)
    return packed((add.reduce(x, dim, F32, None, keepdim) / reduced(x, dim)).astype(d))


def nansum(x: ndarray, dim: tuple | None, keepdim: bool) -> Any:
    """Add up what is not NaN."""
    if x.dtype.kind in "iub":
        return sum(x, dim, keepdim)
    return sum(np.where(np.isnan(x), x.dtype.type(0), x), dim, keepdim)


def prod(x: ndarray, dim: tuple | None, keepdim: bool) -> Any:
    """Multiply."""
    d = x.dtype
    out = multiply.reduce(x, dim, accumulator(d), None, keepdim)
    return packed(out if d in WIDE or d.kind in "iub" else out.astype(d))


def spread(x: ndarray, dim: tuple | None, keepdim: bool, shape: tuple) -> ndarray:
    """Repeat a reduced array over the dims it was reduced over (a view; the transpose of a sum)."""
    if x.size == 1:
        if x.__class__ is ndarray and x.flags.c_contiguous:
            return ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
        return np.broadcast_to(np.asarray(x).reshape(()), shape)
    if not keepdim and dim is not None:
        x = x.reshape([1 if k in dim else n for k, n in enumerate(shape)])
    return np.broadcast_to(x, shape)


@in_float32
def logsumexp(x: ndarray, dim: tuple, keepdim: bool) -> Any:
    """log(sum(exp(x))), shifted by the largest so that nothing overflows."""
    if x.dtype.kind == "c":
        top = maximum.reduce(x.real, dim, None, None, True, initial=-np.inf)
    else:
        top = maximum.reduce(x, dim, None, None, True, initial=-np.inf)
    top = np.where(np.isinf(top), top.dtype.type(0), top)
    out = np.log(add.reduce(np.exp(x - top), dim, None, None, True)) + top
    out = packed(out)
    return out if keepdim else out.reshape([n for k, n in enumerate(x.shape) if k not in dim])


# ------------------------------------------------------------------- moments
@in_float32
def var(x: ndarray, dim: tuple | None, correction: float, keepdim: bool) -> Any:
    """The mean squared distance from the mean, over n - correction; real for complex x."""
    return var_mean(x, dim, correction, keepdim)[0]


@in_float32
def std(x: ndarray, dim: tuple | None, correction: float, keepdim: bool) -> Any:
    """The square root of the variance."""
    return np.sqrt(var_mean(x, dim, correction, keepdim)[0])


@in_float32
def var_mean(x: ndarray, dim: tuple | None, correction: float, keepdim: bool) -> tuple:
    """Variance and mean in two passes."""
    n = reduced(x, dim)
    m = sum(x, dim, True) / n
    away = x - m
    if x.dtype.kind == "c":
        away = away.real * away.real + away.imag * away.imag
    else:
        away *= away
    v = sum(away, dim, keepdim)
    free = n - correction
    v = v / free if free > 0 else v * v.dtype.type(np.nan if v.size and n <= 1 else np.inf)
    return v, m if keepdim else m.reshape(v.shape)


@in_float32
def std_mean(x: ndarray, dim: tuple | None, correction: float, keepdim: bool) -> tuple:
    """Standard deviation and mean."""
    v, m = var_mean(x, dim, correction, keepdim)
    return np.sqrt(v), m


# ------------------------------------------------------------------- norms
@in_float32
def vector_norm(x: ndarray, ord: float, dim: tuple | None, keepdim: bool) -> Any:
    """The ord-norm of the elements; real for complex x."""
    if ord == 2:
        if x.dtype.kind == "c":
            return np.sqrt(sum(x.real * x.real + x.imag * x.imag, dim, keepdim))
        if dim is None and x.flags.c_contiguous and not keepdim:
            flat = x.reshape(-1)
            return np.sqrt(flat.dot(flat))
        return np.sqrt(sum(x * x, dim, keepdim))
    if ord == 0:
        return sum((x != 0).astype(x.real.dtype), dim, keepdim)
    a = np.abs(x)
    if ord == 1:
        return sum(a, dim, keepdim)
    if ord == np.inf:
        return packed(maximum.reduce(a, dim, None, None, keepdim))
    if ord == -np.inf:
        return packed(minimum.reduce(a, dim, None, None, keepdim))
    p = a.dtype.type(ord)
    return sum(a**p, dim, keepdim) ** (1 / p)


# ------------------------------------------------------------------- extremes
def amax(x: ndarray, dim: tuple | None, keepdim: bool) -> Any:
    """The largest element; NaN if there is one."""
    return packed(maximum.reduce(x, dim, None, None, keepdim))


def amin(x: ndarray, dim: tuple | None, keepdim: bool) -> Any:
    """The smallest element; NaN if there is one."""
    return packed(minimum.reduce(x, dim, None, None, keepdim))


def ties(x: ndarray, y: ndarray, dim: tuple | None, nan: bool) -> ndarray:
    """The share of each element of x in the extreme y: equal among ties, zero elsewhere.

    y has x's dims (size 1 where reduced). With `nan`, a NaN extreme is shared by the NaNs;
    otherwise it gives NaN everywhere.
    """
    mask = x == y
    if nan:
        mask |= np.isnan(y) & np.isnan(x)
    share = mask.astype(x.real.dtype)
    share /= sum(share, dim, True)
    return share


def argmax(x: Any, dim: int | None, keepdim: bool) -> Any:
    """Where the largest element is first found (NaN counts as largest)."""
    return x.argmax(dim, keepdims=keepdim).astype(I64, copy=False)


def argmin(x: Any, dim: int | None, keepdim: bool) -> Any:
    """Where the smallest element is first found (NaN counts as smallest)."""
    return x.argmin(dim, keepdims=keepdim).astype(I64, copy=False)
