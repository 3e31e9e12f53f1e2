"""One backward run, for those who keep something while it lasts: `Run`, `current` and `watch`.

Nothing is noted until somebody asks for it with `watch()`.
"""

from __future__ import annotations

import threading
from typing import Any

from ..core import engine, state
from ..core.node import Node


class _Thread(threading.local):
    run: Run | None = None  # the innermost backward run of a thread


_thread = _Thread()


class Run:
    """One backward run: where it starts and ends, and what hooks have noted during it."""

    def __init__(self, roots: list[tuple[Node, Any]], inputs: list[Node]) -> None:
        self.roots, self.inputs = [n for n, _ in roots], inputs
        self.notes: dict[Any, Any] = {}
        self._outer: Run | None = None
        self._reached: set[Node] | None = None

    def __enter__(self) -> None:
        self._outer, _thread.run = _thread.run, self

    def __exit__(self, *exc: object) -> None:
        _thread.run = self._outer

    def reaches(self, edge: Node) -> bool:
        """Return True if a cotangent may arrive at this edge in this run."""
        if self._reached is None:
            if self.inputs:
                want = set(self.inputs)
                self._reached = engine._on_the_way(self.roots, want) | want
            else:
                self._reached = _below(self.roots)
        return edge in self._reached


def _below(roots: list[Node]) -> set[Node]:
    visited, stack = set(roots), list(roots)
    while stack:
        for e in stack.pop().edges:
            if e is not None and e not in visited:
                visited.add(e)
                stack.append(e)
    return visited


def watch() -> None:
    """From here on, make every backward run known to `current`."""
    state.WATCH_RUNS = Run


def current() -> Run | None:
    """Return the innermost run of this thread; None outside, and in one that began before `watch`."""
    return _thread.run
