"""Selective checkpointing: the results of chosen ops are kept, everything else is recomputed.

Two modes share a store. While the function runs the first time, `_Keeping` asks the policy about
every call and keeps the results it wants; when it runs again, `_Giving` records those calls without
making them. The k-th call of an op is the k-th call of that op both times.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from ...autograd.profiler_record import call_name
from ...core.cold import evaluate_known
from ...core.registry import API
from ...core.tensor import Tensor, storage_of
from ...ops.aten import Name, known
from .watching import ThreadMode

_HOW = (
    "This can happen if the operations in the checkpointed region are nondeterministic or depend on "
    "global state that changed between forward and backward."
)
_MADE_OF = {  # public functions that call ops of other names
    "linear": ("addmm", "mm", "mv"),
    "matmul": ("mm", "bmm", "mv", "dot"),
}
# rows whose nodes have the names of what PyTorch wraps around the product
_PRODUCTS = {
    "rows_mm": "mm", "rows_mm_nt": "mm", "vec_mm": "mm", "vec_mm_nt": "mm", "rows_mv": "mv",
    "stack_mm": "bmm", "rows_linear": "addmm",
}  # fmt: skip

SAC_IGNORED_OPS: set[Name] = {Name("detach"), Name("alias")}


class CheckpointPolicy(enum.Enum):
    """What to do with the result of a call: keep it, or compute it again.

    MUST_ and PREFER_ mean the same here, and so do SAVE and CPU_OFFLOAD: tensors are on the CPU.
    """

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


_DROP = (CheckpointPolicy.MUST_RECOMPUTE, CheckpointPolicy.PREFER_RECOMPUTE)


class SelectiveCheckpointContext:
    """What a policy is told beside the call: `op_output`, the result. `is_recompute` is False."""

    def __init__(self, *, is_recompute: bool, op_output: Any = None) -> None:
        self.is_recompute, self.op_output = is_recompute, op_output


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> tuple[Any, Any]:
    """Return the two contexts that make `checkpoint` keep the results of chosen ops.

    policy_fn_or_list           a list of ops whose results are kept, or a function
                                policy(ctx, op, *args) -> CheckpointPolicy (or True to keep)
    allow_cache_entry_mutation  True: don't refuse results that were written in place since

    An op is given as in PyTorch, `torch.ops.aten.mm.default`, by its name, "mm", or as a public
    function, `torch.mm`; policies get the name. Pass functools.partial(this, policy) as `context_fn`
    of `checkpoint(use_reentrant=False)`. Views and draws of random numbers are always made again.
    ValueError for what names no op, TypeError for anything but a list or a function.

    >>> import functools
    >>> import wengert as torch
    >>> from wengert.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
    >>> x = torch.ones(2, 2, requires_grad=True)
    >>> keep_products = functools.partial(create_selective_checkpoint_contexts, [torch.mm])
    >>> def f(x):
    ...     return torch.mm(x, x).sin().sum()
    >>> checkpoint(f, x, use_reentrant=False, context_fn=keep_products).backward()
    >>> x.grad
    tensor([[-1.6646, -1.6646],
            [-1.6646, -1.6646]])
    """
    if isinstance(policy_fn_or_list, list):
        chosen = frozenset(name for op in policy_fn_or_list for name in _names(op))

        def policy(ctx: SelectiveCheckpointContext, op: Name, *args: Any) -> CheckpointPolicy:
            keep = op in chosen
            return CheckpointPolicy.MUST_SAVE if keep else CheckpointPolicy.PREFER_RECOMPUTE

    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    store: dict[tuple[str, int], Any] = {}
    return _Keeping(policy, store), _Giving(store, allow_cache_entry_mutation)


def _names(op: Any) -> tuple[str, ...]:
    """The names of calls that an entry of the list means."""
    name = op if isinstance(op, str) else getattr(op, "__name__", None)
    if name is None or not known(name) or not (isinstance(op, str) or _is_public(op, name)):
        raise ValueError(
            f"Expected op in `op_list` to be an op, a name or a public function but got: {op!r} of "
            f"type {type(op)}. Ops are named as in torch.ops.aten.mm.default, 'mm' or torch.mm."
        )
    return _MADE_OF.get(name, (name,))


def _is_public(f: Any, name: str) -> bool:
    return any(API[space].get(name) is f for space in ("torch", "Tensor", "F", "special", "linalg"))


def name_of(op: Any, params: tuple) -> Name:
    """The name of a call for policies: that of PyTorch's op."""
    return Name(_PRODUCTS.get(op.name) or call_name(op, params).removeprefix("aten::"))


