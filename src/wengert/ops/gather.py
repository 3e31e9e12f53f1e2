"""Gathering and scattering along a dim: index_select, gather, take; scatter, index_add and kin.

Index tensors are inputs of these rows, not parameters: a write to one after the call is noticed.
Bounds are checked before anything is computed or written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.define import primitive, utility
from ..core.inplace import bump, write
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import scatter as kernels
from ..kernels.dims import broadcast_shapes, count, shown, wrap_dim
from .checking import check_tensor
from .quiet import quiet
from .shape import expand_op, pick_op, reshape_any, spec_in, view_op
from .write import as_number, direct, is_number


def _linear(call: str, tensors: int) -> Callable:
    """The jvp of an op that is linear in its first inputs; the last one holds indices."""

    def jvp(xp: Any, xs: list, ts: list, out: Any, params: tuple) -> Any:
        given = [xp.zeros_like(x) if t is None else t for x, t in zip(xs[:tensors], ts, strict=False)]
        return getattr(xp, call)(*given, *xs[tensors:], *params)

    return jvp


# ------------------------------------------------------------------- rows: reading
def _select_kernel(x: np.ndarray, y: np.ndarray, dim: int) -> np.ndarray:
    return x.take(y, dim) if x.flags.c_contiguous else kernels.index(x, y, (dim,))


index_select_op = primitive("opaque", "index_select(x, y, *, dim)", _select_kernel,
                            x=lambda xp, g, x_spec, y, dim:
                                xp.index_backward(g, y, x_spec.shape, (dim % x_spec.ndim,)),
                            jvp=_linear("index_select", 1))  # fmt: skip

gather_op = primitive("opaque", "gather(x, y, *, dim)", kernels.gather,
                      x=lambda xp, g, x_spec, y, dim: xp.gather_backward(g, y, dim, x_spec.shape),
                      jvp=_linear("gather", 1))  # fmt: skip

gather_backward = primitive("opaque", "gather_backward(x, y, *, dim, shape)", kernels.gather_backward,
                            x=lambda xp, g, y, dim: xp.gather(g, y, dim),
                            jvp=_linear("gather_backward", 1))  # fmt: skip

take_op = primitive("opaque", "take(x, y)", lambda x, y: x.reshape(-1).take(y),
                    x=lambda xp, g, x_spec, y: xp.reshape(
                        xp.index_backward(g, y, (x_spec.numel,), (0,)), x_spec.shape),
                    jvp=_linear("take", 1))  # fmt: skip

utility("index_select_backward",
        lambda g, y, dim, shape: kernels.index_backward(g, y, shape, (dim % len(shape),)),
        lambda g, y, dim, shape: _index_backward(g, y, shape, (dim % len(shape),)))  # fmt: skip


def _index_backward(g: Tensor, y: Tensor, shape: tuple, dims: tuple) -> Tensor:
    from .index import index_backward

    return index_backward(g, y, shape, dims)


# ------------------------------------------------------------------- rows: writing
scatter_op = primitive("opaque", "scatter(x, y, z, *, dim)", kernels.scatter,
                       x=lambda xp, g, z, dim: xp.scatter_value(g, z, dim, 0),
                       y=lambda xp, g, z, dim: xp.gather(g, z, dim),
                       jvp=_linear("scatter", 2))  # fmt: skip

scatter_value = primitive("opaque", "scatter_value(x, y, *, dim, value)",
                          lambda x, y, dim, value: kernels.scatter(x, value, y, dim),
                          node="ScatterBackward1",
                          x=lambda xp, g, y, dim: xp.scatter_value(g, y, dim, 0),
                          jvp=lambda xp, xs, ts, out, params: xp.scatter_value(ts[0], xs[1], params[0], 0))  # fmt: skip

scatter_add_op = primitive("opaque", "scatter_add(x, y, z, *, dim)", kernels.scatter_add,
                           x=lambda g: g,
                           y=lambda xp, g, z, dim: xp.gather(g, z, dim),
                           jvp=_linear("scatter_add", 2))  # fmt: skip


def _reduce_rule(
    xp: Any, g: Any, x: Any, y: Any, z: Any, out: Any, dim: int, reduce: str, include_self: bool
) -> tuple:
    """The cotangents of x and of the source of scatter_reduce."""
    if reduce in ("sum", "mean"):
        if reduce == "mean":
            g = g / xp.scatter_count(x, z, dim, include_self)
        to_self, to_source = g, xp.gather(g, z, dim)
    elif reduce == "prod":
        to_self, to_source = _prod_rule(xp, g, x, y, z, out, dim, include_self)
    else:  # an extreme is shared evenly by all who reach it
        at_self, at_source = x == out, y == xp.gather(out, z, dim)
        ones = xp.ones_like(g)
        mine = xp.where(at_self, ones, xp.zeros_like(g))
        if not include_self:
            mine = xp.scatter_value(mine, z, dim, 0)
        theirs = xp.where(at_source, xp.ones_like(y), xp.zeros_like(y))
        total = xp.scatter_add(mine, theirs, z, dim)
        share = g / xp.where(total == 0, ones, total)
        to_self, to_source = mine * share, theirs * xp.gather(share, z, dim)
    return (to_self if include_self else xp.scatter_value(to_self, z, dim, 0)), to_source


def _prod_rule(
    xp: Any, g: Any, x: Any, y: Any, z: Any, out: Any, dim: int, include_self: bool
) -> tuple:
    """Each factor gets the product of the others, zeros included: at most one may be zero."""
    ones, one = xp.ones_like(x), xp.ones_like(y)
    base = x if include_self else xp.scatter_value(x, z, dim, 1)
    safe_x, safe_y = xp.where(base == 0, ones, base), xp.where(y == 0, one, y)
    dead_x = xp.where(base == 0, ones, xp.zeros_like(x))
    dead_y = xp.where(y == 0, one, xp.zeros_like(y))
    product = xp.scatter_reduce(safe_x, safe_y, z, dim, "prod", True)  # of what is not zero
    zeros = xp.scatter_add(dead_x, dead_y, z, dim)
    others_x = xp.where(zeros - dead_x == 0, product / safe_x, xp.zeros_like(x))
    here = xp.gather(zeros, z, dim) - dead_y
    others_y = xp.where(here == 0, xp.gather(product, z, dim) / safe_y, xp.zeros_like(y))
    return g * others_x, xp.gather(g, z, dim) * others_y


def _reduce_jvp(xp: Any, xs: list, ts: list, out: Any, params: tuple) -> Any:
    """Push tangents forward: the transpose of the cotangents' rule, which is diagonal in blocks."""
    x, y, z = xs
    dim, reduce, include_self = params
    tx = xp.zeros_like(x) if ts[0] is None else ts[0]
    ty = xp.zeros_like(y) if ts[1] is None else ts[1]
    ones = xp.ones_like(out)
    wx, wy = _reduce_rule(xp, ones, x, y, z, out, dim, reduce, include_self)
    return xp.scatter_add(tx * wx, ty * wy, z, dim)


