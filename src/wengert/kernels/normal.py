"""Standard normal numbers with the bits of PyTorch's CPU generator (2.13, AVX2 or AVX512 build).

Three methods, and which one runs is part of the contract: `serial` (fewer than 16 values, or a
tensor that is not contiguous), `blocks32` and `blocks64` (all others). Layer 0: arrays only.

The float32 logarithm, sine and cosine below follow the single-precision Cephes library by way of
avx_mathfun.h; their coefficients and order of operations are a plain rewriting of it in NumPy:

    AVX implementation of sin, cos, sincos, exp and log
    Based on "sse_mathfun.h", by Julien Pommier, http://gruntthepeon.free.fr/ssemath/
    Copyright (C) 2012 Giovanni Garberoglio
    Interdisciplinary Laboratory for Computational Science (LISC)
    Fondazione Bruno Kessler and University of Trento, via Sommarive, 18, I-38123 Trento (Italy)

    This software is provided 'as-is', without any express or implied warranty. In no event will
    the authors be held liable for any damages arising from the use of this software.
    Permission is granted to anyone to use this software for any purpose, including commercial
    applications, and to alter it and redistribute it freely, subject to the following
    restrictions:
    1. The origin of this software must not be misrepresented; you must not claim that you wrote
       the original software. If you use this software in a product, an acknowledgment in the
       product documentation would be appreciated but is not required.
    2. Altered source versions must be plainly marked as such, and must not be misrepresented as
       being the original software.
    3. This notice may not be removed or altered from any source distribution.
    (this is the zlib license)

This is an altered version: other language, other operations, the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .fma import fma32, fma64

Array = np.ndarray[Any, Any]

BLOCK = 16  # eight radii, then eight angles
_PAIRS = 12288  # pairs a chunk: the work arrays (0.8 MB) stay in the second-level cache
_FEW_PAIRS = 8  # up to this many, a Python loop beats array calls
# A 53-bit uniform from two words: 21 bits of the first, all of the second.
_HIGH, _HIGH_ULP, _LOW_ULP = 0x1FFFFF, 2.0**-21, 2.0**-53


def serial(
    words: Callable[[int], Array], uniforms: Callable[[int], Array], cached: float | None, n: int
) -> tuple[Array, float | None]:
    """n standard normal float64 values, and the one left over.

    Box-Muller over pairs of 53-bit uniforms: cosine first, the sine waits for the next call.
    words(k) and uniforms(k) give the next k raw 32-bit words or uniforms; cached is what the last
    call left.
    """
    if n == 0:
        return np.empty(0), cached
    have = 0 if cached is None else 1
    pairs = (n - have + 1) // 2
    if pairs <= _FEW_PAIRS:
        values = [] if cached is None else [cached]
        log1p, sqrt, cos, sin, turn = math.log1p, math.sqrt, math.cos, math.sin, 2.0 * math.pi
        quads = iter(words(4 * pairs).tolist())
        for a, b, c, d in zip(quads, quads, quads, quads, strict=True):
            radius = sqrt(-2.0 * log1p(-((c & _HIGH) * _HIGH_ULP + d * _LOW_ULP)))
            angle = turn * ((a & _HIGH) * _HIGH_ULP + b * _LOW_ULP)
            values.append(radius * cos(angle))
            values.append(radius * sin(angle))
        return np.array(values[:n]), values[n] if len(values) > n else None
    u = uniforms(2 * pairs)
    radii = np.sqrt(-2.0 * libm(math.log1p, -u[1::2]))
    turned = np.exp((2.0 * math.pi * u[0::2]) * 1j)  # NumPy's cexp(iy) takes libm's sincos
    out = np.empty(have + 2 * pairs)
    out[:have] = cached
    np.multiply(radii, turned.real, out=out[have::2])
    np.multiply(radii, turned.imag, out=out[have + 1 :: 2])
    return out[:n], float(out[-1]) if out.size > n else None


def libm(function: Callable[[float], float], x: Array) -> Array:
    """function of the C library for each element: NumPy's own loops may differ in the last bit."""
    return np.fromiter(map(function, x.tolist()), np.float64, x.size)


