"""Cross-entropy with targets that spread over classes: probabilities and smoothed labels."""

from __future__ import annotations

from typing import Any

from ..core.define import primitive
from ..core.op import TENSORS
from ..core.tensor import Tensor
from ..kernels.dtypes import int64
from .loss import alike
from .softmax import log_softmax_row

T: Any = TENSORS

# PyTorch divides and multiplies by plain numbers here in C++, where nodes have names of their own
_over = primitive("linear", "over_number(x, *, number)", lambda x, number: x / number,
                  x=lambda g, number: g / number, node="DivBackward1")  # fmt: skip
_times = primitive("linear", "times_number(x, *, number)", lambda x, number: x * number,
                   x=lambda g, number: g * number, node="MulBackward1")  # fmt: skip


def _by_class(weight: Tensor, ndim: int, dim: int) -> Tensor:
    """A weight per class, shaped to broadcast along the class dim."""
    shape = [1] * ndim
    shape[dim] = weight._spec.numel
    return T.reshape(weight, tuple(shape))


def soft_cross_entropy(
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


def smoothed(
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

