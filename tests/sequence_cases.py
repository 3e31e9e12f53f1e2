"""Recurrent, attention and embedding layers with inputs, and what PyTorch 2.13 made of them (seed 0).

A case is how to make the module and how to call it, over the inputs below. `run` gives the module,
its results, a weighted sum of these, and the gradients of that sum by all inputs and parameters.
"""

from __future__ import annotations

import numpy as np

_random = np.random.RandomState
_normal = lambda seed, *shape: _random(seed).standard_normal(shape).astype("f")
INPUTS = {
    "x": _normal(0, 5, 3, 4),
    "single": _normal(1, 5, 4),
    "row": _normal(2, 3, 4),
    "h": _normal(3, 1, 3, 6),
    "h2": _normal(4, 2, 3, 6),
    "c2": _normal(5, 2, 3, 6),
    "hp": _normal(6, 2, 3, 2),
    "h4": _normal(7, 4, 3, 6),
    "hs": _normal(8, 1, 6),
    "hr": _normal(9, 3, 6),
    "cr": _normal(10, 3, 6),
    "q": _normal(11, 5, 3, 8),
    "k": _normal(12, 4, 3, 8),
    "k6": _normal(13, 4, 3, 6),
    "v7": _normal(14, 4, 3, 7),
    "mask": _random(15).random_sample((5, 4)) > 0.7,
    "bias": _normal(16, 5, 4),
    "heads": _normal(17, 6, 5, 4),
    "padding": np.array([[False, False, True, True], [False] * 4, [False, False, False, True]]),
    "index": np.array([1, 2, 4, 5, 4, 3, 2, 0]),
    "offsets": np.array([0, 0, 3]),
    "ends": np.array([0, 0, 3, 8]),
    "bags": np.array([[1, 2, 4], [5, 4, 0]]),
    "weights": _normal(18, 8),
    "features": _normal(19, 6, 8),
    "classes": np.array([0, 6, 12, 19, 4, 10]),
}
INPUTS["mask"][:, 0] = False

