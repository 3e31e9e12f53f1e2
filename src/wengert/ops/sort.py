"""Order: sort, top elements, k-th values, medians, modes and quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import return_types as rt
from ..core.batching import along, along_or_flat, in_front
from ..core.define import plain, primitive
from ..core.dual import innermost
from ..core.op import TENSORS as T
from ..core.registry import numpy_names, public
from ..core.tensor import Tensor
from ..kernels import sort as k
from ..kernels.dims import wrap_dim
from .extreme import _nonempty, _sharing, picking
from .reduce import checked

_argsort = plain("argsort(x, *, dim, descending)", k.argsort, promote=None, batch=along("dim"))
_topk = plain("topk_at(x, *, k, dim, largest)", k.topk, promote=None, batch=along("dim"))
_kth = plain("kth_at(x, *, k, dim, keepdim)", k.kth, promote=None, batch=along("dim"))
_median = plain("median_at(x, *, dim, keepdim)", k.median, promote=None, batch=along("dim"))
_nanmedian = plain("nanmedian_at(x, *, dim, keepdim)", k.nanmedian, promote=None, batch=along("dim"))
_mode = plain("mode_at(x, *, dim, keepdim)", k.mode, promote=None, batch=along("dim"))

pick_sorted = picking("pick_sorted", "SortBackward0")
pick_stable = picking("pick_stable", "SortBackward1")
pick_top = picking("pick_top", "TopkBackward0")
pick_kth = picking("pick_kth", "KthvalueBackward0")
pick_median = picking("pick_median", "MedianBackward1")
pick_nanmedian = picking("pick_nanmedian", "NanmedianBackward1")
pick_mode = picking("pick_mode", "ModeBackward0")


def _middle(find: Any) -> Any:
    def kernel(x: Any, dim: tuple | None, keepdim: bool) -> Any:
        if dim is not None:  # under vmap: of every row
            return np.take_along_axis(x, find(x, dim[0], True), dim[0])[..., 0]
        flat = x.reshape(-1)
        return flat[find(flat, 0, False)] if flat.size else x.dtype.type("nan")

    return kernel


_rows = along_or_flat("dim", (1,))
_median_all = _sharing(
    "median_all(x, *, dim, keepdim)", _middle(k.median), True, "MedianBackward0", _rows
)
_nanmedian_all = _sharing(
    "nanmedian_all(x, *, dim, keepdim)", _middle(k.nanmedian), True, "NanmedianBackward0", _rows
)


def _ordered(input: Any, caller: str, bools: bool = True) -> Any:
    """Return the argument if its elements have an order."""
    d = checked(input, caller)._spec.dtype
    if d.is_complex:
        if not bools:
            raise NotImplementedError(f"\"{caller}_cpu\" not implemented for '{d.scalar_name}'")
        raise RuntimeError(
            f" Sort does not support complex dtypes on CPU: {caller}() needs an order"
        )
    if not bools and d.category == 0:
        raise NotImplementedError(f"\"{caller}_cpu\" not implemented for 'Bool'")
    return input


# ------------------------------------------------------------------- sorting
@public("torch", "Tensor", out=True)
@numpy_names
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> Any:
    """Return the elements in order along a dim, and where each was.

    Equal elements always keep their order. NaN counts as largest.

    >>> import wengert as torch
    >>> torch.tensor([3., 1., 2.]).sort()
    torch.return_types.sort(
    values=tensor([1., 2., 3.]),
    indices=tensor([1, 2, 0]))
    """
    dim = wrap_dim(dim, _ordered(input, "sort")._spec.ndim)
    at = _argsort(input, dim, bool(descending))
    pick = pick_sorted if stable is None else pick_stable
    return rt.make(rt.sort, pick(input, at, dim, True), at)


@public("torch", "Tensor")
@numpy_names
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """Return the positions that sort the elements along a dim.

    >>> import wengert as torch
    >>> torch.tensor([3., 1., 2.]).argsort()
    tensor([1, 2, 0])
    """
    return _argsort(input, wrap_dim(dim, _ordered(input, "argsort")._spec.ndim), bool(descending))


@public("torch", "Tensor", out=True)
def msort(input: Tensor) -> Tensor:
    """Return the elements in order along the first dim.

    >>> import wengert as torch
    >>> torch.tensor([[3., 1.], [2., 4.]]).msort()
    tensor([[2., 1.],
            [3., 4.]])
    """
    return sort(input, 0)[0]


@public("torch", "Tensor", out=True)
@numpy_names
def topk(
    input: Tensor, k: int, dim: int | None = None, largest: bool = True, sorted: bool = True
) -> Any:
    """Return the k largest (or smallest) elements along a dim, best first, and where they are.

    `sorted=False` allows any order; here they are sorted all the same.

    >>> import wengert as torch
    >>> torch.tensor([3., 1., 2.]).topk(2)
    torch.return_types.topk(
    values=tensor([3., 2.]),
    indices=tensor([0, 2]))
    """
    s = _ordered(input, "topk")._spec
    if s.dtype.category == 0:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    dim = wrap_dim(-1 if dim is None else dim, s.ndim)
    if not 0 <= k <= (s.shape[dim] if s.ndim else 1):
        raise RuntimeError(
            f"selected index k out of range: k is {k}, dim {dim} has "
            f"{s.shape[dim] if s.ndim else 1} elements"
        )
    at = _topk(input, int(k), dim, bool(largest))
    return rt.make(rt.topk, pick_top(input, at, dim, True), at)


# ------------------------------------------------------------------- one of them
def _along(find: Any, pick: Any, kind: Any, input: Tensor, dim: int, keepdim: bool) -> Any:
    dim = wrap_dim(dim, input._spec.ndim)
    _nonempty(input, (dim,), kind.__name__)
    at = find(input, dim, keepdim)
    return rt.make(kind, pick(input, at, dim, keepdim), at)


@public("torch", "Tensor", out=True)
@numpy_names
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the k-th smallest element (k counts from 1) along a dim, and where it is.

    >>> import wengert as torch
    >>> torch.tensor([3., 1., 2.]).kthvalue(2)
    torch.return_types.kthvalue(
    values=tensor(2.),
    indices=tensor(2))
    """
    s = _ordered(input, "kthvalue", bools=False)._spec
    dim = wrap_dim(dim, s.ndim)
    _nonempty(input, (dim,), "kthvalue")
    n = s.shape[dim] if s.ndim else 1
    if not 1 <= k <= n:
        raise RuntimeError(
            f"kthvalue(): selected number k out of range for dimension {dim}: k is {k}, the "
            f"dimension has {n} elements"
        )
    at = _kth(input, int(k), dim, keepdim)
    return rt.make(rt.kthvalue, pick_kth(input, at, dim, keepdim), at)


