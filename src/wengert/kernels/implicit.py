"""How gamma and Dirichlet draws move with their parameters: implicit reparameterisation.

A draw x with distribution function F(x; a) keeps its quantile while a moves, so that
dx/da = -(dF/da) / (dF/dx) (Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients", 2018).
F is evaluated together with its derivative in a: by the power series, by continued fractions in
Lentz's form (DLMF 8.9.2, 8.17.22) and, for large shapes, by Temme's uniform expansion (DLMF 8.12).
Layer 0: arrays only.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .gamma import digamma
from .numeric import horner

Array = np.ndarray[Any, Any]

_EPS = 2.0**-53
_ROUNDS = 20000  # what the fractions take grows like the root of the largest parameter
_LARGE = 100.0  # shapes from here on, near their mean, take the uniform expansion
_ORDERS, _TERMS = 7, 28


def standard_gamma_grad(alpha: Array, x: Array) -> Array:
    """dx/dalpha of a gamma draw x of shape alpha and rate 1."""
    dtype = np.result_type(alpha, x)
    a, y = (v.astype(np.float64).ravel() for v in np.broadcast_arrays(alpha, x))
    out = np.empty(a.shape)
    with np.errstate(all="ignore"):
        large = (a > _LARGE) & (np.abs(y - a) < 0.5 * a)
        below = ~large & ~(y >= a + 1.0)
        above = ~large & ~below
        for where, method in ((large, _uniform), (below, _series), (above, _fraction)):
            if where.any():
                out[where] = method(a[where], y[where])
        return out.reshape(np.broadcast_shapes(alpha.shape, x.shape)).astype(dtype)


def _series(a: Array, x: Array) -> Array:
    """By P(a, x) = x**a exp(-x) / gamma(a + 1) * sum of x**n / ((a + 1) ... (a + n))."""
    term, total = np.ones_like(a), np.ones_like(a)
    harmonic, moved = np.zeros_like(a), np.zeros_like(a)  # 1/(a+1) + ... + 1/(a+n); the sum's slope
    for n in range(1, _ROUNDS):
        term *= x / (a + n)
        harmonic += 1.0 / (a + n)
        total += term
        moved -= term * harmonic
        if not (term * harmonic > _EPS * (total - moved)).any():
            break
    return np.asarray(-(x / a) * ((np.log(x) - digamma(a + 1.0)) * total + moved))


def _fraction(a: Array, x: Array) -> Array:
    """By Q(a, x) = x**a exp(-x) / gamma(a) * h, h Legendre's continued fraction."""
    b = x + 1.0 - a
    d, c = 1.0 / b, np.full_like(a, np.inf)
    d_moved, c_moved = d * d, np.zeros_like(a)  # b moves by -1
    h, h_moved = d.copy(), d.copy()  # h_moved: the slope of log h
    for n in range(1, _ROUNDS):
        numerator = n * (a - n)
        b += 2.0
        d_moved = -1.0 + n * d + numerator * d_moved
        d = 1.0 / (b + numerator * d)
        d_moved *= -d * d
        c_moved = -1.0 + n / c - numerator * c_moved / (c * c)
        c = b + numerator / c
        ratio, step = c * d, c_moved / c + d_moved / d
        h *= ratio
        h_moved += step
        if not (
            (np.abs(ratio - 1.0) > _EPS * 4) | (np.abs(step) > _EPS * 4 * np.abs(h_moved))
        ).any():
            break
    return np.asarray(x * h * (np.log(x) - digamma(a) + h_moved))


@cache
def _temme() -> tuple[list[float], list[list[float]], list[float]]:
    """Taylor coefficients in eta of mu and of C_k, and the coefficients of Gamma*(a) in 1/a.

    eta**2 / 2 = mu - log(1 + mu) gives mu mu' = eta (1 + mu) and with it 1 / mu = mu' / eta - 1;
    C_0 = 1 / mu - 1 / eta, and C_k = C_(k-1)' / eta + (-1)**k g_k / mu, without a pole at 0.
    """
    count = _TERMS + 2 * _ORDERS + 4
    mu = [0.0, 1.0]
    for m in range(2, count):
        cross = sum(mu[i] * mu[m + 1 - i] for i in range(2, m))
        mu.append(mu[m - 1] / (m + 1) - 0.5 * cross)
    first = [2 * mu[2] - 1.0, *((n + 2) * mu[n + 2] for n in range(1, count - 2))]
    rows, gammas = [first], [1.0]
    for k in range(1, _ORDERS):
        last = rows[-1]
        gammas.append((-1) ** (k + 1) * last[1])
        rows.append(
            [(n + 2) * last[n + 2] + (-1) ** k * gammas[k] * first[n] for n in range(len(last) - 2)]
        )
    return mu[:_TERMS], [row[:_TERMS] for row in rows], gammas


