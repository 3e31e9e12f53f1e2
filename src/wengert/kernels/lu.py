"""LU factorisation with partial pivoting, and triangular solves, over stacks of matrices.

NumPy offers neither. Both work in blocks: a few columns at a time by rows' operations over the
whole stack, the rest by matrix products.
"""

from __future__ import annotations

import numpy as np

from .dims import count

ndarray = np.ndarray
_BLOCK = 32


def lu_factor(x: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """L (below the diagonal) and U in one matrix, LAPACK's pivots (from 1), and `info`.

    info is 0, or the number of the first zero on the diagonal of U.
    """
    *lead, m, n = x.shape
    a = np.array(x, order="C").reshape(count(lead), m, n)
    k = min(m, n)
    pivots = np.empty((len(a), k), np.int32)
    info = np.zeros(len(a), np.int32)
    for j in range(0, k, _BLOCK):
        end = min(j + _BLOCK, k)
        if len(a) == 1:
            _factor_columns_of_one(a[0], j, end, pivots[0], info)
        else:
            _factor_columns(a, j, end, pivots, info)
        if end < n:
            right = a[:, j:end, end:]
            right[...] = solve_unit_lower(a[:, j:end, j:end], right)
            a[:, end:, end:] -= np.matmul(a[:, end:, j:end], right)
    shape = tuple(lead)
    return a.reshape(x.shape), pivots.reshape((*shape, k)), info.reshape(shape)


def _size(column: ndarray) -> ndarray:
    """What LAPACK compares: |re| + |im| for complex numbers."""
    return np.abs(column.real) + np.abs(column.imag) if column.dtype.kind == "c" else np.abs(column)


def _factor_columns(a: ndarray, start: int, end: int, pivots: ndarray, info: ndarray) -> None:
    """Eliminate below the diagonal of columns start..end; rows are swapped over their full length."""
    batch = np.arange(len(a))
    for j in range(start, end):
        p = j + _size(a[:, j:, j]).argmax(1)
        pivots[:, j] = p + 1
        if (p != j).any():
            row = a[batch, p]
            a[batch, p] = a[:, j]
            a[:, j] = row
        head = a[:, j, j]
        zero = head == 0
        if zero.any():
            info[zero & (info == 0)] = j + 1
            head = np.where(zero, head.dtype.type(1), head)  # the column below is zero as well
        below = a[:, j + 1 :, j]
        below /= head[:, None]
        if j + 1 < end:
            a[:, j + 1 :, j + 1 : end] -= below[:, :, None] * a[:, j, None, j + 1 : end]


def _factor_columns_of_one(
    a: ndarray, start: int, end: int, pivots: ndarray, info: ndarray
) -> None:
    """The same for a single matrix, with fewer calls a column."""
    for j in range(start, end):
        p = j + int(_size(a[j:, j]).argmax())
        pivots[j] = p + 1
        if p != j:
            row = a[p].copy()
            a[p] = a[j]
            a[j] = row
        head = a[j, j]
        if head == 0:
            info[0] = info[0] or j + 1
            continue
        below = a[j + 1 :, j]
        below /= head
        if j + 1 < end:
            a[j + 1 :, j + 1 : end] -= below[:, None] * a[j, j + 1 : end]


def solve_unit_lower(low: ndarray, b: ndarray) -> ndarray:
    """The solution of L s = b for small L with ones on the diagonal (the upper part is not read)."""
    s = b.copy()
    for i in range(low.shape[-1] - 1):
        s[..., i + 1 :, :] -= low[..., i + 1 :, i, None] * s[..., i, None, :]
    return s


def rows_after(pivots: ndarray, m: int) -> ndarray:
    """The order in which LAPACK's row swaps leave m rows: row i of P^T A is row order[i] of A."""
    order = np.broadcast_to(np.arange(m), (*pivots.shape[:-1], m)).copy()
    flat = order.reshape(count(order.shape[:-1]), m)
    swaps = pivots.reshape(len(flat), pivots.shape[-1])
    batch = np.arange(len(flat))
    for j in range(swaps.shape[1]):
        p = swaps[:, j] - 1
        held = flat[batch, p]
        flat[batch, p] = flat[:, j]
        flat[:, j] = held
    return order


def permute(x: ndarray, pivots: ndarray, inverse: bool) -> ndarray:
    """P^T x, or P x if `inverse`, for the P of A = P L U."""
    order = rows_after(pivots, x.shape[-2])
    if inverse:
        order = np.argsort(order, -1)
    return np.take_along_axis(x, order[..., None], -2)


def permutation(pivots: ndarray, m: int, dtype: np.dtype) -> ndarray:
    """The matrices P of A = P L U."""
    order = rows_after(pivots, m)
    out = np.zeros((*order.shape, m), dtype)
    np.put_along_axis(out, order[..., None, :], 1, -2)
    return out


def solve(x: ndarray, y: ndarray) -> ndarray:
    """The solution of x @ s = y by these factors; infinities and NaNs where x is singular."""
    lu, pivots, _ = lu_factor(x)
    return solve_triangular(
        lu, solve_triangular(lu, permute(y, pivots, False), False, True), True, False
    )


def inverse(x: ndarray) -> ndarray:
    """The inverse, as LAPACK leaves it for singular matrices: U^-1, then times L^-1 and swaps."""
    lu, pivots, _ = lu_factor(x)
    eye = np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape)
    up = _substitute(lu, eye, True, False)
    low = _substitute(np.swapaxes(lu, -1, -2), np.swapaxes(up, -1, -2), True, True)
    return np.swapaxes(permute(low, pivots, True), -1, -2)


def solve_triangular(x: ndarray, y: ndarray, upper: bool, unit: bool) -> ndarray:
    """The solution of x @ s = y, of which only one triangle of x is read; inf for a zero diagonal."""
    n = x.shape[-1]
    if n <= 2 * _BLOCK:
        return _solve_small(x, y, upper, unit)
    h = n // 2
    first, last = slice(0, h), slice(h, n)
    if upper:
        first, last = last, first
    head = solve_triangular(x[..., first, first], y[..., first, :], upper, unit)
    rest = y[..., last, :] - np.matmul(x[..., last, first], head)
    tail = solve_triangular(x[..., last, last], rest, upper, unit)
    return np.concatenate((tail, head) if upper else (head, tail), -2)


def _solve_small(x: ndarray, y: ndarray, upper: bool, unit: bool) -> ndarray:
    """By LAPACK's general solver, faster than any loop here; it refuses a zero on the diagonal."""
    whole = np.triu(x, int(unit)) if upper else np.tril(x, -int(unit))
    if unit:
        whole += np.eye(x.shape[-1], dtype=x.dtype)
    try:
        return np.linalg.solve(whole, y)
    except np.linalg.LinAlgError:
        return _substitute(x, y, upper, unit)


def _substitute(x: ndarray, y: ndarray, upper: bool, unit: bool) -> ndarray:
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    s = np.array(np.broadcast_to(y, lead + y.shape[-2:]), order="C")
    n = x.shape[-1]
    for i in range(n - 1, -1, -1) if upper else range(n):
        rest = slice(0, i) if upper else slice(i + 1, n)
        if not unit:
            s[..., i, :] /= x[..., i, i, None]
        s[..., rest, :] -= x[..., rest, i, None] * s[..., i, None, :]
    return s
