"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.inplace import bump, caller
from ..core.tensor import Tensor, wrap
from . import _blocks
from ._formula import scalar
from .optimizer import Optimizer, Params, check_flags, check_rate, check_setting, number, recorded


class SGD(Optimizer):
    """p <- p - lr * d, where d is the gradient plus weight_decay * p, averaged with momentum.

    With momentum, buf <- momentum * buf + (1 - dampening) * d and d <- buf (Nesterov:
    d <- d + momentum * buf), after Sutskever et al., On the importance of initialization and
    momentum in deep learning (2013). `foreach` and `fused` are accepted and change nothing.

    >>> import wengert as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    newer_settings: Mapping[str, Any] = {
        **dict.fromkeys(("nesterov", "maximize", "differentiable"), False),
        **dict.fromkeys(("foreach", "fused")),
    }

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rate(lr)
        check_setting(momentum >= 0.0, "momentum value", momentum)
        check_setting(bool(weight_decay >= 0.0), "weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_flags(foreach, fused, differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes the parameters once; returns the loss of `closure` if there is one."""
        loss = self._loss_of(closure)
        where = caller()
        for group in self.param_groups:
            if group["differentiable"]:
                with recorded(group):
                    _recorded_step(self, group)
                continue
            momentum = group["momentum"]
            numbers = _blocks.numbers(
                number(group["lr"]),
                number(group["weight_decay"]) or None,
                momentum,
                1 - group["dampening"] if group["dampening"] else None,
                1 if group["nesterov"] else None,
            )
            update = _with_momentum if momentum else _decayed if group["weight_decay"] else _plain
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                array, g = p._array, grad._array
                if group["maximize"]:
                    g = np.negative(g, out=np.empty_like(g))
                if not momentum:
                    _blocks.run(update, (array, g), numbers)
                else:
                    state = self.state[p]
                    buffer = state.get("momentum_buffer")
                    if buffer is None:
                        buffer = state["momentum_buffer"] = wrap(np.empty_like(array))
                        _blocks.run(_first, (array, g, buffer._array), numbers)
                    else:
                        _blocks.run(update, (array, g, buffer._array), numbers)
                bump(p, where)
        return loss


def _plain(arrays: Any, work: Any, numbers: Any) -> None:
    p, g = arrays
    np.subtract(p, np.multiply(g, numbers[0], out=work[0]), out=p)


def _decayed(arrays: Any, work: Any, numbers: Any) -> None:
    p, g = arrays
    d = _direction(p, g, work[0], numbers[1])
    np.subtract(p, np.multiply(d, numbers[0], out=d), out=p)


def _direction(p: Any, g: Any, t: Any, decay: Any) -> Any:
    """g + decay * p, which is `g` itself without weight decay."""
    if decay is None:
        return g
    t = np.multiply(p, decay, out=t)
    return np.add(t, g, out=t)


def _first(arrays: Any, work: Any, numbers: Any) -> None:
    """The first step with momentum: the buffer starts as the direction itself, undamped."""
    p, g, buffer = arrays
    buffer[...] = _direction(p, g, work[0], numbers[1])
    _move(p, buffer, buffer, work[0], numbers)


def _with_momentum(arrays: Any, work: Any, numbers: Any) -> None:
    p, g, buffer = arrays
    _, decay, momentum, undamped, _ = numbers
    t, t2 = work
    d = _direction(p, g, t, decay)
    np.multiply(buffer, momentum, out=buffer)
    np.add(buffer, d if undamped is None else np.multiply(d, undamped, out=t2), out=buffer)
    _move(p, d, buffer, t2, numbers)


def _move(p: Any, d: Any, buffer: Any, t: Any, numbers: Any) -> None:
    lr, _, momentum, _, nesterov = numbers
    if nesterov is not None:
        t = np.multiply(buffer, momentum, out=t)
        t = np.add(t, d, out=t)
        np.multiply(t, lr, out=t)
    else:
        t = np.multiply(buffer, lr, out=t)
    np.subtract(p, t, out=p)


def _recorded_step(optimizer: SGD, group: dict[str, Any]) -> None:
    """The same step in tensor operations that are recorded (`differentiable=True`)."""
    lr, momentum, decay = scalar(group["lr"]), group["momentum"], scalar(group["weight_decay"])
    for p in group["params"]:
        grad = p._grad
        if grad is None:
            continue
        d = -grad if group["maximize"] else grad
        if isinstance(decay, Tensor) or decay:
            d = d + p.clone() * decay  # what is recorded must not be overwritten below
        if momentum:
            state = optimizer.state[p]
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = d.detach().clone()
            else:
                buffer = buffer * momentum + d * (1 - group["dampening"])
            state["momentum_buffer"] = buffer
            d = d + buffer * momentum if group["nesterov"] else buffer
        p.sub_(d * lr)
