"""Losses under `torch`, where PyTorch's native functions take the reduction as a number.

0 is none (the default), 1 mean, 2 sum. The functions of nn.functional, which say it in words, are
what programs use.
"""

from __future__ import annotations

from typing import Any

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from . import loss, ranking

T: Any = TENSORS
_WORDS = ("none", "mean", "sum")


def _word(reduction: int) -> str:
    if reduction not in (0, 1, 2):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return _WORDS[reduction]


@public("torch")
def kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False) -> Tensor:
    """Return the pointwise terms of KL(target || input), or their mean or sum (1, 2)."""
    terms = ranking.kl_div(input, target, reduction="none", log_target=log_target)
    return loss.finish(terms, _word(reduction))


@public("torch")
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:  # fmt: skip
    """Return the binary cross-entropy of sigmoid(input), or its mean or sum (1, 2)."""
    return loss.binary_cross_entropy_with_logits(
        input, target, weight, reduction=_word(reduction), pos_weight=pos_weight
    )


@public("torch")
def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
    eps: float = 1e-6, swap: bool = False, reduction: int = 0,
) -> Tensor:  # fmt: skip
    """Return max(0, d(anchor, positive) - d(anchor, negative) + margin), or its mean or sum (1, 2)."""
    return ranking.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_word(reduction)
    )


@public("torch")
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """Return 1 - cos for targets 1 and max(0, cos - margin) for -1, or the mean or sum (1, 2)."""
    return ranking.cosine_embedding_loss(input1, input2, target, margin, reduction=_word(reduction))


@public("torch")
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0
) -> Tensor:
    """Return x for targets 1 and max(0, margin - x) for -1, or the mean or sum (1, 2)."""
    return ranking.hinge_embedding_loss(input, target, margin, reduction=_word(reduction))


@public("torch")
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """Return max(0, -target (input1 - input2) + margin), or its mean or sum (1, 2)."""
    return ranking.margin_ranking_loss(input1, input2, target, margin, reduction=_word(reduction))


@public("torch")
def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """Return the Poisson negative log-likelihood, or its mean or sum (1, 2)."""
    return ranking.poisson_nll_loss(
        input, target, log_input, full, eps=eps, reduction=_word(reduction)
    )
