"""Reading the key of x[key]: what is basic and makes a view, and what index arrays say.

PyTorch's rules, which differ from NumPy's where ints meet index arrays: ints select first.
"""

from __future__ import annotations

import warnings
from operator import index as to_int
from typing import Any

import numpy as np

from ..core.batching import refuse_dynamic
from ..core.dual import innermost
from ..core.op import TENSORS as T
from ..core.tensor import Tensor, wrap
from ..kernels import scatter as kernels
from ..kernels.dims import shown
from ..kernels.dtypes import int64

_NOT_AN_INDEX = (
    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
    "indices (got {})"
)
_FULL = slice(None)


def parse(shape: tuple[Any, ...], key: Any) -> tuple[tuple[Any, ...] | None, str, list[Any]]:
    """Split a key into its basic part and its index arrays.

    Returns (basic key, name of the node it makes, [(dim, index), ...]). The basic key is None if it
    does nothing; the dims are those of what it gives. An index is a tensor or array, integer or
    bool (a mask, which covers as many dims as it has).
    """
    ndim = len(shape)
    items = list(key) if key.__class__ is tuple or _is_tuple(key) else [key]
    named = 0  # dims of x that the key speaks of
    for k, item in enumerate(items):
        if item is None or item is Ellipsis or item is True or item is False:
            continue
        c = item.__class__
        if c is int or c is slice:
            named += 1
            continue
        items[k] = item = _read(item)
        if item.__class__ is int:
            named += 1
        elif item.__class__ is not bool:
            named += item.ndim if is_mask(item) else 1
    if named > ndim:
        if ndim == 0:
            first = next(i for i in items if i is not None and i is not Ellipsis)
            if isinstance(first, slice):
                raise IndexError("slice() cannot be applied to a 0-dim tensor.")
            if isinstance(first, int):
                raise _scalar_index()
        raise IndexError(
            f"too many indices for tensor of dimension {ndim} (the shape is {shown(shape)}, the "
            f"key names {named} dims)"
        )
    pieces: list[Any] = []
    indices: list[Any] = []
    name, basic = "", False
    dim = at = 0  # the next dim of x, and of the view
    room = ndim - named
    for item in items:
        c = item.__class__
        if c is int:
            n = shape[dim]
            if not -n <= item < n:
                raise IndexError(
                    f"index {item} is out of bounds for dimension {dim} with size {n}"
                )
            pieces.append(item)
            name, basic = "SelectBackward0", True
            dim += 1
        elif c is slice:
            piece = whole(item, shape[dim])
            if piece is not _FULL:
                name, basic = "SliceBackward0", True
            pieces.append(piece)
            dim += 1
            at += 1
        elif item is None:
            pieces.append(None)
            name, basic = "UnsqueezeBackward0", True
            at += 1
        elif item is Ellipsis:
            pieces.extend([_FULL] * room)
            dim += room
            at += room
            room = 0
        elif c is bool:  # a new dim of size 1 or 0
            pieces.append(None)
            name, basic = "UnsqueezeBackward0", True
            indices.append((at, np.zeros(int(item), np.int64)))
            at += 1
        else:
            width = 1
            if is_mask(item):
                width = item.ndim
                for j in range(width):
                    if item.shape[j] != shape[dim + j]:
                        view = _seen(shape, pieces, dim)
                        raise IndexError(
                            f"The shape of the mask {shown(item.shape)} at index {j} does not match "
                            f"the shape of the indexed tensor {shown(view)} at index {at + j}"
                        )
            indices.append((at, item))
            pieces.extend([_FULL] * width)
            dim += width
            at += width
    if not basic:
        return None, "AliasBackward0", indices
    return (*pieces, Ellipsis), name, indices


def _scalar_index() -> IndexError:
    return IndexError(
        "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in "
        "C++ to convert a 0-dim tensor to a number"
    )


def whole(piece: slice, n: int) -> slice:
    """Return a slice with its bounds filled in, and `_FULL` itself if it takes everything."""
    if piece.start is None and piece.stop is None and piece.step is None:
        return _FULL
    start, stop, step = piece.indices(n)
    if step < 0:
        raise ValueError("step must be greater than zero")
    if start == 0 and stop == n and step == 1:
        return _FULL
    return slice(start, max(start, stop), step)


def _seen(shape: tuple[Any, ...], pieces: list[Any], dim: int) -> list[int]:
    """The shape of the view so far, for an error text."""
    out, k = [], 0
    for p in pieces:
        if p is None:
            out.append(1)
            continue
        if p.__class__ is slice:
            out.append(len(range(*p.indices(shape[k]))))
        k += 1
    return [*out, *shape[dim:]]


def _is_tuple(key: Any) -> bool:
    """A short list with something else than numbers in it stands for a tuple of indices."""
    if not isinstance(key, (list, range)) or len(key) >= 32:
        return False
    for item in key:
        if item is None or item is Ellipsis or isinstance(item, (Tensor, slice, list, tuple, np.ndarray)):
            return True
    return False


def is_mask(a: Any) -> bool:
    """Say whether an index is a mask: bool, or uint8 as it once was."""
    return a.dtype.itemsize == 1


