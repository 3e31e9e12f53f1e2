"""Values, dtypes, and first and second derivatives of one call, in wengert and in PyTorch, compared.

`against_torch(call, *arrays)` runs `call(T, *tensors)` with T each library in turn; every array of
floating-point or complex numbers becomes a leaf. Results, gradients and second derivatives along
one random direction must agree, and so must the names of the nodes unless `names=False`.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert

TOLERANCE = {2: 2e-2, 4: 2e-4, 8: 1e-7}


def numbers(seed: int, *shape: int, dtype: str = "d") -> np.ndarray:
    """Normal numbers of a shape, complex ones for a complex dtype."""
    r = np.random.default_rng(seed)
    a = r.standard_normal(shape)
    if dtype in "FD":
        a = a + 1j * r.standard_normal(shape)
    return a.astype(dtype)


def _array(t):
    if t is None:
        return None
    if hasattr(t, "_array"):
        return t._array
    return t.detach().resolve_conj().resolve_neg().numpy(force=True)


def _weighted(T, outs, seed):
    """One real number that depends on every differentiable result."""
    r = np.random.default_rng(seed)
    total = None
    for o in outs:
        w = r.standard_normal(o.shape)
        if o.dtype.is_complex:
            w = w + 1j * r.standard_normal(o.shape)
        s = (o * T.tensor(w).to(o.dtype)).sum()
        s = T.view_as_real(s)[0] if o.dtype.is_complex else s
        s = s.to(T.float64)
        total = s if total is None else total + s
    return total


def _run(T, call, arrays, orders):
    xs = [T.tensor(a, requires_grad=a.dtype.kind in "fc") for a in arrays]
    outs = call(T, *xs)
    outs = list(outs) if isinstance(outs, (tuple, list)) else [outs]
    leaves = [x for x in xs if x.requires_grad]
    found = {
        "value": [_array(o) for o in outs],
        "dtype": [str(o.dtype) for o in outs],
        "name": [type(o.grad_fn).__name__ if o.grad_fn is not None else None for o in outs],
        "gradient": [],
        "second": [],
    }
    smooth = [o for o in outs if o.requires_grad]
    if smooth and orders:
        grads = T.autograd.grad(
            _weighted(T, smooth, 5), leaves, create_graph=orders > 1, allow_unused=True
        )
        found["gradient"] = [_array(g) for g in grads]
        again = [g for g in grads if g is not None and g.requires_grad]
        if again and orders > 1:
            second = T.autograd.grad(_weighted(T, again, 7), leaves, allow_unused=True)
            found["second"] = [_array(g) for g in second]
    return found


def _same(ours, theirs, tolerance, what):
    """Equal to the tolerance; a missing derivative counts as zero."""
    for k in range(max(len(ours), len(theirs))):
        a = ours[k] if k < len(ours) else None
        b = theirs[k] if k < len(theirs) else None
        if a is None or b is None:
            assert (a is None or not a.any()) and (b is None or not b.any()), (what, k, a, b)
            continue
        np.testing.assert_allclose(
            a, b, rtol=tolerance, atol=tolerance, equal_nan=True, err_msg=f"{what} {k}"
        )
        assert a.shape == b.shape, (what, k)


def against_torch(call, *arrays, orders=2, names=True, tolerance=None):
    """Fail unless both libraries give the same."""
    torch = pytest.importorskip("torch")
    if tolerance is None:
        sizes = [a.real.dtype.itemsize for a in arrays if a.dtype.kind in "fc"]
        tolerance = TOLERANCE[min(sizes, default=8)]
    theirs = _run(torch, call, arrays, orders)
    ours = _run(wengert, call, arrays, orders)
    assert ours["dtype"] == theirs["dtype"]
    _same(ours["value"], theirs["value"], tolerance, "value")
    _same(ours["gradient"], theirs["gradient"], tolerance, "gradient")
    _same(ours["second"], theirs["second"], 10 * tolerance, "second derivative")
    if names:
        assert ours["name"] == theirs["name"]
