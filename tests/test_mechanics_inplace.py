"""Version counters and in-place calls: rules M-01 to M-09 of the contract."""

from __future__ import annotations

import warnings

import pytest
from against import chain, leaf, raises, torch

MODIFIED = "has been modified by an inplace operation"


def set_item(t, key, value):
    t[key] = value


BUMPS = {
    "add_": lambda t: t.add_(1),
    "sub_": lambda t: t.sub_(1),
    "mul_": lambda t: t.mul_(2),
    "div_": lambda t: t.div_(2),
    "pow_": lambda t: t.pow_(2),
    "neg_": lambda t: t.neg_(),
    "exp_": lambda t: t.exp_(),
    "sqrt_": lambda t: t.sqrt_(),
    "sin_": lambda t: t.sin_(),
    "tanh_": lambda t: t.tanh_(),
    "sigmoid_": lambda t: t.sigmoid_(),
    "relu_": lambda t: t.relu_(),
    "clamp_": lambda t: t.clamp_(0, 1),
    "zero_": lambda t: t.zero_(),
    "fill_": lambda t: t.fill_(3.0),
    "copy_": lambda t: t.copy_(torch.zeros(2, 2)),
    "masked_fill_": lambda t: t.masked_fill_(t > 0, 0.0),
    "index_fill_": lambda t: t.index_fill_(0, torch.tensor([0]), 0.0),
    "scatter_": lambda t: t.scatter_(0, torch.tensor([[0, 0]]), 5.0),
    "uniform_": lambda t: t.uniform_(),
    "normal_": lambda t: t.normal_(),
    "bernoulli_": lambda t: t.bernoulli_(0.5),
    "t_": lambda t: t.t_(),
    "unsqueeze_": lambda t: t.unsqueeze_(0),
    "squeeze_": lambda t: t.squeeze_(),
    "transpose_": lambda t: t.transpose_(0, 1),
    "setitem int": lambda t: set_item(t, 0, 1.0),
    "setitem slice": lambda t: set_item(t, slice(0, 1), 1.0),
    "setitem mask": lambda t: set_item(t, t > 0, 1.0),
    "setitem list": lambda t: set_item(t, [0, 1], 1.0),
    "out=": lambda t: torch.add(torch.ones(2, 2), 1, out=t),
    "augmented": lambda t: t.__iadd__(1),
    "function": lambda t: torch.sin_(t),
    "nn.functional": lambda t: torch.nn.functional.relu(t, inplace=True),
}

KEEPS = {
    "data.add_": lambda t: t.data.add_(1),
    "numpy": lambda t: t.numpy().fill(2.0),
    "data =": lambda t: setattr(t, "data", torch.zeros(2, 2)),
    "requires_grad_": lambda t: t.requires_grad_(),
    "detach": lambda t: t.detach(),
    "view": lambda t: t.view(4),
    "add": lambda t: t.add(1),
}


@pytest.mark.parametrize("name", BUMPS)
def test_M_01_in_place_calls_count_one_version(name):
    t = torch.ones(2, 2)
    assert t._version == 0
    BUMPS[name](t)
    assert t._version == 1
    with torch.no_grad():
        BUMPS[name](t)
    assert t._version == 2


@pytest.mark.parametrize("name", KEEPS)
def test_M_01_other_calls_count_none(name):
    t = torch.ones(2, 2)
    KEEPS[name](t)
    assert t._version == 0


def test_M_02_views_and_detach_share_the_counter():
    t = torch.ones(2, 3)
    view, detached, clone, data = t[0], t.detach(), t.clone(), t.data
    t.add_(1)
    assert [x._version for x in (view, detached, clone, data)] == [1, 1, 0, 0]
    view.add_(1)
    assert (t._version, detached._version) == (2, 2)
    detached.mul_(2)
    assert (t._version, view._version) == (3, 3)
    data.mul_(2)
    assert (t._version, data._version) == (3, 1)
    assert t.clone()._version == 0


def test_M_03_operands_without_gradient_are_protected_too():
    x, w = leaf(3), torch.ones(3)
    y = (x * w).sum()
    w += 1
    with raises(RuntimeError, MODIFIED, "is at version 1; expected version 0"):
        y.backward()
    assert x.grad is None


def test_M_03_a_write_before_the_call_is_no_write_after_it():
    x = leaf(3)
    y = x * 2
    y.add_(1)
    (y * y).sum().backward()
    assert x.grad.tolist() == [12.0, 12.0, 12.0]


def test_M_03_reading_a_stale_saved_value_refuses():
    x = leaf(3) * 1
    z = x * x
    x.add_(1)
    with raises(RuntimeError, MODIFIED):
        _ = z.grad_fn._saved_self


