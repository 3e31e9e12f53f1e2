"""Losses made of other ops: divergences, likelihoods, margins and rankings."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.batching import all_batched
from ..core.cold import bind
from ..core.define import primitive
from ..core.dual import innermost
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, as_tensor_arg, wrap
from ..kernels.dtypes import int64
from ..kernels.loss import reduced
from ..kernels.numeric import keep
from .checking import check_float, check_tensor
from .distance import kept_above, pairwise_distance
from .loss import finish, reduction_of

T: Any = TENSORS


# ---------------------------------------------------------------- divergences and likelihoods
@public("F")
def kl_div(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", log_target: bool = False,
) -> Tensor:  # fmt: skip
    """Return the pointwise terms of KL(target || input), for an input of log-probabilities.

    Reductions are "none", "sum", "mean" and "batchmean" (the sum over the size of dim 0, which is
    the divergence as mathematics defines it). `log_target` says that the target is in logs too.
    """
    how = reduction
    if size_average is not None or reduce is not None:
        how = reduction = reduction_of(size_average, reduce, "mean")
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            UserWarning,
            stacklevel=2,
        )
    elif reduction == "batchmean":
        how = "sum"
    how = reduction_of(None, None, how)
    check_tensor(input, "kl_div")
    if input._spec.dtype.category < 2 or target._spec.dtype.category < 2:
        raise RuntimeError("kl_div: Integral inputs not supported.")
    x, y = input, target  # type: Any, Any
    loss = T.exp(y) * (y - x) if log_target else T.xlogy(y, y) - y * x
    total = finish(loss, how)
    if reduction == "batchmean" and input._spec.ndim:
        return total / input._spec.shape[0]
    return total


@public("F")
def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
    size_average: bool | None = None, eps: float = 1e-8, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return the negative log-likelihood of counts under a Poisson distribution.

    `input` is the log of the rate (the rate itself with log_input=False). `full` adds Stirling's
    approximation of log(target!).
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_tensor(input, "poisson_nll_loss")
    x, y = input, target  # type: Any, Any
    loss = T.exp(x) - y * x if log_input else x - y * T.log(x + eps)
    if full:
        stirling = y * T.log(y) - y + 0.5 * T.log(2 * math.pi * y)
        loss = loss + T.masked_fill(stirling, y <= 1, 0)
    return finish(loss, reduction)


@public("F")
def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return the negative log-likelihood of targets under normal distributions.

    `input` holds the means and `var` the variances: a number, the input's shape, or that shape
    with the last dim missing or of size 1. Variances are kept above eps, without a gradient.
    """
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = wrap(np.full(input._spec.shape, var, input._spec.np))
    elif (innermost(var) < 0).any():
        raise ValueError("var has negative entry/entries")
    shape = input._spec.shape
    if var._spec.shape != shape:
        if shape[:-1] == var._spec.shape:
            var = T.unsqueeze(var, -1)
        elif not (shape[:-1] == var._spec.shape[:-1] and var._spec.shape[-1] == 1):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    kept = kept_above(var, eps)
    loss = 0.5 * (T.log(kept) + T.sub(input, target) ** 2 / kept)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return finish(loss, reduction)


# ---------------------------------------------------------------- margins
@public("F")
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return x where the target is 1 and max(0, margin - x) where it is -1 (the sum elsewhere)."""
    reduction = reduction_of(size_average, reduce, reduction)
    x, y = input, target  # type: Any, Any
    zero = as_tensor_arg(0.0, x)
    far = T.where(y != 1, _hinge(margin - x), zero)
    near = T.where(y != -1, x, zero)
    return finish(far + near, reduction)


def _hinge(x: Any) -> Any:
    """max(x, 0); the gradient at 0 is 1."""
    return T.at_least(x, 0)


@public("F")
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return max(0, -target * (input1 - input2) + margin): target 1 ranks input1 higher."""
    reduction = reduction_of(size_average, reduce, reduction)
    a, b, y = input1, input2, target  # type: Any, Any, Any
    if not a.ndim == b.ndim == y.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {a.shape}, input2: {b.shape}, target: {y.shape} "
        )
    return finish(_hinge(-y * (a - b) + margin), reduction)


