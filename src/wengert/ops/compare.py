"""Comparisons, logic and bits: results without derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import aligned
from ..core.cold import check_broadcast
from ..core.define import plain
from ..core.registry import public
from ..core.tensor import Tensor, as_tensor_arg
from ..kernels.dtypes import of


def _ordered(name: str, f: Any) -> Any:
    def kernel(x: Any, y: Any) -> Any:
        if x.dtype.kind == "c":
            raise NotImplementedError(
                f'"{name}_cpu" not implemented for \'{of(x.dtype).scalar_name}\'; complex numbers '
                "have no order"
            )
        return f(x, y)

    return kernel


eq = plain("eq(x, y)", np.equal)
ne = plain("ne(x, y)", np.not_equal)
lt = plain("lt(x, y)", _ordered("lt", np.less))
le = plain("le(x, y)", _ordered("le", np.less_equal))
gt = plain("gt(x, y)", _ordered("gt", np.greater))
ge = plain("ge(x, y)", _ordered("ge", np.greater_equal))

_ALIASES = {"eq": (), "ne": ("not_equal",), "lt": ("less",), "le": ("less_equal",),
            "gt": ("greater",), "ge": ("greater_equal",)}  # fmt: skip
for _op, _words in ((eq, "is equal to"), (ne, "differs from"), (lt, "is less than"),
                    (le, "is at most"), (gt, "is greater than"), (ge, "is at least")):  # fmt: skip
    _op.__doc__ = f"Return a bool tensor: True where `input` {_words} `other` (with broadcasting)."
    _name = _op.__name__
    for _n in (_name, *_ALIASES[_name]):
        public("torch", "Tensor", name=_n, inplace=True, out=True)(_op)
    _op.__name__ = _name

# ---------------------------------------------------------------- logic
logical_and = plain("logical_and(x, y)", np.logical_and, promote=None)
logical_or = plain("logical_or(x, y)", np.logical_or, promote=None)
logical_xor = plain("logical_xor(x, y)", np.logical_xor, promote=None)
logical_not = plain("logical_not(x)", np.logical_not, promote=None)
for _op in (logical_and, logical_or, logical_xor, logical_not):
    _op.__doc__ = f"Logical {_op.__name__.split('_')[1]}, element by element; nonzero counts as True."
    public("torch", "Tensor", inplace=True, out=True)(_op)


# ---------------------------------------------------------------- bits
def _integers(name: str, f: Any) -> Any:
    def kernel(*arrays: Any) -> Any:
        if arrays[0].dtype.kind not in "iub":
            raise NotImplementedError(
                f'"{name}_cpu" not implemented for \'{of(arrays[0].dtype).scalar_name}\'; bitwise '
                "operations take integer and bool tensors"
            )
        return f(*arrays)

    return kernel


bitwise_and = plain("bitwise_and(x, y)", _integers("bitwise_and", np.bitwise_and))
bitwise_or = plain("bitwise_or(x, y)", _integers("bitwise_or", np.bitwise_or))
bitwise_xor = plain("bitwise_xor(x, y)", _integers("bitwise_xor", np.bitwise_xor))
bitwise_not = plain("bitwise_not(x)", _integers("bitwise_not", np.invert))
bitwise_left_shift = plain("bitwise_left_shift(x, y)", _integers("lshift", np.left_shift))
bitwise_right_shift = plain("bitwise_right_shift(x, y)", _integers("rshift", np.right_shift))
gcd = plain("gcd(x, y)", _integers("gcd", np.gcd))
lcm = plain("lcm(x, y)", _integers("lcm", np.lcm))
for _op in (bitwise_and, bitwise_or, bitwise_xor, bitwise_not, bitwise_left_shift,
            bitwise_right_shift, gcd, lcm):  # fmt: skip
    _op.__doc__ = f"{_op.__name__.replace('_', ' ').capitalize()} of integer tensors, element by element."
    public("torch", "Tensor", inplace=True, out=True)(_op)

heaviside_op = plain("heaviside(x, y)", lambda x, y: np.where(x == 0, y, x > 0).astype(x.dtype))


@public("torch", "Tensor", inplace=True, out=True)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """Return 0 where input < 0, `values` where it is 0, and 1 where it is above.

    >>> import wengert as torch
    >>> torch.heaviside(torch.tensor([-1., 0., 2.]), torch.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return heaviside_op(input, values)


def _nextafter_kernel(x: Any, y: Any) -> Any:
    if x.dtype.kind != "f":
        raise NotImplementedError(f'"nextafter_cpu" not implemented for \'{of(x.dtype).scalar_name}\'')
    return np.nextafter(x, y)


nextafter = plain("nextafter(x, y)", _nextafter_kernel)
nextafter.__doc__ = "Return the next floating-point number after `input` towards `other`."
public("torch", "Tensor", inplace=True, out=True)(nextafter)


# ---------------------------------------------------------------- closeness
isclose_op = plain("isclose(x, y, *, rtol, atol, equal_nan)",
                   lambda x, y, rtol, atol, equal_nan: np.isclose(x, y, rtol, atol, equal_nan), promote=None,
                   batch=aligned)  # fmt: skip


@public("torch", "Tensor")
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Return True where |input - other| <= atol + rtol * |other|.

    >>> import wengert as torch
    >>> torch.isclose(torch.tensor([1., 2.]), torch.tensor([1., 2.1]))
    tensor([ True, False])
    """
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"{input.dtype.scalar_name} did not match {other.dtype.scalar_name}: isclose takes two "
            "tensors of one dtype"
        )
    check_broadcast(input.shape, other.shape)
    return isclose_op(input, other, rtol, atol, equal_nan)


@public("torch", "Tensor")
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Return True if all elements are close; see `isclose`.

    >>> import wengert as torch
    >>> torch.allclose(torch.ones(2), torch.ones(2))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


@public("torch", "Tensor")
def equal(input: Tensor, other: Tensor) -> bool:
    """Return True if two tensors have the same shape and the same elements.

    >>> import wengert as torch
    >>> torch.equal(torch.ones(2), torch.ones(2))
    True
    """
    if input._spec.shape != other._spec.shape:
        return False
    return bool(np.array_equal(input._array, other._array))


def _eq(x: Tensor, y: Any) -> Any:
    if y is None or isinstance(y, str):
        return False
    return _compare(eq, x, y)


def _ne(x: Tensor, y: Any) -> Any:
    if y is None or isinstance(y, str):
        return True
    return _compare(ne, x, y)


def _compare(op: Any, x: Tensor, y: Any) -> Any:
    if not isinstance(y, Tensor | int | float | complex | np.ndarray | np.generic):
        return NotImplemented
    return op(x, y)


def _reverse(op: Any) -> Any:
    return lambda x, y: op(as_tensor_arg(y, x), x)


OPERATORS = {
    "__eq__": _eq, "__ne__": _ne, "__lt__": lt, "__le__": le, "__gt__": gt, "__ge__": ge,
    "__and__": bitwise_and, "__rand__": bitwise_and, "__or__": bitwise_or,
    "__ror__": bitwise_or, "__xor__": bitwise_xor, "__rxor__": bitwise_xor,
    "__invert__": bitwise_not, "__lshift__": bitwise_left_shift,
    "__rshift__": bitwise_right_shift, "__rlshift__": _reverse(bitwise_left_shift),
    "__rrshift__": _reverse(bitwise_right_shift),
}  # fmt: skip
