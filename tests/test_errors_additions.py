"""What wengert's errors say beyond PyTorch's: which tensor, its shape, which input, what to do, which line.

Also: bad input to `wengert run` gets one clear error, and names that are missing are named.
"""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys

import pytest
from against import leaf, raises, torch

pytestmark = pytest.mark.wengert_only

grad = torch.autograd.grad


def message(call, kind=RuntimeError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def this_line(offset: int = 0) -> str:
    """`file:line` of the caller, `offset` lines away, as an error gives it."""
    return f"test_errors_additions.py:{inspect.currentframe().f_back.f_lineno + offset}"


def test_in_place_on_a_leaf_names_the_tensor_and_the_way_out():
    text = message(lambda: leaf(2, 3).add_(1))
    assert "[2, 3]" in text
    assert "float32" in text
    assert "torch.no_grad()" in text
    text = message(lambda: leaf(2, 3)[0].add_(1))
    assert "[3]" in text
    assert "torch.no_grad()" in text


def test_backward_of_a_vector_names_its_shape_and_the_ways_out():
    text = message(lambda: (leaf(2, 3) * 2).backward())
    assert "[2, 3]" in text
    assert ".sum()" in text or "gradient" in text.partition("scalar outputs")[2]


def test_backward_of_a_constant_names_it_and_the_ways_out():
    text = message(lambda: torch.ones(3).sum().backward())
    assert re.search(r"\[\]|shape", text)
    assert "requires_grad" in text.partition("grad_fn")[2]


def stale(change):
    x = leaf(2, 3)
    y = x * 1
    z = y * y
    change(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        z.sum().backward()
    return str(caught.value)


def test_a_stale_value_names_the_line_that_changed_it():
    def change(y):
        nonlocal line
        line = this_line(1)
        y.add_(1)

    line = ""
    text = stale(change)
    assert line in text
    assert "MulBackward0" in text
    assert "clone()" in text


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda y: y.mul_(2), id="method"),
        pytest.param(lambda y: torch.sin_(y), id="function"),
        pytest.param(lambda y: y[0].zero_(), id="view"),
        pytest.param(lambda y: y.__setitem__(0, 1.0), id="setitem"),
        pytest.param(lambda y: y.__iadd__(1), id="augmented"),
        pytest.param(lambda y: y.copy_(torch.zeros(2, 3)), id="copy_"),
        pytest.param(lambda y: torch.add(torch.ones(2, 3), 1, out=y.detach()), id="out"),
        pytest.param(lambda y: y.detach().add_(1), id="detach"),
        pytest.param(lambda y: torch.nn.functional.relu(y, inplace=True), id="nn.functional"),
    ],
)
def test_every_kind_of_write_is_found(change):
    text = stale(change)
    assert re.search(r"test_errors_additions\.py:\d+", text), text


def test_a_stale_parameter_names_the_line_of_the_step():
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([p], lr=0.1)
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    line = this_line(1)
    optimizer.step()
    text = message(loss.backward)
    assert line in text
    assert "[3]" in text


def test_an_unused_input_is_named():
    y, used, unused = leaf(2) * 2, leaf(2), leaf(4, 5)
    text = message(lambda: grad((y * used).sum(), [used, unused]))
    assert "at index 1" in text
    assert "[4, 5]" in text
    assert "allow_unused=True" in text


def test_an_input_without_grad_is_named():
    text = message(lambda: grad((leaf(3) * 2).sum(), [torch.ones(4, 5)]))
    assert "[4, 5]" in text
    assert "requires_grad" in text


def test_integers_say_which_dtype_came_and_what_to_do():
    text = message(lambda: torch.ones(3, dtype=torch.int64, requires_grad=True))
    assert "int64" in text
    text = message(lambda: torch.ones(3, dtype=torch.int64).requires_grad_())
    assert "int64" in text
    assert ".float()" in text or "dtype" in text.partition("can require gradients")[2]


def write_into_a_quiet_view():
    t = leaf(4, 5) * 2
    with torch.no_grad():
        v = t[:2]
    v.add_(1)


def write_into_a_chunk():
    (leaf(4, 5) * 2).chunk(2)[0].add_(1)


def save_an_inference_tensor():
    with torch.inference_mode():
        t = torch.ones(2, 5)
    leaf(2, 5) * t


def clear_the_flag_of_a_result():
    y = leaf(2, 5) * 2
    y.requires_grad = False


