"""Solutions of linear systems (stacks of matrices).

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
from ..kernels.dims import broadcast_shapes
from .inverse import zero_pivot
from .matrices import LinAlgError, expand_to, matrices, mt
from .reduce import checked

_solve = primitive(
    "opaque", "linalg_solve_ex(x, y, *, vector)", k.solve,
    rules={"x, y": lambda xp, g, x, out, need, vector: _solve_rule(xp, g, x, out, need, vector)},
    saved={"x": "A", "y": "B"}, batch=leading,
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
    A, B, vector = _system(A, B, left, "linalg.solve")
    try:
        X = _solve(A, B, vector)
    except np.linalg.LinAlgError as error:
        raise _singular(A, "torch.linalg.solve") from error
    return X if left else mt(T, X)


def _singular(A: Tensor, caller: str) -> LinAlgError:
    info = zero_pivot(A)
    where = ""
    if A.ndim > 2 and info._spec.plain:
        where = f"(Batch element {int(np.flatnonzero(info._array)[0])}): "
    return LinAlgError(
        f"{caller}: {where}The solver failed because the input matrix is singular."
    )


def _system(A: Any, B: Any, left: bool, caller: str) -> tuple[Tensor, Tensor, bool]:
    """Check and broadcast both sides of A X = B; whether B holds vectors."""
    matrices(A, caller)
    checked(B, caller, "B", 2)
    if A._spec.dtype is not B._spec.dtype:
        raise RuntimeError(
            f"{caller}: Expected A and B to have the same dtype, but found A of type "
            f"{A._spec.dtype.scalar_name} and B of type {B._spec.dtype.scalar_name} instead"
        )
    a, b = tuple(A.shape), tuple(B.shape)
    vector = len(b) == 1 or (len(a) - 1 == len(b) and b == a[:-1])
    if vector:
        if not left:
            raise RuntimeError(
                f"{caller}: Vector broadcasting of the left hand side is not supported for "
                "left=False."
            )
        b = (*b, 1)
    if b[-2 if left else -1] != a[-1]:
        form = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{caller}: Incompatible shapes of A and B for the equation {form} "
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
    return A, B, vector


_broken = plain("lu_solution(x, y)", lu.solve, promote=None, batch=leading)


@public("linalg", out=True)
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """Return X with A X = B, and an int32 `info` per matrix: 0, or where U has its first zero.

    What is solved with a singular matrix holds infinities and NaNs.

    >>> import wengert as torch
    >>> torch.linalg.solve_ex(torch.zeros(2, 2), torch.ones(2)).info
    tensor(1, dtype=torch.int32)
    """
    M, R, vector = _system(A, B, left, "linalg.solve")
    try:
        X = _solve(M, R, vector)
        info = wrap(np.zeros(tuple(M.shape)[:-2], np.int32))
    except np.linalg.LinAlgError as error:
        if check_errors:
            raise _singular(M, "torch.linalg.solve_ex") from error
        info = zero_pivot(M)
        bad = T.unsqueeze(T.unsqueeze(info > 0, -1), -1)
        column = T.unsqueeze(R, R.ndim) if vector else R
        X = _solve(T.where(bad, T.eye_like(M), M), column, False)
        X = T.where(bad, _broken(M, column), X)
        X = T.reshape(X, tuple(R.shape)) if vector else X
    return rt.make(rt.linalg_solve_ex, X if left else mt(T, X), info)


def _masked(xp: Any, x: Any, upper: bool, unit: bool) -> Any:
    return xp.triu(x, int(unit)) if upper else xp.tril(x, -int(unit))


def _triangular_rule(
    xp: Any, g: Any, x: Any, out: Any, need: tuple, upper: bool, unit: bool
) -> tuple:
    gb = xp.linalg_solve_triangular(mt(xp, x), g, not upper, unit)
    return (-_masked(xp, xp.bmm_nt(gb, out), upper, unit) if need[0] else None), gb


def _triangular_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    ta, tb = ts
    right = tb
    if ta is not None:
        moved = xp.bmm(_masked(xp, ta, *params), out)
        right = -moved if right is None else right - moved
    return xp.linalg_solve_triangular(xs[0], right, *params)


_triangular = primitive(
    "opaque", "linalg_solve_triangular(x, y, *, upper, unit)", lu.solve_triangular,
    rules={"x, y": _triangular_rule}, saved={"x": "A", "y": "B"}, jvp=_triangular_jvp, batch=leading,
)  # fmt: skip


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
    matrices(B, "linalg.solve_triangular", square=False)
    if A._spec.dtype is not B._spec.dtype:
        raise RuntimeError(
            "linalg.solve_triangular: Expected A and B to have the same dtype, but found A of type "
            f"{A._spec.dtype.scalar_name} and B of type {B._spec.dtype.scalar_name} instead"
        )
    a, b = tuple(A.shape), tuple(B.shape)
    if b[-2 if left else -1] != a[-1]:
        raise RuntimeError(
            "linalg.solve_triangular: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({a[-2]}x{a[-1]} and {b[-2]}x{b[-1]})"
        )
    if not left:
        A, B, upper = mt(T, A), mt(T, B), not upper
    lead = broadcast_shapes(a[:-2], b[:-2])
    X = _triangular(expand_to(A, lead), expand_to(B, lead), bool(upper), bool(unitriangular))
    return X if left else mt(T, X)
