"""Running sums, products and extremes, differences, and the trapezoidal rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import return_types as rt
from ..core.batching import along, unchanged
from ..core.define import plain, primitive
from ..core.op import TENSORS as T
from ..core.registry import numpy_names, public
from ..core.tensor import Tensor, as_tensor_arg
from ..kernels import scan as k
from ..kernels.dims import wrap_dim
from .extreme import picking
from .reduce import cast, checked, in_dtype

INT64_BELOW = 2  # dtypes of a lower category (bool, integers) run in int64


# ------------------------------------------------------------------- sums
_cumsum = primitive(
    "linear", "cumsum(x, *, dim)", k.cumsum,
    x=lambda xp, g, dim: xp.flip(xp.cumsum(xp.flip(g, (dim,)), dim), (dim,)) if g.ndim else g,
    batch=along("dim"),
)  # fmt: skip


@public("torch", "Tensor", inplace=True, out=True)
@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Return the running sums along a dim; integers and bool add up in int64.

    >>> import wengert as torch
    >>> torch.tensor([1., 2., 3.]).cumsum(0)
    tensor([1., 3., 6.])
    """
    checked(input, "cumsum")
    if dtype is not None:
        input = cast(input, dtype)
    return in_dtype(_cumsum(input, wrap_dim(dim, input._spec.ndim)), dtype)


# ------------------------------------------------------------------- products
def backward_recurrence(xp: Any, a: Any, b: Any, dim: int) -> Any:
    """Solve s[i] = b[i] + a[i] s[i+1] from the end (the last a is not used), in log n steps.

    Each step doubles the number of terms that every s[i] has gathered (Hillis and Steele's scan
    of the affine maps): sums and products of cotangents only, so any derivative follows.
    """
    n = b.shape[dim]
    d = 1
    while d < n:
        head = xp.narrow(a, dim, 0, n - d)
        more = xp.narrow(b, dim, 0, n - d) + head * xp.narrow(b, dim, d, n - d)
        b = xp.cat([more, xp.narrow(b, dim, n - d, d)], dim)
        if 2 * d < n:
            a = xp.cat([head * xp.narrow(a, dim, d, n - d), xp.narrow(a, dim, n - d, d)], dim)
        d *= 2
    return b


def _cumprod_rule(xp: Any, g: Any, x: Any, out: Any, dim: int) -> Any:
    # x[i] gets (product before i) * s[i], with s[i] = g[i] + x[i+1] s[i+1]: no division, so
    # zeros need no care
    n = x.shape[dim] if x.ndim else 0
    if n < 2:
        return g
    ahead = xp.cat([xp.narrow(x, dim, 1, n - 1), xp.narrow(x, dim, n - 1, 1)], dim)
    s = backward_recurrence(xp, ahead, g, dim)
    one = xp.narrow(xp.new_zeros(x, x.shape), dim, 0, 1) + 1
    return s * xp.cat([one, xp.narrow(out, dim, 0, n - 1)], dim)


def _forward_sums(xp: Any, x: Any, t: Any, out: Any, dim: int) -> Any:
    # the tangent of running products: d out[i] = x[i] d out[i-1] + out[i-1] t[i], run backwards
    n = x.shape[dim] if x.ndim else 0
    if n < 2:
        return t
    one = xp.narrow(xp.new_zeros(x, x.shape), dim, 0, 1) + 1
    b = t * xp.cat([one, xp.narrow(out, dim, 0, n - 1)], dim)
    flipped = backward_recurrence(xp, xp.flip(x, (dim,)), xp.flip(b, (dim,)), dim)
    return xp.flip(flipped, (dim,))


_cumprod = primitive(
    "opaque", "cumprod(x, *, dim)", k.cumprod, x=_cumprod_rule,
    jvp=lambda xp, xs, ts, out, params: _forward_sums(xp, xs[0], ts[0], out, *params),
    batch=along("dim"),
)  # fmt: skip


