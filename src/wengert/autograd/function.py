"""Custom functions: a call with the user's own forward and backward, recorded as one node.

`Function.apply` runs `forward` unrecorded and hangs its outputs on a node whose op calls the user's
`backward`. The user's `ctx` is kept by the node and points back weakly; saved outputs are kept as
arrays and re-hung on the node when asked for. So there is no reference cycle.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from ..core import errors, state
from ..core.node import Node, Spent, seen
from ..core.tensor import Tensor
from .function_kept import with_history
from .function_op import FunctionOp, Refusal, unpacked

new = object.__new__
_MODULE = "torch.autograd.function"  # what the printed names of nodes and contexts begin with
_LEGACY = (
    "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
    "autograd function with static forward method. (Example: "
    "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
)
_NO_JVP = "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."


class FunctionCtx:
    """What `forward` and `backward` of a custom function share: the `ctx` argument.

    `needs_input_grad` is a tuple with one bool per argument of forward.
    """

    to_save: tuple = ()
    saved_for_forward: tuple | None = None
    non_differentiable: tuple = ()
    dirty_tensors: tuple = ()
    materialize_grads = True
    needs_input_grad: tuple[bool, ...] = ()
    _node: Any = None  # a weak reference to the node, once there is one
    _forward_cls: Any = None
    _in_jvp = False
    _saved_seen = False
    _recorded = False  # a backward is running that is itself recorded
    _kept: Any = None  # what forward computed from its inputs and kept: see function_kept
    _below: list = []  # the edges of the inputs under their wrappers
    _input_specs: Any = ()
    _output_specs: Any = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (or None) for `backward`, where `saved_tensors` returns them.

        Anything else is a TypeError. In-place changes after this are noticed when they are read.
        """
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (or None) for `jvp`, where `saved_tensors` returns them."""
        for k, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_forward expects Tensors or None, but argument {k} is of type "
                    f"{type(t).__name__}; keep other values as attributes of ctx"
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Declare inputs that `forward` changed in place; all of them must be returned."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Declare outputs that get no gradient."""
        self.non_differentiable = args

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Do nothing but warn: sharing is tracked without it."""
        warnings.warn(
            "function 'mark_shared_storage' is deprecated. Tensors with shared storages are "
            "automatically tracked. Note that calls to `set_()` are not tracked",
            FutureWarning,
            stacklevel=2,
        )

    def set_materialize_grads(self, value: bool) -> None:
        """With False, `backward` and `jvp` get None instead of zeros where no gradient arrives."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple:
        """The tensors given to save_for_backward (inside `jvp`: to save_for_forward).

        Raises RuntimeError if one was changed in place since, or if they were freed.
        """
        node = None if self._node is None else self._node()
        if self._in_jvp:
            forward = self.saved_for_forward
            values = self.to_save if forward is None else forward
            if not self._recorded:
                return values
            return with_history(
                values, self, node, "to_save" if forward is None else "saved_for_forward"
            )
        if node is None:
            return ()
        if node.op.__class__ is Spent:
            raise RuntimeError(errors.spent(node.name()))
        if self._saved_seen:
            raise RuntimeError(
                "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True "
                "is set on the autograd.Function. Either access saved_tensors only once, or set "
                "clear_saved_tensors_on_access=False."
            )
        saved = tuple([unpacked(s, node) for s in node.out])
        if self._forward_cls.clear_saved_tensors_on_access:
            node.out, self._saved_seen = (), True
        return with_history(saved, self, node, "to_save") if self._recorded else saved

    saved_variables = saved_tensors

    def __getattr__(self, name: str) -> Any:
        if name in _NODE_NAMES and self._node is not None and self._node() is not None:
            return getattr(self._node(), name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<{_MODULE}.{type(self).__name__} object at {hex(id(self))}>"


_NODE_NAMES = frozenset(
    ("name", "next_functions", "metadata", "register_hook", "register_prehook", "_sequence_nr")
)


class BackwardCFunction(Node):
    """The node of a custom function. It shares its attributes with the ctx."""

    rest: Any

    @property
    def _output_count(self) -> int:
        return len(self.rest._output_specs)

    @property
    def saved_tensors(self) -> tuple:
        """The tensors given to save_for_backward, as they were."""
        return self.rest.saved_tensors

    @property
    def next_functions(self) -> tuple:
        """The (node, output number) pairs of the tensors among the arguments."""
        return tuple(
            seen(e)
            for e, s in zip(self.edges, self.rest._input_specs, strict=True)
            if s is not None
        )

    def apply(self, *grads: Tensor | None) -> Any:
        """Run the user's backward on cotangents, one per output."""
        return self.rest._forward_cls._backward_of()(self.rest, *grads)

    def __call__(self, *grads: Tensor | None) -> Any:
        return self.apply(*grads)


class FunctionMeta(type):
    """Gives every Function class its ctx class, its node class and its op."""

    def __init__(cls, name: str, bases: tuple, attrs: dict) -> None:
        super().__init__(name, bases, attrs)
        public = {"__module__": _MODULE}
        label = name + "Backward"
        cls._ctx_class = type(label, (FunctionCtx,), {**public, "_forward_cls": cls})
        cls._backward_cls = type(label, (BackwardCFunction,), public)
        cls._ops = (FunctionOp(cls, False), FunctionOp(cls, True))
        cls._kept_by_call = dict[tuple, dict]()
        cls._watched = False


class Function(metaclass=FunctionMeta):
    """Base class of operations with a derivative of your own.

    Write `forward(ctx, *args)` and `backward(ctx, *grad_outputs)` as static methods (or
    `forward(*args)` with `setup_context(ctx, inputs, output)`) and call the operation with
    `apply`. backward returns one gradient per argument of forward, None where there is none.
    For forward mode write `jvp(ctx, *tangents)`.

    >>> import wengert as torch
    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         x, = ctx.saved_tensors
    ...         return g * 3 * x ** 2
    >>> x = torch.tensor(2., requires_grad=True)
    >>> y = Cube.apply(x)
    >>> y
    tensor(8., grad_fn=<CubeBackward>)
    >>> y.backward()
    >>> x.grad
    tensor(12.)
    """

    generate_vmap_rule = False
    clear_saved_tensors_on_access = False
    boxed_grads_call = False

    _ctx_class: Any
    _backward_cls: Any
    _ops: tuple
    _kept_by_call: dict  # (how many arguments, how many saved) -> what `function_kept.Watch` found
    _watched: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{self.__class__} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself. Instantiating an autograd "
            "function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(_LEGACY)

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; runs with recording off."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """Fill `ctx` after a `forward` that takes no ctx."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return the gradients of the inputs, given those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Return the tangents of the outputs, given those of the inputs."""
        raise NotImplementedError(_NO_JVP)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """Run on batched arguments; return the outputs and where their batch dims are."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod "
            "or set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call the operation; keyword arguments are those of forward's positional parameters."""
        if kwargs:
            args = _bound(cls, args, kwargs)
        elif cls._splits_context() and not _complete(cls.forward, args):
            args = _bound(cls, args, {})
        op = cls._ops[0]
        mode = state.MODE
        return op.evaluate(args) if mode is None else mode.call(op, args, ())

    @classmethod
    def _splits_context(cls) -> bool:
        return cls.setup_context is not Function.setup_context

    @classmethod
    def _backward_of(cls) -> Callable:
        """The user's backward, which may be called vjp."""
        by_backward = cls.backward is not Function.backward
        if by_backward and cls.vjp is not Function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
                "should only implement one of them."
            )
        return cls.backward if by_backward else cls.vjp


