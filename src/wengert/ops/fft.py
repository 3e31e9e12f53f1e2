"""Discrete Fourier transforms: the functions of `torch.fft`.

Three rows do all the work: complex to complex, real to complex (one half of the frequencies says
all) and back. The matrix of a transform is symmetric, so it is its own transpose; where one
frequency stands for two, the transposes weigh it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import along
from ..core.define import primitive
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import dtypes
from ..kernels import fft as k
from ..kernels.dims import as_int, wrap_dim
from .checking import check_tensor
from .options import check_options, default_dtype, delivered

T: Any = TENSORS


# ------------------------------------------------------------------- rows
def _r2c_rule(xp: Any, g: Any, x_spec: Any, dim: tuple, normalization: int, onesided: bool) -> Any:
    """Re sum g_k exp(-2 pi i k n / N), by the inverse transform of conj(g) with pairs halved."""
    if not onesided:
        return xp.real_part(xp.fft_c2c(g, dim, normalization, True))
    n = x_spec.shape[dim[-1]]
    half = xp.fft_weigh_pairs(xp.conj(g), dim[-1], n, 0.5)
    return xp.fft_c2r(half, dim, normalization, n)


def _c2r_rule(xp: Any, g: Any, dim: tuple, normalization: int, last_dim_size: int) -> Any:
    full = xp.conj(xp.fft_r2c(g, dim, normalization, True))
    return xp.fft_weigh_pairs(full, dim[-1], last_dim_size, 2.0)


c2c = primitive("linear", "fft_c2c(x, *, dim, normalization, forward)", k.c2c, node="FftC2CBackward0",
                x=lambda xp, g, dim, normalization, forward:
                    xp.fft_c2c(g, dim, normalization, forward),
                batch=along("dim"))  # fmt: skip

r2c = primitive("linear", "fft_r2c(x, *, dim, normalization, onesided)", k.r2c, node="FftR2CBackward0",
                x=_r2c_rule,
                batch=along("dim"))  # fmt: skip

c2r = primitive("linear", "fft_c2r(x, *, dim, normalization, last_dim_size)", k.c2r, node="FftC2RBackward0",
                x=_c2r_rule,
                batch=along("dim"))  # fmt: skip

weigh_pairs = primitive("linear", "fft_weigh_pairs(x, *, dim, size, factor)", k.weigh_pairs,
                        x=lambda xp, g, dim, size, factor: xp.fft_weigh_pairs(g, dim, size, factor),
                        batch=along("dim"))  # fmt: skip


# ------------------------------------------------------------------- arguments
def _scale(norm: Any, forward: bool) -> int:
    if norm is None or norm == "backward":
        return 0 if forward else 2
    if norm == "forward":
        return 2 if forward else 0
    if norm == "ortho":
        return 1
    raise RuntimeError(f'Invalid normalization mode: "{norm}"')


def _float(x: Any, caller: str) -> Tensor:
    """The input as floating-point or complex numbers of 32 or more bits a part."""
    check_tensor(x, f"fft_{caller}")
    d = x._spec.dtype
    if d.category < 2:
        return T.cast(x, dtypes.get_default_dtype())
    if d.category == 2 and d.itemsize < 4:
        raise RuntimeError(f"Unsupported dtype {d.scalar_name}")
    return x


def _real(x: Any, caller: str, said: str) -> Tensor:
    x = _float(x, caller)
    d = x._spec.dtype
    if d.is_complex:
        raise RuntimeError(said.format(caller, d.scalar_name))
    return x


def _complex(x: Any, caller: str) -> Tensor:
    x = _float(x, caller)
    d = x._spec.dtype
    return x if d.is_complex else T.cast(x, dtypes.of(np.result_type(d.np, np.complex64)))


def _points(n: int) -> None:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")


def _one_dim(x: Tensor, dim: Any) -> int:
    s = x._spec
    if not s.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, s.ndim)


def _resized(x: Tensor, sizes: dict[int, int]) -> Tensor:
    """Cut or pad with zeros at the end, so that the dims have these sizes."""
    for d, n in sizes.items():
        if x.shape[d] > n:
            x = T.narrow(x, d, 0, n)
    if any(x.shape[d] < n for d, n in sizes.items()):
        pad = [0] * (2 * x.ndim)
        for d, n in sizes.items():
            pad[2 * (x.ndim - 1 - d) + 1] = n - x.shape[d]
        while not pad[-1] and not pad[-2]:
            del pad[-2:]
        x = T.constant_pad_nd(x, tuple(pad), 0)
    return x


def _shape_and_dims(x: Tensor, s: Any, dim: Any) -> tuple[list[int], tuple[int, ...]]:
    """The sizes asked for and the dims they are for, as `fftn` takes them."""
    shape, ndim = tuple(x.shape), x.ndim
    dims: tuple[int, ...]
    if dim is not None:
        given = dim if isinstance(dim, tuple | list) else (dim,)
        dims = tuple([wrap_dim(d, ndim) for d in given])
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
    if s is not None:
        sizes = [as_int(n) for n in (s if isinstance(s, tuple | list) else (s,))]
        if dim is None:
            if len(sizes) > ndim:
                raise RuntimeError(
                    f"Got shape with {len(sizes)} values but input tensor only has {ndim} "
                    "dimensions."
                )
            dims = tuple(range(ndim - len(sizes), ndim))
        elif len(sizes) != len(dims):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
        sizes = [shape[d] if n == -1 else n for n, d in zip(sizes, dims, strict=True)]
    else:
        if dim is None:
            dims = tuple(range(ndim))
        sizes = [shape[d] for d in dims]
    for n in sizes:
        _points(n)
    return sizes, dims


def _half_shape_and_dims(x: Tensor, s: Any, dim: Any, caller: str) -> tuple[int, dict[int, int], tuple]:
    """The same for a transform to real numbers: its last size is that of the result."""
    sizes, dims = _shape_and_dims(x, s, dim)
    if not dims:
        raise RuntimeError(f"{caller} must transform at least one axis")
    last = s[-1] if isinstance(s, tuple | list) else s
    n = 2 * (x.shape[dims[-1]] - 1) if last is None or last == -1 else sizes[-1]
    _points(n)
    return n, {**dict(zip(dims, sizes, strict=True)), dims[-1]: n // 2 + 1}, dims


# ------------------------------------------------------------------- along one dim
@public("fft", out=True)
def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the Fourier transform along one dim: the sums of x_j exp(-2 pi i j k / n).

    n     cut or pad with zeros to this size first
    norm  "backward" (no scale; the default), "ortho" (1 / sqrt(n)) or "forward" (1 / n)

    >>> import wengert as torch
    >>> torch.fft.fft(torch.tensor([1., 2., 3., 4.])).real
    tensor([10., -2., -2., -2.])
    """
    return _along(_float(input, "fft"), n, dim, norm, True)


