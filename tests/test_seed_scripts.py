"""The complete program of each source document, run unmodified, prints what PyTorch printed.

The programs are in seeds/, and seeds/expected/ holds what PyTorch printed for them. Addresses and measured
times are replaced by placeholders of the same width. `python tests/test_seed_scripts.py`, with an
interpreter that has PyTorch, records the expected files again.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

SEEDS = pathlib.Path(__file__).parent / "seeds"
SCRIPTS = [
    "autogradqs_tutorial",
    "basics_video",
    "csdn_walkthrough",
    "introyt_autograd",
    "naneja_lesson",
]
REAL = os.environ.get("WENGERT_TEST_AGAINST") == "torch"


def normalised(text: str) -> str:
    """The text without what differs from run to run: addresses, times, and the order of timed rows."""
    text = re.sub(r"0x[0-9A-Fa-f]+", "0x...", text)
    text = re.sub(r"(total: )\d+\.\d{3}(us|ms|s)\b", r"\1#", text)
    text = re.sub(r" +\d+\.\d\d(\d(us|ms|s)|%)(?=  )", lambda m: "#".rjust(len(m.group())), text)
    table = re.compile(r"((?: +aten::\w+ .*\n)+)")
    return table.sub(lambda m: "".join(sorted(m.group().splitlines(keepends=True))), text)


def run(command: list[str], script: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run `command script` in a process of its own, somewhere else, without a display."""
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8"}
    if importlib.util.find_spec("matplotlib") is None:
        paths = [str(SEEDS / "stand_ins"), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return subprocess.run(
        [*command, str(script)],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        cwd=SEEDS.parent,
        check=False,
    )


PLAIN = [sys.executable] if REAL else [sys.executable, "-m", "wengert", "run"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_prints_what_pytorch_printed(name):
    done = run(PLAIN, SEEDS / f"{name}.py")
    assert done.returncode == 0, done.stderr
    expected = (SEEDS / "expected" / f"{name}.txt").read_text(encoding="utf-8")
    assert normalised(done.stdout) == expected
    if name == "basics_video":
        assert (
            "UserWarning: The .grad attribute of a Tensor that is not a leaf Tensor" in done.stderr
        )
    elif not REAL:  # PyTorch's profiler writes notes of its own there
        assert done.stderr == ""


@pytest.mark.wengert_only
def test_the_console_command_runs_scripts_too():
    command = shutil.which("wengert")
    if command is None:
        pytest.skip("the package is on the path but not installed")
    done = run([command, "run"], SEEDS / "autogradqs_tutorial.py")
    expected = (SEEDS / "expected" / "autogradqs_tutorial.txt").read_text(encoding="utf-8")
    assert (done.returncode, normalised(done.stdout), done.stderr) == (0, expected, "")


def test_every_script_is_tested():
    assert sorted(path.stem for path in SEEDS.glob("*.py") if path.stem != "n") == SCRIPTS
    assert sorted(path.stem for path in (SEEDS / "expected").iterdir()) == SCRIPTS


if __name__ == "__main__":
    for script in SCRIPTS:
        recorded = run([sys.executable], SEEDS / f"{script}.py")
        recorded.check_returncode()
        (SEEDS / "expected" / f"{script}.txt").write_text(
            normalised(recorded.stdout), encoding="utf-8"
        )
