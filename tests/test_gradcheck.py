"""gradcheck and gradgradcheck, contract rows A-100 to A-104; planted errors must be found."""

from __future__ import annotations

import importlib

import pytest
from against import NAME, raises, torch

Error = importlib.import_module(f"{NAME}.autograd.gradcheck").GradcheckError
gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck

MODES = pytest.mark.parametrize("fast", [False, True], ids=["slow", "fast"])


def leaf(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def function(forward, backward, jvp=None):
    """A Function of one saved argument with the rules given, right or wrong."""

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, g):
            return backward(g, ctx.saved_tensors[0])

    if jvp is not None:
        Planted.jvp = staticmethod(lambda ctx, t: jvp(t, ctx.saved_tensors[0]))
    return Planted.apply


half_slope = function(lambda x: x * x, lambda g, x: g * x)


# ------------------------------------------------------------------- what passes
@MODES
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda x: x**3, id="pow"),
        pytest.param(lambda x: x.exp().sum(), id="scalar"),
        pytest.param(lambda x: (x * 2, x.sum()), id="two outputs"),
        pytest.param(lambda x: x[1:], id="slice"),
        pytest.param(lambda x: (x * 2, x.argmax()), id="an integer output"),
        pytest.param(lambda x: x.clone().mul_(2), id="in place"),
        pytest.param(lambda x: x * 2, id="linear"),
        pytest.param(lambda x: torch.outer(x, x), id="matrix"),
    ],
)
def test_A_100_right_derivatives_pass(call, fast):
    assert gradcheck(call, (leaf(1.0, 2.0, 3.0),), fast_mode=fast)
    assert gradgradcheck(call, (leaf(1.0, 2.0, 3.0),), fast_mode=fast)


@MODES
def test_A_100_inputs(fast):
    x, y = leaf(1.0, 2.0, 3.0), leaf(4.0, 5.0)
    assert gradcheck(lambda x: x**2, x, fast_mode=fast)
    assert gradcheck(lambda x: x**2, [x], fast_mode=fast)
    assert gradcheck(lambda x, y: (x.sum() * y, y * 2), (x, y), fast_mode=fast)
    assert gradcheck(lambda x, k: x * k, (x, 3.0), fast_mode=fast)
    assert gradcheck(lambda x, i: x[i], (x, torch.tensor([0, 1])), fast_mode=fast)
    assert gradcheck(lambda x: x * 2, (torch.zeros(0, dtype=torch.float64, requires_grad=True),))
    assert x.tolist() == [1.0, 2.0, 3.0]
    assert x.grad is None


@MODES
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda z: z * z, id="holomorphic"),
        pytest.param(lambda z: z.abs(), id="real output"),
        pytest.param(lambda z: z.conj() * z, id="with a conjugate"),
        pytest.param(lambda z: z.real, id="real part"),
    ],
)
def test_A_100_complex(call, fast):
    z = leaf(1 + 2j, 3 - 1j, dtype=torch.complex128)
    assert gradcheck(call, (z,), fast_mode=fast)
    assert gradgradcheck(call, (z,), fast_mode=fast)
    assert gradcheck(call, (z,), check_forward_ad=True, fast_mode=fast)


@MODES
def test_A_100_real_to_complex(fast):
    assert gradcheck(lambda x: torch.complex(x, x * 2), (leaf(1.0, 2.0),), fast_mode=fast)


@MODES
def test_A_100_forward_mode(fast):
    x = leaf(1.0, 2.0, 3.0)
    assert gradcheck(lambda x: x.sin() * x.sum(), (x,), check_forward_ad=True, fast_mode=fast)
    assert gradgradcheck(lambda x: x**3, (x,), check_fwd_over_rev=True, fast_mode=fast)
    assert gradgradcheck(
        lambda x: x**3, (x,), check_fwd_over_rev=True, check_rev_over_rev=False,
        check_undefined_grad=False, fast_mode=fast,
    )  # fmt: skip


