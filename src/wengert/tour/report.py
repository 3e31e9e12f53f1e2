"""The HTML report of the tour: one file, no script, no network."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2433; max-width: 70rem; margin: 2rem auto;
       padding: 0 1rem; background: #fff; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
pre { background: #f5f7fb; border: 1px solid #dde3ee; border-radius: 6px; padding: .8rem;
      overflow-x: auto; font-size: .8rem; line-height: 1.35; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } .digits { display: flex; flex-wrap: wrap; gap: .6rem; }
figure { margin: 0; text-align: center; font-size: .8rem; } .wrong { color: #b3261e; font-weight: 600; }
small { color: #5b6475; }
"""


def write_report(folder: str, **facts: Any) -> Path:
    """Write index.html into a folder (made at need) and return its path.

    The file is written beside its place and then moved, so that no half-written report is left.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    path = place / "index.html"
    part = place / "index.html.part"
    part.write_text(_page(**facts), encoding="utf-8")
    os.replace(part, path)
    return path


def _page(
    *, losses: list[float], accuracies: list[float], seconds: float, images: np.ndarray,
    labels: np.ndarray, scores: np.ndarray, svg: str, text: str, norms: list, table: str, model: str,
) -> str:  # fmt: skip
    rows = "".join(
        f'<tr><td>{escape(n)}</td><td>{" x ".join(map(str, s))}</td><td class="n">{v:.4f}</td>'
        f'<td class="n">{g:.6f}</td></tr>'
        for n, s, v, g in norms
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>wengert tour: handwritten digits</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>
<h1>Handwritten digits, learned with wengert</h1>
<p>Held-out accuracy <strong>{accuracies[-1]:.2%}</strong> on {len(labels)} images the model has never
seen, after {len(accuracies)} epochs ({len(losses)} steps) in {seconds:.1f} seconds.</p>
<h2>Loss and held-out accuracy</h2>{_curves(losses, accuracies)}
<h2>Predictions on held-out images</h2><div class="digits">{_samples(images, labels, scores)}</div>
<p><small>The digit, and how sure the model is; mistakes in red, first.</small></p>
<h2>The graph of one loss</h2><div class="wide">{svg}</div><pre>{escape(text)}</pre>
<h2>Gradient norms by layer</h2><table><tr><th>parameter</th><th>shape</th><th class="n">|value|</th>
<th class="n">|gradient|</th></tr>{rows}</table>
<h2>Where the time goes</h2><pre>{escape(table)}</pre>
<h2>The model</h2><pre>{escape(model)}</pre>
<p><small>Data: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository, 1998, doi:10.24432/C50P49, CC BY 4.0.</small></p>
</body></html>
"""


def _curves(losses: list[float], accuracies: list[float]) -> str:
    w, h, pad = 760, 260, 46
    low, high = min(losses), max(losses)
    floor = max(low, high * 1e-4)
    span = max(np.log10(high / floor), 1e-9)

    def line(values: list[float], scale: Any, color: str) -> str:
        n = max(1, len(values) - 1)
        points = " ".join(
            f"{pad + k * (w - 2 * pad) / n:.1f},{h - pad + 10 - scale(v) * (h - 2 * pad):.1f}"
            for k, v in enumerate(values)
        )
        return f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.8"/>'

    smooth = [float(np.mean(losses[max(0, k - 9) : k + 1])) for k in range(len(losses))]
    best = min(accuracies)
    top = max(1.0 - best, 1e-9)
    marks = "".join(
        f'<text x="{pad - 6}" y="{h - pad + 14 - f * (h - 2 * pad):.0f}" text-anchor="end">{floor * 10 ** (f * span):.2g}</text>'
        f'<text x="{w - pad + 6}" y="{h - pad + 14 - f * (h - 2 * pad):.0f}">{best + f * top:.0%}</text>'
        for f in (0.0, 0.5, 1.0)
    )
    return (
        f'<svg viewBox="0 0 {w} {h}" width="{w}" height="{h}" font-size="12" font-family="sans-serif" '
        f'role="img" aria-label="loss and accuracy over training"><rect x="{pad}" y="{pad - 36}" '
        f'width="{w - 2 * pad}" height="{h - 2 * pad + 46}" fill="#f5f7fb" stroke="#dde3ee"/>'
        + line(smooth, lambda v: np.log10(max(v, floor) / floor) / span, "#3b5bab")
        + line(accuracies, lambda v: (v - best) / top, "#2f7d4f")
        + marks
        + f'<text x="{pad}" y="{h - 6}" fill="#3b5bab">loss (left, logarithmic, mean of 10 steps)</text>'
        f'<text x="{w - pad}" y="{h - 6}" text-anchor="end" fill="#2f7d4f">held-out accuracy (right)</text></svg>'
    )


def _samples(images: np.ndarray, labels: np.ndarray, scores: np.ndarray, count: int = 24) -> str:
    guess = scores.argmax(1)
    wrong = np.flatnonzero(guess != labels)[: count // 3]
    right = np.flatnonzero(guess == labels)[: count - len(wrong)]
    figures = []
    for k in [*wrong, *right]:
        cells = "".join(
            f'<rect x="{c * 8}" y="{r * 8}" width="8" height="8" fill="rgb({v},{v},{v})"/>'
            for r in range(8)
            for c in range(8)
            for v in [255 - int(images[k][r * 8 + c] * 255)]
        )
        bad = guess[k] != labels[k]
        said = f"{guess[k]} ({scores[k, guess[k]]:.0%})" + (f", is {labels[k]}" if bad else "")
        figures.append(
            f'<figure><svg width="64" height="64" viewBox="0 0 64 64" role="img" aria-label="digit '
            f'{labels[k]}">{cells}</svg><figcaption class="{"wrong" if bad else ""}">{said}'
            "</figcaption></figure>"
        )
    return "".join(figures)
