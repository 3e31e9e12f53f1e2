"""The tour: a small classifier on handwritten digits, from data to report, in the terminal."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import wengert as torch
from wengert.nn import functional as F

from .. import inspect as show
from ..data import digits
from .report import write_report


def tour(folder: str, *, epochs: int = 40, seed: int = 0, quiet: bool = False) -> int:
    """Train, print what autograd did, write the HTML report; return the exit status."""
    if epochs < 1:
        print(f"wengert tour: --epochs must be at least 1, not {epochs}", file=sys.stderr)
        return 2
    try:  # before the work, not after it
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"wengert tour: can't write to {folder!r}: {error.strerror}", file=sys.stderr)
        return 2
    torch.manual_seed(seed)
    images, labels = (torch.from_numpy(a) for a in digits())
    order = torch.randperm(len(images))
    held = len(images) // 5
    train = torch.utils.data.TensorDataset(images[order[held:]], labels[order[held:]])
    test_x, test_y = images[order[:held]], labels[order[:held]]
    print(f"wengert {torch.__version__}: {len(train)} digits to learn from, {held} held out")
    print("  (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, doi:10.24432/C50P49)\n")

    model = torch.nn.Sequential(
        torch.nn.Linear(64, 512), torch.nn.ReLU(), torch.nn.Dropout(0.3),
        torch.nn.Linear(512, 256), torch.nn.ReLU(), torch.nn.Dropout(0.3),
        torch.nn.Linear(256, 10),
    )  # fmt: skip
    print(model, "\n")
    started = time.perf_counter()
    losses, accuracies = _train(model, train, (test_x, test_y), epochs, quiet)
    seconds = time.perf_counter() - started
    print(f"\nheld-out accuracy {accuracies[-1]:.2%} after {epochs} epochs in {seconds:.1f} s\n")

    names = dict(model.named_parameters())
    loss = F.cross_entropy(model(train.tensors[0][:64]), train.tensors[1][:64])
    text = show.to_text(loss, names)
    print(f"What was recorded for one loss (grad_fn = {type(loss.grad_fn).__name__}):\n\n{text}\n")
    svg = show.to_svg(loss, names)
    model.zero_grad()
    loss.backward()
    norms = show.gradient_norms(model.named_parameters())
    print("Gradient norms by layer:\n")
    print(f"  {'parameter':<12}{'shape':<14}{'|value|':>10}{'|gradient|':>14}")
    for name, shape, value, grad in norms:
        print(f"  {name:<12}{'x'.join(map(str, shape)):<14}{value:>10.4f}{grad:>14.6f}")
    table = _profile(model, train)
    print("\nWhere one epoch spends its time (wengert.autograd.profiler):\n")
    print(table)
    with torch.no_grad():
        scores = F.softmax(model(test_x), 1)
    path = write_report(
        folder, losses=losses, accuracies=accuracies, seconds=seconds, images=test_x.numpy(),
        labels=test_y.numpy(), scores=scores.numpy(), svg=svg, text=text, norms=norms, table=table,
        model=repr(model),
    )  # fmt: skip
    print(f"report: {path}")
    return 0


def _train(
    model: Any, train: Any, test: tuple, epochs: int, quiet: bool
) -> tuple[list[float], list[float]]:
    loader = torch.utils.data.DataLoader(train, batch_size=64, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    losses: list[float] = []
    accuracies: list[float] = []
    bar = Bar(epochs * len(loader), quiet)
    for epoch in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            bar.step(f"epoch {epoch + 1:>2}  loss {losses[-1]:.4f}")
        model.eval()
        with torch.no_grad():
            right = model(test[0]).argmax(1) == test[1]
        accuracies.append(float(right.sum()) / len(right))
    bar.close(f"final loss {losses[-1]:.4f}")
    return losses, accuracies


def _profile(model: Any, train: Any) -> str:
    loader = torch.utils.data.DataLoader(train, batch_size=64)
    with torch.autograd.profiler.profile() as prof:
        for x, y in loader:
            model.zero_grad()
            F.cross_entropy(model(x), y).backward()
    return prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=12)


class Bar:
    """A progress bar on one terminal line; silent when standard error is no terminal."""

    def __init__(self, total: int, quiet: bool) -> None:
        self.total, self.done = total, 0
        self.live = sys.stderr.isatty() and not quiet
        self.last = 0.0

    def step(self, text: str) -> None:
        """Count one step and redraw, at most 20 times a second."""
        self.done += 1
        now = time.monotonic()
        if self.live and (now - self.last > 0.05 or self.done == self.total):
            self.last = now
            filled = 30 * self.done // self.total
            bar = "#" * filled + "." * (30 - filled)
            print(f"\r[{bar}] {self.done * 100 // self.total:>3}%  {text}", end="", file=sys.stderr, flush=True)

    def close(self, text: str) -> None:
        """End the line (or say the end in one line where there is no terminal)."""
        if self.live:
            print(file=sys.stderr)
        else:
            print(f"trained {self.done} steps, {text}")
