"""Tensors among NumPy's arrays: conversion, ufuncs, functions, DLPack, and the libraries around."""

from __future__ import annotations

import importlib
import re
import warnings

import numpy as np
import pytest
from against import collected_warnings, raises, torch

CANT = "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."


@pytest.fixture
def r():
    return torch.tensor([1.0, 2.0, 3.0], requires_grad=True)


@pytest.fixture
def t():
    return torch.tensor([1.0, 2.0, 3.0])


# ---------------------------------------------------------------------------------- conversion


def test_conversion_shares_memory(t):
    for a in (t.numpy(), np.asarray(t), t.detach().numpy(), t.numpy(force=True)):
        a[0] += 1
    assert t[0].item() == 5
    with collected_warnings():
        assert np.array(t).base is None
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert t.__array__(np.float64).dtype == np.float64


@pytest.mark.wengert_only
def test_the_copy_argument_of_numpy_2(t):
    assert np.shares_memory(np.array(t, copy=False), t.numpy())
    assert not np.shares_memory(np.array(t, copy=True), t.numpy())
    with raises(ValueError, "Unable to avoid copy while creating an array as requested"):
        np.asarray(t, dtype=np.float64, copy=False)


@pytest.mark.parametrize(
    "convert",
    ["np.asarray(x)", "np.array(x)", "x.numpy()", "np.asarray(x * 2)", "np.array([x[0]])"],
)
def test_a_gradient_is_not_lost_to_an_array(convert, r):
    with collected_warnings(), raises(RuntimeError, CANT):
        eval(convert, {"np": np, "x": r})
    with torch.no_grad():
        assert r.numpy().tolist() == [1, 2, 3]


def test_metadata(t):
    assert np.shape(t) == (3,)
    assert np.ndim(t) == 1
    assert not hasattr(t, "__array_interface__")
    assert not hasattr(t, "__array_namespace__")
    assert not hasattr(t, "to_numpy")
    assert t.__array_priority__ == 1000


# ---------------------------------------------------------------------------------- recorded


