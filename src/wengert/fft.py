"""`wengert.fft`: discrete Fourier transforms, under PyTorch's names.

>>> import wengert as torch
>>> torch.fft.rfft(torch.ones(4)).real
tensor([4., 0., 0.])
"""

from __future__ import annotations

from typing import Any

from . import methods  # noqa: F401  (fills the registry)
from .core.registry import API as _API
from .core.tensor import Tensor as Tensor
from .late import load_all as _load_all

_load_all("fft")
globals().update(_API["fft"])
__all__ = sorted(_API["fft"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ._missing import explain

    raise AttributeError(explain(name, __all__, "wengert.fft"))
