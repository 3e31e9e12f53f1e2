"""Seed features S-040 to S-060: gradients. One test per row of the contract."""

from __future__ import annotations

import warnings

import pytest
from against import printed, raises, torch

bce_with_logits = torch.nn.functional.binary_cross_entropy_with_logits

B_9 = """\
tensor([[0.2661, 0.1179, 0.0027],
        [0.2661, 0.1179, 0.0027],
        [0.2661, 0.1179, 0.0027],
        [0.2661, 0.1179, 0.0027],
        [0.2661, 0.1179, 0.0027]])
"""
B_10 = """\
First call
 tensor([[4., 2., 2., 2., 2.],
        [2., 4., 2., 2., 2.],
        [2., 2., 4., 2., 2.],
        [2., 2., 2., 4., 2.],
        [2., 2., 2., 2., 4.]])
"""
B_11 = """\

Second call
 tensor([[8., 4., 4., 4., 4.],
        [4., 8., 4., 4., 4.],
        [4., 4., 8., 4., 4.],
        [4., 4., 4., 8., 4.],
        [4., 4., 4., 4., 8.]])
"""


def basics():
    x = torch.ones(5)
    y = torch.zeros(3)
    torch.manual_seed(0)
    w = torch.randn(5, 3, requires_grad=True)
    b = torch.randn(3, requires_grad=True)
    z = torch.matmul(x, w) + b
    return x, y, w, b, z, bce_with_logits(z, y)


def doubling():
    x = torch.randn(3, requires_grad=True)
    y = x * 2
    doublings = 0
    while y.data.norm() < 1000:
        y = y * 2
        doublings += 1
    return x, y, doublings


def test_S_040_gradient_of_the_weights_prints():
    _, _, w, _, _, loss = basics()
    loss.backward()
    assert printed(w.grad) == B_9


def test_S_041_gradient_of_the_bias_prints():
    _, _, _, b, _, loss = basics()
    loss.backward()
    assert printed(b.grad) == "tensor([0.2661, 0.1179, 0.0027])\n"


def test_S_042_rows_of_the_weight_gradient_equal_the_bias_gradient():
    x, y = torch.ones(5), torch.zeros(3)
    torch.manual_seed(1234)
    w = torch.randn(5, 3, requires_grad=True)
    b = torch.randn(3, requires_grad=True)
    bce_with_logits(torch.matmul(x, w) + b, y).backward()
    assert all(torch.equal(row, b.grad) for row in w.grad)


def test_S_043_the_same_seed_gives_the_same_numbers():
    first, second = basics(), basics()
    for run in (first, second):
        run[5].backward()
    for i in (2, 3):
        assert torch.equal(first[i], second[i])
        assert torch.equal(first[i].grad, second[i].grad)


def test_S_044_gradient_has_the_shape_of_its_tensor():
    _, _, w, b, _, loss = basics()
    loss.backward()
    assert w.grad.shape == w.shape == torch.Size([5, 3])
    assert b.grad.shape == b.shape == torch.Size([3])


def test_S_045_grad_of_a_non_leaf_is_none_and_warns():
    z = basics()[4]
    phrase = "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed."
    with pytest.warns(UserWarning, match=phrase):
        assert printed(z.grad) == "None\n"


def test_S_046_retain_grad_keeps_it():
    _, _, _, _, z, loss = basics()
    z.retain_grad()
    loss.backward()
    assert printed(z.grad) == "tensor([0.2661, 0.1179, 0.0027])\n"
    assert z.retains_grad


def test_S_047_second_backward_refuses():
    loss = basics()[5]
    loss.backward()
    with raises(
        RuntimeError,
        "Trying to backward through the graph a second time",
        "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad().",
        "Specify retain_graph=True if you need to backward through the graph a second time",
    ):
        loss.backward()


def test_S_048_retain_graph_allows_a_second_backward():
    _, _, w, _, _, loss = basics()
    loss.backward(retain_graph=True)
    first = w.grad.clone()
    loss.backward(retain_graph=True)
    loss.backward()
    assert torch.allclose(w.grad, 3 * first)


