"""Views: how to get from a base to its view and back, and what a write does to both histories.

A view knows its base and the *chain* of (op, params, output number) that leads to it. When it is
written, the history of its base becomes `the old base with this slice replaced` (CopySlices), and
every live view of that base gets an edge that replays its chain on the new base.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import errors
from .node import LEAF, Node, hooks_of, poisoned
from .op import ARRAYS, TENSORS, Op
from .state import tick
from .tensor import Storage, Tensor

new = object.__new__

_NO_GRAD_VIEW = (
    "A view was created in no_grad mode and is being modified inplace with grad mode enabled. "
    "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your "
    "code by moving both the view and the inplace either both inside the no_grad block (if you "
    "don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
)
_FUNCTION_VIEW = (
    " This view was created inside a custom Function (or because an input was returned as-is) and "
    "the autograd logic to handle view+inplace would override the custom backward associated with "
    "the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix "
    "this by cloning the output of the custom Function."
)
_MULTI_VIEW = (
    " This view is the output of a function that returns multiple views. Such functions do not "
    "allow the output views to be modified inplace. You should replace the inplace operation by "
    "an out-of-place one."
)


def follow(array: Any, chain: tuple) -> Any:
    """Return the view of an array at the end of a chain of (op, params, output number)."""
    for op, params, k in chain:
        array = op.kernel(array, *params)
        if k is not None:
            array = array[k]
    return array


def follow_tensor(t: Tensor, chain: tuple) -> Tensor:
    """The same over tensors, recorded."""
    from .record import bind

    for op, params, k in chain:
        v = bind(op, (t,), params)
        t = v if k is None else v[k]
    return t


def _unreplay_kernel(g: Any, spec: Any, chain: tuple) -> Any:
    out = np.zeros(spec.shape, g.dtype if g.dtype.kind == "c" or spec.np.kind != "c" else spec.np)
    out, view = _viewed(out, chain)
    if _overlaps(view):  # expand, unfold: elements that the view shows several times add up
        where = follow(np.arange(out.size).reshape(out.shape), chain)
        np.add.at(out.reshape(-1), where, g)
    else:
        view[...] = g
    return out


def _overlaps(a: np.ndarray) -> bool:
    """True if some elements of an array may share memory."""
    reach = 0
    for stride, n in sorted((abs(s), n) for s, n in zip(a.strides, a.shape, strict=True)):
        if n > 1:
            if stride <= reach:
                return True
            reach += stride * (n - 1)
    return False


def _cut_kernel(g: Any, chain: tuple) -> Any:
    out, view = _viewed(np.array(g, order="C"), chain)
    view[...] = 0
    return out


def _viewed(array: Any, chain: tuple) -> tuple[Any, Any]:
    """Return (array, its view): a base in column order may only be viewed in column order."""
    try:
        return array, follow(array, chain)
    except RuntimeError:
        array = np.asfortranarray(array)
        return array, follow(array, chain)


# a view of the new base, for views whose base was written in place
REPLAY = Op(
    "linear", "replay(x, *, chain)", lambda x, chain: np.array(_viewed(np.ascontiguousarray(x), chain)[1]),
    {"x": lambda xp, g, x_spec, chain: xp.unreplay(g, x_spec, chain)}, node="AsStridedBackward0",
)  # fmt: skip
UNREPLAY = Op(
    "linear", "unreplay(x, *, spec, chain)", _unreplay_kernel,
    {"x": lambda xp, g, chain: xp.replay(g, chain)}, node="AsStridedBackward0",
)  # fmt: skip
CUT = Op(
    "linear", "cut(x, *, chain)", _cut_kernel, {"x": lambda xp, g, chain: xp.cut(g, chain)},
    node="CopySlices",
)  # fmt: skip
SLICES = Op(
    "linear", "copy_slices(x, y, *, chain)", lambda x, y, chain: x,
    {"x": lambda xp, g, chain: xp.cut(g, chain), "y": lambda xp, g, chain: xp.replay(g, chain)},
    node="CopySlices",
)  # fmt: skip


def _shown_edges(n: Node) -> list:
    """What users see below CopySlices: the old base, then what the written value came from."""
    base, value = n.edges
    others = () if value is None else value.edges[1:]
    return [base, *(e for e in others if e is not None)]


SLICES.shown_edges = _shown_edges  # type: ignore[attr-defined]


def register() -> None:
    from .record import bind

    for op in (REPLAY, UNREPLAY, CUT):
        setattr(ARRAYS, op.name, op.kernel)
        setattr(TENSORS, op.name, lambda x, *params, op=op: bind(op, (x,), params))


def rebase(base: Tensor, chain: tuple, edge: Node | None, storage: Storage) -> None:
    """A view was written: the base's history becomes `the old base with this slice replaced`."""
    n = new(Node)
    n.op, n.edges, n.seq, n.hooks = SLICES, (base._edge, edge), tick(), None
    n.rest = (chain,)
    if base._edge is None and edge is None:
        return
    move(base, n)
    refresh(base, storage)


def refresh(base: Tensor, storage: Storage) -> None:
    """Give every live view of a base that was written an edge that replays it."""
    if not storage.views:
        return
    for ref in storage.views:
        v = ref()
        if v is None or v._ext is None or v._ext.base is not base:
            continue
        if v._edge is not None and v._edge.op is LEAF:
            continue
        if base._edge is None:
            move(v, None)
        elif v._ext.creation and v._ext.creation != "no_grad":
            what = "its base or another view of its base has been modified inplace."
            v._edge = poisoned(refused(v, what))
        else:
            n = new(Node)
            n.op, n.edges, n.seq, n.hooks = REPLAY, (base._edge,), tick(), None
            n.rest = REPLAY.rest((base,), (v._ext.chain,))
            move(v, n)


def move(t: Tensor, edge: Node | None) -> None:
    """Give a tensor another edge; the wish to retain its gradient moves along."""
    before = t._edge
    t._edge = edge
    x = t._ext
    if x is None or not x.retains or edge is before:
        return
    if before is not None and before.hooks is not None:
        before.hooks.release(t)
    if edge is None or edge.op is LEAF:
        x.retains = False
    else:
        hooks_of(edge).retain(t)


def refused(t: Tensor, what: str) -> str:
    """Say why a view can't be written; its `creation` is "no_grad", "multi k", "function Name k"
    or "functions Name k" (several outputs)."""
    x: Any = t._ext
    if x.creation == "no_grad":
        return f"{_NO_GRAD_VIEW} The view is a {errors.described(t)}."
    kind, *rest = x.creation.split()
    if kind == "multi":
        name, k = public_op_name(x.chain[-1][0]), rest[0]
    else:
        name, k = rest
    reason = _FUNCTION_VIEW if kind == "function" else _MULTI_VIEW
    return f"Output {k} of {name} is a view and {what}{reason} It is a {errors.described(t)}."


def public_op_name(op: Any) -> str:
    """Return the name of an op as messages have it: Split, Unbind ..."""
    name = op.nodename if op.nodename.__class__ is str else op.name.capitalize()
    return str(name).removesuffix("0").removesuffix("Backward")
