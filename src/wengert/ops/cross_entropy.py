"""Losses that know the true class: negative log-likelihood and cross-entropy.

The target is a class number, or a distribution over the classes.
"""

from __future__ import annotations

from typing import Any

from ..core.batching import composed, unchanged
from ..core.define import primitive
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import loss as k
from ..kernels.dtypes import int64
from .checking import check_float, check_tensor
from .loss import alike, reduction_of
from .softmax import log_softmax_row

T: Any = TENSORS


# ---------------------------------------------------------------- batching rules
def _class_dim(shape: tuple) -> int:
    return 1 if len(shape) > 1 else 0


def _chosen(xp: Any, y: Any, z: Any, ignore_index: int, like: Any) -> tuple:
    """Return which targets are ignored, the class numbers with 0 in their place, and their weights."""
    ignored = xp.eq(y, ignore_index)
    at = xp.masked_fill(xp.cast(y, int64), ignored, 0)
    if z is None:
        weights = xp.cast(xp.logical_not(ignored), like.dtype)
    else:
        picked = xp.reshape(xp.index_select(z, xp.reshape(at, (-1,)), 0), tuple(y.shape))
        weights = xp.masked_fill(picked, ignored, 0.0)
    return at, weights


def _nll_in_ops(
    xp: Any, x: Any, y: Any, z: Any, ignore_index: int, reduction: str, spatial: bool
) -> Any:
    dim = _class_dim(tuple(x.shape))
    at, weights = _chosen(xp, y, z, ignore_index, x)
    loss = -xp.squeeze(xp.gather(x, xp.unsqueeze(at, dim), dim), (dim,)) * weights
    if reduction == "none":
        return loss
    total = xp.sum(loss, None, False)
    return total if reduction == "sum" else total / xp.sum(weights, None, False)


def _nll_backward_in_ops(
    xp: Any, g: Any, y: Any, z: Any, shape: tuple, ignore_index: int, reduction: str, spatial: bool
) -> Any:
    dim = _class_dim(shape)
    at, weights = _chosen(xp, y, z, ignore_index, g)
    if reduction == "mean":
        g = g / xp.sum(weights, None, False)
    return xp.gather_backward(xp.unsqueeze(-weights * g, dim), xp.unsqueeze(at, dim), dim, shape)


# ---------------------------------------------------------------- rows
nll_row = primitive(
    "opaque", "nll_loss(x, y, z?, *, ignore_index, reduction, spatial)", k.nll,
    x=lambda xp, g, y, z, x_spec, ignore_index, reduction, spatial:
    xp.nll_loss_backward(g, y, z, tuple(x_spec.shape), ignore_index, reduction, spatial),
    jvp=lambda xp, xs, ts, out, params: xp.nll_loss(ts[0], xs[1], xs[2], *params),
    node=lambda rest: "NllLoss2DBackward0" if rest[2] else "NllLossBackward0",
    saved={"y": "target", "z": "weight"}, batch=composed(_nll_in_ops),
)  # fmt: skip

primitive(
    "opaque", "nll_loss_backward(x, y, z?, *, shape, ignore_index, reduction, spatial)", k.nll_backward,
    x=lambda xp, g, y, z, ignore_index, reduction, spatial:
    xp.nll_loss(g, y, z, ignore_index, reduction, spatial),
    jvp=lambda xp, xs, ts, out, params: xp.nll_loss_backward(ts[0], xs[1], xs[2], *params),
    batch=composed(_nll_backward_in_ops),
)  # fmt: skip

# PyTorch divides and multiplies by plain numbers here in C++, where nodes have names of their own
_over = primitive("linear", "over_number(x, *, number)", lambda x, number: x / number,
                  x=lambda g, number: g / number, node="DivBackward1", batch=unchanged)  # fmt: skip
_times = primitive("linear", "times_number(x, *, number)", lambda x, number: x * number,
                   x=lambda g, number: g * number, node="MulBackward1", batch=unchanged)  # fmt: skip


# ---------------------------------------------------------------- class numbers
@public("F")
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Return minus the input at the target's class: the negative log-likelihood of log-probabilities.

    `input` is (N, C), (C,) or (N, C, d1, ...), `target` int64 class numbers of shape (N,), () or
    (N, d1, ...). Targets equal to `ignore_index` don't count; `weight` (C) weighs the classes, and
    the mean is weighted.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_tensor(input, "nll_loss")
    check_tensor(target, "nll_loss", "target", 2)
    x, t = input._spec, target._spec
    _check_classes(x, t, weight)
    check_float(input, "nll_loss", "nll_loss_out_frame")
    return nll_row(
        input, target, weight, ignore_index, reduction, x.ndim > 2
    )


