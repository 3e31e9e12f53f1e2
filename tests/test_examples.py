"""Every example runs on wengert and prints what PyTorch printed (examples/expected)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = sorted(p.stem for p in EXAMPLES.glob("*.py"))
NEEDS = {"sklearn_estimator": "sklearn"}  # what an example imports that need not be there
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")


def run(*command: str, folder: Path, silent: bool = True) -> str:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (silent and done.stderr)
    return done.stdout


def last_digit(number: str) -> float:
    """The size of one unit in the last printed digit."""
    digits, _, power = number.partition("e")
    return 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


def check_alike(have: str, want: str) -> None:
    """The same text; numbers with a fraction may differ by two units of the last printed digit.

    Sums round differently on other processors; everything else must agree.
    """
    assert NUMBER.sub("#", have) == NUMBER.sub("#", want)
    for a, b in zip(NUMBER.findall(have), NUMBER.findall(want), strict=True):
        if a != b:
            assert "." in b, f"{a} is not {b}"
            assert abs(float(a) - float(b)) <= 2.001 * max(last_digit(a), last_digit(b)), f"{a} is not {b}"


def expected(name: str) -> str:
    return (EXAMPLES / "expected" / f"{name}.txt").read_text()


def _skip_without(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])


@pytest.mark.wengert_only
@pytest.mark.parametrize("name", NAMES)
def test_on_wengert(name: str, tmp_path: Path) -> None:
    _skip_without(name)
    check_alike(run("-m", "wengert", "run", str(EXAMPLES / f"{name}.py"), folder=tmp_path), expected(name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.torch
@pytest.mark.parametrize("name", NAMES)
def test_on_pytorch(name: str, tmp_path: Path) -> None:
    _skip_without(name)
    said = run(str(EXAMPLES / f"{name}.py"), folder=tmp_path, silent=False)  # its profiler is not
    check_alike(said, expected(name))


def test_every_example_is_expected_and_listed() -> None:
    assert {p.stem for p in (EXAMPLES / "expected").glob("*.txt")} == set(NAMES)
    listed = re.findall(r"\]\((\w+)\.py\)", (EXAMPLES / "README.md").read_text())
    assert sorted(listed) == NAMES


@pytest.mark.parametrize(
    ("have", "want"),
    [("x 1.000", "x 1.003"), ("step 3", "step 4"), ("a 1.0", "b 1.0"), ("1.0e-5", "1.0e-4"), ("1.0", "1.0 2.0")],
)
def test_a_difference_is_seen(have: str, want: str) -> None:
    with pytest.raises(AssertionError):
        check_alike(have, want)


def test_rounding_is_forgiven() -> None:
    check_alike("loss 0.1235  w = tensor([-2.0001, 3.1e-05])", "loss 0.1234  w = tensor([-2.0000, 3.2e-05])")
