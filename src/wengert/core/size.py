"""`Size`: the shape of a tensor, a tuple of ints that prints as PyTorch's."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any, Self


class Size(tuple[int, ...]):
    """A shape: a tuple of ints whose slices and sums are shapes again.

    >>> import wengert as torch
    >>> torch.ones(2, 3).shape
    torch.Size([2, 3])
    >>> torch.ones(2, 3).shape.numel()
    6
    """

    __slots__ = ()
    __module__ = "wengert"

    def __new__(cls, sizes: Iterable[Any] = (), /) -> Self:
        items = tuple(sizes)
        for k, n in enumerate(items):
            if type(n) is not int:
                return tuple.__new__(cls, _ints(items, k))
        return tuple.__new__(cls, items)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    __str__ = __repr__

    def numel(self) -> int:
        """Return the number of elements of a tensor of this shape."""
        n = 1
        for k in self:
            n *= k
        return n

    def __getitem__(self, key: Any) -> Any:
        got = tuple.__getitem__(self, key)
        return raw(got) if type(key) is slice else got

    def __add__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            raise TypeError(
                f"can only concatenate tuple (not {type(other).__name__}) to torch.Size"
            )
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(other + tuple(self))

    def __mul__(self, n: Any) -> Size:
        return raw(tuple.__mul__(self, n))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple[Any, tuple[tuple[int, ...]]]:
        return Size, (tuple(self),)


def raw(shape: tuple[int, ...]) -> Size:
    """Return a tuple that is known to hold ints as a `Size`, without looking at its items."""
    return tuple.__new__(Size, shape)


def _ints(items: tuple[Any, ...], start: int) -> tuple[int, ...]:
    """Convert what has ``__index__`` (NumPy ints, integer tensors) and refuse the rest."""
    out = list(items)
    for k in range(start, len(items)):
        try:
            out[k] = index(items[k])
        except TypeError:
            raise TypeError(
                f"torch.Size() takes an iterable of 'int' (item {k} is '{type(items[k]).__name__}')"
            ) from None
    return tuple(out)


def size_of(caller: str, args: tuple[Any, ...], name: str = "size") -> tuple[int, ...]:
    """Return the shape that a function was given as ``f(2, 3)`` or ``f((2, 3))``.

    TypeError for what is no shape, RuntimeError for negative sizes.
    """
    for n in args:
        if type(n) is not int:
            args = _sizes(caller, args, name)
            break
    if args and min(args) < 0:
        raise RuntimeError(
            f"{caller}: Dimension size must be non-negative: Trying to create tensor with "
            f"negative dimension {min(args)}: {list(args)}"
        )
    return args


def _sizes(caller: str, args: tuple[Any, ...], name: str) -> tuple[int, ...]:
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = tuple(args[0])
        place = f"argument '{name}' failed to unpack the object at pos {{}} with error"
        text = '"type must be tuple of ints,but got {}"'
    else:
        place, text = f"argument '{name}' (position {{}})", "must be tuple of ints, not {}"
    out = []
    for k, n in enumerate(args):
        try:
            if isinstance(n, bool):
                raise TypeError
            out.append(index(n))
        except TypeError:
            if isinstance(n, (tuple, list)) and k:
                raise TypeError(
                    f"{caller}() takes 1 positional argument but {len(args)} were given"
                ) from None
            raise TypeError(
                f"{caller}(): {place.format(k + 1)} {text.format(type(n).__name__)}"
            ) from None
    return tuple(out)
