"""Products with more structure: cross, vecdot, chains of matrices, powers, condition numbers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from ..core.batching import together
from ..core.define import primitive
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import linalg as k
from ..kernels.dims import broadcast_shapes, shown, wrap_dim
from .inverse import inv
from .matmul import matmul
from .matrices import matrices
from .norm import matrix_norm
from .reduce import checked
from .solve import solve
from .spectral import svdvals

_cross = primitive(
    "bilinear", "linalg_cross(x, y, *, dim)", k.cross,
    x=lambda xp, g, y, dim: xp.linalg_cross(y, g, dim),
    y=lambda xp, g, x, dim: xp.linalg_cross(g, x, dim), batch=together("dim"),
)  # fmt: skip


# ------------------------------------------------------------------- vectors
@public("linalg", name="cross", out=True)
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Return the vector products along a dim of size 3; the other dims broadcast.

    >>> import wengert as torch
    >>> torch.linalg.cross(torch.tensor([1., 0., 0.]), torch.tensor([0., 1., 0.]))
    tensor([0., 0., 1.])
    """
    s = checked(input, "linalg_cross")._spec
    t = checked(other, "linalg_cross", "other", 2)._spec
    if s.ndim != t.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    at = wrap_dim(dim, s.ndim)
    if not s.ndim or s.shape[at] != 3 or t.shape[at] != 3:
        sizes = [1 if not s.ndim else s.shape[at], 1 if not t.ndim else t.shape[at]]
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and "
            f"{sizes[1]}"
        )
    if s.dtype is not t.dtype:
        raise RuntimeError(
            f"linalg.cross: both inputs must have one dtype, but got {s.dtype.scalar_name} and "
            f"{t.dtype.scalar_name}"
        )
    shape = broadcast_shapes(tuple(s.shape), tuple(t.shape))
    x = input if tuple(s.shape) == shape else T.expand(input, shape)
    y = other if tuple(t.shape) == shape else T.expand(other, shape)
    return _cross(x, y, at)


@public("torch", "Tensor", out=True)
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Return the vector products along a dim of size 3 (by default the first such dim).

    >>> import wengert as torch
    >>> torch.cross(torch.tensor([1., 0., 0.]), torch.tensor([0., 1., 0.]), dim=0)
    tensor([0., 0., 1.])
    """
    if dim is None:
        shape = tuple(checked(input, "cross").shape)
        if 3 not in shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = shape.index(3)
        warnings.warn(
            "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass "
            "the dim explicitly or simply use torch.linalg.cross.\nThe default value of dim will "
            "change to agree with that of linalg.cross in a future release.",
            UserWarning,
            stacklevel=3,
        )
    return linalg_cross(input, other, dim=dim)


@public("linalg", out=True)
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Return the sums of products along a dim, x conjugated; the other dims broadcast.

    >>> import wengert as torch
    >>> torch.linalg.vecdot(torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([1., 1.]))
    tensor([3., 7.])
    """
    checked(x, "linalg_vecdot", "x")
    product = (T.conj(x) if x._spec.dtype.is_complex else x) * y
    return T.sum(product, (wrap_dim(dim, product.ndim),), False)


# ------------------------------------------------------------------- chains
def _best_splits(sizes: list[int]) -> list[list[int]]:
    """Where to split every chain of matrices so that the products take the fewest multiplications.

    sizes[i] x sizes[i+1] is the shape of matrix i (Cormen et al., Introduction to Algorithms,
    section 15.2).
    """
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(2, n + 1):
        for i in range(n - length + 1):
            j = i + length - 1
            cost[i][j], split[i][j] = min(
                (cost[i][m] + cost[m + 1][j] + sizes[i] * sizes[m + 1] * sizes[j + 1], m)
                for m in range(i, j)
            )
    return split


