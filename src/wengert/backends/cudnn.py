"""The switches of cuDNN, which is not there: they can be set and read, and change nothing."""

from __future__ import annotations

enabled = True
deterministic = False
benchmark = False
allow_tf32 = True


def is_available() -> bool:
    """Return False: there is no cuDNN.

    >>> import wengert as torch
    >>> torch.backends.cudnn.is_available()
    False
    """
    return False


def version() -> None:
    """Return None: there is no cuDNN."""
