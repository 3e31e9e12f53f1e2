"""Activations: values, first and second gradients, kinks, dtypes, sizes, in-place forms, errors."""

import math

import numpy as np
import pytest
from against import REAL, collected_warnings, raises, torch
from nn_oracle import F, check_against_torch, check_differences, numbers, slope_at

CALLS = {
    "relu": ("relu", {}),
    "relu6": ("relu6", {}),
    "leaky_relu": ("leaky_relu", {}),
    "leaky_relu steep": ("leaky_relu", {"negative_slope": 2.0}),
    "leaky_relu negative": ("leaky_relu", {"negative_slope": -1.0}),
    "elu": ("elu", {"alpha": 1.5}),
    "selu": ("selu", {}),
    "celu": ("celu", {"alpha": 2.0}),
    "gelu": ("gelu", {}),
    "gelu tanh": ("gelu", {"approximate": "tanh"}),
    "silu": ("silu", {}),
    "mish": ("mish", {}),
    "sigmoid": ("sigmoid", {}),
    "tanh": ("tanh", {}),
    "softplus": ("softplus", {}),
    "softplus beta": ("softplus", {"beta": 2.0, "threshold": 1.0}),
    "softsign": ("softsign", {}),
    "tanhshrink": ("tanhshrink", {}),
    "hardtanh": ("hardtanh", {"min_val": -0.5, "max_val": 0.7}),
    "hardsigmoid": ("hardsigmoid", {}),
    "hardswish": ("hardswish", {}),
    "hardshrink": ("hardshrink", {"lambd": 0.3}),
    "softshrink": ("softshrink", {"lambd": 0.3}),
    "threshold": ("threshold", {"threshold": 0.1, "value": 3.0}),
    "logsigmoid": ("logsigmoid", {}),
    "rrelu": ("rrelu", {}),
    "glu": ("glu", {"dim": 1}),
}
every = pytest.mark.parametrize("label", CALLS)


def call(label, module=torch):
    name, kw = CALLS[label]
    return lambda x: getattr(module.nn.functional, name)(x, **kw)


@every
def test_gradients_are_those_of_finite_differences(label):
    if REAL and label == "hardsigmoid":
        pytest.skip("PyTorch has no second derivative of hardsigmoid")
    check_differences(call(label), numbers(3, 4))


@pytest.mark.torch
@every
@pytest.mark.parametrize(
    ("dtype", "shape"),
    [*[(d, s) for d in ("f8", "f4", "f2") for s in ((3, 4), (0, 2))], ("f4", (40, 1200))],
    ids=str,
)
def test_against_torch(label, dtype, shape):
    order = 1 if dtype == "f2" or label == "hardsigmoid" else 2
    # PyTorch computes hardsigmoid's 1/6 and celu's 1/alpha in float32 whatever the dtype
    rtol = 1e-7 if dtype == "f8" else 1e-4 if order == 2 and dtype == "f4" else None
    name, kw = CALLS[label]
    check_against_torch(
        lambda T, x: getattr(T.nn.functional, name)(x, **kw),
        2 * numbers(*shape, dtype=dtype), order=order, rtol=rtol,
    )  # fmt: skip


@every
def test_zero_dim(label):
    if label == "glu":
        with raises(RuntimeError, "glu does not support scalars because halving size must be even"):
            F.glu(torch.tensor(1.0))
        return
    x = torch.tensor(0.4, requires_grad=True)
    out = call(label)(x)
    out.backward()
    row = torch.tensor([0.4], requires_grad=True)
    same = call(label)(row)
    same.sum().backward()
    assert out.shape == ()
    assert out.item() == same.item()
    assert x.grad.item() == row.grad.item()


@every
def test_strided_input_gives_the_same_numbers(label):
    base = torch.tensor(numbers(4, 60, 40, dtype="f4"), requires_grad=True)
    plain = base.detach().transpose(1, 2).contiguous().requires_grad_()
    strided = call(label)(base.transpose(1, 2))
    dense = call(label)(plain)
    strided.sum().backward()
    dense.sum().backward()
    assert torch.allclose(strided, dense, rtol=1e-5, atol=1e-6)
    assert torch.allclose(base.grad.transpose(1, 2), plain.grad, rtol=1e-5, atol=1e-5)


