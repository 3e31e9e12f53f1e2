"""RNN, LSTM, GRU, their cells, and packed sequences: meaning, shapes, errors."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from against import collected_warnings, raises, torch

nn, rnn = torch.nn, torch.nn.utils.rnn
NETWORKS = {"RNN": 1, "LSTM": 4, "GRU": 3}


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def _step(kind, w, x, h, c):
    """One step written in NumPy, straight from the definition."""
    a = x @ w["weight_ih_l0"].T + w["bias_ih_l0"]
    b = h @ w["weight_hh_l0"].T + w["bias_hh_l0"]
    if kind == "RNN":
        return np.tanh(a + b), c
    if kind == "LSTM":
        i, f, g, o = np.split(a + b, 4, -1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c
    (ar, az, an), (br, bz, bn) = np.split(a, 3, -1), np.split(b, 3, -1)
    z = _sigmoid(az + bz)
    return (1 - z) * np.tanh(an + _sigmoid(ar + br) * bn) + z * h, c


@pytest.mark.parametrize("kind", NETWORKS)
def test_outputs_are_those_of_the_definition(kind):
    torch.manual_seed(0)
    m = getattr(nn, kind)(3, 4, dtype=torch.float64)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    out, last = m(x)
    w = {k: p.detach().numpy() for k, p in m.named_parameters()}
    h = c = np.zeros((2, 4))
    for t in range(6):
        h, c = _step(kind, w, x[t].numpy(), h, c)
        np.testing.assert_allclose(out[t].detach().numpy(), h, rtol=1e-12)
    if kind == "LSTM":
        np.testing.assert_allclose(last[1][0].detach().numpy(), c, rtol=1e-12)
        last = last[0]
    np.testing.assert_allclose(last[0].detach().numpy(), h, rtol=1e-12)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_reverse_direction_reads_backwards(kind):
    torch.manual_seed(1)
    both = getattr(nn, kind)(3, 4, bidirectional=True)
    back = getattr(nn, kind)(3, 4)
    back.load_state_dict(
        {k[: -len("_reverse")]: v for k, v in both.state_dict().items() if k.endswith("_reverse")}
    )
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(both(x)[0][..., 4:], back(x.flip(0))[0].flip(0))


@pytest.mark.parametrize("kind", NETWORKS)
def test_packing_gives_what_every_sequence_gives_alone(kind):
    torch.manual_seed(2)
    m = getattr(nn, kind)(3, 4, 2, bidirectional=True)
    parts = [torch.randn(n, 3) for n in (2, 5, 4)]
    packed, last = m(rnn.pack_sequence(parts, enforce_sorted=False))
    outs = rnn.unpack_sequence(packed)
    for k, part in enumerate(parts):
        out, alone = m(part)
        torch.testing.assert_close(outs[k], out)
        for a, b in zip(last, alone) if kind == "LSTM" else [(last, alone)]:
            torch.testing.assert_close(a[:, k], b)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_cell_is_one_step(kind):
    torch.manual_seed(3)
    cell = getattr(nn, kind + "Cell")(3, 4)
    m = getattr(nn, kind)(3, 4)
    m.load_state_dict({k + "_l0": v for k, v in cell.state_dict().items()})
    x = torch.randn(5, 2, 3)
    state = None
    for t in range(5):
        state = cell(x[t], state)
    last = m(x)[1]
    for a, b in zip(state, last) if kind == "LSTM" else [(state, last)]:
        torch.testing.assert_close(a, b[0])


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_second_derivatives_by_differences(kind):
    torch.manual_seed(4)
    m = getattr(nn, kind)(2, 3, dtype=torch.float64)
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: m(t)[0], x)
    assert torch.autograd.gradgradcheck(lambda t: m(t)[0], x)


def test_gradients_of_the_last_states_alone():
    torch.manual_seed(5)
    m = nn.LSTM(2, 3)
    x = torch.randn(4, 1, 2, requires_grad=True)
    _, (h, c) = m(x)
    (gc,) = torch.autograd.grad(c.sum(), x, retain_graph=True)
    (gh,) = torch.autograd.grad(h.sum(), x)
    assert gc.abs().min() > 0
    assert not torch.allclose(gc, gh)


@pytest.mark.parametrize("kind", ["RNN", "GRU"])
def test_outputs_may_be_written_in_place(kind):
    torch.manual_seed(6)
    m = getattr(nn, kind)(2, 3)
    x = torch.randn(4, 1, 2)
    (m(x)[0] * 2).sum().backward()
    expected = [p.grad.clone() for p in m.parameters()]
    m.zero_grad()
    m(x)[0].mul_(2).sum().backward()
    for p, g in zip(m.parameters(), expected):
        torch.testing.assert_close(p.grad, g)


def test_no_gradients_for_frozen_weights():
    m = nn.GRU(2, 3)
    m.weight_hh_l0.requires_grad_(False)
    m(torch.randn(3, 1, 2))[0].sum().backward()
    assert m.weight_hh_l0.grad is None
    assert m.weight_ih_l0.grad is not None


# ---------------------------------------------------------------- parameters and printing
def test_names_shapes_and_bounds_of_parameters():
    m = nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    shapes = {k: tuple(p.shape) for k, p in m.named_parameters()}
    assert list(shapes)[:5] == [
        "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0",
    ]  # fmt: skip
    assert list(shapes)[5] == "weight_ih_l0_reverse"
    assert shapes["weight_ih_l0"] == (16, 3)
    assert shapes["weight_hh_l0"] == (16, 2)
    assert shapes["weight_hr_l1_reverse"] == (2, 4)
    assert shapes["weight_ih_l1"] == (16, 4)
    assert max(float(p.detach().abs().max()) for p in m.parameters()) <= 0.5
    assert [len(w) for w in m.all_weights] == [5] * 4
    assert m.flatten_parameters() is None


def test_printing():
    m = nn.LSTM(3, 4, 2, bias=False, batch_first=True, dropout=0.1, bidirectional=True, proj_size=2)
    assert repr(m) == (
        "LSTM(3, 4, proj_size=2, num_layers=2, bias=False, batch_first=True, dropout=0.1, "
        "bidirectional=True)"
    )
    assert repr(nn.RNN(3, 4, 1, "relu")) == "RNN(3, 4)"
    assert repr(nn.RNNCell(3, 4, False, "relu")) == "RNNCell(3, 4, bias=False, nonlinearity=relu)"


@pytest.mark.parametrize("kind", NETWORKS)
def test_copies_and_pickles_give_the_same(kind):
    m = getattr(nn, kind)(2, 3)
    x = torch.randn(3, 1, 2)
    for other in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        torch.testing.assert_close(other(x)[0], m(x)[0])
        assert other.weight_ih_l0 is not m.weight_ih_l0


def test_replaced_weights_are_used():
    m = nn.RNN(2, 3, bias=False)
    m.weight_ih_l0 = nn.Parameter(torch.zeros(3, 2))
    assert not m(torch.randn(4, 1, 2))[0].any()


def test_other_dtypes():
    m = nn.GRU(2, 3).double()
    assert m(torch.randn(3, 1, 2, dtype=torch.float64))[0].dtype is torch.float64


def test_empty_batch():
    out, h = nn.GRU(2, 3)(torch.randn(4, 0, 2))
    assert tuple(out.shape) == (4, 0, 3)
    assert tuple(h.shape) == (1, 0, 3)


# ---------------------------------------------------------------- errors
R = torch.randn
ERRORS = [
    (lambda: nn.LSTM(3, 4)(R(5, 2, 4)), RuntimeError, ("equal to input_size", "Expected 3, got 4")),
    (lambda: nn.LSTM(3, 4)(R(3)), ValueError, ("LSTM: Expected input to be 2D or 3D, got 1D",)),
    (lambda: nn.LSTM(3, 4)(R(5, 2, 3).double()), ValueError, ("RNN input dtype", "float64", "does not match weight dtype")),
    (lambda: nn.LSTM(3, 4)(R(5, 2, 3), (R(1, 3, 4), R(1, 2, 4))), RuntimeError, ("Expected hidden[0] size (1, 2, 4), got [1, 3, 4]",)),
    (lambda: nn.LSTM(3, 4)(R(5, 2, 3), (R(1, 2, 4), R(1, 2, 5))), RuntimeError, ("Expected hidden[1] size (1, 2, 4), got [1, 2, 5]",)),
    (lambda: nn.GRU(3, 4)(R(5, 2, 3), R(2, 2, 4)), RuntimeError, ("Expected hidden size (1, 2, 4), got [2, 2, 4]",)),
    (lambda: nn.GRU(3, 4)(R(5, 3), R(1, 2, 4)), RuntimeError, ("For unbatched 2-D input, hx should also be 2-D but got 3-D",)),
    (lambda: nn.LSTM(3, 4)(R(5, 2, 3), (R(2, 4), R(2, 4))), RuntimeError, ("For batched 3-D input", "(2-D, 2-D)")),
    (lambda: nn.GRU(3, 4)(R(0, 2, 3)), RuntimeError, ("sequence length to be larger than 0",)),
    (lambda: nn.GRUCell(3, 4)(R(2, 5)), RuntimeError, ("inconsistent input_size: got 5 expected 3",)),
    (lambda: nn.GRUCell(3, 4)(R(2, 3), R(3, 4)), RuntimeError, ("Input batch size 2 doesn't match hidden0 batch size 3",)),
    (lambda: nn.LSTMCell(3, 4)(R(2, 3), (R(2, 5), R(2, 5))), RuntimeError, ("hidden0 has inconsistent hidden_size: got 5, expected 4",)),
    (lambda: nn.RNNCell(3, 4)(R(2, 3, 3)), ValueError, ("RNNCell: Expected input to be 1D or 2D, got 3D",)),
    (lambda: nn.LSTMCell(3, 4)(R(2, 3), (R(2, 4, 1), R(2, 4, 1))), ValueError, ("LSTMCell: Expected hx[0] to be 1D or 2D, got 3D",)),
    (lambda: nn.RNN(3, 4, nonlinearity="x"), ValueError, ("Unknown nonlinearity 'x'",)),
    (lambda: nn.GRU(3, 4, proj_size=2), ValueError, ("proj_size argument is only supported for LSTM",)),
    (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, ("smaller than hidden_size",)),
    (lambda: nn.LSTM(3, 4, dropout=2), ValueError, ("dropout should be a number in range [0, 1]",)),
    (lambda: nn.LSTM(3, 4, bias=1), TypeError, ("bias should be of type bool",)),
    (lambda: nn.LSTM(3, 0), ValueError, ("hidden_size must be greater than zero",)),
    (lambda: nn.LSTM(3.0, 4), TypeError, ("input_size should be of type int",)),
    (lambda: nn.RNNBase("FOO", 3, 4), ValueError, ("Unrecognized RNN mode: FOO",)),
    (lambda: rnn.pack_padded_sequence(R(5, 3, 2), [3, 5, 4]), RuntimeError, ("sorted in decreasing order when `enforce_sorted` is True",)),
    (lambda: rnn.pack_padded_sequence(R(5, 3, 2), [5, 3]), RuntimeError, ("batch_size, but got 2 (batch_size=3)",)),
    (lambda: rnn.pack_padded_sequence(R(5, 3, 2), [5, 3, 0]), RuntimeError, ("greater than 0",)),
    (lambda: rnn.pad_sequence([]), RuntimeError, ("empty list of sequences",)),
    (lambda: rnn.pad_sequence([R(2)], padding_side="x"), RuntimeError, ("left or right, but got x",)),
    (lambda: rnn.pad_sequence([R(2, 3), R(3, 4)]), RuntimeError, ("must match",)),
    (lambda: rnn.pad_packed_sequence(rnn.pack_sequence([R(3)]), total_length=2), ValueError, ("total_length=2 and max sequence length being 3",)),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS)
def test_errors(call, kind, words):
    with raises(kind, *words):
        call()


def test_dropout_of_one_layer_warns():
    with collected_warnings() as caught:
        nn.LSTM(3, 4, dropout=0.5)
    assert "non-zero dropout expects num_layers greater than 1" in str(caught[0].message)


# ---------------------------------------------------------------- packing
def test_packing_and_padding():
    x = torch.tensor([[1, 4, 6], [2, 5, 0], [3, 0, 0]])
    p = rnn.pack_padded_sequence(x, torch.tensor([3, 2, 1]))
    assert p.data.tolist() == [1, 4, 6, 2, 5, 3]
    assert p.batch_sizes.tolist() == [3, 2, 1]
    assert p.sorted_indices is None
    padded, lengths = rnn.pad_packed_sequence(p, total_length=4, padding_value=9)
    assert padded.tolist() == [[1, 4, 6], [2, 5, 9], [3, 9, 9], [9, 9, 9]]
    assert lengths.tolist() == [3, 2, 1]


def test_order_of_loose_packing():
    p = rnn.pack_sequence(
        [torch.tensor([1]), torch.tensor([2, 3]), torch.tensor([4])], enforce_sorted=False
    )
    assert p.sorted_indices.tolist() == [1, 0, 2]
    assert p.unsorted_indices.tolist() == [1, 0, 2]
    assert [t.tolist() for t in rnn.unpack_sequence(p)] == [[1], [2, 3], [4]]
    assert rnn.invert_permutation(torch.tensor([2, 0, 1])).tolist() == [1, 2, 0]
    assert rnn.invert_permutation(None) is None


def test_padding_on_the_left():
    parts = [torch.ones(1, 2), torch.ones(2, 2)]
    padded = rnn.pad_sequence(parts, True, -1.0, "left")
    assert padded.tolist() == [[[-1.0, -1.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]
    assert [t.shape[0] for t in rnn.unpad_sequence(padded, torch.tensor([1, 2]), True)] == [1, 2]


def test_gradients_pass_through_packing():
    parts = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)]
    padded, _ = rnn.pad_packed_sequence(rnn.pack_sequence(parts), padding_value=7.0)
    (padded * torch.tensor([[1.0, 10.0], [100.0, 1000.0]])).sum().backward()
    assert parts[0].grad.tolist() == [1.0, 100.0]
    assert parts[1].grad.tolist() == [10.0]


def test_packed_sequences_convert():
    p = rnn.pack_sequence([torch.ones(2), torch.ones(1)])
    assert p.double().data.dtype is torch.float64
    assert p.to(torch.float32) is p
    assert p.cpu() is p
    assert not p.is_cuda
    assert p._fields == ("data", "batch_sizes", "sorted_indices", "unsorted_indices")


def test_the_functions_of_torch():
    torch.manual_seed(6)
    m = nn.GRU(2, 3, 2, batch_first=True)
    x, h = torch.randn(4, 5, 2), torch.zeros(2, 4, 3)
    out, last = torch.gru(x, h, m._flat_weights, True, 2, 0.0, False, False, True)
    torch.testing.assert_close(out, m(x)[0])
    torch.testing.assert_close(last, m(x)[1])
