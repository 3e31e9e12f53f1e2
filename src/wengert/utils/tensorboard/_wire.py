"""Protocol buffers and record files, as much of them as TensorBoard's event files need.

A message is the bytes of its fields one after the other, in the order of their numbers; each is a
tag (number << 3 | type) and a value. Fields that have their default value are left out, but those
of a oneof are written whenever they are given. A record is a length, its checksum, the bytes, and
theirs: CRC-32C, rotated by 15 bits with a constant added.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np


def varint(n: int) -> bytes:
    """Seven bits a byte, the lowest first; negative numbers as 64 bits."""
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def integer(number: int, value: int) -> bytes:
    """An integer, enum or bool field; nothing for 0."""
    return varint(number << 3) + varint(int(value)) if value else b""


def double(number: int, value: float, always: bool = False) -> bytes:
    """A double field; nothing for 0 unless it is one of a oneof."""
    if not value and not always:
        return b""
    return varint(number << 3 | 1) + struct.pack("<d", value)


def single(number: int, value: float, always: bool = False) -> bytes:
    """A float field; nothing for 0 unless it is one of a oneof."""
    if not value and not always:
        return b""
    return varint(number << 3 | 5) + struct.pack("<f", value)


def message(number: int, content: bytes) -> bytes:
    """A field that is a message, bytes or a string in UTF-8; also an empty one."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def text(number: int, value: str) -> bytes:
    """A string field; nothing for an empty one."""
    return message(number, value.encode()) if value else b""


def packed(number: int, values: Any, dtype: str) -> bytes:
    """A repeated field of doubles ("<f8") or floats ("<f4")."""
    content = np.ascontiguousarray(values, dtype).tobytes()
    return message(number, content) if content else b""


def packed_integers(number: int, values: Iterable[Any]) -> bytes:
    """A repeated field of integers or bools."""
    content = b"".join(varint(int(v)) for v in values)
    return message(number, content) if content else b""


# ------------------------------------------------------------------ CRC-32C

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, reflected
_LANE = 512  # bytes of a lane: longer data are done many lanes at a time


def _table() -> Any:
    rows = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        rows = np.where(rows & 1, rows >> 1 ^ np.uint32(_POLYNOMIAL), rows >> 1)
    return rows.astype(np.uint32)


_TABLE = _table()
_ROWS: list[int] = _TABLE.tolist()


def crc32c(data: bytes) -> int:
    """The CRC-32C of some bytes (Castagnoli et al., 1993).

    The sum is linear: lanes of the data are summed side by side, and each sum is carried over the
    lanes after it by four tables.
    """
    crc = 0xFFFFFFFF
    lanes = len(data) // _LANE
    if lanes > 8:
        rows = np.frombuffer(data, np.uint8, lanes * _LANE).reshape(lanes, _LANE)
        sums = np.zeros(lanes, np.uint32)
        for column in rows.T.astype(np.uint32):
            sums = _TABLE[(sums ^ column) & 255] ^ sums >> 8
        a, b, c, d = _carry()
        for s in sums.tolist():
            crc = a[crc & 255] ^ b[crc >> 8 & 255] ^ c[crc >> 16 & 255] ^ d[crc >> 24] ^ s
        data = data[lanes * _LANE :]
    for byte in data:
        crc = _ROWS[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


_carried: list[list[int]] = []


def _carry() -> list[list[int]]:
    """For each byte of a sum: what it becomes after a lane of zeros."""
    if not _carried:
        for k in range(4):
            sums = np.arange(256, dtype=np.uint32) << (8 * k)
            for _ in range(_LANE):
                sums = _TABLE[sums & 255] ^ sums >> 8
            _carried.append(sums.tolist())
    return _carried


def masked_crc(data: bytes) -> int:
    """The checksum as records have it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """One record of a file."""
    length = struct.pack("<Q", len(data))
    return (
        length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))
    )
