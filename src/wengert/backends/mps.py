"""Apple's Metal backend, which is not there."""

from __future__ import annotations


def is_available() -> bool:
    """Return False: wengert computes on the CPU.

    >>> import wengert as torch
    >>> torch.backends.mps.is_available()
    False
    """
    return False


def is_built() -> bool:
    """Return False: there is no Metal backend."""
    return False
