"""Connectionist temporal classification over raw arrays: the forward-backward algorithm.

Graves et al., "Connectionist Temporal Classification", 2006. A target of S labels becomes 2 S + 1
states, blanks between and around the labels. Probabilities are logarithms; one step in time is a few
ufuncs over all sequences and states.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .linalg import _SLOW, F32

Array = Any


def states(targets: Array, blank: int) -> tuple[Array, Array]:
    """The label of every state (N, 2 S + 1), and from which states two are skipped at once."""
    n, s = targets.shape
    labels = np.full((n, 2 * s + 1), blank, np.int64)
    labels[:, 1::2] = targets
    skip = np.zeros(labels.shape, np.bool_)
    skip[:, 3::2] = targets[:, 1:] != targets[:, :-1]
    return labels, skip


def emissions(x: Array, labels: Array) -> Array:
    """The log-probability of every state at every time: (T, N, 2 S + 1)."""
    return np.take_along_axis(x, labels[None], 2)


_LOW = -1e30  # below every log-probability that counts: taking it off keeps -inf apart from nan


class _Steps:
    """log(e^a + e^b + e^c) of a row of states, the one before and, where allowed, the one before that.

    Rows are in arrays with two more states, of -inf, at the side that the neighbours are on.
    """

    def __init__(self, shape: tuple, closed: Array, d: Any) -> None:
        self.three = np.empty((3, *shape), d)
        self.top = np.empty(shape, d)
        self.low = np.full(shape, _LOW, d)
        self.closed = np.where(closed, -np.inf, 0.0).astype(d)

    def add(self, a: Array, b: Array, c: Array, out: Array) -> None:
        """Write the sum to `out`."""
        three, top = self.three, self.top
        np.add(c, self.closed, three[2])
        np.maximum(a, b, out=top)
        np.maximum(top, three[2], out=top)
        np.maximum(top, self.low, out=top)
        np.subtract(a, top, three[0])
        np.subtract(b, top, three[1])
        np.subtract(three[2], top, three[2])
        np.exp(three, three)
        np.add.reduce(three, 0, None, out)
        np.log(out, out)
        np.add(out, top, out)


def ctc(x: Array, y: Array, steps: tuple, sizes: tuple, blank: int) -> tuple[Array, Array]:
    """Minus the log-probability of every target, and the logs of all forward variables.

    x (T, N, C) log-probabilities, y (N, S) targets, of which steps[n] and sizes[n] count.
    """
    if x.dtype.char in _SLOW:
        loss, alpha = ctc(x.astype(F32), y, steps, sizes, blank)
        return loss.astype(x.dtype), alpha
    labels, skip = states(y, blank)
    e = emissions(x, labels)
    time, n, width = e.shape
    wide = np.full((time, n, width + 2), -np.inf, x.dtype)
    alpha = wide[:, :, 2:]
    if time:
        alpha[0, :, :1] = e[0, :, :1]
        some = np.array(sizes) > 0
        alpha[0, some, 1:2] = e[0, some, 1:2]
    step = _Steps((n, width), np.logical_not(skip), x.dtype)
    for t in range(1, time):
        a, out = wide[t - 1], alpha[t]
        step.add(a[:, 2:], a[:, 1:-1], a[:, :-2], out)
        out += e[t]
    return np.negative(_ends(alpha, steps, sizes)), alpha


def _ends(alpha: Array, steps: tuple, sizes: tuple) -> Array:
    """The log-probability of every target: the last blank or the last label at the last time."""
    if not len(alpha):
        return np.where(np.array(sizes) == 0, 0.0, -np.inf).astype(alpha.dtype)
    rows, last, end = np.arange(len(sizes)), np.array(steps) - 1, 2 * np.array(sizes)
    a = alpha[np.maximum(last, 0), rows, end]
    b = alpha[np.maximum(last, 0), rows, np.maximum(end - 1, 0)]
    total = np.logaddexp(a, np.where(end > 0, b, -np.inf).astype(a.dtype))
    nothing = np.where(end == 0, 0.0, -np.inf)  # no time has passed
    return np.where(last < 0, nothing, total).astype(alpha.dtype)


def ctc_backward(
    g: Array, x: Array, y: Array, loss: Array, alpha: Array, steps: tuple, sizes: tuple, blank: int,
    zero_infinity: bool,
) -> Array:  # fmt: skip
    """g (e^x - how probable each label is at each time, given the target).

    The term e^x stands for the normalisation of x: rows of log_softmax have the sum 1.
    """
    if x.dtype.char in _SLOW:
        half = x.dtype
        g, x, loss = (a.astype(F32) for a in (g, x, loss))
        out = ctc_backward(g, x, y, loss, alpha, steps, sizes, blank, zero_infinity)
        return out.astype(half)
    labels, skip = states(y, blank)
    e = emissions(x, labels)
    time, n, width = e.shape
    last, end = np.array(steps) - 1, 2 * np.array(sizes)
    rows = np.arange(n)
    closed = np.ones_like(skip)  # a skip into a state is a skip out of the one two before
    closed[:, : max(width - 2, 0)] = np.logical_not(skip[:, 2:])
    wide = np.full((time, n, width + 2), -np.inf, x.dtype)
    beta = wide[:, :, :width]  # without the emission at its own time
    step = _Steps((n, width), closed, x.dtype)
    ahead = np.full((n, width + 2), -np.inf, x.dtype)
    for t in range(time - 1, -1, -1):
        if t < time - 1:
            np.add(beta[t + 1], e[t + 1], ahead[:, :width])
            step.add(ahead[:, :width], ahead[:, 1:-1], ahead[:, 2:], beta[t])
        for k in rows[last == t]:
            beta[t, k] = -np.inf
            beta[t, k, max(end[k] - 1, 0) : end[k] + 1] = 0
    p = np.add(alpha, beta)
    p += loss[:, None]
    np.exp(p, p)  # how probable each state is at each time
    out = np.exp(x)
    out[:, :, blank] -= np.add.reduce(p[:, :, 0::2], 2)
    for s in range(1, width, 2):
        out[:, rows, labels[:, s]] -= p[:, :, s]
    impossible = np.isposinf(loss)
    out[:, impossible] = 0 if zero_infinity else np.nan
    out *= g[:, None]
    out[np.arange(time)[:, None] > last] = 0
    return out
