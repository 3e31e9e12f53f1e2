"""Scaled dot-product and multi-head attention: meaning, masks, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from against import collected_warnings, raises, torch

nn, F = torch.nn, torch.nn.functional
R = torch.randn
attend = F.scaled_dot_product_attention


def _numbers(*shapes, seed=0):
    r = np.random.default_rng(seed)
    return [r.normal(size=s) for s in shapes]


def _expected(q, k, v, bias=0.0, scale=None):
    """The definition, in NumPy."""
    logits = q @ np.swapaxes(k, -1, -2) * (scale or 1 / math.sqrt(q.shape[-1])) + bias
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_the_definition(lead, scale):
    q, k, v = _numbers((*lead, 4, 8), (*lead, 5, 8), (*lead, 5, 6))
    out = attend(*map(torch.tensor, (q, k, v)), scale=scale)
    np.testing.assert_allclose(out.numpy(), _expected(q, k, v, 0.0, scale), rtol=1e-12)


def test_large_logits():
    q, k, v = _numbers((2, 4, 8), (2, 5, 8), (2, 5, 6))
    out = attend(*map(torch.tensor, (100 * q, 100 * k, v)))
    np.testing.assert_allclose(out.numpy(), _expected(100 * q, 100 * k, v), rtol=1e-9)


def test_masks():
    q, k, v = _numbers((2, 4, 8), (2, 5, 8), (2, 5, 6))
    ts = [torch.tensor(a) for a in (q, k, v)]
    allowed = np.random.default_rng(1).random((4, 5)) < 0.6
    allowed[:, 2] = True
    bias = np.where(allowed, 0.0, -np.inf)
    for mask in (torch.tensor(allowed), torch.tensor(bias)):
        np.testing.assert_allclose(attend(*ts, mask).numpy(), _expected(q, k, v, bias), rtol=1e-12)
    causal = np.triu(np.full((4, 5), -np.inf), 1)
    np.testing.assert_allclose(
        attend(*ts, is_causal=True).numpy(), _expected(q, k, v, causal), rtol=1e-12
    )


def test_a_row_without_keys_is_zero_and_has_no_gradient():
    q, k, v = (R(3, 4, requires_grad=True) for _ in range(3))
    mask = torch.ones(3, 3, dtype=torch.bool)
    mask[1] = False
    out = attend(q, k, v, mask)
    assert not out[1].any()
    out.sum().backward()
    for t in (q, k, v):
        assert torch.isfinite(t.grad).all()
    assert not q.grad[1].any()


def test_a_mask_can_be_learned():
    q, k, v = (R(2, 3, 4, dtype=torch.float64) for _ in range(3))
    bias = R(3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b: attend(q, k, v, b), bias)


def test_groups_of_heads():
    q, k, v = R(2, 4, 3, 8), R(2, 2, 5, 8), R(2, 2, 5, 8)
    wide = [t.repeat_interleave(2, 1) for t in (k, v)]
    torch.testing.assert_close(attend(q, k, v, enable_gqa=True), attend(q, *wide))


def test_dropout_draws_like_dropout():
    one = torch.ones(1, 2, 4, 4)
    torch.manual_seed(0)
    out = attend(one, one, one, dropout_p=0.5)
    torch.manual_seed(0)
    torch.testing.assert_close(out, F.dropout(torch.full((1, 2, 4, 4), 0.25), 0.5) @ one)


def test_second_derivatives():
    q, k, v = (R(2, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(3))
    mask = torch.ones(3, 3, dtype=torch.bool).tril()
    assert torch.autograd.gradgradcheck(lambda q, k, v: attend(q, k, v), (q, k, v))
    assert torch.autograd.gradgradcheck(lambda q, k, v: attend(q, k, v, mask), (q, k, v))


def test_broadcast_heads():
    q, k, v = R(2, 3, 4, 8), R(1, 3, 5, 8), R(2, 3, 5, 8)
    torch.testing.assert_close(attend(q, k, v), attend(q, k.expand(2, 3, 5, 8), v))


ERRORS = [
    (lambda: attend(R(4, 8), R(5, 8), R(5, 8), R(4, 5), is_causal=True), RuntimeError, ("should not be set when is_causal=True",)),
    (lambda: attend(R(4, 8), R(5, 8), R(5, 8), torch.ones(4, 5, dtype=torch.int64)), RuntimeError, ("Expected attn_mask dtype to be bool or float",)),
    (lambda: attend(R(4, 8), R(5, 8).double(), R(5, 8)), RuntimeError, ("to have the same dtype", "float", "double")),
    (lambda: attend(R(8), R(8), R(8)), RuntimeError, ("at least 2 dimensional",)),
    (lambda: attend(R(4, 3, 8), R(3, 5, 8), R(3, 5, 8), enable_gqa=True), RuntimeError, ("must divide the number of heads",)),
    (lambda: attend(R(4, 8), R(5, 8), R(5, 8), dropout_p=2.0), RuntimeError, ("between 0 and 1, but got 2",)),
    (lambda: attend(R(2, 3, 4, 8), R(2, 3, 5, 7), R(2, 3, 5, 7)), RuntimeError, ("[6, 8] but got: [6, 7]",)),
    (lambda: nn.MultiheadAttention(8, 3), AssertionError, ("divisible by num_heads",)),
    (lambda: nn.MultiheadAttention(8, 0), ValueError, ("must be greater than 0",)),
    (lambda: _call(R(5, 2, 7)), AssertionError, ("was expecting embedding dimension of 8, but got 7",)),
    (lambda: _call(R(5, 2, 8), R(4, 2, 8), R(5, 2, 8)), AssertionError, ("does not match value shape",)),
    (lambda: _call(R(5, 2, 8, 1)), AssertionError, ("received 4-D query",)),
    (lambda: _call(R(5, 2, 8), R(5, 8), R(5, 2, 8)), AssertionError, ("For batched (3-D) `query`", "2-D and 3-D")),
    (lambda: _call(R(5, 2, 8), attn_mask=R(4, 5)), RuntimeError, ("2D attn_mask", "[4, 5]", "(5, 5)")),
    (lambda: _call(R(5, 2, 8), attn_mask=R(3, 5, 5)), RuntimeError, ("3D attn_mask", "(4, 5, 5)")),
    (lambda: _call(R(5, 2, 8), key_padding_mask=torch.zeros(5, 2)), AssertionError, ("to be 2, but got 5",)),
    (lambda: _call(R(5, 2, 8), key_padding_mask=torch.zeros(2, 5).long()), AssertionError, ("bool and floating types of key_padding_mask",)),
    (lambda: _call(R(5, 2, 8), is_causal=True), RuntimeError, ("Need attn_mask if specifying the is_causal hint",)),
    (lambda: _call(R(5, 8), key_padding_mask=torch.zeros(2, 5)), AssertionError, ("1-D but found 2-D",)),
]  # fmt: skip


def _call(q, k=None, v=None, **options):
    return nn.MultiheadAttention(8, 2)(q, q if k is None else k, q if v is None else v, **options)


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS)
def test_errors(call, kind, words):
    with raises(kind, *words):
        call()


# ---------------------------------------------------------------- heads
def test_heads_are_independent_attentions():
    torch.manual_seed(0)
    m = nn.MultiheadAttention(6, 3, batch_first=True).double()
    x = R(2, 4, 6, dtype=torch.float64)
    w, b = m.in_proj_weight, m.in_proj_bias
    q, k, v = (x @ w[6 * i : 6 * i + 6].T + b[6 * i : 6 * i + 6] for i in range(3))
    heads = [attend(*(t[..., 2 * h : 2 * h + 2] for t in (q, k, v))) for h in range(3)]
    expected = F.linear(torch.cat(heads, -1), m.out_proj.weight, m.out_proj.bias)
    for flag in (True, False):
        torch.testing.assert_close(m(x, x, x, need_weights=flag)[0], expected)


def test_weights():
    m = nn.MultiheadAttention(8, 2)
    x = R(5, 3, 8)
    _, each = m(x, x, x, average_attn_weights=False)
    _, mean = m(x, x, x)
    assert tuple(each.shape) == (3, 2, 5, 5)
    torch.testing.assert_close(each.mean(1), mean)
    torch.testing.assert_close(mean.sum(-1), torch.ones(3, 5))
    assert m(x, x, x, need_weights=False)[1] is None


def test_padding_hides_keys():
    m = nn.MultiheadAttention(8, 2, batch_first=True)
    q, k = R(2, 3, 8), R(2, 5, 8)
    hidden = torch.tensor([[False, False, False, True, True]] * 2)
    short, weights = m(q, k, k, key_padding_mask=hidden)
    torch.testing.assert_close(short, m(q, k[:, :3], k[:, :3])[0])
    assert not weights[..., 3:].any()


def test_masks_add_up():
    m = nn.MultiheadAttention(8, 2)
    x = R(4, 2, 8)
    mask = torch.ones(4, 4, dtype=torch.bool).triu(1)
    padding = torch.zeros(2, 4, dtype=torch.bool)
    padding[1, 3] = True
    _, w = m(x, x, x, attn_mask=mask, key_padding_mask=padding, average_attn_weights=False)
    assert not w[:, :, mask].any()
    assert not w[1, :, :, 3].any()
    numbers = torch.zeros(4, 4).masked_fill(mask, -math.inf)
    with collected_warnings() as caught:
        _, u = m(x, x, x, attn_mask=numbers, key_padding_mask=padding, average_attn_weights=False)
    assert "mismatched key_padding_mask and attn_mask is deprecated" in str(caught[0].message)
    torch.testing.assert_close(u, w)


def test_parameters():
    m = nn.MultiheadAttention(8, 2, kdim=3, vdim=5, add_bias_kv=True)
    assert {k: tuple(p.shape) for k, p in m.named_parameters()} == {
        "q_proj_weight": (8, 8), "k_proj_weight": (8, 3), "v_proj_weight": (8, 5),
        "in_proj_bias": (24,), "bias_k": (1, 1, 8), "bias_v": (1, 1, 8), "out_proj.weight": (8, 8),
        "out_proj.bias": (8,),
    }  # fmt: skip
    assert not m.in_proj_bias.any()
    assert not m.out_proj.bias.any()
    assert list(nn.MultiheadAttention(8, 2, bias=False).state_dict()) == [
        "in_proj_weight",
        "out_proj.weight",
    ]


def test_static_keys():
    q = R(3, 1, 4)
    keys, values = R(2, 5, 2), R(2, 5, 2)
    eye = torch.eye(4)
    out, _ = F.multi_head_attention_forward(
        q, q, q, 4, 2, torch.cat([eye, eye, eye]), None, None, None, False, 0.0, eye, None,
        static_k=keys, static_v=values,
    )  # fmt: skip
    heads = attend(q[:, 0].reshape(3, 2, 2).transpose(0, 1), keys, values)
    torch.testing.assert_close(out[:, 0], heads.transpose(0, 1).reshape(3, 4))
