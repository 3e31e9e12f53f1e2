"""The zip archive around a `.pt` file: writing its members aligned, reading them with checks.

Only stored (uncompressed) members are read, and straight from their place in the file, so a member
is never larger than the file itself. Names are compared as text and never become file paths.
"""

from __future__ import annotations

import errno
import struct
import zlib
from typing import Any

import numpy as np

from ..kernels import dtypes
from .formats import ALIGNMENT, OPTIONS, LoadError, check_directory
from .rebuild import Storage, StorageKind

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how files before PyTorch 1.6 begin
_MAX_PROGRAM = 1 << 30  # bytes of data.pkl: objects in memory are far larger than their opcodes


# ------------------------------------------------------------------ writing


def write_archive(file: Any, prefix: str, members: list[tuple[str, Any]]) -> None:
    """Writes (name, bytes) members under `prefix`, each starting at a multiple of 64 bytes."""
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(f"{prefix}/{name}")
            size = info.file_size = len(data)
            large = size * 1.05 > zipfile.ZIP64_LIMIT
            start = archive.start_dir if hasattr(archive, "start_dir") else 0
            head = start + _LOCAL_HEADER.size + len(info.filename.encode()) + 20 * large
            padding = -(head + 4) % ALIGNMENT
            info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
            with archive.open(info, "w", force_zip64=large) as out:
                out.write(data)


# ------------------------------------------------------------------ reading


def check_kind(file: Any) -> None:
    """Refuses files of other kinds, each with what to do about it."""

    file.seek(0)
    head = file.read(512)
    if not head:
        raise EOFError("Ran out of input: the file is empty")
    if head[:4] == b"PK\x03\x04":
        return
    if head.startswith(_LEGACY):
        advice = (
            "a file in the format from before PyTorch 1.6: load it with PyTorch and save it again"
        )
    elif head[257:262] == b"ustar":
        advice = "a tar file of the oldest PyTorch format: load it with PyTorch and save it again"
    elif head[8:9] == b"{" and head[2:8] == b"\0" * 6:
        advice = "a safetensors file: use load_safetensors"
    elif head[:1] == b"\x80" and head[1:2] <= b"\x05":
        advice = "a plain pickle, which may run code when loaded: refused"
    elif head[:6] == b"\x93NUMPY":
        advice = "a NumPy array: use numpy.load"
    else:
        raise LoadError(
            "failed finding central directory: the file is no zip archive, or its "
            "beginning is damaged"
        )
    raise LoadError(f"this is {advice}")


class RelocationError(Exception):
    """What `map_location` raised, carried out of the interpreter as `args[0]`."""


