"""NumPy's Fourier transforms and finite differences of tensors that require grad."""

from __future__ import annotations

from typing import Any

from ..core.numpy_protocol import numpy_function
from ..core.registry import find
from ..core.tensor import as_tensor_arg


def _one_dim(name: str) -> None:
    def handler(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        if out is not None:
            return NotImplemented
        return find("fft", name)(as_tensor_arg(a), n, axis, norm)

    numpy_function(f"fft.{name}")(handler)


def _several_dims(name: str, default: Any) -> None:
    def handler(a: Any, s: Any = None, axes: Any = default, norm: Any = None, out: Any = None) -> Any:
        if out is not None:
            return NotImplemented
        return find("fft", name)(as_tensor_arg(a), s, axes, norm)

    numpy_function(f"fft.{name}")(handler)


def _shift(name: str) -> None:
    def handler(x: Any, axes: Any = None) -> Any:
        return find("fft", name)(as_tensor_arg(x), axes)

    numpy_function(f"fft.{name}")(handler)


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    _one_dim(_name)
for _name in ("fft2", "ifft2", "rfft2", "irfft2"):
    _several_dims(_name, (-2, -1))
for _name in ("fftn", "ifftn", "rfftn", "irfftn"):
    _several_dims(_name, None)
for _name in ("fftshift", "ifftshift"):
    _shift(_name)


@numpy_function("gradient")
def _gradient(f: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """NumPy returns a bare array for a single axis."""
    steps = 1 if not spacing else spacing[0] if len(spacing) == 1 else tuple(spacing)
    if hasattr(steps, "__len__") and len(spacing) == 1:  # the coordinates along one axis
        steps = (as_tensor_arg(steps),)
    elif isinstance(steps, tuple):
        steps = tuple([as_tensor_arg(h) if hasattr(h, "__len__") else h for h in steps])
    found = find("torch", "gradient")(as_tensor_arg(f), spacing=steps, dim=axis, edge_order=edge_order)
    return found[0] if len(found) == 1 else found


@numpy_function("vander")
def _vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    return find("torch", "vander")(as_tensor_arg(x), N, increasing)


@numpy_function("i0")
def _i0(x: Any) -> Any:
    return find("torch", "i0")(as_tensor_arg(x))
