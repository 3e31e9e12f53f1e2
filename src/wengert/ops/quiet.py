"""Calls that nobody records or watches may run their kernel at once; `out=` for the others."""

from __future__ import annotations

from collections.abc import Iterable

from ..core import state
from ..core.registry import _into as with_out  # the checks of out= in one place
from ..core.tensor import Tensor


def quiet(xs: Iterable[Tensor]) -> bool:
    """Say whether a call on these tensors leaves no trace: no edge, no mode, no wrapper."""
    if state.MODE is not None:
        return False
    return all(x._edge is None and x._spec.plain for x in xs)


__all__ = ["quiet", "with_out"]
