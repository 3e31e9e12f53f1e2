"""Norms over all dims but one, and the weight that a direction and a length make."""

from __future__ import annotations

from ..core.registry import public
from ..core.tensor import Tensor
from .norm import vector_norm


@public("torch")
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """Return the `pow`-norms over all dims but `dim`, those kept with size 1; of all for dim -1.

    >>> import wengert as torch
    >>> torch.norm_except_dim(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    tensor([[5.],
            [2.]])
    """
    if dim == -1:
        return vector_norm(v, pow)
    dim = dim + v.ndim if dim < 0 else dim
    rest = [k for k in range(v.ndim) if k != dim]
    return vector_norm(v, pow, rest, keepdim=True) if rest else v.abs()


@public("torch", name="_weight_norm")
def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """Return v * g / |v|, with the norms over all dims but `dim`.

    >>> import wengert as torch
    >>> torch._weight_norm(torch.tensor([[3.0, 4.0]]), torch.tensor([[10.0]]))
    tensor([[6., 8.]])
    """
    return v * (g / norm_except_dim(v, 2, dim))
