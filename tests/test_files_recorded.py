"""Checkpoints written by PyTorch, recorded in recorded_files.tar.xz: read here, used here, and back.

Without PyTorch the recorded files are compared with the same objects made here; with it the files are
made again, and what is written here is read there.
"""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
import sys
import tarfile
import warnings

import file_cases as cases
import numpy as np
import pytest
from against import REAL, raises, torch

pytestmark = pytest.mark.wengert_only
TESTS = os.path.dirname(os.path.abspath(__file__))

with tarfile.open(os.path.join(TESTS, "recorded_files.tar.xz")) as _archive:
    FILES = {m.name: _archive.extractfile(m).read() for m in _archive}


def numbers(t):
    """The values of a tensor of any library, as an array NumPy can compare."""
    t = t.detach().resolve_conj().resolve_neg()
    return np.array(t.tolist()) if "bfloat16" in str(t.dtype) else t.numpy()


def same(a, b, where="", seen=None, exact=False):
    """Asserts that two objects of either library are equal; tensors in all that a file says of them."""
    seen = set() if seen is None else seen
    if (id(a), id(b)) in seen:
        return
    seen.add((id(a), id(b)))
    kind = type(a).__name__.replace("_BFloat16", "dtype")
    assert kind == type(b).__name__.replace("_BFloat16", "dtype"), where
    if kind in ("Tensor", "Parameter", "Buffer"):
        assert str(a.dtype) == str(b.dtype), where
        assert tuple(a.shape) == tuple(b.shape), where
        assert a.stride() == b.stride(), where
        assert a.requires_grad == b.requires_grad, where
        same(getattr(a, "note", None), getattr(b, "note", None), where, seen)
        if exact or not a.is_floating_point():
            np.testing.assert_array_equal(numbers(a), numbers(b), where)
        else:  # sums may be taken in another order
            np.testing.assert_allclose(numbers(a), numbers(b), rtol=2e-6, atol=2e-6, err_msg=where)
    elif isinstance(a, np.ndarray | np.generic):
        # unpickling an array of foreign byte order gives one of the machine's
        assert a.dtype.newbyteorder("=") == b.dtype.newbyteorder("="), where
        assert np.array_equal(a, b), where
    elif isinstance(a, dict):
        assert list(map(str, a)) == list(map(str, b)), where
        for (key, x), y in zip(a.items(), b.values(), strict=True):
            same(x, y, f"{where}[{key!r}]", seen, exact)
        same(getattr(a, "_metadata", None), getattr(b, "_metadata", None), where, seen)
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}[{k}]", seen, exact)
    elif kind in ("dtype", "device", "layout"):
        assert repr(a) == repr(b), where
    elif kind == "float":
        single = where.endswith("['prev_loss']")  # computed in float32
        assert a == pytest.approx(b, rel=2e-6 if single and not exact else 1e-15), where
    else:
        assert a == b, where


def loaded(name):
    if name == "bfloat16.pt":
        pytest.importorskip("ml_dtypes")
    return torch.load(io.BytesIO(FILES[name]))


def unordered(name, value):
    """What may differ: the order of a scheduler's settings, the class of a buffer, and the strides of
    a lazily negated view."""
    if name.startswith("schedulers"):
        return {k: dict(sorted(v.items())) for k, v in value.items()}
    if name.startswith("training"):
        value["scheduler"] = dict(sorted(value["scheduler"].items()))
    if name.startswith("tensors"):
        value["buffer"] = value["buffer"].detach()
        value["negative"] = value["negative"].resolve_neg().clone()
    return value


@pytest.mark.parametrize("name", [*cases.CASES, *cases.UNSAFE_CASES])
def test_a_recorded_file_holds_what_is_made_here(name):
    found = loaded(name)
    made = (cases.CASES | cases.UNSAFE_CASES)[name](torch)
    same(unordered(name, found), unordered(name, made))


