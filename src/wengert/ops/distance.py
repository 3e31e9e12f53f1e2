"""Distances, similarities and what is made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.batching import leading
from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..core.promote import result_dtype
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import distance as k
from ..kernels.dims import broadcast_shapes, wrap_dim
from .checking import check_tensor

T: Any = TENSORS


def _norm(x: Any, p: float, dim: tuple, keepdim: bool) -> Any:
    return T.linalg_vector_norm(x, float(p), dim, keepdim)


def kept_above(x: Any, low: float) -> Any:
    """Return x raised to `low` where it is less; the gradient passes as if that had not happened."""
    if not x._spec.plain:
        value = x.detach()
        return x + (T.at_least(value, low) - value)
    kept = x.clone()
    np.maximum(kept._array, kept._array.dtype.type(low), out=kept._array)
    return kept


# ---------------------------------------------------------------- row by row
@public("torch", "F")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between vectors along a dim; norms are kept above eps.

    >>> import wengert as torch
    >>> torch.cosine_similarity(torch.tensor([[1., 0.]]), torch.tensor([[1., 1.]]))
    tensor([0.7071])
    """
    check_tensor(x1, "cosine_similarity", "x1")
    check_tensor(x2, "cosine_similarity", "x2", 2)
    d = result_dtype((x1, x2))
    if d.category < 2:
        raise RuntimeError(
            "expected common dtype to be floating point, yet common dtype is " + d.scalar_name
        )
    shape = broadcast_shapes(x1._spec.shape, x2._spec.shape)
    at = wrap_dim(dim, len(shape))
    units = []
    for x in (x1, x2):
        x = x if x._spec.dtype is d else T.cast(x, d)
        x = x if x._spec.shape == shape else T.expand(x, shape)
        units.append(x / kept_above(_norm(x, 2, (at,), True), eps))
    return T.sum(units[0] * units[1], (at,), False)


