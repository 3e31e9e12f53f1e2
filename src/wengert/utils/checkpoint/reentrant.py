"""The older variant, `use_reentrant=True`: a custom function whose backward runs backward again."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from ...autograd import backward, backward_run, enable_grad, no_grad
from ...autograd.function import Function
from ...core.tensor import Tensor
from ...ops.generator import current

_NOT_FOR_GRAD = (
    "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an "
    "`inputs` parameter to .backward(). To resolve this error, you can either set "
    "use_reentrant=False, or call .backward() without passing the `inputs` argument."
)


@contextlib.contextmanager
def replayed(random: Any) -> Iterator[None]:
    """Within the block, draw from a snapshot of the default generator (None: as things are)."""
    if random is None:
        yield
        return
    generator = current()
    outer = generator.snapshot()
    generator.restore(random)
    try:
        yield
    finally:
        generator.restore(outer)


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the inputs with every tensor detached; each requires grad if the original did.

    RuntimeError unless the inputs are a tuple.

    >>> import wengert as torch
    >>> (x,) = torch.utils.checkpoint.detach_variable((torch.ones(2, requires_grad=True) * 2,))
    >>> x
    tensor([2., 2.], requires_grad=True)
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: "
            f"{type(inputs).__name__}"
        )
    return tuple(
        t.detach().requires_grad_(t.requires_grad) if isinstance(t, Tensor) else t for t in inputs
    )


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn if no tensor among the inputs requires grad."""
    if not any(t.requires_grad for t in inputs if isinstance(t, Tensor)):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
        )


class CheckpointFunction(Function):
    """`apply(function, preserve_rng_state, *args)`: call now without recording, recompute later."""

    @staticmethod
    def forward(ctx: Any, run_function: Any, preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        backward_run.watch()
        ctx.run_function = run_function
        ctx.random = current().snapshot() if preserve_rng_state else None
        ctx.others = [None if isinstance(a, Tensor) else a for a in args]
        ctx.places = [k for k, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*(args[k] for k in ctx.places))
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        run = backward_run.current()
        if run is not None and run.inputs:
            raise RuntimeError(_NOT_FOR_GRAD)
        args = list(ctx.others)
        for k, t in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[k] = t
        inputs = detach_variable(tuple(args))
        with replayed(ctx.random), enable_grad():
            outputs = ctx.run_function(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        roots = [
            (t, g)
            for t, g in zip(outputs, grads, strict=True)
            if isinstance(t, Tensor) and t.requires_grad
        ]
        if not roots:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        backward([t for t, _ in roots], [g for _, g in roots])
        return (None, None, *(t.grad if isinstance(t, Tensor) else None for t in inputs))
