"""Choosing by conditions: where, masked_fill, masked_select, nonzero; parts of a copy replaced."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.batching import all_batched, composed, refuse_dynamic
from ..core.define import elementwise, primitive
from ..core.dual import innermost
from ..core.inplace import bump, write
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.spec import spec_of
from ..core.tensor import Tensor, attach, wrap
from ..core.views import follow, lifted
from ..kernels import scatter as kernels
from ..kernels.dims import as_int, broadcast_shapes, shown, wrap_dim
from ..kernels.dtypes import int64
from .checking import check_tensor
from .gather import linear_jvp
from .quiet import quiet
from .views import clone_op, diagonal_op, expand_op, reshape_any, select_op, slice_op, spec_in
from .write import as_number, direct, is_number


# ------------------------------------------------------------------- rows
def _where_kernel(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.where(x if x.dtype == np.bool_ else x.astype(np.bool_), y, z)


where_op = elementwise("where(x, y, z)", _where_kernel, skip=("x",),
                       saved={"x": "condition", "y": "self", "z": "other"},
                       y=lambda xp, g, x: xp.where(x, g, xp.zeros_like(g)),
                       z=lambda xp, g, x: xp.where(x, xp.zeros_like(g), g))  # fmt: skip

def _fill_kernel(x: np.ndarray, y: np.ndarray, value: Any) -> np.ndarray:
    if x.shape != y.shape:
        return np.where(y, np.asarray(value, x.dtype), x)
    out = np.array(x)  # a cotangent without dims may be a NumPy scalar
    np.copyto(out, value, where=y)
    return out


masked_fill_op = elementwise("masked_fill(x, y, *, value)", _fill_kernel,
                             promote=None, saved={"y": "mask"},
                             x=lambda xp, g, y: xp.masked_fill(g, y, 0))  # fmt: skip

masked_fill_tensor = elementwise("masked_fill_tensor(x, y, z)",
                                 lambda x, y, z: np.where(y, z.astype(x.dtype), x),
                                 promote=None, node="MaskedFillBackward1", saved={"y": "mask"},
                                 x=lambda xp, g, y: xp.masked_fill(g, y, 0),
                                 z=lambda xp, g, y: xp.where(y, g, xp.zeros_like(g)))  # fmt: skip


def _select_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    """Elements under one mask for all examples: their positions are known."""
    x, mask = xs
    refuse_dynamic("masked_select", *([x] if on[1] else [mask]))
    return T.index(_rows_of(x), wrap(np.flatnonzero(mask._array)), (1,))


def _select_backward_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    g, mask = xs
    shape = (g.shape[0], *mask.shape)
    flat = (g.shape[0], mask._spec.numel)
    return reshape_any(T.index_backward(g, wrap(np.flatnonzero(mask._array)), flat, (1,)), shape)


def _rows_of(x: Tensor) -> Tensor:
    """All examples, flattened."""
    size = x.shape[0]
    return reshape_any(x, (size, x._spec.numel // max(size, 1)))


def _scatter_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    x, source = all_batched(xs[:2], on[:2])
    at = wrap(np.flatnonzero(xs[2]._array))
    return reshape_any(T.index_put(_rows_of(x), source, at, (1,), False), tuple(x.shape))


masked_select_op = primitive("opaque", "masked_select(x, y)", kernels.masked_select, saved={"y": "mask"},
                             batch=_select_batch,
                             x=lambda xp, g, y: xp.masked_select_backward(g, y),
                             jvp=linear_jvp("masked_select", 1))  # fmt: skip

masked_select_backward = primitive("opaque", "masked_select_backward(x, y)", kernels.masked_select_backward,
                                   batch=_select_backward_batch,
                                   x=lambda xp, g, y: xp.masked_select(g, y),
                                   jvp=linear_jvp("masked_select_backward", 1))  # fmt: skip

masked_scatter_op = primitive("opaque", "masked_scatter(x, y, z)", kernels.masked_scatter, batch=_scatter_batch,
                              x=lambda xp, g, z: xp.masked_fill(g, z, 0),
                              y=lambda xp, g, z: xp.masked_select(g, z),
                              jvp=linear_jvp("masked_scatter", 2))  # fmt: skip


def _part_kernel(x: np.ndarray, y: np.ndarray, chain: tuple[Any, ...], name: str) -> np.ndarray:
    out = np.array(x, order="C")
    follow(out, chain)[...] = y
    return out


# a copy of x in which the view at the end of a chain is y (see core/views.py, `follow`)
def _part_batch(xp: Any, x: Any, y: Any, chain: tuple, name: str) -> Any:
    top = max(x, y, key=lambda t: getattr(t, "level", 0))
    x, y = (t.value if getattr(t, "level", 0) == top.level else top.spread(t) for t in (x, y))
    _, whole = lifted(top, tuple(x.shape[1:]), x.dtype.np, chain)
    return top.over(top.level, xp.part_scatter(x, y, whole, name))


part_scatter = primitive("linear", "part_scatter(x, y, *, chain, name)", _part_kernel,
                         node=lambda rest: rest[1], batch=composed(_part_batch),
                         x=lambda xp, g, chain: xp.cut(g, chain),
                         y=lambda xp, g, chain: xp.replay(g, chain))  # fmt: skip


# ------------------------------------------------------------------- where
@public("torch", name="where", out=True)
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Return `input` where the condition holds and `other` elsewhere; numbers are weak.

    With the condition alone: the indices at which it holds, one tensor per dim.

    >>> import wengert as torch
    >>> x = torch.tensor([-1., 2.])
    >>> torch.where(x > 0, x, 0.)
    tensor([0., 2.])
    >>> torch.where(x > 0)
    (tensor([1]),)
    """
    s = spec_in(condition, "where")
    if s.dtype.name == "uint8":
        warnings.warn(
            "where received a uint8 condition tensor. This behavior is deprecated and will be "
            "removed in a future version of PyTorch. Use a boolean condition instead.",
            UserWarning,
            stacklevel=2,
        )
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if s.dtype.name not in ("bool", "uint8"):
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{s.dtype.scalar_name}"
        )
    for name, a in (("input", input), ("other", other)):
        if not isinstance(a, (Tensor, np.ndarray)) and not is_number(a):
            raise TypeError(
                f"where(): argument '{name}' must be Tensor or Number, not {type(a).__name__}"
            )
    if s.dtype.category == 0 and _plainly(condition, input, other):
        y, z = (a._array if isinstance(a, Tensor) else a for a in (input, other))
        try:
            return wrap(np.where(condition._array, y, z))
        except ValueError:  # shapes that don't broadcast: the row says which
            pass
    return where_op(condition, input, other)


