"""Random numbers: PyTorch's streams bit for bit, generators and their state, fills, errors."""

from __future__ import annotations

import copy
import hashlib
import pickle
import platform
import subprocess
import sys
import threading

import numpy as np
import pytest
from against import raises, torch
from random_cases import CASES, GOLDEN, LIBM_CASES, digest

GLIBC = platform.libc_ver()[0] == "glibc"
nan = float("nan")


def rand_bytes(n=8):
    return torch.rand(n).numpy().tobytes()


# ------------------------------------------------------------------ golden values
@pytest.mark.parametrize("case", CASES)
def test_stream(case):
    assert digest(torch, case) == GOLDEN[case]


@pytest.mark.skipif(not GLIBC, reason="these numbers follow glibc's log, exp, sin, cos and tan")
@pytest.mark.parametrize("case", LIBM_CASES)
def test_stream_through_libm(case):
    assert digest(torch, case) == GOLDEN[case]


def test_every_golden_value_is_used():
    assert sorted(GOLDEN) == sorted([*CASES, *LIBM_CASES])


@pytest.mark.torch
@pytest.mark.wengert_only
@pytest.mark.parametrize("case", [*CASES, *LIBM_CASES])
def test_against_torch(case):
    oracle = pytest.importorskip("torch")
    seeds = (7, 2**31, 2**32 - 1, 12345678901)
    assert digest(torch, case, seeds) == digest(oracle, case, seeds)


def test_numbers_of_the_seed_page():
    torch.manual_seed(0)
    w = torch.randn(5, 3)
    expected = [
        [1.5410, -0.2934, -2.1788], [0.5684, -1.0845, -1.3986], [0.4033, 0.8380, -0.7193],
        [-0.4033, -0.5966, 0.1820], [-0.8567, 1.1006, -1.0712],
    ]  # fmt: skip
    assert np.abs(w.numpy() - expected).max() < 5.1e-5
    assert np.abs(torch.randn(3).numpy() - [0.1227, -0.5663, 0.3731]).max() < 5.1e-5


