"""Padding as layers: constant, zero, reflection, replication, circular, over the last 1 to 3 dims."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.tensor import Tensor
from .. import functional as F
from .module import Module


class _PadNd(Module):
    """`padding` is one width for all sides, or (left, right) per dim beginning with the last."""

    __constants__ = ["padding"]
    dims = 1
    mode = "constant"

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides = 2 * self.dims
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != sides:
            raise ValueError(
                f"{type(self).__name__} takes one width or {sides} of them, got {len(self.padding)}"
            )

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad1d(_PadNd):
    """Surrounds the last dim with `value`.

    >>> import wengert as torch
    >>> torch.nn.ConstantPad1d((1, 2), 9.0)(torch.zeros(1, 2))
    tensor([[9., 0., 0., 9., 9.]])
    """

    __constants__ = ["padding", "value"]

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """Surrounds the last two dims with `value`."""

    dims = 2


class ConstantPad3d(ConstantPad1d):
    """Surrounds the last three dims with `value`."""

    dims = 3


class ZeroPad1d(ConstantPad1d):
    """Surrounds the last dim with zeros."""

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ZeroPad1d):
    """Surrounds the last two dims with zeros."""

    dims = 2


class ZeroPad3d(ZeroPad1d):
    """Surrounds the last three dims with zeros."""

    dims = 3


class ReflectionPad1d(_PadNd):
    """Mirrors the last dim at its ends, which are not repeated."""

    mode = "reflect"


class ReflectionPad2d(ReflectionPad1d):
    """Mirrors the last two dims at their ends."""

    dims = 2


class ReflectionPad3d(ReflectionPad1d):
    """Mirrors the last three dims at their ends."""

    dims = 3


class ReplicationPad1d(_PadNd):
    """Repeats the end values of the last dim."""

    mode = "replicate"


class ReplicationPad2d(ReplicationPad1d):
    """Repeats the end values of the last two dims."""

    dims = 2


class ReplicationPad3d(ReplicationPad1d):
    """Repeats the end values of the last three dims."""

    dims = 3


class CircularPad1d(_PadNd):
    """Continues the last dim at its other end."""

    mode = "circular"


class CircularPad2d(CircularPad1d):
    """Continues the last two dims at their other ends."""

    dims = 2


class CircularPad3d(CircularPad1d):
    """Continues the last three dims at their other ends."""

    dims = 3
