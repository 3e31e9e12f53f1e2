"""Writing by index tensors: scatter and its kin, index_add, index_copy, index_fill, put.

Bounds are checked before anything is written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import determinism
from ..core.batching import composed
from ..core.define import plain, primitive
from ..core.inplace import bump, write
from ..core.op import ARRAYS
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import scatter as kernels
from ..kernels.dims import count, shown, wrap_dim
from . import index_batch
from .checking import check_tensor
from .gather import along_dim, as_long, as_vector, check_index, flat_index, index_tensor, linear_jvp
from .views import expand_op, pick_op, reshape_any, spec_in, view_op
from .write import as_number, direct, is_number

# ------------------------------------------------------------------- rows
scatter_op = primitive("opaque", "scatter(x, y, z, *, dim)", kernels.scatter,
                       x=lambda xp, g, z, dim: xp.scatter_value(g, z, dim, 0),
                       y=lambda xp, g, z, dim: xp.gather(g, z, dim),
                       jvp=linear_jvp("scatter", 2), batch=index_batch.lined_up(0))  # fmt: skip

scatter_value = primitive("opaque", "scatter_value(x, y, *, dim, value)",
                          lambda x, y, dim, value: kernels.scatter(x, value, y, dim),
                          node="ScatterBackward1",
                          x=lambda xp, g, y, dim: xp.scatter_value(g, y, dim, 0),
                          jvp=lambda xp, xs, ts, out, params: xp.scatter_value(ts[0], xs[1], params[0], 0),
                          batch=index_batch.lined_up(0))  # fmt: skip

scatter_add_op = primitive("opaque", "scatter_add(x, y, z, *, dim)", kernels.scatter_add,
                           x=lambda g: g,
                           y=lambda xp, g, z, dim: xp.gather(g, z, dim),
                           jvp=linear_jvp("scatter_add", 2), batch=index_batch.lined_up(0))  # fmt: skip


def _reduce_rule(
    xp: Any, g: Any, x: Any, y: Any, z: Any, out: Any, dim: int, reduce: str, include_self: bool
) -> tuple[Any, ...]:
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
) -> tuple[Any, ...]:
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


def _reduce_jvp(xp: Any, xs: list[Any], ts: list[Any], out: Any, params: tuple[Any, ...]) -> Any:
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
                              jvp=_reduce_jvp, batch=index_batch.lined_up(0))  # fmt: skip

# how many values meet: a constant
plain("scatter_count(x, y, *, dim, include_self)", kernels.scatter_count, promote=None,
      batch=index_batch.lined_up(0))  # fmt: skip


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
                         jvp=linear_jvp("index_add", 2), batch=composed(index_batch.add_rows))  # fmt: skip


def _times(g: Any, alpha: Any) -> Any:
    return g if alpha == 1 else g * alpha


def _rows(xp: Any, g: Any, z: Any, dim: int, shape: tuple[Any, ...]) -> Any:
    """index_select that knows 0-d tensors."""
    return xp.index_select(g, z, dim) if g.ndim else xp.expand(g, shape)


def _rows_key(dim: int, index: np.ndarray) -> tuple[Any, ...]:
    return (*(slice(None),) * dim, index)


def _copy_kernel(x: np.ndarray, y: np.ndarray, z: np.ndarray, dim: int) -> np.ndarray:
    out = np.array(x, order="C")
    if out.ndim == 0:
        out[...] = y.reshape(-1)[-1] if y.size else out
    else:
        out[_rows_key(dim, z)] = y
    return out


index_copy_op = primitive("opaque", "index_copy(x, y, z, *, dim)", _copy_kernel,
                          x=lambda xp, g, z, dim: xp.index_fill(g, z, dim, 0),
                          y=lambda xp, g, y_spec, z, dim: _rows(xp, g, z, dim, y_spec.shape),
                          jvp=linear_jvp("index_copy", 2), batch=composed(index_batch.copy_rows))  # fmt: skip


def _fill_kernel(x: np.ndarray, y: np.ndarray, dim: int, value: Any) -> np.ndarray:
    out = np.array(x, order="C")
    if out.ndim == 0:
        if y.size:
            out[...] = value
    else:
        out[_rows_key(dim, y)] = value
    return out


index_fill_op = primitive("opaque", "index_fill(x, y, *, dim, value)", _fill_kernel,
                          x=lambda xp, g, y, dim: xp.index_fill(g, y, dim, 0),
                          jvp=lambda xp, xs, ts, out, params: xp.index_fill(ts[0], xs[1], params[0], 0),
                          batch=composed(index_batch.fill_rows))  # fmt: skip


def _put_kernel(x: np.ndarray, y: np.ndarray, z: np.ndarray, accumulate: bool) -> np.ndarray:
    out = np.array(x, order="C")
    kernels.put(out.reshape(-1), y, z, (0,), accumulate)
    return out


put_op = primitive("opaque", "put(x, y, z, *, accumulate)", _put_kernel,
                   x=lambda xp, g, z, accumulate: g if accumulate else xp.put(
                       g, xp.new_zeros(g, z.shape), z, False),
                   y=lambda xp, g, z: xp.take(g, z),
                   jvp=linear_jvp("put", 2), batch=composed(index_batch.put))  # fmt: skip


# ------------------------------------------------------------------- scattering
def _fitting(src: Tensor, index: Tensor) -> Tensor:
    """The part of a source that the index covers, in the shape of the index."""
    want = tuple(index._spec.shape)
    shape = tuple(src._spec.shape)
    if shape == want:
        return src
    if len(shape) != len(want):
        return reshape_any(src if src._spec.numel == 1 else src[:1], want)
    key = tuple([slice(0, n) for n in want])
    return pick_op(src, (*key, Ellipsis), "SliceBackward0")


def _scatter(caller: str, input: Any, dim: Any, index: Any, src: Any) -> tuple[Any, ...]:
    check_tensor(src, caller, "src", 4)
    x, at, d = along_dim(input, dim, index, caller, src)
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
        x, at, d = along_dim(input, dim, index, "scatter")
        number = as_number(src, x._spec.dtype)
        if reduce is None:
            return scatter_value(x, at, d, number)
        src = wrap(np.full(at._spec.shape, number, x._spec.np))
        return scatter_reduce_op(x, src, at, d, "sum" if reduce == "add" else "prod", True)
    args = _scatter("scatter", input, dim, index, src)
    if reduce is None:
        return scatter_op(*args)
    return scatter_reduce_op(*args, "sum" if reduce == "add" else "prod", True)


@public("torch", "Tensor", out=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return a copy with src[i][j] added to out[index[i][j]][j] (for dim 0).

    >>> import wengert as torch
    >>> torch.zeros(2).scatter_add(0, torch.tensor([1, 1]), torch.tensor([1., 2.]))
    tensor([0., 3.])
    """
    return scatter_add_op(*_scatter("scatter_add", input, dim, index, src))


