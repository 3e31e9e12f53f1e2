"""`.npz` files: tensors by name as NumPy archives them, read without pickles and with checks.

What a member claims to hold is compared with its size before memory is taken for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..kernels import dtypes
from .formats import LoadError, check_directory

_MOST_DEFLATED = 1032  # bytes that one byte of deflated data can stand for, at most (zlib's FAQ)
_LIMIT = 1 << 31  # bytes of all compressed members together, unless the caller allows more


def save_npz(tensors: Mapping[str, Tensor], f: Any, compressed: bool = False) -> None:
    """Writes a dict of tensors, such as a state_dict, to a path or file object as an .npz archive.

    The names become the archive's; `np.load` reads it. A path is replaced only by a complete file.
    TypeError names what is no tensor or has a dtype that NumPy's files don't know (bfloat16).

    >>> import io, wengert as torch
    >>> file = io.BytesIO()
    >>> torch.save_npz({"weight": torch.ones(2)}, file)
    >>> torch.load_npz(file)
    {'weight': tensor([1., 1.])}
    """
    from . import replace_file

    arrays: Any = _arrays(tensors)
    write: Any = np.savez_compressed if compressed else np.savez
    if isinstance(f, str | os.PathLike):
        replace_file(os.fsdecode(f), lambda file: write(file, **arrays))
        return
    if not hasattr(f, "write"):
        raise TypeError(f"save_npz(): f must be a path or a file object, not {type(f).__name__}")
    write(f, **arrays)


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    if not isinstance(tensors, Mapping):
        raise TypeError(
            f"save_npz(): expected a dict of tensors by name, not {type(tensors).__name__}"
        )
    arrays = {}
    for name, t in tensors.items():
        if not isinstance(name, str) or not isinstance(t, Tensor):
            raise TypeError(
                f"save_npz(): expected tensors by name; {name!r} is a {type(t).__name__}"
            )
        if t.dtype is dtypes.bfloat16:
            raise TypeError(
                f"save_npz(): {name!r} is bfloat16, which .npz files can't hold; use save, or .float()"
            )
        if name == "file":
            raise TypeError("save_npz(): NumPy's writer can't take the name 'file'; use another")
        arrays[name] = t.detach()._array
    return arrays


def load_npz(f: Any, max_bytes: int = _LIMIT) -> dict[str, Tensor]:
    """Reads all arrays of an .npz archive, from a path or a seekable file object, as a dict of tensors.

    Nothing is unpickled. LoadError for a damaged archive, one that holds Python objects or other
    files, or whose compressed arrays would take more than `max_bytes` in all.
    """
    import zipfile

    if isinstance(f, str | os.PathLike):
        with open(f, "rb") as file:
            return load_npz(file, max_bytes)
    if not (hasattr(f, "read") and hasattr(f, "seek")):
        raise TypeError(
            f"load_npz(): f must be a path or a seekable file object, not {type(f).__name__}"
        )
    length = f.seek(0, 2)
    f.seek(0)
    try:
        with zipfile.ZipFile(f) as archive:
            infos = archive.infolist()
            check_directory(f, archive)
            _check_names(infos, max_bytes, length)
            return {i.filename.removesuffix(".npy"): _member(archive, i) for i in infos}
    except LoadError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's parser of headers raise many kinds
        raise LoadError(f"this is no valid .npz archive: {error}") from None


def _check_names(infos: list[Any], max_bytes: int, length: int) -> None:
    names = [i.filename for i in infos]
    if len(set(names)) != len(names):
        raise LoadError("the archive has two members of one name: refused")
    for name in names:
        if not name.endswith(".npy"):
            raise LoadError(f"the member {name!r} is no .npy array: this is no .npz archive")
    for info in infos:
        _check_size(info, length)
    claimed = sum(i.file_size for i in infos if i.compress_type)
    if claimed > max_bytes:
        raise LoadError(
            f"the compressed arrays claim {claimed} bytes, more than max_bytes={max_bytes}: refused"
        )


def _check_size(info: Any, length: int) -> None:
    """Refuses a member that claims more than its packed bytes can hold, before memory is taken."""
    stored, deflated = 0, 8
    if info.compress_type not in (stored, deflated):
        raise LoadError(
            f"{info.filename!r} is compressed in a way that NumPy does not use: refused"
        )
    most = info.compress_size * (_MOST_DEFLATED if info.compress_type else 1)
    if info.compress_size > length or info.file_size > most:
        raise LoadError(
            f"{info.filename!r} claims {info.file_size} bytes, packed as {info.compress_size} in a "
            f"file of {length}: refused"
        )


def _member(archive: Any, info: Any) -> Tensor:
    """Read one array whose header agrees with the size of its member."""
    from numpy.lib import format as npy

    with archive.open(info) as file:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise LoadError(f"{info.filename!r} has the unknown .npy version {version}")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, kind = read(file)
        if kind.hasobject:
            raise LoadError(f"{info.filename!r} holds Python objects (a pickle): refused")
        count = 1
        for n in shape:
            if n < 0:
                raise LoadError(f"{info.filename!r} claims the shape {shape}")
            count *= n
        if file.tell() + count * kind.itemsize != info.file_size:
            raise LoadError(
                f"{info.filename!r} claims the shape {shape} of {kind}, but its size is "
                f"{info.file_size} bytes"
            )
    with archive.open(info) as file:
        array = npy.read_array(file, allow_pickle=False)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    try:
        dtypes.of(array.dtype)
    except TypeError:
        raise LoadError(
            f"{info.filename!r} has the dtype {array.dtype}, which no tensor has"
        ) from None
    return wrap(array)


__all__ = ["load_npz", "save_npz"]
