"""Joining tensors and taking them apart: cat, stack and their kin; split, chunk, unbind."""

from __future__ import annotations

import warnings
from itertools import combinations as _pairs
from itertools import combinations_with_replacement as _pairs_again
from typing import Any

import numpy as np

from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import dtypes
from ..kernels.dims import as_int, as_ints, shown, wrap_dim
from .quiet import quiet, with_out
from .shape import (
    at_dim, atleast_1d, atleast_2d, atleast_3d, clone_op, expand_op, reshape_any, slice_op, spec_in,
    unsafe_view, view_op,
)  # fmt: skip


# ------------------------------------------------------------------- rows
def _cat_kernel(xs: list, dim: int) -> np.ndarray:
    out = np.concatenate(xs, dim)
    return out if out.flags.c_contiguous else np.ascontiguousarray(out)


def _stack_kernel(xs: list, dim: int) -> np.ndarray:
    shape = xs[0].shape
    if dim < 0:
        dim += len(shape) + 1
    wide = shape[:dim] + (1,) + shape[dim:]
    return _cat_kernel([x.reshape(wide) for x in xs], dim)


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


def _uncat(xp: Any, g: Any, xs_spec: Any, dim: int) -> Any:
    return xp.split(g, tuple([s.shape[dim] for s in xs_spec]), dim)


cat_op = primitive("linear", "cat(*xs, dim)", _cat_kernel, xs=_uncat)

stack_op = primitive("linear", "stack(*xs, dim)", _stack_kernel,
                     xs=lambda xp, g, dim: xp.unbind(g, dim))  # fmt: skip

split_op = primitive("linear", "split(x, *, sizes, dim)", _split_kernel, outputs="many", view=True,
                     x=_unsplit)  # fmt: skip

split_sizes_op = primitive("linear", "split_with_sizes(x, *, sizes, dim)", _split_kernel, outputs="many",
                           view=True, x=_unsplit)  # fmt: skip

unbind_op = primitive("linear", "unbind(x, *, dim)", _unbind_kernel, outputs="many", view=True,
                      x=_unbound)  # fmt: skip

utility("new_zeros", lambda x, shape: np.zeros(shape, x.dtype),
        lambda x, shape: wrap(np.zeros(shape, x.dtype.np)))  # fmt: skip


def _block_diag_kernel(xs: list) -> np.ndarray:
    sizes = [x.shape if x.ndim == 2 else (1, x.size) for x in xs]
    out = np.zeros([sum(n) for n in zip(*sizes, strict=True)], xs[0].dtype)
    row = column = 0
    for x, (n, m) in zip(xs, sizes, strict=True):
        out[row : row + n, column : column + m] = x
        row, column = row + n, column + m
    return out


def _block_diag_rule(xp: Any, g: Any, xs_spec: Any) -> list:
    parts, row, column = [], 0, 0
    for s in xs_spec:
        n, m = s.shape if s.ndim == 2 else (1, s.numel)
        block = xp.pick(g, (slice(row, row + n), slice(column, column + m)), "SliceBackward0")
        parts.append(xp.reshape(block, s.shape))
        row, column = row + n, column + m
    return parts


block_diag_op = primitive("linear", "block_diag(*xs)", _block_diag_kernel, xs=_block_diag_rule)


# ------------------------------------------------------------------- joining
def _all_tensors(xs: Any, caller: str, argument: str = "tensors") -> list[Tensor]:
    if isinstance(xs, Tensor) or not isinstance(xs, (tuple, list)):
        raise TypeError(
            f"{caller}(): argument '{argument}' (position 1) must be tuple of Tensors, not "
            f"{type(xs).__name__}"
        )
    for k, x in enumerate(xs):
        if not isinstance(x, Tensor):
            raise TypeError(f"expected Tensor as element {k} in argument 0, but got {type(x).__name__}")
    return list(xs)


def _one_dtype(xs: list[Tensor]) -> list[Tensor]:
    """Cast tensors to their common dtype."""
    d = xs[0]._spec.dtype
    if all(x._spec.dtype is d for x in xs):
        return xs
    for x in xs:
        d = dtypes.promote_types(d, x._spec.dtype)
    return [x if x._spec.dtype is d else TENSORS.cast(x, d) for x in xs]


