"""Losses that are one op each: the value, its reduction and the gradient in one recorded call.

`pointwise` makes the row of a loss of pairs of elements from the value of each pair (a kernel) and
its slopes (over xp, so they differentiate again). Those that know a class are in cross_entropy.py,
composed ones in ranking.py.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from ..core.batching import reduced
from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..core.promote import result_dtype
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import loss as k
from ..kernels.dims import broadcast_shapes
from .checking import check_float, check_tensor

T: Any = TENSORS

_REDUCTIONS = ("mean", "sum", "none")


# ---------------------------------------------------------------- rows
def _share(g: Any, x: Any, reduction: str) -> Any:
    """The cotangent of one element's loss, given that of the reduced one."""
    return g / math.prod(x.shape) if reduction == "mean" else g


def _reduce(xp: Any, t: Any, reduction: str) -> Any:
    if reduction == "none":
        return t
    return xp.mean(t, None, False) if reduction == "mean" else xp.sum(t, None, False)


def pointwise(name: str, kernel: Callable, slope_x: Callable, slope_y: Callable | None, node: str) -> Any:
    """Define `name(x, y, *, c, reduction)`; slopes are functions (xp, x, y, c)."""

    def rule(xp: Any, g: Any, x: Any, y: Any, c: Any, reduction: str, need: tuple) -> Any:
        g = _share(g, x, reduction)
        return (
            slope_x(xp, x, y, c) * g if need[0] else None,
            slope_y(xp, x, y, c) * g if need[1] and slope_y is not None else None,
        )

    def jvp(xp: Any, xs: tuple, ts: tuple, out: Any, params: tuple) -> Any:
        total = None
        for t, slope in zip(ts, (slope_x, slope_y), strict=True):
            if t is not None and slope is not None:
                term = slope(xp, *xs, params[0]) * t
                total = term if total is None else total + term
        return _reduce(xp, total, params[1])

    return primitive(
        "opaque", f"{name}(x, y, *, c, reduction)", kernel, rules={"x, y": rule}, jvp=jvp,
        node=node + "Backward0", saved={"y": "target"}, batch=reduced(),
    )  # fmt: skip


def _residual(slope: Callable) -> tuple[Callable, Callable]:
    """The slopes of a loss of x - y, given that of the residual."""
    return (
        lambda xp, x, y, c: slope(xp, x - y, c),
        lambda xp, x, y, c: slope(xp, y - x, c),
    )


mse_row = pointwise("mse_loss", k.mse, *_residual(lambda xp, d, c: d * 2), "MseLoss")

smooth_l1_row = pointwise("smooth_l1_loss", k.smooth_l1,
                          *_residual(lambda xp, d, beta: xp.hardtanh(d / beta, -1, 1)), "SmoothL1Loss")  # fmt: skip

huber_row = pointwise("huber_loss", k.huber,
                      *_residual(lambda xp, d, delta: xp.hardtanh(d, -delta, delta)), "HuberLoss")  # fmt: skip

utility("logit_slope", k.bce_with_logits_slope, lambda x, y: T.sigmoid(x) - y)

bce_with_logits_row = pointwise("bce_with_logits", k.bce_with_logits,
                                lambda xp, x, y, c: xp.logit_slope(x, y),
                                lambda xp, x, y, c: -x, "BinaryCrossEntropyWithLogits")  # fmt: skip

soft_margin_row = pointwise("soft_margin_loss", k.soft_margin,
                            lambda xp, x, y, c: -y * xp.sigmoid(-x * y), None, "SoftMarginLoss")  # fmt: skip


def _bce_slope_x(xp: Any, x: Any, y: Any, c: Any) -> Any:
    return (x - y) / xp.clamp((1 - x) * x, 1e-12, None)


def _bce_slope_y(xp: Any, x: Any, y: Any, c: Any) -> Any:
    return xp.clamp(xp.log1p(-x), -100, None) - xp.clamp(xp.log(x), -100, None)


bce_row = pointwise("binary_cross_entropy", k.bce, _bce_slope_x, _bce_slope_y, "BinaryCrossEntropy")


def _weighted_bce_rule(xp: Any, g: Any, x: Any, y: Any, z: Any, reduction: str, need: tuple) -> Any:
    g = _share(g, x, reduction)
    return (
        _bce_slope_x(xp, x, y, None) * z * g if need[0] else None,
        _bce_slope_y(xp, x, y, None) * z * g if need[1] else None,
        xp.binary_cross_entropy(x, y, None, "none") * g if need[2] else None,
    )


def _weighted_bce_jvp(xp: Any, xs: tuple, ts: tuple, out: Any, params: tuple) -> Any:
    x, y, z = xs
    slopes = (
        lambda: _bce_slope_x(xp, x, y, None) * z,
        lambda: _bce_slope_y(xp, x, y, None) * z,
        lambda: xp.binary_cross_entropy(x, y, None, "none"),
    )
    return _reduce(xp, _tangent(slopes, ts), params[0])


def _tangent(slopes: tuple, ts: tuple) -> Any:
    terms = [slope() * t for slope, t in zip(slopes, ts, strict=True) if t is not None]
    return sum(terms[1:], terms[0])


