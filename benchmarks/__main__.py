"""Run the benchmarks: `python -m benchmarks [--rounds 3] [--only PART] [--json FILE]`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import torchlike

LIBRARIES = {"wengert": "wengert", "torch": "torch", "numpy": "numpy", "jax": "jax",
             "autograd": "autograd", "mygrad": "mygrad"}  # fmt: skip
# budgets of docs/design.md: case -> {library: at most this many times its time}
BUDGETS: dict[str, dict[str, float]] = {
    "chain: forward": {"torch": 0.55}, "chain: forward + backward": {"torch": 0.45},
    "TinyModel step": {"torch": 0.9, "numpy": 1.4}, "BCE basics step": {"torch": 1.0},
    "LeNet step": {"torch": 2.0, "autograd": 1.0, "mygrad": 1.0},
    "import": {"numpy": 1.5},
}  # fmt: skip


def measure(library: str, case: str, seconds: float) -> dict[str, float] | None:
    """Run one worker on one core; None if the library does not have the case."""
    command = [sys.executable, "-m", "benchmarks.worker", library, case, str(seconds)]
    if sys.platform == "linux":
        command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **threads},
        cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    if done.returncode:
        print(f"  {library}, {case}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> int:
    """Measure, print the ratios, write the JSON."""
    p = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    p.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default: 3)")
    p.add_argument("--seconds", type=float, default=0.6, help="time for one measurement")
    p.add_argument("--only", default="", help="only cases with this text in their name")
    p.add_argument("--libraries", default="", help="comma-separated; default: all installed")
    p.add_argument("--json", default="benchmarks/results.json", help="where the numbers go")
    options = p.parse_args()
    chosen = options.libraries.split(",") if options.libraries else list(LIBRARIES)
    libraries = [n for n in chosen if importlib.util.find_spec(LIBRARIES[n])]
    names = [*_case_names(), "import"]
    names = [n for n in names if options.only in n]
    found: dict[str, dict[str, dict[str, float]]] = {n: {} for n in names}
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, load "
          f"{os.getloadavg()[0]:.1f}; CPU time on one core, fastest of {options.rounds} interleaved rounds\n")  # fmt: skip
    for case in names:
        for _ in range(options.rounds if "10^6 deep" not in case else 1):
            for library in libraries:
                if case == "import" and library == "numpy":
                    continue
                got = measure(library, case, options.seconds)
                if got is None:
                    continue
                old = found[case].get(library)
                found[case][library] = got if old is None else {k: min(v, old[k]) for k, v in got.items()}
        _print(case, found[case])
    Path(options.json).write_text(json.dumps(found, indent=1))
    print(f"\nwritten: {options.json}")
    return 0


def _case_names() -> list[str]:
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return self

    return list(torchlike.cases(Anything()))


def _show(ns: float) -> str:
    return f"{ns / 1e3:.1f} us" if ns < 1e6 else f"{ns / 1e6:.2f} ms" if ns < 1e9 else f"{ns / 1e9:.2f} s"


def _print(case: str, got: dict[str, dict[str, float]]) -> None:
    if "wengert" not in got:
        return
    ours = got["wengert"]["best"]
    if case == "import":
        got = {**got, "numpy": {"best": got["wengert"]["numpy"], "median": 0.0}}
    parts = [f"{case:<28}{_show(ours):>11}"]
    if case.startswith("chain: "):
        parts.append(f" ({ours / (2 * torchlike.N):.0f} ns an op)")
    for library, r in got.items():
        if library != "wengert":
            parts.append(f"   {ours / r['best']:.2f} x {library}")
    for library, most in BUDGETS.get(case, {}).items():
        if library in got:
            ratio = ours / got[library]["best"]
            parts.append(f"   [budget {most} x {library}: {'met' if ratio <= most else 'MISSED'}]")
    if "peak_mb" in got["wengert"] and ("MLP" in case or "deep" in case):
        parts.append("   peak MB " + ", ".join(f"{n} {r['peak_mb']:.0f}" for n, r in got.items() if "peak_mb" in r))
    print("".join(parts), flush=True)


if __name__ == "__main__":
    sys.exit(main())
