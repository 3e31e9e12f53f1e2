"""Normalisation on arrays: zero mean and unit variance over some dims, then weight and bias.

`shape` is how the input is viewed (None: as it is), `axes` the dims of that view over which the
statistics go, `affine` the shape in which weight and bias broadcast. float16 computes in float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .layouts import packed
from .numeric import HALF, MANY, ONE, SINGLE, Array


def _count(v: Array, axes: tuple[int, ...]) -> float:
    n = 1
    for a in axes:
        n *= v.shape[a]
    return n or math.nan


def _moments(v: Array, axes: tuple[int, ...], last: bool) -> tuple[Array, Array, Array]:
    """Mean and variance with their dims kept, and the deviations."""
    n = v.dtype.type(_count(v, axes))
    mean = np.add.reduce(v, axes, keepdims=True)
    mean /= n
    d = np.subtract(v, mean)
    var = np.vecdot(d, d)[..., None] if last else np.add.reduce(d * d, axes, keepdims=True)
    var /= n
    return mean, var, d


def _rsqrt(var: Array, eps: float) -> Array:
    r = np.sqrt(np.add(var, var.dtype.type(eps)))
    return np.divide(ONE[r.dtype], r)


def standardize(
    x: Array, y: Array | None, z: Array | None, shape: tuple[int, ...] | None, axes: tuple[int, ...], affine: tuple[int, ...],
    eps: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """(x - mean) / sqrt(var + eps) * y + z; also the mean and the variance, dims kept."""
    v = x if shape is None else x.reshape(shape)
    if x.dtype is HALF:
        v = v.astype(SINGLE)
    last = axes == (v.ndim - 1,)
    if y is not None:
        y = y.reshape(affine)
    if z is not None:
        z = z.reshape(affine)
    mean, var, out = _moments(v, axes, last)
    out = packed(out)
    out *= _rsqrt(var, eps)
    if y is not None:
        out *= y
    if z is not None:
        out += z
    if out.shape != x.shape:
        out = out.reshape(x.shape)
    return out if out.dtype == x.dtype else out.astype(x.dtype), mean, var


def _is_row(affine: tuple[int, ...]) -> bool:
    """True if weight and bias go along the last dim alone."""
    return all(n == 1 for n in affine[:-1])


def _row_blocks(rows: int, n: int) -> list[slice]:
    """Slices of rows that fit a cache together with a few temporaries."""
    step = max(1, 2 * MANY // n)
    return [slice(i, i + step) for i in range(0, rows, step)]


def standardize_backward(
    g: Array, x: Array, y: Array | None, mean: Array, var: Array, need: tuple[bool, ...],
    shape: tuple[int, ...] | None, axes: tuple[int, ...], affine: tuple[int, ...], eps: float,
) -> tuple[Array | None, Array | None, Array | None]:  # fmt: skip
    """The cotangents of input, weight and bias, in the shapes of view and affine.

    With h = (x - mean) r and r = 1 / sqrt(var + eps): r (gy - mean(gy) - h mean(gy h)).
    """
    v = x if shape is None else x.reshape(shape)
    g = g if shape is None else g.reshape(shape)
    if y is not None:
        y = y.reshape(affine)
    r = _rsqrt(var, eps)
    last = axes == (v.ndim - 1,)
    if not (last and v.size > 2 * MANY and g.flags.c_contiguous and v.flags.c_contiguous and _is_row(affine)):
        return _pull(g, v, y, mean, r, need, axes, affine, last)
    n = v.shape[-1]
    gx = np.empty(v.shape, r.dtype) if need[0] else None
    rows: list[Any] = [None if a is None else a.reshape(-1, a.shape[-1]) for a in (g, v, mean, r, gx)]
    flat = None if y is None else y.reshape(1, n)
    total_y = total_z = None
    for cut in _row_blocks(len(rows[0]), n):
        bx, by, bz = _pull(
            rows[0][cut], rows[1][cut], flat, rows[2][cut], rows[3][cut], need, (1,), (1, n), True
        )
        if bx is not None:
            rows[4][cut] = bx
        total_y = by if total_y is None else total_y + by if by is not None else None
        total_z = bz if total_z is None else total_z + bz if bz is not None else None
    return gx, total_y, total_z


def _pull(
    g: Array, v: Array, y: Array | None, mean: Array, r: Array, need: tuple[bool, ...], axes: tuple[int, ...],
    affine: tuple[int, ...], last: bool,
) -> tuple[Array | None, Array | None, Array | None]:  # fmt: skip
    gx: Any = None
    gy: Any = None
    gz: Any = None
    if need[0] or need[1]:
        h = np.subtract(v, mean)
        h *= r
    lead = tuple([d for d, k in enumerate(affine) if k == 1 and g.shape[d] != 1])
    if need[1]:
        gy = np.add.reduce(g * h, lead, keepdims=True) if lead else g * h
    if need[2]:
        gz = np.add.reduce(g, lead, keepdims=True) if lead else g
    if need[0]:
        n = r.dtype.type(_count(v, axes))
        gh = g if y is None else np.multiply(g, y)
        a = np.add.reduce(gh, axes, keepdims=True)
        a /= n
        b = np.vecdot(gh, h)[..., None] if last else np.add.reduce(gh * h, axes, keepdims=True)
        b /= n
        gx = np.subtract(gh, a)
        h *= b
        gx -= h
        gx *= r
    return gx, gy, gz


def rescale(
    x: Array, y: Array | None, z: Array | None, m: Array, v: Array, affine: tuple[int, ...], eps: float
) -> Array:
    """(x - m) / sqrt(v + eps) * y + z with statistics that are given."""
    factor = _rsqrt(v, eps)
    if y is not None:
        factor = factor * y
    shift = -m * factor if z is None else z - m * factor
    out = x * factor.reshape(affine)
    out += shift.reshape(affine)
    return out if out.dtype == x.dtype else out.astype(x.dtype)


def update(running: Array, value: Array, momentum: float) -> None:
    """running = (1 - momentum) * running + momentum * value, in place, computed in float64."""
    wide = value.astype(np.float64).reshape(running.shape) * momentum
    wide += running * np.float64(1.0 - momentum)
    running[...] = wide
