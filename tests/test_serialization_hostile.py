"""Files that are damaged or mean harm: each is refused with one clear error, and nothing runs."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import time
import tracemalloc
import warnings
import zipfile

import pytest
from against import REAL, raises, torch
from hostile_files import FOUR, archive, tensor, text

pytestmark = pytest.mark.wengert_only

if not REAL:
    from wengert.serialization.formats import LoadError


ROUNDS = int(os.environ.get("WENGERT_FUZZ_ROUNDS", "1000"))


def test_the_helper_makes_valid_files():
    assert torch.load(archive(tensor([2, 2], [2, 1]), [FOUR])).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def refused(file, *phrases):
    with raises(LoadError, *phrases):
        torch.load(file)
    with raises(pickle.UnpicklingError, *phrases):
        torch.load(file, weights_only=False)  # the same rules


# ------------------------------------------------------------------ code

GADGETS = [
    b"cos\nsystem\n", b"cposix\nsystem\n", b"cbuiltins\neval\n", b"c__builtin__\neval\n",
    b"c__builtin__\ngetattr\n", b"c__builtin__\n__import__\n", b"csubprocess\nPopen\n",
    b"ctorch\nload\n", b"ctorch.serialization\nload\n", b"ctorch.hub\nload\n", b"cnumpy\nload\n",
    b"cnumpy.testing._private.utils\nrunstring\n", b"ccopyreg\n_reconstructor\n",
    b"cpickle\nloads\n", b"ctorch._utils\n_import_dotted_name\n", b"ccollections\nnamedtuple\n",
    b"cwengert.serialization\nload\n", b"ctorch.nn.modules.linear\nLinear\n",
    b"ctorch._utils\n_rebuild_sparse_tensor\n", b"cos.path\njoin\n",
]  # fmt: skip


@pytest.mark.parametrize(
    "name", GADGETS, ids=[g[1:-1].replace(b"\n", b".").decode() for g in GADGETS]
)
def test_names_that_are_not_allowed(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = b"\x80\x02" + name + b"(" + text("touch harmed") + b"tR."
    full = name[1:-1].replace(b"\n", b".").decode()
    refused(archive(called), f"refusing to load global {full}", f"GLOBAL {full}")
    refused(archive(b"\x80\x02" + name + b"."), "refusing to load global")
    assert os.listdir() == []


def test_a_pickled_object_does_not_run():
    class Harm:
        def __reduce__(self):
            return (os.system, ("touch harmed",))

    for protocol in range(6):
        refused(archive(pickle.dumps(Harm(), protocol)), "refus")
    with pytest.raises(LoadError, match="plain pickle, which may run code"):
        torch.load(io.BytesIO(pickle.dumps(Harm(), 2)))


@pytest.mark.parametrize(
    ("program", "phrase"),
    [
        (b"\x80\x02]K\x01K\x02s.", "sets items of a list"),
        (b"\x80\x02ccollections\nOrderedDict\nK\x01K\x02s.", "sets items of a Constructor"),
        (b"\x80\x02}K\x01a.", "appends to a dict"),
        (b"\x80\x02(K\x01K\x02tK\x03a.", "appends to a tuple"),
        (b"\x80\x02]K\x01}b.", "sets the state of"),
        (b"\x80\x02}}b.", "sets the state of a dict"),
        (b"\x80\x02ccollections\nOrderedDict\n)R}" + text("items") + b"K\x01sb.", "hide its own"),
        (
            b"\x80\x02ccollections\nOrderedDict\n)R}" + text("__class__") + b"K\x01sb.",
            "hide its own",
        ),
        (b"\x80\x02K\x01)R.", "calls a int"),
        (b"\x80\x02" + text("os") + b")R.", "calls a str"),
        (b"\x80\x02ctorch\nTensor\n)R.", "makes a Tensor by calling its class"),
        (b"\x80\x02ctorch\nTensor\n)\x81.", "uses the opcode"),
        (b"\x80\x02(cos\nsystem\nios\nsystem\n.", "refus"),
        (b"\x80\x02ios\nsystem\n.", "uses the opcode"),
        (b"\x80\x02(oN.", "uses the opcode"),
        (b"\x80\x02P1\n.", "uses the opcode"),
        (b"\x80\x02\x82\x01.", "uses the opcode"),
        (b"\x80\x02ctorch\nFloatStorage\n.", "holds a storagekind"),
        (b"\x80\x02ccollections\nOrderedDict\n.", "holds a constructor"),
        (b"\x80\x02" + text("x") + b"Q.", "refers to something outside"),
        (b"\x80\x02ccollections\ndefaultdict\nctorch\ndevice\n\x85R.", "factory"),
        (b"\x80\x02ctorch\ndevice\nK\x01\x85R.", "names the device 1"),
        (b"\x80\x02c_codecs\nencode\n" + text("x") + text("rot13") + b"\x86R.", "encodes"),
        (b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\xff\xff\xff\xff\x7f\x85R.", "wrong arguments"),
        (b"\x80\x02cnumpy\ndtype\n" + text("O") + b"\x85R.", "NumPy dtype 'O'"),
        (b"\x80\x02cnumpy\ndtype\n" + text("V8") + b"\x85R.", "NumPy dtype 'V8'"),
    ],
)
def test_programs_that_reach_for_more(program, phrase):
    refused(archive(program), phrase)


# ------------------------------------------------------------------ damaged programs


@pytest.mark.parametrize(
    "program",
    [
        b"", b"\x80", b"\x80\x02", b"\x80\x02K", b"\x80\x02.", b"\x80\x02K\x01K\x02.", b"\x80\x09N.",
        b"\x80\x02e.", b"\x80\x02]e.", b"\x80\x02(.", b"\x80\x02h\x05.", b"\x80\x02q\x00.",
        b"\x80\x02X\xff\xff\xff\xffabc.", b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.", b"\x80\x02\x8b\xff\xff\xff\xff.", b"\x80\x02X\x01\x00\x00\x00\xff.",
        b"\x80\x02}(K\x01u.", b"\x80\x02}]K\x01s.", b"\x80\x02(q\x00.", b"\x80\x02cos", b"\x80\x02\x93.",
        b"\x80\x02\x85.", b"\x80\x02NR.", b"\x80\x02(K\x01\x85.", b"\x80\x02b.",
        b"\x80\x02Nb.", b"\xff\xfe", b"hello",
    ],
)  # fmt: skip
def test_damaged_programs(program):
    refused(archive(program), "data.pkl")


def test_a_huge_memo_index_costs_nothing():
    program = (
        b"\x80\x02Nr" + struct.pack("<I", 1_175_087_203) + b"j" + struct.pack("<I", 1_175_087_203)
    )
    tracemalloc.start()
    try:
        assert torch.load(archive(program + b"\x86.")) == (None, None)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_long_program_is_linear():
    start = time.perf_counter()
    program = b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    torch.load(archive(program))
    assert time.perf_counter() - start < 5


# ------------------------------------------------------------------ tensors that do not fit


@pytest.mark.parametrize(
    ("size", "stride", "offset", "phrase"),
    [
        ([5], [1], 0, "reaches beyond its storage of 16 bytes"),
        ([4], [1], 1, "reaches beyond"),
        ([2, 2], [100, 1], 0, "reaches beyond"),
        ([1], [1], 4, "reaches beyond"),
        ([2**40], [1], 0, "reaches beyond"),
        ([2**60, 2**60], [1, 1], 0, "reaches beyond"),
        ([2**31, 2**31], [0, 0], 0, "refused as too large"),
        ([4], [-1], 3, "stride"),
        ([-1], [1], 0, "size"),
        ([2], [1], -1, "offset"),
        ([2, 2], [1], 0, "size (2, 2) with stride (1,)"),
        ([1] * 70, [1] * 70, 0, "refused"),
        ([2**62], [1], 0, "size"),
    ],
)
def test_geometry(size, stride, offset, phrase):
    refused(archive(tensor(size, stride, offset), [FOUR]), phrase)


@pytest.mark.parametrize(
    ("numel", "data", "phrase"),
    [
        (4, FOUR[:-1], "has 15 bytes in the archive, but the tensors on it need 16"),
        (4, FOUR + b"x", "has 17 bytes"),
        (5, FOUR, "need 20"),
        (-4, FOUR, "need -16"),
        (2**40, FOUR, "need"),
    ],
)
def test_storage_sizes(numel, data, phrase):
    refused(archive(tensor([1], [1], 0, numel), [data]), phrase)


def test_storages_that_are_not_there_or_disagree():
    refused(archive(tensor([1], [1], key="7"), [FOUR]), "has no storage '7'")
    refused(archive(tensor([1], [1], key="../data.pkl"), [FOUR]), "has no storage")
    refused(archive(tensor([1], [1], key="/etc/passwd"), [FOUR]), "has no storage")
    refused(
        archive(tensor([1], [1], kind=b"ctorch\nQInt8Storage\n"), [FOUR]), "refusing to load global"
    )
    refused(archive(tensor([1], [1], kind=b"K\x01"), [FOUR]), "no storage")
    one = tensor([1], [1])[2:-1]
    other = tensor([1], [1], numel=2, kind=b"ctorch\nDoubleStorage\n")[2:-1]
    refused(archive(b"\x80\x02" + one + other + b"\x86.", [FOUR]), "the storage '0' is used with")


def test_flags_and_hooks():
    refused(archive(tensor([1], [1], hooks=b"}K\x01K\x02s"), [FOUR]), "attaches hooks")
    wants = tensor([1], [1], kind=b"ctorch\nIntStorage\n").replace(b"\x89N", b"\x88N")
    refused(archive(wants, [FOUR]), "wrong arguments")
    odd = tensor([1], [1]).replace(b"\x89N", b"K\x01N")
    refused(archive(odd, [FOUR]), "requires_grad")


# ------------------------------------------------------------------ archives


def good():
    file = io.BytesIO()
    torch.save({"weight": torch.arange(100.0), "name": "x"}, file)
    return file.getvalue()


def test_every_truncation_is_refused():
    data = good()
    for n in [*range(1, 70), *range(70, len(data), 37), len(data) - 1]:
        with pytest.raises(LoadError):
            torch.load(io.BytesIO(data[:n]))


def test_changed_bytes_never_crash():
    data, chance = good(), random.Random(0)
    for _ in range(ROUNDS):
        changed = bytearray(data)
        for _ in range(chance.choice([1, 1, 2, 8])):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                torch.load(io.BytesIO(bytes(changed)))
            except LoadError:
                pass


def test_random_programs_never_crash():
    chance = random.Random(1)
    pieces = [bytes((k,)) for k in range(256)] + [
        b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n", text("0"), text("storage"),
        b"ccollections\nOrderedDict\n", b"c__builtin__\nset\n", b"cnumpy\ndtype\n", b"}", b"]", b")",
        b"(", b"t", b"R", b"b", b"Q", b"s", b"u", b"e", b"\x86", b"K\x01", tensor([2], [1])[2:-1],
        b"ctorch\nSize\n", b"ctorch\nfloat32\n", b"cnumpy._core.multiarray\n_reconstruct\n",
    ]  # fmt: skip
    for _ in range(ROUNDS):
        program = (
            b"\x80\x02"
            + b"".join(chance.choice(pieces) for _ in range(chance.randrange(30)))
            + b"."
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                torch.load(archive(program, [FOUR]))
            except LoadError:
                pass


def test_changed_programs_never_crash():
    """The same with checksums made right again, so that the interpreter sees the change."""
    file = io.BytesIO()
    value = {
        "w": torch.ones(2, 2).t(),
        "s": {1},
        "c": 1j,
        "z": torch.Size([1]),
        "o": 2**70,
        "b": b"x",
    }
    torch.save([value, torch.nn.Linear(1, 2).state_dict(), torch.nn.Parameter(torch.ones(1))], file)
    with zipfile.ZipFile(file) as source:
        program = source.read("archive/data.pkl")
        storages = [source.read(f"archive/data/{k}") for k in range(4)]
    torch.load(archive(program, storages))
    chance = random.Random(2)
    for _ in range(ROUNDS):
        changed = bytearray(program)
        for _ in range(chance.choice([1, 1, 2, 5])):
            k = chance.randrange(2, len(changed))
            kind = chance.randrange(3)
            if kind == 0:
                changed[k] = chance.randrange(256)
            elif kind == 1:
                del changed[k]
            else:
                changed.insert(k, chance.choice(b"()]}tRbQsueaq0N\x85\x86\x87\x88"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                torch.load(archive(bytes(changed), storages))
            except (LoadError, RuntimeError):
                pass


def test_a_wrong_checksum():
    data = bytearray(good())
    where = bytes(data).index(struct.pack("<f", 99.0))
    data[where] ^= 1
    refused(io.BytesIO(bytes(data)), "checksum")


def test_compressed_encrypted_and_doubled_members():
    refused(archive(tensor([1], [1]), [FOUR], compression=zipfile.ZIP_DEFLATED), "is compressed")
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as file:
        warnings.simplefilter("ignore")
        file.writestr("archive/data.pkl", b"\x80\x02N.")
        file.writestr("archive/data.pkl", b"\x80\x02K\x01.")
    refused(out, "two members named")
    data = bytearray(archive(b"\x80\x02N.").getvalue())
    where = data.index(b"PK\x01\x02")
    data[where + 8] |= 1
    refused(io.BytesIO(bytes(data)), "encrypted")


def test_members_that_claim_too_much():
    data = bytearray(archive(tensor([1], [1]), [FOUR]).getvalue())
    where = data.rindex(b"PK\x01\x02")
    data[where + 20 : where + 28] = struct.pack("<2I", 2**31, 2**31)
    refused(io.BytesIO(bytes(data)), "claim", "bytes")


def test_other_kinds_of_files(tmp_path):
    import tarfile

    import numpy as np

    refused(io.BytesIO(b"hello world, this is no archive"), "no zip archive")
    refused(
        io.BytesIO(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."),
        "before PyTorch 1.6",
    )
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.addfile(tarfile.TarInfo("storages"))
    refused(
        io.BytesIO((tmp_path / "a.tar").read_bytes()), "a tar file of the oldest PyTorch format"
    )
    array = io.BytesIO()
    np.save(array, np.ones(3))
    refused(array, "use numpy.load")
    refused(io.BytesIO(struct.pack("<Q", 20) + b'{"a":{"dtype":"F32"}}'), "use load_safetensors")
    script = archive(b"\x80\x02N.", **{"constants.pkl": b"\x80\x02).", "code/__torch__.py": b""})
    refused(script, "TorchScript")
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as file:
        file.writestr("a.txt", "x")
    refused(empty, "no data.pkl")


def test_byte_order():
    swapped = struct.pack(">4f", 1, 2, 3, 4)
    big = archive(tensor([4], [1]), [swapped], byteorder="big")
    assert torch.load(big).tolist() == [1.0, 2.0, 3.0, 4.0]
    refused(archive(tensor([4], [1]), [FOUR], byteorder="middle"), "byte order")


def test_modules_of_pytorch_say_what_to_do():
    refused(archive(b"\x80\x02ctorch.nn.modules.container\nSequential\n)\x81."),
            "refusing to load global torch.nn.modules.container.Sequential", "state_dict()")  # fmt: skip