def test_A_101_cotangents():
    x = leaf(1.0, 2.0, 3.0)
    assert gradgradcheck(lambda x: x**3, (x,), (leaf(1.0, 1.0, 1.0),))
    assert gradgradcheck(lambda x: x**3, (x,), leaf(1.0, 1.0, 1.0))
    assert gradgradcheck(lambda x: x**3, (x,), gen_non_contig_grad_outputs=True)


# ------------------------------------------------------------------- what must be found
def test_A_100_the_message_shows_both_jacobians():
    with raises(
        Error,
        "Jacobian mismatch for output 0 with respect to input 0,\n"
        "numerical:tensor([[2.0000, 0.0000, 0.0000],\n"
        "        [0.0000, 4.0000, 0.0000],\n"
        "        [0.0000, 0.0000, 6.0000]], dtype=torch.float64)\n"
        "analytical:tensor([[1., 0., 0.],\n"
        "        [0., 2., 0.],\n"
        "        [0., 0., 3.]], dtype=torch.float64)\n",
    ):
        gradcheck(half_slope, (leaf(1.0, 2.0, 3.0),))


@MODES
def test_A_100_which_input(fast):
    x, z = leaf(1.0, 2.0), leaf(1.0, 2.0)
    with raises(Error, "Jacobian mismatch for output 0 with respect to input 1,"):
        gradcheck(lambda x, z: half_slope(z) + x, (x, z), fast_mode=fast)
    with raises(Error, "Jacobian mismatch for output 1 with respect to input 0,"):
        gradcheck(lambda x: (x * 1, half_slope(x)), (x,), fast_mode=fast)


@MODES
def test_A_100_a_return_value_instead_of_an_error(fast):
    x = leaf(1.0, 2.0)
    assert gradcheck(half_slope, (x,), raise_exception=False, fast_mode=fast) is False
    assert gradcheck(half_slope, (x,), atol=10.0, fast_mode=fast)


def test_A_104_fast_mode_shows_the_slow_jacobians():
    with raises(
        Error,
        "Jacobian mismatch for output 0 with respect to input 0,",
        "in fast mode",
        "in slow mode:",
        "Numerical:\n tensor([[2.0000, 0.0000],",
        "Analytical:\ntensor([[1., 0.],",
        "The max per-element difference (slow mode) is: 2.0",
    ):
        gradcheck(half_slope, (leaf(1.0, 2.0),), fast_mode=True)


@MODES
@pytest.mark.parametrize(
    ("call", "point"),
    [
        pytest.param(function(lambda x: x * x, lambda g, x: None), [1.0, 2.0], id="None"),
        pytest.param(
            function(lambda x: x * x, lambda g, x: 2 * g * x + 1), [1.0, 2.0], id="constant"
        ),
        pytest.param(lambda x: x * float("nan"), [1.0, 2.0], id="nan"),
        pytest.param(lambda x: x.floor() + x.detach(), [0.5, 1.5], id="cut off"),
    ],
)
def test_A_100_wrong_derivatives_are_found(call, point, fast):
    with pytest.raises(Error):
        gradcheck(call, (leaf(*point),), fast_mode=fast)


@MODES
def test_A_100_outputs_without_history(fast):
    with raises(Error, "Numerical gradient for function expected to be zero"):
        gradcheck(lambda x: x.detach(), (leaf(1.0, 2.0),), fast_mode=fast)
    assert gradcheck(lambda x: torch.ones(2), (leaf(1.0, 2.0),), fast_mode=fast)


@MODES
def test_A_100_wrong_complex_derivatives_are_found(fast):
    z = leaf(1 + 2j, 3 - 1j, dtype=torch.complex128)
    unconjugated = function(lambda z: z * z, lambda g, z: 2 * g * z)
    with raises(
        Error, "While considering the imaginary part of complex outputs only, Jacobian mismatch"
    ):
        gradcheck(unconjugated, (z,), fast_mode=fast)
    real_only = function(lambda x: torch.complex(x, x * 2), lambda g, x: g.real)
    with raises(Error, "While considering the imaginary part of complex outputs only,"):
        gradcheck(real_only, (leaf(1.0, 2.0),), fast_mode=fast)


