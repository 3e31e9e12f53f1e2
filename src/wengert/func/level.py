"""What the transforms share: variables of one transform, and pulling cotangents back to them.

Transforms nest over one tape. A transform gives its function *variables*: aliases of the inputs
that hang on nodes of their own, so that a derivative with respect to them is one run of the engine
that ends at these nodes. Around an outer transform the inputs have edges already; the nodes of the
variables lead on to them, and the outer derivative finds its way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

from ..core import engine, state
from ..core.node import LEAF, Node
from ..core.op import TENSORS as T
from ..core.op import share
from ..core.tensor import Tensor, wrap
from ..core.tree import flatten, unflatten

new = object.__new__


class VariableOp:
    """The op of a variable's node: the identity."""

    name = nodename = "Alias"
    saves_any = saves_out = False

    def pull(self, n: Node, g: Any) -> tuple:
        return (g,)

    pull_t = pull


VARIABLE = VariableOp()


class Scope:
    """One run of a transform: whether it is going on, and whether somebody outside records."""

    __slots__ = ("open", "outer")

    def __init__(self, outer: bool) -> None:
        self.outer, self.open = outer, True


@contextmanager
def running(grad: bool | None = True) -> Any:
    """The block in which a transform calls the user's function.

    Recording is switched to `grad` (None leaves it). Gives the scope of the run.
    """
    state.enter_transform(1)
    before = state.is_grad_enabled() if grad is None else state.set_grad_enabled(grad)
    scope = Scope(before)
    try:
        yield scope
    finally:
        scope.open = False
        state.set_grad_enabled(before)
        state.enter_transform(-1)


def variable(t: Tensor, scope: Scope) -> Tensor:
    """Return `t` as a variable of a transform; its node leads on to that of `t` if that is recorded."""
    if not (t.dtype.is_floating_point or t.dtype.is_complex):
        raise RuntimeError(
            f"only Tensors of floating point dtype can require gradients, not {t.dtype}"
        )
    n = new(Node)
    n.op, n.hooks, n.seq = VARIABLE, None, state.tick()
    n.edges = (t._edge if scope.outer else None,)
    n.x = n.y = n.out = None
    n.rest = scope
    return share(t, n)


def variables(leaves: Sequence[Any], scope: Scope) -> list[Any]:
    """Return the variables of a transform for a list of tensors."""
    for t in leaves:
        if not isinstance(t, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(t)}")
    return [variable(t, scope) for t in leaves]


def _bare(t: Tensor) -> Tensor:
    return t if t._edge is None else t._share(None)


def pull(
    outs: Sequence[Any],
    cotangents: Sequence[Any],
    wrt: Sequence[Tensor],
    scope: Scope,
    *,
    retain: bool,
) -> list[Tensor]:
    """Return the cotangents of the variables `wrt`, zeros for those that no output depends on.

    They are recorded if somebody outside of `scope` records and something there can be reached.
    """
    outer = scope.outer
    pairs = [(o, c) for o, c in zip(outs, cotangents, strict=True) if o._edge is not None]
    edges = [v._edge for v in wrt]
    caught: dict = {}
    free = False
    if pairs:
        roots = [o._edge for o, _ in pairs]
        free = not outer or is_closed(roots, wrt)
        given_free = all(o._spec.plain and not has_history(c) for o, c in pairs)
        if free and all(o._spec.plain and c._spec.plain for o, c in pairs):
            given = [(o._edge, engine.from_user(c)._array) for o, c in pairs]
            caught = engine.run(given, inputs=edges, retain=retain)
        else:
            given = [(o._edge, engine.from_user(c)) for o, c in pairs]
            before = state.set_grad_enabled(outer and not (free and given_free))
            try:
                # what is recorded hangs on the graph that is run: it stays
                caught = engine.run(given, inputs=edges, retain=retain or state.is_grad_enabled(), create=True)
            finally:
                state.set_grad_enabled(before)
    results = []
    for v, e in zip(wrt, edges, strict=True):
        g = caught.get(e)
        if g is None:
            results.append(T.zeros_like(_bare(v)))
            continue
        g = engine.to_user(g, v._spec)
        if not isinstance(g, Tensor):
            g = wrap(g)
        results.append(settled(g, wrt) if outer else stripped(g))
    return results


def has_history(t: Tensor) -> bool:
    """True if a tensor has an edge at some level."""
    while t._edge is None:
        if t._spec.plain:
            return False
        note = t.note  # type: ignore[attr-defined]
        if isinstance(note, Tensor) and has_history(note):
            return True
        t = t.value  # type: ignore[attr-defined]
    return True


