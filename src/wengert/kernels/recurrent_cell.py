"""One step of an LSTM and of a GRU over raw arrays, forward and backward; see recurrent.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from .recurrent import Array, gru_slopes, halves, in_single, lstm_slopes


@in_single
def lstm_cell(
    x: Array, h: Array, c: Array, wi: Array, wh: Array, bi: Array | None, bh: Array | None
) -> tuple:
    """The next h and c, the gates and tanh(c), which backward needs."""
    n = c.shape[-1]
    a = x.dot(wi.T)
    a += h.dot(wh.T)
    if bi is not None:
        a += bi
        a += bh
    factor, shift = halves(4, 2, n, a.dtype)
    a *= factor
    np.tanh(a, a)
    a *= factor
    a += shift
    c = c * a[:, n : 2 * n]
    c += a[:, :n] * a[:, 2 * n : 3 * n]
    t = np.tanh(c)
    return a[:, 3 * n :] * t, c, a, t


@in_single
def lstm_cell_backward(
    gs: tuple, x: Array, h: Array, c: Array, wi: Array, wh: Array, a: Array, t: Array, need: tuple
) -> tuple:
    """Cotangents of x, h, c, wi, wh, bi, bh given those of the next h and c."""
    n = c.shape[-1]
    d, k = np.empty_like(a), np.empty_like(t)
    lstm_slopes(a, c, t, d, k)
    gh, gc = gs
    if gh is None:
        d[:, 3 * n :] = 0
        k = np.array(gc)
    else:
        d[:, 3 * n :] *= gh
        k *= gh
        if gc is not None:
            k += gc
    three = d[:, : 3 * n].reshape(len(d), 3, n)  # a view
    three *= k[:, None]
    return _from_slopes(d, d, x, h, wi, wh, k * a[:, n : 2 * n] if need[2] else None, need)


@in_single
def gru_cell(
    x: Array, h: Array, wi: Array, wh: Array, bi: Array | None, bh: Array | None
) -> tuple:
    """The next h, the gates, and the part of Wh h + bh that r multiplies, for backward."""
    n = h.shape[-1]
    a, b = x.dot(wi.T), h.dot(wh.T)
    if bi is not None:
        a += bi
        b += bh
    m = b[:, 2 * n :]
    gates = a[:, : 2 * n]
    gates += b[:, : 2 * n]
    half = halves(3, 2, n, a.dtype)[0][0]
    gates *= half
    np.tanh(gates, gates)
    gates *= half
    gates += half
    new = a[:, 2 * n :]
    new += gates[:, :n] * m
    np.tanh(new, new)
    out = h - new
    out *= gates[:, n:]
    out += new
    return out, a, np.ascontiguousarray(m)


@in_single
def gru_cell_backward(
    g: Array, x: Array, h: Array, wi: Array, wh: Array, a: Array, m: Array, need: tuple
) -> tuple:
    """Cotangents of x, h, wi, wh, bi, bh given that of the next h."""
    n = h.shape[-1]
    d, k = np.empty_like(a), np.empty_like(m)
    gru_slopes(a, m, h, d, k)
    wide = d.reshape(len(d), 3, n)
    wide *= g[:, None]
    k *= g
    own = np.concatenate([d[:, : 2 * n], k], 1)  # the cotangent of Wi x + bi
    gx, gh, _, *rest = _from_slopes(own, d, x, h, wi, wh, None, (*need[:2], False, *need[2:]))
    if gh is not None:
        gh += g * a[:, n : 2 * n]
    return (gx, gh, *rest)


def _from_slopes(
    dx: Array, dh: Array, x: Array, h: Array, wi: Array, wh: Array, gc: Any, need: tuple
) -> tuple:
    """Cotangents of x, h, c, wi, wh, bi, bh from those of Wi x + bi and Wh h + bh."""
    one = dx is dh
    bi = np.add.reduce(dx, 0) if need[5] or (one and need[6]) else None
    return (
        dx.dot(wi) if need[0] else None,
        dh.dot(wh) if need[1] else None,
        gc,
        dx.T.dot(x) if need[3] else None,
        dh.T.dot(h) if need[4] else None,
        bi if need[5] else None,
        (bi if one else np.add.reduce(dh, 0)) if need[6] else None,
    )
