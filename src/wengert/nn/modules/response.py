"""Normalisation of every channel by the energy of its neighbours, as layers."""

from __future__ import annotations

from ...core.tensor import Tensor
from .. import functional as F
from .module import Module


class LocalResponseNorm(Module):
    """x / (k + alpha * mean of squares over `size` channels around)^beta for (N, C, ...).

    Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks (2012).

    >>> import wengert as torch
    >>> torch.nn.LocalResponseNorm(2)(torch.randn(32, 5, 24, 24)).shape
    torch.Size([32, 5, 24, 24])
    """

    __constants__ = ["size", "alpha", "beta", "k"]

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """The same for images (N, C, H, W) with the sums of squares as they are updated channel by channel.

    As in PyTorch, whose update never takes channel 0 out again, the square of channel 0 stays in
    the sums of all later channels; the gradient is that of this function.

    >>> import wengert as torch
    >>> torch.nn.CrossMapLRN2d(3)(torch.randn(2, 5, 4, 4)).shape
    torch.Size([2, 5, 4, 4])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Tensor) -> Tensor:
        from ...ops.response import cross_map_lrn

        return cross_map_lrn(input, self.size, self.alpha, self.beta, self.k)
