"""The kernels of normalisation against their definitions, on every way that they take."""

from __future__ import annotations

import numpy as np
import pytest
from against import torch
from oracle import numbers

F = torch.nn.functional
EPS = 1e-5


def by_definition(x, axes, w, b):
    """(x - mean) / sqrt(var + eps) * w + b in float64."""
    x = x.astype(np.float64)
    mean = x.mean(axes, keepdims=True)
    var = ((x - mean) ** 2).mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(var + EPS) * w + b


def gradients(x, axes, w, g):
    """The cotangents of x, w and b by definition, in float64."""
    x, g = x.astype(np.float64), g.astype(np.float64)
    mean = x.mean(axes, keepdims=True)
    r = 1 / np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + EPS)
    h = (x - mean) * r
    gy = g * w
    gx = r * (gy - gy.mean(axes, keepdims=True) - h * (gy * h).mean(axes, keepdims=True))
    lead = tuple(d for d, n in enumerate(w.shape) if n == 1)
    return gx, (g * h).sum(lead), g.sum(lead)


def check(f, x, axes, affine, dtype, tolerance, view=None):
    """One function against the definition; `view` is the shape in which axes and affine are said."""
    w = numbers(1, int(np.prod(affine)), dtype=dtype)
    b = numbers(2, w.size, dtype=dtype)
    g = numbers(3, *x.shape, dtype=dtype)
    ts = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    y = f(*ts)
    assert y.dtype == ts[0].dtype
    y.backward(torch.tensor(g))
    shape = view or x.shape
    wide = [a.astype(np.float64).reshape(affine) for a in (w, b)]
    expected = by_definition(x.reshape(shape), axes, *wide)
    np.testing.assert_allclose(
        y.detach().numpy(), expected.reshape(x.shape), rtol=tolerance, atol=tolerance
    )
    found = gradients(x.reshape(shape), axes, wide[0], g.reshape(shape))
    for t, e in zip(ts, found):
        scale = max(1.0, np.abs(e).max())
        assert t.grad.dtype == t.dtype
        np.testing.assert_allclose(
            t.grad.numpy().ravel() / scale, e.ravel() / scale, rtol=0, atol=10 * tolerance
        )


def data(shape, dtype, offset):
    return (numbers(0, *shape) * 1.5 + offset).astype(dtype)


PRECISION = [("d", 0.0, 1e-10), ("d", 1000.0, 1e-7), ("f", 0.0, 1e-5), ("f", 3.0, 2e-5), ("f", 100.0, 1e-3)]


@pytest.mark.parametrize(("dtype", "offset", "tolerance"), PRECISION)
@pytest.mark.parametrize("shape", [(6, 8), (3, 4, 7), (70, 90), (9, 40, 257), (2, 70000)])
def test_layer_norm(shape, dtype, offset, tolerance):
    x = data(shape, dtype, offset)
    f = lambda x, w, b: F.layer_norm(x, shape[-1:], w, b)
    check(f, x, (-1,), (*[1] * (len(shape) - 1), shape[-1]), dtype, tolerance)


def test_layer_norm_over_several_dims():
    x = data((4, 3, 5, 6), "d", 1.0)
    f = lambda x, w, b: F.layer_norm(x, (3, 5, 6), w.reshape(3, 5, 6), b.reshape(3, 5, 6))
    check(f, x, (1, 2, 3), (1, 3, 5, 6), "d", 1e-10)


@pytest.mark.parametrize(("dtype", "offset", "tolerance"), PRECISION)
@pytest.mark.parametrize("shape", [(6, 4), (200, 60), (5, 3, 4), (7, 6, 5, 5), (3, 5, 9, 8), (33, 8, 20, 21)])
def test_batch_norm(shape, dtype, offset, tolerance):
    x = data(shape, dtype, offset)
    axes = (0, *range(2, len(shape)))
    f = lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True)
    check(f, x, axes, (1, shape[1], *[1] * (len(shape) - 2)), dtype, tolerance)


