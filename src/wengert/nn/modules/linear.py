"""Affine layers: Linear, Bilinear, Identity."""

from __future__ import annotations

import math
from typing import Any

from ...core.parameter import Parameter
from ...core.tensor import Tensor
from ...ops.create import empty
from .. import functional as F
from .. import init
from .module import Module


def draw_affine(weight: Tensor, bias: Tensor | None) -> None:
    """Draw the parameters of an affine map uniform in +-1 / sqrt(n), n the inputs of an output.

    The weight comes first; with a = sqrt(5) the gain of Kaiming's bound sqrt(3 / n) is sqrt(1 / 3).
    """
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        n, _ = init._calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(n) if n else 0
        init.uniform_(bias, -bound, bound)


class Identity(Module):
    """Returns its input; takes and ignores any arguments.

    >>> import wengert as torch
    >>> torch.nn.Identity(54)(torch.tensor([1.0]))
    tensor([1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """y = x W^T + b: input (..., in_features), output (..., out_features).

    `weight` is (out_features, in_features); both start uniform in +-1 / sqrt(in_features).

    >>> import wengert as torch
    >>> torch.nn.Linear(20, 30)(torch.randn(128, 20)).shape
    torch.Size([128, 30])
    """

    __constants__ = ["in_features", "out_features"]
    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        draw_affine(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        # The tables directly: __getattr__ costs as much as recording an operation.
        parameters: Any = self._parameters
        if "weight" in parameters and "bias" in parameters:
            return F.linear(input, parameters["weight"], parameters["bias"])
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """y_k = x1^T W_k x2 + b_k: inputs (..., in1), (..., in2), output (..., out).

    >>> import wengert as torch
    >>> layer = torch.nn.Bilinear(20, 30, 40)
    >>> layer(torch.randn(128, 20), torch.randn(128, 30)).shape
    torch.Size([128, 40])
    """

    __constants__ = ["in1_features", "in2_features", "out_features"]
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew, uniform in +-1 / sqrt(in1_features)."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