@public("torch", "F")
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Return the p-norm of x1 - x2 + eps along the last dim.

    >>> import wengert as torch
    >>> torch.pairwise_distance(torch.zeros(1, 2), torch.tensor([[3., 4.]]))
    tensor([5.0000])
    """
    check_tensor(x1, "pairwise_distance", "x1")
    check_tensor(x2, "pairwise_distance", "x2", 2)
    d: Any = T.add(T.sub(x1, x2), eps)
    return _norm(d, p, (d._spec.ndim - 1,), keepdim)


@public("F", out=True)
def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """Divide by the p-norm along a dim (or dims), which is kept above eps.

    >>> import wengert as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3., 4.]]))
    tensor([[0.6000, 0.8000]])
    """
    check_tensor(input, "normalize")
    n = input._spec.ndim
    dims = tuple([wrap_dim(d, n) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))])
    size = T.at_least(_norm(input, p, dims, True), eps)
    return input / T.expand(size, input._spec.shape)


# ---------------------------------------------------------------- all pairs
def _differences(x: Any, y: Any) -> Any:
    return T.unsqueeze(x, x.ndim - 1) - T.unsqueeze(y, y.ndim - 2)


def _slope(d: Any, out: Any, p: float) -> Any:
    """The derivative of the norm by each difference, over tensors; 0 where the norm is 0."""
    if p == 0:
        return T.zeros_like(d)
    if p == 1:
        return T.sign(d)
    if p == math.inf:
        return T.sign(d) * (T.abs(d) == out)
    zero = out == 0
    safe = out + zero
    if p == 2:
        return d / safe
    small = d == 0
    ratio = (T.abs(d) + small) / safe
    return T.sign(d) * (ratio ** (p - 1) * T.logical_not(small))


def _pull_tensors(g: Any, x: Any, y: Any, out: Any, p: float) -> tuple:
    d = _differences(x, y)
    s = _slope(d, T.unsqueeze(out, out.ndim), p) * T.unsqueeze(g, g.ndim)
    return T.sum(s, (s.ndim - 2,), False), -T.sum(s, (s.ndim - 3,), False)


utility("cdist_pull", k.cdist_backward, _pull_tensors)


def _cdist_jvp(xp: Any, xs: tuple, ts: tuple, out: Any, params: tuple) -> Any:
    (x, y), (tx, ty) = xs, ts
    tx = T.zeros_like(x) if tx is None else tx
    ty = T.zeros_like(y) if ty is None else ty
    s = _slope(_differences(x, y), T.unsqueeze(out, out.ndim), params[0]) * _differences(tx, ty)
    return T.sum(s, (s.ndim - 1,), False)


cdist_row = primitive(
    "opaque", "cdist(x, y, *, p, product)", k.cdist,
    rules={"x, y": lambda xp, g, x, y, out, p: xp.cdist_pull(g, x, y, out, p)}, jvp=_cdist_jvp,
    batch=leading,
)  # fmt: skip

_MODES = {
    "use_mm_for_euclid_dist_if_necessary": None,
    "use_mm_for_euclid_dist": True,
    "donot_use_mm_for_euclid_dist": False,
}


@public("torch")
def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0,
    compute_mode: str = "use_mm_for_euclid_dist_if_necessary",
) -> Tensor:  # fmt: skip
    """Return the p-norm distance of every row of x1 (..., P, M) to every row of x2 (..., R, M).

    >>> import wengert as torch
    >>> torch.cdist(torch.tensor([[0., 0.], [3., 4.]]), torch.tensor([[0., 0.]]))
    tensor([[0.],
            [5.]])
    """
    check_tensor(x1, "cdist", "x1")
    check_tensor(x2, "cdist", "x2", 2)
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    a, b = x1._spec, x2._spec
    for name, s in (("X1", a), ("X2", b)):
        if s.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {s.ndim}D")
        if s.dtype.category != 2:
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {name} got: {s.dtype.scalar_name}"
            )
    if a.shape[-1] != b.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {a.shape[-1]} X2: {b.shape[-1]}"
        )
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected scalar type {a.dtype.scalar_name} but found {b.dtype.scalar_name}: x1 and "
            "x2 must have one dtype"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x1 = x1 if a.shape[:-2] == lead else T.expand(x1, (*lead, *a.shape[-2:]))
    x2 = x2 if b.shape[:-2] == lead else T.expand(x2, (*lead, *b.shape[-2:]))
    return cdist_row(x1, x2, float(p), _MODES[compute_mode])


@public("torch", "F")
def pdist(input: Tensor, p: float = 2) -> Tensor:
    """Return the p-norm distance of every pair of rows (i, j), i < j, of an (N, M) tensor."""
    check_tensor(input, "pdist")
    s = input._spec
    if s.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {s.ndim}D")
    if s.dtype.category != 2:
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    i, j = (wrap(v) for v in np.triu_indices(s.shape[0], 1))
    return _norm(T.index_select(input, i, 0) - T.index_select(input, j, 0), p, (1,), False)


# ---------------------------------------------------------------- bilinear
@public("torch", "F")
def bilinear(
    input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Return x1^T W_o x2 + b_o for every output o.

    Shapes: (..., I), (..., J), weight (O, I, J), bias (O,), result (..., O).
    """
    a, b, w = input1._spec, input2._spec, weight._spec
    if a.ndim != b.ndim:
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {a.ndim} and {b.ndim}"
        )
    for d in range(a.ndim - 1):
        if a.shape[d] != b.shape[d]:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {d}: got {a.shape[d]} and "
                f"{b.shape[d]}"
            )
    for d, (s, name) in enumerate(((a, "input1"), (b, "input2")), start=1):
        if s.shape[-1] != w.shape[d]:
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {s.shape[-1]} but "
                f"expected {w.shape[d]}"
            )
    out, left, right = w.shape
    lead = tuple(a.shape[:-1])
    rows = math.prod(lead)
    x = T.reshape(input1, (rows, left))
    y = T.reshape(input2, (rows, 1, right))
    matrix = T.reshape(T.permute(weight, (1, 0, 2)), (left, out * right))
    each = T.reshape(x @ matrix, (rows, out, right)) * y
    result = T.reshape(T.sum(each, (2,), False), (*lead, out))
    return result if bias is None else result + bias
