"""What the public modules export: everything promised is there, is described, and loads cheaply."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
import types

import pytest

import wengert

# what users import; everything else is the inside of the package
PUBLIC = [
    "wengert",
    "wengert.accelerator",
    "wengert.autograd",
    "wengert.autograd.anomaly_mode",
    "wengert.autograd.forward_ad",
    "wengert.autograd.function",
    "wengert.autograd.functional",
    "wengert.autograd.grad_mode",
    "wengert.autograd.gradcheck",
    "wengert.autograd.graph",
    "wengert.autograd.profiler",
    "wengert.autograd.profiler_legacy",
    "wengert.autograd.profiler_util",
    "wengert.backends",
    "wengert.bridges",
    "wengert.bridges.scipy",
    "wengert.cuda",
    "wengert.data",
    "wengert.distributions",
    "wengert.fft",
    "wengert.func",
    "wengert.inspect",
    "wengert.linalg",
    "wengert.masked",
    "wengert.nn",
    "wengert.nn.functional",
    "wengert.nn.init",
    "wengert.nn.modules",
    "wengert.nn.parallel",
    "wengert.nn.parameter",
    "wengert.nn.utils",
    "wengert.nn.utils.parametrizations",
    "wengert.nn.utils.parametrize",
    "wengert.nn.utils.prune",
    "wengert.nn.utils.stateless",
    "wengert.optim",
    "wengert.optim.lr_scheduler",
    "wengert.optim.swa_utils",
    "wengert.profiler",
    "wengert.profiler.itt",
    "wengert.random",
    "wengert.return_types",
    "wengert.serialization",
    "wengert.special",
    "wengert.testing",
    "wengert.utils",
    "wengert.utils.checkpoint",
    "wengert.utils.data",
    "wengert.utils.dlpack",
    "wengert.utils.hooks",
    "wengert.utils.tensorboard",
]

# shared inside the package, no promise to users
INTERNAL = {
    "wengert.autograd.anomaly_mode": {
        "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "set_anomaly_enabled",
    },
    "wengert.nn.modules.module": {"clear_grads", "indent", "typename"},
    "wengert.serialization": {"replace_file"},
    "wengert.utils.data.dataset": {"tensor_rows"},
    "wengert.utils.data.sampler": {"random_int64"},
}  # fmt: skip


def module(name: str) -> types.ModuleType:
    found = importlib.import_module(name)
    # `from .gradcheck import gradcheck` hides the module of that name, as in PyTorch
    return found if isinstance(found, types.ModuleType) else sys.modules[name]


def test_public_list_is_complete() -> None:
    """Every module that the package promises by name is looked at here."""
    promised = {f"wengert.{m}" for m in wengert._LAZY_MODULES} - {
        "wengert.alias", "wengert.cli", "wengert.version",
    }  # fmt: skip
    assert promised <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_what_can_be_imported(name: str) -> None:
    m = module(name)
    promised = m.__all__
    assert len(promised) == len(set(promised)), "a name twice"
    assert [n for n in promised if not hasattr(m, n)] == []
    given: dict[str, object] = {}
    exec(f"from {name} import *", given)
    assert {n for n in given if n != "__builtins__"} == set(promised)


@pytest.mark.parametrize("name", PUBLIC)
def test_what_a_module_defines_in_public_is_in_all(name: str) -> None:
    m = module(name)
    own = {
        n
        for n, v in vars(m).items()
        if not n.startswith("_")
        and getattr(v, "__module__", None) == name
        and isinstance(v, type | types.FunctionType)
    }
    assert own - set(m.__all__) - INTERNAL.get(name, set()) == set()


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_is_described(name: str) -> None:
    m = module(name)
    assert m.__doc__
    silent = [
        n
        for n in m.__all__
        if callable(getattr(m, n))
        and getattr(getattr(m, n), "__module__", "wengert").startswith("wengert")
        and not inspect.getdoc(getattr(m, n))
    ]
    assert silent == []


def test_every_tensor_method_is_described() -> None:
    silent = [
        n
        for n in dir(wengert.Tensor)
        if not n.startswith("_") and not inspect.getdoc(getattr(wengert.Tensor, n))
    ]
    assert silent == []


def test_dir_lists_what_there_is_and_nothing_else() -> None:
    listed = [n for n in dir(wengert) if not n.startswith("_")]
    assert [n for n in listed if not hasattr(wengert, n)] == []
    assert {"nn", "optim", "save", "manual_seed", "sin", "float32"} <= set(listed)
    assert not {"annotations", "Any", "importlib", "warnings"} & set(listed)


def fresh(code: str) -> object:
    """Run code in a fresh interpreter; it prints JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LOADED = (
    "import sys\n{first}\nbefore = set(sys.modules)\n{then}\n"
    "new = sorted(set(sys.modules) - before)\nimport json\nprint(json.dumps(new))"
)
HEAVY = {  # what a script that only differentiates something must not pay for
    "argparse", "asyncio", "concurrent.futures", "csv", "ctypes", "dataclasses", "difflib", "doctest",
    "gzip", "html", "http", "importlib.metadata", "inspect", "json", "logging", "multiprocessing",
    "pdb", "pickle", "pickletools", "pydoc", "queue", "shutil", "socket", "subprocess",
    "tempfile", "traceback", "unittest", "urllib", "xml", "zipfile",
    "cupy", "matplotlib", "ml_dtypes", "safetensors", "scipy", "torch", "tqdm",
    "numpy.fft", "numpy.testing", "numpy.ma",
}  # fmt: skip
OURS_LATER = {  # parts of the package that load when they are touched
    "wengert.alias", "wengert.autograd.anomaly_mode", "wengert.autograd.forward_ad",
    "wengert.autograd.functional", "wengert.autograd.gradcheck", "wengert.autograd.profiler",
    "wengert.cli", "wengert.cuda", "wengert.data", "wengert.fft", "wengert.inspect.graph",
    "wengert.linalg", "wengert.masked", "wengert.nn", "wengert.optim", "wengert.profiler", "wengert.random", "wengert.serialization",
    "wengert.special", "wengert.testing", "wengert.tour", "wengert.utils",
}  # fmt: skip


