"""Recurrent layers over whole sequences, forward and backward: tanh, relu, LSTM and GRU.

One call is one layer in one direction. All input projections are one product before the loop over
time, all gradients of weights one product after it; a step in between is one product and a few
in-place ufuncs. The sigmoids are 0.5 tanh(a / 2) + 0.5, with the halves folded into the weights, so
that one tanh serves all gates.

Rows of a packed sequence are handled as views: `sizes` holds how many sequences are alive at every
step, in the order of the data (None: x has dims (time, batch, features)).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .numeric import HALF, SINGLE

Array = Any
_BLOCK = 1 << 14  # elements of one gate that are prepared for backward at a time


def in_single(kernel: Callable) -> Callable:
    """Compute float16 in float32; arrays inside of tuples too."""

    def cast(a: Any, d: Any) -> Any:
        if isinstance(a, tuple):
            return tuple([cast(v, d) for v in a])
        return a.astype(d) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a

    def run(*args: Any) -> Any:
        first = next(a for a in args if isinstance(a, np.ndarray))
        if first.dtype is not HALF:
            return kernel(*args)
        return cast(kernel(*[cast(a, SINGLE) for a in args]), HALF)

    return run


# ---------------------------------------------------------------- steps
def _steps(a: Array, sizes: tuple | None, count: int, reverse: bool) -> list:
    """The rows of every step of a 2-d array, as views, in the order in which steps are computed."""
    if sizes is None:
        views = list(a.reshape(count, len(a) // count, a.shape[-1]))
    else:
        ends = np.cumsum(sizes).tolist()
        views = [a[e - n : e] for e, n in zip(ends, sizes, strict=True)]
    return views[::-1] if reverse else views


def _fit(h: Array, rows: int, first: Array, last: Array) -> Array:
    """Bring a state to the number of sequences of the next step.

    Those that join come from `first`, those that leave go to `last`.
    """
    n = len(h)
    if rows < n:
        last[rows:n] = h[rows:]
        return h[:rows]
    return np.concatenate([h, first[n:rows]])


def _before(outs: list, first: Array) -> list:
    """The state before every step, given those after and the first one."""
    h, made = first[: len(outs[0])], []
    for out in outs:
        if len(out) != len(h):
            h = (
                h[: len(out)]
                if len(out) < len(h)
                else np.concatenate([h, first[len(h) : len(out)]])
            )
        made.append(h)
        h = out
    return made


def _joined(views: list, reverse: bool) -> Array:
    """The rows of all steps below each other, in the order of the data."""
    return np.concatenate(views[::-1] if reverse else views)


def _count(x: Array, sizes: tuple | None) -> int:
    return x.shape[0] if sizes is None else len(sizes)


def _shaped(a: Array, x: Array) -> Array:
    return a.reshape(x.shape[:-1] + a.shape[-1:])


@lru_cache(maxsize=32)
def halves(gates: int, plain: int, hidden: int, d: Any) -> tuple:
    """Rows 0.5 and 0.5 for sigmoid gates, 1 and 0 for the one with plain tanh."""
    factor = np.full((gates, hidden), 0.5, d)
    shift = factor.copy()
    if plain >= 0:
        factor[plain], shift[plain] = 1, 0
    return factor.reshape(-1), shift.reshape(-1)


def _blocks(steps: list, rows: int, hidden: int, reverse: bool) -> Any:
    """Split the steps, from the last one back, into blocks that stay in the cache.

    Yields a slice of steps and the slice of rows that they are; the rows of a block lie together.
    """
    size = max(1, _BLOCK // max(1, rows * hidden))
    done = sum([len(a) for a in steps])
    total = done
    for end in range(len(steps), 0, -size):
        cut = slice(max(0, end - size), end)
        n = sum([len(a) for a in steps[cut]])
        done -= n
        start = total - done - n if reverse else done
        yield cut, slice(start, start + n)


# ---------------------------------------------------------------- tanh and relu
@in_single
def rnn(
    x: Array, h: Array, wi: Array, wh: Array, bi: Array | None, bh: Array | None,
    relu: bool, sizes: tuple | None, reverse: bool,
) -> tuple:  # fmt: skip
    """h' = tanh or relu(Wi x + bi + Wh h + bh): (outputs, last state)."""
    count = _count(x, sizes)
    out = x.reshape(-1, x.shape[-1]).dot(wi.T)
    if bi is not None:
        out += bi + bh
    wt = wh.T if count == 1 else np.ascontiguousarray(wh.T)
    first, last = h, np.empty_like(h)
    h = h[: sizes[-1 if reverse else 0]] if sizes is not None else h
    room = np.empty_like(out, shape=(len(first), out.shape[-1]))
    zero = np.zeros((), out.dtype)
    for a in _steps(out, sizes, count, reverse):
        if len(a) != len(h):
            h = _fit(h, len(a), first, last)
        part = room[: len(a)]
        np.dot(h, wt, part)
        np.add(a, part, a)
        h = np.maximum(a, zero, out=a) if relu else np.tanh(a, a)
    last[: len(h)] = h
    return _shaped(out, x), last