@public("fft", out=True)
def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the inverse of `fft`; by default it is this one that divides by n.

    >>> import wengert as torch
    >>> torch.fft.ifft(torch.tensor([4., 0., 0., 0.])).real
    tensor([1., 1., 1., 1.])
    """
    return _along(_float(input, "ifft"), n, dim, norm, False)


def _along(x: Tensor, n: Any, dim: Any, norm: Any, forward: bool) -> Tensor:
    d = _one_dim(x, dim)
    _points(x.shape[d] if n is None else n)
    if n is not None:
        x = _resized(x, {d: n})
    scale = _scale(norm, forward)
    if x._spec.dtype.is_complex:
        return c2c(x, (d,), scale, forward)
    out = r2c(x, (d,), scale, False)
    return out if forward else T.conj(out)


@public("fft", out=True)
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the non-negative frequencies of the Fourier transform of real numbers.

    >>> import wengert as torch
    >>> torch.fft.rfft(torch.tensor([1., 2., 3., 4.])).shape
    torch.Size([3])
    """
    return _half(input, n, dim, norm, True, "rfft")


@public("fft", out=True)
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the inverse of `hfft`: the non-negative times of a real spectrum.

    >>> import wengert as torch
    >>> torch.fft.ihfft(torch.tensor([4., 0., 0., 0.])).real
    tensor([1., 1., 1.])
    """
    return T.conj(_half(input, n, dim, norm, False, "ihfft"))


def _half(x: Any, n: Any, dim: Any, norm: Any, forward: bool, caller: str) -> Tensor:
    x = _real(x, caller, "{} expects a real input tensor, but got {}")
    d = _one_dim(x, dim)
    _points(x.shape[d] if n is None else n)
    if n is not None:
        x = _resized(x, {d: n})
    return r2c(x, (d,), _scale(norm, forward), True)


@public("fft", out=True)
def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the n real numbers whose `rfft` is the input; n is 2 (size - 1) unless it is given.

    >>> import wengert as torch
    >>> torch.fft.irfft(torch.fft.rfft(torch.tensor([1., 2., 3.])), 3)
    tensor([1., 2., 3.])
    """
    return _whole(input, n, dim, norm, False, "irfft")


