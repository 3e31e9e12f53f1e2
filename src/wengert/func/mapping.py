"""vmap: a function of one example becomes a function of a batch, run once for all of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from ..core.batch import Batched, Level, batched_over, close_batch, open_batch, whole
from ..core.op import TENSORS as T
from ..core.tensor import Tensor
from ..core.tree import broadcast_prefix, flatten, unflatten
from .level import call_name, running


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """Return the function that maps `func` over a dim of its arguments, all examples at once.

    in_dims     which dim of each argument holds the examples: an int for all, or a tree that fits
                the arguments (or their branches), None where an argument is the same for all;
                keyword arguments are the same for all
    out_dims    where that dim shall be in the outputs; a tree likewise, None for an output that is
                no tensor of the batch and comes back as it is
    randomness  what random calls inside do: "error" refuses them, "same" draws once for all
                examples, "different" draws for each
    chunk_size  how many examples to run at a time; all by default

    Inside, tensors show the shape of one example; values can't be asked for (item, if). Maps nest,
    and mix with grad, jvp and backward in any order. ValueError if nothing is mapped or sizes differ.

    >>> import wengert as torch
    >>> from wengert.func import grad, vmap
    >>> vmap(torch.dot)(torch.ones(3, 2), torch.arange(6.).reshape(3, 2))
    tensor([1., 5., 9.])
    >>> vmap(grad(lambda w, x: (w * x).sin()), in_dims=(None, 0))(torch.tensor(0.), torch.tensor([1., 2.]))
    tensor([1., 2.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(
            f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})"
        )

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, structure, size = _inputs(args, in_dims, func)
        if size is None:
            raise ValueError("vmap: Expected at least one Tensor to vmap over")
        given = (leaves, dims, structure, kwargs)
        if chunk_size is None or chunk_size >= size:
            return _run(func, given, size, out_dims, randomness)
        return _run_in_chunks(func, given, size, out_dims, randomness, chunk_size)

    return mapped


def chunk_sizes(total: int, chunk: int | None) -> Iterator[int]:
    """Split a number of examples into runs of at most `chunk`."""
    if chunk is None or chunk >= total:
        yield total
        return
    for begin in range(0, total, chunk):
        yield min(chunk, total - begin)


def _inputs(args: tuple, in_dims: Any, func: Callable) -> tuple[list, list, Any, int | None]:
    """Return the leaves of the arguments, the dim of each (from the front), the structure, the size."""
    name = call_name(func)
    if not isinstance(in_dims, int | tuple | list | dict):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a "
            f"(potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are "
            "trying to vmap over a function with no inputs. The latter is unsupported."
        )
    leaves, structure = flatten(args)
    prefix = tuple(in_dims) if isinstance(in_dims, list) else in_dims
    dims = broadcast_prefix(prefix, structure)
    if dims is None:
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the "
            f"structure of `inputs`. in_dims has structure {flatten(in_dims)[1]!r} but inputs has "
            f"structure {structure!r}."
        )
    where = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): "
    found: list[int | None] = []
    sizes: list[int] = []
    for t, d in zip(leaves, dims, strict=True):
        if d is None:
            found.append(None)
            continue
        if not isinstance(d, int) or isinstance(d, bool):
            raise ValueError(
                f"{where}Got in_dim={d} for an input but in_dim must be either an integer "
                "dimension or None."
            )
        if not isinstance(t, Tensor):
            raise ValueError(
                f"{where}Got in_dim={d} for an input but the input is of type {type(t)}. We cannot "
                "vmap over non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -t.ndim <= d < t.ndim:
            raise ValueError(
                f"{where}Got in_dim={d} for some input, but that input is a Tensor of "
                f"dimensionality {t.ndim} so expected in_dim to satisfy -{t.ndim} <= in_dim < "
                f"{t.ndim}."
            )
        d %= t.ndim
        found.append(d)
        sizes.append(t.shape[d])
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return leaves, found, structure, sizes[0] if sizes else None


def _run(func: Callable, given: tuple, size: int, out_dims: Any, randomness: str) -> Any:
    leaves, dims, structure, kwargs = given
    level = open_batch(size, randomness)
    try:
        inner = [
            t if d is None else batched_over(level, t, d) for t, d in zip(leaves, dims, strict=True)
        ]
        with running(None):
            result = func(*unflatten(inner, structure), **kwargs)
        outs, out_structure = flatten(result)
        places = _out_dims(out_dims, out_structure, func)
        return unflatten(
            [_finished(level, t, d, func) for t, d in zip(outs, places, strict=True)], out_structure
        )
    finally:
        close_batch(level)


def _out_dims(out_dims: Any, structure: Any, func: Callable) -> list:
    name = call_name(func)
    if not (out_dims is None or isinstance(out_dims, int | tuple | list | dict)):
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python "
            "collection of ints representing where in the outputs the vmapped dimension should "
            "appear."
        )
    prefix = out_dims
    if isinstance(out_dims, tuple) and len(out_dims) == 1 and structure.is_leaf():
        prefix = out_dims[0]
    places = broadcast_prefix(prefix, structure)
    if places is None and isinstance(prefix, tuple | list) and structure.kind in (tuple, list):
        places = broadcast_prefix(structure.kind(prefix), structure)
    if places is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with "
            f"the structure of `outputs`. out_dims has structure {flatten(out_dims)[1]!r} but "
            f"outputs has structure {structure!r}."
        )
    return places


def _finished(level: Level, t: Any, d: Any, func: Callable) -> Any:
    """Return one output outside: with its batch at dim d, or as it is where d is None."""
    name = call_name(func)
    mapped = isinstance(t, Batched) and t.level == level.number
    if d is None:
        if mapped:
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return t
    if not isinstance(t, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(t)}. Did you "
            "mean to set out_dims= to None for output?"
        )
    if not -t.ndim - 1 <= d <= t.ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-t.ndim - 1}, {t.ndim}], but "
            f"got {d})"
        )
    return whole(level, t, d % (t.ndim + 1))


def _run_in_chunks(
    func: Callable, given: tuple, size: int, out_dims: Any, randomness: str, chunk: int
) -> Any:
    leaves, dims, structure, kwargs = given
    pieces: list[list] = []
    out_structure: Any = None
    at = 0
    for n in chunk_sizes(size, chunk):
        piece = slice(at, at + n, 1)
        part = [
            t if d is None else T.slice(t, d, piece) for t, d in zip(leaves, dims, strict=True)
        ]
        given = (part, dims, structure, kwargs)
        outs, out_structure = flatten(_run(func, given, n, out_dims, randomness))
        pieces.append(outs)
        at += n
    places = _out_dims(out_dims, out_structure, func)
    joined = [
        parts[0] if d is None else T.cat(list(parts), d % parts[0].ndim)
        for d, parts in zip(places, zip(*pieces, strict=True), strict=True)
    ]
    return unflatten(joined, out_structure)


__all__ = ["chunk_sizes", "vmap"]
