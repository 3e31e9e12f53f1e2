"""wengert.testing.check_grads: derivatives of any order, in every composition of the modes."""

from __future__ import annotations

import pytest

import wengert as torch
from wengert.testing import check_grads

pytestmark = pytest.mark.wengert_only


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


class Planted(torch.autograd.Function):
    """sin, with rules in which the derivative of order `wrong` of one mode is 1 % off."""

    wrong, mode, generate_vmap_rule = 0, "", True

    @staticmethod
    def forward(x, order):
        return (x.sin(), x.cos(), -x.sin(), -x.cos())[order % 4]

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.order = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def slope(ctx, mode):
        (x,) = ctx.saved_tensors
        right = Planted.apply(x, ctx.order + 1)
        return right * 1.01 if (Planted.mode, Planted.wrong) == (mode, ctx.order + 1) else right

    @staticmethod
    def backward(ctx, g):
        return g * Planted.slope(ctx, "rev"), None

    @staticmethod
    def jvp(ctx, t, _):
        return t * Planted.slope(ctx, "fwd")


@pytest.fixture
def planted():
    yield Planted
    Planted.wrong, Planted.mode = 0, ""


# ------------------------------------------------------------------- what passes
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("modes", ["fwd", "rev", ("fwd", "rev")], ids=str)
def test_X_011_right_derivatives_pass(order, modes):
    x, y = doubles(0.3, 0.7), doubles(1.2)
    check_grads(lambda x, y: (x * y).sin().sum() * x.exp() / y, (x, y), order, modes)


def test_X_011_containers_and_constants():
    def f(p, k, *, scale=2.0):
        assert k == 3
        return {"a": p["w"] @ p["b"][0] * k, "n": 7, "s": p["b"][0].sum() * scale + p["i"].sum()}

    p = {"w": torch.rand(2, 2, dtype=torch.float64), "b": [doubles(1.0, 2.0)], "i": torch.arange(3)}
    check_grads(f, (p, 3), order=2)


def test_X_011_complex():
    z = torch.tensor([0.3 + 0.4j, 1.0 - 2.0j], dtype=torch.complex128)
    check_grads(lambda z: (z * z.conj().sum(), z.abs()), (z,), order=2)


def test_X_011_lower_precision():
    x = torch.tensor([0.3, 0.7])
    check_grads(lambda x: (x.sin() * x).exp(), (x,), order=2)
    with pytest.raises(AssertionError):
        check_grads(lambda x: (x.sin() * x).exp(), (x,), order=2, atol=1e-9, rtol=1e-9)
    check_grads(lambda x: x**3, (doubles(1.0),), eps=1.0, atol=1.0, rtol=1.0)


def test_X_011_the_inputs_and_the_random_stream_are_left_alone():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    x = doubles(0.3).requires_grad_()
    check_grads(torch.exp, (x,), order=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert (x.item(), x.grad) == (0.3, None)


# ------------------------------------------------------------------- what must be found
@pytest.mark.parametrize("wrong", [1, 2, 3])
@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_X_011_a_wrong_rule_is_found_at_its_order(planted, wrong, mode):
    planted.wrong, planted.mode = wrong, mode
    f, x = (lambda x: Planted.apply(x, 0)), doubles(0.4, 0.9)
    if wrong > 1:
        check_grads(f, (x,), order=wrong - 1, modes=mode)
    with pytest.raises(AssertionError, match=rf"a derivative of order {wrong} \({mode}"):
        check_grads(f, (x,), order=3, modes=mode)


def test_X_011_the_message_names_the_composition(planted):
    planted.wrong, planted.mode = 2, "rev"
    f, x = (lambda x: Planted.apply(x, 0)), doubles(0.4, 0.9)
    with pytest.raises(
        AssertionError, match=r"order 2 \(rev over fwd\) is wrong: the product of the vjp"
    ):
        check_grads(f, (x,), order=2)


@pytest.mark.parametrize(
    "f",
    [
        pytest.param(lambda x: x.exp().detach() * x, id="cut off"),
        pytest.param(lambda x: x * float("nan"), id="nan"),
        pytest.param(lambda x: torch.where(x > 0, (x - x).sqrt(), x), id="nan in a gradient"),
    ],
)
def test_X_011_wrong_derivatives_are_found(f):
    for modes in ("fwd", "rev"):
        with pytest.raises(AssertionError, match="a derivative of order 1"):
            check_grads(f, (doubles(0.4, 0.9),), modes=modes)


# ------------------------------------------------------------------- what is refused
def test_X_011_refusals():
    x = doubles(1.0)
    for modes in ("x", (), ("fwd", "x")):
        with pytest.raises(ValueError, match="modes must be 'fwd', 'rev' or both"):
            check_grads(torch.exp, (x,), modes=modes)
    with pytest.raises(ValueError, match="order must be at least 1, not 0"):
        check_grads(torch.exp, (x,), order=0)
    with pytest.raises(ValueError, match="no argument is a tensor of a floating point dtype"):
        check_grads(torch.exp, (torch.arange(3), 1.0))
