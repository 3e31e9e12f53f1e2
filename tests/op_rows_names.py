"""Rows of names that are other forms of ops in the other tables: operators, aliases, small composites."""

from wengert.testing.grid import Input, Row

A, M = (2, 3), (3, 4)
PIXELS = (2, 4, 3, 4)
DRAWN = dict.fromkeys(
    ("vmap", "vmap_of_grad", "grad_of_vmap", "memory_layouts", "single_precision"),
    "the numbers drawn depend on memory layout, dtype and batch, as in PyTorch",
)


def row(name, f, *inputs, **kw):
    """One row; a shape alone means real numbers of that shape."""
    return Row(name, f, [i if isinstance(i, Input) else Input(i) for i in inputs], **kw)


def seeded(f):
    """The call with a seed of its own, so that it draws the same numbers each time."""

    def call(T, *xs):
        T.manual_seed(3)
        return f(T, *xs)

    return call


def distance(T):
    return lambda a, b: (a - b).abs().sum(-1)


def heads(T, q, w, b, o):
    """Self-attention of two heads with in-projection w, b and out-projection o."""
    return T.nn.functional.multi_head_attention_forward(
        q, q, q, 4, 2, w, b, None, None, False, 0.0, o, None, training=False
    )[0]


def mask(T):
    return T.tensor([True, False, True])


def places(T):
    """Positions of three elements, one of them out of range and masked."""
    return [T.tensor([0, 9, 1]), T.tensor([2, 0, 1])]


def drop(name, shape):
    return row(
        f"F_{name}", seeded(lambda T, x: getattr(T.nn.functional, name)(x, 0.4, training=True)), shape,
        gaps=DRAWN,
    )  # fmt: skip


ROWS = [
    # operators with the tensor on the right, and indexing
    row("number_plus", lambda T, x: 2 + x, A, complex=True), row("number_minus", lambda T, x: 2 - x, A, complex=True),
    row("number_times", lambda T, x: 2 * x, A, complex=True), row("number_over", lambda T, x: 2 / x, Input(A, "positive")),
    row("number_power", lambda T, x: 2**x, A), row("number_modulo", lambda T, x: 2.3 % x, Input(A, "big"), torch=False),  # PyTorch has no derivative of it
    row("rmatmul", lambda T, x, y: y.__rmatmul__(x), A, M, complex=True),
    row("matmul_function", lambda T, x, y: T.matmul(x, y), A, M, complex=True),
    row("getitem_slices", lambda T, x: x[..., 1:, None], M), row("getitem_number", lambda T, x: x[1], M),
    row("getitem_positions", lambda T, x: x[[0, 2, 0], 1:3], M),
    row("getitem_negative_step", lambda T, x: x[:, [3, 1]], M),
    # other names
    row("true_divide", lambda T, x, y: T.true_divide(x, y), A, Input(A, "big"),
        inplace=lambda T, x, y: x.true_divide_(y)),
    row("trapz", lambda T, x, y: T.trapz(x, y), (5,), (5,)),
    row("pinverse", lambda T, x: T.pinverse(x), M), row("lgamma", lambda T, x: T.lgamma(x), Input(A, "positive")),
    row("mvlgamma", lambda T, x: T.mvlgamma(x, 2), Input(A, "big")),
    row("H", lambda T, x: x.H, A, complex=True), row("mH", lambda T, x: x.mH, (2, 3, 4), complex=True),
    row("atleast_1d", lambda T, x: T.atleast_1d(x), ()), row("atleast_2d", lambda T, x: T.atleast_2d(x), (3,)),
    row("double", lambda T, x: x.double() * 2, A), row("resolve_neg", lambda T, x: x.resolve_neg() * 2, A),
    row("cdouble", lambda T, x: x.cdouble().real, A),
    row("reshape_as", lambda T, x: x.reshape_as(T.zeros(6)), A),
    row("sum_to_size", lambda T, x: x.sum_to_size(1, 3), A),
    row("split_with_sizes", lambda T, x: T.split_with_sizes(x, [1, 3], 1), M),
    row("as_strided_copy", lambda T, x: T.as_strided_copy(x, (2, 2), (3, 1)), A,
        gaps={"memory_layouts": "as_strided looks at memory, which a layout changes, as in PyTorch"}),
    # private names of PyTorch's
    row("softmax_backward_data", lambda T, g, y: T._softmax_backward_data(g, y, 1, g.dtype), A, Input(A, "open")),
    row("safe_softmax", lambda T, x: T._safe_softmax(x, 1), A),
    row("unsafe_masked_index", lambda T, x: T._unsafe_masked_index(x, mask(T), places(T), 0.5), A),
    row("unsafe_masked_put",
        lambda T, x, v: T._unsafe_masked_index_put_accumulate(x, mask(T), places(T), v), A, (3,)),
    # layers
    row("channel_shuffle", lambda T, x: T.nn.functional.channel_shuffle(x, 2), PIXELS),
    row("upsample_nearest", lambda T, x: T.nn.functional.interpolate(x, scale_factor=2, mode="nearest"), PIXELS),
    row("upsample_bilinear",
        lambda T, x: T.nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), PIXELS),
    row("grid_sampler_2d", lambda T, x, g: T.grid_sampler_2d(x, g, 0, 0, False), (1, 2, 3, 3), Input((1, 2, 2, 2), "unit")),
    row("grid_sampler_3d", lambda T, x, g: T.grid_sampler_3d(x, g, 0, 0, False), (1, 1, 3, 3, 3),
        Input((1, 1, 2, 2, 3), "unit")),
    row("multi_head_attention", heads, (3, 2, 4), (12, 4), (12,), (4, 4)),
    row("multilabel_margin_loss",
        lambda T, x: T.nn.functional.multilabel_margin_loss(x, T.tensor([[2, 0, -1], [1, -1, 0]])), Input(A, "distinct")),
    row("triplet_margin_with_distance",
        lambda T, x, y, z: T.nn.functional.triplet_margin_with_distance_loss(
            x, y, z, distance_function=distance(T), margin=9.0), A, A, A),
    row("linear_cross_entropy",
        lambda T, x, w: T.nn.functional.linear_cross_entropy(x, w, T.tensor([1, 0, 3])), (3, 2), (4, 2)),
    drop("dropout2d", (2, 3, 2, 2)), drop("dropout3d", (2, 3, 2, 2, 1)), drop("alpha_dropout", (3, 4)),
    drop("feature_alpha_dropout", (2, 3, 2)),
]  # fmt: skip
