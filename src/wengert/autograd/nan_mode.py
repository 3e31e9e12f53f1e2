"""debug_nans: stop at the first call, forward or backward, that makes a NaN (or an Inf).

A mode looks at the results of calls and a watcher at those of backward. Nobody pays while it is off.
"""

from __future__ import annotations

from math import isfinite, isnan
from typing import Any

import numpy as np

from ..core import inplace, state
from ..core.dual import innermost
from ..core.node import PORT, Node, Parts, public_name
from ..core.tensor import Tensor
from . import places, watch
from .grad_mode import _Switch
from .places import running
from .watch import counts


class _Calls(state.Mode):
    """Looks at the result of every call."""

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        result = self.forward(op, args, params)
        for r in result if isinstance(result, tuple) else (result,):
            if isinstance(r, Tensor) and r._spec.dtype.category >= 2:
                what = _found(innermost(r))
                if what is not None and not (what == "inf" and _has_inf(args, params)):
                    raise _made_by_call(op, args, r, what)
        return result


class _Runs(watch.Watcher):
    """Looks at what every node passes on."""

    def run(self, node: Node, g: Any, create: bool) -> Any:
        outside = running.node
        running.node = node
        try:
            contributions = super().run(node, g, create)
        finally:
            running.node = outside
        if node.op is not PORT:
            for k, (c, edge) in enumerate(zip(contributions, node.edges)):
                if edge is not None and c is not None:
                    what = _found_in(c)
                    if what is not None and not (what == "inf" and _found_in(g) == "inf"):
                        raise _made_by_backward(node, g, k, c, what)
        return contributions


_calls, _runs = _Calls(), _Runs()
_on = False  # are they watching?
_inf = False  # do they look for Inf too?


def _found(a: Any) -> str | None:
    """Return "nan" or "inf" if an array has one that is looked for."""
    if a.dtype.char in "fd":  # without temporaries, and exact where it says that all is well
        square = np.vdot(a, a)
        if isfinite(square) or not (_inf or isnan(square)):
            return None
    if a.dtype.kind not in "fc":
        return None
    if np.isnan(a).any():
        return "nan"
    return "inf" if _inf and np.isinf(a).any() else None


def _found_in(c: Any) -> str | None:
    if isinstance(c, Parts):
        found = {_found_in(i) for i in c.items if i is not None}
        return "nan" if "nan" in found else "inf" if "inf" in found else None
    return _found(innermost(c) if isinstance(c, Tensor) else np.asarray(c))


def _has_inf(args: Any, params: tuple) -> bool:
    """Return True if an Inf was given, so that the call has not made it."""
    for a in (*args, *params):
        if isinstance(a, Tensor):
            if a._spec.dtype.category >= 2 and np.isinf(innermost(a)).any():
                return True
        elif isinstance(a, float) and not isfinite(a):
            return True
    return False


def _made_by_call(op: Any, args: tuple, result: Tensor, what: str) -> FloatingPointError:
    names = list(op.inputs) if len(op.inputs) == len(args) else [str(k) for k in range(len(args))]
    given = [
        (name, a)
        for name, a in zip(names, args, strict=True)
        if isinstance(a, Tensor | int | float)
    ]
    guilty = [n for n, a in given if isinstance(a, Tensor) and _found(innermost(a)) == what]
    verb = "passed on" if guilty else "made"
    lines = [f"{op.name}() {verb} {what}{_at_caller()}", f"  result: {_range(result)}"]
    lines += [f"  input {n}: {_range(a) if isinstance(a, Tensor) else a}" for n, a in given]
    if guilty:
        lines.append(f"  The {what} was already in {', '.join(guilty)}.")
    node = running.node
    if node is not None:
        lines.append(f"  This is a part of the backward of {_name_and_place(node)}")
    return FloatingPointError("\n".join(lines))


def _made_by_backward(node: Node, g: Any, k: int, c: Any, what: str) -> FloatingPointError:
    inputs = getattr(getattr(node.op, "op", node.op), "inputs", ())
    name = inputs[k] if len(inputs) == len(node.edges) else str(k)
    verb = "passed on" if _found_in(g) == what else "made"
    return FloatingPointError(
        f"the backward of {_name_and_place(node)}\n"
        f"  {verb} {what}{_at_caller()}\n"
        f"  gradient of input {name}: {counts(c)}\n"
        f"  gradient that arrived: {counts(g)}"
    )


def _name_and_place(node: Node) -> str:
    line = places.line(node.seq)
    return f"{public_name(node)}, " + (
        "a call that was made before debug_nans was on" if line is None else f"called at {line}"
    )


def _at_caller() -> str:
    frame = inplace.caller()
    return "" if frame is None else f" at {places.described(*frame)}"


def _range(t: Tensor) -> str:
    a = innermost(t)
    text = counts(t)
    if a.size and a.dtype.kind in "iuf" and not np.isnan(a).all():
        text += f", from {np.nanmin(a):.6g} to {np.nanmax(a):.6g}"
    return text


def _set(on: bool, inf: bool) -> None:
    global _on, _inf
    if on != _on:
        places.note_places(on)
        if on:
            state.push_mode(_calls)
            watch.push(_runs)
        else:
            state.pop_mode(_calls)
            watch.pop(_runs)
    _on, _inf = on, inf


class debug_nans(_Switch):
    """Raise FloatingPointError at the first call that makes a NaN, forward or backward.

    The error names the operation, the line that called it (for backward also the line of the
    forward call) and the inputs. It works at once as a function, for a block as a context manager,
    or for a function as a decorator; `debug_nans(False)` exempts a block.

    inf  look for infinite values too, where no input was infinite

    >>> import wengert as torch
    >>> x = torch.tensor([1., -1.])
    >>> try:
    ...     with torch.autograd.debug_nans():
    ...         torch.log(x)
    ... except FloatingPointError as error:
    ...     print(str(error)[:14])
    log() made nan
    """

    def __init__(self, mode: bool = True, *, inf: bool = False) -> None:
        self.mine, self.before = (bool(mode), bool(inf)), (_on, _inf)
        _set(*self.mine)

    def clone(self) -> debug_nans:
        """Return a fresh switch of the same settings."""
        return debug_nans(self.mine[0], inf=self.mine[1])

    def __call__(self, orig_func: Any) -> Any:
        """Decorate: the function runs inside the block."""
        _set(*self.before)
        return super().__call__(orig_func)

    def __enter__(self) -> None:
        _set(*self.mine)

    def __exit__(self, *exc: object) -> None:
        _set(*self.before)


__all__ = ["debug_nans"]
