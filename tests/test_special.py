"""Special functions: accuracy against the C library and SciPy, derivatives, ends of the domain."""

import math

import numpy as np
import pytest
from against import REAL, raises, torch
from nn_oracle import check_against_torch, check_differences, numbers, slope_at

S = torch.special
REALS = ["erf", "erfc", "erfcx", "ndtr", "log_ndtr", "i0", "i0e", "i1", "i1e", "expit"]
POSITIVE = ["gammaln", "digamma", "psi", "entr"]
OPEN = ["erfinv", "ndtri", "logit"]
DOMAINS = {
    **{n: numbers(3, 30) * 2 for n in REALS},
    **{n: numbers(3, 30, low=0.2, high=9.0) for n in POSITIVE},
    **{n: numbers(3, 30, low=0.02, high=0.98) for n in OPEN},
}
every = pytest.mark.parametrize("name", DOMAINS)


@every
def test_gradients_are_those_of_finite_differences(name):
    if REAL and name in ("ndtri", "erfcx"):
        pytest.skip("checked on wengert")
    check_differences(getattr(S, name), DOMAINS[name][:, :5], tolerance=2e-5)


@pytest.mark.torch
@every
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_against_torch(name, dtype):
    # PyTorch's own polygamma is good to 1e-9, its ndtri to 1e-8
    rtol = 1e-8 if dtype == "f8" else 1e-4
    check_against_torch(
        lambda T, x: getattr(T.special, name)(x), DOMAINS[name].astype(dtype), rtol=rtol,
        order=1 if name in ("ndtri", "erfinv") else 2,
    )  # fmt: skip


def units_off(got, want):
    """The largest error in units of the last place of a float64."""
    got, want = np.asarray(got), np.asarray(want)
    return float((np.abs(got - want) / np.spacing(np.abs(want))).max())


@pytest.mark.wengert_only
def test_error_function_to_the_last_digits():
    x = np.concatenate([np.linspace(-6, 6, 4001), np.linspace(-1e-3, 1e-3, 301)])
    assert units_off(torch.erf(torch.tensor(x)), [math.erf(v) for v in x]) < 5
    x = np.linspace(-6, 26, 8001)
    assert units_off(torch.erfc(torch.tensor(x)), [math.erfc(v) for v in x]) < 16
    y = torch.erfinv(torch.erf(torch.tensor(np.linspace(-2, 2, 501))))
    np.testing.assert_allclose(y.numpy(), np.linspace(-2, 2, 501), rtol=1e-13, atol=1e-15)


@pytest.mark.wengert_only
def test_error_function_in_single_precision():
    x = np.linspace(-5, 5, 40001, dtype="f4")
    want = np.array([math.erf(v) for v in x.tolist()])
    assert np.abs(torch.erf(torch.tensor(x)).numpy() - want).max() < 2e-7
    few = torch.erf(torch.tensor(x[::1000])).numpy()
    np.testing.assert_allclose(few, torch.erf(torch.tensor(x)).numpy()[::1000], rtol=1e-6)


@pytest.mark.wengert_only
def test_log_gamma_to_the_last_digits():
    x = np.concatenate([np.linspace(0.01, 30, 6001), 1 + np.linspace(-0.1, 0.1, 201), 10.0 ** np.arange(2, 30)])
    x = x[(np.abs(x - 1) > 1e-3) & (np.abs(x - 2) > 1e-3)]  # lgamma of the C library rounds there
    want = np.array([math.lgamma(v) for v in x])
    np.testing.assert_allclose(torch.lgamma(torch.tensor(x)).numpy(), want, rtol=1e-12)
    # relative to the zeros at 1 and 2: the first terms of the series around them
    near = torch.lgamma(torch.tensor([1 + 1e-9, 2 + 1e-9], dtype=torch.float64))
    step = np.array([(1 + 1e-9) - 1, (2 + 1e-9) - 2])
    np.testing.assert_allclose(near.numpy(), step * [-0.5772156649015329, 0.42278433509846713], rtol=1e-8)
    x = -np.linspace(0.05, 20, 399)
    x = x[np.abs(x - np.round(x)) > 1e-3]
    np.testing.assert_allclose(
        torch.lgamma(torch.tensor(x)).numpy(), [math.lgamma(v) for v in x], rtol=1e-12, atol=1e-12
    )


@pytest.mark.wengert_only
@pytest.mark.parametrize("name", ["erfcx", "ndtr", "log_ndtr", "i0", "i0e", "i1", "i1e", "digamma", "gammaln"])
def test_against_scipy(name):
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([numbers(500) * 5, numbers(200, low=-0.5, high=60.0)])
    if name in ("digamma", "gammaln"):
        x = x[(np.abs(x - np.round(x)) > 1e-2) & (x > -20)]
    theirs = {"digamma": "psi"}.get(name, name)
    got = getattr(S, name)(torch.tensor(x)).numpy()
    want = getattr(special, theirs)(x)
    # 1e-12 of the size where it is small: digamma has a zero at 1.46, log_ndtr goes to 0
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13 if name in ("digamma", "gammaln") else 1e-300)


