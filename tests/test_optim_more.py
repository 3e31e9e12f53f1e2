"""The other optimizers: against the oracle, state across libraries, line searches, errors.

The recorded trajectories of all of them are in recorded_cases.py.
"""

from __future__ import annotations

import copy
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from against import REAL, raises, torch
from recorded_cases import LBFGS, OPTIMIZERS, draw, rosenbrock, trajectory

nn, optim = torch.nn, torch.optim
ALL = {text.split()[0]: text for text in reversed(OPTIMIZERS)}


def same_state(ours, theirs, tolerance):
    assert ours["param_groups"] == theirs["param_groups"]
    for k, values in theirs["state"].items():
        assert list(ours["state"][k]) == list(values)
        for name, value in values.items():
            mine = ours["state"][k][name]
            assert str(mine.dtype) == str(value.dtype)
            assert tuple(mine.shape) == tuple(value.shape)
            np.testing.assert_allclose(
                mine.numpy(), value.numpy(), rtol=tolerance, atol=tolerance, err_msg=name
            )


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("text", OPTIMIZERS)
def test_trajectories_against_the_oracle(text, dtype):
    oracle = pytest.importorskip("torch")
    if text.startswith("Adafactor") and dtype == "complex64":
        return
    shapes = [(3, 4), (5,), (), (2, 3, 4), (0,)][: 4 if text.startswith("Adafactor") else 5]
    ours, a = trajectory(torch, text, shapes, 100, dtype)
    theirs, b = trajectory(oracle, text, shapes, 100, dtype)
    if dtype == "float32":  # large enough to be cut into blocks
        ours += trajectory(torch, text, ((700, 200),), 4)[0]
        theirs += trajectory(oracle, text, ((700, 200),), 4)[0]
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance
        )
    assert repr(a) == repr(b)
    same_state(a.state_dict(), b.state_dict(), 10 * tolerance)


@pytest.mark.torch
@pytest.mark.parametrize("settings", ["", "adjust_lr_fn='match_rms_adamw', nesterov=False"])
def test_muon_against_the_oracle(settings):
    oracle = pytest.importorskip("torch")
    text = f"Muon lr=0.01, {settings}"
    ours, a = trajectory(torch, text, ((3, 4), (8, 5), (2, 2), (40, 16)), 50)
    theirs, b = trajectory(oracle, text, ((3, 4), (8, 5), (2, 2), (40, 16)), 50)
    for p, q in zip(ours, theirs, strict=True):  # a rounding to bfloat16 may go the other way
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), atol=1e-3)
    assert repr(a) == repr(b)
    same_state(a.state_dict(), b.state_dict(), 1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LBFGS)
