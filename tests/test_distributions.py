"""torch.distributions by itself: densities that integrate to 1, moments, entropies, gradients, draws."""

from __future__ import annotations

import copy
import math
import pickle
import platform

import numpy as np
import pytest
from against import NAME, REAL, raises, torch
from distribution_cases import BY_NAME, CASES
from random_cases import digest

D = torch.distributions
f64 = torch.float64
POINTS = 200_001


def t(*values):
    return torch.tensor(values[0] if len(values) == 1 else values, dtype=f64)


# ------------------------------------------------------------------- draws
# what PyTorch draws, and its state afterwards, over four seeds (random_cases.py)
GOLDEN = {
    "Normal(torch.linspace(-1, 1, 5), 2.0).sample((40,))": "dbcfc4d7f7a9b558",
    "Normal(0.0, 1.0).rsample((3,))": "5376347e88a1985b",
    "Cauchy(0.0, torch.ones(3)).sample((5,))": "2a431aff08dca1ca",
    "Uniform(-1.0, torch.ones(3)).sample((5,))": "72214786dea06156",
    "Exponential(torch.ones(3) * 4).sample((5,))": "7c930732cf296e77",
    "Gamma(torch.linspace(0.1, 5, 7), 2.0).sample((9,))": "7d60dca908241256",
    "Chi2(torch.linspace(0.1, 5, 7)).sample((9,))": "04ad9ccabd64aee2",
    "Beta(torch.linspace(0.1, 5, 7), 2.0).sample((9,))": "613b147d41e6d0ba",
    "Dirichlet(torch.linspace(0.1, 5, 6).view(2, 3)).sample((9,))": "a895d2ef731a26ba",
    "FisherSnedecor(torch.linspace(0.1, 5, 7), 2.0).sample((9,))": "abad9e1b330a22f2",
    "HalfNormal(torch.ones(3)).sample((9,))": "efcf157a39d78817",
    "HalfCauchy(torch.ones(3)).sample((9,))": "fbd7bf07f0fefc0b",
    "Bernoulli(torch.linspace(0, 1, 9)).sample((9,))": "5eb0fc1d4087115e",
    "Binomial(30, torch.linspace(0, 1, 9)).sample((9,))": "4ca229502880d58a",
    "NegativeBinomial(3.0, torch.linspace(0.1, 0.8, 9)).sample((9,))": "d3e8aea0fb78b024",
    "Poisson(torch.linspace(0, 30, 9)).sample((9,))": "68a51acc9554e34a",
    "Categorical(torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 1.0]])).sample((9,))": "6c8ef5eb4a0f69ad",
    "Categorical(torch.ones(4)).sample()": "400b20a768d6178b",
    "OneHotCategorical(torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 1.0]])).sample((9,))": "730f5c42f1b05325",
    "Multinomial(10, torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 1.0]])).sample((9,))": "d76a991d2b34d7a5",
}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="these numbers follow glibc's libm")
@pytest.mark.parametrize("case", GOLDEN)
def test_draws_are_pytorchs(case):
    assert digest(torch, f"torch.distributions.{case}") == GOLDEN[case]


# ------------------------------------------------------------------- numbers on the line
# family, parameters, and an interval outside which next to nothing lies
LINE = [
    ("Normal", (0.5, 1.5), -15, 16),
    ("Laplace", (0.5, 0.7), -20, 20),
    ("Uniform", (-1.0, 2.0), -1, 2),
    ("StudentT", (7.5, 0.3, 1.2), -400, 400),
    ("Exponential", (1.5,), 0, 30),
    ("Gamma", (2.5, 1.5), 0, 40),
    ("Chi2", (3.5,), 0, 80),
    ("Beta", (2.5, 1.5), 0, 1),
    ("FisherSnedecor", (5.0, 30.0), 0, 60),
    ("InverseGamma", (6.0, 2.0), 0, 40),
    ("LogNormal", (0.2, 0.5), 0, 60),
    ("HalfNormal", (1.5,), 0, 20),
    ("Gumbel", (0.5, 1.5), -10, 60),
    ("Weibull", (1.5, 2.5), 0, 12),
    ("Pareto", (1.5, 12.0), 1.5, 40),
    ("Kumaraswamy", (2.5, 1.5), 0, 1),
    ("GeneralizedPareto", (0.5, 1.5, -0.25), 0.5, 6.5),
    ("ContinuousBernoulli", (0.3,), 0, 1),
    ("ContinuousBernoulli", (0.5002,), 0, 1),
    ("VonMises", (0.5, 1.5), 0.5 - math.pi, 0.5 + math.pi),
    ("RelaxedBernoulli", (1.5, 0.3), 0, 1),
]


