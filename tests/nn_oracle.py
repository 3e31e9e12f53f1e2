"""Helpers of the tests of nn.functional: finite differences, and PyTorch run on the same numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from against import REAL, torch

F = torch.nn.functional


def numbers(*shape, seed=0, low=None, high=None, dtype="f8"):
    """Random numbers: normal, or uniform between two bounds."""
    r = np.random.default_rng(seed)
    a = r.normal(size=shape) if low is None else r.uniform(low, high, size=shape)
    return np.asarray(a, dtype)


def tensors(module, arrays):
    """Tensors of either library over copies of arrays; the floating-point ones require grad."""
    return [
        module.tensor(np.array(a), requires_grad=np.asarray(a).dtype.kind in "fc") for a in arrays
    ]


def gradients(module, f, arrays, order):
    """The value of f, its gradients along a fixed direction, and those of a second pass."""
    xs = tensors(module, arrays)
    out = f(*xs)
    leaves = [x for x in xs if x.requires_grad]
    found = [out]
    for k in range(order):
        if not out.requires_grad:
            break
        way = module.tensor(numbers(*out.shape, seed=17 + k), dtype=out.dtype)
        grads = module.autograd.grad(
            out, leaves, way, create_graph=k + 1 < order, allow_unused=True, materialize_grads=True
        )
        found += grads
        out = sum(
            (g * module.tensor(numbers(*g.shape, seed=31 + i), dtype=g.dtype)).sum()
            for i, g in enumerate(grads)
        )
    return [t.detach() for t in found]


def check_differences(f, *arrays, order=2, tolerance=2e-6):
    """First (and second) gradients of a float64 function against central differences."""
    arrays = [np.asarray(a) for a in arrays]
    step = 1e-6
    ways = [numbers(*a.shape, seed=5 + i) for i, a in enumerate(arrays)]
    for k in range(order):

        def scalar(at, k=k):
            got = gradients(torch, f, at, k)
            if k == 0:
                out = got[0]
                return float((out * torch.tensor(numbers(*out.shape, seed=17))).sum())
            grads = got[-sum(a.dtype.kind == "f" for a in at) :]
            return float(
                sum(
                    (g * torch.tensor(numbers(*g.shape, seed=31 + i))).sum()
                    for i, g in enumerate(grads)
                )
            )

        floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
        xs = tensors(torch, arrays)
        out = f(*xs)
        leaves = [xs[i] for i in floats]
        way = torch.tensor(numbers(*out.shape, seed=17), dtype=out.dtype)
        grads = torch.autograd.grad(
            out, leaves, way, create_graph=k > 0, allow_unused=True, materialize_grads=True
        )
        if k == 1:
            total = sum(
                (g * torch.tensor(numbers(*g.shape, seed=31 + i))).sum() for i, g in enumerate(grads)
            )
            if not total.requires_grad:
                continue
            grads = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
        slope = sum(float((g.detach() * torch.tensor(ways[i])).sum()) for i, g in zip(floats, grads))
        moved = [
            [a + s * step * w if a.dtype.kind == "f" else a for a, w in zip(arrays, ways)]
            for s in (1, -1)
        ]
        difference = (scalar(moved[0]) - scalar(moved[1])) / (2 * step)
        assert slope == pytest.approx(difference, rel=tolerance, abs=tolerance), f"order {k + 1}"


def check_against_torch(f, *arrays, order=2, rtol=None):
    """The same call in wengert and in PyTorch: values, dtypes, shapes and gradients."""
    if REAL:
        pytest.skip("both sides would be PyTorch")
    real = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = gradients(torch, lambda *xs: f(torch, *xs), arrays, order)
        theirs = gradients(real, lambda *xs: f(real, *xs), arrays, order)
    size = max(a.dtype.itemsize for a in map(np.asarray, arrays) if a.dtype.kind in "fc")
    rtol = rtol or {2: 1e-2, 4: 2e-5, 8: 1e-9}[size]
    for rest in (ours[len(theirs) :], theirs[len(ours) :]):  # one library may not record a zero
        assert all(not t.any() for t in rest)
    for a, b in zip(ours, theirs, strict=False):
        a, b = np.asarray(a), b.resolve_conj().numpy(force=True)
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


def slope_at(f, *points, dtype=None):
    """The gradient of a function of one variable at some points, as a list."""
    x = torch.tensor(points, requires_grad=True, dtype=dtype or torch.float64)
    f(x).sum().backward()
    return x.grad.tolist()
