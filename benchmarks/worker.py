"""One measurement in a process of its own: `python -m benchmarks.worker LIBRARY CASE SECONDS`."""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import Any


def library_cases(name: str) -> dict[str, Any]:
    """Import a library and return its cases."""
    from . import others

    if name == "wengert":
        import wengert

        from .torchlike import cases

        return cases(wengert)
    if name == "torch":
        import torch

        from .torchlike import cases

        torch.set_num_threads(1)
        return cases(torch)
    return getattr(others, f"{name}_cases")()


def main() -> None:
    """Print one JSON line."""
    library, case, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    if case == "import":
        start = time.process_time_ns()
        __import__("numpy")
        numpy = time.process_time_ns() - start
        __import__(library)
        total = time.process_time_ns() - start
        print(json.dumps({"best": total, "median": total, "numpy": numpy}))
        return
    from .measure import peak_memory, timed

    cases = library_cases(library)
    if case not in cases:
        print("null")
        return
    run = cases[case]()
    if case.startswith("peak memory"):
        run()
        print(json.dumps({"best": peak_memory(), "median": peak_memory()}))
        return
    gc.collect()
    gc.freeze()
    result = timed(run, seconds, least=2 if "deep" in case else 5)
    result["peak_mb"] = peak_memory()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
