"""Optimizers: trajectories (recorded and against the oracle), groups, state dicts, hooks, errors."""

from __future__ import annotations

import copy
import gc
import importlib
import io

import numpy as np
import pytest
from against import NAME, REAL, raises, torch

nn, optim = torch.nn, torch.optim

# (class, settings): the parameters after 100 steps of `trajectory`, recorded from PyTorch 2.13
RECORDED = {
    ("SGD", "lr=0.05"): [1.796593, 0.57086, 1.453907, 0.271212, 1.128632],
    ("SGD", "lr=0.05, momentum=0.9"): [7.882062, -3.553828, 4.311226, -5.368638, 0.613727],
    ("SGD", "lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01"): [6.248183, -2.991562, 3.711403, -4.676991, 1.308432],
    ("SGD", "lr=0.05, momentum=0.5, dampening=0.3, maximize=True"): [-0.029768, 1.642711, 0.454778, 1.991312, 0.830778],
    ("SGD", "lr=0.05, weight_decay=0.1, maximize=True"): [-0.016444, 0.91651, 0.205585, 1.182217, 0.388709],
    ("Adam", "lr=0.01"): [1.121222, 0.843399, 1.043168, 0.908124, 0.949592],
    ("Adam", "lr=0.01, weight_decay=0.1"): [1.024511, 0.753549, 0.94944, 0.80161, 0.849027],
    ("Adam", "lr=0.01, amsgrad=True, maximize=True"): [0.878785, 1.156596, 0.956834, 1.091858, 1.050419],
    ("Adam", "betas=(0.5, 0.9), eps=0.001"): [1.017292, 0.987781, 1.008187, 0.987309, 0.997984],
    ("AdamW", "lr=0.01"): [1.110772, 0.834489, 1.033273, 0.898354, 0.94044],
    ("RMSprop", "lr=0.01"): [1.225603, 0.600575, 1.091846, 0.865532, 0.794196],
    ("RMSprop", "lr=0.01, momentum=0.9, centered=True, weight_decay=0.1"): [1.287385, -1.092616, 0.796663, -1.237407, -0.032366],
    ("RMSprop", "lr=0.01, alpha=0.9, maximize=True"): [0.829125, 1.160612, 0.92364, 1.103972, 1.040933],
    ("Adagrad", "lr=0.05"): [1.096242, 0.806448, 1.035138, 0.944977, 0.891578],
    ("Adagrad", "lr=0.05, lr_decay=0.01, weight_decay=0.1, initial_accumulator_value=0.5, maximize=True"): [0.883709, 1.050643, 0.925368, 0.959956, 1.023507],
    ("AdamW", "lr=0.01, weight_decay=0.5, amsgrad=True"): [0.704379, 0.492592, 0.650017, 0.524098, 0.587846],
}  # fmt: skip


def gradient(step, shape):
    return np.random.RandomState(step).standard_normal(shape).astype("f")


def trajectory(lib, name, settings, shapes=((2, 3), (4,), ()), steps=100, dtype="float32"):
    """Run an optimizer on parameters that start at ones, with the same gradients for every library."""
    params = [lib.nn.Parameter(lib.ones(shape, dtype=getattr(lib, dtype))) for shape in shapes]
    optimizer = getattr(lib.optim, name)(params, **settings)
    for step in range(steps):
        for k, p in enumerate(params):
            p.grad = lib.tensor(gradient(10 * step + k, tuple(p.shape))).to(p.dtype)
        optimizer.step()
    return params, optimizer


def settings_of(text):
    return eval(f"dict({text})")


@pytest.mark.parametrize(
    ("case", "expected"), RECORDED.items(), ids=[" ".join(c) for c in RECORDED]
)
def test_recorded_trajectories(case, expected):
    params, _ = trajectory(torch, case[0], settings_of(case[1]))
    got = [float(x) for p in params for x in p.detach().reshape(-1)[:2]]
    assert got == pytest.approx(expected, rel=1e-5, abs=3e-6)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("case", RECORDED, ids=[" ".join(c) for c in RECORDED])
