"""Random matrices: Wishart, and LKJCholesky factors of correlation matrices."""

from __future__ import annotations

import math
import warnings
from typing import Any

import wengert as torch

from ..core.size import Size
from ..core.tensor import Tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily
from .gamma_family import Beta, Chi2
from .multivariate import _OfScaleTril, chosen_matrix, half_log_det
from .utils import plain, vec_to_tril_matrix

__all__ = ["LKJCholesky", "Wishart"]


class Wishart(_OfScaleTril, ExponentialFamily):
    """The distribution of the sum of x x^T over df normal vectors x; df need not be whole.

    ValueError unless exactly one matrix is given and df is above its size less 1. Draws by
    Bartlett's decomposition (Sawyer, "Wishart distributions and inverse-Wishart sampling", 2007).

    >>> import wengert as torch
    >>> torch.distributions.Wishart(torch.tensor(3.0), torch.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> dict[str, Any]:
        """The matrices are positive definite, df is above their size less 1."""
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self, df: Any, covariance_matrix: Any = None, precision_matrix: Any = None,
        scale_tril: Any = None, validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        name, matrix = chosen_matrix(
            covariance_matrix,
            precision_matrix,
            scale_tril,
            "with optional leading batch dimensions",
        )
        if not isinstance(df, Tensor):
            df = torch.tensor(df, dtype=matrix.dtype)
        batch = torch.broadcast_shapes(tuple(matrix.shape[:-2]), tuple(df.shape))
        event = matrix.shape[-2:]
        n = event[-1]
        self.df = df.expand(batch)
        if plain(df) and (self.df <= n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        self.__dict__[name] = matrix.expand((*batch, -1, -1))
        self._batch_dims = [-(k + 1) for k in range(len(batch))]
        Distribution.__init__(self, batch, event, validate_args=validate_args)
        if plain(df) and (self.df < n).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for "
                "ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        self._take_matrix(name, matrix, batch)
        self._dist_chi2 = self._chi2()

    def _chi2(self) -> Chi2:
        """Of the squares on the diagonal: one degree of freedom less each row."""
        n = self._event_shape[-1]
        less = torch.arange(n, dtype=self._unbroadcasted_scale_tril.dtype)
        return Chi2(df=self.df.unsqueeze(-1) - less.expand((*self._batch_shape, -1)))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return the distribution with its batch shape broadcast to `batch_shape`."""
        new = self._get_checked_instance(Wishart, _instance)
        shape = Size(batch_shape)
        new.df = self.df.expand(shape)
        new._batch_dims = [-(k + 1) for k in range(len(shape))]
        self._expand_matrix(new, shape)
        self._expanded(new, shape)
        new._dist_chi2 = new._chi2()
        return new

    def _over_df(self) -> Tensor:
        return self.df.view((*self._batch_shape, 1, 1))

    @property
    def mean(self) -> Tensor:
        """df times the covariance matrix."""
        return self._over_df() * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """(df - n - 1) times the covariance matrix; nan up to df = n + 1."""
        factor = self._over_df() - self.covariance_matrix.shape[-1] - 1
        return torch.where(factor > 0, factor, math.nan) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        """df (V_ij**2 + V_ii V_jj)."""
        v = self.covariance_matrix
        diag = v.diagonal(dim1=-2, dim2=-1)
        return self._over_df() * (v.pow(2) + diag.unsqueeze(-1) * diag.unsqueeze(-2))

    def _bartlett_sampling(self, sample_shape: Any) -> Tensor:
        n = self._event_shape[-1]
        diag = (
            self._dist_chi2.rsample(sample_shape).clamp(min=torch.finfo(self.df.dtype).tiny).sqrt()
        )
        below = torch.randn((*sample_shape, *self._batch_shape, n * (n - 1) // 2), dtype=diag.dtype)
        factor = diag.diag_embed()
        if n > 1:
            factor = factor + vec_to_tril_matrix(below, diag=-1)
        lower = self._unbroadcasted_scale_tril @ factor
        return lower @ lower.mT

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Tensor:
        """Return L A A^T L^T with Bartlett's random factor A.

        A draw that is singular to rounding is replaced, up to max_try_correction times.
        """
        shape = Size(sample_shape)
        sample = self._bartlett_sampling(shape)
        tries = 10 if max_try_correction is None else max_try_correction
        if not plain(sample):
            return sample
        singular = self._singular(sample, shape)
        if singular.any():
            warnings.warn("Singular sample detected.", stacklevel=2)
            for _ in range(tries):
                again = self._bartlett_sampling(shape)
                apart = (1,) * (again.dim() - singular.dim())
                sample = torch.where(singular.reshape((*singular.shape, *apart)), again, sample)
                singular = self._singular(sample, shape)
                if not singular.any():
                    break
        return sample

    def _singular(self, sample: Tensor, shape: Size) -> Tensor:
        """Which draws hold a matrix that is not positive definite."""
        return torch.logical_not(self.support.check(sample)).reshape((*shape, -1)).any(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """(df - n - 1) / 2 log det X - tr(V^-1 X) / 2 less the logarithm of the volume."""
        self._check(value)
        df, n = self.df, self._event_shape[-1]
        lower = self._unbroadcasted_scale_tril
        volume = df * (n * math.log(2.0) / 2 + half_log_det(lower)) + torch.mvlgamma(df / 2, p=n)
        trace = torch.cholesky_solve(value, lower).diagonal(dim1=-2, dim2=-1).sum(-1)
        return (df - n - 1) / 2 * torch.linalg.slogdet(value).logabsdet - trace / 2 - volume

    def entropy(self) -> Tensor:
        """The closed form, with the multivariate lgamma and digamma at df / 2."""
        df, n = self.df, self._event_shape[-1]
        lower = self._unbroadcasted_scale_tril
        steps = torch.arange(n, dtype=df.dtype) / 2
        slope = torch.digamma((df / 2).unsqueeze(-1) - steps).sum(-1)
        volume = (n + 1) * (n * math.log(2.0) / 2 + half_log_det(lower))
        return volume + torch.mvlgamma(df / 2, p=n) - (df - n - 1) / 2 * slope + df * n / 2

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        n = self._event_shape[-1]
        return -self.precision_matrix / 2, (self.df - n - 1) / 2

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        n = self._event_shape[-1]
        half = y + (n + 1) / 2
        return half * (n * math.log(2.0) - torch.linalg.slogdet(-2 * x).logabsdet) + torch.mvlgamma(
            half, p=n
        )


class LKJCholesky(Distribution):
    """Lower Cholesky factors of correlation matrices, of density det**(concentration - 1).

    A concentration of 1 is uniform over correlation matrices; larger ones favour the identity.
    Draws by the onion method (Lewandowski, Kurowicka and Joe, "Generating random correlation
    matrices", 2009). ValueError for dim below 2.

    >>> import wengert as torch
    >>> torch.distributions.LKJCholesky(3, 1.0).sample().shape
    torch.Size([3, 3])
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        self.concentration = torch.as_tensor(concentration)
        shape = self.concentration.shape
        # row i + 1 has a squared length outside the diagonal of Beta((i + 1) / 2, ...)
        marginal = self.concentration + 0.5 * (dim - 2)
        row = torch.arange(dim - 1, dtype=self.concentration.dtype)
        row = torch.cat([row.new_zeros((1,)), row])
        self._beta = Beta(row + 0.5, marginal.unsqueeze(-1) - 0.5 * row)
        super().__init__(shape, (dim, dim), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return the distribution with its batch shape broadcast to `batch_shape`."""
        new = self._get_checked_instance(LKJCholesky, _instance)
        shape = Size(batch_shape)
        new.dim = self.dim
        new.concentration = self.concentration.expand(shape)
        new._beta = self._beta.expand((*shape, self.dim))
        return self._expanded(new, shape)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return factors: random directions of beta-distributed lengths, row by row."""
        shape = tuple(self._extended_shape(sample_shape))
        with torch.no_grad():
            squares = self._beta.sample(sample_shape).unsqueeze(-1)
            normal = torch.randn(shape, dtype=squares.dtype).tril(-1)
            directions = normal / normal.norm(dim=-1, keepdim=True)
            first = (torch.arange(self.dim) == 0).unsqueeze(-1)
            w = squares.sqrt() * torch.where(first, 0.0, directions)
            rest = (1 - (w**2).sum(-1)).clamp(min=torch.finfo(w.dtype).eps)
            return w + rest.sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        """sum over rows i of (dim - i + 2 concentration - 2) log L_ii, normalised."""
        self._check(value)
        diag = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = torch.arange(2, self.dim + 1, dtype=self.concentration.dtype)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        rows = self.dim - 1
        alpha = self.concentration + 0.5 * rows
        volume = 0.5 * rows * math.log(math.pi) + torch.mvlgamma(alpha - 0.5, p=rows)
        return (order * diag.log()).sum(-1) - volume + torch.lgamma(alpha) * rows
