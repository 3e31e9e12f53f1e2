"""The known attacks on checkpoint files, one test each, and some that were found here.

Each is refused with one clear error or loads as harmless data; memory stays in proportion to the file.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import time
import tracemalloc
import zipfile

import pytest
from against import REAL, raises, torch
from hostile_files import FOUR, archive, npy, npz, number, safetensors, tensor, text

pytestmark = pytest.mark.wengert_only

if not REAL:
    from wengert.serialization import LoadError
    from wengert.serialization import safetensors as safetensors_module

RUN = b"cposix\nsystem\n" + text("touch harmed") + b"\x85R"
ORDERED = b"ccollections\nOrderedDict\n"


@pytest.fixture(autouse=True)
def _nothing_runs(tmp_path, monkeypatch):
    """Every attack here would leave a file called `harmed`."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not os.path.exists("harmed")


def refused(file, *phrases, load=None):
    with raises(LoadError, *phrases):
        (load or torch.load)(file)


class Bounded:
    """Asserts that a block allocates no more than `limit` bytes at once and takes `seconds` at most."""

    def __init__(self, limit=4_000_000, seconds=60):
        self.limit, self.seconds = limit, seconds

    def __enter__(self):
        tracemalloc.start()
        self.start = time.perf_counter()

    def __exit__(self, *_):
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < self.limit
        assert time.perf_counter() - self.start < self.seconds


# ------------------------------------------------------------------ running code


def test_a_pickle_gadget_in_the_program():
    refused(archive(b"\x80\x02" + RUN + b"."), "refusing to load global posix.system")
    for protocol in range(6):

        class Gadget:
            def __reduce__(self):
                return os.system, ("touch harmed",)

        refused(archive(pickle.dumps({"weight": Gadget()}, protocol)), "refus")


def test_a_gadget_hidden_behind_a_good_tensor():
    good = tensor([2, 2], [2, 1])[2:-1]
    refused(archive(b"\x80\x02" + good + RUN + b"\x86.", [FOUR]), "posix.system")
    refused(archive(b"\x80\x02" + good + RUN + b"0.", [FOUR]), "posix.system")


def test_a_gadget_as_persistent_id():
    refused(archive(b"\x80\x02" + RUN + b"Q."), "posix.system")
    refused(
        archive(b"\x80\x02(" + text("module") + text("os") + text("src") + b"tQ."), "no storage"
    )


