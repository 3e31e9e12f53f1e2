"""Saved-tensor hooks: what a call keeps for backward goes through the user's pack and unpack.

While hooks are active they are a mode, so that no path of recording knows of them. A node whose values
were packed gets an op of its own, `Packed`, which unpacks them into a node for one run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from . import state
from .node import LEAF, PORT, Node
from .tensor import Tensor, wrap

new = object.__new__


class _Active(threading.local):
    stack: tuple = ()  # of the hooks of this thread, the innermost last
    refusal: str | None = None  # what to say to new hooks, while they are not allowed


active = _Active()


class SavingMode(state.Mode):
    """Hands what is saved on its own thread to the hooks, if they are the innermost ones there."""

    def __init__(self, pack_hook: Callable, unpack_hook: Callable) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def enter(self) -> None:
        """Make these the innermost hooks of this thread."""
        if active.refusal is not None:
            raise RuntimeError(active.refusal)
        active.stack = (*active.stack, self)
        state.push_mode(self)

    def leave(self) -> None:
        """Take these hooks away again."""
        state.pop_mode(self)
        active.stack = tuple([m for m in active.stack if m is not self])

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        """Run the call, then pack what its node keeps."""
        result = self.forward(op, args, params)
        if not active.stack or active.stack[-1] is not self:
            return result
        for t in result if isinstance(result, tuple) else (result,):
            edge = t._edge if isinstance(t, Tensor) else None
            if edge is not None and edge.op is not LEAF:
                node = edge.edges[0] if edge.op is PORT else edge
                if node.op.saves_any and node.op.__class__ is not Packed:
                    node.op.pack(node, self) if node.op.kind == "function" else pack_node(node, self)
                break
        return result

    def pack(self, t: Tensor) -> Any:
        """Call the pack hook; it must leave the tensor as it is."""
        given = t.detach()
        version = given._version
        before = state.set_grad_enabled(False)
        try:
            packed = self.pack_hook(given)
        finally:
            state.set_grad_enabled(before)
        if given._version != version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as "
                "input to pack hook cannot be modified by in-place operations as this can lead to "
                "unexpected side-effects. Work on a clone() instead."
            )
        return packed

    def unpack(self, packed: Any) -> Tensor:
        """Call the unpack hook; it must return a tensor."""
        t = self.unpack_hook(packed)
        if not isinstance(t, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(t).__name__}"
            )
        return t


class Parcel:
    """What a pack hook made of one tensor."""

    __slots__ = ("content",)

    def __init__(self, content: Any) -> None:
        self.content = content


def pack_node(n: Node, hooks: SavingMode) -> None:
    """Pack the inputs and results that a node keeps; numbers and specs stay where they are."""
    slots: dict[str, Any] = {}
    for name in ("y", "x", "out"):
        kept = getattr(n, name, None)
        if kept is None or (name == "out" and not n.op.saves_out):
            continue
        parts = kept if kept.__class__ is tuple else (kept,)
        tensors = [p if p is None or isinstance(p, Tensor) else wrap(p) for p in parts]
        if any([t is not None and not t._spec.plain for t in tensors]):
            return
        packed = [None if t is None else Parcel(hooks.pack(t)) for t in tensors]
        slots[name] = tuple(packed) if kept.__class__ is tuple else packed[0]
    n.op = Packed(n.op, hooks, slots)
    n.x = n.y = n.out = None


class Packed:
    """The op of one node whose saved values were packed."""

    saves_any = True
    saves_out = False

    def __init__(self, op: Any, hooks: SavingMode, slots: dict[str, Any]) -> None:
        self.op, self.hooks, self.slots = op, hooks, slots
        self.node_class = getattr(op, "node_class", None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)

    def whole(self, n: Node) -> Node:
        """Return a node like `n` that holds the unpacked values."""
        m = new(Node)
        m.op, m.edges, m.seq, m.hooks = self.op, n.edges, n.seq, None
        m.x = m.y = m.out = None
        for name in ("rest", "fit"):
            if hasattr(n, name):
                setattr(m, name, getattr(n, name))
        for name, kept in self.slots.items():
            setattr(m, name, self._unpacked(kept, name == "out"))
        return m

    def _unpacked(self, kept: Any, as_array: bool) -> Any:
        if kept is None:
            return None
        if kept.__class__ is tuple:
            return tuple([self._unpacked(k, as_array) for k in kept])
        t = self.hooks.unpack(kept.content)
        return t._array if as_array else t

    def pull(self, n: Node, g: Any) -> Any:
        """Unpack, then run the rules over arrays."""
        return self.op.pull(self.whole(n), g)

    def pull_t(self, n: Node, g: Any) -> Any:
        """Unpack, then run the rules over tensors."""
        return self.op.pull_t(self.whole(n), g)

    def saved_attribute(self, n: Node, name: str) -> Any:
        """Return one saved value, unpacked."""
        return self.op.saved_attribute(self.whole(n), name)
