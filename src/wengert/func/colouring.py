"""Groups of columns of a sparse matrix that one product can compute together. Index arrays only.

`column_groups` for a Jacobian: columns that share no row (Coleman and More, SIAM J. Numer. Anal. 20,
1983): a distance-1 colouring of the graph in which columns with a common row are neighbours.
`star_groups` for a Hessian: each entry is found in its own column or, by symmetry, in the transposed
one (Coleman and More, Math. Programming 28, 1984): a star colouring of the adjacency graph, in which
every path of four vertices has three colours. Both are greedy, vertices of high degree first; the
survey is Gebremedhin, Manne and Pothen, SIAM Review 47, 2005.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def lists(rows: np.ndarray, cols: np.ndarray, count: int) -> list[list[int]]:
    """Return for each of `count` rows the list of its columns."""
    order = np.lexsort((cols, rows))
    ends = np.searchsorted(rows[order], np.arange(count + 1))
    sorted_cols = cols[order].tolist()
    return [sorted_cols[ends[k] : ends[k + 1]] for k in range(count)]


def column_groups(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the colour of each column: columns of one colour share no row.

    >>> column_groups(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 0]), (3, 3)).tolist()
    [0, 0, 1]
    """
    by_row, by_col = lists(rows, cols, shape[0]), lists(cols, rows, shape[1])
    colours = np.full(shape[1], -1, np.int64)
    degrees = [sum(len(by_row[r]) for r in column) for column in by_col]
    found = colours.tolist()
    for c in np.argsort(np.negative(degrees), kind="stable").tolist():
        taken = {found[other] for r in by_col[c] for other in by_row[r]}
        found[c] = _free(taken)
    return np.array(found, np.int64).reshape(shape[1])


def star_groups(rows: np.ndarray, cols: np.ndarray, n: int) -> np.ndarray:
    """Return a star colouring of the graph of a symmetric pattern (its diagonal does not matter).

    >>> star_groups(np.array([0, 1, 1, 2]), np.array([1, 0, 2, 1]), 3).tolist()
    [1, 0, 1]
    """
    off = rows != cols
    near = lists(rows[off], cols[off], n)
    found = [-1] * n
    for v in np.argsort(np.negative([len(x) for x in near]), kind="stable").tolist():
        taken: set[int] = set()
        for w in near[v]:
            taken.add(found[w])
            for x in near[w]:
                if x != v and found[x] >= 0 and (found[w] < 0 or _meets(near[x], w, found)):
                    taken.add(found[x])
        found[v] = _free(taken)
    return np.array(found, np.int64).reshape(n)


def _meets(near: list[int], w: int, found: list[int]) -> bool:
    """Return True if another vertex of the colour of w is near: v could close a path of two colours."""
    return any(y != w and found[y] == found[w] for y in near)


def _free(taken: set[int]) -> int:
    colour = 0
    while colour in taken:
        colour += 1
    return colour


def symmetric_places(
    rows: np.ndarray, cols: np.ndarray, colours: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return where each entry of a star-coloured Hessian stands in the compressed matrix (row, colour)."""
    count = int(colours.max(initial=-1)) + 1
    keys = (
        rows * count + colours[cols]
    )  # how many entries of its row have the colour of its column?
    _, inverse, many = np.unique(keys, return_inverse=True, return_counts=True)
    alone = many[inverse.reshape(-1)] == 1
    return np.where(alone, rows, cols), np.where(alone, colours[cols], colours[rows])


__all__: list[Any] = ["column_groups", "lists", "star_groups", "symmetric_places"]
