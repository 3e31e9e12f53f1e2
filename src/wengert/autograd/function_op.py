"""The op behind a custom function: how its forward is recorded, its backward run and checked.

What users write and call is in `function`; this module knows only the class that they wrote.
"""

from __future__ import annotations

import weakref
from typing import Any

from ..core import engine, errors, inplace, state
from ..core.node import LEAF, Node, Parts, Spent, port
from ..core.op import TENSORS, fit
from ..core.tensor import Tensor, attach, extra_of, storage_of, wrap
from .function_kept import Watch, edges_below, passed, recorded

new = object.__new__


class Saved:
    """One tensor kept by a node, with the version that it had."""

    __slots__ = ("edge", "live", "number", "storage", "tensor", "version")

    def __init__(self, t: Tensor, number: int | None) -> None:
        # NOTE [no cycle]: a tensor that hangs on a node may come to hang on ours, so only its
        # memory is kept and it is hung up again when read; outputs (`number`) hang on ours already
        self.storage = storage_of(t)
        self.version = self.storage.version
        self.edge = None if number is not None else t._edge
        self.number, self.tensor, self.live = number, t._share(None), weakref.ref(t)

    def unpack(self, node: Node) -> Tensor:
        """Return the tensor as it was saved, or refuse if it was written since."""
        if self.storage.version != self.version:
            t = self.live()
            t = self.tensor if t is None else t
            refuse(node, t, self.storage, self.version, self._made_by(node))
        edge = self.edge
        if self.number is not None:
            count = len(node.rest._output_specs)
            edge = node if count == 1 else port(node, self.number, count)
        t = self.tensor._share(edge)
        extra_of(t).storage = self.storage
        return t

    def _made_by(self, node: Node) -> str | None:
        """Say which output of which call the tensor was, for the message."""
        if self.number is not None:
            return f"{self.number} of {_plain_name(node)}"
        t = self.live()
        last, number = (self.edge, 0) if t is None else (t.grad_fn, t.output_nr)
        return None if last is None else f"{number} of {_plain_name(last)}"


def saved(t: Any, placed: list) -> Any:
    """What a node keeps for a tensor: a leaf or a constant as it is, anything else a `Saved`."""
    if t is None:
        return None
    x, e = t._ext, t._edge
    if x is not None and x.inference:
        raise RuntimeError(errors.inference_saved(t, "save_for_backward"))
    number = None
    for k, r in enumerate(placed):
        if r is t and e is not None:
            number = k
    if number is None and (e is None or e.op is LEAF) and (x is None or x.storage is None):
        return t
    return Saved(t, number)


def unpacked(s: Any, node: Node) -> Tensor | None:
    """The tensor behind what `saved` returned."""
    if isinstance(s, Saved):
        return s.unpack(node)
    if s is not None and s._ext is not None and s._ext.storage is not None:
        storage = s._ext.storage
        if storage.version:  # it had none when it was saved
            fn = s.grad_fn
            made_by = None if fn is None else f"{s.output_nr} of {_plain_name(fn)}"
            refuse(node, s, storage, 0, made_by)
    return s


def refuse(node: Node, t: Tensor, storage: Any, version: int, made_by: str | None) -> None:
    """Raise: a saved tensor was written in place."""
    explained = "" if state.ANOMALY is None else state.ANOMALY.explain(node)
    raise errors.noted(
        RuntimeError(
        errors.stale_save(
            t,
            made_by,
            storage.version,
            version,
            node.name(),
            inplace.place(storage.where),
            bool(explained),
            "a saved tensor",
        )), explained,
    )  # fmt: skip


def _plain_name(node: Node) -> str:
    return node.name().removesuffix("0").removesuffix("Backward")