@pytest.mark.wengert_only
def test_all_float32_normals_there_are():
    """Every one of the 2**24 radii and of the 2**24 angles, against the exact fused arithmetic."""
    from wengert.kernels.normal import blocks32

    at = 0

    def words(n):
        nonlocal at
        i = np.arange(at, at + n // 2, dtype=np.uint64).reshape(-1, 8)
        at += n // 2
        out = np.empty((i.shape[0], 16), np.uint32)
        out[:, :8] = i
        out[:, 8:] = (i * np.uint64(11630473) + np.uint64(12345)) & np.uint64(0xFFFFFF)
        return out.ravel()

    h = hashlib.md5(usedforsecurity=False)
    out = np.empty((1 << 15, 16), np.float32)
    while at < 1 << 24:
        blocks32(words, out, 0.0, 1.0)
        h.update(out.tobytes())
    assert h.hexdigest() == "2df065cab6a21e00dfea337a9bd396ee"


@pytest.mark.wengert_only
def test_a_wrong_bit_is_noticed():
    from wengert.kernels import normal

    right = normal._LOG[3]
    normal._LOG[3] = right * (1 + 2.0**-23)
    try:
        assert digest(torch, "torch.randn(100003)") != GOLDEN["torch.randn(100003)"]
    finally:
        normal._LOG[3] = right


@pytest.mark.wengert_only
def test_fused_multiply_add():
    from fractions import Fraction

    from wengert.kernels.fma import fma32, fma64, fma64_for32

    r = np.random.default_rng(1)
    x32 = r.normal(size=4000).astype(np.float32)
    x32[:1000] = np.round(x32[:1000] * 8) / 8  # products that meet the middle of two float32
    for scale, shift in ((0.3, -0.1), (1 + 2**-23, 1.0), (3.0, 2.0**-24), (7.0, 2.0**20)):
        exact = [
            Fraction(float(v)) * Fraction(float(np.float32(scale))) + Fraction(float(np.float32(shift)))
            for v in x32
        ]
        got = fma32(x32, scale, shift)
        for e, g in zip(exact, got.tolist()):
            below = float(np.nextafter(np.float32(g), np.float32(-np.inf)))
            above = float(np.nextafter(np.float32(g), np.float32(np.inf)))
            assert abs(e - Fraction(g)) <= min(abs(e - Fraction(below)), abs(e - Fraction(above)))
    x = r.normal(size=4000)
    for scale, shift in ((0.3, -0.1), (1 + 2**-52, 1.0), (3.7, 1e-17), (1e300, 1.0), (1e-310, 1e-300)):
        exact64 = [float(Fraction(v) * Fraction(scale) + Fraction(shift)) for v in x.tolist()]
        assert fma64(x, scale, shift).tolist() == exact64
        with np.errstate(over="ignore"):
            assert (
                fma64_for32(x, scale, shift).astype(np.float32).tolist()
                == np.array(exact64).astype(np.float32).tolist()
            )


@pytest.mark.wengert_only
def test_vectorised_permutation_equals_the_loop():
    from wengert.kernels import permutation

    def swapped(n, draws):
        order = list(range(n))
        for i, d in enumerate(draws.tolist()):
            j = i + d % (n - i)
            order[i], order[j] = order[j], order[i]
        return order

    draws = np.random.default_rng(0).integers(0, 1 << 32, 30_000, dtype=np.uint32)
    for n in (2, 31, 32, 33, 11_999, 12_000, 30_000):
        words = lambda k: draws[:k].copy()  # noqa: E731
        assert permutation.permutation(n, words, None).tolist() == swapped(n, draws[: n - 1])


# --------------------------------------------------------------------- seeds, state
def test_seeds_that_choose_the_same_stream():
    torch.manual_seed(7)
    a = rand_bytes()
    torch.manual_seed(2**32 + 7)
    assert rand_bytes() == a
    torch.manual_seed(-1)
    b = rand_bytes()
    assert torch.initial_seed() == 2**64 - 1
    torch.manual_seed(2**64 - 1)
    assert rand_bytes() == b != a


def test_manual_seed_returns_the_default_generator():
    assert torch.manual_seed(3) is torch.default_generator
    assert isinstance(torch.default_generator, torch.Generator)
    assert torch.initial_seed() == 3 == torch.default_generator.initial_seed()
    torch.manual_seed(1.9)
    assert torch.initial_seed() == 1
    torch.manual_seed("12")
    assert torch.initial_seed() == 12
    assert repr(torch.default_generator).startswith("<torch._C.Generator object at 0x")


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seed_out_of_range(seed):
    with raises(ValueError, "Overflow when unpacking long long"):
        torch.manual_seed(seed)
    with raises(ValueError, "Overflow when unpacking long long"):
        torch.Generator().manual_seed(seed)


def test_seed_of_another_type():
    with raises(RuntimeError, "manual_seed expected a long, but got str"):
        torch.Generator().manual_seed("a")
    with raises(RuntimeError, "manual_seed expected a long, but got float"):
        torch.Generator().manual_seed(1.5)
    with pytest.raises(ValueError):
        torch.manual_seed("a")


def test_reseeding_forgets_the_spare_normal():
    torch.manual_seed(1)
    torch.randn(1)  # leaves the sine of its pair behind
    torch.manual_seed(0)
    assert abs(torch.randn(1).item() - 1.5410) < 5e-5


def test_the_spare_normal_survives_other_draws():
    torch.manual_seed(0)
    first = torch.randn(2)
    torch.manual_seed(0)
    a = torch.randn(1)
    torch.rand(5)
    assert torch.equal(torch.cat([a, torch.randn(1)]), first)


def test_generator():
    g = torch.Generator()
    assert g.initial_seed() == 67280421310721
    assert g.device == torch.device("cpu")
    assert g.manual_seed(5) is g
    torch.manual_seed(5)
    before = torch.get_rng_state()
    drawn = torch.rand(3, generator=g)
    assert torch.equal(torch.get_rng_state(), before)  # the default generator was not touched
    assert torch.equal(drawn, torch.rand(3))
    seed = g.seed()
    assert g.initial_seed() == seed
    a = torch.rand(3, generator=g)
    assert torch.equal(a, torch.rand(3, generator=torch.Generator().manual_seed(seed)))


def test_generator_on_a_device_that_is_not_there():
    with pytest.raises((RuntimeError, AssertionError)):
        torch.Generator("cuda")
    with pytest.raises(RuntimeError):
        torch.Generator("nowhere")


def test_generator_copies():
    g = torch.Generator().manual_seed(3)
    torch.randn(3, generator=g)
    copies = [copy.copy(g), copy.deepcopy(g), pickle.loads(pickle.dumps(g)), g.clone_state()]
    expected = torch.randn(5, generator=g)
    for c in copies:
        assert c is not g
        assert c.initial_seed() == 3
        assert torch.equal(torch.randn(5, generator=c), expected)


def test_state_bytes():
    torch.manual_seed(9)
    fresh = torch.get_rng_state()
    assert fresh.dtype is torch.uint8
    assert fresh.shape == (5056,)
    torch.randn(5)
    used = torch.get_rng_state()
    torch.rand(618)  # 12 words were drawn: now 630, in the second block of 624
    hashes = [
        hashlib.md5(s.numpy().tobytes(), usedforsecurity=False).hexdigest()
        for s in (fresh, used, torch.get_rng_state())
    ]
    assert hashes == STATES


STATES = [
    "9bac30f4a770fd3325d20acb3084e03b",
    "26a18d9af893746dd2e2cf9cd4a53dd7",
    "84b16626b82fa84ae1a435078c0d66a5",
]


@pytest.mark.parametrize("drawn", [0, 1, 5, 312, 623, 624, 625, 5000])
def test_state_round_trip(drawn):
    torch.manual_seed(4)
    torch.rand(drawn)
    torch.randn(1)
    state = torch.get_rng_state()

    def some(g=None):
        drawn = torch.randn(3, generator=g), torch.rand(700, generator=g), torch.randn(40, generator=g)
        return torch.cat(drawn)

    expected = some()
    torch.manual_seed(99)
    torch.randn(1)
    torch.set_rng_state(state)
    assert torch.initial_seed() == 4
    assert torch.equal(some(), expected)
    g = torch.Generator()
    assert g.set_state(state) is g
    assert torch.equal(some(g), expected)


def test_a_state_is_a_snapshot():
    state = torch.get_rng_state()
    kept = state.clone()
    torch.rand(10)
    assert torch.equal(state, kept)


def test_states_that_are_none():
    expected = torch.get_rng_state()
    with raises(RuntimeError, "Expected a CPUGeneratorImplState of size 5056", "to be 10"):
        torch.set_rng_state(torch.zeros(10, dtype=torch.uint8))
    with raises(RuntimeError, "Invalid mt19937 state"):
        torch.set_rng_state(torch.zeros(5056, dtype=torch.uint8))
    with raises(TypeError, "RNG state must be a torch.ByteTensor"):
        torch.set_rng_state(torch.zeros(5056))
    with raises(TypeError, "expected a torch.ByteTensor, but got int"):
        torch.set_rng_state(5)
    broken = expected.clone()
    broken[8:12] = 200  # `left`
    with raises(RuntimeError, "Invalid mt19937 state"):
        torch.set_rng_state(broken)
    assert torch.equal(torch.get_rng_state(), expected)


def test_fork_rng():
    torch.manual_seed(1)
    torch.randn(1)
    expected = torch.get_rng_state()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        torch.rand(100)
    assert torch.equal(torch.get_rng_state(), expected)
    with pytest.raises(KeyError), torch.random.fork_rng():
        torch.rand(3)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), expected)
    with torch.random.fork_rng(enabled=False):
        torch.rand(3)
    assert not torch.equal(torch.get_rng_state(), expected)


