"""Inverses, determinants, solutions and factorisations of matrices (stacks in the last two dims).

The formulas are those of M. Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation" (2008), and of the references named at each row; they are written
with ops, so they differentiate again. Complex rules compute with the conjugated cotangent, as the
papers do, and conjugate once more at the end (inside wengert cotangents are not conjugated).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import return_types as rt
from ..core.define import plain, primitive, utility
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import decompose as k
from ..kernels.dims import broadcast_shapes, shown
from .reduce import checked


class LinAlgError(RuntimeError):
    """A matrix is singular, not positive-definite, or an iteration did not converge."""


LinAlgError.__module__ = "torch.linalg"
public("linalg")(LinAlgError)

utility(
    "eye_like",
    lambda x: np.eye(x.shape[-1], dtype=x.dtype),
    lambda x: wrap(np.eye(x.shape[-1], dtype=x.dtype.np)),
)


# ------------------------------------------------------------------- inside the rules
def _mt(xp: Any, x: Any) -> Any:
    return xp.transpose(x, x.ndim - 2, x.ndim - 1)


def _conj(xp: Any, x: Any, spec: Any) -> Any:
    return xp.conj(x) if spec.dtype.is_complex else x


def _mh(xp: Any, x: Any, spec: Any) -> Any:
    return _conj(xp, _mt(xp, x), spec)


def _gaps(xp: Any, values: Any) -> Any:
    """values[j] - values[i], with 1 on the diagonal so that it can be divided by."""
    n = values.ndim
    gaps = xp.unsqueeze(values, n - 1) - xp.unsqueeze(values, n)
    return gaps + xp.eye_like(gaps)


def _off_diagonal(xp: Any, x: Any) -> Any:
    return x * (1 - xp.eye_like(x))


# ------------------------------------------------------------------- arguments
def _matrices(A: Any, caller: str, square: bool = True) -> Any:
    s = checked(A, caller, "A")._spec
    if s.ndim < 2:
        raise RuntimeError(f"{caller}: The input tensor A must have at least 2 dimensions.")
    if square and s.shape[-1] != s.shape[-2]:
        raise RuntimeError(
            f"{caller}: A must be batches of square matrices, but they are {s.shape[-2]} by "
            f"{s.shape[-1]} matrices"
        )
    if s.dtype.category < 2:
        raise RuntimeError(
            f"{caller}: Expected a floating point or complex tensor as input. Got "
            f"{s.dtype.scalar_name}"
        )
    if s.dtype.itemsize < 4:
        raise RuntimeError(
            f"{caller}: Low precision dtypes not supported. Got {s.dtype.scalar_name}"
        )
    return A


def _expand_to(x: Tensor, lead: tuple) -> Tensor:
    full = lead + tuple(x.shape)[-2:]
    return x if tuple(x.shape) == full else T.expand(x, full)


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
    _matrices(A, "linalg.inv")
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
    _matrices(A, "linalg.inv_ex")
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
    b = _mt(xp, xp.linalg_inv_ex(x))
    along = xp.sum(g * b, (x.ndim - 2, x.ndim - 1), True)
    return along * out - xp.bmm(out, xp.bmm_tn(g, b))


_det = primitive(
    "opaque", "linalg_det(x)", k.det,
    # the cofactors are the gradient everywhere, but PyTorch's is 0 where the determinant is: so here
    x=lambda xp, g, x, out: xp.reshape(g * (out != 0), g.shape + (1, 1)) * xp.cofactors(x),
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
    return _det(_matrices(A, "linalg.det"))


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
    return xp.unsqueeze(xp.unsqueeze(total, n), n + 1) * _mt(xp, xp.linalg_inv_ex(x))


def _slogdet_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    x, t = xs[0], ts[0]
    w = xp.sum(_mt(xp, xp.linalg_inv_ex(x)) * t, (x.ndim - 2, x.ndim - 1), False)
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
    return rt.make(rt.linalg_slogdet, *_slogdet(_matrices(A, "linalg.slogdet")))


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
    "opaque", "linalg_solve_ex(x, y)", np.linalg.solve,
    rules={"x, y": lambda xp, g, x, out, need: _solve_rule(xp, g, x, out, need)},
    saved={"x": "A", "y": "B"},
    jvp=lambda xp, xs, ts, out, params: _solve_jvp(xp, xs, ts, out),
)  # fmt: skip


def _solve_rule(xp: Any, g: Any, x: Any, out: Any, need: tuple) -> tuple:
    gb = xp.linalg_solve_ex(_mt(xp, x), g)
    return (-xp.bmm_nt(gb, out) if need[0] else None), gb


def _solve_jvp(xp: Any, xs: Any, ts: Any, out: Any) -> Any:
    ta, tb = ts
    right = tb
    if ta is not None:
        moved = xp.bmm(ta, out)
        right = -moved if right is None else right - moved
    return xp.linalg_solve_ex(xs[0], right)


@public("linalg", out=True)
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """Return X with A X = B (or X A = B with left=False); B may be a vector per matrix.

    Leading dims broadcast. LinAlgError if a matrix is singular.

    >>> import wengert as torch
    >>> torch.linalg.solve(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([2., 2.]))
    tensor([1.0000, 0.5000])
    """
    _matrices(A, "linalg.solve")
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
            raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False.")
        B = T.unsqueeze(B, B.ndim)
        b = tuple(B.shape)
    if b[-2 if left else -1] != a[-1]:
        form = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {form} "
            f"({a[-2]}x{a[-1]} and {b[-2]}x{b[-1]})"
        )
    if not left:
        A, B = _mt(T, A), _mt(T, B)
    lead = broadcast_shapes(a[:-2], b[:-2])
    try:
        X = _solve(_expand_to(A, lead), _expand_to(B, lead))
    except np.linalg.LinAlgError as error:
        raise LinAlgError(
            "torch.linalg.solve: The solver failed because the input matrix is singular."
        ) from error
    if vector:
        return T.reshape(X, tuple(X.shape)[:-1])
    return X if left else _mt(T, X)


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
    _matrices(A, "linalg.solve_triangular")
    off = int(unitriangular)
    A = T.triu(A, off) if upper else T.tril(A, -off)
    if unitriangular:
        A = A + T.eye_like(A)
    return solve(A, B, left=left)


@public("torch", "Tensor", out=True)
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """Return X with A X = B for A given by its Cholesky factor L.

    >>> import wengert as torch
    >>> torch.cholesky_solve(torch.ones(2, 1), 2 * torch.eye(2))
    tensor([[0.2500],
            [0.2500]])
    """
    _matrices(L, "cholesky_solve")
    first = solve_triangular(_mh(T, L, L._spec) if upper else L, B, upper=False)
    return solve_triangular(L if upper else _mh(T, L, L._spec), first, upper=True)


# ------------------------------------------------------------------- pseudoinverse
def _pinv_rule(xp: Any, g: Any, x: Any, out: Any, x_spec: Any) -> Any:
    """G. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate", SIAM J. Numer. Anal. 10 (1973), eq. 4.12."""
    p, gh = out, _mt(xp, g)  # gh: the adjoint of the conjugated cotangent
    ph = _mh(xp, p, x_spec)
    # dP = -P dA P + P PH dAH (1 - A P) + (1 - P A) dAH PH P
    total = _mh(xp, -xp.bmm(p, xp.bmm(gh, p)), x_spec)
    rest = gh - xp.bmm(x, xp.bmm(p, gh))
    total = total + xp.bmm(rest, xp.bmm(p, ph))
    rest = gh - xp.bmm(gh, xp.bmm(p, x))
    total = total + xp.bmm(xp.bmm(ph, p), rest)
    return _conj(xp, total, x_spec)