# Each runs on plain float64 arrays as well: NumPy's own result is the value to match, differences
# of it are the gradient. x is a vector of four, m a 3 by 3 matrix, a and b constant arrays.
RECORDED = """
np.sin(x)                           np.exp(x)                           np.log1p(x)
np.sqrt(x)                          np.tanh(x)                          np.arctan2(x, 2.0)
np.square(x)                        np.power(x, 3)                      np.power(2.0, x)
np.reciprocal(x)                    np.negative(x)                      np.absolute(x)
np.hypot(x, a)                      np.maximum(x, a)                    np.logaddexp(x, a)
a * x                               a + x                               a - x
a / x                               a ** x                              x ** a
np.float64(2) * x                   np.array(2.0) * x                   np.ones((2, 4)) * x
a @ x                               np.ones((3, 4)) @ x                 np.matmul(m, b)
np.add(a, x)                        np.subtract(1, x)                   np.add(x, [1, 2, 3, 4])
np.degrees(x)                       np.cosh(x)                          np.expm1(x)
np.modf(x)[0]                       np.multiply.outer(x, a)             np.add.outer(x, x)
np.add.reduce(x)                    np.multiply.reduce(x)               np.maximum.reduce(x)
np.add.reduce(m, axis=None)         np.add.reduce(m, axis=(0, 1))       np.add.reduce(m)
np.multiply.reduce(m, axis=None)    np.add.accumulate(x)                np.multiply.accumulate(x)
np.add.reduce(m, 1, keepdims=True)  np.logaddexp.reduce(x)              np.maximum.accumulate(x)
np.sum(x)                           np.sum(m, axis=0)
np.sum(m, axis=1, keepdims=True)
np.mean(m)                          np.mean(m, axis=-1)                 np.prod(x)
np.max(m, axis=1)                   np.min(x)                           np.std(x)
np.var(m, axis=0)                   np.std(x, ddof=1)                   np.ptp(x)
np.cumsum(m)                        np.cumprod(x)                       np.clip(x, 0.6, 1.9)
np.round(x * 0 + x)                 np.reshape(m, (9,))                 np.reshape(m, -1)
np.transpose(m) @ b                 np.squeeze(m[:1])                   np.swapaxes(m, 0, 1)
np.repeat(x, 2)                     np.repeat(m, [1, 2, 0], axis=0)     np.average(x)
np.concatenate([x, x])              np.concatenate([m, m], axis=1)
np.concatenate([m, m], axis=None)
np.concatenate([x, a])              np.stack([x, a])                    np.stack([x, x], axis=1)
np.vstack([x, x])                   np.hstack([x, a])                   np.dstack([x, x])
np.column_stack([x, a])             np.where(x > 1, x, 0.0)             np.where(x > 1, 2 * x, a)
np.einsum('i,i', x, a)              np.einsum('ij,j->i', m, b)          np.dot(x, a)
np.dot(m, b)                        np.inner(x, a)                      np.vdot(x, a)
np.outer(x, a)                      np.tensordot(m, m, 1)
np.tensordot(m, m, axes=([0], [1]))
np.kron(x, a)                       np.cross(b, m)                      np.trace(m)
np.diagonal(m)                      np.diag(x)                          np.tril(m)
np.triu(m, 1)                       np.roll(x, 1)                       np.flip(m)
np.flip(m, 0)                       np.fliplr(m)                        np.rot90(m)
np.tile(x, 2)                       np.tile(m, (2, 1))                  np.expand_dims(x, 0)
np.broadcast_to(x, (2, 4))          np.ravel(m)                         np.moveaxis(m, 0, 1)
np.take(x, [0, 2])                  np.take(m, 1, axis=1)
np.take_along_axis(m, np.argsort(m), 1)
np.sort(x)                          np.sort(m, axis=0)                  np.split(x, 2)[1]
np.array_split(x, 3)[0]             np.diff(x)                          np.copy(x)
np.atleast_2d(x)                    np.nan_to_num(x)                    np.sinc(x)
np.trapezoid(x)                     np.median(x)                        np.median(m, axis=0)
np.quantile(x, 0.3)                 np.percentile(m, 20)                np.cov(m)
np.linalg.norm(x)                   np.linalg.norm(m)                   np.linalg.norm(m, axis=1)
np.linalg.norm(x, 1)                np.linalg.det(m)                    np.linalg.inv(m)
np.linalg.solve(m, b)               np.linalg.slogdet(m)[1]             np.linalg.matrix_power(m, 3)
np.linalg.multi_dot([m, m, m])      np.linalg.pinv(m)
"""
EXPRESSIONS = [e.strip() for line in RECORDED.splitlines() for e in line.split("  ") if e.strip()]

SCOPE = {
    "np": np,
    "a": np.array([0.7, 0.4, 1.7, 1.1]),
    "b": np.array([0.3, -1.2, 0.8]),
}
X = np.array([0.55, 1.4, 0.9, 2.2])
M = np.array([[1.9, 0.2, -0.4], [0.3, 1.4, 0.6], [-0.7, 0.1, 2.3]])


def weights(shape):
    return np.linspace(0.5, 1.5, int(np.prod(shape))).reshape(shape)


def differences(f, at, h=1e-6):
    grad = np.zeros_like(at)
    for k in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[k] += h
        down[k] -= h
        grad[k] = (f(up) - f(down)) / (2 * h)
    return grad


@pytest.mark.wengert_only
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_numpy_calls_are_recorded(expression):
    name = "m" if re.search(r"\bm\b", expression) else "x"
    at = X if name == "x" else M
    code = compile(expression, "<expression>", "eval")

    def over_arrays(value):
        out = np.asarray(eval(code, {**SCOPE, name: value}))
        return (out * weights(out.shape)).sum()

    leaf = torch.tensor(at, requires_grad=True)
    out = eval(code, {**SCOPE, name: leaf})
    expected = np.asarray(eval(code, {**SCOPE, name: at}))
    assert type(out) is torch.Tensor
    assert out.grad_fn is not None
    assert tuple(out.shape) == expected.shape
    np.testing.assert_allclose(out.detach(), expected, rtol=1e-9, atol=1e-12)
    (out * torch.tensor(weights(expected.shape))).sum().backward()
    np.testing.assert_allclose(leaf.grad, differences(over_arrays, at), rtol=1e-5, atol=1e-7)


