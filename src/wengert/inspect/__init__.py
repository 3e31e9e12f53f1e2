"""Looking at tensors and graphs: printing, the graph as text and picture, gradient norms.

>>> import wengert as torch
>>> x = torch.ones(2, requires_grad=True)
>>> print(torch.inspect.to_text((x * x).sum(), {"x": x}))
SumBackward0
`- MulBackward0
   |- x (2)
   `- x (2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .graph import Box, gradient_norms, graph_of, to_dot, to_text
    from .picture import to_svg

_WHERE = {
    "Box": "graph",
    "gradient_norms": "graph",
    "graph_of": "graph",
    "to_dot": "graph",
    "to_svg": "picture",
    "to_text": "graph",
}
__all__ = ["Box", "gradient_norms", "graph_of", "to_dot", "to_svg", "to_text"]


def __getattr__(name: str) -> Any:
    """Load the drawing functions when they are touched: tensors need printing alone."""
    if name in _WHERE:
        import importlib

        value = globals()[name] = getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
        return value
    from .._missing import explain

    raise AttributeError(explain(name, _WHERE, __name__))


def __dir__() -> list[str]:
    return [*__all__, "graph", "picture", "printing"]
