"""Hooks, and the order in which they run: rules M-30 to M-37 of the contract."""

from __future__ import annotations

import warnings

import pytest
from against import leaf, raises, torch

grad = torch.autograd.grad


def test_M_30_the_order_of_everything():
    log = []

    def note(name, value=None):
        log.append(name if value is None else (name, value.tolist()))

    a = leaf(1)
    b = a * 2
    b.register_hook(lambda g: note("tensor hook 1 of b", g) or g * 2)
    b.grad_fn.register_prehook(lambda gs: note("node prehook", gs[0]) or (gs[0] * 7,))
    b.register_hook(lambda g: note("tensor hook 2 of b", g) or g * 3)
    b.retain_grad()
    b.grad_fn.register_hook(lambda gi, go: note("node posthook", go[0]))
    a.register_hook(lambda g: note("tensor hook of a", g))
    accumulate = b.grad_fn.next_functions[0][0]
    accumulate.register_prehook(lambda gs: note("accumulate prehook"))
    a.register_post_accumulate_grad_hook(lambda t: note("post accumulate", t.grad))
    accumulate.register_hook(lambda gi, go: note(f"accumulate posthook {gi}"))
    b.sum().backward()
    assert log == [
        ("tensor hook 1 of b", [1.0]),
        ("tensor hook 2 of b", [2.0]),
        ("node prehook", [6.0]),
        ("node posthook", [42.0]),
        ("tensor hook of a", [84.0]),
        "accumulate prehook",
        ("post accumulate", [84.0]),
        "accumulate posthook ()",
    ]
    assert b.grad.tolist() == [6.0]


def test_M_30_node_posthook_replaces_the_gradients_of_the_inputs():
    x = leaf(2)
    y = x * 3
    seen = []

    def hook(grad_inputs, grad_outputs):
        seen.append((grad_inputs[0].tolist(), grad_outputs[0].tolist()))
        return (grad_inputs[0] * 10, *grad_inputs[1:])

    y.grad_fn.register_hook(hook)
    y.sum().backward()
    assert seen == [([3.0, 3.0], [1.0, 1.0])]
    assert x.grad.tolist() == [30.0, 30.0]


def test_M_30_handles_remove_hooks():
    x = leaf(1)
    y = x * 1
    handles = [
        x.register_hook(lambda g: g * 2),
        y.register_hook(lambda g: g * 3),
        y.grad_fn.register_prehook(lambda gs: (gs[0] * 5,)),
        y.grad_fn.register_hook(lambda gi, go: (gi[0] * 7, *gi[1:])),
    ]
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [210.0]
    for handle in handles:
        handle.remove()
    x.grad = None
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [1.0]
    with x.register_hook(lambda g: g * 2):
        pass
    x.grad = None
    y.backward()
    assert x.grad.tolist() == [1.0]


def test_M_30_hooks_see_the_sum_of_all_uses():
    x = leaf(1)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    y = x * 1
    y.register_hook(lambda g: seen.append(g.item()))
    (y * 2 + y * 3 + x * 10).backward()
    assert sorted(seen) == [5.0, 15.0]
    assert len(seen) == 2


@pytest.mark.parametrize(("mode", "expected"), [("all", [[3.0, 2.0]]), ("any", [None])])
def test_M_31_hooks_on_several_tensors(mode, expected):
    x, y = leaf(1), leaf(1)
    calls = []

    def hook(grads):
        calls.append([g.item() for g in grads] if mode == "all" else None)

    handle = torch.autograd.graph.register_multi_grad_hook((x, y), hook, mode=mode)
    (3 * x + 2 * y).sum().backward()
    assert calls == expected
    handle.remove()
    (3 * x + 2 * y).sum().backward()
    assert calls == expected


def test_M_31_missing_gradients_are_none():
    x, y, unused = leaf(1), leaf(1), leaf(1)
    calls = []
    torch.autograd.graph.register_multi_grad_hook((x, unused, y), calls.append)
    (x * 2 + y).sum().backward()
    ((first, second, third),) = calls
    assert (first.item(), second, third.item()) == (2.0, None, 1.0)


def test_M_31_each_run_is_counted_by_itself():
    x, y = leaf(1), leaf(1)
    a, b = x * 2, y * 3
    calls = []
    torch.autograd.graph.register_multi_grad_hook((a, b), lambda grads: calls.append(len(grads)))
    (a * 1).backward(retain_graph=True)
    assert calls == [2]
    (a + b).backward(retain_graph=True)
    assert calls == [2, 2]
    grad(a + b, [x], retain_graph=True)
    assert calls == [2, 2, 2]
    (x * 5).backward()
    assert calls == [2, 2, 2]


