"""Families moved and stretched: normal, Laplace, Cauchy, Student's t and uniform."""

from __future__ import annotations

import math
from typing import Any

import wengert as torch

from ..core.size import Size
from ..core.tensor import Tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily, Family
from .gamma_family import Chi2
from .utils import broadcast_all, standard_normal, unfilled

__all__ = ["Cauchy", "Laplace", "Normal", "StudentT", "Uniform"]

_HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)
_ROOT2 = math.sqrt(2.0)


class _LocationScale(Family):
    """A family with a `loc` and a `scale` that broadcast."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    parameters = {"loc": 0, "scale": 0}
    has_rsample = True
    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, loc=loc, scale=scale)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    def _standard(self, value: Tensor) -> Tensor:
        return (value - self.loc) / self.scale


class Normal(_LocationScale, ExponentialFamily):
    """The normal distribution of mean loc and standard deviation scale.

    >>> import wengert as torch
    >>> torch.distributions.Normal(0.0, 1.0).log_prob(torch.tensor(0.0))
    tensor(-0.9189)
    """

    parameters = {"loc": 0, "scale": 0}
    _mean_carrier_measure = 0

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(loc, scale, validate_args)

    @property
    def stddev(self) -> Tensor:
        """scale."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """scale**2."""
        return self.scale.pow(2)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return draws without gradients."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return loc + scale * z."""
        return self.loc + standard_normal(self.loc, self._extended_shape(sample_shape)) * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """-z**2 / 2 - log(scale sqrt(2 pi)), z = (value - loc) / scale."""
        self._check(value)
        return -((value - self.loc) ** 2) / (2 * self.scale**2) - self.scale.log() - _HALF_LOG_TAU

    def cdf(self, value: Tensor) -> Tensor:
        """(1 + erf(z / sqrt 2)) / 2."""
        self._check(value)
        return 0.5 * (1 + torch.erf(self._standard(value) / _ROOT2))

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale sqrt(2) erfinv(2 value - 1)."""
        return self.loc + self.scale * torch.erfinv(2 * value - 1) * _ROOT2

    def entropy(self) -> Tensor:
        """1/2 + log(scale sqrt(2 pi))."""
        return 0.5 + _HALF_LOG_TAU + torch.log(self.scale)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.loc / self.scale.pow(2), -0.5 * self.scale.pow(2).reciprocal()

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        return -0.25 * x.pow(2) / y + 0.5 * torch.log(-math.pi / y)


class Laplace(_LocationScale):
    """The Laplace distribution: exp(-|x - loc| / scale) / (2 scale).

    >>> import wengert as torch
    >>> torch.distributions.Laplace(0.0, 1.0).cdf(torch.tensor(0.0))
    tensor(0.5000)
    """

    parameters = {"loc": 0, "scale": 0}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(loc, scale, validate_args)

    @property
    def variance(self) -> Tensor:
        """2 scale**2."""
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Tensor:
        """sqrt(2) scale."""
        return _ROOT2 * self.scale

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return loc - scale sign(u) log(1 - |u|) for u uniform on (-1, 1)."""
        eps = torch.finfo(self.loc.dtype).eps
        u = unfilled(self._extended_shape(sample_shape), self.loc, self.scale).uniform_(eps - 1, 1)
        return self.loc - self.scale * u.sign() * torch.log1p(-u.abs())

    def log_prob(self, value: Tensor) -> Tensor:
        """-log(2 scale) - |value - loc| / scale."""
        self._check(value)
        return -torch.log(2 * self.scale) - torch.abs(value - self.loc) / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """exp(z) / 2 below loc, 1 - exp(-z) / 2 above."""
        self._check(value)
        z = value - self.loc
        return 0.5 - 0.5 * z.sign() * torch.expm1(-z.abs() / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of cdf."""
        term = value - 0.5
        return self.loc - self.scale * term.sign() * torch.log1p(-2 * term.abs())

    def entropy(self) -> Tensor:
        """1 + log(2 scale)."""
        return 1 + torch.log(2 * self.scale)


class Cauchy(_LocationScale):
    """The Cauchy distribution: 1 / (pi scale (1 + z**2)); it has no mean.

    >>> import wengert as torch
    >>> torch.distributions.Cauchy(0.0, 1.0).entropy()
    tensor(2.5310)
    """

    parameters = {"loc": 0, "scale": 0}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(loc, scale, validate_args)

    @property
    def mean(self) -> Tensor:
        """nan: the integral does not exist."""
        return torch.full_like(self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        """inf."""
        return torch.full_like(self.loc, math.inf)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return loc + scale * z, z standard Cauchy."""
        z = unfilled(self._extended_shape(sample_shape), self.loc, self.scale).cauchy_()
        return self.loc + z * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """-log(pi scale (1 + z**2))."""
        self._check(value)
        return -math.log(math.pi) - self.scale.log() - (self._standard(value) ** 2).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        """1/2 + atan(z) / pi."""
        self._check(value)
        return torch.atan(self._standard(value)) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale tan(pi (value - 1/2))."""
        return torch.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        """log(4 pi scale)."""
        return math.log(4 * math.pi) + self.scale.log()


class StudentT(_LocationScale):
    """Student's t distribution of df degrees of freedom.

    >>> import wengert as torch
    >>> torch.distributions.StudentT(3.0).variance
    tensor(3.)
    """

    arg_constraints = {
        "df": constraints.positive, "loc": constraints.real, "scale": constraints.positive
    }  # fmt: skip
    parameters = {"df": 0, "loc": 0, "scale": 0}
    df: Tensor

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        Distribution.__init__(self, self.df.shape, validate_args=validate_args)

    def _expand_more(self, new: Any, shape: Size) -> None:
        new._chi2 = self._chi2.expand(shape)

    @property
    def mean(self) -> Tensor:
        """loc for more than one degree of freedom, else nan."""
        return torch.where(self.df > 1, self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        """scale**2 df / (df - 2); inf up to 2 degrees of freedom, nan up to 1."""
        spread = torch.where(self.df > 2, self.scale.pow(2) * self.df / (self.df - 2), math.inf)
        return torch.where(self.df > 1, spread, math.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return loc + scale z / sqrt(q / df), z normal and q chi-squared."""
        z = standard_normal(self.df, self._extended_shape(sample_shape))
        return self.loc + self.scale * (z * torch.rsqrt(self._chi2.rsample(sample_shape) / self.df))

    def _log_volume(self) -> Tensor:
        half = 0.5 * self.df
        gammas = torch.lgamma(half) - torch.lgamma(half + 0.5)
        return self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi) + gammas

    def log_prob(self, value: Tensor) -> Tensor:
        """-(df + 1) / 2 log(1 + z**2 / df) less the logarithm of the volume."""
        self._check(value)
        z = self._standard(value)
        return -0.5 * (self.df + 1.0) * torch.log1p(z**2.0 / self.df) - self._log_volume()

    def entropy(self) -> Tensor:
        """(df + 1) / 2 (digamma((df + 1) / 2) - digamma(df / 2)) plus the logarithm of the volume."""
        half = 0.5 * self.df
        change = torch.digamma(half + 0.5) - torch.digamma(half)
        return (half + 0.5) * change + self._log_volume()


