"""Tools around training: data loading, checkpointing, hooks, TensorBoard files,
exchange with other libraries.

Its modules load when they are touched.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import checkpoint, data, dlpack, hooks, tensorboard

_MODULES = ("checkpoint", "data", "dlpack", "hooks", "tensorboard")
__all__ = ["checkpoint", "data", "dlpack", "hooks", "tensorboard"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    from .._missing import explain

    raise AttributeError(explain(name, _MODULES, __name__))


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]
