"""Interned (shape, dtype, device): equal specs are one object, so one `is` checks all three."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import dtypes
from .size import Size

ndarray = np.ndarray


class Spec:
    """What a tensor is like. `a is b` implies equal; after a table flush the converse may fail.

    hot   a plain CPU float or complex array with at least one dim: the fastest paths take it
    cpu   a plain CPU float or complex array
    plain an array of any dtype, not a wrapper
    """

    __slots__ = ("cpu", "dtype", "hot", "ndim", "np", "numel", "plain", "shape")

    shape: Size
    dtype: dtypes.dtype
    np: np.dtype
    ndim: int
    numel: int
    cpu: bool
    hot: bool
    plain: bool

    def __repr__(self) -> str:
        return f"Spec({tuple(self.shape)}, {self.dtype})"

    def wrapped(self, shape: tuple | None = None) -> Spec:
        """Return the spec of a wrapper over such a value: no fast path takes it."""
        s = Spec()
        s.dtype, s.np = self.dtype, self.np
        _sized(s, self.shape if shape is None else shape)
        s.cpu = s.hot = s.plain = False
        return s


def _sized(s: Spec, shape: tuple) -> None:
    s.shape = Size(shape)
    s.ndim = len(shape)
    n = 1
    for d in shape:
        n *= d
    s.numel = n


_table: dict[Any, Spec] = {}
_LIMIT = 8192  # programs with ever new shapes must not grow the table for ever


def spec_of(array: Any, _table: dict = _table) -> Spec:
    """Return the spec of an array (one dictionary look-up in the common case)."""
    s = _table.get((array.shape, array.dtype))
    return _intern(array) if s is None else s


def _intern(array: Any) -> Spec:
    if len(_table) >= _LIMIT:
        _table.clear()
    s = Spec()
    s.dtype = dtypes.of(array.dtype)
    s.np = s.dtype.np  # the one object of this dtype: keys then compare by identity
    _sized(s, array.shape)
    s.cpu = s.dtype.category >= 2
    s.hot = s.cpu and s.ndim > 0
    s.plain = True
    _table[array.shape, s.np] = s
    return s


def spec_for(shape: tuple, dtype: dtypes.dtype) -> Spec:
    """Return the spec of a shape and a dtype without an array at hand."""
    s = _table.get((tuple(shape), dtype.np))
    return spec_of(np.empty(shape, dtype.np)) if s is None else s
