"""The engine: pull cotangents from the roots back along the edges, the latest call first.

The order is the sequence number, kept in a heap; leaves come last. There is no recursion, so a
chain of a million calls is a loop of a million steps.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from heapq import heappop, heappush, heappushpop
from sys import getrefcount
from typing import Any

import numpy as np

from . import hooks, state
from .inplace import check_saved, check_writable
from .node import LEAF, PORT, Node, Parts, Poison, Spent
from .op import ARRAYS, TENSORS, fit
from .spec import Spec
from .tensor import Tensor, attach, storage_of, wrap

ndarray = np.ndarray
_accumulating = threading.Lock()
LARGE = 1 << 13  # elements from which adding in place beats a new array


def _alone() -> int:
    g = object()
    return getrefcount(g)


def _counted(g: Any) -> int:
    return getrefcount(g)


def _passed(g: Any) -> int:
    return _counted(g)


def _held() -> int:
    g = object()
    return _passed(g)


# what getrefcount says of an object that only one frame knows, or three that passed it on: whether
# frames count differs between versions of Python
ALONE, HELD = _alone(), _held()


def run(
    roots: Iterable[tuple[Node, Any]],
    *,
    inputs: Iterable[Node] = (),
    leaves: bool = False,
    retain: bool = False,
    create: bool = False,
) -> dict[Node, Any]:
    """Run backward from `roots`, pairs of an edge and its cotangent.

    Cotangents are arrays and the rules compute on arrays; with `create` they are tensors and the
    rules compute on tensors, which are recorded. Returns what arrived at the nodes `inputs`; with
    `leaves`, adds what arrives at leaves to their `.grad`. Only nodes on a path to `inputs` run,
    if any are given. A node that has run drops what it saved unless `retain`.
    """
    if state.WATCH_RUNS is None:
        return _run(roots, inputs, leaves, retain, create)
    roots, inputs = list(roots), list(inputs)
    with state.WATCH_RUNS(roots, inputs):
        return _run(roots, inputs, leaves, retain, create)


def _run(
    roots: Iterable[tuple[Node, Any]], inputs: Iterable[Node], leaves: bool, retain: bool,
    create: bool,
) -> dict[Node, Any]:  # fmt: skip
    want = set(inputs)
    pending: dict[Node, Any] = {}
    ready: list = []
    at_leaf: list[Node] = []
    caught: dict[Node, Any] = {}
    anomaly = state.ANOMALY
    for node, g in roots:
        have = pending.get(node)
        if have is not None:
            pending[node] = have + g
            continue
        pending[node] = g
        heappush(ready, (-node.seq, node)) if node.seq else at_leaf.append(node)
    needed = _on_the_way(list(pending), want) if want else None
    uses = _uses_of_watched_leaves(list(pending), needed) if state.WATCHED_LEAVES else None
    owned: set[Node] = set()  # leaves whose pending array is ours to add to
    while ready:
        node = heappop(ready)[1]
        while node is not None:  # as long as the next one is known without the heap
            g = pending.pop(node)
            op = node.op
            watched = node.hooks is not None
            if needed is not None:
                if node not in needed:  # the run ends here, if it was to come here at all
                    if node in want:
                        caught[node] = hooks.arrived(node, g, create) if watched else g
                    break
                if node in want:
                    caught[node] = g  # before its hooks
            if watched:
                g = hooks.before(node, g, create)
            if node.seq <= state.LAST_WRITE and op.saves_any:
                check_saved(node)
            try:
                if anomaly is not None:
                    contributions = anomaly.run(node, g, create)
                else:
                    contributions = op.pull_t(node, g) if create else op.pull(node, g)
            except (AttributeError, TypeError) as error:
                if node.op.__class__ is Spent:  # another thread has passed here meanwhile
                    node.op.refuse(node, error)
                raise
            if watched:
                contributions = hooks.after(node, contributions, g, create)
            following: Any = None
            for edge, c in zip(node.edges, contributions):
                if c is None or edge is None:
                    continue
                if edge not in pending:
                    pending[edge] = c
                    seq = edge.seq
                    if not seq:
                        at_leaf.append(edge)
                    elif following is None:
                        following = edge
                    else:
                        heappush(ready, (-seq, edge))
                elif edge.seq or edge.rest.numel < LARGE:
                    pending[edge] = pending[edge] + c
                else:
                    _add_large(pending, edge, c, owned)
            if uses is not None:
                _finish_leaves(node, uses, pending, at_leaf, caught, want, leaves, create)
            if op.saves_any and not retain:
                node.op = op.spent
                node.x = node.y = node.out = None
            node = following
            if ready and following is not None:
                node = heappushpop(ready, (-following.seq, following))[1]
    c = g = contributions = None  # so that a leaf may take an array that nobody else holds
    plain = leaves and not want and not create and state.ANOMALY is None
    for node in at_leaf:
        g = pending.pop(node, None)
        if g is None:
            continue
        spec = node.rest
        if (
            plain
            and node.out is None
            and node.hooks is None
            and g.__class__ is ndarray
            and g.dtype is spec.np
            and spec.hot
            and g.base is None
            and getrefcount(g) <= ALONE
            and g.shape == spec.shape
            and not spec.dtype.is_complex
        ):  # the common case of `_finish`: nobody else holds the array, so it is the gradient
            target = node.x()
            if target is None or g.strides == target._array.strides:
                with _accumulating:
                    if node.out is None:
                        node.out = attach(g, spec, None)
                        continue
        pending[node], g = g, None
        _finish(node, pending.pop(node), caught, want, leaves, create)
    return caught


def _finish(
    leaf: Node, g: Any, caught: dict, want: set[Node], leaves: bool, create: bool
) -> None:
    """Hand the complete cotangent of a leaf over, if somebody wants it."""
    if want and leaf not in want:
        return
    if leaf.hooks is not None:
        g = (hooks.before if leaves else hooks.arrived)(leaf, g, create)
    if leaf in want:
        caught[leaf] = g
    if leaves:
        if state.ANOMALY is not None:
            state.ANOMALY.accumulate(_accumulate, leaf, g, create)
        else:
            _accumulate(leaf, g, create)


def _uses_of_watched_leaves(roots: list[Node], needed: set[Node] | None) -> dict[Node, int] | None:
    """Count how many cotangents will reach each leaf that has hooks; None if there is no such leaf.

    Hooks of a leaf run as soon as its cotangent is complete, before older nodes run.
    """
    uses: dict[Node, int] = {}
    visited = set(roots)
    stack = list(roots)
    while stack:
        n = stack.pop()
        if needed is not None and n not in needed:
            continue
        for e in n.edges:
            if e is None:
                continue
            if e.op is LEAF:
                if e.hooks is not None:
                    uses[e] = uses.get(e, 0) + 1
            elif e not in visited:
                visited.add(e)
                stack.append(e)
    return uses or None


def _finish_leaves(
    node: Node, uses: dict, pending: dict, at_leaf: list, caught: dict, want: set[Node],
    leaves: bool, create: bool,
) -> None:  # fmt: skip
    """After `node` has run, hand over the leaves that wait for no other node."""
    for e in node.edges:
        if e in uses:
            uses[e] -= 1
            if not uses[e] and e in pending:
                _finish(e, pending.pop(e), caught, want, leaves, create)


def _add_large(pending: dict, edge: Node, c: Any, owned: set[Node]) -> None:
    """Add to the large cotangent of a leaf: in place once the array is ours."""
    if edge in owned and c.__class__ is ndarray:
        np.add(pending[edge], c, out=pending[edge])
        return
    pending[edge] = total = pending[edge] + c
    if total.__class__ is ndarray:
        owned.add(edge)


def _on_the_way(roots: list[Node], want: set[Node]) -> set[Node]:
    """Return the nodes that lead to a wanted one (themselves wanted only if they lead further)."""
    earliest = min(n.seq for n in want)
    visited = set(roots)
    stack = list(roots)
    while stack:
        for e in stack.pop().edges:
            if e is not None and e not in visited and e.seq >= earliest:
                visited.add(e)
                stack.append(e)
    needed: set[Node] = set()
    for n in sorted(visited, key=_sequence):
        if n.op.__class__ is Poison:  # where it leads nobody knows: it must say so
            needed.add(n)
        for e in n.edges:
            if e is not None and (e in want or e in needed):
                needed.add(n)
                break
    return needed


def _sequence(n: Node) -> int:
    return n.seq


def _accumulate(leaf: Node, g: Any, create: bool) -> None:
    """Add a cotangent to the gradient of a leaf."""
    spec = leaf.rest
    g = to_user(g, spec)
    target = leaf.x()
    with _accumulating:
        have = leaf.out
        if isinstance(g, Tensor):  # a clone: another leaf or the user may have the same tensor
            leaf.out = TENSORS.clone(g, "K") if have is None else have + g
        elif have is None:
            leaf.out = wrap(_own(g, target))
        elif create or not have._spec.plain:
            leaf.out = have + wrap(g)
        else:
            check_writable(have, False)
            np.add(have._array, g, out=have._array, casting="unsafe")
            storage_of(have).stamp(state.tick(), "the accumulation of a gradient")
    if leaf.hooks is not None:
        h = leaf.hooks
        hooks.accumulated(leaf, target)
        if h.post:
            hooks.after(leaf, (), from_user(g), create)


def to_user(g: Any, spec: Spec) -> Any:
    """Turn a cotangent into the gradient that users see: its leaf's dtype, conjugated if complex."""
    if isinstance(g, Tensor):
        if g._spec.shape != spec.shape or g._spec.dtype is not spec.dtype:
            g = fit(g, spec)
        return TENSORS.conj(g) if spec.dtype.is_complex else g
    if g.__class__ is not ndarray:
        g = np.asarray(g)
    if g.dtype != spec.np or g.shape != spec.shape:
        g = fit(g, spec)
    return np.conj(g) if spec.dtype.is_complex else g


