"""Rprop: only the signs of gradients count; steps grow while they agree and shrink when not."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ._formula import FormulaOptimizer
from .optimizer import Params, check_rate, check_setting, number, start_count


class Rprop(FormulaOptimizer):
    """p <- p - s sign(g), where s is a step of each element's own, at first `lr`.

    s is multiplied by etas[1] where g has the sign of the last step's, by etas[0] where it has the
    other (and the element rests), and kept within `step_sizes` (Riedmiller and Braun, A Direct
    Adaptive Method for Faster Backpropagation Learning, 1993; for whole batches only). `foreach`
    and `capturable` are accepted and change nothing.

    >>> import wengert as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Rprop([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    slots = ("prev", "step_size")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        check_setting(0.0 < etas[0] < 1.0 < etas[1], "eta values", f"{etas[0]}, {etas[1]}")
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": etas,
                "step_sizes": step_sizes,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _first_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        first: Any = number(group["lr"])
        first = complex(first, first) if p.is_complex() else first
        return {
            "step": start_count(),
            "prev": wrap(np.zeros_like(p._array)),
            "step_size": wrap(np.full_like(p._array, first)),
        }

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], lr: Any, t: float) -> tuple:
        return (*group["etas"], *group["step_sizes"])

    @staticmethod
    def formula(xp: Any, p: Any, g: Any, slots: tuple, numbers: Any) -> tuple[Any, tuple]:
        before, s = slots
        down, up, least, most = numbers
        agree = g * before
        factor = xp.where(agree > 0, up, xp.where(agree < 0, down, agree * 0 + 1))
        s = xp.clip(s * factor, least, most)
        g = xp.where(agree < 0, g * 0, g)
        return xp.minus(p, xp.sign(g) * s), (g, s)
