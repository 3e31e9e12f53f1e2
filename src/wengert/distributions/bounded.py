"""Families on an interval or a circle: continuous Bernoulli, von Mises, generalised Pareto."""

from __future__ import annotations

import math
from typing import Any

import wengert as torch

from ..core.size import Size
from ..core.tensor import Tensor
from . import constraints
from .counts import Odds, _cross_entropy
from .distribution import ExponentialFamily, Family
from .utils import broadcast_all, clamp_probs, lazy_property, logits_to_probs, plain

__all__ = ["ContinuousBernoulli", "GeneralizedPareto", "VonMises"]


class ContinuousBernoulli(Odds, ExponentialFamily):
    """The density on [0, 1] in proportion to probs**x (1 - probs)**(1 - x).

    (Loaiza-Ganem and Cunningham, "The continuous Bernoulli", 2019.) Between the `lims`, where the
    closed forms cancel, Taylor series around 1/2 are used. Probabilities are moved inside (0, 1).

    >>> import wengert as torch
    >>> torch.distributions.ContinuousBernoulli(0.5).mean
    tensor(0.5000)
    """

    support = constraints.unit_interval
    parameters = {"probs": 0, "logits": 0}
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        self._lims = lims
        if probs is not None:
            (probs,) = broadcast_all(probs)
            # before they are moved inside (0, 1); as in PyTorch only where a check is asked for
            if validate_args and plain(probs) and not constraints.unit_interval.check(probs).all():
                raise ValueError("The parameter probs has invalid values")
            probs = clamp_probs(probs)
        self._take_odds(probs, logits, validate_args)

    def _expand_more(self, new: Any, shape: Size) -> None:
        super()._expand_more(new, shape)
        new._lims = self._lims

    @lazy_property
    def probs(self) -> Tensor:
        """1 / (1 + exp(-logits)), inside (0, 1)."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _apart(self) -> Tensor:
        """Where probs is far enough from 1/2."""
        return torch.logical_or(self.probs <= self._lims[0], self.probs > self._lims[1])

    def _far(self) -> Tensor:
        """probs, moved to the lower limit where it is too near to 1/2."""
        return torch.where(self._apart(), self.probs, self._lims[0])

    @staticmethod
    def _log_odds(p: Tensor) -> Tensor:
        """log((1 - p) / p)."""
        return torch.log1p(-p) - torch.log(p)

    def _cont_bern_log_norm(self) -> Tensor:
        """log of 2 atanh(1 - 2 p) / (1 - 2 p), by which the density is normalised."""
        p = self._far()
        low, high = torch.where(p <= 0.5, p, 0.0), torch.where(p >= 0.5, p, 1.0)
        width = torch.where(p <= 0.5, torch.log1p(-2.0 * low), torch.log(2.0 * high - 1.0))
        x = (self.probs - 0.5).pow(2)
        near = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x
        return torch.where(self._apart(), torch.log(torch.abs(self._log_odds(p))) - width, near)

    @property
    def mean(self) -> Tensor:
        """p / (2 p - 1) + 1 / log((1 - p) / p)."""
        p, x = self._far(), self.probs - 0.5
        near = 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x
        return torch.where(self._apart(), p / (2.0 * p - 1.0) + 1.0 / self._log_odds(p), near)

    @property
    def variance(self) -> Tensor:
        """p (p - 1) / (1 - 2 p)**2 + 1 / log((1 - p) / p)**2."""
        p, x = self._far(), (self.probs - 0.5).pow(2)
        far = p * (p - 1.0) / (1.0 - 2.0 * p).pow(2) + 1.0 / self._log_odds(p).pow(2)
        return torch.where(self._apart(), far, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return quantiles of uniforms."""
        shape = tuple(self._extended_shape(sample_shape))
        return self.icdf(torch.rand(shape, dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """The Bernoulli formula plus the logarithm of the norm."""
        self._check(value)
        logits, value = broadcast_all(self.logits, value)
        return -_cross_entropy(logits, value) + self._cont_bern_log_norm()

    def cdf(self, value: Tensor) -> Tensor:
        """(p**x (1 - p)**(1 - x) + p - 1) / (2 p - 1), between 0 and 1."""
        self._check(value)
        p = self._far()
        far = (p.pow(value) * (1.0 - p).pow(1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        return torch.where(self._apart(), far, value).clamp(min=0.0, max=1.0)

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of cdf."""
        p = self._far()
        far = (torch.log1p(-p + value * (2.0 * p - 1.0)) - torch.log1p(-p)) / -self._log_odds(p)
        return torch.where(self._apart(), far, value)

    def entropy(self) -> Tensor:
        """mean log((1 - p) / p) - log(norm) - log(1 - p)."""
        change = self.mean * self._log_odds(self.probs)
        return change - self._cont_bern_log_norm() - torch.log1p(-self.probs)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        """log((exp(x) - 1) / x), by a series near 0."""
        (x,) = natural_params
        apart = torch.logical_or(x <= self._lims[0] - 0.5, x > self._lims[1] - 0.5)
        far = torch.where(apart, x, self._lims[0] - 0.5)
        closed = torch.log(torch.special.expm1(far).abs()) - torch.log(far.abs())
        return torch.where(apart, closed, 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0)


class VonMises(Family):
    """The von Mises distribution on the circle: exp(concentration cos(x - loc)) / (2 pi I0).

    Draws lie in [-pi, pi) (Best and Fisher, "Efficient simulation of the von Mises distribution",
    1979).

    >>> import wengert as torch
    >>> torch.distributions.VonMises(torch.tensor(0.0), torch.tensor(1.0)).variance
    tensor(0.5536)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    parameters = {"loc": 0, "concentration": 0}
    has_rsample = False
    loc: Tensor
    concentration: Tensor

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, loc=loc, concentration=concentration)

    def log_prob(self, value: Tensor) -> Tensor:
        """concentration (cos(value - loc) - 1) - log(2 pi exp(-concentration) I0(concentration))."""
        self._check(value)
        k = self.concentration
        return (
            k * (torch.cos(value - self.loc) - 1)
            - math.log(2 * math.pi)
            - torch.special.i0e(k).log()
        )

    @lazy_property
    def _proposal_r(self) -> Tensor:
        k = self.concentration.detach().double()
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return torch.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return draws; all places are drawn again until each has been accepted once."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            r, k = self._proposal_r.expand(shape), self.concentration.double().expand(shape)
            x = torch.zeros(tuple(shape), dtype=torch.double)
            done = torch.zeros(tuple(shape), dtype=torch.bool)
            while not done.all():
                u1, u2, u3 = torch.rand((3, *shape), dtype=torch.double).unbind()
                z = torch.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accepted = torch.logical_or(c * (2 - c) - u2 > 0, (c / u2).log() + 1 - c >= 0)
                x = torch.where(accepted, (u3 - 0.5).sign() * f.acos(), x)
                done = torch.logical_or(done, accepted)
            turned = x + math.pi + self.loc.double()
            return (turned % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self) -> Tensor:
        """loc, the mean direction."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:
        """1 - I1 / I0, the circular variance."""
        k = self.concentration
        return 1 - torch.special.i1e(k) / torch.special.i0e(k)


class GeneralizedPareto(Family):
    """The generalised Pareto distribution: what exceeds a high threshold.

    A concentration of 0 is the exponential distribution, below it there is an upper end.

    >>> import wengert as torch
    >>> torch.distributions.GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints = {
        "loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real
    }  # fmt: skip
    parameters = {"loc": 0, "scale": 0, "concentration": 0}
    has_rsample = True
    loc: Tensor
    scale: Tensor
    concentration: Tensor

    def __init__(
        self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None
    ) -> None:
        self._take(validate_args, loc=loc, scale=scale, concentration=concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """From loc on; up to loc - scale / concentration where the concentration is negative."""
        _, c = self._shape()
        upper = torch.where(self.concentration < 0, self.loc - self.scale / c, math.inf)
        return constraints.interval(self.loc, upper)

    def _shape(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is 0, and the concentration with 1 there."""
        none = torch.isclose(self.concentration, torch.zeros_like(self.concentration))
        return none, torch.where(none, 1.0, self.concentration)

    def _z(self, value: Tensor) -> Tensor:
        return (value - self.loc) / self.scale

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return quantiles of uniforms."""
        shape = tuple(self._extended_shape(sample_shape))
        return self.icdf(torch.rand(shape, dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """-(1 + 1 / c) log(1 + c z) - log(scale), z = (value - loc) / scale."""
        self._check(value)
        none, c = self._shape()
        z = self._z(value)
        power = 1 / c + 1
        fall = torch.where(power == 0, power, power * torch.log1p(c * z))
        return -self.scale.log() - torch.where(none, z, fall)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """log(1 - cdf(value))."""
        none, c = self._shape()
        z = self._z(value)
        return torch.where(none, -z, -torch.log1p(c * z) / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """log(cdf(value))."""
        return torch.log1p(-torch.exp(self.log_survival_function(value)))

    def cdf(self, value: Tensor) -> Tensor:
        """1 - (1 + c z)**(-1 / c)."""
        self._check(value)
        return torch.exp(self.log_cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of cdf."""
        none, c = self._shape()
        logarithm = torch.log1p(-value)
        curved = self.loc + self.scale * torch.expm1(-c * logarithm) / c
        return torch.where(none, self.loc - self.scale * logarithm, curved)

    @property
    def mean(self) -> Tensor:
        """loc + scale / (1 - c); inf from a concentration c of 1 on."""
        c = self.concentration
        return torch.where(c < 1, self.loc + self.scale / (1 - c), math.inf)

    @property
    def variance(self) -> Tensor:
        """scale**2 / ((1 - c)**2 (1 - 2 c)); inf from a concentration c of 1/2 on."""
        c = self.concentration
        inside = self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c))
        return torch.where(c < 0.5, inside, math.inf)

    def entropy(self) -> Tensor:
        """log(scale) + concentration + 1."""
        return torch.log(self.scale) + self.concentration + 1

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc
