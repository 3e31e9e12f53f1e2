"""Taking tensors apart into views: split, chunk, tensor_split, unbind, iteration."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import along
from ..core.define import primitive
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import dtypes
from ..kernels.dims import as_int, as_ints, shown, wrap_dim
from .views import at_dim, slice_op, spec_in


# ------------------------------------------------------------------- rows
def _split_kernel(x: np.ndarray, sizes: Any, dim: int) -> list[np.ndarray]:
    if dim < 0:
        dim += x.ndim
    lead = (slice(None),) * dim
    parts, start = [], 0
    for n in lengths(x.shape[dim], sizes):
        parts.append(x[(*lead, slice(start, start + n))])
        start += n
    return parts


def _unbind_kernel(x: np.ndarray, dim: int) -> list[np.ndarray]:
    if dim < 0:
        dim += x.ndim
    if dim == 0:
        return [x[k, ...] for k in range(x.shape[0])]
    return [x[at_dim(dim, k)] for k in range(x.shape[dim])]


def lengths(n: int, sizes: Any) -> tuple[int, ...]:
    """Return the lengths of the parts of a dim of `n`; `sizes` is one length or a tuple of them."""
    if sizes.__class__ is not int:
        return sizes
    if sizes == 0:
        return (0,)
    full, rest = divmod(n, sizes)
    return (sizes,) * full + ((rest,) if rest or not n else ())


def _unsplit(xp: Any, g: Any, x_spec: Any, sizes: Any, dim: int) -> Any:
    """Put the cotangents of parts together, zeros where none arrived."""
    shape, some = list(x_spec.shape), g.any()
    parts = []
    for p, n in zip(g, lengths(shape[dim], sizes), strict=True):
        shape[dim] = n
        parts.append(xp.new_zeros(some, tuple(shape)) if p is None else p)
    return xp.cat(parts, dim)


def _unbound(xp: Any, g: Any, dim: int) -> Any:
    some = g.any()
    return xp.stack([xp.new_zeros(some, some.shape) if p is None else p for p in g], dim)


split_op = primitive("linear", "split(x, *, sizes, dim)", _split_kernel, outputs="many", view=True,
                     x=_unsplit, batch=along("dim"))  # fmt: skip

split_sizes_op = primitive("linear", "split_with_sizes(x, *, sizes, dim)", _split_kernel, outputs="many",
                           view=True, x=_unsplit, batch=along("dim"))  # fmt: skip

unbind_op = primitive("linear", "unbind(x, *, dim)", _unbind_kernel, outputs="many", view=True,
                      x=_unbound, batch=along("dim"))  # fmt: skip


# ------------------------------------------------------------------- taking apart
def _split_dim(x: Any, dim: int, caller: str) -> tuple[Any, int]:
    s = spec_in(x, caller)
    if s.ndim == 0:
        raise RuntimeError(f"{caller} expects at least a 1-dimensional tensor")
    return s, wrap_dim(dim, s.ndim)


@public("Tensor")
def split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut a tensor along a dim into views: of one size (the last may be smaller) or of given sizes.

    >>> import wengert as torch
    >>> torch.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    >>> torch.arange(5).split([1, 4])
    (tensor([0]), tensor([1, 2, 3, 4]))
    """
    if isinstance(split_size, (tuple, list)):
        return split_with_sizes(self, split_size, dim)
    s, d = _split_dim(self, dim, "split")
    try:
        n = as_int(split_size)
    except TypeError:
        raise TypeError(
            "split_with_sizes(): argument 'split_sizes' (position 2) must be tuple of ints, not "
            f"{type(split_size).__name__}"
        ) from None
    if n < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={n}")
    if n == 0 and s.shape[d]:
        raise RuntimeError(
            "split_size can only be 0 if dimension size is 0, but got dimension size of "
            f"{s.shape[d]}"
        )
    return split_op(self, n, d)


