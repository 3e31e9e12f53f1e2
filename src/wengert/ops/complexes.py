"""Complex numbers as pairs of reals: views, real and imaginary parts, conjugates.

`conj` computes at once; PyTorch only sets a flag and conjugates when somebody reads the numbers.
Values and gradients agree; what differs is that the result here has memory of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import leading, unchanged
from ..core.define import elementwise, primitive
from ..core.registry import public
from ..core.tensor import Tensor
from .shape import broadcast_tensors
from .views import select_op, spec_in

_REAL: dict[Any, Any] = {np.dtype("F"): np.dtype("f"), np.dtype("D"): np.dtype("d")}
_COMPLEX: dict[Any, Any] = {np.dtype("f"): np.dtype("F"), np.dtype("d"): np.dtype("D"), np.dtype("e"): np.dtype("F")}


def _as_real(z: np.ndarray) -> np.ndarray:
    pairs = z.reshape((*z.shape, 1))  # a last dim whose items are adjacent, whatever the layout
    return pairs.view(_REAL[z.dtype])


def _as_complex(x: np.ndarray) -> np.ndarray:
    if x.dtype == np.float16:
        x = x.astype(np.float32)
    if x.strides[-1] != x.itemsize:
        x = np.ascontiguousarray(x)
    return x.view(_COMPLEX[x.dtype]).reshape(x.shape[:-1])


view_as_real_op = primitive("linear", "view_as_real(x)", _as_real, view=True, batch=unchanged,
                            x=lambda xp, g: xp.conj(xp.view_as_complex(g)))  # fmt: skip

view_as_complex_op = primitive("linear", "view_as_complex(x)", _as_complex, view=True, batch=unchanged,
                               x=lambda xp, g: xp.view_as_real(xp.conj(g)))  # fmt: skip

conj_op = elementwise("conj(x)", np.conjugate,
                      x=lambda xp, g: xp.conj(g))  # fmt: skip

conj_physical_op = elementwise("conj_physical(x)", np.conjugate,
                               x=lambda xp, g: xp.conj(g))  # fmt: skip


@public("torch")
def view_as_real(input: Tensor) -> Tensor:
    """Return a view of complex numbers as pairs (real, imaginary) in a new last dim.

    >>> import wengert as torch
    >>> torch.view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    if not spec_in(input, "view_as_real").dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return view_as_real_op(input)


