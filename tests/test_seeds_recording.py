"""Seed features S-001 to S-034: creation, flags and what is recorded. One test per row of the contract."""

from __future__ import annotations

import math
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from against import NAME, REAL, printed, raises, torch

SEEDS = pathlib.Path(__file__).parent / "seeds"

B_1 = """\
tensor([0.0000, 0.2618, 0.5236, 0.7854, 1.0472, 1.3090, 1.5708, 1.8326, 2.0944,
        2.3562, 2.6180, 2.8798, 3.1416, 3.4034, 3.6652, 3.9270, 4.1888, 4.4506,
        4.7124, 4.9742, 5.2360, 5.4978, 5.7596, 6.0214, 6.2832],
       requires_grad=True)
"""
B_2 = """\
tensor([ 0.0000e+00,  2.5882e-01,  5.0000e-01,  7.0711e-01,  8.6603e-01,
         9.6593e-01,  1.0000e+00,  9.6593e-01,  8.6603e-01,  7.0711e-01,
         5.0000e-01,  2.5882e-01, -8.7423e-08, -2.5882e-01, -5.0000e-01,
        -7.0711e-01, -8.6603e-01, -9.6593e-01, -1.0000e+00, -9.6593e-01,
        -8.6603e-01, -7.0711e-01, -5.0000e-01, -2.5882e-01,  1.7485e-07],
       grad_fn=<SinBackward0>)
"""
B_3 = """\
tensor([ 0.0000e+00,  5.1764e-01,  1.0000e+00,  1.4142e+00,  1.7321e+00,
         1.9319e+00,  2.0000e+00,  1.9319e+00,  1.7321e+00,  1.4142e+00,
         1.0000e+00,  5.1764e-01, -1.7485e-07, -5.1764e-01, -1.0000e+00,
        -1.4142e+00, -1.7321e+00, -1.9319e+00, -2.0000e+00, -1.9319e+00,
        -1.7321e+00, -1.4142e+00, -1.0000e+00, -5.1764e-01,  3.4969e-07],
       grad_fn=<MulBackward0>)
"""
B_4 = """\
tensor([ 1.0000e+00,  1.5176e+00,  2.0000e+00,  2.4142e+00,  2.7321e+00,
         2.9319e+00,  3.0000e+00,  2.9319e+00,  2.7321e+00,  2.4142e+00,
         2.0000e+00,  1.5176e+00,  1.0000e+00,  4.8236e-01, -3.5763e-07,
        -4.1421e-01, -7.3205e-01, -9.3185e-01, -1.0000e+00, -9.3185e-01,
        -7.3205e-01, -4.1421e-01,  4.7684e-07,  4.8236e-01,  1.0000e+00],
       grad_fn=<AddBackward0>)
"""
B_5 = """\
tensor([ 2.0000e+00,  1.9319e+00,  1.7321e+00,  1.4142e+00,  1.0000e+00,
         5.1764e-01, -8.7423e-08, -5.1764e-01, -1.0000e+00, -1.4142e+00,
        -1.7321e+00, -1.9319e+00, -2.0000e+00, -1.9319e+00, -1.7321e+00,
        -1.4142e+00, -1.0000e+00, -5.1764e-01,  2.3850e-08,  5.1764e-01,
         1.0000e+00,  1.4142e+00,  1.7321e+00,  1.9319e+00,  2.0000e+00])
"""
B_6 = """\
tensor([[ 1.5410, -0.2934, -2.1788],
        [ 0.5684, -1.0845, -1.3986],
        [ 0.4033,  0.8380, -0.7193],
        [-0.4033, -0.5966,  0.1820],
        [-0.8567,  1.1006, -1.0712]], requires_grad=True)
"""
B_7 = """\
inp= tensor([[1., 0., 0., 0., 0.],
        [0., 1., 0., 0., 0.],
        [0., 0., 1., 0., 0.],
        [0., 0., 0., 1., 0.],
        [0., 0., 0., 0., 1.]], requires_grad=True)
"""
B_8 = """\

out= tensor([[4., 1., 1., 1., 1.],
        [1., 4., 1., 1., 1.],
        [1., 1., 4., 1., 1.],
        [1., 1., 1., 4., 1.],
        [1., 1., 1., 1., 4.]], grad_fn=<PowBackward0>)
"""