def in_a_new_process(code):
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return run.stdout.split()


@pytest.mark.wengert_only
def test_a_process_without_a_seed_starts_at_random():
    code = "import wengert as t; print(t.initial_seed(), t.rand(1).item(), t.initial_seed())"
    a, b = in_a_new_process(code), in_a_new_process(code)
    assert a[0] == a[2] != b[0]
    assert a[1] != b[1]


@pytest.mark.wengert_only
def test_importing_and_seeding_load_no_generator():
    code = (
        "import sys, wengert as t; t.manual_seed(0); print('numpy.random' in sys.modules);"
        "t.rand(1); print('numpy.random' in sys.modules)"
    )
    assert in_a_new_process(code) == ["False", "True"]


@pytest.mark.wengert_only
def test_threads_share_a_generator():
    g = torch.Generator().manual_seed(0)
    stream = torch.rand(4000, 16, generator=g).numpy()
    expected = {row.tobytes() for row in stream}
    g.manual_seed(0)
    got = []

    def draw():
        got.extend(torch.rand(16, generator=g).numpy().tobytes() for _ in range(500))

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(got) == 4000
    assert set(got) == expected


# ------------------------------------------------------------------- creation
def test_arguments_of_creation():
    assert torch.rand(2, 3).shape == torch.rand((2, 3)).shape == torch.rand([2, 3]).shape == (2, 3)
    assert torch.rand(size=(2, 3)).shape == torch.rand(torch.Size([2, 3])).shape == (2, 3)
    assert torch.rand(()).shape == ()
    assert torch.randn(0, 4).shape == (0, 4)
    x = torch.randn(2, requires_grad=True, dtype=torch.float64, device="cpu", layout=torch.strided)
    assert x.requires_grad
    assert x.is_leaf
    assert x.dtype is torch.float64
    assert torch.randint(5, (2,)).dtype is torch.int64
    assert torch.randint(0, 5, (2,), dtype=torch.float32, requires_grad=True).requires_grad
    assert torch.equal(
        torch.randint(high=5, low=1, size=(3,), generator=torch.Generator().manual_seed(1)),
        torch.randint(1, 5, (3,), generator=torch.Generator().manual_seed(1)),
    )
    assert torch.randint_like(torch.zeros(2), 5).dtype is torch.float32
    assert torch.rand_like(torch.zeros(2, dtype=torch.int64), dtype=torch.float64).dtype is torch.float64


