"""The state part of `Module`: `state_dict` and `load_state_dict`, with PyTorch's report of errors.

NOTE [nothing half-loaded]: loading first walks the whole tree and notes what it would copy, then
copies only if nothing was wrong. A module that overrides `_load_from_state_dict` may still copy at
once; the standard one recognises the report by its `pending` list.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

from ...core.hooks import RemovableHandle
from ...core.parameter import Parameter
from ...core.tensor import Tensor
from ..parameter import is_lazy

if TYPE_CHECKING:
    from .module import Module

Hook = Callable[..., Any]
EXTRA_STATE = "_extra_state"


class IncompatibleKeys(tuple[list[str], list[str]]):
    """What `load_state_dict` returns: `missing_keys` and `unexpected_keys`."""

    __slots__ = ()
    _fields = ("missing_keys", "unexpected_keys")

    def __new__(cls, missing_keys: list[str], unexpected_keys: list[str]) -> Self:
        return super().__new__(cls, (missing_keys, unexpected_keys))

    def __getnewargs__(self) -> tuple[list[str], list[str]]:
        return (self[0], self[1])

    @property
    def missing_keys(self) -> list[str]:
        return self[0]

    @property
    def unexpected_keys(self) -> list[str]:
        return self[1]

    def __repr__(self) -> str:
        if not self[0] and not self[1]:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self[0]}, unexpected_keys={self[1]})"

    __str__ = __repr__


class _Report(list[str]):
    """The list of error messages, and what is to be done if it stays empty."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[Callable[[], None]] = []


