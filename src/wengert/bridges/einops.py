"""einops on tensors: the backend that einops finds among the subclasses of its own base class.

It is registered as soon as both libraries are imported, in either order (see `einops_hook`).
"""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..late import named

_backends: list[type] = []


def register() -> None:
    """Define the backend, once; ImportError without einops."""
    try:
        from einops._backends import AbstractBackend
    except ImportError:
        raise ImportError("wengert.bridges.einops needs einops: pip install einops") from None
    if not _backends:  # einops knows it weakly
        _backends.append(
            type("WengertBackend", (_Methods, AbstractBackend), {"framework_name": "wengert"})
        )


class _Methods:
    """What einops asks of a backend, by public functions: all of it is recorded."""

    def is_appropriate_type(self, tensor: Any) -> bool:
        return isinstance(tensor, Tensor)

    def from_numpy(self, x: Any) -> Any:
        return named("torch", "from_numpy")(x)

    def to_numpy(self, x: Any) -> Any:
        return x.detach().numpy()

    def arange(self, start: int, stop: int) -> Any:
        return named("torch", "arange")(start, stop)

    def reduce(self, x: Any, operation: str, reduced_axes: Any) -> Any:
        axes = tuple(reduced_axes)
        if not axes:
            return x
        if operation in ("min", "max"):
            return (x.amin if operation == "min" else x.amax)(dim=axes)
        if operation in ("sum", "mean"):
            return getattr(x, operation)(dim=axes)
        if operation in ("any", "all", "prod"):
            for axis in sorted(axes, reverse=True):
                x = getattr(x, operation)(dim=axis)
            return x
        raise NotImplementedError(f"einops: unknown reduction {operation!r}")

    def transpose(self, x: Any, axes: Any) -> Any:
        return x.permute(tuple(axes))

    def stack_on_zeroth_dimension(self, tensors: list) -> Any:
        return named("torch", "stack")(tensors)

    def add_axis(self, x: Any, new_position: int) -> Any:
        return x.unsqueeze(new_position)

    def add_axes(self, x: Any, n_axes: int, pos2len: dict) -> Any:
        sizes = [-1] * n_axes
        for position, length in pos2len.items():
            x = self.add_axis(x, position)
            sizes[position] = length
        return x.expand(sizes)

    def tile(self, x: Any, repeats: Any) -> Any:
        return x.repeat(tuple(repeats))

    def concat(self, tensors: list, axis: int) -> Any:
        return named("torch", "cat")(tensors, dim=axis)

    def is_float_type(self, x: Any) -> bool:
        return bool(x.dtype.is_floating_point)

    def einsum(self, pattern: str, *x: Any) -> Any:
        return named("torch", "einsum")(pattern, *x)


__all__ = ["register"]
