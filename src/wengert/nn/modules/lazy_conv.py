"""Convolutions that take in_channels from their first input."""

from __future__ import annotations

from typing import Any

from ...autograd.grad_mode import no_grad
from ...core.tensor import Tensor
from ..parameter import UninitializedParameter
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from .lazy import LazyModuleMixin, _materialize


class _LazyConv(LazyModuleMixin):
    """What lazy convolutions share: they are made with no channels and no parameters."""

    dims: int
    in_channels: int
    out_channels: int
    groups: int
    kernel_size: tuple[int, ...]
    transposed: bool
    weight: Any
    bias: Any

    def _make(self, out_channels: int, bias: bool, settings: dict[str, Any]) -> None:
        """Initialise as a convolution from 0 to 0 channels and put uninitialized tensors in."""
        factory: Any = {name: settings[name] for name in ("device", "dtype")}
        super().__init__(0, 0, bias=False, **settings)
        self.weight = UninitializedParameter(**factory)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(**factory)

    def reset_parameters(self) -> None:
        """Draws the parameters anew, once there are some."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Materializes the parameters for inputs like this one: (N, C, ...) or (C, ...)."""
        if not self.has_uninitialized_params():
            if self.in_channels == 0:  # a state gave the weight its shape
                self.in_channels = self._channels(input)
            return
        self.in_channels = self._channels(input)
        if self.in_channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        if self.transposed:
            shape = (self.in_channels, self.out_channels // self.groups, *self.kernel_size)
        with no_grad():
            _materialize(self.weight, shape)
            _materialize(self.bias, (self.out_channels,))
            self.reset_parameters()

    def _channels(self, input: Tensor) -> int:
        single = self.dims + 1
        if input.dim() not in (single, single + 1):
            raise RuntimeError(
                f"Expected {single}D (unbatched) or {single + 1}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        channels: int = input.shape[input.dim() - single]
        return channels


class _Forward(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        settings = {
            "kernel_size": kernel_size,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "padding_mode": padding_mode,
            "device": device,
            "dtype": dtype,
        }
        self._make(out_channels, bias, settings)


class _Transposed(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        settings = {
            "kernel_size": kernel_size,
            "stride": stride,
            "padding": padding,
            "output_padding": output_padding,
            "groups": groups,
            "dilation": dilation,
            "padding_mode": padding_mode,
            "device": device,
            "dtype": dtype,
        }
        self._make(out_channels, bias, settings)


class LazyConv1d(_Forward, Conv1d):
    """`Conv1d` that takes in_channels from its first input.

    >>> import wengert as torch
    >>> torch.nn.LazyConv1d(4, kernel_size=3)(torch.ones(2, 3, 8)).shape
    torch.Size([2, 4, 6])
    """

    cls_to_become = Conv1d


class LazyConv2d(_Forward, Conv2d):
    """`Conv2d` that takes in_channels from its first input.

    >>> import wengert as torch
    >>> layer = torch.nn.LazyConv2d(4, kernel_size=3)
    >>> layer(torch.ones(2, 3, 8, 8)).shape, layer
    (torch.Size([2, 4, 6, 6]), Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1)))
    """

    cls_to_become = Conv2d


class LazyConv3d(_Forward, Conv3d):
    """`Conv3d` that takes in_channels from its first input.

    >>> import wengert as torch
    >>> torch.nn.LazyConv3d(4, kernel_size=2)(torch.ones(2, 3, 4, 4, 4)).shape
    torch.Size([2, 4, 3, 3, 3])
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_Transposed, ConvTranspose1d):
    """`ConvTranspose1d` that takes in_channels from its first input.

    >>> import wengert as torch
    >>> torch.nn.LazyConvTranspose1d(4, kernel_size=3)(torch.ones(2, 3, 8)).shape
    torch.Size([2, 4, 10])
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_Transposed, ConvTranspose2d):
    """`ConvTranspose2d` that takes in_channels from its first input.

    >>> import wengert as torch
    >>> torch.nn.LazyConvTranspose2d(4, kernel_size=3)(torch.ones(2, 3, 8, 8)).shape
    torch.Size([2, 4, 10, 10])
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_Transposed, ConvTranspose3d):
    """`ConvTranspose3d` that takes in_channels from its first input.

    >>> import wengert as torch
    >>> torch.nn.LazyConvTranspose3d(4, kernel_size=2)(torch.ones(2, 3, 4, 4, 4)).shape
    torch.Size([2, 4, 5, 5, 5])
    """

    cls_to_become = ConvTranspose3d
