"""Sums, means, products, log-sum-exp, counts and truth values over dims."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import along, along_or_flat
from ..core.define import plain, primitive
from ..core.op import TENSORS as T
from ..core.promote import float_dtype
from ..core.registry import numpy_names, public
from ..core.tensor import Tensor
from ..kernels import reduce as k
from ..kernels.dims import wrap_dims
from ..kernels.dtypes import as_dtype, uint8
from ..kernels.layouts import packed

Dims = Any  # int | tuple of ints | None


# ------------------------------------------------------------------- arguments
def dims_of(dim: Dims, ndim: int) -> tuple[int, ...] | None:
    """Return None (all) or a tuple of dims from the front; an empty tuple means all of them."""
    if dim is None:
        return None
    if dim.__class__ is int and ndim:
        if 0 <= dim < ndim:
            return (dim,)
        if -ndim <= dim < 0:
            return (dim + ndim,)
    if isinstance(dim, (tuple, list)) and not dim:
        return tuple(range(ndim))
    wrapped = wrap_dims(dim, ndim)
    return wrapped if ndim else ()


def checked(x: Any, caller: str, name: str = "input", position: int = 1) -> Any:
    """Return `x` if it is a tensor; TypeError in PyTorch's words otherwise."""
    if isinstance(x, Tensor):
        return x
    raise TypeError(
        f"{caller}(): argument '{name}' (position {position}) must be Tensor, not "
        f"{type(x).__name__}"
    )


def cast(x: Tensor, dtype: Any) -> Tensor:
    """Return `x` in another dtype (itself if it has it)."""
    d = as_dtype(dtype)
    return x if x._spec.dtype is d else T.cast(x, d)


def by_dim(name: str) -> Any:
    """Node names as PyTorch's overloads: 0 for the reduction of everything, 1 for given dims."""
    names = name + "Backward0", name + "Backward1"
    return lambda rest: names[rest[0] is not None]


# ------------------------------------------------------------------- sum and mean
def _spread_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    dim, keepdim, shape = params
    dims = range(len(shape)) if dim is None else dim
    g = xs[0]
    return T.spread(g, tuple([d + 1 for d in dims]), keepdim, (g.shape[0], *shape))


_sum = primitive(
    "linear", "sum(x, *, dim, keepdim)", k.sum,
    x=lambda xp, g, x_spec, dim, keepdim: xp.spread(g, dim, keepdim, x_spec.shape),
    node=by_dim("Sum"), batch=along("dim"),
)  # fmt: skip

_spread = primitive(
    "linear", "spread(x, *, dim, keepdim, shape)", k.spread,
    x=lambda xp, g, dim, keepdim: xp.sum(g, dim, keepdim), node="ExpandBackward0",
    batch=_spread_batch,
)  # fmt: skip

_mean = primitive(
    "linear", "mean(x, *, dim, keepdim)", k.mean,
    x=lambda xp, g, x_spec, dim, keepdim: xp.spread(
        g / counted(x_spec.shape, dim), dim, keepdim, x_spec.shape
    ),
    node=by_dim("Mean"), batch=along("dim"),
)  # fmt: skip

_nansum = primitive(
    "opaque", "nansum(x, *, dim, keepdim)", k.nansum,
    x=lambda xp, g, x, dim, keepdim: xp.spread(g, dim, keepdim, x.shape) * ~xp.isnan(x),
    jvp=lambda xp, xs, ts, out, params: xp.sum(ts[0] * ~xp.isnan(xs[0]), *params),
    batch=along("dim"),
)  # fmt: skip


def counted(shape: tuple, dim: tuple | None) -> int:
    """Return how many elements of an array of that shape go into one of the reduction."""
    n = 1
    for d in range(len(shape)) if dim is None else dim:
        n *= shape[d]
    return n


def in_dtype(result: Tensor, dtype: Any) -> Tensor:
    """The result in the dtype that was asked for (narrow integers are added up in int64)."""
    return result if dtype is None or result._spec.dtype is dtype else cast(result, dtype)