@public("F")
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return 1 - cos where the target is 1 and max(0, cos - margin) where it is -1.

    Inputs are (N, D) with targets (N,), or (D,) with a 0-d target.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    a, b, y = input1, input2, target  # type: Any, Any, Any
    if y.ndim not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if a.ndim != y.ndim + 1 or b.ndim != y.ndim + 1:
        raise RuntimeError(
            f"{y.ndim}D target tensor expects {y.ndim + 1}D input tensors, but found inputs with "
            f"sizes {list(a.shape)} and {list(b.shape)}."
        )
    tiny, dim = 1e-12, y.ndim
    sum_ = T.sum
    product = sum_(a * b, (dim,), False)
    squares = (sum_(a * a, (dim,), False) + tiny) * (sum_(b * b, (dim,), False) + tiny)
    cosine = product / T.sqrt(squares)
    zero = as_tensor_arg(0.0, cosine)
    near = T.where(y == 1, 1 - cosine, zero)
    far = T.where(y == -1, _hinge(cosine - margin), zero)
    return finish(near + far, reduction)


@public("F")
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return the binary cross-entropy of every class's logit, averaged over the last dim."""
    reduction = reduction_of(size_average, reduce, reduction)
    x, y = input, target  # type: Any, Any
    loss = -(y * T.log_sigmoid(x) + (1 - y) * T.log_sigmoid(-x))
    if weight is not None:
        loss = loss * weight
    dim = x.ndim - 1
    return finish(T.sum(loss, (dim,), False) / x.shape[dim], reduction)


def _multi_margin(
    x: np.ndarray, y: np.ndarray, z: np.ndarray | None, p: int, margin: float, reduction: str
) -> Any:
    v = keep(x - (x * y).sum(-1, keepdims=True) + margin, y == 0)
    v = np.maximum(v, 0) ** p
    loss = (v if z is None else v * z).sum(-1) / x.shape[-1]
    return reduced(np.asarray(loss), reduction)


def _multi_margin_slope(xp: Any, t: Any, x: Any, y: Any, z: Any, p: int, margin: float) -> Any:
    """The slope of every term times t, which broadcasts over the classes, as a gradient of x."""
    dim = (x.ndim - 1,)
    v = x - xp.sum(x * y, dim, True) + margin
    a = xp.keep(t * (2 * v if p == 2 else 1 + 0 * v), xp.logical_and(v > 0, y == 0))
    a = (a if z is None else a * z) / x.shape[-1]
    return a - y * xp.sum(a, dim, True)


def _multi_margin_rule(
    xp: Any, g: Any, x: Any, y: Any, z: Any, p: int, margin: float, reduction: str
) -> Any:
    if reduction == "mean":
        g = g / math.prod(x.shape[:-1])
    if reduction == "none":
        g = xp.reshape(g, (*x.shape[:-1], 1))
    return _multi_margin_slope(xp, g, x, y, z, p, margin)


def _multi_margin_jvp(xp: Any, xs: tuple, ts: tuple, out: Any, params: tuple) -> Any:
    p, margin, reduction = params
    x = xs[0]
    per_class = ts[0] * _multi_margin_slope(xp, 1, xs[0], xs[1], xs[2], p, margin)
    terms = xp.sum(per_class, (x.ndim - 1,), False)
    if reduction == "none":
        return terms
    return xp.mean(terms, None, False) if reduction == "mean" else xp.sum(terms, None, False)


def _multi_margin_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    p, margin, reduction = params
    each = bind(op, tuple(all_batched(xs, on)), (p, margin, "none"))
    dims = tuple(range(1, each.ndim))
    if reduction == "none":
        return each
    return T.mean(each, dims, False) if reduction == "mean" else T.sum(each, dims, False)


multi_margin_row = primitive(
    "opaque", "multi_margin_loss(x, y, z?, *, p, margin, reduction)", _multi_margin,
    x=_multi_margin_rule, jvp=_multi_margin_jvp, saved={"y": "target", "z": "weight"},
    batch=_multi_margin_batch,
)  # fmt: skip


