"""Memory: tensors laid over other memory, shared between processes, or read from files."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.inplace import bump
from ..core.op import TENSORS
from ..core.registry import public
from ..core.spec import spec_of
from ..core.state import is_grad_enabled
from ..core.tensor import Tensor, extra_of, storage_of, wrap
from ..kernels import dtypes, strides
from ..kernels.dims import as_ints, count
from .checking import check_tensor
from .facts import Storage
from .options import check_options, default_dtype, made
from .traits import is_shared

T: Any = TENSORS


@public("torch", out=True)
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """Return a copy with `src` written to the elements that `as_strided` names.

    >>> import wengert as torch
    >>> torch.as_strided_scatter(torch.zeros(2, 2), torch.ones(2), (2,), (3,))
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_tensor(input, "as_strided_scatter")
    check_tensor(src, "as_strided_scatter", "src", 2)
    size = as_ints((size,), "as_strided_scatter", "size")
    if tuple(src.shape) != size:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(size)}"
        )
    steps = as_ints((stride,), "as_strided_scatter", "stride")
    # which elements, counted in order, lie where the strides lead in a copy of the input
    laid = np.empty(tuple(input.shape), np.int64)
    if input._spec.plain:
        laid = np.empty_like(input._array, np.int64)
    laid[...] = np.arange(laid.size).reshape(laid.shape)
    shift = tuple([s * laid.itemsize for s in steps])
    at = strides.laid_over(laid, size, shift, (storage_offset or 0) * laid.itemsize)
    return T.put(input, src, wrap(np.ascontiguousarray(at)), False)


public("Tensor")(as_strided_scatter)


@public("torch")
def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return an uninitialised tensor whose dims lie in memory in the given order, outermost first.

    >>> import wengert as torch
    >>> torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride()
    (3, 1, 6)
    """
    check_options("empty_permuted", layout, device, pin_memory)
    size = as_ints((size,), "empty_permuted", "size")
    order = as_ints((physical_layout,), "empty_permuted", "physical_layout")
    if len(size) != len(order):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. "
            f"len(size) = {len(size)} is not equal to len(physical_layout) = {len(order)}"
        )
    for d in order:
        if not 0 <= d < len(size):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got {d})"
            )
    if len(set(order)) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    a = np.empty([size[d] for d in order], default_dtype(dtype, "empty_permuted").np)
    return made(a.transpose(np.argsort(order)), requires_grad, "empty_permuted")


@public("Tensor")
def set_(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Lay this tensor over the memory of another tensor or a storage, in place; return self.

    Without a source it becomes empty.

    >>> import wengert as torch
    >>> x = torch.ones(3)
    >>> torch.empty(0).set_(x).data_ptr() == x.data_ptr()
    True
    """
    if self._edge is not None and is_grad_enabled():
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
            if self.is_leaf
            else "set_(): the tensor has a history; detach() it first"
        )
    own = self._spec.dtype
    if source is None:
        return _relaid(self, np.empty(0, own.np))
    if isinstance(source, Tensor):
        if source._spec.dtype is not own:
            raise RuntimeError(
                f"Could not set tensor of type {source._spec.dtype.name} to a tensor of type {own.name}"
            )
        if size is None:
            _relaid(self, source._array)
            extra_of(self).storage = storage_of(source)
            return self
        memory = strides.owner(source._array)
    elif isinstance(source, Storage):
        memory = source._memory
    else:
        raise TypeError(
            f"set_(): argument 'source' must be a tensor or a storage, not {type(source).__name__}"
        )
    unit = own.itemsize
    shape = (memory.nbytes // unit,) if size is None else as_ints((size,), "set_", "size")
    steps = strides.contiguous_strides(shape) if stride is None else as_ints((stride,), "set_", "stride")
    like = memory.reshape(-1).view(own.np) if memory.flags.c_contiguous else memory
    last = storage_offset + sum((n - 1) * s for n, s in zip(shape, steps, strict=True)) + 1
    if count(shape) and last * unit > memory.nbytes:
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(steps)}, storage offset {storage_offset}, "
            f"and itemsize {unit} requiring a storage size of {last * unit} are out of bounds for "
            f"storage of size {memory.nbytes}"
        )
    laid = strides.laid_over(like, shape, tuple([s * unit for s in steps]), storage_offset * unit)
    return _relaid(self, laid)


def _relaid(t: Tensor, a: np.ndarray) -> Tensor:
    t._array, t._spec = a, spec_of(a)
    bump(t)
    return t


# ------------------------------------------------------------------- between processes and files
@public("Tensor")
def share_memory_(self: Tensor) -> Tensor:
    """Move the memory to where forked processes share it, in place; return self.

    Views that exist already keep the old memory.

    >>> import wengert as torch
    >>> torch.ones(2).share_memory_().is_shared()
    True
    """
    a = self._array
    if a.size and not is_shared(self):
        import mmap

        shared = np.ndarray(a.shape, a.dtype, mmap.mmap(-1, a.nbytes))
        shared[...] = a
        self._array, self._spec = shared, spec_of(shared)
        e = self._edge
        if e is not None and self.is_leaf:
            e.y, e.rest = shared, self._spec
    return self


