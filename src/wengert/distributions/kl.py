"""Divergences KL(p || q): `kl_divergence`, and `register_kl` for pairs of one's own.

For p and q of one family there is a closed form; between families KL is the cross entropy, which a
few moments of p decide, less the entropy of p. It is infinite where p goes beyond the support of q.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import wengert as torch

from ..core.tensor import Tensor
from .bounded import ContinuousBernoulli
from .categorical import Categorical, OneHotCategorical
from .composition import Independent, TransformedDistribution
from .counts import Bernoulli, Binomial, Geometric, Poisson
from .distribution import Distribution, ExponentialFamily
from .gamma_family import Beta, Dirichlet, Exponential, Gamma
from .location_scale import Cauchy, Laplace, Normal, Uniform
from .multivariate import LowRankMultivariateNormal, MultivariateNormal, half_log_det
from .transformed import Gumbel, HalfNormal, Pareto
from .utils import euler_constant, sum_rightmost

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY: dict[tuple[type, type], Callable] = {}
_found: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """Decorate a function fun(p, q) to be the divergence of two types and their subclasses.

    The closest registered pair counts. TypeError for what is no Distribution.

    >>> import wengert as torch
    >>> D = torch.distributions
    >>> class Mine(D.Normal):
    ...     pass
    >>> @D.register_kl(Mine, Mine)
    ... def zero(p, q):
    ...     return torch.zeros(())
    >>> D.kl_divergence(Mine(0.0, 1.0), Mine(5.0, 1.0))
    tensor(0.)
    """
    for name, given in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(given, type) or not issubclass(given, Distribution):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {given}")

    def decorator(fun: Callable) -> Callable:
        _KL_REGISTRY[type_p, type_q] = fun
        _found.clear()
        return fun

    return decorator


def _distance(types: tuple[type, type], of: tuple[type, type]) -> tuple[int, int]:
    """How far registered types are up the class hierarchies."""
    return of[0].__mro__.index(types[0]), of[1].__mro__.index(types[1])


def _dispatch(type_p: type, type_q: type) -> Callable:
    pair = (type_p, type_q)
    fits = [t for t in _KL_REGISTRY if issubclass(type_p, t[0]) and issubclass(type_q, t[1])]
    if not fits:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type_p.__name__} and q type {type_q.__name__}"
        )
    left = min(fits, key=lambda t: _distance(t, pair))
    right = min(fits, key=lambda t: _distance(t, pair)[::-1])
    if left != right:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). Please "
            f"register_kl({left[0].__name__}, {right[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """Return the integral of p log(p / q) for each place of the batch.

    NotImplementedError for pairs of types that nobody has registered.

    >>> import wengert as torch
    >>> D = torch.distributions
    >>> D.kl_divergence(D.Normal(0.0, 1.0), D.Normal(1.0, 1.0))
    tensor(0.5000)
    """
    pair = (type(p), type(q))
    fun = _found.get(pair)
    if fun is None:
        fun = _found[pair] = _dispatch(*pair)
    return fun(p, q)


# ------------------------------------------------------------- one family
@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Tensor:
    softplus = torch.nn.functional.softplus
    heads = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    tails = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    # what cannot happen under q, and does under p, costs infinitely much
    heads = torch.where(q.probs == 0, math.inf, heads).masked_fill(p.probs == 0, 0)
    tails = torch.where(q.probs == 1, math.inf, tails).masked_fill(p.probs == 1, 0)
    return heads + tails


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return torch.where(p.total_count > q.total_count, math.inf, kl)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Tensor:
    t = p.probs * (p.logits - q.logits)
    t = torch.where(q.probs == 0, math.inf, t)
    return torch.where((p.probs == 0).expand(t.shape), 0.0, t).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Tensor:
    return -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


def _dirichlet_of(a: Tensor, b: Tensor) -> Tensor:
    total = a.sum(-1)
    volume = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return volume + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Tensor:
    return _dirichlet_of(p.concentration, q.concentration)


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Tensor:
    return _dirichlet_of(p._dirichlet.concentration, q._dirichlet.concentration)


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Tensor:
    rates = q.concentration * (p.rate / q.rate).log()
    volumes = torch.lgamma(q.concentration) - torch.lgamma(p.concentration)
    shapes = (p.concentration - q.concentration) * torch.digamma(p.concentration)
    return rates + volumes + shapes + (q.rate - p.rate) * (p.concentration / p.rate)


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    apart = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + apart - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Tensor:
    apart = (p.loc - q.loc).abs()
    ratio = p.scale / q.scale
    return -ratio.log() + apart / q.scale + ratio * torch.exp(-apart / p.scale) - 1


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Tensor:
    # Chyzak and Nielsen, "A closed-form formula for the KL divergence between Cauchy ...", 2019
    both = ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log()
    return both - (4 * p.scale * q.scale).log()


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Tensor:
    ratio = p.scale / q.scale
    apart = (p.loc - q.loc) / q.scale
    tail = torch.exp(-apart + (1 + ratio).lgamma())
    return -ratio.log() + apart + tail - 1 + (ratio - 1) * euler_constant


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Tensor:
    ratio = q.alpha / p.alpha
    kl = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return torch.where(p.support.lower_bound < q.support.lower_bound, math.inf, kl)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Tensor:
    kl = ((q.high - q.low) / (p.high - p.low)).log()
    return torch.where(torch.logical_or(q.low > p.low, q.high < p.high), math.inf, kl)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous(p: Any, q: Any) -> Tensor:
    logits = p.mean * (p.logits - q.logits)
    norms = p._cont_bern_log_norm() - q._cont_bern_log_norm()
    return logits + norms + torch.log1p(-p.probs) - torch.log1p(-q.probs)


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: Any, q: Any) -> Tensor:
    """The Bregman divergence of the log normaliser."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using "
            "Bregman divergences"
        )
    with torch.enable_grad():
        etas = [e if e.requires_grad else e.detach().requires_grad_() for e in p._natural_params]
        normalizer = p._log_normalizer(*etas)
        slopes = torch.autograd.grad(normalizer.sum(), etas, create_graph=True)
    result = q._log_normalizer(*q._natural_params) - normalizer
    for eta, other, slope in zip(etas, q._natural_params, slopes, strict=True):
        result = result - sum_rightmost((other - eta) * slope, len(q.event_shape))
    return result


