"""Every row of the contract's sections 1 and 2.1 to 2.16 has a test named after it.

S: what the seeds use. A: the names of torch.autograd, torch.func, checkpointing and the tensor's
members. M: mechanics. N: points without a derivative. E: texts.
"""

from __future__ import annotations

import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).parent
NAMES = re.findall(
    r"^def test_([ASEMN]_\d+)",
    "\n".join(path.read_text(encoding="utf-8") for path in TESTS.glob("test_*.py")),
    re.MULTILINE,
)
ROWS = {
    "S": [(1, 34), (40, 60), (70, 83), (90, 93), (100, 112), (120, 125), (130, 135), (140, 145)],
    "A": [
        (1, 20), (30, 35), (40, 45), (50, 60), (70, 74), (80, 90), (100, 104), (110, 133),
        (140, 157), (160, 166), (170, 198),
    ],
    "M": [(1, 17), (20, 37), (40, 49), (60, 65), (70, 75)],
    "N": [(1, 5)],
    "E": [(1, 25)],
}  # fmt: skip


def rows(kind):
    digits = {"S": 3, "A": 3}.get(kind, 2)
    return {f"{kind}_{n:0{digits}}" for first, last in ROWS[kind] for n in range(first, last + 1)}


@pytest.mark.parametrize("kind", ROWS)
def test_every_row_has_a_test(kind):
    assert rows(kind) - {name for name in NAMES if name.startswith(kind)} == set()


@pytest.mark.parametrize("kind", ROWS)
def test_no_test_is_named_after_a_row_that_is_not_there(kind):
    assert {name for name in NAMES if name.startswith(kind)} - rows(kind) == set()
