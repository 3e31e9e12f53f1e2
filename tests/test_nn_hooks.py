"""Hooks of modules: forward, backward, global; their order, what they may replace, removal."""

from __future__ import annotations

import copy
import gc

import pytest
from against import raises, torch

nn = torch.nn


class Twice(nn.Module):
    def forward(self, x, *, add=0.0):
        return x * 2 + add


def test_forward_pre_hook_replaces_arguments():
    m = Twice()
    handle = m.register_forward_pre_hook(lambda module, args: args[0] + 1)
    assert m(torch.zeros(1)).item() == 2
    handle.remove()
    assert m(torch.zeros(1)).item() == 0
    handle.remove()
    m.register_forward_pre_hook(lambda module, args: None)
    m.register_forward_pre_hook(lambda module, args: (args[0] + 3,))
    assert m(torch.zeros(1)).item() == 6


def test_forward_pre_hook_with_kwargs():
    m = Twice()
    m.register_forward_pre_hook(
        lambda module, args, kwargs: ((args[0] + 1,), {"add": 5.0}), with_kwargs=True
    )
    assert m(torch.zeros(1), add=1.0).item() == 7
    m = Twice()
    m.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    with raises(
        RuntimeError, "forward pre-hook must return None or a tuple of (new_args, new_kwargs)"
    ):
        m(torch.zeros(1))


def test_forward_hook_replaces_output_and_order():
    m, calls = Twice(), []
    m.register_forward_hook(lambda module, args, out: calls.append("a"))
    m.register_forward_hook(lambda module, args, out: calls.append("b") or out + 1)
    m.register_forward_hook(lambda module, args, out: calls.append("first"), prepend=True)
    m.register_forward_hook(
        lambda module, args, kwargs, out: calls.append(kwargs), with_kwargs=True
    )
    assert m(torch.ones(1), add=1.0).item() == 4
    assert calls == ["first", "a", "b", {"add": 1.0}]


def test_always_call():
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    m, calls = Fails(), []
    m.register_forward_hook(lambda module, args, out: calls.append("skipped"))
    handle = m.register_forward_hook(lambda module, args, out: calls.append(out), always_call=True)
    with raises(ValueError, "no"):
        m(torch.zeros(1))
    assert calls == [None]
    handle.remove()
    assert not m._forward_hooks_always_called

    def broken(module, args, out):
        raise KeyError("hook")

    m.register_forward_hook(broken, always_call=True)
    with pytest.warns(UserWarning, match="always_call=True"), raises(ValueError, "no"):
        m(torch.zeros(1))


def test_handle_as_context():
    m = Twice()
    with m.register_forward_hook(lambda module, args, out: out + 1):
        assert m(torch.zeros(1)).item() == 1
    assert m(torch.zeros(1)).item() == 0


def test_full_backward_hook():
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, 3.0]]))
    seen = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x = torch.ones(1, 2, requires_grad=True)
    (layer(x) * 5).sum().backward()
    (grad_input,), (grad_output,) = seen[0]
    assert grad_input.tolist() == [[10.0, 15.0]]
    assert grad_output.tolist() == [[5.0]]
    assert x.grad.tolist() == [[10.0, 15.0]]
    assert layer.weight.grad.tolist() == [[5.0, 5.0]]


def test_full_backward_hook_replaces_the_input_gradient():
    m = Twice()
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    x = torch.ones(1, requires_grad=True)
    m(x).backward()
    assert x.grad.item() == 20


def test_full_backward_pre_hook_replaces_the_output_gradient():
    m, calls = Twice(), []
    m.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    m.register_full_backward_pre_hook(lambda m, go: calls.append(go[0].item()), prepend=True)
    m.register_full_backward_hook(lambda m, gi, go: calls.append(go[0].item()))
    x = torch.ones(1, requires_grad=True)
    m(x).backward()
    assert x.grad.item() == 6
    assert calls == [1.0, 3.0]


def test_backward_hook_without_input_gradient():
    layer, seen = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    with pytest.warns(UserWarning, match="since no inputs require gradients"):
        layer(torch.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]
    with torch.no_grad():
        layer(torch.ones(1, 2))
    assert len(seen) == 1


def test_backward_hook_with_several_inputs_and_outputs():
    class Mix(nn.Module):
        def forward(self, x, flag, y):
            return x * y, x + y

    m, seen = Mix(), []
    m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x, y = torch.tensor([2.0], requires_grad=True), torch.tensor([3.0])
    a, b = m(x, "flag", y)
    (a * 2).backward()
    gi, go = seen[0]
    assert gi[0].item() == 6
    assert gi[1] is None
    assert gi[2] is None or gi[2].item() == 0
    assert go[0].item() == 2
    assert go[1] is None or go[1].item() == 0
    assert b.item() == 5


def test_backward_hook_errors():
    m = Twice()
    m.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with raises(RuntimeError, "invalid number of grad_input", "got 2", "expected 1"):
        m(torch.ones(1, requires_grad=True)).backward()

    class Dict(nn.Module):
        def forward(self, x):
            return {"x": x}

    m = Dict()
    m.register_full_backward_hook(lambda m, gi, go: None)
    with pytest.warns(UserWarning, match="module output should be a Tensor or a tuple"):
        m(torch.ones(1, requires_grad=True))


def test_backward_hook_and_second_derivatives():
    class Cube(nn.Module):
        def forward(self, x):
            return x**3

    m, seen = Cube(), []
    m.register_full_backward_hook(lambda m, gi, go: seen.append(gi[0].item()))
    x = torch.tensor([2.0], requires_grad=True)
    (g,) = torch.autograd.grad(m(x), x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    assert g.item() == 12
    assert h.item() == 12
    assert seen[0] == 12


def test_global_hooks():
    module = nn.modules.module
    calls = []
    handles = [
        module.register_module_forward_pre_hook(lambda m, args: calls.append("pre")),
        module.register_module_forward_hook(lambda m, args, out: calls.append("post")),
        module.register_module_full_backward_hook(lambda m, gi, go: calls.append("back")),
        module.register_module_full_backward_pre_hook(lambda m, go: calls.append("back pre")),
    ]
    m = Twice()
    x = torch.ones(1, requires_grad=True)
    try:
        m(x).backward()
    finally:
        for handle in handles:
            handle.remove()
    assert calls == ["pre", "post", "back pre", "back"]
    m(x).backward()
    assert len(calls) == 4


def test_hooks_travel_with_copies_of_the_module():
    m = Twice()
    m.register_forward_hook(lambda module, args, out: out + 1)
    assert copy.deepcopy(m)(torch.zeros(1)).item() == 1


def test_a_hooked_graph_is_freed_without_the_collector():
    m = Twice()
    m.register_full_backward_hook(lambda m, gi, go: None)
    x = torch.ones(1, requires_grad=True)
    m(x).backward()
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(20):
            m(x).backward()
        assert len(gc.get_objects()) - before < 20
    finally:
        gc.enable()
