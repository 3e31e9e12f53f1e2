"""Airy's function Ai and its derivative.

Around the integers from -10 to 2 the Taylor series, whose coefficients follow from Ai'' = x Ai; above,
by the modified Bessel functions of order 1/3 and 2/3 (DLMF 9.6.2-3); below, the asymptotic expansion
(9.7.9-10).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .bessel_jy import _K_FAR, _k_asymptotic, _k_expansion, _k_integral
from .numeric import Array, constants, horner, in_double

# Ai and Ai' at -10, -9, ..., 2
_VALUES = (
    0.0402412384864431907, -0.0221337215473414037, -0.0527050503563862026, 0.184280835250505637,
    -0.329145173629823105, 0.35076100902411432, -0.0702655329492895151, -0.378814293677658074,
    0.227407428201685576, 0.535560883292352119, 0.355028053887817239, 0.135292416312881416,
    0.0349241304232743791,
)  # fmt: skip
_SLOPES = (
    0.996265044132790056, -0.975663980926331595, 0.935560938198306551, -0.771008168410126548,
    0.345935487281342895, 0.327192818554443137, -0.79062857536858138, 0.314583769216598814,
    0.618259020741691041, -0.0101605671166452094, -0.258819403792806798, -0.159147441296793213,
    -0.0530903844336536317,
)  # fmt: skip
_FIRST, _ORDER = -10, 28
_K_FAR |= {nu: _k_expansion(nu) for nu in (1 / 3, 2 / 3)}


def _taylor() -> Any:
    """Row c: the coefficients of (x - c)^n at the c-th center."""
    out = np.zeros((len(_VALUES), _ORDER))
    out[:, 0], out[:, 1] = _VALUES, _SLOPES
    centers = np.arange(_FIRST, _FIRST + len(_VALUES))
    out[:, 2] = centers * out[:, 0] / 2
    for n in range(1, _ORDER - 2):
        out[:, n + 2] = (centers * out[:, n] + out[:, n - 1]) / ((n + 1) * (n + 2))
    return out


_TAYLOR = _taylor()
_TAYLOR_SLOPE = _TAYLOR[:, 1:] * np.arange(1, _ORDER)


def _near(x: Array, table: Any) -> Array:
    center = np.clip(np.rint(x), _FIRST, _FIRST + len(_VALUES) - 1)
    rows = table[(center - _FIRST).astype(np.intp)]
    d = x - center
    total = rows[:, -1]
    for n in range(table.shape[1] - 2, -1, -1):
        total = total * d + rows[:, n]
    return total


def _above(x: Array, slope: bool) -> Array:
    zeta = 2 / 3 * x * np.sqrt(x)
    nu = 2 / 3 if slope else 1 / 3
    k = np.where(zeta > 25, _k_asymptotic(nu, zeta), _k_integral(nu, np.minimum(zeta, 25)))
    scale = -x / math.sqrt(3) if slope else np.sqrt(x / 3)
    decay = np.exp(-zeta)
    return np.where(decay == 0, 0.0, scale / math.pi * k * decay)


def _expansion() -> tuple[Any, ...]:
    u, v = [1.0], [1.0]
    for k in range(1, 20):
        u.append(u[-1] * (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216 * k * (2 * k - 1)))
        v.append(u[-1] * (6 * k + 1) / (1 - 6 * k))
    signs = [(-1) ** k for k in range(10)]
    return tuple(
        constants([s * c for s, c in zip(signs, w[start::2], strict=True)])
        for w in (u, v) for start in (0, 1)
    )  # fmt: skip


_U_EVEN, _U_ODD, _V_EVEN, _V_ODD = _expansion()


def _below(x: Array, slope: bool) -> Array:
    z = -x
    zeta = 2 / 3 * z * np.sqrt(z)
    r = 1 / zeta
    c, s = np.cos(zeta), np.sin(zeta)
    cos, sin = (c + s) * math.sqrt(0.5), (s - c) * math.sqrt(0.5)  # of zeta - pi/4
    root = np.sqrt(np.sqrt(z))
    if slope:
        wave = sin * horner(_V_EVEN, r * r) - cos * horner(_V_ODD, r * r) * r
        return wave * root / math.sqrt(math.pi)
    wave = cos * horner(_U_EVEN, r * r) + sin * horner(_U_ODD, r * r) * r
    return wave / root / math.sqrt(math.pi)


def _airy(x: Array, slope: bool) -> Array:
    low, high = x < _FIRST - 0.5, x > _FIRST + len(_VALUES) - 0.5
    mid = ~(low | high | np.isnan(x))
    out = np.full_like(x, np.nan)
    out[mid] = _near(x[mid], _TAYLOR_SLOPE if slope else _TAYLOR)
    out[low], out[high] = _below(x[low], slope), _above(x[high], slope)
    return out


@in_double
def airy_ai(x: np.ndarray) -> Array:
    """Return Ai(x)."""
    return _airy(x, False)


@in_double
def airy_aip(x: np.ndarray) -> Array:
    """Return the derivative of Ai."""
    return _airy(x, True)
