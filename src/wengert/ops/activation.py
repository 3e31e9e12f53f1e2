"""Activation functions as users call them: torch.relu, Tensor.relu_, nn.functional.gelu ...

The rows are in curves.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import state
from ..core.inplace import write
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels.dims import wrap_dim
from ..kernels.random import default_generator
from . import curves
from .checking import check_float, check_tensor
from .draws import check_randomness, drawn

T: Any = TENSORS

sigmoid = curves.sigmoid
sigmoid.__doc__ = "1 / (1 + exp(-x)), element by element."
public("torch", "Tensor", inplace="torch", out=True)(sigmoid)
public("F")(sigmoid)
public("special", name="expit", out=True)(sigmoid)
sigmoid.__name__ = "sigmoid"

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _place(inplace: bool, input: Tensor, row: Any, *params: Any) -> Tensor:
    """Call a row, in place if asked to."""
    if inplace:
        return write(input, row, params, copy_old="x" in row.op.saves)
    return row(input, *params)


# ---------------------------------------------------------------- straight pieces
def _relu(input: Any) -> Any:
    """Return max(x, 0), element by element; the gradient at 0 is 0."""
    if not isinstance(input, Tensor):
        check_tensor(input, "relu")
    category = input._spec.dtype.category
    if category != 2:
        if category == 0:
            raise RuntimeError("Boolean inputs not supported for relu")
        if category == 3:
            raise NotImplementedError("relu: clamp is not supported for complex types")
    return curves.relu_row(input)


_relu.__name__ = "relu"
setattr(_relu, "op", curves.relu_row.op)  # noqa: B010  (its in-place form needs no old value)
public("torch", "Tensor", inplace="torch")(_relu)


@public("F")
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return max(x, 0), element by element; the gradient at 0 is 0.

    >>> import wengert as torch
    >>> torch.nn.functional.relu(torch.tensor([-1., 0., 2.]))
    tensor([0., 0., 2.])
    """
    return _place(True, input, _relu) if inplace else _relu(input)


@public("F")
def relu_(input: Tensor) -> Tensor:
    """In-place form of `relu`."""
    return _place(True, input, _relu)


@public("F")
def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Limit every element to [min_val, max_val]; unlike clamp's, the gradient at the bounds is 0."""
    check_tensor(input, "hardtanh")
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _place(inplace, input, curves.hardtanh_row, min_val, max_val)


@public("F")
def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place form of `hardtanh`."""
    return hardtanh(input, min_val, max_val, True)


@public("F")
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Return min(max(x, 0), 6), element by element."""
    check_tensor(input, "relu6")
    return _place(inplace, input, curves.hardtanh_row, 0.0, 6.0)


@public("F")
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return x where it is positive and negative_slope * x elsewhere."""
    check_float(input, "leaky_relu")
    return _place(inplace, input, curves.leaky_relu_row, negative_slope)


@public("F")
def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place form of `leaky_relu`."""
    return leaky_relu(input, negative_slope, True)


@public("F")
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return x where it is above the threshold and `value` elsewhere."""
    check_tensor(input, "threshold")
    return _place(inplace, input, curves.threshold_row, threshold, value)


public("torch")(threshold)


@public("torch", "F")
def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place form of `threshold`."""
    return _place(True, input, curves.threshold_row, threshold, value)


@public("torch", "Tensor", "F")
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return x where |x| > lambd and 0 elsewhere."""
    check_float(input, "hardshrink")
    return curves.hardshrink_row(input, lambd)


@public("F")
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Move x towards 0 by lambd, stopping at 0."""
    check_float(input, "softshrink", "softshrink_check")
    if not lambd >= 0:
        raise RuntimeError(
            f"lambda must be in range [0, {np.finfo(input._spec.np).max:g}] for input dtype "
            f"{input._spec.dtype.scalar_name}, but found {lambd:g}"
        )
    return curves.softshrink_row(input, lambd)


@public("torch", "Tensor", "F")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return x where it is positive and weight * x elsewhere.

    `weight` has one element, or one for each channel (dim 1) of the input.
    """
    check_tensor(input, "prelu")
    check_tensor(weight, "prelu", "weight", 2)
    x, w = input._spec, weight._spec
    if x.dtype is not w.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {x.dtype.scalar_name} and "
            f"{w.dtype.scalar_name}"
        )
    check_float(input, "prelu", "prelu_cpu")
    if w.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {w.ndim}"
        )
    if w.numel != 1:
        if x.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = x.shape[1] if x.ndim > 1 else 1
        if channels != w.numel:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{w.numel} and channel size = {channels}."
            )
    if x.ndim != w.ndim or w.ndim > 1:
        weight = T.reshape(weight, tuple([w.numel if d == 1 else 1 for d in range(x.ndim)]))
    return curves.prelu_row(input, weight)


# ---------------------------------------------------------------- the logistic family
@public("F")
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return x * sigmoid(x) (also called swish)."""
    check_tensor(input, "silu")
    if input._spec.dtype.category < 2:
        check_float(input, "silu")
    return _place(inplace, input, curves.silu_row)


