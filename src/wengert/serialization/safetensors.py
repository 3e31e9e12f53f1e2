"""`.safetensors` files, through the library of that name (extra `files`).

The library writes arrays that are not contiguous as if they were, which scrambles them, so
everything is made contiguous first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap


def _library() -> Any:
    try:
        import safetensors.numpy as library
    except ImportError:
        raise ImportError(
            "reading and writing .safetensors files needs the package safetensors: "
            "pip install 'wengert[files]'"
        ) from None
    return library


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    if not isinstance(tensors, Mapping):
        raise TypeError(
            "expected a dict of tensors by name, such as a state_dict(), not "
            + type(tensors).__name__
        )
    arrays = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise TypeError(f"expected tensors by name; {name!r} is a {type(tensor).__name__}")
        array = tensor._array
        arrays[name] = np.ascontiguousarray(array).reshape(array.shape)
    return arrays


def save_file(
    tensors: Mapping[str, Tensor],
    filename: str | os.PathLike[str],
    metadata: dict[str, str] | None = None,
) -> None:
    """Writes a dict of tensors; `metadata` is text by name. ImportError without the library.

    A path is replaced only by a complete file.
    """
    from . import replace_file

    library, arrays = _library(), _arrays(tensors)
    words = {"format": "pt"} if metadata is None else metadata
    data = library.save(arrays, metadata=words)
    replace_file(os.fsdecode(filename), lambda file: file.write(data))


def load_file(filename: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Tensor]:
    """Reads a dict of tensors. LoadError for a damaged file, ImportError without the library."""
    from ..core.device import as_device

    as_device(device)
    with open(filename, "rb") as file:
        return load(file.read())


def save(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Returns the bytes of a file as `save_file` writes it."""
    words = {"format": "pt"} if metadata is None else metadata
    data: bytes = _library().save(_arrays(tensors), metadata=words)
    return data


def load(data: bytes) -> dict[str, Tensor]:
    """Reads a dict of tensors from the bytes of a file."""
    library = _library()
    from safetensors import SafetensorError

    from .formats import LoadError

    try:
        arrays = library.load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise LoadError(f"this is no valid safetensors file: {error}") from None
    # the library's arrays look into the bytes, which are read-only
    return {name: wrap(np.array(array)) for name, array in arrays.items()}
