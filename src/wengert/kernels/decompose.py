"""Inverses, factorisations and functions of square matrices over raw arrays (stacks allowed)."""

from __future__ import annotations

from typing import Any

import numpy as np

ndarray = np.ndarray


def det(x: ndarray) -> Any:
    """Determinants."""
    return np.linalg.det(x)


def cofactors(x: ndarray) -> ndarray:
    """det(x) times the inverse transposed, by way of singular values: singular x included."""
    u, s, vh = np.linalg.svd(x)
    n = s.shape[-1]
    others = np.ones_like(s)
    for k in range(n):
        rest = [j for j in range(n) if j != k]
        others[..., k] = np.multiply.reduce(s[..., rest], -1)
    unit = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    return unit * np.matmul(np.conj(u) * others[..., None, :], np.conj(vh))


def solve(x: ndarray, y: ndarray, vector: bool) -> ndarray:
    """The solution of x @ s = y, where y holds matrices or (`vector`) one vector per matrix."""
    return np.linalg.solve(x, y[..., None])[..., 0] if vector else np.linalg.solve(x, y)


def qr(x: ndarray) -> tuple[ndarray, ndarray]:
    """The reduced factors."""
    q, r = np.linalg.qr(x)
    return q, r


def eigh(x: ndarray, upper: bool) -> tuple[ndarray, ndarray]:
    """Eigenvalues in ascending order and eigenvectors of the given triangle's matrix."""
    values, vectors = np.linalg.eigh(x, "U" if upper else "L")
    return values, vectors


def eig(x: ndarray) -> tuple[ndarray, ndarray]:
    """Complex eigenvalues and eigenvectors of length 1."""
    values, vectors = np.linalg.eig(x)
    d = np.result_type(x.dtype, np.complex64)
    return values.astype(d, copy=False), vectors.astype(d, copy=False)


def svd(x: ndarray, full: bool) -> tuple[ndarray, ndarray, ndarray]:
    """U, S and the adjoint of V."""
    u, s, vh = np.linalg.svd(x, full)
    return u, s, vh


def pinv(x: ndarray, atol: Any, rtol: Any) -> ndarray:
    """The Moore-Penrose inverse; singular values below the tolerances count as 0."""
    u, s, vh = np.linalg.svd(x, False)
    keep = s > limit(s, x.shape, atol, rtol)
    inverse = np.where(keep, 1 / np.where(keep, s, 1), 0).astype(s.dtype)
    return np.matmul(
        np.conj(vh).swapaxes(-1, -2) * inverse[..., None, :], np.conj(u).swapaxes(-1, -2)
    )


def limit(s: ndarray, shape: tuple, atol: Any, rtol: Any) -> Any:
    """Below which a singular value counts as 0."""
    if rtol is None:
        rtol = 0.0 if atol is not None and np.all(atol) else max(shape[-2:]) * np.finfo(s.dtype).eps
    top = s.max(-1, keepdims=True, initial=0)
    return np.maximum(0.0 if atol is None else atol, rtol * top)


# The diagonal Pade approximant of degree 13 and the norm up to which it is exact in double
# precision: N. Higham, "The scaling and squaring method for the matrix exponential revisited",
# SIAM J. Matrix Anal. Appl. 26 (2005), table 2.3.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
    129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0,
    960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_REACH = 5.371920351148152


def matrix_exp(x: ndarray) -> ndarray:
    """exp of square matrices: scale down, approximate, square back."""
    if x.size == 0:
        return x.copy()
    d = x.dtype
    a = x.astype(np.complex128 if d.kind == "c" else np.float64)
    norm = np.abs(a).sum(-2).max()
    if not np.isfinite(norm):
        return np.full_like(x, np.nan)
    squarings = max(0, int(np.ceil(np.log2(norm / _REACH)))) if norm > 0 else 0
    a = a / 2.0**squarings
    eye = np.eye(a.shape[-1])
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a2 @ a4
    b = _PADE
    odd = a @ (
        a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * eye
    )
    even = (
        a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * eye
    )
    out = np.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        out = out @ out
    return out.astype(d)
