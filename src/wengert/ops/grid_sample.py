"""Reading images at any position: grid_sample in 2 and 3 dims, and the grids of affine maps.

A sample is a sum over neighbours of weight times element; weights are products of one factor per dim.
What is written here serves arrays and tensors alike, so it is the kernel, and its derivatives to
every order are read off it. Images are handled as matrices of pixels and channels.
"""

from __future__ import annotations

import math
import warnings
from itertools import product
from typing import Any

import numpy as np

from ..core.batching import merged
from ..core.define import plain, primitive
from ..core.op import ARRAYS
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels.numeric import HALF, SINGLE
from ..kernels.resample import cubic_weights
from . import pad  # noqa: F401 (xp.constant_index)
from .checking import check_tensor

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


to_index = plain("to_index(x)", lambda x: x.astype(np.int64), promote=None)


# ---------------------------------------------------------------- one dim
def _reflected(xp: Any, c: Any, n: int, align: bool, slope: Any) -> tuple[Any, Any]:
    """Mirror positions at both ends until they are inside; at the centres or the borders of pixels."""
    low, span = (0.0, float(n - 1)) if align else (-0.5, float(n))
    if not span:
        return c * 0, slope * 0
    one = xp.ones_like(c)
    side = xp.where(c < low, -one, one)
    far = (c - low) * side
    turns = xp.floor(far / span)
    odd = turns - xp.floor(turns / 2) * 2
    rest = far - turns * span
    return rest + odd * (span - rest * 2) + low, slope * side * (1 - odd * 2)


def _brought_inside(
    xp: Any, c: Any, n: int, padding: str, align: bool, slope: Any
) -> tuple[Any, Any]:
    """Positions after the padding mode, and their derivatives by the coordinates of the grid."""
    if padding == "zeros":
        return c, slope
    if padding == "reflection":
        c, slope = _reflected(xp, c, n, align, slope)
    zero = xp.zeros_like(c)
    slope = slope * ((c > 0) & (c < n - 1))
    return xp.clamp(xp.where(c >= 0, c, zero), 0.0, float(n - 1)), slope  # nan goes to the first


def _neighbour(xp: Any, c: Any, n: int, weight: Any, slope: Any) -> tuple[Any, Any, Any]:
    """Index, weight and derivative of the weight of one neighbour; zero where it is outside."""
    inside = (c >= 0) & (c <= n - 1)
    at = xp.to_index(xp.where(inside, c, xp.zeros_like(c)))
    return at, weight * inside, None if slope is None else slope * inside


def _neighbours(xp: Any, g: Any, n: int, mode: str, padding: str, align: bool) -> list:
    """The neighbours of positions g along a dim of size n, on which -1 and 1 are the ends."""
    c = (g + 1) * ((n - 1) / 2) if align else ((g + 1) * n - 1) / 2
    factor = (n - 1) / 2 if align else n / 2
    one = xp.ones_like(c)
    if mode == "bicubic":
        base = xp.floor(c)
        t = c - base
        weights = cubic_weights(t)
        found = []
        for k, (w, s) in enumerate(zip(weights, _cubic_slopes(t), strict=True)):
            at, _ = _brought_inside(xp, base + (k - 1), n, padding, align, one)
            found.append(_neighbour(xp, at, n, w, s * factor))
        return found
    c, slope = _brought_inside(xp, c, n, padding, align, one * factor)
    if mode == "nearest":
        return [_neighbour(xp, xp.round(c, 0), n, one, None)]
    base = xp.floor(c)
    t = c - base
    return [_neighbour(xp, base, n, 1 - t, -slope), _neighbour(xp, base + 1, n, t, slope)]


def _cubic_slopes(t: Any, a: float = -0.75) -> tuple[Any, Any, Any, Any]:
    """The derivatives of the weights of `cubic_weights`."""

    def near(x: Any) -> Any:
        return (3 * (a + 2) * x - 2 * (a + 3)) * x

    def far(x: Any) -> Any:
        return (3 * a * x - 10 * a) * x + 8 * a

    return far(t + 1), near(t), -near(1 - t), -far(2 - t)


