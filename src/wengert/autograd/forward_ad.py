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

_levels: list[int] = []  # the wrapper levels that are open, the innermost last


class UnpackedDualTensor(NamedTuple):
    """The value of a dual tensor and its tangent (None if it has none)."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Open a level inside which dual tensors can be made; return its number, from 0.

    Levels nest, so that a derivative can be differentiated in forward mode again (PyTorch has one).
    """
    _levels.append(dual.open_level())
    return len(_levels) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the innermost level; what was dual at it is a plain value from here on."""
    if not _levels:
        raise RuntimeError("Dual level must be a positive number.")
    if level is not None and level != len(_levels) - 1:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is "
            "not supported."
        )
    dual.close_level(_levels.pop())


class dual_level(_Switch):
    """Open a level for the block (or the decorated function), in which duals can be made.

    Blocks nest; `level=` of make_dual and unpack_dual names one by its number, the innermost is
    the default.

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
        exit_dual_level()


def _chosen(level: int | None) -> int | None:
    """The wrapper level of a number (None: the innermost); None if it is not open."""
    if level is None:
        return _levels[-1] if _levels else None
    return _levels[level] if 0 <= level < len(_levels) else None


def _is_dual(t: Tensor, current: int) -> bool:
    return isinstance(t, Dual) and t.level == current


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """Return `tensor` with a tangent of its shape; the memory is shared.

    Both must be floating point or complex (ValueError). Raises RuntimeError outside a level, for
    another shape, and if either carries a tangent already.
    """
    current = _chosen(level)
    if current is None:
        if level is not None and level > 0:
            raise RuntimeError("Invalid level given to _make_dual")
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for t, what in ((tensor, "primal"), (tangent, "tangent")):
        if not isinstance(t, Tensor):
            raise TypeError(f"make_dual: {what} must be a Tensor, not {type(t).__name__}")
        if not (t.dtype.is_floating_point or t.dtype.is_complex):
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype}")
    number = _levels.index(current)
    if _is_dual(tensor, current):
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the "
            f"same level {number} is not supported."
        )
    if _is_dual(tangent, current):
        raise RuntimeError(
            "Setting a forward grad that itself has a forward gradient at the same level "
            f"{number} is not supported."
        )
    check_tangent(tensor, tangent)
    if getattr(tensor, "level", 0) > current:
        raise RuntimeError(
            f"make_dual: the tensor is dual at a level inside of level {number}; make it dual at "
            "the outer level first"
        )
    return Dual.over(current, tensor.view_as(tensor), tangent)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """Return the value and the tangent of a tensor; the tangent is None if it has none."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"unpack_dual: expected a Tensor, not {type(tensor).__name__}")
    current = _chosen(level)
    while isinstance(tensor, Dual) and not dual.is_open(tensor.level):
        tensor = tensor.value
    if current is None:
        return UnpackedDualTensor(tensor, None)
    return _unpacked(tensor, current)


def _unpacked(tensor: Tensor, current: int) -> UnpackedDualTensor:
    if isinstance(tensor, Dual) and tensor.level == current:
        return UnpackedDualTensor(tensor.value, tensor.note)
    if isinstance(tensor, Dual) and tensor.level > current:  # an inner level lies over the one asked for
        inner = _unpacked(tensor.value, current)
        slope = None if tensor.note is None else _unpacked(tensor.note, current)
        primal = Dual.over(tensor.level, inner.primal, None if slope is None else slope.primal)
        pushed = None if slope is None else slope.tangent
        if inner.tangent is None and pushed is None:
            return UnpackedDualTensor(primal, None)
        tangent = TENSORS.zeros_like(inner.primal) if inner.tangent is None else inner.tangent
        return UnpackedDualTensor(primal, Dual.over(tensor.level, tangent, pushed))
    return UnpackedDualTensor(TENSORS.alias(tensor), None)


__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]
