"""New tensors of evenly spaced numbers and of index pairs: arange, linspace, tril_indices, ..."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import dtypes, ranges
from .options import check_options, default_dtype, delivered, made


@public("torch")
def arange(
    *args: Any,
    start: Any = None,
    end: Any = None,
    step: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return the values start, start + step, ... below end.

    Called as ``arange(end)``, ``arange(start, end)`` or ``arange(start, end, step)``. int64 unless
    an argument is a float. RuntimeError for a zero step or one of the wrong sign.

    >>> import wengert as torch
    >>> torch.arange(1, 10, 3)
    tensor([1, 4, 7])
    """
    check_options("arange", layout, device, pin_memory)
    given = {"start": start, "end": end, "step": step}
    names = ("end",) if len(args) == 1 and start is None else ("start", "end", "step")
    if len(args) > 3 or (not args and end is None):
        raise TypeError(
            "arange() received an invalid combination of arguments - got "
            f"({', '.join(type(a).__name__ for a in args)}), but expected (end), (start, end) or "
            "(start, end, step)"
        )
    if len(args) == 1 and end is not None:
        names = ("start",)
    given.update(zip(names, args, strict=False))
    first = _number(0 if given["start"] is None else given["start"], "arange", "start", 1)
    last = _number(given["end"], "arange", "end", 1 if len(args) < 2 else 2)
    by = _number(1 if given["step"] is None else given["step"], "arange", "step", 3)
    if out is not None:
        d = out._spec.dtype
    elif dtype is not None:
        d = dtypes.as_dtype(dtype, "arange")
    else:
        floats = any(isinstance(v, float) for v in (first, last, by))
        d = dtypes.get_default_dtype() if floats else dtypes.int64
    array = _arange(first, last, by, d, "arange")
    return delivered(array, out, dtype, requires_grad, "arange")


def _arange(start: Any, end: Any, step: Any, d: dtypes.dtype, caller: str) -> np.ndarray:
    if d.category not in (dtypes.INT, dtypes.FLOAT):
        raise NotImplementedError(f"\"{caller}_cpu\" not implemented for '{d.scalar_name}'")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * math.copysign(1, step) < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: start {start}, end {end}, "
            f"step {step}"
        )
    if d is dtypes.int64:
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ValueError("step must be nonzero")
    return ranges.arange(start, step, ranges.arange_size(start, end, step), d.np)


def _number(x: Any, caller: str, name: str, position: int) -> Any:
    if type(x) is int or type(x) is float:
        return x
    if isinstance(x, Tensor) and x._spec.numel == 1:
        x = x._array.reshape(-1)[0]
    if isinstance(x, (bool, np.bool_)):
        return int(x)
    if isinstance(x, (int, np.integer)):
        return int(x)
    if isinstance(x, (float, np.floating)):
        return float(x)
    raise TypeError(
        f"{caller}(): argument '{name}' (position {position}) must be Number, not "
        f"{type(x).__name__}"
    )


@public("torch", name="range")
def range_(
    start: Any,
    end: Any,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return the values from start to end, end included; deprecated by PyTorch, use `arange`.

    >>> import warnings, wengert as torch
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.range(0, 2)
    tensor([0., 1., 2.])
    """
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is "
        "inconsistent with Python's range builtin. Instead, use torch.arange, which produces "
        "values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    check_options("range", layout, device, pin_memory)
    first = _number(start, "range", "start", 1)
    last = _number(end, "range", "end", 2)
    by = _number(step, "range", "step", 3)
    d = default_dtype(dtype, "range") if out is None else out._spec.dtype
    if by == 0:
        raise RuntimeError("step must be nonzero")
    if (last - first) * math.copysign(1, by) < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    n = math.floor((last - first) / by) + 1
    return delivered(ranges.arange(first, by, n, d.np), out, dtype, requires_grad, "range")


range_.__name__ = range_.__qualname__ = "range"


def _end(x: Any, caller: str, name: str) -> Any:
    """Return an end point of linspace: a number, complex included, or a 0-dim tensor."""
    if isinstance(x, Tensor):
        if x._spec.ndim:
            raise RuntimeError(
                f"{caller} only supports 0-dimensional start and end tensors, but got {name} with "
                f"{x._spec.ndim} dimension(s)."
            )
        return x._array.item()
    if isinstance(x, (bool, int, float, complex, np.number)):
        return x.item() if isinstance(x, np.generic) else x
    raise TypeError(f"{caller}(): argument '{name}' must be Number, not {type(x).__name__}")


def _spaced(caller: str, start: Any, end: Any, steps: Any, dtype: Any, out: Any) -> tuple[Any, ...]:
    first, last = _end(start, caller, "start"), _end(end, caller, "end")
    if isinstance(steps, bool) or not hasattr(steps, "__index__"):
        raise TypeError(f"{caller}(): argument 'steps' must be int, not {type(steps).__name__}")
    steps = steps.__index__()
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, got {steps}")
    is_complex = isinstance(first, complex) or isinstance(last, complex)
    if out is not None:
        d = out._spec.dtype
    else:
        d = default_dtype(dtype, caller)
        if is_complex and dtype is None:
            d = d.to_complex()
    if is_complex and d.category < dtypes.COMPLEX:
        raise RuntimeError(
            f"{caller}(): inferred dtype is complex but can't safely cast it to {d}"
        )
    if d.category == dtypes.BOOL:
        raise NotImplementedError(f"\"{caller}_cpu\" not implemented for '{d.scalar_name}'")
    return first, last, steps, d


@public("torch")
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``steps`` values evenly spaced from start to end, both included.

    The bits are PyTorch's: counted from the start in the first half and from the end in the second,
    each rounded once.

    >>> import wengert as torch
    >>> torch.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    check_options("linspace", layout, device, pin_memory)
    first, last, n, d = _spaced("linspace", start, end, steps, dtype, out)
    return delivered(ranges.linspace(first, last, n, d.np), out, dtype, requires_grad, "linspace")


@public("torch")
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``steps`` values from base ** start to base ** end, evenly spaced in the exponent.

    >>> import wengert as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    check_options("logspace", layout, device, pin_memory)
    first, last, n, d = _spaced("logspace", start, end, steps, dtype, out)
    array = ranges.logspace(first, last, n, float(base), d.np)
    return delivered(array, out, dtype, requires_grad, "logspace")


def _pairs(caller: str, dtype: Any, rows: np.ndarray, cols: np.ndarray) -> Tensor:
    d = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype, caller)
    if d not in (dtypes.int32, dtypes.int64):
        raise NotImplementedError(f"\"{caller}\" not implemented for '{d.scalar_name}'")
    return made(np.stack([rows, cols]).astype(d.np))


def _check_matrix(row: int, col: int) -> None:
    for name, n in (("row", row), ("col", col)):
        if n < 0:
            raise RuntimeError(f"{name} must be non-negative, got {n}")


@public("torch")
def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Return the (row, column) indices of the lower triangle of a matrix as a 2 by n tensor.

    >>> import wengert as torch
    >>> torch.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    check_options("tril_indices", layout, device)
    _check_matrix(row, col)
    return _pairs("tril_indices", dtype, *np.tril_indices(row, offset, col))


@public("torch")
def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Return the (row, column) indices of the upper triangle of a matrix as a 2 by n tensor.

    >>> import wengert as torch
    >>> torch.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    check_options("triu_indices", layout, device)
    _check_matrix(row, col)
    return _pairs("triu_indices", dtype, *np.triu_indices(row, offset, col))
