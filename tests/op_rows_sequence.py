"""Rows of recurrent layers, attention, bags of embeddings and CTC."""

from wengert.testing.grid import Input, Row


def row(name, f, *shapes, **kw):
    """One row; a shape alone means real numbers of that shape."""
    return Row(name, f, [s if isinstance(s, Input) else Input(s) for s in shapes], **kw)


def layer(kind, gates, *, bias=True, projected=0, layers=1, packed=False):
    """A recurrent network with its weights as inputs: 3 steps (or 4 packed items) of 2 features."""
    hidden, width = 2, projected or 2
    states = [(layers, 2, width), (layers, 2, hidden)] if kind == "lstm" else [(layers, 2, width)]
    weights = []
    for k in range(layers):
        weights += [(gates * hidden, width if k else 2), (gates * hidden, width)]
        weights += [(gates * hidden,)] * 2 if bias else []
        weights += [(projected, hidden)] if projected else []

    def call(T, x, *rest):
        hx, w = rest[: len(states)], list(rest[len(states) :])
        hx = hx if kind == "lstm" else hx[0]
        if packed:
            return getattr(T, kind)(x, T.tensor([2, 1, 1]), hx, w, bias, layers, 0.0, True, False)
        return getattr(T, kind)(x, hx, w, bias, layers, 0.0, True, False, False)

    label = f"{kind}{'' if bias else '_plain'}{'_projected' if projected else ''}{'_packed' if packed else ''}"
    return row(f"{label}_{layers}", call, (4, 2) if packed else (3, 2, 2), *states, *weights)


def cell(name, gates, states=1):
    """A cell with all its weights."""

    def call(T, x, *rest):
        hx = rest[0] if states == 1 else rest[:states]
        return getattr(T, name)(x, hx, *rest[states:])

    return row(name, call, (2, 3), *[(2, 2)] * states, (gates * 2, 3), (gates * 2, 2), (gates * 2,), (gates * 2,))


def attend(name, *shapes, **options):
    """Scaled dot-product attention."""
    return row(name, lambda T, *a: T.nn.functional.scaled_dot_product_attention(*a, **options), *shapes)


def bags(mode, *inputs, weighted=False):
    """Bags of embeddings: an empty one, and one of two."""
    f = lambda T, i, w, p=None: T.nn.functional.embedding_bag(
        i, w, T.tensor([0, 0, 2]), mode=mode, per_sample_weights=p
    )
    table = Input((5, 3), "distinct")
    more = [(4,)] if weighted else []
    return row(f"embedding_bag_{mode}{'_weighted' if weighted else ''}", f, Input((4,), ("int", 5)), table, *more, fixed=(0,))


def ctc(name, **options):
    """CTC of two sequences; the input of the row is logits, so that its slope is the whole one."""
    return row(name, lambda T, x: T.nn.functional.ctc_loss(
        x.log_softmax(2), T.tensor([[1, 2, 2], [3, 1, 0]]), [6, 4], [3, 2], **options), (6, 2, 4))  # fmt: skip


Q = (2, 3, 4)
ROWS = [
    layer("rnn_tanh", 1), layer("rnn_relu", 1, bias=False), layer("lstm", 4), layer("gru", 3),
    layer("lstm", 4, projected=1, layers=2), layer("gru", 3, bias=False, layers=2),
    layer("lstm", 4, packed=True, bias=False), layer("gru", 3, packed=True), layer("rnn_tanh", 1, packed=True),
    cell("rnn_tanh_cell", 1), cell("rnn_relu_cell", 1), cell("gru_cell", 3), cell("lstm_cell", 4, 2),
    attend("attention", Q, (2, 5, 4), (2, 5, 3)), attend("attention_matrix", (3, 4), (5, 4), (5, 4), scale=0.7),
    attend("attention_causal", (1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4), is_causal=True),
    attend("attention_mask", Q, (2, 5, 4), (2, 5, 4), Input((3, 5), grad=False)),
    attend("attention_bias", Q, (2, 5, 4), (2, 5, 4), (3, 5)),
    attend("attention_groups", (4, 3, 2), (2, 3, 2), (2, 3, 2), enable_gqa=True),
    bags("sum"), bags("mean"), bags("max"), bags("sum", weighted=True),
    ctc("ctc_loss"), ctc("ctc_loss_sum", reduction="sum"), ctc("ctc_loss_none", reduction="none"),
]  # fmt: skip
