"""Normalisation layers: layer, group, batch, instance and root-mean-square norm.

One rule serves all that compute their statistics; see kernels/normalize.py for the parameters.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.batching import composed
from ..core.define import primitive, utility
from ..core.inplace import before_write, bump, caller
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import normalize as k
from .checking import check_float, check_tensor

T: Any = TENSORS


# ---------------------------------------------------------------- the rows
def _summed(xp: Any, t: Any, affine: tuple) -> Any:
    """Sum a cotangent to the shape in which a weight broadcasts."""
    dims = tuple([d for d, n in enumerate(affine) if n == 1 and t.shape[d] != 1])
    return xp.sum(t, dims, True) if dims else t


def _like(xp: Any, t: Any, spec: Any) -> Any:
    d = t.dtype  # NumPy's for arrays, ours for tensors
    return t if d is spec.np or d is spec.dtype or d == spec.np else xp.cast(t, spec.dtype)


def _rule(
    xp: Any, g: Any, x: Any, y: Any, out: Any, need: tuple, x_spec: Any, y_spec: Any, z_spec: Any,
    shape: Any, axes: tuple, affine: tuple, eps: float,
) -> tuple:  # fmt: skip
    """The cotangent of the result, and those of mean and variance, which second derivatives use."""
    mean, var = out[1], out[2]
    gx = gy = gz = None
    if g[0] is not None:
        how = (need, shape, axes, affine, eps)
        gx, gy, gz = xp.standardize_pull(g[0], x, y, mean, var, *how)
        gy = None if gy is None else _like(xp, xp.reshape(gy, tuple(y_spec.shape)), y_spec)
        gz = None if gz is None else _like(xp, xp.reshape(gz, tuple(z_spec.shape)), z_spec)
    if need[0]:
        if g[1] is not None or g[2] is not None:
            gx = _statistics_pull(xp, g, gx, x, mean, shape, axes)
        gx = _like(xp, gx if shape is None else xp.reshape(gx, tuple(x_spec.shape)), x_spec)
    return gx, gy, gz


def _statistics_pull(
    xp: Any, g: Any, gx: Any, x: Any, mean: Any, shape: Any, axes: tuple
) -> Any:
    """Add what comes through dmean = mean(dv) and dvar = 2 mean((v - mean) dv)."""
    v = x if shape is None else xp.reshape(x, shape)
    n = math.prod([v.shape[a] for a in axes])
    for part, factor in ((g[1], None), (g[2], v - mean)):
        if part is not None:
            share = part / n if factor is None else part * factor * (2 / n)
            gx = xp.expand(share, tuple(v.shape)) if gx is None else gx + share
    return gx


def _pull_tensors(
    g: Any, x: Any, y: Any, mean: Any, var: Any, need: tuple, shape: Any, axes: tuple,
    affine: tuple, eps: float,
) -> tuple:  # fmt: skip
    """kernels.normalize.standardize_backward, written over tensors."""
    v = x if shape is None else T.reshape(x, shape)
    g = g if shape is None else T.reshape(g, shape)
    n = math.prod([v.shape[a] for a in axes])
    r = T.rsqrt(var + eps)
    h = (v - mean) * r
    gx = gy = gz = None
    if need[0]:
        gh = g if y is None else g * T.reshape(y, affine)
        gx = r * (gh - T.sum(gh, axes, True) / n - h * (T.sum(gh * h, axes, True) / n))
    if need[1]:
        gy = _summed(T, g * h, affine)
    if need[2]:
        gz = _summed(T, g, affine)
    return gx, gy, gz


utility("standardize_pull", k.standardize_backward, _pull_tensors)


def _jvp(xp: Any, xs: tuple, ts: tuple, out: tuple, params: tuple) -> tuple:
    (x, y, _), (tx, ty, tz) = xs, ts
    shape, axes, affine, eps = params
    mean, var = out[1], out[2]
    v = x if shape is None else xp.reshape(x, shape)
    n = math.prod([v.shape[a] for a in axes])
    r = xp.rsqrt(var + eps)
    d = v - mean
    t_mean, t_var, total = xp.zeros_like(mean), xp.zeros_like(var), None
    if tx is not None:
        t = tx if shape is None else xp.reshape(tx, shape)
        t_mean = xp.sum(t, axes, True) / n
        t_var = xp.sum(d * t, axes, True) * (2 / n)
        total = r * (t - t_mean) - d * (t_var * (0.5 * r * r * r))
        if y is not None:
            total = total * xp.reshape(y, affine)
    for t, factor in ((ty, d * r), (tz, None)):
        if t is not None:
            t = xp.reshape(t, affine) if factor is None else xp.reshape(t, affine) * factor
            total = xp.expand(t, tuple(v.shape)) if total is None else total + t
    total = xp.zeros_like(x) if total is None else xp.reshape(total, tuple(x.shape))
    return total, t_mean, t_var


def _in_ops(
    xp: Any, x: Any, y: Any, z: Any, shape: Any, axes: tuple, affine: tuple, eps: float
) -> tuple:
    """The same said in other ops: what vmap runs."""
    v = x if shape is None else xp.reshape(x, shape)
    n = math.prod([v.shape[a] for a in axes])
    mean = xp.sum(v, axes, True) / n
    d = v - mean
    var = xp.sum(d * d, axes, True) / n
    out = d * xp.rsqrt(var + eps)
    if y is not None:
        out = out * xp.reshape(y, affine)
    if z is not None:
        out = out + xp.reshape(z, affine)
    return xp.reshape(out, tuple(x.shape)), mean, var


def _row(name: str) -> Any:
    return primitive(
        "opaque", f"{name}(x, y?, z?, *, shape, axes, affine, eps)", k.standardize, outputs=3, parts=(1, 2),
        rules={"x, y, z": _rule}, jvp=_jvp, saved={"x": "input", "y": "weight", "z": "bias"},
        batch=composed(_in_ops),
    )  # fmt: skip


layer_row, group_row = _row("native_layer_norm"), _row("native_group_norm")
batch_row = _row("native_batch_norm")


def _rescale_rule(
    xp: Any, g: Any, x: Any, y: Any, m: Any, v: Any, need: tuple, x_spec: Any, y_spec: Any,
    z_spec: Any, affine: tuple, eps: float,
) -> tuple:  # fmt: skip
    gx, gy, gz = xp.rescale_pull(g, x, y, m, v, need, affine, eps)
    return (
        None if gx is None else _like(xp, gx, x_spec),
        None if gy is None else _like(xp, xp.reshape(gy, tuple(y_spec.shape)), y_spec),
        None if gz is None else _like(xp, xp.reshape(gz, tuple(z_spec.shape)), z_spec),
    )


def _rescale_pull_tensors(
    g: Any, x: Any, y: Any, m: Any, v: Any, need: tuple, affine: tuple, eps: float
) -> tuple:
    """kernels.normalize.rescale_backward, written over tensors."""
    r = T.reshape(T.rsqrt(v + eps), affine)
    return (
        g * (r if y is None else r * T.reshape(y, affine)) if need[0] else None,
        _summed(T, g * ((x - T.reshape(m, affine)) * r), affine) if need[1] else None,
        _summed(T, g, affine) if need[2] else None,
    )


utility("rescale_pull", k.rescale_backward, _rescale_pull_tensors)


def _rescale_jvp(xp: Any, xs: tuple, ts: tuple, out: Any, params: tuple) -> Any:
    (x, y, _, m, v), (tx, ty, tz, _, _) = xs, ts
    affine, eps = params
    r = xp.reshape(xp.rsqrt(v + eps), affine)
    total = xp.zeros_like(out)
    if tx is not None:
        total = total + tx * (r if y is None else r * xp.reshape(y, affine))
    if ty is not None:
        total = total + (x - xp.reshape(m, affine)) * r * xp.reshape(ty, affine)
    if tz is not None:
        total = total + xp.reshape(tz, affine)
    return total


def _rescale_in_ops(
    xp: Any, x: Any, y: Any, z: Any, m: Any, v: Any, affine: tuple, eps: float
) -> Any:
    factor = xp.rsqrt(v + eps)
    if y is not None:
        factor = factor * y
    shift = -m * factor if z is None else z - m * factor
    return x * xp.reshape(factor, affine) + xp.reshape(shift, affine)


rescale_row = primitive(
    "opaque", "batch_norm_with_statistics(x, y?, z?, m, v, *, affine, eps)", k.rescale,
    rules={"x, y, z": _rescale_rule}, jvp=_rescale_jvp, node="NativeBatchNormBackward0",
    batch=composed(_rescale_in_ops),
    saved={"x": "input", "y": "weight", "z": "bias", "m": "running_mean", "v": "running_var"},
)  # fmt: skip


# ---------------------------------------------------------------- layer norm
def _shape_of(normalized_shape: Any, caller: str) -> tuple:
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(
            f"{caller}(): argument 'normalized_shape' (position 2) must be tuple of ints, not "
            f"{type(normalized_shape).__name__}"
        )
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []"
        )
    return shape


def _check_parameter(p: Tensor | None, name: str, shape: tuple, x: Any) -> None:
    if p is None:
        return
    if p._spec.shape != shape:
        raise RuntimeError(
            f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
            f"{list(p._spec.shape)} and normalized_shape = {list(shape)}"
        )
    _check_dtype(p, name, x)


def _check_dtype(p: Tensor, name: str, x: Any) -> None:
    if p._spec.dtype is not x.dtype and not (x.dtype.itemsize == 2 and p._spec.dtype.name == "float32"):
        raise RuntimeError(
            f"mixed dtype (CPU): expect parameter to have scalar type of {x.dtype.scalar_name}: "
            f"the input is {x.dtype}, {name} is {p._spec.dtype}"
        )


@public("F")
def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalise over the last dims, whose sizes are `normalized_shape`; then scale and shift.

    Ba, Kiros and Hinton, "Layer Normalization", 2016.

    >>> import wengert as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([[1., 3.]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    return layer_norm_parts(input, normalized_shape, weight, bias, eps, "layer_norm")[0]


def layer_norm_parts(
    input: Tensor, normalized_shape: Any, weight: Any, bias: Any, eps: float, caller: str
) -> tuple[Tensor, Tensor, Tensor]:
    """The result of layer norm, and the mean and the variance over the last dims."""
    check_tensor(input, caller)
    x = input._spec
    shape = _shape_of(normalized_shape, caller)
    k_dims = len(shape)
    if x.shape[-k_dims:] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size{list(x.shape)}"
        )
    _check_parameter(weight, "weight", shape, x)
    _check_parameter(bias, "bias", shape, x)
    check_float(input, caller, "LayerNormKernelImpl")
    lead = x.ndim - k_dims
    axes = tuple(range(lead, x.ndim))
    return layer_row(input, weight, bias, None, axes, (1,) * lead + shape, eps)


@public("torch", name="layer_norm")
def _layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5, cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """Normalise over the last dims; see nn.functional.layer_norm."""
    return layer_norm(input, normalized_shape, weight, bias, eps)


@public("torch", "F")
def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divide by the root of the mean square over the last dims (plus eps); then scale.

    eps is the dtype's machine epsilon by default. Zhang and Sennrich, "Root Mean Square Layer
    Normalization", 2019.
    """
    check_tensor(input, "rms_norm")
    x: Any = input
    spec = input._spec
    shape = _shape_of(normalized_shape, "rms_norm")
    if spec.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*"
            f"{', '.join(map(str, shape))}], but got input of size{list(spec.shape)}"
        )
    if weight is not None and weight._spec.shape != shape:
        _check_parameter(weight, "weight", shape, spec)
    wide = spec.dtype.itemsize == 2
    if wide:
        x = x.float()
    if eps is None:
        eps = float(np.finfo(x._spec.np).eps)
    dims = tuple(range(spec.ndim - len(shape), spec.ndim))
    out = x * T.rsqrt(T.mean(x**2, dims, True) + eps)
    if weight is not None:
        out = out * weight
    return T.cast(out, spec.dtype) if wide else out