@public("torch", "Tensor", out=True)
@numpy_names
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the lower median; along a dim, also where it is. NaN if there is a NaN.

    median(input) is a 0-d tensor whose gradient is shared by ties.

    >>> import wengert as torch
    >>> torch.tensor([4., 1., 3., 2.]).median()
    tensor(2.)
    """
    _ordered(input, "median", bools=False)
    if dim is None:
        return _median_all(input, None, False)
    return _along(_median, pick_median, rt.median, input, dim, keepdim)


@public("torch", "Tensor", out=True)
@numpy_names
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the lower median of what is not NaN; along a dim, also where it is.

    >>> import wengert as torch
    >>> torch.tensor([4., float("nan"), 3., 2.]).nanmedian()
    tensor(3.)
    """
    _ordered(input, "nanmedian", bools=False)
    if dim is None:
        return _nanmedian_all(input, None, False)
    return _along(_nanmedian, pick_nanmedian, rt.nanmedian, input, dim, keepdim)


@public("torch", "Tensor", out=True)
@numpy_names
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the most frequent element along a dim (the smallest of several), and where it is last.

    >>> import wengert as torch
    >>> torch.tensor([3, 1, 1, 2, 2]).mode()
    torch.return_types.mode(
    values=tensor(1),
    indices=tensor(2))
    """
    return _along(_mode, pick_mode, rt.mode, _ordered(input, "mode"), dim, keepdim)


# ------------------------------------------------------------------- quantiles
# what is left of PyTorch's squeeze of the result
_squeezed = primitive(
    "linear", "quantile_shape(x, *, shape)", lambda x, shape: x.reshape(shape),
    x=lambda xp, g, x_spec: xp.reshape(g, x_spec.shape), node="SqueezeBackward4",
    batch=in_front("shape"),
)  # fmt: skip
_WAYS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(
    caller: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, way: str, skip_nan: bool
) -> Tensor:
    """Sort, and look between the two neighbours of rank q (n - 1): differentiable in both."""
    s = checked(input, caller)._spec
    if s.dtype.name not in ("float32", "float64"):
        raise RuntimeError(f"{caller}() input tensor must be either float or double dtype")
    if not s.numel:
        raise RuntimeError(f"{caller}() input tensor must be non-empty")
    if way not in _WAYS:
        raise RuntimeError(
            f"{caller}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {way}"
        )
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{caller}() q must be in the range [0, 1] but got {q}")
        q = T.new_zeros(input, ()) + float(q)
    elif q._spec.ndim > 1:
        raise RuntimeError(f"{caller}() q must be a scalar or 1D tensor")
    elif q._spec.dtype is not s.dtype:
        raise RuntimeError(f"{caller}() q tensor must be same dtype as the input tensor")
    elif not (((ranks := innermost(q)) >= 0) & (ranks <= 1)).all():
        raise RuntimeError(f"{caller}() q values must be in the range [0, 1]")

    if dim is None:
        kept = (1,) * s.ndim
        x = T.reshape(input, (-1,))
    else:
        dim = wrap_dim(dim, s.ndim)
        kept = tuple([1 if d == dim else n for d, n in enumerate(s.shape)])
        x = T.transpose(input, dim, s.ndim - 1) if s.ndim else T.reshape(input, (1,))
    last = x.ndim - 1
    x = sort(x, last)[0]  # shape (..., n), NaN at the end
    n = x.shape[last]
    lead = tuple(x.shape)[:-1]
    isnan = T.isnan(x)
    # ranks have shape (..., number of q)
    flat_q = T.reshape(q, (1,) * last + (-1,))
    if skip_nan:
        count = T.sum(~isnan, (last,), True)
        rank = T.expand(flat_q, (*lead, flat_q.shape[-1])) * T.cast(count - 1, s.dtype)
        rank = rank.clamp(min=0)
    else:
        rank = T.expand(flat_q * float(n - 1), (*lead, flat_q.shape[-1]))
        rank = T.where(T.any(isnan, (last,), True), T.new_zeros(rank, ()) + float(n - 1), rank)
    if way == "lower":
        rank = rank.floor()
    elif way == "higher":
        rank = rank.ceil()
    elif way == "nearest":
        rank = rank.round()
    below = rank.detach().floor()
    values = T.gather(x, below.long(), last)
    if way in ("linear", "midpoint"):
        weight = rank - below if way == "linear" else T.new_zeros(rank, rank.shape) + 0.5
        above = T.gather(x, rank.detach().ceil().long(), last)
        values = values.lerp(above, weight)
    # bring the q's to the front and the dims of the result in place
    order = (last, *range(last))
    out = T.permute(values, order)
    count_q = (flat_q.shape[-1],) if q._spec.ndim else ()
    if dim is not None and s.ndim:
        out = T.reshape(out, (*out.shape, 1))
        out = T.transpose(out, dim + 1, out.ndim - 1)
    final = (
        kept
        if keepdim
        else tuple([m for d, m in enumerate(s.shape) if d != dim and dim is not None])
    )
    return _squeezed(out, (*count_q, *final))


@public("torch", "Tensor", out=True)
@numpy_names
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """Return the q-th quantiles along a dim or of all elements; NaN where there is a NaN.

    q in [0, 1] is a number or a 1-d tensor of input's dtype; in the latter case the first dim of
    the result runs over its elements. RuntimeError unless input is float32 or float64.

    >>> import wengert as torch
    >>> torch.tensor([0., 1., 2., 3.]).quantile(0.4)
    tensor(1.2000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@public("torch", "Tensor", out=True)
@numpy_names
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """Return the q-th quantiles of what is not NaN; see `quantile`.

    >>> import wengert as torch
    >>> torch.tensor([0., float("nan"), 1.]).nanquantile(0.5)
    tensor(0.5000)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)
