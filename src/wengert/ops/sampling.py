"""Random numbers made by rejection: gamma, Dirichlet, Poisson and binomial.

Gamma and Dirichlet draws have the derivatives of implicit reparameterisation (kernels/implicit.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import aligned
from ..core.define import elementwise, primitive
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import dtypes, implicit, sampling
from ..kernels.random import Generator
from .checking import check_tensor
from .draws import batched_draw, check_steered, for_each_example
from .generator import source
from .sets import no_derivative

ndarray = np.ndarray


def _zero(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


def _refused(name: str) -> Any:
    """Return a rule that says that there is no derivative, in the words of a missing backward."""

    def rule(g: Any) -> Any:
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return rule


def _check(t: Any, caller: str, kernel: str, half: bool = False) -> None:
    check_tensor(t, caller)
    d = t._spec.dtype
    if d.category != dtypes.FLOAT or (d.itemsize < 4 and not half):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{d.scalar_name}'")


# ------------------------------------------------------------------- gamma, dirichlet
_gamma = elementwise(
    "standard_gamma(x, *, source)", sampling.standard_gamma, promote=None, batch=batched_draw,
    x=lambda xp, g, x, out: g * xp.standard_gamma_grad(x, out),
)  # fmt: skip

_gamma_grad = elementwise(
    "standard_gamma_grad(x, y)", implicit.standard_gamma_grad,
    x=no_derivative("_standard_gamma_grad"), y=no_derivative("_standard_gamma_grad"),
)  # fmt: skip


def _dirichlet_factor(xp: Any, x: Any, out: Any) -> Any:
    total = xp.expand(xp.sum(x, (-1,), True), x.shape)
    return xp.dirichlet_grad(out, x, total)


def _dirichlet_rule(xp: Any, g: Any, x: Any, out: Any) -> Any:
    return _dirichlet_factor(xp, x, out) * (g - xp.sum(out * g, (-1,), True))


def _dirichlet_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    moved = _dirichlet_factor(xp, xs[0], out) * ts[0]
    return moved - out * xp.sum(moved, (-1,), True)


_dirichlet = primitive(
    "opaque", "sample_dirichlet(x, *, source)", sampling.dirichlet, batch=batched_draw,
    node="_DirichletBackward", x=_dirichlet_rule, jvp=_dirichlet_jvp,
)  # fmt: skip

_dirichlet_grad = elementwise(
    "dirichlet_grad(x, y, z)", implicit.dirichlet_grad,
    **{i: no_derivative("_dirichlet_grad") for i in "xyz"},
)  # fmt: skip


@public("torch", name="_standard_gamma")
def standard_gamma(self: Tensor, generator: Generator | None = None) -> Tensor:
    """Return gamma numbers of rate 1 whose shapes are the elements of self (float32 or float64).

    The gradient is that of implicit reparameterisation. NotImplementedError for other dtypes.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch._standard_gamma(torch.tensor([0.5, 2.0, 20.0]))
    tensor([7.8936e-04, 6.3154e-01, 2.0387e+01])
    """
    _check(self, "_standard_gamma", "gamma_cpu")
    return _gamma(for_each_example(self), source(generator, "_standard_gamma"))


@public("torch", name="_standard_gamma_grad")
def standard_gamma_grad(self: Tensor, output: Tensor) -> Tensor:
    """Return how gamma numbers `output` of the shapes in self move with these, to all digits.

    >>> import wengert as torch
    >>> torch._standard_gamma_grad(torch.tensor([1.0]), torch.tensor([1.0]))
    tensor([1.1736])
    """
    for t in (self, output):
        _check(t, "_standard_gamma_grad", "_standard_gamma_grad_cpu")
    return _gamma_grad(self, output)


@public("torch", name="_sample_dirichlet")
def sample_dirichlet(self: Tensor, generator: Generator | None = None) -> Tensor:
    """Return draws of the Dirichlet distribution whose concentrations lie along the last dim.

    The gradient is that of implicit reparameterisation. NotImplementedError for other dtypes than
    float32 and float64.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch._sample_dirichlet(torch.tensor([1.0, 2.0, 3.0]))
    tensor([0.5282, 0.2411, 0.2307])
    """
    _check(self, "_sample_dirichlet", "dirichlet")
    return _dirichlet(for_each_example(self), source(generator, "_sample_dirichlet"))


@public("torch", name="_dirichlet_grad")
def dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """Return the factors by which Dirichlet draws x move with their concentrations alpha.

    Component i moves by factor * (1 - x_i) with its own concentration, the others by
    -factor * x_j; total is the sum of the concentrations.

    >>> import wengert as torch
    >>> torch._dirichlet_grad(torch.tensor(0.5), torch.tensor(1.0), torch.tensor(2.0))
    tensor(0.6931)
    """
    for t in (x, alpha, total):
        _check(t, "_dirichlet_grad", "_dirichlet_grad_cpu")
    return _dirichlet_grad(x, alpha, total)


# ------------------------------------------------------------------- poisson, binomial
_poisson = elementwise(
    "poisson(x, *, source)", sampling.poisson, promote=None, x=_zero, batch=batched_draw
)


def _binomial_kernel(count: ndarray, p: ndarray, g: Generator) -> ndarray:
    count, p = np.broadcast_arrays(count, p)
    return sampling.binomial(count, p, g)


def _binomial_batched(op: Any, xs: list, on: list, params: tuple) -> Any:
    check_steered(op.name)
    return aligned(op, xs, on, params)


_binomial = elementwise(
    "binomial(x, y, *, source)", _binomial_kernel, promote=None, node="NotImplemented",
    x=_refused("binomial"), y=_refused("binomial"), batch=_binomial_batched,
)  # fmt: skip


@public("torch")
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Return Poisson numbers of the rates in input, in its floating-point dtype.

    The gradient is zero. RuntimeError for a negative rate or nan.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.poisson(torch.tensor([0.5, 5.0, 50.0]))
    tensor([ 2.,  6., 49.])
    """
    _check(input, "poisson", "poisson_cpu", half=True)
    if input._spec.plain and not (input._array >= 0).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return _poisson(for_each_example(input), source(generator, "poisson"))


@public("torch")
def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Return how many of `count` trials succeed that each do so with probability `prob`.

    Both are tensors of one floating-point dtype, which broadcast. Not differentiable: backward
    through it is an error. ValueError for integers, RuntimeError for two dtypes.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.binomial(torch.tensor([10., 100.]), torch.tensor([0.5, 0.1]))
    tensor([ 7., 11.])
    """
    for t, name in ((count, "count"), (prob, "prob")):
        check_tensor(t, "binomial")
        if t._spec.dtype.category != dtypes.FLOAT:
            raise ValueError(
                "binomial only supports floating-point dtypes for "
                f"{name}, got: {t._spec.dtype.scalar_name}"
            )
    if count._spec.dtype is not prob._spec.dtype:
        raise RuntimeError(
            f"Found dtype {prob._spec.dtype.scalar_name} but expected "
            f"{count._spec.dtype.scalar_name}: count and prob have one dtype"
        )
    _check(count, "binomial", "binomial_cpu")
    return _binomial(for_each_example(count), prob, source(generator, "binomial"))
