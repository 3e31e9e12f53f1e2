"""copy, deepcopy, pickle and subclassing of tensors, with PyTorch's rules: who keeps what."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..core.node import leaf_node
from ..core.op import TENSORS
from ..core.registry import public
from ..core.spec import spec_of
from ..core.tensor import Tensor

new = object.__new__

_NON_LEAF = (
    "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at "
    "the moment.  If you were attempting to deepcopy a module, this may be because of a "
    "torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
)


def rebuild(cls: type, array: np.ndarray, requires_grad: bool, state: dict[str, Any]) -> Tensor:
    """Return a leaf of a tensor class over an array (what pickle and copy call)."""
    t: Tensor = new(cls)
    t._array, t._spec, t._edge, t._ext = array, spec_of(array), None, None
    if requires_grad:
        t._edge = leaf_node(t)
    slots, attributes = state.get("slots", {}), state.get("attributes", {})
    for name, value in slots.items():
        setattr(t, name, value)
    if attributes:
        t.__dict__.update(attributes)
    return t


def _state(t: Tensor) -> dict[str, Any]:
    """Return what a subclass has added to a tensor: attributes and slots of its own."""
    state: dict[str, Any] = {}
    if t.__dict__:
        state["attributes"] = dict(t.__dict__)
    slots = {}
    for cls in type(t).__mro__:
        if cls is Tensor:
            break
        for name in cls.__dict__.get("__slots__", ()):
            if hasattr(t, name):
                slots[name] = getattr(t, name)
    if slots:
        state["slots"] = slots
    return state


def _copy(self: Tensor) -> Tensor:
    return rebuild(type(self), self._array, self.requires_grad, _state(self))


def _deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    done: Tensor | None = memo.get(id(self))
    if done is not None:
        return done
    if (node := self.grad_fn) is not None:
        raise RuntimeError(
            f"{_NON_LEAF}. This one is a {self.dtype.name} tensor of shape {list(self.shape)} made "
            f"by {node.name()}; copy t.detach() instead."
        )
    t = rebuild(type(self), self._array.copy("K"), self.requires_grad, {})
    memo[id(self)] = t
    for kind, values in _state(self).items():
        values = copy.deepcopy(values, memo)
        if kind == "attributes":
            t.__dict__.update(values)
        else:
            for name, value in values.items():
                setattr(t, name, value)
    if self._grad is not None:
        t.grad = copy.deepcopy(self._grad, memo)
    return t


def _reduce(self: Tensor, protocol: Any) -> tuple[Any, ...]:
    return rebuild, (type(self), np.array(self._array), self.requires_grad, _state(self))


for _name, _f in {
    "__copy__": _copy,
    "__deepcopy__": _deepcopy,
    "__reduce_ex__": _reduce,
}.items():
    public("Tensor", name=_name)(_f)


@public("Tensor")
def as_subclass(self: Tensor, cls: type) -> Tensor:
    """Return a tensor of a subclass of Tensor over the same memory and with the same history."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"as_subclass(): cls must be a subclass of Tensor, not {cls!r}")
    t: Tensor = TENSORS.alias(self)
    t.__class__ = cls
    return t


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Tensor:
    return rebuild(cls, data._array, require_grad, {})


public("Tensor", name="_make_subclass")(staticmethod(_make_subclass))