class _Selecting(ThreadMode):
    """What both contexts do: number the calls of each op in the thread that entered."""

    def __init__(self, store: dict[tuple[str, int], Any]) -> None:
        self.store = store
        self.counts: dict[str, int] = {}

    def _begin(self) -> None:
        self.counts.clear()

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        """Hand the calls that a policy may choose to `select`."""
        if (
            not self.mine()
            or op.view
            or op.kind == "function"  # the calls inside are seen themselves
            or "source" in op.params  # the random stream must move on
            or any(isinstance(a, Tensor) and not a._spec.plain for a in args)  # made of plain calls
        ):
            return self.forward(op, args, params)
        name = name_of(op, params)
        if name in SAC_IGNORED_OPS:
            return self.forward(op, args, params)
        k = self.counts.get(name, 0)
        self.counts[name] = k + 1
        return self.select(name, k, op, args, params)

    def select(self, name: Name, k: int, op: Any, args: tuple, params: tuple) -> Any:
        """Make (or give) the k-th call of an op."""
        raise NotImplementedError


class _Keeping(_Selecting):
    """Within the block, results that the policy wants are kept."""

    def __init__(self, policy: Callable[..., Any], store: dict[tuple[str, int], Any]) -> None:
        super().__init__(store)
        self.policy = policy

    def select(self, name: Name, k: int, op: Any, args: tuple, params: tuple) -> Any:
        result = self.forward(op, args, params)
        context = SelectiveCheckpointContext(is_recompute=False, op_output=result)
        answer = self.policy(context, name, *args, *params)
        keep = answer if isinstance(answer, bool) else answer not in _DROP
        self.store[name, k] = _kept(result) if keep else None
        return result


def _kept(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(_kept(r) for r in result)
    return result.detach(), storage_of(result).version


class _Giving(_Selecting):
    """Within the block, calls whose results were kept are recorded, not made."""

    def __init__(self, store: dict[tuple[str, int], Any], allow_mutation: bool) -> None:
        super().__init__(store)
        self.allow_mutation = allow_mutation

    def select(self, name: Name, k: int, op: Any, args: tuple, params: tuple) -> Any:
        if (name, k) not in self.store:
            what = f"invocation index {k} " if (name, 0) in self.store else ""
            raise RuntimeError(
                f"aten.{name} {what}encountered during backward but not found in storage. {_HOW}"
            )
        kept = self.store[name, k]
        if kept is None:
            return self.forward(op, args, params)
        return self.forward(_Known(op, self._given(kept)), args, params)

    def _given(self, kept: Any) -> Any:
        if isinstance(kept[0], tuple):
            return tuple(self._given(one) for one in kept)
        t, version = kept
        if not self.allow_mutation and storage_of(t).version != version:
            raise RuntimeError(
                "Tensor cached during selective activation checkpoint has been mutated: a "
                f"{t.dtype} tensor of shape {list(t.shape)} was written in place; clone() it before"
            )
        return t.detach()


class _Known:
    """Stands for an op in one call whose result is known."""

    def __init__(self, op: Any, result: Any) -> None:
        self.op, self.result = op, result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)

    def evaluate(self, args: tuple, params: tuple) -> Any:
        """Record the call."""
        return evaluate_known(self.op, args, params, self.result)
