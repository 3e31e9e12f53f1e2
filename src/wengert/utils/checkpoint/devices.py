"""What PyTorch's checkpointing asks about devices; here there is only the CPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...core.device import as_device


class DefaultDeviceType:
    """The type of device whose random state a checkpoint preserves beside the CPU's."""

    _type = "cpu"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Choose the type; RuntimeError for the name of no device."""
        DefaultDeviceType._type = device

    @staticmethod
    def get_device_type() -> str:
        """Return the type: "cpu" unless another was chosen.

        >>> import wengert as torch
        >>> torch.utils.checkpoint.DefaultDeviceType.get_device_type()
        'cpu'
        """
        return DefaultDeviceType._type


def get_device_states(*args: Any) -> tuple[list[int], list[Any]]:
    """Return the numbers and random states of the devices of the arguments: none, all is on the CPU.

    >>> import wengert as torch
    >>> torch.utils.checkpoint.get_device_states(torch.ones(2))
    ([], [])
    """
    return [], []


def set_device_states(
    devices: Iterable[int], states: Iterable[Any], *, device_type: str | None = None
) -> None:
    """Set the random states of devices; AssertionError for any device, as there is none to set."""
    for number, _ in zip(devices, states, strict=False):
        as_device(f"{device_type or 'cuda'}:{number}", "set_device_states")
