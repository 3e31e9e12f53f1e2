"""What a graph and a training step keep in memory, and what happens to freed blocks."""

import gc
import os
import platform
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import wengert as torch


def test_a_training_step_needs_the_saved_activations_and_one_gradient_each():
    """At most 10 % above what the step must hold: inputs of nodes, one gradient for each parameter."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512), torch.nn.ReLU(),
        torch.nn.Linear(512, 64),
    )  # fmt: skip
    x, y = torch.randn(256, 256), torch.randn(256, 64)
    loss = (model(x) - y).pow(2).sum()
    loss.backward()  # compiles the rules
    model.zero_grad()
    del loss
    gc.collect()
    tracemalloc.start()
    loss = (model(x) - y).pow(2).sum()
    loss.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    activations = 4 * 256 * (512 + 512 + 512 + 512 + 64 + 64 + 64)  # two per layer, output, difference, square
    gradients = sum(p.numel() * 4 for p in model.parameters())
    flowing = 2 * 4 * 256 * 512  # the cotangent on its way: what comes in and what goes out
    assert peak <= 1.1 * (activations + gradients + flowing)


def test_backward_frees_what_was_saved():
    x = torch.ones(100_000, requires_grad=True)
    gc.collect()
    tracemalloc.start()
    y = x
    for _ in range(20):
        y = y.sin()
    held = tracemalloc.get_traced_memory()[0]
    loss = y.sum()
    loss.backward()
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held > 19 * 400_000
    assert left < 4 * 400_000  # y, the gradient of x, and small change


def test_nothing_is_held_without_recording():
    x = torch.ones(100_000, requires_grad=True)
    tracemalloc.start()
    with torch.no_grad():
        y = x
        for _ in range(20):
            y = y.sin()
    assert tracemalloc.get_traced_memory()[1] < 4 * 400_000
    tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="a property of the GNU C library")
@pytest.mark.parametrize(("keep", "few"), [("1", True), ("0", False)])
def test_freed_blocks_are_kept(keep, few):
    """Making and dropping mid-sized arrays costs page faults only where the switch is off."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    program = (
        "import resource, wengert as torch\n"
        "x = torch.rand(100_000).requires_grad_()\n"
        "def step():\n"
        "    x.grad = None\n"
        "    (torch.sin(x) * x + torch.exp(-x)).sum().backward()\n"
        "step(); step()\n"
        "a = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(20): step()\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - a) // 20)\n"
    )
    env = {**os.environ, "WENGERT_KEEP_MEMORY": keep}
    faults = int(subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True).stdout)
    assert (faults < 50) is few


def test_gradients_of_two_leaves_do_not_share_memory():
    a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    (a + b).backward(torch.ones(3))
    assert not np.shares_memory(a.grad.numpy(), b.grad.numpy())
