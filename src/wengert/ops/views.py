"""The rows of views: the same memory under another shape, and what undoes them in backward.

A view shares memory, version counter and history with its base; see core/cold.py (`note_view`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import along, composed, in_front, unchanged, with_rank
from ..core.define import primitive, utility
from ..core.dual import example, innermost
from ..core.op import ARRAYS, fit
from ..core.op import TENSORS as T
from ..core.record import view1
from ..core.tensor import Tensor, wrap
from ..kernels import dims, layouts, strides
from ..kernels.dims import shown
from .checking import check_tensor

_VIEW_REFUSED = (
    "view size is not compatible with input tensor's size and stride (at least one dimension spans "
    "across two contiguous subspaces). Use .reshape(...) instead."
)


def spec_in(x: Any, caller: str) -> Any:
    """Return the spec of an argument that must be a tensor."""
    try:
        return x._spec
    except AttributeError:
        check_tensor(x, caller)
        raise


# ------------------------------------------------------------------- rows
def _view_kernel(x: np.ndarray, shape: tuple[Any, ...]) -> np.ndarray:
    if x.flags.c_contiguous:
        return x.reshape(shape)
    try:
        return x.reshape(shape, copy=False)
    except ValueError:
        raise RuntimeError(
            f"{_VIEW_REFUSED} The tensor has shape {shown(x.shape)} and strides "
            f"{shown(strides.element_strides(x))}, wanted is {shown(shape)}."
        ) from None


# ------------------------------------------------------------------- batching rules
def _permute_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    return T.permute(xs[0], (0, *[d + 1 for d in params[0]]))


def _t_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    return T.transpose(xs[0], 1, 2) if xs[0].ndim == 3 else T.alias(xs[0])


def _squeeze_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    x, dims = xs[0], params[0]
    sizes = x.shape[1:]
    given = range(len(sizes)) if dims is None else (dims,) if dims.__class__ is int else dims
    ones = tuple([d + 1 for d in given if d < len(sizes) and sizes[d] == 1])
    return T.squeeze(x, ones)


def _unsqueeze_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    dim = params[0]
    return T.unsqueeze(xs[0], dim + 1 if dim >= 0 else dim)


def _expand_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    x, shape = xs[0], params[0]
    return T.expand(with_rank(x, True, len(shape)), (x.shape[0], *shape))


_ALL = slice(None)


def _pick_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    return T.pick(xs[0], (_ALL, *params[0]), params[1])


def _unpick_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    return T.unpick(xs[0], (xs[0].shape[0], *params[0]), (_ALL, *params[1]))


def _windows_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    x, (dim, size, step) = xs[0], params
    if x.ndim == 1:  # an example without dims has one window: itself, or nothing
        return T.slice(T.unsqueeze(x, 1), 1, slice(0, size, 1))
    return T.unfold(x, dim + 1, size, step)


def _windows_backward_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    g, (shape, dim, size, step) = xs[0], params
    if not shape:
        return T.sum(g, (1,), False)
    return T.unfold_backward(g, (g.shape[0], *shape), dim + 1, size, step)


def _strided_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    """One more dim: the step from example to example in memory."""
    x, (size, stride, shift, (shape, steps, start)) = xs[0], params
    count, step = x.shape[0], strides.element_strides(example(x))[0]
    geometry = ((count, *shape), (step, *steps), start)
    return op.call(x, (count, *size), (step, *stride), shift, geometry)


def _restrided(xp: Any, g: Any, source: Any, target: Any, shared: Any) -> Any:
    """The same in ops: add up at some positions of a storage, read at others."""
    into, read, seen = strides.storage_plan(source, target, shared)
    if shared == source:
        g = g / wrap(seen[into].astype(g._spec.np))
    empty, flat = xp.new_zeros(g, (len(seen),)), xp.reshape(g, (into.size,))
    storage = xp.index_add(empty, flat, wrap(into.reshape(-1)), 0, 1)
    out = xp.reshape(xp.index_select(storage, wrap(read.reshape(-1)), 0), tuple(read.shape))
    return out / wrap(seen[read].astype(g._spec.np)) if shared == target else out


# ------------------------------------------------------------------- the ops
view_op = primitive("linear", "view(x, *, shape)", _view_kernel, view=True,
                    x=lambda xp, g, x_spec: xp.reshape(g, x_spec.shape),
                    jvp=lambda xp, xs, ts, out, params: xp.reshape(ts[0], params[0]),
                     batch=in_front("shape"))  # fmt: skip

unsafe_view = primitive("linear", "unsafe_view(x, *, shape)", lambda x, shape: x.reshape(shape),
                        x=lambda xp, g, x_spec: xp.reshape(g, x_spec.shape),
                     batch=in_front("shape"))  # fmt: skip

clone_op = primitive("linear", "clone(x, *, order)", lambda x, order: _clone_kernel(x, order),
                     x=lambda g: g,
                     batch=unchanged)  # fmt: skip

permute_op = primitive("linear", "permute(x, *, dims)", lambda x, dims: x.transpose(dims), view=True,
                       x=lambda xp, g, dims: xp.permute(g, _inverse(dims)),
                     batch=_permute_batch)  # fmt: skip

transpose_op = primitive("linear", "transpose(x, *, dim0, dim1)",
                         lambda x, dim0, dim1: x.swapaxes(dim0, dim1), view=True,
                         x=lambda xp, g, dim0, dim1: xp.transpose(g, dim0, dim1),
                     batch=along("dim0", "dim1"))  # fmt: skip

t_op = primitive("linear", "t(x)", lambda x: x.T, view=True,
                 x=lambda xp, g: xp.t(g),
                     batch=_t_batch)  # fmt: skip

squeeze_op = primitive("linear", "squeeze(x, *, dims)", lambda x, dims: _squeeze_kernel(x, dims),
                       view=True, node=lambda rest: _squeeze_name(rest[0]),
                       x=lambda xp, g, x_spec: xp.reshape(g, x_spec.shape),
                     batch=_squeeze_batch)  # fmt: skip

unsqueeze_op = primitive("linear", "unsqueeze(x, *, dim)", lambda x, dim: _unsqueeze_kernel(x, dim),
                         view=True,
                         x=lambda xp, g, x_spec: xp.reshape(g, x_spec.shape),
                     batch=_unsqueeze_batch)  # fmt: skip

expand_op = primitive("linear", "expand(x, *, shape)", strides.expand, view=True,
                      x=lambda g, x_spec: fit(g, x_spec),
                     batch=_expand_batch)  # fmt: skip

# one row each for the pieces of an index; a key of several pieces is one view too
select_op = primitive("linear", "select(x, *, dim, index)",
                      lambda x, dim, index: x[at_dim(dim, index)] if dim else x[index, ...], view=True,
                      x=lambda xp, g, x_spec, dim, index: xp.unpick(g, x_spec.shape, at_dim(dim, index)),
                     batch=along("dim"))  # fmt: skip

slice_op = primitive("linear", "slice(x, *, dim, piece)",
                     lambda x, dim, piece: x[at_dim(dim, piece)] if dim else x[piece], view=True,
                     x=lambda xp, g, x_spec, dim, piece: xp.unpick(g, x_spec.shape, at_dim(dim, piece)),
                     batch=along("dim"))  # fmt: skip

pick_op = primitive("linear", "pick(x, *, key, name)", lambda x, key, name: _pick_kernel(x, key), view=True,
                    node=lambda rest: rest[1],
                    x=lambda xp, g, x_spec, key: xp.unpick(g, x_spec.shape, key),
                     batch=_pick_batch)  # fmt: skip

unpick = primitive("linear", "unpick(x, *, shape, key)", lambda x, shape, key: _unpick_kernel(x, shape, key),
                   x=lambda xp, g, key: xp.pick(g, key, "SliceBackward0"),
                     batch=_unpick_batch)  # fmt: skip

diagonal_op = primitive("linear", "diagonal(x, *, offset, dim1, dim2)",
                        lambda x, offset, dim1, dim2: _writable_diagonal(x, offset, dim1, dim2),
                        view=True,
                        x=lambda xp, g, x_spec, offset, dim1, dim2:
                            xp.diagonal_backward(g, x_spec.shape, offset, dim1, dim2),
                     batch=along("dim1", "dim2"))  # fmt: skip

diagonal_backward = primitive("linear", "diagonal_backward(x, *, shape, offset, dim1, dim2)",
                              lambda x, shape, offset, dim1, dim2: _undiagonal(x, shape, offset, dim1, dim2),
                              x=lambda xp, g, offset, dim1, dim2: xp.diagonal(g, offset, dim1, dim2),
                     batch=in_front("shape", dims=("dim1", "dim2")))  # fmt: skip

unfold_op = primitive("linear", "unfold(x, *, dim, size, step)", strides.windows, view=True,
                      x=lambda xp, g, x_spec, dim, size, step:
                          xp.unfold_backward(g, x_spec.shape, dim, size, step),
                     batch=_windows_batch)  # fmt: skip

unfold_backward = primitive("linear", "unfold_backward(x, *, shape, dim, size, step)", strides.add_windows,
                            x=lambda xp, g, dim, size, step: xp.unfold(g, dim, size, step),
                     batch=_windows_backward_batch)  # fmt: skip

as_strided_op = primitive("linear", "as_strided(x, *, size, stride, shift, geometry)",
                          lambda x, size, stride, shift, geometry: strides.as_strided(x, size, stride, shift),
                          view=True, batch=_strided_batch,
                          x=lambda xp, g, size, stride, shift, geometry:
                              xp.restride(g, (size, stride, shift), geometry, geometry),
                          jvp=lambda xp, xs, ts, out, params:
                              xp.restride(ts[0], params[3], params[:3], params[3]))  # fmt: skip

restride = primitive("linear", "restride(x, *, source, target, shared)", strides.restride,
                     batch=composed(_restrided),
                     x=lambda xp, g, source, target, shared: xp.restride(g, target, source, shared))  # fmt: skip

alias = primitive("linear", "alias(x)", lambda x: x[...], view=True,
                  x=lambda g: g,
                     batch=unchanged)  # fmt: skip


_VIEW = view_op.op


def _clone_kernel(x: np.ndarray, order: Any) -> np.ndarray:
    if len(order) > 1:  # the name of a memory format
        out = layouts.empty(x.shape, x.dtype, order)
        out[...] = x
        return out
    # NumPy's "K" would lay out an expanded array by its zero strides
    return x.copy("C" if order == "K" and 0 in x.strides else order)


def _inverse(order: tuple[Any, ...]) -> tuple[Any, ...]:
    back = [0] * len(order)
    for k, d in enumerate(order):
        back[d] = k
    return tuple(back)


def _squeeze_kernel(x: np.ndarray, dims: Any) -> np.ndarray:
    if dims is None:
        return x.squeeze()
    if dims.__class__ is int:
        dims = (dims,)
    return x.squeeze(tuple([d for d in dims if x.ndim and x.shape[d] == 1]))


def _squeeze_name(dims: Any) -> str:
    return f"SqueezeBackward{0 if dims is None else 1 if dims.__class__ is int else 2}"


def _unsqueeze_kernel(x: np.ndarray, dim: int) -> np.ndarray:
    shape = x.shape
    if dim < 0:
        dim += len(shape) + 1
    return x.reshape((*shape[:dim], 1, *shape[dim:]))


def at_dim(dim: int, piece: Any) -> tuple[Any, ...]:
    """Return the key that applies an int or a slice at one dim; the result stays an array."""
    return (*(slice(None),) * dim, piece, Ellipsis)


def _pick_kernel(x: np.ndarray, key: tuple[Any, ...]) -> np.ndarray:
    out = x[key]
    # NumPy gives new dims stride 0, which would look like an expanded tensor; reshape does not
    return out.squeeze().reshape(out.shape) if None in key and 0 in out.strides else out


def _unpick_kernel(g: np.ndarray, shape: tuple[Any, ...], key: tuple[Any, ...]) -> np.ndarray:
    out = np.zeros(shape, g.dtype)
    out[key] = g
    return out


def _writable_diagonal(x: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
    """NumPy's diagonal is read-only; this one is a plain view."""
    s1, s2 = x.strides[dim1], x.strides[dim2]
    n, m = x.shape[dim1], x.shape[dim2]
    size = max(min(n + min(offset, 0), m - max(offset, 0)), 0)
    rest = [d for d in range(x.ndim) if d not in (dim1, dim2)]
    shape = (*[x.shape[d] for d in rest], size)
    if dims.count(shape) == 0:
        return np.empty(shape, x.dtype)
    start = strides.address(x) - strides.address(strides.owner(x))
    start += -offset * s1 if offset < 0 else offset * s2
    return strides.laid_over(x, shape, (*[x.strides[d] for d in rest], s1 + s2), start)


