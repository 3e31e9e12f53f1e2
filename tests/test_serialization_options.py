"""The settings of `torch.serialization`: the allow-list, byte order, checksums, skipped data; options of `load`."""

from __future__ import annotations

import argparse
import io
import pickle
import zipfile
from collections import Counter, defaultdict

import numpy as np
import pytest
from against import REAL, collected_warnings, raises, torch
from hostile_files import FOUR, archive, tensor, text

serialization = torch.serialization


def written(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file


# ------------------------------------------------------------------ the allow-list


@pytest.mark.wengert_only
def test_what_is_allowed_anyway_may_be_allowed():
    from numpy._core import multiarray

    names = [np.ndarray, np.dtype, np.dtypes.Float64DType, multiarray.scalar, multiarray._reconstruct,
             defaultdict, set, torch.Size, (dict, "builtins.dict")]  # fmt: skip
    serialization.add_safe_globals(names)
    assert serialization.get_safe_globals() == [n[0] if isinstance(n, tuple) else n for n in names]
    serialization.clear_safe_globals()
    assert serialization.get_safe_globals() == []
    with serialization.safe_globals([np.dtype]):
        assert serialization.get_safe_globals() == [np.dtype]
    assert serialization.get_safe_globals() == []


@pytest.mark.wengert_only
def test_nothing_else_may():
    for name in (argparse.Namespace, eval, torch.nn.Linear, (print, "builtins.print")):
        with raises(
            RuntimeError, "cannot be allowed: wengert never constructs or calls", "state_dict()"
        ):
            serialization.add_safe_globals([name])
        with raises(RuntimeError, "cannot be allowed"), serialization.safe_globals([name]):
            pass
    with raises(TypeError, "takes functions and classes"):
        serialization.add_safe_globals([3])
    with raises(ValueError, "Expected tuple of length 2"):
        serialization.add_safe_globals([(dict,)])
    assert serialization.get_safe_globals() == []


def test_names_that_would_be_refused():
    unsafe = serialization.get_unsafe_globals_in_checkpoint
    assert unsafe(written({"a": torch.ones(1)})) == []
    program = b"\x80\x02cos\nsystem\nctorch\nSize\n\x85cbuiltins\neval\n\x86."
    assert sorted(unsafe(archive(program))) == ["builtins.eval", "os.system"]


@pytest.mark.wengert_only
def test_names_in_later_protocols_and_damaged_programs(tmp_path):
    unsafe = serialization.get_unsafe_globals_in_checkpoint
    path = tmp_path / "a.pt"
    path.write_bytes(
        archive(b"\x80\x04" + text("os") + b"\x94" + text("system") + b"\x93h\x00.").getvalue()
    )
    assert unsafe(path) == ["os.system"]
    for protocol in range(2, 6):
        assert (
            unsafe(archive(pickle.dumps(argparse.Namespace(a=1), protocol)))[-1]
            == "argparse.Namespace"
        )
    with raises(RuntimeError, "data.pkl is damaged"):
        unsafe(archive(b"\x80\x02X\xff\xff\xff\xff"))
    with raises(RuntimeError, "plain pickle"):
        unsafe(io.BytesIO(pickle.dumps(1, 2)))


@pytest.mark.wengert_only
def test_other_devices_cannot_be_registered():
    with raises(RuntimeError, "map_location"):
        serialization.register_package(10, lambda s: "x", lambda s, place: s)


# ------------------------------------------------------------------ other settings


def test_byte_order_of_files_that_do_not_say():
    order = serialization.LoadEndianness
    assert serialization.get_default_load_endianness() is None
    with raises(TypeError, "Invalid argument type in function set_default_load_endianness"):
        serialization.set_default_load_endianness("big")

    def silent():
        """A file without a record of its byte order."""
        out = io.BytesIO()
        with zipfile.ZipFile(written(torch.tensor([1]))) as old, zipfile.ZipFile(out, "w") as new:
            for info in old.infolist():
                if not info.filename.endswith("byteorder"):
                    new.writestr(info.filename, old.read(info))
        out.seek(0)
        return out

    assert torch.load(silent()).item() == 1
    try:
        for choice, value in ((order.BIG, 2**56), (order.LITTLE, 1), (order.NATIVE, 1)):
            serialization.set_default_load_endianness(choice)
            assert serialization.get_default_load_endianness() is choice
            assert torch.load(silent()).item() == value
            assert torch.load(written(torch.tensor([1]))).item() == 1
    finally:
        serialization.set_default_load_endianness(None)


@pytest.mark.wengert_only
def test_checksums_are_always_written():
    assert serialization.get_crc32_options() is True
    try:
        serialization.set_crc32_options(False)
        assert serialization.get_crc32_options() is False
        file = written(torch.ones(2))
    finally:
        serialization.set_crc32_options(True)
    assert zipfile.ZipFile(file).testzip() is None


def test_data_may_be_left_out():
    with serialization.skip_data():
        file = written({"a": torch.ones(3), "b": 2})
    if not REAL:  # PyTorch writes no checksums then
        found = torch.load(file)
        assert found["a"].tolist() == [0.0, 0.0, 0.0]
        assert found["b"] == 2
    full = written(torch.ones(2))
    assert len(file.getvalue()) > 12
    with serialization.skip_data():
        assert torch.load(full).shape == (2,)
    full.seek(0)
    assert torch.load(full).tolist() == [1.0, 1.0]


# ------------------------------------------------------------------ load's options


def test_options_that_change_nothing():
    for options in ({"pickle_module": pickle}, {"weights_only": False, "encoding": "ascii"}):
        with collected_warnings() as caught:
            assert torch.load(written(3), **options) == 3
        assert not caught
    with collected_warnings() as caught:
        torch.load(written(3), encoding="ascii")
    assert [str(w.message) for w in caught] == [
        "pickle_load_args only works if `weights_only=False`."
    ]
    with raises(
        RuntimeError, "Can not safely load weights when explicit pickle_module is specified"
    ):
        torch.load(written(3), pickle_module=pickle, weights_only=True)


def test_places_that_do_not_exist():
    with raises(RuntimeError, "Attempting to deserialize object on a CUDA device"):
        torch.load(written(torch.ones(1)), map_location="cuda:3")
    with raises(
        RuntimeError, "don't know how to restore data location of", "(tagged with nowhere)"
    ):
        torch.load(written(torch.ones(1)), map_location="nowhere")
    with raises(TypeError, "'int' object is not callable"):
        torch.load(written(torch.ones(1)), map_location=0)


def test_errors_of_map_location_are_the_callers():
    class Mine(Exception):
        pass

    def fails(storage, location):
        raise Mine(location)

    with pytest.raises(Mine, match="cpu"):
        torch.load(written(torch.ones(1)), map_location=fails)
    for kind in (KeyError, ValueError, TypeError):
        with pytest.raises(kind, match="mine"):
            torch.load(
                written(torch.ones(1)),
                map_location=lambda s, p, kind=kind: exec("raise kind('mine')", {"kind": kind}),
            )


def test_map_location_functions():
    assert torch.load(written(torch.ones(1)), map_location=lambda s, p: s.cpu()).item() == 1
    assert torch.load(written(torch.ones(1)), map_location=lambda s, p: None).item() == 1
    assert torch.load(written(torch.ones(1)), map_location={"cuda": "cpu"}).item() == 1
    seen = []
    torch.load(
        written([torch.ones(2), torch.ones(3)]),
        map_location=lambda s, p: seen.append((s.nbytes(), p)) or s,
    )
    assert seen == [(8, "cpu"), (12, "cpu")]


@pytest.mark.wengert_only
def test_a_map_location_that_returns_something_else():
    with raises(TypeError, "map_location returned a int"):
        torch.load(written(torch.ones(1)), map_location=lambda s, p: 3)
    nowhere = archive(tensor([4], [1]).replace(text("cpu"), text("disc")), [FOUR])
    with raises(serialization.LoadError, "don't know how to restore", "(tagged with disc)"):
        torch.load(nowhere)
    nowhere.seek(0)
    assert torch.load(nowhere, map_location="cpu").tolist() == [1.0, 2.0, 3.0, 4.0]


def test_mapping_into_memory(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"a": torch.arange(4.0), "b": torch.ones(0), "c": torch.arange(3)}, path)
    for place in (path, str(path)):
        found = torch.load(place, mmap=True)
        assert found["a"].tolist() == [0.0, 1.0, 2.0, 3.0]
        assert found["c"].tolist() == [0, 1, 2]
        found["a"][0] = 9.0  # a private copy
    assert torch.load(path)["a"][0].item() == 0
    with (
        open(path, "rb") as file,
        raises(ValueError, "f must be a file path in order to use the mmap"),
    ):
        torch.load(file, mmap=True)


