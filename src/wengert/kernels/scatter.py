"""Gathering and scattering by integer indices, with the bounds checked before anything is written.

NumPy's `add.at` is fast for flat indices only, and its fancy indexing copies through a general
iterator; so positions are made flat, and duplicates are told from the first occurrences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .dims import count, shown
from .layouts import packed
from .rows import as_rows, combine_rows

ndarray = np.ndarray
_FLOAT16 = np.dtype("f2")


# ------------------------------------------------------------------- bounds
def check_bounds(
    index: ndarray, n: int, message: Callable[[int], Exception], negative: bool = False
) -> None:
    """Raise `message(i)` for the first index outside 0..n-1 (from -n where `negative`)."""
    if index.size == 0:
        return
    if 0 in index.strides:  # look at an expanded index once
        index = index[tuple([slice(0, 1) if s == 0 else slice(None) for s in index.strides])]
    low = -n if negative else 0
    if not negative and index.dtype == np.int64:
        if index.view(np.uint64).max() < n:  # a negative index is a very large one
            return
    elif index.min() >= low and index.max() < n:
        return
    flat = index.reshape(-1)
    raise message(int(flat[(flat < low) | (flat >= n)][0]))


def out_of_bounds(dim: int, n: int, error: type = RuntimeError, prefix: str = "") -> Callable[..., Any]:
    """Return what makes PyTorch's error for an index that is out of bounds."""
    if n == 0 and error is IndexError and not prefix:
        return lambda i: IndexError("index is out of bounds for dimension with size 0")
    return lambda i: error(f"{prefix}index {i} is out of bounds for dimension {dim} with size {n}")


def wrapped(index: ndarray, n: int) -> ndarray:
    """Return indices counted from the front (they have been checked)."""
    return np.where(index < 0, index + n, index) if index.size and index.min() < 0 else index


