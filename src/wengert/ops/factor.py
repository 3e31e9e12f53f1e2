"""The Cholesky and QR factorisations (stacks of matrices).

The formulas are those of M. Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation" (2008), and of the references named at each row; they are written
with ops, so they differentiate again. Complex rules compute with the conjugated cotangent, as the
papers do, and conjugate once more at the end (inside wengert cotangents are not conjugated).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import return_types as rt
from ..core.batching import leading
from ..core.define import plain, primitive
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import decompose as k
from ..kernels.dims import count
from .inverse import inv
from .matrices import LinAlgError, conj, matrices, mh
from .solve import solve_triangular


# ------------------------------------------------------------------- Cholesky
def _half(xp: Any, x: Any) -> Any:
    """The lower triangle with half the diagonal."""
    return 0.5 * (xp.tril(x, 0) + xp.tril(x, -1))


def _cholesky_rule(xp: Any, g: Any, out: Any, x_spec: Any) -> Any:
    """L^-H half(L^H G) L^-1, made Hermitian (Murray, "Differentiation of the Cholesky
    decomposition", arXiv:1602.07527)."""
    g = conj(xp, g, x_spec)
    lh = mh(xp, out, x_spec)
    inner = _half(xp, xp.bmm(lh, g))
    left = xp.linalg_solve_triangular(lh, inner, True, False)
    full = mh(xp, xp.linalg_solve_triangular(lh, mh(xp, left, x_spec), True, False), x_spec)
    return conj(xp, 0.5 * (full + mh(xp, full, x_spec)), x_spec)


def _cholesky_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    spec = xs[0]._spec
    t = 0.5 * (ts[0] + mh(xp, ts[0], spec))
    inner = xp.linalg_solve_triangular(out, t, False, False)
    inner = mh(xp, xp.linalg_solve_triangular(out, mh(xp, inner, spec), False, False), spec)
    return xp.bmm(out, _half(xp, inner))


_cholesky = primitive(
    "opaque", "linalg_cholesky_ex(x)", np.linalg.cholesky, x=_cholesky_rule, jvp=_cholesky_jvp,
    saved={"out": "L"}, batch=leading,
)  # fmt: skip


@public("linalg", out=True)
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """Return the lower-triangular L with L L^H = A (its adjoint if `upper`), A positive-definite.

    LinAlgError if a matrix is not positive-definite.

    >>> import wengert as torch
    >>> torch.linalg.cholesky(torch.tensor([[4., 2.], [2., 5.]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    matrices(A, "linalg.cholesky")
    lower = mh(T, A, A._spec) if upper else A
    try:
        L = _cholesky(lower)
    except np.linalg.LinAlgError as error:
        info = _info(lower)
        where = which = ""
        if info._spec.plain:
            bad = int(np.flatnonzero(info._array)[0])
            where = f" (Batch element {bad}):" if A.ndim > 2 else ""
            which = f" (the leading minor of order {info._array.reshape(-1)[bad]} is not positive-definite)"
        raise LinAlgError(
            f"linalg.cholesky:{where} The factorization could not be completed because the input is "
            f"not positive-definite{which}."
        ) from error
    return mh(T, L, A._spec) if upper else L


def _definite(m: Any) -> bool:
    try:
        np.linalg.cholesky(m)
    except np.linalg.LinAlgError:
        return False
    return True


def _bad_minor(m: Any) -> int:
    """The order of the first leading minor that is not positive-definite: so are all larger ones."""
    if _definite(m):
        return 0
    good, bad = 0, len(m)
    while bad - good > 1:
        n = (good + bad) // 2
        if _definite(m[:n, :n]):
            good = n
        else:
            bad = n
    return bad


@public("torch", "Tensor", name="cholesky", out=True)
def _cholesky_old(input: Tensor, upper: bool = False) -> Tensor:
    """Return the Cholesky factor; see `linalg.cholesky`.

    >>> import wengert as torch
    >>> torch.cholesky(torch.tensor([[4.]]))
    tensor([[2.]])
    """
    return cholesky(input, upper=upper)


def _bad_minors(x: np.ndarray) -> np.ndarray:
    stack = x.reshape(count(x.shape[:-2]), *x.shape[-2:])
    return np.array([_bad_minor(m) for m in stack], np.int32).reshape(x.shape[:-2])


_info = plain("cholesky_info(x)", _bad_minors, promote=None, batch=leading)


@public("linalg", out=True)
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """Return the factor and an int32 `info`: 0, or the order of the minor that is not definite.

    >>> import wengert as torch
    >>> torch.linalg.cholesky_ex(-torch.eye(2)).info
    tensor(1, dtype=torch.int32)
    """
    matrices(A, "linalg.cholesky_ex")
    if check_errors:
        L = cholesky(A, upper=upper)
        return rt.make(rt.linalg_cholesky_ex, L, wrap(np.zeros(A.shape[:-2], np.int32)))
    info = _info(mh(T, A, A._spec) if upper else A)
    if not info._spec.plain or info._array.any():
        bad = T.unsqueeze(T.unsqueeze(info > 0, -1), -1)
        L = T.where(
            bad,
            wrap(np.array(np.nan, A.dtype.np)),
            cholesky(T.where(bad, T.eye_like(A), A), upper=upper),
        )
    else:
        L = cholesky(A, upper=upper)
    return rt.make(rt.linalg_cholesky_ex, L, info)


@public("torch", "Tensor", out=True)
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """Return the inverse of the matrix whose Cholesky factor is L.

    >>> import wengert as torch
    >>> torch.cholesky_inverse(torch.tensor([[2.]]))
    tensor([[0.2500]])
    """
    matrices(L, "cholesky_inverse")
    L = T.triu(L, 0) if upper else T.tril(L, 0)
    lh = mh(T, L, L._spec)
    return inv(T.bmm(lh, L) if upper else T.bmm(L, lh))


@public("torch", "Tensor", out=True)
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """Return X with A X = B for A given by its Cholesky factor L.

    >>> import wengert as torch
    >>> torch.cholesky_solve(torch.ones(2, 1), 2 * torch.eye(2))
    tensor([[0.2500],
            [0.2500]])
    """
    matrices(L, "cholesky_solve")
    first = solve_triangular(mh(T, L, L._spec) if upper else L, B, upper=False)
    return solve_triangular(L if upper else mh(T, L, L._spec), first, upper=True)


# ------------------------------------------------------------------- QR
def _qr_rule(xp: Any, g: Any, out: Any, x_spec: Any) -> Any:
    """S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions" (2010):
    (GQ + Q C) R^-H, C = triu(GR RH - QH GQ) made Hermitian."""
    gq, gr = g
    q, r = out
    gq = None if gq is None else conj(xp, gq, x_spec)
    gr = None if gr is None else conj(xp, gr, x_spec)
    inner = None if gr is None else xp.bmm(gr, mh(xp, r, x_spec))
    if gq is not None:
        turned = xp.bmm(mh(xp, q, x_spec), gq)
        inner = -turned if inner is None else inner - turned
    c = xp.triu(inner, 0)
    c = c + mh(xp, xp.triu(inner, 1), x_spec)
    if x_spec.dtype.is_complex:  # the diagonal of R is real
        c = c - xp.eye_like(c) * (c - mh(xp, c, x_spec)) / 2
    total = xp.bmm(q, c)
    total = total if gq is None else total + gq
    solved = xp.linalg_solve_triangular(r, mh(xp, total, x_spec), True, False)
    return conj(xp, mh(xp, solved, x_spec), x_spec)


def _qr_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    spec = xs[0]._spec
    q, r = out
    rh, th = mh(xp, r, spec), mh(xp, ts[0], spec)
    a = mh(xp, xp.linalg_solve_triangular(rh, th, False, False), spec)  # dA R^-1
    s = xp.bmm(mh(xp, q, spec), a)
    low = xp.tril(s, -1)
    skew = low - mh(xp, low, spec)
    if spec.dtype.is_complex:
        skew = skew + xp.eye_like(s) * (s - mh(xp, s, spec)) / 2
    return a - xp.bmm(q, s) + xp.bmm(q, skew), xp.bmm(s - skew, r)


_qr = primitive(
    "opaque", "linalg_qr(x)", k.qr, outputs=2, x=_qr_rule, jvp=_qr_jvp, batch=leading
)


@public("linalg", name="qr", out=True)
def linalg_qr(A: Tensor, mode: str = "reduced") -> Any:
    """Return Q with orthonormal columns and upper-triangular R with Q R = A.

    mode: "reduced", "complete" (square Q, differentiable where A has as many columns as rows or
    more) or "r" (Q is empty, no derivative).

    >>> import wengert as torch
    >>> torch.linalg.qr(torch.tensor([[3.], [4.]])).R
    tensor([[-5.]])
    """
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    matrices(A, "linalg.qr", square=False)
    m, n = A.shape[-2:]
    if mode == "r":
        R = wrap(np.linalg.qr(A.detach()._array, "r"))
        return rt.make(rt.linalg_qr, wrap(np.empty(0, A.dtype.np)), R)
    if mode == "complete" and m > n:
        if A.requires_grad:
            raise RuntimeError(
                "The derivative of linalg.qr depends on Q, which is not unique when "
                "mode='complete' and nrows > ncols; use mode='reduced'"
            )
        full = np.linalg.qr(A._array, "complete")
        return rt.make(rt.linalg_qr, wrap(full[0]), wrap(full[1]))
    if m >= n:
        return rt.make(rt.linalg_qr, *_qr(A))
    Q, R1 = _qr(T.narrow(A, A.ndim - 1, 0, m))
    rest = T.bmm(mh(T, Q, A._spec), T.narrow(A, A.ndim - 1, m, n - m))
    return rt.make(rt.linalg_qr, Q, T.cat([R1, rest], A.ndim - 1))


@public("torch", "Tensor", out=True)
def qr(input: Tensor, some: bool = True) -> Any:
    """Return the factors Q and R; see `linalg.qr`.

    >>> import wengert as torch
    >>> torch.qr(torch.tensor([[2.]])).Q.abs()
    tensor([[1.]])
    """
    return rt.make(rt.qr, *linalg_qr(input, "reduced" if some else "complete"))