_pinv = primitive(
    "opaque", "linalg_pinv(x, *, atol, rtol)", k.pinv, x=_pinv_rule,
    jvp=lambda xp, xs, ts, out, params: _pinv_jvp(xp, xs[0], ts[0], out),
)  # fmt: skip


def _pinv_jvp(xp: Any, x: Any, t: Any, p: Any) -> Any:
    spec = x._spec
    th, ph = _mh(xp, t, spec), _mh(xp, p, spec)
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
    _matrices(A, "linalg.pinv", square=False)
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
def matrix_rank(A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Tensor:
    """Return how many singular values are above max(atol, rtol * largest).

    >>> import wengert as torch
    >>> torch.linalg.matrix_rank(torch.ones(2, 2))
    tensor(1)
    """
    _matrices(A, "linalg.matrix_rank", square=False)
    return _rank(A, _tolerance(atol), _tolerance(rtol))


@public("linalg")
def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None) -> Any:
    """Return the X of least norm that minimises the distance of A X and B.

    A named tuple (solution, residuals, rank, singular_values); residuals are given where A has
    full rank and more rows than columns. The derivative is that of the pseudoinverse.

    >>> import wengert as torch
    >>> torch.linalg.lstsq(torch.tensor([[1.], [1.]]), torch.tensor([[1.], [3.]])).solution
    tensor([[2.]])
    """
    _matrices(A, "linalg.lstsq", square=False)
    vector = B.ndim == A.ndim - 1
    b = T.unsqueeze(B, B.ndim) if vector else B
    X = pinv(A, rtol=rcond).matmul(b)
    m, n = A.shape[-2:]
    rank = matrix_rank(A, rtol=rcond)
    residuals = wrap(np.empty(0, A.dtype.np))
    if m > n and bool((rank == n).all()):
        away = A.matmul(X) - b
        residuals = (away * T.conj(away)).sum(-2) if A.dtype.is_complex else (away * away).sum(-2)
    if vector:
        X = T.reshape(X, tuple(X.shape)[:-1])
    return rt.make(rt.linalg_lstsq, X, residuals, rank, wrap(np.empty(0, A.dtype.np)))