@in_single
def rnn_backward(
    gs: tuple, x: Array, h: Array, wi: Array, wh: Array, out: Array,
    relu: bool, sizes: tuple | None, reverse: bool, need: tuple,
) -> tuple:  # fmt: skip
    """Cotangents of x, h, wi, wh, bi, bh given those of the outputs and of the last state."""
    count, hidden = _count(x, sizes), wh.shape[0]
    out = out.reshape(-1, hidden)
    gout = None if gs[0] is None else gs[0].reshape(-1, hidden)
    d = np.empty_like(out)
    outs, ds = _steps(out, sizes, count, reverse), _steps(d, sizes, count, reverse)
    gouts = [None] * count if gout is None else _steps(gout, sizes, count, reverse)
    g_last = np.zeros_like(h) if gs[1] is None else gs[1]
    g_first = np.empty_like(h)
    dh = g_last[: len(outs[-1])]
    for cut, rows in _blocks(ds, len(h), hidden, reverse):
        o, slope = out[rows], d[rows]
        if relu:
            np.greater(o, 0, slope, casting="unsafe")
        else:
            np.multiply(o, o, slope)
            np.subtract(1, slope, slope)
        for a, g in zip(ds[cut][::-1], gouts[cut][::-1], strict=True):
            if len(a) != len(dh):
                dh = _fit(dh, len(a), g_last, g_first)
            a *= dh if g is None else dh + g
            dh = a.dot(wh)
    g_first[: len(dh)] = dh
    total = np.add.reduce(d, 0) if need[4] or need[5] else None
    return (
        _shaped(d.dot(wi), x) if need[0] else None,
        g_first if need[1] else None,
        d.T.dot(x.reshape(-1, x.shape[-1])) if need[2] else None,
        d.T.dot(_joined(_before(outs, h), reverse)) if need[3] else None,
        total if need[4] else None,
        total if need[5] else None,
    )