def _addable(a: np.ndarray) -> bool:
    return a.flags.c_contiguous and a.ndim > 0 and a.dtype != np.float16


@public("Tensor")
def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Add src[i][j] to self[index[i][j]][j] (for dim 0) in place; return self."""
    if direct(self, src, index) and _addable(self._array):
        a = self._array
        _, u, y, d = _scatter("scatter_add", self, dim, index, src)
        rows = u._array
        if y._spec.numel:
            rows = rows.copy() if np.may_share_memory(a, rows) else rows
            kernels.combine_along(a, rows, y._array, d)
            bump(self)
        return self
    return write(self, scatter_add, (dim, index, src), copy_old=False)


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
    d = args[0]._spec.dtype
    if (reduce == "mean" and d.category == 0) or (reduce in ("amax", "amin") and d.is_complex):
        raise NotImplementedError(
            f"\"scatter_gather_tensor_cpu_reduce_{reduce}\" not implemented for '{d.scalar_name}'"
        )
    return scatter_reduce_op(*args, reduce, include_self)


# ------------------------------------------------------------------- rows along a dim
def _rows_of(caller: str, x: Any, dim: Any, index: Any, source: Any, names: tuple[Any, ...], error: type) -> tuple[Any, ...]:
    s, u = spec_in(x, caller), source._spec
    t = index_tensor(index, caller, 3)
    if t.dtype.name not in names:
        raise _wrong_index(caller, t)
    d = wrap_dim(dim, s.ndim)
    if t.ndim > 1:
        raise IndexError(f"{caller}_(): Index should have dimension 1 or 0 (got {t.ndim})")
    rows = u.shape[d] if u.ndim else 1
    if rows != t.numel:
        added = caller in ("index_add", "index_reduce")
        colon, tail = (": ", f", for dim: {d}") if added else (" ", "")
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
    outside = kernels.out_of_bounds(d, n, error, prefix)
    if caller == "index_reduce":

        def outside(i: int) -> Exception:
            return IndexError(f"index out of range in self: {i} in a dim of size {n}")

    check_index(index, n, outside)
    if u.ndim == 0:
        source = view_op(source, want)
    return x, source, as_vector(as_long(index)), d


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
    a = self._array if direct(self, source, index) else None
    if a is not None and a.flags.c_contiguous and a.ndim and a.dtype != np.float16:
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
    t = index_tensor(index, "index_fill", 3)
    if t.dtype.name != "int64":
        raise _wrong_index("index_fill", t)
    d = wrap_dim(dim, s.ndim)
    n = s.shape[d] if s.ndim else 1
    check_index(index, n, kernels.out_of_bounds(d, n, IndexError), negative=True)
    at = as_vector(index)
    if isinstance(value, Tensor):
        if value._spec.ndim:
            raise RuntimeError(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value._spec.ndim} dimension(s)."
            )
        if value._edge is not None or not value._spec.plain:
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
    if not at._spec.plain:
        mask = index_fill_op(wrap(np.zeros(s.shape, np.bool_)), at, d, True)
        filled: Tensor = T.where(mask, T.cast(value, s.dtype), x)
        return filled
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
    if not accumulate:
        determinism.check("put_")
    s = spec_in(input, "put")
    check_tensor(source, "put", "source", 3)
    t = index_tensor(index, "put")
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
    flat_index(index, s.numel, "put_")
    return put_op(input, reshape_any(source, tuple(t.shape)), index, accumulate)


# ------------------------------------------------------------------- index_reduce
def _spread(xp: Any, z: Any, dim: int, shape: tuple[Any, ...]) -> Any:
    """A vector of indices as one for `scatter_reduce`, of the shape of the source."""
    lined = (1,) * dim + (-1,) + (1,) * (len(shape) - 1 - dim)
    return xp.expand(xp.reshape(z, lined), shape) if shape else xp.reshape(z, ())


index_reduce_op = primitive(
    "opaque", "index_reduce(x, y, z, *, dim, reduce, include_self)",
    lambda x, y, z, dim, reduce, own: kernels.scatter_reduce(
        x, y, _spread(ARRAYS, z, dim, y.shape), dim, reduce, own),
    rules={"x, y": lambda xp, g, x, y, z, out, dim, reduce, include_self: _reduce_rule(
        xp, g, x, y, _spread(xp, z, dim, y.shape), out, dim, reduce, include_self)},
    jvp=lambda xp, xs, ts, out, params: _reduce_jvp(
        xp, [*xs[:2], _spread(xp, xs[2], params[0], xs[1].shape)], ts, out, params),
    batch=composed(lambda xp, x, y, z, dim, reduce, own: xp.scatter_reduce(
        x, y, _spread(xp, z, dim, y.shape), dim, reduce, own)),
)  # fmt: skip


@public("torch", "Tensor", inplace=True, out=True)
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Combine rows of `source` with the rows that `index` names: "prod", "mean", "amax" or "amin".

    With `include_self=False` the old rows take no part.

    >>> import wengert as torch
    >>> x, source = torch.ones(2), torch.tensor([2., 5., 4.])
    >>> x.index_reduce(0, torch.tensor([0, 1, 0]), source, "prod")
    tensor([8., 5.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )
    check_tensor(source, "index_reduce", "source", 4)
    names = ("int64", "int32")
    args = _rows_of("index_reduce", input, dim, index, source, names, RuntimeError)
    return index_reduce_op(*args, reduce, bool(include_self))
