"""SciPy's optimisers and solvers on functions of tensors, with derivatives from automatic differentiation.

SciPy sees vectors of float64; the function sees tensors in the structure, shapes and dtypes of the
starting point. Values and derivatives at one point come from one recorded call. For tight
tolerances start from float64 tensors: SciPy stops early where float32 gradients are noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import grad
from ..autograd.grad_mode import enable_grad, no_grad
from ..core.op import TENSORS as T
from ..core.tensor import Tensor, wrap
from ..core.tree import flatten, unflatten

_SLOPELESS = frozenset(("nelder-mead", "powell", "cobyla", "cobyqa"))
_PRODUCTS = frozenset(("newton-cg", "trust-ncg", "trust-krylov", "trust-constr"))
_MATRICES = frozenset(("dogleg", "trust-exact"))


def _scipy(name: str) -> Any:
    try:
        import importlib

        return importlib.import_module(f"scipy.{name}")
    except ImportError:
        raise ImportError("wengert.bridges.scipy needs SciPy: pip install wengert[scipy]") from None


class _Vector:
    """A tree of tensors as one vector: there and back."""

    def __init__(self, x0: Any, caller: str) -> None:
        self.leaves, self.spec = flatten(x0)
        for t in self.leaves:
            if not (isinstance(t, Tensor) and t.dtype.is_floating_point):
                what = t.dtype if isinstance(t, Tensor) else type(t).__name__
                raise TypeError(f"{caller}: x0 must hold tensors of real numbers, not {what}")
        self.sizes = [t.numel() for t in self.leaves]
        self.start = self.join(self.leaves)

    def join(self, leaves: list) -> np.ndarray:
        """Return leaves as one vector; None counts as zeros."""
        parts = [
            np.zeros(n) if t is None else t.numpy(force=True).astype(np.float64).reshape(-1)
            for t, n in zip(leaves, self.sizes, strict=True)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def split(self, x: Any) -> list[Tensor]:
        """Return a vector as fresh leaves."""
        x, found, at = np.asarray(x), [], 0
        for t, n in zip(self.leaves, self.sizes, strict=True):
            part = x[at : at + n].reshape(tuple(t.shape))
            found.append(wrap(np.array(part, t.dtype.np)))
            at += n
        return found

    def tree(self, x: Any) -> Any:
        """Return a vector in the structure of x0."""
        return unflatten(self.split(x), self.spec)


class _Function:
    """A function at vectors: values and derivatives at the last point come from one recorded call."""

    def __init__(
        self, func: Callable, vector: _Vector, args: tuple, scalar: bool, caller: str
    ) -> None:
        self.func, self.vector, self.args, self.scalar, self.caller = (
            func,
            vector,
            args,
            scalar,
            caller,
        )
        self.at: Any = None  # where the graph below was recorded
        self.y: Any = None
        self.slope: Any = None  # the gradient, recorded
        self.leaves: list = []
        self.calls = 0

    def _look(self, x: np.ndarray) -> None:
        if self.at is not None and np.array_equal(self.at, x):
            return
        self.calls += 1
        with enable_grad():
            self.leaves = [t.requires_grad_() for t in self.vector.split(x)]
            y = self.func(unflatten(list(self.leaves), self.vector.spec), *self.args)
        if not isinstance(y, Tensor):
            outs, _ = flatten(y)
            if self.scalar or not all(isinstance(o, Tensor) for o in outs):
                want = "a tensor of one element" if self.scalar else "tensors"
                raise TypeError(
                    f"{self.caller}: the function must return {want}, not {type(y).__name__}"
                )
            with enable_grad():
                y = T.cat([T.reshape(o, (o.numel(),)) for o in outs], 0)
        if self.scalar and y.numel() != 1:
            raise TypeError(
                f"{self.caller}: the function must return one element, not a tensor of shape {list(y.shape)}"
            )
        self.y, self.slope, self.at = y, None, x.copy()

    def value(self, x: np.ndarray) -> Any:
        """Return the value: a number if the function is scalar, else a vector."""
        self._look(x)
        return (
            float(self.y.item())
            if self.scalar
            else self.y.numpy(force=True).astype(float).reshape(-1)
        )

    def _pull(self, y: Tensor, g: Any, again: bool) -> list:
        if not y.requires_grad:
            return [None] * len(self.leaves)
        with enable_grad():
            return list(
                grad(y, self.leaves, g, retain_graph=True, create_graph=again, allow_unused=True)
            )

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient as a vector."""
        self._look(x)
        return self.vector.join(self._pull(T.reshape(self.y, ()), None, False))

    def product(self, x: np.ndarray, p: Any) -> np.ndarray:
        """Return the Hessian times p: the gradient of (gradient . p)."""
        self._look(x)
        if self.slope is None:
            self.slope = self._pull(T.reshape(self.y, ()), None, True)
        return self._again(self.slope, p)

    def curvature(self, x: np.ndarray, weights: Any) -> Any:
        """Return the Hessian of (function . weights) as a linear operator."""
        self._look(x)
        cotangent = wrap(np.array(np.reshape(weights, self.y.shape), self.y.dtype.np))
        slope, leaves, n = self._pull(self.y, cotangent, True), self.leaves, len(x)

        def product(p: Any) -> np.ndarray:
            return self._again(slope, p, leaves)

        return _scipy("sparse.linalg").LinearOperator(
            (n, n), matvec=product, rmatvec=product, dtype=float
        )

    def _again(self, slope: list, p: Any, leaves: list | None = None) -> np.ndarray:
        """Differentiate a recorded gradient in the direction p."""
        leaves = self.leaves if leaves is None else leaves
        smooth = [
            (g, v)
            for g, v in zip(slope, self.vector.split(np.ravel(p)), strict=True)
            if g is not None and g.requires_grad
        ]
        if not smooth:
            return np.zeros(sum(self.vector.sizes))
        with enable_grad():
            slopes, directions = zip(*smooth, strict=True)
            found = grad(slopes, leaves, directions, retain_graph=True, allow_unused=True)
        return self.vector.join(list(found))

    def matrix(self, x: np.ndarray) -> np.ndarray:
        """Return the Hessian as a matrix."""
        return (
            np.stack([self.product(x, e) for e in np.eye(len(x))]) if len(x) else np.zeros((0, 0))
        )

    def pulled(self, x: np.ndarray, g: Any) -> np.ndarray:
        """Return the transposed Jacobian times g."""
        self._look(x)
        cotangent = wrap(np.array(np.reshape(g, self.y.shape), self.y.dtype.np))
        return self.vector.join(self._pull(self.y, cotangent, False))

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """Return the Jacobian as a matrix, in one batched backward run."""
        self._look(x)
        m = self.y.numel()
        if not m or not self.y.requires_grad:
            return np.zeros((m, len(x)))
        rows = wrap(np.eye(m, dtype=self.y.dtype.np).reshape(m, *self.y.shape))
        found = grad(
            self.y, self.leaves, rows, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        return np.concatenate(
            [
                np.zeros((m, n)) if g is None else g.numpy(force=True).astype(float).reshape(m, n)
                for g, n in zip(found, self.vector.sizes, strict=True)
            ],
            1,
        )

    def forget(self) -> None:
        """Let go of the last graph."""
        self.at = self.y = self.slope = None
        self.leaves = []


def _bounds(bounds: Any, vector: _Vector, caller: str) -> Any:
    """Return bounds in SciPy's form: given so, or as a tree of (low, high) pairs like x0."""
    if bounds is None or hasattr(bounds, "lb") or vector.spec.is_leaf():
        return bounds
    found: list = []

    def add(pair: Any, t: Tensor) -> None:
        low, high = (None, None) if pair is None else pair
        sides = [
            np.broadcast_to(np.asarray(missing if s is None else _plain(s), float), tuple(t.shape))
            for s, missing in ((low, -np.inf), (high, np.inf))
        ]
        found.append(sides)

    pairs, spec = flatten(bounds, _is_pair)
    if spec != vector.spec:
        raise ValueError(
            f"{caller}: bounds must be nested like x0, a pair (low, high) for each tensor: "
            f"{vector.spec!r}, not {spec!r}"
        )
    for pair, t in zip(pairs, vector.leaves, strict=True):
        add(pair, t)
    low, high = (np.concatenate([s[k].reshape(-1) for s in found]) for k in (0, 1))
    return _scipy("optimize").Bounds(low, high)


def _is_pair(x: Any) -> bool:
    return (
        isinstance(x, tuple)
        and len(x) == 2
        and not any(isinstance(i, dict | list | tuple) for i in x)
    )


def _plain(x: Any) -> Any:
    return x.numpy(force=True) if isinstance(x, Tensor) else x


def _constraint(c: Any, vector: _Vector, kind: str) -> Any:
    """Return a constraint of SciPy's whose function is one of tensors, if it is a dict."""
    if not isinstance(c, dict):
        return c
    f = _Function(c["fun"], vector, tuple(c.get("args", ())), False, "minimize: a constraint")
    if kind == "trust-constr":
        high = 0 if c["type"] == "eq" else np.inf
        return _scipy("optimize").NonlinearConstraint(f.value, 0, high, f.jacobian, f.curvature)
    return {"type": c["type"], "fun": f.value, "jac": f.jacobian}


def _finished(result: Any, vector: _Vector) -> Any:
    result["flat"], result["x"] = result["x"], vector.tree(result["x"])
    return result


def minimize(
    func: Callable,
    x0: Any,
    args: tuple = (),
    method: str | None = None,
    *,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable | None = None,
    options: dict | None = None,
) -> Any:
    """Minimise `func(x, *args)`, which returns one element, with `scipy.optimize.minimize`.

    The gradient is given to every method that takes one; Newton-CG, trust-ncg, trust-krylov and
    trust-constr get products with the Hessian, dogleg and trust-exact the Hessian itself.

    x0           a tensor, or a tree of tensors; func and callback get the same structure
    method       SciPy's, by default BFGS, or L-BFGS-B with bounds, or SLSQP with constraints
    bounds       SciPy's Bounds or pairs for a single tensor; for a tree pairs (low, high) nested alike,
                 of numbers, tensors or None
    constraints  SciPy's; the `fun` of one given as a dict gets tensors, and its Jacobian is found

    Returns SciPy's OptimizeResult with `x` in the structure of x0 and `flat` the vector. TypeError
    unless func returns one element, ImportError without SciPy.

    >>> import wengert as torch
    >>> from wengert.bridges.scipy import minimize
    >>> rosenbrock = lambda p: (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2
    >>> start = {"x": torch.tensor(-1., dtype=torch.float64), "y": torch.tensor(2., dtype=torch.float64)}
    >>> found = minimize(rosenbrock, start, method="trust-krylov")
    >>> found.x
    {'x': tensor(1.0000, dtype=torch.float64), 'y': tensor(1.0000, dtype=torch.float64)}
    """
    optimize = _scipy("optimize")
    vector = _Vector(x0, "minimize")
    f = _Function(func, vector, args, True, "minimize")
    given: dict[str, Any] = {"method": method, "tol": tol, "options": options}
    kind = (method or "").lower()
    if kind not in _SLOPELESS:
        given["jac"] = f.gradient
    if kind in _PRODUCTS:
        given["hessp"] = f.product
    elif kind in _MATRICES:
        given["hess"] = f.matrix
    if bounds is not None:
        given["bounds"] = _bounds(bounds, vector, "minimize")
    if isinstance(constraints, dict) or not isinstance(constraints, list | tuple):
        constraints = (constraints,)
    if constraints:
        given["constraints"] = [_constraint(c, vector, kind) for c in constraints]
    if callback is not None:
        given["callback"] = lambda x, *more: callback(vector.tree(x))
    try:
        return _finished(optimize.minimize(f.value, vector.start, **given), vector)
    finally:
        f.forget()


def root(
    func: Callable, x0: Any, args: tuple = (), method: str = "hybr", *, tol: float | None = None,
    options: dict | None = None,
) -> Any:  # fmt: skip
    """Find x with func(x, *args) = 0 with `scipy.optimize.root` and the Jacobian of `func`.

    func returns as many elements as x has (a tensor or a tree). The methods hybr and lm get the
    Jacobian, the others need none. Returns SciPy's OptimizeResult with `x` in the structure of x0.

    >>> import wengert as torch
    >>> from wengert.bridges.scipy import root
    >>> root(lambda x: x ** 2 - torch.tensor([4., 9.]), torch.ones(2, dtype=torch.float64)).x
    tensor([2.0000, 3.0000], dtype=torch.float64)
    """
    optimize = _scipy("optimize")
    vector = _Vector(x0, "root")
    f = _Function(func, vector, args, False, "root")
    jac = f.jacobian if method in ("hybr", "lm") else None
    try:
        found = optimize.root(
            f.value, vector.start, method=method, jac=jac, tol=tol, options=options
        )
        return _finished(found, vector)
    finally:
        f.forget()


def least_squares(
    func: Callable, x0: Any, args: tuple = (), *, bounds: Any = None, method: str = "trf",
    jac: Any = "dense", **options: Any,
) -> Any:  # fmt: skip
    """Minimise the sum of squares of what `func(x, *args)` returns with `scipy.optimize.least_squares`.

    bounds  as in `minimize`, or SciPy's pair of lower and upper bounds
    jac     "dense"; "operator" (products only, for many residuals; methods trf and dogbox); or a
            pattern of `torch.func.sparse_jacobian`, for a sparse Jacobian
    options are those of SciPy's function (ftol, xtol, loss, x_scale, max_nfev ...)

    Returns SciPy's OptimizeResult with `x` in the structure of x0.

    >>> import wengert as torch
    >>> from wengert.bridges.scipy import least_squares
    >>> t = torch.linspace(0, 1, 20, dtype=torch.float64)
    >>> data = 3 * torch.exp(-2 * t)
    >>> start = {"size": torch.tensor(1., dtype=torch.float64), "rate": torch.tensor(1., dtype=torch.float64)}
    >>> least_squares(lambda p: p["size"] * torch.exp(-p["rate"] * t) - data, start).x
    {'size': tensor(3.0000, dtype=torch.float64), 'rate': tensor(2.0000, dtype=torch.float64)}
    """
    optimize = _scipy("optimize")
    vector = _Vector(x0, "least_squares")
    f = _Function(func, vector, args, False, "least_squares")
    if isinstance(jac, str) and jac == "dense":
        derivative: Any = f.jacobian
    elif isinstance(jac, str) and jac == "operator":
        derivative = lambda x: _operator(f, np.array(x))  # noqa: E731
    elif isinstance(jac, str):
        raise ValueError(f'jac must be "dense", "operator" or a sparsity pattern, not {jac!r}')
    else:
        from ..func.sparse import sparse_jacobian

        sparse = sparse_jacobian(
            lambda leaves: func(unflatten(list(leaves), vector.spec), *args), jac
        )
        derivative = lambda x: sparse(tuple(vector.split(x)))  # noqa: E731
    limits = _bounds(bounds, vector, "least_squares")
    if limits is None:
        limits = (-np.inf, np.inf)
    try:
        found = optimize.least_squares(
            f.value, vector.start, jac=derivative, bounds=limits, method=method, **options
        )
        return _finished(found, vector)
    finally:
        f.forget()


def _operator(f: _Function, x: np.ndarray) -> Any:
    linalg = _scipy("sparse.linalg")
    f._look(x)
    m, spec = f.y.numel(), f.vector.spec

    def matvec(v: Any) -> np.ndarray:
        from ..func.forward import jvp

        def over(*leaves: Tensor) -> Any:
            return f.func(unflatten(list(leaves), spec), *f.args)

        with no_grad():
            _, pushed = jvp(over, tuple(f.vector.split(x)), tuple(f.vector.split(np.ravel(v))))
        outs, _ = flatten(pushed)
        return np.concatenate([o.numpy(force=True).astype(float).reshape(-1) for o in outs])

    return linalg.LinearOperator(
        (m, len(x)), matvec=matvec, rmatvec=lambda g: f.pulled(x, np.ravel(g)), dtype=np.float64
    )


def jacobian_operator(func: Callable, x: Any, *args: Any) -> Any:
    """Return the Jacobian of `func` at x as a `scipy.sparse.linalg.LinearOperator`.

    Products are forward mode (matvec) and reverse mode (rmatvec) passes; the matrix is never made.
    Trees are joined to vectors in the order of their leaves.

    >>> import wengert as torch
    >>> from wengert.bridges.scipy import jacobian_operator
    >>> j = jacobian_operator(lambda x: x ** 2, torch.tensor([1., 2.]))
    >>> j @ [1., 1.], j.T @ [1., 0.]
    (array([2., 4.]), array([2., 0.]))
    """
    vector = _Vector(x, "jacobian_operator")
    f = _Function(func, vector, args, False, "jacobian_operator")
    return _operator(f, vector.start)


def hessian_operator(func: Callable, x: Any, *args: Any) -> Any:
    """Return the Hessian of a scalar `func` at x as a `scipy.sparse.linalg.LinearOperator`.

    A product is one reverse pass through the recorded gradient (Pearlmutter 1994).

    >>> import wengert as torch
    >>> from wengert.bridges.scipy import hessian_operator
    >>> hessian_operator(lambda x: (x ** 3).sum(), torch.tensor([1., 2.])) @ [1., 1.]
    array([ 6., 12.])
    """
    linalg = _scipy("sparse.linalg")
    vector = _Vector(x, "hessian_operator")
    f = _Function(func, vector, args, True, "hessian_operator")
    start, n = vector.start, len(vector.start)

    def product(v: Any) -> np.ndarray:
        return f.product(start, v)

    return linalg.LinearOperator((n, n), matvec=product, rmatvec=product, dtype=np.float64)


__all__ = ["hessian_operator", "jacobian_operator", "least_squares", "minimize", "root"]
