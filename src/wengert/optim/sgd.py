"""Stochastic gradient descent with momentum."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.inplace import bump, caller
from ..core.tensor import Tensor, wrap
from . import _blocks
from .optimizer import Optimizer, Params, check_flags, check_setting


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

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3, momentum: float = 0, dampening: float = 0,
        weight_decay: float | Tensor = 0, nesterov: bool = False, *, maximize: bool = False,
        foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        check_setting(bool(lr >= 0.0), "learning rate", lr)
        check_setting(momentum >= 0.0, "momentum value", momentum)
        check_setting(bool(weight_decay >= 0.0), "weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_flags(foreach, fused, differentiable)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, "foreach": foreach,
            "differentiable": differentiable, "fused": fused})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in ("nesterov", "maximize", "differentiable"):
                group.setdefault(name, False)
            for name in ("foreach", "fused"):
                group.setdefault(name, None)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes the parameters once; returns the loss of `closure` if there is one."""
        loss = self._loss_of(closure)
        where = caller()
        for group in self.param_groups:
            if group["differentiable"]:
                _recorded_step(self, group)
                continue
            momentum = group["momentum"]
            settings = (float(group["lr"]), momentum, group["dampening"],
                        float(group["weight_decay"]), group["nesterov"], group["maximize"])
            plain = not (momentum or settings[3] or settings[5])
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                array, g = p._array, grad._array
                if plain:
                    _blocks.run(_plain, [array, g], 1, settings[0])
                elif not momentum:
                    _blocks.run(_decayed, [array, g], 1, settings)
                else:
                    state = self.state[p]
                    buffer = state.get("momentum_buffer")
                    if buffer is None:
                        buffer = state["momentum_buffer"] = wrap(np.empty_like(array))
                        _blocks.run(_first, [array, g, buffer._array], 1, settings)
                    else:
                        _blocks.run(_with_momentum, [array, g, buffer._array], 1, settings)
                        bump(buffer, where)
                bump(p, where)
        return loss


def _plain(arrays: list[Any], work: list[Any], lr: float) -> None:
    p, g = arrays
    (t,) = work
    np.multiply(g, lr, out=t)
    np.subtract(p, t, out=p)


def _direction(p: Any, g: Any, t: Any, decay: float, maximize: bool) -> Any:
    """The gradient with weight decay and sign, in `t` or `g` itself."""
    if decay:
        np.multiply(p, decay, out=t)
        return np.subtract(t, g, out=t) if maximize else np.add(t, g, out=t)
    return np.negative(g, out=t) if maximize else g


def _decayed(arrays: list[Any], work: list[Any], settings: tuple[Any, ...]) -> None:
    p, g = arrays
    (t,) = work
    d = _direction(p, g, t, settings[3], settings[5])
    np.multiply(d, settings[0], out=t)
    np.subtract(p, t, out=p)


def _first(arrays: list[Any], work: list[Any], settings: tuple[Any, ...]) -> None:
    """The first step with momentum: the buffer starts as the direction itself, undamped."""
    p, g, buffer = arrays
    (t,) = work
    buffer[...] = _direction(p, g, t, settings[3], settings[5])
    _move(p, buffer, buffer, t, settings)


def _with_momentum(arrays: list[Any], work: list[Any], settings: tuple[Any, ...]) -> None:
    p, g, buffer = arrays
    (t,) = work
    lr, momentum, dampening, decay, nesterov, maximize = settings
    d = _direction(p, g, t, decay, maximize)
    np.multiply(buffer, momentum, out=buffer)
    if dampening:
        d_buffer = np.multiply(d, 1 - dampening, out=t)
        np.add(buffer, d_buffer, out=buffer)
    else:
        np.add(buffer, d, out=buffer)
    _move(p, d, buffer, t, settings)


def _move(p: Any, d: Any, buffer: Any, t: Any, settings: tuple[Any, ...]) -> None:
    lr, momentum, nesterov = settings[0], settings[1], settings[4]
    if nesterov:
        # d may be t itself; the product then needs room of its own.
        ahead = np.multiply(buffer, momentum)
        np.add(ahead, d, out=t)
        np.multiply(t, lr, out=t)
    else:
        np.multiply(buffer, lr, out=t)
    np.subtract(p, t, out=p)


def _recorded_step(optimizer: SGD, group: dict[str, Any]) -> None:
    """The same step in tensor operations that are recorded (`differentiable=True`)."""
    lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
    for p in group["params"]:
        if p.grad is None:
            continue
        d = -p.grad if group["maximize"] else p.grad
        if decay:
            d = d + p * decay
        if momentum:
            state = optimizer.state[p]
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = d.clone()
            else:
                buffer = buffer * momentum + d * (1 - group["dampening"])
            state["momentum_buffer"] = buffer
            d = d + buffer * momentum if group["nesterov"] else buffer
        p.sub_(d * lr)
