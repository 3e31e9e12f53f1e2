"""Hooks on several tensors: called once per backward run, for the first gradient or for all of them.

They must know where a run begins and what it will reach, so the engine names its run here; it does so only
while such hooks exist (`state.GROUPS`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from . import state
from .node import Node
from .tensor import Tensor


class _Current(threading.local):
    runs: tuple = ()  # of this thread, the innermost last


_current = _Current()
_lock = threading.Lock()


class Run:
    """One backward run: its roots, what was asked for, and the gradients that groups have seen."""

    def __init__(self, roots: list, inputs: set[Node]) -> None:
        self.roots, self.inputs = roots, inputs
        self.seen: dict[Group, list] = {}
        self._reached: set[Node] | None = None

    def __enter__(self) -> Run:
        _current.runs = (*_current.runs, self)
        return self

    def __exit__(self, *exc: object) -> None:
        _current.runs = _current.runs[:-1]

    def reaches(self, edge: Node) -> bool:
        """True if a gradient arrives at this edge in the run."""
        if self._reached is None:
            starts = [node for node, _ in self.roots]
            if self.inputs:
                from .engine import _on_the_way

                self._reached = _on_the_way(starts, self.inputs) | self.inputs
            else:
                self._reached = _everything_below(starts)
        return edge in self._reached


def is_named(roots: Any) -> bool:
    """True if the run over these very roots has been named already."""
    return bool(_current.runs) and _current.runs[-1].roots is roots


def _everything_below(starts: list[Node]) -> set[Node]:
    found, todo = set(starts), list(starts)
    while todo:
        for e in todo.pop().edges:
            if e is not None and e not in found:
                found.add(e)
                todo.append(e)
    return found


class Group:
    """Several tensors with one hook; also the handle that removes it."""

    def __init__(self, tensors: Sequence[Tensor], fn: Callable, mode: str) -> None:
        self.fn, self.mode = fn, mode
        self.handles = [t.register_hook(_Member(self, k)) for k, t in enumerate(tensors)]
        self.edges = [t._edge for t in tensors]
        with _lock:
            state.GROUPS += 1

    def remove(self) -> None:
        """Take the hook out again; doing it twice is harmless."""
        if self.handles:
            with _lock:
                state.GROUPS -= 1
        for handle in self.handles:
            handle.remove()
        self.handles, self.edges = [], []

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def arrived(self, k: int, g: Tensor) -> None:
        """The gradient of the k-th tensor is known in the current run."""
        run = _current.runs[-1]
        if self.mode == "any":
            if self not in run.seen:
                run.seen[self] = []
                self.fn(g)
            return
        grads = run.seen.setdefault(self, [None] * len(self.edges))
        grads[k] = g
        missing = [e for e, have in zip(self.edges, grads, strict=True) if have is None]
        if not any(run.reaches(e) for e in missing if e is not None):
            self.fn(grads)


class _Member:
    """The tensor hook of one member of a group."""

    def __init__(self, group: Group, k: int) -> None:
        self.group, self.k = group, k

    def __call__(self, g: Tensor) -> None:
        self.group.arrived(self.k, g)
