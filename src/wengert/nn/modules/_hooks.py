"""Hooks of a module: how they are registered, and the call that runs them.

`Module.__call__` stays two lines; it comes here only when some hook is present. Backward hooks are
two identity functions around `forward`: the outer one sees the gradients of the outputs, the inner
one those of the inputs, and the user's hook runs when the latter are known.
"""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from ...autograd.function import Function
from ...core import state
from ...core.hooks import RemovableHandle
from ...core.tensor import Tensor

Hook = Callable[..., Any]

global_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
global_hooks: OrderedDict[int, Hook] = OrderedDict()
global_hooks_always: OrderedDict[int, bool] = OrderedDict()
global_backward_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
global_backward_hooks: OrderedDict[int, Hook] = OrderedDict()

_global_tables = (global_pre_hooks, global_hooks, global_backward_pre_hooks, global_backward_hooks)
# One list that is empty exactly when no global hook is set: what `Module.__call__` tests.
any_global: list[bool] = []


class _GlobalHandle(RemovableHandle):
    def remove(self) -> None:
        super().remove()
        any_global[:] = [True] if any(_global_tables) else []


class _ForwardHandle(RemovableHandle):
    """The handle of a forward hook, which has flags in two tables."""

    def __init__(self, module: HookMethods) -> None:
        super().__init__(module._forward_hooks, extra_dict=module._forward_hooks_with_kwargs)
        self._always = weakref.ref(module._forward_hooks_always_called)

    def remove(self) -> None:
        super().remove()
        always = self._always()
        if always is not None:
            always.pop(self.id, None)


