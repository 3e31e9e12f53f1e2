"""The Jacobians that gradcheck compares: by differences, by reverse mode, by forward mode.

A Jacobian is a matrix with a row per input element and a column per output element. A complex
output is two real functions, its parts. The gradient of a real function L with respect to a
complex z is dL/dRe z + i dL/dIm z, so a complex input has one (complex) row per element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.tensor import Tensor, wrap
from .run import grad

_SEED = 3407  # the projections of fast mode are the same in every run


class Column(NamedTuple):
    """A Jacobian by reverse mode, and the dtype that its gradients had (None if none arrived)."""

    matrix: np.ndarray
    dtype: Any


def parts_of(dtype: Any) -> list[tuple[str, str]]:
    """The real functions that an output stands for, and how a message about each begins."""
    if not dtype.is_complex:
        return [("", "")]
    return [
        (part, f"While considering the {word} part of complex outputs only, ")
        for part, word in (("imag", "imaginary"), ("real", "real"))
    ]


def take(a: np.ndarray, part: str) -> np.ndarray:
    """The part of a value that is considered."""
    return getattr(a, part) if part else a


def random_like(shape: tuple, k: int) -> np.ndarray:
    """Uniform numbers in [0, 1), always the same for one shape and k."""
    return np.random.default_rng((_SEED, k)).random(shape)


def unit_like(a: np.ndarray, k: int) -> np.ndarray:
    """A random direction of length 1, complex for a complex array."""
    u = random_like(a.shape, k + 10)
    if a.dtype.kind == "c":
        u = u + 1j * random_like(a.shape, k + 11)
    length = np.sqrt((np.abs(u) ** 2).sum())
    return u / length if length else u


def close(a: Any, b: Any, rtol: float, atol: float) -> bool:
    """True if |a - b| <= atol + rtol |b| everywhere; NaN is close to nothing."""
    return bool(np.all(np.abs(np.asarray(a) - b) <= atol + rtol * np.abs(b)))


def contract(row: np.ndarray, u: np.ndarray) -> np.floating:
    """The directional derivative: the gradient's real inner product with a direction."""
    return (row.conj() * u.reshape(-1)).real.sum()


def _difference(values: Callable, x: np.ndarray, index: tuple, step: complex) -> list[np.ndarray]:
    """Central differences of all outputs for one element."""
    before = x[index]
    try:
        x[index] = before + step
        above = values()
        x[index] = before - step
        below = values()
    finally:
        x[index] = before
    for a, b in zip(above, below, strict=True):
        for what in ("dtype", "shape"):
            one, other = getattr(wrap(a), what), getattr(wrap(b), what)
            if one != other:
                raise AssertionError(
                    f"Expected `func` to return outputs with the same {what} when inputs are "
                    f"perturbed on index {index} by {np.abs(step)}, but got: {what}s {one} and "
                    f"{other}."
                )
    return [(a - b) / (2 * np.abs(step)) for a, b in zip(above, below, strict=True)]


def numerical(
    values: Callable, x: np.ndarray, eps: float, j: int | None = None, part: str = ""
) -> list[np.ndarray]:
    """Jacobians by differences: of output j, or of all outputs, with respect to `x`.

    `values()` evaluates the function; `x` is varied in place and restored.
    """
    rows: list[list[np.ndarray]] = []
    for index in np.ndindex(x.shape):
        found = _difference(values, x, index, eps)
        along_imag = _difference(values, x, index, eps * 1j) if x.dtype.kind == "c" else None
        chosen = range(len(found)) if j is None else [j]
        row = []
        for k in chosen:
            d = take(found[k], part).reshape(-1)
            if along_imag is not None:
                d = d + 1j * take(along_imag[k], part).reshape(-1)
            row.append(d)
        rows.append(row)
    if not rows:
        outs = values()
        chosen = range(len(outs)) if j is None else [j]
        return [np.zeros((0, outs[k].size), x.dtype) for k in chosen]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def slope_along(
    values: Callable, x: np.ndarray, u: np.ndarray, eps: float, j: int, part: str, v: np.ndarray
) -> np.floating:
    """v times the directional derivative of output j along the unit direction u."""
    before = x.copy()
    try:
        x[...] = before + eps * u
        above = values()[j]
        x[...] = before - eps * u
        below = values()[j]
    finally:
        x[...] = before
    return (take((above - below) / (2 * eps), part) * v).sum()