@public("torch")
def view_as_complex(input: Tensor) -> Tensor:
    """Return a view of pairs (real, imaginary) in the last dim as complex numbers.

    >>> import wengert as torch
    >>> torch.view_as_complex(torch.tensor([[1., 2.]]))
    tensor([1.+2.j])
    """
    s = spec_in(input, "view_as_complex")
    if not s.dtype.is_floating_point:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor "
            f"of scalar type: {s.dtype.scalar_name}"
        )
    if s.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if s.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    steps = [k // s.np.itemsize for k in input._array.strides] if s.numel and s.plain else [1]
    if steps[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(k % 2 and n > 1 for k, n in zip(steps[:-1], s.shape, strict=False)):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    return view_as_complex_op(input)


@public("torch")
def real(input: Tensor) -> Tensor:
    """Return a view of the real parts; a real tensor comes back as it is.

    >>> import wengert as torch
    >>> torch.real(torch.tensor([1 + 2j]))
    tensor([1.])
    """
    s = spec_in(input, "real")
    return select_op(view_as_real_op(input), s.ndim, 0) if s.dtype.is_complex else input


@public("torch")
def imag(input: Tensor) -> Tensor:
    """Return a view of the imaginary parts; RuntimeError for a real tensor.

    >>> import wengert as torch
    >>> torch.imag(torch.tensor([1 + 2j]))
    tensor([2.])
    """
    s = spec_in(input, "imag")
    if not s.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return select_op(view_as_real_op(input), s.ndim, 1)


def _set_real(x: Tensor, value: Any) -> None:
    real(x).copy_(value)


def _set_imag(x: Tensor, value: Any) -> None:
    imag(x).copy_(value)


public("Tensor", name="real")(property(real, _set_real))
public("Tensor", name="imag")(property(imag, _set_imag))


@public("torch", "Tensor")
def conj(input: Tensor) -> Tensor:
    """Return the complex conjugate; a real tensor comes back as it is.

    >>> import wengert as torch
    >>> torch.tensor([1 + 2j]).conj()
    tensor([1.-2.j])
    """
    return conj_op(input) if spec_in(input, "conj").dtype.is_complex else input


@public("torch", "Tensor", inplace=True, out=True)
def conj_physical(input: Tensor) -> Tensor:
    """Return the complex conjugate, computed; a real tensor comes back as it is."""
    return conj_physical_op(input) if spec_in(input, "conj_physical").dtype.is_complex else input


@public("torch", "Tensor")
def resolve_conj(input: Tensor) -> Tensor:
    """Return `input`: conjugates are never pending here."""
    spec_in(input, "resolve_conj")
    return input


@public("torch", "Tensor")
def resolve_neg(input: Tensor) -> Tensor:
    """Return `input`: negations are never pending here."""
    spec_in(input, "resolve_neg")
    return input


@public("torch", "Tensor")
def is_conj(input: Tensor) -> bool:
    """Return False: conjugates are never pending here."""
    spec_in(input, "is_conj")
    return False


@public("torch", "Tensor")
def is_neg(input: Tensor) -> bool:
    """Return False: negations are never pending here."""
    spec_in(input, "is_neg")
    return False


def _make_complex(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = np.empty(x.shape, _COMPLEX[x.dtype])
    out.real, out.imag = x, y
    return out


# not elementwise rows: the result has another dtype than the operands
complex_op = primitive("linear", "complex(x, y)", _make_complex, batch=leading,
                       x=lambda xp, g: xp.real_part(g),
                       y=lambda xp, g: xp.real_part(g * 1j))  # fmt: skip


def _polar_jvp(xp: Any, xs: list[Any], ts: list[Any], out: Any, params: tuple[Any, ...]) -> Any:
    total = None
    if ts[0] is not None:
        total = xp.complex(xp.cos(xs[1]) * ts[0], xp.sin(xs[1]) * ts[0])
    if ts[1] is not None:
        turned = out * 1j * ts[1]
        total = turned if total is None else total + turned
    return total


polar_op = primitive("opaque", "polar(x, y)", lambda x, y: _make_complex(x * np.cos(y), x * np.sin(y)),
                     x=lambda xp, g, y: xp.real_part(g * xp.complex(xp.cos(y), xp.sin(y))),
                     y=lambda xp, g, out: xp.real_part(g * (out * 1j)), jvp=_polar_jvp, batch=leading)  # fmt: skip


def _two_floats(x: Any, y: Any, caller: str) -> None:
    a, b = spec_in(x, caller).dtype, spec_in(y, caller).dtype
    if not (a.is_floating_point and b.is_floating_point):
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{a.scalar_name} and {b.scalar_name}"
        )
    if a is not b:
        raise RuntimeError(
            f"Expected object of scalar type {a.scalar_name} but got scalar type {b.scalar_name} "
            "for second argument"
        )


@public("torch", out=True)
def complex(real: Tensor, imag: Tensor) -> Tensor:
    """Return the complex numbers real + i imag, of two real tensors of one dtype.

    >>> import wengert as torch
    >>> torch.complex(torch.tensor([1.]), torch.tensor([2.]))
    tensor([1.+2.j])
    """
    _two_floats(real, imag, "complex")
    return complex_op(*broadcast_tensors(real, imag))


@public("torch", out=True)
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Return the complex numbers abs * exp(i angle), of two real tensors of one dtype."""
    _two_floats(abs, angle, "polar")
    return polar_op(*broadcast_tensors(abs, angle))

