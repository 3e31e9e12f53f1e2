"""Transform: an invertible map with the logarithm of its derivative; its inverse, and chains of them."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import wengert as torch

from ..core.tensor import Tensor
from . import constraints
from .utils import sum_rightmost

__all__ = ["ComposeTransform", "Transform", "identity_transform"]


class Transform:
    """A map from a `domain` to a `codomain`; `inv` is its inverse.

    A subclass says `domain`, `codomain`, `bijective`, `_call`, `_inverse` and
    `log_abs_det_jacobian`. With `cache_size=1` the last pair (x, y) is remembered, so that inverting
    a value just made is free and exact. ValueError for other cache sizes.

    >>> import wengert as torch
    >>> t = torch.distributions.ExpTransform()
    >>> t.inv(t(torch.tensor(2.0)))
    tensor(2.)
    """

    bijective = False
    domain: Any
    codomain: Any
    settings: tuple[str, ...] = ()  # the attributes that the constructor takes, before cache_size

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size = cache_size
        self._inv: Any = None
        self._cached_x_y: tuple[Any, Any] = (None, None)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_inv": None}

    @property
    def event_dim(self) -> int:
        """The number of dims of an event, where domain and codomain agree (else ValueError)."""
        if self.domain.event_dim == self.codomain.event_dim:
            return self.domain.event_dim
        raise ValueError("Please use either .domain.event_dim or .codomain.event_dim")

    @property
    def inv(self) -> Transform:
        """The inverse, itself a transform."""
        found = None if self._inv is None else self._inv()
        if found is None:
            found = _InverseTransform(self)
            self._inv = weakref.ref(found)
        return found

    @property
    def sign(self) -> Any:
        """1 where the transform rises, -1 where it falls (NotImplementedError where it does neither)."""
        raise NotImplementedError

    def with_cache(self, cache_size: int = 1) -> Any:
        """Return the transform with this cache size."""
        if cache_size == self._cache_size:
            return self
        maker: Any = next(c for c in type(self).__mro__ if "settings" in vars(c))
        if maker is Transform:
            maker = type(self)
            if maker.__init__ is not Transform.__init__:
                raise NotImplementedError(f"{maker}.with_cache is not implemented")
        return maker(*[getattr(self, name) for name in maker.settings], cache_size=cache_size)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = object.__hash__

    def __call__(self, x: Any) -> Any:
        return self._remembered(self._call, x, 0)

    def _inv_call(self, y: Any) -> Any:
        return self._remembered(self._inverse, y, 1)

    def _remembered(self, change: Callable[[Any], Any], given: Any, side: int) -> Any:
        """Return change(given), or what the last pair holds beside `given`, its number `side`."""
        if self._cache_size == 0:
            return change(given)
        if self._cached_x_y[side] is not given:
            made = change(given)
            self._cached_x_y = (made, given) if side else (given, made)
        return self._cached_x_y[1 - side]

    def _call(self, x: Any) -> Any:
        raise NotImplementedError

    def _inverse(self, y: Any) -> Any:
        raise NotImplementedError

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Return log |det dy/dx| for x and y = self(x)."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape of what is made of a tensor of this shape."""
        return shape

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape of what this shape is made of."""
        return shape


class _InverseTransform(Transform):
    """The inverse of a transform, whose cache it shares."""

    def __init__(self, transform: Transform) -> None:
        super().__init__(cache_size=transform._cache_size)
        self._inv: Transform = transform

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        return self._inv.codomain

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        return self._inv.domain

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        return self._inv.bijective

    @property
    def sign(self) -> Any:
        return self._inv.sign

    @property
    def inv(self) -> Transform:
        return self._inv

    def with_cache(self, cache_size: int = 1) -> Any:
        return self.inv.with_cache(cache_size).inv

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _InverseTransform) and self._inv == other._inv

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inv!r})"

    def __call__(self, x: Any) -> Any:
        return self._inv._inv_call(x)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Sequence[int]) -> Any:
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        return self._inv.forward_shape(shape)


class ComposeTransform(Transform):
    """Transforms one after the other.

    >>> import wengert as torch
    >>> D = torch.distributions
    >>> D.ComposeTransform([D.AffineTransform(1.0, 2.0), D.ExpTransform()])(torch.tensor(-0.5))
    tensor(1.)
    """

    settings = ("parts",)

    def __init__(self, parts: list[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = [p.with_cache(cache_size) for p in parts] if cache_size else parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = object.__hash__

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """The domain of the first, with as many event dims as any of them needs."""
        if not self.parts:
            return constraints.real
        steps = [(p.codomain.event_dim, p.domain.event_dim) for p in reversed(self.parts)]
        return _widened(self.parts[0].domain, steps)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        """The codomain of the last, with as many event dims as any of them makes."""
        if not self.parts:
            return constraints.real
        steps = [(p.domain.event_dim, p.codomain.event_dim) for p in self.parts]
        return _widened(self.parts[-1].codomain, steps)

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """Whether all of them are."""
        return all(p.bijective for p in self.parts)

    @property
    def sign(self) -> Any:
        """The product of their signs."""
        return math.prod([p.sign for p in self.parts])

    @property
    def inv(self) -> Transform:
        """The inverses in the reverse order."""
        found = None if self._inv is None else self._inv()
        if found is None:
            found = ComposeTransform([p.inv for p in reversed(self.parts)])
            self._inv = weakref.ref(found)
            found._inv = weakref.ref(self)
        return found

    def __call__(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Return the sum of theirs."""
        if not self.parts:
            return torch.zeros_like(x)
        points = [x]
        for part in self.parts[:-1]:
            points.append(part(points[-1]))
        points.append(y)
        total: Any = 0
        event_dim = self.domain.event_dim
        for part, a, b in zip(self.parts, points[:-1], points[1:], strict=True):
            term = part.log_abs_det_jacobian(a, b)
            total = total + sum_rightmost(term, event_dim - part.domain.event_dim)
            event_dim += part.codomain.event_dim - part.domain.event_dim
        return total

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape of what is made of a tensor of this shape."""
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """Return the shape of what this shape is made of."""
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self) -> str:
        inner = ",\n    ".join(repr(p) for p in self.parts)
        return f"{type(self).__name__}(\n    {inner}\n)"


def _widened(constraint: Any, steps: Iterable[tuple[int, int]]) -> Any:
    """Return the set at the end of a chain with as many event dims as get there.

    A step takes a event dims to b; the dims that come to it beyond its a are handed on.
    """
    more = 0
    reached = None
    for a, b in steps:
        more = 0 if reached is None else max(reached - a, 0)
        reached = b + more
    return constraints.independent(constraint, more) if more else constraint


identity_transform = ComposeTransform([])


def same_number(a: Any, b: Any) -> bool:
    """Return whether two parameters of transforms, numbers or tensors, are equal everywhere."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return bool((torch.as_tensor(a) == b).all())
    return bool(a == b)
