"""Custom functions under higher derivatives, forward mode and the collector: A-113, A-131, A-132."""

from __future__ import annotations

import gc
import weakref

import pytest
from against import REAL, leaf, raises, torch

Function = torch.autograd.Function
once_differentiable = torch.autograd.function.once_differentiable


class Cube(Function):
    """The cube, with everything it needs saved."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2


def returning(value):
    """A Function of one argument whose backward returns `value(g)`."""

    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return value(g)

    return Bad


# ------------------------------------------------------------------- higher derivatives
def test_A_131_once_differentiable_refuses_a_second_derivative():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            assert not torch.is_grad_enabled()
            return 2 * ctx.saved_tensors[0] * g

    x = leaf(2)
    assert torch.autograd.grad(Square.apply(x).sum(), x)[0].tolist() == [2.0, 2.0]
    u = leaf(2)
    (g,) = torch.autograd.grad(Square.apply(x), x, u, create_graph=True)
    with raises(
        RuntimeError,
        "trying to differentiate twice a function that was marked with @once_differentiable",
    ):
        g.sum().backward()


def test_A_132_double_backward_through_the_users_backward():
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    (g,) = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    assert g.tolist() == [12.0, 27.0]
    (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    assert h.tolist() == [12.0, 18.0]
    assert torch.autograd.grad(h.sum(), x)[0].tolist() == [6.0, 6.0]


def test_A_132_double_backward_through_a_saved_output():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Exp.apply, (x,))
    assert torch.autograd.gradgradcheck(Exp.apply, (x,))


def test_A_132_a_saved_intermediate_gives_a_wrong_second_derivative():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            square = x * x
            ctx.save_for_backward(square)
            return square * x

        @staticmethod
        def backward(ctx, g):
            return 3 * g * ctx.saved_tensors[0]

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Wrong.apply, (x,))
    if REAL:
        assert not torch.autograd.gradgradcheck(Wrong.apply, (x,), raise_exception=False)
    else:  # said at once: see test_function_kept
        with raises(RuntimeError, "the second derivative of Wrong goes through a tensor"):
            torch.autograd.gradgradcheck(Wrong.apply, (x,))


def test_backward_inside_backward():
    def inner(g):
        with torch.enable_grad():
            y = torch.ones(2, requires_grad=True)
            (y * y).sum().backward()
        return g * y.grad

    x = leaf(2)
    assert torch.autograd.grad(returning(inner).apply(x).sum(), x)[0].tolist() == [2.0, 2.0]


def test_only_the_outputs_in_use_are_needed():
    class Pair(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a * 1, b * 1

        @staticmethod
        def backward(ctx, g, h):
            return g, h

    a, b = leaf(2), leaf(2)
    out, _ = Pair.apply(a, b)
    found = torch.autograd.grad(out.sum(), [a, b])
    assert [g.tolist() for g in found] == [[1.0, 1.0], [0.0, 0.0]]


def test_complex_gradients_follow_pytorchs_convention():
    seen = []

    class Square(Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            return z * z

        @staticmethod
        def backward(ctx, g):
            seen.append(g.tolist())
            return g * (2 * ctx.saved_tensors[0]).conj()

    z = torch.tensor([1 + 2j], requires_grad=True)
    (g,) = torch.autograd.grad(Square.apply(z), z, torch.tensor([1j]))
    assert seen == [[1j]]
    assert g.tolist() == [4 + 2j]
    assert g.tolist() == torch.autograd.grad(z * z, z, torch.tensor([1j]))[0].tolist()


# ------------------------------------------------------------------- forward mode
class Product(Function):
    """x * y * k with a forward rule."""

    @staticmethod
    def forward(ctx, x, y, k):
        ctx.save_for_forward(x, y)
        ctx.k = k
        return x * y * k

    @staticmethod
    def jvp(ctx, tx, ty, tk):
        assert tk is None
        x, y = ctx.saved_tensors
        return ctx.k * (tx * y + ty * x)


def dual_of(value, tangent):
    fw = torch.autograd.forward_ad
    return fw.make_dual(torch.tensor(value), torch.tensor(tangent))


def test_A_113_jvp():
    fw = torch.autograd.forward_ad
    with fw.dual_level():
        x = dual_of([1.0, 2.0], [1.0, 1.0])
        y = torch.tensor([3.0, 4.0])
        value, slope = fw.unpack_dual(Product.apply(x, y, 3))
    assert value.tolist() == [9.0, 24.0]
    assert slope.tolist() == [9.0, 12.0]


def test_A_113_jvp_is_checked():
    class NoJvp(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    def with_jvp(rule):
        return type("With", (NoJvp,), {"jvp": staticmethod(lambda ctx, t: rule(t))})

    fw = torch.autograd.forward_ad
    with fw.dual_level():
        x = dual_of([1.0, 2.0], [1.0, 1.0])
        with raises(NotImplementedError, "You must implement the jvp function"):
            NoJvp.apply(x)
        with raises(RuntimeError, "Tensor is of size [2]", "forward gradient is of size [1]"):
            with_jvp(lambda t: t[:1]).apply(x)
        with raises(RuntimeError, "expected Variable or None (got float) for grad output 0."):
            with_jvp(lambda t: 3.0).apply(x)
        with raises(
            RuntimeError,
            "Function's jvp returned an invalid number of forward gradients (expected 1 but got 2)",
        ):
            with_jvp(lambda t: (t, t)).apply(x)


def test_A_113_jvp_of_views_and_in_place_functions():
    def flip(rule):
        class Column(Function):
            @staticmethod
            def forward(ctx, x):
                return x.view(2, 1)

            @staticmethod
            def jvp(ctx, t):
                return rule(t)

        return Column

    def twice(rule):
        class Twice_(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.mark_dirty(x)
                return x.mul_(2)

            @staticmethod
            def jvp(ctx, t):
                return rule(t)

        return Twice_

    fw = torch.autograd.forward_ad
    with fw.dual_level():
        x = dual_of([1.0, 2.0], [1.0, 3.0])
        assert fw.unpack_dual(flip(lambda t: t.view(2, 1)).apply(x)).tangent.tolist() == [
            [1.0],
            [3.0],
        ]
        with raises(RuntimeError, "forward is returning a view", "jvp is not returning a view."):
            flip(lambda t: t.view(2, 1) * 2).apply(x)
        y = twice(lambda t: t.mul_(2)).apply(x)
        assert y is x
        assert fw.unpack_dual(y).tangent.tolist() == [2.0, 6.0]
        with raises(
            RuntimeError, "An inplace custom Function is not", "the jvp function must modify"
        ):
            twice(lambda t: t * 2).apply(x)


def test_reverse_over_forward():
    fw = torch.autograd.forward_ad

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

        @staticmethod
        def jvp(ctx, t):
            return 2 * t * ctx.saved_tensors[0]

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with fw.dual_level():
        y = Square.apply(fw.make_dual(x, torch.tensor([1.0, 1.0])))
        slope = fw.unpack_dual(y).tangent
        assert slope.tolist() == [2.0, 4.0]
        assert torch.autograd.grad(slope.sum(), x)[0].tolist() == [2.0, 2.0]


# ------------------------------------------------------------------- memory
@pytest.mark.parametrize("run", [False, True])
def test_a_call_makes_no_reference_cycle(run):
    class Saves(Function):
        @staticmethod
        def forward(ctx, x):
            y = x * 2
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            return 2 * g + 0 * ctx.saved_tensors[1]

    gc.collect()
    gc.disable()
    try:
        x = leaf(2)
        y = Saves.apply(x * 1)
        node = weakref.ref(y.grad_fn)
        if run:
            y.sum().backward()
        del y
        assert node() is None
    finally:
        gc.enable()


@pytest.mark.wengert_only
def test_in_place_on_a_saved_input_makes_no_cycle():
    gc.collect()
    gc.disable()
    try:
        z = leaf(2) * 1
        y = Cube.apply(z)
        node = weakref.ref(y.grad_fn)
        z.add_(y)
        del y, z
        assert node() is None
    finally:
        gc.enable()


@pytest.mark.wengert_only
def test_default_values_may_be_skipped_by_keyword():
    class Line(Function):
        @staticmethod
        def forward(ctx, x, a=1, b=2):
            ctx.a = a
            return x * a + b

        @staticmethod
        def backward(ctx, g):
            return g * ctx.a, None, None

    assert Line.apply(leaf(2), b=5).tolist() == [6.0, 6.0]


@pytest.mark.wengert_only
def test_a_tensor_that_has_a_history_is_not_taken_over():
    other = leaf(2)

    class Foreign(Function):
        @staticmethod
        def forward(ctx, x):
            return other

        @staticmethod
        def backward(ctx, g):
            return g

    y = Foreign.apply(leaf(2))
    assert y is not other
    assert other.is_leaf
