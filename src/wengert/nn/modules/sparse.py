"""Embedding: a table of vectors looked up by integer."""

from __future__ import annotations

from typing import Any, Self

from ...core import state
from ...core.parameter import Parameter
from ...core.tensor import Tensor
from ...ops.create import empty
from .. import functional as F
from .. import init
from .module import Module


class _Table(Module):
    """A table of vectors: what Embedding and EmbeddingBag share."""

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    weight: Parameter

    def _row(self, name: str, index: int | None) -> int | None:
        """Return the row that an index names, counted from the front; AssertionError if none."""
        n = self.num_embeddings
        if index is None:
            return None
        if not -n <= index < n:
            raise AssertionError(f"{name} must be within num_embeddings")
        return index % n

    def _fill(self, given: Tensor | None, trained: bool, device: Any, dtype: Any) -> None:
        """Make the weight of given vectors, or draw it."""
        shape = (self.num_embeddings, self.embedding_dim)
        if given is None:
            given = empty(shape, device=device, dtype=dtype)
            self.weight = Parameter(given, requires_grad=trained)
            self.reset_parameters()
            return
        if tuple(given.shape) != shape:
            raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
        self.weight = Parameter(given, requires_grad=trained)

    def reset_parameters(self) -> None:
        """Draws the table anew from the standard normal distribution."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            before = state.set_grad_enabled(False)
            try:
                self.weight[self.padding_idx].fill_(0)
            finally:
                state.set_grad_enabled(before)

    def _norm_settings(self) -> list[str]:
        parts = []
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq is not False:
            parts.append(f"scale_grad_by_freq={self.scale_grad_by_freq}")
        return parts


class Embedding(_Table):
    """Rows of `weight` (num_embeddings, embedding_dim) by index: (...) to (..., embedding_dim).

    The row `padding_idx` starts as zeros and gets no gradient; `max_norm` rescales looked-up rows.

    >>> import wengert as torch
    >>> torch.nn.Embedding(10, 3)(torch.tensor([1, 2, 4])).shape
    torch.Size([3, 3])
    """

    __constants__ = [
        "num_embeddings",
        "embedding_dim",
        "padding_idx",
        "max_norm",
        "norm_type",
        "scale_grad_by_freq",
        "sparse",
    ]

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = self._row("Padding_idx", padding_idx)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self._fill(_weight, not _freeze, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        parts += self._norm_settings()
        if self.sparse is not False:
            parts.append("sparse=True")
        return ", ".join(parts)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """Makes an Embedding over a given table (num_embeddings, embedding_dim).

        >>> import wengert as torch
        >>> table = torch.nn.Embedding.from_pretrained(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> table(torch.tensor([1]))
        tensor([[3., 4.]])
        """
        if embeddings.dim() != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
            _weight=embeddings,
            _freeze=freeze,
        )
