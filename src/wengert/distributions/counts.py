"""Counts of successes and events: Bernoulli, geometric, binomial, negative binomial, Poisson."""

from __future__ import annotations

from typing import Any

import wengert as torch

from ..core.size import Size
from ..core.tensor import Tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily, Family
from .gamma_family import Gamma
from .utils import all_numbers, broadcast_all, lazy_property, logits_to_probs, probs_to_logits

__all__ = ["Bernoulli", "Binomial", "Geometric", "NegativeBinomial", "Poisson"]


def one_of(probs: Any, logits: Any) -> None:
    """Raise ValueError unless exactly one of the two is given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class Odds(Family):
    """A family with a probability, told by `probs` or by its log odds `logits`."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    parameters = {"probs": 0, "logits": 0}
    _given: str  # "probs" or "logits"

    def _take_odds(self, probs: Any, logits: Any, validate_args: bool | None, **more: Any) -> None:
        one_of(probs, logits)
        self._given = "logits" if probs is None else "probs"
        given = logits if probs is None else probs
        *others, t = broadcast_all(*more.values(), given)
        for name, value in zip(more, others, strict=True):
            setattr(self, name, value.type_as(t))
        setattr(self, self._given, t)
        shape = Size() if all_numbers(given) and not more else t.shape
        Distribution.__init__(self, shape, validate_args=validate_args)

    def _expand_more(self, new: Any, shape: Size) -> None:
        new._given = self._given

    @lazy_property
    def logits(self) -> Tensor:
        """log(probs / (1 - probs))."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """1 / (1 + exp(-logits))."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def _param(self) -> Tensor:
        return getattr(self, self._given)

    @property
    def param_shape(self) -> Size:
        """The shape of the probabilities."""
        return self._param.shape


def _cross_entropy(logits: Tensor, probs: Tensor) -> Tensor:
    """-p log(q) - (1 - p) log(1 - q) of probabilities p and log odds of q."""
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, probs, reduction="none")