# ---------------------------------------------------------------- all dims
class _Samples:
    """The neighbours of every sample: flat row numbers, and one weight and slope for every dim."""

    def __init__(
        self, xp: Any, shape: tuple, grid: Any, mode: str, padding: str, align: bool
    ) -> None:
        n, self.channels, *size = shape
        self.xp, self.shape, self.size = xp, tuple(shape), size
        self.dims = dims = len(size)
        self.places = tuple(grid.shape[1:-1])
        self.smooth = mode != "nearest"
        self.across = int(self.channels < 16)  # the dim of the pixels: few channels are rows
        count = math.prod(self.places)
        first = np.repeat(np.arange(n) * math.prod(size), count)
        self.first = xp.constant_index(grid, first)
        self.each = [
            _neighbours(xp, xp.reshape(xp.select(grid, dims + 1, dims - 1 - a), (n * count,)), size[a], mode, padding, align)
            for a in range(dims)
        ]  # fmt: skip

    def __iter__(self) -> Any:
        for combination in product(*self.each):
            at: Any = 0
            for (i, _, _), n in zip(combination, self.size, strict=True):
                at = at * n + i
            yield at + self.first, [w for _, w, _ in combination], [s for _, _, s in combination]

    def rows(self, x: Any) -> Any:
        """(N, C, ...) as a matrix of pixels and channels; see `across`."""
        n, c, *size = x.shape
        k = len(size) + 2
        if self.across:
            return self.xp.reshape(
                self.xp.permute(x, (1, 0, *range(2, k))), (c, n * math.prod(size))
            )
        return self.xp.reshape(self.xp.permute(x, (0, *range(2, k), 1)), (n * math.prod(size), c))

    def images(self, rows: Any, size: tuple) -> Any:
        """The reverse of `rows`."""
        xp, n, c, k = self.xp, self.shape[0], self.channels, len(size) + 2
        if self.across:
            return xp.permute(xp.reshape(rows, (c, n, *size)), (1, 0, *range(2, k)))
        return xp.permute(xp.reshape(rows, (n, *size, c)), (0, k - 1, *range(1, k - 1)))

    def column(self, w: Any) -> Any:
        return self.xp.reshape(w, (1, w.shape[0]) if self.across else (w.shape[0], 1))

    def derivative(self, weights: list, slopes: list, a: int) -> Any:
        """The derivative of the product of weights by coordinate a."""
        return _product([slopes[b] if b == a else w for b, w in enumerate(weights)])


def _product(factors: list) -> Any:
    total = factors[0]
    for f in factors[1:]:
        total = total * f
    return total


def _sample(xp: Any, x: Any, grid: Any, mode: str, padding: str, align: bool) -> Any:
    s = _Samples(xp, x.shape, grid, mode, padding, align)
    rows, total = s.rows(x), None
    for at, weights, _ in s:
        part = xp.index_select(rows, at, s.across) * s.column(_product(weights))
        total = part if total is None else total + part
    return s.images(total, s.places)


def _kernel(x: np.ndarray, y: np.ndarray, mode: str, padding: str, align: bool) -> np.ndarray:
    if x.dtype is HALF:
        return _kernel(x.astype(SINGLE), y.astype(SINGLE), mode, padding, align).astype(HALF)
    return np.ascontiguousarray(_sample(ARRAYS, x, y, mode, padding, align))


def _pull(
    xp: Any, g: Any, x: Any, y: Any, need: tuple, mode: str, padding: str, align: bool
) -> tuple:
    s = _Samples(xp, x.shape, y, mode, padding, align)
    rows, given = s.rows(x), s.rows(g)
    gx: Any = None
    parts: list[Any] = [None] * s.dims
    for at, weights, slopes in s:
        if need[0]:
            part = xp.index_backward(
                given * s.column(_product(weights)), at, tuple(rows.shape), (s.across,)
            )
            gx = part if gx is None else gx + part
        if need[1] and s.smooth:
            inner = xp.sum(xp.index_select(rows, at, s.across) * given, (1 - s.across,), False)
            for a in range(s.dims):
                part = inner * s.derivative(weights, slopes, a)
                parts[a] = part if parts[a] is None else parts[a] + part
    gy: Any = None
    if need[1]:
        if s.smooth:
            gy = xp.reshape(xp.stack(parts[::-1], 1), tuple(y.shape))
        else:
            gy = xp.zeros_like(y)
    return None if gx is None else s.images(gx, tuple(s.size)), gy


