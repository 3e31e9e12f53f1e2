"""Parameter and Buffer: tensors that a module registers when they are set as attributes."""

from __future__ import annotations

from typing import Any

from .node import leaf_node
from .tensor import Tensor

new = object.__new__


class Parameter(Tensor):
    """A tensor that is a module's parameter; it requires grad by default.

    Assigned as an attribute of a Module it shows up in `parameters()`. It shares memory with
    `data`; grad mode does not matter.

    >>> import wengert as torch
    >>> torch.nn.Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __module__ = "wengert.nn.parameter"
    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if data is None:
            from ..ops.create import empty

            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter() takes a Tensor, not {type(data).__name__}")
        if requires_grad and data._spec.dtype.category < 2:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        t = new(cls)
        t._array, t._spec, t._ext = data._array, data._spec, None
        t._edge = leaf_node(t) if requires_grad else None
        return t

    def __repr__(self) -> str:
        return "Parameter containing:\n" + Tensor.__repr__(self)


class Buffer(Tensor):
    """A tensor that is a module's buffer: state that is no parameter.

    >>> import wengert as torch
    >>> torch.nn.Buffer(torch.ones(2)).requires_grad
    False
    """

    __slots__ = ("persistent",)
    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        if data is None:
            from ..ops.create import empty

            data = empty(0)
        t = new(cls)
        t._array, t._spec, t._ext, t._edge = data._array, data._spec, None, None
        t.persistent = persistent
        return t
