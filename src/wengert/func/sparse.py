"""Sparse Jacobians and Hessians from few products, by colouring a known pattern (see `colouring`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.op import TENSORS as T
from ..core.tensor import Tensor, wrap
from ..core.tree import flatten, unflatten
from .colouring import column_groups, star_groups, symmetric_places
from .forward import jacfwd, jvp
from .level import only_tensors
from .mapping import vmap
from .reverse import grad, jacrev, vjp


class _Flat:
    """A function of one tree of tensors as a function between vectors."""

    def __init__(self, func: Callable, x: Any, args: tuple) -> None:
        self.leaves, self.spec = flatten(x)
        only_tensors(
            self.leaves, "sparse derivatives: expected the first argument to hold Tensors, got"
        )
        self.shapes = [tuple(t.shape) for t in self.leaves]
        self.sizes = [t.numel() for t in self.leaves]
        self.n, self.m = sum(self.sizes), -1
        self.func, self.args = func, args

    def __call__(self, *leaves: Tensor) -> Tensor:
        outs, _ = flatten(self.func(unflatten(list(leaves), self.spec), *self.args))
        only_tensors(outs, "sparse derivatives: expected the function to return Tensors, got")
        y = _vector(outs)
        self.m = y.numel()
        return y

    def parts(self, seeds: np.ndarray) -> tuple[Tensor, ...]:
        """Return rows of vectors over the inputs as the leaves that they stand for."""
        found, at = [], 0
        for t, shape, size in zip(self.leaves, self.shapes, self.sizes, strict=True):
            part = seeds[:, at : at + size].reshape(len(seeds), *shape)
            found.append(wrap(np.ascontiguousarray(part, t.dtype.np)))
            at += size
        return tuple(found)


def _vector(leaves: Any) -> Tensor:
    flat = [T.reshape(t, (t.numel(),)) for t in leaves]
    return flat[0] if len(flat) == 1 else T.cat(flat, 0)


def _rows(leaves: Any) -> Tensor:
    """Join leaves with a batch in front into rows of vectors."""
    flat = [T.reshape(t, (t.shape[0], t.numel() // max(t.shape[0], 1))) for t in leaves]
    return flat[0] if len(flat) == 1 else T.cat(flat, 1)


def _entries(pattern: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of a pattern, by row: a sparse or dense matrix, or a pair of indices."""
    if hasattr(pattern, "tocoo"):  # of SciPy; what it stores counts, zeros too
        have, coo = tuple(pattern.shape), pattern.tocoo()
        rows, cols = np.asarray(coo.row, np.int64), np.asarray(coo.col, np.int64)
    elif isinstance(pattern, tuple) and len(pattern) == 2:
        rows, cols = (np.asarray(_array(p), np.int64).reshape(-1) for p in pattern)
        have = shape
        if len(rows) != len(cols):
            raise ValueError(f"pattern: {len(rows)} row indices and {len(cols)} column indices")
    else:
        dense = np.asarray(_array(pattern))
        have = tuple(dense.shape)
        rows, cols = np.nonzero(dense) if dense.ndim == 2 else (np.zeros(0, int),) * 2
    if have != shape:
        raise ValueError(f"the pattern has shape {list(have)}, but the matrix has {list(shape)}")
    for indices, size, what in ((rows, shape[0], "row"), (cols, shape[1], "column")):
        if len(indices) and not (indices.min() >= 0 and indices.max() < size):
            raise ValueError(f"pattern: a {what} index is outside of 0 to {size - 1}")
    entries = np.unique(rows * shape[1] + cols)
    return entries // max(shape[1], 1), entries % max(shape[1], 1)


def _array(x: Any) -> Any:
    return x.numpy(force=True) if isinstance(x, Tensor) else x


def _result(values: Tensor, rows: np.ndarray, cols: np.ndarray, shape: tuple, scipy: bool) -> Any:
    if not scipy:
        return values, (wrap(rows), wrap(cols))
    try:
        from scipy.sparse import csr_array
    except ImportError:
        raise ImportError(
            "sparse matrices need SciPy: pip install wengert[scipy], or pass scipy=False for the "
            "values and their indices"
        ) from None
    return csr_array((values.numpy(force=True), (rows, cols)), shape=shape)


def _seeds(colours: np.ndarray) -> np.ndarray:
    """Return one row for each colour: the sum of the unit vectors of that colour."""
    count = int(colours.max(initial=-1)) + 1
    return (colours == np.arange(count)[:, None]).astype(np.float64)


