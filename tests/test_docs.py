"""The documents say what is so: their examples run, their links lead somewhere, their versions agree."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import wengert

pytestmark = pytest.mark.wengert_only

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    p
    for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "src/**/*.md")
    for p in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def test_the_pages_are_found() -> None:
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} <= {name(p) for p in PAGES}
    assert {"docs/design.md", "docs/differences.md", "src/wengert/ops/README.md"} <= {name(p) for p in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_examples(page: Path) -> None:
    """Every `>>>` example of a page, one after the other."""
    if name(page) == "docs/beyond.md":
        pytest.importorskip("scipy")
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    source = "\n".join(text for text in blocks(page, "python") if ">>>" in text)
    test = doctest.DocTestParser().get_doctest(source, {}, name(page), name(page), 0)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=flags).run(test, out=said.append)
    assert result.failed == 0, "".join(said)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_without_prompts_is_python(page: Path) -> None:
    for text in blocks(page, "python"):
        if ">>>" not in text:
            compile(text, name(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links(page: Path) -> None:
    text = BLOCK.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{name(page)} links to {target}"


def test_the_first_example_of_the_readme_prints_what_it_says(capsys) -> None:
    program, printed = BLOCK.findall((ROOT / "README.md").read_text())[:2]
    assert program[0] == "python"
    exec(program[1], {})
    assert capsys.readouterr().out == printed[1]


@pytest.mark.torch
def test_the_first_example_of_the_readme_on_pytorch() -> None:
    program, printed = BLOCK.findall((ROOT / "README.md").read_text())[:2]
    source = program[1].replace("import wengert as torch", "import torch")
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == printed[1]


def test_the_op_of_the_contributing_guide_passes_its_grid() -> None:
    """The row that the guide adds is added to a fresh process and goes through the whole grid."""
    guide = blocks(ROOT / "CONTRIBUTING.md", "python")
    row = next(t for t in guide if "_float(" in t)
    test_rows = next(t for t in guide if "*one(" in t)
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from wengert.ops import unary
exec({row!r}, vars(unary))
from wengert import late
late.hang()
import wengert
for n, f in late.API["torch"].items():
    wengert.__dict__.setdefault(n, f)
from op_rows_arith import one
from wengert.testing import grid
checks = 0
exec({test_rows!r})
for row in ROWS[:-1]:
    for name, check in grid.PROPERTIES.items():
        if grid.applies(row, name):
            check(row)
            checks += 1
print(checks, wengert.gd.__doc__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = f"This runs {done.stdout.split()[0]} checks"
    assert said in (ROOT / "CONTRIBUTING.md").read_text()
    assert "Gudermannian" in done.stdout


def test_versions_agree() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {wengert.__version__}\n" in citation
    assert wengert.__version__ in (ROOT / "CHANGELOG.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"\nlicense: {project['license']}\n" in citation


def test_the_extras_of_the_readme_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    line = next(s for s in (ROOT / "README.md").read_text().split("\n\n") if s.startswith("Extras:"))
    named = re.findall(r"`(\w+)` \(", line)
    developers = {"test", "oracle", "lint"}
    assert set(named) == set(project["optional-dependencies"]) - developers


@pytest.mark.torch
def test_the_page_of_differences_counts_no_more_than_there_is() -> None:
    row = re.compile(r"^\| `(torch[\w.]*)` \| (\d+) \| (\d+) \|$", re.M)
    claimed = row.findall((ROOT / "docs" / "differences.md").read_text())
    done = subprocess.run([sys.executable, "tools/names.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    counted = {space: (int(theirs), int(here)) for space, theirs, here in row.findall(done.stdout)}
    assert [space for space, _, _ in claimed] == list(counted)
    for space, theirs, here in claimed:
        assert int(theirs) == counted[space][0]
        assert int(here) <= counted[space][1]


def test_no_page_has_a_gap() -> None:
    """Figures that were to be filled in are filled in."""
    assert [name(p) for p in PAGES if "@@" in p.read_text() or "TODO" in p.read_text()] == []
