"""Reading by index tensors: index_select, gather, take.

Index tensors are inputs of these rows, not parameters: a write to one after the call is noticed.
Bounds are checked before anything is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.batching import composed
from ..core.define import primitive, utility
from ..core.dual import innermost
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import scatter as kernels
from ..kernels.dims import broadcast_shapes, wrap_dim
from ..kernels.dtypes import int64
from . import index_batch
from .checking import check_tensor
from .quiet import quiet
from .views import expand_op, reshape_any, spec_in, view_op


def linear_jvp(call: str, tensors: int) -> Callable[..., Any]:
    """The jvp of an op that is linear in its first inputs; the last one holds indices."""

    def jvp(xp: Any, xs: list[Any], ts: list[Any], out: Any, params: tuple[Any, ...]) -> Any:
        given = [xp.zeros_like(x) if t is None else t for x, t in zip(xs[:tensors], ts, strict=False)]
        return getattr(xp, call)(*given, *xs[tensors:], *params)

    return jvp


# ------------------------------------------------------------------- rows
def _select_kernel(x: np.ndarray, y: np.ndarray, dim: int) -> np.ndarray:
    return x.take(y, dim) if x.flags.c_contiguous else kernels.index(x, y, (dim,))


index_select_op = primitive("opaque", "index_select(x, y, *, dim)", _select_kernel,
                            x=lambda xp, g, x_spec, y, dim:
                                xp.index_backward(g, y, x_spec.shape, (dim % x_spec.ndim,)),
                            jvp=linear_jvp("index_select", 1),
                            batch=composed(index_batch.select_rows))  # fmt: skip

gather_op = primitive("opaque", "gather(x, y, *, dim)", kernels.gather,
                      x=lambda xp, g, x_spec, y, dim: xp.gather_backward(g, y, dim, x_spec.shape),
                      jvp=linear_jvp("gather", 1), batch=index_batch.lined_up(1))  # fmt: skip

gather_backward = primitive("opaque", "gather_backward(x, y, *, dim, shape)", kernels.gather_backward,
                            x=lambda xp, g, y, dim: xp.gather(g, y, dim),
                            jvp=linear_jvp("gather_backward", 1),
                            batch=index_batch.gather_backward_rule)  # fmt: skip

take_op = primitive("opaque", "take(x, y)", lambda x, y: x.reshape(-1).take(y),
                    x=lambda xp, g, x_spec, y: xp.reshape(
                        xp.index_backward(g, y, (x_spec.numel,), (0,)), x_spec.shape),
                    jvp=linear_jvp("take", 1), batch=composed(index_batch.take))  # fmt: skip

utility("index_select_backward",
        lambda g, y, dim, shape: kernels.index_backward(g, y, shape, (dim % len(shape),)),
        lambda g, y, dim, shape: _index_backward(g, y, shape, (dim % len(shape),)))  # fmt: skip


def _index_backward(g: Tensor, y: Tensor, shape: tuple[Any, ...], dims: tuple[Any, ...]) -> Tensor:
    from .index import index_backward

    return index_backward(g, y, shape, dims)


# ------------------------------------------------------------------- checks
def index_tensor(index: Any, caller: str, position: int = 2) -> Any:
    check_tensor(index, caller, "index", position)
    return index._spec


def as_long(index: Tensor) -> Tensor:
    """The index as int64: itself, if it is that already."""
    if index._spec.np.itemsize == 8:
        return index
    if not index._spec.plain:
        long: Tensor = T.cast_whole(index, int64)
        return long
    return wrap(index._array.astype(np.int64))


def check_index(index: Tensor, n: int, message: Callable[..., Any], negative: bool = False) -> None:
    kernels.check_bounds(innermost(index), n, message, negative)


def along_dim(x: Any, dim: Any, index: Any, caller: str, src: Any = None) -> tuple[Tensor, Tensor, int]:
    """Check the arguments of gather and the scatters; return input, int64 index and dim."""
    s = spec_in(x, caller)
    d = wrap_dim(dim, s.ndim)
    t = index_tensor(index, caller, 3)
    what = "input" if caller == "gather" else "self"
    if t.dtype.name not in ("int64", "int32"):
        name = "gather" if caller == "gather" else "scatter"
        raise RuntimeError(
            f"{name}(): Expected dtype int32/int64 for index (it has {t.dtype} here)"
        )
    if t.numel and max(t.ndim, 1) != max(s.ndim, 1):
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as {what} tensor"
        )
    if src is not None:
        u = src._spec
        if u.dtype is not s.dtype:
            raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
        if t.numel and max(t.ndim, 1) != max(u.ndim, 1):
            raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    if t.numel:
        shape, own = tuple(t.shape) or (1,), tuple(s.shape) or (1,)
        limit = None if src is None else tuple(src._spec.shape) or (1,)
        if any(n > own[k] for k, n in enumerate(shape) if k != d) or (
            limit is not None and any(n > m for n, m in zip(shape, limit, strict=True))
        ):
            raise kernels.mismatch(caller, shape, own, d, limit)
        n = own[d]
        check_index(index, n, kernels.out_of_bounds(d, n))
    return x, as_long(index), d


# ------------------------------------------------------------------- reading
@public("torch", "Tensor", out=True)
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the items along `dim` that a vector of indices names, in its order.

    IndexError out of range; negative indices are not allowed.

    >>> import wengert as torch
    >>> torch.index_select(torch.arange(6).view(2, 3), 1, torch.tensor([2, 0]))
    tensor([[2, 0],
            [5, 3]])
    """
    s = spec_in(input, "index_select")
    t = index_tensor(index, "index_select", 3)
    if t.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if t.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            f"index_select(): Expected dtype int32 or int64 for index (it has {t.dtype} here)"
        )
    d = wrap_dim(dim, s.ndim)
    n = s.shape[d] if s.ndim else 1

    def outside(i: int) -> IndexError:
        return IndexError(
            f"index out of range in self (index {i} is out of bounds for dimension {d} with size {n})"
        )

    check_index(index, n, outside)
    at = as_long(index)
    if s.ndim == 0:
        if t.numel != 1:
            raise RuntimeError(
                "index_select(): Index to scalar can have only 1 value, got "
                f"{t.numel} value(s)"
            )
        return reshape_any(index_select_op(view_op(input, (1,)), as_vector(at), 0), ())
    at = as_vector(at)
    if quiet((input, at)):
        return wrap(_select_kernel(input._array, at._array, d))
    return index_select_op(input, at, d)


