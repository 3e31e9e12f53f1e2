"""The symmetric indefinite factorisation A = L D L^T (or L D L^H), as LAPACK's sytf2 stores it.

J. Bunch and L. Kaufman, "Some stable methods for calculating inertia and solving symmetric linear
systems", Math. Comp. 31 (1977): a diagonal block of D is one number or 2 x 2, whichever keeps the
growth of what is left bounded.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .dims import count
from .lu import _size

ndarray = np.ndarray
_ALPHA = (1 + math.sqrt(17)) / 8


def ldl_factor(x: ndarray, hermitian: bool) -> tuple[ndarray, ndarray, ndarray]:
    """L and D in one lower-triangular matrix, LAPACK's pivots (negative: 2 x 2), and `info`."""
    n = x.shape[-1]
    lead = x.shape[:-2]
    a = np.tril(x).reshape(count(lead), n, n)
    pivots = np.empty((len(a), n), np.int32)
    info = np.zeros(len(a), np.int32)
    for b in range(len(a)):
        info[b] = _factor(a[b], pivots[b], hermitian and x.dtype.kind == "c")
    return a.reshape(x.shape), pivots.reshape(*lead, n), info.reshape(lead)


def _factor(a: ndarray, pivots: ndarray, hermitian: bool) -> int:
    """Factor the lower triangle of one matrix in place; return the first zero pivot (from 1) or 0."""
    n, k, info = len(a), 0, 0
    while k < n:
        if hermitian:
            a[k, k] = a[k, k].real
        column = _size(a[k + 1 :, k])
        largest = column.max(initial=0.0)
        row = k + 1 + int(column.argmax()) if column.size else k
        own = abs(a[k, k].real) if hermitian else _size(a[k, k])
        step, p = 1, k
        if max(own, largest) == 0:
            info = info or k + 1
        elif own < _ALPHA * largest:
            others = np.concatenate((a[row, k:row], a[row + 1 :, row]))
            bound = _size(others).max(initial=0.0)
            theirs = abs(a[row, row].real) if hermitian else _size(a[row, row])
            if own < _ALPHA * largest * (largest / bound):
                p = row
                if theirs < _ALPHA * bound:
                    step = 2
        if p != k + step - 1:
            _swap(a, k + step - 1, p, k, hermitian)
        if max(own, largest) != 0:
            (_eliminate_one if step == 1 else _eliminate_two)(a, k, hermitian)
        pivots[k : k + step] = p + 1 if step == 1 else -(p + 1)
        k += step
    return info


def _swap(a: ndarray, i: int, j: int, k: int, hermitian: bool) -> None:
    """Exchange rows and columns i < j of the trailing matrix that starts at k."""
    held = a[j + 1 :, i].copy()
    a[j + 1 :, i], a[j + 1 :, j] = a[j + 1 :, j], held
    between = a[i + 1 : j, i].copy()
    a[i + 1 : j, i] = np.conj(a[j, i + 1 : j]) if hermitian else a[j, i + 1 : j]
    a[j, i + 1 : j] = np.conj(between) if hermitian else between
    if hermitian:
        a[j, i] = np.conj(a[j, i])
    a[i, i], a[j, j] = a[j, j], a[i, i]
    if i > k:
        a[i, k], a[j, k] = a[j, k], a[i, k]


def _eliminate_one(a: ndarray, k: int, hermitian: bool) -> None:
    below = a[k + 1 :, k]
    low = below / a[k, k]
    a[k + 1 :, k + 1 :] -= np.tril(np.outer(low, np.conj(below) if hermitian else below))
    a[k + 1 :, k] = low


def _eliminate_two(a: ndarray, k: int, hermitian: bool) -> None:
    if k + 2 >= len(a):
        return
    off = a[k + 1, k]
    block = np.array([[a[k, k], np.conj(off) if hermitian else off], [off, a[k + 1, k + 1]]])
    below = a[k + 2 :, k : k + 2].copy()
    low = np.linalg.solve(block.T, below.T).T  # below @ block^-1
    back = np.conj(below) if hermitian else below
    a[k + 2 :, k + 2 :] -= np.tril(low @ back.T)
    a[k + 2 :, k : k + 2] = low


def ldl_solve(x: ndarray, pivots: ndarray, y: ndarray, hermitian: bool) -> ndarray:
    """The solution of A s = y by the factors of A."""
    n = x.shape[-1]
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    xs = np.broadcast_to(x, (*lead, n, n)).reshape(count(lead), n, n)
    ps = np.broadcast_to(pivots, (*lead, n)).reshape(count(lead), n)
    s = np.array(np.broadcast_to(y, lead + y.shape[-2:])).reshape(count(lead), *y.shape[-2:])
    for b in range(len(s)):
        _solve(xs[b], ps[b], s[b], hermitian and x.dtype.kind == "c")
    return s.reshape(lead + y.shape[-2:])


def _blocks(pivots: ndarray) -> list[tuple[int, int, int]]:
    """(start, size, row that the last row of the block was exchanged with) of every block of D."""
    out, k = [], 0
    while k < len(pivots):
        size = 1 if pivots[k] > 0 else 2
        out.append((k, size, abs(int(pivots[k])) - 1))
        k += size
    return out


def _solve(a: ndarray, pivots: ndarray, s: ndarray, hermitian: bool) -> None:
    def flip(m: Any) -> Any:
        return np.conj(m) if hermitian else m

    blocks = _blocks(pivots)
    for k, size, p in blocks:
        end = k + size
        s[[end - 1, p]] = s[[p, end - 1]]
        s[end:] -= a[end:, k:end] @ s[k:end]
        if size == 1:
            s[k] /= a[k, k]
        else:
            off = a[k + 1, k]
            s[k:end] = np.linalg.solve(
                np.array([[a[k, k], flip(off)], [off, a[k + 1, k + 1]]]), s[k:end]
            )
    for k, size, p in reversed(blocks):
        end = k + size
        s[k:end] -= flip(a[end:, k:end]).T @ s[end:]
        s[[end - 1, p]] = s[[p, end - 1]]
