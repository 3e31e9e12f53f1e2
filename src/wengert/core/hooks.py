"""Hooks of a node: what runs before and after it, and what its tensors asked to see."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np

from . import errors, state
from .node import Parts
from .op import TENSORS
from .tensor import Tensor, extra_of, wrap

_ids = itertools.count()


class RemovableHandle:
    """The handle of a registered hook: `remove()` takes the hook out again.

    It works as a context manager too: the hook is removed when the block ends.
    """

    __module__ = "wengert.utils.hooks"

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.id = next(_ids)
        self._ref = weakref.ref(hooks_dict)
        self._extra = None if extra_dict is None else weakref.ref(extra_dict)

    def remove(self) -> None:
        """Take the hook out; doing it twice is harmless."""
        hooks = self._ref()
        if hooks is not None:
            hooks.pop(self.id, None)
        extra = None if self._extra is None else self._extra()
        if extra is not None:
            extra.pop(self.id, None)

    def __getstate__(self) -> dict[str, Any]:
        """The tables themselves, so that the copy of a handle removes from the copies of them."""
        return {
            name: value() if isinstance(value, weakref.ref) else value
            for name, value in self.__dict__.items()
        }

    def __setstate__(self, saved: dict[str, Any]) -> None:
        for name, value in saved.items():
            table = OrderedDict() if name == "_ref" and value is None else value
            self.__dict__[name] = weakref.ref(table) if isinstance(table, OrderedDict) else table

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Hooks:
    """All hooks of one node, in the order in which the engine runs them.

    tensor       hook(grad) of the tensor whose edge this is
    retained     the tensors that want the cotangent as their `.grad`
    pre, post    hook(grad_outputs) before, hook(grad_inputs, grad_outputs) after the node
    accumulated  hook(leaf) after the leaf's `.grad` was written
    """

    __slots__ = ("accumulated", "metadata", "post", "pre", "retained", "tensor")

    def __init__(self) -> None:
        self.tensor: OrderedDict | None = None
        self.retained: list | None = None
        self.pre: OrderedDict | None = None
        self.post: OrderedDict | None = None
        self.accumulated: OrderedDict | None = None
        self.metadata: dict = {}

    def add(self, kind: str, fn: Any) -> RemovableHandle:
        """Register `fn` among the hooks of one kind."""
        table = getattr(self, kind)
        if table is None:
            table = OrderedDict()
            setattr(self, kind, table)
        handle = RemovableHandle(table)
        table[handle.id] = fn
        return handle

    def retain(self, tensor: Tensor) -> None:
        """Fill the `.grad` of a non-leaf when its cotangent arrives."""
        if self.retained is None:
            self.retained = []
        self.retained.append(weakref.ref(tensor))

    def release(self, tensor: Tensor) -> None:
        """Stop filling the `.grad` of a non-leaf whose edge has moved on."""
        self.retained = [r for r in self.retained or () if r() is not None and r() is not tensor]


def shown(g: Any) -> Any:
    """Return a cotangent as the tensor that hooks see: the gradient, which is its conjugate."""
    if g is None:
        return g
    if isinstance(g, Tensor):
        return TENSORS.conj(g) if g._spec.dtype.is_complex else g
    return wrap(np.conj(g) if g.dtype.kind == "c" else g)


def _hidden(t: Any, raw: bool) -> Any:
    """Turn what hooks have seen or returned back into a cotangent."""
    if t is None:
        return t
    if raw and t._spec.plain:
        return np.conj(t._array) if t._spec.dtype.is_complex else t._array
    return TENSORS.conj(t) if t._spec.dtype.is_complex else t


def _checked(t: Tensor, result: Any, hook: Any) -> Tensor:
    """Take a hook's answer in place of the gradient, after checking it."""
    if result is None:
        return t
    if not isinstance(result, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
    if t is not None and tuple(result.shape) != tuple(t.shape):
        name = getattr(hook, "__name__", type(hook).__name__)
        raise RuntimeError(f"hook '{name}' has changed the size of value")
    if t is not None and result.dtype is not t.dtype:
        name = getattr(hook, "__name__", type(hook).__name__)
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {errors.type_name(t)} got "
            f"{errors.type_name(result)})"
        )
    return result


def arrived(n: Any, g: Any, create: bool) -> Any:
    """Run what happens when a cotangent arrives: tensor hooks, then retained gradients."""
    h = n.hooks
    if h.tensor:
        t = shown(g)
        for hook in list(h.tensor.values()):
            t = _checked(t, _call(hook, create, t), hook)
        g = _hidden(t, not create)
    if h.retained:
        for ref in h.retained:
            t = ref()
            if t is not None and t._ext is not None and t._ext.retains:
                keep(extra_of(t), g)
    return g


def before(n: Any, g: Any, create: bool) -> Any:
    """Run what happens before a node runs: what its cotangent arriving means, then prehooks."""
    g = arrived(n, g, create)
    h = n.hooks
    if h.pre:
        parts = _as_tuple(g)
        for hook in list(h.pre.values()):
            result = _call(hook, create, parts)
            if result is not None:
                result = result if isinstance(result, tuple) else (result,)
                parts = tuple(result)
                g = _from_tuple(parts, g, not create)
    return g


def _call(hook: Any, create: bool, *args: Any) -> Any:
    before_ = state.set_grad_enabled(create)
    try:
        return hook(*args)
    finally:
        state.set_grad_enabled(before_)


def _as_tuple(g: Any) -> tuple:
    if isinstance(g, Parts):
        return tuple(shown(i) for i in g.items)
    return (shown(g),)


def _from_tuple(parts: tuple, g: Any, raw: bool) -> Any:
    values = [_hidden(p, raw) for p in parts]
    if isinstance(g, Parts):
        return type(g)(values)
    return values[0]


def after(n: Any, contributions: Any, g: Any, create: bool) -> Any:
    """Run the posthooks of a node on what it passes on and what it received."""
    h = n.hooks
    if not h.post:
        return contributions
    outs = tuple(shown(c) for c in contributions)
    for hook in list(h.post.values()):
        result = _call(hook, create, outs, _as_tuple(g))
        if result is not None:
            result = result if isinstance(result, tuple) else (result,)
            if len(result) != len(outs):
                raise RuntimeError(
                    f"hook '{getattr(hook, '__name__', hook)}' returned {len(result)} gradients; "
                    f"the node passes on {len(outs)}"
                )
            outs = result
            contributions = [_hidden(c, not create) for c in outs]
    return contributions


def keep(holder: Any, g: Any) -> None:
    """Add a cotangent to the retained gradient of a non-leaf."""
    t = shown(g)
    if isinstance(g, Tensor):
        holder.grad = t if holder.grad is None else holder.grad + t
    elif holder.grad is None:
        holder.grad = wrap(t._array.copy())
    else:
        holder.grad = wrap(holder.grad._array + t._array)


def accumulated(n: Any, leaf: Any) -> None:
    """Run the post-accumulate hooks of a leaf."""
    h = n.hooks
    if h.accumulated and leaf is not None:
        for hook in list(h.accumulated.values()):
            result = _call(hook, False, leaf)
            if result is not None:
                raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