_RNN = "lambda m, i: m(i.x)"
_PACKED = "lambda m, i: m(rnn.pack_padded_sequence(i.x, [5, 2, 1]))"
_LOOSE = "lambda m, i: m(rnn.pack_padded_sequence(i.x, [2, 5, 1], enforce_sorted=False)"
CASES = {
    "rnn": ("nn.RNN(4, 6)", _RNN),
    "rnn_relu": ("nn.RNN(4, 6, 2, 'relu', bidirectional=True)", "lambda m, i: m(i.x, i.h4)"),
    "rnn_unbatched": ("nn.RNN(4, 6, bias=False)", "lambda m, i: m(i.single, i.hs)"),
    "lstm": ("nn.LSTM(4, 6, 2)", "lambda m, i: m(i.x, (i.h2, i.c2))"),
    "lstm_batch_first": ("nn.LSTM(4, 6, batch_first=True)", _RNN),
    "lstm_unbatched": ("nn.LSTM(4, 6)", "lambda m, i: m(i.single)"),
    "lstm_projected": ("nn.LSTM(4, 6, bidirectional=True, proj_size=2)", "lambda m, i: m(i.x, (i.hp, i.c2))"),
    "lstm_plain": ("nn.LSTM(4, 6, 3, bias=False)", _RNN),
    "lstm_dropout": ("nn.LSTM(4, 6, 2, dropout=0.5, bidirectional=True)", _RNN),
    "lstm_packed": ("nn.LSTM(4, 6, 2, bidirectional=True)", _PACKED),
    "lstm_packed_unsorted": ("nn.LSTM(4, 6, 2)", f"{_LOOSE}, (i.h2, i.c2))"),
    "gru": ("nn.GRU(4, 6, bidirectional=True)", "lambda m, i: m(i.x, i.h2)"),
    "gru_plain": ("nn.GRU(4, 6, 2, bias=False, batch_first=True)", _RNN),
    "gru_dropout": ("nn.GRU(4, 6, 2, dropout=0.3)", _RNN),
    "gru_packed": ("nn.GRU(4, 6)", f"{_LOOSE}, i.h)"),
    "rnn_packed": ("nn.RNN(4, 6, bidirectional=True)", _PACKED),
    "rnn_cell": ("nn.RNNCell(4, 6)", "lambda m, i: m(i.row, i.hr)"),
    "rnn_cell_relu": ("nn.RNNCell(4, 6, bias=False, nonlinearity='relu')", "lambda m, i: m(i.row)"),
    "lstm_cell": ("nn.LSTMCell(4, 6)", "lambda m, i: m(i.row, (i.hr, i.cr))"),
    "lstm_cell_single": ("nn.LSTMCell(4, 6, bias=False)", "lambda m, i: m(i.row[0])"),
    "gru_cell": ("nn.GRUCell(4, 6)", "lambda m, i: m(i.row, i.hr)"),
    "gru_cell_single": ("nn.GRUCell(4, 6)", "lambda m, i: m(i.row[0], i.hr[0])"),
    "self_attention": ("nn.MultiheadAttention(8, 2)", "lambda m, i: m(i.q, i.q, i.q)"),
    "attention": ("nn.MultiheadAttention(8, 4, bias=False)", "lambda m, i: m(i.q, i.k, i.k, attn_mask=i.mask)"),
    "attention_wide": ("nn.MultiheadAttention(8, 2, kdim=6, vdim=7, add_bias_kv=True)",
                       "lambda m, i: m(i.q, i.k6, i.v7, key_padding_mask=i.padding, attn_mask=i.mask)"),
    "attention_zero": ("nn.MultiheadAttention(8, 2, add_zero_attn=True)",
                       "lambda m, i: m(i.q, i.k, i.k, attn_mask=i.heads, average_attn_weights=False)"),
    "attention_dropout": ("nn.MultiheadAttention(8, 2, dropout=0.5)",
                          "lambda m, i: m(i.q, i.k, i.k, attn_mask=i.bias, need_weights=False)[0]"),
    "attention_unbatched": ("nn.MultiheadAttention(8, 2)", "lambda m, i: m(i.q[:, 0], i.k[:, 0], i.k[:, 0])"),
    "encoder_layer": ("nn.TransformerEncoderLayer(8, 2, 12)", "lambda m, i: m(i.q)"),
    "encoder_layer_first": ("nn.TransformerEncoderLayer(8, 2, 12, 0.0, 'gelu', batch_first=True, norm_first=True)",
                            "lambda m, i: m(i.q)"),
    "decoder_layer": ("nn.TransformerDecoderLayer(8, 2, 12, bias=False)",
                      "lambda m, i: m(i.q, i.k, memory_key_padding_mask=i.padding)"),
    "transformer": ("nn.Transformer(8, 2, 1, 2, 12, 0.0)",
                    "lambda m, i: m(i.k, i.q, None, m.generate_square_subsequent_mask(5), None, i.padding, None, i.padding)"),
    "transformer_dropout": ("nn.Transformer(8, 2, 2, 1, 12, norm_first=True)", "lambda m, i: m(i.k, i.q)"),
    "bag_sum": ("nn.EmbeddingBag(6, 3, mode='sum')", "lambda m, i: m(i.index, i.offsets, i.weights)"),
    "bag_mean": ("nn.EmbeddingBag(6, 3, padding_idx=4)", "lambda m, i: m(i.index, i.offsets)"),
    "bag_max": ("nn.EmbeddingBag(6, 3, mode='max')", "lambda m, i: m(i.bags)"),
    "bag_norm": ("nn.EmbeddingBag(6, 3, max_norm=1.0)", "lambda m, i: m(i.bags)"),
    "bag_last": ("nn.EmbeddingBag(6, 3, mode='sum', include_last_offset=True)", "lambda m, i: m(i.index, i.ends)"),
    "adaptive": ("nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10, 15], 2.0)", "lambda m, i: m(i.features, i.classes)"),
    "adaptive_bias": ("nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4], head_bias=True)", "lambda m, i: m.log_prob(i.features)"),
    "linear_cross_entropy": ("nn.LinearCrossEntropyLoss(8, 20, bias=True, label_smoothing=0.1)",
                             "lambda m, i: m(i.features, i.classes)"),
    "linear_cross_entropy_2d": ("nn.LinearCrossEntropyLoss(8, 20, out_features=(1, 1), reduction='none')",
                                "lambda m, i: m(i.features, i.classes.reshape(6, 1, 1))"),
}  # fmt: skip


