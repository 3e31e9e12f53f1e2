"""The vocabulary of batching rules: what `batch=` of an op's row says to vmap.

A rule is called as rule(op, xs, on, params). `xs` are the inputs as values; where `on[k]` is True the
first dim of xs[k] is the batch and the others are those of one example. It returns the result (a tuple
for several), the batch first. Elementwise ops need no rule. The words:

    along("dim")      a dim (or several, None for all) is named by a parameter: it moves by one
    leading           leading dims are a batch to the op already (matrices at the end, as in linalg)
    together("dim")   several inputs of one rank: all get the batch, the named dims move by one
    merged            the first dim of every input is a batch already (images): both become one
    in_front("shape") a parameter is the shape of one example
    unchanged         all dims are alike to the op
    reduced("mean")   an elementwise loss with a reduction
    composed(f)       f(xp, *inputs, *params) says it in other ops; it sees one example
    dynamic("nonzero")  refused: the shape of the result depends on values

and a function of one's own for the rest. What has no rule is run example by example (`loop`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ..kernels.dims import count
from .cold import bind
from .op import TENSORS as T

Rule = Callable[[Any, list, list, tuple], Any]


def size_of_batch(xs: list, on: list) -> int:
    """Return how many examples there are."""
    for x, b in zip(xs, on, strict=True):
        if b:
            return x._spec.shape[0]
    raise ValueError("no input has a batch")


def spread(x: Any, size: int) -> Any:
    """Repeat a value that is the same for every example (no copy)."""
    return T.expand(x, (size, *x._spec.shape))


def all_batched(xs: list, on: list) -> list:
    """Return the inputs with the batch on every one (None stays None)."""
    size = size_of_batch(xs, on)
    return [x if b or x is None else spread(x, size) for x, b in zip(xs, on, strict=True)]


def with_rank(x: Any, batched: bool, rank: int) -> Any:
    """Give one example `rank` dims by new ones in front, behind the batch."""
    shape = x._spec.shape
    missing = rank - len(shape) + batched
    if missing <= 0:
        return x
    if batched:
        return T.reshape(x, (shape[0], *(1,) * missing, *shape[1:]))
    return T.reshape(x, (*(1,) * missing, *shape))


# ------------------------------------------------------------------- words
def aligned(op: Any, xs: list, on: list, params: tuple) -> Any:
    """The rule of elementwise ops: examples get equal ranks, so that broadcasting is that of examples."""
    if len(xs) == 1:
        return op.call(xs[0], *params)
    rank = 0
    for x, b in zip(xs, on, strict=True):
        if x is not None and x._spec.ndim - b > rank:
            rank = x._spec.ndim - b
    ready = [
        with_rank(x, True, rank) if b and x._spec.ndim <= rank else x
        for x, b in zip(xs, on, strict=True)
    ]
    return op.call(*ready, *params)


def _moved(d: Any, ndim: int) -> Any:
    if d is None:
        return tuple(range(1, ndim + 1))
    if d.__class__ is int:
        return d + 1 if d >= 0 else d
    return tuple([k + 1 if k >= 0 else k for k in d])


def _several(result: Any, change: Callable) -> Any:
    if result.__class__ is tuple:
        return tuple([None if r is None else change(r) for r in result])
    return change(result)


def along(*names: str) -> Rule:
    """Dims that the parameters `names` give (an int, a tuple, None for all) move by one.

    An example without dims counts as one with a single dim of size 1, as it does to PyTorch.
    """

    def rule(op: Any, xs: list, on: list, params: tuple) -> Any:
        x = xs[0]
        given = list(params)
        ndim = x._spec.ndim - 1
        if not ndim:
            x = T.unsqueeze(x, 1)
        for name in names:
            k = op.params.index(name)
            given[k] = _moved(given[k], ndim) if ndim else 1 if given[k].__class__ is int else (1,)
        out = bind(op, (x, *xs[1:]), tuple(given))
        if not ndim:
            out = _several(out, lambda r: T.reshape(r, (r._spec.shape[0],)))
        return out

    return rule


def along_or_flat(name: str = "dim", flat_dim: Any = 1) -> Rule:
    """The same, where None means the flattened example (argmax, products).

    `flat_dim` is how the parameter names the dim of the flattened examples: 1, or (1,).
    """
    moved = along(name)

    def rule(op: Any, xs: list, on: list, params: tuple) -> Any:
        k = op.params.index(name)
        if params[k] is not None:
            return moved(op, xs, on, params)
        x = xs[0]
        shape = x._spec.shape
        flat = T.reshape(x, (shape[0], count(shape[1:])))
        out = bind(op, (flat,), (*params[:k], flat_dim, *params[k + 1 :]))
        if "keepdim" in op.params and params[op.params.index("keepdim")]:
            out = _several(out, lambda r: T.reshape(r, (shape[0], *(1,) * (len(shape) - 1))))
        return out

    return rule


def leading(op: Any, xs: list, on: list, params: tuple) -> Any:
    """The op takes any number of leading dims as a batch; all inputs get equally many."""
    return bind(op, tuple(all_batched(xs, on)) if not all(on) else tuple(xs), params)


def together(*names: str) -> Rule:
    """All inputs have one rank and get the batch; the dims that `names` give move by one.

    Inputs of an example without dims get one of size 1 first, and the result loses it again.
    """

    def rule(op: Any, xs: list, on: list, params: tuple) -> Any:
        xs = all_batched(xs, on)
        given = list(params)
        ranks = [x._spec.ndim - 1 for x in xs if x is not None]
        flat = not ranks[0]
        xs = [T.unsqueeze(x, 1) if x is not None and x._spec.ndim == 1 else x for x in xs]
        for name in names:
            k = op.params.index(name)
            given[k] = _moved(given[k], max(ranks[0], 1))
        out = bind(op, tuple(xs), tuple(given))
        if flat:
            out = _several(out, lambda r: T.reshape(r, (r._spec.shape[0],)))
        return out

    return rule


def merged(op: Any, xs: list, on: list, params: tuple) -> Any:
    """The first dim of an example is a batch to the op already: the two become one."""
    xs = all_batched(xs, on)
    size = xs[0]._spec.shape[0]
    flat = [x if x is None else T.reshape(x, (-1 if x._spec.numel else size * x._spec.shape[1], *x._spec.shape[2:])) for x in xs]  # fmt: skip
    out = bind(op, tuple(flat), params)

    def split(r: Any) -> Any:
        shape = r._spec.shape
        return T.reshape(r, (size, shape[0] // size, *shape[1:]))

    return _several(out, split)


def reduced(name: str = "reduction") -> Rule:
    """A loss that is elementwise but for its reduction: every example is reduced by itself."""

    def rule(op: Any, xs: list, on: list, params: tuple) -> Any:
        k = op.params.index(name)
        how = params[k]
        rank = max(x._spec.ndim - b for x, b in zip(xs, on, strict=True) if x is not None)
        xs = [x if x is None else with_rank(x, True, rank) for x in all_batched(xs, on)]
        out = bind(op, tuple(xs), (*params[:k], "none", *params[k + 1 :]))
        if how == "none":
            return out
        dims = tuple(range(1, out._spec.ndim))
        return T.mean(out, dims, False) if how == "mean" else T.sum(out, dims, False)

    return rule


def unchanged(op: Any, xs: list, on: list, params: tuple) -> Any:
    """The op treats all elements, or all dims, alike: it runs on the whole batch as it is."""
    return bind(op, tuple(xs), params)


def in_front(*shapes: str, dims: tuple[str, ...] = ()) -> Rule:
    """The parameters `shapes` are shapes of examples: the size of the batch is put in front of them.

    Dims that the parameters `dims` give move by one. The op has one input.
    """

    def rule(op: Any, xs: list, on: list, params: tuple) -> Any:
        x = xs[0]
        given = list(params)
        for name in shapes:
            k = op.params.index(name)
            given[k] = (x._spec.shape[0], *_filled_in(given[k], x._spec.shape[1:]))
        for name in dims:
            k = op.params.index(name)
            given[k] = _moved(given[k], x._spec.ndim - 1)
        return bind(op, (x, *xs[1:]), tuple(given))

    return rule


def _filled_in(shape: tuple, old: tuple) -> tuple:
    """Say what -1 stands for in the shape of one example: a batch of no examples could not tell."""
    if -1 not in shape:
        return shape
    known = -count(shape)
    return tuple([(count(old) // known if known else 0) if n == -1 else n for n in shape])


def composed(fn: Callable) -> Rule:
    """The op said in other ops: fn(xp, *inputs, *params), which sees one example."""

    def rule(op: Any, xs: list, on: list, params: tuple) -> Any:
        raise TypeError("a composed rule is interpreted on tensors, not on their values")

    rule.composed = fn  # type: ignore[attr-defined]
    return rule


# ------------------------------------------------------------------- results of no fixed shape
_DYNAMIC = (
    "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap "
    "over {}: the shape of its result depends on values, which differ between examples. Use a form "
    "whose result has one shape, such as torch.where"
)


def dynamic(name: str) -> Rule:
    """The rule of ops whose results have a shape that depends on values: RuntimeError."""

    def rule(op: Any, xs: list, on: list, params: tuple) -> Any:
        raise RuntimeError(_DYNAMIC.format(name))

    return rule


def refuse_dynamic(name: str, *tensors: Any) -> None:
    """Raise the same error if one of the tensors is mapped over at some level."""
    for t in tensors:
        while not t._spec.plain:
            if getattr(t, "is_batch", False):
                raise RuntimeError(_DYNAMIC.format(name))
            t = t.value


# ------------------------------------------------------------------- without a rule
_warned: set[str] = set()


def loop(op: Any, xs: list, on: list, params: tuple) -> Any:
    """Run the op for one example after the other; warns once an op."""
    if op.name not in _warned:
        _warned.add(op.name)
        warnings.warn(
            f"There is a performance drop because we have not yet implemented the batching rule "
            f"for {op.name}: vmap runs it once for every example.",
            UserWarning,
            stacklevel=2,
        )
    size = size_of_batch(xs, on)
    results = [
        bind(op, tuple([T.select(x, 0, i) if b else x for x, b in zip(xs, on, strict=True)]), params)
        for i in range(size)
    ]
    if not results:
        raise RuntimeError(f"vmap: {op.name} has no batching rule and there are no examples to run")
    if results[0].__class__ is tuple:
        return tuple([_stacked(op, part) for part in zip(*results, strict=True)])
    return _stacked(op, results)


def _stacked(op: Any, parts: Sequence) -> Any:
    shapes = {p._spec.shape for p in parts}
    if len(shapes) > 1:
        raise RuntimeError(
            f"vmap: {op.name} gives results of different shapes for different examples "
            f"({', '.join(str(tuple(s)) for s in sorted(shapes))}); such ops can't be mapped. Use a "
            "form whose result has one shape, such as torch.where instead of masked_select"
        )
    return T.stack(list(parts), 0)


def rules_missing() -> list[str]:
    """Return the names of the ops that vmap runs example by example (for the docs and the tests)."""
    from .op import TABLE

    return sorted(n for n, op in TABLE.items() if op.batch is None and op.kind != "elementwise")


__all__ = [
    "aligned", "all_batched", "along", "along_or_flat", "composed", "dynamic", "in_front", "leading", "loop",
    "merged", "reduced", "refuse_dynamic", "rules_missing", "size_of_batch", "spread", "together", "unchanged", "with_rank",
]  # fmt: skip
