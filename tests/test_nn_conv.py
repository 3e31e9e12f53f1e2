"""Convolutions: a loop as the reference, PyTorch as the oracle, layers, blocks, dtypes, errors."""

from __future__ import annotations

import itertools
import warnings

import nn_layer_cases as cases
import numpy as np
import pytest
from against import raises, torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import against_torch, numbers

nn = torch.nn
F = nn.functional

# what PyTorch 2.13 made of layers and inputs: see nn_layer_cases.run
RECORDED = {
    ("nn.Conv1d(6,4,3)", "X3"): (-3.498105, 153.20672),
    ("nn.Conv1d(6,4,2,2,1,bias=False)", "X3"): (3.8270991, 84.79663),
    ('nn.Conv1d(6,6,3,padding="same",dilation=2,groups=3)', "X3"): (0.023699388, 122.79133),
    ('nn.Conv1d(6,2,3,padding=1,padding_mode="circular")', "X3"): (-1.9775716, 105.86088),
    ("nn.Conv2d(3,5,3)", "X4"): (-3.2299676, 338.95357),
    ("nn.Conv2d(3,6,(2,3),stride=(1,2),padding=(1,0),dilation=(2,1),groups=3)", "X4"): (-1.2371205, 117.51883),
    ('nn.Conv2d(3,2,3,padding=1,padding_mode="reflect")', "X4"): (-4.187727, 279.10163),
    ('nn.Conv2d(3,2,3,padding=(2,1),padding_mode="replicate")', "X4"): (7.8641157, 355.67256),
    ("nn.Conv2d(3,4,1)", "X4"): (-5.3801379, 129.69516),
    ("nn.Conv3d(3,2,(1,2,3))", "X5"): (-3.6328034, 120.88534),
    ('nn.Conv3d(3,3,(1,3,3),padding="same",groups=3)', "X5"): (9.8071861, 165.33467),
    ("nn.ConvTranspose1d(6,4,3)", "X3"): (-0.75650752, 193.07335),
    ("nn.ConvTranspose1d(6,4,3,2,1,1,2)", "X3"): (-0.40277544, 108.49621),
    ("nn.ConvTranspose2d(3,5,3)", "X4"): (10.321964, 643.80672),
    ("nn.ConvTranspose2d(3,6,(2,3),(2,1),(1,0),(1,0),3,False,(1,2))", "X4"): (2.1076066, 203.65913),
    ("nn.ConvTranspose3d(3,2,2,stride=2)", "X5"): (-2.5517244, 298.51865),
}  # fmt: skip
FIRST = (
    [-0.003743410110473633, 0.26822179555892944, -0.4115225672721863, -0.3679695129394531],
    [-0.19257718324661255],
    [0.1896158903837204, -0.014010033570230007, 0.5606575012207031, -0.06275151669979095],
)


# ---------------------------------------------------------------- the reference
def padded(x, padding):
    return np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]])


def looped(x, w, stride, padding, dilation, groups):
    """Convolution by its definition, one place of the result at a time."""
    d = w.ndim - 2
    x = padded(x, padding)
    reach = [dil * (k - 1) + 1 for dil, k in zip(dilation, w.shape[2:])]
    out = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride)]
    result = np.zeros((x.shape[0], w.shape[0], *out), np.result_type(x, w))
    each_in, each_out = w.shape[1], w.shape[0] // groups
    for place in itertools.product(*map(range, out)):
        cut = tuple(slice(p * s, p * s + r, dil) for p, s, r, dil in zip(place, stride, reach, dilation))
        window = x[(slice(None), slice(None), *cut)]
        for o in range(w.shape[0]):
            first = o // each_out * each_in
            part = window[:, first : first + each_in] * w[o]
            result[(slice(None), o, *place)] = part.sum(tuple(range(1, part.ndim)))
    assert len(out) == d
    return result


SWEEP = [
    (shape, groups, k, s, p, dil)
    for shape in ((2, 4, 7), (1, 4, 6, 5), (5, 4, 6, 7), (2, 4, 4, 5, 3))
    for groups in (1, 2, 4)
    for k, s, p, dil in ((1, 1, 0, 1), (3, 1, 1, 1), (2, 2, 1, 1), (2, 1, 0, 2), (3, 2, 2, 1), (1, 2, 0, 1))
]


