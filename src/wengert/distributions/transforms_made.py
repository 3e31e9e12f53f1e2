"""Transforms made of others, or of a distribution: independent, reshape, cat, stack, cdf."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import wengert as torch

from ..core.size import Size
from ..core.tensor import Tensor
from . import constraints
from .transforms_base import Transform
from .utils import sum_rightmost

__all__ = [
    "CatTransform", "CumulativeDistributionTransform", "IndependentTransform", "ReshapeTransform",
    "StackTransform",
]  # fmt: skip


class IndependentTransform(Transform):
    """A transform whose last batch dims count as event dims: log |det| sums over them.

    >>> import wengert as torch
    >>> D = torch.distributions
    >>> D.IndependentTransform(D.ExpTransform(), 1).log_abs_det_jacobian(torch.ones(3), None)
    tensor(3.)
    """

    settings = ("base_transform", "reinterpreted_batch_ndims")

    def __init__(
        self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0
    ) -> None:
        super().__init__(cache_size=cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """That of the base, over more dims."""
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        """That of the base, over more dims."""
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """Whether the base is."""
        return self.base_transform.bijective

    @property
    def sign(self) -> Any:
        """That of the base."""
        return self.base_transform.sign

    def _call(self, x: Tensor) -> Tensor:
        return self.base_transform(_with_events(x, self.domain.event_dim))

    def _inverse(self, y: Tensor) -> Tensor:
        return self.base_transform.inv(_with_events(y, self.codomain.event_dim))

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """The base's, summed over the reinterpreted dims."""
        term = self.base_transform.log_abs_det_jacobian(x, y)
        return sum_rightmost(term, self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_transform!r}, {self.reinterpreted_batch_ndims})"

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """Return the base's."""
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """Return the base's."""
        return self.base_transform.inverse_shape(shape)


def _with_events(x: Tensor, event_dim: int) -> Tensor:
    if x.dim() < event_dim:
        raise ValueError("Too few dimensions on input")
    return x


class ReshapeTransform(Transform):
    """Events of one shape to events of another with as many elements (else ValueError).

    >>> import wengert as torch
    >>> torch.distributions.ReshapeTransform((4,), (2, 2))(torch.arange(4.0))
    tensor([[0., 1.],
            [2., 3.]])
    """

    bijective = True
    settings = ("in_shape", "out_shape")

    def __init__(
        self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0
    ) -> None:
        self.in_shape, self.out_shape = Size(in_shape), Size(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size=cache_size)

    @constraints.dependent_property
    def domain(self) -> Any:
        """All tensors of in_shape."""
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self) -> Any:
        """All tensors of out_shape."""
        return constraints.independent(constraints.real, len(self.out_shape))

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape((*x.shape[: x.dim() - len(self.in_shape)], *self.out_shape))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape((*y.shape[: y.dim() - len(self.out_shape)], *self.in_shape))

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """0."""
        return x.new_zeros(tuple(x.shape[: x.dim() - len(self.in_shape)]))

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape with in_shape at its end replaced."""
        return _swapped(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape with out_shape at its end replaced."""
        return _swapped(shape, self.out_shape, self.in_shape)


def _swapped(shape: Sequence[int], old: Size, new: Size) -> tuple[int, ...]:
    if len(shape) < len(old):
        raise ValueError("Too few dimensions on input")
    cut = len(shape) - len(old)
    if tuple(shape[cut:]) != tuple(old):
        raise ValueError(f"Shape mismatch: expected {shape[cut:]} but got {old}")
    return (*shape[:cut], *new)


class _Parts(Transform):
    """A transform for each slice along a dim."""

    transforms: list[Transform]
    dim: int

    def _keep(self, tseq: Sequence[Transform], dim: int, cache_size: int) -> None:
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertionError("tseq has to hold transforms only")
        if cache_size:
            tseq = [t.with_cache(cache_size) for t in tseq]
        Transform.__init__(self, cache_size)
        self.transforms, self.dim = list(tseq), dim

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """Whether all of them are."""
        return all(t.bijective for t in self.transforms)

    def _slices(self, x: Tensor) -> Sequence[Tensor]:
        """Return the slice of each transform; AssertionError unless they are the whole."""
        raise NotImplementedError

    def _join(self, made: list[Tensor]) -> Tensor:
        raise NotImplementedError

    def _call(self, x: Tensor) -> Tensor:
        pairs = zip(self.transforms, self._slices(x), strict=True)
        return self._join([t(part) for t, part in pairs])

    def _inverse(self, y: Tensor) -> Tensor:
        pairs = zip(self.transforms, self._slices(y), strict=True)
        return self._join([t.inv(part) for t, part in pairs])