# ------------------------------------------------------------------- Cholesky
def _half(xp: Any, x: Any) -> Any:
    """The lower triangle with half the diagonal."""
    return 0.5 * (xp.tril(x, 0) + xp.tril(x, -1))


def _cholesky_rule(xp: Any, g: Any, out: Any, x_spec: Any) -> Any:
    """L^-H half(L^H G) L^-1, made Hermitian (Murray, "Differentiation of the Cholesky
    decomposition", arXiv:1602.07527)."""
    g = _conj(xp, g, x_spec)
    lh = _mh(xp, out, x_spec)
    inner = _half(xp, xp.bmm(lh, g))
    left = xp.linalg_solve_ex(lh, inner)
    full = _mh(xp, xp.linalg_solve_ex(lh, _mh(xp, left, x_spec)), x_spec)
    return _conj(xp, 0.5 * (full + _mh(xp, full, x_spec)), x_spec)


def _cholesky_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    spec = xs[0]._spec
    t = 0.5 * (ts[0] + _mh(xp, ts[0], spec))
    inner = xp.linalg_solve_ex(out, t)
    inner = _mh(xp, xp.linalg_solve_ex(out, _mh(xp, inner, spec)), spec)
    return xp.bmm(out, _half(xp, inner))


_cholesky = primitive(
    "opaque", "linalg_cholesky_ex(x)", np.linalg.cholesky, x=_cholesky_rule, jvp=_cholesky_jvp,
    saved={"out": "L"},
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
    _matrices(A, "linalg.cholesky")
    try:
        L = _cholesky(_mh(T, A, A._spec) if upper else A)
    except np.linalg.LinAlgError as error:
        a = A.detach()._array.reshape(-1, *A.shape[-2:])
        for b, m in enumerate(a):
            minor = _bad_minor(m)
            if minor:
                where = f" (Batch element {b}):" if A.ndim > 2 else ""
                raise LinAlgError(
                    f"linalg.cholesky:{where} The factorization could not be completed because the "
                    f"input is not positive-definite (the leading minor of order {minor} is not "
                    "positive-definite)."
                ) from error
        raise
    return _mh(T, L, A._spec) if upper else L


def _bad_minor(m: Any) -> int:
    for n in range(1, len(m) + 1):
        try:
            np.linalg.cholesky(m[:n, :n])
        except np.linalg.LinAlgError:
            return n
    return 0


@public("torch", "Tensor", name="cholesky", out=True)
def _cholesky_old(input: Tensor, upper: bool = False) -> Tensor:
    """Return the Cholesky factor; see `linalg.cholesky`.

    >>> import wengert as torch
    >>> torch.cholesky(torch.tensor([[4.]]))
    tensor([[2.]])
    """
    return cholesky(input, upper=upper)


@public("linalg")
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """Return the factor and an int32 `info`: 0, or the order of the minor that is not definite.

    >>> import wengert as torch
    >>> torch.linalg.cholesky_ex(-torch.eye(2)).info
    tensor(1, dtype=torch.int32)
    """
    _matrices(A, "linalg.cholesky_ex")
    if check_errors:
        L = cholesky(A, upper=upper)
        return rt.make(rt.linalg_cholesky_ex, L, wrap(np.zeros(A.shape[:-2], np.int32)))
    a = A.detach()._array.reshape(-1, *A.shape[-2:])
    info = np.array([_bad_minor(m) for m in a], np.int32).reshape(A.shape[:-2])
    if info.any():
        bad = wrap((info > 0)[..., None, None])
        L = T.where(bad, wrap(np.array(np.nan, A.dtype.np)), cholesky(T.where(bad, T.eye_like(A), A), upper=upper))
    else:
        L = cholesky(A, upper=upper)
    return rt.make(rt.linalg_cholesky_ex, L, wrap(info))


@public("torch", "Tensor", out=True)
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """Return the inverse of the matrix whose Cholesky factor is L.

    >>> import wengert as torch
    >>> torch.cholesky_inverse(torch.tensor([[2.]]))
    tensor([[0.2500]])
    """
    _matrices(L, "cholesky_inverse")
    L = T.triu(L, 0) if upper else T.tril(L, 0)
    lh = _mh(T, L, L._spec)
    return inv(T.bmm(lh, L) if upper else T.bmm(L, lh))


# ------------------------------------------------------------------- QR
def _qr_rule(xp: Any, g: Any, out: Any, x_spec: Any) -> Any:
    """S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions" (2010):
    (GQ + Q C) R^-H, C = triu(GR RH - QH GQ) made Hermitian."""
    gq, gr = g
    q, r = out
    gq = None if gq is None else _conj(xp, gq, x_spec)
    gr = None if gr is None else _conj(xp, gr, x_spec)
    inner = None if gr is None else xp.bmm(gr, _mh(xp, r, x_spec))
    if gq is not None:
        turned = xp.bmm(_mh(xp, q, x_spec), gq)
        inner = -turned if inner is None else inner - turned
    c = xp.triu(inner, 0)
    c = c + _mh(xp, xp.triu(inner, 1), x_spec)
    if x_spec.dtype.is_complex:  # the diagonal of R is real
        c = c - xp.eye_like(c) * (c - _mh(xp, c, x_spec)) / 2
    total = xp.bmm(q, c)
    total = total if gq is None else total + gq
    solved = xp.linalg_solve_ex(r, _mh(xp, total, x_spec))
    return _conj(xp, _mh(xp, solved, x_spec), x_spec)


def _qr_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    spec = xs[0]._spec
    q, r = out
    a = _mh(xp, xp.linalg_solve_ex(_mh(xp, r, spec), _mh(xp, ts[0], spec)), spec)  # dA R^-1
    s = xp.bmm(_mh(xp, q, spec), a)
    low = xp.tril(s, -1)
    skew = low - _mh(xp, low, spec)
    if spec.dtype.is_complex:
        skew = skew + xp.eye_like(s) * (s - _mh(xp, s, spec)) / 2
    return a - xp.bmm(q, s) + xp.bmm(q, skew), xp.bmm(s - skew, r)


_qr = primitive("opaque", "linalg_qr(x)", k.qr, outputs=2, x=_qr_rule, jvp=_qr_jvp)


@public("linalg", name="qr")
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
    _matrices(A, "linalg.qr", square=False)
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
    rest = T.bmm(_mh(T, Q, A._spec), T.narrow(A, A.ndim - 1, m, n - m))
    return rt.make(rt.linalg_qr, Q, T.cat([R1, rest], A.ndim - 1))


@public("torch", "Tensor")
def qr(input: Tensor, some: bool = True) -> Any:
    """Return the factors Q and R; see `linalg.qr`.

    >>> import wengert as torch
    >>> torch.qr(torch.tensor([[2.]])).Q.abs()
    tensor([[1.]])
    """
    return rt.make(rt.qr, *linalg_qr(input, "reduced" if some else "complete"))


# ------------------------------------------------------------------- eigenvalues
def _eigh_rule(xp: Any, g: Any, out: Any, x_spec: Any) -> Any:
    """V (GL + VH GV / gaps) VH (Giles, 3.1)."""
    gl, gv = g
    values, v = out
    vh = _mh(xp, v, x_spec)
    if gv is None:
        total = xp.bmm(v * xp.unsqueeze(gl, gl.ndim - 1), vh)
        return _conj(xp, total, x_spec)
    inner = _off_diagonal(xp, xp.bmm(vh, _conj(xp, gv, x_spec))) / _gaps(xp, values)
    if gl is not None:
        inner = inner + xp.diag_embed(gl, 0, gl.ndim - 1, gl.ndim)
    return _conj(xp, xp.bmm(v, xp.bmm(inner, vh)), x_spec)


def _eigh_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    spec = xs[0]._spec
    values, v = out
    inner = xp.bmm(_mh(xp, v, spec), xp.bmm(ts[0], v))
    n = inner.ndim
    tl = xp.diagonal(inner, 0, n - 2, n - 1)
    if spec.dtype.is_complex:
        tl = xp.real_part(tl)
    return tl, xp.bmm(v, _off_diagonal(xp, inner) / _gaps(xp, values))


_eigh = primitive("opaque", "linalg_eigh(x, *, upper)", k.eigh, outputs=2, x=_eigh_rule, jvp=_eigh_jvp)


@public("linalg")
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Return eigenvalues (ascending) and orthonormal eigenvectors of Hermitian matrices.

    Only the lower (UPLO="L") or upper triangle of A is read. Gradients of eigenvectors are infinite
    where eigenvalues are equal.

    >>> import wengert as torch
    >>> torch.linalg.eigh(torch.tensor([[2., 0.], [0., 1.]])).eigenvalues
    tensor([1., 2.])
    """
    _matrices(A, "linalg.eigh")
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return rt.make(rt.linalg_eigh, *_eigh(A, UPLO.upper() == "U"))


@public("linalg", out=True)
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Return the eigenvalues (ascending) of Hermitian matrices.

    >>> import wengert as torch
    >>> torch.linalg.eigvalsh(torch.tensor([[2., 0.], [0., 1.]]))
    tensor([1., 2.])
    """
    return eigh(A, UPLO)[0]


def _eig_rule(xp: Any, g: Any, out: Any, x_spec: Any) -> Any:
    """V^-H (GL + (VH GV - VH V Re diag(VH GV)) / conj gaps) VH: C. Boeddeker et al., "On the
    computation of complex-valued gradients" (2017), 4.77, for eigenvectors of length 1."""
    gl, gv = g
    values, v = out
    vh = xp.conj(_mt(xp, v))
    n = v.ndim
    inner = None
    if gv is not None:
        turned = xp.bmm(vh, xp.conj(gv))
        onto = xp.real_part(xp.diagonal(turned, 0, n - 2, n - 1))
        inner = turned - xp.bmm(vh, v) * xp.unsqueeze(onto, n - 2)
        inner = _off_diagonal(xp, inner) / xp.conj(_gaps(xp, values))
    if gl is not None:
        diagonal = xp.diag_embed(xp.conj(gl), 0, n - 2, n - 1)
        inner = diagonal if inner is None else inner + diagonal
    total = xp.conj(xp.linalg_solve_ex(vh, xp.bmm(inner, vh)))
    return total if x_spec.dtype.is_complex else xp.real_part(total)


def _eig_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    values, v = out
    t = ts[0] if xs[0].dtype.is_complex else ts[0] + 0 * v
    inner = xp.linalg_solve_ex(v, xp.bmm(t, v))
    n = v.ndim
    turn = xp.bmm(v, _off_diagonal(xp, inner) / _gaps(xp, values))
    along = xp.real_part(xp.sum(xp.conj(v) * turn, (n - 2,), True))
    return xp.diagonal(inner, 0, n - 2, n - 1), turn - v * along


_eig = primitive("opaque", "linalg_eig(x)", k.eig, outputs=2, x=_eig_rule, jvp=_eig_jvp)


@public("linalg")
def eig(A: Tensor) -> Any:
    """Return complex eigenvalues and eigenvectors (of length 1) of square matrices.

    >>> import wengert as torch
    >>> torch.linalg.eig(torch.tensor([[0., 1.], [-1., 0.]])).eigenvalues.imag.abs()
    tensor([1., 1.])
    """
    return rt.make(rt.linalg_eig, *_eig(_matrices(A, "linalg.eig")))


@public("linalg", out=True)
def eigvals(A: Tensor) -> Tensor:
    """Return the complex eigenvalues of square matrices.

    >>> import wengert as torch
    >>> torch.linalg.eigvals(torch.tensor([[2., 0.], [0., 1.]]))
    tensor([2.+0.j, 1.+0.j])
    """
    return eig(A)[0]


# ------------------------------------------------------------------- singular values
def _svd_rule(xp: Any, g: Any, out: Any, x_spec: Any, full: bool) -> Any:
    """J. Townsend, "Differentiating the singular value decomposition" (2016); the gauge of complex
    vectors: Z.-Q. Wan and S.-X. Zhang, arXiv:1909.02659."""
    gu, gs, gvh = g
    u, s, vh = out
    m, n = x_spec.shape[-2:]
    rank = min(m, n)
    last = len(x_spec.shape) - 1
    if full:
        u, gu = (None if t is None else xp.narrow(t, last, 0, rank) for t in (u, gu))
        vh, gvh = (None if t is None else xp.narrow(t, last - 1, 0, rank) for t in (vh, gvh))
    if gu is None and gvh is None:
        return _conj(xp, xp.bmm(u * xp.unsqueeze(gs, gs.ndim - 1), vh), x_spec)
    row, column = xp.unsqueeze(s, s.ndim - 1), xp.unsqueeze(s, s.ndim)
    gaps = _gaps(xp, s * s)
    v, uh = _mh(xp, vh, x_spec), _mh(xp, u, x_spec)
    inner = None if gs is None else xp.diag_embed(gs, 0, gs.ndim - 1, gs.ndim)
    extra = None
    if gu is not None:
        gu = _conj(xp, gu, x_spec)
        turned = xp.bmm(uh, gu)
        skew = turned - _mh(xp, turned, x_spec)
        part = _off_diagonal(xp, skew) / gaps * row
        if x_spec.dtype.is_complex:
            part = part + xp.eye_like(skew) * skew / (2 * column)
        inner = part if inner is None else inner + part
        if m > rank:
            scaled = gu / row
            extra = xp.bmm(scaled - xp.bmm(u, xp.bmm(uh, scaled)), vh)
    if gvh is not None:
        gvh = _conj(xp, gvh, x_spec)
        turned = xp.bmm(vh, _mh(xp, gvh, x_spec))
        skew = turned - _mh(xp, turned, x_spec)
        part = column * (_off_diagonal(xp, skew) / gaps)
        inner = part if inner is None else inner + part
        if n > rank:
            scaled = gvh / column
            more = xp.bmm(u, scaled - xp.bmm(xp.bmm(scaled, v), vh))
            extra = more if extra is None else extra + more
    total = xp.bmm(u, xp.bmm(inner, vh))
    return _conj(xp, total if extra is None else total + extra, x_spec)


def _svd_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    spec = xs[0]._spec
    u, s, vh = out
    m, n = spec.shape[-2:]
    rank = min(m, n)
    if params[0] and m != n:
        raise NotImplementedError("forward mode of svd(full_matrices=True) of non-square matrices")
    t = ts[0]
    uh, v = _mh(xp, u, spec), _mh(xp, vh, spec)
    p = xp.bmm(uh, xp.bmm(t, v))
    d = p.ndim
    tsv = xp.diagonal(p, 0, d - 2, d - 1)
    if spec.dtype.is_complex:
        tsv = xp.real_part(tsv)
    row, column = xp.unsqueeze(s, s.ndim - 1), xp.unsqueeze(s, s.ndim)
    ph = _mh(xp, p, spec)
    gaps = _gaps(xp, s * s)
    du = _off_diagonal(xp, p * row + column * ph) / gaps
    dv = _off_diagonal(xp, column * p + ph * row) / gaps
    if spec.dtype.is_complex:
        du = du + xp.eye_like(p) * (p - ph) / (2 * row)
    tu, tvh = xp.bmm(u, du), _mh(xp, xp.bmm(v, dv), spec)
    if m > rank:
        tv = xp.bmm(t, v) / row
        tu = tu + tv - xp.bmm(u, xp.bmm(uh, tv))
    if n > rank:
        tt = xp.bmm(uh, t) / column
        tvh = tvh + tt - xp.bmm(xp.bmm(tt, v), vh)
    return tu, tsv, tvh


_svd = primitive("opaque", "linalg_svd(x, *, full)", k.svd, outputs=3, x=_svd_rule, jvp=_svd_jvp)


@public("linalg", name="svd")
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """Return U, the singular values S (descending) and Vh with U diag(S) Vh = A.

    Gradients of singular vectors are infinite where singular values are equal or 0; vectors beyond
    the smaller side of A (full_matrices) take part in no gradient.

    >>> import wengert as torch
    >>> torch.linalg.svd(torch.tensor([[3., 0.], [0., 4.]])).S
    tensor([4., 3.])
    """
    _matrices(A, "linalg.svd", square=False)
    return rt.make(rt.linalg_svd, *_svd(A, bool(full_matrices)))


@public("linalg", out=True)
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """Return the singular values, in descending order.

    >>> import wengert as torch
    >>> torch.linalg.svdvals(torch.tensor([[3., 0.], [0., 4.]]))
    tensor([4., 3.])
    """
    return _svd(_matrices(A, "linalg.svdvals", square=False), False)[1]


@public("torch", "Tensor")
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """Return U, S and V with U diag(S) V^H = input; see `linalg.svd`, which returns V^H.

    >>> import wengert as torch
    >>> torch.svd(torch.tensor([[2.]])).S
    tensor([2.])
    """
    U, S, Vh = linalg_svd(input, not some)
    V = _mh(T, Vh, input._spec)
    if not compute_uv:
        U, V = T.zeros_like(U), T.zeros_like(V)
    return rt.make(rt.svd, U, S, V)


# ------------------------------------------------------------------- exponential
def _exp_block(xp: Any, a: Any, corner: Any) -> Any:
    """The upper right block of exp [[a, corner], [0, a]]: the derivative of exp at a along corner."""
    n, d = a.shape[-1], a.ndim
    top = xp.cat([a, corner], d - 1)
    bottom = xp.cat([xp.zeros_like(a), a], d - 1)
    whole = xp.linalg_matrix_exp(xp.cat([top, bottom], d - 2))
    return xp.narrow(xp.narrow(whole, d - 2, 0, n), d - 1, n, n)


_matrix_exp = primitive(
    "opaque", "linalg_matrix_exp(x)", k.matrix_exp,
    x=lambda xp, g, x: _exp_block(xp, _mt(xp, x), g),
    jvp=lambda xp, xs, ts, out, params: _exp_block(xp, xs[0], ts[0]),
)  # fmt: skip


@public("torch", "Tensor", "linalg")
def matrix_exp(A: Tensor) -> Tensor:
    """Return the exponential of square matrices: 1 + A + A^2/2 + ...

    The derivative is a block of the exponential of a matrix twice as large (I. Najfeld and
    T. Havel, Adv. Appl. Math. 16, 1995).

    >>> import wengert as torch
    >>> torch.linalg.matrix_exp(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _matrix_exp(_matrices(A, "linalg.matrix_exp"))