def test_ends_of_the_domain():
    inf, nan = math.inf, math.nan
    at = lambda f, *x: pytest.approx(f(torch.tensor(x, dtype=torch.float64)).tolist(), nan_ok=True)
    assert at(torch.erf, inf, -inf, nan, 0.0) == [1.0, -1.0, nan, 0.0]
    assert at(torch.erfc, inf, -inf, nan, 0.0) == [0.0, 2.0, nan, 1.0]
    assert at(torch.erfinv, 1.0, -1.0, 2.0, 0.0) == [inf, -inf, nan, 0.0]
    assert at(torch.lgamma, 0.0, -1.0, 1.0, inf, nan) == [inf, inf, 0.0, inf, nan]
    assert at(torch.digamma, 0.0, -1.0, nan) == [-inf, nan, nan]
    assert at(torch.logit, -0.1, 0.0, 0.5, 1.0, 1.1) == [nan, -inf, 0.0, inf, nan]
    assert at(S.entr, 0.0, 1.0, -1.0) == [0.0, 0.0, -inf]
    assert at(S.ndtri, 0.0, 1.0, -0.5, 0.5) == [-inf, inf, nan, 0.0]
    assert at(S.log_ndtr, -inf, inf) == [-inf, 0.0]


def test_gradients_at_the_ends():
    inf, nan = math.inf, math.nan
    assert slope_at(S.entr, 0.0) == [inf]
    assert slope_at(torch.lgamma, 0.0) == [-inf]
    assert slope_at(torch.digamma, 0.0) == [inf]
    assert slope_at(S.i1, 0.0) == [0.5]
    assert slope_at(torch.erfinv, 1.0) == [inf]
    assert slope_at(lambda x: torch.logit(x, 0.1), 0.05, 0.5, 0.95) == pytest.approx([0.0, 4.0, 0.0])
    two = torch.tensor(2.0, dtype=torch.float64)
    assert slope_at(lambda x: torch.xlogy(x, two), 0.0) == pytest.approx([math.log(2)])
    assert slope_at(lambda y: torch.xlogy(torch.zeros(1, dtype=torch.float64), y), 0.0) == pytest.approx([nan], nan_ok=True)


@pytest.mark.torch
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_polygamma(n):
    x = numbers(40, low=0.4, high=20.0)
    check_against_torch(lambda T, x: T.polygamma(n, x), x, rtol=1e-7)
    assert torch.equal(torch.tensor(x).polygamma(n), torch.polygamma(n, torch.tensor(x)))


def test_polygamma_values():
    one = torch.ones(1, dtype=torch.float64)
    assert torch.polygamma(1, one).item() == pytest.approx(math.pi**2 / 6)
    assert torch.polygamma(3, one).item() == pytest.approx(math.pi**4 / 15)
    with raises(RuntimeError, "polygamma(n, x) does not support negative n."):
        torch.polygamma(-1, one)


@pytest.mark.torch
def test_two_operand_functions_against_torch():
    x, y = numbers(20, low=0.0, high=1.0), numbers(20, seed=1, low=0.1, high=1.0)
    check_against_torch(lambda T, a, b: T.xlogy(a, b), x, y)
    check_against_torch(lambda T, a, b: T.special.xlog1py(a, b), x, y)
    check_against_torch(lambda T, b: T.special.zeta(2.5, b), y + 0.5, rtol=1e-8)
    check_against_torch(lambda T, a: T.special.multigammaln(a + 3, 3), x, rtol=1e-8)
    check_against_torch(lambda T, a: T.xlogy(a, 2), x)


def test_integers_become_floats():
    for f in (torch.erf, torch.lgamma, torch.i0, S.expit):
        assert f(torch.tensor([1, 2])).dtype is torch.float32


def test_functions_methods_and_twins():
    x = torch.tensor([0.25, 0.5])
    assert torch.equal(x.erf(), S.erf(x))
    assert torch.equal(x.clone().lgamma_(), torch.lgamma(x))
    assert torch.equal(torch.erfc_(x.clone()), x.erfc())
    assert torch.equal(x.logit(), S.logit(x))
    out = torch.empty(2)
    assert torch.erf(x, out=out) is out
    assert torch.equal(out, x.erf())


@pytest.mark.wengert_only
def test_missing_names_are_explained():
    with raises(AttributeError, "no attribute 'erff'", "erf"):
        S.erff
