"""The graph of a module for TensorBoard: the calls that one run of it records, by module.

Nodes of the recorded graph become nodes of a GraphDef, named after the module in whose forward they
were recorded: `Net/Linear[fc1]/Addmm`. Which module that was, the clock of all calls tells.
"""

from __future__ import annotations

from typing import Any

from ...core import state
from ...core.tensor import Tensor
from ._wire import integer, message, text


def graph_def(model: Any, inputs: Any) -> bytes:
    """Run `model` on `inputs` (a tensor, or a tuple of arguments) and return the graph of the run.

    RuntimeError if nothing was recorded: no parameter and no input of floats is there.
    """
    args = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
    args = tuple(_leaf(x) if isinstance(x, Tensor) else x for x in args)
    scopes = _Scopes(model)
    before = state.set_grad_enabled(True)
    try:
        outputs = [t for t in _tensors(scopes.run(args)) if t.grad_fn is not None]
    finally:
        state.set_grad_enabled(before)
    if not outputs:
        raise RuntimeError(
            "add_graph shows what a run records, and this one recorded nothing: the model needs a "
            "parameter that requires grad, or an input of floats"
        )
    graph = _Graph(model, args, scopes)
    for k, output in enumerate(outputs):
        inner = graph.node_of(output.grad_fn)
        graph.add(f"output/output.{k + 1}", "IO Node", [inner], output)
    nodes = b"".join(message(1, node) for node in graph.made)
    return nodes + message(4, integer(1, 22))


def _leaf(x: Tensor) -> Tensor:
    made = x.detach()
    return made.requires_grad_() if x.is_floating_point() or x.is_complex() else made


def _tensors(value: Any) -> list[Any]:
    """All tensors of an output: a tensor, or containers of them."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [t for part in value for t in _tensors(part)]
    return []


class _Scopes:
    """Which module was running when: the times of all calls of modules below `model`."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.spans: list[tuple[int, int, str]] = []
        self.names = {module: _scope(model, path) for path, module in model.named_modules()}

    def run(self, args: tuple[Any, ...]) -> Any:
        started: list[int] = []

        def enter(module: Any, inputs: Any) -> None:
            started.append(state.tick())

        def leave(module: Any, inputs: Any, output: Any) -> None:
            self.spans.append((started.pop(), state.tick(), self.names[module]))

        handles = []
        for module in self.names:
            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(leave))
        try:
            return self.model(*args)
        finally:
            for handle in handles:
                handle.remove()

    def at(self, when: int) -> str:
        """The innermost module that ran at that time: the span that began last."""
        found = [(start, name) for start, end, name in self.spans if start < when < end]
        return max(found)[1] if found else type(self.model).__name__


def _scope(model: Any, path: str) -> str:
    """`Net/Sequential[body]/Linear[0]` for the path `body.0`."""
    names, module = [type(model).__name__], model
    for part in path.split(".") if path else ():
        module = getattr(module, part)
        names.append(f"{type(module).__name__}[{part}]")
    return "/".join(names)


class _Graph:
    """The nodes made so far, each after those that it reads."""

    def __init__(self, model: Any, args: tuple[Any, ...], scopes: _Scopes) -> None:
        self.scopes = scopes
        self.made: list[bytes] = []
        self.names: dict[Any, str] = {}  # node of the recorded graph -> name
        self.taken: dict[str, int] = {}
        self.leaves: dict[int, str] = {
            id(x): f"input/input.{k + 1}" for k, x in enumerate(args) if isinstance(x, Tensor)
        }
        for name, parameter in model.named_parameters():
            path, _, last = name.rpartition(".")
            self.leaves[id(parameter)] = f"{_scope(model, path)}/{last}"

    def add(self, name: str, op: str, inputs: list[str], shaped: Any = None) -> str:
        """Adds a node; a name that is taken gets a number."""
        count = self.taken[name] = self.taken.get(name, -1) + 1
        name = f"{name}_{count}" if count else name
        content = text(1, name) + text(2, op) + b"".join(message(3, i.encode()) for i in inputs)
        if shaped is not None:
            dims = b"".join(message(2, integer(1, n)) for n in shaped.shape)
            shapes = message(1, message(7, dims))  # an attribute that is a list of one shape
            content += message(5, text(1, "_output_shapes") + message(2, shapes))
        self.made.append(content)
        return name

    def node_of(self, root: Any) -> str:
        """The name of a recorded node; it and all that it depends on are added if need be."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node in self.names:
                stack.pop()
                continue
            below = [n for n, _ in node.next_functions if n is not None]
            missing = [n for n in below if n not in self.names]
            if missing:
                stack += missing
                continue
            stack.pop()
            self.names[node] = self._add_recorded(node, [self.names[n] for n in below])
        return self.names[root]

    def _add_recorded(self, node: Any, inputs: list[str]) -> str:
        if type(node).__name__ == "AccumulateGrad":
            leaf = node.variable
            name = self.leaves.get(id(leaf), "constant")
            op = "IO Node" if name.startswith("input/") else "Parameter"
            return self.add(name, op, [], leaf)
        op = type(node).__name__.rstrip("0123456789").removesuffix("Backward")
        return self.add(f"{self.scopes.at(node.seq)}/{op}", op, inputs)