def test_tensor_attributes_travel():
    t, p = torch.ones(2), torch.nn.Parameter(torch.ones(1))
    t.note, p.note = {"x": torch.zeros(1)}, "kept"
    back = torch.load(written([t, p, t]))
    assert back[0].note["x"].item() == 0
    assert back[1].note == "kept"
    assert isinstance(back[1], torch.nn.Parameter)
    assert back[2] is back[0]


@pytest.mark.wengert_only
def test_tensor_attributes_that_cannot_be_saved():
    t = torch.ones(1)
    t.note = print
    with raises(TypeError, "cannot save obj['t'].note"):
        torch.save({"t": t}, io.BytesIO())


def test_layouts():
    assert torch.load(written(torch.strided)) is torch.strided


@pytest.mark.wengert_only
def test_what_honest_files_ask_for_is_within_the_budget():
    numbers = range(20_000)
    for value in (
        set(numbers), frozenset((k,) for k in numbers), {(k, "a", None): k for k in numbers},
        bytes(300_000), bytearray(300_000), [b"x"] * 20_000, [str(k).encode() for k in numbers],
        [np.float64(k) for k in range(3000)], np.zeros(100_000), [k + 1j for k in range(5000)],
        {k * 2**40: k for k in numbers}, {k / 7: k for k in numbers}, [torch.Size([k]) for k in range(5000)],
        {frozenset({k, "x"}): 1 for k in range(5000)}, {2**64 - 1: 1, -(2**63): 2},
        Counter(numbers), [defaultdict(list)] * 10,
    ):  # fmt: skip
        found = torch.load(written(value))
        assert type(found) is type(value)
        assert np.array_equal(found, value) if isinstance(value, np.ndarray) else found == value
