"""A few singular or eigenvectors: randomised decompositions and lobpcg; the norms of old names."""

from __future__ import annotations

from typing import Any

from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor
from .factor import cholesky, linalg_qr
from .matrices import matrices, mh
from .norm import matrix_norm, vector_norm
from .random import randn
from .reduce import checked, mean
from .solve import solve_triangular
from .spectral import eigh, linalg_svd


# ------------------------------------------------------------------- randomised
def _basis(A: Tensor, q: int, niter: int) -> Tensor:
    """An orthonormal basis that nearly spans what A spans.

    N. Halko, P. Martinsson and J. Tropp, "Finding structure with randomness", SIAM Review 53
    (2011), algorithm 4.4.
    """
    Q = linalg_qr(A @ randn(A.shape[-1], q, dtype=A.dtype))[0]
    for _ in range(niter):
        Q = linalg_qr(mh(T, A, A._spec) @ Q)[0]
        Q = linalg_qr(A @ Q)[0]
    return Q


@public("torch")
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return U, S and V with U diag(S) V^H near A - M, of the rank q; q random vectors are drawn.

    niter  how many times the random basis is improved

    >>> import wengert as torch
    >>> U, S, V = torch.svd_lowrank(torch.eye(4) * 2, q=2)
    >>> S
    tensor([2., 2.])
    """
    checked(A, "svd_lowrank", "A")
    matrices(A, "svd_lowrank", square=False)
    rank = 6 if q is None else q
    x = A if M is None else A - M
    wide = x.shape[-2] < x.shape[-1]
    if wide:
        x = mh(T, x, x._spec)
    Q = _basis(x, rank, 2 if niter is None else niter)
    U, S, Vh = linalg_svd(mh(T, Q, Q._spec) @ x, False)
    U, V = Q @ U, mh(T, Vh, Vh._spec)
    return (V, S, U) if wide else (U, S, V)


@public("torch")
def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the first q principal components of the rows of A: U, S and V, as `svd_lowrank` does.

    center  True: the mean of the rows is taken off first

    >>> import wengert as torch
    >>> torch.pca_lowrank(torch.tensor([[1., 1.], [3., 3.]]), q=1)[1]
    tensor([2.])
    """
    matrices(A, "pca_lowrank", square=False)
    m, n = tuple(A.shape)[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - mean(A, -2, True) if center else A, q, niter)


@public("torch")
def lobpcg(
    A: Tensor, k: int | None = None, B: Tensor | None = None, X: Tensor | None = None,
    n: int | None = None, iK: Tensor | None = None, niter: int | None = None,
    tol: float | None = None, largest: bool | None = None, method: str | None = None,
    tracker: Any = None, ortho_iparams: Any = None, ortho_fparams: Any = None,
    ortho_bparams: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return the k largest (or smallest) eigenvalues of A v = w B v, and their eigenvectors.

    A is symmetric, B positive-definite (the identity by default). Matrices here are dense, so the
    whole eigenproblem is solved at once: the results are exact, what steers PyTorch's iteration
    (X, n, iK, niter, tol, method, ortho_*) has no effect, and a `tracker` is refused.

    >>> import wengert as torch
    >>> torch.lobpcg(torch.diag(torch.tensor([1., 5., 2.])))[0]
    tensor([5.])
    """
    matrices(A, "lobpcg")
    if tracker is not None:
        raise NotImplementedError("lobpcg(): there are no iterations here that a tracker could see")
    size = A.shape[-1]
    count = (1 if X is None else X.shape[-1]) if k is None else k
    if size < 3 * (count if n is None else n):
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={size}) is smaller "
            f"than 3 x the number of requested eigenpairs (={count if n is None else n})"
        )
    S = (A + mh(T, A, A._spec)) / 2
    if B is not None:  # with B = L L^H: (L^-1 A L^-H) (L^H v) = w (L^H v)
        L = cholesky(B)
        half = solve_triangular(L, S, upper=False)
        S = solve_triangular(L, mh(T, half, half._spec), upper=False)
    values, vectors = eigh(S)
    if B is not None:
        vectors = solve_triangular(mh(T, L, L._spec), vectors, upper=True)
    d = values.ndim
    if largest is None or largest:
        last = size - count
        values = T.flip(T.narrow(values, d - 1, last, count), (d - 1,))
        return values, T.flip(T.narrow(vectors, d, last, count), (d,))
    return T.narrow(values, d - 1, 0, count), T.narrow(vectors, d, 0, count)


# ------------------------------------------------------------------- norms
@public("torch", out=True)
def frobenius_norm(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Return the root of the sum of squares over one or two dims.

    >>> import wengert as torch
    >>> torch.frobenius_norm(torch.tensor([[3., 4.]]), 1)
    tensor([5.])
    """
    dims = dim if isinstance(dim, tuple | list) else (dim,)
    if len(dims) > 2:
        raise RuntimeError(
            f"Expected at most 2 dimensions, but got {len(dims)} dimensions instead."
        )
    return vector_norm(input, 2, tuple(dims) or None, keepdim)


@public("torch", out=True)
def nuclear_norm(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return the sum of the singular values of matrices (over two dims).

    >>> import wengert as torch
    >>> torch.nuclear_norm(torch.tensor([[3., 0.], [0., 4.]]))
    tensor(7.)
    """
    dim = (-2, -1) if dim is None else dim
    return matrix_norm(input, "nuc", dim, keepdim)


@public("linalg")
def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return the diagonals of the last two dims as a view; see `torch.diagonal`.

    >>> import wengert as torch
    >>> torch.linalg.diagonal(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return checked(A, "linalg_diagonal", "A").diagonal(offset, dim1, dim2)


# ------------------------------------------------------------------- removed by PyTorch
def _removed(name: str, instead: str) -> None:
    def f(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"This function was deprecated since version 1.9 and is now removed. `torch.{name}` is "
            f"replaced by {instead}."
        )

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Raise RuntimeError: PyTorch removed it in favour of {instead}."
    public("Tensor")(f)


_removed("eig", "`torch.linalg.eig`, which returns complex tensors")
_removed("symeig", "`torch.linalg.eigh`, which reads the lower triangle by default")
_removed("solve", "`torch.linalg.solve`, which takes its arguments the other way round")
_removed("lstsq", "`torch.linalg.lstsq`, which takes its arguments the other way round")
