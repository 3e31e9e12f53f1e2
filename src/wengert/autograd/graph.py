"""Tools to look at and hook into the graph."""

from __future__ import annotations

from collections.abc import Iterable

from .._missing import getter
from ..core.inplace import bump
from ..core.node import Node
from ..core.tensor import Tensor
from .gradient_edge import GradientEdge, get_gradient_edge
from .multi_grad import register_multi_grad_hook
from .mutation import allow_mutation_on_saved_tensors
from .saved_tensors import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count one in-place write of a tensor (or of several), without writing."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        bump(t)


__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]

__getattr__ = getter(__name__, __all__)
