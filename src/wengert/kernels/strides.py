"""Views of one memory: strides counted in elements, windows, and arrays laid over a storage.

PyTorch counts strides and offsets in elements and from the start of the *storage*; NumPy in bytes
and from the array at hand. The storage here is the array that owns the memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .dims import count, shown

ndarray = np.ndarray


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in elements, of a row-major array of that shape."""
    out = [1] * len(shape)
    step = 1
    for k in range(len(shape) - 1, -1, -1):
        out[k] = step
        step *= max(shape[k], 1)
    return tuple(out)


def element_strides(x: ndarray) -> tuple[int, ...]:
    """Return the strides in elements; NumPy leaves those of an empty array at 0."""
    if x.size == 0:
        return contiguous_strides(x.shape)
    size = x.itemsize
    return tuple([s // size for s in x.strides])


def owner(x: ndarray) -> ndarray:
    """Return the array whose memory `x` looks into."""
    while x.base.__class__ is ndarray:
        x = x.base
    return x


def address(x: ndarray) -> int:
    """Return where the first element lies."""
    return x.__array_interface__["data"][0]


def storage_offset(x: ndarray) -> int:
    """Return how many elements after the start of the storage `x` begins."""
    base = owner(x)
    return 0 if base is x or x.size == 0 else (address(x) - address(base)) // x.itemsize


def laid_over(x: ndarray, shape: tuple[Any, ...], strides: tuple[Any, ...], offset: int) -> ndarray:
    """Return an array of that geometry (in bytes, from the start of the storage) over x's memory.

    The storage must be one block: it is when it owns its memory.
    """
    base = owner(x)
    if not base.flags.c_contiguous:
        if not base.flags.f_contiguous:
            shift = offset - (address(x) - address(base))
            start = np.lib.stride_tricks.as_strided(x, (shift + 1,), (1,))[shift:] if shift else x
            return np.lib.stride_tricks.as_strided(start, shape, strides)
        base = base.T
    return ndarray(shape, x.dtype, base, offset, strides)


def as_strided(x: ndarray, size: tuple[Any, ...], stride: tuple[Any, ...], shift: int) -> ndarray:
    """Return a view of x's storage with the given sizes and strides, in elements.

    It begins `shift` elements after the first of x: so the call means the same on another array
    (a gradient) that is laid out like x but lies elsewhere.
    """
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides: "
            + shown(stride)
        )
    if any(n < 0 for n in size):
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={shown(size)} and "
            f"strides={shown(stride)}"
        )
    offset = storage_offset(x) + shift
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    item = x.itemsize
    base = owner(x)
    if count(size) == 0:
        return base.reshape(-1)[:0].view(x.dtype).reshape(size)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if (last + 1) * item > base.nbytes:
        raise RuntimeError(
            f"setStorage: sizes {shown(size)}, strides {shown(stride)}, storage offset {offset}, "
            f"and itemsize {item} requiring a storage size of {(last + 1) * item} are out of "
            f"bounds for storage of size {base.nbytes}"
        )
    return laid_over(x, size, tuple([s * item for s in stride]), offset * item)


def positions(size: tuple[Any, ...], stride: tuple[Any, ...], offset: int) -> ndarray:
    """Return the storage position of every element of a geometry."""
    at = np.full((1,) * len(size), offset, np.intp)
    for k, (n, s) in enumerate(zip(size, stride, strict=True)):
        steps = np.arange(n, dtype=np.intp) * s
        at = at + steps.reshape((n,) + (1,) * (len(size) - 1 - k))
    return at.reshape(size)


def restride(g: ndarray, source: tuple[Any, ...], target: tuple[Any, ...], share: tuple[Any, ...] | None) -> ndarray:
    """Add up `g` at the storage positions of one geometry, and read them through another.

    A geometry is (size, stride, offset). With `share` (one of the two) elements that this geometry
    sees several times are divided by how often, as PyTorch does for inputs that overlap: this is
    the transpose of `as_strided` from `target` to `source`, and as_strided itself the other way.
    """
    into, read, seen = storage_plan(source, target, share)
    storage = np.zeros(len(seen), g.dtype)
    if share == source:
        g = g / seen[into].astype(g.real.dtype)
    np.add.at(storage, into.reshape(-1), g.reshape(-1))
    out = storage[read]
    return out / seen[read].astype(g.real.dtype) if share == target else out


def storage_plan(source: tuple[Any, ...], target: tuple[Any, ...], share: Any) -> tuple[Any, Any, Any]:
    """Return the positions in a storage of two geometries, and how often `share` sees each position."""
    into, read = positions(*source), positions(*target)
    low = min(int(into.min(initial=0)), int(read.min(initial=0)))
    into, read = into - low, read - low
    length = 1 + max(int(into.max(initial=-1)), int(read.max(initial=-1)))
    seen = np.bincount((into if share == source else read).reshape(-1), minlength=length)
    return into, read, seen


def windows(x: ndarray, dim: int, size: int, step: int) -> ndarray:
    """Return all slices of length `size` along `dim`, `step` apart, with a new last dim (a view)."""
    if x.ndim == 0:
        return x.reshape(1)[:size]
    n = (x.shape[dim] - size) // step + 1
    shape = (*x.shape[:dim], n, *x.shape[dim + 1 :], size)
    strides = x.strides
    moved = (*strides[:dim], strides[dim] * step, *strides[dim + 1 :], strides[dim])
    base = owner(x)
    if count(shape) == 0:
        return np.empty(shape, x.dtype)
    return laid_over(x, shape, moved, address(x) - address(base))


def add_windows(g: ndarray, shape: tuple[Any, ...], dim: int, size: int, step: int) -> ndarray:
    """Add windows up into an array of that shape: the transpose of `windows`."""
    out = np.zeros(shape, g.dtype)
    if not shape:
        out[...] = g.sum()
        return out
    n = g.shape[dim]
    lead = (slice(None),) * dim
    for k in range(size):  # one strided add per position inside the window
        out[(*lead, slice(k, k + (n - 1) * step + 1, step))] += g[..., k]
    return out


def expand(x: ndarray, shape: tuple[Any, ...]) -> ndarray:
    """Return `x` with sizes of 1 repeated without copying; the result may be written to."""
    lead = len(shape) - x.ndim
    strides: tuple[Any, ...]
    if x.size == 1:
        strides = (0,) * len(shape)
    elif x.shape == shape[lead:]:
        strides = (0,) * lead + x.strides
    else:
        strides = (0,) * lead + tuple(
            [s if m == n else 0 for s, m, n in zip(x.strides, x.shape, shape[lead:], strict=True)]
        )
    if x.flags.c_contiguous:
        return ndarray(shape, x.dtype, x, 0, strides)
    if count(shape) == 0:
        return np.empty(shape, x.dtype)
    return laid_over(x, shape, strides, address(x) - address(owner(x)))