def built(name, parameters):
    return getattr(D, name)(*(t(p) for p in parameters))


def attempt(f):
    try:
        return f()
    except NotImplementedError:
        return None


@pytest.mark.parametrize(("name", "parameters", "low", "high"), LINE)
def test_densities_on_the_line(name, parameters, low, high):
    if REAL and name == "GeneralizedPareto":
        pytest.skip("PyTorch compares its concentration with a float32 zero")
    d = built(name, parameters)
    step = (high - low) / POINTS
    x = low + (np.arange(POINTS) + 0.5) * step
    logs = d.log_prob(torch.tensor(x)).numpy()
    mass = np.exp(logs) * step
    assert mass.sum() == pytest.approx(1, abs=2e-4)
    # circular moments for angles; the mean of a relaxation has no closed form
    if name != "VonMises":
        mean = attempt(lambda: d.mean)
        if mean is not None:
            assert mean.item() == pytest.approx((mass * x).sum(), rel=2e-3)
            spread = (mass * (x - mean.item()) ** 2).sum()
            assert d.variance.item() == pytest.approx(spread, rel=5e-3)
            assert d.stddev.item() == pytest.approx(math.sqrt(spread), rel=5e-3)
    entropy = attempt(d.entropy)
    if entropy is not None:
        finite = mass > 0
        assert entropy.item() == pytest.approx(-(mass * np.where(finite, logs, 0)).sum(), abs=2e-3)
    if REAL and name == "Gumbel":
        return  # its base refuses what the transforms round to 0 and 1
    cdf = attempt(lambda: d.cdf(torch.tensor(x)))
    if cdf is not None:
        np.testing.assert_allclose(cdf.numpy(), mass.cumsum() - mass / 2, atol=2e-4)
    p = torch.linspace(0.02, 0.98, 25, dtype=f64)
    q = attempt(lambda: d.icdf(p))
    if q is not None and cdf is not None:
        np.testing.assert_allclose(d.cdf(q).numpy(), p.numpy(), atol=1e-9)
    mode = attempt(lambda: d.mode)
    if mode is not None and not (REAL and name == "Kumaraswamy") and not math.isnan(mode.item()):
        inside = min(max(mode.item(), low + step), high - step)
        assert d.log_prob(t(inside)).item() >= logs[np.isfinite(logs)].max() - 1e-3


DISCRETE = [
    ("Bernoulli", (0.3,), 2),
    ("Geometric", (0.3,), 200),
    ("Binomial", (7.0, 0.3), 8),
    ("NegativeBinomial", (3.2, 0.4), 200),
    ("Poisson", (4.5,), 100),
]


@pytest.mark.parametrize(("name", "parameters", "count"), DISCRETE)
def test_probabilities_of_counts(name, parameters, count):
    d = built(name, parameters)
    k = np.arange(float(count))
    logs = d.log_prob(torch.tensor(k)).numpy()
    p = np.exp(logs)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert d.mean.item() == pytest.approx((p * k).sum())
    assert d.variance.item() == pytest.approx((p * (k - (p * k).sum()) ** 2).sum())
    assert d.mode.item() == k[p.argmax()]
    entropy = attempt(d.entropy)
    if entropy is not None:
        assert entropy.item() == pytest.approx(-(p * logs).sum())
        assert d.perplexity().item() == pytest.approx(math.exp(-(p * logs).sum()))
    if d.has_enumerate_support:
        assert d.enumerate_support().tolist() == k.tolist()
    torch.manual_seed(0)
    drawn = d.sample((4000,)).numpy()
    assert drawn.mean() == pytest.approx((p * k).sum(), abs=5 * math.sqrt(d.variance.item() / 4000))


