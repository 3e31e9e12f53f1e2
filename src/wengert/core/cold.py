"""The general path of a call: promotion, modes, wrappers, other arrays; then recording.

`bind` is what everything comes to that the fast paths of `record` don't take. NOTE [not recorded]: a
call is not recorded when no input has an edge or recording is off.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import errors, state
from .node import Node, port
from .promote import float_dtype, number_dtype, result_dtype
from .state import tick
from .tensor import Extra, Tensor, storage_of, wrap

ndarray = np.ndarray
new = object.__new__
is_grad_enabled = state.is_grad_enabled


def bind(op: Any, args: tuple, params: tuple) -> Any:
    """The general path."""
    mode = state.MODE
    if mode is not None:
        return mode.call(op, args, params)
    return evaluate(op, args, params)


def evaluate(op: Any, args: Any, params: tuple) -> Any:
    """Promote, run and record one call. Recording is outermost, evaluation inside.

    A wrapper may interpret the op in its own way; the edges stay here.
    """
    if op.promote is not None and op.outputs == 1 and not op.variadic:
        ready = _uniform(op, args)
        if ready is not None:
            result = _compute(op, ready, params, [a._array for a in ready])
            return _record(op, ready, params, result) if op.differentiable else result
    try:
        args = _as_tensors(op, args)
    except TypeError:
        return reflected(op, args)
    top = None
    for a in args:
        if a is not None and a.__class__ is not Tensor:
            level = getattr(a, "level", None)
            if level is not None and (top is None or level > top.level):
                top = a
    if top is not None:
        result = top.interpret(op, args, params)
    else:
        result = _compute(op, args, params)
    return _record(op, args, params, result)


def evaluate_known(op: Any, args: tuple, params: tuple, result: Any) -> Any:
    """Record one call whose result is known: `result` is constant, and a tuple for several outputs."""
    ready = _uniform(op, args) if op.promote is not None and op.outputs == 1 and not op.variadic else None
    return _record(op, _as_tensors(op, args) if ready is None else ready, params, result)


_SYMBOLS = {
    "add": ("radd", "+"), "sub": ("rsub", "-"), "mul": ("rmul", "*"), "div": ("rtruediv", "/"),
    "floor_divide": ("rfloordiv", "//"), "remainder": ("rmod", "%"), "pow_tensor": ("rpow", "**"),
    "bitwise_and": ("rand", "&"), "bitwise_or": ("ror", "|"), "bitwise_xor": ("rxor", "^"),
    "lt": ("gt", "<"), "le": ("ge", "<="), "gt": ("lt", ">"), "ge": ("le", ">="),
}  # fmt: skip


def reflected(op: Any, args: Any) -> Any:
    """Leave a call with a foreign operand to that operand's reflected method, as Python would.

    The operators are the ops' own functions, so they cannot answer NotImplemented.
    """
    first, other = args[0], args[-1]
    method, symbol = _SYMBOLS.get(op.name, ("", ""))
    if symbol and len(args) == 2 and isinstance(first, Tensor):
        answer = getattr(type(other), f"__{method}__", None)
        result = NotImplemented if answer is None else answer(other, first)
        if result is not NotImplemented:
            return result
        raise TypeError(
            f"unsupported operand type(s) for {symbol}: 'Tensor' and {type(other).__name__!r}; "
            f"{op.name}() takes tensors and numbers"
        )
    strange = next(a for a in args if not isinstance(a, Tensor | int | float | complex))
    raise TypeError(f"{op.name}(): its arguments must be tensors or numbers, not {type(strange).__name__}")


def _uniform(op: Any, args: Any) -> list | None:
    """Return the arguments as tensors if nothing has to be promoted; None otherwise.

    They are plain tensors of one dtype (conditions apart) and Python numbers of no higher kind.
    """
    d: Any = None
    numbers = 0
    for k, a in enumerate(args):
        if isinstance(a, Tensor):
            s = a._spec
            if not s.plain:
                return None
            if k not in op.skip:
                if d is None:
                    d = s.dtype
                elif s.dtype is not d:
                    return None
        elif a.__class__ is float:
            numbers |= 2
        elif a.__class__ is int:
            numbers |= 1
        else:
            return None
    if d is None or d.category < (2 if numbers & 2 or op.promote == "float" else numbers):
        return None
    if not numbers:
        return list(args)
    return [a if isinstance(a, Tensor) else constant(a, d.np) for a in args]


def _as_tensors(op: Any, args: Any) -> list:
    """Make every argument a tensor (None stays) and cast what the op promotes."""
    args = list(args)
    how = op.promote
    if how == "same" and _one_dtype(args, op.skip):
        return args
    if how is None:
        for k, a in enumerate(args):
            if a is not None and not isinstance(a, Tensor):
                like = next((b for b in args if isinstance(b, Tensor)), None)
                args[k] = a = wrap(a) if isinstance(a, ndarray) else constant_of(a, like)
        return args
    skip = op.skip
    voices = [a for k, a in enumerate(args) if k not in skip]
    for k, a in enumerate(args):
        if isinstance(a, ndarray):
            args[k] = a = wrap(a)
            voices = [b for j, b in enumerate(args) if j not in skip]
    d = result_dtype(voices)
    if how == "float":
        d = float_dtype(d)
    for k, a in enumerate(args):
        if a is None:
            continue
        if not isinstance(a, Tensor):
            args[k] = wrap(np.asarray(a).astype(d.np))
    return args


def _one_dtype(args: list, skip: frozenset) -> bool:
    """True if all arguments are tensors, and of one dtype apart from conditions."""
    d: Any = None
    for k, a in enumerate(args):
        if not isinstance(a, Tensor):
            return False
        if d is None and k not in skip:
            d = a._spec.dtype
        elif a._spec.dtype is not d and k not in skip:
            return False
    return True


def constant_of(v: Any, like: Tensor | None) -> Tensor:
    """Return a Python number as a 0-d tensor of the dtype it takes beside `like`."""
    return wrap(np.asarray(v, number_dtype(v, like).np))


def _arrays(op: Any, args: list) -> list:
    """The raw arguments of a kernel, cast to the common dtype where the op promotes."""
    if op.promote is None:
        return [None if a is None else a._array for a in args]
    d = result_dtype([a for k, a in enumerate(args) if k not in op.skip])
    if op.promote == "float":
        d = float_dtype(d)
    want = d.np
    arrays: list = []
    for k, a in enumerate(args):
        if a is None:
            arrays.append(None)
            continue
        v = a._array
        arrays.append(v if k in op.skip or v.dtype == want else v.astype(want))
    return arrays


def _compute(op: Any, args: list, params: tuple, arrays: list | None = None) -> Any:
    if arrays is None:
        arrays = _arrays(op, args)
    try:
        data = op.kernel(arrays, *params) if op.variadic else op.kernel(*arrays, *params)
    except TypeError as e:  # a dtype for which NumPy has no loop
        if "ufunc" in str(e) or "numpy boolean" in str(e):
            raise errors.no_kernel(op, arrays) from None
        raise
    except ValueError:
        if op.kind == "elementwise":
            known = [a for a in args if a is not None]
            for a, b in zip(known, known[1:], strict=False):
                check_broadcast(a._spec.shape, b._spec.shape)
        raise
    if op.outputs == 1:
        return wrap(data)
    return tuple(wrap(d) for d in data)


def _record(op: Any, args: list, params: tuple, result: Any) -> Any:
    edges = tuple([None if a is None else a._edge for a in args])
    recording = (
        op.differentiable
        and any([e is not None for e in edges])
        and not (state.NOGRAD and not is_grad_enabled())
    )
    if not recording:
        if op.view:
            _note_views(op, args[0], params, result)
        return result
    n = new(Node)
    n.op, n.edges, n.seq, n.hooks = op, edges, tick(), None
    _save_inputs(op, n, args)
    if op.has_rest:
        n.rest = op.rest(args, params)
    if op.outputs != 1:
        if op.saves_out:
            n.out = tuple(
                None if op.parts is not None and k not in op.parts
                else o._array if o.__class__ is Tensor else o
                for k, o in enumerate(result)
            )  # fmt: skip
        result = tuple(
            _hung(o, port(n, k, len(result)) if o._spec.dtype.category >= 2 else None)
            for k, o in enumerate(result)
        )
    else:
        if op.saves_out:
            n.out = result._array if result.__class__ is Tensor else result
        if op.fitted is not None:
            specs: list[Any] = [None if a is None else a._spec for a in args]
            r = result._spec
            for k, (s, e) in enumerate(zip(specs, edges, strict=True)):
                if s is None or (e is None and k in op.skip):
                    continue
                # an input of another dtype, even a constant, may give cotangents of another one
                if s.dtype is not r.dtype or (e is not None and s.shape != r.shape):
                    n.op, n.fit = op.fitted, specs
                    break
        result = _hung(result, n)
    if op.view:
        _note_views(op, args[0], params, result)
    return result


def _hung(t: Tensor, edge: Node | None) -> Tensor:
    """Hang a fresh result on its edge; a result that already has a history gets a new object."""
    if t._edge is None and t.__class__ is Tensor and t._ext is None:
        t._edge = edge
        return t
    return t._share(edge)


def _save_inputs(op: Any, n: Node, args: list) -> None:
    """Keep on the node what the rules of the inputs that need a gradient name."""
    for a in args:
        if a is not None and a._ext is not None and a._ext.inference and op.saves:
            raise RuntimeError(errors.inference_saved(a, op.name))
    if op.variadic:
        n.x = tuple(args) if op.saves else None
        return
    count = len(op.inputs)
    names: set = set()
    for e, need in zip(n.edges, op.needs, strict=True):
        if e is not None:
            names |= need
    if count > 2:
        n.x = tuple([a if i in names else None for a, i in zip(args, op.inputs, strict=True)])
        return
    n.x = args[0] if op.inputs[0] in names else None
    if count == 2:
        n.y = args[1] if op.inputs[1] in names else None


# ------------------------------------------------------------------- numbers and shapes
def check_broadcast(a: tuple, b: tuple) -> None:
    """Raise PyTorch's error if two shapes don't broadcast."""
    for k in range(1, min(len(a), len(b)) + 1):
        m, n = a[-k], b[-k]
        if m != n and m != 1 and n != 1:
            dim = max(len(a), len(b)) - k
            raise RuntimeError(
                f"The size of tensor a ({m}) must match the size of tensor b ({n}) at "
                f"non-singleton dimension {dim}; the shapes are {list(a)} and {list(b)}"
            )


_constants: dict = {}


def constant(v: Any, npdtype: np.dtype) -> Tensor:
    """Return a Python number as a 0-d tensor; recent ones are kept (not zeros: 0.0 == -0.0)."""
    t = _constants.get((v, npdtype))
    if t is None:
        t = wrap(np.array(v, npdtype))
        if v:
            if len(_constants) > 512:
                _constants.clear()
            _constants[v, npdtype] = t
    return t


# ------------------------------------------------------------------- views
def note_view(v: Tensor, x: Tensor, step: tuple, creation: str) -> None:
    """Make `v` a view of `x` (or of the base that `x` looks into)."""
    ext = v._ext = Extra()
    ext.storage = s = storage_of(x)
    xe: Any = x._ext
    if xe.base is None:
        ext.base = x
        ext.chain = step
        ext.creation = creation
    else:
        ext.base = xe.base
        ext.chain = xe.chain + step
        ext.creation = creation or xe.creation
    ext.inference = xe.inference
    s.add_view(v)


def _note_views(op: Any, x: Tensor, params: tuple, result: Any) -> None:
    creation = "" if is_grad_enabled() else "no_grad"
    if op.outputs == 1:
        if result.__class__ is x.__class__ or result._spec.plain:
            note_view(result, x, ((op, params, None),), creation)
        return
    for k, v in enumerate(result):
        note_view(v, x, ((op, params, k),), creation or f"multi {k}")
