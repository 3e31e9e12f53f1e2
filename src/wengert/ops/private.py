"""A few functions that PyTorch has under private names and that programs call all the same."""

from __future__ import annotations

from typing import Any

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels.dims import wrap_dim
from ..kernels.dtypes import as_dtype
from .checking import check_tensor

T: Any = TENSORS


@public("torch", name="_softmax_backward_data")
def softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: Any
) -> Tensor:
    """Return the cotangent of softmax's input, output * (g - sum(g * output)), in `input_dtype`.

    >>> import wengert as torch
    >>> torch._softmax_backward_data(torch.tensor([1., 0.]), torch.tensor([.5, .5]), 0, torch.float32)
    tensor([ 0.2500, -0.2500])
    """
    check_tensor(grad_output, "_softmax_backward_data", "grad_output", 1)
    check_tensor(output, "_softmax_backward_data", "output", 2)
    d = wrap_dim(dim, output._spec.ndim)
    product = grad_output * output
    result: Tensor = product - output * T.sum(product, (d,), True)
    wanted = as_dtype(input_dtype)
    return result if result._spec.dtype is wanted else T.cast(result, wanted)


@public("torch", name="_safe_softmax")
def safe_softmax(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Return softmax along a dim, zeros where a whole row is minus infinity.

    >>> import wengert as torch
    >>> torch._safe_softmax(torch.tensor([[0., 0.], [-torch.inf, -torch.inf]]), 1)
    tensor([[0.5000, 0.5000],
            [0.0000, 0.0000]])
    """
    check_tensor(self, "_safe_softmax", "self", 1)
    x = self if dtype is None else T.cast(self, as_dtype(dtype))
    d = wrap_dim(dim, x._spec.ndim)
    empty = T.all(T.eq(x, float("-inf")), (d,), True)
    return T.masked_fill(T.softmax(T.masked_fill(x, empty, 0.0), d), empty, 0.0)


def _bounded(indices: Any, shape: Any) -> tuple:
    """Return an index whose positions lie inside of the shape; None stands for a whole dim."""
    return tuple(
        slice(None) if i is None else T.clamp(i, -n, n - 1)
        for i, n in zip(indices, shape, strict=False)
    )


@public("torch", name="_unsafe_masked_index")
def unsafe_masked_index(self: Tensor, mask: Tensor, indices: Any, fill: Any) -> Tensor:
    """Return self[indices] where mask is True and `fill` elsewhere; positions there may be out of range.

    >>> import wengert as torch
    >>> torch._unsafe_masked_index(torch.tensor([1., 2.]), torch.tensor([True, False]), [torch.tensor([1, 9])], 0.)
    tensor([2., 0.])
    """
    check_tensor(self, "_unsafe_masked_index", "self", 1)
    picked: Any = self[_bounded(indices, self.shape)]
    filled: Tensor = T.where(mask, picked, fill)
    return filled


@public("torch", name="_unsafe_masked_index_put_accumulate")
def unsafe_masked_index_put_accumulate(
    self: Tensor, mask: Tensor, indices: Any, values: Tensor
) -> Tensor:
    """Return self with `values` added at indices, where mask is True.

    >>> import wengert as torch
    >>> x, keep, at = torch.zeros(2), torch.tensor([True, False]), [torch.tensor([1, 9])]
    >>> torch._unsafe_masked_index_put_accumulate(x, keep, at, torch.ones(2))
    tensor([0., 1.])
    """
    check_tensor(self, "_unsafe_masked_index_put_accumulate", "self", 1)
    kept = T.where(mask, values, 0)
    whole: Any = self
    result: Tensor = whole.index_put(_bounded(indices, self.shape), kept, accumulate=True)
    return result