def analytical(
    out: Tensor, points: list[Tensor], part: str, cotangents: list[np.ndarray] | None = None
) -> list[Column]:
    """Jacobians by reverse mode, one per point: a column per cotangent (per output element)."""
    shape, dtype = out._array.shape, out._array.dtype
    if cotangents is None:
        cotangents = []
        for k in range(out._array.size):
            unit = np.zeros(out._array.size, dtype.type().real.dtype)
            unit[k] = 1
            cotangents.append(unit.reshape(shape))
    columns: list[list[np.ndarray]] = [[] for _ in points]
    dtypes: list[Any] = [None] * len(points)
    for v in cotangents:
        g = wrap((v * (1j if part == "imag" else 1)).astype(dtype))
        found = grad(out, points, g, retain_graph=True, allow_unused=True)
        for i, (t, d) in enumerate(zip(points, found, strict=True)):
            if d is None:
                columns[i].append(np.zeros(t._array.size, t._array.dtype))
            else:
                dtypes[i] = d._array.dtype
                columns[i].append(d._array.reshape(-1))
    return [
        Column(np.stack(c, 1) if c else np.zeros((t._array.size, 0), t._array.dtype), d)
        for c, d, t in zip(columns, dtypes, points, strict=True)
    ]


def push(check: Any, i: int, tangent: np.ndarray) -> list[np.ndarray]:
    """The tangents of all outputs for a tangent of the i-th point, the others' being zero."""
    zeros = [wrap(np.zeros_like(t._array)) for t in check.points]
    zeros[i] = wrap(tangent.astype(zeros[i]._array.dtype))
    return push_all(check, zeros)


def push_all(check: Any, tangents: Sequence[Tensor | None]) -> list[np.ndarray]:
    """The tangents of all outputs for tangents of all points (None: a point without one)."""
    from . import forward_ad

    args = list(check.inputs)
    with forward_ad.dual_level():
        for k, t, tangent in zip(check.where, check.points, tangents, strict=True):
            args[k] = t.detach() if tangent is None else forward_ad.make_dual(t.detach(), tangent)
        result = check.func(*args)
        results = result if isinstance(result, tuple | list) else (result,)
        floats = [r for r in results if r.dtype.is_floating_point or r.dtype.is_complex]
        found = []
        for k in check.with_history:
            value, slope = forward_ad.unpack_dual(floats[k])
            array = value._array
            if (
                slope is not None
                and check.check_tangent_dtypes
                and slope.dtype.is_complex != value.dtype.is_complex
            ):
                raise check.error("Forward AD gradient has dtype mismatch.")
            found.append(np.zeros(array.shape, array.dtype) if slope is None else slope._array)
    return found


def forward(check: Any, i: int, j: int, part: str) -> np.ndarray:
    """The Jacobian of output j with respect to the i-th point by forward mode."""
    x = check.points[i]._array
    rows = []
    for index in np.ndindex(x.shape):
        unit = np.zeros(x.shape, x.dtype)
        unit[index] = 1
        row = take(push(check, i, unit)[j], part).reshape(-1)
        if x.dtype.kind == "c":
            unit[index] = 1j
            row = row + 1j * take(push(check, i, unit)[j], part).reshape(-1)
        rows.append(row)
    if not rows:
        return np.zeros((0, check.outputs[j]._array.size), x.dtype)
    return np.stack(rows)
