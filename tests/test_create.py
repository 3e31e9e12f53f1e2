"""New tensors: from data, filled, evenly spaced; numbers out of tensors; copies."""

from __future__ import annotations

import copy
import math
import operator
import pickle

import numpy as np
import pytest
from against import REAL, collected_warnings, raises, torch

nan, inf = float("nan"), float("inf")


# ---------------------------------------------------------------------------------- torch.tensor


INFERRED = {
    "1": "int64",
    "1.5": "float32",
    "True": "bool",
    "1j": "complex64",
    "[]": "float32",
    "[[], []]": "float32",
    "[1, 2.5]": "float32",
    "[1, True]": "int64",
    "[True, 1.5]": "float32",
    "[1, 2.5, 1j]": "complex64",
    "(1, 2)": "int64",
    "range(3)": "int64",
    "[range(2), range(2)]": "int64",
    "[[1, 2], (3, 4)]": "int64",
    "bytearray(b'ab')": "int64",
    "np.array([1.0])": "float64",
    "np.array(3.5)": "float64",
    "np.array([1], np.uint16)": "uint16",
    "np.float32(1.5)": "float32",
    "np.float64(1.5)": "float64",
    "np.int8(1)": "int8",
    "np.bool_(True)": "bool",
    "[np.float64(1.5)]": "float64",
    "[1.0, np.float16(2.5)]": "float32",
    "[1, np.float16(2.5)]": "float16",
    "[np.uint8(1), np.int8(1)]": "int16",
    "[np.array([1.0, 2.0]), np.array([3.0, 4.0])]": "float64",
    "[np.array([1.0, 2.0], 'f'), [3, 4]]": "float32",
    "[torch.tensor(1.0), 2]": "float32",
    "[torch.tensor(1.0, dtype=torch.float64), torch.tensor(2.0)]": "float64",
    "[torch.tensor([1.0]), torch.tensor([2.0])]": "float32",
}


@pytest.mark.parametrize("data", INFERRED)
def test_dtype_and_values_from_data(data):
    value = eval(data)
    with collected_warnings():
        t = torch.tensor(value)
    assert str(t.dtype) == "torch." + INFERRED[data]
    assert not t.requires_grad
    if not isinstance(value, (list, tuple)) or "torch" not in data:
        assert t.tolist() == np.array(value, t.numpy().dtype).tolist()


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        ([[1, 2], [3]], ValueError, "expected sequence of length 2 at dim 1 (got 1)"),
        ([[[1, 2]], [[3]]], ValueError, "expected sequence of length 2 at dim 2 (got 1)"),
        ([[1, 2], 3], TypeError, "not a sequence"),
        ([1, [2, 3]], TypeError, "'list' object cannot be interpreted as"),
        ("a", TypeError, "new(): invalid data type 'str'"),
        ([1, "a"], TypeError, "new(): invalid data type 'str'"),
        (b"ab", TypeError, "new(): invalid data type 'bytes'"),
        (None, RuntimeError, "Could not infer dtype of NoneType"),
        ([1, None], RuntimeError, "Could not infer dtype of NoneType"),
        ({1: 2}, RuntimeError, "Could not infer dtype of dict"),
        ({1, 2}, RuntimeError, "Could not infer dtype of set"),
        ([2**63], ValueError, "Overflow when unpacking long long"),
        (np.array(["a"]), TypeError, "can't convert np.ndarray of type numpy.str_"),
        (np.array([None]), TypeError, "can't convert np.ndarray of type numpy.object_"),
        (
            np.arange(3)[::-1],
            ValueError,
            "At least one stride in the given numpy array is negative",
        ),
        (np.arange(3, dtype=">i4"), ValueError, "byte order different from the native byte order"),
        ([torch.ones(2), torch.ones(2)], ValueError, "only one element tensors can be converted"),
    ],
    ids=str,
)
def test_bad_data(data, kind, text):
    with raises(kind, text):
        torch.tensor(data)


