"""Weights of convolutions in another order of memory."""

from __future__ import annotations

from typing import Any

from ..modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d
from ..modules.module import Module


def _convert(module: Module, memory_format: Any, kinds: tuple[type[Module], ...]) -> Module:
    for found in module.modules():
        if isinstance(found, kinds):
            weight: Any = found.weight
            weight.data = weight.detach().contiguous(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """Stores the weights of all Conv2d and ConvTranspose2d below in `memory_format`.

    The values are the same; `torch.channels_last` puts the channels innermost.
    """
    return _convert(module, memory_format, (Conv2d, ConvTranspose2d))


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """Stores the weights of all Conv3d and ConvTranspose3d below in `memory_format`."""
    return _convert(module, memory_format, (Conv3d, ConvTranspose3d))
