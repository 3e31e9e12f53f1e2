"""The properties of the op grid that function transforms must have: vmap against a loop, and nestings.

A loop over examples is what vmap means, so there is nothing to tolerate: values agree to 1e-12. Random
calls draw once for all examples ("same"), as a loop does whose calls start from one seed.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import wengert

from ..core import batching
from ..core.tensor import Tensor, wrap
from ..func import grad, jvp
from ..func import vmap as mapped
from .rows import Row, directions, outputs, tensors, weighted, weights_of

SIZE = 2  # examples


def results(result: Any) -> list[Tensor]:
    """Return all tensors of a result as a flat list."""
    if isinstance(result, tuple | list):
        return [t for r in result for t in results(r)]
    return [result] if isinstance(result, Tensor) else []


def subsets(row: Row) -> list[tuple[bool, ...]]:
    """Return which inputs to map over: every choice of up to three, else each alone and all."""
    free = [k for k in range(len(row.inputs)) if k not in row.fixed]
    if len(free) <= 3:
        picks = [[k for j, k in enumerate(free) if bits >> j & 1] for bits in range(1, 2 ** len(free))]
    else:
        picks = [*([k] for k in free), free]
    picks = [p for p in picks if set(row.written) <= set(p)]
    return [tuple([k in p for k in range(len(row.inputs))]) for p in picks]


def batch(row: Row, on: Sequence[bool], seed: int) -> tuple[list[list[np.ndarray]], list[np.ndarray]]:
    """Return the inputs of every example, and the same in one: stacked where they are mapped."""
    drawn = [row.arrays(seed + i) for i in range(SIZE)]
    examples = [[a if b else first for a, first, b in zip(one, drawn[0], on, strict=True)] for one in drawn]
    whole = [np.stack(same) if b else same[0] for same, b in zip(zip(*examples, strict=True), on, strict=True)]
    return examples, whole


class unlooped(warnings.catch_warnings):
    """A block in which running an op example by example, for want of a batching rule, is an error."""

    def __enter__(self) -> None:
        super().__enter__()
        batching._warned.clear()
        warnings.filterwarnings("error", "There is a performance drop", UserWarning)


def same(got: Tensor, expected: Sequence[Tensor], what: str, at: int = 0, tolerance: float = 1e-12) -> None:
    """Raise AssertionError unless a mapped result holds those of the examples along dim `at`."""
    first = expected[0]
    assert got.dtype is first.dtype, f"{what}: dtype {got.dtype} against {first.dtype}"
    wanted = np.stack([e.detach()._array for e in expected], at)
    assert got.shape == wanted.shape, f"{what}: shape {tuple(got.shape)} against {wanted.shape}"
    np.testing.assert_allclose(got.detach()._array, wanted, rtol=tolerance, atol=tolerance, err_msg=what)


def said(row: Row, on: Sequence[bool]) -> str:
    """Name a choice of mapped inputs for messages."""
    return f"{row.name}: vmap over the inputs {[k for k, b in enumerate(on) if b]}"


def vmap(row: Row, seed: int = 0) -> None:
    """Mapping over any inputs gives what a loop over examples gives, in one pass."""
    choices = subsets(row)
    with unlooped():
        for on in choices:
            examples, whole = batch(row, on, seed)
            loop = [results(row.call(wengert, *tensors(row, one, grad=False))) for one in examples]
            # once with the examples along the last dim, where memory layouts make no difference
            last = on is choices[-1] and "memory_layouts" not in row.gaps
            where = -1 if last else 0
            f = mapped(
                lambda *xs: tuple(results(row.call(wengert, *xs))),
                tuple([where if b else None for b in on]), where, randomness="same",
            )  # fmt: skip
            given = [
                wrap(np.ascontiguousarray(np.moveaxis(a, 0, -1)) if b and last else a.copy())
                for a, b in zip(whole, on, strict=True)
            ]
            got = f(*given)
            assert len(got) == len(loop[0]), said(row, on)
            for g, expected in zip(got, zip(*loop, strict=True), strict=True):
                same(g, expected, said(row, on), where)
    if row.inplace is not None and choices:
        in_place(row, seed)
    for k in row.fixed:
        refuses(row, tuple([j == k or j in row.written for j in range(len(row.inputs))]), "dynamic shape", seed)
    if row.written and len(row.inputs) > len(row.written):
        refuses(row, tuple([j not in (*row.written, *row.fixed) for j in range(len(row.inputs))]), "inplace", seed)


def in_place(row: Row, seed: int) -> None:
    """The in-place twin writes every example of a batch."""
    on = tuple([k not in row.fixed for k in range(len(row.inputs))])
    examples, whole = batch(row, on, seed)

    def written(*xs: Tensor) -> Any:
        target = xs[0].clone()
        assert row.inplace is not None
        row.inplace(wengert, target, *xs[1:])
        return target

    loop = [written(*tensors(row, one, grad=False)) for one in examples]
    with unlooped():
        got = mapped(written, tuple([0 if b else None for b in on]), randomness="same")(*[wrap(a) for a in whole])
    same(got, loop, f"{row.name}: in place under vmap")


def refuses(row: Row, on: Sequence[bool], why: str, seed: int) -> None:
    """Mapping over what can't be mapped is a RuntimeError that says why."""
    if not any(on):
        return
    _, whole = batch(row, on, seed)
    f = mapped(lambda *xs: tuple(results(row.call(wengert, *xs))), tuple([0 if b else None for b in on]))
    message = "no refusal"
    try:
        f(*[wrap(a) for a in whole])
    except RuntimeError as error:
        message = str(error)
    assert why in message, f"{said(row, on)}: {message}, expected: {why}"


