"""The op grid: every property that an op must have, as a function of one row of a test table.

A row says how to call an op (over wengert or any module with its names) and on which inputs. The
properties compare derivatives with central differences in float64 along random directions, which
sees any wrong entry of a Jacobian with probability one, at the cost of two evaluations. Those of the
function transforms are in grid_transforms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert

from ..core.node import LEAF
from ..core.op import TABLE, Fitted
from ..core.state import Mode, pop_mode, push_mode
from ..core.tensor import Tensor, wrap
from ..late import load_all
from .grid_transforms import forward_over_reverse, grad_of_vmap, vmap, vmap_of_grad
from .rows import (
    EPS,
    Input,
    Row,
    close,
    directions,
    moved,
    outputs,
    tensors,
    weighted,
    weights_of,
)


class Watch(Mode):
    """Notes which ops are called and which nodes were made."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        """Note the op and pass the call on."""
        self.seen.add(op.name)
        return self.forward(op, args, params)

    def __enter__(self) -> Watch:
        push_mode(self)
        return self

    def __exit__(self, *exc: object) -> None:
        pop_mode(self)


# ------------------------------------------------------------------- the properties
def first_order(row: Row, seed: int = 0) -> None:
    """Reverse mode agrees with central differences."""
    arrays = row.arrays(seed)
    d = directions(row, arrays)

    def value(step: float) -> float:
        return float(weighted(row, tensors(row, moved(arrays, d, step), grad=False)).item())

    numeric = (value(EPS) - value(-EPS)) / (2 * EPS)
    ts = tensors(row, arrays)
    weighted(row, ts).backward()
    analytic = sum(
        float((t.grad._array * v).sum())
        for t, v in zip(ts, d, strict=True)
        if v is not None and t.grad is not None
    )
    for t, v in zip(ts, d, strict=True):
        if v is not None and t.grad is not None:
            assert t.grad.shape == t.shape, f"gradient of shape {t.grad.shape} for {t.shape}"
            assert t.grad.dtype is t.dtype
    close(analytic, numeric, f"{row.name}: first derivative")


def _directional(row: Row, arrays: Sequence[np.ndarray], d: Sequence[Any], create: bool) -> Any:
    """Return (tensors, sum over inputs of <gradient, direction>)."""
    ts = tensors(row, arrays)
    inputs = [t for t in ts if t.requires_grad]
    found = wengert.autograd.grad(
        weighted(row, ts), inputs, create_graph=create, allow_unused=True
    )
    total: Any = None
    for g, v in zip(found, [v for v in d if v is not None], strict=True):
        if g is not None:
            term = (g * g * wrap(v)).sum() if create else (g._array * g._array * v).sum()
            total = term if total is None else total + term
    return inputs, total


def second_order(row: Row, seed: int = 0) -> None:
    """The derivative of a function of the gradient agrees with central differences."""
    arrays = row.arrays(seed)
    d = directions(row, arrays)
    e = directions(row, arrays, 13)

    def value(step: float) -> float:
        return float(_directional(row, moved(arrays, e, step), d, False)[1])

    numeric = (value(EPS) - value(-EPS)) / (2 * EPS)
    inputs, total = _directional(row, arrays, d, True)
    if total.requires_grad:
        second = wengert.autograd.grad(total, inputs, allow_unused=True)
        analytic = sum(
            float((g._array * v).sum())
            for g, v in zip(second, [v for v in e if v is not None], strict=True)
            if g is not None
        )
    else:
        analytic = 0.0
    close(analytic, numeric, f"{row.name}: second derivative", 1e-4)


def forward_mode(row: Row, seed: int = 0) -> None:
    """jvp agrees with central differences, and <w, J v> = <J' w, v>."""
    from ..autograd import forward_ad as fwd

    arrays = row.arrays(seed)
    d = directions(row, arrays)
    with fwd.dual_level():
        ts = tensors(row, arrays, grad=False)
        duals = [t if v is None else fwd.make_dual(t, wrap(v)) for t, v in zip(ts, d, strict=True)]
        outs = outputs(row.call(wengert, *duals))
        ws = weights_of(outs)
        pushed = 0.0
        for o, w in zip(outs, ws, strict=True):
            tangent = fwd.unpack_dual(o).tangent
            if tangent is not None:
                assert tangent.shape == o.shape, f"tangent of shape {tangent.shape} for {o.shape}"
                pushed += float((tangent._array * w).sum())

    def value(step: float) -> float:
        return float(weighted(row, tensors(row, moved(arrays, d, step), grad=False)).item())

    close(pushed, (value(EPS) - value(-EPS)) / (2 * EPS), f"{row.name}: forward mode")
    ts = tensors(row, arrays)
    weighted(row, ts).backward()
    pulled = sum(
        float((t.grad._array * v).sum())
        for t, v in zip(ts, d, strict=True)
        if v is not None and t.grad is not None
    )
    close(pushed, pulled, f"{row.name}: adjoint identity", 1e-9)


