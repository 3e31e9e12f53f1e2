"""PyTorch's old `Variable`: a name from the time when tensors did not record; a Variable is a Tensor."""

from __future__ import annotations

import warnings
from typing import Any

from ..core.tensor import Tensor


class VariableMeta(type):
    """Makes `isinstance(x, Variable)` ask for a Tensor."""

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor)


class Variable(metaclass=VariableMeta):
    """Return a tensor over the memory of `data`, without its history; deprecated, as in PyTorch.

    Raises TypeError unless `data` is a tensor.

    >>> import wengert as torch
    >>> torch.autograd.Variable(torch.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Any:
        if data is None:
            data = Tensor()
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        if volatile:
            warnings.warn(
                "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.",
                stacklevel=2,
            )
        return data.detach().requires_grad_(requires_grad)
