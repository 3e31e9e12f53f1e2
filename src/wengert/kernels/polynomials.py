"""Orthogonal polynomials and their derivatives, by their recurrences in the degree.

p_{k+1} = (a_k x + b_k) p_k - c_k p_{k-1} (A&S table 22.7); differentiated m times it reads
p_{k+1}^(m) = (a_k x + b_k) p_k^(m) + m a_k p_k^(m-1) - c_k p_{k-1}^(m). A&S is Abramowitz & Stegun,
"Handbook of Mathematical Functions".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .numeric import Array, refuse_complex

_Coefficients = Callable[[int], tuple[float, float, float]]


def _chebyshev(k: int) -> tuple[float, float, float]:
    return 2.0, 0.0, 1.0


# family -> (slope and value at 0 of the polynomial of degree 1, coefficients of the recurrence)
_FAMILIES: dict[str, tuple[float, float, _Coefficients]] = {
    "chebyshev_t": (1.0, 0.0, _chebyshev),
    "chebyshev_u": (2.0, 0.0, _chebyshev),
    "chebyshev_v": (2.0, -1.0, _chebyshev),
    "chebyshev_w": (2.0, 1.0, _chebyshev),
    "hermite_h": (2.0, 0.0, lambda k: (2.0, 0.0, 2.0 * k)),
    "hermite_he": (1.0, 0.0, lambda k: (1.0, 0.0, float(k))),
    "laguerre_l": (-1.0, 1.0, lambda k: (-1 / (k + 1), (2 * k + 1) / (k + 1), k / (k + 1))),
    "legendre_p": (1.0, 0.0, lambda k: ((2 * k + 1) / (k + 1), 0.0, k / (k + 1))),
}


def polynomial(x: np.ndarray, n: np.ndarray, family: str, order: int) -> Array:
    """Return the `order`-th derivative of the polynomials of degree n at x; 0 for negative n.

    Degrees are cut off to integers.
    """
    refuse_complex(f"{family}_polynomial", x, n)
    d = np.result_type(x, n)
    x, n = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(n))
    degree = np.trunc(n).astype(np.int64)
    slope, start, coefficients = _FAMILIES[family]
    before = [np.ones_like(x), *[np.zeros_like(x)] * order]
    now = [slope * x + start]
    if order:
        now += [np.full_like(x, slope), *[np.zeros_like(x)] * (order - 1)]
    out = np.where(degree == 0, before[order], np.where(degree == 1, now[order], 0.0))
    for k in range(1, int(degree.max(initial=0))):
        a, b, c = coefficients(k)
        line = a * x + b
        step = [line * p - c * q for p, q in zip(now, before, strict=True)]
        for m in range(1, order + 1):
            step[m] = step[m] + m * a * now[m - 1]
        before, now = now, step
        here = degree == k + 1
        if here.any():
            out = np.where(here, now[order], out)
    return out.astype(d)
