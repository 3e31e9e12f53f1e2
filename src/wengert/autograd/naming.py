"""Names for tensors in error messages: a place in a nested container, a variable of the caller.

Nothing here runs until something has gone wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..core import tree
from ..core.tensor import Tensor

_PACKAGE = __name__.partition(".")[0]


def paths(value: Any, root: str, is_leaf: Callable[[Any], bool] | None = None) -> list[str]:
    """Return the expression that finds each leaf of a tree, in order.

    >>> paths({"a": [1, 2], "b": 3}, "w")
    ["w['a'][0]", "w['a'][1]", "w['b']"]
    """
    if is_leaf is not None and is_leaf(value):
        return [root]
    if isinstance(value, dict):
        parts = [(f"[{k!r}]", v) for k, v in value.items()]
    elif tree.is_namedtuple(value):
        parts = [(f".{k}", v) for k, v in zip(value._fields, value, strict=True)]
    elif tree.flatten(value)[1].is_leaf():
        return [root]
    else:
        parts = [(f"[{k}]", v) for k, v in enumerate(value)]
    return [p for where, v in parts for p in paths(v, root + where, is_leaf)]


def variable(t: Any) -> str | None:
    """Return what the user's code that led here calls a tensor; None if no name is found.

    Looked at are the local and global variables of the user's innermost frame, containers of
    tensors among them, and the parameters of modules.
    """
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    if frame is None:
        return None
    scopes = [
        [(str(k), v) for k, v in scope.items() if not k.startswith("__")]
        for scope in (frame.f_locals, frame.f_globals)
    ]
    for items in scopes:
        for name, value in items:
            if value is t:
                return name
    for items in scopes:
        for name, value in items:
            found = _within(value, t, name)
            if found is not None:
                return found
    return None


def _within(value: Any, t: Any, name: str) -> str | None:
    if isinstance(value, list | tuple | dict) and len(value) < 1000:
        leaves = tree.flatten(value, lambda x: x is t)[0]
        for k, leaf in enumerate(leaves):
            if leaf is t:
                return paths(value, name, lambda x: x is t)[k]
    named = getattr(type(value), "named_parameters", None)
    if callable(named) and not isinstance(value, type):
        for key, p in value.named_parameters():
            if p is t:
                return f"{name}.{key}"
    return None


def called(t: Any, k: int, paths: list[str] | None = None) -> str:
    """Say which of the inputs a tensor is: its place, the caller's name for it, its type and shape."""
    from ..core.errors import described

    name = variable(t)
    what = f"a {described(t)}" if isinstance(t, Tensor) else f"a {type(t).__name__}"
    place = f"inputs[{k}]" if paths is None else paths[k]
    return f"{place} ({name}, {what})" if name and name != place else f"{place} ({what})"


def arguments(func: Any, count: int) -> list[str] | None:
    """Return the names of the first `count` positional parameters of a function, if they are known."""
    import inspect

    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        return None
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names[:count] if len(names) >= count else None