scatter_reduce_op = primitive("opaque", "scatter_reduce(x, y, z, *, dim, reduce, include_self)",
                              kernels.scatter_reduce, rules={"x, y": _reduce_rule},
                              jvp=_reduce_jvp)  # fmt: skip

utility("scatter_count", kernels.scatter_count,
        lambda x, z, dim, own: wrap(kernels.scatter_count(x._array, z._array, dim, own)))  # fmt: skip


def _add_kernel(x: np.ndarray, y: np.ndarray, z: np.ndarray, dim: int, alpha: Any) -> np.ndarray:
    out = np.array(x, np.float32 if x.dtype == np.float16 else None, order="C")
    if out.ndim == 0:
        out[...] += (y * alpha).sum()
    else:
        kernels.add_rows(out, dim, z, y if alpha == 1 else y * x.dtype.type(alpha))
    return out.astype(x.dtype, copy=False)


index_add_op = primitive("opaque", "index_add(x, y, z, *, dim, alpha)", _add_kernel,
                         x=lambda g: g,
                         y=lambda xp, g, y_spec, z, dim, alpha:
                             _times(_rows(xp, g, z, dim, y_spec.shape), alpha),
                         jvp=_linear("index_add", 2))  # fmt: skip


def _times(g: Any, alpha: Any) -> Any:
    return g if alpha == 1 else g * alpha


def _rows(xp: Any, g: Any, z: Any, dim: int, shape: tuple) -> Any:
    """index_select that knows 0-d tensors."""
    return xp.index_select(g, z, dim) if g.ndim else xp.expand(g, shape)


