"""Rows of the ops that move elements: views, joining, indexing, masks."""

from wengert.testing.grid import Input, Row

A = (2, 3, 4)


def row(name, f, *shapes, inplace=None, **kw):
    """One row; a shape alone means real numbers of that shape."""
    inputs = [s if isinstance(s, Input) else Input(s) for s in shapes]
    return Row(name, f, inputs, inplace=inplace, **kw)


def idx(*shape, n=3):
    """An integer input with values below n."""
    return Input(shape, ("int", n))


MASK = Input((3, 4), "bool")
REFUSES = {"memory_layouts": "refuses strides that it can't look through, as in PyTorch"}

ROWS = [
    # views
    row("view", lambda T, x: x.view(3, 8), A, complex=True, gaps=REFUSES),
    row("view_as", lambda T, x, y: x.view_as(y), (6,), Input((2, 3), grad=False)),
    row("reshape_copy", lambda T, x: x.transpose(0, 1).reshape(6, 4), A),
    row("flatten", lambda T, x: T.flatten(x, 1), A),
    row("unflatten", lambda T, x: x.unflatten(2, (2, 2)), A),
    row("ravel", lambda T, x: T.ravel(x), A),
    row("t", lambda T, x: x.t() * 1, (2, 3), complex=True),
    row("T", lambda T, x: x.T * 1, (2, 3)),
    row("mT", lambda T, x: x.mT * 1, A),
    row("transpose", lambda T, x: T.transpose(x, 0, 2) * 1, A),
    row("permute", lambda T, x: x.permute(2, 0, 1) * 1, A),
    row("movedim", lambda T, x: T.movedim(x, 0, 2) * 1, A),
    row("swapaxes", lambda T, x: T.swapaxes(x, 0, 1) * 1, A),
    row("squeeze", lambda T, x: T.squeeze(x), (2, 1, 3, 1)),
    row("squeeze_dim", lambda T, x: T.squeeze(x, 1), (2, 1, 3)),
    row("squeeze_dims", lambda T, x: T.squeeze(x, (1, 3)), (2, 1, 3, 1)),
    row("unsqueeze", lambda T, x: T.unsqueeze(x, 1), (2, 3), inplace=None),
    row("expand", lambda T, x: x.expand(4, 2, 3), (2, 1)),
    row("expand_as", lambda T, x, y: x.expand_as(y), (1, 3), Input((2, 3), grad=False)),
    row("broadcast_to", lambda T, x: T.broadcast_to(x, (2, 2, 3)), (3,)),
    row("broadcast_tensors", lambda T, x, y: T.broadcast_tensors(x, y), (2, 1), (3,)),
    row("narrow", lambda T, x: T.narrow(x, 1, 1, 2), A),
    row("select", lambda T, x: T.select(x, 1, 2), A),
    row("diagonal", lambda T, x: T.diagonal(x, 0, 1, 2), A),
    row("diagonal_offset", lambda T, x: T.diagonal(x, -1), (3, 3)),
    row("unfold", lambda T, x: x.unfold(1, 3, 2), (2, 8)),
    row("as_strided", lambda T, x: T.as_strided(x, (2, 3), (1, 2)), (8,),
        gaps={"memory_layouts": "as_strided looks at memory, which a layout changes, as in PyTorch"}),
    row("chunk", lambda T, x: T.chunk(x, 2, 2), A),
    row("split", lambda T, x: T.split(x, 2), (5, 2)),
    row("split_sizes", lambda T, x: T.split(x, [1, 3], 1), (2, 4)),
    row("tensor_split", lambda T, x: T.tensor_split(x, 3), (7,)),
    row("hsplit", lambda T, x: T.hsplit(x, 2), (2, 4)),
    row("vsplit", lambda T, x: T.vsplit(x, 2), (4, 2)),
    row("dsplit", lambda T, x: T.dsplit(x, 2), (2, 2, 4)),
    row("unbind", lambda T, x: T.unbind(x, 1), A),
    row("iterate", lambda T, x: [r * 2 for r in x], (3, 2)),
    row("real", lambda T, x: T.real(x * (1 + 2j)), (2, 3), complex=True),
    row("imag", lambda T, x: T.imag(x * (1 + 2j)), (2, 3), complex=True),
    row("view_as_real", lambda T, x: T.view_as_real(x * (1 + 2j)), (2, 3), complex=True),
    row("view_as_complex", lambda T, x: T.abs(T.view_as_complex(x)), (3, 2), gaps=REFUSES),
    row("conj", lambda T, x: T.conj(x * (1 + 2j)).abs() + T.conj(x * (2 + 1j)).real, (2, 3), complex=True),
    row("conj_physical", lambda T, x: T.conj_physical(x * (1 + 2j)).real, (2, 3)),
    row("complex", lambda T, x, y: T.complex(x, y).abs(), (2, 3), (2, 3)),
    row("polar", lambda T, x, y: T.polar(x, y).real, Input((2, 3), "positive"), (2, 3)),
    row("clone", lambda T, x: x.clone(), A),
    row("contiguous", lambda T, x: x.transpose(0, 2).contiguous(), A),
    row("slice", lambda T, x: x[:, 1:3], A, complex=True),
    row("slice_step", lambda T, x: x[..., ::2], A),
    row("index_int", lambda T, x: x[1], A),
    row("index_mixed_basic", lambda T, x: x[1, :, None, 2:], A),
    row("ellipsis", lambda T, x: x[..., 0], A),
    # advanced indexing
    row("index_tensor", lambda T, x, i: x[i], (3, 4), idx(5), complex=True),
    row("index_pair", lambda T, x, i, j: x[i, j], (3, 4), idx(5), idx(5, n=4)),
    row("index_mixed", lambda T, x, i: x[:, i, 1:], A, idx(2)),
    row("index_apart", lambda T, x, i, j: x[i, :, j], A, idx(4, n=2), idx(4, n=4)),
    row("index_mask", lambda T, x, m: x[m], (3, 4), MASK, fixed=(1,)),
    row("index_list", lambda T, x: x[[0, 2, 2]], (3, 4)),
    row("setitem_slice", lambda T, x, y: _set(x, (slice(None), 1), y), (3, 4), (3,), written=(0,)),
    row("setitem_scalar", lambda T, x: _set(x, (0,), 2.0), (3, 4)),
    row("setitem_tensor", lambda T, x, y, i: _set(x, i, y), (5, 4), (2, 4), Input((2,), ("int", 1)), written=(0,),
        gaps={"first_order": "writing one element twice is undefined, as in PyTorch",
              "second_order": "the same", "forward_mode": "the same", "memory_layouts": "the same",
              "single_precision": "the same"}),
    row("setitem_mask", lambda T, x, m: _set(x, m, 1.5), (3, 4), MASK, fixed=(1,), written=(0,)),
    row("index_select", lambda T, x, i: T.index_select(x, 1, i), (2, 3), idx(4)),
    row("index_add", lambda T, x, i, y: T.index_add(x, 0, i, y), (3, 2), idx(4), (4, 2),
        inplace=lambda T, x, i, y: x.index_add_(0, i, y)),
    row("index_copy", lambda T, x, y: T.index_copy(x, 0, T.tensor([2, 0]), y), (3, 2), (2, 2),
        inplace=lambda T, x, y: x.index_copy_(0, T.tensor([2, 0]), y)),
    row("index_fill", lambda T, x: T.index_fill(x, 0, T.tensor([2, 0]), 1.5), (3, 2),
        inplace=lambda T, x: x.index_fill_(0, T.tensor([2, 0]), 1.5)),
    row("index_put", lambda T, x, y: T.index_put(x, (T.tensor([2, 0]),), y), (3, 2), (2, 2)),
    row("index_put_accumulate", lambda T, x, i, y: T.index_put(x, (i,), y, accumulate=True), (3, 2), idx(4), (4, 2)),
    row("gather", lambda T, x, i: T.gather(x, 1, i), (3, 4), idx(3, 2, n=4), complex=True),
    row("scatter", lambda T, x, y: T.scatter(x, 1, T.tensor([[0, 2], [1, 3], [3, 0]]), y), (3, 4), (3, 2)),
    row("scatter_value", lambda T, x: T.scatter(x, 1, T.tensor([[0], [1], [3]]), 2.0), (3, 4)),
    row("scatter_add", lambda T, x, i, y: T.scatter_add(x, 1, i, y), (3, 4), idx(3, 2, n=4), (3, 2),
        inplace=lambda T, x, i, y: x.scatter_add_(1, i, y)),
    *[row(f"scatter_reduce_{how}",
          lambda T, x, i, y, how=how: T.scatter_reduce(x, 1, i, y, how),
          Input((3, 4), "distinct"), idx(3, 2, n=4), Input((3, 2), "distinct"),
          forward=how in ("sum", "mean"), orders=2 if how in ("sum", "mean") else 1)
      for how in ("sum", "prod", "mean", "amax", "amin")],
    row("take", lambda T, x, i: T.take(x, i), (3, 4), idx(2, 2, n=12)),
    row("take_along_dim", lambda T, x, i: T.take_along_dim(x, i, 1), (3, 4), idx(3, 2, n=4)),
    row("put", lambda T, x, y: x.put(T.tensor([3, 7]), y), (3, 4), (2,)),
    row("masked_fill", lambda T, x, m: T.masked_fill(x, m, 2.0), (2, 3, 4), MASK,
        inplace=lambda T, x, m: x.masked_fill_(m, 2.0)),
    row("masked_fill_tensor", lambda T, x, m, v: T.masked_fill(x, m, v), (3, 4), MASK, ()),
    row("masked_select", lambda T, x, m: T.masked_select(x, m), (3, 4), MASK, fixed=(1,)),
    row("masked_scatter", lambda T, x, m, y: T.masked_scatter(x, m, y), (3, 4), MASK, (12,)),
    row("where", lambda T, m, x, y: T.where(m, x, y), MASK, (3, 4), (4,), complex=True),
    row("where_scalar", lambda T, m, x: T.where(m, x, 2.0), MASK, (3, 4)),
    row("select_scatter", lambda T, x, y: T.select_scatter(x, y, 0, 1), (3, 4), (4,)),
    row("slice_scatter", lambda T, x, y: T.slice_scatter(x, y, 1, 1, 3), (3, 4), (3, 2)),
    row("diagonal_scatter", lambda T, x, y: T.diagonal_scatter(x, y), (3, 3), (3,)),
    # joining and arranging
    row("cat", lambda T, x, y: T.cat([x, y], 1), (2, 3), (2, 2), complex=True),
    row("cat_same", lambda T, x: T.cat([x, x], 0), (2, 3)),
    row("stack", lambda T, x, y: T.stack([x, y], 1), (2, 3), (2, 3), complex=True),
    row("hstack", lambda T, x, y: T.hstack([x, y]), (2, 3), (2, 2)),
    row("vstack", lambda T, x, y: T.vstack([x, y]), (3,), (2, 3)),
    row("dstack", lambda T, x, y: T.dstack([x, y]), (2, 3), (2, 3)),
    row("column_stack", lambda T, x, y: T.column_stack([x, y]), (3,), (3, 2)),
    row("repeat", lambda T, x: x.repeat(2, 1, 3), (2, 3)),
    row("tile", lambda T, x: T.tile(x, (2, 2)), (2, 3)),
    row("repeat_interleave", lambda T, x: T.repeat_interleave(x, 2, 1), (2, 3)),
    row("repeat_interleave_tensor", lambda T, x: T.repeat_interleave(x, T.tensor([1, 0, 2]), 0), (3, 2)),
    row("flip", lambda T, x: T.flip(x, (0, 2)), A),
    row("fliplr", lambda T, x: T.fliplr(x), (2, 3)),
    row("flipud", lambda T, x: T.flipud(x), (2, 3)),
    row("roll", lambda T, x: T.roll(x, (1, 2), (0, 1)), (3, 4)),
    row("roll_flat", lambda T, x: T.roll(x, 2), (3, 4)),
    row("rot90", lambda T, x: T.rot90(x, 1, (0, 1)), (2, 3)),
    row("tril", lambda T, x: T.tril(x, 1), (3, 4), inplace=lambda T, x: x.tril_(1)),
    row("triu", lambda T, x: T.triu(x), (2, 3, 3), inplace=lambda T, x: x.triu_()),
    row("diag_1d", lambda T, x: T.diag(x, 1), (3,)),
    row("diag_2d", lambda T, x: T.diag(x), (3, 4)),
    row("diag_embed", lambda T, x: T.diag_embed(x), (2, 3)),
    row("diagflat", lambda T, x: T.diagflat(x), (2, 2)),
    row("meshgrid", lambda T, x, y: T.meshgrid(x, y, indexing="ij"), (2,), (3,)),
    row("atleast_3d", lambda T, x: T.atleast_3d(x), (2, 3)),
    row("block_diag", lambda T, x, y: T.block_diag(x, y), (2, 3), (1, 2)),
    row("cartesian_prod", lambda T, x, y: T.cartesian_prod(x, y), (2,), (3,)),
    row("combinations", lambda T, x: T.combinations(x), (4,)),
    # writing
    row("copy_", lambda T, x, y: (x * 1).copy_(y), (2, 3), (3,), written=(0,)),
    row("fill_", lambda T, x: (x * 1).fill_(2.0) * x, (2, 3)),
    row("fill_tensor", lambda T, x, y: (x * 1).fill_(y) * x, (2, 3), (), written=(0,)),
    row("zero_", lambda T, x: (x * 1).zero_() + x, (2, 3)),
    row("view_write", lambda T, x, y: _view_write(x, y), (3, 4), (4,), written=(0,)),
]  # fmt: skip


def _set(x, key, value):
    t = x * 1
    t[key] = value
    return t


def _view_write(x, y):
    t = x * 1
    t[1].mul_(y)
    t.t()[0].add_(1)
    return t * t
