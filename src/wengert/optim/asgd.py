"""ASGD: gradient descent that keeps the average of the parameters on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ._formula import FormulaOptimizer
from .optimizer import Params, check_rate, check_setting, number, start_count


class ASGD(FormulaOptimizer):
    """p <- (1 - lambd eta) p - eta g with eta = lr / (1 + lambd lr t)^alpha, averaged in `ax`.

    `ax` in the state is the parameter itself for the first `t0` steps and the running mean of it
    afterwards (Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992).
    `foreach` and `capturable` are accepted and change nothing.

    >>> import wengert as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.ASGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    counts = ("step", "eta", "mu")
    slots = ("ax",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_rate(lr)
        check_setting(weight_decay >= 0.0, "weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _first_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": start_count(),
            "eta": start_count(number(group["lr"])),
            "mu": start_count(1.0),
            "ax": wrap(np.zeros_like(p._array)),
        }

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], lr: Any, t: float) -> tuple:
        eta, mu = float(state["eta"]._array), float(state["mu"]._array)
        lr, lambd = number(lr), group["lambd"]
        # what the next step finds
        state["eta"]._array[...] = lr / (1 + lambd * lr * t) ** group["alpha"]
        state["mu"]._array[...] = 1 / max(1, t - group["t0"])
        return (eta, 1 - lambd * eta, None if mu == 1 else mu)

    @staticmethod
    def formula(xp: Any, p: Any, g: Any, slots: tuple, numbers: Any) -> tuple[Any, tuple]:
        (mean,) = slots
        eta, kept, mu = numbers
        p = xp.minus(xp.times(p, kept), g * eta)
        return p, (p if mu is None else xp.plus(mean, (p - mean) * mu),)
