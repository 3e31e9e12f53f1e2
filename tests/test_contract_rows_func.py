"""Rows of contract section 2.10: torch.func."""

from __future__ import annotations

import importlib
import warnings

import pytest
from against import NAME, raises, torch

func = importlib.import_module(f"{NAME}.func")
nn = torch.nn


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


def close(a, b):
    torch.testing.assert_close(a, b)


# ------------------------------------------------------------------- grad
def test_A_140_grad():
    x = doubles(0.5, 2.0)
    f = lambda x: (x**4).sum()
    close(func.grad(f)(x), 4 * x**3)
    third = func.grad(lambda x: func.grad(lambda x: func.grad(f)(x).sum())(x).sum())(x)
    close(third, 24 * x)
    assert (x.requires_grad, x.grad) == (False, None)


def test_A_140_arguments():
    x, y = doubles(2.0), doubles(3.0)
    f = lambda x, y, *, k=1.0: (x * y * k).sum()
    close(func.grad(f, argnums=1)(x, y), x)
    got = func.grad(f, argnums=(0, 1))(x, y, k=2.0)
    assert isinstance(got, tuple)
    close(got[0], 2 * y)
    close(func.grad(f, argnums=-1)(x, y), x)
    tree = {"w": x, "b": [y, y]}
    g = func.grad(lambda t: (t["w"] * t["b"][0]).sum())(tree)
    close(g["w"], y)
    close(g["b"][1], torch.zeros_like(y))
    with raises(RuntimeError, "Got argnum=2, but only 2 positional inputs"):
        func.grad(f, argnums=2)(x, y)


def test_A_140_aux():
    x = doubles(2.0)
    g, aux = func.grad(lambda x: ((x * x).sum(), {"double": x * 2}), has_aux=True)(x)
    close(g, 2 * x)
    close(aux["double"], 2 * x)
    assert not aux["double"].requires_grad
    with raises(
        RuntimeError, "output of function f should be a tuple: (output, aux) if has_aux is"
    ):
        func.grad(lambda x: x.sum(), has_aux=True)(x)


def test_A_140_what_f_must_return():
    with raises(
        RuntimeError, "Expected f(*args) to return a scalar Tensor, got tensor with 1 dims."
    ):
        func.grad(lambda x: x * 2)(doubles(1.0))
    with raises(RuntimeError, "Expected f(*args) to return a Tensor, got <class 'float'>"):
        func.grad(lambda x: 1.0)(doubles(1.0))
    with raises(RuntimeError, "only Tensors of floating point dtype can require gradients"):
        func.grad(lambda x: x.sum())(torch.tensor([1]))


def test_A_140_no_grad():
    x = doubles(2.0)
    with torch.no_grad():  # outside: what is inside is recorded all the same
        close(func.grad(lambda x: (x * x).sum())(x), 2 * x)

    def f(x):
        with torch.no_grad():
            c = x * x
        return (x * c).sum()

    close(func.grad(f)(x), x * x)


def test_A_141_grad_and_value():
    x = doubles(2.0)
    g, v = func.grad_and_value(lambda x: (x**3).sum())(x)
    close(g, 3 * x * x)
    assert v.item() == 8.0
    g, (v, aux) = func.grad_and_value(lambda x: ((x**3).sum(), x), has_aux=True)(x)
    assert (v.item(), aux.item()) == (8.0, 2.0)


# ------------------------------------------------------------------- vjp, jvp, linearize
def test_A_142_vjp():
    x, y = doubles(1.0, 2.0), doubles(3.0)
    out, pull = func.vjp(lambda x, y: x * x * y, x, y)
    close(out, x * x * y)
    gx, gy = pull(torch.ones(2, dtype=torch.float64))
    close(gx, 2 * x * y)
    close(gy, (x * x).sum().reshape(1))
    (only,) = func.vjp(torch.sin, x)[1](torch.ones(2, dtype=torch.float64))
    close(only, x.cos())
    out, pull, aux = func.vjp(lambda x: (x.sin(), x * 2), x, has_aux=True)
    close(aux, 2 * x)
    with raises(
        RuntimeError, "Mismatch in shape: grad_output[0] has a shape of torch.Size([3]) and"
    ):
        pull(torch.ones(3, dtype=torch.float64))


