"""autograd.functional: Jacobians, Hessians and products, contract rows A-030 to A-035."""

from __future__ import annotations

import pytest
from against import raises, torch

F = torch.autograd.functional


def point():
    return torch.tensor([1.0, 2.0, 3.0])


def other():
    return torch.tensor([4.0, 5.0, 6.0])


def cubic(x):
    return (x**3).sum()


def square(x):
    return x**2


def dot(x, y):
    return (x * y).sum()


def first_only(x, y):
    return (x**2).sum()


def linear(x):
    return (x * 2).sum()


def constant(x):
    return torch.ones(())


def cut_off(x):
    return x.detach().clone().requires_grad_().sum()


def listed(t):
    """Nested results as nested lists; tuples stay tuples."""
    return tuple(map(listed, t)) if isinstance(t, tuple) else t.tolist()


DIAGONAL = [[6.0, 0.0, 0.0], [0.0, 12.0, 0.0], [0.0, 0.0, 18.0]]
HESSIAN_STRICT = (
    "While computing the hessian, found that the jacobian of the user-provided function with "
    "respect to input {} is independent of the input. This is not allowed in strict mode."
)
NO_HISTORY = "Output 0 of the user-provided function does not require gradients."


# ------------------------------------------------------------------- jacobian
def test_A_030_jacobian():
    assert F.jacobian(square, point()).tolist() == [
        [2.0, 0.0, 0.0],
        [0.0, 4.0, 0.0],
        [0.0, 0.0, 6.0],
    ]
    assert F.jacobian(cubic, point()).tolist() == [3.0, 12.0, 27.0]


def test_A_030_tuples_in_and_out():
    def two(x, y):
        return (x * y).sum(), x + y

    scalar_row, vector_row = F.jacobian(two, (point(), other()))
    assert listed(scalar_row) == ([4.0, 5.0, 6.0], [1.0, 2.0, 3.0])
    eye = torch.eye(3).tolist()
    assert listed(vector_row) == (eye, eye)
    assert listed(F.jacobian(cubic, (point(),))) == ([3.0, 12.0, 27.0],)
    assert listed(F.jacobian(lambda x: (x.sum(),), point())) == ([1.0, 1.0, 1.0],)


def test_A_030_shapes():
    x = torch.ones(2, 3)
    assert F.jacobian(lambda x: x @ torch.ones(3, 4), x).shape == (2, 4, 2, 3)
    assert F.jacobian(lambda x: x.sum(), torch.zeros(0)).shape == (0,)


def test_A_030_create_graph():
    x = point().requires_grad_()
    jacobian = F.jacobian(square, x, create_graph=True)
    assert jacobian.requires_grad
    assert torch.autograd.grad(jacobian.sum(), x)[0].tolist() == [2.0, 2.0, 2.0]
    assert not F.jacobian(square, x).requires_grad
    assert x.grad is None


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_A_030_vectorize(strategy):
    found = F.jacobian(lambda x, y: x * y, (point(), other()), vectorize=True, strategy=strategy)
    assert listed(tuple(found)) == (torch.diag(other()).tolist(), torch.diag(point()).tolist())


def test_A_030_forward_mode():
    def several(x, y):
        return x * y, x.sum(), y.prod() * torch.ones(2)

    backward = F.jacobian(several, (point(), other()))
    forward = F.jacobian(several, (point(), other()), vectorize=True, strategy="forward-mode")
    for b, f in zip(backward, forward, strict=True):
        assert listed(tuple(b)) == listed(tuple(f))
    independent = F.jacobian(constant, point(), vectorize=True, strategy="forward-mode")
    assert independent.tolist() == [0.0, 0.0, 0.0]


def test_A_030_forward_mode_limits():
    forward = {"strategy": "forward-mode", "vectorize": True}
    with raises(
        NotImplementedError,
        "Computing Jacobian using forward-AD",
        "implemented for `vectorize=True`",
    ):
        F.jacobian(square, point(), strategy="forward-mode")
    with raises(
        NotImplementedError, '`create_graph=True` and `strategy="forward-mode"` are not supported'
    ):
        F.jacobian(square, point(), create_graph=True, **forward)
    with raises(RuntimeError, '`strict=True` and `strategy="forward-mode"` are not supported'):
        F.jacobian(square, point(), strict=True, **forward)
    with raises(AssertionError, 'Expected strategy to be either "forward-mode" or "reverse-mode".'):
        F.jacobian(square, point(), strategy="sideways")