def test_the_default_dtype_counts():
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.rand(2).dtype is torch.float64
        assert torch.normal(0.0, 1.0, (2,)).dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_out():
    a = torch.empty(3)
    assert torch.rand(3, out=a) is a
    torch.manual_seed(0)
    assert torch.equal(a, torch.rand(3))
    b = torch.empty(0, dtype=torch.int64)
    torch.randperm(5, out=b)
    assert sorted(b.tolist()) == [0, 1, 2, 3, 4]
    c = torch.empty(2)
    torch.normal(torch.zeros(2), 1.0, out=c)
    version = c._version
    torch.bernoulli(torch.ones(2), out=c)
    assert c.tolist() == [1.0, 1.0]
    assert c._version > version


def test_ranges():
    assert set(torch.randint(-2, 3, (500,)).tolist()) == {-2, -1, 0, 1, 2}
    x = torch.empty(10_000).uniform_(2, 3)
    assert x.min() >= 2
    assert x.max() < 3
    assert sorted(torch.randperm(1000).tolist()) == list(range(1000))
    assert torch.rand(100_000, dtype=torch.float16).max() < 1
    assert torch.multinomial(torch.tensor([0.0, 1.0, 0.0]), 1).tolist() == [1]
    assert sorted(torch.multinomial(torch.ones(9), 9).tolist()) == list(range(9))


def test_multinomial_shapes():
    assert torch.multinomial(torch.ones(2, 3), 2).shape == (2, 2)
    assert torch.multinomial(torch.ones(2, 3), 7, replacement=True).shape == (2, 7)
    assert torch.ones(3).multinomial(2).dtype is torch.int64


# ----------------------------------------------------------------- in place
FILLS = {
    "uniform_": lambda x: x.uniform_(1, 2),
    "normal_": lambda x: x.normal_(1, 2),
    "random_": lambda x: x.random_(),
    "random_(to)": lambda x: x.random_(9),
    "random_(from, to)": lambda x: x.random_(3, 9),
    "bernoulli_": lambda x: x.bernoulli_(0.3),
    "bernoulli_(tensor)": lambda x: x.bernoulli_(torch.full((3,), 0.3)),
    "exponential_": lambda x: x.exponential_(),
    "geometric_": lambda x: x.geometric_(0.4),
    "log_normal_": lambda x: x.log_normal_(),
    "cauchy_": lambda x: x.cauchy_(),
}
NODES = {
    "uniform_": "UniformBackward0", "normal_": "NormalBackward0", "random_": "RandomBackward2",
    "random_(to)": "RandomBackward1", "random_(from, to)": "RandomBackward0",
    "bernoulli_": "BernoulliBackward2", "bernoulli_(tensor)": "BernoulliBackward1",
    "exponential_": "ExponentialBackward0", "geometric_": "GeometricBackward0",
    "log_normal_": "LogNormalBackward0", "cauchy_": "CauchyBackward0",
}  # fmt: skip


