"""Which elements are in a set, and where: isin, unravel_index, nonzero_static, histogramdd."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import return_types as rt
from ..core.batching import composed
from ..core.define import plain
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, as_tensor_arg, wrap
from ..kernels.dims import count
from ..kernels.dtypes import int64
from .checking import check_tensor

T: Any = TENSORS


def _isin_example(xp: Any, x: Any, y: Any, invert: bool) -> Any:
    found = xp.any(xp.unsqueeze(x, x.ndim) == xp.reshape(y, (y._spec.numel,)), (x.ndim,), False)
    return xp.logical_not(found) if invert else found


_isin = plain("isin(x, y, *, invert)", lambda x, y, invert: np.isin(x, y, invert=invert),
              batch=composed(_isin_example))  # fmt: skip


@public("torch", out=True)
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Return where the elements are among the test elements (where not, if `invert`).

    Either may be a number.

    >>> import wengert as torch
    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 5]))
    tensor([False,  True, False])
    """
    if not isinstance(elements, Tensor):
        check_tensor(test_elements, "isin", "test_elements", 2)
        elements = as_tensor_arg(elements, test_elements)
    tests = as_tensor_arg(test_elements, elements)
    for t in (elements, tests):
        if (t._spec.dtype.category == 0 and t._spec.np == np.bool_) or t._spec.dtype.is_complex:
            raise RuntimeError(
                f"Unsupported input type encountered for isin(): {t._spec.dtype.scalar_name}"
            )
    return _isin(elements, tests, bool(invert))


@public("torch")
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Return the index along every dim of a shape that flat positions stand for.

    >>> import wengert as torch
    >>> torch.unravel_index(torch.tensor([1, 5]), (2, 3))
    (tensor([0, 1]), tensor([1, 2]))
    """
    check_tensor(indices, "unravel_index", "indices")
    if indices._spec.dtype.category > 1 or indices._spec.np == np.bool_:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(not isinstance(n, int) for n in sizes):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {shape!r}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    indices = T.cast(indices, int64) if indices._spec.dtype is not int64 else indices
    steps = [count(sizes[k + 1 :]) for k in range(len(sizes))]
    return tuple([T.floor_divide(indices, s) % n for s, n in zip(steps, sizes, strict=True)])


@public("torch", "Tensor", out=True)
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """Return the first `size` positions of elements that are not zero, filled up where there are fewer.

    >>> import wengert as torch
    >>> torch.nonzero_static(torch.tensor([0, 3, 4]), size=3)
    tensor([[ 1],
            [ 2],
            [-1]])
    """
    check_tensor(input, "nonzero_static")
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = np.argwhere(input._array)[:size]
    out = np.full((size, input.ndim), fill_value, np.int64)
    out[: len(found)] = found
    return wrap(out)


@public("torch")
def histogramdd(
    input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None,
    density: bool = False,
) -> Any:  # fmt: skip
    """Return how many points (rows of coordinates) fall into every cell of a grid, and its edges.

    bins   a number, one a coordinate, or a 1-d tensor of edges a coordinate
    range  the lowest and highest edge of every coordinate, one after the other

    >>> import wengert as torch
    >>> torch.histogramdd(torch.tensor([[0., 1.], [1., 0.], [1., 1.]]), bins=[2, 2]).hist
    tensor([[0., 1.],
            [1., 1.]])
    """
    check_tensor(input, "histogramdd")
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    n = input.shape[-1]
    x = input.detach()._array.reshape(count(input.shape[:-1]), n)
    per = list(bins) if isinstance(bins, tuple | list) else [bins] * n
    if len(per) != n:
        raise RuntimeError(
            f"torch.histogramdd: expected {n} sequences of bin edges for a {n}-dimensional histogram "
            f"but got {len(per)}"
        )
    if range is not None and len(range) != 2 * n:
        raise RuntimeError(
            f"torch.histogramdd: for a {n}-dimensional histogram range should have {2 * n} elements, "
            f"but got {len(range)}"
        )
    edges = [_edges(x[:, k], b, None if range is None else range[2 * k : 2 * k + 2]) for k, b in enumerate(per)]
    w = None if weight is None else weight.detach()._array.reshape(-1)
    hist, _ = np.histogramdd(x, edges, density=density, weights=w)
    return rt.make(rt.histogramdd, wrap(hist.astype(x.dtype)), tuple([wrap(e) for e in edges]))


def _edges(x: np.ndarray, bins: Any, limits: Any) -> np.ndarray:
    if isinstance(bins, Tensor):
        return np.array(bins.detach()._array)
    low, high = (x.min(initial=np.inf), x.max(initial=-np.inf)) if limits is None else limits
    if not x.size and limits is None:
        low, high = 0.0, 1.0
    if low == high:
        low, high = low - 1, high + 1
    return np.linspace(low, high, int(bins) + 1, dtype=x.dtype)
