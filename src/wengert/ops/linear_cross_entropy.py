"""Cross-entropy of a linear layer's outputs, for inputs and weights in one call."""

from __future__ import annotations

from typing import Any

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels.dtypes import FLOAT
from .addmm import linear
from .checking import check_tensor
from .cross_entropy import cross_entropy

T: Any = TENSORS


@public("F")
def linear_cross_entropy(
    input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None,
    weight: Tensor | None = None, reduction: str = "mean", ignore_index: int | None = None,
    label_smoothing: float = 0.0, options: Any = None,
) -> Tensor:  # fmt: skip
    """Return cross_entropy(input W^T + b, target); see there for the other arguments.

    `input` is (N, in_features) or (in_features,), `linear_weight` (C, in_features), or
    (C, d1, ..., in_features) for targets (N, d1, ...). `options` is accepted and changes nothing.

    >>> import wengert as torch
    >>> F = torch.nn.functional
    >>> F.linear_cross_entropy(torch.ones(2, 3), torch.zeros(4, 3), torch.tensor([0, 3]))
    tensor(1.3863)
    """
    check_tensor(input, "linear_cross_entropy")
    check_tensor(linear_weight, "linear_cross_entropy", "linear_weight", 2)
    x, w = input._spec.shape, linear_weight._spec.shape
    if len(x) not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {len(x)}")
    if len(w) < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality 2 or more, got {len(w)}")
    if x[-1] != w[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{x[-1]} and {w[-1]}, respectively"
        )
    classes = w[:-1]
    if len(classes) > 1 and len(x) == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(w)} requires batched input, "
            f"(N, {x[-1]}), got unbatched input with shape {tuple(x)}"
        )
    if linear_bias is not None and linear_bias._spec.shape != classes:
        raise RuntimeError(
            f"expected linear_bias shape {tuple(classes)}, got {tuple(linear_bias._spec.shape)}"
        )
    if ignore_index is not None and target._spec.dtype.category >= FLOAT:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    flat: Any = linear_weight
    if len(classes) > 1:
        flat = T.reshape(linear_weight, (-1, w[-1]))
        linear_bias = None if linear_bias is None else T.reshape(linear_bias, (-1,))
    logits = linear(input, flat, linear_bias)
    if len(classes) > 1:
        logits = T.reshape(logits, (x[0], *classes))
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(
        logits, target, weight, ignore_index=ignored, reduction=reduction,
        label_smoothing=label_smoothing,
    )  # fmt: skip
