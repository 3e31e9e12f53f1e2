"""Rows of `torch.masked`."""

from op_rows_shape import row

from wengert.testing.grid import Input

A = (3, 4)
MASK = Input(A, "bool")


def keep(T, m):
    """A mask with at least two elements in every row and column."""
    return m | (T.arange(4) < 2) | (T.arange(3) < 2)[:, None]


def masked(name, *args, domain="real", **kw):
    """The row of a function over the elements of a mask."""
    return row(f"masked_{name}", lambda T, x, m: getattr(T.masked, name)(x, *args, mask=keep(T, m)),
               Input(A, domain), MASK, **kw)  # fmt: skip


ROWS = [
    masked("sum", 1), masked("mean", (0, 1)), masked("prod", 0), masked("var", 1), masked("std", 0, False),
    masked("amax", 1, domain="distinct"), masked("amin", 0, domain="distinct"), masked("logsumexp", 1),
    masked("norm", 3.0, 1), masked("median", 1, domain="distinct"), masked("softmax", 1), masked("softmin", 0),
    masked("normalize", 2.0, 1), masked("cumsum", 1), masked("cumprod", 1),
    row("masked_log_softmax", lambda T, x, m: T.where(keep(T, m), T.masked.log_softmax(x, 1, mask=keep(T, m)), 0.0), A, MASK),
    row("masked_logaddexp", lambda T, x, y, m: T.masked.logaddexp(x, y, input_mask=m), A, A, MASK, torch=False),
]  # fmt: skip
