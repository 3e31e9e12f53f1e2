"""Rows of contract sections 2.14 and 2.15: points without a derivative, and complex numbers.

The values are those that PyTorch 2.13 gave; the same file runs against PyTorch.
"""

from __future__ import annotations

import math

import pytest
from against import REAL, raises, torch

F = torch.nn.functional
inf, nan = math.inf, math.nan


def slope(f, *values, dtype=torch.float64):
    """The gradient of f at a vector (or several scalars given as one)."""
    x = torch.tensor(list(values), dtype=dtype, requires_grad=True)
    f(x).sum().backward()
    return x.grad.tolist()


def same(got, want, tolerance=1e-4):
    got, want = (list(v) if isinstance(v, list | tuple) else [v] for v in (got, want))
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        ok = (a != a and b != b) or a == b or abs(a - b) <= tolerance * max(1.0, abs(b))
        assert ok, (got, want)


def case(name, f, point, want):
    return pytest.param(f, point if isinstance(point, list) else [point], want, id=name)


# ------------------------------------------------------------------- 2.14
UNARY = [
    case("abs", torch.abs, 0.0, 0.0),
    case("sign", torch.sign, 0.0, 0.0),
    case("sqrt", torch.sqrt, 0.0, inf),
    case("rsqrt", torch.rsqrt, 0.0, -inf),
    case("log", torch.log, 0.0, inf),
    case("sinc", torch.sinc, 0.0, 0.0),
    case("entr", torch.special.entr, 0.0, inf),
    case("lgamma", torch.lgamma, 0.0, -inf),
    case("digamma", torch.digamma, 0.0, inf),
    case("i1", torch.special.i1, 0.0, 0.5),
    case("copysign", lambda x: torch.copysign(x, torch.tensor(1.0)), 0.0, 0.0),
    case("angle", torch.angle, -1.0, 0.0),
    case("x ** 0", lambda x: x**0, 0.0, 0.0),
    case("x ** 1", lambda x: x**1, 0.0, 1.0),
    case("x ** 0.5", lambda x: x**0.5, 0.0, inf),
    case("x ** -1", lambda x: x**-1, 0.0, -inf),
    case("0 ** x", lambda x: torch.tensor(0.0, dtype=torch.float64) ** x, 0.0, 0.0),
    case("x ** x", lambda x: x**x, 0.0, 0.0),
    case("cube root of a negative", lambda x: x ** (1 / 3), -8.0, nan),
    case("asin", torch.asin, 1.0, inf),
    case("acos", torch.acos, 1.0, -inf),
    case("acosh", torch.acosh, 1.0, inf),
    case("atanh", torch.atanh, 1.0, inf),
    case("log1p", torch.log1p, -1.0, inf),
    case("erfinv", torch.erfinv, 1.0, inf),
    case("logit below eps", lambda x: torch.logit(x, 0.1), 0.05, 0.0),
    case("logit at eps", lambda x: torch.logit(x, 0.1), 0.1, 11.1111),
    case("xlogy in x", lambda x: torch.xlogy(x, torch.tensor(2.0)), 0.0, math.log(2)),
    case("xlogy in y", lambda y: torch.xlogy(torch.tensor(0.0), y), 0.0, nan),
]

