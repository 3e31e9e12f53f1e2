"""Products of matrices and vectors: mm, bmm, mv, dot, outer, matmul, addmm and its family, linear.

The rows come in closed families, so that a derivative of a product is one more product and no
transpose is ever recorded: mm, mm_nt (x yT), mm_tn (xT y); the same for stacks; and mv, vm, outer.
In the first and the last family the rows of x may have any number of dims.
"""

from __future__ import annotations

from typing import Any

from ..core.define import primitive
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import linalg as k
from ..kernels.dims import broadcast_shapes, shown
from .batched_products import (
    dot_product,
    matrix_vector,
    outer_product,
    rows_product,
    stack_product,
    tn_product,
    vector_matrix,
)  # fmt: skip
from .reduce import checked

# ------------------------------------------------------------------- matrix @ matrix
_mm = primitive(
    "bilinear", "mm(x, y)", k.mm, batch=rows_product("bmm"), saved={"y": "mat2"},
    x=lambda xp, g, y: xp.mm_nt(g, y),
    y=lambda xp, g, x: xp.mm_tn(x, g),
)  # fmt: skip

_mm_nt = primitive(
    "bilinear", "mm_nt(x, y)", k.mm_nt, batch=rows_product("bmm_nt"), saved={"y": "mat2"}, node="MmBackward0",
    x=lambda xp, g, y: xp.mm(g, y),
    y=lambda xp, g, x: xp.mm_tn(g, x),
)  # fmt: skip

_mm_tn = primitive(
    "bilinear", "mm_tn(x, y)", k.mm_tn, batch=tn_product, saved={"y": "mat2"}, node="MmBackward0",
    x=lambda xp, g, y: xp.mm_nt(y, g),
    y=lambda xp, g, x: xp.mm(x, g),
)  # fmt: skip

# y is stored column by column, as `w.t()` is: so is its cotangent, and w gets a row-major gradient
_mm_by_columns = primitive(
    "bilinear", "mm_by_columns(x, y)", k.mm, batch=rows_product("bmm"), saved={"y": "mat2"}, node="MmBackward0",
    x=lambda xp, g, y: xp.mm_nt(g, y),
    y=lambda xp, g, x: xp.transpose(xp.mm_tn(g, x), 0, 1),
)  # fmt: skip

# the same product under the names that PyTorch's graph shows for other ranks
_rows_mm = primitive(
    "bilinear", "rows_mm(x, y)", k.mm, batch=rows_product("bmm"), node="UnsafeViewBackward0",
    x=lambda xp, g, y: xp.mm_nt(g, y),
    y=lambda xp, g, x: xp.mm_tn(x, g),
)  # fmt: skip

_rows_mm_nt = primitive(
    "bilinear", "rows_mm_nt(x, y)", k.mm_nt, batch=rows_product("bmm_nt"), node="UnsafeViewBackward0",
    x=lambda xp, g, y: xp.mm(g, y),
    y=lambda xp, g, x: xp.mm_tn(g, x),
)  # fmt: skip

_vec_mm = primitive(
    "bilinear", "vec_mm(x, y)", k.mm, batch=rows_product("bmm"), node="SqueezeBackward4",
    x=lambda xp, g, y: xp.mm_nt(g, y),
    y=lambda xp, g, x: xp.mm_tn(x, g),
)  # fmt: skip

_vec_mm_nt = primitive(
    "bilinear", "vec_mm_nt(x, y)", k.mm_nt, batch=rows_product("bmm_nt"), node="SqueezeBackward4",
    x=lambda xp, g, y: xp.mm(g, y),
    y=lambda xp, g, x: xp.mm_tn(g, x),
)  # fmt: skip

# ------------------------------------------------------------------- stacks
_bmm = primitive(
    "bilinear", "bmm(x, y)", k.bmm, batch=stack_product, saved={"y": "mat2"},
    x=lambda xp, g, y: xp.bmm_nt(g, y),
    y=lambda xp, g, x: xp.bmm_tn(x, g),
)  # fmt: skip

_bmm_nt = primitive(
    "bilinear", "bmm_nt(x, y)", k.bmm_nt, batch=stack_product, saved={"y": "mat2"}, node="BmmBackward0",
    x=lambda xp, g, y: xp.bmm(g, y),
    y=lambda xp, g, x: xp.bmm_tn(g, x),
)  # fmt: skip

