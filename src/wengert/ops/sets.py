"""Distinct elements, searches in sorted sequences, counts in bins: mostly without derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import return_types as rt
from ..core.batching import all_batched, composed, dynamic, refuse_dynamic
from ..core.cold import bind
from ..core.define import plain, primitive
from ..core.dual import by_example, innermost
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, as_tensor_arg, wrap
from ..kernels import sort as k
from ..kernels.dims import wrap_dim
from .reduce import checked


def no_derivative(name: str) -> Any:
    """Return a rule that says that PyTorch knows no derivative here either."""

    def rule(g: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

    return rule


_unique = primitive(
    "opaque", "unique2(x, *, dim)", k.unique, outputs=3, x=no_derivative("_unique2"),
    batch=dynamic("aten::_unique2"),
)  # fmt: skip
_unique_dim = primitive(
    "opaque", "unique_dim(x, *, dim)", k.unique, outputs=3, x=no_derivative("unique_dim"),
    batch=dynamic("aten::unique_dim"),
)  # fmt: skip
_consecutive = primitive(
    "opaque", "unique_consecutive(x, *, dim)", k.unique_consecutive, outputs=3,
    x=no_derivative("unique_consecutive"), batch=dynamic("aten::unique_consecutive"),
)  # fmt: skip


def _chosen(results: tuple, return_inverse: bool, return_counts: bool) -> Any:
    values, inverse, counts = results
    if return_inverse and return_counts:
        return values, inverse, counts
    if return_inverse:
        return values, inverse
    return (values, counts) if return_counts else values


@public("torch", "Tensor")
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """Return the distinct elements (or slices along `dim`), always sorted.

    With `return_inverse`, also where each element of the input is among them; with
    `return_counts`, also how often each came. Every NaN is distinct.

    >>> import wengert as torch
    >>> torch.tensor([3, 1, 1]).unique(return_counts=True)
    (tensor([1, 3]), tensor([2, 1]))
    """
    checked(input, "unique")
    if dim is None:
        return _chosen(_unique(input, None), return_inverse, return_counts)
    found = _unique_dim(input, wrap_dim(dim, input._spec.ndim))
    return _chosen(found, return_inverse, return_counts)


@public("torch", "Tensor")
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """Return the first of every run of equal elements (or slices along `dim`).

    >>> import wengert as torch
    >>> torch.tensor([1, 1, 2, 1]).unique_consecutive()
    tensor([1, 2, 1])
    """
    checked(input, "unique_consecutive")
    dim = None if dim is None else wrap_dim(dim, input._spec.ndim)
    return _chosen(_consecutive(input, dim), return_inverse, return_counts)


# ------------------------------------------------------------------- searches
def _search_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    """A batch of values in one sequence, or the rows of a batch of sequences with a row of values each."""
    if not on[0] and not on[2] and xs[0].ndim == 1:
        return bind(op, tuple(xs), params)
    x, y, sorter = all_batched(xs, on)
    shape = tuple(y.shape)
    if x.ndim == 2:
        y = T.reshape(y, (shape[0], y._spec.numel // max(shape[0], 1)))
    return T.reshape(bind(op, (x, y, sorter), params), shape)


_searchsorted = plain(
    "searchsorted(x, y, z?, *, right, int32)", k.searchsorted, promote=None, batch=_search_batch
)


@public("torch", out=True)
def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return where values belong in sorted sequences (the last dim of `sorted_sequence`).

    The i with sequence[i-1] < v <= sequence[i]; with `right` (or side="right"), with
    sequence[i-1] <= v < sequence[i]. Leading dims of both must match unless the sequence is 1-d.

    >>> import wengert as torch
    >>> torch.searchsorted(torch.tensor([1., 3., 5.]), torch.tensor([3., 4.]))
    tensor([1, 2])
    """
    if side is not None:
        if side not in ("left", "right"):
            raise RuntimeError(
                f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
            )
        if side == "left" and right:
            raise RuntimeError(
                "torch.searchsorted(): side and right can't be set to opposites, got side of left "
                "while right was True"
            )
        right = side == "right"
    s = checked(sorted_sequence, "searchsorted", "sorted_sequence")._spec
    y = as_tensor_arg(input, sorted_sequence)
    if s.ndim == 0:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should have positive dimension")
    if s.ndim > 1 and (y.ndim != s.ndim or tuple(y.shape)[:-1] != tuple(s.shape)[:-1]):
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(s.shape)} and input value tensor {list(y.shape)}"
        )
    return _searchsorted(sorted_sequence, y, sorter, right, out_int32)