def test_recorded_numbers():
    """A few values in plain sight, which do not come from this library."""
    found = loaded("tensors.pt")
    assert found["windows"].tolist() == [[1, 2, 3, 4], [3, 4, 5, 6], [5, 6, 7, 8]]
    assert found["windows"].stride() == (2, 1)
    assert found["channels last"].stride() == (8, 1, 4, 2)
    assert found["expanded"].stride() == (0, 1)
    assert found["conjugate"].tolist() == [[1 - 2j, 3 + 1j]]
    assert found["imaginary"].tolist() == [2.0, 3.0]
    assert found["negative"].tolist() == [-2.0, -3.0]
    assert found["extreme"][1].tolist() == [-(2**63), 2**63 - 1]
    assert [str(t.dtype) for t in found["floats"]] == ["torch." + n for n in cases.FLOATS]
    assert [str(t.dtype) for t in found["integers"]] == ["torch." + n for n in cases.INTEGERS]
    assert all(t.tolist() == [0, 1, 1] for t in found["integers"])
    assert found["noted"].note == "kept"
    found["base"][5] = 50.0  # one memory
    assert found["windows"][1, 2].item() == 50
    assert found["transposed"][1, 1].item() == 50
    assert loaded("training.tar")["model"]["1.num_batches_tracked"].item() == 1
    linear = loaded("layers.pt")["Linear"]["weight"]
    assert linear[0].tolist() == [-0.005293981172144413, 0.37932288646698]


def test_containers_keep_their_identity():
    found = loaded("containers.pth")
    assert found["shared"][0] is found["shared"][1]
    assert found["shared"][2][0] is found["shared"][0]
    assert found["cycle"] is found["lists"]
    assert found["cycle"][3] is found["cycle"]


@pytest.mark.parametrize("name", cases.LAYERS)
def test_layers_take_their_recorded_state(name):
    state = loaded("layers.pt")[name]
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = eval(cases.LAYERS[name], {"nn": torch.nn, "torch": torch})
        assert str(net.load_state_dict(state)) == "<All keys matched successfully>"
    same(dict(net.state_dict()), dict(state))


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_optimisers_go_on_from_their_recorded_state(name):
    found = loaded("optimizers.pt")[name]
    whole = cases.optimizer(torch, name)
    want = cases.steps(whole, 5)
    resumed = cases.optimizer(torch, name)
    with torch.no_grad():
        for mine, saved in zip(resumed[1:], found["params"], strict=True):
            mine.copy_(saved)
    resumed[0].load_state_dict(found["state"])
    for mine, its in zip(cases.steps(resumed, 2), want, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-5, atol=1e-6)


def test_the_generator_goes_on_from_its_recorded_state():
    torch.manual_seed(7)
    want = torch.rand(6)[3:].tolist()
    torch.set_rng_state(loaded("generator.pt"))
    assert torch.rand(3).tolist() == want


def test_training_goes_on():
    found = loaded("training.tar")
    model = cases.network(torch)
    model.load_state_dict(found["model"])
    o = torch.optim.AdamW(model.parameters(), lr=5.0)
    o.load_state_dict(found["optimizer"])
    s = torch.optim.lr_scheduler.CosineAnnealingLR(o, 10)
    s.load_state_dict(found["scheduler"])
    assert o.param_groups[0]["lr"] == pytest.approx(0.01 * (1 + np.cos(np.pi / 10)) / 2)
    assert s.last_epoch == 1


# ------------------------------------------------------------------ what does not load


@pytest.mark.parametrize("name", cases.REFUSED)
def test_refused_by_name(name):
    for options in ({}, {"weights_only": True}, {"weights_only": False}):
        with raises(pickle.UnpicklingError, cases.REFUSED[name][1]):
            torch.load(io.BytesIO(FILES[name]), **options)


@pytest.mark.parametrize("name", cases.LEGACY)
def test_old_formats_are_refused_with_advice(name):
    with raises(RuntimeError, cases.LEGACY[name], "load it with PyTorch and save it again"):
        torch.load(io.BytesIO(FILES[name]))


