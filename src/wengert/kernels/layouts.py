"""New arrays laid out in memory like others, or as PyTorch's memory formats ask."""

from __future__ import annotations

from typing import Any

import numpy as np

# Format name -> (rank it is for, position of the channel in memory order).
_CHANNELS = {"channels_last": 4, "channels_last_3d": 5}


def packed(out: Any) -> Any:
    """Return an array in row-major order: NumPy keeps the order of a transposed input, PyTorch's
    reductions, scans, products and gathers don't."""
    return out if out.flags.c_contiguous else np.ascontiguousarray(out)


def empty_like(x: np.ndarray, dtype: np.dtype[Any], layout: str = "preserve_format") -> np.ndarray:
    """Return an uninitialised array of x's shape, dense, whose dims lie in memory as `layout` says.

    "preserve_format" keeps x's order of dims; dims that x only repeats (stride 0) take their
    place by position.
    """
    if layout != "preserve_format":
        return empty(x.shape, dtype, layout)
    if x.flags.c_contiguous:
        return np.empty(x.shape, dtype)
    strides = x.strides
    if 0 not in strides:
        return np.empty_like(x, dtype, order="K", subok=False)
    # An insertion sort in which repeated dims compare equal to all others, as in PyTorch.
    order = list(range(x.ndim))
    for i in range(1, x.ndim):
        k = i
        while k:
            before, here = strides[order[k - 1]], strides[order[k]]
            if not before or not here or before >= here:
                break
            order[k - 1], order[k] = order[k], order[k - 1]
            k -= 1
    made = np.empty([x.shape[k] for k in order], dtype)
    return made.transpose(np.argsort(order))


def empty(shape: tuple[int, ...], dtype: np.dtype[Any], layout: str) -> np.ndarray:
    """Return an uninitialised array in a named memory format; RuntimeError for the wrong rank."""
    rank = _CHANNELS.get(layout)
    if rank is None:
        return np.empty(shape, dtype)
    if len(shape) != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {layout} format")
    n, channels, *space = shape
    return np.moveaxis(np.empty((n, *space, channels), dtype), -1, 1)


def strided(shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """Return an uninitialised array with the given strides, counted in elements."""
    if len(shape) != len(strides):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides "
            f"({len(strides)})"
        )
    if any(s < 0 for s in strides) or any(n < 0 for n in shape):
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(shape)} and "
            f"strides={list(strides)}: none may be negative"
        )
    if 0 in shape:
        return np.empty(shape, dtype)
    length = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    memory = np.empty(length, dtype)
    return np.ndarray(shape, dtype, memory, 0, [s * dtype.itemsize for s in strides])


def is_channels_last(x: np.ndarray) -> bool:
    """Say whether images (N, C, ...) lie in memory with the channels innermost, as PyTorch decides it."""
    if x.ndim not in (4, 5) or not x.strides[1]:
        return False
    least = 0
    for d in (1, *range(x.ndim - 1, 1, -1), 0):
        n, stride = x.shape[d], x.strides[d]
        if n == 0 or stride < least or (d == 0 and least == x.strides[1]):
            return False
        least = stride * n if n > 1 else stride
    return True


def follow(out: np.ndarray, *sources: Any) -> np.ndarray:
    """Return `out` with the channels innermost if that is how one of its sources lies in memory."""
    for x in sources:
        if not x.flags.c_contiguous and is_channels_last(x):
            last = empty(out.shape, out.dtype, "channels_last" if x.ndim == 4 else "channels_last_3d")
            last[...] = out
            return last
    return out
