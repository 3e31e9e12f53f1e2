"""A line search for the strong Wolfe conditions.

Nocedal and Wright, Numerical Optimization (2006), algorithms 3.5 and 3.6: steps grow until they
bracket a good one, then the bracket shrinks; both by the minimum of the cubic through two points.
The safeguards and constants are those of PyTorch's L-BFGS, so that the steps are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SUFFICIENT = 1e-4  # of the decrease that the slope at 0 promises
CURVATURE = 0.9  # of the slope at 0, at most, is left at a good step
MOST = 25  # evaluations after the first


class Point:
    """A step along the direction, with the loss, the gradient and the slope there."""

    __slots__ = ("gradient", "loss", "slope", "step")

    def __init__(self, step: Any, loss: float, gradient: Any, slope: Any) -> None:
        self.step, self.loss, self.gradient, self.slope = step, loss, gradient, slope


def cubic_minimum(a: Point, b: Point, low: Any = None, high: Any = None) -> Any:
    """The minimum of the cubic with the losses and slopes of two points, clipped to the bounds."""
    if a.step > b.step:
        a, b = b, a
    low = a.step if low is None else low
    high = b.step if high is None else high
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = np.sqrt(square)
    at = b.step - (b.step - a.step) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(at, low), high)


def strong_wolfe(
    evaluate: Callable[[Any], tuple[float, Any]],
    direction: Any,
    start: Point,
    step: Any,
    smallest: float = 1e-9,
) -> tuple[Point, int]:
    """Return a point that satisfies both conditions, or the best found, and the evaluations made.

    `evaluate(step)` gives the loss and the flat gradient; `start` is the point at step 0.
    """
    made = 0

    def point(at: Any) -> Point:
        nonlocal made
        made += 1
        loss, gradient = evaluate(at)
        return Point(at, loss, gradient, np.dot(gradient, direction))

    def too_high(p: Point) -> Any:
        return p.loss > start.loss + SUFFICIENT * p.step * start.slope

    def flat_enough(p: Point) -> Any:
        return abs(p.slope) <= -CURVATURE * start.slope

    previous, now = start, point(step)
    bracket = None
    for k in range(MOST):
        if too_high(now) or (k > 1 and now.loss >= previous.loss):
            bracket = [previous, now]
            break
        if flat_enough(now):
            return now, made
        if now.slope >= 0:
            bracket = [previous, now]
            break
        reach = now.step - previous.step
        at = cubic_minimum(previous, now, now.step + 0.01 * reach, now.step * 10)
        previous, now = now, point(at)
    if bracket is None:
        return (start if start.loss <= now.loss else now), made
    return _shrink(
        bracket, direction, point, too_high, flat_enough, smallest, MOST - made + 1
    ), made


def _shrink(
    bracket: list[Point],
    direction: Any,
    point: Callable[[Any], Point],
    too_high: Callable[[Point], Any],
    flat_enough: Callable[[Point], Any],
    smallest: float,
    left: int,
) -> Point:
    """Shrinks a bracket until its lower point is good, which is returned."""
    low = 0 if bracket[0].loss <= bracket[1].loss else 1
    length = np.abs(direction).max()
    stalled = False
    while left > 0:
        width = abs(bracket[1].step - bracket[0].step)
        if width * length < smallest:
            break
        at = cubic_minimum(*bracket)
        first, last = sorted(p.step for p in bracket)
        # Twice in a row close to an end of the bracket, or on it: a tenth of the width inside.
        margin = 0.1 * width
        if min(last - at, at - first) < margin:
            if stalled or at >= last or at <= first:
                at = last - margin if abs(at - last) < abs(at - first) else first + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        now = point(at)
        left -= 1
        if too_high(now) or now.loss >= bracket[low].loss:
            bracket[1 - low] = now
            low = 0 if bracket[0].loss <= bracket[1].loss else 1
        elif flat_enough(now):
            return now
        else:
            if now.slope * (bracket[1 - low].step - bracket[low].step) >= 0:
                bracket[1 - low] = bracket[low]
            bracket[low] = now
    return bracket[low]
