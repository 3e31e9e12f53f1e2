"""The recorded graph as an SVG picture: a layered layout, inputs on the left, the result on the right.

Each call stands one column right of its latest input; leaves stand just left of their first use.
Rows are set by a few sweeps towards the mean of the neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ..core.tensor import Tensor
from .graph import Box, graph_of

HEIGHT, GAP_X, GAP_Y = 34, 44, 14
LETTER, MARGIN = 6.9, 14  # width of an average letter at this font size; the edge of the picture


def to_svg(tensor: Tensor, names: Mapping[str, Tensor] | None = None, limit: int = 400) -> str:
    """Return the graph below a tensor as a stand-alone SVG document.

    limit  refuse graphs with more nodes (ValueError): such a picture shows nothing

    >>> import wengert as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> to_svg((x * x).sum()).startswith("<svg")
    True
    """
    boxes = graph_of(tensor, names)
    if len(boxes) > limit:
        raise ValueError(f"the graph has {len(boxes)} nodes; to_svg draws up to {limit} (limit=)")
    columns = _columns(boxes)
    rows = _rows(boxes, columns)
    wide = [0] * (1 + max(columns.values()))
    for b in boxes:
        c = columns[b.key]
        wide[c] = max(wide[c], int(len(_label(b)) * LETTER) + 24)
    left = [MARGIN + sum(wide[:c]) + c * GAP_X for c in range(len(wide))]
    x = {k: left[c] for k, c in columns.items()}
    y = {k: MARGIN + r * (HEIGHT + GAP_Y) for k, r in rows.items()}
    width = left[-1] + wide[-1] + MARGIN
    height = int(max(y.values())) + HEIGHT + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="13" role="img" '
        f'aria-label="computation graph">'
    )
    parts = [head]
    for b in boxes:
        for i in b.inputs:
            x0, y0 = x[i] + wide[columns[i]], y[i] + HEIGHT / 2
            x1, y1 = x[b.key], y[b.key] + HEIGHT / 2
            bend = max(GAP_X / 2, (x1 - x0) / 2)
            parts.append(
                f'<path d="M{x0} {y0:.0f} C{x0 + bend:.0f} {y0:.0f} {x1 - bend:.0f} {y1:.0f} {x1} '
                f'{y1:.0f}" fill="none" stroke="#8a94a6" stroke-width="1.4"/>'
            )
    parts += [_draw(b, x[b.key], y[b.key], wide[columns[b.key]]) for b in boxes]
    return "".join([*parts, "</svg>"])


def _label(b: Box) -> str:
    text = f"{b.label} ({b.detail})" if b.leaf else b.label
    return text if len(text) <= 44 else text[:41] + "..."


def _draw(b: Box, x: float, y: float, width: int) -> str:
    fill, stroke = ("#e8f3ec", "#2f7d4f") if b.leaf else ("#eef2fb", "#3b5bab")
    whole = f"{b.label} ({b.detail})" if b.leaf else b.label
    return (
        f'<g><title>{escape(whole)}</title><rect x="{x}" y="{y:.0f}" width="{width}" height="{HEIGHT}" '
        f'rx="{3 if b.leaf else HEIGHT // 2}" fill="{fill}" stroke="{stroke}"/>'
        f'<text x="{x + width / 2:.0f}" y="{y + HEIGHT / 2 + 4.5:.0f}" text-anchor="middle" '
        f'fill="#1d2433">{escape(_label(b))}</text></g>'
    )


def _columns(boxes: list[Box]) -> dict[int, int]:
    column: dict[int, int] = {}
    for b in reversed(boxes):  # oldest first: inputs are placed before their users
        column[b.key] = 1 + max((column[i] for i in b.inputs), default=-1)
    for b in boxes:
        for i in b.inputs:
            if boxes[i].leaf:
                first = min(column[u.key] for u in boxes if i in u.inputs)
                column[i] = max(0, first - 1)
    return column


def _rows(boxes: list[Box], columns: dict[int, int]) -> dict[int, float]:
    layers: dict[int, list[int]] = {}
    for b in boxes:
        layers.setdefault(columns[b.key], []).append(b.key)
    row = {k: float(r) for layer in layers.values() for r, k in enumerate(layer)}
    near: dict[int, list[int]] = {b.key: list(b.inputs) for b in boxes}
    for b in boxes:
        for i in b.inputs:
            near[i].append(b.key)
    for sweep in range(8):
        for c in sorted(layers, reverse=bool(sweep % 2)):
            layer = layers[c]
            layer.sort(key=lambda k: sum(row[n] for n in near[k]) / max(1, len(near[k])))
            last = -1.0
            for k in layer:
                wish = sum(row[n] for n in near[k]) / max(1, len(near[k]))
                row[k] = last = max(wish, last + 1)
    lowest = min(row.values())
    return {k: r - lowest for k, r in row.items()}
