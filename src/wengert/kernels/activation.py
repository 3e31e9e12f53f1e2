"""Activation functions on arrays, and their slopes times a cotangent.

`widened` computes float16 in float32, and large arrays in blocks. Kinks follow PyTorch: which branch
owns the boundary is part of the contract.
"""

from __future__ import annotations

import math

import numpy as np

from .erf import erf
from .numeric import (
    ONE,
    SINGLE,
    ZERO,
    Array,
    at_least,
    at_most,
    choose,
    constants,
    horner,
    keep,
    widened,
)

K_ALPHA = 1.0 / math.sqrt(2.0)
INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
GELU_K = math.sqrt(2.0 / math.pi)
GELU_C = 0.044715


# ---------------------------------------------------------------- straight pieces
def relu(x: Array) -> Array:
    return at_least(x, 0) if x.size >= 1024 else np.maximum(x, ZERO[x.dtype])


def threshold(x: Array, threshold: float, value: float) -> Array:
    if x.dtype.kind != "f":
        return np.where(x <= threshold, value, x).astype(x.dtype)
    return choose(x <= threshold, np.full_like(x, value), x)


def threshold_backward(g: Array, x: Array, threshold: float) -> Array:
    above = np.less_equal(x, ZERO[x.dtype] if threshold == 0 else threshold)
    return keep(g, np.logical_not(above))


def leaky_relu(x: Array, slope: float) -> Array:
    low = x * slope
    return np.maximum(x, low) if slope <= 1 else np.minimum(x, low)


def leaky_relu_backward(g: Array, x: Array, slope: float) -> Array:
    return choose(np.greater(x, ZERO[x.dtype]), g, g * slope)


def hardtanh(x: Array, low: float, high: float) -> Array:
    return at_most(at_least(x, low), high)


def hardtanh_backward(g: Array, x: Array, low: float, high: float) -> Array:
    return keep(g, np.logical_not((x <= low) | (x >= high)))


def hardshrink(x: Array, lambd: float) -> Array:
    return keep(x, np.logical_not((x >= -lambd) & (x <= lambd)))


def hardshrink_backward(g: Array, x: Array, lambd: float) -> Array:
    return keep(g, np.logical_not((x >= -lambd) & (x <= lambd)))


def softshrink(x: Array, lambd: float) -> Array:
    return x - at_most(at_least(x, -lambd), lambd)


def prelu(x: Array, weight: Array) -> Array:
    return choose(x > ZERO[x.dtype], x, x * weight)


def prelu_backward(g: Array, x: Array, weight: Array) -> Array:
    return choose(x > ZERO[x.dtype], g, g * weight)


