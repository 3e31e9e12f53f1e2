"""Batching rules: every op of the table has one, and what has none is run in a loop and says so."""

from __future__ import annotations

import numpy as np
import pytest

import wengert
from wengert.core import batching, cold
from wengert.core.batching import rules_missing
from wengert.core.op import Op
from wengert.func import vmap
from wengert.late import load_all

pytestmark = pytest.mark.wengert_only


def test_every_op_has_a_batching_rule():
    load_all()
    assert rules_missing() == []


@pytest.fixture
def without_rule():
    op = Op("opaque", "backwards(x, y)", lambda x, y: x[::-1] + y, {})
    batching._warned.discard(op.name)
    return lambda x, y: cold.bind(op, (x, y), ())


def test_an_op_without_a_rule_is_run_in_a_loop_and_warns_once(without_rule, recwarn):
    x = wengert.arange(6.0).reshape(3, 2)
    y = wengert.tensor([10.0, 20.0])
    for _ in range(2):
        out = vmap(without_rule, in_dims=(0, None))(x, y)
    np.testing.assert_array_equal(out.numpy(), x.numpy()[:, ::-1] + y.numpy())
    said = [str(w.message) for w in recwarn if "performance drop" in str(w.message)]
    assert len(said) == 1
    assert "backwards" in said[0]


def test_results_of_different_shapes_are_refused():
    op = Op("opaque", "above_zero(x)", lambda x: x[x > 0], {})
    batching._warned.add(op.name)
    with pytest.raises(RuntimeError, match="above_zero gives results of different shapes"):
        vmap(lambda x: cold.bind(op, (x,), ()))(wengert.tensor([[1.0, -1.0], [1.0, 1.0]]))
