"""Record the results of tests/recorded_cases.py under PyTorch: `python tools/record.py`.

Writes tests/recorded.json, one line a case. Needs PyTorch installed.
"""

from __future__ import annotations

import json
import os
import sys
import warnings

TESTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests")
sys.path.insert(0, TESTS)


def rounded(value):
    """Numbers to ten digits: more than any tolerance asks for."""
    if isinstance(value, float):
        return float(f"{value:.10g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    return value


def main() -> None:
    import torch
    from recorded_cases import CASES

    torch.set_num_threads(1)
    lines = []
    for name, case in CASES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            found = rounded(case(torch))
        lines.append(f"{json.dumps(name)}: {json.dumps(found, separators=(',', ':'))}")
    with open(os.path.join(TESTS, "recorded.json"), "w") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(lines)} cases recorded from PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
