"""Transforms of single numbers: exp, power, sigmoid, softplus, tanh, abs and affine."""

from __future__ import annotations

import math
from typing import Any

import wengert as torch

from ..core.tensor import Tensor
from . import constraints
from .transforms_base import Transform, same_number
from .utils import sum_rightmost

__all__ = [
    "AbsTransform", "AffineTransform", "ExpTransform", "PowerTransform", "SigmoidTransform",
    "SoftplusTransform", "TanhTransform",
]  # fmt: skip


class _Rising(Transform):
    """A bijection of numbers that rises, told by its class alone."""

    domain = constraints.real
    bijective = True
    sign = 1

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    __hash__ = object.__hash__


class ExpTransform(_Rising):
    """y = exp(x).

    >>> import wengert as torch
    >>> torch.distributions.ExpTransform()(torch.tensor(0.0))
    tensor(1.)
    """

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """x."""
        return x


class PowerTransform(Transform):
    """y = x**exponent, on the positive numbers.

    >>> import wengert as torch
    >>> torch.distributions.PowerTransform(2.0)(torch.tensor(3.0))
    tensor(9.)
    """

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    settings = ("exponent",)

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        self.exponent = torch.as_tensor(exponent)
        super().__init__(cache_size)

    @property
    def sign(self) -> Any:
        """That of the exponent."""
        return self.exponent.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and same_number(self.exponent, other.exponent)

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Tensor:
        return x.pow(self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log |exponent y / x|."""
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Any) -> Any:
        """Return the shape broadcast with the exponent's."""
        return torch.broadcast_shapes(tuple(shape), tuple(self.exponent.shape))

    inverse_shape = forward_shape


def _inside(y: Tensor, low: float = 0.0) -> Tensor:
    info = torch.finfo(y.dtype)
    return y.clamp(min=info.tiny if low == 0.0 else low + info.eps, max=1.0 - info.eps)


class SigmoidTransform(_Rising):
    """y = 1 / (1 + exp(-x)), kept inside (0, 1).

    >>> import wengert as torch
    >>> torch.distributions.SigmoidTransform()(torch.tensor(0.0))
    tensor(0.5000)
    """

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        return _inside(torch.sigmoid(x))

    def _inverse(self, y: Tensor) -> Tensor:
        y = _inside(y)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """-softplus(x) - softplus(-x)."""
        return -_softplus(-x) - _softplus(x)


def _softplus(x: Tensor) -> Tensor:
    return torch.nn.functional.softplus(x)


class SoftplusTransform(_Rising):
    """y = log(1 + exp(x)).

    >>> import wengert as torch
    >>> torch.distributions.SoftplusTransform()(torch.tensor(0.0))
    tensor(0.6931)
    """

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return _softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """-softplus(-x)."""
        return -_softplus(-x)


class TanhTransform(_Rising):
    """y = tanh(x). With large |x| use `cache_size=1`: the inverse of a value near 1 is inexact.

    >>> import wengert as torch
    >>> torch.distributions.TanhTransform()(torch.tensor(0.0))
    tensor(0.)
    """

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return torch.atanh(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log(1 - tanh(x)**2), in a form that does not cancel."""
        return 2.0 * (math.log(2.0) - x - _softplus(-2.0 * x))


class AbsTransform(Transform):
    """y = |x|, no bijection: the inverse takes the positive number.

    >>> import wengert as torch
    >>> torch.distributions.AbsTransform()(torch.tensor(-2.0))
    tensor(2.)
    """

    domain = constraints.real
    codomain = constraints.positive

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbsTransform)

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Tensor:
        return x.abs()

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class AffineTransform(Transform):
    """y = loc + scale x; `event_dim` of 1 or 2 makes vectors or matrices the events.

    >>> import wengert as torch
    >>> torch.distributions.AffineTransform(1.0, 2.0)(torch.tensor(3.0))
    tensor(7.)
    """

    bijective = True

    settings = ("loc", "scale", "event_dim")

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        """The number of dims of an event."""
        return self._event_dim

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """All numbers, in events of event_dim dims."""
        n = self.event_dim
        return constraints.independent(constraints.real, n) if n else constraints.real

    codomain = domain

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, AffineTransform)
            and same_number(self.loc, other.loc)
            and same_number(self.scale, other.scale)
        )

    __hash__ = object.__hash__

    @property
    def sign(self) -> Any:
        """That of the scale."""
        if isinstance(self.scale, Tensor):
            return self.scale.sign()
        return (self.scale > 0) - (self.scale < 0)

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log |scale|, summed over an event."""
        if isinstance(self.scale, Tensor):
            result = self.scale.abs().log()
        else:
            result = torch.full_like(x, math.log(abs(self.scale)))
        n = self.event_dim
        if n:
            result = sum_rightmost(result.expand(torch.broadcast_shapes(result.shape, x.shape)), n)
        return result.expand(tuple(x.shape[: x.dim() - n]))

    def forward_shape(self, shape: Any) -> Any:
        """Return the shape broadcast with the parameters'."""
        own = [tuple(p.shape) for p in (self.loc, self.scale) if isinstance(p, Tensor)]
        return torch.broadcast_shapes(tuple(shape), *own)

    inverse_shape = forward_shape