weighted_bce_row = primitive(
    "opaque", "weighted_binary_cross_entropy(x, y, z, *, reduction)",
    lambda x, y, z, reduction: k.reduced(k.bce(x, y, None, "none") * z, reduction),
    rules={"x, y, z": _weighted_bce_rule}, jvp=_weighted_bce_jvp, node="BinaryCrossEntropyBackward0",
    saved={"y": "target", "z": "weight"}, batch=reduced(),
)  # fmt: skip


def _logits_slopes(xp: Any, x: Any, y: Any, z: Any, w: Any) -> tuple:
    """Slopes of z ((1 - y) x + (1 + (w - 1) y) log(1 + e^-x)); z and w may be missing."""

    def times_z(t: Any) -> Any:
        return t if z is None else t * z

    def at_x() -> Any:
        if w is None:
            return times_z(xp.sigmoid(x) - y)
        return times_z((1 - y) - ((w - 1) * y + 1) * xp.sigmoid(-x))

    def at_y() -> Any:
        return times_z(-x if w is None else -(w - 1) * xp.log_sigmoid(x) - x)

    def at_z() -> Any:
        return xp.weighted_bce_with_logits(x, y, None, w, "none")

    def at_w() -> Any:
        return times_z(-y * xp.log_sigmoid(x))

    return at_x, at_y, at_z, at_w


def _logits_rule(
    xp: Any, g: Any, x: Any, y: Any, z: Any, w: Any, reduction: str, need: tuple
) -> tuple:
    g = _share(g, x, reduction)
    slopes = _logits_slopes(xp, x, y, z, w)
    return tuple([slope() * g if wanted else None for slope, wanted in zip(slopes, need, strict=True)])


weighted_logits_row = primitive(
    "opaque", "weighted_bce_with_logits(x, y, z?, w?, *, reduction)", k.weighted_bce_with_logits,
    rules={"x, y, z, w": _logits_rule},
    jvp=lambda xp, xs, ts, out, params: _reduce(xp, _tangent(_logits_slopes(xp, *xs), ts), *params),
    node="BinaryCrossEntropyWithLogitsBackward0",
    saved={"y": "target", "z": "weight", "w": "pos_weight"}, batch=reduced(),
)  # fmt: skip


# ---------------------------------------------------------------- arguments
def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str, level: int = 3) -> str:
    """Return the reduction that two deprecated arguments ask for (with a warning), or the third."""
    if size_average is not None or reduce is not None:
        summed = "sum" if size_average is False else "mean"
        reduction = "none" if reduce is False else summed
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
            UserWarning,
            stacklevel=level + 1,
        )
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def alike(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Bring two tensors to their common shape and dtype."""
    a, b = x._spec, y._spec
    if a.dtype is not b.dtype:
        d = result_dtype((x, y))
        x = x if a.dtype is d else T.cast(x, d)
        y = y if b.dtype is d else T.cast(y, d)
    if a.shape != b.shape:
        shape = broadcast_shapes(a.shape, b.shape)
        x = x if a.shape == shape else T.expand(x, shape)
        y = y if b.shape == shape else T.expand(y, shape)
    return x, y


def _pair(input: Any, target: Any, caller: str, kernel: str) -> tuple[Tensor, Tensor]:
    """Check the operands of a residual loss; unequal sizes broadcast with a warning."""
    check_tensor(input, caller)
    check_tensor(target, caller, "target", 2)
    a, b = input._spec, target._spec
    if a is b and a.dtype.category == 2:
        return input, target
    if a.shape != b.shape:
        warnings.warn(
            f"Using a target size ({b.shape}) that is different to the input size ({a.shape}). "
            "This will likely lead to incorrect results due to broadcasting. Please ensure they "
            "have the same size.",
            UserWarning,
            stacklevel=3,
        )
    input, target = alike(input, target)
    check_float(input, caller, kernel)
    return input, target


def finish(loss: Tensor, reduction: str) -> Tensor:
    """Apply a reduction to a tensor of losses."""
    return _reduce(T, loss, reduction)


def _weighted_mean(loss: Tensor, weight: Tensor, input: Tensor, reduction: str) -> Tensor:
    if weight._spec.shape != input._spec.shape:
        raise ValueError("Weights and input must have the same size.")
    loss = T.mul(loss, weight)
    if reduction == "mean":
        return T.sum(loss, None, False) / T.sum(weight, None, False)
    return finish(loss, reduction)


# ---------------------------------------------------------------- losses of a residual
@public("F")
def mse_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the mean squared difference (or the sum, or every square).

    Sizes that differ broadcast with a warning. With `weight` (of the input's size) the mean is
    weighted.

    >>> import wengert as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1., 2.]), torch.tensor([0., 4.]))
    tensor(2.5000)
    """
    if reduction != "mean" or size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    input, target = _pair(input, target, "mse_loss", "mse_cpu")
    if weight is not None:
        d: Any = T.sub(input, target)
        return _weighted_mean(d**2, weight, input, reduction)
    return mse_row(input, target, None, reduction)


@public("F")
def l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the mean absolute difference (or the sum, or every one)."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_tensor(input, "l1_loss")
    if input._spec.shape != target._spec.shape:
        input, target = _pair(input, target, "l1_loss", "mean")
    size = T.abs(T.sub(input, target))
    if weight is not None:
        return _weighted_mean(size, weight, input, reduction)
    if reduction == "mean":
        return size.mean()
    return finish(size, reduction)


@public("F")
def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", beta: float = 1.0,
) -> Tensor:  # fmt: skip
    """Return the mean of d^2 / (2 beta) where |d| < beta and |d| - beta / 2 elsewhere."""
    reduction = reduction_of(size_average, reduce, reduction)
    input, target = _pair(input, target, "smooth_l1_loss", "smooth_l1_cpu")
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return finish(T.abs(T.sub(input, target)), reduction)
    return smooth_l1_row(input, target, beta, reduction)


