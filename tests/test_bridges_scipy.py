"""wengert.bridges.scipy: SciPy's optimisers and solvers on functions of trees of tensors."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from against import raises, torch

pytestmark = pytest.mark.wengert_only
optimize = pytest.importorskip("scipy.optimize")


@pytest.fixture(scope="module")
def bridge():
    return importlib.import_module("wengert.bridges.scipy")


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def split(p, shift=0.0):
    """The same of a dict with a nested list, shifted."""
    return rosenbrock(torch.cat([p["a"].reshape(-1), p["b"][0].reshape(1)]) - shift)


WITH_SLOPE = ["CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP"]
WITH_PRODUCTS = ["Newton-CG", "trust-ncg", "trust-krylov", "trust-constr"]
WITH_MATRIX = ["dogleg", "trust-exact"]


@pytest.mark.parametrize("method", [None, *WITH_SLOPE, *WITH_PRODUCTS, "trust-exact"])
def test_minimize_by_every_method(bridge, method):
    options = {"maxfun" if method == "TNC" else "maxiter": 2000}
    found = bridge.minimize(rosenbrock, double(0.5, 0.5, 1.5, 1.5), method=method, options=options)
    assert torch.allclose(found.x, torch.ones(4, dtype=torch.float64), atol=1e-3)
    assert np.array_equal(found.flat, found.x.numpy())
    assert not found.x.requires_grad


def test_dogleg_gets_the_matrix(bridge):
    found = bridge.minimize(lambda x: (x**2).sum() + (x**4).sum(), double(1, 2), method="dogleg")
    assert torch.allclose(found.x, double(0, 0), atol=1e-5)


@pytest.mark.parametrize("method", ["Nelder-Mead", "Powell", "COBYLA"])
def test_methods_without_slope(bridge, method):
    found = bridge.minimize(lambda x: ((x - 1) ** 2).sum(), double(0, 0), method=method)
    assert torch.allclose(found.x, double(1, 1), atol=1e-2)


def test_derivatives_given_are_the_true_ones(bridge, monkeypatch):
    """What SciPy receives is compared with the closed forms of SciPy's own Rosenbrock function."""
    seen = {}

    def spy(fun, x0, jac=None, hessp=None, hess=None, **rest):
        seen.update(
            fun=fun(x0), jac=jac(x0), hessp=hessp and hessp(x0, x0 + 1), hess=hess and hess(x0)
        )
        return optimize.OptimizeResult(x=x0)

    monkeypatch.setattr(optimize, "minimize", spy)
    x = np.array([0.3, -0.7, 1.1])
    for method in ("trust-krylov", "trust-exact"):
        bridge.minimize(rosenbrock, double(*x), method=method)
        np.testing.assert_allclose(seen["fun"], optimize.rosen(x))
        np.testing.assert_allclose(seen["jac"], optimize.rosen_der(x))
        if method == "trust-krylov":
            np.testing.assert_allclose(seen["hessp"], optimize.rosen_hess_prod(x, x + 1))
        else:
            np.testing.assert_allclose(seen["hess"], optimize.rosen_hess(x))


def test_trees_arguments_and_dtypes(bridge):
    start = {"a": torch.zeros(1, 2, dtype=torch.float64), "b": [torch.tensor(0.5)]}
    seen = []
    found = bridge.minimize(
        split, start, (2.0,), "BFGS", callback=lambda p: seen.append(p), tol=1e-6
    )
    assert found.x["a"].shape == (1, 2)
    assert found.x["a"].dtype is torch.float64
    assert found.x["b"][0].dtype is torch.float32
    assert torch.allclose(found.x["a"], double(3, 3).reshape(1, 2), atol=1e-2)
    assert set(seen[0]) == {"a", "b"}
    assert start["a"].tolist() == [[0.0, 0.0]]