def _copy_kernel(x: np.ndarray, y: np.ndarray, z: np.ndarray, dim: int) -> np.ndarray:
    out = np.array(x, order="C")
    if out.ndim == 0:
        out[...] = y.reshape(-1)[-1] if y.size else out
    else:
        out[(*(slice(None),) * dim, z)] = y
    return out


index_copy_op = primitive("opaque", "index_copy(x, y, z, *, dim)", _copy_kernel,
                          x=lambda xp, g, z, dim: xp.index_fill(g, z, dim, 0),
                          y=lambda xp, g, y_spec, z, dim: _rows(xp, g, z, dim, y_spec.shape),
                          jvp=_linear("index_copy", 2))  # fmt: skip


def _fill_kernel(x: np.ndarray, y: np.ndarray, dim: int, value: Any) -> np.ndarray:
    out = np.array(x, order="C")
    if out.ndim == 0:
        if y.size:
            out[...] = value
    else:
        out[(*(slice(None),) * dim, y)] = value
    return out


index_fill_op = primitive("opaque", "index_fill(x, y, *, dim, value)", _fill_kernel,
                          x=lambda xp, g, y, dim: xp.index_fill(g, y, dim, 0),
                          jvp=lambda xp, xs, ts, out, params: xp.index_fill(ts[0], xs[1], params[0], 0))  # fmt: skip


def _put_kernel(x: np.ndarray, y: np.ndarray, z: np.ndarray, accumulate: bool) -> np.ndarray:
    out = np.array(x, order="C")
    kernels.put(out.reshape(-1), y, z, (0,), accumulate)
    return out


put_op = primitive("opaque", "put(x, y, z, *, accumulate)", _put_kernel,
                   x=lambda xp, g, z, accumulate: g if accumulate else xp.put(
                       g, xp.new_zeros(g, z.shape), z, False),
                   y=lambda xp, g, z: xp.take(g, z),
                   jvp=_linear("put", 2))  # fmt: skip


# ------------------------------------------------------------------- checks
def _index_tensor(index: Any, caller: str, position: int = 2) -> Any:
    check_tensor(index, caller, "index", position)
    return index._spec


def _long(index: Tensor) -> Tensor:
    """The index as int64: itself, if it is that already."""
    if index._spec.np.itemsize == 8:
        return index
    return wrap(index._array.astype(np.int64))


def _check(index: Tensor, n: int, message: Callable, negative: bool = False) -> None:
    kernels.check_bounds(index._array, n, message, negative)


def _along_dim(x: Any, dim: Any, index: Any, caller: str, src: Any = None) -> tuple[Tensor, Tensor, int]:
    """Check the arguments of gather and the scatters; return input, int64 index and dim."""
    s = spec_in(x, caller)
    d = wrap_dim(dim, s.ndim)
    t = _index_tensor(index, caller, 3)
    what = "input" if caller == "gather" else "self"
    if t.dtype.name not in ("int64", "int32"):
        name = "gather" if caller == "gather" else "scatter"
        raise RuntimeError(
            f"{name}(): Expected dtype int32/int64 for index (it has {t.dtype} here)"
        )
    if t.numel and max(t.ndim, 1) != max(s.ndim, 1):
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as {what} tensor"
        )
    if src is not None:
        u = src._spec
        if u.dtype is not s.dtype:
            raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
        if t.numel and max(t.ndim, 1) != max(u.ndim, 1):
            raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    if t.numel:
        shape, own = tuple(t.shape) or (1,), tuple(s.shape) or (1,)
        limit = None if src is None else tuple(src._spec.shape) or (1,)
        if any(n > own[k] for k, n in enumerate(shape) if k != d) or (
            limit is not None and any(n > m for n, m in zip(shape, limit, strict=True))
        ):
            raise kernels.mismatch(caller, shape, own, d, limit)
        n = own[d]
        _check(index, n, kernels.out_of_bounds(d, n))
    return x, _long(index), d


def _fitting(src: Tensor, index: Tensor) -> Tensor:
    """The part of a source that the index covers, in the shape of the index."""
    want = tuple(index._spec.shape)
    shape = tuple(src._spec.shape)
    if shape == want:
        return src
    if len(shape) != len(want):
        return reshape_any(src if src._spec.numel == 1 else src[:1], want)  # type: ignore[index]
    key = tuple([slice(0, n) for n in want])
    return pick_op(src, (*key, Ellipsis), "SliceBackward0")


