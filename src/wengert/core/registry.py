"""Public names: which functions appear in which namespace, with their `out=` and in-place forms.

`@public("torch", "Tensor")` is all that an op's module says; `methods` and the package hang the
collected names where users find them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F")


class Names(dict[str, Any]):
    """The names of one public space; a name of a family that is not loaded yet loads it."""

    def __init__(self, space: str) -> None:
        self.space = space

    def __missing__(self, name: str) -> Any:
        module = late.get(self.space, {}).get(name)
        if module is None:
            raise KeyError(name)
        load(module)
        return self[name]


class Spaces(dict[str, Names]):
    """All public spaces by name, made at need."""

    def __missing__(self, space: str) -> Names:
        names = self[space] = Names(space)
        return names


API: Spaces = Spaces()
late: dict[str, dict[str, str]] = {}  # what `wengert.late` knows: space -> name -> family


def load(module: str) -> None:
    """Load a family of ops; `wengert.late` puts the real function here."""
    raise KeyError(module)


def find(space: str, name: str) -> Any:
    """Return the function of that name in a public space; None if there is none."""
    try:
        return API[space][name]
    except KeyError:
        return None


ARITY: dict[str, Callable] = {}
_undescribed: list[Any] = []


def public(
    *spaces: str, name: str | None = None, inplace: Any = False, out: bool = False
) -> Callable[[F], F]:
    """Register a function under its name in the given public namespaces.

    spaces   any of "torch", "Tensor", "F", "special", "linalg", "fft", "init"
    inplace  True adds the method `name_`; "torch" adds the function `torch.name_` too
    out      True makes the function (not the method) accept `out=`
    """

    def register(f: Any) -> Any:
        n = name or f.__name__
        if hasattr(f, "op"):
            f.__name__ = n
        shown = _with_out(f, n) if out else f
        for space in spaces:
            API[space][n] = shown if space != "Tensor" or not out else f
        if inplace:
            twin = in_place(f, n)
            API["Tensor"][n + "_"] = twin
            if inplace == "torch":
                API["torch"][n + "_"] = twin
        return f

    return register


def _with_out(f: Any, name: str) -> Any:
    """Return a function that also takes `out=`; the two common arities avoid packing arguments."""
    op = getattr(f, "op", None)
    count = len(op.inputs) if op is not None and not op.params and not op.variadic else 0
    g: Any
    if count == 1:

        def g(input: Any, *, out: Any = None) -> Any:
            return f(input) if out is None else _into(out, f, name, (input,), {})
    elif count == 2:

        def g(input: Any, other: Any, *, out: Any = None) -> Any:
            return f(input, other) if out is None else _into(out, f, name, (input, other), {})
    else:

        def g(*args: Any, out: Any = None, **kwargs: Any) -> Any:
            return f(*args, **kwargs) if out is None else _into(out, f, name, args, kwargs)

    g.__name__ = name
    g.__qualname__ = name
    g.__wrapped__ = f
    _undescribed.append(g)
    return g


def describe() -> None:
    """Give the `out=` forms the docstrings of their functions, which families write below the rows."""
    while _undescribed:
        g = _undescribed.pop()
        g.__doc__ = g.__wrapped__.__doc__


def _into(out: Any, f: Any, name: str, args: tuple, kwargs: dict) -> Any:
    from . import state
    from .inplace import into, requires_grad_any

    if state.is_grad_enabled() and (
        requires_grad_any(args) or requires_grad_any(kwargs.values()) or requires_grad_any((out,))
    ):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    return into(out, f(*args, **kwargs), name)


def in_place(f: Any, name: str) -> Any:
    """Return the in-place twin of a function."""
    from .inplace import write

    op = getattr(f, "op", None)
    copy_old = op is None or "x" in op.saves

    def twin(self: Any, *args: Any, **kwargs: Any) -> Any:
        return write(self, f, args, kwargs, copy_old=copy_old)

    twin.__name__ = twin.__qualname__ = name + "_"
    twin.__doc__ = f"In-place form of `{name}`: write the result into this tensor and return it."
    twin.__wrapped__ = f  # type: ignore[attr-defined]
    return twin


_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def numpy_names(f: Any) -> Any:
    """Let a function also take NumPy's argument names, so that `np.sum(t, axis=0)` works."""

    def g(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for theirs, ours in _NUMPY_NAMES.items():
                if theirs in kwargs:
                    value = kwargs.pop(theirs)
                    if value is not None:
                        kwargs[ours] = value
            if "out" in kwargs and kwargs["out"] is None:
                del kwargs["out"]
            if "dtype" in kwargs and kwargs["dtype"] is None:
                del kwargs["dtype"]
        return f(*args, **kwargs)

    g.__name__ = f.__name__
    g.__qualname__ = f.__qualname__
    g.__doc__ = f.__doc__
    g.__wrapped__ = f  # type: ignore[attr-defined]
    return g
