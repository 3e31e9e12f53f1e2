"""`make_tensor`: a tensor of random numbers for a test."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.device import as_device
from ..core.tensor import Tensor, wrap

_random = np.random.default_rng(0)


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return a tensor filled uniformly from [low, high) (default [-9, 9), bool: both values).

    >>> import wengert as torch
    >>> torch.testing.make_tensor((2, 3), dtype=torch.float64, device="cpu").shape
    torch.Size([2, 3])
    """
    as_device(device)
    size = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    if noncontiguous:
        size = (*size[:-1], 2 * size[-1]) if size else size
    lo, hi = (-9 if low is None else low), (9 if high is None else high)
    if dtype.category == 0:
        a: Any = _random.integers(0, 2, size).astype(bool)
    elif dtype.category == 1:
        a = _random.integers(int(max(lo, 0) if not dtype.is_signed else lo), int(hi), size)
    else:
        a = _random.uniform(lo, hi, size)
        if dtype.is_complex:
            a = a + 1j * _random.uniform(lo, hi, size)
    a = np.asarray(a).astype(dtype.np)
    if exclude_zero:
        a = np.where(a == 0, np.ones((), a.dtype), a)
    t = wrap(a[..., ::2] if noncontiguous and size else a)
    return t.requires_grad_() if requires_grad else t
