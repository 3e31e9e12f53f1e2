"""Cross-entropy of a linear layer's outputs."""

from __future__ import annotations

import math
from typing import Any

from ...core.tensor import Tensor
from .. import functional as F
from .linear import Linear
from .loss import _WeightedLoss


class LinearCrossEntropyOptions:
    """Settings of PyTorch's implementation in chunks; accepted here, where all rows are one product.

    >>> import wengert as torch
    >>> torch.nn.LinearCrossEntropyOptions(batch_chunk_size=64).batch_chunk_size
    64
    """

    __slots__ = (
        "acc_dtype", "acc_policy", "allow_retain_graph", "batch_chunk_size", "chunking_method",
    )  # fmt: skip
    _FIELDS = (
        "allow_retain_graph", "batch_chunk_size", "chunking_method", "acc_policy", "acc_dtype",
    )  # fmt: skip

    def __init__(
        self,
        allow_retain_graph: bool = False,
        batch_chunk_size: int | None = None,
        chunking_method: str | None = "auto",
        acc_policy: str = "auto",
        acc_dtype: Any = None,
    ) -> None:
        if acc_policy not in ("accurate", "balanced", "compact", "auto"):
            raise ValueError(f"invalid acc_policy: {acc_policy!r}")
        name, _, number = (chunking_method or "auto").partition(":")
        if name not in ("auto", "aspect_ratio") or (number and not number.isdigit()):
            raise ValueError(f"invalid chunking_method: {chunking_method!r}")
        size = batch_chunk_size
        if size is not None and (not isinstance(size, int) or size <= 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if acc_dtype is not None and not acc_dtype.is_floating_point:
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, "
                f"torch.float64}}, got {acc_dtype}. Pass acc_dtype=None to let the op pick "
                "automatically."
            )
        values = (allow_retain_graph, size, chunking_method, acc_policy, acc_dtype)
        for field, value in zip(self._FIELDS, values, strict=True):
            object.__setattr__(self, field, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"cannot assign to field {name!r}")

    def _values(self) -> tuple:
        return tuple([getattr(self, field) for field in self._FIELDS])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LinearCrossEntropyOptions):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        shown = zip(self._FIELDS, self._values(), strict=True)
        return f"LinearCrossEntropyOptions({', '.join(f'{k}={v!r}' for k, v in shown)})"


class LinearCrossEntropyLoss(_WeightedLoss):
    """Cross-entropy of a linear layer's outputs: input (N, in_features), target (N, *out_features).

    >>> import wengert as torch
    >>> loss = torch.nn.LinearCrossEntropyLoss(5, 10)
    >>> loss(torch.randn(3, 5), torch.tensor([1, 0, 4])).shape
    torch.Size([])
    """

    __constants__ = ["num_classes", "out_features", "reduction", "ignore_index", "label_smoothing"]

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = tuple(out_features)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.options = options
        rows = num_classes * math.prod(self.out_features)
        self.linear = Linear(in_features, rows, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        weight, bias = self.linear.weight, self.linear.bias
        classes = (self.num_classes, *self.out_features)
        return F.linear_cross_entropy(
            input,
            weight.reshape(*classes, weight.shape[-1]),
            target,
            linear_bias=None if bias is None else bias.reshape(classes),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
