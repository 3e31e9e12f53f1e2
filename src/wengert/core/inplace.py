"""In-place calls: the same array, a new edge, and a time stamp for everyone who saved the old value.

`write(t, fn, args)` computes `fn(old, *args)` out of place, records it like any call, copies the
result into the memory of `t` and moves the edge of `t` to the new node. If `t` is a view, the edge
of its base becomes a CopySlices node, and every live view of that base gets an edge that replays
the view on the new base. A write that fails changes nothing.

NOTE [stale saves]: storages remember when they were last written. A node whose saved input was
written at or after its own sequence number, or whose saved result was written after it, refuses to
run and says which line wrote.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from . import errors, state
from .node import LEAF, PORT, Node, hooks_of, poisoned
from .op import ARRAYS, TENSORS, Op
from .spec import spec_of
from .state import tick
from .tensor import Storage, Tensor, attach, storage_of, wrap

new = object.__new__
_PACKAGE = __name__.partition(".")[0]

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


def caller() -> tuple | None:
    """Return (code, instruction) of the user's frame: the first one outside the package."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lasti)


def place(where: Any) -> str | None:
    """Return `file:line` of what `caller` noted; a string is returned as it is."""
    if where is None or isinstance(where, str):
        return where
    code, instruction = where
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= instruction < end and number is not None:
            line = number
    return f"{code.co_filename}:{line}, in {code.co_name}"


def bump(t: Tensor, where: Any = None) -> None:
    """Note that the memory of `t` was written without recording."""
    x = t._ext
    if x is not None and x.inference:
        return
    storage_of(t).stamp(tick(), where if where is not None else caller())


def before_write(array: np.ndarray) -> None:
    """Tell whoever keeps values that share this memory that it is about to be written.

    `check_writable` does so; who writes raw memory without asking it calls this.
    """
    if state.BEFORE_WRITE is not None:
        state.BEFORE_WRITE(array)


def check_writable(t: Tensor, tracked: bool) -> None:
    """Raise if `t` must not be written in place here; nothing has been changed yet."""
    x = t._ext
    if x is not None and x.inference and not state.is_inference():
        raise RuntimeError(errors.INFERENCE_INPLACE)
    if tracked:
        e = t._edge
        if x is not None and x.base is not None:
            if x.creation:
                raise RuntimeError(_refused_view(t, "is being modified inplace."))
            b = x.base._edge
            if b is not None and b.op is LEAF:
                raise RuntimeError(errors.leaf_inplace(t, view=True))
        if e is not None and e.op is LEAF:
            raise RuntimeError(errors.leaf_inplace(t))
    strides = t._array.strides
    if 0 in strides and t._array.size and any(s == 0 and n > 1 for s, n in zip(strides, t._array.shape, strict=True)):
        raise RuntimeError(errors.OVERLAP)
    if not t._array.flags.writeable:
        raise RuntimeError(
            f"can't write in place: the {errors.described(t)} looks at read-only memory; clone() it"
        )
    if state.BEFORE_WRITE is not None:
        state.BEFORE_WRITE(t._array)


def _refused_view(t: Tensor, what: str) -> str:
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


def _base_requires_grad(t: Tensor) -> bool:
    """True for a view that was made without recording of a tensor that is recorded."""
    x = t._ext
    return x is not None and x.base is not None and x.base._edge is not None


def requires_grad_any(args: Any) -> bool:
    """True if some tensor among the arguments (lists included) has an edge."""
    for a in args:
        if isinstance(a, Tensor):
            if a._edge is not None:
                return True
        elif isinstance(a, list | tuple) and requires_grad_any(a):
            return True
    return False


