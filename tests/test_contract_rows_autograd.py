"""Rows of contract sections 2.1, 2.4, 2.5 and 2.7: torch.autograd, graph and the switches.

One test per row at least; the details have files of their own (test_mechanics_*.py,
test_saved_tensor_hooks.py, test_anomaly.py, test_function.py).
"""

from __future__ import annotations

import importlib
import threading
import types

import pytest
from against import NAME, REAL, collected_warnings, leaf, raises, torch

autograd, graph = torch.autograd, torch.autograd.graph


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


# ------------------------------------------------------------------- backward and grad
def test_A_001_backward_sums_over_roots_and_into_leaves():
    x = doubles(1.0, 2.0)
    autograd.backward([x.sum(), x * 2], [None, torch.ones_like(x)])
    assert x.grad.tolist() == [3.0, 3.0]
    assert autograd.backward((x * x).sum()) is None
    assert x.grad.tolist() == [5.0, 7.0]


def test_A_001_inputs_may_be_a_dict_or_inside_the_graph():
    x = doubles(1.0, 2.0)
    y = x * 2
    autograd.backward((y * y).sum(), inputs={"y": y})
    assert (x.grad, y.grad.tolist()) == (None, [4.0, 8.0])


def test_A_001_retain_graph_follows_create_graph():
    x = doubles(1.0)
    y = (x * x * x).sum()
    with pytest.warns(UserWarning, match="Using backward.. with create_graph=True will create a"):
        y.backward(create_graph=True)
    y.backward()  # still there
    x.grad = None
    with raises(RuntimeError, "Trying to backward through the graph a second time"):
        y.backward()


def test_A_001_edges_are_roots():
    x = doubles(1.0, 2.0)
    edge = graph.get_gradient_edge(x * 3)
    autograd.backward(edge, torch.ones(2, dtype=torch.float64))
    assert x.grad.tolist() == [3.0, 3.0]


def test_A_001_grad_variables_is_deprecated():
    x = doubles(1.0)
    with pytest.warns(FutureWarning, match="`grad_variables` is deprecated"):
        autograd.backward(x * 2, grad_variables=torch.ones(1, dtype=torch.float64))
    assert x.grad.item() == 2.0


def test_A_002_grad():
    x, y = doubles(1.0), doubles(2.0)
    got = autograd.grad(x * y, (x, y))
    assert isinstance(got, tuple)
    assert [g.item() for g in got] == [2.0, 1.0]
    assert (x.grad, y.grad) == (None, None)
    assert {k: g.item() for k, g in autograd.grad(x * y, {"a": x, "b": y}).items()} == {
        "a": 2,
        "b": 1,
    }


def test_A_002_unused_inputs():
    x, y = doubles(1.0), doubles(2.0)
    with raises(RuntimeError, "The differentiated Tensor at index 1 appears to not have been used"):
        autograd.grad(x * 2, (x, y))
    assert autograd.grad(x * 2, (x, y), allow_unused=True)[1] is None
    assert autograd.grad(x * 2, (x, y), materialize_grads=True)[1].tolist() == [0.0]
    with raises(
        ValueError, "Expected allow_unused to be True or not passed when materialize_grads="
    ):
        autograd.grad(x * 2, x, materialize_grads=True, allow_unused=False)
    with pytest.warns(FutureWarning, match="only_inputs argument is deprecated"):
        autograd.grad(x * 2, x, only_inputs=False)


def test_A_002_batched():
    x = doubles(1.0, 2.0)
    (g,) = autograd.grad(
        x * x, x, torch.eye(2, dtype=torch.float64), is_grads_batched=True, retain_graph=True
    )
    assert g.tolist() == [[2.0, 0.0], [0.0, 4.0]]


