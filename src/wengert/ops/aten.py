"""PyTorch's names of ops, as in `torch.ops.aten.mm.default`: for those who choose ops by name."""

from __future__ import annotations

from typing import Any

from ..core import registry
from ..core.op import TABLE

_SPACES = ("torch", "Tensor", "F", "special", "linalg", "xp")
_PRIVATE = frozenset(  # names in PyTorch's graphs that no public function has
    "_log_softmax _reshape_alias _softmax _to_copy _unsafe_view convolution detach "
    "max_pool2d_with_indices native_batch_norm native_dropout native_group_norm native_layer_norm".split()
)


class Name(str):
    """The name of an op; its overloads (`.default`, `.Tensor`, ...) are the name itself.

    >>> import wengert as torch
    >>> torch.ops.aten.mm.default == "mm"
    True
    """

    __slots__ = ()

    def __getattr__(self, overload: str) -> Name:
        if overload.startswith("_"):
            raise AttributeError(f"'Name' object has no attribute {overload!r}")
        return self

    def __repr__(self) -> str:
        return f"<op aten.{self}>"


def known(name: str) -> bool:
    """Return True for the name of an op, a function or a method."""
    return (
        name in TABLE
        or name in _PRIVATE
        or any(name in registry.API[s] or name in registry.late.get(s, ()) for s in _SPACES)
    )


def __getattr__(name: str) -> Any:
    if name.startswith("__") or not known(name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: there is no such op")
    return Name(name)
