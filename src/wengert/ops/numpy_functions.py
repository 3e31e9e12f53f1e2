"""What NumPy functions do with tensors: np.sum(t), np.concatenate([t, u]), np.linalg.norm(t), ...

Three groups. Functions that NumPy itself hands to a method of the object return tensors always.
Functions that NumPy computes on arrays return arrays, as with PyTorch, unless a tensor requires
grad: then the op here computes and records. Questions whose answer has no gradient (dtypes,
comparisons, positions) are answered on the values. A handler that returns NotImplemented leaves
the call to NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.numpy_protocol import numpy, numpy_function, reduced
from ..core.promote import result_dtype
from ..core.registry import API, find
from ..core.tensor import Tensor, as_tensor_arg, wrap

torch = API["torch"]
_NONE = np._NoValue


def tensor_of(x: Any) -> Any:
    """Return an argument as a tensor; lists that hold tensors are stacked, gradients and all."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, (list, tuple)) and any(isinstance(v, (Tensor, list, tuple)) for v in x):
        return torch["stack"]([tensor_of(v) for v in x])
    if isinstance(x, (bool, int, float, complex)):
        return as_tensor_arg(x)
    return wrap(np.asarray(x))


def _given(value: Any) -> bool:
    return value is not None and value is not _NONE


# ---------------------------------------------------------------- always tensors: reductions


def _reduction(name: str, *numpy_names: str) -> None:
    def handler(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = _NONE,
        initial: Any = _NONE, where: Any = _NONE,
    ) -> Any:  # fmt: skip
        if _given(out) or _given(initial) or _given(where):
            return NotImplemented
        x = tensor_of(a)
        if dtype is not None:
            x = x.to(np.dtype(dtype))
        return reduced(torch[name], x, axis, _given(keepdims) and bool(keepdims))

    numpy_function(*numpy_names, always=True)(handler)


_reduction("sum", "sum")
_reduction("prod", "prod")
_reduction("mean", "mean")


def _plain_reduction(name: str, *numpy_names: str) -> None:
    """The same for those of NumPy's reductions that have no dtype argument."""

    def handler(
        a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE, initial: Any = _NONE,
        where: Any = _NONE,
    ) -> Any:  # fmt: skip
        if _given(out) or _given(initial) or _given(where):
            return NotImplemented
        keep = _given(keepdims) and bool(keepdims)
        return reduced(torch[name], tensor_of(a), axis, keep)

    numpy_function(*numpy_names, always=True)(handler)


_plain_reduction("amax", "max", "amax")
_plain_reduction("amin", "min", "amin")
_plain_reduction("all", "all")
_plain_reduction("any", "any")


def _spread(name: str) -> None:
    """np.std and np.var: their default divides by n, PyTorch's by n - 1."""

    def handler(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
        keepdims: Any = _NONE, *, where: Any = _NONE, mean: Any = _NONE, correction: Any = _NONE,
    ) -> Any:  # fmt: skip
        if _given(out) or _given(where) or _given(mean):
            return NotImplemented
        x = tensor_of(a)
        if dtype is not None:
            x = x.to(np.dtype(dtype))
        elif not x.dtype.is_floating_point and not x.dtype.is_complex:
            x = x.to(np.float64)
        n = correction if _given(correction) else ddof
        keep = _given(keepdims) and bool(keepdims)
        return reduced(lambda x, d, k: torch[name](x, d, correction=n, keepdim=k), x, axis, keep)

    numpy_function(name, always=True)(handler)


_spread("std")
_spread("var")


@numpy_function("argmax", always=True)
def _argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _NONE) -> Any:
    if _given(out):
        return NotImplemented
    return torch["argmax"](tensor_of(a), axis, _given(keepdims) and bool(keepdims))


@numpy_function("argmin", always=True)
def _argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = _NONE) -> Any:
    if _given(out):
        return NotImplemented
    return torch["argmin"](tensor_of(a), axis, _given(keepdims) and bool(keepdims))


