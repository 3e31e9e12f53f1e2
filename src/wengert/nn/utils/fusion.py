"""Batch norms in evaluation mode absorbed into the layer before them."""

from __future__ import annotations

import copy
from typing import Any

from ...core.parameter import Parameter
from ...core.tensor import Tensor
from ...ops.create import zeros_like
from ..modules.module import Module


def _fused(
    weight: Tensor, bias: Any, mean: Tensor, var: Tensor, eps: float, scale: Any, shift: Any,
    shape: list[int],
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """W <- W s and b <- (b - mean) s + shift with s = scale / sqrt(var + eps), along one dim of W."""
    bias = zeros_like(mean) if bias is None else bias
    factor = (var + eps).rsqrt()
    factor = factor if scale is None else scale * factor
    new_bias = (bias - mean) * factor
    new_bias = new_bias if shift is None else new_bias + shift
    new_weight = (weight * factor.reshape(shape)).to(dtype=weight.dtype)
    return (
        Parameter(new_weight.detach(), weight.requires_grad),
        Parameter(new_bias.to(dtype=bias.dtype).detach(), bias.requires_grad),
    )


def _check(first: Module, bn: Module, both: str) -> None:
    if first.training or bn.training:
        raise AssertionError(f"Fusion only for eval! {both} must be in evaluation mode")


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Returns weight and bias of one convolution that does what convolution and batch norm do."""
    shape = [1, -1] if transpose else [-1, 1]
    shape += [1] * (conv_w.ndim - 2)
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """Returns a copy of `conv` that does what `conv` and then `bn` do, both in evaluation mode.

    >>> import wengert as torch
    >>> conv, norm = torch.nn.Conv2d(1, 2, 3).eval(), torch.nn.BatchNorm2d(2).eval()
    >>> x = torch.randn(1, 1, 5, 5)
    >>> fused = torch.nn.utils.fuse_conv_bn_eval(conv, norm)
    >>> torch.allclose(fused(x), norm(conv(x)), atol=1e-6)
    True
    """
    _check(conv, bn, "the convolution and the batch norm")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("the batch norm must have running statistics")
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,
        transpose,
    )  # fmt: skip
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Returns weight and bias of one linear layer that does what it and the batch norm do."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """Returns a copy of `linear` that does what `linear` and then `bn` do, in evaluation mode.

    >>> import wengert as torch
    >>> linear, bn = torch.nn.Linear(2, 3).eval(), torch.nn.BatchNorm1d(3).eval()
    >>> x = torch.randn(4, 2)
    >>> fused = torch.nn.utils.fuse_linear_bn_eval(linear, bn)
    >>> torch.allclose(fused(x), bn(linear(x)), atol=1e-6)
    True
    """
    _check(linear, bn, "the linear layer and the batch norm")
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1"
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused
