"""Tensors from data: lists, numbers, NumPy arrays, buffers, other libraries' arrays."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core import state
from ..core.op import TENSORS
from ..core.registry import public
from ..core.size import Size, size_of
from ..core.tensor import Tensor, wrap
from ..kernels import dtypes
from ..kernels.nested import array_of
from .cast import cast, converted
from .options import check_options, made
from .scalars import warn_of_lost_gradient

_COPY_CONSTRUCT = (
    "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
    "sourceTensor.detach().clone().requires_grad_(True), rather than {}(sourceTensor)."
)


@public("torch")
def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return a new leaf tensor with a copy of ``data``: numbers, nested sequences, arrays, tensors.

    The values decide the dtype unless one is given: Python floats become the default dtype, ints
    int64, NumPy values keep theirs. ValueError for ragged sequences, TypeError or RuntimeError for
    values that are no numbers or do not fit.

    >>> import wengert as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> torch.tensor([1., 2.], requires_grad=True)
    tensor([1., 2.], requires_grad=True)
    """
    check_options("tensor", None, device, pin_memory)
    return copied(data, dtype, requires_grad, "tensor", "torch.tensor")


def copied(data: Any, dtype: Any, requires_grad: bool, caller: str, shown: str) -> Tensor:
    """Return a new leaf with a copy of ``data``, as `tensor` does."""
    d = None if dtype is None else dtypes.as_dtype(dtype, caller)
    if isinstance(data, Tensor):
        warnings.warn(_COPY_CONSTRUCT.format(shown), UserWarning, stacklevel=3)
        array = cast.op.kernel(data._array, d or data._spec.dtype)
    else:
        source = _as_array(data)
        if source is None:
            array = array_of(data, d, _leaf)
        else:
            array = source.astype(source.dtype if d is None else d.np)
            return _imported(made(array, requires_grad, caller))
    return made(array, requires_grad, caller)


def _imported(t: Tensor) -> Tensor:
    if state.MODE is not None:
        state.MODE.imported(t)
    return t


def _as_array(data: Any) -> np.ndarray | None:
    """Return what NumPy knows as an array as one, checked; None for Python data."""
    kind = type(data)
    if kind is list or kind is tuple or kind is float or kind is int:
        return None
    if isinstance(data, np.ndarray):
        return _checked_array(data)
    if isinstance(data, np.generic):
        return _checked_array(np.asarray(data))
    if hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
        array = np.asarray(data)
        if array.dtype == object and hasattr(data, "columns"):
            raise TypeError(_frame_of_objects(data))
        return _checked_array(array)
    if isinstance(data, (bytearray, memoryview)) or kind.__module__ == "array":
        view = np.asarray(memoryview(data))
        # PyTorch reads these as sequences of Python numbers, so their dtype is inferred.
        return view.astype(dtypes.number_dtype(view.flat[0].item()).np) if view.size else None
    return None


def _frame_of_objects(frame: Any) -> str:
    """Say which columns of a data frame are no numbers."""
    kinds = {str(name): getattr(kind, "kind", "O") for name, kind in zip(frame.columns, frame.dtypes, strict=True)}
    strange = [name for name, kind in kinds.items() if kind not in "biufc"]
    return (
        "can't convert np.ndarray of type numpy.object_. The columns "
        f"{', '.join(strange) or 'with missing values'} of the {type(frame).__name__} hold no plain "
        "numbers: leave them out, or convert them first (astype, fillna, get_dummies)."
    )


def _checked_array(array: np.ndarray) -> np.ndarray:
    """Return an ndarray that a tensor may look into; errors as PyTorch's where it may not."""
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported. Convert it first: "
            "a.astype(a.dtype.newbyteorder('='))"
        )
    dtypes.of(array.dtype)
    for n, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0 and n > 1:
            raise ValueError(
                "At least one stride in the given numpy array is negative, and tensors with "
                "negative strides are not currently supported. (You can probably work around this "
                "by making a copy of your array with array.copy().)"
            )
    return np.asarray(array)


def _leaf(x: Any) -> Any:
    """Return a one-element tensor among list items as a NumPy scalar."""
    if not isinstance(x, Tensor):
        return x
    if x._spec.numel != 1:
        raise ValueError(
            "only one element tensors can be converted to Python scalars: the list holds a tensor "
            f"of shape {list(x._spec.shape)}. Use torch.stack to join tensors (it keeps gradients)."
        )
    warn_of_lost_gradient(x)
    return x._array.reshape(-1)[0]


@public("torch")
def from_numpy(ndarray: np.ndarray) -> Tensor:
    """Return a tensor over the memory of a NumPy array: writes to one show in the other.

    TypeError for anything but an array of numbers, ValueError for negative strides and foreign
    byte order. Writing to a tensor over a read-only array raises.

    >>> import numpy as np, wengert as torch
    >>> a = np.zeros(2)
    >>> t = torch.from_numpy(a)
    >>> a[0] = 1
    >>> t
    tensor([1., 0.], dtype=torch.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {_class_name(ndarray)})")
    return _shared(ndarray)


def _class_name(x: Any) -> str:
    kind = type(x)
    return f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__


def _shared(array: np.ndarray) -> Tensor:
    array = _checked_array(array)
    if not array.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable, so writing to this tensor will raise an "
            "error. You may want to copy the array to protect its data or make it writable before "
            "converting it to a tensor.",
            UserWarning,
            stacklevel=3,
        )
    return _imported(made(array))


@public("torch")
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return ``data`` as a tensor, without a copy where possible.

    A tensor of the right dtype is returned itself, otherwise cast and recorded; an array shares
    its memory; anything else is copied as by `tensor`.

    >>> import numpy as np, wengert as torch
    >>> torch.as_tensor(np.array([1, 2]))
    tensor([1, 2])
    """
    check_options("as_tensor", None, device)
    d = None if dtype is None else dtypes.as_dtype(dtype, "as_tensor")
    if isinstance(data, Tensor):
        return data if d is None or d is data._spec.dtype else converted(data, d)
    if isinstance(data, np.ndarray):
        array = data
    elif hasattr(data, "__array_interface__") and not isinstance(data, np.generic):
        array = np.asarray(data)
    else:
        return copied(data, d, False, "as_tensor", "torch.tensor")
    if d is None or d.np == array.dtype:
        return _shared(array)
    return _imported(made(_checked_array(array).astype(d.np)))


