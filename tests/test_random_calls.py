"""Creating and filling with random numbers: arguments, gradients, errors, determinism."""

from __future__ import annotations

import pytest
from against import raises, torch

nan = float("nan")


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
    assert (
        torch.rand_like(torch.zeros(2, dtype=torch.int64), dtype=torch.float64).dtype
        is torch.float64
    )


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
        (
            torch.zeros(2, 1, requires_grad=True),
            torch.ones(3, requires_grad=True),
            "NormalBackward3",
        ),
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
