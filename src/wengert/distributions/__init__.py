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

from . import (
    bounded,
    categorical,
    composition,
    counts,
    distribution,
    gamma_family,
    location_scale,
    matrix,
    multivariate,
    relaxed,
    transformed,
)
from . import (
    constraint_registry as constraint_registry,
)
from . import (
    constraints as constraints,
)
from . import (
    kl as kl,
)
from . import (
    transforms as transforms,
)
from . import (
    utils as utils,
)
from .bounded import ContinuousBernoulli, GeneralizedPareto, VonMises
from .categorical import (
    Categorical,
    Multinomial,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from .composition import Independent, MixtureSameFamily, TransformedDistribution
from .constraint_registry import biject_to, transform_to
from .counts import Bernoulli, Binomial, Geometric, NegativeBinomial, Poisson
from .distribution import Distribution, ExponentialFamily
from .gamma_family import Beta, Chi2, Dirichlet, Exponential, FisherSnedecor, Gamma
from .kl import kl_divergence, register_kl
from .location_scale import Cauchy, Laplace, Normal, StudentT, Uniform
from .matrix import LKJCholesky, Wishart
from .multivariate import LowRankMultivariateNormal, MultivariateNormal
from .relaxed import RelaxedBernoulli, RelaxedOneHotCategorical
from .transformed import (
    Gumbel,
    HalfCauchy,
    HalfNormal,
    InverseGamma,
    Kumaraswamy,
    LogisticNormal,
    LogNormal,
    Pareto,
    Weibull,
)
from .transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)

__all__ = [
    "AbsTransform", "AffineTransform", "Bernoulli", "Beta", "Binomial", "CatTransform",
    "Categorical", "Cauchy", "Chi2", "ComposeTransform", "ContinuousBernoulli",
    "CorrCholeskyTransform", "CumulativeDistributionTransform", "Dirichlet", "Distribution",
    "ExpTransform", "Exponential", "ExponentialFamily", "FisherSnedecor", "Gamma",
    "GeneralizedPareto", "Geometric", "Gumbel", "HalfCauchy", "HalfNormal", "Independent",
    "IndependentTransform", "InverseGamma", "Kumaraswamy", "LKJCholesky", "Laplace", "LogNormal",
    "LogisticNormal", "LowRankMultivariateNormal", "LowerCholeskyTransform", "MixtureSameFamily",
    "Multinomial", "MultivariateNormal", "NegativeBinomial", "Normal", "OneHotCategorical",
    "OneHotCategoricalStraightThrough", "Pareto", "Poisson", "PositiveDefiniteTransform",
    "PowerTransform", "RelaxedBernoulli", "RelaxedOneHotCategorical", "ReshapeTransform",
    "SigmoidTransform", "SoftmaxTransform", "SoftplusTransform", "StackTransform",
    "StickBreakingTransform", "StudentT", "TanhTransform", "Transform", "TransformedDistribution",
    "Uniform", "VonMises", "Weibull", "Wishart", "biject_to", "identity_transform",
    "kl_divergence", "register_kl", "transform_to",
]  # fmt: skip

# PyTorch's modules, which scripts import families from: module -> where it is here, and its names
_MODULES = {
    "bernoulli": (counts, "Bernoulli"),
    "beta": (gamma_family, "Beta"),
    "binomial": (counts, "Binomial"),
    "cauchy": (location_scale, "Cauchy"),
    "chi2": (gamma_family, "Chi2"),
    "continuous_bernoulli": (bounded, "ContinuousBernoulli"),
    "dirichlet": (gamma_family, "Dirichlet"),
    "exp_family": (distribution, "ExponentialFamily"),
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
    "multinomial": (categorical, "Multinomial"),
    "multivariate_normal": (multivariate, "MultivariateNormal _batch_mahalanobis _batch_mv"),
    "negative_binomial": (counts, "NegativeBinomial"),
    "normal": (location_scale, "Normal"),
    "one_hot_categorical": (categorical, "OneHotCategorical OneHotCategoricalStraightThrough"),
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
}


def _open(name: str, home: types.ModuleType, names: str) -> types.ModuleType:
    """Make PyTorch's module of a family, so that it can be imported from."""
    module = types.ModuleType(f"{__name__}.{name}", home.__doc__)
    vars(module).update({n: getattr(home, n) for n in names.split()})
    vars(module)["__all__"] = [n for n in names.split() if n[0] != "_"]
    sys.modules[module.__name__] = module
    return module


globals().update({_name: _open(_name, *_what) for _name, _what in _MODULES.items()})
