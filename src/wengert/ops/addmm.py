"""Fused products: linear, and beta * input + alpha * product (addmm, addmv, addr, ...)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.define import primitive
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import linalg as k
from ..kernels.dims import expanded, shown
from . import matmul as mm_
from .batched_products import adding, linear_layer
from .reduce import checked


# ------------------------------------------------------------------- linear
def _linear(x: Any, y: Any, z: Any) -> Any:
    out = k.mm_nt(y, z)
    return np.add(out, x, out) if out.__class__ is np.ndarray else out + x


def _linear_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    (_, y, z), (tb, ty, tz) = xs, ts
    total = xp.expand(tb, tuple(out.shape)) if tb is not None else None
    for term in (
        None if ty is None else xp.mm_nt(ty, z),
        None if tz is None else xp.mm_nt(y, tz),
    ):
        if term is not None:
            total = term if total is None else total + term
    return total


# x is the bias (one number per output), y the input, z the weight: the order of PyTorch's node
_RULES: dict[str, Any] = {
    "x": lambda xp, g: xp.sum(g, (0,) if g.ndim == 2 else tuple(range(g.ndim - 1)), False),
    "y": lambda xp, g, z: xp.mm(g, z),
    "z": lambda xp, g, y: xp.mm_tn(g, y),
}
_SAVED = {"y": "mat1", "z": "mat2"}

_linear_op = primitive(
    "opaque", "linear(x, y, z)", _linear, jvp=_linear_jvp, batch=linear_layer, node="AddmmBackward0", saved=_SAVED,
    **_RULES,
)  # fmt: skip
_rows_linear = primitive(
    "opaque", "rows_linear(x, y, z)", _linear, jvp=_linear_jvp, batch=linear_layer, node="ViewBackward0", saved=_SAVED,
    **_RULES,
)  # fmt: skip


@public("F")
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return input @ weight.T + bias: (..., k), (n, k), (n,) -> (..., n).

    A 1-d weight (k,) gives (...,). RuntimeError unless dtypes and sizes agree.

    >>> import wengert as torch
    >>> w, b = torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([10., 20.])
    >>> torch.nn.functional.linear(torch.tensor([1., 1.]), w, b)
    tensor([13., 27.])
    """
    try:
        s, t = input._spec, weight._spec
    except AttributeError:
        checked(input, "linear")
        mm_._other(weight, "linear", "weight")
        raise
    if t.ndim != 2 or s.dtype is not t.dtype or not s.ndim:
        return _odd_linear(input, weight, bias)
    try:
        if bias is None:
            if s.ndim == 2:
                return mm_._mm_nt(input, weight)
            return mm_._rows_mm_nt(input, weight) if s.ndim > 2 else mm_._vec_mm_nt(input, weight)
        if bias._spec.dtype is not t.dtype:
            raise RuntimeError(
                "self and mat2 must have the same dtype, but got "
                f"{bias._spec.dtype.scalar_name} and {t.dtype.scalar_name}"
            )
        n = weight._array.shape[0] if t.plain else weight.shape[0]
        if bias._spec.shape != (n,):
            _explain_linear(input, weight, bias)
            bias = T.expand(bias, (n,))
        return (_linear_op if s.ndim == 2 else _rows_linear)(bias, input, weight)
    except ValueError:
        _explain_linear(input, weight, bias)
        raise


def _explain_linear(x: Tensor, w: Tensor, b: Tensor | None) -> None:
    """Raise PyTorch's error for sizes that the kernel refused."""
    rows = x.numel() // max(x.shape[-1], 1)
    if x.shape[-1] != w.shape[1]:
        raise RuntimeError(
            mm_._shapes((rows, x.shape[-1]), (w.shape[1], w.shape[0]))
            + f"; linear takes input (..., {w.shape[1]}) with a weight of shape {shown(w.shape)}, "
            f"but the input has shape {shown(x.shape)}"
        )
    if b is not None:
        expanded(tuple(b.shape), (rows, w.shape[0]))


def _odd_linear(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """A weight that is a vector, and the errors."""
    if not x._spec.ndim:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are 0D and {w._spec.ndim}D"
        )
    if w._spec.ndim == 1 and x._spec.dtype is w._spec.dtype:
        if b is None:
            return mm_.matmul(x, w)
        raise RuntimeError(f"mat2 must be a matrix, got {w._spec.ndim}-D tensor")
    if w._spec.ndim != 2:
        raise RuntimeError(f"mat2 must be a matrix, got {w._spec.ndim}-D tensor")
    if b is None:
        mm_._two_mats(x, w, (1, 1), (1, 1))
    raise RuntimeError(
        f"mat1 and mat2 must have the same dtype, but got {x._spec.dtype.scalar_name} and "
        f"{w._spec.dtype.scalar_name}"
    )