class Bernoulli(Odds, ExponentialFamily):
    """1 with probability probs, else 0.

    >>> import wengert as torch
    >>> torch.distributions.Bernoulli(0.25).log_prob(torch.tensor(1.0)).exp()
    tensor(0.2500)
    """

    support = constraints.boolean
    parameters = {"probs": 0, "logits": 0}
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._take_odds(probs, logits, validate_args)

    @property
    def mean(self) -> Tensor:
        """probs."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The likelier value; nan where both are."""
        return torch.where(
            self.probs == 0.5, float("nan"), (self.probs >= 0.5).to(self.probs.dtype)
        )

    @property
    def variance(self) -> Tensor:
        """probs (1 - probs)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return draws."""
        with torch.no_grad():
            return torch.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """value log(probs) + (1 - value) log(1 - probs)."""
        self._check(value)
        logits, value = broadcast_all(self.logits, value)
        return -_cross_entropy(logits, value)

    def entropy(self) -> Tensor:
        """-p log(p) - (1 - p) log(1 - p)."""
        return _cross_entropy(self.logits, self.probs)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return 0 and 1 along a new first dim."""
        return enumerated(2, self._param.dtype, self._batch_shape, expand)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (torch.logit(self.probs),)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        return torch.log1p(torch.exp(natural_params[0]))


def enumerated(count: int, dtype: Any, batch_shape: Any, expand: bool) -> Tensor:
    """Return 0, 1, ... along a new first dim, for each place of the batch."""
    values = torch.arange(count, dtype=dtype).view((-1,) + (1,) * len(batch_shape))
    return values.expand((-1, *batch_shape)) if expand else values


class Geometric(Odds):
    """The number of failures before the first success of probability probs.

    ValueError for a probability of 0.

    >>> import wengert as torch
    >>> torch.distributions.Geometric(0.25).mean
    tensor(3.)
    """

    support = constraints.nonnegative_integer
    parameters = {"probs": 0, "logits": 0}

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._take_odds(probs, logits, validate_args)
        if self._validate_args and probs is not None:
            value = self.probs
            if value._spec.plain and not (value > 0).all():
                raise ValueError(
                    f"Expected parameter probs ({type(value).__name__} of shape {tuple(value.shape)}) of "
                    f"distribution {self!r} to be positive but found invalid values:\n{value}"
                )

    @property
    def mean(self) -> Tensor:
        """1 / probs - 1."""
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        """0."""
        return torch.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        """(1 / probs - 1) / probs."""
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return floor(log(u) / log(1 - probs)) of uniforms u."""
        shape = tuple(self._extended_shape(sample_shape))
        tiny = torch.finfo(self.probs.dtype).tiny
        with torch.no_grad():
            u = self.probs.new_empty(shape).uniform_(tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        """value log(1 - probs) + log(probs)."""
        self._check(value)
        value, probs = broadcast_all(value, self.probs)
        certain = torch.logical_and(probs == 1, value == 0)
        return value * (-torch.where(certain, 0.0, probs)).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        """That of one trial, over probs."""
        return _cross_entropy(self.logits, self.probs) / self.probs


def _positive_part(x: Tensor) -> Tensor:
    """max(x, 0), whose slope at 0 is 1/2."""
    return (x.clamp(min=0) + x - x.clamp(max=0)) / 2


class Binomial(Odds):
    """The number of successes among total_count trials of probability probs.

    >>> import wengert as torch
    >>> torch.distributions.Binomial(4, torch.tensor(0.5)).log_prob(torch.tensor(2.0)).exp()
    tensor(0.3750)
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    parameters = {"total_count": 0, "probs": 0, "logits": 0}
    has_enumerate_support = True
    total_count: Tensor

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        self._take_odds(probs, logits, validate_args, total_count=total_count)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """0, 1, ... total_count."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """total_count probs."""
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        """floor((total_count + 1) probs), at most total_count."""
        return torch.minimum(((self.total_count + 1) * self.probs).floor(), self.total_count)

    @property
    def variance(self) -> Tensor:
        """total_count probs (1 - probs)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return draws."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log of n! / (k! (n - k)!) probs**k (1 - probs)**(n - k)."""
        self._check(value)
        n, logits = self.total_count, self.logits
        ways = torch.lgamma(n + 1) - torch.lgamma(value + 1) - torch.lgamma(n - value + 1)
        one = _positive_part(logits) + torch.log1p(torch.exp(-torch.abs(logits)))
        return value * logits - n * one + ways

    def _same_count(self, caller: str) -> int:
        counts = self.total_count
        n = int(counts.max())
        if not int(counts.min()) == n:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{caller}`.")
        return n

    def entropy(self) -> Tensor:
        """The sum over all counts; NotImplementedError where total_count varies."""
        self._same_count("entropy")
        logs = self.log_prob(self.enumerate_support(False))
        return -(torch.exp(logs) * logs).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return 0, 1, ... total_count along a new first dim."""
        n = self._same_count("enumerate_support")
        return enumerated(1 + n, self._param.dtype, self._batch_shape, expand)


class NegativeBinomial(Odds):
    """The number of successes of probability probs before the total_count-th failure.

    >>> import wengert as torch
    >>> torch.distributions.NegativeBinomial(3.0, torch.tensor(0.5)).mean
    tensor(3.)
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    parameters = {"total_count": 0, "probs": 0, "logits": 0}
    total_count: Tensor

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        self._take_odds(probs, logits, validate_args, total_count=total_count)

    @property
    def mean(self) -> Tensor:
        """total_count probs / (1 - probs)."""
        return self.total_count * torch.exp(self.logits)

    @property
    def mode(self) -> Tensor:
        """floor((total_count - 1) probs / (1 - probs)), at least 0."""
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        """The mean over 1 - probs."""
        return self.mean / torch.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Gamma:
        return Gamma(
            concentration=self.total_count, rate=torch.exp(-self.logits), validate_args=False
        )

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return Poisson numbers of gamma-distributed rates."""
        with torch.no_grad():
            return torch.poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log of gamma(n + k) / (k! gamma(n)) (1 - probs)**n probs**k."""
        self._check(value)
        n, logsigmoid = self.total_count, torch.nn.functional.logsigmoid
        chances = n * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        ways = torch.lgamma(n + value) - torch.lgamma(1.0 + value) - torch.lgamma(n)
        return chances + ways.masked_fill(n + value == 0.0, 0.0)


class Poisson(Family, ExponentialFamily):
    """The number of independent events of which `rate` are expected.

    >>> import wengert as torch
    >>> torch.distributions.Poisson(2.0).log_prob(torch.tensor(0.0))
    tensor(-2.)
    """

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    parameters = {"rate": 0}
    rate: Tensor

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, rate=rate)

    @property
    def mean(self) -> Tensor:
        """rate."""
        return self.rate

    @property
    def mode(self) -> Tensor:
        """floor(rate)."""
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        """rate."""
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return draws."""
        with torch.no_grad():
            return torch.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """value log(rate) - rate - log(value!)."""
        self._check(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (torch.log(self.rate),)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        return torch.exp(natural_params[0])