@public("fft", out=True)
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the real Fourier transform of a Hermitian signal, of which one half is given.

    >>> import wengert as torch
    >>> torch.fft.hfft(torch.tensor([1., 1., 1.]))
    tensor([4., 0., 0., 0.])
    """
    return _whole(input, n, dim, norm, True, "hfft")


def _whole(x: Any, n: Any, dim: Any, norm: Any, forward: bool, caller: str) -> Tensor:
    x = _complex(x, caller)
    d = _one_dim(x, dim)
    size = 2 * (x.shape[d] - 1) if n is None else n
    _points(size)
    if n is not None:
        x = _resized(x, {d: size // 2 + 1})
    return c2r(T.conj(x) if forward else x, (d,), _scale(norm, forward), size)


# ------------------------------------------------------------------- along several dims
@public("fft", out=True)
def fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Return the Fourier transform along several dims (all of them by default).

    s  the sizes to cut or pad with zeros to; -1 keeps one. Without `dim` they are for the last dims.

    >>> import wengert as torch
    >>> torch.fft.fftn(torch.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return _several(_complex(input, "fftn"), s, dim, norm, True)


@public("fft", out=True)
def ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Return the inverse of `fftn`.

    >>> import wengert as torch
    >>> torch.fft.ifftn(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _several(_complex(input, "ifftn"), s, dim, norm, False)


def _several(x: Tensor, s: Any, dim: Any, norm: Any, forward: bool) -> Tensor:
    sizes, dims = _shape_and_dims(x, s, dim)
    x = _resized(x, dict(zip(dims, sizes, strict=True)))
    return c2c(x, dims, _scale(norm, forward), forward)


@public("fft", out=True)
def rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Return the Fourier transform of real numbers; of the last dim the non-negative frequencies.

    >>> import wengert as torch
    >>> torch.fft.rfftn(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """
    x = _real(input, "rfftn", "rfftn expects a real-valued input tensor, but got {1}")
    sizes, dims = _shape_and_dims(x, s, dim)
    if not dims:
        raise RuntimeError("rfftn must transform at least one axis")
    x = _resized(x, dict(zip(dims, sizes, strict=True)))
    return r2c(x, dims, _scale(norm, True), True)


@public("fft", out=True)
def irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Return the inverse of `rfftn`; give `s` where the last size was odd.

    >>> import wengert as torch
    >>> torch.fft.irfftn(torch.fft.rfftn(torch.ones(2, 3)), s=(2, 3)).shape
    torch.Size([2, 3])
    """
    x = _complex(input, "irfftn")
    n, sizes, dims = _half_shape_and_dims(x, s, dim, "irfftn")
    return c2r(_resized(x, sizes), dims, _scale(norm, False), n)


@public("fft", out=True)
def hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Return the real Fourier transform of a Hermitian signal, of whose last dim one half is given.

    >>> import wengert as torch
    >>> torch.fft.hfftn(torch.ones(2, 3))
    tensor([[8., 0., 0., 0.],
            [0., 0., 0., 0.]])
    """
    x = _complex(input, "hfftn")
    n, sizes, dims = _half_shape_and_dims(x, s, dim, "hfftn")
    x, scale = _resized(x, sizes), _scale(norm, True)
    if len(dims) > 1:
        x = c2c(x, dims[:-1], scale, True)
    return c2r(T.conj(x), dims[-1:], scale, n)


