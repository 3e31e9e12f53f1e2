"""Neural networks: `Module`, its layers and losses, `Parameter`, `init`, `functional`, `utils`."""

from ..core.parameter import Buffer, Parameter
from . import functional, init, modules, parameter, utils
from .modules import *
from .modules import __all__ as _layers

__all__ = [  # noqa: PLE0604 (strings too: the names of all layers)
    *_layers,
    "Buffer",
    "Parameter",
    "functional",
    "init",
    "modules",
    "parameter",
    "utils",
]