@pytest.mark.parametrize(
    "call",
    [
        write_into_a_quiet_view,
        write_into_a_chunk,
        save_an_inference_tensor,
        clear_the_flag_of_a_result,
        lambda: leaf(2, 5).numpy(),
        lambda: torch.ones(2, 5).register_hook(lambda g: g),
        lambda: torch.ones(2, 5).retain_grad(),
        lambda: (leaf(2, 5) * 2).backward(torch.ones(3)),
        lambda: setattr(leaf(2, 5), "grad", torch.ones(3)),
    ],
    ids=[
        "no_grad view",
        "chunk",
        "inference",
        "flag",
        "numpy",
        "hook",
        "retain",
        "backward",
        "grad",
    ],
)
def test_errors_name_the_shape(call):
    assert "[2, 5]" in message(call)


def test_a_spent_graph_names_the_node():
    x = leaf(3)
    y = x.exp()
    y.sum().backward()
    assert "ExpBackward0" in message(lambda: y.sum().backward())


def test_shapes_that_do_not_match_name_the_call():
    for call, name in (
        (lambda: torch.ones(2, 3) @ torch.ones(4, 5), "2x3 and 4x5"),
        (lambda: torch.ones(2, 3) + torch.ones(4, 5), "[2, 3]"),
        (lambda: leaf(2, 3) * leaf(4, 5), "[4, 5]"),
        (lambda: torch.cat([torch.ones(2, 3), torch.ones(2, 4)]), "4"),
        (lambda: torch.ones(2, 3).view(7), "'[7]'"),
    ):
        assert name in message(call)