def _complete(forward: Any, args: tuple) -> bool:
    """Say at a glance that no argument is left to its default."""
    code = getattr(forward, "__code__", None)
    return code is not None and code.co_argcount == len(args) and not code.co_flags & 0x0C


def _bound(cls: Any, args: tuple, kwargs: dict) -> tuple:
    """Arguments of apply by position, as forward takes them; defaults that are needed filled in."""
    import inspect

    signature = inspect.signature(cls.forward)
    split = cls._splits_context()
    given = args if split else (None, *args)
    try:
        bound = signature.bind(*given, **kwargs)
    except TypeError as error:
        text = str(error)
        got = "got " if text.startswith("multiple") else ""
        raise TypeError(f"{cls.__name__}.forward() {got}{text}") from None
    if split or len(bound.args) < len(given) + len(kwargs):
        bound.apply_defaults()
    if bound.kwargs:
        name = next(iter(bound.kwargs))
        raise TypeError(
            f"{cls.__name__}.forward() got an unexpected keyword argument {name!r}: gradients are "
            "returned by position, so parameters of forward can't be keyword-only"
        )
    return bound.args if split else bound.args[1:]


def once_differentiable(fn: Callable) -> Callable:
    """Declare a `backward` that can't itself be differentiated (decorator, under @staticmethod).

    A second derivative through it raises RuntimeError instead of being silently wrong.
    """

    @functools.wraps(fn)
    def backward(ctx: Any, *grads: Any) -> Any:
        before = state.set_grad_enabled(False)
        try:
            result = fn(ctx, *grads)
        finally:
            state.set_grad_enabled(before)
        edges = tuple(g._edge for g in grads if isinstance(g, Tensor) and g._edge is not None)
        if not before or not edges:
            return result
        message = (
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )

        def refusing(r: Any) -> Any:
            if not isinstance(r, Tensor):
                return r
            n = new(Node)
            n.op, n.edges, n.seq, n.hooks = Refusal(message), edges, state.tick(), None
            return r._share(n)

        return tuple(map(refusing, result)) if isinstance(result, tuple) else refusing(result)

    return backward


class InplaceFunction(Function):
    """Kept for scripts that name it: a Function; mark in-place inputs with ctx.mark_dirty."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """Kept for scripts that name it: a Function; nested structures pass through unrecorded."""


__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionCtx",
    "FunctionMeta",
    "InplaceFunction",
    "NestedIOFunction",
    "once_differentiable",
]