KINKS = [
    ("relu", F.relu, [0.0, -0.0, 1.0], [0.0, 0.0, 1.0]),
    ("leaky_relu", F.leaky_relu, [0.0], [0.01]),
    ("elu", F.elu, [0.0], [1.0]),
    ("celu", F.celu, [0.0], [1.0]),
    ("selu", F.selu, [0.0], [1.7580993408473766]),
    ("relu6", F.relu6, [0.0, 6.0, 3.0], [0.0, 0.0, 1.0]),
    ("hardtanh", F.hardtanh, [-1.0, 1.0, 0.5], [0.0, 0.0, 1.0]),
    ("hardsigmoid", F.hardsigmoid, [-3.0, 3.0], [0.0, 0.0]),
    ("hardswish", F.hardswish, [3.0, -3.0], [1.0, 0.0]),
    ("hardshrink", F.hardshrink, [0.5, -0.5], [0.0, 0.0]),
    ("softshrink", F.softshrink, [0.5, -0.5], [0.0, 0.0]),
    ("threshold", lambda x: F.threshold(x, 0, 5.0), [0.0, 1.0], [0.0, 1.0]),
    ("prelu", lambda x: F.prelu(x, torch.tensor([0.25], dtype=x.dtype)), [0.0], [0.25]),
    ("gelu", F.gelu, [0.0], [0.5]),
    ("softsign", F.softsign, [0.0], [1.0]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("f", "points", "slopes"), [k[1:] for k in KINKS], ids=[k[0] for k in KINKS]
)
def test_gradient_at_kinks(f, points, slopes):
    assert slope_at(f, *points) == pytest.approx(slopes, abs=1e-12)


def test_infinite_cotangents_do_not_leak_through_the_flat_side():
    # sqrt'(0) is inf; relu's flat side turns it into 0, not into inf * 0 = nan
    assert slope_at(lambda x: torch.sqrt(F.relu(x)), -1.0, 4.0) == [0.0, 0.25]
    many = torch.full((5000,), -1.0, requires_grad=True)
    torch.sqrt(F.relu(many)).sum().backward()
    assert many.grad.abs().max().item() == 0


def test_nan_stays_visible():
    x = torch.tensor([float("nan")] * 3000, requires_grad=True)
    out = F.relu(x)
    assert out.isnan().all()
    out.backward(torch.ones(3000))
    assert (x.grad == 1).all()


@pytest.mark.parametrize(
    ("f", "points", "values"),
    [
        (F.softplus, [-1000.0, 1000.0], [0.0, 1000.0]),
        (F.logsigmoid, [-1000.0, 1000.0], [-1000.0, 0.0]),
        (F.sigmoid, [-1000.0, 1000.0], [0.0, 1.0]),
        (F.silu, [-1000.0, 1000.0], [0.0, 1000.0]),
        (F.mish, [-1000.0, 1000.0], [0.0, 1000.0]),
        (F.elu, [-1000.0, 1000.0], [-1.0, 1000.0]),
        (F.gelu, [-1000.0, 1000.0], [0.0, 1000.0]),
    ],
)
def test_extreme_arguments_are_finite(f, points, values):
    for dtype in (torch.float32, torch.float64):
        x = torch.tensor(points, dtype=dtype, requires_grad=True)
        out = f(x)
        out.sum().backward()
        assert out.tolist() == pytest.approx(values, abs=1e-12)
        assert x.grad.isfinite().all()


def test_logsigmoid_keeps_its_digits():
    x = torch.tensor([40.0], dtype=torch.float64)
    assert F.logsigmoid(x).item() == pytest.approx(-math.exp(-40.0), rel=1e-12)


IN_PLACE = ["relu", "leaky_relu", "elu", "selu", "celu", "silu", "mish", "relu6", "hardtanh",
            "hardswish", "hardsigmoid", "rrelu", "threshold"]  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_inplace_argument(name):
    args = (0.1, 3.0) if name == "threshold" else ()
    f = getattr(F, name)
    x = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    t = x * 1
    assert f(t, *args, inplace=True) is t
    assert t._version == 1
    t.sum().backward()
    want = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    out = f(want, *args)
    out.sum().backward()
    assert t.tolist() == out.tolist()
    assert x.grad.tolist() == pytest.approx(want.grad.tolist(), rel=1e-14)
    with raises(RuntimeError, "a leaf Variable that requires grad"):
        f(x, *args, inplace=True)


@pytest.mark.parametrize(
    "name", ["relu_", "elu_", "leaky_relu_", "hardtanh_", "selu_", "celu_", "rrelu_"]
)
def test_inplace_functions(name):
    x = torch.tensor([-1.0, 0.5])
    assert getattr(F, name)(x) is x
    assert x.tolist() == getattr(F, name[:-1])(torch.tensor([-1.0, 0.5])).tolist()


def test_relu_keeps_no_copy_of_its_input():
    x = torch.ones(3, requires_grad=True)
    y = (x * 2).relu_()
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    z = torch.relu(x * 2)
    z.add_(1)
    with raises(RuntimeError, "modified by an inplace operation", "output 0 of Relu"):
        z.sum().backward()


@pytest.mark.torch
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "tanhshrink"])
def test_complex_against_torch(name):
    z = numbers(5) + 1j * numbers(5, seed=1)
    check_against_torch(lambda T, z: getattr(T.nn.functional, name)(z), z, order=1, rtol=1e-9)


