"""How a call is recorded: the hot and the warm paths (the cold one is in `cold`).

hot    a closure per elementwise op: plain CPU floats of one spec, nothing watching
warm   shared functions: broadcasting, Python numbers, parameters, reductions, products
cold   `cold.bind`: promotion, other arrays, wrappers, modes

Whatever watches calls enters through the one test `state.MODE is not None` and lives on the cold
path. NOTE [not recorded]: a call is not recorded when no input has an edge or recording is off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import state
from .cold import bind, check_broadcast, constant, note_view
from .node import Node, port
from .spec import spec_of
from .state import tick
from .tensor import Tensor, wrap

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
