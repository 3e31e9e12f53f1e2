"""Views: how to get from a base to its view and back, and what a write does to both histories.

A view knows its base and the *chain* of (op, params, output number) that leads to it. When it is
written, the history of its base becomes `the old base with this slice replaced` (CopySlices), and
every live view of that base gets an edge that replays its chain on the new base.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import errors
from .batching import composed
from .node import LEAF, Node, hooks_of, poisoned
from .op import ARRAYS, TENSORS, Op
from .state import tick
from .tensor import Storage, Tensor, wrap

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
    from .cold import bind

    for op, params, k in chain:
        v = bind(op, (t,), params)
        t = v if k is None else v[k]
    return t


class _Laid:
    """The first step of the chain of a base that doesn't lie in row order: the order of its dims."""

    name = "laid"

    @staticmethod
    def kernel(array: Any, order: tuple) -> Any:
        return array


def laid(base: Tensor, chain: tuple) -> tuple:
    """Return the chain from `base`, with its memory order in front if a view may depend on that."""
    if not base._spec.plain or base._array.flags.c_contiguous:
        return chain
    a = base._array
    order = tuple(sorted(range(a.ndim), key=lambda k: (-abs(a.strides[k]), k)))
    return ((_Laid, (order,), None), *chain)


def _viewed(array: Any, chain: tuple, *, copy: bool) -> tuple[Any, Any]:
    """Return (array in the memory order of the base, its view)."""
    order = chain[0][1][0] if chain[0][0] is _Laid else None
    if order is not None:
        array = array.transpose(order)
    array = np.array(array, order="C") if copy else np.asarray(array, order="C")
    if order is not None:
        array = array.transpose(np.argsort(order))
    return array, follow(array, chain)


def changes_kind(chain: tuple) -> bool:
    """True if real numbers are seen in a complex base, or the other way round."""
    return any(op.name in ("view_as_real", "view_as_complex") for op, _, _ in chain)


def _conj(a: Any) -> Any:
    return np.conj(a) if a.dtype.kind == "c" else a


def _replay_kernel(x: Any, chain: tuple) -> Any:
    return np.array(_viewed(x, chain, copy=False)[1])


def _unreplay_kernel(g: Any, spec: Any, chain: tuple) -> Any:
    changes = changes_kind(chain)
    wide = g.dtype.kind == "c" or spec.np.kind != "c"
    out = np.zeros(spec.shape, g.dtype if wide and not changes else spec.np)
    out, view = _viewed(out, chain, copy=False)
    if _overlaps(view):  # expand, unfold: elements that the view shows several times add up
        out = _added(out, _conj(g) if changes else g, chain)
    else:
        view[...] = _conj(g) if changes else g
    return _conj(out) if changes else out


def _added(out: Any, g: Any, chain: tuple) -> Any:
    """Add `g` into zeros like `out` where the chain shows them, each number as often as it is seen.

    Where that is, the chain itself tells: it is followed from an array of real positions.
    """
    pairs = out.dtype.kind == "c"
    at = np.arange(out.size * (1 + pairs), dtype="d")
    flat = np.zeros(at.size, out.real.dtype)
    at = _viewed((at.view("D") if pairs else at).reshape(out.shape), chain, copy=False)[1]
    np.add.at(flat, at.real.astype(np.intp), g.real)
    if at.dtype.kind == "c":
        np.add.at(flat, at.imag.astype(np.intp), g.imag)
    return (flat.view(out.dtype) if pairs else flat).reshape(out.shape)


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
    out, view = _viewed(g, chain, copy=True)
    view[...] = 0
    return out


def _slice(xp: Any, g: Any, chain: tuple) -> Any:
    """The cotangent of what was written: that part of the cotangent of the base.

    Cotangents are unconjugated, so that real numbers lie in complex ones as in the conjugates.
    """
    if not changes_kind(chain):
        return xp.replay(g, chain)
    g = xp.replay(xp.conj(g) if xp.is_complex(g) else g, chain)
    return xp.conj(g) if xp.is_complex(g) else g


