"""Sequences of different lengths: padded, packed, and back.

A packed batch holds the first items of all sequences, then all second items ...: sequences in the
order of falling length, and with each step the number of those still alive.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...ops.create import full
from ...ops.join import cat, stack

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

PackedSequence_ = namedtuple(
    "PackedSequence_", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"]
)
PackedSequence_.__doc__ = "The fields of a PackedSequence."


class PackedSequence(PackedSequence_):
    """A packed batch: `data` (all items, ...) and `batch_sizes`, how many sequences each step has.

    `sorted_indices` says in which order the sequences of the batch were taken, `unsorted_indices`
    how to get back; both None if they were given by falling length.

    >>> import wengert as torch
    >>> from wengert.nn.utils.rnn import pack_sequence
    >>> p = pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
    >>> p.data, p.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> Any:  # fmt: skip
        if batch_sizes is None:
            if not isinstance(data, tuple | list) or len(data) != 2:
                raise ValueError("batch_sizes is missing: PackedSequence(data, batch_sizes)")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with data of another dtype or device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def _as(self, dtype: str) -> PackedSequence:
        data = getattr(self.data, dtype)()
        if data is self.data:
            return self
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """This sequence: it is on the CPU."""
        return self

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Raises as Tensor.cuda does: there is no GPU."""
        return self.to("cuda")

    def pin_memory(self) -> PackedSequence:
        """This sequence: memory of the CPU needs no pinning here."""
        return self

    def is_pinned(self) -> bool:
        """False."""
        return False

    @property
    def is_cuda(self) -> bool:
        """False: there is no GPU."""
        return False

    def double(self) -> PackedSequence:
        """The same with float64 data."""
        return self._as("double")

    def float(self) -> PackedSequence:
        """The same with float32 data."""
        return self._as("float")

    def half(self) -> PackedSequence:
        """The same with float16 data."""
        return self._as("half")

    def long(self) -> PackedSequence:
        """The same with int64 data."""
        return self._as("long")

    def int(self) -> PackedSequence:
        """The same with int32 data."""
        return self._as("int")

    def short(self) -> PackedSequence:
        """The same with int16 data."""
        return self._as("short")

    def char(self) -> PackedSequence:
        """The same with int8 data."""
        return self._as("char")

    def byte(self) -> PackedSequence:
        """The same with uint8 data."""
        return self._as("byte")


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Return the permutation that undoes another one; None for None.

    >>> import wengert as torch
    >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    return wrap(np.argsort(permutation._array, kind="stable"))


def _lengths(lengths: Any) -> np.ndarray:
    values = lengths._array if isinstance(lengths, Tensor) else lengths
    made: np.ndarray = np.asarray(values).astype(np.int64).reshape(-1)
    return made


def _rows(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The step and the sequence of every packed item."""
    step = np.repeat(np.arange(len(sizes)), sizes)
    start = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return step, np.arange(len(step)) - start


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch (time, batch, ...), given the length of every sequence.

    With `enforce_sorted` the lengths must fall. RuntimeError for lengths that don't fit the batch.

    >>> import wengert as torch
    >>> x = torch.tensor([[1, 4], [2, 5], [3, 0]])
    >>> torch.nn.utils.rnn.pack_padded_sequence(x, [3, 2]).data
    tensor([1, 4, 2, 5, 3])
    """
    n = _lengths(lengths)
    order = None
    if not enforce_sorted:
        picked = np.argsort(-n, kind="stable")
        n, order = n[picked], wrap(picked)
        input = input.index_select(0 if batch_first else 1, order)
    if batch_first:
        input = input.transpose(0, 1)
    batch = input.shape[1]
    if len(n) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(n)} "
            f"(batch_size={batch})"
        )
    if (n <= 0).any():
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if (n[1:] > n[:-1]).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    sizes = (n[None] > np.arange(n[0])[:, None]).sum(1)
    if n[0] > input.shape[0]:
        raise RuntimeError(
            f"the longest of the lengths is {n[0]}, but the padded sequences have {input.shape[0]} steps"
        )
    step, which = _rows(sizes)
    data = input[wrap(step), wrap(which)]
    return PackedSequence(data, wrap(sizes), order)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Undo pack_padded_sequence: the padded batch (time, batch, ...) and the lengths.

    >>> import wengert as torch
    >>> from wengert.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> pad_packed_sequence(pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])]))
    (tensor([[1, 4],
            [2, 5],
            [3, 0]]), tensor([3, 2]))
    """
    data, batch_sizes, _, back = sequence
    sizes = batch_sizes._array
    steps = longest = len(sizes)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, "
                f"but got total_length={total_length} and max sequence length being {longest}"
            )
        steps = total_length
    step, which = _rows(sizes)
    batch = int(sizes[0])
    shape = (steps, batch, *data.shape[1:])
    padded = full(shape, padding_value, dtype=data.dtype)
    padded = padded.index_put((wrap(step), wrap(which)), data)
    lengths = np.bincount(which, minlength=batch)
    if back is not None:
        padded = padded.index_select(1, back)
        lengths = lengths[back._array]
    return padded.transpose(0, 1) if batch_first else padded, wrap(lengths)


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Join sequences (length, ...) to one padded tensor (longest, batch, ...).

    >>> import wengert as torch
    >>> a, b = torch.tensor([1, 2, 3]), torch.tensor([4])
    >>> torch.nn.utils.rnn.pad_sequence([a, b], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    parts = list(sequences)
    if not parts:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    longest = max(p.shape[0] for p in parts)
    rows = []
    for p in parts:
        missing = longest - p.shape[0]
        if missing:
            filler = full((missing, *p.shape[1:]), padding_value, dtype=p.dtype)
            p = cat([p, filler] if padding_side == "right" else [filler, p], 0)
        rows.append(p)
    for p in rows:
        if p.shape[1:] != rows[0].shape[1:]:
            raise RuntimeError(
                f"The size of tensor a {tuple(rows[0].shape[1:])} must match the size of tensor b "
                f"{tuple(p.shape[1:])}: sequences may differ in their length alone"
            )
    return stack(rows, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """Return the sequences of a padded batch as a list of tensors (length, ...).

    >>> import wengert as torch
    >>> x = torch.tensor([[1, 4], [2, 0]])
    >>> torch.nn.utils.rnn.unpad_sequence(x, torch.tensor([2, 1]))
    [tensor([1, 2]), tensor([4])]
    """
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [x[k, :n] for k, n in enumerate(_lengths(lengths).tolist())]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (length, ...).

    >>> import wengert as torch
    >>> torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]).data
    tensor([1, 3, 2])
    """
    lengths = [p.shape[0] for p in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Return the sequences of a packed batch as a list of tensors (length, ...).

    >>> import wengert as torch
    >>> from wengert.nn.utils.rnn import pack_sequence, unpack_sequence
    >>> unpack_sequence(pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]))
    [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
