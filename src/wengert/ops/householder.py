"""Householder reflectors (geqrf, householder_product, ormqr) and the L D L^T factorisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import return_types as rt
from ..core.batching import leading
from ..core.define import primitive
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import ldl
from ..kernels.dims import broadcast_shapes
from ..kernels.layouts import packed
from .matrices import expand_to, matrices, mh


def _refused(name: str) -> Any:
    """The rule of an op that PyTorch does not differentiate either."""

    def rule(g: Any) -> Any:
        raise RuntimeError(f"derivative for {name} is not implemented")

    return rule


# ------------------------------------------------------------------- reflectors
def _geqrf_kernel(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not x.size:
        return x.copy(), np.zeros((*x.shape[:-2], min(x.shape[-2:])), x.dtype)
    h, tau = np.linalg.qr(x, "raw")
    return packed(h.swapaxes(-1, -2)).astype(x.dtype), tau.astype(x.dtype)


_geqrf = primitive("opaque", "geqrf(x)", _geqrf_kernel, outputs=2, x=_refused("geqrf"),
                   batch=leading)  # fmt: skip


@public("torch", "Tensor", out=True)
def geqrf(input: Tensor) -> Any:
    """Return R and the reflectors of Q in one matrix, and the factors tau, as LAPACK's geqrf.

    No derivative, as in PyTorch; see `linalg.qr`.

    >>> import wengert as torch
    >>> torch.geqrf(torch.tensor([[3.], [4.]])).tau
    tensor([1.6000])
    """
    return rt.make(rt.geqrf, *_geqrf(matrices(input, "torch.geqrf", square=False)))


def _reflectors(A: Tensor, tau: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(v, t) of every reflector 1 - t v v^H: v has a 1 at its own place and zeros before it."""
    d, k = A.ndim, tau.shape[-1]
    V = T.tril(A, -1) + wrap(np.eye(*A.shape[-2:], dtype=A.dtype.np))
    return [
        (T.narrow(V, d - 1, i, 1), T.unsqueeze(T.narrow(tau, tau.ndim - 1, i, 1), tau.ndim))
        for i in range(k)
    ]


def _reflect(v: Tensor, t: Tensor, C: Tensor) -> Tensor:
    return C - T.bmm(v * t, T.bmm(mh(T, v, v._spec), C))


def _check_reflectors(A: Any, tau: Any, caller: str, name: str = "input") -> None:
    matrices(A, caller, square=False)
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError(
            f"{caller}: {name}.shape[-2] must be greater than or equal to {name}.shape[-1]"
        )
    if tau.shape[-1] > A.shape[-1]:
        raise RuntimeError(
            f"{caller}: {name}.shape[-1] must be greater than or equal to tau.shape[-1]"
        )
    if A.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{caller}: Expected tau to have one dimension less than {name}, but got tau.ndim "
            f"equal to {tau.ndim} and {name}.ndim is equal to {A.ndim}"
        )
    if tuple(A.shape)[:-2] != tuple(tau.shape)[:-1]:
        raise RuntimeError(
            f"{caller}: Expected batch dimensions of tau to be equal to {name}.shape[:-2], but got "
            f"{list(tau.shape)[:-1]}"
        )
    if A._spec.dtype is not tau._spec.dtype:
        raise RuntimeError(
            f"{caller}: tau dtype {tau._spec.dtype.scalar_name} does not match {name} dtype "
            f"{A._spec.dtype.scalar_name}"
        )


@public("linalg", out=True)
def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """Return the first columns of H_1 H_2 ... H_k, with the reflectors in the columns of A.

    >>> import wengert as torch
    >>> torch.linalg.householder_product(*torch.geqrf(torch.tensor([[3.], [4.]])))
    tensor([[-0.6000],
            [-0.8000]])
    """
    _check_reflectors(A, tau, "torch.linalg.householder_product")
    lead = tuple(A.shape)[:-2]
    Q: Tensor = expand_to(wrap(np.eye(*A.shape[-2:], dtype=A.dtype.np)), lead)
    for v, t in reversed(_reflectors(A, tau)):
        Q = _reflect(v, t, Q)
    return T.clone(Q, "C") if not tau.shape[-1] else Q


public("torch", "Tensor", name="orgqr", out=True)(householder_product)


