"""Runs an update over arrays, large ones block by block so that its temporaries stay in the cache.

An update is a function of same-shaped arrays that writes some of them in place. It gets `work`, its
scratch arrays as `out=` arguments (None lets NumPy allocate), and its numbers as 0-d arrays. Small
arrays are done whole. Large ones are cut into blocks: an update of k passes then reads main memory
once instead of k times, and needs no temporary of the parameter's size.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import state

SMALL = 1 << 12  # elements up to which a temporary costs nothing
WHOLE = 1 << 17  # elements up to which an array is not cut: each block costs a microsecond a pass
BLOCK = 1 << 16  # elements of a block: 256 KiB of float32

Update = Callable[..., None]
_NO_WORK = (None, None)


class Numbers:
    """The numbers of an update in the dtype of the arrays: 0-d arrays, which NumPy takes fastest.

    None stays None: an update skips what it belongs to.
    """

    __slots__ = ("made", "values")

    def __init__(self, *values: float | None) -> None:
        self.values = values
        self.made: dict[str, tuple[Any, ...]] = {}

    def of(self, dtype: Any) -> tuple[Any, ...]:
        """Return the numbers for arrays of that dtype."""
        found = self.made.get(dtype.char)
        if found is None:
            found = tuple([None if v is None else np.array(v, dtype) for v in self.values])
            self.made[dtype.char] = found
        return found


@functools.lru_cache(maxsize=64)
def numbers(*values: float | None) -> Numbers:
    """Return the numbers of a step, which most steps share with the one before."""
    return Numbers(*values)


def run(update: Update, arrays: Sequence[Any], numbers: Numbers) -> None:
    """Call `update(arrays, work, numbers)` on the whole arrays or on their blocks in turn.

    `arrays[0]` is the parameter. Complex arrays are updated as pairs of reals, 16-bit ones in
    float32 and rounded at the end.
    """
    first = arrays[0]
    if state.BEFORE_WRITE is not None:
        state.BEFORE_WRITE(first)
    ready = numbers.made.get(first.dtype.char)
    if ready is not None and first.ndim and first.size <= SMALL:
        update(arrays, _NO_WORK, ready)
    else:
        _run(update, arrays, numbers)


class _Scratch(threading.local):
    """Two arrays of WHOLE elements for each dtype, kept by each thread.

    A fresh temporary of some hundred KB on every step makes the C library give memory back to the
    system and fetch it again: the page faults cost ten times the arithmetic.
    """

    def __init__(self) -> None:
        self.kept: dict[str, tuple[Any, Any]] = {}

    def of(self, dtype: Any) -> tuple[Any, Any]:
        found = self.kept.get(dtype.char)
        if found is None:
            found = self.kept[dtype.char] = (np.empty(WHOLE, dtype), np.empty(WHOLE, dtype))
        return found


_scratch = _Scratch()


def _run(update: Update, arrays: Sequence[Any], numbers: Numbers) -> None:
    first = arrays[0]
    dtype = first.dtype
    if dtype.kind == "c":
        parts = [_as_reals(a) for a in arrays]
        _run(update, [reals for reals, _ in parts], numbers)
        for reals, a in parts:
            if a is not None:
                a[...] = reals.view(a.dtype).reshape(a.shape)
        return
    if dtype.itemsize < 4:
        copies = [a.astype(np.float32) for a in arrays]
        _run(update, copies, numbers)
        for a, copy in zip(arrays, copies, strict=True):
            if a.flags.writeable:
                a[...] = copy
        return
    values = numbers.of(dtype)
    flat = _flat(arrays) if first.size > WHOLE else None
    if flat is None:
        work: Sequence[Any] = _NO_WORK
        if not first.ndim:
            work = (np.empty_like(first), np.empty_like(first))
        elif SMALL < first.size <= WHOLE and first.flags.c_contiguous:
            work = [w[: first.size].reshape(first.shape) for w in _scratch.of(dtype)]
        update(arrays, work, values)
        return
    scratch = [w[:BLOCK] for w in _scratch.of(dtype)]
    for start in range(0, first.size, BLOCK):
        block = [a[start : start + BLOCK] for a in flat]
        n = block[0].size
        update(block, scratch if n == BLOCK else [w[:n] for w in scratch], values)


def _flat(arrays: Sequence[Any]) -> list[Any] | None:
    """All arrays as vectors over their own memory in one order; None if they have none in common."""
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
