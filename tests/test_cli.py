"""The command line: `wengert run`, `wengert info` and `python -m wengert`.

Every call is a process of its own, in a folder of its own, as a user's would be.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import wengert

pytestmark = pytest.mark.wengert_only


@pytest.fixture
def cli(tmp_path: Path):
    """Call the command line in tmp_path; files are written there first."""

    def call(*args: str, stdin: str = "", **files: str) -> subprocess.CompletedProcess[str]:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        return subprocess.run(
            [sys.executable, "-m", "wengert", *args],
            cwd=tmp_path, input=stdin, capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip

    return call


# ---------------------------------------------------------------- running scripts
IMPORTS = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torch.autograd.functional
import torch.utils.data as data
import torch.linalg, torch.special
from torch import Tensor, nn as same, no_grad, tensor
from torch.autograd import Function, Variable, grad, gradcheck
from torch.autograd.functional import hessian, jacobian, vjp
from torch.autograd.profiler import profile
from torch.nn import Linear, Module, Parameter
from torch.nn.functional import relu
from torch.nn.init import xavier_uniform_
from torch.nn.modules.linear import Linear as same_linear
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import StepLR
from torch.profiler import record_function
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torch.utils.dlpack import from_dlpack
import importlib

assert nn is same is torch.nn is importlib.import_module("torch.nn")
assert F is torch.nn.functional and data is torch.utils.data
assert Linear is same_linear is nn.Linear and SGD is optim.SGD
assert isinstance(tensor(1.0), Tensor) and isinstance(Parameter(tensor(1.0)), torch.Tensor)
import wengert
assert torch is wengert
x = tensor([1.0, 2.0], requires_grad=True)
(x * x).sum().backward()
print(x.grad, jacobian(torch.sin, tensor([0.0])))
"""


def test_every_form_of_import(cli) -> None:
    done = cli("run", "script.py", script=IMPORTS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "tensor([2., 4.]) tensor([[1.]])\n"


def test_a_script_sees_what_python_gives_it(cli, tmp_path: Path) -> None:
    script = (
        "import sys, helper, os\n"
        "print(__name__, sys.argv, os.path.basename(__file__), helper.twice(3))\n"
        "print(sys.modules['__main__'].__dict__ is globals(), os.path.samefile(sys.path[0], '.'))"
    )
    helper = "import torch\ndef twice(n): return (2 * torch.tensor(n)).item()"
    done = cli("run", "script.py", "--lr", "0.1", "-h", script=script, helper=helper)
    assert done.stdout.splitlines() == [
        "__main__ ['script.py', '--lr', '0.1', '-h'] script.py 6",
        "True True",
    ]


def test_a_script_in_another_folder(cli, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "near.py").write_text("answer = 42")
    (tmp_path / "deep" / "main.py").write_text("from near import answer\nprint(answer)")
    assert cli("run", "deep/main.py").stdout == "42\n"


def test_a_script_from_standard_input(cli) -> None:
    done = cli("run", "-", "one", stdin="import sys, torch\nprint(sys.argv, torch.ones(2))")
    assert done.stdout == "['-', 'one'] tensor([1., 1.])\n"


def test_a_script_keeps_its_own_future_imports(cli) -> None:
    """Annotations are evaluated, as they are when Python runs the script."""
    done = cli("run", "script.py", script="def f(x: int): ...\nprint(f.__annotations__['x'] is int)")
    assert done.stdout == "True\n"


def test_pickle_finds_the_classes_of_a_script(cli) -> None:
    script = "import pickle\nclass A: x = 3\nprint(pickle.loads(pickle.dumps(A())).x)"
    assert cli("run", "script.py", script=script).stdout == "3\n"


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("pass", 0), ("raise SystemExit", 0), ("sys.exit(0)", 0), ("sys.exit(7)", 7),
        ("sys.exit('no')", 1), ("raise KeyError('k')", 1), ("raise KeyboardInterrupt", 130),
    ],
)  # fmt: skip
def test_exit_status(cli, last: str, status: int) -> None:
    done = cli("run", "script.py", script=f"import sys, torch\nprint('here')\n{last}\n")
    assert done.returncode == status
    assert done.stdout == "here\n"


# ---------------------------------------------------------------- scripts that fail
def test_a_traceback_shows_the_script_only(cli) -> None:
    script = "import torch\n\ndef f(x):\n    return x @ torch.ones(4)\n\nf(torch.ones(3))\n"
    done = cli("run", "script.py", script=script)
    lines = [line for line in done.stderr.splitlines() if line.startswith("  File")]
    assert [line.split('"')[1].endswith("script.py") for line in lines] == [True, True]
    assert [line.rpartition(", ")[2] for line in lines] == ["in <module>", "in f"]
    assert "line 4" in lines[1]
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.splitlines()[-1].startswith("RuntimeError: inconsistent tensor size")
    assert done.returncode == 1


def test_a_traceback_through_a_callback(cli) -> None:
    """Frames of the script that wengert has called are shown, and errors it raised from others."""
    script = (
        "import torch\n"
        "def hook(g):\n    return g.reshape(7)\n"
        "x = torch.ones(3, requires_grad=True)\nx.register_hook(hook)\n"
        "try:\n    (x * x).sum().backward()\n"
        "except RuntimeError as e:\n    raise ValueError('mine') from e\n"
    )
    done = cli("run", "script.py", script=script)
    lines = [line for line in done.stderr.splitlines() if line.startswith("  File")]
    assert [line.rpartition(", ")[2] for line in lines] == ["in <module>", "in hook", "in <module>"]
    assert "direct cause" in done.stderr
    assert done.stderr.endswith("ValueError: mine\n")


