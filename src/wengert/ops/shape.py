"""Views: the same memory under another shape. Nothing here copies, except `reshape` where it must.

A view shares memory, version counter and history with its base; see core/record.py (`note_view`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.define import primitive, utility
from ..core.layout import check_format, contiguous_format, preserve_format
from ..core.op import ARRAYS, TENSORS, fit
from ..core.record import view1
from ..core.registry import public
from ..core.size import Size
from ..core.spec import spec_of
from ..core.tensor import Tensor
from ..kernels import dims, dtypes, layouts, strides
from ..kernels.dims import as_int, as_ints, infer_size, shown, wrap_dim, wrap_dims
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
def _view_kernel(x: np.ndarray, shape: tuple) -> np.ndarray:
    if x.flags.c_contiguous:
        return x.reshape(shape)
    try:
        return x.reshape(shape, copy=False)
    except ValueError:
        raise RuntimeError(
            f"{_VIEW_REFUSED} The tensor has shape {shown(x.shape)} and strides "
            f"{shown(strides.element_strides(x))}, wanted is {shown(shape)}."
        ) from None


view_op = primitive("linear", "view(x, *, shape)", _view_kernel, view=True,
                    x=lambda xp, g, x_spec: xp.reshape(g, x_spec.shape),
                    jvp=lambda xp, xs, ts, out, params: xp.reshape(ts[0], params[0]))  # fmt: skip

unsafe_view = primitive("linear", "unsafe_view(x, *, shape)", lambda x, shape: x.reshape(shape),
                        x=lambda xp, g, x_spec: xp.reshape(g, x_spec.shape))  # fmt: skip

clone_op = primitive("linear", "clone(x, *, order)", lambda x, order: _clone_kernel(x, order),
                     x=lambda g: g)  # fmt: skip

permute_op = primitive("linear", "permute(x, *, dims)", lambda x, dims: x.transpose(dims), view=True,
                       x=lambda xp, g, dims: xp.permute(g, _inverse(dims)))  # fmt: skip

transpose_op = primitive("linear", "transpose(x, *, dim0, dim1)",
                         lambda x, dim0, dim1: x.swapaxes(dim0, dim1), view=True,
                         x=lambda xp, g, dim0, dim1: xp.transpose(g, dim0, dim1))  # fmt: skip

t_op = primitive("linear", "t(x)", lambda x: x.T, view=True,
                 x=lambda xp, g: xp.t(g))  # fmt: skip

squeeze_op = primitive("linear", "squeeze(x, *, dims)", lambda x, dims: _squeeze_kernel(x, dims),
                       view=True, node=lambda rest: _squeeze_name(rest[0]),
                       x=lambda xp, g, x_spec: xp.reshape(g, x_spec.shape))  # fmt: skip

unsqueeze_op = primitive("linear", "unsqueeze(x, *, dim)", lambda x, dim: _unsqueeze_kernel(x, dim),
                         view=True,
                         x=lambda xp, g, x_spec: xp.reshape(g, x_spec.shape))  # fmt: skip

expand_op = primitive("linear", "expand(x, *, shape)", strides.expand, view=True,
                      x=lambda g, x_spec: fit(g, x_spec))  # fmt: skip

# one row each for the pieces of an index; a key of several pieces is one view too
select_op = primitive("linear", "select(x, *, dim, index)",
                      lambda x, dim, index: x[at_dim(dim, index)] if dim else x[index, ...], view=True,
                      x=lambda xp, g, x_spec, dim, index: xp.unpick(g, x_spec.shape, at_dim(dim, index)))  # fmt: skip

slice_op = primitive("linear", "slice(x, *, dim, piece)",
                     lambda x, dim, piece: x[at_dim(dim, piece)] if dim else x[piece], view=True,
                     x=lambda xp, g, x_spec, dim, piece: xp.unpick(g, x_spec.shape, at_dim(dim, piece)))  # fmt: skip

pick_op = primitive("linear", "pick(x, *, key, name)", lambda x, key, name=None: x[key], view=True,
                    node=lambda rest: rest[1],
                    x=lambda xp, g, x_spec, key: xp.unpick(g, x_spec.shape, key))  # fmt: skip

unpick = primitive("linear", "unpick(x, *, shape, key)", lambda x, shape, key: _unpick_kernel(x, shape, key),
                   x=lambda xp, g, key: xp.pick(g, key, "SliceBackward0"))  # fmt: skip

diagonal_op = primitive("linear", "diagonal(x, *, offset, dim1, dim2)",
                        lambda x, offset, dim1, dim2: _writable_diagonal(x, offset, dim1, dim2),
                        view=True,
                        x=lambda xp, g, x_spec, offset, dim1, dim2:
                            xp.diagonal_backward(g, x_spec.shape, offset, dim1, dim2))  # fmt: skip

diagonal_backward = primitive("linear", "diagonal_backward(x, *, shape, offset, dim1, dim2)",
                              lambda x, shape, offset, dim1, dim2: _undiagonal(x, shape, offset, dim1, dim2),
                              x=lambda xp, g, offset, dim1, dim2: xp.diagonal(g, offset, dim1, dim2))  # fmt: skip

unfold_op = primitive("linear", "unfold(x, *, dim, size, step)", strides.windows, view=True,
                      x=lambda xp, g, x_spec, dim, size, step:
                          xp.unfold_backward(g, x_spec.shape, dim, size, step))  # fmt: skip

unfold_backward = primitive("linear", "unfold_backward(x, *, shape, dim, size, step)", strides.add_windows,
                            x=lambda xp, g, dim, size, step: xp.unfold(g, dim, size, step))  # fmt: skip

as_strided_op = primitive("linear", "as_strided(x, *, size, stride, shift, geometry)",
                          lambda x, size, stride, shift, geometry: strides.as_strided(x, size, stride, shift),
                          view=True,
                          x=lambda xp, g, size, stride, shift, geometry:
                              xp.restride(g, (size, stride, shift), geometry, geometry),
                          jvp=lambda xp, xs, ts, out, params:
                              xp.restride(ts[0], params[3], params[:3], params[3]))  # fmt: skip

restride = primitive("linear", "restride(x, *, source, target, shared)", strides.restride,
                     x=lambda xp, g, source, target, shared: xp.restride(g, target, source, shared))  # fmt: skip

alias = primitive("linear", "alias(x)", lambda x: x[...], view=True,
                  x=lambda g: g)  # fmt: skip


_VIEW, _PERMUTE, _EXPAND, _UNSQUEEZE = view_op.op, permute_op.op, expand_op.op, unsqueeze_op.op


def _clone_kernel(x: np.ndarray, order: str) -> np.ndarray:
    if len(order) > 1:  # the name of a memory format
        out = layouts.empty(x.shape, x.dtype, order)
        out[...] = x
        return out
    # NumPy's "K" would lay out an expanded array by its zero strides
    return x.copy("C" if order == "K" and 0 in x.strides else order)


def _inverse(order: tuple) -> tuple:
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
    return x.reshape(shape[:dim] + (1,) + shape[dim:])


def at_dim(dim: int, piece: Any) -> tuple:
    """Return the key that applies an int or a slice at one dim; the result stays an array."""
    return (*(slice(None),) * dim, piece, Ellipsis)


def _unpick_kernel(g: np.ndarray, shape: tuple, key: tuple) -> np.ndarray:
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


def _undiagonal(g: np.ndarray, shape: tuple, offset: int, dim1: int, dim2: int) -> np.ndarray:
    out = np.zeros(shape, g.dtype)
    _writable_diagonal(out, offset, dim1, dim2)[...] = g
    return out


# ------------------------------------------------------------------- what rules may use besides
def reshape_any(x: Tensor, shape: tuple) -> Tensor:
    """Return x under a shape that is known to fit: a view where strides allow, else a copy."""
    a = x._array
    if not x._spec.plain:
        return unsafe_view(x, shape)
    if not a.flags.c_contiguous:
        try:
            a.reshape(shape, copy=False)
        except ValueError:
            return unsafe_view(clone_op(x, "C"), shape)
    return view1(_VIEW, x, (shape,))


def _select_array(x: np.ndarray, dim: int, index: int) -> np.ndarray:
    return x[at_dim(dim + x.ndim if dim < 0 else dim, index)]


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

    def __init__(self, shape: tuple, g: Any) -> None:
        self.shape = shape
        self.dtype = self.np = g.dtype


# ------------------------------------------------------------------- reshaping
@public("Tensor")
def view(self: Tensor, *shape: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """Return the same memory under another shape, or read as another dtype.

    One size may be -1. RuntimeError if the strides don't allow it (then use `reshape`).

    >>> import wengert as torch
    >>> torch.arange(6).view(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    for n in shape:
        if n.__class__ is not int or n < -1:
            break
    else:
        if shape and size is None and dtype is None:
            try:
                return view1(_VIEW, self, (shape,))  # the kernel infers the -1
            except ValueError:
                return view_op(self, infer_size(shape, self._spec.numel))  # for the error's text
    if size is not None:
        shape = tuple(size)
    elif dtype is not None or (len(shape) == 1 and isinstance(shape[0], dtypes.dtype)):
        return _view_as_dtype(self, shape[0] if dtype is None else dtypes.as_dtype(dtype, "view"))
    elif not shape:
        raise TypeError(
            "view() received an invalid combination of arguments - got (), but expected one of:\n"
            " * (torch.dtype dtype)\n * (tuple of ints size)\n"
        )
    return view_op(self, infer_size(as_ints(shape, "view", "size"), self._spec.numel))


def _view_as_dtype(x: Tensor, d: Any) -> Tensor:
    old, s = x._spec.dtype, x._spec
    if old.itemsize != d.itemsize:
        names = f"to view {old.scalar_name} as {d.scalar_name} (different element sizes)"
        if s.ndim == 0:
            raise RuntimeError(f"self.dim() cannot be 0 {names}")
        step = strides.element_strides(x._array)[-1]
        if step != 1:
            raise RuntimeError(f"self.stride(-1) must be 1 {names}, but got {step}")
        if s.shape[-1] * old.itemsize % d.itemsize:
            ratio = d.itemsize // old.itemsize
            raise RuntimeError(
                f"self.size(-1) must be divisible by {ratio} {names}, but got {s.shape[-1]}"
            )
    v = x.detach()  # shares memory and version; bits of another type carry no gradient
    v._array = x._array.view(d.np)
    v._spec = spec_of(v._array)
    return v


@public("Tensor")
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the same memory under the shape of `other`.

    >>> import wengert as torch
    >>> torch.arange(4).view_as(torch.ones(2, 2)).shape
    torch.Size([2, 2])
    """
    return view_op(self, infer_size(tuple(spec_in(other, "view_as").shape), self._spec.numel))


@public("torch", "Tensor")
def reshape(input: Tensor, *args: Any, shape: Any = None) -> Tensor:
    """Return the elements under another shape: a view where possible, else a copy.

    One size may be -1. RuntimeError unless the sizes multiply up to the number of elements.

    >>> import wengert as torch
    >>> torch.arange(6).reshape(3, 2).t().reshape(-1)
    tensor([0, 2, 4, 1, 3, 5])
    """
    s = spec_in(input, "reshape")
    if shape is not None:
        args = (shape,)
    if not args:
        raise TypeError("reshape() missing 1 required positional arguments: \"shape\"")
    return reshape_any(input, infer_size(as_ints(args, "reshape", "shape"), s.numel))


@public("Tensor")
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the elements under the shape of `other`: a view where possible, else a copy."""
    shape = tuple(spec_in(other, "reshape_as").shape)
    return reshape_any(self, infer_size(shape, self._spec.numel))


@public("torch", "Tensor")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the dims from `start_dim` to `end_dim` into one; `input` itself if there is one only.

    >>> import wengert as torch
    >>> torch.ones(2, 3, 4).flatten(1).shape
    torch.Size([2, 12])
    """
    s = spec_in(input, "flatten")
    shape = s.shape
    start, end = wrap_dim(start_dim, s.ndim), wrap_dim(end_dim, s.ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return reshape_any(input, (1,))
    if start == end:
        return input
    merged = dims.count(shape[start : end + 1])
    return reshape_any(input, (*shape[:start], merged, *shape[end + 1 :]))


@public("torch", "Tensor")
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Split one dim into several; one of the sizes may be -1.

    >>> import wengert as torch
    >>> torch.ones(2, 12).unflatten(1, (3, -1)).shape
    torch.Size([2, 3, 4])
    """
    s = spec_in(input, "unflatten")
    d = wrap_dim(dim, s.ndim)
    sizes = as_ints((sizes,), "unflatten", "sizes")
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    n = s.shape[d] if s.ndim else 1
    try:
        sizes = infer_size(sizes, n)
    except RuntimeError as e:
        if "invalid for input" not in str(e):
            raise RuntimeError(f"unflatten got an unexpected error:\n{e}") from None
        raise RuntimeError(
            f"unflatten: Provided sizes {shown(sizes)} don't multiply up to the size of dim {d} "
            f"({n}) in the input tensor"
        ) from None
    return reshape_any(input, (*s.shape[:d], *sizes, *s.shape[d + 1 :]))


@public("torch", "Tensor")
def ravel(input: Tensor) -> Tensor:
    """Return the elements as one row: a view if `input` is contiguous, else a copy.

    >>> import wengert as torch
    >>> torch.ones(2, 3).ravel().shape
    torch.Size([6])
    """
    s = spec_in(input, "ravel")
    return view_op(contiguous(input), (s.numel,))


# ------------------------------------------------------------------- order of dims
@public("torch", "Tensor")
def t(input: Tensor) -> Tensor:
    """Transpose a matrix; a vector or scalar comes back as a view of itself.

    >>> import wengert as torch
    >>> torch.ones(2, 3).t().shape
    torch.Size([3, 2])
    """
    ndim = spec_in(input, "t").ndim
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return t_op(input)


@public("torch", "Tensor")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dims.

    >>> import wengert as torch
    >>> torch.ones(2, 3, 4).transpose(0, -1).shape
    torch.Size([4, 3, 2])
    """
    ndim = spec_in(input, "transpose").ndim
    d0, d1 = wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)
    return transpose_op(input, d0, d1) if ndim else alias(input)


@public("torch", "Tensor")
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Swap two dims (NumPy's name for `transpose`)."""
    return transpose(input, axis0, axis1)


@public("torch", "Tensor")
def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dims (another name for `transpose`)."""
    return transpose(input, dim0, dim1)


@public("torch", "Tensor")
def permute(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """Reorder all dims.

    >>> import wengert as torch
    >>> torch.ones(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    ndim = spec_in(input, "permute").ndim
    order = as_ints(args if dims is None else (dims,), "permute", "dims")
    if len(order) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal "
            f"to len(dims) = {len(order)}"
        )
    order = tuple([wrap_dim(d, ndim) for d in order])
    if len(set(order)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return permute_op(input, order)


@public("torch", "Tensor")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Move dims to other places; the others keep their order.

    >>> import wengert as torch
    >>> torch.ones(2, 3, 4).movedim(0, -1).shape
    torch.Size([3, 4, 2])
    """
    ndim = spec_in(input, "movedim").ndim
    src = source if isinstance(source, (tuple, list)) else (source,)
    dst = destination if isinstance(destination, (tuple, list)) else (destination,)
    if len(src) != len(dst):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({shown(src)} dims) should "
            f"contain the same number of dims as destination ({shown(dst)} dims)"
        )
    src, dst = [wrap_dim(d, ndim) for d in src], [wrap_dim(d, ndim) for d in dst]
    for what, where in (("source", src), ("destination", dst)):
        if len(set(where)) != len(where):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({shown(where)})")
    order: list[Any] = [None] * ndim
    for a, b in zip(src, dst, strict=True):
        order[b] = a
    rest = iter([d for d in range(ndim) if d not in src])
    return permute_op(input, tuple([next(rest) if d is None else d for d in order]))


@public("torch", "Tensor")
def moveaxis(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Move dims to other places (NumPy's name for `movedim`)."""
    return movedim(input, source, destination)


_BACKWARDS = [tuple(range(n - 1, -1, -1)) for n in range(65)]


def _reversed(x: Tensor) -> Tensor:
    """All dims in reverse order."""
    return view1(_PERMUTE, x, (_BACKWARDS[x._spec.ndim],))


def _matrix_transposed(x: Tensor) -> Tensor:
    """The last two dims swapped."""
    ndim = x._spec.ndim
    if ndim < 2:
        if ndim == 0:
            return alias(x)
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return transpose_op(x, ndim - 2, ndim - 1)


def _adjoint(x: Tensor) -> Tensor:
    """The last two dims swapped, conjugated."""
    if x._spec.ndim == 1:
        raise RuntimeError(
            "tensor.mH is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    y = _matrix_transposed(x)
    return TENSORS.conj(y) if x._spec.dtype.is_complex else y


def _hermitian(x: Tensor) -> Tensor:
    """A matrix transposed and conjugated."""
    ndim = x._spec.ndim
    if ndim not in (0, 2):
        more = " For batches of matrices, consider using tensor.mH" if ndim > 2 else ""
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {ndim}-D tensor.{more}"
        )
    return _adjoint(x)


@public("torch", "Tensor")
def adjoint(input: Tensor) -> Tensor:
    """Swap the last two dims and conjugate."""
    if spec_in(input, "adjoint").ndim == 1:
        raise RuntimeError(
            "adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return _adjoint(input)


public("Tensor", name="T")(property(_reversed))
public("Tensor", name="mT")(property(_matrix_transposed))
public("Tensor", name="mH")(property(_adjoint))
public("Tensor", name="H")(property(_hermitian))


# ------------------------------------------------------------------- dims of size 1
_ALL = object()


@public("torch", "Tensor")
def squeeze(input: Tensor, dim: Any = _ALL, *, axis: Any = _ALL) -> Tensor:
    """Remove dims of size 1: all, or those named; a named dim of another size stays.

    >>> import wengert as torch
    >>> torch.ones(1, 3, 1).squeeze(0).shape
    torch.Size([3, 1])
    """
    ndim = spec_in(input, "squeeze").ndim
    if dim is _ALL:
        if axis is _ALL:
            return squeeze_op(input, None)
        dim = axis
    if isinstance(dim, (tuple, list)):
        return squeeze_op(input, wrap_dims(tuple(dim), ndim))
    return squeeze_op(input, wrap_dim(dim, ndim))


@public("torch", "Tensor")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert a dim of size 1.

    >>> import wengert as torch
    >>> torch.ones(3).unsqueeze(-1).shape
    torch.Size([3, 1])
    """
    return view1(_UNSQUEEZE, input, (wrap_dim(dim, spec_in(input, "unsqueeze").ndim + 1),))


def _widened(name: str, doc: str, unit: int, ends: dict) -> Any:
    """Make atleast_1d, _2d or _3d: `ends` says where new dims go for a smaller tensor."""

    def one(x: Tensor) -> Tensor:
        ndim = spec_in(x, name).ndim
        if ndim >= unit:
            return x
        if ndim == 0:
            return reshape_any(x, (1,) * unit)
        for d in ends[ndim]:
            x = unsqueeze_op(x, d)
        return x

    def atleast(*tensors: Any) -> Any:
        if len(tensors) == 1:
            if isinstance(tensors[0], (tuple, list)):
                return tuple([one(t) for t in tensors[0]])
            return one(tensors[0])
        return tuple([one(t) for t in tensors])

    atleast.__name__ = atleast.__qualname__ = name
    atleast.__doc__ = doc
    return public("torch")(atleast)


atleast_1d = _widened("atleast_1d", "Return a 0-d tensor with one dim; others as they are.", 1, {})
atleast_2d = _widened("atleast_2d", "Give a tensor at least two dims, new ones in front.", 2, {1: (0,)})
atleast_3d = _widened(
    "atleast_3d", "Give a tensor three dims: a vector becomes 1 x n x 1, a matrix n x m x 1.", 3,
    {1: (0, 2), 2: (2,)},
)  # fmt: skip


# ------------------------------------------------------------------- expanding
@public("Tensor")
def expand(self: Tensor, *sizes: Any, size: Any = None, implicit: bool = False) -> Tensor:
    """Repeat dims of size 1 without copying; -1 keeps a size, new dims come first.

    >>> import wengert as torch
    >>> torch.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    s = self._spec
    target = as_ints(sizes if size is None else (size,), "expand", "size")
    lead = len(target) - s.ndim
    for n, m in zip(target[lead:], s.shape, strict=False):
        if n != m and (m != 1 or n < 0):
            break
    else:
        if lead == 0 or (lead > 0 and min(target[:lead]) >= 0):
            return view1(_EXPAND, self, (target,))
    return view1(_EXPAND, self, (dims.expanded(s.shape, target, s.dtype.scalar_name),))


@public("Tensor")
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """Repeat dims of size 1 without copying until the shape is that of `other`."""
    return expand(self, spec_in(other, "expand_as").shape)


@public("torch", "Tensor")
def broadcast_to(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """Repeat dims of size 1 without copying.

    >>> import wengert as torch
    >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    spec_in(input, "broadcast_to")
    return expand(input, *sizes, size=size)


@public("Tensor")
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Sum over the dims that broadcasting a tensor of the given size to this one would add.

    >>> import wengert as torch
    >>> torch.ones(2, 3).sum_to_size(3)
    tensor([2., 2., 2.])
    """
    target = as_ints(size, "sum_to_size", "size")
    try:
        dims.expanded(target, self._spec.shape)
    except RuntimeError:
        raise RuntimeError(
            f"size {{{shown(target)}}} is not expandable to size {{{shown(self._spec.shape)}}}."
        ) from None
    return fit(self, _Shape(target, self)) if self._spec.shape != target else self


@public("torch")
def broadcast_shapes(*shapes: Any) -> Size:
    """Return the shape that several shapes broadcast to.

    >>> import wengert as torch
    >>> torch.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    out: tuple = ()
    for k, shape in enumerate(shapes):
        shape = as_ints((shape,), "broadcast_shapes", "shapes")
        try:
            if any(n < 0 for n in shape):
                raise RuntimeError
            out = dims.broadcast_shapes(out, shape)
        except RuntimeError:
            bad = next(
                j for j in range(-1, -len(shape) - 1, -1)
                if shape[j] < 0 or (-j <= len(out) and shape[j] != 1 != out[j] != shape[j])
            )  # fmt: skip
            raise RuntimeError(
                f"Attempting to broadcast a dimension of length {shape[bad]} at {bad}! Mismatching "
                f"argument at index {k} had {tuple(shape)}; but expected shape should be "
                f"broadcastable to {shown(out)}"
            ) from None
    return Size(out)


@public("torch")
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Expand tensors to their common shape; those that have it already come back as they are.

    >>> import wengert as torch
    >>> [x.shape for x in torch.broadcast_tensors(torch.ones(2, 1), torch.ones(3))]
    [torch.Size([2, 3]), torch.Size([2, 3])]
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    shape: tuple = ()
    for x in tensors:
        shape = dims.broadcast_shapes(shape, tuple(spec_in(x, "broadcast_tensors").shape))
    return tuple([x if x._spec.shape == shape else expand_op(x, shape) for x in tensors])


# ------------------------------------------------------------------- parts
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
    a = input._array
    shift = 0 if storage_offset is None else storage_offset - strides.storage_offset(a)
    geometry = (tuple(s.shape), strides.element_strides(a), 0)
    size = as_ints((size,), "as_strided", "size")
    return as_strided_op(input, size, as_ints((stride,), "as_strided", "stride"), shift, geometry)


# ------------------------------------------------------------------- copies of the same shape
_ORDERS = {preserve_format: "K", contiguous_format: "C", None: "K"}


@public("torch", "Tensor")
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """Return a copy with memory of its own, through which gradients flow.

    The layout is kept by default; `torch.contiguous_format` gives a row-major one.

    >>> import wengert as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> x.clone()
    tensor([1., 1.], grad_fn=<CloneBackward0>)
    """
    spec_in(input, "clone")
    check_format(memory_format, "clone")
    return clone_op(input, _ORDERS.get(memory_format) or memory_format._name)


@public("Tensor")
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """Return `self` if its memory is row-major without gaps, else such a copy.

    >>> import wengert as torch
    >>> torch.ones(2, 3).t().contiguous().stride()
    (2, 1)
    """
    check_format(memory_format, "contiguous")
    if memory_format in _ORDERS:
        return self if self._array.flags.c_contiguous else clone_op(self, "C")
    wanted = layouts.empty(self._spec.shape, self._spec.np, memory_format._name)
    return self if self._array.strides == wanted.strides else clone_op(self, memory_format._name)
