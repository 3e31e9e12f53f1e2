"""The CUDA names that scripts ask for; there is no CUDA device here, and that is what they say."""

from __future__ import annotations

from typing import Any

__all__ = [
    "current_device",
    "current_stream",
    "device_count",
    "empty_cache",
    "get_device_name",
    "init",
    "is_available",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "set_device",
    "synchronize",
]

_TEXT = (
    "Torch not compiled with CUDA enabled: wengert computes on the CPU with NumPy; GPU arrays "
    "(the extras cuda12 and cuda13, through CuPy) come in a later release"
)


def is_available() -> bool:
    """Return False: no CUDA device can be used.

    >>> import wengert as torch
    >>> torch.cuda.is_available()
    False
    """
    return False


def device_count() -> int:
    """Return 0, the number of usable CUDA devices."""
    return 0


def is_initialized() -> bool:
    """Return False: CUDA is never initialised."""
    return False


def manual_seed(seed: int) -> None:
    """Do nothing, as PyTorch without a CUDA device."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """Do nothing, as PyTorch without a CUDA device."""
    int(seed)


def empty_cache() -> None:
    """Do nothing: there is no cache."""


def _refuse(*args: Any, **kwargs: Any) -> Any:
    """Raise AssertionError, as PyTorch without CUDA: there is no such device."""
    raise AssertionError(_TEXT)


synchronize = current_device = set_device = get_device_name = init = current_stream = _refuse
