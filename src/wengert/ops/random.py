"""New tensors of random numbers of a given shape: rand, randn, randint, randperm and their _like.

One seed gives the numbers of PyTorch's CPU generator (kernels/random.py, docs/random.md). Draws
that tensors steer are in ops/random_from.py, the in-place forms in ops/random_fill.py, `Generator`
is in ops/generator.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import state
from ..core.registry import public
from ..core.size import size_of
from ..core.tensor import Tensor
from ..kernels import dtypes, layouts
from ..kernels.random import Generator, filled_like
from . import random_from
from .checking import check_tensor
from .draws import Draw, drawn, dtype_of, new_drawn, standard
from .generator import source
from .options import check_options, delivered, format_name, made
from .random_fill import check_normal, check_uniform, check_whole, whole

__all__ = [
    "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "random_from",
    "randperm",
]  # fmt: skip

ndarray = np.ndarray


def _size(caller: str, args: tuple[Any, ...], size: Any) -> tuple[int, ...]:
    if size is not None:
        args = (size, *args)
    elif not args:
        raise TypeError(f'{caller}() missing 1 required positional arguments: "size"')
    return size_of(caller, args)


@public("torch")
def rand(
    *args: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return numbers uniform on [0, 1), of the default dtype unless one is given.

    24 random bits in float32, 53 in float64. NotImplementedError for integer dtypes.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.rand(2, 3)
    tensor([[0.4963, 0.7682, 0.0885],
            [0.1320, 0.3074, 0.6341]])
    """
    check_options("rand", layout, device, pin_memory)
    d = dtype_of("rand", out, dtype)
    if d.category != dtypes.FLOAT:
        check_uniform(0.0, 1.0, d)
    g = source(generator, "rand")
    shape = _size("rand", args, size)
    return new_drawn("rand", shape, d, lambda s, t, _: g.rand(s, t), out, dtype, requires_grad)


@public("torch")
def randn(
    *args: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return normal numbers of mean 0 and variance 1, of the default dtype unless one is given.

    NotImplementedError for integer dtypes.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.randn(2, 2)
    tensor([[ 1.5410, -0.2934],
            [-2.1788,  0.5684]])
    """
    check_options("randn", layout, device, pin_memory)
    d = dtype_of("randn", out, dtype)
    if d.category != dtypes.FLOAT:
        check_normal(1.0, d)
    g = source(generator, "randn")
    shape = _size("randn", args, size)
    return new_drawn("randn", shape, d, standard(g), out, dtype, requires_grad)


def _range(caller: str, args: tuple[Any, ...], low: Any, high: Any) -> tuple[int, int, list[Any]]:
    """Return low, high and what is left of the positional arguments."""
    rest = list(args)
    numbers: list[Any] = []
    while rest and not isinstance(rest[0], (tuple, list)) and len(numbers) < 2:
        numbers.append(rest.pop(0))
    if high is not None:
        numbers.append(high)
    if low is not None:
        numbers.insert(0, low)
    if not 1 <= len(numbers) <= 2:
        raise TypeError(
            f"{caller}() received an invalid combination of arguments: it takes a range as (high) "
            f"or (low, high), here there are {len(numbers)} bounds"
        )
    start, stop = (0, *numbers) if len(numbers) == 1 else numbers
    return whole(start, caller, "low"), whole(stop, caller, "high"), rest


@public("torch")
def randint(
    *args: Any,
    low: Any = None,
    high: Any = None,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """randint(low=0, high, size): return whole numbers in [low, high), int64 unless said otherwise.

    RuntimeError for an empty range and for one that the dtype does not hold.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.randint(3, 10, (4,))
    tensor([7, 6, 3, 5])
    """
    check_options("randint", layout, device, pin_memory)
    start, stop, rest = _range("randint", args, low, high)
    if size is None and len(rest) == 1 and isinstance(rest[0], (tuple, list)):
        size = rest[0]
    if not isinstance(size, (tuple, list)):
        got = type(size).__name__ if size is not None else "nothing"
        raise TypeError(f"randint(): argument 'size' must be tuple of ints, not {got}")
    if dtype is None and out is None:
        dtype = dtypes.int64
    d = dtype_of("randint", out, dtype)
    start, stop = check_whole(start, stop, d)
    g = source(generator, "randint")

    def draw(shape: Any, target: Any, _: bool) -> ndarray:
        return g.randint(shape, start, stop, target)

    shape = size_of("randint", (size,))
    return new_drawn("randint", shape, d, draw, out, dtype if out is None else None, requires_grad)


@public("torch")
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return a random permutation of 0 ... n - 1, int64 unless another dtype is given.

    RuntimeError for a negative n and for a dtype that does not hold n - 1.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.randperm(4)
    tensor([0, 1, 3, 2])
    """
    check_options("randperm", layout, device, pin_memory)
    n = whole(n, "randperm", "n")
    if n < 0:
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {n}: randperm takes n >= 0"
        )
    if out is not None:
        d = out._spec.dtype
    else:
        d = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype, "randperm")
    _check_permutation(n, d)
    g = source(generator, "randperm")
    if out is None and state.current_batch() is not None:
        return drawn((n,), lambda whole: _permutations(g, whole, d.np))
    order = g.randperm(n, d.np)
    return delivered(order, out, dtype, requires_grad, "randperm")


