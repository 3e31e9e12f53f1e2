"""What all creation functions share: their options, and the tensor they end in."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import inplace, modes, state
from ..core.device import CPU, as_device, device
from ..core.layout import check_format, check_layout
from ..core.node import leaf_node
from ..core.registry import public
from ..core.spec import spec_of
from ..core.tensor import Tensor, wrap
from ..kernels import dtypes

NO_INTEGER_GRAD = "Only Tensors of floating point and complex dtype can require gradients"


def check_options(
    caller: str, layout: Any = None, device: Any = None, pin_memory: Any = False
) -> None:
    """Refuse what a CPU tensor of ours can't be: on a GPU, sparse, in pinned memory."""
    if layout is not None:
        check_layout(layout, caller)
    if device is not None:
        as_device(device, caller)
    if pin_memory:
        raise RuntimeError(
            f"{caller}(): pin_memory=True requires a CUDA or other accelerator backend; no pinned "
            "memory allocator is available on this system. Leave the argument out."
        )


def default_dtype(dtype: Any, caller: str) -> dtypes.dtype:
    """Return the dtype asked for, or the default one."""
    return dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype, caller)


def format_name(memory_format: Any, caller: str, default: str) -> str:
    """Return the name of a memory format."""
    check_format(memory_format, caller)
    return default if memory_format is None else memory_format._name


def made(array: Any, requires_grad: Any = False, caller: str = "tensor") -> Tensor:
    """Return a new leaf over a fresh array."""
    t = wrap(array)
    if requires_grad is not False:
        if requires_grad is not True:
            raise TypeError(
                f"{caller}(): argument 'requires_grad' must be bool, not "
                f"{type(requires_grad).__name__}"
            )
        if t._spec.dtype.category < dtypes.FLOAT:
            raise RuntimeError(
                f"{NO_INTEGER_GRAD}; {caller}() was asked for {t._spec.dtype}. Give a float "
                "dtype, or values with a decimal point."
            )
        t._edge = leaf_node(t)
    if state.is_inference():
        modes.mark(t)
    return t


def delivered(
    array: np.ndarray, out: Any, dtype: Any, requires_grad: Any, caller: str
) -> Tensor:
    """Return a new tensor, or `out` with the values written into it (resized where needed)."""
    if out is None:
        return made(array, requires_grad, caller)
    if not isinstance(out, Tensor):
        raise TypeError(f"{caller}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if out._edge is not None and state.is_grad_enabled():
        raise RuntimeError(
            f"{caller}(): functions with out=... arguments don't support automatic "
            "differentiation, but one of the arguments requires grad."
        )
    if dtype is not None and dtypes.as_dtype(dtype, caller) is not out._spec.dtype:
        raise RuntimeError(
            f"dtype {dtypes.as_dtype(dtype).scalar_name} does not match dtype of out parameter "
            f"({out._spec.dtype.scalar_name})"
        )
    inplace.check_writable(out, False)
    if array.shape == out._array.shape:
        np.copyto(out._array, array, casting="unsafe")
    else:
        out._array = array.astype(out._spec.np)
        out._spec = spec_of(out._array)
    inplace.bump(out)
    return out


@public("torch")
def get_default_device() -> device:
    """Return the device of new tensors: the CPU.

    >>> import wengert as torch
    >>> torch.get_default_device()
    device(type='cpu')
    """
    return CPU


@public("torch")
def set_default_device(device: Any) -> None:
    """Choose the device of new tensors; AssertionError for anything but the CPU.

    >>> import wengert as torch
    >>> torch.set_default_device("cpu")
    """
    as_device(device, "set_default_device")


_threads = 1


@public("torch")
def get_num_threads() -> int:
    """Return the number given to `set_num_threads`, 1 at first."""
    return _threads


@public("torch")
def set_num_threads(num: int, /) -> None:
    """Note a number of threads; NumPy's own threads are chosen by its environment variables.

    Raises RuntimeError unless it is a positive int.

    >>> import wengert as torch
    >>> torch.set_num_threads(2)
    >>> torch.get_num_threads()
    2
    """
    global _threads
    if not isinstance(num, int) or isinstance(num, bool):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    _threads = num
