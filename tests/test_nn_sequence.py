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


def _network(lib, seed):
    """The outputs and gradients of a random recurrent network in float64; the same in every library."""
    r = np.random.RandomState(seed)
    kind = ("RNN", "LSTM", "GRU")[seed % 3]
    time, batch, features, hidden = (
        r.randint(1, 7),
        r.randint(1, 5),
        r.randint(1, 5),
        r.randint(2, 6),
    )
    how = {
        "num_layers": r.randint(1, 4),
        "bias": bool(r.randint(2)),
        "batch_first": bool(r.randint(2)),
        "bidirectional": bool(r.randint(2)),
    }
    if kind == "LSTM" and r.randint(2):
        how["proj_size"] = r.randint(1, hidden)
    lib.manual_seed(seed)
    m = getattr(lib.nn, kind)(features, hidden, **{k: type(v)(v) for k, v in how.items()}).double()
    shape = (batch, time, features) if how["batch_first"] else (time, batch, features)
    x = lib.tensor(r.randn(*shape), requires_grad=True)
    count = how["num_layers"] * (1 + how["bidirectional"])
    hx = lib.tensor(r.randn(count, batch, how.get("proj_size", hidden)), requires_grad=True)
    states = (hx, lib.tensor(r.randn(count, batch, hidden))) if kind == "LSTM" else hx
    lengths = r.randint(1, time + 1, batch).tolist()
    pack, pad = lib.nn.utils.rnn.pack_padded_sequence, lib.nn.utils.rnn.pad_packed_sequence
    given = pack(x, lengths, how["batch_first"], enforce_sorted=False) if r.randint(2) else x
    out, last = m(given, states if r.randint(2) else None)
    out = pad(out, how["batch_first"])[0] if given is not x else out
    results = [out, *(last if kind == "LSTM" else (last,))]
    total = sum((t * lib.tensor(r.randn(*t.shape))).sum() for t in results)
    total.backward()
    leaves = [x, *m.parameters(), *([hx] if hx.grad is not None else [])]
    return [t.detach().numpy() for t in results] + [t.grad.numpy() for t in leaves]


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="both sides would be PyTorch")
@pytest.mark.parametrize("seed", range(36))
def test_random_networks_against_the_oracle(seed):
    oracle = pytest.importorskip("torch")
    ours, theirs = _network(torch, seed), _network(oracle, seed)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