def test_cve_2025_32434_the_old_tar_format_under_weights_only():
    """The loader of tar files unpickled without limits even where limits were asked for."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = b"\x80\x02" + RUN + b"."
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    for options in ({}, {"weights_only": True}, {"weights_only": False}):
        out.seek(0)
        with raises(LoadError, "a tar file of the oldest PyTorch format"):
            torch.load(out, **options)


def test_the_legacy_format_is_never_unpickled():
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    refused(
        io.BytesIO(magic + b"\x80\x02M\xe9\x03." + b"\x80\x02" + RUN + b"."), "before PyTorch 1.6"
    )


def test_a_torchscript_archive():
    refused(archive(b"\x80\x02N.", **{"constants.pkl": b"\x80\x02" + RUN + b"."}), "TorchScript")


def test_a_plain_pickle():
    refused(io.BytesIO(b"\x80\x02" + RUN + b"."), "plain pickle, which may run code")


def test_weights_only_false_runs_nothing_either():
    with raises(LoadError, "nothing in a file is ever executed, with weights_only=False neither"):
        torch.load(archive(b"\x80\x02" + RUN + b"."), weights_only=False)
    with raises(LoadError, "posix.system"):
        torch.load(archive(b"\x80\x02" + RUN + b"."), pickle_module=pickle)


def test_extension_opcodes_and_instances():
    for program in (
        b"\x82\x01.",
        b"\x83\x01\x00.",
        b"(" + text("x") + b"iposix\nsystem\n.",
        b"(cposix\nsystem\no.",
    ):
        refused(archive(b"\x80\x02" + program), "refus")


def test_new_object_opcodes():
    for opcode in (b")\x81", b")}\x92"):
        refused(archive(b"\x80\x02" + ORDERED + opcode + b"."), "uses the opcode")


def test_a_name_in_two_texts():
    refused(archive(b"\x80\x04" + text("posix") + text("system") + b"\x93."), "posix.system")
    refused(
        archive(b"\x80\x04" + text("torch") + text("nn.Linear.__init__") + b"\x93."), "refusing"
    )
    refused(archive(b"\x80\x04K\x01K\x02\x93."), "not text")


# ------------------------------------------------------------------ types


def test_cve_2026_24747_items_set_on_what_is_no_dict():
    for target in (b"]", b")", b"N", text("x"), b"K\x01", tensor([4], [1])[2:-1], ORDERED, b"\x8f"):
        for setting in (b"K\x00K\x01s", b"(K\x00K\x01u"):
            refused(archive(b"\x80\x02" + target + setting + b".", [FOUR]), "sets items of a")


def test_items_appended_to_what_is_no_list():
    for target in (b"}", b")", text("x"), tensor([4], [1])[2:-1], ORDERED + b")R", b"\x8f"):
        for adding in (b"K\x01a", b"(K\x01e"):
            refused(archive(b"\x80\x02" + target + adding + b".", [FOUR]), "appends to a")
    refused(archive(b"\x80\x04](K\x01\x90."), "adds items to a list")


def test_state_given_to_what_takes_none():
    for target in (b"}", b"]", b"K\x01", tensor([4], [1])[2:-1], b"ctorch\nfloat32\n", b"\x8f"):
        refused(archive(b"\x80\x02" + target + b"}b.", [FOUR]), "sets the state of a")


def test_an_attribute_that_numpy_takes_for_an_address():
    """NumPy reads the memory that `__array_interface__` points to, on any object that has it."""
    interface = b"}(" + text("data") + number(16) + b"\x89\x86" + text("shape") + b"K\x01\x85" + (
        text("typestr") + text("<f8") + text("version") + b"K\x03u")  # fmt: skip
    state = b"}" + text("__array_interface__") + interface + b"s"
    refused(archive(b"\x80\x02" + ORDERED + b")R" + state + b"b."), "attributes that hide its own")
    arguments = tensor([4], [1])[2:-2].replace(b"ctorch._utils\n_rebuild_tensor_v2\n", b"", 1)
    program = b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\n"
    for name in (
        "__array_interface__",
        "__array_struct__",
        "__class__",
        "shape",
        "_array",
        "backward",
    ):
        state = b"}" + text(name) + b"K\x01s"
        file = archive(program + b"ctorch\nTensor\n" + arguments + state + b"tR.", [FOUR])
        refused(file, f"the attribute '{name}'")
    state = b"}" + text("note") + b"K\x01s"
    loaded = torch.load(archive(program + b"ctorch\nTensor\n" + arguments + state + b"tR.", [FOUR]))
    assert loaded.note == 1


# ------------------------------------------------------------------ memory and time


def test_long_binput_with_a_huge_index():
    """CPython's unpickler makes a table of that many entries: 9.4 GB for this one opcode."""
    with Bounded():
        assert torch.load(archive(b"\x80\x02Nr" + struct.pack("<I", 1_175_087_203) + b".")) is None


def test_lengths_that_go_beyond_the_file():
    for program in (
        b"X\xff\xff\xff\xff", b"B\xff\xff\xff\xff", b"\x8b\xff\xff\xff\x7f", b"T\xff\xff\xff\x7f",
        b"\x8d" + b"\xff" * 7 + b"\x7f", b"\x8e" + b"\xff" * 7 + b"\x7f", b"\x96" + b"\xff" * 7 + b"\x7f",
        b"\x95" + b"\xff" * 8 + b"X\xff\xff\xff\xff",
    ):  # fmt: skip
        with Bounded():
            refused(archive(b"\x80\x05" + program + b"abc."), "data.pkl")


def test_a_storage_smaller_than_its_claim():
    """With CVE-2026-24747: tensors looked beyond the bytes that were in the archive."""
    for numel, data in ((1000, FOUR), (4, FOUR[:8]), (2**50, FOUR), (4, b"")):
        with Bounded():
            refused(archive(tensor([1], [1], 0, numel), [data]), "bytes in the archive")


def test_as_strided_out_of_bounds():
    for size, stride, offset in (
        ([5], [1], 0),
        ([2, 2], [3, 1], 1),
        ([1], [1], 4),
        ([2], [2**60], 0),
    ):
        refused(archive(tensor(size, stride, offset), [FOUR]), "reaches beyond its storage")
    refused(archive(tensor([2], [-1], 1), [FOUR]), "stride")


