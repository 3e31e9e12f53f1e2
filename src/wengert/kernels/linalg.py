"""Products of matrices over raw arrays.

NumPy multiplies 16-bit floats without BLAS, 450 times slower: they are computed in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import numpy as np

from .layouts import packed

ndarray = np.ndarray
F32 = np.dtype("f4")
_SLOW = frozenset("eE")  # the dtypes that have no BLAS: float16, bfloat16 (of ml_dtypes)


def wide(kernel: Callable) -> Callable:
    """Let a product of two arrays compute 16-bit floats in float32."""

    @wraps(kernel)
    def k(x: ndarray, y: ndarray, *params: Any) -> Any:
        if x.dtype.char in _SLOW:
            return kernel(x.astype(F32), y.astype(F32), *params).astype(x.dtype)
        return kernel(x, y, *params)

    return k


# The three products of the mm family are each other's derivatives. The last dim of x (of both in
# tn) may have any dims before it: they are rows. On the warm path, so without `wide` around them.
def mm(x: ndarray, y: ndarray) -> Any:
    """x @ y for a matrix y."""
    if x.dtype.char in _SLOW:
        return mm(x.astype(F32), y.astype(F32)).astype(x.dtype)
    if x.ndim <= 2:
        return x.dot(y)
    return x.reshape(-1, x.shape[-1]).dot(y).reshape(x.shape[:-1] + y.shape[1:])


def mm_nt(x: ndarray, y: ndarray) -> Any:
    """x @ y.T for a matrix y."""
    if x.dtype.char in _SLOW:
        return mm_nt(x.astype(F32), y.astype(F32)).astype(x.dtype)
    if x.ndim <= 2:
        return x.dot(y.T)
    return x.reshape(-1, x.shape[-1]).dot(y.T).reshape(x.shape[:-1] + y.shape[:1])


def mm_tn(x: ndarray, y: ndarray) -> Any:
    """x.T @ y, summed over all rows."""
    if x.dtype.char in _SLOW:
        return mm_tn(x.astype(F32), y.astype(F32)).astype(x.dtype)
    if x.ndim == 2 and y.ndim == 2:
        return x.T.dot(y)
    return x.reshape(-1, x.shape[-1]).T.dot(y.reshape(-1, y.shape[-1]))


# The same for stacks of matrices with equal leading dims.
@wide
def bmm(x: ndarray, y: ndarray) -> Any:
    """x @ y."""
    return x.dot(y) if x.ndim == 2 else packed(np.matmul(x, y))


@wide
def bmm_nt(x: ndarray, y: ndarray) -> Any:
    """x @ y.mT."""
    return x.dot(y.T) if x.ndim == 2 else np.matmul(x, y.swapaxes(-1, -2))


@wide
def bmm_tn(x: ndarray, y: ndarray) -> Any:
    """x.mT @ y."""
    return x.T.dot(y) if x.ndim == 2 else np.matmul(x.swapaxes(-1, -2), y)


# Matrix (of any number of rows' dims) times vector, vector times matrix, and outer product: again
# each other's derivatives.
@wide
def mv(x: ndarray, y: ndarray) -> Any:
    """x @ y for a vector y."""
    if x.ndim <= 2:
        return x.dot(y)
    return x.reshape(-1, x.shape[-1]).dot(y).reshape(x.shape[:-1])


@wide
def vm(x: ndarray, y: ndarray) -> Any:
    """The rows of y, added up with the weights x."""
    return x.dot(y) if x.ndim == 1 else x.reshape(-1).dot(y.reshape(-1, y.shape[-1]))


def outer(x: ndarray, y: ndarray) -> Any:
    """x[..., None] * y for a vector y."""
    return x[..., None] * y


@wide
def dot(x: ndarray, y: ndarray) -> Any:
    """The sum of products of two vectors."""
    return x.dot(y)


# ------------------------------------------------------------------- einsum's one step
@lru_cache(maxsize=1024)
def _plan(lx: tuple, ly: tuple, lo: tuple) -> tuple:
    """How to bring the dims of two operands into the order (batch, own, summed)."""
    in_x, in_y, in_o = set(lx), set(ly), set(lo)
    batch = [c for c in lx if c in in_y and c in in_o]
    summed = [c for c in lx if c in in_y and c not in in_o]
    own_x = [c for c in lx if c not in in_y]
    own_y = [c for c in ly if c not in in_x]
    order_x = tuple([lx.index(c) for c in (*batch, *own_x, *summed)])
    order_y = tuple([ly.index(c) for c in (*batch, *summed, *own_y)])
    made = [*batch, *own_x, *own_y]
    order_o = tuple([made.index(c) for c in lo])
    plain = order_o == tuple(range(len(lo)))
    return len(batch), len(own_x), len(summed), order_x, order_y, None if plain else order_o


@wide
def contract(x: ndarray, y: ndarray, lx: tuple, ly: tuple, lo: tuple) -> Any:
    """Sum x * y over the labels of both that lo lacks; every other label is in lo."""
    nb, nx, ns, order_x, order_y, order_o = _plan(lx, ly, lo)
    x, y = x.transpose(order_x), y.transpose(order_y)
    lead, own_x = x.shape[:nb], x.shape[nb : nb + nx]
    own_y = y.shape[nb + ns :]
    if ns == 0:
        out = x.reshape(lead + own_x + (1,) * len(own_y)) * y.reshape(lead + (1,) * nx + own_y)
    else:
        k = 1
        for n in x.shape[nb + nx :]:
            k *= n
        if nb == 0:
            out = x.reshape(-1 if k else _count(own_x), k).dot(
                y.reshape(k, -1 if k else _count(own_y))
            )
        else:
            b = _count(lead)
            out = np.matmul(x.reshape(b, _count(own_x), k), y.reshape(b, k, _count(own_y)))
        out = out.reshape(lead + own_x + own_y)
    return out if order_o is None else out.transpose(order_o)


def _count(shape: tuple) -> int:
    n = 1
    for m in shape:
        n *= m
    return n


def cross(x: ndarray, y: ndarray, dim: int) -> ndarray:
    """The vector product along one dim of size 3."""
    x, y = np.moveaxis(x, dim, 0), np.moveaxis(y, dim, 0)
    out = np.empty(np.broadcast_shapes(x.shape, y.shape), x.dtype)
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        out[k] = x[i] * y[j] - x[j] * y[i]
    return np.moveaxis(out, 0, dim)
