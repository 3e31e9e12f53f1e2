"""What the creation functions of random numbers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..kernels import dtypes
from ..kernels.random import Generator, filled_like
from .options import default_dtype, delivered

# (size, NumPy dtype, whether the numbers will fill one block of memory in order) -> array
Draw = Callable[[Any, Any, bool], np.ndarray]


def dtype_of(caller: str, out: Tensor | None, dtype: Any) -> dtypes.dtype:
    """Return the dtype to draw in."""
    return default_dtype(dtype, caller) if out is None else out._spec.dtype


def standard(g: Generator, mean: float = 0.0, std: float = 1.0) -> Draw:
    """Return the draw of normal numbers."""
    return lambda size, dtype, contiguous: g.normal(size, mean, std, dtype, contiguous)


def new_drawn(
    caller: str, size: tuple[int, ...], d: dtypes.dtype, draw: Draw, out: Any, dtype: Any,
    requires_grad: Any,
) -> Tensor:  # fmt: skip
    """Return a new tensor drawn for this size, or `out` with the numbers drawn into it."""
    if out is None or out._array.shape != size or out._array.flags.c_contiguous:
        return delivered(draw(size, d.np, True), out, dtype, requires_grad, caller)
    drawn = filled_like(out._array, d.np, lambda shape: draw(shape, d.np, False))
    return delivered(drawn, out, dtype, requires_grad, caller)
