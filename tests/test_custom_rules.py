"""X-005, X-052: custom_vjp and custom_jvp, rules for plain functions, under every transform and nesting."""

from __future__ import annotations

import functools
import gc
import weakref

import numpy as np
import pytest
from against import raises, torch

pytestmark = pytest.mark.wengert_only

func = torch.func
custom_vjp, custom_jvp = getattr(func, "custom_vjp", None), getattr(func, "custom_jvp", None)
grad, vmap, jvp, vjp = func.grad, func.vmap, func.jvp, func.vjp
jacrev, jacfwd, hessian = func.jacrev, func.jacfwd, func.hessian

softplus = torch.nn.functional.softplus
POINT = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)


def by_vjp(scale=1.0):
    """log(1 + exp(x)) with a rule, which `scale` makes wrong so that its use can be seen."""

    @custom_vjp
    def f(x):
        return torch.log(1 + torch.exp(x))

    f.defvjp(lambda x: (f(x), x), lambda x, g: (scale * g * torch.sigmoid(x),))
    return f


def by_vjp_saving_a_result():
    @custom_vjp
    def f(x):
        return torch.log(1 + torch.exp(x))

    def fwd(x):
        y = f(x)
        return y, {"result": y, "unused": None, "name": "f"}

    f.defvjp(fwd, lambda kept, g: (g * (1 - torch.exp(-kept["result"])),))
    return f


def by_jvp(scale=1.0):
    @custom_jvp
    def f(x):
        return torch.log(1 + torch.exp(x))

    @f.defjvp
    def _(primals, tangents):
        return f(*primals), scale * tangents[0] * torch.sigmoid(primals[0])

    return f


def by_jvps():
    @custom_jvp
    def f(x):
        return torch.log(1 + torch.exp(x))

    f.defjvps(lambda t, y, x: t * (1 - torch.exp(-y)))
    return f


MAKERS = [by_vjp, by_vjp_saving_a_result, by_jvp, by_jvps]


def total(f):
    return lambda x: f(x).sum()


def along_ones(f):
    return lambda x: jvp(f, (x,), (torch.ones_like(x),))[1]


TRANSFORMS = {
    "call": lambda f: f(POINT),
    "grad": lambda f: grad(total(f))(POINT),
    "vjp": lambda f: vjp(f, POINT)[1](POINT)[0],
    "jvp": lambda f: along_ones(f)(POINT),
    "linearize": lambda f: func.linearize(f, POINT)[1](POINT),
    "jacrev": lambda f: jacrev(f)(POINT),
    "jacfwd": lambda f: jacfwd(f)(POINT),
    "hessian": lambda f: hessian(total(f))(POINT),
    "reverse over reverse": lambda f: jacrev(jacrev(total(f)))(POINT),
    "forward over forward": lambda f: jacfwd(jacfwd(total(f)))(POINT),
    "reverse over forward": lambda f: jacrev(jacfwd(total(f)))(POINT),
    "third": lambda f: jacfwd(jacrev(jacfwd(total(f))))(POINT),
    "fourth": lambda f: grad(grad(grad(grad(f))))(POINT[0]),
    "vmap": lambda f: vmap(f)(POINT),
    "vmap of grad": lambda f: vmap(grad(f))(POINT),
    "vmap of grad of grad": lambda f: vmap(grad(grad(f)))(POINT),
    "vmap of vmap of grad": lambda f: vmap(vmap(grad(f)))(POINT.reshape(3, 1)),
    "vmap of hessian": lambda f: vmap(hessian(f))(POINT),
    "vmap of jvp": lambda f: vmap(along_ones(f))(POINT),
    "jvp of vmap": lambda f: along_ones(vmap(f))(POINT),
    "grad of vmap": lambda f: grad(total(vmap(f)))(POINT),
    "grad of vmap of grad": lambda f: grad(total(vmap(grad(f))))(POINT),
    "grad of grad of vmap": lambda f: grad(total(grad(total(vmap(f)))))(POINT),
    "jvp of vmap of grad": lambda f: along_ones(vmap(grad(f)))(POINT),
    "vmap of grad of vmap": lambda f: vmap(grad(total(vmap(f))))(POINT.reshape(3, 1)),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize("make", MAKERS)
def test_X_005_every_transform(make, transform):
    have, want = transform(make()), transform(softplus)
    assert have.shape == want.shape
    assert torch.allclose(have, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in TRANSFORMS if n not in ("call", "vmap")])
