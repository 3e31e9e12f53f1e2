"""Summaries: what an event of TensorBoard carries, each as the bytes of its message.

The messages are TensorFlow's: summary.proto, tensor.proto. Those of single plugins are in plugins.py.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from ...core.tensor import Tensor
from . import _image
from ._wire import double, integer, message, packed, packed_integers, single, text

_TYPES = {  # dtype -> (TensorFlow's number, field of the values)
    "float32": (1, 5), "float64": (2, 6), "int32": (3, 7), "uint8": (4, 16), "int16": (5, 7),
    "int8": (6, 7), "complex64": (8, 9), "int64": (9, 10), "bool": (10, 11), "complex128": (18, 12),
    "float16": (19, 13), "uint16": (17, 7), "uint32": (22, 16), "uint64": (23, 17),
}  # fmt: skip
STRING = 7


def as_array(x: Any) -> Any:
    """A tensor, array or number as an array of at least one dim."""
    if isinstance(x, Tensor):
        x = x.detach()._array
    elif np.isscalar(x):
        x = np.array([x])
    if not isinstance(x, np.ndarray):
        raise NotImplementedError(f"Got {type(x)}, but numpy array or torch tensor are expected.")
    return x


def value(tag: str, *fields: bytes) -> bytes:
    """A summary of one value."""
    return values((tag, b"".join(fields)))


def values(*pairs: tuple[str, bytes]) -> bytes:
    """A summary of several values: tags and their fields."""
    return b"".join(message(1, text(1, tag) + fields) for tag, fields in pairs)


def metadata(plugin: str, content: bytes = b"") -> bytes:
    """The field that says which plugin a value is for."""
    named = text(1, plugin) + (message(2, content) if content else b"")
    return message(9, message(1, named))


def _shape(shape: Any) -> bytes:
    return message(2, b"".join(message(2, integer(1, n)) for n in shape))


def strings(content: bytes, shape: tuple[int, ...]) -> bytes:
    """The field of a tensor that holds one string."""
    return message(8, integer(1, STRING) + _shape(shape) + message(8, content))


def tensor_field(array: Any, with_shape: bool = True) -> bytes:
    """The field of a tensor of numbers; TypeError for dtypes that TensorBoard has no number for."""
    found = _TYPES.get(array.dtype.name)
    if found is None:
        raise TypeError(f"TensorBoard has no tensors of dtype {array.dtype}")
    number, field = found
    flat = array.reshape(-1)
    kind = array.dtype.name
    if kind in ("float32", "complex64"):
        content = packed(field, flat.view(np.float32), "<f4")
    elif kind in ("float64", "complex128"):
        content = packed(field, flat.view(np.float64), "<f8")
    else:
        bits = flat.view(np.uint16) if kind == "float16" else flat
        content = packed_integers(field, bits.tolist())
    shape = _shape(array.shape) if with_shape else b""
    fields = [(field, content), (2, shape)]
    return message(8, integer(1, number) + b"".join(part for _, part in sorted(fields)))


# ------------------------------------------------------------------ numbers


def scalar(tag: str, x: Any, new_style: bool = False, double_precision: bool = False) -> bytes:
    """One number: a plain float, or with `new_style` a tensor for the scalars plugin."""
    array = as_array(x).squeeze()
    if array.ndim != 0:
        raise AssertionError(
            "Tensor should contain one element (0 dimensions). Was given size: "
            f"{array.size} and {array.ndim} dimensions."
        )
    number = float(array)
    if new_style or double_precision:
        made = np.asarray(number, np.float64 if double_precision else np.float32)
        return value(tag, tensor_field(made, with_shape=False) + metadata("scalars"))
    return value(tag, single(2, number, always=True))


def tensor(tag: str, x: Any) -> bytes:
    """A whole tensor."""
    if not isinstance(x, Tensor | np.ndarray):
        raise NotImplementedError(f"Got {type(x)}, but numpy array or torch tensor are expected.")
    return value(tag, tensor_field(as_array(x)) + metadata("tensor"))


def default_bins() -> Any:
    """TensorFlow's bins: they grow by a tenth from 1e-12 on, to both sides of zero."""
    edges, edge = [], 1e-12
    while edge < 1e20:
        edges.append(edge)
        edge *= 1.1
    return np.array([*[-e for e in reversed(edges)], 0.0, *edges])


