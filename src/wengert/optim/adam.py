"""Adam and AdamW: steps scaled by running estimates of the gradient's first two moments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.inplace import bump, caller
from ..core.tensor import Tensor, wrap
from . import _blocks
from .optimizer import Optimizer, Params, check_flags, check_setting


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
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        check_setting(bool(lr >= 0.0), "learning rate", lr)
        check_setting(eps >= 0.0, "epsilon value", eps)
        for k in (0, 1):
            check_setting(bool(0.0 <= betas[k] < 1.0), f"beta parameter at index {k}", betas[k])
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

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in (
                "amsgrad",
                "maximize",
                "capturable",
                "differentiable",
                "decoupled_weight_decay",
            ):
                group.setdefault(name, False)
            for name in ("foreach", "fused"):
                group.setdefault(name, None)
        for values in self.state.values():
            if values and not isinstance(values["step"], Tensor):  # states of old versions
                values["step"] = wrap(np.array(values["step"], np.float32))

    def _state_of(self, p: Tensor, amsgrad: bool) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            state["step"] = wrap(np.zeros((), np.float32))
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
            lr, decay = float(group["lr"]), float(group["weight_decay"])
            b1, b2 = (float(b) for b in group["betas"])
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
                    _recorded_step(p, grad, state, group, lr, t)
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
    p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any], lr: float, t: float
) -> None:
    """The same step in tensor operations that are recorded (`differentiable=True`)."""
    b1, b2 = group["betas"]
    g = -grad if group["maximize"] else grad
    if group["weight_decay"]:
        if group["decoupled_weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        else:
            g = g + p * group["weight_decay"]
    m = state["exp_avg"] = state["exp_avg"] + (g - state["exp_avg"]) * (1 - b1)
    v = state["exp_avg_sq"] = state["exp_avg_sq"] * b2 + g * g * (1 - b2)
    if group["amsgrad"]:
        v = state["max_exp_avg_sq"] = state["max_exp_avg_sq"].maximum(v)
    denominator = v.sqrt() / math.sqrt(1 - b2**t) + group["eps"]
    p.sub_(m / denominator * (lr / (1 - b1**t)))