@pytest.mark.parametrize("make", [by_vjp, by_jvp])
def test_the_rule_is_what_is_used(make, name):
    """A rule that is twice too large makes every result larger, so that none bypasses it."""
    assert not torch.allclose(TRANSFORMS[name](make(2.0)), TRANSFORMS[name](softplus))


@pytest.mark.parametrize("make", MAKERS)
def test_backward_to_the_third_order(make):
    def derivatives(f):
        x = POINT.clone().requires_grad_()
        y, found = f(x).sum(), []
        for _ in range(3):
            (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            found.append(y.detach())
        f(x).sum().backward()
        return [*found, x.grad]

    for have, want in zip(derivatives(make()), derivatives(softplus), strict=True):
        assert torch.allclose(have, want)
    x = POINT.clone().requires_grad_()
    assert torch.autograd.gradcheck(make(), x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(make(), x)


@pytest.mark.parametrize("make", MAKERS)
def test_forward_mode_and_hooks(make):
    f, forward_ad = make(), torch.autograd.forward_ad
    with forward_ad.dual_level():
        out = f(forward_ad.make_dual(POINT, torch.ones_like(POINT)))
        assert torch.allclose(forward_ad.unpack_dual(out).tangent, torch.sigmoid(POINT))
    x, seen = POINT.clone().requires_grad_(), []
    y = f(x)
    assert type(y.grad_fn).__name__ == "fBackward"
    y.register_hook(lambda g: seen.append(g.tolist()))
    z = y * 1
    z.sum().backward(retain_graph=True)
    z.sum().backward()
    assert seen == [[1.0] * 3] * 2
    with raises(RuntimeError, "Trying to backward through the graph a second time"):
        z.sum().backward()
    with torch.no_grad():
        assert f(x).grad_fn is None


# ------------------------------------------------------------------- arguments
def test_X_052_trees_constants_and_keywords():
    calls = []

    @custom_vjp(nondiff_argnums=(0,), nondiff_argnames="scale")
    def affine(kind, params, x, scale=1.0):
        return {kind: scale * (params["w"] * x + params["b"][0]), "count": (x.numel(),)}

    def fwd(kind, params, x, scale):
        return affine(kind, params, x, scale), (params, x)

    def bwd(kind, scale, kept, g):
        calls.append((kind, scale, sorted(g)))
        params, x = kept
        c = scale * g[kind]
        return {"w": (c * x).sum(), "b": [c.sum()]}, c * params["w"]

    affine.defvjp(fwd, bwd)
    params = {"w": torch.tensor(2.0), "b": [torch.tensor(1.0)]}
    x = torch.tensor([1.0, 3.0])

    def loss(params, x):
        out = affine("y", params, scale=10.0, x=x)
        assert out["count"] == (2,)
        return (out["y"] ** 2).sum()

    def plain(params, x):
        return ((10.0 * (params["w"] * x + params["b"][0])) ** 2).sum()

    have, want = grad(loss, argnums=(0, 1))(params, x), grad(plain, argnums=(0, 1))(params, x)
    assert have[0]["w"] == want[0]["w"]
    assert have[0]["b"][0] == want[0]["b"][0]
    assert have[1].tolist() == want[1].tolist()
    assert calls == [("y", 10.0, ["count", "y"])]
    have, want = hessian(loss)(params, x), hessian(plain)(params, x)
    assert have["w"]["b"][0] == want["w"]["b"][0]
    assert torch.allclose(
        vmap(lambda x: grad(loss, 1)(params, x))(x.repeat(2, 1)), grad(plain, 1)(params, x)
    )


def test_arguments_of_other_kinds():
    @custom_jvp
    def pick(x, index, factor, label):
        assert label == "a"
        return factor * x[index]

    @pick.defjvp
    def _(primals, tangents):
        _, index, factor, _ = primals
        t, *others = tangents
        assert others == [None, None, None]
        return pick(*primals), factor * t[index]

    x, index = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2, 0])
    assert grad(lambda x: pick(x, index, 3.0, "a").sum())(x).tolist() == [3.0, 0.0, 3.0]
    assert jvp(lambda x: pick(x, index, 3.0, "a"), (x,), (x,))[1].tolist() == [9.0, 3.0]