def test_A_003_function_is_the_base_of_custom_ops():
    class Double(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = doubles(1.0)
    Double.apply(x).backward()
    assert x.grad.item() == 2.0


# ------------------------------------------------------------------- switches
def test_A_004_no_grad():
    x = leaf(2)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        assert torch.ones(2, requires_grad=True).requires_grad  # factories do as they are told
    assert not torch.no_grad()(lambda: x * 2)().requires_grad

    @torch.no_grad()
    def steps():
        yield x * 2
        yield x * 3

    assert [t.requires_grad for t in steps()] == [False, False]
    assert torch.is_grad_enabled()


def test_A_005_enable_grad():
    x = leaf(2)
    with torch.no_grad(), torch.enable_grad():
        assert (x * 2).requires_grad
    with torch.no_grad():
        assert torch.enable_grad(lambda: x * 2)().requires_grad


def test_A_006_set_grad_enabled():
    x = leaf(2)
    switch = torch.set_grad_enabled(False)
    try:
        assert not (x * 2).requires_grad  # at once
        assert repr(switch) == "torch.autograd.grad_mode.set_grad_enabled(mode=False)"
    finally:
        torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    f = torch.set_grad_enabled(False)(lambda: torch.is_grad_enabled())
    assert torch.is_grad_enabled()  # decorating changes nothing
    assert f() is False


def test_A_007_inference_mode():
    x = leaf(2)
    with torch.inference_mode():
        y = x * 2
        assert (y.requires_grad, y.is_inference()) == (False, True)
    with torch.inference_mode(False):
        assert (x * 2).requires_grad
    assert torch.inference_mode(lambda: x * 2)().is_inference()
    with raises(RuntimeError, "Inference tensors cannot be saved for backward."):
        x * y


def test_A_012_multithreading_is_a_switch():
    assert autograd.is_multithreading_enabled()
    with autograd.set_multithreading_enabled(False):
        assert not autograd.is_multithreading_enabled()
        x = leaf(2)
        (x * 2).sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
    assert autograd.is_multithreading_enabled()
    switched_off = autograd.set_multithreading_enabled(False)(autograd.is_multithreading_enabled)
    assert switched_off() is False
    autograd.set_multithreading_enabled(True)


def strides_of_grad(enable):
    p = torch.ones(2, 3, 4).permute(2, 0, 1).requires_grad_()
    with autograd.enforce_grad_layout_policy(enable):
        (p * 2).backward(torch.ones(4, 2, 3))
    return p.stride(), p.grad.stride()


def test_A_013_the_layout_of_gradients():
    assert strides_of_grad(True) == ((1, 12, 4), (1, 12, 4))
    assert strides_of_grad(False) == ((1, 12, 4), (6, 3, 1))
    seen = []
    switch = autograd.enforce_grad_layout_policy(False)
    try:
        thread = threading.Thread(target=lambda: seen.append(strides_of_grad_now()))
        thread.start()
        thread.join()
        seen.append(strides_of_grad_now())
    finally:
        switch.__exit__(None, None, None)
    assert seen == [(1, 12, 4), (6, 3, 1)]
    assert autograd.enforce_grad_layout_policy(False)(strides_of_grad_now)() == (6, 3, 1)
    assert strides_of_grad_now() == (1, 12, 4)


def strides_of_grad_now():
    p = torch.ones(2, 3, 4).permute(2, 0, 1).requires_grad_()
    (p * 2).backward(torch.ones(4, 2, 3))
    return p.grad.stride()


# ------------------------------------------------------------------- names
def test_A_014_variable_is_tensor():
    v = autograd.Variable(torch.ones(2), requires_grad=True)
    assert type(v) is torch.Tensor
    assert v.requires_grad
    assert isinstance(torch.ones(2), autograd.Variable)
    assert not isinstance(2, autograd.Variable)


def test_A_015_variable_in_lower_case_is_refused():
    with raises(RuntimeError, "torch.autograd.variable(...) is deprecated, use torch.tensor(...)"):
        autograd.variable(1)


def test_A_016_nested_io_function():
    class Sums(autograd.function.NestedIOFunction):
        def forward_extended(self, nested):
            a, (b, c) = nested
            self.n = 3
            return a + b, [a + c]

        def backward_extended(self, g, rest):
            return g + rest[0], (g, rest[0])

    assert issubclass(Sums, autograd.Function)
    assert issubclass(autograd.NestedIOFunction, autograd.Function)


def test_A_017_the_module_of_switches():
    m = autograd.grad_mode
    assert m.no_grad is torch.no_grad
    assert m.set_grad_enabled is torch.set_grad_enabled


def test_A_018_queries():
    assert autograd.is_multithreading_enabled() is True
    assert autograd.is_view_replay_enabled() in (True, False)


def test_A_019_what_pytorch_exports_from_c():
    x = doubles(2.0)
    saved = (x * x).grad_fn._raw_saved_self
    assert isinstance(saved, autograd.SavedTensor)
    assert autograd.kineto_available() in (True, False)
    assert autograd.ProfilerActivity.CPU.name == "CPU"
    assert autograd.ProfilerState.Disabled.name == "Disabled"
    assert autograd.DeviceType.CPU.name == "CPU"
    assert {autograd.ProfilerConfig, autograd.ProfilerEvent}


@pytest.mark.parametrize(
    "name",
    "functional forward_ad graph grad_mode profiler profiler_util profiler_legacy anomaly_mode "
    "gradcheck function variable".split(),
)
def test_A_020_submodules(name):
    module = importlib.import_module(f"{NAME}.autograd.{name}")
    assert isinstance(module, types.ModuleType)
    assert hasattr(autograd, name)


# ------------------------------------------------------------------- nodes and edges
def test_A_050_nodes():
    x = doubles(1.0, 2.0)
    y = (x * x).sum()
    n = y.grad_fn
    assert isinstance(n, graph.Node)
    assert n.name() == "SumBackward0"
    ((mul, k),) = n.next_functions
    assert (mul.name(), k) == ("MulBackward0", 0)
    mul.metadata["mine"] = 1
    assert n.next_functions[0][0].metadata == {"mine": 1}
    assert n._sequence_nr() > mul._sequence_nr()
    assert mul._saved_self.tolist() == [1.0, 2.0]
    assert n(torch.tensor(2.0, dtype=torch.float64)).tolist() == [2.0, 2.0]
    seen = []
    n.register_prehook(lambda g: seen.append(("pre", [t.item() for t in g])))
    n.register_hook(lambda gi, go: seen.append(("post", gi[0].tolist(), go[0].item())))
    y.backward()
    assert seen == [("pre", [1.0]), ("post", [1.0, 1.0], 1.0)]


def test_A_051_saved_tensor_hooks():
    packed = []

    def pack(t):
        packed.append(t.tolist())
        return packed[-1]

    x, y = doubles(2.0), doubles(3.0)
    with graph.saved_tensors_hooks(pack, lambda v: torch.tensor(v, dtype=torch.float64)):
        z = x * y
    assert sorted(packed) == [[2.0], [3.0]]
    z.backward()
    assert (x.grad.item(), y.grad.item()) == (3.0, 2.0)


def test_A_052_save_on_cpu():
    x = doubles(2.0)
    with graph.save_on_cpu():
        y = x * x
    y.backward()
    assert x.grad.item() == 4.0


def test_A_053_saved_tensor_hooks_can_be_forbidden():
    with graph.disable_saved_tensors_hooks("not here"):
        with raises(RuntimeError, "not here"):
            with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
                pass


def test_A_054_hooks_on_several_tensors():
    x, y = doubles(1.0), doubles(2.0)
    seen = []
    h = graph.register_multi_grad_hook((x, y), lambda g: seen.append([t.item() for t in g]))
    graph.register_multi_grad_hook((x, y), lambda g: seen.append(g.item()), mode="any")
    (x * y).backward()
    assert seen in ([2.0, [2.0, 1.0]], [1.0, [2.0, 1.0]])
    h.remove()
    seen.clear()
    (x * y).backward()
    assert len(seen) == 1


def test_A_055_mutation_of_saved_tensors():
    x = doubles(2.0)
    with graph.allow_mutation_on_saved_tensors():
        y = x.clone()
        z = y * y
        y.mul_(10)
        z.backward()
    assert x.grad.item() == 4.0


def test_A_056_gradient_edges():
    x = doubles(1.0, 2.0)
    y = x * 3
    edge = graph.GradientEdge(y.grad_fn, 0)
    assert edge[:2] == (y.grad_fn, 0)
    (g,) = autograd.grad((y * y).sum(), edge)
    assert g.tolist() == [6.0, 12.0]


def test_A_057_the_edge_of_a_tensor():
    x = doubles(1.0)
    node, number = graph.get_gradient_edge(x)[:2]
    assert (type(node).__name__, number) == ("AccumulateGrad", 0)
    _, last = torch.ones(2, requires_grad=True).unbind()
    assert graph.get_gradient_edge(last).output_nr == 1
    with raises(
        RuntimeError, "It is not possible to get the gradient edge for a Tensor that does not"
    ):
        graph.get_gradient_edge(torch.ones(1))


def test_A_058_increment_version():
    x, y = torch.ones(1), torch.ones(1)
    graph.increment_version(x)
    graph.increment_version([x, y])
    assert (x._version, y._version) == (2, 1)


def test_A_059_streams_have_switches_without_effect():
    for name in (
        "set_warn_on_accumulate_grad_stream_mismatch",
        "set_override_stale_capture_stream",
    ):
        assert getattr(graph, name)(False) is None


def test_A_060_memory_budgets_are_for_compiled_programs():
    with raises(
        RuntimeError, "region_activation_memory_budget can only be used inside a torch.compile"
    ):
        with graph.region_activation_memory_budget(0.5):
            pass
    with raises(ValueError, "must be in [0, 1], got 2"):
        with graph.region_activation_memory_budget(2):
            pass


# ------------------------------------------------------------------- modes at the top level
def test_A_070_switches_are_exported_twice():
    for name in ("no_grad", "enable_grad", "set_grad_enabled", "inference_mode"):
        assert getattr(torch, name) is getattr(autograd.grad_mode, name)
    for name in ("set_multithreading_enabled", "enforce_grad_layout_policy"):
        assert getattr(autograd, name) is getattr(autograd.grad_mode, name)


def test_A_071_queries():
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        t = torch.ones(1)
    assert torch.is_inference(t)
    assert not torch.is_inference(torch.ones(1))


def test_A_073_determinism():
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.get_deterministic_debug_mode() == 1
    torch.set_deterministic_debug_mode("error")
    assert torch.get_deterministic_debug_mode() == 2
    torch.use_deterministic_algorithms(False)
    assert not torch.are_deterministic_algorithms_enabled()


def test_A_074_writes_can_be_hidden():
    preserve = autograd.grad_mode._unsafe_preserve_version_counter
    a = doubles(1.0)
    b = a * 2
    c = b * b
    with preserve(b):
        b.detach().mul_(2)
    assert b._version == 0
    c.backward()
    assert a.grad.item() == 16.0  # from the values that are there now
    with preserve((a.detach(), b)):
        b.detach().mul_(2)
    assert b._version == 0
    c = b.detach().requires_grad_() * b
    b.detach().mul_(2)
    with raises(RuntimeError, "has been modified by an inplace operation"):
        c.backward()
    with pytest.raises(AssertionError, match="Expected tensors to be a tuple"):
        preserve([b])


def test_A_074_view_replay_can_be_asked_for():
    x = leaf(4)
    with autograd.grad_mode._force_original_view_tracking(True):
        y = x * 1
        v = y[:2]
        y.mul_(2)
    v.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 0.0, 0.0]


def test_A_008_A_009_anomaly_detection_warns_when_entered():
    with collected_warnings() as caught:
        with autograd.detect_anomaly():
            assert torch.is_anomaly_enabled()
        with autograd.set_detect_anomaly(True):
            pass
    assert len(caught) == 1
    assert "Anomaly Detection has been enabled." in str(caught[0].message)
    assert REAL or not torch.is_anomaly_enabled()


def test_A_010_A_011_the_checkers_are_here():
    x = doubles(1.0, 2.0)
    assert autograd.gradcheck(lambda x: x**3, (x,)) is True
    assert autograd.gradgradcheck(lambda x: x**3, (x,)) is True


def test_A_011_gradgradcheck():
    cut = lambda x: (x.detach() * x * x).sum()
    with pytest.raises(RuntimeError):
        autograd.gradgradcheck(cut, (doubles(1.0),))
