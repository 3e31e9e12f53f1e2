"""How one thing is measured: CPU time of repeated runs, the fastest twentieth and the median."""

from __future__ import annotations

import time
from collections.abc import Callable


def timed(f: Callable[[], object], seconds: float = 0.6, least: int = 5) -> dict[str, float]:
    """Return CPU times of `f()` in nanoseconds, after one warm-up run.

    "best" is the time that a twentieth of the runs stay below: the very smallest reading can be an
    error of the clock.
    """
    f()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < least or (time.perf_counter() < end and len(times) < 100_000):
        start = time.process_time_ns()
        f()
        times.append(time.process_time_ns() - start)
        if time.perf_counter() > end + 20 * seconds:
            break
    times.sort()
    return {"best": times[len(times) // 20], "median": times[len(times) // 2]}


def peak_memory() -> float:
    """Return the peak resident memory of this process in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