def test_M_32_hooks_stay_with_the_value_they_were_put_on():
    log = []
    x = leaf(1)
    y = x * 2
    y.register_hook(lambda g: log.append(("before the write", g.item())))
    y.mul_(10)
    y.register_hook(lambda g: log.append(("after the write", g.item())))
    y.backward()
    assert log == [("after the write", 1.0), ("before the write", 10.0)]


def test_M_32_retain_grad_moves_with_the_tensor():
    x = leaf(1)
    y = x * 2
    y.retain_grad()
    y.mul_(10)
    y.backward()
    assert y.grad.item() == 1.0


def test_M_33_what_a_hook_returns():
    x = leaf(2)
    y = x * 2
    y.register_hook(lambda g: None)
    y.register_hook(lambda g: g * torch.tensor([1.0, 10.0]))
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 20.0]


def test_M_33_a_hook_may_change_the_gradient_in_place():
    x = leaf(2)
    y = x * 2

    def five_times(g):
        g.mul_(5)

    y.register_hook(five_times)
    (y * 1).sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]


def test_M_33_hooks_must_keep_size_and_kind():
    x = leaf(2)
    handle = x.register_hook(lambda g: g[:1])
    with raises(RuntimeError, "hook '<lambda>' has changed the size of value"):
        (x * 2).sum().backward()
    handle.remove()
    x.register_hook(lambda g: "text")
    with raises(TypeError, "expected Variable, but hook returned 'str'"):
        (x * 2).sum().backward()


def test_M_34_which_hooks_run_for_grad():
    log = []
    x = leaf(1)
    x.register_hook(lambda g: log.append("hook") or g * 2)
    x.register_post_accumulate_grad_hook(lambda t: log.append("post accumulate"))
    assert grad((x * 3).sum(), x)[0].item() == 6.0
    assert log == ["hook"]
    (x * 3).sum().backward()
    assert log == ["hook", "hook", "post accumulate"]


def test_M_34_hooks_of_leaves_that_were_not_asked_for():
    log = []
    x, y = leaf(1), leaf(1)
    x.register_hook(lambda g: log.append("x"))
    y.register_hook(lambda g: log.append("y"))
    grad(x * y, y)
    (x * y).backward(inputs=[y])
    assert log == ["y", "y"]
    assert x.grad is None


def test_M_35_captured_values_and_hooks():
    def build():
        a = leaf(1)
        b = a * 1
        b.register_hook(lambda g: g * 10)
        return a, b

    a, b = build()
    assert grad(b.sum(), [b])[0].item() == 10.0
    a, b = build()
    ga, gb = grad(b.sum(), [a, b])
    assert (ga.item(), gb.item()) == (10.0, 1.0)


def test_M_36_grad_mode_inside_hooks():
    modes = []
    x = leaf(1)
    x.register_hook(lambda g: modes.append(torch.is_grad_enabled()))
    y = x * x
    y.register_hook(lambda g: modes.append(torch.is_grad_enabled()))
    y.sum().backward(retain_graph=True)
    assert modes == [False, False]
    grad(y.sum(), x, create_graph=True)
    assert modes == [False, False, True, True]


def test_M_37_an_optimizer_may_step_in_a_hook():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], lr=0.5)

    def step(t):
        optimizer.step()
        t.grad = None

    p.register_post_accumulate_grad_hook(step)
    (p * p).sum().backward()
    assert p.tolist() == [0.0, 0.0]
    assert p.grad is None


def test_retain_grad():
    x = leaf(2)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    assert not x.retains_grad
    (y * 3).sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert y.grad.tolist() == [3.0, 3.0]
    (x * 2).retain_grad()
    x.retain_grad()  # nothing to do for a leaf


def test_hooks_on_a_tensor_without_gradient_of_its_own_never_run():
    x, unused = leaf(1), leaf(1)
    unused.register_hook(lambda g: pytest.fail("ran"))
    y = x * 2
    y.register_hook(lambda g: pytest.fail("ran"))
    (x * 3).sum().backward()


def test_an_error_in_a_hook_passes_through():
    x = leaf(1)

    def hook(g):
        raise KeyError("mine")

    handle = x.register_hook(hook)
    y = (x * 2).sum()
    with pytest.raises(KeyError, match="mine"):
        y.backward()
    handle.remove()
    (x * 2).sum().backward()
    assert torch.is_grad_enabled()
    assert x.grad.item() == 2.0
