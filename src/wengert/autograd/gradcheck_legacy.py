"""Jacobians by differences and by backward, under the names that old PyTorch programs use."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from . import gradcheck_jacobian as jac


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(
        f"`{name}` was part of PyTorch's private API and not meant to be exposed. We are deprecating "
        f"it and it will be removed in a future version of PyTorch. Use {instead}.",
        FutureWarning,
        stacklevel=3,
    )


def _check_one(name: str, grad_out: float, outputs: Sequence[Tensor]) -> None:
    if grad_out != 1.0:
        raise ValueError(
            f"Expected grad_out to be 1.0. {name} no longer supports values of grad_out != 1.0."
        )
    if any(o.dtype.is_complex for o in outputs):
        raise ValueError(
            f"Expected output to be non-complex. {name} no longer supports functions that return "
            "complex outputs."
        )


def _as_tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, tuple | list) else (x,)


def get_numerical_jacobian(
    fn: Callable[..., Any],
    inputs: Any,
    target: Any = None,
    eps: float = 1e-3,
    grad_out: float = 1.0,
) -> tuple[Tensor, ...]:
    """Return d fn(inputs)[0] / d t by differences for each t that requires grad in `target` (inputs).

    `fn` takes its inputs as one tuple. An entry has a row per element of t. ValueError for a complex
    output. Deprecated: a FutureWarning says so.
    """
    _deprecated("get_numerical_jacobian", "torch.func.jacrev, or gradcheck")
    outputs = _as_tuple(fn(_as_tuple(inputs)))
    _check_one("get_numerical_jacobian", grad_out, outputs)
    wanted = _as_tuple(inputs if target is None else target)

    def values() -> list[np.ndarray]:
        return [_as_tuple(fn(_as_tuple(inputs)))[0]._array.copy()]

    return tuple(
        wrap(jac.numerical(values, t._array, eps)[0])
        for t in wanted
        if isinstance(t, Tensor) and t.requires_grad
    )


def get_numerical_jacobian_wrt_specific_input(
    fn: Callable[..., Any], input_idx: int, inputs: Any, outputs: Any, eps: float, input: Any = None,
    is_forward_ad: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Return d output / d inputs[input_idx] by differences, for each output of fn(*inputs).

    An entry has a row per element of the input. `input` is varied in its place, if given.
    AssertionError if that does not require grad.
    """
    t = inputs[input_idx] if input is None else input
    if not t.requires_grad:
        raise AssertionError("Expected input to have requires_grad=True")

    def values() -> list[np.ndarray]:
        return [o._array.copy() for o in _as_tuple(fn(*inputs))]

    return tuple(wrap(m) for m in jac.numerical(values, t._array, eps))


def get_analytical_jacobian(
    inputs: Any, output: Tensor, nondet_tol: float = 0.0, grad_out: float = 1.0
) -> tuple[tuple[Tensor, ...], bool, bool, bool]:
    """Return d output / d t by backward for each input t that requires grad, and three checks.

    The checks: two runs of backward agree (to nondet_tol), sizes are right, dtypes are right.
    ValueError for a complex output. Deprecated: a FutureWarning says so.
    """
    _deprecated("get_analytical_jacobian", "torch.func.jacrev")
    _check_one("get_analytical_jacobian", grad_out, (output,))
    points = [t for t in _as_tuple(inputs) if isinstance(t, Tensor) and t.requires_grad]
    first, second = jac.analytical(output, points, ""), jac.analytical(output, points, "")
    steady = all(
        np.abs(a.matrix - b.matrix).max(initial=0) <= nondet_tol
        for a, b in zip(first, second, strict=True)
    )
    typed = all(
        a.dtype is None or a.dtype == t.dtype.np for a, t in zip(first, points, strict=True)
    )
    return tuple(wrap(a.matrix) for a in first), steady, True, typed
