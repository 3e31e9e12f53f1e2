"""Rows of activations, losses, normalisation, embedding and special functions."""

from wengert.testing.grid import Input, Row

A = (3, 4)


def row(name, f, *shapes, inplace=None, **kw):
    """One row; a shape alone means real numbers of that shape."""
    inputs = [s if isinstance(s, Input) else Input(s) for s in shapes]
    return Row(name, f, inputs, inplace=inplace, **kw)


def act(name, *args, inplace=False, domain="real", **kw):
    """An activation, with its arguments."""
    f = lambda T, x: getattr(T.nn.functional, name)(x, *args)
    g = (lambda T, x: getattr(T.nn.functional, name)(x, *args, inplace=True)) if inplace else None
    label = name + "".join(f"_{a}" for a in args)
    return [row(label, f, Input(A, domain), inplace=g, **kw), row(f"{label}_0d", f, Input((), domain), **kw),
            row(f"{label}_empty", f, Input((0, 2), domain), **kw)]  # fmt: skip


def loss(name, *inputs, **options):
    """A loss in its three reductions."""
    return [
        row(f"{name}{'_weighted' if options else ''}_{how}",
            lambda T, *a, how=how: getattr(T.nn.functional, name)(*a, reduction=how, **options), *inputs)
        for how in ("mean", "sum", "none")
    ]  # fmt: skip


def special(name, domain="real", **kw):
    """A special function of one operand."""
    return [row(f"special_{name}", lambda T, x: getattr(T.special, name)(x), Input(A, domain), **kw),
            row(f"special_{name}_0d", lambda T, x: getattr(T.special, name)(x), Input((), domain), **kw)]  # fmt: skip


