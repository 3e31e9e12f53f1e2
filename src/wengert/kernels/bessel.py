"""Modified Bessel functions of the first kind on arrays, orders 0 and 1.

Up to 20 the power series, whose terms are all positive (A&S 9.6.10); beyond, the asymptotic
expansion (A&S 9.7.1), which at 20 has settled to full precision. A&S is Abramowitz & Stegun,
"Handbook of Mathematical Functions".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .numeric import Array, constants, horner, in_double

_SPLIT = 20.0
_TERMS = 44  # (20/2)^(2k) / (k!)^2 is below 1e-17 of the sum from here on


def _power_series(order: int) -> tuple[Any, ...]:
    return constants(
        [1.0 / (math.factorial(k) * math.factorial(k + order)) for k in range(_TERMS)]
    )


def _expansion(order: int) -> tuple[Any, ...]:
    """Coefficients in 1/(8a) of sqrt(2 pi a) exp(-a) I(a)."""
    out = [1.0]
    for k in range(1, 28):
        out.append(-out[-1] * (4 * order * order - (2 * k - 1) ** 2) / k)
    return constants(out)


_SERIES = (_power_series(0), _power_series(1))
_FAR = (_expansion(0), _expansion(1))


def _scaled(order: int, a: np.ndarray) -> Array:
    """exp(-a) I(a) for a >= 0."""
    out = np.empty_like(a)
    near = a <= _SPLIT
    v = a[near]
    series = horner(_SERIES[order], v * v * 0.25)
    out[near] = series * np.exp(-v) if order == 0 else series * np.exp(-v) * v * 0.5
    v = a[~near]
    out[~near] = horner(_FAR[order], 0.125 / v) / np.sqrt(2.0 * math.pi * v)
    return out


def _unscaled(order: int, a: np.ndarray) -> Array:
    half = np.exp(0.5 * a)  # in two halves, so that it overflows no sooner than the result
    return half * _scaled(order, a) * half


def _make(name: str, order: int, of: Callable[[int, Array], Array], what: str) -> Callable[[Array], Array]:
    def plain(x: Array) -> Array:
        out = of(order, np.abs(x))
        return np.copysign(out, x) if order else out

    plain.__name__ = name
    kernel = in_double(plain)
    kernel.__doc__ = what
    return kernel


i0 = _make("i0", 0, _unscaled, "Return the modified Bessel function I0(x).")
i0e = _make("i0e", 0, _scaled, "Return exp(-|x|) I0(x).")
i1 = _make("i1", 1, _unscaled, "Return the modified Bessel function I1(x).")
i1e = _make("i1e", 1, _scaled, "Return exp(-|x|) I1(x).")
