"""Which examples in the sources run: not those that need an extra that is not installed, or no PyTorch."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest

collect_ignore = (
    []
    if importlib.util.find_spec("scipy")
    else ["src/wengert/bridges/scipy.py", "src/wengert/func/sparse.py"]
)


def pytest_runtest_setup(item: Any) -> None:
    """Leave out the example that puts wengert in PyTorch's place where a test has imported PyTorch."""
    if item.name == "wengert.alias.install_as_torch":
        theirs = sys.modules.get("torch")
        if theirs is not None and not theirs.__name__.startswith("wengert"):
            pytest.skip("PyTorch itself is already imported in this process")
