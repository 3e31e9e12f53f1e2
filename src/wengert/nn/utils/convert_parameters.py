"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.inplace import before_write, bump, caller
from ...core.tensor import Tensor
from ...ops.join import cat


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Returns the parameters flattened and joined; differentiable.

    >>> import wengert as torch
    >>> torch.nn.utils.parameters_to_vector([torch.zeros(2), torch.ones(1, 2)])
    tensor([0., 0., 1., 1.])
    """
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copies consecutive slices of `vec` into the parameters, unrecorded.

    Raises RuntimeError before anything is changed if the vector is too short.

    >>> import wengert as torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> torch.nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0, 3.0]), layer.parameters())
    >>> layer.weight.detach(), layer.bias.detach()
    (tensor([[1., 2.]]), tensor([3.]))
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    targets = list(parameters)
    flat = vec._array.reshape(-1)
    needed = sum(p.numel() for p in targets)
    if flat.size < needed:
        raise RuntimeError(
            f"vector_to_parameters(): shape '[{needed}]' is invalid for input of "
            f"size {flat.size}: the vector is shorter than the parameters together"
        )
    where, start = caller(), 0
    for p in targets:
        stop = start + p.numel()
        before_write(p._array)
        p._array[...] = flat[start:stop].reshape(p._array.shape)
        bump(p, where)
        start = stop
