"""RMSprop: steps scaled by a running root mean square of the gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.inplace import bump, caller
from ..core.tensor import Tensor, wrap
from . import _blocks
from ._formula import record, scalar
from .optimizer import Optimizer, Params, check_rate, check_setting, number, start_count


class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g^2, p <- p - lr g / (sqrt(v) + eps).

    Hinton, Neural Networks for Machine Learning, lecture 6 (2012). `centered` subtracts the square
    of the mean gradient from v (Graves, 2013); `momentum` averages the steps. `foreach` and
    `capturable` are accepted and change nothing.

    >>> import wengert as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.RMSprop([w], lr=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    newer_settings: Mapping[str, Any] = {
        **dict.fromkeys(("centered", "capturable", "maximize", "differentiable"), False),
        "momentum": 0,
        "foreach": None,
    }
    counts = ("step",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        check_setting(eps >= 0.0, "epsilon value", eps)
        check_setting(momentum >= 0.0, "momentum value", momentum)
        check_setting(weight_decay >= 0.0, "weight_decay value", weight_decay)
        check_setting(alpha >= 0.0, "alpha value", alpha)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "capturable": capturable,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
            },
        )

    def _state_of(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            state["step"] = start_count()
            state["square_avg"] = wrap(np.zeros_like(p._array))
            if group["momentum"] > 0:
                state["momentum_buffer"] = wrap(np.zeros_like(p._array))
            if group["centered"]:
                state["grad_avg"] = wrap(np.zeros_like(p._array))
        return state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes the parameters once; returns the loss of `closure` if there is one."""
        loss = self._loss_of(closure)
        where = caller()
        for group in self.param_groups:
            alpha = group["alpha"]
            numbers = _blocks.Numbers(
                number(group["lr"]),
                alpha,
                1 - alpha,
                group["eps"],
                number(group["weight_decay"]) or None,
                group["momentum"] or None,
                1 if group["centered"] else None,
            )
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                state = self._state_of(p, group)
                count = state["step"]._array
                count[...] = count + 1
                if group["differentiable"]:
                    _recorded_step(p, grad, state, group)
                    continue
                g = grad._array
                if group["maximize"]:
                    g = np.negative(g, out=np.empty_like(g))
                arrays = [p._array, g, state["square_avg"]._array]
                arrays += [
                    state[name]._array for name in ("momentum_buffer", "grad_avg") if name in state
                ]
                _blocks.run(_update, arrays, numbers)
                bump(p, where)
        return loss


def _update(arrays: Any, work: Any, numbers: Any) -> None:
    p, g, v, *more = arrays
    s, t = work
    lr, alpha, rest, eps, decay, momentum, centered = numbers
    if decay is not None:
        s = np.multiply(p, decay, out=s)
        g = np.add(g, s, out=s)
    t = np.multiply(g, g, out=t)
    np.multiply(t, rest, out=t)
    np.multiply(v, alpha, out=v)
    np.add(v, t, out=v)
    if centered is not None:
        mean = more[-1]
        np.subtract(g, mean, out=t)
        np.multiply(t, rest, out=t)
        np.add(mean, t, out=mean)
        np.multiply(mean, mean, out=t)
        np.subtract(v, t, out=t)
        np.sqrt(t, out=t)
    else:
        np.sqrt(v, out=t)
    np.add(t, eps, out=t)
    np.divide(g, t, out=t)
    if momentum is not None:
        buffer = more[0]
        np.multiply(buffer, momentum, out=buffer)
        np.add(buffer, t, out=buffer)
        np.multiply(buffer, lr, out=t)
    else:
        np.multiply(t, lr, out=t)
    np.subtract(p, t, out=p)


def _recorded_step(p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    slots = ["square_avg"]
    slots += [name for name in ("momentum_buffer", "grad_avg") if name in state]
    momentum = group["momentum"] if "momentum_buffer" in state else None
    numbers = (scalar(group["lr"]), group["alpha"], group["eps"], momentum)
    record(_formula, p, grad, state, group, tuple(slots), numbers)


def _formula(xp: Any, p: Any, g: Any, slots: Any, numbers: Any) -> tuple[Any, tuple]:
    """The same step as a formula of tensors (`differentiable=True`)."""
    lr, alpha, eps, momentum = numbers
    v, *more = slots
    new = [v * alpha + g * g * (1 - alpha)]
    buffer = None if momentum is None else more.pop(0)
    if more:
        mean = more[0] + (g - more[0]) * (1 - alpha)
        d = g / (xp.sqrt(new[0] - mean * mean) + eps)
    else:
        mean = None
        d = g / (xp.sqrt(new[0]) + eps)
    if buffer is not None:
        d = buffer * momentum + d
        new.append(d)
    if mean is not None:
        new.append(mean)
    return p - d * lr, tuple(new)
