"""Softmax and its relatives: rows and public functions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.batching import along, together
from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import softmax as k
from ..kernels.dims import wrap_dim
from ..kernels.dtypes import as_dtype
from ..kernels.random import default_generator
from .checking import check_tensor
from .draws import check_randomness, drawn

T: Any = TENSORS


def _softmax_pull(g: Any, out: Any, dim: int) -> Any:
    """kernels.softmax.softmax_backward over tensors; the Jacobian is symmetric: forward mode too."""
    if out.ndim == 0:
        return g - g
    t = g * out
    return t - out * T.sum(t, (dim,), True)


utility("softmax_pull", k.softmax_backward, _softmax_pull)


def _log_softmax_jvp(xp: Any, xs: tuple, ts: tuple, out: Any, params: tuple) -> Any:
    if out.ndim == 0:
        return ts[0] - ts[0]
    return ts[0] - xp.sum(xp.exp(out) * ts[0], params, True)


softmax_row = primitive(
    "opaque", "softmax(x, *, dim)", k.softmax,
    x=lambda xp, g, out, dim: xp.softmax_pull(g, out, dim),
    jvp=lambda xp, xs, ts, out, params: xp.softmax_pull(ts[0], out, *params), batch=along("dim"),
)  # fmt: skip

log_softmax_row = primitive(
    "opaque", "log_softmax(x, *, dim)", k.log_softmax,
    x=lambda xp, g, out, dim: xp.log_softmax_backward(g, out, dim),
    jvp=_log_softmax_jvp, batch=along("dim"),
)  # fmt: skip


def _out_rule(xp: Any, g: Any, x: Any, y: Any, dim: int) -> Any:
    """How the cotangent of g - exp(y) sum(g) depends on y."""
    if y.ndim == 0:
        return -g * xp.exp(y) * x
    return -g * xp.exp(y) * xp.sum(x, (dim,), True)


def _backward_rule(xp: Any, g: Any, y: Any, dim: int) -> Any:
    """The transpose of g - exp(y) sum(g)."""
    if y.ndim == 0:
        return g - g * xp.exp(y)
    return g - xp.sum(g * xp.exp(y), (dim,), True)


def _backward_jvp(xp: Any, xs: tuple, ts: tuple, out: Any, params: tuple) -> Any:
    (x, y), (tx, ty) = xs, ts
    made = xp.log_softmax_backward(tx, y, *params) if tx is not None else 0.0
    return made if ty is None else made + _out_rule(xp, ty, x, y, *params)


primitive("opaque", "log_softmax_backward(x, y, *, dim)", k.log_softmax_backward,
          x=_backward_rule, y=_out_rule, jvp=_backward_jvp, batch=together("dim"))  # fmt: skip


# ---------------------------------------------------------------- public functions
def _prepared(input: Any, dim: Any, dtype: Any, caller: str) -> tuple[Tensor, int]:
    check_tensor(input, caller)
    if dtype is not None:
        d = as_dtype(dtype)
        if d is not input._spec.dtype:
            input = T.cast(input, d)
    spec = input._spec
    if spec.dtype.category != 2:
        raise NotImplementedError(
            f"\"{caller}_lastdim_kernel_impl\" not implemented for '{spec.dtype.scalar_name}': "
            f"{caller} takes floating-point tensors; pass dtype=torch.float32 to convert"
        )
    return input, wrap_dim(dim, spec.ndim)


def implicit_dim(name: str, ndim: int) -> int:
    """The dim that old code leaves out; warns as PyTorch does."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        UserWarning,
        stacklevel=3,
    )
    return 0 if ndim in (0, 1, 3) else 1


@public("torch", "Tensor", "special", name="softmax", out=True)
def _softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Return exp(x) / sum(exp(x)) along a dim; `dtype` converts the input first.

    >>> import wengert as torch
    >>> torch.softmax(torch.tensor([0., 0.]), 0)
    tensor([0.5000, 0.5000])
    """
    input, dim = _prepared(input, dim, dtype, "softmax")
    return softmax_row(input, dim)


@public("torch", "Tensor", "special", name="log_softmax", out=True)
def _log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Return log(softmax(x)) along a dim, computed without overflow or cancellation.

    >>> import wengert as torch
    >>> torch.log_softmax(torch.tensor([0., 0.]), 0)
    tensor([-0.6931, -0.6931])
    """
    input, dim = _prepared(input, dim, dtype, "log_softmax")
    return log_softmax_row(input, dim)


@public("F")
def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """Return exp(x) / sum(exp(x)) along a dim; `dtype` converts the input first.

    >>> import wengert as torch
    >>> torch.nn.functional.softmax(torch.tensor([[0., 0.]]), dim=1)
    tensor([[0.5000, 0.5000]])
    """
    if dim is None:
        dim = implicit_dim("softmax", input.ndim)
    return _softmax(input, dim, dtype)


@public("F")
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Return log(softmax(x)) along a dim, computed without overflow or cancellation."""
    if dim is None:
        dim = implicit_dim("log_softmax", input.ndim)
    return _log_softmax(input, dim, dtype)


@public("F")
def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """Return softmax(-x) along a dim."""
    if dim is None:
        dim = implicit_dim("softmin", input.ndim)
    return _softmax(T.neg(input), dim, dtype)


@public("F")
def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Draw from a relaxed categorical distribution: softmax((logits + Gumbel noise) / tau).

    With `hard` the result is one-hot, and its gradient that of the relaxed sample. Jang, Gu and
    Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", UserWarning, stacklevel=2)
    check_tensor(logits, "gumbel_softmax", "logits")
    shape, d = tuple(logits.shape), logits._spec.np
    check_randomness()
    noise = drawn(shape, lambda whole: default_generator().exponential(whole, 1.0, d))
    soft = _softmax((logits + -T.log(noise)) / tau, dim)
    if not hard:
        return soft
    if not shape:
        one_hot: Any = wrap(np.ones((), d))
    else:
        at = wrap_dim(dim, len(shape))
        numbers = np.arange(shape[at]).reshape([-1 if k == at else 1 for k in range(len(shape))])
        one_hot = T.cast(T.eq(T.argmax(soft, at, True), wrap(numbers)), soft._spec.dtype)
    return T.add(T.sub(one_hot, soft.detach()), soft)
