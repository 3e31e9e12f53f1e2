"""The recorded graph as data, text, Graphviz source and picture; gradient norms."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

import wengert as torch
from wengert.inspect import gradient_norms, graph_of, to_dot, to_svg, to_text

pytestmark = pytest.mark.wengert_only


@pytest.fixture
def product():
    """x * y + x, where x is used twice."""
    x = torch.ones(2, 3, requires_grad=True)
    y = torch.tensor(2.0, requires_grad=True)
    return x, y, (x * y + x).sum()


def test_the_boxes_of_a_graph(product) -> None:
    x, y, z = product
    boxes = graph_of(z, {"x": x, "y": y})
    assert [b.label for b in boxes[:3]] == ["SumBackward0", "AddBackward0", "MulBackward0"]
    assert sorted((b.label, b.detail) for b in boxes if b.leaf) == [("x", "2x3"), ("y", "scalar")]
    assert [b.key for b in boxes] == list(range(len(boxes)))
    by_name = {b.label: b for b in boxes}
    assert by_name["AddBackward0"].inputs == (by_name["MulBackward0"].key, by_name["x"].key)
    assert by_name["MulBackward0"].inputs == (by_name["x"].key, by_name["y"].key)


def test_a_call_comes_before_the_calls_it_used(product) -> None:
    boxes = graph_of(product[2])
    assert all(i > b.key for b in boxes if not b.leaf for i in b.inputs if not boxes[i].leaf)


def test_unnamed_leaves_and_constants(product) -> None:
    """A constant has no box: nothing flows to it."""
    x = product[0]
    boxes = graph_of((x * torch.ones(3) + 1.0).sum())
    assert [b.label for b in boxes] == ["SumBackward0", "AddBackward0", "MulBackward0", "leaf"]


def test_a_leaf_is_its_own_graph(product) -> None:
    x = product[0]
    assert to_text(x, {"x": x}) == "x (2x3)"


def test_several_outputs_share_one_box() -> None:
    x = torch.arange(6.0).requires_grad_()
    a, b = x.split(3)
    labels = [box.label for box in graph_of((a * b).sum())]
    assert labels == ["SumBackward0", "MulBackward0", "SplitBackward0", "leaf"]


def test_text(product) -> None:
    x, y, z = product
    assert to_text(z, {"x": x, "y": y}).splitlines() == [
        "SumBackward0",
        "`- AddBackward0",
        "   |- MulBackward0",
        "   |  |- x (2x3)",
        "   |  `- y (scalar)",
        "   `- x (2x3)",
    ]


def test_text_shows_a_shared_call_once() -> None:
    x = torch.ones(2, requires_grad=True)
    s = x.sin()
    assert to_text(s * s).splitlines() == [
        "MulBackward0", "|- SinBackward0", "|  `- leaf (2)", "`- SinBackward0 ^",
    ]  # fmt: skip


def test_text_is_limited() -> None:
    y = x = torch.ones(1, requires_grad=True)
    for _ in range(100):
        y = y.sin()
    lines = to_text(y, {"x": x}, limit=5).splitlines()
    assert lines[-1] == "... 101 nodes in all"
    assert len(lines) == 6


def test_a_shared_graph_of_exponential_paths_is_shown_in_one_pass() -> None:
    y = torch.ones(1, requires_grad=True)
    for _ in range(60):  # 2^60 paths
        y = y * y
    assert len(to_text(y, limit=1000).splitlines()) == 60 + 61
    assert to_svg(y).count("<rect") == 61


def test_a_deep_graph_needs_no_recursion() -> None:
    y = torch.ones(1, requires_grad=True)
    for _ in range(20_000):
        y = y + 1.0
    assert len(graph_of(y)) == 20_001


def test_looking_changes_nothing(product) -> None:
    x, _, z = product
    for show in (graph_of, to_text, to_dot, to_svg):
        show(z)
    z.backward()
    assert x.grad.tolist() == [[3.0] * 3] * 2
    assert to_text(z).startswith("SumBackward0"), "the shape of a spent graph can still be seen"


def test_dot(product) -> None:
    x, y, z = product
    source = to_dot(z, {"x": x, 'the "y"': y})
    assert source.startswith("digraph {")
    assert source.count("->") == 5
    assert '[label="x\\n(2x3)", shape=box]' in source
    assert r'the \"y\"' in source
    assert len(re.findall(r"^  n\d+ \[label=", source, re.M)) == 5


def test_svg(product) -> None:
    x, y, z = product
    root = ElementTree.fromstring(to_svg(z, {"x": x, "y<1>": y}))
    ns = "{http://www.w3.org/2000/svg}"
    assert sorted(t.text for t in root.iter(ns + "text")) == [
        "AddBackward0", "MulBackward0", "SumBackward0", "x (2x3)", "y<1> (scalar)",
    ]  # fmt: skip
    assert len(root.findall(ns + "path")) == 5
    width, height = int(root.get("width")), int(root.get("height"))
    frames = [[float(r.get(k)) for k in ("x", "y", "width", "height")] for r in root.iter(ns + "rect")]
    for left, top, w, h in frames:
        assert 0 <= left <= left + w <= width
        assert 0 <= top <= top + h <= height
    for k, (ax, ay, aw, ah) in enumerate(frames):  # no box lies on another
        for bx, by, bw, bh in frames[:k]:
            assert ax + aw <= bx or bx + bw <= ax or ay + ah <= by or by + bh <= ay


def test_svg_has_room_for_long_names() -> None:
    logits = torch.zeros(2, requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.ones(2))
    root = ElementTree.fromstring(to_svg(loss, {"the_logits_of_a_model_with_a_very_long_name.weight": logits}))
    ns = "{http://www.w3.org/2000/svg}"
    for group in root.iter(ns + "g"):
        text, box = group.find(ns + "text").text, group.find(ns + "rect")
        assert len(text) * 6.5 < float(box.get("width"))
    assert "BinaryCrossEntropyWithLogitsBackward0" in to_svg(loss)


def test_svg_refuses_what_nobody_could_read() -> None:
    y = torch.ones(1, requires_grad=True)
    for _ in range(50):
        y = y + 1.0
    with pytest.raises(ValueError, match=r"51 nodes.*up to 40"):
        to_svg(y, limit=40)


@pytest.mark.parametrize("show", [graph_of, to_text, to_dot, to_svg])
def test_no_graph(show) -> None:
    with pytest.raises(RuntimeError, match=r"no graph to show.*shape \[2\].*does not require grad"):
        show(torch.ones(2))


def test_gradient_norms() -> None:
    model = torch.nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, 4.0]]))
        model.bias.zero_()
    before = gradient_norms(model.named_parameters())
    assert [(n, s, v) for n, s, v, _ in before] == [("weight", (1, 2), 5.0), ("bias", (1,), 0.0)]
    assert all(math.isnan(g) for *_, g in before)
    model(torch.tensor([[6.0, 8.0]])).sum().backward()
    assert [g for *_, g in gradient_norms(model.named_parameters())] == [10.0, 1.0]


def test_a_wrong_name_is_explained() -> None:
    with pytest.raises(AttributeError, match=r"to_svgg.*to_svg"):
        torch.inspect.to_svgg