class Uniform(Family):
    """The uniform distribution on [low, high).

    >>> import wengert as torch
    >>> torch.distributions.Uniform(0.0, 4.0).log_prob(torch.tensor(1.0))
    tensor(-1.3863)
    """

    parameters = {"low": 0, "high": 0}
    has_rsample = True
    low: Tensor
    high: Tensor

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, low=low, high=high)

    @property
    def arg_constraints(self) -> dict[str, Any]:
        """low lies below high."""
        return {"low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)}

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """[low, high]."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        """The middle."""
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        """nan: every point is one."""
        return math.nan * self.high

    @property
    def stddev(self) -> Tensor:
        """(high - low) / sqrt(12)."""
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> Tensor:
        """(high - low)**2 / 12."""
        return (self.high - self.low).pow(2) / 12

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return low + u (high - low)."""
        u = torch.rand(tuple(self._extended_shape(sample_shape)), dtype=self.low.dtype)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """-log(high - low) inside, -inf outside."""
        self._check(value)
        inside = torch.logical_and(self.low <= value, value < self.high)
        return torch.log(inside.type_as(self.low)) - torch.log(self.high - self.low)

    def cdf(self, value: Tensor) -> Tensor:
        """(value - low) / (high - low), between 0 and 1."""
        self._check(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Tensor) -> Tensor:
        """low + value (high - low)."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        """log(high - low)."""
        return torch.log(self.high - self.low)
