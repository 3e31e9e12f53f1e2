"""Custom functions under vmap: the user's `vmap` staticmethod, or a rule made from forward and backward.

With `generate_vmap_rule` the function of a batch is a custom function again, whose forward, backward
and jvp are those of one example, each mapped.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core import state
from ..core.batch import Batched, Level, batched_over, close_batch, level_of, open_batch, whole
from ..core.op import TENSORS as T
from ..core.tensor import Tensor
from ..core.tree import broadcast_prefix, flatten
from .function_op import is_in

new = object.__new__
_SEE = (
    "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"
)
NO_SETUP_CONTEXT = (
    "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), "
    f"it must override the setup_context staticmethod. {_SEE}"
)


class VmapInfo(NamedTuple):
    """What a `vmap` staticmethod is told: how many examples there are, and vmap's randomness."""

    batch_size: int
    randomness: str


def call_batched(cls: Any, args: tuple, number: int) -> Any:
    """Call a custom function on arguments of which some are batched at a level."""
    from .function import Function

    own = cls.vmap is not Function.vmap
    if own and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an "
            "overridden vmap staticmethod. Please set generate_vmap_rule=False or delete the "
            f"overridden vmap staticmethod to avoid ambiguity. {_SEE}"
        )
    if not cls._splits_context():
        raise RuntimeError(NO_SETUP_CONTEXT)
    level = level_of(number)
    on = tuple([isinstance(a, Batched) and a.level == number for a in args])
    values = tuple([a.value if b else a for a, b in zip(args, on, strict=True)])
    outside = state.current_batch()
    state.set_batch(level.outer)
    try:
        if own:
            return _by_the_user(cls, level, values, on)
        if not cls.generate_vmap_rule:
            raise RuntimeError(
                f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please "
                f"override and implement the vmap staticmethod or set generate_vmap_rule=True. {_SEE}"
            )
        return _by_the_rule(cls, level, values, on)
    finally:
        state.set_batch(outside)


def _by_the_user(cls: Any, level: Level, values: tuple, on: tuple) -> Any:
    info = VmapInfo(level.size, level.randomness)
    dims = tuple([0 if b else None for b in on])
    answer = cls.vmap(info, dims, *values)
    if not (isinstance(answer, tuple) and len(answer) == 2):
        raise RuntimeError(
            "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree "
            f"structure compatible with the output. Got a {type(answer)} instead"
        )
    output, out_dims = answer
    outs, structure = flatten(output)
    places = broadcast_prefix(out_dims, structure)
    if places is None:
        raise RuntimeError(
            "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) "
            f"tuple. Expected out_dims={out_dims} to be compatible with the structure of `output`. "
            f"out_dims has structure {flatten(out_dims)[1]!r} but output has structure "
            f"{structure!r}. {_SEE}"
        )
    wrapped = [
        t if d is None or not isinstance(t, Tensor) else batched_over(level, t, d % t.ndim)
        for t, d in zip(outs, places, strict=True)
    ]
    return wrapped[0] if not isinstance(output, tuple) else tuple(wrapped)


def _by_the_rule(cls: Any, level: Level, values: tuple, on: tuple) -> Any:
    rule = mapped(cls, level.randomness, on)
    result = rule.apply(*values)
    places = rule.outputs_on
    many = isinstance(result, tuple)
    results = result if many else (result,)
    wrapped = [
        Batched.over(level.number, r) if b else r for r, b in zip(results, places, strict=True)
    ]
    return tuple(wrapped) if many else wrapped[0]


class _Examples:
    """The block in which values are examples of a new level; `wrap` and `unwrap` pass through it."""

    def __init__(self, size: int, randomness: str) -> None:
        self.size, self.randomness = size, randomness

    def __enter__(self) -> _Examples:
        self.level = open_batch(self.size, self.randomness)
        return self

    def __exit__(self, *exc: object) -> None:
        close_batch(self.level)

    def wrap(self, values: Any, on: Any) -> list:
        return [
            Batched.over(self.level.number, v) if b and isinstance(v, Tensor) else v
            for v, b in zip(values, on, strict=True)
        ]

    def is_mapped(self, t: Any) -> bool:
        return isinstance(t, Batched) and t.level == self.level.number

    def unwrap(self, t: Any) -> Any:
        return t.value if self.is_mapped(t) else t

    def whole(self, t: Tensor) -> Tensor:
        return whole(self.level, t, 0)


