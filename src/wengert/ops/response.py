"""Local response normalisation: every channel divided by the energy of its neighbours."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels.resample import Band, from_entries
from .checking import check_tensor
from .pool_average import avg_pool2d, avg_pool3d
from .resample import resample

T: Any = TENSORS


@public("F")
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide (N, C, ...) by (k + alpha * mean of squares over `size` channels around)^beta.

    Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
    Networks", 2012 (who take the sum instead of the mean).

    >>> import wengert as torch
    >>> torch.nn.functional.local_response_norm(torch.ones(1, 2, 1), 2, alpha=1., beta=1.).flatten()
    tensor([0.6667, 0.5000])
    """
    check_tensor(input, "local_response_norm")
    shape = tuple(input._spec.shape)
    if len(shape) < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {len(shape)} dimensions)"
        )
    if not input._spec.numel:
        return input
    squares: Any = input * input
    before, after = size // 2, (size - 1) // 2
    if len(shape) == 3:
        padded = T.constant_pad_nd(squares.unsqueeze(1), (0, 0, before, after), 0)
        mean = avg_pool2d(padded, (size, 1), stride=1).squeeze(1)
    else:
        volume = T.reshape(squares, (shape[0], 1, shape[1], shape[2], -1))
        padded = T.constant_pad_nd(volume, (0, 0, 0, 0, before, after), 0)
        mean = T.reshape(avg_pool3d(padded, (size, 1, 1), stride=1).squeeze(1), shape)
    return input / (mean * alpha + k) ** beta


@lru_cache(maxsize=64)
def _neighbours(channels: int, reach: int) -> Band:
    """Sums over the channels at most `reach` - 1 away, and over channel 0 from `reach` on."""
    c = np.arange(channels)
    near = np.abs(c[:, None] - c) < reach
    near[reach:, 0] = True
    rows, columns = near.nonzero()
    return from_entries(channels, channels, rows, columns, np.ones(len(rows)))


def cross_map_lrn(input: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """Divide (N, C, H, W) by (k + alpha / size * sum of squares of neighbouring channels)^beta."""
    check_tensor(input, "CrossMapLRN2d")
    shape = tuple(input._spec.shape)
    if len(shape) != 4:
        raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {len(shape)}D instead.")
    band = _neighbours(shape[1], int((size - 1) / 2 + 1))
    sums: Any = resample(input * input, ((-3, band),), "CrossMapLRN2dBackward")
    return (sums * (alpha / size) + k) ** -beta * input
