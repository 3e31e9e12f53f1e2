"""Runs an update over arrays block by block, so that its temporaries stay in the cache.

An update is a function of same-shaped arrays that writes some of them in place and uses `work`,
arrays of scratch space, for the rest. Small arrays are one block. Large ones are cut into blocks of
BLOCK elements: an update of k passes then reads main memory once instead of k times, and needs no
temporary of the parameter's size.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

BLOCK = 1 << 14  # float32 elements of 64 KiB: several such arrays fit the second-level cache

Update = Callable[..., None]


def run(update: Update, arrays: list[Any], scratch: int, settings: Any) -> None:
    """Calls `update(arrays, work, settings)` once, or once per block of the arrays.

    `arrays[0]` is the parameter. Complex arrays are updated as pairs of reals, float16 ones in
    float32 and rounded at the end.
    """
    first = arrays[0]
    kind = first.dtype.kind
    if kind == "c":
        arrays = [_as_reals(a) for a in arrays]
        run(update, [a for a, _ in arrays], scratch, settings)
        _write_back(arrays)
        return
    if first.dtype.itemsize < 4:
        copies = [a.astype(np.float32) for a in arrays]
        run(update, copies, scratch, settings)
        for a, copy in zip(arrays, copies, strict=True):
            if a.flags.writeable:
                a[...] = copy
        return
    size = first.size
    if size <= BLOCK:
        update(arrays, [np.empty_like(first) for _ in range(scratch)], settings)
        return
    flat = _flat(arrays)
    if flat is None:
        update(arrays, [np.empty_like(first) for _ in range(scratch)], settings)
        return
    work = [np.empty(BLOCK, first.dtype) for _ in range(scratch)]
    for start in range(0, size, BLOCK):
        stop = start + BLOCK
        if stop > size:
            stop = size
            work = [w[: stop - start] for w in work]
        update([a[start:stop] for a in flat], work, settings)


def _flat(arrays: list[Any]) -> list[Any] | None:
    """All arrays as vectors over their own memory, in one order; None if they have none in common."""
    if all(a.flags.c_contiguous for a in arrays):
        return [a.reshape(-1) for a in arrays]
    if all(a.flags.f_contiguous for a in arrays):
        return [a.T.reshape(-1) for a in arrays]
    return None


def _as_reals(a: Any) -> tuple[Any, Any]:
    """(array of reals, what to write back to): a view where memory allows it, else a copy."""
    real = np.float32 if a.dtype == np.complex64 else np.float64
    if a.ndim and a.strides[-1] == a.itemsize:
        return a.view(real), None
    return np.ascontiguousarray(a.reshape(-1)).view(real), a


def _write_back(arrays: list[tuple[Any, Any]]) -> None:
    for reals, a in arrays:
        if a is not None:
            a[...] = reals.view(a.dtype).reshape(a.shape)