@pytest.mark.parametrize("name", FILLS)
def test_fill(name):
    fill = FILLS[name]
    x = torch.zeros(2, 3)
    address, version = x.data_ptr(), x._version
    assert fill(x) is x
    assert x.data_ptr() == address
    assert x._version == version + 1
    filled = x.clone()
    torch.manual_seed(0)
    assert torch.equal(fill(torch.empty(2, 3)), filled)


@pytest.mark.parametrize("name", FILLS)
def test_fill_and_gradients(name):
    fill = FILLS[name]
    leaf = torch.ones(3, requires_grad=True)
    with raises(RuntimeError, "a leaf Variable that requires grad is being used in an in-place"):
        fill(leaf)
    assert leaf.tolist() == [1, 1, 1]
    with torch.no_grad():
        fill(leaf)
    assert leaf.is_leaf
    y = leaf * 2
    fill(y)
    assert y.grad_fn.name() == NODES[name]
    y.sum().backward()
    assert leaf.grad.tolist() == [0, 0, 0]


def test_a_fill_makes_saved_values_stale():
    x = torch.ones(3, requires_grad=True)
    w = torch.ones(3)
    y = x * w
    w.uniform_()
    with raises(RuntimeError, "modified by an inplace operation"):
        y.sum().backward()


def test_a_fill_through_a_view():
    x = torch.ones(4, requires_grad=True)
    y = x * 3
    y[1:3].normal_()
    y.sum().backward()
    assert x.grad.tolist() == [3, 0, 0, 3]


def test_a_fill_of_overlapping_memory():
    with raises(RuntimeError, "more than one element of the written-to tensor refers to a single"):
        torch.ones(3).expand(2, 3).uniform_()


def test_an_error_leaves_stream_and_tensor_alone():
    x = torch.ones(3)
    state = torch.get_rng_state()
    for call in (
        lambda: x.normal_(0, -1),
        lambda: x.uniform_(1, 0),
        lambda: torch.randint(3, 3, (2,)),
        lambda: torch.multinomial(torch.tensor([nan]), 1),
        lambda: torch.ones(3, requires_grad=True).normal_(),
    ):
        with pytest.raises(RuntimeError):
            call()
    assert x.tolist() == [1, 1, 1]
    assert x._version == 0
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("mean", "std", "node"),
    [
        (torch.zeros(3, requires_grad=True), torch.ones(3), "NormalBackward3"),
        (torch.zeros(2, 1, requires_grad=True), torch.ones(3, requires_grad=True), "NormalBackward3"),
        (torch.zeros(3, requires_grad=True), 2.0, "NormalBackward1"),
        (0.5, torch.ones(3, requires_grad=True), "NormalBackward2"),
    ],
)
def test_no_gradient_flows_to_the_parameters(mean, std, node):
    y = torch.normal(mean, std)
    assert y.grad_fn.name() == node
    y.sum().backward()
    for t in (mean, std):
        if isinstance(t, torch.Tensor) and t.requires_grad:
            assert t.grad.shape == t.shape
            assert not t.grad.any()


def test_bernoulli_has_no_gradient():
    p = torch.full((4,), 0.5, requires_grad=True)
    y = torch.bernoulli(p)
    assert y.grad_fn.name() == "BernoulliBackward0"
    y.sum().backward()
    assert p.grad.tolist() == [0, 0, 0, 0]