@pytest.mark.wengert_only
@pytest.mark.parametrize(
    "expression",
    ["np.isfinite(x)", "x > a", "a > x", "np.logical_and(x, a)", "np.any(x > 1)", "np.all(x > 0)",
     "np.argmax(x)", "np.logical_or.reduce(x > 1)", "np.spacing(x)", "np.cbrt(x)"],
)  # fmt: skip
def test_ufuncs_give_tensors_without_a_gradient_too(expression):
    out = eval(expression, {**SCOPE, "x": torch.tensor(X)})
    assert type(out) is torch.Tensor
    np.testing.assert_array_equal(out, eval(expression, {**SCOPE, "x": X}))


@pytest.mark.wengert_only
@pytest.mark.parametrize(
    "expression",
    ["np.allclose(x, x)", "np.argsort(x)", "np.nonzero(x)[0]", "np.where(x > 1)[0]",
     "np.isclose(x, a)", "np.searchsorted(x, 1.0)", "np.array_equal(x, x)",
     "np.count_nonzero(x)", "np.zeros_like(x)",
     "np.result_type(x, np.float32)", "np.iscomplexobj(x)", "np.size(x)", "np.shape(x)"],
)  # fmt: skip
def test_questions_without_a_gradient_are_answered(expression):
    out = eval(expression, {**SCOPE, "x": torch.tensor(X, requires_grad=True)})
    assert not isinstance(out, torch.Tensor)
    np.testing.assert_array_equal(out, eval(expression, {**SCOPE, "x": X}))


@pytest.mark.parametrize(
    "expression",
    ["np.concatenate([x, x])", "np.stack([x, x])", "np.where(x > 1, x, 0)", "np.linalg.norm(x)",
     "np.allclose(x, x)", "np.einsum('i,i', x, x)", "np.sort(x)", "np.unique(x)",
     "np.vstack([x, x])", "np.outer(x, x)", "np.median(x)", "np.ravel(x)", "np.array([x, x])"],
)  # fmt: skip
def test_functions_on_detached_tensors_give_arrays(expression):
    with collected_warnings():  # PyTorch's __array__ lacks an argument and earns warnings
        out = eval(expression, {"np": np, "x": torch.tensor(X)})
    assert isinstance(out, (np.ndarray, np.generic, bool))
    np.testing.assert_array_equal(out, eval(expression, {"np": np, "x": X}))


@pytest.mark.wengert_only
def test_promotion_is_pytorchs(t):
    assert (np.ones(3) * t).dtype is torch.float64
    assert (
        np.float64(2) * t
    ).dtype is torch.float32  # a NumPy scalar is weak, like a Python number
    assert (np.array(2.0) * t).dtype is torch.float32  # and so is a 0-dim array
    assert np.sin(torch.tensor([1, 2])).dtype is torch.float32
    assert np.sin(t, dtype=np.float64).dtype is torch.float64
    assert np.add(torch.tensor([1], dtype=torch.int8), 1).dtype is torch.int8


@pytest.mark.wengert_only
def test_writing_into_arrays_and_tensors(t, r):
    a = np.zeros(3)
    a += t
    assert a.tolist() == [1, 2, 3]
    assert np.exp(t, out=a) is a
    with raises(RuntimeError, CANT, "np.add writes into a NumPy array"):
        a += r
    with raises(RuntimeError, CANT):
        np.sin(r, out=a)
    version = t._version
    assert np.add(t, 1, out=t) is t
    assert t.tolist() == [2, 3, 4]
    assert t._version == version + 1
    with raises(RuntimeError, "functions with out=... arguments don't support automatic"):
        np.add(r, 1, out=r)
    np.add.at(t, [0, 0], 1.0)
    assert t.tolist() == [4, 3, 4]
    with raises(RuntimeError, "np.add.at can't be recorded", "index_put"):
        np.add.at(r, [0], 1.0)
    np.add.at(a, [0], t[:1])
    with raises(RuntimeError, CANT):
        np.add.at(a, [0], r[:1])


@pytest.mark.wengert_only
def test_what_has_no_derivative_says_so(r):
    with raises(RuntimeError, CANT, "np.spacing has no derivative here"):
        np.spacing(r)
    with raises(RuntimeError, CANT):
        np.unique(r)


@pytest.mark.wengert_only
def test_scipy_minimises_a_function_of_arrays_and_tensors(t):
    optimize = pytest.importorskip("scipy.optimize")
    found = optimize.minimize(lambda v: ((v - t) ** 2).sum(), np.zeros(3))
    np.testing.assert_allclose(found.x, t, atol=1e-3)


