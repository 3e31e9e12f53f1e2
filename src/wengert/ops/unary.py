"""Functions of one operand, element by element: one row each."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.define import elementwise, plain, utility
from ..core.registry import public
from ..core.tensor import Tensor, as_tensor_arg

LN2 = float(np.log(2.0))
LN10 = float(np.log(10.0))


def _float(schema: str, kernel: Any, **rules: Any) -> Any:
    """A row of a floating-point function, public in all its forms."""
    op = elementwise(schema, kernel, promote="float", **rules)
    public("torch", "Tensor", inplace="torch", out=True)(op)
    return op


def _same(schema: str, kernel: Any, **rules: Any) -> Any:
    """A row of a function that keeps the dtype, public in all its forms."""
    op = elementwise(schema, kernel, **rules)
    public("torch", "Tensor", inplace="torch", out=True)(op)
    return op


# ---------------------------------------------------------------- exponentials and logarithms
exp = _float("exp(x)", np.exp,
             x=lambda g, out: g * out)  # fmt: skip

exp2 = _float("exp2(x)", np.exp2,
              x=lambda g, out: g * out * LN2)  # fmt: skip

expm1 = _float("expm1(x)", np.expm1,
               x=lambda g, out: g * (out + 1))  # fmt: skip

log = _float("log(x)", np.log,
             x=lambda g, x: g / x)  # fmt: skip

log2 = _float("log2(x)", np.log2,
              x=lambda g, x: g / (x * LN2))  # fmt: skip

log10 = _float("log10(x)", np.log10,
               x=lambda g, x: g / (x * LN10))  # fmt: skip

log1p = _float("log1p(x)", np.log1p, node="Log1PBackward0",
               x=lambda g, x: g / (x + 1))  # fmt: skip

# ---------------------------------------------------------------- powers
sqrt = _float("sqrt(x)", np.sqrt,
              x=lambda g, out: g / (out + out))  # fmt: skip

rsqrt = _float("rsqrt(x)", lambda x: 1 / np.sqrt(x),
               x=lambda g, out: g * (out * out * out) * -0.5)  # fmt: skip

reciprocal = _float("reciprocal(x)", lambda x: np.divide(x.dtype.type(1), x),
                    x=lambda g, out: -g * out * out)  # fmt: skip

square = _same("square(x)", np.square, node="PowBackward0",
               x=lambda g, x: g * (x + x))  # fmt: skip

# ---------------------------------------------------------------- trigonometry
sin = _float("sin(x)", np.sin,
             x=lambda xp, g, x: g * xp.cos(x))  # fmt: skip

cos = _float("cos(x)", np.cos,
             x=lambda xp, g, x: -g * xp.sin(x))  # fmt: skip

tan = _float("tan(x)", np.tan,
             x=lambda g, out: g * (out * out + 1))  # fmt: skip

asin = _float("asin(x)", np.arcsin,
              x=lambda xp, g, x: g * xp.rsqrt(1 - x * x))  # fmt: skip

acos = _float("acos(x)", np.arccos,
              x=lambda xp, g, x: -g * xp.rsqrt(1 - x * x))  # fmt: skip

atan = _float("atan(x)", np.arctan,
              x=lambda g, x: g / (x * x + 1))  # fmt: skip

sinh = _float("sinh(x)", np.sinh,
              x=lambda xp, g, x: g * xp.cosh(x))  # fmt: skip

cosh = _float("cosh(x)", np.cosh,
              x=lambda xp, g, x: g * xp.sinh(x))  # fmt: skip

tanh = _float("tanh(x)", np.tanh,
              x=lambda g, out: g * (1 - out * out))  # fmt: skip

asinh = _float("asinh(x)", np.arcsinh,
               x=lambda xp, g, x: g * xp.rsqrt(x * x + 1))  # fmt: skip

acosh = _float("acosh(x)", np.arccosh,
               x=lambda xp, g, x: g * xp.rsqrt(x - 1) * xp.rsqrt(x + 1))  # fmt: skip

atanh = _float("atanh(x)", np.arctanh,
               x=lambda g, x: g / (1 - x * x))  # fmt: skip

for _name, _op in {"arcsin": asin, "arccos": acos, "arctan": atan, "arcsinh": asinh,
                   "arccosh": acosh, "arctanh": atanh}.items():  # fmt: skip
    _own = _op.__name__
    public("torch", "Tensor", name=_name, inplace="torch", out=True)(_op)
    _op.__name__ = _own

def _sinc_kernel(x: Any) -> Any:
    return np.sinc(x).astype(x.dtype, copy=False)


sinc = _float("sinc(x)", _sinc_kernel, copy_out=True,
              x=lambda xp, g, x, out: g * xp.where(x == 0, xp.zeros_like(x), (xp.cos(x * np.pi) - out) / x))  # fmt: skip

# ---------------------------------------------------------------- sign and size
def _abs_rule(xp: Any, g: Any, x: Any) -> Any:
    return g * xp.conj(xp.sgn(x)) if xp.is_complex(x) else g * xp.sign(x)


abs_ = elementwise("abs(x)", np.abs, keeps_dtype=False, x=_abs_rule)
public("torch", "Tensor", name="abs", inplace="torch", out=True)(abs_)
public("torch", "Tensor", name="absolute", inplace=True, out=True)(abs_)
abs_.__name__ = "abs"

def _sign_kernel(x: Any) -> Any:
    if x.dtype.kind == "b":
        return x.copy()
    if x.dtype.kind == "c":
        raise NotImplementedError("\"sign_cpu\" not implemented for complex tensors; use sgn()")
    return np.sign(np.where(x != x, 0, x)).astype(x.dtype, copy=False)  # 0 for NaN


sign = _same("sign(x)", _sign_kernel,
             x=lambda xp, g: xp.zeros_like(g))  # fmt: skip


def _sgn_kernel(x: Any) -> Any:
    if x.dtype.kind != "c":
        return _sign_kernel(x)
    size = np.abs(x)
    return np.where(size == 0, 0, x / np.where(size == 0, 1, size)).astype(x.dtype)


def _sgn_rule(xp: Any, g: Any, x: Any, out: Any) -> Any:
    """sgn(z) = z / |z|: the transpose of the tangential projection, divided by |z|."""
    if not xp.is_complex(x):
        return xp.zeros_like(g)
    size = xp.abs(x)
    bar = xp.conj(out)
    tangential = (g - xp.conj(g) * bar * bar) / (2 * xp.where(size == 0, xp.ones_like(size), size))
    return xp.where(size == 0, xp.zeros_like(g), tangential)


def _sgn_jvp(xp: Any, xs: list, ts: list, out: Any, params: tuple) -> Any:
    """Complex sgn is not holomorphic: what is pushed is the conjugate of what the rule pulls."""
    (x,), (t,) = xs, ts
    return xp.conj(_sgn_rule(xp, xp.conj(t), x, out)) if xp.is_complex(x) else xp.zeros_like(t)


sgn = _same("sgn(x)", _sgn_kernel, x=_sgn_rule, jvp=_sgn_jvp)


@public("torch", "Tensor")
def positive(input: Tensor) -> Tensor:
    """Return the tensor itself; bool is refused, as in PyTorch.

    >>> import wengert as torch
    >>> +torch.tensor([1., -2.])
    tensor([ 1., -2.])
    """
    if input._spec.dtype.category == 0:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# ---------------------------------------------------------------- rounding
floor = _same("floor(x)", lambda x: x.copy() if x.dtype.kind in "iu" else np.floor(x),
              x=lambda xp, g: xp.zeros_like(g))  # fmt: skip

ceil = _same("ceil(x)", lambda x: x.copy() if x.dtype.kind in "iu" else np.ceil(x),
             x=lambda xp, g: xp.zeros_like(g))  # fmt: skip

trunc = _same("trunc(x)", lambda x: x.copy() if x.dtype.kind in "iu" else np.trunc(x),
              x=lambda xp, g: xp.zeros_like(g))  # fmt: skip

frac = _same("frac(x)", lambda x: x - np.trunc(x),
             x=lambda g: g)  # fmt: skip

round_op = elementwise("round(x, *, decimals)", lambda x, decimals: x.copy() if x.dtype.kind in "iu" else np.round(x, decimals),
                       x=lambda xp, g: xp.zeros_like(g))  # fmt: skip


@public("torch", "Tensor", name="round", inplace=True, out=True)
def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Round half to even, to `decimals` digits; the gradient is zero.

    >>> import wengert as torch
    >>> torch.round(torch.tensor([0.5, 1.5, 2.6]))
    tensor([0., 2., 3.])
    """
    return round_op(input, decimals)


