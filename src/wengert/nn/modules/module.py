"""`Module`: the base of every layer and model.

A module is a small tree node: named parameters, buffers and child modules, and a `forward`. The
three tables live in plain dicts, filled by attribute assignment. Calling a module without hooks is
two lines; hooks (_hooks.py), state dicts (_state.py) and walks (_tree.py) are beside it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Self

from ...core.parameter import Buffer, Parameter
from ...core.tensor import Tensor
from ._hooks import (
    HookMethods,
    any_global,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)
from ._state import StateMethods
from ._tree import TreeMethods

__all__ = [
    "Module",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
]

_ORDERED = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class Module(HookMethods, StateMethods, TreeMethods):
    """Base class of all layers and models: assign parameters and modules, define `forward`.

    >>> import wengert as torch
    >>> class Net(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = torch.nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.layer(x).relu()
    >>> Net()
    Net(
      (layer): Linear(in_features=4, out_features=2, bias=True)
    )
    """

    dump_patches: bool = False
    call_super_init: bool = False
    _version: int = 1
    training: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            name = type(self).__name__
            if kwargs:
                raise TypeError(
                    f"{name}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{name}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        slots = self.__dict__
        slots["training"] = True
        slots["_parameters"] = {}
        slots["_buffers"] = {}
        slots["_modules"] = {}
        slots["_non_persistent_buffers_set"] = set()
        for name in _ORDERED:
            slots[name] = OrderedDict()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Attribute look-ups on a class with __getattr__ are slow; one dict serves all four.
        slots = self.__dict__
        try:
            hooked = (
                slots["_forward_hooks"]
                or slots["_forward_pre_hooks"]
                or slots["_backward_hooks"]
                or slots["_backward_pre_hooks"]
                or any_global
            )
        except KeyError as missing:
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute {missing}: "
                "call super().__init__() first in its __init__"
            ) from None
        if hooked:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def _missing_forward(self, *input: Any) -> Any:
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    forward: Callable[..., Any] = _missing_forward

    # -- registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter under `name`; None keeps the name for one to come."""
        self._check_name("parameter", "_parameters", name)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{typename(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                    f"created explicitly: compute '{name}' from other tensors in forward() instead."
                )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is no parameter; a persistent one is part of the state dict."""
        self._check_name("buffer", "_buffers", name)
        if not (tensor is None or isinstance(tensor, Tensor)):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        self._buffers[name] = tensor
        (
            self._non_persistent_buffers_set.discard
            if persistent
            else self._non_persistent_buffers_set.add
        )(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child module under `name`."""
        if not (module is None or isinstance(module, Module)):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name("module", "_modules", name)
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """The other name of `add_module`."""
        self.add_module(name, module)

    def _check_name(self, kind: str, table: str, name: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if "." in name:
            got = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[table]:
            raise KeyError(f"attribute '{name}' already exists")

    # -- attributes

    def __getattr__(self, name: str) -> Any:
        # Reached for every `self.layer`: unrolled, children first.
        slots = self.__dict__
        if "_modules" in slots:
            members = slots["_modules"]
            if name in members:
                return members[name]
            members = slots["_parameters"]
            if name in members:
                return members[name]
            members = slots["_buffers"]
            if name in members:
                return members[name]
        raise AttributeError(
            f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self
        )

    def __setattr__(self, name: str, value: Any) -> None:
        slots = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in slots:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
            return
        if isinstance(value, Module):
            if "_modules" not in slots:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._refuse(name, value, "_parameters", "parameter", "torch.nn.Parameter or None")
            self._forget(name, "_modules")
            self.add_module(name, value)
            return
        if isinstance(value, Buffer):
            if "_buffers" not in slots:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            self._refuse(name, value, "_parameters", "parameter", "torch.nn.Parameter or None")
            self._forget(name, "_buffers")
            self.register_buffer(name, value, getattr(value, "persistent", True))
            return
        if name in slots.get("_parameters", ()):
            self._refuse(name, value, "_parameters", "parameter", "torch.nn.Parameter or None")
            self.register_parameter(name, None)
        elif name in slots.get("_modules", ()):
            self._refuse(name, value, "_modules", "child module", "torch.nn.Module or None")
            self._modules[name] = None
        elif name in slots.get("_buffers", ()):
            if not isinstance(value, Tensor):
                self._refuse(
                    name, value, "_buffers", "buffer", "torch.nn.Buffer, torch.Tensor or None"
                )
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    def _refuse(self, name: str, value: Any, table: str, kind: str, expected: str) -> None:
        """A registered name keeps its kind: only None may take its place."""
        if value is not None and name in self.__dict__.get(table, ()):
            raise TypeError(
                f"cannot assign '{typename(value)}' as {kind} '{name}' ({expected} expected)"
            )

    def _forget(self, name: str, keep: str) -> None:
        """Removes `name` from wherever else it was, before it is registered in `keep`."""
        slots = self.__dict__
        slots.pop(name, None)
        for table in ("_parameters", "_buffers", "_modules"):
            if table != keep:
                slots.get(table, {}).pop(name, None)
        if keep != "_buffers":
            slots["_non_persistent_buffers_set"].discard(name)

    def __delattr__(self, name: str) -> None:
        for table in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(table, ()):
                del self.__dict__[table][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {
            *dir(type(self)),
            *self.__dict__,
            *self._parameters,
            *self._modules,
            *self._buffers,
        }
        return sorted(name for name in names if not name[0].isdigit())

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _ORDERED:
            self.__dict__.setdefault(name, OrderedDict())

    # -- modes

    def train(self, mode: bool = True) -> Self:
        """Sets training mode on this module and all below it (dropout, batch norm)."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Sets evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Sets `requires_grad` on every parameter; False freezes the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or fills them with zeros."""
        clear_grads(self.parameters(), set_to_none)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Calls `fn` on every module below and then on this one, as for initialisation."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # -- conversion

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replaces every tensor by `fn` of it; parameters stay the objects that they are."""
        if recurse:
            for child in self.children():
                child._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            grad = parameter.grad
            before = parameter.detach()
            after = fn(before)
            if after is not before:
                parameter.data = after
            if grad is not None:
                parameter.grad = fn(grad.detach()).requires_grad_(grad.requires_grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves and casts parameters and buffers: `to(device)`, `to(dtype)`, `to(tensor)`.

        Only floating point and complex tensors are cast; other dtypes raise TypeError.
        """
        from ._convert import parse_to

        device, dtype = parse_to(args, kwargs)

        form = kwargs.get("memory_format")

        def convert(t: Tensor) -> Tensor:
            t = t.to(
                device=device, dtype=dtype if t.is_floating_point() or t.is_complex() else None
            )
            return t if form is None or t.dim() not in (4, 5) else t.to(memory_format=form)

        return self._apply(convert)

    def _cast(self, method: str) -> Self:
        return self._apply(lambda t: getattr(t, method)() if t.is_floating_point() else t)

    def float(self) -> Self:
        """Casts floating point parameters and buffers to float32."""
        return self._cast("float")

    def double(self) -> Self:
        """Casts floating point parameters and buffers to float64."""
        return self._cast("double")

    def half(self) -> Self:
        """Casts floating point parameters and buffers to float16."""
        return self._cast("half")

    def bfloat16(self) -> Self:
        """Casts floating point parameters and buffers to bfloat16 (needs the extra `bf16`)."""
        return self._cast("bfloat16")

    def type(self, dst_type: Any) -> Self:
        """Casts all parameters and buffers to `dst_type`."""
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self) -> Self:
        """Moves parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Moves parameters and buffers to a GPU; says what to install where there is none."""
        return self._apply(lambda t: t.cuda(device))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Gives every parameter and buffer fresh, uninitialised memory on `device`."""
        from ...ops.create import empty_like

        return self._apply(lambda t: empty_like(t, device=device), recurse)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Accepted for PyTorch's scripts: calls run as they are written, as with `torch.compile`."""
        from ...late import named

        named("torch", "compile")(self, *args, **kwargs)

    def share_memory(self) -> Self:
        """Does nothing: NumPy arrays are not shared between processes."""
        return self

    # -- printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """To override: what stands between the parentheses of the printed module."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [
            f"({name}): {indent(repr(module))}" for name, module in self._modules.items()
        ]
        if not child_lines and len(extra_lines) <= 1:
            return f"{self._get_name()}({extra})"
        lines = "\n  ".join(extra_lines + child_lines)
        return f"{self._get_name()}(\n  {lines}\n)"


def clear_grads(parameters: Any, set_to_none: bool) -> None:
    """Sets the gradients to None, or to zeros in place (detached from a graph of their own)."""
    for parameter in parameters:
        grad = parameter.grad
        if grad is None:
            continue
        if set_to_none:
            parameter.grad = None
        else:
            if grad.grad_fn is not None:
                grad.detach_()
            else:
                grad.requires_grad_(False)
            grad.zero_()


def indent(text: str) -> str:
    """`text` with every line but the first moved two columns to the right."""
    return text.replace("\n", "\n  ")


def typename(value: Any) -> str:
    """The type in PyTorch's words: `torch.FloatTensor` for a tensor, `int`, `package.Class`."""
    if isinstance(value, Tensor):
        return str(value.type())
    cls = type(value)
    prefix = "" if cls.__module__ == "builtins" else cls.__module__ + "."
    return prefix + cls.__qualname__
