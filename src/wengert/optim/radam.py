"""RAdam: Adam that waits with the second moment until its estimate is worth something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.tensor import Tensor
from ._formula import FormulaOptimizer
from .optimizer import Params, check_moments


class RAdam(FormulaOptimizer):
    """Adam's moments; p <- p - lr m^ while r <= 5, then p <- p - lr m^ k / (sqrt(v^) + eps).

    r = R - 2 t b2^t / (1 - b2^t), R = 2 / (1 - b2) - 1 is how many gradients v knows, and
    k = sqrt((r-4)(r-2)R / ((R-4)(R-2)r)) (Liu et al., On the Variance of the Adaptive Learning Rate
    and Beyond, 2020). `foreach` and `capturable` are accepted and change nothing.

    >>> import wengert as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    newer_settings: Mapping[str, Any] = {
        **FormulaOptimizer.newer_settings,
        "decoupled_weight_decay": False,
    }
    slots = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_moments(lr, eps, betas, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], lr: Any, t: float) -> tuple:
        b1, b2 = group["betas"]
        unbias2 = 1 - b2**t
        most = 2 / (1 - b2) - 1
        known = most - 2 * t * b2**t / unbias2
        scale = None
        if known > 5:
            spread = (known - 4) * (known - 2) * most / ((most - 4) * (most - 2) * known)
            scale = (spread * unbias2) ** 0.5
        return (lr / (1 - b1**t), scale, 1 - b1, b2, 1 - b2, group["eps"])

    @staticmethod
    def formula(xp: Any, p: Any, g: Any, slots: tuple, numbers: Any) -> tuple[Any, tuple]:
        m, v = slots
        rate, scale, rest1, b2, rest2, eps = numbers
        m = xp.plus(m, (g - m) * rest1)
        v = xp.plus(xp.times(v, b2), g * g * rest2)
        d = m * rate
        if scale is not None:
            d = d * scale / (xp.sqrt(v) + eps)
        return xp.minus(p, d), (m, v)
