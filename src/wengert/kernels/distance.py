"""Distances of all pairs of rows, in blocks, so that no array of all differences is ever made."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .numeric import Array

_AT_ONCE = 1 << 20  # differences held at a time
_MANY = 25  # rows from which on Euclidean distances go through a matrix product


def _blocks(x: Array, y: Array) -> Iterator[tuple[slice, Array]]:
    """Rows of x and their differences to all rows of y: (..., rows, R, M)."""
    per_row = math.prod(y.shape) or 1
    step = max(1, _AT_ONCE // per_row)
    for i in range(0, x.shape[-2], step):
        rows = slice(i, i + step)
        yield rows, x[..., rows, None, :] - y[..., None, :, :]


def _norm(d: Array, p: float) -> Array:
    """The p-norm over the last dim."""
    if p == 0:
        return np.count_nonzero(d, -1).astype(d.dtype)
    if p == 2:
        return np.sqrt(np.vecdot(d, d))
    size = np.abs(d)
    if p == math.inf:
        return size.max(-1) if size.shape[-1] else np.zeros(size.shape[:-1], d.dtype)
    if p == 1:
        return size.sum(-1)
    return np.power(np.power(size, p).sum(-1), 1.0 / p).astype(d.dtype)


def cdist(x: Array, y: Array, p: float, product: bool | None) -> Array:
    """The p-norm distance of every row of x (..., P, M) to every row of y (..., R, M).

    `product` says whether Euclidean distances are |x|^2 - 2 x.y + |y|^2, which is faster and less
    exact for close points; None leaves it to the number of rows.
    """
    if product is None:
        product = x.shape[-2] > _MANY or y.shape[-2] > _MANY
    if p == 2 and product:
        out = np.matmul(x, np.swapaxes(y, -1, -2))
        out *= -2
        out += np.vecdot(x, x)[..., None]
        out += np.vecdot(y, y)[..., None, :]
        return np.sqrt(np.maximum(out, 0))
    out = np.empty((*x.shape[:-1], y.shape[-2]), x.dtype)
    for rows, d in _blocks(x, y):
        out[..., rows, :] = _norm(d, p)
    return out


def slope(d: Array, out: Array, p: float) -> Array:
    """The derivative of the p-norm by each difference, 0 where the norm is 0."""
    if p == 0:
        return np.zeros_like(d)
    if p == 1:
        return np.sign(d)
    if p == math.inf:
        return np.sign(d) * (np.abs(d) == out)
    safe = np.where(out == 0, 1, out)
    if p == 2:
        return d / safe
    ratio = np.abs(d) / safe
    small = ratio == 0
    return np.sign(d) * np.where(small, 0, np.power(np.where(small, 1, ratio), p - 1))


def cdist_backward(g: Array, x: Array, y: Array, out: Array, p: float) -> tuple[Array, Array]:
    """The cotangents of x and y."""
    gx, gy = np.empty_like(x), np.zeros_like(y)
    for rows, d in _blocks(x, y):
        part = g[..., rows, :]
        s = slope(d, out[..., rows, :, None], p).astype(x.dtype, copy=False)
        s *= part[..., None]
        gx[..., rows, :] = s.sum(-2)
        gy -= s.sum(-3)
    return gx, gy
