"""Selective checkpointing (contract rows A-163 to A-165): chosen results are kept."""

from __future__ import annotations

import functools
import gc
import importlib
import threading
import weakref

import pytest
from against import NAME, REAL, raises, torch

C = importlib.import_module(f"{NAME}.utils.checkpoint")
checkpoint, contexts = C.checkpoint, C.create_selective_checkpoint_contexts
SAVE, DROP = C.CheckpointPolicy.MUST_SAVE, C.CheckpointPolicy.PREFER_RECOMPUTE
aten = torch.ops.aten


def matrix(seed=0):
    torch.manual_seed(seed)
    return torch.rand(3, 3, dtype=torch.float64).requires_grad_()


def layer(w):
    return (torch.mm(w, w).sin() + torch.mm(w, w).exp()).tanh()


def name(op):
    return op if not REAL else op.name().removeprefix("aten::").partition(".")[0]


def keep(*names, log=None):
    """Contexts of a policy that keeps the results of some ops and logs the calls it is asked about."""

    def policy(ctx, op, *args, **kwargs):
        assert isinstance(ctx, C.SelectiveCheckpointContext)
        if log is not None:
            log.append(name(op))
        return SAVE if name(op) in names else DROP

    return functools.partial(contexts, policy)


def gradient(f, w):
    return torch.autograd.grad(f(w).sum(), w)[0]


@pytest.mark.parametrize(
    "names", [(), ("mm",), ("mm", "sin", "exp"), ("mm", "sin", "exp", "add", "tanh")]
)
def test_A_164_gradients_are_those_without(names):
    w = matrix()
    checkpoint(layer, w, use_reentrant=False, context_fn=keep(*names)).sum().backward()
    assert torch.equal(w.grad, gradient(layer, w))


def test_A_164_what_a_policy_is_asked():
    log, w = [], matrix()
    checkpoint(layer, w, use_reentrant=False, context_fn=keep(log=log)).sum().backward()
    assert log == ["mm", "sin", "mm", "exp", "add", "tanh"]  # the recomputation asks nothing


def test_A_164_a_policy_sees_the_result_and_the_arguments():
    seen, w = [], matrix()

    def policy(ctx, op, *args, **kwargs):
        seen.append(
            (
                ctx.is_recompute,
                tuple(getattr(ctx.op_output, "shape", ())),
                [tuple(a.shape) for a in args if isinstance(a, torch.Tensor)],
            )
        )
        return True  # an old way to say MUST_SAVE

    checkpoint(lambda w: torch.mm(w, w[:, :2].detach().clone()), w, use_reentrant=False,
               context_fn=functools.partial(contexts, policy)).sum().backward()  # fmt: skip
    assert (False, (3, 2), [(3, 3), (3, 2)]) in seen


@pytest.mark.wengert_only  # PyTorch's kernels do not tell that they run
def test_A_164_kept_calls_are_not_made_again(monkeypatch):
    from wengert.core.op import TABLE

    calls = []
    for row in ("mm", "sin"):
        kernel = TABLE[row].kernel
        monkeypatch.setattr(
            TABLE[row], "kernel", lambda *a, f=kernel, row=row: calls.append(row) or f(*a)
        )
    w = matrix()
    checkpoint(layer, w, use_reentrant=False, context_fn=keep("mm")).sum().backward()
    assert (calls.count("mm"), calls.count("sin")) == (2, 2)
    checkpoint(layer, w, use_reentrant=False, context_fn=keep()).sum().backward()
    assert (calls.count("mm"), calls.count("sin")) == (2 + 4, 2 + 2)


def test_A_164_lists():
    w = matrix()
    fn = functools.partial(contexts, [aten.mm.default, aten.exp.default])
    checkpoint(layer, w, use_reentrant=False, context_fn=fn).sum().backward()
    assert torch.equal(w.grad, gradient(layer, w))
    for bad in ([3], [len]):
        with raises(ValueError, "Expected op in `op_list` to be an"):
            contexts(bad)
    with raises(TypeError, "policy_fn_or_list must be either a function or a list of ops."):
        contexts(3)


@pytest.mark.wengert_only
@pytest.mark.parametrize(
    "op", [torch.mm, "mm", aten.mm, aten.mm.default], ids=["function", "text", "packet", "overload"]
)
def test_A_164_how_an_op_is_named(op):
    first, second = contexts([op])
    w, zeros = matrix(), torch.zeros(3, 3, dtype=torch.float64)
    with first:
        a = torch.mm(w, w.t())
        torch.exp(a)
    assert [k for k, v in first.store.items() if v is not None] == [("mm", 0)]
    with second:
        assert torch.equal(torch.mm(zeros, w), a)
    with raises(ValueError, "Expected op in `op_list`"):
        contexts(["nothing of this name"])


