"""The options of gradcheck and gradgradcheck, one by one: each finds what is planted for it.

And the helpers of row A-103.
"""

from __future__ import annotations

import importlib
import warnings

import pytest
from against import NAME, raises, torch

module = importlib.import_module(f"{NAME}.autograd.gradcheck")
Error = module.GradcheckError
gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck
MODES = pytest.mark.parametrize("fast", [False, True], ids=["slow", "fast"])


def leaf(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def made(backward=None, jvp=None, forward=None, materialize=True, vmap=False):
    """A Function with these rules; those that are left out are right for 2 x."""

    class Made(torch.autograd.Function):
        generate_vmap_rule = vmap

        @staticmethod
        def forward(*args):
            return forward(*args) if forward else args[0] * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.set_materialize_grads(materialize)
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

    Made.backward = staticmethod(backward or (lambda ctx, g: g * 2))
    Made.jvp = staticmethod(jvp or (lambda ctx, t: t * 2))
    return Made.apply


# ------------------------------------------------------------------- dtypes
@MODES
@pytest.mark.parametrize("check", [True, False])
def test_A_100_check_grad_dtypes(check, fast):
    complex_tangent = made(jvp=lambda ctx, t: t * 2 + 0j)
    x = leaf(1.0, 2.0)
    options = {"check_forward_ad": True, "check_grad_dtypes": check, "fast_mode": fast}
    assert gradcheck(made(), (x,), **options)
    if check:
        with raises(Error, "Forward AD gradient has dtype mismatch."):
            gradcheck(complex_tangent, (x,), **options)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of the imaginary part it drops
            assert gradcheck(complex_tangent, (x,), check_undefined_grad=False, **options)


def test_hooks_must_keep_the_dtype():
    def hooked(x):
        y = x.clone()
        y.register_hook(lambda g: g.float())
        return y

    with raises(
        RuntimeError, "hook '<lambda>' has changed the type of value (was torch.DoubleTensor"
    ):
        gradcheck(hooked, (leaf(1.0),))


# ------------------------------------------------------------------- proportional to its cotangent
def test_A_100_backward_must_be_multiplied_by_its_cotangent():
    deaf = made(backward=lambda ctx, g: torch.full_like(g, 2.0))
    for check in (True, False):
        with raises(Error, "backward not multiplied by grad_output"):
            gradcheck(deaf, (leaf(1.0),), check_undefined_grad=check)
    assert gradcheck(deaf, (leaf(1.0),), raise_exception=False) is False


# ------------------------------------------------------------------- undefined gradients
def pair(backward):
    """x, 2 x with a backward of two cotangents, either of which may be None."""
    return made(
        backward, forward=lambda x: (x * 1, x * 2), materialize=False,
        jvp=lambda ctx, t: (t * 1, t * 2),
    )  # fmt: skip


def test_A_100_check_undefined_grad_of_every_output():
    def constant(ctx, g, h):
        if g is None and h is None:
            return torch.ones(2, dtype=torch.float64)
        return (0 if g is None else g) + (0 if h is None else 2 * h)

    x = leaf(1.0, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says that the check is new
        with raises(
            Error, "Expected all input grads to be undefined or zero when all output grads"
        ):
            gradcheck(pair(constant), (x,))
    assert gradcheck(pair(constant), (x,), check_undefined_grad=False)


def test_A_100_check_undefined_grad_of_one_output():
    def right(ctx, g, h):
        if g is None and h is None:
            return None
        return (0 if g is None else g) + (0 if h is None else 2 * h)

    def fails(ctx, g, h):
        if g is None and h is None:
            raise RuntimeError("no gradients")
        return right(ctx, g, h)

    x = leaf(1.0, 2.0)
    assert gradcheck(pair(right), (x,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says that the check is new
        with raises(Error, "Expected backward function to handle undefined output grads"):
            gradcheck(pair(fails), (x,))
    assert gradcheck(pair(fails), (x,), check_undefined_grad=False)


def test_A_100_check_undefined_tangents():
    def jvp(wrong):
        def push(ctx, s, t):
            x, y = ctx.saved_tensors
            if s is None:
                return x * t + wrong
            return y * s if t is None else y * s + x * t

        return push

    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return (None, None) if g is None else (g * y, g * x)

    def product(wrong):
        return made(backward, jvp(wrong), forward=lambda x, y: x * y, materialize=False)

    points = leaf(1.0, 2.0), leaf(3.0, 4.0)
    assert gradcheck(product(0), points, check_forward_ad=True)
    for backward_too in (True, False):
        with pytest.raises(Error, match="Mismatch in tangent values for output with index"):
            gradcheck(product(1), points, check_forward_ad=True, check_backward_ad=backward_too)
    assert gradcheck(product(1), points, check_forward_ad=True, check_undefined_grad=False)


# ------------------------------------------------------------------- batches
@MODES
def test_A_100_check_batched_grad(fast):
    x, y = leaf(1.0, 2.0, 3.0), leaf(4.0, 5.0)
    options = {"check_batched_grad": True, "fast_mode": fast}
    assert gradcheck(lambda x: x.sin() * x.sum(), (x,), **options)
    assert gradcheck(lambda x, y: (torch.outer(x, y), y.exp()), (x, y), **options)
    assert gradcheck(
        lambda x, y: (torch.outer(x, y), y.exp()), (x, y), check_forward_ad=True,
        check_batched_forward_grad=True, **options,
    )  # fmt: skip
    assert gradgradcheck(lambda x: x.sin() * x.sum(), (x,), **options)


@pytest.mark.wengert_only  # PyTorch fails an internal assertion
def test_A_100_batched_complex():
    z = leaf(1 + 2j, 3 - 1j, dtype=torch.complex128)
    options = {"check_batched_grad": True, "check_forward_ad": True}
    assert gradcheck(lambda z: z * z.conj().sum(), (z,), check_batched_forward_grad=True, **options)


def by_value(g):
    """Branches on a value, which vmap can't."""
    return g * 2 if g.sum().item() < 1e9 else g


def test_A_100_batched_gradients_that_need_values():
    x = leaf(1.0, 2.0)
    for f in (made(lambda ctx, g: by_value(g), vmap=True),):
        assert gradcheck(f, (x,))
        with raises(Error, "While computing batched gradients, got:"):
            gradcheck(f, (x,), check_batched_grad=True)
    f = made(jvp=lambda ctx, t: by_value(t), vmap=True)
    assert gradcheck(f, (x,), check_forward_ad=True)
    with raises(Error, "While computing batched gradients, got:"):
        gradcheck(f, (x,), check_forward_ad=True, check_batched_forward_grad=True)


@pytest.mark.wengert_only  # the vmap of PyTorch's check knows no vmap staticmethods
def test_A_100_batched_gradients_that_are_wrong():
    """Right for one cotangent at a time: only the batch shows it."""

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return Scaled.apply(g)

        @staticmethod
        def jvp(ctx, t):
            return Scaled.apply(t)

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def vmap(info, in_dims, x):
            return x * 3, in_dims[0]

    x = leaf(1.0, 2.0)
    assert gradcheck(Doubled.apply, (x,), check_forward_ad=True)
    with raises(Error, "For output 0 and input 0:", "Got:", "Expected:"):
        gradcheck(Doubled.apply, (x,), check_batched_grad=True)
    with raises(Error, "For output 0 and input 0:", "Got:", "Expected:"):
        gradcheck(Doubled.apply, (x,), check_forward_ad=True, check_batched_forward_grad=True)
    assert gradcheck(Doubled.apply, (x,), check_batched_grad=True, raise_exception=False) is False


def test_A_100_batched_forward_gradients_need_forward_mode():
    with raises(
        AssertionError, "Setting check_batched_forward_grad=True requires check_forward_ad"
    ):
        gradcheck(lambda x: x, (leaf(1.0),), check_batched_forward_grad=True)


def test_A_100_masked_has_no_effect_on_dense_tensors():
    assert gradcheck(lambda x: x**2, (leaf(1.0),), masked=True)
    assert gradcheck(lambda x: x**2, (leaf(1.0),), masked=False)
    assert gradgradcheck(lambda x: x**2, (leaf(1.0),), masked=True)


def test_A_104_fast_mode_takes_fewer_evaluations():
    def evaluations(check, **options):
        calls = []

        def f(x):
            calls.append(0)
            return x**3

        assert check(f, (leaf(*range(1, 11)),), **options)
        return len(calls)

    for check in (gradcheck, gradgradcheck):
        assert evaluations(check, fast_mode=True) < 12 < 20 < evaluations(check)


# ------------------------------------------------------------------- second order
@MODES
def test_A_101_modes_of_the_second_order(fast):
    """A rule of backward with a wrong jvp: forward over reverse finds it, reverse over reverse not."""
    forward_only = {
        "check_fwd_over_rev": True, "check_rev_over_rev": False, "check_undefined_grad": False,
    }  # fmt: skip
    double = made(jvp=lambda ctx, t: t * 5)
    outer = made(lambda ctx, g: double(g))
    x = leaf(1.0, 2.0)
    assert gradgradcheck(outer, (x,), fast_mode=fast)
    with raises(Error, "Jacobian computed with forward mode mismatch"):
        gradgradcheck(outer, (x,), check_fwd_over_rev=True, fast_mode=fast)
    with raises(Error, "Jacobian computed with forward mode mismatch"):
        gradgradcheck(outer, (x,), fast_mode=fast, **forward_only)
    wrong = made(lambda ctx, g: made(lambda ctx, h: h * 5)(g))
    with raises(Error, "Jacobian mismatch for output 0 with respect to input"):
        gradgradcheck(wrong, (x,), fast_mode=fast)
    assert gradgradcheck(wrong, (x,), fast_mode=fast, **forward_only)
    for option in ("check_undefined_grad", "check_batched_grad"):
        with raises(
            AssertionError, f"Setting {option}=True requires check_rev_over_rev to be True"
        ):
            gradgradcheck(outer, (x,), **{**forward_only, option: True})


def test_A_101_options_reach_the_second_order():
    x = leaf(1.0, 2.0)
    off = lambda x: x**3 + (x**3 - (x**3).detach()) * 1e-3 * x.detach()
    with pytest.raises(Error):
        gradgradcheck(off, (x,), rtol=1e-9, atol=1e-9)
    assert gradgradcheck(off, (x,), rtol=1.0, atol=1.0)
    noise = iter(range(1, 10000))
    unsteady = made(lambda ctx, g: made(lambda ctx, h: h * (2 + 1e-9 * next(noise)))(g))
    with raises(Error, "Backward is not reentrant"):
        gradgradcheck(unsteady, (x,))
    assert gradgradcheck(unsteady, (x,), nondet_tol=1e-3)


# ------------------------------------------------------------------- functions that change
def test_A_100_outputs_must_keep_shape_and_dtype():
    def changing(other):
        calls = iter(range(9))
        return lambda x: other(x * 2) if next(calls) > 1 else x * 2

    x = leaf(1.0, 2.0)
    for what, other in (
        ("shape", lambda y: y[:1]),
        ("dtype", lambda y: y.float()),
    ):
        with raises(
            AssertionError, f"Expected `func` to return outputs with the same {what} when inputs are",
        ):  # fmt: skip
            gradcheck(changing(other), (x,))


# ------------------------------------------------------------------- the old helpers
def old(name, *args, **kwargs):
    with pytest.warns(FutureWarning, match=f"`{name}` was part of PyTorch's private API"):
        return getattr(module, name)(*args, **kwargs)


def rounded(results):
    return [r.round().tolist() for r in results]


def test_A_103_numerical_jacobians():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0, 5.0)
    f = lambda inputs: (inputs[0].sum() * inputs[1], inputs[0] ** 2)
    want = [[[3, 4, 5], [3, 4, 5]], [[3, 0, 0], [0, 3, 0], [0, 0, 3]]]
    assert rounded(old("get_numerical_jacobian", f, (x, y))) == want
    assert rounded(old("get_numerical_jacobian", f, (x, y), target=(y,), eps=1e-6)) == want[1:]
    with raises(ValueError, "Expected grad_out to be 1.0."):
        old("get_numerical_jacobian", f, (x, y), grad_out=2.0)
    with raises(ValueError, "Expected output to be non-complex."):
        old("get_numerical_jacobian", lambda inputs: inputs[0] * 1j, (x,))
    assert x.tolist() == [1.0, 2.0]


def test_A_103_one_input():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0, 5.0)
    specific = module.get_numerical_jacobian_wrt_specific_input
    f = lambda x, y: (x.sum() * y, x**2)
    assert rounded(specific(f, 0, (x, y), f(x, y), 1e-6)) == [
        [[3, 4, 5], [3, 4, 5]],
        [[2, 0], [0, 4]],
    ]
    with raises(AssertionError, "Expected input to have requires_grad=True"):
        specific(f, 0, (x.detach(), y), f(x, y), 1e-6)
    z = leaf(1 + 2j, dtype=torch.complex128)
    (d,) = specific(lambda z: (z.abs() ** 2,), 0, (z,), (z.abs() ** 2,), 1e-6)
    assert d.item() == pytest.approx(2 + 4j)


def test_A_103_analytical_jacobians():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0, 5.0)
    found, *checks = old("get_analytical_jacobian", (x, y), x.sum() * y)
    assert rounded(found) == [[[3, 4, 5], [3, 4, 5]], [[3, 0, 0], [0, 3, 0], [0, 0, 3]]]
    assert checks == [True, True, True]
    (unused, _), *_ = old("get_analytical_jacobian", (x, y), y * 2)
    assert unused.tolist() == [[0, 0, 0], [0, 0, 0]]
    noise = iter(range(1, 100))
    unsteady = made(lambda ctx, g: g * (2 + 1e-3 * next(noise)))
    assert old("get_analytical_jacobian", (x,), unsteady(x))[1:] == (False, True, True)
    assert old("get_analytical_jacobian", (x,), unsteady(x), nondet_tol=1.0)[1:] == (True,) * 3
    with raises(ValueError, "Expected grad_out to be 1.0."):
        old("get_analytical_jacobian", (x,), x, grad_out=2.0)
    with raises(ValueError, "Expected output to be non-complex."):
        old("get_analytical_jacobian", (x,), x * 1j)
