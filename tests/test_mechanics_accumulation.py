"""Accumulation, layout and dtype of gradients: rules M-40 to M-49 of the contract."""

from __future__ import annotations

import threading
import warnings

import pytest
from against import leaf, raises, torch

grad = torch.autograd.grad


def test_M_40_the_first_gradient():
    p, g = leaf(3), torch.tensor([1.0, 2.0, 3.0])
    (p * 1).backward(g)
    assert p.grad.tolist() == [1.0, 2.0, 3.0]
    assert p.grad.data_ptr() != g.data_ptr()
    p.grad.add_(1)
    assert g.tolist() == [1.0, 2.0, 3.0]


def test_M_40_leaves_of_one_gradient_do_not_share_it():
    a, b = leaf(3), leaf(3)
    (a + b).backward(torch.ones(3))
    assert a.grad.data_ptr() != b.grad.data_ptr()
    a.grad.add_(1)
    assert b.grad.tolist() == [1.0, 1.0, 1.0]


def test_M_41_later_gradients_are_added_in_place():
    p = leaf(2)
    (p * 2).sum().backward()
    first = p.grad
    (p * 3).sum().backward()
    assert p.grad is first
    assert first.tolist() == [5.0, 5.0]


def test_M_41_into_a_gradient_that_was_set():
    p = leaf(2)
    mine = torch.tensor([10.0, 20.0])
    p.grad = mine
    assert p.grad is mine
    (p * 2).sum().backward()
    assert p.grad is mine
    assert mine.tolist() == [12.0, 22.0]
    del p.grad
    assert p.grad is None


def test_M_41_with_create_graph_out_of_place():
    p = torch.tensor([3.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (p * p).sum().backward(create_graph=True)
        first = p.grad
        (p * p).sum().backward(create_graph=True)
    assert p.grad is not first
    assert first.tolist() == [6.0]
    assert p.grad.tolist() == [12.0]
    assert type(p.grad.grad_fn).__name__ == "AddBackward0"
    (g,) = grad(p.grad.sum(), p)
    assert g.tolist() == [4.0]
    p.grad = None


@pytest.mark.parametrize(
    ("make", "stride"),
    [
        pytest.param(lambda: torch.ones(2, 3), (3, 1), id="contiguous"),
        pytest.param(lambda: torch.ones(3, 2).t(), (1, 2), id="transposed"),
        pytest.param(lambda: torch.ones(2, 3, 4).permute(2, 0, 1), (1, 12, 4), id="permuted"),
        pytest.param(lambda: torch.ones(3).expand(2, 3), (3, 1), id="expanded"),
        pytest.param(lambda: torch.ones(2, 6)[:, ::2], (3, 1), id="strided"),
    ],
)
def test_M_42_layout_follows_the_parameter(make, stride):
    p = make().requires_grad_()
    (p * 2).sum().backward()
    assert p.grad.stride() == stride
    assert torch.equal(p.grad, torch.full_like(p.grad, 2.0))
    p.grad = None
    (p.exp() * torch.ones(p.shape)).sum().backward()
    assert p.grad.stride() == stride


def test_M_43_dtype_of_the_leaf():
    x = leaf(2)
    (x * torch.ones(2, dtype=torch.float64)).sum().backward()
    assert x.grad.dtype is torch.float32
    h = leaf(2, dtype=torch.float16)
    (h.float() * 2).sum().backward()
    assert h.grad.dtype is torch.float16
    r = leaf(2)
    ((r * (1 + 2j)).abs() ** 2).sum().backward()
    assert r.grad.dtype is torch.float32
    assert r.grad.tolist() == pytest.approx([10.0, 10.0])


def test_M_43_an_incoming_gradient_is_cast():
    x = leaf(2)
    (x * 2).backward(torch.ones(2, dtype=torch.float64))
    assert x.grad.dtype is torch.float32
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param((3,), (2, 3), id="row"),
        pytest.param((2, 1), (2, 3), id="column"),
        pytest.param((), (2, 3), id="scalar"),
        pytest.param((1, 1, 3), (4, 2, 3), id="leading"),
        pytest.param((2, 1), (1, 3), id="outer"),
        pytest.param((0,), (2, 1), id="empty"),
    ],
)
def test_M_44_broadcast_gradients_are_summed_back(a, b):
    x = torch.full(a, 2.0, requires_grad=True)
    y = torch.full(b, 3.0, requires_grad=True)
    z = x * y
    z.sum().backward()
    assert x.grad.shape == x.shape
    assert y.grad.shape == y.shape
    assert x.grad.sum().item() == 3.0 * z.numel()
    assert y.grad.sum().item() == 2.0 * z.numel()


