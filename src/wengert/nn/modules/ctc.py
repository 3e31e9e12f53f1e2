"""The loss of unaligned sequences as a layer."""

from __future__ import annotations

from typing import Any

from ...core.tensor import Tensor
from .. import functional as F
from .loss import _Loss


class CTCLoss(_Loss):
    """Connectionist temporal classification; see nn.functional.ctc_loss.

    >>> import wengert as torch
    >>> x = torch.randn(50, 16, 20).log_softmax(2)
    >>> targets = torch.randint(1, 20, (16, 30))
    >>> torch.nn.CTCLoss()(x, targets, [50] * 16, [30] * 16).shape
    torch.Size([])
    """

    __constants__ = ["blank", "reduction"]

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any
    ) -> Tensor:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction,
            self.zero_infinity,
        )  # fmt: skip
