"""Inverses, determinants, solutions of linear systems, the pseudoinverse (stacks of matrices).

The formulas are those of M. Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation" (2008), and of the references named at each row; they are written
with ops, so they differentiate again. Complex rules compute with the conjugated cotangent, as the
papers do, and conjugate once more at the end (inside wengert cotangents are not conjugated).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import return_types as rt
from ..core.define import plain, primitive
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import decompose as k
from ..kernels.dims import broadcast_shapes
from .matrices import LinAlgError, conj, expand_to, matrices, mh, mt
from .reduce import checked

# ------------------------------------------------------------------- inverse
_inv = primitive(
    "opaque", "linalg_inv_ex(x)", np.linalg.inv, saved={"out": "inverse"},
    x=lambda xp, g, out: -xp.bmm_tn(out, xp.bmm_nt(g, out)),
    jvp=lambda xp, xs, ts, out, params: -xp.bmm(out, xp.bmm(ts[0], out)),
)  # fmt: skip


def _singular(A: Tensor, caller: str, error: Exception) -> None:
    """Say which diagonal element of U is zero, as LAPACK counts."""
    a = A.detach()._array.reshape(-1, *A.shape[-2:])
    for b, m in enumerate(a):
        try:
            np.linalg.inv(m)
        except np.linalg.LinAlgError:
            where = f" (Batch element {b}):" if A.ndim > 2 else ""
            rank = int(np.linalg.matrix_rank(m))
            raise LinAlgError(
                f"{caller}:{where} The diagonal element {rank + 1} is zero, the inversion could "
                "not be completed because the input matrix is singular."
            ) from error


@public("linalg", out=True)
def inv(A: Tensor) -> Tensor:
    """Return the inverse of square matrices; LinAlgError if one is singular.

    >>> import wengert as torch
    >>> torch.linalg.inv(torch.tensor([[2., 0.], [0., 4.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    matrices(A, "linalg.inv")
    try:
        return _inv(A)
    except np.linalg.LinAlgError as error:
        _singular(A, "linalg.inv", error)
        raise


public("torch", "Tensor", name="inverse", out=True)(inv)


@public("linalg")
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """Return the inverses and an int32 `info` per matrix: 0, or 1 where one is singular.

    >>> import wengert as torch
    >>> torch.linalg.inv_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    matrices(A, "linalg.inv_ex")
    if check_errors:
        return rt.make(rt.linalg_inv_ex, inv(A), wrap(np.zeros(A.shape[:-2], np.int32)))
    rank = np.linalg.matrix_rank(A.detach()._array)
    bad = rank < A.shape[-1]
    if not bad.any():
        return rt.make(rt.linalg_inv_ex, _inv(A), wrap(np.zeros(A.shape[:-2], np.int32)))
    fixed = T.where(wrap(bad[..., None, None]), T.eye_like(A), A)
    inverse = T.where(wrap(bad[..., None, None]), wrap(np.array(np.nan, A.dtype.np)), _inv(fixed))
    return rt.make(rt.linalg_inv_ex, inverse, wrap(bad.astype(np.int32)))


# ------------------------------------------------------------------- determinant
_cofactors = primitive(
    "opaque", "cofactors(x)", k.cofactors,
    # d (det B) with B = inverse transposed: <g, B> cofactors - det B gT B
    x=lambda xp, g, x, out: _cofactor_rule(xp, g, x, out),
)  # fmt: skip


def _cofactor_rule(xp: Any, g: Any, x: Any, out: Any) -> Any:
    b = mt(xp, xp.linalg_inv_ex(x))
    along = xp.sum(g * b, (x.ndim - 2, x.ndim - 1), True)
    return along * out - xp.bmm(out, xp.bmm_tn(g, b))


_det = primitive(
    "opaque", "linalg_det(x)", k.det,
    # the cofactors are the gradient everywhere, but as in PyTorch it is 0 where the determinant is
    x=lambda xp, g, x, out: xp.reshape(g * (out != 0), (*g.shape, 1, 1)) * xp.cofactors(x),
    jvp=lambda xp, xs, ts, out, params: (out != 0) * xp.sum(
        ts[0] * xp.cofactors(xs[0]), (xs[0].ndim - 2, xs[0].ndim - 1), False
    ),
)  # fmt: skip


@public("torch", "Tensor", "linalg", out=True)
def det(A: Tensor) -> Tensor:
    """Return the determinant of square matrices; as in PyTorch, its gradient is 0 where it is 0.

    >>> import wengert as torch
    >>> torch.linalg.det(torch.tensor([[2., 1.], [0., 4.]]))
    tensor(8.)
    """
    return _det(matrices(A, "linalg.det"))


def _slogdet_rule(xp: Any, g: Any, x: Any, out: Any, x_spec: Any) -> Any:
    """log|det| is the real part of log det, whose derivative is the inverse transposed; the sign
    turns with its imaginary part."""
    gs, gl = g
    total = gl
    if gs is not None and x_spec.dtype.is_complex:
        q = gs * out[0]
        turn = (q - xp.conj(q)) / 2
        total = turn if total is None else total + turn
    if total is None:
        return None
    n = total.ndim
    return xp.unsqueeze(xp.unsqueeze(total, n), n + 1) * mt(xp, xp.linalg_inv_ex(x))


def _slogdet_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    x, t = xs[0], ts[0]
    w = xp.sum(mt(xp, xp.linalg_inv_ex(x)) * t, (x.ndim - 2, x.ndim - 1), False)
    if not x.dtype.is_complex:
        return None, w
    return out[0] * (w - xp.conj(w)) / 2, xp.real_part(w)


_slogdet = primitive(
    "opaque", "linalg_slogdet(x)", lambda x: tuple(np.linalg.slogdet(x)), outputs=2,
    x=_slogdet_rule, jvp=_slogdet_jvp,
)  # fmt: skip


@public("linalg")
def slogdet(A: Tensor) -> Any:
    """Return the sign and the logarithm of the absolute value of determinants.

    >>> import wengert as torch
    >>> torch.linalg.slogdet(torch.eye(2)).logabsdet
    tensor(0.)
    """
    return rt.make(rt.linalg_slogdet, *_slogdet(matrices(A, "linalg.slogdet")))


@public("torch", "Tensor", name="slogdet")
def _slogdet_old(input: Tensor) -> Any:
    """Return the sign and the logarithm of the absolute value of determinants.

    >>> import wengert as torch
    >>> torch.slogdet(torch.eye(2)).sign
    tensor(1.)
    """
    return rt.make(rt.slogdet, *slogdet(input))


@public("torch", "Tensor")
def logdet(input: Tensor) -> Tensor:
    """Return the logarithm of determinants: -inf for 0, NaN for negative ones.

    >>> import wengert as torch
    >>> torch.logdet(torch.eye(3))
    tensor(0.)
    """
    sign, logabs = slogdet(input)
    if input._spec.dtype.is_complex:
        return sign.log() + logabs
    return T.where(sign == -1.0, wrap(np.array(np.nan, input.dtype.np)), logabs)


# ------------------------------------------------------------------- solutions
_solve = primitive(
    "opaque", "linalg_solve_ex(x, y, *, vector)", k.solve,
    rules={"x, y": lambda xp, g, x, out, need, vector: _solve_rule(xp, g, x, out, need, vector)},
    saved={"x": "A", "y": "B"},
    jvp=lambda xp, xs, ts, out, params: _solve_jvp(xp, xs, ts, out, *params),
)  # fmt: skip


def _column(xp: Any, x: Any, vector: bool) -> Any:
    return xp.unsqueeze(x, x.ndim) if vector else x


def _solve_rule(xp: Any, g: Any, x: Any, out: Any, need: tuple, vector: bool) -> tuple:
    gb = xp.linalg_solve_ex(mt(xp, x), g, vector)
    if not need[0]:
        return None, gb
    return -xp.bmm_nt(_column(xp, gb, vector), _column(xp, out, vector)), gb


def _solve_jvp(xp: Any, xs: Any, ts: Any, out: Any, vector: bool) -> Any:
    ta, tb = ts
    right = tb
    if ta is not None:
        moved = xp.bmm(ta, _column(xp, out, vector))
        moved = xp.reshape(moved, out.shape)
        right = -moved if right is None else right - moved
    return xp.linalg_solve_ex(xs[0], right, vector)


@public("linalg", out=True)
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """Return X with A X = B (or X A = B with left=False); B may be a vector per matrix.

    Leading dims broadcast. LinAlgError if a matrix is singular.

    >>> import wengert as torch
    >>> torch.linalg.solve(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([2., 2.]))
    tensor([1.0000, 0.5000])
    """
    matrices(A, "linalg.solve")
    checked(B, "linalg.solve", "B", 2)
    if A._spec.dtype is not B._spec.dtype:
        raise RuntimeError(
            "linalg.solve: Expected A and B to have the same dtype, but found A of type "
            f"{A._spec.dtype.scalar_name} and B of type {B._spec.dtype.scalar_name} instead"
        )
    a, b = tuple(A.shape), tuple(B.shape)
    vector = len(b) == 1 or (len(a) - 1 == len(b) and b == a[:-1])
    if vector:
        if not left:
            raise RuntimeError(
                "linalg.solve: Vector broadcasting of the left hand side is not supported for "
                "left=False."
            )
        b = (*b, 1)
    if b[-2 if left else -1] != a[-1]:
        form = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {form} "
            f"({a[-2]}x{a[-1]} and {b[-2]}x{b[-1]})"
        )
    if not left:
        A, B = mt(T, A), mt(T, B)
    lead = broadcast_shapes(a[:-2], b[:-2])
    A = expand_to(A, lead)
    if vector:
        B = B if tuple(B.shape) == lead + a[-1:] else T.expand(B, lead + a[-1:])
    else:
        B = expand_to(B, lead)
    try:
        X = _solve(A, B, vector)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(
            "torch.linalg.solve: The solver failed because the input matrix is singular."
        ) from error
    return X if left else mt(T, X)


@public("linalg", out=True)
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """Return X with A X = B (X A = B with left=False); only the given triangle of A is read.

    >>> import wengert as torch
    >>> torch.linalg.solve_triangular(torch.ones(2, 2), torch.ones(2, 1), upper=True)
    tensor([[0.],
            [1.]])
    """
    matrices(A, "linalg.solve_triangular")
    off = int(unitriangular)
    A = T.triu(A, off) if upper else T.tril(A, -off)
    if unitriangular:
        A = A + T.eye_like(A)
    return solve(A, B, left=left)


# ------------------------------------------------------------------- pseudoinverse
def _pinv_rule(xp: Any, g: Any, x: Any, out: Any, x_spec: Any) -> Any:
    """G. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate", SIAM J. Numer. Anal. 10 (1973), eq. 4.12."""
    p, gh = out, mt(xp, g)  # gh: the adjoint of the conjugated cotangent
    ph = mh(xp, p, x_spec)
    # dP = -P dA P + P PH dAH (1 - A P) + (1 - P A) dAH PH P
    total = mh(xp, -xp.bmm(p, xp.bmm(gh, p)), x_spec)
    rest = gh - xp.bmm(x, xp.bmm(p, gh))
    total = total + xp.bmm(rest, xp.bmm(p, ph))
    rest = gh - xp.bmm(gh, xp.bmm(p, x))
    total = total + xp.bmm(xp.bmm(ph, p), rest)
    return conj(xp, total, x_spec)


_pinv = primitive(
    "opaque", "linalg_pinv(x, *, atol, rtol)", k.pinv, x=_pinv_rule,
    jvp=lambda xp, xs, ts, out, params: _pinv_jvp(xp, xs[0], ts[0], out),
)  # fmt: skip


def _pinv_jvp(xp: Any, x: Any, t: Any, p: Any) -> Any:
    spec = x._spec
    th, ph = mh(xp, t, spec), mh(xp, p, spec)
    out = -xp.bmm(p, xp.bmm(t, p))
    rest = th - xp.bmm(th, xp.bmm(x, p))
    out = out + xp.bmm(xp.bmm(p, ph), rest)
    rest = th - xp.bmm(p, xp.bmm(x, th))
    return out + xp.bmm(rest, xp.bmm(ph, p))


def _tolerance(t: Any) -> Any:
    if isinstance(t, Tensor):
        t = t.detach()._array
        return t[..., None] if t.ndim else t
    return t


@public("linalg", out=True)
def pinv(A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Tensor:
    """Return the Moore-Penrose inverse; singular values below max(atol, rtol * largest) count as 0.

    >>> import wengert as torch
    >>> torch.linalg.pinv(torch.tensor([[2., 0.]]))
    tensor([[0.5000],
            [0.0000]])
    """
    matrices(A, "linalg.pinv", square=False)
    return _pinv(A, _tolerance(atol), _tolerance(rtol))


@public("torch", "Tensor")
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """Return the Moore-Penrose inverse; see `linalg.pinv`.

    >>> import wengert as torch
    >>> torch.pinverse(torch.tensor([[2.]]))
    tensor([[0.5000]])
    """
    return pinv(input, rtol=rcond)


_rank = plain(
    "matrix_rank(x, *, atol, rtol)",
    lambda x, atol, rtol: _count_rank(np.linalg.svd(x, compute_uv=False), x.shape, atol, rtol),
    promote=None,
)


def _count_rank(s: Any, shape: tuple, atol: Any, rtol: Any) -> Any:
    return (s > k.limit(s, shape, atol, rtol)).sum(-1).astype(np.int64)


@public("linalg")
def matrix_rank(
    A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False
) -> Tensor:
    """Return how many singular values are above max(atol, rtol * largest).

    >>> import wengert as torch
    >>> torch.linalg.matrix_rank(torch.ones(2, 2))
    tensor(1)
    """
    matrices(A, "linalg.matrix_rank", square=False)
    return _rank(A, _tolerance(atol), _tolerance(rtol))


def _lstsq_rule(xp: Any, g: Any, x: Any, y: Any, x_spec: Any, rtol: Any, need: tuple) -> tuple:
    p = xp.linalg_pinv(x, None, rtol)
    ga = _pinv_rule(xp, xp.bmm_nt(g, y), x, p, x_spec) if need[0] else None
    return ga, xp.bmm_tn(p, g)


def _lstsq_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    (x, y), (tx, ty) = xs, ts
    p = xp.linalg_pinv(x, None, *params)
    total = None if ty is None else xp.bmm(p, ty)
    if tx is None:
        return total
    more = xp.bmm(_pinv_jvp(xp, x, tx, p), y)
    return more if total is None else total + more


_lstsq = primitive(
    "opaque", "linalg_lstsq(x, y, *, rtol)",
    lambda x, y, rtol: np.matmul(k.pinv(x, None, rtol), y),
    rules={"x, y": _lstsq_rule}, jvp=_lstsq_jvp,
)  # fmt: skip


@public("linalg")
def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None) -> Any:
    """Return the X of least norm that minimises the distance of A X and B.

    A named tuple (solution, residuals, rank, singular_values); residuals are given for a `driver`
    other than "gelsy" (the default) where A has full rank and more rows than columns.

    >>> import wengert as torch
    >>> torch.linalg.lstsq(torch.tensor([[1.], [0.]]), torch.tensor([[3.], [1.]])).solution
    tensor([[3.]])
    """
    matrices(A, "linalg.lstsq", square=False)
    vector = B.ndim == A.ndim - 1
    b = T.unsqueeze(B, B.ndim) if vector else B
    m, n = A.shape[-2:]
    if b.shape[-2] != m:
        raise RuntimeError("linalg.lstsq: input.size(-2) should match other.size(-2)")
    lead = broadcast_shapes(tuple(A.shape)[:-2], tuple(b.shape)[:-2])
    X = _lstsq(expand_to(A, lead), expand_to(b, lead), _tolerance(rcond))
    rank = matrix_rank(A, rtol=rcond)
    residuals = wrap(np.empty(0, A.dtype.np))
    if driver in ("gels", "gelsd", "gelss") and m > n and bool((rank == n).all()):
        away = A.matmul(X) - b
        residuals = (away * T.conj(away)).sum(-2) if A.dtype.is_complex else (away * away).sum(-2)
    if vector:
        X = T.reshape(X, tuple(X.shape)[:-1])
    return rt.make(rt.linalg_lstsq, X, residuals, rank, wrap(np.empty(0, A.dtype.np)))
