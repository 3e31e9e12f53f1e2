"""Muon: momentum whose matrices are made orthogonal before they are applied."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.inplace import before_write, bump, caller
from ..core.tensor import Tensor, wrap
from .optimizer import Optimizer, Params, number

_RULES = (None, "original", "match_rms_adamw")


class Muon(Optimizer):
    """For matrices only: b <- b + (1 - momentum)(g - b), p <- (1 - lr weight_decay) p - lr' O(b).

    O(b) is near the orthogonal factor of b: `ns_steps` of X <- a X + b (XX') X + c (XX')^2 X from
    X = b / |b|, in bfloat16 (Jordan et al., Muon, 2024). lr' is lr sqrt(max(1, rows / columns)), or
    0.2 lr sqrt(max(rows, columns)) with `adjust_lr_fn="match_rms_adamw"` (Liu et al., Muon is
    Scalable for LLM Training, 2025).

    >>> import wengert as torch
    >>> w = torch.zeros(2, 2, requires_grad=True)
    >>> w.grad = torch.eye(2)
    >>> torch.optim.Muon([w], lr=1.0).step()
    >>> bool(w[0, 0] < -0.6) and w[0, 1].item() == 0
    True
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (
            ("Learning rate", lr),
            ("momentum", momentum),
            ("weight decay", weight_decay),
        ):
            if not value >= 0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in _RULES:
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{p.size()}"
                    )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes the parameters once; returns the loss of `closure` if there is one."""
        loss = self._loss_of(closure)
        where = caller()
        for group in self.param_groups:
            lr, momentum = number(group["lr"]), number(group["momentum"])
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                if p.is_complex():
                    raise RuntimeError("Muon does not support complex parameters")
                state, g = self.state[p], grad._array
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = wrap(np.zeros_like(g))
                buffer = state["momentum_buffer"]._array
                buffer += (g - buffer) * (1 - momentum)
                direction = g + (buffer - g) * momentum if group["nesterov"] else buffer
                change = orthogonalized(
                    direction, group["ns_coefficients"], group["ns_steps"], group["eps"]
                )
                array = p._array
                before_write(array)
                array *= 1 - lr * number(group["weight_decay"])
                array -= change * _rate(lr, group["adjust_lr_fn"], array.shape)
                bump(p, where)
        return loss


def _rate(lr: float, rule: str | None, shape: tuple[int, ...]) -> float:
    rows, columns = shape
    if rule == "match_rms_adamw":
        return lr * 0.2 * math.sqrt(max(rows, columns))
    return lr * math.sqrt(max(1, rows / columns))


def orthogonalized(matrix: Any, coefficients: Any, steps: int, eps: float) -> Any:
    """Newton-Schulz iterations towards the orthogonal factor, in float32 rounded to bfloat16."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = (np.float32(k) for k in coefficients)
    x = _bfloat16(matrix)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    size = _bfloat16(np.sqrt(np.sum(x * x), dtype=np.float32))
    x = _bfloat16(x / np.maximum(size, _bfloat16(np.float32(eps))))
    for _ in range(steps):
        gram = _bfloat16(x @ x.T)
        polynomial = _bfloat16(b * gram + c * (gram @ gram))
        x = _bfloat16(a * x + polynomial @ x)
    return x.T if tall else x


def _bfloat16(x: Any) -> Any:
    """`x` in float32 with the 16 low bits rounded away, to the nearest and ties to even."""
    x = np.ascontiguousarray(x, np.float32)
    bits = x.view(np.uint32)
    rounded = (bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) & np.uint32(0xFFFF0000)
    return np.where(np.isfinite(x), rounded.view(np.float32), x)
