"""Seed features S-070 to S-093: turning tracking off and on, and in-place calls. One test per row."""

from __future__ import annotations

import math
import threading
import weakref

import pytest
from against import printed, raises, torch

bce_with_logits = torch.nn.functional.binary_cross_entropy_with_logits


def basics():
    x, y = torch.ones(5), torch.zeros(3)
    torch.manual_seed(0)
    w = torch.randn(5, 3, requires_grad=True)
    b = torch.randn(3, requires_grad=True)
    return x, y, w, b, torch.matmul(x, w) + b


def twos_and_threes():
    return torch.ones(2, 3, requires_grad=True) * 2, torch.ones(2, 3, requires_grad=True) * 3


def test_S_070_ones_that_require_grad_print():
    a = torch.ones(2, 3, requires_grad=True)
    assert printed(a) == "tensor([[1., 1., 1.],\n        [1., 1., 1.]], requires_grad=True)\n"


def test_S_071_product_prints():
    b1 = 2 * torch.ones(2, 3, requires_grad=True)
    assert printed(b1) == "tensor([[2., 2., 2.],\n        [2., 2., 2.]], grad_fn=<MulBackward0>)\n"


def test_S_072_flag_off_prints():
    a = torch.ones(2, 3, requires_grad=True)
    a.requires_grad = False
    assert printed(2 * a) == "tensor([[2., 2., 2.],\n        [2., 2., 2.]])\n"


def test_S_073_no_grad_as_a_context():
    a, b = twos_and_threes()
    c1 = a + b
    assert printed(c1) == "tensor([[5., 5., 5.],\n        [5., 5., 5.]], grad_fn=<AddBackward0>)\n"
    with torch.no_grad():
        c2 = a + b
    assert printed(c2) == "tensor([[5., 5., 5.],\n        [5., 5., 5.]])\n"
    c3 = a * b
    assert printed(c3) == "tensor([[6., 6., 6.],\n        [6., 6., 6.]], grad_fn=<MulBackward0>)\n"


def test_S_074_requires_grad_inside_no_grad():
    x, _, w, b, z = basics()
    assert printed(z.requires_grad) == "True\n"
    with torch.no_grad():
        z = torch.matmul(x, w) + b
    assert printed(z.requires_grad) == "False\n"


def test_S_075_no_grad_as_a_decorator():
    def add_tensors1(x, y):
        return x + y

    @torch.no_grad()
    def add_tensors2(x, y):
        return x + y

    class Adder:
        @torch.no_grad()
        def add(self, x, y):
            return x + y

    a, b = twos_and_threes()
    with_history = "tensor([[5., 5., 5.],\n        [5., 5., 5.]], grad_fn=<AddBackward0>)\n"
    without = "tensor([[5., 5., 5.],\n        [5., 5., 5.]])\n"
    assert printed(add_tensors1(a, b)) == with_history
    assert printed(add_tensors2(a, b)) == without
    assert printed(Adder().add(a, b)) == without
    assert add_tensors2.__name__ == "add_tensors2"
    assert printed(add_tensors1(a, b)) == with_history


def test_S_076_no_grad_without_parentheses():
    @torch.no_grad
    def add(x, y):
        return x + y

    a, b = twos_and_threes()
    assert add(a, b).grad_fn is None
    assert (a + b).grad_fn is not None


def test_S_077_enable_grad():
    a, b = twos_and_threes()

    @torch.enable_grad()
    def times(x, y):
        return x * y

    with torch.no_grad():
        assert (a + b).grad_fn is None
        with torch.enable_grad():
            assert type((a + b).grad_fn).__name__ == "AddBackward0"
        assert (a + b).grad_fn is None
        assert type(times(a, b).grad_fn).__name__ == "MulBackward0"
        assert (a + b).grad_fn is None


def test_S_078_detach_shares_storage():
    torch.manual_seed(0)
    x = torch.rand(5, requires_grad=True)
    y = x.detach()
    numbers = "0.4963, 0.7682, 0.0885, 0.1320, 0.3074"
    assert printed(x) == f"tensor([{numbers}], requires_grad=True)\n"
    assert printed(y) == f"tensor([{numbers}])\n"
    assert y.data_ptr() == x.data_ptr()


def test_S_079_detach_leaves_the_original_alone():
    z = basics()[4]
    z_det = z.detach()
    assert printed(z_det.requires_grad) == "False\n"
    assert printed(z.requires_grad) == "True\n"


def test_S_080_detach_in_place():
    z = basics()[4]
    r = z.detach_()
    assert r is z
    assert z.requires_grad is False
    assert z.grad_fn is None
    assert z.is_leaf


def test_S_081_backward_through_a_detached_tensor():
    _, y, _, _, z = basics()
    loss = bce_with_logits(z.detach(), y)
    with raises(
        RuntimeError, "element 0 of tensors does not require grad and does not have a grad_fn"
    ):
        loss.backward()


def test_S_082_a_detached_tensor_as_a_new_leaf():
    _, y, w, b, z = basics()
    z_det = z.detach()
    z_det.requires_grad_(True)
    bce_with_logits(z_det, y).backward()
    assert printed(w.grad, b.grad, z_det.grad) == "None None tensor([0.2661, 0.1179, 0.0027])\n"


def test_S_083_nothing_is_saved_without_recording():
    x = torch.ones(3, requires_grad=True)
    recorded = (x * x).exp()
    assert torch.equal(recorded.grad_fn._saved_result, recorded)
    with torch.no_grad():
        square = x * x
        y = square.exp()
    assert y.grad_fn is None
    assert y.is_leaf
    alive = weakref.ref(square)
    del square
    assert alive() is None


def test_S_083_other_threads_record():
    found = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: found.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert found == [True]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda a: torch.sin_(a), id="function"),
        pytest.param(lambda a: a.sin_(), id="method"),
    ],
)
def test_S_090_in_place_on_a_leaf(call):
    a = torch.linspace(0.0, 2.0 * math.pi, steps=25, requires_grad=True)
    before = a.tolist()
    with raises(
        RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation."
    ):
        call(a)
    assert a.tolist() == before
    assert a._version == 0


def test_S_091_in_place_functions_and_methods():
    a, b = torch.full((3,), 0.5), torch.full((3,), 0.5)
    assert torch.sin_(a) is a
    assert b.sin_() is b
    assert torch.equal(a, torch.full((3,), 0.5).sin())
    assert torch.equal(a, b)


def test_S_092_overwritten_values_are_detected_in_backward():
    x = torch.ones(2, 3, requires_grad=True)
    y = x * 1
    z = y * y
    y.add_(1)
    with raises(
        RuntimeError,
        "one of the variables needed for gradient computation has been modified by an inplace operation",
        "[torch.FloatTensor [2, 3]]",
        "is at version 1; expected version 0 instead",
    ):
        z.sum().backward()


def test_S_093_in_place_methods_return_self():
    x = torch.ones(3)
    assert x.zero_() is x
    assert x.tolist() == [0.0, 0.0, 0.0]
    assert x.requires_grad_() is x
    assert x.detach_() is x
    assert x.add_(1) is x
    assert x.tolist() == [1.0, 1.0, 1.0]