def test_zero_strides_that_repeat_one_number_for_ever():
    with Bounded():
        refused(archive(tensor([2**40, 2**20], [0, 0]), [FOUR]), "refused as too large")


def test_conjugates_of_a_repeated_number():
    """To conjugate is to copy: of one number here, not of the sixteen gigabytes that repeat it."""
    storage = b"ctorch\nComplexFloatStorage\n"
    flag = b"N}" + text("conj") + b"\x88s"
    program = tensor([2**30], [0], 0, 1, kind=storage).replace(b"\x89NtR", b"\x89" + flag + b"tR")
    with Bounded():
        found = torch.load(archive(program, [FOUR[:8]]))
    assert found.stride() == (0,)
    assert found[2**29].item() == 1 - 2j


def test_one_text_copied_over_and_over():
    """Two megabytes of program for twenty gigabytes of bytes."""
    copies = b"c_codecs\nencode\nq\x01" + text("x" * 1_000_000) + text("latin1") + b"\x86q\x02"
    copies += b"h\x01h\x02R" * 20_000
    with Bounded(60_000_000):
        refused(archive(b"\x80\x02(" + copies + b"t."), "far more memory or time")


@pytest.mark.parametrize(
    "name", [b"c__builtin__\nset\n", b"c__builtin__\nfrozenset\n", ORDERED, b"ctorch\nSize\n"]
)
def test_one_list_copied_over_and_over(name):
    item = b"K\x01" if b"Size" in name else b"K\x01K\x02\x86"
    many = b"](" + item * 5_000 + b"e\x85q\x02"
    program = b"\x80\x02(" + name + b"q\x01" + many + b"h\x01h\x02R" * 20_000 + b"t."
    with Bounded(80_000_000):
        refused(archive(program), "refused")


def test_keys_that_are_nested_too_deeply():
    """Hashing nested tuples recurses in C without a limit: enough of them are a crash."""
    deep = b")" + b"\x85" * 100_000
    refused(archive(b"\x80\x02}" + deep + b"K\x01s."), "deeply nested tuple as a key")
    refused(archive(b"\x80\x02c__builtin__\nset\n]" + deep + b"a\x85R."), "deeply nested")
    refused(archive(b"\x80\x04\x8f(" + deep + b"\x90."), "deeply nested")
    refused(archive(b"\x80\x04(" + deep + b"\x91."), "deeply nested")
    refused(archive(b"\x80\x02" + ORDERED + b"](" + deep + b"K\x01\x86e\x85R."), "deeply nested")


def test_keys_that_are_endless_to_walk():
    """Thirty tuples of one tuple twice: small in memory, 2 ** 30 steps to hash."""
    shared = b")q\x000" + b"".join(b"h%ch%c\x86q%c0" % (k, k, k + 1) for k in range(30))
    with Bounded(40_000_000):
        refused(archive(b"\x80\x02}" + shared + b"h\x1eK\x01s."), "far more memory or time")


def test_keys_that_share_one_hash():
    """hash(n * (2 ** 61 - 1)) is 0 for every n: a dict of such numbers takes quadratic time."""
    big = b"".join(
        b"\x8a\x0c" + (k * (2**61 - 1)).to_bytes(12, "little") + b"N" for k in range(1, 5_000)
    )
    with Bounded(20_000_000):
        refused(archive(b"\x80\x02}(" + big + b"u."), "more than 64 bits as a key")
    b = [(1 << 40) + k for k in range(5_000)]  # complex(-1000003 * k, k) all have one hash
    same = b"".join(b"c__builtin__\ncomplex\nG" + struct.pack(">d", -1000003.0 * (k - b[0])) + b"G"
                    + struct.pack(">d", float(k - b[0])) + b"\x86RN" for k in b)  # fmt: skip
    with Bounded(20_000_000):
        refused(archive(b"\x80\x02}(" + same + b"u."), "too many keys of one hash")


