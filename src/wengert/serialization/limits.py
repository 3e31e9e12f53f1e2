"""What a file may cost: memory and time in proportion to its size, whatever its program asks for.

A short program can ask for much: the same bytes copied a million times, keys that all fall on one
hash, tuples nested so deeply that hashing them overflows the C stack, shared tuples that are small
in memory and endless to walk. The interpreter charges what it does to a `Budget`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..core.device import device
from ..core.size import Size
from ..core.tensor import Tensor
from ..kernels.dtypes import dtype
from .formats import LoadError

_PER_BYTE = 16  # of the file: objects in memory are that much larger than their opcodes, or more
_START = 1 << 20
_DEPTH = 32  # of tuples within a key
_ALIKE = 1000  # keys of one container that may share a hash
_SIMPLE = (type(None), bool, float, complex, dtype, device, np.generic, np.dtype, Tensor)
_SIZED = (list, tuple, dict, set, frozenset)


def short(value: Any) -> str:
    """A value of the file for an error text: containers by name only, text cut off."""
    if isinstance(value, bool | float | complex | type(None) | dtype | device):
        return repr(value)
    if isinstance(value, int):
        return (
            repr(value) if value.bit_length() < 1000 else f"an integer of {value.bit_length()} bits"
        )
    if isinstance(value, str | bytes):
        return repr(value) if len(value) <= 80 else f"{value[:80]!r}..."
    if type(value) in (tuple, list) and len(value) <= 8 and all(type(v) is int for v in value):
        inner = ", ".join(map(short, value))
        return f"[{inner}]" if type(value) is list else f"({inner}{',' * (len(value) == 1)})"
    return f"a {type(value).__name__}"


class Budget:
    """The work that is left to one program."""

    def __init__(self, nbytes: int) -> None:
        self.left = _PER_BYTE * nbytes + _START
        self.alike: Counter[tuple[int, int]] = Counter()

    def spend(self, cost: int) -> None:
        """Charges bytes or steps; LoadError if the file has asked for too much."""
        self.left -= cost
        if self.left < 0:
            raise LoadError(
                "the file asks for far more memory or time than a file of its size needs: refused"
            )

    def copies(self, values: tuple[Any, ...]) -> None:
        """Charges what a constructor copies of its arguments."""
        flagged = any(type(value) is dict and value for value in values)  # a conjugate, a negative
        for value in values:
            if isinstance(value, str | bytes | bytearray):
                self.spend(len(value))
            elif isinstance(value, np.ndarray):
                self.spend(value.nbytes)
            elif isinstance(value, _SIZED):
                self.spend(_PER_BYTE * len(value))
                if type(value) is tuple and 4 <= len(value) <= 8:  # the arguments of a tensor
                    self.copies(value)
            elif flagged and hasattr(value, "nbytes") and not isinstance(value, Tensor):
                self.spend(value.nbytes())

    def key(self, container: Any, key: Any) -> None:
        """Charges the hash and the comparisons of a key; LoadError for one that no file needs."""
        kind = type(key)
        if kind is str and len(key) < 256:
            return
        if key is None or kind is bool or (kind is int and key.bit_length() <= 64):
            return
        cost, waiting = 0, [(key, 0)]
        while waiting:
            value, depth = waiting.pop()
            kind = type(value)
            cost += 1
            if kind is tuple or kind is Size or kind is frozenset:
                cost += len(value)
                if depth >= _DEPTH:
                    raise LoadError("the file uses a deeply nested tuple as a key: refused")
                self.spend(_PER_BYTE * len(value))
                waiting += [(item, depth + 1) for item in value]
            elif kind is int:
                if value.bit_length() > 64:
                    raise LoadError(
                        "the file uses an integer of more than 64 bits as a key: refused"
                    )
            elif kind is str or kind is bytes:
                cost += len(value) >> 6
            elif not isinstance(value, _SIMPLE):
                raise LoadError(f"the file uses a {kind.__name__} as a key of data.pkl: refused")
        self.spend(cost)
        if type(key) not in (int, str, bytes):
            place = (id(container), hash(key))
            self.alike[place] += 1
            if self.alike[place] > _ALIKE:
                raise LoadError("the file has too many keys of one hash: refused")
