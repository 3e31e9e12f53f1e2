"""Interned specs: one object for each shape and dtype, whatever dtype object an array carries."""

import numpy as np

import wengert as torch
from wengert.core.spec import spec_for, spec_of


def test_equal_arrays_share_one_spec():
    assert spec_of(np.ones((2, 3))) is spec_of(np.zeros((2, 3)))
    assert spec_for((2, 3), torch.float64) is spec_of(np.ones((2, 3)))


def test_another_object_of_the_same_dtype_does_not_slow_the_others():
    """Keys hold the canonical dtype object: an equal one would be compared at every look-up."""
    strange = np.ones((7, 5), np.dtype("f4").newbyteorder("<").newbyteorder("="))
    assert spec_of(strange).np is torch.float32.np
    from wengert.core import spec

    assert all(key[1] is torch.float32.np for key in spec._table if key[1] == np.float32)


def test_the_table_does_not_grow_for_ever():
    from wengert.core import spec

    for n in range(spec._LIMIT + 10):
        spec_of(np.empty((n, 0), np.uint8))
    assert len(spec._table) <= spec._LIMIT
    x = torch.ones(3, requires_grad=True)
    (x * torch.ones(3)).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]