def test_trajectories_against_the_oracle(case, dtype):
    oracle = pytest.importorskip("torch")
    shapes, settings = ((3, 4), (5,), (), (0,), (700, 200)), settings_of(case[1])
    steps = 100 if dtype != "complex64" else 20
    ours, a = trajectory(torch, case[0], settings, shapes[:4], steps, dtype)
    theirs, b = trajectory(oracle, case[0], settings, shapes[:4], steps, dtype)
    if dtype == "float32":  # large enough to be cut into blocks
        more, _ = trajectory(torch, case[0], settings, shapes[4:], 5)
        their_more, _ = trajectory(oracle, case[0], settings, shapes[4:], 5)
        ours, theirs = ours + more, theirs + their_more
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance
        )
    assert repr(a) == repr(b)
    ours, theirs = a.state_dict(), b.state_dict()
    assert ours["param_groups"] == theirs["param_groups"]
    for k in theirs["state"]:
        assert list(ours["state"][k]) == list(theirs["state"][k])
        for name, value in theirs["state"][k].items():
            mine = ours["state"][k][name]
            assert str(mine.dtype) == str(value.dtype)
            np.testing.assert_allclose(
                mine.numpy(), value.numpy(), rtol=10 * tolerance, atol=10 * tolerance
            )


@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_memory_layouts_agree(order):
    def make():
        if order == "strided":
            return torch.ones(400, 800)[:, ::2]
        return torch.ones(400, 400) if order == "C" else torch.ones(400, 400).t()

    for name, settings in (("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {"lr": 0.1})):
        results = []
        for data in (make(), torch.ones(400, 400)):
            p = nn.Parameter(data)
            optimizer = getattr(optim, name)([p], **settings)
            for step in range(3):
                p.grad = torch.tensor(gradient(step, (400, 400)))
                optimizer.step()
            results.append(p.detach().numpy())
        np.testing.assert_array_equal(*results)


def test_half_precision():
    p = nn.Parameter(torch.ones(3, dtype=torch.float16))
    p.grad = torch.full((3,), 0.5, dtype=torch.float16)
    optim.SGD([p], lr=0.1).step()
    assert p.dtype is torch.float16
    assert p.tolist() == pytest.approx([0.95] * 3, abs=1e-3)


# ------------------------------------------------------------------ what step does to the graph


def test_step_changes_in_place_and_counts_the_write():
    layer = nn.Linear(2, 1)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    memory, version = layer.weight.data_ptr(), layer.weight._version
    x = torch.ones(1, 2, requires_grad=True)
    loss = (layer(x) ** 2).sum()
    loss.backward(retain_graph=True)
    grad = layer.weight.grad.clone()
    optimizer.step()
    assert layer.weight.data_ptr() == memory
    assert layer.weight._version > version
    assert torch.equal(layer.weight.grad, grad)
    assert layer.weight.is_leaf
    with raises(RuntimeError, "modified by an inplace operation"):
        loss.backward()


def test_zero_grad():
    p = nn.Parameter(torch.ones(2))
    optimizer = optim.SGD([p], lr=0.1)
    (p * p).sum().backward()
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept
    assert kept.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.step()
    assert p.tolist() == [1.0, 1.0]


def test_closure():
    p = nn.Parameter(torch.tensor([1.0]))
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 1
    assert p.item() == pytest.approx(0.8)


def test_learning_rate_as_a_tensor():
    p = nn.Parameter(torch.tensor([1.0]))
    optimizer = optim.SGD([p], lr=torch.tensor(0.5))
    p.grad = torch.ones(1)
    optimizer.step()
    assert p.item() == 0.5
    with raises(ValueError, "Tensor lr must be 1-element"):
        optim.Adam([p], lr=torch.ones(2))


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_differentiable(name):
    lr = 0.1
    start = torch.tensor([1.0], requires_grad=True)
    p = start.clone()
    optimizer = getattr(optim, name)([p], lr=lr, differentiable=True)
    p.grad = (start * start).clone()
    optimizer.step()
    p.sum().backward()
    # SGD: p = s - lr s^2, dp/ds = 1 - 2 lr s; the first step of the others is a sign, of slope 0
    slope = {"SGD": 0.8, "AdamW": 1 - lr * 0.01}.get(name, 1.0)
    assert start.grad.item() == pytest.approx(slope, abs=1e-4)


# ------------------------------------------------------------------ groups


def test_groups():
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1, momentum=0)
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.5]
    a.grad = torch.ones(1)
    b.grad = torch.ones(1)
    optimizer.step()
    assert a.item() == pytest.approx(0.9)
    assert b.item() == pytest.approx(0.5)
    optimizer.add_param_group({"params": nn.Linear(1, 1).parameters(), "lr": 1.0})
    assert len(optimizer.param_groups) == 3
    named = optim.SGD(nn.Linear(1, 1).named_parameters(), lr=0.1)
    assert named.param_groups[0]["param_names"] == ["weight", "bias"]


