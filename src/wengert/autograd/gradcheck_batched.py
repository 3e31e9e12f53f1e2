"""What gradcheck asks of vmap: the derivatives of a batch are those of its entries."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from . import forward_ad
from . import gradcheck_jacobian as jac
from .run import grad

_ADVICE = (
    "gradcheck or gradgradcheck failed while testing batched gradient computation: {what} under vmap, "
    "which jacobians and hessians use. It must not ask for values (item, if, numpy) and must be made "
    "of tensor functions; a custom Function says how it is mapped in a vmap staticmethod, or sets "
    "generate_vmap_rule. {option}=False leaves this check out."
)
_REVERSE = _ADVICE.format(what="backward runs", option="check_batched_grad")
_FORWARD = _ADVICE.format(
    what="the function runs on dual tensors", option="check_batched_forward_grad"
)


def reverse(outputs: tuple[Tensor, ...], points: list[Tensor], error: type[Exception]) -> None:
    """Compare backward of two cotangents at once with backward of each, output by output."""
    for j, out in enumerate(outputs):

        def pull(v: Tensor, out: Tensor = out) -> tuple[Tensor, ...]:
            found = grad(out, points, v, retain_graph=True, allow_unused=True)
            return tuple(_or_zeros(g, t) for g, t in zip(found, points, strict=True))

        _compare(pull, _random_pair(out), error, _REVERSE, j, "reverse")


def forward(check: Any, error: type[Exception]) -> None:
    """Compare pushing two tangents at once with pushing each, input by input."""
    for i, (k, t) in enumerate(zip(check.where, check.points, strict=True)):

        def push(tangent: Tensor, k: int = k, t: Tensor = t) -> tuple[Tensor, ...]:
            args = [a.detach() if isinstance(a, Tensor) else a for a in check.inputs]
            with forward_ad.dual_level():
                args[k] = forward_ad.make_dual(t.detach(), tangent)
                result = check.func(*args)
                results = result if isinstance(result, tuple | list) else (result,)
                pairs = [forward_ad.unpack_dual(r) for r in results if isinstance(r, Tensor)]
                return tuple(_or_zeros(p.tangent, p.primal) for p in pairs)

        _compare(push, _random_pair(t), error, _FORWARD, i, "forward")


def _random_pair(t: Tensor) -> list[Tensor]:
    a = t._array
    pair = []
    for k in range(2):
        v = jac.random_like(a.shape, k + 20) - 0.5
        if a.dtype.kind == "c":
            v = v + 1j * (jac.random_like(a.shape, k + 30) - 0.5)
        pair.append(wrap(v.astype(a.dtype)))
    return pair


def _or_zeros(g: Any, like: Tensor) -> Tensor:
    return wrap(np.zeros(like._spec.shape, like._spec.np)) if g is None else g


def _compare(
    f: Callable[[Tensor], tuple[Tensor, ...]], given: list[Tensor], error: type[Exception],
    advice: str, number: int, mode: str,
) -> None:  # fmt: skip
    """Compare the mapped function with its values; `number` is that of the output or of the input."""
    from ..func import vmap

    expected = [np.stack([t._array for t in column]) for column in zip(*map(f, given), strict=True)]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="There is a performance drop")
            together = vmap(f)(wrap(np.stack([v._array for v in given])))
    except Exception as cause:
        raise error(f"While computing batched gradients, got: {cause}\n\n{advice}") from cause
    for k, (have, want) in enumerate(zip(together, expected, strict=True)):
        if not np.allclose(have._array, want, equal_nan=False):
            j, i = (number, k) if mode == "reverse" else (k, number)
            raise error(
                f"For output {j} and input {i}:\n\n{advice}\n\nGot:\n{have}\n\nExpected:\n{wrap(want)}"
            )
