"""Leaves, the graph and the engine: rules M-20 to M-29 of the contract."""

from __future__ import annotations

import gc
import sys
import time
import weakref

import pytest
from against import chain, leaf, raises, torch

grad = torch.autograd.grad


def test_M_20_leaves():
    x = leaf(3)
    assert x.is_leaf
    assert torch.ones(3).is_leaf
    assert (torch.ones(3) * 2).is_leaf
    assert not (x * 2).is_leaf
    assert x.detach().is_leaf
    assert not x.double().is_leaf
    assert x.double().requires_grad
    with torch.no_grad():
        assert (x * 2).is_leaf
    assert leaf(3, dtype=torch.float64).is_leaf
    assert torch.ones(3).double().requires_grad_().is_leaf


NEVER = {
    "gt": lambda x: x > 0,
    "eq": lambda x: x.eq(x),
    "argmax": lambda x: x.argmax(),
    "argsort": lambda x: x.argsort(),
    "sort indices": lambda x: x.sort()[1],
    "max indices": lambda x: x.max(0)[1],
    "topk indices": lambda x: x.topk(2)[1],
    "long": lambda x: x.long(),
    "int": lambda x: x.int(),
    "bool": lambda x: x.bool(),
    "isnan": lambda x: x.isnan(),
    "isfinite": lambda x: x.isfinite(),
    "isclose": lambda x: x.isclose(x),
    "zeros_like": lambda x: torch.zeros_like(x),
    "rand_like": lambda x: torch.rand_like(x),
    "new_ones": lambda x: x.new_ones(2),
    "all": lambda x: x.all(),
    "any": lambda x: x.any(),
    "logical_not": lambda x: x.logical_not(),
    "nonzero": lambda x: x.nonzero(),
    "data": lambda x: x.data,
    "detach": lambda x: x.detach(),
}


@pytest.mark.parametrize("name", NEVER)
def test_M_21_results_that_never_require_grad(name):
    y = NEVER[name](torch.tensor([0.3, 1.7, -2.0], requires_grad=True))
    assert not y.requires_grad
    assert y.grad_fn is None


@pytest.mark.parametrize("name", ["round", "floor", "ceil", "trunc", "sign"])
def test_M_21_steps_have_zero_gradient(name):
    x = torch.tensor([0.3, 1.7, -2.0], requires_grad=True)
    y = getattr(torch, name)(x)
    assert type(y.grad_fn).__name__ == f"{name.capitalize()}Backward0"
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_M_21_floor_division_refuses_only_in_backward():
    x = torch.tensor([3.0, 5.0], requires_grad=True)
    y = x // 2
    assert y.tolist() == [1.0, 2.0]
    assert y.requires_grad
    with raises(RuntimeError, "derivative for", "floor_divide", "not implemented"):
        y.sum().backward()


def test_M_22_next_functions():
    x, c = leaf(3), torch.ones(3)
    y = x * c
    (first, number), second = y.grad_fn.next_functions
    assert second == (None, 0)
    assert number == 0
    assert type(first).__name__ == "AccumulateGrad"
    assert first.variable is x
    assert first.next_functions == ()


def test_M_22_one_accumulator_per_leaf():
    x = leaf(3)
    a, b = x * 2, x.exp()
    assert a.grad_fn.next_functions[0][0] is b.grad_fn.next_functions[0][0]
    (both,) = {id(node) for node, _ in (x * x).grad_fn.next_functions}
    assert both == id(a.grad_fn.next_functions[0][0])


def test_M_22_nodes_are_kept_and_equal_themselves():
    y = leaf(3) * 2
    assert y.grad_fn is y.grad_fn
    assert y.grad_fn == y.grad_fn
    assert isinstance(y.grad_fn, torch.autograd.graph.Node)
    assert y.grad_fn.name() == "MulBackward0"
    z = y + 1
    assert z.grad_fn.next_functions[0][0] is y.grad_fn


def test_M_22_accumulator_keeps_the_leaf_alive():
    x = leaf(3)
    y = x * 2
    number = id(x)
    del x
    assert id(y.grad_fn.next_functions[0][0].variable) == number
    y.sum().backward()
    assert y.grad_fn.next_functions[0][0].variable.grad.tolist() == [2.0, 2.0, 2.0]


def test_M_22_output_numbers():
    a, b = (leaf(4) * 2).split(2)
    assert a.grad_fn is b.grad_fn
    assert (a.output_nr, b.output_nr) == (0, 1)
    z = b * 3
    assert z.grad_fn.next_functions[0] == (b.grad_fn, 1)


def test_M_22_nodes_keep_metadata():
    y = leaf(3) * 2
    y.grad_fn.metadata["note"] = 7
    assert y.grad_fn.metadata == {"note": 7}


class Named(torch.autograd.Function):
    ran: list = []

    @staticmethod
    def forward(ctx, x, name):
        ctx.name = name
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        Named.ran.append(ctx.name)
        return g, None


def test_M_23_what_was_recorded_last_runs_first():
    Named.ran.clear()
    x = leaf(3)
    a = Named.apply(x, "a")
    b, c, d = Named.apply(a, "b"), Named.apply(a, "c"), Named.apply(a, "d")
    (c + b + d).sum().backward()
    assert Named.ran == ["d", "c", "b", "a"]


def test_M_23_a_leaf_accumulates_as_soon_as_its_gradient_is_ready():
    Named.ran.clear()
    x, y = leaf(3), leaf(3)
    y.register_hook(lambda g: Named.ran.append("leaf y"))
    early = Named.apply(x, "early")
    late = Named.apply(y, "late")
    (early + late).sum().backward()
    assert Named.ran == ["late", "leaf y", "early"]


