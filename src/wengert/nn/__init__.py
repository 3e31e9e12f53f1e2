"""Neural networks: `Module`, its layers and losses, `Parameter`, `init`, `functional`, `utils`."""

from __future__ import annotations

from typing import Any

from ..core.parameter import Buffer, Parameter
from . import functional, init, modules, parallel, parameter, utils
from ._factory import factory_kwargs
from .modules import *
from .modules import __all__ as _layers
from .parameter import UninitializedBuffer, UninitializedParameter

__all__ = [  # noqa: PLE0604 (strings too: the names of all layers)
    *_layers,
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "factory_kwargs",
    "functional",
    "init",
    "modules",
    "parallel",
    "parameter",
    "utils",
]


def __getattr__(name: str) -> Any:
    from .._missing import explain

    raise AttributeError(explain(name, __all__, __name__))