def test_integers():
    i = torch.tensor([1, -2, 3])
    assert F.relu(i).tolist() == [1, 0, 3]
    assert F.relu(i).dtype is torch.int64
    assert F.hardtanh(i).tolist() == [1, -1, 1]
    assert torch.sigmoid(i).dtype is torch.float32
    assert F.softsign(i).dtype is torch.float32


@pytest.mark.parametrize(
    ("name", "kernel"),
    [("leaky_relu", "leaky_relu_cpu"), ("elu", "elu_cpu"), ("selu", "elu_cpu"), ("celu", "elu_cpu"),
     ("gelu", "GeluKernelImpl"), ("silu", "silu_cpu"), ("mish", "mish_cpu"), ("softplus", "softplus_cpu"),
     ("hardsigmoid", "hardsigmoid_cpu"), ("hardswish", "hardswish_cpu"), ("hardshrink", "hardshrink_cpu"),
     ("softshrink", "softshrink_check"), ("logsigmoid", "log_sigmoid_cpu"), ("rrelu", "leaky_relu_cpu")],
)  # fmt: skip
def test_integers_refused(name, kernel):
    with raises(NotImplementedError, f"\"{kernel}\" not implemented for 'Long'"):
        getattr(F, name)(torch.tensor([1, 2]))


@pytest.mark.parametrize(
    ("f", "kind", "text"),
    [
        (lambda: torch.relu(1), TypeError, "relu(): argument 'input' (position 1) must be Tensor, not int"),
        (lambda: F.gelu(1.0), TypeError, "gelu(): argument 'input' (position 1) must be Tensor, not float"),
        (lambda: F.relu(torch.tensor([True])), RuntimeError, "Boolean inputs not supported for relu"),
        (lambda: F.hardtanh(torch.ones(2), 2, 1), ValueError, "min_val cannot be greater than max_val"),
        (lambda: F.gelu(torch.ones(2), approximate="x"), RuntimeError, "approximate argument must be either none or tanh."),
        (lambda: F.celu(torch.ones(2), 0), RuntimeError, "ZeroDivisionError: alpha cannot be 0 for CELU"),
        (lambda: F.softshrink(torch.ones(2), -1), RuntimeError, "lambda must be in range [0, 3.40282e+38] for input dtype Float, but found -1"),
        (lambda: F.glu(torch.ones(3)), RuntimeError, "Halving dimension must be even, but dimension 0 is size 3"),
        (lambda: F.glu(torch.ones(2), 5), IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 5)"),
        (lambda: F.rrelu(torch.ones(2), 1, 0, True), RuntimeError, "Lower bound should be less than or equal to the upper bound"),
        (lambda: F.prelu(torch.ones(2, 3), torch.ones(2)), RuntimeError, "Mismatch of parameter numbers and input channel size. Found parameter numbers = 2 and channel size = 3."),
        (lambda: F.prelu(torch.ones(2), torch.ones(1, 1)), RuntimeError, "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = 2"),
        (lambda: F.prelu(torch.ones(2), torch.ones(1).double()), RuntimeError, "prelu: Type promoting not supported. Got Float and Double"),
        (lambda: F.prelu(torch.tensor(1.0), torch.ones(3)), RuntimeError, "Not allow zero-dim input tensor."),
        (lambda: F.prelu(torch.ones(2), 0.1), TypeError, "prelu(): argument 'weight' (position 2) must be Tensor, not float"),
    ],
)  # fmt: skip
def test_errors(f, kind, text):
    with raises(kind, text):
        f()


@pytest.mark.parametrize("shape", [(), (1,), (4,)], ids=str)
def test_prelu(shape):
    weight = np.full(shape, 0.25)
    check_differences(F.prelu, numbers(3, 4, 2), weight)


@pytest.mark.torch
def test_prelu_against_torch():
    def f(T, x, w):
        return T.nn.functional.prelu(x, w)

    check_against_torch(f, numbers(3, 4, 2), numbers(4, seed=1))
    check_against_torch(f, numbers(5), numbers(1, seed=1))


# ---------------------------------------------------------------- softmax
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax_gradients(name, dim):
    check_differences(lambda x: getattr(F, name)(x, dim), numbers(3, 4, 2))


@pytest.mark.torch
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize("shape", [(3, 4), (5,), (), (0, 3), (3, 0), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2"])
def test_softmax_against_torch(name, shape, dtype):
    for dim in range(-1, max(len(shape), 1)):
        check_against_torch(
            lambda T, x, dim=dim: getattr(T.nn.functional, name)(x, dim),
            3 * numbers(*shape, dtype=dtype), order=1 if dtype == "f2" else 2,
        )  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(300, 400), (3, 50_000), (70_000, 2)], ids=str)