# ------------------------------------------------------------------- reading
@public("torch", "Tensor", out=True)
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the items along `dim` that a vector of indices names, in its order.

    IndexError out of range; negative indices are not allowed.

    >>> import wengert as torch
    >>> torch.index_select(torch.arange(6).view(2, 3), 1, torch.tensor([2, 0]))
    tensor([[2, 0],
            [5, 3]])
    """
    s = spec_in(input, "index_select")
    t = _index_tensor(index, "index_select", 3)
    if t.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if t.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            f"index_select(): Expected dtype int32 or int64 for index (it has {t.dtype} here)"
        )
    d = wrap_dim(dim, s.ndim)
    n = s.shape[d] if s.ndim else 1

    def outside(i: int) -> IndexError:
        return IndexError(
            f"index out of range in self (index {i} is out of bounds for dimension {d} with size {n})"
        )

    _check(index, n, outside)
    at = _long(index)
    if s.ndim == 0:
        if t.numel != 1:
            raise RuntimeError(
                "index_select(): Index to scalar can have only 1 value, got "
                f"{t.numel} value(s)"
            )
        return reshape_any(index_select_op(view_op(input, (1,)), _vector(at), 0), ())
    at = _vector(at)
    if quiet((input, at)):
        return wrap(_select_kernel(input._array, at._array, d))
    return index_select_op(input, at, d)


def _vector(index: Tensor) -> Tensor:
    return index if index._spec.ndim == 1 else wrap(index._array.reshape(1))


@public("torch", "Tensor", out=True)
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Return out[i][j] = input[index[i][j]][j] (for dim 0), and so on for other dims.

    RuntimeError out of range; negative indices are not allowed.

    >>> import wengert as torch
    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    x, at, d = _along_dim(input, dim, index, "gather")
    if quiet((x, at)):
        return wrap(kernels.gather(x._array, at._array, d))
    return gather_op(x, at, d)


@public("torch", "Tensor")
def take(input: Tensor, index: Tensor) -> Tensor:
    """Return the elements at flat positions, in the shape of the index.

    >>> import wengert as torch
    >>> torch.take(torch.tensor([[4, 3], [2, 1]]), torch.tensor([0, -1]))
    tensor([4, 1])
    """
    s = spec_in(input, "take")
    _flat_index(index, s.numel, "take")
    return take_op(input, index)


def _flat_index(index: Any, n: int, caller: str) -> None:
    t = _index_tensor(index, caller)
    if t.dtype.name != "int64":
        raise RuntimeError(
            f"{caller}(): Expected a long tensor for index, but got {t.dtype.scalar_name}"
        )
    if n == 0 and t.numel:
        raise IndexError(f"{caller}(): tried to take from an empty tensor")

    def outside(i: int) -> IndexError:
        return IndexError(
            f"out of range: tried to access index {i} on a tensor of {n} elements."
        )

    _check(index, n, outside, negative=True)


@public("torch", "Tensor", out=True)
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Gather along a dim, broadcasting the other dims; flat without a dim.

    >>> import wengert as torch
    >>> x = torch.tensor([[3, 1, 2]])
    >>> torch.take_along_dim(x, torch.argsort(x, dim=1), dim=1)
    tensor([[1, 2, 3]])
    """
    s = spec_in(input, "take_along_dim")
    t = _index_tensor(indices, "take_along_dim")
    if t.dtype.name != "int64":
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got "
            f"{t.dtype.scalar_name}"
        )
    if dim is None:
        flat = reshape_any(input, (s.numel,))
        return gather(flat, 0, reshape_any(indices, (t.numel,)))
    if s.ndim != t.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {s.ndim} dimensions for input, and {t.ndim} dimensions for indices"
        )
    d = wrap_dim(dim, s.ndim)
    if not s.ndim:
        return gather(input, d, indices)
    one = lambda shape: (*shape[:d], 1, *shape[d + 1 :])  # noqa: E731
    shape = broadcast_shapes(one(tuple(s.shape)), one(tuple(t.shape)))
    wide, at = ((*shape[:d], k[d], *shape[d + 1 :]) for k in (s.shape, t.shape))
    x = input if s.shape == wide else expand_op(input, wide)
    return gather(x, d, indices if t.shape == at else expand_op(indices, at))


# ------------------------------------------------------------------- scattering
def _scatter(caller: str, input: Any, dim: Any, index: Any, src: Any) -> tuple:
    check_tensor(src, caller, "src", 4)
    x, at, d = _along_dim(input, dim, index, caller, src)
    return x, _fitting(src, at), at, d


