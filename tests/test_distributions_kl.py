"""KL divergences: against PyTorch for every pair, against sums and integrals, and how pairs are found."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from against import REAL, raises, torch

import wengert

D = torch.distributions
f64 = torch.float64
R = np.random.default_rng(7)


def positive(*shape):
    return 0.3 + 2 * R.random(shape)


def covariance(n):
    a = R.normal(size=(2, n, n))
    return a @ np.swapaxes(a, -1, -2) + np.eye(n)


# two sets of parameters of every family that a pair is registered for
PARAMETERS = {
    "Bernoulli": lambda: (R.random(3),),
    "Beta": lambda: (positive(3), positive(3)),
    "Binomial": lambda: (np.full(3, 5.0), R.random(3)),
    "Categorical": lambda: (positive(3, 4),),
    "OneHotCategorical": lambda: (positive(3, 4),),
    "Cauchy": lambda: (R.normal(size=3), positive(3)),
    "ContinuousBernoulli": lambda: (np.array([0.2, 0.4999, 0.8]) + 0.01 * R.random(3),),
    "Dirichlet": lambda: (positive(3, 4),),
    "Exponential": lambda: (positive(3),),
    "Gamma": lambda: (positive(3), positive(3)),
    "Geometric": lambda: (R.random(3),),
    "Gumbel": lambda: (R.normal(size=3), positive(3)),
    "HalfNormal": lambda: (positive(3),),
    "Laplace": lambda: (R.normal(size=3), positive(3)),
    "Normal": lambda: (R.normal(size=3), positive(3)),
    "Pareto": lambda: (positive(3), np.array([0.7, 1.5, 3.0]) + 0.1 * R.random(3)),
    "Poisson": lambda: (positive(3),),
    "Uniform": lambda: (
        np.array([0.1, 0.2, 0.5]) * R.random(3),
        np.array([0.9, 1.0, 3.0]) - 0.3 * R.random(3),
    ),
    "MultivariateNormal": lambda: (R.normal(size=(2, 3)), covariance(3)),
    "LowRankMultivariateNormal": lambda: (
        R.normal(size=(2, 3)),
        R.normal(size=(2, 3, 2)),
        positive(3),
    ),
}
PAIRS = sorted(
    (p.__name__, q.__name__)
    for p, q in wengert.distributions.kl._KL_REGISTRY
    if p.__name__ in PARAMETERS and q.__name__ in PARAMETERS
)
CHOSEN = {(p, q): (PARAMETERS[p](), PARAMETERS[q]()) for p, q in PAIRS}


def built(T, name, arrays, grad=False):
    leaves = [T.tensor(a, requires_grad=grad) for a in arrays]
    return getattr(T.distributions, name)(*leaves), leaves


def value(name_p, name_q, T):
    a, b = CHOSEN[name_p, name_q]
    p, leaves_p = built(T, name_p, a, True)
    q, leaves_q = built(T, name_q, b, True)
    kl = T.distributions.kl_divergence(p, q)
    leaves = [*leaves_p, *leaves_q]
    if not kl.requires_grad or not bool(kl.isfinite().all()):
        return kl.detach().numpy(), []
    found = T.autograd.grad(kl.sum(), leaves, allow_unused=True)
    return kl.detach().numpy(), [np.zeros(()) if g is None else g.numpy() for g in found]


@pytest.mark.torch
@pytest.mark.wengert_only
@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_against_torch(p, q):
    oracle = pytest.importorskip("torch")
    ours, theirs = value(p, q, wengert), value(p, q, oracle)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-7, atol=1e-10)
    for a, b in zip(ours[1], theirs[1], strict=False):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


@pytest.mark.torch
@pytest.mark.wengert_only
def test_the_same_pairs_are_registered():
    oracle = pytest.importorskip("torch")
    names = [
        {(p.__name__, q.__name__) for p, q in T.distributions.kl._KL_REGISTRY}
        for T in (wengert, oracle)
    ]
    assert names[0] == names[1]


# where next to all of the mass of p lies, for the integral of p log(p / q)
REACH = {"Cauchy": 3e5, "Pareto": 3e4}


@pytest.mark.parametrize(("p", "q"), [
    ("Beta", "Normal"), ("Beta", "Gamma"), ("Beta", "ContinuousBernoulli"), ("ContinuousBernoulli", "Normal"),
    ("Exponential", "Gamma"), ("Exponential", "Gumbel"), ("Gamma", "Normal"), ("Gamma", "Gumbel"),
    ("Gumbel", "Gumbel"), ("Gumbel", "Normal"), ("Laplace", "Normal"), ("Laplace", "Laplace"),
    ("Normal", "Gumbel"), ("Normal", "Laplace"), ("Normal", "Normal"), ("Uniform", "Normal"),
    ("Uniform", "Gamma"), ("Uniform", "Gumbel"), ("HalfNormal", "HalfNormal"), ("Gamma", "Gamma"),
    ("Exponential", "Normal"), ("Beta", "Beta"), ("Gamma", "Exponential"), ("Uniform", "Exponential"),
])  # fmt: skip
def test_against_the_integral(p, q):
    a, b = CHOSEN[p, q]
    first, _ = built(torch, p, a)
    second, _ = built(torch, q, b)
    found = D.kl_divergence(first, second).numpy()
    unit, positive_only = (
        p in ("Beta", "ContinuousBernoulli"),
        p in ("Exponential", "Gamma", "HalfNormal"),
    )
    if p == "Uniform":
        low, high = a
    else:
        low, high = (0, 1) if unit else (0, 60) if positive_only else (-60, 60)
    u = (np.arange(200_000)[:, None] + 0.5) / 200_000
    # points denser towards the ends, where densities may grow without bound
    s = u**3 * (10 - 15 * u + 6 * u**2)
    x = low + (high - low) * s
    weight = (high - low) * 30 * u**2 * (1 - u) ** 2 / 200_000
    logs = first.log_prob(torch.tensor(x)).numpy()
    others = second.log_prob(torch.tensor(x)).numpy()
    mass = np.exp(logs) * weight
    kl = np.where(mass > 1e-300, mass * (logs - others), 0).sum(0)
    np.testing.assert_allclose(found, kl, rtol=2e-3, atol=2e-3)


def t(*values):
    return torch.tensor(values, dtype=f64)


def test_counts_against_sums():
    k = torch.arange(60.0, dtype=f64)[:, None]
    for make in (lambda p: D.Geometric(p), lambda p: D.Poisson(p * 4)):
        p, q = make(t(0.3, 0.6)), make(t(0.5, 0.45))
        a, b = p.log_prob(k), q.log_prob(k)
        want = (a.exp() * (a - b)).sum(0)
        np.testing.assert_allclose(D.kl_divergence(p, q).numpy(), want.numpy(), rtol=1e-6)
    p, q = D.Binomial(6, t(0.3)), D.Binomial(6, t(0.7))
    k = k[:7]
    a, b = p.log_prob(k), q.log_prob(k)
    np.testing.assert_allclose(
        D.kl_divergence(p, q).numpy(), (a.exp() * (a - b)).sum(0).numpy(), rtol=1e-9
    )


def test_what_cannot_happen():
    inf = math.inf
    kl = D.kl_divergence
    assert kl(D.Bernoulli(t(0.0, 1.0, 0.5)), D.Bernoulli(t(0.0, 1.0, 1.0))).tolist() == [
        0.0,
        0.0,
        inf,
    ]
    assert kl(D.Categorical(t(0.5, 0.5, 0.0)), D.Categorical(t(0.0, 1.0, 0.0))).item() == inf
    assert kl(D.Categorical(t(0.0, 1.0)), D.Categorical(t(0.5, 0.5))).item() == pytest.approx(
        math.log(2)
    )
    assert kl(D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)).item() == inf
    assert kl(D.Uniform(0.0, 1.0), D.Uniform(0.0, 2.0)).item() == pytest.approx(math.log(2))
    assert kl(D.Normal(t(0.0, 1.0), 1.0), D.Gamma(t(1.0), t(1.0))).tolist() == [inf, inf]
    assert kl(D.Poisson(2.0), D.Binomial(3, torch.tensor(0.5))).item() == inf
    assert kl(D.Pareto(1.0, 3.0), D.Pareto(2.0, 3.0)).item() == inf


def test_made_of_others():
    p = D.Normal(t(0.0, 1.0), t(1.0, 2.0))
    q = D.Normal(t(1.0, 1.0), t(1.0, 1.0))
    each = D.kl_divergence(p, q)
    assert D.kl_divergence(D.Independent(p, 1), D.Independent(q, 1)).item() == pytest.approx(
        each.sum().item()
    )
    logs = D.kl_divergence(
        D.LogNormal(t(0.0, 1.0), t(1.0, 2.0)), D.LogNormal(t(1.0, 1.0), t(1.0, 1.0))
    )
    assert logs.tolist() == pytest.approx(each.tolist())
    other = D.TransformedDistribution(q, D.AffineTransform(0.0, 2.0))
    with pytest.raises(NotImplementedError):
        D.kl_divergence(D.TransformedDistribution(p, D.ExpTransform()), other)
    with pytest.raises(NotImplementedError):
        D.kl_divergence(D.Independent(p, 1), D.Independent(D.Independent(q, 0), 0))


def test_exponential_families_by_their_normalisers():
    kl = D.kl._KL_REGISTRY[D.ExponentialFamily, D.ExponentialFamily]
    for name in ("Gamma", "Beta", "Dirichlet", "Normal", "Bernoulli", "Exponential", "Poisson"):
        p, _ = built(torch, name, PARAMETERS[name]())
        q, _ = built(torch, name, PARAMETERS[name]())
        np.testing.assert_allclose(
            kl(p, q).detach().numpy(), D.kl_divergence(p, q).numpy(), rtol=1e-6, atol=1e-9
        )
    for name in ("Gamma", "Normal", "Bernoulli", "Exponential"):
        p, _ = built(torch, name, PARAMETERS[name]())
        np.testing.assert_allclose(
            D.ExponentialFamily.entropy(p).detach().numpy(),
            p.entropy().numpy(),
            rtol=1e-7,
            atol=1e-9,
        )


def test_the_closest_pair_counts():
    class A(D.Distribution):
        arg_constraints = {}

    class B(A):
        pass

    class C(B):
        pass

    registry = dict(D.kl._KL_REGISTRY)
    try:
        D.register_kl(A, A)(lambda p, q: "A A")
        D.register_kl(B, B)(lambda p, q: "B B")
        assert D.kl_divergence(A(), B()) == "A A"
        assert D.kl_divergence(C(), B()) == "B B"
        D.register_kl(A, C)(lambda p, q: "A C")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert D.kl_divergence(B(), C()) == "B B"
        assert "Ambiguous kl_divergence(B, C). Please register_kl(B, C)" in str(said[0].message)
    finally:
        D.kl._KL_REGISTRY.clear()
        D.kl._KL_REGISTRY.update(registry)
        getattr(D.kl, "_KL_MEMOIZE" if REAL else "_found").clear()
    with raises(NotImplementedError, "No KL(p || q) is implemented for p type A and q type Cauchy"):
        D.kl_divergence(A(), D.Cauchy(0.0, 1.0))


@pytest.mark.wengert_only
def test_only_distributions_are_registered():
    with raises(TypeError, "Expected type_p to be a Distribution subclass but got <class 'int'>"):
        D.register_kl(int, D.Normal)
