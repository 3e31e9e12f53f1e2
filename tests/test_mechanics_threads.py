"""Backward from several threads, backward inside backward, and several roots."""

from __future__ import annotations

import importlib
import sys
import threading

import pytest
from against import NAME, raises, torch

graph = torch.autograd.graph
checkpoint = importlib.import_module(f"{NAME}.utils.checkpoint").checkpoint


def leaf(*values):
    return torch.tensor(values or (0.3, 0.7), dtype=torch.float64, requires_grad=True)


def body(x):
    y = x.exp() * 2
    return y, (y.sin() * x).sum()


def gradient(f, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(f(x), x)[0]


@pytest.fixture(autouse=True)
def _threads_change_often():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def together(work, count=4):
    """Run work(k) in several threads that start at once; return what they return."""
    results, errors = [None] * count, []
    start = threading.Barrier(count)

    def run(k):
        try:
            start.wait()
            results[k] = work(k)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return results


# ------------------------------------------------------------------- threads
def test_one_retained_graph_in_several_threads():
    x = leaf()
    z = body(x)[1]
    want = gradient(lambda x: body(x)[1], x)
    for got in together(
        lambda k: [torch.autograd.grad(z, x, retain_graph=True)[0] for _ in range(50)]
    ):
        assert all(torch.equal(g, want) for g in got)


def test_second_derivatives_of_one_graph_in_several_threads():
    x = leaf()
    z = body(x)[1]

    def work(k):
        found = []
        for _ in range(20):
            (g,) = torch.autograd.grad(z, x, create_graph=True)
            found.append(torch.autograd.grad(g.sum(), x, retain_graph=True)[0])
        return found

    want = gradient(lambda x: torch.autograd.grad(body(x)[1], x, create_graph=True)[0].sum(), x)
    for got in together(work):
        for h in got:
            torch.testing.assert_close(h, want)


def test_parts_of_one_graph_in_several_threads():
    """Each thread runs a branch of its own, down to a shared stem that is kept."""
    x = leaf()
    stem = x.exp()
    branches = [(stem * (k + 1)).sin().sum() for k in range(4)]
    together(lambda k: branches[k].backward(retain_graph=True))
    want = gradient(lambda x: sum((x.exp() * (k + 1)).sin().sum() for k in range(4)), x)
    torch.testing.assert_close(x.grad, want)


def test_programs_of_their_own_in_several_threads():
    def work(k):
        found = []
        for step in range(30):
            x = leaf()
            with torch.set_grad_enabled(step % 3 != 0):
                z = body(x)[1]
            if z.requires_grad:
                z.backward()
                found.append(x.grad)
        return found

    want = gradient(lambda x: body(x)[1], leaf())
    for got in together(work):
        assert len(got) == 20
        assert all(torch.equal(g, want) for g in got)


def test_hooks_run_in_the_thread_of_their_backward():
    seen = [set() for _ in range(4)]

    def work(k):
        for _ in range(20):
            x = leaf()
            y, z = body(x)
            y.register_hook(lambda g: seen[k].add(threading.get_ident()))
            x.register_post_accumulate_grad_hook(lambda p: seen[k].add(threading.get_ident()))
            graph.register_multi_grad_hook((x, y), lambda g: seen[k].add(threading.get_ident()))
            z.backward()
        return threading.get_ident()

    assert [{i} for i in together(work)] == seen


def test_saved_tensor_hooks_in_several_threads():
    def work(k):
        count = 0
        for _ in range(20):
            packed = []
            x = leaf()
            if k % 2:
                with graph.saved_tensors_hooks(lambda t: packed.append(t) or t, lambda t: t):
                    z = body(x)[1]
            else:
                z = body(x)[1]
            count += bool(packed)
            z.backward()
            assert torch.equal(x.grad, want)
        return count

    want = gradient(lambda x: body(x)[1], leaf())
    assert together(work) == [0, 20, 0, 20]


def test_checkpoints_in_several_threads():
    want = gradient(lambda x: body(x)[1], leaf())

    def work(k):
        for _ in range(20):
            x = leaf()
            checkpoint(lambda x: body(x)[1], x, use_reentrant=k % 2 == 0).backward()
            assert torch.equal(x.grad, want)

    together(work)


def test_writes_in_several_threads():
    def work(k):
        for _ in range(30):
            x = leaf()
            y = x * 1
            v = y[:1]
            v.mul_(3)
            y.sin().sum().backward()
            torch.testing.assert_close(x.grad, want)

    want = gradient(lambda x: (x * torch.tensor([3.0, 1.0], dtype=x.dtype)).sin().sum(), leaf())
    together(work)


def test_gradients_of_a_shared_leaf_with_hooks():
    w, calls = leaf(), []
    w.register_hook(lambda g: calls.append(0) or g * 2)
    together(lambda k: [(w * 1).sum().backward() for _ in range(50)])
    assert len(calls) == 200
    assert w.grad.tolist() == [400.0, 400.0]


# ------------------------------------------------------------------- backward inside backward
def nested(depth):
    """A function whose backward runs the backward of one like it, `depth` times."""

    class Deep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            ctx.k = k
            ctx.save_for_backward(x)
            return x.detach() * 1.01**depth

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            if not ctx.k:
                return g * 1.01, None
            with torch.enable_grad():
                again = x.detach().requires_grad_()
                Deep.apply(again, ctx.k - 1).backward(g)
            return again.grad * 1.01, None

    return lambda x: Deep.apply(x, depth - 1)


def test_backward_inside_backward_many_levels_down():
    x = leaf(1.0)
    nested(60)(x).backward()
    assert x.grad.item() == pytest.approx(1.01**60)


def test_backward_inside_a_hook_adds_to_the_same_leaf():
    x = leaf(1.0)
    y = x * 2

    @torch.enable_grad()
    def hook(g):
        (x * 10).sum().backward()

    y.register_hook(hook)
    y.sum().backward()
    assert x.grad.item() == 12.0


def test_a_graph_that_runs_itself_in_a_hook():
    x, depth = leaf(1.0), []
    y = x * x
    z = y * 3

    @torch.enable_grad()
    def hook(g):
        if len(depth) < 3:
            depth.append(g.item())
            z.sum().backward(retain_graph=True)

    y.register_hook(hook)
    z.sum().backward(retain_graph=True)
    assert depth == [3.0] * 3
    assert x.grad.item() == 4 * 6.0


def test_grad_inside_backward():
    class Slope(torch.autograd.Function):
        """The gradient of x^3 by `grad` inside."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                y = x.detach().requires_grad_()
                return torch.autograd.grad(y**3, y, g)[0]

    x = leaf(2.0)
    Slope.apply(Slope.apply(x)).backward()
    assert x.grad.item() == pytest.approx(9 * 2.0**8)


def test_backward_inside_backward_in_several_threads():
    w = leaf(1.0)
    together(lambda k: [nested(5)(w * 1).backward() for _ in range(10)])
    assert w.grad.item() == pytest.approx(40 * 1.01**5)


# ------------------------------------------------------------------- several roots
def test_roots_that_depend_on_each_other():
    x = leaf(2.0)
    y = x * x
    z = y * 3
    torch.autograd.backward([z, y, x], [torch.ones(1, dtype=x.dtype)] * 3)
    assert x.grad.item() == 12.0 + 4.0 + 1.0


def test_one_root_twice():
    x = leaf(2.0)
    y = x * x
    torch.autograd.backward(
        [y, y], [torch.ones(1, dtype=x.dtype), torch.full((1,), 10.0, dtype=x.dtype)]
    )
    assert x.grad.item() == 44.0
    (g,) = torch.autograd.grad([x, x], x, [torch.ones(1, dtype=x.dtype)] * 2)
    assert g.item() == 2.0


def test_roots_with_and_without_gradients():
    x = leaf(2.0, 3.0)
    torch.autograd.backward([(x * x).sum(), x * 2], [None, torch.ones(2, dtype=x.dtype)])
    assert x.grad.tolist() == [6.0, 8.0]
    with raises(RuntimeError, "grad can be implicitly created only for scalar outputs"):
        torch.autograd.backward([(x * x).sum(), x * 2], [None, None])


def test_several_outputs_of_one_node_as_roots():
    x = leaf(1.0, 2.0, 3.0)
    a, _, c = x.exp().unbind()
    torch.autograd.backward([a, c], [None, None])
    torch.testing.assert_close(x.grad, x.detach().exp() * torch.tensor([1.0, 0.0, 1.0]))


def test_roots_of_other_dtypes_and_edges():
    x = leaf(1.0, 2.0)
    y = x.float() * 2
    edge = graph.get_gradient_edge(x * 3)
    torch.autograd.backward([y, edge], [torch.ones(2), torch.ones(2, dtype=torch.float64)])
    assert x.grad.tolist() == [5.0, 5.0]
    (g,) = torch.autograd.grad([(x * 2).sum(), (x.float() * 3).sum()], x)
    assert g.tolist() == [5.0, 5.0]


def test_roots_and_chosen_inputs():
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    torch.autograd.backward([y.sum(), (y * y).sum()], inputs=[w])
    assert (x.grad, w.grad.item()) == (None, 2.0 + 2 * 6.0 * 2.0)
    y = x * w
    torch.autograd.backward([y.sum(), (y * y).sum()], inputs=[y, x])
    assert (y.grad.item(), x.grad.item()) == (13.0, 39.0)