ACTIVATIONS = [
    case("relu", F.relu, 0.0, 0.0),
    case("leaky_relu", F.leaky_relu, 0.0, 0.01),
    case("elu", F.elu, 0.0, 1.0),
    case("celu", F.celu, 0.0, 1.0),
    case("selu", F.selu, 0.0, 1.7581),
    case("relu6", F.relu6, [0.0, 6.0], [0.0, 0.0]),
    case("hardtanh", F.hardtanh, [-1.0, 1.0], [0.0, 0.0]),
    case("hardsigmoid", F.hardsigmoid, [-3.0, 3.0], [0.0, 0.0]),
    case("hardswish", F.hardswish, [3.0, -3.0], [1.0, 0.0]),
    case("hardshrink", F.hardshrink, 0.5, 0.0),
    case("softshrink", F.softshrink, 0.5, 0.0),
    case("threshold", lambda x: F.threshold(x, 0.0, 0.0), 0.0, 0.0),
    case("prelu", lambda x: F.prelu(x, torch.tensor([0.25], dtype=torch.float64)), 0.0, 0.25),
    case("gelu", F.gelu, 0.0, 0.5),
    case("softsign", F.softsign, 0.0, 1.0),
    case("clamp at min", lambda x: x.clamp(min=0), [0.0, -1.0], [1.0, 0.0]),
    case("clamp at both", lambda x: x.clamp(0, 1), [0.0, 1.0, 2.0], [1.0, 1.0, 0.0]),
    case("clamp of nan", lambda x: x.clamp(0, 1), nan, 0.0),
]

TIES = [
    case("max", lambda x: x.max(), [2.0, 2.0, 1.0], [0.5, 0.5, 0.0]),
    case("min", lambda x: x.min(), [1.0, 1.0, 1.0], [1 / 3] * 3),
    case("amax", lambda x: x.amax(), [2.0, 2.0], [0.5, 0.5]),
    case("amin", lambda x: x.amin(0), [2.0, 2.0], [0.5, 0.5]),
    case("aminmax", lambda x: x.aminmax()[1], [2.0, 2.0], [0.5, 0.5]),
    case("median", lambda x: x.median(), [2.0, 2.0, 1.0], [0.5, 0.5, 0.0]),
    case("max of a dim", lambda x: x.max(0)[0], [2.0, 2.0], [1.0, 0.0]),
    case("min of a dim", lambda x: x.min(0)[0], [2.0, 2.0], [1.0, 0.0]),
    case("topk", lambda x: x.topk(1)[0], [2.0, 1.0], [1.0, 0.0]),
    case("cummax", lambda x: x.cummax(0)[0], [1.0, 2.0, 2.0], [1.0, 1.0, 1.0]),
    case("quantile", lambda x: torch.quantile(x, 0.5), [1.0, 2.0, 3.0, 4.0], [0, 0.5, 0.5, 0]),
    case("max of nan", lambda x: x.max(), [1.0, nan], [0.0, 1.0]),
    case("amax of nan", lambda x: x.amax(), [1.0, nan], [nan, nan]),
    case("maximum", lambda x: torch.maximum(x, torch.tensor([1.0], dtype=x.dtype)), 1.0, 0.5),
    case("minimum", lambda x: torch.minimum(x, torch.tensor([1.0], dtype=x.dtype)), 1.0, 0.5),
    case("fmax", lambda x: torch.fmax(x, torch.tensor([1.0], dtype=x.dtype)), 1.0, 1.0),
    case("fmin", lambda x: torch.fmin(x, torch.tensor([1.0], dtype=x.dtype)), 1.0, 1.0),
]

