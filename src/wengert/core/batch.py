"""The batched tensor: the wrapper of vmap.

A `Batched` shows one example and holds all of them: its value has one dim more, the batch, always
the first. The function under vmap sees the shape of an example; each op is interpreted by its
batching rule (`batch=` of its row, see `batching`), which runs the op once for the whole batch.
"""

from __future__ import annotations

from typing import Any

from . import state
from .batching import aligned, loop
from .dual import Wrapper
from .op import TENSORS
from .promote import float_dtype, result_dtype
from .spec import Spec
from .tensor import Tensor

new = object.__new__

DATA_DEPENDENT = (
    "vmap: this asks for the values of a tensor that vmap maps over ({what}), which has no single "
    "answer: inside vmap a tensor stands for all examples at once. Data-dependent control flow, "
    "item(), numpy() and printing of numbers are not possible; use torch.where or move this part "
    "out of the function that is mapped"
)
ESCAPED = (
    "a tensor of a vmap that has ended is used; the function that was mapped must return it "
    "rather than store it elsewhere"
)


_ITEM = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling "
    ".item() on a Tensor, please try to rewrite what you're doing with other operations."
)
_CONTROL_FLOW = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We "
    "don't support that: the examples may differ. Compute both ways and choose with torch.where"
)


class Level:
    """What one running vmap knows: how many examples there are and what random calls shall do."""

    __slots__ = ("depth", "number", "outer", "randomness", "size")

    def __init__(self, size: int, randomness: str) -> None:
        self.number: int = Wrapper.levels()
        self.size, self.randomness = size, randomness
        self.outer: Level | None = None
        self.depth = state.depth_of_transforms() + 1  # the number that printing shows


_open: dict[int, Level] = {}


def open_batch(size: int, randomness: str) -> Level:
    """Begin a vmap over `size` examples."""
    level = Level(size, randomness)
    level.outer = state.current_batch()
    state.set_batch(level)
    _open[level.number] = level
    return level


def close_batch(level: Level) -> None:
    """End a vmap; its tensors can't be used any more."""
    state.set_batch(level.outer)
    _open.pop(level.number, None)


def level_of(number: int) -> Level:
    """Return the running vmap of a level number."""
    level = _open.get(number)
    if level is None:
        raise RuntimeError(ESCAPED)
    return level


def depth_of(number: int) -> int:
    """Return how many transforms lie around a vmap, itself included (0 when it has ended)."""
    level = _open.get(number)
    return 0 if level is None else level.depth


_logical: dict[Spec, Spec] = {}  # the spec of one example, by the spec of the whole batch
_LIMIT = 2048


def _example(spec: Spec) -> Spec:
    found = _logical.get(spec)
    if found is None:
        found = spec.wrapped(spec.shape[1:])
        if spec.plain:
            if len(_logical) >= _LIMIT:
                _logical.clear()
            _logical[spec] = found
    return found


class Batched(Wrapper):
    """One example as the mapped function sees it; `value` holds them all along its first dim."""

    __slots__ = ()
    is_batch = True

    @classmethod
    def over(cls, level: int, value: Tensor, note: Any = None) -> Any:
        """Wrap a value whose first dim is the batch of that level."""
        self = new(cls)
        self.level, self.value, self.note = level, value, None
        self._edge = self._ext = None
        self._spec = _example(value._spec)
        return self

    def _share(self, edge: Any) -> Any:
        t = new(Batched)
        t.level, t.value, t.note = self.level, self.value, None
        t._spec, t._edge, t._ext = self._spec, edge, None
        return t

    @property  # type: ignore[misc]
    def _array(self) -> Any:
        raise RuntimeError(DATA_DEPENDENT.format(what="its memory or values"))

    def _value(self) -> Tensor:
        raise RuntimeError(DATA_DEPENDENT.format(what="its value"))

    def item(self) -> Any:
        """Raise RuntimeError: there are as many values as examples."""
        raise RuntimeError(_ITEM)

    def __bool__(self) -> bool:
        raise RuntimeError(_CONTROL_FLOW)

    def interpret(self, op: Any, args: list, params: tuple) -> Any:
        """Run the batching rule of an op on the values."""
        number = self.level
        if number not in _open:
            raise RuntimeError(ESCAPED)
        composite = getattr(op.batch, "composed", None)
        if composite is not None:
            out = composite(TENSORS, *[self._bare(a) for a in args], *params)
            if out.__class__ is tuple:
                return tuple([self._mapped(o) for o in out])
            return self._mapped(out)
        xs: list = []
        on: list = []
        for a in args:
            if a.__class__ is Batched and a.level == number:
                xs.append(a.value)
                on.append(True)
            else:
                xs.append(a)
                on.append(False)
        if op.promote is not None and len(args) > 1:
            xs = _promoted(op, args, xs)
        rule = op.batch or (aligned if op.kind == "elementwise" else loop)
        out = rule(op, xs, on, params)
        if out.__class__ is tuple or out.__class__ is list:
            return tuple([o if o is None else Batched.over(number, o) for o in out])
        return Batched.over(number, out)

    def _mapped(self, out: Any) -> Any:
        """Return a result as one of this level, though no example may differ from another."""
        if out is None or (out.__class__ is Batched and out.level == self.level):
            return out
        return Batched.over(self.level, self.spread(out))

    def _bare(self, a: Any) -> Any:
        """Return an argument without its history at this level; what is below stays recorded."""
        mine = a.__class__ is Batched and a.level == self.level and a._edge is not None
        return a._share(None) if mine else a

    def spread(self, t: Tensor) -> Tensor:
        """Return the value that stands for `t`, the same in every example, as a tensor of the level."""
        size = level_of(self.level).size
        whole: Tensor = TENSORS.expand(t, (size, *t.shape))
        return whole

    def detach(self) -> Tensor:
        """Return the same examples cut off from every history."""
        return Batched.over(self.level, self.value.detach())


def _promoted(op: Any, args: list, xs: list) -> list:
    """Cast where an example without dims meets tensors that have some: in the batch both have.

    PyTorch's promotion gives way to dims, so the common dtype is found on the examples.
    """
    voices = [a for k, a in enumerate(args) if k not in op.skip and a is not None]
    first = voices[0]._spec.dtype
    if all(v._spec.dtype is first for v in voices):
        return xs
    d = result_dtype(voices)
    if op.promote == "float":
        d = float_dtype(d)
    return [
        x if x is None or k in op.skip or x._spec.dtype is d else TENSORS.cast(x, d)
        for k, x in enumerate(xs)
    ]


def batched_over(level: Level, t: Tensor, dim: int) -> Tensor:
    """Return one example of `t`, mapped over its dim `dim` (from the front)."""
    value = t if dim == 0 else TENSORS.permute(
        t, (dim, *[k for k in range(t.ndim) if k != dim])
    )  # fmt: skip
    return Batched.over(level.number, value)


def whole(level: Level, t: Any, dim: int) -> Tensor:
    """Return all examples of a result, the batch at dim `dim`; an unmapped result is repeated."""
    if t.__class__ is Batched and t.level == level.number:
        value = t.value
    else:
        value = TENSORS.expand(t, (level.size, *t.shape))
    if dim == 0:
        return value
    order = list(range(1, value.ndim))
    order.insert(dim, 0)
    moved: Tensor = TENSORS.permute(value, tuple(order))
    return moved


__all__ = ["Batched", "Level", "batched_over", "close_batch", "depth_of", "level_of", "open_batch", "whole"]