_bmm_tn = primitive(
    "bilinear", "bmm_tn(x, y)", k.bmm_tn, batch=stack_product, saved={"y": "mat2"}, node="BmmBackward0",
    x=lambda xp, g, y: xp.bmm_nt(y, g),
    y=lambda xp, g, x: xp.bmm(x, g),
)  # fmt: skip

_stack_mm = primitive(
    "bilinear", "stack_mm(x, y)", k.bmm, batch=stack_product, node="UnsafeViewBackward0",
    x=lambda xp, g, y: xp.bmm_nt(g, y),
    y=lambda xp, g, x: xp.bmm_tn(x, g),
)  # fmt: skip

# ------------------------------------------------------------------- vectors
_mv = primitive(
    "bilinear", "mv(x, y)", k.mv, batch=matrix_vector, saved={"y": "vec"},
    x=lambda xp, g, y: xp.outer(g, y),
    y=lambda xp, g, x: xp.vm(g, x),
)  # fmt: skip

_rows_mv = primitive(
    "bilinear", "rows_mv(x, y)", k.mv, batch=matrix_vector, node="UnsafeViewBackward0",
    x=lambda xp, g, y: xp.outer(g, y),
    y=lambda xp, g, x: xp.vm(g, x),
)  # fmt: skip

_vm = primitive(
    "bilinear", "vm(x, y)", k.vm, batch=vector_matrix, node="MvBackward0",
    x=lambda xp, g, y: xp.mv(y, g),
    y=lambda xp, g, x: xp.outer(x, g),
)  # fmt: skip

_outer = primitive(
    "bilinear", "outer(x, y)", k.outer, batch=outer_product, node="MulBackward0",
    x=lambda xp, g, y: xp.mv(g, y),
    y=lambda xp, g, x: xp.vm(x, g),
)  # fmt: skip

_dot = primitive(
    "bilinear", "dot(x, y)", k.dot, batch=dot_product, saved={"y": "tensor"},
    x=lambda g, y: g * y,
    y=lambda g, x: g * x,
)  # fmt: skip

_vdot = primitive(
    "bilinear", "vdot(x, y)", k.dot, batch=dot_product,
    x=lambda g, y: g * y,
    y=lambda g, x: g * x,
)  # fmt: skip


# ------------------------------------------------------------------- errors
def _name(t: Tensor) -> str:
    """A dtype as some of PyTorch's texts spell it (C++ type names)."""
    n = t._spec.dtype.name
    return {"float32": "float", "float64": "double", "int64": "long int", "int32": "int",
            "float16": "c10::Half", "complex64": "c10::complex<float>",
            "complex128": "c10::complex<double>", "uint8": "unsigned char", "int8": "signed char",
            "int16": "short"}.get(n, n)  # fmt: skip


def _kind(t: Tensor) -> str:
    return t._spec.dtype.scalar_name


def _no_bool(x: Tensor) -> None:
    if x._spec.dtype.category == 0:
        raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'")


def _shapes(a: tuple, b: tuple) -> str:
    return f"mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})"


def _two_mats(x: Tensor, y: Tensor, sx: tuple, sy: tuple) -> None:
    """Raise what is wrong with x @ y for matrices of these shapes, if anything is."""
    if x._spec.dtype is not y._spec.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {_name(x)} != {_name(y)}"
        )
    _no_bool(x)
    if sx[1] != sy[0]:
        raise RuntimeError(_shapes(sx, sy))


def _same_vectors(x: Tensor, y: Tensor, caller: str = "dot") -> None:
    if x.ndim != 1 or y.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {x.ndim}D and {y.ndim}D tensors")
    if x._spec.dtype is not y._spec.dtype:
        raise RuntimeError(
            f"{caller} : expected both vectors to have same dtype, but found {_kind(x)} and "
            f"{_kind(y)}"
        )
    if x.shape[0] != y.shape[0]:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{x.shape[0]}] and src [{y.shape[0]}] to "
            f"have the same number of elements, but got {x.shape[0]} and {y.shape[0]} elements "
            "respectively"
        )