def test_softmax_in_blocks_against_torch(name, shape):
    def f(T, x):
        return getattr(T.nn.functional, name)(x, 1)

    check_against_torch(f, numbers(*shape, dtype="f4"), order=1)


def test_softmax_of_large_and_infinite_numbers():
    x = torch.tensor([[1000.0, -1000.0], [0.0, float("-inf")]])
    assert F.softmax(x, 1).tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert F.log_softmax(x, 1).tolist() == [[0.0, -2000.0], [0.0, float("-inf")]]
    assert F.softmax(torch.full((2,), float("-inf")), 0).isnan().all()


def test_softmax_dtype_argument():
    i = torch.tensor([1, 2, 3])
    assert torch.softmax(i, 0, dtype=torch.float64).dtype is torch.float64
    assert i.softmax(0, dtype=torch.float32).sum().item() == pytest.approx(1)
    with raises(NotImplementedError, "\"softmax_lastdim_kernel_impl\" not implemented for 'Long'"):
        F.softmax(i, 0)
    with raises(
        NotImplementedError, "\"log_softmax_lastdim_kernel_impl\" not implemented for 'Long'"
    ):
        F.log_softmax(i, 0)
    with raises(
        IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 3)"
    ):
        F.softmax(torch.ones(2), 3)
    with raises(TypeError, "softmax() missing 1 required positional argument"):
        torch.softmax(torch.ones(2))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize(
    ("shape", "dim"), [((3,), 0), ((2, 3), 1), ((2, 3, 4), 0), ((1, 2, 3, 4), 1)]
)
def test_implicit_dim_warns(name, shape, dim):
    x = torch.tensor(numbers(*shape))
    with collected_warnings() as caught:
        out = getattr(F, name)(x)
    (text,) = [str(w.message) for w in caught]
    assert text == (
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument."
    )
    assert torch.equal(out, getattr(F, name)(x, dim))


def test_gumbel_softmax():
    torch.manual_seed(0)
    logits = torch.zeros(3, requires_grad=True)
    soft = F.gumbel_softmax(logits)
    assert soft.detach().numpy() == pytest.approx([0.1047, 0.2984, 0.5969], abs=1e-4)
    hard = F.gumbel_softmax(logits, hard=True)
    assert sorted(hard.tolist()) == [0.0, 0.0, 1.0]
    hard[0].backward()
    assert logits.grad.abs().sum().item() > 0
    with collected_warnings() as caught:
        F.gumbel_softmax(logits, eps=1e-3)
    assert "`eps` parameter is deprecated and has no effect." in str(caught[0].message)


def test_rrelu_in_training_draws_torchs_numbers():
    torch.manual_seed(0)
    x = torch.tensor([-1.0, -2.0, 3.0, 0.0, -1.0], requires_grad=True)
    out = F.rrelu(x, training=True)
    out.sum().backward()
    assert out.tolist() == pytest.approx([-0.3270944, -0.5449250, 3.0, 0.0, -0.3168224])
    assert x.grad.tolist() == pytest.approx([0.3270944, 0.2724625, 1.0, 0.2207048, 0.3168224])


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (F.relu, "ReluBackward0"), (F.leaky_relu, "LeakyReluBackward0"), (F.elu, "EluBackward0"),
        (F.selu, "EluBackward0"), (F.celu, "CeluBackward0"), (F.gelu, "GeluBackward0"),
        (F.silu, "SiluBackward0"), (F.mish, "MishBackward0"), (F.softplus, "SoftplusBackward0"),
        (F.relu6, "HardtanhBackward0"), (F.hardswish, "HardswishBackward0"),
        (F.hardsigmoid, "HardsigmoidBackward0"), (F.hardshrink, "HardshrinkBackward0"),
        (F.softshrink, "SoftshrinkBackward0"), (F.logsigmoid, "LogSigmoidBackward0"),
        (F.sigmoid, "SigmoidBackward0"), (F.rrelu, "RreluWithNoiseBackward0"), (F.glu, "GluBackward0"),
        (F.softsign, "DivBackward0"), (F.tanhshrink, "SubBackward0"),
        (lambda x: F.softmax(x, 0), "SoftmaxBackward0"),
        (lambda x: F.log_softmax(x, 0), "LogSoftmaxBackward0"),
        (lambda x: F.prelu(x, torch.ones(1)), "PreluKernelBackward0"),
    ],
)  # fmt: skip
def test_node_names(f, name):
    assert type(f(torch.ones(2, requires_grad=True)).grad_fn).__name__ == name
