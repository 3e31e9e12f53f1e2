"""Memory and the runtime: set_, shared memory, files, maps of Python functions, switches, refusals."""

import os
import warnings

import numpy as np
import pytest
from against import raises, torch


@pytest.fixture
def x():
    return torch.arange(6.0).reshape(2, 3)


def test_set_lays_a_tensor_over_other_memory(x):
    t = torch.zeros(1)
    assert t.set_(x) is t
    t[0, 0] = 9
    assert x[0, 0] == 9
    assert t.shape == (2, 3)
    t.set_(x.untyped_storage(), 1, (2,), (2,))
    assert t.tolist() == [1.0, 3.0]
    t.set_(x, 2, (2, 2), (1, 1))
    assert t.tolist() == [[2.0, 3.0], [3.0, 4.0]]
    assert t.set_().shape == (0,)
    with raises(RuntimeError, "Could not set tensor of type"):
        t.set_(torch.tensor([1]))


@pytest.mark.wengert_only  # PyTorch lets the storage grow
def test_set_stays_inside_the_storage(x):
    with raises(RuntimeError, "out of bounds for storage of size 24"):
        torch.zeros(1).set_(x.untyped_storage(), 0, (9,))


def test_set_is_noticed_by_saved_tensors(x):
    a = torch.ones(2, 3, requires_grad=True)
    y = torch.zeros(2, 3).set_(x)
    out = a * y
    y.add_(1)
    with raises(RuntimeError, "modified by an inplace operation"):
        out.sum().backward()


def test_as_strided_scatter(x):
    got = torch.as_strided_scatter(x, torch.zeros(2), (2,), (2,), 1)
    assert got.tolist() == [[0.0, 0.0, 2.0], [0.0, 4.0, 5.0]]
    assert x[1, 0] == 3
    # strides lead through the memory of a transposed tensor, not through its rows
    assert torch.as_strided_scatter(x.t(), torch.zeros(2), (2,), (1,)).tolist() == [
        [0, 3],
        [0, 4],
        [2, 5],
    ]
    with raises(
        RuntimeError,
        "expected src to have a size equal to the slice of self. src size = [3], slice size = [2]",
    ):
        torch.as_strided_scatter(x, torch.zeros(3), (2,), (2,))


def test_empty_permuted():
    t = torch.empty_permuted((2, 3, 4), (2, 0, 1))
    assert t.shape == (2, 3, 4)
    assert t.stride() == (3, 1, 6)
    assert t.dim_order() == (2, 0, 1)
    with raises(RuntimeError, "Duplicate dim not allowed"):
        torch.empty_permuted((2, 3), (0, 0))
    with raises(
        RuntimeError,
        "Number of dimensions in size does not match the length of the physical_layout",
    ):
        torch.empty_permuted((2, 3), (0,))


# other libraries that a test has imported may warn about forks
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:os.fork")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_shared_memory_is_seen_by_forked_processes(x):
    assert x.share_memory_() is x
    assert x.is_shared()
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    child = os.fork()
    if not child:
        x[0, 0] = 42
        os._exit(0)
    os.waitpid(child, 0)
    assert x[0, 0] == 42
    leaf = torch.ones(2, requires_grad=True).share_memory_()
    (leaf * 2).sum().backward()
    assert leaf.grad.tolist() == [2.0, 2.0]


def test_from_file(tmp_path):
    path = str(tmp_path / "numbers")
    np.arange(4, dtype="f4").tofile(path)
    t = torch.from_file(path, size=3)
    assert t.tolist() == [0.0, 1.0, 2.0]
    t[0] = 9  # a private copy
    assert np.fromfile(path, "f4")[0] == 0
    shared = torch.from_file(path, shared=True, size=6)
    shared[5] = 7
    del shared
    assert np.fromfile(path, "f4").tolist() == [0, 1, 2, 3, 0, 7]
    with raises(
        RuntimeError, "unable to open file <", "> in read-only mode: No such file or directory (2)"
    ):
        torch.from_file(path + "x", size=1)
    with raises(RuntimeError, "size <24> is smaller than the required mapping size <40>"):
        torch.from_file(path, size=10)


def test_python_functions_one_by_one(x):
    assert x.apply_(lambda v: v * 2) is x
    assert x.tolist() == [[0, 2, 4], [6, 8, 10]]
    assert x.map_(torch.ones(3), lambda a, b: a - b).tolist() == [[-1, 1, 3], [5, 7, 9]]
    assert x.map2_(x, x, lambda a, b, c: a + b + c)[0].tolist() == [-3, 3, 9]
    with raises(
        RuntimeError,
        "Can't call apply_() on Variable that requires grad. Use var.detach().apply_() instead.",
    ):
        torch.ones(1, requires_grad=True).apply_(abs)
    with raises(TypeError, "map_: expected torch.FloatTensor for 'other' (got torch.LongTensor)"):
        x.map_(torch.tensor([1]), lambda a, b: a)


def test_resize_of_old(x):
    with pytest.warns(UserWarning, match="non-inplace resize is deprecated"):
        assert x.resize(3, 2).tolist() == [[0, 1], [2, 3], [4, 5]]
    with pytest.warns(UserWarning, match="non-inplace resize_as is deprecated"):
        assert x.resize_as(torch.ones(6)).shape == (6,)