@public("torch")
def cat(tensors: Any, dim: int = 0, *, axis: int | None = None, out: Any = None) -> Tensor:
    """Join tensors along a dim; their other sizes must agree. Empty 1-d tensors are passed over.

    >>> import wengert as torch
    >>> torch.cat([torch.ones(1, 2), torch.zeros(1, 2)])
    tensor([[1., 1.],
            [0., 0.]])
    """
    if out is not None:
        return with_out(out, cat, "cat", (tensors, dim), {"axis": axis})
    if axis is not None:
        dim = axis
    xs = _all_tensors(tensors, "cat")
    if not xs:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    first = xs[0]._spec
    for x in xs:
        s = x._spec
        if s is not first or s.ndim == 0 or s.shape == (0,):
            xs = _check_cat(xs, dim)
            break
    d = wrap_dim(dim, xs[0]._spec.ndim)
    if quiet(xs):
        return wrap(_cat_kernel([x._array for x in xs], d))
    return cat_op(xs, d)


def _check_cat(xs: list[Tensor], dim: int) -> list[Tensor]:
    for k, x in enumerate(xs):
        if x._spec.ndim == 0:
            raise RuntimeError(
                f"zero-dimensional tensor (at position {k}) cannot be concatenated"
            )
    xs = _one_dtype(xs)
    solid = [(k, x) for k, x in enumerate(xs) if x._spec.shape != (0,)]
    if not solid:
        return xs
    shape = solid[0][1]._spec.shape
    d = wrap_dim(dim, len(shape))
    for k, x in solid:
        other = x._spec.shape
        if len(other) != len(shape):
            raise RuntimeError(
                "Tensors must have same number of dimensions: got "
                f"{len(shape)} and {len(other)} (tensor number {k} has shape {shown(other)}, the "
                f"first has {shown(shape)})"
            )
        for j, (n, m) in enumerate(zip(shape, other, strict=True)):
            if n != m and j != d:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {d}. Expected size {n} but "
                    f"got size {m} for tensor number {k} in the list."
                )
    return [x for _, x in solid]


for _name in ("concat", "concatenate"):
    public("torch", name=_name)(cat)


