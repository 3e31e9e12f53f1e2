"""The rows of convolution: three ops, each of which is the derivative of the two others.

`convolution` (input, weights), its adjoint in the input `conv_transposed` (result, weights) and its
adjoint in the weights `conv_weight` (input, result). So the rules close at every order. A bias,
where there is one, is added by the same kernel.
"""

from __future__ import annotations

import math
from typing import Any

from ..core.batching import all_batched, size_of_batch, spread
from ..core.cold import bind
from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..kernels import conv as k


def _channel_sum(g: Any) -> Any:
    n, c, *size = g.shape
    return g.reshape(n, c, math.prod(size)).sum(2).sum(0)


utility("channel_sum", _channel_sum,
        lambda g: TENSORS.sum(g, (0, *range(2, g.ndim)), False))  # fmt: skip


def _jvp(name: str) -> Any:
    def jvp(xp: Any, xs: tuple, ts: tuple, out: Any, params: tuple) -> Any:
        (x, y, _), (tx, ty, tz) = xs, ts
        row = getattr(xp, name)
        total: Any = None
        if tx is not None:
            total = row(tx, y, None, *params)
        if ty is not None:
            part = row(x, ty, None, *params)
            total = part if total is None else total + part
        if tz is not None:
            part = xp.reshape(tz, (tz.shape[0], *[1] * (out.ndim - 2)))
            total = xp.expand(part, tuple(out.shape)) if total is None else total + part
        return total

    return jvp


# ---------------------------------------------------------------- many examples at once
def _into_channels(x: Any) -> Any:
    """(B, N, C, ...) to (N, B C, ...): every example becomes a group of channels."""
    b, n, c, *size = x._spec.shape
    order = (1, 0, *range(2, len(size) + 3))
    return TENSORS.reshape(TENSORS.permute(x, order), (n, b * c, *size))


def _from_channels(x: Any, size: int) -> Any:
    n, c, *rest = x._spec.shape
    split = TENSORS.reshape(x, (n, size, c // size, *rest))
    return TENSORS.permute(split, (1, 0, *range(2, len(rest) + 3)))


def _merged(x: Any) -> Any:
    b, n, *rest = x._spec.shape
    return TENSORS.reshape(x, (b * n, *rest))


def _batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    """Inputs alone join the samples; with batched weights every example is a group of channels."""
    size = size_of_batch(xs, on)
    (x, y, z), (by_x, by_y, by_z) = xs, on
    if not by_y:
        inner = None if by_z else z
        if by_x:
            out = bind(op, (_merged(x), y, inner), params)
            out = TENSORS.reshape(out, (size, -1 if size else 0, *out._spec.shape[1:]))
        else:
            out = spread(bind(op, (x, y, inner), params), size)
        if by_z:
            shape = z._spec.shape
            out = out + TENSORS.reshape(z, (size, 1, shape[1], *[1] * (out._spec.ndim - 3)))
        return out
    x = x if by_x else spread(x, size)
    if z is not None:
        z = z if by_z else spread(z, size)
        z = TENSORS.reshape(z, (size * z._spec.shape[1],))
    *rest, groups = params
    out = bind(op, (_into_channels(x), _merged(y), z), (*rest, groups * size))
    return _from_channels(out, size)


def _batch_weight(op: Any, xs: list, on: list, params: tuple) -> Any:
    x, y = all_batched(xs, on)
    size = x._spec.shape[0]
    *rest, groups = params
    out = bind(op, (_into_channels(x), _into_channels(y)), (*rest, groups * size))
    shape = out._spec.shape
    return TENSORS.reshape(out, (size, shape[0] // size, *shape[1:]))


# ---------------------------------------------------------------- rows
_SAVED = {"x": "input", "y": "weight"}

convolution = primitive(
    "opaque", "convolution(x, y, z?, *, stride, padding, dilation, groups)", k.convolution,
    x=lambda xp, g, y, x_spec, stride, padding, dilation, groups: xp.conv_transposed(
        g, y, None, tuple(x_spec.shape[2:]), stride, padding, dilation, groups),
    y=lambda xp, g, x, y_spec, stride, padding, dilation, groups: xp.conv_weight(
        x, g, tuple(y_spec.shape[2:]), stride, padding, dilation, groups),
    z=lambda xp, g: xp.channel_sum(g),
    jvp=_jvp("convolution"), batch=_batch, saved=_SAVED,
)  # fmt: skip

transposed = primitive(
    "opaque", "conv_transposed(x, y, z?, *, size, stride, padding, dilation, groups)", k.conv_transposed,
    x=lambda xp, g, y, stride, padding, dilation, groups: xp.convolution(
        g, y, None, stride, padding, dilation, groups),
    y=lambda xp, g, x, y_spec, stride, padding, dilation, groups: xp.conv_weight(
        g, x, tuple(y_spec.shape[2:]), stride, padding, dilation, groups),
    z=lambda xp, g: xp.channel_sum(g),
    jvp=_jvp("conv_transposed"), batch=_batch, saved=_SAVED, node="ConvolutionBackward0",
)  # fmt: skip

weight_row = primitive(
    "bilinear", "conv_weight(x, y, *, kernel, stride, padding, dilation, groups)", k.weights,
    x=lambda xp, g, y, x_spec, stride, padding, dilation, groups: xp.conv_transposed(
        y, g, None, tuple(x_spec.shape[2:]), stride, padding, dilation, groups),
    y=lambda xp, g, x, stride, padding, dilation, groups: xp.convolution(
        x, g, None, stride, padding, dilation, groups),
    saved={"x": "input", "y": "grad_output"}, node="ConvolutionBackwardBackward0",
    batch=_batch_weight,
)  # fmt: skip
