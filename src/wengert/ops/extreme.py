"""Largest and smallest elements, and the rows that pick elements by position.

A function that returns values and indices is two calls: one finds the positions (no derivative),
one picks the values by them. The second is a row of `picking`: its gradient goes to the picked
elements, so ties give all of it to one index. Functions that return only the extreme share the
gradient equally among ties.
"""

from __future__ import annotations

from typing import Any

from ..core import return_types as rt
from ..core.batching import all_batched, along, along_or_flat, together
from ..core.cold import bind
from ..core.define import plain, primitive
from ..core.op import TENSORS as T
from ..core.registry import numpy_names, public
from ..core.tensor import Tensor
from ..kernels import reduce as k
from ..kernels.dims import wrap_dim
from ..kernels.sort import pick
from .reduce import Dims, checked, dims_of


# ------------------------------------------------------------------- picking by position
def _pick(x: Any, y: Any, dim: int, keepdim: bool) -> Any:
    if keepdim or not x.ndim:
        return pick(x, y, dim)
    return pick(x, y.reshape((*y.shape[:dim], 1, *y.shape[dim:])), dim).reshape(y.shape)


def _unpick(xp: Any, g: Any, y: Any, x_spec: Any, dim: int, keepdim: bool) -> Any:
    if not x_spec.shape:
        return g
    if not keepdim:
        g, y = xp.unsqueeze(g, dim), xp.unsqueeze(y, dim)
    return xp.gather_backward(g, y, dim, x_spec.shape)


def _pick_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    x, y = all_batched(xs, on)
    if x.ndim == 1:  # examples without dims
        picked = bind(op, (T.unsqueeze(x, 1), T.unsqueeze(y, 1)), (1, True))
        return T.reshape(picked, tuple(y.shape))
    return bind(op, (x, y), (params[0] + 1, params[1]))


def picking(name: str, node: str) -> Any:
    """Define a row that picks the elements of x at the positions y along one dim.

    With `keepdim`, y has the dims of x; without, the dim is missing from it.
    """
    call = primitive(
        "opaque", f"{name}(x, y, *, dim, keepdim)", _pick, x=_unpick, node=node,
        saved={"y": "indices"}, batch=_pick_batch,
        jvp=lambda xp, xs, ts, out, params: getattr(xp, name)(ts[0], xs[1], *params),
    )  # fmt: skip
    return call


pick_max = picking("pick_max", "MaxBackward0")
pick_min = picking("pick_min", "MinBackward0")

_argmax = plain("argmax(x, *, dim, keepdim)", k.argmax, promote=None, batch=along_or_flat("dim"))
_argmin = plain("argmin(x, *, dim, keepdim)", k.argmin, promote=None, batch=along_or_flat("dim"))

# the shares of ties are constants: the gradient of an extreme is piecewise constant in x
plain("ties(x, y, *, dim, nan)", k.ties, promote=None, batch=together("dim"))


# ------------------------------------------------------------------- one extreme
def kept_shape(shape: tuple, dim: Any) -> tuple:
    """Return the shape of a reduction that keeps its dims."""
    return tuple([1 if dim is None or d in dim else n for d, n in enumerate(shape)])


def _sharing(schema: str, kernel: Any, nan: bool, node: str, batch: Any = None) -> Any:
    """Define an extreme over dims (or of all elements) whose ties share the gradient."""

    def shares(xp: Any, x: Any, out: Any, dim: Any, keepdim: bool) -> Any:
        if not keepdim:
            out = xp.reshape(out, kept_shape(x.shape, dim))
        return xp.ties(x, out, dim, nan)

    def rule(xp: Any, g: Any, x: Any, out: Any, dim: Any, keepdim: bool) -> Any:
        return xp.spread(g, dim, keepdim, x.shape) * shares(xp, x, out, dim, keepdim)

    def jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
        return xp.sum(ts[0] * shares(xp, xs[0], out, *params), *params)

    return primitive("opaque", schema, kernel, x=rule, jvp=jvp, node=node, batch=batch or along("dim"))


