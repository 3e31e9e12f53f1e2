"""Eigenvalues, singular values and the matrix exponential (stacks of matrices).

The formulas are those of M. Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation" (2008), and of the references named at each row; they are written
with ops, so they differentiate again. Complex rules compute with the conjugated cotangent, as the
papers do, and conjugate once more at the end (inside wengert cotangents are not conjugated).
"""

from __future__ import annotations

from typing import Any

from ..core import return_types as rt
from ..core.batching import leading
from ..core.define import primitive
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import decompose as k
from .matrices import conj, gaps, matrices, mh, mt, off_diagonal


# ------------------------------------------------------------------- eigenvalues
def _eigh_rule(xp: Any, g: Any, out: Any, x_spec: Any) -> Any:
    """V (GL + VH GV / gaps) VH (Giles, 3.1)."""
    gl, gv = g
    values, v = out
    vh = mh(xp, v, x_spec)
    if gv is None:
        total = xp.bmm(v * xp.unsqueeze(gl, gl.ndim - 1), vh)
        return conj(xp, total, x_spec)
    inner = off_diagonal(xp, xp.bmm(vh, conj(xp, gv, x_spec))) / gaps(xp, values)
    if gl is not None:
        inner = inner + xp.diag_embed(gl, 0, gl.ndim - 1, gl.ndim)
    return conj(xp, xp.bmm(v, xp.bmm(inner, vh)), x_spec)


def _eigh_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    spec = xs[0]._spec
    values, v = out
    inner = xp.bmm(mh(xp, v, spec), xp.bmm(ts[0], v))
    n = inner.ndim
    tl = xp.diagonal(inner, 0, n - 2, n - 1)
    if spec.dtype.is_complex:
        tl = xp.real_part(tl)
    return tl, xp.bmm(v, off_diagonal(xp, inner) / gaps(xp, values))


_eigh = primitive(
    "opaque", "linalg_eigh(x, *, upper)", k.eigh, outputs=2, x=_eigh_rule, jvp=_eigh_jvp, batch=leading,
)  # fmt: skip