class StateMethods:
    """Saving and loading of parameters and persistent buffers by name."""

    _version: int
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: OrderedDict[int, Hook]
    _state_dict_pre_hooks: OrderedDict[int, Hook]
    _load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _load_state_dict_post_hooks: OrderedDict[int, Hook]

    def get_extra_state(self) -> Any:
        """To override: what `state_dict` stores beside the tensors, under `_extra_state`."""
        raise RuntimeError(
            "get_extra_state() is not defined for this module: override it together "
            "with set_extra_state()"
        )

    def set_extra_state(self, state: Any) -> None:
        """To override: takes back what `get_extra_state` returned."""
        raise RuntimeError(
            "set_extra_state() is not defined for this module: override it together "
            "with get_extra_state()"
        )

    # -- saving

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        for name, member in self._saved_members():
            destination[prefix + name] = member if keep_vars else member.detach()
        if type(self).get_extra_state is not StateMethods.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def _saved_members(self) -> list[tuple[str, Tensor]]:
        members: list[tuple[str, Any]] = list(self._parameters.items())
        members += [
            (name, buffer)
            for name, buffer in self._buffers.items()
            if name not in self._non_persistent_buffers_set
        ]
        return [(name, member) for name, member in members if member is not None]

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Returns an ordered dict of all parameters and persistent buffers by dotted name.

        The tensors are detached and share memory with the module's; `keep_vars=True` gives the
        module's own.

        >>> import wengert as torch
        >>> list(torch.nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead: "
                "state_dict(destination=..., prefix=..., keep_vars=...)",
                FutureWarning,
                stacklevel=2,
            )
            given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            destination = given.get("destination", destination)
            prefix = given.get("prefix", prefix)
            keep_vars = given.get("keep_vars", keep_vars)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        about = {"version": self._version}
        metadata = getattr(destination, "_metadata", None)
        if metadata is not None:
            metadata[prefix[:-1]] = about
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            answer = hook(self, destination, prefix, about)
            if answer is None:
                continue
            if getattr(hook, "_returns_nothing", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = answer
        return cast("dict[str, Any]", destination)

    def _register_state_dict_hook(self, hook: Hook) -> RemovableHandle:
        """`hook(module, state_dict, prefix, local_metadata)`, which may return another dict."""
        if getattr(hook, "_returns_nothing", False):
            raise RuntimeError(
                "previously registered via register_state_dict_post_hook: "
                "such a hook cannot also be registered here"
            )
        return _add(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Runs `hook(module, state_dict, prefix, local_metadata)` at the end of `state_dict`."""
        hook._returns_nothing = True  # type: ignore[attr-defined]
        return _add(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Runs `hook(module, prefix, keep_vars)` at the start of `state_dict`."""
        return _add(self._state_dict_pre_hooks, hook)

    # -- loading

    def _register_load_state_dict_pre_hook(
        self, hook: Hook, with_module: bool = False
    ) -> RemovableHandle:
        return _add(self._load_state_dict_pre_hooks, partial(hook, self) if with_module else hook)

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Runs `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` before this module reads its part of the state."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Runs `hook(module, incompatible_keys)` after loading; it may edit the two lists."""
        return _add(self._load_state_dict_post_hooks, hook)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copies the tensors of `state_dict` into the parameters and buffers of the same names.

        With `assign` the tensors themselves take their places. Raises RuntimeError that lists every
        size mismatch and, if `strict`, every missing and unexpected key; nothing is changed then.

        >>> import wengert as torch
        >>> a, b = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
        >>> b.load_state_dict(a.state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            state_dict._metadata = metadata  # type: ignore[attr-defined]
        report = _Report()
        keys = IncompatibleKeys([], [])
        finish: list[Callable[[], Any]] = []
        self._load_tree(state_dict, "", metadata or {}, strict, assign, keys, report, finish)
        # Post-hooks may forgive missing keys, but only once the values are in place.
        messages = list(report) if finish else _key_errors(keys, strict) + report
        if not messages:
            for action in (*report.pending, *finish):
                action()
            messages = _key_errors(keys, strict) if finish else []
        elif finish:
            messages = _key_errors(keys, strict) + messages
        if messages:
            raise RuntimeError(
                "Error(s) in loading state_dict for {}:\n\t{}".format(
                    type(self).__name__, "\n\t".join(messages)
                )
            )
        return keys

    def _load_tree(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        metadata: Mapping[str, Any],
        strict: bool,
        assign: bool,
        keys: IncompatibleKeys,
        report: _Report,
        finish: list[Callable[[], Any]],
    ) -> None:
        local_metadata = dict(metadata.get(prefix[:-1], {}))
        if assign:
            local_metadata["assign_to_params_buffers"] = True
        self._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            True,
            keys.missing_keys,
            keys.unexpected_keys,
            report,
        )
        for name, child in self._modules.items():
            if child is not None:
                path = f"{prefix}{name}."
                part = {k: v for k, v in state_dict.items() if k.startswith(path)}
                child._load_tree(part, path, metadata, strict, assign, keys, report, finish)
        for hook in self._load_state_dict_post_hooks.values():
            finish.append(partial(_run_post_hook, hook, self, keys))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Loads what belongs to this module itself; override for another layout of the state."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        assign = local_metadata.get("assign_to_params_buffers", False)
        members = dict(self._saved_members())
        for name, member in members.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            value, problem = _fitting(key, member, state_dict[key])
            if problem is not None:
                error_msgs.append(problem)
                continue
            action = partial(_store, self, name, member, value, assign)
            if isinstance(error_msgs, _Report):
                error_msgs.pending.append(action)
            else:
                action()
        extra_key = prefix + EXTRA_STATE
        if type(self).set_extra_state is not StateMethods.set_extra_state:
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)
        if not strict:
            return
        for key in state_dict:
            if key.startswith(prefix) and key != extra_key:
                first, dot, _ = key[len(prefix) :].partition(".")
                if first not in (self._modules if dot else members):
                    unexpected_keys.append(key)


def _add(table: OrderedDict[int, Hook], hook: Hook) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


def _run_post_hook(hook: Hook, module: StateMethods, keys: IncompatibleKeys) -> None:
    if hook(module, keys) is not None:
        raise AssertionError(
            "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
            "return new values, if incompatible_keys need to be modified, it should be done inplace."
        )


def _key_errors(keys: IncompatibleKeys, strict: bool) -> list[str]:
    if not strict:
        return []
    return [
        f"{kind} key(s) in state_dict: {', '.join(map(_quoted, names))}. "
        for kind, names in (("Missing", keys.missing_keys), ("Unexpected", keys.unexpected_keys))
        if names
    ]


def _quoted(key: str) -> str:
    return f'"{key}"'


def _fitting(key: str, member: Tensor, value: Any) -> tuple[Any, str | None]:
    """The value to store under `key`, or what is wrong with it."""
    if not isinstance(value, Tensor):
        return None, (
            f'While copying the parameter named "{key}", expected torch.Tensor or '
            f"Tensor-like object from checkpoint but received {type(value)}"
        )
    if is_lazy(member) and is_lazy(value):
        return value, None
    if member.dim() == 0 and value.dim() == 1 and len(value) == 1:
        value = value[0]  # scalars were written as one-element vectors by very old versions
    if value.shape != member.shape:
        return None, (
            f"size mismatch for {key}: copying a param with shape {value.shape} from "
            f"checkpoint, the shape in current model is {member.shape}."
        )
    return value, None


def _store(module: Any, name: str, member: Tensor, value: Tensor, assign: bool) -> None:
    if is_lazy(member):
        return
    if not assign:
        member.detach().copy_(value.detach())
        return
    if isinstance(member, Parameter):
        if isinstance(value, Parameter):
            value.requires_grad_(member.requires_grad)
        else:
            value = Parameter(value, requires_grad=member.requires_grad)
    setattr(module, name, value)