@public("fft", out=True)
def ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Return the inverse of `hfftn`.

    >>> import wengert as torch
    >>> torch.fft.ihfftn(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """
    x = _real(input, "ihfftn", "Only supports floating-point dtypes, but found: {1}")
    sizes, dims = _shape_and_dims(x, s, dim)
    if not dims:
        raise RuntimeError("ihfftn must transform at least one axis")
    x, scale = _resized(x, dict(zip(dims, sizes, strict=True))), _scale(norm, False)
    half = r2c(x, dims[-1:], scale, True)
    if len(dims) == 1:
        return T.conj(half)
    return c2c(T.conj_physical(half), dims[:-1], scale, False)


def _two(f: Any, name: str) -> None:
    def f2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
        return f(input, s, dim, norm)

    f2.__name__ = f2.__qualname__ = name
    f2.__doc__ = f"Return `{f.__name__}` along two dims, by default the last two."
    public("fft", out=True)(f2)


for _f in (fftn, ifftn, rfftn, irfftn, hfftn, ihfftn):
    _two(_f, _f.__name__[:-1] + "2")


# ------------------------------------------------------------------- frequencies
def _dims_to_shift(x: Any, dim: Any, caller: str) -> tuple[int, ...]:
    check_tensor(x, f"fft_{caller}")
    if dim is None:
        return tuple(range(x.ndim))
    given = dim if isinstance(dim, tuple | list) else (dim,)
    return tuple([wrap_dim(d, x.ndim) for d in given])


@public("fft")
def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """Roll so that the frequency 0 stands in the middle, along the given dims or all.

    >>> import wengert as torch
    >>> torch.fft.fftshift(torch.tensor([0, 1, 2, -2, -1]))
    tensor([-2, -1,  0,  1,  2])
    """
    dims = _dims_to_shift(input, dim, "fftshift")
    return T.roll(input, tuple([input.shape[d] // 2 for d in dims]), dims)


@public("fft")
def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """Undo `fftshift`.

    >>> import wengert as torch
    >>> torch.fft.ifftshift(torch.tensor([-2, -1, 0, 1, 2]))
    tensor([ 0,  1,  2, -2, -1])
    """
    dims = _dims_to_shift(input, dim, "ifftshift")
    return T.roll(input, tuple([(input.shape[d] + 1) // 2 for d in dims]), dims)


def _frequencies(
    caller: str, whole: bool, n: Any, d: float, out: Any, dtype: Any, layout: Any, device: Any,
    requires_grad: bool,
) -> Tensor:  # fmt: skip
    check_options(caller, layout, device)
    n = as_int(n, f"fft_{caller}", "n")
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    kind = out._spec.dtype if out is not None and dtype is None else default_dtype(dtype, caller)
    if kind.category < 2:
        raise RuntimeError(f"{caller} requires a floating point or complex dtype")
    k = np.arange(n if whole else n // 2 + 1)
    if whole:
        k[(n + 1) // 2 :] -= n
    step = 1.0 / (n * d) if n * d else np.inf
    return delivered(k.astype(kind.np) * kind.np.type(step), out, dtype, requires_grad, caller)


@public("fft")
def fftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return the frequencies of the entries of `fft` of n samples that are d apart.

    >>> import wengert as torch
    >>> torch.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return _frequencies("fftfreq", True, n, d, out, dtype, layout, device, requires_grad)


@public("fft")
def rfftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return the frequencies of the entries of `rfft` of n samples that are d apart.

    >>> import wengert as torch
    >>> torch.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    return _frequencies("rfftfreq", False, n, d, out, dtype, layout, device, requires_grad)