# ---------------------------------------------------------------- LSTM
@in_single
def lstm(
    x: Array, h: Array, c: Array, wi: Array, wh: Array, bi: Array | None, bh: Array | None,
    wr: Array | None, sizes: tuple | None, reverse: bool,
) -> tuple:  # fmt: skip
    """Long short-term memory: (outputs, last h, last c, what backward needs).

    i, f, o = sigmoid, g = tanh of the four parts of Wi x + bi + Wh h + bh; c' = f c + i g and
    h' = o tanh(c'), which Wr projects if given. Hochreiter and Schmidhuber 1997; Gers et al. 2000.
    The last result is one flat array of the gates, all c' and all tanh(c').
    """
    count, hidden = _count(x, sizes), c.shape[-1]
    x2 = x.reshape(-1, x.shape[-1])
    n = len(x2)
    kept = np.empty(6 * n * hidden, x.dtype)
    gates, cs, ts = _parts(kept, n, hidden)
    out = np.empty((n, h.shape[-1]), x.dtype)
    factor, shift = halves(4, 2, hidden, x.dtype)
    many = count > 1
    np.dot(x2, (wi * factor[:, None] if many else wi).T, gates)
    if bi is not None:
        gates += (bi + bh) * factor if many else bi + bh
    wt = np.multiply(wh.T, factor, order="C") if many else wh.T
    first, last, first_c, last_c = h, np.empty_like(h), c, np.empty_like(c)
    if sizes is not None:
        b = sizes[-1 if reverse else 0]
        h, c = h[:b], c[:b]
    room = np.empty((len(first), 4 * hidden), x.dtype)
    room_h = np.empty((len(first), hidden), x.dtype)
    # whole arrays: a ufunc broadcasts a row three times slower
    factors, shifts = (np.repeat(v[None], len(first), 0) for v in (factor, shift))
    part, product, scale, offset = (v[: len(h)] for v in (room, room_h, factors, shifts))
    factors, shifts = (np.repeat(v[None], len(first), 0) for v in (factor, shift))
    add, dot, multiply, tanh = np.add, np.dot, np.multiply, np.tanh
    lists = [_steps(v, sizes, count, reverse) for v in (gates, cs, ts, out)]
    for a, c_new, t, h_new in zip(*lists, strict=True):
        b = len(a)
        if b != len(h):
            h, c = _fit(h, b, first, last), _fit(c, b, first_c, last_c)
            part, product, scale, offset = (v[:b] for v in (room, room_h, factors, shifts))
        dot(h, wt, part)
        add(a, part, a)
        if not many:
            multiply(a, scale, a)
        tanh(a, a)
        multiply(a, scale, a)
        add(a, offset, a)
        multiply(a[:, hidden : 2 * hidden], c, c_new)
        multiply(a[:, :hidden], a[:, 2 * hidden : 3 * hidden], product)
        c = add(c_new, product, c_new)
        tanh(c, t)
        if wr is None:
            h = multiply(a[:, 3 * hidden :], t, h_new)
        else:
            multiply(a[:, 3 * hidden :], t, product)
            h = dot(product, wr.T, h_new)
    last[: len(h)], last_c[: len(c)] = h, c
    return _shaped(out, x), last, last_c, kept


def _parts(kept: Array, n: int, hidden: int) -> tuple:
    """The gates (n, 4 hidden), all c and all tanh(c), as views of what `lstm` keeps."""
    size = n * hidden
    return (
        kept[: 4 * size].reshape(n, 4 * hidden),
        kept[4 * size : 5 * size].reshape(n, hidden),
        kept[5 * size :].reshape(n, hidden),
    )


def lstm_slopes(a: Array, c: Array, t: Array, d: Array, k: Array) -> None:
    """For rows of gates, c before and tanh(c) after: what dc (i, f, g) and dh (o) are multiplied by.

    They go to d, and the slope of h by c to k.
    """
    m = c.shape[-1]
    i, _, g, o = (a[:, j * m : (j + 1) * m] for j in range(4))
    np.subtract(1, a, d)
    d *= a
    d[:, :m] *= g
    d[:, m : 2 * m] *= c
    last = d[:, 2 * m : 3 * m]
    np.multiply(g, g, last)
    np.subtract(1, last, last)
    last *= i
    d[:, 3 * m :] *= t
    np.multiply(t, t, k)
    np.subtract(1, k, k)
    k *= o