@public("torch", out=True)
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Return the index of the bucket between sorted boundaries that each element falls into.

    >>> import wengert as torch
    >>> torch.bucketize(torch.tensor([1., 5.]), torch.tensor([0., 2., 4.]))
    tensor([1, 3])
    """
    if checked(boundaries, "bucketize", "boundaries", 2)._spec.ndim != 1:
        raise RuntimeError(
            f"boundaries tensor must be 1 dimension, but got dim({boundaries._spec.ndim})"
        )
    return _searchsorted(boundaries, as_tensor_arg(input, boundaries), None, right, out_int32)


# ------------------------------------------------------------------- counts
def _count_by_writing(xp: Any, x: Any, w: Any, minlength: int) -> Any:
    """The same where all examples have results of one length."""
    at = innermost(x)
    n = np.unique(np.maximum(at.max(-1, initial=-1) + 1, minlength))
    if n.size > 1:
        refuse_dynamic("aten::bincount", x)
    counts = np.zeros(int(n[0]) if n.size else minlength, w.dtype.np if w is not None else np.int64)
    return xp.index_put(wrap(counts), wrap(np.ones(1, np.int64)) if w is None else w, x, (0,), True)


_bincount = primitive(
    "opaque", "bincount(x, y?, *, minlength)", k.bincount, y=no_derivative("bincount"),
    node="NotImplemented", batch=composed(_count_by_writing),
)  # fmt: skip


def _histc_kernel(x: np.ndarray, bins: int, low: float, high: float) -> np.ndarray:
    return k.histc(x, bins, *_limits(x, low, high, "torch.histc"))


def _histc_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    """Every example by itself: there is no faster way when each has its own range."""
    rows = [bind(op, (row,), params) for row in T.unbind(xs[0], 0)]
    return T.stack(rows, 0) if rows else T.cast(wrap(np.zeros((0, params[0]))), xs[0].dtype)


_histc = plain(
    "histc(x, *, bins, low, high)", _histc_kernel, promote=None, batch=_histc_batch
)


@public("torch", "Tensor")
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Return how often every non-negative integer comes in a 1-d tensor, or sums of its weights.

    >>> import wengert as torch
    >>> torch.bincount(torch.tensor([1, 1, 3]))
    tensor([0, 2, 0, 1])
    """
    s = checked(input, "bincount")._spec
    if s.dtype.category != 1:
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{s.dtype.scalar_name}'")
    if s.ndim != 1 or (s.numel and innermost(input).min(initial=0) < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is not None and weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    return _bincount(input, weights, int(minlength))


def _limits(x: np.ndarray, low: float, high: float, caller: str) -> tuple[float, float]:
    """Return the range to count in: that of the data when none is given, never empty."""
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{caller}: range of [{low}, {high}] is not finite")
    if high < low:
        raise RuntimeError(f"{caller}: max must be larger than min")
    return (low - 1, high + 1) if low == high else (low, high)


@public("torch", "Tensor", out=True)
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Return how many elements fall into each of equal bins between min and max.

    With min == max the range is that of the data; elements outside are not counted.

    >>> import wengert as torch
    >>> torch.histc(torch.tensor([1., 2., 1., 3.]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 1.])
    """
    s = checked(input, "histc")._spec
    if not s.dtype.is_floating_point:
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{s.dtype.scalar_name}'")
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    return _histc(input, int(bins), float(min), float(max))


@public("torch", "Tensor")
def histogram(
    input: Tensor, bins: Any = 100, *, range: tuple | None = None, weight: Tensor | None = None,
    density: bool = False,
) -> Any:  # fmt: skip
    """Return counts in bins (a number of equal ones, or a 1-d tensor of edges) and the edges.

    >>> import wengert as torch
    >>> torch.histogram(torch.tensor([1., 2., 1.]), bins=2).hist
    tensor([2., 1.])
    """
    given = bins.detach()._array if isinstance(bins, Tensor) else None
    w = None if weight is None else weight.detach()._array.reshape(-1)

    def edges(x: np.ndarray) -> np.ndarray:
        if given is not None:
            return np.array(given)
        low, high = (0.0, 0.0) if range is None else range
        low, high = _limits(x, float(low), float(high), "torch.histogram")
        return np.linspace(low, high, int(bins) + 1, dtype=x.dtype)

    def counts(x: np.ndarray) -> np.ndarray:
        hist, _ = np.histogram(x.reshape(-1), edges(x), weights=w, density=density)
        return hist.astype(x.dtype)

    x = checked(input, "histogram").detach()
    return rt.make(rt.histogram, by_example(x, counts), by_example(x, edges))