def _polynomial(coefficients: list[float], x: Array) -> Array:
    return horner([np.array(c) for c in coefficients], x)


def _uniform(a: Array, x: Array) -> Array:
    """By Q(a, x) = erfc(eta sqrt(a / 2)) / 2 + exp(-a eta**2 / 2) / sqrt(2 pi a) * T(a, eta)."""
    mu_terms, rows, gammas = _temme()
    mu = (x - a) / a
    half_square = mu - np.log1p(mu)
    near = np.abs(mu) < 0.1  # there the difference cancels: a power series in mu
    half_square[near] = _log_rest(mu[near])
    eta = np.copysign(np.sqrt(2.0 * half_square), mu)
    turn = 1.0 / a
    total, along_eta, along_a, factor = (np.zeros_like(a) for _ in range(4))
    for k in reversed(range(_ORDERS)):
        row = rows[k]
        total = total * turn + _polynomial(row, eta)
        slope = [n * c for n, c in enumerate(row)][1:]
        along_eta = along_eta * turn + _polynomial(slope, eta)
        along_a = along_a * turn - k * _polynomial(row, eta) * turn
        factor = factor * turn + gammas[k]
    mu_over_eta = _polynomial(mu_terms[1:], eta)
    moved = (
        (mu - half_square) * total - 0.5 * turn * total - along_eta * mu_over_eta * turn + along_a
    )
    return np.asarray(x * turn * factor * (mu_over_eta - 0.5 * eta + moved))


def _log_rest(mu: Array) -> Array:
    """mu - log(1 + mu) for small mu."""
    return mu * mu * _polynomial([(-1.0) ** n / (n + 2) for n in range(16)], mu)


def dirichlet_grad(x: Array, alpha: Array, total: Array) -> Array:
    """The factor by which component x of a Dirichlet draw moves with its own concentration alpha.

    x has the beta distribution of alpha and total - alpha, and dx/dalpha is this times 1 - x; the
    other components shrink in proportion.
    """
    dtype = np.result_type(x, alpha, total)
    y, a, t = (v.astype(np.float64).ravel() for v in np.broadcast_arrays(x, alpha, total))
    b = t - a
    out = np.empty(y.shape)
    with np.errstate(all="ignore"):
        low = ~(y > (a + 1.0) / (t + 2.0))
        for where in (low, ~low):
            if where.any():
                out[where] = _beta(y[where], a[where], b[where], where is low)
    return out.reshape(np.broadcast_shapes(x.shape, alpha.shape, total.shape)).astype(dtype)


def _beta(x: Array, a: Array, b: Array, low: bool) -> Array:
    """By I_x(a, b) = x**a (1 - x)**b / (a B(a, b)) * h below the mean, by 1 - I_(1-x)(b, a) above."""
    common = np.log(x) + digamma(a + b)
    if low:
        h, slope = _beta_fraction(x, a, b, True)
        return np.asarray(-x * h / a * (common - digamma(a + 1.0) + slope))
    h, slope = _beta_fraction(1.0 - x, b, a, False)
    return np.asarray(x * h / b * (common - digamma(a) + slope))


def _beta_fraction(x: Array, a: Array, b: Array, in_a: bool) -> tuple[Array, Array]:
    """Return h of the incomplete beta function and the slope of log h in a or in b."""
    h, slope = np.ones_like(x), np.zeros_like(x)
    c, d = np.full_like(x, np.inf), np.ones_like(x)
    c_moved, d_moved = np.zeros_like(x), np.zeros_like(x)
    for n in range(_ROUNDS):
        m = (n + 1) // 2
        before, at, after = a + (2 * m - 1), a + 2 * m, a + (2 * m + 1)
        if n % 2:
            numerator = m * (b - m) * x / (before * at)
            moved = -numerator * (1 / before + 1 / at) if in_a else m * x / (before * at)
        elif n:
            numerator = -(a + m) * (a + b + m) * x / (at * after)
            sums = 1 / (a + b + m)
            moved = numerator * ((1 / (a + m) + sums - 1 / at - 1 / after) if in_a else sums)
        else:
            numerator = -(a + b) * x / (a + 1.0)
            moved = numerator * ((1 / (a + b) - 1 / (a + 1.0)) if in_a else 1 / (a + b))
        d_moved = moved * d + numerator * d_moved
        d = 1.0 / (1.0 + numerator * d)
        d_moved *= -d * d
        c_moved = moved / c - numerator * c_moved / (c * c)
        c = 1.0 + numerator / c
        ratio, step = c * d, c_moved / c + d_moved / d
        h *= ratio
        slope += step
        if not ((np.abs(ratio - 1.0) > _EPS * 4) | (np.abs(step) > _EPS * 4 * np.abs(slope))).any():
            break
    return h, slope
