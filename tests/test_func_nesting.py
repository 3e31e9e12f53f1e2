"""Transforms in any nesting: every order of grad, jvp and vmap, against closed forms and each other."""

from __future__ import annotations

import itertools
import math

import pytest
from against import REAL, torch

from_func = torch.func
grad, jvp, vjp, vmap = from_func.grad, from_func.jvp, from_func.vjp, from_func.vmap
DOUBLE = torch.float64
SINES = (math.sin, math.cos, lambda x: -math.sin(x), lambda x: -math.cos(x), math.sin)


def number(x, **kw):
    return torch.tensor(x, dtype=DOUBLE, **kw)


def forward(f):
    """The derivative by forward mode."""
    return lambda x: jvp(f, (x,), (torch.ones_like(x),))[1]


def pullback(f):
    """The derivative by vjp."""
    return lambda x: vjp(f, x)[1](torch.ones_like(x))[0]


def mapped(f):
    """The function itself, as one of a batch of two."""
    return lambda x: vmap(f)(torch.stack([x, x + 1]))[0]


def linear(f):
    """The derivative by linearize."""
    return lambda x: from_func.linearize(f, x)[1](torch.ones_like(x))


def close(a, b, tolerance=1e-12):
    assert abs(float(a) - float(b)) <= tolerance * max(1.0, abs(float(b))), (float(a), float(b))


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_every_order_of_grad_jvp_and_vmap(depth):
    x = number(0.7)
    for combination in itertools.product([grad, forward, mapped], repeat=depth):
        f, order = torch.sin, 0
        for wrap in combination:
            f = wrap(f)
            order += wrap is not mapped
        close(f(x), SINES[order](0.7))


@pytest.mark.skipif(REAL, reason="PyTorch's linearize does not nest")
def test_every_order_with_vjp_and_linearize():
    x = number(0.7)
    for combination in itertools.product([grad, forward, pullback, linear, mapped], repeat=3):
        f, order = torch.sin, 0
        for wrap in combination:
            f = wrap(f)
            order += wrap is not mapped
        close(f(x), SINES[order](0.7))


@pytest.mark.skipif(REAL, reason="PyTorch has one level of dual numbers")
def test_dual_levels_around_transforms():
    fw = torch.autograd.forward_ad
    x = number(0.7)
    with fw.dual_level():
        y = grad(torch.sin)(fw.make_dual(x, torch.ones_like(x)))
        close(fw.unpack_dual(y).tangent, -math.sin(0.7))
        z = vmap(torch.sin)(fw.make_dual(x, torch.ones_like(x)).reshape(1))
        close(fw.unpack_dual(z).tangent[0], math.cos(0.7))


def test_perturbations_are_not_confused():
    """d/dx of x * d/dy (x + y) is 1, whatever computes the two (Siskind and Pearlmutter, 2005)."""
    one = number(1.0)
    for outer, inner in itertools.product([grad, forward], repeat=2):
        close(outer(lambda x, inner=inner: x * inner(lambda y: x + y)(one))(number(0.7)), 1.0)
        close(outer(lambda x, inner=inner: x * inner(lambda y: x * y)(one))(number(0.7)), 1.4)
        close(outer(lambda x, inner=inner: inner(lambda y: x * x * y)(one) * x)(number(0.7)), 3 * 0.49)


def test_closures_over_tensors_that_require_grad():
    w = torch.tensor(2.0, requires_grad=True)
    g = grad(lambda x: x * x * w)(torch.tensor(3.0))
    assert g.requires_grad
    g.backward()
    assert w.grad.item() == 6.0
    w.grad = None
    vmap(grad(lambda x: x * x * w))(torch.tensor([3.0, 4.0])).sum().backward()
    assert w.grad.item() == 14.0


def test_results_that_depend_on_nothing_outside_do_not_require_grad():
    x = torch.tensor([1.0, 2.0])
    value = from_func.grad_and_value(lambda x: (x.sin() * x).sum())(x)
    assert not any(t.requires_grad for t in value)
    nested = grad(lambda x: grad(lambda y: (y**3).sum())(x).sum())(x)
    assert nested.tolist() == [6.0, 12.0]
    assert not nested.requires_grad
    assert not from_func.jacrev(torch.sin)(x).requires_grad
    assert not from_func.hessian(lambda x: (x**3).sum())(x).requires_grad


def test_results_under_no_grad_are_constants_and_right():
    w = torch.tensor(2.0, requires_grad=True)
    with torch.no_grad():
        g = grad(lambda x: x * x * w)(torch.tensor(3.0))
    assert g.item() == 12.0
    assert not g.requires_grad