def setting(shape, groups, k):
    d = len(shape) - 2
    return numbers(1, *shape), numbers(2, 8, 4 // groups, *[k] * d), numbers(3, 8), d


@pytest.mark.parametrize(("shape", "groups", "k", "s", "p", "dil"), SWEEP)
def test_against_a_loop(shape, groups, k, s, p, dil):
    x, w, b, d = setting(shape, groups, k)
    got = getattr(F, f"conv{d}d")(torch.tensor(x), torch.tensor(w), torch.tensor(b), s, p, dil, groups)
    expected = looped(x, w, (s,) * d, (p,) * d, (dil,) * d, groups) + b.reshape(-1, *[1] * d)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("shape", "groups", "k", "s", "p", "dil"), SWEEP)
def test_transposed_is_the_adjoint(shape, groups, k, s, p, dil):
    x, w, _, d = setting(shape, groups, k)
    w_t = torch.tensor(w)
    y = getattr(F, f"conv{d}d")(torch.tensor(x), w_t, None, s, p, dil, groups)
    u = torch.tensor(numbers(4, *y.shape))
    least = [(n - 1) * s - 2 * p + dil * (k - 1) + 1 for n in y.shape[2:]]
    extra = [n - m for n, m in zip(shape[2:], least)]
    back = getattr(F, f"conv_transpose{d}d")(u, w_t, None, s, p, extra, groups, dil)
    assert back.shape == shape
    assert float((y * u).sum()) == pytest.approx(float((back * torch.tensor(x)).sum()), rel=1e-11)


