"""Probability distributions: sampling, densities, entropies, divergences and changes of variables.

Draws are PyTorch's from the same seed (docs/random.md); `rsample` carries gradients to the
parameters where a family has `has_rsample`.

>>> import wengert as torch
>>> policy = torch.distributions.Categorical(logits=torch.zeros(2))
>>> action = policy.sample()
>>> policy.log_prob(action)
tensor(-0.6931)
"""

from __future__ import annotations

import sys
import types

from . import constraints as constraints, kl as kl, transforms as transforms, utils as utils
from . import (
    bounded,
    categorical as _categorical,
    composition,
    constraint_registry as constraint_registry,
    counts,
    distribution as _distribution,
    gamma_family,
    location_scale,
    matrix,
    multivariate,
    relaxed,
    transformed,
)

# PyTorch's modules, which scripts import families from: module -> where it is here, and its names
_MODULES = {
    "bernoulli": (counts, "Bernoulli"),
    "beta": (gamma_family, "Beta"),
    "binomial": (counts, "Binomial"),
    "cauchy": (location_scale, "Cauchy"),
    "chi2": (gamma_family, "Chi2"),
    "continuous_bernoulli": (bounded, "ContinuousBernoulli"),
    "dirichlet": (gamma_family, "Dirichlet"),
    "exp_family": (_distribution, "ExponentialFamily"),
    "exponential": (gamma_family, "Exponential"),
    "fishersnedecor": (gamma_family, "FisherSnedecor"),
    "gamma": (gamma_family, "Gamma"),
    "generalized_pareto": (bounded, "GeneralizedPareto"),
    "geometric": (counts, "Geometric"),
    "gumbel": (transformed, "Gumbel"),
    "half_cauchy": (transformed, "HalfCauchy"),
    "half_normal": (transformed, "HalfNormal"),
    "independent": (composition, "Independent"),
    "inverse_gamma": (transformed, "InverseGamma"),
    "kumaraswamy": (transformed, "Kumaraswamy"),
    "laplace": (location_scale, "Laplace"),
    "lkj_cholesky": (matrix, "LKJCholesky"),
    "log_normal": (transformed, "LogNormal"),
    "logistic_normal": (transformed, "LogisticNormal"),
    "lowrank_multivariate_normal": (multivariate, "LowRankMultivariateNormal"),
    "mixture_same_family": (composition, "MixtureSameFamily"),
    "multinomial": (_categorical, "Multinomial"),
    "multivariate_normal": (multivariate, "MultivariateNormal _batch_mahalanobis _batch_mv"),
    "negative_binomial": (counts, "NegativeBinomial"),
    "normal": (location_scale, "Normal"),
    "one_hot_categorical": (_categorical, "OneHotCategorical OneHotCategoricalStraightThrough"),
    "pareto": (transformed, "Pareto"),
    "poisson": (counts, "Poisson"),
    "relaxed_bernoulli": (relaxed, "RelaxedBernoulli LogitRelaxedBernoulli"),
    "relaxed_categorical": (relaxed, "RelaxedOneHotCategorical ExpRelaxedCategorical"),
    "studentT": (location_scale, "StudentT"),
    "transformed_distribution": (composition, "TransformedDistribution"),
    "uniform": (location_scale, "Uniform"),
    "von_mises": (bounded, "VonMises"),
    "weibull": (transformed, "Weibull"),
    "wishart": (matrix, "Wishart"),
}  # fmt: skip

from .constraint_registry import biject_to as biject_to, transform_to as transform_to  # noqa: E402
from .kl import kl_divergence as kl_divergence, register_kl as register_kl  # noqa: E402

_hidden = {"LogitRelaxedBernoulli", "ExpRelaxedCategorical"}
__all__ = sorted({
    "biject_to", "transform_to", "kl_divergence", "register_kl",
    *transforms.__all__,
    *(n for m in (bounded, _categorical, composition, counts, _distribution, gamma_family,
                  location_scale, matrix, multivariate, relaxed, transformed) for n in m.__all__),
} - _hidden)  # fmt: skip  # noqa: PLE0605


def _open(name: str, home: types.ModuleType, names: str) -> types.ModuleType:
    """Make PyTorch's module of a family, so that it can be imported from."""
    module = types.ModuleType(f"{__name__}.{name}", home.__doc__)
    for n in names.split():
        setattr(module, n, getattr(home, n))
    module.__all__ = [n for n in names.split() if n[0] != "_"]  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    return module


for _module in (bounded, _categorical, composition, counts, _distribution, gamma_family, location_scale,
                matrix, multivariate, relaxed, transformed, transforms):  # fmt: skip
    globals().update({n: getattr(_module, n) for n in _module.__all__ if n in __all__})
globals().update({name: _open(name, *what) for name, what in _MODULES.items()})