def test_A_142_trees():
    x = doubles(1.0, 2.0)
    out, pull = func.vjp(lambda t: {"s": t["x"].sin(), "d": t["x"] * 2}, {"x": x})
    one = torch.ones(2, dtype=torch.float64)
    (g,) = pull({"s": one, "d": one})
    close(g["x"], x.cos() + 2)
    assert set(out) == {"s", "d"}


def test_A_143_jvp():
    x, t = doubles(1.0, 2.0), doubles(1.0, 10.0)
    out, pushed = func.jvp(torch.sin, (x,), (t,))
    close(out, x.sin())
    close(pushed, x.cos() * t)
    out, pushed, aux = func.jvp(lambda x: (x.sin(), x * 2), (x,), (t,), has_aux=True)
    close(aux, 2 * x)
    nested = func.jvp(lambda x: func.jvp(torch.sin, (x,), (t,))[1], (x,), (t,))[1]
    close(nested, -x.sin() * t * t)
    with raises(RuntimeError, "Expected primals to be a tuple. E.g. it should be valid to call f("):
        func.jvp(torch.sin, x, (t,))
    with raises(RuntimeError, "Expected primals and tangents to have the same python structure."):
        func.jvp(torch.sin, (x,), (t, t))
    with raises(
        RuntimeError, "Trying to set a forward gradient that has a different size than that"
    ):
        func.jvp(torch.sin, (x,), (doubles(1.0),))


