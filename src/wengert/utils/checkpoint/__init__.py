"""Checkpointing: what a function saves for backward is recomputed instead of kept.

`checkpoint` is the way in. `region` recomputes, `reentrant` is PyTorch's older variant, `selective`
keeps the results of chosen ops, `trace` tells two runs of a function apart.
"""

from __future__ import annotations

from ..._missing import getter
from .devices import DefaultDeviceType, get_device_states, set_device_states
from .reentrant import CheckpointFunction, check_backward_validity, detach_variable
from .region import CheckpointError, GraphExecGroup
from .run import (
    checkpoint,
    checkpoint_sequential,
    noop_context_fn,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)
from .selective import (
    SAC_IGNORED_OPS,
    CheckpointPolicy,
    SelectiveCheckpointContext,
    create_selective_checkpoint_contexts,
)

__all__ = [
    "SAC_IGNORED_OPS", "CheckpointError", "CheckpointFunction", "CheckpointPolicy",
    "DefaultDeviceType", "GraphExecGroup", "SelectiveCheckpointContext", "check_backward_validity",
    "checkpoint", "checkpoint_sequential", "create_selective_checkpoint_contexts",
    "detach_variable", "get_device_states", "noop_context_fn", "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop", "set_device_states",
]  # fmt: skip

__getattr__ = getter(__name__, __all__)
