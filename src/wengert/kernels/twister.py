"""PyTorch's CPU engine on NumPy's Mersenne Twister: seeding, state bytes and the raw streams.

Nothing here costs anything at import: numpy.random loads on the first number drawn.
Layer 0: arrays only.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Size = int | tuple[int, ...]
Snapshot = tuple[tuple[int, float | None], int, bool, Any]  # when, seed, fresh, the twister's own

FRESH_SEED = 67280421310721  # of a new torch.Generator()
STATE_SIZE = 5056

CHUNK = 1 << 15  # elements made at a time: temporaries stay in cache
_tick = itertools.count(1).__next__  # dates states, so that equal dates are equal states
_FEW = 1 << 11  # below this many words, random_raw beats Generator.integers

_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
# Constants as 0-d arrays, which ufuncs take in half the time of Python numbers.
_MASK24: dict[int, Array] = {4: np.array(0xFFFFFF, np.uint32), 8: np.array(0xFFFFFF, np.uint64)}
MASK53 = np.array((1 << 53) - 1, np.uint64)
_SHIFT32 = np.array(32, np.uint64)
_TO_UNIT32 = np.array(2.0**-24, np.float32)
_TO_UNIT64 = np.array(2.0**-53)


class Twister:
    """The state of a generator and its raw streams of words (32, 64 bits) and uniforms (24, 53)."""

    __slots__ = (
        "__weakref__", "_bits", "_fresh", "_integers", "_kept", "_legacy", "_lock", "_moved",
        "_raw", "_seed", "_spare",
    )  # fmt: skip

    def __init__(self, seed: int = FRESH_SEED) -> None:
        self._lock = Lock()
        # Three views of one twister, made by _open: the raw words, NumPy's new Generator for many
        # of them, and its old RandomState, which seeds as PyTorch does.
        self._bits: Any = None
        self._raw: Any = None
        self._integers: Any = None
        self._legacy: Any = None
        self._kept: Snapshot | None = None  # the latest snapshot
        self._set_seed(seed)

    # ---------------------------------------------------------------- state

    def _set_seed(self, seed: int) -> None:
        self._seed = seed & 0xFFFFFFFFFFFFFFFF
        self._spare: float | None = None
        self._fresh = True  # nothing drawn yet: PyTorch writes this into the state bytes
        self._moved = _tick()  # when words were last drawn
        if self._legacy is not None:
            self._legacy.seed(self._seed & 0xFFFFFFFF)

    def _open(self) -> None:
        from numpy import random

        self._bits = bits = random.MT19937(0)
        self._legacy = random.RandomState(bits)
        self._legacy.seed(self._seed & 0xFFFFFFFF)
        self._raw = bits.random_raw
        self._integers = random.Generator(bits).integers

    def initial_seed(self) -> int:
        """The seed last set, between 0 and 2**64 - 1."""
        return self._seed

    def reseed(self, seed: int) -> None:
        """Start the stream of this seed; only its low 32 bits choose the stream."""
        with self._lock:
            self._set_seed(seed)

    def state_bytes(self) -> Array:
        """The state as the 5056 uint8 values of torch.get_rng_state()."""
        with self._lock:
            if self._bits is None:
                self._open()
            state = self._bits.state["state"]
            position = int(state["pos"])
            left, after = (1, 0) if self._fresh else (625 - position, position)
            out = bytearray(STATE_SIZE)
            struct.pack_into("<QiiQ", out, 0, self._seed, left, 1, after)
            out[24:5016] = state["key"].astype("<u8").tobytes()
            if self._spare is not None:
                struct.pack_into("<dddi", out, 5016, 0.0, self._spare, 0.0, 1)
            return np.frombuffer(out, np.uint8)

    def load_state_bytes(self, state: Array) -> None:
        """Continue from a state of this or of PyTorch's making.

        Raises ValueError for a wrong size or contents; the generator is then as it was.
        """
        data = np.ascontiguousarray(state, np.uint8).tobytes()
        if len(data) != STATE_SIZE:
            raise ValueError(
                f"Expected a CPUGeneratorImplState of size {STATE_SIZE} "
                f"but found the input RNG state size to be {len(data)}"
            )
        seed, left, seeded, after = struct.unpack_from("<QiiQ", data, 0)
        # A fresh state says left 1, next 0; all others count up and down together.
        if not seeded or not 1 <= left <= 624 or after > 624 or (left > 1 and left + after != 625):
            raise ValueError("Invalid mt19937 state")
        key = np.frombuffer(data, "<u8", 624, 24).astype(np.uint32)
        _, spare, _, valid = struct.unpack_from("<dddi", data, 5016)
        with self._lock:
            if self._bits is None:
                self._open()
            position = 624 if left == 1 else after
            self._bits.state = {
                "bit_generator": "MT19937",
                "state": {"key": key, "pos": position},
            }
            self._seed, self._fresh = seed, left == 1 and after == 0
            self._spare, self._moved = spare if valid else None, _tick()

    def snapshot(self) -> Snapshot:
        """The state for `restore`; it costs next to nothing as long as nothing is drawn."""
        with self._lock:
            now = self._moved, self._spare
            if self._kept is None or self._kept[0] != now:
                words = None if self._bits is None else self._bits.state
                self._kept = now, self._seed, self._fresh, words
            return self._kept

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot, of this or of another generator."""
        now, seed, fresh, words = snapshot
        with self._lock:
            if now == (self._moved, self._spare):
                return
            if words is None:  # nothing had ever been drawn
                self._set_seed(seed)
            else:
                if self._bits is None:
                    self._open()
                self._bits.state = words
            self._seed, self._fresh = seed, fresh
            self._moved, self._spare = now
            self._kept = snapshot

    # --------------------------------------------------------------- streams

    def _words(self, n: int) -> Array:
        """The next n 32-bit words, as a new array of uint32 or uint64."""
        if self._raw is None:
            self._open()
        if n:
            self._fresh = False
            self._moved = _tick()
        if n < _FEW:
            return self._raw(n)
        # The full range needs no rejection: these are the raw words.
        return self._integers(0, 1 << 32, n, np.uint32)

    def _longs(self, n: int) -> Array:
        """The next n 64-bit words as a new uint64 array: the high 32 bits are drawn first."""
        if 2 * n < _FEW:
            words = self._words(2 * n)
            longs: Array = np.left_shift(words[0::2], _SHIFT32)
            longs |= words[1::2]
            return longs
        if self._raw is None:
            self._open()
        self._fresh = False
        self._moved = _tick()
        return self._integers(0, 1 << 64, n, np.uint64)

    def _masked(self, n: int) -> Array:
        """The low 24 bits of n words."""
        words = self._words(n)
        words &= _MASK24[words.itemsize]
        return words

    def _unit32(self, n: int) -> Array:
        out = self._masked(n).astype(_F32)
        out *= _TO_UNIT32
        return out

    def _unit64(self, n: int) -> Array:
        longs = self._longs(n)
        longs &= MASK53
        out = longs.astype(_F64)
        out *= _TO_UNIT64
        return out

    def _stream(self, size: Size, dtype: np.dtype[Any], make: Callable[[int], Array]) -> Array:
        """An array of size whose elements, in order, are what make(n) gives for the next n."""
        n = size if isinstance(size, int) else math.prod(size)
        with self._lock:
            if n <= CHUNK:
                return cast(make(n), dtype).reshape(size)
            out = np.empty(n, dtype)
            for start in range(0, n, CHUNK):
                part = out[start : start + CHUNK]
                part[...] = cast(make(part.size), dtype)
            return out.reshape(size)


def cast(x: Array, dtype: np.dtype[Any]) -> Array:
    """x in dtype; float64 becomes a 16-bit float by way of float32, rounded twice as in C++."""
    if dtype.itemsize == 2 and x.dtype == _F64 and dtype.kind not in "iu":
        x = x.astype(_F32)
    return x.astype(dtype, copy=False)
