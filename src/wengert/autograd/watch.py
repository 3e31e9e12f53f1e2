"""What watches backward runs: a chain of watchers that the engine hands every node to.

Anomaly detection and the profiler are watchers. `state.ANOMALY` is the innermost one; without any,
the engine pays one test per run. Calls forward are watched by modes (`core.state.Mode`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import isnan
from typing import Any

import numpy as np

from ..core import state
from ..core.dual import innermost
from ..core.errors import described
from ..core.node import Parts
from ..core.tensor import Tensor, wrap

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

    def explain(self, node: Any) -> str:
        """Say what is known about a node that can't run; return what was said, if anything."""
        return "" if self.outer is None else self.outer.explain(node)


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


# ------------------------------------------------------------------- looking at cotangents
def counts(g: Any) -> str:
    """Say of a cotangent which tensor it is and how many of its elements are NaN and Inf."""
    if isinstance(g, Parts):
        return ", ".join("None" if i is None else counts(i) for i in g.items)
    t = g if isinstance(g, Tensor) else wrap(np.asarray(g))
    a = innermost(t)
    if a.dtype.kind not in "fc":
        return described(t)
    found = [f"{n} {w}" for w, n in (("nan", np.isnan(a).sum()), ("inf", np.isinf(a).sum())) if n]
    return f"{described(t)}, {' and '.join(found) if found else 'all finite'}"


def has_nan(c: Any) -> bool:
    """Return True if a cotangent (an array, a tensor, or `Parts`) has a NaN."""
    a = innermost(c) if isinstance(c, Tensor) else c
    if a.__class__ is np.ndarray:
        if a.dtype.char in "fd":  # a sum of squares is NaN where an element is: no temporaries
            return isnan(np.vdot(a, a))
        return a.dtype.kind in "fc" and bool(np.isnan(a).any())
    if isinstance(a, Parts):
        return any(i is not None and has_nan(i) for i in a.items)
    return bool(np.isnan(a).any())