def sparse_jacobian(
    func: Callable,
    pattern: Any = None,
    mode: str = "auto",
    *,
    chunk_size: int | None = None,
    scipy: bool = True,
) -> Callable:
    """Return the function that computes the Jacobian of `func` in its first argument as a sparse matrix.

    Columns that share no row are computed in one product (rows, in reverse mode), so a banded
    Jacobian takes as many products as its band is wide, whatever its size. All products run in one
    pass. Its shape is (elements of the result, elements of the argument), trees being joined in
    the order of their leaves.

    pattern  where it may be nonzero: a SciPy sparse matrix, a dense boolean matrix, or a pair of
             index arrays (rows, columns); by default `jacobian_pattern` at the first call, kept
             from then on. What the pattern leaves out spoils other entries.
    mode     "forward", "reverse", or "auto": the one that takes fewer products
    chunk_size  how many products to run at a time
    scipy    False: return (values, (rows, columns)) as tensors; the values can be differentiated

    Returns a `scipy.sparse.csr_array`; ImportError without SciPy.

    >>> import wengert as torch
    >>> x = torch.arange(5.)
    >>> torch.func.sparse_jacobian(lambda x: x[1:] * x[:-1])(x).toarray()
    array([[1., 0., 0., 0., 0.],
           [0., 2., 1., 0., 0.],
           [0., 0., 3., 2., 0.],
           [0., 0., 0., 4., 3.]], dtype=float32)
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f'mode must be "auto", "forward" or "reverse", not {mode!r}')
    plans: dict = {}

    @functools.wraps(func)
    def jacobian(x: Any, *args: Any) -> Any:
        f = _Flat(func, x, args)
        key = tuple(f.shapes)
        if key not in plans:
            plans[key] = _jacobian_plan(f, pattern, mode)
        forward, colours, rows, cols, shape = plans[key]
        seeds = _seeds(colours)
        if forward:
            products = _mapped(lambda *s: jvp(f, tuple(f.leaves), s)[1], f.parts(seeds), chunk_size)
            compressed, at = products, (colours[cols], rows)
        else:
            y, pull = vjp(f, *f.leaves)
            cotangents = wrap(seeds.astype(y.dtype.np))
            compressed = _rows(_mapped(lambda s: pull(s), (cotangents,), chunk_size))
            at = (colours[rows], cols)
        values = compressed[wrap(at[0]), wrap(at[1])]
        return _result(values, rows, cols, shape, scipy)

    return jacobian


def _mapped(f: Callable, seeds: tuple, chunk_size: int | None) -> Any:
    return vmap(f, chunk_size=chunk_size)(*seeds)


def _jacobian_plan(f: _Flat, pattern: Any, mode: str) -> tuple:
    if pattern is None:
        rows, cols, shape = _probed(f, _dense_jacobian, 3, 0)
    else:
        f(*[t.detach() for t in f.leaves])
        shape = (f.m, f.n)
        rows, cols = _entries(pattern, shape)
    by_column = None if mode == "reverse" else column_groups(rows, cols, shape)
    by_row = None if mode == "forward" else column_groups(cols, rows, shape[::-1])
    if by_row is None or (
        by_column is not None and by_column.max(initial=-1) <= by_row.max(initial=-1)
    ):
        return True, by_column, rows, cols, shape
    return False, by_row, rows, cols, shape


def sparse_hessian(
    func: Callable, pattern: Any = None, *, chunk_size: int | None = None, scipy: bool = True
) -> Callable:
    """Return the function that computes the Hessian of a scalar `func` in its first argument, sparse.

    The symmetry is used: a star colouring finds each entry or its mirror image in one of few
    Hessian-vector products (2 for a Hessian in the shape of an arrow, 3 for a tridiagonal one).

    pattern  as in `sparse_jacobian`, symmetric (it is made so); by default `hessian_pattern`
    chunk_size, scipy  as in `sparse_jacobian`

    Returns a `scipy.sparse.csr_array` of shape (n, n); ImportError without SciPy.

    >>> import wengert as torch
    >>> f = lambda x: (x[1:] * x[:-1] ** 2).sum()
    >>> torch.func.sparse_hessian(f)(torch.tensor([1., 2., 3.])).toarray()
    array([[4., 2., 0.],
           [2., 6., 4.],
           [0., 4., 0.]], dtype=float32)
    """
    plans: dict = {}

    @functools.wraps(func)
    def hessian(x: Any, *args: Any) -> Any:
        f = _Flat(func, x, args)
        key = tuple(f.shapes)
        if key not in plans:
            if pattern is None:
                rows, cols, _ = _probed(f, _dense_hessian, 3, 0)
            else:
                rows, cols = _entries(pattern, (f.n, f.n))
            rows, cols = _symmetric(rows, cols, f.n)
            colours = star_groups(rows, cols, f.n)
            plans[key] = rows, cols, colours, symmetric_places(rows, cols, colours)
        rows, cols, colours, (at, colour) = plans[key]
        _, pull = vjp(_slope(f), *f.leaves)
        seeds = _rows(f.parts(_seeds(colours)))
        compressed = _rows(_mapped(lambda s: pull(s), (seeds,), chunk_size))
        values = compressed[wrap(colour), wrap(at)]
        return _result(values, rows, cols, (f.n, f.n), scipy)

    return hessian


def _slope(f: _Flat) -> Callable:
    """The gradient of a function of one element, as a vector."""
    numbers = tuple(range(len(f.leaves)))

    def value(*leaves: Tensor) -> Tensor:
        y = f(*leaves)
        if y.numel() != 1:
            raise RuntimeError(
                f"sparse_hessian: the function must return one element, but it returned {y.numel()}"
            )
        return T.reshape(y, ())

    return lambda *leaves: _vector(grad(value, numbers)(*leaves))


def _symmetric(rows: np.ndarray, cols: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    entries = np.unique(np.concatenate([rows * n + cols, cols * n + rows]))
    return entries // max(n, 1), entries % max(n, 1)


# ------------------------------------------------------------------- patterns
def jacobian_pattern(
    func: Callable, x: Any, *args: Any, points: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows, columns) of the entries of the Jacobian of `func` that are not always zero.

    Found by computing the whole Jacobian at x and at random points near it: an entry that is zero at
    all of them (a branch that none of them takes) is missed, so give a pattern that you know, or
    more `points`.

    >>> import wengert as torch
    >>> rows, cols = torch.func.jacobian_pattern(lambda x: x.flip(0) ** 2, torch.ones(3))
    >>> rows.tolist(), cols.tolist()
    ([0, 1, 2], [2, 1, 0])
    """
    rows, cols, _ = _probed(_Flat(func, x, args), _dense_jacobian, points, seed)
    return rows, cols