@public("F")
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return the mean over classes j other than the true one t of max(0, margin - x_t + x_j)^p.

    `input` is (N, C) or (C,), `target` (N,) or 0-d class numbers; `weight` (C) weighs by true class.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_float(input, "multi_margin_loss")
    if p != 1 and p != 2:
        raise ValueError("only p == 1 and p == 2 supported")
    x, y = input._spec, target._spec
    if x.ndim not in (1, 2) or x.shape[-1] == 0:
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(x.shape)}"
        )
    classes = x.shape[-1]
    if (tuple(y.shape) != tuple(x.shape[:1])) if x.ndim == 2 else y.numel != 1:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input "
            f"samples (batch size). Expected target size [{x.shape[0] if x.ndim == 2 else 1}], but "
            f"got {list(y.shape)}. Input has shape {list(x.shape)}."
        )
    labels = innermost(target)
    if ((labels < 0) | (labels >= classes)).any():
        raise RuntimeError("target out of range")
    if weight is not None and weight._spec.shape != (classes,):
        raise RuntimeError(
            f"inconsistent weight size, expected {classes} but got {list(weight._spec.shape)}"
        )
    at = T.cast_whole(T.reshape(target, tuple(x.shape[:-1])), int64)
    hot = T.cast(T.eq(T.unsqueeze(at, at.ndim), wrap(np.arange(classes))), x.dtype)
    of_true = None
    if weight is not None:  # a constant
        of_true = T.unsqueeze(T.index(T.cast(weight.detach(), x.dtype), at, (0,)), at.ndim)
    return multi_margin_row(input, hot, of_true, p, margin, reduction)


def _before_gap(y: np.ndarray) -> np.ndarray:
    """Which entries of a row of label numbers come before the first negative one."""
    return np.logical_and.accumulate(y >= 0, -1)


@public("F")
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return the sum over true labels t and other classes j of max(0, 1 - (x_t - x_j)) / C.

    `target` has the shape of the input, (N, C) or (C,): label numbers, ended by the first -1.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_float(input, "multilabel_margin_loss")
    x, y = input, target  # type: Any, Any
    if y._spec.shape != x._spec.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(y.shape)} for input of size: {list(x.shape)}"
        )
    classes = x.shape[-1]
    numbers = innermost(y)
    if (numbers[_before_gap(numbers)] >= classes).any():
        raise RuntimeError("target out of range")
    # which entries come before the first negative one, and which classes these name
    listed = T.eq(T.cumsum(T.cast_whole(T.lt(y, 0), int64), y.ndim - 1), 0)
    at = T.cast_whole(T.where(listed, y, T.zeros_like(y)), int64)
    hot = T.eq(T.unsqueeze(at, at.ndim), wrap(np.arange(classes)))
    true = T.any(T.logical_and(hot, T.unsqueeze(listed, listed.ndim)), (y.ndim - 1,), True)
    labels = T.gather(x, at, x.ndim - 1)
    gaps = 1 - T.unsqueeze(labels, labels.ndim) + T.unsqueeze(x, x.ndim - 1)  # (..., label, class)
    counted = T.logical_and(T.unsqueeze(listed, listed.ndim), T.logical_not(true))
    terms = T.keep(_hinge(gaps), counted)
    return finish(T.sum(terms, (x.ndim - 1, x.ndim), False) / classes, reduction)


# ---------------------------------------------------------------- triplets
def _check_margin(margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")


@public("F")
def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
    eps: float = 1e-6, swap: bool = False, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return max(0, d(anchor, positive) - d(anchor, negative) + margin) with p-norm distances.

    `swap` uses the distance of positive and negative where that is smaller (Balntas et al., 2016).
    """
    reduction = reduction_of(size_average, reduce, reduction)
    _check_margin(margin)
    a, b, c = anchor._spec.ndim, positive._spec.ndim, negative._spec.ndim
    if not a == b == c:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {a}D, positive {b}D, and negative {c}D inputs"
        )

    def distance(u: Tensor, v: Tensor) -> Any:
        return pairwise_distance(u, v, p, eps)

    return finish(_triplet(anchor, positive, negative, distance, margin, swap), reduction)


def _triplet(
    anchor: Tensor, positive: Tensor, negative: Tensor, distance: Callable, margin: float, swap: bool
) -> Any:
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = T.minimum(far, distance(positive, negative))
    return _hinge(margin + near - far)


@public("F")
def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *,
    distance_function: Callable | None = None, margin: float = 1.0, swap: bool = False,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return the triplet margin loss with any distance, a function of two tensors."""
    reduction = reduction_of(None, None, reduction)
    _check_margin(margin)
    distance = pairwise_distance if distance_function is None else distance_function
    a, b, c = anchor._spec.ndim, positive._spec.ndim, negative._spec.ndim
    if not a == b == c:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {a}D, positive {b}D, and negative {c}D inputs"
        )
    return finish(_triplet(anchor, positive, negative, distance, margin, swap), reduction)

