"""Hangs the op table on Tensor: operators, methods, in-place twins.

The modules of `ops` register their functions by name (core/registry.py); here the names find
their place. Families that few programs use load when they are touched (late.py).
"""

from __future__ import annotations

from typing import Any

from .core import parameter, views
from .core.registry import API
from .core.tensor import Tensor, as_tensor_arg
from .ops import (  # noqa: F401 (importing a family registers it)
    addmm,
    arith,
    cast,
    compare,
    create,
    index,
    join,
    legacy,
    matmul,
    reduce,
    scalars,
    shape,
    traits,
    unary,
    write,
)
from .core import numpy_protocol  # noqa: F401
from . import late

views.register()


def _right(op: Any) -> Any:
    """The reflected form of an operator that does not commute."""

    def reflected(x: Tensor, y: Any) -> Any:
        return op(as_tensor_arg(y, x), x)

    return reflected


def _rtruediv(x: Tensor, y: Any) -> Tensor:
    return arith.mul(unary.reciprocal(x), y)


def _rpow(x: Tensor, y: Any) -> Tensor:
    return arith.pow_(y, x)


def _install() -> None:
    table = API["Tensor"]
    for name, f in {**arith.OPERATORS, **compare.OPERATORS, **table}.items():
        setattr(Tensor, name, f)
    reflected = {
        "__rtruediv__": _rtruediv, "__rpow__": _rpow, "__rfloordiv__": _right(arith.floor_divide),
        "__rmod__": _right(arith.remainder), "__pos__": unary.positive, "__abs__": unary.abs_,
    }  # fmt: skip
    for name, f in reflected.items():
        setattr(Tensor, name, f)
    for mark, name in {
        "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide",
        "mod": "remainder", "pow": "pow", "and": "bitwise_and", "or": "bitwise_or",
        "xor": "bitwise_xor", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
    }.items():  # fmt: skip
        setattr(Tensor, f"__i{mark}__", table[name + "_"])


_install()
late.prepare()

__all__ = ["API", "parameter"]
