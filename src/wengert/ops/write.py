"""Writing in place: copy_, fill_, zero_, and in-place changes of shape.

What is recorded goes through `core.inplace.write`; what is not is written directly, once the
arguments have been checked: a write that fails changes nothing.
"""

from __future__ import annotations

import warnings
from copy import copy
from math import inf as INF
from typing import Any

import numpy as np

from ..core import errors, state
from ..core.batching import aligned, size_of_batch, spread
from ..core.cold import bind
from ..core.define import elementwise
from ..core.inplace import bump, check_writable, requires_grad_any, write
from ..core.node import LEAF
from ..core.op import Op
from ..core.registry import public
from ..core.spec import spec_of
from ..core.tensor import Tensor, attach
from ..kernels import strides
from ..kernels.dims import as_ints, broadcast_shapes, count, shown, wrap_dim, wrap_dims
from .checking import check_tensor
from .views import as_strided_op, spec_in, squeeze_op, t_op, transpose_op, unsqueeze_op, view_op

# ------------------------------------------------------------------- numbers
_C_NAMES = {
    "float32": "float", "float64": "double", "float16": "at::Half", "bfloat16": "at::BFloat16",
    "int64": "int64_t", "int32": "int", "int16": "int16_t", "int8": "int8_t", "uint8": "uint8_t",
    "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
}  # fmt: skip


_LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38,
            "float64": 1.7976931348623157e308}  # fmt: skip


def as_number(value: Any, d: Any) -> Any:
    """Return a Python number that an array of a dtype can take as it is.

    RuntimeError, as in PyTorch, if it is complex and the dtype isn't, or too large for it; floats
    are cut to integers, and negative integers wrap in unsigned dtypes.
    """
    c = d.category
    if c == 3:
        return value
    if isinstance(value, (complex, np.complexfloating)):
        if c and value.imag:
            raise _overflow(d)
        value = value if not c else value.real
    if c == 0:
        return bool(value)
    if c == 2:
        value = float(value)
        if abs(value) > _LARGEST[d.name] and value not in (INF, -INF):
            raise _overflow(d)
        return value
    bits = d.itemsize * 8
    top = (1 << (bits - d.is_signed)) - 1
    low = -top - 1 if d.is_signed else -top
    if not low <= value <= top:  # inf and nan fail too
        raise _overflow(d)
    value = int(value)
    return value if d.is_signed else value % (1 << bits)


def _overflow(d: Any) -> RuntimeError:
    return RuntimeError(
        f"value cannot be converted to type {_C_NAMES.get(d.name, d.name)} without overflow"
    )


def is_number(x: Any) -> bool:
    """Say whether an argument is a Python or NumPy number."""
    return isinstance(x, (int, float, complex, np.number, np.bool_))


# ------------------------------------------------------------------- rows
def _copy_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    assign(out, y)
    return out


def assign(out: np.ndarray, value: Any) -> None:
    """Write an array into an array, cast and broadcast."""
    if out.dtype.kind != "c" and value.dtype.kind == "c":
        value = value.real
    np.copyto(out, value, casting="unsafe")


def _into_batch(op: Any, xs: list, on: list, params: tuple[Any, ...]) -> Any:
    """The result has the shape of x, whatever is mapped: x gets the batch."""
    x, y = xs
    x = x if on[0] else spread(x, size_of_batch(xs, on))
    return aligned(op, [x, y], [True, on[1]], params)


copy_op = elementwise("copy(x, y)", _copy_kernel, promote=None, node="CopyBackwards", batch=_into_batch,
                      x=lambda xp, g: xp.zeros_like(g),
                      y=lambda g: g)  # fmt: skip

fill_op = elementwise("fill(x, *, value, name)", lambda x, value, name: np.full_like(x, value),
                      node=lambda rest: rest[1],
                      x=lambda xp, g: xp.zeros_like(g))  # fmt: skip

fill_tensor_op = elementwise("fill_tensor(x, y, *, name)", lambda x, y, name: _copy_kernel(x, y),
                             promote=None, node=lambda rest: rest[0], batch=_into_batch,
                             x=lambda xp, g: xp.zeros_like(g),
                             y=lambda g: g)  # fmt: skip

zero_op = elementwise("zero(x)", np.zeros_like,
                      x=lambda xp, g: xp.zeros_like(g))  # fmt: skip


def tracked(t: Tensor, *others: Any) -> bool:
    """Say whether a write into `t` is recorded; integers carry no gradient."""
    if not state.is_grad_enabled() or t._spec.dtype.category < 2:
        return False
    if t._edge is not None or requires_grad_any(others):
        return True
    ext = t._ext
    if ext is not None and ext.creation and ext.base is not None and ext.base._edge is not None:
        check_writable(t, True)  # a view made without recording may not be written with it
    return False