# ---------------------------------------------------------------- group norm
def _more_than_one(count: int, shape: Any) -> None:
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {shape}"
        )


@public("F")
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalise over groups of channels (dim 1) and all dims after; then scale and shift channels.

    Wu and He, "Group Normalization", 2018.
    """
    check_tensor(input, "group_norm")
    x = input._spec
    if x.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {x.ndim}"
        )
    samples, channels, *space = x.shape
    _more_than_one(samples * (channels // num_groups) * math.prod(space), list(x.shape))
    return group_norm_parts(input, num_groups, weight, bias, eps)[0]


def group_norm_parts(
    input: Tensor, num_groups: int, weight: Any, bias: Any, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The result of group norm, and the mean and the variance of every group."""
    x = input._spec
    samples, channels, *space = x.shape
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(x.shape)} and num_groups={num_groups}"
        )
    for p, name in ((weight, "weight"), (bias, "bias")):
        if p is not None:
            if p._spec.shape != (channels,):
                raise RuntimeError(
                    f"Expected {name} to be a vector of size equal to the number of channels in "
                    f"input, but got {name} of shape {list(p._spec.shape)} and input of shape "
                    f"{list(x.shape)}"
                )
            _check_dtype(p, name, x)
    check_float(input, "group_norm", "GroupNormKernelImpl")
    each = channels // num_groups
    shape = (samples, num_groups, each, math.prod(space))
    return group_row(input, weight, bias, shape, (2, 3), (1, num_groups, each, 1), eps)


