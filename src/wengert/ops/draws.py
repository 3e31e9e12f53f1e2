"""What the creation functions of random numbers share, and what vmap makes of them.

Under vmap the level says what a draw is: refused, the same for all examples, or one for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import state
from ..core.batch import Batched
from ..core.cold import bind
from ..core.op import TENSORS as T
from ..core.tensor import Tensor, wrap
from ..kernels import dtypes
from ..kernels.random import Generator, filled_like
from .options import default_dtype, delivered

# (size, NumPy dtype, whether the numbers will fill one block of memory in order) -> array
Draw = Callable[[Any, Any, bool], np.ndarray]


def dtype_of(caller: str, out: Tensor | None, dtype: Any) -> dtypes.dtype:
    """Return the dtype to draw in."""
    return default_dtype(dtype, caller) if out is None else out._spec.dtype


def standard(g: Generator, mean: float = 0.0, std: float = 1.0) -> Draw:
    """Return the draw of normal numbers."""
    return lambda size, dtype, contiguous: g.normal(size, mean, std, dtype, contiguous)


def new_drawn(
    caller: str, size: tuple[int, ...], d: dtypes.dtype, draw: Draw, out: Any, dtype: Any,
    requires_grad: Any,
) -> Tensor:  # fmt: skip
    """Return a new tensor drawn for this size, or `out` with the numbers drawn into it."""
    if out is None and state.current_batch() is not None:
        t = drawn(size, lambda whole: draw(whole, d.np, True))
        return t.requires_grad_() if requires_grad else t
    if out is None or out._array.shape != size or out._array.flags.c_contiguous:
        return delivered(draw(size, d.np, True), out, dtype, requires_grad, caller)
    filled = filled_like(out._array, d.np, lambda shape: draw(shape, d.np, False))
    return delivered(filled, out, dtype, requires_grad, caller)


# ------------------------------------------------------------------- under vmap
_REFUSED = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
)


def check_randomness() -> None:
    """Raise RuntimeError inside a vmap that allows no random calls."""
    level = state.current_batch()
    while level is not None:
        if level.randomness == "error":
            raise RuntimeError(_REFUSED)
        level = level.outer


def drawn(size: tuple[int, ...], fill: Callable[[tuple[int, ...]], np.ndarray]) -> Tensor:
    """Return fill(size) as a tensor, under vmap with numbers for each example where it says so."""
    levels = []
    level = state.current_batch()
    while level is not None:
        if level.randomness == "different":
            levels.append(level)
        level = level.outer
    if not levels:
        return wrap(fill(tuple(size)))
    t = wrap(fill((*[one.size for one in reversed(levels)], *size)))
    for one in reversed(levels):
        t = Batched.over(one.number, t)
    return t


def for_each_example(t: Tensor) -> Tensor:
    """Return what steers a draw, mapped over wherever vmap wants numbers for each example."""
    levels = []
    level = state.current_batch()
    while level is not None:
        levels.append(level)
        level = level.outer
    for one in reversed(levels):  # the outermost first
        if one.randomness == "different" and not _is_mapped(t, one.number):
            t = _mapped_at(t, one)
    return t


def _mapped_at(t: Any, one: Any) -> Any:
    """Repeat a tensor over the examples of a vmap, under the wrappers of transforms inside of it."""
    if t._spec.plain or t.level < one.number:
        return Batched.over(one.number, T.expand(t, (one.size, *t.shape)))
    note = t.note if t.note is None else _mapped_at(t.note, one)
    return t.__class__.over(t.level, _mapped_at(t.value, one), note)


def _is_mapped(t: Any, number: int) -> bool:
    while not t._spec.plain:
        if t.level == number:
            return True
        t = t.value
    return False


def check_target(t: Tensor, caller: str) -> None:
    """Raise RuntimeError where an in-place fill would have to give one tensor several values."""
    level = state.current_batch()
    if level is None:
        return
    check_randomness()
    own = isinstance(t, Batched) and t.level == level.number
    if level.randomness == "different" and not own:
        raise RuntimeError(
            "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will "
            f"appear like same randomness. {caller} fills a tensor that is the same for all examples"
        )


def check_steered(name: str) -> None:
    """Raise RuntimeError where numbers that tensors steer would have to be the same for all examples."""
    check_randomness()
    level = state.current_batch()
    if level is not None and level.randomness == "same":
        raise RuntimeError(
            "Vmap does not currently support same randomness with a batched tensor input: "
            f"{name} draws by the values of a tensor that differ between examples"
        )


def batched_draw(op: Any, xs: list, on: list, params: tuple) -> Any:
    """The batching rule of an op that draws in the shape of its input: for all examples, or for one.

    Numbers that tensors steer can't be the same for all examples.
    """
    level = state.current_batch()
    if level is None or level.randomness == "different":
        return bind(op, tuple(xs), params)
    if not op.name.endswith("_"):
        check_steered(op.name)
    check_randomness()
    one = bind(op, (T.select(xs[0], 0, 0),), params)
    return T.expand(one, tuple(xs[0].shape))