def _plainly(condition: Tensor, y: Any, z: Any) -> bool:
    """Say whether nothing is recorded and NumPy's own promotion gives PyTorch's dtype."""
    tensors = [a for a in (y, z) if isinstance(a, Tensor)]
    if not tensors or not quiet((condition, *tensors)):
        return False
    d = tensors[0]._spec.dtype
    if len(tensors) == 2:
        return tensors[1]._spec.dtype is d
    number = z if tensors[0] is y else y
    return number.__class__ in (int, float) and d.category == 2


@public("Tensor", name="where")
def _where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """Return this tensor's elements where the condition holds and `other` elsewhere."""
    return where(condition, self, other)


# ------------------------------------------------------------------- masks
_C_NAMES = {"float32": "float", "float64": "double", "int64": "long int", "uint8": "unsigned char"}


def _mask(mask: Any, caller: str, position: int) -> None:
    check_tensor(mask, caller, "mask", position)
    d = mask._spec.dtype
    if d.category == 0:
        return
    if caller == "masked_select":
        raise RuntimeError(f"masked_select: expected BoolTensor for mask (it has {d} here)")
    name = d.scalar_name if caller == "masked_scatter" else _C_NAMES.get(d.name, d.name)
    raise RuntimeError(f"{caller}_ only supports boolean masks, but got mask with dtype {name}")