def test_A_030_independent_outputs_are_zeros_or_errors():
    assert F.jacobian(constant, point()).tolist() == [0.0, 0.0, 0.0]
    assert F.jacobian(cut_off, point()).tolist() == [0.0, 0.0, 0.0]
    inputs = (point(), other())
    assert listed(F.jacobian(first_only, inputs)) == ([2.0, 4.0, 6.0], [0.0, 0.0, 0.0])
    with raises(RuntimeError, NO_HISTORY, "when running in strict mode."):
        F.jacobian(constant, point(), strict=True)
    with raises(
        RuntimeError,
        "Output 0 of the user-provided function is independent of input 1. This is not allowed in "
        "strict mode.",
    ):
        F.jacobian(first_only, inputs, strict=True)
    assert F.jacobian(linear, point(), strict=True).tolist() == [2.0, 2.0, 2.0]
    with raises(
        RuntimeError,
        "The jacobian of the user-provided function is independent of input 0. This is not allowed "
        "in strict mode when create_graph=True.",
    ):
        F.jacobian(linear, point(), strict=True, create_graph=True)
    with raises(RuntimeError, "`strict=True` and `vectorized=True` are not supported together"):
        F.jacobian(square, point(), strict=True, vectorize=True)


# ------------------------------------------------------------------- hessian
@pytest.mark.parametrize("vectorize", [False, True])
def test_A_031_hessian(vectorize):
    assert F.hessian(cubic, point(), vectorize=vectorize).tolist() == DIAGONAL
    zero, eye = torch.zeros(3, 3).tolist(), torch.eye(3).tolist()
    found = F.hessian(dot, (point(), other()), vectorize=vectorize)
    assert listed(found) == ((zero, eye), (eye, zero))


def test_A_031_forward_over_reverse():
    options = {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}
    assert F.hessian(cubic, point(), **options).tolist() == DIAGONAL
    with raises(NotImplementedError, "implemented for `vectorize=True`"):
        F.hessian(cubic, point(), outer_jacobian_strategy="forward-mode")
    with raises(AssertionError, 'Expected strategy to be either "forward-mode" or "reverse-mode".'):
        F.hessian(cubic, point(), outer_jacobian_strategy="sideways")


def test_A_031_create_graph():
    x = point().requires_grad_()
    hessian = F.hessian(cubic, x, create_graph=True)
    assert torch.autograd.grad(hessian.sum(), x)[0].tolist() == [6.0, 6.0, 6.0]


def test_A_031_the_function_must_be_scalar():
    assert F.hessian(lambda x: cubic(x).view(1, 1), point()).tolist() == DIAGONAL
    with raises(
        RuntimeError, "The Tensor returned by the function given to hessian should contain a single"
    ):
        F.hessian(square, point())
    with raises(RuntimeError, "The function given to hessian should return a single Tensor"):
        F.hessian(lambda x: (x.sum(), x.sum()), point())


def test_A_031_strict():
    assert F.hessian(linear, point()).tolist() == torch.zeros(3, 3).tolist()
    with raises(
        RuntimeError, HESSIAN_STRICT.format(0), "this would be violated by a linear function"
    ):
        F.hessian(linear, point(), strict=True)
    with raises(RuntimeError, HESSIAN_STRICT.format(1)):
        F.hessian(first_only, (point(), other()), strict=True)
    with raises(RuntimeError, NO_HISTORY):
        F.hessian(constant, point(), strict=True)


# ------------------------------------------------------------------- products
def test_A_032_vjp():
    assert listed(F.vjp(square, point(), torch.ones(3))) == ([1.0, 4.0, 9.0], [2.0, 4.0, 6.0])
    assert listed(F.vjp(dot, (point(), other()))) == (32.0, ([4.0, 5.0, 6.0], [1.0, 2.0, 3.0]))
    value, slope = F.vjp(lambda x: (x.sum(), x.prod()), point(), (torch.ones(()), torch.ones(())))
    assert listed(value) == (6.0, 6.0)
    assert slope.tolist() == [7.0, 4.0, 3.0]


