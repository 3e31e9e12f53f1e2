"""Files of TensorBoard's projector: points, their labels, their pictures, and where these lie."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import _image
from .summary import as_array


def write(directory: str, mat: Any, metadata: Any, label_img: Any, metadata_header: Any) -> None:
    """Write tensors.tsv, metadata.tsv and sprite.png; AssertionError if their numbers differ."""
    if metadata is not None and len(metadata) != mat.shape[0]:
        raise AssertionError("#labels should equal with #data points")
    if label_img is not None and label_img.shape[0] != mat.shape[0]:
        raise AssertionError("#images should equal with #data points")
    if mat.ndim != 2:
        raise AssertionError("mat should be 2D, where mat.size(0) is the number of data points")
    os.makedirs(directory, exist_ok=True)
    if metadata is not None:
        rows = [[str(x) for x in row] for row in metadata] if metadata_header else [
            [str(x)] for x in metadata
        ]  # fmt: skip
        if metadata_header:
            rows = [list(metadata_header), *rows]
        _tsv(os.path.join(directory, "metadata.tsv"), rows)
    if label_img is not None:
        with open(os.path.join(directory, "sprite.png"), "wb") as file:
            file.write(_image.png(sprite(as_array(label_img))))
    points = [[repr(float(x)) for x in row] for row in as_array(mat).tolist()]
    _tsv(os.path.join(directory, "tensors.tsv"), points)


def _tsv(path: str, rows: list[list[str]]) -> None:
    with open(path, "wb") as file:
        file.writelines(("\t".join(row) + "\n").encode() for row in rows)


def sprite(pictures: Any) -> Any:
    """(N, C, H, W) as one square picture (H', W', C) of squares."""
    if pictures.shape[2] != pictures.shape[3]:
        raise AssertionError("Image should be square, see tensorflow/tensorboard#670")
    side = int(np.ceil(len(pictures) ** 0.5))
    blank = np.zeros((side**2 - len(pictures), *pictures.shape[1:]), pictures.dtype)
    whole = _image.grid(np.concatenate([pictures, blank]), side)
    return _image.to_bytes(whole.transpose(1, 2, 0))


def config(tag: str, subdir: str, metadata: bool, label_img: Any) -> str:
    """The entry of one embedding in projector_config.pbtxt."""
    lines = [f'tensor_name: "{tag}:{subdir.split("/")[0]}"']
    if metadata:
        lines.append(f'metadata_path: "{subdir}/metadata.tsv"')
    if label_img is not None:
        lines += [
            "sprite {",
            f'  image_path: "{subdir}/sprite.png"',
            f"  single_image_dim: {label_img.shape[3]}",
            f"  single_image_dim: {label_img.shape[2]}",
            "}",
        ]
    lines.append(f'tensor_path: "{subdir}/tensors.tsv"')
    return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