def is_closed(roots: Sequence[Node], own: Sequence[Tensor] = ()) -> bool:
    """True if nothing outside can be reached: no leaf, and no variable of a run that is going on.

    The variables `own` are those of the transform that asks.
    """
    mine = {v._edge for v in own}
    seen = set(roots)
    stack = list(roots)
    while stack:
        n = stack.pop()
        if n.op is LEAF or (n.op is VARIABLE and n.rest.open and n not in mine):
            return False
        for e in n.edges:
            if e is not None and e not in seen:
                seen.add(e)
                stack.append(e)
    return True


def settled(t: Tensor, own: Sequence[Tensor] = ()) -> Tensor:
    """Return a result of a transform without the edges from which nothing outside can be reached."""
    if not has_history(t):
        return t
    dead = t._edge is not None and is_closed([t._edge], own)
    if t._spec.plain:
        return t._share(None) if dead else t
    other = t._share(None if dead else t._edge)
    other.value = settled(other.value, own)  # type: ignore[attr-defined]
    if isinstance(other.note, Tensor):  # type: ignore[attr-defined]
        other.note = settled(other.note, own)  # type: ignore[attr-defined]
    return other


def settle(tree: Any, scope: Scope) -> Any:
    """The same for all tensors of a tree; every history ends if nobody outside of `scope` records."""
    leaves, spec = flatten(tree)
    change = settled if scope.outer else stripped
    done = [change(t) if isinstance(t, Tensor) else t for t in leaves]
    return unflatten(done, spec)


def stripped(t: Tensor) -> Tensor:
    """Return a tensor without the edges of any level; tangents and batches stay."""
    if not has_history(t):
        return t
    other = t._share(None)
    if not t._spec.plain:
        other.value = stripped(other.value)  # type: ignore[attr-defined]
        if isinstance(other.note, Tensor):  # type: ignore[attr-defined]
            other.note = stripped(other.note)  # type: ignore[attr-defined]
    return other


# ------------------------------------------------------------------- arguments
def call_name(fn: Callable) -> str:
    """Return the name of a function for messages."""
    return str(getattr(fn, "__name__", None) or type(fn).__name__)


class Arguments:
    """The arguments that a transform differentiates, by position or by name, as flat lists of leaves."""

    def __init__(self, argnums: Any, args: tuple, kwargs: dict, func: Callable) -> None:
        self.args, self.kwargs = list(args), dict(kwargs)
        self.one = not isinstance(argnums, tuple)
        keys = (argnums,) if self.one else argnums
        self.keys = [_place(k, len(args), kwargs, func, argnums) for k in keys]
        if not self.keys:
            raise RuntimeError("argnums must be non-empty")
        if len(set(self.keys)) != len(self.keys):
            raise RuntimeError(f"argnums elements must be unique, got {argnums}")
        self.leaves: list[Any] = []
        self.specs: list[Any] = []
        for k in self.keys:
            found, spec = flatten(self.kwargs[k] if isinstance(k, str) else self.args[k])
            self.leaves += found
            self.specs.append(spec)

    def trees(self, leaves: Sequence[Any]) -> Any:
        """Return values for the leaves in the structure of the arguments."""
        parts, at = [], 0
        for spec in self.specs:
            parts.append(unflatten(list(leaves[at : at + spec.count]), spec))
            at += spec.count
        return parts[0] if self.one else tuple(parts)

    def call(self, func: Callable, leaves: Sequence[Any]) -> Any:
        """Call the function with other leaves in the places of these arguments."""
        args, kwargs = list(self.args), dict(self.kwargs)
        trees = self.trees(leaves)
        for k, value in zip(self.keys, (trees,) if self.one else trees, strict=True):
            if isinstance(k, str):
                kwargs[k] = value
            else:
                args[k] = value
        return func(*args, **kwargs)


def _place(k: Any, count: int, kwargs: dict, func: Callable, argnums: Any) -> Any:
    if isinstance(k, str):
        if k in kwargs:
            return k
        import inspect

        try:
            names = list(inspect.signature(func).parameters)
        except (TypeError, ValueError):
            names = []
        if k in names and names.index(k) < count:
            return names.index(k)
        raise RuntimeError(
            f"argnums names the argument {k!r}, which the call does not give; it gives {count} "
            f"positional arguments and the names {', '.join(sorted(kwargs)) or 'none'}"
        )
    if isinstance(k, bool) or not isinstance(k, int):
        raise RuntimeError(
            f"argnums must be int or Tuple[int, ...] (or names of arguments), got: {type(argnums)}"
        )
    if not -count <= k < count:
        raise RuntimeError(f"Got argnum={k}, but only {count} positional inputs")
    return k % count


def only_tensors(leaves: Sequence[Any], message: str) -> None:
    """Raise RuntimeError with `message` and the type of the first leaf that is no tensor."""
    for t in leaves:
        if not isinstance(t, Tensor):
            raise RuntimeError(f"{message} {type(t)}")
