"""The public convolutions: conv1d to conv3d, their transposed forms, `convolution`, `conv_tbc`."""

from __future__ import annotations

import warnings
from typing import Any

from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor
from .checking import check_ints, check_tensor
from .convolution import convolution as row
from .convolution import transposed as transposed_row

Sizes = Any  # an int, or one for every dim


# ---------------------------------------------------------------- arguments
def _ints(value: Any, dims: int, name: str, caller: str, least: int) -> tuple[int, ...]:
    """One int for every dim of space."""
    sizes = check_ints(value, caller, name)
    if len(sizes) == 1:
        sizes *= dims
    if len(sizes) != dims:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {dims} values to match the "
            f"convolution dimensions, but got {name}={list(sizes)}"
        )
    if sizes and min(sizes) < least:
        raise RuntimeError(f"{'non-positive' if least else 'negative'} {name} is not supported")
    return sizes


def _check_operands(input: Any, weight: Any, bias: Any, caller: str) -> None:
    check_tensor(input, caller)
    check_tensor(weight, caller, "weight", 2)
    if bias is not None:
        check_tensor(bias, caller, "bias", 3)
    x, w = input._spec, weight._spec
    if x.dtype.name == "bool":
        raise NotImplementedError(f"\"slow_{caller}_cpu\" not implemented for 'Bool'")
    if x.dtype is not w.dtype:
        raise RuntimeError(
            f"Input type ({_type(x)}) and weight type ({_type(w)}) should be the same: expected "
            f"scalar type {x.dtype.scalar_name} but found {w.dtype.scalar_name}"
        )
    if bias is not None and bias._spec.dtype is not x.dtype:
        raise RuntimeError(
            f"Input type ({_type(x)}) and bias type ({_type(bias._spec)}) should be the same"
        )


def _type(spec: Any) -> str:
    return spec.dtype.scalar_name.lower()


def _check_shapes(x: Any, w: Any, bias: Any, groups: int, is_transposed: bool) -> None:
    """The channels of input, weights and bias agree."""
    if x.ndim != w.ndim:
        raise RuntimeError(
            f"Expected {w.ndim}-dimensional input for {w.ndim}-dimensional weight {list(w.shape)}, but got "
            f"{x.ndim}-dimensional input of size {list(x.shape)} instead"
        )
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if w.shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got "
            f"weight of size {list(w.shape)} instead"
        )
    if w.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but "
            f"got weight of size [{list(w.shape)}] instead"
        )
    what = "transposed=1" if is_transposed else f"groups={groups}"
    channels = w.shape[0] if is_transposed else w.shape[1] * groups
    if x.shape[1] != channels:
        raise RuntimeError(
            f"Given {what}, weight of size {list(w.shape)}, expected input{list(x.shape)} to have "
            f"{channels} channels, but got {x.shape[1]} channels instead"
        )
    outputs = w.shape[1] * groups if is_transposed else w.shape[0]
    if bias is not None and tuple(bias._spec.shape) != (outputs,):
        first = f"Given {what}, weight" if is_transposed else "Given weight"
        raise RuntimeError(
            f"{first} of size {list(w.shape)}, expected bias to be 1-dimensional with {outputs} "
            f"elements, but got bias of size {list(bias._spec.shape)} instead"
        )


def _batched(input: Any, dims: int, caller: str) -> bool:
    n = input._spec.ndim
    if n not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {caller}, but got "
            f"input of size: {list(input._spec.shape)}"
        )
    return n == dims + 2


def _shown(sizes: Any) -> str:
    return f"({' x '.join(map(str, sizes))})"


