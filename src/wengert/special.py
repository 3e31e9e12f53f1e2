"""Special functions under PyTorch's name for them: `torch.special`.

>>> import wengert as torch
>>> torch.special.expit(torch.tensor([0.]))
tensor([0.5000])
"""

from __future__ import annotations

from typing import Any

from . import methods  # noqa: F401  (fills the registry)
from .core.registry import API as _API
from .late import named as _named
from .late import names as _names

globals().update(_API.get("special", {}))
__all__ = _names("special")  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    found = _named("special", name)
    if found is not None:
        globals()[name] = found
        return found
    from ._missing import explain

    raise AttributeError(explain(name, __all__, "wengert.special"))
