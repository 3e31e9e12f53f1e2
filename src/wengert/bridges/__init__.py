"""Layer 4: other libraries' algorithms on functions of tensors, and tensors in other libraries.

Each module names its library, imports it when it is used, and is not loaded before it is touched:
`scipy` (minimize, root, least_squares, linear operators), `einops` (registered by itself).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import einops as einops
    from . import scipy as scipy

_MODULES = ("einops", "scipy")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    from .._missing import explain

    raise AttributeError(explain(name, [*_MODULES], __name__))


def __dir__() -> list[str]:
    return sorted(_MODULES)


__all__ = ["einops", "scipy"]
