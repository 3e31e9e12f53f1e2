"""Discrete Fourier transforms over raw arrays: `numpy.fft`, which keeps single precision.

A normalisation is a number, whatever the direction: 0 scales by nothing, 1 by the root of the
number of points, 2 by that number.
"""

from __future__ import annotations

import numpy as np

from .layouts import packed

ndarray = np.ndarray
# NumPy's names of these scales, for a forward and for an inverse transform
_FORWARD = ("backward", "ortho", "forward")
_INVERSE = ("forward", "ortho", "backward")


def c2c(x: ndarray, dim: tuple[int, ...], normalization: int, forward: bool) -> ndarray:
    """Complex to complex: the sum of x_n exp(-2 pi i k n / N), or with + if not `forward`."""
    if not dim:
        return x.copy()
    f, norm = (np.fft.fft, _FORWARD) if forward else (np.fft.ifft, _INVERSE)
    for d in reversed(dim):
        x = f(x, None, d, norm[normalization])  # type: ignore[arg-type]
    return packed(x)


def r2c(x: ndarray, dim: tuple[int, ...], normalization: int, onesided: bool) -> ndarray:
    """Real to complex; the last dim keeps the non-negative frequencies only, if `onesided`."""
    norm = _FORWARD[normalization]
    if onesided:
        y = np.fft.rfft(x, None, dim[-1], norm)  # type: ignore[arg-type]
        dim = dim[:-1]
    else:
        y = x
    for d in reversed(dim):
        y = np.fft.fft(y, None, d, norm)  # type: ignore[arg-type]
    return packed(y)


def c2r(x: ndarray, dim: tuple[int, ...], normalization: int, last_dim_size: int) -> ndarray:
    """The inverse of a one-sided transform, whose last dim had `last_dim_size` real numbers."""
    norm = _INVERSE[normalization]
    for d in dim[:-1]:
        x = np.fft.ifft(x, None, d, norm)  # type: ignore[arg-type]
    return packed(np.fft.irfft(x, last_dim_size, dim[-1], norm))  # type: ignore[arg-type]


def weigh_pairs(x: ndarray, dim: int, size: int, factor: float) -> ndarray:
    """Multiply the frequencies that stand for two (all but 0 and size / 2) by a factor."""
    out = x.copy()
    inner = (slice(None),) * dim + (slice(1, (size + 1) // 2),)
    out[inner] *= factor
    return out
