"""What both directions of the `.pt` format share: names of storages and dtypes, and the errors.

A `.pt` file is an uncompressed zip archive: `data.pkl`, a pickle program that says how the object is
built, and one member `data/<key>` with the raw bytes of each storage.
"""

from __future__ import annotations

import sys
from pickle import UnpicklingError
from typing import Any

from ..kernels import dtypes

# dtypes that have a storage class of their own; the others are written as untyped bytes
STORAGES = {
    "FloatStorage": dtypes.float32,
    "DoubleStorage": dtypes.float64,
    "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16,
    "LongStorage": dtypes.int64,
    "IntStorage": dtypes.int32,
    "ShortStorage": dtypes.int16,
    "CharStorage": dtypes.int8,
    "ByteStorage": dtypes.uint8,
    "BoolStorage": dtypes.bool_,
    "ComplexFloatStorage": dtypes.complex64,
    "ComplexDoubleStorage": dtypes.complex128,
}
STORAGE_NAMES = {dtype: name for name, dtype in STORAGES.items()}

ALIGNMENT = 64  # of the storages within the archive, so that they can be mapped into memory


class _Options:
    """The settings of the functions in options.py."""

    def __init__(self) -> None:
        self.endianness: Any = None  # of files that do not say; a LoadEndianness
        self.checksums = True
        self.skip_data = False

    def byte_order(self) -> bytes:
        """What a file without a record of its byte order is taken for."""
        name = "LITTLE" if self.endianness is None else self.endianness.name
        return (sys.byteorder if name == "NATIVE" else name.lower()).encode()


OPTIONS = _Options()


class LoadError(UnpicklingError, RuntimeError):
    """A file that cannot be loaded: damaged, of another kind, or holding more than data.

    It is a `pickle.UnpicklingError` and a RuntimeError, which are what PyTorch raises.
    """


def check_directory(file: Any, archive: Any) -> None:
    """LoadError unless a `zipfile.ZipFile` lists as many members as the file says it has.

    `zipfile` does not compare, so a damaged directory may lose members without a word.
    """
    file.seek(-22 - len(archive.comment), 2)
    end = file.read(12)
    count = int.from_bytes(end[10:12], "little")
    if count not in (len(archive.filelist), 0xFFFF):
        raise LoadError(
            f"the directory of the zip archive is damaged: it lists {len(archive.filelist)} of "
            f"{count} members"
        )
