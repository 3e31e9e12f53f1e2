"""In-place calls: the same array, a new edge, and a time stamp for everyone who saved the old value.

`write(t, fn, args)` computes `fn(old, *args)` out of place, records it like any call, copies the
result into the memory of `t` and moves the edge of `t` to the new node. If `t` is a view, the edge
of its base becomes a CopySlices node, and every live view of that base gets an edge that replays
the view on the new base (see `views`). A write that fails changes nothing.

NOTE [stale saves]: storages remember when they were last written. A node whose saved input was
written at or after its own sequence number, or whose saved result was written after it, refuses to
run and says which line wrote.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from . import errors, state
from .node import LEAF, PORT, Node
from .op import TENSORS
from .spec import spec_of
from .state import tick
from .tensor import Storage, Tensor, attach, storage_of, wrap
from .views import move, rebase, refresh, refused

_PACKAGE = __name__.partition(".")[0]


def caller() -> tuple | None:
    """Return (code, instruction) of the user's frame: the first one outside the package."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lasti)


def place(where: Any) -> str | None:
    """Return `file:line, in name` and the source of what `caller` noted; a string as it is."""
    if where is None or isinstance(where, str):
        return where
    code, instruction = where
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= instruction < end and number is not None:
            line = number
    import linecache

    source = linecache.getline(code.co_filename, line).strip()
    return f"{code.co_filename}:{line}, in {code.co_name}" + (f" (`{source}`)" if source else "")


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
        _check_history(t)
    strides = t._array.strides
    if 0 in strides and t._array.size and any(s == 0 and n > 1 for s, n in zip(strides, t._array.shape, strict=True)):
        raise RuntimeError(errors.OVERLAP)
    if not t._array.flags.writeable:
        raise RuntimeError(
            f"can't write in place: the {errors.described(t)} looks at read-only memory; clone() it"
        )
    _keep_result(t)
    if state.BEFORE_WRITE is not None:
        state.BEFORE_WRITE(t._array)


def _check_history(t: Tensor) -> None:
    """Raise if a write into `t` can't be recorded: it is a leaf, or a view that may not be written."""
    x, e = t._ext, t._edge
    if x is not None and x.base is not None:
        if x.creation:
            raise RuntimeError(refused(t, "is being modified inplace."))
        b = x.base._edge
        if b is not None and b.op is LEAF:
            raise RuntimeError(errors.leaf_inplace(t, view=True))
    if e is not None and e.op is LEAF:
        raise RuntimeError(errors.leaf_inplace(t))


def _keep_result(t: Tensor) -> None:
    """Before a write, give the node that saved this result without guarding it a copy of its own."""
    x = t._ext
    if x is None or x.storage is None:
        e = t._edge
        if e is not None and e.op.saves_out and e.op.copy_out and e.out is t._array:
            e.out = e.out.copy()
    elif x.storage.source is not None:
        n = x.storage.source()
        x.storage.source = None
        if n is not None and n.op.saves_out:
            n.out = n.out.copy()


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
    tracked = state.is_grad_enabled() and (
        t._edge is not None
        or _base_requires_grad(t)
        or requires_grad_any(args)
        or requires_grad_any(kwargs.values())
    )
    if not t._spec.plain:
        from .inplace_wrapped import write_wrapped

        return write_wrapped(t, fn, args, kwargs, tracked, copy_old)
    check_writable(t, tracked)
    if not tracked:
        result = fn(t, *args, **kwargs)
        check_result(t, result)
        if not result._spec.plain:
            return _write_seen(t, result)
        _store(t, result)
        bump(t)
        return t
    old = attach(t._array.copy() if copy_old else t._array, t._spec, t._edge)
    result = fn(old, *args, **kwargs)
    check_result(t, result)
    if not result._spec.plain:
        return _write_seen(t, result)
    if result._spec.dtype is not t._spec.dtype:
        result = TENSORS.cast(result, t._spec.dtype)
    _store(t, result)
    commit(t, result)
    return t


def _write_seen(t: Tensor, result: Tensor) -> Tensor:
    """Write what a transform sees into a plain tensor."""
    from .inplace_wrapped import given, take_up, write_wrapped

    take_up(t, result)
    return write_wrapped(t, given, (result,), {}, state.is_grad_enabled() and result._edge is not None, False)


def check_result(t: Tensor, result: Tensor) -> None:
    """Raise PyTorch's error if a result has not the shape and kind of the tensor it goes to."""
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
    if edge is not None and edge.op.saves_out and not edge.op.copy_out:
        if getattr(edge, "out", None) is result._array:
            edge.out, edge.store = t._array, {0: storage}
    adopt(t, edge, storage)


def adopt(t: Tensor, edge: Any, storage: Storage) -> None:
    """Give `t` the history that a write has; if it is a view, through its base."""
    x: Any = t._ext
    if x.base is not None:
        rebase(x.base, x.chain, edge, storage)
    else:
        move(t, edge)
        refresh(t, storage)


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
    stores = getattr(n, "store", None)
    if stores is None or getattr(n, "out", None) is None:
        return
    for k, s in stores.items():
        out = n.out[k] if n.out.__class__ is tuple else n.out
        if s.written > n.seq and out is not None:
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
    explained = "" if state.ANOMALY is None else state.ANOMALY.explain(n)
    raise errors.noted(
        RuntimeError(
        errors.stale_save(
            t, origin, s.version, s.version_at(n.seq + (label is None)), name, place(s.where),
            bool(explained), said,
        )), explained,
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
