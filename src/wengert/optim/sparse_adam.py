"""SparseAdam, which is for sparse gradients: there are none here."""

from __future__ import annotations

from typing import Any

from .optimizer import Optimizer


class SparseAdam(Optimizer):
    """Refuses: all gradients are dense here, and Adam is the optimizer for them.

    >>> import wengert as torch
    >>> torch.optim.SparseAdam([torch.zeros(1)])
    Traceback (most recent call last):
    RuntimeError: SparseAdam does not support dense gradients, and wengert has no sparse ones: ...
    """

    def __init__(self, params: Any, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            "SparseAdam does not support dense gradients, and wengert has no sparse ones: please "
            "use Adam instead"
        )
