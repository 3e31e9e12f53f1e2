"""Every row of the contract's sections 1, 2.13 and 2.16 has a test named after it."""

from __future__ import annotations

import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).parent
NAMES = re.findall(
    r"^def test_([SEM]_\d+)",
    "\n".join(path.read_text(encoding="utf-8") for path in TESTS.glob("test_*.py")),
    re.MULTILINE,
)
ROWS = {
    "S": [(1, 34), (40, 60), (70, 83), (90, 93), (100, 112), (120, 125), (130, 135), (140, 145)],
    "E": [(1, 25)],
    "M": [(1, 17), (20, 37), (40, 49), (60, 63), (65, 65)],  # M-64 is checkpointing
}


@pytest.mark.parametrize("kind", ROWS)
def test_every_row_has_a_test(kind):
    digits = {"S": 3, "E": 2, "M": 2}[kind]
    rows = {f"{kind}_{n:0{digits}}" for first, last in ROWS[kind] for n in range(first, last + 1)}
    tested = {name for name in NAMES if name.startswith(kind)}
    assert rows == tested
