"""An op is one row: its kernel, its rules and its kind. Every transform reads this row.

A *rule* is one line of calculus whose parameter names are its save list:

    g            the cotangent arriving at the output (in the jvp reading: the tangent of that input)
    x, y, ...    the input of that name: it is kept for backward
    out          the result: it is kept
    x_spec       the shape and dtype of an input: only its Spec is kept
    dim, ...     a parameter of the op
    xp           the namespace of g: kernels over arrays, or the same names over tensors
    need         which inputs want a cotangent (joint rules)

The same text is read over raw arrays (backward), over tensors (create_graph) and over duals
(forward mode). Complex cotangents inside are transposes without conjugation: the engine
conjugates once at the roots and once at the leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .cold import evaluate
from .node import Node, Parts, Spent
from .spec import spec_of
from .tensor import Tensor, attach, extra_of, storage_of

ndarray = np.ndarray


class Space:
    """A namespace that rules compute in; ops add their names to it.

    It has no `__getattr__`: that would slow every `xp.name` of every rule. Only type checkers see one.
    """

    _label: str
    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, label: str) -> None:
        self.__dict__["_label"] = label

    def __repr__(self) -> str:
        return f"<{self._label}>"


ARRAYS = Space("kernels over arrays")
TENSORS = Space("ops over tensors")
TABLE: dict[str, Op] = {}  # every op by name: what the tests, the docs and the tools read


def space(g: Any) -> Space:
    """Return the namespace of a cotangent."""
    if g.__class__ is ndarray:
        return ARRAYS
    if isinstance(g, Tensor):
        return TENSORS
    if isinstance(g, Parts):
        return space(g.any())
    return ARRAYS


class Op:
    """A primitive: one row of the table."""

    def __init__(
        self,
        kind: str,
        schema: str,
        kernel: Callable,
        rules: dict[str, Callable],
        *,
        outputs: int | str = 1,
        batch: Callable | None = None,
        jvp: Callable | None = None,
        view: bool = False,
        node: str | Callable | None = None,
        saved: dict[str, str] | None = None,
        promote: str | None = None,
        skip: tuple[str, ...] = (),
        copy_out: bool = False,
        parts: tuple[int, ...] | None = None,
    ) -> None:
        name, _, args = schema.rstrip(")").partition("(")
        head, _, tail = args.partition("*, ")
        if head.startswith("*"):  # "cat(*xs, dim)"
            head, _, tail = head.partition(",")
        self.kind, self.name, self.kernel, self.schema = kind, name, kernel, schema
        self.outputs, self.batch, self.jvp, self.view = outputs, batch, jvp, view
        self.promote, self.saved_names, self.copy_out = promote, saved or {}, copy_out
        self.parts = parts
        self.variadic = head.strip().startswith("*")
        raw = [a.strip().lstrip("*") for a in head.split(",") if a.strip()]
        self.inputs = [a.rstrip("?") for a in raw]
        self.optional = [a.endswith("?") for a in raw]
        self.params = [p.partition("=")[0].strip() for p in tail.split(",") if p.strip()]
        self.skip = frozenset(self.inputs.index(s) for s in skip)
        self.nodename: Any = self._node_namer(node)
        self._read_rules(rules)
        self.spent = Spent(self)
        self.places: Any = None  # where nodes keep saved tensors; `packed` fills it in
        self.call: Callable = self._call  # the function that the table offers: its fast path
        self.pull: Callable = self._first_pull
        self.pull_t: Callable = self._first_pull_t
        self.fitted = Fitted(self) if kind == "elementwise" and self.differentiable else None

    def _call(self, *args: Any) -> Any:
        from .cold import bind

        count = len(self.inputs)
        return bind(self, args[:count], args[count:])

    def _node_namer(self, node: str | Callable | None) -> Any:
        if node is None:
            return "".join(p[:1].upper() + p[1:] for p in self.name.split("_")) + "Backward0"
        if isinstance(node, str):
            return node
        return lambda n: node(n.rest)

    def _read_rules(self, rules: dict[str, Callable]) -> None:
        self.rules: list[tuple[tuple[int, ...], Callable, tuple[str, ...]]] = []
        wanted: dict[str, None] = {}
        specs = [i + "_spec" for i in self.inputs]
        allowed = {"g", "xp", "out", "need", *self.inputs, *specs, *self.params}
        for key, rule in rules.items():
            where = tuple(self._input_index(k.strip()) for k in key.split(","))
            names = rule.__code__.co_varnames[: rule.__code__.co_argcount]
            for p in names:
                if p not in allowed:
                    raise TypeError(
                        f"{self.schema}: the rule for {key!r} asks for {p!r}; it may name g, xp, "
                        f"need, out, {', '.join([*self.inputs, *specs, *self.params])}"
                    )
            self.rules.append((where, rule, names))
            wanted.update(dict.fromkeys(names))
        self.differentiable = bool(rules)
        self.saves = [i for i in self.inputs if i in wanted]
        self.saves_out = "out" in wanted
        self.saves_any = bool(self.saves) or self.saves_out
        self.keep_x = "x" in self.saves
        self.keep_y = "y" in self.saves
        self.kept = [p for p in wanted if p in self.params or p in specs]
        if self.nodename.__class__ is not str:  # the public name depends on the parameters
            self.kept = [*self.params, *(p for p in self.kept if p not in self.params)]
        self._rest_plan = [
            (True, self.params.index(p)) if p in self.params else (False, specs.index(p))
            for p in self.kept
        ]
        self.has_rest = bool(self.kept)
        # what is needed when only the other operand of a binary op wants a gradient
        self.needs = [
            {p for where, _, names in self.rules if i in where for p in names}
            for i in range(len(self.inputs))
        ]

    def _input_index(self, name: str) -> int:
        if name not in self.inputs:
            raise TypeError(f"{self.schema}: there is no input {name!r} to give a rule for")
        return self.inputs.index(name)

    def rest(self, args: Sequence, params: tuple) -> tuple:
        """Return the parameters and specs that the rules name (compiled when first asked for)."""
        items = []
        for is_param, k in self._rest_plan:
            if is_param:
                items.append(f"params[{k}]")
            elif self.variadic:
                items.append("tuple([a._spec for a in args])")
            elif self.optional[k]:
                items.append(f"None if args[{k}] is None else args[{k}]._spec")
            else:
                items.append(f"args[{k}]._spec")
        scope: dict[str, Any] = {}
        source = f"def rest(args, params): return ({', '.join(items)},)"
        exec(compile(source, f"<saved by {self.name}>", "exec"), scope)
        self.rest = scope["rest"]  # type: ignore[method-assign]
        return self.rest(args, params)

    # -------------------------------------------------------------- pulls
    def _first_pull(self, n: Node, g: Any) -> Any:
        self.pull = self._compile_pull(raw=True)
        return self.pull(n, g)

    def _first_pull_t(self, n: Node, g: Any) -> Any:
        self.pull_t = self._compile_pull(raw=False)
        return self.pull_t(n, g)

    def _given(self, raw: bool) -> dict[str, str]:
        """For every name that a rule may ask for, the expression that finds it on the node."""
        give = {"g": "g", "xp": "space(g)", "out": "n.out" if raw else "made_by(n)"}
        count = len(self.inputs)
        for k, i in enumerate(self.inputs):
            slot = f"n.x[{k}]" if count > 2 else "n.x" if k == 0 else "n.y"
            if self.variadic:
                give[i] = "[t._array for t in n.x]" if raw else "[at(t, e) for t, e in zip(n.x, n.edges)]"
            elif self.optional[k]:
                give[i] = f"(None if {slot} is None else " + (
                    f"{slot}._array)" if raw else f"at({slot}, n.edges[{k}]))"
                )
            else:
                give[i] = f"{slot}._array" if raw else f"at({slot}, n.edges[{k}])"
        for j, p in enumerate(self.kept):
            give[p] = f"n.rest[{j}]"
        give["need"] = (
            "[e is not None for e in n.edges]"
            if self.variadic
            else f"({', '.join(f'e{k} is not None' for k in range(count))},)"
        )
        return give

    def _compile_pull(self, raw: bool) -> Callable:
        """Write `pull(node, g)`: one cotangent per edge, each rule handed exactly what it names."""
        give = self._given(raw)
        scope: dict[str, Any] = {"__name__": __name__, "space": space, "made_by": made_by, "at": at, "zip": zip}
        count = len(self.inputs)
        lines = ["def pull(n, g):"]
        if self.variadic:
            (_, rule, names), scope["v0"] = self.rules[0], self.rules[0][1]
            lines.append(f"    return v0({', '.join(give[p] for p in names)})")
        elif all(len(where) == 1 for where, _, _ in self.rules):
            result = ["None"] * count
            for j, (where, rule, names) in enumerate(self.rules):
                scope[f"v{j}"] = rule
                k = where[0]
                call = f"v{j}({', '.join(give[p] for p in names)})"
                result[k] = call if count == 1 else f"None if e{k} is None else {call}"
            if count > 1:
                lines.append(f"    {', '.join(f'e{k}' for k in range(count))}, = n.edges")
            lines.append(f"    return ({', '.join(result)},)")
        else:
            named = ", ".join(f"e{k}" for k in range(count))
            lines.append(f"    {named}, = n.edges")
            if len(self.rules) == 1 and len(self.rules[0][0]) == count:
                scope["v0"] = self.rules[0][1]
                lines.append(f"    return v0({', '.join(give[p] for p in self.rules[0][2])})")
            else:
                lines.append(f"    {' = '.join(f'c{k}' for k in range(count))} = None")
                for j, (where, rule, names) in enumerate(self.rules):
                    scope[f"v{j}"] = rule
                    call = f"v{j}({', '.join(give[p] for p in names)})"
                    target = ", ".join(f"c{k}" for k in where)
                    test = " or ".join(f"e{k} is not None" for k in where)
                    lines.append(f"    if {test}: {target} = {call}")
                lines.append(f"    return {', '.join(f'c{k}' for k in range(count))},")
        exec(compile("\n".join(lines), f"<backward of {self.name}>", "exec"), scope)
        return scope["pull"]

    # -------------------------------------------------------------- looking
    def saved_attribute(self, n: Node, name: str) -> Any:
        """Return what a node saved under PyTorch's name (`self`, `other`, `result`) or ours."""
        from .inplace import check_saved

        check_saved(n)
        for k, i in enumerate(self.inputs):
            public = ("self", "other", "third")[min(k, 2)]
            if name in (self.saved_names.get(i, public), i) and i in self.saves:
                t = n.x if len(self.inputs) <= 2 and k == 0 else n.y if len(self.inputs) <= 2 else n.x[k]
                return t if t is None else at(t, n.edges[k])
        if name in (self.saved_names.get("out", "result"), "out") and self.saves_out:
            return made_by(n)
        if name in self.kept:
            return n.rest[self.kept.index(name)]
        raise AttributeError(f"{n.name()!r} object has no attribute '_saved_{name}'")

    evaluate = evaluate  # (args, params): run and record one call, past every mode

    def __repr__(self) -> str:
        return f"<op {self.schema}>"