class FunctionOp:
    """The op of one Function class: what the engine, modes and wrappers see of it."""

    kind = "function"
    outputs: Any = "custom"  # as many as forward returns
    view = saves_out = variadic = False
    differentiable = True
    inputs = params = ()
    promote = batch = jvp = None

    def __init__(self, cls: Any, saves_any: bool) -> None:
        self.cls, self.saves_any = cls, saves_any
        self.name = self.profile_name = cls.__name__
        self.nodename = cls.__name__ + "Backward"
        self.node_class = cls._backward_cls
        self.spent = Spent(self)

    # ------------------------------------------------------------ forward
    def evaluate(self, args: tuple, params: tuple = ()) -> Any:
        """Run one call past every mode: through the wrappers among its arguments, if any."""
        top: Any = None
        for a in args:
            if isinstance(a, Tensor) and not a._spec.plain:
                level = getattr(a, "level", None)
                if level is not None and (top is None or level > top.level):
                    top = a
        if top is None:
            return _record(self, args)[0]
        from ..core.dual import Dual

        if isinstance(top, Dual):
            result = _push_forward(self, args, top.level)
        else:
            from .function_maps import call_batched

            result = call_batched(self.cls, args, top.level)
        if not state.is_grad_enabled() or not inplace.requires_grad_any(args):
            return result
        return _record(self, args, result)[0]  # at the level of the wrappers too

    # ------------------------------------------------------------ backward
    def pull(self, n: Node, g: Any) -> list:
        """Run the user's backward on arrays."""
        return [
            c._array if isinstance(c, Tensor) and c._spec.plain else c for c in self.pull_t(n, g)
        ]

    def pull_t(self, n: Node, g: Any) -> list:
        """Run the user's backward on tensors and check what it returns."""
        ctx: Any = n.rest
        arrived = g.items if g.__class__ is Parts else [g]
        grads: list[Tensor | None] = []
        for c, spec in zip(arrived, ctx._output_specs, strict=True):
            if spec is None:
                grads.append(None)
            elif c is not None:
                c = engine.to_user(c, spec)
                grads.append(c if isinstance(c, Tensor) else wrap(c))
            else:
                grads.append(engine.zeros_for(spec) if ctx.materialize_grads else None)
        backward = self.cls._backward_of()
        given: Any = (grads,) if self.cls.boxed_grads_call else grads
        if ctx._kept and state.is_grad_enabled():
            with recorded(ctx, n):
                result = backward(ctx, *given)
        else:
            result = backward(ctx, *given)
        if not isinstance(result, tuple):
            result = (result,)
        out = _checked(n, ctx, result)
        if ctx._kept and state.is_grad_enabled():
            return [passed(c, n) for c in out]
        return out

    def saved_attribute(self, n: Node, name: str) -> Any:
        raise AttributeError(f"{self.nodename!r} object has no attribute '_saved_{name}'")

    def __repr__(self) -> str:
        return f"<op of {self.cls.__name__}>"


def _checked(n: Node, ctx: Any, result: tuple) -> list:
    """Check the gradients that a backward returned, and turn them into cotangents."""
    specs = ctx._input_specs
    if len(result) != len(specs) and (
        len(result) < len(specs) or any(r is not None for r in result[len(specs) :])
    ):
        raise RuntimeError(
            f"function {n.name()} returned an incorrect number of gradients (expected {len(specs)}, "
            f"got {len(result)}); return one per argument of forward, None where there is none"
        )
    out: list = []
    for k, (r, spec, edge) in enumerate(zip(result, specs, n.edges, strict=False)):
        if r is None:
            out.append(None)
            continue
        if spec is None:
            raise RuntimeError(
                f"function {n.name()} returned a gradient different than None at position {k + 1}, "
                "but the corresponding forward input was not a Variable"
            )
        if not isinstance(r, Tensor):
            raise RuntimeError(
                f"expected Variable or None (got {type(r).__name__}) as gradient {k} from "
                f"{n.name()}"
            )
        out.append(None if edge is None else _fitted(r, spec, k, n))
    return out


def _fitted(r: Tensor, spec: Any, k: int, n: Node) -> Tensor:
    """Cast a gradient to the dtype of its input and sum it to its shape."""
    if r._spec is not spec:
        have, want = tuple(r.shape), tuple(spec.shape)
        lead = len(have) - len(want)
        if lead < 0 or any(w not in (1, h) for h, w in zip(have[lead:], want, strict=True)):
            raise RuntimeError(
                f"Function {n.name()} returned an invalid gradient at index {k} - got {list(have)} "
                f"but expected shape compatible with {list(want)}"
            )
        if r.dtype.is_complex and not spec.dtype.is_complex:
            raise RuntimeError(
                f"Function {n.name()} returned a complex gradient at index {k}, but the input is "
                f"{spec.dtype}; return its real part"
            )
        if r.dtype is not spec.dtype:
            r = TENSORS.cast(r, spec.dtype)
    r = engine.from_user(r)
    return r if r.shape == spec.shape else fit(r, spec)


# ------------------------------------------------------------------- recording
_RUN = object()