@public("linalg", out=True)
def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Return the product of two or more matrices, multiplied in the cheapest order.

    The first may be a row and the last a column vector (1-d).

    >>> import wengert as torch
    >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)])
    tensor([12., 12.])
    """
    chain = list(tensors)
    if len(chain) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(chain)}")
    out_shape = []
    if chain[0].ndim == 1:
        chain[0] = T.unsqueeze(chain[0], 0)
    else:
        out_shape.append(chain[0].shape[0])
    if chain[-1].ndim == 1:
        chain[-1] = T.unsqueeze(chain[-1], 1)
    else:
        out_shape.append(chain[-1].shape[1])
    for n, m in enumerate(chain):
        if m.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {n} must be 2D but got {m.ndim}D")
        if m._spec.dtype is not chain[0]._spec.dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have the same dtype but tensor {n} is "
                f"{m._spec.dtype.scalar_name} and tensor 0 {chain[0]._spec.dtype.scalar_name}"
            )
        if n and chain[n - 1].shape[1] != m.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {n - 1} and {n} with shapes {shown(chain[n - 1].shape)} and "
                f"{shown(m.shape)} cannot be multiplied"
            )
    split = _best_splits([chain[0].shape[0]] + [m.shape[1] for m in chain])

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return chain[i]
        m = split[i][j]
        return matmul(product(i, m), product(m + 1, j))

    return T.reshape(product(0, len(chain) - 1), tuple(out_shape))


@public("torch")
def chain_matmul(*matrices: Any) -> Tensor:
    """Return the product of matrices; PyTorch's older name of `linalg.multi_dot`.

    >>> import wengert as torch
    >>> torch.chain_matmul(torch.ones(1, 2), torch.ones(2, 1))
    tensor([[2.]])
    """
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = tuple(matrices[0])
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


@public("torch", "Tensor", "linalg", out=True)
def matrix_power(A: Tensor, n: int) -> Tensor:
    """Return the n-th power of square matrices; a negative n inverts first.

    >>> import wengert as torch
    >>> torch.linalg.matrix_power(torch.tensor([[1., 1.], [0., 1.]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    s = checked(A, "matrix_power", "A")._spec
    try:
        n = index(n)
    except TypeError:
        raise TypeError(
            f"matrix_power(): argument 'n' (position 2) must be int, not {type(n).__name__}"
        ) from None
    if s.ndim < 2 or s.shape[-1] != s.shape[-2]:
        matrices(A, "linalg.matrix_power")
    if n == 0:
        return T.where(
            wrap(np.zeros((), bool)), A, T.eye_like(A)
        )  # constant, but part of the graph
    base = inv(A) if n < 0 else A
    n = abs(n)
    if n == 1:
        return base.clone()
    out: Any = None
    while n:
        if n & 1:
            out = base if out is None else matmul(out, base)
        n >>= 1
        if n:
            base = matmul(base, base)
    return out


# ------------------------------------------------------------------- tensors as matrices
@public("linalg", out=True)
def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """Return X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first.

    >>> import wengert as torch
    >>> torch.linalg.tensorsolve(2 * torch.eye(4).reshape(2, 2, 4), torch.ones(2, 2))
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    if dims is not None:
        rest = [d for d in range(A.ndim) if d not in dims]
        A = T.permute(A, (*rest, *dims))
    shape = tuple(A.shape)[B.ndim :]
    n = B.numel()
    if int(np.prod(shape)) != n:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {int(np.prod(shape))} != {n}"
        )
    return T.reshape(solve(T.reshape(A, (n, n)), T.reshape(B, (n,))), shape)


@public("linalg", out=True)
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """Return the inverse of A as a map between its first `ind` dims and the others.

    >>> import wengert as torch
    >>> torch.linalg.tensorinv(torch.eye(4).reshape(4, 2, 2), ind=1).shape
    torch.Size([2, 2, 4])
    """
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    lead, tail = tuple(A.shape)[:ind], tuple(A.shape)[ind:]
    n, m = int(np.prod(lead)), int(np.prod(tail))
    if n != m:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {m} != {n}"
        )
    return T.reshape(inv(T.reshape(A, (n, n))), tail + lead)


@public("linalg", out=True)
def cond(A: Tensor, p: Any = None) -> Tensor:
    """Return the condition number: norm(A, p) norm(inverse, p); p=None is the 2-norm.

    >>> import wengert as torch
    >>> torch.linalg.cond(torch.tensor([[2., 0.], [0., 4.]]))
    tensor(2.)
    """
    if p is None or p in (2, -2):
        S = svdvals(A)
        first, last = T.select(S, S.ndim - 1, 0), T.select(S, S.ndim - 1, S.shape[-1] - 1)
        return last / first if p == -2 else first / last
    matrices(A, "linalg.cond")
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


@public("linalg")
def vander(x: Tensor, N: int | None = None) -> Tensor:
    """Return the matrices of powers x**0 ... x**(N-1) of the last dim.

    >>> import wengert as torch
    >>> torch.linalg.vander(torch.tensor([2., 3.]))
    tensor([[1., 2.],
            [1., 3.]])
    """
    s = checked(x, "linalg_vander", "x")._spec
    n = s.shape[-1] if N is None else N
    if n <= 1 and N is not None:
        raise RuntimeError("N must be greater than 1.")
    one = T.new_zeros(x, (*s.shape, 1)) + 1
    powers = T.expand(T.unsqueeze(x, s.ndim), (*s.shape, n - 1))
    return T.cat([one, powers.cumprod(-1)], s.ndim)
