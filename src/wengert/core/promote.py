"""Which dtype a call computes in: tensors with dims, then 0-d tensors, then Python numbers.

Each group only speaks up when its kind (bool < int < float < complex) is above that of the groups
before it. See "Type promotion" in PyTorch's documentation of tensor attributes.
"""

from __future__ import annotations

from typing import Any

from ..kernels import dtypes
from .tensor import Tensor


def number_dtype(x: Any, like: Tensor | None = None) -> Any:
    """Return the dtype of a Python number that meets a tensor (or none)."""
    own = dtypes.number_dtype(x)
    return own if like is None else dtypes.combine(like._spec.dtype, None, own)


def result_dtype(args: Any) -> Any:
    """Return the common dtype of tensors and Python numbers (None entries are passed over)."""
    dims = scalars = numbers = None
    for a in args:
        if a is None:
            continue
        if isinstance(a, Tensor):
            d = a._spec.dtype
            if a._spec.ndim:
                dims = d if dims is None or dims is d else dtypes.promote_types(dims, d)
            else:
                scalars = d if scalars is None or scalars is d else dtypes.promote_types(scalars, d)
        else:
            d = dtypes.number_dtype(a)
            numbers = d if numbers is None or numbers is d else dtypes.promote_types(numbers, d)
    return dtypes.combine(dims, scalars, numbers)


def float_dtype(d: Any) -> Any:
    """Return the dtype that a floating-point function of a `d` has."""
    return d if d.category >= 2 else dtypes.get_default_dtype()
