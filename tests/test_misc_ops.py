"""Small ops that belong to no family: differences, sets, hashes, rows reduced by index, refusals."""

import math

import numpy as np
import pytest
from against import raises, torch
from oracle import against_torch, numbers

pytestmark = pytest.mark.filterwarnings("ignore:.*in beta")


# ---------------------------------------------------------------- gradient
def test_gradient_is_that_of_numpy():
    a = numbers(0, 5, 6)
    x = torch.tensor(a)
    for order in (1, 2):
        for got, want in zip(
            torch.gradient(x, edge_order=order), np.gradient(a, edge_order=order), strict=True
        ):
            np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-13)
        at = np.cumsum(np.linspace(0.5, 2, 6))
        (got,) = torch.gradient(x, spacing=(torch.tensor(at),), dim=1, edge_order=order)
        np.testing.assert_allclose(
            got.numpy(), np.gradient(a, at, axis=1, edge_order=order), rtol=1e-11, atol=1e-12
        )
    (got,) = torch.gradient(x, spacing=0.5, dim=0)
    np.testing.assert_allclose(got.numpy(), np.gradient(a, 0.5, axis=0), rtol=1e-12)
    assert torch.gradient(torch.tensor([1, 2, 4]))[0].tolist() == [1.0, 1.5, 2.0]


GRADIENT_REFUSED = [
    (
        lambda: torch.gradient(torch.ones(1)),
        "torch.gradient expected each dimension size to be at least edge_order+1",
    ),
    (
        lambda: torch.gradient(torch.ones(3), edge_order=3),
        "torch.gradient only supports edge_order=1 and edge_order=2.",
    ),
    (
        lambda: torch.gradient(torch.ones(3, 3), spacing=(1.0,)),
        "a list of length equal to 'self.dim() = 2'",
    ),
    (
        lambda: torch.gradient(torch.ones(3, 3), dim=(0, 0)),
        "dim 0 appears multiple times in the list of dims",
    ),
]


@pytest.mark.parametrize("k", range(len(GRADIENT_REFUSED)))
def test_gradient_refusals(k):
    call, said = GRADIENT_REFUSED[k]
    with raises(RuntimeError, said):
        call()


# ---------------------------------------------------------------- membership
def test_isin():
    x = torch.tensor([[1, 2], [3, 4]])
    assert torch.isin(x, torch.tensor([2, 4, 9])).tolist() == [[False, True], [False, True]]
    assert torch.isin(x, 3, invert=True).tolist() == [[True, True], [False, True]]
    assert torch.isin(5, x).item() is False
    assert torch.isin(torch.tensor([1.0, 1.5]), x).tolist() == [True, False]
    assert torch.isin(x, torch.tensor([], dtype=torch.int64)).tolist() == [[False, False]] * 2
    with raises(RuntimeError, "Unsupported input type encountered for isin(): Bool"):
        torch.isin(torch.tensor([True]), torch.tensor([True]))


def test_unravel_index():
    flat = torch.arange(24).reshape(4, 6)
    for shape in ((2, 3, 4), (24,), (4, 6)):
        want = np.unravel_index(flat.numpy(), shape)
        for got, w in zip(torch.unravel_index(flat, shape), want, strict=True):
            np.testing.assert_array_equal(got.numpy(), w)
    assert torch.unravel_index(torch.tensor(4), 6)[0].item() == 4
    with raises(TypeError, "expected 'indices' to be integer dtype, but got torch.float32"):
        torch.unravel_index(torch.ones(1), (2, 3))


def test_nonzero_static():
    x = torch.tensor([[1, 0], [0, 3]])
    assert torch.nonzero_static(x, size=3).tolist() == [[0, 0], [1, 1], [-1, -1]]
    assert x.nonzero_static(size=1, fill_value=7).tolist() == [[0, 0]]
    with raises(RuntimeError, "nonzero_static: 'size' must be an non-negative integer"):
        torch.nonzero_static(x, size=-1)


def test_histogramdd_is_that_of_numpy():
    a, w = numbers(0, 50, 2), np.arange(50.0)
    for density in (False, True):
        got = torch.histogramdd(
            torch.tensor(a), bins=[3, 4], weight=torch.tensor(w), density=density
        )
        hist, edges = np.histogramdd(a, [3, 4], weights=w, density=density)
        np.testing.assert_allclose(got.hist.numpy(), hist, rtol=1e-12)
        for mine, theirs in zip(got.bin_edges, edges, strict=True):
            np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-12)
    edges = (
        torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64),
        torch.tensor([-9.0, 9.0], dtype=torch.float64),
    )
    got = torch.histogramdd(torch.tensor(a), bins=edges)
    np.testing.assert_array_equal(
        got.hist.numpy(), np.histogramdd(a, [e.numpy() for e in edges])[0]
    )
    got = torch.histogramdd(torch.tensor(a), bins=2, range=[-1.0, 1.0, 0.0, 2.0])
    np.testing.assert_array_equal(got.hist.numpy(), np.histogramdd(a, [2, 2], [(-1, 1), (0, 2)])[0])
    with raises(RuntimeError, "torch.histogramdd: input tensor should have at least 2 dimensions"):
        torch.histogramdd(torch.ones(3), bins=2)


