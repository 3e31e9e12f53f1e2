"""The rows of the activation functions; activation.py has the functions that users call.

Every smooth function has a row for its slope times a cotangent, `f_backward(x, y)` with x the
cotangent and y the input; that row's own rules give the second and all further derivatives. The
slope of a straight piece is constant, and its derivative a zero: as in PyTorch, not the absence of one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import along
from ..core.define import elementwise, primitive
from ..kernels import activation as k
from ..kernels import numeric

keep = elementwise("keep(x, y)", numeric.keep, promote=None, node="WhereBackward0",
                   x=lambda xp, g, y: xp.keep(g, y))  # fmt: skip

at_least = elementwise("at_least(x, *, low)", lambda x, low: np.maximum(x, x.dtype.type(low)), node="ClampMinBackward0",
                       x=lambda xp, g, x, low: xp.keep(g, x >= low))  # fmt: skip

# ---------------------------------------------------------------- straight pieces
relu_row = elementwise("relu(x)", k.relu,
                       x=lambda xp, g, out: xp.threshold_backward(g, out, 0))  # fmt: skip

threshold_row = elementwise("threshold(x, *, threshold, value)", k.threshold,
                            x=lambda xp, g, x, threshold: xp.threshold_backward(g, x, threshold))  # fmt: skip

elementwise("threshold_backward(x, y, *, threshold)", k.threshold_backward,
            x=lambda xp, g, y, threshold: xp.threshold_backward(g, y, threshold),
            y=lambda xp, g: xp.zeros_like(g))  # fmt: skip

leaky_relu_row = elementwise("leaky_relu(x, *, slope)", k.leaky_relu,
                             x=lambda xp, g, x, slope: xp.leaky_relu_backward(g, x, slope))  # fmt: skip

elementwise("leaky_relu_backward(x, y, *, slope)", k.leaky_relu_backward,
            x=lambda xp, g, y, slope: xp.leaky_relu_backward(g, y, slope),
            y=lambda xp, g: xp.zeros_like(g))  # fmt: skip

hardtanh_row = elementwise("hardtanh(x, *, low, high)", k.hardtanh,
                           x=lambda xp, g, x, low, high: xp.hardtanh_backward(g, x, low, high))  # fmt: skip

elementwise("hardtanh_backward(x, y, *, low, high)", k.hardtanh_backward,
            x=lambda xp, g, y, low, high: xp.hardtanh_backward(g, y, low, high),
            y=lambda xp, g: xp.zeros_like(g))  # fmt: skip

hardshrink_row = elementwise("hardshrink(x, *, lambd)", k.hardshrink,
                             x=lambda xp, g, x, lambd: xp.hardshrink_backward(g, x, lambd))  # fmt: skip

softshrink_row = elementwise("softshrink(x, *, lambd)", k.softshrink,
                             x=lambda xp, g, x, lambd: xp.hardshrink_backward(g, x, lambd))  # fmt: skip

elementwise("hardshrink_backward(x, y, *, lambd)", k.hardshrink_backward,
            x=lambda xp, g, y, lambd: xp.hardshrink_backward(g, y, lambd),
            y=lambda xp, g: xp.zeros_like(g))  # fmt: skip

prelu_row = elementwise("prelu_kernel(x, y)", k.prelu,
                        x=lambda xp, g, x, y: xp.prelu_backward(g, x, y),
                        y=lambda xp, g, x: xp.keep(g * x, x <= 0))  # fmt: skip

elementwise("prelu_backward(x, y, z)", k.prelu_backward,
            x=lambda xp, g, y, z: xp.prelu_backward(g, y, z),
            y=lambda xp, g: xp.zeros_like(g),
            z=lambda xp, g, x, y: xp.keep(g * x, y <= 0))  # fmt: skip

# ---------------------------------------------------------------- the logistic family
sigmoid = elementwise("sigmoid(x)", k.sigmoid, promote="float",
                      x=lambda g, out: g * (1 - out) * out)  # fmt: skip

logsigmoid_row = elementwise("log_sigmoid(x)", k.logsigmoid,
                             x=lambda xp, g, x: g * xp.sigmoid(-x))  # fmt: skip

silu_row = elementwise("silu(x)", k.silu,
                       x=lambda xp, g, x: xp.silu_backward(g, x))  # fmt: skip


def _silu_bend(xp: Any, g: Any, x: Any, y: Any) -> Any:
    s = xp.sigmoid(y)
    return g * x * (s * (1 - s) * (2 + y * (1 - 2 * s)))


elementwise("silu_backward(x, y)", k.silu_backward,
            x=lambda xp, g, y: xp.silu_backward(g, y),
            y=_silu_bend)  # fmt: skip

softplus_row = elementwise("softplus(x, *, beta, threshold)", k.softplus,
                           x=lambda xp, g, x, beta, threshold: xp.softplus_backward(g, x, beta, threshold))  # fmt: skip


def _softplus_bend(xp: Any, g: Any, x: Any, y: Any, beta: Any, threshold: Any) -> Any:
    s = xp.sigmoid(y * beta)
    return xp.keep(g * x * (beta * s * (1 - s)), y * beta <= threshold)


elementwise("softplus_backward(x, y, *, beta, threshold)", k.softplus_backward,
            x=lambda xp, g, y, beta, threshold: xp.softplus_backward(g, y, beta, threshold),
            y=_softplus_bend)  # fmt: skip

mish_row = elementwise("mish(x)", k.mish,
                       x=lambda xp, g, x: xp.mish_backward(g, x))  # fmt: skip


def _mish_bend(xp: Any, g: Any, x: Any, y: Any) -> Any:
    """With t = tanh(softplus(y)) and s = sigmoid(y): t' = (1 - t^2) s."""
    t, s = xp.tanh(xp.softplus(y, 1, 20)), xp.sigmoid(y)
    steep = (1 - t * t) * s
    return g * x * (steep * (2 + y * (1 - s - 2 * t * s)))