def test_choices():
    w = np.array([1.0, 2.0, 5.0])
    p = w / w.sum()
    d = D.Categorical(t(w))
    assert d.log_prob(torch.arange(3)).tolist() == pytest.approx(np.log(p).tolist())
    assert d.entropy().item() == pytest.approx(-(p * np.log(p)).sum())
    assert d.enumerate_support().tolist() == [0, 1, 2]
    assert D.Categorical(logits=t(np.log(w))).probs.tolist() == pytest.approx(p.tolist())
    hot = D.OneHotCategorical(t(w))
    assert hot.enumerate_support().tolist() == np.eye(3).tolist()
    assert hot.log_prob(torch.eye(3, dtype=f64)).tolist() == pytest.approx(np.log(p).tolist())
    counts = [(i, j, 4 - i - j) for i in range(5) for j in range(5 - i)]
    m = D.Multinomial(4, t(w))
    chances = m.log_prob(t(counts)).exp().numpy()
    assert chances.sum() == pytest.approx(1)
    assert m.entropy().item() == pytest.approx(-(chances * np.log(chances)).sum(), rel=1e-6)
    torch.manual_seed(0)
    drawn = m.sample((3000,))
    assert drawn.sum(-1).unique().tolist() == [4.0]
    np.testing.assert_allclose(drawn.mean(0).numpy(), 4 * p, atol=0.1)


def test_impossible_choices_cost_nothing_where_they_do_not_happen():
    p = t(0.0, 0.25, 0.75)
    d = D.Categorical(p)
    assert d.log_prob(torch.tensor(0)).item() < -30
    assert math.isfinite(d.entropy().item())
    m = D.Multinomial(2, logits=t(-math.inf, 0.0, 0.0))
    assert m.log_prob(t(0.0, 1.0, 1.0)).item() == pytest.approx(math.log(0.5))


# ------------------------------------------------------------------- vectors and matrices
def spd(seed, n):
    a = np.random.default_rng(seed).normal(size=(n, n))
    return a @ a.T + np.eye(n)


def test_normal_vectors():
    v, m = spd(0, 3), np.array([0.5, -1.0, 2.0])
    x = np.random.default_rng(1).normal(size=(4, 3))
    away = x - m
    want = -0.5 * (
        3 * math.log(2 * math.pi)
        + np.linalg.slogdet(v)[1]
        + np.einsum("bi,ij,bj->b", away, np.linalg.inv(v), away)
    )
    for given in ({"covariance_matrix": t(v)}, {"precision_matrix": t(np.linalg.inv(v))},
                  {"scale_tril": t(np.linalg.cholesky(v))}):  # fmt: skip
        d = D.MultivariateNormal(t(m), **given)
        np.testing.assert_allclose(d.log_prob(t(x)).numpy(), want, rtol=1e-9)
        np.testing.assert_allclose(d.covariance_matrix.numpy(), v, rtol=1e-9)
        np.testing.assert_allclose(
            d.precision_matrix.numpy(), np.linalg.inv(v), rtol=1e-8, atol=1e-12
        )
        np.testing.assert_allclose(
            d.scale_tril.numpy(), np.linalg.cholesky(v), rtol=1e-8, atol=1e-12
        )
        np.testing.assert_allclose(d.variance.numpy(), np.diag(v), rtol=1e-9)
        half = 0.5 * (3 * (1 + math.log(2 * math.pi)) + np.linalg.slogdet(v)[1])
        assert d.entropy().item() == pytest.approx(half)
    torch.manual_seed(0)
    drawn = d.sample((20_000,)).numpy()
    np.testing.assert_allclose(np.cov(drawn.T), v, atol=0.35)


def test_low_rank_is_the_same_as_full():
    r = np.random.default_rng(2)
    w, diag, m = r.normal(size=(5, 2)), r.random(5) + 0.5, r.normal(size=5)
    low = D.LowRankMultivariateNormal(t(m), t(w), t(diag))
    full = D.MultivariateNormal(t(m), t(w @ w.T + np.diag(diag)))
    x = t(r.normal(size=(3, 5)))
    for fact in ("covariance_matrix", "precision_matrix", "scale_tril", "variance", "mean"):
        np.testing.assert_allclose(
            getattr(low, fact).numpy(), getattr(full, fact).numpy(), atol=1e-9
        )
    np.testing.assert_allclose(low.log_prob(x).numpy(), full.log_prob(x).numpy(), rtol=1e-9)
    assert low.entropy().item() == pytest.approx(full.entropy().item())