def test_A_033_jvp():
    assert listed(F.jvp(square, point(), torch.ones(3))) == ([1.0, 4.0, 9.0], [2.0, 4.0, 6.0])
    v = (torch.ones(3), torch.ones(3))
    assert listed(F.jvp(dot, (point(), other()), v)) == (32.0, 21.0)
    assert listed(F.jvp(linear, point(), torch.ones(3))) == (12.0, 6.0)
    _, slopes = F.jvp(lambda x: (x.sum(), x.prod()), point(), torch.ones(3))
    assert listed(slopes) == (3.0, 11.0)


@pytest.mark.parametrize("product", [F.vhp, F.hvp], ids=["vhp", "hvp"])
def test_A_034_A_035_products_with_a_hessian(product):
    assert listed(product(cubic, point(), torch.ones(3))) == (36.0, [6.0, 12.0, 18.0])
    v = (torch.ones(3), 2 * torch.ones(3))
    assert listed(product(dot, (point(), other()), v)) == (32.0, ([2.0] * 3, [1.0] * 3))
    assert listed(product(linear, point(), torch.ones(3))) == (12.0, [0.0, 0.0, 0.0])
    assert listed(product(first_only, (point(), other()), v)) == (14.0, ([2.0] * 3, [0.0] * 3))


@pytest.mark.parametrize("name", ["vjp", "jvp", "vhp", "hvp"])
def test_products_of_one_element_need_no_vector(name):
    value, found = getattr(F, name)(lambda x: (x**2).sum(), torch.tensor([3.0]))
    assert value.item() == 9.0
    assert found.item() == (6.0 if name in ("vjp", "jvp") else 2.0)


@pytest.mark.parametrize("name", ["vjp", "jvp", "vhp", "hvp"])
def test_products_check_the_vector(name):
    product, f = getattr(F, name), square if name in ("vjp", "jvp") else cubic
    with raises(
        RuntimeError, "The vector v can only be None if", "a single Tensor with a single element."
    ):
        product(f, point())
    with raises(
        RuntimeError, "v has invalid size: should be torch.Size([3]) but got torch.Size([2])."
    ):
        product(f, point(), torch.ones(2))
    with raises(TypeError, f"The v given to {name} must be either a Tensor or a tuple of Tensors"):
        product(f, point(), 1.0)
    with raises(RuntimeError, "The given v should contain a single Tensor."):
        product(f, point(), (torch.ones(3), torch.ones(3)))
    assert listed(product(f, point(), (torch.ones(3),)))[1][0] in (2.0, 6.0)


def test_vectors_in_tuples_are_checked_one_by_one():
    inputs = (point(), other())
    with raises(RuntimeError, "v is a tuple of invalid length: should be 2 but got 1."):
        F.jvp(dot, inputs, (torch.ones(3),))
    with raises(
        RuntimeError,
        "Entry 1 in v has invalid size: should be torch.Size([3]) but got torch.Size([2])",
    ):
        F.jvp(dot, inputs, (torch.ones(3), torch.ones(2)))


@pytest.mark.parametrize("name", ["vjp", "jvp", "vhp", "hvp"])
def test_products_create_graph(name):
    f = square if name in ("vjp", "jvp") else cubic
    x = point().requires_grad_()
    value, found = getattr(F, name)(f, x, torch.ones(3), create_graph=True)
    assert value.requires_grad
    (g,) = torch.autograd.grad(found.sum(), x)
    assert g.tolist() == ([2.0] * 3 if f is square else [6.0] * 3)
    value, found = getattr(F, name)(f, x, torch.ones(3))
    assert not value.requires_grad
    assert not found.requires_grad


@pytest.mark.parametrize("name", ["vjp", "jvp", "vhp", "hvp"])
def test_products_strict(name):
    product = getattr(F, name)
    v = None if name == "vjp" else torch.ones(3)
    pair = None if name == "vjp" else (torch.ones(3), torch.ones(3))
    with raises(RuntimeError, NO_HISTORY):
        product(constant, point(), v, strict=True)
    with raises(
        RuntimeError, "The output of the user-provided function is independent of input 1."
    ):
        product(first_only, (point(), other()), pair, strict=True)
    if name in ("vjp", "jvp"):
        assert product(linear, point(), v, strict=True)[0].item() == 12.0
        with raises(
            RuntimeError, "The jacobian of the user-provided function is independent of input 0."
        ):
            product(linear, point(), v, strict=True, create_graph=True)
    else:
        with raises(RuntimeError, HESSIAN_STRICT.format(0)):
            product(linear, point(), v, strict=True)