@pytest.fixture
def sine():
    """The first program of the introyt page: a -> b = sin a -> c = 2b -> d = c + 1 -> out = sum d."""
    a = torch.linspace(0.0, 2.0 * math.pi, steps=25, requires_grad=True)
    b = torch.sin(a)
    c = 2 * b
    d = c + 1
    return a, b, c, d, d.sum()


@pytest.fixture
def basics():
    """The one-layer network of the basics tutorial, from seed 0."""
    x = torch.ones(5)
    y = torch.zeros(3)
    torch.manual_seed(0)
    w = torch.randn(5, 3, requires_grad=True)
    b = torch.randn(3, requires_grad=True)
    z = torch.matmul(x, w) + b
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
    return x, y, w, b, z, loss


@pytest.mark.parametrize("script", sorted(p.name for p in SEEDS.glob("*_*.py")))
def test_S_001_import_as_torch(script, tmp_path):
    source = (SEEDS / script).read_text(encoding="utf-8")
    if "matplotlib" in source:
        source = source.replace("import matplotlib.pyplot as plt\n", "class plt: plot = print\n")
        source = source.replace("import matplotlib.ticker as ticker\n", "")
    program = tmp_path / script
    program.write_text(
        source.replace("import torch\n", f"import {NAME} as torch\n"), encoding="utf-8"
    )
    (tmp_path / "n.py").write_text((SEEDS / "n.py").read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_S_002_linspace_prints(sine):
    assert printed(sine[0]) == B_1


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: torch.ones(2, requires_grad=True), id="ones"),
        pytest.param(lambda: torch.zeros(2, requires_grad=True), id="zeros"),
        pytest.param(lambda: torch.eye(2, requires_grad=True), id="eye"),
        pytest.param(lambda: torch.rand(2, requires_grad=True), id="rand"),
        pytest.param(lambda: torch.randn(2, requires_grad=True), id="randn"),
        pytest.param(lambda: torch.linspace(0, 1, 2, requires_grad=True), id="linspace"),
        pytest.param(lambda: torch.tensor([1.0], requires_grad=True), id="tensor"),
        pytest.param(lambda: torch.full((2,), 1.0, requires_grad=True), id="full"),
        pytest.param(lambda: torch.empty(2, requires_grad=True), id="empty"),
        pytest.param(lambda: torch.arange(2.0, requires_grad=True), id="arange"),
        pytest.param(lambda: torch.ones_like(torch.zeros(2), requires_grad=True), id="ones_like"),
        pytest.param(lambda: torch.zeros(2).new_ones(3, requires_grad=True), id="new_ones"),
    ],
)
def test_S_003_factories_take_requires_grad(make):
    t = make()
    assert t.requires_grad
    assert t.is_leaf
    assert t.grad_fn is None


def test_S_004_sin_prints(sine):
    assert printed(sine[1]) == B_2


def test_S_005_scalar_times_tensor_prints(sine):
    assert printed(sine[2]) == B_3


def test_S_006_tensor_plus_scalar_prints(sine):
    assert printed(sine[3]) == B_4


def test_S_007_sum_prints(sine):
    assert printed(sine[4]) == "tensor(25., grad_fn=<SumBackward0>)\n"


def test_S_008_grad_fn_prints(sine):
    assert printed(sine[3].grad_fn) == "<AddBackward0 object at 0x...>\n"


def test_S_009_next_functions_of_add(sine):
    assert printed(sine[3].grad_fn.next_functions) == (
        "((<MulBackward0 object at 0x...>, 0), (None, 0))\n"
    )


