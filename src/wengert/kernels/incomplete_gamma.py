"""The regularised incomplete gamma functions P and Q.

P(a, x) by its power series below x = a + 1, Q(a, x) by its continued fraction above (DLMF 8.11.4 and
8.9.2, by Lentz's method): some sqrt(a) steps where x is close to a large a. What they share,
x^a e^-x / gamma(a + 1), is computed from x / a - 1, so that large a lose no digits.
"""

from __future__ import annotations

import math

import numpy as np

from .gamma import lgamma
from .numeric import Array, refuse_complex

_EPS = 1e-17
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


def _phi(mu: Array) -> Array:
    """mu - log(1 + mu), by its series for small mu."""
    small = np.abs(mu) < 0.3
    m = np.where(small, mu, 0.0)
    series = np.zeros_like(m)
    power = m * m
    for k in range(2, 34):
        series += power * ((-1) ** k / k)
        power = power * m
    return np.where(small, series, mu - np.log1p(mu))


def _front(a: Array, x: Array) -> Array:
    """x^a e^-x / gamma(a + 1)."""
    large = a > 10
    b = np.where(large, a, 10.0)
    r = 1 / b
    rest = np.zeros_like(b)
    for c in reversed(_STIRLING):
        rest = rest * r * r + c
    stirling = np.exp(-b * _phi((x - b) / b) - rest * r) / np.sqrt(2 * math.pi * b)
    s = np.where(large, 1.0, a)
    direct = np.exp(s * np.log(x) - x - lgamma(s + 1))
    return np.where(large, stirling, direct)


def _series(a: Array, x: Array) -> Array:
    """P(a, x)."""
    total, term, n = np.ones_like(a), np.ones_like(a), 0
    while n < 100_000:
        n += 1
        term = term * x / (a + n)
        total = total + term
        if not (term > _EPS * total).any():
            break
    return total * _front(a, x)


def _fraction(a: Array, x: Array) -> Array:
    """Q(a, x)."""
    tiny = 1e-300
    b = x + 1 - a
    c = np.full_like(b, 1 / tiny)
    d = 1 / np.where(b == 0, tiny, b)
    h = d
    for n in range(1, 100_000):
        an = -n * (n - a)
        b = b + 2
        d = an * d + b
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + an / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        step = c * d
        h = h * step
        if not (np.abs(step - 1) > 5e-16).any():
            break
    return h * a * _front(a, x)


def _both(a: np.ndarray, x: np.ndarray, upper: bool) -> Array:
    refuse_complex("igammac" if upper else "igamma", a, x)
    d = np.result_type(a, x)
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    out = np.full(a.shape, np.nan)
    good = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    low = good & (x < a + 1)
    high = good & ~low
    out[low] = 1 - _series(a[low], x[low]) if upper else _series(a[low], x[low])
    out[high] = _fraction(a[high], x[high]) if upper else 1 - _fraction(a[high], x[high])
    zero, one = (1.0, 0.0) if upper else (0.0, 1.0)
    out[(a > 0) & (x == 0)] = zero
    out[(a == 0) & (x > 0)] = one
    out[(a >= 0) & np.isfinite(a) & np.isposinf(x)] = one
    out[np.isposinf(a) & (x >= 0) & np.isfinite(x)] = zero
    return out.astype(d)


def igamma(a: np.ndarray, x: np.ndarray) -> Array:
    """Return P(a, x), the lower one; NaN outside a >= 0, x >= 0 and at a = x = 0."""
    return _both(a, x, False)


def igammac(a: np.ndarray, x: np.ndarray) -> Array:
    """Return Q(a, x), the upper one; NaN outside a >= 0, x >= 0 and at a = x = 0."""
    return _both(a, x, True)
