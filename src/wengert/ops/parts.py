"""Views of parts: narrow, select, diagonal, windows, and any strides at all."""

from __future__ import annotations

from typing import Any

from ..core.dual import example
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import strides
from ..kernels.dims import as_int, as_ints, shown, wrap_dim
from .views import as_strided_op, clone_op, diagonal_op, select_op, slice_op, spec_in, unfold_op


@public("torch", "Tensor")
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """Return `length` items along `dim` from `start` on.

    >>> import wengert as torch
    >>> torch.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    s = spec_in(input, "narrow")
    if s.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    length, start = as_int(length, "narrow", "length"), as_int(start, "narrow", "start")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    d = wrap_dim(dim, s.ndim)
    n = s.shape[d]
    if not -n <= start <= n:
        raise IndexError(
            f"start out of range (expected to be in range of [{-n}, {n}], but got {start})"
        )
    if start < 0:
        start += n
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return slice_op(input, d, slice(start, start + length))


@public("torch", "Tensor")
def narrow_copy(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """Return a copy of `length` items along `dim` from `start` on."""
    return clone_op(narrow(input, dim, start, length), "C")


@public("torch", "Tensor")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return one item along `dim`, without that dim.

    >>> import wengert as torch
    >>> torch.arange(6).view(2, 3).select(1, -1)
    tensor([2, 5])
    """
    s = spec_in(input, "select")
    if s.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, s.ndim)
    index = as_int(index, "select", "index")
    if not -s.shape[d] <= index < s.shape[d]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {shown(s.shape)} at "
            f"dimension {d}"
        )
    return select_op(input, d, index)


@public("torch", "Tensor")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a view of the diagonals of the matrices in two dims, as the last dim.

    >>> import wengert as torch
    >>> torch.arange(9).view(3, 3).diagonal(1)
    tensor([1, 5])
    """
    ndim = spec_in(input, "diagonal").ndim
    d1, d2 = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if d1 == d2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return diagonal_op(input, as_int(offset, "diagonal", "offset"), d1, d2)


@public("Tensor")
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return all windows of `size` items along a dim, `step` apart, as a new last dim (a view).

    >>> import wengert as torch
    >>> torch.arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    s = self._spec
    d = wrap_dim(dimension, s.ndim)
    size, step = as_int(size, "unfold", "size"), as_int(step, "unfold", "step")
    n = s.shape[d] if s.ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {n} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return unfold_op(self, d, size, step)


@public("torch", "Tensor")
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Return a view of the storage with the given sizes, strides and offset, in elements.

    RuntimeError if it would reach outside the storage.

    >>> import wengert as torch
    >>> torch.arange(6).as_strided((2, 2), (3, 1), 1)
    tensor([[1, 2],
            [4, 5]])
    """
    s = spec_in(input, "as_strided")
    a = example(input)
    shift = 0 if storage_offset is None else storage_offset - strides.storage_offset(a)
    geometry = (tuple(s.shape), strides.element_strides(a), 0)
    size = as_ints((size,), "as_strided", "size")
    return as_strided_op(input, size, as_ints((stride,), "as_strided", "stride"), shift, geometry)