def _push(xp: Any, xs: tuple, ts: tuple, out: Any, params: tuple) -> Any:
    (x, y), (tx, ty) = xs, ts
    mode, padding, align = params
    total: Any = None
    if tx is not None:
        total = (xp.grid_sampler_2d if x.ndim == 4 else xp.grid_sampler_3d)(tx, y, *params)
    if ty is not None and mode != "nearest":
        s = _Samples(xp, x.shape, y, mode, padding, align)
        rows, moved = s.rows(x), None
        for at, weights, slopes in s:
            rate: Any = None
            for a in range(s.dims):
                t = xp.reshape(xp.select(ty, s.dims + 1, s.dims - 1 - a), tuple(weights[0].shape))
                part = t * s.derivative(weights, slopes, a)
                rate = part if rate is None else rate + part
            part = xp.index_select(rows, at, s.across) * s.column(rate)
            moved = part if moved is None else moved + part
        part = s.images(moved, s.places)
        total = part if total is None else total + part
    return xp.zeros_like(out) if total is None else total


def _row(dims: int) -> Any:
    return primitive(
        "opaque", f"grid_sampler_{dims}d(x, y, *, mode, padding, align)", _kernel, rules={"x, y": _pull},
        jvp=_push, saved={"x": "input", "y": "grid"}, batch=merged, node=f"GridSampler{dims}DBackward0",
    )  # fmt: skip


sampler_2d, sampler_3d = _row(2), _row(3)


# ---------------------------------------------------------------- public
def _sampler(
    input: Any, grid: Any, mode: int, padding: int, align: bool, dims: int | None
) -> Tensor:
    check_tensor(input, "grid_sampler")
    check_tensor(grid, "grid_sampler", "grid", 2)
    x, g = input._spec, grid._spec
    shape, at = tuple(x.shape), tuple(g.shape)
    if shape[:1] != at[:1]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(shape)} and grid with sizes {list(at)}"
        )
    if at[-1:] != (len(shape) - 2,):
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {len(shape) - 2} in last dimension, but got grid "
            f"with sizes {list(at)}"
        )
    for d in range(2, len(shape)):
        if not shape[d]:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has "
                f"sizes {list(shape)} with dimension {d} being empty"
            )
    if len(shape) not in (4, 5) or len(at) != len(shape) or dims not in (None, len(shape) - 2):
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got "
            f"input with sizes {list(shape)} and grid with sizes {list(at)}"
        )
    if mode == 2 and len(shape) != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if x.dtype.category != 2:
        raise NotImplementedError(
            f"\"grid_sampler_2d_cpu_kernel_impl\" not implemented for '{x.dtype.scalar_name}'"
        )
    if x.dtype is not g.dtype:
        raise RuntimeError(
            f"expected scalar type {x.dtype.scalar_name} but found {g.dtype.scalar_name}"
        )
    row = sampler_2d if len(shape) == 4 else sampler_3d
    return row(input, grid, _MODES[mode], _PADDINGS[padding], bool(align))


@public("torch")
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """Sample images at the positions of a grid, the modes given by number; see `grid_sample`."""
    return _sampler(input, grid, interpolation_mode, padding_mode, align_corners, None)


@public("torch")
def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """Sample images (N, C, H, W) at the positions of a grid (N, H', W', 2); see `grid_sample`."""
    return _sampler(input, grid, interpolation_mode, padding_mode, align_corners, 2)


@public("torch")
def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """Sample volumes (N, C, D, H, W) at the positions of a grid (N, D', H', W', 3); see `grid_sample`."""
    return _sampler(input, grid, interpolation_mode, padding_mode, align_corners, 3)


def _warn_corners(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since "
            "1.3.0. Please specify align_corners=True if the old behavior is desired. See the "
            "documentation of grid_sample for details.",
            UserWarning,
            stacklevel=3,
        )
    return bool(align_corners)