def test_facts(x):
    assert x.t().dim_order() == (1, 0)
    assert (x.dense_dim(), x.sparse_dim()) == (2, 0)
    assert x.const_data_ptr() == x.data_ptr()
    assert x.to_dense() is x
    assert x.to_dense(torch.float64).dtype is torch.float64
    assert torch.dequantize(x) is x or torch.equal(torch.dequantize(x), x)
    assert torch.is_same_size(x, x + 1)
    assert not x.is_same_size(x[0])
    assert not torch.is_distributed(x)
    assert torch.is_storage(x.untyped_storage())
    assert not torch.is_storage(x)
    assert torch.get_device(x) == -1
    assert torch.typename(x) == "torch.FloatTensor"
    assert torch.typename(3) == "int"
    assert torch.typename(torch.float32) == "torch.dtype"
    assert torch.typename(torch.nn.Linear(1, 1)) == "torch.nn.modules.linear.Linear"
    with pytest.warns(UserWarning, match="volatile was removed"):
        assert x.volatile is False
    assert torch.zeros(2, 3).module_load(x).tolist() == x.tolist()
    assert x.__rdiv__(2.0)[0, 1] == 2.0


def test_functions_that_are_methods_too(x):
    for name in ("fix_", "round_", "conj_physical_", "detach", "detach_"):
        assert torch.equal(getattr(torch, name)(x + 0.25), getattr(x + 0.25, name)())
    a, b = torch.tensor([12]), torch.tensor([18])
    assert torch.gcd_(a.clone(), b).item() == 6
    assert torch.lcm_(a.clone(), b).item() == 36
    assert torch.ldexp_(torch.tensor([1.5]), torch.tensor([2])).item() == 6
    assert torch.resize_as_(torch.ones(2), x).shape == (2, 3)
    assert torch.addmv_(torch.ones(2), x, torch.ones(3)).tolist() == [4.0, 13.0]


def test_switches():
    assert torch.get_float32_matmul_precision() == "highest"
    torch.set_float32_matmul_precision("medium")
    assert torch.get_float32_matmul_precision() == "medium"
    with pytest.warns(UserWarning, match="fast is not one of 'highest', 'high', or 'medium'"):
        torch.set_float32_matmul_precision("fast")
    torch.set_float32_matmul_precision("highest")
    with raises(RuntimeError, "set_num_interop_threads expects a positive integer"):
        torch.set_num_interop_threads(0)
    assert torch.get_num_interop_threads() >= 1
    assert torch.set_flush_denormal(False) is True
    assert torch.is_warn_always_enabled() is False
    torch.set_warn_always(True)
    assert torch.is_warn_always_enabled() is True
    torch.set_warn_always(False)
    assert not torch.is_vulkan_available()


@pytest.mark.wengert_only
def test_compile_returns_the_function_and_says_so_once():
    import wengert.ops.questions as questions

    questions._told = False
    f = torch.sin
    with pytest.warns(UserWarning, match="wengert has no compiler"):
        assert torch.compile(f) is f
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.compile(f, mode="max-autotune") is f

        @torch.compile(backend="eager")
        def g(t):
            return t + 1

    assert g(torch.tensor(1.0)).item() == 2.0
    with raises(RuntimeError, "torch.compile() takes a function or a module"):
        torch.compile(3)


@pytest.mark.wengert_only  # PyTorch compiles here
def test_cond():
    x = torch.tensor(2.0, requires_grad=True)
    torch.cond(x > 1, lambda v: v * 3, lambda v: v, (x,)).backward()
    assert x.grad.item() == 3.0
    assert torch.cond(False, lambda v: v * 3, lambda v: v, (x,)).item() == 2.0
    with raises(RuntimeError, "Expected pred to be bool or single-element tensor"):
        torch.cond(torch.ones(2), lambda: 1, lambda: 2)


LAYOUTS = {
    "values": "values expected sparse tensor layout but got Strided",
    "indices": "indices expected sparse coordinate tensor layout but got Strided",
    "coalesce": "coalesce expected sparse coordinate tensor layout but got Strided",
    "crow_indices": "crow_indices expected sparse row compressed tensor layout but got Strided",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_parts_of_sparse_tensors(x, name):
    with raises(RuntimeError, LAYOUTS[name]):
        getattr(x, name)()


@pytest.mark.wengert_only
@pytest.mark.parametrize(
    "name",
    [
        "to_sparse",
        "to_sparse_csr",
        "q_scale",
        "to_mkldnn",
        "to_padded_tensor",
        "chalf",
        "reinforce",
    ],
)
def test_refusals_say_why(x, name):
    with raises((RuntimeError, TypeError), name):
        getattr(x, name)()


@pytest.mark.wengert_only
def test_sparse_constructors_are_refused():
    with raises(NotImplementedError, "sparse_coo_tensor(): there are no sparse tensors here"):
        torch.sparse_coo_tensor([[0]], [1.0], (2,))
    for name in ("xpu", "mtia", "ipu"):
        with pytest.raises((AssertionError, RuntimeError)):
            getattr(torch.ones(1), name)()