@public("torch")
def from_file(
    filename: str, shared: bool | None = None, size: int = 0, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return a tensor over a file of raw numbers; if `shared`, writes go to the file, which may grow.

    RuntimeError if the file can't be opened or is too small (when not shared).

    >>> import wengert as torch
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "numbers")
    >>> torch.from_file(path, shared=True, size=2, dtype=torch.int64).fill_(7)
    tensor([7, 7])
    >>> torch.from_file(path, size=2, dtype=torch.int64)
    tensor([7, 7])
    """
    check_options("from_file", layout, device, pin_memory)
    d = default_dtype(dtype, "from_file").np
    need = size * d.itemsize
    mode = "read-write" if shared else "read-only"
    try:
        if shared:
            with open(filename, "ab") as f:
                have = f.tell()
                if have < need:
                    f.truncate(need)
        else:
            with open(filename, "rb") as f:
                have = f.seek(0, 2)
    except OSError as error:
        raise RuntimeError(
            f"unable to open file <{filename}> in {mode} mode: {error.strerror} ({error.errno})"
        ) from error
    if not shared and have < need:
        raise RuntimeError(
            f"file <{filename}> size <{have}> is smaller than the required mapping size <{need}>"
        )
    if not need:
        return made(np.empty(0, d), requires_grad, "from_file")
    mapped = np.memmap(filename, d, "r+" if shared else "c", 0, (size,))
    return made(np.asarray(mapped).view(np.ndarray), requires_grad, "from_file")


# ------------------------------------------------------------------- old ways to resize
def _resized(self: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    warnings.warn(f"non-inplace {name} is deprecated", UserWarning, stacklevel=3)
    if count(shape) != self._spec.numel:
        raise RuntimeError(
            f"requested resize to {'x'.join(map(str, shape))} ({count(shape)} elements in total), but "
            f"the given tensor has a size of {'x'.join(map(str, self.shape))} ({self._spec.numel} "
            "elements). autograd's resize can only change the shape of a given tensor, while "
            "preserving the number of elements."
        )
    return T.reshape(self, shape)


@public("Tensor")
def resize(self: Tensor, *sizes: Any) -> Tensor:
    """Return the tensor in another shape of as many elements; deprecated by PyTorch for `reshape`."""
    return _resized(self, as_ints(sizes, "resize", "sizes"), "resize")


@public("Tensor")
def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """Return the tensor in the shape of another; deprecated by PyTorch for `reshape_as`."""
    return _resized(self, tuple(tensor.shape), "resize_as")


# ------------------------------------------------------------------- layouts
@public("Tensor")
def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """Return the dims in the order in which they lie in memory, the outermost first.

    >>> import wengert as torch
    >>> torch.ones(2, 3).t().dim_order()
    (1, 0)
    """
    steps = strides.element_strides(self._array)
    return tuple(sorted(range(self.ndim), key=lambda d: -steps[d]))


@public("Tensor")
def const_data_ptr(self: Tensor) -> int:
    """Return the address of the first element, which the caller promises not to write to.

    >>> import wengert as torch
    >>> t = torch.tensor([1.0])
    >>> t.const_data_ptr() == t.data_ptr()
    True
    """
    return strides.address(self._array) if self._spec.numel else 0


@public("Tensor")
def dense_dim(self: Tensor) -> int:
    """Return the number of dims: all of them are dense.

    >>> import wengert as torch
    >>> torch.ones(2, 3).dense_dim()
    2
    """
    return self._spec.ndim


@public("Tensor")
def sparse_dim(self: Tensor) -> int:
    """Return 0: no dim is sparse.

    >>> import wengert as torch
    >>> torch.ones(2, 3).sparse_dim()
    0
    """
    return 0


@public("Tensor")
def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """Return this tensor, which is dense already, cast if a dtype is given.

    >>> import wengert as torch
    >>> torch.tensor([1, 2]).to_dense(torch.float32)
    tensor([1., 2.])
    """
    return self if dtype is None else T.cast(self, dtypes.as_dtype(dtype, "to_dense"))


@public("torch", "Tensor")
def dequantize(input: Tensor) -> Tensor:
    """Return the tensor as float32 numbers: no tensor is quantised.

    >>> import wengert as torch
    >>> torch.dequantize(torch.tensor([1.5]))
    tensor([1.5000])
    """
    check_tensor(input, "dequantize")
    d = dtypes.float32
    return input if input._spec.dtype is d else T.cast(input, d)


@public("Tensor")
def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """Return what loading `other` into this tensor of a module gives: its detached values.

    >>> import wengert as torch
    >>> torch.zeros(2).module_load(torch.ones(2))
    tensor([1., 1.])
    """
    return other.detach() if assign else self.copy_(other).detach()


# ------------------------------------------------------------------- Python functions, one by one
def _each(name: str, tensors: int) -> Any:
    def f(self: Tensor, *args: Any) -> Tensor:
        others, function = args[:tensors], args[tensors]
        if any(t._edge is not None for t in (self, *others)) and is_grad_enabled():
            raise RuntimeError(
                f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() "
                "instead."
            )
        if not callable(function):
            raise TypeError(f"{name}() expects a callable, not {type(function).__name__}")
        for t in others:
            if t._spec.dtype is not self._spec.dtype:
                raise TypeError(
                    f"{name}: expected {self.type()} for 'other' (got {t.type()})"
                )
        return _apply(self, others, function)

    f.__name__ = f.__qualname__ = name
    return f


def _apply(t: Tensor, others: Any, function: Callable) -> Tensor:
    a = t._array
    operands = [np.broadcast_to(o._array, a.shape).reshape(-1).tolist() for o in others]
    values = [function(*v) for v in zip(a.reshape(-1).tolist(), *operands, strict=True)]
    a[...] = np.array(values).astype(a.dtype).reshape(a.shape)
    bump(t)
    return t


for _name, _tensors, _what in (
    ("apply_", 0, "f(x)"), ("map_", 1, "f(x, y), y being the element of another tensor"),
    ("map2_", 2, "f(x, y, z), y and z being the elements of two other tensors"),
):  # fmt: skip
    _f = _each(_name, _tensors)
    _f.__doc__ = f"Replace every element x by {_what}, f being a Python function; slow, no derivative."
    public("Tensor")(_f)


