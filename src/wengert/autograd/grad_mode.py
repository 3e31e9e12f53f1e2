"""Switches of recording: no_grad, enable_grad, set_grad_enabled, inference_mode."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core import modes, state
from ..core.tensor import Tensor, storage_of

__all__ = [
    "enable_grad",
    "enforce_grad_layout_policy",
    "inference_mode",
    "is_inference",
    "is_inference_mode_enabled",
    "is_multithreading_enabled",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


def _is_generator(f: Any) -> bool:
    return bool(getattr(getattr(f, "__code__", None), "co_flags", 0) & 0x20)


class _Switch:
    """A context manager that also decorates functions, generator functions and classes."""

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, *exc: object) -> None:
        raise NotImplementedError

    def clone(self) -> _Switch:
        """Return a fresh switch of the same kind, for one call of a decorated function."""
        return type(self)()

    def __call__(self, orig_func: Callable) -> Callable:
        """Decorate: the function runs inside the block."""
        if isinstance(orig_func, type):
            import warnings

            warnings.warn(
                f"Decorating classes is deprecated and will be disabled in future versions. You "
                f"should only decorate functions or methods. To preserve the current behavior of "
                f"class decoration, you can directly decorate the `__init__` method and nothing "
                f"else. The class is {orig_func.__name__}.",
                FutureWarning,
                stacklevel=2,
            )
            orig_func.__init__ = self(orig_func.__init__)  # type: ignore[misc]
            return orig_func
        if _is_generator(orig_func):
            return self._generator(orig_func)

        @functools.wraps(orig_func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return orig_func(*args, **kwargs)

        return inside

    def _generator(self, f: Callable) -> Callable:
        """Run every step of a generator inside the block, and what is between steps outside."""

        @functools.wraps(f)
        def steps(*args: Any, **kwargs: Any) -> Any:
            gen = f(*args, **kwargs)
            sent: Any = None
            error: BaseException | None = None
            while True:
                try:
                    with self.clone():
                        item = gen.send(sent) if error is None else gen.throw(error)
                except StopIteration as stop:
                    return stop.value
                error = None
                try:
                    sent = yield item
                except GeneratorExit:
                    with self.clone():
                        gen.close()
                    raise
                except BaseException as e:  # hand the caller's exception to the generator
                    error = e

        return steps


class _Bare(type):
    """Lets `@no_grad` without parentheses decorate a function."""

    def __call__(cls, orig_func: Any = None) -> Any:
        made = super().__call__()
        return made if orig_func is None else made(orig_func)


class no_grad(_Switch, metaclass=_Bare):
    """Stop recording inside the block (or the decorated function); thread-local.

    >>> import wengert as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(state.set_grad_enabled(False))

    def __exit__(self, *exc: object) -> None:
        state.set_grad_enabled(self._before.pop())


class enable_grad(_Switch, metaclass=_Bare):
    """Record inside the block, also when it stands inside no_grad.

    >>> import wengert as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad(), torch.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(state.set_grad_enabled(True))

    def __exit__(self, *exc: object) -> None:
        state.set_grad_enabled(self._before.pop())


class set_grad_enabled(_Switch):
    """Switch recording on or off: at once when called as a function, for a block as a context.

    >>> import wengert as torch
    >>> with torch.set_grad_enabled(False):
    ...     torch.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self.prev = state.set_grad_enabled(self.mode)

    def __enter__(self) -> None:
        state.set_grad_enabled(self.mode)

    def __exit__(self, *exc: object) -> None:
        state.set_grad_enabled(self.prev)

    def clone(self) -> _Switch:
        """Return a fresh switch to the same mode."""
        return set_grad_enabled(self.mode)

    def __call__(self, orig_func: Callable) -> Callable:
        """Decorate; the switch made to decorate is undone first."""
        state.set_grad_enabled(self.prev)
        return super().__call__(orig_func)

    def __repr__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"


class _InferenceMeta(type):
    def __call__(cls, mode: Any = True) -> Any:
        if callable(mode):
            return super().__call__(True)(mode)
        return super().__call__(mode)