def _record(op: FunctionOp, args: tuple, result: Any = _RUN) -> tuple[Any, Any]:
    """Run forward, hang its outputs on a node; return the result and the ctx.

    A `result` that is known already (wrappers have interpreted the call) is recorded as it is.
    """
    cls = op.cls
    ctx = new(cls._ctx_class)
    tensors = [a if isinstance(a, Tensor) else None for a in args]
    edges = tuple([None if t is None else t._edge for t in tensors])
    ctx.needs_input_grad = needs = tuple([e is not None for e in edges])
    before = state.set_grad_enabled(False)
    watch: Any = None
    if before and not cls._watched and True in needs:
        watch = Watch(args, () if result is _RUN else result)
        state.push_mode(watch)
    try:
        if cls._splits_context():
            if result is _RUN:
                result = cls.forward(*args)
            cls.setup_context(ctx, args, result)
        elif result is not _RUN:
            _fill(cls, ctx, args, result)
        else:
            result = cls.forward(ctx, *args)
    finally:
        state.set_grad_enabled(before)
        if watch is not None:
            state.pop_mode(watch)
    one = not isinstance(result, tuple)
    results: list = [result] if one else list(result)
    if ctx.to_save or ctx.dirty_tensors:
        _check_marks(ctx, results)
    n: Any = None
    if before and True in needs:
        n = new(cls._backward_cls)
        n.op, n.edges, n.hooks, n.rest, n.out = op, edges, None, ctx, ()
        n.x = n.y = None
        n.seq = state.tick()
        n.__dict__ = ctx.__dict__  # what users set on one is seen on the other
        ctx._node = weakref.ref(n)
        ctx._input_specs = [None if t is None else t._spec for t in tensors]
    placed = [_placed(cls, ctx, n, r, k, results, tensors) for k, r in enumerate(results)]
    if n is not None:
        _note_kept(cls, ctx, watch, args)
        ctx._output_specs = [r._spec if isinstance(r, Tensor) else None for r in placed]
        if ctx.to_save:
            n.out = tuple([saved(t, placed) for t in ctx.to_save])
            n.op = cls._ops[1]
            ctx.to_save = ()
    return (placed[0] if one else tuple(placed)), ctx


def _note_kept(cls: Any, ctx: Any, watch: Any, args: tuple) -> None:
    """Tell the ctx what is known of its kept tensors, from this call or from the first one like it."""
    key = len(args), len(ctx.to_save)
    if watch is not None:
        cls._kept_by_call[key] = watch.kept(ctx)
        cls._watched = True
    kept = cls._kept_by_call.get(key)
    if kept is None:
        cls._watched = False  # another way through forward: look at the next call
    elif kept:
        ctx._kept, ctx._below = kept, edges_below(args)


def is_in(t: Any, tensors: Any) -> bool:
    for other in tensors:  # noqa: SIM110 (a third faster than any())
        if t is other:
            return True
    return False


def _check_marks(ctx: Any, results: list) -> None:
    for t in ctx.to_save:
        if t is not None and not isinstance(t, Tensor):
            k = next(k for k, s in enumerate(ctx.to_save) if s is t)
            raise TypeError(
                f"save_for_backward can only save variables, but argument {k} is of type "
                f"{type(t).__name__}; keep other values as attributes of ctx"
            )
    for t in ctx.dirty_tensors:
        if not is_in(t, results):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as "
                "output. The inputs that are modified inplace must all be outputs of the Function."
            )


def _placed(cls: Any, ctx: Any, n: Any, r: Any, k: int, results: list, tensors: list) -> Any:
    """Turn the k-th thing that forward returned into what apply returns."""
    if not isinstance(r, Tensor):
        return r
    is_input = is_in(r, tensors)
    dirty = is_input and is_in(r, ctx.dirty_tensors)
    constant = is_in(r, ctx.non_differentiable) or r.dtype.category < 2
    if n is None or constant:
        if dirty:
            inplace.bump(r)
            return r
        if is_input:
            return r._share(None) if constant else TENSORS.alias(r)
        return r
    count = len(results)
    edge = n if count == 1 else port(n, k, count)
    if dirty:
        if r._edge is not None and r._edge.op is LEAF and not r._is_view():
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation. "
                f"{cls.__name__} marked it as dirty; it is a {errors.described(r)}"
            )
        inplace.check_writable(r, True)
        inplace.commit(r, attach(r._array, r._spec, edge))
        return r
    if is_input:
        before = state.set_grad_enabled(False)
        try:
            r = TENSORS.alias(r)
        finally:
            state.set_grad_enabled(before)
    elif r._edge is not None:
        r = r._share(None)
    x = r._ext
    if x is not None and x.base is not None:
        x.creation = f"{'functions' if count > 1 else 'function'} {cls.__name__} {k}"
    r._edge = edge
    return r