def test_a_dtype_whose_package_is_missing():
    from wengert.serialization.rebuild import Constructor

    def lacks():
        raise ImportError("torch.bfloat16 needs the package ml_dtypes")

    with raises(pickle.UnpicklingError, "cannot be loaded here: torch.bfloat16 needs the package"):
        Constructor("tensor", lacks)(())


def test_whole_modules_get_advice():
    with raises(pickle.UnpicklingError, "whole pickled object", "save its state_dict()"):
        torch.load(io.BytesIO(FILES["module.pt"]))


# ------------------------------------------------------------------ with PyTorch


@pytest.fixture(scope="module")
def fresh():
    """The same files, written now."""
    pytest.importorskip("torch")
    sys.path.insert(0, os.path.join(os.path.dirname(TESTS), "tools"))
    try:
        import record_files
    finally:
        sys.path.pop(0)
    return record_files.written()


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="compares with itself")
def test_the_recorded_files_are_what_pytorch_writes(fresh):
    assert list(fresh) == list(FILES)
    for name in (*cases.CASES, *cases.UNSAFE_CASES):
        if name == "bfloat16.pt" and importlib.util.find_spec("ml_dtypes") is None:
            continue  # the tests of single files say that it is left out
        same(torch.load(io.BytesIO(fresh[name])), loaded(name), name)
    for name, (_, phrase) in cases.REFUSED.items():
        with raises(RuntimeError, phrase):
            torch.load(io.BytesIO(fresh[name]))


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="compares with itself")
@pytest.mark.parametrize("name", cases.CASES)
def test_read_here_and_there_alike(name):
    """PyTorch's file, read by both; and what is written here of it, read by both."""
    oracle = pytest.importorskip("torch")
    ours = unordered(name, loaded(name))
    theirs = unordered(name, oracle.load(io.BytesIO(FILES[name]), weights_only=True))
    same(ours, theirs, exact=True)
    file = io.BytesIO()
    torch.save(ours, file)
    file.seek(0)
    same(oracle.load(file, weights_only=True), theirs, exact=True)
    file.seek(0)
    same(torch.load(file), theirs, exact=True)


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="compares with itself")
@pytest.mark.parametrize("name", cases.CASES)
def test_written_here_and_read_by_pytorch(name):
    oracle = pytest.importorskip("torch")
    if name == "bfloat16.pt":
        pytest.importorskip("ml_dtypes")
    file = io.BytesIO()
    torch.save(cases.CASES[name](torch), file)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = cases.CASES[name](oracle)
    same(unordered(name, oracle.load(file, weights_only=True)), unordered(name, made))


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="compares with itself")
@pytest.mark.parametrize("name", cases.UNSAFE_CASES)
def test_numpy_and_others_written_here(name):
    oracle = pytest.importorskip("torch")
    file = io.BytesIO()
    value = {k: v for k, v in loaded(name).items() if k != "dtype"}
    torch.save(value, file)
    file.seek(0)
    same(oracle.load(file, weights_only=False), value)


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="compares with itself")
@pytest.mark.parametrize("name", cases.LAYERS)
def test_pytorchs_layers_take_our_state(name):
    oracle = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save(cases.layer(torch, name).state_dict(), file)
    file.seek(0)
    net = cases.layer(oracle, name)
    found = oracle.load(file, weights_only=True)
    assert str(net.load_state_dict(found)) == "<All keys matched successfully>"


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="compares with itself")
@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_pytorchs_optimisers_take_our_state(name):
    oracle = pytest.importorskip("torch")
    made = cases.optimizer(torch, name)
    cases.steps(made)
    file = io.BytesIO()
    torch.save([made[0].state_dict(), *made[1:]], file)
    file.seek(0)
    state, *params = oracle.load(file, weights_only=True)
    resumed = cases.optimizer(oracle, name)
    with oracle.no_grad():
        for mine, saved in zip(resumed[1:], params, strict=True):
            mine.copy_(saved)
    resumed[0].load_state_dict(state)
    want = cases.steps(cases.optimizer(oracle, name), 5)
    for mine, its in zip(cases.steps(resumed, 2), want, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-5, atol=1e-6)
