"""Filling parameters with their first values: PyTorch's functions, and its numbers for one seed.

All work in place, without recording, and return the tensor. The numbers of orthogonal_ are
PyTorch's up to rounding only, because they pass through a QR factorisation.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .._missing import getter
from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor, wrap
from ..ops.generator import Generator

__all__ = [
    "calculate_gain", "constant", "constant_", "dirac", "dirac_", "eye", "eye_", "kaiming_normal",
    "kaiming_normal_", "kaiming_uniform", "kaiming_uniform_", "normal", "normal_", "ones_",
    "orthogonal", "orthogonal_", "sparse", "sparse_", "trunc_normal_", "uniform", "uniform_",
    "xavier_normal", "xavier_normal_", "xavier_uniform", "xavier_uniform_", "zeros_",
]  # fmt: skip

_LINEAR = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d",
)  # fmt: skip
_GAINS = {"sigmoid": 1, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which weights make up for what a nonlinearity does to the variance.

    param is the negative slope of leaky_relu (0.01 by default). ValueError for an unknown name.

    >>> import wengert as torch
    >>> torch.nn.init.calculate_gain("leaky_relu", 0.2)
    1.3867504905630728
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"Unsupported nonlinearity {nonlinearity}; known are leaky_relu, "
            f"{', '.join([*_GAINS, *_LINEAR])}"
        )
    return _GAINS[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Return how many inputs feed one output of these weights, and the reverse."""
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, "
            f"got shape {list(shape)}"
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    """Return fan_in or fan_out, as mode says."""
    modes = ["fan_in", "fan_out"]
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]


@no_grad()
def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers uniform on [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return tensor.fill_(val)


@no_grad()
def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return tensor.fill_(1.0)


@no_grad()
def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return tensor.zero_()


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity, as far as its shape goes; ValueError unless it has 2 dims."""
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {tensor.ndim}")
    return tensor.copy_(wrap(np.eye(*tensor.shape, dtype=tensor.dtype.np)))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make a convolution (of 3, 4 or 5 dims) pass its input channels through, group by group.

    ValueError for other numbers of dims, and unless groups divides the output channels.

    >>> import wengert as torch
    >>> torch.nn.init.dirac_(torch.empty(2, 2, 3))
    tensor([[[0., 1., 0.],
             [0., 0., 0.]],
    <BLANKLINE>
            [[0., 0., 0.],
             [0., 1., 0.]]])
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got {len(shape)}")
    if shape[0] % groups:
        raise ValueError(
            f"dim 0 must be divisible by groups, got {shape[0]} output channels and {groups} groups"
        )
    weights = np.zeros(shape, tensor.dtype.np)
    channels = shape[0] // groups
    centre = tuple(n // 2 for n in shape[2:])
    for group in range(groups):
        for k in range(min(channels, shape[1])):
            weights[(group * channels + k, k, *centre)] = 1
    return tensor.copy_(wrap(weights))


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers that lie in [a, b]; those outside are drawn again.

    Where less than 30 % of a normal distribution lies inside, uniform candidates are kept with a
    probability in proportion to its density.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=3,
        )
    share = _below((b - mean) / std) - _below((a - mean) / std)
    if share > 0.3:
        return _redraw_outside(tensor, mean, std, a, b, generator)
    return _accept_by_density(tensor, mean, std, a, b, generator)


def _below(x: float) -> float:
    """The share of the standard normal distribution that lies below x."""
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def _redraw_outside(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Tensor:
    kind = tensor.dtype.np.type
    low, high = kind(a), kind(b)
    values = tensor.normal_(mean, std, generator=generator)._array
    outside = (values < low) | (values > high)
    while outside.any():
        # Everything is drawn each time: the numbers used depend on their place alone.
        again = wrap(np.empty_like(values)).normal_(mean, std, generator=generator)._array
        np.copyto(values, again, where=outside)
        outside = (values < low) | (values > high)
    return tensor


def _accept_by_density(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Tensor:
    values = tensor.uniform_(a, b, generator=generator)._array
    mode = max(a, min(mean, b))
    peak = -0.5 * ((mode - mean) / std) ** 2

    def refused(candidates: Any) -> Any:
        log_density = ((candidates - mean) / std) ** 2 * -0.5 - peak
        chance = wrap(np.empty_like(candidates)).uniform_(generator=generator)._array
        return np.log(chance) > log_density

    pending = refused(values)
    while pending.any():
        candidates = wrap(np.empty_like(values)).uniform_(a, b, generator=generator)._array
        np.copyto(values, candidates, where=pending)
        pending &= refused(candidates)
    return tensor


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill uniformly with variance gain**2 * 2 / (fan_in + fan_out) (Glorot and Bengio, 2010).

    ValueError for fewer than 2 dims.
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers of the variance of `xavier_uniform_`.

    ValueError for fewer than 2 dims.
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    """The standard deviation, or None for a tensor without elements, which is left as it is."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill uniformly with variance gain**2 / fan (He et al., 2015).

    a is the negative slope of leaky_relu, mode says which fan. ValueError for unknown names and for
    fewer than 2 dims.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.nn.init.kaiming_uniform_(torch.empty(1, 3), nonlinearity="relu")
    tensor([[-0.0106,  0.7586, -1.1640]])
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers of variance gain**2 / fan (He et al., 2015).

    a is the negative slope of leaky_relu, mode says which fan. ValueError for unknown names and for
    fewer than 2 dims.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with gain times a random matrix with orthonormal rows or columns (Saxe et al., 2013).

    Dims after the first are taken together. The normal numbers that it starts from are PyTorch's;
    the result agrees to rounding. ValueError for fewer than 2 dims.
    """
    if tensor.ndim < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, got {tensor.ndim}")
    if 0 in tensor.shape:
        return tensor
    rows = tensor.shape[0]
    start = wrap(np.empty((rows, tensor.numel() // rows), tensor.dtype.np))
    matrix = start.normal_(0, 1, generator=generator)._array
    wide = matrix.shape[0] < matrix.shape[1]
    # LAPACK has no 16-bit floats.
    work = matrix.astype(np.float32) if matrix.dtype.itemsize == 2 else matrix
    q, r = np.linalg.qr(work.T if wide else work)
    # With the signs of R's diagonal the result is uniform (Mezzadri, arXiv:math-ph/0609050).
    q = q * np.sign(np.diagonal(r))
    values = (q.T if wide else q).reshape(tuple(tensor.shape)) * gain
    return tensor.copy_(wrap(values.astype(matrix.dtype)))


@no_grad()
def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Fill a matrix with normal numbers, then zero a share of every column (Martens, 2010).

    sparsity is that share; which rows are zeroed comes from the default generator. ValueError
    unless there are 2 dims.
    """
    from ..ops.random import randperm

    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {tensor.ndim}")
    rows, cols = tensor.shape
    zeros = math.ceil(sparsity * rows)
    values = tensor.normal_(0, std, generator=generator)._array
    for col in range(cols):
        values[randperm(rows)._array[:zeros], col] = 0
    return tensor


def _deprecated(f: Any) -> Any:
    """Return the old form of a function: the same, under the name without underscore."""
    new, old = f.__name__, f.__name__[:-1]

    def renamed(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.",
            FutureWarning,
            stacklevel=2,
        )
        return f(*args, **kwargs)

    renamed.__name__ = renamed.__qualname__ = old
    renamed.__doc__ = f"Deprecated name of `{new}`."
    return renamed


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)

__getattr__ = getter(__name__, __all__)
