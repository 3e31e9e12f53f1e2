"""Connectionist temporal classification over raw arrays: the forward-backward algorithm.

Graves et al., "Connectionist Temporal Classification", 2006. A target of S labels becomes 2 S + 1
states, blanks between and around the labels. Probabilities are logarithms; one step in time is a few
ufuncs over all sequences and states.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .linalg import F32, _SLOW

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


def _log_sum(a: Array, b: Array, c: Array, room: Array) -> Array:
    """log(e^a + e^b + e^c) in `room`, -inf where all three are."""
    top = np.maximum(a, b, room)
    np.maximum(top, c, top)
    safe = np.where(np.isneginf(top), top.dtype.type(0), top)
    total = np.exp(a - safe)
    total += np.exp(b - safe)
    total += np.exp(c - safe)
    np.log(total, total)
    return np.add(total, safe, room)


def _shifted(a: Array, by: int, room: Array) -> Array:
    """a moved along the states, -inf coming in."""
    if by > 0:
        room[:, :by] = -np.inf
        room[:, by:] = a[:, : a.shape[1] - by]
    else:
        room[:, by:] = -np.inf
        room[:, :by] = a[:, -by:]
    return room


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
    alpha = np.full(e.shape, -np.inf, x.dtype)
    if time:
        alpha[0, :, :1] = e[0, :, :1]
        some = np.array(sizes) > 0
        alpha[0, some, 1:2] = e[0, some, 1:2]
    one, two = np.empty((n, width), x.dtype), np.empty((n, width), x.dtype)
    no_skip = np.logical_not(skip)
    for t in range(1, time):
        a = alpha[t - 1]
        _shifted(a, 1, one)
        _shifted(a, min(2, width), two)
        np.copyto(two, -np.inf, where=no_skip)
        out = _log_sum(a, one, two, alpha[t])
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
        wide = [a.astype(F32) if a.dtype.kind == "f" else a for a in (g, x, y, loss, alpha)]
        return ctc_backward(*wide, steps, sizes, blank, zero_infinity).astype(x.dtype)
    labels, skip = states(y, blank)
    e = emissions(x, labels)
    time, n, width = e.shape
    last, end = np.array(steps) - 1, 2 * np.array(sizes)
    rows = np.arange(n)
    start = np.full((n, width), -np.inf, x.dtype)
    start[rows, end] = 0
    start[rows[end > 0], end[end > 0] - 1] = 0
    leave = np.ones_like(skip)  # a skip into a state is a skip out of the one two before
    leave[:, : max(width - 2, 0)] = np.logical_not(skip[:, 2:])
    one, two = np.empty((n, width), x.dtype), np.empty((n, width), x.dtype)
    beta = np.full((n, width), -np.inf, x.dtype)  # without the emission at its own time
    out = np.exp(x)
    shift = loss[:, None]
    with_emission = np.empty((n, width), x.dtype)
    for t in range(time - 1, -1, -1):
        if t < time - 1:
            np.add(beta, e[t + 1], with_emission)
            _shifted(with_emission, -1, one)
            _shifted(with_emission, -min(2, width), two)
            np.copyto(two, -np.inf, where=leave)
            beta = _log_sum(with_emission, one, two, np.empty_like(beta))
        ends = last == t
        if ends.any():
            beta[ends] = start[ends]
        p = np.exp(alpha[t] + beta + shift)  # how probable each state is
        out[t, :, blank] -= np.add.reduce(p[:, 0::2], 1)
        for s in range(1, width, 2):
            out[t, rows, labels[:, s]] -= p[:, s]
    out[np.arange(time)[:, None] > last] = 0
    out *= g[:, None]
    if zero_infinity:
        out[:, np.isposinf(loss)] = 0
    return out