def test_function_gradients_name_the_function_and_both_shapes():
    class Narrow(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g[:1]

    text = message(lambda: Narrow.apply(leaf(3)).sum().backward())
    assert "NarrowBackward" in text
    assert "[1]" in text
    assert "[3]" in text


def test_failed_calls_change_nothing():
    t = torch.ones(2, 2)
    x = leaf(2)
    before = t.tolist(), t._version
    for change in (
        lambda: t.add_(torch.ones(3)),
        lambda: t.copy_(torch.ones(3)),
        lambda: t.__setitem__(5, 1.0),
        lambda: t.__setitem__(0, torch.ones(3)),
        lambda: t.masked_fill_(torch.ones(3, dtype=torch.bool), 0.0),
        lambda: t.scatter_(0, torch.tensor([[7]]), 1.0),
        lambda: t.index_fill_(0, torch.tensor([5]), 1.0),
        lambda: t.view(7),
        lambda: torch.mm(t, torch.ones(3, 3), out=t),
        lambda: x.add_(1),
        lambda: setattr(x, "grad", 3),
    ):
        with pytest.raises((RuntimeError, IndexError, TypeError)):
            change()
        assert (t.tolist(), t._version) == before
    assert (x.tolist(), x._version, x.grad) == ([1.0, 1.0], 0, None)


def test_failed_calls_leave_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(2).tolist()
    torch.manual_seed(3)
    for call in (
        lambda: torch.rand(2, dtype=torch.int64),
        lambda: torch.randn(-1),
        lambda: torch.normal(0.0, -1.0, (2,)),
        lambda: torch.randint(3, 3, (2,)),
        lambda: torch.bernoulli(torch.full((2,), 2.0)),
        lambda: torch.nn.functional.dropout(torch.ones(2), p=2.0),
    ):
        with pytest.raises((RuntimeError, TypeError, ValueError, NotImplementedError)):
            call()
    assert torch.rand(2).tolist() == expected


NUMBERS = """
import numpy as np
import torch

zero, big = torch.zeros(1, requires_grad=True), torch.full((1,), 1e38, requires_grad=True)
outputs = [1 / zero, zero / zero, zero.log(), big * big, (-zero - 1).sqrt(), big.exp(), zero**-1]
sum(o.sum() for o in outputs).backward()
torch.tensor([1e300], dtype=torch.float64).float()
torch.tensor([float("nan")]).long()
torch.tensor([300.0]).to(torch.uint8)
torch.zeros(0).mean(), torch.ones(1).var(correction=0), torch.full((2,), float("-inf")).softmax(0)
print(np.geterr()["divide"])
"""


def test_nan_and_inf_are_values_not_warnings(tmp_path):
    done = run_script(tmp_path, NUMBERS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "warn\n", "")


def run_script(tmp_path, source, *arguments):
    script = tmp_path / "script.py"
    script.write_text(source, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "wengert", "run", str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )


def test_run_resolves_every_spelling_of_the_import(tmp_path):
    done = run_script(
        tmp_path,
        "import sys\n"
        "import torch, torch.nn, torch.optim as optim, torch.autograd.functional\n"
        "import torch.nn as nn\n"
        "import torch.nn.functional as F\n"
        "from torch import nn as again, Tensor, tensor\n"
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "from torch.autograd import Function, Variable, grad\n"
        "from torch.autograd.functional import jacobian\n"
        "from torch.nn.parameter import Parameter\n"
        "assert nn is again is torch.nn and F is torch.nn.functional\n"
        "assert isinstance(tensor(1.0), Tensor) and isinstance(nn.Linear(1, 1), torch.nn.Module)\n"
        "print(__name__, sys.argv[1:], torch.autograd.functional.jacobian is jacobian)\n",
        "one",
        "--two",
    )
    assert (done.returncode, done.stdout) == (0, "__main__ ['one', '--two'] True\n"), done.stderr


@pytest.mark.parametrize(
    ("module", "name", "wanted"),
    [
        ("", "linspaec", "linspace"),
        ("nn", "Liner", "Linear"),
        ("nn.functional", "reluu", "relu"),
        ("nn.init", "xavier_unifrom_", "xavier_uniform_"),
        ("optim", "Adamm", "Adam"),
        ("autograd", "backwards", "backward"),
        ("autograd.functional", "jacobain", "jacobian"),
        ("autograd.graph", "save_on_gpu", "save_on_cpu"),
        ("linalg", "vector_nrom", "vector_norm"),
        ("special", "digama", "digamma"),
        ("utils.data", "DataLoder", "DataLoader"),
    ],
)
def test_an_unknown_name_gives_the_closest_one(module, name, wanted):
    where = ".".join(filter(None, ("wengert", module)))
    text = message(lambda: getattr(importlib.import_module(where), name), AttributeError)
    assert text.startswith(f"module '{where}' has no attribute '{name}'")
    assert f"the closest match is '{wanted}'" in text


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        pytest.param("torch.linspaec(0, 1, 3)", "linspace", id="function"),
        pytest.param("torch.nn.Liner(2, 3)", "Linear", id="layer"),
        pytest.param("torch.nn.functional.reluu(torch.ones(2))", "relu", id="nn.functional"),
        pytest.param("torch.optim.Adamm([])", "Adam", id="optim"),
        pytest.param("torch.ones(2).requires_gard", "requires_grad", id="tensor"),
        pytest.param("torch.autograd.functional.jacobain(abs, 1)", "jacobian", id="functional"),
        pytest.param("from torch.nn import Liner", "Linear", id="from"),
    ],
)
def test_run_a_script_that_needs_what_is_missing(line, wanted, tmp_path):
    done = run_script(tmp_path, f"import torch\n{line}\n")
    assert done.returncode != 0
    assert "wengert" in done.stderr
    missing = re.search(r"linspaec|Liner|reluu|Adamm|requires_gard|jacobain", line).group()
    assert missing in done.stderr.replace(line, "")
    assert wanted in done.stderr.replace(line, "").replace(missing, "")


def test_run_a_module_that_is_missing(tmp_path):
    done = run_script(tmp_path, "import torch.distributed.fsdp\n")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "torch.distributed.fsdp" in last or "distributed" in last
    assert "wengert" in last


def test_run_a_script_that_fails(tmp_path):
    done = run_script(tmp_path, "import torch\n\ndef f():\n    raise ValueError('mine')\n\nf()\n")
    assert done.returncode != 0
    assert "ValueError: mine" in done.stderr
    assert "script.py" in done.stderr
    assert "line 4" in done.stderr
    assert done.stderr.count("Traceback") == 1


def test_run_a_script_that_exits(tmp_path):
    assert run_script(tmp_path, "raise SystemExit(3)\n").returncode == 3


def test_run_a_script_that_does_not_exist(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "wengert", "run", "missing.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode != 0
    assert "missing.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_a_script_that_does_not_parse(tmp_path):
    done = run_script(tmp_path, "import torch\nx = = 1\n")
    assert done.returncode != 0
    assert "SyntaxError" in done.stderr
    assert "script.py" in done.stderr


def test_raises_helper_needs_all_phrases():
    with pytest.raises(AssertionError), raises(ValueError, "one", "two"):
        raise ValueError("only one")
