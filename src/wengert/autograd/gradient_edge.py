"""`GradientEdge`: a place in the graph that can stand for a tensor in `grad` and `backward`."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.node import PORT, Node, port, seen
from ..core.tensor import Tensor


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
