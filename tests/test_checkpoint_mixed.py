"""Checkpoints together with modules, hooks, anomaly detection, the profiler and other modes."""

from __future__ import annotations

import importlib

import pytest
from against import NAME, collected_warnings, raises, torch

checkpoint = importlib.import_module(f"{NAME}.utils.checkpoint").checkpoint
nn = torch.nn


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def region(f, *args, **kwargs):
    return checkpoint(f, *args, use_reentrant=False, **kwargs)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)

    def forward(self, x, mask=None):
        return (self.norm(self.linear(x)) * mask).relu()


def test_a_module_with_buffers_runs_twice():
    torch.manual_seed(0)
    block, x, mask = Block(), torch.randn(4, 3), torch.ones(3)
    block(x, mask).sum().backward()
    want = [p.grad.clone() for p in block.parameters()]
    block.zero_grad()
    region(block, x, mask=mask).sum().backward()
    for p, g in zip(block.parameters(), want, strict=True):
        torch.testing.assert_close(p.grad, g)
    assert block.norm.num_batches_tracked == 3  # the statistics are taken in again, as in PyTorch


def test_hooks_of_modules_and_tensors_inside():
    seen = []

    def f(x):
        y = x.exp()
        y.register_hook(lambda g: g * 10)
        y.retain_grad()
        seen.append(y)
        return y.sin()

    x = leaf(0.3, 0.7)
    region(f, x).sum().backward()
    torch.testing.assert_close(x.grad, 10 * x.exp().cos() * x.exp() * torch.ones_like(x))
    torch.testing.assert_close(seen[0].grad, 10 * x.exp().cos())
    linear = nn.Linear(2, 2).double()
    linear.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    x.grad = None
    region(linear, x).sum().backward()
    torch.testing.assert_close(x.grad, 2 * linear.weight.sum(0))


def test_gradients_with_respect_to_what_is_inside():
    inside = []

    def f(x):
        inside.append(x.exp())
        return inside[-1].sin()

    x = leaf(0.3, 0.7)
    out = region(f, x).sum()
    (g,) = torch.autograd.grad(out, inside[0])
    torch.testing.assert_close(g, inside[0].cos())


def test_results_that_are_inputs_views_or_nothing():
    x = leaf(1.0, 2.0, 3.0)
    same, view, nothing, (double,) = region(lambda x: (x, x[:2], None, [x * 2]), x)
    assert same is x
    assert nothing is None
    (same.sum() + view.sum() + double.sum()).backward()
    assert x.grad.tolist() == [4.0, 4.0, 3.0]


def test_saved_values_can_be_looked_at():
    x = leaf(1.0, 2.0)
    y = region(lambda x: x.exp().sin(), x)
    for _ in range(2):
        torch.testing.assert_close(y.grad_fn._saved_self, x.exp())
    (g,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(g, x.exp().cos() * x.exp())


def test_shared_weights_in_several_regions():
    x, w = leaf(0.3, 0.7), leaf(1.5, 0.5)

    def chain(call):
        y = x.detach()
        for _ in range(4):
            y = call(lambda y, w: (y * w).tanh(), y, w)
        return y.sum()

    (want,) = torch.autograd.grad(chain(lambda f, *a: f(*a)), w)
    (got,) = torch.autograd.grad(chain(region), w)
    torch.testing.assert_close(got, want)


def test_anomalies_inside():
    x = torch.zeros(2, requires_grad=True)
    with torch.autograd.set_detect_anomaly(True):
        out = region(lambda x: (x.sqrt() * 0).sum(), x)
        with raises(
            RuntimeError, "Function 'SqrtBackward0' returned nan values in its 0th output."
        ):
            with collected_warnings():  # of the traceback
                out.backward()


def test_the_profiler_sees_both_runs():
    x = torch.ones(3, requires_grad=True)
    with torch.autograd.profiler.profile() as prof:
        region(lambda x: (x.sin() * x).exp().sum(), x).backward()
    names = [e.name for e in prof.function_events]
    assert (names.count("aten::sin"), names.count("aten::exp")) == (2, 2)
    assert names.count("SinBackward0") == 1


def test_other_modes():
    x = leaf(1.0, 2.0)
    with torch.inference_mode():
        assert region(torch.exp, x).is_inference()
    with torch.autograd.graph.save_on_cpu():
        y = region(torch.exp, x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, x.exp())
    with torch.autograd.graph.disable_saved_tensors_hooks("not now"):
        with raises(RuntimeError, "not now"):
            region(torch.exp, x)
    with torch.no_grad():
        y = x * 2
    assert not region(torch.exp, y).requires_grad


def test_a_module_under_a_policy_of_its_own():
    C = importlib.import_module(f"{NAME}.utils.checkpoint")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 3), nn.Dropout(0.5))
    x, kept = torch.randn(5, 3), []

    def policy(ctx, op, *args, **kwargs):
        keep = "addmm" in str(op)
        kept.append(keep)
        return C.CheckpointPolicy.MUST_SAVE if keep else C.CheckpointPolicy.PREFER_RECOMPUTE

    def gradients(call):
        model.zero_grad()
        torch.manual_seed(1)
        call().sum().backward()
        return [p.grad.clone() for p in model.parameters()]

    want = gradients(lambda: model(x))
    got = gradients(
        lambda: region(model, x, context_fn=lambda: C.create_selective_checkpoint_contexts(policy))
    )
    assert sum(kept) == 2
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.wengert_only
def test_only_what_is_still_needed_is_recomputed_and_kept():
    from wengert.autograd import backward_run

    left = []

    def f(x):
        return x.exp(), x.sin()

    x = leaf(0.3, 0.7)
    a, b = region(f, x, early_stop=False)
    a.sum().backward()
    x.register_hook(lambda g: left.extend(backward_run.current().notes.values()))
    b.sum().backward()
    assert left == [{}]  # the value for `a` was not kept once more


@pytest.mark.wengert_only
def test_a_group_keeps_nothing_when_it_ends():
    C = importlib.import_module(f"{NAME}.utils.checkpoint")
    x, group = leaf(0.3, 0.7), C.GraphExecGroup()
    a, _ = region(lambda x: (x.exp(), x.sin()), x)
    with group:
        a.sum().backward(retain_graph=True)
        assert [len(values) for values in group.notes.values()] == [1]
    assert group.notes == {}
