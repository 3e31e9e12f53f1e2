"""PyTorch's old tensor classes: torch.FloatTensor([1, 2]), isinstance(t, torch.LongTensor)."""

from __future__ import annotations

import warnings
from typing import Any

from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import dtypes
from .cast import named_type
from .data import typed_tensor


class _TensorType(type):
    """The class of these names: calling one makes a tensor, `isinstance` asks for the dtype."""

    dtype: dtypes.dtype

    def __call__(cls, *args: Any) -> Tensor:
        return typed_tensor(cls.dtype, args)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor) and x._spec.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


for _d in dtypes.ALL:
    if _d not in (dtypes.uint16, dtypes.uint32, dtypes.uint64):
        _name = _d.scalar_name + "Tensor"
        _doc = f"Tensors of dtype {_d}: call it with data or sizes, or use it with isinstance."
        public("torch", name=_name)(
            _TensorType(_name, (), {"dtype": _d, "__module__": "wengert", "__doc__": _doc})
        )


@public("torch")
def set_default_tensor_type(t: Any, /) -> None:
    """Set the default dtype by an old class name; deprecated by PyTorch, use `set_default_dtype`.

    TypeError unless it names a floating-point type.
    """
    if isinstance(t, dtypes.dtype):
        raise TypeError(
            f"invalid type object: only floating-point types are supported as the default type, "
            f"got {t!r}; use set_default_dtype"
        )
    d = named_type(t)
    dtypes.set_default_dtype(d)
    warnings.warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use "
        "torch.set_default_dtype() and torch.set_default_device() as alternatives.",
        UserWarning,
        stacklevel=2,
    )
