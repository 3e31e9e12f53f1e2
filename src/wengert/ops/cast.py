"""Other dtypes (and, in name, other devices): `to`, `type`, `float()` and their kin.

One row, `cast`, changes the dtype where a gradient can pass; a second one leads to bool and
integers, where it ends.
"""

from __future__ import annotations

import builtins
import warnings
from types import NoneType
from typing import Any

import numpy as np

from ..core.batching import unchanged
from ..core.define import plain, primitive
from ..core.device import as_device, device
from ..core.layout import check_format, preserve_format
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import dtypes


def _cast(x: np.ndarray, dtype: dtypes.dtype) -> np.ndarray:
    if x.dtype.kind == "c" and dtype.category < dtypes.COMPLEX:
        if dtype.category == dtypes.BOOL:
            return x.astype(dtype.np)
        x = x.real
    if dtype.category == dtypes.INT and x.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # nan and inf become some integer, as in C
            return x.astype(dtype.np)
    if 0 in x.strides:  # "K" would lay out repeated dims by their zero strides
        return x.astype(dtype.np, order="C")
    return x.astype(dtype.np)


cast = primitive("linear", "cast(x, *, dtype)", _cast, node="ToCopyBackward0",
                 batch=unchanged,
                 x=lambda xp, g, x_spec: xp.cast(g, x_spec.dtype))  # fmt: skip
cast.__doc__ = "Cast to a float or complex dtype; complex to real keeps the real part."

cast_whole = plain("cast_whole(x, *, dtype)", _cast, promote=None, batch=unchanged)
cast_whole.__doc__ = "Cast to bool or an integer dtype: a constant."


def converted(x: Tensor, d: dtypes.dtype) -> Tensor:
    """Return a copy of a tensor in another dtype (or its own), recorded where that makes sense."""
    result: Tensor
    if d.category < dtypes.FLOAT:
        result = cast_whole(x, d)
        return result
    if x._spec.dtype.category == dtypes.COMPLEX and d.category == dtypes.FLOAT:
        _warn_imaginary()
    result = cast(x, d)
    return result


_warned = False


def _warn_imaginary() -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "Casting complex values to real discards the imaginary part", UserWarning, stacklevel=4
        )