@pytest.mark.parametrize("name", ["vhp", "hvp"])
def test_products_with_a_hessian_need_a_scalar(name):
    with raises(
        RuntimeError,
        f"The Tensor returned by the function given to {name} should contain a single element",
    ):
        getattr(F, name)(square, point(), torch.ones(3))
    with raises(RuntimeError, f"The function given to {name} should return a single Tensor"):
        getattr(F, name)(lambda x: (x.sum(), x.sum()), point(), torch.ones(3))


# ------------------------------------------------------------------- all of them
ALL = ["jacobian", "hessian", "vjp", "jvp", "vhp", "hvp"]


@pytest.mark.parametrize("name", ALL)
def test_what_is_given_must_be_tensors(name):
    f = getattr(F, name)
    v = () if name in ("jacobian", "hessian") else (torch.ones(3),)
    must = f"given to {name} must be either a Tensor or a tuple of Tensors but the"
    with raises(TypeError, f"The inputs {must} given inputs has type <class 'float'>."):
        f(cubic, 1.0, *v)
    with raises(TypeError, f"The inputs {must} given inputs has type <class 'list'>."):
        f(cubic, [point()], *v)
    with raises(TypeError, f"The inputs {must} value at index 1 has type <class 'float'>."):
        f(dot, (point(), 2.0), *v)
    outputs = "The outputs of the user-provided function"
    with raises(
        TypeError,
        f"{outputs} {must} given outputs of the user-provided function has type <class 'float'>.",
    ):
        f(lambda x: 3.0, point(), *v)
    with raises(TypeError, f"{outputs} {must} value at index 1 has type <class 'float'>."):
        f(lambda x: (x.sum(), 3.0), point(), *v)


@pytest.mark.parametrize("name", ALL)
def test_recording_is_on_inside_and_restored(name):
    f = getattr(F, name)
    v = () if name in ("jacobian", "hessian") else (torch.ones(3),)
    scalar = name not in ("vjp", "jvp", "jacobian")
    with torch.no_grad():
        f(cubic if scalar else square, point(), *v)
        assert not torch.is_grad_enabled()

        def fails(x):
            assert torch.is_grad_enabled()
            raise ValueError("boom")

        with raises(ValueError, "boom"):
            f(fails, point(), *v)
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize("name", ALL)
def test_captured_tensors_get_no_gradient(name):
    w = torch.ones(3, requires_grad=True)
    f = getattr(F, name)
    v = () if name in ("jacobian", "hessian") else (torch.ones(3),)
    scalar = name not in ("vjp", "jvp", "jacobian")
    f((lambda x: (w * x**2).sum()) if scalar else (lambda x: w * x), point(), *v)
    assert w.grad is None


def test_a_function_that_branches_on_values():
    def doubling(x):
        y = x * 2
        while y.data.norm() < 1000:
            y = y * 2
        return y

    value, slope = F.vjp(doubling, torch.tensor([1.0, -1.0]), torch.tensor([1.0, 0.5]))
    assert value.tolist() == [1024.0, -1024.0]
    assert slope.tolist() == [1024.0, 512.0]


def test_a_model():
    torch.manual_seed(0)
    a, b = torch.randn(4, 3), torch.randn(4)

    def loss(x):
        return torch.tanh(a @ x + b).pow(2).sum()

    x = torch.randn(3)
    hessian = F.hessian(loss, x)
    forward = F.hessian(loss, x, vectorize=True, outer_jacobian_strategy="forward-mode")
    v = torch.randn(3)
    assert torch.allclose(hessian, hessian.T, atol=1e-6)
    assert torch.allclose(hessian, forward, atol=1e-6)
    assert torch.allclose(F.hvp(loss, x, v)[1], hessian @ v, atol=1e-5)
    assert torch.allclose(F.vhp(loss, x, v)[1], hessian @ v, atol=1e-5)


@pytest.mark.wengert_only
def test_complex_outputs_are_refused():
    z = torch.tensor([1 + 2j])
    with raises(RuntimeError, "grad can be implicitly created only for real scalar outputs"):
        F.jacobian(lambda z: z * z, z)