def test_no_grad_inside_a_transform():
    def f(x):
        with torch.no_grad():
            c = x * 2
        return (x * c).sum()

    assert grad(f)(torch.tensor([1.0, 3.0])).tolist() == [2.0, 6.0]
    assert grad(lambda x: (x * x.detach()).sum())(torch.tensor([1.0, 3.0])).tolist() == [1.0, 3.0]


def model(p, x):
    return torch.tanh(x @ p["w"] + p["b"])


def parameters():
    torch.manual_seed(0)
    return {"w": torch.randn(3, 2, dtype=DOUBLE), "b": torch.randn(2, dtype=DOUBLE)}


def loss(p, x):
    return (model(p, x) ** 2).sum()


def test_per_sample_gradients():
    p = parameters()
    xs = torch.randn(5, 3, dtype=DOUBLE)
    each = vmap(grad(loss), in_dims=(None, 0))(p, xs)
    for k in range(5):
        one = grad(loss)(p, xs[k])
        for name in p:
            assert torch.allclose(each[name][k], one[name], rtol=1e-12)


def test_hessian_by_four_routes():
    x = torch.tensor([0.3, -0.7, 1.1], dtype=DOUBLE)
    p = parameters()

    def f(x):
        return loss(p, x)

    jf, jr = from_func.jacfwd, from_func.jacrev
    routes = [a(b(f))(x) for a, b in itertools.product([jf, jr], repeat=2)]
    routes.append(from_func.hessian(f)(x))
    routes.append(torch.autograd.functional.hessian(f, x))
    for h in routes:
        assert torch.allclose(h, routes[0], rtol=1e-10, atol=1e-12)


def test_hessian_vector_products_agree():
    x, v = torch.tensor([0.3, -0.7, 1.1], dtype=DOUBLE), torch.tensor([1.0, 2.0, -1.0], dtype=DOUBLE)
    p = parameters()

    def f(x):
        return loss(p, x)

    full = from_func.hessian(f)(x) @ v
    over_reverse = jvp(grad(f), (x,), (v,))[1]
    over_forward = grad(lambda x: jvp(f, (x,), (v,))[1])(x)
    reverse_twice = grad(lambda x: (grad(f)(x) * v).sum())(x)
    for got in (over_reverse, over_forward, reverse_twice):
        assert torch.allclose(got, full, rtol=1e-10)


def test_jacfwd_is_jacrev():
    p = parameters()
    x = torch.randn(3, dtype=DOUBLE)
    a = from_func.jacfwd(model)(p, x)
    b = from_func.jacrev(model)(p, x)
    for name in p:
        assert a[name].shape == (2, *p[name].shape)
        assert torch.allclose(a[name], b[name], rtol=1e-10)
    for size in (1, 2, 5):
        c = from_func.jacrev(model, chunk_size=size)(p, x)
        assert all(torch.allclose(c[n], b[n], rtol=1e-12) for n in p)


def test_batched_jacobians_and_hessians():
    xs = torch.randn(4, 3, dtype=DOUBLE)
    p = parameters()
    jac = vmap(from_func.jacrev(lambda x: model(p, x)))(xs)
    hess = vmap(from_func.hessian(lambda x: loss(p, x)))(xs)
    assert jac.shape == (4, 2, 3)
    assert hess.shape == (4, 3, 3)
    for k in range(4):
        assert torch.allclose(jac[k], from_func.jacfwd(lambda x: model(p, x))(xs[k]), rtol=1e-10)
        assert torch.allclose(hess[k], from_func.hessian(lambda x: loss(p, x))(xs[k]), rtol=1e-10)


def test_third_derivatives_of_a_function_of_several_variables():
    x = torch.tensor([0.4, 0.9], dtype=DOUBLE)
    third = from_func.jacfwd(from_func.jacrev(from_func.jacfwd(lambda x: x[0] ** 3 * x[1] ** 2)))(x)
    a, b = 0.4, 0.9
    close(third[0, 0, 0], 6 * b * b)
    close(third[0, 1, 0], 12 * a * b)
    close(third[1, 1, 0], 6 * a * a)
    close(third[1, 1, 1], 0.0)


def test_ensembles():
    torch.manual_seed(0)
    models = [torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)) for _ in range(3)]
    params, buffers = from_func.stack_module_state(models)

    def call(p, b, x):
        return from_func.functional_call(models[0], (p, b), (x,))

    x = torch.randn(5, 3)
    out = vmap(call, in_dims=(0, 0, None))(params, buffers, x)
    each = torch.stack([m(x) for m in models])
    assert torch.allclose(out, each, atol=1e-6)
    gradient = grad(lambda p: vmap(call, in_dims=(0, 0, None))(p, buffers, x).sum())(params)
    each.sum().backward()
    for name, p in models[1].named_parameters():
        assert torch.allclose(gradient[name][1], p.grad, atol=1e-5)