def test_errors_do_not_print_what_is_endless_to_print():
    """A message with a list of lists of one list, thirty deep, would never be finished."""
    shared = b"]q\x00" + b"".join(b"](h%ch%ceq%c" % (k, k, k + 1) for k in range(40))
    wrong = tensor([1], [1]).replace(b"(" + number(1) + b"t", b"h\x28", 1)
    with Bounded():
        refused(archive(b"\x80\x02" + shared + b"0" + wrong[2:], [FOUR]), "the size a list")
        refused(
            archive(b"\x80\x02" + shared + b"0ctorch\ndevice\nh\x28\x85R."), "the device a list"
        )
        refused(archive(b"\x80\x02cnumpy\ndtype\n" + text("f" * 100_000) + b"\x85R."), "...")


def test_nesting_deeper_than_the_stack():
    with Bounded(200_000_000):
        found = torch.load(archive(b"\x80\x02" + b"]" * 150_000 + b"a" * 149_999 + b"."))
    depth = 0
    while found:
        found, depth = found[0], depth + 1
    assert depth == 149_999
    torch.load(archive(b"\x80\x02)" + b"\x85" * 150_000 + b"."))


# ------------------------------------------------------------------ the archive


def test_members_that_unpack_to_far_more():
    """A zip bomb: a gigabyte of zeros deflates to a megabyte."""
    file = archive(b"\x80\x02N.", [bytes(50_000_000)], compression=zipfile.ZIP_DEFLATED)
    with Bounded():
        refused(file, "is compressed: refused")


def test_members_that_claim_more_than_the_file():
    data = bytearray(archive(tensor([1], [1]), [FOUR]).getvalue())
    where = data.rindex(b"PK\x01\x02")
    data[where + 20 : where + 28] = struct.pack("<2I", 2**32 - 2, 2**32 - 2)
    with Bounded():
        refused(io.BytesIO(bytes(data)), "claim", "bytes")


def test_names_that_lead_out_of_the_archive(tmp_path):
    (tmp_path / "secret").write_bytes(FOUR)
    for key in (
        str(tmp_path / "secret"),
        "../secret",
        "../../data.pkl",
        "",
        ".",
        "0/../0",
        "0\0",
        "C:\\secret",
    ):
        refused(archive(tensor([4], [1], key=key), [FOUR]), "has no storage")
    odd = archive(tensor([4], [1]), [FOUR], **{"../../harmed": b"x", "/tmp/harmed": b"x"})
    assert torch.load(odd).tolist() == [1.0, 2.0, 3.0, 4.0]
    assert os.listdir(tmp_path) == ["secret"]


def test_two_members_of_one_name():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("archive/data.pkl", b"\x80\x02N.")
        file.writestr("archive/data.pkl", b"\x80\x02" + RUN + b".")
    refused(out, "two members named")


def test_a_local_header_that_disagrees_with_the_directory():
    """What one reader checks, another loads: the header before the bytes names other lengths."""
    data = bytearray(archive(tensor([4], [1]), [FOUR]).getvalue())
    where = data.index(FOUR) - 30 - len("archive/data/0")
    assert data[where : where + 4] == b"PK\x03\x04"
    data[where + 26] += 4  # the name is four bytes longer, so the bytes start later
    refused(io.BytesIO(bytes(data)), "damaged")


def test_a_mapped_file_is_checked_too(tmp_path):
    path = tmp_path / "a.pt"
    for program, phrase in (
        (tensor([5], [1]), "reaches beyond"),
        (tensor([1], [1], 0, 5), "in the archive"),
    ):
        path.write_bytes(archive(program, [FOUR]).getvalue())
        with raises(LoadError, phrase):
            torch.load(path, mmap=True)


# ------------------------------------------------------------------ .safetensors

F32 = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


def load_safetensors(data):
    pytest.importorskip("safetensors")
    return safetensors_module.load(data)


def test_the_helper_writes_safetensors():
    assert load_safetensors(safetensors({"a": F32}, FOUR))["a"].tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": F32}, FOUR[:-1]),
        ({"a": F32}, FOUR + b"x"),
        ({"a": {**F32, "shape": [5]}}, FOUR),
        ({"a": {**F32, "shape": [2**40, 2**40]}}, FOUR),
        ({"a": {**F32, "shape": [-4]}}, FOUR),
        ({"a": {**F32, "data_offsets": [16, 0]}}, FOUR),
        ({"a": {**F32, "data_offsets": [0, 2**62]}}, FOUR),
        ({"a": {**F32, "data_offsets": [4, 20]}}, FOUR + FOUR),
        ({"a": F32, "b": F32}, FOUR),
        ({"a": {**F32, "dtype": "OBJECT"}}, FOUR),
        ({"a": 3}, FOUR),
        (b'{"a": ', FOUR),
        (b"[" * 100_000, b""),
        (b"\xff" * 8, b""),
        (b"", b""),
    ],
)
def test_safetensors_headers_that_lie(header, data):
    with Bounded():
        refused(safetensors(header, data), "no valid safetensors file", load=load_safetensors)


