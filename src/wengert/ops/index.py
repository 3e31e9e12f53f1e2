"""Indexing: x[key] and x[key] = value in all of PyTorch's forms.

Ints, slices, None and Ellipsis make one view, whatever their number. Index tensors, lists and masks
then act on that view: however many there are, they become one tensor of flat positions in the dims
they index, so that one row reads (`index`), adds up (`index_backward`) and writes (`index_put`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import errors
from ..core.define import primitive
from ..core.dual import innermost
from ..core.inplace import bump, write
from ..core.op import TENSORS
from ..core.record import view1
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import dtypes
from ..kernels import scatter as kernels
from ..kernels.dims import count, expanded, shown
from . import index_batch
from .keys import all_plain, array_of, is_mask, native_key, parse, positions
from .quiet import quiet
from .views import alias, expand_op, pick_op, reshape_any, select_op, slice_op, spec_in
from .write import as_number, assign, copy_, direct, fill_as, is_number, no_overlap

# ------------------------------------------------------------------- rows
index_op = primitive("opaque", "index(x, y, *, dims)", kernels.index,
                     x=lambda xp, g, y, x_spec, dims: xp.index_backward(g, y, x_spec.shape, dims),
                     jvp=lambda xp, xs, ts, out, params: xp.index(ts[0], xs[1], *params),
                     batch=index_batch.index_rule)  # fmt: skip

index_backward = primitive("opaque", "index_backward(x, y, *, shape, dims)", kernels.index_backward,
                           x=lambda xp, g, y, dims: xp.index(g, y, dims),
                           jvp=lambda xp, xs, ts, out, params: xp.index_backward(ts[0], xs[1], *params),
                           batch=index_batch.index_backward_rule)  # fmt: skip


def _blanked(xp: Any, g: Any, z: Any, dims: tuple[Any, ...], accumulate: bool) -> Any:
    """What was overwritten gets no gradient."""
    return g if accumulate else xp.index_put(g, xp.new_zeros(g, (1,) * _rank(g, z, dims)), z, dims, False)


def _rank(x: Any, y: Any, dims: tuple[Any, ...]) -> int:
    return x.ndim - len(dims) + y.ndim


def _put_jvp(xp: Any, xs: list[Any], ts: list[Any], out: Any, params: tuple[Any, ...]) -> Any:
    x, v, y = xs
    tx = xp.zeros_like(x) if ts[0] is None else ts[0]
    return xp.index_put(tx, xp.zeros_like(v) if ts[1] is None else ts[1], y, *params)


index_put_op = primitive("opaque", "index_put(x, y, z, *, dims, accumulate)", kernels.index_put,
                         x=_blanked,
                         y=lambda xp, g, z, dims: xp.index(g, z, dims),
                         jvp=_put_jvp, batch=index_batch.index_put_rule)  # fmt: skip

_SELECT, _SLICE, _PICK = select_op.op, slice_op.op, pick_op.op


# ------------------------------------------------------------------- x[key]
def getitem(x: Tensor, key: Any) -> Tensor:
    """Return the elements that a key names: a view for ints, slices and None, else a copy."""
    c = key.__class__
    if c is int or c is slice:
        return _first(x, key, c)
    basic, name, indices = parse(x._spec.shape, key)
    if basic is not None:
        x = view1(_PICK, x, (basic, name))
    elif not indices:
        return alias(x)
    return indexed(x, indices) if indices else x


def _first(x: Tensor, key: Any, c: type) -> Tensor:
    """x[int] or x[slice]."""
    shape = x._spec.shape
    if not shape:
        parse(shape, key)  # raises
    n = shape[0]
    if c is int:
        if -n <= key < n:
            return view1(_SELECT, x, (0, key))
        raise IndexError(f"index {key} is out of bounds for dimension 0 with size {n}")
    start, stop, step = key.indices(n)
    if step < 0:
        raise ValueError("step must be greater than zero")
    return view1(_SLICE, x, (0, slice(start, max(start, stop), step)))


def indexed(x: Tensor, indices: list[Any]) -> Tensor:
    """Return x at index arrays."""
    if len(indices) > 1 and quiet((x,)) and all_plain(indices):
        found = _natively(x._array, indices)
        if found is not None:
            return wrap(found)
    y, dims = positions(x._spec.shape, indices)
    if quiet((x, y)):
        return wrap(kernels.index(x._array, y._array, dims))
    return index_op(x, y, dims)


def _natively(a: np.ndarray, indices: list[Any]) -> np.ndarray | None:
    """Let NumPy read several index arrays at once; None if it refuses (then we say why)."""
    try:
        out = a[native_key(indices, a.ndim)]
    except IndexError:
        return None
    return out if out.flags.c_contiguous else np.ascontiguousarray(out)


# ------------------------------------------------------------------- x[key] = value
def setitem(x: Tensor, key: Any, value: Any) -> None:
    """Write a number or a tensor, broadcast, where a key names elements."""
    value = _assignable(x, value)
    basic, name, indices = parse(x._spec.shape, key)
    if indices and isinstance(value, Tensor):
        value = _weak_under_mask(value, x._spec.dtype, indices)
    if not (direct(x, value) and all_plain(indices)):
        # somebody records: then the write goes through a view
        c = key.__class__
        if basic is None:
            view = x
        else:
            view = _first(x, key, c) if c is int or c is slice else pick_op(x, basic, name)
        if indices:
            _put(view, *positions(view._spec.shape, indices), value, False)
        elif isinstance(value, Tensor):
            value = _squeezed(value, view._spec.ndim)
            _expandable(value, value._spec.shape, view._spec.shape)
            copy_(view, value)
        else:
            fill_as(view, value, "FillBackward3")
        return
    out = x._array if basic is None else x._array[basic]
    if not isinstance(value, Tensor):
        number = as_number(value, x._spec.dtype)
        if not indices:
            out.fill(number)
        elif len(indices) == 1 and is_mask(indices[0][1]):
            d, mask = indices[0]
            a = array_of(mask)
            np.copyto(out, number, where=a.reshape(a.shape + (1,) * (out.ndim - d - a.ndim)))
        else:
            try:
                out[native_key(indices, out.ndim)] = number
            except IndexError:
                y, dims = positions(out.shape, indices)
                _within(y, out.shape, dims)  # the same refusal in PyTorch's words
                raise
    elif not indices:
        v = value._array
        no_overlap(out)
        if v.shape != out.shape:
            v = _squeezed_array(v, out.ndim)
            _expandable(value, v.shape, out.shape)
        assign(out, v)
    else:
        y, dims = positions(out.shape, indices)
        _write(out, y, dims, value, False)
    bump(x)


def _assignable(x: Tensor, value: Any) -> Any:
    if isinstance(value, Tensor) or is_number(value):
        return value
    if isinstance(value, np.ndarray):
        return wrap(value)
    raise TypeError(f"can't assign a {type(value).__name__} to a {errors.type_name(x)}")


def _squeezed(value: Tensor, ndim: int) -> Tensor:
    """Leading dims of size 1 don't count."""
    shape = value._spec.shape
    lead = 0
    while len(shape) - lead > ndim and shape[lead] == 1:
        lead += 1
    return reshape_any(value, tuple(shape[lead:])) if lead else value


