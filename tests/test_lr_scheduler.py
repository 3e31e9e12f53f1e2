"""Schedules of the learning rate: recorded values, the oracle, state dicts, errors."""

from __future__ import annotations

import warnings

import pytest
from against import raises, torch

nn, optim = torch.nn, torch.optim
schedules = torch.optim.lr_scheduler

# settings: the rates of twelve epochs, recorded from PyTorch 2.13
RECORDED = {
    "StepLR(o, 3, gamma=0.5)": [
        0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125, 0.0125, 0.0125,
        0.00625],
    "MultiStepLR(o, [2, 5, 5, 9])": [
        0.1, 0.1, 0.01, 0.01, 0.01, 0.0001, 0.0001, 0.0001, 0.0001, 1e-05, 1e-05, 1e-05,
        1e-05],
    "ExponentialLR(o, 0.9)": [
        0.1, 0.09, 0.081, 0.0729, 0.06561, 0.059049, 0.0531441, 0.0478297, 0.0430467,
        0.038742, 0.0348678, 0.0313811, 0.028243],
    "CosineAnnealingLR(o, 5, eta_min=0.01)": [
        0.1, 0.0914058, 0.0689058, 0.0410942, 0.0185942, 0.01, 0.0185942, 0.0410942,
        0.0689058, 0.0914058, 0.1, 0.0914058, 0.0689058],
    "LambdaLR(o, lambda e: 0.9 ** e)": [
        0.1, 0.09, 0.081, 0.0729, 0.06561, 0.059049, 0.0531441, 0.0478297, 0.0430467,
        0.038742, 0.0348678, 0.0313811, 0.028243],
    "MultiplicativeLR(o, lambda e: 0.95)": [
        0.1, 0.095, 0.09025, 0.0857375, 0.0814506, 0.0773781, 0.0735092, 0.0698337,
        0.066342, 0.0630249, 0.0598737, 0.05688, 0.054036],
    "LinearLR(o, total_iters=7)": [
        0.0333333, 0.0428571, 0.052381, 0.0619048, 0.0714286, 0.0809524, 0.0904762, 0.1,
        0.1, 0.1, 0.1, 0.1, 0.1],
    "ConstantLR(o)": [
        0.0333333, 0.0333333, 0.0333333, 0.0333333, 0.0333333, 0.1, 0.1, 0.1, 0.1, 0.1,
        0.1, 0.1, 0.1],
    "PolynomialLR(o, 9, power=2.0)": [
        0.1, 0.0790123, 0.0604938, 0.0444444, 0.0308642, 0.0197531, 0.0111111,
        0.00493827, 0.00123457, 0, 0, 0, 0],
    "OneCycleLR(o, 0.1, total_steps=13)": [
        0.004, 0.0295164, 0.078937, 0.0999702, 0.0964378, 0.0874256, 0.073997,
        0.0577366, 0.0405634, 0.0245037, 0.0114527, 0.00295051, 4e-07],
    "OneCycleLR(o, 0.1, epochs=4, steps_per_epoch=4, three_phase=True, anneal_strategy='linear')": [
        0.004, 0.0292632, 0.0545263, 0.0797895, 0.0949474, 0.0696842, 0.0444211,
        0.0191579, 0.00378381, 0.00324332, 0.00270283, 0.00216235, 0.00162186],
    "CosineAnnealingWarmRestarts(o, 3)": [
        0.1, 0.075, 0.025, 0.1, 0.075, 0.025, 0.1, 0.075, 0.025, 0.1, 0.075, 0.025, 0.1],
    "CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.001)": [
        0.1, 0.07525, 0.02575, 0.1, 0.0933683, 0.07525, 0.0505, 0.02575, 0.00763174,
        0.1, 0.0983133, 0.0933683, 0.0855018],
    "SequentialLR(o, [ConstantLR(o, 0.1, 3), ExponentialLR(o, 0.9)], [3])": [
        0.01, 0.01, 0.01, 0.1, 0.09, 0.081, 0.0729, 0.06561, 0.059049, 0.0531441,
        0.0478297, 0.0430467, 0.038742],
}  # fmt: skip


def rates(lib, text, epochs=12, start=0.1):
    """The rates that a schedule sets, the first one included."""
    p = lib.nn.Parameter(lib.zeros(1))
    optimizer = lib.optim.SGD([p], lr=start, momentum=0.9)
    names = {**vars(lib.optim.lr_scheduler), "o": optimizer}
    schedule = eval(text, names)
    found = [schedule.get_last_lr()[0]]
    for _ in range(epochs):
        optimizer.step()
        schedule.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found, schedule, optimizer


@pytest.mark.parametrize("text", RECORDED)
def test_recorded_rates(text):
    assert rates(torch, text)[0] == pytest.approx(RECORDED[text], rel=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("text", RECORDED)
def test_rates_against_the_oracle(text):
    oracle = pytest.importorskip("torch")
    ours, schedule, optimizer = rates(torch, text)
    theirs, their_schedule, their_optimizer = rates(oracle, text)
    assert ours == theirs  # bit for bit
    assert repr(optimizer) == repr(their_optimizer)
    assert set(schedule.state_dict()) <= set(their_schedule.state_dict())


@pytest.mark.parametrize("text", ["StepLR(o, 3)", "CosineAnnealingLR(o, 5)", "LinearLR(o)"])
def test_state_dict_continues(text):
    whole, _, _ = rates(torch, text, 8)
    _, first, optimizer = rates(torch, text, 4)
    names = {**vars(schedules), "o": optimizer}
    second = eval(text, names)
    second.load_state_dict(first.state_dict())
    optimizer.param_groups[0]["lr"] = first.get_last_lr()[0]
    found = []
    for _ in range(4):
        optimizer.step()
        second.step()
        found.append(second.get_last_lr()[0])
    assert found == whole[5:]


def test_reduce_on_plateau():
    p = nn.Parameter(torch.zeros(1))
    optimizer = optim.SGD([p], lr=1.0)
    schedule = schedules.ReduceLROnPlateau(optimizer, patience=1, cooldown=1, min_lr=0.05)
    found = []
    for loss in (1.0, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.4, torch.tensor(0.4), 0.4, 0.4, 0.4):
        schedule.step(loss)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05]
    assert schedule.best == pytest.approx(0.4)
    for bad in ({"factor": 1.0}, {"mode": "best"}, {"threshold_mode": "far"}):
        with pytest.raises(ValueError):
            schedules.ReduceLROnPlateau(optimizer, **bad)