def _undiagonal(g: np.ndarray, shape: tuple[Any, ...], offset: int, dim1: int, dim2: int) -> np.ndarray:
    out = np.zeros(shape, g.dtype)
    _writable_diagonal(out, offset, dim1, dim2)[...] = g
    return out


# ------------------------------------------------------------------- what rules may use besides
def reshape_any(x: Tensor, shape: tuple[Any, ...]) -> Tensor:
    """Return x under a shape that is known to fit: a view where strides allow, else a copy."""
    a = x._array if x._spec.plain else innermost(x)
    if not a.flags.c_contiguous:
        try:
            a.reshape((*a.shape[: a.ndim - x._spec.ndim], *shape), copy=False)  # a batch stands in front
        except ValueError:
            return unsafe_view(clone_op(x, "C"), shape)
    return view1(_VIEW, x, (shape,))


def _narrow_array(x: np.ndarray, dim: int, start: int, length: int) -> np.ndarray:
    return x[at_dim(dim + x.ndim if dim < 0 else dim, slice(start, start + length))]


utility("reshape", lambda x, shape: x.reshape(shape), reshape_any)
utility("swapaxes", ARRAYS.transpose, transpose_op)
utility("narrow", _narrow_array,
        lambda x, dim, start, length: slice_op(x, dim % x.ndim, slice(start, start + length)))  # fmt: skip
utility("unexpand", lambda g, shape: fit(g, _Shape(shape, g)), lambda g, shape: fit(g, _Shape(shape, g)))


class _Shape:
    """As much of a Spec as `fit` reads: a wanted shape, the dtype as it is."""

    __slots__ = ("dtype", "np", "shape")

    def __init__(self, shape: tuple[Any, ...], g: Any) -> None:
        self.shape = shape
        self.dtype = self.np = g.dtype
