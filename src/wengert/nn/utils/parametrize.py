"""Parametrizations: a parameter of a module computed from other tensors whenever it is read.

The module gets a class of its own with a property in the parameter's place; the functions and the
original tensors are in `module.parametrizations`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...autograd.grad_mode import no_grad
from ...core.parameter import Parameter
from ...core.tensor import Tensor
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cache: dict[tuple[int, str], Tensor] = {}
_depth = 0


@contextmanager
def cached() -> Iterator[None]:
    """Inside `with`, each parametrized tensor is computed once; for models that read it often.

    >>> import wengert as torch
    >>> P = torch.nn.utils.parametrize
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
    >>> with P.cached():
    ...     layer.weight is layer.weight
    True
    """
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _cache.clear()


def _name(value: Any) -> str:
    return type(value).__name__


def _inverse(parametrization: Module, value: Any) -> Any:
    if not hasattr(parametrization, "right_inverse"):
        raise RuntimeError(
            f"parametrization {_name(parametrization)} does not implement right_inverse."
        )
    return parametrization.right_inverse(value)


def _set(target: Tensor, value: Tensor) -> None:
    """Gives `target` the memory of `value`: it stays the object that optimizers know."""
    if target is not value:
        target.data = value.detach()


class ParametrizationList(ModuleList):
    """The functions of one tensor, in order, and `original` (or `original0`, `original1`, ...).

    Several originals are what a `right_inverse` makes that returns a sequence; the first function
    takes them all. Raises ValueError where dtype or shape change, unless `unsafe`.

    >>> import wengert as torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> [name for name, _ in layer.parametrizations.weight.named_parameters()]
    ['original0', 'original1']
    """

    original: Tensor
    unsafe: bool

    def __init__(
        self, modules: Sequence[Module], original: Tensor | Parameter, unsafe: bool = False
    ) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            new: Any = original
            for module in reversed(modules):
                if hasattr(module, "right_inverse"):
                    try:
                        new = module.right_inverse(new)
                    except NotImplementedError:
                        pass  # as if there were none
        if not isinstance(new, Tensor | Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {_name(new)}"
            )
        self.is_tensor = isinstance(new, Tensor)
        before = original.data
        if isinstance(new, Tensor):
            if original.dtype is not new.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\n"
                    f"right_inverse(original).dtype: {new.dtype}"
                )
            _set(original, new)
            _register(self, "original", original)
        else:
            self._register_all(original, new)
        if not unsafe:
            try:
                self._check(before)
            except BaseException:
                original.data = before
                raise

    def _register_all(self, original: Tensor, new: Sequence[Any]) -> None:
        self.ntensors = len(new)
        for k, part in enumerate(new):
            if not isinstance(part, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors "
                    f"(list, tuple...). Got element {k} of the sequence with type {_name(part)}."
                )
            if isinstance(original, Parameter):
                part = Parameter(part, original.requires_grad)
            part.requires_grad_(original.requires_grad)
            _register(self, f"original{k}", part)

    def _check(self, original: Tensor) -> None:
        made = self()
        if not isinstance(made, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {_name(made)}.")
        for what in ("dtype", "shape"):
            before, after = getattr(original, what), getattr(made, what)
            if before != after:
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, "
                    "unless `unsafe` flag is enabled.\n"
                    f"unparametrized {what}: {before}\n"
                    f"parametrized {what}: {after}"
                )

    def _originals(self) -> list[Tensor]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{k}") for k in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Sets the originals so that the functions make `value`, as far as they can."""
        with no_grad():
            first, *rest = self
            for module in reversed(rest):
                value = _inverse(module, value)
            value = _inverse(first, value)
            if self.is_tensor:
                self._accept(value)
                return
            if not isinstance(value, Sequence):
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors. Got {_name(value)}."
                )
            if len(value) != self.ntensors:
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of length {len(value)}."
                )
            for k, (part, original) in enumerate(zip(value, self._originals(), strict=True)):
                if not isinstance(part, Tensor):
                    raise ValueError(
                        f"'right_inverse' must return a sequence of tensors. Got element {k} of "
                        f"type {_name(part)}"
                    )
                if original.dtype is not part.dtype:
                    raise ValueError(
                        f"Tensor {k} returned by `right_inverse` has dtype {part.dtype} while "
                        f"`original{k}` has dtype {original.dtype}"
                    )
                _set(original, part)

    def _accept(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise ValueError(f"`right_inverse` should return a tensor. Got {_name(value)}")
        if value.dtype is not self.original.dtype:
            raise ValueError(
                f"The tensor returned by `right_inverse` has dtype {value.dtype} while "
                f"`original` has dtype {self.original.dtype}"
            )
        _set(self.original, value)

    def forward(self) -> Tensor:
        """Computes the tensor from its originals."""
        first, *rest = self
        x = first(*self._originals())
        for module in rest:
            x = module(x)
        result: Tensor = x
        return result


def _register(module: Module, name: str, value: Tensor) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _no_pickle(self: Module) -> Any:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(). See:\n"
        "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
        "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
    )