def blocks64(out: Array, mean: float, std: float) -> None:
    """Turn float64 uniforms of shape (k, 16) into normals, in place."""
    step = _PAIRS // 8
    for start in range(0, out.shape[0], step):
        block = out[start : start + step]
        log = libm(math.log, (1.0 - block[:, :8]).ravel()).reshape(-1, 8)
        radii = np.sqrt(-2.0 * log)
        turned = np.exp(1j * ((2.0 * math.pi) * block[:, 8:]))
        np.multiply(radii, turned.real, out=block[:, :8])
        np.multiply(radii, turned.imag, out=block[:, 8:])
        if mean != 0.0 or std != 1.0:
            block[:] = fma64(block.ravel(), std, mean).reshape(-1, BLOCK)
        else:
            block += 0.0


def blocks32(words: Callable[[int], Array], out: Array, mean: float, std: float) -> None:
    """Fill float32 out of shape (k, 16) with normals, from k * 16 raw 32-bit words."""
    count = out.shape[0]
    step = _PAIRS // 8
    work = _scratch(min(count, step) * 8)
    for start in range(0, count, step):
        block = out[start : start + step]
        raw = words(block.size).reshape(-1, BLOCK)
        raw &= 0xFFFFFF
        if block.size != 2 * work[0].size:
            work = [a[: block.size // 2] for a in work]
        u1, angle = work[5:7]
        # With u = raw / 2**24 the loops start from 1 - u, which is exact, and from 2 pi u.
        u1.reshape(-1, 8)[...] = raw[:, :8]
        u1 *= _MINUS_ULP
        u1 += _ONE
        angle.reshape(-1, 8)[...] = raw[:, 8:]
        angle *= _TWO_PI_ULP
        log = _log(u1, work)
        log *= _MINUS_TWO
        radii = np.sqrt(log, out=log).reshape(-1, 8)
        sine, cosine = _sincos(angle, work)
        np.multiply(cosine.reshape(-1, 8), radii, out=block[:, :8])
        np.multiply(sine.reshape(-1, 8), radii, out=block[:, 8:])
        if mean != 0.0 or std != 1.0:
            block[...] = fma32(block, std, mean)
        else:
            block += _ZERO  # as above: -0 becomes +0


# NOTE [contracted float32]: each step of the C++ polynomials is one fused multiply-add in float32.
# A product of two float32 values is exact in float64; adding the third there and rounding to
# float32 gives the fused result for every input that can occur (all 2**24 uniforms were compared,
# for the logarithm and for sine and cosine). Four passes a step: multiply, add, round, widen.


def _doubles(*values: float) -> list[Array]:
    """float32 constants, held as float64."""
    return [np.array(np.float32(v), np.float64) for v in values]


# Constants are 0-d arrays of the exact dtype: a ufunc takes them in half the time of a scalar.
_LOG = _doubles(
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_LN2_LOW, _LN2_HIGH = _doubles(-2.12194440e-4, 0.693359375)
_SIN = _doubles(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS = _doubles(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_PI4_LOW = _doubles(-3.77489497744594108e-8)[0]
# The first two parts of pi / 4 subtract without rounding, so that they may go together.
_PI4_HIGH = np.array(sum(_doubles(-0.78515625, -2.4187564849853515625e-4)))
_HALF = np.array(0.5)
_ZERO, _ONE, _MINUS_TWO, _FOUR_OVER_PI, _MINUS_ULP, _TWO_PI_ULP = (
    np.array(v, np.float32)
    for v in (0.0, 1.0, -2.0, 1.27323954473516, -(2.0**-24), 2.0 * math.pi * 2.0**-24)
)
_SQRT_HALF_BITS, _EXPONENT_BITS, _SIGN_BIT, _MINUS_2, _ONE_I, _TWO_I, _23, _29, _30, _31 = (
    np.array(v, np.int32) for v in (0x3F3504F3, -0x800000, -0x80000000, -2, 1, 2, 23, 29, 30, 31)
)


def _scratch(n: int) -> list[Array]:
    """Work arrays for n pairs: five of float64, five of float32, the last three also as int32."""
    narrow = list(np.empty((5, n), np.float32))
    return [*np.empty((5, n)), *narrow, *[a.view(np.int32) for a in narrow[2:]]]


def _log(u1: Array, work: list[Array]) -> Array:
    """Natural logarithm of float32 values in (0, 1], in place."""
    x, y, t, z, e = work[:5]
    small, i, shifted = work[7], work[11], work[12]
    bits = u1.view(np.int32)
    multiply, add = np.multiply, np.add
    # u1 = m * 2**e with m in [sqrt(1/2), sqrt(2)); x = m - 1 is exact.
    np.subtract(bits, _SQRT_HALF_BITS, i)
    np.right_shift(i, _23, shifted)
    e[...] = shifted
    np.bitwise_and(i, _EXPONENT_BITS, i)
    np.subtract(bits, i, bits)
    np.subtract(u1, _ONE, u1)
    x[...] = u1
    multiply(x, x, t)
    small[...] = t
    z[...] = small
    multiply(x, _LOG[0], t)
    add(t, _LOG[1], t)
    small[...] = t
    y[...] = small
    for coefficient in _LOG[2:]:
        multiply(x, y, t)
        add(t, coefficient, t)
        small[...] = t
        y[...] = small
    multiply(x, y, t)
    small[...] = t
    y[...] = small
    multiply(z, y, t)
    multiply(e, _LN2_LOW, y)
    small[...] = y
    y[...] = small
    add(t, y, t)
    small[...] = t
    y[...] = small
    multiply(z, _HALF, z)
    np.subtract(y, z, t)
    small[...] = t
    y[...] = small
    add(x, y, t)
    small[...] = t
    y[...] = small
    multiply(e, _LN2_HIGH, t)
    add(t, y, t)
    u1[...] = t
    return u1


def _sincos(angle: Array, work: list[Array]) -> tuple[Array, Array]:
    """Sine and cosine of float32 angles in [0, 2 pi]."""
    x, y, t, z, p = work[:5]
    sine, cosine = work[7:9]
    s, c, j = work[10:13]
    multiply, add = np.multiply, np.add
    # j: the even octant below; x: what is left of the angle, within pi / 4 of zero.
    multiply(angle, _FOUR_OVER_PI, sine)
    j[...] = sine
    add(j, _ONE_I, j)
    np.bitwise_and(j, _MINUS_2, j)
    y[...] = j
    x[...] = angle
    multiply(y, _PI4_HIGH, t)
    add(x, t, x)
    multiply(y, _PI4_LOW, t)
    add(x, t, t)
    sine[...] = t
    x[...] = sine
    multiply(x, x, t)
    sine[...] = t
    z[...] = sine
    # cosine: 1 - z/2 + z*z*(...)
    multiply(z, _COS[0], t)
    add(t, _COS[1], t)
    cosine[...] = t
    p[...] = cosine
    multiply(z, p, t)
    add(t, _COS[2], t)
    cosine[...] = t
    p[...] = cosine
    multiply(z, p, t)
    cosine[...] = t
    p[...] = cosine
    multiply(z, p, t)
    multiply(z, _HALF, y)
    np.subtract(t, y, t)
    cosine[...] = t
    add(cosine, _ONE, cosine)
    # sine: x + x*z*(...)
    multiply(z, _SIN[0], t)
    add(t, _SIN[1], t)
    sine[...] = t
    p[...] = sine
    multiply(z, p, t)
    add(t, _SIN[2], t)
    sine[...] = t
    p[...] = sine
    multiply(z, p, t)
    sine[...] = t
    p[...] = sine
    multiply(x, p, t)
    add(t, x, t)
    sine[...] = t
    # Octants 2 and 6 swap the two; 4 and 6 negate the sine, 2 and 4 the cosine. All on the bits.
    swap = angle.view(np.int32)
    np.left_shift(j, _30, swap)
    np.right_shift(swap, _31, swap)
    np.bitwise_and(swap, s ^ c, swap)
    np.bitwise_xor(s, swap, s)
    np.bitwise_xor(c, swap, c)
    np.left_shift(j, _29, swap)
    np.bitwise_and(swap, _SIGN_BIT, swap)
    np.bitwise_xor(s, swap, s)
    add(j, _TWO_I, j)
    np.left_shift(j, _29, j)
    np.bitwise_and(j, _SIGN_BIT, j)
    np.bitwise_xor(c, j, c)
    return sine, cosine
