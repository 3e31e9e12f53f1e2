"""Tools to look at and hook into the graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .._missing import getter
from ..core.inplace import bump
from ..core.node import PORT, Node, port, seen
from ..core.tensor import Tensor
from .multi_grad import register_multi_grad_hook
from .mutation import allow_mutation_on_saved_tensors
from .saved_tensors import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks


class GradientEdge(NamedTuple):
    """Where the gradient of a tensor flows: a node and which of its outputs.

    It can stand for an output or an input in `grad` and `backward`.
    """

    node: Any
    output_nr: int
    ownership_token: Any = None

    @property
    def edge(self) -> Node:
        """The edge inside the engine."""
        if self.ownership_token is not None:
            return self.ownership_token
        n = self.node
        count = getattr(n, "_output_count", 1)  # a custom function knows
        if getattr(n.op, "outputs", 1) not in (1, "custom"):
            count = len(n.out) if getattr(n, "out", None).__class__ is tuple else self.output_nr + 1
        if count != 1:
            return port(n, self.output_nr, count)
        return n


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Return the edge where the gradient of `tensor` flows.

    >>> import wengert as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> torch.autograd.graph.get_gradient_edge(x * 2).output_nr
    0
    """
    if tensor._edge is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    node, number = seen(tensor._edge)
    return GradientEdge(node, number, tensor._edge if tensor._edge.op is PORT else None)


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
