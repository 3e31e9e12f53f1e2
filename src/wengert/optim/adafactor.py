"""Adafactor: second moments of a matrix kept as row and column means only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.inplace import before_write, bump, caller
from ..core.tensor import Tensor, wrap
from .optimizer import Optimizer, Params, number, start_count


class Adafactor(Optimizer):
    """p <- p - a u / max(1, rms(u) / d), u = g / sqrt(V), a = max(eps2, rms(p)) min(lr, 1/sqrt(t)).

    V is a running mean of g^2 with decay 1 - t^beta2_decay. Of tensors with two dims or more only
    the means over the last dim (`row_var`) and over the one before (`col_var`) are kept:
    V = row_var col_var / mean(row_var) (Shazeer and Stern, Adafactor, 2018). `foreach` is accepted
    and changes nothing.

    >>> import wengert as torch
    >>> w = torch.ones(3, 4, requires_grad=True)
    >>> optimizer = torch.optim.Adafactor([w])
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> [tuple(optimizer.state[w][name].shape) for name in ("row_var", "col_var")]
    [(3, 1), (1, 4)]
    """

    newer_settings: Mapping[str, Any] = {"foreach": None}
    counts = ("step",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (
            ("Learning rate", lr),
            ("beta2_decay", beta2_decay),
            ("epsilon1", eps[0]),
            ("epsilon2", eps[1]),
            ("weight_decay", weight_decay),
        ):
            sign = "<" if name == "beta2_decay" else ">"
            if value is not None and (value > 0 if sign == "<" else value < 0):
                raise ValueError(f"{name} should be {sign}= 0 but is: {value}")
        if d < 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
            },
        )

    def _state_of(self, p: Tensor) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            state["step"] = start_count()
            shape, dtype = p._array.shape, p._array.dtype
            if len(shape) > 1:
                state["row_var"] = wrap(np.zeros((*shape[:-1], 1), dtype))
                state["col_var"] = wrap(np.zeros((*shape[:-2], 1, shape[-1]), dtype))
            else:
                state["variance"] = wrap(np.zeros(shape, dtype))
        return state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes the parameters once; returns the loss of `closure` if there is one."""
        loss = self._loss_of(closure)
        where = caller()
        for group in self.param_groups:
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                if p.is_complex():
                    raise RuntimeError("Adafactor does not support complex parameters")
                state = self._state_of(p)
                count = state["step"]._array
                t = float(count) + 1.0
                count[...] = t
                before_write(p._array)
                _update(p._array, grad._array, state, group, t)
                bump(p, where)
        return loss


def _update(p: Any, g: Any, state: dict[str, Any], group: dict[str, Any], t: float) -> None:
    eps1, eps2 = group["eps"]
    eps1 = float(np.finfo(p.dtype).eps) if eps1 is None else eps1
    lr, decay = number(group["lr"]), number(group["weight_decay"])
    new = t ** group["beta2_decay"]
    rate = max(eps2, _rms(p)) * min(lr, 1 / t**0.5)
    if group["maximize"]:
        g = -g
    if "row_var" in state:
        for name, dim in (("row_var", -1), ("col_var", -2)):
            mean = state[name]._array
            mean += (np.mean(g * g, dim, keepdims=True) - mean) * new
        rows = state["row_var"]._array
        # V is the product of the two over the mean of the rows: scale the short factor
        rows = rows / np.maximum(rows.mean(-2, keepdims=True), eps1)
        v = rows * state["col_var"]._array
    else:
        mean = state["variance"]._array
        mean += (g * g - mean) * new
        v = mean
    u = g / np.sqrt(np.maximum(v, eps1 * eps1))
    u = u * (rate / max(1.0, _rms(u) / group["d"]))
    if decay:
        p *= 1 - lr * decay
    p -= u


def _rms(a: Any) -> float:
    """The root of the mean square of all elements."""
    flat = np.reshape(a, -1)
    flat = flat.astype(np.float32) if flat.dtype.itemsize < 4 else flat
    return float(np.sqrt(np.dot(flat, flat) / flat.size)) if flat.size else float("nan")
