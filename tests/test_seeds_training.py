"""Seed features S-100 to S-112: the TinyModel of the introyt page, trained for one batch and more."""

from __future__ import annotations

import pytest
from against import printed, torch


class TinyModel(torch.nn.Module):
    def __init__(self):
        super(TinyModel, self).__init__()  # noqa: UP008 (as the page writes it)

        self.layer1 = torch.nn.Linear(1000, 100)
        self.relu = torch.nn.ReLU()
        self.layer2 = torch.nn.Linear(100, 10)

    def forward(self, x):
        x = self.layer1(x)
        x = self.relu(x)
        x = self.layer2(x)
        return x


class Setting:
    """Inputs, model and optimizer from seed 0, made in the page's order."""

    def __init__(self):
        torch.manual_seed(0)
        self.some_input = torch.randn(16, 1000, requires_grad=False)
        self.ideal_output = torch.randn(16, 10, requires_grad=False)
        self.model = TinyModel()
        self.weight = self.model.layer2.weight
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.001)

    def loss(self):
        prediction = self.model(self.some_input)
        return (self.ideal_output - prediction).pow(2).sum()


@pytest.fixture
def page():
    return Setting()


WEIGHT_BEFORE = """\
tensor([ 0.0317,  0.0891,  0.0169,  0.0963,  0.0961,  0.0311,  0.0272, -0.0977,
         0.0565,  0.0098], grad_fn=<SliceBackward0>)
"""
WEIGHT_AFTER = """\
tensor([ 0.0253,  0.0758,  0.0087,  0.0893,  0.0961,  0.0284,  0.0216, -0.0979,
         0.0525,  0.0087], grad_fn=<SliceBackward0>)
"""
GRADIENT = """\
tensor([ 6.4291, 13.2475,  8.2830,  6.9822,  0.0371,  2.7438,  5.5596,  0.1757,
         4.0541,  1.0453])
"""
GRADIENT_ACCUMULATED = """\
tensor([23.3107, 35.7144, 30.3759, 20.5680, -5.6830, 13.7755, 18.3768, 11.4897,
        14.8639, -2.4794])
"""


def test_S_100_a_module_prints(page):
    assert printed(page.model) == (
        "TinyModel(\n"
        "  (layer1): Linear(in_features=1000, out_features=100, bias=True)\n"
        "  (relu): ReLU()\n"
        "  (layer2): Linear(in_features=100, out_features=10, bias=True)\n"
        ")\n"
    )
    assert page.model(page.some_input).shape == (16, 10)


def test_S_101_layers_have_parameters_that_require_grad(page):
    names = [name for name, _ in page.model.named_parameters()]
    assert names == ["layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias"]
    assert [tuple(p.shape) for p in page.model.parameters()] == [
        (100, 1000),
        (100,),
        (10, 100),
        (10,),
    ]
    assert all(p.requires_grad and p.is_leaf for p in page.model.parameters())
    assert all(isinstance(p, torch.nn.Parameter) for p in page.model.parameters())
    assert list(torch.nn.ReLU().parameters()) == []


def test_S_102_randn_with_the_flag_off(page):
    assert page.some_input.shape == (16, 1000)
    assert page.ideal_output.shape == (16, 10)
    assert not page.some_input.requires_grad
    assert not page.ideal_output.requires_grad


def test_S_103_a_slice_of_the_weights_prints(page):
    assert printed(page.model.layer2.weight[0][0:10]) == WEIGHT_BEFORE


def test_S_104_no_gradient_before_backward(page):
    assert printed(page.model.layer2.weight.grad) == "None\n"


def test_S_105_sgd_takes_parameters_and_a_rate(page):
    assert page.optimizer.param_groups[0]["lr"] == 0.001
    assert page.optimizer.param_groups[0]["params"] == list(page.model.parameters())
    assert isinstance(page.optimizer, torch.optim.Optimizer)


def test_S_106_loss_prints(page):
    assert printed(page.loss()) == "tensor(157.5293, grad_fn=<SumBackward0>)\n"


def test_S_107_backward_fills_gradients_and_leaves_weights(page):
    page.loss().backward()
    assert printed(page.weight[0][0:10]) == WEIGHT_BEFORE
    assert printed(page.weight.grad[0][0:10]) == GRADIENT


def test_S_108_step_changes_weights_and_leaves_gradients(page):
    page.loss().backward()
    page.optimizer.step()
    assert printed(page.weight[0][0:10]) == WEIGHT_AFTER
    assert printed(page.weight.grad[0][0:10]) == GRADIENT


def test_S_109_gradients_accumulate_over_five_passes(page):
    page.loss().backward()
    page.optimizer.step()
    for _ in range(5):
        page.loss().backward()
    assert printed(page.weight.grad[0][0:10]) == GRADIENT_ACCUMULATED


def test_S_110_zero_grad_to_zeros(page):
    page.loss().backward()
    grad = page.weight.grad
    page.optimizer.zero_grad(set_to_none=False)
    assert page.weight.grad is grad
    assert printed(page.weight.grad[0][0:10]) == (
        "tensor([0., 0., 0., 0., 0., 0., 0., 0., 0., 0.])\n"
    )


def test_S_111_zero_grad_to_none(page):
    page.loss().backward()
    page.optimizer.zero_grad()
    assert printed(page.weight.grad) == "None\n"
    page.loss().backward()
    page.model.zero_grad()
    assert page.weight.grad is None


def test_S_112_parameters_are_what_the_optimizer_moves(page):
    before = [p.clone() for p in page.model.parameters()]
    page.loss().backward()
    page.optimizer.step()
    for p, q in zip(page.model.parameters(), before, strict=True):
        assert p.is_leaf
        assert torch.allclose(p, q - 0.001 * p.grad, atol=1e-7)
        assert not torch.equal(p, q)