def test_M_24_nodes_that_save_nothing_run_again():
    x = leaf(3)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    z = (x * 2).sum()
    z.backward()
    with raises(RuntimeError, "Trying to backward through the graph a second time"):
        z.backward()


def test_M_24_a_shared_part_is_spent_for_all():
    x = leaf(3)
    shared = x.exp()
    a, b = (shared * 2).sum(), (shared * 3).sum()
    a.backward()
    with raises(RuntimeError, "Trying to backward through the graph a second time"):
        b.backward()


def test_M_25_intermediates_die_by_reference_count():
    gc.disable()
    try:
        x = leaf(3)
        y = x + 1
        alive = weakref.ref(y)
        z = (y + 1).sum()
        del y
        assert alive() is None
        z.backward()
    finally:
        gc.enable()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_M_25_a_dropped_graph_frees_its_leaves():
    gc.disable()
    try:
        x = leaf(3)
        alive = weakref.ref(x)
        y = (x * x).exp().sum()
        del x
        del y
        assert alive() is None
    finally:
        gc.enable()


def test_M_26_retain_graph_defaults_to_create_graph():
    x = torch.tensor(2.0, requires_grad=True)
    y = x**3
    (g,) = grad(y, x, create_graph=True)
    assert grad(y, x)[0].item() == 12.0
    assert grad(g, x)[0].item() == 12.0


def test_M_26_create_graph_with_retain_graph_off():
    x = torch.tensor(2.0, requires_grad=True)
    y = x**3
    (g,) = grad(y, x, create_graph=True, retain_graph=False)
    assert g.item() == 12.0
    with raises(RuntimeError, "Trying to backward through the graph a second time"):
        grad(y, x)


def test_M_27_backward_inside_no_grad():
    x = leaf(3)
    y = (x * x).sum()
    with torch.no_grad():
        y.backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_M_27_backward_of_a_leaf():
    x = torch.tensor(3.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1.0
    assert grad(x, x)[0].item() == 1.0


def test_M_28_several_roots():
    x = leaf(2)
    torch.autograd.backward([(x * 2).sum(), x * 3], [None, torch.tensor([1.0, 10.0])])
    assert x.grad.tolist() == [5.0, 32.0]
    a, b = (x * 2).sum(), (x * x).sum()
    assert grad([a, b], [x])[0].tolist() == [4.0, 4.0]
    c = (x * 2).sum()
    assert grad([c, c], x)[0].tolist() == [4.0, 4.0]


def test_M_28_single_elements_are_scalars():
    x = leaf(1, 1)
    (x * 2).backward()
    assert x.grad.tolist() == [[2.0]]
    z = torch.tensor(1 + 1j, requires_grad=True)
    with raises(RuntimeError, "grad can be implicitly created only for real scalar outputs"):
        (z * 2).backward()


def test_M_28_results_come_in_the_order_asked():
    x, y = leaf(1), leaf(1)
    z = 2 * x + 3 * y
    assert [g.item() for g in grad(z, [y, x])] == [3.0, 2.0]
    z = 2 * x
    assert grad(z, [y, x], allow_unused=True)[0] is None
    z = 2 * x
    zeros, twos = grad(z, [y, x], materialize_grads=True)
    assert (zeros.tolist(), twos.tolist()) == ([0.0], [2.0])
    z = x * 5
    assert {k: g.item() for k, g in grad(z, {"x": x}).items()} == {"x": 5.0}


def test_M_28_gradient_with_respect_to_results():
    x = leaf(2)
    y = x * 3
    z = (y * y).sum()
    gx, gy = grad(z, [x, y])
    assert gy.tolist() == [6.0, 6.0]
    assert gx.tolist() == [18.0, 18.0]
    assert x.grad is None


def test_M_28_grad_touches_no_other_leaf():
    x, y = leaf(2), leaf(2)
    grad((x * y).sum(), x)
    assert x.grad is None
    assert y.grad is None


@pytest.mark.parametrize("nodes", [100_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_M_29_deep_chains(nodes):
    x = leaf(1)
    y = x
    for _ in range(nodes):
        y = y + 1
    assert nodes > 10 * sys.getrecursionlimit()
    y.sum().backward()
    assert x.grad.tolist() == [1.0]
    del y


def test_M_29_a_deep_chain_is_freed_without_being_run():
    x = leaf(1)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    del y
    assert x.grad is None


def test_M_29_deep_chains_of_writes():
    x = leaf(1)
    y = x * 1
    for _ in range(20_000):
        y.add_(1.0)
    y.sum().backward()
    assert x.grad.tolist() == [1.0]


def test_M_29_second_derivative_of_a_long_chain():
    x = torch.tensor(1.0, requires_grad=True, dtype=torch.float64)
    y = x
    for _ in range(5_000):
        y = y * 1.0001
    (g,) = grad(y * y, x, create_graph=True)
    (h,) = grad(g, x)
    assert h.item() == pytest.approx(2 * 1.0001**10_000)


def test_M_29_time_is_linear_in_the_number_of_paths_shared():
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):  # 2**60 paths, 120 nodes
        y = (y + y) * 0.5
    start = time.perf_counter()
    y.backward()
    assert time.perf_counter() - start < 5
    assert x.grad.item() == 1.0


def test_chain_names_of_a_small_graph():
    x = leaf(3)
    assert (
        chain(((x * 2).exp() + 1).sum().grad_fn)
        == "SumBackward0(AddBackward0(ExpBackward0(MulBackward0)))"
    )
