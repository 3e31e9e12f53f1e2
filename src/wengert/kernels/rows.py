"""Rows combined at the places that an index names: what index_add, scatter_add and embeddings do.

`np.add.at` is fast for single elements and slow for rows. Rows are sorted by their place; then the
first rows of all places are combined at once, then the second ones, and so on: few calls, each over
long contiguous rows. Where some places get far more rows than the others, theirs are reduced last.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .dims import count

ndarray = np.ndarray
_CHUNK = 1 << 18  # how many flat positions are made at a time
_NARROW = 16  # elements of a row below which elements are combined one by one
_FEW = 1 << 13  # elements below which sorting does not pay


def combine_rows(out: ndarray, dim: int, at: ndarray, rows: ndarray, ufunc: Any = np.add) -> None:
    """out[.., at[k], ..] = ufunc(that, rows[.., k, ..]) for every k.

    `at` is a vector, checked and not negative; `rows` has the shape of `out` but for `dim`.
    """
    size = at.size
    if not size or not rows.size:
        return
    width = rows.size // size
    inner = count(rows.shape[dim + 1 :])
    if (inner < _NARROW or size * width < _FEW) and out.flags.c_contiguous:
        _one_by_one(out, dim, at, rows, ufunc)
    else:
        _by_layers(out, dim, at, rows, ufunc)


def _order(at: ndarray, n: int) -> ndarray:
    """A stable argsort; NumPy sorts 16-bit integers by radix, twenty times as fast as others."""
    if n <= 1 << 16:
        return at.astype(np.uint16).argsort(kind="stable")
    low = at.astype(np.uint16).argsort(kind="stable")
    if n > 1 << 32:
        return at.argsort(kind="stable")
    return low[(at[low] >> 16).astype(np.uint16).argsort(kind="stable")]


def _by_layers(out: ndarray, dim: int, at: ndarray, rows: ndarray, ufunc: Any) -> None:
    lead: tuple[Any, ...] = (slice(None),) * dim
    counts = np.bincount(at, minlength=1)
    places = np.flatnonzero(counts)
    many = counts[places]
    most = int(many.max())
    if most == 1:
        key = (*lead, at)
        out[key] = ufunc(out.take(at, dim), rows)
        return
    order = _order(at, counts.size)
    starts = (np.cumsum(counts) - counts)[places]
    if places.size > 1:  # the places with most rows first
        by = (
            (most - many).argsort(kind="stable")
            if most > 1 << 16
            else (most - many).astype(np.uint16).argsort(kind="stable")
        )
        places, many, starts = places[by], many[by], starts[by]
    total = rows.take(order[starts], dim)
    if total.dtype != out.dtype:
        total = total.astype(out.dtype)
    left, k = places.size, 1
    ends = np.searchsorted(
        -many, -np.arange(1, most + 1), side="left"
    )  # places with more than k rows
    while k < most:
        left = int(ends[k - 1])
        if left < most - k:  # fewer places than layers
            break
        part = total[(*lead, slice(0, left))]
        ufunc(part, rows.take(order[starts[:left] + k], dim), out=part)
        k += 1
    if k < most:
        for j in range(left):
            rest = rows.take(order[starts[j] + k : starts[j] + many[j]], dim)
            here = (*lead, j)
            total[here] = ufunc(total[here], ufunc.reduce(rest, dim, out.dtype))
    out[(*lead, places)] = ufunc(out.take(places, dim), total)


def _one_by_one(out: ndarray, dim: int, at: ndarray, rows: ndarray, ufunc: Any) -> None:
    """Element by element at flat positions, which `ufunc.at` is fast for."""
    n, lead = out.shape[dim], (slice(None),) * dim
    outer, inner = count(out.shape[:dim]), count(out.shape[dim + 1 :])
    flat = out.reshape(-1)
    if outer == inner == 1:
        ufunc.at(flat, at, rows.reshape(-1).astype(out.dtype, copy=False))
        return
    block = np.arange(inner)[None, :] + (np.arange(outer) * (n * inner))[:, None]
    step = max(1, _CHUNK // max(block.size, 1))
    for k in range(0, at.size, step):
        where = block[:, None, :] + (at[k : k + step] * inner)[None, :, None]
        part = rows[(*lead, slice(k, k + step))]
        ufunc.at(flat, where.reshape(-1), part.reshape(-1).astype(out.dtype, copy=False))


def as_rows(index: ndarray, dim: int) -> ndarray | None:
    """Return the vector that an index expanded along all dims but `dim` repeats, or None."""
    if index.ndim < 2 or index.size == 0:
        return None
    for k, (n, s) in enumerate(zip(index.shape, index.strides, strict=True)):
        if k != dim and s != 0 and n != 1:
            return None
    key: list[Any] = [0] * index.ndim
    key[dim] = slice(None)
    return index[tuple(key)]
