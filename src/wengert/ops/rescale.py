"""Small numeric ops: frexp, renorm, vander, hash_tensor, constant_pad_nd."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import return_types as rt
from ..core.batching import along, unchanged
from ..core.define import plain, primitive
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, as_tensor_arg
from ..kernels.dims import wrap_dim, wrap_dims
from .checking import check_float, check_tensor
from .linalg import vander as powers
from .norm import vector_norm

T: Any = TENSORS


# ------------------------------------------------------------------- frexp
def _frexp_kernel(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mantissa, exponent = np.frexp(x)
    return np.asarray(mantissa), np.asarray(exponent, np.int32)


def _per_power(xp: Any, g: Any, exponent: Any, spec: Any) -> Any:
    return g * xp.exp2(-xp.cast(exponent, spec.dtype))


_frexp = primitive(
    "opaque", "frexp(x)", _frexp_kernel, outputs=2, batch=unchanged,
    x=lambda xp, g, out, x_spec: None if g[0] is None else _per_power(xp, g[0], out[1], x_spec),
    jvp=lambda xp, xs, ts, out, params: (_per_power(xp, ts[0], out[1], xs[0]._spec), None),
)  # fmt: skip


@public("torch", "Tensor", out=True)
def frexp(input: Tensor) -> Any:
    """Return (mantissa, exponent) with input = mantissa * 2^exponent and 1/2 <= |mantissa| < 1.

    >>> import wengert as torch
    >>> torch.frexp(torch.tensor([6.])).exponent
    tensor([3], dtype=torch.int32)
    """
    check_tensor(input, "frexp")
    if not input._spec.dtype.is_floating_point:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    return rt.make(rt.frexp, *_frexp(input))


# ------------------------------------------------------------------- renorm
@public("torch", "Tensor", inplace=True, out=True)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Return a copy whose slices along a dim have a p-norm of at most `maxnorm`; longer ones shrink.

    >>> import wengert as torch
    >>> torch.renorm(torch.tensor([[3., 4.], [0., 1.]]), 2, 0, 1.)
    tensor([[0.6000, 0.8000],
            [0.0000, 1.0000]])
    """
    check_tensor(input, "renorm")
    if not p > 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    if not maxnorm >= 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if not input._spec.dtype.is_complex:
        check_float(input, "renorm")
    d = wrap_dim(dim, input.ndim)
    rest = tuple([k for k in range(input.ndim) if k != d])
    norm = vector_norm(input, float(p), rest, True)
    shrunk = T.div(as_tensor_arg(float(maxnorm), norm), norm + 1e-7)
    factor = T.where(norm > maxnorm, shrunk, T.ones_like(norm))
    return input * factor


# ------------------------------------------------------------------- powers
@public("torch")
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Return the matrix of the powers of a vector's elements, the highest first unless `increasing`.

    >>> import wengert as torch
    >>> torch.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    check_tensor(x, "vander", "x")
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    if n <= 1:
        wide = T.unsqueeze(x, 1)
        return T.expand(T.ones_like(wide), (x.shape[0], n)) if n else T.narrow(wide, 1, 0, 0)
    out = powers(x, n)
    return out if increasing else T.flip(out, (1,))


# ------------------------------------------------------------------- hash
def _hash_kernel(x: np.ndarray, dim: tuple[int, ...], keepdim: bool) -> Any:
    bits = x.astype(np.float64).view(np.uint64) if x.dtype.kind == "f" else x.astype(np.int64).view(np.uint64)
    fold: Any = np.bitwise_xor.reduce
    return fold(bits, axis=dim, keepdims=keepdim)


_hash = plain("hash_tensor(x, *, dim, keepdim)", _hash_kernel, promote=None, batch=along("dim"))


@public("torch", "Tensor", out=True)
def hash_tensor(input: Tensor, dim: Any = (), *, keepdim: bool = False, mode: int = 0) -> Tensor:
    """Return the exclusive or of the bits of all elements (as 64-bit numbers), or over some dims.

    >>> import wengert as torch
    >>> torch.hash_tensor(torch.tensor([1, 2, 5]))
    tensor(6, dtype=torch.uint64)
    """
    check_tensor(input, "hash_tensor")
    if mode:
        raise RuntimeError(f"hash_tensor: the only mode is 0 (xor), not {mode}")
    s = input._spec
    if s.dtype.is_complex:
        raise NotImplementedError(f"\"xor_sum_cpu\" not implemented for '{s.dtype.scalar_name}'")
    given = dim if isinstance(dim, tuple | list) else (dim,)
    if not given and s.numel == 0:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the "
            "reduction dim with the 'dim' argument."
        )
    dims = wrap_dims(tuple(given), s.ndim) if given and s.ndim else tuple(range(s.ndim))
    for d in dims:
        if not s.shape[d]:
            raise IndexError(f"hash_tensor: Expected reduction dim {d} to have non-zero size.")
    return _hash(input.detach(), dims, keepdim)


# ------------------------------------------------------------------- padding
@public("torch")
def constant_pad_nd(input: Tensor, pad: Any, value: float = 0) -> Tensor:
    """Return a copy with borders of a value; `pad` is (before, after) of the last dim, then others.

    >>> import wengert as torch
    >>> torch.constant_pad_nd(torch.tensor([1, 2]), (1, 0), 7)
    tensor([7, 1, 2])
    """
    check_tensor(input, "constant_pad_nd")
    pad = tuple(pad)
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            f"Length of pad should be no more than twice the number of dimensions of the input. Pad "
            f"length is {len(pad)} while the input has {input.ndim} dimensions."
        )
    return T.constant_pad_nd(input, pad, value)
