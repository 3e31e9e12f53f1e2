"""Convolution of every channel with weights of its own, one tap of the window at a time.

A padded block of images lies flat in memory, so the elements that one tap meets at all places are
one long run, shifted by the place of the tap in the window. A run covers padding too: what is
computed there is cut away in the end. With a stride, an image is first parted into its *phases* (the
elements of every stride-th row and column), and a tap finds its run in one of them.

Shapes: input (N, C, *S), weights (C, O / C, taps), result (N, O, *L).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from .numeric import Array

Ints = tuple[int, ...]

_BLOCK = 1 << 16  # elements of a block: some of these stay in a second-level cache


class _Block:
    """How the images of some samples and channels are laid out."""

    def __init__(
        self, size: Ints, kernel: Ints, out: Ints, stride: Ints, padding: Ints, dilation: Ints
    ) -> None:
        self.size, self.out, self.stride, self.padding = size, out, stride, padding
        self.parted = any(s != 1 for s in stride)
        self.phase = tuple(
            [(n + 2 * p - 1) // s + 1 for n, p, s in zip(size, padding, stride, strict=True)]
        )
        self.places = math.prod(self.phase)
        steps = [math.prod(self.phase[d + 1 :]) for d in range(len(size))]
        self.taps = []  # for each, its phase and the shift of its run
        for at in product(*map(range, kernel)):
            far = [k * d for k, d in zip(at, dilation, strict=True)]
            shift = sum(f // s * step for f, s, step in zip(far, stride, steps, strict=True))
            self.taps.append((tuple([f % s for f, s in zip(far, stride, strict=True)]), shift))
        self.lost = max([shift for _, shift in self.taps])  # places at the end that are no window

    def cuts(self, n: int, channels: int) -> Iterator[tuple[slice, slice]]:
        """Cut samples and channels into blocks."""
        few = min(n, max(1, _BLOCK // self.places))
        step = max(1, _BLOCK // (few * self.places))
        for c in range(0, channels, step):
            for i in range(0, n, few):
                yield slice(i, i + few), slice(c, c + step)

    def phases(self, x: Array) -> Array:
        """(N, C, *S), padded, as phases (*stride, C, N * places)."""
        n, c = x.shape[:2]
        wide = self._wide(n, c, x.dtype)
        self._inner(wide)[...] = x.swapaxes(0, 1)
        if not self.parted:
            return wide.reshape(*self.stride, c, -1)
        return np.ascontiguousarray(self._turned(wide)).reshape(*self.stride, c, -1)

    def images(self, phases: Array, n: int, c: int) -> Array:
        """The reverse of `phases`."""
        if not self.parted:
            wide = phases.reshape(c, n, *self.phase)
        else:
            wide = self._wide(n, c, phases.dtype)
            self._turned(wide)[...] = phases.reshape(*self.stride, c, n, *self.phase)
        return self._inner(wide).swapaxes(0, 1)

    def _wide(self, n: int, c: int, dtype: Any) -> Array:
        sizes = [m * s for m, s in zip(self.phase, self.stride, strict=True)]
        return np.zeros((c, n, *sizes), dtype)

    def _inner(self, wide: Array) -> Array:
        cut = [slice(p, p + m) for m, p in zip(self.size, self.padding, strict=True)]
        return wide[(slice(None), slice(None), *cut)]

    def _turned(self, wide: Array) -> Array:
        """A view (*stride, C, N, *phase) of padded images (C, N, *phase times stride)."""
        c, n, *_ = wide.shape
        pairs = [v for pair in zip(self.phase, self.stride, strict=True) for v in pair]
        dims = range(2, 2 + len(pairs), 2)
        order = (*[d + 1 for d in dims], 0, 1, *dims)
        return wide.reshape(c, n, *pairs).transpose(order)

    def spread(self, u: Array) -> Array:
        """Values (N, O, *L) at the places of their windows: (O, N * places), zeros elsewhere."""
        n, o = u.shape[:2]
        run = n * self.places - self.lost
        r = np.zeros(o * run + self.lost, u.dtype)
        self.found(r, o, run)[...] = u.swapaxes(0, 1)
        return r[: o * run].reshape(o, run)

    def found(self, r: Array, o: int, run: int) -> Array:
        """The places that are windows, (O, N, *L), of runs that follow each other without a gap."""
        n = (run + self.lost) // self.places
        item = r.itemsize
        steps = [self.places, *[math.prod(self.phase[d + 1 :]) for d in range(len(self.phase))]]
        strides = (run * item, *[s * item for s in steps])
        return np.ndarray((o, n, *self.out), r.dtype, r, 0, strides)


def convolve(
    x: Array, w: Array, kernel: Ints, out: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    """The sums of each window's elements times the weights of its channel."""
    n, channels = x.shape[:2]
    each = w.shape[1]
    block = _Block(x.shape[2:], kernel, out, stride, padding, dilation)
    result = np.empty((n, channels * each, *out), x.dtype)
    by_channel = result.reshape(n, channels, each, *out)
    for rows, cut in block.cuts(n, channels):
        phases, factors = block.phases(x[rows, cut]), w[cut]
        c, run = phases.shape[-2], phases.shape[-1] - block.lost
        total = np.empty(c * run + block.lost, x.dtype)
        sums, part = total[: c * run].reshape(c, run), np.empty((c, run), x.dtype)
        for m in range(each):
            for k, (phase, shift) in enumerate(block.taps):
                values = phases[phase][:, shift : shift + run]
                np.multiply(values, factors[:, m, k, None], part if k else sums)
                if k:
                    np.add(sums, part, sums)
            by_channel[rows, cut, m] = block.found(total, c, run).swapaxes(0, 1)
    return result


def transposed(
    u: Array, w: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    """The adjoint of `convolve` in its input, whose dims of space are `size`."""
    n = u.shape[0]
    channels, each = w.shape[:2]
    block = _Block(size, kernel, u.shape[2:], stride, padding, dilation)
    result = np.empty((n, channels, *size), u.dtype)
    by_channel = u.reshape(n, channels, each, *u.shape[2:])
    for rows, cut in block.cuts(n, channels):
        given, factors = by_channel[rows, cut], w[cut]
        count, c = given.shape[:2]
        phases = np.zeros((*stride, c, count * block.places), u.dtype)
        run = phases.shape[-1] - block.lost
        part = np.empty((c, run), u.dtype)
        for m in range(each):
            r = block.spread(given[:, :, m])
            for k, (phase, shift) in enumerate(block.taps):
                target = phases[phase][:, shift : shift + run]
                np.add(target, np.multiply(r, factors[:, m, k, None], part), target)
        result[rows, cut] = block.images(phases, count, c)
    return result


def weights(x: Array, u: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Array:
    """The adjoint of `convolve` in its weights: (C, O / C, taps)."""
    n, channels = x.shape[:2]
    out = u.shape[2:]
    each = u.shape[1] // channels
    block = _Block(x.shape[2:], kernel, out, stride, padding, dilation)
    total = np.zeros((channels, each, math.prod(kernel)), x.dtype)
    by_channel = u.reshape(n, channels, each, *out)
    for rows, cut in block.cuts(n, channels):
        phases, given, sums = block.phases(x[rows, cut]), by_channel[rows, cut], total[cut]
        run = phases.shape[-1] - block.lost
        for m in range(each):
            r = np.conj(block.spread(given[:, :, m]))  # vecdot conjugates it again
            for k, (phase, shift) in enumerate(block.taps):
                sums[:, m, k] += np.vecdot(r, phases[phase][:, shift : shift + run])
    return total