def _masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    if x._spec.shape != mask._spec.shape:
        broadcast_shapes(tuple(mask._spec.shape), tuple(x._spec.shape))
    if isinstance(value, Tensor):
        return masked_fill_tensor(x, mask, value)
    if quiet((x, mask)):
        return wrap(_fill_kernel(x._array, mask._array, value))
    return masked_fill_op(x, mask, value)


def _fill_value(x: Tensor, mask: Any, value: Any) -> Any:
    s = spec_in(x, "masked_fill")
    _mask(mask, "masked_fill", 2)
    if isinstance(value, Tensor):
        if value._spec.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value._spec.ndim} dimension(s)."
            )
        return value
    if not is_number(value):
        raise TypeError(
            f"masked_fill(): argument 'value' must be Tensor or Number, not {type(value).__name__}"
        )
    return as_number(value, s.dtype)


@public("torch", "Tensor")
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return a copy with a number (or 0-d tensor) written where the mask is set.

    >>> import wengert as torch
    >>> x = torch.tensor([1., 2.])
    >>> x.masked_fill(x > 1, float("-inf"))
    tensor([1., -inf])
    """
    return _masked_fill(input, mask, _fill_value(input, mask, value))


@public("Tensor")
def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Write a number (or 0-d tensor) where the mask is set, in place; return self."""
    value = _fill_value(self, mask, value)
    shape, target = tuple(mask._spec.shape), tuple(self._spec.shape)
    common = broadcast_shapes(shape, target)
    if common != target:
        raise RuntimeError(
            f"output with shape {shown(target)} doesn't match the broadcast shape {shown(common)}"
        )
    if direct(self, value, mask):
        number = value._array if isinstance(value, Tensor) else value
        np.copyto(self._array, number, where=mask._array, casting="unsafe")
        bump(self)
        return self
    return write(self, _masked_fill, (mask, value), copy_old=False)


@public("Tensor")
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write a number on the main diagonal, in place; return self.

    `wrap` starts the diagonal anew below the square part of a tall matrix. RuntimeError for fewer
    than 2 dims, or more than 2 of different sizes.

    >>> import wengert as torch
    >>> torch.zeros(2, 2).fill_diagonal_(3)
    tensor([[3., 0.],
            [0., 3.]])
    """
    shape = tuple(self._spec.shape)
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    mask = np.zeros(shape, np.bool_)
    np.fill_diagonal(mask, True, wrap)
    return masked_fill_(self, attach(mask, spec_of(mask)), fill_value)


def _spread(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Expand a tensor and a mask to their common shape."""
    a, b = tuple(x._spec.shape), tuple(mask._spec.shape)
    if a == b:
        return x, mask
    shape = broadcast_shapes(b, a)
    return (
        x if a == shape else expand_op(x, shape),
        mask if b == shape else expand_op(mask, shape),
    )


@public("torch", "Tensor", out=True)
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Return the elements where the mask is set, in order, as a vector.

    >>> import wengert as torch
    >>> x = torch.tensor([1., 2., 3.])
    >>> x.masked_select(x > 1)
    tensor([2., 3.])
    """
    spec_in(input, "masked_select")
    _mask(mask, "masked_select", 2)
    refuse_dynamic("masked_select", mask)
    return masked_select_op(*_spread(input, mask))


@public("torch", "Tensor", inplace=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Return a copy with the first elements of `source` written, in order, where the mask is set.

    >>> import wengert as torch
    >>> torch.zeros(3).masked_scatter(torch.tensor([True, False, True]), torch.tensor([1., 2.]))
    tensor([1., 0., 2.])
    """
    s = spec_in(input, "masked_scatter")
    _mask(mask, "masked_scatter", 2)
    check_tensor(source, "masked_scatter", "source", 3)
    u = source._spec
    if u.dtype is not s.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{s.dtype.scalar_name} and {u.dtype.scalar_name}"
        )
    x, m = _spread(input, mask)
    if not m._spec.plain:
        return _scattered(x, source, m)
    n = int(np.count_nonzero(m._array))
    if n > u.numel:
        raise RuntimeError(
            f"Number of elements of source < number of ones in mask ({u.numel} < {n})"
        )
    flat = reshape_any(source, (u.numel,))
    return masked_scatter_op(x, flat if n == u.numel else slice_op(flat, 0, slice(0, n)), m)


