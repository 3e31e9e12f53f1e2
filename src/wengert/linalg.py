"""`wengert.linalg`: linear algebra, under PyTorch's names.

>>> import wengert as torch
>>> torch.linalg.vector_norm(torch.tensor([3., 4.]))
tensor(5.)
"""

from __future__ import annotations

from typing import Any

from . import methods  # noqa: F401  (fills the registry)
from .core.registry import API as _API
from .late import named as _named
from .late import names as _names

globals().update(_API.get("linalg", {}))
__all__ = _names("linalg")  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    found = _named("linalg", name)
    if found is not None:
        globals()[name] = found
        return found
    from ._missing import explain

    raise AttributeError(explain(name, __all__, "wengert.linalg"))
