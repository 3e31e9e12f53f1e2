"""The pseudoinverse, the rank and least squares (stacks of matrices).

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
from ..kernels.dims import broadcast_shapes
from .matrices import conj, expand_to, matrices, mh, mt


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
    "opaque", "linalg_pinv(x, *, atol, rtol)", k.pinv, x=_pinv_rule, batch=leading,
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
    batch=leading,
)


def _count_rank(s: Any, shape: tuple, atol: Any, rtol: Any) -> Any:
    return (s > k.limit(s, shape, atol, rtol)).sum(-1).astype(np.int64)


@public("linalg", out=True)
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
    rules={"x, y": _lstsq_rule}, jvp=_lstsq_jvp, batch=leading,
)  # fmt: skip


@public("linalg", out=True)
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
