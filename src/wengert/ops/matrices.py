"""What the rows of inverses and factorisations share: checks, adjoints, spectral gaps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.define import utility
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
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
def mt(xp: Any, x: Any) -> Any:
    """Transpose the last two dims."""
    return xp.transpose(x, x.ndim - 2, x.ndim - 1)


def conj(xp: Any, x: Any, spec: Any) -> Any:
    """Conjugate where the op is complex."""
    return xp.conj(x) if spec.dtype.is_complex else x


def mh(xp: Any, x: Any, spec: Any) -> Any:
    """The adjoint."""
    return conj(xp, mt(xp, x), spec)


def gaps(xp: Any, values: Any) -> Any:
    """values[j] - values[i], with 1 on the diagonal so that it can be divided by."""
    n = values.ndim
    away = xp.unsqueeze(values, n - 1) - xp.unsqueeze(values, n)
    return away + xp.eye_like(away)


def off_diagonal(xp: Any, x: Any) -> Any:
    """x with zeros on the diagonal."""
    return x * (1 - xp.eye_like(x))


# ------------------------------------------------------------------- arguments
def matrices(A: Any, caller: str, square: bool = True) -> Any:
    """Return A if it holds (square) matrices of a floating-point or complex dtype with LAPACK."""
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


def expand_to(x: Tensor, lead: tuple) -> Tensor:
    """Expand the leading dims of a stack of matrices."""
    full = lead + tuple(x.shape)[-2:]
    return x if tuple(x.shape) == full else T.expand(x, full)