# ------------------------------------------------------------------- forward mode
def _push_forward(op: FunctionOp, args: tuple, level: int) -> Any:
    """Run the function on the values of duals, and its jvp on their tangents."""
    from ..core.dual import Dual

    duals = [isinstance(a, Dual) and a.level == level for a in args]
    values = tuple(a.value if d else a for a, d in zip(args, duals, strict=True))
    inputs = [v if isinstance(v, Tensor) else None for v in values]
    if _wrapped(values):
        result = op.evaluate(values)
        ctx = _context_of(op.cls, values, result)
    else:
        result, ctx = _record(op, values)
    tangents: list = []
    for a, v, d in zip(args, values, duals, strict=True):
        if not isinstance(v, Tensor):
            tangents.append(None)
        elif d and a.note is not None:
            tangents.append(a.note)
        else:
            tangents.append(engine.zeros_for(v._spec) if ctx.materialize_grads else None)
    ctx._in_jvp = True
    try:
        if ctx._kept and state.is_grad_enabled():
            with recorded(ctx, ctx._node()):
                pushed = op.cls.jvp(ctx, *tangents)
        else:
            pushed = op.cls.jvp(ctx, *tangents)
    finally:
        ctx._in_jvp = False
    one = not isinstance(result, tuple)
    results = (result,) if one else result
    pushed = pushed if isinstance(pushed, tuple) else (pushed,)
    if len(pushed) != len(results):
        raise RuntimeError(
            "Function's jvp returned an invalid number of forward gradients (expected "
            f"{len(results)} but got {len(pushed)})"
        )
    out = []
    for k, (r, t) in enumerate(zip(results, pushed, strict=True)):
        if not isinstance(r, Tensor) or t is None:
            if t is not None:
                raise RuntimeError(f"output {k} of forward is no tensor, but jvp gave it a tangent")
            out.append(r)
            continue
        check_tangent(r, t, k)
        place = next((i for i, v in enumerate(inputs) if v is r), None)
        if place is not None and is_in(r, ctx.dirty_tensors) and duals[place]:
            if t is not args[place].note:
                raise RuntimeError(
                    "An inplace custom Function is not modifying the forward mode gradients "
                    "inplace. If the forward is modifying an input inplace, then the jvp function "
                    "must modify the corresponding gradient inplace."
                )
            out.append(args[place])
            continue
        if r._is_view() and not t._is_view() and not is_in(t, tangents):
            raise RuntimeError(
                "A custom Function's forward is returning a view (or an input as-is) but the jvp "
                "is not returning a view."
            )
        out.append(Dual.over(level, r, t))
    return out[0] if one else tuple(out)


def _context_of(cls: Any, values: tuple, result: Any) -> Any:
    """Return the ctx of a call on wrapped values, whose result is known, for its jvp."""
    ctx = new(cls._ctx_class)
    ctx.needs_input_grad = tuple([isinstance(v, Tensor) and v.requires_grad for v in values])
    before = state.set_grad_enabled(False)
    try:
        if cls._splits_context():
            cls.setup_context(ctx, values, result)
        else:
            _fill(cls, ctx, values, result)
    finally:
        state.set_grad_enabled(before)
    return ctx


def _fill(cls: Any, ctx: Any, args: tuple, result: Any) -> None:
    """Let a forward that fills the ctx itself do so for a call on wrapped values, whose result is known.

    It runs on copies, for it may write its inputs; what it keeps of them and of its outputs is
    replaced by the arguments and the results.
    """
    copies = tuple([TENSORS.clone(a, "K") if isinstance(a, Tensor) else a for a in args])
    made = cls.forward(ctx, *copies)
    known = result if isinstance(result, tuple) else (result,)
    originals = {id(c): a for c, a in zip(copies, args, strict=True)}
    originals |= {
        id(m): r
        for m, r in zip(made if isinstance(made, tuple) else (made,), known, strict=True)
        if id(m) not in originals
    }

    def original(value: Any) -> Any:
        if isinstance(value, Tensor):
            return originals.get(id(value), value)
        return tuple(map(original, value)) if value.__class__ is tuple else value

    for name, value in list(ctx.__dict__.items()):
        setattr(ctx, name, original(value))


def _wrapped(values: tuple) -> bool:
    return any(isinstance(v, Tensor) and getattr(v, "level", None) is not None for v in values)


def check_tangent(value: Tensor, tangent: Any, k: int = 0) -> None:
    """Raise unless `tangent` can be the tangent of `value`."""
    if not isinstance(tangent, Tensor):
        raise RuntimeError(
            f"expected Variable or None (got {type(tangent).__name__}) for grad output {k}."
        )
    if tangent.shape != value.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(value.shape)} while the given "
            f"forward gradient is of size {list(tangent.shape)}."
        )


class Refusal:
    """The op of a node that raises when it runs."""

    saves_any = saves_out = False
    outputs = 1
    name = nodename = "Error"

    def __init__(self, message: str) -> None:
        self.message = message

    def pull(self, n: Node, g: Any) -> Any:
        raise RuntimeError(self.message)

    pull_t = pull