def _check_classes(x: Any, t: Any, weight: Tensor | None) -> None:
    if x.ndim == 0:
        raise ValueError(f"Expected 1 or more dimensions (got {x.ndim})")
    if x.ndim > 1 and t.ndim and x.shape[0] != t.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({t.shape[0]})."
        )
    if x.ndim <= 2:
        if t.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if x.ndim == 2 and t.ndim == 0:
            raise ValueError(
                f"Expected input batch_size ({x.shape[0]}) to match target batch_size (1)."
            )
    else:
        expected = (x.shape[0], *x.shape[2:])
        if t.shape != expected:
            raise RuntimeError(f"Expected target size {list(expected)}, got {list(t.shape)}")
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    if t.dtype.name not in ("int64", "uint8"):
        raise RuntimeError(
            f"expected target dtype to be Long or Byte, but got {t.dtype.scalar_name}; class "
            "numbers are int64 (target.long())"
        )
    if weight is not None and weight._spec.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(weight._spec.shape)}"
        )


@public("F")
def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """Return the cross-entropy of softmax(input) and the target.

    `input` is (N, C), (C,) or (N, C, d1, ...) of logits; `target` holds class numbers, or
    probabilities in the shape of the input. `label_smoothing` mixes the target with the uniform
    distribution.

    >>> import wengert as torch
    >>> F = torch.nn.functional
    >>> F.cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))
    tensor(1.3863)
    """
    if reduction != "mean" or size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    if not isinstance(input, Tensor) or not isinstance(target, Tensor):
        check_tensor(input, "cross_entropy_loss", "self")
        check_tensor(target, "cross_entropy_loss", "target", 2)
    x, t = input._spec, target._spec
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if x.ndim == 0:
        raise IndexError("Dimension specified as 1 but tensor has no dimensions")
    dim = 1 if x.ndim > 1 else 0
    if x.dtype.category != 2:
        check_float(input, "cross_entropy", "log_softmax_lastdim_kernel_impl")
    if t.shape == x.shape and t.dtype.category >= 2:
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing, dim)
    _check_classes(x, t, weight)
    logp = log_softmax_row(input, dim)
    loss: Tensor = nll_row(logp, target, weight, ignore_index, reduction, x.ndim > 2)
    if label_smoothing:
        return _smoothed(loss, logp, target, weight, ignore_index, reduction, label_smoothing, dim)
    return loss


# ---------------------------------------------------------------- distributions over the classes
def _by_class(weight: Tensor, ndim: int, dim: int) -> Tensor:
    """A weight per class, shaped to broadcast along the class dim."""
    shape = [1] * ndim
    shape[dim] = weight._spec.numel
    return T.reshape(weight, tuple(shape))


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float, dim: int
) -> Tensor:
    """Minus the sum over classes of target * log_softmax(input); the mean is over the samples."""
    classes = input._spec.shape[dim]
    if weight is not None and weight._spec.shape != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or "
            f"no classes but got weight tensor of shape: {list(weight._spec.shape)}"
        )
    logp: Any = log_softmax_row(input, dim)
    if smoothing:
        target = T.add(T.mul(target, 1 - smoothing), smoothing / classes)
    logp, target = alike(logp, target)
    product = logp * target
    if weight is not None:
        product = product * _by_class(weight, input._spec.ndim, dim)
    if reduction == "none":
        return T.neg(T.sum(product, (dim,), False))
    total: Tensor = T.neg(T.sum(product, None, False))
    if reduction == "sum":
        return total
    return _over(total, max(input._spec.numel // max(classes, 1), 1) if classes else 1)


def _smoothed(
    loss: Tensor, logp: Any, target: Tensor, weight: Tensor | None, ignore_index: int,
    reduction: str, smoothing: float, dim: int,
) -> Tensor:  # fmt: skip
    """Mix the loss of hard labels with that of the uniform distribution."""
    classes = logp._spec.shape[dim]
    if weight is None:
        spread = T.neg(T.sum(logp, (dim,), False))
    else:
        spread = T.neg(T.sum(logp * _by_class(weight, logp._spec.ndim, dim), (dim,), False))
    ignored: Any = T.eq(target, ignore_index)
    if ignored._spec.shape != spread._spec.shape:
        ignored = T.reshape(ignored, tuple(spread._spec.shape))
    spread = T.masked_fill(spread, ignored, 0.0)
    if reduction == "mean":
        kept = T.logical_not(ignored)
        if weight is None:
            count = T.cast(T.sum(kept, None, False), logp._spec.dtype)
        else:
            ignored = T.reshape(ignored, (-1,))
            index = T.masked_fill(T.cast(T.reshape(target, (-1,)), int64), ignored, 0)
            count = T.sum(T.masked_fill(T.index_select(weight, index, 0), ignored, 0.0), None, False)
        spread = T.sum(spread, None, False) / count
    elif reduction == "sum":
        spread = T.sum(spread, None, False)
    return _times(loss, 1 - smoothing) + _times(spread, smoothing / classes)
