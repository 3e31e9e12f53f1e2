"""Ready parametrizations: weight norm, spectral norm, orthogonal matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd.grad_mode import no_grad
from ...core.op import TENSORS as T
from ...core.tensor import Tensor
from ...late import named
from ...ops.weight_norm import norm_except_dim
from ...ops.weight_norm import weight_norm as weight_of
from .. import functional as F
from ..modules.conv import _ConvTransposeNd
from ..modules.module import Module
from . import parametrize

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _tensor_of(module: Module, name: str) -> Tensor:
    found = getattr(module, name, None)
    if not isinstance(found, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return found


# ------------------------------------------------------------------ weight norm


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_of(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Splits a weight into lengths g (`original0`) and directions v (`original1`): w = g v / |v|.

    The norms go over all dims but `dim`; over everything for None. Salimans and Kingma, Weight
    Normalization (2016).

    >>> import wengert as torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 2))
    >>> [(name, tuple(p.shape)) for name, p in layer.named_parameters() if name != "bias"]
    [('parametrizations.weight.original0', (2, 1)), ('parametrizations.weight.original1', (2, 3))]
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def old_names(
        state_dict: dict[str, Any], prefix: str, metadata: Any, strict: Any, *rest: Any
    ) -> None:
        """States of the old weight_norm called the two tensors name_g and name_v."""
        for k, letter in enumerate("gv"):
            old = f"{prefix}{name}_{letter}"
            if old in state_dict:
                new = f"{prefix}parametrizations.{name}.original{k}"
                state_dict[new] = state_dict.pop(old)

    module._register_load_state_dict_pre_hook(old_names)
    return module


# ------------------------------------------------------------------ spectral norm


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] "
                f"but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim if dim >= 0 else dim + ndim
        self.eps = eps
        self.n_power_iterations = n_power_iterations
        if ndim > 1:
            matrix = self._matrix(weight.detach())
            rows, columns = matrix.shape
            for name, size in (("_u", rows), ("_v", columns)):
                start = matrix.new_empty(size).normal_(0, 1)
                self.register_buffer(name, F.normalize(start, dim=0, eps=eps))
            self._iterate(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        """The weight as a matrix whose rows are along `dim`."""
        if self.dim != 0:
            rest = [d for d in range(weight.ndim) if d != self.dim]
            weight = weight.permute(self.dim, *rest)
        return weight.flatten(1) if weight.ndim > 2 else weight

    @no_grad()
    def _iterate(self, matrix: Tensor, times: int) -> None:
        """The power method: towards the first singular vectors, in place of the buffers."""
        for _ in range(times):
            self._u.copy_(F.normalize(matrix.mv(self._v), dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.mH.mv(self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        # copies: the graph of this call keeps them, the next call writes the buffers
        u, v = self._u.clone(), self._v.clone()
        sigma = named("torch", "vdot")(u, matrix.mv(v))
        return weight / sigma

    def right_inverse(self, value: Tensor) -> Tensor:
        return value  # may be no fixed point, but is the weight that was given


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divides a weight by its largest singular value, which the power method follows in training.

    The rows of the matrix are along `dim`: by default 1 for transposed convolutions, 0 for others.
    Miyato et al., Spectral Normalization for GANs (2018).

    >>> import wengert as torch
    >>> layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(3, 2))
    >>> round(torch.linalg.matrix_norm(layer.weight, 2).item(), 3)
    1.0
    """
    weight = _tensor_of(module, name)
    if dim is None:
        dim = 1 if isinstance(module, _ConvTransposeNd) else 0
    made = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return parametrize.register_parametrization(module, name, made)


# ------------------------------------------------------------------ orthogonal


def _orthogonal_factor(a: Tensor) -> Tensor:
    """The Q of a QR decomposition whose R has a positive diagonal; whole, as reflectors make it."""
    geqrf, product = named("torch", "geqrf"), named("linalg", "householder_product")
    x, tau = geqrf(a)
    q = product(x, tau)
    result: Tensor = q * x.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)
    return result


def _is_orthogonal(q: Tensor) -> bool:
    columns = q.shape[-1]
    eye = named("torch", "eye")(columns, dtype=q.dtype)
    eps = 10.0 * columns * float(np.finfo(q.dtype.np).eps)
    return bool(named("torch", "allclose")(q.mH @ q, eye, atol=eps))


class _Orthogonal(Module):
    base: Tensor | None

    def __init__(
        self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True
    ) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        self.trivial = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        x = x.mT if wide else x
        rows, columns = x.shape[-2:]
        if self.orthogonal_map == "householder":
            a = x.tril(-1)
            tau = 2.0 / (1.0 + (a * a).sum(-2))
            q = named("linalg", "householder_product")(a, tau)
            # the diagonal is not of the reflectors: its signs are free
            q = q * x.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            q = self._exponential(x.tril(), rows, columns)
        if self.trivial and self.base is not None:
            q = self.base @ q
        return q.mT if wide else q

    def _exponential(self, x: Tensor, rows: int, columns: int) -> Any:
        """exp(A) or (I + A/2)^-1 (I - A/2) of the skew-symmetric matrix with lower part x."""
        if rows != columns:
            zeros = x.new_zeros(rows, rows - columns).expand(*x.shape[:-2], -1, -1)
            x = T.cat([x, zeros], -1)
        a = x - x.mH
        if self.orthogonal_map == "matrix_exp":
            q = named("torch", "matrix_exp")(a)
        else:
            eye = named("torch", "eye")(rows, dtype=a.dtype)
            q = named("linalg", "solve")(eye + a * -0.5, eye + a * 0.5)
        return q if rows == columns else q[..., :columns]

    @no_grad()
    def right_inverse(self, q: Tensor) -> Tensor:
        if q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {q.shape}."
            )
        start = q
        wide = q.shape[-2] < q.shape[-1]
        q = q.mT if wide else q
        rows, columns = q.shape[-2:]
        if not self.trivial:
            return self._coordinates(q, wide)
        if rows == columns:
            q = q.clone() if _is_orthogonal(q) else _orthogonal_factor(q)
        else:
            shape = (*q.shape[:-2], rows, rows - columns)
            rest = named("torch", "randn")(*shape, dtype=q.dtype)
            q = _orthogonal_factor(T.cat([q, rest], -1))
        self.base = q
        # -I has the coordinates of the identity, under all three maps
        negative = T.zeros_like(start)
        negative.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return negative

    def _coordinates(self, q: Tensor, wide: bool) -> Tensor:
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        a, _ = named("torch", "geqrf")(q)
        diagonal = a.diagonal(dim1=-2, dim2=-1)
        signs = diagonal.sign()
        diagonal.copy_(signs + (signs == 0))
        return a.mT if wide else a


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keeps a matrix (or batch) orthogonal: Q'Q = I if it is tall, QQ' = I if it is wide.

    The maps are the matrix exponential (default for square ones), `"cayley"` and `"householder"`
    (default for others), around a base point unless `use_trivialization=False`. Lezcano-Casado,
    Trivializations for Gradient-Based Optimization on Manifolds (2019).

    >>> import wengert as torch
    >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 4))
    >>> torch.allclose(layer.weight.T @ layer.weight, torch.eye(3), atol=1e-5)
    True
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)
