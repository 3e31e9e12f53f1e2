"""A decoder of TensorBoard's event files that shares nothing with the writer.

Records with their checksums, protocol buffers, and PNG, each from its definition.
"""

from __future__ import annotations

import glob
import os
import struct
import zlib

import numpy as np


def crc32c(data):
    """Bit by bit, from the definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF


def records(path, check=True):
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        content = data[at + 12 : at + 12 + length]
        assert len(content) == length
        if check:
            assert struct.unpack_from("<I", data, at + 8)[0] == masked(data[at : at + 8])
            assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked(content)
        yield content
        at += 16 + length


def fields(data):
    """[(number, value)]: an int, 8 or 4 raw bytes, or the bytes of a string or message."""

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    at, found = 0, []
    while at < len(data):
        tag = number()
        kind = tag & 7
        if kind == 0:
            value = number()
        else:
            size = {1: 8, 5: 4}.get(kind) or number()
            value = data[at : at + size]
            at += size
        found.append((tag >> 3, value))
    return found


def get(data, *path):
    """The last value of a field of a field ...; None if it is not there."""
    for number in path:
        found = [value for n, value in fields(data) if n == number]
        if not found:
            return None
        data = found[-1]
    return data


def all_of(data, number):
    return [value for n, value in fields(data) if n == number]


def events(folder):
    """[(tag, step, value)] of all files of a folder, in order; other events have the tag None."""
    out = []
    for path in sorted(glob.glob(os.path.join(str(folder), "events.out.tfevents.*"))):
        for event in records(path):
            step = get(event, 2) or 0
            step -= (step >> 63) << 64
            summary = get(event, 5)
            if summary is None:
                out.append((None, step, event))
            else:
                out += [(get(v, 1).decode(), step, v) for v in all_of(summary, 1)]
    return out


def decoded_png(data):
    """(H, W, C) of a PNG whose rows have the filters 0, 1 or 2."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + content)
        chunks.append((kind, content))
        at += 12 + length
    assert [kind for kind, _ in chunks][:1] + [kind for kind, _ in chunks][-1:] == [
        b"IHDR",
        b"IEND",
    ]
    width, height, depth, color = struct.unpack(">IIBB", chunks[0][1][:10])
    assert depth == 8
    channels = {0: 1, 2: 3, 6: 4}[color]
    raw = zlib.decompress(b"".join(c for kind, c in chunks if kind == b"IDAT"))
    rows = np.frombuffer(raw, np.uint8).reshape(height, 1 + width * channels)
    pixels = np.zeros((height, width, channels), np.uint8)
    for y, row in enumerate(rows):
        line = row[1:].reshape(width, channels)
        if row[0] == 1:
            line = np.cumsum(line, 0, dtype=np.uint8)
        elif row[0] == 2:
            line = line + (pixels[y - 1] if y else 0)
        pixels[y] = line
    return pixels
