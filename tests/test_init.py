"""torch.nn.init: PyTorch's first values of parameters from PyTorch's seeds."""

from __future__ import annotations

import math
import platform

import numpy as np
import pytest
from against import raises, torch
from random_cases import digest

init = torch.nn.init

# case -> digest of the numbers and of the generator's state, over four seeds (random_cases.py)
GOLDEN = {
    "uniform_(torch.empty(5, 7), -0.3, 0.4)": "68f8efa180f81510",
    "normal_(torch.empty(5, 7), 1, 2)": "27d96125827bf3bb",
    "trunc_normal_(torch.empty(500))": "1b7a62770b871fc7",
    "trunc_normal_(torch.empty(500), std=0.5, a=-1, b=0.7)": "f492ae8bc652b089",
    "trunc_normal_(torch.empty(500), std=0.02)": "e4af002df21e208e",
    "trunc_normal_(torch.empty(500, dtype=f16), a=-1, b=1)": "a802f2bb23a88155",
    "trunc_normal_(torch.empty(500), a=2, b=3)": "7e502cb8efa51a5e",
    "trunc_normal_(torch.empty(500), mean=1, std=2, a=1.5, b=2.5)": "e1f393502b6e9f7b",
    "xavier_uniform_(torch.empty(31, 17))": "1a557ae7e1f61cf2",
    "xavier_uniform_(torch.empty(31, 17, 3, 3), gain=2)": "6e87a1c1c3e13394",
    "xavier_normal_(torch.empty(31, 17, 3, 3), gain=2)": "68dae045ea4ec93a",
    "kaiming_uniform_(torch.empty(64, 37, 3, 3), nonlinearity='relu')": "27eaff89d4ea8bcc",
    "kaiming_uniform_(torch.empty(64, 37), a=5**0.5)": "d8d8011c230ed7df",
    "kaiming_uniform_(torch.empty(64, 37), mode='fan_out', nonlinearity='tanh')": "8d4d8d54ddbf0afe",
    "kaiming_normal_(torch.empty(64, 37, 3, 3), nonlinearity='relu')": "4d5b3ba7728cd288",
    "kaiming_normal_(torch.empty(64, 37), mode='fan_out', nonlinearity='selu')": "89b6897aff72d344",
    "sparse_(torch.empty(30, 20), 0.33, std=2.0)": "fafdaef0a345fb0d",
}


@pytest.mark.parametrize("case", GOLDEN)
def test_numbers(case):
    assert digest(torch, f"torch.nn.init.{case}") == GOLDEN[case]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="these numbers follow glibc's libm")
def test_numbers_of_a_small_layer():
    case = "torch.nn.init.normal_(torch.empty(2, 3), 1, 2), torch.nn.init.xavier_normal_(torch.empty(3, 2))"
    assert digest(torch, case) == "3e9c8a0a61183386"


@pytest.mark.torch
@pytest.mark.wengert_only
@pytest.mark.parametrize("case", GOLDEN)
def test_against_torch(case):
    oracle = pytest.importorskip("torch")
    seeds = (5, 2**33 + 1)
    call = f"torch.nn.init.{case}"
    assert digest(torch, call, seeds) == digest(oracle, call, seeds)


def test_every_function_takes_a_generator():
    for name in ("uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_",
                 "kaiming_uniform_", "kaiming_normal_", "orthogonal_"):  # fmt: skip
        g = torch.Generator().manual_seed(3)
        torch.manual_seed(3)
        own = getattr(init, name)(torch.empty(20, 5), generator=g)
        assert torch.equal(own, getattr(init, name)(torch.empty(20, 5))), name


def test_in_place_and_unrecorded():
    w = torch.empty(3, 4, requires_grad=True)
    for fill in (init.uniform_, init.ones_, init.orthogonal_, init.eye_, init.trunc_normal_):
        version = w._version
        assert fill(w) is w
        assert w.is_leaf
        assert w.requires_grad
        assert w._version > version
    assert torch.is_grad_enabled()


def test_grad_mode_comes_back_after_an_error():
    with pytest.raises(RuntimeError):
        init.normal_(torch.empty(3), 0, -1)
    assert torch.is_grad_enabled()


def test_constants():
    assert init.constant_(torch.empty(2), 2.5).tolist() == [2.5, 2.5]
    assert init.constant_(torch.empty(2, dtype=torch.int64), 3).tolist() == [3, 3]
    assert init.ones_(torch.empty(2)).tolist() == [1, 1]
    assert init.zeros_(torch.ones(2)).tolist() == [0, 0]
    assert init.eye_(torch.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.eye_(torch.empty(2, 3).t()).tolist() == [[1, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 2, 4, 3), (6, 5, 3, 4, 5), (2, 4, 1)])