def test_lbfgs_against_the_oracle(name, dtype):
    oracle = pytest.importorskip("torch")
    ours, losses, state = rosenbrock(torch, dtype, 2, **LBFGS[name])
    theirs, their_losses, their_state = rosenbrock(oracle, dtype, 2, **LBFGS[name])
    tolerance = 1e-9 if dtype == "float64" else 1e-3
    assert losses == pytest.approx(their_losses, rel=tolerance)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tolerance)
    assert list(state) == list(their_state)
    for key in ("func_evals", "n_iter"):
        assert state[key] == their_state[key]
    assert [str(getattr(t, "dtype", t)) for t in state["old_dirs"]] == [
        str(getattr(t, "dtype", t)) for t in their_state["old_dirs"]
    ]


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="needs both libraries")
@pytest.mark.parametrize("name", [*ALL, "Muon", "LBFGS"])
def test_state_goes_to_the_oracle_and_back(name, tmp_path):
    """Save here, load there, step there, save there, load here: one trajectory."""
    oracle = pytest.importorskip("torch")
    file = tmp_path / "state.pt"

    def make(lib, start):
        p = lib.nn.Parameter(lib.tensor(np.asarray(start)))
        extra = {"max_iter": 2, "lr": 0.1} if name == "LBFGS" else {}
        return p, getattr(lib.optim, name)([p], **extra)

    def step(lib, p, optimizer, k):
        def closure():
            p.grad = lib.tensor(draw(k, 3, 4)) + p.detach()
            return (p * p).sum().detach()

        closure()
        optimizer.step(closure)

    p, straight = make(torch, draw(0, 3, 4))
    for k in range(6):
        step(torch, p, straight, k)
    at = draw(0, 3, 4)
    for turn, lib in enumerate((torch, oracle, torch)):
        q, optimizer = make(lib, at)
        if turn:
            optimizer.load_state_dict(lib.load(file))
        for k in (2 * turn, 2 * turn + 1):
            step(lib, q, optimizer, k)
        lib.save(optimizer.state_dict(), file)
        at = q.detach().numpy().copy()
    tolerance = {"LBFGS": 1e-4, "Muon": 1e-3}.get(name, 1e-5)
    np.testing.assert_allclose(at, p.detach().numpy(), rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------ what they do, in plain numbers


def test_rprop_by_hand():
    p = nn.Parameter(torch.tensor([0.0]))
    optimizer = optim.Rprop([p], lr=1.0, etas=(0.5, 2.0), step_sizes=(0.1, 3.0))
    seen = []
    for g in (1.0, 1.0, 1.0, -1.0, -1.0):  # step 1, 2, 3 (the most), rest at 1.5, back by 1.5
        p.grad = torch.tensor([g])
        optimizer.step()
        seen.append(p.item())
    assert seen == [-1.0, -3.0, -6.0, -6.0, -4.5]


def test_asgd_averages_from_t0_on():
    p = nn.Parameter(torch.tensor([0.0], dtype=torch.float64))
    optimizer = optim.ASGD([p], lr=1.0, lambd=0.0, t0=1)
    seen = []
    for _ in range(4):
        p.grad = torch.tensor([-1.0], dtype=torch.float64)
        optimizer.step()
        seen.append(optimizer.state[p]["ax"].item())
    assert p.item() == 4
    # mu is what the step before left: 1, 1, then 1/2 ... as t - t0 grows
    assert seen == pytest.approx([1.0, 2.0, 3.0, 3.5])


def test_adafactor_keeps_rows_and_columns_only():
    w, b = nn.Parameter(torch.ones(2, 3, 4)), nn.Parameter(torch.ones(5))
    optimizer = optim.Adafactor([w, b], lr=0.01)
    w.grad, b.grad = torch.full((2, 3, 4), 2.0), torch.full((5,), 3.0)
    optimizer.step()
    assert {k: tuple(v.shape) for k, v in optimizer.state[w].items()} == {
        "step": (), "row_var": (2, 3, 1), "col_var": (2, 1, 4)
    }  # fmt: skip
    assert optimizer.state[w]["row_var"].reshape(-1).tolist() == [4.0] * 6
    assert optimizer.state[b]["variance"].tolist() == [9.0] * 5
    # constant gradients are scaled to 1, times lr times the size of the parameter
    assert w.reshape(-1)[0].item() == pytest.approx(0.99, abs=1e-5)


def test_muon_takes_orthogonal_steps():
    u, _, vt = np.linalg.svd(draw(1, 6, 4), full_matrices=False)
    p = nn.Parameter(torch.zeros(6, 4))
    p.grad = torch.tensor((u * np.float32([8, 4, 2, 1])) @ vt)
    optim.Muon([p], lr=1.0, weight_decay=0.0).step()
    step = -p.detach().numpy() / np.sqrt(6 / 4)
    # all singular values are brought near one: the polynomial does so to about a quarter
    assert np.abs(np.linalg.svd(step)[1] - 1).max() < 0.35
    assert np.abs(u.T @ step @ vt.T - np.diag(np.diag(u.T @ step @ vt.T))).max() < 0.02


def test_lbfgs_solves_a_quadratic():
    start = np.array([4.0, -3.0, 2.0, 1.0])
    a = torch.tensor(np.diag([1.0, 5.0, 20.0, 100.0]) + 0.1)
    x = nn.Parameter(torch.tensor(start))
    optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe", max_iter=30)
    calls = []

    def closure():
        calls.append(1)
        optimizer.zero_grad()
        loss = x @ a @ x / 2
        loss.backward()
        return loss

    with torch.no_grad():
        first = optimizer.step(closure)
    assert first.item() == pytest.approx(start @ a.numpy() @ start / 2)
    assert np.abs(x.detach().numpy()).max() < 1e-4
    state = optimizer.state[x]
    assert state["func_evals"] == len(calls) < 30
    assert optimizer.step(closure).item() < 1e-8


def test_lbfgs_with_complex_parameters():
    goal = torch.tensor([1 + 2j, -3j])
    p = nn.Parameter(torch.zeros(2, dtype=torch.complex64))
    optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = ((p - goal).abs() ** 2 * torch.tensor([1.0, 4.0])).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(p.detach().numpy(), goal.numpy(), atol=1e-3)


def test_lbfgs_errors():
    p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    with raises(ValueError, "LBFGS doesn't support per-parameter options (parameter groups)"):
        optim.LBFGS([{"params": [p]}, {"params": [q]}])
    with raises(TypeError, "missing 1 required positional argument: 'closure'"):
        optim.LBFGS([p]).step()
    p.grad = torch.ones(2)
    with raises(RuntimeError, "only 'strong_wolfe' is supported"):
        optim.LBFGS([p], line_search_fn="armijo").step(lambda: torch.tensor(1.0))
    assert optim.LBFGS([p], max_iter=8).param_groups[0]["max_eval"] == 10


def test_groups_have_their_own_settings():
    a, b, c = (nn.Parameter(torch.ones(1)) for _ in range(3))
    optimizer = optim.Adamax([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": c, "lr": 0.2, "maximize": True})
    for p in (a, b, c):
        p.grad = torch.ones(1)
    optimizer.step()
    assert [round(p.item(), 5) for p in (a, b, c)] == [0.9, 0.5, 1.2]


@pytest.mark.parametrize("name", ALL)
def test_a_parameter_without_gradient_rests(name):
    p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = getattr(optim, name)([p, q])
    p.grad = torch.ones(2)
    optimizer.step()
    assert q.tolist() == [1.0, 1.0]
    assert not optimizer.state[q]
    assert p.tolist() != [1.0, 1.0]


@pytest.mark.parametrize("name", [*ALL, "SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
def test_states_of_old_versions(name):
    """They count in Python numbers and lack the settings that came later."""
    later = {"foreach"}
    if name != "Adafactor":
        later |= {"maximize", "differentiable", "capturable", "fused"}
    p, q = (nn.Parameter(torch.ones(2)) for _ in range(2))
    ours, theirs = (getattr(optim, name)([w]) for w in (p, q))
    p.grad = q.grad = torch.tensor([1.0, -2.0])
    ours.step(), theirs.step()
    saved = ours.state_dict()
    state = {
        name: value.item() if isinstance(value, torch.Tensor) and value.ndim == 0 else value
        for name, value in saved["state"].get(0, {}).items()
    }
    group = {k: v for k, v in saved["param_groups"][0].items() if k not in later}
    ours = getattr(optim, name)([p])
    ours.load_state_dict({"state": {0: state} if state else {}, "param_groups": [group]})
    ours.step(), theirs.step()
    assert p.tolist() == q.tolist()
    assert ours.param_groups[0].keys() == theirs.param_groups[0].keys()


@pytest.mark.parametrize("name", [*ALL, "Muon"])
def test_closures_copies_and_memory(name):
    p = nn.Parameter(torch.ones(2, 2))
    optimizer = getattr(optim, name)([p])
    memory, version = p.data_ptr(), p._version

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4
    assert p.data_ptr() == memory
    assert p._version > version
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    twin = copy.deepcopy(optimizer)
    q = twin.param_groups[0]["params"][0]
    q.grad = p.grad = torch.ones(2, 2)
    twin.step()
    optimizer.step()
    assert torch.equal(p, q)
    assert q is not p


@pytest.mark.parametrize("name", ALL)
def test_half_precision(name):
    p = nn.Parameter(torch.ones(3, dtype=torch.float16))
    p.grad = torch.full((3,), 0.5, dtype=torch.float16)
    optimizer = (
        getattr(optim, name)([p], eps=1e-3) if name == "RAdam" else getattr(optim, name)([p])
    )
    optimizer.step()
    assert p.dtype is torch.float16
    assert all(np.isfinite(p.detach().numpy()))
    assert {
        v.dtype
        for k, v in optimizer.state[p].items()
        if k not in ("step", "eta", "mu", "mu_product")
    } == {torch.float16}


def test_counts_follow_the_default_dtype():
    p = nn.Parameter(torch.ones(2))
    torch.set_default_dtype(torch.float64)
    try:
        optimizer = optim.Adam([p])
        p.grad = torch.ones(2, dtype=torch.float32)
        optimizer.step()
        assert optimizer.state[p]["step"].dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_swapped_parameters_and_state():
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.zeros(2))
    optimizer = optim.Adam([a], lr=0.1)
    a.grad = torch.ones(2)
    optimizer.step()
    a_then, other = a.detach().clone(), copy.deepcopy(optimizer.state_dict())
    other["param_groups"][0]["lr"] = 10.0
    b.grad = torch.ones(2)
    with optim.swap_in_optimizer_params_and_state(optimizer, {"b": b}, other):
        assert optimizer.param_groups[0]["params"][0] is b
        optimizer.step()
    assert torch.equal(a, a_then)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0]["params"][0] is a
    assert optimizer.state[a]["step"].item() == 1
    assert other["state"][0]["step"].item() == 2
    assert b.tolist() == pytest.approx([-10.0, -10.0], rel=1e-5)


# ------------------------------------------------------------------ errors


def parameter(*shape):
    return nn.Parameter(torch.ones(*shape or (2,)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Adadelta lr=-1", "Invalid learning rate: -1"),
        ("Adadelta rho=2", "Invalid rho value: 2"),
        ("Adadelta eps=-1", "Invalid epsilon value: -1"),
        ("Adadelta weight_decay=-1", "Invalid weight_decay value: -1"),
        ("Adadelta lr=torch.ones(2)", "Tensor lr must be 1-element"),
        ("Adamax betas=(1, 2)", "Invalid beta parameter at index 0: 1"),
        ("Adamax betas=(0.1, 2)", "Invalid beta parameter at index 1: 2"),
        ("Adamax lr=torch.ones(2)", "Tensor lr must be 1-element"),
        ("NAdam momentum_decay=-1", "Invalid momentum_decay value: -1"),
        ("NAdam eps=-1", "Invalid epsilon value: -1"),
        ("RAdam weight_decay=-1", "Invalid weight_decay value: -1"),
        ("Rprop etas=(2, 3)", "Invalid eta values: 2, 3"),
        ("Rprop etas=(0.5, 0.6)", "Invalid eta values: 0.5, 0.6"),
        ("ASGD weight_decay=-1", "Invalid weight_decay value: -1"),
        ("LBFGS lr=-1", "Invalid learning rate: -1"),
        ("Adafactor lr=-1", "Learning rate should be >= 0 but is: -1"),
        ("Adafactor beta2_decay=0.1", "beta2_decay should be <= 0 but is: 0.1"),
        ("Adafactor eps=(-1, 0)", "epsilon1 should be >= 0 but is: -1"),
        ("Adafactor eps=(1, -1)", "epsilon2 should be >= 0 but is: -1"),
        ("Adafactor d=0.5", "Clipping threshold d should be >= 1 but is: 0.5"),
        ("Adafactor weight_decay=-1", "weight_decay should be >= 0 but is: -1"),
        ("Muon lr=-1", "Learning rate should be >= 0 but is: -1"),
        ("Muon weight_decay=-1", "weight decay should be >= 0 but is: -1"),
        ("Muon momentum=-1", "momentum should be >= 0 but is: -1"),
        ("Muon adjust_lr_fn='x'", "Adjust learning rate function x is not supported"),
        ("Muon", "Muon only supports 2D parameters whereas we found a parameter with size: torch.Size([2])"),
        ("Adam lr=torch.ones(1), foreach=True", "lr as a Tensor is not supported for capturable=False and foreach=True"),
        ("Adam betas=(torch.tensor(0.1), 0.2)", "betas must be either both floats or both Tensors"),
    ],
)  # fmt: skip
def test_setting_errors(text, message):
    name, _, settings = text.partition(" ")
    with raises(ValueError, message):
        getattr(optim, name)([parameter()], **eval(f"dict({settings})"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ns_steps": 200}, "Number of steps must be less than 100 for computational efficiency"),
        ({"ns_coefficients": (1, 2)}, "Coefficients must be a tuple of exactly 3 values"),
    ],
)
def test_muon_errors_of_the_step(settings, message):
    p = parameter(2, 3)
    p.grad = torch.ones(2, 3)
    with raises(ValueError, message):
        optim.Muon([p], **settings).step()


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_complex_parameters_are_refused(name):
    p = nn.Parameter(torch.ones(2, 2, dtype=torch.complex64))
    p.grad = torch.ones(2, 2, dtype=torch.complex64)
    with raises(RuntimeError, f"{name} does not support complex parameters"):
        getattr(optim, name)([p]).step()


@pytest.mark.wengert_only
def test_sparse_adam_is_refused():
    with raises(RuntimeError, "SparseAdam does not support dense gradients", "Adam instead"):
        optim.SparseAdam([parameter()])


@pytest.mark.wengert_only
def test_swapping_in_the_wrong_number():
    optimizer = optim.SGD([parameter()])
    with (
        raises(ValueError, "groups of [1] parameters", "2 parameters are given"),
        (
            optim.swap_in_optimizer_params_and_state(
                optimizer, {"a": parameter(), "b": parameter()}, optimizer.state_dict()
            )
        ),
    ):
        pass


def test_import_is_cheap():
    """No SciPy or other heavy module comes with the optimizers."""
    name = torch.__name__
    code = f"import {name}.optim, sys; print('scipy' in sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=True,
    )
    assert REAL or out.stdout.strip() == "False"
