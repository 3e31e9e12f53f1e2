"""Modules as functions of their parameters: functional_call, stack_module_state and kin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.op import TENSORS as T
from ..core.tensor import Tensor


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other tensors in the places of its parameters and buffers.

    parameter_and_buffer_dicts  tensors by qualified name, as `named_parameters` has them; a
                                sequence of dicts counts as one. Names that are missing keep the
                                module's own tensors, with `strict` that is a RuntimeError
    args                        the positional arguments: a tuple, or the only one
    tie_weights                 a tensor that the module has under several names is replaced under all

    The module itself is the same afterwards, in-place changes of given tensors apart.

    >>> import wengert as torch
    >>> from wengert.func import functional_call
    >>> m = torch.nn.Linear(2, 1)
    >>> p = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    >>> functional_call(m, p, (torch.tensor([1., 2.]),))
    tensor([3.])
    """
    given = _merged(parameter_and_buffer_dicts)
    inputs = args if isinstance(args, tuple) else () if args is None else (args,)
    with replaced(module, given, tie_weights, strict):
        return module(*inputs, **(kwargs or {}))


def _merged(dicts: Any) -> dict[str, Tensor]:
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, list | tuple):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    if not all(isinstance(d, dict) for d in dicts):
        raise ValueError(
            "Expected all elements of parameter_and_buffer_dicts to be dictionaries"
        )
    names = [k for d in dicts for k in d]
    twice = sorted({k for k in names if names.count(k) > 1})
    if twice:
        raise ValueError(
            f"{twice} appeared in multiple dictionaries; behavior of functional call is ambiguous"
        )
    return {k: v for d in dicts for k, v in d.items()}


def _tied(module: Any, given: dict) -> dict:
    """Add the other names of tensors that the module has several times."""
    names: dict[int, list[str]] = {}
    own = dict(module.named_parameters(remove_duplicate=False))
    own.update(module.named_buffers(remove_duplicate=False))
    for name, t in own.items():
        names.setdefault(id(t), []).append(name)
    full = dict(given)
    for group in names.values():
        chosen = [n for n in group if n in given]
        if len({id(given[n]) for n in chosen}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(chosen)}, which are tied. "
                "Consider using tie_weights=False"
            )
        for n in group:
            if chosen:
                full.setdefault(n, given[chosen[0]])
    return full


@contextmanager
def replaced(module: Any, given: dict[str, Tensor], tie_weights: bool, strict: bool) -> Any:
    """The block in which a module has other tensors; they are put back whatever happens."""
    own = {n for n, _ in module.named_parameters(remove_duplicate=False)}
    own |= {n for n, _ in module.named_buffers(remove_duplicate=False)}
    full = _tied(module, given) if tie_weights else dict(given)
    unexpected = sorted(set(given) - own)
    if strict:
        missing = sorted(own - set(full))
        lines = []
        if unexpected:
            lines.append("Unexpected key(s): " + ", ".join(map(repr, unexpected)) + ".")
        if missing:
            lines.append("Missing key(s): " + ", ".join(map(repr, missing)) + ".")
        if lines:
            raise RuntimeError(
                f"Error(s) in reparametrizing for {type(module).__name__}:\n\t" + "\n\t".join(lines)
            )
    put: list[tuple[dict, str, Any]] = []
    try:
        full = {name: t for name, t in full.items() if name in own}
        for name, t in full.items():
            path, _, last = name.rpartition(".")
            owner = module.get_submodule(path)
            place = owner._parameters if last in owner._parameters else owner._buffers
            put.append((place, last, place[last]))
            place[last] = t
        yield
        for (place, last, _), name in zip(put, full, strict=True):
            if place[last] is not full[name] and name in given:
                given[name] = place[last]  # the module has put another tensor there
    finally:
        for place, last, before in put:
            place[last] = before


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return (parameters, buffers) of several models of one class, stacked along a new first dim.

    With `vmap` over the stacks, `functional_call` then runs the ensemble at once. Parameters that
    are leaves give leaves that require grad likewise. RuntimeError for an empty list, for models
    of different classes and for a mix of training and evaluation mode.

    >>> import wengert as torch
    >>> from wengert.func import functional_call, stack_module_state, vmap
    >>> models = [torch.nn.Linear(2, 1) for _ in range(3)]
    >>> params, buffers = stack_module_state(models)
    >>> base = models[0]
    >>> vmap(lambda p, x: functional_call(base, p, (x,)), in_dims=(0, None))(params, torch.ones(2)).shape
    torch.Size([3, 1])
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return (
        {k: _stack([p[k] for p in params], k) for k in params[0]},
        {k: _stack([b[k] for b in buffers], k) for k in buffers[0]},
    )


def _stack(tensors: list, name: str) -> Tensor:
    leaves = [t.is_leaf for t in tensors]
    if all(leaves):
        wants = {t.requires_grad for t in tensors}
        if len(wants) > 1:
            raise RuntimeError(
                f"Expected {name} of all models to have the same requires_grad state"
            )
        stacked: Tensor = T.stack([t.detach() for t in tensors], 0)
        return stacked.requires_grad_(wants.pop())
    if not any(leaves):
        whole: Tensor = T.stack(tensors, 0)
        return whole
    raise RuntimeError(f"Expected {name} to be a leaf in all models or in none of them")


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """Return `func`: what PyTorch's functionalize removes does not disturb any transform here.

    In-place calls and views inside `func` are differentiated, mapped and linearized as they are,
    and inputs that it writes are written, as PyTorch's functionalized function does too. The
    argument is checked, so that scripts written for PyTorch run unchanged.

    >>> import wengert as torch
    >>> from wengert.func import functionalize
    >>> functionalize(lambda x: x.clone().add_(1))(torch.zeros(2))
    tensor([1., 1.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. "
            "Valid options are: 'mutations' and 'mutations_and_views'"
        )
    return func


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Make every batch norm below `root` forget its running statistics, in place; return `root`.

    Under vmap each example would have to update them differently.

    >>> import wengert as torch
    >>> norm = torch.func.replace_all_batch_norm_modules_(torch.nn.BatchNorm1d(3))
    >>> norm.running_mean is None
    True
    """
    for m in root.modules():
        if any(c.__name__ == "_BatchNorm" for c in type(m).__mro__):  # nn lies above this layer
            m.running_mean = m.running_var = m.num_batches_tracked = None
            m.track_running_stats = False
    return root


__all__ = ["functional_call", "functionalize", "replace_all_batch_norm_modules_", "stack_module_state"]
