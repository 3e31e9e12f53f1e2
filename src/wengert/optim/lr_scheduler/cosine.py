"""Schedules along a cosine: annealing, warm restarts, one cycle."""

from __future__ import annotations

import math
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, each
from .momentum import MomentumCycle


class CosineAnnealingLR(LRScheduler):
    """lr from the initial value to eta_min along half a cosine of length `T_max`, and back.

    Loshchilov and Hutter, SGDR (2017), without the restarts.

    >>> import wengert as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> rates = []
    >>> for _ in range(3):
    ...     optimizer.step(); schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> [round(lr, 4) for lr in rates]
    [0.5, 0.0, 0.5]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_of_step()
        if self.last_epoch == 0:
            return self._now()
        if self._step_count == 1 and self.last_epoch > 0:
            return self._get_closed_form_lr()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # at the bottom the ratio below is 0 / 0: step up by the closed form's difference
            return [
                lr + (base - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
                for base, lr in zip(self.base_lrs, self._now(), strict=True)
            ]
        ratio = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / (
            1 + math.cos(math.pi * (self.last_epoch - 1) / self.T_max)
        )
        return [ratio * (lr - self.eta_min) + self.eta_min for lr in self._now()]

    def _get_closed_form_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half cosines from the initial value to eta_min, started anew after T_0, T_0 T_mult, ...

    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017).

    >>> import wengert as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> rates = []
    >>> for _ in range(3):
    ...     optimizer.step(); schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> [round(lr, 4) for lr in rates]
    [0.5, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_of_step()
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Goes to the next epoch, or to `epoch`, which may be a fraction."""
        at: float
        if epoch is None and self.last_epoch >= 0:
            at = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            at = epoch or 0
            if at < 0:
                raise ValueError(f"Expected non-negative epoch, but got {epoch}")
            self.T_i, self.T_cur = self.T_0, at
            if self.T_mult == 1:
                self.T_cur = at % self.T_0
            else:
                while self.T_cur >= self.T_i:
                    self.T_cur -= self.T_i
                    self.T_i *= self.T_mult
        self.last_epoch = math.floor(at)
        self._get_lr_called_within_step = True
        try:
            values = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._write(values)


class OneCycleLR(MomentumCycle):
    """Up to `max_lr` in the first part of the run, then far down; momentum the other way.

    Smith and Topin, Super-Convergence (2018). The length is `total_steps`, or `epochs` times
    `steps_per_epoch`; `step()` is called after each batch.

    >>> import wengert as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> schedule = torch.optim.lr_scheduler.OneCycleLR(
    ...     optimizer, max_lr=1.0, total_steps=4, cycle_momentum=False)
    >>> rates = []
    >>> for _ in range(3):
    ...     optimizer.step(); schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> [round(lr, 4) for lr in rates]
    [0.8117, 0.2831, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    "You must define either total_steps OR (epochs AND steps_per_epoch)"
                )
            total_steps = epochs * steps_per_epoch
        if total_steps <= 0 or not isinstance(total_steps, int):
            raise ValueError(f"Expected positive integer total_steps, but got {total_steps}")
        if not 0 <= pct_start <= 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self.total_steps = total_steps
        end = float(pct_start * total_steps) - 1
        up, down = ("initial_lr", "max_lr"), ("max_lr", "initial_lr")
        fall, rise = ("max_momentum", "base_momentum"), ("base_momentum", "max_momentum")
        flat = ("max_momentum", "max_momentum")
        if three_phase:
            phases = [
                (end, up, fall),
                (2 * end, down, rise),
                (total_steps - 1, ("initial_lr", "min_lr"), flat),
            ]
        else:
            phases = [(end, up, fall), (total_steps - 1, ("max_lr", "min_lr"), rise)]
        self._schedule_phases: list[dict[str, Any]] = [
            {
                "end_step": stop,
                "start_lr": lr[0],
                "end_lr": lr[1],
                "start_momentum": momentum[0],
                "end_momentum": momentum[1],
            }
            for stop, lr, momentum in phases
        ]
        self._anneal_func_type = anneal_strategy
        for group, peak in zip(
            optimizer.param_groups, each("max_lr", max_lr, optimizer), strict=True
        ):
            if last_epoch == -1:
                group["initial_lr"] = peak / div_factor
                group["max_lr"] = peak
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list[float]:
        self._warn_outside_of_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        values = []
        for group in self.optimizer.param_groups:
            start: float = 0
            for k, phase in enumerate(self._schedule_phases):
                end: Any = phase["end_step"]
                if step <= end or k == len(self._schedule_phases) - 1:
                    part = (step - start) / (end - start)
                    lr = self._between(group[phase["start_lr"]], group[phase["end_lr"]], part)
                    if self.cycle_momentum:
                        self._set_momentum(
                            group,
                            self._between(
                                group[phase["start_momentum"]], group[phase["end_momentum"]], part
                            ),
                        )
                    break
                start = end
            values.append(lr)
        return values
