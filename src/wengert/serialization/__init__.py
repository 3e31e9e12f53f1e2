"""`save` and `load`: PyTorch's `.pt` files, written and read without executing anything in them.

Tensors, parameters, numbers, text, dtypes, devices, NumPy arrays and plain containers of these pass
between wengert and PyTorch both ways. What else a file holds is refused by name. `.safetensors`
files are read and written by `safetensors.py`, NumPy's `.npz` by `npz.py`.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from .formats import OPTIONS, LoadError
from .npz import load_npz, save_npz
from .options import (
    LoadEndianness,
    SourceChangeWarning,
    add_safe_globals,
    clear_safe_globals,
    get_crc32_options,
    get_default_load_endianness,
    get_safe_globals,
    get_unsafe_globals_in_checkpoint,
    register_package,
    safe_globals,
    set_crc32_options,
    set_default_load_endianness,
    skip_data,
)
from .safetensors import load_file as load_safetensors
from .safetensors import save_file as save_safetensors

__all__ = [
    "LoadEndianness", "LoadError", "SourceChangeWarning", "add_safe_globals", "clear_safe_globals",
    "get_crc32_options", "get_default_load_endianness", "get_safe_globals",
    "get_unsafe_globals_in_checkpoint", "load", "load_npz", "load_safetensors", "register_package",
    "safe_globals", "save", "save_npz", "save_safetensors", "set_crc32_options",
    "set_default_load_endianness", "skip_data",
]  # fmt: skip


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Writes `obj` to a path or to a file object with `write`, in PyTorch's zip format.

    Views keep sharing memory; of memory that is shared only what is used is written. The object is
    checked before the file is touched, and a path is replaced only by a complete file. TypeError
    names the part of the object that cannot be saved. `pickle_module` and `pickle_protocol` are
    accepted and change nothing.

    >>> import io, wengert as torch
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2), "epoch": 3}, file)
    >>> torch.load(file)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    from .archive import write_archive
    from .pickle_writer import PickleWriter

    if not _use_new_zipfile_serialization:
        raise ValueError(
            "save(): only the zip format can be written (_use_new_zipfile_serialization=True)"
        )
    path = _as_path(f)
    if path is None and not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )
    writer = PickleWriter()
    members: list[tuple[str, Any]] = [
        ("data.pkl", writer.dump(obj)),
        (".format_version", b"1"),
        (".storage_alignment", b"64"),
    ]
    if not _disable_byteorder_record:
        members.append(("byteorder", sys.byteorder.encode()))
    table = writer.storages
    for key in range(len(table.owners)):
        data = table.bytes_of(key)
        members.append((f"data/{key}", bytes(len(data)) if OPTIONS.skip_data else data))
    members += [("version", b"3\n"), (".data/serialization_id", _serialization_id(members))]
    if path is None:
        write_archive(f, "archive", members)
    else:
        stem = os.path.splitext(os.path.basename(path))[0] or "archive"
        replace_file(path, lambda out: write_archive(out, stem, members))


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Reads what `save` or `torch.save` wrote, from a path or a seekable file object.

    Nothing in a file is ever executed: `weights_only=False` is accepted and loads no more than
    True does, and `pickle_module` and `pickle_load_args` change nothing. `map_location` says where storages go (a device, a dict, or a function of storage
    and location; everything must end on the CPU). `mmap=True` maps the tensors of a path into
    memory, copy-on-write. Raises LoadError (a RuntimeError and a pickle.UnpicklingError) for a
    damaged file or one that holds more than data, FileNotFoundError, EOFError for an empty file.

    >>> import io, wengert as torch
    >>> file = io.BytesIO()
    >>> torch.save(torch.arange(3), file)
    >>> torch.load(file)
    tensor([0, 1, 2])
    """
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if pickle_load_args and (weights_only or (weights_only is None and pickle_module is None)):
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    path = _as_path(f)
    if path is not None:
        with open(path, "rb") as file:
            return _load(file, map_location, os.path.abspath(path) if mmap else None)
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    if not (hasattr(f, "read") and hasattr(f, "seek")):
        raise AttributeError(
            f"'{type(f).__name__}' object has no attribute 'seek'. You can only torch.load from a "
            "file that is seekable. Please pre-load the data into a buffer like io.BytesIO and try "
            "to load from it instead."
        )
    return _load(f, map_location, None)


def _load(file: Any, map_location: Any, map_from: str | None) -> Any:
    from .archive import Archive, RelocationError, check_kind
    from .pickle_reader import PickleReader

    check_kind(file)
    archive = Archive(file, _relocation(map_location), map_from)
    try:
        return PickleReader(archive.program(), archive.storage, archive.length).load()
    except RelocationError as error:
        raise error.args[0] from None


def _relocation(map_location: Any) -> Callable[[Any, str], Any]:
    """A function of (storage, location) that returns the storage, on the CPU, or raises."""
    from ..core.device import device as device_class
    from .rebuild import Storage

    if map_location is None:
        return lambda storage, location: _on_cpu(storage, location)
    if isinstance(map_location, str | device_class):
        target = str(map_location)
        return lambda storage, location: _on_cpu(storage, target)
    if isinstance(map_location, dict):
        return lambda storage, location: _on_cpu(storage, map_location.get(location, location))

    if not callable(map_location):
        raise TypeError(
            f"'{type(map_location).__name__}' object is not callable: map_location must "
            "be a device, a dict or a function of storage and location"
        )

    def called(storage: Any, location: str) -> Any:
        found = map_location(storage, location)
        if found is None:
            return _on_cpu(storage, location)
        if not isinstance(found, Storage):
            raise TypeError(
                f"map_location returned a {type(found).__name__}; it must return the "
                "storage it was given, or None"
            )
        return found

    return called


def _on_cpu(storage: Any, location: str) -> Any:
    if location == "cpu":
        return storage
    from ..core.device import device

    try:
        device(location)
    except RuntimeError:
        raise LoadError(
            "don't know how to restore data location of torch.storage.UntypedStorage "
            f"(tagged with {location})"
        ) from None
    kind = location.partition(":")[0].upper()
    raise LoadError(
        f"Attempting to deserialize object on a {kind} device but wengert computes on the CPU "
        "(torch.cuda.is_available() is False). Please use torch.load with "
        "map_location=torch.device('cpu') to map your storages to the CPU."
    )


def _as_path(f: Any) -> str | None:
    return os.fsdecode(f) if isinstance(f, str | os.PathLike) else None


def _serialization_id(members: list[tuple[str, Any]]) -> bytes:
    """Forty digits that depend on the contents alone: equal objects make equal files."""
    import zlib

    sums = [zlib.crc32(data) for _, data in members]
    return b"%020d%020d" % (zlib.crc32(repr(sums).encode()), sums[0])


def replace_file(path: str, write: Callable[[Any], None]) -> None:
    """Calls `write(file)` on a new file beside `path`, which takes its place when complete."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as file:  # a device or a pipe, which cannot be replaced
            write(file)
        return
    draft = f"{target}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        with open(draft, "xb") as file:
            write(file)
        if os.path.exists(target):
            os.chmod(draft, os.stat(target).st_mode & 0o7777)
        os.replace(draft, target)
    except BaseException:
        if os.path.exists(draft):
            os.unlink(draft)
        raise


def __getattr__(name: str) -> Any:
    from .._missing import explain

    raise AttributeError(explain(name, __all__, __name__))
