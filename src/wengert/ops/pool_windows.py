"""Max pooling over windows of unequal steps: adaptive_max_pool1d to 3d, fractional_max_pool2d and 3d."""

from __future__ import annotations

from operator import index
from typing import Any

from ..core.batching import leading
from ..core.define import plain
from ..core.registry import API, public
from ..core.tensor import Tensor
from ..kernels import pool as k
from .checking import check_float, check_tensor
from .pool_average import adaptive_sizes, check_adaptive
from .pool_max import pool_sizes, take_row

Sizes = Any  # an int, or one for every dim


# ---------------------------------------------------------------- rows
def _adaptive_places(x: Any, places: tuple) -> Any:
    size = x.shape[x.ndim - len(places) :]
    spans = [k.adaptive_windows(n, m) for n, m in zip(size, places, strict=True)]
    return k.largest_at(x, tuple([s for s, _ in spans]), tuple([e for _, e in spans]))


adaptive_places = plain(
    "adaptive_max_places(x, *, places)", _adaptive_places, promote=None, batch=leading
)


def _fractional_places(x: Any, samples: Any, kernel: tuple, places: tuple) -> Any:
    """`samples` (N, C, dims) are numbers in [0, 1): that of the width comes first in 2 dims."""
    dims = len(kernel)
    order = (1, 0) if dims == 2 else (0, 1, 2)
    size = x.shape[x.ndim - dims :]
    samples = samples.reshape(*x.shape[: x.ndim - dims], dims)
    starts = tuple(
        [
            k.fractional_starts(samples[..., order[d]], size[d], places[d], kernel[d])
            for d in range(dims)
        ]
    )
    return k.largest_at(x, starts, tuple([s + m for s, m in zip(starts, kernel, strict=True)]))


fractional_places = plain(
    "fractional_max_places(x, y, *, kernel, places)", _fractional_places, promote=None,
    batch=leading,
)  # fmt: skip


# ---------------------------------------------------------------- adaptive
def _adaptive(dims: int, input: Any, output_size: Any, indices: bool) -> Any:
    caller = f"adaptive_max_pool{dims}d"
    check_tensor(input, caller)
    x = input._spec
    check_adaptive(x, dims, caller, ":")
    check_float(input, caller, caller)
    shape = tuple(x.shape)
    size = shape[len(shape) - dims :]
    if isinstance(output_size, (tuple, list)) and len(output_size) != dims:
        raise RuntimeError(f"{caller}(): internal error: output_size.size() must be {dims}")
    places = adaptive_sizes(output_size, size, caller)
    if min(places) < 0:
        bad = [*shape[: len(shape) - dims], *places]
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(places)}: {bad}")
    at = adaptive_places(input, places)
    out = take_row(input, at, dims, f"AdaptiveMaxPool{dims}DBackward0")
    return (out, at) if indices else out


def _adaptive1(input: Any, output_size: Any, indices: bool) -> Any:
    check_tensor(input, "adaptive_max_pool1d")
    n = input._spec.ndim
    if n not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {n}-dimensional tensor for argument #1 'self' (while "
            "checking arguments for adaptive_max_pool1d)"
        )
    (size,) = output_size if isinstance(output_size, (tuple, list)) else (output_size,)
    found = _adaptive(2, input.unsqueeze(-2), (1, size), indices)
    return tuple([t.squeeze(-2) for t in found]) if indices else found.squeeze(-2)


@public("torch")
def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """Return the largest elements of windows that share out the last dim, and their places.

    >>> import wengert as torch
    >>> torch.adaptive_max_pool1d(torch.tensor([[1., 5., 2., 3.]]), 2)
    (tensor([[5., 3.]]), tensor([[1, 3]]))
    """
    return _adaptive1(input, output_size, True)


@public("F", name="adaptive_max_pool1d")
def _adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of `output_size` windows that share out the last dim.

    Window i reaches from floor(i L / size) to ceil((i + 1) L / size).
    """
    return _adaptive1(input, output_size, return_indices)


@public("F")
def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Return what `adaptive_max_pool1d` does, and the places of the largest elements.

    >>> import wengert as torch
    >>> F = torch.nn.functional
    >>> F.adaptive_max_pool1d_with_indices(torch.tensor([[1.0, 5.0, 2.0]]), 1)
    (tensor([[5.]]), tensor([[1]]))
    """
    return _adaptive1(input, output_size, True)


@public("F")
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of windows that share out the last two dims.

    >>> import wengert as torch
    >>> torch.nn.functional.adaptive_max_pool2d(torch.arange(4.).reshape(1, 2, 2), (1, None))
    tensor([[[2., 3.]]])
    """
    return _adaptive(2, input, output_size, return_indices)


@public("F")
def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Return what `adaptive_max_pool2d` does, and the flat places of the largest elements.

    >>> import wengert as torch
    >>> F = torch.nn.functional
    >>> F.adaptive_max_pool2d_with_indices(torch.arange(4.0).reshape(1, 2, 2), 1)
    (tensor([[[3.]]]), tensor([[[3]]]))
    """
    return _adaptive(2, input, output_size, True)


