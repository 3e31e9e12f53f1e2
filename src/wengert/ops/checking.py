"""Checks of arguments that many functions share, in PyTorch's words."""

from __future__ import annotations

from operator import index
from typing import Any

from ..core.tensor import Tensor


def check_tensor(x: Any, caller: str, name: str = "input", position: int = 1) -> None:
    """Raise TypeError unless `x` is a tensor."""
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{caller}(): argument '{name}' (position {position}) must be Tensor, not "
            f"{type(x).__name__}"
        )


def check_float(x: Any, caller: str, kernel: str | None = None) -> None:
    """Raise unless `x` is a tensor of a real floating-point dtype."""
    try:
        d = x._spec.dtype
    except AttributeError:
        check_tensor(x, caller)
        raise
    if d.category != 2:
        raise NotImplementedError(
            f"\"{kernel or caller + '_cpu'}\" not implemented for '{d.scalar_name}': {caller} takes "
            f"floating-point tensors, here it got {d} of shape {list(x.shape)}"
        )


def check_ints(value: Any, caller: str, name: str, position: int = 0) -> tuple[int, ...]:
    """Return one whole number or several as a tuple; TypeError for anything else."""
    try:
        if isinstance(value, (tuple, list)):
            return tuple([index(v) for v in value])
        return (index(value),)
    except TypeError:
        where = f" (position {position})" if position else ""
        raise TypeError(
            f"{caller}(): argument '{name}'{where} must be tuple of ints, not "
            f"{type(value).__name__}"
        ) from None
