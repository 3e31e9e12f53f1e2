"""Inverses and determinants (stacks of matrices).

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
from ..kernels import lu
from .matrices import LinAlgError, matrices, mt

# ------------------------------------------------------------------- inverse
_inv = primitive(
    "opaque", "linalg_inv_ex(x)", np.linalg.inv, saved={"out": "inverse"}, batch=leading,
    x=lambda xp, g, out: -xp.bmm_tn(out, xp.bmm_nt(g, out)),
    jvp=lambda xp, xs, ts, out, params: -xp.bmm(out, xp.bmm(ts[0], out)),
)  # fmt: skip


# what LAPACK says of singular matrices: where U has its first zero (from 1; 0 if nowhere), and the
# infinities and NaNs that it leaves
zero_pivot = plain("lu_info(x)", lambda x: lu.lu_factor(x)[2], promote=None, batch=leading)
_broken = plain("lu_inverse(x)", lu.inverse, promote=None, batch=leading)


def _singular(A: Tensor, caller: str) -> LinAlgError:
    """Say which diagonal element of U is zero, as LAPACK counts."""
    info = zero_pivot(A)
    where = number = ""
    if info._spec.plain:
        bad = int(np.flatnonzero(info._array)[0])
        where = f" (Batch element {bad}):" if A.ndim > 2 else ""
        number = f" {info._array.reshape(-1)[bad]}"
    return LinAlgError(
        f"{caller}:{where} The diagonal element{number} is zero, the inversion could not be completed "
        "because the input matrix is singular."
    )


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
        raise _singular(A, "linalg.inv") from error


public("torch", "Tensor", name="inverse", out=True)(inv)


@public("linalg", out=True)
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """Return the inverses and an int32 `info` per matrix: 0, or where U has its first zero.

    The inverse of a singular matrix holds infinities and NaNs.

    >>> import wengert as torch
    >>> torch.linalg.inv_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    matrices(A, "linalg.inv_ex")
    try:
        return rt.make(rt.linalg_inv_ex, _inv(A), wrap(np.zeros(tuple(A.shape)[:-2], np.int32)))
    except np.linalg.LinAlgError as error:
        if check_errors:
            raise _singular(A, "linalg.inv_ex") from error
        info = zero_pivot(A)
        bad = T.unsqueeze(T.unsqueeze(info > 0, -1), -1)
        inverse = T.where(bad, _broken(A), _inv(T.where(bad, T.eye_like(A), A)))
        return rt.make(rt.linalg_inv_ex, inverse, info)


# ------------------------------------------------------------------- determinant
_cofactors = primitive(
    "opaque", "cofactors(x)", k.cofactors, batch=leading,
    # d (det B) with B = inverse transposed: <g, B> cofactors - det B gT B
    x=lambda xp, g, x, out: _cofactor_rule(xp, g, x, out),
    # second derivatives commute: the jvp is the vjp
    jvp=lambda xp, xs, ts, out, params: _cofactor_rule(xp, ts[0], xs[0], out),
)  # fmt: skip


def _cofactor_rule(xp: Any, g: Any, x: Any, out: Any) -> Any:
    b = mt(xp, xp.linalg_inv_ex(x))
    along = xp.sum(g * b, (x.ndim - 2, x.ndim - 1), True)
    return along * out - xp.bmm(out, xp.bmm_tn(g, b))


_det = primitive(
    "opaque", "linalg_det(x)", k.det, batch=leading,
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
    x=_slogdet_rule, jvp=_slogdet_jvp, batch=leading,
)  # fmt: skip


@public("linalg", out=True)
def slogdet(A: Tensor) -> Any:
    """Return the sign and the logarithm of the absolute value of determinants.

    >>> import wengert as torch
    >>> torch.linalg.slogdet(torch.eye(2)).logabsdet
    tensor(0.)
    """
    return rt.make(rt.linalg_slogdet, *_slogdet(matrices(A, "linalg.slogdet")))


@public("torch", "Tensor", name="slogdet", out=True)
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