class CatTransform(_Parts):
    """A transform for each of several slices, of given lengths, along a dim.

    >>> import wengert as torch
    >>> D = torch.distributions
    >>> t = D.CatTransform([D.ExpTransform(), D.identity_transform], lengths=[1, 2])
    >>> t(torch.zeros(3))
    tensor([1., 0., 0.])
    """

    settings = ("transforms", "dim", "lengths")

    def __init__(
        self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None,
        cache_size: int = 0,
    ) -> None:  # fmt: skip
        self._keep(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError("there must be as many lengths as transforms")

    @property
    def event_dim(self) -> int:
        """The largest of theirs."""
        return max(t.event_dim for t in self.transforms)

    @property
    def length(self) -> int:
        """The length of all slices."""
        return sum(self.lengths)

    def _slices(self, x: Tensor) -> Any:
        if not -x.dim() <= self.dim < x.dim() or x.shape[self.dim] != self.length:
            raise AssertionError(f"dim {self.dim} must have {self.length} elements")
        return x.split(self.lengths, self.dim)

    def _join(self, made: list[Tensor]) -> Tensor:
        return torch.cat(made, dim=self.dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Theirs, side by side, or their sum where the dim is within an event."""
        terms = []
        for t, a, b in zip(self.transforms, self._slices(x), self._slices(y), strict=True):
            term = t.log_abs_det_jacobian(a, b)
            if t.event_dim < self.event_dim:
                term = sum_rightmost(term, self.event_dim - t.event_dim)
            terms.append(term)
        dim = self.dim - x.dim() if self.dim >= 0 else self.dim
        dim += self.event_dim
        if dim < 0:
            return torch.cat(terms, dim=dim)
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    @constraints.dependent_property
    def domain(self) -> Any:
        """Theirs, side by side."""
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self) -> Any:
        """Theirs, side by side."""
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Parts):
    """A transform for each place along a dim.

    >>> import wengert as torch
    >>> D = torch.distributions
    >>> D.StackTransform([D.ExpTransform(), D.identity_transform])(torch.zeros(2))
    tensor([1., 0.])
    """

    settings = ("transforms", "dim")

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        self._keep(tseq, dim, cache_size)

    def _slices(self, x: Tensor) -> list[Tensor]:
        if not -x.dim() <= self.dim < x.dim() or x.shape[self.dim] != len(self.transforms):
            raise AssertionError(f"dim {self.dim} must have {len(self.transforms)} elements")
        return [x.select(self.dim, i) for i in range(len(self.transforms))]

    def _join(self, made: list[Tensor]) -> Tensor:
        return torch.stack(made, dim=self.dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Theirs, stacked."""
        parts = zip(self.transforms, self._slices(x), self._slices(y), strict=True)
        return self._join([t.log_abs_det_jacobian(a, b) for t, a, b in parts])

    @constraints.dependent_property
    def domain(self) -> Any:
        """Theirs, stacked."""
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self) -> Any:
        """Theirs, stacked."""
        return constraints.stack([t.codomain for t in self.transforms], self.dim)


class CumulativeDistributionTransform(Transform):
    """y = cdf(x) of a distribution of numbers.

    >>> import wengert as torch
    >>> D = torch.distributions
    >>> D.CumulativeDistributionTransform(D.Normal(0.0, 1.0))(torch.tensor(0.0))
    tensor(0.5000)
    """

    bijective = True
    codomain = constraints.unit_interval
    sign = 1

    settings = ("distribution",)

    def __init__(self, distribution: Any, cache_size: int = 0) -> None:
        self.distribution = distribution
        super().__init__(cache_size)

    @property
    def domain(self) -> Any:
        """The support of the distribution."""
        return self.distribution.support

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log_prob(x)."""
        return self.distribution.log_prob(x)