# ------------------------------------------------------------------- add a product
def _scaled(g: Any, a: Any) -> Any:
    return g if a == 1 else g * a


def _adding(product: Any) -> Any:
    """The kernel beta * x + alpha * product(y, z); with beta == 0, NaN in x is ignored."""

    def kernel(x: Any, y: Any, z: Any, beta: Any, alpha: Any) -> Any:
        out = product(y, z)
        if alpha != 1:
            out = out * alpha
        if beta == 0:
            return np.broadcast_to(out, np.broadcast_shapes(x.shape, out.shape)).copy()
        return out + x if beta == 1 else out + x * beta

    return kernel


def _added(name: str, node: str, product: Any, over: Any, y: Any, z: Any) -> Any:
    """Define beta * x + alpha * product(y, z); `y` and `z` are the product's own rules."""

    def jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
        beta, alpha = params
        (_, a, b), (tx, ta, tb) = xs, ts
        terms = [] if tx is None else [xp.expand(_scaled(tx, beta), tuple(out.shape))]
        terms += [] if ta is None else [_scaled(over(xp, ta, b), alpha)]
        terms += [] if tb is None else [_scaled(over(xp, a, tb), alpha)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    return primitive(
        "opaque", f"{name}(x, y, z, *, beta, alpha)", _adding(product), node=node, jvp=jvp,
        x=lambda xp, g, x_spec, beta: xp.unexpand(_scaled(g, beta), x_spec.shape),
        y=y, z=z, saved={"y": "mat1", "z": "mat2"}, batch=adding(over),
    )  # fmt: skip


_addmm = _added(
    "addmm", "AddmmBackward0", k.mm, lambda xp, y, z: xp.mm(y, z),
    lambda xp, g, z, alpha: xp.mm_nt(_scaled(g, alpha), z),
    lambda xp, g, y, alpha: xp.mm_tn(y, _scaled(g, alpha)),
)  # fmt: skip

_addmv = _added(
    "addmv", "AddmvBackward0", k.mv, lambda xp, y, z: xp.mv(y, z),
    lambda xp, g, z, alpha: xp.outer(_scaled(g, alpha), z),
    lambda xp, g, y, alpha: xp.vm(_scaled(g, alpha), y),
)  # fmt: skip

_addr = _added(
    "addr", "AddrBackward0", k.outer, lambda xp, y, z: xp.outer(y, z),
    lambda xp, g, z, alpha: xp.mv(_scaled(g, alpha), z),
    lambda xp, g, y, alpha: xp.vm(y, _scaled(g, alpha)),
)  # fmt: skip

_baddbmm = _added(
    "baddbmm", "BaddbmmBackward0", k.bmm, lambda xp, y, z: xp.bmm(y, z),
    lambda xp, g, z, alpha: xp.bmm_nt(_scaled(g, alpha), z),
    lambda xp, g, y, alpha: xp.bmm_tn(y, _scaled(g, alpha)),
)  # fmt: skip


def _summed_bmm(y: Any, z: Any) -> Any:
    return k.contract(y, z, (0, 1, 2), (0, 2, 3), (1, 3))


_addbmm = _added(
    "addbmm", "AddbmmBackward0", _summed_bmm,
    lambda xp, y, z: xp.contract(y, z, (0, 1, 2), (0, 2, 3), (1, 3)),
    lambda xp, g, z, alpha: xp.contract(_scaled(g, alpha), z, (1, 3), (0, 2, 3), (0, 1, 2)),
    lambda xp, g, y, alpha: xp.contract(y, _scaled(g, alpha), (0, 1, 2), (1, 3), (0, 2, 3)),
)  # fmt: skip


def _checked_add(x: Tensor, y: Tensor, z: Tensor, beta: Any, alpha: Any, shape: tuple) -> tuple:
    """Check dtypes and that x expands to the product's shape; return beta and alpha."""
    for t in (y, z):
        if t._spec.dtype is not x._spec.dtype:
            raise RuntimeError(
                f"self and mat2 must have the same dtype, but got {x._spec.dtype.scalar_name} and "
                f"{t._spec.dtype.scalar_name}"
            )
    if tuple(x.shape) != shape:
        expanded(tuple(x.shape), shape)
    if x._spec.dtype.category < 2:  # as PyTorch, which converts the factors to the dtype
        return int(beta), int(alpha)
    return beta, alpha


@public("torch", "Tensor", inplace=True, out=True)
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return beta * input + alpha * (mat1 @ mat2); input is broadcast. NaN in input times 0 is 0.

    >>> import wengert as torch
    >>> torch.addmm(torch.ones(2), torch.eye(2), torch.eye(2), beta=2)
    tensor([[3., 2.],
            [2., 3.]])
    """
    for label, t in (("input", input), ("mat1", mat1), ("mat2", mat2)):
        checked(t, "addmm", label)
    for label, t in (("mat1", mat1), ("mat2", mat2)):
        if t._spec.ndim != 2:
            raise RuntimeError(f"{label} must be a matrix, got {t._spec.ndim}-D tensor")
    a, b = mat1.shape, mat2.shape
    if a[1] != b[0]:
        raise RuntimeError(mm_._shapes(a, b))
    beta, alpha = _checked_add(input, mat1, mat2, beta, alpha, (a[0], b[1]))
    return _addmm(input, mat1, mat2, beta, alpha)


@public("torch", "Tensor", inplace=True, out=True)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return beta * input + alpha * (mat @ vec); input is broadcast.

    >>> import wengert as torch
    >>> torch.addmv(torch.ones(2), torch.eye(2), torch.tensor([3., 4.]))
    tensor([4., 5.])
    """
    for label, t in (("input", input), ("mat", mat), ("vec", vec)):
        checked(t, "addmv", label)
    i, m, v = input._spec.ndim, mat._spec.ndim, vec._spec.ndim
    if i > 1 or m != 2 or v != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {i}, {m}, {v}")
    if mat.shape[1] != vec.shape[0]:
        mm_._mat_vec(mat, vec, input.numel())
    beta, alpha = _checked_add(input, mat, vec, beta, alpha, (mat.shape[0],))
    return _addmv(input, mat, vec, beta, alpha)


@public("torch", "Tensor", inplace=True, out=True)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return beta * input + alpha * outer(vec1, vec2); input is broadcast.

    >>> import wengert as torch
    >>> torch.addr(torch.zeros(2, 2), torch.tensor([1., 2.]), torch.tensor([3., 4.]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    for label, t in (("input", input), ("vec1", vec1), ("vec2", vec2)):
        checked(t, "addr", label)
    for label, t in (("vec1", vec1), ("vec2", vec2)):
        if t._spec.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {label}, but got {t._spec.ndim}-D")
    shape = (vec1.shape[0], vec2.shape[0])
    beta, alpha = _checked_add(input, vec1, vec2, beta, alpha, shape)
    return _addr(input, vec1, vec2, beta, alpha)


def _stacks(name: str, batch1: Tensor, batch2: Tensor) -> tuple[int, int, int]:
    for label, t in (("batch1", batch1), ("batch2", batch2)):
        if checked(t, name, label)._spec.ndim != 3:
            raise RuntimeError(f"{label} must be a 3D tensor, but it has shape {shown(t.shape)}")
    a, b = batch1.shape, batch2.shape
    if name == "addbmm" and a[0] != b[0]:
        raise RuntimeError(
            f"batch1 and batch2 must have same number of batches, got {a[0]} and {b[0]}"
        )
    if a[0] != b[0] or a[2] != b[1]:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a[0]}, {a[2]}] but got: [{b[0]}, {b[1]}]."
        )
    return a[0], a[1], b[2]


@public("torch", "Tensor", inplace=True, out=True)
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """Return beta * input + alpha * sum over b of (batch1[b] @ batch2[b]); input is broadcast.

    >>> import wengert as torch
    >>> torch.addbmm(torch.zeros(2, 2), torch.ones(3, 2, 1), torch.ones(3, 1, 2))
    tensor([[3., 3.],
            [3., 3.]])
    """
    _, n, m = _stacks("addbmm", batch1, batch2)
    checked(input, "addbmm")
    beta, alpha = _checked_add(input, batch1, batch2, beta, alpha, (n, m))
    return _addbmm(input, batch1, batch2, beta, alpha)


@public("torch", "Tensor", inplace=True, out=True)
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """Return beta * input + alpha * (batch1[b] @ batch2[b]) for every b; input is broadcast.

    >>> import wengert as torch
    >>> torch.baddbmm(torch.ones(1), torch.ones(1, 1, 2), torch.ones(1, 2, 1))
    tensor([[[3.]]])
    """
    shape = _stacks("baddbmm", batch1, batch2)
    checked(input, "baddbmm")
    beta, alpha = _checked_add(input, batch1, batch2, beta, alpha, shape)
    return _baddbmm(input, batch1, batch2, beta, alpha)