def _scan(name: str) -> None:
    def handler(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        if _given(out):
            return NotImplemented
        x = tensor_of(a)
        if dtype is not None:
            x = x.to(np.dtype(dtype))
        return torch[name](x.reshape(-1) if axis is None else x, axis or 0)

    numpy_function(name, always=True)(handler)


_scan("cumsum")
_scan("cumprod")


@numpy_function("clip", always=True)
def _clip(
    a: Any, a_min: Any = _NONE, a_max: Any = _NONE, out: Any = None, *, min: Any = _NONE,
    max: Any = _NONE, **options: Any,
) -> Any:  # fmt: skip
    if _given(out) or options:
        return NotImplemented
    low = a_min if _given(a_min) else min
    high = a_max if _given(a_max) else max
    x = tensor_of(a)
    if _given(low):
        x = torch["maximum"](x, as_tensor_arg(_unwrapped(low), x))
    if _given(high):
        x = torch["minimum"](x, as_tensor_arg(_unwrapped(high), x))
    return x


def _unwrapped(x: Any) -> Any:
    return x.item() if isinstance(x, np.generic) else x


@numpy_function("round", "around", always=True)
def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    return NotImplemented if _given(out) else torch["round"](tensor_of(a), decimals=decimals)


# ---------------------------------------------------------------- always tensors: shapes


@numpy_function("reshape", always=True)
def _reshape(a: Any, /, shape: Any = None, order: str = "C", *, copy: Any = None) -> Any:
    if order != "C" or copy:
        return NotImplemented
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    return torch["reshape"](tensor_of(a), shape)


@numpy_function("transpose", "permute_dims", always=True)
def _transpose(a: Any, axes: Any = None) -> Any:
    x = tensor_of(a)
    return torch["permute"](x, tuple(range(x.ndim))[::-1] if axes is None else tuple(axes))


@numpy_function("squeeze", always=True)
def _squeeze(a: Any, axis: Any = None) -> Any:
    x = tensor_of(a)
    return torch["squeeze"](x) if axis is None else torch["squeeze"](x, axis)


@numpy_function("swapaxes", always=True)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    return torch["swapaxes"](tensor_of(a), axis1, axis2)


@numpy_function("repeat", always=True)
def _repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    if not isinstance(repeats, (int, Tensor)):
        repeats = wrap(np.asarray(repeats))
    return torch["repeat_interleave"](tensor_of(a), repeats, axis)


@numpy_function("size", always=True)
def _size(a: Any, axis: Any = None) -> Any:
    shape = tensor_of(a).shape
    return shape.numel() if axis is None else shape[axis]


# ---------------------------------------------------------------- answers without a gradient


def _on_values(x: Any) -> Any:
    if isinstance(x, Tensor):
        return numpy(x, force=True)
    if isinstance(x, (list, tuple)):
        return type(x)([_on_values(v) for v in x])
    return x


def _values_only(name: str) -> None:
    target: Any = getattr(np, name, None)
    if target is None:  # came with a later NumPy
        return

    def handler(*args: Any, **kwargs: Any) -> Any:
        return target(*_on_values(args), **{k: _on_values(v) for k, v in kwargs.items()})

    numpy_function(name, always=True)(handler)


for _name in (
    "allclose", "argpartition", "argsort", "argwhere", "array_equal", "array_equiv", "can_cast",
    "common_type", "count_nonzero", "digitize", "empty_like", "flatnonzero", "full_like",
    "histogram", "iscomplexobj", "isclose", "isin", "isrealobj", "may_share_memory",
    "min_scalar_type", "nonzero", "ones_like", "result_type", "searchsorted", "shares_memory",
    "zeros_like",
):  # fmt: skip
    _values_only(_name)


# ---------------------------------------------------------------- recorded where a gradient flows


def _joining(numpy_name: str, name: str) -> None:
    def handler(tup: Any, **options: Any) -> Any:
        return NotImplemented if options else torch[name]([tensor_of(x) for x in tup])

    numpy_function(numpy_name)(handler)


for _name in ("vstack", "hstack", "dstack", "column_stack"):
    _joining(_name, _name)


@numpy_function("concatenate", "concat")
def _concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None
) -> Any:
    if _given(out):
        return NotImplemented
    parts = [tensor_of(x) for x in arrays]
    if axis is None:
        parts, axis = [x.reshape(-1) for x in parts], 0
    joined = torch["cat"](parts, axis)
    return joined if dtype is None else joined.to(np.dtype(dtype))


