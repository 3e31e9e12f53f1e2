"""A line chart as SVG, for the report."""

from __future__ import annotations

from html import escape
from math import ceil, floor, log10

W, H = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 30, 34


def curve(
    title: str, values: list[float], epochs: int, *, color: str, logarithmic: bool = False,
    percent: bool = False,
) -> str:  # fmt: skip
    """Return the chart of values that are spread evenly over some epochs."""
    if logarithmic:
        values = [log10(max(v, 1e-6)) for v in values]
    low, high = min(values), 1.0 if percent else max(values)
    marks = ticks(low, high)
    low, high = min(low, marks[0]), max(high, marks[-1])
    span = max(high - low, 1e-9)

    def x(k: float, n: int) -> float:
        return LEFT + k * (W - LEFT - RIGHT) / max(1, n - 1)

    def y(v: float) -> float:
        return H - BOTTOM - (v - low) * (H - TOP - BOTTOM) / span

    def said(v: float) -> str:
        if percent:
            return f"{100 * v:.3g}%"
        return f"{10**v:.2g}" if logarithmic else f"{v:.3g}"

    lines = "".join(
        f'<line x1="{LEFT}" x2="{W - RIGHT}" y1="{y(m):.1f}" y2="{y(m):.1f}" stroke="#dde3ee"/>'
        f'<text x="{LEFT - 8}" y="{y(m) + 4:.1f}" text-anchor="end" fill="#5b6475">{said(m)}</text>'
        for m in marks
    )
    first = 1 if percent else 0  # accuracy is measured at the end of an epoch
    epoch_marks = "".join(
        f'<text x="{x(e - first, epochs + 1 - first):.1f}" y="{H - BOTTOM + 18}" text-anchor="middle" '
        f'fill="#5b6475">{e}</text>'
        for e in sorted({first, epochs // 2, epochs})
        if e >= first
    )
    points = " ".join(f"{x(k, len(values)):.1f},{y(v):.1f}" for k, v in enumerate(values))
    return (
        f'<svg viewBox="0 0 {W} {H}" font-size="12" font-family="sans-serif" role="img" '
        f'aria-label="{escape(title)}"><text x="{LEFT}" y="16" font-weight="600" fill="{color}">'
        f"{escape(title)}</text>{lines}{epoch_marks}"
        f'<text x="{W - RIGHT}" y="{H - 2}" text-anchor="end" fill="#5b6475">epoch</text>'
        f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.8"/>'
        + (f'<circle cx="{x(0, 1):.1f}" cy="{y(values[0]):.1f}" r="3" fill="{color}"/>' if len(values) == 1 else "")
        + "</svg>"
    )


def ticks(low: float, high: float) -> list[float]:
    """Return 3 to 7 round numbers that span an interval.

    >>> ticks(0.87, 1.0)
    [0.85, 0.9, 0.95, 1.0]
    """
    span = max(high - low, 1e-9)
    unit = 10.0 ** floor(log10(span))
    step = next(s * unit for s in (0.2, 0.5, 1.0, 2.0) if span / (s * unit) <= 5)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    if last - first < 1:
        last = first + 1
    return [round(k * step, 12) for k in range(first, last + 1)]