def _register_global(table: OrderedDict[int, Hook], hook: Hook) -> RemovableHandle:
    handle = _GlobalHandle(table, extra_dict=global_hooks_always)
    table[handle.id] = hook
    any_global[:] = [True]
    return handle


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Runs `hook(module, args)` before the forward of every module."""
    return _register_global(global_pre_hooks, hook)


def register_module_forward_hook(hook: Hook, *, always_call: bool = False) -> RemovableHandle:
    """Runs `hook(module, args, output)` after the forward of every module."""
    handle = _register_global(global_hooks, hook)
    if always_call:
        global_hooks_always[handle.id] = True
    return handle


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Runs `hook(module, grad_output)` before the backward of every module."""
    return _register_global(global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Runs `hook(module, grad_input, grad_output)` after the backward of every module."""
    return _register_global(global_backward_hooks, hook)


class HookMethods:
    """The hook part of `Module`."""

    _forward_pre_hooks: OrderedDict[int, Hook]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks: OrderedDict[int, Hook]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _backward_pre_hooks: OrderedDict[int, Hook]
    _backward_hooks: OrderedDict[int, Hook]
    forward: Callable[..., Any]

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Runs `hook(module, args)` before each forward; what it returns replaces the arguments.

        With `with_kwargs` the hook is `hook(module, args, kwargs)` and returns both or None.
        """
        handle = RemovableHandle(
            self._forward_pre_hooks, extra_dict=self._forward_pre_hooks_with_kwargs
        )
        _put(self._forward_pre_hooks, handle, hook, prepend)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook: Hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Runs `hook(module, args, output)` after each forward; what it returns replaces output.

        With `with_kwargs` the hook is `hook(module, args, kwargs, output)`; with `always_call` it
        also runs when forward raises.

        >>> import wengert as torch
        >>> layer = torch.nn.Identity()
        >>> handle = layer.register_forward_hook(lambda module, args, output: output * 2)
        >>> layer(torch.tensor([1.0]))
        tensor([2.])
        >>> handle.remove()
        """
        handle = _ForwardHandle(self)
        _put(self._forward_hooks, handle, hook, prepend)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Runs `hook(module, grad_output)` when the gradients of the outputs are known.

        What it returns replaces `grad_output` for the backward of the module.
        """
        handle = RemovableHandle(self._backward_pre_hooks)
        _put(self._backward_pre_hooks, handle, hook, prepend)
        return handle

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Runs `hook(module, grad_input, grad_output)` when the gradients of the inputs are known.

        Both are tuples with one entry per positional argument and per output (None where there is
        no gradient). What the hook returns replaces `grad_input`.
        """
        handle = RemovableHandle(self._backward_hooks)
        _put(self._backward_hooks, handle, hook, prepend)
        return handle

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """The old name of `register_full_backward_hook`, which it is here."""
        return self.register_full_backward_hook(hook)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        finished: set[int] = set()
        try:
            return self._run_hooks(args, kwargs, finished)
        except Exception:
            self._run_pending_always(args, kwargs, finished)
            raise

    def _run_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any], done: set[int]) -> Any:
        for hook in tuple(global_pre_hooks.values()):
            args = _new_args(hook(self, args), args)
        for key, hook in tuple(self._forward_pre_hooks.items()):
            if key not in self._forward_pre_hooks_with_kwargs:
                args = _new_args(hook(self, args), args)
                continue
            answer = hook(self, args, kwargs)
            if answer is None:
                continue
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise RuntimeError(
                    "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                    f"but got {answer}."
                )
            args, kwargs = answer
        pre = (*global_backward_pre_hooks.values(), *self._backward_pre_hooks.values())
        full = (*global_backward_hooks.values(), *self._backward_hooks.values())
        gates = _Gates(self, pre, full) if (pre or full) and state.is_grad_enabled() else None
        if gates is not None:
            args = gates.on_inputs(args)
        result = self.forward(*args, **kwargs)
        for key, hook in tuple(global_hooks.items()):
            done.add(key)
            answer = hook(self, args, result)
            result = result if answer is None else answer
        for key, hook in tuple(self._forward_hooks.items()):
            done.add(key)
            if key in self._forward_hooks_with_kwargs:
                answer = hook(self, args, kwargs, result)
            else:
                answer = hook(self, args, result)
            result = result if answer is None else answer
        return result if gates is None else gates.on_outputs(result)

    def _run_pending_always(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], done: set[int]
    ) -> None:
        """After a failure: the `always_call` hooks that have not run, their own errors as warnings."""
        waiting = [
            (key, hook, False) for key, hook in global_hooks.items() if key in global_hooks_always
        ]
        waiting += [
            (key, hook, key in self._forward_hooks_with_kwargs)
            for key, hook in self._forward_hooks.items()
            if key in self._forward_hooks_always_called
        ]
        for key, hook, wants_kwargs in waiting:
            if key in done:
                continue
            try:
                hook(self, args, kwargs, None) if wants_kwargs else hook(self, args, None)
            except Exception as error:
                warnings.warn(
                    f"forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}",
                    stacklevel=4,
                )


def _put(table: OrderedDict[int, Hook], handle: RemovableHandle, hook: Hook, first: bool) -> None:
    table[handle.id] = hook
    if first:
        table.move_to_end(handle.id, last=False)


def _new_args(answer: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    if answer is None:
        return args
    return answer if isinstance(answer, tuple) else (answer,)


class BackwardHookFunction(Function):
    """The identity on any number of tensors; `seen(grads)` reads and may replace the gradients."""

    @staticmethod
    def forward(ctx: Any, seen: Hook, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.seen = seen
        ctx.set_materialize_grads(False)
        return tuple(t.detach() for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        return (None, *ctx.seen(grads))


class _Gates:
    """One call's pair of gates; carries the output gradients from the outer to the inner one."""

    def __init__(self, module: Any, pre: Sequence[Hook], full: Sequence[Hook]) -> None:
        self.module, self.pre, self.full = module, pre, full
        self.inputs: list[int] | None = None
        self.n_inputs = 0
        self.grad_outputs: tuple[Any, ...] = ()

    def on_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.n_inputs = len(args)
        where = _tracked(args)
        if not where:
            return args
        self.inputs = where
        return _through_gate(args, where, self.inputs_seen)

    def on_outputs(self, result: Any) -> Any:
        parts = result if isinstance(result, tuple) else (result,)
        if not all(isinstance(part, Tensor) for part in parts):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=5,
            )
            return result
        where = _tracked(parts)
        if not where:
            return result
        self.n_outputs, self.outputs = len(parts), where
        gated = _through_gate(parts, where, self.outputs_seen)
        if not isinstance(result, tuple):
            return gated[0]
        named = hasattr(type(result), "_fields")
        return type(result)(*gated) if named else type(result)(gated)

    def outputs_seen(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        every = _spread(grads, self.outputs, self.n_outputs)
        for hook in self.pre:
            every = _replaced(hook(self.module, every), every, "grad_output", "pre hook")
        self.grad_outputs = every
        if self.inputs is None:
            # No input wants a gradient, so the inner gate will never run: the hook runs now.
            if self.full:
                warnings.warn(
                    "Full backward hook is firing when gradients are computed with respect to "
                    "module outputs since no inputs require gradients: grad_input is None and the "
                    "parameters' gradients are not computed yet",
                    stacklevel=2,
                )
            for hook in self.full:
                answer = hook(self.module, (None,) * self.n_inputs, every)
                if answer is not None and not _all_none(answer):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always "
                        f"return None or None for all gradients. Module "
                        f"{type(self.module).__name__} got {answer!r}"
                    )
        return tuple(every[k] for k in self.outputs)

    def inputs_seen(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        where = self.inputs or []
        every = _spread(grads, where, self.n_inputs)
        for hook in self.full:
            answer = hook(self.module, every, self.grad_outputs)
            every = _replaced(answer, every, "grad_input", "hook")
        self.grad_outputs = ()
        return tuple(every[k] for k in where)


def _tracked(values: tuple[Any, ...]) -> list[int]:
    return [k for k, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]


def _through_gate(values: tuple[Any, ...], where: list[int], seen: Hook) -> tuple[Any, ...]:
    gated = BackwardHookFunction.apply(seen, *[values[k] for k in where])
    every = list(values)
    for k, value in zip(where, gated, strict=True):
        every[k] = value
    return tuple(every)


def _spread(grads: tuple[Any, ...], where: list[int], n: int) -> tuple[Any, ...]:
    every: list[Any] = [None] * n
    for k, grad in zip(where, grads, strict=True):
        every[k] = grad
    return tuple(every)


def _all_none(answer: Any) -> bool:
    return isinstance(answer, tuple) and all(a is None for a in answer)


def _replaced(answer: Any, before: tuple[Any, ...], what: str, kind: str) -> tuple[Any, ...]:
    if answer is None:
        return before
    after: tuple[Any, ...] = answer if isinstance(answer, tuple) else (answer,)
    if len(after) != len(before):
        raise RuntimeError(
            f"Backward {kind} returned an invalid number of {what}, got {len(after)}, "
            f"but expected {len(before)}"
        )
    return after