NORMS = [
    case("2-norm", torch.norm, [0.0, 0.0], [0.0, 0.0]),
    case("vector_norm", torch.linalg.vector_norm, [0.0, 0.0], [0.0, 0.0]),
    case("1-norm", lambda x: x.norm(1), [0.0, 0.0], [0.0, 0.0]),
    case("inf-norm", lambda x: x.norm(inf), [0.0, 0.0], [0.0, 0.0]),
    case("3-norm", lambda x: x.norm(3), [0.0, 0.0], [0.0, 0.0]),
    case("dist", lambda x: torch.dist(x, torch.zeros(2, dtype=x.dtype)), [0.0, 0.0], [0.0, 0.0]),
    case("cdist", lambda x: torch.cdist(x[None], x.detach()[None]), [1.0, 2.0], [0.0, 0.0]),
    case("ties of the inf-norm", lambda x: x.norm(inf), [2.0, 2.0], [0.5, 0.5]),
    case("0.5-norm", lambda x: x.norm(0.5), [0.0, 1.0], [0.0, 1.0]),
    case("pairwise_distance", lambda x: F.pairwise_distance(x[None], x.detach()[None]),
         [1.0, 2.0], [0.7071, 0.7071]),
    case("normalize", lambda x: F.normalize(x, dim=0), [0.0, 0.0], [1e12, 1e12]),
    case("hypot", lambda x: torch.hypot(x, torch.zeros(1, dtype=x.dtype)), 0.0, nan),
    case("atan2", lambda x: torch.atan2(x, torch.zeros(1, dtype=x.dtype)), 0.0, 0.0),
    case("std", torch.std, [1.0, 1.0], [0.0, 0.0]),
    case("var", torch.var, [1.0, 1.0], [0.0, 0.0]),
    case("prod with a zero", torch.prod, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
    case("prod with two", torch.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
    case("cumprod", lambda x: x.cumprod(0)[-1], [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
]  # fmt: skip

OTHERS = [
    case("floor", torch.floor, [1.5, 2.0], [0.0, 0.0]),
    case("round", torch.round, 1.5, 0.0),
    case("trunc", torch.trunc, 1.5, 0.0),
    case("frac", torch.frac, 1.5, 1.0),
    case("fmod in a", lambda x: torch.fmod(x, 2.0), 3.0, 1.0),
    case("fmod in b", lambda x: torch.fmod(torch.tensor(-7.0), x), 2.0, 3.0),
    case("remainder in b", lambda x: torch.remainder(torch.tensor(-7.0), x), 2.0, 4.0),
    case("div floor", lambda x: torch.div(x, 2, rounding_mode="floor"), 3.0, 0.0),
    case("l1", lambda x: F.l1_loss(x, x.detach()), 1.0, 0.0),
    case("smooth l1", lambda x: F.smooth_l1_loss(x, torch.zeros(1, dtype=x.dtype)), 1.0, 1.0),
    case("huber", lambda x: F.huber_loss(x, torch.zeros(1, dtype=x.dtype)), -1.0, -1.0),
    case("hinge", lambda x: F.hinge_embedding_loss(x, torch.tensor([-1.0])), 1.0, -1.0),
    case("margin", lambda x: F.margin_ranking_loss(x, x.detach(), torch.tensor([1.0])), 1.0, -1.0),
    case("bce", lambda x: F.binary_cross_entropy(x, torch.ones(1, dtype=x.dtype)), 0.0, -1e12),
    case("all ignored", lambda x: F.cross_entropy(x[None], torch.tensor([-100]), reduction="sum"),
         [1.0, 2.0], [0.0, 0.0]),
    case("where", lambda x: torch.where(x > 0, x.sqrt(), torch.zeros_like(x)), 0.0, nan),
    case("nan_to_num", torch.nan_to_num, [inf, nan], [0.0, 0.0]),
    case("logsumexp", lambda x: x.logsumexp(0), [-inf, -inf], [nan, nan]),
    case("softmax", lambda x: x.softmax(0)[:1], [-inf, -inf], [nan, nan]),
    case("logaddexp", lambda x: torch.logaddexp(x, torch.tensor(-inf)), -inf, nan),
    case("gather", lambda x: x.gather(0, torch.tensor([0, 0])), [1.0, 2.0], [2.0, 0.0]),
    case("det", lambda x: torch.det(x.reshape(2, 2)), [0.0, 0.0, 0.0, 0.0], [0.0] * 4),
]  # fmt: skip


@pytest.mark.parametrize(("f", "point", "want"), UNARY)
def test_N_01_unary_functions(f, point, want):
    same(slope(f, *point), want)


@pytest.mark.parametrize(("f", "point", "want"), ACTIVATIONS)
def test_N_02_activations_and_clamp(f, point, want):
    same(slope(f, *point), want)


@pytest.mark.parametrize(("f", "point", "want"), TIES)
def test_N_03_ties(f, point, want):
    same(slope(f, *point), want)


@pytest.mark.parametrize(("f", "point", "want"), NORMS)
def test_N_04_norms_and_products(f, point, want):
    same(slope(f, *point), want)


@pytest.mark.parametrize(("f", "point", "want"), OTHERS)
def test_N_05_steps_losses_and_the_rest(f, point, want):
    same(slope(f, *point), want)


# ------------------------------------------------------------------- 2.15
def complexes(*values):
    return torch.tensor(values, dtype=torch.complex128, requires_grad=True)


def test_M_70_the_gradient_of_a_real_loss_points_uphill():
    z = complexes(1 + 2j)
    (z.abs() ** 2).sum().backward()
    assert z.grad.item() == pytest.approx(2 + 4j)
    step = z.detach() + 1e-3 * z.grad
    assert (step.abs() > z.detach().abs()).all()


def test_M_71_holomorphic_functions():
    z = complexes(1 + 2j)
    (g,) = torch.autograd.grad(z * z, z, torch.ones(1, dtype=z.dtype))
    assert g.item() == 2 - 4j
    fwd = torch.autograd.forward_ad
    with fwd.dual_level():
        dual = fwd.make_dual(z.detach(), torch.ones(1, dtype=z.dtype))
        assert fwd.unpack_dual(dual * dual).tangent.item() == 2 + 4j


def test_M_72_values():
    one = lambda t: torch.ones_like(t)
    for f, point, want in (
        (torch.abs, 3 + 4j, 0.6 + 0.8j),
        (torch.abs, 0j, 0j),
        (torch.real, 1 + 2j, 1 + 0j),
        (torch.imag, 1 + 2j, 1j),
        (torch.angle, 1 + 2j, -0.4 + 0.2j),
        (torch.angle, 0j, 0j),
        (torch.conj, 1 + 2j, 1 + 0j),
        (torch.sgn, 0j, 0j),
        (torch.view_as_real, 1 + 2j, 1 + 1j),
    ):
        z = complexes(point)
        out = f(z)
        (g,) = torch.autograd.grad(out, z, one(out))
        assert g.item() == pytest.approx(want)


def test_M_73_what_may_start_backward():
    z = complexes(1 + 2j)
    with raises(
        RuntimeError, "grad can be implicitly created only for real scalar outputs but got"
    ):
        (z * z).sum().backward()
    with raises(
        RuntimeError, "For complex Tensors, both grad_output and output are required to have"
    ):
        (z * z).backward(torch.ones(1, dtype=torch.float64))
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    (x * 1j).abs().sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (torch.float64, [1.0, 1.0])


def test_M_74_conjugates_and_parts():
    z = complexes(1 + 2j)
    c = z.conj()
    assert type(c.grad_fn).__name__ == "ConjBackward0"
    assert type(z.real.grad_fn).__name__ == "SelectBackward0"
    assert type(z.real.grad_fn.next_functions[0][0]).__name__ == "ViewAsRealBackward0"
    if REAL:  # the bit that PyTorch sets; here a conjugate is computed
        with raises(RuntimeError, "Can't call numpy() on Tensor that has conjugate bit set."):
            z.detach().conj().numpy()
    assert z.detach().conj().resolve_conj().numpy().tolist() == [1 - 2j]


def test_M_75_jacobians_are_of_real_functions():
    from importlib import import_module

    func = import_module(f"{torch.__name__}.func")
    z = complexes(1 + 2j).detach()
    for jacobian in (func.jacrev, func.jacfwd):
        with raises(RuntimeError, "Expected all inputs to be real but received complex tensor at"):
            jacobian(lambda z: z * z)(z)
    with raises(
        RuntimeError, "grad can be implicitly created only for real scalar outputs but got"
    ):
        torch.autograd.functional.jacobian(lambda z: z * z, z)
