"""What PyTorch's profiler exports beside profiling: small helpers, and refusals for other hardware."""

from __future__ import annotations

import bisect
import enum
import warnings
from collections import namedtuple
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, NoReturn

_NO_CUDA = "Torch not compiled with CUDA enabled"
_NO_ITT = (
    "the Instrumentation and Tracing Technology of Intel's profilers is not available; "
    "torch.profiler.profile and its traces are"
)


class ProfilerState(enum.Enum):
    """What a profiler writes to; here `CPU`, while one is open.

    >>> import wengert as torch
    >>> torch.autograd.profiler.ProfilerState.CPU.value
    1
    """

    Disabled = 0
    CPU = 1
    CUDA = 2
    NVTX = 3
    ITT = 4
    PRIVATEUSE1 = 5
    KINETO = 6
    KINETO_GPU_FALLBACK = 7
    KINETO_PRIVATEUSE1_FALLBACK = 8
    KINETO_PRIVATEUSE1 = 9


class ProfilerConfig(NamedTuple):
    """What a profiler is asked to note."""

    state: ProfilerState
    report_input_shapes: bool = False
    profile_memory: bool = False
    with_stack: bool = False
    with_flops: bool = False
    with_modules: bool = False


Kernel = namedtuple("Kernel", ["name", "device", "duration"])

_ABOUT_KERNELS = (
    "registers_per_thread shared_memory grid block priority blocks_per_sm warps_per_sm occupancy "
    "est_occupancy_pct queued graph_id graph_node_id stream context channel channel_type bytes "
    "bandwidth_gb_s collective_name dtype in_msg_nelems out_msg_nelems in_split_size out_split_size "
    "global_rank_start global_rank_stride group_size process_group_name process_group_desc "
    "group_ranks rank src_rank dst_rank seq is_async"
)
EventMetadata = namedtuple("EventMetadata", _ABOUT_KERNELS.split())  # type: ignore[misc]


class StringTable(dict):
    """Names by themselves: a name that is not there yet is entered when it is asked for.

    >>> import wengert as torch
    >>> names = torch.autograd.profiler_util.StringTable()
    >>> names["mul"], len(names)
    ('mul', 1)
    """

    def __missing__(self, key: str) -> str:
        self[key] = key
        return key


class EnforceUnique:
    """Refuses to see a key twice.

    >>> import wengert as torch
    >>> unique = torch.autograd.profiler.EnforceUnique()
    >>> unique.see("a", 1)
    >>> unique.see("a", 1)
    Traceback (most recent call last):
    RuntimeError: duplicate key: ('a', 1)
    """

    def __init__(self) -> None:
        self.seen: set[tuple[Any, ...]] = set()

    def see(self, *key: Any) -> None:
        """Note a key; RuntimeError if it was noted before."""
        if key in self.seen:
            raise RuntimeError(f"duplicate key: {key}")
        self.seen.add(key)


class MemRecordsAcc:
    """Finds the records of memory that lie in an interval; record k is (event, ...)."""

    def __init__(self, mem_records: Sequence[Any]) -> None:
        self._records = sorted(mem_records, key=lambda r: r[0].start_ns())
        self._starts = [r[0].start_ns() for r in self._records]

    def in_interval(self, start_ns: int, end_ns: int) -> Iterator[Any]:
        """Yield the records whose events start in [start_ns, end_ns], in order."""
        first = bisect.bisect_left(self._starts, start_ns)
        yield from self._records[first : bisect.bisect_right(self._starts, end_ns)]


class KinetoStepTracker:
    """Counts training steps for several who count: the step is the highest of their counts.

    >>> import wengert as torch
    >>> steps = torch.autograd.profiler.KinetoStepTracker
    >>> steps.init_step_count("loop")
    >>> steps.increment_step("loop") - steps.current_step()
    0
    >>> steps.erase_step_count("loop")
    True
    """

    _current_step = 0
    _step_dict: ClassVar[dict[str, int]] = {}

    @classmethod
    def init_step_count(cls, requester: str) -> None:
        """Let a requester count from the current step on."""
        cls._step_dict[requester] = cls._current_step

    @classmethod
    def erase_step_count(cls, requester: str) -> bool:
        """Forget a requester; return False if it was not known."""
        return cls._step_dict.pop(requester, None) is not None

    @classmethod
    def increment_step(cls, requester: str) -> int:
        """Count one step of a requester and return the current step."""
        if requester not in cls._step_dict:
            cls.init_step_count(requester)
        cls._step_dict[requester] += 1
        highest = max(cls._step_dict.values())
        if highest > cls._current_step + 1:
            warnings.warn(
                "Profiler step count has increased more than 1 - current_step = "
                f"{cls._current_step} step dict =  {cls._step_dict}",
                stacklevel=2,
            )
        cls._current_step = max(cls._current_step, highest)
        return cls._current_step

    @classmethod
    def current_step(cls) -> int:
        """Return the current step."""
        return cls._current_step


class _Refused:
    """A context that can't be entered unless it is switched off."""

    _why: tuple[type[Exception], str]

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled, self.record_shapes = enabled, record_shapes

    def __enter__(self) -> Any:
        if self.enabled:
            kind, text = self._why
            raise kind(text)

    def __exit__(self, *exc: object) -> None:
        pass


class emit_nvtx(_Refused):
    """Refuses to label ranges for NVIDIA's profilers: AssertionError, as there is no CUDA.

    >>> import wengert as torch
    >>> with torch.autograd.profiler.emit_nvtx(enabled=False):
    ...     pass
    """

    _why = AssertionError, _NO_CUDA


class emit_itt(_Refused):
    """Refuses to label ranges for Intel's profilers: RuntimeError, as there is no ITT.

    >>> import wengert as torch
    >>> with torch.autograd.profiler.emit_itt(enabled=False):
    ...     pass
    """

    _why = RuntimeError, _NO_ITT


def parse_nvprof_trace(path: str) -> NoReturn:
    """Refuse to read what NVIDIA's nvprof wrote about a GPU: NotImplementedError."""
    raise NotImplementedError(
        "parse_nvprof_trace: traces of nvprof are about CUDA kernels, of which there are none here; "
        "read traces of torch.profiler in Perfetto"
    )


def load_nvprof(path: str) -> NoReturn:
    """Refuse to read what NVIDIA's nvprof wrote about a GPU: NotImplementedError."""
    parse_nvprof_trace(path)


__all__ = [
    "EnforceUnique", "EventMetadata", "Kernel", "KinetoStepTracker", "MemRecordsAcc",
    "ProfilerConfig", "ProfilerState", "StringTable", "emit_itt", "emit_nvtx", "load_nvprof",
    "parse_nvprof_trace",
]  # fmt: skip
