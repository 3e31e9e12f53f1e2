"""The functions of `torch.masked`: reductions and normalisations over the elements of a mask.

What the mask leaves out is replaced by what does not matter to the reduction; where nothing is left,
the result is that of an empty reduction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import TENSORS
from ..core.registry import find, public
from ..core.tensor import Tensor, wrap
from ..kernels import dtypes
from ..kernels.dims import wrap_dims
from .checking import check_tensor

T: Any = TENSORS


def _ready(x: Any, caller: str, dtype: Any, mask: Any) -> tuple[Tensor, Tensor | None]:
    """The input in the dtype of the result, and the mask in its shape."""
    check_tensor(x, f"masked.{caller}")
    if dtype is not None:
        d = dtypes.as_dtype(dtype, caller)
        x = x if x._spec.dtype is d else T.cast(x, d)
    if mask is not None:
        check_tensor(mask, f"masked.{caller}", "mask")
        if mask._spec.np != np.bool_:
            mask = mask != 0
        if tuple(mask.shape) != tuple(x.shape):
            mask = T.expand(mask, tuple(x.shape))
    return x, mask


def _filled(x: Tensor, mask: Tensor | None, value: Any) -> Tensor:
    return x if mask is None else T.where(mask, x, wrap(np.array(value, x._spec.np)))


def _dims(x: Tensor, dim: Any) -> tuple[int, ...]:
    if dim is None or not x.ndim:
        return tuple(range(x.ndim))
    return wrap_dims(dim if isinstance(dim, tuple | list) else (dim,), x.ndim)


def _least(x: Tensor) -> Any:
    d = x._spec.np
    return -np.inf if d.kind in "fc" else False if d.kind == "b" else np.iinfo(d).min


def _most(x: Tensor) -> Any:
    d = x._spec.np
    return np.inf if d.kind in "fc" else True if d.kind == "b" else np.iinfo(d).max


def _whole(x: Tensor) -> Tensor:
    """Integers as int64, in which they are added up and multiplied."""
    return x if x._spec.dtype.category else T.cast(x, dtypes.int64)


def _float_input(x: Tensor, caller: str) -> None:
    if x._spec.dtype.category < 2:
        raise ValueError(
            f"{caller}(): Could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {x.dtype}"
        )


# ------------------------------------------------------------------- reductions
@public("masked", name="sum")
def masked_sum(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Return sums over the elements of a mask; 0 where there is none.

    >>> import wengert as torch
    >>> torch.masked.sum(torch.tensor([1., 2.]), mask=torch.tensor([False, True]))
    tensor(2.)
    """
    x, m = _ready(input, "sum", dtype, mask)
    return T.sum(_whole(_filled(x, m, 0)), _dims(x, dim), keepdim)


