"""What watches backward runs: a chain of watchers that the engine hands every node to.

Anomaly detection and the profiler are watchers. `state.ANOMALY` is the innermost one; without any,
the engine pays one test per run. Calls forward are watched by modes (`core.state.Mode`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..core import state

_lock = threading.Lock()


class Watcher:
    """Sees every node as it runs; each watcher passes it on to the one outside."""

    outer: Watcher | None = None

    def run(self, node: Any, g: Any, create: bool) -> Any:
        """Run a node on the cotangent `g` and return what it passes on along its edges."""
        if self.outer is not None:
            return self.outer.run(node, g, create)
        return node.op.pull_t(node, g) if create else node.op.pull(node, g)

    def accumulate(self, add: Callable, leaf: Any, g: Any, create: bool) -> None:
        """Add a cotangent to the gradient of a leaf, by calling `add(leaf, g, create)`."""
        if self.outer is not None:
            self.outer.accumulate(add, leaf, g, create)
        else:
            add(leaf, g, create)

    def explain(self, node: Any) -> bool:
        """Say what is known about a node that can't run; return True if something was said."""
        return self.outer is not None and self.outer.explain(node)


def push(watcher: Watcher) -> None:
    """Make `watcher` the innermost one."""
    with _lock:
        watcher.outer = state.ANOMALY
        state.ANOMALY = watcher


def pop(watcher: Watcher) -> None:
    """Take `watcher` out of the chain, wherever it is."""
    with _lock:
        if state.ANOMALY is watcher:
            state.ANOMALY = watcher.outer
        else:
            inner = state.ANOMALY
            while inner is not None and inner.outer is not watcher:
                inner = inner.outer
            if inner is not None:
                inner.outer = watcher.outer
        watcher.outer = None