def test_M_45_unused_and_zero():
    x, y, unused = leaf(2), leaf(2), leaf(2)
    (x * 2 + y * 0).sum().backward()
    assert unused.grad is None
    assert y.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(lambda t: t.chunk(2)[1], id="chunk"),
        pytest.param(lambda t: t.split(2)[1], id="split"),
        pytest.param(lambda t: torch.stack(t.unbind()[2:]), id="unbind"),
        pytest.param(lambda t: t[2:], id="slice"),
        pytest.param(lambda t: t.sort()[0][2:], id="sort"),
    ],
)
def test_M_45_missing_parts_are_zero(part):
    x = torch.arange(4.0, requires_grad=True)
    part(x).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0, 1.0]


def test_M_46_backward_into_chosen_inputs():
    a, b = leaf(2), leaf(2)
    c = a * b
    (c * 3).sum().backward(inputs=[a])
    assert a.grad.tolist() == [3.0, 3.0]
    assert b.grad is None


def test_M_46_backward_into_results():
    a = leaf(2)
    b = a * 2
    c = b * 3
    c.retain_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        c.sum().backward(inputs=[b])
        assert b.grad.tolist() == [3.0, 3.0]
    assert c.grad.tolist() == [1.0, 1.0]
    assert a.grad is None


def test_M_47_threads_accumulate_without_loss():
    w = leaf(8)
    errors = []

    def work():
        try:
            for _ in range(100):
                (w * 1).sum().backward()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert w.grad.tolist() == [400.0] * 8


def test_M_47_one_graph_in_two_threads():
    x = leaf(3)
    y = (x * x).sum()
    outcomes = []

    def work():
        try:
            y.backward()
            outcomes.append("ran")
        except RuntimeError as error:
            outcomes.append("second time" if "a second time" in str(error) else str(error))

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert outcomes == ["ran", "second time"]


def test_M_48_backward_inside_backward():
    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.detach() ** 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                again = x.detach().requires_grad_()
                (again**2).backward(g)
            return again.grad

    x = torch.tensor([3.0], requires_grad=True)
    y = Inner.apply(Inner.apply(x)) * 2
    y.sum().backward()
    assert x.grad.tolist() == [216.0]


def test_M_49_scalars_are_weak():
    assert (torch.ones(2, dtype=torch.int64) * 1.5).dtype is torch.float32
    assert (torch.ones(2, dtype=torch.int64) * 2).dtype is torch.int64
    assert (torch.ones(2, dtype=torch.int64) / 2).dtype is torch.float32
    assert (
        torch.ones(2, dtype=torch.int64) / torch.ones(2, dtype=torch.int64)
    ).dtype is torch.float32
    assert (torch.ones(2, dtype=torch.float16) * 2.5).dtype is torch.float16
    assert (torch.ones(2) * torch.tensor(2.0, dtype=torch.float64)).dtype is torch.float32
    assert (torch.ones(2) * torch.ones(2, dtype=torch.float64)).dtype is torch.float64
    assert (torch.ones(2, dtype=torch.bool) + 1).dtype is torch.int64
    assert (torch.ones(2, dtype=torch.uint8) + torch.tensor(300)).dtype is torch.uint8
    assert (torch.ones(2) * 1j).dtype is torch.complex64
    assert (torch.ones(2, dtype=torch.float64) * 1j).dtype is torch.complex128


def test_a_second_backward_that_fails_leaves_gradients_alone():
    x = leaf(2)
    y = (x * x).sum()
    y.backward()
    with raises(RuntimeError, "a second time"):
        y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(lambda x: x.requires_grad_(False), id="flag"),
        pytest.param(lambda x: x.detach_(), id="detach_"),
    ],
)
def test_a_leaf_that_was_switched_off_gets_nothing_from_older_graphs(stop):
    x = leaf(2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    stop(x)
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("had_gradient", [False, True])
def test_a_leaf_that_was_switched_off_and_on_again_gets_its_gradient(had_gradient):
    x = leaf(2)
    if had_gradient:
        (x * 10).sum().backward()
    y = (x * x).sum()
    x.requires_grad_(False)
    y.backward(retain_graph=True)
    x.requires_grad_(True)
    y.backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == ([15.0, 15.0] if had_gradient else [5.0, 5.0])


def test_gradient_of_zero_elements():
    x = torch.ones(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.shape == (0, 3)


def test_gradient_is_a_plain_tensor():
    x = leaf(2)
    (x * 2).sum().backward()
    assert type(x.grad) is torch.Tensor
    assert x.grad.is_leaf
    assert not x.grad.requires_grad
    p = torch.nn.Parameter(torch.ones(2))
    (p * 2).sum().backward()
    assert type(p.grad) is torch.Tensor