@public("torch", "Tensor", out=True)
def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None,
    axis: Dims = None, keepdims: bool | None = None, out: None = None,
) -> Tensor:  # fmt: skip
    """Return the sum of the elements, over some dims or all.

    Integers and bool add up in int64. `axis` and `keepdims` are NumPy's names of `dim` and
    `keepdim`. Raises IndexError for a dim out of range.

    >>> import wengert as torch
    >>> x = torch.tensor([[1., 2.], [3., 4.]])
    >>> x.sum(), x.sum(dim=0)
    (tensor(10.), tensor([4., 6.]))
    """
    if axis is not None:
        dim = axis
    if keepdims is not None:
        keepdim = keepdims
    if not isinstance(input, Tensor):
        checked(input, "sum")
    if out is not None:
        raise TypeError("sum() got an unexpected keyword argument 'out'")
    if dtype is not None:
        input = cast(input, dtype)
        return in_dtype(_sum(input, dims_of(dim, input._spec.ndim), keepdim), dtype)
    if dim is None:
        return _sum(input, None, keepdim)
    return _sum(input, dims_of(dim, input._spec.ndim), keepdim)


@public("torch", "Tensor", out=True)
def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None,
    axis: Dims = None, keepdims: bool | None = None, out: None = None,
) -> Tensor:  # fmt: skip
    """Return the mean of the elements, over some dims or all; NaN where there are none.

    RuntimeError for integers and bool unless a floating-point `dtype` is given.

    >>> import wengert as torch
    >>> torch.tensor([[1., 2.], [3., 4.]]).mean(dim=1)
    tensor([1.5000, 3.5000])
    """
    if axis is not None:
        dim = axis
    if keepdims is not None:
        keepdim = keepdims
    if not isinstance(input, Tensor):
        checked(input, "mean")
    if out is not None:
        raise TypeError("mean() got an unexpected keyword argument 'out'")
    if dtype is not None:
        d = as_dtype(dtype)
        if d.category < 2:
            raise RuntimeError(
                "mean(): could not infer output dtype. Optional dtype must be either a floating "
                f"point or complex dtype. Got: {d.scalar_name}"
            )
        input = cast(input, d)
    elif input._spec.dtype.category < 2:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {input._spec.dtype.scalar_name}"
        )
    if dim is None:
        return _mean(input, None, keepdim)
    return _mean(input, dims_of(dim, input._spec.ndim), keepdim)


@public("torch", "Tensor", out=True)
@numpy_names
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the sum with NaN counted as zero, over some dims or all.

    >>> import wengert as torch
    >>> torch.tensor([1., float("nan"), 2.]).nansum()
    tensor(3.)
    """
    checked(input, "nansum")
    if dtype is not None:
        input = cast(input, dtype)
    d = input._spec.dtype
    if d.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    call = _nansum if d.is_floating_point else _sum
    return in_dtype(call(input, dims_of(dim, input._spec.ndim), keepdim), dtype)


@public("torch", "Tensor", out=True)
@numpy_names
def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the mean of the elements that are not NaN, over some dims or all.

    >>> import wengert as torch
    >>> torch.tensor([1., float("nan"), 2.]).nanmean()
    tensor(1.5000)
    """
    checked(input, "nanmean")
    if input._spec.dtype.category < 2:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{input._spec.dtype.scalar_name}"
        )
    dims = dims_of(dim, input._spec.ndim)
    absent = T.isnan(input)
    there = _sum(~absent, dims, keepdim)
    if input._spec.dtype.is_complex:
        total = sum(T.where(absent, T.zeros_like(input), input), dim, keepdim, dtype=dtype)
    else:
        total = nansum(input, dim, keepdim, dtype=dtype)
    return total / there


# ------------------------------------------------------------------- products
def other_products(xp: Any, x: Any, dim: int) -> Any:
    """Return, for every element, the product of all the others along one dim.

    Halves are multiplied pairwise, and each hands its partner the product of the rest: log n
    steps, no division, so zeros need no care and every derivative is right.
    """
    n = x.shape[dim]
    if n == 1:
        return xp.new_zeros(x, x.shape) + 1
    h = n // 2
    a, b = xp.narrow(x, dim, 0, h), xp.narrow(x, dim, h, h)
    if n % 2:
        rest = other_products(xp, xp.cat([a * b, xp.narrow(x, dim, n - 1, 1)], dim), dim)
        r = xp.narrow(rest, dim, 0, h)
        return xp.cat([r * b, r * a, xp.narrow(rest, dim, h, 1)], dim)
    r = other_products(xp, a * b, dim)
    return xp.cat([r * b, r * a], dim)


def prod_rule(xp: Any, g: Any, x: Any, dim: tuple | None, keepdim: bool) -> Any:
    """The cotangent of a product: that of every element is the product of the others."""
    if x.ndim == 0 or 0 in x.shape:
        return xp.spread(g, dim, keepdim, x.shape)
    if dim is None:
        flat = xp.reshape(x, (-1,))
        others = xp.reshape(other_products(xp, flat, 0), x.shape)
    else:
        others = other_products(xp, x, dim[0])
    return xp.spread(g, dim, keepdim, x.shape) * others


