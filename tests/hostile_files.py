"""Parts of hostile files: `.pt` archives around any pickle program, and opcodes to write programs with."""

from __future__ import annotations

import io
import json
import struct
import zipfile

FOUR = struct.pack("<4f", 1, 2, 3, 4)


def archive(program, storages=(), **extra):
    """A .pt file around a pickle program."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", extra.pop("compression", zipfile.ZIP_STORED)) as file:
        file.writestr("archive/data.pkl", program)
        file.writestr("archive/version", "3\n")
        file.writestr("archive/byteorder", extra.pop("byteorder", "little"))
        for key, data in enumerate(storages):
            file.writestr(f"archive/data/{key}", data)
        for name, data in extra.items():
            file.writestr(f"archive/{name}", data)
    out.seek(0)
    return out


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return b"J" + struct.pack("<i", value) if abs(value) < 2**31 else (
        b"\x8a\x09" + value.to_bytes(9, "little", signed=True))  # fmt: skip


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(size, stride, offset=0, numel=4, key="0", kind=b"ctorch\nFloatStorage\n", hooks=b"N"):
    """The program of one tensor."""
    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + kind + text(key)
        + text("cpu") + number(numel) + b"tQ" + number(offset) + numbers(size) + numbers(stride)
        + b"\x89" + hooks + b"tR."
    )  # fmt: skip


def safetensors(header, data=b"", length=None):
    """A .safetensors file with this header (a dict or bytes) and these bytes after it."""
    if isinstance(header, dict):
        header = json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def npy(shape, descr="<f8", data=b"", fortran=False):
    """An .npy array whose header claims this."""
    header = repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def npz(members, **claims):
    """An .npz archive of (name, bytes); `claims` replaces the sizes in the central directory."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", claims.pop("compression", zipfile.ZIP_STORED)) as file:
        for name, data in members:
            file.writestr(name, data)
    raw = bytearray(out.getvalue())
    where = raw.rindex(b"PK\x01\x02")
    for name, place in (("packed", 20), ("size", 24)):
        if name in claims:
            raw[where + place : where + place + 4] = struct.pack("<I", claims[name])
    return bytes(raw)
