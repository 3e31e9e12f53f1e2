"""Bags of embeddings, adaptive softmax, linear cross-entropy: meaning and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from against import collected_warnings, raises, torch

nn, F = torch.nn, torch.nn.functional
N, R = torch.tensor, torch.randn
TABLE = torch.tensor([[1.0, -2.0], [3.0, 4.0], [5.0, 1.0], [-7.0, 8.0]], dtype=torch.float64)


def bag(*args, **options):
    return F.embedding_bag(*args, **options).tolist()


def test_sums_means_and_maxima():
    index, offsets = N([0, 1, 2, 3]), N([0, 1, 1])
    assert bag(index, TABLE, offsets, mode="sum") == [[1, -2], [0, 0], [1, 13]]
    assert bag(index, TABLE, offsets) == [
        [1, -2],
        [0, 0],
        [pytest.approx(1 / 3), pytest.approx(13 / 3)],
    ]
    assert bag(index, TABLE, offsets, mode="max") == [[1, -2], [0, 0], [5, 8]]
    assert bag(index.view(2, 2), TABLE, mode="sum") == [[4, 2], [-2, 9]]
    assert bag(index, TABLE, N([0, 2, 4]), mode="sum", include_last_offset=True) == [
        [4, 2],
        [-2, 9],
    ]


def test_weights_and_padding():
    index = N([0, 1, 1, 2])
    w = torch.tensor([2.0, 10.0, 1.0, -1.0], dtype=torch.float64)
    assert bag(index, TABLE, N([0, 2]), mode="sum", per_sample_weights=w) == [[32, 36], [-2, 3]]
    assert bag(index, TABLE, N([0, 2]), padding_idx=1) == [[1, -2], [5, 1]]
    assert bag(index, TABLE, N([0, 1]), mode="max", padding_idx=-3) == [[1, -2], [5, 1]]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_gradients_by_differences(mode):
    table = TABLE.clone().requires_grad_()
    index, offsets = N([0, 1, 2, 3, 0]), N([0, 0, 2])
    assert torch.autograd.gradcheck(lambda t: F.embedding_bag(index, t, offsets, mode=mode), table)


@pytest.mark.wengert_only
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_second_derivatives(mode):
    table = TABLE.clone().requires_grad_()
    f = lambda t: F.embedding_bag(N([0, 1, 2, 3, 0]), t, N([0, 0, 2]), mode=mode) ** 2
    assert torch.autograd.gradgradcheck(f, table)


def test_gradients_of_weights():
    w = R(4, dtype=torch.float64, requires_grad=True)
    F.embedding_bag(
        N([0, 1, 1, 2]), TABLE, N([0, 2]), mode="sum", per_sample_weights=w
    ).sum().backward()
    assert w.grad.tolist() == [-1, 7, 7, 6]


def test_rows_are_shortened_first():
    m = nn.EmbeddingBag(3, 2, max_norm=1.0, mode="sum", _weight=torch.full((3, 2), 3.0))
    m(N([[0, 2]]))
    norms = m.weight.detach().norm(dim=1)
    torch.testing.assert_close(norms, torch.tensor([1.0, math.sqrt(18), 1.0]))
    table = torch.full((3, 2), 2.0)
    assert torch.embedding_renorm_(table, N([1]), 1.0, 2.0) is table
    assert table[0].tolist() == [2.0, 2.0]
    torch.testing.assert_close(table[1].norm(), torch.tensor(1.0))


def test_the_function_of_torch():
    out, bags, sizes, largest = torch.embedding_bag(TABLE, N([1, 2, 3]), N([0, 1]), False, 2)
    assert out.tolist() == [[3, 4], [5, 8]]
    assert bags.tolist() == [0, 1, 1]
    assert sizes.tolist() == [1, 2]
    assert largest.tolist() == [[1, 1], [2, 3]]


def test_layer():
    m = nn.EmbeddingBag(5, 3, mode="sum", padding_idx=-1, max_norm=1.0)
    assert repr(m) == "EmbeddingBag(5, 3, max_norm=1.0, mode='sum', padding_idx=4)"
    assert not m.weight[4].any()
    kept = nn.EmbeddingBag.from_pretrained(TABLE, mode="max")
    assert not kept.weight.requires_grad
    assert kept(N([[0, 1]])).tolist() == [[3, 4]]


W = R(5, 3)
ERRORS = [
    (lambda: F.embedding_bag(N([1, 2]), W), ValueError, ("offsets has to be a 1D Tensor but got None",)),
    (lambda: F.embedding_bag(N([1, 2]), W, N([1])), RuntimeError, ("offsets[0] has to be 0", "got 1")),
    (lambda: F.embedding_bag(N([[1, 2]]), W, N([0])), ValueError, ("if input is 2D, then offsets has to be None",)),
    (lambda: F.embedding_bag(N([1, 7]), W, N([0])), RuntimeError, ("Index 1 of input takes value 7", "[0, 5)")),
    (lambda: F.embedding_bag(N([1, 2]), W, N([0, 5])), RuntimeError, ("can not be greater than input's length 2",)),
    (lambda: F.embedding_bag(N([[[1]]]), W), ValueError, ("input has to be 1D or 2D",)),
    (lambda: F.embedding_bag(N([1]), W, N([0]), mode="x"), ValueError, ("sum, mean or max",)),
    (lambda: F.embedding_bag(N([1]), W, N([0]), per_sample_weights=R(1)), NotImplementedError, ("only supported for mode='sum'",)),
    (lambda: F.embedding_bag(N([1]), W, N([0]), mode="sum", per_sample_weights=R(2)), ValueError, ("must have the same shape as the input",)),
    (lambda: F.embedding_bag(N([1]), W, N([0]), mode="max", scale_grad_by_freq=True), ValueError, ("max mode does not support scaling",)),
    (lambda: F.embedding_bag(N([1.0]), W, N([0])), RuntimeError, ("Long, Int", "FloatTensor")),
    (lambda: F.embedding_bag(N([1]), W, N([0]), padding_idx=7), RuntimeError, ("padding_idx must be within", "-5 through 4")),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, []), ValueError, ("length larger than 0",)),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 5]), ValueError, ("unique, positive integers sorted",)),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5])(R(2, 8), N([1, 20])), RuntimeError, ("Target values should be in [0, 19]", "[1, 20]")),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5])(R(2, 8), N([1])), RuntimeError, ("same size in the batch",)),
    (lambda: F.linear_cross_entropy(R(3, 4, 5), R(10, 5), N([1])), RuntimeError, ("dimensionality 1 or 2, got 3",)),
    (lambda: F.linear_cross_entropy(R(3, 5), R(10, 6), N([1])), RuntimeError, ("got 5 and 6",)),
    (lambda: F.linear_cross_entropy(R(3, 5), R(10, 5), N([1, 2, 3]), linear_bias=R(9)), RuntimeError, ("(10,), got (9,)",)),
    (lambda: nn.LinearCrossEntropyOptions(acc_policy="x"), ValueError, ("invalid acc_policy: 'x'",)),
    (lambda: nn.LinearCrossEntropyOptions(batch_chunk_size=0), ValueError, ("positive int or None, got 0",)),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS)
def test_errors(call, kind, words):
    with raises(kind, *words):
        call()


# ---------------------------------------------------------------- softmax over many classes
def test_adaptive_log_probabilities_sum_to_one():
    torch.manual_seed(0)
    m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10, 15], div_value=2.0, head_bias=True)
    x, y = R(6, 8), N([0, 6, 12, 19, 4, 10])
    logp = m.log_prob(x)
    torch.testing.assert_close(logp.exp().sum(1), torch.ones(6))
    output, loss = m(x, y)
    torch.testing.assert_close(output, logp[torch.arange(6), y])
    torch.testing.assert_close(loss, -output.mean())
    assert m.predict(x).tolist() == logp.argmax(1).tolist()
    torch.testing.assert_close(m(x[0], y[0]).output, output[0])
    assert m.cutoffs == [5, 10, 15, 20]
    assert [tuple(p.shape) for p in m.tail[2].parameters()] == [(1, 8), (5, 1)]


def test_linear_cross_entropy_is_both_in_one():
    x, w, b = R(6, 4), R(5, 4), R(5)
    y = N([0, 1, 2, 3, 4, 0])
    expected = F.cross_entropy(F.linear(x, w, b), y, label_smoothing=0.2, ignore_index=2)
    found = F.linear_cross_entropy(x, w, y, linear_bias=b, label_smoothing=0.2, ignore_index=2)
    torch.testing.assert_close(found, expected)
    wide = R(5, 3, 4)
    classes = N([[0, 1, 2]] * 6)
    logits = torch.einsum("ni,cdi->ncd", x, wide)
    torch.testing.assert_close(
        F.linear_cross_entropy(x, wide, classes, reduction="sum"),
        F.cross_entropy(logits, classes, reduction="sum"),
    )


def test_options_of_linear_cross_entropy():
    options = nn.LinearCrossEntropyOptions(batch_chunk_size=2)
    assert options == nn.LinearCrossEntropyOptions(False, 2)
    assert repr(options) == (
        "LinearCrossEntropyOptions(allow_retain_graph=False, batch_chunk_size=2, "
        "chunking_method='auto', acc_policy='auto', acc_dtype=None)"
    )
    with pytest.raises(AttributeError):
        options.acc_policy = "compact"
    x, w, y = R(6, 4), R(5, 4), N([0, 1, 2, 3, 4, 0])
    torch.testing.assert_close(
        F.linear_cross_entropy(x, w, y, options=options), F.linear_cross_entropy(x, w, y)
    )


# ---------------------------------------------------------------- names under torch
def test_reductions_by_number():
    x, y = torch.tensor([0.5, -1.0]), torch.tensor([1.0, 0.0])
    each = torch.binary_cross_entropy_with_logits(x, y)
    np.testing.assert_allclose(
        each, [math.log(1 + math.exp(-0.5)), math.log(1 + math.exp(-1.0))], rtol=1e-6
    )
    torch.testing.assert_close(
        torch.binary_cross_entropy_with_logits(x, y, reduction=1), each.mean()
    )
    assert tuple(torch.kl_div(y, y).shape) == (2,)
    torch.testing.assert_close(torch.kl_div(x, y, 2), F.kl_div(x, y, reduction="sum"))
    a, b, c = R(3, 2), R(3, 2), R(3, 2)
    torch.testing.assert_close(
        torch.triplet_margin_loss(a, b, c, reduction=1), F.triplet_margin_loss(a, b, c)
    )
    signs = torch.tensor([1.0, -1.0, 1.0])
    torch.testing.assert_close(
        torch.cosine_embedding_loss(a, b, signs, 0.1),
        F.cosine_embedding_loss(a, b, signs, 0.1, reduction="none"),
    )
    torch.testing.assert_close(
        torch.hinge_embedding_loss(x, y, reduction=1), F.hinge_embedding_loss(x, y)
    )
    torch.testing.assert_close(
        torch.margin_ranking_loss(x, y, y, 0.5, 2),
        F.margin_ranking_loss(x, y, y, 0.5, reduction="sum"),
    )
    torch.testing.assert_close(
        torch.poisson_nll_loss(x, y, True, False, 1e-8, 1), F.poisson_nll_loss(x, y)
    )


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_dropout", "feature_alpha_dropout"])
def test_dropout_under_torch(name):
    x = torch.ones(3, 4, 5)
    torch.manual_seed(0)
    out = getattr(torch, name)(x, 0.4, True)
    torch.manual_seed(0)
    y = x.clone()
    assert getattr(torch, name + "_")(y, 0.4, True) is y
    torch.testing.assert_close(y, out)
    values = len({round(v, 5) for v in out.flatten().tolist()})
    assert values == 2
    if name.startswith("feature"):
        assert all(len(set(channel.tolist())) == 1 for sample in out for channel in sample)
    torch.testing.assert_close(getattr(torch, name)(x, 0.4, False), x)


def test_the_old_name_of_the_likelihood_warns():
    with collected_warnings() as caught:
        m = nn.NLLLoss2d()
    assert isinstance(m, nn.NLLLoss)
    assert caught[0].category is FutureWarning