# ------------------------------------------------------------------- under vmap
def _blank(t: Any, shape: tuple, kind: Any) -> Tensor:
    """Return a tensor with the levels of `t`, another shape and any values."""
    if t._spec.plain:
        return wrap(np.empty(shape, kind))
    if not hasattr(t, "is_batch"):
        return _blank(t.value, shape, kind)
    inner = _blank(t.value, (t.value._spec.shape[0], *shape), kind)
    blank: Tensor = t.__class__.over(t.level, inner)
    return blank


def lifted(t: Any, shape: tuple, kind: Any, chain: tuple) -> tuple[Any, tuple]:
    """Return (spec of the whole batch, its chain) for a chain of views of one example of that shape.

    The chain is followed once, on any values: what comes out knows how it came from them.
    """
    base: Any = _blank(t, shape, kind)
    v: Any = follow_tensor(base, chain)
    ext = v.value._ext
    if ext is None or ext.base is not base.value:
        raise RuntimeError(
            f"vmap: a {public_op_name(chain[-1][0])} of one example is a copy, which can't be written "
            "in place as part of it"
        )
    return base.value._spec, ext.chain


def _over(x: Any, value: Tensor) -> Tensor:
    batch: Tensor = x.__class__.over(x.level, value)
    return batch


def _replay_batch(xp: Any, x: Any, chain: tuple) -> Any:
    _, whole = lifted(x, tuple(x.shape), x.dtype.np, chain)
    return _over(x, xp.replay(x.value, whole))


def _unreplay_batch(xp: Any, x: Any, spec: Any, chain: tuple) -> Any:
    wide, whole = lifted(x, tuple(spec.shape), spec.np, chain)
    return _over(x, xp.unreplay(x.value, wide, whole))


def _cut_batch(xp: Any, x: Any, chain: tuple) -> Any:
    _, whole = lifted(x, tuple(x.shape), x.dtype.np, chain)
    return _over(x, xp.cut(x.value, whole))


# a view of the new base, for views whose base was written in place
REPLAY = Op(
    "linear", "replay(x, *, chain)", _replay_kernel,
    {"x": lambda xp, g, x_spec, chain: xp.unreplay(g, x_spec, chain)}, node="AsStridedBackward0",
    batch=composed(_replay_batch),
)  # fmt: skip
UNREPLAY = Op(
    "linear", "unreplay(x, *, spec, chain)", _unreplay_kernel,
    {"x": lambda xp, g, chain: xp.replay(g, chain)}, node="AsStridedBackward0",
    batch=composed(_unreplay_batch),
)  # fmt: skip
CUT = Op(
    "linear", "cut(x, *, chain)", _cut_kernel, {"x": lambda xp, g, chain: xp.cut(g, chain)},
    node="CopySlices", batch=composed(_cut_batch),
)  # fmt: skip
SLICES = Op(
    "linear", "copy_slices(x, y, *, chain)", lambda x, y, chain: x,
    {"x": lambda xp, g, chain: xp.cut(g, chain), "y": _slice},
    node="CopySlices",
)  # fmt: skip


def _shown_edges(n: Node) -> list:
    """What users see below CopySlices: the old base, then what the written value came from."""
    base, value = n.edges
    others = () if value is None else value.edges[1:]
    return [base, *(e for e in others if e is not None)]


SLICES.shown_edges = _shown_edges  # type: ignore[attr-defined]


def register() -> None:
    from .cold import bind

    for op in (REPLAY, UNREPLAY, CUT):
        setattr(ARRAYS, op.name, op.kernel)
        setattr(TENSORS, op.name, lambda x, *params, op=op: bind(op, (x,), params))


def rebase(base: Tensor, chain: tuple, edge: Node | None, storage: Storage) -> None:
    """A view was written: the base's history becomes `the old base with this slice replaced`."""
    if base._edge is None and edge is None:
        return
    n = new(Node)
    n.op, n.edges, n.seq, n.hooks = SLICES, (base._edge, edge), tick(), None
    n.rest = (laid(base, chain),)
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
            n.rest = REPLAY.rest((base,), (laid(base, v._ext.chain),))
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
