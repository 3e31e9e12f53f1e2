"""`wengert.masked`: reductions over the elements that a mask selects, under PyTorch's names.

>>> import wengert as torch
>>> torch.masked.sum(torch.tensor([1., 2., 4.]), mask=torch.tensor([True, False, True]))
tensor(5.)
"""

from __future__ import annotations

from typing import Any

from . import methods  # noqa: F401  (fills the registry)
from .core.registry import API as _API
from .late import load_all as _load_all

_load_all("masked")
globals().update(_API["masked"])
__all__ = sorted(_API["masked"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ._missing import explain

    raise AttributeError(explain(name, __all__, "wengert.masked"))
