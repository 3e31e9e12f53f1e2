"""Families that are transforms of others: log-normal, half-normal, Gumbel, Weibull, Pareto, ..."""

from __future__ import annotations

import math
from typing import Any

import wengert as torch

from ..core.size import Size
from ..core.tensor import Tensor
from . import constraints
from .composition import TransformedDistribution
from .distribution import Distribution
from .gamma_family import Exponential, Gamma
from .location_scale import Cauchy, Normal, Uniform
from .transforms import (
    AbsTransform,
    AffineTransform,
    ExpTransform,
    PowerTransform,
    StickBreakingTransform,
)
from .utils import broadcast_all, euler_constant

__all__ = [
    "Gumbel", "HalfCauchy", "HalfNormal", "InverseGamma", "Kumaraswamy", "LogNormal",
    "LogisticNormal", "Pareto", "Weibull",
]  # fmt: skip


class OfBase(TransformedDistribution):
    """A family whose parameters are those of its base: `expand` expands the base."""

    has_rsample = True

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return the distribution with its batch shape broadcast to `batch_shape`."""
        declared = next(c for c in type(self).__mro__ if "arg_constraints" in vars(c))
        new = self._get_checked_instance(declared, _instance)
        return super().expand(batch_shape, _instance=new)


class LogNormal(OfBase):
    """exp of a normal number.

    >>> import wengert as torch
    >>> torch.distributions.LogNormal(0.0, 1.0).mean
    tensor(1.6487)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive
    base_dist: Normal

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        """exp(loc + scale**2 / 2)."""
        return (self.loc + self.scale.pow(2) / 2).exp()

    @property
    def mode(self) -> Tensor:
        """exp(loc - scale**2)."""
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        """(exp(scale**2) - 1) exp(2 loc + scale**2)."""
        square = self.scale.pow(2)
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self) -> Tensor:
        """The normal one plus loc."""
        return self.base_dist.entropy() + self.loc


class LogisticNormal(OfBase):
    """Shares of 1, by stick breaking, of a normal vector of one component less.

    >>> import wengert as torch
    >>> torch.distributions.LogisticNormal(torch.zeros(2), torch.ones(2)).event_shape
    torch.Size([3])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand([1])
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of the normal vector."""
        return self.base_dist.base_dist.loc  # type: ignore[attr-defined]

    @property
    def scale(self) -> Tensor:
        """The standard deviations of the normal vector."""
        return self.base_dist.base_dist.scale  # type: ignore[attr-defined]


