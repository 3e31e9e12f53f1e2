"""Sets of values: `constraint.check(value)` says for each element, or event, whether it belongs.

`event_dim` is how many dims at the end make one event; `is_discrete` whether the set is countable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import wengert as torch

from ..core.tensor import Tensor

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent",
    "dependent_property", "greater_than", "greater_than_eq", "half_open_interval", "independent",
    "integer_interval", "interval", "is_dependent", "less_than", "lower_cholesky",
    "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot", "positive",
    "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector",
    "simplex", "square", "stack", "symmetric", "unit_interval",
]  # fmt: skip


class Constraint:
    """A set of values.

    >>> import wengert as torch
    >>> torch.distributions.constraints.positive.check(torch.tensor([-1., 1.]))
    tensor([False,  True])
    """

    is_discrete = False
    event_dim = 0
    shown: tuple[str, ...] = ()

    def check(self, value: Tensor) -> Tensor:
        """Return True for every event that belongs to the set."""
        raise NotImplementedError

    def __repr__(self) -> str:
        bounds = ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)
        return f"{type(self).__name__.lstrip('_')}({bounds})"


class _Dependent(Constraint):
    """A set that depends on other parameters."""

    def __init__(
        self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented
    ) -> None:
        self._is_discrete, self._event_dim = is_discrete, event_dim
        super().__init__()

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """Whether the set is countable, where that is known."""
        if self._is_discrete is NotImplemented:
            raise NotImplementedError(".is_discrete cannot be determined statically")
        return self._is_discrete

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The number of dims of an event, where that is known."""
        if self._event_dim is NotImplemented:
            raise NotImplementedError(".event_dim cannot be determined statically")
        return self._event_dim

    def __call__(
        self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented
    ) -> _Dependent:
        return _Dependent(
            is_discrete=self._is_discrete if is_discrete is NotImplemented else is_discrete,
            event_dim=self._event_dim if event_dim is NotImplemented else event_dim,
        )

    def check(self, value: Tensor) -> Tensor:
        """Raise ValueError: the set is not known."""
        raise ValueError("Cannot determine validity of dependent constraint")


def is_dependent(constraint: Any) -> bool:
    """Return whether a set depends on other parameters.

    >>> import wengert as torch
    >>> torch.distributions.constraints.is_dependent(torch.distributions.constraints.real)
    False
    """
    return isinstance(constraint, _Dependent)


class _DependentProperty(property, _Dependent):
    """A property that gives a set; looked up on the class, it is a dependent constraint.

    It decorates a method, with or without `is_discrete` and `event_dim`.

    >>> import wengert as torch
    >>> torch.distributions.Uniform.support
    DependentProperty()
    """

    def __init__(
        self,
        fn: Callable | None = None,
        *,
        is_discrete: Any = NotImplemented,
        event_dim: Any = NotImplemented,
    ) -> None:
        property.__init__(self, fn)
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def __call__(self, fn: Callable) -> _DependentProperty:  # type: ignore[override]
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


dependent_property = _DependentProperty


