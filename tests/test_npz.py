"""`.npz` archives: there and back, NumPy's own, and what is refused."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as torch
from wengert.serialization import LoadError

pytestmark = pytest.mark.wengert_only


def written(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_there_and_back(tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    for compressed in (False, True):
        path = tmp_path / f"net{compressed}.npz"
        torch.save_npz(net.state_dict(), path, compressed=compressed)
        got = torch.load_npz(path)
        assert list(got) == list(net.state_dict())
        for name, t in net.state_dict().items():
            assert torch.equal(got[name], t)
            assert got[name].dtype is t.dtype
        with np.load(path) as theirs:
            assert np.array_equal(theirs["0.weight"], net[0].weight.detach().numpy())


def test_arrays_that_numpy_wrote():
    data = written(a=np.arange(6).reshape(2, 3).T, b=np.float16(0.5), c=np.zeros((0, 2)), d=np.arange(3, dtype=">i4"))
    got = torch.load_npz(io.BytesIO(data))
    assert got["a"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert got["b"].item() == 0.5
    assert got["c"].shape == (0, 2)
    assert got["d"].tolist() == [0, 1, 2]
    got["a"][0, 0] = 7  # writable


def test_nothing_is_unpickled():
    data = written(evil=np.array([print], dtype=object))
    with pytest.raises(LoadError, match="holds Python objects"):
        torch.load_npz(io.BytesIO(data))


def changed(member, data):
    """An archive with one member of those bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, data)
    file.seek(0)
    return file


def test_claims_are_checked_before_memory_is_taken():
    with zipfile.ZipFile(io.BytesIO(written(a=np.zeros(100)))) as archive:
        raw = archive.read("a.npy")
    huge = raw.replace(b"(100,), }       ", b"(100000000,), } ")
    assert len(huge) == len(raw)
    assert huge != raw
    for lie in (huge, raw.replace(b"(100,)", b"(999,)"), raw[:-8], raw + b"more"):
        with pytest.raises(LoadError):
            torch.load_npz(changed("a.npy", lie))
    bomb = io.BytesIO()
    np.savez_compressed(bomb, a=np.zeros(1 << 20))
    with pytest.raises(LoadError, match="more than max_bytes=1000"):
        torch.load_npz(bomb, max_bytes=1000)


def test_other_files_are_refused():
    for name in ("a.txt", "../a", "a"):
        with pytest.raises(LoadError, match=r"is no \.npy array"):
            torch.load_npz(changed(name, b"x"))
    for data in (b"", b"PK", b"no archive at all"):
        with pytest.raises(LoadError, match=r"no valid \.npz archive"):
            torch.load_npz(io.BytesIO(data))
    with pytest.raises(LoadError, match="which no tensor has"):
        torch.load_npz(io.BytesIO(written(a=np.array(["text"]))))


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255), st.integers(1, 4))
def test_damaged_archives_are_refused_or_read(at, byte, times):
    data = bytearray(written(a=np.arange(5.0), b=np.ones((2, 2), "f4")))
    for k in range(times):
        data[(at + 37 * k) % len(data)] = byte
    try:
        got = torch.load_npz(io.BytesIO(bytes(data)))
    except LoadError:
        return
    assert all(isinstance(t, torch.Tensor) for t in got.values())


def test_what_can_not_be_written():
    with pytest.raises(TypeError, match="expected a dict of tensors"):
        torch.save_npz([torch.ones(1)], io.BytesIO())
    with pytest.raises(TypeError, match="'n' is a int"):
        torch.save_npz({"n": 3}, io.BytesIO())
    with pytest.raises(TypeError, match="path or a file object"):
        torch.save_npz({}, 3)
