"""Memory layouts and memory formats: names that PyTorch's functions take.

Every tensor here is strided. The other layouts exist by name, so that code which mentions them
imports, and refuse when one is asked for.
"""

from __future__ import annotations

from typing import Any


class _Name:
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return "torch." + self._name

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _named, (self._name,)


class layout(_Name):  # PyTorch's spelling
    """How a tensor lies in memory; `strided` is the one that tensors have."""

    __slots__ = ()
    __module__ = "wengert"


class memory_format(_Name):  # PyTorch's spelling
    """The order of the dims in memory that a new tensor is to have."""

    __slots__ = ()
    __module__ = "wengert"


strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")
sparse_csc = layout("sparse_csc")
sparse_bsr = layout("sparse_bsr")
sparse_bsc = layout("sparse_bsc")

contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")

#: Every public name: what the package exports.
NAMES: dict[str, Any] = {
    "layout": layout,
    "memory_format": memory_format,
    **{
        name._name: name
        for name in (
            strided, sparse_coo, sparse_csr, sparse_csc, sparse_bsr, sparse_bsc,
            contiguous_format, preserve_format, channels_last, channels_last_3d,
        )
    },
}  # fmt: skip


def _named(name: str) -> Any:
    """Return the object of that name (how a pickled or copied one finds itself again)."""
    return NAMES[name]


def check_layout(x: Any, caller: str) -> None:
    """Raise unless ``x`` is None or `strided`."""
    if x is None or x is strided:
        return
    if not isinstance(x, layout):
        raise TypeError(f"{caller}(): argument 'layout' must be torch.layout, not {_kind(x)}")
    raise NotImplementedError(
        f"{caller}(): wengert has strided tensors only, layout={x!r} is not there (yet)"
    )


def check_format(x: Any, caller: str) -> None:
    """Raise unless ``x`` is None or a `memory_format`."""
    if x is not None and not isinstance(x, memory_format):
        raise TypeError(
            f"{caller}(): argument 'memory_format' must be torch.memory_format, not {_kind(x)}"
        )


def _kind(x: Any) -> str:
    return type(x).__name__