class _Half(OfBase):
    """The absolute value of numbers that lie symmetrically around 0."""

    arg_constraints: dict[str, Any] = {"scale": constraints.positive}
    support = constraints.nonnegative
    base_dist: Any

    @property
    def scale(self) -> Tensor:
        """The scale of the numbers."""
        return self.base_dist.scale

    @property
    def mode(self) -> Tensor:
        """0."""
        return torch.zeros_like(self.scale)

    def log_prob(self, value: Tensor) -> Tensor:
        """The base's plus log(2); -inf below 0."""
        self._check(value)
        return torch.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """Twice the base's, less 1."""
        self._check(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Tensor) -> Tensor:
        """The base's at (value + 1) / 2."""
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        """The base's less log(2)."""
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(_Half):
    """|x| of a normal x of mean 0.

    >>> import wengert as torch
    >>> torch.distributions.HalfNormal(1.0).mean
    tensor(0.7979)
    """

    arg_constraints = {"scale": constraints.positive}

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(
            Normal(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args
        )

    @property
    def mean(self) -> Tensor:
        """scale sqrt(2 / pi)."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        """scale**2 (1 - 2 / pi)."""
        return self.scale.pow(2) * (1 - 2 / math.pi)


class HalfCauchy(_Half):
    """|x| of a Cauchy x around 0.

    >>> import wengert as torch
    >>> torch.distributions.HalfCauchy(1.0).cdf(torch.tensor(1.0))
    tensor(0.5000)
    """

    arg_constraints = {"scale": constraints.positive}

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(
            Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args
        )

    @property
    def mean(self) -> Tensor:
        """inf."""
        return torch.full_like(self.scale, math.inf)

    @property
    def variance(self) -> Tensor:
        """inf."""
        return self.base_dist.variance


class InverseGamma(OfBase):
    """1 / x of a gamma x.

    >>> import wengert as torch
    >>> torch.distributions.InverseGamma(3.0, 2.0).mean
    tensor(1.)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    base_dist: Gamma

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        minus = PowerTransform(torch.tensor(-1.0, dtype=base.rate.dtype))
        super().__init__(base, minus, validate_args=validate_args)

    @property
    def concentration(self) -> Tensor:
        """The shape of the gamma distribution."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """The rate of the gamma distribution."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        """rate / (concentration - 1); inf up to a concentration of 1."""
        c = self.concentration
        return torch.where(c > 1, self.rate / (c - 1), math.inf)

    @property
    def mode(self) -> Tensor:
        """rate / (concentration + 1)."""
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        """rate**2 / ((c - 1)**2 (c - 2)); inf up to a concentration c of 2."""
        c = self.concentration
        return torch.where(c > 2, self.rate.square() / ((c - 1).square() * (c - 2)), math.inf)

    def entropy(self) -> Tensor:
        """c + log(rate) + lgamma(c) - (1 + c) digamma(c)."""
        c = self.concentration
        return c + self.rate.log() + c.lgamma() - (1 + c) * c.digamma()


class _Rebuilt(TransformedDistribution):
    """A family with parameters of its own, from which `_build` makes the base and the transforms."""

    parameters: tuple[str, ...] = ()

    def _build(self) -> tuple[Distribution, list[Any]]:
        raise NotImplementedError

    def _take(self, validate_args: bool | None, **values: Any) -> None:
        for name, t in zip(values, broadcast_all(*values.values()), strict=True):
            setattr(self, name, t)
        base, transforms = self._build()
        super().__init__(base, transforms, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return the distribution with its batch shape broadcast to `batch_shape`."""
        declared = next(c for c in type(self).__mro__ if "parameters" in vars(c))
        new = self._get_checked_instance(declared, _instance)
        for name in self.parameters:
            setattr(new, name, getattr(self, name).expand(Size(batch_shape)))
        base, transforms = new._build()
        TransformedDistribution.__init__(new, base, transforms, validate_args=False)
        new._validate_args = self._validate_args
        return new


class Gumbel(_Rebuilt):
    """The Gumbel distribution: the largest of many; loc - scale log(-log(u)).

    >>> import wengert as torch
    >>> torch.distributions.Gumbel(0.0, 1.0).mean
    tensor(0.5772)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    parameters = ("loc", "scale")
    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, loc=loc, scale=scale)

    def _build(self) -> tuple[Distribution, list[Any]]:
        info = torch.finfo(self.loc.dtype)
        low, high = torch.full_like(self.loc, info.tiny), torch.full_like(self.loc, 1 - info.eps)
        minus = AffineTransform(loc=0, scale=-torch.ones_like(self.scale))
        last = AffineTransform(loc=self.loc, scale=-self.scale)
        base = Uniform(low, high, validate_args=False)
        return base, [ExpTransform().inv, minus, ExpTransform().inv, last]

    def log_prob(self, value: Tensor) -> Tensor:
        """y - exp(y) - log(scale), y = (loc - value) / scale."""
        self._check(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    @property
    def mean(self) -> Tensor:
        """loc + scale times Euler's constant."""
        return self.loc + self.scale * euler_constant

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """scale pi / sqrt(6)."""
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Tensor:
        """The square of that."""
        return self.stddev.pow(2)

    def entropy(self) -> Tensor:
        """log(scale) + 1 + Euler's constant."""
        return self.scale.log() + (1 + euler_constant)


class Weibull(_Rebuilt):
    """scale e**(1 / concentration) of an exponential number e.

    >>> import wengert as torch
    >>> torch.distributions.Weibull(1.0, 1.0).mean
    tensor(1.)
    """

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive
    parameters = ("scale", "concentration")
    scale: Tensor
    concentration: Tensor
    concentration_reciprocal: Tensor

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, scale=scale, concentration=concentration)

    def _build(self) -> tuple[Distribution, list[Any]]:
        self.concentration_reciprocal = self.concentration.reciprocal()
        base = Exponential(torch.ones_like(self.scale), validate_args=False)
        power = PowerTransform(exponent=self.concentration_reciprocal)
        return base, [power, AffineTransform(loc=0, scale=self.scale)]

    def _moment(self, order: int) -> Tensor:
        return torch.exp(torch.lgamma(1 + order * self.concentration_reciprocal))

    @property
    def mean(self) -> Tensor:
        """scale gamma(1 + 1 / c)."""
        return self.scale * self._moment(1)

    @property
    def mode(self) -> Tensor:
        """scale ((c - 1) / c)**(1 / c)."""
        c = self.concentration
        return self.scale * ((c - 1) / c) ** self.concentration_reciprocal

    @property
    def variance(self) -> Tensor:
        """scale**2 (gamma(1 + 2 / c) - gamma(1 + 1 / c)**2)."""
        return self.scale.pow(2) * (self._moment(2) - self._moment(1).square())

    def entropy(self) -> Tensor:
        """Euler's constant (1 - 1 / c) + log(scale / c) + 1."""
        turn = self.concentration_reciprocal
        return euler_constant * (1 - turn) + torch.log(self.scale * turn) + 1


