"""Summaries of TensorBoard's plugins: precision-recall curves, layouts, meshes, hyperparameters."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ...core.tensor import Tensor
from ._wire import double, integer, message, packed_integers, text
from .summary import as_array, metadata, strings, tensor_field, value, values

# ------------------------------------------------------------------ precision and recall


def pr_curve(
    tag: str, labels: Any, predictions: Any, num_thresholds: int = 127, weights: Any = None
) -> bytes:
    """Counts, precision and recall of binary predictions at thresholds from 0 to 1."""
    num_thresholds = min(num_thresholds, 127)
    truth, scores = as_array(labels).reshape(-1), as_array(predictions).reshape(-1)
    weight = 1.0 if weights is None else as_array(weights).reshape(-1)
    # An element counts at all thresholds up to its bucket.
    bucket = np.floor(scores * (num_thresholds - 1)).astype(np.int32)
    truth = truth.astype(np.float64)
    counts = [
        np.bincount(bucket, chosen * weight, num_thresholds)[:num_thresholds]
        for chosen in (truth, 1.0 - truth)
    ]
    positive, wrong = (c[::-1].cumsum()[::-1] for c in counts)
    least = np.finfo(np.float64).tiny
    return pr_curve_raw(
        tag,
        positive,
        wrong,
        wrong[0] - wrong,
        positive[0] - positive,
        positive / np.maximum(least, positive + wrong),
        positive / np.maximum(least, positive[0]),
        num_thresholds,
    )


def pr_curve_raw(
    tag: str, tp: Any, fp: Any, tn: Any, fn: Any, precision: Any, recall: Any,
    num_thresholds: int = 127,
) -> bytes:  # fmt: skip
    """A curve that is known already."""
    table = np.stack(
        [np.asarray(as_list(row), np.float32) for row in (tp, fp, tn, fn, precision, recall)]
    )
    content = integer(2, min(num_thresholds, 127))
    return value(tag, tensor_field(table) + metadata("pr_curves", content))


def as_list(row: Any) -> Any:
    """A tensor as an array, anything else as it is."""
    return as_array(row) if isinstance(row, Tensor) else row


# ------------------------------------------------------------------ layouts of scalars


def custom_scalars(layout: dict[str, dict[str, list[Any]]]) -> bytes:
    """Charts of several scalars: {category: {title: ["Multiline" or "Margin", tags]}}."""
    categories = b""
    for category, charts in layout.items():
        content = text(1, category)
        for title, (kind, tags) in charts.items():
            content += message(2, text(1, title) + _chart(kind, tags))
        categories += message(2, content)
    return value("custom_scalars__config__", strings(categories, ()) + metadata("custom_scalars"))


def _chart(kind: str, tags: list[str]) -> bytes:
    if kind != "Margin":
        return message(2, b"".join(message(1, tag.encode()) for tag in tags))
    if len(tags) != 3:
        raise AssertionError(f"Expected 3 tags, got {len(tags)}.")
    middle, lower, upper = tags
    return message(3, message(1, text(1, middle) + text(2, lower) + text(3, upper)))


# ------------------------------------------------------------------ meshes

_PARTS = (("VERTEX", 1), ("FACE", 2), ("COLOR", 3))  # TensorBoard's numbers of what a tensor holds


def mesh(tag: str, vertices: Any, colors: Any, faces: Any, config: dict[str, Any] | None) -> bytes:
    """Points (B, N, 3), faces (B, F, 3) of their numbers and colours (B, N, 3)."""
    given = {"VERTEX": vertices, "FACE": faces, "COLOR": colors}
    present = [(name, kind) for name, kind in _PARTS if given[name] is not None]
    bits = sum(1 << kind for _, kind in present)
    settings = json.dumps(config or {}, sort_keys=True)
    pairs = []
    for name, kind in present:
        array = as_array(given[name])
        content = (
            text(2, tag)
            + integer(3, kind)
            + text(5, settings)
            + packed_integers(6, array.shape)
            + integer(7, bits)
        )
        numbers = np.ascontiguousarray(array, np.float32)
        pairs.append((f"{tag}_{name}", tensor_field(numbers) + metadata("mesh", content)))
    return values(*pairs)


# ------------------------------------------------------------------ hyperparameters


def hparams(
    settings: Any, metrics: Any, domains: dict[str, list[Any]] | None = None
) -> tuple[bytes, bytes, bytes]:
    """The three summaries of a run: what there is to set and to see, its settings, its end."""
    if not isinstance(settings, dict) or not isinstance(metrics, dict):
        raise TypeError("hparam_dict and metric_dict should be dictionary.")
    domains = _domains(settings, domains)
    described, started = b"", b""
    for name, x in settings.items():
        if x is None:
            continue
        if isinstance(x, Tensor):
            x = as_array(x).reshape(-1)[0].item()
        if isinstance(x, str):
            kind = 1
        elif isinstance(x, int | float):
            kind = 3
        else:
            raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")
        domain = b""
        if name in domains:
            domain = message(5, b"".join(message(1, _value(v)) for v in domains[name]))
        described += message(4, text(1, name) + integer(4, kind) + domain)
        started += message(1, text(1, name) + message(2, _value(x)))
    for name in metrics:
        described += message(5, message(1, text(2, name)))
    return (
        _session("experiment", message(2, described)),
        _session("session_start_info", message(3, started)),
        _session("session_end_info", message(4, integer(1, 1))),  # it has succeeded
    )


def _domains(settings: dict[str, Any], domains: Any) -> dict[str, list[Any]]:
    domains = domains or {}
    if not isinstance(domains, dict):
        raise TypeError("parameter: hparam_domain_discrete should be a dictionary, nothing logged.")
    for name, choices in domains.items():
        if (
            name not in settings
            or not isinstance(choices, list)
            or not all(isinstance(c, type(settings[name])) for c in choices)
        ):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{name}] should be a list of same type as "
                f"hparam_dict[{name}]."
            )
    return domains


def _value(x: Any) -> bytes:
    """A number or string as a google.protobuf.Value."""
    return message(3, x.encode()) if isinstance(x, str) else double(2, float(x), always=True)


def _session(name: str, content: bytes) -> bytes:
    return value(f"_hparams_/{name}", metadata("hparams", content))