@public("torch", name="split")
def _split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut a tensor along a dim into views: of one size (the last may be smaller) or of given sizes."""
    return split(tensor, split_size_or_sections, dim)


@public("torch", "Tensor")
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut a tensor along a dim into views of the given sizes, which must sum to that of the dim."""
    s, d = _split_dim(input, dim, "split")
    sizes = as_ints((split_sizes,), "split_with_sizes", "split_sizes")
    if any(n < 0 for n in sizes):
        raise RuntimeError(
            "split_with_sizes expects split_sizes have only non-negative entries, but got "
            f"split_sizes={shown(sizes)}"
        )
    if sum(sizes) != s.shape[d]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {s.shape[d]} (input tensor's "
            f"size at dimension {dim}), but got split_sizes={shown(sizes)}"
        )
    return split_sizes_op(input, sizes, d)


@public("torch", "Tensor")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut a tensor along a dim into at most `chunks` views of one size, the last maybe smaller.

    >>> import wengert as torch
    >>> torch.arange(5).chunk(2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    s, d = _split_dim(input, dim, "chunk")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = s.shape[d]
    if n == 0:
        return split_sizes_op(input, (0,) * chunks, d)
    return split_op(input, -(-n // chunks), d)


@public("torch", "Tensor")
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None,
    sections: int | None = None, tensor_indices_or_sections: Any = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Cut a tensor along a dim into `sections` nearly equal views, or before the given indices.

    >>> import wengert as torch
    >>> torch.arange(5).tensor_split(3)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    >>> torch.arange(5).tensor_split([1, 3])
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    where = next(
        a for a in (indices_or_sections, indices, sections, tensor_indices_or_sections, 0)
        if a is not None
    )  # fmt: skip
    s = spec_in(input, "tensor_split")
    if s.ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    d = wrap_dim(dim, s.ndim)
    if isinstance(where, Tensor):
        if where.dtype is not dtypes.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                f"{where.dtype.scalar_name}"
            )
        where = where._array.tolist()
    n = s.shape[d]
    if isinstance(where, (tuple, list)):
        cuts = list(as_ints((where,), "tensor_split", "indices"))
    else:
        count = as_int(where, "tensor_split", "sections")
        if count <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {count}")
        base, more = divmod(n, count)
        cuts = [k * base + min(k, more) for k in range(1, count)]
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, n], strict=True):
        a, b, _ = slice(start, stop).indices(n)
        parts.append(slice_op(input, d, slice(a, max(a, b))))
    return tuple(parts)


def _first(*named: Any) -> Any:
    """The one argument that was given, under whichever of its names."""
    return next((a for a in named if a is not None), None)


def _xsplit(x: Any, where: Any, dim: int, least: int, name: str) -> tuple[Tensor, ...]:
    s = spec_in(x, name)
    if s.ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor "
            f"with {s.ndim} dimensions!"
        )
    if not isinstance(where, (tuple, list, Tensor)):
        count = as_int(where, name, "sections")
        if count <= 0 or s.shape[dim] % count:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the "
                f"dimension {s.shape[dim]} is not divisible by the split_size {count}!"
            )
    return tensor_split(x, where, dim)


@public("torch", "Tensor")
def hsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Cut into equal parts, or at indices, along dim 1 (dim 0 of a vector)."""
    dim = 0 if spec_in(input, "hsplit").ndim == 1 else 1
    return _xsplit(input, _first(indices_or_sections, indices, sections), dim, 1, "hsplit")


@public("torch", "Tensor")
def vsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Cut into equal parts, or at indices, along dim 0."""
    return _xsplit(input, _first(indices_or_sections, indices, sections), 0, 2, "vsplit")


@public("torch", "Tensor")
def dsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Cut into equal parts, or at indices, along dim 2."""
    return _xsplit(input, _first(indices_or_sections, indices, sections), 2, 3, "dsplit")


@public("torch", "Tensor")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return all items along a dim, without that dim, as views.

    >>> import wengert as torch
    >>> torch.tensor([[1, 2], [3, 4]]).unbind()
    (tensor([1, 2]), tensor([3, 4]))
    """
    ndim = spec_in(input, "unbind").ndim
    d = wrap_dim(dim, ndim)
    if ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return unbind_op(input, d)


def _iter(self: Tensor) -> Any:
    """The items along the first dim."""
    if self._spec.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(unbind_op(self, 0))


public("Tensor", name="__iter__")(_iter)
