"""Tools to look at and hook into the graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

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


def set_warn_on_accumulate_grad_stream_mismatch(enabled: bool) -> None:
    """Do nothing: it is about CUDA streams."""


def set_override_stale_capture_stream(enabled: bool) -> None:
    """Do nothing: it is about CUDA streams."""


def region_activation_memory_budget(budget: float) -> NoReturn:
    """Refuse: it steers `torch.compile`. See `wengert.utils.checkpoint` for recomputing activations.

    ValueError unless 0 <= budget <= 1, RuntimeError otherwise.
    """
    if not 0 <= budget <= 1:
        raise ValueError(
            f"torch.autograd.graph.region_activation_memory_budget: must be in [0, 1], got {budget}"
        )
    raise RuntimeError(
        "torch.autograd.graph.region_activation_memory_budget can only be used inside a torch.compile "
        "region, and nothing is compiled here; torch.utils.checkpoint.checkpoint keeps less"
    )


__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "region_activation_memory_budget",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
    "set_override_stale_capture_stream",
    "set_warn_on_accumulate_grad_stream_mismatch",
]

__getattr__ = getter(__name__, __all__)
