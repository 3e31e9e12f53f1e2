"""What a custom forward computed from its inputs and kept for its backward.

`forward` runs unrecorded, so a tensor that it computes and saves has no history. The first
derivative does not need one; the second would silently lack the terms that go through it. So the
first recorded call of a Function class is watched, which tells the *kept derivations*: what is
kept, and the inputs that it was computed from. When a backward is itself recorded, these tensors
hang on a node that refuses to run, with edges to those inputs: only a derivative that really goes
through them is refused.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core import inplace, state, tree
from ..core.dual import innermost
from ..core.node import Node
from ..core.op import ARRAYS, Op
from ..core.tensor import Tensor

new = object.__new__
_NONE: frozenset[int] = frozenset()
_WRITE = inplace.write.__code__
_ARRAYS = "its NumPy arrays"
_OWN = frozenset(  # attributes of a ctx that are not the user's
    "to_save saved_for_forward non_differentiable dirty_tensors materialize_grads needs_input_grad".split()
)


class Watch(state.Mode):
    """Follows the inputs of one forward: which memory holds values that were computed from them?"""

    def __init__(self, args: tuple, results: Any = ()) -> None:
        self.thread = threading.get_ident()
        self.memory: dict[int, tuple[Any, frozenset[int]]] = {}  # by id; keeps the arrays alive
        self.left: frozenset[int] = _NONE  # inputs that were handed to NumPy
        for k, a in enumerate(args):
            self._mark(a, frozenset((k,)))
        for r in (
            results if isinstance(results, tuple) else (results,)
        ):  # known before forward has run
            self._mark(r, frozenset(range(len(args))))

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        result = self.forward(op, args, params)
        if threading.get_ident() != self.thread:
            return result
        origin = _NONE.union(*map(self.origin, args))
        if origin and op.differentiable and not _flat(op):
            for r in result if isinstance(result, tuple) else (result,):
                self._mark(r, origin)
            self._mark(_written(), origin)
        return result

    def exported(self, t: Tensor) -> None:
        if threading.get_ident() == self.thread:
            self.left |= self.origin(t)
        super().exported(t)

    def imported(self, t: Tensor) -> None:
        if threading.get_ident() == self.thread:
            self._mark(t, self.left)
        super().imported(t)

    def _mark(self, t: Any, origin: frozenset[int]) -> None:
        if isinstance(t, Tensor) and t._spec.dtype.category >= 2:
            root = _root(innermost(t))
            self.memory[id(root)] = root, origin | self.origin(t)

    def origin(self, t: Any) -> frozenset[int]:
        """Return the numbers of the inputs that a value was computed from."""
        if not isinstance(t, Tensor):
            return _NONE
        known = self.memory.get(id(_root(innermost(t))))
        return _NONE if known is None else known[1]

    # ------------------------------------------------------------- after forward
    def kept(self, ctx: Any) -> dict:
        """Return the inputs behind each tensor that a ctx keeps, by where it keeps it."""
        found: dict[Any, frozenset[int]] = {}
        for kind in ("to_save", "saved_for_forward"):
            holder = getattr(ctx, kind) or ()
            for k in range(len(holder)):
                self._note(found, (kind, k), holder[k], ctx)
        for name in _users(ctx):
            leaves = tree.flatten(getattr(ctx, name))[0]
            for k in range(len(leaves)):
                self._note(found, (name, k), leaves[k], ctx)
                if self.left and isinstance(leaves[k], np.ndarray) and leaves[k].dtype.kind in "fc":
                    found[_ARRAYS] = self.left
        return found

    def _note(self, found: dict, where: Any, t: Any, ctx: Any) -> None:
        if not isinstance(t, Tensor) or t._spec.dtype.category < 2 or t._edge is not None:
            return
        if any(t is c for c in ctx.non_differentiable):  # the user has said that it is a constant
            return
        origin = self.origin(t)
        if origin:
            found[where] = origin


def _root(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


_flats: dict[Any, bool] = {}


def _flat(op: Any) -> bool:
    """Return True if the derivative of an op is zero everywhere (sign, floor, random fills)."""
    known = _flats.get(op)
    if known is None:
        known = _flats[op] = (
            isinstance(op, Op)
            and op.kind == "elementwise"
            and all(
                set(names) <= {"g", "xp"} and not np.any(_at_one(rule, names))
                for _, rule, names in op.rules
            )
        )
    return known


def _at_one(rule: Any, names: tuple) -> Any:
    return rule(**{n: np.ones(1) if n == "g" else ARRAYS for n in names})


def _written() -> Any:
    """Return the tensor that the call under way is to be written into, or None."""
    frame: Any = sys._getframe(2)
    for _ in range(12):
        if frame is None:
            return None
        if frame.f_code is _WRITE:
            return frame.f_locals["t"]
        frame = frame.f_back
    return None


def _users(ctx: Any) -> list[str]:
    """Return the names of the attributes that the user has set on a ctx."""
    return [name for name in ctx.__dict__ if name not in _OWN and name[0] != "_"]


# ------------------------------------------------------------------- in a recorded backward
class Lost:
    """The op of the node behind a kept tensor: its derivative was lost, so it refuses to run."""

    saves_any = saves_out = False
    outputs = 1
    name = nodename = "Lost"

    def __init__(self, cls: Any, where: Any, shown: str) -> None:
        self.cls, self.where, self.shown = cls, where, shown

    def pull(self, n: Node, g: Any) -> Any:
        raise RuntimeError(_message(self.cls.__name__, self.where, self.shown))

    pull_t = pull


class Passing:
    """The op of a gradient computed with kept NumPy arrays: it passes on to its history and to `Lost`."""

    saves_any = saves_out = False
    outputs = 1
    name = nodename = "Passing"

    def pull(self, n: Node, g: Any) -> Any:
        return g, g

    pull_t = pull


def _message(name: str, where: Any, shown: str) -> str:
    if where == _ARRAYS:
        what = "NumPy arrays that forward computed from its inputs and kept on ctx"
    elif where[0] in ("to_save", "saved_for_forward"):
        method = "save_for_backward" if where[0] == "to_save" else "save_for_forward"
        what = f"a tensor that forward computed and saved (number {where[1]} of {method}, {shown})"
    else:
        what = f"a tensor that forward computed and kept (ctx.{where[0]}, {shown})"
    return (
        f"the second derivative of {name} goes through {what}. forward is not recorded, so this "
        "part of the derivative would be missing and the result silently wrong. Save inputs or "
        "outputs and compute the rest in backward; or return it from forward as another output; or "
        "declare backward with @once_differentiable; or, if it is a constant to the derivative, "
        ".detach() it in backward."
    )


def edges_below(args: tuple) -> list:
    """Return the edges of the inputs under their wrappers, by depth; none for plain tensors."""
    found: list[tuple] = []
    tensors: list[Any] = [a if isinstance(a, Tensor) else None for a in args]
    while True:
        levels = [t.level for t in tensors if t is not None and not t._spec.plain]
        if not levels:
            return found
        top = max(levels)
        tensors = [t.value if getattr(t, "level", None) == top else t for t in tensors]
        found.append(tuple([None if t is None else t._edge for t in tensors]))


def _hang(t: Any, node: Node, where: Any, origin: frozenset[int]) -> Any:
    """Return a kept tensor over the edges of the inputs behind it, at each level that has some."""
    if not isinstance(t, Tensor):
        return t
    shown = f"a {str(t.dtype)[6:]} tensor of shape {list(t.shape)}"
    return _over([node.edges, *node.rest._below], t, (node, where, origin, shown))


def _over(depths: list, t: Any, what: tuple) -> Any:
    if not isinstance(t, Tensor) or t._edge is not None or not depths:
        return t
    lost = _lost(depths[0], *what)
    hung: Any = t if lost is None else t._share(lost)
    if not t._spec.plain:  # what a wrapper stands for has a history of its own
        value, note = _over(depths[1:], hung.value, what), _over(depths[1:], hung.note, what)
        if value is not hung.value or note is not hung.note:
            hung = hung._share(hung._edge)
            hung.value, hung.note = value, note
    return hung


def _lost(edges: tuple, node: Node, where: Any, origin: frozenset[int], shown: str) -> Node | None:
    led = tuple([e for k, e in enumerate(edges) if k in origin and e is not None])
    if not led:
        return None
    n = new(Node)
    n.op, n.edges = Lost(node.rest._forward_cls, where, shown), led
    n.seq, n.hooks = state.tick(), None
    return n


def with_history(values: tuple, ctx: Any, node: Any, kind: str) -> tuple:
    """Return what `ctx.saved_tensors` gives inside a recorded backward."""
    origins = ctx._kept
    return tuple(
        [
            _hang(t, node, (kind, k), origins[kind, k]) if (kind, k) in origins else t
            for k, t in enumerate(values)
        ]
    )


@contextmanager
def recorded(ctx: Any, node: Node) -> Iterator[None]:
    """For the time of a recorded backward, let the kept tensors of a ctx hang on nodes that refuse."""
    mine = ctx.__dict__
    before = {}
    for name in _users(ctx):
        value = mine[name]
        if any(where[0] == name for where in ctx._kept if where != _ARRAYS):
            leaves, spec = tree.flatten(value)
            hung = [
                _hang(t, node, (name, k), ctx._kept.get((name, k), _NONE))
                for k, t in enumerate(leaves)
            ]
            before[name] = value, tree.unflatten(hung, spec)
    mine.update({name: hung for name, (_, hung) in before.items()})
    mine["_recorded"] = True
    try:
        yield
    finally:
        mine.pop("_recorded", None)
        for name, (value, hung) in before.items():
            if mine.get(name) is hung:
                mine[name] = value


def passed(r: Any, node: Node) -> Any:
    """Return a gradient with an edge more, where it may have been computed with kept NumPy arrays."""
    origin = node.rest._kept.get(_ARRAYS)
    lost = (
        None
        if origin is None or not isinstance(r, Tensor)
        else _lost(node.edges, node, _ARRAYS, origin, "")
    )
    if lost is None:
        return r
    n = new(Node)
    n.op, n.edges, n.seq, n.hooks = Passing(), (r._edge, lost), state.tick(), None
    return r._share(n)
