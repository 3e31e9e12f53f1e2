"""Draws by rejection: gamma, Dirichlet, Poisson and binomial numbers from PyTorch's stream.

How many uniforms a value takes is known only when it is accepted, so the values are made one after
another, as PyTorch makes them. The methods:

    gamma     Marsaglia and Tsang, "A simple method for generating gamma variables", 2000
    Poisson   products of uniforms (Knuth, "Seminumerical algorithms", 3.4.1) below a mean of 10; from
              there Hoermann's PTRS, "The transformed rejection method for generating Poisson random
              variables", 1993
    binomial  sums of geometric gaps (Devroye, "Non-uniform random variate generation", X.4.3) below
              a mean of 10; from there Hoermann's BTRS, "The generation of binomial random
              variates", 1993
Layer 0: arrays only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .gamma import lgamma
from .normal import libm
from .random import Generator

Array = np.ndarray[Any, Any]

_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
_HIGH, _HIGH_ULP, _LOW_ULP = 0x1FFFFF, 2.0**-21, 2.0**-53  # a uniform of 53 bits from two words
_THIRD = float(np.float32(1.0) / np.float32(3.0))  # constants that are float32 in every dtype
_SQUEEZE = float(np.float32(0.0331))
_SMALL_MEAN = 10.0
_FEW, _MOST = 8, 1 << 15  # uniforms at a time
_MANY = 64  # values from which on array operations gain


def _uniforms(g: Generator, least: Callable[[], int]) -> Iterator[float]:
    """Yield uniforms of 53 bits; least() says how many the values still to be made take at least.

    Never more than those are read at a time, so that the stream ends where it has to.
    """
    while True:
        n = least()
        if n > _FEW:
            yield from g._unit64(min(n, _MOST)).tolist()
        else:
            words = iter(g._words(2 * n).tolist())
            for high, low in zip(words, words, strict=True):
                yield (high & _HIGH) * _HIGH_ULP + low * _LOW_ULP


def _power(base: float, exponent: float) -> float:
    try:
        return base**exponent
    except OverflowError:  # of a shape below 0, which is the caller's to refuse
        return math.inf


def standard_gamma(alpha: Array, g: Generator) -> Array:
    """Gamma numbers of the shapes alpha (float32 or float64) and rate 1, none below the least normal.

    A shape below 1 is drawn as one that is larger by 1, times u ** (1 / alpha).
    """
    dtype = alpha.dtype
    out = np.zeros(alpha.size, _F64)
    drawn = alpha.ravel() != 0
    shapes = alpha.ravel()[drawn]
    boosted = shapes < 1
    with np.errstate(all="ignore"):
        depths = np.where(boosted, shapes + dtype.type(1), shapes) - dtype.type(_THIRD)
        depths = depths.astype(_F64)
        slopes = 1.0 / np.sqrt(9.0 * depths)
        powers = np.where(boosted, dtype.type(1) / shapes, dtype.type(-1)).astype(_F64)
    with g._lock:
        if shapes.size >= _MANY and not boosted.any():
            out[drawn] = _aligned_gammas(g, depths, slopes)
        else:
            least = 2 if boosted.all() else 1
            lists = (depths.tolist(), slopes.tolist(), boosted.tolist(), powers.tolist())
            out[drawn] = _gammas(g, *lists, least)
    return np.fmax(out.astype(dtype), np.finfo(dtype).tiny).reshape(alpha.shape)


def _aligned_gammas(g: Generator, depths: Array, slopes: Array) -> Array:
    """The values of `_gammas` for shapes of at least 1, with array operations.

    Each attempt takes one normal number and one uniform whether it succeeds or not, so that all
    attempts lie at known places of the stream, and most succeed whatever the shape. The others are
    looked at one by one. Where 1 + c x <= 0 no uniform is drawn, and the places are counted anew.
    """
    d, c = depths.tolist(), slopes.tolist()
    out = np.empty(depths.size)
    done, spare, ahead = 0, g._spare, np.empty(0)  # ahead: uniforms read and not used yet
    while done < out.size:
        count = min(out.size - done, _MOST)
        first = spare is not None  # the first attempt has its normal number already
        pairs, odd = divmod(count - first, 2)
        size = first + 4 * pairs + 3 * odd
        if size > ahead.size:
            ahead = np.concatenate((ahead, g._unit64(size - ahead.size)))
        block, ahead = ahead[:size], ahead[size:]
        x, u = np.empty(count), np.empty(count)
        x[:first], u[:first] = spare, block[:first]
        groups = np.zeros((pairs + odd, 4))  # angle, radius, and a uniform for each of the two
        groups.reshape(-1)[: size - first] = block[first:]
        radii = np.sqrt(-2.0 * libm(math.log1p, -groups[:, 1]))
        turned = np.exp((math.tau * groups[:, 0]) * 1j)
        normal = np.stack((radii * turned.real, radii * turned.imag), axis=1).reshape(-1)
        x[first:], u[first:] = normal[: count - first], groups[:, 2:].reshape(-1)[: count - first]
        u = 1.0 - u
        squares = x * x
        doubtful = np.flatnonzero(~(u < 1.0 - _SQUEEZE * squares * squares))
        failed: list[int] = []
        end = count
        for k, z, w in zip(
            doubtful.tolist(), x[doubtful].tolist(), u[doubtful].tolist(), strict=True
        ):
            one = done + k - len(failed)
            y = 1.0 + c[one] * z
            if y <= 0.0:
                end = k
                break
            v = y * y * y
            if not math.log(w) < 0.5 * (z * z) + d[one] * (1.0 - v + math.log(v)):
                failed.append(k)
        passed = np.ones(end, np.bool_)
        passed[failed] = False
        chosen = x[:end][passed]
        part = slice(done, done + chosen.size)
        y = 1.0 + slopes[part] * chosen
        out[part] = depths[part] * (y * y * y)
        done += chosen.size
        spare = float(normal[-1]) if odd else None
        if end < count:
            pair, second = divmod(end - first, 2)
            used = 0 if end < first else first + 4 * pair + 2 + second
            spare = None if end < first or second else float(normal[end - first + 1])
            ahead = np.concatenate((block[used:], ahead))
    g._spare = spare
    return out


def _gammas(
    g: Generator, depths: list[float], slopes: list[float], boosted: list[bool],
    powers: list[float], least: int,
) -> list[float]:  # fmt: skip
    log, log1p, sqrt, cos, sin, turn = math.log, math.log1p, math.sqrt, math.cos, math.sin, math.tau
    rest = len(depths)  # values after the one in hand; each takes a uniform, every two a pair more
    uniform = _uniforms(g, lambda: 1 + rest * least + 2 * (rest // 2)).__next__
    spare = g._spare
    out: list[float] = []
    for d, c, boost, power in zip(depths, slopes, boosted, powers, strict=True):
        rest -= 1
        scale = _power(1.0 - uniform(), power) if boost else 1.0
        while True:
            while True:
                if spare is None:
                    angle = turn * uniform()
                    radius = sqrt(-2.0 * log1p(-uniform()))
                    x, spare = radius * cos(angle), radius * sin(angle)
                else:
                    x, spare = spare, None
                y = 1.0 + c * x
                if not y <= 0.0:
                    break
            v = y * y * y
            u = 1.0 - uniform()
            xx = x * x
            if u < 1.0 - _SQUEEZE * xx * xx or log(u) < 0.5 * xx + d * (1.0 - v + log(v)):
                out.append(scale * d * v)
                break
    g._spare = spare
    return out


def dirichlet(alpha: Array, g: Generator) -> Array:
    """Rows of gamma numbers over their sums, made in float64; kept within (0, 1)."""
    dtype = alpha.dtype
    gammas = standard_gamma(alpha.astype(_F64), g)
    with np.errstate(all="ignore"):
        out = (gammas / _row_sums(np.atleast_1d(gammas))[..., None]).astype(dtype)
    top = np.nextafter(dtype.type(1), dtype.type(0))
    return np.minimum(np.maximum(out, np.finfo(dtype).tiny), top).reshape(alpha.shape)


def _row_sums(x: Array) -> Array:
    """Sums over the last dim, added up in PyTorch's order: four accumulators of four lanes each.

    (Some way above 256 columns PyTorch sums in a tree, and the last bit may differ.)
    """
    whole = x.shape[-1] // 4 * 4
    count = whole // 4
    vectors = x[..., :whole].reshape(*x.shape[:-1], count, 4)
    turns = count // 4 * 4
    lanes = np.zeros((*x.shape[:-1], 4, 4))
    for k in range(0, turns, 4):
        lanes += vectors[..., k : k + 4, :]
    for k in range(turns, count):
        lanes[..., 0, :] += vectors[..., k, :]
    sums = np.zeros(x.shape[:-1])
    for k in range(whole, x.shape[-1]):
        sums += x[..., k]
    lanes = ((lanes[..., 0, :] + lanes[..., 1, :]) + lanes[..., 2, :]) + lanes[..., 3, :]
    for k in range(4):
        sums += lanes[..., k]
    return sums


# ------------------------------------------------------- two uniforms an attempt
Attempt = Callable[[Array, Array], tuple[Array, Array]]  # u - 1/2, v -> values, which are accepted


def _alike(parameters: Array) -> bool:
    """Whether so many values have one parameter that array operations gain."""
    return parameters.size >= _MANY and bool((parameters == parameters[0]).all())


def _by_pairs(g: Generator, count: int, attempt: Attempt) -> Array:
    """Values of a method that takes two uniforms an attempt, all of one distribution."""
    out = np.empty(count)
    done = 0
    with np.errstate(all="ignore"):
        while done < count:
            pairs = g._unit64(2 * min(count - done, _MOST)).reshape(-1, 2)
            values, good = attempt(pairs[:, 0] - 0.5, pairs[:, 1])
            values = values[good]
            out[done : done + values.size] = values
            done += values.size
    return out


# ----------------------------------------------------------------- poisson
def poisson(rate: Array, g: Generator) -> Array:
    """Poisson numbers of these rates, which are at least 0, in their dtype."""
    flat = rate.ravel().astype(_F64)
    out = np.zeros(flat.size, _F64)
    drawn = flat > 0
    rates = flat[drawn]
    with g._lock:
        if _alike(rates) and _SMALL_MEAN <= rates[0] < math.inf:
            out[drawn] = _by_pairs(g, rates.size, _ptrs_of_many(float(rates[0])))
        else:
            out[drawn] = _poissons(g, rates.tolist())
    # through int64 as in C++, where too large a number becomes the least one
    return out.astype(np.int64).astype(rate.dtype).reshape(rate.shape)


def _poissons(g: Generator, rates: list[float]) -> list[float]:
    rest = len(rates)
    uniform = _uniforms(g, lambda: 1 + rest).__next__
    out: list[float] = []
    for rate in rates:
        rest -= 1
        if rate >= _SMALL_MEAN:
            out.append(_ptrs(rate, uniform))
            continue
        limit, product, k = math.exp(-rate), uniform(), 0.0
        while product > limit:
            product *= uniform()
            k += 1.0
        out.append(k)
    return out


def _ptrs_constants(rate: float) -> tuple[float, float, float, float]:
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    return a, b, math.log(1.1239 + 1.1328 / (b - 3.4)), 0.9277 - 3.6224 / (b - 2)


def _ptrs(rate: float, uniform: Callable[[], float]) -> float:
    """One Poisson number of a rate of at least 10: transformed rejection with a squeeze."""
    a, b, log_inverse_alpha, squeeze = _ptrs_constants(rate)
    while True:
        u = uniform() - 0.5
        v = uniform()
        us = 0.5 - abs(u)
        k = ((2 * a / us + b) * u + rate + 0.43) // 1.0 if us else -math.inf
        if us >= 0.07 and v <= squeeze:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        bound = -rate + k * math.log(rate) - math.lgamma(k + 1)
        if not v or math.log(v) + log_inverse_alpha - math.log(a / (us * us) + b) <= bound:
            return k


def _ptrs_of_many(rate: float) -> Attempt:
    """The same for many attempts at once."""
    a, b, log_inverse_alpha, squeeze = _ptrs_constants(rate)

    def attempt(u: Array, v: Array) -> tuple[Array, Array]:
        us = 0.5 - np.abs(u)
        k = np.floor((2 * a / us + b) * u + rate + 0.43)
        good = (us >= 0.07) & (v <= squeeze)
        rest = np.flatnonzero(~good & (k >= 0) & ~((us < 0.013) & (v > us)))
        us, some = us[rest], k[rest]
        bound = -rate + some * math.log(rate) - lgamma(some + 1)
        good[rest] = np.log(v[rest]) + log_inverse_alpha - np.log(a / (us * us) + b) <= bound
        return k, good

    return attempt


# ---------------------------------------------------------------- binomial
def binomial(count: Array, p: Array, g: Generator) -> Array:
    """Binomial numbers of counts and probabilities of one shape and dtype, in that dtype."""
    dtype = count.dtype
    flat, chance = count.ravel(), p.ravel()
    out = np.zeros(flat.size, _F64)
    out[np.isnan(chance) & (flat > 0)] = math.nan
    all_of_them = (chance >= 1) & (flat > 0)
    out[all_of_them] = flat[all_of_them]
    drawn = (flat > 0) & (chance > 0) & (chance < 1)
    n, chance = flat[drawn], chance[drawn]
    upper = chance > 0.5
    q = np.where(upper, 1.0 - chance.astype(_F64), chance).astype(dtype)
    means = n * q
    deviations = np.sqrt(means * (1 - q)).astype(_F64).tolist()
    logs = np.log1p(-q).astype(_F64).tolist()
    modes, odds = np.floor((n + 1) * q).tolist(), (q / (1 - q)).tolist()
    if _alike(n) and _alike(q) and means[0] >= _SMALL_MEAN:
        attempt = _btrs_of_many(
            *map(float, (n[0], q[0], means[0], deviations[0], modes[0], odds[0]))
        )
        with g._lock:
            found = _by_pairs(g, n.size, attempt)
        out[drawn] = np.where(upper, n - found, found)
        return out.astype(dtype).reshape(count.shape)
    rest = len(logs)
    uniform = _uniforms(g, lambda: 1 + rest).__next__
    made: list[float] = []
    with g._lock:
        for k, (total, mean, low) in enumerate(zip(n.tolist(), means.tolist(), logs, strict=True)):
            rest -= 1
            if mean >= _SMALL_MEAN:
                chosen = float(q[k])
                made.append(_btrs(total, chosen, mean, deviations[k], modes[k], odds[k], uniform))
                continue
            successes, trials = -1, 0.0
            while trials <= total:
                u = uniform()
                trials += math.ceil(math.log(u) / low) if u else math.inf
                successes += 1
            made.append(float(successes))
    found = np.array(made, _F64)
    out[drawn] = np.where(upper, n - found, found)
    return out.astype(dtype).reshape(count.shape)


def _btrs_constants(p: float, deviation: float) -> tuple[float, float, float, float]:
    b = 1.15 + 2.53 * deviation
    return -0.0873 + 0.0248 * b + 0.01 * p, b, (2.83 + 5.1 / b) * deviation, 0.92 - 4.2 / b


def _btrs(
    n: float, p: float, mean: float, deviation: float, mode: float, odds: float,
    uniform: Callable[[], float],
) -> float:  # fmt: skip
    """One binomial number of a mean of at least 10: transformed rejection with a squeeze."""
    a, b, alpha, squeeze = _btrs_constants(p, deviation)
    while True:
        u = uniform() - 0.5
        v = uniform()
        us = 0.5 - abs(u)
        if not us:
            continue
        k = ((2 * a / us + b) * u + (mean + 0.5)) // 1.0
        if k < 0 or k > n:
            continue
        if us >= 0.07 and v <= squeeze:
            return k
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (n - mode + 1)))
            + (n + 1) * math.log((n - mode + 1) / (n - k + 1))
            + (k + 0.5) * math.log(odds * (n - k + 1) / (k + 1))
            + _stirling_rest(mode)
            + _stirling_rest(n - mode)
            - _stirling_rest(k)
            - _stirling_rest(n - k)
        )
        v *= alpha / (a / (us * us) + b)
        if not v or math.log(v) <= bound:
            return k


def _btrs_of_many(
    n: float, p: float, mean: float, deviation: float, mode: float, odds: float
) -> Attempt:
    """The same for many attempts at once."""
    a, b, alpha, squeeze = _btrs_constants(p, deviation)
    known = (mode + 0.5) * math.log((mode + 1) / (odds * (n - mode + 1)))
    tails = _stirling_rest(mode) + _stirling_rest(n - mode)

    def attempt(u: Array, v: Array) -> tuple[Array, Array]:
        us = 0.5 - np.abs(u)
        k = np.floor((2 * a / us + b) * u + (mean + 0.5))
        inside = (k >= 0) & (k <= n)
        good = inside & (us >= 0.07) & (v <= squeeze)
        rest = np.flatnonzero(inside & ~good)
        us, some = us[rest], k[rest]
        bound = (
            known
            + (n + 1) * np.log((n - mode + 1) / (n - some + 1))
            + (some + 0.5) * np.log(odds * (n - some + 1) / (some + 1))
            + tails
            - _stirling_rests(some)
            - _stirling_rests(n - some)
        )
        good[rest] = np.log(v[rest] * (alpha / (a / (us * us) + b))) <= bound
        return k, good

    return attempt


def _stirling_rest(k: float) -> float:
    """log k! less Stirling's formula for it at k + 1: exact below 10, three terms of the series above."""
    if k < 10:
        return math.lgamma(k + 1) - (_HALF_LOG_TAU + (k + 0.5) * math.log(k + 1) - (k + 1))
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


_HALF_LOG_TAU = 0.5 * math.log(math.tau)
_FIRST_RESTS = np.array([_stirling_rest(k) for k in range(10)])


def _stirling_rests(k: Array) -> Array:
    square = (k + 1) * (k + 1)
    series = (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)
    return np.where(k < 10, _FIRST_RESTS[np.minimum(k, 9).astype(np.int64)], series)
