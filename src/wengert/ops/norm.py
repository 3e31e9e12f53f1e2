"""Norms of vectors and matrices, and distances."""

from __future__ import annotations

from typing import Any

from ..core.batching import along, composed
from ..core.define import primitive
from ..core.op import TENSORS as T
from ..core.registry import numpy_names, public
from ..core.tensor import Tensor
from ..kernels import reduce as k
from ..kernels.dims import wrap_dim
from ..kernels.dtypes import as_dtype
from .extreme import kept_shape
from .reduce import Dims, cast, checked, dims_of
from .spectral import svdvals

INF = float("inf")


# ------------------------------------------------------------------- the row
def _norm_rule(
    xp: Any, g: Any, x: Any, out: Any, x_spec: Any, ord: float, dim: Any, keepdim: bool
) -> Any:
    """The cotangent of a norm; 0 where the norm is 0.

    d|x|_p = sum (|x| / |x|_p)**(p-1) d|x|, and d|x| = conj(x)/|x| dx, kept unconjugated inside.
    """
    shape = x_spec.shape
    if ord == 0:  # as in PyTorch, x counts as unused: its gradient stays None
        return None
    z = xp.conj(x) if x_spec.dtype.is_complex else x
    if ord == 1:
        return xp.sgn(z) * xp.spread(g, dim, keepdim, shape)
    if ord == INF or ord == -INF:
        top = out if keepdim else xp.reshape(out, kept_shape(shape, dim))
        share = xp.ties(xp.abs(x), top, dim, True)
        return xp.sgn(z) * (share * xp.spread(g, dim, keepdim, shape))
    zero = out == 0
    safe = out + zero
    if ord == 2:
        return z * xp.spread(g / safe * ~zero, dim, keepdim, shape)
    if ord < 1:
        origin = x == 0
        size = (xp.abs(x) + origin) ** (ord - 1) * ~origin
        return xp.sgn(z) * (size * xp.spread(g * out ** (1 - ord), dim, keepdim, shape))
    scale = xp.spread(g / safe ** (ord - 1) * ~zero, dim, keepdim, shape)
    if ord < 2:
        return xp.sgn(z) * (xp.abs(x) ** (ord - 1) * scale)
    return z * (xp.abs(x) ** (ord - 2) * scale)


def _norm_jvp(xp: Any, xs: Any, ts: Any, out: Any, params: Any) -> Any:
    ord, dim, keepdim = params
    x = xs[0]
    if ord == 0:
        return None
    one = xp.zeros_like(out) + 1
    terms = _norm_rule(xp, one, x, out, x._spec, ord, dim, keepdim) * ts[0]
    return xp.sum(xp.real_part(terms) if x.dtype.is_complex else terms, dim, keepdim)


_vector_norm = primitive(
    "opaque", "linalg_vector_norm(x, *, ord, dim, keepdim)", k.vector_norm, x=_norm_rule,
    jvp=_norm_jvp, batch=along("dim"),
)  # fmt: skip


def _floating(x: Any, caller: str, dtype: Any) -> Tensor:
    d = checked(x, caller)._spec.dtype
    if d.category < 2:
        raise RuntimeError(
            f"{caller}: Expected a floating point or complex tensor as input. Got {d.scalar_name}"
        )
    if dtype is None:
        return x
    want = as_dtype(dtype)
    if want.category < 2:
        raise RuntimeError(
            f"{caller}: dtype should be floating point or complex. Got {want.scalar_name}"
        )
    if want.is_complex is not d.is_complex:
        raise RuntimeError(
            f"{caller}: dtype should be {'complex' if d.is_complex else 'real'} for "
            f"{'complex' if d.is_complex else 'real'} inputs, but got {want.scalar_name}"
        )
    if want.itemsize < d.itemsize:
        raise RuntimeError(
            f"{caller}: the dtype of the input ({d.scalar_name}) should be convertible without "
            f"narrowing to the specified dtype ({want.scalar_name})"
        )
    return cast(x, want)


