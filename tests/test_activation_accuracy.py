"""Softmax, GELU, SiLU and sigmoid in float32: against float64, at every size and far from zero."""

from __future__ import annotations

import math

import numpy as np
import pytest
from against import torch

F = torch.nn.functional
EPS = float(np.finfo("f").eps)


def _rows(kind, rows, columns):
    """Rows that the kernels treat differently: small, shifted, spread out, with -inf or nan."""
    r = np.random.default_rng(rows + columns)
    x = r.normal(size=(rows, columns)).astype("f")
    if kind == "far":
        x += r.choice([-300, 0, 300], (rows, 1)).astype("f")
    elif kind == "low":
        x -= 90
    elif kind == "one low row":
        x[0] -= 90
    elif kind == "spread":
        x *= 40
    elif kind == "masked":
        x[r.random(x.shape) < 0.3] = -np.inf
        x[:, 0] = 0
    return x


@pytest.mark.parametrize("kind", ["small", "far", "low", "one low row", "spread", "masked"])
@pytest.mark.parametrize("shape", [(3, 5), (40, 10), (70, 64), (300, 400)])
def test_softmax(kind, shape):
    x = _rows(kind, *shape)
    wide = x.astype("d")
    shifted = wide - wide.max(1, keepdims=True)
    total = np.log(np.exp(shifted).sum(1, keepdims=True))
    t = torch.tensor(x)
    # rtol: a difference of -100 is rounded to half a unit of 2^-17, and exp makes that relative
    np.testing.assert_allclose(torch.softmax(t, 1), np.exp(shifted - total), rtol=100 * EPS, atol=1e-38)
    np.testing.assert_allclose(torch.log_softmax(t, 1), shifted - total, rtol=4 * EPS, atol=8 * EPS)
    other = torch.tensor(np.ascontiguousarray(x.T))
    np.testing.assert_allclose(torch.softmax(other, 0).T, np.exp(shifted - total), rtol=100 * EPS, atol=1e-38)


@pytest.mark.parametrize("size", [3, 100])
def test_softmax_of_rows_without_a_value(size):
    x = torch.zeros(3, size)
    x[1] = -math.inf
    x[2, 1] = math.nan
    for f in (torch.softmax, torch.log_softmax):
        out = f(x, 1)
        assert torch.isfinite(out[0]).all()
        assert torch.isnan(out[1]).all()
        assert torch.isnan(out[2]).all()


@pytest.mark.parametrize("shape", [(3, 5), (70, 64)])
def test_softmax_gradients(shape):
    x = torch.tensor(_rows("small", *shape), requires_grad=True)
    g = torch.tensor(_rows("small", shape[0], shape[1]) ** 2)
    (found,) = torch.autograd.grad(torch.softmax(x, 1), x, g)
    p = np.exp(x.detach().numpy().astype("d"))
    p /= p.sum(1, keepdims=True)
    w = g.numpy().astype("d")
    np.testing.assert_allclose(found, p * (w - (w * p).sum(1, keepdims=True)), rtol=1e-4, atol=1e-7)
    (found,) = torch.autograd.grad(torch.log_softmax(x, 1), x, g)
    np.testing.assert_allclose(found, w - p * w.sum(1, keepdims=True), rtol=1e-4, atol=2e-6)


POINTS = np.concatenate([np.linspace(-9, 9, 3001), [-1e30, -50, -20, 20, 50, 1e30], [0.0, 1e-30, -1e-30]])


@pytest.mark.parametrize("count", [40, 3010, 80000])
def test_gelu(count):
    x = np.resize(POINTS, count).astype("f")
    cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in np.resize(POINTS, min(count, 3010)).astype("f").astype("d")])
    cdf = np.resize(cdf, count)
    wide = x.astype("d")
    t = torch.tensor(x, requires_grad=True)
    out = F.gelu(t)
    np.testing.assert_allclose(out.detach(), wide * cdf, rtol=3 * EPS, atol=2e-6 if count > 40 else 1e-6)
    out.sum().backward()
    slope = cdf + wide * np.exp(-wide * wide / 2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(t.grad, slope, rtol=4 * EPS, atol=4 * EPS)


@pytest.mark.wengert_only
def test_gelu_of_what_is_not_finite():
    x = torch.tensor([math.nan, math.inf, 1.0] * 40)
    out = F.gelu(x)
    assert torch.isnan(out[::3]).all()
    assert (out[1::3] == math.inf).all()
    assert (out[2::3] == out[2]).all()


@pytest.mark.parametrize("count", [5, 50000])
def test_sigmoid_and_silu_keep_their_digits(count):
    x = np.resize(np.linspace(-80, 80, 1001), count).astype("f")
    wide = x.astype("d")
    s = 1 / (1 + np.exp(-wide))
    np.testing.assert_allclose(torch.sigmoid(torch.tensor(x)), s, rtol=4 * EPS)
    t = torch.tensor(x, requires_grad=True)
    np.testing.assert_allclose(F.silu(t).detach(), wide * s, rtol=4 * EPS)
    F.silu(t).sum().backward()
    np.testing.assert_allclose(t.grad, s * (1 + wide * (1 - s)), rtol=1e-5, atol=1e-6)
    for f in (torch.sigmoid, F.silu):
        assert f(torch.tensor(0.5)).dim() == 0