def _scattered(x: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    """The same for a mask that vmap maps over: each example takes as many elements as it needs."""
    n = source._spec.numel
    order: Any = T.cumsum(T.cast_whole(reshape_any(mask, (mask._spec.numel,)), int64), 0) - 1
    need = int(innermost(order).max(initial=-1)) + 1
    if need > n:
        raise RuntimeError(
            f"Number of elements of source < number of ones in mask ({n} < {need})"
        )
    if not n:
        return clone_op(x, "C")
    taken = T.index(reshape_any(source, (n,)), order.clamp(min=0), (0,))
    written: Tensor = T.where(mask, T.reshape(taken, tuple(x._spec.shape)), x)
    return written


# ------------------------------------------------------------------- where it is not zero
@public("torch", "Tensor")
def nonzero(input: Tensor, *, out: Any = None, as_tuple: bool = False) -> Any:
    """Return the indices of the elements that are not zero: one row each, or one tensor per dim.

    >>> import wengert as torch
    >>> torch.nonzero(torch.tensor([[1, 0], [0, 2]]))
    tensor([[0, 0],
            [1, 1]])
    """
    s = spec_in(input, "nonzero")
    refuse_dynamic("aten::nonzero", input)
    if as_tuple:
        return tuple([wrap(i) for i in np.atleast_1d(input._array).nonzero()])
    rows = np.argwhere(input._array) if s.ndim else np.empty((int(bool(input._array)), 0), np.int64)
    found = wrap(rows.astype(np.int64, copy=False))
    if out is None:
        return found
    from ..core.inplace import into

    return into(out, found, "nonzero")


@public("torch", "Tensor")
def argwhere(input: Tensor) -> Tensor:
    """Return the indices of the elements that are not zero, one row each."""
    return nonzero(input)


# ------------------------------------------------------------------- a copy with a part replaced
def _replaced(x: Tensor, src: Any, caller: str, name: str, view: Any, *params: Any) -> Tensor:
    check_tensor(src, caller, "src", 2)
    chain = ((view.op, params, None),)
    part = follow(x._array if x._spec.plain else np.empty(x._spec.shape), chain).shape
    if tuple(src._spec.shape) != part:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{shown(src._spec.shape)}, slice size = {shown(part)}"
        )
    return part_scatter(x, src, chain, name)


@public("torch", "Tensor")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """Return a copy with one item along `dim` replaced.

    >>> import wengert as torch
    >>> torch.zeros(2, 2).select_scatter(torch.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    s = spec_in(input, "select_scatter")
    d, index = wrap_dim(dim, s.ndim), as_int(index, "select_scatter", "index")
    if s.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    if not -s.shape[d] <= index < s.shape[d]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {shown(s.shape)} at "
            f"dimension {d}"
        )
    return _replaced(input, src, "select_scatter", "SelectScatterBackward0", select_op, d, index)


@public("torch", "Tensor")
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Tensor:  # fmt: skip
    """Return a copy with a slice along `dim` replaced.

    >>> import wengert as torch
    >>> torch.zeros(4).slice_scatter(torch.ones(2), 0, 0, None, 2)
    tensor([1., 0., 1., 0.])
    """
    s = spec_in(input, "slice_scatter")
    d = wrap_dim(dim, s.ndim)
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    a, b, step = slice(start, end, step).indices(s.shape[d] if s.ndim else 1)
    piece = slice(a, max(a, b), step)
    return _replaced(input, src, "slice_scatter", "SliceScatterBackward0", slice_op, d, piece)


@public("torch", "Tensor")
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """Return a copy with the diagonals of the matrices in two dims replaced."""
    s = spec_in(input, "diagonal_scatter")
    d1, d2 = wrap_dim(dim1, s.ndim), wrap_dim(dim2, s.ndim)
    if d1 == d2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    name = "DiagonalScatterBackward0"
    return _replaced(input, src, "diagonal_scatter", name, diagonal_op, offset, d1, d2)
