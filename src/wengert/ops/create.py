"""New tensors filled with one value, or not at all: zeros, ones, full, empty, eye and their kin.

From data: ops/data.py. Evenly spaced: ops/ranges.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dual import alike
from ..core.registry import public
from ..core.size import size_of
from ..core.tensor import Tensor
from ..kernels import dtypes, layouts
from .checking import check_tensor
from .data import (
    as_tensor,
    asarray,
    copied,
    from_numpy,
    frombuffer,
    legacy_tensor,
    tensor,
    typed_tensor,
)  # fmt: skip
from .options import check_options, default_dtype, delivered, format_name, made
from .ranges import arange, linspace, logspace

__all__ = [
    "arange",
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "empty_strided",
    "eye",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "legacy_tensor",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "scalar_tensor",
    "tensor",
    "zeros",
    "zeros_like",
]  # fmt: skip


def _shape(caller: str, args: tuple[Any, ...], size: Any) -> tuple[int, ...]:
    if size is None:
        if not args:
            raise TypeError(f'{caller}() missing 1 required positional arguments: "size"')
        return size_of(caller, args)
    if args:
        raise TypeError(f"{caller}() got the argument 'size' twice: by position and by name")
    return size_of(caller, (size,))


@public("torch")
def zeros(
    *args: Any,
    size: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of zeros of the given size, of the default dtype unless one is given.

    >>> import wengert as torch
    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    check_options("zeros", layout, device, pin_memory)
    d = default_dtype(dtype, "zeros") if out is None else out._spec.dtype
    made_array = np.zeros(_shape("zeros", args, size), d.np)
    return delivered(made_array, out, dtype, requires_grad, "zeros")


@public("torch")
def ones(
    *args: Any,
    size: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of ones of the given size, of the default dtype unless one is given.

    >>> import wengert as torch
    >>> torch.ones(2, dtype=torch.int64)
    tensor([1, 1])
    """
    check_options("ones", layout, device, pin_memory)
    d = default_dtype(dtype, "ones") if out is None else out._spec.dtype
    made_array = np.ones(_shape("ones", args, size), d.np)
    return delivered(made_array, out, dtype, requires_grad, "ones")