def mapped(cls: Any, randomness: str, on: tuple) -> Any:
    """Return the custom function of a batch, made from that of one example (once for each class)."""
    known = cls.__dict__.get("_mapped")
    if known is None:
        known = cls._mapped = {}
    rule = known.get((randomness, on))
    if rule is None:
        rule = known[randomness, on] = _made(cls, randomness, on)
    return rule


def _made(cls: Any, randomness: str, on: tuple) -> Any:
    from .function import Function

    def size_of(values: tuple) -> int:
        return next(v.shape[0] for v, b in zip(values, on, strict=True) if b)

    class Mapped(Function):
        generate_vmap_rule = True
        outputs_on: tuple = ()  # which outputs of the latest call have a batch

        @staticmethod
        def forward(*values: Any) -> Any:
            with _Examples(size_of(values), randomness) as examples:
                result = cls.forward(*examples.wrap(values, on))
                many = isinstance(result, tuple)
                results = result if many else (result,)
                # a result that is the same for all examples is repeated: each has its own cotangent
                done = tuple([examples.whole(r) if isinstance(r, Tensor) else r for r in results])
                Mapped.outputs_on = tuple([isinstance(r, Tensor) for r in results])
            return done if many else done[0]

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
            many = isinstance(output, tuple)
            outs = output if many else (output,)
            ctx.size, ctx.outputs_on = size_of(inputs), Mapped.outputs_on
            one = new(cls._ctx_class)
            one.needs_input_grad = ctx.needs_input_grad
            with _Examples(ctx.size, randomness) as examples:
                shown = tuple(examples.wrap(outs, ctx.outputs_on))
                given = tuple(examples.wrap(inputs, on))
                given = tuple([_same(g, outs, shown, v) for g, v in zip(given, inputs, strict=True)])
                cls.setup_context(one, given, shown if many else shown[0])
                backward, forward = one.to_save, one.saved_for_forward
                ctx.save_for_backward(*[examples.unwrap(t) for t in backward])
                ctx.saved_on = [examples.is_mapped(t) for t in backward]
                if forward is not None:
                    ctx.save_for_forward(*[examples.unwrap(t) for t in forward])
                    ctx.forward_on = [examples.is_mapped(t) for t in forward]
                free = [o for o, s in zip(outs, shown, strict=True) if is_in(s, one.non_differentiable)]
                ctx.mark_non_differentiable(*free)
            ctx.set_materialize_grads(one.materialize_grads)
            one.to_save, one.saved_for_forward, one.non_differentiable = (), None, ()
            ctx.one = one

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            with _Examples(ctx.size, randomness) as examples:
                one = _ready(ctx, examples, ctx.saved_tensors, ctx.saved_on)
                result = cls._backward_of()(one, *examples.wrap(grads, ctx.outputs_on))
                results = result if isinstance(result, tuple) else (result,)
                return tuple([_settled(examples, r, b) for r, b in zip(results, on, strict=False)])

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            places = getattr(ctx, "forward_on", ctx.saved_on)
            with _Examples(ctx.size, randomness) as examples:
                one = _ready(ctx, examples, ctx.saved_tensors, places)
                result = cls.jvp(one, *examples.wrap(tangents, on))
                many = isinstance(result, tuple)
                results = result if many else (result,)
                done = tuple(
                    [
                        r if r is None else examples.whole(r) if b else examples.unwrap(r)
                        for r, b in zip(results, ctx.outputs_on, strict=True)
                    ]
                )
            return done if many else done[0]

    Mapped.__name__ = Mapped.__qualname__ = cls.__name__
    return Mapped


def _same(given: Any, outs: tuple, shown: tuple, value: Any) -> Any:
    """An input that forward returned is the same object among the inputs and the outputs."""
    for o, s in zip(outs, shown, strict=True):
        if o is value and isinstance(o, Tensor):
            return s
    return given


def _ready(ctx: Any, examples: _Examples, saved: tuple, on: list) -> Any:
    """Return the ctx of one example: the user's attributes, the saved tensors as examples."""
    one = new(type(ctx.one))
    one.__dict__.update(ctx.one.__dict__)
    one.to_save = tuple(examples.wrap(saved, on))
    one._in_jvp = True  # saved_tensors then returns to_save
    return one


def _settled(examples: _Examples, g: Any, batched: bool) -> Any:
    """The gradient of an input: for each example, or summed where all examples share the input."""
    if g is None or not isinstance(g, Tensor):
        return g
    if batched:
        return examples.whole(g)
    return T.sum(examples.unwrap(g), (0,), False) if examples.is_mapped(g) else g * examples.size


__all__ = ["NO_SETUP_CONTEXT", "VmapInfo", "call_batched", "mapped"]
