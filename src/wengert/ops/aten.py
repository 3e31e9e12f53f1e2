"""PyTorch's names of ops, as in `torch.ops.aten.mm.default`: for those who choose ops by name."""

from __future__ import annotations

from typing import Any


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


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return Name(name)
