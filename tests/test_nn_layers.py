"""Layers and losses: recorded numbers, the PyTorch oracle, printing, errors, first parameters."""

from __future__ import annotations

import warnings

import nn_layer_cases as cases
import numpy as np
import pytest
from against import raises, torch

nn = torch.nn
IDS = [" ".join(case) for case in cases.CASES]


def _quietly(*args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cases.run(*args)


@pytest.mark.parametrize(("case", "expected"), cases.CASES.items(), ids=IDS)
def test_recorded_numbers(case, expected):
    _, _, total, grads = _quietly(torch, *case)
    assert total == pytest.approx(expected[0], rel=2e-5, abs=2e-5)
    assert grads == pytest.approx(expected[1], rel=1e-4, abs=2e-4)


@pytest.mark.torch
@pytest.mark.parametrize("case", cases.CASES, ids=IDS)
def test_against_the_oracle(case):
    oracle = pytest.importorskip("torch")
    module, output, _, grads = _quietly(torch, *case)
    theirs, their_output, _, their_grads = _quietly(oracle, *case)
    assert repr(module) == repr(theirs)
    assert list(module.state_dict()) == list(theirs.state_dict())
    a, b = output.detach().numpy(), their_output.detach().numpy()
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert grads == pytest.approx(their_grads, rel=1e-4, abs=2e-4)
    for (name, p), q in zip(module.named_buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


def test_parameters_start_with_pytorchs_numbers():
    torch.manual_seed(0)
    linear = nn.Linear(3, 2)
    assert linear.weight.tolist() == [
        [-0.004322517663240433, 0.3097158372402191, -0.4751853346824646],
        [-0.4248946011066437, -0.2223689705133438, 0.15482072532176971],
    ]
    assert linear.bias.tolist() == [-0.011439144611358643, 0.45777493715286255]
    table = nn.Embedding(2, 2, padding_idx=1)
    assert table.weight.tolist() == [[-1.0845223665237427, -1.3985954523086548], [0.0, 0.0]]
    assert nn.Bilinear(2, 2, 1).weight.tolist() == [
        [[0.2795442044734955, 0.42428016662597656], [-0.47937673330307007, -0.3079187273979187]]
    ]
    norm = nn.LayerNorm(2)
    assert norm.weight.tolist() == [1.0, 1.0]
    assert norm.bias.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("Linear(2, 3, False)", "Linear(in_features=2, out_features=3, bias=False)"),
        ("Threshold(0.1, 20, True)", "Threshold(threshold=0.1, value=20, inplace=True)"),
        ("Hardtanh(-2, 2, True)", "Hardtanh(min_val=-2, max_val=2, inplace=True)"),
        ("ReLU(True)", "ReLU(inplace=True)"),
        ("ReLU6()", "ReLU6()"),
        ("ELU(2.0, True)", "ELU(alpha=2.0, inplace=True)"),
        ("RReLU(0.1, 0.3)", "RReLU(lower=0.1, upper=0.3)"),
        ("GELU()", "GELU(approximate='none')"),
        ("Softplus()", "Softplus(beta=1.0, threshold=20.0)"),
        ("Hardshrink()", "Hardshrink(0.5)"),
        ("PReLU(3)", "PReLU(num_parameters=3)"),
        ("Softmax()", "Softmax(dim=None)"),
        ("GLU()", "GLU(dim=-1)"),
        ("Dropout(0.2, True)", "Dropout(p=0.2, inplace=True)"),
        ("Flatten()", "Flatten(start_dim=1, end_dim=-1)"),
        ("Unflatten(1, (2, 3))", "Unflatten(dim=1, unflattened_size=(2, 3))"),
        ("LayerNorm([2, 3])", "LayerNorm((2, 3), eps=1e-05, elementwise_affine=True, bias=True)"),
        ("RMSNorm(3)", "RMSNorm((3,), eps=None, elementwise_affine=True)"),
        ("GroupNorm(2, 4)", "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)"),
        (
            "BatchNorm1d(3)",
            "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
        ),
        (
            "Embedding(3, 4, 1, None, 3.0, True)",
            "Embedding(3, 4, padding_idx=1, norm_type=3.0, scale_grad_by_freq=True)",
        ),
        ("CrossEntropyLoss()", "CrossEntropyLoss()"),
        (
            "TripletMarginWithDistanceLoss()",
            "TripletMarginWithDistanceLoss(\n  (distance_function): PairwiseDistance()\n)",
        ),
    ],
)
def test_repr(expression, printed):
    assert repr(eval(f"nn.{expression}")) == printed


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: nn.Dropout(1.5),
            ValueError,
            "dropout probability has to be between 0 and 1, but got 1.5",
        ),
        (lambda: nn.Embedding(3, 4, padding_idx=7), AssertionError, "Padding_idx must be within"),
        (lambda: nn.Embedding(3, 4, _weight=torch.zeros(2, 2)), AssertionError, "Shape of weight"),
        (lambda: nn.Embedding.from_pretrained(torch.zeros(3)), AssertionError, "2-dimensional"),
        (
            lambda: nn.GroupNorm(3, 4),
            ValueError,
            "num_channels (4) must be divisible by num_groups (3)",
        ),
        (
            lambda: nn.BatchNorm1d(3)(torch.zeros(3)),
            ValueError,
            "expected 2D or 3D input (got 1D input)",
        ),
        (lambda: nn.BatchNorm2d(3)(torch.zeros(3)), ValueError, "expected 4D input (got 1D input)"),
        (
            lambda: nn.BatchNorm1d(3)(torch.zeros(1, 3)),
            ValueError,
            "Expected more than 1 value per channel",
        ),
        (lambda: nn.Hardtanh(2, 1), AssertionError, "max_val (1) must be greater than min_val (2)"),
        (lambda: nn.Bilinear(0, 1, 1), ValueError, "in1_features must be > 0"),
        (lambda: nn.Unflatten(1, 3.0), TypeError, "unflattened_size must be a tuple of ints"),
        (lambda: nn.Unflatten(1, ("a",)), TypeError, "found element of type str at pos 0"),
        (
            lambda: nn.Softmax2d()(torch.zeros(3)),
            ValueError,
            "Softmax2d: expected input to be 3D or 4D",
        ),
        (
            lambda: nn.TripletMarginLoss(margin=-1),
            ValueError,
            "expected margin to be greater than 0",
        ),
        (lambda: nn.Linear(2, 3)(torch.zeros(3, 3)), RuntimeError, "(3x3 and 2x3)"),
        (lambda: nn.MultiMarginLoss(p=3), ValueError, "only p == 1 and p == 2 supported"),
    ],
)
def test_errors(make, error, text):
    with raises(error, text):
        make()