@public("torch", "Tensor", out=True)
def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False
) -> Tensor:
    """Return Q @ other (other @ Q if not `left`, Q^H if `transpose`), Q given by its reflectors.

    >>> import wengert as torch
    >>> h, tau = torch.geqrf(torch.tensor([[3.], [4.]]))
    >>> torch.ormqr(h, tau, torch.eye(2))[:, :1]
    tensor([[-0.6000],
            [-0.8000]])
    """
    matrices(input, "torch.ormqr", square=False)
    matrices(other, "torch.ormqr", square=False)
    side = -2 if left else -1
    if other.shape[side] < tau.shape[-1]:
        raise RuntimeError(
            f"torch.ormqr: other.shape[{side}] must be greater than or equal to tau.shape[-1]"
        )
    if tau.shape[-1] != min(other.shape[side], input.shape[-1]):
        raise RuntimeError(
            f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])"
        )
    if other.shape[side] != input.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    if tuple(input.shape)[:-2] != tuple(tau.shape)[:-1]:
        raise RuntimeError(
            "torch.ormqr: batch dimensions of tau should be equal to input.shape[:-2], but got "
            f"{list(tau.shape)[:-1]}"
        )
    if tuple(input.shape)[:-2] != tuple(other.shape)[:-2]:
        raise RuntimeError(
            "torch.ormqr: batch dimensions of other should be equal to input.shape[:-2], but got "
            f"{list(other.shape)[:-2]}"
        )
    if not left:  # C Q is the adjoint of Q^H C^H
        back = ormqr(input, tau, mh(T, other, other._spec), True, not transpose)
        return mh(T, back, back._spec)
    reflectors = _reflectors(input, tau)
    C = other
    for v, t in reflectors if transpose else reversed(reflectors):
        C = _reflect(v, T.conj(t) if transpose and t.dtype.is_complex else t, C)
    return T.clone(C, "C") if not reflectors else C


# ------------------------------------------------------------------- L D L^T
_ldl_factor = primitive("opaque", "linalg_ldl_factor_ex(x, *, hermitian)", ldl.ldl_factor, outputs=3,
                        x=_refused("linalg_ldl_factor_ex"), batch=leading)  # fmt: skip

_ldl_solve = primitive("opaque", "linalg_ldl_solve(x, y, z, *, hermitian)", ldl.ldl_solve,
                       rules={"x, y, z": _refused("linalg_ldl_solve")}, batch=leading)  # fmt: skip


@public("linalg", out=True)
def ldl_factor(A: Tensor, *, hermitian: bool = False) -> Any:
    """Return (LD, pivots) with A = L D L^T (L^H if `hermitian`), as LAPACK's sytrf stores them.

    Only the lower triangle of A is read. No derivative, as in PyTorch. RuntimeError where D has a
    zero on its diagonal; `ldl_factor_ex` reports it instead.

    >>> import wengert as torch
    >>> torch.linalg.ldl_factor(torch.tensor([[4., 2.], [2., 5.]])).LD
    tensor([[4.0000, 0.0000],
            [0.5000, 4.0000]])
    """
    LD, pivots, _ = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)
    return rt.make(rt.linalg_ldl_factor, LD, pivots)


@public("linalg", out=True)
def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> Any:
    """Return (LD, pivots, info); info counts from 1 to the first zero pivot, or is 0.

    >>> import wengert as torch
    >>> torch.linalg.ldl_factor_ex(torch.zeros(2, 2)).info
    tensor(1, dtype=torch.int32)
    """
    LD, pivots, info = _ldl_factor(matrices(A, "torch.linalg.ldl_factor_ex"), bool(hermitian))
    bad: Any = np.flatnonzero(info._array) if check_errors and info._spec.plain else ()
    if len(bad):
        k = int(info._array.reshape(-1)[bad[0]])
        where = f"(Batch element {int(bad[0])}): " if info.ndim else ""
        raise RuntimeError(
            f"torch.linalg.ldl_factor_ex: {where}D[{k},{k}] is zero: the factorization is done, but "
            "solving with it would divide by zero."
        )
    return rt.make(rt.linalg_ldl_factor_ex, LD, pivots, info)


@public("linalg", out=True)
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """Return X with A X = B, A given by what `ldl_factor` returns. No derivative, as in PyTorch.

    >>> import wengert as torch
    >>> torch.linalg.ldl_solve(*torch.linalg.ldl_factor(2 * torch.eye(2)), torch.ones(2, 1))
    tensor([[0.5000],
            [0.5000]])
    """
    matrices(LD, "torch.linalg.ldl_solve")
    matrices(B, "torch.linalg.ldl_solve", square=False)
    if LD._spec.dtype is not B._spec.dtype:
        raise RuntimeError(
            "torch.linalg.ldl_solve: Expected LD and B to have the same dtype, but found LD of type "
            f"{LD._spec.dtype.scalar_name} and B of type {B._spec.dtype.scalar_name} instead"
        )
    if pivots._spec.dtype.category > 1:
        raise RuntimeError(
            "torch.linalg.ldl_solve: Expected pivots to be integers. Got "
            f"{pivots._spec.dtype.scalar_name}"
        )
    if B.shape[-2] != LD.shape[-1]:
        raise RuntimeError(
            "torch.linalg.ldl_solve: Incompatible shapes of A and B for the equation AX = B "
            f"({LD.shape[-2]}x{LD.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )
    lead = broadcast_shapes(tuple(LD.shape)[:-2], tuple(B.shape)[:-2])
    return _ldl_solve(expand_to(LD, lead), pivots, expand_to(B, lead), bool(hermitian))