def _flat(result):
    """The floating-point tensors of a result."""
    if isinstance(result, (tuple, list)):
        return [t for r in result for t in _flat(r)]
    return [result] if hasattr(result, "is_floating_point") and result.is_floating_point() else []


class _Given:
    """The inputs as tensors of one library, made when asked for."""

    def __init__(self, lib):
        self.lib, self.made = lib, {}

    def __getattr__(self, name):
        a = INPUTS[name]
        t = self.lib.tensor(a)
        self.made[name] = t
        setattr(self, name, t)
        return t.requires_grad_() if a.dtype.kind == "f" else t


def run(lib, name):
    """(module, results, weighted sum, {what: gradient}) of one case."""
    make, call = CASES[name]
    space = {"nn": lib.nn, "torch": lib, "rnn": lib.nn.utils.rnn}
    lib.manual_seed(0)
    module = eval(make, space)
    start = {k: v.detach().clone() for k, v in module.state_dict().items()}
    given = _Given(lib)
    results = _flat(eval(call, space)(module, given))
    total = 0
    for n, r in enumerate(results):
        total = total + (r * lib.tensor(_normal(90 + n, *r.shape))).sum()
    total.backward()
    leaves = {**given.made, **dict(module.named_parameters())}
    grads = {k: t.grad.numpy() for k, t in leaves.items() if t.grad is not None}
    return module, start, [r.detach().numpy() for r in results], float(total), grads


def size(grads):
    """The sum of all absolute gradients."""
    return sum(float(np.abs(g.astype("d")).sum()) for g in grads.values())


RECORDED = {
    "rnn": (-0.87984896, 155.9143),
    "rnn_relu": (13.971166, 590.3311),
    "rnn_unbatched": (-3.4552677, 107.43778),
    "lstm": (0.22545761, 110.57125),
    "lstm_batch_first": (-1.7405287, 72.520379),
    "lstm_unbatched": (0.27869546, 37.147232),
    "lstm_projected": (-1.3256209, 118.10575),
    "lstm_plain": (0.20908985, 47.726943),
    "lstm_dropout": (-0.79763842, 276.1339),
    "lstm_packed": (-0.059687138, 213.95187),
    "lstm_packed_unsorted": (-2.0907023, 142.27934),
    "gru": (-4.7407775, 279.77582),
    "gru_plain": (1.4440783, 87.375123),
    "gru_dropout": (-0.26496291, 104.9868),
    "gru_packed": (-5.7230768, 119.61756),
    "rnn_packed": (3.0081644, 250.00975),
    "rnn_cell": (-0.21804655, 97.590368),
    "rnn_cell_relu": (-0.37147182, 42.57172),
    "lstm_cell": (-0.61173987, 106.81678),
    "lstm_cell_single": (-0.088892043, 17.735735),
    "gru_cell": (-3.5824721, 70.364466),
    "gru_cell_single": (-0.31359518, 22.835791),
    "self_attention": (7.3692451, 271.80779),
    "attention": (6.3010764, 222.49032),
    "attention_wide": (0.23586011, 247.60511),
    "attention_zero": (1.3451965, 255.39754),
    "attention_dropout": (-3.0867496, 386.13134),
    "attention_unbatched": (2.9015188, 217.7834),
    "encoder_layer": (12.941724, 634.55323),
    "encoder_layer_first": (18.077528, 552.08323),
    "decoder_layer": (24.192867, 696.16465),
    "transformer": (4.5124235, 2599.7297),
    "transformer_dropout": (21.125624, 1168.2688),
    "bag_sum": (3.7738261, 20.221461),
    "bag_mean": (2.2422147, 5.3069567),
    "bag_max": (-2.2353201, 4.3986416),
    "bag_norm": (-0.48067269, 4.2469591),
    "bag_last": (5.068583, 16.475102),
    "adaptive": (8.2409563, 44.210261),
    "adaptive_bias": (-22.381231, 235.47145),
    "linear_cross_entropy": (-0.65336674, 2.0959053),
    "linear_cross_entropy_2d": (-6.6865649, 41.337569),
}
