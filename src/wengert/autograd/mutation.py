"""`allow_mutation_on_saved_tensors`: saved values survive in-place writes, by a copy before the write.

What is saved goes through saved tensor hooks, which keep handles; whoever writes memory tells so
first (`state.BEFORE_WRITE`), and the handles that look at this memory take a copy.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core import state
from ..core.tensor import Tensor, attach
from .saved_tensors import saved_tensors_hooks

_OUTSIDE = (
    "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the "
    "graph was originally recorded."
)


class _Handle:
    """One saved value: the memory itself until it is about to be written, then a copy."""

    __slots__ = ("__weakref__", "value")

    def __init__(self, value: Tensor) -> None:
        self.value: Tensor | None = value


class _AllowMutationOnSavedContext:
    """The handles of one block, also by the memory that they look at."""

    def __init__(self) -> None:
        self._handles: weakref.WeakSet[_Handle] = weakref.WeakSet()
        self._by_memory: dict[int, weakref.WeakSet[_Handle]] = {}
        self._lock = threading.Lock()

    def pack(self, t: Tensor) -> _Handle:
        handle = _Handle(t._share(None))  # without history: an in-place write may lead it back here
        with self._lock:
            self._handles.add(handle)
            self._by_memory.setdefault(_memory(_array_of(t)), weakref.WeakSet()).add(handle)
        return handle

    def unpack(self, handle: _Handle) -> Tensor:
        if handle.value is None:
            raise AssertionError(_OUTSIDE)
        return handle.value

    def before_write(self, array: np.ndarray) -> None:
        """Copy what handles see of this memory."""
        with self._lock:
            copies: dict[int, np.ndarray] = {}
            for handle in self._by_memory.pop(_memory(array), ()):
                if handle.value is not None:
                    handle.value = _copied(handle.value, copies)

    def clear(self) -> None:
        """Forget everything: the values are kept for this block only."""
        with self._lock:
            for handle in self._handles:
                handle.value = None
            self._by_memory.clear()


def _array_of(t: Any) -> np.ndarray:
    """The memory of a tensor, or of what a wrapper wraps."""
    while not t._spec.plain:
        t = t.value
    array: np.ndarray = t._array
    return array


def _memory(array: Any) -> int:
    """Identify the memory of an array by the object that owns it."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return id(array)


def _copied(t: Any, copies: dict[int, np.ndarray]) -> Tensor:
    if not t._spec.plain:
        return t.clone()
    key = id(t._array)
    if key not in copies:
        copies[key] = t._array.copy(order="K")
    return attach(copies[key], t._spec)


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_AllowMutationOnSavedContext]:
    """Within the block, tensors saved for backward may be written in place.

    They are copied just before the first write. Backward must run inside the block: AssertionError
    after it. RuntimeError if such blocks are nested.

    >>> import wengert as torch
    >>> x = torch.tensor([1., 2.], requires_grad=True)
    >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
    ...     y = x * 3
    ...     z = (y * y).sum()
    ...     _ = y.zero_()
    ...     z.backward()
    >>> x.grad
    tensor([18., 36.])
    """
    context = _AllowMutationOnSavedContext()
    with saved_tensors_hooks(context.pack, context.unpack):
        if state.BEFORE_WRITE is not None:
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
        state.BEFORE_WRITE = context.before_write
        try:
            yield context
        finally:
            state.BEFORE_WRITE = None
            context.clear()


__all__ = ["allow_mutation_on_saved_tensors"]
