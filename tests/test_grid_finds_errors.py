"""Tests of the testers: planted mistakes must make the property of the grid fail that is there for them."""

import contextlib

import numpy as np
import pytest

from wengert.core.batching import along
from wengert.core.cold import bind
from wengert.core.define import elementwise, primitive
from wengert.core.inplace import write
from wengert.core.op import ARRAYS, TABLE, TENSORS
from wengert.testing import grid
from wengert.testing.grid import Input, Row


@contextlib.contextmanager
def planted(make):
    """An op that is in the table only for the duration of a test."""
    op = make()
    try:
        yield op
    finally:
        name = op.op.name
        del TABLE[name]
        delattr(ARRAYS, name)
        delattr(TENSORS, name)


def row(op, *shapes, **kw):
    return Row("planted", lambda T, *xs: op(*xs), [Input(s) for s in shapes], **kw)


def test_a_right_rule_passes():
    with planted(lambda: elementwise("planted(x, y)", np.multiply, x=lambda g, y: g * y, y=lambda g, x: g * x)) as op:
        for name, check in grid.PROPERTIES.items():
            if grid.applies(row(op, (2, 3), (3,)), name):
                check(row(op, (2, 3), (3,)))


@pytest.mark.parametrize("rule", [lambda g, x: g * x, lambda g, y: -g * y, lambda g: g, lambda g, y: g * y * 1.001],
                         ids=["other input", "sign", "forgotten factor", "one part in a thousand"])  # fmt: skip
def test_wrong_first_derivative(rule):
    with planted(lambda: elementwise("planted(x, y)", np.multiply, x=rule, y=lambda g, x: g * x)) as op:
        with pytest.raises(AssertionError, match="first derivative"):
            grid.first_order(row(op, (2, 3), (3,)))


def test_wrong_entry_of_a_jacobian():
    """One wrong element out of six is seen along a random direction."""
    mask = np.ones((2, 3))
    mask[1, 2] = 0.0
    with planted(lambda: elementwise("planted(x)", np.sin, x=lambda xp, g, x: g * xp.cos(x) * (mask if xp is ARRAYS else 1))) as op:
        with pytest.raises(AssertionError, match="first derivative"):
            grid.first_order(row(op, (2, 3)))


def test_wrong_second_derivative():
    """A rule that is right on arrays but whose own derivative is cut off."""

    def rule(xp, g, x):
        return g * 2 * (x if xp is ARRAYS else x.detach())

    with planted(lambda: elementwise("planted(x)", np.square, x=rule)) as op:
        grid.first_order(row(op, (2, 3)))
        with pytest.raises(AssertionError, match="second derivative"):
            grid.second_order(row(op, (2, 3)))


def test_wrong_jvp():
    wrong = lambda xp, xs, ts, out, params: ts[0]
    make = lambda: primitive("opaque", "planted(x)", lambda x: x * 3, jvp=wrong, x=lambda g: g * 3)
    with planted(make) as op, pytest.raises(AssertionError, match="forward mode"):
        grid.forward_mode(row(op, (2, 3)))


def test_missing_jvp():
    make = lambda: primitive("opaque", "planted(x)", lambda x: x * 3, x=lambda g: g * 3)
    with planted(make) as op, pytest.raises(NotImplementedError, match="no jvp rule"):
        grid.forward_mode(row(op, (2, 3)))


def test_kernel_that_forgets_strides():
    def kernel(x):
        flat = np.frombuffer(np.asarray(x).tobytes("A"), x.dtype)
        return flat[: x.size].reshape(x.shape) * 2

    with planted(lambda: elementwise("planted(x)", kernel, x=lambda g: g * 2)) as op:
        with pytest.raises(AssertionError):
            grid.memory_layouts(row(op, (2, 3)))


def test_in_place_twin_with_another_value():
    def wrong(T, x):
        return write(x, lambda t: t * 2.5)

    with planted(lambda: elementwise("planted(x)", lambda x: x * 2, x=lambda g: g * 2)) as op:
        with pytest.raises(AssertionError):
            grid.in_place(row(op, (2, 3), inplace=wrong))


def test_a_save_that_nobody_names_is_seen():
    with planted(lambda: elementwise("planted(x, y)", np.add, x=lambda g: g, y=lambda g: g)) as op:

        def call(T, x, y):
            out = op(x, y)
            out.grad_fn.op
            out._edge.x = x
            return out

        with pytest.raises(AssertionError, match="no needed rule names it"):
            grid.saves_only_what_it_names(Row("planted", call, [Input((2,)), Input((2,))]))


def test_a_rule_may_only_ask_for_what_there_is():
    with pytest.raises(TypeError, match="asks for 'z'"):
        elementwise("planted(x, y)", np.add, x=lambda g, z: g)
    with pytest.raises(TypeError, match="no input 'w'"):
        elementwise("planted(x, y)", np.add, rules={"w": lambda g: g})
    assert "planted" not in TABLE


