"""Variance, standard deviation, covariance and correlation."""

from __future__ import annotations

import warnings
from typing import Any

from ..core.batching import along
from ..core.define import primitive
from ..core.dual import innermost
from ..core.op import TENSORS as T
from ..core.registry import numpy_names, public
from ..core.tensor import Tensor
from ..kernels import reduce as k
from .reduce import Dims, cast, checked, counted, dims_of


def _twice_over(shape: tuple, dim: Any, correction: float) -> float:
    """2 / (n - correction), inf where that is not positive."""
    free = counted(shape, dim) - correction
    return 2.0 / free if free > 0 else float("inf")


def _var_cotangent(
    xp: Any, g: Any, x: Any, x_spec: Any, dim: Any, correction: float, keepdim: bool
) -> Any:
    """2 g (x - mean) / (n - correction), without conjugation inside (see core/op)."""
    away = x - xp.mean(x, dim, True)
    if x_spec.dtype.is_complex:
        away = xp.conj(away)
    return (
        xp.spread(g * _twice_over(x_spec.shape, dim, correction), dim, keepdim, x_spec.shape) * away
    )


def _per_std(g: Any, out: Any) -> Any:
    """g / (2 std), and 0 where the deviation is 0."""
    flat = out == 0
    return g / (2 * (out + flat)) * ~flat


def _std_cotangent(
    xp: Any, g: Any, x: Any, out: Any, x_spec: Any, dim: Any, correction: float, keepdim: bool
) -> Any:
    return _var_cotangent(xp, _per_std(g, out), x, x_spec, dim, correction, keepdim)