@public("torch", "Tensor", inplace=True, out=True)
@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Return the running products along a dim; integers and bool multiply in int64.

    The gradient is right with zeros among the elements.

    >>> import wengert as torch
    >>> torch.tensor([1., 2., 3.]).cumprod(0)
    tensor([1., 2., 6.])
    """
    checked(input, "cumprod")
    if dtype is not None:
        input = cast(input, dtype)
    return in_dtype(_cumprod(input, wrap_dim(dim, input._spec.ndim)), dtype)


# ------------------------------------------------------------------- log-sum-exp
def _finite(xp: Any, out: Any) -> Any:
    """Replace log(0) by a number so low that its differences still exponentiate to 0."""
    low = -1e30 if str(out.dtype).removeprefix("torch.") in ("float64", "float32") else -3e4
    return xp.where(out == -np.inf, low + xp.new_zeros(out, ()), out)


def _logcumsumexp_rule(xp: Any, g: Any, x: Any, out: Any, dim: int) -> Any:
    # x[i] gets exp(x[i] - out[i]) t[i], with t[i] = g[i] + exp(out[i] - out[i+1]) t[i+1]: every
    # factor is at most 1
    n = x.shape[dim] if x.ndim else 0
    if n == 0:
        return g
    o = _finite(xp, out)
    ahead = xp.cat([xp.narrow(o, dim, 1, n - 1), xp.narrow(o, dim, n - 1, 1)], dim)
    return backward_recurrence(xp, xp.exp(o - ahead), g, dim) * xp.exp(x - o)


def _logcumsumexp_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    (x,), (t,), (dim,) = xs, ts, params
    n = x.shape[dim] if x.ndim else 0
    if n == 0:
        return t
    o = _finite(xp, out)
    before = xp.cat([xp.narrow(o, dim, 0, 1), xp.narrow(o, dim, 0, n - 1)], dim)
    a, b = xp.flip(xp.exp(before - o), (dim,)), xp.flip(xp.exp(x - o) * t, (dim,))
    return xp.flip(backward_recurrence(xp, a, b, dim), (dim,))


_logcumsumexp = primitive(
    "opaque", "logcumsumexp(x, *, dim)", k.logcumsumexp, x=_logcumsumexp_rule,
    jvp=_logcumsumexp_jvp, batch=along("dim"),
)  # fmt: skip


@public("torch", "Tensor", out=True)
@numpy_names
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Return the running log(sum(exp)) along a dim, computed without overflow.

    >>> import wengert as torch
    >>> torch.tensor([0., 0., 0.]).logcumsumexp(0)
    tensor([0.0000, 0.6931, 1.0986])
    """
    s = checked(input, "logcumsumexp")._spec
    if s.dtype.category < INT64_BELOW:
        raise NotImplementedError(
            f"\"logcumsumexp_out_cpu\" not implemented for '{s.dtype.scalar_name}'"
        )
    return _logcumsumexp(input, wrap_dim(dim, s.ndim))


# ------------------------------------------------------------------- extremes
_cummax_at = plain("cummax_at(x, *, dim)", k.cummax, promote=None, batch=along("dim"))
_cummin_at = plain("cummin_at(x, *, dim)", k.cummin, promote=None, batch=along("dim"))
pick_cummax = picking("pick_cummax", "CummaxBackward0")
pick_cummin = picking("pick_cummin", "CumminBackward0")


@public("torch", "Tensor", out=True)
@numpy_names
def cummax(input: Tensor, dim: int) -> Any:
    """Return the running largest elements along a dim, and where each was last found.

    >>> import wengert as torch
    >>> torch.tensor([1., 3., 2.]).cummax(0)
    torch.return_types.cummax(
    values=tensor([1., 3., 3.]),
    indices=tensor([0, 1, 1]))
    """
    dim = wrap_dim(dim, checked(input, "cummax")._spec.ndim)
    at = _cummax_at(input, dim)
    return rt.make(rt.cummax, pick_cummax(input, at, dim, True), at)


@public("torch", "Tensor", out=True)
@numpy_names
def cummin(input: Tensor, dim: int) -> Any:
    """Return the running smallest elements along a dim, and where each was last found.

    >>> import wengert as torch
    >>> torch.tensor([3., 1., 2.]).cummin(0).values
    tensor([3., 1., 1.])
    """
    dim = wrap_dim(dim, checked(input, "cummin")._spec.ndim)
    at = _cummin_at(input, dim)
    return rt.make(rt.cummin, pick_cummin(input, at, dim, True), at)


