"""Random programs under the transforms: grad, jvp and vmap agree with backward and with a loop.

The programs are those of `test_random_programs`: calls, views and in-place writes. Each is a
function of four tensors; a step that is refused (shapes that don't fit) is left out.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from test_random_programs import ERRORS, MADE, SMOOTH, TABLE, leaves, loss_of, st

import wengert
from wengert.func import grad, jvp, vmap

pytestmark = [
    pytest.mark.wengert_only,
    pytest.mark.filterwarnings("ignore:Casting complex values to real"),
]

# what vmap refuses because the shape of the result depends on values
VALUE_DEPENDENT = {"mask", "[mask] = number"}
PARTS = [
    k for k in SMOOTH
    if TABLE[k][1] not in VALUE_DEPENDENT | {"times float32", "max", "sort", "maximum", "where", "masked_fill_"}
]  # fmt: skip
programs = st.lists(
    st.tuples(st.sampled_from(PARTS), st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=8
)
common = settings(
    max_examples=60, derandomize=True, database=None, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def accepted(program):
    """Return the steps that plain tensors accept, and whether all values stay moderate."""
    values = start_values(points())
    done = []
    for which, first, second in program:
        kind, _, f = TABLE[which]
        i, k = first % len(values), second % len(values)
        try:
            result = f(wengert, values[i], values[k])
        except ERRORS:
            continue
        done.append((which, i, k))
        if kind in MADE:
            values.append(result)
    for v in values:
        a = np.abs(np.asarray(v.detach().resolve_conj().tolist()))
        assume(a.size == 0 or (np.isfinite(a).all() and a.max() < 1e4))
    try:
        by_backward(runner(done), points(), create=True)
    except ERRORS:  # a value that a derivative needs was written
        assume(False)
    return done


def points(shift=0.0):
    xs = [x.detach() for x in leaves(wengert)]
    xs.append(wengert.tensor([[1.0, -2.0, 0.5]], dtype=wengert.float64))
    return [x + shift for x in xs]


def start_values(xs):
    return [x * 1 for x in xs]


def runner(program):
    """Return the program as a function of its starting points, with one real number as its value."""

    def f(*xs):
        values = start_values(xs)
        for which, i, k in program:
            kind, _, step = TABLE[which]
            result = step(wengert, values[i], values[k])
            if kind in MADE:
                values.append(result)
        return loss_of(wengert, [v for v in values if v.dtype.is_floating_point or v.dtype.is_complex])

    return f


def by_backward(f, xs, create=False):
    xs = [x.detach().requires_grad_() for x in xs]
    return xs, wengert.autograd.grad(f(*xs), xs, create_graph=create, materialize_grads=True)


def agree(got, expected, what):
    a, b = np.asarray(got.tolist()), np.asarray(expected.tolist())
    scale = 1 + np.abs(b).max(initial=0)
    assert a.shape == b.shape, what
    assert np.allclose(a, b, rtol=1e-9, atol=1e-10 * scale), (what, a, b)


ALL = tuple(range(5))


def directions():
    r = np.random.default_rng(3)
    out = []
    for x in points():
        d = r.uniform(0.5, 1.0, tuple(x.shape))
        out.append(wengert.tensor(d + 0.3j * d if x.dtype.is_complex else d))
    return out


@common
@given(programs)
def test_grad_is_backward(program):
    f = runner(accepted(program))
    for a, b in zip(grad(f, ALL)(*points()), by_backward(f, points())[1], strict=True):
        agree(a, b, "grad")


@common
@given(programs)
def test_jvp_is_the_adjoint(program):
    f = runner(accepted(program))
    ts = directions()
    _, pushed = jvp(f, tuple(points()), tuple(ts))
    pulled = sum(
        float((g.conj() * t).real.sum()) if g.dtype.is_complex else float((g * t).sum())
        for g, t in zip(by_backward(f, points())[1], ts, strict=True)
    )
    assert abs(float(pushed) - pulled) <= 1e-9 * (1 + abs(pulled)), (float(pushed), pulled)


@common
@given(programs)
def test_vmap_is_a_loop(program):
    f = runner(accepted(program))
    shifts = (0.0, 0.01, -0.02)
    batch = [wengert.stack(list(column)) for column in zip(*[points(s) for s in shifts], strict=True)]
    expected = [f(*points(s)) for s in shifts]
    agree(vmap(f)(*batch), wengert.stack(expected), "vmap")
    each = vmap(grad(f, ALL))(*batch)
    for k, s in enumerate(shifts):
        for a, b in zip(each, by_backward(f, points(s))[1], strict=True):
            agree(a[k], b, "vmap of grad")


@common
@given(programs)
def test_forward_over_reverse_is_reverse_over_reverse(program):
    f = runner(accepted(program))
    ts = directions()
    real = [k for k, x in enumerate(points()) if not x.dtype.is_complex]
    xs, gs = by_backward(f, points(), create=True)
    inner = sum((gs[k] * ts[k]).sum() for k in real)
    expected = (
        wengert.autograd.grad(inner, [xs[k] for k in real], materialize_grads=True)
        if inner.requires_grad
        else [wengert.zeros_like(xs[k]) for k in real]
    )
    fixed = points()

    def of_real(*parts):
        full = list(fixed)
        for k, p in zip(real, parts, strict=True):
            full[k] = p
        return f(*full)

    chosen = tuple(fixed[k] for k in real)
    _, pushed = jvp(grad(of_real, tuple(range(len(real)))), chosen, tuple(ts[k] for k in real))
    for a, b in zip(pushed, expected, strict=True):
        agree(a, b, "forward over reverse")