def _mat_vec(x: Tensor, y: Tensor, rows: int | None = None) -> None:
    if x._spec.dtype is not y._spec.dtype:
        raise RuntimeError(
            f"addmv input tensors must have the same dtype, but got {_kind(y)}, {_kind(x)}, and "
            f"{_kind(y)}"
        )
    if x.shape[-1] != y.shape[0]:
        n = rows if rows is not None else x.numel() // max(x.shape[-1], 1)
        raise RuntimeError(
            f"size mismatch, got input ({n}), mat ({n}x{x.shape[-1]}), vec ({y.shape[0]})"
        )


def _two_stacks(x: Tensor, y: Tensor) -> None:
    if x._spec.dtype is not y._spec.dtype:
        raise RuntimeError(f"expected scalar type {_kind(x)} but found {_kind(y)}")
    if x.shape[0] != y.shape[0] or x.shape[-1] != y.shape[-2]:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{x.shape[0]}, {x.shape[-1]}] but got: [{y.shape[0]}, {y.shape[-2]}]."
        )


# ------------------------------------------------------------------- matmul
def _other(other: Any, caller: str, name: str = "other") -> Any:
    if isinstance(other, Tensor):
        return other
    raise TypeError(
        f"{caller}(): argument '{name}' (position 2) must be Tensor, not {type(other).__name__}"
    )


@public("torch", "Tensor", "linalg", out=True)
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Return the matrix product: (..., n, k) @ (..., k, m) -> (..., n, m), leading dims broadcast.

    A 1-d input counts as a row, a 1-d other as a column, and that dim is missing from the result;
    two 1-d tensors give their dot product. RuntimeError unless dtypes are equal and k agrees.

    >>> import wengert as torch
    >>> torch.tensor([[1., 2.], [3., 4.]]) @ torch.tensor([1., 1.])
    tensor([3., 7.])
    """
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        checked(input, "matmul")
        _other(other, "matmul")
    s, t = input._spec, other._spec
    n, m = s.ndim, t.ndim
    if s.dtype is t.dtype and n and m:
        if not s.cpu:
            _no_bool(input)
        try:
            if m == 2:
                if n == 2:
                    if other._edge is not None and t.cpu:
                        a, b = other._array.strides
                        if a < b:
                            return _mm_by_columns(input, other)
                    return _mm(input, other)
                return _rows_mm(input, other) if n > 2 else _vec_mm(input, other)
            if m == 1:
                return (
                    _mv(input, other)
                    if n == 2
                    else _dot(input, other)
                    if n == 1
                    else _rows_mv(input, other)
                )
        except ValueError:
            _explain(input, other)
            raise
        if n > 2:
            return _stacks(input, other)
    return _uneven(input, other)


def _explain(x: Tensor, y: Tensor) -> None:
    """Raise PyTorch's error for a product whose kernel refused the shapes."""
    if y.ndim == 2:
        sx = tuple(x.shape)
        _two_mats(x, y, (x.numel() // max(sx[-1], 1), sx[-1]), tuple(y.shape))
    elif x.ndim == 1:
        _same_vectors(x, y)
    else:
        _mat_vec(x, y)


def _stacks(x: Tensor, y: Tensor) -> Tensor:
    """The product of two stacks: leading dims are made equal first."""
    sx, sy = tuple(x.shape), tuple(y.shape)
    lead = broadcast_shapes(sx[:-2], sy[:-2])
    if sx[-1] != sy[-2]:
        count = 1
        for d in lead:
            count *= d
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{count}, {sx[-1]}] but got: [{count}, {sy[-2]}]."
        )
    if sx[:-2] != lead:
        x = T.expand(x, lead + sx[-2:])
    if sy[:-2] != lead:
        y = T.expand(y, lead + sy[-2:])
    return _stack_mm(x, y)


def _uneven(x: Tensor, y: Tensor) -> Tensor:
    """What is left of matmul: vectors and matrices against stacks, and the errors."""
    n, m = x._spec.ndim, y._spec.ndim
    if not n or not m:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {n}D and {m}D"
        )
    if x._spec.dtype is not y._spec.dtype:
        if n == 1 and m == 1:
            _same_vectors(x, y)
        if m == 1:
            _mat_vec(x, y)
        if m == 2 or (n == 2 and m < 2):
            _two_mats(x, y, (1, 1), (1, 1))
        _two_stacks(x, y)
    if n == 1:
        out = _stacks(T.unsqueeze(x, 0), y)
        return T.unsafe_view(out, tuple(out.shape)[:-2] + tuple(out.shape)[-1:])
    return _stacks(x, y)


