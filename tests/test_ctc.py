"""The CTC loss: against all alignments counted one by one, its gradients, lengths, errors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from against import raises, torch

nn, F = torch.nn, torch.nn.functional
N, R = torch.tensor, torch.randn


def _collapsed(path, blank):
    """Repetitions and blanks taken out."""
    return [label for label, _ in itertools.groupby(path) if label != blank]


def _by_counting(p, target, blank=0):
    """Minus the log of the summed probability of all paths that collapse to the target."""
    steps, classes = p.shape
    total = sum(
        math.prod(p[t, c] for t, c in enumerate(path))
        for path in itertools.product(range(classes), repeat=steps)
        if _collapsed(path, blank) == list(target)
    )
    return -math.log(total) if total else math.inf


def _problem(seed=0, steps=5, batch=4, classes=3):
    torch.manual_seed(seed)
    return R(steps, batch, classes, dtype=torch.float64).log_softmax(2)


TARGETS = N([[1, 2, 0], [2, 2, 1], [1, 0, 0], [0, 0, 0]])
STEPS, SIZES = [5, 5, 3, 4], [2, 3, 1, 0]


@pytest.mark.parametrize("blank", [0, 2])
def test_every_alignment_counts(blank):
    logp = _problem()
    targets = TARGETS if blank == 0 else N([[1, 0, 9], [0, 0, 1], [1, 9, 9], [9, 9, 9]]) % 3
    losses = F.ctc_loss(logp, targets, STEPS, SIZES, blank=blank, reduction="none")
    for n in range(4):
        p = logp[: STEPS[n], n].exp().numpy()
        expected = _by_counting(p, targets[n, : SIZES[n]].tolist(), blank)
        assert float(losses[n]) == pytest.approx(expected, rel=1e-12)


def test_layouts_of_targets():
    logp = _problem()
    padded = F.ctc_loss(logp, TARGETS, STEPS, SIZES)
    joined = N([1, 2, 2, 2, 1, 1])
    for lengths in ((STEPS, SIZES), (N(STEPS), N(SIZES)), (tuple(STEPS), tuple(SIZES))):
        torch.testing.assert_close(F.ctc_loss(logp, joined, *lengths), padded)
    each = F.ctc_loss(logp, TARGETS, STEPS, SIZES, reduction="none")
    torch.testing.assert_close(
        F.ctc_loss(logp[:, 0], TARGETS[0, :2], N(5), N(2), reduction="none"), each[0]
    )


def test_reductions():
    logp = _problem()
    each = F.ctc_loss(logp, TARGETS, STEPS, SIZES, reduction="none")
    counts = torch.tensor([2.0, 3.0, 1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(F.ctc_loss(logp, TARGETS, STEPS, SIZES), (each / counts).mean())
    torch.testing.assert_close(F.ctc_loss(logp, TARGETS, STEPS, SIZES, reduction="sum"), each.sum())
    torch.testing.assert_close(nn.CTCLoss(reduction="sum")(logp, TARGETS, STEPS, SIZES), each.sum())
    for number, word in enumerate(["none", "mean", "sum"]):
        torch.testing.assert_close(
            torch.ctc_loss(logp, TARGETS, STEPS, SIZES, 0, number),
            F.ctc_loss(logp, TARGETS, STEPS, SIZES, reduction=word),
        )
    assert repr(nn.CTCLoss()) == "CTCLoss()"


def test_gradients_by_differences():
    x = R(5, 4, 3, dtype=torch.float64, requires_grad=True)
    f = lambda x: F.ctc_loss(x.log_softmax(2), TARGETS, STEPS, SIZES, reduction="none")
    assert torch.autograd.gradcheck(f, x)


@pytest.mark.wengert_only
def test_second_derivatives_by_differences():
    x = R(5, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(
        lambda x: F.ctc_loss(x.log_softmax(2), TARGETS, STEPS, SIZES), x
    )


def test_the_gradient_counts_on_normalised_input():
    logp = _problem().requires_grad_()
    F.ctc_loss(logp, TARGETS, STEPS, SIZES, reduction="sum").backward()
    torch.testing.assert_close(logp.grad.sum(2), torch.zeros(5, 4, dtype=torch.float64))
    assert not logp.grad[3:, 2].any()
    assert logp.grad[2, 2].any()


@pytest.mark.parametrize("zero", [False, True])
def test_targets_that_cannot_fit(zero):
    logp = _problem().requires_grad_()
    losses = F.ctc_loss(logp, TARGETS, [5, 3, 3, 4], SIZES, reduction="none", zero_infinity=zero)
    assert float(losses[1].detach()) == (0 if zero else math.inf)
    losses.sum().backward()
    grad = logp.grad[:3, 1]
    assert not grad.any() if zero else torch.isnan(grad).all()
    assert torch.isfinite(logp.grad[:, 0]).all()


def test_a_blank_between_equal_labels():
    logp = torch.full((2, 1, 2), -math.log(2.0))
    assert float(F.ctc_loss(logp, N([[1, 1]]), [2], [2])) == math.inf
    three = torch.full((3, 1, 2), -math.log(2.0))
    loss = F.ctc_loss(three, N([[1, 1]]), [3], [2], reduction="sum")
    assert float(loss) == pytest.approx(3 * math.log(2.0))


def test_long_sequences_in_single_precision():
    torch.manual_seed(1)
    x = R(300, 2, 5).log_softmax(2)
    y = torch.randint(1, 5, (2, 60))
    single = F.ctc_loss(x, y, [300, 280], [60, 50], reduction="none")
    double = F.ctc_loss(x.double(), y, [300, 280], [60, 50], reduction="none")
    np.testing.assert_allclose(single.numpy(), double.numpy(), rtol=1e-5)


def test_no_time_and_no_labels():
    logp = _problem()
    losses = F.ctc_loss(logp, TARGETS, [0, 5, 0, 4], [0, 0, 1, 0], reduction="none")
    assert float(losses[0]) == 0
    assert float(losses[2]) == math.inf
    assert float(losses[1]) == pytest.approx(-float(logp[:, 1, 0].sum()))


L = R(6, 2, 4).log_softmax(2)
Y = N([[1, 2, 1], [3, 3, 0]])
ERRORS = [
    (lambda: F.ctc_loss(L, Y, [6, 6], [3, 4]), RuntimeError, ("size at least 4 at dimension 1, but got size 3",)),
    (lambda: F.ctc_loss(L, Y, [6, 7], [3, 2]), RuntimeError, ("Expected input_lengths to have value at most 6, but got value 7",)),
    (lambda: F.ctc_loss(L, Y, N([6]), N([3, 2])), RuntimeError, ("input_lengths must be of size batch_size",)),
    (lambda: F.ctc_loss(L, Y, [6, 6], [3, 2], blank=4), RuntimeError, ("blank must be in label range",)),
    (lambda: F.ctc_loss(L, N([1, 2, 1, 3]), [6, 6], [3, 2]), RuntimeError, ("size 5 at dimension 0, but got size 4",)),
    (lambda: F.ctc_loss(L, Y, N([6.0, 6.0]), N([3, 2])), RuntimeError, ("input_lengths must be integral",)),
    (lambda: F.ctc_loss(L, Y, [6, 6], [3, -1]), RuntimeError, ("target_lengths to have value at least 0, but got value -1",)),
    (lambda: F.ctc_loss(L.long(), Y, [6, 6], [3, 2]), NotImplementedError, ('"ctc_loss_cpu" not implemented',)),
    (lambda: F.ctc_loss(L, Y, [6, 6], [3, 2], reduction="x"), ValueError, ("x is not a valid value for reduction",)),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS)
def test_errors(call, kind, words):
    with raises(kind, *words):
        call()


@pytest.mark.wengert_only
def test_labels_out_of_range():
    with raises(RuntimeError, "classes from 0 to 3", "9"):
        F.ctc_loss(L, N([[1, 2, 9], [3, 3, 0]]), [6, 6], [3, 2])