def test_dirichlet_with_two_components_is_beta():
    x = torch.linspace(0.05, 0.95, 7, dtype=f64)
    both = torch.stack([x, 1 - x], -1)
    d, b = D.Dirichlet(t(2.5, 1.5)), D.Beta(t(2.5), t(1.5))
    np.testing.assert_allclose(d.log_prob(both).numpy(), b.log_prob(x).numpy(), rtol=1e-9)
    assert d.mode.tolist() == pytest.approx([0.75, 0.25])
    assert D.Dirichlet(t(0.5, 0.7)).mode.tolist() == [1.0, 0.0]


def test_wishart_of_size_one_is_gamma():
    w = D.Wishart(t(5.5), t([[0.7]]))
    g = D.Gamma(t(5.5 / 2), t(1 / 1.4))
    x = torch.linspace(0.5, 9, 7, dtype=f64)
    np.testing.assert_allclose(
        w.log_prob(x[:, None, None]).numpy(), g.log_prob(x).numpy(), rtol=1e-9
    )
    assert w.entropy().item() == pytest.approx(g.entropy().item())
    assert w.mean.item() == pytest.approx(g.mean.item())
    assert w.variance.item() == pytest.approx(g.variance.item())


@pytest.mark.wengert_only  # PyTorch draws each sample eleven times and says it is singular
def test_wishart_draws():
    v = spd(3, 3)
    d = D.Wishart(t(6.0), t(v))
    torch.manual_seed(0)
    drawn = d.rsample((4000,))
    np.testing.assert_allclose(drawn.mean(0).numpy(), 6 * v, rtol=0.1, atol=0.9)
    assert d.support.check(drawn).all()


@pytest.mark.wengert_only
def test_singular_wishart_draws_are_replaced():
    with pytest.warns(UserWarning, match="Low df values detected"):
        d = D.Wishart(torch.tensor([1.01, 9.0]), torch.eye(2).expand(2, 2, 2))
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="Singular sample detected"):
        first = d.rsample((30,), max_try_correction=0)
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="Singular sample detected"):
        mended = d.rsample((30,))
    bad = ~d.support.check(first)
    assert bad[:, 0].any()
    assert not bad[:, 1].any()
    assert (~d.support.check(mended)).sum() < bad.sum()
    untouched = ~bad.any(-1)
    assert torch.equal(mended[untouched], first[untouched])


@pytest.mark.parametrize("concentration", [0.7, 1.0, 3.0])
def test_correlations_of_two(concentration):
    """Of a 2 by 2 factor only r counts: its density is in proportion to (1 - r**2)**(c - 1)."""
    d = D.LKJCholesky(2, t(concentration))
    step = 2 / 20_000
    r = -1 + (np.arange(20_000) + 0.5) * step
    factors = np.zeros((r.size, 2, 2))
    factors[:, 0, 0], factors[:, 1, 0], factors[:, 1, 1] = 1, r, np.sqrt(1 - r**2)
    p = d.log_prob(torch.tensor(factors)).exp().numpy()
    assert (p * step).sum() == pytest.approx(1, abs=5e-3)
    torch.manual_seed(0)
    drawn = d.sample((3000,))
    assert d.support.check(drawn).all()
    assert drawn[:, 1, 0].var().item() == pytest.approx((p * step * r**2).sum(), rel=0.1)


def test_mixture_is_the_weighted_sum():
    w, m, s = t(0.2, 0.5, 0.3), t(-2.0, 0.0, 3.0), t(0.5, 1.0, 2.0)
    d = D.MixtureSameFamily(D.Categorical(w), D.Normal(m, s))
    x = torch.linspace(-5, 6, 9, dtype=f64)
    parts = D.Normal(m, s).log_prob(x[:, None]).exp()
    np.testing.assert_allclose(d.log_prob(x).exp().numpy(), (parts * w).sum(-1).numpy(), rtol=1e-9)
    assert d.mean.item() == pytest.approx(0.5)
    assert d.variance.item() == pytest.approx(0.2 * 4.25 + 0.5 + 0.3 * 13 - 0.25)
    torch.manual_seed(0)
    drawn = d.sample((5000,))
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.15)


# ------------------------------------------------------------------- gradients and transforms
SMOOTH = [c for c in CASES if c.build(torch, *(t(a) for a in c.arrays)).has_rsample]
IMPLICIT = {"StudentT", "Gamma", "Chi2", "Beta", "Dirichlet", "FisherSnedecor", "InverseGamma", "Wishart",
            "Wishart_precision"}  # fmt: skip


