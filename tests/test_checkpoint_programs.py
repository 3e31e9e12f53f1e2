"""Random programs of calls, views, writes and noise, cut into nested checkpoints: the same gradients.

First and second derivatives, twice with retain_graph, by `grad` and by `backward`, and with random
results kept by a policy. A program that fails without checkpoints is left out.
"""

from __future__ import annotations

import functools
import importlib
import random

import pytest
from against import NAME, REAL, torch

C = importlib.import_module(f"{NAME}.utils.checkpoint")

CALLS = {
    "sin": lambda a, b: a.sin(),
    "exp": lambda a, b: (a * 0.1).exp(),
    "square": lambda a, b: a * a,
    "tanh": lambda a, b: a.tanh(),
    "sum": lambda a, b: a.sum(0),
    "max": lambda a, b: a.max(-1)[0],
    "sort": lambda a, b: a.sort(-1)[0],
    "softmax": lambda a, b: a.softmax(-1),
    "a * b": lambda a, b: a * b,
    "a - b": lambda a, b: a - b,
    "noise": lambda a, b: a * torch.rand_like(a),
    "dropout": lambda a, b: torch.nn.functional.dropout(a, 0.3),
    "no_grad": lambda a, b: a * unrecorded(b),
    "[0]": lambda a, b: a[0],
    "transpose": lambda a, b: a.transpose(0, -1),
    "reshape": lambda a, b: a.reshape(-1),
    "expand": lambda a, b: a.expand(2, *a.shape),
    "split": lambda a, b: a.split(1, -1)[0],
}
WRITES = {
    "mul_": lambda a, b: a.mul_(2),
    "sin_": lambda a, b: a.sin_(),
    "tanh_": lambda a, b: a.tanh_(),
    "[0] = b": lambda a, b: a.__setitem__(0, b),
    "[0].mul_": lambda a, b: a[0].mul_(3),
    "add_ b": lambda a, b: a.add_(b),
}


def unrecorded(t):
    with torch.no_grad():
        return t.sin()


def program(rng, depth):
    """Nested segments; a segment is a list of steps and segments."""
    made = []
    for _ in range(rng.randint(3, 6)):
        if depth and rng.random() < 0.4:
            made.append(program(rng, depth - 1))
        else:
            table = WRITES if rng.random() < 0.25 else CALLS
            made.append((rng.choice(sorted(table)), rng.random(), rng.random()))
    return made


def run(segment, inputs, call):
    """Run a segment on values; `call` runs the segments inside. Return the values that it made.

    Writes go to what the segment has computed since: an input of a checkpoint must not change.
    """
    values, own = list(inputs), []
    for step in segment:
        if isinstance(step, list):
            values += call(step, values)
            own.clear()
            continue
        name, first, second = step
        b = values[int(second * len(values))]
        if name in WRITES:
            if own:
                a = own[int(first * len(own))]
                if a._base is None or any(a._base is o for o in own):
                    WRITES[name](a, b)
            continue
        a = values[int(first * len(values))]
        result = CALLS[name](a, b)
        values.append(result)
        if result is not a:
            own.append(result)
    return values[len(inputs) :]


def plainly(segment, values):
    return run(segment, values, plainly)


def checkpointed(segment, values, rng, selective):
    options = {"use_reentrant": False, "early_stop": rng.random() < 0.7}
    if selective:
        names = rng.sample(["sin", "mul", "tanh", "exp", "sum", "softmax"], 3)

        def policy(ctx, op, *args, **kwargs):
            called = op if not REAL else op.name().removeprefix("aten::").partition(".")[0]
            return called.strip("_") in names

        options["context_fn"] = functools.partial(
            C.create_selective_checkpoint_contexts, policy, allow_cache_entry_mutation=False
        )
    plans = [rng.random() for _ in range(9)]

    def call(inner, values):
        return checkpointed(inner, values, random.Random(str(plans)), selective)

    def f(*values):
        return run(segment, values, call)

    return C.checkpoint(f, *values, **options)


def loss(torch_values):
    return sum((v * (0.1 * (k + 1))).sin().sum() for k, v in enumerate(torch_values))


def derivatives(build):
    """The first and second derivatives of a program at one point, and what came out."""
    torch.manual_seed(3)
    x = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.5, 1.5, 2.5], dtype=torch.float64, requires_grad=True)
    values = build([x * 1, y * 1])
    total = loss([v for v in values if v.requires_grad])
    drawn = torch.rand(3)
    first = torch.autograd.grad(total, [x, y], retain_graph=True, materialize_grads=True)
    total.backward(retain_graph=True)
    again = [t.grad.clone() if t.grad is not None else torch.zeros_like(t) for t in (x, y)]
    slopes = torch.autograd.grad(total, [x, y], create_graph=True, materialize_grads=True)
    second = [None, None]
    if any(s.requires_grad for s in slopes):
        square = sum((s * s).sum() for s in slopes)
        second = torch.autograd.grad(square, [x, y], materialize_grads=True)
    return [*values, drawn, *first, *again, *second]


def compare(seed, selective):
    rng = random.Random(seed)
    top = program(rng, 2)
    try:
        want = derivatives(lambda values: run(top, values, plainly))
    except (RuntimeError, IndexError):
        return False
    try:
        got = derivatives(
            lambda values: run(
                top, values,
                lambda s, v: checkpointed(s, v, random.Random(seed), selective),
            )
        )  # fmt: skip
    except RuntimeError as error:
        # a kept result that the program writes afterwards is refused, rightly
        if selective and "has been mutated" in str(error):
            return False
        raise AssertionError(f"seed {seed}: {top}") from error
    for a, b in zip(got, want, strict=True):
        assert (a is None) == (b is None), (seed, top)
        if a is not None:
            torch.testing.assert_close(a, b, msg=lambda m: f"seed {seed}: {top}\n{m}")
    return True


@pytest.mark.parametrize("block", range(4))
def test_random_programs_in_nested_checkpoints(block):
    count = sum(compare(seed, False) for seed in range(60 * block, 60 * block + 60))
    assert count > 15


@pytest.mark.wengert_only  # PyTorch runs such regions backward once
@pytest.mark.parametrize("block", range(3))
def test_random_programs_in_nested_selective_checkpoints(block):
    count = sum(compare(seed, True) for seed in range(1000 + 60 * block, 1060 + 60 * block))
    assert count > 5
