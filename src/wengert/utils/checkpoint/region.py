"""A region: one call of a checkpointed function, whose saved tensors are slots to be refilled.

While the function runs, saved-tensor hooks put a `Slot` in the place of every tensor that is saved.
When backward asks for one, the function runs again under other hooks, which note what it saves in
the same order; the values are handed out from there, each once, and dropped at the end of the
backward run. Saved tensors belong to the innermost region; the inputs of a region count as saved by
the region around it, which is thus recomputed first.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Self

from ...autograd import backward_run
from ...autograd.saved_tensors import active_pair, saved_tensors_hooks
from ...core import errors, inplace, state
from ...core.device import CPU
from ...core.node import LEAF
from ...core.op import share
from ...core.packed import Held
from ...core.tensor import Tensor, storage_of

TIP = (
    "Tip: pass `debug=True` to `torch.utils.checkpoint.checkpoint(...)`, or wrap the code block with "
    "`with torch.utils.checkpoint.set_checkpoint_debug_enabled(True):`, to see which calls were made "
    "the first time and which the second."
)
_OVERLAP = (
    "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked once. "
    "Performing two backward calls that overlap (i.e. require the same saved activation in order to "
    "compute gradients) is not allowed while under the torch.utils.checkpoint.GraphExecGroup context."
)


class CheckpointError(RuntimeError):
    """A function did not do the second time what it did the first time."""


class Stop(BaseException):
    """Ends a recomputation that has all that is needed; no `except Exception` stops it."""


class Slot:
    """What a node keeps in place of a saved tensor: which one of its region's it was."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number


class Value:
    """A tensor as it is now: `get` refuses if it was written in place since."""

    __slots__ = ("tensor", "version")

    def __init__(self, t: Tensor) -> None:
        self.tensor = share(t)
        self.version = storage_of(self.tensor).version

    def get(self, what: str) -> Tensor:
        """Return the tensor; `what` says what it is for the error."""
        storage = storage_of(self.tensor)
        if storage.version != self.version:
            raise RuntimeError(
                errors.stale_save(
                    self.tensor, None, storage.version, self.version, "a checkpointed function",
                    inplace.place(storage.where), False, what,
                )
            )  # fmt: skip
        return self.tensor


class Input:
    """An input of a region: kept, or left to the hooks around the region."""

    __slots__ = ("edge", "held", "leaf", "value")

    def __init__(self, t: Tensor) -> None:
        pair = active_pair()
        self.held = None if pair is None else Held(t, pair, False)
        # NOTE [no cycle]: what has a history may come to hang on this region, so the tensor itself
        # is kept only if it is a leaf
        self.edge = t._edge
        self.leaf = t if self.edge is not None and self.edge.op is LEAF else None
        self.value = Value(t) if pair is None else None

    def unpack(self) -> Tensor:
        """Return the input as the function got it, history included."""
        if self.held is not None:
            return share(self.held.unpack(), self.edge)
        assert self.value is not None
        t = self.value.get("an input")
        return share(t, self.edge) if self.leaf is None else self.leaf


class Region:
    """One call: what to run again and on what, its slots, and what was in them.

    again       runs the function once more on its inputs
    early_stop  end a recomputation when it has refilled the last slot
    check       compare shapes and dtypes
    explain     turns a CheckpointError into one that says more, or None
    """

    def __init__(
        self, again: Callable[..., Any], early_stop: bool, check: bool,
        explain: Callable[[CheckpointError], CheckpointError] | None,
    ) -> None:  # fmt: skip
        self.again, self.early_stop, self.check, self.explain = again, early_stop, check, explain
        self.inputs: list[Any] = []
        self.slots: list[weakref.ref[Slot]] = []
        self.specs: list[Any] = []
        self.complete = False  # the call has returned
        backward_run.watch()

    def save_inputs(self, args: tuple) -> None:
        """Keep the arguments of the call."""
        self.inputs = [Input(a) if isinstance(a, Tensor) else a for a in args]

    def hooks(self) -> saved_tensors_hooks:
        """Return the hooks to call the function under."""
        return saved_tensors_hooks(self._pack, self._unpack)

    def _pack(self, t: Tensor) -> Slot:
        slot = Slot(len(self.slots))
        self.slots.append(weakref.ref(slot))
        self.specs.append(t._spec)
        return slot

    def _unpack(self, slot: Slot) -> Tensor:
        group = _thread.group
        run = backward_run.current() if group is None else group
        notes: dict[Any, Any] = {} if run is None else run.notes
        values = notes.get(self)
        if values is not None and slot.number not in values and group is not None:
            raise CheckpointError(_OVERLAP)
        if values is None or slot.number not in values:
            try:
                values = notes[self] = Recomputation(self).run()
            except CheckpointError as error:
                if self.explain is None:
                    raise
                raise self.explain(error) from error
        value: Value = values.pop(slot.number)
        return value.get("a recomputed tensor")