@pytest.mark.wengert_only
def test_others_protocols_are_respected(t):
    class Answers:
        __array_ufunc__ = None

        def __rmul__(self, other):
            return "mine"

        def __array_function__(self, *args):
            return "mine"

    assert t.__array_ufunc__(np.multiply, "__call__", t, Answers()) is NotImplemented
    assert np.concatenate([t, Answers()]) == "mine"


# ---------------------------------------------------------------------------------- DLPack


def test_dlpack_shares_memory_both_ways(t):
    a = np.from_dlpack(t)
    t[0] = 7
    assert a[0] == 7
    b = np.ones(2)
    u = torch.from_dlpack(b)
    b[0] = 5
    assert u[0].item() == 5
    assert torch.from_dlpack(t).data_ptr() == t.data_ptr()
    assert tuple(t.__dlpack_device__()) == (1, 0)
    assert np.from_dlpack(torch.tensor([True])).dtype == bool
    from_dlpack, to_dlpack = torch.utils.dlpack.from_dlpack, torch.utils.dlpack.to_dlpack
    assert from_dlpack(to_dlpack(t)).data_ptr() == t.data_ptr()


def test_dlpack_refuses_gradients(r):
    for export in (np.from_dlpack, torch.from_dlpack):
        with raises(BufferError, "Can't export tensors that require gradient, use tensor.detach()"):
            export(r)
    with pytest.raises((RuntimeError, TypeError)):
        torch.from_dlpack([1])


@pytest.mark.wengert_only
def test_dlpack_refuses_negative_strides():
    """PyTorch aborts the process when it is handed such an array."""
    from wengert.core.tensor import wrap

    backwards = wrap(np.arange(3.0)[::-1])
    with raises(BufferError, "negative strides"):
        backwards.__dlpack__()
    assert backwards.__dlpack__(copy=True)
    with raises(ValueError, "negative strides"):
        torch.from_dlpack(np.arange(3.0)[::-1])


@pytest.mark.torch
@pytest.mark.wengert_only
def test_exchange_with_torch():
    import torch as oracle

    ours = torch.arange(3.0)
    theirs = oracle.from_dlpack(ours)
    theirs[0] = 7
    assert ours[0].item() == 7
    assert oracle.as_tensor(ours).tolist() == torch.from_dlpack(theirs).tolist() == [7.0, 1.0, 2.0]
    assert torch.as_tensor(theirs).tolist() == torch.tensor(theirs).tolist() == [7.0, 1.0, 2.0]


# ---------------------------------------------------------------------------------- the libraries


# What users do to tensors that carry no gradient; each works with PyTorch too.
LIBRARIES = {
    "matplotlib": """
        plt.plot(x)
        plt.plot(x, x)
        plt.scatter(x, x)
        plt.scatter(x, x, c=x, s=x)
        plt.hist(x)
        plt.bar(x, x)
        plt.imshow(m)
        plt.errorbar(x, x, yerr=x)
        plt.fill_between(x, x, 2 * x)
        plt.contour(m)
        plt.pcolormesh(m)
        plt.axhline(x[0])
        plt.xlim(x[0], x[-1])
        plt.plot(range(4), [v for v in x])
        plt.title(f"{x[0]:.2f}")
        plt.text(x[0], x[1], "here")
        plt.step(x, x)
        plt.stem(x)
        plt.boxplot(x)
        plt.quiver(x, x, x, x)
    """,
    "pandas": """
        pd.Series(x)
        pd.Series(x, index=["a", "b", "c", "d"])
        pd.DataFrame(m)
        pd.DataFrame(m, columns=["a", "b", "c"])
        pd.DataFrame({"x": x, "n": np.arange(4)})
        pd.Series([v.item() for v in x])
        pd.DataFrame({"x": x}).mean()
    """,
    "sklearn": """
        LinearRegression().fit(m, x[:3])
        LinearRegression().fit(m, x[:3]).predict(m)
        LogisticRegression().fit(m, i[:3])
        KMeans(2, n_init=1).fit(m)
        StandardScaler().fit_transform(m)
        PCA(2).fit_transform(m)
        accuracy_score(i, i)
        train_test_split(x, i)
    """,
    "scipy": """
        stats.norm.cdf(x)
        stats.describe(x)
        stats.ttest_1samp(x, 0.0)
        stats.linregress(x, x)
        optimize.minimize(lambda v: (torch.tensor(v) - x).pow(2).sum(), np.zeros(4))
        optimize.curve_fit(lambda v, c: c * v, x, x)
        interpolate.interp1d(x, x)(1.0)
        integrate.trapezoid(x)
        special.expit(x)
        linalg.inv(m)
        linalg.solve(m, x[:3])
        sparse.csr_matrix(m)
        spatial.distance.cdist(m, m)
        signal.convolve(x, x)
        fft.fft(x)
        ndimage.gaussian_filter(m, 1.0)
    """,
    "numpy": """
        np.savez(io.BytesIO(), x=x)
        np.random.default_rng(0).choice(x)
        np.random.default_rng(0).normal(x, 1.0)
        np.random.default_rng(0).shuffle(x)
        np.polyfit(x, x, 1)
        np.interp(1.0, x, x)
        np.histogram(x)
        np.linspace(0, x[0], 3)
        np.arange(i[1])
        np.zeros(i[1])
        np.ones(3)[i]
        np.ones((4, 2))[x > 1]
        np.full(3, x[0])
        np.array([x[0], x[1]])
        np.testing.assert_allclose(x, x)
        np.fft.fft(x)
        np.meshgrid(x, x)
        np.vectorize(float)(x)
        np.savetxt(io.StringIO(), x)
        np.iterable(x)
        list(np.nditer(x))
        np.c_[x, x]
        np.percentile(x, 50)
    """,
}
CASES = [
    (library, line.strip())
    for library, lines in LIBRARIES.items()
    for line in lines.strip().splitlines()
]


