"""Bessel functions of the first and second kind and the modified ones of the second, orders 0 and 1.

J and Y: up to 25 piecewise polynomials, made when first needed from Bessel's integral over a period
by the trapezoidal rule, which is exact to rounding when it has more points than the argument plus
some 30 (DLMF 10.9.1), and from Neumann's expansion of Y in J (10.8.3); beyond, Hankel's expansion
(10.17.3).
K: up to 2 the power series (10.31.2), up to 25 the integral of exp(-x cosh t) cosh(n t) (10.32.9),
again by the trapezoidal rule, then the asymptotic expansion (10.40.2).
DLMF is the NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .numeric import Array, constants, horner, in_double

_EULER = 0.57721566490153286061
_SPLIT = 25.0
_POINTS, _TERMS = 128, 30

# The points of a quarter period (the others repeat them), the trapezoidal weights, and the weights
# of the sum of (-1)^k J_2k / k.
_ANGLES = np.arange(_POINTS // 4 + 1) * (2 * math.pi / _POINTS)
_SINES = np.sin(_ANGLES)
_QUARTER = np.full(_ANGLES.size, 4.0 / _POINTS)
_QUARTER[[0, -1]] /= 2
_NEUMANN = _QUARTER * sum((-1) ** k * np.cos(2 * k * _ANGLES) / k for k in range(1, _TERMS + 1))


def _hankel(order: int) -> tuple[Any, Any]:
    """Coefficients of P and Q in 1/x^2 (Q: over x)."""
    a = [1.0]
    for k in range(1, 26):
        a.append(a[-1] * (4 * order * order - (2 * k - 1) ** 2) / (8.0 * k))
    p = [(-1) ** k * a[2 * k] for k in range(12)]
    q = [(-1) ** k * a[2 * k + 1] for k in range(12)]
    return constants(p), constants(q)


_HANKEL = (_hankel(0), _hankel(1))


def _sum(f: Callable[[Array], Array], x: Array, weights: Array) -> Array:
    """The weighted sum of f(x sin angle)."""
    total = np.zeros_like(x)
    for s, w in zip(_SINES, weights, strict=True):
        total += w * f(x * s)
    return total


# The entire even functions that J0, J1 and, next to a logarithm, Y0 and Y1 consist of.
_ENTIRE: dict[str, Callable[[Array], Array]] = {
    "j0": lambda x: _sum(np.cos, x, _QUARTER),
    "j1": lambda x: _sum(np.sin, x, _QUARTER * _SINES) / x,
    "y0": lambda x: -4 / math.pi * _sum(np.cos, x, _NEUMANN),
    "y1": lambda x: -4 / math.pi * _sum(np.sin, x, _NEUMANN * _SINES) / x,
}
_WIDTH, _DEGREE = 2.0, 16


@lru_cache
def _pieces(name: str) -> tuple[Array, ...]:
    """Polynomials in s, -1 <= s <= 1, for the intervals of width 2 up to 26: the k-th coefficients.

    They interpolate at Chebyshev points; the error of degree 16 is 2^-16 / 17! = 4e-20.
    """
    n = _DEGREE + 1
    angles = (np.arange(n) + 0.5) * math.pi / n
    nodes = np.cos(angles)
    to_chebyshev = 2 / n * np.cos(np.outer(np.arange(n), angles))
    to_chebyshev[0] /= 2
    rows = []
    for k in range(13):
        values = _ENTIRE[name](_WIDTH * (k + 0.5 + nodes / 2))
        rows.append(np.polynomial.chebyshev.cheb2poly(to_chebyshev @ values))
    return tuple(np.array(rows).T.copy())


def _entire(name: str, a: Array) -> Array:
    where = (a * (1 / _WIDTH)).astype(np.intp)
    s = a * (2 / _WIDTH) - (2 * where + 1)
    coefficients = _pieces(name)
    total = coefficients[-1].take(where)
    for c in coefficients[-2::-1]:
        total *= s
        total += c.take(where)
    return total


def _j_near(order: int, a: Array) -> Array:
    return a * _entire("j1", a) if order else _entire("j0", a)


def _y_near(order: int, a: Array) -> Array:
    log = np.log(a / 2) + _EULER
    if order == 0:
        return 2 / math.pi * log * _entire("j0", a) + _entire("y0", a)
    return 2 / math.pi * (log * _j_near(1, a) - _entire("j0", a) / a) + a * _entire("y1", a)


def _far(order: int, a: Array, second: bool) -> Array:
    """sqrt(2 / (pi a)) (P cos w - Q sin w), w = a - (2 order + 1) pi / 4; for Y P sin w + Q cos w."""
    p, q = _HANKEL[order]
    r = 1.0 / a
    p, q = horner(p, r * r), horner(q, r * r) * r
    c, s = np.cos(a), np.sin(a)
    cos, sin = (c + s, s - c) if order == 0 else (s - c, -s - c)  # sqrt(2) cos w, sqrt(2) sin w
    wave = p * sin + q * cos if second else p * cos - q * sin
    return np.where(np.isinf(a), 0.0, wave * np.sqrt(r / math.pi))


def _first(order: int) -> Callable[[Array], Array]:
    def j(x: Array) -> Array:
        a = np.abs(x)
        near = a <= _SPLIT
        out = np.empty_like(a)
        out[near], out[~near] = _j_near(order, a[near]), _far(order, a[~near], False)
        return np.copysign(1.0, x) * out if order else out

    return j


def _second(order: int) -> Callable[[Array], Array]:
    def y(x: Array) -> Array:
        near, far = (x > 0) & (x <= _SPLIT), x > _SPLIT
        out = np.full_like(x, np.nan)
        out[near], out[far] = _y_near(order, x[near]), _far(order, x[far], True)
        return np.where(x == 0, -np.inf, out)

    return y


# ------------------------------------------------------------------- K
def _k_series(order: int, x: Array) -> Array:
    """-(log(x/2) + euler) I0 + sum H_k q^k / k!^2 with q = x^2/4; K1 is minus its derivative."""
    q = x * x / 4
    log = np.log(x / 2) + _EULER
    total, term, harmonic = np.zeros_like(x), np.ones_like(x), 0.0
    for k in range(16):
        if k:
            harmonic += 1 / k
            term = term * q / (k * k)
        if order == 0:
            total += term * (harmonic - log)
        else:  # d/dx of q^k is k q^k 2 / x
            total += term * (1 - 2 * k * (harmonic - log))
    return total if order == 0 else total / x


_STEPS = 28


def _k_integral(nu: float, x: Array) -> Array:
    """exp(x) K_nu(x): the integral of exp(-x (cosh t - 1)) cosh(nu t), as far as exp(-42)."""
    h = np.arccosh(1 + 42 / x) / _STEPS
    total = np.full_like(x, 0.5)
    for k in range(1, _STEPS + 1):
        t = k * h
        half = np.sinh(t / 2)
        total += np.exp(-2 * x * half * half) * np.cosh(nu * t)
    return total * h


def _k_expansion(nu: float) -> tuple[Any, ...]:
    out = [1.0]
    for k in range(1, 26):
        out.append(out[-1] * (4 * nu * nu - (2 * k - 1) ** 2) / (8.0 * k))
    return constants(out)


_K_FAR = {nu: _k_expansion(nu) for nu in (0.0, 1.0)}


def _modified(order: int, scaled: bool) -> Callable[[Array], Array]:
    def k(x: Array) -> Array:
        near, mid, far = (x > 0) & (x <= 2), (x > 2) & (x <= _SPLIT), x > _SPLIT
        out = np.full_like(x, np.nan)
        v = x[near]
        out[near] = _k_series(order, v) * (np.exp(v) if scaled else 1.0)
        for where, of in ((mid, _k_integral), (far, _k_asymptotic)):
            v = x[where]
            out[where] = of(float(order), v) * (1.0 if scaled else np.exp(-v))
        return np.where(x == 0, np.inf, out)

    return k


def _k_asymptotic(nu: float, x: Array) -> Array:
    r = 1.0 / x
    return horner(_K_FAR[nu], r) * np.sqrt(math.pi / 2 * r)


def _kernel(name: str, f: Callable[[Array], Array], what: str) -> Callable[[Array], Array]:
    f.__name__ = name
    kernel = in_double(f)
    kernel.__doc__ = what
    return kernel


j0 = _kernel("bessel_j0", _first(0), "Return the Bessel function of the first kind J0(x).")
j1 = _kernel("bessel_j1", _first(1), "Return the Bessel function of the first kind J1(x).")
y0 = _kernel("bessel_y0", _second(0), "Return the Bessel function of the second kind Y0(x).")
y1 = _kernel("bessel_y1", _second(1), "Return the Bessel function of the second kind Y1(x).")
k0 = _kernel(
    "modified_bessel_k0", _modified(0, False), "Return the modified Bessel function K0(x)."
)
k1 = _kernel(
    "modified_bessel_k1", _modified(1, False), "Return the modified Bessel function K1(x)."
)
k0e = _kernel("scaled_modified_bessel_k0", _modified(0, True), "Return exp(x) K0(x).")
k1e = _kernel("scaled_modified_bessel_k1", _modified(1, True), "Return exp(x) K1(x).")
