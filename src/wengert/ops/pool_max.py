"""Max pooling: max_pool1d to 3d with their indices, and max_unpool1d to 3d."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.batching import leading
from ..core.define import plain, primitive
from ..core.op import TENSORS
from ..core.registry import API, public
from ..core.tensor import Tensor
from ..kernels import pool as k
from .checking import check_ints, check_tensor

T: Any = TENSORS
Sizes = Any  # an int, or one for every dim


# ---------------------------------------------------------------- rows
def _named(name: str, at: int = 0) -> Callable[[tuple], str]:
    """The name of a node: the number of dims is the length of a parameter."""
    return lambda rest: (
        f"{name}{len(rest[at])}D{'WithIndices' if name == 'MaxPool' else ''}Backward0"
    )


def _pull(
    xp: Any, g: Any, out: Any, x_spec: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    taps = out[1]
    d = len(kernel)
    shape = tuple(x_spec.shape)
    places = tuple(taps.shape[taps.ndim - d :])
    return xp.pool_put(
        g[0], taps, shape[len(shape) - d :], kernel, stride, padding, dilation, places
    )


max_pool_row = primitive(
    "opaque", "max_pool(x, *, kernel, stride, padding, dilation, places)", k.max_pool,
    outputs=2, parts=(1,), node=_named("MaxPool"), x=_pull, batch=leading,
    jvp=lambda xp, xs, ts, out, params: (xp.pool_pick(ts[0], out[1], *params), None),
    saved={"x": "self"},
)  # fmt: skip

pick_row = primitive(
    "bilinear", "pool_pick(x, y, *, kernel, stride, padding, dilation, places)", k.pick, batch=leading,
    x=lambda xp, g, y, x_spec, kernel, stride, padding, dilation, places: xp.pool_put(
        g, y, tuple(x_spec.shape)[x_spec.ndim - len(kernel) :], kernel, stride, padding, dilation, places),
)  # fmt: skip

put_row = primitive(
    "bilinear", "pool_put(x, y, *, size, kernel, stride, padding, dilation, places)", k.put,
    x=lambda xp, g, y, kernel, stride, padding, dilation, places: xp.pool_pick(
        g, y, kernel, stride, padding, dilation, places),
    batch=leading, node=_named("MaxPool", 1),
)  # fmt: skip

positions_row = plain(
    "pool_positions(x, *, size, kernel, stride, padding, dilation)", k.positions, promote=None,
    batch=leading,
)  # fmt: skip

# reading and writing at flat places of the last dims; `node` names the node
take_row = primitive(
    "bilinear", "take_places(x, y, *, dims, node)", lambda x, y, dims, node: k.take_places(x, y, dims),
    x=lambda xp, g, y, x_spec, dims: xp.put_places(
        g, y, tuple(x_spec.shape)[x_spec.ndim - dims :], True, "PutBackward0"),
    node=lambda rest: rest[1], batch=leading,
)  # fmt: skip

put_places_row = primitive(
    "bilinear", "put_places(x, y, *, size, add, node)",
    lambda x, y, size, add, node: k.put_places(x, y, size, add),
    x=lambda xp, g, y, size: xp.take_places(g, y, len(size), "TakeBackward0"),
    node=lambda rest: rest[2], batch=leading,
)  # fmt: skip


# ---------------------------------------------------------------- arguments
_COUNTS = {1: "one int", 2: "two ints", 3: "three ints"}


def pool_sizes(value: Any, dims: int, name: str, caller: str, position: int) -> tuple[int, ...]:
    """One int for every dim of space."""
    sizes = check_ints(value, caller, name, position)
    if len(sizes) == 1:
        sizes *= dims
    if len(sizes) != dims:
        either = "either be omitted," if name == "stride" else "either be"
        raise RuntimeError(
            f"{caller}: {name} must {either} a single int, or a tuple of {_COUNTS[dims]}"
        )
    return sizes


def strides_of(stride: Any, kernel: tuple[int, ...], caller: str) -> tuple[int, ...]:
    """The strides; by default those of windows side by side."""
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        return kernel
    return pool_sizes(stride, len(kernel), "stride", caller, 3)


def pool_places(
    size: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, ceil_mode: bool
) -> tuple[int, ...]:
    """How many windows there are; with ceil_mode also those that begin inside but reach over the end."""
    counts = []
    for n, m, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (m - 1) - 1 + (s - 1 if ceil_mode else 0)
        count = room // s + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        counts.append(count)
    return tuple(counts)


def check_windows(
    kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, letters: str = "THW"
) -> None:
    """Raise for windows that no pooling takes."""
    if 0 in stride:
        raise RuntimeError("stride should not be zero")
    if min(kernel) <= 0 or min(stride) < 0:
        raise RuntimeError(
            "kernel size and stride should be greater than zero, but got kernel_size "
            f"{list(kernel)}, stride {list(stride)}"
        )
    if min(dilation) <= 0:
        names = " ".join(
            f"dilation{c}: {d}" for c, d in zip(letters[-len(dilation) :], dilation, strict=True)
        )
        raise RuntimeError(f"dilation should be greater than zero, but got {names}")
    for p, m, d in zip(padding, kernel, dilation, strict=True):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (d * (m - 1) + 1) // 2:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={m} and dilation={d}"
            )
        if p > m // 2:
            raise RuntimeError(
                "pad should be smaller than or equal to half of kernel size, but got "
                f"pad={list(padding)}, kernel_size={list(kernel)}"
            )


def check_places(x: Any, places: tuple) -> None:
    """Raise unless there is a window in every dim."""
    if min(places) < 1:
        shape = tuple(x.shape)
        channels = shape[len(shape) - len(places) - 1]
        size = shape[len(shape) - len(places) :]
        raise RuntimeError(
            f"Given input size: ({'x'.join(map(str, (channels, *size)))}). Calculated output size: "
            f"({'x'.join(map(str, (channels, *[max(p, 0) for p in places])))}). Output size is too small"
        )


def check_image(x: Any, dims: int) -> None:
    """Raise unless x is an image, or a batch of them, in which only the batch may be empty."""
    shape = tuple(x.shape)
    if len(shape) not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"non-empty {dims + 1}D or {dims + 2}D (batch mode) tensor expected for input"
        )
    if 0 in shape[1:] or (len(shape) == dims + 1 and not shape[0]):
        raise RuntimeError(
            f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got:{list(shape)}"
        )


# ---------------------------------------------------------------- max pooling
def _max_pool(
    dims: int, input: Any, kernel_size: Sizes, stride: Any, padding: Sizes, dilation: Sizes,
    ceil_mode: bool, indices: bool,
) -> Any:  # fmt: skip
    caller = f"max_pool{dims}d"
    check_tensor(input, caller)
    x = input._spec
    kernel = pool_sizes(kernel_size, dims, "kernel_size", caller, 2)
    strides = strides_of(stride, kernel, caller)
    pads = pool_sizes(padding, dims, "padding", caller, 4)
    dilations = pool_sizes(dilation, dims, "dilation", caller, 5)
    check_windows(kernel, strides, pads, dilations)
    check_image(x, dims)
    if x.dtype.is_complex or x.dtype.name == "bool":
        raise NotImplementedError(f"\"{caller}\" not implemented for '{x.dtype.scalar_name}'")
    shape = tuple(x.shape)
    size = shape[len(shape) - dims :]
    places = pool_places(size, kernel, strides, pads, dilations, bool(ceil_mode))
    check_places(x, places)
    out, taps = max_pool_row(input, kernel, strides, pads, dilations, places)
    if not indices:
        return out
    return out, positions_row(taps, size, kernel, strides, pads, dilations)


def _max_pool1d(
    input: Any, kernel_size: Sizes, stride: Any, padding: Sizes, dilation: Sizes, ceil_mode: bool,
    indices: bool,
) -> Any:  # fmt: skip
    """Pool images of height 1, as PyTorch records it."""
    caller = "max_pool1d"
    check_tensor(input, caller)
    x = input._spec
    if x.ndim not in (2, 3):
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got:{list(x.shape)}"
        )
    (kernel,) = pool_sizes(kernel_size, 1, "kernel_size", caller, 2)
    (step,) = strides_of(stride, (kernel,), caller)
    (pad,) = pool_sizes(padding, 1, "padding", caller, 4)
    (dilated,) = pool_sizes(dilation, 1, "dilation", caller, 5)
    for name, value in (("kernel_size", kernel), ("stride", step), ("dilation", dilated)):
        if value <= 0 and not (name == "stride" and kernel <= 0):
            raise RuntimeError(f"max_pool1d() {name} must be greater than zero, but got {value}")
    if pad < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {pad}")
    if pad > kernel // 2:
        raise RuntimeError(
            f"max_pool1d() padding should be at most half of kernel size, but got padding={pad} and "
            f"kernel_size={kernel}"
        )
    (count,) = pool_places(x.shape[-1:], (kernel,), (step,), (pad,), (dilated,), bool(ceil_mode))
    if count < 1:
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {count}")
    found = _max_pool(
        2, input.unsqueeze(-2), (1, kernel), (1, step), (0, pad), (1, dilated), ceil_mode, indices
    )
    if not indices:
        return found.squeeze(-2)
    return found[0].squeeze(-2), found[1].squeeze(-2)


def _forms(dims: int, run: Callable) -> None:
    """Register the four public forms of one number of dims."""
    name = f"max_pool{dims}d"

    def with_indices(
        input: Tensor, kernel_size: Sizes, stride: Any = None, padding: Sizes = 0,
        dilation: Sizes = 1, ceil_mode: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        return run(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    def with_indices_f(
        input: Tensor, kernel_size: Sizes, stride: Any = None, padding: Sizes = 0,
        dilation: Sizes = 1, ceil_mode: bool = False, return_indices: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        return run(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    def pool(
        input: Tensor, kernel_size: Sizes, stride: Any = None, padding: Sizes = 0,
        dilation: Sizes = 1, ceil_mode: bool = False,
    ) -> Tensor:  # fmt: skip
        return run(input, kernel_size, stride, padding, dilation, ceil_mode, False)

    def pool_f(
        input: Tensor, kernel_size: Sizes, stride: Any = None, padding: Sizes = 0,
        dilation: Sizes = 1, ceil_mode: bool = False, return_indices: bool = False,
    ) -> Any:  # fmt: skip
        return run(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)

    last = {1: "dim", 2: "two dims", 3: "three dims"}[dims]
    shape = ", ".join("3" for _ in range(dims))
    two = (2,) * dims
    doc = f"""Return the largest elements of windows over the last {last} of (N, C, ...) or (C, ...).

    The padding counts as minus infinity. With ceil_mode, windows that begin inside may reach over
    the end. `return_indices` adds the flat places of the largest elements (of the first of equals).

    >>> import wengert as torch
    >>> torch.nn.functional.{name}(torch.arange({3**dims}.0).reshape(1, 1, {shape}), 2).shape
    torch.Size({[1, 1, *[1] * dims]})
    """
    more = f"""Return what `{name}` does, and the flat places of the largest elements.

    >>> import wengert as torch
    >>> values, places = torch.nn.functional.{name}_with_indices(torch.ones(1, {", ".join(map(str, two))}), 2)
    >>> places.flatten()
    tensor([0])
    """
    for f, label, spaces, text in (
        (pool, name, ("torch",), doc),
        (pool_f, name, ("F",), doc),
        (with_indices_f, f"{name}_with_indices", ("F",), more),
    ):
        f.__name__ = f.__qualname__ = label
        f.__doc__ = text
        public(*spaces, name=label)(f)
    if dims == 1:
        with_indices.__name__ = with_indices.__qualname__ = f"{name}_with_indices"
        with_indices.__doc__ = more
        public("torch", name=f"{name}_with_indices")(with_indices)


_forms(1, _max_pool1d)
_forms(2, lambda *a: _max_pool(2, *a))
_forms(3, lambda *a: _max_pool(3, *a))


def max_pool_of(dims: int) -> Any:
    """The function max_pool<dims>d of nn.functional."""
    return API["F"][f"max_pool{dims}d"]


# ---------------------------------------------------------------- unpooling
def _unpool_size(
    size: tuple, kernel: tuple, stride: tuple, padding: tuple, output_size: Any
) -> tuple[int, ...]:
    """The size whose pooling has this one: `output_size`, if it lies within a stride of the default."""
    dims = len(kernel)
    own = tuple(
        [
            (n - 1) * s + m - 2 * p
            for n, s, m, p in zip(size[-dims:], stride, kernel, padding, strict=True)
        ]
    )
    if output_size is None:
        return own
    wanted = tuple(output_size)
    if len(wanted) == dims + 2:
        wanted = wanted[2:]
    if len(wanted) != dims:
        raise ValueError(
            f"output_size should be a sequence containing {dims} or {dims + 2} elements, but it has "
            f"a length of '{len(wanted)}'"
        )
    for d, (n, w, s) in enumerate(zip(own, wanted, stride, strict=True)):
        if not n - s < w < n + s:
            raise ValueError(
                f'invalid output_size "{wanted}" (dim {d} must be between {n - s} and {n + s})'
            )
    return wanted


def _unpool(
    dims: int, input: Any, indices: Any, kernel_size: Sizes, stride: Any, padding: Sizes,
    output_size: Any,
) -> Tensor:  # fmt: skip
    caller = f"max_unpool{dims}d"
    check_tensor(input, caller)
    check_tensor(indices, caller, "indices", 2)
    kernel = pool_sizes(kernel_size, dims, "kernel_size", caller, 3)
    strides = strides_of(stride, kernel, caller)
    pads = pool_sizes(padding, dims, "padding", caller, 5)
    x = input._spec
    size = _unpool_size(tuple(x.shape), kernel, strides, pads, output_size)
    if indices._spec.dtype.name != "int64":
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {indices._spec.dtype.scalar_name}"
        )
    if x.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Input to max_unpooling{dims}d should be a {dims + 1}d or {dims + 2}d Tensor, but got a "
            f"tensor with {x.ndim} dimensions."
        )
    if tuple(indices._spec.shape) != tuple(x.shape):
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor "
            f"({list(x.shape)}) but got indices tensor with shape: {list(indices._spec.shape)}"
        )
    if indices._spec.plain:
        at, count = indices._array, int(np.prod(size))
        if at.size and (at.min() < 0 or at.max() >= count):
            bad = int(at[(at < 0) | (at >= count)].flat[0])
            raise RuntimeError(
                f"Found an invalid max index: {bad} (output volumes are of size "
                f"{'x'.join(map(str, size))})"
            )
    return put_places_row(input, indices, size, False, f"MaxUnpool{max(dims, 2)}DBackward0")


@public("F")
def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Sizes, stride: Any = None, padding: Sizes = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Put the elements of (N, C, L) or (C, L) back to the places that `max_pool1d` gave; zeros elsewhere.

    >>> import wengert as torch
    >>> F = torch.nn.functional
    >>> y, at = F.max_pool1d(torch.tensor([[1., 3., 2., 0.]]), 2, return_indices=True)
    >>> F.max_unpool1d(y, at, 2)
    tensor([[0., 3., 2., 0.]])
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


@public("F")
def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Sizes, stride: Any = None, padding: Sizes = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Put the elements of (N, C, H, W) or (C, H, W) back to the places that `max_pool2d` gave.

    >>> import wengert as torch
    >>> F = torch.nn.functional
    >>> F.max_unpool2d(torch.ones(1, 1, 1), torch.tensor([[[3]]]), 2)
    tensor([[[0., 0.],
             [0., 1.]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


@public("F")
def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Sizes, stride: Any = None, padding: Sizes = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Put the elements of (N, C, D, H, W) or (C, D, H, W) back to the places that `max_pool3d` gave.

    >>> import wengert as torch
    >>> F = torch.nn.functional
    >>> F.max_unpool3d(torch.ones(1, 1, 1, 1), torch.tensor([[[[7]]]]), 2).flatten()
    tensor([0., 0., 0., 0., 0., 0., 0., 1.])
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