@in_single
def lstm_backward(
    gs: tuple, x: Array, h: Array, c: Array, wi: Array, wh: Array, wr: Array | None, out: Array,
    kept: Array, sizes: tuple | None, reverse: bool, need: tuple,
) -> tuple:  # fmt: skip
    """Cotangents of x, h, c, wi, wh, bi, bh, wr given those of the outputs, last h and last c."""
    count, hidden, width = _count(x, sizes), c.shape[-1], h.shape[-1]
    x2 = x.reshape(-1, x.shape[-1])
    n = len(x2)
    gates, cs, ts = _parts(kept, n, hidden)
    d = np.empty_like(gates)
    dhs: Any = None if wr is None else np.empty((n, width), x.dtype)
    slopes = np.empty_like(cs)
    a_list, c_list, d_list, k_list = (
        _steps(v, sizes, count, reverse) for v in (gates, cs, d, slopes)
    )
    c_before = _before(c_list, c)
    g_list = (
        [None] * count if gs[0] is None else _steps(gs[0].reshape(n, width), sizes, count, reverse)
    )
    dh_list = [None] * count if dhs is None else _steps(dhs, sizes, count, reverse)
    last, last_c = (np.zeros_like(s) if g is None else g for s, g in ((h, gs[1]), (c, gs[2])))
    first, first_c = np.empty_like(h), np.empty_like(c)
    b = len(a_list[-1])
    dh, dc = last[:b], last_c[:b].copy()
    multiply, add = np.multiply, np.add
    lists = a_list, d_list, k_list, g_list, dh_list
    for cut, rows in _blocks(a_list, len(h), hidden, reverse):
        lstm_slopes(gates[rows], _joined(c_before[cut], reverse), ts[rows], d[rows], slopes[rows])
        for a, s, k, g, kept_dh in zip(*[v[cut][::-1] for v in lists], strict=True):
            b = len(a)
            if b != len(dh):
                dh, dc = _fit(dh, b, last, first), _fit(dc, b, last_c, first_c)
            if g is not None:
                dh = add(dh, g)
            if kept_dh is not None:
                kept_dh[...] = dh
                dh = dh.dot(wr)
            multiply(k, dh, k)
            dc = add(dc, k, k)
            part = s[:, 3 * hidden :]
            multiply(part, dh, part)
            part = s[:, : 3 * hidden].reshape(b, 3, hidden)  # a view
            multiply(part, dc[:, None], part)
            dc = multiply(dc, a[:, hidden : 2 * hidden], dc)
            dh = s.dot(wh)
    first[: len(dh)], first_c[: len(dc)] = dh, dc
    total = np.add.reduce(d, 0) if need[5] or need[6] else None
    g_wr = None
    if wr is not None and need[7]:
        g_wr = dhs.T.dot(gates[:, 3 * hidden :] * ts)
    before = None
    if need[4]:
        before = _joined(_before(_steps(out.reshape(n, width), sizes, count, reverse), h), reverse)
    return (
        _shaped(d.dot(wi), x) if need[0] else None,
        first if need[1] else None,
        first_c if need[2] else None,
        d.T.dot(x2) if need[3] else None,
        None if before is None else d.T.dot(before),
        total if need[5] else None,
        total if need[6] else None,
        g_wr,
    )


# ---------------------------------------------------------------- GRU
@in_single
def gru(
    x: Array, h: Array, wi: Array, wh: Array, bi: Array | None, bh: Array | None,
    sizes: tuple | None, reverse: bool,
) -> tuple:  # fmt: skip
    """Gated recurrent unit: (outputs, last h, what backward needs).

    r, z = sigmoid of two parts of Wi x + bi + Wh h + bh; n = tanh(Wi x + bi + r (Wh h + bh)) with
    their third part; h' = (1 - z) n + z h. Cho et al. 2014. The last result is one flat array of
    the gates and of all Wh h + bh of the third part.
    """
    count, hidden = _count(x, sizes), h.shape[-1]
    x2 = x.reshape(-1, x.shape[-1])
    n = len(x2)
    two = 2 * hidden
    kept = np.empty(4 * n * hidden, x.dtype)
    gates, ms = (
        kept[: 3 * n * hidden].reshape(n, 3 * hidden),
        kept[3 * n * hidden :].reshape(n, hidden),
    )
    out = np.empty((n, hidden), x.dtype)
    factor, _ = halves(3, 2, hidden, x.dtype)
    half = factor[0]
    np.dot(x2, (wi * factor[:, None]).T, gates)
    b_n = None
    if bi is not None and bh is not None:
        b = bi * factor
        b[:two] += bh[:two] * half
        gates += b
        b_n = bh[two:]
    wt = np.multiply(wh.T, factor, order="C")
    first, last = h, np.empty_like(h)
    if sizes is not None:
        h = h[: sizes[-1 if reverse else 0]]
    room = np.empty((len(first), 3 * hidden), x.dtype)
    add, dot, multiply, tanh, subtract = np.add, np.dot, np.multiply, np.tanh, np.subtract
    lists = [_steps(v, sizes, count, reverse) for v in (gates, ms, out)]
    for a, m, h_new in zip(*lists, strict=True):
        b = len(a)
        if b != len(h):
            h = _fit(h, b, first, last)
        part = room if len(room) == b else room[:b]
        dot(h, wt, part)
        rz = a[:, :two]
        add(rz, part[:, :two], rz)
        tanh(rz, rz)
        multiply(rz, half, rz)
        add(rz, half, rz)
        if b_n is None:
            m[...] = part[:, two:]
        else:
            add(part[:, two:], b_n, m)
        new = a[:, two:]
        multiply(rz[:, :hidden], m, h_new)
        add(new, h_new, new)
        tanh(new, new)
        subtract(h, new, h_new)
        multiply(h_new, rz[:, hidden:], h_new)
        h = add(h_new, new, h_new)
    last[: len(h)] = h
    return _shaped(out, x), last, kept


