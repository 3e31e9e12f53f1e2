"""Gradient clipping, in place on the raw arrays of `.grad`.

`foreach` is accepted everywhere and changes nothing: there is one implementation.
"""

from __future__ import annotations

import math
import types
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...core.inplace import before_write, bump, caller
from ...core.tensor import Tensor, wrap


def _norm(array: Any, p: float) -> float:
    """The p-norm of all elements; sums of squares run in at least float32."""
    flat = np.abs(array).ravel()
    if flat.dtype.itemsize < 4:
        flat = flat.astype(np.float32)
    if not flat.size:
        return 0.0
    if p == 2.0:
        return float(math.sqrt(np.dot(flat, flat)))
    if p == math.inf:
        return float(flat.max())
    if p == -math.inf:
        return float(flat.min())
    if p == 0.0:
        return float(np.count_nonzero(flat))
    total: float = float(np.add.reduce(flat**p)) ** (1.0 / p)
    return total


def _tensors(value: Tensor | Iterable[Tensor]) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    generator = isinstance(value, types.GeneratorType)
    found = list(value)
    if generator and not found:
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=4
        )
    return found


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in _tensors(parameters) if p.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Returns the norm of the vector of the norms of the tensors, as a 0-dim tensor.

    >>> import wengert as torch
    >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
    tensor(5.)
    """
    arrays = [t._array for t in _tensors(tensors)]
    p = float(norm_type)
    if not arrays:
        return wrap(np.zeros((), np.float32))
    first = np.result_type(*[np.abs(a.ravel()[:0]).dtype for a in arrays])
    norms = np.asarray([_norm(a, p) for a in arrays], first)
    total = np.asarray(norms[0] if norms.size == 1 else _norm(norms, p), first)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {p} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite "
            "norm anyway, set `error_if_nonfinite=False`"
        )
    return wrap(np.abs(total))


def _scale(grads: list[Tensor], max_norm: float, total_norm: Tensor) -> None:
    factor = float(max_norm) / (total_norm._array + np.asarray(1e-6, total_norm._array.dtype))
    factor = np.minimum(factor, 1.0)  # keeps NaN, as PyTorch does
    where = caller()
    for grad in grads:
        before_write(grad._array)
        np.multiply(grad._array, factor.astype(grad._array.dtype), out=grad._array)
        bump(grad, where)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scales the gradients by max_norm / (total_norm + 1e-6) where that is below 1.

    >>> import wengert as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> (w * torch.tensor([3.0, 4.0])).sum().backward()
    >>> norm = torch.nn.utils.get_total_norm([w.grad])
    >>> torch.nn.utils.clip_grads_with_norm_([w], 1.0, norm)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    _scale(_grads(parameters), max_norm, total_norm)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients, as one vector, to a norm of at most `max_norm`; returns the old norm.

    >>> import wengert as torch
    >>> w = torch.nn.Parameter(torch.zeros(2))
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grad_norm_([w], max_norm=1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    grads = _grads(parameters)
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    _scale(grads, max_norm, total)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clamps every element of every gradient to [-clip_value, clip_value].

    >>> import wengert as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> (w * torch.tensor([1.0, -5.0])).sum().backward()
    >>> torch.nn.utils.clip_grad_value_([w], 2.0)
    >>> w.grad
    tensor([ 1., -2.])
    """
    limit = float(clip_value)
    where = caller()
    for grad in _grads(parameters):
        before_write(grad._array)
        np.clip(grad._array, -limit, limit, out=grad._array)
        bump(grad, where)


def clip_grad_norm(*args: Any, **kwargs: Any) -> Tensor:
    """The old name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(*args, **kwargs)