# ---------------------------------------------------------------- the logistic family
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)); exp overflows to inf where the result rounds to 0."""
    e = np.negative(x)
    if e.__class__ is not np.ndarray:  # of no dims
        return 1 / (np.exp(e) + 1)
    np.exp(e, e)
    e += ONE[x.dtype]
    return np.divide(ONE[x.dtype], e, e)  # twice as fast as np.reciprocal


sigmoid = widened(sigmoid)


@widened
def logsigmoid(x: Array) -> Array:
    return at_most(x, 0) - np.log1p(np.exp(-np.abs(x)))


@widened
def silu(x: Array) -> Array:
    e = np.negative(x)
    if e.__class__ is not np.ndarray:  # of no dims
        return x / (np.exp(e) + 1)
    np.exp(e, e)
    e += ONE[x.dtype]
    return np.divide(x, e, e)


@widened
def silu_backward(g: Array, x: Array) -> Array:
    """g s (1 + x (1 - s)) with s = sigmoid(x)."""
    s = sigmoid(x)
    out = np.asarray(np.subtract(ONE[x.dtype], s))
    out *= x
    out += ONE[x.dtype]
    out *= s
    out *= g
    return out


def _linear_part(b: Array, threshold: float) -> Array | None:
    """Where softplus is the identity; None if that is nowhere, or makes no difference.

    Beyond 17 the exponential is below the precision of float32.
    """
    if b.dtype.itemsize <= 4 and threshold >= 17:
        return None
    above = b > threshold
    return above if above.any() else None


@widened
def softplus(x: Array, beta: float, threshold: float) -> Array:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""
    b = x if beta == 1 else x * beta
    out = np.log1p(np.exp(-np.abs(b)))
    out += at_least(b, 0)
    if beta != 1:
        out /= beta
    above = _linear_part(b, threshold)
    return out if above is None else choose(above, x, out)


@widened
def softplus_backward(g: Array, x: Array, beta: float, threshold: float) -> Array:
    b = x if beta == 1 else x * beta
    slope = sigmoid(b)
    above = _linear_part(b, threshold)
    return g * slope if above is None else choose(above, g, g * slope)


def _tanh_softplus(x: Array) -> Array:
    """tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2): one exponential instead of three."""
    e = np.exp(at_most(x, 20))
    n = e * (e + 2)
    return n / (n + 2)


@widened
def mish(x: Array) -> Array:
    return x * _tanh_softplus(x)


@widened
def mish_backward(g: Array, x: Array) -> Array:
    t = _tanh_softplus(x)
    return g * (t + x * sigmoid(x) * (1 - t * t))


# ---------------------------------------------------------------- the exponential family
@widened
def elu(x: Array, alpha: float, scale: float, input_scale: float) -> Array:
    low = at_most(x, 0)
    low = np.expm1(low if input_scale == 1 else low * input_scale)
    low *= alpha * scale
    high = at_least(x, 0)
    low += high if scale == 1 else high * scale
    return low


@widened
def elu_backward(g: Array, x: Array, alpha: float, scale: float, input_scale: float) -> Array:
    low = np.exp(at_most(x, 0) * input_scale)
    low *= alpha * scale * input_scale
    return choose(x <= 0, g * low, g if scale == 1 else g * scale)


# ---------------------------------------------------------------- the Gaussian error unit
# erf(x / sqrt 2) = tanh(x P(x^2) / Q(x^2)) for float32: a minimax fit for |x| up to 7, beyond which
# the left side is 1, with an error below 3.3e-9
_ERF_P = constants(
    (0.7978845634220506, 0.09891879403964188, 0.007535772570251564, 0.00019236287932017748), SINGLE
)
_ERF_Q = constants((1.0, 0.07843644172611076, 0.005918980834223295, 4.056454410950966e-05), SINGLE)
_FAR = np.array(50.0, SINGLE)
_HALF = np.array(0.5, SINGLE)


def _twice_cdf(x: Array, square: Array) -> Array:
    """1 + erf(x / sqrt 2) for a float32 array and its square, which is overwritten."""
    if not np.maximum.reduce(square, None) <= _FAR:
        np.minimum(square, _FAR, out=square)
    out = horner(_ERF_P, square)
    out /= horner(_ERF_Q, square)
    out *= x
    np.tanh(out, out)
    out += ONE[SINGLE]
    return out


@widened
def gelu(x: Array, approximate: str) -> Array:
    """x times the normal distribution function of x, or its tanh approximation."""
    if approximate == "none":
        if x.dtype is SINGLE and x.size > 64:
            out = _twice_cdf(x, np.multiply(x, x))
            out *= np.multiply(x, _HALF)
            return out
        out = erf(x * K_ALPHA)
    else:
        t = np.asarray(np.multiply(x, x))
        t *= x
        t *= GELU_C
        t += x
        t *= GELU_K
        out = np.tanh(t, t)
    out += 1
    out *= x
    out *= 0.5
    return out


@widened
def gelu_backward(g: Array, x: Array, approximate: str) -> Array:
    """g (F(x) + x f(x)) for the normal distribution function F and its density f, or as approximated."""
    if approximate == "none":
        if x.dtype is SINGLE and x.size > 64 and x.shape == g.shape:
            square = np.multiply(x, x)
            out = np.multiply(square, -_HALF)
            np.exp(out, out)
            out *= np.float32(INV_SQRT_2PI)
            out *= x
            cdf = _twice_cdf(x, square)
            cdf *= _HALF
            out += cdf
            out *= g
            return out
        cdf = erf(x * K_ALPHA)
        cdf += 1
        cdf *= 0.5
        return g * (cdf + x * np.exp(x * x * -0.5) * INV_SQRT_2PI)
    x2 = x * x
    t = np.tanh(GELU_K * (x + GELU_C * (x * x2)))
    inner = GELU_K * (1 + 3 * GELU_C * x2)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)


# ---------------------------------------------------------------- piecewise quadratics
@widened
def hardsigmoid(x: Array) -> Array:
    return at_most(at_least(x + 3, 0), 6) / 6


@widened
def hardswish(x: Array) -> Array:
    return x * (at_most(at_least(x + 3, 0), 6) / 6)


@widened
def hardswish_backward(g: Array, x: Array) -> Array:
    below = x < 3
    inside = keep(g * (x / 3 + 0.5), below & (x > -3))
    return inside + keep(g, np.logical_not(below))
