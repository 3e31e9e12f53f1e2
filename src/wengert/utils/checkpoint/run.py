"""`checkpoint`, `checkpoint_sequential` and their switches."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ...core import state
from ...ops.generator import current
from .reentrant import CheckpointFunction, replayed
from .region import Region

_early_stop: bool | None = None
_debug: bool | None = None
_SUPPRESSED = (
    "torch.utils.checkpoint: the forward context provided by context_fn suppressed an exception "
    "raised during the checkpointed forward. This is not supported because checkpoint cannot return "
    "a value for a failed forward."
)


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Within the block, calls of `checkpoint` stop recomputations early or not, whatever they say.

    It is the call that counts: backward may come after the block.
    """
    global _early_stop
    before, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = before


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Within the block, `debug` of `checkpoint` is this, whatever the call says; None: as it says."""
    global _debug
    before, _debug = _debug, enabled
    try:
        yield
    finally:
        _debug = before


def noop_context_fn() -> tuple[AbstractContextManager, AbstractContextManager]:
    """Return two contexts that do nothing."""
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[
        [], tuple[AbstractContextManager, AbstractContextManager]
    ] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Return function(*args, **kwargs); what it saves for backward is recomputed, not kept.

    Kept are the arguments. When backward first needs a tensor that was saved inside, the function
    runs again, with the random state that it had, and its tensors live until backward has used
    them. The function must do the same both times; CheckpointError says where it did not.
    ValueError for options that don't go together.

    use_reentrant       False (advised): works with all that is recorded; True: the variant of old,
                        for backward() without inputs= and for tensors among the arguments only
    context_fn          returns two contexts, to call and to recompute the function under
    determinism_check   "default" compares shapes and dtypes, "none" doesn't
    debug               errors list the calls that were made the first and the second time
    early_stop          end a recomputation as soon as the last tensor needed is there
    preserve_rng_state  a keyword: False leaves the random stream alone

    >>> import wengert as torch
    >>> from wengert.utils.checkpoint import checkpoint
    >>> x = torch.tensor([1., 2.], requires_grad=True)
    >>> y = checkpoint(lambda x: (x * x).sum(), x, use_reentrant=False)
    >>> y.backward()
    >>> x.grad
    tensor([2., 4.])
    """
    if use_reentrant is None:
        _warn_of_the_variant("torch.utils.checkpoint", "Starting in PyTorch 2.9, calling checkpoint "
                             "without use_reentrant will raise an exception.")  # fmt: skip
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError(
                "Unexpected keyword arguments: " + ",".join(kwargs) + "; use_reentrant=False "
                "passes them on"
            )
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
            )
        return CheckpointFunction.apply(function, preserve, *args)
    explain = None
    if debug if _debug is None else _debug:
        if context_fn is not noop_context_fn:
            raise ValueError("debug=True is incompatible with non-default context_fn")
        from .trace import Traces

        traces = Traces()
        context_fn, explain = traces.contexts, traces.explain
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    first, second = context_fn()
    if not state.is_grad_enabled():
        return function(*args, **kwargs)
    return _recorded(
        function, args, kwargs, preserve, first, second, determinism_check == "default",
        early_stop if _early_stop is None else _early_stop, explain,
    )  # fmt: skip


def _recorded(
    function: Callable[..., Any], args: tuple, kwargs: dict[str, Any], preserve: bool,
    first: AbstractContextManager, second: AbstractContextManager, check: bool, early_stop: bool,
    explain: Any,
) -> Any:  # fmt: skip
    random = current().snapshot() if preserve else None
    names, count = tuple(kwargs), len(args)

    def again(*inputs: Any) -> None:
        with replayed(random), second:
            function(*inputs[:count], **dict(zip(names, inputs[count:], strict=True)))

    region = Region(again, early_stop, check, explain)
    region.save_inputs((*args, *kwargs.values()))
    returned = False
    with region.hooks(), first:
        result = function(*args, **kwargs)
        returned = True
    if not returned:
        raise RuntimeError(_SUPPRESSED)
    region.complete = True
    return result


def _warn_of_the_variant(caller: str, future: str) -> None:
    warnings.warn(
        f"{caller}: the use_reentrant parameter should be passed explicitly. {future} "
        "use_reentrant=False is recommended, but if you need to preserve the current default "
        "behavior, you can pass use_reentrant=True. Refer to docs for more details on the "
        "differences between the two variants.",
        UserWarning,
        stacklevel=3,
    )


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Call functions (an nn.Sequential, or a list) one after the other, in checkpointed segments.

    All segments but the last are checkpointed; the last takes what is left over. With n functions
    and about sqrt(n) segments, about 2 sqrt(n) results are kept at a time instead of n.

    >>> import wengert as torch
    >>> from wengert.utils.checkpoint import checkpoint_sequential
    >>> x = torch.tensor(0.5, requires_grad=True)
    >>> checkpoint_sequential([torch.sin] * 4, 2, x, use_reentrant=False).backward()
    >>> x.grad
    tensor(0.6293)
    """
    if use_reentrant is None:
        _warn_of_the_variant("torch.utils.checkpoint.checkpoint_sequential",
                             "In version 2.9 we will raise an exception if use_reentrant is not "
                             "passed.")  # fmt: skip
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    children = getattr(functions, "children", None)
    steps: list[Callable[[Any], Any]] = list(functions if children is None else children())
    if not 0 < segments <= len(steps):
        raise ValueError(
            f"checkpoint_sequential: there are {len(steps)} functions, which make 1 to {len(steps)} "
            f"segments, not {segments}"
        )
    size = len(steps) // segments
    start = 0
    for _ in range(segments - 1):
        part = _Segment(steps[start : start + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
        start += size
    return _Segment(steps[start:])(input)


class _Segment:
    """Some of the functions, one after the other."""

    def __init__(self, steps: Sequence[Callable[[Any], Any]]) -> None:
        self.steps = steps

    def __call__(self, input: Any) -> Any:
        for step in self.steps:
            input = step(input)
        return input