elementwise("mish_backward(x, y)", k.mish_backward,
            x=lambda xp, g, y: xp.mish_backward(g, y),
            y=_mish_bend)  # fmt: skip

# ---------------------------------------------------------------- the exponential family
elu_row = elementwise("elu(x, *, alpha, scale, input_scale)", k.elu,
                      x=lambda xp, g, x, alpha, scale, input_scale:
                      xp.elu_backward(g, x, alpha, scale, input_scale))  # fmt: skip

celu_row = elementwise("celu(x, *, alpha)", lambda x, alpha: k.elu(x, alpha, 1, 1 / alpha),
                       x=lambda xp, g, x, alpha: xp.elu_backward(g, x, alpha, 1, 1 / alpha))  # fmt: skip


def _elu_bend(
    xp: Any, g: Any, x: Any, y: Any, alpha: Any, scale: Any, input_scale: Any
) -> Any:
    """The slope below 0 is an exponential: its derivative is itself times input_scale."""
    low = xp.elu_backward(g * x, y, alpha, scale, input_scale)
    return xp.keep(low, y <= 0) * input_scale


elementwise("elu_backward(x, y, *, alpha, scale, input_scale)", k.elu_backward,
            x=lambda xp, g, y, alpha, scale, input_scale:
            xp.elu_backward(g, y, alpha, scale, input_scale),
            y=_elu_bend)  # fmt: skip

# ---------------------------------------------------------------- the Gaussian error unit
gelu_row = elementwise("gelu(x, *, approximate)", k.gelu,
                       x=lambda xp, g, x, approximate: xp.gelu_backward(g, x, approximate))  # fmt: skip


def _gelu_bend(xp: Any, g: Any, x: Any, y: Any, approximate: str) -> Any:
    if approximate == "none":
        return g * x * (xp.exp(y * y * -0.5) * k.INV_SQRT_2PI * (2 - y * y))
    y2 = y * y
    t = xp.tanh(k.GELU_K * (y + k.GELU_C * (y * y2)))
    u1 = k.GELU_K * (1 + 3 * k.GELU_C * y2)
    u2 = 6 * k.GELU_K * k.GELU_C * y
    return g * x * ((1 - t * t) * (u1 + 0.5 * y * (u2 - 2 * t * u1 * u1)))


elementwise("gelu_backward(x, y, *, approximate)", k.gelu_backward,
            x=lambda xp, g, y, approximate: xp.gelu_backward(g, y, approximate),
            y=_gelu_bend)  # fmt: skip

# ---------------------------------------------------------------- piecewise quadratics
hardsigmoid_row = elementwise("hardsigmoid(x)", k.hardsigmoid,
                              x=lambda xp, g, x: xp.keep(g / 6, xp.logical_and(x > -3, x < 3)))  # fmt: skip

hardswish_row = elementwise("hardswish(x)", k.hardswish,
                            x=lambda xp, g, x: xp.hardswish_backward(g, x))  # fmt: skip

elementwise("hardswish_backward(x, y)", k.hardswish_backward,
            x=lambda xp, g, y: xp.hardswish_backward(g, y),
            y=lambda xp, g, x, y: xp.hardtanh_backward(g * x, y, -3, 3) / 3)  # fmt: skip


# ---------------------------------------------------------------- gated and random
def _halves(xp: Any, x: Any, dim: int) -> tuple:
    n = x.shape[dim] // 2
    return xp.narrow(x, dim, 0, n), xp.narrow(x, dim, n, n)


def _glu_kernel(x: np.ndarray, dim: int) -> np.ndarray:
    a, b = np.split(x, 2, dim)
    return a * k.sigmoid(b)


def _glu_rule(xp: Any, g: Any, x: Any, dim: int) -> Any:
    a, b = _halves(xp, x, dim)
    s = xp.sigmoid(b)
    ga = g * s
    return xp.cat([ga, ga * (1 - s) * a], dim)


def _glu_jvp(xp: Any, xs: tuple, ts: tuple, out: Any, params: tuple) -> Any:
    (a, b), (ta, tb) = _halves(xp, xs[0], *params), _halves(xp, ts[0], *params)
    s = xp.sigmoid(b)
    return ta * s + a * (s * (1 - s)) * tb


glu_row = primitive("opaque", "glu(x, *, dim)", _glu_kernel, x=_glu_rule, jvp=_glu_jvp,
                    batch=along("dim"))  # fmt: skip

rrelu_row = elementwise("rrelu_with_noise(x, y)", np.multiply,
                        x=lambda g, y: g * y)  # fmt: skip