# ------------------------------------------------------------------- rows: one index for a dim
def merged_shape(shape: tuple[Any, ...], dims: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the shape in which the adjacent dims `dims` are one."""
    return (*shape[: dims[0]], count([shape[d] for d in dims]), *shape[dims[-1] + 1 :])


def adjacent(dims: tuple[Any, ...]) -> bool:
    """Say whether dims follow each other."""
    return dims[-1] - dims[0] == len(dims) - 1


def front_order(ndim: int, dims: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the permutation that brings `dims` to the front."""
    return (*dims, *[d for d in range(ndim) if d not in dims])


def index(x: ndarray, y: ndarray, dims: tuple[Any, ...]) -> ndarray:
    """Return x at flat positions `y` of the dims `dims` taken together.

    The dims of `y` stand where `dims` were if these are adjacent, else in front.
    """
    if not adjacent(dims):
        order = front_order(x.ndim, dims)
        x, dims = x.transpose(order), tuple(range(len(dims)))
    d = dims[0]
    try:
        if len(dims) == 1:
            return x.take(y, d) if x.flags.c_contiguous else _fancy(x, d, y)
        if x.flags.c_contiguous:
            return x.reshape(merged_shape(x.shape, dims)).take(y, d)
        return _fancy(x, d, np.unravel_index(y, [x.shape[k] for k in dims]))
    except IndexError:
        n = count([x.shape[k] for k in dims])
        check_bounds(y, n, out_of_bounds(0, n, IndexError), negative=True)
        raise


def _fancy(x: ndarray, dim: int, y: Any) -> ndarray:
    key = (slice(None),) * dim + (y if y.__class__ is tuple else (y,))
    out = x[key]
    return out if out.flags.c_contiguous else np.ascontiguousarray(out)


def index_backward(g: ndarray, y: ndarray, shape: tuple[Any, ...], dims: tuple[Any, ...]) -> ndarray:
    """Add the rows of `g` up at the positions `y`: the transpose of `index`."""
    if not adjacent(dims):
        order = front_order(len(shape), dims)
        out = index_backward(g, y, tuple([shape[d] for d in order]), tuple(range(len(dims))))
        return out.transpose(np.argsort(order))
    whole = merged_shape(shape, dims)
    d = dims[0]
    out = np.zeros(whole, np.float32 if g.dtype == _FLOAT16 else g.dtype)
    rows = g.reshape((*whole[:d], y.size, *whole[d + 1 :]))
    add_rows(out, d, wrapped(y.reshape(-1), whole[d]), rows)
    return out.astype(g.dtype, copy=False).reshape(shape)


def add_rows(out: ndarray, dim: int, at: ndarray, rows: ndarray) -> None:
    """out[.., at[k], ..] += rows[.., k, ..] for every k; `at` is checked and not negative."""
    combine_rows(out, dim, at, rows)


def put(
    out: ndarray, v: ndarray, y: ndarray, dims: tuple[Any, ...], accumulate: bool
) -> None:
    """Write (or add) `v`, of the shape that `index` returns, into `out` at the positions `y`."""
    if not adjacent(dims):
        out = out.transpose(front_order(out.ndim, dims))
        dims = tuple(range(len(dims)))
    d = dims[0]
    lead: tuple[Any, ...] = (slice(None),) * d
    if accumulate:
        if out.flags.c_contiguous:
            whole = merged_shape(out.shape, dims)
            rows = np.broadcast_to(v, (*whole[:d], *y.shape, *whole[d + 1 :]))
            rows = rows.reshape((*whole[:d], y.size, *whole[d + 1 :]))
            add_rows(out.reshape(whole), d, wrapped(y.reshape(-1), whole[d]), rows)
        else:
            np.add.at(out, (*lead, *np.unravel_index(y, [out.shape[k] for k in dims])), v)
    elif len(dims) == 1:
        out[(*lead, y)] = v
    elif out.flags.c_contiguous:
        out.reshape(merged_shape(out.shape, dims))[(*lead, y)] = v
    else:
        out[(*lead, *np.unravel_index(y, [out.shape[k] for k in dims]))] = v


def index_put(x: ndarray, v: ndarray, y: ndarray, dims: tuple[Any, ...], accumulate: bool) -> ndarray:
    """Return a copy of x with `v` written (or added) at the positions `y`."""
    out = x.copy()
    put(out, v, y, dims, accumulate)
    return out


# ------------------------------------------------------------------- along a dim: gather, scatter
def along(index: ndarray, shape: tuple[Any, ...], dim: int) -> ndarray:
    """Return the flat positions, in an array of that shape, that `index` names along `dim`."""
    ndim, inner = len(shape), count(shape[dim + 1 :])
    at = index if inner == 1 else index * inner
    step = 1
    for k in range(ndim - 1, -1, -1):
        n = index.shape[k]
        if k != dim and n != 1:
            at = at + (np.arange(n) * step).reshape((n,) + (1,) * (ndim - 1 - k))
        step *= shape[k]
    return at


def _flat(index: ndarray, shape: tuple[Any, ...], dim: int) -> ndarray:
    """`along`, which 0-d arrays and empty indices need not go through."""
    if not shape or index.ndim == 0 or index.size == 0:
        return index
    return along(index, shape, dim)


def _places(index: ndarray, shape: tuple[Any, ...], dim: int) -> tuple[Any, ...]:
    """Return the key of fancy indexing that names the same elements as `along`."""
    return tuple(
        [
            index if k == dim else np.arange(n).reshape((-1,) + (1,) * (len(shape) - 1 - k))
            for k, n in enumerate(index.shape)
        ]
    )


def gather(x: ndarray, index: ndarray, dim: int) -> ndarray:
    """Return out[.., k, ..] = x[.., index[.., k, ..], ..] along `dim`."""
    if x.ndim == 0:
        return x.reshape(1).take(index)
    if index.ndim == 0 or index.size == 0:
        return x.reshape(-1).take(index)
    at = as_rows(index, dim)
    if at is not None:
        return x[_inside(index, dim)].take(at, dim)
    if x.flags.c_contiguous:
        return x.reshape(-1).take(along(index, x.shape, dim))
    return packed(x[_places(index, x.shape, dim)])


def _inside(index: ndarray, dim: int) -> tuple[Any, ...]:
    """Return the key of the part, whole along `dim`, that an index can reach."""
    return tuple([slice(None) if k == dim else slice(0, n) for k, n in enumerate(index.shape)])


def gather_backward(g: ndarray, index: ndarray, dim: int, shape: tuple[Any, ...]) -> ndarray:
    """Add `g` up at the places it was gathered from."""
    out = np.zeros(shape, np.float32 if g.dtype == _FLOAT16 else g.dtype)
    combine_along(out, g, index, dim)
    return out.astype(g.dtype, copy=False)


def combine_along(out: ndarray, g: ndarray, index: ndarray, dim: int, ufunc: Any = np.add) -> None:
    """out = ufunc(out, g) at the places that `index` names along `dim`; `out` is contiguous."""
    flat = out.reshape(-1)
    if out.ndim == 0 or index.ndim == 0 or index.size == 0:
        ufunc.at(flat, index.reshape(-1), g.reshape(-1))
        return
    rows = as_rows(index, dim)
    if rows is not None:
        combine_rows(out[_inside(index, dim)], dim, rows, g, ufunc)
        return
    at = along(index, out.shape, dim)
    if index.shape[dim] == 1:  # nothing can meet: the max of a row, the label of an item
        flat[at] = ufunc(flat[at], g)
    else:
        ufunc.at(flat, at.reshape(-1), g.reshape(-1).astype(out.dtype, copy=False))


def scatter(x: ndarray, src: Any, index: ndarray, dim: int) -> ndarray:
    """Return a copy of x with `src` (an array or a number) written along `dim` at `index`."""
    out = np.array(x, order="C")
    out.reshape(-1)[_flat(index, x.shape, dim)] = src
    return out


def scatter_add(x: ndarray, src: ndarray, index: ndarray, dim: int) -> ndarray:
    """Return a copy of x with `src` added along `dim` at `index`."""
    half = x.dtype == _FLOAT16
    out = np.array(x, np.float32 if half else None, order="C")
    combine_along(out, src, index, dim)
    return out.astype(x.dtype) if half else out


_REDUCE = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def _identity(reduce: str, d: np.dtype) -> Any:
    if reduce == "prod":
        return 1
    low = reduce == "amax"
    if d.kind == "f":
        return -np.inf if low else np.inf
    if d.kind == "b":
        return not low
    return np.iinfo(d).min if low else np.iinfo(d).max


def scatter_reduce(
    x: ndarray, src: ndarray, index: ndarray, dim: int, reduce: str, include_self: bool
) -> ndarray:
    """Combine `src` along `dim` at `index` with x (or with each other only): sum, mean, prod ..."""
    if reduce in ("sum", "mean"):
        base = x if include_self else scatter(x, 0, index, dim)
        out = scatter_add(base, src, index, dim)
        if reduce == "sum":
            return out
        n = _met(x.shape, index, dim, include_self)
        if x.dtype.kind in "iu":
            return (out // n).astype(x.dtype)
        return (out / n.astype(x.dtype)).astype(x.dtype, copy=False)
    out = np.array(x, order="C") if include_self else scatter(x, _identity(reduce, x.dtype), index, dim)
    combine_along(out, src, index, dim, _REDUCE[reduce])
    return out


def _met(shape: tuple[Any, ...], index: ndarray, dim: int, include_self: bool) -> ndarray:
    """Return how many values meet at every place; 1 where none does."""
    rows = as_rows(index, dim)
    if rows is not None and all(n == m or k == dim for k, (n, m) in enumerate(zip(index.shape, shape, strict=True))):
        n = np.maximum(np.bincount(rows, minlength=shape[dim]) + int(include_self), 1)
        return np.broadcast_to(n.reshape((-1,) + (1,) * (len(shape) - 1 - dim)), shape)
    n = np.full(shape, int(include_self), np.intp)
    flat = n.reshape(-1)
    np.add.at(flat, _flat(index, shape, dim).reshape(-1), 1)
    np.maximum(flat, 1, out=flat)
    return n


def scatter_count(x: ndarray, index: ndarray, dim: int, include_self: bool) -> ndarray:
    """Return how many values meet at every place, in x's dtype; 1 where none does."""
    return _met(x.shape, index, dim, include_self).astype(x.dtype)


# ------------------------------------------------------------------- masks
def masked_select(x: ndarray, mask: ndarray) -> ndarray:
    """Return the elements where the mask, of x's shape, is set (flat positions beat x[mask])."""
    return x.reshape(-1).take(np.flatnonzero(mask))


def masked_select_backward(g: ndarray, mask: ndarray) -> ndarray:
    """Return zeros of the mask's shape with `g` written where it is set."""
    out = np.zeros(mask.shape, g.dtype)
    out.reshape(-1)[np.flatnonzero(mask)] = g
    return out


def masked_scatter(x: ndarray, source: ndarray, mask: ndarray) -> ndarray:
    """Return a copy of x with `source` written, in order, where the mask is set."""
    out = np.array(x, order="C")
    out.reshape(-1)[np.flatnonzero(mask)] = source
    return out


def mismatch(what: str, index: tuple[Any, ...], self: tuple[Any, ...], dim: int, src: tuple[Any, ...] | None) -> RuntimeError:
    """The error for an index that is larger than what it indexes."""
    if what == "gather":
        k = next(k for k, n in enumerate(index) if k != dim and n > self[k])
        return RuntimeError(
            f"Size does not match at dimension {k} expected index {shown(index)} to be no larger "
            f"than self {shown(self)} apart from dimension {dim}"
        )
    more = "" if src is None else f" and to be no larger size than src {shown(src)}"
    return RuntimeError(
        f"Expected index {shown(index)} to be no larger than self {shown(self)} apart from "
        f"dimension {dim}{more}"
    )
