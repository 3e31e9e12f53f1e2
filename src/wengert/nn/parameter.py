"""Parameters and buffers under PyTorch's path, and those whose shape is not known yet.

An uninitialized tensor is an empty one whose array and spec can't be read: every operation asks
for them, and so says that the tensor has no shape yet. `materialize` gives it a shape and its usual class.
"""

from __future__ import annotations

from typing import Any, cast

from ..core.parameter import Buffer, Parameter
from ..core.tensor import Tensor, attach
from ..ops.create import empty

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]

_spec_slot: Any = Tensor.__dict__["_spec"]
_array_slot: Any = Tensor.__dict__["_array"]
_data: Any = Tensor.__dict__["data"]


def _refuse() -> Any:
    raise ValueError(
        "Attempted to use an uninitialized parameter: it has no shape yet. This happens with a "
        "`LazyModule` or with `torch.nn.parameter.UninitializedParameter` objects. When using "
        "LazyModules, call `forward` with a dummy batch to initialize the parameters first."
    )


class UninitializedTensorMixin:
    """What uninitialized parameters and buffers share."""

    __slots__ = ()
    cls_to_become: type

    @property
    def _spec(self) -> Any:
        return _refuse()

    @_spec.setter
    def _spec(self, spec: Any) -> None:
        _spec_slot.__set__(self, spec)

    @property
    def _array(self) -> Any:
        return _refuse()

    @_array.setter
    def _array(self, array: Any) -> None:
        _array_slot.__set__(self, array)

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    @property
    def dtype(self) -> Any:
        return _spec_slot.__get__(self).dtype

    @property
    def device(self) -> Any:
        return self.data.device

    def is_floating_point(self) -> bool:
        return bool(self.dtype.is_floating_point)

    def is_complex(self) -> bool:
        return bool(self.dtype.is_complex)

    @property
    def data(self) -> Tensor:
        """An empty tensor of the dtype that the values will have."""
        return attach(_array_slot.__get__(self), _spec_slot.__get__(self))

    @data.setter
    def data(self, other: Tensor) -> None:
        _data.__set__(self, other)

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Makes this tensor an ordinary one of that shape, its values uninitialized.

        >>> import wengert as torch
        >>> p = torch.nn.UninitializedParameter()
        >>> p.materialize((2, 3))
        >>> type(p).__name__, p.shape
        ('Parameter', torch.Size([2, 3]))
        """
        self.data = empty(shape, device=device, dtype=self.dtype if dtype is None else dtype)
        cast(Any, self).__class__ = self.cls_to_become

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            cls: Any = type(self)
            memo[id(self)] = cls(cast(Tensor, self).requires_grad, dtype=self.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (cast(Tensor, self).requires_grad,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape is known later, at the first forward of a lazy module.

    It can be cast, copied, saved and given to an optimizer; everything else raises ValueError.

    >>> import wengert as torch
    >>> torch.nn.UninitializedParameter()
    <UninitializedParameter>
    """

    __slots__ = ()
    __module__ = "wengert.nn.parameter"
    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        made = Parameter(empty(0, device=device, dtype=dtype), requires_grad)
        made.__class__ = cls
        return made


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer whose shape is known later; see `UninitializedParameter`."""

    __slots__ = ()
    cls_to_become = Tensor

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> Any:
        made = empty(0, device=device, dtype=dtype, requires_grad=requires_grad)
        made.__class__ = cls
        return made


def is_lazy(param: Any) -> bool:
    """Returns True for a parameter or buffer whose shape is not known yet."""
    return isinstance(param, UninitializedTensorMixin)
