"""Tensors among NumPy's arrays: `numpy()`, ufuncs (NEP 13), functions (NEP 18), DLPack.

A ufunc call on tensors becomes a call of the op of the same meaning, so it is recorded and obeys
PyTorch's promotion. A NumPy function runs as it would on arrays, unless a gradient would get lost:
then its counterpart here takes over (see ops/numpy_functions.py). Nothing in this file is on the
path of a tensor operation.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from . import inplace, state
from .errors import described
from .promote import result_dtype
from .registry import API, find, public
from .tensor import Tensor, as_tensor_arg, wrap

_REQUIRES_GRAD = (
    "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
)


# ------------------------------------------------------------------------------------ conversion


@public("Tensor")
def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """Return a NumPy array over the memory of this tensor.

    RuntimeError for a tensor that requires grad, unless ``force`` is given or nothing is recorded
    (`no_grad`).

    >>> import wengert as torch
    >>> torch.tensor([1., 2.]).numpy()
    array([1., 2.], dtype=float32)
    """
    if not force and self.requires_grad and state.is_grad_enabled():
        raise RuntimeError(f"{_REQUIRES_GRAD} The tensor is a {described(self)}.")
    if not self._value()._spec.plain or self._spec.shape != self._array.shape:
        raise RuntimeError(
            "Cannot access data pointer of Tensor inside a transform (vmap, grad, ...): its values "
            "are not an array of its own. Return the tensor from the function first."
        )
    if state.MODE is not None:
        state.MODE.exported(self)
    return self._array.view()


def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """NumPy's conversion protocol: share memory where dtype and ``copy`` allow it."""
    array = numpy(self)
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError(
                "Unable to avoid copy while creating an array as requested: the tensor has dtype "
                f"{array.dtype}, asked for is {np.dtype(dtype)}."
            )
        return array.astype(dtype)
    return array.copy() if copy else array


public("Tensor", name="__array__")(_array)
public("Tensor", name="__array_priority__")(1000)


# ---------------------------------------------------------------------------------------- DLPack


