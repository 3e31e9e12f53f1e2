"""The rows of convolution: three ops, each of which is the derivative of the two others.

`convolution` (input, weights), its adjoint in the input `conv_transposed` (result, weights) and its
adjoint in the weights `conv_weight` (input, result). So the rules close at every order. A bias,
where there is one, is added by the same kernel.
"""

from __future__ import annotations

from typing import Any

from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..kernels import conv as k


def _channel_sum(g: Any) -> Any:
    n, c = g.shape[:2]
    return g.reshape(n, c, -1).sum(2).sum(0)


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


_SAVED = {"x": "input", "y": "weight"}

convolution = primitive(
    "opaque", "convolution(x, y, z?, *, stride, padding, dilation, groups)", k.convolve,
    x=lambda xp, g, y, x_spec, stride, padding, dilation, groups: xp.conv_transposed(
        g, y, None, tuple(x_spec.shape[2:]), stride, padding, dilation, groups),
    y=lambda xp, g, x, y_spec, stride, padding, dilation, groups: xp.conv_weight(
        x, g, tuple(y_spec.shape[2:]), stride, padding, dilation, groups),
    z=lambda xp, g: xp.channel_sum(g),
    jvp=_jvp("convolution"), saved=_SAVED,
)  # fmt: skip

transposed = primitive(
    "opaque", "conv_transposed(x, y, z?, *, size, stride, padding, dilation, groups)", k.transposed,
    x=lambda xp, g, y, stride, padding, dilation, groups: xp.convolution(
        g, y, None, stride, padding, dilation, groups),
    y=lambda xp, g, x, y_spec, stride, padding, dilation, groups: xp.conv_weight(
        g, x, tuple(y_spec.shape[2:]), stride, padding, dilation, groups),
    z=lambda xp, g: xp.channel_sum(g),
    jvp=_jvp("conv_transposed"), saved=_SAVED, node="ConvolutionBackward0",
)  # fmt: skip

weight_row = primitive(
    "bilinear", "conv_weight(x, y, *, kernel, stride, padding, dilation, groups)", k.weights,
    x=lambda xp, g, y, x_spec, stride, padding, dilation, groups: xp.conv_transposed(
        y, g, None, tuple(x_spec.shape[2:]), stride, padding, dilation, groups),
    y=lambda xp, g, x, stride, padding, dilation, groups: xp.convolution(
        x, g, None, stride, padding, dilation, groups),
    saved={"x": "input", "y": "grad_output"}, node="ConvolutionBackwardBackward0",
)  # fmt: skip
