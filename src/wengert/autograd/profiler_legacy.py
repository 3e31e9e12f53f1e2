"""The profiler of old under its old name; it is the one of `profiler`."""

from __future__ import annotations

from .profiler import profile as _profile
from .profiler_util import EventList, FunctionEvent


class profile(_profile):
    """`autograd.profiler.profile` with the arguments that it had in the past.

    >>> import wengert as torch
    >>> with torch.autograd.profiler_legacy.profile() as prof:
    ...     y = torch.ones(2) * 2
    >>> [row.key for row in prof.key_averages()]
    ['aten::mul']
    """

    def __init__(
        self, enabled: bool = True, *, use_cuda: bool = False, record_shapes: bool = False,
        with_flops: bool = False, profile_memory: bool = False, with_stack: bool = False,
        with_modules: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            enabled, use_cuda=use_cuda, record_shapes=record_shapes, with_flops=with_flops,
            profile_memory=profile_memory, with_stack=with_stack, with_modules=with_modules,
        )  # fmt: skip


__all__ = ["EventList", "FunctionEvent", "profile"]