# ---------------------------------------------------------------- forward
def _same(input: Any, w: Any, stride: tuple, dilation: tuple) -> tuple[Any, tuple[int, ...]]:
    """The input and the padding with which the result has the input's size.

    Where the two sides differ, the last one is wider, and the input itself is padded.
    """
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, w.shape[2:], strict=True)]
    if any(t % 2 for t in totals):
        warnings.warn(
            "Using padding='same' with even kernel lengths and odd dilation may require a "
            "zero-padded copy of the input be created",
            UserWarning,
            stacklevel=4,
        )
        extra: list[int] = []
        for t in reversed(totals):
            extra += (0, t % 2)
        input = T.constant_pad_nd(input, tuple(extra), 0)
    return input, tuple([t // 2 for t in totals])


def _conv(
    dims: int, caller: str, input: Any, weight: Any, bias: Any, stride: Sizes, padding: Any,
    dilation: Sizes, groups: int,
) -> Tensor:  # fmt: skip
    _check_operands(input, weight, bias, caller)
    batched = _batched(input, dims, caller)
    x = input if batched else T.unsqueeze(input, 0)
    w = weight._spec
    d = w.ndim - 2
    strides = _ints(stride, d, "stride", caller, 1)
    dilations = _ints(dilation, d, "dilation", caller, 1)
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        _check_shapes(x._spec, w, bias, groups, False)
        pads: tuple[int, ...] = (0,) * d
        if padding == "same":
            x, pads = _same(x, w, strides, dilations)
    else:
        pads = _ints(padding, d, "padding", caller, 0)
    out = _forward(x, weight, bias, strides, pads, dilations, groups)
    return out if batched else out.squeeze(0)


def _forward(
    x: Any, weight: Any, bias: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int
) -> Tensor:
    s, w = x._spec, weight._spec
    _check_shapes(s, w, bias, groups, False)
    kernel = w.shape[2:]
    wide = [n + 2 * p for n, p in zip(s.shape[2:], padding, strict=True)]
    reach = [d * (n - 1) + 1 for d, n in zip(dilation, kernel, strict=True)]
    if any(n < r for n, r in zip(wide, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: {_shown(wide)}. Kernel size: {_shown(reach)}. "
            "Kernel size can't be greater than actual input size"
        )
    return row(x, weight, bias, stride, padding, dilation, groups)


@public("torch", "F")
def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Any = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Slide weights (O, C / groups, K) over input (N, C, L) or (C, L), and sum the products.

    padding is a width of zeros, "valid" (none) or "same" (as many as keep the length). The product
    is a cross-correlation: the weights are not flipped.

    >>> import wengert as torch
    >>> torch.conv1d(torch.tensor([[1., 2., 4., 8.]]), torch.tensor([[[-1., 1.]]]))
    tensor([[1., 2., 4.]])
    """
    return _conv(1, "conv1d", input, weight, bias, stride, padding, dilation, groups)


@public("torch", "F")
def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Any = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Slide weights (O, C / groups, kH, kW) over images (N, C, H, W) or (C, H, W); see `conv1d`.

    The result is (N, O, H', W') with H' = (H + 2 padding - dilation (kH - 1) - 1) // stride + 1.

    >>> import wengert as torch
    >>> torch.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    return _conv(2, "conv2d", input, weight, bias, stride, padding, dilation, groups)


@public("torch", "F")
def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Any = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Slide weights (O, C / groups, kD, kH, kW) over volumes (N, C, D, H, W); see `conv1d`.

    >>> import wengert as torch
    >>> torch.conv3d(torch.ones(1, 1, 2, 2, 2), torch.ones(3, 1, 2, 2, 2)).shape
    torch.Size([1, 3, 1, 1, 1])
    """
    return _conv(3, "conv3d", input, weight, bias, stride, padding, dilation, groups)


# ---------------------------------------------------------------- transposed
def _backward_sizes(
    size: Any, kernel: Any, stride: tuple, padding: tuple, extra: tuple, dilation: tuple
) -> tuple[int, ...]:
    """The sizes of an input whose convolution has this size; `extra` of those that do are left out."""
    return tuple(
        [(n - 1) * s - 2 * p + d * (k - 1) + e + 1
         for n, k, s, p, e, d in zip(size, kernel, stride, padding, extra, dilation, strict=True)]
    )  # fmt: skip


def _check_extra(extra: tuple, stride: tuple, dilation: tuple) -> None:
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation, strict=True)):
        names = ("depth", "height", "width")[-len(extra) :]
        values = [
            f"{what}_{n}: {v}"
            for what, vs in (("output_padding", extra), ("stride", stride), ("dilation", dilation))
            for n, v in zip(names, vs, strict=True)
        ]
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            + " ".join(values)
        )


def _conv_transpose(
    dims: int, caller: str, input: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes,
    output_padding: Sizes, groups: int, dilation: Sizes,
) -> Tensor:  # fmt: skip
    _check_operands(input, weight, bias, caller)
    batched = _batched(input, dims, caller)
    x = input if batched else T.unsqueeze(input, 0)
    d = weight._spec.ndim - 2
    strides = _ints(stride, d, "stride", caller, 1)
    pads = _ints(padding, d, "padding", caller, 0)
    extra = _ints(output_padding, d, "output_padding", caller, 0)
    dilations = _ints(dilation, d, "dilation", caller, 1)
    out = _backward(x, weight, bias, strides, pads, extra, dilations, groups)
    return out if batched else out.squeeze(0)