def _var_tangent(xp: Any, x: Any, t: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    scale = _twice_over(x.shape, dim, correction)
    away = x - xp.mean(x, dim, True)
    if x.dtype.is_complex:
        return xp.sum(xp.real_part(xp.conj(away) * t), dim, keepdim) * scale
    return xp.sum(away * t, dim, keepdim) * scale


def _mean_cotangent(xp: Any, g: Any, x_spec: Any, dim: Any, keepdim: bool) -> Any:
    return xp.spread(g / counted(x_spec.shape, dim), dim, keepdim, x_spec.shape)


_var = primitive(
    "opaque", "var(x, *, dim, correction, keepdim)", k.var, x=_var_cotangent,
    jvp=lambda xp, xs, ts, out, params: _var_tangent(xp, xs[0], ts[0], *params),
    batch=along("dim"),
)  # fmt: skip

_std = primitive(
    "opaque", "std(x, *, dim, correction, keepdim)", k.std, x=_std_cotangent,
    jvp=lambda xp, xs, ts, out, params: _per_std(_var_tangent(xp, xs[0], ts[0], *params), out),
    batch=along("dim"),
)  # fmt: skip


def _var_mean_rule(
    xp: Any, g: Any, x: Any, x_spec: Any, dim: Any, correction: float, keepdim: bool
) -> Any:
    gv, gm = g
    cv = None if gv is None else _var_cotangent(xp, gv, x, x_spec, dim, correction, keepdim)
    cm = None if gm is None else _mean_cotangent(xp, gm, x_spec, dim, keepdim)
    return cm if cv is None else cv if cm is None else cv + cm


def _std_mean_rule(
    xp: Any, g: Any, x: Any, out: Any, x_spec: Any, dim: Any, correction: float, keepdim: bool
) -> Any:
    gs, gm = g
    gv = None if gs is None else _per_std(gs, out[0])
    return _var_mean_rule(xp, (gv, gm), x, x_spec, dim, correction, keepdim)


def _var_mean_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    dim, _, keepdim = params
    return _var_tangent(xp, xs[0], ts[0], *params), xp.mean(ts[0], dim, keepdim)


def _std_mean_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    v, m = _var_mean_jvp(xp, xs, ts, out, params)
    return _per_std(v, out[0]), m


_var_mean = primitive(
    "opaque", "var_mean(x, *, dim, correction, keepdim)", k.var_mean, outputs=2,
    x=_var_mean_rule, jvp=_var_mean_jvp, batch=along("dim"),
)  # fmt: skip

_std_mean = primitive(
    "opaque", "std_mean(x, *, dim, correction, keepdim)", k.std_mean, outputs=2, parts=(0,),
    x=_std_mean_rule, jvp=_std_mean_jvp, batch=along("dim"),
)  # fmt: skip


def _moment(
    call: Any, name: str, input: Tensor, dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> Any:
    """Sort out the three forms that these functions have, and run one."""
    if dim is True or dim is False:
        dim, unbiased = None, dim
    if unbiased is not None:
        if correction is not None:
            raise TypeError(f"{name}() takes unbiased or correction, not both")
        correction = 1 if unbiased else 0
    elif correction is None:
        correction = 1
    s = checked(input, name)._spec
    if s.dtype.category < 2:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    dims = dims_of(dim, s.ndim)
    if counted(s.shape, dims) - correction <= 0:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction factor (input numel divided by output numel).",
            UserWarning,
            stacklevel=4,
        )
    return call(input, dims, correction, keepdim)


@public("torch", "Tensor", out=True)
@numpy_names
def var(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, ddof: float | None = None,
) -> Tensor:  # fmt: skip
    """Return the variance over some dims or all: squared distances over n - correction (default 1).

    `unbiased=False` is PyTorch's old way to say correction=0, `ddof` NumPy's name of correction.
    Warns, and gives NaN or inf, where n - correction is not positive. Real for complex input.

    >>> import wengert as torch
    >>> torch.tensor([1., 2., 4.]).var(correction=0)
    tensor(1.5556)
    """
    return _moment(_var, "var", input, dim, unbiased, keepdim, correction if ddof is None else ddof)


@public("torch", "Tensor", out=True)
@numpy_names
def std(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, ddof: float | None = None,
) -> Tensor:  # fmt: skip
    """Return the standard deviation over some dims or all; the arguments are those of `var`.

    >>> import wengert as torch
    >>> torch.tensor([1., 2., 4.]).std()
    tensor(1.5275)
    """
    return _moment(_std, "std", input, dim, unbiased, keepdim, correction if ddof is None else ddof)


@public("torch")
@numpy_names
def var_mean(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return variance and mean over some dims or all.

    >>> import wengert as torch
    >>> torch.var_mean(torch.tensor([1., 2., 3.]))
    (tensor(1.), tensor(2.))
    """
    return _moment(_var_mean, "var_mean", input, dim, unbiased, keepdim, correction)


@public("torch")
@numpy_names
def std_mean(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return standard deviation and mean over some dims or all.

    >>> import wengert as torch
    >>> torch.std_mean(torch.tensor([1., 2., 3.]))
    (tensor(1.), tensor(2.))
    """
    return _moment(_std_mean, "std_mean", input, dim, unbiased, keepdim, correction)


# ------------------------------------------------------------------- covariance
@public("torch", "Tensor")
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the covariance matrix of variables in rows, observations in columns.

    `fweights` say how often each observation came, `aweights` how much it counts.

    >>> import wengert as torch
    >>> torch.tensor([[0., 1., 2.], [2., 1., 0.]]).cov()
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    s = checked(input, "cov")._spec
    if s.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{s.ndim} dimensions"
        )
    if s.dtype.category == 0:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = T.reshape(input, (1, -1)) if s.ndim < 2 else input
    if s.dtype.category < 2:
        from ..core.promote import float_dtype

        x = cast(x, float_dtype(s.dtype))
    n = x.shape[1]
    w = None
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is None:
            continue
        if weights.ndim > 1 or weights.numel() != n:
            raise RuntimeError(
                f"cov(): expected {name} to have one element per observation: {n}, but got a "
                f"tensor of shape {list(weights.shape)}"
            )
        if (innermost(weights) < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")
        w = weights if w is None else w * weights
    if w is None:
        total: Any = n
        mean = T.mean(x, (1,), True)
        free: Any = n - correction
    else:
        total = w.sum()
        mean = T.sum(x * w, (1,), True) / total
        if aweights is None or correction == 0:
            free = total - correction
        else:
            free = total - correction * (w * aweights).sum() / total
    if w is not None and not free._spec.plain:
        free = free.clamp(min=0)
    elif (free if w is None else float(free.detach())) <= 0:
        warnings.warn("cov(): degrees of freedom is <= 0", UserWarning, stacklevel=2)
        free = 0 if w is None else free * 0
    away = x - mean
    other = away if w is None else away * w
    if s.dtype.is_complex:
        other = T.conj(other)
    out = T.mm_nt(away, other)
    out = out / free if w is not None or free else out * float("nan")
    return T.squeeze(out, None)


@public("torch", "Tensor")
def corrcoef(input: Tensor) -> Tensor:
    """Return the matrix of Pearson's correlation coefficients of variables in rows.

    >>> import wengert as torch
    >>> torch.tensor([[0., 1., 2.], [2., 1., 0.]]).corrcoef()
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if checked(input, "corrcoef")._spec.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input._spec.ndim} dimensions"
        )
    c = cov(input)
    if c.ndim == 0:
        return c / c
    d = T.diagonal(c, 0, 0, 1)
    if c.dtype.is_complex:
        d = T.real_part(d)
    deviation = d.sqrt()
    c = c / T.unsqueeze(deviation, 1) / T.unsqueeze(deviation, 0)
    if c.dtype.is_complex:
        return c
    return c.clamp(-1, 1)
