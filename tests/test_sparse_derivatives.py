"""X-118: sparse Jacobians and Hessians by colouring; the colourings themselves; detected patterns."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from against import raises, torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.wengert_only

func = torch.func
sparse_jacobian = getattr(func, "sparse_jacobian", None)
sparse_hessian = getattr(func, "sparse_hessian", None)


def colouring():
    from wengert.func import colouring

    return colouring


def banded(x):
    return x[1:] ** 2 * x[:-1] - x[1:].sin()


def arrow(x):
    """Every element meets the first one: the Hessian has a full first row, column and diagonal."""
    return (x[1:] ** 3 * x[0]).sum() + x[0] ** 4


def chain(x):
    return ((x[1:] - x[:-1] ** 2) ** 2).sum()


def point(n, seed=0):
    return torch.tensor(np.random.default_rng(seed).uniform(0.5, 2, n))


def dense(matrix):
    return matrix.toarray()


def close(have, want):
    np.testing.assert_allclose(have, want, rtol=1e-12, atol=1e-12)


@pytest.fixture
def scipy_sparse():
    return pytest.importorskip("scipy.sparse")


# ------------------------------------------------------------------- Jacobians
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_X_118_jacobian(scipy_sparse, mode):
    x = point(20)
    found = sparse_jacobian(banded, mode=mode)(x)
    assert isinstance(found, scipy_sparse.csr_array)
    assert found.shape == (19, 20)
    assert found.nnz == 38
    assert found.dtype == np.float64
    close(dense(found), func.jacrev(banded)(x).numpy())


def test_patterns_in_every_form(scipy_sparse):
    x = point(6)
    want = func.jacrev(banded)(x).numpy()
    rows, cols = np.nonzero(want)
    for pattern in (
        scipy_sparse.csr_array(want), scipy_sparse.coo_matrix(want != 0), want != 0,
        torch.tensor(want != 0), (rows, cols), (rows.tolist(), torch.tensor(cols)),
        (np.concatenate([rows, rows]), np.concatenate([cols, cols])), np.ones_like(want),
    ):  # fmt: skip
        close(dense(sparse_jacobian(banded, pattern)(x)), want)
    for pattern in (want.T, np.ones(6), scipy_sparse.csr_array((5, 5))):
        with raises(ValueError, "the pattern has shape", "but the matrix has [5, 6]"):
            sparse_jacobian(banded, pattern)(x)
    with raises(ValueError, "a column index is outside of 0 to 5"):
        sparse_jacobian(banded, ([0], [6]))(x)
    with raises(ValueError, "a row index is outside"):
        sparse_jacobian(banded, ([-1], [0]))(x)
    with raises(ValueError, "2 row indices and 1 column indices"):
        sparse_jacobian(banded, ([0, 1], [0]))(x)
    with raises(ValueError, "mode must be", "not 'both'"):
        sparse_jacobian(banded, mode="both")


def test_a_band_takes_as_many_products_as_it_is_wide(scipy_sparse):
    """Counted by what runs: one pass of vmap over that many seeds."""
    n = 200
    pattern = scipy_sparse.diags_array(
        [np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n)
    )
    seen = []

    def watched(x):
        seen.append(x.shape)
        return banded(x)

    for mode in ("forward", "reverse"):
        f = sparse_jacobian(watched, pattern, mode, scipy=False)
        f(point(n))  # the first call finds the size of the result
        seen.clear()
        f(point(n, 1))
        assert seen == [(n,)]  # the function runs once
    groups = colouring().column_groups(*pattern.tocoo().coords, pattern.shape)
    assert groups.max() + 1 == 2


def test_the_mode_with_fewer_products_is_taken():
    calls = []

    def one_dense_row(x):
        calls.append(type(x).__name__)
        return torch.cat([x.sum().reshape(1), x])

    rows = np.r_[np.zeros(10, int), np.arange(1, 11)]
    cols = np.r_[np.arange(10), np.arange(10)]
    values, _ = sparse_jacobian(one_dense_row, (rows, cols), scipy=False)(point(10))
    assert values.tolist() == [1.0] * 20
    assert calls[-1] == "Tensor"  # reverse mode: 2 products instead of 10 with duals
    sparse_jacobian(one_dense_row, (rows, cols), "forward", scipy=False)(point(10))
    assert calls[-1] == "Dual"


def test_trees_and_further_arguments(scipy_sparse):
    def f(p, scale, k):
        return {"a": scale * p["w"] ** k, "b": p["w"][:, 0] * p["b"][0]}

    p = {"w": point(6).reshape(2, 3), "b": [point(2, 1)]}
    found = dense(sparse_jacobian(f)(p, 3.0, 2))
    jac = func.jacrev(f)(p, 3.0, 2)
    want = np.block(
        [[jac[k]["w"].numpy().reshape(-1, 6), jac[k]["b"][0].numpy().reshape(-1, 2)] for k in "ab"]
    )
    close(found, want)
    assert (found != 0).sum() == 10

    def g(p):
        return (p["w"] ** 3).sum() + p["b"][0][0] * p["w"][0, 0]

    found = dense(sparse_hessian(g)(p))
    h = func.hessian(g)(p)
    close(found[:6, :6], h["w"]["w"].numpy().reshape(6, 6))
    close(found[6:, :6], h["b"][0]["w"].numpy().reshape(2, 6))


def test_sizes_and_dtypes(scipy_sparse):
    f = sparse_jacobian(lambda x: x**2)
    for n in (3, 5, 1):  # the pattern is found for every shape
        close(dense(f(point(n))), np.diag(2 * point(n).numpy()))
    assert f(point(2).float()).dtype == np.float32
    assert f(torch.tensor(3.0)).toarray().tolist() == [[6.0]]
    assert sparse_jacobian(lambda x: x.detach() * 1)(point(3)).nnz == 0
    assert sparse_jacobian(lambda x: x[:0])(point(3)).shape == (0, 3)
    empty = sparse_jacobian(lambda x: x * 0, ([], []))(point(3))
    assert empty.shape == (3, 3)
    assert empty.nnz == 0
    for chunk_size in (1, 2, 100):
        close(
            dense(sparse_jacobian(banded, chunk_size=chunk_size)(point(9))),
            func.jacrev(banded)(point(9)).numpy(),
        )


def test_values_can_be_differentiated():
    f = sparse_jacobian(banded, scipy=False)
    x = point(4).requires_grad_()
    values, (rows, cols) = f(x)
    assert [rows.tolist(), cols.tolist()] == [[0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2, 3]]
    values.sum().backward()
    want = point(4).requires_grad_()
    func.jacrev(banded)(want).sum().backward()
    close(x.grad.numpy(), want.grad.numpy())


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with raises(ImportError, "sparse matrices need SciPy: pip install wengert[scipy]"):
        sparse_jacobian(banded)(point(3))
    assert len(sparse_jacobian(banded, scipy=False)(point(3))[0]) == 4


# ------------------------------------------------------------------- Hessians
SCALARS = {
    "arrow": arrow, "chain": chain, "sum": lambda x: x.sum(), "cubes": lambda x: (x**3).sum(),
    "product": lambda x: x.prod(),
}  # fmt: skip


@pytest.mark.parametrize("f", SCALARS.values(), ids=SCALARS)
def test_X_118_hessian(scipy_sparse, f):
    x = point(7)
    found = sparse_hessian(f)(x)
    assert isinstance(found, scipy_sparse.csr_array)
    close(dense(found), func.hessian(f)(x).numpy())
    close(dense(sparse_hessian(f, np.ones((7, 7)))(x)), func.hessian(f)(x).numpy())
    values, (rows, cols) = sparse_hessian(f, scipy=False, chunk_size=2)(x)
    close(func.hessian(f)(x).numpy()[rows.numpy(), cols.numpy()], values.numpy())


def test_half_a_pattern_is_enough(scipy_sparse):
    x = point(7)
    rows, cols = np.nonzero(np.triu(func.hessian(chain)(x).numpy()))
    close(dense(sparse_hessian(chain, (rows, cols))(x)), func.hessian(chain)(x).numpy())


def test_a_hessian_takes_few_products():
    star = colouring().star_groups
    rows, cols = func.hessian_pattern(arrow, point(50))
    assert star(rows, cols, 50).max() + 1 == 2
    rows, cols = func.hessian_pattern(chain, point(50))
    assert star(rows, cols, 50).max() + 1 == 3


def test_a_hessian_needs_a_scalar(scipy_sparse):
    with raises(
        RuntimeError, "sparse_hessian: the function must return one element, but it returned 3"
    ):
        sparse_hessian(lambda x: x, np.eye(3))(point(3))
    with raises(RuntimeError, "expected the first argument to hold Tensors, got <class 'float'>"):
        sparse_hessian(arrow)(1.0)
    with raises(RuntimeError, "expected the function to return Tensors, got <class 'str'>"):
        sparse_jacobian(lambda x: "x")(point(2))


# ------------------------------------------------------------------- colourings
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 0.6), st.integers(0, 2**32 - 1))
def test_columns_of_a_group_share_no_row(m, n, density, seed):
    random = np.random.default_rng(seed)
    a = random.standard_normal((m, n)) * (random.random((m, n)) < density)
    rows, cols = np.nonzero(a)
    groups = colouring().column_groups(rows, cols, (m, n))
    for k in range(groups.max() + 1):
        assert (a[:, groups == k] != 0).sum(1).max(initial=0) <= 1
    compressed = a @ (groups[:, None] == np.arange(groups.max() + 1))
    close(compressed[rows, groups[cols]], a[rows, cols])


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 14), st.floats(0, 0.7), st.integers(0, 2**32 - 1))
def test_every_entry_of_a_star_coloured_matrix_is_found(n, density, seed):
    random = np.random.default_rng(seed)
    a = random.standard_normal((n, n)) * (random.random((n, n)) < density)
    a = a + a.T
    rows, cols = np.nonzero(a)
    groups = colouring().star_groups(rows, cols, n)
    at, colour = colouring().symmetric_places(rows, cols, groups)
    compressed = a @ (groups[:, None] == np.arange(groups.max() + 1))
    close(compressed[at, colour], a[rows, cols])


# ------------------------------------------------------------------- patterns
def test_a_pattern_is_found_where_the_point_itself_is_special():
    zero = torch.zeros(3)
    rows, cols = func.jacobian_pattern(lambda x: x**2, zero)
    assert [rows.tolist(), cols.tolist()] == [[0, 1, 2]] * 2
    rows, cols = func.hessian_pattern(lambda x: (x[0] * x[1]) ** 2, zero)
    assert set(zip(rows.tolist(), cols.tolist(), strict=True)) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert [len(p) for p in func.jacobian_pattern(lambda x: x**2, zero, points=1)] == [0, 0]
