"""Windows for spectral analysis: hann, hamming, blackman, bartlett, kaiser."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import bessel
from .options import check_options, default_dtype, made


def _window(
    caller: str, shape: Any, n: Any, periodic: bool, dtype: Any, layout: Any, device: Any,
    pin_memory: bool, requires_grad: bool,
) -> Tensor:  # fmt: skip
    """The values of `shape(k, m)`, k = 0 ... m; a periodic window lacks the last one."""
    check_options(caller, layout, device, pin_memory)
    d = default_dtype(dtype, caller)
    if not isinstance(n, int | np.integer) or isinstance(n, bool):
        raise TypeError(
            f"{caller}(): argument 'window_length' (position 1) must be int, not {type(n).__name__}"
        )
    if d.category < 2:
        raise RuntimeError(f"{caller} expects floating point dtypes, got: {d}")
    if d.is_complex:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{d.scalar_name}'")
    if n < 0:
        raise RuntimeError(
            f"{caller} requires non-negative window_length, got window_length={n}"
        )
    if n <= 1:
        return made(np.ones(n, d.np), requires_grad, caller)
    wide = np.arange(n + bool(periodic), dtype=np.float64 if d.itemsize > 4 else np.float32)
    values = shape(wide, len(wide) - 1)[:n]
    return made(np.ascontiguousarray(values, d.np), requires_grad, caller)


@public("torch")
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return 1/2 (1 - cos(2 pi k / m)), with m the length if `periodic`, else one less.

    >>> import wengert as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window("hann_window", lambda k, m: _cosine(k, m, 0.5, 0.5), window_length, periodic,
                   dtype, layout, device, pin_memory, requires_grad)  # fmt: skip


def _cosine(k: Any, m: int, alpha: float, beta: float) -> Any:
    return alpha - beta * np.cos(k * k.dtype.type(2 * math.pi / m))


@public("torch")
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *,
    dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return alpha - beta cos(2 pi k / m), with m the length if `periodic`, else one less.

    >>> import wengert as torch
    >>> torch.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return _window("hamming_window", lambda k, m: _cosine(k, m, alpha, beta), window_length, periodic,
                   dtype, layout, device, pin_memory, requires_grad)  # fmt: skip


@public("torch")
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return 0.42 - 0.5 cos(2 pi k / m) + 0.08 cos(4 pi k / m), m as for `hann_window`.

    >>> import wengert as torch
    >>> torch.blackman_window(4)[2]
    tensor(1.)
    """

    def shape(k: Any, m: int) -> Any:
        k = k * k.dtype.type(math.pi / m)
        return np.cos(4 * k) * 0.08 - np.cos(2 * k) * 0.5 + 0.42

    return _window("blackman_window", shape, window_length, periodic, dtype, layout, device,
                   pin_memory, requires_grad)  # fmt: skip


@public("torch")
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return the triangle that is 0 at both ends and 1 in the middle.

    >>> import wengert as torch
    >>> torch.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """

    def shape(k: Any, m: int) -> Any:
        k = k * k.dtype.type(2.0 / m)
        return np.where(k <= 1, k, 2 - k)

    return _window("bartlett_window", shape, window_length, periodic, dtype, layout, device,
                   pin_memory, requires_grad)  # fmt: skip


@public("torch")
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return I0(beta sqrt(1 - (2 k / m - 1)^2)) / I0(beta), m as for `hann_window`.

    >>> import wengert as torch
    >>> torch.kaiser_window(4, beta=0.)
    tensor([1., 1., 1., 1.])
    """

    def shape(k: Any, m: int) -> Any:
        x = k * k.dtype.type(2.0 / m) - 1
        return bessel.i0(beta * np.sqrt(np.maximum(1 - x * x, 0))) / bessel.i0(np.array(float(beta)))

    return _window("kaiser_window", shape, window_length, periodic, dtype, layout, device,
                   pin_memory, requires_grad)  # fmt: skip