@public("F")
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the mean of d^2 / 2 where |d| < delta and delta (|d| - delta / 2) elsewhere.

    Huber, "Robust Estimation of a Location Parameter", 1964.
    """
    reduction = reduction_of(None, None, reduction)
    input, target = _pair(input, target, "huber_loss", "huber_cpu")
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    if weight is None:
        return huber_row(input, target, delta, reduction)
    if weight._spec.shape != input._spec.shape:
        raise ValueError("Weights and input must have the same size.")
    return finish(huber_row(input, target, delta, "none") * weight, reduction)


# ---------------------------------------------------------------- binary cross-entropy
@public("F")
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return -mean(y log x + (1 - y) log(1 - x)) for probabilities x; logs are kept above -100.

    RuntimeError if an input is outside [0, 1]. `weight` scales every element's loss.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_tensor(input, "binary_cross_entropy")
    check_tensor(target, "binary_cross_entropy", "target", 2)
    a, b = input._spec, target._spec
    if a.shape != b.shape:
        raise ValueError(
            f"Using a target size ({b.shape}) that is different to the input size ({a.shape}) is "
            "deprecated. Please ensure they have the same size."
        )
    check_float(input, "binary_cross_entropy", "binary_cross_entropy")
    if a.dtype is not b.dtype:
        raise RuntimeError(f"Found dtype {b.dtype.scalar_name} but expected {a.dtype.scalar_name}")
    if weight is None:
        return bce_row(input, target, None, reduction)
    return weighted_bce_row(
        input, target, _spread_weight(weight, input), reduction
    )


def _spread_weight(weight: Tensor | None, input: Tensor) -> Tensor | None:
    """Bring a weight to the shape and dtype of the input."""
    if weight is None:
        return None
    spec = input._spec
    if weight._spec.dtype is not spec.dtype:
        weight = T.cast(weight, spec.dtype)
    if weight._spec.shape != spec.shape:
        if broadcast_shapes(spec.shape, weight._spec.shape) != spec.shape:
            raise RuntimeError(
                f"a weight of shape {list(weight._spec.shape)} doesn't broadcast to the input's "
                f"shape {list(spec.shape)}"
            )
        weight = T.expand(weight, spec.shape)
    return weight


@public("F")
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the binary cross-entropy of sigmoid(input), computed without overflow.

    `weight` scales every element's loss, `pos_weight` (broadcast from the last dim) the part of
    the positive class.

    >>> import wengert as torch
    >>> F = torch.nn.functional
    >>> F.binary_cross_entropy_with_logits(torch.zeros(3), torch.ones(3))
    tensor(0.6931)
    """
    if reduction != "mean" or size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    if not isinstance(input, Tensor) or not isinstance(target, Tensor):
        check_tensor(input, "binary_cross_entropy_with_logits")
        check_tensor(target, "binary_cross_entropy_with_logits", "target", 2)
    a, b = input._spec, target._spec
    if a is not b:
        if a.shape != b.shape:
            raise ValueError(
                f"Target size ({b.shape}) must be the same as input size ({a.shape})"
            )
        if a.dtype is not b.dtype:
            check_float(target, "binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits")
            input, target = alike(input, target)
    if a.dtype.category != 2:
        check_float(input, "binary_cross_entropy_with_logits", "log_sigmoid_cpu")
    if weight is None and pos_weight is None:
        return bce_with_logits_row(input, target, None, reduction)
    return weighted_logits_row(
        input, target, _spread_weight(weight, input), _spread_weight(pos_weight, input), reduction
    )


@public("F")
def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return the mean of log(1 + exp(-y x)) for targets y of 1 or -1."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_tensor(input, "soft_margin_loss")
    if target.requires_grad:
        raise RuntimeError(
            "The function 'soft_margin_loss' is not differentiable with respect to argument "
            "'target'. This input cannot have requires_grad True."
        )
    check_float(input, "soft_margin_loss", "log_sigmoid_cpu")
    if target._spec.dtype is not input._spec.dtype:
        target = T.cast(target, input._spec.dtype)
    input, target = alike(input, target)
    return soft_margin_row(input, target, None, reduction)