@public("linalg", out=True)
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Return eigenvalues (ascending) and orthonormal eigenvectors of Hermitian matrices.

    Only the lower (UPLO="L") or upper triangle of A is read. Gradients of eigenvectors are infinite
    where eigenvalues are equal.

    >>> import wengert as torch
    >>> torch.linalg.eigh(torch.tensor([[2., 0.], [0., 1.]])).eigenvalues
    tensor([1., 2.])
    """
    matrices(A, "linalg.eigh")
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
    vh = xp.conj(mt(xp, v))
    n = v.ndim
    inner = None
    if gv is not None:
        turned = xp.bmm(vh, xp.conj(gv))
        onto = xp.real_part(xp.diagonal(turned, 0, n - 2, n - 1))
        inner = turned - xp.bmm(vh, v) * xp.unsqueeze(onto, n - 2)
        inner = off_diagonal(xp, inner) / xp.conj(gaps(xp, values))
    if gl is not None:
        diagonal = xp.diag_embed(xp.conj(gl), 0, n - 2, n - 1)
        inner = diagonal if inner is None else inner + diagonal
    total = xp.conj(xp.linalg_solve_ex(vh, xp.bmm(inner, vh), False))
    return total if x_spec.dtype.is_complex else xp.real_part(total)


def _eig_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    values, v = out
    t = ts[0] if xs[0].dtype.is_complex else ts[0] + 0 * v
    inner = xp.linalg_solve_ex(v, xp.bmm(t, v), False)
    n = v.ndim
    turn = xp.bmm(v, off_diagonal(xp, inner) / gaps(xp, values))
    along = xp.real_part(xp.sum(xp.conj(v) * turn, (n - 2,), True))
    return xp.diagonal(inner, 0, n - 2, n - 1), turn - v * along


_eig = primitive(
    "opaque", "linalg_eig(x)", k.eig, outputs=2, x=_eig_rule, jvp=_eig_jvp, batch=leading
)


@public("linalg", out=True)
def eig(A: Tensor) -> Any:
    """Return complex eigenvalues and eigenvectors (of length 1) of square matrices.

    >>> import wengert as torch
    >>> torch.linalg.eig(torch.tensor([[0., 1.], [-1., 0.]])).eigenvalues.imag.abs()
    tensor([1., 1.])
    """
    return rt.make(rt.linalg_eig, *_eig(matrices(A, "linalg.eig")))


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
        return conj(xp, xp.bmm(u * xp.unsqueeze(gs, gs.ndim - 1), vh), x_spec)
    row, column = xp.unsqueeze(s, s.ndim - 1), xp.unsqueeze(s, s.ndim)
    between = gaps(xp, s * s)
    v, uh = mh(xp, vh, x_spec), mh(xp, u, x_spec)
    inner = None if gs is None else xp.diag_embed(gs, 0, gs.ndim - 1, gs.ndim)
    extra = None
    if gu is not None:
        gu = conj(xp, gu, x_spec)
        turned = xp.bmm(uh, gu)
        skew = turned - mh(xp, turned, x_spec)
        part = off_diagonal(xp, skew) / between * row
        if x_spec.dtype.is_complex:
            part = part + xp.eye_like(skew) * skew / (2 * column)
        inner = part if inner is None else inner + part
        if m > rank:
            scaled = gu / row
            extra = xp.bmm(scaled - xp.bmm(u, xp.bmm(uh, scaled)), vh)
    if gvh is not None:
        gvh = conj(xp, gvh, x_spec)
        turned = xp.bmm(vh, mh(xp, gvh, x_spec))
        skew = turned - mh(xp, turned, x_spec)
        part = column * (off_diagonal(xp, skew) / between)
        inner = part if inner is None else inner + part
        if n > rank:
            scaled = gvh / column
            more = xp.bmm(u, scaled - xp.bmm(xp.bmm(scaled, v), vh))
            extra = more if extra is None else extra + more
    total = xp.bmm(u, xp.bmm(inner, vh))
    return conj(xp, total if extra is None else total + extra, x_spec)


def _svd_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    spec = xs[0]._spec
    u, s, vh = out
    m, n = spec.shape[-2:]
    rank = min(m, n)
    t = ts[0]
    last = t.ndim - 1
    if params[0]:
        u, vh = xp.narrow(u, last, 0, rank), xp.narrow(vh, last - 1, 0, rank)
    uh, v = mh(xp, u, spec), mh(xp, vh, spec)
    p = xp.bmm(uh, xp.bmm(t, v))
    d = p.ndim
    tsv = xp.diagonal(p, 0, d - 2, d - 1)
    if spec.dtype.is_complex:
        tsv = xp.real_part(tsv)
    row, column = xp.unsqueeze(s, s.ndim - 1), xp.unsqueeze(s, s.ndim)
    ph = mh(xp, p, spec)
    between = gaps(xp, s * s)
    du = off_diagonal(xp, p * row + column * ph) / between
    dv = off_diagonal(xp, column * p + ph * row) / between
    if spec.dtype.is_complex:
        du = du + xp.eye_like(p) * (p - ph) / (2 * row)
    tu, tvh = xp.bmm(u, du), mh(xp, xp.bmm(v, dv), spec)
    if m > rank:
        tv = xp.bmm(t, v) / row
        tu = tu + tv - xp.bmm(u, xp.bmm(uh, tv))
    if n > rank:
        tt = xp.bmm(uh, t) / column
        tvh = tvh + tt - xp.bmm(xp.bmm(tt, v), vh)
    if params[0]:  # as in PyTorch, the vectors beyond the smaller side are taken for constants
        tu = xp.constant_pad_nd(tu, (0, m - rank), 0) if m > rank else tu
        tvh = xp.constant_pad_nd(tvh, (0, 0, 0, n - rank), 0) if n > rank else tvh
    return tu, tsv, tvh


_svd = primitive(
    "opaque", "linalg_svd(x, *, full)", k.svd, outputs=3, x=_svd_rule, jvp=_svd_jvp, batch=leading
)


@public("linalg", name="svd", out=True)
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """Return U, the singular values S (descending) and Vh with U diag(S) Vh = A.

    Gradients of singular vectors are infinite where singular values are equal or 0; vectors beyond
    the smaller side of A (full_matrices) take part in no gradient.

    >>> import wengert as torch
    >>> torch.linalg.svd(torch.tensor([[3., 0.], [0., 4.]])).S
    tensor([4., 3.])
    """
    matrices(A, "linalg.svd", square=False)
    return rt.make(rt.linalg_svd, *_svd(A, bool(full_matrices)))


@public("linalg", out=True)
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """Return the singular values, in descending order.

    >>> import wengert as torch
    >>> torch.linalg.svdvals(torch.tensor([[3., 0.], [0., 4.]]))
    tensor([4., 3.])
    """
    return _svd(matrices(A, "linalg.svdvals", square=False), False)[1]


@public("torch", "Tensor", out=True)
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """Return U, S and V with U diag(S) V^H = input; see `linalg.svd`, which returns V^H.

    >>> import wengert as torch
    >>> torch.svd(torch.tensor([[2.]])).S
    tensor([2.])
    """
    U, S, Vh = linalg_svd(input, not some)
    V = mh(T, Vh, input._spec)
    if not compute_uv:
        U, V = T.zeros_like(U), T.zeros_like(V)
    return rt.make(rt.svd, U, S, V)


# ------------------------------------------------------------------- exponential
def _exp_block(xp: Any, a: Any, corner: Any) -> Any:
    """The upper right block of exp [[a, corner], [0, a]]: exp's derivative at a along corner."""
    n, d = a.shape[-1], a.ndim
    top = xp.cat([a, corner], d - 1)
    bottom = xp.cat([xp.zeros_like(a), a], d - 1)
    whole = xp.linalg_matrix_exp(xp.cat([top, bottom], d - 2))
    return xp.narrow(xp.narrow(whole, d - 2, 0, n), d - 1, n, n)


_matrix_exp = primitive(
    "opaque", "linalg_matrix_exp(x)", k.matrix_exp,
    x=lambda xp, g, x: _exp_block(xp, mt(xp, x), g),
    jvp=lambda xp, xs, ts, out, params: _exp_block(xp, xs[0], ts[0]), batch=leading,
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
    return _matrix_exp(matrices(A, "linalg.matrix_exp"))
