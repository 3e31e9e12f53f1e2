"""Nested containers where PyTorch takes a flat sequence: the outputs and inputs of `grad` and `backward`."""

from __future__ import annotations

from typing import Any

from ..core import tree
from ..core.tensor import Tensor
from .gradient_edge import GradientEdge

_CONTAINERS = (dict, list, tuple)


def is_edge(x: Any) -> bool:
    """Return True for a gradient edge, which is a leaf although it is a tuple."""
    return isinstance(x, GradientEdge)


def is_nested(x: Any) -> bool:
    """Return True for a dict, a named tuple, or a sequence that holds containers."""
    if x.__class__ is Tensor or not isinstance(x, _CONTAINERS) or is_edge(x):
        return False
    if x.__class__ is not list and x.__class__ is not tuple:
        return not tree.flatten(x)[1].is_leaf()
    return any(
        i.__class__ is not Tensor and isinstance(i, _CONTAINERS) and not is_edge(i) for i in x
    )


def flat(x: Any) -> tuple[tuple, Any]:
    """Return the leaves of a tree of tensors or gradient edges, and its spec."""
    leaves, spec = tree.flatten(x, is_edge)
    return tuple(leaves), spec


def flat_pair(outputs: Any, given: Any) -> tuple[Any, Any]:
    """Return outputs and their gradients as flat sequences."""
    if not is_nested(outputs):
        return outputs, given
    leaves, spec = flat(outputs)
    if given is not None:
        given, found = tree.flatten(given)
        if found != spec:
            raise RuntimeError(
                f"the outputs and their gradients must be nested alike: {spec!r} and {found!r}"
            )
    return leaves, given