P = Input(A, "open")
CLASSES = Input((3,), ("int", 4))
SIGNS = lambda T, y: (y > 0).to(T.float64) * 2 - 1
ROWS = [
    *act("relu", inplace=True), *act("relu6", inplace=True), *act("leaky_relu", 0.2, inplace=False),
    *act("elu", 1.3), *act("selu", inplace=True), *act("celu", 1.2, torch_tolerance=1e-7), *act("gelu"),
    row("gelu_tanh", lambda T, x: T.nn.functional.gelu(x, approximate="tanh"), A),
    *act("silu", inplace=True), *act("mish", inplace=True), *act("sigmoid"), *act("softplus", 2.0, 1.5),
    *act("softsign"), *act("tanhshrink"), *act("hardtanh", -0.9, 0.8), *act("hardsigmoid", orders=1, torch_tolerance=1e-7),
    *act("hardswish"), *act("hardshrink", 0.4), *act("softshrink", 0.4), *act("threshold", 0.1, 2.0), *act("logsigmoid"),
    row("prelu", lambda T, x, w: T.nn.functional.prelu(x, w), A, Input((4,), "open")),
    row("glu", lambda T, x: T.nn.functional.glu(x, 1), A),
    row("softmax", lambda T, x: T.softmax(x, 1), A), row("softmax_0", lambda T, x: x.softmax(0), (2, 3, 2)),
    row("log_softmax", lambda T, x: T.log_softmax(x, 1), A), row("softmin", lambda T, x: T.nn.functional.softmin(x, 0), A),
    *loss("mse_loss", A, A), *loss("l1_loss", A, A), *loss("smooth_l1_loss", A, A), *loss("huber_loss", A, A, delta=0.7),
    *loss("binary_cross_entropy", P, Input(A, "open", grad=False)),
    *loss("binary_cross_entropy_with_logits", A, P),
    row("bce_logits_weighted", lambda T, x, y, w, p: T.nn.functional.binary_cross_entropy_with_logits(x, y, w, pos_weight=p),
        A, Input(A, "open", grad=False), Input(A, "positive", grad=False), Input((4,), "positive", grad=False)),
    row("bce_weighted", lambda T, x, y, w: T.nn.functional.binary_cross_entropy(x, y, w), P, P, Input(A, "positive", grad=False)),
    row("nll_loss", lambda T, x, t: T.nn.functional.nll_loss(x, t), A, CLASSES),
    row("nll_loss_weighted", lambda T, x, t, w: T.nn.functional.nll_loss(x, t, w, ignore_index=1), A, CLASSES, Input((4,), "positive", grad=False)),
    row("nll_loss_2d", lambda T, x, t: T.nn.functional.nll_loss(x, t, reduction="none"), (2, 4, 3, 2), Input((2, 3, 2), ("int", 4))),
    row("cross_entropy", lambda T, x, t: T.nn.functional.cross_entropy(x, t), A, CLASSES),
    row("cross_entropy_sum", lambda T, x, t: T.nn.functional.cross_entropy(x, t, reduction="sum", label_smoothing=0.1), A, CLASSES),
    row("cross_entropy_soft", lambda T, x, t: T.nn.functional.cross_entropy(x, t), A, Input(A, "open")),
    *loss("kl_div", A, P)[1:], row("kl_div_log", lambda T, x, y: T.nn.functional.kl_div(x, y, reduction="batchmean", log_target=True), A, A),
    *loss("poisson_nll_loss", A, Input(A, "positive")),
    *loss("gaussian_nll_loss", A, A, Input(A, "positive")),
    row("hinge_embedding_loss", lambda T, x, y: T.nn.functional.hinge_embedding_loss(x, SIGNS(T, y)), A, Input(A, grad=False)),
    row("margin_ranking_loss", lambda T, x, y, z: T.nn.functional.margin_ranking_loss(x, y, SIGNS(T, z), 0.1), (4,), (4,), Input((4,), grad=False)),
    row("triplet_margin_loss", lambda T, x, y, z: T.nn.functional.triplet_margin_loss(x, y, z), A, A, A),
    row("cosine_embedding_loss", lambda T, x, y, z: T.nn.functional.cosine_embedding_loss(x, y, SIGNS(T, z)), A, A, Input((3,), grad=False)),
    row("soft_margin_loss", lambda T, x, y: T.nn.functional.soft_margin_loss(x, SIGNS(T, y)), A, Input(A, grad=False)),
    row("multilabel_soft_margin_loss", lambda T, x, y: T.nn.functional.multilabel_soft_margin_loss(x, (y > 0).to(T.float64)), A, Input(A, grad=False)),
    row("multi_margin_loss", lambda T, x, t: T.nn.functional.multi_margin_loss(x, t), A, CLASSES),
    row("cosine_similarity", lambda T, x, y: T.nn.functional.cosine_similarity(x, y), A, A),
    row("pairwise_distance", lambda T, x, y: T.nn.functional.pairwise_distance(x, y), A, A),
    row("cdist", lambda T, x, y: T.cdist(x, y), A, (2, 4), torch_tolerance=1e-7, forward=True),
    row("cdist_1", lambda T, x, y: T.cdist(x, y, p=1.0), A, (2, 4)),
    row("pdist", lambda T, x: T.nn.functional.pdist(x), A),
    row("normalize", lambda T, x: T.nn.functional.normalize(x), A),
    row("layer_norm", lambda T, x, w, b: T.nn.functional.layer_norm(x, (4,), w, b), (2, 3, 4), (4,), (4,)),
    row("layer_norm_plain", lambda T, x: T.nn.functional.layer_norm(x, (3, 4)), (2, 3, 4)),
    row("rms_norm", lambda T, x, w: T.nn.functional.rms_norm(x, (4,), w), A, (4,)),
    row("group_norm", lambda T, x, w, b: T.nn.functional.group_norm(x, 2, w, b), (2, 4, 3), (4,), (4,)),
    row("batch_norm", lambda T, x, w, b: T.nn.functional.batch_norm(x, None, None, w, b, training=True), (5, 3), (3,), (3,)),
    row("batch_norm_3d", lambda T, x, w: T.nn.functional.batch_norm(x, None, None, w, training=True), (4, 3, 2), (3,)),
    row("batch_norm_eval", lambda T, x, w, b, m, v: T.nn.functional.batch_norm(x, m, v, w, b),
        (5, 3), (3,), (3,), Input((3,), grad=False), Input((3,), "positive", grad=False)),
    row("instance_norm", lambda T, x: T.nn.functional.instance_norm(x), (2, 3, 5)),
    row("embedding", lambda T, i, w: T.nn.functional.embedding(i, w), Input((2, 3), ("int", 5)), (5, 4)),
    row("embedding_padding", lambda T, i, w: T.nn.functional.embedding(i, w, padding_idx=1), Input((6,), ("int", 4)), (4, 2),
        gaps={"first_order": "the padding row has no gradient although it changes the result, as in PyTorch",
              "second_order": "the same", "forward_mode": "the same"}),
    row("pad", lambda T, x: T.nn.functional.pad(x, (1, 2, 0, 1), value=0.5), A),
    row("pad_reflect", lambda T, x: T.nn.functional.pad(x, (1, 2), mode="reflect"), (2, 3, 4)),
    row("pad_replicate", lambda T, x: T.nn.functional.pad(x, (1, 2), mode="replicate"), (2, 3, 4)),
    row("pad_circular", lambda T, x: T.nn.functional.pad(x, (1, 2), mode="circular"), (2, 3, 4)),
    row("pixel_shuffle", lambda T, x: T.nn.functional.pixel_shuffle(x, 2), (1, 4, 2, 3)),
    row("pixel_unshuffle", lambda T, x: T.nn.functional.pixel_unshuffle(x, 2), (1, 1, 4, 2)),
    *special("erf"), *special("erfc"), *special("erfinv", "unit"), *special("gammaln", "positive"), *special("digamma", "positive"),
    *special("entr", "positive"), *special("expit"), *special("logit", "open"), *special("i0"), *special("i0e"), *special("i1"), *special("i1e"),
    *special("ndtr"), *special("log_ndtr"), *special("ndtri", "open"), *special("erfcx", "positive"),
    row("polygamma", lambda T, x: T.polygamma(1, x), Input(A, "positive"), torch_tolerance=1e-7),
    row("zeta", lambda T, x: T.special.zeta(2.5, x), Input(A, "positive"), torch_tolerance=1e-7),
    row("embedding_by_frequency", lambda T, i, w: T.nn.functional.embedding(i, w * w, scale_grad_by_freq=True), Input((6,), ("int", 4)), (4, 2),
        gaps={"first_order": "the gradient is divided by the frequency, as in PyTorch", "second_order": "the same", "forward_mode": "the same"}),
    row("xlogy", lambda T, x, y: T.xlogy(x, y), A, Input(A, "positive")),
    row("xlog1py", lambda T, x, y: T.special.xlog1py(x, y), A, Input(A, "positive")),
]  # fmt: skip