def _dlpack(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """Export the memory of this tensor; BufferError where that is not possible."""
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if stream is not None:
        raise AssertionError("stream should be None on cpu.")
    array = self._array
    if copy:
        array = array.copy()
    elif _negative_strides(array):
        # PyTorch aborts the whole process when it imports such an array.
        raise BufferError(
            "Can't export a tensor with negative strides, use tensor.contiguous() or copy=True"
        )
    return array.__dlpack__(max_version=max_version, dl_device=dl_device)


def _dlpack_device(self: Tensor) -> tuple[int, int]:
    return self._array.__dlpack_device__()


public("Tensor", name="__dlpack__")(_dlpack)
public("Tensor", name="__dlpack_device__")(_dlpack_device)


class _Capsule:
    """A bare DLPack capsule with the face that NumPy imports from."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


@public("torch")
def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """Return a tensor over the memory of another library's array (anything with ``__dlpack__``).

    BufferError for what can't be shared, TypeError for what does not speak DLPack.

    >>> import numpy as np, wengert as torch
    >>> torch.from_dlpack(np.ones(2))
    tensor([1., 1.], dtype=torch.float64)
    """
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    elif not hasattr(ext_tensor, "__dlpack__"):
        raise RuntimeError(
            "from_dlpack received an invalid capsule: it takes an object with a __dlpack__ method, "
            f"not {type(ext_tensor).__name__}"
        )
    if isinstance(ext_tensor, Tensor):  # NumPy before 2.2 makes read-only arrays of capsules
        ext_tensor.__dlpack__()  # refuses what can't be shared
        array = ext_tensor._array.copy() if copy else ext_tensor._array[...]
    else:
        array = np.from_dlpack(ext_tensor, copy=copy)
    if _negative_strides(array):
        raise ValueError(
            "from_dlpack: tensors with negative strides are not supported; copy the array first"
        )
    t = wrap(array)
    if state.MODE is not None:
        state.MODE.imported(t)
    return t


def _negative_strides(array: np.ndarray) -> bool:
    return any(s < 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True))


# ---------------------------------------------------------------------------------------- ufuncs

# NumPy's and SciPy's names of ufuncs whose op here is called otherwise.
_OP_NAMES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin",
    "arcsinh": "asinh", "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh",
    "conjugate": "conj", "degrees": "rad2deg", "divide": "div", "equal": "eq",
    "expit": "sigmoid", "fabs": "abs", "gammaln": "lgamma", "greater": "gt",
    "j0": "bessel_j0", "j1": "bessel_j1", "y0": "bessel_y0", "y1": "bessel_y1",
    "k0": "modified_bessel_k0", "k0e": "scaled_modified_bessel_k0", "k1": "modified_bessel_k1",
    "k1e": "scaled_modified_bessel_k1",
    "greater_equal": "ge", "invert": "bitwise_not", "left_shift": "bitwise_left_shift",
    "less": "lt", "less_equal": "le", "multiply": "mul", "negative": "neg", "not_equal": "ne",
    "power": "pow", "psi": "digamma", "radians": "deg2rad",
    "right_shift": "bitwise_right_shift", "rint": "round", "subtract": "sub",
}  # fmt: skip

# Ufuncs that are functions here under the same name.
_SAME_NAMES = {
    "add", "bitwise_and", "bitwise_or", "bitwise_xor", "ceil", "copysign", "cos", "cosh",
    "deg2rad", "digamma", "entr", "erf", "erfc", "erfinv", "exp", "exp2", "expm1",
    "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "gammainc", "gammaincc", "gcd",
    "heaviside", "hypot", "i0", "i0e", "i1", "i1e", "isfinite", "isinf", "isnan", "lcm", "ldexp", "log",
    "log10", "log1p", "log2", "log_ndtr", "logaddexp", "logaddexp2", "logical_and",
    "logical_not", "logical_or", "logical_xor", "logit", "matmul", "maximum", "minimum",
    "ndtr", "ndtri", "nextafter", "positive", "rad2deg", "reciprocal", "remainder", "sign",
    "signbit", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc", "vecdot", "xlog1py",
    "xlogy", "zeta",
}  # fmt: skip

_REDUCTIONS = {
    "add": "sum", "multiply": "prod", "maximum": "amax", "minimum": "amin", "logical_and": "all",
    "logical_or": "any", "logaddexp": "logsumexp",
}  # fmt: skip
_ACCUMULATIONS = {
    "add": "cumsum", "multiply": "cumprod", "maximum": "cummax", "minimum": "cummin",
    "logaddexp": "logcumsumexp",
}  # fmt: skip


def public_op(name: str) -> Any:
    """Return the public function of that name, from whichever namespace has it; else None."""
    for space in ("torch", "special", "linalg"):
        f = find(space, name)
        if f is not None:
            return f
    return None


def _op_of(ufunc: np.ufunc) -> Any:
    name = ufunc.__name__
    if name in _OP_NAMES:
        return public_op(_OP_NAMES[name])
    return public_op(name) if name in _SAME_NAMES else None


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """NumPy's ufunc protocol: compute with the op of the same meaning, recorded."""
    for x in inputs:
        if not _known(x):
            return NotImplemented
    out = kwargs.pop("out", None)
    if method == "at":
        return _at(ufunc, inputs)
    if out is not None and any(isinstance(o, np.ndarray) for o in out):
        return _on_arrays(ufunc, method, inputs, {**kwargs, "out": out})
    compute = {
        "__call__": _call, "reduce": _reduce, "accumulate": _accumulate, "outer": _outer,
    }.get(method)  # fmt: skip
    result = None if compute is None else compute(ufunc, inputs, kwargs)
    if result is None:
        result = _on_arrays(ufunc, method, inputs, kwargs)
    if out is None:
        return result
    return inplace.into(out[0] if len(out) == 1 else out, result, ufunc.__name__)


def _known(x: Any) -> bool:
    if isinstance(x, (Tensor, np.ndarray, np.generic, bool, int, float, complex, list, tuple)):
        return True
    return not hasattr(x, "__array_ufunc__")


def _operands(inputs: Iterable[Any]) -> list[Any]:
    """Return the operands as ops take them: tensors, and Python numbers after the first place."""
    found = []
    for x in inputs:
        if isinstance(x, np.generic):  # weak, like the Python number it stands for
            x = x.item()
        elif not isinstance(x, (Tensor, bool, int, float, complex)):
            x = wrap(np.asarray(x))
        found.append(x)
    if not isinstance(found[0], Tensor):
        like = next((x for x in found if isinstance(x, Tensor)), None)
        found[0] = as_tensor_arg(found[0], like)
    return found


def _call(ufunc: np.ufunc, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    dtype = kwargs.get("dtype")
    if kwargs.get("where", True) is not True or {"axes", "axis", "signature"} & set(kwargs):
        return None
    operands = _operands(inputs)
    if dtype is not None:
        operands = [_tensor(x).to(np.dtype(dtype)) for x in operands]
    if ufunc.signature is not None:  # matmul and its kin: the ops want operands of one dtype
        operands = [_tensor(x) for x in operands]
        common = result_dtype(operands)
        operands = [x.to(common) for x in operands]
    if ufunc.nout == 2:
        return _call_pair(ufunc.__name__, operands)
    op = _op_of(ufunc)
    return None if op is None else op(*operands)


def _tensor(x: Any) -> Any:
    return x if isinstance(x, Tensor) else as_tensor_arg(x)


def _call_pair(name: str, operands: list[Any]) -> Any:
    torch = API["torch"]
    if name == "divmod":
        return torch["floor_divide"](*operands), torch["remainder"](*operands)
    if name == "modf":
        whole = torch["trunc"](operands[0])
        return operands[0] - whole, whole
    return None


def _reduce(ufunc: np.ufunc, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = _REDUCTIONS.get(ufunc.__name__)
    op = None if name is None else public_op(name)
    if op is None or kwargs.get("where", True) is not True or kwargs.get("initial") is not None:
        return None
    x = _operands(inputs[:1])[0]
    if kwargs.get("dtype") is not None:
        x = x.to(np.dtype(kwargs["dtype"]))
    return reduced(op, x, kwargs.get("axis", 0), bool(kwargs.get("keepdims", False)))


def reduced(op: Any, x: Any, axis: Any, keepdims: bool = False) -> Any:
    """Reduce over one axis, several, or all (None), whatever `op` takes as its dim."""
    n = x._spec.ndim
    if axis is None:
        if not keepdims and op in (API["torch"][k] for k in ("sum", "mean", "prod", "all", "any")):
            return op(x)
        axis = tuple(range(n))
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple([a + n if a < 0 else a for a in axes])
    for a in axes:
        if not 0 <= a < n:
            raise np.exceptions.AxisError(a, n)
    if op == API["torch"]["prod"]:  # takes one dim at a time
        for a in sorted(axes, reverse=True):
            x = op(x, a, keepdims)
        return x
    return op(x, axes, keepdims) if axes else op(x.unsqueeze(0), 0)


def _accumulate(ufunc: np.ufunc, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = _ACCUMULATIONS.get(ufunc.__name__)
    op = None if name is None else public_op(name)
    if op is None:
        return None
    x = _operands(inputs[:1])[0]
    if kwargs.get("dtype") is not None:
        x = x.to(np.dtype(kwargs["dtype"]))
    result = op(x, kwargs.get("axis", 0))
    return result[0] if isinstance(result, tuple) else result


def _outer(ufunc: np.ufunc, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    x, y = (x if isinstance(x, Tensor) else wrap(np.asarray(x)) for x in inputs)
    x = x.reshape(tuple(x.shape) + (1,) * y.ndim)
    return _call(ufunc, (x, y), kwargs)


def _at(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> None:
    target, *rest = inputs
    why = f"np.{ufunc.__name__}.at writes into memory and is not recorded."
    arrays = [_to_array(x, why) for x in rest]
    if not isinstance(target, Tensor):
        ufunc.at(target, *arrays)
        return
    if target.requires_grad and state.is_grad_enabled():
        raise RuntimeError(
            f"np.{ufunc.__name__}.at can't be recorded on a Tensor that requires grad. Use "
            "tensor.index_put(indices, values, accumulate=True) or index_add instead."
        )
    inplace.check_writable(target, False)
    ufunc.at(target._array, *arrays)
    inplace.bump(target)


def _to_array(x: Any, why: str) -> Any:
    """Return a tensor as an array (lists of tensors too); refuse to lose a gradient."""
    if isinstance(x, Tensor):
        if x.requires_grad and state.is_grad_enabled():
            raise RuntimeError(f"{_REQUIRES_GRAD} ({why})")
        return numpy(x)
    if isinstance(x, (list, tuple)):
        return type(x)([_to_array(v, why) for v in x])
    return x


def _on_arrays(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run a ufunc on the arrays behind the tensors; results of a known dtype become tensors."""
    what = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    if "out" in kwargs:
        why = f"{what} writes into a NumPy array, which records nothing."
        if any(isinstance(o, Tensor) for o in kwargs["out"]):
            raise TypeError(f"{what}: out= mixes tensors and arrays")
    else:
        why = f"{what} has no derivative here."
    arrays = [_to_array(x, why) for x in inputs]
    if isinstance(kwargs.get("where"), Tensor):
        kwargs["where"] = _to_array(kwargs["where"], why)
    result = getattr(ufunc, method)(*arrays, **kwargs)
    if "out" in kwargs:
        return result
    if isinstance(result, tuple):
        return tuple(_wrapped(r) for r in result)
    return _wrapped(result)


def _wrapped(result: Any) -> Any:
    try:
        t = wrap(result)
    except TypeError:  # a dtype that tensors do not have
        return result
    if state.MODE is not None:
        state.MODE.imported(t)
    return t


public("Tensor", name="__array_ufunc__")(_array_ufunc)


# ------------------------------------------------------------------------------------- functions

# Filled by `numpy_function`; loaded, and its names resolved, when NumPy first asks.
_HANDLERS: dict[str, tuple[Callable[..., Any], bool]] = {}
_resolved: dict[Any, tuple[Callable[..., Any], bool]] = {}


def numpy_function(*names: str, always: bool = False) -> Callable[[Any], Any]:
    """Register what runs in place of NumPy functions when tensors are among their arguments.

    always   run it for every tensor; otherwise only where one requires grad
    """

    def register(f: Any) -> Any:
        for name in names:
            _HANDLERS[name] = (f, always)
        _resolved.clear()
        return f

    return register


def _handler(func: Any) -> tuple[Callable[..., Any], bool] | None:
    if not _resolved:
        # By name: this layer knows no op, and few programs ever come here.
        for part in ("numpy_functions", "numpy_fft"):
            importlib.import_module(__name__.replace("core.numpy_protocol", f"ops.{part}"))
        for name, entry in _HANDLERS.items():
            target: Any = np
            for part in name.split("."):
                target = getattr(target, part, None)
            if target is not None:
                _resolved[target] = entry
    return _resolved.get(func)


def requires_grad_within(args: Iterable[Any]) -> bool:
    """True if a tensor among the arguments, or within their lists, requires grad."""
    for a in args:
        if isinstance(a, Tensor):
            if a.requires_grad:
                return True
        elif isinstance(a, (list, tuple)) and requires_grad_within(a):
            return True
    return False


def _array_function(
    self: Tensor, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """NumPy's function protocol: as on arrays, unless a gradient would get lost."""
    for t in types:
        if not issubclass(t, (Tensor, np.ndarray)):
            return NotImplemented
    entry = _handler(func)
    if entry is not None:
        handler, always = entry
        if always or (
            state.is_grad_enabled()
            and (requires_grad_within(args) or requires_grad_within(kwargs.values()))
        ):
            result = handler(*args, **kwargs)
            if result is not NotImplemented:
                return result
    return func._implementation(*args, **kwargs)


public("Tensor", name="__array_function__")(_array_function)
