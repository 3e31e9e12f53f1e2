"""Modules that hold modules: Sequential, ModuleList, ModuleDict.

Children live in the `_modules` table of the base class; a list's names are its indices.
"""

from __future__ import annotations

import operator
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Self

from .module import Module, indent, typename


def position(index: Any, length: int) -> int:
    """The non-negative form of an index into `length` items; IndexError outside."""
    k = operator.index(index)
    if not -length <= k < length:
        raise IndexError(f"index {k} is out of range")
    return k % length


class Container(Module):
    """The old name of a module with given children; subclass `Module` instead."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in "
            "`nn.Module`. Subclass that instead.",
            FutureWarning,
            stacklevel=2,
        )
        for name, module in kwargs.items():
            self.add_module(name, module)


class _Indexed(Module):
    """What Sequential and ModuleList share: children named "0", "1", ... in order."""

    def _fill(self, modules: Iterable[Module | None]) -> None:
        """Makes `modules` the children; checks them before anything changes."""
        listed = list(modules)
        for module in listed:
            if not (module is None or isinstance(module, Module)):
                raise TypeError(f"{typename(module)} is not a Module subclass")
        self._modules.clear()
        for k, module in enumerate(listed):
            self._modules[str(k)] = module

    def _make(self, modules: Iterable[Any]) -> Any:
        raise NotImplementedError

    def _name_at(self, index: Any) -> str:
        return list(self._modules)[position(index, len(self._modules))]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._make(list(self._modules.items())[index])
        return self._modules[self._name_at(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [self._name_at(index)]:
            del self._modules[name]
        self._fill(self._modules.values())

    def append(self, module: Module) -> Self:
        """Adds a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice = -1) -> Any:
        """Removes and returns the module at `key`."""
        found = self[key]
        del self[key]
        return found

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


class Sequential(_Indexed):
    """Runs its modules one after the other: the output of each is the input of the next.

    Takes modules, or one OrderedDict of names and modules.

    >>> import wengert as torch
    >>> torch.nn.Sequential(torch.nn.Flatten(), torch.nn.ReLU())
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for k, module in enumerate(args):
                self.add_module(str(k), module)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]
        return input

    def _make(self, modules: Iterable[Any]) -> Any:
        return type(self)(OrderedDict(modules))

    def insert(self, index: int, module: Module) -> Self:
        """Inserts a module before position `index`."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        modules = list(self._modules.values())
        modules.insert(index if index >= 0 else index + len(self), module)
        self._fill(modules)
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Adds modules at the end."""
        for module in list(sequential):
            self.append(module)
        return self

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *self._operand(other, "add"))

    def __iadd__(self, other: Sequential) -> Self:
        return self.extend(self._operand(other, "add"))

    def _operand(self, other: Any, name: str) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"{name} operator supports only objects of Sequential class, but "
                f"{type(other)} is given."
            )
        return other

    def _times(self, other: Any) -> int:
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")
        return other

    def __mul__(self, other: int) -> Sequential:
        return Sequential(*list(self) * self._times(other))

    def __rmul__(self, other: int) -> Sequential:
        return self * other

    def __imul__(self, other: int) -> Self:
        self._fill(list(self) * self._times(other))
        return self


class ModuleList(_Indexed):
    """A list of modules that are seen by `parameters()` and the rest; it has no forward.

    >>> import wengert as torch
    >>> torch.nn.ModuleList([torch.nn.ReLU() for _ in range(3)])
    ModuleList(
      (0-2): 3 x ReLU()
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _make(self, modules: Iterable[Any]) -> Any:
        return type(self)(module for _, module in modules)

    def insert(self, index: int, module: Module) -> None:
        """Inserts a module before position `index`, with the rules of `list.insert`."""
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._fill(modules)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Adds modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleList.extend should be called with an iterable, but got "
                + type(modules).__name__
            )
        self._fill([*self, *modules])
        return self

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __repr__(self) -> str:
        """Runs of modules that print alike are shown once, with their range and number."""
        reprs = [repr(module) for module in self]
        if not reprs:
            return self._get_name() + "()"
        runs: list[tuple[int, int]] = []
        for k, text in enumerate(reprs):
            if runs and reprs[runs[-1][0]] == text:
                runs[-1] = (runs[-1][0], k)
            else:
                runs.append((k, k))
        lines = [
            indent(f"({a}): {reprs[a]}" if a == b else f"({a}-{b}): {b - a + 1} x {reprs[a]}")
            for a, b in runs
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dict of modules that are seen by `parameters()` and the rest; it has no forward.

    >>> import wengert as torch
    >>> blocks = torch.nn.ModuleDict({"act": torch.nn.ReLU()})
    >>> blocks["act"](torch.tensor([-1.0]))
    tensor([0.])
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Removes all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Removes and returns the module under `key`."""
        return self._modules.pop(key)

    def keys(self) -> Iterable[str]:
        """Returns the names."""
        return self._modules.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Returns the (name, module) pairs."""
        return self._modules.items()

    def values(self) -> Iterable[Any]:
        """Returns the modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Adds the pairs of a mapping, or of an iterable of pairs, in their order."""
        for name, module in pairs(modules, "ModuleDict"):
            self[name] = module


def pairs(items: Any, owner: str) -> list[tuple[str, Any]]:
    """The (key, value) pairs of a mapping or an iterable of pairs, checked one by one."""
    if not isinstance(items, Iterable):
        raise TypeError(
            f"{owner}.update should be called with an iterable of key/value pairs, "
            "but got " + type(items).__name__
        )
    if isinstance(items, Mapping | ModuleDict) or (
        hasattr(items, "keys") and hasattr(items, "items")
    ):
        return list(items.items())
    found = []
    for k, pair in enumerate(items):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{owner} update sequence element #{k} should be Iterable; is "
                + type(pair).__name__
            )
        pair = tuple(pair)
        if len(pair) != 2:
            raise ValueError(
                f"{owner} update sequence element #{k} has length {len(pair)}; 2 is required"
            )
        found.append(pair)
    return found