def test_M_03_through_every_alias():
    for write in (
        lambda t: t.view(3).add_(1),
        lambda t: t.detach().add_(1),
        lambda t: t[1:].zero_(),
        lambda t: set_item(t, 0, 5.0),
        lambda t: torch.mul(torch.ones(3), 2, out=t.detach()),
    ):
        x, w = leaf(3), torch.ones(3)
        y = (x * w).sum()
        write(w)
        with raises(RuntimeError, MODIFIED):
            y.backward()


def test_M_03_data_is_the_way_around_the_check():
    x, w = leaf(3), torch.ones(3)
    y = (x * w).sum()
    w.data.add_(1)
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("name", ["sigmoid", "exp", "tanh", "sqrt", "relu", "softmax"])
def test_M_04_results_that_are_saved_are_protected(name):
    x = torch.full((3,), 0.5, requires_grad=True)
    y = getattr(torch.nn.functional if name == "softmax" else torch, name)(
        x, **({"dim": 0} if name == "softmax" else {})
    )
    y.mul_(2)
    with raises(RuntimeError, MODIFIED):
        y.sum().backward()


def test_M_04_inputs_that_are_not_saved_may_change():
    x = leaf(3)
    y = x * 2
    z = y + 1
    y.add_(5)
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


IN_PLACE_GRADIENTS = {
    "pow_": (lambda y: y.pow_(3), 12.0),
    "sin_": (lambda y: y.sin_(), -0.4161468),
    "exp_": (lambda y: y.exp_(), 7.3890561),
    "sqrt_": (lambda y: y.sqrt_(), 0.35355339),
    "relu_": (lambda y: y.relu_(), 1.0),
    "tanh_": (lambda y: y.tanh_(), 0.07065082),
    "sigmoid_": (lambda y: y.sigmoid_(), 0.10499359),
    "log_": (lambda y: y.log_(), 0.5),
    "abs_": (lambda y: y.abs_(), 1.0),
    "neg_": (lambda y: y.neg_(), -1.0),
    "mul_ number": (lambda y: y.mul_(3), 3.0),
    "add_": (lambda y: y.add_(3), 1.0),
    "addcmul_": (lambda y: y.addcmul_(torch.ones(3), torch.ones(3)), 1.0),
    "clamp_": (lambda y: y.clamp_(0, 1), 0.0),
    "zero_": (lambda y: y.zero_(), 0.0),
    "fill_": (lambda y: y.fill_(7), 0.0),
}


@pytest.mark.parametrize("name", IN_PLACE_GRADIENTS)
def test_M_05_in_place_calls_differentiate(name):
    change, slope = IN_PLACE_GRADIENTS[name]
    x = torch.full((3,), 2.0, requires_grad=True)
    y = x * 1
    assert change(y) is y
    y.sum().backward()
    assert torch.allclose(x.grad, torch.full((3,), slope))


def test_M_05_division_by_its_own_sum():
    x = torch.tensor([1.0, 2.0, 5.0], requires_grad=True, dtype=torch.float64)
    y = x * 1
    y.div_(y.sum())
    y[0].backward()
    expected = torch.autograd.grad((x / x.sum())[0], x)[0]
    assert torch.allclose(x.grad, expected)


def test_M_05_times_itself_refuses():
    y = leaf(3) * 2
    y *= y
    with raises(RuntimeError, MODIFIED):
        y.sum().backward()
    y = leaf(3) * 2
    y.mul_(y.detach())
    with raises(RuntimeError, MODIFIED):
        y.sum().backward()


def test_M_06_in_place_keeps_the_object_and_replaces_its_history():
    x = leaf(3)
    y = x * 2
    before, first = id(y), y.grad_fn
    y.add_(1)
    assert id(y) == before
    assert y.grad_fn is not first
    assert chain(y.grad_fn) == "AddBackward0(MulBackward0)"
    y.mul_(4)
    assert chain(y.grad_fn) == "MulBackward0(AddBackward0(MulBackward0))"
    y.sum().backward()
    assert x.grad.tolist() == [8.0, 8.0, 8.0]


def test_M_06_a_constant_receives_history():
    x = leaf(3)
    y = torch.zeros(4)
    y[1] = x[0] * 5
    assert y.requires_grad
    assert not y.is_leaf
    assert type(y.grad_fn).__name__ == "CopySlices"
    (y * torch.arange(4.0)).sum().backward()
    assert x.grad.tolist() == [5.0, 0.0, 0.0]


def test_M_06_copy_into_a_constant():
    x = leaf(3)
    y = torch.zeros(3)
    y.copy_(x)
    assert type(y.grad_fn).__name__ == "CopyBackwards"
    (y * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]


def test_M_06_copy_broadcasts_and_casts():
    x = leaf(3, dtype=torch.float64)
    y = torch.zeros(2, 3)
    y.copy_(x)
    assert y.dtype is torch.float32
    y.sum().backward()
    assert x.grad.dtype is torch.float64
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_M_06_adding_a_recorded_tensor_to_a_constant():
    x = leaf(3)
    y = torch.zeros(3)
    y += x * 2
    y += x * 3
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0, 5.0]


