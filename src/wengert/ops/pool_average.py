"""Average pooling: avg_pool1d to 3d, adaptive_avg_pool1d to 3d and lp_pool1d to 3d."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import resample as k
from . import pool_max
from .checking import check_float, check_tensor
from .pool_max import (
    check_image,
    check_places,
    check_windows,
    pool_places,
    pool_sizes,
    strides_of,
)
from .resample import resample

T: Any = TENSORS
Sizes = Any  # an int, or one for every dim


# ---------------------------------------------------------------- average
def _avg_pool(
    dims: int, input: Any, kernel_size: Sizes, stride: Any, padding: Sizes, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    caller = f"avg_pool{dims}d"
    check_tensor(input, caller)
    x = input._spec
    kernel = pool_sizes(kernel_size, dims, "kernel_size", caller, 2)
    strides = strides_of(stride, kernel, caller)
    pads = pool_sizes(padding, dims, "padding", caller, 4)
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    ones = (1,) * dims
    check_windows(kernel, strides, pads, ones)
    check_image(x, dims)
    if x.dtype.name != "int64":
        check_float(input, caller, caller)
    shape = tuple(x.shape)
    size = shape[len(shape) - dims :]
    places = pool_places(size, kernel, strides, pads, ones, bool(ceil_mode))
    check_places(x, places)
    divide = divisor_override is None and x.dtype.name != "int64"
    bands = tuple(
        [(d - dims, k.average(*each, bool(count_include_pad), divide))
         for d, each in enumerate(zip(size, places, kernel, strides, pads, strict=True))]
    )  # fmt: skip
    out: Any = resample(input, bands, f"AvgPool{dims}DBackward0")
    if divide:
        return out
    if x.dtype.category == 2:
        return out / divisor_override
    if divisor_override is not None:
        return T.div_trunc(out, divisor_override)
    counts = wrap(np.ones(places, np.int64))  # sums of whole numbers are exact: divide them last
    for d, each in enumerate(zip(size, places, kernel, strides, pads, strict=True)):
        sizes = k.window_sizes(*each, bool(count_include_pad))
        counts = counts * wrap(sizes.reshape(-1, *[1] * (dims - 1 - d)))
    return T.div_trunc(out, counts)


def _check_rank(input: Any, low: int, caller: str) -> None:
    check_tensor(input, caller)
    n = input._spec.ndim
    if not low <= n <= low + 1:
        raise RuntimeError(
            f"Expected {low} to {low + 1} dimensions, but got {n}-dimensional tensor for argument #1 "
            f"'self' (while checking arguments for {caller})"
        )


@public("torch", "F")
def avg_pool1d(
    input: Tensor, kernel_size: Sizes, stride: Any = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """Return the means of windows over the last dim of (N, C, L) or (C, L).

    The padding counts as zeros, or with count_include_pad=False not at all.

    >>> import wengert as torch
    >>> torch.avg_pool1d(torch.tensor([[1., 3., 5., 7.]]), 2)
    tensor([[2., 6.]])
    """
    _check_rank(input, 2, "avg_pool1d")
    (kernel,) = pool_sizes(kernel_size, 1, "kernel_size", "avg_pool1d", 2)
    (step,) = strides_of(stride, (kernel,), "avg_pool1d")
    (pad,) = pool_sizes(padding, 1, "padding", "avg_pool1d", 4)
    image: Any = input.unsqueeze(-2)
    out = _avg_pool(2, image, (1, kernel), (1, step), (0, pad), ceil_mode, count_include_pad, None)
    return out.squeeze(-2)


@public("F")
def avg_pool2d(
    input: Tensor, kernel_size: Sizes, stride: Any = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """Return the means of windows over the last two dims of (N, C, H, W) or (C, H, W).

    With divisor_override the sums are divided by that number instead of the size of the window.

    >>> import wengert as torch
    >>> torch.nn.functional.avg_pool2d(torch.arange(4.).reshape(1, 2, 2), 2)
    tensor([[[1.5000]]])
    """
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@public("F")
def avg_pool3d(
    input: Tensor, kernel_size: Sizes, stride: Any = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """Return the means of windows over the last three dims of (N, C, D, H, W) or (C, D, H, W).

    >>> import wengert as torch
    >>> torch.nn.functional.avg_pool3d(torch.ones(1, 2, 2, 2), 2).shape
    torch.Size([1, 1, 1, 1])
    """
    return _avg_pool(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


# ---------------------------------------------------------------- adaptive
def adaptive_sizes(wanted: Any, size: tuple, caller: str) -> tuple[int, ...]:
    """The sizes of the result: None keeps that of the input."""
    dims = len(size)
    if isinstance(wanted, int) or wanted is None:
        wanted = (wanted,) * dims
    if not isinstance(wanted, Sequence):
        raise TypeError(f"object of type '{type(wanted).__name__}' has no len()")
    if len(wanted) != dims:
        raise RuntimeError(f"{caller}: output_size must be {dims}")
    return tuple([n if w is None else w for n, w in zip(size, wanted, strict=True)])


def check_adaptive(x: Any, dims: int, caller: str, colon: str) -> None:
    """Raise unless x is an image or a batch of them, with elements."""
    shape = tuple(x.shape)
    if len(shape) not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"{caller}(): Expected {dims + 1}D or {dims + 2}D tensor, but got{colon} {list(shape)}"
        )
    for d in range(len(shape) - dims, len(shape)):
        if not shape[d]:
            raise RuntimeError(
                f"{caller}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"input has sizes {list(shape)} with dimension {d} being empty"
            )


def _adaptive(dims: int, input: Any, output_size: Any) -> Tensor:
    caller = f"adaptive_avg_pool{dims}d"
    check_tensor(input, caller)
    x = input._spec
    check_adaptive(x, dims, caller, "")
    shape = tuple(x.shape)
    size = shape[len(shape) - dims :]
    places = adaptive_sizes(output_size, size, caller)
    if min(places) < 0:
        raise RuntimeError(
            f"{caller}: elements of output_size must be greater than or equal to 0 but received "
            f"{{{', '.join(map(str, places))}}}"
        )
    check_float(input, caller, caller)
    if set(places) == {1}:
        n = input._spec.ndim
        return T.mean(input, tuple(range(n - dims, n)), True)
    bands = tuple(
        [
            (d - dims, k.adaptive(n, m))
            for d, (n, m) in enumerate(zip(size, places, strict=True))
            if n != m
        ]
    )
    return resample(input, bands, f"AdaptiveAvgPool{dims}DBackward0")


@public("torch", "F")
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Return `output_size` means of windows that share out the last dim of (N, C, L) or (C, L).

    Window i reaches from floor(i L / size) to ceil((i + 1) L / size).

    >>> import wengert as torch
    >>> torch.adaptive_avg_pool1d(torch.tensor([[1., 2., 3.]]), 2)
    tensor([[1.5000, 2.5000]])
    """
    _check_rank(input, 2, "adaptive_avg_pool1d")
    (size,) = output_size if isinstance(output_size, (tuple, list)) else (output_size,)
    image: Any = input.unsqueeze(-2)
    return _adaptive(2, image, (1, size)).squeeze(-2)