@pytest.mark.torch
@pytest.mark.parametrize(("shape", "groups", "k", "s", "p", "dil"), SWEEP[::3])
def test_gradients_against_pytorch(shape, groups, k, s, p, dil):
    x, w, b, d = setting(shape, groups, k)
    against_torch(lambda T, x, w, b: getattr(T, f"conv{d}d")(x, w, b, s, p, dil, groups), x, w, b)
    v = numbers(5, 4, 4 // groups, *[k] * d)
    against_torch(
        lambda T, x, v: getattr(T, f"conv_transpose{d}d")(x, v, None, s, p, 0, groups, dil), x, v
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_any_shape(data):
    d = data.draw(st.integers(1, 3))
    ints = lambda low, high: tuple(data.draw(st.integers(low, high)) for _ in range(d))
    n, groups = data.draw(st.integers(0, 9)), data.draw(st.integers(1, 3))
    each_in, each_out = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    kernel, stride, padding, dilation = ints(1, 3), ints(1, 3), ints(0, 2), ints(1, 2)
    size = [data.draw(st.integers(max(1, e * (k - 1) + 1 - 2 * p), 9)) for k, p, e in zip(kernel, padding, dilation)]
    x = torch.tensor(numbers(1, n, groups * each_in, *size), requires_grad=True)
    w = torch.tensor(numbers(2, groups * each_out, each_in, *kernel), requires_grad=True)
    how = (stride, padding, dilation, groups)
    y = getattr(F, f"conv{d}d")(x, w, None, *how)
    expected = looped(x.detach().numpy(), w.detach().numpy(), *how)
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-11, atol=1e-11)
    u = torch.tensor(numbers(3, *y.shape))
    (y * u).sum().backward()  # linear in both: each pairs with its gradient to the same number
    product = float((y * u).sum().detach())
    for t in (x, w):
        assert float((t.grad * t.detach()).sum()) == pytest.approx(product, rel=1e-9, abs=1e-9)


# ---------------------------------------------------------------- ways of the kernel
@pytest.mark.wengert_only
@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("width", [6, 40])
@pytest.mark.parametrize(("groups", "outputs"), [(1, 6), (2, 6), (6, 6), (6, 12)])
def test_blocks_change_nothing(monkeypatch, n, width, groups, outputs):
    from wengert.kernels import conv, depthwise

    x, w = numbers(1, n, 6, 9, width), numbers(2, outputs, 6 // groups, 3, 2)
    how = ((2, 1), (1, 0), (1, 2), groups)
    y = conv.convolve(x, w, None, *how)
    u = numbers(3, *y.shape)
    whole = y, conv.transposed(u, w, None, (9, width), *how), conv.weights(x, u, (3, 2), *how)
    monkeypatch.setattr(conv, "_COLUMNS", 1500)
    monkeypatch.setattr(depthwise, "_BLOCK", 300)
    parts = (
        conv.convolve(x, w, None, *how),
        conv.transposed(u, w, None, (9, width), *how),
        conv.weights(x, u, (3, 2), *how),
    )
    for a, b in zip(whole, parts):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(whole[0], looped(x, w, *how), rtol=1e-12, atol=1e-12)


def test_layouts_of_memory():
    x, w = numbers(1, 5, 6, 7, 4), numbers(2, 3, 4, 3, 2)
    last = torch.tensor(x).permute(0, 3, 1, 2)
    plain = last.contiguous()
    a, b = F.conv2d(last, torch.tensor(w)), F.conv2d(plain, torch.tensor(w))
    assert torch.allclose(a, b, rtol=1e-13, atol=1e-13)
    assert b.is_contiguous()
    assert a.is_contiguous(memory_format=torch.channels_last)
    for f in (lambda t: F.max_pool2d(t, 2), lambda t: F.avg_pool2d(t, 2), lambda t: F.interpolate(t, size=3)):
        assert f(last).stride()[1] == 1
        assert f(plain).is_contiguous()
        assert torch.equal(f(last), f(plain))
    strided = torch.tensor(numbers(3, 5, 4, 6, 14))[..., ::2]
    assert torch.allclose(F.conv2d(strided, torch.tensor(w)), F.conv2d(strided.clone(), torch.tensor(w)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "int32", "complex64"])
def test_dtypes(dtype):
    kind = getattr(torch, dtype)
    x, w = numbers(1, 2, 3, 5, 5), numbers(2, 4, 3, 2, 2)
    if dtype == "complex64":
        x, w = x + 1j * x[::-1], w - 0.5j * w
    x, w = torch.tensor(x * 2).to(kind), torch.tensor(w * 2).to(kind)
    y = F.conv2d(x, w)
    assert y.dtype is kind
    wide = np.complex128 if dtype == "complex64" else np.float64
    expected = looped(x.numpy().astype(wide), w.numpy().astype(wide), (1, 1), (0, 0), (1, 1), 1)
    tolerance = {"float16": 1e-2, "float32": 1e-5, "complex64": 1e-5}.get(dtype, 1e-12)
    np.testing.assert_allclose(y.numpy(), expected, rtol=tolerance, atol=tolerance)


def test_single_precision_stays():
    layer = nn.Conv2d(3, 4, 3)
    x = torch.randn(2, 3, 6, 6, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.dtype is torch.float32
    assert layer.weight.grad.dtype is torch.float32
    assert layer.bias.grad.dtype is torch.float32


def test_no_samples():
    x = torch.zeros(0, 3, 5, 5, requires_grad=True)
    w = torch.ones(2, 3, 2, 2, requires_grad=True)
    y = F.conv2d(x, w, torch.ones(2))
    assert y.shape == (0, 2, 4, 4)
    y.sum().backward()
    assert w.grad.shape == w.shape
    assert not w.grad.any()
    assert F.conv_transpose2d(torch.zeros(0, 3, 5, 5), torch.ones(3, 2, 2, 2)).shape == (0, 2, 6, 6)


# ---------------------------------------------------------------- padding
def test_same_and_valid():
    x, w = torch.tensor(numbers(1, 1, 2, 9)), torch.tensor(numbers(2, 3, 2, 5))
    assert torch.equal(F.conv1d(x, w, padding="valid"), F.conv1d(x, w))
    assert torch.allclose(F.conv1d(x, w, padding="same"), F.conv1d(x, w, padding=2))
    with pytest.warns(UserWarning, match="even kernel lengths"):
        y = F.conv1d(x, w[..., :4], padding="same")
    expected = F.conv1d(F.pad(x, (1, 2)), w[..., :4])
    assert torch.allclose(y, expected)


@pytest.mark.parametrize(("mode", "name"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")])
def test_padding_modes(mode, name):
    layer = nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=mode, dtype=torch.float64)
    x = numbers(1, 2, 2, 5, 6)
    wide = np.pad(x, [(0, 0), (0, 0), (1, 1), (2, 2)], mode=name)
    expected = looped(wide, layer.weight.detach().numpy(), (1, 1), (0, 0), (1, 1), 1)
    got = layer(torch.tensor(x)).detach().numpy() - layer.bias.detach().numpy().reshape(-1, 1, 1)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- layers
def run(*args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cases.run(*args)


@pytest.mark.parametrize(("case", "expected"), RECORDED.items(), ids=[" ".join(c) for c in RECORDED])
def test_recorded_numbers(case, expected):
    _, _, total, grads = run(torch, *case)
    assert total == pytest.approx(expected[0], rel=2e-5, abs=2e-5)
    assert grads == pytest.approx(expected[1], rel=1e-4, abs=2e-4)


@pytest.mark.torch
@pytest.mark.parametrize("case", RECORDED, ids=[" ".join(c) for c in RECORDED])
def test_layers_against_pytorch(case):
    oracle = pytest.importorskip("torch")
    module, output, _, grads = run(torch, *case)
    theirs, their_output, _, their_grads = run(oracle, *case)
    assert repr(module) == repr(theirs)
    ours, others = module.state_dict(), theirs.state_dict()
    assert list(ours) == list(others)
    for name in ours:
        np.testing.assert_array_equal(ours[name].numpy(), others[name].numpy())
    np.testing.assert_allclose(
        output.detach().numpy(), their_output.detach().numpy(), rtol=2e-5, atol=2e-6
    )
    assert grads == pytest.approx(their_grads, rel=1e-4, abs=2e-4)


def test_first_parameters():
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 1, 2)
    assert layer.weight.flatten().tolist() == FIRST[0]
    assert layer.bias.tolist() == FIRST[1]
    layer = nn.ConvTranspose1d(2, 1, 2)
    assert layer.weight.flatten().tolist() == FIRST[2]
    assert layer.weight.shape == (2, 1, 2)
    assert nn.Conv3d(4, 6, (1, 2, 3), groups=2).weight.shape == (6, 2, 1, 2, 3)


def test_memory_format_of_a_layer():
    layer = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    assert layer[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert layer[0].weight.stride() == (12, 1, 6, 3)
    assert layer[1].weight.is_contiguous()
    x = torch.randn(2, 3, 5, 5)
    assert layer[0](x).is_contiguous(memory_format=torch.channels_last)


def test_output_size():
    layer = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    x = torch.zeros(1, 2, 4, 5)
    assert layer(x).shape == (1, 3, 7, 9)
    assert layer(x, output_size=(8, 10)).shape == (1, 3, 8, 10)
    assert layer(x, output_size=torch.Size((1, 3, 8, 9))).shape == (1, 3, 8, 9)
    assert layer(x[0], output_size=(3, 8, 9)).shape == (3, 8, 9)
    with raises(ValueError, "requested an output size of [9, 9]", "from [7, 9] to [8, 10]"):
        layer(x, output_size=[9, 9])
    with raises(ValueError, "for 4D input, output_size must have 2 or 4 elements (got 3)"):
        layer(x, output_size=(1, 8, 9))


def test_graph_of_an_unbatched_input():
    w = torch.ones(1, 2, 3, requires_grad=True)
    y = F.conv1d(torch.ones(2, 5), w)
    assert y.grad_fn.name() == "SqueezeBackward1"
    inner = y.grad_fn.next_functions[0][0]
    assert inner.name() == "ConvolutionBackward0"
    assert [f is not None for f, _ in inner.next_functions] == [False, True, False]
    x = torch.ones(1, 2, 5, requires_grad=True)
    batched = F.conv1d(x, w, torch.ones(1, requires_grad=True)).grad_fn
    assert torch.equal(batched._saved_weight, w)
    assert torch.equal(batched._saved_input, x)


def test_conv_tbc():
    x, w, b = numbers(1, 6, 2, 3), numbers(2, 3, 3, 4), numbers(3, 4)
    y = torch.conv_tbc(torch.tensor(x), torch.tensor(w), torch.tensor(b), 1)
    expected = looped(x.transpose(1, 2, 0), w.transpose(2, 1, 0), (1,), (1,), (1,), 1).transpose(2, 0, 1) + b
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- errors
X, W = torch.zeros(2, 3, 8, 8), torch.zeros(4, 3, 3, 3)


@pytest.mark.parametrize(
    ("call", "error", "phrases"),
    [
        (lambda: F.conv2d(X[0, 0], W), RuntimeError, ["Expected 3D (unbatched) or 4D (batched) input to conv2d"]),
        (lambda: F.conv2d(X, torch.zeros(4, 2, 3, 3)), RuntimeError, ["to have 2 channels, but got 3 channels instead"]),
        (lambda: F.conv2d(X, W, torch.zeros(3)), RuntimeError, ["expected bias to be 1-dimensional with 4 elements"]),
        (lambda: F.conv2d(X, W, groups=2), RuntimeError, ["Given groups=2", "to have 6 channels"]),
        (lambda: F.conv2d(X, W, groups=0), RuntimeError, ["non-positive groups is not supported"]),
        (lambda: F.conv2d(X, W, stride=0), RuntimeError, ["non-positive stride is not supported"]),
        (lambda: F.conv2d(X, W, padding=-1), RuntimeError, ["negative padding is not supported"]),
        (lambda: F.conv2d(X, W, dilation=0), RuntimeError, ["dilation"]),
        (lambda: F.conv2d(X, W, stride=(1, 2, 3)), RuntimeError, ["a list of 2 values"]),
        (lambda: F.conv2d(X, W, padding="same", stride=2), RuntimeError, ["padding='same' is not supported for strided"]),
        (lambda: F.conv2d(X, W, padding="around"), RuntimeError, ["Invalid padding string: 'around'"]),
        (lambda: F.conv2d(X, torch.zeros(4, 3, 9, 3)), RuntimeError, ["Kernel size: (9 x 3)", "can't be greater than"]),
        (lambda: F.conv2d(X.double(), W), RuntimeError, ["expected scalar type Double but found Float"]),
        (lambda: F.conv2d(X.bool(), W.bool()), NotImplementedError, ["not implemented for 'Bool'"]),
        (lambda: F.conv2d(X, W, stride=1.5), TypeError, ["stride"]),
        (lambda: F.conv_transpose2d(X, W), RuntimeError, ["to have 4 channels, but got 3"]),
        (lambda: F.conv_transpose2d(X, torch.zeros(3, 4, 3, 3), output_padding=1), RuntimeError, ["output padding must be smaller than either stride or dilation", "output_padding_width: 1"]),
        (lambda: F.conv_transpose2d(X, torch.zeros(3, 4, 3, 3), groups=2), RuntimeError, ["divisible by 2 at dimension 0"]),
        (lambda: torch.conv_tbc(torch.zeros(5, 2), torch.zeros(2, 3, 4), torch.zeros(4)), RuntimeError, ["Input must have 3 dims"]),
        (lambda: nn.Conv1d(3, 4, 2, groups=2), ValueError, ["in_channels must be divisible by groups"]),
        (lambda: nn.Conv1d(4, 3, 2, groups=2), ValueError, ["out_channels must be divisible by groups"]),
        (lambda: nn.Conv1d(4, 4, 2, groups=0), ValueError, ["groups must be a positive integer"]),
        (lambda: nn.Conv1d(4, 4, 2, padding="no"), ValueError, ["Invalid padding string 'no'"]),
        (lambda: nn.Conv1d(4, 4, 2, padding_mode="no"), ValueError, ["padding_mode must be one of"]),
        (lambda: nn.Conv1d(4, 4, 2, 2, padding="same"), ValueError, ["padding='same' is not supported"]),
        (lambda: nn.ConvTranspose1d(4, 4, 2, padding_mode="circular"), ValueError, ['Only "zeros" padding mode']),
    ],
)  # fmt: skip
def test_errors(call, error, phrases):
    with raises(error, *phrases):
        call()