# ------------------------------------------------------------------- errors
i64, c64, b8 = torch.int64, torch.complex64, torch.bool
ERRORS = {
    "rand(2, dtype=i64)": (NotImplementedError, "not implemented for 'Long'"),
    "randn(2, dtype=torch.uint8)": (NotImplementedError, '"normal_kernel_cpu" not implemented for \'Byte\''),
    "rand(-1)": (RuntimeError, "negative dimension -1"),
    "rand(2.5)": (TypeError, "rand(): argument 'size' (position 1) must be tuple of ints, not float"),
    "rand()": (TypeError, "rand()"),
    "rand(3, generator=5)": (TypeError, "generator"),
    "rand(3, device='cuda')": ((AssertionError, RuntimeError), "CUDA"),
    "randint(5, 5, (2,))": (RuntimeError, "'from' to be less than 'to', but got from=5 >= to=5"),
    "randint(0, 300, (2,), dtype=torch.uint8)": (RuntimeError, "to - 1 is out of bounds for unsigned char"),
    "randint(-1, 3, (2,), dtype=torch.uint8)": (RuntimeError, "from is out of bounds for unsigned char"),
    "randint(0, 3, (2,), dtype=b8)": (RuntimeError, "to - 1 is out of bounds for bool"),
    "randint(0, 2, (2,), dtype=c64)": (RuntimeError, "only integral, floating-point and boolean types"),
    "randint(0, 70000, (2,), dtype=torch.float16)": (RuntimeError, "to - 1 is out of bounds for c10::Half"),
    "randint(0, 2**31 + 1, (2,), dtype=torch.int32)": (RuntimeError, "to - 1 is out of bounds for int"),
    "randint(5)": (TypeError, "randint()"),
    "randint(5, 2)": (TypeError, "randint()"),
    "randint(0.5, 5, (2,))": (TypeError, "randint()"),
    "randint(5, (2,), requires_grad=True)": (RuntimeError, "Only Tensors of floating point and complex"),
    "randperm(-1)": (RuntimeError, "negative dimension -1"),
    "randperm(5.0)": (TypeError, "argument 'n'"),
    "randperm(300, dtype=torch.uint8)": (RuntimeError, "without overflow"),
    "randperm(3000, dtype=torch.float16)": (RuntimeError, "n cannot be greater than 2049 for Half type"),
    "randperm(5, dtype=b8)": (NotImplementedError, '"randperm" not implemented for \'Bool\''),
    "normal(0.0, 1.0)": (TypeError, "normal() received an invalid combination of arguments"),
    "normal(torch.zeros(2), torch.ones(3))": (RuntimeError, "must match the size of tensor b (3)"),
    "normal(torch.zeros(2), -torch.ones(2))": (RuntimeError, "normal expects all elements of std >= 0.0"),
    "normal(torch.zeros(2), -1.0)": (RuntimeError, "normal expects std >= 0.0, but found std -1"),
    "normal(0.0, -1.0, (2,))": (RuntimeError, "normal expects std >= 0.0, but found std -1"),
    "normal(torch.zeros(2, dtype=i64), 1.0)": (NotImplementedError, "not implemented for 'Long'"),
    "normal(torch.zeros(2), torch.ones(2, dtype=c64))": (RuntimeError, "to be non-complex"),
    "bernoulli(torch.tensor([0.5, 1.5]))": (RuntimeError, "Expected p_in >= 0 && p_in <= 1"),
    "bernoulli(torch.tensor([0.5, nan]))": (RuntimeError, "Expected p_in >= 0 && p_in <= 1"),
    "bernoulli(torch.tensor([1, 0]))": (NotImplementedError, "not implemented for 'Long'"),
    "bernoulli(torch.ones(2), 1.5)": (RuntimeError, "expects p to be in [0, 1], but got p=1.5"),
    "multinomial(torch.ones(2), 3)": (RuntimeError, "n_sample > prob_dist.size(-1) samples without replacement"),
    "multinomial(torch.ones(2), 0)": (RuntimeError, "cannot sample n_sample <= 0 samples"),
    "multinomial(torch.zeros(2), 1)": (RuntimeError, "sum of probabilities <= 0"),
    "multinomial(torch.tensor([-1.0, 2.0]), 1)": (RuntimeError, "either `inf`, `nan` or element < 0"),
    "multinomial(torch.tensor([1, 2]), 1)": (RuntimeError, "only supports floating-point dtypes for input, got: Long"),
    "multinomial(torch.ones(2, 2, 2), 1)": (RuntimeError, "prob_dist must be 1 or 2 dim"),
    "rand_like(5)": (TypeError, "rand_like(): argument 'input' (position 1) must be Tensor, not int"),
    "rand_like(torch.ones(2, dtype=i64))": (NotImplementedError, "not implemented for 'Long'"),
    "empty(3).uniform_(1, 0)": (RuntimeError, "[from, to) range, but found from=1 > to=0"),
    "empty(3).uniform_(0, nan)": (RuntimeError, "to is out of bounds for float"),
    "empty(3).uniform_(-3e38, 3e38)": (RuntimeError, "uniform_ expects to-from <="),
    "empty(3, dtype=i64).uniform_()": (NotImplementedError, "not implemented for 'Long'"),
    "empty(3).normal_(0, -1)": (RuntimeError, "normal expects std >= 0.0, but found std -1"),
    "empty(3, dtype=i64).normal_()": (NotImplementedError, "not implemented for 'Long'"),
    "empty(3).exponential_(0)": (RuntimeError, "expects lambda > 0.0, but found lambda=0"),
    "empty(3, dtype=i64).exponential_()": (RuntimeError, "Exponential distribution is a continuous"),
    "empty(3).geometric_(1)": (RuntimeError, "geometric_ expects p to be in (0, 1), but got p=1"),
    "empty(3).log_normal_(0, 0)": (RuntimeError, "log_normal_ expects std > 0.0, but found std=0"),
    "empty(3, dtype=i64).log_normal_()": (NotImplementedError, "not implemented for 'Long'"),
    "empty(3).cauchy_(0, -1)": (RuntimeError, "cauchy_ expects sigma > 0.0, but found sigma=-1"),
    "empty(3, dtype=i64).cauchy_()": (RuntimeError, "Cauchy distribution is a continuous"),
    "empty(3).bernoulli_(-0.1)": (RuntimeError, "expects p to be in [0, 1], but got p=-0.1"),
    "ones(2).bernoulli_(torch.ones(3))": (RuntimeError, "must match the existing size"),
    "empty(3, dtype=c64).bernoulli_(0.5)": (NotImplementedError, "not implemented for 'ComplexFloat'"),
    "empty(3).random_(0)": (RuntimeError, "'from' to be less than 'to', but got from=0 >= to=0"),
    "empty(3, dtype=torch.uint8).random_(300)": (RuntimeError, "to - 1 is out of bounds for unsigned char"),
    "empty(3, dtype=c64).random_()": (NotImplementedError, "not implemented for 'ComplexFloat'"),
    "empty(3).random_(2.5)": (TypeError, "random_()"),
}  # fmt: skip


@pytest.mark.parametrize("call", ERRORS)
def test_error(call):
    kind, phrase = ERRORS[call]
    with pytest.raises(kind) as caught:
        eval(f"torch.{call}", globals())
    assert phrase in str(caught.value)


def test_float_ranges_with_gaps_warn():
    with pytest.warns(UserWarning, match=r"out of bounds \[-\(2\^24\), 2\^24\]"):
        x = torch.randint(0, 2**26, (1000,), dtype=torch.float32)
    assert x.max() < 2**26
    with pytest.warns(UserWarning, match=r"c10::Half can support"):
        y = torch.empty(2000, dtype=torch.float16).random_(0, 3000)
    assert y.max() < 3000


# ------------------------------------------------------------------- determinism
@pytest.fixture
def determinism():
    yield
    torch.set_deterministic_debug_mode(0)


def test_deterministic_modes(determinism):
    def facts():
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.get_deterministic_debug_mode(),
        )

    assert facts() == (False, False, 0)
    torch.use_deterministic_algorithms(True)
    assert facts() == (True, False, 2)
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert facts() == (True, True, 1)
    torch.use_deterministic_algorithms(False)
    assert facts() == (False, False, 0)
    for mode, number in (("warn", 1), ("error", 2), ("default", 0), (1, 1), (2, 2), (0, 0)):
        torch.set_deterministic_debug_mode(mode)
        assert torch.get_deterministic_debug_mode() == number


def test_deterministic_mode_errors(determinism):
    with raises(RuntimeError, "invalid value of debug_mode, expected 0, 1, or 2, but got 3"):
        torch.set_deterministic_debug_mode(3)
    with raises(RuntimeError, "expected one of `default`, `warn`, `error`, but got x"):
        torch.set_deterministic_debug_mode("x")
    with raises(TypeError, "debug_mode must be str or int"):
        torch.set_deterministic_debug_mode(1.0)
    with raises(TypeError, "must be bool, not int"):
        torch.use_deterministic_algorithms(1)
    assert torch.get_deterministic_debug_mode() == 0


def test_put_has_no_deterministic_form(determinism):
    torch.use_deterministic_algorithms(True)
    x = torch.zeros(3)
    with raises(RuntimeError, "put_ does not have a deterministic implementation"):
        x.put_(torch.tensor([1]), torch.tensor([1.0]))
    assert x.tolist() == [0, 0, 0]
    torch.use_deterministic_algorithms(True, warn_only=True)
    with pytest.warns(UserWarning, match="put_ does not have a deterministic implementation"):
        x.put_(torch.tensor([1]), torch.tensor([1.0]))
    assert x.tolist() == [0, 1, 0]