def as_vector(index: Tensor) -> Tensor:
    if index._spec.ndim == 1:
        return index
    return wrap(index._array.reshape(1)) if index._spec.plain else view_op(index, (1,))


@public("torch", "Tensor", out=True)
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Return out[i][j] = input[index[i][j]][j] (for dim 0), and so on for other dims.

    RuntimeError out of range; negative indices are not allowed.

    >>> import wengert as torch
    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    x, at, d = along_dim(input, dim, index, "gather")
    if quiet((x, at)):
        return wrap(kernels.gather(x._array, at._array, d))
    return gather_op(x, at, d)


@public("torch", "Tensor")
def take(input: Tensor, index: Tensor) -> Tensor:
    """Return the elements at flat positions, in the shape of the index.

    >>> import wengert as torch
    >>> torch.take(torch.tensor([[4, 3], [2, 1]]), torch.tensor([0, -1]))
    tensor([4, 1])
    """
    s = spec_in(input, "take")
    flat_index(index, s.numel, "take")
    return take_op(input, index)


def flat_index(index: Any, n: int, caller: str) -> None:
    t = index_tensor(index, caller)
    if t.dtype.name != "int64":
        raise RuntimeError(
            f"{caller}(): Expected a long tensor for index, but got {t.dtype.scalar_name}"
        )
    if n == 0 and t.numel:
        raise IndexError(f"{caller}(): tried to take from an empty tensor")

    def outside(i: int) -> IndexError:
        return IndexError(
            f"out of range: tried to access index {i} on a tensor of {n} elements."
        )

    check_index(index, n, outside, negative=True)


@public("torch", "Tensor", out=True)
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Gather along a dim, broadcasting the other dims; flat without a dim.

    >>> import wengert as torch
    >>> x = torch.tensor([[3, 1, 2]])
    >>> torch.take_along_dim(x, torch.argsort(x, dim=1), dim=1)
    tensor([[1, 2, 3]])
    """
    s = spec_in(input, "take_along_dim")
    t = index_tensor(indices, "take_along_dim")
    if t.dtype.name != "int64":
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got "
            f"{t.dtype.scalar_name}"
        )
    if dim is None:
        flat = reshape_any(input, (s.numel,))
        return gather(flat, 0, reshape_any(indices, (t.numel,)))
    if s.ndim != t.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {s.ndim} dimensions for input, and {t.ndim} dimensions for indices"
        )
    d = wrap_dim(dim, s.ndim)
    if not s.ndim:
        return gather(input, d, indices)
    a, b = ((*k[:d], 1, *k[d + 1 :]) for k in (s.shape, t.shape))
    shape = broadcast_shapes(a, b)
    wide, at = ((*shape[:d], k[d], *shape[d + 1 :]) for k in (s.shape, t.shape))
    x = input if s.shape == wide else expand_op(input, wide)
    return gather(x, d, indices if t.shape == at else expand_op(indices, at))
