"""Intel's MKL: whichever library NumPy computes products with is NumPy's affair."""

from __future__ import annotations


def is_available() -> bool:
    """Return False: wengert calls no MKL of its own.

    >>> import wengert as torch
    >>> torch.backends.mkl.is_available()
    False
    """
    return False
