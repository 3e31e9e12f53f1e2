"""Functions of neural networks: activations, losses, normalisation, embedding, dropout, padding.

The functions live in `ops`, next to the derivatives they use; this module is where PyTorch's users
look for them.

>>> import wengert as torch
>>> import wengert.nn.functional as F
>>> F.relu(torch.tensor([-1., 2.]))
tensor([0., 2.])
"""

from __future__ import annotations

from typing import Any

from .. import methods  # noqa: F401  (fills the registry)
from ..core.registry import API as _API
from ..late import named as _named
from ..late import names as _names

globals().update(_API["F"])
__all__ = _names("F")  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    found = _named("F", name)
    if found is not None:
        globals()[name] = found
        return found
    from .._missing import explain

    raise AttributeError(explain(name, __all__, __name__))