public("torch", "Tensor", name="fix", inplace=True, out=True)(trunc)
trunc.__name__ = "trunc"

deg2rad = _float("deg2rad(x)", np.deg2rad,
                 x=lambda g: g * (np.pi / 180))  # fmt: skip

rad2deg = _float("rad2deg(x)", np.rad2deg,
                 x=lambda g: g * (180 / np.pi))  # fmt: skip

# ---------------------------------------------------------------- clamping
def _clamp_kernel(x: Any, min: Any, max: Any) -> Any:
    if x.dtype.kind in "iu" and (isinstance(min, float) or isinstance(max, float)):
        x = x.astype(np.float32)
    if min is not None:
        x = np.maximum(x, x.dtype.type(min))
    if max is not None:
        x = np.minimum(x, x.dtype.type(max))
    return x


def _inside(xp: Any, g: Any, x: Any, min: Any, max: Any) -> Any:
    ok = None
    if min is not None:
        ok = x >= min
    if max is not None:
        below = x <= max
        ok = below if ok is None else xp.logical_and(ok, below)
    return g if ok is None else xp.where(ok, g, xp.zeros_like(g))


clamp_scalar = elementwise("clamp(x, *, min, max)", _clamp_kernel, node="ClampBackward1",
                           x=lambda xp, g, x, min, max: _inside(xp, g, x, min, max))  # fmt: skip