def write(
    t: Tensor, fn: Any, args: tuple = (), kwargs: dict | None = None, *, copy_old: bool = True
) -> Tensor:
    """Write `fn(t, *args, **kwargs)` into `t` and return `t`.

    `copy_old=False` promises that no rule of `fn` looks at the old value.
    """
    kwargs = kwargs or {}
    if not isinstance(t, Tensor):
        raise TypeError(f"{fn.__name__}_(): the first argument must be a Tensor, not {type(t).__name__}")
    if not t._spec.plain:
        return _write_wrapped(t, fn, args, kwargs)
    tracked = state.is_grad_enabled() and (
        t._edge is not None
        or _base_requires_grad(t)
        or requires_grad_any(args)
        or requires_grad_any(kwargs.values())
    )
    check_writable(t, tracked)
    if not tracked:
        result = fn(t, *args, **kwargs)
        _check_result(t, result)
        if not result._spec.plain:
            return _write_dual(t, result)
        _store(t, result)
        bump(t)
        return t
    old = attach(t._array.copy() if copy_old else t._array, t._spec, t._edge)
    result = fn(old, *args, **kwargs)
    _check_result(t, result)
    if not result._spec.plain:
        return _write_dual(t, result)
    if result._spec.dtype is not t._spec.dtype:
        result = TENSORS.cast(result, t._spec.dtype)
    _store(t, result)
    commit(t, result)
    return t


def _write_dual(t: Tensor, result: Any) -> Tensor:
    """Write a dual into a plain tensor, which becomes a dual."""
    from .dual import Dual, become_dual

    if not isinstance(result, Dual) or type(t) is not Tensor:
        raise RuntimeError(
            f"a tensor under a transform can't be written in place into a {type(t).__name__}: make "
            "the target from the transformed tensor, or use the out-of-place form"
        )
    become_dual(t, result.level)
    return _write_wrapped(t, _given, (result,), {})


def _given(old: Tensor, new: Tensor) -> Tensor:
    """The function of a write whose result is known; as an argument, its history is seen."""
    return new


def _write_wrapped(t: Any, fn: Any, args: tuple, kwargs: dict) -> Tensor:
    """The same for a wrapper: its value is written in place, what it notes is replaced.

    A view of a wrapper passes the new note on to its base, and the base to its other views.
    """
    before = t._share(t._edge)
    before.value = attach(t.value._array.copy(), t.value._spec, t.value._edge) if t.value._spec.plain else t.value
    result = fn(before, *args, **kwargs)
    _check_result(t, result)
    wrapped = result.__class__ is t.__class__ and result.level == t.level
    inner, note = (result.value, result.note) if wrapped else (result, None)
    write(t.value, _given, (inner,), copy_old=False)
    t._edge = result._edge
    x = t._ext
    base = t if x is None or x.base is None else x.base
    if base is t:
        t.note = note
    else:
        whole = TENSORS.zeros_like(base.value) if base.note is None else base.note
        whole = TENSORS.cut(whole, x.chain)
        base.note = whole if note is None else whole + TENSORS.unreplay(note, base._spec, x.chain)
    storage = storage_of(base)
    storage.stamp(tick(), caller())
    for ref in storage.views or ():
        v = ref()
        if v is not None and v._ext.base is base:
            v.note = None if base.note is None else TENSORS.replay(base.note, v._ext.chain)
    return t


def _check_result(t: Tensor, result: Tensor) -> None:
    s, r = t._spec, result._spec
    if r.dtype.category > s.dtype.category:
        raise RuntimeError(
            f"result type {r.dtype.scalar_name} can't be cast to the desired output type "
            f"{s.dtype.scalar_name}"
        )
    if r.shape != s.shape:
        raise RuntimeError(
            f"output with shape {list(s.shape)} doesn't match the broadcast shape {list(r.shape)}"
        )


def _store(t: Tensor, result: Tensor) -> None:
    if result._array is not t._array:
        np.copyto(t._array, result._array, casting="unsafe")


def commit(t: Tensor, result: Tensor) -> None:
    """Give `t`, whose memory has just been written, the history of `result`."""
    edge = result._edge
    storage = storage_of(t)
    when = tick() if edge is None else edge.seq
    storage.stamp(when, caller())
    if edge is not None and edge.op is not LEAF and edge.op.saves_out:
        if getattr(edge, "out", None) is result._array:
            edge.out, edge.store = t._array, storage
    x: Any = t._ext
    if x.base is not None:
        _rebase(x.base, x.chain, edge, storage)
    else:
        _move(t, edge)
        _refresh_views(t, storage)


def _move(t: Tensor, edge: Node | None) -> None:
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


# ------------------------------------------------------------------- views
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


def _register_internal() -> None:
    from .record import bind

    for op in (REPLAY, UNREPLAY, CUT):
        setattr(ARRAYS, op.name, op.kernel)
        setattr(TENSORS, op.name, lambda x, *params, op=op: bind(op, (x,), params))