def test_import_loads_nothing_heavy() -> None:
    new = set(fresh(LOADED.format(first="import numpy", then="import wengert")))
    assert new & HEAVY == set()
    assert new & OURS_LATER == set()


def test_training_loads_nothing_heavy() -> None:
    step = (
        "import wengert as t\nm = t.nn.Linear(2, 1)\no = t.optim.SGD(m.parameters(), lr=.1)\n"
        "t.nn.functional.mse_loss(m(t.ones(3, 2)), t.zeros(3, 1)).backward()\no.step()"
    )
    assert set(fresh(LOADED.format(first="import numpy", then=step))) & HEAVY == set()


def test_import_starts_nothing() -> None:
    """No thread, no process, no open file: the core also runs where there are none."""
    code = (
        "import json, sys, os\n"
        "started = []\n"
        "sys.addaudithook(lambda e, a: started.append(e) if e in ('subprocess.Popen', 'os.fork', "
        "'os.exec', 'os.posix_spawn', 'os.system', '_thread.start_new_thread', 'ctypes.dlopen', "
        "'socket.connect') else None)\n"
        "import numpy\nstarted.clear()\nimport threading\nimport wengert as t\n"
        "x = t.ones(3, requires_grad=True)\n(x * x).sum().backward()\n"
        "print(json.dumps([started, threading.active_count()]))"
    )
    assert fresh(code) == [[], 1]


def test_the_checks_above_see_something() -> None:
    code = LOADED.format(first="import numpy", then="import wengert, zipfile; wengert.nn")
    new = set(fresh(code))
    assert "zipfile" in new & HEAVY
    assert "wengert.nn" in new & OURS_LATER