def test_A_144_linearize():
    x, y = doubles(1.0, 2.0), doubles(3.0, 4.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch traces, and warns of itself
        out, push = func.linearize(lambda x, y: x.sin() * y, x, y)
        close(out, x.sin() * y)
        close(push(x, y), x.cos() * y * x + x.sin() * y)
        close(push(torch.zeros_like(x), y), x.sin() * y)
        with raises(
            RuntimeError, "tangent:0 with shape torch.Size([1]) in flattened pytree doesn't"
        ):
            push(doubles(1.0), y)


# ------------------------------------------------------------------- jacobians
def test_A_145_jacrev():
    x, y = doubles(1.0, 2.0), doubles(3.0)
    close(func.jacrev(lambda x: x**2)(x), torch.diag(2 * x))
    for chunk in (1, 2, None):
        close(func.jacrev(lambda x: x**2, chunk_size=chunk)(x), torch.diag(2 * x))
    jx, jy = func.jacrev(lambda x, y: x * y, argnums=(0, 1))(x, y)
    close(jx, torch.diag(y.expand(2)))
    close(jy, x[:, None])
    _, aux = func.jacrev(lambda x: (x**2, x), has_aux=True)(x)
    close(aux, x)
    a, b = func.jacrev(lambda x: (x**2, x.sum()))(x)
    assert (tuple(a.shape), tuple(b.shape)) == ((2, 2), (2,))


def test_A_146_jacfwd():
    x, y = doubles(1.0, 2.0), doubles(3.0)
    close(func.jacfwd(lambda x: x**2)(x), torch.diag(2 * x))
    jx, jy = func.jacfwd(lambda x, y: x * y, argnums=(0, 1))(x, y)
    close(jx, torch.diag(y.expand(2)))
    close(jy, x[:, None])
    _, aux = func.jacfwd(lambda x: (x**2, x), has_aux=True)(x)
    close(aux, x)
    f = lambda x: {"a": x.outer(x), "b": x.sin()}
    forward, reverse = func.jacfwd(f)(x), func.jacrev(f)(x)
    close(forward["a"], reverse["a"])
    close(forward["b"], reverse["b"])


def test_A_147_hessian():
    x, y = doubles(1.0, 2.0), doubles(3.0)
    f = lambda x: (x**3).sum() * x[0]
    h = func.hessian(f)(x)
    for other in (
        func.jacrev(func.jacrev(f)),
        func.jacfwd(func.jacfwd(f)),
        func.jacrev(func.jacfwd(f)),
    ):
        close(other(x), h)
    ((xx, xy), (yx, yy)) = func.hessian(lambda x, y: (x * x * y).sum(), argnums=(0, 1))(x, y)
    close(xx, torch.diag(2 * y.expand(2)))
    close(xy, 2 * x[:, None])
    close(yx, 2 * x[None])
    close(yy, torch.zeros(1, 1, dtype=torch.float64))


# ------------------------------------------------------------------- vmap
def test_A_148_vmap():
    x = torch.arange(6.0, dtype=torch.float64).reshape(2, 3)
    assert torch.vmap is func.vmap
    close(func.vmap(torch.sum)(x), x.sum(1))
    close(func.vmap(torch.sum, in_dims=1)(x), x.sum(0))
    close(func.vmap(lambda v: v * 2, in_dims=1, out_dims=1)(x), x * 2)
    close(func.vmap(torch.dot, in_dims=(0, None))(x, x[0]), x @ x[0])
    close(func.vmap(func.vmap(torch.mul), in_dims=(0, None))(x, x[0]), x * x[0])
    tree = func.vmap(lambda t: {"s": t["x"].sum(), "k": t["y"]}, in_dims=({"x": 0, "y": None},))
    out = tree({"x": x, "y": x[0]})
    close(out["s"], x.sum(1))
    close(out["k"], x[0].expand(2, 3))
    for size in (1, 2, 5):
        close(func.vmap(torch.sum, chunk_size=size)(x), x.sum(1))


def test_A_148_randomness():
    x = torch.zeros(4, 3)
    draw = lambda x: x + torch.rand(3)
    with raises(RuntimeError, "vmap: called random operation while in randomness error mode."):
        func.vmap(draw)(x)
    same = func.vmap(draw, randomness="same")(x)
    assert (same == same[0]).all()
    different = func.vmap(draw, randomness="different")(x)
    assert different.unique().numel() == 12


def test_A_148_refusals():
    x = torch.ones(2, 3)
    with raises(
        ValueError, "Expected all tensors to have the same size in the mapped dimension, got"
    ):
        func.vmap(torch.add)(x, torch.ones(3, 3))
    with raises(RuntimeError, "vmap: It looks like you're calling .item() on a Tensor."):
        func.vmap(lambda v: v.sum().item())(x)
    with raises(RuntimeError, "data-dependent control flow"):
        func.vmap(lambda v: v if v.sum() > 0 else -v)(x)
    with raises(ValueError, "must only return Tensors, got type <class 'int'>."):
        func.vmap(lambda v: 3)(x)
    with raises(ValueError, "got no inputs."):
        func.vmap(lambda: x)()
    with raises(RuntimeError, "dynamic shape"):
        func.vmap(lambda v: v.nonzero())(x)


def test_A_148_per_sample_gradients():
    torch.manual_seed(0)
    w, xs = torch.rand(3, dtype=torch.float64), torch.rand(5, 3, dtype=torch.float64)
    loss = lambda w, x: (w * x).sum().sin()
    got = func.vmap(func.grad(loss), in_dims=(None, 0))(w, xs)
    close(got, torch.stack([func.grad(loss)(w, x) for x in xs]))
    hvp = func.vmap(lambda v: func.jvp(func.grad(loss), (w, xs[0]), (v, xs[0] * 0))[1])(xs)
    close(hvp, xs @ func.hessian(loss)(w, xs[0]))


# ------------------------------------------------------------------- modules
def test_A_149_functional_call():
    torch.manual_seed(0)
    layer, x = nn.Linear(2, 3), torch.rand(4, 2)
    zeros = {k: torch.zeros_like(v) for k, v in layer.named_parameters()}
    assert func.functional_call(layer, zeros, (x,)).abs().sum() == 0
    close(func.functional_call(layer, {"bias": zeros["bias"]}, x), x @ layer.weight.t())
    close(func.functional_call(layer, {}, args=(), kwargs={"input": x}), layer(x))
    g = func.grad(lambda p: func.functional_call(layer, p, (x,)).sum())(
        dict(layer.named_parameters())
    )
    close(g["bias"], torch.full((3,), 4.0))
    assert layer.weight.grad is None
    with raises(RuntimeError, "Missing key(s): 'bias'."):
        func.functional_call(layer, {"weight": zeros["weight"]}, (x,), strict=True)


def test_A_150_ensembles():
    torch.manual_seed(0)
    models, x = [nn.Linear(2, 3) for _ in range(4)], torch.rand(5, 2)
    parameters, buffers = func.stack_module_state(models)
    assert (tuple(parameters["weight"].shape), buffers) == ((4, 3, 2), {})
    assert parameters["weight"].requires_grad
    call = lambda p, b: func.functional_call(models[0], (p, b), (x,))
    close(func.vmap(call)(parameters, buffers), torch.stack([m(x) for m in models]))
    with raises(RuntimeError, "Expected at least one model"):
        func.stack_module_state([])


def test_A_151_functionalize():
    def f(x):
        y = x.clone()
        y[0] = 5.0
        return y * x

    x = doubles(1.0, 2.0)
    close(func.functionalize(f)(x), f(x))
    close(func.functionalize(f, remove="mutations_and_views")(x), f(x))


def test_A_152_batch_norms():
    net = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.BatchNorm1d(2)))
    assert func.replace_all_batch_norm_modules_(net) is net
    assert net[0].running_mean is None
    assert net[1][0].track_running_stats is False


