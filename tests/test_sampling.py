"""Gamma, Dirichlet, Poisson and binomial numbers: PyTorch's streams, distributions and derivatives."""

from __future__ import annotations

import math
import platform

import numpy as np
import pytest
from against import raises, torch
from random_cases import digest

f64 = torch.float64

# case -> digest of the numbers and of the generator's state, over four seeds (random_cases.py)
GOLDEN = {
    "torch._standard_gamma(torch.linspace(0.01, 0.99, 401))": "32b35938e92939f6",
    "torch._standard_gamma(torch.linspace(0.5, 40, 1001))": "9cf33e3bef569d7a",
    "torch._standard_gamma(torch.linspace(0.01, 40, 1001, dtype=f64))": "ad44a5a12b3ba381",
    "torch.randn(3), torch._standard_gamma(torch.full((3001,), 1.0)), torch.randn(3)": "2931f393946e4546",
    "torch._standard_gamma(torch.linspace(1, 40, 1001, dtype=f64))": "9012bc2099a68d53",
    "torch._standard_gamma(torch.full((40_000,), 2.5)), torch.rand(2)": "c2056699dc44d16f",
    "torch._standard_gamma(torch.tensor([0.0, 1e-30, 1e10, 0.0, 2.0, -0.3]))": "4ce066b62b48d7ae",
    "torch._standard_gamma(torch.tensor(2.5)), torch.randn(3), torch._standard_gamma(torch.ones(2, 3))": "6372b7e6cc33fd67",
    "torch._standard_gamma(torch.linspace(0.1, 3, 12).view(3, 4).t())": "664375bcb93fb7a2",
    "torch._sample_dirichlet(torch.linspace(0.1, 3, 120).view(10, 12))": "527f836b0e404531",
    "torch._sample_dirichlet(torch.linspace(0.1, 3, 330, dtype=f64).view(10, 33))": "57426bb350e34caa",
    "torch._sample_dirichlet(torch.linspace(0.1, 3, 40, dtype=f64).view(20, 2))": "b36008afe2b18f55",
    "torch._sample_dirichlet(torch.tensor([1e-30, 1e-30])), torch._sample_dirichlet(torch.tensor(1.0))": "4749a8aabd4bfd3f",
    "torch.poisson(torch.linspace(0, 9.9, 1001))": "d5d1bad965d88d76",
    "torch.poisson(torch.linspace(0, 300, 1001))": "e8dd0bd8b05b1221",
    "torch.poisson(torch.linspace(0, 300, 501, dtype=f64)), torch.poisson(torch.tensor([1e20, 1e6]))": "e479615a95707ba7",
    "torch.poisson(torch.full((2000,), 30.0)), torch.rand(2)": "aa49bfeba5766f1d",
    "torch.binomial(torch.full((2000,), 90.0), torch.full((2000,), 0.7)), torch.rand(2)": "87fb5b2a636a8168",
    "torch.poisson(torch.full((50,), 3.0, dtype=f16))": "20de10b00094232d",
    "torch.binomial(torch.arange(500.0), torch.linspace(0, 1, 500))": "3190a5401f41391b",
    "torch.binomial(torch.full((500,), 9.0), torch.linspace(-0.1, 1.1, 500))": "cf7e7e62fd58ce76",
    "torch.binomial(torch.full((300,), 1e6), torch.linspace(0, 1, 300))": "75d8cdcc7dc794d0",
    "torch.binomial(torch.arange(500, dtype=f64), torch.linspace(0, 1, 500, dtype=f64))": "6e0af837718632c3",
}
# They pass through log1p, log, sin and cos of the C library.
with_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="these numbers follow glibc's libm"
)


@with_glibc
@pytest.mark.parametrize("case", GOLDEN)
def test_numbers(case):
    assert digest(torch, case) == GOLDEN[case]


@pytest.mark.torch
@pytest.mark.wengert_only
@pytest.mark.parametrize("case", GOLDEN)
def test_against_torch(case):
    oracle = pytest.importorskip("torch")
    seeds = (5, 2**33 + 1)
    assert digest(torch, case, seeds) == digest(oracle, case, seeds)


