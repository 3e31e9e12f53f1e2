"""The tour: it learns real digits, says what autograd did, and leaves a report that a browser can show."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from wengert.data import digits
from wengert.tour import tour
from wengert.tour.chart import curve, ticks

pytestmark = pytest.mark.wengert_only

EMPTY = {"meta", "br", "img", "link", "input", "hr"}


class Checked(HTMLParser):
    """Every element is closed, in order; nothing is loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        assert not {"src", "href", "onload", "onclick"} & {k for k, _ in attrs}
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text.append(data)


def parsed(path: Path) -> Checked:
    page = Checked()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> tuple[str, Path]:
    """What a tour of three epochs prints, and where its report is."""
    folder = tmp_path_factory.mktemp("tour")
    done = subprocess.run(
        [sys.executable, "-m", "wengert", "tour", "--epochs", "3", "--report", "out/deep"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, folder / "out" / "deep" / "index.html"


def test_the_terminal_shows_what_autograd_did(short) -> None:
    said, _ = short
    assert "1438 digits to learn from, 359 held out" in said
    assert re.search(r"held-out accuracy \d\d\.\d\d% after 3 epochs in \d+\.\d s", said)
    assert "NllLossBackward0\n`- LogSoftmaxBackward0\n   `- AddmmBackward0\n" in said
    assert re.search(r"0\.weight +512x64 +\d+\.\d{4} +0\.\d{6}\n", said)
    assert "Self CPU time total: " in said
    assert "\r" not in said, "a progress bar where there is no terminal"


def test_the_report_is_sound_html(short) -> None:
    page = parsed(short[1])
    text = "".join(page.text)
    assert page.count["h2"] == 6
    assert page.count["polyline"] == 2
    assert page.count["figure"] == 30
    assert "AddmmBackward0" in text
    assert "6.weight (10x256)" in text
    assert "nan" not in text.lower()
    assert "script" not in page.count


def test_every_picture_of_the_report_is_sound_svg(short) -> None:
    pictures = re.findall(r"<svg.*?</svg>", short[1].read_text(encoding="utf-8"), re.S)
    assert len(pictures) >= 2 + 30 + 1
    for picture in pictures:
        ElementTree.fromstring(picture)


def test_nothing_but_the_report_is_left(short) -> None:
    assert [p.name for p in short[1].parent.iterdir()] == ["index.html"]


def test_the_tour_is_the_same_each_time(short, tmp_path: Path, capsys) -> None:
    """One seed, one result: times apart, a second tour prints the same."""
    assert tour(str(tmp_path), epochs=3) == 0

    def steady(text: str) -> str:
        return re.sub(r"in \d+\.\d s", "", text.partition("Where one epoch")[0])

    assert steady(capsys.readouterr().out) == steady(short[0])


def test_the_whole_tour_learns_to_read(tmp_path: Path, capsys) -> None:
    assert tour(str(tmp_path), quiet=True) == 0
    said = re.search(r"held-out accuracy (\d\d\.\d\d)% after 40 epochs in (\d+\.\d) s", capsys.readouterr().out)
    assert said
    assert float(said[1]) >= 97.0
    assert float(said[2]) < 60.0
    parsed(tmp_path / "index.html")


@pytest.mark.parametrize("epochs", [0, -1])
def test_no_epochs(epochs: int, tmp_path: Path, capsys) -> None:
    assert tour(str(tmp_path / "none"), epochs=epochs) == 2
    assert "--epochs must be at least 1" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_report_that_can_not_be_written_is_said_first(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert tour(str(tmp_path / "file")) == 2
    said = capsys.readouterr()
    assert "can't write to" in said.err
    assert said.out == ""


def test_one_epoch_draws_a_point(tmp_path: Path) -> None:
    assert tour(str(tmp_path), epochs=1, quiet=True) == 0
    assert parsed(tmp_path / "index.html").count["circle"] == 1


# ---------------------------------------------------------------- parts
def test_the_digits() -> None:
    images, labels = digits()
    assert images.shape == (1797, 64)
    assert images.min() == 0
    assert images.max() == 1
    assert sorted(set(labels.tolist())) == list(range(10))


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.87, 0.99), (-3.2, 1.1), (2.0, 2.0), (-1e-9, 1e-9), (5.0, 12345.0)]
)
def test_ticks_are_few_round_and_wide_enough(low: float, high: float) -> None:
    marks = ticks(low, high)
    assert 2 <= len(marks) <= 7
    assert marks == sorted(set(marks))
    assert marks[0] <= low + 1e-6
    assert marks[-1] >= high - 1e-6


def test_a_chart_stays_in_its_frame() -> None:
    root = ElementTree.fromstring(curve("<loss>", [3.0, 1.0, 0.0, 2e-7], 4, color="#000", logarithmic=True))
    points = [p.split(",") for p in root.find("polyline").get("points").split()]
    assert all(0 <= float(x) <= 520 and 0 <= float(y) <= 260 for x, y in points)
