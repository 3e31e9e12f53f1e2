"""How a call with a derivative rule of its own runs; what users write is in `custom`.

A *rule* knows a function over flat lists of tensors in three ways: `fun(xs)`; `linear(xs)`, which
returns the results and the function that pulls cotangents back; `push(xs, ts)`, which returns the
results and their tangents. custom_vjp is given the second and finds the third by transposing it,
custom_jvp the other way round. A call is interpreted level by level like any op (see
`core.dual`): duals are pushed, batches run the rule mapped over examples, and what has an edge is
recorded as one node that pulls with `linear`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..core import engine, state
from ..core.batch import Batched, batched_over, close_batch, level_of, open_batch, whole
from ..core.dual import Dual, is_open
from ..core.node import LEAF, Node, Parts, Spent, port
from ..core.op import TENSORS as T
from ..core.op import fit, share
from ..core.tensor import Tensor, wrap
from .level import has_history, pull, running, variables

new = object.__new__


def is_smooth(x: Any) -> bool:
    return isinstance(x, Tensor) and x.dtype.category >= 2


class _Active(threading.local):
    names: tuple = ()


_active = _Active()


@contextmanager
def _inside(rule: Any) -> Iterator[None]:
    """The time in which a rule runs user code that may call the function which it is the rule of."""
    before = _active.names
    _active.names = (*before, rule.owner)
    try:
        yield
    finally:
        _active.names = before


# ------------------------------------------------------------------- rules over flat lists
class VjpRule:
    """A rule made of fwd(xs) -> (outs, kept) and bwd(kept, cotangents) -> cotangents.

    `owner` is the function that has the rule.
    """

    def __init__(self, owner: Any, fun: Callable, fwd: Callable, bwd: Callable) -> None:
        self.owner, self.fun, self.fwd, self.bwd = owner, fun, fwd, bwd

    def linear(self, xs: list) -> tuple[list, list, Callable]:
        """Return (outs, what is kept, pull): `pull(kept, cotangents)` gives those of xs."""
        with _inside(self):
            outs, kept = self.fwd(xs)
        return outs, kept, self.bwd

    def push(self, xs: list, ts: list) -> tuple[list, list]:
        """Return (outs, tangents): bwd is linear in the cotangent, so its transpose pushes."""
        now = state.is_grad_enabled()
        outs, kept, _ = self.linear(xs)
        if now and any(isinstance(x, Tensor) and has_history(x) for x in xs):
            outs = run(self, xs)
        smooth = [k for k, o in enumerate(outs) if is_smooth(o)]
        with running() as scope:
            us: list = [None] * len(outs)
            for k, u in zip(
                smooth, variables([T.ones_like(bare(outs[k])) for k in smooth], scope), strict=True
            ):
                us[k] = u
            back = self.bwd(kept, us)
        pairs = [(c, t) for c, t in zip(back, ts, strict=True) if c is not None and t is not None]
        for c, _ in pairs:
            if not has_history(c) and c._spec.plain and c._array.any():
                raise RuntimeError(
                    f"forward mode through {self.owner}: its bwd must compute with recorded operations "
                    "on the cotangent, since forward mode differentiates it; give it a custom_jvp rule"
                )
        with running(now) as called:
            called.outer = now
            wanted = [us[k] for k in smooth]
            found = pull([c for c, _ in pairs], [t for _, t in pairs], wanted, called, retain=False)
        tangents: list = [None] * len(outs)
        for k, t in zip(smooth, found, strict=True):
            tangents[k] = t
        return outs, tangents

    def mapped(self, on: list, level: Any) -> VjpRule:
        """Return the rule of the function mapped over a batch; on[k] says whether input k has one."""
        how = level.size, level.randomness

        def fun(xs: list) -> list:
            return _over_batch(how, on, xs, self.fun)

        def fwd(xs: list) -> tuple[list, list]:
            kept: list = []

            def inside(inner: list) -> list:
                outs, keep = self.fwd(inner)
                kept[:] = [
                    (k.value, True) if isinstance(k, Batched) and k.level == state.current_batch().number
                    else (k, False)
                    for k in keep
                ]  # fmt: skip
                return outs

            outs = _over_batch(how, on, xs, inside)
            batched = [b for _, b in kept]
            return outs, [*[k for k, _ in kept], batched]

        def bwd(kept: list, cotangents: list) -> list:
            *values, batched = kept

            def inside(inner: list) -> list:
                return self.bwd(inner[: len(values)], inner[len(values) :])

            here = [*batched, *[c is not None for c in cotangents]]
            back = _over_batch(how, here, [*values, *cotangents], inside)
            return [
                c if c is None or b else T.sum(c, (0,), False)
                for c, b in zip(back, on, strict=True)
            ]

        return VjpRule(self.owner, fun, fwd, bwd)


class JvpRule:
    """A rule made of jvp(xs, ts) -> (outs, tangents)."""

    def __init__(self, owner: Any, fun: Callable, jvp: Callable) -> None:
        self.owner, self.fun, self.push = owner, fun, jvp

    def linear(self, xs: list) -> tuple[list, list, Callable]:
        """Return (outs, what is kept, pull): the tangents as functions of variables, pulled back."""
        smooth = [k for k, x in enumerate(xs) if is_smooth(x)]
        with running() as scope:
            ts: list = [None] * len(xs)
            for k, t in zip(
                smooth, variables([T.zeros_like(bare(xs[k])) for k in smooth], scope), strict=True
            ):
                ts[k] = t
            with _inside(self):
                outs, tangents = self.push(xs, ts)
        count = len(xs)

        def back(kept: list, cotangents: list) -> list:
            pairs = [
                (t, c)
                for t, c in zip(kept, cotangents, strict=True)
                if t is not None and c is not None
            ]
            now = state.is_grad_enabled()
            with running(now) as called:
                called.outer = now
                wanted = [ts[k] for k in smooth]
                found = pull(
                    [t for t, _ in pairs], [c for _, c in pairs], wanted, called, retain=True
                )
            result: list = [None] * count
            for k, c in zip(smooth, found, strict=True):
                result[k] = c
            return result

        return outs, tangents, back

    def mapped(self, on: list, level: Any) -> JvpRule:
        """Return the rule of the function mapped over a batch; on[k] says whether input k has one."""
        how, n = (level.size, level.randomness), len(on)

        def fun(xs: list) -> list:
            return _over_batch(how, on, xs, self.fun)

        def jvp(xs: list, ts: list) -> tuple[list, list]:
            def inside(inner: list) -> list:
                outs, tangents = self.push(inner[:n], inner[n:])
                return [*outs, *tangents]

            both = _over_batch(how, [*on, *on], [*xs, *ts], inside)
            return both[: len(both) // 2], both[len(both) // 2 :]

        return JvpRule(self.owner, fun, jvp)


def _over_batch(how: tuple, on: list, xs: list, f: Callable) -> list:
    """Run f over lists with the tensors marked in `on` mapped over their first dim."""
    level = open_batch(*how)
    try:
        inner = [
            batched_over(level, x, 0) if b and isinstance(x, Tensor) else x
            for x, b in zip(xs, on, strict=True)
        ]
        return [whole(level, o, 0) if isinstance(o, Tensor) else o for o in f(inner)]
    finally:
        close_batch(level)


def bare(t: Tensor) -> Tensor:
    return t if t._edge is None else t._share(None)


# ------------------------------------------------------------------- a call
def run(rule: Any, xs: list) -> list:
    """Call a function that has a rule: interpret the wrappers among its inputs, record the rest."""
    tensors = [x for x in xs if isinstance(x, Tensor)]
    recorded = state.is_grad_enabled() and any(x._edge is not None for x in tensors)
    wrapped = any(not x._spec.plain for x in tensors)
    if wrapped and not (recorded and all(map(_is_shallow, tensors))):
        outs = _interpret(rule, xs, tensors)
        return _record(rule, xs, outs) if recorded else outs
    return _record(rule, xs, None) if recorded else rule.fun(xs)


def _is_shallow(x: Tensor) -> bool:
    """Return True if nothing below a tensor is differentiated: no duals, no edges under a batch."""
    while not x._spec.plain:
        if not isinstance(x, Batched):
            return False
        x = x.value
        if x._edge is not None:
            return False
    return True


def _interpret(rule: Any, xs: list, tensors: list) -> list:
    top: Any = max((x for x in tensors if not x._spec.plain), key=lambda x: getattr(x, "level", -1))
    number = getattr(top, "level", None)
    at = [isinstance(x, type(top)) and getattr(x, "level", None) == number for x in xs]
    if isinstance(top, Dual):
        values = [x.value if a else x for x, a in zip(xs, at, strict=True)]
        if not is_open(top.level):
            return run(rule, values)
        ts = [
            x.note if a and x.note is not None else T.zeros_like(bare(v)) if is_smooth(v) else None
            for x, v, a in zip(xs, values, at, strict=True)
        ]
        outs, tangents = rule.push(values, ts)
        return [
            o if t is None else Dual.over(top.level, o, t)
            for o, t in zip(outs, tangents, strict=True)
        ]
    if isinstance(top, Batched):
        if all(_is_shallow(bare(x)) for x in tensors):
            return rule.fun([bare(x) if isinstance(x, Tensor) else x for x in xs])
        level = level_of(top.level)
        values = [x.value if a else x for x, a in zip(xs, at, strict=True)]
        outs = run(rule.mapped(at, level), values)
        return [Batched.over(top.level, o) if isinstance(o, Tensor) else o for o in outs]
    return rule.fun(xs)


class CustomOp:
    """The op of a recorded call: what the engine and its watchers see of it."""

    kind, outputs = "function", "custom"
    view = saves_out = variadic = False
    saves_any = differentiable = True
    params = saves = ()
    inputs = ("residual",)
    promote = batch = jvp = None

    def __init__(self, name: str) -> None:
        self.name = self.profile_name = name
        self.nodename = f"{name}Backward"
        self.spent = Spent(self)

    def pull(self, n: Node, g: Any) -> list:
        """Run the rule on arrays."""
        return [
            c._array if isinstance(c, Tensor) and c._spec.plain else c for c in self.pull_t(n, g)
        ]

    def pull_t(self, n: Node, g: Any) -> list:
        """Run the rule on tensors and fit what it returns to the inputs."""
        back, rest, ins, outs = n.rest
        arrived = g.items if g.__class__ is Parts else [g]
        cotangents: list = []
        for c, spec in zip(arrived, outs, strict=True):
            if spec is None:
                cotangents.append(None)
            elif c is None:
                cotangents.append(engine.zeros_for(spec))
            else:
                c = engine.to_user(c, spec)
                cotangents.append(c if isinstance(c, Tensor) else wrap(c))
        kept = iter(n.x)
        found = back([next(kept) if r is _KEPT else r for r in rest], cotangents)
        return [
            None if c is None or e is None else self._fitted(c, spec)
            for c, e, spec in zip(found, n.edges, ins, strict=True)
        ]

    def _fitted(self, c: Tensor, spec: Any) -> Tensor:
        have, want = tuple(c.shape), tuple(spec.shape)
        lead = len(have) - len(want)
        if lead < 0 or any(w not in (1, h) for h, w in zip(have[lead:], want, strict=True)):
            raise RuntimeError(
                f"the rule of {self.name} returned a cotangent of shape {list(have)} for an argument "
                f"of shape {list(want)}"
            )
        c = engine.from_user(c)
        same = have == want and c.dtype is spec.dtype
        return c if same else fit(c, spec)

    def saved_attribute(self, n: Node, name: str) -> Any:
        raise AttributeError(f"{self.nodename!r} object has no attribute '_saved_{name}'")

    def __repr__(self) -> str:
        return f"<op of {self.name}>"


_KEPT = object()  # marks a place among what a rule keeps that holds a tensor, which is in `x`


def _record(rule: Any, xs: list, known: list | None) -> list:
    """Run `linear` and hang the results (or the `known` ones) on one node.

    A function that is called by its own rule is linearised only when it is pulled: the order of the
    derivatives that somebody will ask for decides how often that is.
    """
    start = state.tick()
    if rule.owner in _active.names:
        outs, kept, back = _later(rule, xs, known)
    else:
        outs, kept, back = rule.linear(xs)
    n = new(Node)
    n.op, n.hooks, n.seq = rule.owner.op, None, state.tick()
    n.edges = tuple([x._edge if is_smooth(x) else None for x in xs])
    _check_closed(str(rule.owner), outs, n.edges, start)
    n.x = tuple([share(k, k._edge) for k in kept if isinstance(k, Tensor)])
    n.y = n.out = None
    rest = [_KEPT if isinstance(k, Tensor) else k for k in kept]
    results = outs if known is None else known
    n.rest = (
        back,
        rest,
        [x._spec if isinstance(x, Tensor) else None for x in xs],
        [o._spec if is_smooth(o) else None for o in results],
    )
    count = len(results)
    placed = []
    for k, o in enumerate(results):
        if isinstance(o, Tensor):
            edge = None if not is_smooth(o) else n if count == 1 else port(n, k, count)
            own = o._is_view() or any(o is x for x in xs)
            before = state.set_grad_enabled(False)
            try:
                o = (T.clone(o, "K") if own else o)._share(edge)
            finally:
                state.set_grad_enabled(before)
        placed.append(o)
    return placed


def _later(rule: Any, xs: list, known: list | None) -> tuple[list, list, Callable]:
    if known is None:
        before = state.set_grad_enabled(False)
        try:
            known = rule.fun(xs)
        finally:
            state.set_grad_enabled(before)

    def back(kept: list, cotangents: list) -> list:
        _, more, pull_back = rule.linear(kept)
        found: list = pull_back(more, cotangents)
        return found

    return known, xs, back


def _check_closed(name: str, outs: list, edges: tuple, start: int) -> None:
    """Refuse a function that uses a tensor which requires grad and is not among its arguments."""
    own = {e for e in edges if e is not None}
    seen = {o._edge for o in outs if isinstance(o, Tensor) and o._edge is not None}
    stack = list(seen)
    while stack:
        n = stack.pop()
        if n in own:
            continue
        if n.op is LEAF and not _reaches(own, n):
            from ..autograd.naming import called

            raise RuntimeError(
                f"{name} uses a tensor that requires grad and is none of its arguments: "
                f"{called(n.variable, 0, ['it'])}. Its gradient would be lost; make it an argument."
            )
        if n.seq > start:
            for e in n.edges:
                if e is not None and e not in seen:
                    seen.add(e)
                    stack.append(e)


def _reaches(starts: set[Node], leaf: Node) -> bool:
    seen, stack = set(starts), list(starts)
    while stack:
        n = stack.pop()
        if n is leaf:
            return True
        for e in n.edges:
            if e is not None and e not in seen:
                seen.add(e)
                stack.append(e)
    return False