def histogram(tag: str, x: Any, bins: Any, max_bins: int | None = None) -> bytes:
    """How many elements fall into which bin, without the empty bins at both ends.

    `bins` is anything that numpy.histogram takes; with `max_bins` neighbours are joined.
    """
    flat = as_array(x).astype(float).reshape(-1)
    if not flat.size:
        raise ValueError("The input has no element.")
    counts, limits = np.histogram(flat, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        joined = len(counts) // max_bins
        rest = -len(counts) % joined
        counts = np.pad(counts, (0, rest)).reshape(-1, joined).sum(-1)
        limits = np.append(limits[:-1:joined], limits[-1])
    full = np.flatnonzero(counts)
    if not full.size:
        raise ValueError("The histogram is empty: all elements are outside of the bins")
    start, end = int(full[0]), int(full[-1]) + 1
    # A first bin of nothing, whose limit is where the first full one begins.
    counts = counts[start - 1 : end] if start > 0 else np.append(0, counts[:end])
    limits = limits[start : end + 1]
    return histogram_raw(
        tag, flat.min(), flat.max(), len(flat), flat.sum(), flat.dot(flat), limits, counts
    )


def histogram_raw(
    tag: str, least: float, most: float, num: float, total: float, squares: float, limits: Any,
    counts: Any,
) -> bytes:  # fmt: skip
    """A histogram whose bins are known: their upper limits and their counts."""
    fields = b"".join(
        double(k + 1, float(v)) for k, v in enumerate((least, most, num, total, squares))
    )
    return value(tag, message(5, fields + packed(6, limits, "<f8") + packed(7, counts, "<f8")))


# ------------------------------------------------------------------ pictures, sounds, text


def picture(tag: str, pixels: Any) -> bytes:
    """A uint8 array (H, W, C) as PNG."""
    height, width, channels = pixels.shape
    content = message(4, _image.png(pixels))
    return value(
        tag, message(4, integer(1, height) + integer(2, width) + integer(3, channels) + content)
    )


def image(tag: str, x: Any, dataformats: str) -> bytes:
    """A picture or a batch of them, in the given order of dims."""
    return picture(tag, _image.to_bytes(_image.to_hwc(as_array(x), dataformats)))


def image_boxes(tag: str, x: Any, boxes: Any, rescale: float, dataformats: str) -> bytes:
    """A picture with boxes drawn on it, its sides multiplied by `rescale`."""
    pixels = _image.to_bytes(_image.to_hwc(as_array(x), dataformats))
    corners = as_array(boxes).astype(float) * rescale
    if rescale != 1:
        height, width = (max(1, int(n * rescale)) for n in pixels.shape[:2])
        rows = np.arange(height) * pixels.shape[0] // height
        columns = np.arange(width) * pixels.shape[1] // width
        pixels = pixels[rows][:, columns]
    return picture(tag, _image.with_boxes(pixels, corners))


def audio(tag: str, x: Any, sample_rate: int = 44100) -> bytes:
    """A mono sound in [-1, 1] as a WAV file of 16 bits."""
    import wave

    sound = as_array(x).squeeze()
    if sound.size and np.abs(sound).max() > 1:
        warnings.warn("audio amplitude out of range, auto clipped.", stacklevel=3)
        sound = sound.clip(-1, 1)
    if sound.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    samples = (sound * np.iinfo(np.int16).max).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(sample_rate)
        made.writeframes(samples.tobytes())
    fields = single(1, sample_rate) + integer(2, 1) + integer(3, len(samples))
    return value(tag, message(6, fields + message(4, file.getvalue()) + text(5, "audio/wav")))


def markdown(tag: str, content: str) -> bytes:
    """A text, which TensorBoard shows as Markdown."""
    return value(f"{tag}/text_summary", strings(content.encode(), (1,)) + metadata("text"))


def __getattr__(name: str) -> Any:
    """The summaries of plugins under this name too, as scripts import them."""
    if name in ("custom_scalars", "hparams", "mesh", "pr_curve", "pr_curve_raw"):
        from . import plugins

        return getattr(plugins, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
