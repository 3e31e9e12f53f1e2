"""What all schedules share.

A schedule writes `lr` into the groups of its optimizer, once when it is made and once per `step()`.
Most compute the next value from the present one, so that several may act on one optimizer.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from ...core.tensor import Tensor
from ..optimizer import Optimizer, number


def each(name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """One value per group: a list of the right length, or one value for all."""
    groups = optimizer.param_groups
    if isinstance(value, list | tuple):
        if len(value) != len(groups):
            raise ValueError(
                f"{name} must have the same length as optimizer.param_groups. {name} has "
                f"{len(value)} values, param_groups has {len(groups)}."
            )
        return list(value)
    return [value] * len(groups)


def set_rate(group: dict[str, Any], value: float) -> None:
    """Set the rate of a group; one that is a tensor is written in place."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(number(value))
    else:
        group["lr"] = value


def warn_of_epoch() -> None:
    """Warn that `step(epoch)` is deprecated."""
    warnings.warn(
        "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
        "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if "
        "epoch is different from None, the closed form is used instead of the new chainable form, "
        "where available.",
        UserWarning,
        stacklevel=3,
    )


class LRScheduler:
    """Base class: a subclass defines `get_lr()`, the list of the groups' next rates.

    >>> import wengert as torch
    >>> class Halves(torch.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / 2**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> schedule = Halves(optimizer)
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for k, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                lr = group["lr"]
                group.setdefault("initial_lr", lr.clone() if isinstance(lr, Tensor) else lr)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{k}] when resuming "
                    "scheduler with last_epoch >= 0: load the optimizer's state dict first, or "
                    "leave last_epoch at -1 for a fresh run"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr: list[float] = []
        self._is_initial = True
        self._get_lr_called_within_step = False
        if not optimizer.__dict__.get("_scheduled"):
            # only steps from here on count as steps before those of the schedule
            optimizer._scheduled = True
            optimizer._opt_called = False
        self.step()
        self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[float]:
        """Returns the rates that were set last, one per group."""
        return self._last_lr

    def get_lr(self) -> list[float]:
        """Returns the rates for `last_epoch`, one per group."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr()")

    def step(self, epoch: int | None = None) -> None:
        """Goes to the next epoch, or to `epoch` (deprecated), and sets the rates."""
        if self._step_count == 1 and not self._is_initial:
            self._check_order()
        if epoch is not None:
            warn_of_epoch()
        self._advance(epoch)

    def _advance(self, epoch: int | None) -> None:
        """`step` without its warnings."""
        self._step_count += 1
        closed = getattr(self, "_get_closed_form_lr", None)
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                values = closed() if closed is not None else self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._write(values)

    def _check_order(self) -> None:
        """Warn if the schedule goes on before the optimizer has stepped."""
        if not hasattr(self.optimizer.step, "watched"):
            warnings.warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before "
                "`lr_scheduler.step()`.",
                UserWarning,
                stacklevel=3,
            )
        elif not self.optimizer._opt_called:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch "
                "1.1.0 and later, you should call them in the opposite order: `optimizer.step()` "
                "before `lr_scheduler.step()`. Otherwise the first value of the schedule is "
                "skipped.",
                UserWarning,
                stacklevel=3,
            )

    def _warn_outside_of_step(self) -> None:
        """Called by `get_lr`, which gives the next rates only within `step`."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def _write(self, values: Iterable[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            set_rate(group, lr)
        self._last_lr = [
            float(group["lr"]) if isinstance(group["lr"], Tensor) else group["lr"]
            for group in self.optimizer.param_groups
        ]

    def _now(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]
