"""`torch.gradient`: derivatives of sampled functions by finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, as_tensor_arg
from ..kernels.dims import wrap_dims
from .checking import check_tensor

T: Any = TENSORS


def _spacings(x: Tensor, spacing: Any, dims: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The dims and, for every one, the distance of its samples or a tensor of their coordinates."""
    given = isinstance(spacing, tuple | list)
    if dims is None:
        count, said = x.ndim, f"'self.dim() = {x.ndim}', since dim argument was not given"
        wanted: tuple[int, ...] = tuple(range(x.ndim))
    else:
        wanted = wrap_dims(dims, x.ndim)
        count, said = len(wanted), f"dim, {len(wanted)}"
    if given and len(spacing) != count:
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to "
            f"{said}, but got a list of length {len(spacing)}"
        )
    return wanted, list(spacing) if given else [spacing] * count


def _along(x: Tensor, d: int, h: Any, order: int) -> Tensor:
    n = x.shape[d]

    def at(start: int, size: int) -> Tensor:
        return T.narrow(x, d, start, size)

    if isinstance(h, Tensor) and h.ndim:
        if h.shape[0] != n:
            raise RuntimeError(
                f"torch.gradient expected the coordinates of dim {d} to be as many as its {n} "
                f"elements, but got {h.shape[0]}"
            )
        steps = h[1:] - h[:-1]
        shape = [1] * x.ndim
        shape[d] = -1
        a, b = (s.reshape(shape) for s in (steps[:-1], steps[1:]))  # before and after
        middle = (
            at(0, n - 2) * (-b / (a * (a + b)))
            + at(1, n - 2) * ((b - a) / (a * b))
            + at(2, n - 2) * (a / (b * (a + b)))
        )
        ends = (steps[0], steps[1] if n > 2 else None), (steps[-1], steps[-2] if n > 2 else None)
    else:
        middle = (at(2, n - 2) - at(0, n - 2)) / h / 2
        ends = (h, h), (h, h)
    return T.cat([_end(at, 0, 1, *ends[0], order), middle, _end(at, n - 1, -1, *ends[1], order)], d)


def _end(at: Any, k: int, towards: int, a: Any, b: Any, order: int) -> Tensor:
    """The derivative at an end, from the two or three samples there (a and b are their distances)."""
    first = (at(k + towards, 1) - at(k, 1)) / a
    if order == 1:
        return first * towards if towards < 0 else first
    second = (at(k + 2 * towards, 1) - at(k + towards, 1)) / b
    # the parabola through three samples: its slope at the end
    out = first + (first - second) * (a / (a + b))
    return out * towards if towards < 0 else out


@public("torch")
def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Return the derivatives of a sampled function along its dims: central differences inside.

    spacing     the distance of samples (a number, or one a dim), or their coordinates (a tensor a dim)
    edge_order  1 or 2: the order of accuracy at the ends

    >>> import wengert as torch
    >>> torch.gradient(torch.tensor([1., 2., 4., 7.]))
    (tensor([1.0000, 1.5000, 2.5000, 3.0000]),)
    """
    check_tensor(input, "gradient")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if input._spec.np == np.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    dims, spacings = _spacings(input, spacing, dim)
    for d in dims:
        if input.shape[d] <= edge_order:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1"
            )
    x = input if input._spec.dtype.category >= 2 else T.add(input, as_tensor_arg(0.0, input))
    return tuple([_along(x, d, h, edge_order) for d, h in zip(dims, spacings, strict=True)])
