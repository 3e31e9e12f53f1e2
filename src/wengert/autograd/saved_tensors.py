"""Hooks on what is saved for backward: `saved_tensors_hooks` and what is built on it.

While a thread is inside, a mode sees every call and packs what the call saved (`core.packed`).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..core import state
from ..core.node import LEAF, PORT, Node, port
from ..core.packed import Held, Packed, Pair, SavedTensor, pack
from ..core.tensor import Tensor
from .function_op import FunctionOp, Saved

_lock = threading.Lock()


class _Thread(threading.local):
    """The pairs that are active in a thread, innermost last, and why there may be none."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self.refusal: str | None = None


_thread = _Thread()


class _Saving(state.Mode):
    """Hands what a call saved to the innermost pair of its thread."""

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        pairs = _thread.pairs
        if not pairs:
            return self.forward(op, args, params)
        pair, start = pairs[-1], state.tick()
        result = self.forward(op, args, params)
        results = result if isinstance(result, tuple) else (result,)
        for t in results:
            e = t._edge if isinstance(t, Tensor) else None
            if e is None or e.op is LEAF:
                continue
            n = e.edges[0] if e.op is PORT else e
            if n.seq > start and n.op.saves_any:  # this very call has recorded it
                if isinstance(n.op, FunctionOp):
                    _pack_function(n, pair, results)
                elif not isinstance(n.op, Packed):
                    pack(n, pair, args, results)
        return result


_saving = _Saving()
_inside = 0  # how many pairs are active, in all threads


def active_pair() -> Pair | None:
    """Return the pair that what this thread saves now is handed to, or None."""
    return _thread.pairs[-1] if _thread.pairs else None


def _push(pair: Pair) -> None:
    global _inside
    if _thread.refusal is not None:
        raise RuntimeError(_thread.refusal)
    _thread.pairs.append(pair)
    with _lock:
        _inside += 1
        if _inside == 1:
            state.push_mode(_saving)


def _pop() -> None:
    global _inside
    _thread.pairs.pop()
    with _lock:
        _inside -= 1
        if _inside == 0:
            state.pop_mode(_saving)


# ------------------------------------------------------------------- custom functions
class _HeldSaved(Saved):
    """One tensor of `ctx.save_for_backward` that hooks keep."""

    __slots__ = ("held",)

    def __init__(self, held: Held, edge: Node | None, number: int | None) -> None:
        self.held, self.edge, self.number = held, edge, number

    def unpack(self, node: Node) -> Tensor:
        edge = self.edge
        if self.number is not None:
            count = len(node.rest._output_specs)
            edge = node if count == 1 else port(node, self.number, count)
        t = self.held.unpack()
        return t if t._edge is edge else t._share(edge)


def _pack_function(n: Any, pair: Pair, results: tuple) -> None:
    """Hand what a custom function saved to the hooks, in the order of `save_for_backward`."""
    kept = []
    for s in n.out:
        if s is None or isinstance(s, _HeldSaved):
            kept.append(s)
        elif isinstance(s, Saved):
            t = s.live()
            if t is None:
                t = s.unpack(n)
            if s.number is not None:
                t = results[s.number]
            kept.append(_HeldSaved(Held(t, pair, s.number is not None), s.edge, s.number))
        else:
            kept.append(_HeldSaved(Held(s, pair, False), s._edge, None))
    n.out = tuple(kept)


# ------------------------------------------------------------------- public
class saved_tensors_hooks:
    """Within the block, tensors saved for backward are kept as `pack_hook(tensor)`.

    `unpack_hook` is given that value when backward wants the tensor, and returns a tensor of the
    same values; it may be called several times. Of nested pairs the innermost applies. RuntimeError
    if pack_hook writes to its argument, TypeError if unpack_hook returns no tensor.

    >>> import wengert as torch
    >>> x = torch.tensor(3., requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.item(), torch.tensor):
    ...     y = x.exp() * 0 + x * x
    >>> y.backward()
    >>> x.grad
    tensor(6.)
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if not (callable(self.pack_hook) and callable(self.unpack_hook)):
            raise TypeError("saved_tensors_hooks(): pack_hook and unpack_hook must be callable")
        _push(Pair(self.pack_hook, self.unpack_hook))

    def __exit__(self, *exc: object) -> None:
        _pop()


class save_on_cpu(saved_tensors_hooks):
    """Within the block, tensors saved for backward are kept on the CPU, where all tensors are.

    `pin_memory` copies them, as PyTorch does; `device_type` changes nothing.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack_to_cpu(tensor: Tensor) -> tuple[Any, Tensor]:
            kept: Any = tensor.detach()
            return kept.device, kept.clone() if pin_memory else kept

        def unpack_from_cpu(packed: tuple[Any, Any]) -> Tensor:
            device, tensor = packed
            return tensor.to(device, non_blocking=pin_memory)

        super().__init__(pack_to_cpu, unpack_from_cpu)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Within the block, using saved tensor hooks raises RuntimeError(error_message).

    RuntimeError at once if a pair is active already.
    """
    if _thread.pairs:
        raise RuntimeError(error_message)
    before, _thread.refusal = _thread.refusal, error_message
    try:
        yield
    finally:
        _thread.refusal = before


__all__ = ["SavedTensor", "disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"]
