"""Rearranging elements into new memory: repeat, flip, roll, triangles and diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import along, composed, refuse_dynamic, unchanged, with_rank
from ..core.define import primitive
from ..core.dual import by_example, innermost
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels.dims import as_int, as_ints, shown, wrap_dim, wrap_dims
from ..kernels.layouts import packed
from .views import clone_op, expand_op, reshape_any, spec_in, unsqueeze_op, view_op


# ------------------------------------------------------------------- rows
def _repeat_rule(xp: Any, g: Any, x_spec: Any, reps: tuple[Any, ...]) -> Any:
    """Fold every repeated dim into (repeats, size) and sum over the repeats."""
    shape = (1,) * (len(reps) - x_spec.ndim) + tuple(x_spec.shape)
    pairs = tuple([k for pair in zip(reps, shape, strict=True) for k in pair])
    folded = xp.sum(xp.reshape(g, pairs), tuple(range(0, len(pairs), 2)), False)
    return xp.reshape(folded, x_spec.shape)


def _repeat_batch(op: Any, xs: list, on: list, params: tuple[Any, ...]) -> Any:
    (reps,) = params
    return repeat_op(with_rank(xs[0], True, len(reps)), (1, *reps))


repeat_op = primitive("linear", "repeat(x, *, reps)", lambda x, reps: packed(np.tile(x, reps)), x=_repeat_rule,
                      batch=_repeat_batch)  # fmt: skip

flip_op = primitive("linear", "flip(x, *, dims)", lambda x, dims: np.flip(x, dims).copy("C"),
                    x=lambda xp, g, dims: xp.flip(g, dims), batch=along("dims"))  # fmt: skip


def _roll_kernel(x: np.ndarray, shifts: tuple[Any, ...], dims: tuple[Any, ...] | None) -> np.ndarray:
    if dims is None:
        return _roll_kernel(x.reshape(-1), shifts, (0,)).reshape(x.shape)
    for shift, d in zip(shifts, dims, strict=True):
        n = x.shape[d]
        if n:
            cut = (slice(None),) * d, n - shift % n
            x = np.concatenate((x[(*cut[0], slice(cut[1], None))], x[(*cut[0], slice(cut[1]))]), d)
    return x if x.flags.c_contiguous and x.base is None else x.copy("C")


_roll_along = along("dims")


def _roll_batch(op: Any, xs: list, on: list, params: tuple[Any, ...]) -> Any:
    shifts, dims = params
    if dims is not None:
        return _roll_along(op, xs, on, params)
    x = xs[0]
    flat = reshape_any(x, (x.shape[0], x.numel() // max(x.shape[0], 1)))
    return reshape_any(roll_op(flat, shifts, (1,)), tuple(x.shape))


roll_op = primitive("linear", "roll(x, *, shifts, dims)", _roll_kernel, batch=_roll_batch,
                    x=lambda xp, g, shifts, dims: xp.roll(g, tuple([-s for s in shifts]), dims))  # fmt: skip

rot90_op = primitive("linear", "rot90(x, *, k, dims)", lambda x, k, dims: np.rot90(x, k, dims).copy("C"),
                     x=lambda xp, g, k, dims: xp.rot90(g, -k, dims), batch=along("dims"))  # fmt: skip

tril_op = primitive("linear", "tril(x, *, diagonal)", lambda x, diagonal: packed(np.tril(x, diagonal)),
                    x=lambda xp, g, diagonal: xp.tril(g, diagonal), batch=unchanged)  # fmt: skip

triu_op = primitive("linear", "triu(x, *, diagonal)", lambda x, diagonal: packed(np.triu(x, diagonal)),
                    x=lambda xp, g, diagonal: xp.triu(g, diagonal), batch=unchanged)  # fmt: skip


def _embed_kernel(x: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
    n = x.shape[-1]
    size = n + abs(offset)
    shape = list(x.shape[:-1])
    for d in sorted((dim1, dim2)):
        shape.insert(d, size)
    out = np.zeros(shape, x.dtype)
    rows = np.arange(n) + max(-offset, 0)
    key: list[Any] = [slice(None)] * out.ndim
    key[dim1], key[dim2] = rows, rows + offset
    # the two index arrays bring the diagonal to the front unless their dims are adjacent
    values = np.moveaxis(x, -1, min(dim1, dim2) if abs(dim1 - dim2) == 1 else 0)
    out[tuple(key)] = values
    return out


diag_embed_op = primitive("linear", "diag_embed(x, *, offset, dim1, dim2)", _embed_kernel,
                          batch=along("dim1", "dim2"),
                          x=lambda xp, g, offset, dim1, dim2: xp.diagonal(g, offset, dim1, dim2))  # fmt: skip

diagonal_copy = primitive("linear", "diagonal_copy(x, *, offset)", lambda x, offset: np.diagonal(x, offset).copy(),
                          node="DiagonalBackward0_copy",
                          batch=composed(lambda xp, x, offset: xp.clone(xp.diagonal(x, offset, 0, 1), "C")),
                          x=lambda xp, g, x_spec, offset:
                              xp.diagonal_backward(g, x_spec.shape, offset, 0, 1))  # fmt: skip

def _trace_kernel(x: np.ndarray) -> Any:
    return np.trace(x, dtype=np.int64 if x.dtype.kind in "iu" else None)


trace_op = primitive("linear", "trace(x)", _trace_kernel,
                     batch=composed(lambda xp, x: xp.sum(xp.diagonal(x, 0, 0, 1), None, False)),
                     x=lambda xp, g, x_spec: xp.diagonal_backward(
                         xp.expand(g, (min(x_spec.shape),)), x_spec.shape, 0, 0, 1))  # fmt: skip


# ------------------------------------------------------------------- repeating
@public("Tensor")
def repeat(self: Tensor, *sizes: Any, repeats: Any = None) -> Tensor:
    """Return the tensor repeated along every dim; further counts make new dims in front.

    >>> import wengert as torch
    >>> torch.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    if repeats is not None:
        sizes = (repeats,)
    if not sizes:
        raise TypeError("repeat() missing 1 required positional arguments: \"repeats\"")
    return _repeated(self, as_ints(sizes, "repeat", "repeats"))


