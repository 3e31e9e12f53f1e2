"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ._formula import FormulaOptimizer
from .optimizer import Params, check_moments, check_setting, start_count


class NAdam(FormulaOptimizer):
    """Adam's moments m and v, and p <- p - lr (k_g g + k_m m) / (sqrt(v^) + eps).

    With mu_t = b1 (1 - 0.96^(t momentum_decay) / 2) and M_t = mu_1 ... mu_t the weights are
    k_g = (1 - mu_t) / (1 - M_t) and k_m = mu_(t+1) / (1 - M_(t+1)) (Dozat, Incorporating Nesterov
    Momentum into Adam, 2016). `foreach` and `capturable` are accepted and change nothing.

    >>> import wengert as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8944], requires_grad=True)
    """

    newer_settings: Mapping[str, Any] = {
        **FormulaOptimizer.newer_settings,
        "decoupled_weight_decay": False,
    }
    counts = ("step", "mu_product")
    slots = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_moments(lr, eps, betas, weight_decay)
        check_setting(momentum_decay >= 0.0, "momentum_decay value", momentum_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def _first_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = super()._first_state(p, group)
        return {"step": state.pop("step"), "mu_product": start_count(1.0), **state}

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], lr: Any, t: float) -> tuple:
        b1, b2 = group["betas"]
        decay = group["momentum_decay"]
        mu = b1 * (1 - 0.5 * 0.96 ** (t * decay))
        following = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * decay))
        kept = state["mu_product"]._array
        np.multiply(kept, mu, out=kept)
        product = float(kept)
        return (
            lr * (1 - mu) / (1 - product),
            lr * following / (1 - product * following),
            1 - b1,
            b2,
            1 - b2,
            1 - b2**t,
            group["eps"],
        )

    @staticmethod
    def formula(xp: Any, p: Any, g: Any, slots: tuple, numbers: Any) -> tuple[Any, tuple]:
        m, v = slots
        of_g, of_m, rest1, b2, rest2, unbias, eps = numbers
        m = xp.plus(m, (g - m) * rest1)
        v = xp.plus(xp.times(v, b2), g * g * rest2)
        root = xp.sqrt(v / unbias) + eps
        return xp.minus(xp.minus(p, g / root * of_g), m / root * of_m), (m, v)
