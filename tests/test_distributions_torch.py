"""Every family of distributions against PyTorch: draws, densities, moments and all their gradients."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from distribution_cases import CASES

import wengert

pytestmark = [
    pytest.mark.torch,
    pytest.mark.wengert_only,
    pytest.mark.filterwarnings("ignore:Singular sample detected"),  # PyTorch says so of every draw
]
KINDS = [np.float64, np.float32]
# the approximations of Bessel functions that PyTorch takes here
COARSE = {"VonMises": 1e-6}


def tensors(T, case, kind, grad=True):
    return [
        T.tensor(np.asarray(a, kind), requires_grad=grad) if isinstance(a, np.ndarray) else a
        for a in (np.asarray(a) for a in case.arrays)
    ]


def pair(case, kind):
    """The distribution here and there, each with its parameters."""
    torch = pytest.importorskip("torch")
    found = []
    for T in (wengert, torch):
        leaves = tensors(T, case, kind)
        found.append((T, case.build(T, *leaves), leaves))
    return found


def array(t):
    return np.ascontiguousarray(t.detach().numpy()) if t.ndim else t.detach().numpy()


def attempt(f):
    try:
        return f()
    except NotImplementedError:
        return NotImplementedError


def same(ours, theirs, tolerance):
    """Equal shapes, dtypes and numbers; or both not implemented."""
    if ours is NotImplementedError or theirs is NotImplementedError:
        assert ours is theirs
        return
    a, b = array(ours), array(theirs)
    assert a.dtype == b.dtype
    if tolerance == 0:
        np.testing.assert_array_equal(a, b)
    else:
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
        assert a.shape == b.shape


def draw(d, shape):
    """PyTorch throws the first draws of a Wishart distribution away unless told not to."""
    if type(d).__name__ == "Wishart":
        return d.rsample(shape, max_try_correction=0)
    return d.rsample(shape) if d.has_rsample else d.sample(shape)


def weighted(T, y):
    return (y * T.tensor(np.cos(np.arange(y.numel())).reshape(y.shape)).to(y.dtype)).sum()


def gradients(T, y, leaves):
    try:
        return T.autograd.grad(weighted(T, y), leaves, allow_unused=True, retain_graph=True)
    except NotImplementedError:  # that of the incomplete gamma function by its shape
        return [NotImplementedError] * len(leaves)


def same_gradients(ours, theirs, tolerance):
    for p, q in zip(ours, theirs, strict=True):
        if p is None or q is None:
            given = p if q is None else q
            assert given is None or not array(given).any()
        else:
            same(p, q, tolerance)


def works_there(case, kind):
    if case.name == "GeneralizedPareto" and kind is np.float64:
        pytest.skip("PyTorch compares it with a float32 zero")
    if case.name == "Binomial" and kind is np.float32:
        pytest.skip("its total_count is float64")


@pytest.mark.parametrize("kind", KINDS, ids=["double", "single"])
@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_draws(case, kind):
    works_there(case, kind)
    if case.name.startswith("Wishart") and kind is np.float32:
        pytest.skip("as in double")
    exact = 0 if case.exact else (1e-12 if kind is np.float64 else 1e-5)
    for shape in ((), (5,), (2, 3)):
        drawn, states, slopes = [], [], []
        for T, d, leaves in pair(case, kind):
            T.manual_seed(3)
            y = draw(d, shape)
            states.append(T.get_rng_state().numpy().tobytes())
            drawn.append(y)
            if d.has_rsample and y.requires_grad:
                slopes.append(gradients(T, y, leaves))
        same(*drawn, exact)
        assert states[0] == states[1]
        if slopes:
            same_gradients(*slopes, max(case.pathwise, 1e-9 if kind is np.float64 else 2e-4))


@pytest.mark.parametrize("name", ["log_prob", "cdf"])
@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_densities(case, name):
    kind = np.float32 if case.name == "GeneralizedPareto" else np.float64
    tolerance = COARSE.get(case.name, 1e-8 if kind is np.float64 else 1e-3)
    (_, ours, _), (T, theirs, _) = both = pair(case, kind)
    T.manual_seed(3)
    value = array(draw(theirs, (5,)))
    results = []
    for T, d, leaves in both:
        v = T.tensor(value, requires_grad=d.has_rsample and value.dtype.kind == "f")
        y = attempt(lambda d=d, v=v: getattr(d, name)(v))
        if y is NotImplementedError:
            results.append((y, ()))
            continue
        wanted = [*leaves, v] if v.requires_grad else leaves
        results.append((y, gradients(T, y, wanted) if y.requires_grad else ()))
    (a, slopes), (b, their_slopes) = results
    same(a, b, tolerance)
    same_gradients(slopes, their_slopes, 10 * tolerance)
    assert ours.has_rsample == theirs.has_rsample


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_facts(case):
    kind = np.float32 if case.name == "GeneralizedPareto" else np.float64
    tolerance = COARSE.get(case.name, 1e-9 if kind is np.float64 else 1e-4)
    (_, d, _), (T, e, _) = pair(case, kind)
    for fact in ("mean", "mode", "variance", "stddev"):
        if fact not in case.skip:
            same(attempt(lambda: getattr(d, fact)), attempt(lambda: getattr(e, fact)), tolerance)
    for fact in ("entropy", "enumerate_support", "perplexity"):
        same(attempt(lambda: getattr(d, fact)()), attempt(lambda: getattr(e, fact)()), tolerance)
    if not e.event_shape:
        u = np.linspace(0.05, 0.95, e.batch_shape.numel()).reshape(e.batch_shape).astype(kind)
        same(
            attempt(lambda: d.icdf(wengert.tensor(u))),
            attempt(lambda: e.icdf(T.tensor(u))),
            tolerance,
        )
    assert repr(d) == repr(e)
    assert (tuple(d.batch_shape), tuple(d.event_shape)) == (
        tuple(e.batch_shape),
        tuple(e.event_shape),
    )
    assert d.has_enumerate_support == e.has_enumerate_support
    assert type(d.support).__name__ == type(e.support).__name__
    assert (d.support.event_dim, d.support.is_discrete) == (
        e.support.event_dim,
        e.support.is_discrete,
    )


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_expanded(case):
    kind = np.float32 if case.name == "GeneralizedPareto" else np.float64
    (_, d, _), (T, e, _) = pair(case, kind)
    shape = (4, *e.batch_shape)
    d, e = d.expand(shape), e.expand(shape)
    assert repr(d) == repr(e)
    assert d.batch_shape == shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wengert.manual_seed(1), T.manual_seed(1)
        ours, theirs = draw(d, (2,)).detach(), draw(e, (2,)).detach()
    same(ours, theirs, 0 if case.exact else (1e-12 if kind is np.float64 else 1e-5))
    same(
        d.log_prob(ours),
        e.log_prob(theirs),
        COARSE.get(case.name, 1e-8 if kind is np.float64 else 1e-3),
    )


# ------------------------------------------------------------------- errors
BAD = [
    lambda T, D: D.Normal(0.0, -1.0),
    lambda T, D: D.Normal(T.tensor(float("nan")), 1.0),
    lambda T, D: D.Normal(T.tensor([0.0, 1.0]), T.tensor([1.0, 2.0, 3.0])),
    lambda T, D: D.Bernoulli(),
    lambda T, D: D.Bernoulli(0.5, 0.5),
    lambda T, D: D.Bernoulli(0.5).log_prob(T.tensor(0.5)),
    lambda T, D: D.Bernoulli(0.5).rsample(),
    lambda T, D: D.Categorical(T.tensor([-1.0, 2.0])),
    lambda T, D: D.Categorical(T.tensor(1.0)),
    lambda T, D: D.Categorical(T.ones(2)).log_prob(T.tensor(2)),
    lambda T, D: D.Normal(0.0, 1.0).log_prob(1.0),
    lambda T, D: D.Normal(T.zeros(2), 1.0).log_prob(T.zeros(3)),
    lambda T, D: D.Normal(0.0, 1.0).log_prob(T.tensor(float("nan"))),
    lambda T, D: D.Normal(T.zeros(2), 1.0).expand((3,)),
    lambda T, D: D.Uniform(1.0, 0.0),
    lambda T, D: D.Uniform(0.0, 1.0).cdf(T.tensor(2.0)),
    lambda T, D: D.Dirichlet(T.tensor(1.0)),
    lambda T, D: D.Dirichlet(T.ones(2)).log_prob(T.tensor([0.5, 0.6])),
    lambda T, D: D.Dirichlet(T.ones(2)).log_prob(T.tensor([0.5, 0.3, 0.2])),
    lambda T, D: D.MultivariateNormal(T.tensor(0.0), T.eye(2)),
    lambda T, D: D.MultivariateNormal(T.zeros(2)),
    lambda T, D: D.MultivariateNormal(T.zeros(2), T.eye(2), T.eye(2)),
    lambda T, D: D.MultivariateNormal(T.zeros(2), T.zeros(2)),
    lambda T, D: D.MultivariateNormal(T.zeros(2), -T.eye(2)),
    lambda T, D: D.MultivariateNormal(T.zeros(2), scale_tril=T.ones(2, 2)),
    lambda T, D: D.LowRankMultivariateNormal(T.zeros(3), T.ones(2, 1), T.ones(3)),
    lambda T, D: D.LowRankMultivariateNormal(T.zeros(3), T.ones(3), T.ones(3)),
    lambda T, D: D.Independent(D.Normal(0.0, 1.0), 1),
    lambda T, D: D.Independent(D.Bernoulli(T.ones(2)), 1).enumerate_support(),
    lambda T, D: D.TransformedDistribution(D.Normal(0.0, 1.0), 3),
    lambda T, D: D.TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform()),
    lambda T, D: D.MixtureSameFamily(D.Categorical(T.ones(3)), D.Normal(T.zeros(2), 1.0)),
    lambda T, D: D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal(T.zeros(2), 1.0)),
    lambda T, D: D.Multinomial(T.tensor(3), T.ones(2)),
    lambda T, D: D.Multinomial(3, T.ones(2)).log_prob(T.tensor([2.0, 2.0])),
    lambda T, D: D.Binomial(T.tensor([1.0, 2.0]), T.tensor(0.5)).enumerate_support(),
    lambda T, D: D.Geometric(0.0),
    lambda T, D: D.Wishart(T.tensor(1.0), T.eye(2)),
    lambda T, D: D.LKJCholesky(1),
    lambda T, D: D.ContinuousBernoulli(1.5, validate_args=True),
    lambda T, D: D.kl_divergence(D.Normal(0.0, 1.0), D.Bernoulli(0.5)),
    lambda T, D: D.kl_divergence(D.Binomial(3, T.tensor(0.5)), D.Binomial(4, T.tensor(0.5))),
    lambda T, D: D.biject_to(D.constraints.lower_cholesky),
    lambda T, D: D.ExpTransform(cache_size=2),
    lambda T, D: D.ReshapeTransform((2,), (3,)),
    lambda T, D: D.constraints.dependent.check(T.ones(1)),
]  # fmt: skip


@pytest.mark.parametrize("call", BAD, ids=range(len(BAD)))
def test_refused_alike(call):
    torch = pytest.importorskip("torch")
    raised = []
    for T in (wengert, torch):
        with pytest.raises(Exception) as found:
            call(T, T.distributions)
        raised.append(found)
    ours, theirs = raised
    assert ours.type.__name__ == theirs.type.__name__
    words = " ".join(str(theirs.value).split())
    assert " ".join(str(ours.value).split())[:40] == words[:40]
