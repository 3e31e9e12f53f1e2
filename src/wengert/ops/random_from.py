"""Random numbers whose distribution tensors give: normal, bernoulli, multinomial."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.batching import aligned
from ..core.cold import bind
from ..core.define import elementwise, plain
from ..core.inplace import into
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.size import size_of
from ..core.tensor import Tensor
from ..kernels import dtypes
from ..kernels.random import Generator
from .checking import check_tensor
from .draws import (
    batched_draw,
    check_steered,
    dtype_of,
    for_each_example,
    new_drawn,
    standard,
)  # fmt: skip
from .generator import source
from .options import check_options
from .random_fill import bernoulli_, check_normal, check_probability, number, whole

ndarray = np.ndarray


# ------------------------------------------------------------------ normal
def _zero(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


def _around_kernel(mean: ndarray, std: float, g: Generator) -> ndarray:
    return np.asarray(g.normal(mean.shape, 0.0, std, mean.dtype) + mean)


def _wide_kernel(std: ndarray, mean: float, g: Generator) -> ndarray:
    return np.asarray(g.normal(std.shape, 0.0, 1.0, std.dtype) * std + std.dtype.type(mean))


def _both_kernel(mean: ndarray, std: ndarray, g: Generator) -> ndarray:
    shape = np.broadcast_shapes(mean.shape, std.shape)
    drawn = g.normal(shape, 0.0, 1.0, mean.dtype)
    if std.ndim == 0:
        std = std.astype(mean.dtype)
    return np.asarray((drawn * std).astype(mean.dtype) + mean)


def _batched_both(op: Any, xs: list, on: list, params: tuple) -> Any:
    check_steered(op.name)
    return aligned(op, xs, on, params)


_around = elementwise("normal_mean(x, *, std, source)", _around_kernel, promote=None,
                      node="NormalBackward1", x=_zero, batch=batched_draw)  # fmt: skip
_wide = elementwise("normal_std(x, *, mean, source)", _wide_kernel, promote=None,
                    node="NormalBackward2", x=_zero, batch=batched_draw)  # fmt: skip
_both = elementwise("normal(x, y, *, source)", _both_kernel, promote=None, node="NormalBackward3",
                    x=_zero, y=_zero, batch=_batched_both)  # fmt: skip


@public("torch")
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return normal numbers around mean with standard deviation std.

    Both may be tensors, which broadcast, or numbers; two numbers need a size. As in PyTorch no
    gradient flows to mean or std (it is zero): write mean + std * randn for that. RuntimeError for
    a negative std.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.normal(torch.tensor([0., 100.]), torch.tensor([1., 10.]))
    tensor([ 1.5410, 97.0657])
    """
    g = source(generator, "normal")
    if size is not None:
        check_options("normal", layout, device, pin_memory)
        d = dtype_of("normal", out, dtype)
        mean, std = number(mean, "normal", "mean"), number(std, "normal", "std")
        check_normal(std, d)
        shape = size_of("normal", (size,))
        return new_drawn("normal", shape, d, standard(g, mean, std), out, dtype, requires_grad)
    result = _normal_of(mean, std, g)
    return result if out is None else into(out, result, "normal")


def _normal_of(mean: Any, std: Any, g: Generator) -> Tensor:
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        raise TypeError(
            "normal() received an invalid combination of arguments: two numbers need a size, as in "
            "normal(0.0, 1.0, (2, 3))"
        )
    if isinstance(mean, Tensor):
        mean = for_each_example(mean)
    elif isinstance(std, Tensor):
        std = for_each_example(std)
    if isinstance(std, Tensor):
        if std._spec.dtype.category == dtypes.COMPLEX:
            raise RuntimeError("normal expects standard deviation to be non-complex")
        if std._spec.plain and (std._array < 0).any():
            raise RuntimeError("normal expects all elements of std >= 0.0")
    if not isinstance(std, Tensor):
        std = number(std, "normal", "std")
        check_normal(std, mean._spec.dtype)
        return _around(mean, std, g)
    if not isinstance(mean, Tensor):
        check_normal(1.0, std._spec.dtype)
        return _wide(std, number(mean, "normal", "mean"), g)
    check_normal(1.0, mean._spec.dtype)
    return _both(mean, std, g)


# --------------------------------------------------------------- bernoulli
def _bernoulli_kernel(p: ndarray, g: Generator) -> ndarray:
    return g.bernoulli_each(p, p.dtype)


_bernoulli = elementwise("bernoulli(x, *, source)", _bernoulli_kernel, promote=None, x=_zero,
                         batch=batched_draw)  # fmt: skip


@public("torch", "Tensor")
def bernoulli(
    input: Tensor, p: Any = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """Return 1 with the probabilities in input (or with probability p in its shape), else 0.

    The gradient is zero. RuntimeError for probabilities outside [0, 1].

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.bernoulli(torch.tensor([0.1, 0.5, 0.9]))
    tensor([0., 0., 1.])
    """
    check_tensor(input, "bernoulli")
    if p is not None:
        result = bernoulli_(input.new_empty(tuple(input.shape)), p, generator=generator)
    else:
        if input._spec.plain:
            check_probability(input._array)
        result = _bernoulli(for_each_example(input), source(generator, "bernoulli"))
    return result if out is None else into(out, result, "bernoulli")


# ------------------------------------------------------------- multinomial
def _multinomial_kernel(p: ndarray, samples: int, replacement: bool, g: Generator) -> ndarray:
    return g.multinomial(p, samples, replacement)


def _multinomial_batched(op: Any, xs: list, on: list, params: tuple) -> Any:
    """Examples are rows; those that have rows themselves become one long list of them."""
    check_steered(op.name)
    (x,) = xs
    size, *rows, count = x._spec.shape
    out = bind(op, (T.reshape(x, (math.prod((size, *rows)), count)),), params)
    return T.reshape(out, (size, *rows, params[0]))


_multinomial = plain("multinomial(x, *, samples, replacement, source)", _multinomial_kernel,
                     promote=None, batch=_multinomial_batched)  # fmt: skip


@public("torch", "Tensor")
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Return num_samples indices (int64) for each row of weights, drawn in their proportion.

    input has one dim or two (rows); its rows need not sum to 1. RuntimeError for weights that are
    negative, infinite, nan or all zero, and for more samples than weights without replacement.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.multinomial(torch.tensor([0.1, 0.7, 0.2]), 2)
    tensor([1, 2])
    """
    check_tensor(input, "multinomial")
    g = source(generator, "multinomial")
    n = whole(num_samples, "multinomial", "num_samples")
    spec = input._spec
    d = spec.dtype
    if not 1 <= spec.ndim <= 2:
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, not {spec.ndim}")
    if d.category != dtypes.FLOAT:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {d.scalar_name}"
        )
    if n <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples, got {n}")
    if not replacement and n > spec.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement: "
            f"{n} of {spec.shape[-1]}"
        )
    if spec.plain:
        p = input._array
        if not (np.isfinite(p).all() and (p >= 0).all()):
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
        if not p.sum(axis=-1).all():
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    result = _multinomial(for_each_example(input), n, bool(replacement), g)
    return result if out is None else into(out, result, "multinomial")
