"""Adagrad: steps scaled by the root of the sum of all squared gradients so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.inplace import bump, caller
from ..core.tensor import Tensor, wrap
from . import _blocks
from ._formula import record, scalar
from .optimizer import (
    Optimizer,
    Params,
    check_flags,
    check_rate,
    check_setting,
    number,
    start_count,
)


class Adagrad(Optimizer):
    """s <- s + g^2, p <- p - lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps) in step t.

    Duchi et al., Adaptive Subgradient Methods (2011). `foreach` and `fused` are accepted and
    change nothing.

    >>> import wengert as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    newer_settings: Mapping[str, Any] = {
        **dict.fromkeys(("maximize", "differentiable"), False),
        **dict.fromkeys(("foreach", "fused")),
    }
    counts = ("step",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rate(lr)
        check_setting(lr_decay >= 0.0, "lr_decay value", lr_decay)
        check_setting(weight_decay >= 0.0, "weight_decay value", weight_decay)
        check_setting(
            initial_accumulator_value >= 0.0,
            "initial_accumulator_value value",
            initial_accumulator_value,
        )
        check_setting(eps >= 0.0, "epsilon value", eps)
        check_flags(foreach, fused, differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
        for group in self.param_groups:
            for p in group["params"]:
                self._state_of(p, group)

    def _state_of(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            state["step"] = start_count()
            start = group["initial_accumulator_value"]
            start = complex(start, start) if p.is_complex() else start
            state["sum"] = wrap(np.full_like(p._array, start))
        return state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes the parameters once; returns the loss of `closure` if there is one."""
        loss = self._loss_of(closure)
        where = caller()
        for group in self.param_groups:
            lr, decay = number(group["lr"]), number(group["weight_decay"]) or None
            by_count: dict[float, _blocks.Numbers] = {}
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                state = self._state_of(p, group)
                count = state["step"]._array
                t = float(count) + 1.0
                count[...] = t
                slowed = 1 + (t - 1) * group["lr_decay"]
                if group["differentiable"]:
                    settings = (scalar(group["lr"]) / slowed, group["eps"])
                    record(_formula, p, grad, state, group, ("sum",), settings)
                    continue
                numbers = by_count.get(t)
                if numbers is None:
                    numbers = by_count[t] = _blocks.Numbers(lr / slowed, group["eps"], decay)
                g = grad._array
                if group["maximize"]:
                    g = np.negative(g, out=np.empty_like(g))
                _blocks.run(_update, [p._array, g, state["sum"]._array], numbers)
                bump(p, where)
        return loss


def _update(arrays: Any, work: Any, numbers: Any) -> None:
    p, g, total = arrays
    s, t = work
    rate, eps, decay = numbers
    if decay is not None:
        s = np.multiply(p, decay, out=s)
        g = np.add(g, s, out=s)
    t = np.multiply(g, g, out=t)
    np.add(total, t, out=total)
    np.sqrt(total, out=t)
    np.add(t, eps, out=t)
    np.divide(g, t, out=t)
    np.multiply(t, rate, out=t)
    np.subtract(p, t, out=p)


def _formula(xp: Any, p: Any, g: Any, slots: Any, numbers: Any) -> tuple[Any, tuple]:
    """The same step as a formula of tensors (`differentiable=True`)."""
    (total,) = slots
    rate, eps = numbers
    total = total + g * g
    return p - g / (xp.sqrt(total) + eps) * rate, (total,)