@public("torch")
def empty(
    *args: Any,
    size: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return an uninitialised tensor of the given size: its values are whatever memory held.

    >>> import wengert as torch
    >>> torch.empty(2, 3).shape
    torch.Size([2, 3])
    """
    check_options("empty", layout, device, pin_memory)
    d = default_dtype(dtype, "empty") if out is None else out._spec.dtype
    name = format_name(memory_format, "empty", "contiguous_format")
    made_array = layouts.empty(_shape("empty", args, size), d.np, name)
    return delivered(made_array, out, dtype, requires_grad, "empty")


@public("torch")
def full(
    size: Any,
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor filled with one number; the number decides the dtype unless one is given.

    RuntimeError if the number does not fit into the dtype.

    >>> import wengert as torch
    >>> torch.full((2,), 3.5)
    tensor([3.5000, 3.5000])
    """
    check_options("full", layout, device, pin_memory)
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
    value = number(fill_value, "full", "fill_value", 2)
    if out is not None:
        d = out._spec.dtype
    else:
        d = dtypes.number_dtype(value) if dtype is None else dtypes.as_dtype(dtype, "full")
    return delivered(_filled(size_of("full", (size,)), value, d), out, dtype, requires_grad, "full")


def number(x: Any, caller: str, name: str, position: int) -> Any:
    """Return a Python number given as such, as a NumPy scalar or as a 0-dim tensor."""
    if isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
        return x
    if isinstance(x, np.generic) and x.dtype.kind in "biufc":
        return x.item()
    if isinstance(x, Tensor) and x._spec.ndim == 0 and x._edge is None:
        return x._array.item()
    raise TypeError(
        f"{caller}(): argument '{name}' (position {position}) must be Number, not "
        f"{type(x).__name__}"
    )


def _filled(shape: tuple[int, ...], value: Any, d: dtypes.dtype) -> np.ndarray:
    return np.full(shape, dtypes.number_array(value, d))


@public("torch")
def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return an n by m matrix (n by n) with ones on its diagonal and zeros elsewhere.

    >>> import wengert as torch
    >>> torch.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_options("eye", layout, device, pin_memory)
    n = integer(n, "eye", "n", 1)
    m = n if m is None else integer(m, "eye", "m", 2)
    for name, value in (("n", n), ("m", m)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {value}")
    d = default_dtype(dtype, "eye") if out is None else out._spec.dtype
    return delivered(np.eye(n, m, dtype=d.np), out, dtype, requires_grad, "eye")


def integer(x: Any, caller: str, name: str, position: int) -> int:
    """Return an integer argument; TypeError for anything else, bools and floats included."""
    if type(x) is int:
        return x
    try:
        if isinstance(x, bool):
            raise TypeError
        return int(x.__index__())
    except (AttributeError, TypeError):
        raise TypeError(
            f"{caller}(): argument '{name}' (position {position}) must be int, not "
            f"{type(x).__name__}"
        ) from None


@public("torch")
def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return an uninitialised tensor of the given size with the given strides, in elements.

    >>> import wengert as torch
    >>> torch.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    check_options("empty_strided", layout, device, pin_memory)
    d = default_dtype(dtype, "empty_strided")
    return made(layouts.strided(tuple(size), tuple(stride), d.np), requires_grad, "empty_strided")


@public("torch")
def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return a number as a 0-dim tensor of the default dtype unless one is given.

    >>> import wengert as torch
    >>> torch.scalar_tensor(3)
    tensor(3.)
    """
    check_options("scalar_tensor", layout, device, pin_memory)
    value = number(s, "scalar_tensor", "s", 1)
    d = default_dtype(dtype, "scalar_tensor")
    return made(dtypes.number_array(value, d), requires_grad, "scalar_tensor")


# ------------------------------------------------------------------------------------ like others


def _like(
    caller: str, input: Any, dtype: Any, layout: Any, device: Any, pin_memory: Any, form: Any
) -> np.ndarray:
    check_tensor(input, caller)
    check_options(caller, layout, device, pin_memory)
    d = input._spec.dtype if dtype is None else dtypes.as_dtype(dtype, caller)
    if not input._spec.plain:
        return np.empty(input._spec.shape, d.np)
    return layouts.empty_like(input._array, d.np, format_name(form, caller, "preserve_format"))


@public("torch")
def empty_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return an uninitialised tensor of input's size, dtype and order of dims in memory.

    >>> import wengert as torch
    >>> torch.empty_like(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    array = _like("empty_like", input, dtype, layout, device, pin_memory, memory_format)
    return alike(input, made(array, requires_grad, "empty_like"))


@public("torch")
def zeros_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return a tensor of zeros of input's size and dtype.

    >>> import wengert as torch
    >>> torch.zeros_like(torch.tensor([1, 2]))
    tensor([0, 0])
    """
    array = _like("zeros_like", input, dtype, layout, device, pin_memory, memory_format)
    array.fill(0)
    return alike(input, made(array, requires_grad, "zeros_like"))


@public("torch")
def ones_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return a tensor of ones of input's size and dtype.

    >>> import wengert as torch
    >>> torch.ones_like(torch.tensor([1, 2]))
    tensor([1, 1])
    """
    array = _like("ones_like", input, dtype, layout, device, pin_memory, memory_format)
    array.fill(1)
    return alike(input, made(array, requires_grad, "ones_like"))


@public("torch")
def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return a tensor of input's size and dtype filled with one number.

    RuntimeError if the number does not fit into the dtype.

    >>> import wengert as torch
    >>> torch.full_like(torch.tensor([1., 2.]), 7)
    tensor([7., 7.])
    """
    array = _like("full_like", input, dtype, layout, device, pin_memory, memory_format)
    value = number(fill_value, "full_like", "fill_value", 2)
    array[...] = dtypes.number_array(value, dtypes.of(array.dtype))
    return alike(input, made(array, requires_grad, "full_like"))


# ------------------------------------------------------------------ methods: same dtype as a tensor


@public("Tensor")
def new_zeros(
    self: Tensor, *args: Any, size: Any = None, dtype: Any = None, **options: Any
) -> Tensor:
    """Return a tensor of zeros of the given size and of this tensor's dtype.

    >>> import wengert as torch
    >>> torch.tensor([1]).new_zeros(2)
    tensor([0, 0])
    """
    made = zeros(*args, size=size, dtype=_own(self, dtype), **_checked("new_zeros", options))
    return alike(self, made)


@public("Tensor")
def new_ones(
    self: Tensor, *args: Any, size: Any = None, dtype: Any = None, **options: Any
) -> Tensor:
    """Return a tensor of ones of the given size and of this tensor's dtype.

    >>> import wengert as torch
    >>> torch.tensor([1]).new_ones(2)
    tensor([1, 1])
    """
    made = ones(*args, size=size, dtype=_own(self, dtype), **_checked("new_ones", options))
    return alike(self, made)


@public("Tensor")
def new_empty(
    self: Tensor, *args: Any, size: Any = None, dtype: Any = None, **options: Any
) -> Tensor:
    """Return an uninitialised tensor of the given size and of this tensor's dtype.

    >>> import wengert as torch
    >>> torch.tensor([1]).new_empty(2).dtype
    torch.int64
    """
    made = empty(*args, size=size, dtype=_own(self, dtype), **_checked("new_empty", options))
    return alike(self, made)


@public("Tensor")
def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, **options: Any
) -> Tensor:
    """Return a tensor of the given size and of this tensor's dtype, filled with one number.

    >>> import wengert as torch
    >>> torch.tensor([1.]).new_full((2,), 3)
    tensor([3., 3.])
    """
    made = full(size, fill_value, dtype=_own(self, dtype), **_checked("new_full", options))
    return alike(self, made)


@public("Tensor")
def new_empty_strided(
    self: Tensor, size: Any, stride: Any, *, dtype: Any = None, **options: Any
) -> Tensor:
    """Return an uninitialised tensor with the given strides and of this tensor's dtype.

    >>> import wengert as torch
    >>> torch.tensor([1]).new_empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    options = _checked("new_empty_strided", options)
    return empty_strided(size, stride, dtype=_own(self, dtype), **options)


@public("Tensor")
def new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Return a tensor with a copy of ``data``, of this tensor's dtype unless one is given.

    >>> import wengert as torch
    >>> torch.tensor([1.]).new_tensor([1, 2])
    tensor([1., 2.])
    """
    check_options("new_tensor", layout, device, pin_memory)
    return copied(data, _own(self, dtype), requires_grad, "new_tensor", "tensor.new_tensor")


@public("Tensor")
def new(self: Tensor, *args: Any) -> Tensor:
    """Return ``Tensor(*args)`` of this tensor's dtype: from data, or uninitialised of a size.

    >>> import wengert as torch
    >>> torch.tensor([1]).new([2.5])
    tensor([2])
    """
    return typed_tensor(self._spec.dtype, args)


def _own(t: Tensor, dtype: Any) -> Any:
    return t._spec.dtype if dtype is None else dtype


def _checked(caller: str, options: dict[str, Any]) -> dict[str, Any]:
    allowed = ("layout", "device", "pin_memory", "requires_grad")
    for name in options:
        if name not in allowed:
            raise TypeError(f"{caller}() got an unexpected keyword argument '{name}'")
    return options