_amax = _sharing("amax(x, *, dim, keepdim)", k.amax, False, "AmaxBackward0")
_amin = _sharing("amin(x, *, dim, keepdim)", k.amin, False, "AminBackward0")
_max_all = _sharing("max_all(x, *, dim, keepdim)", k.amax, True, "MaxBackward1")
_min_all = _sharing("min_all(x, *, dim, keepdim)", k.amin, True, "MinBackward1")


def _nonempty(
    input: Tensor, dims: tuple | None, caller: str, error: type = RuntimeError, colon: str = ""
) -> None:
    """Raise PyTorch's error if some reduced dim has no elements."""
    s = input._spec
    if s.numel:
        return
    if dims is None:
        raise error(
            f"{caller}(): Expected reduction dim to be specified for input.numel() == 0."
            + ("" if error is IndexError else " Specify the reduction dim with the 'dim' argument.")
        )
    for d in dims:
        if s.ndim and s.shape[d] == 0:
            raise IndexError(
                f"{colon or caller + '():'} Expected reduction dim {d} to have non-zero size."
            )


def _real(input: Any, caller: str, kernel: str | None = None) -> Any:
    d = checked(input, caller)._spec.dtype
    if d.is_complex:
        if kernel is not None:
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{d.scalar_name}'")
        raise RuntimeError(f"{caller}(): does not support complex input")
    return input


def _extreme(
    name: str, call: Any, input: Tensor, dim: Any, keepdim: bool, other: Any,
    binary: Any, find: Any, picked: Any, kind: Any,
) -> Any:  # fmt: skip
    """The three forms of max and min."""
    if other is None and isinstance(dim, Tensor):
        other = dim
    if other is not None:
        return binary(input, other)
    _real(input, name, f"{name}_all" if dim is None else None)
    if dim is None:
        _nonempty(input, None, name)
        return call(input, None, False)
    if isinstance(dim, (tuple, list, float)):
        raise TypeError(
            f"{name}() received an invalid combination of arguments: dim must be an int (use "
            f"a{name}() for several dims) and `other` a Tensor, not {type(dim).__name__}"
        )
    dim = wrap_dim(dim, input._spec.ndim)
    _nonempty(input, (dim,), name)
    at = find(input, dim if input._spec.ndim else None, keepdim)
    return rt.make(kind, picked(input, at, dim, keepdim), at)


@public("torch", "Tensor", out=True)
@numpy_names
def max(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None
) -> Any:
    """Return the largest element; along a dim, the largest values and where they are first found.

    max(input) is a 0-d tensor whose gradient is shared by ties; max(input, dim) a named tuple
    (values, indices) whose gradient goes to the index found; max(input, other) the elementwise
    maximum. NaN counts as largest. Raises IndexError over an empty dim.

    >>> import wengert as torch
    >>> x = torch.tensor([[1., 5.], [7., 2.]])
    >>> x.max()
    tensor(7.)
    >>> x.max(dim=1)
    torch.return_types.max(
    values=tensor([5., 7.]),
    indices=tensor([1, 0]))
    """
    return _extreme(
        "max", _max_all, input, dim, keepdim, other, T.maximum, _argmax, pick_max, rt.max
    )


@public("torch", "Tensor", out=True)
@numpy_names
def min(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None
) -> Any:
    """Return the smallest element; along a dim, the smallest values and where they are first found.

    The forms are those of `max`. NaN counts as smallest here.

    >>> import wengert as torch
    >>> torch.tensor([[1., 5.], [7., 2.]]).min(dim=0)
    torch.return_types.min(
    values=tensor([1., 2.]),
    indices=tensor([0, 1]))
    """
    return _extreme(
        "min", _min_all, input, dim, keepdim, other, T.minimum, _argmin, pick_min, rt.min
    )