def test_group_errors():
    p = nn.Parameter(torch.zeros(2))
    for make, error, text in [
        (lambda: optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
        (lambda: optim.SGD(p), TypeError, "should be an iterable of Tensors or dicts, but got torch.FloatTensor"),
        (lambda: optim.SGD([3]), TypeError, "optimizer can only optimize Tensors, but one of the params is int"),
        (lambda: optim.SGD([p * 2]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda: optim.SGD([{"params": [p]}, {"params": [p]}]), ValueError, "some parameters appear in more than one"),
        (lambda: optim.SGD([{"params": {p}}]), TypeError, "organized in ordered collections"),
        (lambda: optim.SGD([p]).add_param_group(3), TypeError, "param_group must be a dict, but got <class 'int'>"),
        (lambda: optim.SGD([("a", p), nn.Parameter(torch.zeros(1))]), ValueError, "Some param names are missing"),
        (lambda: optim.SGD([p], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda: optim.SGD([p], momentum=-1), ValueError, "Invalid momentum value: -1"),
        (lambda: optim.SGD([p], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
        (lambda: optim.SGD([p], nesterov=True), ValueError, "Nesterov momentum requires a momentum and zero dampening"),
        (lambda: optim.Adam([p], betas=(1, 2)), ValueError, "Invalid beta parameter at index 0: 1"),
        (lambda: optim.Adam([p], betas=(0.1, 2)), ValueError, "Invalid beta parameter at index 1: 2"),
        (lambda: optim.Adam([p], eps=-1), ValueError, "Invalid epsilon value: -1"),
        (lambda: optim.SGD([p], fused=True, foreach=True), RuntimeError, "cannot be `True` together"),
    ]:  # fmt: skip
        with raises(error, text):
            make()
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p])


@pytest.mark.wengert_only
def test_a_refused_group_leaves_the_optimizer_as_it_was():
    p = nn.Parameter(torch.zeros(2))
    optimizer = optim.SGD([p])
    with raises(ValueError):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1)), p]})
    assert len(optimizer.param_groups) == 1