def direct(t: Tensor, *others: Any) -> bool:
    """Say whether a write into `t` may go straight to its memory, as nobody records or watches."""
    if state.MODE is not None or not t._spec.plain or tracked(t, *others):
        return False
    for o in others:
        if isinstance(o, Tensor) and not o._spec.plain:
            return False
    if (t._ext is not None and t._ext.inference) or not t._array.flags.writeable:
        check_writable(t, False)
    return True


def no_overlap(out: np.ndarray) -> None:
    """Refuse to write different values into memory that several elements share."""
    steps = out.strides
    if 0 in steps and out.size and any(s == 0 and n > 1 for s, n in zip(steps, out.shape, strict=True)):
        raise RuntimeError(errors.OVERLAP)


# ------------------------------------------------------------------- values
@public("Tensor")
def copy_(self: Tensor, other: Any, non_blocking: bool = False) -> Tensor:
    """Write the elements of `other`, broadcast and cast, into this tensor; return it.

    >>> import wengert as torch
    >>> torch.zeros(2, 2).copy_(torch.tensor([1, 2]))
    tensor([[1., 2.],
            [1., 2.]])
    """
    if is_number(other):
        return fill_(self, other)
    if not isinstance(other, Tensor):
        raise TypeError(
            f"copy_(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}"
        )
    shape, target = other._spec.shape, self._spec.shape
    if shape != target and broadcast_shapes(target, shape) != target:
        raise RuntimeError(
            f"output with shape {shown(target)} doesn't match the broadcast shape "
            f"{shown(broadcast_shapes(target, shape))}"
        )
    if other._spec.dtype.is_complex and not self._spec.dtype.is_complex:
        warnings.warn(
            "Casting complex values to real discards the imaginary part", UserWarning, stacklevel=2
        )
    if direct(self, other):
        no_overlap(self._array)
        assign(self._array, other._array)
        bump(self)
        return self
    return write(self, copy_op, (other,), copy_old=False)


def _value_tensor(value: Tensor) -> Tensor:
    if value._spec.ndim:
        raise RuntimeError(
            "fill_ only supports 0-dimension value tensor but got tensor with "
            f"{value._spec.ndim} dimensions."
        )
    return value


def _bad_value(value: Any) -> TypeError:
    return TypeError(f"fill_(): argument 'value' must be Tensor or Number, not {type(value).__name__}")


@public("Tensor")
def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one value, a number or a 0-d tensor, everywhere; return self.

    >>> import wengert as torch
    >>> torch.zeros(2).fill_(7)
    tensor([7., 7.])
    """
    if isinstance(value, Tensor):
        if direct(self, _value_tensor(value)):
            assign(self._array, value._array)
            bump(self)
            return self
        return write(self, fill_tensor_op, (value, "FillBackward3"), copy_old=False)
    return fill_as(self, value, "FillBackward2")


def fill_as(t: Tensor, value: Any, name: str) -> Tensor:
    """Write a number everywhere; `name` is that of the node, if one is made."""
    if not is_number(value):
        raise _bad_value(value)
    number = as_number(value, t._spec.dtype)
    if direct(t):
        t._array.fill(number)
        bump(t)
        return t
    return write(t, fill_op, (number, name), copy_old=False)


@public("torch")
def fill(input: Tensor, value: Any) -> Tensor:
    """Return a tensor like `input` with one value everywhere."""
    s = spec_in(input, "fill")
    if isinstance(value, Tensor):
        return fill_tensor_op(input, _value_tensor(value), "FillBackward1")
    if not is_number(value):
        raise _bad_value(value)
    return fill_op(input, as_number(value, s.dtype), "FillBackward0")


@public("torch", name="fill_")
def _fill(input: Tensor, value: Any) -> Tensor:
    """Write one value everywhere, in place."""
    check_tensor(input, "fill_")
    return fill_(input, value)


@public("torch", "Tensor")
def zero_(self: Tensor) -> Tensor:
    """Write zeros everywhere, in place; return self.

    >>> import wengert as torch
    >>> torch.ones(2).zero_()
    tensor([0., 0.])
    """
    if direct(self):
        self._array.fill(0)
        bump(self)
        return self
    return write(self, zero_op, copy_old=False)


# ------------------------------------------------------------------- shape, in place
def _renamed(call: Any, name: str) -> Op:
    """The row of a view op under the name that its in-place form has."""
    op = copy(call.op)
    op.nodename = name
    return op


_T = _renamed(t_op, "TBackward1")
_TRANSPOSE = _renamed(transpose_op, "TransposeBackward1")
_UNSQUEEZE = _renamed(unsqueeze_op, "UnsqueezeBackward1")
_SQUEEZE, _SQUEEZE_DIM, _SQUEEZE_DIMS = (
    _renamed(squeeze_op, f"SqueezeBackward{k}") for k in (3, 4, 5)
)
_AS_STRIDED = _renamed(as_strided_op, "AsStridedBackward1")


def _restructure(t: Tensor, op: Op, *params: Any) -> Tensor:
    """Make `t` the view of itself that a row gives; the version counts up."""
    e = t._edge
    recorded = e is not None and state.is_grad_enabled()
    ext = t._ext
    if recorded:
        if ext is not None and ext.base is not None and ext.creation:
            check_writable(t, True)
        if e is not None and e.op is LEAF:
            raise RuntimeError(errors.leaf_inplace(t))
    plain = t._spec.plain
    edge = e if recorded else None
    old = attach(t._array, t._spec, edge) if plain else t._share(edge)
    result: Any = bind(op, (old,), params)
    if ext is not None and ext.base is not None:
        ext.chain = (*ext.chain, (op, params, None))
    elif ext is not None and ext.storage is not None:
        # live views tell how they come from this base: first back to its old shape
        back = _undo(op, params, tuple(t._spec.shape))
        for ref in ext.storage.views or ():
            v = ref()
            if v is not None and v._ext is not None and v._ext.base is t:
                v._ext.chain = (back, *v._ext.chain)
    t._spec = result._spec
    if plain:
        t._array = result._array
    else:
        t.value, t.note = result.value, result.note  # type: ignore[attr-defined]
    if recorded:
        t._edge = result._edge
    bump(t)
    return t


def _undo(op: Op, params: tuple[Any, ...], shape: tuple[Any, ...]) -> tuple[Any, ...]:
    if op in (_T, _TRANSPOSE):
        return (op, params, None)
    return (view_op.op, (shape,), None)


@public("Tensor")
def t_(self: Tensor) -> Tensor:
    """Transpose this matrix in place (its strides change, not its memory)."""
    if self._spec.ndim > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {self.ndim}D")
    return _restructure(self, _T)


@public("Tensor")
def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dims in place."""
    ndim = self._spec.ndim
    d0, d1 = wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)
    return _restructure(self, *((_TRANSPOSE, d0, d1) if ndim else (_T,)))


