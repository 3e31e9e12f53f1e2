"""The rarer special functions: Bessel, Airy, incomplete gamma, orthogonal polynomials.

All of them run on NumPy alone. PyTorch does not differentiate most of them (their results are
constants there); here they have their derivatives.
"""

from __future__ import annotations

from typing import Any

from ..core.define import elementwise
from ..core.op import TENSORS
from ..core.registry import API, public
from ..core.tensor import Tensor, as_tensor_arg
from ..kernels import airy, bessel_jy, incomplete_gamma, polynomials
from . import special
from .checking import check_tensor

T: Any = TENSORS


def _row(schema: str, kernel: Any, **rules: Any) -> Any:
    return elementwise(schema, kernel, promote="float", **rules)


# ---------------------------------------------------------------- Bessel and Airy
def _j1_slope(xp: Any, x: Any, j_zero: Any, out: Any) -> Any:
    """J1' = J0 - J1 / x, which is 1/2 at 0."""
    origin = x == 0
    return xp.where(origin, xp.zeros_like(x) + 0.5, j_zero - out / (x + origin))


bessel_j0 = _row("bessel_j0(x)", bessel_jy.j0,
                 x=lambda xp, g, x: -g * xp.bessel_j1(x))  # fmt: skip

bessel_j1 = _row("bessel_j1(x)", bessel_jy.j1,
                 x=lambda xp, g, x, out: g * _j1_slope(xp, x, xp.bessel_j0(x), out))  # fmt: skip

bessel_y0 = _row("bessel_y0(x)", bessel_jy.y0,
                 x=lambda xp, g, x: -g * xp.bessel_y1(x))  # fmt: skip

bessel_y1 = _row("bessel_y1(x)", bessel_jy.y1,
                 x=lambda xp, g, x, out: g * (xp.bessel_y0(x) - out / x))  # fmt: skip

modified_bessel_k0 = _row("modified_bessel_k0(x)", bessel_jy.k0,
                          x=lambda xp, g, x: -g * xp.modified_bessel_k1(x))  # fmt: skip

modified_bessel_k1 = _row("modified_bessel_k1(x)", bessel_jy.k1,
                          x=lambda xp, g, x, out: -g * (xp.modified_bessel_k0(x) + out / x))  # fmt: skip

scaled_modified_bessel_k0 = _row(
    "scaled_modified_bessel_k0(x)", bessel_jy.k0e,
    x=lambda xp, g, x, out: g * (out - xp.scaled_modified_bessel_k1(x)))  # fmt: skip

scaled_modified_bessel_k1 = _row(
    "scaled_modified_bessel_k1(x)", bessel_jy.k1e,
    x=lambda xp, g, x, out: g * (out - xp.scaled_modified_bessel_k0(x) - out / x))  # fmt: skip

airy_ai = _row("airy_ai(x)", airy.airy_ai,
               x=lambda xp, g, x: g * xp.airy_ai_slope(x))  # fmt: skip

airy_ai_slope = _row("airy_ai_slope(x)", airy.airy_aip,
                     x=lambda xp, g, x: g * (x * xp.airy_ai(x)))  # fmt: skip


# ---------------------------------------------------------------- incomplete gamma
def _no_order(name: str) -> Any:
    def rule(g: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{name}: input' is not implemented")

    return rule


def _density(xp: Any, x: Any, y: Any) -> Any:
    return xp.exp((x - 1) * xp.log(y) - y - xp.lgamma(x))


igamma = _row("igamma(x, y)", incomplete_gamma.igamma, x=_no_order("igamma"),
              y=lambda xp, g, x, y: g * _density(xp, x, y))  # fmt: skip

igammac = _row("igammac(x, y)", incomplete_gamma.igammac, x=_no_order("igammac"),
               y=lambda xp, g, x, y: -g * _density(xp, x, y))  # fmt: skip

# ---------------------------------------------------------------- polynomials
polynomial = _row("polynomial(x, y, *, family, order)", polynomials.polynomial,
                  x=lambda xp, g, x, y, family, order: g * xp.polynomial(x, y, family, order + 1))  # fmt: skip

# ---------------------------------------------------------------- public names
for _op, _text in (
    (bessel_j0, "The Bessel function of the first kind of order 0."),
    (bessel_j1, "The Bessel function of the first kind of order 1."),
    (bessel_y0, "The Bessel function of the second kind of order 0: -inf at 0, NaN below."),
    (bessel_y1, "The Bessel function of the second kind of order 1: -inf at 0, NaN below."),
    (modified_bessel_k0, "The modified Bessel function of the second kind of order 0."),
    (modified_bessel_k1, "The modified Bessel function of the second kind of order 1."),
    (scaled_modified_bessel_k0, "exp(x) modified_bessel_k0(x)."),
    (scaled_modified_bessel_k1, "exp(x) modified_bessel_k1(x)."),
    (airy_ai, "Airy's function Ai, a solution of y'' = x y."),
):
    _op.__doc__ = f"{_text} Element by element."
    public("special", out=True)(_op)


def _under(name: str, op: Any, *spaces: str, out: bool = True) -> None:
    """Give an op one more name."""
    own = op.__name__
    public(*spaces, name=name, out=out)(op)
    op.__name__ = own


_under("modified_bessel_i0", special.i0, "special")
_under("modified_bessel_i1", special.i1, "special")
for _name in ("exp2", "expm1", "log1p", "sinc", "round"):
    API["special"][_name] = API["torch"][_name]

igamma.__doc__ = "The regularised lower incomplete gamma function P(input, other), element by element."
igammac.__doc__ = "The regularised upper incomplete gamma function Q(input, other), element by element."
for _op, _name in ((igamma, "gammainc"), (igammac, "gammaincc")):
    public("torch", "Tensor", inplace=True, out=True)(_op)
    _under(_name, _op, "special")


def _polynomials(name: str, family: str, shifted: bool, text: str) -> None:
    def f(input: Any, n: Any) -> Tensor:
        if not isinstance(input, Tensor):
            check_tensor(n, f"special_{name}", "n", 2)
            input = as_tensor_arg(input, n)
        degree = n.detach() if isinstance(n, Tensor) else as_tensor_arg(n, input)
        return polynomial(T.mul(input, 2) - 1 if shifted else input, degree, family, 0)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Return {text} of degree n (a number or a tensor); 0 for negative n."
    public("special", out=True)(f)


for _letter, _kind in {"t": "first", "u": "second", "v": "third", "w": "fourth"}.items():
    _text = f"Chebyshev's polynomial of the {_kind} kind"
    _polynomials(f"chebyshev_polynomial_{_letter}", f"chebyshev_{_letter}", False, _text)
    _polynomials(f"shifted_chebyshev_polynomial_{_letter}", f"chebyshev_{_letter}", True,
                 f"{_text}, moved to the interval from 0 to 1,")  # fmt: skip
_polynomials("hermite_polynomial_h", "hermite_h", False, "Hermite's polynomial (physicists')")
_polynomials("hermite_polynomial_he", "hermite_he", False, "Hermite's polynomial (probabilists')")
_polynomials("laguerre_polynomial_l", "laguerre_l", False, "Laguerre's polynomial")
_polynomials("legendre_polynomial_p", "legendre_p", False, "Legendre's polynomial")