def test_bounds(bridge):
    f = lambda x: ((x - double(2, -2)) ** 2).sum()
    for bounds in ([(0, 1), (-1, None)], optimize.Bounds([0, -1], [1, np.inf])):
        found = bridge.minimize(f, double(0.5, 0.5), bounds=bounds)
        assert torch.allclose(found.x, double(1, -1))
    start = {"a": double(0.5, 0.5), "b": [double(0.5)]}
    g = lambda p: f(p["a"]) + (p["b"][0] - 5).sum() ** 2
    found = bridge.minimize(g, start, bounds={"a": (0, double(1, 0.7)), "b": [None]})
    assert torch.allclose(found.x["a"], double(1, 0))
    assert torch.allclose(found.x["b"][0], double(5), atol=1e-4)
    with raises(ValueError, "bounds must be nested like x0, a pair (low, high) for each tensor"):
        bridge.minimize(g, start, bounds={"a": (0, 1)})


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr", None])
def test_constraints_are_functions_of_tensors(bridge, method):
    circle = {"type": "eq", "fun": lambda p: (p["x"] ** 2).sum() - 2}
    upper = {"type": "ineq", "fun": lambda p, c: p["x"] - c, "args": (0.0,)}
    found = bridge.minimize(
        lambda p: p["x"].sum(), {"x": double(1.5, 0.2)}, method=method, constraints=[circle, upper]
    )
    assert sorted(round(v, 2) for v in found.x["x"].tolist()) == [0.0, 1.41]
    found = bridge.minimize(
        lambda x: (x**2).sum(), double(3, 3),
        constraints=optimize.LinearConstraint([[1, 1]], 2, np.inf),
    )  # fmt: skip
    assert torch.allclose(found.x, double(1, 1), atol=1e-4)


def test_one_recorded_call_for_each_point(bridge):
    points = []

    def watched(x):
        points.append(tuple(x.tolist()))
        return rosenbrock(x)

    found = bridge.minimize(watched, double(-0.5, 0.5), method="trust-krylov")
    assert all(a != b for a, b in zip(points, points[1:], strict=False))
    assert found.nhev > 0
    assert len(points) < found.nfev + found.njev


def test_a_network_is_trained(bridge):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
    ).double()
    x = torch.linspace(-1, 1, 30, dtype=torch.float64).unsqueeze(1)
    target = (3 * x).sin()

    def loss(parameters):
        return ((torch.func.functional_call(model, parameters, (x,)) - target) ** 2).mean()

    start = dict(model.named_parameters())
    found = bridge.minimize(loss, start, options={"maxiter": 300})
    assert found.fun < 1e-3 < loss(start).item()
    model.load_state_dict(found.x)
    assert loss(dict(model.named_parameters())).item() == pytest.approx(found.fun)
    assert all(p.grad is None for p in model.parameters())


def test_a_function_that_depends_on_nothing(bridge):
    found = bridge.minimize(
        lambda p: p["a"].sum() ** 2, {"a": double(1), "unused": double(7)}, method="Newton-CG"
    )
    assert found.x["unused"].tolist() == [7.0]
    found = bridge.minimize(lambda x: torch.zeros(()), double(1, 2), method="trust-exact")
    assert found.x.tolist() == [1.0, 2.0]


def test_what_is_refused(bridge):
    with raises(
        TypeError, "minimize: the function must return one element, not a tensor of shape [2]"
    ):
        bridge.minimize(lambda x: x, double(1, 2))
    with raises(TypeError, "minimize: the function must return a tensor of one element, not float"):
        bridge.minimize(lambda x: 1.0, double(1, 2))
    with raises(TypeError, "root: the function must return tensors, not list"):
        bridge.root(lambda x: [1.0], double(1))
    for x0, what in (([1.0], "float"), (torch.ones(2, dtype=torch.int64), "torch.int64")):
        with raises(TypeError, f"minimize: x0 must hold tensors of real numbers, not {what}"):
            bridge.minimize(rosenbrock, x0)


def test_errors_and_interruptions_let_go(bridge):
    calls = []

    def fails(x):
        calls.append(x)
        raise KeyError("mine")

    with raises(KeyError, "mine"):
        bridge.minimize(fails, double(1))
    assert len(calls) == 1


