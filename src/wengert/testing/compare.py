"""`assert_close`: compare tensors with tolerances that follow their dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap

# relative and absolute tolerance by dtype, the defaults of torch.testing.assert_close
_TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
    allow_subclasses: bool = True,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Sequences and mappings are compared entry by entry. The default tolerances follow the dtype;
    for two dtypes, the looser one.

    >>> import wengert as torch
    >>> torch.testing.assert_close(torch.ones(2), torch.ones(2) + 1e-8)
    """
    options = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan, "check_dtype": check_dtype,
               "check_stride": check_stride, "msg": msg}  # fmt: skip
    if (rtol is None) is not (atol is None):
        raise ValueError("rtol and atol must be given together, or neither of them")
    if isinstance(expected, dict):
        if set(actual) != set(expected):
            raise AssertionError(f"The keys differ: {sorted(actual)} and {sorted(expected)}")
        for key in expected:
            _compare(actual[key], expected[key], f" (entry {key!r})", options)
    elif isinstance(expected, list | tuple):
        if len(actual) != len(expected):
            raise AssertionError(f"The lengths differ: {len(actual)} != {len(expected)}")
        for k, (a, b) in enumerate(zip(actual, expected, strict=True)):
            _compare(a, b, f" (entry {k})", options)
    else:
        _compare(actual, expected, "", options)


def _compare(actual: Any, expected: Any, where: str, options: dict) -> None:
    a = actual if isinstance(actual, Tensor) else wrap(np.asarray(actual))
    b = expected if isinstance(expected, Tensor) else wrap(np.asarray(expected))
    problem = _problem(a, b, options)
    if problem is not None:
        msg = options["msg"]
        text = msg(problem + where) if callable(msg) else msg or problem + where
        raise AssertionError(text)


def _problem(a: Tensor, b: Tensor, options: dict) -> str | None:
    if a.shape != b.shape:
        return f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}."
    if options["check_dtype"] and a.dtype is not b.dtype:
        return f"The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}."
    if options["check_stride"] and a._array.strides != b._array.strides:
        return f"The values for attribute 'stride()' do not match: {a.stride()} != {b.stride()}."
    rtol, atol = options["rtol"], options["atol"]
    if rtol is None:
        pairs = [_TOLERANCES.get(str(t.dtype).removeprefix("torch."), (0.0, 0.0)) for t in (a, b)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    x, y = a._array, b._array
    if x.dtype.kind == "f" and x.dtype.itemsize < 4:
        x, y = x.astype(np.float32), y.astype(np.float32)
    bad = ~np.isclose(x, y, rtol, atol, options["equal_nan"])
    if not bad.any():
        return None
    gap = np.abs(np.where(bad, x, 0).astype(np.result_type(x, np.float64)) - np.where(bad, y, 0))
    worst = np.unravel_index(int(np.argmax(np.nan_to_num(gap, nan=np.inf))), x.shape)
    return (
        f"Tensor-likes are not close!\n\nMismatched elements: {int(bad.sum())} / {x.size} "
        f"({100 * bad.mean():.1f}%)\nGreatest absolute difference: {float(gap[worst])} at index "
        f"{tuple(int(i) for i in worst)} (up to {atol} allowed)\n"
        f"There: {x[worst]} against {y[worst]} expected (rtol {rtol})"
    )
