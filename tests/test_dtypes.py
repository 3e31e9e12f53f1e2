"""dtypes, promotion, limits, the default dtype, devices, sizes, layouts."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest
from against import REAL, raises, torch

NAMES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64",
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip
DTYPES = [getattr(torch, name) for name in NAMES]
USUAL = [d for d in DTYPES if d is not torch.bfloat16]

# Row by row, what promote_types gives; "-" where it refuses. Abbreviations as in dtype.abbr.
PROMOTED = """
b8   u8   i8   i16  i32  i64  -    -    -    f16  bf16 f32  f64  c64  c128
u8   u8   i16  i16  i32  i64  -    -    -    f16  bf16 f32  f64  c64  c128
i8   i16  i8   i16  i32  i64  -    -    -    f16  bf16 f32  f64  c64  c128
i16  i16  i16  i16  i32  i64  -    -    -    f16  bf16 f32  f64  c64  c128
i32  i32  i32  i32  i32  i64  -    -    -    f16  bf16 f32  f64  c64  c128
i64  i64  i64  i64  i64  i64  -    -    -    f16  bf16 f32  f64  c64  c128
-    -    -    -    -    -    u16  -    -    f16  bf16 f32  f64  -    -
-    -    -    -    -    -    -    u32  -    f16  bf16 f32  f64  -    -
-    -    -    -    -    -    -    -    u64  f16  bf16 f32  f64  -    -
f16  f16  f16  f16  f16  f16  f16  f16  f16  f16  f32  f32  f64  c64  c128
bf16 bf16 bf16 bf16 bf16 bf16 bf16 bf16 bf16 f32  bf16 f32  f64  c64  c128
f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f64  c64  c128
f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  c128 c128
c64  c64  c64  c64  c64  c64  -    -    -    c64  c64  c64  c128 c64  c128
c128 c128 c128 c128 c128 c128 -    -    -    c128 c128 c128 c128 c128 c128
"""


def test_promote_types_in_full():
    rows = [line.split() for line in PROMOTED.strip().splitlines()]
    for (i, a), (j, b) in itertools.product(enumerate(DTYPES), enumerate(DTYPES)):
        if rows[i][j] == "-":
            with raises(RuntimeError, "Promotion for uint16, uint32, uint64 types"):
                torch.promote_types(a, b)
        else:
            assert torch.promote_types(a, b).abbr == rows[i][j], (a, b)


def test_can_cast_forbids_a_step_down_in_kind():
    def kind(d):
        return 3 if d.is_complex else 2 if d.is_floating_point else int(d is not torch.bool)

    for a, b in itertools.product(DTYPES, DTYPES):
        assert torch.can_cast(a, b) is (kind(a) <= kind(b))


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        (torch.ones(2, dtype=torch.int8), 5, torch.int8),
        (torch.ones(2, dtype=torch.int8), 5.0, torch.float32),
        (torch.ones(2, dtype=torch.int8), True, torch.int8),
        (torch.ones(2, dtype=torch.bool), 5, torch.int64),
        (torch.ones(2, dtype=torch.float16), 5.0, torch.float16),
        (torch.ones(2, dtype=torch.float64), 5.0, torch.float64),
        (torch.ones(2, dtype=torch.float32), 1j, torch.complex64),
        (torch.ones(2, dtype=torch.float64), 1j, torch.complex128),
        (torch.ones(2), torch.ones((), dtype=torch.float64), torch.float32),
        (torch.ones(2, dtype=torch.int8), torch.ones((), dtype=torch.int64), torch.int8),
        (torch.ones(2, dtype=torch.int8), torch.ones((), dtype=torch.float64), torch.float64),
        (torch.ones((), dtype=torch.int8), torch.ones((), dtype=torch.int64), torch.int64),
        (torch.ones((), dtype=torch.int8), 7, torch.int8),
        (torch.ones((), dtype=torch.int8), 7.5, torch.float32),
        (torch.ones(2, dtype=torch.uint16), 1j, torch.complex64),
        (1, 2.5, torch.float32),
        (True, 2, torch.int64),
        (1, 1j, torch.complex64),
    ],
)
def test_result_type(left, right, result):
    assert torch.result_type(left, right) is result
    assert torch.result_type(right, left) is result
    if isinstance(left, torch.Tensor) and left.dtype is not torch.uint16:
        assert (left * right).dtype is result


def test_result_type_wants_tensors_or_numbers():
    with raises(TypeError, "result_type() received an invalid combination of arguments"):
        torch.result_type("a", 1)


@pytest.mark.torch
@pytest.mark.wengert_only
def test_promotion_against_torch():
    import torch as oracle

    def outcome(module, x, y):
        try:
            return str(module.result_type(x, y))
        except RuntimeError:
            return "refused"

    for a, b in itertools.product(USUAL, USUAL):
        for first, second in itertools.product([(2,), ()], repeat=2):
            ours = outcome(torch, torch.ones(first, dtype=a), torch.ones(second, dtype=b))
            theirs = outcome(
                oracle,
                oracle.ones(first, dtype=getattr(oracle, str(a)[6:])),
                oracle.ones(second, dtype=getattr(oracle, str(b)[6:])),
            )
            # NumPy has no complex numbers of two halves.
            assert ours == theirs.replace("complex32", "complex64"), (a, first, b, second)


# ---------------------------------------------------------------------------------- dtype objects


@pytest.mark.parametrize("d", DTYPES, ids=str)
def test_a_dtype_is_one_object(d):
    assert pickle.loads(pickle.dumps(d)) is d
    assert copy.deepcopy(d) is d
    assert copy.copy(d) is d
    assert {d: 1}[d] == 1


def test_names_and_aliases():
    assert repr(torch.float32) == str(torch.float32) == "torch.float32"
    pairs = {
        "float": "float32", "double": "float64", "half": "float16", "int": "int32",
        "long": "int64", "short": "int16", "cfloat": "complex64", "cdouble": "complex128",
    }  # fmt: skip
    for alias, name in pairs.items():
        assert getattr(torch, alias) is getattr(torch, name)


def test_dtype_facts():
    assert [d.itemsize for d in DTYPES] == [1, 1, 1, 2, 4, 8, 2, 4, 8, 2, 2, 4, 8, 8, 16]
    assert [d.is_floating_point for d in DTYPES] == [n[:5] in ("float", "bfloa") for n in NAMES]
    assert [d.is_complex for d in DTYPES] == ["complex" in n for n in NAMES]
    assert [d.is_signed for d in DTYPES] == [n[0] != "u" and n != "bool" for n in NAMES]
    assert torch.complex128.to_real() is torch.float64
    assert torch.float64.to_complex() is torch.complex128
    assert torch.int32.to_real() is torch.int32
    with raises(RuntimeError, "Unknown Complex ScalarType for Int"):
        torch.int32.to_complex()
    with raises(TypeError, "cannot create 'torch.dtype' instances"):
        torch.dtype()
    with pytest.raises(AttributeError):
        torch.float32.itemsize = 3


@pytest.mark.parametrize(
    ("given", "dtype"),
    [(float, "float64"), (int, "int64"), (bool, "bool"), (complex, "complex128")],
)
def test_python_types_are_dtypes(given, dtype):
    assert torch.zeros(1, dtype=given).dtype is getattr(torch, dtype)
    assert torch.ones(1).to(given).dtype is getattr(torch, dtype)


def test_a_bad_dtype_names_the_argument():
    with raises(TypeError, "zeros(): argument 'dtype' must be torch.dtype, not str"):
        torch.zeros(2, dtype="float32")
    with raises(TypeError, "tensor(): argument 'dtype' must be torch.dtype, not int"):
        torch.tensor([1.0], dtype=3)


@pytest.mark.wengert_only
def test_numpy_dtypes_are_dtypes():
    assert torch.zeros(1, dtype=np.float64).dtype is torch.float64
    assert torch.zeros(1, dtype=np.dtype("i2")).dtype is torch.int16
    with raises(TypeError, "did you mean torch.float32?"):
        torch.zeros(1, dtype="float32")
    with raises(TypeError, "must be torch.dtype, not type"):
        torch.zeros(1, dtype=str)
    with raises(TypeError, "can't convert np.ndarray of type numpy.str_"):
        torch.zeros(1, dtype=np.dtype("U3"))


def test_bfloat16_stores_and_rounds():
    if not REAL:
        pytest.importorskip("ml_dtypes")
    t = torch.tensor([1.0, 1.0 / 3.0], dtype=torch.bfloat16)
    assert t.element_size() == 2
    assert t.float().tolist() == [1.0, 0.333984375]
    assert repr(t) == "tensor([1.0000, 0.3340], dtype=torch.bfloat16)"
    assert torch.finfo(torch.bfloat16).max == 3.3895313892515355e38


@pytest.mark.wengert_only
def test_bfloat16_says_what_to_install(monkeypatch):
    import sys

    from wengert.kernels import dtypes

    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with raises(ImportError, "ml_dtypes", "wengert[bf16]"):
        dtypes._load_bfloat16()
    assert torch.bfloat16.itemsize == 2  # the name and its facts need nothing


# ---------------------------------------------------------------------------------- default dtype


def test_default_dtype():
    assert torch.get_default_dtype() is torch.float32
    try:
        torch.set_default_dtype(torch.float64)
        assert torch.tensor(1.5).dtype is torch.zeros(1).dtype is torch.float64
        assert torch.tensor(1j).dtype is torch.complex128
        assert (torch.ones(2, dtype=torch.int64) * 1.5).dtype is torch.float64
        assert repr(torch.ones(1)) == "tensor([1.])"
        assert repr(torch.ones(1, dtype=torch.float32)) == "tensor([1.], dtype=torch.float32)"
        torch.set_default_dtype(torch.float16)
        assert torch.tensor(1.5).dtype is torch.float16
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("bad", [torch.int32, torch.complex64, "float32", float])
def test_default_dtype_must_be_a_float(bad):
    with raises(TypeError, "only floating-point types are supported as the default type"):
        torch.set_default_dtype(bad)
    assert torch.get_default_dtype() is torch.float32


# ---------------------------------------------------------------------------------- limits


def test_finfo():
    f = torch.finfo(torch.float32)
    assert (f.bits, f.eps, f.tiny) == (32, 2.0**-23, 2.0**-126)
    assert f.min == -f.max
    assert f.dtype == "float32"
    assert repr(f) == (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, "
        "smallest_normal=1.17549e-38, tiny=1.17549e-38, dtype=float32)"
    )
    assert repr(torch.finfo(torch.float16)) == (
        "finfo(resolution=0.001, min=-65504, max=65504, eps=0.000976562, "
        "smallest_normal=6.10352e-05, tiny=6.10352e-05, dtype=float16)"
    )
    assert torch.finfo() == f
    assert torch.finfo(torch.complex64) == f
    with raises(TypeError, "torch.finfo() requires a floating point input type. Use torch.iinfo"):
        torch.finfo(torch.int32)


def test_iinfo():
    i = torch.iinfo(torch.int8)
    assert (i.min, i.max, i.bits, i.dtype) == (-128, 127, 8, "int8")
    assert repr(torch.iinfo(torch.int32)) == "iinfo(min=-2.14748e+09, max=2.14748e+09, dtype=int32)"
    assert torch.iinfo(torch.uint64).max == 2**64 - 1
    with raises(TypeError, "torch.iinfo() requires an integer input type. Use torch.finfo"):
        torch.iinfo(torch.float32)
    with raises(TypeError, "torch.bool is not supported by torch.iinfo"):
        torch.iinfo(torch.bool)


# ---------------------------------------------------------------------------------- devices


def test_devices_by_name():
    assert repr(torch.device("cpu")) == "device(type='cpu')"
    assert repr(torch.device("cuda:0")) == repr(torch.device("cuda", 0))
    assert repr(torch.device(type="cuda", index=1)) == "device(type='cuda', index=1)"
    assert str(torch.device("cuda:0")) == "cuda:0"
    assert torch.device("cuda").index is None
    assert torch.device("cpu") == torch.device(torch.device("cpu"))
    assert torch.device("cpu") != torch.device("cpu:0")
    assert torch.device("cpu") != "cpu"
    assert {torch.device("cuda:0"): 1}[torch.device("cuda", 0)] == 1
    assert pickle.loads(pickle.dumps(torch.device("cuda:1"))) == torch.device("cuda:1")
    with torch.device("cpu"):
        assert torch.ones(1).device == torch.device("cpu")


DEVICE_ERRORS = {
    "device('foo')": (RuntimeError, "Expected one of cpu, cuda"),
    "device('cuda:x')": (RuntimeError, "Invalid device string: 'cuda:x'"),
    "device('cuda:01')": (RuntimeError, "Invalid device string"),
    "device('cuda:1', 0)": (RuntimeError, "must not include an index"),
    "device('cuda', -1)": (RuntimeError, "Device index must not be negative"),
    "device('')": (RuntimeError, "Device string must not be empty"),
    "device(1.5)": (TypeError, "device() received an invalid combination"),
    "zeros(2, device=0)": (RuntimeError, "Cannot access accelerator device"),
    "zeros(2, device='cuda')": (AssertionError, "Torch not compiled with CUDA enabled"),
    "ones(2).to('cuda')": (AssertionError, "Torch not compiled with CUDA enabled"),
    "ones(2).cuda()": (AssertionError, "Torch not compiled with CUDA enabled"),
    "zeros(2, device=1.5)": (TypeError, "zeros(): argument 'device' must be torch.device"),
    "zeros(2, device='mps')": (NotImplementedError, ""),
}


@pytest.mark.parametrize("expression", DEVICE_ERRORS)
def test_device_errors(expression):
    kind, text = DEVICE_ERRORS[expression]
    with raises(kind, text):
        eval("torch." + expression)


@pytest.mark.wengert_only
def test_cuda_says_what_to_install():
    with raises(AssertionError, "cuda12", "is_available"):
        torch.zeros(1, device="cuda:0")
    with raises(AssertionError, "Torch not compiled with CUDA enabled"):
        torch.set_default_device("cuda")
    with raises(NotImplementedError, "wengert has no 'meta' device"):
        torch.zeros(1, device="meta")


def test_where_tensors_live():
    t = torch.ones(2)
    assert t.device == torch.device("cpu")
    assert (t.is_cuda, t.is_cpu, t.is_sparse, t.get_device()) == (False, True, False, -1)
    assert t.layout is torch.strided
    assert t.cpu() is t
    assert torch.zeros(2, device="cpu:0").device == torch.device("cpu")


# ---------------------------------------------------------------------------------- sizes, layouts


def test_size():
    s = torch.Size([2, 3])
    assert repr(s) == str(s) == "torch.Size([2, 3])"
    assert repr(torch.Size()) == "torch.Size([])"
    assert s.numel() == 6
    assert s == (2, 3)
    assert hash(s) == hash((2, 3))
    joined = [s.__add__((4,)), s.__radd__((4,))]
    for made in (*joined, s[:1], s * 2, 2 * s, copy.copy(s), pickle.loads(pickle.dumps(s))):
        assert type(made) is torch.Size
    assert joined == [(2, 3, 4), (4, 2, 3)]
    assert s[0] == 2
    assert type(s[0]) is int
    assert torch.Size([np.int64(3)]) == (3,)
    with raises(TypeError, "torch.Size() takes an iterable of 'int' (item 1 is 'float')"):
        torch.Size([1, 1.5])
    with raises(TypeError, "can only concatenate tuple (not list) to torch.Size"):
        s + [3]  # noqa: RUF005


def test_layouts_and_memory_formats():
    assert repr(torch.strided) == "torch.strided"
    assert repr(torch.channels_last) == "torch.channels_last"
    assert pickle.loads(pickle.dumps(torch.strided)) is torch.strided
    assert torch.empty((1, 2, 3, 4), memory_format=torch.channels_last).stride() == (24, 1, 8, 2)
    assert torch.ones(1, 2, 3, 4).to(memory_format=torch.channels_last).stride() == (24, 1, 8, 2)
    with raises(RuntimeError, "required rank 4 tensor to use channels_last format"):
        torch.empty(2, memory_format=torch.channels_last)
    with raises(
        TypeError, "empty(): argument 'memory_format' must be torch.memory_format, not int"
    ):
        torch.empty(2, memory_format=3)
    with raises(TypeError, "zeros(): argument 'layout' must be torch.layout, not str"):
        torch.zeros(2, layout="strided")


@pytest.mark.wengert_only
def test_other_layouts_are_refused():
    with raises(NotImplementedError, "zeros()", "torch.sparse_coo"):
        torch.zeros(2, layout=torch.sparse_coo)


# ---------------------------------------------------------------------------------- casts


def test_casts_record_and_return_self_where_nothing_changes():
    x = torch.tensor([1.0, 2.5], requires_grad=True)
    assert x.to(torch.float32) is x
    assert x.float() is x
    assert x.to("cpu") is x
    assert x.to(x.detach()) is x
    assert x.type_as(x.detach()) is x
    for y in (
        x.double(),
        x.to(torch.float64),
        x.to("cpu", torch.float64),
        x.to(dtype=torch.float64),
    ):
        assert y.dtype is torch.float64
        assert y.grad_fn.name() == "ToCopyBackward0"
    assert x.to(torch.float32, copy=True).grad_fn.name() == "ToCopyBackward0"
    (x.double() ** 2).sum().backward()
    assert x.grad.dtype is torch.float32
    assert x.grad.tolist() == [2.0, 5.0]


def test_casts_to_integers_end_the_graph():
    x = torch.tensor([1.7, -1.7], requires_grad=True)
    assert x.long().tolist() == [1, -1]
    for y in (x.long(), x.int(), x.short(), x.char(), x.byte(), x.bool()):
        assert not y.requires_grad


def test_casts_between_real_and_complex():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    z = x.cfloat()
    assert z.dtype is torch.complex64
    (z * (1 + 2j)).real.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_integer_casts_wrap():
    assert torch.tensor([300, -1, 128]).byte().tolist() == [44, 255, 128]
    assert torch.tensor([300, -1, 128]).char().tolist() == [44, -1, -128]
    special = torch.tensor([1.5, float("nan"), float("inf"), -float("inf")])
    assert special.bool().tolist() == [True, True, True, True]
    assert special.int().tolist()[0] == 1


def test_type_names():
    assert torch.ones(1).type() == "torch.FloatTensor"
    assert torch.ones(1).type("torch.DoubleTensor").dtype is torch.float64
    assert torch.ones(1).type(torch.LongTensor).dtype is torch.int64
    assert torch.ones(1).type(torch.int8).dtype is torch.int8
    with raises(ValueError, "invalid type: 'foo'"):
        torch.ones(1).type("foo")
    with raises(TypeError, "dtype must be a type, str, or dtype object"):
        torch.ones(1).type(3)


@pytest.mark.parametrize("args", [([1],), ("cpu", torch.float32, "x")], ids=str)
def test_bad_arguments_of_to(args):
    with raises(TypeError, "to() received an invalid combination of arguments"):
        torch.ones(1).to(*args)


def test_legacy_classes():
    assert torch.FloatTensor([1, 2]).dtype is torch.float32
    assert torch.LongTensor([1.5]).tolist() == [1]
    assert torch.LongTensor(2, 3).shape == (2, 3)
    assert isinstance(torch.ones(1), torch.FloatTensor)
    assert not isinstance(torch.ones(1), torch.DoubleTensor)
    assert repr(torch.FloatTensor) == "<class 'torch.FloatTensor'>"
    assert isinstance(torch.ones(1), torch.Tensor)