@MODES
def test_A_100_wrong_tangents_are_found(fast):
    wrong = function(lambda x: x * x, lambda g, x: 2 * g * x, lambda t, x: t * x)
    x = leaf(1.0, 2.0)
    assert gradcheck(wrong, (x,), fast_mode=fast)
    for options in ({}, {"check_backward_ad": False}):
        with raises(Error, "Jacobian computed with forward mode mismatch for output 0"):
            gradcheck(wrong, (x,), check_forward_ad=True, fast_mode=fast, **options)


@MODES
def test_A_100_backward_must_be_deterministic(fast):
    noise = iter(range(1, 1000))
    unsteady = function(lambda x: x * x, lambda g, x: 2 * g * x * (1 + 1e-8 * next(noise)))
    with raises(Error, "Backward is not reentrant", "The tolerance for nondeterminism was 0.0."):
        gradcheck(unsteady, (leaf(1.0, 2.0),), fast_mode=fast)
    assert gradcheck(unsteady, (leaf(1.0, 2.0),), nondet_tol=1e-4, fast_mode=fast)


@pytest.mark.parametrize("check", [True, False])
def test_A_100_missing_cotangents(check):
    class Pair(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, g, h):
            return g + 2 * h

    with pytest.raises((Error, TypeError)):
        gradcheck(Pair.apply, (leaf(1.0, 2.0),), check_undefined_grad=check)


@MODES
def test_A_101_wrong_second_derivatives_are_found(fast):
    cut = function(lambda x: x**3, lambda g, x: 3 * g * x.detach() ** 2)
    x = leaf(1.0, 2.0)
    assert gradcheck(cut, (x,), fast_mode=fast)
    with raises(Error, "Jacobian mismatch for output 0 with respect to input 0,"):
        gradgradcheck(cut, (x,), fast_mode=fast)
    assert gradgradcheck(cut, (x,), raise_exception=False, fast_mode=fast) is False


def test_A_132_saved_intermediates_are_found():
    """PyTorch's second derivative is silently wrong, and gradgradcheck finds it; here it is refused."""

    class Intermediate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            square = x * x
            ctx.save_for_backward(square)
            return square * x

        @staticmethod
        def backward(ctx, g):
            return 3 * g * ctx.saved_tensors[0]

    assert gradcheck(Intermediate.apply, (leaf(1.0, 2.0),))
    with pytest.raises(RuntimeError):
        gradgradcheck(Intermediate.apply, (leaf(1.0, 2.0),))


# ------------------------------------------------------------------- what is refused
def test_A_100_refusals():
    x = leaf(1.0, 2.0)
    with raises(ValueError, "gradcheck expects at least one input tensor to require gradient"):
        gradcheck(lambda x: x, (x.detach(),))
    with raises(AssertionError, "Expected at least one of check_forward_ad or check_backward_ad"):
        gradcheck(lambda x: x, (x,), check_backward_ad=False)
    spread = torch.ones(1, dtype=torch.float64).expand(3).detach().requires_grad_()
    with raises(RuntimeError, "The 0th input has a dimension with stride 0."):
        gradcheck(lambda x: x**2, (spread,))


def test_A_100_float32_warns():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(
        UserWarning, match="Input #0 requires gradient and is not a double precision floating point"
    ):
        assert gradcheck(lambda x: x * 2, (x,), eps=1e-2, atol=1e-2)


def test_errors_of_the_function_come_through():
    def fails(x):
        raise ValueError("boom")

    with raises(ValueError, "boom"):
        gradcheck(fails, (leaf(1.0, 2.0),))


@pytest.mark.wengert_only
def test_the_inputs_are_restored_after_an_error():
    x = leaf(1.0, 2.0)
    calls = iter(range(100))

    def fails_later(x):
        if next(calls) == 2:
            raise ValueError("boom")
        return x * 2

    with raises(ValueError, "boom"):
        gradcheck(fails_later, (x,))
    assert x.tolist() == [1.0, 2.0]


def test_the_random_stream_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3).tolist()
    torch.manual_seed(0)
    gradcheck(lambda x: x**3, (leaf(1.0, 2.0),), fast_mode=True)
    assert torch.rand(3).tolist() == expected