clamp_tensor = elementwise("clamp_tensor(x, y, z)", lambda x, y, z: np.minimum(np.maximum(x, y), z), node="ClampBackward0",
                           x=lambda xp, g, x, y, z: xp.where(xp.logical_and(x >= y, x <= z), g, xp.zeros_like(g)),
                           y=lambda xp, g, x, y, z: xp.where(xp.logical_and(x < y, y < z), g, xp.zeros_like(g)),
                           z=lambda xp, g, x, y, z: xp.where(xp.logical_or(x > z, y > z), g, xp.zeros_like(g)))  # fmt: skip

clamp_below = elementwise("clamp_below(x, y)", np.maximum, node="ClampMinBackward1",
                          x=lambda xp, g, x, y: xp.where(x >= y, g, xp.zeros_like(g)),
                          y=lambda xp, g, x, y: xp.where(x < y, g, xp.zeros_like(g)))  # fmt: skip

clamp_above = elementwise("clamp_above(x, y)", np.minimum, node="ClampMaxBackward1",
                          x=lambda xp, g, x, y: xp.where(x <= y, g, xp.zeros_like(g)),
                          y=lambda xp, g, x, y: xp.where(x > y, g, xp.zeros_like(g)))  # fmt: skip


@public("torch", "Tensor", inplace="torch", out=True)
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit every element to [min, max]; the bounds are numbers, tensors or None.

    The gradient is 1 inside and on the bounds, 0 outside and for NaN.

    >>> import wengert as torch
    >>> torch.clamp(torch.tensor([-1., 0.5, 2.]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if not isinstance(min, Tensor) and not isinstance(max, Tensor):
        if input._spec.dtype.category == 0:
            raise RuntimeError("clamp: not implemented for bool tensors; cast it first")
        return clamp_scalar(input, min, max)
    if max is None:
        return clamp_below(input, as_tensor_arg(min, input))
    if min is None:
        return clamp_above(input, as_tensor_arg(max, input))
    return clamp_tensor(input, as_tensor_arg(min, input), as_tensor_arg(max, input))


public("torch", "Tensor", name="clip", inplace="torch", out=True)(clamp)


@public("torch", "Tensor", inplace="torch", out=True)
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Limit every element from below."""
    return clamp(input, min=min)


@public("torch", "Tensor", inplace="torch", out=True)
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Limit every element from above."""
    return clamp(input, max=max)


def _nan_to_num_kernel(x: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    return np.nan_to_num(x, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


nan_to_num_op = elementwise("nan_to_num(x, *, nan, posinf, neginf)", _nan_to_num_kernel,
                            x=lambda xp, g, x: xp.where(xp.isfinite(x), g, xp.zeros_like(g)))  # fmt: skip


@public("torch", "Tensor", inplace="torch", out=True)
def nan_to_num(input: Tensor, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Tensor:
    """Replace NaN and the infinities (by default with 0 and the largest finite numbers).

    >>> import wengert as torch
    >>> torch.nan_to_num(torch.tensor([float("nan"), 1.]))
    tensor([0., 1.])
    """
    return nan_to_num_op(input, nan, posinf, neginf)


# ---------------------------------------------------------------- complex parts
def _angle_kernel(x: Any) -> Any:
    if x.dtype.kind == "c":
        return np.angle(x)
    return np.where(np.isnan(x), x, np.where(x < 0, x.dtype.type(np.pi), x.dtype.type(0)))


def _angle_rule(xp: Any, g: Any, x: Any) -> Any:
    """d(angle z) = Im(conj(z) dz) / |z|**2, transposed: -i conj(z) / |z|**2."""
    if not xp.is_complex(x):
        return xp.zeros_like(g)
    size = xp.abs(x)
    safe = xp.where(size == 0, xp.ones_like(size), size)
    return xp.where(size == 0, xp.zeros_like(x), g * (xp.conj(x) * -1j / (safe * safe)))


angle = elementwise("angle(x)", _angle_kernel, promote="float", keeps_dtype=False, x=_angle_rule)
public("torch", "Tensor", out=True)(angle)

# ---------------------------------------------------------------- tests of one operand
isnan = plain("isnan(x)", np.isnan)
isfinite = plain("isfinite(x)", np.isfinite)
isinf = plain("isinf(x)", np.isinf)
isposinf = plain("isposinf(x)", np.isposinf)
isneginf = plain("isneginf(x)", np.isneginf)
signbit = plain("signbit(x)", lambda x: x < 0 if x.dtype.kind in "iub" else np.signbit(x))
isreal = plain("isreal(x)", np.isreal)
for _op in (isnan, isfinite, isinf, isposinf, isneginf, signbit, isreal):
    public("torch", "Tensor", out=_op is signbit or _op is isposinf or _op is isneginf)(_op)

utility("real_part", np.real, lambda x: x.real)

_TEXTS = {
    exp: "e**x", exp2: "2**x", expm1: "e**x - 1, exactly for small x", log: "natural logarithm",
    log2: "logarithm to base 2", log10: "logarithm to base 10",
    log1p: "log(1 + x), exactly for small x", sqrt: "square root", rsqrt: "1 / sqrt(x)",
    reciprocal: "1 / x", square: "x * x", sin: "sine (radians)", cos: "cosine (radians)",
    tan: "tangent (radians)", asin: "inverse sine", acos: "inverse cosine", atan: "inverse tangent",
    sinh: "hyperbolic sine", cosh: "hyperbolic cosine", tanh: "hyperbolic tangent",
    asinh: "inverse hyperbolic sine", acosh: "inverse hyperbolic cosine",
    atanh: "inverse hyperbolic tangent", sinc: "sin(pi x) / (pi x), 1 at 0",
    abs_: "absolute value", sign: "sign: -1, 0 or 1 (gradient zero)",
    sgn: "sign; for complex x, x / |x|", floor: "largest integer not above x",
    ceil: "smallest integer not below x", trunc: "integer part", frac: "fractional part",
    deg2rad: "degrees to radians", rad2deg: "radians to degrees",
    angle: "argument of a complex number, in radians", isnan: "True where x is NaN",
    isfinite: "True where x is neither infinite nor NaN", isinf: "True where x is infinite",
    isposinf: "True where x is +inf", isneginf: "True where x is -inf",
    signbit: "True where the sign bit is set", isreal: "True where the imaginary part is zero",
}  # fmt: skip
for _op, _text in _TEXTS.items():
    _op.__doc__ = f"{_text[0].upper()}{_text[1:]}, element by element."
