"""`DistributedSampler`: each of several processes visits its own part of a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

from ...ops.generator import Generator
from ...ops.random import randperm
from .sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every num_replicas-th index of an order that all processes share, starting at rank.

    The order is shuffled with seed + epoch: call `set_epoch` before each epoch. The list is made
    divisible by repeating its start, or by cutting its end with drop_last. RuntimeError if
    num_replicas and rank are not given, ValueError if rank is not below num_replicas.

    >>> import wengert as torch
    >>> S = torch.utils.data.DistributedSampler
    >>> [list(S(range(5), num_replicas=2, rank=r, shuffle=False)) for r in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError(
                "Requires distributed package to be available: there are no process groups here, "
                "so give num_replicas and rank"
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas, self.rank = num_replicas, rank
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        self.epoch = 0
        n = len(dataset)
        if drop_last and n % num_replicas:
            self.num_samples = math.ceil((n - num_replicas) / num_replicas)
        else:
            self.num_samples = math.ceil(n / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = list(range(n))
        if self.shuffle:
            g = Generator().manual_seed(self.seed + self.epoch)
            order = randperm(n, generator=g)._array.tolist()
        if self.total_size > n and order:
            order = (order * math.ceil(self.total_size / n))[: self.total_size]
        return iter(order[: self.total_size][self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch
