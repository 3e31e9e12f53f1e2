"""Custom functions under transforms: generated and written vmap rules, nesting, what is refused."""

from __future__ import annotations

import itertools
import math

import pytest
from against import REAL, raises, torch

Function = torch.autograd.Function
grad, jvp, vmap = torch.func.grad, torch.func.jvp, torch.func.vmap
DOUBLE = torch.float64


class Sine(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * Cosine.apply(x)

    @staticmethod
    def jvp(ctx, t):
        (x,) = ctx.saved_tensors
        return t * Cosine.apply(x)


class Cosine(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.cos()

    setup_context = Sine.setup_context

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return -g * Sine.apply(x)

    @staticmethod
    def jvp(ctx, t):
        (x,) = ctx.saved_tensors
        return -t * Sine.apply(x)


class Scale(Function):
    """x * w, the parameter k times, and a result without a gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, w, k):
        return x * w * k, (x > 0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, w, ctx.k = inputs
        ctx.save_for_backward(x, w)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx, g, _):
        x, w = ctx.saved_tensors
        return g * w * ctx.k, (g * x * ctx.k).sum(), None


class Cube(Function):
    """With a vmap rule of its own."""

    seen: list = []

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * g * x**2

    @staticmethod
    def vmap(info, in_dims, x):
        Cube.seen.append((info.batch_size, info.randomness))
        return Cube.apply(x), in_dims[0]


class Old(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2


def forward(f):
    return lambda x: jvp(f, (x,), (torch.ones_like(x),))[1]


def mapped(f):
    return lambda x: vmap(f)(torch.stack([x, x + 1]))[0]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_A_114_every_order_of_transforms(depth):
    if REAL and depth > 1:
        pytest.skip("PyTorch gives zero for forward mode over forward mode here, without a word")
    x = torch.tensor(0.7, dtype=DOUBLE)
    values = (math.sin, math.cos, lambda v: -math.sin(v), lambda v: -math.cos(v))
    for combination in itertools.product([grad, forward, mapped], repeat=depth):
        f, order = Sine.apply, 0
        for wrap in combination:
            f = wrap(f)
            order += wrap is not mapped
        assert abs(f(x).item() - values[order](0.7)) < 1e-12


def test_A_114_generated_rule_with_shared_inputs_and_several_outputs():
    x = torch.tensor([[1.0, -2.0], [3.0, 4.0], [0.0, 1.0]])
    w = torch.tensor(2.0)
    out, positive = vmap(Scale.apply, in_dims=(0, None, None))(x, w, 3)
    assert torch.equal(out, x * 6)
    assert torch.equal(positive, x > 0)
    gx, gw = grad(lambda x, w: vmap(Scale.apply, in_dims=(0, None, None))(x, w, 3)[0].sum(), (0, 1))(x, w)
    assert torch.equal(gx, torch.full_like(x, 6.0))
    assert gw.item() == 3 * x.sum().item()
    each = vmap(grad(lambda x, w: Scale.apply(x, w, 3)[0].sum(), (0, 1)), in_dims=(0, None))(x, w)
    assert torch.equal(each[1], 3 * x.sum(1))


@pytest.mark.skipif(REAL, reason="PyTorch counts the shared result once for each example")
def test_A_114_generated_rule_with_a_result_that_is_the_same_for_all():
    class Both(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, w):
            return x * w, w * 3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g, h):
            x, w = ctx.saved_tensors
            return g * w, g * x + h * 3

    def plain(x, w):
        return x * w, w * 3

    x, w = torch.tensor([1.0, 2.0, 4.0]), torch.tensor(5.0)

    def total(f):
        return lambda x, w: sum(t.sum() for t in vmap(f, in_dims=(0, None))(x, w))

    for got, expected in zip(grad(total(Both.apply), (0, 1))(x, w), grad(total(plain), (0, 1))(x, w), strict=True):
        assert torch.equal(got, expected)


def test_A_114_generated_rule_with_a_gradient_that_is_the_same_for_all():
    class Constant(Function):
        """A shift by w, whose backward takes the cotangents for ones."""

        generate_vmap_rule = True

        @staticmethod
        def forward(x, w):
            return x + w

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return g, torch.ones(())

    if not REAL:  # PyTorch does not count the examples
        x, w = torch.tensor([1.0, 2.0, 4.0]), torch.tensor(5.0)
        f = grad(lambda w: vmap(Constant.apply, in_dims=(0, None))(x, w).sum())
        assert f(w).item() == 3.0


def test_A_114_written_rule():
    Cube.seen.clear()
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert torch.equal(vmap(Cube.apply, in_dims=1, out_dims=1)(x), x**3)
    assert Cube.seen == [(3, "error")]
    assert torch.equal(vmap(grad(lambda t: Cube.apply(t).sum()), randomness="same")(x), 3 * x**2)
    assert Cube.seen[-1] == (2, "same")
    assert vmap(vmap(Cube.apply))(x).tolist() == (x**3).tolist()


def test_A_114_errors():
    x = torch.randn(3)
    text = "In order to use an autograd.Function with functorch transforms"
    with raises(RuntimeError, text):
        vmap(Old.apply)(x)

    class Missing(Cube):
        vmap = Function.vmap

    with raises(RuntimeError, "You tried to vmap over Missing, but it does not have vmap support."):
        vmap(Missing.apply)(x)

    class Both(Cube):
        generate_vmap_rule = True

    with raises(RuntimeError, "it has both generate_vmap_rule=True and an overridden vmap staticmethod"):
        vmap(Both.apply)(x)

    class NoDims(Cube):
        @staticmethod
        def vmap(info, in_dims, x):
            return x

    with raises(RuntimeError, "Expected the vmap staticmethod to have two returns"):
        vmap(NoDims.apply)(x)

    class BadDims(Cube):
        @staticmethod
        def vmap(info, in_dims, x):
            return x, (0, 0)

    with raises(RuntimeError, "returned an incompatible (output, out_dims) tuple"):
        vmap(BadDims.apply)(x)


@pytest.mark.skipif(REAL, reason="PyTorch wants setup_context here too")
def test_functions_of_the_old_style_under_grad_and_jvp():
    assert grad(Old.apply)(torch.tensor(1.0)).item() == 2.0

    class Both(Old):
        @staticmethod
        def jvp(ctx, t):
            return t * 2

    x = torch.tensor(1.0)
    assert jvp(Both.apply, (x,), (x,))[1].item() == 2.0
    assert jvp(grad(lambda t: Both.apply(t) * t), (x,), (x,))[1].item() == 4.0


def test_gradgradcheck_in_forward_mode_of_a_function_of_the_old_style():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            y = x**2
            ctx.save_for_backward(x, y)
            ctx.save_for_forward(x)
            return y

        @staticmethod
        def backward(ctx, g):
            x, _ = ctx.saved_tensors
            return g * 2 * x

        @staticmethod
        def jvp(ctx, t):
            (x,) = ctx.saved_tensors
            return 2 * x * t

    x = torch.tensor([0.3, -1.2], dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradgradcheck(Square.apply, (x,), check_fwd_over_rev=True)
    if not REAL:
        cube = grad(lambda t: (Square.apply(t) * t).sum())
        assert torch.allclose(jvp(cube, (x.detach(),), (torch.ones(2, dtype=DOUBLE),))[1], 6 * x)


def test_functions_inside_functions_under_vmap():
    class Outer(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return Sine.apply(x) * 2

        setup_context = Sine.setup_context

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * g * Cosine.apply(x)

    x = torch.tensor([0.1, 0.2], dtype=DOUBLE)
    assert torch.allclose(vmap(Outer.apply)(x), 2 * x.sin())
    assert torch.allclose(vmap(grad(Outer.apply))(x), 2 * x.cos())
    assert torch.allclose(vmap(grad(grad(Outer.apply)))(x), -2 * x.sin())
