"""Normalisation on arrays: zero mean and unit variance over some dims, then weight and bias.

`shape` is how the input is viewed (None: as it is), `axes` the dims of that view over which the
statistics go, `affine` the shape in which weight and bias broadcast. float16 computes in float32.
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray
_HALF = np.dtype(np.float16)
_SINGLE = np.dtype(np.float32)


def _moments(v: Array, axes: tuple) -> tuple[Array, Array, Array]:
    """Mean and variance with their dims kept, and the deviations."""
    n = math.prod([v.shape[a] for a in axes])
    if n == 0:
        n = math.nan
    mean = np.add.reduce(v, axes, None, None, True)
    mean /= n
    d = v - mean
    if axes == (v.ndim - 1,):
        var = np.vecdot(d, d)[..., None]
    else:
        var = np.add.reduce(d * d, axes, None, None, True)
    var /= n
    return mean, var, d


def standardize(
    x: Array, y: Array | None, z: Array | None, shape: tuple | None, axes: tuple, affine: tuple,
    eps: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """(x - mean) / sqrt(var + eps) * y + z; also the mean and the variance, dims kept."""
    v = x if shape is None else x.reshape(shape)
    if x.dtype is _HALF:
        v = v.astype(_SINGLE)
    mean, var, out = _moments(v, axes)
    out *= 1 / np.sqrt(var + eps)
    return _scaled(out, y, z, affine, x), mean, var


def _scaled(out: Array, y: Array | None, z: Array | None, affine: tuple, x: Array) -> Array:
    if y is not None:
        out *= y.reshape(affine)
    if z is not None:
        out += z.reshape(affine)
    if out.shape != x.shape:
        out = out.reshape(x.shape)
    return out if out.dtype == x.dtype else out.astype(x.dtype)


def rescale(
    x: Array, y: Array | None, z: Array | None, m: Array, v: Array, affine: tuple, eps: float
) -> Array:
    """(x - m) / sqrt(v + eps) * y + z with statistics that are given."""
    factor = 1 / np.sqrt(v + eps)
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
