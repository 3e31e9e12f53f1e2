"""Windows as columns and back: unfold (im2col), fold (col2im)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import leading
from ..core.define import primitive
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels.pool import Windows
from .checking import check_ints, check_tensor

Sizes = Any  # an int, or one for every dim


# ---------------------------------------------------------------- rows
def _im2col(
    x: np.ndarray, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple, places: tuple
) -> np.ndarray:
    w = Windows(kernel, stride, padding, dilation, places)
    *lead, channels = x.shape[:-2]
    out = np.empty((*lead, channels, w.taps, *places), x.dtype)
    for k, values in enumerate(w.views(w.padded(x, 0))):
        out[..., k, :, :] = values
    return out.reshape(*lead, channels * w.taps, -1)


def _col2im(
    x: np.ndarray,
    size: tuple,
    kernel: tuple,
    dilation: tuple,
    padding: tuple,
    stride: tuple,
    places: tuple,
) -> np.ndarray:
    w = Windows(kernel, stride, padding, dilation, places)
    lead = x.shape[:-2]
    columns = x.reshape(*lead[:], x.shape[-2] // w.taps, w.taps, *places)
    wide = np.zeros((*columns.shape[:-3], *w.wide_size(size)), x.dtype)
    for k, target in enumerate(w.views(wide)):
        target += columns[..., k, :, :]
    return np.ascontiguousarray(w.inner(wide, size))


im2col = primitive(
    "linear", "im2col(x, *, kernel, dilation, padding, stride, places)", _im2col,
    x=lambda xp, g, x_spec, kernel, dilation, padding, stride, places: xp.col2im(
        g, tuple(x_spec.shape[-2:]), kernel, dilation, padding, stride, places),
    node="Im2ColBackward0", batch=leading,
)  # fmt: skip

col2im = primitive(
    "linear", "col2im(x, *, size, kernel, dilation, padding, stride, places)", _col2im,
    x=lambda xp, g, kernel, dilation, padding, stride, places: xp.im2col(
        g, kernel, dilation, padding, stride, places),
    node="Col2ImBackward0", batch=leading,
)  # fmt: skip


# ---------------------------------------------------------------- public
def _pair(value: Any, caller: str, name: str, position: int) -> tuple[int, int]:
    sizes = check_ints(value, caller, name, position)
    if len(sizes) == 1:
        sizes *= 2
    if len(sizes) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(sizes)}")
    return sizes[0], sizes[1]


def _check(kernel: tuple, dilation: tuple, padding: tuple, stride: tuple) -> None:
    for sizes, what in ((kernel, "kernel size"), (dilation, "dilation"), (stride, "stride")):
        if min(sizes) <= 0:
            raise RuntimeError(
                f"{what} should be greater than zero, but got {what.split()[0]}_height: {sizes[0]} "
                f"{what.split()[0]}_width: {sizes[1]}"
            )
    if min(padding) < 0:
        raise RuntimeError(
            f"padding should be non-negative, but got pad_height: {padding[0]} pad_width: {padding[1]}"
        )


def _places(size: tuple, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple) -> tuple:
    return tuple(
        [(n + 2 * p - d * (m - 1) - 1) // s + 1
         for n, m, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)]
    )  # fmt: skip


@public("F")
def unfold(
    input: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """Return the windows of images (N, C, H, W) or (C, H, W) as columns: (N, C kH kW, windows).

    >>> import wengert as torch
    >>> torch.nn.functional.unfold(torch.arange(6.).reshape(1, 1, 2, 3), 2)
    tensor([[[0., 1.],
             [1., 2.],
             [3., 4.],
             [4., 5.]]])
    """
    check_tensor(input, "unfold")
    kernel = _pair(kernel_size, "unfold", "kernel_size", 2)
    dilated = _pair(dilation, "unfold", "dilation", 3)
    pad = _pair(padding, "unfold", "padding", 4)
    step = _pair(stride, "unfold", "stride", 5)
    _check(kernel, dilated, pad, step)
    x = input._spec
    shape = tuple(x.shape)
    if len(shape) not in (3, 4) or 0 in shape[1:] or (len(shape) == 3 and not shape[0]):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    places = _places(shape[-2:], kernel, dilated, pad, step)
    if min(places) < 1:
        raise RuntimeError(
            f"Given input with spatial size ({shape[-2]}, {shape[-1]}), kernel_size={kernel}, "
            f"dilation={dilated}, padding={pad}, calculated shape of the array of sliding blocks as "
            f"{places}, but its components must be at least one."
        )
    return im2col(input, kernel, dilated, pad, step, places)


@public("F")
def fold(
    input: Tensor, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:  # fmt: skip
    """Add up columns (N, C kH kW, windows) as windows of images (N, C, *output_size).

    It is the adjoint of `unfold`: where windows overlap, their elements add up.

    >>> import wengert as torch
    >>> torch.nn.functional.fold(torch.ones(1, 4, 2), (2, 3), 2)
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    check_tensor(input, "fold")
    size = _pair(output_size, "fold", "output_size", 2)
    kernel = _pair(kernel_size, "fold", "kernel_size", 3)
    dilated = _pair(dilation, "fold", "dilation", 4)
    pad = _pair(padding, "fold", "padding", 5)
    step = _pair(stride, "fold", "stride", 6)
    _check(kernel, dilated, pad, step)
    shape = tuple(input._spec.shape)
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    if shape[-2] % (kernel[0] * kernel[1]):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but "
            f"got input.size(1)={shape[-2]} and kernel_size={kernel}."
        )
    places = _places(size, kernel, dilated, pad, step)
    how = f"Given output_size={size}, kernel_size={kernel}, dilation={dilated}, padding={pad}, stride={step}"
    if shape[-1] != places[0] * places[1]:
        raise RuntimeError(
            f"{how}, expected size of input's dimension 2 to match the calculated number of sliding "
            f"blocks {places[0]} * {places[1]} = {places[0] * places[1]}, but got input.size(2)={shape[-1]}."
        )
    if min(places) < 1:
        raise RuntimeError(
            f"{how}, expected the array of sliding blocks to have positive sizes, but got {places}"
        )
    return col2im(input, size, kernel, dilated, pad, step, places)
