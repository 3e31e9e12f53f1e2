"""Padding of borders, and the pixel shuffles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import unchanged
from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from .checking import check_tensor

T: Any = TENSORS


# ---------------------------------------------------------------- constant
def _pairs(pad: Any, ndim: int) -> list[tuple[int, int]]:
    """(before, after) of every dim; `pad` lists the last dim first."""
    widths = [(0, 0)] * ndim
    for k in range(len(pad) // 2):
        widths[ndim - 1 - k] = (pad[2 * k], pad[2 * k + 1])
    return widths


def _inner(shape: tuple, widths: list) -> tuple:
    """Where the input lies inside the padded array, and which part of the input that is."""
    target = tuple([slice(max(a, 0), max(a, 0) + n + min(a, 0) + min(b, 0)) for n, (a, b) in zip(shape, widths, strict=True)])
    source = tuple([slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(shape, widths, strict=True)])  # fmt: skip
    return target, source


def _padded_shape(shape: tuple, widths: list) -> tuple:
    out = tuple([n + a + b for n, (a, b) in zip(shape, widths, strict=True)])
    if any(n < 0 for n in out) or any(n + min(a, 0) + min(b, 0) < 0 for n, (a, b) in zip(shape, widths, strict=True)):
        raise RuntimeError(
            f"narrow(): length must be non-negative. The widths {widths} take more than there is of "
            f"the shape {list(shape)}"
        )
    return out


def _constant(x: np.ndarray, pad: tuple, value: float) -> np.ndarray:
    widths = _pairs(pad, x.ndim)
    shape = _padded_shape(x.shape, widths)
    out = np.full(shape, value, x.dtype) if value else np.zeros(shape, x.dtype)
    target, source = _inner(x.shape, widths)
    out[target] = x[source]
    return out


constant_row = primitive(
    "opaque", "constant_pad_nd(x, *, pad, value)", _constant,
    x=lambda xp, g, pad: xp.constant_pad_nd(g, tuple([-p for p in pad]), 0),
    jvp=lambda xp, xs, ts, out, params: xp.constant_pad_nd(ts[0], params[0], 0),
    batch=unchanged,
)  # fmt: skip


# ---------------------------------------------------------------- from the input's own elements
def _sources(n: int, before: int, after: int, mode: str) -> np.ndarray:
    """For every place of a padded dim, which element of the input it shows."""
    if mode == "circular":  # a negative width crops before the rest is repeated
        first, end = max(-before, 0), n - max(-after, 0)
        return first + np.arange(-max(before, 0), end - first + max(after, 0)) % max(end - first, 1)
    at = np.arange(-before, n + after)
    if mode == "replicate":
        return np.clip(at, 0, n - 1)
    at = np.abs(at)
    return np.where(at >= n, 2 * (n - 1) - at, at)


_NAMES = {"reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}

utility("constant_index", lambda g, at: at, lambda g, at: wrap(at))


def _borrow(x: np.ndarray, moves: tuple, node: str) -> np.ndarray:
    for dim, at in moves:
        x = x.take(at, dim)
    return x


def _give_back(xp: Any, g: Any, x_spec: Any, moves: tuple) -> Any:
    for dim, at in reversed(moves):
        shape = list(g.shape)
        shape[dim] = x_spec.shape[dim]
        g = xp.index_backward(g, xp.constant_index(g, at), tuple(shape), (dim,))
    return g


def _borrow_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    moves, node = params
    return borrow_row(xs[0], tuple([(d + 1, at) for d, at in moves]), node)


borrow_row = primitive(
    "linear", "pad_from_input(x, *, moves, node)", _borrow, x=_give_back, node=lambda rest: rest[1],
    batch=_borrow_batch,
)  # fmt: skip

_ALLOWED = {(2, 2), (3, 2), (3, 4), (4, 4), (4, 6), (5, 6)}


def _from_input(input: Any, pad: tuple, mode: str) -> Tensor:
    s = input._spec
    if (s.ndim, len(pad)) not in _ALLOWED:
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {s.ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    widths = _pairs(pad, s.ndim)
    node = f"{_NAMES[mode]}{len(pad) // 2}DBackward0"
    for dim, (a, b) in enumerate(widths):
        n = s.shape[dim]
        if mode == "reflect" and (a >= n or b >= n) and (a or b):
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({a}, {b}) at dimension {dim} of input {list(s.shape)}"
            )
        if mode == "circular" and (a > n or b > n):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if n + a + b <= 0 and (a or b):
            raise RuntimeError(
                f"padding ({a}, {b}) leaves nothing of dimension {dim} of input {list(s.shape)}"
            )
    moves = [
        (dim, _sources(s.shape[dim], a, b, mode)) for dim, (a, b) in enumerate(widths) if a or b
    ]
    if not moves:
        return input.clone()
    return borrow_row(input, tuple(moves), node)


@public("F")
def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """Widen the last dims: `pad` is (before, after) of the last dim, then of the one before it ...

    mode "constant" fills with `value` (0) and takes negative widths, which crop; "reflect",
    "replicate" and "circular" show the input's own elements.

    >>> import wengert as torch
    >>> torch.nn.functional.pad(torch.tensor([1., 2.]), (1, 2))
    tensor([0., 1., 2., 0., 0.])
    """
    check_tensor(input, "pad")
    pad = tuple([int(p) for p in pad])
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input._spec.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {input._spec.ndim}"
        )
    if mode == "constant":
        return constant_row(input, pad, 0 if value is None else value)
    if mode not in _NAMES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    return _from_input(input, pad, mode)


# ---------------------------------------------------------------- pixels and channels
def _shuffle(x: np.ndarray, r: int) -> np.ndarray:
    *lead, c, h, w = x.shape
    n = len(lead)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    parts = x.reshape(*lead, c // (r * r), r, r, h, w).transpose(order)
    return parts.reshape(*lead, c // (r * r), h * r, w * r)


def _unshuffle(x: np.ndarray, r: int) -> np.ndarray:
    *lead, c, h, w = x.shape
    n = len(lead)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    parts = x.reshape(*lead, c, h // r, r, w // r, r).transpose(order)
    return parts.reshape(*lead, c * r * r, h // r, w // r)


shuffle_row = primitive("linear", "pixel_shuffle(x, *, r)", _shuffle,
                        x=lambda xp, g, r: xp.pixel_unshuffle(g, r),
                        batch=unchanged)  # fmt: skip

unshuffle_row = primitive("linear", "pixel_unshuffle(x, *, r)", _unshuffle,
                          x=lambda xp, g, r: xp.pixel_shuffle(g, r),
                          batch=unchanged)  # fmt: skip


def _check_pixels(input: Any, caller: str, factor: int, name: str) -> None:
    check_tensor(input, caller)
    if input._spec.ndim < 3:
        raise RuntimeError(
            f"{caller} expects input to have at least 3 dimensions, but got input with "
            f"{input._spec.ndim} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{caller} expects a positive {name}, but got {factor}")


@public("torch", "F")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Rearrange (..., C r^2, H, W) to (..., C, H r, W r).

    Shi et al., "Real-Time Single Image and Video Super-Resolution", 2016.
    """
    r = upscale_factor
    _check_pixels(input, "pixel_shuffle", r, "upscale_factor")
    channels = input._spec.shape[-3]
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    return shuffle_row(input, r)


@public("torch", "F")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Rearrange (..., C, H r, W r) to (..., C r^2, H, W): the inverse of `pixel_shuffle`."""
    r = downscale_factor
    _check_pixels(input, "pixel_unshuffle", r, "downscale_factor")
    for at, what in ((-2, "height"), (-1, "width")):
        n = input._spec.shape[at]
        if n % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but "
                f"input.size({at})={n} is not divisible by {r}"
            )
    return unshuffle_row(input, r)


@public("torch", "F")
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Split the channels (dim 1) into groups and interleave these."""
    check_tensor(input, "channel_shuffle")
    shape = tuple(input._spec.shape)
    if len(shape) < 3:
        raise RuntimeError(
            "channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} "
            "groups."
        )
    split = T.reshape(input, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return T.reshape(T.transpose(split, 1, 2), shape)



public("torch", "F", name="native_channel_shuffle")(channel_shuffle)