def test_nested_maps_over_different_dims():
    a = torch.arange(6.0).reshape(2, 3)
    b = torch.arange(12.0).reshape(3, 4)
    product = vmap(vmap(torch.dot, in_dims=(None, 1)), in_dims=(0, None))(a, b)
    assert torch.equal(product, a @ b)
    outer = vmap(vmap(lambda x, y: x * y, (None, 0)), (0, None))(a[0], b[0])
    assert torch.equal(outer, torch.outer(a[0], b[0]))
    back = vmap(lambda x: x * 2, in_dims=1, out_dims=1)(a)
    assert torch.equal(back, a * 2)


def test_maps_inside_and_outside_of_backward():
    w = torch.randn(3, 2, dtype=DOUBLE, requires_grad=True)
    xs = torch.randn(4, 3, dtype=DOUBLE)
    vmap(lambda x: torch.tanh(x @ w).sum())(xs).sum().backward()
    got, w.grad = w.grad, None
    torch.tanh(xs @ w).sum().backward()
    assert torch.allclose(got, w.grad, rtol=1e-12)


def test_is_grads_batched():
    x = torch.randn(3, dtype=DOUBLE, requires_grad=True)
    y = torch.sin(x) * x.sum()
    basis = torch.eye(3, dtype=DOUBLE)
    (rows,) = torch.autograd.grad(y, x, basis, is_grads_batched=True, retain_graph=True)
    each = [torch.autograd.grad(y, x, b, retain_graph=True)[0] for b in basis]
    assert torch.allclose(rows, torch.stack(each), rtol=1e-12)


def test_vectorized_functional_jacobians_and_hessians():
    functional = torch.autograd.functional
    x, y = torch.randn(2, 3, dtype=DOUBLE), torch.randn(3, dtype=DOUBLE)

    def f(x, y):
        return (x * y).sin(), x.sum()

    plain = functional.jacobian(f, (x, y))
    for strategy in ("reverse-mode", "forward-mode"):
        fast = functional.jacobian(f, (x, y), vectorize=True, strategy=strategy)
        for a, b in zip(plain, fast, strict=True):
            for c, d in zip(a, b, strict=True):
                assert torch.allclose(c, d, rtol=1e-12)

    def g(x, y):
        return ((x * y).sin() * x).sum()

    plain = functional.hessian(g, (x, y))
    for strategy in ("reverse-mode", "forward-mode"):
        fast = functional.hessian(g, (x, y), vectorize=True, outer_jacobian_strategy=strategy)
        for a, b in zip(plain, fast, strict=True):
            for c, d in zip(a, b, strict=True):
                assert torch.allclose(c, d, rtol=1e-10)


@pytest.mark.skipif(REAL, reason="wengert's own: names of arguments, aux of any type")
def test_gradients_by_name_and_aux_of_any_type():
    def f(x, *, scale, options):
        return (x * scale["s"]).sum(), ("note", 3, options)

    x, scale = torch.tensor([1.0, 2.0]), {"s": torch.tensor(3.0)}
    got, aux = grad(f, argnums="scale", has_aux=True)(x, scale=scale, options=None)
    assert got["s"].item() == 3.0
    assert aux == ("note", 3, None)
    both, _ = grad(f, argnums=(0, "scale"), has_aux=True)(x, scale=scale, options=None)
    assert both[0].tolist() == [3.0, 3.0]
    assert grad(lambda x, y: x * y, argnums="y")(x[1], x[0]).item() == 2.0
    with pytest.raises(RuntimeError, match="names the argument 'z'"):
        grad(lambda x: x, argnums="z")(x[0])


def test_an_error_inside_leaves_everything_as_it_was():
    def broken(x):
        raise ValueError("boom")

    x = torch.tensor([1.0, 2.0])
    for transform in (grad, vmap, forward, from_func.jacrev, from_func.jacfwd):
        with pytest.raises(ValueError, match="boom"):
            transform(broken)(x)
    y = torch.tensor(2.0, requires_grad=True)
    (y * y).backward()  # refused inside transforms: none is running any more
    assert y.grad.item() == 4.0
    assert vmap(lambda x: x + 1)(x).tolist() == [2.0, 3.0]


def test_a_tensor_that_escaped_its_vmap():
    kept = []
    vmap(lambda x: kept.append(x) or x)(torch.ones(2))
    if not REAL:
        with pytest.raises(RuntimeError, match="has ended"):
            kept[0] * 2
