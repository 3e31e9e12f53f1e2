"""Recurrent layers, attention and CTC under vmap, forward mode and per-sample gradients."""

from __future__ import annotations

import pytest
from against import torch

nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.wengert_only  # PyTorch's vmap refuses its fused recurrent layers

RECURRENT = ["RNN", "LSTM", "GRU"]


def _network(kind):
    torch.manual_seed(0)
    return getattr(nn, kind)(3, 4, 2, bidirectional=True, dtype=torch.float64)


def _encoder():
    torch.manual_seed(0)
    return nn.TransformerEncoderLayer(8, 2, 12, 0.0, dtype=torch.float64)


def _case(name):
    if name == "encoder":
        return _encoder(), torch.randn(4, 5, 2, 8, dtype=torch.float64)
    m = _network(name)
    return (lambda x: m(x)[0]), torch.randn(4, 5, 2, 3, dtype=torch.float64)


@pytest.mark.parametrize("name", [*RECURRENT, "encoder"])
def test_vmap_is_a_loop(name):
    f, x = _case(name)
    torch.testing.assert_close(torch.func.vmap(f)(x), torch.stack([f(t) for t in x]))


@pytest.mark.parametrize("name", [*RECURRENT, "encoder"])
def test_forward_mode_agrees_with_reverse_mode(name):
    f, x = _case(name)
    way = torch.randn(*x.shape[1:], dtype=torch.float64)
    point = x[0].clone().requires_grad_()
    out, pushed = torch.func.jvp(f, (x[0],), (way,))
    weights = torch.randn(*out.shape, dtype=torch.float64)
    (pulled,) = torch.autograd.grad(f(point), point, weights)
    torch.testing.assert_close((pushed * weights).sum(), (pulled * way).sum())


@pytest.mark.parametrize("kind", RECURRENT)
def test_gradients_of_every_sample(kind):
    m = _network(kind)
    x = torch.randn(4, 5, 2, 3, dtype=torch.float64)
    parameters = {k: p.detach() for k, p in m.named_parameters()}

    def loss(parameters, x):
        return torch.func.functional_call(m, parameters, (x,))[0].pow(2).sum()

    found = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, x)
    for n in range(4):
        m.zero_grad()
        m(x[n])[0].pow(2).sum().backward()
        for name, p in m.named_parameters():
            torch.testing.assert_close(found[name][n], p.grad)


def test_hessian_of_an_encoder_layer_is_symmetric():
    m = _encoder()
    x = torch.randn(2, 1, 8, dtype=torch.float64)
    h = torch.func.hessian(lambda x: m(x).pow(3).sum())(x).reshape(16, 16)
    torch.testing.assert_close(h, h.T)
    assert h.abs().max() > 1e-3


def test_packing_under_vmap():
    m = _network("GRU")
    x = torch.randn(3, 5, 2, 3, dtype=torch.float64)

    def f(x):
        packed = nn.utils.rnn.pack_padded_sequence(x, [5, 3])
        return nn.utils.rnn.pad_packed_sequence(m(packed)[0])[0]

    torch.testing.assert_close(torch.func.vmap(f)(x), torch.stack([f(t) for t in x]))


def test_masks_that_differ_between_examples():
    q = torch.randn(3, 2, 4, 8, dtype=torch.float64)
    masks = torch.rand(3, 4, 4) < 0.7
    masks[..., 0] = True
    f = lambda q, m: F.scaled_dot_product_attention(q, q, q, m)
    torch.testing.assert_close(
        torch.func.vmap(f)(q, masks), torch.stack([f(*each) for each in zip(q, masks)])
    )


def test_ctc_under_vmap():
    x = torch.randn(3, 5, 2, 4, dtype=torch.float64)

    def f(x):
        return F.ctc_loss(x.log_softmax(2), torch.tensor([[1, 2], [2, 2]]), [5, 4], [2, 2])

    torch.testing.assert_close(torch.func.vmap(f)(x), torch.stack([f(t) for t in x]))
    found = torch.func.vmap(torch.func.grad(f))(x)
    point = x[1].clone().requires_grad_()
    f(point).backward()
    torch.testing.assert_close(found[1], point.grad)