def test_S_010_next_functions_of_mul(sine):
    assert printed(sine[3].grad_fn.next_functions[0][0].next_functions) == (
        "((<SinBackward0 object at 0x...>, 0), (None, 0))\n"
    )


def test_S_011_next_functions_of_sin(sine):
    below = sine[3].grad_fn.next_functions[0][0].next_functions[0][0].next_functions
    assert printed(below) == "((<AccumulateGrad object at 0x...>, 0),)\n"


def test_S_012_next_functions_of_a_leaf(sine):
    below = sine[3].grad_fn.next_functions[0][0].next_functions[0][0].next_functions
    assert printed(below[0][0].next_functions) == "()\n"


def test_S_013_grad_fn_of_each(sine):
    a, b, c, _, _ = sine
    assert printed(c.grad_fn) == "<MulBackward0 object at 0x...>\n"
    assert printed(b.grad_fn) == "<SinBackward0 object at 0x...>\n"
    assert printed(a.grad_fn) == "None\n"


def test_S_014_next_functions_give_the_same_object(sine):
    _, b, c, d, _ = sine
    assert d.grad_fn.next_functions[0][0] is c.grad_fn
    assert c.grad_fn.next_functions[0][0] is b.grad_fn
    assert str(d.grad_fn.next_functions[0][0]) == str(c.grad_fn)


def test_S_015_backward_without_argument(sine):
    a, *_, out = sine
    assert out.backward() is None
    assert printed(a.grad) == B_5
    assert a.grad.grad_fn is None
    assert not a.grad.requires_grad


def test_S_016_backward_of_one_is_the_default():
    s = torch.tensor(2.0, requires_grad=True)
    (s * s).backward(torch.tensor(1.0))
    assert printed(s.grad) == "tensor(4.)\n"
    t = torch.tensor(2.0, requires_grad=True)
    (t * t).backward()
    assert torch.equal(s.grad, t.grad)


def test_S_017_matplotlib_takes_detached_tensors(sine):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    a, b, _, _, out = sine
    out.backward()
    try:
        (line,) = plt.plot(a.detach(), b.detach())
        assert np.array_equal(line.get_ydata(), b.detach().numpy())
        (line,) = plt.plot(a.detach(), a.grad.detach())
        assert np.array_equal(line.get_ydata(), a.grad.numpy())
    finally:
        plt.close("all")


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda t: t.numpy(), id="numpy"),
        pytest.param(np.asarray, id="asarray"),
        pytest.param(np.array, id="array", marks=pytest.mark.wengert_only),
    ],
)
def test_S_018_no_silent_conversion_of_a_tensor_that_requires_grad(convert, sine):
    phrases = (
        "Can't call numpy() on Tensor that requires grad.",
        "Use tensor.detach().numpy() instead.",
    )
    for t in sine[:2]:
        with raises(RuntimeError, *phrases):
            convert(t)


# matplotlib asks for math.isfinite(x[0]) of arrays that it does not know by type, before it converts
@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True to a scalar")
def test_S_018_matplotlib_refuses_a_tensor_that_requires_grad(sine):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    try:
        with raises(RuntimeError, "Can't call numpy() on Tensor that requires grad."):
            plt.plot(sine[0], sine[1])
    finally:
        plt.close("all")


def test_S_019_ones_and_zeros_print():
    assert printed(torch.ones(5)) == "tensor([1., 1., 1., 1., 1.])\n"
    assert printed(torch.zeros(3)) == "tensor([0., 0., 0.])\n"


def test_S_020_seeded_randn_prints(basics):
    assert printed(basics[2]) == B_6


def test_S_021_randn_continues_the_stream(basics):
    assert printed(basics[3]) == "tensor([ 0.1227, -0.5663,  0.3731], requires_grad=True)\n"


def test_S_022_vector_matrix_product_plus_bias(basics):
    assert printed(basics[4]) == "tensor([ 1.3755, -0.6023, -4.8127], grad_fn=<AddBackward0>)\n"