def memory_layouts(row: Row, seed: int = 0) -> None:
    """Strided and reversed-axes inputs give the same values and gradients as contiguous ones."""
    arrays = row.arrays(seed)
    plain = tensors(row, arrays)
    weighted(row, plain).backward()
    expected = outputs(row.call(wengert, *tensors(row, arrays, grad=False)))
    for layout in (_strided, _fortran):
        ts = [
            wrap(layout(a)).requires_grad_(i.differentiable)
            for a, i in zip(arrays, row.inputs, strict=True)
        ]
        got = outputs(row.call(wengert, *[t.detach() for t in ts]))
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a._array, b._array, rtol=1e-12, atol=1e-12)
        weighted(row, ts).backward()
        for t, p in zip(ts, plain, strict=True):
            if p.requires_grad and p.grad is not None:
                assert t.grad is not None
                np.testing.assert_allclose(t.grad._array, p.grad._array, rtol=1e-11, atol=1e-12)


def _strided(a: np.ndarray) -> np.ndarray:
    if a.ndim == 0:
        return a.copy()
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def _fortran(a: np.ndarray) -> np.ndarray:
    return np.asfortranarray(a) if a.ndim else a.copy()


def single_precision(row: Row, seed: int = 0) -> None:
    """float32 inputs give float32 results and gradients close to the float64 ones."""
    arrays = row.arrays(seed)
    wide = tensors(row, arrays)
    weighted(row, wide).backward()
    narrow = [
        wrap(a.astype(np.float32) if a.dtype == np.float64 else a.copy()).requires_grad_(i.differentiable)
        for a, i in zip(arrays, row.inputs, strict=True)
    ]
    outs = outputs(row.call(wengert, *narrow))
    total: Any = None
    for o, w in zip(outs, weights_of(outs), strict=True):
        term = (o * wrap(w.astype(o.dtype.np))).sum()
        total = term if total is None else total + term
    total.backward()
    for n, t in zip(narrow, wide, strict=True):
        if t.requires_grad and t.grad is not None:
            assert n.grad is not None
            assert n.grad.dtype is n.dtype
            scale = max(1.0, float(np.abs(t.grad._array).max(initial=0.0)))
            np.testing.assert_allclose(n.grad._array, t.grad._array, rtol=2e-3, atol=2e-4 * scale)


def in_place(row: Row, seed: int = 0) -> None:
    """The in-place twin writes the same value, returns self and has the same gradients."""
    assert row.inplace is not None
    arrays = row.arrays(seed)
    plain = tensors(row, arrays)
    out = row.call(wengert, *plain)
    w = wrap(weights_of([out])[0])
    (out * w).sum().backward()
    ts = tensors(row, arrays)
    target = ts[0] * 1
    returned = row.inplace(wengert, target, *ts[1:])
    assert returned is target
    assert target._version >= 1
    np.testing.assert_allclose(target._array, out._array, rtol=1e-12)
    (target * w).sum().backward()
    for t, p in zip(ts, plain, strict=True):
        if p.requires_grad and p.grad is not None:
            assert t.grad is not None
            np.testing.assert_allclose(t.grad._array, p.grad._array, rtol=1e-12, atol=1e-14)


def spent_graph(row: Row, seed: int = 0) -> None:
    """A graph that saved something refuses to run twice, and runs twice when retained."""
    ts = tensors(row, row.arrays(seed))
    outs = [o for o in outputs(row.call(wengert, *ts)) if o.requires_grad]
    if not outs:
        return
    grads = [wengert.ones_like(o) for o in outs]
    saves = _any_saves(outs)
    wengert.autograd.backward(outs, grads, retain_graph=True)
    once = [None if t.grad is None else t.grad._array.copy() for t in ts]
    wengert.autograd.backward(outs, grads)
    for t, g in zip(ts, once, strict=True):
        if g is not None:
            assert t.grad is not None
            np.testing.assert_allclose(t.grad._array, 2 * g, rtol=1e-12)
    if not saves:
        return
    try:
        wengert.autograd.backward(outs, grads)
    except RuntimeError as error:
        assert "Trying to backward through the graph a second time" in str(error)
    else:
        raise AssertionError(f"{row.name}: a spent graph ran again")


