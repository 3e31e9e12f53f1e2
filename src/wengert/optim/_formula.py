"""Optimizers whose whole update is one elementwise formula, written once.

`formula(xp, p, g, slots, numbers)` returns the new parameter and its new slots (the state arrays of
its shape). For the ordinary step `xp` has functions of arrays, and the formula runs block by block
over the memory of the parameters; for `differentiable=True` it has functions of tensors, and the
same text is recorded. `plus`, `minus` and `times` write into their first argument if it is an array.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..core.inplace import bump, caller
from ..core.tensor import Tensor, wrap
from ..late import named
from . import _blocks
from .optimizer import Optimizer, number, recorded, start_count


class FormulaOptimizer(Optimizer):
    """The step around a formula: counts, maximisation, weight decay, complex numbers, memory."""

    newer_settings: Mapping[str, Any] = {
        **dict.fromkeys(("maximize", "differentiable", "capturable"), False),
        "foreach": None,
    }
    counts: tuple[str, ...] = ("step",)
    slots: tuple[str, ...]  # the state entries that the formula takes and returns
    formula: Callable[..., tuple[Any, tuple[Any, ...]]]

    def _first_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The state of a parameter before its first step."""
        state = {"step": start_count()}
        for name in self.slots:
            state[name] = wrap(np.zeros_like(p._array))
        return state

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], lr: Any, t: float) -> tuple:
        """The numbers of step `t` that the formula takes; `lr` is a float, or a tensor if recorded."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes the parameters once; returns the loss of `closure` if there is one."""
        loss = self._loss_of(closure)
        where = caller()
        update = _update_of(type(self).formula)
        for group in self.param_groups:
            made: dict[tuple[Any, ...], _blocks.Numbers] = {}
            lr, decay = number(group["lr"]), number(group.get("weight_decay", 0))
            decoupled = group.get("decoupled_weight_decay", False)
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state.update(self._first_state(p, group))
                count = state["step"]._array
                t = float(count) + 1.0
                count[...] = t
                if group["differentiable"]:
                    settings = self._numbers(group, state, scalar(group["lr"]), t)
                    record(self.formula, p, grad, state, group, self.slots, settings)
                    continue
                values = self._numbers(group, state, lr, t)
                numbers = made.get(values)
                if numbers is None:
                    added = decay if decay and not decoupled else None
                    shrink = 1 - lr * decay if decay and decoupled else None
                    numbers = made[values] = _blocks.Numbers(added, shrink, *values)
                g = grad._array
                if group["maximize"]:
                    g = np.negative(g, out=np.empty_like(g))
                arrays = [p._array, g]
                arrays += [state[name]._array for name in self.slots]
                _blocks.run(update, arrays, numbers)
                bump(p, where)
        return loss


def scalar(value: Any) -> Any:
    """A setting that may be a tensor of one element, as a 0-dim tensor then."""
    return value.reshape(()) if isinstance(value, Tensor) else value


def record(
    formula: Any,
    p: Tensor,
    grad: Tensor,
    state: dict[str, Any],
    group: dict[str, Any],
    slots: tuple[str, ...],
    numbers: Any,
) -> None:
    """The step of a formula in tensor operations that are recorded (`differentiable=True`).

    Settings may be tensors that require grad. The parameter is written in place, from a copy of its
    old value: nothing recorded is overwritten.
    """
    xp = _TENSORS
    with recorded(group):
        g: Any = -grad if group["maximize"] else grad
        new: Any = p.clone()
        decay = scalar(group.get("weight_decay", 0))
        if isinstance(decay, Tensor) or decay:
            if group.get("decoupled_weight_decay"):
                new = new * (1 - scalar(group["lr"]) * decay)
            else:
                g = g + new * decay
        values: list[Any] = [state[name] for name in slots]
        if p.is_complex():
            new, g = xp.view_as_real(new), xp.view_as_real(g)
            values = [xp.view_as_real(value) for value in values]
        new, updated = formula(xp, new, g, tuple(values), numbers)
        if p.is_complex():
            new, updated = xp.view_as_complex(new), tuple(map(xp.view_as_complex, updated))
        state.update(zip(slots, updated, strict=True))
        p.copy_(new)


_ARRAYS = SimpleNamespace(
    abs=np.abs,
    clip=np.clip,
    maximum=np.maximum,
    sign=np.sign,
    sqrt=np.sqrt,
    where=np.where,
    plus=operator.iadd,
    minus=operator.isub,
    times=operator.imul,
)


class _Names:
    """The functions of the package by name; nothing is written in place."""

    plus = operator.add
    minus = operator.sub
    times = operator.mul

    def __getattr__(self, name: str) -> Any:
        return named("torch", name)


_TENSORS = _Names()
_updates: dict[Any, _blocks.Update] = {}


def _update_of(formula: Any) -> _blocks.Update:
    """The formula as an update of arrays in place."""
    found = _updates.get(formula)
    if found is not None:
        return found

    def update(arrays: Any, work: Any, numbers: Any) -> None:
        p, g, *slots = arrays
        added, shrink, *rest = numbers
        if shrink is not None:
            p *= shrink
        if added is not None:
            g = g + p * added
        _, updated = formula(_ARRAYS, p, g, tuple(slots), rest)
        for slot, value in zip(slots, updated, strict=True):
            if slot is not value:
                slot[...] = value

    _updates[formula] = update
    return update