def _copy(self: Any, memo: dict[int, Any]) -> Any:
    found = memo.get(id(self))
    if found is not None:
        return found
    twin = object.__new__(type(self))
    memo[id(self)] = twin
    twin.__dict__ = copy.deepcopy(self.__dict__, memo)
    return twin


def _inject_class(module: Any) -> None:
    """Gives the module a subclass of its own, which the properties go into."""
    cls = type(module)
    body: dict[str, Any] = {"__getstate__": _no_pickle, "__module__": __name__}
    if not hasattr(cls, "__deepcopy__"):
        body["__deepcopy__"] = _copy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), body)


def _inject_property(module: Module, tensor_name: str) -> None:
    def get(self: Any) -> Tensor:
        functions = self.parametrizations[tensor_name]
        if not _depth:
            made: Tensor = functions()
            return made
        key = (id(self), tensor_name)
        found = _cache.get(key)
        if found is None:
            found = _cache[key] = functions()
        return found

    def set(self: Any, value: Tensor) -> None:
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(get, set))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Makes `module.tensor_name` the value of `parametrization` on what it was; returns `module`.

    Another one on the same tensor acts on the value of the first. A `right_inverse` method of the
    parametrization gives the original that belongs to a value, at the start and on assignment.
    Raises ValueError if shape or dtype change, unless `unsafe`.

    >>> import wengert as torch
    >>> class Symmetric(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = torch.nn.Linear(3, 3)
    >>> _ = torch.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> torch.equal(layer.weight, layer.weight.T), list(layer.state_dict())
    (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_another(module, tensor_name, parametrization)
        functions: Any = module.parametrizations
        functions[tensor_name].append(parametrization)
        functions[tensor_name].unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        made = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def _check_another(module: Module, name: str, parametrization: Any) -> None:
    """Refuse a further parametrization that changes dtype or shape, or whose inverse does."""
    value = getattr(module, name)
    made = parametrization(value)
    if not isinstance(made, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {_name(made)}.")
    for what in ("dtype", "shape"):
        before, after = getattr(value, what), getattr(made, what)
        if before != after:
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless "
                "the `unsafe` flag is enabled.\n"
                f"module.{name}.{what}: {before}\n"
                f"parametrization(module.{name}).{what}: {after}"
            )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        back = parametrization.right_inverse(made)
    except NotImplementedError:
        return
    if not isinstance(back, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {_name(back)}")
    for what in ("dtype", "shape"):
        before, after = getattr(value, what), getattr(back, what)
        if before != after:
            raise ValueError(
                f"The tensor returned by parametrization.right_inverse must have the same {what} "
                f"as module.{name}, unless the `unsafe` flag is enabled.\n"
                f"module.{name}.{what}: {before}\n"
                f"returned {what}: {after}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Returns True if the module has a parametrized tensor, or one of that name.

    >>> import wengert as torch
    >>> layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(2, 3))
    >>> P = torch.nn.utils.parametrize
    >>> P.is_parametrized(layer), P.is_parametrized(layer, "bias")
    (True, False)
    """
    functions = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(functions, ModuleDict):
        return False
    return len(functions) > 0 if tensor_name is None else tensor_name in functions


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Makes the tensor an ordinary one again: with its present value, or with the original.

    Raises ValueError if there is nothing to remove, and for several originals without
    `leave_parametrized`.

    >>> import wengert as torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")
    Linear(in_features=2, out_features=3, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    all_functions: Any = module.parametrizations
    functions = all_functions[tensor_name]
    if functions.is_tensor:
        original = functions.original
        if leave_parametrized:
            with no_grad():
                _set(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del all_functions[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """Returns the class that the module had before it got one for its parametrizations.

    >>> import wengert as torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> torch.nn.utils.parametrize.type_before_parametrizations(layer).__name__
    'Linear'
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Puts the parametrizations of one module on another, which it returns.

    Functions and originals are shared by the two afterwards.

    >>> import wengert as torch
    >>> P, a, b = torch.nn.utils.parametrize, torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    >>> _ = torch.nn.utils.parametrizations.weight_norm(a)
    >>> _ = P.transfer_parametrizations_and_params(a, b)
    >>> torch.equal(a.weight, b.weight)
    True
    """
    if not is_parametrized(from_module):
        return to_module
    source: Any = from_module.parametrizations
    names = list(source) if tensor_name is None else [tensor_name]
    for name in names:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for function in source[name]:
            register_parametrization(to_module, name, function)
        target: Any = to_module.parametrizations[name]
        for key, original in source[name]._parameters.items():
            setattr(target, key, original)
        for key, original in source[name]._buffers.items():
            target._buffers[key] = original
    return to_module