@public("F")
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Return means of windows that share out the last two dims; a size None keeps that of the input.

    >>> import wengert as torch
    >>> torch.nn.functional.adaptive_avg_pool2d(torch.arange(4.).reshape(1, 2, 2), (1, None))
    tensor([[[1., 2.]]])
    """
    return _adaptive(2, input, output_size)


@public("F")
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Return means of windows that share out the last three dims.

    >>> import wengert as torch
    >>> torch.nn.functional.adaptive_avg_pool3d(torch.ones(1, 4, 4, 4), 2).shape
    torch.Size([1, 2, 2, 2])
    """
    return _adaptive(3, input, output_size)


# ---------------------------------------------------------------- norms of windows
def _lp_pool(dims: int, input: Any, p: float, kernel: Any, stride: Any, ceil_mode: bool) -> Tensor:
    """(sum of x^p)^(1/p) over windows, from their means."""
    sizes = pool_sizes(kernel, dims, "kernel_size", f"lp_pool{dims}d", 3)
    if math.isinf(p):
        largest = pool_max.max_pool_of(dims)
        if p > 0:
            return largest(input.abs(), kernel, stride, 0, 1, ceil_mode)
        return -largest(-input.abs(), kernel, stride, 0, 1, ceil_mode)
    powers = input**p
    pooled: Any
    if dims == 1:
        pooled = avg_pool1d(powers, kernel, stride, 0, ceil_mode)
    else:
        pooled = _avg_pool(dims, powers, kernel, stride, 0, ceil_mode, True, None)
    return (pooled.sign() * pooled.abs().relu() * math.prod(sizes)) ** (1.0 / p)


@public("F")
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Return (sum of x^p)^(1/p) over windows of the last dim; p is `norm_type`.

    >>> import wengert as torch
    >>> torch.nn.functional.lp_pool1d(torch.tensor([[3., 4.]]), 2, 2)
    tensor([[5.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@public("F")
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Return (sum of x^p)^(1/p) over windows of the last two dims.

    >>> import wengert as torch
    >>> torch.nn.functional.lp_pool2d(torch.ones(1, 2, 2), 1, 2)
    tensor([[[4.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@public("F")
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Return (sum of x^p)^(1/p) over windows of the last three dims.

    >>> import wengert as torch
    >>> torch.nn.functional.lp_pool3d(torch.ones(1, 2, 2, 2), 1, 2).shape
    torch.Size([1, 1, 1, 1])
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