@public("F")
def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """Sample images (N, C, H, W) at positions (N, H', W', 2), volumes (N, C, D, H, W) at (..., 3).

    A position is (x, y) or (x, y, z) with -1 and 1 at the ends: the centres of the corner pixels with
    align_corners, else their outer borders. mode is "bilinear", "nearest" or "bicubic"; padding_mode
    says what is outside: "zeros", the "border" pixels, or the image mirrored ("reflection").
    Differentiable in both, twice and more.

    >>> import wengert as torch
    >>> at = torch.tensor([[[[0., 0.]]]])
    >>> torch.nn.functional.grid_sample(torch.arange(4.).reshape(1, 1, 2, 2), at, align_corners=False)
    tensor([[[[1.5000]]]])
    """
    if mode not in _MODES:
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but "
            f"got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    align = _warn_corners(align_corners)
    return _sampler(input, grid, _MODES.index(mode), _PADDINGS.index(padding_mode), align, None)


# ---------------------------------------------------------------- affine grids
def _base(size: tuple, align: bool, dtype: np.dtype) -> np.ndarray:
    """The homogeneous coordinates of all places of an image: (places, dims + 1)."""
    axes = []
    for n in size:
        at = np.linspace(-1, 1, n) if n > 1 else np.zeros(n)
        axes.append(at if align else at * ((n - 1) / n))
    grids = np.meshgrid(*axes, indexing="ij")[::-1]
    base = np.stack([*(a.reshape(-1) for a in grids), np.ones(math.prod(size))], 1)
    return base.astype(dtype)


def _affine(x: np.ndarray, size: tuple, align: bool) -> np.ndarray:
    base = _base(size, align, x.dtype)
    return np.matmul(base, x.swapaxes(1, 2)).reshape(len(x), *size, len(size))


def _affine_pull(xp: Any, g: Any, x_spec: Any, size: tuple, align: bool) -> Any:
    n, d = g.shape[0], len(size)
    base = _base(size, align, x_spec.np)
    rows = xp.permute(xp.reshape(g, (n, math.prod(size), d)), (0, 2, 1))
    return xp.bmm(rows, xp.expand(xp.constant_index(g, base), (n, *base.shape)))


affine_row = primitive(
    "linear", "affine_grid_generator(x, *, size, align)", _affine, x=_affine_pull, batch=merged,
    saved={"x": "theta"},
)  # fmt: skip


@public("torch")
def affine_grid_generator(theta: Tensor, size: Any, align_corners: bool) -> Tensor:
    """Return the grid of positions theta (x, y, 1) for images of `size`; see `affine_grid`."""
    check_tensor(theta, "affine_grid_generator", "theta")
    return affine_row(theta, tuple(size)[2:], bool(align_corners))


@public("F")
def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Return the grid of positions theta (x, y, 1) for images of size (N, C, H, W) [or (N, C, D, H, W)].

    theta is (N, 2, 3) [or (N, 3, 4)], the result (N, H, W, 2) [(N, D, H, W, 3)]: what `grid_sample`
    takes. Jaderberg et al., "Spatial Transformer Networks", 2015.

    >>> import wengert as torch
    >>> theta = torch.tensor([[[1., 0., 0.], [0., 1., 0.]]])
    >>> torch.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=False).flatten()
    tensor([-0.5000,  0.0000,  0.5000,  0.0000])
    """
    align = _warn_corners(align_corners)
    check_tensor(theta, "affine_grid", "theta")
    t = theta._spec
    if t.dtype.category != 2:
        raise ValueError(f"Expected theta to have floating point type, but got {t.dtype}")
    size = tuple(size)
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {size}."
        )
    d = len(size) - 2
    if t.ndim != 3 or tuple(t.shape[1:]) != (d, d + 1):
        raise ValueError(
            f"Expected a batch of {d}D affine matrices of shape Nx{d}x{d + 1} for size {size}. Got "
            f"{theta.shape}."
        )
    if align and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True. This is not an intended use case of affine_grid. See the "
            "documentation of affine_grid for details.",
            UserWarning,
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return affine_grid_generator(theta, size, align)
