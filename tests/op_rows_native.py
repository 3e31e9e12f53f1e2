"""Rows of the `native_` forms of normalisation and dropout, and of segment_reduce."""

from op_rows_shape import row

from wengert.testing.grid import Input

DISTINCT = Input((5, 3), "distinct")
POSITIVE = Input((5, 3), "positive")


def _segments(T, x, how, **rest):
    return T.segment_reduce(x, how, lengths=T.tensor([2, 0, 3]), **rest)


ROWS = [
    row("native_layer_norm", lambda T, x, w, b: T.native_layer_norm(x, (4,), w, b, 1e-5)[0], (2, 3, 4), (4,), (4,)),
    row("native_group_norm", lambda T, x, w, b: T.native_group_norm(x, w, b, 2, 4, 3, 2, 1e-5)[0],
        (2, 4, 3), (4,), (4,)),
    row("native_batch_norm", lambda T, x, w, b: T.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)[0],
        (5, 3), (3,), (3,)),
    row("native_dropout", lambda T, x: T.native_dropout(x, 0.5, False)[0] * x, (2, 3)),
    # PyTorch differentiates segment_reduce once, and not forward
    row("segment_reduce_sum", lambda T, x: _segments(T, x, "sum"), (5, 3), torch=False),
    row("segment_reduce_mean", lambda T, x: _segments(T, x, "mean", initial=0.5), (5, 3), torch=False),
    row("segment_reduce_max", lambda T, x: _segments(T, x, "max", initial=-9.0), DISTINCT, torch=False),
    row("segment_reduce_min", lambda T, x: _segments(T, x, "min", initial=9.0), DISTINCT, torch=False),
    row("segment_reduce_prod", lambda T, x: _segments(T, x, "prod", initial=2.0), POSITIVE, torch=False),
    row("segment_reduce_rows",
        lambda T, x: T.segment_reduce(x, "sum", lengths=T.tensor([[2, 1], [1, 2]]), axis=1), (2, 3, 2), torch=False),
]  # fmt: skip
