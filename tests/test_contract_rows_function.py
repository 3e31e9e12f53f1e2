"""Rows of contract section 2.9 that test_function.py leaves out: vmap, forward saves, the classes."""

from __future__ import annotations

import importlib

import pytest
from against import NAME, REAL, raises, torch

func = importlib.import_module(f"{NAME}.func")
function = importlib.import_module(f"{NAME}.autograd.function")
Function = torch.autograd.Function


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


class Cube(Function):
    """x^3 in the new style, with all rules."""

    @staticmethod
    def forward(x):
        return x * x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g

    @staticmethod
    def jvp(ctx, t):
        (x,) = ctx.saved_tensors
        return 3 * x * x * t


class MappedCube(Cube):
    seen = []

    @staticmethod
    def vmap(info, in_dims, x):
        MappedCube.seen.append((info.batch_size, info.randomness, in_dims))
        return MappedCube.apply(x), in_dims[0]


class GeneratedCube(Cube):
    generate_vmap_rule = True


# ------------------------------------------------------------------- vmap
def test_A_114_a_vmap_staticmethod():
    MappedCube.seen.clear()
    x = torch.arange(6.0).reshape(2, 3)
    out = func.vmap(MappedCube.apply)(x)
    assert out.tolist() == (x**3).tolist()
    assert MappedCube.seen == [(2, "error", (0,))]
    with raises(RuntimeError, "vmap"):
        func.vmap(Cube.apply)(x)


def test_A_114_what_a_vmap_staticmethod_must_return():
    class Bad(Cube):
        @staticmethod
        def vmap(info, in_dims, x):
            return x

    with pytest.raises((RuntimeError, ValueError, TypeError)):
        func.vmap(Bad.apply)(torch.ones(2))


def test_A_114_arguments_that_are_not_mapped():
    class Scale(Function):
        @staticmethod
        def forward(x, k, y):
            return x * k + y

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def vmap(info, in_dims, x, k, y):
            assert in_dims == (0, None, None)
            return Scale.apply(x, k, y), 0

    x, y = torch.arange(6.0).reshape(2, 3), torch.ones(3)
    assert func.vmap(lambda x: Scale.apply(x, 2, y))(x).tolist() == (x * 2 + y).tolist()


def test_A_114_generated_rules():
    x = torch.arange(6.0, dtype=torch.float64).reshape(2, 3) / 5
    assert torch.allclose(func.vmap(GeneratedCube.apply)(x), x**3)
    slope = func.vmap(func.grad(lambda v: GeneratedCube.apply(v).sum()))(x)
    assert torch.allclose(slope, 3 * x * x)
    pushed = func.vmap(lambda v: func.jvp(GeneratedCube.apply, (v,), (torch.ones_like(v),))[1])(x)
    assert torch.allclose(pushed, 3 * x * x)

    class Both(GeneratedCube):
        @staticmethod
        def vmap(info, in_dims, x):
            return x, 0

    with raises(RuntimeError, "generate_vmap_rule=True"):
        func.vmap(Both.apply)(x)


def test_A_114_transforms_of_custom_functions():
    x = doubles(0.5, 2.0).detach()
    total = lambda v: GeneratedCube.apply(v).sum()
    assert torch.allclose(func.grad(total)(x), 3 * x * x)
    assert torch.allclose(func.jacrev(GeneratedCube.apply)(x), torch.diag(3 * x * x))
    assert torch.allclose(func.jacfwd(GeneratedCube.apply)(x), torch.diag(3 * x * x))
    assert torch.allclose(func.hessian(total)(x), torch.diag(6 * x))
    assert torch.allclose(func.grad(lambda v: func.grad(total)(v).sum())(x), 6 * x)


def test_A_111_old_style_functions_and_transforms():
    class Old(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    if REAL:
        with raises(RuntimeError, "setup_context"):
            func.grad(Old.apply)(torch.tensor(1.0))
    else:  # the tape is the same
        assert func.grad(Old.apply)(torch.tensor(1.0)).item() == 2.0


# ------------------------------------------------------------------- what ctx keeps
def test_A_120_save_for_forward():
    fwd = torch.autograd.forward_ad
    x = doubles(0.5, 2.0).detach()
    with fwd.dual_level():
        out = Cube.apply(fwd.make_dual(x, torch.ones_like(x)))
        assert torch.allclose(fwd.unpack_dual(out).tangent, 3 * x * x)

    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_forward(3)
            return x * 1

    with pytest.raises((AssertionError, TypeError), match="save_for_forward"):
        Bad.apply(doubles(1.0))


def test_A_125_mark_shared_storage_is_gone():
    class Marked(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_shared_storage((x, x))
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    x = doubles(1.0)
    with pytest.warns(FutureWarning, match="mark_shared_storage"):
        out = Marked.apply(x)
    out.backward()
    assert x.grad.item() == 1.0


# ------------------------------------------------------------------- the classes behind it
def test_A_133_classes():
    assert isinstance(Function, function.FunctionMeta)
    x = doubles(2.0)
    node = Cube.apply(x).grad_fn
    assert isinstance(node, function.BackwardCFunction)
    assert type(node).__name__ == "CubeBackward"
    assert issubclass(function.InplaceFunction, Function)
    assert issubclass(function.NestedIOFunction, Function)
    assert {"save_for_backward", "mark_dirty", "set_materialize_grads"} <= set(
        dir(function.FunctionCtx)
    )


def test_A_133_in_place_functions():
    class AddOne(function.InplaceFunction):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.add_(1)

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        assert AddOne(True).inplace is True
    x = doubles(1.0)
    y = x * 2
    z = AddOne.apply(y)
    assert z is y
    z.backward()
    assert x.grad.item() == 2.0


def test_A_102_the_error_of_gradcheck():
    module = importlib.import_module(f"{NAME}.autograd.gradcheck")
    assert issubclass(module.GradcheckError, RuntimeError)
    with pytest.raises(module.GradcheckError):
        torch.autograd.gradcheck(lambda x: x.detach() * x, (doubles(1.0),))


def test_A_035_hessian_vector_products():
    x, v = doubles(0.5, 2.0).detach(), torch.tensor([1.0, 3.0], dtype=torch.float64)
    out, product = torch.autograd.functional.hvp(lambda x: (x**3).sum(), x, v)
    assert out.item() == pytest.approx(8.125)
    assert torch.allclose(product, 6 * x * v)
