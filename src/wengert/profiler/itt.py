"""Ranges for Intel's profilers: not available, and `is_available` says so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NoReturn

_WHY = (
    "ITT functions not installed: the Instrumentation and Tracing Technology of Intel's profilers is "
    "not available here. torch.profiler.record_function labels ranges in the traces of torch.profiler."
)


def is_available() -> bool:
    """Return False: there is no ITT here.

    >>> import wengert as torch
    >>> torch.profiler.itt.is_available()
    False
    """
    return False


def range_push(msg: str) -> NoReturn:
    """Refuse: RuntimeError."""
    raise RuntimeError(_WHY)


def range_pop() -> NoReturn:
    """Refuse: RuntimeError."""
    raise RuntimeError(_WHY)


def mark(msg: str) -> NoReturn:
    """Refuse: RuntimeError."""
    raise RuntimeError(_WHY)


@contextlib.contextmanager
def range(msg: str, *args: object, **kwargs: object) -> Iterator[None]:
    """Refuse: RuntimeError when entered."""
    range_push(msg)
    yield


__all__ = ["is_available", "mark", "range", "range_pop", "range_push"]
