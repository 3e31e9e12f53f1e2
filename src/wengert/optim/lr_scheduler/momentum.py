"""What schedules share that let momentum (or Adam's first beta) fall while the rate rises."""

from __future__ import annotations

from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, each


class MomentumCycle(LRScheduler):
    """A schedule that writes `momentum`, or `betas[0]` where the optimizer has betas."""

    use_beta1 = False

    def _start_momentum(
        self, optimizer: Optimizer, low: Any, high: Any, last_epoch: int
    ) -> tuple[list[float], list[float]]:
        """Set momentum to its peak, unless resuming; return the bounds, one of each per group.

        ValueError if the optimizer has no momentum.
        """
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError(
                "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
            )
        self.use_beta1 = "betas" in optimizer.defaults
        lows, highs = each("base_momentum", low, optimizer), each("max_momentum", high, optimizer)
        if last_epoch == -1:
            for group, least, most in zip(optimizer.param_groups, lows, highs, strict=True):
                self._set_momentum(group, most)
                group["max_momentum"], group["base_momentum"] = most, least
        return lows, highs

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value