@public("torch")
def stack(tensors: Any, dim: int = 0, *, axis: int | None = None, out: Any = None) -> Tensor:
    """Join tensors of one shape along a new dim.

    >>> import wengert as torch
    >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    if out is not None:
        return with_out(out, stack, "stack", (tensors, dim), {"axis": axis})
    if axis is not None:
        dim = axis
    xs = _all_tensors(tensors, "stack")
    if not xs:
        raise RuntimeError("stack expects a non-empty TensorList")
    s = xs[0]._spec
    d = wrap_dim(dim, s.ndim + 1)
    if any([x._spec is not s for x in xs]):
        for k, x in enumerate(xs):
            if x._spec.shape != s.shape:
                raise RuntimeError(
                    f"stack expects each tensor to be equal size, but got {shown(s.shape)} at entry "
                    f"0 and {shown(x._spec.shape)} at entry {k}"
                )
        xs = _one_dtype(xs)
    if quiet(xs):
        return wrap(_stack_kernel([x._array for x in xs], d))
    return stack_op(xs, d)


def _filled(tensors: Any, caller: str) -> list[Tensor]:
    xs = _all_tensors(tensors, caller)
    if not xs:
        raise RuntimeError(f"{caller} expects a non-empty TensorList")
    return xs


@public("torch", out=True)
def hstack(tensors: Any) -> Tensor:
    """Join tensors side by side: along dim 1, vectors along dim 0.

    >>> import wengert as torch
    >>> torch.hstack([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    xs = [atleast_1d(x) for x in _filled(tensors, "hstack")]
    return cat(xs, 0 if xs[0]._spec.ndim == 1 else 1)


@public("torch", out=True)
def vstack(tensors: Any) -> Tensor:
    """Join tensors as rows: along dim 0, vectors being rows.

    >>> import wengert as torch
    >>> torch.vstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat([atleast_2d(x) for x in _filled(tensors, "vstack")], 0)


public("torch", name="row_stack", out=True)(vstack)


@public("torch", out=True)
def dstack(tensors: Any) -> Tensor:
    """Join tensors along the third dim."""
    return cat([atleast_3d(x) for x in _filled(tensors, "dstack")], 2)


@public("torch", out=True)
def column_stack(tensors: Any) -> Tensor:
    """Join tensors along dim 1, vectors being columns.

    >>> import wengert as torch
    >>> torch.column_stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    xs = _filled(tensors, "column_stack")
    return cat([reshape_any(x, (x._spec.numel, 1)) if x._spec.ndim < 2 else x for x in xs], 1)


@public("torch")
def block_diag(*tensors: Any) -> Tensor:
    """Return the matrix with the given matrices along its diagonal; vectors count as rows.

    >>> import wengert as torch
    >>> torch.block_diag(torch.ones(1, 2), torch.tensor([[5.]]))
    tensor([[1., 1., 0.],
            [0., 0., 5.]])
    """
    xs = list(tensors)
    for k, x in enumerate(xs):
        ndim = spec_in(x, "block_diag").ndim
        if ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{k} has {ndim} dimensions"
            )
    if not xs:
        return wrap(np.empty((1, 0), dtypes.get_default_dtype().np))
    return block_diag_op(_one_dtype(xs))


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
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut into equal parts, or at indices, along dim 1 (dim 0 of a vector)."""
    dim = 0 if spec_in(input, "hsplit").ndim == 1 else 1
    return _xsplit(input, indices_or_sections, dim, 1, "hsplit")


@public("torch", "Tensor")
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut into equal parts, or at indices, along dim 0."""
    return _xsplit(input, indices_or_sections, 0, 2, "vsplit")


@public("torch", "Tensor")
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut into equal parts, or at indices, along dim 2."""
    return _xsplit(input, indices_or_sections, 2, 3, "dsplit")


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


# ------------------------------------------------------------------- grids
@public("torch")
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Return the coordinates of a grid: one tensor per given vector, all of the grid's shape.

    `indexing` is "ij" (the first vector runs along dim 0) or "xy" (along dim 1).

    >>> import wengert as torch
    >>> torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing="ij")[0]
    tensor([[1, 1],
            [2, 2]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing "
            "argument.",
            UserWarning,
            stacklevel=2,
        )
        indexing = "ij"
    xs = _filled(tensors, "meshgrid")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    for x in xs:
        if x._spec.ndim > 1:
            raise RuntimeError(
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: a tensor of "
                f"shape {shown(x._spec.shape)}"
            )
        if x._spec.dtype is not xs[0]._spec.dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    place = list(range(len(xs)))  # along which dim each vector runs
    if indexing == "xy" and len(xs) >= 2:
        place[:2] = 1, 0
    shape = tuple([xs[place.index(d)]._spec.numel for d in range(len(xs))])
    grids = []
    for x, d in zip(xs, place, strict=True):
        column = view_op(x, (1,) * d + (shape[d],) + (1,) * (len(xs) - d - 1))
        grids.append(expand_op(column, shape))
    return tuple(grids)


def _vector(x: Any, caller: str) -> None:
    shape = spec_in(x, caller).shape
    if len(shape) != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {shown(shape)}")


@public("torch")
def cartesian_prod(*tensors: Any) -> Tensor:
    """Return all combinations of one item from each vector, as rows.

    >>> import wengert as torch
    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    for x in tensors:
        _vector(x, "cartesian_prod")
    if len(tensors) == 1:
        return tensors[0]
    grids = meshgrid(*tensors, indexing="ij")
    return stack_op([unsafe_view(clone_op(g, "C"), (g._spec.numel,)) for g in grids], 1)


@public("torch")
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return all subsets of `r` items of a vector, as rows, in the order of itertools.

    >>> import wengert as torch
    >>> torch.combinations(torch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    _vector(input, "combinations")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return wrap(np.empty(0, input._spec.np))
    choose = _pairs_again if with_replacement else _pairs
    rows = list(choose(range(input._spec.numel), r))
    at = np.array(rows, np.int64).reshape(len(rows), r)
    return stack_op([TENSORS.index_select(input, wrap(at[:, k].copy()), 0) for k in range(r)], 1)