@public("torch", "Tensor", inplace=True, out=True)
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
    reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """Return a copy with out[index[i][j]][j] = src[i][j] (for dim 0); `src` may be a number.

    `reduce` "add" or "multiply" combines instead of overwriting.

    >>> import wengert as torch
    >>> torch.zeros(3).scatter(0, torch.tensor([2]), 5.)
    tensor([0., 0., 5.])
    """
    if src is None:
        src = value
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if is_number(src):
        x, at, d = _along_dim(input, dim, index, "scatter")
        number = as_number(src, x._spec.dtype)
        if reduce is None:
            return scatter_value(x, at, d, number)
        src = wrap(np.full(at._spec.shape, number, x._spec.np))
        return scatter_reduce_op(x, src, at, d, "sum" if reduce == "add" else "prod", True)
    args = _scatter("scatter", input, dim, index, src)
    if reduce is None:
        return scatter_op(*args)
    return scatter_reduce_op(*args, "sum" if reduce == "add" else "prod", True)


@public("torch", "Tensor", inplace=True, out=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return a copy with src[i][j] added to out[index[i][j]][j] (for dim 0).

    >>> import wengert as torch
    >>> torch.zeros(2).scatter_add(0, torch.tensor([1, 1]), torch.tensor([1., 2.]))
    tensor([0., 3.])
    """
    return scatter_add_op(*_scatter("scatter_add", input, dim, index, src))


@public("torch", "Tensor", inplace=True, out=True)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Combine the source values that share an index: "sum", "prod", "mean", "amax" or "amin".

    With `include_self=False` the old values at these places take no part.

    >>> import wengert as torch
    >>> torch.zeros(2).scatter_reduce(0, torch.tensor([0, 0]), torch.tensor([1., 3.]), "mean", include_self=False)
    tensor([2., 0.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    args = _scatter("scatter_reduce", input, dim, index, src)
    return scatter_reduce_op(*args, reduce, include_self)


# ------------------------------------------------------------------- rows along a dim
def _rows_of(caller: str, x: Any, dim: Any, index: Any, source: Any, names: tuple, error: type) -> tuple:
    s, u = spec_in(x, caller), source._spec
    t = _index_tensor(index, caller, 3)
    if t.dtype.name not in names:
        raise _wrong_index(caller, t)
    d = wrap_dim(dim, s.ndim)
    if t.ndim > 1:
        raise IndexError(f"{caller}_(): Index should have dimension 1 or 0 (got {t.ndim})")
    rows = u.shape[d] if u.ndim else 1
    if rows != t.numel:
        colon = ": " if caller == "index_add" else " "
        tail = f", for dim: {d}" if caller == "index_add" else ""
        raise error(
            f"{caller}_(): Number of indices ({t.numel}) should be equal to "
            f"source.size(dim){colon}({rows}){tail}"
        )
    if s.dtype is not u.dtype:
        if caller == "index_add":
            raise RuntimeError(
                f"index_add_(): self ({s.dtype.scalar_name}) and source ({u.dtype.scalar_name}) "
                "must have the same scalar type"
            )
        raise RuntimeError(
            f"{caller}_(): self and source expected to have the same dtype, but got (self) "
            f"{s.dtype.scalar_name} and (source) {u.dtype.scalar_name}"
        )
    want = (*s.shape[:d], t.numel, *s.shape[d + 1 :]) if s.ndim else (1,)
    if tuple(u.shape) != want and not (u.ndim == 0 and count(want) == 1):
        raise error(
            f"{caller}_(): the source has shape {shown(u.shape)}; for an input of shape "
            f"{shown(s.shape)}, dim {d} and {t.numel} indices it should be {shown(want)}"
        )
    n = s.shape[d] if s.ndim else 1
    prefix = "" if caller == "index_add" else f"{caller}_(): "
    _check(index, n, kernels.out_of_bounds(d, n, error, prefix))
    if u.ndim == 0:
        source = view_op(source, want)
    return x, source, _vector(_long(index)), d


def _wrong_index(caller: str, t: Any) -> Exception:
    if caller == "index_add":
        return RuntimeError(
            f"index_add_(): Expected dtype int32/int64 for index but got: {t.dtype.scalar_name}"
        )
    if caller == "index_fill":
        return IndexError("index_fill_(): Expected dtype int64 for index.")
    return RuntimeError(
        f"{caller}_(): Expected a long tensor for index, but got {t.dtype.scalar_name}"
    )


@public("torch", "Tensor", out=True)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """Return a copy with the rows of `source`, times alpha, added to the rows that `index` names.

    >>> import wengert as torch
    >>> torch.zeros(2).index_add(0, torch.tensor([0, 0]), torch.tensor([1., 2.]))
    tensor([3., 0.])
    """
    check_tensor(source, "index_add", "source", 4)
    names = ("int64", "int32")
    args = _rows_of("index_add", input, dim, index, source, names, RuntimeError)
    return index_add_op(*args, alpha)


@public("Tensor")
def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """Add rows of `source`, times alpha, to the rows that `index` names, in place; return self."""
    check_tensor(source, "index_add_", "source", 4)
    a = self._array
    if a.flags.c_contiguous and a.ndim and a.dtype != np.float16 and direct(self, source):
        names = ("int64", "int32")
        _, u, y, d = _rows_of("index_add", self, dim, index, source, names, RuntimeError)
        rows = u._array if alpha == 1 else u._array * a.dtype.type(alpha)
        kernels.add_rows(a, d, y._array, rows.copy() if np.may_share_memory(a, rows) else rows)
        bump(self)
        return self
    return write(self, index_add, (dim, index, source), {"alpha": alpha}, copy_old=False)


@public("torch", "Tensor", inplace=True, out=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return a copy with the rows that `index` names replaced by those of `source`.

    >>> import wengert as torch
    >>> torch.zeros(3).index_copy(0, torch.tensor([2]), torch.tensor([5.]))
    tensor([0., 0., 5.])
    """
    check_tensor(source, "index_copy", "source", 4)
    return index_copy_op(*_rows_of("index_copy", input, dim, index, source, ("int64",), IndexError))


@public("torch", "Tensor", inplace=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return a copy with the rows that `index` names filled with a number or 0-d tensor.

    >>> import wengert as torch
    >>> torch.zeros(3).index_fill(0, torch.tensor([-1]), 5.)
    tensor([0., 0., 5.])
    """
    s = spec_in(input, "index_fill")
    t = _index_tensor(index, "index_fill", 3)
    if t.dtype.name != "int64":
        raise _wrong_index("index_fill", t)
    d = wrap_dim(dim, s.ndim)
    n = s.shape[d] if s.ndim else 1
    _check(index, n, kernels.out_of_bounds(d, n, IndexError), negative=True)
    at = _vector(index)
    if isinstance(value, Tensor):
        if value._spec.ndim:
            raise RuntimeError(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value._spec.ndim} dimension(s)."
            )
        if value._edge is not None:
            return _filled_with(input, d, at, value)
        value = value._array.item()
    if isinstance(value, complex) and not s.dtype.is_complex:
        raise RuntimeError(
            "index_fill_(): Converting complex Scalar to non-complex type is not supported"
        )
    return index_fill_op(input, at, d, as_number(value, s.dtype))


def _filled_with(x: Tensor, d: int, at: Tensor, value: Tensor) -> Tensor:
    """The form whose value has a gradient: the value stands in a source of its own."""
    s = x._spec
    if not s.ndim:
        return reshape_any(_filled_with(view_op(x, (1,)), 0, at, value), ())
    shape = (*s.shape[:d], at._spec.numel, *s.shape[d + 1 :])
    distinct = wrap(np.unique(kernels.wrapped(at._array, s.shape[d])))
    shape = (*s.shape[:d], distinct._spec.numel, *s.shape[d + 1 :])
    return index_copy_op(x, expand_op(value, shape), distinct, d)


@public("torch", "Tensor", inplace=True)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Return a copy with the elements of `source` written (or added) at flat positions.

    >>> import wengert as torch
    >>> torch.zeros(2, 2).put(torch.tensor([0, -1]), torch.tensor([1., 2.]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    s = spec_in(input, "put")
    check_tensor(source, "put", "source", 3)
    t = _index_tensor(index, "put")
    if t.numel != source._spec.numel:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source._spec.numel}, index.numel() = {t.numel}"
        )
    if source._spec.dtype is not s.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{s.dtype.scalar_name} and source.dtype = {source._spec.dtype.scalar_name}"
        )
    _flat_index(index, s.numel, "put_")
    return put_op(input, reshape_any(source, tuple(t.shape)), index, accumulate)
