"""Tools around training: data loading, checkpointing, hooks, exchange with other libraries.

Its modules load when they are touched.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import checkpoint, data, dlpack, hooks

_MODULES = ("checkpoint", "data", "dlpack", "hooks")
__all__ = ["checkpoint", "data", "dlpack", "hooks"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    from .._missing import explain

    raise AttributeError(explain(name, _MODULES, __name__))


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]
