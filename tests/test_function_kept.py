"""X-112: a second derivative through what a custom forward computed and kept is refused, not wrong."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
from against import raises, torch

pytestmark = pytest.mark.wengert_only

Function = torch.autograd.Function
grad = torch.autograd.grad
REFUSED = "the second derivative of Cube goes through"


def point():
    return torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)


def second(function, *constants):
    """The second derivative of the sum of a function, by differentiating twice."""
    x = point()
    (g,) = grad(function.apply(x, *constants).sum(), x, create_graph=True)
    return grad(g.sum(), x, allow_unused=True)[0]


def cube(keep, use):
    """x ** 3 with a forward that keeps its square with `keep(ctx, x)`; `use(ctx)` gives it back."""

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            keep(ctx, x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            return 3 * g * use(ctx)

    return Cube


def first_saved(ctx):
    return ctx.saved_tensors[0]


def written(x):
    """The square, by in-place writes."""
    s = torch.zeros_like(x)
    s[:] = x
    s.mul_(x)
    return s


def through_a_view(x):
    s = torch.zeros(2, 2, dtype=x.dtype)
    s[0].copy_(x)
    s[0] *= x
    return s[0]


class Inner(Function):
    @staticmethod
    def forward(ctx, x):
        return x * x

    @staticmethod
    def backward(ctx, g):
        raise AssertionError("it is called inside a forward")


SQUARES = {
    "an op": lambda x: x * x,
    "several ops": lambda x: (x.exp().log() * x).reshape(2),
    "detached": lambda x: (x.detach() * x.data).detach(),
    "a view": lambda x: torch.stack([x * x, x])[0],
    "in-place writes": written,
    "writes through a view": through_a_view,
    "NumPy": lambda x: torch.from_numpy(x.numpy() ** 2),
    "NumPy, copied": lambda x: torch.tensor(np.square(np.asarray(x.detach()))),
    "another Function": Inner.apply,
}


@pytest.mark.parametrize("square", SQUARES.values(), ids=SQUARES)
def test_X_112_a_saved_intermediate_is_refused(square):
    wrong = cube(lambda ctx, x: ctx.save_for_backward(square(x)), first_saved)
    x = point()
    assert grad(wrong.apply(x).sum(), x)[0].tolist() == [3.0, 12.0]
    for _ in range(2):  # the first call is the one that is watched
        with raises(
            RuntimeError, REFUSED, "computed and saved (number 0 of save_for_backward", "[2]"
        ):
            second(wrong)


@pytest.mark.parametrize("square", SQUARES.values(), ids=SQUARES)
def test_X_112_so_is_one_that_is_an_attribute(square):
    def keep(ctx, x):
        ctx.things = {"square": [square(x)]}

    with raises(RuntimeError, REFUSED, "computed and kept (ctx.things"):
        second(cube(keep, lambda ctx: ctx.things["square"][0]))


def test_X_112_and_numpy_arrays():
    def keep(ctx, x):
        ctx.square = x.numpy() ** 2

    wrong = cube(keep, lambda ctx: torch.from_numpy(ctx.square))
    with raises(RuntimeError, REFUSED, "NumPy arrays that forward computed"):
        second(wrong)
    x = point()
    with raises(RuntimeError, REFUSED):  # .backward() would put a wrong number into x.grad
        grad(wrong.apply(x).sum(), x, create_graph=True)[0].sum().backward()


def test_X_112_in_a_forward_without_a_ctx():
    class Cube(Function):
        @staticmethod
        def forward(x):
            return x**3, x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0] * inputs[0])

        @staticmethod
        def backward(ctx, g, _):
            return 3 * g * ctx.saved_tensors[0]

    x = point()
    (g,) = grad(Cube.apply(x)[0].sum(), x, create_graph=True)
    with raises(RuntimeError, REFUSED):
        g.sum().backward()


def test_X_112_every_advice_works():
    class Returned(Function):
        @staticmethod
        def forward(ctx, x):
            square = x * x
            ctx.save_for_backward(x, square)
            return square * x, square

        @staticmethod
        def backward(ctx, g, g_square):
            x, square = ctx.saved_tensors
            return 3 * g * square + 2 * g_square * x

    x = point()
    (g,) = grad(Returned.apply(x)[0].sum(), x, create_graph=True)
    assert grad(g.sum(), x)[0].tolist() == [6.0, 12.0]

    recomputed = cube(lambda ctx, x: ctx.save_for_backward(x), lambda ctx: first_saved(ctx) ** 2)
    assert second(recomputed).tolist() == [6.0, 12.0]

    meant = cube(
        lambda ctx, x: ctx.save_for_backward(x, x * x),
        lambda ctx: ctx.saved_tensors[0] * ctx.saved_tensors[1].detach().sqrt(),
    )
    assert second(meant).tolist() == [3.0, 6.0]


def test_a_derivative_that_does_not_go_through_it_is_given():
    wrong = cube(lambda ctx, x: ctx.save_for_backward(x * x), first_saved)
    x, u = point(), torch.ones(2, dtype=torch.float64, requires_grad=True)
    (g,) = grad(wrong.apply(x), x, u, create_graph=True)
    assert grad(g.sum(), u)[0].tolist() == [3.0, 12.0]  # linear in u, whatever x is
    _, product = torch.autograd.functional.jvp(wrong.apply, x.detach(), torch.ones(2).double())
    assert product.tolist() == [3.0, 12.0]
    with raises(RuntimeError, REFUSED):
        torch.autograd.functional.hvp(lambda x: wrong.apply(x).sum(), x.detach(), product)


CONSTANT = torch.tensor([2.0, 2.0], dtype=torch.float64)


def test_constants_are_left_alone():
    """Masks, signs, noise, indices and values from elsewhere are constants to the derivative."""

    class Fine(Function):
        @staticmethod
        def forward(ctx, x, c):
            noise = torch.empty_like(x).bernoulli_(0.5).div_(0.5)
            mask = torch.zeros_like(x)
            mask[x > 0] = 1
            ctx.noise, ctx.scale = torch.from_numpy(np.ones_like(x.numpy())), 1.0
            ctx.order = x.argsort()
            ctx.save_for_backward(x, noise, mask, x.sign(), (x > 1).to(x.dtype), c, CONSTANT)
            return (x * x * mask)[ctx.order] * ctx.scale

        @staticmethod
        def backward(ctx, g):
            x, noise, mask, sign, above, c, constant = ctx.saved_tensors
            total = 2 * g * x * mask * sign * constant * c + 0 * noise * above
            return total[ctx.order] * ctx.scale, None

    x = point()
    for _ in range(3):
        (g,) = grad(Fine.apply(x, torch.ones(2).double()).sum(), x, create_graph=True)
        assert grad(g.sum(), x)[0].tolist() == [4.0, 4.0]


def test_what_was_derived_from_an_input_without_gradient_is_a_constant():
    class Product(Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w * w)
            return x * x * w * w

        @staticmethod
        def backward(ctx, g):
            x, square = ctx.saved_tensors
            return 2 * g * x * square, None

    w = torch.tensor([3.0, 3.0], dtype=torch.float64)
    assert second(Product, w).tolist() == [18.0, 18.0]
    w.requires_grad_()
    assert second(Product, w).tolist() == [18.0, 18.0]  # with respect to x alone
    x = point()
    (g,) = grad(Product.apply(x, w).sum(), x, create_graph=True)
    with raises(RuntimeError, "the second derivative of Product goes through", "number 1"):
        grad(g.sum(), w)


def test_another_way_through_forward_is_seen_when_it_comes_again():
    class Cube(Function):
        @staticmethod
        def forward(ctx, x, careless):
            ctx.save_for_backward(*([x * x, x] if careless else [x]))
            return x**3

        @staticmethod
        def backward(ctx, g):
            saved = ctx.saved_tensors
            return 3 * g * (saved[0] if len(saved) == 2 else saved[0] ** 2), None

    assert second(Cube, False).tolist() == [6.0, 12.0]
    Cube.apply(point(), True)  # the first one with two saved tensors
    with raises(RuntimeError, REFUSED):
        second(Cube, True)
    assert second(Cube, False).tolist() == [6.0, 12.0]


def test_a_jvp_that_is_recorded():
    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_forward(x * x)
            return x**3

        @staticmethod
        def jvp(ctx, t):
            return 3 * t * ctx.saved_tensors[0]

    forward_ad = torch.autograd.forward_ad
    x = point()
    with forward_ad.dual_level():
        out = Cube.apply(forward_ad.make_dual(x, torch.ones_like(x)))
        tangent = forward_ad.unpack_dual(out).tangent
        assert tangent.tolist() == [3.0, 12.0]
        with raises(RuntimeError, REFUSED, "save_for_forward"):
            tangent.sum().backward()


def mapped_cube(use):
    """x ** 3 for the transforms; `use(ctx)` gives its backward the square of x."""

    class Cube(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x**3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0], inputs[0] * inputs[0])

        @staticmethod
        def backward(ctx, g):
            return 3 * g * use(*ctx.saved_tensors)

    return Cube.apply


def total(f):
    return lambda x: f(x).sum()


@pytest.mark.parametrize(
    "second",
    [
        lambda T, f: T.jacrev(T.jacrev(total(f))),
        lambda T, f: T.vmap(T.grad(T.grad(f))),
        lambda T, f: T.grad(total(T.vmap(T.grad(f)))),
        lambda T, f: T.grad(total(T.grad(total(T.vmap(f))))),
        lambda T, f: lambda x: grad(T.vmap(T.grad(f))(x.requires_grad_()).sum(), x)[0],
    ],
    ids=["rev rev", "vmap grad grad", "grad vmap grad", "grad grad vmap", "backward vmap grad"],
)
def test_X_112_under_transforms(second):
    """At whatever level the derivative would go through it."""
    F = torch.func
    with raises(RuntimeError, REFUSED, "number 1 of save_for_backward"):
        second(F, mapped_cube(lambda x, square: square))(point().detach())
    found = second(F, mapped_cube(lambda x, square: x * x))(point().detach())
    assert torch.allclose(found.sum(-1) if found.ndim == 2 else found, 6 * point())


def test_ctx_is_as_it_was_afterwards():
    def keep(ctx, x):
        ctx.square = x * x

    wrong = cube(keep, lambda ctx: ctx.square)
    x = point()
    y = wrong.apply(x)
    before = y.grad_fn.square
    grad(y.sum(), x, create_graph=True)
    assert y.grad_fn.square is before
    assert not before.requires_grad


def test_nothing_is_kept_alive():
    wrong = cube(lambda ctx, x: ctx.save_for_backward(x * x), first_saved)
    gc.collect()
    gc.disable()
    try:
        x = point()
        g = grad(wrong.apply(x).sum(), x, create_graph=True)
        del g, x
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_other_threads_are_not_watched():
    started, done = threading.Event(), threading.Event()

    def keep(ctx, x):
        started.set()
        done.wait(10)
        ctx.save_for_backward(x)

    fine = cube(keep, lambda ctx: first_saved(ctx) ** 2)
    found = []
    thread = threading.Thread(target=lambda: found.append(second(fine).tolist()))
    thread.start()
    started.wait(10)
    assert (torch.ones(3) * 2).tolist() == [2.0, 2.0, 2.0]
    done.set()
    thread.join()
    assert found == [[6.0, 12.0]]
