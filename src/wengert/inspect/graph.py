"""The recorded graph as data, as text and as Graphviz source.

`graph_of(t)` walks the edges below a tensor once; the pictures are drawn from what it returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..core.node import LEAF, PORT, Node, public_name
from ..core.tensor import Tensor


class Box(NamedTuple):
    """One node of the picture: a recorded call or a leaf."""

    key: int
    label: str
    detail: str
    leaf: bool
    inputs: tuple[int, ...]


def graph_of(tensor: Tensor, names: Mapping[str, Tensor] | None = None) -> list[Box]:
    """Return the graph below a tensor, each call before the calls it used (latest first).

    names  what leaves are called, such as `dict(model.named_parameters())`

    >>> import wengert as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> [b.label for b in graph_of((x * x).sum(), {"x": x})]
    ['SumBackward0', 'MulBackward0', 'x']
    """
    if tensor._edge is None:
        raise RuntimeError(
            f"there is no graph to show: the tensor of shape {list(tensor.shape)} does not require grad"
        )
    known = {id(t._edge): n for n, t in (names or {}).items() if t._edge is not None}
    keys: dict[Node, int] = {}
    boxes: list[Box] = []
    seen: set[Node] = set()
    stack = [_main(tensor._edge)]
    order: list[Node] = []
    while stack:
        n = stack.pop()
        if n in seen:
            continue
        seen.add(n)
        order.append(n)
        stack += [_main(e) for e in n.edges if e is not None]
    order.sort(key=lambda n: -n.seq)
    for n in order:
        keys[n] = len(keys)
    for n in order:
        inputs = tuple(keys[_main(e)] for e in n.edges if e is not None)
        if n.op is LEAF:
            name = known.get(id(n), "leaf")
            boxes.append(Box(keys[n], name, "x".join(map(str, n.rest.shape)) or "scalar", True, inputs))
        else:
            boxes.append(Box(keys[n], public_name(n), "", False, inputs))
    return boxes


def _main(edge: Node) -> Node:
    return edge.edges[0] if edge.op is PORT else edge


def to_text(tensor: Tensor, names: Mapping[str, Tensor] | None = None, limit: int = 200) -> str:
    """Return the graph below a tensor as an indented tree; what was shown before is marked `^`.

    limit  how many lines at the most

    >>> import wengert as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> print(to_text((x * x).sum(), {"x": x}))
    SumBackward0
    `- MulBackward0
       |- x (2)
       `- x (2)
    """
    boxes = graph_of(tensor, names)
    lines: list[str] = []
    shown: set[int] = set()
    stack: list[tuple[int, str, str]] = [(0, "", "")]
    while stack:
        key, lead, below = stack.pop()
        if len(lines) >= limit:
            lines.append(f"... {len(boxes)} nodes in all")
            break
        box = boxes[key]
        again = key in shown and not box.leaf
        detail = f" ({box.detail})" if box.leaf else " ^" if again else ""
        lines.append(f"{lead}{box.label}{detail}")
        if again:
            continue
        shown.add(key)
        last = len(box.inputs) - 1
        for k, i in reversed(list(enumerate(box.inputs))):
            mark, bar = ("`- ", "   ") if k == last else ("|- ", "|  ")
            stack.append((i, below + mark, below + bar))
    return "\n".join(lines)


def to_dot(tensor: Tensor, names: Mapping[str, Tensor] | None = None) -> str:
    """Return the graph below a tensor as Graphviz source text.

    >>> import wengert as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> "n1 -> n0" in to_dot(x.sum(), {"x": x})
    True
    """
    lines = ["digraph {", '  rankdir="LR";']
    for b in graph_of(tensor, names):
        label = b.label.replace("\\", "\\\\").replace('"', '\\"')
        label = f"{label}\\n({b.detail})" if b.leaf else label
        shape = "box" if b.leaf else "ellipse"
        lines.append(f'  n{b.key} [label="{label}", shape={shape}];')
        lines += [f"  n{i} -> n{b.key};" for i in b.inputs]
    return "\n".join([*lines, "}"])


def gradient_norms(parameters: Any) -> list[tuple[str, tuple[int, ...], float, float]]:
    """Return (name, shape, norm of the value, norm of the gradient) of named parameters.

    A parameter without a gradient has the norm nan.
    """
    rows = []
    for name, p in parameters:
        g = p._grad
        rows.append(
            (name, tuple(p.shape), float(p.detach().norm()), float("nan") if g is None else float(g.norm()))
        )
    return rows