def _nodes(outs: Sequence[Tensor]) -> list[Any]:
    found, stack = [], [o._edge for o in outs if o._edge is not None]
    seen = set()
    while stack:
        n = stack.pop()
        if n in seen or n.op is LEAF:
            continue
        seen.add(n)
        found.append(n)
        stack += [e for e in n.edges if e is not None]
    return found


def _any_saves(outs: Sequence[Tensor]) -> bool:
    return any(n.op.saves_any for n in _nodes(outs))


def stale_saves(row: Row, seed: int = 0) -> None:
    """Writing an input or result that the op saved makes backward refuse."""
    arrays = row.arrays(seed)
    leaves = tensors(row, arrays)
    ts = [t * 1 if t.requires_grad else t for t in leaves]
    outs = outputs(row.call(wengert, *ts))
    nodes = _nodes(outs)
    for k, t in enumerate(ts):
        if not t.requires_grad or not _is_saved(nodes, t):
            continue
        t.add_(1)
        try:
            sum((o.sum() for o in outs[1:]), outs[0].sum()).backward(retain_graph=True)
        except RuntimeError as error:
            assert "modified by an inplace operation" in str(error), error
        else:
            raise AssertionError(f"{row.name}: writing the saved input {k} went unnoticed")
        return


def _is_saved(nodes: Sequence[Any], t: Tensor) -> bool:
    for n in nodes:
        x = getattr(n, "x", None)
        held = x if isinstance(x, tuple) else (x, getattr(n, "y", None))
        if any(h is t for h in held):
            return True
    return False


def saves_only_what_it_names(row: Row, seed: int = 0) -> None:
    """A node holds exactly the inputs that the rules of its differentiated inputs name."""
    ts = tensors(row, row.arrays(seed))
    for n in _nodes(outputs(row.call(wengert, *ts))):
        op = n.op.op if isinstance(n.op, Fitted) else n.op
        if not hasattr(op, "needs") or op.variadic:
            continue
        named = set().union(*[need for e, need in zip(n.edges, op.needs, strict=False) if e is not None], set())
        x = getattr(n, "x", None)
        held = x if isinstance(x, tuple) else (x, getattr(n, "y", None))
        for h, i in zip(held, op.inputs, strict=False):
            assert h is None or i in named, f"{op.name} keeps {i!r} although no needed rule names it"


def value_against(row: Row, torch: Any, seed: int = 0) -> None:
    """Values and gradients equal PyTorch's to the precision of float64."""
    arrays = row.arrays(seed)
    ts = tensors(row, arrays)
    theirs = [
        torch.tensor(a, requires_grad=i.differentiable)
        for a, i in zip(arrays, row.inputs, strict=True)
    ]
    outs = outputs(row.call(wengert, *ts))
    result = row.call(torch, *theirs)
    flat: list = []
    stack = [result]
    while stack:
        r = stack.pop(0)
        if isinstance(r, tuple | list):
            stack = list(r) + stack
        elif isinstance(r, torch.Tensor) and (r.is_floating_point() or r.is_complex()):
            flat.append(r)
    assert len(outs) == len(flat), f"{len(outs)} outputs against {len(flat)}"
    tolerance = row.torch_tolerance
    for a, b in zip(outs, flat, strict=True):
        assert tuple(a.shape) == tuple(b.shape), f"shape {a.shape} against {b.shape}"
        assert str(a.dtype) == str(b.dtype), f"dtype {a.dtype} against {b.dtype}"
        np.testing.assert_allclose(
            a._array, b.detach().resolve_conj().numpy(), rtol=tolerance, atol=tolerance
        )
        assert a.requires_grad == b.requires_grad, f"requires_grad {a.requires_grad} against {b.requires_grad}"
    pairs = [(a, b) for a, b in zip(outs, flat, strict=True) if a.requires_grad]
    if not pairs:
        return
    ws = weights_of([a for a, _ in pairs])
    wengert.autograd.backward([a for a, _ in pairs], [wrap(w.astype(a.dtype.np)) for (a, _), w in zip(pairs, ws, strict=True)])
    torch.autograd.backward([b for _, b in pairs], [torch.tensor(w).to(b.dtype) for (_, b), w in zip(pairs, ws, strict=True)])
    for t, u in zip(ts, theirs, strict=True):
        if u.requires_grad:
            assert (t.grad is None) == (u.grad is None), f"gradient {t.grad} against {u.grad}"
            if u.grad is not None:
                assert t.grad is not None
                np.testing.assert_allclose(
                    t.grad._array, u.grad.resolve_conj().numpy(force=True), rtol=10 * tolerance, atol=10 * tolerance
                )


