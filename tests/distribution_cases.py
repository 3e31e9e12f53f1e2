"""One or two of every family of distributions, built from arrays: what the tests of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

R = np.random.default_rng(0)


def real(*shape):
    return R.normal(size=shape)


def positive(*shape):
    return 0.3 + 2 * R.random(shape)


def chance(*shape):
    return 0.1 + 0.8 * R.random(shape)


def weights(*shape):
    w = 0.2 + R.random(shape)
    return w / w.sum(-1, keepdims=True)


def covariance(*shape):
    a = R.normal(size=shape)
    return a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])


@dataclass
class Case:
    name: str
    build: Callable[..., Any]  # build(torch, *tensors)
    arrays: tuple
    exact: bool = True  # draws have PyTorch's bits; else they agree to rounding
    pathwise: float = 1e-9  # tolerance of the gradients of rsample
    skip: tuple = ()  # facts in which PyTorch is wrong


def family(name, *arrays, label=None, **options):
    return Case(label or name, lambda T, *a: getattr(T.distributions, name)(*a), arrays, **options)


def made(name, build, *arrays, **options):
    return Case(name, lambda T, *a: build(T, T.distributions, *a), arrays, **options)


IMPLICIT = 2e-3  # PyTorch approximates these derivatives; ours are exact
CASES = [
    family("Normal", real(3), positive(2, 3)),
    family("Laplace", real(3), positive(2, 3), exact=False),
    family("Cauchy", real(3), positive(2, 3)),
    family("StudentT", 1.0 + positive(3), real(3), positive(2, 3), pathwise=IMPLICIT, exact=False),
    family("Uniform", -positive(3), positive(2, 3)),
    family("Exponential", positive(4)),
    family("Gamma", positive(4), positive(4), pathwise=IMPLICIT),
    family("Chi2", positive(4), pathwise=IMPLICIT),
    family("Beta", positive(4), positive(3, 4), pathwise=IMPLICIT),
    family("Dirichlet", positive(3, 4), pathwise=IMPLICIT),
    family("FisherSnedecor", positive(4), 4.5 + positive(3, 4), pathwise=IMPLICIT),
    family("InverseGamma", 2.5 + positive(4), positive(4), pathwise=IMPLICIT, exact=False),
    family("LogNormal", real(3), positive(2, 3), exact=False),
    family("LogisticNormal", real(3), positive(2, 3), exact=False),
    family("HalfNormal", positive(4)),
    family("HalfCauchy", positive(4)),
    family("Gumbel", real(3), positive(2, 3), exact=False),
    family("Weibull", positive(3), positive(2, 3), exact=False),
    family("Pareto", positive(3), 2.5 + positive(2, 3), exact=False),
    family("Kumaraswamy", positive(3), positive(2, 3), exact=False, skip=("mode",)),
    family("GeneralizedPareto", real(3), positive(3), np.array([-0.5, 0.0, 0.4]), exact=False),
    family("ContinuousBernoulli", np.array([0.2, 0.5, 0.50001, 0.9]), exact=False),
    made(
        "ContinuousBernoulli_logits",
        lambda T, D, x: D.ContinuousBernoulli(logits=x),
        real(4),
        exact=False,
    ),
    family("VonMises", real(3), positive(2, 3), exact=False),
    family("Bernoulli", chance(4)),
    made("Bernoulli_logits", lambda T, D, x: D.Bernoulli(logits=x), real(4)),
    family("Geometric", chance(4), exact=False),
    made("Geometric_logits", lambda T, D, x: D.Geometric(logits=x), real(4), exact=False),
    made(
        "Binomial", lambda T, D, p: D.Binomial(T.tensor([3.0, 10.0, 50.0]).double(), p), chance(3)
    ),
    made("Binomial_logits", lambda T, D, x: D.Binomial(12, logits=x), real(2, 3)),
    made("NegativeBinomial", lambda T, D, n, p: D.NegativeBinomial(n, p), positive(3), chance(3)),
    made(
        "NegativeBinomial_logits",
        lambda T, D, n, x: D.NegativeBinomial(n, logits=x),
        positive(3),
        real(3),
    ),
    family("Poisson", np.array([0.5, 4.0, 30.0])),
    family("Categorical", weights(3, 4)),
    made("Categorical_logits", lambda T, D, x: D.Categorical(logits=x), real(3, 4)),
    family("OneHotCategorical", weights(3, 4)),
    family("OneHotCategoricalStraightThrough", weights(3, 4)),
    made("Multinomial", lambda T, D, p: D.Multinomial(7, p), weights(3, 4)),
    made("Multinomial_logits", lambda T, D, x: D.Multinomial(5, logits=x), real(4)),
    family("MultivariateNormal", real(3), covariance(2, 3, 3), exact=False),
    made(
        "MultivariateNormal_precision",
        lambda T, D, m, p: D.MultivariateNormal(m, precision_matrix=p),
        real(2, 3),
        covariance(3, 3),
        exact=False,
    ),
    made(
        "MultivariateNormal_tril",
        lambda T, D, m, s: D.MultivariateNormal(m, scale_tril=T.linalg.cholesky(s)),
        real(3),
        covariance(3, 3),
        exact=False,
    ),
    family("LowRankMultivariateNormal", real(4), real(2, 4, 2), positive(4), exact=False),
    made(
        "Wishart",
        lambda T, D, n, v: D.Wishart(n, v),
        4.5 + positive(2),
        covariance(2, 3, 3),
        pathwise=IMPLICIT,
        exact=False,
    ),
    made(
        "Wishart_precision",
        lambda T, D, n, v: D.Wishart(n, precision_matrix=v),
        4.5 + positive(2),
        covariance(3, 3),
        pathwise=IMPLICIT,
        exact=False,
    ),
    made("LKJCholesky", lambda T, D, c: D.LKJCholesky(3, c), positive(2), exact=False),
    made("LKJCholesky_4", lambda T, D, c: D.LKJCholesky(4, c), positive(1)[0], exact=False),
    made(
        "RelaxedBernoulli",
        lambda T, D, t, p: D.RelaxedBernoulli(t, p),
        positive(1),
        chance(3),
        exact=False,
    ),
    made(
        "RelaxedBernoulli_logits",
        lambda T, D, t, x: D.RelaxedBernoulli(t, logits=x),
        positive(1),
        real(3),
        exact=False,
    ),
    made(
        "RelaxedOneHotCategorical",
        lambda T, D, t, p: D.RelaxedOneHotCategorical(t, p),
        positive(1)[0],
        weights(2, 3),
        exact=False,
    ),
    made(
        "Independent", lambda T, D, m, s: D.Independent(D.Normal(m, s), 1), real(3), positive(2, 3)
    ),
    made(
        "Transformed",
        lambda T, D, m, s: D.TransformedDistribution(
            D.Normal(m, s),
            [D.SigmoidTransform(), D.AffineTransform(0.5, -2.0), D.SoftplusTransform()],
        ),
        real(3),
        positive(2, 3),
        exact=False,
    ),
    made(
        "TransformedVector",
        lambda T, D, m, s: D.TransformedDistribution(
            D.Normal(m, s), [D.StickBreakingTransform(), D.ExpTransform()]
        ),
        real(3),
        positive(2, 3),
        exact=False,
    ),
    made(
        "Mixture",
        lambda T, D, w, m, s: D.MixtureSameFamily(D.Categorical(w), D.Normal(m, s)),
        weights(2, 4),
        real(2, 4),
        positive(4),
    ),
    made(
        "MixtureVectors",
        lambda T, D, w, m, s: D.MixtureSameFamily(
            D.Categorical(w), D.Independent(D.Normal(m, s), 1)
        ),
        weights(2, 4),
        real(2, 4, 3),
        positive(3),
    ),
]
BY_NAME = {c.name: c for c in CASES}