def _read(item: Any) -> Any:
    """Return an index as an int, a bool, or a tensor or array of positions or of a mask."""
    if isinstance(item, Tensor):
        s = item._spec
        if s.dtype.name not in ("int64", "int32", "uint8", "bool"):
            if s.ndim == 0 and s.dtype.category == 1:
                return item._array.item()
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        if s.ndim == 0 and s.plain:
            return item._array.item()
        if s.dtype.name == "uint8":
            warnings.warn(
                "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool "
                "instead.",
                UserWarning,
                stacklevel=4,
            )
        return item
    if isinstance(item, (np.ndarray, list, tuple, range)):
        a = np.asarray([_plain(i) for i in item]) if isinstance(item, (list, tuple)) else np.asarray(item)
        if a.ndim == 0:
            return _read(a[()])
        if a.size == 0 and a.dtype.kind == "f":  # what an empty list becomes
            a = a.astype(np.int64)
        if a.dtype.kind not in "iub":
            raise IndexError(
                "tensors used as indices must be long, int, byte or bool tensors (got "
                f"{'an array' if isinstance(item, np.ndarray) else 'a sequence'} of {a.dtype})"
            )
        return a if a.dtype.itemsize in (1, 8) and a.dtype.kind in "ib" else a.astype(np.int64)
    if isinstance(item, np.bool_):
        return bool(item)
    if isinstance(item, str):
        raise TypeError("new(): invalid data type 'str'")
    try:
        return to_int(item)
    except TypeError:
        raise IndexError(_NOT_AN_INDEX.format(type(item).__name__)) from None


def _plain(item: Any) -> Any:
    return item._array if isinstance(item, Tensor) else item


def positions(shape: tuple[Any, ...], indices: list[Any]) -> tuple[Tensor, tuple[Any, ...]]:
    """Return one integer tensor of flat positions for all index arrays, and the dims it indexes.

    A single integer tensor stays the tensor it is, so that a later write to it is noticed.
    """
    if not all_plain(indices):
        return _mapped_positions(shape, indices)
    if len(indices) == 1:
        d, y = indices[0]
        if is_mask(y):
            a = array_of(y)
            return wrap(np.flatnonzero(a)), tuple(range(d, d + a.ndim))
        if isinstance(y, Tensor) and y._spec.np.itemsize == 8:
            return y, (d,)
        return wrap(array_of(y).astype(np.int64, copy=False)), (d,)
    dims: list[int] = []
    arrays: list[np.ndarray] = []
    for d, y in indices:
        a = array_of(y)
        if is_mask(y):
            dims.extend(range(d, d + a.ndim))
            arrays.extend(a.nonzero())
        else:
            dims.append(d)
            arrays.append(a)
    try:
        flat: Any = np.ravel_multi_index(arrays, [shape[d] for d in dims])
        return wrap(np.asarray(flat)), tuple(dims)
    except ValueError:  # negative, out of bounds, or of shapes that don't broadcast
        flat = 0
    for k, (d, a) in enumerate(zip(dims, arrays, strict=True)):
        n = shape[d]
        kernels.check_bounds(a, n, kernels.out_of_bounds(k, n, IndexError), negative=True)
        try:
            flat = flat * n + kernels.wrapped(a, n)
        except ValueError:
            shapes = ", ".join(shown(b.shape) for b in arrays)
            raise IndexError(
                "shape mismatch: indexing tensors could not be broadcast together with shapes "
                + shapes
            ) from None
    return wrap(np.asarray(flat, np.int64)), tuple(dims)


def all_plain(indices: list[Any]) -> bool:
    """Say whether no index is seen through a transform."""
    return all([y._spec.plain for _, y in indices if isinstance(y, Tensor)])


def _mapped_positions(shape: tuple[Any, ...], indices: list[Any]) -> tuple[Tensor, tuple[Any, ...]]:
    """The same where vmap maps over some index: computed by ops, for all examples at once."""
    dims: list[int] = []
    parts: list[Tensor] = []
    for d, y in indices:
        t = y if isinstance(y, Tensor) else wrap(y)
        if is_mask(t):
            refuse_dynamic("indexing with a boolean mask", t)
            a = array_of(t)
            dims.extend(range(d, d + a.ndim))
            parts.extend([wrap(np.asarray(k)) for k in a.nonzero()])
        else:
            dims.append(d)
            parts.append(t if t._spec.np.itemsize == 8 else T.cast_whole(t, int64))
    if len(parts) == 1:
        return parts[0], tuple(dims)
    flat: Any = 0
    for k, (d, y) in enumerate(zip(dims, parts, strict=True)):
        n, at = shape[d], innermost(y)
        kernels.check_bounds(at, n, kernels.out_of_bounds(k, n, IndexError), negative=True)
        flat = flat * n + (T.where(y < 0, y + n, y) if at.size and at.min() < 0 else y)
    return flat, tuple(dims)


def array_of(y: Any) -> np.ndarray:
    """Return an index as an array, masks as bool."""
    a = y._array if isinstance(y, Tensor) else y
    return a.view(np.bool_) if a.dtype == np.uint8 else a


def native_key(indices: list[Any], ndim: int) -> tuple[Any, ...]:
    """Return the key by which NumPy understands index arrays."""
    key: list[Any] = [_FULL] * ndim
    gone = 0
    for d, y in indices:
        a = array_of(y)
        key[d - gone] = a
        if is_mask(y):
            del key[d - gone + 1 : d - gone + a.ndim]
            gone += a.ndim - 1
    return tuple(key)
