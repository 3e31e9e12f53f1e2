"""Inference mode: the mode whose results can never be recorded."""

from __future__ import annotations

from typing import Any

from . import state
from .tensor import Tensor, extra_of


class InferenceMode(state.Mode):
    """Marks what is computed in inference mode, on the threads that are inside it."""

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        """Run the call; a result that is no view of a normal tensor becomes an inference tensor."""
        result = self.forward(op, args, params)
        if state.is_inference():
            if op.view and not any(isinstance(a, Tensor) and a.is_inference() for a in args):
                return result
            for r in result if isinstance(result, tuple) else (result,):
                mark(r)
        return result


_specs: dict[Any, Any] = {}


def mark(t: Any) -> Any:
    """Mark a tensor as made in inference mode.

    Its spec is one that no fast path takes, so that recording always sees the mark.
    """
    if isinstance(t, Tensor):
        extra_of(t).inference = True
        s = t._spec
        if s.cpu:
            if len(_specs) > 4096:
                _specs.clear()
            cold = _specs.get(s)
            if cold is None:
                cold = _specs[s] = s.wrapped()
                cold.plain = s.plain
            t._spec = cold
    return t


INFERENCE = InferenceMode()
_depth = 0


def enter() -> None:
    """Start marking results (nests)."""
    global _depth
    with state._lock:
        _depth += 1
        if _depth == 1:
            state.push_mode(INFERENCE)


def leave() -> None:
    """Stop marking results."""
    global _depth
    with state._lock:
        _depth -= 1
        if _depth == 0:
            state.pop_mode(INFERENCE)