@public("F")
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of windows that share out the last three dims.

    >>> import wengert as torch
    >>> torch.nn.functional.adaptive_max_pool3d(torch.ones(1, 4, 4, 4), 2).shape
    torch.Size([1, 2, 2, 2])
    """
    return _adaptive(3, input, output_size, return_indices)


@public("F")
def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Return what `adaptive_max_pool3d` does, and the flat places of the largest elements.

    >>> import wengert as torch
    >>> F = torch.nn.functional
    >>> F.adaptive_max_pool3d_with_indices(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
    (tensor([[[[7.]]]]), tensor([[[[7]]]]))
    """
    return _adaptive(3, input, output_size, True)


# ---------------------------------------------------------------- fractional
def _fractional(
    dims: int, input: Any, kernel_size: Sizes, output_size: Any, output_ratio: Any, samples: Any
) -> tuple[Tensor, Tensor]:
    caller = f"fractional_max_pool{dims}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{caller} requires specifying either an output_size or an output_ratio")
    check_tensor(input, caller)
    shape = tuple(input._spec.shape)
    if len(shape) not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"{caller}(): Expected {dims + 1}D or {dims + 2}D tensor, but got: {list(shape)}"
        )
    check_float(input, caller, caller)
    size = shape[len(shape) - dims :]
    kernel = pool_sizes(kernel_size, dims, "kernel_size", caller, 2)
    if output_size is None:
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * dims
        if len(ratios) != dims:
            raise ValueError(
                f"{caller} requires output_ratio to either be a single Int or tuple of Ints."
            )
        output_size = tuple([int(n * r) for n, r in zip(size, ratios, strict=True)])
    elif not isinstance(output_size, (tuple, list)):
        output_size = (index(output_size),) * dims
    places = pool_sizes(output_size, dims, "output_size", caller, 3)
    names = ("time", "height", "width")[-dims:]
    for n, m, p, name in zip(size, kernel, places, names, strict=True):
        if p < 1 or p + m - 1 >= n + (1 if dims == 2 else 0):
            raise RuntimeError(
                f"{caller}(): pool {name} {m} too large relative to input {name} {n}"
            )
    if samples is None:
        batch = shape[0] if len(shape) == dims + 2 else 1
        samples = API["torch"]["rand"](
            (batch, shape[len(shape) - dims - 1], dims), dtype=input._spec.dtype
        )
    at = fractional_places(input, samples, kernel, places)
    return take_row(input, at, dims, f"FractionalMaxPool{dims}DBackward0"), at


@public("F")
def fractional_max_pool2d_with_indices(
    input: Tensor, kernel_size: Sizes, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return what `fractional_max_pool2d` does, and the flat places of the largest elements.

    >>> import wengert as torch
    >>> F = torch.nn.functional
    >>> F.fractional_max_pool2d_with_indices(torch.arange(4.0).reshape(1, 2, 2), 2, output_size=1)
    (tensor([[[3.]]]), tensor([[[3]]]))
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


@public("F")
def fractional_max_pool2d(
    input: Tensor, kernel_size: Sizes, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Return the largest elements of windows at random steps, as many as `output_size`.

    Every channel of every sample has its own steps; instead of the size its ratio to that of the
    input can be given. Graham, "Fractional Max-Pooling", 2014.

    >>> import wengert as torch
    >>> torch.nn.functional.fractional_max_pool2d(torch.ones(1, 2, 6, 6), 2, output_size=3).shape
    torch.Size([1, 2, 3, 3])
    """
    found = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


@public("F")
def fractional_max_pool3d_with_indices(
    input: Tensor, kernel_size: Sizes, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return what `fractional_max_pool3d` does, and the flat places of the largest elements.

    >>> import wengert as torch
    >>> F, x = torch.nn.functional, torch.arange(64.0).reshape(1, 4, 4, 4)
    >>> [t.shape for t in F.fractional_max_pool3d_with_indices(x, 2, output_size=2)]
    [torch.Size([1, 2, 2, 2]), torch.Size([1, 2, 2, 2])]
    """
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


@public("F")
def fractional_max_pool3d(
    input: Tensor, kernel_size: Sizes, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Return the largest elements of windows at random steps over three dims.

    >>> import wengert as torch
    >>> torch.nn.functional.fractional_max_pool3d(torch.ones(1, 2, 6, 6, 6), 2, output_size=3).shape
    torch.Size([1, 2, 3, 3, 3])
    """
    found = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]