def _operator(x: Tensor, y: Any) -> Any:
    if not isinstance(y, Tensor):
        if not hasattr(y, "__array__") or isinstance(y, (int, float, complex)):
            return NotImplemented
        y = wrap(y)
    return matmul(x, y)


def _reflected(x: Tensor, y: Any) -> Any:
    if not isinstance(y, Tensor):
        if not hasattr(y, "__array__") or isinstance(y, (int, float, complex)):
            return NotImplemented
        y = wrap(y)
    return matmul(y, x)


public("Tensor", name="__matmul__")(_operator)
public("Tensor", name="__rmatmul__")(_reflected)


# ------------------------------------------------------------------- one rank each
@public("torch", "Tensor", out=True)
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices, (n, k) and (k, m); nothing is broadcast.

    >>> import wengert as torch
    >>> torch.eye(2).mm(torch.tensor([[1., 2.], [3., 4.]]))
    tensor([[1., 2.],
            [3., 4.]])
    """
    checked(input, "mm")
    _other(mat2, "mm", "mat2")
    if input._spec.ndim != 2:
        raise RuntimeError(f"self must be a matrix, but it has shape {shown(input.shape)}")
    if mat2._spec.ndim != 2:
        raise RuntimeError(f"mat2 must be a matrix, but it has shape {shown(mat2.shape)}")
    _two_mats(input, mat2, input.shape, mat2.shape)
    return matmul(input, mat2)


@public("torch", "Tensor", out=True)
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two stacks of matrices, (b, n, k) and (b, k, m).

    >>> import wengert as torch
    >>> torch.ones(2, 3, 4).bmm(torch.ones(2, 4, 5)).shape
    torch.Size([2, 3, 5])
    """
    checked(input, "bmm")
    _other(mat2, "bmm", "mat2")
    for label, t in (("batch1", input), ("batch2", mat2)):
        if t._spec.ndim != 3:
            raise RuntimeError(f"{label} must be a 3D tensor, but it has shape {shown(t.shape)}")
    _two_stacks(input, mat2)
    return _bmm(input, mat2)


@public("torch", "Tensor", out=True)
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Return the product of a matrix (n, m) and a vector (m,).

    >>> import wengert as torch
    >>> torch.tensor([[1., 2.], [3., 4.]]).mv(torch.tensor([1., 1.]))
    tensor([3., 7.])
    """
    checked(input, "mv")
    _other(vec, "mv", "vec")
    if input._spec.ndim != 2 or vec._spec.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got 1, {input._spec.ndim}, {vec._spec.ndim}"
        )
    _mat_vec(input, vec)
    return _mv(input, vec)


@public("torch", "Tensor", out=True)
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Return the sum of products of two 1-d tensors of equal length.

    >>> import wengert as torch
    >>> torch.tensor([2., 3.]).dot(torch.tensor([2., 1.]))
    tensor(7.)
    """
    _same_vectors(checked(input, "dot"), _other(tensor, "dot", "tensor"))
    return _dot(input, tensor)


@public("torch", "Tensor", out=True)
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Return the sum of products of two 1-d tensors, the first one conjugated.

    >>> import wengert as torch
    >>> torch.vdot(torch.tensor([1 + 1j]), torch.tensor([1 + 1j]))
    tensor(2.+0.j)
    """
    _same_vectors(checked(input, "vdot"), _other(other, "vdot"), "vdot")
    return _vdot(T.conj(input) if input._spec.dtype.is_complex else input, other)


@public("torch", "Tensor", out=True)
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return the products of all pairs of elements of two 1-d tensors: (n,), (m,) -> (n, m).

    >>> import wengert as torch
    >>> torch.outer(torch.tensor([1., 2.]), torch.tensor([3., 4.]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    checked(input, "outer")
    _other(vec2, "outer", "vec2")
    for label, t in (("self", input), ("vec2", vec2)):
        if t._spec.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {label}, but got {t._spec.ndim}-D")
    if input._spec.dtype is not vec2._spec.dtype:
        return T.unsqueeze(input, 1) * vec2
    return _outer(input, vec2)


public("torch", "Tensor", name="ger", out=True)(outer)