def complex_first_order(row: Row, seed: int = 0) -> None:
    """For complex inputs: dL = Re <conj(gradient), dz>, with PyTorch's sign of the gradient."""
    arrays = [
        a * np.exp(1j * np.random.default_rng(k).uniform(0.2, 1.2, a.shape)) if i.differentiable else a
        for k, (a, i) in enumerate(zip(row.arrays(seed), row.inputs, strict=True))
    ]
    r = np.random.default_rng(5)
    d = [r.standard_normal(a.shape) + 1j * r.standard_normal(a.shape) if i.differentiable else None
         for a, i in zip(arrays, row.inputs, strict=True)]  # fmt: skip

    def loss(step: float, grad: bool) -> Any:
        ts = tensors(row, moved(arrays, d, step), grad=grad)
        total: Any = None
        for o, w in zip(outs := outputs(row.call(wengert, *ts)), weights_of(outs), strict=True):
            both = (o * wrap(w * (1 + 0.5j)) if o.dtype.is_complex else o * wrap(w)).sum()
            term = both.real + both.imag * 0.7 if both.dtype.is_complex else both
            total = term if total is None else total + term
        return ts, total

    numeric = float((loss(EPS, False)[1] - loss(-EPS, False)[1]).item()) / (2 * EPS)
    ts, total = loss(0.0, True)
    total.backward()
    analytic = sum(
        float(np.real(np.conj(t.grad._array) * v).sum())
        for t, v in zip(ts, d, strict=True)
        if v is not None and t.grad is not None
    )
    close(analytic, numeric, f"{row.name}: complex derivative")


PROPERTIES: dict[str, Callable[[Row], None]] = {
    "first_order": first_order,
    "second_order": second_order,
    "forward_mode": forward_mode,
    "memory_layouts": memory_layouts,
    "single_precision": single_precision,
    "in_place": in_place,
    "spent_graph": spent_graph,
    "stale_saves": stale_saves,
    "saves_only_what_it_names": saves_only_what_it_names,
    "complex_first_order": complex_first_order,
    "vmap": vmap,
    "vmap_of_grad": vmap_of_grad,
    "grad_of_vmap": grad_of_vmap,
    "forward_over_reverse": forward_over_reverse,
}


def applies(row: Row, name: str) -> bool:
    """True if a property is asked of a row."""
    differentiable = any(i.differentiable for i in row.inputs)
    if name == "in_place":
        return row.inplace is not None
    if name == "complex_first_order":
        return row.complex
    if name == "vmap":
        return bool(row.inputs)
    if name == "forward_over_reverse":
        return differentiable and row.forward and row.orders >= 2
    if name == "second_order":
        return differentiable and row.orders >= 2
    if name == "forward_mode":
        return differentiable and row.forward
    return differentiable


def covered(rows: Sequence[Row]) -> set[str]:
    """Return the names of all ops that the rows call, forward and twice backward."""
    watch = Watch()
    with watch:
        for row in rows:
            ts = tensors(row, row.arrays())
            outs = [o for o in outputs(row.call(wengert, *ts)) if o.requires_grad]
            if outs:
                wengert.autograd.grad(
                    outs, [t for t in ts if t.requires_grad], [wengert.ones_like(o) for o in outs],
                    create_graph=True, allow_unused=True,
                )  # fmt: skip
    return watch.seen


def differentiable_ops() -> set[str]:
    """Return the names of all ops of the table that have rules."""
    load_all()
    return {name for name, op in TABLE.items() if op.differentiable}


__all__ = ["EPS", "PROPERTIES", "Input", "Row", "Watch", "applies", "covered", "differentiable_ops"]
