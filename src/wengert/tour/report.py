"""The HTML report of the tour: one file, no script, no network."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .chart import curve

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2433; max-width: 70rem; margin: 2rem auto;
       padding: 0 1rem; background: #fff; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
pre { background: #f5f7fb; border: 1px solid #dde3ee; border-radius: 6px; padding: .8rem;
      overflow-x: auto; font-size: .8rem; line-height: 1.35; }
table { border-collapse: collapse; } td, th { padding: .2rem 1.2rem .2rem 0; text-align: left; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.row { display: flex; flex-wrap: wrap; gap: 1.5rem; } .row svg { flex: 1 1 20rem; max-width: 100%; }
.wide { overflow-x: auto; } .graph svg { max-width: 100%; min-width: 52rem; height: auto; }
.digits { display: grid; grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); gap: .8rem .4rem; }
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
    smooth = [float(np.mean(losses[max(0, k - 9) : k + 1])) for k in range(len(losses))]
    epochs = len(accuracies)
    charts = curve(
        "training loss (mean of 10 steps)", smooth, epochs, color="#3b5bab", logarithmic=True
    ) + curve("held-out accuracy", accuracies, epochs, color="#2f7d4f", percent=True)
    mistakes = int((scores.argmax(1) != labels).sum())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>wengert tour: handwritten digits</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>
<h1>Handwritten digits, learned with wengert</h1>
<p>Held-out accuracy <strong>{accuracies[-1]:.2%}</strong>: {mistakes} mistakes in {len(labels)} images
that the model has never seen, after {epochs} epochs ({len(losses)} steps) in {seconds:.1f} seconds.</p>
<h2>Loss and accuracy</h2><div class="row">{charts}</div>
<h2>Predictions on held-out images</h2><div class="digits">{_samples(images, labels, scores)}</div>
<p><small>What the model read, and how sure it is of that. Mistakes come first, in red.</small></p>
<h2>The graph of one loss</h2><div class="wide graph">{svg}</div>
<p><small>What was recorded while one loss was computed: parameters in green, calls in blue, the loss on
the right. <code>backward()</code> walks it from right to left. The same as text:</small></p>
<pre>{escape(text)}</pre>
<h2>Gradient norms by layer</h2><div class="wide"><table><tr><th>parameter</th><th>shape</th><th class="n">|value|</th>
<th class="n">|gradient|</th><th></th></tr>{_norm_rows(norms)}</table></div>
<h2>Where one epoch spends its time</h2><pre>{escape(table.rstrip())}</pre>
<h2>The model</h2><pre>{escape(model)}</pre>
<p><small>Data: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository, 1998, doi:10.24432/C50P49, CC BY 4.0.</small></p>
</body></html>
"""


def _norm_rows(norms: list) -> str:
    most = max((g for *_, g in norms), default=0.0) or 1.0
    return "".join(
        f'<tr><td>{escape(n)}</td><td>{" x ".join(map(str, s))}</td><td class="n">{v:.4f}</td>'
        f'<td class="n">{g:.6f}</td><td><svg width="160" height="10" aria-hidden="true"><rect '
        f'width="{160 * g / most:.0f}" height="10" fill="#3b5bab"/></svg></td></tr>'
        for n, s, v, g in norms
    )


def _samples(images: np.ndarray, labels: np.ndarray, scores: np.ndarray, count: int = 30) -> str:
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
            f'<figure><svg width="64" height="64" viewBox="0 0 64 64" shape-rendering="crispEdges" '
            f'role="img" aria-label="digit {labels[k]}">{cells}</svg>'
            f'<figcaption{" class=wrong" if bad else ""}>{said}</figcaption></figure>'
        )
    return "".join(figures)
