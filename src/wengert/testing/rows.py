"""What a row of the op grid is, and what all its properties use: tensors, outputs, weights, directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import wengert

from ..core.tensor import Tensor, wrap

EPS = 1e-6


@dataclass
class Input:
    """One input of a row: its shape and where its numbers come from.

    domain  "real" (normal), "positive", "unit" (inside (-1, 1)), "open" (inside (0, 1)),
            "big" (above 1), "distinct" (no ties), "bool", or ("int", n) for indices below n
    grad    whether gradients with respect to it are checked
    """

    shape: tuple
    domain: Any = "real"
    grad: bool = True

    def numbers(self, seed: int) -> np.ndarray:
        """Return the numbers, away from every point where a function of the domain has a kink."""
        r = np.random.default_rng(seed)
        if self.domain == "bool":
            return r.random(self.shape) < 0.5
        if isinstance(self.domain, tuple):
            return r.integers(0, self.domain[1], self.shape)
        if self.domain == "positive":
            return r.uniform(0.3, 2.5, self.shape)
        if self.domain == "unit":
            return r.uniform(0.1, 0.8, self.shape) * r.choice([-1.0, 1.0], self.shape)
        if self.domain == "open":
            return r.uniform(0.15, 0.85, self.shape)
        if self.domain == "big":
            return r.uniform(1.3, 3.0, self.shape)
        if self.domain == "distinct":
            n = int(np.prod(self.shape))
            spread = np.linspace(-2.0, 2.1, max(n, 1))[:n] + r.uniform(0, 1.5 / max(n, 1), n)
            return r.permutation(spread).reshape(self.shape)
        if self.domain == "real":
            return r.uniform(0.2, 1.7, self.shape) * r.choice([-1.0, 1.0], self.shape)
        raise ValueError(f"unknown domain {self.domain!r} of an input")

    @property
    def differentiable(self) -> bool:
        """True if the numbers are real ones and gradients are wanted."""
        return self.grad and self.domain != "bool" and not isinstance(self.domain, tuple)


@dataclass
class Row:
    """One op call of the table.

    name      what the test is called
    call      call(T, *inputs): T is wengert or PyTorch
    inputs    the inputs, see `Input`
    ops       which rows of the op table the call covers
    inplace   the in-place form, call(T, *inputs), writing its first input; None if there is none
    complex   True if the op takes complex numbers
    orders    how often it can be differentiated (2; 1 where the second derivative is refused)
    forward   True if forward mode must work
    fixed     the numbers of inputs whose values decide the shape of the result: vmap refuses those
    written   the numbers of inputs (or copies of them) that the call writes in place: they have to be
              mapped for vmap if anything else is
    gaps      property name -> why it does not hold (a visible gap)
    """

    name: str
    call: Callable
    inputs: Sequence[Input]
    ops: tuple = ()
    inplace: Callable | None = None
    complex: bool = False
    orders: int = 2
    forward: bool = True
    fixed: tuple = ()
    written: tuple = ()
    torch: bool = True
    torch_tolerance: float = 1e-10
    gaps: dict = field(default_factory=dict)

    def arrays(self, seed: int = 0) -> list[np.ndarray]:
        """Return the numbers of all inputs."""
        return [i.numbers(100 * seed + k) for k, i in enumerate(self.inputs)]


def tensors(row: Row, arrays: Sequence[np.ndarray], grad: bool = True) -> list[Tensor]:
    """Return fresh tensors over copies of the arrays."""
    return [
        wrap(a.copy()).requires_grad_(grad and i.differentiable)
        for a, i in zip(arrays, row.inputs, strict=True)
    ]


def outputs(result: Any) -> list[Tensor]:
    """Return the differentiable outputs of a call as a flat list."""
    items = result if isinstance(result, tuple | list) else (result,)
    flat: list[Tensor] = []
    for r in items:
        flat += outputs(r) if isinstance(r, tuple | list) else [r]
    return [r for r in flat if isinstance(r, Tensor) and r.dtype.category >= 2]


def weights_of(outs: Sequence[Any], seed: int = 7) -> list[np.ndarray]:
    r = np.random.default_rng(seed)
    return [np.asarray(r.uniform(0.5, 1.5, tuple(o.shape)) * r.choice([-1.0, 1.0], tuple(o.shape))) for o in outs]


def directions(row: Row, arrays: Sequence[np.ndarray], seed: int = 11) -> list[np.ndarray | None]:
    r = np.random.default_rng(seed)
    return [
        r.uniform(0.5, 1.5, a.shape) * r.choice([-1.0, 1.0], a.shape) if i.differentiable else None
        for a, i in zip(arrays, row.inputs, strict=True)
    ]


def moved(arrays: Sequence[np.ndarray], directions: Sequence[Any], step: float) -> list[np.ndarray]:
    return [a if d is None else a + step * d for a, d in zip(arrays, directions, strict=True)]


def weighted(row: Row, ts: Sequence[Tensor], weights: Sequence[Any] | None = None) -> Tensor:
    """Return the scalar sum of w * output over all outputs of the call."""
    outs = outputs(row.call(wengert, *ts))
    ws = weights_of(outs) if weights is None else weights
    total: Any = None
    for o, w in zip(outs, ws, strict=True):
        term = (o * (w if isinstance(w, Tensor) else wrap(w))).sum()
        total = term if total is None else total + term
    return total


def close(got: float, expected: float, what: str, tolerance: float = 2e-5) -> None:
    """Raise AssertionError unless two numbers agree to the accuracy of a central difference."""
    scale = max(1.0, abs(got), abs(expected))
    assert abs(got - expected) <= tolerance * scale, f"{what}: {got} against {expected} by differences"
