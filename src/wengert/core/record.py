"""How a call is recorded: hot, warm and cold.

hot    a closure per elementwise op: plain CPU floats of one spec, nothing watching
warm   shared functions: broadcasting, Python numbers, parameters, reductions, products
cold   `bind`: promotion, other arrays, wrappers, modes

Whatever watches calls enters through the one test `state.MODE is not None` and lives on the cold
path. NOTE [not recorded]: a call is not recorded when no input has an edge or recording is off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import errors, state
from .node import Node, port
from .promote import float_dtype, number_dtype, result_dtype
from .spec import spec_of
from .state import tick
from .tensor import Extra, Tensor, storage_of, wrap

ndarray = np.ndarray
new = object.__new__
is_grad_enabled = state.is_grad_enabled


def hot1(op: Any) -> Callable:
    """The fast path of a unary elementwise op."""
    kernel, keep_x, keep_out = op.kernel, op.keep_x, op.saves_out

    def call(input: Any) -> Tensor:
        try:
            s = input._spec
        except AttributeError:
            return bind(op, (input,), ())
        if not s.hot or state.MODE is not None:
            return bind(op, (input,), ())
        o = new(Tensor)
        o._array = out = kernel(input._array)
        o._spec = s
        o._ext = None
        e = input._edge
        if e is None or (state.NOGRAD and not is_grad_enabled()):
            o._edge = None
            return o
        o._edge = n = new(Node)
        n.op = op
        n.edges = (e,)
        n.seq = tick()
        n.hooks = None
        if keep_x:
            n.x = input
        if keep_out:
            n.out = out
        return o

    return call


def hot2(op: Any) -> Callable:
    """The fast path of a binary elementwise op: two tensors of one spec.

    Its arguments have PyTorch's names: the closure is the public method itself.
    """
    kernel, keep_x, keep_y, keep_out = op.kernel, op.keep_x, op.keep_y, op.saves_out

    def call(input: Any, other: Any) -> Tensor:
        if input.__class__ is not Tensor or other.__class__ is not Tensor:
            return warm2(op, input, other)
        s = input._spec
        if s is not other._spec or not s.hot or state.MODE is not None:
            return warm2(op, input, other)
        o = new(Tensor)
        o._array = out = kernel(input._array, other._array)
        o._spec = s
        o._ext = None
        e0 = input._edge
        e1 = other._edge
        if (e0 is None and e1 is None) or (state.NOGRAD and not is_grad_enabled()):
            o._edge = None
            return o
        o._edge = n = new(Node)
        n.op = op
        n.edges = (e0, e1)
        n.seq = tick()
        n.hooks = None
        if e0 is None or e1 is None:
            _keep_needed(op, n, input, other)
        else:
            if keep_x:
                n.x = input
            if keep_y:
                n.y = other
        if keep_out:
            n.out = out
        return o

    return call


def _keep_needed(op: Any, n: Node, x: Any, y: Any) -> None:
    """One operand is a constant: keep only what the rule of the other one names."""
    names = op.needs[1 if n.edges[0] is None else 0]
    n.x = x if "x" in names else None
    n.y = y if "y" in names else None


def warm1(op: Any, x: Any, params: tuple) -> Tensor:
    """One plain CPU tensor and parameters."""
    if (
        not isinstance(x, Tensor)
        or state.MODE is not None
        or not (x._spec.cpu or (op.promote is None and x._spec.plain))
    ):
        return bind(op, (x,), params)
    data = op.kernel(x._array, *params)
    if data.__class__ is not ndarray:
        data = np.asarray(data)
    o = new(Tensor)
    o._array = data
    o._spec = spec_of(data)
    o._ext = None
    e = x._edge
    if e is None or not op.differentiable or (state.NOGRAD and not is_grad_enabled()):
        o._edge = None
        return o
    o._edge = n = new(Node)
    n.op = op
    n.edges = (e,)
    n.seq = tick()
    n.hooks = None
    if op.keep_x:
        n.x = x
    if op.saves_out:
        n.out = data
    if op.has_rest:
        n.rest = op.rest((x,), params)
    return o


def warm2(op: Any, x: Any, y: Any, params: tuple = ()) -> Tensor:
    """Two plain CPU tensors of one dtype, or a tensor and a Python number; broadcasting allowed."""
    if not isinstance(x, Tensor):
        return bind(op, (x, y), params)
    s = x._spec
    if not isinstance(y, Tensor):
        if (
            (y.__class__ is float or y.__class__ is int)
            and s.cpu
            and op.kind == "elementwise"
            and state.MODE is None
        ):
            y = constant(y, s.np)
        else:
            return bind(op, (x, y), params)
    t = y._spec
    if state.MODE is not None or not s.cpu or s.dtype is not t.dtype or not t.cpu:
        # an op that promotes nothing takes any plain arrays (values and indices, say)
        if state.MODE is not None or op.promote is not None or not (s.plain and t.plain):
            return bind(op, (x, y), params)
    try:
        data = op.kernel(x._array, y._array, *params)
    except ValueError as e:
        if op.kind == "elementwise":
            check_broadcast(s.shape, t.shape)
        raise e
    if data.__class__ is not ndarray:
        data = np.asarray(data)
    o = new(Tensor)
    o._array = data
    o._spec = r = spec_of(data)
    o._ext = None
    ex, ey = x._edge, y._edge
    if (
        (ex is None and ey is None)
        or not op.differentiable
        or (state.NOGRAD and not is_grad_enabled())
    ):
        o._edge = None
        return o
    o._edge = n = new(Node)
    n.edges = (ex, ey)
    n.seq = tick()
    n.hooks = None
    if ex is None or ey is None:
        _keep_needed(op, n, x, y)
    else:
        if op.keep_x:
            n.x = x
        if op.keep_y:
            n.y = y
    if op.saves_out:
        n.out = data
    if op.has_rest:
        n.rest = op.rest((x, y), params)
    f = op.fitted
    if f is None or (s is r and (t is r or ey is None)) or (t is r and ex is None):
        n.op = op
    else:
        n.op = f
        n.fit = (s, t)
    return o


def warm3(op: Any, x: Any, y: Any, z: Any, params: tuple = ()) -> Tensor:
    """Three plain CPU tensors of one dtype: products that add (linear, addmm)."""
    if not (isinstance(x, Tensor) and isinstance(y, Tensor) and isinstance(z, Tensor)):
        return bind(op, (x, y, z), params)
    s, t, u = x._spec, y._spec, z._spec
    if (
        state.MODE is not None
        or not (s.cpu and t.cpu and u.cpu)
        or s.dtype is not t.dtype
        or t.dtype is not u.dtype
    ):
        return bind(op, (x, y, z), params)
    data = op.kernel(x._array, y._array, z._array, *params)
    if data.__class__ is not ndarray:
        data = np.asarray(data)
    o = new(Tensor)
    o._array = data
    o._spec = spec_of(data)
    o._ext = None
    ex, ey, ez = edges = x._edge, y._edge, z._edge
    if (
        (ex is None and ey is None and ez is None)
        or not op.differentiable
        or (state.NOGRAD and not is_grad_enabled())
    ):
        o._edge = None
        return o
    o._edge = n = new(Node)
    n.op = op
    n.edges = edges
    n.seq = tick()
    n.hooks = None
    if op.saves:
        kx, ky, kz = _kept_of(op, (ex is None, ey is None, ez is None))
        n.x = (x if kx else None, y if ky else None, z if kz else None)
    if op.saves_out:
        n.out = data
    if op.has_rest:
        n.rest = op.rest((x, y, z), params)
    return o


def warm_some(op: Any, args: tuple, params: tuple) -> Any:
    """Plain tensors that nothing promotes, some of which may be missing; one result or several."""
    if state.MODE is not None:
        return bind(op, args, params)
    arrays: list = []
    edges: list = []
    recording = False
    for a in args:
        if a is None:
            arrays.append(None)
            edges.append(None)
            continue
        if not isinstance(a, Tensor) or not a._spec.plain:
            return bind(op, args, params)
        if a._ext is not None and a._ext.inference:
            return bind(op, args, params)
        arrays.append(a._array)
        e = a._edge
        edges.append(e)
        if e is not None:
            recording = True
    try:
        data = op.kernel(*arrays, *params)
    except TypeError:  # the general path says for which dtype
        return bind(op, args, params)
    n: Any = None
    if recording and op.differentiable and not (state.NOGRAD and not is_grad_enabled()):
        n = new(Node)
        n.op = op
        n.edges = tuple(edges)
        n.seq = tick()
        n.hooks = None
        if op.saves:
            _keep_some(op, n, args)
        if op.has_rest:
            n.rest = op.rest(args, params)
    if op.outputs == 1:
        o = wrap(data)
        if n is not None:
            o._edge = n
            if op.saves_out:
                n.out = o._array
        return o
    results = tuple([wrap(d) for d in data])
    if n is not None:
        if op.saves_out:
            parts = op.parts
            n.out = tuple(
                [o._array if parts is None or k in parts else None for k, o in enumerate(results)]
            )
        count = len(results)
        for k, o in enumerate(results):
            if o._spec.dtype.category >= 2:
                o._edge = port(n, k, count)
    return results


def _keep_some(op: Any, n: Node, args: tuple) -> None:
    """Keep what the rules of the inputs that need a gradient name, for any number of inputs."""
    edges = n.edges
    kept = _kept_of(op, tuple([e is None for e in edges]))
    found = [a if k else None for a, k in zip(args, kept, strict=True)]
    if len(found) > 2:
        n.x = tuple(found)
        return
    n.x = found[0]
    if len(found) == 2:
        n.y = found[1]


_kept: dict = {}


def _kept_of(op: Any, absent: tuple) -> tuple:
    """Which inputs the rules name, given which of them want no gradient."""
    found = _kept.get((op, absent))
    if found is None:
        names: set = set()
        for gone, need in zip(absent, op.needs, strict=True):
            if not gone:
                names |= need
        found = _kept[op, absent] = tuple([i in names for i in op.inputs])
    return found


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


# ------------------------------------------------------------------- cold
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


# ------------------------------------------------------------------- views
def view1(op: Any, x: Any, params: tuple) -> Any:
    """Call a view op: the result shares memory, version and (lazily) history with its base."""
    if (
        state.MODE is not None
        or op.outputs != 1
        or not isinstance(x, Tensor)
        or not x._spec.plain
    ):
        return bind(op, (x,), params)
    data = op.kernel(x._array, *params)
    o = new(Tensor)
    o._array = data
    o._spec = spec_of(data)
    o._ext = None
    e = x._edge
    recorded = e is not None and op.differentiable and not (state.NOGRAD and not is_grad_enabled())
    if recorded:
        o._edge = n = new(Node)
        n.op = op
        n.edges = (e,)
        n.seq = tick()
        n.hooks = None
        if op.has_rest:
            n.rest = op.rest((x,), params)
    else:
        o._edge = None
    note_view(o, x, ((op, params, None),), "" if is_grad_enabled() else "no_grad")
    return o


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
