"""Arithmetic: two operands, broadcast and promoted."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.cold import bind, reflected
from ..core.define import elementwise, utility
from ..core.op import TENSORS
from ..core.record import warm1
from ..core.registry import public
from ..core.tensor import Tensor, as_tensor_arg, wrap

utility("zeros_like", np.zeros_like, lambda x: wrap(np.zeros(x.shape, x.dtype.np)))
utility("ones_like", np.ones_like, lambda x: wrap(np.ones(x.shape, x.dtype.np)))
utility("is_complex", lambda x: x.dtype.kind == "c", lambda x: x.dtype.is_complex)

# ---------------------------------------------------------------- the four operations
add = elementwise("add(x, y)", np.add,
                  x=lambda g: g,
                  y=lambda g: g)  # fmt: skip

sub = elementwise("sub(x, y)", np.subtract,
                  x=lambda g: g,
                  y=lambda g: -g)  # fmt: skip

rsub = elementwise("rsub(x, y)", lambda x, y: np.subtract(y, x), node="RsubBackward1",
                   x=lambda g: -g,
                   y=lambda g: g)  # fmt: skip

mul = elementwise("mul(x, y)", np.multiply,
                  x=lambda g, y: g * y,
                  y=lambda g, x: g * x)  # fmt: skip


def _div_rule(g: Any, y: Any, out: Any, need: Any) -> tuple:
    gx = g / y
    return gx, (-gx * out if need[1] else None)


div = elementwise("div(x, y)", np.divide, promote="float", copy_out=True,
                  rules={"x, y": _div_rule})  # fmt: skip

neg = elementwise("neg(x)", np.negative,
                  x=lambda g: -g)  # fmt: skip
neg.__doc__ = "The negative of every element; bool is refused, as in PyTorch."
for _alias in ("neg", "negative"):
    public("torch", "Tensor", name=_alias, inplace="torch", out=True)(neg)
neg.__name__ = "neg"


def _scaled(other: Any, alpha: Any) -> Any:
    return other if alpha == 1 else mul(as_tensor_arg(other), alpha)


@public("torch", "Tensor", name="add", inplace=True, out=True)
def add_(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Add `alpha * other` to `input`, element by element, with broadcasting and promotion.

    >>> import wengert as torch
    >>> torch.add(torch.tensor([1., 2.]), 10, alpha=2)
    tensor([21., 22.])
    """
    return add(input, _scaled(other, alpha))