class inference_mode(_Switch, metaclass=_InferenceMeta):
    """A stricter no_grad: what is made inside can never take part in recording.

    >>> import wengert as torch
    >>> with torch.inference_mode():
    ...     y = torch.ones(2) * 2
    >>> y.is_inference()
    True
    """

    def __init__(self, mode: bool = True) -> None:
        self.mode = bool(mode)
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        grad = state.set_grad_enabled(not self.mode)
        self._before.append((grad, state.set_inference(self.mode)))
        if self.mode:
            modes.enter()

    def __exit__(self, *exc: object) -> None:
        grad, inference = self._before.pop()
        if self.mode:
            modes.leave()
        state.set_inference(inference)
        state.set_grad_enabled(grad)

    def clone(self) -> _Switch:
        """Return a fresh switch to the same mode."""
        return inference_mode(self.mode)


class set_multithreading_enabled(_Switch):
    """Accepted for PyTorch scripts: backward always runs on the calling thread here."""

    _mode = True

    def __init__(self, mode: bool) -> None:
        self.prev = set_multithreading_enabled._mode
        self.mode = set_multithreading_enabled._mode = bool(mode)

    def __enter__(self) -> None:
        set_multithreading_enabled._mode = self.mode

    def __exit__(self, *exc: object) -> None:
        set_multithreading_enabled._mode = self.prev

    def clone(self) -> _Switch:
        """Return a fresh switch to the same mode."""
        return set_multithreading_enabled(self.mode)


class enforce_grad_layout_policy(_Switch):
    """Give gradients the memory layout of their leaves (True, as ever) or leave them as they come.

    With False a fresh gradient becomes `.grad` in whatever layout it has, which saves a copy.
    Thread-local; at once when called as a function, for a block as a context.

    >>> import wengert as torch
    >>> p = torch.ones(3, 2).t().requires_grad_()
    >>> with torch.autograd.enforce_grad_layout_policy(False):
    ...     (p * 2).sum().backward()
    """

    def __init__(self, enable: bool = True) -> None:
        self.mode = bool(enable)
        self.prev = state.set_keeps_layout(self.mode)

    def __enter__(self) -> None:
        state.set_keeps_layout(self.mode)

    def __exit__(self, *exc: object) -> None:
        state.set_keeps_layout(self.prev)

    def __call__(self, orig_func: Callable) -> Callable:
        """Decorate; the switch made to decorate is undone first."""
        state.set_keeps_layout(self.prev)
        return super().__call__(orig_func)

    def clone(self) -> _Switch:
        """Return a fresh switch to the same mode."""
        return enforce_grad_layout_policy(self.mode)


class _force_original_view_tracking(_Switch):
    """Accepted for PyTorch programs: views are always replayed on a base that was written."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        pass

    def clone(self) -> _Switch:
        """Return a fresh switch to the same mode."""
        return _force_original_view_tracking(self.mode)


class _unsafe_preserve_version_counter(_Switch):
    """Hide the in-place writes that a block makes to some tensors from the check of saved tensors."""

    def __init__(self, tensors: Tensor | tuple[Tensor, ...]) -> None:
        self.tensors = (tensors,) if isinstance(tensors, Tensor) else tensors
        if not isinstance(self.tensors, tuple):
            raise AssertionError(
                f"Expected tensors to be a tuple, but got {type(tensors).__name__}"
            )
        self._before: list[tuple[int, int, list[int] | None]] = []

    def __enter__(self) -> None:
        self._before = [
            (s.version, s.written, None if s.stamps is None else s.stamps.copy())
            for s in map(storage_of, self.tensors)
        ]

    def __exit__(self, *exc: object) -> None:
        for s, (version, written, stamps) in zip(
            map(storage_of, self.tensors), self._before, strict=True
        ):
            s.version, s.written, s.stamps = version, written, stamps

    def clone(self) -> _Switch:
        """Return a fresh switch for the same tensors."""
        return _unsafe_preserve_version_counter(self.tensors)


def is_multithreading_enabled() -> bool:
    """Return what set_multithreading_enabled last said."""
    return set_multithreading_enabled._mode


is_grad_enabled = state.is_grad_enabled


def is_inference_mode_enabled() -> bool:
    """Return True inside inference mode."""
    return state.is_inference()


def is_inference(tensor: Any) -> bool:
    """Return True if the tensor was made in inference mode."""
    return bool(tensor.is_inference())