def test_the_stream_goes_on_where_the_last_value_ended():
    torch.manual_seed(0)
    parts = [torch.poisson(torch.full((n,), 6.0)) for n in (1, 5, 300)]
    torch.manual_seed(0)
    assert torch.equal(torch.cat(parts), torch.poisson(torch.full((306,), 6.0)))
    g = torch.Generator().manual_seed(3)
    a = torch._standard_gamma(torch.ones(3), g)
    b = torch._standard_gamma(torch.ones(4), generator=g)
    assert torch.equal(
        torch.cat([a, b]), torch._standard_gamma(torch.ones(7), torch.Generator().manual_seed(3))
    )


def test_empty_and_nothing_to_draw():
    state = torch.get_rng_state()
    assert torch._standard_gamma(torch.empty(0, 3)).shape == (0, 3)
    assert torch._sample_dirichlet(torch.empty(0, 3)).shape == (0, 3)
    assert torch.poisson(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    n = torch.tensor([0.0, 5.0, 5.0, -1.0])
    p = torch.tensor([0.5, 0.0, 1.0, 0.5])
    assert torch.binomial(n, p).tolist() == [0.0, 0.0, 5.0, 0.0]
    assert torch._standard_gamma(torch.zeros(2)).tolist() == [2.0**-126] * 2
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.wengert_only  # PyTorch warns of a resized output
def test_counts_and_probabilities_broadcast():
    drawn = torch.binomial(torch.tensor([[3.0], [1000.0]]), torch.tensor([0.1, 0.9]))
    assert drawn.shape == (2, 2)
    assert (drawn[1] > drawn[0]).all()


def test_nan_of_a_probability_stays():
    assert math.isnan(torch.binomial(torch.tensor(3.0), torch.tensor(math.nan)).item())


# ------------------------------------------------------------------- distributions
def close_moments(x, mean, variance, n):
    """Sample mean and variance within five standard errors (of normal numbers, for the variance)."""
    assert abs(x.mean() - mean) < 5 * math.sqrt(variance / n)
    assert abs(x.var() - variance) < 5 * variance * math.sqrt(8.0 / n)


@pytest.mark.parametrize("shape", [0.2, 1.0, 7.5])
def test_gamma_is_distributed_so(shape):
    n = 20_000
    torch.manual_seed(1)
    x = torch._standard_gamma(torch.full((n,), shape, dtype=f64)).numpy()
    close_moments(x, shape, shape, n)
    assert abs(np.log(x).mean() - torch.digamma(torch.tensor(shape)).item()) < 5 * math.sqrt(
        torch.polygamma(1, torch.tensor(shape)).item() / n
    )


@pytest.mark.parametrize("rate", [0.7, 9.5, 40.0])
def test_poisson_is_distributed_so(rate):
    n = 20_000
    torch.manual_seed(2)
    x = torch.poisson(torch.full((n,), rate)).numpy()
    close_moments(x, rate, rate, n)
    k = int(rate)
    chance = math.exp(-rate + k * math.log(rate) - math.lgamma(k + 1))
    assert abs((x == k).mean() - chance) < 5 * math.sqrt(chance / n)


@pytest.mark.parametrize(("count", "p"), [(5, 0.3), (40, 0.5), (1000, 0.9)])
def test_binomial_is_distributed_so(count, p):
    n = 20_000
    torch.manual_seed(3)
    x = torch.binomial(torch.full((n,), float(count)), torch.tensor(p)).numpy()
    close_moments(x, count * p, count * p * (1 - p), n)
    k = int(count * p)
    chance = math.comb(count, k) * p**k * (1 - p) ** (count - k)
    assert abs((x == k).mean() - chance) < 5 * math.sqrt(chance / n)


def test_dirichlet_is_distributed_so():
    n = 10_000
    torch.manual_seed(4)
    c = np.array([0.5, 1.0, 4.0])
    x = torch._sample_dirichlet(torch.tensor(c).expand(n, 3)).numpy()
    assert np.abs(x.sum(-1) - 1).max() < 1e-12
    for column, a in zip(x.T, c, strict=True):
        mean = a / c.sum()
        close_moments(column, mean, mean * (1 - mean) / (c.sum() + 1), n)


# ------------------------------------------------------------------- implicit derivatives
# (shape, draw, derivative of the draw at a fixed quantile), by mpmath with 40 digits
GAMMA = [
    (0.01, 1e-30, 6.85166673319527e-27),
    (0.1, 2.0, 8.495649227426856),
    (1.0, 1.0, 1.1735630272247268),
    (1.0, 30.0, 4.010702785322668),
    (2.5, 0.1, 0.1405497929736699),
    (2.5, 9.0, 1.891711800090848),
    (40.0, 37.5, 0.972120519737175),
    (99.0, 140.0, 1.1852341886927185),
    (101.0, 101.0, 1.0016517895655597),
    (150.0, 190.0, 1.1240929053353488),
    (500.0, 470.0, 0.9697044733150039),
    (1000.0, 1000.0, 1.0001666833238059),
    (150.0, 20.0, 0.3102888041337067),
]
# (draw, concentration, sum of concentrations, factor)
BETA = [
    (0.5, 1.0, 2.0, 0.6931471805599453),
    (1e-09, 0.1, 0.3, 2.3802035124565775e-07),
    (0.999, 0.5, 0.75, 3.508391833557022),
    (0.2, 3.0, 9.0, 0.09286203558371614),
    (0.9, 3.0, 9.0, 0.19414071248347672),
    (0.3, 30.0, 100.0, 0.010089336864100977),
    (0.52, 500.0, 1000.0, 0.0010204219689847758),
    (0.001, 0.5, 40.0, 0.006748143256555351),
]


@pytest.mark.wengert_only
@pytest.mark.parametrize(("a", "x", "slope"), GAMMA)
def test_gamma_derivative_to_all_digits(a, x, slope):
    got = torch._standard_gamma_grad(torch.tensor(a, dtype=f64), torch.tensor(x, dtype=f64))
    assert got.item() == pytest.approx(slope, rel=2e-13)
    single = torch._standard_gamma_grad(torch.tensor(a), torch.tensor(x))
    assert single.dtype is torch.float32
    assert single.item() == pytest.approx(slope, rel=2e-6)


@pytest.mark.wengert_only
@pytest.mark.parametrize(("x", "a", "total", "factor"), BETA)
def test_dirichlet_derivative_to_all_digits(x, a, total, factor):
    got = torch._dirichlet_grad(*(torch.tensor(v, dtype=f64) for v in (x, a, total)))
    assert got.item() == pytest.approx(factor, rel=2e-12)


def test_the_gradient_of_a_gamma_draw_keeps_its_quantile():
    a = torch.linspace(0.2, 150, 40, dtype=f64, requires_grad=True)
    torch.manual_seed(0)
    x = torch._standard_gamma(a)
    (slope,) = torch.autograd.grad(x.sum(), a)
    # the quantile as a sum over the density: dF/da + f dx/da = 0, F by the midpoint rule
    for shape, draw, s in zip(a.tolist(), x.tolist(), slope.tolist(), strict=True):
        if shape < 1.5:
            continue
        t = (np.arange(100_000) + 0.5) / 100_000 * draw
        density = lambda shape, t: np.exp((shape - 1) * np.log(t) - t - math.lgamma(shape))
        h = 1e-5 * shape
        change = (density(shape + h, t) - density(shape - h, t)).mean() * draw / (2 * h)
        assert s == pytest.approx(-change / density(shape, draw), rel=1e-3)


@pytest.mark.wengert_only  # of a Dirichlet draw without torch.distributions
def test_mean_gradients_are_the_gradients_of_means():
    n = 20_000
    torch.manual_seed(0)
    a = torch.tensor(2.5, dtype=f64, requires_grad=True)
    x = torch._standard_gamma(a.expand(n))
    (slope,) = torch.autograd.grad((x**2).mean(), a)  # E x^2 = a (a + 1)
    assert slope.item() == pytest.approx(2 * 2.5 + 1, rel=0.03)
    c = torch.tensor([0.7, 2.0, 3.0], dtype=f64, requires_grad=True)
    y = torch._sample_dirichlet(c.expand(n, 3))
    (slope,) = torch.autograd.grad(y[:, 0].mean(), c)  # E y_0 = c_0 / sum(c)
    total = 5.7
    expected = [(total - 0.7) / total**2, -0.7 / total**2, -0.7 / total**2]
    np.testing.assert_allclose(slope.numpy(), expected, atol=0.004)


@pytest.mark.wengert_only
def test_forward_and_reverse_mode_agree():
    fwd = torch.autograd.forward_ad
    c = torch.tensor([[0.7, 2.0, 3.0], [5.0, 0.2, 1.0]], dtype=f64)
    t = torch.tensor([[1.0, -1.0, 0.5], [0.3, 2.0, 1.0]], dtype=f64)
    w = torch.tensor([[0.3, 1.0, -2.0], [1.5, 1.0, 0.7]], dtype=f64)
    for draw in (torch._standard_gamma, torch._sample_dirichlet):
        leaf = c.clone().requires_grad_()
        (g,) = torch.autograd.grad((draw(leaf, torch.Generator().manual_seed(0)) * w).sum(), leaf)
        with fwd.dual_level():
            out = draw(fwd.make_dual(c, t), torch.Generator().manual_seed(0))
            moved = fwd.unpack_dual(out).tangent
        assert (moved * w).sum().item() == pytest.approx((g * t).sum().item(), rel=1e-12)


def test_what_has_no_derivative():
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    (g,) = torch.autograd.grad(torch.poisson(x).sum(), x)
    assert g.tolist() == [0.0, 0.0]
    with raises(RuntimeError, "derivative for aten::binomial is not implemented"):
        torch.binomial(x, torch.tensor(0.5)).sum().backward()
    (g,) = torch.autograd.grad(torch._standard_gamma(x).sum(), x, create_graph=True)
    with raises(
        NotImplementedError, "the derivative for '_standard_gamma_grad' is not implemented."
    ):
        g.sum().backward()
    assert type(torch._standard_gamma(x).grad_fn).__name__ == "StandardGammaBackward0"
    assert type(torch.poisson(x).grad_fn).__name__ == "PoissonBackward0"


def test_refusals():
    with raises(RuntimeError, "invalid Poisson rate, expected rate to be non-negative"):
        torch.poisson(torch.tensor([1.0, -1.0]))
    with raises(RuntimeError, "invalid Poisson rate"):
        torch.poisson(torch.tensor(math.nan))
    for call, name in ((torch.poisson, "poisson_cpu"), (torch._standard_gamma, "gamma_cpu"),
                       (torch._sample_dirichlet, "dirichlet")):  # fmt: skip
        with raises(NotImplementedError, f"\"{name}\" not implemented for 'Long'"):
            call(torch.tensor([1, 2]))
    with raises(NotImplementedError, "\"gamma_cpu\" not implemented for 'Half'"):
        torch._standard_gamma(torch.ones(2, dtype=torch.float16))
    with raises(ValueError, "binomial only supports floating-point dtypes for count, got: Long"):
        torch.binomial(torch.tensor([1]), torch.tensor([0.5]))
    with raises(ValueError, "binomial only supports floating-point dtypes for prob, got: Long"):
        torch.binomial(torch.tensor([1.0]), torch.tensor([1]))
    with raises(RuntimeError, "Found dtype Double but expected Float"):
        torch.binomial(torch.tensor([1.0]), torch.tensor([0.5], dtype=f64))
    with raises(TypeError, "generator"):
        torch.poisson(torch.ones(2), 3)


def test_under_vmap():
    vmap = torch.func.vmap
    rates = torch.tensor([[1.0, 20.0], [3.0, 4.0], [0.0, 100.0]])
    for draw in (torch.poisson, torch._standard_gamma, torch._sample_dirichlet,
                 lambda r: torch.binomial(r, torch.full_like(r, 0.3)),
                 lambda r: torch.multinomial(r, 3, True)):  # fmt: skip
        torch.manual_seed(0)
        mapped = vmap(draw, randomness="different")(rates)
        torch.manual_seed(0)
        assert torch.equal(mapped, draw(rates))
        with raises(RuntimeError, "random"):
            vmap(draw)(rates)