def test_batch_norm_keeps_running_statistics():
    norm = nn.BatchNorm1d(2, momentum=0.5)
    x = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    norm(x)
    assert norm.running_mean.tolist() == [1.0, 2.0]
    assert norm.running_var.tolist() == [1.5, 4.5]
    assert norm.num_batches_tracked.item() == 1
    norm.eval()
    assert torch.allclose(norm(x), (x - norm.running_mean) / (norm.running_var + 1e-5).sqrt())
    state = norm.state_dict()
    del state["num_batches_tracked"]
    state._metadata[""]["version"] = 1
    nn.BatchNorm1d(2).load_state_dict(state)  # states of version 1 had no counter
    average = nn.BatchNorm1d(2, momentum=None)
    average(x)
    average(x + 2)
    assert average.running_mean.tolist() == [3.0, 5.0]
    average.reset_running_stats()
    assert average.running_var.tolist() == [1.0, 1.0]


def test_dropout_only_in_training():
    x = torch.ones(50)
    drop = nn.Dropout(0.5)
    torch.manual_seed(0)
    y = drop(x)
    assert set(y.tolist()) == {0.0, 2.0}
    assert torch.equal(drop.eval()(x), x)


def test_embedding_padding_gets_no_gradient():
    table = nn.Embedding(3, 2, padding_idx=0)
    table(torch.tensor([0, 1, 1])).sum().backward()
    assert table.weight.grad.tolist() == [[0.0, 0.0], [2.0, 2.0], [0.0, 0.0]]
    frozen = nn.Embedding.from_pretrained(torch.ones(2, 2))
    assert not frozen.weight.requires_grad


def test_old_reduction_flags():
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        assert nn.L1Loss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match="please use reduction='none' instead"):
        assert nn.L1Loss(reduce=False).reduction == "none"


def test_class_weights_are_buffers():
    loss = nn.CrossEntropyLoss(weight=torch.ones(3))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.double().weight.dtype is torch.float64


def test_dtype_of_a_layer():
    assert nn.Linear(2, 2, dtype=torch.float64).weight.dtype is torch.float64
    assert nn.LayerNorm(2, dtype=torch.float64).bias.dtype is torch.float64
    assert nn.BatchNorm1d(2, dtype=torch.float64).running_var.dtype is torch.float64


def test_clip_grad():
    p = nn.Parameter(torch.ones(3))
    q = nn.Parameter(torch.ones(1))
    p.grad = torch.tensor([1.0, 2.0, 2.0])
    q.grad = torch.tensor([4.0])
    clip = nn.utils.clip_grad_norm_
    assert clip([p, q], 2.5).item() == 5
    assert torch.allclose(p.grad, torch.tensor([0.5, 1.0, 1.0]))
    assert clip([p, q], 100.0).item() == pytest.approx(2.5)
    assert clip(p, 100.0, norm_type="inf").item() == pytest.approx(1.0)
    assert clip(p, 100.0, norm_type=1).item() == pytest.approx(2.5)
    assert clip([], 1.0).item() == 0
    nn.utils.clip_grad_value_([p], 0.7)
    assert torch.allclose(p.grad, torch.tensor([0.5, 0.7, 0.7]))
    p.grad = torch.tensor([1.0, float("nan"), 2.0])
    with raises(
        RuntimeError, "The total norm of order 2.0 for gradients from `parameters` is non-finite"
    ):
        clip([p], 1.0, error_if_nonfinite=True)
    assert p.grad[0].item() == 1


def test_parameters_as_a_vector():
    layer = nn.Linear(2, 1)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (3,)
    nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0, 3.0]), layer.parameters())
    assert layer.weight.tolist() == [[1.0, 2.0]]
    assert layer.bias.tolist() == [3.0]
    with pytest.raises(RuntimeError):
        nn.utils.vector_to_parameters(torch.ones(2), layer.parameters())
    with raises(TypeError, "expected torch.Tensor, but got: int"):
        nn.utils.vector_to_parameters(3, layer.parameters())
