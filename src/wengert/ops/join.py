"""Joining tensors: cat, stack and their kin, grids and combinations."""

from __future__ import annotations

import warnings
from itertools import combinations as _pairs
from itertools import combinations_with_replacement as _pairs_again
from typing import Any

import numpy as np

from ..core.batching import all_batched, composed
from ..core.cold import bind
from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import dtypes
from ..kernels.dims import shown, wrap_dim
from .quiet import quiet, with_out
from .shape import atleast_1d, atleast_2d, atleast_3d
from .views import clone_op, expand_op, reshape_any, spec_in, unsafe_view, view_op


# ------------------------------------------------------------------- rows
def _cat_kernel(xs: list[Any], dim: int) -> np.ndarray:
    out = np.concatenate(xs, dim)
    return out if out.flags.c_contiguous else np.ascontiguousarray(out)


def _stack_kernel(xs: list[Any], dim: int) -> np.ndarray:
    shape = xs[0].shape
    if dim < 0:
        dim += len(shape) + 1
    if dim == 0 and shape:
        return np.concatenate(xs, 0).reshape(len(xs), *shape)
    wide = (*shape[:dim], 1, *shape[dim:])
    return _cat_kernel([x.reshape(wide) for x in xs], dim)


def _uncat(xp: Any, g: Any, xs_spec: Any, dim: int) -> Any:
    return xp.split(g, tuple([s.shape[dim] for s in xs_spec]), dim)


def _joined_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    (dim,) = params
    return bind(op, tuple(all_batched(xs, on)), (dim + 1 if dim >= 0 else dim,))


cat_op = primitive("linear", "cat(*xs, dim)", _cat_kernel, xs=_uncat, batch=_joined_batch)

stack_op = primitive("linear", "stack(*xs, dim)", _stack_kernel,
                     xs=lambda xp, g, dim: xp.unbind(g, dim), batch=_joined_batch)  # fmt: skip

utility("new_zeros", lambda x, shape: np.zeros(shape, x.dtype),
        lambda x, shape: wrap(np.zeros(shape, x.dtype.np)))  # fmt: skip


def _block_diag_kernel(xs: list[Any]) -> np.ndarray:
    sizes = [x.shape if x.ndim == 2 else (1, x.size) for x in xs]
    out = np.zeros([sum(n) for n in zip(*sizes, strict=True)], xs[0].dtype)
    row = column = 0
    for x, (n, m) in zip(xs, sizes, strict=True):
        out[row : row + n, column : column + m] = x
        row, column = row + n, column + m
    return out


def _block_diag_rule(xp: Any, g: Any, xs_spec: Any) -> list[Any]:
    parts, row, column = [], 0, 0
    for s in xs_spec:
        n, m = s.shape if s.ndim == 2 else (1, s.numel)
        block = xp.pick(g, (slice(row, row + n), slice(column, column + m)), "SliceBackward0")
        parts.append(xp.reshape(block, s.shape))
        row, column = row + n, column + m
    return parts


def _block_diag(xp: Any, *xs: Tensor) -> Tensor:
    """The same in other ops: every block widened to whole rows."""
    blocks = [xp.reshape(x, (1, x.numel())) if x.ndim < 2 else x for x in xs]
    total, column, rows = sum([b.shape[1] for b in blocks]), 0, []
    for b in blocks:
        m = b.shape[1]
        rows.append(xp.constant_pad_nd(b, (column, total - column - m), 0))
        column += m
    joined: Tensor = xp.cat(rows, 0)
    return joined


block_diag_op = primitive("linear", "block_diag(*xs)", _block_diag_kernel, xs=_block_diag_rule,
                          batch=composed(_block_diag))  # fmt: skip


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
    if not first.ndim or first.shape == (0,):
        xs = _check_cat(xs, dim)
    else:
        for x in xs:
            if x._spec is not first:
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
    if not all(x._spec is s for x in xs):
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
