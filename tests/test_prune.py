"""nn.utils.prune: masks, hooks, containers, global pruning, errors.

Trainings of pruned layers with the same random masks as PyTorch's are in recorded_cases.py.
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from against import NAME, raises, torch

nn = torch.nn
prune = importlib.import_module(f"{NAME}.nn.utils.prune")


def layer(rows):
    """A linear layer with this weight and no bias."""
    weight = torch.tensor(rows, dtype=torch.float32)
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    made.weight.data = weight
    return made


ROWS = [[3.0, -1.0, 2.0], [0.5, 4.0, -6.0], [7.0, -8.0, 0.1]]


def mask_of(module):
    return module.weight_mask.int().tolist()


def test_the_form_of_a_pruned_module():
    module = layer(ROWS)
    parameter = module.weight
    assert prune.l1_unstructured(module, "weight", amount=3) is module
    assert list(module.state_dict()) == ["weight_orig", "weight_mask"]
    assert dict(module.named_parameters())["weight_orig"] is parameter
    assert mask_of(module) == [[1, 0, 1], [0, 1, 1], [1, 1, 0]]
    assert module.weight.tolist()[0] == [3.0, 0.0, 2.0]
    assert prune.is_pruned(module)
    assert prune.is_pruned(nn.Sequential(module))
    assert not prune.is_pruned(layer(ROWS))
    module(torch.ones(1, 3)).sum().backward()
    assert parameter.grad.tolist() == [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0]]


def test_the_hook_follows_the_parameter():
    module = prune.l1_unstructured(layer([[1.0, 5.0]]), "weight", amount=1)
    with torch.no_grad():
        module.weight_orig.fill_(2.0)
    assert module(torch.ones(1, 2)).item() == 2.0
    assert module.weight.tolist() == [[0.0, 2.0]]


def test_remove_keeps_the_zeros():
    module = prune.l1_unstructured(layer(ROWS), "weight", amount=0.5)
    original, pruned = module.weight_orig, module.weight.detach().clone()
    assert prune.remove(module, "weight") is module
    assert list(module.state_dict()) == ["weight"]
    assert module.weight is original
    assert torch.equal(module.weight, pruned)
    assert not module._forward_pre_hooks
    with raises(ValueError, "has to be pruned before pruning can be removed"):
        prune.remove(module, "weight")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda m: prune.l1_unstructured(m, "weight", 0.34), [[1, 0, 1], [0, 1, 1], [1, 1, 0]]),
        (lambda m: prune.ln_structured(m, "weight", 1, 2, 0), [[0, 0, 0], [1, 1, 1], [1, 1, 1]]),
        (lambda m: prune.ln_structured(m, "weight", 1, 1, 1), [[1, 1, 0], [1, 1, 0], [1, 1, 0]]),
        (lambda m: prune.ln_structured(m, "weight", 0.67, float("inf"), -1), [[0, 1, 0]] * 3),
        (lambda m: prune.ln_structured(m, "weight", 0, 2, 0), [[1, 1, 1]] * 3),
        (lambda m: prune.identity(m, "weight"), [[1, 1, 1]] * 3),
        (lambda m: prune.custom_from_mask(m, "weight", torch.eye(3)), [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        (
            lambda m: prune.l1_unstructured(
                m, "weight", 2, importance_scores=torch.arange(9.0).reshape(3, 3)
            ),
            [[0, 0, 1], [1, 1, 1], [1, 1, 1]],
        ),
    ],
)  # fmt: skip
def test_masks(call, expected):
    assert mask_of(call(layer(ROWS))) == expected


def test_random_masks_have_the_right_size():
    torch.manual_seed(0)
    module = prune.random_unstructured(nn.Linear(10, 10), "weight", amount=0.37)
    assert module.weight_mask.sum().item() == 63
    module = prune.random_structured(nn.Linear(10, 10), "weight", amount=3, dim=0)
    assert sorted(module.weight_mask.sum(1).tolist()) == [0.0] * 3 + [10.0] * 7


def test_the_next_method_acts_on_what_is_left():
    module = layer(ROWS)
    prune.ln_structured(module, "weight", 1, 2, 0)  # row 0 goes
    prune.l1_unstructured(module, "weight", 0.5)  # 3 of the other 6: 0.5, 4 and 0.1
    assert mask_of(module) == [[0, 0, 0], [0, 0, 1], [1, 1, 0]]
    prune.ln_structured(module, "weight", 0.5, 1, 0)  # half of the two rows left
    assert mask_of(module) == [[0, 0, 0], [0, 0, 0], [1, 1, 0]]
    (hook,) = module._forward_pre_hooks.values()
    assert isinstance(hook, prune.PruningContainer)
    assert [type(method).__name__ for method in hook] == [
        "LnStructured", "L1Unstructured", "LnStructured"
    ]  # fmt: skip
    assert len(hook) == 3
    assert hook[0].amount == 1


def test_biases_and_several_parameters():
    module = nn.Linear(2, 2)
    module.bias.data = torch.tensor([1.0, -3.0])
    prune.l1_unstructured(module, "bias", amount=1)
    prune.l1_unstructured(module, "weight", amount=1)
    assert module.bias.tolist() == [0.0, -3.0]
    x = torch.zeros(1, 2)
    assert module(x).tolist() == [[0.0, -3.0]]
    prune.remove(module, "weight")
    assert prune.is_pruned(module)
    assert module(x).tolist() == [[0.0, -3.0]]


def test_global():
    a, b = layer([[1.0, 2.0]]), layer([[3.0], [0.5]])
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=2)
    assert mask_of(a) == [[0, 1]]
    assert mask_of(b) == [[1], [0]]
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=1)
    assert mask_of(a) == [[0, 0]]
    assert mask_of(b) == [[1], [0]]
    c = layer([[1.0, 2.0]])
    prune.global_unstructured(
        [(c, "weight")],
        prune.L1Unstructured,
        importance_scores={(c, "weight"): torch.tensor([[2.0, 1.0]])},
        amount=1,
    )
    assert mask_of(c) == [[1, 0]]


def test_a_method_of_ones_own():
    class EveryOther(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    module = layer(ROWS)
    EveryOther.apply(module, "weight")
    assert mask_of(module) == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    EveryOther.apply(module, "weight")  # of the four that are left
    assert mask_of(module) == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_pruning_a_tensor():
    method = prune.L1Unstructured(2)
    t = torch.tensor([3.0, 1.0, 2.0, -5.0])
    assert method.prune(t).tolist() == [3.0, 0.0, 0.0, -5.0]
    mask = torch.tensor([0.0, 1.0, 1.0, 1.0])
    assert method.prune(t, default_mask=mask).tolist() == [0.0, 0.0, 0.0, -5.0]
    scores = torch.tensor([0.0, 1.0, 2.0, -5.0])
    assert method.prune(t, importance_scores=scores).tolist() == [0.0, 0.0, 2.0, -5.0]


def test_training_with_state_dicts():
    a, b = (prune.l1_unstructured(nn.Linear(3, 2), "weight", 0.5) for _ in range(2))
    b.load_state_dict(a.state_dict())
    x = torch.ones(1, 3)
    assert torch.equal(a(x), b(x))
    optimizer = torch.optim.SGD(a.parameters(), lr=0.1)
    a(x).sum().backward()
    optimizer.step()
    a(x)
    np.testing.assert_array_equal((a.weight == 0).numpy(), (a.weight_mask == 0).numpy())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m: prune.l1_unstructured(m, "weight", -1), ValueError, "amount=-1 should either be a float in the range [0, 1] or a non-negative integer"),
        (lambda m: prune.l1_unstructured(m, "weight", 1.5), ValueError, "amount=1.5 should either be a float in the range [0, 1]"),
        (lambda m: prune.l1_unstructured(m, "weight", 100), ValueError, "amount=100 should be smaller than the number of parameters to prune=9"),
        (lambda m: prune.l1_unstructured(m, "weight", "a"), TypeError, "Invalid type for amount: a. Must be int or float."),
        (lambda m: prune.l1_unstructured(m, "nothing", 1), AttributeError, "has no attribute 'nothing'"),
        (lambda m: prune.ln_structured(m, "weight", 1, 2, 5), IndexError, "Invalid index 5 for tensor of size torch.Size([3, 3])"),
        (lambda m: prune.ln_structured(m, "bias", 1, 2, 0), ValueError, "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape torch.Size([3]) with 1 dims"),
        (lambda m: prune.random_structured(m, "weight", 10, 0), ValueError, "amount=10 should be smaller than the number of parameters to prune=3"),
        (lambda m: prune.custom_from_mask(m, "weight", torch.ones(2)), AssertionError, "default_mask shape torch.Size([3, 3]) must match self.mask shape torch.Size([2])"),
        (lambda m: prune.l1_unstructured(m, "weight", 1, importance_scores=torch.ones(2)), AssertionError, "importance_scores should have the same shape as parameter weight of Linear"),
        (lambda m: prune.global_unstructured(3, prune.L1Unstructured, amount=1), TypeError, "global_unstructured(): parameters is not an Iterable"),
        (lambda m: prune.global_unstructured([(m, "weight")], prune.L1Unstructured, importance_scores=3, amount=1), TypeError, "global_unstructured(): importance_scores must be of type dict"),
        (lambda m: prune.global_unstructured([(m, "weight")], prune.LnStructured, amount=1, n=1), TypeError, 'Only "unstructured" PRUNING_TYPE supported'),
        (lambda m: prune.BasePruningMethod(), TypeError, "abstract"),
        (lambda m: prune.L1Unstructured(1).prune(torch.ones(3), importance_scores=torch.ones(2)), AssertionError, "importance_scores should have the same shape as tensor t, got torch.Size([2]) vs torch.Size([3])"),
    ],
)  # fmt: skip
def test_errors_leave_the_module_as_it_was(call, error, text):
    module = nn.Linear(3, 3)
    with raises(error, text):
        call(module)
    assert sorted(module.state_dict()) == ["bias", "weight"]
    assert not module._forward_pre_hooks


def test_container_errors():
    container = prune.PruningContainer()
    with raises(TypeError, "<class 'int'> is not a BasePruningMethod subclass"):
        container.add_pruning_method(3)
    first, second = prune.L1Unstructured(1), prune.L1Unstructured(1)
    first._tensor_name, second._tensor_name = "a", "b"
    with raises(
        ValueError, "Can only add pruning methods acting on the parameter named 'a'", "Found 'b'"
    ):
        prune.PruningContainer(first).add_pruning_method(second)

    class Odd(prune.BasePruningMethod):
        PRUNING_TYPE = "odd"

        def compute_mask(self, t, default_mask):
            return default_mask

    module = prune.identity(layer(ROWS), "weight")
    with raises(ValueError, "Unrecognized PRUNING_TYPE odd"):
        Odd.apply(module, "weight")


@pytest.mark.wengert_only
def test_a_refused_method_keeps_the_ones_before():
    module = prune.l1_unstructured(layer(ROWS), "weight", 3)
    with raises(ValueError):
        prune.l1_unstructured(module, "weight", 100)
    assert prune.is_pruned(module)
    assert mask_of(module) == [[1, 0, 1], [0, 1, 1], [1, 1, 0]]
