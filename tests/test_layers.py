"""The layers of docs/design.md: a module imports from its own layer or from one below it.

The imports are read from the source, those inside functions included, so a module that only runs
on some path is checked as well.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import wengert

ROOT = Path(wengert.__file__).parent
LAYERS = {
    "kernels": 0,  # arrays
    "core": 1, "_missing": 1,  # recording and running; what to say about a missing name
    "ops": 2,  # the table
    "methods": 2.5, "late": 2.5, "late_index": 2.5,  # hang the table on Tensor
    "autograd": 3, "func": 3, "inspect": 3,  # faces
    "__main__": 5, "cli": 5, "distributions": 5, "tour": 5, "testing": 5, "version": 5,  # use the package as its users do
}  # fmt: skip
OTHERS = 4  # nn, optim, utils, serialization, ...
TOP = 5  # the package itself

UPWARD = {
    # (module, what it imports): why it may
    ("core.tensor", "ops.create"): "Tensor(data) makes a tensor from lists, which is an op's work",
    ("core.parameter", "ops.create"): "Parameter(None) and deep copies make an empty tensor",
}

OPTIONAL = {  # third parties that functions may import: the extras of pyproject.toml
    "einops", "matplotlib", "ml_dtypes", "safetensors", "scipy", "torch", "tqdm",
}  # fmt: skip


def modules() -> dict[str, Path]:
    """Every module of the package by its name below `wengert` (which is "")."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(p for p in parts if p != "__init__")] = path
    return found


MODULES = modules()


def layer(module: str) -> float:
    return LAYERS.get(module.partition(".")[0], OTHERS) if module else TOP


def imports(module: str, source: str) -> Iterator[tuple[str, str, int, bool]]:
    """(kind, name, line, inside a function) of every import: "ours" below wengert, or "other"."""
    tree = ast.parse(source)
    inside = {
        id(n)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for n in ast.walk(f)
    }
    path = MODULES.get(module)
    package = module.split(".") if module else []
    if path is None or path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                names = [".".join(base + ([node.module] if node.module else []))]
                kind = "ours"
            else:
                kind, names = _absolute([node.module or ""])
            if kind == "ours":  # `from . import name` may name a module
                start = names[0]
                names = []
                for a in node.names:
                    full = f"{start}.{a.name}".strip(".")
                    names.append(full if full in MODULES else start)
        elif isinstance(node, ast.Import):
            kind, names = _absolute([a.name for a in node.names])
        else:
            continue
        for name in names:
            yield kind, name, node.lineno, id(node) in inside


def _absolute(names: list[str]) -> tuple[str, list[str]]:
    if all(n.partition(".")[0] == "wengert" for n in names):
        return "ours", [n.partition(".")[2] for n in names]
    return "other", [n.partition(".")[0] for n in names]


def upward(module: str, source: str) -> list[str]:
    """What a module imports from a layer above its own, exceptions apart."""
    return [
        f"{module}:{line} imports {name or 'wengert'}"
        for kind, name, line, _ in imports(module, source)
        if kind == "ours" and layer(name) > layer(module) and (module, name) not in UPWARD
    ]


@pytest.mark.parametrize("module", [m or "wengert" for m in sorted(MODULES)])
def test_imports_point_downward(module: str) -> None:
    module = module.removeprefix("wengert")
    assert upward(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize("module", [m or "wengert" for m in sorted(MODULES)])
def test_numpy_is_the_only_dependency(module: str) -> None:
    module = module.removeprefix("wengert")
    strangers = []
    for kind, name, line, inside in imports(module, MODULES[module].read_text()):
        if kind == "ours" or name == "numpy" or name in sys.stdlib_module_names:
            continue
        if not (inside and name in OPTIONAL):
            strangers.append(f"{module}:{line} imports {name}")
    assert strangers == []


def test_kernels_know_numpy_and_python_only() -> None:
    for module, path in MODULES.items():
        if layer(module) == 0:
            ours = [n for kind, n, _, _ in imports(module, path.read_text()) if kind == "ours"]
            assert [n for n in ours if not n.startswith("kernels")] == [], module


def test_every_exception_is_still_needed() -> None:
    made = {(m, n) for m, p in MODULES.items() for _, n, _, _ in imports(m, p.read_text())}
    assert set(UPWARD) - made == set()


def test_every_layer_has_a_module() -> None:
    there = {m.partition(".")[0] for m in MODULES}
    assert set(LAYERS) - there == set()


PLANTED = [
    ("kernels.sort", "from ..core.tensor import Tensor"),
    ("kernels.sort", "def f():\n    from ..core import tensor"),
    ("core.spec", "from .. import nn"),
    ("core.spec", "import wengert.ops.arith"),
    ("ops.arith", "f = lambda: __import__\ndef g():\n    from wengert.autograd import graph"),
    ("autograd.graph", "from ..optim import SGD"),
    ("nn.functional", "import wengert"),
]


@pytest.mark.parametrize(("module", "source"), PLANTED)
def test_a_planted_import_is_found(module: str, source: str) -> None:
    assert len(upward(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.spec", "from ..kernels import dtypes"),
        ("ops.arith", "from ..core.define import elementwise\nimport numpy as np"),
        ("nn.modules.linear", "from .. import functional\nfrom ...autograd import graph"),
        ("cli", "from . import __version__\nfrom .tour import tour"),
    ],
)
def test_a_good_import_is_not_complained_about(module: str, source: str) -> None:
    assert upward(module, source) == []
