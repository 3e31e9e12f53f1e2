"""Averages of a model's parameters over training: SWA and exponential moving averages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor
from ..kernels.dtypes import int64
from ..nn.modules.batchnorm import _BatchNorm
from ..nn.modules.module import Module
from ..ops.data import tensor
from .lr_scheduler.base import LRScheduler, each
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Any, Any, Any], Any]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def _all(average: Average) -> Average:
    """An average of single tensors as one of lists, in place."""

    @no_grad()
    def averages(averaged: Iterable[Tensor], current: Iterable[Tensor], n: Any) -> None:
        for a, p in zip(averaged, current, strict=True):
            a.copy_(average(a, p, n))

    return averages


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Returns f(ema, param, n) = decay * ema + (1 - decay) * param.

    >>> import wengert as torch
    >>> torch.optim.swa_utils.get_ema_avg_fn(0.75)(torch.zeros(2), torch.ones(2), 1)
    tensor([0.2500, 0.2500])
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Average:
    """Returns f(avg, param, n) = avg + (param - avg) / (n + 1), the plain mean.

    >>> import wengert as torch
    >>> torch.optim.swa_utils.get_swa_avg_fn()(torch.zeros(2), torch.ones(2), 3)
    tensor([0.2500, 0.2500])
    """

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Average:
    """Returns the moving average over lists of tensors, in place.

    >>> import wengert as torch
    >>> ema = torch.optim.swa_utils.get_ema_multi_avg_fn(0.5)
    >>> averages = [torch.zeros(2)]
    >>> ema(averages, [torch.ones(2)], 1); averages
    [tensor([0.5000, 0.5000])]
    """
    return _all(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Average:
    """Returns the plain mean over lists of tensors, in place.

    >>> import wengert as torch
    >>> averages = [torch.zeros(2)]
    >>> torch.optim.swa_utils.get_swa_multi_avg_fn()(averages, [torch.ones(2)], 3); averages
    [tensor([0.2500, 0.2500])]
    """
    return _all(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of those seen by `update_parameters`.

    The first call copies. Without `avg_fn` or `multi_avg_fn` the average is the plain mean (SWA,
    Izmailov et al., Averaging Weights Leads to Wider Optima, 2018). Buffers are copied, or averaged
    too with `use_buffers`; `n_averaged` counts the calls.

    >>> import wengert as torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> average = torch.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 3.0):
    ...     _ = torch.nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item()
    2.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Average | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the averaged model."""
        return self.module(*args, **kwargs)

    def _averaged(self, model: Module) -> list[Tensor]:
        return list(chain(model.parameters(), model.buffers() if self.use_buffers else ()))

    def update_parameters(self, model: Module) -> None:
        """Takes the parameters of `model` into the average."""
        mine = [p.detach() for p in self._averaged(self.module)]
        theirs = [p.detach() for p in self._averaged(model)]
        if int(self.n_averaged) == 0:
            for a, p in zip(mine, theirs, strict=True):
                a.copy_(p)
        else:
            average = self.multi_avg_fn or _all(self.avg_fn or get_swa_avg_fn())
            average(mine, theirs, self.n_averaged)
        if not self.use_buffers:
            for a, b in zip(self.module.buffers(), model.buffers(), strict=True):
                a.detach().copy_(b.detach())
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running statistics of all batch norms anew, over one pass of `loader`.

    A batch that is a list or tuple stands for its first element. The mode is left as it was.

    >>> import wengert as torch
    >>> norm = torch.nn.BatchNorm1d(1)
    >>> batches = [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])]
    >>> torch.optim.swa_utils.update_bn(batches, norm)
    >>> norm.running_mean
    tensor([4.])
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average of all batches
    for batch in loader:
        input = batch[0] if isinstance(batch, list | tuple) else batch
        model(input if device is None else input.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """lr from what it is to `swa_lr` in `anneal_epochs` epochs, along half a cosine or a line.

    >>> import wengert as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> schedule = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2)
    >>> rates = []
    >>> for _ in range(3):
    ...     optimizer.step(); schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> rates
    [0.75, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for group, lr in zip(
            optimizer.param_groups, each("swa_lr", swa_lr, optimizer), strict=True
        ):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        """How far the rate has gone at that step: 0 at the start, 1 at the end."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[float]:
        self._warn_outside_of_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            goal = group["swa_lr"]
            # where it started, read off the present rate: another schedule may have moved it
            start = goal if before == 1 else (group["lr"] - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates
