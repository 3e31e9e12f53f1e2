"""Checkpointing (contract rows A-160 to A-162, A-166, M-64): the same gradients, less memory."""

from __future__ import annotations

import contextlib
import gc
import importlib
import threading
import weakref

import pytest
from against import NAME, raises, torch

C = importlib.import_module(f"{NAME}.utils.checkpoint")
checkpoint = C.checkpoint
hooks = torch.autograd.graph.saved_tensors_hooks


def leaf(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


class Counted:
    """A function that counts its calls, as a whole and by the part that is reached."""

    def __init__(self, f=None):
        self.calls = self.ends = 0
        self.f = f or (lambda x, k=1.0: (x.sin() * x.exp() * k).cos())

    def __call__(self, *args, **kwargs):
        self.calls += 1
        result = self.f(*args, **kwargs)
        self.ends += 1
        return result


def slope(f, x, *args, **kwargs):
    return torch.autograd.grad(f(x, *args, **kwargs).sum(), x)[0].tolist()


BOTH = pytest.mark.parametrize("reentrant", [False, True])


# ------------------------------------------------------------------- values
@BOTH
def test_A_160_gradients_are_those_without(reentrant):
    f, x, y = Counted(), leaf(0.3, 0.7), leaf(0.3, 0.7)
    out = checkpoint(f, x, use_reentrant=reentrant)
    assert f.calls == 1
    assert torch.equal(out, f.f(y))
    out.sum().backward()
    f.f(y).sum().backward()
    assert f.calls == 2
    assert x.grad.tolist() == y.grad.tolist()


def test_A_160_the_name_of_the_node():
    x = leaf(1.0)
    assert type(checkpoint(torch.exp, x, use_reentrant=False).grad_fn).__name__ == "ExpBackward0"
    node = checkpoint(torch.exp, x, use_reentrant=True).grad_fn
    assert type(node).__name__ == "CheckpointFunctionBackward"


def test_A_160_grad_and_inputs():
    f, x, w = Counted(lambda x, w: (x * w).exp() * w), leaf(0.3, 0.7), leaf(2.0)
    out = checkpoint(f, x, w, use_reentrant=False)
    (got,) = torch.autograd.grad(out.sum(), w, retain_graph=True)
    (want,) = torch.autograd.grad(f.f(x, w).sum(), w)
    assert torch.allclose(got, want)
    out.sum().backward(inputs=[x])
    assert w.grad is None
    assert torch.allclose(x.grad, torch.autograd.grad(f.f(x, w).sum(), x)[0])


def test_A_160_keyword_arguments_and_what_is_no_tensor():
    x, y = leaf(0.3, 0.7), leaf(2.0)

    def f(x, names, *, scale, other):
        return {"value": x.exp() * scale * other["y"], "names": names}, 3

    got, three = checkpoint(f, x, ["a"], use_reentrant=False, scale=y, other={"y": y})
    assert (got["names"], three) == (["a"], 3)
    got["value"].sum().backward()
    assert x.grad.tolist() == (x.exp() * 4).tolist()
    assert y.grad.item() == pytest.approx((x.exp() * 4).sum().item())


def test_A_160_second_derivatives():
    f, x = Counted(), leaf(0.3, 0.7)
    (g,) = torch.autograd.grad(checkpoint(f, x, use_reentrant=False).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    (g2,) = torch.autograd.grad(f.f(x).sum(), x, create_graph=True)
    assert torch.allclose(g, g2)
    assert torch.allclose(h, torch.autograd.grad(g2.sum(), x)[0])
    assert torch.autograd.gradgradcheck(lambda x: checkpoint(f.f, x, use_reentrant=False), (x,))


def test_A_160_twice_with_retain_graph():
    f, x = Counted(), leaf(0.3, 0.7)
    out = checkpoint(f, x, use_reentrant=False).sum()
    out.backward(retain_graph=True)
    out.backward()
    assert f.calls == 3
    assert x.grad.tolist() == pytest.approx([2 * v for v in slope(f.f, x)])
    with raises(RuntimeError, "Trying to backward through the graph a second time"):
        out.backward()


def test_A_160_without_recording_nothing_is_kept():
    f, x = Counted(), leaf(0.3)
    with torch.no_grad():
        out = checkpoint(f, x, use_reentrant=False)
    assert (out.requires_grad, f.calls) == (False, 1)
    out = checkpoint(f, x.detach(), use_reentrant=False)
    assert out.requires_grad is False


def test_A_160_parameters_in_the_closure():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    x = torch.randn(5, 3)
    model(x).sum().backward()
    want = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    checkpoint(model, x, use_reentrant=False).sum().backward()
    for p, g in zip(model.parameters(), want, strict=True):
        assert torch.equal(p.grad, g)


def test_A_160_views_and_writes_inside():
    def f(x):
        y = x * 2
        y[0] = y[1].exp()
        return y.exp() * y[:1].sin()

    x = leaf(0.3, 0.7)
    checkpoint(f, x, use_reentrant=False).sum().backward()
    assert x.grad.tolist() == pytest.approx(slope(f, x))


def test_A_160_custom_functions_inside():
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = x * x * x
            ctx.save_for_backward(x, out)
            return out

        @staticmethod
        def backward(ctx, g):
            x, out = ctx.saved_tensors
            return g * (3 * x * x + 0 * out)

    f, x = Counted(lambda x: Cube.apply(x.exp())), leaf(0.3, 0.7)
    checkpoint(f, x, use_reentrant=False).sum().backward()
    assert f.calls == 2
    assert x.grad.tolist() == pytest.approx((3 * x * 0 + 3 * (3 * x).exp()).tolist())


@pytest.mark.wengert_only
def test_a_backward_that_asks_twice_recomputes_twice():
    """PyTorch raises a CheckpointError."""

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * (ctx.saved_tensors[0] + ctx.saved_tensors[0])

    f, x = Counted(lambda x: Twice.apply(x.exp())), leaf(0.3)
    checkpoint(f, x, use_reentrant=False).sum().backward()
    assert f.calls == 3
    assert x.grad.item() == pytest.approx((2 * (2 * x).exp()).item())


# ------------------------------------------------------------------- nesting and early stop
@pytest.mark.parametrize("early", [True, False])
def test_M_64_nested(early):
    f, x = Counted(), leaf(0.3, 0.7)

    def middle(x):
        return checkpoint(f, x * 1.5, use_reentrant=False, early_stop=early).exp()

    def outer(x):
        return checkpoint(middle, x.sin(), use_reentrant=False, early_stop=early) * x

    checkpoint(outer, x, use_reentrant=False, early_stop=early).sum().backward()
    assert x.grad.tolist() == pytest.approx(slope(lambda x: f.f(x.sin() * 1.5).exp() * x, x))


def test_M_64_a_chain_of_nested_regions_recomputes_each_level_once():
    f, x = Counted(), leaf(0.3)

    def level(k):
        return f if k == 0 else lambda x: checkpoint(level(k - 1), x, use_reentrant=False)

    out = level(3)(x)
    assert f.calls == 1
    out.sum().backward()
    assert f.calls == 2
    assert x.grad.tolist() == pytest.approx(slope(f.f, x))


def test_A_162_early_stop():
    f, x = Counted(lambda x: x.exp().sin() + 1), leaf(0.3)
    checkpoint(f, x, use_reentrant=False).sum().backward()
    assert (f.calls, f.ends) == (2, 1)  # the second run ended inside
    checkpoint(f, x, use_reentrant=False, early_stop=False).sum().backward()
    assert (f.calls, f.ends) == (4, 3)
    with C.set_checkpoint_early_stop(False):
        out = checkpoint(f, x, use_reentrant=False)
    out.sum().backward()
    assert (f.calls, f.ends) == (6, 5)
    with C.set_checkpoint_early_stop(True):
        out = checkpoint(f, x, use_reentrant=False, early_stop=False)
    out.sum().backward()
    assert (f.calls, f.ends) == (8, 6)


def test_an_early_stop_leaves_contexts_of_the_function_in_order():
    order = []

    @contextlib.contextmanager
    def noted():
        order.append("in")
        try:
            yield
        finally:
            order.append("out")

    def f(x):
        with torch.no_grad():
            pass
        with noted(), torch.enable_grad():
            return x.exp().sin() * 1

    checkpoint(f, leaf(0.3), use_reentrant=False).sum().backward()
    assert order == ["in", "out"] * 2
    assert torch.is_grad_enabled()


@pytest.mark.wengert_only
def test_a_function_that_catches_exceptions_does_not_catch_the_early_stop():
    """PyTorch's is an Exception."""
    seen = []

    def f(x):
        try:
            return x.exp().sin()
        except Exception as error:
            seen.append(error)
            raise

    checkpoint(f, leaf(0.3), use_reentrant=False).sum().backward()
    assert seen == []


@pytest.mark.wengert_only
def test_a_function_that_catches_everything_goes_on():
    def f(x):
        y = x
        for _ in range(3):
            try:
                y = y.exp()
            except BaseException:
                y = x.sin()
        return y

    x = leaf(0.1)
    checkpoint(f, x, use_reentrant=False).sum().backward()
    assert x.grad.tolist() == pytest.approx(slope(lambda x: x.exp().exp().exp(), x))


# ------------------------------------------------------------------- backward inside
@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("retain", [True, False])
def test_backward_inside_the_function(early, retain):
    def f(x):
        y = x.sin()
        z = y.cos()
        (g,) = torch.autograd.grad(z.sum(), x, retain_graph=retain)
        return x.cos() * g if not retain else x.cos() * g + z

    x = leaf(0.3, 0.7)
    checkpoint(f, x, use_reentrant=False, early_stop=early).sum().backward()
    assert x.grad.tolist() == pytest.approx(slope(f, x))


def test_a_region_whose_result_is_used_in_two_backwards():
    f, x = Counted(lambda x: (x.exp(), x.sin())), leaf(0.3, 0.7)
    a, b = checkpoint(f, x, use_reentrant=False)
    a.sum().backward()
    b.sum().backward()
    assert f.calls == 3
    assert x.grad.tolist() == pytest.approx((x.exp() + x.cos()).tolist())


def test_A_165_a_group_recomputes_once():
    f, x = Counted(lambda x: (x.sin(), x.cos())), leaf(0.3, 0.7)
    a, b = checkpoint(f, x, use_reentrant=False)
    with C.GraphExecGroup():
        a.sum().backward()
        b.sum().backward()
    assert f.calls == 2
    assert x.grad.tolist() == pytest.approx((x.cos() - x.sin()).tolist())
    a, b = checkpoint(f, x, use_reentrant=False)
    with C.GraphExecGroup():
        a.sum().backward(retain_graph=True)
        with raises(C.CheckpointError, "Unpack is being triggered for a tensor that was already"):
            a.sum().backward(retain_graph=True)
        with raises(RuntimeError, "GraphExecGroup contexts cannot be nested."):
            C.GraphExecGroup().__enter__()
    a.sum().backward()  # outside the group, all is as ever


# ------------------------------------------------------------------- random numbers
@BOTH
def test_M_64_random_numbers_are_replayed(reentrant):
    x = torch.ones(64, requires_grad=True)
    torch.manual_seed(5)
    out = checkpoint(
        lambda x: (torch.nn.functional.dropout(x) * x).relu(), x, use_reentrant=reentrant
    )
    torch.rand(7)
    before = torch.get_rng_state()
    out.sum().backward()
    assert x.grad.tolist() == (2 * out).tolist()
    assert set(out.tolist()) == {0.0, 2.0}
    assert torch.equal(torch.get_rng_state(), before)


@BOTH
def test_M_64_or_not(reentrant):
    x = torch.ones(64, requires_grad=True)
    torch.manual_seed(5)
    out = checkpoint(
        lambda x: (torch.nn.functional.dropout(x) * x).relu(), x, use_reentrant=reentrant,
        preserve_rng_state=False,
    )  # fmt: skip
    before = torch.get_rng_state()
    out.sum().backward()
    assert x.grad.tolist() != (2 * out).tolist()
    assert not torch.equal(torch.get_rng_state(), before)


# ------------------------------------------------------------------- segments
@BOTH
@pytest.mark.parametrize("segments", [1, 2, 3, 5])
def test_A_161_segments(segments, reentrant):
    steps = [Counted(torch.sin) for _ in range(5)]
    x = leaf(0.3)
    out = C.checkpoint_sequential(steps, segments, x, use_reentrant=reentrant)
    out.backward()
    size = 5 // segments
    again = size * (segments - 1)
    assert [s.calls for s in steps] == [2] * again + [1] * (5 - again)
    want = 1.0
    y = x.detach()
    for _ in range(5):
        want, y = want * y.cos().item(), y.sin()
    assert x.grad.item() == pytest.approx(want)


def test_A_161_layers_and_refusals():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    x = torch.randn(4, 2)
    C.checkpoint_sequential(model, 2, x, use_reentrant=False).sum().backward()
    got = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    model(x).sum().backward()
    assert all(torch.allclose(a, p.grad) for a, p in zip(got, model.parameters(), strict=True))
    with pytest.warns(UserWarning, match="checkpoint_sequential: the use_reentrant parameter"):
        C.checkpoint_sequential(model, 2, x.requires_grad_())
    with raises(ValueError, "Unexpected keyword arguments: k"):
        C.checkpoint_sequential(model, 2, x, use_reentrant=False, k=1)
    with pytest.raises(ValueError):
        C.checkpoint_sequential(model, 9, x, use_reentrant=False)


# ------------------------------------------------------------------- what is kept
def test_intermediates_are_gone_after_the_call():
    refs = []

    def f(x):
        for _ in range(4):
            x = x.exp()
            refs.append(weakref.ref(x))
        return x

    x = leaf(0.1)
    out = checkpoint(f, x, use_reentrant=False)
    assert [r() is None for r in refs] == [True, True, True, False]
    out.backward()
    del out
    assert all(r() is None for r in refs)


def test_M_64_hooks_around_a_region_see_its_inputs_only():
    packed = []
    x = leaf(0.3, 0.7)
    with hooks(lambda t: packed.append(t.tolist()) or t, lambda t: t):
        y = x * 1
        out = checkpoint(lambda y: y.exp().sin(), y, use_reentrant=False)
    assert packed == [x.tolist()]
    out.sum().backward()
    assert x.grad.tolist() == pytest.approx(slope(lambda x: x.exp().sin(), x))


def test_regions_belong_to_a_thread():
    x = leaf(0.3)
    seen = []

    def f(x):
        thread = threading.Thread(
            target=lambda: seen.append((x.detach().requires_grad_() * 2).exp())
        )
        thread.start()
        thread.join()
        return x.exp()

    checkpoint(f, x, use_reentrant=False).backward()
    assert len(seen) == 2
    seen[0].sum().backward()
    assert x.grad.tolist() == x.exp().tolist()


def test_one_region_run_by_several_threads():
    x = leaf(0.3, 0.7)
    out = checkpoint(Counted(), x, use_reentrant=False).sum()
    want = slope(Counted(), x)
    got, start = [], threading.Barrier(4)

    def work():
        start.wait()
        for _ in range(10):
            got.append(torch.autograd.grad(out, x, retain_graph=True)[0].tolist())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == [want] * 40


@pytest.mark.wengert_only
@pytest.mark.parametrize(
    "how", ["plain", "nested", "input written", "failed", "reentrant", "debug"]
)
def test_no_cycles(how):
    def f(x):
        return (x.sin() * x.exp()).cos()

    def run():
        x = leaf(0.3, 0.7)
        if how == "nested":
            out = checkpoint(
                lambda x: checkpoint(f, x, use_reentrant=False) * x, x, use_reentrant=False
            )
        elif how == "input written":
            buffer = torch.zeros(2, dtype=torch.float64)
            out = checkpoint(lambda x, b: b.copy_(x.exp()) * x, x, buffer, use_reentrant=False)
        else:
            out = checkpoint(f, x, use_reentrant=how == "reentrant", debug=how == "debug")
        if how == "failed":
            with contextlib.suppress(RuntimeError):
                torch.autograd.grad(out, x)
        elif how != "input written":
            out.sum().backward()
        return weakref.ref(out)

    run()  # what is made the first time only
    gc.collect()
    gc.disable()
    try:
        assert run()() is None
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.wengert_only
def test_forward_mode_passes_through():
    x = leaf(0.3, 0.7)
    fwd = torch.autograd.forward_ad
    with fwd.dual_level():
        dual = fwd.make_dual(x, torch.ones_like(x))
        out = checkpoint(lambda x: (x.sin() * x).exp(), dual, use_reentrant=False)
        _, tangent = fwd.unpack_dual(out)
        assert tangent.tolist() == pytest.approx(slope(lambda x: (x.sin() * x).exp(), x))
        (g,) = torch.autograd.grad(tangent.sum(), x)
    _, h = torch.autograd.functional.hvp(
        lambda x: (x.sin() * x).exp().sum(), x.detach(), torch.ones_like(x)
    )
    assert g.tolist() == pytest.approx(h.tolist())


@pytest.mark.wengert_only
def test_transforms_pass_through():
    """PyTorch's grad takes no saved-tensor hooks."""
    func = importlib.import_module(f"{NAME}.func")
    x = leaf(0.3, 0.7).detach()
    f = lambda x: ((x.sin() * x.exp()).cos() * x).sum()
    g = lambda x: checkpoint(f, x, use_reentrant=False)
    for transform in (func.grad, func.hessian, func.jacrev, lambda f: func.grad_and_value(f)):
        torch.testing.assert_close(transform(g)(x), transform(f)(x))
    torch.testing.assert_close(func.jvp(g, (x,), (x,)), func.jvp(f, (x,), (x,)))
    rows = torch.stack([x, x + 1, x * 2])
    torch.testing.assert_close(func.vmap(func.grad(g))(rows), func.vmap(func.grad(f))(rows))
    inside = lambda x: func.grad(f)(x) * x
    y = x.clone().requires_grad_()
    checkpoint(inside, y, use_reentrant=False).sum().backward()
    assert y.grad.tolist() == pytest.approx(slope(inside, y))
    y.grad = None
    checkpoint(func.vmap(f), rows.requires_grad_(), use_reentrant=False).sum().backward()
    torch.testing.assert_close(rows.grad, func.vmap(func.grad(f))(rows.detach()))


def test_what_is_kept_in_numbers():
    """Peak memory of 32 layers: all results, or those of 4 segments and of one segment inside."""
    if torch.__name__ == "torch":
        pytest.skip("tracemalloc sees NumPy's memory only")
    import tracemalloc

    x = torch.ones(1 << 15, dtype=torch.float64, requires_grad=True)
    size = x.numel() * 8

    def peak(run):
        tracemalloc.start()
        try:
            run(x).sum().backward()
            x.grad = None
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            run(x).sum().backward()
            return (tracemalloc.get_traced_memory()[1] - before) / size
        finally:
            tracemalloc.stop()

    steps = [torch.sin] * 32

    def plain(x):
        for step in steps:
            x = step(x)
        return x

    assert peak(plain) > 32
    segments = peak(lambda x: C.checkpoint_sequential(steps, 4, x, use_reentrant=False))
    assert segments < 4 + 8 + 4
    assert peak(lambda x: checkpoint(plain, x, use_reentrant=False)) > 32