@public("Tensor")
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Return this tensor in another dtype: ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or
    ``to(other_tensor)``, each with ``copy=`` and ``memory_format=``.

    The tensor itself if nothing changes and ``copy`` is not asked for. Gradients flow back through
    casts between float dtypes. AssertionError for CUDA devices.

    >>> import wengert as torch
    >>> torch.tensor([1, 2]).to(torch.float64)
    tensor([1., 2.], dtype=torch.float64)
    """
    d, copy, form = _read_to(args, kwargs)
    have = self._spec.dtype
    result = self
    if copy or (d is not None and d is not have):
        result = converted(self, have if d is None else d)
    if form is not None and form is not preserve_format:
        result = result.contiguous(memory_format=form)
    return result


_TO_NAMES = {"device", "dtype", "non_blocking", "copy", "memory_format"}


def _read_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dtypes.dtype | None, Any, Any]:
    """Return (dtype or None, copy, memory format) from the arguments of `to`; check the device."""
    form = kwargs.get("memory_format")
    if form is not None:
        check_format(form, "to")
    for name in kwargs:
        if name not in _TO_NAMES:
            raise TypeError(_bad_to(args, kwargs))
    rest = list(args)
    d = where = None
    if rest and isinstance(rest[0], Tensor):
        d = rest.pop(0)._spec.dtype
    else:
        if rest and not _is_dtype(rest[0]):
            where = rest.pop(0)
            if not isinstance(where, (str, int, device, NoneType)) or isinstance(where, bool):
                raise TypeError(_bad_to(args, kwargs))
        if rest and (rest[0] is None or _is_dtype(rest[0])):
            d = rest.pop(0)
        d = kwargs.get("dtype") if d is None else d
        where = kwargs.get("device") if where is None else where
    flags = dict(zip(("non_blocking", "copy"), rest, strict=False))
    if len(rest) > 2 or not all(isinstance(flag, bool) for flag in rest):
        raise TypeError(_bad_to(args, kwargs))
    if where is not None:
        as_device(where, "to")
    copy = flags.get("copy", kwargs.get("copy", False))
    return None if d is None else dtypes.as_dtype(d, "to"), copy, form


def _is_dtype(x: Any) -> bool:
    if isinstance(x, builtins.type):
        return x in (float, int, bool, complex) or issubclass(x, np.generic)
    return isinstance(x, (dtypes.dtype, np.dtype))


def _bad_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    got = [*map(_kind, args), *(f"{k}={_kind(v)}" for k, v in kwargs.items())]
    return (
        f"to() received an invalid combination of arguments - got ({', '.join(got)}), but expected "
        "one of:\n * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = "
        "False, bool copy = False, *, torch.memory_format memory_format = None)\n * (torch.dtype "
        "dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format "
        "memory_format = None)\n * (Tensor tensor, bool non_blocking = False, bool copy = False, "
        "*, torch.memory_format memory_format = None)"
    )


def _kind(x: Any) -> str:
    return builtins.type(x).__name__


def _short_form(name: str, d: dtypes.dtype) -> None:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        if d is self._spec.dtype and memory_format is None:
            return self
        return to(self, d, memory_format=memory_format)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Return this tensor as {d}; itself if it has that dtype already."
    public("Tensor")(method)


for _name, _d in {
    "bool": dtypes.bool_, "byte": dtypes.uint8, "char": dtypes.int8, "short": dtypes.int16,
    "int": dtypes.int32, "long": dtypes.int64, "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16, "float": dtypes.float32, "double": dtypes.float64,
    "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}.items():  # fmt: skip
    _short_form(_name, _d)


@public("Tensor")
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Return this tensor in the dtype of another one.

    >>> import wengert as torch
    >>> torch.tensor([1, 2]).type_as(torch.ones(1))
    tensor([1., 2.])
    """
    return to(self, other)


def type_name(d: dtypes.dtype) -> str:
    """Return PyTorch's old name of the tensors of a dtype, such as torch.FloatTensor."""
    return f"torch.{d.scalar_name}Tensor"


_BY_TYPE_NAME = {type_name(d): d for d in dtypes.ALL}


def named_type(x: Any) -> dtypes.dtype:
    """Return the dtype that a dtype, a type name or a class like torch.FloatTensor stands for."""
    if isinstance(x, dtypes.dtype):
        return x
    if isinstance(getattr(x, "dtype", None), dtypes.dtype) and isinstance(x, builtins.type):
        return x.dtype  # type: ignore[attr-defined]
    if not isinstance(x, (str, builtins.type)):
        raise TypeError(f"dtype must be a type, str, or dtype object, not {_kind(x)}")
    name = x if isinstance(x, str) else x.__name__
    if name not in _BY_TYPE_NAME:
        raise ValueError(f"invalid type: '{name}'; it should look like 'torch.FloatTensor'")
    return _BY_TYPE_NAME[name]


@public("Tensor")
def type(self: Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """Return PyTorch's old name of this tensor's type or, given a type, the tensor cast to it.

    >>> import wengert as torch
    >>> torch.tensor([1.]).type()
    'torch.FloatTensor'
    """
    if dtype is None:
        return type_name(self._spec.dtype)
    return to(self, named_type(dtype))


@public("Tensor")
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """Return this tensor on the CPU: itself."""
    return self


@public("Tensor")
def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> Tensor:
    """Raise AssertionError: there is no GPU here, and the message says what to install."""
    as_device(_cuda_device(device), "cuda")
    return self


def _cuda_device(x: Any) -> device:
    if isinstance(x, int):
        return device("cuda", x)
    return device("cuda") if x is None else device(x)

