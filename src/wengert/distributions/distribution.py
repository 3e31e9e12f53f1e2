"""The base of all distributions, and the declarative base that most families are written on.

A `Family` names its parameters (and how many dims of each belong to an event); broadcasting, the
batch shape, `expand` and the checks of parameters follow from that.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import wengert as torch

from ..core.size import Size
from ..core.tensor import Tensor
from . import constraints
from .utils import all_numbers, broadcast_all, lazy_property, plain

__all__ = ["Distribution", "ExponentialFamily"]


class Distribution:
    """A distribution over events of shape `event_shape`, for each place of `batch_shape`.

    Parameters and values are checked against `arg_constraints` and `support` (ValueError), unless
    `validate_args=False`.

    >>> import wengert as torch
    >>> d = torch.distributions.Normal(torch.zeros(3), 1.0)
    >>> d.batch_shape, d.event_shape
    (torch.Size([3]), torch.Size([]))
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Switch the checks of parameters and values on or off for new distributions."""
        if value not in (True, False):
            raise ValueError("set_default_validate_args takes True or False")
        Distribution._validate_args = value

    def __init__(
        self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        try:
            wanted = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` "
                "or initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
            return
        for name, constraint in wanted.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(
                getattr(type(self), name, None), lazy_property
            ):
                continue
            value = getattr(self, name)
            if plain(value) and not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) "
                    f"of distribution {self!r} to satisfy the constraint {constraint!r}, but found "
                    f"invalid values:\n{value}"
                )

    # ------------------------------------------------------------- facts
    @property
    def batch_shape(self) -> Size:
        """The shape of the parameters: how many distributions these are."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one draw."""
        return self._event_shape

    @property
    def arg_constraints(self) -> dict[str, Any]:
        """The set that each parameter lies in."""
        raise NotImplementedError

    @property
    def support(self) -> Any:
        """The set that draws lie in."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """A point of highest density."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    # ------------------------------------------------------------- what families say
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return the distribution with its batch shape broadcast to `batch_shape`."""
        raise NotImplementedError

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return draws of shape sample_shape + batch_shape + event_shape that carry gradients."""
        raise NotImplementedError

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return draws of shape sample_shape + batch_shape + event_shape, without gradients."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def sample_n(self, n: int) -> Tensor:
        """Return n draws; `sample((n,))` is the newer name."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead",
            UserWarning,
            stacklevel=2,
        )
        return self.sample(Size((n,)))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density, or of the probability, at value."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of what is at most value."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantile: the inverse of `cdf`."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return all values of a discrete distribution along a new first dim."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """Return the entropy in nats."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """Return exp(entropy)."""
        return torch.exp(self.entropy())

    # ------------------------------------------------------------- helpers
    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        return Size((*Size(sample_shape), *self._batch_shape, *self._event_shape))

    def _check(self, value: Any) -> None:
        if self._validate_args:
            self._validate_sample(value)

    def _validate_sample(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        event_dims = len(self._event_shape)
        if event_dims and tuple(value.shape[value.dim() - event_dims :]) != tuple(
            self._event_shape
        ):
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{value.shape} vs {self._event_shape}."
            )
        expected = self._extended_shape()
        for i, j in zip(reversed(value.shape), reversed(expected), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs {expected}."
                )
        if not plain(value):
            return
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please "
                "initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        found = support.check(value)
        if plain(found) and not found.all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be "
                f"within the support ({support!r}) of the distribution {self!r}, but found invalid "
                f"values:\n{value}"
            )

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ != cls.__init__:  # type: ignore[misc]
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ "
                "method must also define a custom .expand() method."
            )
        return type(self).__new__(type(self)) if _instance is None else _instance

    def _expanded(self, new: Any, batch_shape: Any) -> Any:
        """Finish an instance made by `expand`: shapes, and whether values are checked."""
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def __repr__(self) -> str:
        shown = []
        for name in self.arg_constraints:
            p = self.__dict__.get(name)
            if p is not None:
                shown.append(f"{name}: {p if plain(p) and p.numel() == 1 else p.shape}")
        return f"{type(self).__name__}({', '.join(shown)})"


class Family(Distribution):
    """A family told by its parameters: `parameters` maps each name to its number of event dims."""

    parameters: dict[str, int] = {}

    def _take(self, validate_args: bool | None, **values: Any) -> None:
        """Keep scalar parameters, broadcast together; numbers alone have batch shape ()."""
        for name, t in zip(values, broadcast_all(*values.values()), strict=True):
            setattr(self, name, t)
        first = getattr(self, next(iter(values)))
        shape = Size() if all_numbers(*values.values()) else first.shape
        Distribution.__init__(self, shape, validate_args=validate_args)

    def _declares(self) -> type:
        """Return the class whose __init__ makes the attributes that `expand` copies."""
        return next(c for c in type(self).__mro__ if "parameters" in vars(c))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return the distribution with its batch shape broadcast to `batch_shape`."""
        new = self._get_checked_instance(self._declares(), _instance)
        shape = Size(batch_shape)
        for name, dims in self.parameters.items():
            if name in self.__dict__:
                t = self.__dict__[name]
                event = t.shape[t.dim() - dims :] if dims else ()
                setattr(new, name, t.expand((*shape, *event)))
        self._expand_more(new, shape)
        return self._expanded(new, shape)

    def _expand_more(self, new: Any, shape: Size) -> None:
        """Give an expanded instance what it has beside its parameters."""


class ExponentialFamily(Distribution):
    """A distribution of density exp(<t(x), eta> - F(eta) + k(x)).

    Entropies and divergences follow from F by differentiation (Nielsen and Nock, "Entropies and
    cross-entropies of exponential families", 2010).

    >>> import wengert as torch
    >>> isinstance(torch.distributions.Normal(0.0, 1.0), torch.distributions.ExponentialFamily)
    True
    """

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotImplementedError

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """Return F(eta) - <eta, F'(eta)> less the mean of k(x)."""
        with torch.enable_grad():
            etas = [
                p if p.requires_grad else p.detach().requires_grad_() for p in self._natural_params
            ]
            normalizer = self._log_normalizer(*etas)
            slopes = torch.autograd.grad(normalizer.sum(), etas, create_graph=True)
        result = normalizer - self._mean_carrier_measure
        for eta, slope in zip(etas, slopes, strict=True):
            result = result - (eta * slope).reshape((*self._batch_shape, -1)).sum(-1)
        return result


def sizes(*shapes: Sequence[int]) -> Size:
    """Return shapes joined to one."""
    return Size([n for shape in shapes for n in shape])
