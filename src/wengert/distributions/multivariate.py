"""Normal vectors: MultivariateNormal, and LowRankMultivariateNormal of covariance W W^T + diag(D)."""

from __future__ import annotations

import math
from typing import Any

import wengert as torch

from ..core.size import Size
from ..core.tensor import Tensor
from . import constraints
from .distribution import Distribution
from .utils import lazy_property, standard_normal

__all__ = ["LowRankMultivariateNormal", "MultivariateNormal"]

_LOG_TAU = math.log(2 * math.pi)


def _batch_mv(bmat: Tensor, bvec: Tensor) -> Tensor:
    """Multiply matrices with vectors, batches broadcast."""
    return torch.matmul(bmat, bvec.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(bL: Tensor, bx: Tensor) -> Tensor:
    """Return |L^-1 x|^2 for lower triangles L and vectors x, batches broadcast.

    With a single L all vectors are columns of one system.
    """
    if bL.dim() == 2:
        columns = bx.reshape(-1, bx.shape[-1]).mT
        solved = torch.linalg.solve_triangular(bL, columns, upper=False)
        return solved.pow(2).sum(0).reshape(tuple(bx.shape[:-1]))
    solved = torch.linalg.solve_triangular(bL, bx.unsqueeze(-1), upper=False)
    return solved.pow(2).sum((-2, -1))


def half_log_det(tril: Tensor) -> Tensor:
    """Return the sum of the logarithms of a diagonal."""
    return tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def precision_to_scale_tril(precision: Tensor) -> Tensor:
    """Return the Cholesky factor of the inverse of a matrix.

    With the factor F of the matrix flipped in both dims, the inverse's is the inverse of F flipped
    back and transposed.
    """
    flipped = torch.linalg.cholesky(torch.flip(precision, (-2, -1)))
    upper_inverse = torch.flip(flipped, (-2, -1)).mT
    eye = torch.eye(precision.shape[-1], dtype=precision.dtype)
    return torch.linalg.solve_triangular(upper_inverse, eye, upper=False)


def chosen_matrix(covariance: Any, precision: Any, tril: Any, least: str) -> tuple[str, Tensor]:
    """Return the name and value of the one matrix that is given; ValueError for none or several."""
    given = {"covariance_matrix": covariance, "precision_matrix": precision, "scale_tril": tril}
    found = [(name, m) for name, m in given.items() if m is not None]
    if len(found) != 1:
        raise ValueError(
            "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
        )
    if found[0][1].dim() < 2:
        raise ValueError(f"{found[0][0]} must be at least two-dimensional, {least}")
    return found[0]


class _OfScaleTril(Distribution):
    """A distribution with a positive definite matrix, told by it, its inverse or its factor."""

    _unbroadcasted_scale_tril: Tensor

    def _take_matrix(self, name: str, matrix: Tensor, batch_shape: Any) -> None:
        setattr(self, name, matrix.expand((*batch_shape, -1, -1)))
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = torch.linalg.cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = precision_to_scale_tril(matrix)

    def _expand_matrix(self, new: Any, batch_shape: Any) -> None:
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        n = self._event_shape[-1]
        for name in ("covariance_matrix", "scale_tril", "precision_matrix"):
            if name in self.__dict__:
                setattr(new, name, self.__dict__[name].expand((*batch_shape, n, n)))

    def _over_batch(self, matrix: Tensor) -> Tensor:
        n = self._event_shape[-1]
        return matrix.expand((*self._batch_shape, n, n))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance matrix."""
        return self._over_batch(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance matrix."""
        lower = self._unbroadcasted_scale_tril
        return self._over_batch(torch.matmul(lower, lower.mT))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance matrix."""
        return self._over_batch(torch.cholesky_inverse(self._unbroadcasted_scale_tril))


class MultivariateNormal(_OfScaleTril):
    """The normal distribution of vectors, by its covariance, precision or Cholesky factor.

    ValueError unless exactly one of the three matrices is given.

    >>> import wengert as torch
    >>> d = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    >>> d.log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Tensor, covariance_matrix: Any = None, precision_matrix: Any = None,
        scale_tril: Any = None, validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, matrix = chosen_matrix(
            covariance_matrix,
            precision_matrix,
            scale_tril,
            "with optional leading batch dimensions",
        )
        batch = torch.broadcast_shapes(tuple(matrix.shape[:-2]), tuple(loc.shape[:-1]))
        self.loc = loc.expand((*batch, -1))
        given = {name: matrix.expand((*batch, -1, -1))}
        self.__dict__.update(given)
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)
        self._take_matrix(name, matrix, batch)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return the distribution with its batch shape broadcast to `batch_shape`."""
        new = self._get_checked_instance(MultivariateNormal, _instance)
        shape = Size(batch_shape)
        new.loc = self.loc.expand((*shape, *self._event_shape))
        self._expand_matrix(new, shape)
        return self._expanded(new, shape)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance matrix."""
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand((*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return loc + L z."""
        z = standard_normal(self.loc, self._extended_shape(sample_shape))
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, z)

    def log_prob(self, value: Tensor) -> Tensor:
        """-(n log(2 pi) + |L^-1 (value - loc)|**2) / 2 - log det L."""
        self._check(value)
        lower = self._unbroadcasted_scale_tril
        distance = _batch_mahalanobis(lower, value - self.loc)
        return -0.5 * (self._event_shape[0] * _LOG_TAU + distance) - half_log_det(lower)

    def entropy(self) -> Tensor:
        """n (1 + log(2 pi)) / 2 + log det L."""
        volume = half_log_det(self._unbroadcasted_scale_tril)
        return (0.5 * self._event_shape[0] * (1.0 + _LOG_TAU) + volume).expand(self._batch_shape)


class LowRankMultivariateNormal(Distribution):
    """A normal vector of covariance W W^T + diag(D), at the cost of the few columns of W.

    The determinant lemma and Woodbury's identity lead to the k by k matrix I + W^T D^-1 W.
    ValueError for shapes that do not fit.

    >>> import wengert as torch
    >>> d = torch.distributions.LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(2))
    >>> d.covariance_matrix
    tensor([[2., 1.],
            [1., 2.]])
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch dimensions"
            )
        if tuple(cov_factor.shape[-2:-1]) != tuple(event):
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event[0]} x m")
        if tuple(cov_diag.shape[-1:]) != tuple(event):
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event}")
        try:
            batch = torch.broadcast_shapes(
                tuple(loc.shape[:-1]), tuple(cov_factor.shape[:-2]), tuple(cov_diag.shape[:-1])
            )
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, "
                f"cov_diag {cov_diag.shape}"
            ) from error
        self.loc = loc.expand((*batch, -1))
        self.cov_factor = cov_factor.expand((*batch, *cov_factor.shape[-2:]))
        self.cov_diag = cov_diag.expand((*batch, -1))
        super().__init__(batch, event, validate_args=validate_args)
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        scaled = self._factor_over_diag()
        eye = torch.eye(cov_factor.shape[-1], dtype=cov_factor.dtype)
        self._capacitance_tril = torch.linalg.cholesky(torch.matmul(scaled, cov_factor) + eye)

    def _factor_over_diag(self) -> Tensor:
        """W^T D^-1."""
        return self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return the distribution with its batch shape broadcast to `batch_shape`."""
        new = self._get_checked_instance(LowRankMultivariateNormal, _instance)
        shape = Size(batch_shape)
        new.loc = self.loc.expand((*shape, *self._event_shape))
        new.cov_diag = self.cov_diag.expand((*shape, *self._event_shape))
        new.cov_factor = self.cov_factor.expand((*shape, *self.cov_factor.shape[-2:]))
        new._unbroadcasted_cov_factor = self._unbroadcasted_cov_factor
        new._unbroadcasted_cov_diag = self._unbroadcasted_cov_diag
        new._capacitance_tril = self._capacitance_tril
        return self._expanded(new, shape)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:
        """The diagonal of the covariance matrix."""
        squares = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return squares.expand((*self._batch_shape, *self._event_shape))

    def _over_batch(self, matrix: Tensor) -> Tensor:
        n = self._event_shape[0]
        return matrix.expand((*self._batch_shape, n, n))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance matrix."""
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / root
        eye = torch.eye(self._event_shape[0], dtype=scaled.dtype)
        return self._over_batch(root * torch.linalg.cholesky(torch.matmul(scaled, scaled.mT) + eye))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """W W^T + diag(D)."""
        factor = self._unbroadcasted_cov_factor
        product = torch.matmul(factor, factor.mT)
        return self._over_batch(product + torch.diag_embed(self._unbroadcasted_cov_diag))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """diag(1 / D) - A^T A, A = C^-1 W^T D^-1 with the Cholesky factor C of I + W^T D^-1 W."""
        a = torch.linalg.solve_triangular(
            self._capacitance_tril, self._factor_over_diag(), upper=False
        )
        diag = torch.diag_embed(self._unbroadcasted_cov_diag.reciprocal())
        return self._over_batch(diag - torch.matmul(a.mT, a))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return loc + W z + sqrt(D) z'."""
        shape = self._extended_shape(sample_shape)
        z = standard_normal(self.loc, (*shape[:-1], self.cov_factor.shape[-1]))
        each = standard_normal(self.loc, shape)
        common = _batch_mv(self._unbroadcasted_cov_factor, z)
        return self.loc + common + self._unbroadcasted_cov_diag.sqrt() * each

    def _log_det(self) -> Tensor:
        return 2 * half_log_det(self._capacitance_tril) + self._unbroadcasted_cov_diag.log().sum(-1)

    def _distance(self, difference: Tensor) -> Tensor:
        """The squared Mahalanobis length, by Woodbury's identity."""
        inner = _batch_mv(self._factor_over_diag(), difference)
        own = (difference.pow(2) / self._unbroadcasted_cov_diag).sum(-1)
        return own - _batch_mahalanobis(self._capacitance_tril, inner)

    def log_prob(self, value: Tensor) -> Tensor:
        """-(n log(2 pi) + log det + squared Mahalanobis distance) / 2."""
        self._check(value)
        distance = self._distance(value - self.loc)
        return -0.5 * (self._event_shape[0] * _LOG_TAU + self._log_det() + distance)

    def entropy(self) -> Tensor:
        """(n (1 + log(2 pi)) + log det) / 2."""
        whole = 0.5 * (self._event_shape[0] * (1.0 + _LOG_TAU) + self._log_det())
        return whole.expand(self._batch_shape)
