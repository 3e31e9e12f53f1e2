"""Adam and AdamW: steps scaled by running estimates of the gradient's first two moments."""

from __future__ import annotations

import math
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
    check_betas,
    check_flags,
    check_rate,
    check_setting,
    number,
    start_count,
)


class Adam(Optimizer):
    """m <- b1 m + (1-b1) g, v <- b2 v + (1-b2) g^2, p <- p - lr m^ / (sqrt(v^) + eps).

    m^ = m / (1 - b1^t) and v^ = v / (1 - b2^t) after t steps (Kingma and Ba, Adam, 2015). `amsgrad`
    keeps the largest v (Reddi et al., 2018). Weight decay is added to the gradient, or with
    `decoupled_weight_decay` shrinks p directly. `foreach`, `fused` and `capturable` are accepted
    and change nothing.

    >>> import wengert as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    newer_settings: Mapping[str, Any] = {
        **dict.fromkeys(("amsgrad", "maximize", "capturable", "differentiable"), False),
        **dict.fromkeys(("foreach", "fused")),
        "decoupled_weight_decay": False,
    }
    counts = ("step",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_rate(lr)
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        check_setting(eps >= 0.0, "epsilon value", eps)
        check_betas(betas)
        _check_tensors(betas, foreach, capturable)
        check_setting(weight_decay >= 0.0, "weight_decay value", weight_decay)
        check_flags(foreach, fused, differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _state_of(self, p: Tensor, amsgrad: bool) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            state["step"] = start_count()
            state["exp_avg"] = wrap(np.zeros_like(p._array))
            state["exp_avg_sq"] = wrap(np.zeros_like(p._array))
            if amsgrad:
                state["max_exp_avg_sq"] = wrap(np.zeros_like(p._array))
        return state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes the parameters once; returns the loss of `closure` if there is one."""
        loss = self._loss_of(closure)
        where = caller()
        for group in self.param_groups:
            lr, decay = number(group["lr"]), number(group["weight_decay"])
            b1, b2 = (number(b) for b in group["betas"])
            added, shrink = decay or None, None
            if decay and group["decoupled_weight_decay"]:
                added, shrink = None, 1 - lr * decay
            by_count: dict[float, _blocks.Numbers] = {}
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                state = self._state_of(p, group["amsgrad"])
                count = state["step"]._array
                t = float(count) + 1.0
                count[...] = t
                if group["differentiable"]:
                    _recorded_step(p, grad, state, group, t)
                    continue
                numbers = by_count.get(t)
                if numbers is None:
                    numbers = by_count[t] = _blocks.Numbers(
                        lr / (1 - b1**t),
                        math.sqrt(1 - b2**t),
                        1 - b1,
                        b2,
                        1 - b2,
                        group["eps"],
                        added,
                        shrink,
                    )
                g = grad._array
                if group["maximize"]:
                    g = np.negative(g, out=np.empty_like(g))
                arrays = [p._array, g, state["exp_avg"]._array, state["exp_avg_sq"]._array]
                if group["amsgrad"]:
                    arrays.append(state["max_exp_avg_sq"]._array)
                _blocks.run(_update, arrays, numbers)
                bump(p, where)
        return loss


def _check_tensors(betas: Any, foreach: bool | None, capturable: bool) -> None:
    """Both betas may be tensors, of one element each."""
    made = [isinstance(b, Tensor) for b in betas]
    if any(made) and not all(made):
        raise ValueError("betas must be either both floats or both Tensors")
    for k, b in enumerate(betas):
        if made[k] and foreach and not capturable:
            raise ValueError(
                f"betas[{k}] as a Tensor is not supported for capturable=False and foreach=True"
            )
        if made[k] and b.numel() != 1:
            raise ValueError(f"Tensor betas[{k}] must be 1-element")


def _update(arrays: Any, work: Any, numbers: Any) -> None:
    p, g, m, v = arrays[:4]
    s, t = work
    step_size, root, rest1, b2, rest2, eps, decay, shrink = numbers
    if shrink is not None:
        np.multiply(p, shrink, out=p)
    elif decay is not None:
        s = np.multiply(p, decay, out=s)
        g = np.add(g, s, out=s)
    # m + (1 - b1) (g - m) instead of b1 m + (1 - b1) g: PyTorch's rounding
    t = np.subtract(g, m, out=t)
    np.multiply(t, rest1, out=t)
    np.add(m, t, out=m)
    np.multiply(g, g, out=t)
    np.multiply(t, rest2, out=t)
    np.multiply(v, b2, out=v)
    np.add(v, t, out=v)
    if len(arrays) == 5:
        v = np.maximum(arrays[4], v, out=arrays[4])
    np.sqrt(v, out=t)
    np.divide(t, root, out=t)
    np.add(t, eps, out=t)
    np.divide(m, t, out=t)
    np.multiply(t, step_size, out=t)
    np.subtract(p, t, out=p)


def _recorded_step(
    p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any], t: float
) -> None:
    b1, b2 = (scalar(b) for b in group["betas"])
    slots = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if group["amsgrad"] else 2]
    rate = scalar(group["lr"]) / (1 - b1**t)
    numbers = (rate, (1 - b2**t) ** 0.5, b1, b2, group["eps"])
    record(_formula, p, grad, state, group, slots, numbers)


def _formula(xp: Any, p: Any, g: Any, slots: Any, numbers: Any) -> tuple[Any, tuple]:
    """The same step as a formula of tensors (`differentiable=True`)."""
    m, v, *largest = slots
    rate, root, b1, b2, eps = numbers
    m = m + (g - m) * (1 - b1)
    v = v * b2 + g * g * (1 - b2)
    most = [xp.maximum(largest[0], v)] if largest else []
    denominator = xp.sqrt(most[0] if most else v) / root + eps
    return p - m / denominator * rate, (m, v, *most)
