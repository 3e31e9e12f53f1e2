"""`plot` turns what it is given into arrays, and draws nothing."""

import numpy as np


def plot(*values):
    """Convert as matplotlib does; the arrays must be one-dimensional and of one length."""
    arrays = [np.asarray(value) for value in values]
    assert {array.ndim for array in arrays} == {1}
    assert len({len(array) for array in arrays}) == 1
