"""`register_multi_grad_hook`: one hook for the gradients of several tensors.

Which of the tensors a backward run reaches is found when the first of their hooks runs.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Self

from ..core.hooks import RemovableHandle
from ..core.tensor import Tensor
from . import backward_run

_lock = threading.Lock()


class _MultiHandle(RemovableHandle):
    """Removes all the hooks at once."""

    handles: tuple[RemovableHandle, ...]

    def __init__(self, handles: tuple[RemovableHandle, ...]) -> None:
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> Self:
        return self


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[[Any], None], *, mode: str = "all"
) -> RemovableHandle:
    """Call `fn` once in a backward run, when the gradients of several tensors have been computed.

    With mode "all", when all those that the run computes are there: fn(gradients), a list with None
    for tensors that get none. With "any", at the first: fn(gradient). What fn returns is ignored.
    Return a handle. ValueError for another mode; RuntimeError for a constant, with "all".

    >>> import wengert as torch
    >>> x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    >>> handle = torch.autograd.graph.register_multi_grad_hook((x, y), print)
    >>> (x * 2 + y * 3).sum().backward()
    [tensor([2., 2.]), tensor([3., 3.])]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = tuple(tensors)
    if mode == "any":
        hook = _first(fn)
        handles = tuple([t.register_hook(hook) for t in tensors if t.requires_grad])
    else:
        constants = [k for k, t in enumerate(tensors) if not t.requires_grad]
        if constants:
            raise RuntimeError(
                "cannot register a hook on a tensor that doesn't require gradient: "
                f"tensors[{constants[0]}], of shape {list(tensors[constants[0]].shape)}"
            )
        edges = [t._edge for t in tensors]
        hooks = _Last(fn, edges)
        handles = tuple([t.register_hook(hooks.of(k)) for k, t in enumerate(tensors)])
    backward_run.watch()
    return _MultiHandle(handles)


def _first(fn: Callable[[Tensor], None]) -> Callable[[Tensor], None]:
    """Return a hook that calls `fn` the first time in a run."""
    key = object()

    def hook(grad: Tensor) -> None:
        run = backward_run.current()
        if run is None:  # a run that had begun before the registration
            return
        with _lock:
            seen, run.notes[key] = key in run.notes, True
        if not seen:
            fn(grad)

    return hook


class _Last:
    """Hooks that collect gradients; the last one that a run reaches calls `fn`."""

    def __init__(self, fn: Callable[[list], None], edges: list[Any]) -> None:
        # weakly: the hooks are kept by these very nodes
        self.fn, self.edges = fn, [weakref.ref(e) for e in edges]

    def of(self, k: int) -> Callable[[Tensor], None]:
        """Return the hook of the k-th tensor."""

        def hook(grad: Tensor) -> None:
            run = backward_run.current()
            if run is None:  # a run that had begun before the registration
                return
            if self not in run.notes:
                edges = [ref() for ref in self.edges]
                missing = sum([e is not None and run.reaches(e) for e in edges])
                run.notes[self] = [missing, [None] * len(self.edges)]
            note = run.notes[self]
            note[0] -= 1
            note[1][k] = grad
            if note[0] == 0:
                self.fn(note[1])

        return hook


__all__ = ["register_multi_grad_hook"]
