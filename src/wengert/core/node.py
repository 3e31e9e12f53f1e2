"""One recorded call: the node that users see as `grad_fn`, its ports, and the leaf.

An *edge* says where a cotangent goes: a Node, a leaf (a Node whose op is LEAF) or None.
"""

from __future__ import annotations

import weakref
from typing import Any

from . import errors, state
from .state import tick

new = object.__new__


class Node:
    """One recorded call. Every node has this one class, so attribute access stays monomorphic.

    op     what was called: it knows the rules
    edges  where the cotangent of each input goes
    seq    when: calls and in-place writes share one clock
    hooks  None, or a `hooks.Hooks`
    x, y   the saved inputs (a tuple in x when the op has more than two)
    out    the saved result
    rest   the saved parameters and specs
    fit    the specs of inputs that were broadcast or promoted
    store  the storages of the saved results by number, once they have aliases or were written

    When somebody looks, the node takes a subclass of this class with the public name.
    """

    __slots__ = (
        "__weakref__", "edges", "fit", "hooks", "op", "out", "rest", "seq", "store", "x", "y",
    )  # fmt: skip

    op: Any
    edges: tuple
    seq: int
    hooks: Any
    x: Any
    y: Any
    out: Any
    rest: Any
    fit: Any
    store: Any
    original: Any = None  # the node that a `packed.Twin` stands for

    def name(self) -> str:
        """Return the name of this node, such as `MulBackward0`; PyTorch's, with its namespace."""
        name = public_name(self)
        return f"torch::autograd::{name}" if name in ("AccumulateGrad", "CopySlices") else name

    @property
    def next_functions(self) -> tuple:
        """The nodes that this one passes cotangents to, as (node, output number) pairs."""
        shown = getattr(self.op, "shown_edges", None)
        return tuple(seen(e) for e in (self.edges if shown is None else shown(self)))

    @property
    def metadata(self) -> dict:
        """A dictionary of the user's own, kept with the node."""
        return hooks_of(self).metadata

    @property
    def variable(self) -> Any:
        """The leaf tensor of an AccumulateGrad node."""
        if self.op is not LEAF:
            raise AttributeError(f"{self.name()!r} object has no attribute 'variable'")
        t = self.x()
        if t is None:  # the user has dropped the leaf; the graph has kept its values
            from .tensor import attach

            t = attach(self.y, self.rest, self)
            self.x = weakref.ref(t)
        return t

    def register_hook(self, fn: Any) -> Any:
        """Call `fn(grad_inputs, grad_outputs)` after this node has run; return a handle."""
        return hooks_of(self).add("post", fn)

    def register_prehook(self, fn: Any) -> Any:
        """Call `fn(grad_outputs)` before this node runs; return a handle."""
        return hooks_of(self).add("pre", fn)

    def _sequence_nr(self) -> int:
        return 2**64 - 1 if self.op is LEAF else self.seq

    def __call__(self, *grads: Any) -> Any:
        """Run this node alone on the given cotangents and return those of its inputs."""
        from .engine import call_node

        return call_node(self, grads)

    def __repr__(self) -> str:
        cls = type(see(self))
        prefix = "" if cls.__module__ == Node.__module__ else cls.__module__ + "."
        return f"<{prefix}{cls.__name__} object at {hex(id(self))}>"


class LeafOp:
    """What a leaf does with a cotangent: nothing here, the engine adds it to `.grad`."""

    name = "AccumulateGrad"
    nodename = "AccumulateGrad"
    saves_any = False
    saves_out = False

    def pull(self, n: Node, g: Any) -> tuple:
        return ()

    pull_t = pull


LEAF = LeafOp()


def leaf_node(tensor: Any) -> Node:
    """Return the node of a new leaf: its gradient in `out`, its values in `y`, its tensor weakly."""
    n = new(Node)
    n.op, n.edges, n.seq, n.hooks, n.out = LEAF, (), 0, None, None
    n.x, n.y, n.rest = weakref.ref(tensor), tensor._array, tensor._spec
    return n


class PortOp:
    """One of the several outputs of a node."""

    name = nodename = "Port"
    saves_any = False
    saves_out = False

    def pull(self, n: Node, g: Any) -> tuple:
        k, count = n.rest
        items = [None] * count
        items[k] = g
        return (Parts(items),)

    pull_t = pull


