"""The LU factorisation, and solving with its factors (stacks of matrices).

The derivatives of A = P L U are those of the factors for the pivots as they are. With B = P^T A,
dF = L^-1 dB U^-1 splits into dL = L tril(dF, -1) and dU = triu(dF) U; what a rectangular A has
besides its square part follows by a triangular solve. All of it is holomorphic.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core import return_types as rt
from ..core.batching import leading
from ..core.define import plain, primitive
from ..core.inplace import into
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import lu as k
from ..kernels.dims import broadcast_shapes
from .gather import linear_jvp
from .matrices import expand_to, matrices, mh, mt
from .reduce import checked
from .solve import solve_triangular

# ------------------------------------------------------------------- rows
permute = primitive(
    "opaque", "lu_permute(x, y, *, inverse)", k.permute,
    x=lambda xp, g, y, inverse: xp.lu_permute(g, y, not inverse),
    jvp=linear_jvp("lu_permute", 1), batch=leading,
)  # fmt: skip

permutation = plain("lu_permutation(x, *, rows, dtype)", k.permutation, promote=None, batch=leading)


def _pieces(xp: Any, x: Any) -> tuple:
    """The square head of a compact factorisation, and what stands below or to the right of it."""
    m, n = x.shape[-2:]
    s, d = min(m, n), x.ndim
    head = xp.narrow(xp.narrow(x, d - 2, 0, s), d - 1, 0, s)
    below = xp.narrow(x, d - 2, s, m - s) if m > s else None
    right = xp.narrow(x, d - 1, s, n - s) if n > s else None
    return head, below, right


def _right_solve(xp: Any, x: Any, y: Any, upper: bool, unit: bool) -> Any:
    """The solution of s @ x = y."""
    return mt(xp, xp.linalg_solve_triangular(mt(xp, x), mt(xp, y), not upper, unit))


def _lu_rule(xp: Any, g: Any, out: Any) -> Any:
    lu, pivots, _ = out
    head, below, right = _pieces(xp, lu)
    g_head, g_below, g_right = _pieces(xp, g[0])
    d = head.ndim
    low, up = xp.tril(head, -1) + xp.eye_like(head), xp.triu(head, 0)
    g_low, g_up = xp.tril(g_head, -1), xp.triu(g_head, 0)
    if below is not None:  # L2 = B2 U^-1
        g_below = mt(xp, xp.linalg_solve_triangular(up, mt(xp, g_below), True, False))
        g_up = g_up - xp.bmm_tn(below, g_below)
    if right is not None:  # U2 = L^-1 B2
        g_right = xp.linalg_solve_triangular(mt(xp, low), g_right, True, True)
        g_low = g_low - xp.bmm_nt(g_right, right)
    inner = xp.tril(xp.bmm_tn(low, g_low), -1) + xp.triu(xp.bmm_nt(g_up, up), 0)
    inner = xp.linalg_solve_triangular(mt(xp, low), inner, True, True)
    total = mt(xp, xp.linalg_solve_triangular(up, mt(xp, inner), True, False))
    if below is not None:
        total = xp.cat([total, g_below], d - 2)
    if right is not None:
        total = xp.cat([total, g_right], d - 1)
    return xp.lu_permute(total, pivots, True)


def _lu_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    lu, pivots, _ = out
    head, below, right = _pieces(xp, lu)
    t_head, t_below, t_right = _pieces(xp, xp.lu_permute(ts[0], pivots, False))
    d = head.ndim
    low, up = xp.tril(head, -1) + xp.eye_like(head), xp.triu(head, 0)
    f = xp.linalg_solve_triangular(low, _right_solve(xp, up, t_head, True, False), False, True)
    t_low, t_up = xp.bmm(low, xp.tril(f, -1)), xp.bmm(xp.triu(f, 0), up)
    total = t_low + t_up
    if below is not None:
        total = xp.cat([total, _right_solve(xp, up, t_below - xp.bmm(below, t_up), True, False)], d - 2)
    if right is not None:
        more = xp.linalg_solve_triangular(low, t_right - xp.bmm(t_low, right), False, True)
        total = xp.cat([total, more], d - 1)
    return total, None, None


_lu_factor = primitive(
    "opaque", "linalg_lu_factor_ex(x)", k.lu_factor, outputs=3, parts=(0, 1), x=_lu_rule, jvp=_lu_jvp,
    saved={"x": "A", "out": "LU"}, batch=leading,
)  # fmt: skip


def _unpack(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    s = min(x.shape[-2:])
    low = np.tril(x[..., :, :s], -1)
    i = np.arange(s)
    low[..., i, i] = 1
    return low, np.triu(x[..., :s, :])


def _pack(xp: Any, g: Any, x_spec: Any) -> Any:
    """Both cotangents in one matrix of the shape of A."""
    m, n = x_spec.shape[-2:]
    s = min(m, n)
    gl, gu = g
    total = None
    if gl is not None:
        total = xp.tril(gl, -1)
        total = total if n == s else xp.constant_pad_nd(total, (0, n - s), 0)
    if gu is not None:
        up = xp.triu(gu, 0)
        up = up if m == s else xp.constant_pad_nd(up, (0, 0, 0, m - s), 0)
        total = up if total is None else total + up
    return total


_unpacked = primitive(
    "linear", "lu_unpack(x)", _unpack, outputs=2, x=_pack,
    jvp=lambda xp, xs, ts, out, params: _unpack_tangent(xp, ts[0]),
    batch=leading,
)  # fmt: skip


def _unpack_tangent(xp: Any, t: Any) -> tuple:
    m, n = t.shape[-2:]
    s, d = min(m, n), t.ndim
    return xp.tril(xp.narrow(t, d - 1, 0, s), -1), xp.triu(xp.narrow(t, d - 2, 0, s), 0)


# ------------------------------------------------------------------- factorising
def _pivoted(A: Tensor, pivot: bool, caller: str, shown: str = "linalg.lu_factor") -> Tensor:
    if checked(A, caller, "A").ndim < 2:
        raise RuntimeError(
            f"torch.{caller.removeprefix('linalg.')}: Expected tensor with 2 or more dimensions. "
            f"Got size: {list(A.shape)} instead"
        )
    matrices(A, caller, square=False)
    if not pivot:
        raise RuntimeError(f"{shown}: LU without pivoting is not implemented on the CPU")
    return A


def _refuse_zero(info: Tensor, caller: str) -> None:
    bad = np.flatnonzero(info._array) if info._spec.plain else np.empty(0)
    if bad.size:
        k = int(info._array.reshape(-1)[bad[0]])
        where = f"(Batch element {int(bad[0])}): " if info.ndim else ""
        raise RuntimeError(
            f"{caller}: {where}U[{k},{k}] is zero and using it on lu_solve would result in a "
            "division by zero. If you still want to perform the factorization, consider calling "
            "linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
        )


@public("linalg", out=True)
def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """Return (LU, pivots): L without its ones and U in one matrix, and the row swaps as in LAPACK.

    RuntimeError where U has a zero on its diagonal; `lu_factor_ex` reports it instead.

    >>> import wengert as torch
    >>> torch.linalg.lu_factor(torch.tensor([[1., 2.], [2., 6.]])).LU
    tensor([[ 2.0000,  6.0000],
            [ 0.5000, -1.0000]])
    """
    LU, pivots, info = _lu_factor(_pivoted(A, pivot, "linalg.lu_factor"))
    _refuse_zero(info, "torch.linalg.lu_factor")
    return rt.make(rt.linalg_lu_factor, LU, pivots)


@public("linalg", out=True)
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """Return (LU, pivots, info); info counts from 1 to the first zero on the diagonal of U, or is 0.

    >>> import wengert as torch
    >>> torch.linalg.lu_factor_ex(torch.zeros(2, 2)).info
    tensor(1, dtype=torch.int32)
    """
    LU, pivots, info = _lu_factor(_pivoted(A, pivot, "linalg.lu_factor_ex"))
    if check_errors:
        _refuse_zero(info, "torch.linalg.lu_factor_ex")
    return rt.make(rt.linalg_lu_factor_ex, LU, pivots, info)


@public("linalg", name="lu", out=True)
def linalg_lu(A: Tensor, *, pivot: bool = True) -> Any:
    """Return (P, L, U): a permutation, a lower-triangular factor with ones, an upper-triangular one.

    >>> import wengert as torch
    >>> P, L, U = torch.linalg.lu(torch.tensor([[1., 2.], [2., 6.]]))
    >>> P @ L @ U
    tensor([[1., 2.],
            [2., 6.]])
    """
    LU, pivots, _ = _lu_factor(_pivoted(A, pivot, "linalg.lu"))
    L, U = _unpacked(LU)
    return rt.make(rt.linalg_lu, permutation(pivots, A.shape[-2], A.dtype.np), L, U)


@public("torch", "Tensor")
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """Return (LU, pivots), and infos if asked for; warns: `linalg.lu_factor` is its new name.

    >>> import wengert as torch
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     LU, pivots = torch.lu(torch.tensor([[2.0, 1.0], [4.0, 3.0]]))
    >>> pivots
    tensor([2, 2], dtype=torch.int32)
    """
    warnings.warn(
        "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex and "
        "will be removed in a future PyTorch release.",
        UserWarning,
        stacklevel=2,
    )
    results = tuple(lu_factor_ex(A, pivot=pivot, check_errors=not get_infos))
    results = results if get_infos else results[:2]
    if out is not None:
        return into(out, results, "lu")
    return results


@public("torch", out=True)
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """Return (P, L, U) of what `linalg.lu_factor` gives; empty tensors for what is not asked for.

    >>> import wengert as torch
    >>> torch.lu_unpack(*torch.linalg.lu_factor(2 * torch.eye(2))).U
    tensor([[2., 0.],
            [0., 2.]])
    """
    checked(LU_data, "lu_unpack", "LU_data")
    if LU_data.ndim < 2:
        raise RuntimeError(
            "torch.lu_unpack: Expected tensor with 2 or more dimensions. Got size: "
            f"{list(LU_data.shape)} instead"
        )
    empty = wrap(np.empty(0, LU_data.dtype.np))
    P = L = U = empty
    if unpack_pivots:
        if LU_pivots.dtype.name != "int32":
            raise RuntimeError(
                "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 "
                "dtype. Note: this function is intended to be used with the output produced by "
                "torch.linalg.lu_factor"
            )
        P = permutation(LU_pivots, LU_data.shape[-2], LU_data.dtype.np)
    if unpack_data:
        L, U = _unpacked(LU_data)
    return rt.make(rt.lu_unpack, P, L, U)


# ------------------------------------------------------------------- solving
@public("linalg", name="lu_solve", out=True)
def linalg_lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """Return X with A X = B (X A = B with left=False; A^H for A if `adjoint`), A given by its factors.

    >>> import wengert as torch
    >>> torch.linalg.lu_solve(*torch.linalg.lu_factor(2 * torch.eye(2)), torch.ones(2, 1))
    tensor([[0.5000],
            [0.5000]])
    """
    matrices(LU, "torch.linalg.lu_solve")
    matrices(B, "torch.linalg.lu_solve", square=False)
    if pivots.dtype.name != "int32":
        raise RuntimeError(
            "linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32. Got "
            f"{pivots.dtype.scalar_name} instead."
        )
    if LU._spec.dtype is not B._spec.dtype:
        raise RuntimeError(
            "linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type "
            f"{LU._spec.dtype.scalar_name} and B of type {B._spec.dtype.scalar_name} instead"
        )
    n = LU.shape[-1]
    if B.shape[-2 if left else -1] != n:
        raise RuntimeError(
            "linalg.lu_solve: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({n}x{n} and {B.shape[-2]}x{B.shape[-1]})"
        )
    lead = broadcast_shapes(tuple(LU.shape)[:-2], tuple(B.shape)[:-2])
    LU, B = expand_to(LU, lead), expand_to(B, lead)
    pivots = T.expand(pivots, (*lead, n)) if tuple(pivots.shape) != (*lead, n) else pivots
    if not left:  # X A = B is A^H X^H = B^H
        return mh(T, _factors_solve(LU, pivots, mh(T, B, B._spec), not adjoint), B._spec)
    return _factors_solve(LU, pivots, B, adjoint)


def _factors_solve(LU: Tensor, pivots: Tensor, B: Tensor, adjoint: bool) -> Tensor:
    if not adjoint:
        X = T.linalg_solve_triangular(LU, permute(B, pivots, False), False, True)
        return T.linalg_solve_triangular(LU, X, True, False)
    back = mh(T, LU, LU._spec)
    X = T.linalg_solve_triangular(back, B, False, False)
    return permute(T.linalg_solve_triangular(back, X, True, True), pivots, True)


@public("torch", name="lu_solve", out=True)
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """Return X with A X = b, A given by its LU factors; see `linalg.lu_solve`.

    >>> import wengert as torch
    >>> torch.lu_solve(torch.ones(2, 1), *torch.linalg.lu_factor(2 * torch.eye(2)))
    tensor([[0.5000],
            [0.5000]])
    """
    return linalg_lu_solve(LU_data, LU_pivots, b)


public("Tensor", name="lu_solve")(lu_solve)


@public("torch", "Tensor", out=True)
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """Return the solution of A X = b (A^T X = b if `transpose`), and a copy of A.

    Deprecated by PyTorch for `linalg.solve_triangular`.

    >>> import wengert as torch
    >>> torch.triangular_solve(torch.ones(2, 1), torch.ones(2, 2)).solution
    tensor([[0.],
            [1.]])
    """
    matrices(A, "triangular_solve")
    M = mt(T, A) if transpose else A
    X = solve_triangular(M, b, upper=upper != transpose, unitriangular=unitriangular)
    lead = tuple(X.shape)[:-2]
    return rt.make(rt.triangular_solve, X, T.clone(expand_to(A, lead), "C"))
