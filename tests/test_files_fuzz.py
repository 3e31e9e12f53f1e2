"""Damaged and invented checkpoint files: each loads equal data or raises LoadError, and soon.

WENGERT_FUZZ_ROUNDS multiplies the number of examples.
"""

from __future__ import annotations

import io
import json
import os
import pickletools
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from against import REAL, torch
from hostile_files import FOUR, archive, npy, npz, number, numbers, safetensors, tensor, text
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.wengert_only

if not REAL:
    from wengert.serialization import LoadError
    from wengert.serialization import safetensors as safetensors_module

ROUNDS = int(os.environ.get("WENGERT_FUZZ_ROUNDS", "1"))


def fuzz(examples):
    return settings(max_examples=examples * ROUNDS, derandomize=True, database=None, deadline=2000)


def state():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    base = torch.arange(6.0)
    return {
        "net": net.state_dict(), "views": [base, base[1:4], base.reshape(2, 3).t()], "epoch": 3,
        "z": torch.tensor([1 + 2j]), "set": {1, 2}, "text": "run", "np": np.arange(3),
        "p": torch.nn.Parameter(torch.ones(1)), "f": 0.5, "bytes": b"\xff", "size": torch.Size([1]),
    }  # fmt: skip


def written(value):
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


GOOD = written(state()) if not REAL else b""


def parts(data):
    """The program and the storages of a .pt file."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        names = source.namelist()
        storages = sum("/data/" in n for n in names)
        return source.read("archive/data.pkl"), [
            source.read(f"archive/data/{k}") for k in range(storages)
        ]


PROGRAM, STORAGES = parts(GOOD) if GOOD else (b"", [])
# where each opcode of the program starts
STARTS = [at for _, _, at in pickletools.genops(PROGRAM)] if PROGRAM else [0]
OPCODES = [PROGRAM[a:b] for a, b in zip(STARTS, [*STARTS[1:], len(PROGRAM)], strict=True)]


def attempt(load, data):
    """What loads, or None where the file is refused; any other exception fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return load(data)
        except (LoadError, EOFError):
            return None


def load_pt(data):
    return torch.load(io.BytesIO(data))


def flipped(data, changes):
    damaged = bytearray(data)
    for at, byte in changes:
        damaged[int(at * len(damaged))] ^= byte
    return bytes(damaged)


places = st.floats(0, 1, exclude_max=True)
changes = st.lists(st.tuples(places, st.integers(1, 255)), min_size=1, max_size=6)


# ------------------------------------------------------------------ .pt


@fuzz(400)
@given(changes)
def test_flipped_bytes(where):
    """Checksums see every change that matters: what loads is equal."""
    found = attempt(load_pt, flipped(GOOD, where))
    if found is not None:
        assert written(found) == GOOD


@fuzz(100)
@given(changes)
def test_flipped_bytes_of_a_mapped_file(tmp_path_factory, where):
    path = tmp_path_factory.getbasetemp() / "flipped.pt"
    path.write_bytes(flipped(GOOD, where))
    found = attempt(lambda p: torch.load(p, mmap=True), path)
    if found is not None:  # mapped bytes are not read, so not compared with their checksum
        assert list(found) == list(state())


@fuzz(150)
@given(places, st.binary(max_size=8))
def test_truncations(where, tail):
    cut = GOOD[: int(where * len(GOOD))]
    assert attempt(load_pt, cut) is None
    attempt(load_pt, cut + tail)


@fuzz(100)
@given(places, places, st.binary(max_size=40))
def test_pieces_cut_out_and_put_in(a, b, piece):
    a, b = sorted((int(a * len(GOOD)), int(b * len(GOOD))))
    attempt(load_pt, GOOD[:a] + piece + GOOD[b:])
    attempt(load_pt, GOOD[:b] + GOOD[a:])


@fuzz(300)
@given(changes)
def test_flipped_bytes_of_the_program(where):
    """With checksums that are right, so that the interpreter sees the change."""
    attempt(torch.load, archive(flipped(PROGRAM, where), STORAGES))


