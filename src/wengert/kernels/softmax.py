"""Softmax and its logarithm on arrays, along one dim; float16 is computed in float32."""

from __future__ import annotations

import numpy as np

from .numeric import widened

Array = np.ndarray


def _shifted(x: Array, dim: int) -> Array:
    """x minus its largest element along the dim, so that exp can't overflow."""
    if x.ndim == 0:
        return np.asarray(x - x)
    if x.shape[dim] == 0:
        return x.copy()
    return np.subtract(x, np.maximum.reduce(x, dim, None, None, True))


@widened
def softmax(x: Array, dim: int) -> Array:
    out = _shifted(x, dim)
    np.exp(out, out)
    if x.ndim:
        out /= np.add.reduce(out, dim, None, None, True)
    return out


@widened
def log_softmax(x: Array, dim: int) -> Array:
    out = _shifted(x, dim)
    if x.ndim:
        out -= np.log(np.add.reduce(np.exp(out), dim, None, None, True))
    return out


@widened
def log_softmax_backward(g: Array, out: Array, dim: int) -> Array:
    """g minus softmax times the sum of g."""
    p = np.exp(out)
    p *= np.add.reduce(g, dim, None, None, True) if g.ndim else g
    return np.subtract(g, p)