class Pareto(_Rebuilt):
    """scale exp(e) of an exponential number e of rate alpha: powers of value from scale on.

    >>> import wengert as torch
    >>> torch.distributions.Pareto(1.0, 3.0).mean
    tensor(1.5000)
    """

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}
    parameters = ("scale", "alpha")
    scale: Tensor
    alpha: Tensor

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, scale=scale, alpha=alpha)

    def _build(self) -> tuple[Distribution, list[Any]]:
        base = Exponential(self.alpha, validate_args=False)
        return base, [ExpTransform(), AffineTransform(loc=0, scale=self.scale)]

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """The numbers from scale on."""
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        """alpha scale / (alpha - 1); inf up to an alpha of 1."""
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Tensor:
        """scale."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """scale**2 alpha / ((alpha - 1)**2 (alpha - 2)); inf up to an alpha of 2."""
        a = self.alpha.clamp(min=2)
        return self.scale.pow(2) * a / ((a - 1).pow(2) * (a - 2))

    def entropy(self) -> Tensor:
        """log(scale / alpha) + 1 + 1 / alpha."""
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())


class Kumaraswamy(_Rebuilt):
    """(1 - (1 - u)**(1 / b))**(1 / a) of a uniform u: like the beta distribution, with a closed form.

    >>> import wengert as torch
    >>> torch.distributions.Kumaraswamy(torch.tensor(1.0), torch.tensor(1.0)).mean
    tensor(0.5000)
    """

    arg_constraints = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True
    parameters = ("concentration1", "concentration0")
    concentration1: Tensor
    concentration0: Tensor

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        self._take(validate_args, concentration1=concentration1, concentration0=concentration0)

    def _build(self) -> tuple[Distribution, list[Any]]:
        a, b = self.concentration1, self.concentration0
        base = Uniform(torch.zeros_like(b), torch.ones_like(b), validate_args=False)
        complement = AffineTransform(loc=1.0, scale=-1.0)
        return base, [
            PowerTransform(exponent=b.reciprocal()), complement, PowerTransform(exponent=a.reciprocal())
        ]  # fmt: skip

    def _moment(self, order: int) -> Tensor:
        """b B(1 + order / a, b)."""
        a, b = self.concentration1, self.concentration0
        up = 1 + order / a
        return torch.exp(b.log() + torch.lgamma(up) + torch.lgamma(b) - torch.lgamma(up + b))

    @property
    def mean(self) -> Tensor:
        """b B(1 + 1 / a, b)."""
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        """((a - 1) / (a b - 1))**(1 / a); nan where either concentration is below 1."""
        a, b = self.concentration1, self.concentration0
        logarithm = a.reciprocal() * ((a - 1).log() - (a * b - 1).log())
        return torch.where(torch.logical_or(a < 1, b < 1), math.nan, logarithm.exp())

    @property
    def variance(self) -> Tensor:
        """The second moment less the square of the first."""
        return self._moment(2) - self.mean.pow(2)

    def entropy(self) -> Tensor:
        """(1 - 1 / b) + (1 - 1 / a) H(b) - log(a b), H the harmonic numbers."""
        a, b = self.concentration1, self.concentration0
        harmonic = torch.digamma(b + 1) + euler_constant
        return (1 - 1 / b) + (1 - 1 / a) * harmonic - torch.log(a) - torch.log(b)