@pytest.mark.parametrize("groups", [1, 2])
def test_dirac(shape, groups):
    w = init.dirac_(torch.empty(*shape), groups).numpy()
    centre = tuple(n // 2 for n in shape[2:])
    per_group = shape[0] // groups
    expected = np.zeros(shape, np.float32)
    for out in range(shape[0]):
        if out % per_group < shape[1]:
            expected[(out, out % per_group, *centre)] = 1
    assert (w == expected).all()


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 2, 3)])
def test_orthogonal(shape):
    w = init.orthogonal_(torch.empty(*shape), gain=2).numpy().reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert np.abs(product - 4 * np.eye(len(product))).max() < 1e-5


def test_orthogonal_agrees_to_rounding():
    torch.manual_seed(0)
    w = init.orthogonal_(torch.empty(2, 3))
    assert np.abs(w.numpy() - ORTHOGONAL).max() < 1e-6


ORTHOGONAL = [[0.5739809, -0.1092946, -0.8115422], [-0.3454151, -0.9308827, -0.1189355]]


def test_truncated_values_stay_inside():
    for a, b in ((-1, 0.5), (1.5, 3), (-0.1, 0.1)):
        w = init.trunc_normal_(torch.empty(5000), a=a, b=b)
        assert w.min() >= a
        assert w.max() <= b
    w = init.trunc_normal_(torch.empty(20_000), mean=0.5, std=2, a=-1, b=2)
    assert abs(w.mean().item() - 0.5) < 0.03


def test_sparse():
    w = init.sparse_(torch.empty(10, 7), sparsity=0.25).numpy()
    assert ((w == 0).sum(0) == math.ceil(2.5)).all()


def test_gains():
    g = init.calculate_gain
    assert [g(n) for n in ("linear", "conv2d", "conv_transpose3d", "sigmoid")] == [1, 1, 1, 1]
    assert g("tanh") == 5 / 3
    assert g("relu") == math.sqrt(2)
    assert g("selu") == 0.75
    assert g("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    assert g("leaky_relu", 2) == math.sqrt(2 / 5)


OLD_NAMES = (
    "uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal",
    "kaiming_uniform", "kaiming_normal", "orthogonal", "sparse",
)  # fmt: skip


@pytest.mark.parametrize("name", OLD_NAMES)
def test_old_names_warn(name):
    args = {"constant": (2.0,), "sparse": (0.5,)}.get(name, ())
    shape = (2, 2, 2) if name == "dirac" else (2, 2)
    torch.manual_seed(0)
    with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of"):
        old = getattr(init, name)(torch.empty(*shape), *args)
    torch.manual_seed(0)
    assert torch.equal(old, getattr(init, name + "_")(torch.empty(*shape), *args))


def test_empty_weights_warn():
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        assert init.kaiming_uniform_(torch.empty(0, 3)).shape == (0, 3)
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        init.kaiming_normal_(torch.empty(0, 3))
    assert init.orthogonal_(torch.empty(0, 3)).shape == (0, 3)


def test_a_mean_far_outside_warns():
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        w = init.trunc_normal_(torch.empty(50), mean=5.0)
    assert w.max() <= 2


@pytest.mark.parametrize(
    ("call", "phrases"),
    [
        (lambda: init.xavier_uniform_(torch.empty(3)), ["Fan in and fan out can not be computed"]),
        (lambda: init.kaiming_uniform_(torch.empty(3, 4), mode="foo"), ["Mode foo not supported"]),
        (lambda: init.kaiming_normal_(torch.empty(3, 4), nonlinearity="foo"), ["Unsupported nonlinearity foo"]),
        (lambda: init.calculate_gain("leaky_relu", True), ["negative_slope True not a valid number"]),
        (lambda: init.calculate_gain("leaky_relu", "a"), ["negative_slope a not a valid number"]),
        (lambda: init.eye_(torch.empty(3)), ["Only tensors with 2 dimensions are supported"]),
        (lambda: init.dirac_(torch.empty(3, 3)), ["Only tensors with 3, 4, or 5 dimensions"]),
        (lambda: init.dirac_(torch.empty(4, 2, 3), 3), ["dim 0 must be divisible by groups"]),
        (lambda: init.orthogonal_(torch.empty(3)), ["Only tensors with 2 or more dimensions"]),
        (lambda: init.sparse_(torch.empty(3), 0.5), ["Only tensors with 2 dimensions"]),
    ],
)  # fmt: skip
def test_errors(call, phrases):
    with raises(ValueError, *phrases):
        call()
