"""`check_grads`: derivatives of any order, forward and reverse, against differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..core.tree import flatten, unflatten
from ..func import jvp, vjp

_STEP = {8: 1e-3, 4: 2e-2, 2: 0.1}  # by bytes of a real number
_TOLERANCE = {8: 1e-7, 4: 2e-3, 2: 5e-2}
_SEED = 271828  # the directions are the same in every run


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    modes: str | Sequence[str] = ("fwd", "rev"),
    *,
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Raise AssertionError unless the derivatives of f(*args) up to `order` agree with differences.

    Arguments and results are tensors in any containers; what is not floating point is constant. With
    h = eps along a random unit direction t, the differences are
    (8 f(x + ht) - 8 f(x - ht) - f(x + 2ht) + f(x - 2ht)) / 12h = f'(x) t + O(h^4).
    "fwd" compares them with the jvp, "rev" their product with a random cotangent with that of the
    vjp. Derivatives of order n are checked in every composition of the modes: fwd over fwd, fwd over
    rev, ..., as the first derivatives of those of order n - 1.

    order       the highest order, at least 1
    modes       "fwd", "rev" or both
    atol, rtol  |a - b| <= atol + rtol |b|; both 1e-7 for float64, 2e-3 for float32
    eps         the step; 1e-3 for float64, 2e-2 for float32

    ValueError for an order, mode or arguments that leave nothing to check.

    >>> import wengert as torch
    >>> from wengert.testing import check_grads
    >>> x = torch.tensor([0.3, 0.7], dtype=torch.float64)
    >>> check_grads(lambda x: (x.sin() * x.sum()).exp(), (x,), order=3)
    """
    given = (modes,) if isinstance(modes, str) else tuple(modes)
    if not given or any(m not in ("fwd", "rev") for m in given):
        raise ValueError(f"check_grads: modes must be 'fwd', 'rev' or both, not {modes!r}")
    if order < 1:
        raise ValueError(f"check_grads: order must be at least 1, not {order}")
    leaves, structure = flatten(tuple(args))
    where = [k for k, t in enumerate(leaves) if _varies(t)]
    if not where:
        raise ValueError("check_grads: no argument is a tensor of a floating point dtype")

    def inner(*xs: Tensor) -> tuple[Tensor, ...]:
        full = list(leaves)
        for k, x in zip(where, xs, strict=True):
            full[k] = x
        results, _ = flatten(f(*unflatten(full, structure)))
        return tuple(r for r in results if _varies(r))

    xs = tuple(leaves[k].detach() for k in where)
    size = min(x.dtype.itemsize // (2 if x.dtype.is_complex else 1) for x in xs)
    check = _Check(
        _STEP[size] if eps is None else eps,
        _TOLERANCE[size] if rtol is None else rtol,
        _TOLERANCE[size] if atol is None else atol,
        given,
    )
    check.run(inner, xs, order, ())


def _varies(t: Any) -> bool:
    return isinstance(t, Tensor) and (t.dtype.is_floating_point or t.dtype.is_complex)


class _Check:
    """The step, the tolerances and the modes; the random directions."""

    def __init__(self, eps: float, rtol: float, atol: float, modes: tuple[str, ...]) -> None:
        self.eps, self.rtol, self.atol, self.modes = eps, rtol, atol, modes
        self.random = np.random.default_rng(_SEED)

    def run(self, f: Callable, xs: tuple[Tensor, ...], order: int, path: tuple[str, ...]) -> None:
        """Check the first derivatives of `f`, then those of its derivatives; `path` says what f is."""
        ts = self.direction(xs)
        slopes = self.differences(f, xs, ts)
        vs = self.direction(slopes)
        if "fwd" in self.modes:
            self.forward(f, xs, ts, slopes, ("fwd", *path))
            if order > 1:
                self.run(lambda *x: jvp(f, x, ts)[1], xs, order - 1, ("fwd", *path))
        if "rev" in self.modes:
            self.reverse(f, xs, ts, vs, slopes, ("rev", *path))
            if order > 1:
                self.run(lambda *x: vjp(f, *x)[1](vs), xs, order - 1, ("rev", *path))

    def direction(self, xs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Random tensors of the shapes and dtypes of `xs` that together have length 1."""
        arrays = []
        for x in xs:
            a = self.random.standard_normal(tuple(x.shape))
            if x.dtype.is_complex:
                a = a + 1j * self.random.standard_normal(tuple(x.shape))
            arrays.append(np.asarray(a))
        length = np.sqrt(sum((np.abs(a) ** 2).sum() for a in arrays)) or 1.0
        return tuple(wrap((a / length).astype(x.dtype.np)) for a, x in zip(arrays, xs, strict=True))

    def differences(
        self, f: Callable, xs: tuple[Tensor, ...], ts: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """The directional derivatives of all results, to the fourth order of the step."""
        h = self.eps
        values = [f(*(x + k * h * t for x, t in zip(xs, ts, strict=True))) for k in (-2, -1, 1, 2)]
        return tuple(
            ((8 * (c - b) - (d - a)) / (12 * h)).detach()
            for a, b, c, d in zip(*values, strict=True)
        )

    def forward(
        self, f: Callable, xs: tuple, ts: tuple, slopes: tuple, path: tuple[str, ...]
    ) -> None:
        """Compare the tangents of all results with the differences."""
        for k, (have, want) in enumerate(zip(jvp(f, xs, ts)[1], slopes, strict=True)):
            self.compare(have, want, path, f"the tangent of result {k}")

    def reverse(
        self, f: Callable, xs: tuple, ts: tuple, vs: tuple, slopes: tuple, path: tuple[str, ...]
    ) -> None:
        """Compare (vjp of v) . t with v . (differences along t)."""
        found = vjp(f, *xs)[1](vs)
        self.compare(
            _dot(found, ts), _dot(vs, slopes), path, "the product of the vjp with a tangent"
        )

    def compare(self, have: Any, want: Any, path: tuple[str, ...], what: str) -> None:
        """Raise unless two derivatives are close."""
        a, b = (t._array if isinstance(t, Tensor) else np.asarray(t) for t in (have, want))
        off = np.abs(a - b)
        if np.all(off <= self.atol + self.rtol * np.abs(b)):  # False for nan
            return
        raise AssertionError(
            f"check_grads: a derivative of order {len(path)} ({' over '.join(path)}) is wrong: {what} "
            f"differs by {np.max(off):.3g} (allowed: {self.atol:g} + {self.rtol:g} |difference|)\n"
            f"computed:\n{wrap(a)}\nby differences:\n{wrap(b)}"
        )


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """The real inner product: gradients of complex tensors are dL/dRe + i dL/dIm."""
    pairs = zip(a, b, strict=True)
    return float(sum((x._array.conj() * y._array).real.sum() for x, y in pairs))