@public("torch")
def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """Return ``obj`` as a tensor; ``copy`` says whether it must (True) or must not (False) be one.

    Takes tensors, arrays, NumPy scalars, objects with DLPack or the buffer protocol, sequences.
    ValueError where sharing memory was asked for and is impossible.

    >>> import wengert as torch
    >>> torch.asarray([1., 2.])
    tensor([1., 2.])
    """
    check_options("asarray", None, device)
    d = None if dtype is None else dtypes.as_dtype(dtype, "asarray")
    if isinstance(obj, Tensor):
        shared = obj
    elif isinstance(obj, np.ndarray):
        shared = _shared(obj)
    elif isinstance(obj, (np.generic, list, tuple, int, float, complex)):
        shared = None
    elif hasattr(obj, "__dlpack__"):
        shared = wrap(np.from_dlpack(obj))
    elif isinstance(obj, (bytes, bytearray, memoryview)) or hasattr(obj, "__array_interface__"):
        shared = _from_buffer_or_array(obj, d)
    else:
        shared = None
    if shared is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return copied(obj, d, bool(requires_grad), "asarray", "torch.tensor")
    have = shared._spec.dtype
    if d is not None and d is not have:
        if copy is False:
            raise ValueError(
                f"can't alias tensor with dtype '{have.scalar_name}' into dtype '{d.scalar_name}'."
            )
        result = converted(shared, d)
    elif copy:
        result = converted(shared, have)
    else:
        result = shared
    return _with_grad(result, shared, requires_grad)


def _from_buffer_or_array(obj: Any, d: dtypes.dtype | None) -> Tensor:
    if isinstance(obj, (bytes, bytearray, memoryview)):
        return frombuffer(obj, dtype=d or dtypes.get_default_dtype())
    return _shared(np.asarray(obj))


def _with_grad(result: Tensor, source: Tensor, requires_grad: bool | None) -> Tensor:
    if requires_grad is None:
        return result
    if not requires_grad:
        return result.detach() if result._edge is not None else result
    if result._edge is None:
        if result is source:
            result = result.detach()
        result.requires_grad = True
    return result


@public("torch")
def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """Return a 1-dim tensor over the memory of an object with Python's buffer protocol.

    ``offset`` counts bytes, ``count`` elements (-1: all). ValueError where they do not fit.

    >>> import wengert as torch
    >>> torch.frombuffer(bytearray([1, 2, 3]), dtype=torch.uint8)
    tensor([1, 2, 3], dtype=torch.uint8)
    """
    d = dtypes.as_dtype(dtype, "frombuffer")
    try:
        size = memoryview(buffer).nbytes
    except TypeError:
        raise ValueError(
            f"object does not implement Python buffer protocol: it is a {type(buffer).__name__}"
        ) from None
    if size == 0 or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({size} bytes) minus 1"
        )
    if count < 0:
        if (size - offset) % d.itemsize:
            raise ValueError(
                f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a "
                f"multiple of element size ({d.itemsize})"
            )
    elif offset + count * d.itemsize > size:
        raise ValueError(
            f"requested buffer length ({count} * {d.itemsize} bytes) after offset ({offset} "
            f"bytes) must not be greater than actual buffer length ({size} bytes)"
        )
    return made(np.frombuffer(buffer, d.np, count, offset), requires_grad, "frombuffer")


# --------------------------------------------------------------------------------- Tensor(...)


def legacy_tensor(cls: type, *args: Any, device: Any = None, **unknown: Any) -> Tensor:
    """Return what ``Tensor(...)`` makes: a size gives an uninitialised tensor, data a copy of it.

    All of the default dtype, except that a tensor is returned as an alias of itself.
    """
    for name in unknown:
        raise TypeError(
            f"new() received an invalid combination of arguments: {cls.__name__}(...) takes data "
            f"or sizes, not '{name}'; use torch.tensor(data, {name}=...)"
        )
    check_options("new", None, device)
    t = typed_tensor(None, args)
    if cls is not Tensor:
        t.__class__ = cls
    return t


def typed_tensor(d: dtypes.dtype | None, args: tuple[Any, ...]) -> Tensor:
    """Return the same in a given dtype (None: the default one)."""
    wanted = dtypes.get_default_dtype() if d is None else d
    if not args:
        return made(np.empty(0, wanted.np))
    first = args[0]
    if isinstance(first, (int, np.integer)) and not isinstance(first, bool):
        return made(np.empty(size_of("new", args), wanted.np))
    if len(args) > 1:
        raise TypeError(
            "new() takes one sequence of data or the sizes of an uninitialised tensor, got "
            f"({', '.join(type(a).__name__ for a in args)})"
        )
    if isinstance(first, Size):
        return made(np.empty(first, wanted.np))
    if isinstance(first, Tensor):
        if d is not None and first._spec.dtype is not d:
            raise TypeError(f"expected a tensor of dtype {d}, got one of {first._spec.dtype}")
        result: Tensor = TENSORS.alias(first)
        return result
    if first is None or isinstance(first, (float, bool, complex)):
        raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")
    return copied(first, wanted, False, "new", "torch.Tensor")