class Fitted:
    """An elementwise op after broadcasting or promotion.

    The same rules; each cotangent is then summed and cast back to its input's spec.
    """

    def __init__(self, op: Op) -> None:
        self.op, self.name, self.nodename = op, op.name, op.nodename
        self.saves, self.saves_any, self.saves_out = op.saves, op.saves_any, op.saves_out
        self.inputs, self.variadic, self.copy_out = op.inputs, False, op.copy_out
        self.spent = op.spent
        self.saved_attribute = op.saved_attribute

    def pull(self, n: Node, g: Any) -> list:
        return [
            None if c is None else fit(c, s)
            for c, s in zip(self.op.pull(n, g), n.fit, strict=False)
        ]

    def pull_t(self, n: Node, g: Any) -> list:
        return [
            None if c is None else fit(c, s)
            for c, s in zip(self.op.pull_t(n, g), n.fit, strict=False)
        ]


def fit(g: Any, spec: Any) -> Any:
    """Undo broadcasting and promotion: sum and cast a cotangent to the spec of its input."""
    shape = g.shape
    target = spec.shape
    if shape != target:
        lead = len(shape) - len(target)
        dims = tuple(range(lead)) + tuple(
            i + lead for i, m in enumerate(target) if m == 1 and shape[i + lead] != 1
        )
        xp = space(g)
        if len(dims) == len(shape) and not target:
            g = xp.sum(g, None, False)
        else:
            g = xp.sum(g, dims, True) if dims else g
            if lead:
                g = xp.reshape(g, target)
    if isinstance(g, Tensor):
        return g if g._spec.dtype is spec.dtype else TENSORS.cast(g, spec.dtype)
    return g if g.dtype == spec.np else ARRAYS.cast(g, spec.dtype)


def at(t: Tensor, edge: Node | None) -> Tensor:
    """Return a saved input as it was when recorded, whatever has since become of its edge."""
    return t if t._edge is edge else share(t, edge)


def share(t: Tensor, edge: Node | None = None) -> Tensor:
    """Return another tensor object over the same value, with its own edge; writes to one are seen."""
    other = t._share(edge)
    extra_of(other).storage = storage_of(t)
    return other


def made_by(n: Node) -> Any:
    """Return the saved result as a tensor that again hangs on the node that made it."""
    out = n.out
    if n.op.copy_out and out.__class__ is ndarray:
        out = out.copy()
    n = n.original or n
    if out.__class__ is tuple:
        from .node import port

        count = len(out)
        return tuple(None if o is None else _hang(o, port(n, k, count)) for k, o in enumerate(out))
    return _hang(out, n)


def _hang(out: Any, edge: Node) -> Tensor:
    if isinstance(out, Tensor):
        return share(out, edge)
    t = attach(out, spec_of(out), edge)
    storage_of(t)  # that of the result itself, so that later writes to that are noticed
    return t

