"""PyTorch's `native_` forms of normalisation and dropout: what they saved comes out as well."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels.dtypes import FLOAT
from ..kernels.random import default_generator
from .checking import check_tensor
from .draws import check_randomness, drawn
from .normalize import batch_norm_parts, group_norm_parts, layer_norm_parts

T: Any = TENSORS


def _cast(t: Tensor, like: Tensor) -> Tensor:
    d = like._spec.dtype
    return t if t._spec.dtype is d else T.cast(t, d)


@public("torch")
def native_layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the result of `layer_norm`, the mean, and 1 / sqrt(variance + eps); the last two are constants.

    >>> import wengert as torch
    >>> torch.native_layer_norm(torch.tensor([[1., 3.]]), (2,), None, None, 0.0)[1:]
    (tensor([[2.]]), tensor([[1.]]))
    """
    out, mean, var = layer_norm_parts(
        input, normalized_shape, weight, bias, eps, "native_layer_norm"
    )
    return out, _cast(mean.detach(), input), _cast(T.rsqrt(var.detach() + eps), input)


@public("torch")
def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int,
    group: int, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Return the result of `group_norm`, and (N, group) means and 1 / sqrt(variance + eps).

    input has N samples of C channels and HxW places.

    >>> import wengert as torch
    >>> torch.native_group_norm(torch.tensor([[1., 3.]]), None, None, 1, 2, 1, 1, 0.0)[1:]
    (tensor([[2.]]), tensor([[1.]]))
    """
    check_tensor(input, "native_group_norm")
    x = input._spec
    if x.numel != N * C * HxW or x.ndim < 2:
        raise RuntimeError(
            f"Expected X.numel() == N * C * HxW to be true, but got an input of shape {list(x.shape)} "
            f"for N = {N}, C = {C}, HxW = {HxW}"
        )
    out, mean, var = group_norm_parts(T.reshape(input, (N, C, HxW)), group, weight, bias, eps)
    mean, r = (_cast(T.reshape(t, (N, group)), input) for t in (mean, T.rsqrt(var + eps)))
    return T.reshape(out, tuple(x.shape)), mean, r


@public("torch")
def native_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Return the result of `batch_norm`, and the batch's mean and 1 / sqrt(variance + eps).

    These are constants, and empty in evaluation. In training the running statistics are updated.

    >>> import wengert as torch
    >>> x = torch.tensor([[1.], [3.]])
    >>> torch.native_batch_norm(x, None, None, None, None, True, 0.1, 0.0)[1:]
    (tensor([2.]), tensor([1.]))
    """
    check_tensor(input, "native_batch_norm")
    out, mean, var = batch_norm_parts(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )
    if mean is None:
        return out, wrap(np.empty(0, input._spec.np)), wrap(np.empty(0, input._spec.np))
    mean, var = (T.reshape(t.detach(), (input._spec.shape[1],)) for t in (mean, var))
    return out, _cast(mean, input), _cast(T.rsqrt(var + eps), input)


@public("torch")
def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """Return `dropout` of the input and the mask of what was kept; `train=None` counts as True.

    >>> import wengert as torch
    >>> torch.native_dropout(torch.ones(2), 0.5, False)
    (tensor([1., 1.]), tensor([True, True]))
    """
    check_tensor(input, "native_dropout")
    d = input._spec.dtype
    shape = tuple(input._spec.shape)
    if train is False or not input._spec.numel:
        return T.clone(input, "K"), wrap(np.ones(shape, np.bool_))
    if not 0.0 <= p <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={1 - p}")
    if d.category < FLOAT:
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {d.scalar_name}"
        )
    check_randomness()
    bits: np.dtype = np.dtype(np.bool_)
    mask = drawn(shape, lambda whole: default_generator().bernoulli(whole, 1 - p, bits))
    scale = 1.0 / (1.0 - p) if p < 1 else 0.0
    return T.mul(T.mul(input, mask), scale), mask