class Recomputation:
    """One more run of the function of a region, and the values that it found for the slots."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.count = 0
        self.stopped = False
        self.values: dict[int, Value] = {}

    def run(self) -> dict[int, Value]:
        """Run the function as far as needed and check that it did the same."""
        inputs = [i.unpack() if isinstance(i, Input) else i for i in self.region.inputs]
        before = state.set_grad_enabled(True)
        try:
            with saved_tensors_hooks(self._pack, _same):
                self.region.again(*inputs)
        except Stop:
            pass
        finally:
            state.set_grad_enabled(before)
        self._check()
        return self.values

    def _pack(self, t: Tensor) -> Tensor:
        region, k = self.region, self.count
        if self.stopped:  # the function has caught the Stop, and goes on for itself
            return t
        if k >= len(region.slots):
            if not region.complete:  # a backward inside the function: the rest is still to come
                return t
            raise CheckpointError(
                "torch.utils.checkpoint: trying to save more tensors during recomputation than "
                f"during the original forward pass, where {len(region.slots)} were saved; the next "
                f"is a {errors.described(t)}.\n\n{TIP}"
            )
        self.count += 1
        if region.slots[k]() is not None:  # its node has not run yet
            self.values[k] = Value(t)
        if region.early_stop and self.count == len(region.slots):
            self.stopped = True
            raise Stop
        return t

    def _check(self) -> None:
        region = self.region
        if self.count != len(region.slots):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the "
                "original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(region.slots)}\n"
                f"Number of tensors saved during recomputation: {self.count}.\n\n{TIP}"
            )
        if not region.check:
            return
        different = [
            f"tensor at position {k}:\n"
            f"saved metadata: {_metadata(region.specs[k])}\n"
            f"recomputed metadata: {_metadata(v.tensor._spec)}\n"
            for k, v in self.values.items()
            if _metadata(region.specs[k]) != _metadata(v.tensor._spec)
        ]
        if different:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have "
                f"different metadata than during the forward pass.\n{''.join(different)}.\n\n{TIP}"
            )


def _same(t: Tensor) -> Tensor:
    return t


def _metadata(spec: Any) -> dict[str, Any]:
    return {"shape": spec.shape, "dtype": spec.dtype, "device": CPU}


class _Thread(threading.local):
    group: GraphExecGroup | None = None


_thread = _Thread()


class GraphExecGroup:
    """Within the block, several backward runs together recompute each region at most once.

    The runs must not need the same saved tensor: CheckpointError. RuntimeError if blocks are nested.

    >>> import wengert as torch
    >>> from wengert.utils.checkpoint import GraphExecGroup, checkpoint
    >>> x = torch.tensor([1., 2.], requires_grad=True)
    >>> def f(x):
    ...     print("f runs")
    ...     return x.sin(), x.cos()
    >>> a, b = checkpoint(f, x, use_reentrant=False)
    f runs
    >>> with GraphExecGroup():
    ...     a.sum().backward()
    ...     b.sum().backward()
    f runs
    """

    def __init__(self) -> None:
        self.notes: dict[Any, Any] = {}

    def __enter__(self) -> Self:
        if _thread.group is not None:
            raise RuntimeError(
                f"GraphExecGroup contexts cannot be nested. Already inside group {_thread.group}"
            )
        _thread.group = self
        return self

    def __exit__(self, *exc: object) -> None:
        _thread.group = None
        self.notes.clear()
