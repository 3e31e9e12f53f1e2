"""The type stubs of the names that come from the op table are those that tools/stubs.py writes."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wengert

pytestmark = pytest.mark.wengert_only

ROOT = Path(__file__).parent.parent
PACKAGE = Path(wengert.__file__).parent


def stub(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text())


def defined(body: list[ast.stmt]) -> set[str]:
    names: set[str] = set()
    for s in body:
        if isinstance(s, ast.FunctionDef | ast.ClassDef):
            names.add(s.name)
        elif isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name):
            names.add(s.target.id)
        elif isinstance(s, ast.ImportFrom | ast.Import):
            names |= {a.asname or a.name for a in s.names}
    return names


def test_stubs_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "tools/stubs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_stub_of_the_package_has_every_name() -> None:
    assert {n for n in dir(wengert) if not n.startswith("_")} - defined(stub("__init__.pyi").body) == set()


def test_the_stub_of_tensor_has_every_method() -> None:
    classes = [s for s in stub("core/tensor.pyi").body if isinstance(s, ast.ClassDef)]
    (tensor,) = [c for c in classes if c.name == "Tensor"]
    methods = {n for n in dir(wengert.Tensor) if not n.startswith("_")}
    assert methods - defined(tensor.body) == set()


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