# ------------------------------------------------------------- two families
def _mean_log(p: Any) -> Tensor:
    """The mean of log(x)."""
    if isinstance(p, Beta):
        return torch.digamma(p.concentration1) - torch.digamma(p.concentration1 + p.concentration0)
    if isinstance(p, Gamma):
        return torch.digamma(p.concentration) - p.rate.log()
    if isinstance(p, Exponential):
        return -p.rate.log() - euler_constant
    if isinstance(p, Pareto):
        return p.scale.log() + p.alpha.reciprocal()
    return (torch.xlogy(p.high, p.high) - torch.xlogy(p.low, p.low)) / (
        p.high - p.low
    ) - 1  # Uniform


def _to_normal(p: Any, q: Any) -> Tensor:
    spread = (p.variance + (p.mean - q.loc).pow(2)) / (2 * q.scale.pow(2))
    return q.scale.log() + 0.5 * math.log(2 * math.pi) + spread


def _to_exponential(p: Any, q: Any) -> Tensor:
    return q.rate * p.mean - q.rate.log()


def _to_gamma(p: Any, q: Any) -> Tensor:
    volume = q.concentration.lgamma() - torch.xlogy(q.concentration, q.rate)
    return volume - (q.concentration - 1) * _mean_log(p) + q.rate * p.mean


def _to_uniform(p: Any, q: Any) -> Tensor:
    return (q.high - q.low).log()


def _to_pareto(p: Any, q: Any) -> Tensor:
    return (q.alpha + 1) * _mean_log(p) - q.alpha.log() - torch.xlogy(q.alpha, q.scale)


def _to_continuous(p: Any, q: Any) -> Tensor:
    return -p.mean * q.logits - torch.log1p(-q.probs) - q._cont_bern_log_norm()


def _to_beta(p: Any, q: Any) -> Tensor:
    c1, c0 = q.concentration1, q.concentration0
    mirrored = Uniform(1 - p.high, 1 - p.low, validate_args=False)  # 1 - x
    volume = c1.lgamma() + c0.lgamma() - (c1 + c0).lgamma()
    return volume - (c1 - 1) * _mean_log(p) - (c0 - 1) * _mean_log(mirrored)


def _to_poisson(p: Any, q: Any) -> Tensor:
    return q.rate - p.probs * q.rate.log()


def _mean_of_power(p: Any, s: Tensor) -> Tensor:
    """The mean of exp(-s x)."""
    if isinstance(p, Normal):
        return torch.exp(0.5 * (s * p.scale).pow(2) - s * p.loc)
    if isinstance(p, Exponential):
        return 1 / (1 + s / p.rate)
    if isinstance(p, Gamma):
        return (1 + s / p.rate).pow(-p.concentration)
    return (torch.exp(-s * p.low) - torch.exp(-s * p.high)) / (s * (p.high - p.low))  # Uniform


def _to_gumbel(p: Any, q: Any) -> Tensor:
    turn = q.scale.reciprocal()
    tail = _mean_of_power(p, turn) * torch.exp(q.loc * turn)
    return q.scale.log() + (p.mean - q.loc) * turn + tail


def _to_laplace(p: Any, q: Any) -> Tensor:
    """With the mean of |x - loc| of a normal x: that of a folded normal."""
    apart = p.loc - q.loc
    z = apart / (math.sqrt(2.0) * p.scale)
    folded = math.sqrt(2 / math.pi) * p.scale * torch.exp(-z.pow(2)) + apart * torch.erf(z)
    return torch.log(2 * q.scale) + folded / q.scale


