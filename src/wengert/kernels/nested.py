"""Arrays from nested Python sequences, with the dtype PyTorch would infer.

Knows Python numbers, NumPy scalars and arrays. Tensors come in as *leaves* through the caller's
function `leaf`, so that nothing here knows what a tensor is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes

_NUMBERS = frozenset((float, int, bool, complex))
_KNOWN = (float, int, complex, np.generic)
_TEXT = (str, bytes)


def array_of(data: Any, dtype: dtypes.dtype | None, leaf: Callable[[Any], Any]) -> np.ndarray:
    """Return a new array with the values of nested sequences (or of one number).

    ``leaf(x)`` turns a tensor among the values into a NumPy scalar of its dtype and returns
    anything else as it is. ValueError for ragged nesting, TypeError or RuntimeError for values
    that are no numbers or do not fit.
    """
    kinds: set[type] = set()
    shape = _scan(data, kinds, 0)
    if not (kinds <= _NUMBERS or all(issubclass(kind, _KNOWN) for kind in kinds)):
        data = _plain(data, leaf)
        kinds.clear()
        _scan(data, kinds, 0)
    d = _inferred(kinds) if dtype is None else dtype
    _check_kinds(kinds, d, inferred=dtype is None)
    floats = any(issubclass(kind, (float, np.floating)) for kind in kinds)
    if floats and d.category == dtypes.INT and not _within(data, d):
        return _one_by_one(data, shape, d, inferred=False)
    try:
        # Text never gets here, so NumPy has only numbers to read.
        with np.errstate(over="ignore"):
            return np.array(data, d.np).reshape(shape)
    except (OverflowError, ValueError, TypeError):
        return _one_by_one(data, shape, d, inferred=dtype is None)


def _is_sequence(x: Any) -> bool:
    if x.__class__ is list or x.__class__ is tuple:
        return True
    if isinstance(x, (str, bytes, dict, set, frozenset)) or x.__class__ in _NUMBERS:
        return False
    if isinstance(x, np.ndarray):
        return x.ndim > 0
    return hasattr(x, "__len__") and hasattr(x, "__getitem__") and not hasattr(x, "requires_grad")


def _scan(data: Any, kinds: set[type], dim: int) -> tuple[int, ...]:
    """Return the shape of nested sequences and collect the types of their values."""
    if not _is_sequence(data):
        kinds.add(data.__class__)
        return ()
    if isinstance(data, np.ndarray):
        kinds.add(data.dtype.type)
        return tuple(data.shape)
    n = len(data)
    if n == 0:
        return (0,)
    if not _is_sequence(data[0]):
        found = set(map(type, data))
        for kind in (list, tuple):
            if kind in found:
                raise TypeError(
                    f"'{kind.__name__}' object cannot be interpreted as a number: {_RAGGED}"
                )
        kinds |= found
        return (n,)
    inner: tuple[int, ...] | None = None
    for row in data:
        if not _is_sequence(row):
            if row is None or isinstance(row, _TEXT):
                _refuse(type(row))
            raise TypeError(
                f"not a sequence: {row!r} stands beside sequences at dim {dim}; {_RAGGED}"
            )
        shape = _scan(row, kinds, dim + 1)
        if inner is None:
            inner = shape
        elif shape != inner:
            _refuse_ragged(inner, shape, dim + 1)
    assert inner is not None
    return (n, *inner)


_RAGGED = "every sequence at one depth must have the same length"


def _refuse_ragged(first: tuple[int, ...], other: tuple[int, ...], dim: int) -> None:
    if len(first) != len(other):
        raise TypeError(
            f"not a sequence: rows at dim {dim} have {len(first)} and {len(other)} dims; {_RAGGED}"
        )
    k = next(k for k, (m, n) in enumerate(zip(first, other, strict=True)) if m != n)
    raise ValueError(
        f"expected sequence of length {first[k]} at dim {dim + k} (got {other[k]}): {_RAGGED}"
    )


def _plain(data: Any, leaf: Callable[[Any], Any]) -> Any:
    """Replace arrays and tensors inside sequences by lists of NumPy scalars."""
    if isinstance(data, np.ndarray):
        dtypes.of(data.dtype)
        return [_plain(row, leaf) for row in data] if data.ndim else data[()]
    if _is_sequence(data):
        return [_plain(x, leaf) for x in data]
    return leaf(data)


def _inferred(kinds: set[type]) -> dtypes.dtype:
    if not kinds:
        return dtypes.get_default_dtype()
    found: dtypes.dtype | None = None
    for kind in kinds:
        d = _kind_dtype(kind)
        found = d if found is None else dtypes.promote_types(found, d)
    assert found is not None
    return found


def _kind_dtype(kind: type) -> dtypes.dtype:
    if kind is float:
        return dtypes.get_default_dtype()
    if kind is complex:
        return dtypes.get_default_dtype().to_complex()
    if kind is int:
        return dtypes.int64
    if kind is bool:
        return dtypes.bool_
    if issubclass(kind, np.generic):
        return dtypes.of(np.dtype(kind))
    for base in (bool, int, float, complex):  # enum.IntEnum and other subclasses of numbers
        if issubclass(kind, base):
            return _kind_dtype(base)
    _refuse(kind)
    raise AssertionError


def _check_kinds(kinds: set[type], d: dtypes.dtype, *, inferred: bool) -> None:
    for kind in kinds - _NUMBERS:
        if not issubclass(kind, (int, float, complex, np.number, np.bool_)):
            _refuse(kind)
    if inferred or d.category in (dtypes.BOOL, dtypes.COMPLEX):
        return
    if any(issubclass(kind, (complex, np.complexfloating)) for kind in kinds):
        raise TypeError(f"must be real number, not complex: {d} has no imaginary part")


def _refuse(kind: type) -> None:
    if issubclass(kind, _TEXT):
        raise TypeError(f"new(): invalid data type '{kind.__name__}': a tensor holds numbers")
    raise RuntimeError(
        f"Could not infer dtype of {kind.__name__}: a tensor is made of numbers, nested sequences "
        "of numbers, arrays or tensors"
    )


def _within(data: Any, d: dtypes.dtype) -> bool:
    """Say whether all values lie within an integer dtype (NumPy would wrap floats silently)."""
    limits = dtypes.iinfo(d)
    values = np.array(data, np.float64)
    return bool(((values >= limits.min) & (values <= limits.max)).all())


def _one_by_one(
    data: Any, shape: tuple[int, ...], d: dtypes.dtype, *, inferred: bool
) -> np.ndarray:
    """Convert value by value: slow, but it wraps and refuses as PyTorch does."""
    out = np.empty(shape, d.np)
    flat = out.reshape(-1)
    for k, value in enumerate(_values(data)):
        try:
            flat[k] = dtypes.number_array(value, d, saturate=True)
        except RuntimeError:
            if inferred:
                raise ValueError(
                    f"Overflow when unpacking long long: {value} does not fit in torch.int64"
                ) from None
            raise
    return out


def _values(data: Any) -> Any:
    if not _is_sequence(data):
        yield data
        return
    for x in data:
        yield from _values(x)
