"""Wrappers: tensors that interpret ops instead of computing them; and the dual, the first of them.

A wrapper of a higher level is interpreted first, its inner calls see the values below, so
transforms nest. Recording is outside: the edges of a wrapper belong to its own level.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from . import state
from .cold import bind
from .node import Node
from .op import TENSORS, share
from .tensor import Tensor, extra_of, wrap

new = object.__new__


class Wrapper(Tensor):
    """A tensor over another tensor. Its spec is never hot, so no fast path takes it.

    Its attributes are in the instance's dict, so that a tensor can become a wrapper in place.
    """

    __slots__ = ()
    levels = itertools.count(1).__next__

    level: int
    value: Tensor
    note: Any

    @classmethod
    def over(cls, level: int, value: Tensor, note: Any = None) -> Any:
        """Wrap `value` at a level; `note` is what this kind of wrapper knows about it."""
        self = new(cls)
        self.level, self.value, self.note = level, value, note
        self._edge = self._ext = None
        self._spec = value._spec.wrapped()
        return self

    def _share(self, edge: Node | None) -> Any:
        t = new(self.__class__)
        t.level, t.value, t.note = self.level, self.value, self.note
        t._spec, t._edge, t._ext = self._spec, edge, None
        return t

    @property
    def _array(self) -> Any:
        return self.value._array

    @_array.setter
    def _array(self, array: Any) -> None:
        self.value._array = array

    def _value(self) -> Tensor:
        return self.value._value()

    @property
    def requires_grad(self) -> bool:  # type: ignore[override]
        """True if calls are recorded, of this tensor or of the one below."""
        return self._edge is not None or self.value.requires_grad

    @property
    def grad_fn(self) -> Any:
        """The node at this level, or else that of the tensor below."""
        return Tensor.grad_fn.fget(self) or self.value.grad_fn  # type: ignore[attr-defined]

    def peel(self, args: list) -> list[tuple[Tensor, Any]]:
        """Return (value, note) as seen from this level; note is None for what it does not wrap."""
        return [
            (a.value, a.note)
            if a.__class__ is self.__class__ and a.level == self.level
            else (a, None)
            for a in args
        ]

    def interpret(self, op: Any, args: list, params: tuple) -> Any:
        """Run `op` on arguments of which at least one is wrapped at this level."""
        raise NotImplementedError


def innermost(t: Tensor) -> Any:
    """Return the array under all wrappers (of a batch: of all examples), to look at its memory only."""
    while not t._spec.plain:
        t = t.value  # type: ignore[attr-defined]
    return t._array


def example(t: Tensor) -> Any:
    """Return an array that lies in memory as `t` does, one example of a batch: for strides only."""
    if t._spec.plain:
        return t._array
    array = example(t.value)  # type: ignore[attr-defined]
    if array.ndim == t._spec.ndim:
        return array
    return array[0] if len(array) else np.empty(t._spec.shape, array.dtype)


def alike(t: Tensor, made: Tensor) -> Tensor:
    """Return a constant that was made like `t` with a copy for every example, if `t` is one of a batch.

    So it can be written in place by what differs between examples.
    """
    if t._spec.plain:
        return made
    maps = _maps(t)
    sizes = [m.value._spec.shape[0] for m in maps]
    return _mapped(maps, np.array(np.broadcast_to(made._array, (*sizes, *made._spec.shape))))


def _maps(t: Any) -> list:
    """Return the batches that a tensor is one example of, the outermost map first."""
    maps = []
    while not t._spec.plain:
        if hasattr(t, "is_batch"):
            maps.append(t)
        t = t.value
    return maps[::-1]


def _mapped(maps: list, whole: Any) -> Tensor:
    t = wrap(whole)
    for m in maps:
        t = m.__class__.over(m.level, t)
    return t


def by_example(t: Tensor, fn: Any) -> Tensor:
    """Return the constant fn(array), run for one example after the other: results of one shape."""
    if t._spec.plain:
        return wrap(fn(t._array))
    maps, array = _maps(t), innermost(t)
    sizes = array.shape[: len(maps)]
    found = [fn(array[at]) for at in np.ndindex(sizes)]
    if len({f.shape for f in found}) != 1:
        from .batching import refuse_dynamic

        refuse_dynamic("a call whose result has another shape for other values", t)
    return _mapped(maps, np.stack(found).reshape((*sizes, *found[0].shape)))


class Dual(Wrapper):
    """A value with its tangent (`note`, None for zero): forward mode."""

    __slots__ = ()

    def interpret(self, op: Any, args: list, params: tuple) -> Any:
        """Push the tangents through the op (inference mode and a closed level have none)."""
        pairs = self.peel(args)
        values = [v for v, _ in pairs]
        if self.level not in _open or state.is_inference():
            return bind(op, tuple(values), params)
        tangents = [t for _, t in pairs]
        out = op.call(*values, *params) if op.kind == "elementwise" else bind(op, tuple(values), params)
        if not op.differentiable or all(t is None for t in tangents):
            return out
        if out.__class__ is not tuple and out._spec.dtype.category < 2:  # a cast to whole numbers
            return out
        pushed = push_forward(op, values, tangents, out, params)
        if isinstance(out, tuple):
            return tuple(
                o if t is None else Dual.over(self.level, o, t)
                for o, t in zip(out, pushed, strict=True)
            )
        return out if pushed is None else Dual.over(self.level, out, pushed)

    def detach(self) -> Tensor:
        """Return the value alone, cut off from the history; the memory is shared."""
        return self.value.detach()

    @property
    def data(self) -> Tensor:  # type: ignore[override]
        """The value alone, with a version counter of its own; the memory is shared."""
        return self.value.data


def become_dual(t: Any, level: int) -> None:
    """Turn a tensor, which others hold, into a dual without a tangent; its base likewise.

    It happens to a tensor that a dual is written into.
    """
    from .views import follow_tensor

    x = t._ext
    base = None if x is None else x.base
    if base is None:
        value = t._share(t._edge)
        if x is not None:
            extra_of(value).storage = x.storage
    else:
        if getattr(base, "level", 0) < level:
            become_dual(base, level)
        value = follow_tensor(base.value, x.chain)
    t.__class__ = Dual
    t.level, t.value, t.note = level, value, None
    t._spec, t._edge = value._spec.wrapped(None), None


_open: set[int] = set()  # the levels at which duals live; later ones are plain values


def open_level() -> int:
    """Return a new level for duals."""
    level = Wrapper.levels()
    _open.add(level)
    return level


def close_level(level: int) -> None:
    """End a level: its duals are plain values from here on."""
    _open.discard(level)


def is_open(level: int) -> bool:
    """Return True while a level for duals is open."""
    return level in _open


def push_forward(op: Any, xs: list, ts: list, out: Any, params: tuple) -> Any:
    """Return the tangent of a result, read off the kind of the op."""
    if op.jvp is not None:
        return op.jvp(TENSORS, xs, ts, out, params)
    if op.kind == "linear":
        given = [_zeros(x) if t is None and x is not None else t for x, t in zip(xs, ts, strict=True)]
        return bind(op, tuple(given), params)
    if op.kind == "bilinear":
        terms = [
            bind(op, tuple(t if j == i else x for j, x in enumerate(xs)), params)
            for i, t in enumerate(ts)
            if t is not None
        ]
    elif op.kind == "elementwise":
        terms = _elementwise_terms(op, xs, ts, out, params)
    else:
        raise NotImplementedError(
            f"forward mode: the op {op.name!r} has no jvp rule; use reverse mode for it"
        )
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    if total.shape != out.shape:
        total = TENSORS.expand(total, tuple(out.shape))
    return total


def _elementwise_terms(op: Any, xs: list, ts: list, out: Any, params: tuple) -> list:
    """A diagonal Jacobian is its own transpose: the vjp rule of each input pushes its tangent."""
    given: dict[str, Any] = {
        **dict(zip(op.inputs, xs, strict=True)),
        **dict(zip(op.params, params, strict=False)),
        **{i + "_spec": x._spec for i, x in zip(op.inputs, xs, strict=True) if x is not None},
        "out": out,
        "xp": TENSORS,
        "need": tuple(t is not None for t in ts),
    }
    terms = []
    for where, rule, names in op.rules:
        for k in where:
            t = ts[k]
            if t is None:
                continue
            real_part = t.dtype.is_complex and not out.dtype.is_complex  # dL = Re(c dz)
            if t.dtype is not out.dtype and not real_part:
                t = TENSORS.cast(t, out.dtype)
            if t.shape != out.shape:
                t = TENSORS.expand(_aligned(t, out.ndim), tuple(out.shape))
            value = rule(**{p: t if p == "g" else given[p] for p in names})
            term = value if len(where) == 1 else value[where.index(k)]
            terms.append(TENSORS.cast(term, out.dtype) if real_part else term)
    return terms


def _aligned(t: Tensor, ndim: int) -> Tensor:
    lead = ndim - t.ndim
    return TENSORS.reshape(t, (1,) * lead + tuple(t.shape)) if lead else t


def _zeros(x: Tensor) -> Tensor:
    return TENSORS.zeros_like(x)


__all__ = ["Dual", "Wrapper", "close_level", "example", "innermost", "is_open", "open_level", "push_forward", "share"]
