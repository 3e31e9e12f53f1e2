"""The gamma function's logarithm and its derivatives on arrays; NumPy has none of them.

Formulas are those of Abramowitz & Stegun, "Handbook of Mathematical Functions" (A&S), chapter 6,
and the Euler-Maclaurin formula for the Hurwitz zeta function (DLMF 25.11.43).
"""

from __future__ import annotations

import math

import numpy as np

from .numeric import Array, constants, horner, in_double

_EULER = 0.57721566490153286061
# zeta(k) - 1 for k = 2, 3, ...: A&S table 23.3
_ZETA1 = (
    0.6449340668482264, 0.2020569031595943, 0.08232323371113819, 0.03692775514336993,
    0.01734306198444914, 0.008349277381922827, 0.00407735619794434, 0.002008392826082214,
    0.0009945751278180853, 0.0004941886041194646, 0.0002460865533080483, 0.0001227133475784891,
    6.124813505870483e-05, 3.058823630702049e-05, 1.528225940865187e-05, 7.637197637899762e-06,
    3.81729326499984e-06, 1.908212716553939e-06, 9.539620338727961e-07, 4.769329867878064e-07,
    2.384505027277329e-07, 1.192199259653111e-07, 5.960818905125948e-08, 2.980350351465228e-08,
    1.490155482836504e-08, 7.45071178983543e-09, 3.725334024788457e-09, 1.862659723513049e-09,
)  # fmt: skip
# log gamma(2 + z) = z (1 - euler) + sum (-1)^k (zeta(k) - 1) z^k / k, |z| < 2: A&S 6.1.33
_SERIES = constants(
    (1.0 - _EULER, *((-1) ** k * c / k for k, c in enumerate(_ZETA1, start=2)))
)
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330,
)  # fmt: skip
# Stirling's series in 1/x^2: A&S 6.1.41 and 6.3.18
_STIRLING = constants([b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, start=1)])
_PSI = constants([b / (2 * k) for k, b in enumerate(_BERNOULLI, start=1)])
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def _lgamma_positive(x: np.ndarray) -> Array:
    """Stirling's series from 8 on; below, the recurrence leads to 2 + z with |z| <= 1/2.

    z is carried by itself, so that the result is accurate relative to the zeros at 1 and 2.
    """
    out = np.empty_like(x)
    far = x >= 8.0
    v = x[far]
    w = 1.0 / v
    out[far] = (v - 0.5) * (np.log(v) - 1.0) - 0.5 + _HALF_LOG_2PI + w * horner(_STIRLING, w * w)
    v = x[~far]
    up = np.zeros_like(v)  # log gamma(v) = log gamma(2 + z) + up
    small = v < 0.5
    up[small] = -np.log(v[small])
    z = np.where(small, v, v - 1.0)
    one = z < 0.5
    up[one] -= np.log1p(z[one])
    z[~one] -= 1.0
    product = np.ones_like(v)
    for _ in range(6):
        large = z > 0.5
        if not large.any():
            break
        product[large] *= z[large] + 1.0
        z[large] -= 1.0
    out[~far] = horner(_SERIES, z) * z + up + np.log(product)
    return np.where(np.isposinf(x), np.inf, out)


@in_double
def lgamma(x: np.ndarray) -> Array:
    """Return log |gamma(x)|; inf at the poles 0, -1, -2, ..."""
    negative = x <= 0
    if not negative.any():
        return _lgamma_positive(x)
    out = _lgamma_positive(np.where(negative, 1.0 - x, x))
    v = x[negative]
    r = v - np.round(v)  # sin(pi v) by the exact distance to an integer
    out[negative] = math.log(math.pi) - np.log(np.abs(np.sin(math.pi * r))) - out[negative]
    return np.where(np.isneginf(x), np.inf, out)


@in_double
def digamma(x: np.ndarray) -> Array:
    """Return the derivative of log gamma; -inf at 0, nan at the other poles."""
    v = np.where(x < 0, 1.0 - x, x)
    extra = np.zeros_like(v)
    for _ in range(10):
        low = v < 10.0
        if not low.any():
            break
        extra[low] -= 1.0 / v[low]
        v = np.where(low, v + 1.0, v)
    w = 1.0 / v
    w2 = w * w
    out = np.log(v) - 0.5 * w - w2 * horner(_PSI, w2) + extra
    negative = x < 0
    if negative.any():
        t = x[negative]
        r = t - np.round(t)
        out[negative] -= math.pi / np.tan(math.pi * r)
        out[negative] = np.where(r == 0.0, np.nan, out[negative])
    out = np.where(np.isneginf(x), np.nan, out)
    return np.where(x == 0.0, np.copysign(np.inf, -x), out)


_START = 10.0  # up to s + this, terms are summed one by one; the Euler-Maclaurin tail does the rest


def zeta(s: Array, q: np.ndarray) -> Array:
    """Return Hurwitz's zeta function, the sum of (q + k)^-s over k = 0, 1, ... for s > 1.

    s = 1 gives inf, s < 1 nan, and so do (inf or nan) the poles q = 0, -1, -2, ...
    """
    d = np.result_type(s, q)
    s, q = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(q, np.float64))
    total = np.zeros(s.shape)
    a = np.array(q)
    start = _START + np.minimum(s, 100.0)
    low = a < start
    while low.any():
        total[low] += np.power(a[low], -s[low])
        a[low] += 1.0
        low = a < start
    power = np.power(a, -s)
    total = total + power * (0.5 + a / (s - 1.0))
    factor = s / a
    for k, b in enumerate(_BERNOULLI, start=1):
        total = total + power * factor * (b / math.factorial(2 * k))
        factor = factor * (s + (2 * k - 1)) * (s + 2 * k) / (a * a)
    integer = q == np.floor(q)
    total = np.where((q <= 0) & integer, np.inf, total)
    total = np.where((q <= 0) & ~integer & (s != np.floor(s)), np.nan, total)
    total = np.where(np.isposinf(q), 0.0, total)
    total = np.where(s < 1.0, np.nan, total)
    return np.where(s == 1.0, np.inf, total).astype(d if d.kind == "f" else np.float64)


def polygamma(x: Array, n: int) -> Array:
    """Return the n-th derivative of digamma: (-1)^(n+1) n! zeta(n + 1, x); A&S 6.4.10."""
    if n == 0:
        return digamma(x)
    if n == 1:
        return trigamma(x)
    wide = np.asarray(x, np.float64)
    return ((-1.0) ** (n + 1) * math.factorial(n) * zeta(np.float64(n + 1), wide)).astype(x.dtype)


@in_double
def trigamma(x: np.ndarray) -> Array:
    """Return the derivative of digamma, with the reflection formula A&S 6.4.7 below 0."""
    negative = x < 0.5
    out = zeta(np.float64(2.0), np.where(negative, 1.0 - x, x))
    if negative.any():
        t = x[negative]
        sine = np.sin(math.pi * (t - np.round(t)))
        out[negative] = (math.pi / sine) ** 2 - out[negative]
    return out
