"""What every test runs under: marker rules, and a check that a test leaves no global state behind."""

from __future__ import annotations

import importlib.util
import os

import pytest
from against import REAL, torch

# Tests start programs in other folders, and these must find the package too.
if "PYTHONPATH" in os.environ:
    paths = os.environ["PYTHONPATH"].split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths if path)

# Whole programs, which test_seed_scripts.py runs in processes of their own.
collect_ignore = ["seeds"]


def pytest_collection_modifyitems(items):
    without_oracle = importlib.util.find_spec("torch") is None
    for item in items:
        if REAL and "wengert_only" in item.keywords:
            item.add_marker(
                pytest.mark.skip(reason="wengert's own addition, not PyTorch behaviour")
            )
        if without_oracle and "torch" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="PyTorch is not installed"))


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    """Grad mode, default dtype and determinism are as a fresh process has them, before and after."""
    torch.manual_seed(0)
    if not REAL:  # warnings that come once a process, so that no test depends on an earlier one
        for module in ("scalars", "cast"):
            importlib.import_module(f"wengert.ops.{module}")._warned = False
    yield
    left = []
    if not torch.is_grad_enabled():
        torch.set_grad_enabled(True)
        left.append("grad mode off")
    if torch.is_inference_mode_enabled():
        left.append("inference mode on")
    if torch.get_default_dtype() is not torch.float32:
        torch.set_default_dtype(torch.float32)
        left.append("another default dtype")
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)
        left.append("deterministic algorithms on")
    if torch.is_anomaly_enabled():
        torch.autograd.set_detect_anomaly(False)
        left.append("anomaly detection on")
    assert not left, f"the test left behind: {', '.join(left)}"
