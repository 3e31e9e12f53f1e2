"""Scaled dot-product attention over raw arrays, forward and backward."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .linalg import _SLOW, F32
from .softmax import plain_exp

Array = Any


@lru_cache(maxsize=4)
def later(rows: int, columns: int) -> Array:
    """True where a key comes after the query: above the diagonal."""
    made = np.triu(np.ones((rows, columns), np.bool_), 1)
    made.flags.writeable = False  # it is handed out again
    return made


def attention(
    q: Array, k: Array, v: Array, mask: Array | None, scale: float, causal: bool
) -> tuple[Array, Array]:
    """softmax(scale q k^T + mask) v, and the softmax.

    q (..., L, E), k (..., S, E), v (..., S, Ev). A bool mask is True where attention is allowed, any
    other is added. A row that may attend to nothing gives zeros.
    """
    if q.dtype.char in _SLOW:
        half = q.dtype
        if mask is not None and mask.dtype.kind != "b":
            mask = mask.astype(F32)
        out, p = attention(q.astype(F32), k.astype(F32), v.astype(F32), mask, scale, causal)
        return out.astype(half), p.astype(half)
    p = np.matmul(q * q.dtype.type(scale), k.swapaxes(-1, -2))
    if mask is not None:
        if mask.dtype.kind == "b":
            np.copyto(p, -np.inf, where=np.logical_not(mask))
        else:
            p += mask
    elif causal:
        np.copyto(p, -np.inf, where=later(*p.shape[-2:]))
    p = softmax_rows(p, mask is not None)
    return np.matmul(p, v), p


def softmax_rows(p: Array, guarded: bool) -> Array:
    """Softmax along the last dim, perhaps in place; guarded: a row of -inf becomes zeros."""
    if not p.shape[-1]:
        return p
    made = plain_exp(p, p.ndim - 1, 50.0)
    if made is not None:
        return np.divide(made[0], made[1], made[0])
    top = np.maximum.reduce(p, -1, keepdims=True)
    if guarded:
        np.copyto(top, 0, where=np.isneginf(top))
    p -= top
    np.exp(p, p)
    total = np.add.reduce(p, -1, keepdims=True)
    if guarded:
        np.copyto(total, 1, where=total == 0)
    p /= total
    return p


def attention_backward(
    g: Array, q: Array, k: Array, v: Array, out: Array, p: Array, scale: float, need: tuple
) -> tuple:
    """Cotangents of q, k and v.

    With P the softmax: dV = P^T G, dS = P (G V^T - sum of G O along rows), and from dS those of q, k.
    """
    if q.dtype.char in _SLOW:
        half = q.dtype
        g, q, k, v, out, p = (a.astype(F32) for a in (g, q, k, v, out, p))
        made = attention_backward(g, q, k, v, out, p, scale, need)
        return tuple([None if a is None else a.astype(half) for a in made])
    gq = gk = gv = None
    if need[2]:
        gv = np.matmul(p.swapaxes(-1, -2), g)
    if need[0] or need[1]:
        s = np.matmul(g, v.swapaxes(-1, -2))
        s -= np.einsum("...ij,...ij->...i", g, out)[..., None]
        s *= p
        number = q.dtype.type(scale)
        if need[0]:
            gq = np.matmul(s, k)
            gq *= number
        if need[1]:
            gk = np.matmul(s.swapaxes(-1, -2), q)
            gk *= number
    return gq, gk, gv