def test_M_07_leaves_change_only_without_recording():
    x = leaf(3)
    with raises(RuntimeError, "a leaf Variable that requires grad"):
        x.mul_(2)
    assert x.tolist() == [1.0, 1.0, 1.0]
    with torch.no_grad():
        x.mul_(2)
        x[0] = 5.0
    assert x.tolist() == [5.0, 2.0, 2.0]
    assert x.is_leaf
    assert x.requires_grad
    assert x._version == 2


def test_M_07_a_step_between_forward_and_backward_is_found():
    x = leaf(3)
    y = (x * x).sum()
    with torch.no_grad():
        x.sub_(0.1)
    with raises(RuntimeError, MODIFIED, "is at version 1; expected version 0"):
        y.backward()


def test_M_08_refusals_change_nothing():
    for t, change in (
        (torch.ones(1).expand(3), lambda t: t.add_(1)),
        (torch.ones(3), lambda t: t.add_(torch.ones(2, 3))),
        (torch.ones(3, dtype=torch.int64), lambda t: t.mul_(1.5)),
        (torch.ones(3, dtype=torch.int64), lambda t: t.div_(2)),
        (torch.ones(3, dtype=torch.bool), lambda t: t.add_(1)),
        (torch.ones(3), lambda t: t.add_(1j)),
    ):
        values = t.tolist()
        with pytest.raises(RuntimeError):
            change(t)
        assert t.tolist() == values
        assert t._version == 0


def test_M_08_in_place_keeps_the_dtype():
    t = torch.ones(3)
    t.add_(torch.ones(3, dtype=torch.float64))
    assert t.dtype is torch.float32
    i = torch.ones(3, dtype=torch.int64)
    i.add_(2)
    assert i.dtype is torch.int64
    h = torch.ones(3, dtype=torch.float16)
    h.mul_(torch.full((3,), 3.0))
    assert h.dtype is torch.float16
    assert h.tolist() == [3.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("overwrite", "expected"),
    [
        pytest.param(lambda y: y.zero_(), [0.0, 0.0, 0.0], id="zero_"),
        pytest.param(lambda y: y.fill_(2.0), [0.0, 0.0, 0.0], id="fill_"),
        pytest.param(lambda y: y.copy_(torch.ones(3)), [0.0, 0.0, 0.0], id="copy_"),
        pytest.param(lambda y: set_item(y, 1, 0.0), [3.0, 0.0, 3.0], id="setitem"),
        pytest.param(
            lambda y: set_item(y, slice(1, None), torch.zeros(2)), [3.0, 0.0, 0.0], id="slice"
        ),
        pytest.param(lambda y: set_item(y, torch.tensor([0, 2]), 0.0), [0.0, 3.0, 0.0], id="index"),
        pytest.param(
            lambda y: set_item(y, torch.tensor([True, False, False]), 0.0),
            [0.0, 3.0, 3.0],
            id="mask",
        ),
        pytest.param(
            lambda y: y.masked_fill_(torch.tensor([True, False, False]), 0.0),
            [0.0, 3.0, 3.0],
            id="masked_fill_",
        ),
        pytest.param(lambda y: y[1:].zero_(), [3.0, 0.0, 0.0], id="view zero_"),
        pytest.param(
            lambda y: y.index_fill_(0, torch.tensor([2]), 1.0), [3.0, 3.0, 0.0], id="index_fill_"
        ),
    ],
)
def test_M_09_overwritten_elements_get_no_gradient(overwrite, expected):
    x = leaf(3)
    y = x * 3
    overwrite(y)
    y.sum().backward()
    assert x.grad.tolist() == expected


def test_M_09_the_new_value_gets_its_gradient():
    x, v = leaf(3), leaf(2)
    y = x * 1
    y[:2] = v * 4
    (y * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 3.0]
    assert v.grad.tolist() == [4.0, 8.0]


def test_M_09_index_assignment_of_recorded_values():
    x, v = leaf(4), leaf(2)
    y = x * 1
    y[torch.tensor([0, 3])] = v * 2
    assert type(y.grad_fn).__name__ == "IndexPutBackward0"
    (y * torch.arange(1.0, 5.0)).sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 3.0, 0.0]
    assert v.grad.tolist() == [2.0, 8.0]


def test_data_assignment_keeps_the_leaf():
    x = leaf(3)
    x.data = torch.full((3,), 4.0)
    assert x.is_leaf
    assert x.requires_grad
    (x * x).sum().backward()
    assert x.grad.tolist() == [8.0, 8.0, 8.0]


def test_a_training_step_by_hand():
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            (w * w).sum().backward()
            with torch.no_grad():
                w -= 0.25 * w.grad
                w.grad.zero_()
    assert w.tolist() == [0.125, -0.25]
    assert w.is_leaf