def test_without_scipy(bridge, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with raises(ImportError, "wengert.bridges.scipy needs SciPy: pip install wengert[scipy]"):
        bridge.minimize(rosenbrock, double(1, 2))


# ------------------------------------------------------------------- root, least squares, operators
@pytest.mark.parametrize("method", ["hybr", "lm", "broyden1", "krylov"])
def test_root(bridge, method):
    def equations(p, c):
        return {"sum": p["x"] + p["y"][0] - c, "product": [p["x"] * p["y"][0] - 2]}

    start = {"x": double(0.8), "y": [double(2.5)]}
    found = bridge.root(equations, start, (3.0,), method=method)
    assert found.success
    assert found.x["x"].item() == pytest.approx(1, abs=1e-4)
    assert found.x["y"][0].item() == pytest.approx(2, abs=1e-4)


def exponential(n=40):
    t = torch.linspace(0, 2, n, dtype=torch.float64)
    data = 3 * torch.exp(-1.5 * t) + 0.5
    start = {"size": double(1), "rate": double(1), "floor": [double(0)]}
    return start, lambda p: p["size"] * torch.exp(-p["rate"] * t) + p["floor"][0] - data


@pytest.mark.parametrize("jac", ["dense", "operator", "sparse"])
@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_least_squares(bridge, method, jac):
    if method == "lm" and jac != "dense":
        pytest.skip("SciPy's lm takes dense Jacobians only")
    start, residuals = exponential()
    jac = np.ones((40, 3)) if jac == "sparse" else jac
    found = bridge.least_squares(residuals, start, method=method, jac=jac)
    assert [found.x[k].item() for k in ("size", "rate")] == pytest.approx([3, 1.5], abs=1e-4)
    assert found.x["floor"][0].item() == pytest.approx(0.5, abs=1e-4)


def test_least_squares_with_bounds(bridge):
    start, residuals = exponential()
    found = bridge.least_squares(
        residuals, start, bounds={"size": (0, 2), "rate": None, "floor": [(None, None)]}
    )
    assert found.x["size"].item() == pytest.approx(2)
    found = bridge.least_squares(lambda x: x - double(3, 3), double(0, 0), bounds=(-1, 1))
    assert found.x.tolist() == pytest.approx([1, 1])
    with raises(ValueError, 'jac must be "dense", "operator" or a sparsity pattern, not'):
        bridge.least_squares(residuals, start, jac="2-point")


def test_operators(bridge):
    def f(p, scale):
        return scale * p["a"][1:] * p["a"][:-1] ** 2 + p["b"]

    p = {"a": double(1, 2, 3), "b": double(0.5)}
    jac = torch.func.jacrev(f)(p, 2.0)
    want = np.concatenate([jac["a"].numpy(), jac["b"].numpy()], 1)
    op = bridge.jacobian_operator(f, p, 2.0)
    assert op.shape == (2, 4)
    np.testing.assert_allclose(op @ np.eye(4), want)
    np.testing.assert_allclose(op.T @ np.eye(2), want.T)
    assert op.dtype == np.float64

    h = torch.func.hessian(lambda a: f({**p, "a": a}, 2.0).sum())(p["a"])
    op = bridge.hessian_operator(lambda a: f({**p, "a": a}, 2.0).sum(), p["a"])
    np.testing.assert_allclose(op @ np.eye(3), h.numpy())
    np.testing.assert_allclose(op.T @ np.eye(3), h.numpy())
    cg = importlib.import_module("scipy.sparse.linalg").cg
    quadratic = bridge.hessian_operator(
        lambda x: (x**2 * double(1, 2, 3)).sum() + x.sum() ** 2, double(0, 0, 0)
    )
    solution, failed = cg(quadratic, np.ones(3))
    assert not failed
    np.testing.assert_allclose(quadratic @ solution, np.ones(3), atol=1e-5)
