"""Seed features S-120 to S-145: the profiler, the functional API, seeding, determinism, devices."""

from __future__ import annotations

import json
import random
import re

import numpy as np
import pytest
from against import printed, raises, torch

jacobian = torch.autograd.functional.jacobian

B_13 = """\
(tensor([[2.1850, 0.0000, 0.0000],
        [0.0000, 2.2823, 0.0000],
        [0.0000, 0.0000, 2.7198]]), tensor([[3., 0., 0.],
        [0., 3., 0.],
        [0., 0., 3.]]))
"""
# Times are measured, so of B-12 the layout is exact and the numbers are any numbers.
RULE = "-------------  ------------  ------------  ------------  ------------  ------------  ------------  "
HEADER = "         Name    Self CPU %      Self CPU   CPU total %     CPU total  CPU time avg    # of Calls  "
CELLS = [r"aten::(mul|div)", r"\d+\.\d\d%", "TIME", r"\d+\.\d\d%", "TIME", "TIME", "1000"]


def is_row(line: str) -> bool:
    """Whether a line is a row of B-12: every cell right-aligned in its column, and of its kind."""
    patterns = [cell.replace("TIME", r"\d+\.\d{3}(us|ms|s)") for cell in CELLS]
    ends = [match.end() for match in re.finditer(r"-+  ", RULE)]
    starts = [0, *ends[:-1]]
    cells = [line[start:end] for start, end in zip(starts, ends, strict=True)]
    return len(line) == len(RULE) and all(
        re.fullmatch(rf" *{pattern}  ", cell) for pattern, cell in zip(patterns, cells, strict=True)
    )


def profiled(**options):
    x = torch.randn(2, 3, requires_grad=True)
    y = torch.rand(2, 3, requires_grad=True)
    z = torch.ones(2, 3, requires_grad=True)
    with torch.autograd.profiler.profile(**options) as prf:
        for _ in range(1000):
            z = (z / x) * y
    return prf


def test_S_120_devices():
    assert printed(torch.device("cpu")) == "cpu\n"
    assert repr(torch.device("cuda")) == "device(type='cuda')"
    assert repr(torch.device("cuda:1")) == "device(type='cuda', index=1)"
    assert repr(torch.device("cpu")) == "device(type='cpu')"
    assert torch.device("cpu") == torch.device("cpu")
    assert torch.ones(2).device == torch.device("cpu")
    assert isinstance(torch.cuda.is_available(), bool)


def test_S_121_profile_without_a_gpu_is_silent():
    assert profiled(use_cuda=False).self_cpu_time_total > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is present")
def test_S_121_profile_with_use_cuda_and_no_gpu_warns():
    with (
        pytest.warns(UserWarning, match="CUDA is not available, disabling CUDA profiling"),
        pytest.warns(FutureWarning, match="The attribute `use_cuda` will be deprecated soon"),
    ):
        profiled(use_cuda=True)


def test_S_122_table_of_averages():
    table = profiled(use_cuda=False).key_averages().table(sort_by="self_cpu_time_total")
    lines = table.split("\n")
    assert lines[:3] == [RULE, HEADER, RULE]
    assert all(is_row(line) for line in lines[3:5]), table
    assert {line.split()[0] for line in lines[3:5]} == {"aten::mul", "aten::div"}
    assert lines[5] == RULE
    assert re.fullmatch(r"Self CPU time total: \d+\.\d{3}(us|ms|s)", lines[6])
    assert lines[7:] == [""]


def test_S_123_record_function_labels_a_block():
    x = torch.ones(3, requires_grad=True)

    @torch.autograd.profiler.record_function("decorated")
    def twice(t):
        return t * 2

    with torch.autograd.profiler.profile() as prf:
        with torch.autograd.profiler.record_function("my block"):
            x.exp().sum()
        twice(x)
    rows = {entry.key: entry for entry in prf.key_averages()}
    assert rows["my block"].count == 1
    assert rows["decorated"].count == 1
    assert rows["aten::exp"].count == 1
    assert rows["my block"].cpu_time_total >= rows["aten::exp"].cpu_time_total
    assert "my block" in prf.key_averages().table(sort_by="cpu_time_total", row_limit=10)


def test_S_124_averages_by_input_shape():
    prf = profiled(record_shapes=True)
    averages = prf.key_averages(group_by_input_shape=True)
    table = averages.table(sort_by="self_cpu_time_total")
    header = table.splitlines()[1]
    assert header.rstrip().endswith("Input Shapes")
    assert table.count("[[2, 3], [2, 3]]") == 2
    assert {e.key: e.input_shapes for e in averages} == {
        "aten::mul": [[2, 3], [2, 3]],
        "aten::div": [[2, 3], [2, 3]],
    }


def test_S_125_chrome_trace(tmp_path):
    x = torch.ones(3, requires_grad=True)
    with torch.autograd.profiler.profile() as prf, torch.autograd.profiler.record_function("label"):
        x.exp().sum().backward()
    path = tmp_path / "trace.json"
    prf.export_chrome_trace(str(path))
    events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    complete = [e for e in events if e.get("ph") == "X"]
    assert {"aten::exp", "aten::sum", "label"} <= {e["name"] for e in complete}
    assert all({"ts", "dur", "pid", "tid"} <= e.keys() for e in complete)
    categories = {e.get("cat") for e in events}
    assert {"cpu_op", "user_annotation", "fwdbwd"} <= categories
    arrows = [e["ph"] for e in events if e.get("cat") == "fwdbwd"]
    assert arrows.count("s") == arrows.count("f") > 0


def exp_adder(x, y):
    return 2 * x.exp() + 3 * y


def do_some_doubling(x):
    y = x * 2
    while y.data.norm() < 1000:
        y = y * 2
    return y


