"""Convolution as layers, and its transposed forms, in one to three dims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.parameter import Parameter
from ...core.tensor import Tensor
from ...ops.create import empty
from .. import functional as F
from .linear import draw_affine
from .module import Module

Sizes = Any  # an int, or one for every dim
_MODES = ("zeros", "reflect", "replicate", "circular")


def ntuple(value: Any, n: int) -> tuple[Any, ...]:
    """Return one value as n of them, and several as a tuple."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(value)
    return (value,) * n


class _ConvNd(Module):
    """The parameters and settings that all convolutions have."""

    __constants__ = [
        "stride", "padding", "dilation", "groups", "padding_mode", "output_padding", "in_channels",
        "out_channels", "kernel_size",
    ]  # fmt: skip
    dims = 0
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: Any,
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
                )
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _MODES:
            raise ValueError(
                f"padding_mode must be one of {set(_MODES)}, but got padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = _both_sides(padding, dilation, kernel_size)
        if transposed:
            shape = (in_channels, out_channels // groups, *kernel_size)
        else:
            shape = (out_channels, in_channels // groups, *kernel_size)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew, uniform in +-1 / sqrt(elements of a window)."""
        draw_affine(self.weight, self.bias)

    def extra_repr(self) -> str:
        s = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * len(self.padding):
            s += f", padding={self.padding}"
        if self.dilation != (1,) * len(self.dilation):
            s += f", dilation={self.dilation}"
        if self.output_padding != (0,) * len(self.output_padding):
            s += f", output_padding={self.output_padding}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        if self.bias is None:
            s += ", bias=False"
        if self.padding_mode != "zeros":
            s += f", padding_mode={self.padding_mode}"
        return s

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


def _both_sides(padding: Any, dilation: tuple, kernel: tuple) -> list[int]:
    """The padding as `F.pad` takes it: before and after every dim, the last dim first."""
    sides: list[int] = []
    if isinstance(padding, str):
        for d, k in zip(reversed(dilation), reversed(kernel), strict=True):
            total = d * (k - 1) if padding == "same" else 0
            sides += [total // 2, total - total // 2]
    else:
        for p in reversed(padding):
            sides += [p, p]
    return sides


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Any = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        n = self.dims
        super().__init__(
            in_channels,
            out_channels,
            ntuple(kernel_size, n),
            ntuple(stride, n),
            padding if isinstance(padding, str) else ntuple(padding, n),
            ntuple(dilation, n),
            False,
            (0,) * n,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self.dims
        conv = getattr(F, f"conv{self.dims}d")  # by name, so that the family loads when it is used
        return conv(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        # The table directly: __getattr__ costs as much as recording an operation.
        parameters: Any = self._parameters
        if "weight" in parameters and "bias" in parameters:
            return self._conv_forward(input, parameters["weight"], parameters["bias"])
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Slides windows over (N, C, L) or (C, L): the result is (N, O, L') or (O, L').

    `weight` is (O, C / groups, K); padding is a width, "valid" or "same", filled as `padding_mode`
    says (zeros, reflect, replicate, circular).

    >>> import wengert as torch
    >>> torch.nn.Conv1d(16, 33, 3, stride=2)(torch.randn(20, 16, 50)).shape
    torch.Size([20, 33, 24])
    """

    dims = 1


class Conv2d(_Conv):
    """Slides windows over images (N, C, H, W) or (C, H, W).

    `weight` is (O, C / groups, kH, kW).

    >>> import wengert as torch
    >>> torch.nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))(torch.randn(2, 16, 50, 10)).shape
    torch.Size([2, 33, 28, 10])
    """

    dims = 2


class Conv3d(_Conv):
    """Slides windows over volumes (N, C, D, H, W) or (C, D, H, W).

    >>> import wengert as torch
    >>> torch.nn.Conv3d(2, 3, 2)(torch.randn(1, 2, 4, 5, 6)).shape
    torch.Size([1, 3, 3, 4, 5])
    """

    dims = 3


class _ConvTransposeNd(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        n = self.dims
        super().__init__(
            in_channels,
            out_channels,
            ntuple(kernel_size, n),
            ntuple(stride, n),
            ntuple(padding, n),
            ntuple(dilation, n),
            True,
            ntuple(output_padding, n),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """What to add to the smallest size to get the wanted one."""
        if output_size is None:
            return self.output_padding
        n, dims = self.dims, input.dim()
        first = 2 if dims == n + 2 else 1
        wanted = list(output_size)
        if len(wanted) == first + n:
            wanted = wanted[first:]
        if len(wanted) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {dims}D input, output_size must have {n} or {first + n} elements "
                f"(got {len(wanted)})"
            )
        given = input.shape[first:]
        least = [
            (m - 1) * s - 2 * p + d * (k - 1) + 1
            for m, s, p, d, k in zip(given, self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        ]  # fmt: skip
        most = [m + s - 1 for m, s in zip(least, self.stride, strict=True)]
        if any(not a <= w <= b for a, w, b in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to {most} (for "
                f"an input of {input.shape[2:]})"
            )
        return tuple([w - a for w, a in zip(wanted, least, strict=True)])

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self._output_padding(input, output_size)
        conv = getattr(F, f"conv_transpose{self.dims}d")
        return conv(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTransposeNd):
    """Spreads every element of (N, C, L) over a window of the result (N, O, L').

    The adjoint of a Conv1d with these settings; `weight` is (C, O / groups, K). Where several sizes
    have that one as their convolution, `output_padding`, or `output_size` in the call, chooses.

    >>> import wengert as torch
    >>> layer = torch.nn.ConvTranspose1d(16, 33, 3, stride=2, padding=1)
    >>> layer(torch.randn(2, 16, 50), output_size=[100]).shape
    torch.Size([2, 33, 100])
    """

    dims = 1


class ConvTranspose2d(_ConvTransposeNd):
    """Spreads every pixel of (N, C, H, W) over a window of the result.

    >>> import wengert as torch
    >>> torch.nn.ConvTranspose2d(16, 3, 4, stride=2, padding=1)(torch.randn(2, 16, 8, 8)).shape
    torch.Size([2, 3, 16, 16])
    """

    dims = 2


class ConvTranspose3d(_ConvTransposeNd):
    """Spreads every element of (N, C, D, H, W) over a window of the result.

    >>> import wengert as torch
    >>> torch.nn.ConvTranspose3d(2, 3, 2, stride=2)(torch.randn(1, 2, 2, 3, 4)).shape
    torch.Size([1, 3, 4, 6, 8])
    """

    dims = 3
