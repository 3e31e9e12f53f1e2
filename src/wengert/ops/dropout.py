"""Dropout in its forms. The random numbers are PyTorch's: one 53-bit draw for each decision."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..core import state
from ..core.dual import innermost
from ..core.inplace import write
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels.dtypes import FLOAT
from ..kernels.random import default_generator
from .checking import check_tensor
from .draws import check_randomness, drawn

T: Any = TENSORS

ALPHA = 1.7580993408473766  # the saturation value of selu: scale * alpha


def _check(input: Any, p: float, caller: str) -> None:
    check_tensor(input, caller)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _product(input: Tensor, noise: Tensor, inplace: bool) -> Tensor:
    """input * noise, also in place."""
    if not inplace:
        return T.mul(input, noise)
    return write(input, T.mul, (noise,), copy_old=False)


def _factors(input: Tensor, shape: Any, p: float) -> Tensor:
    """0 with probability p, else 1 / (1 - p), in the shape of input unless one is given."""
    d = input._spec.dtype
    if d.category != FLOAT:
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {d.scalar_name}:"
            " dropout takes floating-point tensors"
        )
    if state.current_batch() is not None:
        check_randomness()
        shape = tuple(input.shape) if shape is None else shape
        return drawn(shape, lambda whole: default_generator().dropout(np.empty(whole, d.np), p))
    x = innermost(input) if shape is None else np.empty(shape, d.np)
    return wrap(default_generator().dropout(x, p))


def _dropped(input: Tensor, p: float, training: bool, inplace: bool, shape: Any = None) -> Tensor:
    """Ordinary dropout; with `shape` one decision serves all elements that it broadcasts to."""
    if p == 0 or not training or input._spec.numel == 0:
        return input
    if p == 1:
        return _product(input, wrap(np.zeros((), input._spec.np)), inplace)
    noise = _factors(input, shape, p)
    return _product(input, noise, inplace)


@public("F")
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero every element with probability p and multiply the others by 1 / (1 - p), in training.

    Otherwise `input` itself is returned. ValueError if p is not in [0, 1].

    >>> import wengert as torch
    >>> x = torch.ones(3)
    >>> torch.nn.functional.dropout(x, training=False) is x
    True
    """
    _check(input, p, "dropout")
    return _dropped(input, p, training, inplace)


@public("torch", name="dropout")
def _torch_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout with explicit arguments; see nn.functional.dropout."""
    _check_torch(input, p, "dropout")
    return _dropped(input, p, train, False)


@public("torch")
def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place form of `dropout`."""
    _check_torch(input, p, "dropout")
    return _dropped(input, p, train, True)


def _check_torch(input: Any, p: float, caller: str) -> None:
    try:
        _check(input, p, caller)
    except ValueError as error:
        raise RuntimeError(str(error)) from None


# ---------------------------------------------------------------- whole channels
def _channels(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    """Drop whole channels: dims 0 and 1 decide, the others follow."""
    s = input._spec
    if s.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return _dropped(input, p, training, inplace, (*s.shape[:2], *[1] * (s.ndim - 2)))


def _without_batch(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    """Drop channels of a single sample (C, ...)."""
    if inplace:
        _channels(T.unsqueeze(input, 0), p, training, True)
        return input
    out: Any = _channels(T.unsqueeze(input, 0), p, training, False)
    return out.squeeze(0)


@public("F")
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of an (N, C, L) or (C, L) tensor with probability p, in training."""
    _check(input, p, "dropout1d")
    n = input._spec.ndim
    if n not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {n}D input. Note that dropout1d "
            "exists to provide channel-wise dropout on inputs with 1 spatial dimension, a channel "
            "dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    f = _channels if n == 3 else _without_batch
    return f(input, p, training, inplace)


def _warn_rank(name: str, n: int, spatial: int) -> None:
    warnings.warn(
        f"{name}: Received a {n}-D input to {name}, which is deprecated and will result in an "
        "error in a future release. To retain the behavior and silence this warning, please use "
        f"dropout instead. Note that {name} exists to provide channel-wise dropout on inputs with "
        f"{spatial} spatial dimensions, a channel dimension, and an optional batch dimension (i.e. "
        f"{spatial + 1}D or {spatial + 2}D inputs).",
        UserWarning,
        stacklevel=3,
    )


@public("F")
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of an (N, C, H, W) tensor with probability p, in training."""
    _check(input, p, "dropout2d")
    n = input._spec.ndim
    if n not in (3, 4):
        _warn_rank("dropout2d", n, 2)
    if n == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. This behavior will change in a future release to interpret the input as one "
            "without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
            UserWarning,
            stacklevel=2,
        )
    return _channels(input, p, training, inplace)


@public("F")
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of an (N, C, D, H, W) or (C, D, H, W) tensor with probability p, in training."""
    _check(input, p, "dropout3d")
    n = input._spec.ndim
    if n not in (4, 5):
        _warn_rank("dropout3d", n, 3)
    f = _without_batch if n == 4 else _channels
    return f(input, p, training, inplace)


# ---------------------------------------------------------------- for selu
def _alpha(input: Tensor, p: float, training: bool, inplace: bool, shape: Any) -> Tensor:
    """Set elements to selu's saturation value and rescale, so that mean and variance are kept.

    Klambauer et al., "Self-Normalizing Neural Networks", 2017, section 2.
    """
    if p == 0 or not training or input._spec.numel == 0:
        return input
    d = input._spec.np
    if p == 1:
        return _product(input, wrap(np.zeros((), d)), inplace)
    check_randomness()
    keep = drawn(shape, lambda whole: default_generator().bernoulli(whole, 1 - p, d))
    a = 1.0 / math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p))
    shift = (keep - 1) * (ALPHA * a) + ALPHA * a * p
    factor = keep * a
    if inplace:
        return write(_product(input, factor, True), T.add, (shift,), copy_old=False)
    return T.add(T.mul(input, factor), shift)


@public("F")
def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps the mean and variance of selu activations."""
    _check(input, p, "alpha_dropout")
    return _alpha(input, p, training, inplace, input._spec.shape)


@public("F")
def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Alpha dropout of whole channels (dim 1)."""
    _check(input, p, "feature_alpha_dropout")
    s = input._spec
    if training and p and s.numel and s.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return _alpha(input, p, training, inplace, (*s.shape[:2], *[1] * (s.ndim - 2)))


# ---------------------------------------------------------------- under torch
def _native(f: Any, name: str) -> None:
    """Register torch.<name>(input, p, train) and its in-place twin."""

    def call(input: Tensor, p: float, train: bool) -> Tensor:
        _check_torch(input, p, name)
        out: Tensor = f(input, p, train, False)
        return out

    def twin(input: Tensor, p: float, train: bool) -> Tensor:
        _check_torch(input, p, name)
        out: Tensor = f(input, p, train, True)
        return out

    call.__doc__ = f"{name.replace('_', ' ').capitalize()} with explicit arguments; see nn.functional."
    twin.__doc__ = f"In-place form of `{name}`."
    for g, shown in ((call, name), (twin, name + "_")):
        g.__name__ = g.__qualname__ = shown
        public("torch", name=shown)(g)


_native(alpha_dropout, "alpha_dropout")
_native(_channels, "feature_dropout")
_native(feature_alpha_dropout, "feature_alpha_dropout")
