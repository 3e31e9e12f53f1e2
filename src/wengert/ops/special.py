"""Special functions: the error function, gamma and Bessel families, entropies.

All of them run on NumPy alone (kernels/erf.py, gamma.py and bessel.py say how), and so do the rarer
ones in special_rare.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.define import elementwise
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, as_tensor_arg
from ..kernels import bessel, gamma
from ..kernels import erf as e
from .checking import check_tensor

T: Any = TENSORS

_ALL = ("torch", "Tensor", "special")
_HALF_SQRT_PI = 0.5 * math.sqrt(math.pi)
_TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)
_INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


def _row(schema: str, kernel: Any, **rules: Any) -> Any:
    return elementwise(schema, kernel, promote="float", **rules)


# ---------------------------------------------------------------- the error function
erf = _row("erf(x)", e.erf,
           x=lambda xp, g, x: g * (xp.exp(-x * x) * _TWO_OVER_SQRT_PI))  # fmt: skip

erfc = _row("erfc(x)", e.erfc,
            x=lambda xp, g, x: g * (xp.exp(-x * x) * -_TWO_OVER_SQRT_PI))  # fmt: skip

erfcx = _row("erfcx(x)", e.erfcx, node="SpecialErfcxBackward0",
             x=lambda g, x, out: g * (2 * x * out - _TWO_OVER_SQRT_PI))  # fmt: skip

erfinv = _row("erfinv(x)", e.erfinv, copy_out=True,
              x=lambda xp, g, out: g * (xp.exp(out * out) * _HALF_SQRT_PI))  # fmt: skip

ndtr = _row("ndtr(x)", e.ndtr, node="SpecialNdtrBackward0",
            x=lambda xp, g, x: g * (xp.exp(x * x * -0.5) * _INV_SQRT_2PI))  # fmt: skip

ndtri = _row("ndtri(x)", e.ndtri, node="SpecialNdtriBackward0",
             x=lambda xp, g, out: g * (xp.exp(out * out * 0.5) / _INV_SQRT_2PI))  # fmt: skip

log_ndtr = _row("log_ndtr(x)", e.log_ndtr, node="SpecialLogNdtrBackward0",
                x=lambda xp, g, x: g * (math.sqrt(2.0 / math.pi) / xp.erfcx(x * -math.sqrt(0.5))))  # fmt: skip

# ---------------------------------------------------------------- gamma
lgamma = _row("lgamma(x)", gamma.lgamma,
              x=lambda xp, g, x: g * xp.digamma(x))  # fmt: skip

digamma = _row("digamma(x)", gamma.digamma,
               x=lambda xp, g, x: g * xp.polygamma(x, 1))  # fmt: skip

polygamma_row = _row("polygamma(x, *, n)", gamma.polygamma,
                     x=lambda xp, g, x, n: g * xp.polygamma(x, n + 1))  # fmt: skip


def _no_order(g: Any) -> Any:
    raise NotImplementedError("the derivative for 'zeta' with respect to its order is not implemented")


zeta = _row("zeta(x, y)", gamma.zeta, node="SpecialZetaBackward0",
            x=_no_order,
            y=lambda xp, g, x, y: g * (-x * xp.zeta(x + 1, y)))  # fmt: skip

# ---------------------------------------------------------------- Bessel
i0 = _row("i0(x)", bessel.i0,
          x=lambda xp, g, x: g * xp.i1(x))  # fmt: skip

i0e = _row("i0e(x)", bessel.i0e, node="SpecialI0EBackward0",
           x=lambda xp, g, x, out: g * (xp.i1e(x) - xp.sgn(x) * out))  # fmt: skip


def _i1_slope(xp: Any, x: Any, i_zero: Any, out: Any) -> Any:
    """I1' = I0 - I1 / x, which is 1/2 at 0."""
    origin = x == 0
    safe = x + origin
    return xp.where(origin, xp.zeros_like(x) + 0.5, i_zero - out / safe)


i1 = _row("i1(x)", bessel.i1, node="SpecialI1Backward0",
          x=lambda xp, g, x, out: g * _i1_slope(xp, x, xp.i0(x), out))  # fmt: skip

i1e = _row("i1e(x)", bessel.i1e, node="SpecialI1EBackward0",
           x=lambda xp, g, x, out: g * (_i1_slope(xp, x, xp.i0e(x), out) - xp.sgn(x) * out))  # fmt: skip


# ---------------------------------------------------------------- entropies and logits
def _entr(x: np.ndarray) -> np.ndarray:
    """-x log x, 0 at 0, -inf below."""
    out = -x * np.log(x)
    return np.where(x == 0, x.dtype.type(0), np.where(x < 0, x.dtype.type(-np.inf), out))


entr = _row("entr(x)", _entr, node="SpecialEntrBackward0",
            x=lambda xp, g, x: g * (-xp.log(x) - 1))  # fmt: skip


def _xlogy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = x * np.log(y)
    return np.where((x == 0) & ~np.isnan(y), out.dtype.type(0), out)