def test_arguments_without_influence():
    @custom_vjp
    def first(x, y, z):
        return x * 1

    first.defvjp(lambda x, y, z: (first(x, y, z), None), lambda _, g: (g, None, {"a": None}))
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y, z = torch.ones(2, requires_grad=True), {"a": torch.ones(1, requires_grad=True)}
    first(x, y, z).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert y.grad is None
    assert z["a"].grad is None

    @custom_jvp
    def product(x, y):
        return x * y

    product.defjvps(lambda t, out, x, y: t * y, None)
    assert [g.tolist() for g in grad(lambda x, y: product(x, y).sum(), (0, 1))(x, y)] == [
        [1.0, 1.0],
        [0.0, 0.0],
    ]


def test_cotangents_are_fitted_to_their_argument():
    @custom_vjp
    def scaled(s, x):
        return s * x

    scaled.defvjp(
        lambda s, x: (scaled(s, x), (s, x)), lambda kept, g: (g * kept[1], g.double() * kept[0])
    )
    s, x = torch.tensor(2.0, requires_grad=True), torch.tensor([1.0, 2.0], requires_grad=True)
    scaled(s, x).sum().backward()
    assert s.grad == 3
    assert x.grad.tolist() == [2.0, 2.0]
    assert x.grad.dtype is torch.float32


def test_only_one_of_several_results_is_used():
    @custom_vjp
    def both(x):
        return x.sin(), [x.cos(), x.argmax()]

    def bwd(x, g):
        g_sin, (g_cos, g_index) = g
        assert g_index is None
        return (g_sin * x.cos() - g_cos * x.sin(),)

    both.defvjp(lambda x: (both(x), x), bwd)
    x = POINT.clone().requires_grad_()
    _, (c, k) = both(x)
    assert not k.requires_grad
    c.sum().backward()
    assert torch.allclose(x.grad, -POINT.sin())
    assert torch.autograd.gradcheck(lambda x: both(x)[0] * both(x)[1][0], x, check_forward_ad=True)


def test_methods_and_identity():
    class Layer:
        @functools.partial(custom_vjp, nondiff_argnums=0)
        def same(self, x):
            """Returns x."""
            return x

        same.defvjp(lambda self, x: (x, None), lambda self, _, g: (2 * g,))

    x = torch.ones(2, requires_grad=True)
    y = Layer().same(x)
    assert y is not x
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    y.data.zero_()
    assert x.tolist() == [1.0, 1.0]
    assert Layer.same.__doc__ == "Returns x."
    assert Layer.same.__name__ == "same"


def test_complex_cotangents_are_gradients():
    @custom_vjp
    def square(z):
        return z * z

    square.defvjp(lambda z: (square(z), z), lambda z, g: (g * (2 * z).conj(),))

    @custom_jvp
    def square_too(z):
        return z * z

    square_too.defjvps(lambda t, out, z: 2 * z * t)
    z = torch.tensor([1 + 2j, -0.5j], dtype=torch.complex128, requires_grad=True)
    for f in (square, square_too):
        assert torch.autograd.gradcheck(f, z, check_forward_ad=True)
        assert torch.autograd.gradgradcheck(f, z)


# ------------------------------------------------------------------- what goes wrong
def test_what_is_missing_is_said():
    @custom_vjp
    def f(x):
        return x

    @custom_jvp
    def g(x):
        return x

    for h, what in ((f, "f has no rule yet: call f.defvjp(fwd, bwd)"), (g, "call g.defjvp(jvp)")):
        with raises(AttributeError, what):
            h(torch.ones(1))
    with raises(ValueError, "f has no parameter 'y'; it has ['x']"):
        custom_vjp(f.fun, nondiff_argnames="y")
    with raises(TypeError, "nondiff_argnums has 3, but got 1 arguments"):
        custom_vjp(f.fun, nondiff_argnums=3)(torch.ones(1))

    @custom_vjp
    def keyword(x, *, k=1):
        return x

    with raises(TypeError, "the argument 'k' is keyword-only"):
        keyword(torch.ones(1), k=2)


