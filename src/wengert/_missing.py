"""What to say about a name that wengert does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def explain(name: str, known: Iterable[str], where: str = "wengert", kind: str = "module") -> str:
    """Return an error text that names the missing name and the closest ones that exist."""
    import difflib

    close = difflib.get_close_matches(name, [k for k in known if not k.startswith("_")], n=3)
    hint = f"; the closest match is {close[0]!r}" if close else ""
    if len(close) > 1:
        hint += f" (or {' or '.join(repr(c) for c in close[1:])})"
    return f"{kind} {where!r} has no attribute {name!r}: wengert does not have it (yet){hint}"


def getter(where: str, known: Iterable[str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module: it says that a name is missing, and which are close."""

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):  # Python itself asks whether there is one
            raise AttributeError(f"module {where!r} has no attribute {name!r}")
        raise AttributeError(explain(name, known, where))

    return __getattr__
