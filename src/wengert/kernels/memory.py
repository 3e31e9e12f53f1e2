"""How freed array memory is kept for the next array.

The GNU C library hands blocks above 128 KiB back to the system when they are freed, until it has seen
a larger block freed: then it keeps everything up to that size (malloc's "dynamic mmap threshold", see
mallopt(3)). A program that makes and drops arrays of some hundred KiB, as each step of a training
loop does, otherwise spends most of its time on page faults: a backward pass over 10^5 floats took
1.09 ms, and 0.21 ms once one 31 MiB block had been freed.
"""

from __future__ import annotations

import os
import sys

import numpy as np

KEPT = 31 << 20  # just below 32 MiB, the largest block that the library lets move its threshold


def keep_freed_memory() -> None:
    """Let the C library keep freed blocks of up to 31 MiB, by freeing one that was never touched.

    Costs some microseconds and no memory; up to twice that size may stay with the process after
    large arrays are dropped. WENGERT_KEEP_MEMORY=0 in the environment leaves malloc as it is.
    """
    if sys.platform == "linux" and os.environ.get("WENGERT_KEEP_MEMORY", "1") != "0":
        np.empty(KEPT, np.uint8)