@numpy_function("stack")
def _stack(arrays: Any, axis: int = 0, out: Any = None, **options: Any) -> Any:
    if _given(out) or options:
        return NotImplemented
    return torch["stack"]([tensor_of(x) for x in arrays], axis)


@numpy_function("where")
def _where(condition: Any, *branches: Any) -> Any:
    if not branches:
        return np.nonzero(_on_values(condition))
    test = tensor_of(condition)
    if test.dtype.category:
        test = test != 0
    x, y = (_unwrapped(b) if np.isscalar(b) else tensor_of(b) for b in branches)
    return torch["where"](test, x, y)


@numpy_function("einsum")
def _einsum(*operands: Any, out: Any = None, optimize: Any = False, **options: Any) -> Any:
    if _given(out) or options or not isinstance(operands[0], str):
        return NotImplemented
    return torch["einsum"](operands[0], *_one_dtype([tensor_of(x) for x in operands[1:]]))


@numpy_function("dot")
def _dot(a: Any, b: Any, out: Any = None) -> Any:
    if _given(out):
        return NotImplemented
    x, y = _same_dtype(a, b)
    if not x.ndim or not y.ndim:
        return x * y
    if y.ndim <= 2:
        return torch["matmul"](x, y)
    return torch["tensordot"](x, y, dims=([x.ndim - 1], [y.ndim - 2]))


def _same_dtype(a: Any, b: Any) -> list[Any]:
    return _one_dtype([tensor_of(a), tensor_of(b)])


def _one_dtype(tensors: list[Any]) -> list[Any]:
    """Promote operands as NumPy does; PyTorch's products want one dtype."""
    d = result_dtype(tensors)
    return [x if x.dtype is d else x.to(d) for x in tensors]


@numpy_function("inner")
def _inner(a: Any, b: Any, /) -> Any:
    return torch["inner"](*_same_dtype(a, b))


@numpy_function("vdot")
def _vdot(a: Any, b: Any, /) -> Any:
    x, y = _same_dtype(a, b)
    return torch["vdot"](x.reshape(-1), y.reshape(-1))


@numpy_function("outer")
def _outer(a: Any, b: Any, out: Any = None) -> Any:
    if _given(out):
        return NotImplemented
    x, y = _same_dtype(a, b)
    return torch["outer"](x.reshape(-1), y.reshape(-1))


@numpy_function("tensordot")
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    if not isinstance(axes, int):
        axes = tuple([[k] if isinstance(k, int) else list(k) for k in axes])
    return torch["tensordot"](*_same_dtype(a, b), dims=axes)


@numpy_function("kron")
def _kron(a: Any, b: Any) -> Any:
    return torch["kron"](*_same_dtype(a, b))


@numpy_function("take")
def _take(
    a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise"
) -> Any:
    if _given(out) or mode != "raise":
        return NotImplemented
    x, at = tensor_of(a), np.asarray(_on_values(indices))
    if axis is None:
        x, axis = x.reshape(-1), 0
    key = (slice(None),) * (axis % x.ndim) + (wrap(at.astype(np.int64)),)
    return x[key]


@numpy_function("take_along_axis")
def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    x, at = tensor_of(arr), np.asarray(_on_values(indices)).astype(np.int64)
    if axis is None:
        x, axis = x.reshape(-1), 0
    return torch["take_along_dim"](x, wrap(at), axis)


@numpy_function("sort")
def _sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    x = tensor_of(a)
    if axis is None:
        x, axis = x.reshape(-1), 0
    return torch["sort"](x, dim=axis)[0]


@numpy_function("diagonal")
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return torch["diagonal"](tensor_of(a), offset, axis1, axis2)


@numpy_function("trace")
def _trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    if _given(out) or dtype is not None:
        return NotImplemented
    return _diagonal(a, offset, axis1, axis2).sum(-1)


@numpy_function("split", "array_split")
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return list(torch["tensor_split"](tensor_of(ary), indices_or_sections, axis))


@numpy_function("roll")
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    return torch["roll"](tensor_of(a), shift, axis)


@numpy_function("flip")
def _flip(m: Any, axis: Any = None) -> Any:
    x = tensor_of(m)
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    return torch["flip"](x, tuple(axes))


@numpy_function("tile")
def _tile(A: Any, reps: Any) -> Any:
    return torch["tile"](tensor_of(A), (reps,) if isinstance(reps, int) else tuple(reps))


