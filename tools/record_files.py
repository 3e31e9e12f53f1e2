"""Let PyTorch write the checkpoints of tests/file_cases.py: `python tools/record_files.py`.

Writes tests/recorded_files.tar.xz, which the tests read. Needs PyTorch installed.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
import warnings

TESTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests")
sys.path.insert(0, TESTS)


def written() -> dict[str, bytes]:
    """The bytes of every file, by name."""
    import torch
    from file_cases import CASES, LEGACY, REFUSED, UNSAFE_CASES

    def saved(value, **options):
        file = io.BytesIO()
        torch.save(value, file, **options)
        return file.getvalue()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = {name: saved(make(torch)) for name, make in (CASES | UNSAFE_CASES).items()}
        files |= {name: saved(make(torch)) for name, (make, _) in REFUSED.items()}
        for name, value in zip(LEGACY, (torch.ones(2), torch.nn.Linear(1, 1)), strict=True):
            files[name] = saved(value, _use_new_zipfile_serialization=False)
    return files


def main() -> None:
    import torch

    path, files = os.path.join(TESTS, "recorded_files.tar.xz"), written()
    with tarfile.open(path, "w:xz", preset=9) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)  # without a date, which would change with every run
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    print(f"{path}: {os.path.getsize(path)} bytes, from PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
