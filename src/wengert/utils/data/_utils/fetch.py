"""From indices to batches: looking samples up, or taking the next ones."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any

from ..dataset import tensor_rows
from .collate import default_collate

Fetch = Callable[[Any], Any]


def fetcher(
    dataset: Any, iterable: bool, batched: bool, collate: Callable[[Any], Any], drop_last: bool
) -> Fetch:
    """Return the function that makes a batch from what the sampler gives.

    It raises StopIteration where an iterable data set has come to its end. With batched=False an
    index is one sample, otherwise a list of them.
    """
    if iterable:
        return _taker(iter(dataset), batched, collate, drop_last)
    if not batched:
        return lambda index: collate(dataset[index])

    def look_up(indices: Any) -> Any:
        if collate is default_collate and (batch := tensor_rows(dataset, indices)) is not None:
            return batch
        several = getattr(dataset, "__getitems__", None)
        return collate(several(indices) if several else [dataset[i] for i in indices])

    return look_up


def _taker(samples: Any, batched: bool, collate: Callable[[Any], Any], drop_last: bool) -> Fetch:
    if not batched:
        return lambda _: collate(next(samples))
    ended = False

    def take(places: Sized) -> Any:
        nonlocal ended
        batch: list[Any] = []
        while not ended and len(batch) < len(places):
            try:
                batch.append(next(samples))
            except StopIteration:
                ended = True
        if not batch or (drop_last and len(batch) < len(places)):
            raise StopIteration
        return collate(batch)

    return take
