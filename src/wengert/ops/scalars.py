"""Tensors as Python values: item, tolist, float(t), bool(t), f"{t:.2f}", membership."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core import state
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor

_ONE_ELEMENT = "only one element tensors can be converted to Python scalars"
_warned = False


@public("Tensor")
def item(self: Tensor) -> Any:
    """Return the only element as a Python number; RuntimeError if there is not exactly one.

    >>> import wengert as torch
    >>> torch.tensor([2.5]).item()
    2.5
    """
    s = self._spec
    if s.numel != 1:
        raise RuntimeError(
            f"a Tensor with {s.numel} elements cannot be converted to Scalar; its shape is "
            f"{list(s.shape)}. Use tolist() for all elements."
        )
    return self._array.item()


@public("Tensor")
def tolist(self: Tensor) -> Any:
    """Return the elements as nested lists of Python numbers; a plain number for a 0-dim tensor.

    >>> import wengert as torch
    >>> torch.tensor([[1, 2], [3, 4]]).tolist()
    [[1, 2], [3, 4]]
    """
    return self._array.tolist()


def warn_of_lost_gradient(t: Tensor) -> None:
    """Warn once per process that a tensor which requires grad became a plain number."""
    global _warned
    if t.requires_grad and not _warned and state.is_grad_enabled():
        _warned = True
        warnings.warn(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected "
            "behavior.\nConsider using tensor.detach() first.",
            UserWarning,
            stacklevel=4,
        )


def _single(t: Tensor) -> Any:
    """Return the only element for float(t) and its kin."""
    warn_of_lost_gradient(t)
    s = t._spec
    if s.numel != 1:
        raise ValueError(f"{_ONE_ELEMENT}: this one has the shape {list(s.shape)}")
    return t._array.item()


def _float(self: Tensor) -> float:
    return float(_real(_single(self), "double"))


def _int(self: Tensor) -> int:
    return int(_real(_single(self), "int64_t"))


def _complex(self: Tensor) -> complex:
    return complex(_single(self))


def _real(value: Any, name: str) -> Any:
    if isinstance(value, complex):
        if value.imag:
            raise RuntimeError(
                f"value cannot be converted to type {name} without overflow: {value} has an "
                "imaginary part"
            )
        return value.real
    return value


def _bool(self: Tensor) -> bool:
    n = self._spec.numel
    if n == 1:
        return bool(self._array.item())
    if n == 0:
        raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
    raise RuntimeError(
        "Boolean value of Tensor with more than one value is ambiguous: this one has the shape "
        f"{list(self._spec.shape)}. Use t.any() or t.all()."
    )


def _index(self: Tensor) -> int:
    s = self._spec
    if s.numel != 1 or s.dtype.category > 1:
        raise TypeError(
            "only integer tensors of a single element can be converted to an index: this is a "
            f"{s.dtype.name} tensor of shape {list(s.shape)}"
        )
    return int(self._array.item())


def _format(self: Tensor, spec: str) -> str:
    if self._spec.ndim == 0 and (spec or (self._spec.plain and type(self) is Tensor)):
        return format(self.item(), spec)
    if spec:
        raise TypeError(
            "unsupported format string passed to Tensor.__format__: only 0-dim tensors take "
            f"{spec!r}, this one has the shape {list(self._spec.shape)}"
        )
    return repr(self)


def _contains(self: Tensor, element: Any) -> bool:
    if isinstance(element, (Tensor, bool, int, float, complex, np.number, np.bool_)):
        found: Any = self == element
        return bool(found._array.any())
    raise RuntimeError(
        "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
        f"{type(element)}."
    )


def _hash(self: Tensor) -> int:
    return id(self)


def _reversed(self: Tensor) -> Any:
    return TENSORS.flip(self, (0,)) if self._spec.ndim else self


for _name, _f in {
    "__hash__": _hash,
    "__reversed__": _reversed,
    "__float__": _float,
    "__int__": _int,
    "__complex__": _complex,
    "__bool__": _bool,
    "__index__": _index,
    "__format__": _format,
    "__contains__": _contains,
}.items():
    public("Tensor", name=_name)(_f)


@public("torch")
def is_tensor(obj: Any, /) -> bool:
    """Return True if ``obj`` is a tensor.

    >>> import wengert as torch
    >>> torch.is_tensor(torch.ones(1)), torch.is_tensor(1)
    (True, False)
    """
    return isinstance(obj, Tensor)


@public("torch", "Tensor")
def is_nonzero(input: Tensor) -> bool:
    """Return True if the only element is not zero; RuntimeError if there is not exactly one.

    >>> import wengert as torch
    >>> torch.is_nonzero(torch.tensor(0.5))
    True
    """
    return _bool(input)
