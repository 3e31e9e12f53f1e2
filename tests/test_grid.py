"""The op grid: every property of `wengert.testing.grid` over every row of the op table."""

import pytest
from op_table import ROWS, UNCOVERED

from wengert.testing import grid

CASES = [(row, name) for row in ROWS for name in grid.PROPERTIES if grid.applies(row, name)]


@pytest.mark.parametrize(("row", "name"), CASES, ids=[f"{r.name}-{n}" for r, n in CASES])
def test_property(row, name):
    if name in row.gaps:
        pytest.skip(row.gaps[name])
    grid.PROPERTIES[name](row)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's own about old names and slow paths
@pytest.mark.parametrize("row", [r for r in ROWS if r.torch], ids=[r.name for r in ROWS if r.torch])
def test_against_torch(row):
    torch = pytest.importorskip("torch")
    grid.value_against(row, torch)


def test_names_are_unique():
    names = [r.name for r in ROWS]
    assert sorted(set(names)) == sorted(names)


def test_every_differentiable_op_has_a_row():
    missing = grid.differentiable_ops() - grid.covered(ROWS) - set(UNCOVERED)
    assert not missing, f"ops without a row in tests/op_table.py: {sorted(missing)}"