NAMES = [
    b"ctorch\nFloatStorage\n", b"ctorch.storage\nUntypedStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_tensor_v3\n", b"ctorch._utils\n_rebuild_parameter\n", b"ctorch\nTensor\n",
    b"ctorch._utils\n_rebuild_parameter_with_state\n", b"ctorch._tensor\n_rebuild_from_type_v2\n",
    b"ccollections\nOrderedDict\n", b"ccollections\nCounter\n", b"ccollections\ndefaultdict\n",
    b"c__builtin__\nset\n", b"cbuiltins\nfrozenset\n", b"c__builtin__\nbytearray\n", b"c_codecs\nencode\n",
    b"c__builtin__\ncomplex\n", b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"ctorch\nSize\n", b"ctorch\ndevice\n",
    b"cnumpy._core.multiarray\n_reconstruct\n", b"cnumpy._core.multiarray\nscalar\n", b"ctorch\nfloat32\n",
    b"ctorch.serialization\n_get_layout\n", b"ctorch\nbfloat16\n", b"cos\nsystem\n", b"c__builtin__\nlist\n",
]  # fmt: skip
opcodes = st.one_of(
    st.sampled_from(
        [bytes((k,)) for k in b"(.0N)}]tRQbsuaelh\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x93\x94"]
    ),
    st.sampled_from(NAMES),
    st.sampled_from(OPCODES),
    st.sampled_from([tensor([2], [1])[2:-1], b"q\x01", b"h\x01", b"h\x02", b"2"]),
    st.integers(-(2**63), 2**63 - 1).map(number),
    st.sampled_from(["0", "storage", "cpu", "conj", "latin1", "i4", "<", "b", "__class__"]).map(
        text
    ),
    st.lists(st.integers(-1, 2**40), max_size=3).map(numbers),
    st.binary(max_size=6),
)


@fuzz(500)
@given(st.lists(opcodes, max_size=30))
def test_invented_programs(program):
    attempt(torch.load, archive(b"\x80\x02" + b"".join(program) + b".", [FOUR]))


@fuzz(400)
@given(st.lists(st.tuples(places, st.integers(0, 3), opcodes), min_size=1, max_size=4))
def test_spliced_opcodes(edits):
    """The program of a real file with opcodes replaced, left out, put in or doubled."""
    program = list(OPCODES)
    for where, kind, piece in edits:
        at = min(1 + int(where * len(program)), len(program) - 1)
        if kind == 0:
            program[at] = piece
        elif kind == 1 and len(program) > 2:
            del program[at]
        elif kind == 2:
            program.insert(at, piece)
        else:
            program[at:at] = program[max(at - 4, 1) : at]
    attempt(torch.load, archive(b"".join(program), STORAGES))


@fuzz(200)
@given(
    st.lists(st.one_of(st.integers(0, 5), st.integers(-3, 2**63)), max_size=4),
    st.lists(st.one_of(st.integers(0, 5), st.integers(-3, 2**63)), max_size=4),
    st.one_of(st.integers(0, 5), st.integers(-3, 2**63)),
    st.one_of(st.just(4), st.integers(-5, 2**40)),
)
def test_sizes_strides_and_offsets(size, stride, offset, numel):
    """A tensor that loads lies within its storage: every element can be reached through NumPy."""
    program = tensor(size, stride, offset, numel)
    tracemalloc.start()
    try:
        found = attempt(torch.load, archive(program, [FOUR]))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    if found is not None and found.numel():
        assert numel == 4
        steps = sum((n - 1) * s for n, s in zip(found.shape, found.stride(), strict=True))
        assert offset + steps < 4
        if found.numel() < 1000:
            assert set(found.flatten().tolist()) <= {1.0, 2.0, 3.0, 4.0}


@fuzz(100)
@given(st.text(max_size=12), st.text(max_size=12))
def test_names_of_storages_and_places(key, place):
    program = tensor([4], [1]).replace(text("0"), text_of(key)).replace(text("cpu"), text_of(place))
    found = attempt(torch.load, archive(program, [FOUR]))
    assert found is None or (key, place) == ("0", "cpu")


def text_of(value):
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


@fuzz(60)
@given(changes)
def test_memory_is_bounded(where):
    data = flipped(PROGRAM, where)
    tracemalloc.start()
    try:
        attempt(torch.load, archive(data, STORAGES))
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@fuzz(100)
@given(changes)
def test_unsafe_names_are_listed_or_refused(where):
    found = attempt(
        torch.serialization.get_unsafe_globals_in_checkpoint,
        archive(flipped(PROGRAM, where), STORAGES),
    )
    assert found is None or all(isinstance(name, str) for name in found)


# ------------------------------------------------------------------ .safetensors

SAFE = {
    "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
    "b": {"dtype": "I64", "shape": [1, 2], "data_offsets": [16, 32]},
    "__metadata__": {"format": "pt"},
}
odd = st.one_of(
    st.integers(-2, 40), st.integers(), st.none(), st.booleans(), st.text(max_size=3), st.floats(),
    st.lists(st.one_of(st.integers(-1, 40), st.integers()), max_size=3),
    st.sampled_from([[2, 2], [1, 4], [2, 1], [0, 16], [16, 32], "F32", "I32", "F64", "F16", "BF16", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "C64", "I128", "U64", "F4"]),
)  # fmt: skip


