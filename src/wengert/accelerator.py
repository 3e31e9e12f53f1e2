"""The accelerator names that scripts ask for when they choose a device: there is none here."""

from __future__ import annotations

__all__ = ["current_accelerator", "device_count", "is_available"]


def is_available() -> bool:
    """Return False: wengert computes on the CPU.

    >>> import wengert as torch
    >>> torch.accelerator.is_available()
    False
    """
    return False


def device_count() -> int:
    """Return 0, the number of usable accelerators."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """Return None: there is no accelerator.

    >>> import wengert as torch
    >>> torch.accelerator.current_accelerator() is None
    True
    """
    del check_available