PORT = PortOp()


def port(main: Node, k: int, count: int) -> Node:
    """Return the edge of the k-th output of `main`."""
    n = new(Node)
    n.op, n.edges, n.seq, n.hooks, n.rest = PORT, (main,), tick(), None, (k, count)
    return n


class Parts:
    """The cotangents of a node with several outputs; None where nothing arrived."""

    __slots__ = ("items",)

    def __init__(self, items: list) -> None:
        self.items = items

    def __add__(self, other: Parts) -> Parts:
        return Parts(
            [b if a is None else a if b is None else a + b
             for a, b in zip(self.items, other.items, strict=True)]
        )  # fmt: skip

    def __getitem__(self, k: int) -> Any:
        return self.items[k]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Any:
        return iter(self.items)

    def any(self) -> Any:
        """Return one cotangent that did arrive."""
        return next(i for i in self.items if i is not None)


class Poison:
    """The edge of a view whose history can't be told any more; using it is an error."""

    name = nodename = "Invalid"
    saves_any = False
    saves_out = False

    def __init__(self, message: str) -> None:
        self.message = message

    def pull(self, n: Node, g: Any) -> tuple:
        raise RuntimeError(self.message)

    pull_t = pull


def poisoned(message: str) -> Node:
    """Return an edge that raises `message` when it is looked at or run."""
    n = new(Node)
    n.op, n.edges, n.seq, n.hooks = Poison(message), (), tick(), None
    return n


def seen(edge: Node | None) -> tuple[Node | None, int]:
    """Return an edge as users see it: (node, output number)."""
    if edge is None:
        return None, 0
    if edge.op is PORT:
        return see(edge.edges[0]), edge.rest[0]
    return see(edge), 0


_classes: dict[str, type] = {}


def _saved(self: Node, name: str) -> Any:
    """`_saved_self`, `_saved_result`, ...: what the node keeps, under PyTorch's names.

    Only the public classes have this: a `__getattr__` on Node itself would slow every access.
    """
    if name.startswith("_saved_"):
        return self.op.saved_attribute(self, name.removeprefix("_saved_"))
    if name.startswith("_raw_saved_"):
        from .packed import raw_saved

        return raw_saved(self, name.removeprefix("_raw_saved_"))
    raise AttributeError(f"{public_name(self)!r} object has no attribute {name!r}")


def see(n: Node) -> Node:
    """Give a node its public class, as somebody looks at it."""
    if type(n) is Node:
        if type(n.op) is Poison:
            raise RuntimeError(n.op.message)
        n.__class__ = getattr(n.op, "node_class", None) or _class_for(public_name(n))
    return n


def _class_for(name: str) -> type:
    cls = _classes.get(name)
    if cls is None:
        body = {"__slots__": (), "__module__": Node.__module__, "__getattr__": _saved}
        cls = _classes[name] = type(name, (Node,), body)
    return cls


def public_name(n: Node) -> str:
    """Return the PyTorch name of a node."""
    name = n.op.nodename
    return name if name.__class__ is str else name(n)


def hooks_of(n: Node) -> Any:
    """Return the hooks of a node, made at need."""
    if n.hooks is None:
        from .hooks import Hooks

        n.hooks = Hooks()
        if n.op is LEAF:
            state.WATCHED_LEAVES = True
    return n.hooks


class Spent:
    """Takes the place of an op on a node that has run and dropped what it saved."""

    saves_any = False
    saves_out = False

    def __init__(self, op: Any) -> None:
        self.op, self.name, self.nodename = op, op.name, op.nodename
        self.node_class = getattr(op, "node_class", None)

    def pull(self, n: Node, g: Any) -> tuple:
        return self.refuse(n)

    pull_t = pull

    def refuse(self, n: Node, error: Exception | None = None) -> Any:
        """Say that the node has run; `error` is what came of running it again."""
        raise RuntimeError(errors.spent(public_name(n))) from error

    def saved_attribute(self, n: Node, name: str) -> Any:
        raise RuntimeError(errors.spent(public_name(n)))
