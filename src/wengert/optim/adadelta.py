"""Adadelta: steps scaled by the ratio of two running root mean squares."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ._formula import FormulaOptimizer
from .optimizer import Params, check_rate, check_setting


class Adadelta(FormulaOptimizer):
    """d <- g sqrt(a + eps) / sqrt(v + eps), p <- p - lr d, with running means v of g^2 and a of d^2.

    Zeiler, ADADELTA: An Adaptive Learning Rate Method (2012). `foreach` and `capturable` are
    accepted and change nothing.

    >>> import wengert as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adadelta([w], lr=10.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9684], requires_grad=True)
    """

    slots = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        check_setting(0.0 <= rho <= 1.0, "rho value", rho)
        check_setting(eps >= 0.0, "epsilon value", eps)
        check_setting(weight_decay >= 0.0, "weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "capturable": capturable,
                "foreach": foreach,
                "differentiable": differentiable,
            },
        )

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], lr: Any, t: float) -> tuple:
        return (lr, group["rho"], 1 - group["rho"], group["eps"])

    @staticmethod
    def formula(xp: Any, p: Any, g: Any, slots: tuple, numbers: Any) -> tuple[Any, tuple]:
        v, a = slots
        lr, rho, rest, eps = numbers
        v = xp.plus(xp.times(v, rho), g * g * rest)
        d = xp.sqrt(a + eps) / xp.sqrt(v + eps) * g
        a = xp.plus(xp.times(a, rho), d * d * rest)
        return xp.minus(p, d * lr), (v, a)
