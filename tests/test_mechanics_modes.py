"""Grad mode, inference mode, saved-tensor hooks, closures: rules M-60 to M-65 of the contract."""

from __future__ import annotations

import threading

import pytest
from against import leaf, raises, torch


def test_M_60_inference_tensors():
    normal = leaf(3) * 1
    with torch.inference_mode():
        t = torch.ones(3)
        flagged = torch.ones(3, requires_grad=True)
        assert flagged.requires_grad
        assert not (flagged * 2).requires_grad
        assert not normal[:2].is_inference()
    assert t.is_inference()
    assert torch.is_inference(t)
    assert not normal.is_inference()
    y = leaf(3) + t
    assert y.requires_grad
    assert not y.is_inference()
    assert not t.clone().is_inference()
    for refused in (
        lambda: leaf(3) * t,
        lambda: t.add_(1),
        lambda: t.requires_grad_(),
        lambda: t._version,
    ):
        with pytest.raises(RuntimeError, match=r"(?i)inference"):
            refused()


def test_M_60_inference_mode_switches():
    assert not torch.is_inference_mode_enabled()
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()
        with torch.inference_mode(False):
            assert not torch.is_inference_mode_enabled()

    @torch.inference_mode()
    def f(x):
        return x * 2

    assert f(leaf(2)).is_inference()

    @torch.inference_mode
    def g(x):
        return x * 2

    assert g(leaf(2)).is_inference()


def test_M_61_grad_mode_belongs_to_the_thread():
    seen = []

    def work():
        seen.append(torch.is_grad_enabled())
        torch.set_grad_enabled(False)

    with torch.no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not torch.is_grad_enabled()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True, True]
    assert torch.is_grad_enabled()


def test_M_61_generators_keep_their_mode():
    @torch.no_grad()
    def produce():
        x = leaf(1)
        received = yield torch.is_grad_enabled()
        assert received == "sent"
        yield (x * 2).requires_grad

    steps = produce()
    assert next(steps) is False
    assert torch.is_grad_enabled()
    assert steps.send("sent") is False
    assert torch.is_grad_enabled()
    assert next(steps, "done") == "done"


def test_M_61_exceptions_restore_the_mode():
    @torch.no_grad()
    def fail():
        raise KeyError("mine")

    with pytest.raises(KeyError):
        fail()
    assert torch.is_grad_enabled()
    with pytest.raises(KeyError), torch.no_grad(), torch.enable_grad(), torch.no_grad():
        raise KeyError("mine")
    assert torch.is_grad_enabled()


def test_M_61_set_grad_enabled_three_ways():
    previous = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(previous)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
        with torch.set_grad_enabled(True):
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()

    @torch.set_grad_enabled(False)
    def f():
        return torch.is_grad_enabled()

    assert torch.is_grad_enabled()
    assert f() is False


def test_M_61_contexts_can_be_used_again():
    mode = torch.no_grad()
    for _ in range(2):
        with mode:
            assert not torch.is_grad_enabled()
        assert torch.is_grad_enabled()


def test_M_61_decorated_functions_recurse():
    @torch.no_grad()
    def countdown(n):
        return [torch.is_grad_enabled()] + (countdown(n - 1) if n else [])

    assert countdown(5) == [False] * 6
    assert torch.is_grad_enabled()


def test_M_62_flags_and_parameters_inside_no_grad():
    with torch.no_grad():
        x = torch.ones(2).requires_grad_()
        p = torch.nn.Parameter(torch.ones(2))
        made = torch.ones(2, requires_grad=True)
        y = x * 2
    assert x.requires_grad
    assert p.requires_grad
    assert made.requires_grad
    assert not y.requires_grad
    assert (x * 2).requires_grad