def cubic(x):
    return x.pow(3).sum()


def test_S_130_jacobian_of_two_scalars():
    torch.manual_seed(0)
    inputs = (torch.rand(1), torch.rand(1))
    assert printed(jacobian(exp_adder, inputs)) == "(tensor([[3.2851]]), tensor([[3.]]))\n"
    assert torch.allclose(jacobian(exp_adder, inputs)[0], 2 * inputs[0].exp())


def test_S_131_jacobian_of_two_vectors():
    torch.manual_seed(0)
    torch.rand(1), torch.rand(1)
    inputs = (torch.rand(3), torch.rand(3))
    assert printed(jacobian(exp_adder, inputs)) == B_13


def test_S_132_hessian():
    h = torch.autograd.functional.hessian(cubic, torch.tensor([1.0, 2.0, 3.0]))
    assert torch.equal(h, torch.diag(torch.tensor([6.0, 12.0, 18.0])))


def test_S_133_vjp():
    torch.manual_seed(0)
    inputs = torch.randn(3)
    my_gradients = torch.tensor([0.1, 1.0, 0.0001])
    pair = torch.autograd.functional.vjp(do_some_doubling, inputs, v=my_gradients)
    assert printed(pair) == (
        "(tensor([  788.9900,  -150.2356, -1115.5402]), "
        "tensor([5.1200e+01, 5.1200e+02, 5.1200e-02]))\n"
    )


def test_S_134_jvp():
    torch.manual_seed(0)
    inputs = torch.randn(3)
    my_gradients = torch.tensor([0.1, 1.0, 0.0001])
    pair = torch.autograd.functional.jvp(do_some_doubling, inputs, v=my_gradients)
    assert printed(pair) == (
        "(tensor([  788.9900,  -150.2356, -1115.5402]), "
        "tensor([5.1200e+01, 5.1200e+02, 5.1200e-02]))\n"
    )


@pytest.mark.parametrize("name", ["vhp", "hvp"])
def test_S_135_vector_hessian_products(name):
    product = getattr(torch.autograd.functional, name)
    pair = product(cubic, torch.tensor([1.0, 2.0, 3.0]), torch.ones(3))
    assert printed(pair) == "(tensor(36.), tensor([ 6., 12., 18.]))\n"


def test_S_140_manual_seed_returns_the_generator():
    generator = torch.manual_seed(7)
    assert isinstance(generator, torch.Generator)
    assert generator.initial_seed() == 7 == torch.initial_seed()
    assert generator is torch.default_generator


def test_S_141_seeding_cuda_does_nothing_without_one():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    assert torch.cuda.manual_seed(1) is None
    assert torch.cuda.manual_seed_all(1) is None
    assert torch.equal(torch.rand(3), expected)


def test_S_142_deterministic_algorithms():
    try:
        torch.use_deterministic_algorithms(True)
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        torch.use_deterministic_algorithms(True, warn_only=True)
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert not torch.are_deterministic_algorithms_enabled()


def test_S_142_calls_without_a_deterministic_version_refuse():
    index, source = torch.tensor([0, 0]), torch.ones(2)
    try:
        torch.use_deterministic_algorithms(True)
        with raises(
            RuntimeError, "put_ does not have a deterministic implementation", "warn_only=True"
        ):
            torch.zeros(3).put_(index, source)
        torch.use_deterministic_algorithms(True, warn_only=True)
        with pytest.warns(UserWarning, match="put_ does not have a deterministic implementation"):
            torch.zeros(3).put_(index, source)
    finally:
        torch.use_deterministic_algorithms(False)


def test_S_143_generators_are_independent():
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    np.random.seed(5)
    random.seed(5)
    numpy_first, python_first = np.random.rand(), random.random()
    assert torch.equal(torch.rand(2), expected)
    np.random.seed(5)
    random.seed(5)
    torch.rand(100)
    assert np.random.rand() == numpy_first
    assert random.random() == python_first


def test_S_144_reseeding_reproduces_the_published_numbers():
    published = [
        [1.5410, -0.2934, -2.1788],
        [0.5684, -1.0845, -1.3986],
        [0.4033, 0.8380, -0.7193],
        [-0.4033, -0.5966, 0.1820],
        [-0.8567, 1.1006, -1.0712],
    ]
    for _ in range(2):
        torch.manual_seed(0)
        w, b = torch.randn(5, 3), torch.randn(3)
        assert np.abs(w.numpy() - published).max() < 5.1e-5
        assert np.abs(b.numpy() - [0.1227, -0.5663, 0.3731]).max() < 5.1e-5


def test_S_144_the_stream_to_the_bit():
    torch.manual_seed(0)
    w = torch.randn(5, 3)
    bits = [f"{v:08x}" for v in w.numpy().view(np.uint32).ravel().tolist()]
    assert bits[:6] == ["3fc53f5c", "be963c50", "c00b7149", "3f1184b6", "bf8ad1a1", "bfb3052d"]


@pytest.mark.parametrize(
    "path",
    [
        "nn.functional.binary_cross_entropy_with_logits",
        "nn.Module",
        "nn.Linear",
        "nn.ReLU",
        "optim.SGD",
        "autograd.Function",
        "autograd.functional.jacobian",
        "autograd.functional.hessian",
        "autograd.functional.vjp",
        "autograd.functional.jvp",
        "autograd.functional.vhp",
        "autograd.functional.hvp",
        "autograd.profiler.profile",
        "autograd.profiler.record_function",
        "autograd.grad",
        "autograd.backward",
        "autograd.gradcheck",
        "autograd.graph.Node",
        "utils.data.DataLoader",
        "cuda.is_available",
    ],
)
def test_S_145_paths_are_attributes(path):
    found = torch
    for name in path.split("."):
        found = getattr(found, name)
    assert callable(found)