@numpy_function("broadcast_to")
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    return torch["broadcast_to"](
        tensor_of(array), (shape,) if isinstance(shape, int) else tuple(shape)
    )


@numpy_function("expand_dims")
def _expand_dims(a: Any, axis: Any) -> Any:
    x = tensor_of(a)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    n = x.ndim + len(axes)
    for k in sorted(k % n for k in axes):
        x = torch["unsqueeze"](x, k)
    return x


@numpy_function("ravel")
def _ravel(a: Any, order: str = "C") -> Any:
    return torch["reshape"](tensor_of(a), (-1,)) if order == "C" else NotImplemented


@numpy_function("copy")
def _copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return torch["clone"](tensor_of(a))


@numpy_function("diff")
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = _NONE, append: Any = _NONE) -> Any:
    if _given(prepend) or _given(append):
        return NotImplemented
    return torch["diff"](tensor_of(a), n, axis)


@numpy_function("average")
def _average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = _NONE
) -> Any:
    if returned or weights is not None:
        return NotImplemented
    return reduced(torch["mean"], tensor_of(a), axis, _given(keepdims) and bool(keepdims))


@numpy_function("ptp")
def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _NONE) -> Any:
    if _given(out):
        return NotImplemented
    x, keep = tensor_of(a), _given(keepdims) and bool(keepdims)
    return reduced(torch["amax"], x, axis, keep) - reduced(torch["amin"], x, axis, keep)


@numpy_function("linalg.norm")
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return API["linalg"]["norm"](tensor_of(x), ord, axis, keepdims)


def _same_meaning(numpy_name: str, space: str) -> None:
    """A NumPy function whose counterpart here has its name and the order of its arguments."""
    name = numpy_name.rpartition(".")[2]

    def handler(*args: Any, **kwargs: Any) -> Any:
        f = find(space, name)
        if f is None:
            return NotImplemented
        rest = [a for a in args if not isinstance(a, (Tensor, np.ndarray, list))]
        given = [tensor_of(a) for a in args[: len(args) - len(rest)]]
        return f(*_one_dtype(given), *rest, **kwargs)

    numpy_function(numpy_name)(handler)


for _name in (
    "angle", "atleast_1d", "atleast_2d", "atleast_3d", "corrcoef", "cov", "diag", "diagflat",
    "fliplr", "flipud", "imag", "matmul", "moveaxis", "nan_to_num", "real", "rot90", "sinc",
    "trapezoid", "tril", "triu",
):  # fmt: skip
    _same_meaning(_name, "torch")
for _name in (
    "cholesky", "cond", "det", "eigh", "eigvalsh", "inv", "matrix_power", "pinv",
    "slogdet", "solve",
):  # fmt: skip
    _same_meaning(f"linalg.{_name}", "linalg")


@numpy_function("linalg.multi_dot")
def _multi_dot(arrays: Any, *, out: Any = None) -> Any:
    if _given(out):
        return NotImplemented
    return API["linalg"]["multi_dot"](_one_dtype([tensor_of(x) for x in arrays]))


@numpy_function("cross")
def _cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    if (axisa, axisb, axisc) != (-1, -1, -1):
        return NotImplemented
    x, y = torch["broadcast_tensors"](*_same_dtype(a, b))
    return API["linalg"]["cross"](x, y, dim=-1 if axis is None else axis)


@numpy_function("median")
def _median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    return _quantile(a, 0.5, axis, out, keepdims=keepdims)


@numpy_function("quantile")
def _quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False, **options: Any,
) -> Any:  # fmt: skip
    """NumPy's median and quantiles interpolate, as torch.quantile does (torch.median does not)."""
    if _given(out) or options or not (axis is None or isinstance(axis, int)):
        return NotImplemented
    q = q if isinstance(q, float) else tensor_of(q).to(tensor_of(a).dtype)
    return torch["quantile"](tensor_of(a), q, axis, keepdims, interpolation=method)


@numpy_function("percentile")
def _percentile(a: Any, q: Any, *args: Any, **kwargs: Any) -> Any:
    q = q / 100.0 if isinstance(q, (int, float)) else np.asarray(q) / 100.0
    return _quantile(a, q, *args, **kwargs)