# ------------------------------------------------------------------- differences
@public("torch", "Tensor", out=True)
@numpy_names
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the n-th differences of neighbours along a dim (exclusive or for bool).

    `prepend` and `append` are put at the ends first.

    >>> import wengert as torch
    >>> torch.tensor([1., 4., 9.]).diff()
    tensor([3., 5.])
    """
    s = checked(input, "diff")._spec
    if s.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap_dim(dim, s.ndim)
    ends = [t for t in (prepend, append) if t is not None]
    if any(t.ndim != s.ndim for t in ends):
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    if ends:
        parts = [t for t in (prepend, input, append) if t is not None]
        input = T.cat(parts, dim)
    length = input.shape[dim]
    for _ in range(min(n, length)):
        length -= 1
        above, below = T.narrow(input, dim, 1, length), T.narrow(input, dim, 0, length)
        input = T.logical_xor(above, below) if s.dtype.category == 0 else above - below
    return input if n else input.clone()


# ------------------------------------------------------------------- trapezoids
# PyTorch multiplies and divides by plain numbers here in C++, where nodes have names of their own
_scaled = primitive(
    "linear", "scaled(x, *, number)", lambda x, number: x * number,
    x=lambda g, number: g * number, node="MulBackward1", batch=unchanged,
)  # fmt: skip
_halved = primitive(
    "linear", "halved(x)", lambda x: x * 0.5, x=lambda g: g * 0.5, node="DivBackward1",
    batch=unchanged,
)  # fmt: skip


def _times(x: Tensor, number: Any) -> Tensor:
    plain = x._spec.dtype.category >= INT64_BELOW and isinstance(number, (int, float))
    return _scaled(x, number) if plain else x * number


def _half(x: Tensor) -> Tensor:
    return _halved(x) if x._spec.dtype.category >= INT64_BELOW else x / 2


def _steps(caller: str, y: Tensor, x: Any, dx: Any, dim: int) -> tuple[Tensor, Any, int]:
    """Return the sums of neighbouring y, the widths between them, and the dim."""
    if x is not None and dx is not None:
        raise TypeError(f"{caller}() takes the sample points x or their distance dx, not both")
    s = checked(y, caller, "y")._spec
    if s.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, s.ndim)
    n = s.shape[dim]
    if x is None:
        width: Any = 1 if dx is None else dx
    else:
        x = as_tensor_arg(x)
        if x.ndim == 0:
            raise IndexError("Dimension specified as 0 but tensor has no dimensions")
        if x.ndim == 1:
            x = T.reshape(x, tuple([-1 if d == dim else 1 for d in range(s.ndim)]))
        at = dim - s.ndim + x.ndim
        if at < 0 or x.shape[at] != n:
            raise RuntimeError(f"{caller}: There must be one `x` value for each sample point")
        m = max(n - 1, 0)
        width = T.narrow(x, at, min(1, n), m) - T.narrow(x, at, 0, m)
    m = max(n - 1, 0)
    pairs = T.narrow(y, dim, min(1, n), m) + T.narrow(y, dim, 0, m)
    return pairs, width, dim


@public("torch")
def trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """Return the integral of samples along a dim by the trapezoidal rule.

    `x` are the sample points (1-d, or with the dims of y), `dx` their distance (default 1).

    >>> import wengert as torch
    >>> torch.trapezoid(torch.tensor([1., 5., 10.]))
    tensor(10.5000)
    """
    pairs, width, dim = _steps("trapezoid", y, x, dx, dim)
    if x is None:
        return _times(T.sum(pairs, (dim,), False), width / 2)
    return _half(T.sum(pairs * width, (dim,), False))


public("torch", name="trapz")(trapezoid)


@public("torch")
def cumulative_trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """Return the running integral of samples along a dim by the trapezoidal rule.

    >>> import wengert as torch
    >>> torch.cumulative_trapezoid(torch.tensor([1., 5., 10.]))
    tensor([ 3.0000, 10.5000])
    """
    pairs, width, dim = _steps("cumulative_trapezoid", y, x, dx, dim)
    if x is None:
        return cumsum(pairs * (width / 2), dim)
    return _half(cumsum(pairs * width, dim))