def _squeezed_array(v: np.ndarray, ndim: int) -> np.ndarray:
    while v.ndim > ndim and v.shape[0] == 1:
        v = v[0]
    return v


def _expandable(value: Any, shape: tuple[Any, ...], target: tuple[Any, ...]) -> None:
    expanded(shape, tuple(target), value._spec.dtype.scalar_name)


def _same_dtype(d: Any, value: Tensor) -> None:
    if value._spec.dtype is not d:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{d.scalar_name} for the destination and {value._spec.dtype.scalar_name} for the source."
        )


def _weak_under_mask(value: Tensor, d: Any, indices: list[Any]) -> Tensor:
    """One element written under one mask is cast, as a number is; otherwise dtypes must agree."""
    if value._spec.dtype is d or value._spec.numel != 1:
        return value
    return TENSORS.cast(value, d) if len(indices) == 1 and is_mask(indices[0][1]) else value


def result_shape(shape: tuple[Any, ...], y: tuple[Any, ...], dims: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the shape of x[..] for flat positions of shape `y` in the dims `dims`."""
    rest = tuple([n for d, n in enumerate(shape) if d not in dims])
    d = dims[0] if kernels.adjacent(dims) else 0
    return rest[:d] + tuple(y) + rest[d:]


def _mismatch(v: tuple[Any, ...], target: tuple[Any, ...]) -> RuntimeError:
    return RuntimeError(
        f"shape mismatch: value tensor of shape {shown(v)} cannot be broadcast to indexing result "
        f"of shape {shown(target)}"
    )


def _broadcasts(v: tuple[Any, ...], target: tuple[Any, ...]) -> bool:
    return len(v) <= len(target) and all(
        n in (1, m) for n, m in zip(v[::-1], target[::-1], strict=False)
    )


def _write(out: np.ndarray, y: Tensor, dims: tuple[Any, ...], value: Tensor, accumulate: bool) -> None:
    """Check everything, then write `value` into the memory `out`."""
    target = result_shape(out.shape, y._spec.shape, dims)
    v = _squeezed_array(value._array, len(target))
    if not _broadcasts(v.shape, target):
        raise _mismatch(v.shape, target)
    _same_dtype(dtypes.of(out.dtype), value)
    _within(y, out.shape, dims)
    no_overlap(out)
    if np.may_share_memory(out, v):
        v = v.copy()
    kernels.put(out, v, y._array, dims, accumulate)


def _within(y: Tensor, shape: tuple[Any, ...], dims: tuple[Any, ...]) -> None:
    n = count([shape[d] for d in dims])
    kernels.check_bounds(innermost(y), n, kernels.out_of_bounds(0, n, IndexError), negative=True)


def _put(t: Tensor, y: Tensor, dims: tuple[Any, ...], value: Any, accumulate: bool) -> Tensor:
    """The recorded form of x[indices] = value."""
    return write(t, _put_into, (y, dims, value, accumulate), copy_old=False)


def _put_into(x: Tensor, y: Tensor, dims: tuple[Any, ...], value: Any, accumulate: bool) -> Tensor:
    s = x._spec
    if not isinstance(value, Tensor):
        value = wrap(np.asarray(as_number(value, s.dtype), s.np))
    target = result_shape(tuple(s.shape), y._spec.shape, dims)
    v = _squeezed(value, len(target))
    if not _broadcasts(v._spec.shape, target):
        raise _mismatch(v._spec.shape, target)
    _same_dtype(s.dtype, value)
    _within(y, tuple(s.shape), dims)
    return index_put_op(x, v if v._spec.shape == target else expand_op(v, target), y, dims, accumulate)


public("Tensor", name="__getitem__")(getitem)
public("Tensor", name="__setitem__")(setitem)


# ------------------------------------------------------------------- index_put
def _read_indices(x: Tensor, indices: Any, caller: str) -> list[Any]:
    """Return [(dim, index), ...] for a tuple of index tensors."""
    if not isinstance(indices, (tuple, list)):
        raise TypeError(
            f"{caller}(): argument 'indices' (position 1) must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    shape, read, d = x._spec.shape, [], 0
    for k, y in enumerate(indices):
        if not isinstance(y, Tensor):
            raise TypeError(f"expected Tensor as element {k} in argument 0, but got {type(y).__name__}")
        if y._spec.dtype.name not in ("int64", "int32", "uint8", "bool"):
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        read.append((d, y))
        d += y.ndim if is_mask(y) else 1
    if d > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)} (got {d})")
    if not read:
        raise IndexError(f"{caller}(): at least one index is needed")
    for d, y in read:
        if is_mask(y) and y._spec.shape != shape[d : d + y.ndim]:
            j = next(j for j in range(y.ndim) if y._spec.shape[j] != shape[d + j])
            raise IndexError(
                f"The shape of the mask {shown(y.shape)} at index {j} does not match the shape of "
                f"the indexed tensor {shown(shape)} at index {d + j}"
            )
    return read


@public("torch", "Tensor")
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """Return a copy with `values` written at index tensors, one per dim; or added there.

    >>> import wengert as torch
    >>> torch.zeros(3).index_put((torch.tensor([0, 0]),), torch.tensor([1., 2.]), accumulate=True)
    tensor([3., 0., 0.])
    """
    shape = spec_in(input, "index_put").shape
    read = _read_indices(input, indices, "index_put")
    if not accumulate:
        values = _weak_under_mask(values, input._spec.dtype, read)
    return _put_into(input, *positions(shape, read), values, accumulate)


@public("torch", "Tensor")
def index_put_(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """Write (or add) `values` at index tensors, one per dim, in place; return self."""
    read = _read_indices(self, indices, "index_put_")
    if not accumulate:
        values = _weak_under_mask(values, self._spec.dtype, read)
    y, dims = positions(self._spec.shape, read)
    if y._spec.plain and direct(self, values):
        _write(self._array, y, dims, values, accumulate)
        bump(self)
        return self
    return _put(self, y, dims, values, accumulate)