def test_data_into_a_given_dtype():
    assert torch.tensor([1.5, -2.5], dtype=torch.int64).tolist() == [1, -2]
    assert torch.tensor([0.0, -1.0], dtype=torch.bool).tolist() == [False, True]
    assert torch.tensor([1e40], dtype=torch.float32).tolist() == [inf]
    assert torch.tensor([1e6], dtype=torch.float16).tolist() == [inf]
    assert torch.tensor([-1, -255], dtype=torch.uint8).tolist() == [255, 1]
    assert torch.tensor([2**63], dtype=torch.uint64).tolist() == [2**63]
    assert torch.tensor([2**70], dtype=torch.float32).tolist() == [2.0**70]
    assert torch.tensor(np.arange(3.0), dtype=torch.int8).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(300, "uint8"), (-256, "uint8"), (255.9, "uint8"), (128, "int8"), (2**31, "int32"),
     (nan, "int64"), (1e30, "int64"), (40000, "int16")],
)  # fmt: skip
def test_values_that_do_not_fit(value, dtype):
    with raises(RuntimeError, f"value cannot be converted to type {dtype} without overflow"):
        torch.tensor([value], dtype=getattr(torch, dtype))


def test_complex_does_not_become_real():
    with raises(TypeError, "must be real number, not complex"):
        torch.tensor([1j], dtype=torch.float32)


def test_tensor_copies():
    a = np.zeros(2)
    t = torch.tensor(a)
    a[0] = 1
    assert t.tolist() == [0, 0]
    x = torch.ones(2, requires_grad=True)
    with collected_warnings() as caught:
        y = torch.tensor(x)
    assert "To copy construct from a tensor, it is recommended" in str(caught[0].message)
    assert not y.requires_grad
    assert y.data_ptr() != x.data_ptr()


def test_requires_grad_needs_floats():
    assert torch.tensor([1.0], requires_grad=True).is_leaf
    for make in (
        lambda: torch.tensor([1], requires_grad=True),
        lambda: torch.zeros(2, dtype=torch.int32, requires_grad=True),
        lambda: torch.arange(3, requires_grad=True),
        lambda: torch.full((2,), 1, requires_grad=True),
    ):
        with raises(RuntimeError, "Only Tensors of floating point and complex dtype can require"):
            make()
    with raises(TypeError, "zeros(): argument 'requires_grad' must be bool, not int"):
        torch.zeros(2, requires_grad=1)


# ---------------------------------------------------------------------------------- shared memory


def test_from_numpy_shares_memory_both_ways():
    a = np.zeros((2, 3))
    t = torch.from_numpy(a)
    a[0, 0] = 1
    t[1, 1] = 2
    assert t[0, 0].item() == 1
    assert a[1, 1] == 2
    assert np.shares_memory(t.numpy(), a)
    assert torch.from_numpy(a.T).stride() == (1, 3)


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        (np.ones(3)[::-1], ValueError, "negative"),
        (np.ones(3, ">f4"), ValueError, "byte order"),
        (np.array(["a"]), TypeError, "numpy.str_"),
        (np.ones(2, "M8[s]"), TypeError, "numpy.datetime64"),
        ([1, 2], TypeError, "expected np.ndarray (got list)"),
        (np.float32(1), TypeError, "expected np.ndarray (got numpy.float32)"),
    ],
    ids=str,
)
def test_from_numpy_refuses(given, kind, text):
    with raises(kind, text):
        torch.from_numpy(given)


@pytest.mark.wengert_only
def test_a_read_only_array_stays_read_only():
    a = np.zeros(2)
    a.setflags(write=False)
    with pytest.warns(UserWarning, match="The given NumPy array is not writable"):
        t = torch.from_numpy(a)
    with raises(RuntimeError, "read-only memory"):
        t.add_(1)
    assert a.tolist() == [0, 0]