@public("F")
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return x * tanh(softplus(x))."""
    check_float(input, "mish")
    return _place(inplace, input, curves.mish_row)


@public("F")
def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """Return log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""
    check_float(input, "softplus")
    return curves.softplus_row(input, beta, threshold)


@public("F")
def logsigmoid(input: Tensor) -> Tensor:
    """Return log(sigmoid(x)) without overflow or cancellation."""
    check_float(input, "logsigmoid", "log_sigmoid_cpu")
    return curves.logsigmoid_row(input)


# ---------------------------------------------------------------- the exponential family
@public("F")
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x where it is positive and alpha * (exp(x) - 1) elsewhere."""
    check_float(input, "elu")
    return _place(inplace, input, curves.elu_row, alpha, 1.0, 1.0)


@public("F")
def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of `elu`."""
    return elu(input, alpha, True)


@public("F")
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return scale * elu(x, alpha) with the constants of self-normalising networks.

    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-Normalizing Neural Networks", 2017.
    """
    check_float(input, "selu", "elu_cpu")
    return _place(inplace, input, curves.elu_row, SELU_ALPHA, SELU_SCALE, 1.0)


public("torch")(selu)


@public("torch", "F")
def selu_(input: Tensor) -> Tensor:
    """In-place form of `selu`."""
    return selu(input, True)


@public("F")
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
    check_float(input, "celu", "elu_cpu")
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _place(inplace, input, curves.celu_row, alpha)


public("torch")(celu)


@public("torch", "F")
def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of `celu`."""
    return celu(input, alpha, True)


@public("F")
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return x times the normal distribution function of x; "tanh" approximates it.

    Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.

    >>> import wengert as torch
    >>> torch.nn.functional.gelu(torch.tensor([-1., 0., 1.]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    check_float(input, "gelu", "GeluKernelImpl")
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return curves.gelu_row(input, approximate)


# ---------------------------------------------------------------- piecewise quadratics
@public("F")
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return min(max(x + 3, 0), 6) / 6, a sigmoid of straight pieces."""
    check_float(input, "hardsigmoid")
    return _place(inplace, input, curves.hardsigmoid_row)


@public("F")
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return x * min(max(x + 3, 0), 6) / 6."""
    check_float(input, "hardswish")
    return _place(inplace, input, curves.hardswish_row)


# ---------------------------------------------------------------- made of other ops
@public("F")
def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return T.tanh(input)


@public("F")
def softsign(input: Tensor) -> Tensor:
    """Return x / (1 + |x|)."""
    check_tensor(input, "softsign")
    return input / (T.abs(input) + 1)


@public("F")
def tanhshrink(input: Tensor) -> Tensor:
    """Return x - tanh(x)."""
    check_tensor(input, "tanhshrink")
    return input - T.tanh(input)


@public("F")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Split into halves a, b along a dim and return a * sigmoid(b)."""
    check_tensor(input, "glu")
    if input._spec.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    dim = wrap_dim(dim, input._spec.ndim)
    n = input._spec.shape[dim]
    if n % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {n}")
    check_float(input, "glu")
    return curves.glu_row(input, dim)


def _rrelu_noise(x: np.ndarray, lower: float, upper: float) -> np.ndarray:
    """1 where x is positive, a uniform number elsewhere, drawn in the order of the elements."""
    noise = np.ones(x.shape, x.dtype)
    low = x <= 0
    lower, upper = (float(x.dtype.type(v)) for v in (lower, upper))  # rounded in the dtype of x
    noise[low] = default_generator().uniform(int(low.sum()), lower, upper, np.dtype(np.float64))
    return noise


@public("F")
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
    inplace: bool = False,
) -> Tensor:  # fmt: skip
    """Return x where it is positive and a * x elsewhere.

    In training a is drawn uniformly from [lower, upper] for every element; otherwise it is the
    middle of that range.
    """
    check_float(input, "rrelu", "leaky_relu_cpu")
    if not lower <= upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if state.current_batch() is not None:
        return _place(inplace, input, curves.rrelu_row, _rrelu_mapped(input, lower, upper, training))
    x = input._array
    if training:
        noise = _rrelu_noise(x, lower, upper)
    else:
        noise = np.where(x > 0, x.dtype.type(1), x.dtype.type((lower + upper) / 2))
    return _place(inplace, input, curves.rrelu_row, wrap(np.asarray(noise)))


def _rrelu_mapped(input: Tensor, lower: float, upper: float, training: bool) -> Any:
    """The factors under vmap: a number is drawn for every element, used or not."""
    d = input._spec.np
    slope: Any = wrap(np.asarray((lower + upper) / 2, d))
    if training:
        check_randomness()
        g = default_generator()
        slope = drawn(tuple(input.shape), lambda size: g.uniform(size, lower, upper, d))
    return TENSORS.where(TENSORS.gt(input, 0), wrap(np.ones((), d)), slope)


public("torch")(rrelu)


@public("torch", "F")
def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """In-place form of `rrelu`."""
    return rrelu(input, lower, upper, training, True)
