"""CyclicLR: the rate goes up and down between two bounds, momentum the other way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...core.tensor import Tensor
from ..optimizer import Optimizer
from .base import each, set_rate
from .momentum import MomentumCycle

_MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(MomentumCycle):
    """lr from base_lr to max_lr in `step_size_up` steps and back in `step_size_down`, again and again.

    The height of the triangle is scaled by 1, by 2^(1 - cycle) (`triangular2`), by gamma^step
    (`exp_range`) or by `scale_fn` of the cycle (from 1) or of the step, as `scale_mode` says. Smith,
    Cyclical Learning Rates for Training Neural Networks (2017); `step()` is called after each batch.

    >>> import wengert as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], momentum=0.9)
    >>> schedule = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.5, step_size_up=2)
    >>> for _ in range(3):
    ...     optimizer.step(); schedule.step()
    >>> [round(lr, 6) for lr in schedule.get_last_lr()]
    [0.3]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        lowest = each("base_lr", base_lr, optimizer)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, lowest, strict=True):
                set_rate(group, lr)
        self.max_lrs = each("max_lr", max_lr, optimizer)
        up = float(step_size_up)
        self.total_size = up + (float(step_size_down) if step_size_down is not None else up)
        self.step_ratio = up / self.total_size
        if mode not in _MODES and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = scale_mode
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._start_momentum(
                optimizer, base_momentum, max_momentum, last_epoch
            )
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lowest

    def scale_fn(self, x: float) -> float:
        """Returns the height of the triangle at `x`, a cycle or a step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return float(self.gamma**x)
        return 1.0 if self.mode == "triangular" else 1 / 2.0 ** (x - 1)

    def get_lr(self) -> list[float]:
        self._warn_outside_of_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        part = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        part *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        bases = [float(lr) if isinstance(lr, Tensor) else lr for lr in self.base_lrs]
        rates = [
            base + (most - base) * part for base, most in zip(bases, self.max_lrs, strict=True)
        ]
        if self.cycle_momentum:
            for group, least, most in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                self._set_momentum(group, most - (most - least) * part)
        return rates

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the optimizer and a plain scale function (objects are kept)."""
        state = super().state_dict()
        scale = state.pop("_scale_fn_custom")
        kept = None if scale is None or hasattr(scale, "__code__") else dict(scale.__dict__)
        state["_scale_fn_custom"] = kept
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` returned."""
        state = dict(state_dict)
        kept = state.pop("_scale_fn_custom", None)
        super().load_state_dict(state)
        if kept is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(kept)
