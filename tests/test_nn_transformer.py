"""Transformer layers and stacks: how they are put together, masks, printing, errors."""

from __future__ import annotations

import math

import pytest
from against import collected_warnings, raises, torch

nn, F = torch.nn, torch.nn.functional
R = torch.randn
pytestmark = [
    pytest.mark.filterwarnings("ignore:enable_nested_tensor is True"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors"),
]


def _layer(**options):
    torch.manual_seed(0)
    return nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True, **options)


def test_an_encoder_layer_is_its_parts():
    m = _layer()
    x = R(3, 5, 8)
    a = m.norm1(x + m.self_attn(x, x, x)[0])
    expected = m.norm2(a + m.linear2(F.relu(m.linear1(a))))
    torch.testing.assert_close(m(x), expected)


def test_norms_first():
    m = _layer(norm_first=True, activation="gelu")
    x = R(3, 5, 8)
    n = m.norm1(x)
    a = x + m.self_attn(n, n, n)[0]
    torch.testing.assert_close(m(x), a + m.linear2(F.gelu(m.linear1(m.norm2(a)))))


def test_a_decoder_layer_is_its_parts():
    torch.manual_seed(1)
    m = nn.TransformerDecoderLayer(8, 2, 12, 0.0, activation=torch.tanh)
    x, memory = R(5, 3, 8), R(4, 3, 8)
    a = m.norm1(x + m.self_attn(x, x, x)[0])
    a = m.norm2(a + m.multihead_attn(a, memory, memory)[0])
    torch.testing.assert_close(m(x, memory), m.norm3(a + m.linear2(torch.tanh(m.linear1(a)))))


def test_stacks_copy_their_layer():
    layer = _layer()
    m = nn.TransformerEncoder(layer, 3, nn.LayerNorm(8))
    x = R(2, 5, 8)
    assert len(m.layers) == m.num_layers == 3
    assert m.layers[0] is not layer
    expected = x
    for one in m.layers:
        expected = one(expected)
    torch.testing.assert_close(m(x), m.norm(expected))
    m.layers[0].linear1.weight.data.zero_()
    assert layer.linear1.weight.any()


@pytest.mark.parametrize("hint", [None, True])
def test_a_causal_mask_hides_what_comes_later(hint):
    m = nn.TransformerEncoder(_layer(), 2).eval()
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    x = R(1, 5, 8)
    y = x.clone()
    y[:, 3:] += 1
    a, b = m(x, mask, is_causal=hint), m(y, mask, is_causal=hint)
    torch.testing.assert_close(a[:, :3], b[:, :3])
    assert (a[:, 3:] - b[:, 3:]).abs().max() > 1e-3


def test_the_causal_mask():
    mask = nn.Transformer.generate_square_subsequent_mask(3, dtype=torch.float64)
    assert mask.tolist() == [[0, -math.inf, -math.inf], [0, 0, -math.inf], [0, 0, 0]]
    assert mask.dtype is torch.float64


def test_padded_positions_do_not_matter():
    m = nn.Transformer(8, 2, 1, 1, 12, 0.0).eval()
    src, tgt = R(4, 2, 8), R(3, 2, 8)
    padding = torch.tensor([[False, False, False, True], [False, False, True, True]])
    other = src.clone()
    other[3, 0] += 5
    other[2:, 1] -= 5
    outs = [
        m(s, tgt, src_key_padding_mask=padding, memory_key_padding_mask=padding)
        for s in (src, other)
    ]
    torch.testing.assert_close(*outs)


def test_evaluation_without_gradients_gives_zeros_at_padded_positions():
    m = nn.TransformerEncoder(_layer(), 2).eval()
    x = R(2, 4, 8)
    padding = torch.tensor([[False, False, True, True], [False] * 4])
    recorded = m(x, src_key_padding_mask=padding)
    with torch.no_grad():
        plain = m(x, src_key_padding_mask=padding)
    assert recorded[0, 2:].any()
    assert not plain[0, 2:].any()
    torch.testing.assert_close(plain[0, :2], recorded[0, :2].detach())
    torch.testing.assert_close(plain[1], recorded[1].detach())


def test_batch_first_is_a_transpose():
    torch.manual_seed(2)
    a = nn.Transformer(8, 2, 1, 1, 12, 0.0)
    b = nn.Transformer(8, 2, 1, 1, 12, 0.0, batch_first=True)
    b.load_state_dict(a.state_dict())
    src, tgt = R(4, 3, 8), R(5, 3, 8)
    torch.testing.assert_close(
        b(src.transpose(0, 1), tgt.transpose(0, 1)).transpose(0, 1), a(src, tgt)
    )
    torch.testing.assert_close(a(src[:, 0], tgt[:, 0]), a(src, tgt)[:, 0])


def test_custom_parts():
    m = nn.Transformer(8, 2, custom_encoder=_Same(), custom_decoder=_Same())
    src, tgt = R(4, 3, 8), R(5, 3, 8)
    assert m(src, tgt) is tgt


class _Same(nn.Module):
    def forward(self, x, *args, **kwargs):
        return x


def test_matrices_start_from_xavier():
    m = nn.Transformer(8, 2, 1, 1, 12)
    weight = m.encoder.layers[0].linear1.weight.detach()
    bound = math.sqrt(6 / (8 + 12))
    assert 0.8 * bound < float(weight.abs().max()) <= bound


def test_printing():
    assert repr(_layer()).splitlines()[:4] == [
        "TransformerEncoderLayer(",
        "  (self_attn): MultiheadAttention(",
        "    (out_proj): NonDynamicallyQuantizableLinear(in_features=8, out_features=8, bias=True)",
        "  )",
    ]
    names = list(nn.TransformerDecoderLayer(8, 2, 12).state_dict())
    assert names[4] == "multihead_attn.in_proj_weight"
    assert names[-1] == "norm3.bias"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, ""),
        ({"norm_first": True}, "norm_first was True"),
        ({"activation": F.silu}, "activation_relu_or_gelu was not True"),
        ({"bias": False}, "bias=False"),
    ],
)
def test_why_padding_is_not_dropped(options, reason):
    with collected_warnings() as caught:
        m = nn.TransformerEncoder(_layer(**options), 2)
    assert m.use_nested_tensor == (not reason)
    assert [reason in str(w.message) for w in caught] == ([True] if reason else [])


ERRORS = [
    (lambda: nn.TransformerEncoderLayer(8, 2, activation="x"), RuntimeError, ("activation should be relu/gelu, not x",)),
    (lambda: nn.TransformerEncoderLayer(8, 3), AssertionError, ("divisible by num_heads",)),
    (lambda: nn.Transformer(8, 2, 1, 1, 12)(R(5, 3, 8), R(4, 2, 8)), RuntimeError, ("the batch number of src and tgt must be equal",)),
    (lambda: nn.Transformer(8, 2, 1, 1, 12)(R(5, 2, 7), R(4, 2, 8)), RuntimeError, ("feature number of src and tgt must be equal to d_model",)),
    (lambda: _layer()(R(1, 5, 8), src_mask=R(4, 4)), RuntimeError, ("should be (5, 5)",)),
    (lambda: _layer()(R(1, 5, 8), is_causal=True), RuntimeError, ("Need attn_mask",)),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS)
def test_errors(call, kind, words):
    with raises(kind, *words):
        call()