class _IndependentConstraint(Constraint):
    """Events of which dims at the end all belong to a base set."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int) -> None:
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Tensor:
        """Return True where all of an event belongs to the base set."""
        result = self.base_constraint.check(value)
        if result.dim() < self.reinterpreted_batch_ndims:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.dim()}")
        kept = result.shape[: result.dim() - self.reinterpreted_batch_ndims]
        return result.reshape((*kept, -1)).all(-1)

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(Constraint):
    """The support of a mixture: that of its components.

    >>> import wengert as torch
    >>> c = torch.distributions.constraints
    >>> c.MixtureSameFamilyConstraint(c.positive).check(torch.tensor([[1., 2.], [3., -4.]]))
    tensor([[ True,  True],
            [ True, False]])
    """

    def __init__(self, base_constraint: Constraint) -> None:
        self.base_constraint = base_constraint
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim

    def check(self, value: Tensor) -> Tensor:
        """Return True where an event belongs to the support of a component."""
        k = value.dim() - self.event_dim
        result = self.base_constraint.check(value.unsqueeze(k))
        return result.reshape((*value.shape[:k], -1)).all(-1)

    def __repr__(self) -> str:
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"


def _both(a: Any, b: Any) -> Any:
    return torch.logical_and(a, b)


class _Boolean(Constraint):
    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return torch.logical_or(value == 0, value == 1)


class _OneHot(Constraint):
    is_discrete = True
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return _both(boolean.check(value).all(-1), value.sum(-1) == 1)


class _Bounded(Constraint):
    """A set between bounds, which are numbers or tensors."""

    def __init__(self, *bounds: Any, **named: Any) -> None:
        given = dict(zip(self.shown, bounds, strict=False)) | named
        if given.keys() != set(self.shown) or len(bounds) + len(named) != len(given):
            raise TypeError(f"{type(self).__name__}() takes {' and '.join(self.shown)}")
        self.__dict__.update(given)

    lower_bound: Any
    upper_bound: Any


class _IntegerInterval(_Bounded):
    is_discrete = True
    shown = ("lower_bound", "upper_bound")

    def check(self, value: Tensor) -> Tensor:
        inside = _both(self.lower_bound <= value, value <= self.upper_bound)
        return _both(value % 1 == 0, inside)


class _IntegerGreaterThan(_Bounded):
    is_discrete = True
    shown = ("lower_bound",)

    def check(self, value: Tensor) -> Tensor:
        return _both(value % 1 == 0, value >= self.lower_bound)


class _Real(Constraint):
    def check(self, value: Tensor) -> Tensor:
        return value == value  # not nan


class _GreaterThan(_Bounded):
    shown = ("lower_bound",)

    def check(self, value: Tensor) -> Tensor:
        return self.lower_bound < value


class _GreaterThanEq(_Bounded):
    shown = ("lower_bound",)

    def check(self, value: Tensor) -> Tensor:
        return self.lower_bound <= value


class _LessThan(_Bounded):
    shown = ("upper_bound",)

    def check(self, value: Tensor) -> Tensor:
        return value < self.upper_bound


class _Interval(_Bounded):
    shown = ("lower_bound", "upper_bound")

    def check(self, value: Tensor) -> Tensor:
        return _both(self.lower_bound <= value, value <= self.upper_bound)


class _HalfOpenInterval(_Bounded):
    shown = ("lower_bound", "upper_bound")

    def check(self, value: Tensor) -> Tensor:
        return _both(self.lower_bound <= value, value < self.upper_bound)


class _Simplex(Constraint):
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return _both((value >= 0).all(-1), (value.sum(-1) - 1).abs() < 1e-6)


class _Multinomial(_Bounded):
    """Counts that add up to at most the bound."""

    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def check(self, value: Tensor) -> Tensor:
        return _both((value >= 0).all(-1), value.sum(-1) <= self.upper_bound)


class _Matrices(Constraint):
    event_dim = 2


class _LowerTriangular(_Matrices):
    def check(self, value: Tensor) -> Tensor:
        return (value.tril() == value).flatten(-2).all(-1)


class _LowerCholesky(_Matrices):
    def check(self, value: Tensor) -> Tensor:
        positive = (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)
        return _both(lower_triangular.check(value), positive)


class _CorrCholesky(_Matrices):
    """Lower triangles with rows of length 1 and a positive diagonal."""

    def check(self, value: Tensor) -> Tensor:
        tolerance = torch.finfo(value.dtype).eps * value.shape[-1] * 10
        lengths = torch.linalg.vector_norm(value.detach(), dim=-1)
        return _both(((lengths - 1).abs() <= tolerance).all(-1), lower_cholesky.check(value))


class _Square(_Matrices):
    def check(self, value: Tensor) -> Tensor:
        return torch.full(
            tuple(value.shape[:-2]), value.shape[-2] == value.shape[-1], dtype=torch.bool
        )


class _Symmetric(_Square):
    def check(self, value: Tensor) -> Tensor:
        ok = super().check(value)
        if value.shape[-2] != value.shape[-1]:
            return ok
        return torch.isclose(value, value.mT, atol=1e-6).flatten(-2).all(-1)


class _PositiveSemidefinite(_Symmetric):
    def check(self, value: Tensor) -> Tensor:
        ok = super().check(value)
        return (torch.linalg.eigvalsh(value) >= 0).all(-1) if ok.all() else ok


class _PositiveDefinite(_Symmetric):
    def check(self, value: Tensor) -> Tensor:
        ok = super().check(value)
        return torch.linalg.cholesky_ex(value).info == 0 if ok.all() else ok


class _Pieces(Constraint):
    """Constraints for slices along one dim."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0) -> None:
        self.cseq, self.dim = list(cseq), dim

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return any(c.is_discrete for c in self.cseq)


class _Cat(_Pieces):
    """Slices of given lengths, each in a set of its own."""

    def __init__(
        self, cseq: Sequence[Constraint], dim: int = 0, lengths: Sequence[int] | None = None
    ) -> None:
        super().__init__(cseq, dim)
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return max(c.event_dim for c in self.cseq)

    def check(self, value: Tensor) -> Tensor:
        parts = value.split([*self.lengths, value.shape[self.dim] - sum(self.lengths)], self.dim)
        return torch.cat([c.check(v) for c, v in zip(self.cseq, parts, strict=False)], self.dim)


class _Stack(_Pieces):
    """Slices of length 1, each in a set of its own."""

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        dim = max(c.event_dim for c in self.cseq)
        return dim + 1 if self.dim + dim < 0 else dim

    def check(self, value: Tensor) -> Tensor:
        parts = [value.select(self.dim, i) for i in range(value.shape[self.dim])]
        return torch.stack([c.check(v) for c, v in zip(self.cseq, parts, strict=False)], self.dim)


# Sets with parameters are the classes themselves, e.g. interval(0, 1).
cat, stack, independent = _Cat, _Stack, _IndependentConstraint
interval, half_open_interval, integer_interval = _Interval, _HalfOpenInterval, _IntegerInterval
greater_than, greater_than_eq, less_than = _GreaterThan, _GreaterThanEq, _LessThan
multinomial = _Multinomial

# The others are objects.
dependent = _Dependent()
real = _Real()
real_vector = independent(real, 1)
positive, nonnegative = greater_than(0.0), greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
boolean, one_hot, simplex = _Boolean(), _OneHot(), _Simplex()
nonnegative_integer, positive_integer = _IntegerGreaterThan(0), _IntegerGreaterThan(1)
square, symmetric = _Square(), _Symmetric()
positive_definite, positive_semidefinite = _PositiveDefinite(), _PositiveSemidefinite()
lower_triangular, lower_cholesky = _LowerTriangular(), _LowerCholesky()
corr_cholesky = _CorrCholesky()
