"""Saved tensors that a pair of hooks keeps: packed as they are saved, unpacked when a rule asks.

A node that saved through hooks gets an op of its own, `Packed`, and lets go of its values. To run,
the values are unpacked onto a twin of the node, so that threads that run one graph don't meet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from . import errors, state
from .inplace import check_saved
from .node import Node
from .op import made_by
from .tensor import Tensor

new = object.__new__

_ALREADY_SET = (
    "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one "
    "pair of hooks is allowed at a time."
)
_FREED = (
    "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values "
    "of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to "
    "access saved variables after calling backward."
)
_PACK_WROTE = (
    "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack "
    "hook cannot be modified by in-place operations as this can lead to unexpected side-effects. "
    "Clone the tensor and change the clone"
)


class Pair(NamedTuple):
    """A pack hook and the unpack hook that undoes it."""

    pack: Callable[[Tensor], Any]
    unpack: Callable[[Any], Tensor]


class Held:
    """What a pack hook made of one tensor."""

    __slots__ = ("packed", "unpack_hook")

    def __init__(self, t: Tensor, pair: Pair, result: bool) -> None:
        version = t._version
        before = state.set_grad_enabled(False)
        try:
            packed = pair.pack(t)
        finally:
            state.set_grad_enabled(before)
        if t._version != version:
            raise RuntimeError(f"{_PACK_WROTE}; it is a {errors.described(t)}.")
        # a result hangs on the node that keeps it: only its values are kept, or they would be a cycle
        self.packed = t._share(None) if result and packed is t else packed
        self.unpack_hook = pair.unpack

    def unpack(self) -> Tensor:
        """Return what the unpack hook makes of the packed value."""
        t = self.unpack_hook(self.packed)
        if not isinstance(t, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(t).__name__}"
            )
        return t


class Place(NamedTuple):
    """Where a node keeps a tensor: its public name, the slot, the part of a tuple there."""

    name: str
    slot: str
    part: int | None
    number: int  # of the input or of the result

    def read(self, n: Node) -> Any:
        """Return what is kept here (an array, if it is a result), or None."""
        value = getattr(n, self.slot, None)
        return value if value is None or self.part is None else value[self.part]

    def write(self, n: Node, value: Any) -> None:
        """Put a value here."""
        if self.part is not None:
            whole = list(getattr(n, self.slot))
            whole[self.part] = value
            value = tuple(whole)
        setattr(n, self.slot, value)


def places(n: Node) -> list[Place]:
    """Return where a node keeps its saved tensors, in PyTorch's order: by name, the result last."""
    row = getattr(n.op, "op", n.op)
    if row.variadic or row.outputs != 1:
        return _places(n, row)
    if row.places is None:  # the same for every call
        row.places = _places(n, row)
    return row.places


def _places(n: Node, row: Any) -> list[Place]:
    count = len(row.inputs)
    found = []
    if row.variadic:
        found = [Place("tensors", "x", k, k) for k in range(len(getattr(n, "x", None) or ()))]
    else:
        for k, i in enumerate(row.inputs):
            if i in row.saves:
                name = row.saved_names.get(i, ("self", "other", "third")[min(k, 2)])
                found.append(Place(name, "x", k, k) if count > 2 else Place(name, "xy"[k], None, k))
        found.sort(key=_name_and_number)
    if row.saves_out:
        name = row.saved_names.get("out", "result")
        out = getattr(n, "out", None)
        indices = range(len(out)) if out.__class__ is tuple else (None,)
        found += [Place(name, "out", k, k or 0) for k in indices]
    return found


def _name_and_number(p: Place) -> tuple[str, int]:
    return p.name, p.number


class Twin(Node):
    """Stands for `original` while a rule runs, and has the unpacked values."""

    __slots__ = ("original",)


