"""In-place calls on tensors that a transform sees: duals and examples of a batch.

The value of the wrapper is written in place, by the same protocol one level below. What the wrapper
itself knows follows: the tangent of a dual and the history at this level, of its base and of all live
views. A level that the target lacks and the result has can't be written for a batch (one tensor can't
hold different examples); for forward mode the target becomes a dual.
"""

from __future__ import annotations

from typing import Any

from .dual import Dual, Wrapper, become_dual
from .inplace import _check_history, adopt, caller, check_result, write
from .op import TENSORS
from .state import tick
from .tensor import Storage, Tensor, attach, storage_of
from .views import changes_kind


def given(old: Tensor, new: Tensor) -> Tensor:
    """The function of a write whose result is known; as an argument, its history is seen.

    An alias: the write is a call of its own, later than those that have read the old value.
    """
    alias: Tensor = TENSORS.alias(new)
    return alias


def _batches(t: Any) -> set[int]:
    """Return the levels of all maps that a tensor is seen through."""
    found = set()
    while not t._spec.plain:
        if getattr(t, "is_batch", False):
            found.add(t.level)
        t = t.value
    return found


def take_up(t: Any, result: Any) -> None:
    """Make sure that `t` has the levels of `result`: it becomes a dual; RuntimeError for a batch."""
    if _batches(result) - _batches(t):
        whole = result
        while not whole._spec.plain:
            whole = whole.value
        raise RuntimeError(
            f"output with shape {list(t._spec.shape)} doesn't match the broadcast shape "
            f"{list(whole._spec.shape)}. vmap: inplace arithmetic(self, *extra_args) is not possible "
            "because there exists a Tensor `other` in extra_args that has more elements than `self`: "
            "`other` is vmapped over and `self` is not. Make the target from a tensor that is mapped "
            "(zeros_like, new_zeros), or use the out-of-place form"
        )
    have, want = getattr(t, "level", 0), getattr(result, "level", 0)
    if want > have:
        if not isinstance(t, Wrapper) and type(t) is not Tensor:
            raise RuntimeError(
                f"a tensor under a transform can't be written in place into a {type(t).__name__}: "
                "make the target from the transformed tensor, or use the out-of-place form"
            )
        become_dual(t, want)


def _before(t: Any) -> Any:
    """Return a tensor that keeps the present values, at all levels, whatever is written to `t`."""
    if t._spec.plain:
        return attach(t._array.copy(), t._spec, t._edge)
    old = t._share(t._edge)
    old.value = _before(t.value)
    return old


def write_wrapped(
    t: Any, fn: Any, args: tuple, kwargs: dict, tracked: bool, copy_old: bool
) -> Tensor:
    """Write `fn(t, ...)` into a wrapper; `tracked`: the write is recorded at its level."""
    if tracked:
        _check_history(t)
    result = fn(_before(t) if copy_old else t._share(t._edge), *args, **kwargs)
    check_result(t, result)
    if result._spec.dtype is not t._spec.dtype:
        d = t._spec.dtype
        result = TENSORS.cast(result, d) if d.category >= 2 else TENSORS.cast_whole(result, d)
    take_up(t, result)
    if isinstance(result, Wrapper) and result.level == t.level:
        inner, note = result.value, result.note
    else:
        inner, note = (t.spread(result), None) if hasattr(t, "is_batch") else (result, None)
    write(t.value, given, (inner,), copy_old=False)
    storage = storage_of(t)
    storage.stamp(tick(), caller())
    if t.__class__ is Dual:
        _pass_on(t, note, storage)
    if tracked and result._spec.dtype.category >= 2:
        adopt(t, result._edge, storage)
    return t


def _placed(tangent: Tensor, spec: Any, chain: tuple) -> Tensor:
    """Return a tangent at the place of a view among zeros.

    `unreplay` moves cotangents, which are unconjugated; between real and complex numbers that shows.
    """
    if not changes_kind(chain):
        return TENSORS.unreplay(tangent, spec, chain)
    placed: Tensor = TENSORS.unreplay(_conjugate(tangent), spec, chain)
    return _conjugate(placed)


def _conjugate(t: Tensor) -> Tensor:
    return TENSORS.conj(t) if t._spec.dtype.is_complex else t


def _pass_on(t: Any, note: Any, storage: Storage) -> None:
    """Give a dual its new tangent, and its base and that base's other views theirs."""
    base = t if t._ext.base is None else t._ext.base
    if base is t:
        t.note = note
    else:
        whole = TENSORS.zeros_like(base.value) if base.note is None else base.note
        whole = TENSORS.cut(whole, t._ext.chain)
        base.note = whole if note is None else whole + _placed(note, base._spec, t._ext.chain)
    for ref in storage.views or ():
        v = ref()
        if v is None or v._ext.base is not base:
            continue
        if v.__class__ is not Dual:
            become_dual(v, t.level)
        v.note = None if base.note is None else TENSORS.replay(base.note, v._ext.chain)


__all__ = ["given", "take_up", "write_wrapped"]
