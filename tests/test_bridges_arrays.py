"""Tensors to and from other libraries: DLPack with PyTorch and JAX; pandas in and out."""

from __future__ import annotations

import importlib
import os

import numpy as np
import pytest
from against import raises, torch

pytestmark = pytest.mark.wengert_only
os.environ.setdefault("JAX_PLATFORMS", "cpu")


def library(name):
    """The library, its function that makes an array, its import and its way to NumPy."""
    module = pytest.importorskip(name)
    if name == "torch":
        return module.tensor, module.from_dlpack, lambda a: a.numpy()
    jnp = importlib.import_module("jax.numpy")
    return jnp.asarray, jnp.from_dlpack, np.asarray


LIBRARIES = ["torch", "jax"]  # CuPy's arrays are on a GPU, and tensors are on the CPU
DTYPES = ["float32", "int32", "uint8", "complex64", "float16", "bool"]


@pytest.fixture(params=LIBRARIES)
def other(request):
    return library(request.param)


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_ways(other, dtype):
    make, take, to_numpy = other
    values = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    ours = torch.tensor(values)
    theirs = take(ours)
    assert np.array_equal(to_numpy(theirs), values)
    assert str(theirs.dtype).removeprefix("torch.") == dtype
    back = torch.from_dlpack(make(values))
    assert back.dtype is ours.dtype
    assert back.tolist() == ours.tolist()
    assert torch.asarray(make(values)).tolist() == ours.tolist()


def test_memory_is_shared(other):
    make, _, _ = other  # what jax takes in, it copies where it likes its memory aligned otherwise
    theirs = make(np.arange(3, dtype=np.float32))
    assert torch.from_dlpack(theirs).data_ptr() == np.from_dlpack(theirs).ctypes.data
    assert torch.from_dlpack(theirs, copy=True).data_ptr() != np.from_dlpack(theirs).ctypes.data


def test_writes_come_back_from_pytorch():
    pytorch = pytest.importorskip("torch")
    ours = torch.zeros(2, 3)
    theirs = pytorch.from_dlpack(ours.t())
    assert theirs.data_ptr() == ours.data_ptr()
    theirs[2, 1] = 7.0
    assert ours.tolist() == [[0.0, 0.0, 0.0], [0.0, 0.0, 7.0]]
    theirs = pytorch.zeros(4)
    torch.from_dlpack(theirs)[::2].add_(1)
    assert theirs.tolist() == [1.0, 0.0, 1.0, 0.0]


def test_what_jax_gives_is_read_only():
    jnp = pytest.importorskip("jax.numpy")
    t = torch.from_dlpack(jnp.ones(3))
    with raises(RuntimeError, "can't write in place", "read-only memory; clone() it"):
        t.add_(1)
    x = t.clone().requires_grad_()
    (x * t).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_what_can_not_be_shared_is_an_error(other):
    _, take, _ = other
    x = torch.ones(3, requires_grad=True)
    with raises(BufferError, "Can't export tensors that require gradient, use tensor.detach()"):
        take(x)
    assert take(x.detach()).shape == (3,)
    flipped = torch.from_dlpack(np.ones(3))
    flipped._array = flipped._array[::-1]  # no public function makes one
    with raises(BufferError, "negative strides"):
        take(flipped)
    with raises(RuntimeError, "from_dlpack received an invalid capsule"):
        torch.from_dlpack([1.0])


def test_gradients_through_another_library():
    """jax computes inside a Function; the arrays go across without copies."""
    jax = pytest.importorskip("jax")
    jnp = importlib.import_module("jax.numpy")

    class Sin(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y, ctx.pull = jax.vjp(jnp.sin, jnp.from_dlpack(x.detach()))
            return torch.from_dlpack(y)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            return torch.from_dlpack(ctx.pull(jnp.from_dlpack(g.contiguous()))[0])

    x = torch.tensor([0.0, 1.0], requires_grad=True)
    Sin.apply(x).sum().backward()
    assert torch.allclose(x.grad, x.detach().cos())


# ------------------------------------------------------------------- pandas
@pytest.fixture(scope="module")
def pd():
    return pytest.importorskip("pandas")


def test_frames_and_series_in(pd):
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]})
    assert torch.tensor(frame).tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert torch.tensor(frame).dtype is torch.float64
    assert torch.tensor(frame["b"]).dtype is torch.int64
    assert torch.tensor(frame[["a"]], dtype=torch.float32, requires_grad=True).shape == (2, 1)
    assert torch.as_tensor(frame["a"] > 1).tolist() == [False, True]
    assert torch.asarray(frame).shape == (2, 2)
    assert torch.tensor(frame.index).tolist() == [0, 1]
    writable = pd.Series(np.zeros(2), copy=False)
    assert torch.tensor(writable).add_(1).tolist() == [1.0, 1.0]
    assert writable.tolist() == [0.0, 0.0]


def test_missing_values_are_nan(pd):
    assert torch.tensor(pd.Series([1, 2], dtype="Int64")).dtype is torch.int64
    t = torch.tensor(pd.Series([1, None], dtype="Float32"))
    assert t.dtype is torch.float32
    assert t.isnan().tolist() == [False, True]


@pytest.mark.parametrize("kind", ["text", "category", "dates", "mixed"])
def test_what_is_no_number_is_refused(pd, kind):
    data = {
        "text": lambda: pd.Series(["a", "b"]),
        "category": lambda: pd.Series(["a", "b"], dtype="category"),
        "dates": lambda: pd.to_datetime(pd.Series(["2020-01-01"])),
        "mixed": lambda: pd.DataFrame({"a": [1.0], "b": ["x"]}),
    }[kind]()
    with raises(TypeError, "can't convert np.ndarray of type numpy."):
        torch.tensor(data)


def test_the_columns_that_are_no_numbers_are_named(pd):
    frame = pd.DataFrame({"a": [1.0], "b": ["x"], "c": [True], "d": pd.to_datetime(["2020-01-01"])})
    with raises(TypeError, "The columns b, d of the DataFrame hold no plain numbers: leave them out"):
        torch.tensor(frame)
    assert torch.tensor(frame[["a", "c"]].astype(float)).tolist() == [[1.0, 1.0]]


def test_frames_of_tensors(pd):
    t = torch.arange(6.0).reshape(2, 3)
    frame = pd.DataFrame(t, columns=["a", "b", "c"])
    assert frame["b"].tolist() == [1.0, 4.0]
    assert pd.Series(t[0]).dtype == np.float32
    assert torch.equal(torch.tensor(frame), t)
    with raises(RuntimeError, "Can't call numpy() on Tensor that requires grad"):
        pd.DataFrame(t.requires_grad_())
