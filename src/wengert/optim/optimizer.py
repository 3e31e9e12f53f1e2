"""`Optimizer`: parameter groups, per-parameter state, their state dict, and hooks around `step`.

A subclass defines `step`. It works on the raw arrays of parameters and gradients and notes each
write, so that graphs recorded before the step are refused afterwards. Every `step` is wrapped once,
when its class is made: hooks, the profiler and the schedulers see it there.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from ..core import state as core_state
from ..core.hooks import RemovableHandle
from ..core.tensor import Tensor, wrap
from ..kernels.dtypes import float64, get_default_dtype
from ..nn.modules.module import clear_grads, typename

Hook = Callable[..., Any]
required = object()  # the default of a setting that every group must give

_global_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_post_hooks: OrderedDict[int, Hook] = OrderedDict()


def _add(table: OrderedDict[int, Hook], hook: Hook, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """Runs `hook(optimizer, args, kwargs)` before the step of every optimizer."""
    return _add(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """Runs `hook(optimizer, args, kwargs)` after the step of every optimizer."""
    return _add(_global_post_hooks, hook)


def _watched(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` with hooks and the profiler's label around it, and a note that it was called."""

    @functools.wraps(step)
    def wrapper(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        self._opt_called = True
        if not (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _global_pre_hooks
            or _global_post_hooks
            or core_state.MODE is not None
        ):
            return step(self, *args, **kwargs)
        for hook in (*_global_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
            answer = hook(self, args, kwargs)
            if answer is None:
                continue
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise RuntimeError(
                    f"{step} must return None or a tuple of (new_args, new_kwargs), "
                    f"but got {answer}."
                )
            args, kwargs = answer
        with _profiled(f"Optimizer.step#{type(self).__name__}.step"):
            result = step(self, *args, **kwargs)
        for hook in (*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()):
            hook(self, args, kwargs)
        return result

    wrapper.watched = True  # type: ignore[attr-defined]
    return wrapper


def _profiled(label: str) -> Any:
    from ..autograd.profiler import record_function

    return record_function(label)


class Optimizer:
    """Base class of all optimizers: `params` are tensors, (name, tensor) pairs or group dicts.

    `defaults` are the settings that a group may leave out. `param_groups` is a list of dicts;
    `state` maps each parameter to a dict of its own.

    >>> import wengert as torch
    >>> class Plain(torch.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     @torch.no_grad()
    ...     def step(self, closure=None):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 p.sub_(p.grad * group["lr"])
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> Plain([w], lr=0.25).step()
    >>> w
    tensor([0.5000], requires_grad=True)
    """

    newer_settings: Mapping[str, Any] = {}  # what states saved by old versions of PyTorch lack
    counts: tuple[str, ...] = ()  # and what they hold as numbers that are tensors now

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        step = cls.__dict__.get("step")
        if step is not None and not hasattr(step, "watched"):
            cls.step = _watched(step)  # type: ignore[method-assign]

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hook_tables()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of "
                f"Tensors or dicts, but got {typename(params)}"
            )
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(dict(group) if isinstance(group, dict) else group)

    def _make_hook_tables(self) -> None:
        self._opt_called = False  # since a schedule was made, if there is one
        self._scheduled = False
        self._optimizer_step_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._optimizer_step_post_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._optimizer_state_dict_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._optimizer_state_dict_post_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: OrderedDict[int, Hook] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if not hasattr(self, "_opt_called"):
            self._make_hook_tables()
        for group in self.param_groups:
            for name, value in self.newer_settings.items():
                group.setdefault(name, value)
        for values in self.state.values():
            for name in self.counts:
                if name in values and not isinstance(values[name], Tensor):
                    values[name] = start_count(values[name])

    def __repr__(self) -> str:
        groups = [
            "\n".join(
                [f"Parameter Group {k}"]
                + [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
            )
            for k, group in enumerate(self.param_groups)
        ]
        return f"{type(self).__name__} (\n" + "\n\n".join(groups) + "\n)"

    # -- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group `{"params": [...], setting: value, ...}`; it is checked before it is added.

        >>> import wengert as torch
        >>> a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        >>> optimizer = torch.optim.SGD(a.parameters(), lr=0.1)
        >>> optimizer.add_param_group({"params": b.parameters(), "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        params, names = _split_names(list(params))
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    + typename(param)
                )
            if not (self.defaults.get("differentiable") or param.is_leaf):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization "
                    f"parameter {name}"
                )
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in "
                "future, this will cause an error",
                stacklevel=3,
            )
        known = set(chain.from_iterable(group["params"] for group in self.param_groups))
        if not known.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in self.param_groups[0]) != (names is not None):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add "
                "a param group that differs in this from the first one"
            )
        param_group["params"] = params
        if names is not None:
            param_group["param_names"] = names
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        self.param_groups.append(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or fills them with zeros."""
        if core_state.MODE is not None:
            name = type(self).__name__
            with _profiled(f"Optimizer.zero_grad#{name}.zero_grad"):
                self._clear(set_to_none)
        else:
            self._clear(set_to_none)

    def _clear(self, set_to_none: bool) -> None:
        for group in self.param_groups:
            clear_grads(group["params"], set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes the parameters once. `closure` computes the loss anew and is called first."""
        raise NotImplementedError(f"{type(self).__name__} must define step()")

    def _loss_of(self, closure: Callable[[], Any] | None) -> Any:
        """The result of the closure, which records whatever the caller's grad mode is."""
        if closure is None:
            return None
        before = core_state.set_grad_enabled(True)
        try:
            return closure()
        finally:
            core_state.set_grad_enabled(before)

    # -- hooks

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Runs `hook(optimizer, args, kwargs)` before each step; it may return both anew."""
        return _add(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Runs `hook(optimizer, args, kwargs)` after each step."""
        return _add(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Runs `hook(optimizer)` at the start of `state_dict`."""
        return _add(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Runs `hook(optimizer, state_dict)` at the end of `state_dict`; it may return another."""
        return _add(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """Runs `hook(optimizer, state_dict)` before loading; it may return another dict."""
        return _add(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """Runs `hook(optimizer)` after loading."""
        return _add(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # -- state

    def state_dict(self) -> dict[str, Any]:
        """Returns `{"state": ..., "param_groups": ...}` with parameters as numbers in order.

        Tensors are the optimizer's own, not copies.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        number: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for param in group["params"]:
                number.setdefault(id(param), len(number))
            packed["params"] = [number[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {
            number[id(key)] if isinstance(key, Tensor) else key: value
            for key, value in self.state.items()
        }
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            answer = hook(self, result)
            result = result if answer is None else answer
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over settings and state from a `state_dict()`; tensors are copied.

        Parameters are matched by position; state takes the dtype of its parameter. Raises
        ValueError, with nothing changed, if groups or their sizes do not match.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            answer = hook(self, state_dict)
            state_dict = state_dict if answer is None else answer
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(
            len(new["params"]) != len(old["params"])
            for new, old in zip(saved, self.param_groups, strict=True)
        ):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the "
                "size of optimizer's group"
            )
        params: dict[Any, Tensor] = {}
        for new, old in zip(saved, self.param_groups, strict=True):
            params.update(zip(new["params"], old["params"], strict=True))
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in params:
                state[params[key]] = _cast(params[key], value)
            else:
                state[key] = value
        groups = []
        for new, old in zip(saved, self.param_groups, strict=True):
            new["params"] = old["params"]
            if "param_names" in old and "param_names" not in new:
                new["param_names"] = old["param_names"]
            groups.append(new)
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)


def _split_names(params: list[Any]) -> tuple[list[Any], list[str] | None]:
    """Splits (name, tensor) pairs; all must have names or none."""
    named = [isinstance(param, tuple) and len(param) == 2 for param in params]
    if not any(named):
        return params, None
    if not all(named):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    return [param for _, param in params], [name for name, _ in params]


def _cast(param: Tensor, value: Any, key: Any = None) -> Any:
    """A copy of saved state, tensors in the dtype of their parameter (the step count keeps its)."""
    if isinstance(value, Tensor):
        if key == "step" or not param.is_floating_point():
            return value.detach().clone()
        return value.detach().to(param.dtype, copy=True)
    if isinstance(value, dict):
        return {k: _cast(param, v, k) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_cast(param, v) for v in value])
    return value


def check_setting(condition: bool, text: str, value: Any) -> None:
    """Raises PyTorch's "Invalid ...: value" unless the condition holds."""
    if not condition:
        raise ValueError(f"Invalid {text}: {value}")


def check_rate(lr: Any) -> None:
    """A learning rate is a number, or a tensor of one element, that is not negative."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    check_setting(bool(lr >= 0.0), "learning rate", lr)


def check_betas(betas: Any) -> None:
    """Both decay rates of the moments lie in [0, 1)."""
    for k in (0, 1):
        check_setting(bool(0.0 <= betas[k] < 1.0), f"beta parameter at index {k}", betas[k])


def check_moments(lr: Any, eps: float, betas: Any, weight_decay: float) -> None:
    """The settings that the relatives of Adam have in common."""
    check_rate(lr)
    check_setting(eps >= 0.0, "epsilon value", eps)
    check_betas(betas)
    check_setting(weight_decay >= 0.0, "weight_decay value", weight_decay)


def start_count(value: float = 0.0) -> Tensor:
    """A 0-dim tensor for state that is one number: float64 if that is the default dtype."""
    wide = get_default_dtype() is float64
    return wrap(np.array(value, np.float64 if wide else np.float32))


def number(value: Any) -> float:
    """A setting as a plain number; it may be a tensor of one element, even one that is recorded."""
    return float(value._array.reshape(()) if isinstance(value, Tensor) else value)


@contextmanager
def recorded(group: dict[str, Any]) -> Iterator[None]:
    """Records the step of a group with `differentiable=True`, whatever the caller's grad mode."""
    if group.get("foreach"):
        raise AssertionError("_foreach ops don't support autograd")
    before = core_state.set_grad_enabled(True)
    try:
        yield
    finally:
        core_state.set_grad_enabled(before)


def check_flags(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """`foreach` and `fused` change nothing here; contradictions are refused as in PyTorch."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