def test_S_049_buffers_are_freed_after_backward():
    x = torch.ones(3, requires_grad=True)
    y = (x * x).exp()
    node = y.grad_fn
    assert torch.equal(node._saved_result, y)
    y.sum().backward()
    with raises(RuntimeError, "after they have already been freed"):
        _ = node._saved_result


def test_S_050_higher_order_derivatives():
    x = torch.tensor(2.0, requires_grad=True)
    derivatives = []
    y = x**3
    for _ in range(3):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
        derivatives.append(y.item())
    assert derivatives == [12.0, 12.0, 6.0]


@pytest.fixture
def eye():
    inp = torch.eye(5, requires_grad=True)
    return inp, (inp + 1).pow(2)


def test_S_051_vector_jacobian_product(eye):
    inp, out = eye
    out.backward(torch.ones_like(inp), retain_graph=True)
    assert printed("First call\n", inp.grad) == B_10


def test_S_052_gradients_accumulate(eye):
    inp, out = eye
    for _ in range(2):
        out.backward(torch.ones_like(inp), retain_graph=True)
    assert printed("\nSecond call\n", inp.grad) == B_11


def test_S_053_zeroed_gradients_start_again(eye):
    inp, out = eye
    for _ in range(2):
        out.backward(torch.ones_like(inp), retain_graph=True)
    inp.grad.zero_()
    out.backward(torch.ones_like(inp), retain_graph=True)
    expected = B_10.replace("First call", "\nCall after zeroing gradients")
    assert printed("\nCall after zeroing gradients\n", inp.grad) == expected


def test_S_054_five_more_backwards_make_six_gradients():
    x, y, w, b, _, loss = basics()
    loss.backward()
    grad_w, grad_b = w.grad.clone(), b.grad.clone()
    for _ in range(5):
        bce_with_logits(torch.matmul(x, w) + b, y).backward()
    assert torch.isclose(6 * grad_w, w.grad).all()
    assert torch.isclose(6 * grad_b, b.grad).all()
    assert printed(torch.isclose(6 * grad_b, b.grad)) == "tensor([True, True, True])\n"


def test_S_055_a_clone_of_the_gradient_stays():
    x, y, w, b, _, loss = basics()
    loss.backward()
    grad_w = w.grad.clone()
    before = grad_w.tolist()
    bce_with_logits(torch.matmul(x, w) + b, y).backward()
    assert grad_w.tolist() == before
    assert not torch.equal(grad_w, w.grad)


def test_S_056_doubling_until_the_norm_is_large():
    _, y, doublings = doubling()
    assert doublings == 8
    assert printed(y) == "tensor([  788.9900,  -150.2356, -1115.5402], grad_fn=<MulBackward0>)\n"


def test_S_057_non_scalar_needs_a_gradient():
    y = doubling()[1]
    with raises(RuntimeError, "grad can be implicitly created only for scalar outputs"):
        y.backward()


def test_S_058_backward_of_a_vector():
    x, y, _ = doubling()
    v = torch.tensor([0.1, 1.0, 0.0001], dtype=torch.float)
    y.backward(v)
    assert printed(x.grad) == "tensor([5.1200e+01, 5.1200e+02, 5.1200e-02])\n"


def test_S_059_the_vector_must_have_the_shape_of_the_output():
    y = doubling()[1]
    with raises(
        RuntimeError,
        "Mismatch in shape: grad_output[0] has a shape of torch.Size([2])",
        "output[0] has a shape of torch.Size([3])",
    ):
        y.backward(torch.ones(2))


def test_S_060_frozen_parameters_get_no_gradient():
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    for p in model[0].parameters():
        p.requires_grad = False
    before = [p.clone() for p in model[0].parameters()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(torch.ones(5, 4)).sum().backward()
    optimizer.step()
    assert all(p.grad is None for p in model[0].parameters())
    assert all(torch.equal(p, q) for p, q in zip(model[0].parameters(), before, strict=True))
    assert all(p.grad is not None for p in model[2].parameters())