@fuzz(250)
@given(changes)
def test_flipped_bytes_of_safetensors(where):
    pytest.importorskip("safetensors")
    attempt(safetensors_module.load, flipped(safetensors(SAFE, bytes(32)), where))


@fuzz(250)
@given(
    st.sampled_from(["a", "b"]),
    st.sampled_from(["dtype", "shape", "data_offsets"]),
    odd,
    st.sampled_from([32, 32, 31, 33]),
)
def test_safetensors_with_odd_headers(name, key, value, size):
    pytest.importorskip("safetensors")
    header = json.loads(json.dumps(SAFE))
    header[name][key] = value
    found = attempt(safetensors_module.load, safetensors(header, bytes(size)))
    if found is not None:
        assert sum(t.numel() * t.element_size() for t in found.values()) <= size


@fuzz(60)
@given(places, st.integers(0, 2**64 - 1))
def test_truncated_safetensors(where, length):
    pytest.importorskip("safetensors")
    data = safetensors(SAFE, bytes(32))
    assert attempt(safetensors_module.load, data[: int(where * len(data))]) is None
    attempt(safetensors_module.load, safetensors(SAFE, bytes(32), length))


# ------------------------------------------------------------------ .npz


@fuzz(150)
@given(changes, st.booleans())
def test_flipped_bytes_of_npz(where, compressed):
    file = io.BytesIO()
    torch.save_npz({"a": torch.arange(5.0), "b": torch.ones(2, 2)}, file, compressed)
    found = attempt(lambda d: torch.load_npz(io.BytesIO(d)), flipped(file.getvalue(), where))
    if found is not None:
        assert {k: v.tolist() for k, v in found.items()} == {
            "a": [0, 1, 2, 3, 4],
            "b": [[1, 1], [1, 1]],
        }


shapes = st.one_of(
    st.lists(st.integers(-2, 9), max_size=4).map(tuple), st.tuples(st.integers()), odd
)
descrs = st.one_of(
    st.sampled_from(["<f8", ">f4", "|b1", "<c16", "<f2", "|O", "|V8", "<U3", "|S2", "<M8[s]", "<f16", "|V0", "<i0"]),
    st.text(max_size=4), odd,
)  # fmt: skip


@fuzz(100)
@given(
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
    st.sampled_from(["<f8", ">f4", "|b1", "<c16", "<f2", ">i2", "|u1"]),
    st.sampled_from([0, 0, 0, 1, -1, 8]),
    st.booleans(),
)
def test_npz_with_sizes_that_fit_or_not(shape, descr, more, fortran):
    size = int(np.prod(shape)) * np.dtype(descr).itemsize + more
    data = npz([("a.npy", npy(shape, descr, bytes(max(size, 0)), fortran))])
    found = attempt(lambda d: torch.load_npz(io.BytesIO(d)), data)
    assert (found is not None) == (more == 0 or size < 0)
    if found is not None:
        assert found["a"].shape == shape


@fuzz(250)
@given(shapes, descrs, st.integers(0, 80), odd)
def test_npz_with_odd_headers(shape, descr, size, fortran):
    tracemalloc.start()
    try:
        data = npz([("a.npy", npy(shape, descr, bytes(size), fortran))])
        found = attempt(lambda d: torch.load_npz(io.BytesIO(d)), data)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    if found is not None:
        assert found["a"].numel() * found["a"].element_size() <= size


def test_a_directory_that_loses_members():
    """Found by the fuzzing: the comment of one entry swallows the next, and zipfile says nothing."""
    file = io.BytesIO()
    torch.save_npz({"a": torch.arange(5.0), "b": torch.ones(2, 2)}, file)
    data = bytearray(file.getvalue())
    first, second = data.index(b"PK\x01\x02"), data.rindex(b"PK\x01\x02")
    data[first + 32] = data.rindex(b"PK\x05\x06") - second
    with pytest.raises(LoadError, match="lists 1 of 2 members"):
        torch.load_npz(io.BytesIO(bytes(data)))
    assert attempt(load_pt, b"\x80") is None


@fuzz(60)
@given(places)
def test_truncated_npz(where):
    data = npz([("a.npy", npy((2,), data=bytes(16)))])
    assert attempt(lambda d: torch.load_npz(io.BytesIO(d)), data[: int(where * len(data))]) is None