def from_user(g: Any) -> Any:
    """Turn a gradient that the user gives into a cotangent of the transpose convention."""
    if isinstance(g, Tensor):
        return TENSORS.conj(g) if g._spec.dtype.is_complex else g
    return np.conj(g) if g.dtype.kind == "c" else g


def _own(g: ndarray, target: Tensor | None) -> ndarray:
    """Return `g` if nobody else can see its memory, else a copy, in the layout of its leaf."""
    base = g.base
    if (
        getrefcount(g) <= HELD
        and g.flags.writeable
        and (base is None or (base.__class__ is ndarray and base.base is None and getrefcount(base) <= ALONE + 1))
        and (g.size == base.size if base is not None else True)
        and (
            target is None
            or g.strides == target._array.strides
            or (g.flags.c_contiguous and target._array.flags.c_contiguous)
            or not state.keeps_layout()
        )
    ):
        return g
    if target is not None and _dense(target._array):
        own = np.empty_like(target._array, dtype=g.dtype)
        own[...] = g
        return own
    return np.array(g, order="C")


def _dense(a: ndarray) -> bool:
    """True if the elements of an array fill its memory without gaps or overlaps."""
    if a.flags.c_contiguous or a.flags.f_contiguous:
        return True
    expected = a.itemsize
    for stride, size in sorted((s, n) for s, n in zip(a.strides, a.shape, strict=True) if n != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def call_node(node: Node, grads: tuple) -> Any:
    """Run one node on given cotangents, as users do with `grad_fn(g)`."""
    if node.op is LEAF:
        _accumulate(node, from_user(grads[0])._array.copy(), False)
        return None
    g: Any
    if node.op is not PORT and len(grads) > 1:
        g = Parts([None if t is None else from_user(t) for t in grads])
    else:
        g = from_user(grads[0])
    check_saved(node)
    out = [None if c is None else from_user(c) for c in node.op.pull_t(node, g)]
    return out[0] if len(out) == 1 else tuple(out)


def zeros_for(spec: Spec) -> Tensor:
    """Return a zero tensor of a spec."""
    return attach(np.zeros(spec.shape, spec.np), spec, None)


__all__ = ["ARRAYS", "call_node", "from_user", "run", "to_user", "zeros_for"]