def test_as_tensor_and_asarray_share_where_they_can():
    a = np.zeros(2, np.float32)
    for f in (torch.as_tensor, torch.asarray):
        assert np.shares_memory(f(a).numpy(), a)
        x = torch.ones(2, requires_grad=True)
        if f is torch.as_tensor:
            assert f(x) is x
        assert f(a, dtype=torch.float64).dtype is torch.float64
    y = torch.as_tensor(torch.ones(2, requires_grad=True), dtype=torch.float64)
    assert y.grad_fn.name() == "ToCopyBackward0"
    assert not np.shares_memory(torch.asarray(a, copy=True).numpy(), a)
    with raises(ValueError, "can't alias arbitrary sequence into a tensor."):
        torch.asarray([1, 2], copy=False)
    with raises(ValueError, "can't alias tensor with dtype 'Float' into dtype 'Double'."):
        torch.asarray(a, dtype=torch.float64, copy=False)
    assert torch.asarray([1.0], requires_grad=True).requires_grad


def test_frombuffer():
    memory = bytearray(8)
    t = torch.frombuffer(memory, dtype=torch.int32)
    t[0] = 1
    assert memory[0] == 1
    assert torch.frombuffer(memory, dtype=torch.int32, offset=4).tolist() == [0]
    assert torch.frombuffer(memory, dtype=torch.int32, count=1).tolist() == [1]
    for options, text in [
        ({"offset": 3}, "must be a multiple of element size (4)"),
        ({"count": 3}, "requested buffer length (3 * 4 bytes)"),
        ({"count": 0}, "both buffer length (8) and count (0) must not be 0"),
        ({"offset": 8}, "offset (8 bytes) must be non-negative"),
        ({"offset": -1}, "offset (-1 bytes) must be non-negative"),
    ]:
        with raises(ValueError, text):
            torch.frombuffer(memory, dtype=torch.int32, **options)
    with raises(ValueError, "object does not implement Python buffer protocol"):
        torch.frombuffer([1], dtype=torch.int32)


# ---------------------------------------------------------------------------------- filled


def test_sizes_in_every_form():
    for t in (
        torch.zeros(2, 3), torch.zeros((2, 3)), torch.zeros([2, 3]), torch.zeros(size=(2, 3)),
        torch.zeros(torch.Size([2, 3])), torch.zeros(np.int64(2), torch.tensor(3)),
    ):  # fmt: skip
        assert t.shape == (2, 3)
    assert torch.zeros(()).shape == ()
    assert torch.ones(0, 3).shape == (0, 3)


SIZE_ERRORS = {
    "zeros()": (TypeError, "zeros() missing 1 required positional argument"),
    "zeros(2.0)": (
        TypeError,
        "zeros(): argument 'size' (position 1) must be tuple of ints, not float",
    ),
    "zeros('a')": (TypeError, "must be tuple of ints, not str"),
    "zeros(True)": (TypeError, "must be tuple of ints, not bool"),
    "zeros((2, 1.5))": (TypeError, "failed to unpack the object at pos 2"),
    "zeros(-1)": (RuntimeError, "zeros: Dimension size must be non-negative"),
    "ones(2, -1)": (RuntimeError, "Trying to create tensor with negative dimension -1: [2, -1]"),
    "empty(-1)": (RuntimeError, "Trying to create tensor with negative dimension -1: [-1]"),
    "zeros(2, foo=1)": (TypeError, "zeros() got an unexpected keyword argument 'foo'"),
    "full(2, 3)": (
        TypeError,
        "full(): argument 'size' (position 1) must be tuple of ints, not int",
    ),
    "full((2,), 'a')": (TypeError, "argument 'fill_value' (position 2) must be Number, not str"),
    "full((2,), 300, dtype=torch.uint8)": (RuntimeError, "cannot be converted to type uint8_t"),
    "full((2,), 1e40)": (RuntimeError, "value cannot be converted to type float without overflow"),
    "full((2,), 1j, dtype=torch.float32)": (RuntimeError, "converted to type float without"),
    "full((2,), nan, dtype=torch.int32)": (RuntimeError, "converted to type int without overflow"),
    "eye(-1)": (RuntimeError, "n must be greater or equal to 0, got -1"),
    "eye(2.5)": (TypeError, "eye(): argument 'n' (position 1) must be int, not float"),
    "zeros_like([1])": (TypeError, "zeros_like(): argument 'input' (position 1) must be Tensor"),
    "zeros(2, pin_memory=True)": (RuntimeError, "pin_memory=True requires a CUDA"),
    "empty_strided((2, 3), (1,))": (RuntimeError, "dimensionality of sizes (2) must match"),
    "empty_strided((2, 3), (-1, 2))": (RuntimeError, "Storage size calculation overflowed"),
}


