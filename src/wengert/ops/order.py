"""The order of dims: t, transpose, permute, movedim, and the properties T, mT, H, mH."""

from __future__ import annotations

import warnings
from typing import Any

from ..core.op import TENSORS
from ..core.record import view1
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels.dims import as_ints, shown, wrap_dim
from .views import alias, permute_op, spec_in, t_op, transpose_op

_PERMUTE = permute_op.op


@public("torch", "Tensor")
def t(input: Tensor) -> Tensor:
    """Transpose a matrix; a vector or scalar comes back as a view of itself.

    >>> import wengert as torch
    >>> torch.ones(2, 3).t().shape
    torch.Size([3, 2])
    """
    ndim = spec_in(input, "t").ndim
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return t_op(input)


@public("torch", "Tensor")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dims.

    >>> import wengert as torch
    >>> torch.ones(2, 3, 4).transpose(0, -1).shape
    torch.Size([4, 3, 2])
    """
    ndim = spec_in(input, "transpose").ndim
    d0, d1 = wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)
    return transpose_op(input, d0, d1) if ndim else alias(input)


@public("torch", "Tensor")
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Swap two dims (NumPy's name for `transpose`)."""
    return transpose(input, axis0, axis1)


@public("torch", "Tensor")
def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dims (another name for `transpose`)."""
    return transpose(input, dim0, dim1)


@public("torch", "Tensor")
def permute(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """Reorder all dims.

    >>> import wengert as torch
    >>> torch.ones(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    ndim = spec_in(input, "permute").ndim
    order = as_ints(args if dims is None else (dims,), "permute", "dims")
    if len(order) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal "
            f"to len(dims) = {len(order)}"
        )
    order = tuple([wrap_dim(d, ndim) for d in order])
    if len(set(order)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return permute_op(input, order)


@public("torch", "Tensor")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Move dims to other places; the others keep their order.

    >>> import wengert as torch
    >>> torch.ones(2, 3, 4).movedim(0, -1).shape
    torch.Size([3, 4, 2])
    """
    ndim = spec_in(input, "movedim").ndim
    src = source if isinstance(source, (tuple, list)) else (source,)
    dst = destination if isinstance(destination, (tuple, list)) else (destination,)
    if len(src) != len(dst):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({shown(src)} dims) should "
            f"contain the same number of dims as destination ({shown(dst)} dims)"
        )
    src, dst = [wrap_dim(d, ndim) for d in src], [wrap_dim(d, ndim) for d in dst]
    for what, where in (("source", src), ("destination", dst)):
        if len(set(where)) != len(where):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({shown(where)})")
    if not ndim:
        return permute_op(input, ())
    if not ndim:
        return permute_op(input, ())
    order: list[Any] = [None] * ndim
    for a, b in zip(src, dst, strict=True):
        order[b] = a
    rest = iter([d for d in range(ndim) if d not in src])
    return permute_op(input, tuple([next(rest) if d is None else d for d in order]))


@public("torch", "Tensor")
def moveaxis(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Move dims to other places (NumPy's name for `movedim`)."""
    return movedim(input, source, destination)


_BACKWARDS = [tuple(range(n - 1, -1, -1)) for n in range(65)]


def _reversed(x: Tensor) -> Tensor:
    """All dims in reverse order."""
    ndim = x._spec.ndim
    if ndim != 2 and ndim:
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is "
            "deprecated and it will throw an error in a future release. Consider `x.mT` to "
            "transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to "
            "reverse the dimensions of a tensor.",
            UserWarning,
            stacklevel=2,
        )
    return view1(_PERMUTE, x, (_BACKWARDS[ndim],))


def _matrix_transposed(x: Tensor) -> Tensor:
    """The last two dims swapped."""
    ndim = x._spec.ndim
    if ndim < 2:
        if ndim == 0:
            return alias(x)
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return transpose_op(x, ndim - 2, ndim - 1)


def _adjoint(x: Tensor) -> Tensor:
    """The last two dims swapped, conjugated."""
    if x._spec.ndim == 1:
        raise RuntimeError(
            "tensor.mH is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    y = _matrix_transposed(x)
    return TENSORS.conj(y) if x._spec.dtype.is_complex else y


def _hermitian(x: Tensor) -> Tensor:
    """A matrix transposed and conjugated."""
    ndim = x._spec.ndim
    if ndim not in (0, 2):
        more = " For batches of matrices, consider using tensor.mH" if ndim > 2 else ""
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {ndim}-D tensor.{more}"
        )
    return _adjoint(x)


@public("torch", "Tensor")
def adjoint(input: Tensor) -> Tensor:
    """Swap the last two dims and conjugate."""
    if spec_in(input, "adjoint").ndim == 1:
        raise RuntimeError(
            "adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return _adjoint(input)


public("Tensor", name="T")(property(_reversed))
public("Tensor", name="mT")(property(_matrix_transposed))
public("Tensor", name="mH")(property(_adjoint))
public("Tensor", name="H")(property(_hermitian))
