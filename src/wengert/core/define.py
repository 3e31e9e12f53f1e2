"""How rows enter the table: `elementwise`, `primitive`, `plain` and `utility`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .batching import aligned
from .cold import bind
from .op import ARRAYS, TABLE, TENSORS, Op
from .record import hot1, hot2, view1, warm1, warm2, warm3, warm_some

_OPTIONS = ("promote", "node", "saved", "skip", "jvp", "batch", "copy_out", "parts")


def elementwise(schema: str, kernel: Callable, **rules: Any) -> Any:
    """Define an op that works element by element after broadcasting.

    promote  "same" (the default: operands are cast to their common dtype), "float" (integers
             become the default float), None (the kernel takes them as they are)
    skip     names of inputs that take no part in promotion (conditions)
    copy_out  True: the result that the rules name may be written in place, the node copies it then
    keeps_dtype  False where a complex operand gives a real result (abs, angle)
    Its jvp is its vjp: a diagonal Jacobian is its own transpose.
    """
    options = {k: rules.pop(k) for k in _OPTIONS if k in rules}
    options.setdefault("promote", "same")
    keeps_dtype = rules.pop("keeps_dtype", True)
    joint = rules.pop("rules", {})
    op = Op("elementwise", schema, kernel, {**rules, **joint}, **options)
    count = len(op.inputs)
    call: Any
    if op.params:
        if count == 1:

            def call(input: Any, *params: Any) -> Any:
                return warm1(op, input, params)
        elif count == 2:

            def call(input: Any, other: Any, *params: Any) -> Any:
                return warm2(op, input, other, params)
        else:
            call = _many(op, count)
    elif count == 1 and keeps_dtype:
        call = hot1(op)
    elif count == 1:

        def call(input: Any) -> Any:
            return warm1(op, input, ())
    elif count == 2:
        call = hot2(op)
    else:
        call = _many(op, count)
    return _enter(op, call)


def primitive(kind: str, schema: str, kernel: Callable, **rules: Any) -> Any:
    """Define an op that is not elementwise; see `Op` for what a row says.

    kind     "linear" (jvp = the op on the tangents), "bilinear" (sum of two calls), "opaque"
    outputs  how many tensors it returns; "many" when that depends on the call
    view     True when the kernel returns a view of its first input
    parts    the numbers of those results that `out` gives the rules; the others are None (default: all)
    """
    options = {k: rules.pop(k) for k in (*_OPTIONS, "outputs", "view") if k in rules}
    joint = rules.pop("rules", {})
    op = Op(kind, schema, kernel, {**rules, **joint}, **options)
    count = len(op.inputs)
    call: Any
    if op.view:

        def call(x: Any, *params: Any) -> Any:
            return view1(op, x, params)
    elif op.variadic:

        def call(xs: Any, *params: Any) -> Any:
            return bind(op, tuple(xs), params)
    elif op.outputs == 1 and count == 1 and op.promote is None:

        def call(x: Any, *params: Any) -> Any:
            return warm1(op, x, params)
    elif op.outputs == 1 and count == 2 and op.promote is None and not any(op.optional):

        def call(x: Any, y: Any, *params: Any) -> Any:
            return warm2(op, x, y, params)
    elif op.outputs == 1 and count == 3 and op.promote is None and not any(op.optional):

        def call(x: Any, y: Any, z: Any, *params: Any) -> Any:
            return warm3(op, x, y, z, params)
    elif op.outputs.__class__ is int and op.promote is None:

        def call(*args: Any) -> Any:
            return warm_some(op, args[:count], args[count:])
    else:
        call = _many(op, count)
    return _enter(op, call)


def _many(op: Op, count: int) -> Any:
    def call(*args: Any) -> Any:
        return bind(op, args[:count], args[count:])

    def call1(input: Any, *params: Any) -> Any:
        return bind(op, (input,), params)

    def call2(input: Any, other: Any, *params: Any) -> Any:
        return bind(op, (input, other), params)

    return {1: call1, 2: call2}.get(count, call)


def plain(
    schema: str, kernel: Callable, *, promote: str | None = "same", batch: Callable | None = None
) -> Any:
    """Define an op without derivatives (comparisons, integer results): its result is a constant.

    One without parameters works element by element unless `batch` says otherwise.
    """
    op = Op("plain", schema, kernel, {}, promote=promote, batch=batch)
    if batch is None and not op.params and not op.variadic:
        op.batch = aligned
    count = len(op.inputs)
    if count == 1 and promote is None and not op.variadic:

        def call(input: Any, *params: Any) -> Any:
            return warm1(op, input, params)

        return _enter(op, call)
    return _enter(op, _many(op, count))


def _enter(op: Op, call: Any) -> Any:
    if op.name in TABLE:
        raise TypeError(f"there are two rows for {op.name!r} in the op table")
    TABLE[op.name] = op
    setattr(ARRAYS, op.name, op.kernel)
    setattr(TENSORS, op.name, call)
    call.op = op
    op.call = call
    call.__name__ = call.__qualname__ = op.name
    return call


def utility(name: str, kernel: Callable, over_tensors: Callable) -> None:
    """Offer rules a helper that is no op of its own: one form for arrays, one for tensors."""
    setattr(ARRAYS, name, kernel)
    setattr(TENSORS, name, over_tensors)
