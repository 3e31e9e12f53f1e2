"""Random permutations: PyTorch's forward Fisher-Yates shuffle, one element at a time or vectorised.

Layer 0: arrays only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_FEW = 32  # below this length even the remainders are faster one by one
_LOOP = 12000  # below this length a Python loop of swaps is faster
_LONG = (2**32 - 1) // 20  # from this length on the draws take 64 bits


def permutation(n: int, words: Callable[[int], Array], longs: Callable[[int], Array]) -> Array:
    """int64 permutation of range(n): swap element i with element i + draw % (n - i), i ascending.

    words and longs give the next raw 32- and 64-bit draws.
    """
    if n < 2:
        return np.arange(n, dtype=np.int64)
    if n < _FEW:
        order = list(range(n))
        for i, draw in enumerate(words(n - 1).tolist()):
            j = i + draw % (n - i)
            order[i], order[j] = order[j], order[i]
        return np.array(order, np.int64)
    index = np.int32 if n < 2**31 else np.int64
    draws = words(n - 1) if n < _LONG else longs(n - 1)
    draws %= np.arange(n, 1, -1, dtype=draws.dtype)
    targets: Array = draws.astype(index)
    targets = np.add(targets, np.arange(n - 1, dtype=index), out=targets)
    if n < _LOOP:
        order = list(range(n))
        for i, j in enumerate(targets.tolist()):
            order[i], order[j] = order[j], order[i]
        return np.array(order, np.int64)
    return _swapped(targets, n, index).astype(np.int64)


def _swapped(targets: Array, n: int, index: Any) -> Array:
    """range(n) after the swaps i <-> targets[i] in order, many at a time.

    A swap may run as soon as it is the earliest pending one at both of its places; running all
    such swaps together, round by round, gives the sequential result ("Sequential random
    permutation, list contraction and tree contraction are highly parallel", Shun, Gu, Blelloch,
    Fineman, Gibbons, SODA 2015).
    """
    order = np.arange(n, dtype=index)
    first = np.full(n, n, dtype=index)  # the earliest pending swap at each place
    window = max(1024, n // 50)
    pending = np.empty(0, index)
    started, total = 0, n - 1
    while started < total or pending.size:
        if pending.size < window and started < total:
            stop = min(started + window - pending.size, total)
            pending = np.concatenate([pending, np.arange(started, stop, dtype=index)])
            started = stop
        there = targets[pending]
        first[there[::-1]] = pending[::-1]  # the last write wins: the earliest swap
        first[pending] = np.minimum(first[pending], pending)
        ready = (first[there] == pending) & (first[pending] == pending)
        i, j = pending[ready], there[ready]
        order[i], order[j] = order[j], order[i]
        first[there] = n
        first[pending] = n
        pending = pending[~ready]
    return order