@pytest.mark.wengert_only
def test_A_164_functions_made_of_other_ops():
    w, x = matrix(), torch.ones(3, dtype=torch.float64)
    for f, call, called in (
        (torch.nn.functional.linear, lambda: torch.nn.functional.linear(w, w, x), "addmm"),
        (torch.nn.functional.linear, lambda: torch.nn.functional.linear(w[None], w), "mm"),
        (torch.matmul, lambda: w[None] @ w[None], "bmm"),
        (torch.matmul, lambda: w @ x, "mv"),
    ):
        first, _ = contexts([f])
        with first:
            call()
        assert [k for k, v in first.store.items() if v is not None] == [(called, 0)]


@pytest.mark.parametrize(
    "keep_all",
    [False, pytest.param(True, marks=pytest.mark.wengert_only)],  # PyTorch's dropout writes
)
def test_A_164_random_numbers_stay_in_step(keep_all):
    def f(x):
        a = torch.nn.functional.dropout(x * 2)
        return (a * torch.nn.functional.dropout(x)).relu()

    def policy(ctx, op, *args, **kwargs):
        return keep_all or name(op) == "mul"

    x = torch.ones(64, requires_grad=True)
    torch.manual_seed(1)
    fn = functools.partial(contexts, policy)
    checkpoint(f, x, use_reentrant=False, context_fn=fn).sum().backward()
    torch.manual_seed(1)
    assert torch.equal(x.grad, gradient(f, x))


def test_A_164_several_results():
    def f(w):
        values, _ = (w * 2).sort(dim=1)
        return values.exp() * values

    w = matrix()
    checkpoint(f, w, use_reentrant=False, context_fn=keep("sort", "exp")).sum().backward()
    assert torch.allclose(w.grad, gradient(f, w))


@pytest.mark.wengert_only  # the second run of backward is one too many for PyTorch
def test_A_164_second_derivatives():
    w = matrix()
    out = checkpoint(layer, w, use_reentrant=False, context_fn=keep("mm", "exp"))
    (g,) = torch.autograd.grad(out.sum(), w, create_graph=True)
    (want,) = torch.autograd.grad(layer(w).sum(), w, create_graph=True)
    assert torch.allclose(gradient(lambda _: g, w), gradient(lambda _: want, w))


@pytest.mark.wengert_only
def test_A_164_backward_may_run_twice():
    """PyTorch drops what was kept, and refuses."""
    w = matrix()
    out = checkpoint(layer, w, use_reentrant=False, context_fn=keep("mm")).sum()
    out.backward(retain_graph=True)
    out.backward()
    assert torch.allclose(w.grad, 2 * gradient(layer, w))


def test_A_164_what_was_kept_must_not_be_written():
    def f(w):
        a = torch.mm(w, w)
        b = a.detach()
        c = a.exp()
        b.mul_(2)
        return c.sin()

    w = matrix()
    with raises(
        RuntimeError, "Tensor cached during selective activation checkpoint has been mutated"
    ):
        checkpoint(f, w, use_reentrant=False, context_fn=keep("mm")).sum().backward()
    fn = functools.partial(contexts, [aten.mm.default], allow_cache_entry_mutation=True)
    checkpoint(f, w, use_reentrant=False, context_fn=fn).sum().backward()


def test_A_164_other_calls_the_second_time():
    calls = iter(range(9))

    def f(w):
        a = torch.mm(w, w)
        return (a.sin() if next(calls) else a.exp()).tanh()

    with raises(RuntimeError, "encountered during backward but not found in storage"):
        checkpoint(f, matrix(), use_reentrant=False, context_fn=keep("mm")).sum().backward()

    def g(w):
        a = torch.mm(w, w).sin()
        return a if next(calls) < 3 else (a + torch.mm(w.detach(), w.detach())).tanh()

    with raises(RuntimeError, "invocation index 1 encountered during backward but not found in"):
        checkpoint(
            g, matrix(), use_reentrant=False, context_fn=keep("mm"), early_stop=False
        ).sum().backward()


def test_A_163_policies():
    assert [p.name for p in C.CheckpointPolicy] == [
        "MUST_SAVE", "PREFER_SAVE", "MUST_RECOMPUTE", "PREFER_RECOMPUTE", "MUST_CPU_OFFLOAD",
        "PREFER_CPU_OFFLOAD",
    ]  # fmt: skip
    w = matrix()
    for p in C.CheckpointPolicy:
        w.grad = None
        fn = functools.partial(contexts, lambda ctx, op, *args, p=p, **kwargs: p)
        checkpoint(layer, w, use_reentrant=False, context_fn=fn).sum().backward()
        assert torch.equal(w.grad, gradient(layer, w))


def test_A_165_ops_that_no_policy_is_asked_about():
    log, w = [], matrix()
    assert aten.detach.default in C.SAC_IGNORED_OPS
    checkpoint(
        lambda w: w.detach() + w, w, use_reentrant=False, context_fn=keep(log=log)
    ).sum().backward()
    assert log == ["add"]


@pytest.mark.wengert_only
def test_other_threads_are_not_watched():
    log, w = [], matrix()

    def f(w):
        thread = threading.Thread(target=lambda: w.detach() * 2)
        thread.start()
        thread.join()
        return w.exp()

    checkpoint(f, w, use_reentrant=False, context_fn=keep(log=log)).sum().backward()
    assert log == ["exp"]


@pytest.mark.wengert_only
def test_what_was_kept_dies_with_the_graph():
    w = matrix()
    kept = []

    def policy(ctx, op, *args):
        kept.append(weakref.ref(ctx.op_output._array))
        return SAVE

    def run():
        out = checkpoint(
            layer, w, use_reentrant=False, context_fn=functools.partial(contexts, policy)
        ).sum()
        assert all(r() is not None for r in kept)
        out.backward()

    gc.collect()
    gc.disable()
    try:
        run()
        assert [r for r in kept if r() is not None] == []
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.wengert_only
def test_every_kind_of_draw_is_made_again():
    def f(x):
        noise = torch.empty(64).uniform_() + torch.normal(torch.zeros(64), torch.ones(64))
        return (
            x * noise * torch.empty(64).bernoulli_(0.5) + torch.bernoulli(x.detach() / 2)
        ).sin() * torch.rand(64)

    x = torch.ones(64, requires_grad=True)
    torch.manual_seed(1)
    fn = functools.partial(contexts, lambda ctx, op, *args: op != "sin")
    checkpoint(f, x, use_reentrant=False, context_fn=fn).sum().backward()
    torch.manual_seed(1)
    assert torch.equal(x.grad, gradient(f, x))


def test_A_164_custom_functions_are_made_of_calls():
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            return 3 * g * ctx.saved_tensors[0] ** 2

    w, log = matrix(), []
    f = lambda w: Cube.apply(w.sin()).exp().tanh()
    checkpoint(
        f, w, use_reentrant=False, context_fn=keep("sin", "mul", "exp", log=log)
    ).sum().backward()
    assert log == ["sin", "mul", "mul", "exp", "tanh"]
    torch.testing.assert_close(w.grad, gradient(f, w))


@pytest.mark.wengert_only  # PyTorch's policies are asked about views
def test_views_are_always_made_again():
    log, w = [], matrix()

    def f(w):
        a = w * 1
        view = a.t()[0]
        view.mul_(3)
        return (a.exp() * view).tanh()

    def policy(ctx, op, *args):
        log.append(op)
        return op in ("exp", "tanh")

    fn = functools.partial(contexts, policy)
    checkpoint(f, w, use_reentrant=False, context_fn=fn).sum().backward()
    assert set(log) == {"mul", "exp", "tanh"}
    torch.testing.assert_close(w.grad, gradient(f, w))


@pytest.mark.wengert_only
def test_a_call_on_duals_is_one_call():
    def f(w):
        return (w * w.sin() * w).exp() * w

    fwd, w = torch.autograd.forward_ad, matrix()
    with fwd.dual_level():
        dual = fwd.make_dual(w, torch.ones_like(w))
        out = checkpoint(f, dual, use_reentrant=False, context_fn=keep("mul"))
        (g,) = torch.autograd.grad(fwd.unpack_dual(out).tangent.sum(), w)
        (want,) = torch.autograd.grad(fwd.unpack_dual(f(dual)).tangent.sum(), w)
    torch.testing.assert_close(g, want)


@pytest.mark.wengert_only
def test_a_graph_that_is_dropped_keeps_nothing():
    w = matrix()

    def run():
        return weakref.ref(checkpoint(layer, w, use_reentrant=False, context_fn=keep("mm", "exp")))

    run()
    gc.collect()
    gc.disable()
    try:
        assert run()() is None
        assert gc.collect() == 0
    finally:
        gc.enable()