def _xlog1py(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = x * np.log1p(y)
    return np.where((x == 0) & ~np.isnan(y), out.dtype.type(0), out)


xlogy = _row("xlogy(x, y)", _xlogy,
             x=lambda xp, g, x, y: xp.where(xp.logical_and(x == 0, y <= 0), xp.zeros_like(g), g * xp.log(y)),
             y=lambda g, x, y: g * (x / y))  # fmt: skip

xlog1py = _row("xlog1py(x, y)", _xlog1py, node="SpecialXlog1PyBackward0",
               x=lambda xp, g, x, y: xp.where(xp.logical_and(x == 0, y <= -1), xp.zeros_like(g), g * xp.log1p(y)),
               y=lambda g, x, y: g * (x / (y + 1)))  # fmt: skip


def _logit(x: np.ndarray, eps: float | None) -> np.ndarray:
    """log(x / (1 - x)), of x clamped to [eps, 1 - eps] if eps is given."""
    if eps is not None:
        x = np.minimum(np.maximum(x, x.dtype.type(eps)), x.dtype.type(1 - eps))
    return np.log(x / (1 - x))


def _logit_rule(xp: Any, g: Any, x: Any, eps: float | None) -> Any:
    lo, hi = (0.0, 1.0) if eps is None else (eps, 1.0 - eps)
    inside = xp.logical_and(x >= lo, x <= hi)
    slope = xp.where(inside, g / (x * (1 - x)), xp.zeros_like(g))
    if eps is None:
        return xp.where(inside, slope, xp.zeros_like(g) + math.nan)
    return slope


logit_row = _row("logit(x, *, eps)", _logit, x=_logit_rule)


# ---------------------------------------------------------------- public names
for _op, _spaces, _inplace, _text in (
    (erf, _ALL, "torch", "2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."),
    (erfc, _ALL, "torch", "1 - erf(x), exactly where that is tiny."),
    (erfinv, _ALL, True, "The inverse of erf: inf at 1, -inf at -1, NaN beyond."),
    (lgamma, _ALL, True, "log |gamma(x)|; inf at 0, -1, -2, ..."),
    (digamma, _ALL, True, "The derivative of lgamma; NaN at -1, -2, ..."),
    (i0, _ALL, "torch", "The modified Bessel function of the first kind of order 0."),
    (erfcx, ("special",), False, "exp(x^2) erfc(x)."),
    (ndtr, ("special",), False, "The area under the standard normal density up to x."),
    (ndtri, ("special",), False, "The inverse of ndtr: -inf at 0, inf at 1, NaN beyond."),
    (log_ndtr, ("special",), False, "log(ndtr(x)) without underflow."),
    (i0e, ("special",), False, "exp(-|x|) i0(x)."),
    (i1, ("special",), False, "The modified Bessel function of the first kind of order 1."),
    (i1e, ("special",), False, "exp(-|x|) i1(x)."),
    (entr, ("special",), False, "-x log(x): 0 at 0, -inf below."),
):
    _op.__doc__ = f"{_text} Element by element."
    public(*_spaces, inplace=_inplace, out=True)(_op)
for _name, _op in {"gammaln": lgamma, "psi": digamma}.items():
    _own = _op.__name__
    public("special", name=_name, out=True)(_op)
    _op.__name__ = _own


@public("Tensor", "special", name="logit", inplace="torch", out=True)
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Return log(x / (1 - x)), of x clamped to [eps, 1 - eps] if eps is given.

    >>> import wengert as torch
    >>> torch.logit(torch.tensor([0.5, 0.75]))
    tensor([0.0000, 1.0986])
    """
    check_tensor(input, "logit")
    return logit_row(input, eps)


public("torch", out=True)(logit)


def _with_numbers(row: Any, name: str, text: str) -> Any:
    def f(input: Any, other: Any) -> Any:
        if not isinstance(input, Tensor):
            if not isinstance(other, Tensor):
                check_tensor(other, name, "other", 2)
            input = as_tensor_arg(input, other)
        return row(input, other)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = text
    return f


_XLOGY = _with_numbers(xlogy, "xlogy", "Return input * log(other), and 0 where input is 0. Either may be a number.")
public("torch", "Tensor", "special", inplace="torch", out=True)(_XLOGY)
_XLOG1PY = _with_numbers(xlog1py, "xlog1py", "Return input * log1p(other), and 0 where input is 0.")
public("special", out=True)(_XLOG1PY)
_ZETA = _with_numbers(zeta, "zeta", "Hurwitz's zeta function: the sum of (other + k)^-input, k = 0, 1, ...")
public("special", out=True)(_ZETA)


@public("torch", "special", out=True)
def polygamma(n: int, input: Tensor) -> Tensor:
    """Return the n-th derivative of digamma (n >= 0)."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    check_tensor(input, "polygamma", "input", 2)
    return digamma(input) if n == 0 else polygamma_row(input, n)


@public("Tensor", name="polygamma", inplace=True)
def _polygamma_method(input: Tensor, n: int) -> Tensor:
    """Return the n-th derivative of digamma (n >= 0)."""
    return polygamma(n, input)


@public("torch", "Tensor", name="mvlgamma", inplace=True, out=True)
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """Return the log of the multivariate gamma function of dimension p, for x > (p - 1) / 2."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    check_tensor(input, "mvlgamma")
    total: Any = p * (p - 1) / 4 * math.log(math.pi)
    for j in range(p):
        total = T.lgamma(T.sub(input, j / 2)) + total
    return total


public("special", name="multigammaln", out=True)(mvlgamma)
mvlgamma.__name__ = "mvlgamma"


@public("special", out=True)
def spherical_bessel_j0(x: Tensor) -> Tensor:
    """Return sin(x) / x, 1 at 0."""
    return T.sinc(T.mul(x, 1 / math.pi))