def test_two_rows_of_one_name_are_refused():
    with pytest.raises(TypeError, match="two rows"):
        elementwise("mul(x, y)", np.multiply)


def test_complex_rule_with_a_conjugate_too_many():
    rule = lambda xp, g, y: g * xp.conj(y)
    with planted(lambda: elementwise("planted(x, y)", np.multiply, x=rule, y=lambda g, x: g * x)) as op:
        grid.first_order(row(op, (2, 3), (2, 3)))
        with pytest.raises(AssertionError, match="complex derivative"):
            grid.complex_first_order(row(op, (2, 3), (2, 3), complex=True))


# ------------------------------------------------------------------- transforms of functions
def flipped(batch, rule=lambda xp, g, dim: xp.planted(g, dim)):
    """An op that turns one dim round, with a batching rule and a rule to plant mistakes in."""
    return primitive("linear", "planted(x, *, dim)", lambda x, dim: np.flip(x, dim).copy(), x=rule, batch=batch)


def flipped_row(op):
    return Row("planted", lambda T, x: op(x, 0) ** 2, [Input((2, 3))])


TRANSFORMS = ("vmap", "vmap_of_grad", "grad_of_vmap", "forward_over_reverse")


def test_a_right_batching_rule_passes():
    with planted(lambda: flipped(along("dim"))) as op:
        for name in TRANSFORMS:
            grid.PROPERTIES[name](flipped_row(op))


@pytest.mark.parametrize(
    "batch",
    [
        lambda op, xs, on, params: bind(op, tuple(xs), params),
        lambda op, xs, on, params: bind(op, tuple(xs), (2,)),
        lambda op, xs, on, params: bind(op, tuple(xs), (1,)) * 1.001,
    ],
    ids=["the batch is flipped", "another dim", "one part in a thousand"],
)
@pytest.mark.parametrize("name", ["vmap", "vmap_of_grad", "grad_of_vmap"])
def test_wrong_batching_rule(batch, name):
    with planted(lambda: flipped(batch)) as op, pytest.raises(AssertionError, match="planted"):
        grid.PROPERTIES[name](flipped_row(op))


def test_a_batching_rule_that_forgets_which_input_is_mapped():
    def aligned_at_the_end(op, xs, on, params):
        return bind(op, tuple(xs), params)

    make = lambda: elementwise("planted(x, y)", np.multiply, x=lambda g, y: g * y, y=lambda g, x: g * x,
                               batch=aligned_at_the_end)  # fmt: skip
    with planted(make) as op:
        grid.vmap(row(op, (2, 3), (2, 3)))
        with pytest.raises((AssertionError, RuntimeError)):
            grid.vmap(row(op, (2, 3), (2,)))


def test_a_batching_rule_with_another_dtype():
    wrong = lambda op, xs, on, params: bind(op, tuple(xs), (1,)).float().double().float()
    with planted(lambda: flipped(wrong)) as op, pytest.raises(AssertionError, match="dtype"):
        grid.vmap(flipped_row(op))


def test_a_missing_batching_rule():
    with planted(lambda: flipped(None)) as op:
        for name in ("vmap", "vmap_of_grad", "grad_of_vmap"):
            with pytest.raises(UserWarning, match="performance drop"):
                grid.PROPERTIES[name](flipped_row(op))


def test_wrong_gradient_under_vmap_alone():
    """A rule of its own for tensors, which forgets that they may be one example of many."""
    rule = lambda xp, g, dim: xp.planted(g, dim) * (1 if xp is ARRAYS else 2)
    with planted(lambda: flipped(along("dim"), rule)) as op:
        grid.first_order(flipped_row(op))
        grid.vmap(flipped_row(op))
        with pytest.raises(AssertionError, match="of grad"):
            grid.vmap_of_grad(flipped_row(op))


def test_wrong_tangent_of_a_gradient():
    """The jvp of an op that only occurs in the gradient of another one."""
    wrong = lambda xp, xs, ts, out, params: ts[0] * 2
    make = lambda: primitive("opaque", "planted(x)", lambda x: x * 1, jvp=wrong, x=lambda g: g)
    with planted(make):
        outer = elementwise("planted_outer(x)", lambda x: x**3, x=lambda xp, g, x: g * 3 * xp.planted(x) ** 2)
        try:
            r = Row("planted", lambda T, x: outer(x), [Input((2, 3))])
            grid.second_order(r)
            with pytest.raises(AssertionError, match="forward over reverse"):
                grid.forward_over_reverse(r)
        finally:
            del TABLE["planted_outer"]
            delattr(ARRAYS, "planted_outer")
            delattr(TENSORS, "planted_outer")