def _repeated(x: Tensor, reps: tuple[Any, ...]) -> Tensor:
    s = x._spec
    if len(reps) < s.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            f"tensor ({len(reps)} for a tensor of shape {shown(s.shape)})"
        )
    if any(r < 0 for r in reps):
        shape = [r * n for r, n in zip(reps, (1,) * (len(reps) - s.ndim) + s.shape, strict=True)]
        bad = next(n for n, r in zip(shape, reps, strict=True) if r < 0)
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {bad}: {shown(shape)}"
        )
    return repeat_op(x, reps)


@public("torch", "Tensor")
def tile(input: Tensor, *sizes: Any, dims: Any = None) -> Tensor:
    """Return the tensor repeated along its last dims; missing counts are 1.

    >>> import wengert as torch
    >>> torch.tensor([[1, 2]]).tile(2)
    tensor([[1, 2, 1, 2]])
    """
    reps = as_ints(sizes if dims is None else (dims,), "tile", "dims")
    return _repeated(input, (1,) * (spec_in(input, "tile").ndim - len(reps)) + reps)


@public("torch", "Tensor")
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Repeat every item along a dim (of the flattened tensor by default), a number of times each.

    >>> import wengert as torch
    >>> torch.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    >>> torch.tensor([1, 2]).repeat_interleave(torch.tensor([3, 1]))
    tensor([1, 1, 1, 2])
    """
    s = spec_in(input, "repeat_interleave")
    if repeats is None:
        return _spelled_out(input)
    if dim is None:
        input, dim = reshape_any(input, (s.numel,)), 0
        s = input._spec
    d = wrap_dim(dim, s.ndim)
    if isinstance(repeats, Tensor):
        if repeats._spec.numel != 1 or repeats._spec.ndim != 0:
            return _repeat_each(input, repeats, d)
        refuse_dynamic("aten::repeat_interleave", repeats)
        repeats = repeats._array.item()
    elif isinstance(repeats, (list, tuple)):
        raise TypeError(
            "repeat_interleave(): argument 'repeats' must be Tensor or int, not "
            f"{type(repeats).__name__}"
        )
    n = as_int(repeats, "repeat_interleave", "repeats")
    if n < 0:
        raise RuntimeError("Repeats must be non-negative")
    if s.ndim == 0:
        input = view_op(input, (1,))
        s = input._spec
    shape = tuple(s.shape)
    wide = expand_op(unsqueeze_op(input, d + 1), (*shape[: d + 1], n, *shape[d + 1 :]))
    return view_op(clone_op(wide, "C"), (*shape[:d], shape[d] * n, *shape[d + 1 :]))


def _counts(repeats: Tensor) -> np.ndarray:
    s = repeats._spec
    if s.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if s.dtype.name not in ("int64", "int32"):
        raise NotImplementedError(
            f"\"repeat_interleave_cpu\" not implemented for '{s.dtype.scalar_name}'"
        )
    a = innermost(repeats)
    if a.size and a.min() < 0:
        raise RuntimeError("repeats can not be negative")
    return a


def _spelled_out(repeats: Tensor) -> Tensor:
    _counts(repeats)
    return by_example(repeats, lambda a: np.repeat(np.arange(a.size), a))


def _repeat_each(x: Tensor, repeats: Tensor, d: int) -> Tensor:
    n = x._spec.shape[d] if x._spec.ndim else 1
    _counts(repeats)
    size = repeats._spec.numel
    if size not in (1, n):
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{size} and input.size({d}) = {n}"
        )
    return TENSORS.index_select(x, by_example(repeats, lambda a: np.repeat(np.arange(n), a)), d)


# ------------------------------------------------------------------- turning round
@public("torch", name="flip")
def _flip(input: Tensor, dims: Any) -> Tensor:
    """Reverse the order along the given dims, into new memory.

    >>> import wengert as torch
    >>> torch.flip(torch.tensor([1, 2, 3]), (0,))
    tensor([3, 2, 1])
    """
    if not isinstance(dims, (tuple, list)):
        raise TypeError(
            f"flip(): argument 'dims' (position 2) must be tuple of ints, not {type(dims).__name__}"
        )
    return flip_op(input, wrap_dims(tuple(dims), spec_in(input, "flip").ndim) if input.ndim else ())


@public("Tensor")
def flip(self: Tensor, *given: Any, dims: Any = None) -> Tensor:
    """Reverse the order along the given dims, into new memory."""
    if dims is not None:
        given = (dims,)
    if not given:
        raise TypeError("flip() missing 1 required positional arguments: \"dims\"")
    return _flip(self, as_ints(given, "flip", "dims"))


def _reversed(self: Tensor) -> Tensor:
    """The tensor with the order along its first dim reversed."""
    return flip_op(self, (0,)) if self._spec.ndim else self


public("Tensor", name="__reversed__")(_reversed)


@public("torch", "Tensor")
def fliplr(input: Tensor) -> Tensor:
    """Reverse the order along dim 1."""
    if spec_in(input, "fliplr").ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip_op(input, (1,))


@public("torch", "Tensor")
def flipud(input: Tensor) -> Tensor:
    """Reverse the order along dim 0."""
    if spec_in(input, "flipud").ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip_op(input, (0,))


@public("torch", "Tensor")
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Shift items along dims; those that fall off one end come back at the other.

    Without dims the tensor is rolled as if it were flat.

    >>> import wengert as torch
    >>> torch.roll(torch.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    ndim = spec_in(input, "roll").ndim
    shifts = as_ints((shifts,), "roll", "shifts")
    where = () if dims is None else as_ints((dims,), "roll", "dims")
    if len(where) != len(shifts) and not (not where and len(shifts) == 1):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(where)}"
        )
    return roll_op(input, shifts, tuple([wrap_dim(d, ndim) for d in where]) or None)


@public("torch", "Tensor")
def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turn by k right angles in the plane of two dims, from the first towards the second.

    >>> import wengert as torch
    >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    ndim = spec_in(input, "rot90").ndim
    dims = as_ints((dims,), "rot90", "dims")
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    d0, d1 = wrap_dim(dims[0], ndim), wrap_dim(dims[1], ndim)
    if d0 == d1:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    return rot90_op(input, k, (d0, d1))


# ------------------------------------------------------------------- triangles and diagonals
def _matrix(x: Any, caller: str) -> None:
    if spec_in(x, caller).ndim < 2:
        raise RuntimeError(f"{caller}: input tensor must have at least 2 dimensions")


@public("torch", "Tensor", inplace=True, out=True)
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Keep the lower triangle of matrices, up to the given diagonal; zeros elsewhere.

    >>> import wengert as torch
    >>> torch.tril(torch.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    _matrix(input, "tril")
    return tril_op(input, diagonal)


@public("torch", "Tensor", inplace=True, out=True)
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Keep the upper triangle of matrices, from the given diagonal on; zeros elsewhere.

    >>> import wengert as torch
    >>> torch.triu(torch.ones(2, 2), 1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    _matrix(input, "triu")
    return triu_op(input, diagonal)


@public("torch", "Tensor", out=True)
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrix with a vector on its diagonal, or a copy of the diagonal of a matrix.

    >>> import wengert as torch
    >>> torch.diag(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    ndim = spec_in(input, "diag").ndim
    if ndim == 1:
        return diag_embed_op(input, diagonal, 0, 1)
    if ndim == 2:
        return diagonal_copy(input, diagonal)
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")


@public("torch", "Tensor")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Put the last dim on the diagonals of matrices in two new dims, zeros elsewhere.

    >>> import wengert as torch
    >>> torch.diag_embed(torch.ones(3, 2)).shape
    torch.Size([3, 2, 2])
    """
    s = spec_in(input, "diag_embed")
    d1, d2 = wrap_dim(dim1, s.ndim + 1), wrap_dim(dim2, s.ndim + 1)
    if d1 == d2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return diag_embed_op(input, offset, d1, d2)


@public("torch", "Tensor")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """Return the matrix with all elements, flattened, on its diagonal."""
    return diag_embed_op(reshape_any(input, (spec_in(input, "diagflat").numel,)), offset, 0, 1)


@public("torch", "Tensor")
def trace(input: Tensor) -> Tensor:
    """Return the sum of the diagonal of a matrix.

    >>> import wengert as torch
    >>> torch.trace(torch.tensor([[1., 2.], [3., 4.]]))
    tensor(5.)
    """
    s = spec_in(input, "trace")
    if s.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {s.ndim}")
    if s.dtype.category == 0:
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")
    return trace_op(input)
