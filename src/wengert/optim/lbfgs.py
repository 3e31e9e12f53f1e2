"""L-BFGS: a quasi-Newton method that knows the curvature along its last steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.inplace import before_write, bump, caller
from ..core.tensor import Tensor, wrap
from ._line_search import Point, strong_wolfe
from .optimizer import Optimizer, Params, check_rate, number


class LBFGS(Optimizer):
    """Up to `max_iter` quasi-Newton iterations per `step(closure)`, on all parameters together.

    The direction is -H g with the inverse Hessian H of the two-loop recursion over the last
    `history_size` steps (Nocedal and Wright, Numerical Optimization, 2006, algorithm 7.4); the step
    is `lr`, or is searched for with `line_search_fn="strong_wolfe"`. It ends early when the largest
    gradient is below `tolerance_grad` or steps or losses change by less than `tolerance_change`.

    >>> import wengert as torch
    >>> w = torch.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - torch.tensor([1.0, 2.0])) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(20., grad_fn=<SumBackward0>)
    >>> w
    tensor([1.0000, 2.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_rate(lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        params: list[Tensor] = self.param_groups[0]["params"]
        return params

    # -- all parameters as one vector of reals

    def _gradient(self) -> Any:
        parts = []
        for p in self._params:
            grad = p._grad
            g = np.zeros_like(p._array) if grad is None else grad._array
            parts.append(_reals(g))
        return np.concatenate(parts)

    def _move_from(self, start: list[Any], step: Any, direction: Any, where: Any) -> None:
        """Writes start + step * direction into the parameters."""
        at = 0
        for p, values in zip(self._params, start, strict=True):
            n = p._array.size * (2 if p._array.dtype.kind == "c" else 1)
            part = (direction[at : at + n] * step).astype(direction.dtype, copy=False)
            if p._array.dtype.kind == "c":
                part = part.view(p._array.dtype)
            before_write(p._array)
            np.add(values, part.reshape(p._array.shape), out=p._array, casting="same_kind")
            bump(p, where)
            at += n

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Runs the iterations of one step; returns the loss before them.

        `closure` clears the gradients, computes the loss, calls backward and returns the loss.
        """
        where = caller()
        group = self.param_groups[0]
        searched = group["line_search_fn"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = self._loss_of(closure)
        loss, gradient = _number(first), self._gradient()
        evaluations = 1
        state["func_evals"] += 1
        if np.abs(gradient).max() <= group["tolerance_grad"] or group["max_iter"] < 1:
            return first

        def evaluate() -> tuple[float, Any]:
            return _number(self._loss_of(closure)), self._gradient()

        memory = _Memory(state, group["history_size"])
        lr = number(group["lr"])
        for k in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = memory.next_direction(gradient, fresh=state["n_iter"] == 1)
            previous = loss
            t: Any = lr
            if state["n_iter"] == 1:
                t = min(1.0, 1.0 / np.abs(gradient).sum()) * lr
            slope = np.dot(gradient, direction)
            memory.step = t
            if slope > -group["tolerance_change"]:
                break
            start = [p._array.copy() for p in self._params]
            made = 0
            if searched is not None:
                if searched != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")

                def along(step: Any, start: Any = start, direction: Any = direction) -> Any:
                    self._move_from(start, step, direction, where)
                    return evaluate()

                found, made = strong_wolfe(along, direction, Point(0, loss, gradient, slope), t)
                t = memory.step = found.step
                loss, gradient = found.loss, found.gradient
                self._move_from(start, t, direction, where)
            else:
                self._move_from(start, t, direction, where)
                if k != group["max_iter"]:
                    # the last gradient of a step would be thrown away: the next begins with its own
                    loss, gradient = evaluate()
                    made = 1
            evaluations += made
            state["func_evals"] += made
            if (
                evaluations >= group["max_eval"]
                or np.abs(gradient).max() <= group["tolerance_grad"]
                or np.abs(direction * t).max() <= group["tolerance_change"]
                or abs(loss - previous) < group["tolerance_change"]
            ):
                break
        memory.save(state, previous)
        return first


def _number(loss: Any) -> float:
    return float(loss.detach() if isinstance(loss, Tensor) else loss)


def _reals(a: Any) -> Any:
    """An array as a vector; a complex one as the vector of its real and imaginary parts."""
    flat = np.ascontiguousarray(a).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


class _Memory:
    """The last steps and changes of the gradient, from which H g is computed."""

    def __init__(self, state: dict[str, Any], size: int) -> None:
        self.size = size
        self.step: Any = state.get("t")
        self.direction: Any = _array(state.get("d"))
        self.changes = [_array(y) for y in state.get("old_dirs") or []]
        self.steps = [_array(s) for s in state.get("old_stps") or []]
        self.weights = [_array(r) for r in state.get("ro") or []]
        self.scale: Any = _array(state.get("H_diag", 1))
        self.gradient: Any = _array(state.get("prev_flat_grad"))
        self.products: list[Any] = []

    def next_direction(self, gradient: Any, fresh: bool) -> Any:
        """-H g, with the last step taken into H; steepest descent for the very first one."""
        if fresh:
            self.changes, self.steps, self.weights, self.scale = [], [], [], 1
            self.direction, self.gradient = -gradient, gradient
            return self.direction
        y = gradient - self.gradient
        self.gradient = gradient
        s = self.direction * np.asarray(self.step, gradient.dtype)
        curvature = np.dot(y, s)
        if curvature > 1e-10:
            if len(self.changes) == self.size:
                for kept in (self.changes, self.steps, self.weights):
                    kept.pop(0)
            self.changes.append(y)
            self.steps.append(s)
            self.weights.append(1.0 / curvature)
            self.scale = curvature / np.dot(y, y)
        self.products = [None] * self.size
        q = -gradient
        for k in range(len(self.changes) - 1, -1, -1):
            self.products[k] = np.dot(self.steps[k], q) * self.weights[k]
            q -= self.changes[k] * self.products[k]
        q *= self.scale
        for k, y in enumerate(self.changes):
            correction = np.dot(y, q) * self.weights[k]
            q += self.steps[k] * (self.products[k] - correction)
        self.direction = q
        return q

    def save(self, state: dict[str, Any], loss: float) -> None:
        """Puts everything into the state under PyTorch's names, as tensors."""
        if self.products:
            state["al"] = [None if a is None else wrap(a) for a in self.products]
        state["d"] = wrap(self.direction)
        state["t"] = wrap(self.step) if isinstance(self.step, np.generic) else self.step
        state["old_dirs"] = [wrap(y) for y in self.changes]
        state["old_stps"] = [wrap(s) for s in self.steps]
        state["ro"] = [wrap(r) for r in self.weights]
        state["H_diag"] = wrap(self.scale) if isinstance(self.scale, np.generic) else self.scale
        state["prev_flat_grad"] = wrap(self.gradient)
        state["prev_loss"] = loss


def _array(value: Any) -> Any:
    return value._array[()] if isinstance(value, Tensor) else value
