"""Recurrent, attention, embedding-bag and adaptive layers: recorded numbers, and PyTorch itself."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sequence_cases as cases
from against import REAL, torch


def _quietly(lib, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cases.run(lib, name)


@pytest.mark.parametrize("name", cases.CASES)
def test_recorded_numbers(name):
    *_, total, grads = _quietly(torch, name)
    expected = cases.RECORDED[name]
    assert total == pytest.approx(expected[0], rel=2e-5, abs=2e-5)
    assert cases.size(grads) == pytest.approx(expected[1], rel=1e-4, abs=1e-4)


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="both sides would be PyTorch")
@pytest.mark.parametrize("name", cases.CASES)
def test_against_the_oracle(name):
    oracle = pytest.importorskip("torch")
    module, start, results, _, grads = _quietly(torch, name)
    theirs, their_start, their_results, _, their_grads = _quietly(oracle, name)
    assert repr(module) == repr(theirs)
    assert list(start) == list(their_start)
    for key, value in start.items():
        np.testing.assert_array_equal(value.numpy(), their_start[key].numpy(), err_msg=key)
    assert len(results) == len(their_results)
    for a, b in zip(results, their_results, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert grads.keys() == their_grads.keys()
    for key, g in grads.items():
        np.testing.assert_allclose(g, their_grads[key], rtol=1e-4, atol=1e-5, err_msg=key)