_CROSS: dict[type, tuple[Callable, list[type]]] = {
    Normal: (_to_normal, [Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform]),
    Exponential: (_to_exponential, [Beta, ContinuousBernoulli, Gamma, Pareto, Uniform]),
    Gamma: (_to_gamma, [Beta, Exponential, Pareto, Uniform]),
    Uniform: (_to_uniform, [Beta, ContinuousBernoulli]),
    Pareto: (_to_pareto, [Uniform]),
    ContinuousBernoulli: (_to_continuous, [Beta, Uniform]),
    Beta: (_to_beta, [Uniform]),
    Poisson: (_to_poisson, [Bernoulli]),
    Gumbel: (_to_gumbel, [Exponential, Gamma, Normal, Uniform]),
    Laplace: (_to_laplace, [Normal]),
}  # fmt: skip
_BEYOND: dict[type, list[type]] = {  # p -> those q whose support p leaves
    Beta: [Pareto],
    ContinuousBernoulli: [Pareto],
    Exponential: [Beta, ContinuousBernoulli, Pareto, Uniform],
    Gamma: [Beta, ContinuousBernoulli, Pareto, Uniform],
    Gumbel: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Laplace: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Normal: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Pareto: [Beta, ContinuousBernoulli, Uniform],
    Poisson: [Bernoulli, Binomial],
}


def _infinite(p: Any, q: Any) -> Tensor:
    some = p.mean
    return torch.full(
        tuple(torch.broadcast_shapes(p.batch_shape, q.batch_shape)), math.inf, dtype=some.dtype
    )


def _ends(d: Any) -> tuple[Any, Any]:
    support = d.support
    return getattr(support, "lower_bound", -math.inf), getattr(support, "upper_bound", math.inf)


def _crossing(cross: Callable, bounded: bool) -> Callable:
    """The divergence by a cross entropy; infinite where bounded p goes beyond q."""

    def kl(p: Any, q: Any) -> Tensor:
        result = cross(p, q) - p.entropy()
        if bounded:
            (low, high), (q_low, q_high) = _ends(p), _ends(q)
            beyond = torch.logical_or(torch.as_tensor(low < q_low), torch.as_tensor(high > q_high))
            result = torch.where(beyond, math.inf, result)
        return result

    return kl


for _q, (_cross, _all_p) in _CROSS.items():
    for _p in _all_p:
        register_kl(_p, _q)(_crossing(_cross, bounded=_p is Uniform or _q is Uniform))
for _p, _all_q in _BEYOND.items():
    for _q in _all_q:
        register_kl(_p, _q)(_infinite)


# ------------------------------------------------------------- normal vectors
def _root(p: Any) -> Tensor:
    """A matrix R with the covariance R R^T."""
    if isinstance(p, MultivariateNormal):
        return p._unbroadcasted_scale_tril
    factor, diag = p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag.sqrt().diag_embed()
    batch = torch.broadcast_shapes(tuple(factor.shape[:-2]), tuple(diag.shape[:-2]))
    return torch.cat([m.expand((*batch, *m.shape[-2:])) for m in (factor, diag)], -1)


def _normal_vectors(p: Any, q: Any) -> Tensor:
    """(tr(Q^-1 P) + squared distance of the means - n + log det Q - log det P) / 2."""
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL-divergence between two (Low Rank) Multivariate Normals with different event shapes "
            f"cannot be computed: {p.event_shape} and {q.event_shape}"
        )
    root = _root(p)
    if isinstance(q, MultivariateNormal):
        lower = q._unbroadcasted_scale_tril
        trace = _solved(lower, root).pow(2).sum((-2, -1))
        distance = _solved(lower, (p.loc - q.loc).unsqueeze(-1)).pow(2).sum((-2, -1))
    else:
        inner = _solved(q._capacitance_tril, torch.matmul(q._factor_over_diag(), root))
        own = (root.pow(2) / q._unbroadcasted_cov_diag.unsqueeze(-1)).sum((-2, -1))
        trace = own - inner.pow(2).sum((-2, -1))
        distance = q._distance(p.loc - q.loc)
    return 0.5 * (trace + distance - p.event_shape[0] + _log_det(q) - _log_det(p))


def _solved(lower: Tensor, right: Tensor) -> Tensor:
    batch = torch.broadcast_shapes(tuple(lower.shape[:-2]), tuple(right.shape[:-2]))
    right = right.expand((*batch, *right.shape[-2:]))
    return torch.linalg.solve_triangular(
        lower.expand((*batch, *lower.shape[-2:])), right, upper=False
    )


def _log_det(d: Any) -> Tensor:
    if isinstance(d, MultivariateNormal):
        return 2 * half_log_det(d._unbroadcasted_scale_tril)
    return d._log_det()


for _p in (MultivariateNormal, LowRankMultivariateNormal):
    for _q in (MultivariateNormal, LowRankMultivariateNormal):
        register_kl(_p, _q)(_normal_vectors)


# ------------------------------------------------------------- made of others
@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)