@pytest.mark.parametrize("expression", SIZE_ERRORS)
def test_bad_sizes_and_values(expression):
    kind, text = SIZE_ERRORS[expression]
    with raises(kind, text):
        eval("torch." + expression)


def test_full_takes_its_dtype_from_the_number():
    for value, dtype in (
        (3, torch.int64),
        (3.0, torch.float32),
        (True, torch.bool),
        (1j, torch.complex64),
    ):
        assert torch.full((2,), value).dtype is dtype
    assert torch.full((2,), torch.tensor(3.5)).tolist() == [3.5, 3.5]
    assert torch.full((2,), -1, dtype=torch.uint8).tolist() == [255, 255]
    assert torch.full((2,), 3.7, dtype=torch.int32).tolist() == [3, 3]


def test_out():
    t = torch.ones(2)
    version = t._version
    assert torch.zeros(2, out=t) is t
    assert t.tolist() == [0, 0]
    assert t._version == version + 1
    assert torch.zeros(3, out=t).shape == (3,)
    assert torch.arange(3, out=torch.empty(0)).dtype is torch.float32
    assert torch.linspace(0, 1, 3, out=torch.empty(3, dtype=torch.float64)).dtype is torch.float64
    with raises(RuntimeError, "dtype Float does not match dtype of out parameter (Int)"):
        torch.zeros(2, dtype=torch.float32, out=torch.ones(2, dtype=torch.int32))
    with raises(RuntimeError, "functions with out=... arguments don't support automatic"):
        torch.zeros(2, out=torch.ones(2, requires_grad=True))


def test_like():
    x = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    for f in (torch.zeros_like, torch.ones_like, torch.empty_like):
        y = f(x)
        assert (y.shape, y.dtype, y.requires_grad) == (x.shape, x.dtype, False)
        assert f(x, dtype=torch.int8).dtype is torch.int8
        assert f(x, requires_grad=True).requires_grad
    assert torch.full_like(x, 7).tolist() == [[7.0] * 3] * 2


@pytest.mark.parametrize(
    ("make", "stride"),
    [
        ("ones(2, 3).t()", (1, 3)),
        ("ones(2, 3, 4).permute(2, 0, 1)", (1, 12, 4)),
        ("ones(2, 1).expand(2, 3)", (3, 1)),
        ("ones(2, 3).expand(4, 2, 3)", (6, 3, 1)),
        ("ones(4, 6)[::2, ::2]", (3, 1)),
    ],
)
def test_like_keeps_the_order_of_dims_in_memory(make, stride):
    x = eval("torch." + make)
    assert torch.zeros_like(x).stride() == stride
    assert torch.empty_like(x, memory_format=torch.contiguous_format).is_contiguous()


def test_new_methods_keep_the_dtype():
    x = torch.ones(2, dtype=torch.float64)
    assert x.new_zeros(3).dtype is x.new_ones((2,)).dtype is x.new_empty(1, 2).dtype is x.dtype
    assert x.new_full((2,), 3).tolist() == [3.0, 3.0]
    assert x.new_tensor([1, 2]).dtype is x.dtype
    assert x.new_tensor([1], dtype=torch.int8).dtype is torch.int8
    assert x.new_ones(2, requires_grad=True).requires_grad
    assert x.new_empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert x.new([1, 2]).shape == (2,)
    with raises(TypeError, "got an unexpected keyword argument 'foo'"):
        x.new_zeros(2, foo=1)


