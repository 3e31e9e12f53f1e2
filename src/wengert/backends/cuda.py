"""The switches of CUDA's libraries, which are not there: they can be set, and change nothing."""

from __future__ import annotations

from types import SimpleNamespace

matmul = SimpleNamespace(allow_tf32=False)


def is_built() -> bool:
    """Return False: wengert is not built with CUDA.

    >>> import wengert as torch
    >>> torch.backends.cuda.is_built()
    False
    """
    return False
