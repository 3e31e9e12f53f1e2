"""Reductions, extremes, order, scans, moments and norms: forms, special points, dtypes, errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from against import REAL, collected_warnings, raises, torch
from oracle import against_torch, numbers

nan, inf = float("nan"), float("inf")


def grad_of(f, *values, dtype=None):
    """The gradient of f at a list of numbers, as a list."""
    x = torch.tensor(*values, dtype=dtype or torch.float64, requires_grad=True)
    y = f(x)
    (y if y.ndim == 0 else y.sum()).backward()
    return x.grad.tolist()


# ------------------------------------------------------------------- points without a derivative
@pytest.mark.parametrize("name", ["max", "amax"])
def test_ties_of_a_largest_element_share_the_gradient(name):
    assert grad_of(lambda x: getattr(x, name)(), [1.0, 3.0, 3.0]) == [0, 0.5, 0.5]


@pytest.mark.parametrize("name", ["min", "amin"])
def test_ties_of_a_smallest_element_share_the_gradient(name):
    third = pytest.approx(1 / 3)
    assert grad_of(lambda x: getattr(x, name)(), [1.0, 1.0, 1.0]) == [third, third, third]


def test_ties_of_aminmax_and_full_median_share_the_gradient():
    assert grad_of(lambda x: torch.aminmax(x)[1], [1.0, 3.0, 3.0]) == [0, 0.5, 0.5]
    assert grad_of(lambda x: x.median(), [2.0, 2.0, 3.0]) == [0.5, 0.5, 0]
    assert grad_of(lambda x: x.nanmedian(), [2.0, 2.0, nan]) == [0.5, 0.5, 0]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("max", (0,)),
        ("min", (0,)),
        ("median", (0,)),
        ("mode", (0,)),
        ("kthvalue", (2, 0)),
        ("topk", (1, 0)),
    ],
)
def test_along_a_dim_one_index_gets_the_gradient(name, args):
    g = grad_of(lambda x: getattr(x, name)(*args)[0], [2.0, 2.0, 2.0])
    assert sorted(g) == [0, 0, 1]


def test_binary_max_and_min_share_ties():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([1.0, 5.0], requires_grad=True)
    torch.max(x, y).sum().backward()
    assert x.grad.tolist() == [0.5, 0.0]
    assert y.grad.tolist() == [0.5, 1.0]
    assert torch.min(x, y).grad_fn.name() == "MinimumBackward0"


def test_running_extremes_give_ties_to_the_latest():
    assert grad_of(lambda x: x.cummax(0)[0], [2.0, 2.0, 1.0]) == [1, 2, 0]
    assert torch.tensor([2.0, 2.0, 1.0]).cummax(0).indices.tolist() == [0, 1, 1]


def test_nan_in_extremes():
    assert grad_of(lambda x: x.max(), [1.0, nan, 3.0]) == [0, 1, 0]
    assert all(np.isnan(grad_of(lambda x: x.amax(), [1.0, nan, 3.0])))
    assert torch.tensor([1.0, nan, 3.0]).argmax().item() == 1
    assert torch.tensor([1.0, nan, 3.0]).max(0).indices.item() == 1
    found = torch.tensor([1.0, nan, 3.0, nan, 2.0]).cummax(0)
    assert found.indices.tolist() == [0, 1, 1, 3, 3]


def test_quantile_between_two_elements():
    assert grad_of(lambda x: x.quantile(0.5), [1.0, 2.0, 3.0, 4.0]) == [0, 0.5, 0.5, 0]


@pytest.mark.parametrize("p", [2, 1, 3, inf, 1.5])
def test_norms_have_gradient_zero_at_zero(p):
    assert grad_of(lambda x: x.norm(p), [0.0, 0.0]) == [0, 0]
    assert grad_of(lambda x: torch.dist(x, x.detach(), p), [1.0, 2.0]) == [0, 0]


def test_norm_of_small_order_at_zero_and_ties_of_the_infinity_norm():
    assert grad_of(lambda x: x.norm(0.5), [0.0, 2.0]) == pytest.approx([0, 1])
    x = torch.tensor([0.0, 2.0], requires_grad=True)
    x.norm(0).backward()
    assert x.grad is None
    assert grad_of(lambda x: x.norm(inf), [2.0, -2.0, 1.0]) == [0.5, -0.5, 0]


def test_deviation_of_a_constant_and_of_one_element():
    assert grad_of(lambda x: x.std(), [3.0, 3.0]) == [0, 0]
    assert grad_of(lambda x: x.var(), [3.0, 3.0]) == [0, 0]
    with collected_warnings() as caught:
        assert np.isnan(grad_of(lambda x: x.std(), [3.0])[0])
    assert "degrees of freedom is <= 0" in str(caught[0].message)


def test_products_with_zeros():
    assert grad_of(lambda x: x.prod(), [0.0, 2.0, 3.0]) == [6, 0, 0]
    assert grad_of(lambda x: x.prod(), [0.0, 2.0, 0.0]) == [0, 0, 0]
    assert grad_of(lambda x: x.cumprod(0), [0.0, 2.0, 3.0]) == [9, 0, 0]


def test_second_derivative_of_a_product_with_two_zeros():
    x = torch.tensor([0.0, 0.0, 3.0], dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(x.prod(), x, create_graph=True)
    (h,) = torch.autograd.grad(g[0], x)
    assert h.tolist() == [0, 3, 0]


def test_logsumexp_of_minus_infinity_is_nan_in_its_gradient():
    assert torch.tensor([-inf, -inf]).logsumexp(0).item() == -inf
    assert np.isnan(grad_of(lambda x: x.logsumexp(0), [-inf, -inf])).all()
    assert torch.tensor([1000.0, 1000.0]).logsumexp(0).item() == pytest.approx(1000.6931, 1e-6)


@pytest.mark.wengert_only
def test_logcumsumexp_after_minus_infinity_stays_finite():
    g = grad_of(lambda x: x.logcumsumexp(0), [-inf, 0.0, 1.0])
    assert np.isfinite(g).all()
    assert g[0] == 0


# ------------------------------------------------------------------- forms
@pytest.mark.parametrize(
    "dim", [None, 0, -1, (0,), (0, 2), [0, 1], (-1, 0), ()], ids=lambda d: str(d)
)
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "var", "nansum", "norm"])
def test_dims(name, dim):
    x = numbers(0, 2, 3, 4)
    t = torch.tensor(x)
    axes = tuple(dim) if isinstance(dim, (tuple, list)) and len(dim) else dim
    axes = None if axes in ((), []) else axes
    numpy = {
        "sum": np.sum, "mean": np.mean, "amax": np.max, "nansum": np.sum,
        "var": lambda a, axis, keepdims: np.var(a, axis, ddof=1, keepdims=keepdims),
        "norm": lambda a, axis, keepdims: np.sqrt(np.sum(a * a, axis, keepdims=keepdims)),
    }[name]  # fmt: skip
    for keepdim in (False, True):
        if dim is None and keepdim and name == "norm":
            continue
        got = getattr(t, name)(dim=dim, keepdim=keepdim)
        want = numpy(x, axis=axes, keepdims=keepdim)
        assert got.shape == np.shape(want)
        np.testing.assert_allclose(got.numpy(), want)


def test_numpy_argument_names():
    x = torch.arange(6.0).reshape(2, 3)
    assert x.sum(axis=0).tolist() == [3, 5, 7]
    assert x.mean(axis=1, keepdim=True).shape == (2, 1)
    assert x.max(axis=0).indices.tolist() == [1, 1, 1]
    assert x.argmax(axis=1).tolist() == [2, 2]
    assert x.cumsum(axis=0)[1].tolist() == [3, 5, 7]


def test_zero_dim_tensors_accept_dim_0_and_minus_1():
    x = torch.tensor(3.0, requires_grad=True)
    for name in ("sum", "mean", "prod", "amax", "cumsum", "cumprod", "logsumexp"):
        assert getattr(x, name)(0).shape == ()
    for name in ("max", "min", "median", "mode", "sort", "cummax"):
        values, indices = getattr(x, name)(-1)
        assert values.item() == 3
        assert indices.item() == 0
    x.sum(-1).backward()
    assert x.grad.item() == 1
    with raises(IndexError, "Dimension out of range (expected to be in range of [-1, 0]"):
        x.sum(1)


def test_return_types_print_and_unpack():
    found = torch.tensor([[1.0, 5.0], [7.0, 2.0]]).max(1)
    expected = "torch.return_types.max(\nvalues=tensor([5., 7.]),\nindices=tensor([1, 0]))"
    assert repr(found) == expected
    values, indices = found
    assert found.values is values
    assert found[1] is indices
    assert isinstance(found, tuple)
    assert type(found).__name__ == "max"
    assert torch.return_types.max((values, indices)) == found
    with raises(TypeError, "torch.return_types.max() takes a 2-sequence (1-sequence given)"):
        torch.return_types.max((values,))
    assert torch.tensor([1.0]).aminmax()._fields if not REAL else True


@pytest.mark.wengert_only
def test_return_types_survive_pickle_and_copy():
    import copy
    import pickle

    found = torch.tensor([1.0, 5.0]).sort()
    for other in (copy.copy(found), pickle.loads(pickle.dumps(found))):
        assert type(other) is type(found)
        assert other.values.tolist() == [1.0, 5.0]


def test_order_is_stable_in_both_directions():
    x = torch.tensor([1, 2, 1, 2])
    assert x.sort(stable=True).indices.tolist() == [0, 2, 1, 3]
    assert x.sort(descending=True, stable=True).indices.tolist() == [1, 3, 0, 2]
    assert torch.argsort(x, stable=True).tolist() == [0, 2, 1, 3]


def test_nan_sorts_last_and_first_when_descending():
    x = torch.tensor([3.0, nan, 1.0])
    assert x.sort().indices.tolist() == [2, 0, 1]
    assert x.sort(descending=True).indices.tolist() == [1, 0, 2]
    assert x.topk(2).indices.tolist() == [1, 0]
    assert x.topk(2, largest=False).indices.tolist() == [2, 0]


def test_topk_of_many():
    x = np.random.default_rng(0).permutation(1000).astype("f")
    for largest in (True, False):
        values, indices = torch.tensor(x).topk(7, largest=largest)
        want = np.sort(x)[::-1][:7] if largest else np.sort(x)[:7]
        assert values.tolist() == want.tolist()
        assert x[indices.numpy()].tolist() == want.tolist()


def test_unique_forms():
    x = torch.tensor([[3, 1], [1, 2], [3, 1]])
    assert x.unique().tolist() == [1, 2, 3]
    _, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert inverse.tolist() == [[2, 0], [0, 1], [2, 0]]
    assert counts.tolist() == [3, 1, 2]
    rows, back = x.unique(dim=0, return_inverse=True)
    assert rows.tolist() == [[1, 2], [3, 1]]
    assert back.tolist() == [1, 0, 1]
    runs, counts = torch.unique_consecutive(torch.tensor([1, 1, 2, 1]), return_counts=True)
    assert runs.tolist() == [1, 2, 1]
    assert counts.tolist() == [2, 1, 1]
    assert len(torch.tensor([nan, nan, 1.0]).unique()) == 3


def test_unique_has_a_node_but_no_derivative():
    y = torch.tensor([1.0, 2.0], requires_grad=True).unique()
    assert type(y.grad_fn).__name__ == "Unique2Backward0"
    with raises(NotImplementedError, "the derivative for '_unique2' is not implemented"):
        y.sum().backward()


def test_searches():
    rows = torch.tensor([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])
    assert torch.searchsorted(rows, torch.tensor([[3.0], [3.0]])).tolist() == [[1], [1]]
    assert torch.searchsorted(rows[0], 3).item() == 1
    assert torch.searchsorted(rows[0], torch.tensor([3.0]), right=True).tolist() == [2]
    assert torch.searchsorted(rows[0], torch.tensor([3.0]), side="right").tolist() == [2]
    order = torch.tensor([2, 0, 1])
    mixed = torch.tensor([3.0, 5.0, 1.0])
    assert torch.searchsorted(mixed, torch.tensor([4.0]), sorter=order).tolist() == [2]
    small = torch.bucketize(torch.tensor([0.0, 9.0]), rows[0], out_int32=True)
    assert small.dtype is torch.int32
    assert small.tolist() == [0, 3]


def test_counts():
    assert torch.bincount(torch.tensor([1, 1, 3]), minlength=6).tolist() == [0, 2, 0, 1, 0, 0]
    weights = torch.tensor([0.5, 0.5, 1.0])
    counted = torch.bincount(torch.tensor([1, 1, 3]), weights)
    assert counted.tolist() == [0, 1, 0, 1]
    assert counted.dtype is torch.float32
    assert torch.histc(torch.tensor([1.0, 2.0, 1.0, 3.0]), 4, 0, 3).tolist() == [0, 2, 1, 1]
    assert torch.histogram(torch.tensor([1.0, 2.0, 1.0]), 2).hist.tolist() == [2, 1]
    assert torch.tensor([[0, 1], [2, 3]]).count_nonzero(0).tolist() == [1, 2]


def test_differences():
    x = torch.tensor([[1.0, 4.0, 9.0]])
    assert x.diff().tolist() == [[3, 5]]
    assert x.diff(2).tolist() == [[2]]
    assert x.diff(5).shape == (1, 0)
    assert x.diff(prepend=torch.zeros(1, 1), append=torch.zeros(1, 1)).tolist() == [[1, 3, 5, -9]]
    assert torch.tensor([True, False]).diff().tolist() == [True]


def test_in_place_and_out():
    x = torch.tensor([1.0, 2.0, 3.0])
    assert x.cumsum_(0) is x
    assert x.tolist() == [1, 3, 6]
    out = torch.empty(3)
    assert torch.cumprod(x, 0, out=out) is out
    assert out.tolist() == [1, 3, 18]
    values, indices = torch.empty(()), torch.empty((), dtype=torch.int64)
    torch.max(x, 0, out=(values, indices))
    assert (values.item(), indices.item()) == (6, 2)
    with raises(RuntimeError, "out=... arguments don't support automatic differentiation"):
        torch.sum(x.requires_grad_(), 0, out=torch.empty(()))


def test_cumsum_in_place_differentiates():
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    y = x * 2
    y.cumsum_(0)
    y.cumprod_(0)
    (g,) = torch.autograd.grad(y.sum(), x)
    # y = 2a, 2a(2a+2b), 2a(2a+2b)(2a+2b+2c) at a = b = c = 1
    assert g.tolist() == [2 + 12 + 88, 4 + 40, 16]


# ------------------------------------------------------------------- dtypes
def test_integers_add_up_in_int64():
    for dtype in (torch.int8, torch.uint8, torch.int32, torch.int64, torch.bool):
        x = torch.tensor([1, 1, 0]).to(dtype)
        for name in ("sum", "prod", "nansum"):
            assert getattr(x, name)().dtype is torch.int64
        assert x.cumsum(0).dtype is torch.int64
    assert torch.tensor([200, 100], dtype=torch.uint8).sum().item() == 300
    assert torch.ones(2, dtype=torch.int32).sum(dtype=torch.float64).dtype is torch.float64
    assert torch.ones(2, dtype=torch.uint8).all().dtype is torch.uint8
    assert torch.ones(2).any().dtype is torch.bool


def test_half_precision_accumulates_in_single():
    x = torch.ones(4096, dtype=torch.float16)
    assert x.sum().item() == 4096
    assert (x * 0.1).mean().item() == pytest.approx(0.1, abs=1e-4)
    assert (x * 100).norm().item() == 6400
    assert (x * 10).var().item() == 0
    assert x.cumsum(0)[-1].item() == 4096


@pytest.mark.wengert_only
def test_single_precision_sums_are_as_exact_as_a_tree_of_additions():
    r = np.random.default_rng(0)
    for shape, dim in [((300, 500), None), ((20000, 3), 0), ((3, 20000), 1), ((7, 11, 999), None)]:
        x = r.random(shape, np.float32)
        exact = x.sum(axis=dim, dtype=np.float64)
        got = torch.tensor(x).sum(dim).numpy()
        np.testing.assert_allclose(got, exact, rtol=2e-6)
        np.testing.assert_allclose(torch.tensor(x).sum(dim).numpy(), got, rtol=0)


def test_sums_of_infinities_and_of_views():
    x = torch.tensor([[1.0, inf], [2.0, 3.0]])
    assert x.sum().item() == inf
    assert x.sum(0).tolist() == [3, inf]
    assert np.isnan((x - x).sum(0).tolist()).tolist() == [False, True]
    y = torch.arange(24.0).reshape(2, 3, 4)
    for view in (y.transpose(0, 2), y[:, ::2], y[..., 1], y.expand(2, 3, 4)):
        want = view.detach().numpy()
        assert view.sum().item() == want.sum()
        assert view.sum(0).tolist() == want.sum(0).tolist()
        assert view.sum(-1).tolist() == want.sum(-1).tolist()


# ------------------------------------------------------------------- empty tensors and errors
def test_empty_tensors():
    e = torch.zeros(0, 3)
    assert e.sum().item() == 0
    assert e.prod(0).tolist() == [1, 1, 1]
    assert np.isnan(e.mean().item())
    assert e.all().item() is True
    assert e.any().item() is False
    assert e.logsumexp(0).tolist() == [-inf] * 3
    assert e.max(1).values.shape == (0,)
    assert e.sort(0).values.shape == (0, 3)
    assert e.norm().item() == 0
    assert e.cumsum(0).shape == (0, 3)
    x = torch.zeros(0, 3, requires_grad=True)
    x.sum(0).sum().backward()
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize(
    ("source", "error", "phrase"),
    [
        ("x.sum(5)", IndexError, "Dimension out of range (expected to be in range of"),
        ("x.sum((0, 0))", RuntimeError, "dim 0 appears multiple times in the list of dims"),
        ("x.long().mean()", RuntimeError, "mean(): could not infer output dtype."),
        ("x.long().std()", RuntimeError, "std and var only support floating point"),
        ("x.long().norm()", RuntimeError, "Expected a floating point or complex tensor"),
        ("x[:0].max()", RuntimeError, "max(): Expected reduction dim to be specified"),
        ("x[:0].max(0)", IndexError, "max(): Expected reduction dim 0 to have non-zero"),
        ("x[:0].argmax()", IndexError, "argmax(): Expected reduction dim to be specified"),
        ("x[:0].norm(inf)", RuntimeError, "does not have an identity"),
        ("x[:0].quantile(0.5)", RuntimeError, "quantile() input tensor must be non-empty"),
        ("x.quantile(1.5)", RuntimeError, "quantile() q must be in the range [0, 1]"),
        ("x.long().quantile(0.5)", RuntimeError, "must be either float or double dtype"),
        ("x.topk(9)", RuntimeError, "selected index k out of range"),
        ("x.kthvalue(9)", RuntimeError, "kthvalue(): selected number k out of range"),
        ("x.bool().argmax()", RuntimeError, "argmax(): does not support bool input"),
        ('x.norm("bad")', RuntimeError, "Order bad not supported"),
        ("x.diff(-1)", RuntimeError, "order must be non-negative but got -1"),
        ("x.diff(prepend=x[0])", RuntimeError, "diff expects prepend or append"),
        ("torch.bincount(x)", NotImplementedError, "not implemented for 'Float'"),
        ("torch.bincount(x.long())", RuntimeError, "1-d non-negative integral inputs"),
        ("torch.histc(x, 2, 3, 1)", RuntimeError, "max must be larger than min"),
        ("torch.trapezoid(x, x[0, :1])", RuntimeError, "one `x` value for each sample"),
        ("torch.sum(2.0)", TypeError, "argument 'input' (position 1) must be Tensor"),
        ("x.max((0, 1))", TypeError, "received an invalid combination of arguments"),
        ("torch.complex(x, x).max(0)", RuntimeError, "max(): does not support complex"),
    ],
)
def test_errors(source, error, phrase):
    x = torch.arange(6.0).reshape(2, 3)
    with raises(error, phrase):
        eval(source, {"x": x, "torch": torch, "inf": inf})


# ------------------------------------------------------------------- against PyTorch
X = numbers(1, 3, 4)
LAYOUTS = {
    "matrix": X,
    "zero_dim": np.array(1.5),
    "strided": numbers(2, 2, 3, 4).transpose(2, 0, 1),
    "ties": np.array([[1.0, 2, 2], [3, 3, 3], [2, 1, 0]]),
    "single": X.astype("f"),
    "half": X.astype("e"),
}
FULL = ["sum", "mean", "nansum", "amax", "amin", "prod", "var", "std", "max", "min", "norm"]
DIM = {
    "sum": (0,), "mean": (-1, True), "nansum": (1,), "nanmean": (0,), "amax": (0,), "amin": (1, True),
    "prod": (1,), "var": (0,), "std": (1,), "max": (1,), "min": (0, True), "logsumexp": (0,),
    "cumsum": (0,), "cumprod": (1,), "cummax": (1,), "cummin": (0,), "logcumsumexp": (1,),
    "msort": (), "argmax": (1,), "argmin": (0,), "all": (0,), "any": (1,), "diff": (),
    "aminmax": (), "sort": (0,), "count_nonzero": (0,),
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FULL)
def test_full_reductions_against_torch(name, layout):
    x = LAYOUTS[layout]
    against_torch(lambda T, t: getattr(t, name)(), x, orders=1 if x.ndim == 0 else 2)


@pytest.mark.torch
@pytest.mark.parametrize("layout", [k for k in LAYOUTS if k != "zero_dim"])
@pytest.mark.parametrize("name", DIM)
def test_reductions_along_dims_against_torch(name, layout):
    tolerance = 5e-2 if layout == "half" and name == "logcumsumexp" else None
    against_torch(
        lambda T, t: getattr(t, name)(*DIM[name]), LAYOUTS[layout],
        names=name != "nanmean", tolerance=tolerance,
    )  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["d", "f", "D"])
@pytest.mark.parametrize("p", [2, 1, 0, 3, 1.5, 0.5, inf, -inf, -1])
def test_norms_against_torch(p, dtype):
    against_torch(
        lambda T, t: t.norm(p), numbers(3, 3, 4, dtype=dtype), orders=1 if dtype == "D" else 2
    )
    against_torch(
        lambda T, t: T.linalg.vector_norm(t, p, 1, True), numbers(4, 3, 4, dtype=dtype),
        orders=1 if dtype == "D" else 2,
    )  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, inf, -inf])
def test_matrix_norms_against_torch(ord):
    against_torch(lambda T, t: T.linalg.matrix_norm(t, ord), X)
    against_torch(
        lambda T, t: T.linalg.matrix_norm(t, ord, (0, 2), True), LAYOUTS["strided"], names=False
    )
    against_torch(lambda T, t: T.linalg.norm(t, ord), X)


@pytest.mark.torch
@pytest.mark.parametrize("way", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("q", [0.0, 0.3, 1.0])
def test_quantiles_against_torch(q, way):
    with_nan = X.copy()
    with_nan[1, 2] = nan
    for x in (X, with_nan, X.astype("f")):
        against_torch(lambda T, t: T.quantile(t, q, interpolation=way), x)
        against_torch(lambda T, t: T.quantile(t, q, 1, True, interpolation=way), x)
        against_torch(lambda T, t: T.nanquantile(t, q, 0, interpolation=way), x)


@pytest.mark.torch
def test_several_quantiles_against_torch():
    q = [0.2, 0.5, 0.9]
    for dim, keepdim in ((None, False), (None, True), (1, False), (0, True)):
        against_torch(
            lambda T, t, d=dim, k=keepdim: T.quantile(t, T.tensor(q, dtype=T.float64), d, k), X
        )


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
def test_moments_against_torch():
    for x in (X, X.astype("f"), numbers(5, 3, 4, dtype="D")):
        against_torch(lambda T, t: T.var_mean(t, 0), x)
        against_torch(lambda T, t: T.std_mean(t, dim=1, correction=0, keepdim=True), x)
        against_torch(lambda T, t: T.var_mean(t)[0], x)
        against_torch(lambda T, t: t.var(0, False), x)
        against_torch(lambda T, t: t.std((0, 1), correction=0.5), x)
        against_torch(lambda T, t: T.cov(t), x)
    against_torch(lambda T, t: T.corrcoef(t), X)
    against_torch(
        lambda T, t, w: T.cov(t, aweights=w.abs(), fweights=T.tensor([1, 2, 1, 3])), X, numbers(6, 4),
        names=False,
    )  # fmt: skip


@pytest.mark.torch
def test_trapezoids_against_torch():
    for options in ({}, {"dx": 2.0}, {"dim": 0}):
        against_torch(lambda T, t, o=options: T.trapezoid(t, **o), X)
        against_torch(lambda T, t, o=options: T.cumulative_trapezoid(t, **o), X)
    against_torch(lambda T, t, u: T.trapezoid(t, u), X, numbers(7, 4))
    against_torch(lambda T, t, u: T.cumulative_trapezoid(t, u), X, numbers(8, 3, 4))


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["l", "i", "b", "B", "?"])
def test_integer_reductions_against_torch(dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    for name in (
        "sum",
        "prod",
        "max",
        "min",
        "amax",
        "all",
        "any",
        "mode",
        "sort",
        "unique",
        "msort",
    ):
        against_torch(lambda T, t, n=name: getattr(t, n)(), x)
    for name in ("cumsum", "cumprod", "max", "amin", "cummin"):
        against_torch(lambda T, t, n=name: getattr(t, n)(1), x)
    against_torch(lambda T, t: t.logsumexp(0), x)


# ------------------------------------------------------------------- ways of the kernel
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 5), (1, 3, 1), (4, 1, 3, 2), (0, 3, 2), (2, 0, 3), (2, 3, 0), (2, 3, 5000)])
def test_sums_over_any_dims(shape):
    a = np.random.default_rng(1).normal(size=shape)
    x = torch.tensor(a)
    for k in range(1, len(shape) + 1):
        for dims in itertools.permutations(range(len(shape)), k):
            for keepdim in (False, True):
                out, want = x.sum(dims, keepdim), a.sum(dims, keepdims=keepdim)
                assert out.shape == want.shape
                np.testing.assert_allclose(out.numpy(), want, rtol=1e-12, atol=1e-12)