def test_eye_and_triangles():
    assert torch.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert torch.eye(2, dtype=torch.bool).tolist() == [[True, False], [False, True]]
    assert torch.tril_indices(3, 4, -1).tolist() == [[1, 2, 2], [0, 0, 1]]
    assert torch.triu_indices(2, 2, dtype=torch.int32).dtype is torch.int32
    with raises(NotImplementedError, "\"triu_indices\" not implemented for 'Float'"):
        torch.triu_indices(3, 3, dtype=torch.float32)


def test_legacy_constructor():
    assert torch.Tensor(2, 3).shape == (2, 3)
    assert torch.Tensor([1, 2]).dtype is torch.float32
    assert torch.Tensor().shape == (0,)
    assert torch.Tensor(torch.Size([2, 3])).shape == (2, 3)
    x = torch.ones(2)
    assert torch.Tensor(x).data_ptr() == x.data_ptr()
    with raises(TypeError, "new(): data must be a sequence (got float)"):
        torch.Tensor(3.5)
    with raises(TypeError, "new() received an invalid combination of arguments"):
        torch.Tensor([1.0], requires_grad=True)


# ---------------------------------------------------------------------------------- evenly spaced


def test_arange():
    assert torch.arange(5).tolist() == [0, 1, 2, 3, 4]
    assert (
        torch.arange(1, 6, 2).tolist() == torch.arange(start=1, end=6, step=2).tolist() == [1, 3, 5]
    )
    assert torch.arange(5, 1, -1).tolist() == [5, 4, 3, 2]
    assert torch.arange(5.0).dtype is torch.float32
    assert torch.arange(torch.tensor(3)).dtype is torch.int64
    assert torch.arange(0.5, 5, dtype=torch.int64).tolist() == [0, 1, 2, 3, 4]
    assert torch.arange(2**63 - 2, 2**63 - 1).tolist() == [2**63 - 2]
    assert torch.arange(0).dtype is torch.int64


ARANGE_ERRORS = {
    "arange(1, 5, 0)": (RuntimeError, "step must be nonzero"),
    "arange(5, 1)": (RuntimeError, "upper bound and lower bound inconsistent with step sign"),
    "arange(nan)": (RuntimeError, "unsupported range: 0 -> nan"),
    "arange('a')": (TypeError, "arange(): argument 'end' (position 1) must be Number, not str"),
    "arange()": (TypeError, "arange() received an invalid combination of arguments"),
    "arange(2, dtype=torch.bool)": (
        NotImplementedError,
        "\"arange_cpu\" not implemented for 'Bool'",
    ),
    "linspace(0, 1, -1)": (RuntimeError, "number of steps must be non-negative"),
    "linspace(torch.ones(1), 1, 5)": (RuntimeError, "only supports 0-dimensional start and end"),
    "linspace(0, 1, 5, dtype=torch.bool)": (NotImplementedError, '"linspace_cpu" not implemented'),
}


@pytest.mark.parametrize("expression", ARANGE_ERRORS)
def test_bad_ranges(expression):
    kind, text = ARANGE_ERRORS[expression]
    with raises(kind, text):
        eval("torch." + expression)


