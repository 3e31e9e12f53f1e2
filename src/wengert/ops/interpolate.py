"""Resizing images: interpolate with all its modes, and the older upsample functions."""

from __future__ import annotations

import math
import warnings
from operator import index
from typing import Any

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import resample as k
from ..kernels.dtypes import float32
from .checking import check_tensor
from .pool_average import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .resample import resample

T: Any = TENSORS

# mode -> (dims of space, start of the node's name)
_MODES = {"linear": (1, "UpsampleLinear"), "bilinear": (2, "UpsampleBilinear"),
          "bicubic": (2, "UpsampleBicubic"), "trilinear": (3, "UpsampleTrilinear"),
          "lanczos": (2, "UpsampleLanczos")}  # fmt: skip
_NEAREST = {"nearest": "UpsampleNearest", "nearest-exact": "UpsampleNearestExact"}


def _listed(value: Any, size: tuple, what: str, full: str) -> list:
    """One value for every dim of space."""
    if not isinstance(value, (tuple, list)):
        return [value] * len(size)
    if len(value) != len(size):
        raise ValueError(
            f"Input and {what} must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(size)} and {full} {value}. Please provide input tensor in (N, "
            "C, d1, d2, ...,dK) format and "
            + (
                "output size in (o1, o2, ...,oK) format."
                if what == "output"
                else "scale_factor in (s1, s2, ...,sK) format."
            )
        )
    return list(value)


def _sizes(
    size: Any, scale_factor: Any, given: tuple, mode: str, recompute: bool | None
) -> tuple[list[int], list[Any]]:
    """The sizes of the result, and the scale factors that place its elements (None: from the sizes)."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        sizes = _listed(size, given, "output", "output size of")
        try:
            sizes = [index(n) for n in sizes]
        except TypeError:
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, "
                f"int], but got size with types {[type(n) for n in sizes]}"
            ) from None
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return sizes, [None] * len(sizes)
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    factors = _listed(scale_factor, given, "scale_factor", "scale_factor of shape")
    sizes = [math.floor(float(n) * f) for n, f in zip(given, factors, strict=True)]
    if recompute or mode == "area":
        return sizes, [None] * len(sizes)
    return sizes, factors


def _bands(given: tuple, sizes: list, factors: list, make: Any) -> tuple:
    dims = len(given)
    return tuple(
        [(d - dims, make(n, m, None if f is None else float(f)))
         for d, (n, m, f) in enumerate(zip(given, sizes, factors, strict=True))]
    )  # fmt: skip


@public("F")
def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """Resize the dims behind (N, C), to `size` or by `scale_factor`.

    mode is "nearest", "nearest-exact", "area", "linear" (3-d input), "bilinear", "bicubic",
    "lanczos" (4-d) or "trilinear" (5-d). With align_corners the centres of the corner elements
    coincide, else the outer borders do. antialias widens the filter when shrinking.

    >>> import wengert as torch
    >>> torch.nn.functional.interpolate(torch.tensor([[[1., 3.]]]), size=4, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    if align_corners is not None and mode in ("nearest", "area", "nearest-exact"):
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | "
            "bicubic | trilinear"
        )
    check_tensor(input, "interpolate")
    x = input._spec
    given = tuple(x.shape)[2:]
    sizes, factors = _sizes(size, scale_factor, given, mode, recompute_scale_factor)
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and x.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a "
            "4-D tensor as input"
        )
    dims = len(given)
    _check_mode(mode, x.ndim, bool(align_corners), antialias)
    if mode == "area":
        pool: Any = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[dims - 1]
        return pool(input, sizes)
    if min(given) < 1 or min(sizes) < 1 or not x.shape[1]:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({_named(given)}) output "
            f"({_named(sizes)}); the input has size {list(x.shape)}"
        )
    return _resized(input, mode, given, sizes, factors, bool(align_corners), antialias)


def _named(sizes: Any) -> str:
    return ", ".join(f"{c}: {n}" for c, n in zip("DHW"[-len(sizes) :], sizes, strict=True))


def _check_mode(mode: str, ndim: int, align: bool, antialias: bool) -> None:
    """Raise unless the mode is for images of this rank."""
    if ndim in (3, 4, 5) and (mode in _NEAREST or mode == "area"):
        return
    if mode in _MODES and ndim in (3, 4, 5):
        dims = _MODES[mode][0]
        if ndim != dims + 2:
            if mode in ("bicubic", "lanczos"):
                mode = f"{mode} mode: it takes 4D input"
            else:
                raise NotImplementedError(
                    f"Got {ndim}D input, but {mode} mode needs {dims + 2}D input"
                )
        elif mode != "lanczos":
            return
        elif align:
            raise ValueError("Lanczos mode does not support align_corners=True")
        elif not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
        else:
            return
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: nearest | "
        f"linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def _resized(
    input: Any, mode: str, given: tuple, sizes: list, factors: list, align: bool, antialias: bool
) -> Tensor:
    d = input._spec.dtype
    dims = len(given)
    if mode in _NEAREST:
        exact = mode == "nearest-exact"
        if d.category != 2 and d.name != "uint8":
            raise NotImplementedError(
                f"\"upsample_nearest{dims}d_out_frame\" not implemented for '{d.scalar_name}'"
            )
        bands = _bands(given, sizes, factors, lambda n, m, f: k.nearest(n, m, f, exact))
        return resample(input, bands, f"{_NEAREST[mode]}{dims}DBackward0")
    if d.category != 2 and not (d.name == "uint8" and dims == 2):
        raise NotImplementedError(
            f"\"compute_indices_weights_{mode}\" not implemented for '{d.scalar_name}'"
        )
    double = d.name == "float64"
    if antialias:
        bands = _bands(
            given, sizes, factors, lambda n, m, f: k.smooth(n, m, f, align, double, mode)
        )
    elif mode == "bicubic":
        bands = _bands(given, sizes, factors, lambda n, m, f: k.cubic(n, m, f, align, double))
    else:
        bands = _bands(given, sizes, factors, lambda n, m, f: k.linear(n, m, f, align, double))
    node = f"{_MODES[mode][1]}{dims}D{'Aa' if antialias else ''}Backward0"
    if d.name == "uint8":  # whole numbers: rounded and kept in range
        wide = resample(T.cast(input, float32), bands, node)
        return T.cast(wide.add(0.5).floor().clamp(0, 255), d)
    return resample(input, bands, node)


# ---------------------------------------------------------------- older names
def _deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        UserWarning,
        stacklevel=3,
    )


@public("F")
def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """Resize; the older name of `interpolate`.

    >>> import wengert as torch
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     torch.nn.functional.upsample(torch.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@public("F")
def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Resize by repeating elements; the older name of `interpolate`.

    >>> import wengert as torch
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     torch.nn.functional.upsample_nearest(torch.tensor([[[1.0, 2.0]]]), size=4)
    tensor([[[1., 1., 2., 2.]]])
    """
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


@public("F")
def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Resize images bilinearly with aligned corners; the older name of `interpolate`.

    >>> import wengert as torch
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     torch.nn.functional.upsample_bilinear(torch.tensor([[[[1.0, 3.0]]]]), size=(1, 3))
    tensor([[[[1., 2., 3.]]]])
    """
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
