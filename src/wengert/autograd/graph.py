"""Tools to look at and hook into the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..core import groups, saving
from ..core.inplace import bump
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


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count one in-place write of a tensor (or of several), without writing."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        bump(t)


class saved_tensors_hooks:
    """Hand every tensor that calls inside the block save for backward to a pair of hooks.

    `pack_hook(tensor)` may return anything; when backward needs the tensor, `unpack_hook` gets that
    and must return a tensor of the same shape and dtype. Of nested blocks only the innermost applies.
    pack_hook must not write into its tensor; writes after packing are not noticed.

    >>> import numpy as np
    >>> import wengert as torch
    >>> x = torch.tensor([1., 2.], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(), torch.from_numpy):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4.])
    """

    def __init__(self, pack_hook: Callable, unpack_hook: Callable) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook
        self._entered: list[saving.SavingMode] = []

    def __enter__(self) -> None:
        mode = saving.SavingMode(self.pack_hook, self.unpack_hook)
        mode.enter()
        self._entered.append(mode)

    def __exit__(self, *exc: object) -> None:
        self._entered.pop().leave()


class save_on_cpu(saved_tensors_hooks):
    """Keep what calls inside the block save on the CPU, where everything is here already."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: t, lambda t: t)


class disable_saved_tensors_hooks:
    """Refuse saved-tensor hooks inside the block, with a message of one's own."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message
        self._before: list[str | None] = []

    def __enter__(self) -> None:
        if saving.active.stack:
            raise RuntimeError(self.error_message)
        self._before.append(saving.active.refusal)
        saving.active.refusal = self.error_message

    def __exit__(self, *exc: object) -> None:
        saving.active.refusal = self._before.pop()


def _copy(t: Tensor) -> Tensor:
    return t.clone()


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """Let tensors be written in place after they were saved: what is saved inside is a copy."""

    def __init__(self) -> None:
        super().__init__(_copy, lambda t: t)

    def __enter__(self) -> None:
        if any(mode.pack_hook is _copy for mode in saving.active.stack):
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
        super().__enter__()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all"
) -> groups.Group:
    """Call `fn` once per backward run, about the gradients of several tensors; return a handle.

    With mode "all" fn gets the list of gradients when the last of those that the run computes is
    known (None for the others), with "any" the gradient that is known first. What fn returns is
    ignored.

    >>> import wengert as torch
    >>> x, y = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> handle = torch.autograd.graph.register_multi_grad_hook((x, y), print)
    >>> (2 * x + 3 * y).backward()
    [tensor([2.]), tensor([3.])]
    >>> handle.remove()
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    return groups.Group(tuple(tensors), fn, mode)


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
