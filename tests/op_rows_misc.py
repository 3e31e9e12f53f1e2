"""Rows of the small numeric ops, of the copying forms of views, and of index_reduce."""

from op_rows_shape import idx, row

from wengert.testing.grid import Input

A = (2, 3, 4)
DISTINCT = Input((3, 4), "distinct")
LAID = {"memory_layouts": "as_strided looks at memory, which a layout changes, as in PyTorch"}
MAPPED = dict.fromkeys(
    ("vmap", "vmap_of_grad", "grad_of_vmap"), "an unmapped tensor can't be written with mapped ones, as in PyTorch"
)

ROWS = [
    row("frexp", lambda T, x: T.frexp(x)[0], (2, 3)),
    row("renorm", lambda T, x: T.renorm(x, 2, 0, 1.2), (3, 4), complex=True, inplace=lambda T, x: x.renorm_(2, 0, 1.2)),
    row("renorm_p", lambda T, x: T.renorm(x, 3, 1, 0.7), (2, 3, 2)),
    # PyTorch can't differentiate its own vander
    row("vander", lambda T, x: T.vander(x), (4,), complex=True, torch=False),
    row("vander_increasing", lambda T, x: T.vander(x, 3, True), (4,), torch=False),
    row("vander_one", lambda T, x: T.vander(x, 1) * x[:, None], (4,)),
    row("constant_pad_nd", lambda T, x: T.constant_pad_nd(x, (1, 0, 2, -1), 0.5), (3, 4), complex=True),
    row("gradient", lambda T, x: T.gradient(x), (3, 4), complex=True),
    row("gradient_spacing", lambda T, x: T.gradient(x, spacing=0.5, dim=1, edge_order=2), (3, 4)),
    row("gradient_coordinates", lambda T, x, a: T.gradient(x, spacing=(a.cumsum(0),), dim=0, edge_order=2),
        (4, 2), Input((4,), "positive")),
    row("as_strided_scatter", lambda T, x, y: T.as_strided_scatter(x, y, (2, 2), (4, 2)), (3, 4), (2, 2),
        gaps=LAID, torch=False),  # PyTorch's gradient is that of the elements that were replaced
    row("as_strided_scatter_offset", lambda T, x, y: T.as_strided_scatter(x, y, (2, 2), (4, 2), 1), (3, 4), (2, 2),
        gaps=LAID, torch=False),
    *[row(f"index_reduce_{how}{'' if own else '_without_self'}",
          lambda T, x, i, y, how=how, own=own: T.index_reduce(x, 0, i, y, how, include_self=own),
          DISTINCT, idx(5), Input((5, 4), "distinct"),
          inplace=lambda T, x, i, y, how=how, own=own: x.index_reduce_(0, i, y, how, include_self=own),
          forward=how == "mean", orders=2 if how == "mean" else 1)
      for how in ("prod", "mean", "amax", "amin") for own in (True, False)],
    row("index_reduce_vector", lambda T, x, i, y: T.index_reduce(x, 0, i, y, "mean"), (3,), idx(4), (4,)),
    row("scatter_add_expanded", lambda T, x, i, y: T.scatter_add(x, 0, i[:, None].expand(6, 4), y),
        (3, 4), idx(6), (6, 4), inplace=lambda T, x, i, y: x.scatter_add_(0, i[:, None].expand(6, 4), y)),
    row("gather_expanded", lambda T, x, i: T.gather(x, 1, i.expand(3, 5)), (3, 4), idx(5, n=4)),
    row("scatter_mean_expanded",
        lambda T, x, i, y: T.scatter_reduce(x, 1, i.expand(3, 5), y, "mean", include_self=False),
        (3, 4), idx(5, n=4), (3, 5)),
    # copies of views
    row("view_copy", lambda T, x: T.view_copy(x, (4, 6)), A, gaps={"memory_layouts": "refuses strides, as `view`"}),
    row("permute_copy", lambda T, x: T.permute_copy(x, (2, 0, 1)), A, complex=True),
    row("transpose_copy", lambda T, x: T.transpose_copy(x, 0, 1), A),
    row("t_copy", lambda T, x: T.t_copy(x), (2, 3)),
    row("expand_copy", lambda T, x: T.expand_copy(x, (2, 3)), (3,)),
    row("squeeze_copy", lambda T, x: T.squeeze_copy(x, 1), (2, 1, 3)),
    row("unsqueeze_copy", lambda T, x: T.unsqueeze_copy(x, 1), (2, 3)),
    row("select_copy", lambda T, x: T.select_copy(x, 1, 2), A),
    row("slice_copy", lambda T, x: T.slice_copy(x, 2, 0, None, 2), A),
    row("narrow_copy", lambda T, x: T.narrow_copy(x, 1, 1, 2), A),
    row("diagonal_copy", lambda T, x: T.diagonal_copy(x), (3, 3)),
    row("unfold_copy", lambda T, x: T.unfold_copy(x, 1, 3, 2), (2, 8)),
    row("alias_copy", lambda T, x: T.alias_copy(x), (2, 3)),
    row("split_copy", lambda T, x: T.split_copy(x, 2, 1), (2, 3)),
    row("unbind_copy", lambda T, x: T.unbind_copy(x, 1), (2, 3)),
    row("split_with_sizes_copy", lambda T, x: T.split_with_sizes_copy(x, [1, 2], 1), (2, 3)),
    row("unsafe_split", lambda T, x: T.unsafe_split(x, 2, 1), (2, 3)),
    row("unsafe_chunk", lambda T, x: T.unsafe_chunk(x, 2, 1), (2, 3)),
    row("unsafe_split_with_sizes", lambda T, x: T.unsafe_split_with_sizes(x, [1, 2], 1), (2, 3)),
    # functions that are methods too
    row("torch_addmv_", lambda T, x, y, z: T.addmv_(x * 1, y, z), (2,), (2, 3), (3,), gaps=MAPPED),
    row("torch_fix_", lambda T, x: T.fix_(x * 1) + x, (2, 3)),
    row("torch_cond", lambda T, x: T.cond(True, lambda v: v.sin(), lambda v: v.cos(), (x,)), (3,), torch=False),
]  # fmt: skip