def _rebase(base: Tensor, chain: tuple, edge: Node | None, storage: Storage) -> None:
    """A view was written: the base's history becomes `the old base with this slice replaced`."""
    n = new(Node)
    n.op, n.edges, n.seq, n.hooks = SLICES, (base._edge, edge), tick(), None
    n.rest = (chain,)
    if base._edge is None and edge is None:
        return
    _move(base, n)
    _refresh_views(base, storage)


def _refresh_views(base: Tensor, storage: Storage) -> None:
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
            _move(v, None)
        elif v._ext.creation and v._ext.creation != "no_grad":
            what = "its base or another view of its base has been modified inplace."
            v._edge = poisoned(_refused_view(v, what))
        else:
            n = new(Node)
            n.op, n.edges, n.seq, n.hooks = REPLAY, (base._edge,), tick(), None
            n.rest = REPLAY.rest((base,), (v._ext.chain,))
            _move(v, n)


# ------------------------------------------------------------------- stale saves
def check_saved(n: Node) -> None:
    """Refuse to run a node whose saved values were written in place since."""
    op = n.op
    if not op.saves_any:
        return
    saved = getattr(n, "x", None)
    tensors = saved if saved.__class__ is tuple else (saved, getattr(n, "y", None))
    for k, t in enumerate(tensors):
        if t is None or t._ext is None or t._ext.storage is None:
            continue
        s = t._ext.storage
        if s.written >= n.seq and s.version_at(n.seq) != s.version:
            _stale(n, t, s, op.inputs[min(k, len(op.inputs) - 1)])
    s = getattr(n, "store", None)
    if s is not None and s.written > n.seq and getattr(n, "out", None) is not None:
        out = n.out[0] if n.out.__class__ is tuple else n.out
        _stale(n, wrap(out) if not isinstance(out, Tensor) else out, s, None)


def _stale(n: Node, t: Tensor, s: Storage, label: str | None) -> None:
    from .node import public_name

    name = public_name(n)
    origin = None
    if label is None:
        origin = f"0 of {name.removesuffix('0').removesuffix('Backward')}"
        said = "the saved result"
    else:
        said = f"the saved input {label!r}"
        e = t._edge
        if e is not None and e.op is not LEAF:
            k = e.rest[0] if e.op is PORT else 0
            main = e.edges[0] if e.op is PORT else e
            origin = f"{k} of {public_name(main).removesuffix('0').removesuffix('Backward')}"
    raise RuntimeError(
        errors.stale_save(
            t, origin, s.version, s.version_at(n.seq + (label is None)), name, place(s.where),
            state.ANOMALY is not None and state.ANOMALY.explain(n), said,
        )
    )  # fmt: skip


# ------------------------------------------------------------------- out=
def into(out: Any, result: Any, name: str) -> Any:
    """Write a result into the tensor given as `out=` and return that tensor."""
    if isinstance(result, tuple) and not isinstance(out, tuple | list):
        raise TypeError(
            f"{name}() returns {len(result)} tensors: out must be a tuple of as many, not "
            f"{type(out).__name__}"
        )
    if isinstance(out, tuple | list):
        for o, r in zip(out, result, strict=True):
            into(o, r, name)
        return result.__class__(out) if hasattr(result, "_fields") else tuple(out)
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if state.is_grad_enabled() and (out._edge is not None or result._edge is not None):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    r, s = result._spec, out._spec
    if r.dtype.category > s.dtype.category:
        raise RuntimeError(
            f"result type {r.dtype.scalar_name} can't be cast to the desired output type "
            f"{s.dtype.scalar_name}"
        )
    if r.shape != s.shape:
        if s.numel:
            import warnings

            warnings.warn(
                f"An output with one or more elements was resized since it had shape "
                f"{list(s.shape)}, which does not match the required output shape {list(r.shape)}. "
                "This behavior is deprecated, and in a future PyTorch release outputs will not be "
                "resized unless they have zero elements. You can explicitly reuse an out tensor t "
                "by resizing it, inplace, to zero elements with t.resize_(0).",
                UserWarning,
                stacklevel=4,
            )
        out._array = result._array.astype(s.np)
        out._spec = spec_of(out._array)
    else:
        check_writable(out, False)
        np.copyto(out._array, result._array, casting="unsafe")
    bump(out)
    return out