def _backward(
    x: Any, weight: Any, bias: Any, stride: tuple, padding: tuple, extra: tuple, dilation: tuple,
    groups: int,
) -> Tensor:  # fmt: skip
    s, w = x._spec, weight._spec
    _check_shapes(s, w, bias, groups, True)
    _check_extra(extra, stride, dilation)
    size = _backward_sizes(s.shape[2:], w.shape[2:], stride, padding, extra, dilation)
    if any(n < 1 for n in size):
        raise RuntimeError(
            f"Given input size per channel: {_shown(s.shape[2:])}. Calculated output size per "
            f"channel: {_shown(size)}. Output size is too small"
        )
    return transposed_row(x, weight, bias, size, stride, padding, dilation, groups)


@public("torch", "F")
def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """Spread every element of input (N, C, L) or (C, L) over the result by weights (C, O / groups, K).

    It is the adjoint of `conv1d` with the same weights: the result has length
    (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1.

    >>> import wengert as torch
    >>> x, w = torch.tensor([[1., 2.]]), torch.tensor([[[1., 10.]]])
    >>> torch.conv_transpose1d(x, w, stride=2)
    tensor([[ 1., 10.,  2., 20.]])
    """
    return _conv_transpose(
        1,
        "conv_transpose1d",
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@public("torch", "F")
def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """Spread (N, C, H, W) by weights (C, O / groups, kH, kW): the adjoint of `conv2d`.

    >>> import wengert as torch
    >>> torch.conv_transpose2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    return _conv_transpose(
        2,
        "conv_transpose2d",
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@public("torch", "F")
def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """Spread (N, C, D, H, W) by weights (C, O / groups, kD, kH, kW): the adjoint of `conv3d`.

    >>> import wengert as torch
    >>> torch.conv_transpose3d(torch.ones(1, 2, 2, 2, 2), torch.ones(2, 3, 2, 2, 2), stride=2).shape
    torch.Size([1, 3, 4, 4, 4])
    """
    return _conv_transpose(
        3,
        "conv_transpose3d",
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@public("torch")
def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sizes, padding: Sizes,
    dilation: Sizes, transposed: bool, output_padding: Sizes, groups: int,
) -> Tensor:  # fmt: skip
    """Convolve, or if `transposed` spread, with all arguments given and in any number of dims.

    >>> import wengert as torch
    >>> x, w = torch.ones(1, 1, 3), torch.ones(1, 1, 2)
    >>> torch.convolution(x, w, None, [1], [0], [1], False, [0], 1)
    tensor([[[2., 2.]]])
    """
    _check_operands(input, weight, bias, "convolution")
    d = weight._spec.ndim - 2
    strides = _ints(stride, d, "stride", "convolution", 1)
    pads = _ints(padding, d, "padding", "convolution", 0)
    dilations = _ints(dilation, d, "dilation", "convolution", 1)
    if not transposed:
        return _forward(input, weight, bias, strides, pads, dilations, groups)
    extra = _ints(output_padding, d, "output_padding", "convolution", 0)
    return _backward(input, weight, bias, strides, pads, extra, dilations, groups)


@public("torch", "F")
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Convolve over the first dim: input (T, N, C), weight (K, C, O), result (T', N, O).

    >>> import wengert as torch
    >>> torch.conv_tbc(torch.ones(3, 1, 2), torch.ones(2, 2, 1), torch.zeros(1)).flatten()
    tensor([4., 4.])
    """
    for position, (t, name) in enumerate(((input, "input"), (weight, "weight"), (bias, "bias")), 1):
        check_tensor(t, "conv_tbc", name, position)
    x, w, b = input._spec, weight._spec, bias._spec
    if x.ndim != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    if w.ndim != 3:
        raise RuntimeError(
            "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels."
        )
    if b.ndim != 1:
        raise RuntimeError("Bias must be 1-D")
    if x.shape[2] != w.shape[1]:
        raise RuntimeError("Input dim 2 (input channels) is not == dim 1 in the weight tensor")
    if w.shape[2] != b.shape[0]:
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels)")
    out = conv1d(T.permute(input, (1, 2, 0)), T.permute(weight, (2, 1, 0)), bias, padding=int(pad))
    return T.permute(out, (2, 0, 1))