@pytest.mark.parametrize(
    ("fwd", "bwd", "message"),
    [
        (lambda x, y: x, None, "must return a pair (result, residuals), not Tensor"),
        (lambda x, y: (x * 1, None), lambda _, g: g, "a tuple of 2 cotangents"),
        (lambda x, y: (x * 1, None), lambda _, g: (g,), "it returned 1 values"),
        (lambda x, y: (x * 1, None), lambda _, g: (g, (g, g)), "for argument 1 whose structure"),
        (lambda x, y: (x * 1, None), lambda _, g: (1.0, None), "returned a float for argument 0"),
        (lambda x, y: (x * 1, None), lambda _, g: (g[:1].repeat(5), None), "of shape [5] for an argument"),
    ],
)  # fmt: skip
def test_wrong_rules_are_refused(fwd, bwd, message):
    @custom_vjp
    def f(x, y):
        return x * 1

    f.defvjp(fwd, bwd)
    x = torch.ones(3, requires_grad=True)
    with raises((TypeError, RuntimeError), message):
        f(x, {"a": x}).sum().backward()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda p, t: p[0], "must return a pair (result, tangent), not Tensor"),
        (lambda p, t: (p[0] * 1, [t[0]]), "whose structure is not that of the result"),
        (lambda p, t: (p[0] * 1, 1.0), "whose structure is not"),
        (lambda p, t: (p[0] * 1, t[0].sum()), "a tangent of shape [] for a result of shape [3]"),
    ],
)
def test_wrong_jvps_are_refused(rule, message):
    @custom_jvp
    def f(x):
        return x * 1

    f.defjvp(rule)
    x = torch.ones(3, requires_grad=True)
    with raises((TypeError, RuntimeError), message):
        f(x)
    with raises((TypeError, RuntimeError), message):
        jvp(f, (torch.ones(3),), (torch.ones(3),))


def test_a_tensor_from_outside_is_refused_where_its_gradient_would_be_lost():
    weight = torch.tensor(2.0, requires_grad=True)

    @custom_vjp
    def f(x):
        return weight * x

    f.defvjp(lambda x: (weight * x, None), lambda _, g: (g,))
    with raises(
        RuntimeError, "f uses a tensor that requires grad and is none of its arguments", "weight"
    ):
        f(torch.ones(1, requires_grad=True))
    assert f(torch.ones(1)).requires_grad  # there is nothing to lose: it is recorded as it is

    @custom_vjp
    def fine(x):
        return weight.detach() * x

    fine.defvjp(lambda x: (fine(x), None), lambda _, g: (g * 2,))
    x = weight * torch.ones(1)  # the input may depend on anything
    fine(x).backward()
    assert weight.grad == 2


def test_forward_mode_needs_a_recorded_bwd():
    @custom_vjp
    def f(x):
        return 2 * x

    f.defvjp(lambda x: (f(x), None), lambda _, g: (torch.from_numpy(2 * g.detach().numpy()),))
    assert grad(total(f))(POINT).tolist() == [2.0] * 3
    with raises(
        RuntimeError, "forward mode through f: its bwd must compute with recorded operations"
    ):
        jvp(f, (POINT,), (POINT,))


def test_a_residual_that_was_written_is_noticed():
    f = by_vjp()
    x = POINT.clone().requires_grad_()
    y = x * 1
    out = f(y)
    y.mul_(2)
    with raises(
        RuntimeError, "modified by an inplace operation", "fBackward", "test_custom_rules.py"
    ):
        out.sum().backward()


# ------------------------------------------------------------------- memory
@pytest.mark.parametrize("make", MAKERS)
def test_nothing_is_kept_alive(make):
    f = make()
    gc.collect()
    gc.disable()
    try:
        x = POINT.clone().requires_grad_()
        y = f(x * 1)
        arrays = [weakref.ref(y), weakref.ref(y.grad_fn)]
        y.sum().backward()
        (g,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
        torch.autograd.grad(g.sum(), x)
        arrays.append(weakref.ref(g))
        del y, g, x
        assert [a() for a in arrays] == [None] * 3
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_residuals_are_dropped_by_backward():
    f = by_vjp_saving_a_result()
    x = torch.ones(1000, requires_grad=True)
    y = f(x * 1)
    kept = [weakref.ref(t) for t in y.grad_fn.x]
    assert kept
    y.sum().backward()
    assert [k() for k in kept] == [None]
    assert np.isfinite(y.detach().numpy()).all()