@public("torch", name="group_norm")
def _group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Normalise over groups of channels; see nn.functional.group_norm."""
    return group_norm(input, num_groups, weight, bias, eps)


# ---------------------------------------------------------------- batch norm
def _check_channels(channels: int, x: Any, named: dict) -> None:
    for name, p in named.items():
        if p is None:
            continue
        if p._spec.numel != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {p._spec.numel}")
        _check_dtype(p, name, x)
        if name.startswith("running") and p.requires_grad:
            raise RuntimeError(
                "The function 'native_batch_norm' is not differentiable with respect to argument "
                f"'{name}'. This input cannot have requires_grad True."
            )


def _batch_norm(
    input: Tensor, mean: Any, var: Any, weight: Any, bias: Any, training: bool, momentum: float,
    eps: float, repeat: int = 1,
) -> Tensor:  # fmt: skip
    """`batch_norm_parts`, the result alone."""
    return batch_norm_parts(input, mean, var, weight, bias, training, momentum, eps, repeat)[0]


def batch_norm_parts(
    input: Tensor, mean: Any, var: Any, weight: Any, bias: Any, training: bool, momentum: float,
    eps: float, repeat: int = 1,
) -> tuple[Tensor, Any, Any]:  # fmt: skip
    """Normalise channels (dim 1). Running statistics of `repeat` samples' channels are averaged.

    Also returns the mean and variance of the batch; None in evaluation.
    """
    x = input._spec
    channels = x.shape[1] if x.ndim > 1 else 0
    names = {"running_mean": mean, "running_var": var, "weight": weight, "bias": bias}
    if not training:
        for name in ("running_mean", "running_var"):
            if names[name] is None:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
    check_float(input, "batch_norm", "batch_norm")
    _check_channels(channels // repeat, x, names)
    mean_of, var_of = mean, var
    if repeat > 1:
        mean_of, var_of, weight, bias = (
            None if p is None else T.repeat(p, (repeat,)) for p in names.values()
        )
    affine = (1, channels, *[1] * (x.ndim - 2))
    if not training:
        # copies: a later batch in training may write to the running ones before backward
        given = [wrap(t._array.copy()) if t._spec.plain else t for t in (mean_of, var_of)]
        return rescale_row(input, weight, bias, *given, affine, eps), None, None
    axes = (0, *range(2, x.ndim))
    out, m, v = batch_row(input, weight, bias, None, axes, affine, eps)
    n = x.numel // max(channels, 1)
    if n and not (mean is None and var is None):
        where = caller()
        if mean is not None:
            _update(mean, m, momentum, repeat, 1.0, where)
        if var is not None:
            _update(var, v, momentum, repeat, n / (n - 1) if n > 1 else math.nan, where)
    return out, m, v


def count_batch(counter: Tensor) -> None:
    """Add one to a counter of batches, without recording it."""
    if not counter._spec.plain:
        counter.add_(1)
        return
    before_write(counter._array)
    np.add(counter._array, 1, counter._array)
    bump(counter)


def _update(
    running: Tensor, value: Tensor, momentum: float, repeat: int, factor: float, where: Any
) -> None:
    """Move a running statistic towards that of this batch, without recording it."""
    if not (running._spec.plain and value._spec.plain):
        new = T.sum(T.reshape(value.detach(), (repeat, -1)), (0,), False) / repeat
        target: Any = running
        target.copy_(target * (1.0 - momentum) + new * (momentum * factor))
        return
    new = value._array
    if repeat > 1:
        new = new.reshape(repeat, -1).mean(0, np.float64)
    before_write(running._array)
    k.update(running._array, new, momentum, factor)
    bump(running, where)


@public("F")
def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalise every channel (dim 1) over the batch and all other dims; then scale and shift.

    In training the statistics are those of the batch, and the running ones, if given, move towards
    them in place (with the unbiased variance); otherwise the running ones are used. Ioffe and
    Szegedy, "Batch Normalization", 2015.
    """
    check_tensor(input, "batch_norm")
    if training:
        shape = input._spec.shape
        per_channel = input._spec.numel // shape[1] if len(shape) > 1 and shape[1] else 0
        _more_than_one(per_channel, shape)
    if momentum is None:
        raise TypeError("batch_norm(): argument 'momentum' (position 7) must be float, not NoneType")
    return _batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


@public("torch", name="batch_norm")
def _torch_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Normalise every channel; see nn.functional.batch_norm (which orders its arguments otherwise)."""
    return _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@public("F")
def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalise every channel of every sample over its spatial dims; then scale and shift channels.

    Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016.
    """
    check_tensor(input, "instance_norm")
    shape = tuple(input._spec.shape)
    if use_input_stats and math.prod(shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input._spec.shape}"
        )
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    samples, channels = shape[:2]
    x = T.reshape(input, (1, samples * channels, *shape[2:]))
    out = _batch_norm(
        x, running_mean, running_var, weight, bias, use_input_stats, momentum, eps, samples
    )
    return T.reshape(out, shape)


@public("torch", name="instance_norm")
def _instance_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, use_input_stats: bool, momentum: float, eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Normalise every channel of every sample; see nn.functional.instance_norm."""
    return instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )
