"""Random numbers: PyTorch's streams bit for bit, generators and their state."""

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
            Fraction(float(v)) * Fraction(float(np.float32(scale)))
            + Fraction(float(np.float32(shift)))
            for v in x32
        ]
        got = fma32(x32, scale, shift)
        for e, g in zip(exact, got.tolist()):
            below = float(np.nextafter(np.float32(g), np.float32(-np.inf)))
            above = float(np.nextafter(np.float32(g), np.float32(np.inf)))
            assert abs(e - Fraction(g)) <= min(abs(e - Fraction(below)), abs(e - Fraction(above)))
    x = r.normal(size=4000)
    for scale, shift in (
        (0.3, -0.1),
        (1 + 2**-52, 1.0),
        (3.7, 1e-17),
        (1e300, 1.0),
        (1e-310, 1e-300),
    ):
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
        words = lambda k: draws[:k].copy()
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
        drawn = (
            torch.randn(3, generator=g),
            torch.rand(700, generator=g),
            torch.randn(40, generator=g),
        )
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
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
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


@pytest.mark.wengert_only
@pytest.mark.parametrize(
    "draw", ["rand", "normals", "one normal", "large", "nothing", "reseed", "load"]
)
def test_snapshots(draw):
    def move(g):
        if draw == "rand":
            torch.rand(3, generator=g)
        elif draw == "normals":
            torch.randn(20, generator=g)
        elif draw == "one normal":  # takes the spare of the pair before, and no new word
            torch.randn(1, generator=g, dtype=torch.float64)
        elif draw == "large":
            torch.rand(10_000, generator=g, dtype=torch.float64)
        elif draw == "reseed":
            g.manual_seed(11)
        elif draw == "load":
            g.set_state(torch.Generator().manual_seed(12).get_state())

    def numbers(g):
        return [torch.randn(3, generator=g).tolist(), torch.rand(700, generator=g).tolist()]

    for begin in (lambda g: None, lambda g: torch.randn(1, generator=g, dtype=torch.float64)):
        g = torch.Generator().manual_seed(7)
        begin(g)
        snapshot, state = g.snapshot(), g.get_state()
        expected = numbers(g.clone_state())
        move(g)
        g.restore(snapshot)
        assert torch.equal(g.get_state(), state)
        assert numbers(g) == expected
        other = torch.Generator()
        torch.rand(3, generator=other)
        other.restore(snapshot)
        assert numbers(other) == expected


@pytest.mark.wengert_only
def test_snapshots_of_a_generator_that_was_not_used():
    g = torch.Generator()
    snapshot = g.snapshot()
    expected = torch.rand(3, generator=g).tolist()
    assert g.snapshot() is g.snapshot()
    g.restore(snapshot)
    assert g.initial_seed() == 67280421310721
    assert torch.rand(3, generator=g).tolist() == expected