def test_safetensors_header_lengths_that_lie():
    for length in (2**63, 2**40, 10**9, 10**6, 1):
        with Bounded():
            refused(safetensors({"a": F32}, FOUR, length), "no valid", load=load_safetensors)


def test_safetensors_of_strided_tensors_are_not_scrambled():
    pytest.importorskip("safetensors")
    for t in (torch.arange(6.0).reshape(2, 3).t(), torch.arange(9)[::2], torch.ones(1).expand(3)):
        back = load_safetensors(safetensors_module.save({"t": t}))["t"]
        assert back.tolist() == t.tolist()


# ------------------------------------------------------------------ .npz


def load_npz(data):
    return torch.load_npz(io.BytesIO(data))


def test_the_helper_writes_npz():
    assert load_npz(npz([("a.npy", npy((2,), "<f8", bytes(16)))]))["a"].tolist() == [0.0, 0.0]


def test_npz_objects_are_not_unpickled():
    for descr in ("|O", [("a", "<f8"), ("b", "|O")]):
        data = npz([("a.npy", npy((1,), descr, b"\x80\x02" + RUN + b"."))])
        refused(data, "Python objects", load=load_npz)


def test_npz_headers_are_not_evaluated():
    header = (
        b"{'descr': __import__('os').system('touch harmed'), 'fortran_order': False, 'shape': ()}\n"
    )
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    refused(npz([("a.npy", member)]), "no valid .npz archive", load=load_npz)


@pytest.mark.parametrize("shape", [(2**40,), (2**62, 2**62), (-1,), (3,), (2**31, 0, 5)])
def test_npz_shapes_that_lie(shape):
    with Bounded():
        if 0 in shape:
            assert load_npz(npz([("a.npy", npy(shape))]))["a"].numel() == 0
        else:
            refused(npz([("a.npy", npy(shape, data=bytes(16)))]), "claims the shape", load=load_npz)


def test_npz_members_that_claim_more_than_they_hold():
    """The sizes in the directory agree with the header, and both lie."""
    member = npy((2**28,), data=bytes(16))
    size = len(member) - 16 + 2**31
    for claims in ({"size": size}, {"size": size, "packed": size}):
        with Bounded():
            refused(npz([("a.npy", member)], **claims), "claims", load=load_npz)
    with Bounded():
        packed = npz([("a.npy", member)], size=size, compression=zipfile.ZIP_DEFLATED)
        refused(packed, "claim", load=load_npz)


def test_npz_bombs():
    member = npy((2**23,), data=bytes(2**26))
    for compression in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        data = npz([("a.npy", npy((2,), data=bytes(16)))], compression=compression)
        refused(data, "compressed in a way that NumPy does not use", load=load_npz)
    bomb = io.BytesIO(npz([("a.npy", member)], compression=zipfile.ZIP_DEFLATED))
    with Bounded(), raises(LoadError, "more than max_bytes=1000000"):
        torch.load_npz(bomb, max_bytes=1_000_000)


def test_npz_names_never_become_paths(tmp_path):
    good = npy((2,), data=bytes(16))
    found = load_npz(npz([("../harmed.npy", good), ("/tmp/harmed.npy", good)]))
    assert sorted(found) == ["../harmed", "/tmp/harmed"]
    assert os.listdir(tmp_path) == []


def test_npz_does_not_lose_bfloat16():
    """NumPy writes the dtype as two opaque bytes; nothing is written that reads back as another."""
    data = npz([("a.npy", npy((2,), "|V2", bytes(4)))])
    refused(data, "which no tensor has", load=load_npz)
    pytest.importorskip("ml_dtypes")
    with raises(TypeError, "is bfloat16, which .npz files can't hold"):
        torch.save_npz({"a": torch.ones(2, dtype=torch.bfloat16)}, io.BytesIO())