@public("masked", name="prod")
def masked_prod(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Return products over the elements of a mask; 1 where there is none.

    >>> import wengert as torch
    >>> torch.masked.prod(torch.tensor([2., 3., 4.]), mask=torch.tensor([True, False, True]))
    tensor(8.)
    """
    x, m = _ready(input, "prod", dtype, mask)
    out = _whole(_filled(x, m, 1))
    for d in sorted(_dims(x, dim), reverse=True):
        out = out.prod(d, keepdim=keepdim)
    return out


def _extreme(name: str, row: str, fill: Any, text: str) -> None:
    def f(
        input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
        mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        x, m = _ready(input, name, dtype, mask)
        return find("torch", row)(_filled(x, m, fill(x)), _dims(x, dim), keepdim)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Return the {text} of the elements of a mask over some dims."
    public("masked")(f)


_extreme("amax", "amax", _least, "largest")
_extreme("amin", "amin", _most, "smallest")


def _position(name: str, fill: Any, text: str) -> None:
    def f(
        input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None,
        mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        x, m = _ready(input, name, dtype, mask)
        found = find("torch", name)(_filled(x, m, fill(x)), dim, keepdim)
        return T.cast(found, x._spec.dtype)  # type: ignore[no-any-return, unused-ignore]

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Return where the {text} element of a mask stands, in the dtype of the input."
    public("masked")(f)


_position("argmax", _least, "largest")
_position("argmin", _most, "smallest")


def _count(x: Tensor, m: Tensor | None, dims: tuple[int, ...], keepdim: bool) -> Any:
    ones = T.ones_like(x.real if x._spec.dtype.is_complex else x)
    return T.sum(_filled(ones, m, 0), dims, keepdim)


@public("masked")
def mean(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Return means over the elements of a mask; NaN where there is none.

    >>> import wengert as torch
    >>> torch.masked.mean(torch.tensor([1., 2., 5.]), mask=torch.tensor([True, False, True]))
    tensor(3.)
    """
    x, m = _ready(input, "mean", dtype, mask)
    _float_input(x, "mean")
    dims = _dims(x, dim)
    return T.sum(_filled(x, m, 0), dims, keepdim) / _count(x, m, dims, keepdim)


@public("masked")
def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Return the median of the elements of a mask along a dim; NaN where there is none.

    >>> import wengert as torch
    >>> torch.masked.median(torch.tensor([3., 1., 2.]), 0, mask=torch.tensor([True, True, False]))
    tensor(1.)
    """
    x, m = _ready(input, "median", dtype, mask)
    if not x._spec.dtype.is_floating_point:
        raise ValueError(f"input must be a floating point tensor, not {x.dtype}")
    return find("torch", "nanmedian")(_filled(x, m, np.nan), dim, keepdim)[0]


@public("masked")
def logsumexp(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Return the logarithm of the sum of exponentials over the elements of a mask.

    >>> import wengert as torch
    >>> torch.masked.logsumexp(torch.tensor([0., 0., 9.]), mask=torch.tensor([True, True, False]))
    tensor(0.6931)
    """
    x, m = _ready(input, "logsumexp", dtype, mask)
    return find("torch", "logsumexp")(_filled(x, m, -np.inf), _dims(x, dim), keepdim)


@public("masked")
def norm(
    input: Tensor, ord: Any = 2.0, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return vector norms of the elements of a mask; 0 where there is none.

    >>> import wengert as torch
    >>> torch.masked.norm(torch.tensor([3., 4., 5.]), mask=torch.tensor([True, True, False]))
    tensor(5.)
    """
    x, m = _ready(input, "norm", dtype, mask)
    _float_input(x, "norm")
    fill = np.inf if ord < 0 else 0
    return find("linalg", "vector_norm")(_filled(x, m, fill), ord, _dims(x, dim) or None, keepdim)


def _spread(
    caller: str, input: Tensor, dim: Any, unbiased: Any, correction: Any, keepdim: bool, dtype: Any,
    mask: Any,
) -> Tensor:  # fmt: skip
    if unbiased is not None and correction is not None:
        raise ValueError("Only one of unbiased and correction may be given")
    less = correction if correction is not None else 0 if unbiased is False else 1
    x, m = _ready(input, caller, dtype, mask)
    if x._spec.dtype.category < 2:
        x = T.cast(x, dtypes.get_default_dtype())
    dims = _dims(x, dim)
    n = _count(x, m, dims, True)
    away = x - T.sum(_filled(x, m, 0), dims, True) / n
    square = away * away.conj() if x._spec.dtype.is_complex else away * away
    square = square.real if x._spec.dtype.is_complex else square
    total = T.sum(_filled(square, m, 0), dims, keepdim)
    n = n if keepdim else T.reshape(n, tuple(total.shape))
    below = n - less
    return total / T.where(below < 0, T.zeros_like(below), below)


@public("masked")
def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return variances over the elements of a mask; the divisor is their count less `correction`.

    >>> import wengert as torch
    >>> torch.masked.var(torch.tensor([1., 3., 9.]), mask=torch.tensor([True, True, False]))
    tensor(2.)
    """
    return _spread("var", input, dim, unbiased, correction, keepdim, dtype, mask)


@public("masked")
def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return standard deviations over the elements of a mask; see `var`.

    >>> import wengert as torch
    >>> torch.masked.std(torch.tensor([1., 3., 9.]), unbiased=False, mask=torch.tensor([True, True, False]))
    tensor(1.)
    """
    return T.sqrt(_spread("std", input, dim, unbiased, correction, keepdim, dtype, mask))


# ------------------------------------------------------------------- along a dim
def _along(name: str, fill: Any, text: str, turned: bool = False) -> None:
    def f(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
        x, m = _ready(input, name, dtype, mask)
        x = _filled(-x if turned else x, m, fill)
        return find("torch", "softmax" if turned else name)(x, dim)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Return {text} along a dim over the elements of a mask."
    public("masked")(f)


_along("softmax", -np.inf, "exponentials divided by their sum")
_along("softmin", -np.inf, "the softmax of the negatives", True)
_along("log_softmax", -np.inf, "logarithms of the softmax")
_along("cumsum", 0, "running sums")
_along("cumprod", 1, "running products")


@public("masked")
def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the elements of a mask divided by their norm (at least eps) along a dim; 0 for others.

    >>> import wengert as torch
    >>> torch.masked.normalize(torch.tensor([3., 4., 9.]), 2., 0, mask=torch.tensor([True, True, False]))
    tensor([0.6000, 0.8000, 0.0000])
    """
    x, m = _ready(input, "normalize", dtype, mask)
    length = norm(x, ord, dim, keepdim=True, mask=m)
    return _filled(x, m, 0) / length.clamp(min=eps)


@public("masked")
def logaddexp(
    input: Tensor, other: Tensor, *, dtype: Any = None, input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return log(exp(input) + exp(other)), where the masks say which terms there are.

    >>> import wengert as torch
    >>> a = torch.tensor([0., 0.])
    >>> torch.masked.logaddexp(a, a, input_mask=torch.tensor([True, False]))
    tensor([0.6931, 0.0000])
    """
    x, m = _ready(input, "logaddexp", dtype, input_mask)
    y, n = _ready(other, "logaddexp", dtype, other_mask)
    return find("torch", "logaddexp")(_filled(x, m, -np.inf), _filled(y, n, -np.inf))