def test_M_63_saved_tensor_hooks():
    packed, unpacked = [], []

    def pack(t):
        packed.append(t.tolist())
        return t.numpy() if not t.requires_grad else t.detach().numpy()

    def unpack(a):
        unpacked.append(a.tolist())
        return torch.from_numpy(a)

    a = torch.tensor([2.0], requires_grad=True)
    b = torch.tensor([3.0], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = a * b
    assert packed == [[3.0], [2.0]]
    assert unpacked == []
    y.backward()
    assert sorted(unpacked) == [[2.0], [3.0]]
    assert (a.grad.item(), b.grad.item()) == (3.0, 2.0)


def test_M_63_only_the_innermost_pair_applies():
    calls = []
    x = leaf(1)
    hooks = torch.autograd.graph.saved_tensors_hooks
    with (
        hooks(lambda t: calls.append("outer") or t, lambda t: t),
        hooks(lambda t: calls.append("inner") or t, lambda t: t),
    ):
        y = x.exp()
    assert calls == ["inner"]
    y.backward()
    x.exp()
    assert calls == ["inner"]


def test_M_63_saved_values_may_be_changed_when_allowed():
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        x = leaf(3)
        y = x * 2
        z = (y * y).sum()
        y.mul_(100)
        z.backward()
    assert x.grad.tolist() == [8.0, 8.0, 8.0]


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x**3
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return 3 * g * y / x


def many_calls(x):
    a = (x @ x.t()).softmax(0).max(0)[0]
    b = torch.cat([x.exp().sum(0), x[0] * x[1], x.sigmoid().mean(1)]).tanh()
    c = Cube.apply(x).split(1)[1] / (x + 2)
    d = torch.where(x > 0.5, x.sqrt(), x * x).cumsum(0).std()
    return a.sum() + (b * b).sum() + c.sum() + d


def test_M_63_gradients_are_the_same_through_hooks():
    x = torch.tensor([[0.1, 0.7, 0.4], [0.9, 0.2, 0.6]], dtype=torch.float64, requires_grad=True)
    (plain,) = torch.autograd.grad(many_calls(x), x, create_graph=True)
    (plain2,) = torch.autograd.grad((plain * plain).sum(), x)

    def pack(t):
        return t.shape, t.detach().numpy().tolist(), t.dtype

    def unpack(packed):
        shape, values, dtype = packed
        return torch.tensor(values, dtype=dtype).reshape(shape)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = many_calls(x)
        (g,) = torch.autograd.grad(y, x, create_graph=True)
    assert torch.allclose(g, plain)
    (g2,) = torch.autograd.grad((g * g).sum(), x)
    assert torch.allclose(g2, plain2)


def test_M_63_hooks_belong_to_the_thread():
    packed = []
    x = leaf(3)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(1) or t, lambda t: t):
        thread = threading.Thread(target=lambda: (x * x).exp())
        thread.start()
        thread.join()
    assert packed == []


def test_M_63_a_spent_graph_is_spent_through_hooks_too():
    x = leaf(3)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with raises(RuntimeError, "Trying to backward through the graph a second time"):
        y.backward()
    assert x.grad.tolist() == [4.0, 4.0, 4.0]


def test_M_65_closures_of_functional_calls_get_no_gradient():
    x = torch.tensor([2.0])
    result = torch.autograd.functional.jacobian(lambda t: t * x, x)
    assert result.tolist() == [[2.0]]
    w = torch.tensor([3.0], requires_grad=True)
    torch.autograd.functional.jacobian(lambda t: t * w, x)
    assert w.grad is None


def test_saved_attributes():
    x, y = leaf(3), torch.full((3,), 2.0)
    z = x * y
    assert z.grad_fn._saved_other is y
    assert z.grad_fn._saved_self is None
    e = x.exp()
    assert torch.equal(e.grad_fn._saved_result, e)
    s = (x * 1).sum(dim=0, keepdim=True)
    assert s.grad_fn._saved_keepdim is True
    assert (x**3).grad_fn._saved_exponent == 3


def test_increment_version():
    t = torch.ones(2)
    torch.autograd.graph.increment_version(t)
    assert t._version == 1


def test_gradient_edges():
    x = leaf(2)
    y = x * 2
    edge = torch.autograd.graph.get_gradient_edge(y)
    assert edge.node is y.grad_fn
    assert edge.output_nr == 0
    assert torch.autograd.grad(y.sum(), edge)[0].tolist() == [1.0, 1.0]
    accumulate = torch.autograd.graph.get_gradient_edge(x)
    assert accumulate.node.variable is x


def test_errors_leave_no_mode_behind():
    x = leaf(3)
    with raises(RuntimeError, "shapes cannot be multiplied"), torch.no_grad():
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert (x * 2).requires_grad