def test_learning_rate_tensors_are_written_in_place():
    lr = torch.tensor(1.0)
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    schedule = schedules.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"].item() == 0.5


def test_errors():
    p = nn.Parameter(torch.zeros(1))
    with raises(TypeError, "int is not an Optimizer"):
        schedules.StepLR(3, 3)
    with raises(KeyError, "param 'initial_lr' is not specified in param_groups[0] when resuming"):
        schedules.StepLR(optim.SGD([p]), 3, last_epoch=5)
    schedule = schedules.StepLR(optim.SGD([p]), 3)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()
    with raises(ValueError, "You must define either total_steps OR"):
        schedules.OneCycleLR(optim.SGD([p], momentum=0.9), 0.1)
    optimizer = optim.SGD([p], momentum=0.9)
    schedule = schedules.OneCycleLR(optimizer, 0.1, total_steps=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule.step()
        schedule.step()
    with raises(ValueError, "Tried to step 3 times. The specified number of total steps is 2"):
        schedule.step()
    with raises(ValueError, "Expected positive integer T_0, but got 0"):
        schedules.CosineAnnealingWarmRestarts(optimizer, 0)
    with raises(ValueError, "Sequential Schedulers expects number of schedulers"):
        schedules.SequentialLR(optimizer, [schedules.StepLR(optimizer, 3)], [3])


# ------------------------------------------------------------------ composed schedules and warnings

COMPOSED = {  # the rates of ten epochs, recorded from PyTorch 2.13
    "SequentialLR(o, [LinearLR(o, 0.1, 1.0, 3), CosineAnnealingWarmRestarts(o, 3)], [3])": [
        0.01, 0.04, 0.07, 0.1, 0.075, 0.025, 0.1, 0.075, 0.025, 0.1, 0.075],
    "SequentialLR(o, [ExponentialLR(o, 0.9), MultiplicativeLR(o, lambda e: 0.8)], [3])": [
        0.1, 0.09, 0.081, 0.0648, 0.05184, 0.041472, 0.0331776, 0.02654208, 0.021233664,
        0.0169869312, 0.013589545],
    "SequentialLR(o, [ChainedScheduler([LinearLR(o, 0.1, 1.0, 3), StepLR(o, 4)]), CosineAnnealingLR(o, 5)], [5])": [
        0.01, 0.04, 0.07, 0.1, 0.01, 0.1, 0.09045085, 0.06545085, 0.03454915, 0.00954915, 0.0],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Detected call of")  # inner schedules are made, then undone
@pytest.mark.parametrize("text", COMPOSED)
def test_composed_schedules(text):
    assert rates(torch, text, 10)[0] == pytest.approx(COMPOSED[text], rel=1e-5, abs=1e-8)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.parametrize("text", COMPOSED)
def test_composed_schedules_against_the_oracle(text):
    oracle = pytest.importorskip("torch")
    assert rates(torch, text, 20)[0] == pytest.approx(
        rates(oracle, text, 20)[0], rel=1e-9, abs=1e-12
    )


def test_warnings():
    p = torch.nn.Parameter(torch.zeros(1))
    optimizer = optim.SGD([p], lr=0.1)
    optimizer.step()
    schedule = schedules.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        schedule.step()  # the step before the schedule was made does not count
    with pytest.warns(UserWarning, match="The epoch parameter in `scheduler.step"):
        schedule.step(3)
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        schedule.get_lr()
    plateau = schedules.ReduceLROnPlateau(optimizer)
    with pytest.warns(UserWarning, match="The epoch parameter in `scheduler.step"):
        plateau.step(1.0, epoch=2)
    other = schedules.StepLR(optim.SGD([p], lr=0.1), 2)
    other.optimizer.step = lambda: None
    with pytest.warns(UserWarning, match=r"`optimizer.step\(\)` has been overridden"):
        other.step()


def test_state_of_plateau_has_pytorchs_names():
    plateau = schedules.ReduceLROnPlateau(optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1))
    assert {"mode_worse", "default_min_lr", "best", "min_lrs"} <= set(plateau.state_dict())
    with raises(ValueError, "expected 1 min_lrs, got 2"):
        schedules.ReduceLROnPlateau(plateau.optimizer, min_lr=[1, 2])


def test_rates_that_are_tensors():
    for lr in (torch.tensor(0.4), torch.tensor([0.4])):
        optimizer = optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
        schedule = schedules.ExponentialLR(optimizer, 0.5)
        optimizer.step()
        schedule.step()
        assert optimizer.param_groups[0]["lr"] is lr
        assert lr.item() == pytest.approx(0.2)
        assert schedule.get_last_lr() == pytest.approx([0.2])
