"""How tensors print: the samples of the contract, the options, random tensors against PyTorch."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from against import REAL, raises, torch

if REAL:
    from torch._tensor_str import get_printoptions, printoptions
else:
    from wengert import get_printoptions, printoptions

inf, nan = float("inf"), float("nan")


SAMPLES = {
    "tensor(3.)": "tensor(3.)",
    "tensor([])": "tensor([])",
    "zeros(0, 3)": "tensor([], size=(0, 3))",
    "zeros(0, dtype=torch.int64)": "tensor([], dtype=torch.int64)",
    "zeros(2, 0, dtype=torch.bool)": "tensor([], size=(2, 0), dtype=torch.bool)",
    "tensor([1.5, nan, inf])": "tensor([1.5000,    nan,    inf])",
    "tensor([nan, -inf])": "tensor([nan, -inf])",
    "tensor([1., nan])": "tensor([1., nan])",
    "tensor([0., -0.])": "tensor([0., -0.])",
    "tensor([1., 2.], dtype=torch.float64)": "tensor([1., 2.], dtype=torch.float64)",
    "tensor([1, 2], dtype=torch.int8)": "tensor([1, 2], dtype=torch.int8)",
    "tensor([[True, False]])": "tensor([[ True, False]])",
    "tensor([1e-5, 1.])": "tensor([1.0000e-05, 1.0000e+00])",
    "tensor(1e-8)": "tensor(1.0000e-08)",
    "tensor(1e9)": "tensor(1.0000e+09)",
    "tensor([-1., 10.])": "tensor([-1., 10.])",
    "tensor([0.1, 1000.])": "tensor([1.0000e-01, 1.0000e+03])",
    "tensor([1, -100, 7])": "tensor([   1, -100,    7])",
    "tensor([1+2j, -1.5-0.25j])": "tensor([ 1.0000+2.0000j, -1.5000-0.2500j])",
    "tensor([1+2j])": "tensor([1.+2.j])",
    "tensor([complex(nan, -inf)])": "tensor([nan-infj])",
    "ones(2, dtype=torch.complex128)": "tensor([1.+0.j, 1.+0.j], dtype=torch.complex128)",
    "arange(1001.)": "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])",
    "tensor([2.], requires_grad=True)": "tensor([2.], requires_grad=True)",
    "tensor([2.], requires_grad=True) * 1": "tensor([2.], grad_fn=<MulBackward0>)",
    "nn.Parameter(torch.ones(2))": "Parameter containing:\ntensor([1., 1.], requires_grad=True)",
    "ones(2, 2)": "tensor([[1., 1.],\n        [1., 1.]])",
    "ones(1, 2, 2)": "tensor([[[1., 1.],\n         [1., 1.]]])",
    "ones(2, 1, 1)": "tensor([[[1.]],\n\n        [[1.]]])",
}


@pytest.mark.parametrize("expression", SAMPLES)
def test_samples(expression):
    t = eval("torch." + expression, {"torch": torch, "inf": inf, "nan": nan})
    assert repr(t) == SAMPLES[expression]
    assert str(t) == repr(t)
    if t.ndim:
        assert f"{t}" == repr(t)


def test_long_rows_are_wrapped_at_the_line_width():
    assert repr(torch.arange(30)) == (
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
        "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])"
    )


def test_a_suffix_that_does_not_fit_goes_to_a_line_of_its_own():
    t = torch.full((9,), 1.25, dtype=torch.float64, requires_grad=True)
    assert repr(t) == (
        "tensor([1.2500, 1.2500, 1.2500, 1.2500, 1.2500, 1.2500, 1.2500, 1.2500, 1.2500],\n"
        "       dtype=torch.float64, requires_grad=True)"
    )


def test_large_matrices_are_summarised():
    assert repr(torch.zeros(100, 100)) == (
        "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        ...,\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.]])"
    )


def test_subclasses_print_under_their_own_name():
    class Weights(torch.Tensor):
        pass

    t = torch.ones(2).as_subclass(Weights)
    assert repr(t) == "Weights([1., 1.])"


def test_options_change_and_come_back():
    before = get_printoptions()
    assert before == {
        "precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None,
    }  # fmt: skip
    try:
        torch.set_printoptions(precision=2)
        assert repr(torch.tensor([1.12345])) == "tensor([1.12])"
        torch.set_printoptions(sci_mode=True)
        assert repr(torch.tensor([1.5])) == "tensor([1.50e+00])"
        torch.set_printoptions(profile="short")
        assert get_printoptions()["edgeitems"] == 2
        torch.set_printoptions(profile="full")
        assert "..." not in repr(torch.zeros(2000))
        torch.set_printoptions(profile="default", threshold=5)
        assert repr(torch.arange(10)) == "tensor([0, 1, 2,  ..., 7, 8, 9])"
    finally:
        torch.set_printoptions(**before)
    with printoptions(linewidth=20):
        assert repr(torch.arange(5)) == "tensor([0, 1, 2, 3,\n        4])"
    assert get_printoptions() == before


@pytest.mark.wengert_only
def test_bad_options_change_nothing():
    before = get_printoptions()
    with raises(ValueError, "profile must be one of default, short, full"):
        torch.set_printoptions(profile="huge", precision=2)
    with raises(TypeError, "precision must be a non-negative number, got 'a'"):
        torch.set_printoptions(edgeitems=1, precision="a")
    with raises(TypeError, "linewidth"):
        torch.set_printoptions(linewidth=-1)
    assert get_printoptions() == before
    with contextlib.suppress(KeyError), printoptions(precision=2):
        raise KeyError
    assert get_printoptions() == before


def test_a_history_that_can_not_be_told_prints_as_invalid():
    x = torch.ones(2, requires_grad=True)
    y = x.clone()
    a, _ = y.unbind()
    y.mul_(2)
    assert repr(a) == "tensor(2., grad_fn=<Invalid>)"


# ---------------------------------------------------------------------------------- at random


def random_floats(rng, shape):
    choice = rng.integers(8)
    if choice == 0:
        a = rng.standard_normal(shape)
    elif choice == 1:
        a = rng.standard_normal(shape) * 10.0 ** rng.integers(-12, 12)
    elif choice == 2:
        a = rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 6, shape)
    elif choice == 3:
        a = np.round(rng.standard_normal(shape) * 10.0 ** rng.integers(0, 6))
    elif choice == 4:
        a = np.zeros(shape)
    elif choice == 5:
        a = rng.integers(-5, 5, shape).astype(float)
    elif choice == 6:
        a = rng.integers(0, 10**9, shape).astype(float)
    else:
        a = np.round(rng.standard_normal(shape), 1)
    a = np.array(a, float)
    if rng.random() < 0.3:
        p = rng.random(shape)
        a = np.select([p < 0.1, p < 0.2, p < 0.3, p < 0.4], [nan, inf, -inf, -0.0], a)
    return a


def random_array(rng, name):
    ndim = int(rng.integers(0, 5))
    top = (2, 1600, 60, 14, 8)[ndim] if rng.random() < 0.25 else 9 - ndim
    shape = tuple(int(n) for n in rng.integers(rng.random() > 0.1, top, ndim))
    with np.errstate(all="ignore"):
        if name == "bool":
            return rng.integers(0, 2, shape).astype(bool)
        if "int" in name:
            limits = np.iinfo(name)
            if rng.random() < 0.5:
                return np.array(rng.integers(limits.min, limits.max, shape, name, endpoint=True))
            return np.array(rng.integers(0, 100, shape)).astype(name)
        if "complex" in name:
            a = np.empty(shape, name)
            a.real, a.imag = random_floats(rng, shape), random_floats(rng, shape)
            return a
        return np.array(random_floats(rng, shape)).astype(name)


@pytest.mark.torch
@pytest.mark.wengert_only
@pytest.mark.parametrize(
    "name",
    ["bool", "uint8", "int8", "int16", "int32", "int64",
     "float16", "float32", "float64", "complex64", "complex128"],
)  # fmt: skip
def test_random_tensors_against_torch(name):
    import torch as oracle

    rng = np.random.default_rng(len(name) * 1000 + ord(name[-1]))
    for _ in range(60):
        a = random_array(rng, name)
        options = {}
        if rng.random() < 0.4:
            options = {
                "precision": int(rng.integers(0, 8)),
                "threshold": int(rng.choice([0, 5, 1000])),
                "edgeitems": int(rng.integers(0, 5)),
                "linewidth": int(rng.choice([1, 20, 80, 120])),
                "sci_mode": [None, None, True, False][rng.integers(4)],
            }
        record = name[0] in "fc" and rng.random() < 0.5
        with oracle._tensor_str.printoptions(**options), printoptions(**options):
            texts = []
            for module in (oracle, torch):
                t = module.tensor(a)
                texts.append(repr(t.requires_grad_() * 1 if record else t))
        assert texts[0] == texts[1], (a.shape, options)