def gru_slopes(a: Array, m: Array, h: Array, d: Array, k: Array) -> None:
    """For rows of gates, Wh h + bh and h before: what dh is multiplied by.

    k gets that of the third part before its activation; d those of the parts of Wh h + bh.
    """
    n = h.shape[-1]
    r, z, new = (a[:, j * n : (j + 1) * n] for j in range(3))
    np.subtract(1, a, d)  # 1 - r, 1 - z, and room
    d_r, d_z, d_n = (d[:, j * n : (j + 1) * n] for j in range(3))
    np.multiply(new, new, k)
    np.subtract(1, k, k)
    k *= d_z
    np.multiply(k, r, d_n)
    d_r *= d_n
    d_r *= m
    d_z *= z
    d_z *= h - new


@in_single
def gru_backward(
    gs: tuple, x: Array, h: Array, wi: Array, wh: Array, out: Array, kept: Array,
    sizes: tuple | None, reverse: bool, need: tuple,
) -> tuple:  # fmt: skip
    """Cotangents of x, h, wi, wh, bi, bh given those of the outputs and of the last state."""
    count, hidden = _count(x, sizes), h.shape[-1]
    x2 = x.reshape(-1, x.shape[-1])
    n = len(x2)
    two = 2 * hidden
    gates, ms = (
        kept[: 3 * n * hidden].reshape(n, 3 * hidden),
        kept[3 * n * hidden :].reshape(n, hidden),
    )
    d, k = np.empty_like(gates), np.empty_like(ms)
    a_list, d_list, k_list = (_steps(v, sizes, count, reverse) for v in (gates, d, k))
    before = _before(_steps(out.reshape(n, hidden), sizes, count, reverse), h)
    g_list = (
        [None] * count if gs[0] is None else _steps(gs[0].reshape(n, hidden), sizes, count, reverse)
    )
    last = np.zeros_like(h) if gs[1] is None else gs[1]
    first = np.empty_like(h)
    dh = last[: len(a_list[-1])]
    lists = a_list, d_list, k_list, g_list
    for cut, rows in _blocks(a_list, len(h), hidden, reverse):
        gru_slopes(gates[rows], ms[rows], _joined(before[cut], reverse), d[rows], k[rows])
        for a, s, t, g in zip(*[v[cut][::-1] for v in lists], strict=True):
            b = len(a)
            if b != len(dh):
                dh = _fit(dh, b, last, first)
            if g is not None:
                dh = np.add(dh, g)
            np.multiply(t, dh, t)
            wide = s.reshape(b, 3, hidden)
            wide *= dh[:, None]
            direct = np.multiply(dh, a[:, hidden:two])
            dh = s.dot(wh)
            dh += direct
    first[: len(dh)] = dh
    g_wh = d.T.dot(_joined(before, reverse)) if need[3] else None
    g_bh = np.add.reduce(d, 0) if need[5] else None
    d[:, two:] = k  # from here on the cotangent of the parts of Wi x + bi
    return (
        _shaped(d.dot(wi), x) if need[0] else None,
        first if need[1] else None,
        d.T.dot(x2) if need[2] else None,
        g_wh,
        np.add.reduce(d, 0) if need[4] else None,
        g_bh,
    )