@pytest.fixture(scope="module")
def libraries():
    """What each library brings into scope, imported once; None where it is not installed."""

    def matplotlib():
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        return {"plt": plt}

    def pandas():
        import pandas

        return {"pd": pandas}

    def sklearn():
        from sklearn import (
            cluster,
            decomposition,
            linear_model,
            metrics,
            model_selection,
            preprocessing,
        )

        return {
            "KMeans": cluster.KMeans,
            "PCA": decomposition.PCA,
            "LinearRegression": linear_model.LinearRegression,
            "LogisticRegression": linear_model.LogisticRegression,
            "StandardScaler": preprocessing.StandardScaler,
            "accuracy_score": metrics.accuracy_score,
            "train_test_split": model_selection.train_test_split,
        }

    def scipy():
        parts = (
            "fft integrate interpolate linalg ndimage optimize signal sparse spatial special stats"
        )
        return {part: importlib.import_module(f"scipy.{part}") for part in parts.split()}

    def numpy():
        import io

        return {"io": io}

    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for load in (matplotlib, pandas, sklearn, scipy, numpy):
            try:
                found[load.__name__] = load()
            except ImportError:
                found[load.__name__] = None
    return found


@pytest.mark.parametrize(("library", "expression"), CASES, ids=[line for _, line in CASES])
def test_libraries_take_tensors(library, expression, libraries):
    names = libraries[library]
    if names is None:
        pytest.skip(f"{library} is not installed")
    scope = {
        **names,
        "np": np,
        "torch": torch,
        "x": torch.tensor([0.5, 0.9, 1.4, 2.2], dtype=torch.float64),
        "m": torch.tensor(M),
        "i": torch.tensor([0, 1, 0, 1]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, and those that PyTorch earns
        result = eval(expression, scope)
        arrays = {k: v.numpy() for k, v in scope.items() if isinstance(v, torch.Tensor)}
        expected = eval(expression.replace("x[0].item()", "x[0]"), {**scope, **arrays})
    if isinstance(expected, (np.ndarray, np.generic)):
        np.testing.assert_allclose(np.asarray(result), expected)
    if library == "matplotlib":
        names["plt"].close("all")


@pytest.mark.parametrize(
    "call", ["plt.plot(x)", "plt.scatter(x, x)", "pd.Series(x)", "np.histogram(x)"]
)
def test_libraries_refuse_to_lose_a_gradient(call, libraries, r):
    scope = {"np": np, "x": r}
    for names in (libraries["matplotlib"], libraries["pandas"]):
        scope.update(names or {})
    if call.partition(".")[0] not in scope:
        pytest.skip("not installed")
    if call == "np.histogram(x)" and torch.__name__ == "wengert":
        assert np.histogram(r)[0].sum() == 3  # counts have no gradient to lose
        return
    with warnings.catch_warnings(), raises(RuntimeError, CANT):
        warnings.simplefilter("ignore")
        eval(call, scope)