@public("torch", "Tensor", out=True)
@numpy_names
def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the largest element over some dims or all; ties share the gradient equally.

    >>> import wengert as torch
    >>> torch.tensor([[1., 5.], [7., 2.]]).amax(dim=(0, 1))
    tensor(7.)
    """
    _real(input, "amax", "max_values_cpu")
    dims = None if isinstance(dim, (tuple, list)) and not dim else dims_of(dim, input._spec.ndim)
    _nonempty(input, dims, "amax")
    return _amax(input, dims, keepdim)


@public("torch", "Tensor", out=True)
@numpy_names
def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the smallest element over some dims or all; ties share the gradient equally.

    >>> import wengert as torch
    >>> torch.tensor([[1., 5.], [7., 2.]]).amin(dim=1, keepdim=True)
    tensor([[1.],
            [2.]])
    """
    _real(input, "amin", "min_values_cpu")
    dims = None if isinstance(dim, (tuple, list)) and not dim else dims_of(dim, input._spec.ndim)
    _nonempty(input, dims, "amin")
    return _amin(input, dims, keepdim)


def _ties(xp: Any, x: Any, extreme: Any, dim: Any, keepdim: bool) -> Any:
    if not keepdim:
        extreme = xp.reshape(extreme, kept_shape(x.shape, dim))
    return xp.ties(x, extreme, dim, False)


def _aminmax_rule(xp: Any, g: Any, x: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    total = None
    for gk, extreme in zip(g, out, strict=True):
        if gk is None:
            continue
        part = xp.spread(gk, dim, keepdim, x.shape) * _ties(xp, x, extreme, dim, keepdim)
        total = part if total is None else total + part
    return total


_aminmax = primitive(
    "opaque", "aminmax(x, *, dim, keepdim)",
    lambda x, dim, keepdim: (k.amin(x, dim, keepdim), k.amax(x, dim, keepdim)),
    outputs=2, x=_aminmax_rule, batch=along("dim"),
    jvp=lambda xp, xs, ts, out, params: tuple(
        [
            xp.sum(ts[0] * _ties(xp, xs[0], o, *params), *params)
            for o in out
        ]
    ),
)  # fmt: skip


@public("torch", "Tensor", out=True)
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the smallest and the largest element, along one dim or of all.

    >>> import wengert as torch
    >>> torch.tensor([3., 1., 2.]).aminmax()
    torch.return_types.aminmax(
    min=tensor(1.),
    max=tensor(3.))
    """
    _real(input, "aminmax")
    dims = None if dim is None else (wrap_dim(dim, input._spec.ndim),)
    if dims is None and not input._spec.numel:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
            "identity."
        )
    _nonempty(input, dims, "aminmax", colon="aminmax:")
    return rt.make(rt.aminmax, *_aminmax(input, dims if input._spec.ndim else None, keepdim))


# ------------------------------------------------------------------- positions
def _position(name: str, call: Any, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    _real(input, name)
    s = input._spec
    if s.dtype.category == 0:
        raise RuntimeError(f"{name}(): does not support bool input")
    if dim is None:
        _nonempty(input, None, name, IndexError)
        return call(input, None, keepdim)
    dim = wrap_dim(dim, s.ndim)
    _nonempty(input, (dim,), name)
    return call(input, dim if s.ndim else None, keepdim)


@public("torch", "Tensor", out=True)
@numpy_names
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the largest element is first found, along a dim or in the flattened tensor.

    >>> import wengert as torch
    >>> torch.tensor([[1., 5.], [7., 2.]]).argmax(dim=1)
    tensor([1, 0])
    """
    return _position("argmax", _argmax, input, dim, keepdim)


@public("torch", "Tensor", out=True)
@numpy_names
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the smallest element is first found, along a dim or in the flattened tensor.

    >>> import wengert as torch
    >>> torch.tensor([[1., 5.], [7., 2.]]).argmin()
    tensor(0)
    """
    return _position("argmin", _argmin, input, dim, keepdim)
