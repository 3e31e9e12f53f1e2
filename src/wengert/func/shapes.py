"""`rearrange`, which names dims in a pattern, and `debug_unwrap`, which looks inside a transform."""

from __future__ import annotations

import re
from typing import Any

from ..core.dual import Wrapper
from ..core.op import TENSORS as T
from ..core.tensor import Tensor
from ..core.tree import tree_map


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """Return what a tensor of a transform holds: all examples of a vmap, the value of a jvp.

    For looking only: results computed from it take no part in the transform. With `recurse` every
    level is taken off; a tree of tensors gives a tree.

    >>> import wengert as torch
    >>> from wengert.func import debug_unwrap, vmap
    >>> def f(x):
    ...     print(debug_unwrap(x).shape)
    ...     return x
    >>> y = vmap(f)(torch.ones(3, 2))
    torch.Size([3, 2])
    """

    def unwrap(t: Any) -> Any:
        while isinstance(t, Wrapper):
            t = t.value
            if not recurse:
                break
        return t

    return tree_map(unwrap, tensor)


_TOKEN = re.compile(r"\.\.\.|[()]|\w+|\S")


def _side(text: str, pattern: str) -> list[Any]:
    """Read one side of a pattern: names, "...", and lists of names for what stands in parentheses."""
    found: list[Any] = []
    group: list[str] | None = None
    for token in _TOKEN.findall(text):
        if token == "(":
            if group is not None:
                raise ValueError(f"rearrange(): parentheses inside parentheses in {pattern!r}")
            group = []
        elif token == ")":
            if group is None:
                raise ValueError(f"rearrange(): a ')' without its '(' in {pattern!r}")
            found.append(group)
            group = None
        elif token == "..." or token.isidentifier() or token == "1":
            (found if group is None else group).append(token)
        else:
            raise ValueError(f"rearrange(): {token!r} is no name of a dim in {pattern!r}")
    if group is not None:
        raise ValueError(f"rearrange(): a '(' without its ')' in {pattern!r}")
    return found


def _names(side: list, pattern: str) -> list[str]:
    flat = [n for item in side for n in (item if isinstance(item, list) else [item]) if n != "1"]
    for n in flat:
        if flat.count(n) > 1:
            raise ValueError(f"rearrange(): {n!r} stands twice on one side of {pattern!r}")
    return flat


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Tensor:
    """Return a tensor with its dims named, split, merged and put in another order, as einops does.

    The pattern is "left -> right": names of dims, "..." for any others, (a b) for a dim that is or
    becomes the product of two, 1 for a dim of size 1. `axes_lengths` gives sizes that the shape does
    not tell. A sequence of tensors is stacked first. ValueError for a pattern that does not fit.

    >>> import wengert as torch
    >>> from wengert.func import rearrange
    >>> rearrange(torch.ones(2, 3, 4), "a b c -> c (a b)").shape
    torch.Size([4, 6])
    >>> rearrange(torch.ones(6, 4), "(a b) ... -> a b ...", a=2).shape
    torch.Size([2, 3, 4])
    """
    if not isinstance(tensor, Tensor):
        tensor = T.stack(list(tensor), 0)
    if pattern.count("->") != 1:
        raise ValueError(f"rearrange(): a pattern is 'left -> right', not {pattern!r}")
    left, right = [_side(s, pattern) for s in pattern.split("->")]
    a, b = _names(left, pattern), _names(right, pattern)
    if set(a) != set(b):
        raise ValueError(
            f"rearrange(): {', '.join(sorted(set(a) ^ set(b)))} stands on one side only of {pattern!r}"
        )
    sizes = _sizes(tensor, left, pattern, axes_lengths)
    order = [a.index(n) for n in b]
    widths = {n: len(sizes[n]) if n == "..." else 1 for n in a}
    starts = {n: sum(widths[m] for m in a[:k]) for k, n in enumerate(a)}
    split = [n for name in a for n in (sizes[name] if name == "..." else [sizes[name]])]
    perm = [starts[a[k]] + j for k in order for j in range(widths[a[k]])]
    shape: list[int] = []
    for item in right:
        if item == "...":
            shape += sizes["..."]
        elif isinstance(item, list):
            n = 1
            for name in item:
                for s in sizes[name] if name == "..." else [1 if name == "1" else sizes[name]]:
                    n *= s
            shape.append(n)
        else:
            shape.append(1 if item == "1" else sizes[item])
    moved: Tensor = T.reshape(T.permute(T.reshape(tensor, tuple(split)), tuple(perm)), tuple(shape))
    return moved


def _sizes(tensor: Tensor, left: list, pattern: str, given: dict[str, int]) -> dict[str, Any]:
    """Return the size of every name on the left side; a list of sizes for "..."."""
    shape = list(tensor.shape)
    others = len(shape) - len([i for i in left if i != "..."])
    if others < 0 or (others and "..." not in left):
        raise ValueError(
            f"rearrange(): the left side of {pattern!r} has {len(left)} dims, the tensor has shape "
            f"{tuple(shape)}"
        )
    sizes: dict[str, Any] = {}
    at = 0
    for item in left:
        if item == "...":
            sizes["..."] = shape[at : at + others]
            at += others
            continue
        n = shape[at]
        at += 1
        names = item if isinstance(item, list) else [item]
        unknown = [m for m in names if m != "1" and m not in given]
        known = 1
        for m in names:
            known *= given.get(m, 1)
        if len(unknown) > 1:
            raise ValueError(f"rearrange(): give the sizes of all but one of {', '.join(unknown)}")
        if (n % known if unknown and known else n != known):
            raise ValueError(
                f"rearrange(): a dim of size {n} is not {' x '.join(names) or '1'} with {given}"
            )
        for m in names:
            if m != "1":
                sizes[m] = given[m] if m in given else n // known
    return sizes


__all__ = ["debug_unwrap", "rearrange"]
