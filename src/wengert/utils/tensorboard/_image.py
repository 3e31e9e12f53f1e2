"""Pictures for summaries: from tensors in any order of dims to PNG, with the standard library."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np


def to_hwc(tensor: Any, input_format: str) -> Any:
    """An array in the order that the letters of the format name, as (H, W, C) with C >= 3.

    A batch (N) becomes one picture of at most eight columns, grey becomes RGB. Raises
    AssertionError where format and shape do not fit.
    """
    if len(set(input_format)) != len(input_format):
        raise AssertionError(
            f"You can not use the same dimension shorthand twice. input_format: {input_format}"
        )
    if tensor.ndim != len(input_format):
        raise AssertionError(
            "size of input tensor and input format are different. "
            f"tensor shape: {tensor.shape}, input_format: {input_format}"
        )
    order = [letter for letter in "NCHW" if letter in input_format.upper()]
    array = tensor.transpose([input_format.upper().index(letter) for letter in order])
    if order == ["N", "C", "H", "W"]:
        return grid(array).transpose(1, 2, 0)
    if order == ["C", "H", "W"]:
        picture = array.transpose(1, 2, 0)
        return np.repeat(picture, 3, 2) if picture.shape[2] == 1 else picture
    if order == ["H", "W"]:
        return np.stack([array] * 3, 2)
    raise AssertionError(f"an image format has letters of NCHW, CHW or HW, not {input_format}")


def grid(pictures: Any, columns: int = 8) -> Any:
    """(N, C, H, W) as one picture (C, H', W'), row by row."""
    n, channels, height, width = pictures.shape
    if channels == 1:
        pictures = np.repeat(pictures, 3, 1)
        channels = 3
    columns = min(n, columns)
    rows = -(-n // columns)
    canvas = np.zeros((rows * columns, channels, height, width), pictures.dtype)
    canvas[:n] = pictures
    canvas = canvas.reshape(rows, columns, channels, height, width).transpose(2, 0, 3, 1, 4)
    return canvas.reshape(channels, rows * height, columns * width)


def to_bytes(picture: Any) -> Any:
    """uint8: floats in [0, 1] are scaled by 255, everything is clipped."""
    scale = 1 if picture.dtype == np.uint8 else 255
    return (picture.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)


def png(picture: Any) -> bytes:
    """A uint8 picture (H, W, C) with 1, 3 or 4 channels as a PNG file."""
    height, width, channels = picture.shape
    kinds = {1: 0, 2: 4, 3: 2, 4: 6}
    if channels not in kinds:
        raise ValueError(f"a picture has 1, 2, 3 or 4 channels, not {channels}")
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each starts with its filter: none
    rows[:, 1:] = picture.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, kinds[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )  # fmt: skip


def with_boxes(picture: Any, boxes: Any, thickness: int = 2) -> Any:
    """A copy of a uint8 picture (H, W, C) with red frames around boxes (xmin, ymin, xmax, ymax)."""
    made = picture.copy()
    height, width = made.shape[:2]
    red = np.zeros(made.shape[2], np.uint8)
    red[0] = 255
    red[3:] = 255  # opaque
    for x0, y0, x1, y1 in np.asarray(boxes).reshape(-1, 4).round().astype(int).tolist():
        for k in range(thickness):
            left, top, right, bottom = x0 - k, y0 - k, x1 + k, y1 + k
            rows = slice(max(top, 0), max(bottom + 1, 0))
            columns = slice(max(left, 0), max(right + 1, 0))
            for y in (top, bottom):
                if 0 <= y < height:
                    made[y, columns] = red
            for x in (left, right):
                if 0 <= x < width:
                    made[rows, x] = red
    return made