def test_repr():
    p = nn.Parameter(torch.zeros(2))
    assert repr(optim.SGD([p], lr=0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n"
        "    fused: None\n    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n"
        "    weight_decay: 0\n)"
    )
    assert "\n\nParameter Group 1\n" in repr(
        optim.Adam([{"params": [p]}, {"params": [nn.Parameter(torch.zeros(1))]}])
    )


# ------------------------------------------------------------------ state


def stepped(name="Adam", **settings):
    p = nn.Parameter(torch.ones(2))
    optimizer = getattr(optim, name)([p], lr=0.1, **settings)
    p.grad = torch.tensor([1.0, 2.0])
    optimizer.step()
    return p, optimizer


def test_state_dict():
    _, optimizer = stepped()
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert list(state["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert state["state"][0]["step"].item() == 1
    assert state["param_groups"][0]["params"] == [0]
    assert state["param_groups"][0]["betas"] == (0.9, 0.999)
    assert stepped("SGD")[1].state_dict()["state"] == {}
    assert list(stepped("SGD", momentum=0.9)[1].state_dict()["state"][0]) == ["momentum_buffer"]


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_load_state_dict_continues_the_trajectory(name):
    settings = {"momentum": 0.9} if name == "SGD" else {"amsgrad": True}
    p, optimizer = stepped(name, **settings)
    q = nn.Parameter(p.detach().clone())
    other = getattr(optim, name)([q], lr=99.0)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file))
    assert other.param_groups[0]["lr"] == 0.1
    for x, o in ((p, optimizer), (q, other)):
        x.grad = torch.tensor([3.0, -1.0])
        o.step()
    assert torch.equal(p, q)


def test_state_takes_the_dtype_of_its_parameter():
    _, optimizer = stepped()
    q = nn.Parameter(torch.ones(2, dtype=torch.float64))
    other = optim.Adam([q])
    other.load_state_dict(optimizer.state_dict())
    assert other.state[q]["exp_avg"].dtype is torch.float64
    assert other.state[q]["step"].dtype is torch.float32


@pytest.mark.wengert_only
def test_loaded_state_is_a_copy():
    p, optimizer = stepped("SGD", momentum=0.9)
    q = nn.Parameter(torch.ones(2))
    other = optim.SGD([q], lr=0.1, momentum=0.9)
    other.load_state_dict(optimizer.state_dict())
    before = optimizer.state[p]["momentum_buffer"].tolist()
    q.grad = torch.ones(2)
    other.step()
    assert optimizer.state[p]["momentum_buffer"].tolist() == before


def test_load_state_dict_errors():
    _, optimizer = stepped()
    two = optim.SGD([nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2))])
    with raises(ValueError, "parameter group that doesn't match the size of optimizer's group"):
        optimizer.load_state_dict(two.state_dict())
    with raises(ValueError, "loaded state dict has a different number of parameter groups"):
        optimizer.load_state_dict({"state": {}, "param_groups": []})
    assert optimizer.state_dict()["state"][0]["step"].item() == 1


def test_hooks():
    _, optimizer = stepped("SGD")
    calls, every = [], importlib.import_module(f"{NAME}.optim.optimizer")
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append("pre")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append("post")),
        every.register_optimizer_step_pre_hook(lambda o, a, k: calls.append("every")),
    ]
    optimizer.step()
    assert sorted(calls) == ["every", "post", "pre"]
    assert calls[-1] == "post"
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(calls) == 3
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    assert optimizer.state_dict()["extra"] == 1
    optimizer.register_load_state_dict_pre_hook(lambda o, state: calls.append("load"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert calls[-1] == "load"
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with raises(RuntimeError, "must return None or a tuple of (new_args, new_kwargs), but got 3"):
        optimizer.step()


def test_copies():
    p, optimizer = stepped("SGD", momentum=0.9)
    twin = copy.deepcopy(optimizer)
    q = twin.param_groups[0]["params"][0]
    assert q is not p
    q.grad = p.grad = torch.ones(2)
    twin.step()
    optimizer.step()
    assert torch.equal(p, q)


def test_an_optimizer_of_ones_own():
    class Sign(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self.state[p]["n"] = self.state[p].get("n", 0) + 1
                        p.add_(p.grad.sign(), alpha=-group["lr"])

    p = nn.Parameter(torch.ones(2))
    optimizer, calls = Sign([p], lr=0.5), []
    optimizer.register_step_post_hook(lambda *args: calls.append(1))
    p.grad = torch.tensor([3.0, -3.0])
    optimizer.step()
    assert p.tolist() == [0.5, 1.5]
    assert calls == [1]
    assert optimizer.state_dict()["state"] == {0: {"n": 1}}
    with raises(NotImplementedError):
        optim.Optimizer([p], {}).step()


@pytest.mark.skipif(REAL, reason="counts this package's objects")
def test_training_leaves_nothing_for_the_collector():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    optimizer = optim.Adam(model.parameters())
    x = torch.ones(2, 4)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            optimizer.zero_grad()
            model(x).sum().backward()
            optimizer.step()
        before = len(gc.get_objects())
        for _ in range(20):
            optimizer.zero_grad()
            model(x).sum().backward()
            optimizer.step()
        assert len(gc.get_objects()) - before < 20
    finally:
        gc.enable()
