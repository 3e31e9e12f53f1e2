"""Instance normalisation: each channel of each sample by its own mean and variance.

Ulyanov et al., Instance Normalization (2016).
"""

from __future__ import annotations

import warnings
from typing import Any

from ...core.tensor import Tensor
from .. import functional as F
from .batchnorm import _NormBase


class _InstanceNorm(_NormBase):
    batched = 3  # dims of a batch; one fewer is a single sample

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        dims = input.dim()
        if dims not in (self.batched - 1, self.batched):
            raise ValueError(
                f"expected {self.batched - 1}D or {self.batched}D input (got {dims}D input)"
            )
        channels = input.shape[dims - self.batched + 1]
        if channels != self.num_features and self.affine:
            raise ValueError(
                f"expected input's size at dim={dims - self.batched + 1} to match num_features "
                f"({self.num_features}), but got: {channels}."
            )
        if channels != self.num_features:
            warnings.warn(
                f"input's size at dim={dims - self.batched + 1} does not match num_features. You "
                "can silence this warning by not passing in num_features, which is not used "
                "because affine=False",
                stacklevel=2,
            )
        batch = input if dims == self.batched else input.unsqueeze(0)
        output = F.instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return output if dims == self.batched else output.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L).

    >>> import wengert as torch
    >>> torch.nn.InstanceNorm1d(3)(torch.randn(8, 3, 5)).shape
    torch.Size([8, 3, 5])
    """


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of (N, C, H, W) or (C, H, W)."""

    batched = 4


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W)."""

    batched = 5