def leaves_of(case):
    return [t(a).requires_grad_() for a in case.arrays]


def symmetric(case, parameters):
    """Covariance matrices stay symmetric while their elements move."""
    if ("Multivariate" in case.name and "LowRank" not in case.name) or "Wishart" in case.name:
        first, matrix = parameters
        return first, (matrix + matrix.mT) / 2
    return parameters


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_gradients_of_log_prob(case):
    if case.name == "GeneralizedPareto":
        pytest.skip("at a concentration of 0 it is a constant; tests/test_distributions_torch.py")
    leaves = leaves_of(case)
    with torch.no_grad():
        d = case.build(torch, *leaves)
        value = d.rsample(max_try_correction=0) if case.name.startswith("Wishart") else d.sample()

    def f(*parameters):
        torch.distributions.Distribution.set_default_validate_args(False)
        try:
            return case.build(torch, *symmetric(case, parameters)).log_prob(value)
        finally:
            torch.distributions.Distribution.set_default_validate_args(__debug__)

    assert torch.autograd.gradcheck(f, leaves, atol=1e-4, rtol=1e-3)


if REAL:  # PyTorch's Wishart says of every draw that it is singular
    test_gradients_of_log_prob = pytest.mark.filterwarnings("ignore:Singular")(
        test_gradients_of_log_prob
    )


@pytest.mark.parametrize(
    "case", [c for c in SMOOTH if c.name not in IMPLICIT], ids=lambda c: c.name
)
def test_gradients_of_draws(case):
    """With the noise held fixed a draw is a smooth function of the parameters."""
    if case.name in ("OneHotCategoricalStraightThrough", "GeneralizedPareto"):
        pytest.skip("its gradient is not everywhere that of its value")

    def f(*parameters):
        torch.manual_seed(1)
        return case.build(torch, *symmetric(case, parameters)).rsample((2,))

    assert torch.autograd.gradcheck(f, leaves_of(case), atol=1e-4, rtol=1e-3)


def test_straight_through():
    p = t(0.2, 0.3, 0.5).requires_grad_()
    y = D.OneHotCategoricalStraightThrough(p).rsample()
    assert sorted(y.detach().tolist()) == pytest.approx([0.0, 0.0, 1.0])
    (g,) = torch.autograd.grad((y * t(1.0, 2.0, 3.0)).sum(), p)
    mean = 0.2 + 0.6 + 1.5
    assert g.tolist() == pytest.approx([1 - mean, 2 - mean, 3 - mean])


@pytest.mark.parametrize(
    ("name", "parameters", "moment"),
    [
        ("Gamma", (2.0, 1.5), lambda a, b: a / b),
        ("Beta", (2.0, 1.5), lambda a, b: a / (a + b)),
        ("StudentT", (9.0, 0.5, 1.5), lambda n, m, s: m),
        ("InverseGamma", (6.0, 2.0), lambda a, b: b / (a - 1)),
        ("Chi2", (3.0,), lambda n: n),
    ],
)
def test_implicit_gradients_on_average(name, parameters, moment):
    leaves = [t(p).requires_grad_() for p in parameters]
    torch.manual_seed(5)
    mean = getattr(D, name)(*leaves).rsample((20_000,)).mean()
    found = torch.autograd.grad(mean, leaves)
    other = [t(p).requires_grad_() for p in parameters]
    exact = torch.autograd.grad(moment(*other), other, allow_unused=True)
    for a, b in zip(found, exact, strict=True):
        assert a.item() == pytest.approx(0.0 if b is None else b.item(), rel=0.05, abs=0.02)


@pytest.mark.wengert_only
@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_under_forward_mode_and_vmap(case):
    func = torch.func
    parameters = [t(a) for a in case.arrays]
    torch.manual_seed(0)
    d = case.build(torch, *parameters)
    several = torch.stack([d.sample() for _ in range(3)])
    value = several[0]
    f = lambda *p: case.build(torch, *p).log_prob(value).sum()
    tangents = [torch.full_like(p, 0.7) for p in parameters]
    _, pushed = func.jvp(f, tuple(parameters), tuple(tangents))
    slopes = func.grad(f, argnums=tuple(range(len(parameters))))(*parameters)
    assert pushed.item() == pytest.approx(
        sum(0.7 * g.sum().item() for g in slopes), rel=1e-8, abs=1e-10
    )
    mapped = func.vmap(d.log_prob)(several)
    np.testing.assert_allclose(mapped.numpy(), d.log_prob(several).numpy(), rtol=1e-10)
    batched = [torch.stack([p, p]) for p in parameters]
    np.testing.assert_allclose(
        func.vmap(f)(*batched).numpy(), [f(*parameters).item()] * 2, rtol=1e-10
    )
    if case.name != "VonMises":  # draws until all are accepted
        draw = lambda *p: case.build(torch, *p).sample((20,))
        out = func.vmap(draw, randomness="different")(*batched)
        assert out.shape == (2, 20, *d.batch_shape, *d.event_shape)
        assert not torch.equal(out[0], out[1])