def _permutations(g: Generator, size: tuple[int, ...], d: np.dtype) -> ndarray:
    """Return one permutation for each example (of a vmap with different randomness)."""
    count = math.prod(size[:-1])
    rows = [g.randperm(size[-1], d) for _ in range(count)]
    return np.stack(rows).reshape(size) if rows else np.empty(size, d)


def _check_permutation(n: int, d: dtypes.dtype) -> None:
    if d.category in (dtypes.BOOL, dtypes.COMPLEX):
        raise NotImplementedError(f"\"randperm\" not implemented for '{d.scalar_name}'")
    if d.category == dtypes.INT:
        if n - 1 > dtypes.iinfo(d).max:
            raise RuntimeError(
                f"value cannot be converted to type {d.name}_t without overflow: {d} does not hold "
                f"the {n} numbers of the permutation"
            )
        return
    held = {2: 2049, 4: (1 << 24) + 1, 8: (1 << 53) + 1}[d.itemsize]
    if d is dtypes.bfloat16:
        held = 257
    if n > held:
        raise RuntimeError(f"n cannot be greater than {held} for {d.scalar_name} type.")


def _like(
    caller: str, input: Any, draw: Callable[[dtypes.dtype], Draw], dtype: Any, layout: Any,
    device: Any, pin_memory: Any, requires_grad: Any, memory_format: Any,
) -> Tensor:  # fmt: skip
    """Return a tensor drawn for input's shape, in the order of memory that it will have."""
    check_tensor(input, caller)
    check_options(caller, layout, device, pin_memory)
    d = input._spec.dtype if dtype is None else dtypes.as_dtype(dtype, caller)
    filled = draw(d)
    form = format_name(memory_format, caller, "preserve_format")
    if state.current_batch() is not None:
        t = drawn(tuple(input.shape), lambda whole: filled(whole, d.np, True))
        return t.requires_grad_() if requires_grad else t
    plan = layouts.empty_like(input._array, d.np, form)
    contiguous = plan.flags.c_contiguous
    array = filled_like(plan, d.np, lambda size: filled(size, d.np, contiguous))
    return made(array, requires_grad, caller)


@public("torch")
def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return numbers uniform on [0, 1) in the shape and dtype of input.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.rand_like(torch.zeros(2))
    tensor([0.4963, 0.7682])
    """
    g = source(generator, "rand_like")

    def draw(d: dtypes.dtype) -> Draw:
        check_uniform(0.0, 1.0, d)
        return lambda size, target, _: g.rand(size, target)

    return _like("rand_like", input, draw, dtype, layout, device, pin_memory, requires_grad,
                 memory_format)  # fmt: skip


@public("torch")
def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return normal numbers of mean 0 and variance 1 in the shape and dtype of input.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.randn_like(torch.zeros(2))
    tensor([ 1.5410, -0.2934])
    """
    g = source(generator, "randn_like")

    def draw(d: dtypes.dtype) -> Draw:
        check_normal(1.0, d)
        return standard(g)

    return _like("randn_like", input, draw, dtype, layout, device, pin_memory, requires_grad,
                 memory_format)  # fmt: skip


@public("torch")
def randint_like(
    input: Tensor,
    *args: Any,
    low: Any = None,
    high: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """randint_like(input, low=0, high): return whole numbers in [low, high) in input's shape.

    The dtype is input's unless another is given.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.randint_like(torch.zeros(3), 10)
    tensor([4., 9., 3.])
    """
    g = source(generator, "randint_like")
    start, stop, rest = _range("randint_like", args, low, high)
    if rest:
        raise TypeError(
            f"randint_like(): argument 'high' must be int, not {type(rest[0]).__name__}"
        )

    def draw(d: dtypes.dtype) -> Draw:
        low, high = check_whole(start, stop, d)
        return lambda size, target, _: g.randint(size, low, high, target)

    return _like("randint_like", input, draw, dtype, layout, device, pin_memory, requires_grad,
                 memory_format)  # fmt: skip