class Archive:
    """An open `.pt` file: its program, and its storages by key."""

    def __init__(self, file: Any, relocate: Any, map_from: Any = None) -> None:
        import zipfile

        self.file = file
        self.relocate = relocate
        self.map_from = map_from  # a path to map storages from instead of reading them
        self.mapped: Any = None
        self.storages: dict[str, Storage] = {}
        try:
            self.length = file.seek(0, 2)
            archive = zipfile.ZipFile(file)
            check_directory(file, archive)
            self.members = self._checked(archive.infolist())
        except (
            zipfile.BadZipFile,
            struct.error,
            ValueError,
            IndexError,
            OverflowError,
            NotImplementedError,
            OSError,
        ) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise  # the system's trouble, not the file's: EINVAL is a seek to before the start
            raise LoadError(
                f"failed finding central directory: the zip archive is damaged or cut off ({error})"
            ) from None
        programs = [
            name for name in self.members if name.endswith("/data.pkl") and name.count("/") == 1
        ]
        if len(programs) != 1:
            raise LoadError(
                f"the zip archive is no checkpoint: it has {len(programs) or 'no'} data.pkl"
            )
        self.prefix = programs[0].removesuffix("data.pkl")
        if self.prefix + "constants.pkl" in self.members:
            raise LoadError(
                "this is a TorchScript archive (a program, not data): refused. Load it with "
                "torch.jit.load and save the module's state_dict() with torch.save"
            )
        order = self._small("byteorder", OPTIONS.byte_order())
        if order not in (b"little", b"big"):
            raise LoadError(f"the file declares the byte order {order!r}")
        self.big_endian = order == b"big"

    def _checked(self, infos: list[Any]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        total = 0
        for info in infos:
            if info.filename in members:
                raise LoadError(f"the archive has two members named {info.filename!r}: refused")
            if info.flag_bits & 1:
                raise LoadError(f"the member {info.filename!r} is encrypted: refused")
            if info.compress_type != 0 or info.compress_size != info.file_size:
                raise LoadError(
                    f"the member {info.filename!r} is compressed: refused. PyTorch "
                    "stores them; unpack and store them again without compression"
                )
            total += info.file_size
            members[info.filename] = info
        if total > self.length:
            raise LoadError(f"the members claim {total} bytes, the file has {self.length}: refused")
        return members

    def _small(self, name: str, default: bytes) -> bytes:
        info = self.members.get(self.prefix + name)
        if info is None:
            return default
        if info.file_size > 64:
            raise LoadError(f"the member {name} is longer than it can be")
        return bytes(self._read(info))

    def _start(self, info: Any) -> int:
        """Where the bytes of a member begin, after its local header."""
        raw = b""
        if 0 <= info.header_offset < self.length:
            self.file.seek(info.header_offset)
            raw = self.file.read(_LOCAL_HEADER.size)
        if len(raw) != _LOCAL_HEADER.size:
            raise LoadError(f"the member {info.filename!r} lies beyond the end of the file")
        fields = _LOCAL_HEADER.unpack(raw)
        start = int(info.header_offset) + _LOCAL_HEADER.size + fields[9] + fields[10]
        if fields[0] != b"PK\x03\x04" or fields[3] != 0 or start + info.file_size > self.length:
            raise LoadError(
                f"the member {info.filename!r} is damaged or lies beyond the end of the file"
            )
        return int(start)

    def _read(self, info: Any) -> Any:
        """The bytes of a member as a writable vector; their checksum is compared."""
        self.file.seek(self._start(info))
        data: Any = np.empty(info.file_size, np.uint8)
        view = memoryview(data)
        if hasattr(self.file, "readinto"):
            got = 0
            while got < len(view):
                n = self.file.readinto(view[got:])
                if not n:
                    break
                got += n
        else:
            part = self.file.read(len(view))
            got = len(part)
            view[:got] = part
        if got != len(view) or zlib.crc32(view) != info.CRC:
            raise LoadError(
                f"the bytes of the member {info.filename!r} are damaged: their checksum "
                "does not match"
            )
        return data

    def program(self) -> bytes:
        """The pickle program that builds the object."""
        info = self.members[self.prefix + "data.pkl"]
        if info.file_size > _MAX_PROGRAM:
            raise LoadError(f"data.pkl has {info.file_size} bytes: refused as too large")
        return bytes(self._read(info))

    def storage(self, identity: Any) -> Storage:
        """The storage that the program refers to as ("storage", kind, key, location, numel)."""
        if not (
            type(identity) is tuple
            and len(identity) == 5
            and identity[0] == "storage"
            and isinstance(identity[1], StorageKind)
            and type(identity[2]) is str
            and type(identity[3]) is str
            and type(identity[4]) is int
        ):
            raise LoadError("the file refers to something outside it that is no storage: refused")
        _, kind, key, location, numel = identity
        found = self.storages.get(key)
        item = 1 if kind.dtype is None else kind.dtype.itemsize
        if found is None:
            found = self.storages[key] = self._load(key, kind.dtype, location, numel * item)
        if found.dtype is not kind.dtype or found.nbytes() != numel * item:
            raise LoadError(
                f"the storage {key!r} is used with {numel * item} bytes of "
                f"{kind.dtype}, but has {found.nbytes()} of {found.dtype}: refused"
            )
        return found

    def _load(self, key: str, dtype: Any, location: str, nbytes: int) -> Storage:
        info = self.members.get(f"{self.prefix}data/{key}")
        if info is None:
            raise LoadError(f"the archive has no storage {key!r}")
        if info.file_size != nbytes:
            raise LoadError(
                f"the storage {key!r} has {info.file_size} bytes in the archive, but "
                f"the tensors on it need {nbytes}: refused"
            )
        if OPTIONS.skip_data:
            data = np.zeros(nbytes, np.uint8)
        elif self.map_from is not None and nbytes:
            if self.mapped is None:  # one map for all storages: systems allow only so many
                self.mapped = np.memmap(self.map_from, np.uint8, "c").view(np.ndarray)
            start = self._start(info)
            data = self.mapped[start : start + nbytes]
        else:
            data = self._read(info)
        if self.big_endian != (np.dtype(">i4").isnative):
            data = _swapped(data, dtype)
        made = Storage(data, dtype, location)
        try:
            return self.relocate(made, location)
        except Exception as error:  # of the caller's function: not to be taken for a damaged file
            raise RelocationError(error) from None


def _swapped(data: Any, dtype: Any) -> Any:
    if dtype is None:
        raise LoadError("the file has untyped storages in foreign byte order: refused")
    half = 2 if dtype.is_complex else 1
    unit = np.dtype(f"u{dtype.itemsize // half}") if dtype is not dtypes.bool_ else np.dtype("u1")
    return data.view(unit).byteswap().view(np.uint8)