def test_linspace_r11():
    """R-11: counted from both ends with a float32 step, each value rounded once."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        start, end = rng.standard_normal(2) * 100
        n = int(rng.integers(2, 200))
        a, b = np.float32(start), np.float32(end)
        step = float((b - a) / np.float32(n - 1))
        k = np.arange(n)
        exact = np.where(k < n // 2, float(a) + step * k, float(b) - step * (n - 1 - k))
        assert torch.linspace(start, end, n).numpy().tobytes() == exact.astype(np.float32).tobytes()


def test_linspace_and_logspace():
    assert torch.linspace(0, 10, 5, dtype=torch.int64).tolist() == [0, 2, 5, 7, 10]
    assert torch.linspace(3, 7, 1).tolist() == [3.0]
    assert torch.linspace(0, 1, 0).shape == (0,)
    assert torch.linspace(0, 1 + 1j, 3).dtype is torch.complex64
    assert torch.logspace(0, 2, 3).tolist() == [1.0, 10.0, 100.0]
    assert torch.logspace(0, 2, 3, 2).tolist() == [1.0, 2.0, 4.0]
    negative = torch.logspace(0, 2, 5, base=-2).tolist()
    assert negative[::2] == [1.0, -2.0, 4.0]
    assert math.isnan(negative[1])
    with pytest.warns(UserWarning, match="torch.range is deprecated"):
        assert torch.range(0, 3).tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.torch
@pytest.mark.wengert_only
@pytest.mark.parametrize("name", ["float16", "float32", "float64", "int16", "int32", "int64"])
def test_ranges_bit_for_bit_against_torch(name):
    import torch as oracle

    rng = np.random.default_rng(len(name))
    for _ in range(100):
        start, end = rng.standard_normal(2) * 10.0 ** rng.uniform(-3, 3, 2)
        n, base = int(rng.integers(0, 300)), float(rng.choice([2.0, 3.7, 10.0]))
        step = (end - start) / rng.uniform(1, 200)
        got = []
        for module in (oracle, torch):
            d = {"dtype": getattr(module, name)}
            line = [
                module.linspace(start, end, n, **d),
                module.logspace(start % 5 - 2, end % 5 - 2, n, base=base, **d),
            ]
            if abs(step) >= 1 or "int" not in name:
                line.append(module.arange(start, end, step, **d))
            got.append([t.numpy().tobytes() for t in line])
        assert got[0] == got[1], (start, end, n, step)


# ---------------------------------------------------------------------------------- Python numbers


def test_item_and_tolist():
    assert torch.tensor([[3]]).item() == 3
    assert torch.tensor(True).item() is True
    assert torch.tensor(2.5, requires_grad=True).item() == 2.5
    assert torch.tensor(1.5).tolist() == 1.5
    assert torch.zeros(0, 3).tolist() == []
    assert torch.zeros(2, 0).tolist() == [[], []]
    with raises(RuntimeError, "a Tensor with 3 elements cannot be converted to Scalar"):
        torch.ones(3).item()
    with raises(RuntimeError, "a Tensor with 0 elements cannot be converted to Scalar"):
        torch.zeros(0).item()


def test_conversions_of_one_element():
    t = torch.tensor([2.5])
    assert (float(t), int(t), complex(t), bool(t)) == (2.5, 2, 2.5 + 0j, True)
    assert math.sqrt(torch.tensor(4.0)) == 2
    assert operator.index(torch.tensor([[3]])) == 3
    assert [10, 20, 30][torch.tensor(1)] == 20
    assert list(range(torch.tensor(2))) == [0, 1]
    assert f"{torch.tensor(2.5):.2f}" == "2.50"
    assert f"{torch.tensor(7):5d}" == "    7"
    assert "%.3f" % torch.tensor(2.5) == "2.500"  # noqa: UP031
    assert f"{torch.tensor(2.5)}" == "2.5"


CONVERSION_ERRORS = {
    "float(torch.ones(3))": (
        ValueError,
        "only one element tensors can be converted to Python scalars",
    ),
    "int(torch.ones(0))": (ValueError, "only one element tensors can be converted"),
    "int(torch.tensor(nan))": (ValueError, "cannot convert float NaN to integer"),
    "int(torch.tensor(inf))": (OverflowError, "cannot convert float infinity to integer"),
    "float(torch.tensor(1+2j))": (RuntimeError, "value cannot be converted to type double"),
    "bool(torch.ones(3))": (
        RuntimeError,
        "Boolean value of Tensor with more than one value is ambig",
    ),
    "bool(torch.ones(0))": (RuntimeError, "Boolean value of Tensor with no values is ambiguous"),
    "operator.index(torch.tensor(2.5))": (TypeError, "only integer tensors of a single element"),
    "f'{torch.ones(2):.2f}'": (TypeError, "unsupported format string passed to Tensor.__format__"),
    "round(torch.tensor(2.5))": (TypeError, "doesn't define __round__ method"),
    "divmod(torch.ones(2), 2)": (TypeError, "unsupported operand type(s) for divmod()"),
    "len(torch.tensor(1))": (TypeError, "len() of a 0-d tensor"),
    "list(torch.tensor(1))": (TypeError, "iteration over a 0-d tensor"),
    "'a' in torch.ones(2)": (RuntimeError, "Tensor.__contains__ only supports Tensor or scalar"),
}


@pytest.mark.parametrize("expression", CONVERSION_ERRORS)
def test_conversion_errors(expression):
    kind, text = CONVERSION_ERRORS[expression]
    with raises(kind, text):
        eval(expression)


def test_a_gradient_lost_to_a_number_warns_once(monkeypatch):
    if REAL:
        pytest.skip("once per process")
    from wengert.ops import scalars

    monkeypatch.setattr(scalars, "_warned", False)
    x = torch.ones(1, requires_grad=True)
    with collected_warnings() as caught:
        float(x)
        float(x)
    assert [str(w.message)[:37] for w in caught] == ["Converting a tensor with requires_gra"]


def test_membership_hash_and_equality():
    t = torch.tensor([1.0, 2.0])
    assert 2.0 in t
    assert torch.tensor(2.0) in t
    assert 5 not in t
    assert t in [t]
    assert reversed(t).tolist() == [2.0, 1.0]
    assert hash(t) == id(t)
    assert {t: 1}[t] == 1
    assert (t == None) is False
    assert (t != None) is True


# ---------------------------------------------------------------------------------- copies


def test_copy_and_deepcopy():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    shallow, deep = copy.copy(x), copy.deepcopy(x)
    assert shallow is not x
    assert shallow.data_ptr() == x.data_ptr()
    assert shallow.requires_grad
    assert deep.data_ptr() != x.data_ptr()
    assert deep.grad.tolist() == [2.0, 4.0]
    assert deep.grad is not x.grad
    a, b = copy.deepcopy([x, x])
    assert a is b
    y = torch.ones(2)
    y.note = ["kept"]
    z = copy.deepcopy(y)
    assert z.note == ["kept"]
    assert z.note is not y.note
    with raises(RuntimeError, "Only Tensors created explicitly by the user (graph leaves) support"):
        copy.deepcopy(x * 2)


def test_copies_keep_the_class():
    p = torch.nn.Parameter(torch.ones(2))
    for q in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(q) is torch.nn.Parameter
        assert q.requires_grad
        assert q.tolist() == [1.0, 1.0]


def test_pickle():
    for x in (
        torch.ones(2, 3, requires_grad=True),
        torch.arange(6).reshape(2, 3).t(),
        torch.tensor(1j),
    ):
        y = pickle.loads(pickle.dumps(x))
        assert (y.shape, y.dtype, y.requires_grad) == (x.shape, x.dtype, x.requires_grad)
        assert torch.equal(x, y)
    made = torch.ones(2, requires_grad=True) * 2
    back = pickle.loads(pickle.dumps(made))
    assert back.requires_grad
    assert back.is_leaf


def test_leaves_made_in_no_grad_still_require_grad():
    with torch.no_grad():
        assert torch.ones(2, requires_grad=True).requires_grad
    with torch.inference_mode():
        assert torch.ones(2).is_inference()
