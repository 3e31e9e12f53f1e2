"""Forward mode: tensors that carry a tangent through every call.

Inside `dual_level`, `make_dual(x, t)` is x with the tangent t; what is computed from it carries the
derivative in direction t, which `unpack_dual` reads. Reverse mode can differentiate the result.
"""

from __future__ import annotations

from typing import NamedTuple

from ..core import dual
from ..core.dual import Dual
from ..core.op import TENSORS
from ..core.tensor import Tensor
from .function_op import check_tangent
from .grad_mode import _Switch

_current: int | None = None  # the wrapper level that is open; there is one at most


class UnpackedDualTensor(NamedTuple):
    """The value of a dual tensor and its tangent (None if it has none)."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Open the level inside which dual tensors can be made; return its number, 0.

    There is one level at a time: a second one raises RuntimeError.
    """
    global _current
    if _current is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _current = dual.open_level()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level; what was dual inside is a plain value from here on."""
    global _current
    if _current is None:
        raise RuntimeError("Dual level must be a positive number.")
    if level is not None and level != 0:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is "
            "not supported."
        )
    dual.close_level(_current)
    _current = None


class dual_level(_Switch):
    """Open a level for the block (or the decorated function), in which duals can be made.

    >>> import wengert as torch
    >>> import wengert.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(torch.tensor([1., 2.]), torch.tensor([1., 0.]))
    ...     fwAD.unpack_dual(x ** 2).tangent
    tensor([2., 0.])
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level(level=0)


def _is_dual(t: Tensor) -> bool:
    return isinstance(t, Dual) and t.level == _current


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """Return `tensor` with a tangent of its shape; the memory is shared.

    Both must be floating point or complex (ValueError). Raises RuntimeError outside a level, for
    another shape, and if either carries a tangent already.
    """
    if level is not None and level > 0:
        raise RuntimeError("Invalid level given to _make_dual")
    if _current is None or (level is not None and level < 0):
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for t, what in ((tensor, "primal"), (tangent, "tangent")):
        if not isinstance(t, Tensor):
            raise TypeError(f"make_dual: {what} must be a Tensor, not {type(t).__name__}")
        if not (t.dtype.is_floating_point or t.dtype.is_complex):
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype}")
    if _is_dual(tensor):
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the "
            "same level 0 is not supported."
        )
    if _is_dual(tangent):
        raise RuntimeError(
            "Setting a forward grad that itself has a forward gradient at the same level0 is not "
            "supported."
        )
    check_tangent(tensor, tangent)
    return Dual.over(_current, tensor.view_as(tensor), tangent)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """Return the value and the tangent of a tensor; the tangent is None if it has none."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"unpack_dual: expected a Tensor, not {type(tensor).__name__}")
    if isinstance(tensor, Dual) and (tensor.level == _current or not dual.is_open(tensor.level)):
        tangent = tensor.note if tensor.level == _current else None
        return UnpackedDualTensor(tensor.value, tangent)
    return UnpackedDualTensor(tensor if _current is None else TENSORS.alias(tensor), None)


__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]
