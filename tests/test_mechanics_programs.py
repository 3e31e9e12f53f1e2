"""Random programs of calls, views, writes and backward passes do in wengert what they do in PyTorch.

After every step all values, shapes, flags, versions and view relations must agree, at the end all gradients;
a step that PyTorch refuses must be refused with the same type and the same beginning of the text.
"""

from __future__ import annotations

import random
import warnings

import pytest

pytestmark = pytest.mark.torch
wengert = pytest.importorskip("wengert")

CALLS = {
    "times 2": lambda a, b: a * 2,
    "plus 1": lambda a, b: a + 1,
    "sin": lambda a, b: a.sin(),
    "exp": lambda a, b: (a * 0.1).exp(),
    "square": lambda a, b: a * a,
    "pow 3": lambda a, b: a**3,
    "tanh": lambda a, b: a.tanh(),
    "relu": lambda a, b: a.relu(),
    "sum": lambda a, b: a.sum(0),
    "mean": lambda a, b: a.mean(),
    "clone": lambda a, b: a.clone(),
    "detach": lambda a, b: a.detach(),
    "take": lambda a, b: a[[0]],
    "a + b": lambda a, b: a + b,
    "a * b": lambda a, b: a * b,
    "a - b": lambda a, b: a - b,
}
VIEWS = {
    "[0]": lambda a, b: a[0],
    "[-1]": lambda a, b: a[-1],
    "[..., 1:]": lambda a, b: a[..., 1:],
    "[::2]": lambda a, b: a[::2],
    "transpose": lambda a, b: a.transpose(0, -1),
    "reshape": lambda a, b: a.reshape(-1),
    "view": lambda a, b: a.view(-1),
    "unsqueeze": lambda a, b: a.unsqueeze(0),
    "squeeze": lambda a, b: a.squeeze(),
    "expand": lambda a, b: a.expand(2, *a.shape),
    "diagonal": lambda a, b: a.diagonal(),
    "narrow": lambda a, b: a.narrow(0, 0, 1),
    "unfold": lambda a, b: a.unfold(-1, 2, 2),
}
WRITES = {
    "add_": lambda a, b: a.add_(1),
    "mul_": lambda a, b: a.mul_(2),
    "sin_": lambda a, b: a.sin_(),
    "tanh_": lambda a, b: a.tanh_(),
    "neg_": lambda a, b: a.neg_(),
    "pow_": lambda a, b: a.pow_(2),
    "relu_": lambda a, b: a.relu_(),
    "clamp_": lambda a, b: a.clamp_(-0.5, 0.5),
    "zero_": lambda a, b: a.zero_(),
    "fill_": lambda a, b: a.fill_(0.3),
    "[0] = number": lambda a, b: a.__setitem__(0, 0.5),
    "[...] = number": lambda a, b: a.__setitem__(Ellipsis, 0.5),
    "[[0]] = number": lambda a, b: a.__setitem__([0], 0.25),
    "[0] = b": lambda a, b: a.__setitem__(0, b),
    "[:1] = b": lambda a, b: a.__setitem__(slice(0, 1), b),
    "add_ b": lambda a, b: a.add_(b),
    "mul_ b": lambda a, b: a.mul_(b),
    "copy_ b": lambda a, b: a.copy_(b),
}
BACKWARD = {"backward": lambda a, b: (a * a).sum().backward(retain_graph=True)}

# Where PyTorch refuses what works here (memory that overlaps), the rest of a program means nothing.
GIVEN_UP = ("refer to a single memory location", "refers to a single memory location")


def program(seed: int, steps: int) -> list[tuple]:
    """Steps of (kind, name, which a, which b, inside no_grad)."""
    rng = random.Random(seed)
    made = []
    for _ in range(steps):
        kind, table = rng.choices(
            [("call", CALLS), ("view", VIEWS), ("write", WRITES), ("backward", BACKWARD)],
            [5, 4, 5, 1],
        )[0]
        quiet = kind in ("call", "write") and rng.random() < 0.12
        made.append((kind, rng.choice(sorted(table)), rng.random(), rng.random(), quiet))
    return made


def outcome(torch, steps: list[tuple]) -> list[tuple]:
    """Run a program and log what happened and what everything looked like after every step."""
    f64 = torch.float64
    x = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], dtype=f64, requires_grad=True)
    y = torch.tensor([0.5, 1.5, 2.5], dtype=f64, requires_grad=True)
    constant = torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]], dtype=f64)
    values = [x * 1, constant, y * 1, x, y]
    log = []

    def attempt(what, call):
        try:
            result = call()
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            log.append((what, type(error).__name__, str(error)))
            return None
        log.append((what, "done", ""))
        return result

    tables = {"call": CALLS, "view": VIEWS, "write": WRITES, "backward": BACKWARD}
    for kind, name, first, second, quiet in steps:
        i, k = int(first * len(values)), int(second * len(values))
        a, b = values[i], values[k]
        with torch.set_grad_enabled(not quiet):
            result = attempt((name, i, k, quiet), lambda: tables[kind][name](a, b))
        if kind in ("call", "view") and result is not None:
            values.append(result)
        for i, v in enumerate(values):
            numbers = [round(n, 9) for n in v.detach().reshape(-1).tolist()]
            facts = (tuple(v.shape), v.requires_grad, v.is_leaf, v._version, v._is_view())
            log.append((f"value {i}", numbers, facts))

    def loss():
        terms = [(v * (0.1 * (i + 1))).sin().sum() for i, v in enumerate(values) if v.requires_grad]
        sum(terms).backward()

    attempt("loss", loss)
    if log[-1][1] == "done":
        for i, v in enumerate(values):
            g = None if v.grad is None else [round(n, 6) for n in v.grad.reshape(-1).tolist()]
            log.append((f"gradient {i}", g, None))
    return log


def agree(theirs: tuple, ours: tuple) -> bool:
    if theirs == ours:
        return True
    if theirs[0] != ours[0] or theirs[1] != ours[1] or not isinstance(theirs[2], str):
        return False
    # several things may be wrong with one step: which is named first is not part of the contract
    return (
        theirs[1] == "IndexError" or theirs[2][:25] == ours[2][:25] or "leaf Variable" in theirs[2]
    )


@pytest.mark.parametrize("block", range(8))
def test_random_programs(block):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(40 * block, 40 * block + 40):
            steps = program(seed, 10 if block % 2 else 20)
            theirs, ours = outcome(torch, steps), outcome(wengert, steps)
            for k, pair in enumerate(zip(theirs, ours, strict=False)):
                if any(text in str(side) for text in GIVEN_UP for side in pair):
                    break
                done = [entry[0] for entry in theirs[:k] if not str(entry[0]).startswith("value")]
                assert agree(*pair), (
                    f"seed {seed}: after {done}:\nPyTorch {pair[0]}\nwengert {pair[1]}"
                )