# ------------------------------------------------------------------- mechanics
def test_modules_and_names():
    names = [n for n in D.__all__ if n[0].isupper()]
    assert len(D.__all__) == 67
    from importlib import import_module

    for module, name in (("normal", "Normal"), ("categorical", "Categorical"), ("studentT", "StudentT"),
                         ("relaxed_bernoulli", "LogitRelaxedBernoulli"), ("kl", "kl_divergence"),
                         ("transforms", "ExpTransform"), ("distribution", "Distribution"),
                         ("constraints", "positive"), ("multivariate_normal", "_batch_mv")):  # fmt: skip
        assert hasattr(import_module(f"{NAME}.distributions.{module}"), name)
    assert all(getattr(D, n).__doc__ for n in names if n != "identity_transform")


def test_validation_can_be_switched_off():
    with raises(ValueError, "Expected parameter scale", "GreaterThan(lower_bound=0.0)", "-1."):
        D.Normal(0.0, -1.0)
    D.Normal(0.0, -1.0, validate_args=False)
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
        D.Bernoulli(0.5).log_prob(torch.tensor(0.3))
    finally:
        D.Distribution.set_default_validate_args(True)
    with raises(ValueError, "within the support (Boolean())"):
        D.Bernoulli(0.5).log_prob(torch.tensor(0.3))


def test_subclasses_expand_if_they_say_how():
    class Plain(D.Normal):
        pass

    class Own(D.Normal):
        def __init__(self, width):
            super().__init__(0.0, width)

    assert type(Plain(0.0, 1.0).expand((2,))) is Plain
    with raises(NotImplementedError, "must also define a custom .expand() method"):
        Own(1.0).expand((2,))


def test_a_distribution_of_ones_own():
    class Dice(D.Distribution):
        arg_constraints = {}
        support = D.constraints.integer_interval(1, 6)

        def sample(self, sample_shape=()):
            return torch.randint(1, 7, sample_shape)

        def log_prob(self, value):
            if self._validate_args:
                self._validate_sample(value)
            return torch.full_like(value, -math.log(6), dtype=f64)

    d = Dice()
    assert d.log_prob(d.sample((3,))).shape == (3,)
    with raises(ValueError, "IntegerInterval(lower_bound=1, upper_bound=6)"):
        d.log_prob(torch.tensor([7]))
    for call in (
        lambda: d.mean,
        d.entropy,
        lambda: d.cdf(torch.tensor(1)),
        lambda: d.expand((2,)),
        d.rsample,
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_copies_and_pickles():
    for name in ("Normal", "Categorical_logits", "MultivariateNormal", "Transformed", "Mixture"):
        case = BY_NAME[name]
        d = case.build(torch, *(t(a) for a in case.arrays))
        copies = (
            [copy.deepcopy(d)]
            if name == "Mixture"
            else [copy.deepcopy(d), pickle.loads(pickle.dumps(d))]
        )
        for other in copies:
            torch.manual_seed(0)
            x = d.sample()
            torch.manual_seed(0)
            assert torch.equal(other.sample(), x)


def test_parameters_learn():
    """Maximum likelihood by gradients finds the sample mean and deviation."""
    torch.manual_seed(0)
    data = torch.randn(500, dtype=f64) * 2 + 3
    loc, raw = t(0.0).requires_grad_(), t(0.0).requires_grad_()
    optimizer = torch.optim.Adam([loc, raw], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        (-D.Normal(loc, raw.exp()).log_prob(data).mean()).backward()
        optimizer.step()
    assert loc.item() == pytest.approx(data.mean().item(), abs=1e-2)
    assert raw.exp().item() == pytest.approx(data.std(correction=0).item(), abs=1e-2)