@public("linalg", out=True)
def vector_norm(
    x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return the ord-norm of the elements, over some dims or all.

    ord is a number: sum(|x|**ord)**(1/ord), the number of nonzeros for 0, the largest |x| for inf,
    the smallest for -inf. The gradient at 0 is 0, ties of inf share it. Real for complex x.

    >>> import wengert as torch
    >>> torch.linalg.vector_norm(torch.tensor([3., -4.]))
    tensor(5.)
    """
    if isinstance(ord, str):
        raise TypeError("linalg_vector_norm(): argument 'ord' (position 2) must be Number, not str")
    x = _floating(x, "linalg.vector_norm", dtype)
    s = x._spec
    dims = None if isinstance(dim, (tuple, list)) and not dim else dims_of(dim, s.ndim)
    if not s.numel and (ord < 0 or ord == INF):
        if dims is None:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the "
                "operation does not have an identity"
            )
        for d in dims:
            if s.shape[d] == 0:
                raise RuntimeError(
                    f"linalg.vector_norm cannot compute the {ord} norm on the dimension {d} "
                    "because this dimension is empty and the operation does not have an identity"
                )
    return _vector_norm(x, float(ord), dims, keepdim)


# ------------------------------------------------------------------- matrices
@public("linalg", out=True)
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return a norm of the matrices in two dims.

    ord: "fro" (Frobenius), "nuc" (sum of singular values), 2 and -2 (largest and smallest
    singular value), 1 and -1 (largest and smallest sum of a column), inf and -inf (of a row).

    >>> import wengert as torch
    >>> torch.linalg.matrix_norm(torch.tensor([[1., 2.], [3., 4.]]), 1)
    tensor(6.)
    """
    who = "linalg.matrix_norm"
    A = _floating(A, who, dtype)
    if A._spec.ndim < 2:
        raise RuntimeError(f"{who}: The input tensor A must have at least 2 dimensions.")
    if isinstance(dim, int) or len(dim) != 2:
        shown = dim if isinstance(dim, int) else " ".join(map(str, dim))
        raise RuntimeError(f"{who}: dim must be a 2-tuple. Got {shown}")
    row, column = (wrap_dim(d, A._spec.ndim) for d in dim)
    if row == column:
        raise RuntimeError(f"{who}: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord == "fro":
        return _vector_norm(A, 2.0, (row, column), keepdim)
    if ord == "nuc" or ord in (2, -2):
        rest = [d for d in range(A.ndim) if d not in (row, column)]
        S = svdvals(T.permute(A, (*rest, row, column)))
        last = (S.ndim - 1,)
        call = T.sum if ord == "nuc" else T.amax if ord == 2 else T.amin
        out = call(S, last, False)
        return T.reshape(out, kept_shape(A.shape, (row, column))) if keepdim else out
    if ord in (1, -1, INF, -INF):
        if ord in (INF, -INF):
            row, column = column, row
        sums = _vector_norm(A, 1.0, (row,), keepdim)
        left = column if keepdim or column < row else column - 1
        return (T.amax if ord > 0 else T.amin)(sums, (left,), keepdim)
    raise RuntimeError(f"{who}: Order {ord} not supported.")


@public("linalg", name="norm", out=True)
def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return a vector norm (one dim, or no `ord`) or a matrix norm (two dims).

    >>> import wengert as torch
    >>> torch.linalg.norm(torch.tensor([[3., 0.], [0., 4.]]))
    tensor(5.)
    """
    checked(A, "linalg_norm", "A")
    if dim is not None and not isinstance(dim, int) and len(dim) not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is specified, it must be of length 1 or 2. "
            f"Got [{', '.join(map(str, dim))}]"
        )
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None:
        if A._spec.ndim not in (1, 2) and not isinstance(ord, str):
            raise RuntimeError(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
                f"Got {A._spec.ndim}D."
            )
        if A._spec.ndim == 1 and not isinstance(ord, str):
            return vector_norm(A, ord, None, keepdim, dtype=dtype)
        return matrix_norm(A, ord, (-2, -1), keepdim, dtype=dtype)
    if isinstance(dim, int) or len(dim) == 1:
        if isinstance(ord, str):
            raise RuntimeError(f"linalg.norm: order {ord!r} is for matrices, but dim is {dim}")
        return vector_norm(A, ord, dim, keepdim, dtype=dtype)
    return matrix_norm(A, ord, dim, keepdim, dtype=dtype)


@public("torch", "Tensor", out=True)
@numpy_names
def norm(
    input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """Return the p-norm of the elements over some dims or all; p may also be "fro" or "nuc".

    A number p is a vector norm whatever the dims; "nuc" needs two dims. See `linalg.vector_norm`.

    >>> import wengert as torch
    >>> torch.tensor([[3., 0.], [0., -4.]]).norm()
    tensor(5.)
    """
    if p is None or p == "fro":
        return vector_norm(input, 2, dim, keepdim, dtype=dtype)
    if isinstance(p, str):
        dims = tuple(range(checked(input, "norm")._spec.ndim)) if dim is None else dim
        return matrix_norm(input, p, dims, keepdim, dtype=dtype)
    return vector_norm(input, p, dim, keepdim, dtype=dtype)


# ------------------------------------------------------------------- distances
_dist = primitive(
    "opaque", "dist(x, *, p)", lambda x, p: k.vector_norm(x, p, None, False),
    x=lambda xp, g, x, out, x_spec, p: _norm_rule(xp, g, x, out, x_spec, p, None, False),
    jvp=lambda xp, xs, ts, out, params: _norm_jvp(xp, xs, ts, out, (params[0], None, False)),
    batch=composed(lambda xp, x, p: xp.linalg_vector_norm(x, p, None, False)),
)  # fmt: skip


@public("torch", "Tensor")
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Return the p-norm of input - other (with broadcasting); the gradient at 0 is 0.

    >>> import wengert as torch
    >>> torch.dist(torch.tensor([0., 0.]), torch.tensor([3., 4.]))
    tensor(5.)
    """
    return _dist(_floating(input - other, "dist", None), float(p))