def _differentiable(row: Row) -> tuple[int, ...]:
    return tuple([k for k, i in enumerate(row.inputs) if i.differentiable])


def _choices(row: Row) -> list[tuple[bool, ...]]:
    """All inputs mapped, and the first or only the others."""
    found = subsets(row)
    return found if len(found) < 3 else [found[0], found[1], found[-1]]


_last: list[Any] = [None, {}]  # the row that was asked for last, and its loops: two properties want them


def _looped(row: Row, on: tuple[bool, ...], seed: int) -> tuple[list, list, list]:
    """Return (inputs of all examples, weights of all results, gradients of the examples)."""
    if _last[0] is not row:
        _last[:] = row, {}
    known, key = _last[1], (on, seed)
    if key not in known:
        examples, whole = batch(row, on, seed)
        gradients, weights = [], []
        for k, one in enumerate(examples):
            ts = tensors(row, one)
            outs = outputs(row.call(wengert, *ts))
            weights.append(weights_of(outs, 7 + k))
            pairs = [(o, wrap(w)) for o, w in zip(outs, weights[k], strict=True) if o.requires_grad]
            gradients.append(_pulled(pairs, [t for t in ts if t.requires_grad]))
        known[key] = whole, [np.stack(w) for w in zip(*weights, strict=True)], gradients
    return known[key]


def vmap_of_grad(row: Row, seed: int = 0) -> None:
    """Gradients of every example by itself: vmap of grad against a loop."""
    k = _differentiable(row)
    with unlooped():
        for on in _choices(row):
            whole, weights, loop = _looped(row, on, seed)
            f = mapped(
                lambda xs, ws: grad(lambda *ys: weighted(row, ys, ws), k)(*xs),
                (tuple([0 if b else None for b in on]), 0), randomness="same",
            )  # fmt: skip
            got = f(tuple(tensors(row, whole, grad=False)), tuple([wrap(w) for w in weights]))
            for g, expected in zip(got, zip(*loop, strict=True), strict=True):
                same(g, expected, f"{said(row, on)} of grad")


def grad_of_vmap(row: Row, seed: int = 0) -> None:
    """The gradient through a vmap is that through a loop; what is not mapped gets the sum."""
    with unlooped():
        for on in _choices(row):
            whole, weights, loop = _looped(row, on, seed)
            ts = tensors(row, whole)
            f = mapped(
                lambda *xs: tuple(outputs(row.call(wengert, *xs))), tuple([0 if b else None for b in on]),
                randomness="same",
            )  # fmt: skip
            pairs = [(o, wrap(w)) for o, w in zip(f(*ts), weights, strict=True) if o.requires_grad]
            got = _pulled(pairs, [t for t in ts if t.requires_grad])
            for g, k, expected in zip(got, _differentiable(row), zip(*loop, strict=True), strict=True):
                if on[k]:
                    same(g, expected, f"grad of {said(row, on)}")
                else:
                    np.testing.assert_allclose(
                        g._array, sum(e._array for e in expected), rtol=1e-11, atol=1e-11,
                        err_msg=f"grad of {said(row, on)}",
                    )  # fmt: skip


def _pulled(pairs: Sequence[tuple], inputs: Sequence[Tensor]) -> Any:
    if not pairs:
        return [wengert.zeros_like(t) for t in inputs]
    outs = [o for o, _ in pairs]
    weights = [w if w.dtype is o.dtype else w.to(o.dtype) for o, w in pairs]
    return wengert.autograd.grad(outs, inputs, weights, allow_unused=True, materialize_grads=True)


def forward_over_reverse(row: Row, seed: int = 0) -> None:
    """The Hessian times a vector: jvp of grad against the gradient of <grad, v>."""
    arrays = row.arrays(seed)
    ts = tensors(row, arrays, grad=False)
    k = _differentiable(row)
    vs = [wrap(d) for d in directions(row, arrays) if d is not None]

    def gradient(*xs: Tensor) -> Any:
        full = list(ts)
        for j, x in zip(k, xs, strict=True):
            full[j] = x
        return grad(lambda *ys: weighted(row, ys), k)(*full)

    def slope(*xs: Tensor) -> Tensor:
        terms = [(g * v).sum() for g, v in zip(gradient(*xs), vs, strict=True)]
        total: Tensor = sum(terms[1:], terms[0])
        return total

    given = tuple([ts[j] for j in k])
    pushed = jvp(gradient, given, tuple(vs))[1]
    pulled = grad(slope, tuple(range(len(k))))(*given)
    for a, b in zip(pushed, pulled, strict=True):
        scale = max(1.0, float(np.abs(b._array).max(initial=0.0)))
        np.testing.assert_allclose(
            a._array, b._array, rtol=1e-9, atol=1e-9 * scale, err_msg=f"{row.name}: forward over reverse"
        )
