"""Adamax: Adam with the largest gradient so far in place of the second moment."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ._formula import FormulaOptimizer
from .optimizer import Params, check_moments


class Adamax(FormulaOptimizer):
    """m <- b1 m + (1-b1) g, u <- max(b2 u, |g| + eps), p <- p - lr / (1 - b1^t) m / u in step t.

    Kingma and Ba, Adam (2015), section 7.1. `foreach` and `capturable` are accepted and change
    nothing.

    >>> import wengert as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    slots = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_moments(lr, eps, betas, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], lr: Any, t: float) -> tuple:
        b1, b2 = group["betas"]
        return (lr / (1 - b1**t), 1 - b1, b2, group["eps"])

    @staticmethod
    def formula(xp: Any, p: Any, g: Any, slots: tuple, numbers: Any) -> tuple[Any, tuple]:
        m, u = slots
        rate, rest1, b2, eps = numbers
        m = xp.plus(m, (g - m) * rest1)
        u = xp.maximum(u * b2, xp.abs(g) + eps)
        return xp.minus(p, m / u * rate), (m, u)