@pytest.mark.parametrize(("dtype", "offset", "tolerance"), PRECISION)
@pytest.mark.parametrize(("shape", "groups"), [((6, 4), 2), ((5, 6, 3), 3), ((40, 8, 30, 10), 4), ((3, 6, 5, 9), 6), ((2, 6, 90, 70), 1)])
def test_group_norm(shape, groups, dtype, offset, tolerance):
    x = data(shape, dtype, offset)
    each = shape[1] // groups
    view = (shape[0], groups, each, int(np.prod(shape[2:])))
    f = lambda x, w, b: F.group_norm(x, groups, w, b)
    check(f, x, (2, 3), (1, groups, each, 1), dtype, tolerance, view)


@pytest.mark.parametrize("shape", [(5, 4), (9, 3, 6), (8, 6, 40, 31)])
def test_given_statistics(shape):
    x, c = data(shape, "f", 1.0), shape[1]
    mean, var = numbers(1, c, dtype="f"), np.abs(numbers(2, c, dtype="f"))
    y = F.batch_norm(torch.tensor(x), torch.tensor(mean), torch.tensor(var))
    at = (1, c, *[1] * (len(shape) - 2))
    expected = (x - mean.reshape(at)) / np.sqrt(var.reshape(at) + EPS)
    np.testing.assert_allclose(y.numpy(), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("n", [2, 40])
def test_running_statistics(n):
    x = data((n, 3, 50), "f", 2.0)
    mean, var = torch.zeros(3), torch.ones(3)
    F.batch_norm(torch.tensor(x), mean, var, training=True, momentum=0.25)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(mean.numpy(), 0.25 * wide.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(var.numpy(), 0.75 + 0.25 * wide.var((0, 2), ddof=1), rtol=1e-5)
    mean, var = torch.zeros(3), torch.ones(3)
    F.instance_norm(torch.tensor(x), mean, var, momentum=0.5)
    np.testing.assert_allclose(mean.numpy(), 0.5 * wide.mean(2).mean(0), rtol=1e-5)
    np.testing.assert_allclose(var.numpy(), 0.5 + 0.5 * wide.var(2, ddof=1).mean(0), rtol=1e-5)


def test_constant_rows_and_nan():
    y = F.layer_norm(torch.full((2, 6000), 7.0), (6000,))
    assert not y.any()
    x = torch.ones(3, 5000)
    x[1, 2] = float("nan")
    y = F.layer_norm(x, (5000,))
    assert y.isnan().all(1).tolist() == [False, True, False]
    z = F.batch_norm(torch.full((64, 2, 100), -3.0), None, None, training=True)
    assert z.abs().max() < 1e-4


def test_no_elements():
    x = torch.zeros(0, 4, requires_grad=True)
    w = torch.ones(4, requires_grad=True)
    F.layer_norm(x, (4,), w).sum().backward()
    assert x.grad.shape == (0, 4)
    assert not w.grad.any()


# ---------------------------------------------------------------- evaluation
@pytest.mark.parametrize("shape", [(3, 4, 5), (9, 6, 20, 19), (700, 30), (8, 12, 13, 17)])
@pytest.mark.parametrize("mean", [0.0, 300.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_gradients_with_given_statistics(shape, mean, dtype):
    r = np.random.default_rng(4)
    c = shape[1]
    dims, tall = (0, *range(2, len(shape))), (1, c, *[1] * (len(shape) - 2))
    m, v, w, b = mean + r.normal(size=c), r.random(c) + 0.5, r.normal(size=c), r.normal(size=c)
    a, g = mean + r.normal(size=shape), r.normal(size=shape)
    stats = [torch.tensor(t, dtype=dtype) for t in (m, v)]
    x, weight, bias = (torch.tensor(t, dtype=dtype, requires_grad=True) for t in (a, w, b))
    cotangent = torch.tensor(g, dtype=dtype)
    F.batch_norm(x, *stats, weight, bias).backward(cotangent)
    a, m, v, w, g = (t.detach().double().numpy() for t in (x, *stats, weight, cotangent))
    scale = 1 / np.sqrt(v + 1e-5)
    exact = dtype is torch.float64
    for t, want in (
        (x, g * (scale * w).reshape(tall)),
        (weight, (g * (a - m.reshape(tall))).sum(dims) * scale),
        (bias, g.sum(dims)),
    ):
        rtol, atol = (1e-9, 1e-9) if exact else (4e-3, 4e-3 * np.abs(want).max())
        np.testing.assert_allclose(t.grad.double().numpy(), want, rtol=rtol, atol=atol)
