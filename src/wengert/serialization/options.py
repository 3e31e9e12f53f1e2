"""The other public names of `torch.serialization`: the allow-list, checksums, byte order.

In PyTorch a file may construct any class that the user puts on the allow-list. Here it may not: the
list is fixed, nothing that a file names is ever called. So scripts which allow what is on the list
already (NumPy's constructors, for instance) run unchanged, and others are told.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from typing import Any, Self

from .formats import OPTIONS

_user_allowed: dict[tuple[str, str], Any] = {}


class SourceChangeWarning(Warning):
    """A name that PyTorch warns with about pickled classes; nothing here raises it."""


class LoadEndianness(enum.Enum):
    """The byte order of files that do not say theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


# ------------------------------------------------------------------ the allow-list


def _named(entry: Any) -> tuple[tuple[str, str], Any]:
    """(module, name) as files write it, and the object."""
    if isinstance(entry, tuple):
        if len(entry) != 2 or not isinstance(entry[1], str):
            raise ValueError(
                f"Expected tuple of length 2 (global, str of callable full path), but got {entry!r}"
            )
        module, _, name = entry[1].rpartition(".")
        return (module, name), entry[0]
    home, called = getattr(entry, "__module__", None), getattr(entry, "__qualname__", None)
    if not isinstance(home, str) or not isinstance(called, str):
        raise TypeError(f"add_safe_globals() takes functions and classes, not {entry!r}")
    return (home, called), entry


def _checked(entries: Any) -> dict[tuple[str, str], Any]:
    import numpy as np

    from .rebuild import allowed

    found = dict(map(_named, entries))
    for (module, name), value in found.items():
        of_torch = "torch" if module == "wengert" else module
        plain = isinstance(value, type) and issubclass(value, np.dtype)  # never named in files
        if not plain and not allowed(of_torch, name):
            raise RuntimeError(
                f"add_safe_globals(): {module}.{name} cannot be allowed: wengert never constructs "
                "or calls what a file names, only tensors and plain containers. Load the file with "
                "PyTorch, and save the state_dict() of what it holds"
            )
    return found


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Accepts functions and classes that files may name anyway; RuntimeError for any other.

    >>> import numpy as np, wengert as torch
    >>> torch.serialization.add_safe_globals([np.ndarray, np.dtype])
    >>> torch.serialization.clear_safe_globals()
    """
    _user_allowed.update(_checked(safe_globals))


def get_safe_globals() -> list[Any]:
    """Returns what `add_safe_globals` was given."""
    return list(_user_allowed.values())


def clear_safe_globals() -> None:
    """Forgets what `add_safe_globals` was given; what can be loaded stays the same."""
    _user_allowed.clear()


class safe_globals:  # PyTorch's spelling
    """`with safe_globals([...]):` is `add_safe_globals` for a block, with the same refusals."""

    def __init__(self, safe_globals: list[Any]) -> None:
        self._entries = safe_globals
        self._before: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> Self:
        added = _checked(self._entries)
        self._before = dict(_user_allowed)
        _user_allowed.update(added)
        return self

    def __exit__(self, *_: object) -> None:
        _user_allowed.clear()
        _user_allowed.update(self._before)


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """Returns the names in a file that `load` would refuse, without building anything.

    Takes a path or a seekable file object; LoadError if it is no checkpoint or damaged.
    """
    from .archive import Archive, check_kind
    from .pickle_reader import names_in
    from .rebuild import allowed

    if isinstance(f, str | os.PathLike):
        with open(f, "rb") as file:
            return get_unsafe_globals_in_checkpoint(file)
    check_kind(f)
    names = names_in(Archive(f, None).program())
    return [f"{module}.{name}" for module, name in names if not allowed(module, name)]


# ------------------------------------------------------------------ other settings


def register_package(
    priority: int, tagger: Callable[[Any], Any], deserializer: Callable[[Any, str], Any]
) -> None:
    """Raises RuntimeError: storages of other devices are moved with `map_location` instead."""
    raise RuntimeError(
        "register_package(): wengert keeps all storages on the CPU and knows no other locations; "
        "use torch.load(f, map_location=...)"
    )


def get_default_load_endianness() -> LoadEndianness | None:
    """Returns the byte order assumed for files that do not say theirs; None means little."""
    found: LoadEndianness | None = OPTIONS.endianness
    return found


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Sets the byte order assumed for files that do not say theirs."""
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    OPTIONS.endianness = endianness


def get_crc32_options() -> bool:
    """Returns what `set_crc32_options` set."""
    return OPTIONS.checksums


def set_crc32_options(compute_crc32: bool) -> None:
    """Accepted for PyTorch's scripts: `save` writes checksums always, and `load` compares them."""
    OPTIONS.checksums = bool(compute_crc32)


class skip_data:  # PyTorch's spelling
    """A context in which `save` writes zeros for the data of tensors, and `load` reads none.

    The sizes in the file and the shapes of the tensors are as ever. `materialize_fake_tensors` is
    accepted and changes nothing.

    >>> import io, wengert as torch
    >>> file = io.BytesIO()
    >>> torch.save(torch.ones(2), file)
    >>> with torch.serialization.skip_data():
    ...     torch.load(file)
    tensor([0., 0.])
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self._before = False

    def __enter__(self) -> Self:
        self._before, OPTIONS.skip_data = OPTIONS.skip_data, True
        return self

    def __exit__(self, *_: object) -> None:
        OPTIONS.skip_data = self._before