def hessian_pattern(
    func: Callable, x: Any, *args: Any, points: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows, columns) of the entries of the Hessian of `func` that are not always zero.

    As `jacobian_pattern` finds them.

    >>> import wengert as torch
    >>> rows, cols = torch.func.hessian_pattern(lambda x: x[0] ** 3 + x[1] * x[2], torch.ones(3))
    >>> rows.tolist(), cols.tolist()
    ([0, 1, 2], [0, 2, 1])
    """
    rows, cols, _ = _probed(_Flat(func, x, args), _dense_hessian, points, seed)
    return rows, cols


def _dense_jacobian(f: _Flat, leaves: tuple) -> Any:
    numbers = tuple(range(len(leaves)))
    f(*leaves)
    transform = jacfwd if f.m >= f.n else jacrev
    return transform(f, numbers)(*leaves)


def _dense_hessian(f: _Flat, leaves: tuple) -> Any:
    return jacrev(_slope(f), tuple(range(len(leaves))))(*leaves)


def _probed(f: _Flat, dense: Callable, points: int, seed: int) -> tuple:
    random = np.random.default_rng(seed)
    found: Any = None
    for k in range(points):
        leaves = []
        for t in f.leaves:
            a = t.numpy(force=True)
            if k:  # far enough to leave symmetric points, near enough to stay where func is defined
                a = a * (1 + 0.1 * random.uniform(-1, 1, a.shape)) + 1e-3 * random.standard_normal(
                    a.shape
                )
            leaves.append(wrap(np.array(a, t.dtype.np)))
        blocks = [b.numpy(force=True) for b in dense(f, tuple(leaves))]
        matrix = np.concatenate(
            [b.reshape(len(b), n) for b, n in zip(blocks, f.sizes, strict=True)], 1
        )
        nonzero = matrix != 0  # NaN is not zero either
        found = nonzero if found is None else found | nonzero
    rows, cols = np.nonzero(found)
    return rows, cols, found.shape


__all__ = ["hessian_pattern", "jacobian_pattern", "sparse_hessian", "sparse_jacobian"]