def test_S_023_bce_with_logits(basics):
    loss = basics[5]
    assert f"loss={loss:.4f}" == "loss=0.6819"
    assert printed(loss) == "tensor(0.6819, grad_fn=<BinaryCrossEntropyWithLogitsBackward0>)\n"


def test_S_024_format_of_a_scalar_tensor(basics):
    assert f"{basics[5]:.4f}" == "0.6819"
    assert f"{torch.tensor(3)}" == "3"
    assert f"{torch.tensor([1.0, 2.0])}" == "tensor([1., 2.])"


def test_S_025_grad_fn_of_z_prints(basics):
    z = basics[4]
    assert printed("Gradient function for z =", z.grad_fn) == (
        "Gradient function for z = <AddBackward0 object at 0x...>\n"
    )
    assert printed(f"Gradient function for z = {z.grad_fn}") == (
        "Gradient function for z = <AddBackward0 object at 0x...>\n"
    )


def test_S_026_grad_fn_of_the_loss_prints(basics):
    assert printed("Gradient function for loss =", basics[5].grad_fn) == (
        "Gradient function for loss = <BinaryCrossEntropyWithLogitsBackward0 object at 0x...>\n"
    )


def test_S_027_graph_of_the_basics(basics):
    _, _, w, b, z, loss = basics
    assert printed(loss.grad_fn.next_functions) == (
        "((<AddBackward0 object at 0x...>, 0), (None, 0))\n"
    )
    assert loss.grad_fn.next_functions[0][0] is z.grad_fn
    product, bias = z.grad_fn.next_functions
    assert printed((product, bias)) == (
        "((<SqueezeBackward4 object at 0x...>, 0), (<AccumulateGrad object at 0x...>, 0))\n"
    )
    assert bias[0].variable is b
    below = [node for node, _ in product[0].next_functions]
    if REAL:  # what is between the product and its operands is PyTorch's own affair
        (mm,) = below
        assert type(mm).__name__ == "MmBackward0"
        below = [node for node, _ in mm.next_functions]
    assert any(getattr(node, "variable", None) is w for node in below)


def test_S_028_requires_grad_in_place_returns_self():
    x = torch.ones(3)
    r = x.requires_grad_(True)
    assert r is x
    assert x.requires_grad
    assert torch.ones(3).requires_grad_().requires_grad


def test_S_029_flag_off_stops_recording():
    a = torch.ones(2, 3, requires_grad=True)
    assert (2 * a).grad_fn is not None
    a.requires_grad = False
    after = 2 * a
    assert after.grad_fn is None
    assert not after.requires_grad


def test_S_030_leaves(basics):
    _, _, w, b, z, loss = basics
    assert [t.is_leaf for t in (w, b, z, loss)] == [True, True, False, False]
    layer = torch.nn.Linear(2, 3)
    assert all(p.is_leaf and p.requires_grad for p in layer.parameters())


def test_S_031_results_of_recorded_calls_require_grad(basics):
    assert basics[4].requires_grad is True


def test_S_032_the_graph_is_rebuilt_every_iteration():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    expected = {0: [2.0, 4.0, 6.0], 1: [1.0, 1.0, 0.0], 2: [8.0, 8.0, 8.0]}
    for i in range(3):
        x.grad = None
        if i == 0:
            y = x * x
        elif i == 1:
            y = x[:2]
        else:
            y = x
            while y.sum() < 40:
                y = y * 2
        y.sum().backward()
        assert x.grad.tolist() == expected[i]


def test_S_033_eye_prints():
    inp = torch.eye(5, requires_grad=True)
    assert printed("inp=", inp) == B_7


def test_S_034_pow_prints():
    inp = torch.eye(5, requires_grad=True)
    assert printed("\nout=", (inp + 1).pow(2)) == B_8


def test_the_library_under_test_is_the_one_meant():
    assert (torch.__name__ == "torch") is REAL
