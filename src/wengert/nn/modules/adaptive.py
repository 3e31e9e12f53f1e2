"""Softmax over many classes, cheaper for rare ones."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from ...core.tensor import Tensor
from ...ops.create import zeros
from ...ops.join import cat
from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])
_ASMoutput.__doc__ = (
    "What AdaptiveLogSoftmaxWithLoss returns: the log-probabilities and their loss."
)


class AdaptiveLogSoftmaxWithLoss(Module):
    """A log-softmax in two stages: frequent classes in the head, rare ones in clusters.

    Classes are sorted by falling frequency; `cutoffs` says where the clusters begin. Cluster k works
    on features of size in_features / div_value^(k + 1). Input (N, in_features) or (in_features,),
    target (N,) or (). Returns (output, loss): the log-probability of every target, and minus its mean.
    Grave et al., "Efficient softmax approximation for GPUs", 2017.

    >>> import wengert as torch
    >>> layer = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs=[5, 10])
    >>> layer(torch.randn(3, 16), torch.tensor([1, 7, 19])).output.shape
    torch.Size([3])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        rising = all(a < b for a, b in zip(cutoffs, cutoffs[1:], strict=False))
        whole = all(int(c) == c for c in cutoffs)
        if not (rising and whole) or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1:
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
                "order, where each value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        factory = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **factory)
        self.tail = ModuleList()
        for k in range(self.n_clusters):
            features = int(in_features // div_value ** (k + 1))
            size = self.cutoffs[k + 1] - self.cutoffs[k]
            self.tail.append(
                Sequential(
                    Linear(in_features, features, bias=False, **factory),
                    Linear(features, size, bias=False, **factory),
                )
            )

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        self.head.reset_parameters()
        for first, second in self.tail:
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        rank = target_.dim()
        if rank == 1:
            if input_.shape[0] != target_.shape[0]:
                raise RuntimeError(
                    "Input and target should have the same size in the batch dimension."
                )
            if input_.dim() != 2:
                raise RuntimeError(
                    "1D target tensor expects 2D input tensors, but found inputs with size "
                    f"{input_.shape}"
                )
        elif rank == 0:
            if input_.dim() != 1:
                raise RuntimeError(
                    "0D target tensor expects 1D input tensors, but found inputs with size "
                    f"{input_.shape}"
                )
        else:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        x = input_ if rank else input_.unsqueeze(0)
        target = target_ if rank else target_.unsqueeze(0)
        self._check_classes(target)
        # a class of the head, or the head's class of its cluster
        at = target
        output = zeros(target.shape[0], dtype=x.dtype)
        for k in range(self.n_clusters):
            low, high = self.cutoffs[k], self.cutoffs[k + 1]
            inside = (target >= low) & (target < high)
            rows = inside.nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            at = at.masked_fill(inside, self.shortlist_size + k)
            logp = F.log_softmax(self.tail[k](x.index_select(0, rows)), dim=1)
            which = (target.index_select(0, rows) - low).unsqueeze(1)
            output = output.index_copy(0, rows, logp.gather(1, which).squeeze(1))
        head = F.log_softmax(self.head(x), dim=1)
        output = output + head.gather(1, at.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if rank else output.squeeze(0), loss)

    def _check_classes(self, target: Tensor) -> None:
        if target.numel() == 0:
            return
        low, high = int(target.min()), int(target.max())
        if low < 0 or high >= self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{low}, {high}] were found. "
            )

    def _full_log_prob(self, input: Tensor, head: Tensor) -> Tensor:
        """The log-probabilities of all classes, given the head's output."""
        logp = F.log_softmax(head, dim=1)
        parts = [logp[:, : self.shortlist_size]]
        for k, cluster in enumerate(self.tail):
            inside = F.log_softmax(cluster(input), dim=1)
            parts.append(inside + logp[:, self.shortlist_size + k].unsqueeze(1))
        return cat(parts, 1)

    def log_prob(self, input: Tensor) -> Tensor:
        """Returns the log-probabilities of all classes: (N, in_features) to (N, n_classes)."""
        return self._full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """Returns the most probable class of every row: (N, in_features) to (N,)."""
        return self.log_prob(input).argmax(dim=1)
