"""The `native_` forms, which also return what they saved, and reductions of segments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from against import torch

NAN, INF = math.nan, math.inf


def numbers(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def close(t, want):
    np.testing.assert_allclose(t.detach().numpy(), want, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- normalisation
def test_native_layer_norm():
    a = numbers(2, 4, 3)
    x = torch.tensor(a, requires_grad=True)
    out, mean, rstd = torch.native_layer_norm(x, (4, 3), None, None, 1e-5)
    m, v = a.mean((1, 2), keepdims=True), a.var((1, 2), keepdims=True)
    close(mean, m)
    close(rstd, 1 / np.sqrt(v + 1e-5))
    close(out, (a - m) / np.sqrt(v + 1e-5))
    assert out.requires_grad
    assert not mean.requires_grad
    assert not rstd.requires_grad
    half = torch.native_layer_norm(x.detach().half(), [3], None, None, 1e-5)
    assert [t.dtype for t in half] == [torch.float16] * 3
    with pytest.raises(TypeError):
        torch.native_layer_norm(x, 3, None, None, 1e-5)


def test_native_group_norm():
    a = numbers(2, 4, 3)
    out, mean, rstd = torch.native_group_norm(torch.tensor(a), None, None, 2, 4, 3, 2, 1e-5)
    g = a.reshape(2, 2, 6)
    close(mean, g.mean(2))
    close(rstd, 1 / np.sqrt(g.var(2) + 1e-5))
    close(out, ((g - g.mean(2, keepdims=True)) / np.sqrt(g.var(2, keepdims=True) + 1e-5)).reshape(a.shape))
    with pytest.raises(RuntimeError, match="N \\* C \\* HxW"):
        torch.native_group_norm(torch.tensor(a), None, None, 3, 4, 3, 2, 1e-5)
    with pytest.raises(RuntimeError, match="divisible by num_groups"):
        torch.native_group_norm(torch.tensor(a), None, None, 2, 4, 3, 3, 1e-5)


def test_native_batch_norm():
    a = numbers(2, 4, 3)
    x, w = torch.tensor(a), torch.ones(4, dtype=torch.float64, requires_grad=True)
    running = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    out, mean, rstd = torch.native_batch_norm(x, w, None, *running, True, 0.1, 1e-5)
    close(mean, a.mean((0, 2)))
    close(rstd, 1 / np.sqrt(a.var((0, 2)) + 1e-5))
    close(running[0], 0.1 * a.mean((0, 2)))
    assert out.requires_grad
    assert not mean.requires_grad
    out, mean, rstd = torch.native_batch_norm(x, w, None, *running, False, 0.1, 1e-5)
    assert mean.shape == rstd.shape == (0,)
    m, v = (t.numpy()[:, None] for t in running)
    close(out, (a - m) / np.sqrt(v + 1e-5))


# ---------------------------------------------------------------- dropout
def test_native_dropout():
    torch.manual_seed(0)
    x = torch.ones(2, 4, 3, requires_grad=True)
    out, mask = torch.native_dropout(x, 0.5, True)
    # PyTorch 2.13 draws these for seed 0
    assert mask.flatten().tolist() == [c == "1" for c in "001000110111101111001010"]
    assert torch.equal(out, mask * 2.0)
    out.sum().backward()
    assert torch.equal(x.grad, mask * 2.0)
    assert mask.dtype is torch.bool
    torch.manual_seed(0)
    assert torch.equal(torch.native_dropout(x, 0.5, None)[1], mask)  # None is True
    for p, train in ((0.5, False), (0.0, True)):
        out, mask = torch.native_dropout(x, p, train)
        assert mask.all()
        assert torch.equal(out, x)
    assert not torch.native_dropout(x, 1.0, True)[0].any()
    with pytest.raises(RuntimeError, match="expects p to be in"):
        torch.native_dropout(x, 1.5, True)
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.native_dropout(torch.arange(3), 0.5, True)


# ---------------------------------------------------------------- segments
X = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("how", "initial", "values", "gradient"),
    [
        ("sum", None, [3, 0, 18], [1, 1, 1, 1, 1, 1]),
        ("sum", 2.5, [5.5, 2.5, 20.5], [1, 1, 1, 1, 1, 1]),
        ("mean", None, [1.5, NAN, 4.5], [0.5, 0.5, 0.25, 0.25, 0.25, 0.25]),
        ("mean", 2.5, [2.75, 2.5, 5.125], [0.5, 0.5, 0.25, 0.25, 0.25, 0.25]),
        ("max", None, [2, -INF, 6], [0, 1, 0, 0, 0, 1]),
        ("max", 2.5, [2.5, 2.5, 6], [0, 0, 0, 0, 0, 1]),
        ("min", None, [1, INF, 3], [1, 0, 1, 0, 0, 0]),
        ("min", 3.0, [1, 3, 3], [1, 0, 1, 0, 0, 0]),
        ("prod", None, [2, 1, 360], [2, 1, 120, 90, 72, 60]),
        ("prod", 3.0, [6, 3, 1080], [6, 3, 360, 270, 216, 180]),
    ],
)
def test_segments(how, initial, values, gradient):
    x = torch.tensor(X, requires_grad=True)
    for where in ({"lengths": torch.tensor([2, 0, 4])}, {"offsets": torch.tensor([0, 2, 2, 6])}):
        out = torch.segment_reduce(x, how, **where, initial=initial)
        np.testing.assert_allclose(out.detach().numpy(), values)
        (g,) = torch.autograd.grad(out.sum(), x)
        np.testing.assert_allclose(g.numpy(), gradient)


def test_ties_and_zeros_in_segments():
    z = torch.tensor([3.0, 3.0, 1.0, 0.0, 0.0, 2.0], requires_grad=True)
    lengths = torch.tensor([3, 3])
    for how, initial, want in [
        ("max", None, [0.5, 0.5, 0, 0, 0, 1]),
        ("max", 3.0, [0.5, 0.5, 0, 0, 0, 0]),  # equal to the start, which is no element
        ("min", 0.0, [0, 0, 0, 0.5, 0.5, 0]),
        ("prod", None, [3, 3, 9, 0, 0, 0]),
    ]:
        out = torch.segment_reduce(z, how, lengths=lengths, initial=initial)
        assert torch.autograd.grad(out.sum(), z)[0].tolist() == want
    nans = torch.tensor([1.0, NAN, 3.0])
    for how in ("sum", "mean", "max", "min", "prod"):
        assert torch.segment_reduce(nans, how, lengths=torch.tensor([2, 1])).isnan().tolist() == [True, False]


def test_segments_along_other_dims():
    x = torch.arange(12.0).reshape(2, 6)
    lengths = torch.tensor([[2, 4], [3, 3]], dtype=torch.int32)
    for axis in (1, -1):
        assert torch.segment_reduce(x, "sum", lengths=lengths, axis=axis).tolist() == [[1, 14], [21, 30]]
    rows = torch.tensor([[1.0, 2], [3, 4], [5, 6]])
    assert torch.segment_reduce(rows, "max", lengths=torch.tensor([2, 1])).tolist() == [[3, 4], [5, 6]]
    few = torch.segment_reduce(x[0], "sum", lengths=torch.tensor([2, 3]), unsafe=True)
    assert few.tolist() == [1, 9]
    assert torch.segment_reduce(x[0], "sum", offsets=torch.tensor([1, 2, 6])).tolist() == [1, 14]
    assert torch.segment_reduce(torch.zeros(0), "sum", lengths=torch.tensor([0])).tolist() == [0]


@pytest.mark.parametrize(
    ("error", "text", "how", "options"),
    [
        (RuntimeError, "Either lengths or offsets", "sum", {}),
        (RuntimeError, "reduce argument must be either", "median", {"lengths": [6]}),
        (RuntimeError, "to sum to", "sum", {"lengths": [2, 3]}),
        (RuntimeError, "negative value", "sum", {"lengths": [-2, 8]}),
        (NotImplementedError, "not implemented for 'Float'", "sum", {"lengths": [2.0, 4.0]}),
        (RuntimeError, "last dimension of lengths", "sum", {"lengths": [6], "axis": 1}),
        (IndexError, "Dimension out of range", "sum", {"lengths": [6], "axis": 2}),
        (RuntimeError, "not supported yet", "sum", {"lengths": [6], "indices": [0]}),
    ],
)
def test_segments_refused(error, text, how, options):
    options = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in options.items()}
    with pytest.raises(error, match=text):
        torch.segment_reduce(torch.ones(6, 1), how, **options)


@pytest.mark.wengert_only
def test_segments_that_torch_reads_beyond():
    for where in ({"lengths": torch.tensor([2, 7])}, {"offsets": torch.tensor([0, 9])}):
        with pytest.raises(RuntimeError, match="beyond the 6 elements"):
            torch.segment_reduce(torch.ones(6), "sum", **where, unsafe=True)
    none = torch.segment_reduce(torch.zeros(0, 3), "sum", lengths=torch.tensor([], dtype=torch.int64))
    assert none.shape == (0, 3)