def test_A_153_rearrange():
    x = torch.arange(6.0).reshape(2, 3)
    close(func.rearrange(x, "a b -> b a"), x.t())
    close(func.rearrange(x, "a b -> (a b)"), x.reshape(6))
    close(func.rearrange(x, "a (b c) -> c a b", c=3), x.reshape(2, 1, 3).permute(2, 0, 1))
    with pytest.raises(ValueError):
        func.rearrange(x, "a b -> a c")


def test_A_154_debug_unwrap():
    seen = []

    def f(x):
        seen.append(func.debug_unwrap(x))
        return x.sum()

    x = doubles(1.0, 2.0)
    func.grad(f)(x)
    close(seen[0], x)
    seen.clear()
    func.vmap(f)(x[None])
    close(seen[0], x[None])
    assert func.debug_unwrap(x) is x


@pytest.mark.wengert_only
def test_A_155_private_helpers_are_left_out():
    assert not hasattr(torch, "_functorch")


def test_A_156_the_old_name_of_functional_call():
    stateless = importlib.import_module(f"{NAME}.nn.utils.stateless")
    layer, x = nn.Linear(2, 3), torch.rand(4, 2)
    with pytest.warns(FutureWarning, match="torch.nn.utils.stateless.functional_call"):
        out = stateless.functional_call(layer, {"bias": torch.zeros(3)}, (x,))
    close(out, x @ layer.weight.t())


def test_A_157_backward_inside_a_transform():
    def f(x):
        y = (x * x).sum()
        y.backward()
        return y

    for transform in (func.grad, func.vmap):
        with raises(RuntimeError, "backward() called inside a functorch transform."):
            transform(f)(doubles(1.0))


def test_A_157_requires_grad_inside_a_transform():
    for transform in (func.grad, func.vmap):
        with raises(RuntimeError, "Tensor.requires_grad_()"):
            transform(lambda x: x.requires_grad_().sum())(doubles(1.0))


def test_A_157_closures_are_constants():
    x = doubles(2.0)
    close(func.grad(lambda y: (x * y).sum())(x), x)  # x inside is not the argument
    w = doubles(3.0).requires_grad_()
    close(func.grad(lambda y: (w * y * y).sum())(x).detach(), 2 * x * 3)
    func.grad(lambda y: (w * y * y).sum())(x).sum().backward()
    close(w.grad, 2 * x)