def test_the_full_traceback_on_request(cli) -> None:
    done = cli("run", "--full-traceback", "script.py", script="import torch\ntorch.ones(2) @ torch.ones(3)")
    assert str(Path(wengert.__file__).parent) in done.stderr


def test_an_excepthook_of_the_script_is_called(cli) -> None:
    script = (
        "import sys\nsys.excepthook = lambda kind, e, tb: print('hook', kind.__name__, tb.tb_lineno)\n"
        "1 / 0"
    )
    done = cli("run", "script.py", script=script)
    assert (done.stdout, done.returncode) == ("hook ZeroDivisionError 3\n", 1)


def test_a_syntax_error(cli) -> None:
    done = cli("run", "script.py", script="x = = 3\n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].endswith('script.py", line 1')
    assert "site-packages" not in done.stderr
    assert "SyntaxError" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["nothing.py", "."])
def test_no_such_script(cli, name: str) -> None:
    done = cli("run", name)
    assert done.returncode == 2
    assert done.stderr.startswith(f"wengert run: can't read '{name}': ")
    assert len(done.stderr.splitlines()) == 1


# ---------------------------------------------------------------- names that are not there
@pytest.mark.parametrize(
    ("script", "kind", "said"),
    [
        ("torch.reshpe", "AttributeError", ["'reshpe'", "does not have it", "'reshape'"]),
        ("torch.nn.Liner(2, 1)", "AttributeError", ["'Liner'", "does not have it", "'Linear'"]),
        ("torch.optim.Adamm", "AttributeError", ["'Adamm'", "does not have it", "'Adam'"]),
        ("torch.nn.functional.sofmax", "AttributeError", ["'sofmax'", "'softmax'"]),
        ("torch.ones(2).reshpe(1, 2)", "AttributeError", ["'reshpe'", "does not have it", "'reshape'"]),
        ("from torch import zeross", "ImportError", ["'zeross'", "does not have it", "'zeros'"]),
        ("from torch.nn import Liner", "ImportError", ["'Liner'", "does not have it", "'Linear'"]),
        ("import torch.nn.functionl", "ModuleNotFoundError", ["'torch.nn.functionl'", "'torch.nn.functional'"]),
        ("import torch.nothing.at.all", "ModuleNotFoundError", ["torch.nothing", "does not have it"]),
        ("from torch.utils.cpp_extension import load", "ModuleNotFoundError",
         ["torch.utils.cpp_extension", "does not have it"]),
    ],
)  # fmt: skip
def test_a_missing_name(cli, script: str, kind: str, said: list[str]) -> None:
    done = cli("run", "script.py", script=f"import torch\n{script}\n")
    assert done.returncode == 1
    assert f"\n{kind}: " in done.stderr
    assert done.stderr.count("does not have it") == 1
    for phrase in said:
        assert phrase in done.stderr


def test_a_missing_name_has_no_hint_where_wengert_has_no_part(cli) -> None:
    done = cli("run", "script.py", script="import math\nmath.sinn\n")
    assert "wengert" not in done.stderr


def test_an_error_inside_a_helper_is_not_called_missing(cli) -> None:
    """A module of the user's that imports something missing is reported as that."""
    done = cli("run", "script.py", script="import helper", helper="import not_there_at_all")
    assert "No module named 'not_there_at_all'" in done.stderr
    assert "does not have it" not in done.stderr


def test_real_pytorch_comes_first_if_it_was_imported(cli) -> None:
    """Installing the alias over another `torch` is refused, not half done."""
    code = (
        "import sys, types\nsys.modules['torch'] = theirs = types.ModuleType('torch')\n"
        "import wengert\n"
        "try:\n    wengert.install_as_torch()\n"
        "except RuntimeError as e:\n    print(e)\n"
        "print(sys.modules['torch'] is theirs)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].startswith("PyTorch is already imported here")
    assert done.stdout.splitlines()[1] == "True"


# ---------------------------------------------------------------- the other commands
def test_an_interrupted_tour_says_so_in_one_word(monkeypatch, capsys) -> None:
    from wengert import cli, tour

    def interrupted(*args: object, **kwargs: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(tour, "tour", interrupted)
    assert cli.main(["tour"]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def test_info(cli) -> None:
    done = cli("info")
    assert done.returncode == 0
    assert done.stdout.startswith(f"wengert {wengert.__version__}, NumPy ")
    assert {line.split()[0] for line in done.stdout.splitlines()[1:]} == {
        "scipy", "files", "bf16", "plot", "progress",
    }  # fmt: skip


def test_help_names_the_commands(cli) -> None:
    done = cli("--help")
    assert done.returncode == 0
    for command in ("run", "tour", "info"):
        assert f"\n    {command} " in done.stdout


@pytest.mark.parametrize("args", [[], ["walk"], ["run"], ["tour", "--epochs", "many"]])
def test_a_wrong_command_line(cli, args: list[str]) -> None:
    done = cli(*args)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: wengert")


def test_the_version(cli) -> None:
    assert cli("--version").stdout == f"wengert {wengert.__version__}\n"


def test_the_installed_command_is_this_one() -> None:
    """pyproject.toml names the entry point that `python -m wengert` uses."""
    import tomllib

    project = Path(__file__).parent.parent / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["scripts"] == {"wengert": "wengert.cli:main"}
