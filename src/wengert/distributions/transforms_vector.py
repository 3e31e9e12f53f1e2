"""Transforms of vectors and matrices: softmax, stick breaking, Cholesky factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import wengert as torch

from ..core.tensor import Tensor
from . import constraints
from .transforms_base import Transform
from .utils import tril_matrix_to_vec, vec_to_tril_matrix

__all__ = [
    "CorrCholeskyTransform", "LowerCholeskyTransform", "PositiveDefiniteTransform",
    "SoftmaxTransform", "StickBreakingTransform",
]  # fmt: skip


class _ByClass(Transform):
    """A transform without parameters: equal to all of its class."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    __hash__ = object.__hash__


class CorrCholeskyTransform(_ByClass):
    """n (n - 1) / 2 numbers to the Cholesky factor of an n by n correlation matrix.

    Row by row, tanh gives the share of each number in what is left of the row's length 1
    (Lewandowski, Kurowicka and Joe, 2009). ValueError for another count of numbers.

    >>> import wengert as torch
    >>> torch.distributions.CorrCholeskyTransform()(torch.zeros(1))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        x = torch.tanh(x)
        eps = torch.finfo(x.dtype).eps
        r = vec_to_tril_matrix(x.clamp(min=-1 + eps, max=1 - eps), diag=-1)
        n = r.shape[-1]
        # what is left of the length before each column: the root of a running product of 1 - r**2
        left = (1 - r**2).cumprod(-1).sqrt()
        r = r + torch.eye(n, dtype=r.dtype)
        return r * torch.cat([torch.ones_like(left[..., :1]), left[..., :-1]], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        left = 1 - torch.cumsum(y * y, dim=-1)
        left = torch.cat([torch.ones_like(left[..., :1]), left[..., :-1]], -1)
        t = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (t.log1p() - (-t).log1p()) / 2

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """The logarithms of what is left of each row, and of the slopes of tanh."""
        left = tril_matrix_to_vec(1 - (y * y).cumsum(dim=-1), diag=-2)
        slopes = (
            x + torch.nn.functional.softplus(-2 * x) - torch.log(torch.tensor(2.0, dtype=x.dtype))
        )
        return 0.5 * left.log().sum(-1) - 2 * slopes.sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape of the matrices that vectors of this shape make."""
        count = shape[-1] if len(shape) else None
        if count is None:
            raise ValueError("Too few dimensions on input")
        n = round((0.25 + 2 * count) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != count:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return (*shape[:-1], n, n)

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape of the vectors that make matrices of this shape."""
        if len(shape) < 2:
            raise ValueError("Too few dimensions on input")
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        n = shape[-1]
        return (*shape[:-2], n * (n - 1) // 2)


class SoftmaxTransform(_ByClass):
    """y = softmax(x), no bijection: the inverse is the logarithm.

    >>> import wengert as torch
    >>> torch.distributions.SoftmaxTransform()(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        powers = (x - x.max(-1, True)[0]).exp()
        return powers / powers.sum(-1, True)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape itself; ValueError without dims."""
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return shape

    inverse_shape = forward_shape


class StickBreakingTransform(_ByClass):
    """n numbers to n + 1 shares of a stick: each takes a sigmoid's part of what is left.

    >>> import wengert as torch
    >>> torch.distributions.StickBreakingTransform()(torch.zeros(2))
    tensor([0.3333, 0.3333, 0.3333])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    @staticmethod
    def _offset(n: int, like: Tensor) -> Tensor:
        """log of how many shares are left, so that zeros give equal shares."""
        return torch.arange(n, 0, -1, dtype=like.dtype).log()

    def _call(self, x: Tensor) -> Tensor:
        eps = torch.finfo(x.dtype)
        z = torch.sigmoid(x - self._offset(x.shape[-1], x)).clamp(min=eps.tiny, max=1.0 - eps.eps)
        left = (1 - z).cumprod(-1)
        one = torch.ones_like(left[..., :1])
        return torch.cat([z, one], -1) * torch.cat([one, left], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        taken = y[..., :-1]
        left = (1 - taken.cumsum(-1)).clamp(min=torch.finfo(y.dtype).tiny)
        return taken.log() - left.log() + self._offset(taken.shape[-1], y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """The sum of log(y) + logsigmoid(-x), x with the offsets."""
        x = x - self._offset(x.shape[-1], x)
        return (-x + torch.nn.functional.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape with one more at the end."""
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape with one less at the end."""
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return (*shape[:-1], shape[-1] - 1)


class LowerCholeskyTransform(_ByClass):
    """Square matrices to lower triangles with a positive diagonal: exp on it, 0 above.

    >>> import wengert as torch
    >>> torch.distributions.LowerCholeskyTransform()(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_ByClass):
    """Square matrices to positive definite ones: L L^T of `LowerCholeskyTransform`.

    >>> import wengert as torch
    >>> torch.distributions.PositiveDefiniteTransform()(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        lower = LowerCholeskyTransform()(x)
        return lower @ lower.mT

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inv(torch.linalg.cholesky(y))
