"""`differentiable=True`: gradients through the steps, by the start and by the settings."""

from __future__ import annotations

import numpy as np
import pytest
from against import raises, torch
from recorded_cases import DIFFERENTIABLE, unrolled

optim = torch.optim
NAMES = [
    "SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop",
    "ASGD",
]  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("text", DIFFERENTIABLE)
def test_gradients_against_the_oracle(text, dtype):
    oracle = pytest.importorskip("torch")
    ours, theirs = unrolled(torch, text, (), dtype), unrolled(oracle, text, (), dtype)
    # the oracle takes powers of the betas in float32
    tolerance = 1e-4 if "Adam" in text and "RAdam" not in text else 1e-10
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance
        )


CASES = [
    ("SGD lr=0.1, weight_decay=0.1", ("lr", "weight_decay")),  # momentum begins detached
    ("Adam lr=0.1, betas=(0.8, 0.9), weight_decay=0.1", ("lr", "betas", "weight_decay")),
    ("Adam lr=0.1, amsgrad=True, maximize=True", ("lr",)),
    ("AdamW lr=0.1, weight_decay=0.2", ("lr", "weight_decay")),
    ("RMSprop lr=0.1, momentum=0.5, centered=True, weight_decay=0.1", ("lr", "weight_decay")),
    ("Adagrad lr=0.1, weight_decay=0.1", ("lr", "weight_decay")),
    ("Adadelta lr=1.0, weight_decay=0.1", ("lr", "weight_decay")),
    ("Adamax lr=0.1, weight_decay=0.1", ("lr", "weight_decay")),
    ("NAdam lr=0.1, weight_decay=0.1, decoupled_weight_decay=True", ("lr", "weight_decay")),
    ("RAdam lr=0.1, betas=(0.8, 0.9), weight_decay=0.1", ("lr", "betas", "weight_decay")),
    ("Rprop lr=0.1", ()),
    ("ASGD lr=0.1, weight_decay=0.1", ("weight_decay",)),
]


@pytest.mark.wengert_only
@pytest.mark.parametrize(("text", "tensors"), CASES, ids=[text for text, _ in CASES])
def test_gradients_are_differences(text, tensors):
    """The derivative by each setting is what a small change of it makes."""
    final, _, _, *found = unrolled(torch, text, tensors, steps=7)
    assert np.isfinite(final.item())
    name, _, settings = text.partition(" ")
    settings = eval(f"dict({settings})")
    flat = [(k, j) for k in tensors for j in range(len(settings[k]) if k == "betas" else 1)]
    assert len(found) == len(flat)
    for (key, j), gradient in zip(flat, found, strict=True):
        ends = []
        for sign in (1, -1):
            moved = dict(settings)
            if key == "betas":
                betas = list(moved[key])
                betas[j] += sign * 1e-6
                moved[key] = tuple(betas)
            else:
                moved[key] += sign * 1e-6
            arguments = ", ".join(f"{k}={v!r}" for k, v in moved.items())
            ends.append(unrolled(torch, f"{name} {arguments}", (), steps=7)[0].item())
        difference = (ends[0] - ends[1]) / 2e-6
        assert gradient.item() == pytest.approx(difference, rel=1e-4, abs=1e-6), key


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_step_is_the_ordinary_one(name):
    ends = []
    for differentiable in (False, True):
        p = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
        p = p.clone() if differentiable else p
        optimizer = getattr(optim, name)([p], differentiable=differentiable)
        for k in range(4):
            p.grad = torch.tensor([1.0, -0.5, 0.25]) * (k + 1)
            optimizer.step()
        ends.append(p.detach().numpy())
    np.testing.assert_allclose(*ends, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_it_records_whatever_the_grad_mode(name):
    start = torch.tensor([1.0], requires_grad=True)
    p = start.clone()
    optimizer = getattr(optim, name)([p], differentiable=True)
    p.grad = (start * start).clone()
    with torch.no_grad():
        optimizer.step()
    assert p.requires_grad
    assert torch.is_grad_enabled()
    p.sum().backward()
    assert np.isfinite(start.grad.item())


def test_leaves_are_refused():
    p = torch.ones(1, requires_grad=True)
    optimizer = optim.Adamax([p], differentiable=True)
    p.grad = torch.ones(1)
    with raises(RuntimeError, "a leaf Variable that requires grad", "in-place"):
        optimizer.step()
    assert torch.is_grad_enabled()


def test_learning_the_learning_rate():
    """One step of SGD on w^2 from 1: w = 1 - 2 lr, so d w^2 / d lr = -4 (1 - 2 lr)."""
    lr = torch.tensor(0.1, requires_grad=True)
    w = torch.tensor([1.0], requires_grad=True).clone()
    optimizer = optim.SGD([w], lr=lr.clone(), differentiable=True)
    copy = w.clone()
    w.grad = torch.autograd.grad((copy * copy).sum(), copy, create_graph=True)[0]
    optimizer.step()
    (w * w).sum().backward()
    assert lr.grad.item() == pytest.approx(-3.2)


def test_foreach_does_not_record():
    w = torch.ones(1, requires_grad=True).clone()
    optimizer = optim.Adam([w], foreach=True, differentiable=True)
    w.grad = torch.ones(1)
    with raises(AssertionError, "_foreach ops don't support autograd"):
        optimizer.step()
