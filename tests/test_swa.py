"""Averaged models, their batch statistics and schedule; cyclic and chained schedules.

Recorded numbers are in recorded_cases.py.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
from against import raises, torch
from recorded_cases import AVERAGES, SCHEDULES, averaged, schedule

nn, optim = torch.nn, torch.optim
swa, schedules = optim.swa_utils, optim.lr_scheduler


def sgd(lr=0.1, **settings):
    return optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9, **settings)


@pytest.mark.torch
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("text", SCHEDULES)
def test_schedules_against_the_oracle(text, optimizer):
    oracle = pytest.importorskip("torch")
    rates, momenta, ours = schedule(torch, text, optimizer, 30)
    their_rates, their_momenta, theirs = schedule(oracle, text, optimizer, 30)
    assert rates == pytest.approx(their_rates, rel=1e-12)
    assert momenta == pytest.approx(their_momenta, rel=1e-12)
    extra = {"_get_lr_called_within_step"}
    assert set(ours.state_dict()) - extra == set(theirs.state_dict()) - extra


@pytest.mark.parametrize("text", SCHEDULES)
def test_schedules_continue_from_their_state(text):
    rates = schedule(torch, text, steps=9)[0]
    _, _, half = schedule(torch, text, steps=4)
    other = schedule(torch, text, steps=0)[2]
    other.load_state_dict(copy.deepcopy(half.state_dict()))
    other.optimizer.load_state_dict(half.optimizer.state_dict())
    seen = []
    for _ in range(5):
        other.optimizer.step()
        other.step()
        seen.append(other.get_last_lr()[0])
    assert seen == pytest.approx(rates[5:])


@pytest.mark.torch
@pytest.mark.parametrize("name", AVERAGES)
def test_averages_against_the_oracle(name):
    oracle = pytest.importorskip("torch")
    ours, theirs = (averaged(lib, AVERAGES[name])[1].state_dict() for lib in (torch, oracle))
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert str(ours[key].dtype) == str(value.dtype)
        np.testing.assert_allclose(ours[key].numpy(), value.numpy(), rtol=2e-6, atol=2e-6)


def test_moving_average_by_hand():
    model = nn.Linear(1, 1, bias=False)
    average = swa.AveragedModel(model, multi_avg_fn=swa.get_ema_multi_avg_fn(0.75))
    expected = None
    for value in (4.0, 8.0, 0.0):
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        expected = value if expected is None else 0.75 * expected + 0.25 * value
        assert average.module.weight.item() == pytest.approx(expected)
    assert average.n_averaged.item() == 3
    assert average(torch.ones(1)).item() == pytest.approx(expected)
    assert average.module.weight.requires_grad


def test_an_average_of_ones_own():
    model = nn.Linear(1, 1, bias=False)
    average = swa.AveragedModel(model, avg_fn=lambda a, p, n: torch.maximum(a, p))
    for value in (1.0, 3.0, 2.0):
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
    assert average.module.weight.item() == 3
    assert model.weight.item() == 2


def test_buffers_are_copied_unless_averaged():
    for use_buffers, expected in ((False, 3.0), (True, 2.0)):
        model = nn.BatchNorm1d(1)
        average = swa.AveragedModel(model, use_buffers=use_buffers)
        for value in (1.0, 3.0):
            model.running_mean.fill_(value)
            average.update_parameters(model)
        assert average.module.running_mean.item() == expected


def test_state_of_an_averaged_model():
    model = nn.Linear(2, 1)
    average = swa.AveragedModel(model)
    average.update_parameters(model)
    assert list(average.state_dict()) == ["n_averaged", "module.weight", "module.bias"]
    other = swa.AveragedModel(nn.Linear(2, 1))
    other.load_state_dict(average.state_dict())
    assert other.n_averaged.item() == 1
    assert torch.equal(other.module.weight, model.weight)
    assert repr(average) == (
        "AveragedModel(\n  (module): Linear(in_features=2, out_features=1, bias=True)\n)"
    )


def test_update_bn_is_the_mean_over_the_batches():
    model = nn.Sequential(nn.BatchNorm1d(1, momentum=0.3), nn.Identity())
    model.eval()
    batches = [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [9.0]])]
    swa.update_bn(batches, model)
    assert model[0].running_mean.item() == pytest.approx((2 + 7) / 2)
    assert model[0].running_var.item() == pytest.approx((2 + 8) / 2)
    assert model[0].momentum == 0.3
    assert not model.training
    assert model[0].num_batches_tracked.item() == 2
    swa.update_bn([("never", "seen")], nn.Linear(1, 1))


def test_errors():
    model, o = nn.Linear(1, 1), sgd()
    other = sgd()
    for make, error, text in [
        (lambda: swa.get_ema_avg_fn(1.1), ValueError, "Invalid decay value 1.1 provided. Please provide a value in [0,1] range."),
        (lambda: swa.get_ema_multi_avg_fn(-0.1), ValueError, "Invalid decay value -0.1 provided."),
        (lambda: swa.AveragedModel(model, avg_fn=max, multi_avg_fn=max), AssertionError, "Only one of avg_fn and multi_avg_fn should be provided"),
        (lambda: swa.SWALR(o, 0.1, anneal_strategy="x"), ValueError, "anneal_strategy must be one of 'cos' or 'linear', instead got x"),
        (lambda: swa.SWALR(o, 0.1, anneal_epochs=-1), ValueError, "anneal_epochs must be equal or greater than 0, got -1"),
        (lambda: swa.SWALR(o, [0.1, 0.2]), ValueError, "swa_lr must have the same length as optimizer.param_groups. swa_lr has 2 values, param_groups has 1."),
        (lambda: schedules.CyclicLR(3, 0.1, 0.2), TypeError, "int is not an Optimizer"),
        (lambda: schedules.CyclicLR(o, 0.1, 0.2, mode="x"), ValueError, "mode is invalid and scale_fn is None"),
        (lambda: schedules.CyclicLR(o, [0.1, 0.1], 0.2), ValueError, "base_lr must have the same length"),
        (lambda: schedules.CyclicLR(optim.Adagrad([nn.Parameter(torch.zeros(1))]), 0.1, 0.2), ValueError, "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"),
        (lambda: schedules.ChainedScheduler([]), ValueError, "ChainedScheduler expects at least one scheduler to be chained, but got no scheduler."),
        (lambda: schedules.ChainedScheduler([schedules.ReduceLROnPlateau(o)]), ValueError, "ChainedScheduler does not support `ReduceLROnPlateau` scheduler"),
        (lambda: schedules.ChainedScheduler([schedules.StepLR(o, 2), schedules.StepLR(other, 2)]), ValueError, ("same optimizer, but got scheduler StepLR at index 1 has SGD", "which is different from SGD.")),
        (lambda: schedules.SequentialLR(o, [], []), ValueError, "SequentialLR expects at least one scheduler, but got no scheduler."),
        (lambda: schedules.SequentialLR(o, [3], []), TypeError, "SequentialLR at index 0 should have `optimizer` as its attribute."),
        (lambda: schedules.SequentialLR(o, [schedules.StepLR(o, 2)], [2]), ValueError, "but got number of schedulers 1 and the number of milestones to be equal to 1"),
    ]:  # fmt: skip
        with raises(error, *([text] if isinstance(text, str) else text)):
            make()
