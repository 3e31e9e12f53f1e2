"""Dims, sizes and shapes as arguments: checked, counted from the end, inferred. PyTorch's texts."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any


def wrap_dim(dim: Any, ndim: int) -> int:
    """Return a dim counted from the front; a 0-d shape accepts 0 and -1.

    IndexError out of range, TypeError if it is no integer.
    """
    if dim.__class__ is not int:
        dim = as_int(dim)
    n = ndim or 1
    if 0 <= dim < n:
        return dim
    if -n <= dim < 0:
        return dim + n
    raise IndexError(
        f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
    )


def wrap_dims(dims: Any, ndim: int) -> tuple[int, ...]:
    """Return several different dims counted from the front; a single int is allowed."""
    if not isinstance(dims, (tuple, list)):
        return (wrap_dim(dims, ndim),)
    wrapped = tuple([wrap_dim(d, ndim) for d in dims])
    if len(set(wrapped)) != len(wrapped):
        twice = next(d for k, d in enumerate(wrapped) if d in wrapped[:k])
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return wrapped


def as_int(x: Any, caller: str = "", name: str = "dim", what: str = "int") -> int:
    """Return an integer argument (Python's, NumPy's or a 0-d integer tensor) as an int."""
    try:
        return index(x)
    except TypeError:
        where = f"{caller}(): argument '{name}'" if caller else f"argument '{name}'"
        raise TypeError(f"{where} must be {what}, not {type(x).__name__}") from None


def as_ints(args: Sequence[Any], caller: str, name: str) -> tuple[int, ...]:
    """Return the sizes of a call that takes `f(2, 3)` as well as `f((2, 3))`."""
    if len(args) == 1 and args[0].__class__ is not int:
        only = args[0]
        if isinstance(only, (tuple, list)):
            args = only
    for a in args:
        if a.__class__ is not int:
            return tuple([as_int(a, caller, name, "tuple of ints") for a in args])
    return tuple(args)


def shown(shape: Sequence[int]) -> str:
    """A shape as PyTorch's errors print it: [2, 3]."""
    return "[" + ", ".join(map(str, shape)) + "]"


def count(shape: Sequence[int]) -> int:
    """Return the number of elements of a shape."""
    n = 1
    for d in shape:
        n *= d
    return n


def infer_size(shape: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """Return the shape with its one -1 filled in; RuntimeError unless it holds `numel` elements."""
    known, hole = 1, None
    for k, d in enumerate(shape):
        if d >= 0:
            known *= d
        elif d == -1:
            if hole is not None:
                raise RuntimeError("only one dimension can be inferred")
            hole = k
        else:
            raise RuntimeError(
                f"invalid shape dimension {d} at index {k} of shape {shown(shape)}"
            )
    if hole is None:
        if known == numel:
            return shape
    elif known == 0:
        if numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {shown(shape)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous"
            )
    elif numel % known == 0:
        return (*shape[:hole], numel // known, *shape[hole + 1 :])
    raise RuntimeError(f"shape '{shown(shape)}' is invalid for input of size {numel}")


def expanded(shape: tuple[int, ...], target: tuple[int, ...], kind: str = "") -> tuple[int, ...]:
    """Return the shape that `expand` gives: -1 keeps a size, size 1 grows, new dims come first."""
    lead = len(target) - len(shape)
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.{kind}Tensor{{{shown(shape)}}}, size={shown(target)}): the number of "
            f"sizes provided ({len(target)}) must be greater or equal to the number of dimensions "
            f"in the tensor ({len(shape)})"
        )
    out = list(target)
    for k, n in enumerate(target):
        if k < lead:
            if n < 0:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, "
                    f"non-existing dimension {k}"
                )
        elif n == -1:
            out[k] = shape[k - lead]
        elif n != shape[k - lead] and (shape[k - lead] != 1 or n < 0):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size "
                f"({shape[k - lead]}) at non-singleton dimension {k}.  Target sizes: "
                f"{shown(target)}.  Tensor sizes: {shown(shape)}"
            )
    return tuple(out)


def broadcast_shapes(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that two shapes broadcast to; RuntimeError in PyTorch's words if none."""
    if a == b:
        return tuple(a)
    if len(a) < len(b):
        long, short, swapped = b, a, True
    else:
        long, short, swapped = a, b, False
    lead = len(long) - len(short)
    out = list(long)
    for k, n in enumerate(short):
        m = long[k + lead]
        if m == n or n == 1:
            continue
        if m != 1:
            first, second = (n, m) if swapped else (m, n)
            raise RuntimeError(
                f"The size of tensor a ({first}) must match the size of tensor b ({second}) at "
                f"non-singleton dimension {k + lead}"
            )
        out[k + lead] = n
    return tuple(out)