_prod = primitive(
    "opaque", "prod(x, *, dim, keepdim)", k.prod, x=prod_rule,
    jvp=lambda xp, xs, ts, out, params: xp.sum(
        prod_rule(xp, xp.new_zeros(out, out.shape) + 1, xs[0], *params) * ts[0], *params
    ),
    node=by_dim("Prod"), batch=along_or_flat("dim", (1,)),
)  # fmt: skip


@public("torch", "Tensor", out=True)
@numpy_names
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return the product of the elements, along one dim or of all.

    Integers and bool multiply in int64. The gradient is right with zeros among the elements.

    >>> import wengert as torch
    >>> x = torch.tensor([0., 2., 3.], requires_grad=True)
    >>> x.prod().backward()
    >>> x.grad
    tensor([6., 0., 0.])
    """
    checked(input, "prod")
    if isinstance(dim, (tuple, list)):
        raise TypeError("prod() takes one dim (an int) or none, not a tuple of dims")
    if dtype is not None:
        input = cast(input, dtype)
    return in_dtype(_prod(input, dims_of(dim, input._spec.ndim), keepdim), dtype)


# ------------------------------------------------------------------- logsumexp
_logsumexp = primitive(
    "opaque", "logsumexp(x, *, dim, keepdim)", k.logsumexp,
    x=lambda xp, g, x, out, dim, keepdim: xp.spread(g, dim, keepdim, x.shape)
    * xp.exp(x - xp.spread(out, dim, keepdim, x.shape)),
    jvp=lambda xp, xs, ts, out, params: xp.sum(
        ts[0] * xp.exp(xs[0] - xp.spread(out, *params, xs[0].shape)), *params
    ),
    batch=along("dim"),
)  # fmt: skip


@public("torch", "Tensor", "special", out=True)
@numpy_names
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """Return log(sum(exp(input))) over some dims, computed without overflow.

    Integers become the default float dtype.

    >>> import wengert as torch
    >>> torch.tensor([1000., 1000.]).logsumexp(0)
    tensor(1000.6932)
    """
    checked(input, "logsumexp")
    input = cast(input, float_dtype(input._spec.dtype))
    dims = dims_of(dim, input._spec.ndim)
    return _logsumexp(input, tuple(range(input._spec.ndim)) if dims is None else dims, keepdim)


# ------------------------------------------------------------------- truth and counts
def _truth(reduce: Any) -> Any:
    return lambda x, dim, keepdim: packed(
        reduce(x if x.dtype.kind == "b" else x != 0, dim, None, None, keepdim)
    )


_all = plain(
    "all(x, *, dim, keepdim)", _truth(np.logical_and.reduce), promote=None, batch=along("dim")
)
_any = plain(
    "any(x, *, dim, keepdim)", _truth(np.logical_or.reduce), promote=None, batch=along("dim")
)
_count = plain(
    "count_nonzero(x, *, dim)",
    lambda x, dim: packed(np.add.reduce(x != 0, dim, np.int64)),
    promote=None, batch=along("dim"),
)  # fmt: skip


def _truth_over(call: Any, input: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    # unlike in sums, an empty tuple of dims reduces nothing here
    dims = () if isinstance(dim, (tuple, list)) and not dim else dims_of(dim, input._spec.ndim)
    found = call(input, dims, keepdim)
    return cast(found, uint8) if input._spec.dtype is uint8 else found


@public("torch", "Tensor", out=True)
@numpy_names
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Say whether all elements are true (not zero), over some dims or all; uint8 for uint8 input.

    >>> import wengert as torch
    >>> torch.tensor([[True, False], [True, True]]).all(dim=1)
    tensor([False,  True])
    """
    return _truth_over(_all, checked(input, "all"), dim, keepdim)


@public("torch", "Tensor", out=True)
@numpy_names
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Say whether some element is true (not zero), over some dims or all; uint8 for uint8 input.

    >>> import wengert as torch
    >>> torch.tensor([[True, False], [False, False]]).any(dim=1)
    tensor([ True, False])
    """
    return _truth_over(_any, checked(input, "any"), dim, keepdim)


@public("torch", "Tensor")
@numpy_names
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """Return how many elements are not zero, over some dims or all, as int64.

    >>> import wengert as torch
    >>> torch.tensor([[0, 1], [2, 3]]).count_nonzero(dim=0)
    tensor([1, 2])
    """
    checked(input, "count_nonzero")
    return _count(input, dims_of(dim, input._spec.ndim))