# ---------------------------------------------------------------- numbers
def test_frexp():
    x = torch.tensor([6.0, -0.75, 0.0, math.inf])
    mantissa, exponent = torch.frexp(x)
    assert mantissa.tolist() == [0.75, -0.75, 0.0, math.inf]
    assert exponent.tolist()[:3] == [3, 0, 0]
    assert exponent.dtype is torch.int32
    with raises(RuntimeError, "torch.frexp() only supports floating-point dtypes"):
        torch.frexp(torch.tensor([1]))


def test_renorm():
    x = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    got = torch.renorm(x, 2, 0, 1.0)
    np.testing.assert_allclose(got.numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    assert x.renorm_(1, 1, 100.0).tolist() == torch.tensor([[3.0, 4.0], [0.3, 0.4]]).tolist()
    with raises(RuntimeError, "renorm: input needs at least 2 dimensions, got 1 dimensions"):
        torch.renorm(torch.ones(3), 2, 0, 1.0)
    with raises(RuntimeError, "renorm: non-positive-norm not supported"):
        torch.renorm(x, 0, 0, 1.0)
    with raises(RuntimeError, "renorm: expected maxnorm to be >= 0 but got -3"):
        torch.renorm(x, 2, 0, -3.0)


def test_vander():
    x = torch.tensor([1, 2, 3])
    for n in (None, 0, 1, 2, 5):
        for increasing in (False, True):
            want = np.vander([1, 2, 3], n, increasing)
            got = torch.vander(x, n, increasing)
            np.testing.assert_array_equal(got.numpy(), want)
            assert got.dtype is torch.int64
    with raises(RuntimeError, "x must be a one-dimensional tensor."):
        torch.vander(x[None])
    with raises(RuntimeError, "N must be non-negative."):
        torch.vander(x, -1)


def test_hash_tensor():
    assert torch.hash_tensor(torch.tensor([1, 2, 5])).item() == 6
    bits = np.array([1.5, -2.0]).view(np.uint64)
    assert torch.hash_tensor(torch.tensor([1.5, -2.0])).item() == int(bits[0] ^ bits[1])
    x = torch.tensor([[1, 2], [4, 8]])
    assert torch.hash_tensor(x, 1).tolist() == [3, 12]
    assert torch.hash_tensor(x, 0, keepdim=True).tolist() == [[5, 10]]


def test_constant_pad_nd():
    x = torch.tensor([[1.0, 2.0]])
    assert torch.constant_pad_nd(x, (1, 0, 0, 1), 7).tolist() == [[7, 1, 2], [7, 7, 7]]
    with raises(RuntimeError, "Length of pad must be even but instead it equals 1"):
        torch.constant_pad_nd(x, (1,))


# ---------------------------------------------------------------- rows by index
@pytest.mark.parametrize("reduce", ["prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("own", [True, False])
def test_index_reduce(reduce, own):
    a, s, i = numbers(0, 3, 4), numbers(1, 6, 4), np.array([2, 0, 2, 2, 0, 0])
    f = {"prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[reduce]
    want = a.copy()
    for k in set(i):
        rows = s[i == k]
        want[k] = f(np.concatenate([a[k : k + 1], rows]) if own else rows, 0)
    x = torch.tensor(a)
    got = torch.index_reduce(x, 0, torch.tensor(i), torch.tensor(s), reduce, include_self=own)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)
    assert x.index_reduce_(0, torch.tensor(i), torch.tensor(s), reduce, include_self=own) is x
    np.testing.assert_allclose(x.numpy(), want, rtol=1e-12)


def test_index_reduce_refusals():
    x, i = torch.ones(2, 3), torch.tensor([0, 1])
    with raises(
        RuntimeError,
        "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got sum.",
    ):
        torch.index_reduce(x, 0, i, x, "sum")
    with raises(RuntimeError, "Number of indices (2) should be equal to source.size(dim)"):
        torch.index_reduce(x, 1, i, x, "prod")


CASES = [
    ((50, 40), 0, 300),
    ((50, 40), 1, 300),
    ((3, 20, 30), 1, 90),
    ((1, 64), 0, 500),
    ((400, 17), 0, 400),
    ((5, 2), 0, 9),
]


@pytest.mark.parametrize("k", range(len(CASES)))
@pytest.mark.parametrize("skewed", [False, True])
def test_rows_are_added_where_the_index_says(k, skewed):
    """Every way of adding rows up: few and many duplicates, narrow and wide, expanded and full indices."""
    shape, dim, n = CASES[k]
    r = np.random.default_rng(k)
    at = (r.random(n) ** (6 if skewed else 1) * shape[dim]).astype(np.int64)
    a = r.standard_normal(shape)
    s = r.standard_normal([n if j == dim else m for j, m in enumerate(shape)])
    want = a.copy()
    np.add.at(want, (slice(None),) * dim + (at,), s)
    x, i, y = torch.tensor(a), torch.tensor(at), torch.tensor(s)
    lined = i.reshape([-1 if j == dim else 1 for j in range(len(shape))]).expand(y.shape)
    results = [
        torch.index_add(x, dim, i, y), x.clone().index_add_(dim, i, y), torch.scatter_add(x, dim, lined, y),
        x.clone().scatter_add_(dim, lined, y), x.clone().scatter_add_(dim, lined.contiguous(), y),
        torch.scatter_reduce(x, dim, lined, y, "sum"),
    ]  # fmt: skip
    for got in results:
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-10, atol=1e-12)
    most = a.copy()
    np.maximum.at(most, (slice(None),) * dim + (at,), s)
    assert torch.equal(torch.scatter_reduce(x, dim, lined, y, "amax"), torch.tensor(most))
    np.testing.assert_array_equal(torch.gather(x, dim, lined).numpy(), a.take(at, dim))


@pytest.mark.wengert_only  # PyTorch adds wrongly where an expanded index is smaller than the input
def test_expanded_index_smaller_than_the_input():
    at = torch.tensor([0, 2, 2]).reshape(3, 1).expand(3, 2)
    got = torch.zeros(3, 4).scatter_add(0, at, torch.ones(3, 2))
    assert got.tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [2, 2, 0, 0]]


@pytest.mark.wengert_only  # PyTorch refuses
def test_scatter_add_of_overlapping_memory():
    x = torch.tensor([1.0, 2.0, 3.0])
    x.scatter_add_(0, torch.tensor([0, 0, 1]), x)
    assert x.tolist() == [4.0, 5.0, 3.0]


# ---------------------------------------------------------------- copies of views
def test_copies_share_no_memory():
    x = torch.arange(6.0).reshape(2, 3)
    made = [
        torch.view_copy(x, (3, 2)), torch.t_copy(x), torch.permute_copy(x, (1, 0)), torch.transpose_copy(x, 0, 1),
        torch.expand_copy(x, (2, 2, 3)), torch.squeeze_copy(x), torch.unsqueeze_copy(x, 0), torch.select_copy(x, 0, 1),
        torch.slice_copy(x, 1, 0, 2), torch.narrow_copy(x, 1, 0, 2), torch.diagonal_copy(x), torch.alias_copy(x),
        torch.unfold_copy(x, 1, 2, 1), torch.as_strided_copy(x, (2,), (3,)), torch.detach_copy(x),
        *torch.split_copy(x, 1), *torch.unbind_copy(x), *torch.split_with_sizes_copy(x, [1, 2], 1),
    ]  # fmt: skip
    before = [m.clone() for m in made]
    x.fill_(-1.0)
    assert all(torch.equal(m, b) for m, b in zip(made, before, strict=True))
    out = torch.empty(0)
    assert torch.view_copy(x, (6,), out=out) is out


def test_unsafe_pieces_may_be_written():
    x = torch.ones(2, 3, requires_grad=True)
    a, b = torch.unsafe_split(x * 1, 2, 1)
    a.mul_(3)
    (a.sum() + b.sum()).backward()
    assert x.grad.tolist() == [[3.0, 3.0, 1.0]] * 2
    assert [tuple(p.shape) for p in x.unsafe_chunk(3, 1)] == [(2, 1)] * 3


@pytest.mark.torch
def test_against_torch():
    x = numbers(0, 4, 5)
    against_torch(lambda T, x: T.gradient(x, edge_order=2), x, names=False)
    against_torch(lambda T, x: T.renorm(x, 1.5, 1, 1.0), x, names=False)
    against_torch(lambda T, x: T.frexp(x)[0], x)
    i, s = np.array([1, 0, 1]), numbers(1, 4, 3)
    for how in ("prod", "mean", "amax", "amin"):
        against_torch(
            lambda T, x, i, s, how=how: T.index_reduce(x, 1, i, s, how), x, i, s, orders=1
        )
