"""The random number generator: PyTorch's CPU streams, bit for bit.

`Generator` returns plain arrays; every method names the recipe it follows. The reference is PyTorch
2.13 on x86-64 with AVX2 or AVX512; docs/random.md says what differs elsewhere. Engine and state are
in twister.py, the normal values in normal.py, permutations in permutation.py.
Layer 0: arrays only.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from threading import Lock, local
from typing import Any

import numpy as np

from . import layouts
from .fma import fma32, fma64, fma64_for32, near_float32_middle
from .normal import BLOCK, blocks32, blocks64, libm, serial
from .permutation import permutation
from .twister import CHUNK, MASK53, Size, Twister, cast

Array = np.ndarray[Any, Any]

_WIDE_RANGE = 1 << 28  # integer ranges from here on take 64 random bits
_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
_I64, _BOOL = np.dtype(np.int64), np.dtype(np.bool_)
_DIGITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}
_SMALLEST = 5e-324  # the float64 next to zero
_ONE_PASS = 8192  # normal numbers up to which a ragged end joins the others


class Generator(Twister):
    """A stream of random numbers in all of PyTorch's distributions.

    Methods take a size (an int or a tuple) or an array, and return a new array. They may be called
    from several threads: each call is one uninterrupted stretch of the stream.
    """

    __slots__ = ()

    # -------------------------------------------------- uniform distributions

    def rand(self, size: Size, dtype: np.dtype[Any] = _F32) -> Array:
        """Uniform on [0, 1): 24 random bits in float32, 53 in float64.

        16-bit dtypes round the float32 value, and take 0 for 1. Complex ones are pairs.
        """
        if dtype == _F32:
            return self._stream(size, dtype, self._unit32)
        return self.uniform(size, 0.0, 1.0, dtype)

    def uniform(
        self, size: Size, low: float = 0.0, high: float = 1.0, dtype: np.dtype[Any] = _F32
    ) -> Array:
        """Uniform on [low, high): u * (high - low) + low, fused, of rand's u.

        A result that rounds to high becomes low.
        """
        if dtype.kind == "c":
            return self._complex(size, dtype, lambda n, part: self.uniform(n, low, high, part))
        if dtype == _F64:
            draw = self._between64(low, high)
        else:
            draw = self._between32(np.float32(low), np.float32(high))
        if dtype.itemsize >= 4:
            return self._stream(size, dtype, draw)
        start, stop = dtype.type(low), dtype.type(high)

        def narrow(n: int) -> Array:
            out = draw(n).astype(dtype)
            out[out == stop] = start
            return out

        return self._stream(size, dtype, narrow)

    def _between64(self, low: float, high: float) -> Callable[[int], Array]:
        if low == 0.0 and high == 1.0:
            return self._unit64
        width = high - low

        def make(n: int) -> Array:
            out = fma64(self._unit64(n), width, low)
            out[out == high] = low
            return out

        return make

    def _between32(self, low: np.float32, high: np.float32) -> Callable[[int], Array]:
        if low == 0 and high == 1:
            return self._unit32
        width = high - low  # rounded to float32 first
        if not _sum_is_exact(width, low):

            def fused(n: int) -> Array:
                out = fma32(self._unit32(n), float(width), float(low))
                out[out == high] = low
                return out

            return fused
        step, start = np.array(float(width) * 2.0**-24), np.array(low, _F64)

        def make(n: int) -> Array:
            wide = self._masked(n).astype(_F64)
            np.multiply(wide, step, wide)
            np.add(wide, start, wide)
            out = wide.astype(_F32)
            out[out == high] = low
            return out

        return make

    def bernoulli(self, size: Size, p: float, dtype: np.dtype[Any] = _F32) -> Array:
        """1 where a 53-bit uniform is below p, else 0: two words an element."""
        below = np.array(math.ceil(p * 2.0**53), np.uint64)  # v / 2**53 < p, compared as integers

        def make(n: int) -> Array:
            longs = self._longs(n)
            return np.less(np.bitwise_and(longs, MASK53, longs), below)

        return self._stream(size, dtype, make)

    def bernoulli_each(self, p: Array, dtype: np.dtype[Any] = _F32) -> Array:
        """1 where a uniform is below p, element by element: of 53 bits for float64, else of 24."""
        unit = self._unit64 if p.dtype == _F64 else self._unit32
        return (self._stream(p.shape, p.dtype if p.dtype == _F64 else _F32, unit) < p).astype(dtype)

    # ------------------------------------------------------------- integers

    def randint(self, size: Size, low: int, high: int, dtype: np.dtype[Any] = _I64) -> Array:
        """Whole numbers in [low, high): word % (high - low) + low, the word of 32 or 64 bits."""
        span = high - low
        words = self._longs if span >= _WIDE_RANGE else self._words

        def make(n: int) -> Array:
            signed = _remainder(words(n), span).astype(_I64)
            if low and span < 1 << 64:  # all 64 bits are taken as they are
                signed += low
            return signed

        return self._stream(size, dtype, make)

    def random(self, size: Size, dtype: np.dtype[Any] = _I64) -> Array:
        """Whole numbers over all that dtype holds: 0 to its maximum, or to 2**digits for floats."""
        span = largest_whole(dtype) + 1
        words = self._longs if dtype.itemsize == 8 else self._words

        def make(n: int) -> Array:
            return _remainder(words(n), span)

        return self._stream(size, dtype, make)

    def randperm(self, n: int, dtype: np.dtype[Any] = _I64) -> Array:
        """A permutation of 0 ... n - 1 by swapping element i with one of those from i on."""
        with self._lock:
            return permutation(n, self._words, self._longs).astype(dtype, copy=False)

    # ---------------------------------------------------- other distributions

    def normal(
        self,
        size: Size,
        mean: float = 0.0,
        std: float = 1.0,
        dtype: np.dtype[Any] = _F32,
        contiguous: bool = True,
    ) -> Array:
        """Normal values. contiguous says whether they will fill one block of memory in order.

        The method (see kernels/normal.py) depends on it and on the count. In 16 or more, the last
        16 are drawn again where the count is no multiple of 16. A complex value is two draws with
        std / sqrt(2).
        """
        if dtype.kind == "c":
            part = std / math.sqrt(2.0)

            def pairs(n: int, real: np.dtype[Any]) -> Array:
                return self.normal(n, mean, part, real, contiguous)

            return self._complex(size, dtype, pairs)
        n = size if isinstance(size, int) else math.prod(size)
        with self._lock:
            if n < BLOCK or not contiguous:
                out = self._serial(n, mean, std, dtype)
                return cast(out, dtype).reshape(size)
            if dtype == _F64:
                return self._normal64(n, mean, std).reshape(size)
            return self._normal32(n, mean, std, dtype).reshape(size)

    def _serial(self, n: int, mean: float, std: float, dtype: np.dtype[Any]) -> Array:
        out, self._spare = serial(self._words, self._unit64, self._spare, n)
        if mean == 0.0 and std == 1.0:
            out += 0.0  # the fused z * 1 + 0 turns -0 into +0
            return out
        return (fma64 if dtype == _F64 else fma64_for32)(out, std, mean)

    def _normal64(self, n: int, mean: float, std: float) -> Array:
        whole = n - n % BLOCK
        out = np.empty(n)
        for start in range(0, n, CHUNK):
            part = out[start : start + CHUNK]
            part[...] = self._unit64(part.size)
        blocks64(out[:whole].reshape(-1, BLOCK), mean, std)
        if whole < n:
            tail = self._unit64(BLOCK).reshape(1, -1)
            blocks64(tail, mean, std)
            out[-BLOCK:] = tail[0]
        return out

    def _normal32(self, n: int, mean: float, std: float, dtype: np.dtype[Any]) -> Array:
        whole = n - n % BLOCK
        # a ragged end draws words (in float32 only) that are then drawn again for the last 16
        wasted = n - whole if dtype == _F32 else 0
        if whole < n <= _ONE_PASS:  # both in one pass, which takes as long as either alone
            words = self._words(whole + wasted + BLOCK)
            rows = np.empty((whole // BLOCK + 1, BLOCK), _F32)
            kept = np.concatenate((words[:whole], words[whole + wasted :]))
            blocks32(lambda _: kept, rows, mean, std)
            out = rows.reshape(-1)[:n]
            out[-BLOCK:] = rows[-1]
            return out.astype(dtype, copy=False)
        out = np.empty(n, _F32)
        blocks32(self._words, out[:whole].reshape(-1, BLOCK), mean, std)
        if whole < n:
            self._words(wasted)
            blocks32(self._words, out[-BLOCK:].reshape(1, -1), mean, std)
        return out.astype(dtype, copy=False)

    def exponential(self, size: Size, rate: float = 1.0, dtype: np.dtype[Any] = _F32) -> Array:
        """Exponential with this rate: -log1p(-u) / rate of a 53-bit uniform."""
        scale = -1.0 / rate

        def exact(n: int) -> Array:
            return scale * libm(math.log1p, -self._unit64(n))

        def rounded(n: int) -> Array:
            x = -self._unit64(n)
            out = np.log1p(x)
            out *= scale
            doubt = near_float32_middle(out)
            if doubt.any():
                out[doubt] = scale * libm(math.log1p, x[doubt])
            return out

        fast = dtype == _F32 and 1e-20 < rate < 1e20  # beyond, float32 results may be subnormal
        return self._stream(size, dtype, rounded if fast else exact)

    def geometric(self, size: Size, p: float, dtype: np.dtype[Any] = _F32) -> Array:
        """Trials up to the first success: ceil(log(u) / log1p(-p)) of a 53-bit uniform."""
        base = math.log1p(-p)

        def make(n: int) -> Array:
            u = self._unit64(n)
            u[u == 0.0] = _SMALLEST
            out = np.log(u)
            out /= base
            doubt = np.abs(out - np.rint(out)) <= 1e-9 * out
            if doubt.any():
                out[doubt] = libm(math.log, u[doubt]) / base
            return np.ceil(out, out=out)

        return self._stream(size, dtype, make)

    def log_normal(
        self, size: Size, mean: float = 1.0, std: float = 2.0, dtype: np.dtype[Any] = _F32
    ) -> Array:
        """exp of normal values, which are made one by one as for fewer than 16."""
        n = size if isinstance(size, int) else math.prod(size)
        with self._lock:
            out = self._serial(n, mean, std, _F64)
        return cast(libm(_exp, out), dtype).reshape(size)

    def cauchy(
        self, size: Size, median: float = 0.0, sigma: float = 1.0, dtype: np.dtype[Any] = _F32
    ) -> Array:
        """median + sigma * tan(pi * (u - 1/2)) of a 53-bit uniform."""

        def make(n: int) -> Array:
            return fma64(libm(math.tan, math.pi * (self._unit64(n) - 0.5)), sigma, median)

        return self._stream(size, dtype, make)

    def multinomial(self, p: Array, samples: int, replacement: bool = False) -> Array:
        """Indices drawn with weights p of one or two dims: int64, a row of samples per row of p.

        Without replacement, or for one sample: the largest quotients p / exponential. With it: the
        running sum of p, in float32 at least, searched for 53-bit uniforms.
        """
        rows = p.reshape(-1, p.shape[-1])
        out = np.empty((rows.shape[0], samples), _I64)
        if not replacement or samples == 1:
            races = filled_like(p, p.dtype, lambda size: self.exponential(size, 1.0, p.dtype))
            np.divide(p, races, out=races)
            races = races.reshape(rows.shape)
            if samples == 1:
                out[:, 0] = np.argmax(races, axis=1)
            else:
                out[...] = np.argsort(-races, axis=1, kind="stable")[:, :samples]
        else:
            for row, found in zip(rows, out, strict=True):
                sums = np.cumsum(row, dtype=_F32 if p.dtype.itemsize < 4 else p.dtype)
                sums /= sums[-1]
                sums[-1] = 1
                with self._lock:
                    u = self._unit64(samples)
                found[...] = np.searchsorted(sums.astype(_F64), u, side="left")
        return out.reshape(*p.shape[:-1], samples)

    def dropout(self, x: Array, p: float) -> Array:
        """The factors of dropout for x: 0 with probability p, else 1 / (1 - p); p below 1.

        Same shape, dtype and memory order as x; y = x * factors.
        """
        keep = 1.0 - p
        wide = _F32 if x.dtype.itemsize < 4 else x.dtype
        factor = (wide.type(1.0) / wide.type(keep)).astype(x.dtype)
        return filled_like(
            x, x.dtype, lambda size: self.bernoulli(size, keep, _BOOL).astype(x.dtype) * factor
        )

    def _complex(
        self, size: Size, dtype: np.dtype[Any], draw: Callable[[int, np.dtype[Any]], Array]
    ) -> Array:
        n = size if isinstance(size, int) else math.prod(size)
        parts = _F32 if dtype.itemsize == 8 else _F64
        return draw(2 * n, parts).view(dtype).reshape(size)


def memory_order(a: Array) -> list[int]:
    """The dims of a from the widest stride to the narrowest: how PyTorch visits an output."""
    strides = a.strides
    return sorted(range(a.ndim), key=lambda d: -strides[d])


def filled_like(x: Array, dtype: np.dtype[Any], draw: Callable[[tuple[int, ...]], Array]) -> Array:
    """A new array laid out like x, filled by draw in the order of its memory."""
    if x.flags.c_contiguous:
        return draw(x.shape)
    out = layouts.empty_like(x, dtype)
    view = out.transpose(memory_order(out))
    view[...] = draw(view.shape)
    return out


_default: Generator | None = None
_default_lock = Lock()
_own = local()  # .generator: of a thread that draws from a stream of its own
_owners = 0  # how many threads do; nobody is asked while it is 0


def default_generator() -> Generator:
    """The generator used where none is given; unless a seed is set it starts from a random one."""
    global _default
    if _owners:
        own = getattr(_own, "generator", None)
        if own is not None:
            return own
    if _default is None:
        with _default_lock:
            if _default is None:
                _default = Generator(random_seed())
    return _default


def set_default_generator(generator: Generator) -> None:
    """Make this the generator used where none is given."""
    global _default
    _default = generator


def set_own_generator(generator: Generator | None) -> None:
    """Let this thread alone draw from a generator of its own by default; None ends that."""
    global _owners
    with _default_lock:
        _owners += (generator is not None) - (getattr(_own, "generator", None) is not None)
    _own.generator = generator


def random_seed() -> int:
    """A seed from the operating system's source of randomness."""
    return int.from_bytes(os.urandom(8), "little")


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def largest_whole(dtype: np.dtype[Any]) -> int:
    """The last of the numbers 0, 1, 2 ... that dtype holds without a gap."""
    if dtype.name in _DIGITS:
        return int(1 << _DIGITS[dtype.name])
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)


def _remainder(values: Array, span: int) -> Array:
    """values % span, in place; values has 32 or 64 random bits and span at most 2**64 - 1."""
    if span & (span - 1) == 0:
        values &= span - 1
    else:
        values %= span
    return values


def _sum_is_exact(width: np.float32, low: np.float32) -> bool:
    """Whether u * width + low is exact in float64 for all 24-bit u; it is for bounds -b and b."""
    if low == 0:
        return True
    top, bottom = math.frexp(width)[1], math.frexp(low)[1]
    return max(top, bottom) + 2 - min(top - 48, bottom - 24) <= 53