for _name in ("swapaxes_", "swapdims_"):
    public("Tensor", name=_name)(transpose_)


@public("Tensor")
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """Insert a dim of size 1 in place."""
    return _restructure(self, _UNSQUEEZE, wrap_dim(dim, self._spec.ndim + 1))


@public("Tensor")
def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """Remove dims of size 1 in place: all, or those named."""
    if dim is None:
        return _restructure(self, _SQUEEZE, None)
    if isinstance(dim, (tuple, list)):
        return _restructure(self, _SQUEEZE_DIMS, wrap_dims(tuple(dim), self._spec.ndim))
    return _restructure(self, _SQUEEZE_DIM, wrap_dim(dim, self._spec.ndim))


@public("torch", "Tensor")
def as_strided_(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Give this tensor other sizes, strides and offset over its storage, in place."""
    spec_in(input, "as_strided_")
    a, storage = input._array, None if input._ext is None else input._ext.storage
    views = [] if storage is None else [r() for r in storage.views or ()]
    if any(v is not None and v is not input for v in views):
        raise RuntimeError("as_strided_: other views of this memory are alive; use as_strided")
    shift = 0 if storage_offset is None else storage_offset - strides.storage_offset(a)
    geometry = (tuple(input._spec.shape), strides.element_strides(a), 0)
    size, stride = as_ints((size,), "as_strided_", "size"), as_ints((stride,), "as_strided_", "stride")
    return _restructure(input, _AS_STRIDED, size, stride, shift, geometry)


@public("Tensor")
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Give this tensor another shape in place, keeping what fits of its elements, in order.

    New elements are zeros. RuntimeError if the tensor requires grad.
    """
    shape = as_ints(sizes, "resize_", "size")
    if self._edge is not None:
        raise RuntimeError("cannot resize variables that require grad")
    if shape == self._spec.shape:
        return self
    n, old = count(shape), self._array
    if n <= old.size and old.flags.c_contiguous:
        self._array = old.reshape(-1)[:n].reshape(shape)
    else:
        fresh = np.zeros(n, old.dtype)
        kept = min(n, old.size)
        fresh[:kept] = old.reshape(-1)[:kept]
        self._array = fresh.reshape(shape)
    self._spec = spec_of(self._array)
    bump(self)
    return self


@public("Tensor")
def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """Give this tensor the shape of another in place; see `resize_`."""
    return resize_(self, tuple(spec_in(the_template, "resize_as_").shape))