@public("torch", "Tensor", name="sub", inplace=True, out=True)
def sub_(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Subtract `alpha * other` from `input`, element by element.

    >>> import wengert as torch
    >>> torch.sub(torch.tensor([1., 2.]), torch.tensor([1., 1.]))
    tensor([0., 1.])
    """
    _no_bools(input, other)
    return sub(input, _scaled(other, alpha))


def _no_bools(*args: Any) -> None:
    for a in args:
        if isinstance(a, bool) or (isinstance(a, Tensor) and a._spec.dtype.category == 0):
            raise RuntimeError(
                "Subtraction, the `-` operator, with a bool tensor is not supported. If you are "
                "trying to invert a mask, use the `~` or `logical_not()` operator instead."
            )


def _sub(x: Any, y: Any) -> Tensor:
    if x._spec.dtype.category == 0 or y is True or y is False:
        _no_bools(x, y)
    return sub(x, y)


@public("torch", name="rsub")
def rsub_(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Return `other - alpha * input`."""
    return rsub(_scaled(input, alpha), other)


public("torch", "Tensor", name="subtract", inplace=True, out=True)(sub_)
public("torch", "Tensor", inplace=True, out=True)(mul)
mul.__doc__ = """Multiply element by element, with broadcasting and promotion.

    >>> import wengert as torch
    >>> torch.mul(torch.tensor([1., 2.]), 3)
    tensor([3., 6.])
    """
public("torch", "Tensor", name="multiply", inplace=True, out=True)(mul)
mul.__name__ = "mul"


@public("torch", "Tensor", name="div", inplace=True, out=True)
def div_(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Divide element by element; `rounding_mode` is None, "trunc" or "floor".

    Integers divide to the default float dtype unless a rounding mode is given.

    >>> import wengert as torch
    >>> torch.div(torch.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode is None:
        return div(input, other)
    if rounding_mode == "floor":
        return div_floor(input, other)
    if rounding_mode == "trunc":
        return div_trunc(input, other)
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


for _alias in ("divide", "true_divide"):
    public("torch", "Tensor", name=_alias, inplace=True, out=True)(div_)


def _nonzero_divisor(y: np.ndarray) -> None:
    if y.dtype.kind in "iub" and not np.all(y):
        raise RuntimeError("ZeroDivisionError")


def _floor_kernel(x: Any, y: Any) -> Any:
    _nonzero_divisor(y)
    return np.floor_divide(x, y)


def _trunc_kernel(x: Any, y: Any) -> Any:
    _nonzero_divisor(y)
    if x.dtype.kind in "iub":
        return (np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))).astype(x.dtype)
    return np.trunc(x / y)


div_floor = elementwise("div_floor(x, y)", _floor_kernel, node="DivBackward2",
                        x=lambda xp, g: xp.zeros_like(g),
                        y=lambda xp, g: xp.zeros_like(g))  # fmt: skip

div_trunc = elementwise("div_trunc(x, y)", _trunc_kernel, node="DivBackward2",
                        x=lambda xp, g: xp.zeros_like(g),
                        y=lambda xp, g: xp.zeros_like(g))  # fmt: skip


def _no_derivative(g: Any) -> Any:
    raise NotImplementedError("the derivative for 'floor_divide' is not implemented.")


floor_divide = elementwise("floor_divide(x, y)", _floor_kernel, node="NotImplemented",
                           x=_no_derivative,
                           y=_no_derivative)  # fmt: skip
public("torch", "Tensor", inplace=True, out=True)(floor_divide)
floor_divide.__doc__ = """Divide and round down; differentiating it is an error, as in PyTorch."""


def _remainder_kernel(x: Any, y: Any) -> Any:
    _nonzero_divisor(y)
    return np.remainder(x, y)


def _fmod_kernel(x: Any, y: Any) -> Any:
    _nonzero_divisor(y)
    return np.fmod(x, y)


remainder = elementwise("remainder(x, y)", _remainder_kernel,
                        x=lambda g: g,
                        y=lambda xp, g, x, y: -g * xp.floor(x / y))  # fmt: skip
public("torch", "Tensor", inplace=True, out=True)(remainder)
remainder.__doc__ = """Remainder with the sign of the divisor (Python's %)."""

fmod = elementwise("fmod(x, y)", _fmod_kernel,
                   x=lambda g: g,
                   y=lambda xp, g, x, y: -g * xp.trunc(x / y))  # fmt: skip
public("torch", "Tensor", inplace=True, out=True)(fmod)
fmod.__doc__ = """Remainder with the sign of the dividend (C's fmod)."""


# ---------------------------------------------------------------- powers
def _pow_scalar_kernel(x: Any, exponent: Any) -> Any:
    if exponent == 2:
        return np.multiply(x, x)
    if exponent == 0.5:
        return np.sqrt(x)
    if exponent == 3:
        return x * x * x
    if x.dtype.kind in "iu" and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return np.power(x, x.dtype.type(exponent) if x.dtype.kind != "c" else exponent)


def _pow_scalar_rule(xp: Any, g: Any, x: Any, exponent: Any) -> Any:
    if exponent == 2:
        return g * (x + x)
    if exponent == 0:
        return xp.zeros_like(g)
    return g * (exponent * x ** (exponent - 1))


pow_scalar = elementwise("pow_scalar(x, *, exponent)", _pow_scalar_kernel, node="PowBackward0",
                         x=_pow_scalar_rule)  # fmt: skip


def _pow_exponent_rule(xp: Any, g: Any, x: Any, y: Any, out: Any) -> Any:
    """d(x**y)/dy = x**y ln x, and 0 where x = 0 and y >= 0."""
    dead = xp.logical_and(x == 0, xp.real_ge0(y))
    return xp.where(dead, xp.zeros_like(g), g * (out * xp.log(x)))


utility("real_ge0", lambda y: (y.real if y.dtype.kind == "c" else y) >= 0,
        lambda y: (TENSORS.real_part(y) if y.dtype.is_complex else y) >= 0)  # fmt: skip

def _pow_kernel(x: Any, y: Any) -> Any:
    if y.dtype.kind == "i" and np.any(y < 0):  # 1 / x**-y, rounded towards zero
        units = np.where(x == 1, 1, np.where(x == -1, np.where(y % 2, -1, 1), 0))
        return np.where(y < 0, units, np.power(x, np.maximum(y, 0))).astype(x.dtype)
    return np.power(x, y)


pow_tensor = elementwise("pow_tensor(x, y)", _pow_kernel, node="PowBackward1",
                         x=lambda xp, g, x, y: xp.where(y == 0, xp.zeros_like(g), g * (y * x ** (y - 1))),
                         y=_pow_exponent_rule)  # fmt: skip

pow_base = elementwise("pow_base(x, *, base)", lambda x, base: np.power(np.asarray(base, x.dtype), x),
                       node="PowBackward2",
                       x=lambda xp, g, x, out, base: _pow_base_rule(xp, g, x, out, base))  # fmt: skip


def _pow_base_rule(xp: Any, g: Any, x: Any, out: Any, base: Any) -> Any:
    if base == 0:
        return xp.where(x >= 0, xp.zeros_like(g), g * (out * -np.inf))
    if isinstance(base, complex) or xp.is_complex(x):
        return g * (out * complex(np.log(complex(base))))
    return g * (out * float(np.log(base)))


@public("torch", "Tensor", name="pow", inplace=True, out=True)
def pow_(input: Any, exponent: Any) -> Tensor:
    """Raise `input` to the power `exponent`; either may be a number, one must be a tensor.

    >>> import wengert as torch
    >>> torch.tensor([1., 2., 3.]).pow(2)
    tensor([1., 4., 9.])
    """
    if isinstance(input, Tensor):
        if exponent.__class__ is int or exponent.__class__ is float:
            d = input._spec.dtype
            if d.category == 2 or d.category == 3 or (d.category == 1 and exponent.__class__ is int):
                return warm1(pow_scalar.op, input, (exponent,)) if d.category >= 2 else bind(
                    pow_scalar.op, (input,), (exponent,))  # fmt: skip
            return pow_(input, as_tensor_arg(exponent, input))
        if isinstance(exponent, bool | complex | np.generic):
            exponent = as_tensor_arg(exponent, input)
        if not isinstance(exponent, Tensor | np.ndarray):
            return reflected(pow_tensor.op, (input, exponent))
        return pow_tensor(input, exponent)
    if not isinstance(exponent, Tensor):
        raise TypeError("pow(): one of the arguments 'input' and 'exponent' must be a Tensor")
    if isinstance(input, int | float) and exponent._spec.dtype.category >= 2:
        return pow_base(exponent, input)
    return pow_tensor(as_tensor_arg(input, exponent), exponent)


@public("torch", "Tensor", inplace=True, out=True)
def float_power(input: Any, exponent: Any) -> Tensor:
    """Raise to a power in float64 (complex128 for complex operands)."""
    from ..kernels import dtypes

    operands = [as_tensor_arg(a) for a in (input, exponent)]
    wide = dtypes.complex128 if any(t.dtype.is_complex for t in operands) else dtypes.float64
    base, power = (t if t.dtype is wide else TENSORS.cast(t, wide) for t in operands)
    return pow_(base, exponent if isinstance(exponent, int | float) else power)


# ---------------------------------------------------------------- choosing
maximum = elementwise("maximum(x, y)", np.maximum,
                      x=lambda xp, g, x, y: xp.where(x == y, g / 2, xp.where(x < y, xp.zeros_like(g), g)),
                      y=lambda xp, g, x, y: xp.where(x == y, g / 2, xp.where(x > y, xp.zeros_like(g), g)))  # fmt: skip

minimum = elementwise("minimum(x, y)", np.minimum,
                      x=lambda xp, g, x, y: xp.where(x == y, g / 2, xp.where(x > y, xp.zeros_like(g), g)),
                      y=lambda xp, g, x, y: xp.where(x == y, g / 2, xp.where(x < y, xp.zeros_like(g), g)))  # fmt: skip

fmax = elementwise("fmax(x, y)", np.fmax,
                   x=lambda xp, g, x, y: xp.where(xp.logical_or(x >= y, y != y), g, xp.zeros_like(g)),
                   y=lambda xp, g, x, y: xp.where(xp.logical_or(x >= y, y != y), xp.zeros_like(g), g))  # fmt: skip

fmin = elementwise("fmin(x, y)", np.fmin,
                   x=lambda xp, g, x, y: xp.where(xp.logical_or(x <= y, y != y), g, xp.zeros_like(g)),
                   y=lambda xp, g, x, y: xp.where(xp.logical_or(x <= y, y != y), xp.zeros_like(g), g))  # fmt: skip

for _op, _text in (
    (maximum, "Return the larger of two operands; NaN wins, ties share the gradient."),
    (minimum, "Return the smaller of two operands; NaN wins, ties share the gradient."),
    (fmax, "Return the larger of two operands; a number wins over NaN."),
    (fmin, "Return the smaller of two operands; a number wins over NaN."),
):
    public("torch", "Tensor", out=True)(_op)
    _op.__doc__ = _text


# ---------------------------------------------------------------- two-operand functions
def _per_square(xp: Any, g: Any, x: Any, y: Any) -> Any:
    """g / (x^2 + y^2), and 0 at the origin, where the angle has no derivative."""
    square = x * x + y * y
    origin = square == 0
    return xp.where(origin, xp.zeros_like(square), g / xp.where(origin, xp.ones_like(square), square))


atan2 = elementwise("atan2(x, y)", np.arctan2, promote="float",
                    x=lambda xp, g, x, y: y * _per_square(xp, g, x, y),
                    y=lambda xp, g, x, y: -x * _per_square(xp, g, x, y))  # fmt: skip

hypot = elementwise("hypot(x, y)", np.hypot, promote="float",
                    x=lambda g, x, out: g * (x / out),
                    y=lambda g, y, out: g * (y / out))  # fmt: skip

copysign = elementwise("copysign(x, y)", np.copysign, promote="float",
                       x=lambda xp, g, x, out: g * xp.where(x == 0, xp.zeros_like(x), out / x),
                       y=lambda xp, g: xp.zeros_like(g))  # fmt: skip


def _logaddexp_kernel(x: Any, y: Any) -> Any:
    return np.logaddexp(x, y)


logaddexp = elementwise("logaddexp(x, y)", _logaddexp_kernel, promote="float", copy_out=True,
                        x=lambda xp, g, x, out: g * xp.exp(x - out),
                        y=lambda xp, g, y, out: g * xp.exp(y - out))  # fmt: skip

logaddexp2 = elementwise("logaddexp2(x, y)", np.logaddexp2, promote="float", copy_out=True,
                         x=lambda xp, g, x, out: g * xp.exp2(x - out),
                         y=lambda xp, g, y, out: g * xp.exp2(y - out))  # fmt: skip

ldexp = elementwise("ldexp(x, y)", lambda x, y: x * np.exp2(y), promote="float",
                    x=lambda xp, g, y: g * xp.exp2(y),
                    y=lambda g, out: g * out * float(np.log(2.0)))  # fmt: skip

for _op, _inplace, _text in (
    (atan2, True, "Return the angle of the point (other, input): atan2(y, x)."),
    (hypot, True, "Return sqrt(input**2 + other**2)."),
    (copysign, True, "Return the magnitude of `input` with the sign of `other`."),
    (logaddexp, False, "Return log(exp(input) + exp(other)) without overflow."),
    (logaddexp2, False, "Return log2(2**input + 2**other) without overflow."),
    (ldexp, True, "Return input * 2**other."),
):
    public("torch", "Tensor", inplace=_inplace, out=True)(_op)
    _op.__doc__ = _text
public("torch", "Tensor", name="arctan2", inplace=True, out=True)(atan2)
atan2.__name__ = "atan2"


# ---------------------------------------------------------------- three operands
def _lerp_kernel(x: Any, y: Any, z: Any) -> Any:
    """Both forms are exact at one end; each is used on its own half."""
    return np.where(np.abs(z) < 0.5, x + z * (y - x), y - (y - x) * (1 - z))


lerp_scalar = elementwise("lerp_scalar(x, y, *, weight)", lambda x, y, weight: _lerp_kernel(x, y, x.dtype.type(weight)),
                          node="LerpBackward0",
                          x=lambda g, weight: g * (1 - weight),
                          y=lambda g, weight: g * weight)  # fmt: skip

lerp_tensor = elementwise("lerp(x, y, z)", _lerp_kernel, node="LerpBackward1",
                          x=lambda g, z: g * (1 - z),
                          y=lambda g, z: g * z,
                          z=lambda g, x, y: g * (y - x))  # fmt: skip


@public("torch", "Tensor", inplace=True, out=True)
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Interpolate linearly: `input + weight * (end - input)`; weight is a number or a tensor.

    >>> import wengert as torch
    >>> torch.lerp(torch.tensor([0., 10.]), torch.tensor([10., 20.]), 0.5)
    tensor([ 5., 15.])
    """
    if isinstance(weight, int | float | complex):
        return lerp_scalar(input, end, weight)
    return lerp_tensor(input, end, as_tensor_arg(weight, input))


addcmul_op = elementwise("addcmul(x, y, z, *, value)", lambda x, y, z, value: x + value * y * z,
                         x=lambda g: g,
                         y=lambda g, z, value: g * (z * value),
                         z=lambda g, y, value: g * (y * value))  # fmt: skip

addcdiv_op = elementwise("addcdiv(x, y, z, *, value)", lambda x, y, z, value: x + value * (y / z),
                         x=lambda g: g,
                         y=lambda g, z, value: g * (value / z),
                         z=lambda g, y, z, value: -g * (value * y / (z * z)))  # fmt: skip


@public("torch", "Tensor", inplace=True, out=True)
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """Return `input + value * tensor1 * tensor2`.

    >>> import wengert as torch
    >>> torch.addcmul(torch.ones(2), torch.tensor([1., 2.]), torch.tensor([3., 4.]), value=10)
    tensor([31., 81.])
    """
    return addcmul_op(input, tensor1, tensor2, value)


@public("torch", "Tensor", inplace=True, out=True)
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """Return `input + value * tensor1 / tensor2`.

    >>> import wengert as torch
    >>> torch.addcdiv(torch.ones(2), torch.tensor([2., 4.]), torch.tensor([2., 2.]))
    tensor([2., 3.])
    """
    return addcdiv_op(input, tensor1, tensor2, value)


OPERATORS = {
    "__add__": add, "__radd__": add, "__sub__": _sub, "__rsub__": rsub, "__mul__": mul,
    "__rmul__": mul, "__truediv__": div, "__floordiv__": floor_divide, "__mod__": remainder,
    "__neg__": neg, "__pow__": pow_,
}  # fmt: skip
