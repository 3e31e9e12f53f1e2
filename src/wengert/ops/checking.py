"""Checks of arguments that many functions share, in PyTorch's words."""

from __future__ import annotations

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

