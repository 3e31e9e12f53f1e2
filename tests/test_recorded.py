"""The cases of recorded_cases.py give the numbers that were recorded from PyTorch 2.13."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from against import torch
from recorded_cases import CASES, TOLERANCE, plain

with open(os.path.join(os.path.dirname(__file__), "recorded.json")) as _file:
    RECORDED = json.load(_file)


def compare(found, expected, tolerance, path=""):
    """Equal structure and strings, close numbers."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), path
        for key in expected:
            compare(found[key], expected[key], tolerance, f"{path}.{key}")
    elif isinstance(expected, list | tuple) and any(
        not isinstance(e, int | float) for e in expected
    ):
        assert len(found) == len(expected), path
        for k, (f, e) in enumerate(zip(found, expected, strict=True)):
            compare(f, e, tolerance, f"{path}[{k}]")
    elif isinstance(expected, str | bool | None):
        assert found == expected, path
    else:
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=path)


def test_every_case_is_recorded():
    assert list(RECORDED) == list(CASES), "run tools/record.py"


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", CASES)
def test_recorded(name):
    compare(plain(CASES[name](torch)), RECORDED[name], TOLERANCE[name], name)
