"""What the families share: broadcasting of parameters, probabilities and logits, lazy attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any

import wengert as torch

from ..core.tensor import Tensor

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits",
    "tril_matrix_to_vec", "vec_to_tril_matrix",
]  # fmt: skip

euler_constant = 0.57721566490153286060


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Return numbers and tensors as tensors of one shape.

    Numbers take dtype of the first tensor, or the default dtype. ValueError for anything else.

    >>> import wengert as torch
    >>> torch.distributions.utils.broadcast_all(torch.zeros(2), 1.0)
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    for v in values:
        if not isinstance(v, Tensor | Number):
            raise ValueError(
                "Input arguments must all be instances of Number, torch.Tensor or objects "
                f"implementing __torch_function__, not {type(v).__name__}."
            )
    dtype = next((v.dtype for v in values if isinstance(v, Tensor)), torch.get_default_dtype())
    tensors = [v if isinstance(v, Tensor) else torch.tensor(v, dtype=dtype) for v in values]
    return tuple(torch.broadcast_tensors(*tensors))


def all_numbers(*values: Any) -> bool:
    """Return True where no parameter is a tensor: the batch shape is then that of one number."""
    return all(isinstance(v, Number) for v in values)


def plain(t: Any) -> bool:
    """Return True unless t is wrapped by forward mode or vmap: such values can't be looked at."""
    return not isinstance(t, Tensor) or t._spec.plain


def standard_normal(like: Tensor, shape: Sequence[int]) -> Tensor:
    """Return normal numbers of mean 0 and variance 1 in the dtype of `like`."""
    return torch.randn(tuple(shape), dtype=like.dtype)


def unfilled(shape: Sequence[int], *parameters: Tensor) -> Tensor:
    """Return a tensor to be filled with numbers, one for each example where a parameter is mapped."""
    wrapped = [p for p in parameters if not plain(p)]
    like = max(wrapped, key=lambda p: getattr(p, "level", 0)) if wrapped else parameters[0]
    return like.new_empty(tuple(shape))


def sum_rightmost(value: Any, count: int) -> Any:
    """Sum out `count` dims at the end."""
    if count == 0 or not isinstance(value, Tensor):
        return value
    return value.reshape((*value.shape[: value.dim() - count], -1)).sum(-1)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Return the probabilities of log odds (binary), or of log weights along the last dim.

    >>> import wengert as torch
    >>> torch.distributions.utils.logits_to_probs(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """
    return torch.sigmoid(logits) if is_binary else torch.softmax(logits, dim=-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Return probabilities kept inside (0, 1), an eps of their dtype away from the ends.

    >>> import wengert as torch
    >>> torch.distributions.utils.clamp_probs(torch.tensor([0.0, 0.5]))
    tensor([1.1921e-07, 5.0000e-01])
    """
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Return log odds (binary) or log probabilities, of probabilities kept inside (0, 1).

    >>> import wengert as torch
    >>> torch.distributions.utils.probs_to_logits(torch.tensor(0.5), is_binary=True)
    tensor(0.)
    """
    inside = clamp_probs(probs)
    return torch.log(inside) - torch.log1p(-inside) if is_binary else torch.log(inside)


class lazy_property:
    """An attribute that a method computes when it is first asked for, gradients recorded.

    >>> class Circle:
    ...     r = 2
    ...     @lazy_property
    ...     def area(self):
    ...         return 3 * self.r**2
    >>> Circle().area
    12
    """

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__
        self.__name__ = wrapped.__name__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.__name__, value)
        return value


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """Return the lower triangle of square matrices, row after row, as vectors.

    >>> import wengert as torch
    >>> torch.distributions.utils.tril_matrix_to_vec(torch.eye(2))
    tensor([1., 0., 1.])
    """
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    return mat.flatten(-2).index_select(-1, torch.tensor(_places(n, diag), dtype=torch.int64))


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Return square matrices whose lower triangles, row after row, are the vectors.

    ValueError where a triangle does not have that many elements.

    >>> import wengert as torch
    >>> torch.distributions.utils.vec_to_tril_matrix(torch.tensor([1., 2., 3.]))
    tensor([[1., 0.],
            [2., 3.]])
    """
    count = vec.shape[-1]
    n = (
        -(1 + 2 * diag) + math.sqrt((1 + 2 * diag) ** 2 + 8 * count + 4 * abs(diag) * (diag + 1))
    ) / 2
    if not round(n, 4).is_integer():
        raise ValueError(f"The size of last dimension is {count} which cannot be expressed as "
                         "the lower triangular part of a square D x D matrix.")  # fmt: skip
    size = round(n)
    taken = [count] * (size * size)  # of an element that is 0
    for k, place in enumerate(_places(size, diag)):
        taken[place] = k
    padded = torch.cat([vec, torch.zeros_like(vec[..., :1])], -1)
    return padded.index_select(-1, torch.tensor(taken, dtype=torch.int64)).unflatten(
        -1, (size, size)
    )


def _places(n: int, diag: int) -> list[int]:
    return [i * n + j for i in range(n) for j in range(n) if j <= i + diag]