class Packed:
    """The op of one node that keeps tensors through hooks: the real op, once they are unpacked."""

    saves_any = True

    def __init__(self, base: Any) -> None:
        self.base = base
        self.held: list[tuple[Place, Held]] = []
        self.saves_out = base.saves_out  # as long as the node itself keeps the result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)  # the rest is told by the real op

    def keep(self, n: Node, place: Place, held: Held) -> None:
        """Keep a packed value in place of the one on the node."""
        self.held.append((place, held))
        place.write(n, None)
        if place.slot == "out":
            self.saves_out = False

    def pull(self, n: Node, g: Any) -> Any:
        """Unpack and run the rules on arrays."""
        return self.base.pull(self._twin(n, raw=True), g)

    def pull_t(self, n: Node, g: Any) -> Any:
        """Unpack and run the rules on tensors."""
        return self.base.pull_t(self._twin(n, raw=False), g)

    def _twin(self, n: Node, raw: bool, name: str | None = None) -> Node:
        twin = new(Twin)
        twin.original, twin.op = n, self.base
        twin.edges, twin.hooks = n.edges, None
        twin.seq = state.tick()  # what hooks give back is not checked for later writes
        for slot in ("x", "y", "out", "rest", "fit"):
            if hasattr(n, slot):
                setattr(twin, slot, getattr(n, slot))
        for place, held in self.held:
            if name is None or place.name == name:
                t: Any = held.unpack()
                place.write(twin, t._array if raw and place.slot == "out" else t)
        return twin

    def saved_attribute(self, n: Node, name: str) -> Any:
        """Return what a node saved, unpacked."""
        check_saved(n)
        return self.base.saved_attribute(self._twin(n, False, name), name)


def pack(n: Node, pair: Pair, args: Any, results: tuple[Any, ...]) -> None:
    """Hand all that a node has just saved to the hooks.

    `args` and `results` are those of its call; numbers among the arguments are no tensors to hook.
    """
    op = Packed(n.op)
    kept = []
    for place in places(n):
        result = place.slot == "out"
        t = results[place.number] if result else args[place.number]
        if place.read(n) is not None and isinstance(t, Tensor):
            kept.append((place, Held(t if result else place.read(n), pair, result)))
    for place, held in kept:
        op.keep(n, place, held)
    if kept:
        n.op = op


class SavedTensor:
    """One saved tensor of a node, `node._raw_saved_self` for example, which hooks can be given."""

    __slots__ = ("name", "node")

    def __init__(self, node: Node, name: str) -> None:
        self.node, self.name = node, name

    @property
    def data(self) -> Any:
        """What is kept: the packed value if there are hooks, else the tensor."""
        held = self._held()
        return self.unpack() if held is None else held.packed

    @property
    def unpack_hook(self) -> Any:
        """The unpack hook, or None."""
        held = self._held()
        return None if held is None else held.unpack_hook

    def unpack(self) -> Tensor:
        """Return the saved tensor."""
        t: Tensor = self.node.op.saved_attribute(self.node, self.name)
        return t

    def register_hooks(self, pack_hook: Any, unpack_hook: Any) -> None:
        """Keep what `pack_hook(tensor)` returns instead; `unpack_hook` turns it back when asked."""
        if not (callable(pack_hook) and callable(unpack_hook)):
            raise TypeError("register_hooks(): pack_hook and unpack_hook must be callable")
        n = self.node
        if not n.op.saves_any:
            raise RuntimeError(_FREED)
        if self._held() is not None:
            raise RuntimeError(_ALREADY_SET)
        place = next(p for p in places(n) if p.name == self.name)
        result = place.slot == "out"
        t = place.read(n)
        if result:
            whole = made_by(n)
            t = whole if place.part is None else whole[place.part]
        held = Held(t.detach(), Pair(pack_hook, unpack_hook), False)
        op = n.op if isinstance(n.op, Packed) else Packed(n.op)
        op.keep(n, place, held)
        n.op = op

    def _held(self) -> Held | None:
        for place, held in getattr(self.node.op, "held", ()):
            if place.name == self.name:
                return held
        return None


def raw_saved(n: Node, name: str) -> SavedTensor:
    """Return the handle of the saved tensor of that name, or raise AttributeError."""
    if n.op.saves_any and hasattr(n.op, "saves") and name not in [p.name for p in places(n)]:
        raise AttributeError(f"{n.name()!r} object has no attribute '_raw_saved_{name}'")
    return SavedTensor(n, name)
