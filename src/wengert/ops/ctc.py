"""Connectionist temporal classification: the loss of unaligned sequences of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import ctc as k
from .again import in_small_ops, plainly, pulled_again
from .checking import check_float, check_tensor

T: Any = TENSORS
_NEVER = -1e30  # the log of a probability of zero, of which differences can be taken


# ---------------------------------------------------------------- in small ops
def _small(x: Any, y: Any, steps: tuple, sizes: tuple, blank: int) -> Any:
    """kernels.ctc.ctc in small ops: minus the log-probability of every target."""
    labels, skip = k.states(y._array, blank)
    time, n = x.shape[0], x.shape[1]
    width = labels.shape[1]
    index = wrap(np.broadcast_to(labels, (time, n, width)).copy())
    e = T.gather(x, index, 2)
    first = np.zeros((n, width), np.bool_)
    first[:, :1] = True
    first[np.array(sizes) > 0, 1:2] = True
    a = T.masked_fill(e[0], wrap(~first), _NEVER)
    edges = [wrap(np.full((n, m), _NEVER, x._spec.np)) for m in (1, 2)]
    every = [a]
    for t in range(1, time):
        one = T.cat([edges[0], a[:, : width - 1]], 1)
        two = T.cat([edges[1], a[:, : width - 2]], 1) if width > 1 else one
        two = T.masked_fill(two, wrap(~skip), _NEVER)
        a = T.logsumexp(T.stack([a, one, two], 0), (0,), False) + e[t]
        every.append(a)
    rows, last = np.arange(n), np.maximum(np.array(steps) - 1, 0)
    ends = T.stack(every, 0)[wrap(last), wrap(rows)]
    end = 2 * np.array(sizes)
    at = np.stack([end, np.maximum(end - 1, 0)], 1)
    pair = T.gather(ends, wrap(at), 1)
    pair = T.masked_fill(pair, wrap(np.stack([end < 0, end == 0], 1)), _NEVER)
    loss = T.neg(T.logsumexp(pair, (1,), False))
    none, some = (wrap((np.array(steps) == 0) & hit) for hit in (end == 0, end > 0))
    loss = T.masked_fill(T.masked_fill(loss, none, 0.0), some, -_NEVER)
    return T.masked_fill(loss, T.gt(loss, -_NEVER / 2), float("inf"))


# ---------------------------------------------------------------- the row
def _pull_tensors(
    g: Any, x: Any, y: Any, out: Any, steps: tuple, sizes: tuple, blank: int, zero: bool
) -> Any:
    """See kernels.ctc.ctc_backward; the part of the states comes from the small ops."""
    (states,) = pulled_again(lambda x: _small(x, y, steps, sizes, blank), (x,), (True,), (g,))
    time = x.shape[0]
    live = wrap(np.arange(time)[:, None, None] < np.array(steps)[:, None])
    made = T.masked_fill(T.exp(x) * T.unsqueeze(g, 1), T.logical_not(live), 0.0) + states
    if zero:
        infinite = T.unsqueeze(T.eq(out[0], float("inf")), 1)
        made = T.masked_fill(made, infinite, 0.0)
    return made


utility(
    "ctc_pull",
    lambda g, x, y, out, steps, sizes, blank, zero: k.ctc_backward(
        g, x, y, out[0], out[1], steps, sizes, blank, zero
    ),
    _pull_tensors,
)


def _rule(
    xp: Any, g: Any, x: Any, y: Any, out: Any, steps: Any, sizes: Any, blank: int, zero: bool
) -> Any:
    return xp.ctc_pull(g[0], x, y, out, steps, sizes, blank, zero)


_ctc = primitive(
    "opaque", "ctc_loss(x, y, *, steps, sizes, blank, zero)",
    lambda x, y, steps, sizes, blank, zero: k.ctc(x, y, steps, sizes, blank),
    outputs=2, x=_rule, saved={"x": "log_probs", "y": "targets"},
    batch=in_small_ops(lambda *args: _small(*args[:-1]), 1),
)  # fmt: skip


# ---------------------------------------------------------------- arguments
def _numbers(lengths: Any, name: str, batch: int, most: int) -> tuple:
    if isinstance(lengths, Tensor):
        if lengths._spec.dtype.category != 1:
            raise RuntimeError(f"{name} must be integral")
        lengths = lengths._array.reshape(-1).tolist()
    values = tuple(lengths) if isinstance(lengths, (tuple, list)) else (lengths,)
    if len(values) != batch:
        raise RuntimeError(f"{name} must be of size batch_size")
    for v in values:
        if v < 0:
            raise RuntimeError(
                f"Expected {name} to have value at least 0, but got value {v} (while checking "
                "arguments for ctc_loss_allocate_outputs)"
            )
        if v > most:
            raise RuntimeError(
                f"Expected {name} to have value at most {most}, but got value {v} (while checking "
                "arguments for ctc_loss_allocate_outputs)"
            )
    return values


def _padded(targets: Tensor, sizes: tuple) -> np.ndarray:
    """Targets (N, S), whether given so or one after the other; only labels that count are kept."""
    y = targets._array.astype(np.int64)
    longest = max(sizes, default=0)
    where = "(while checking arguments for ctc_loss_allocate_outputs)"
    if y.ndim == 2:
        if len(y) != len(sizes):
            raise RuntimeError(f"targets has {len(y)} rows for a batch of {len(sizes)}")
        if y.shape[1] < longest:
            raise RuntimeError(
                f"Expected tensor to have size at least {longest} at dimension 1, but got size "
                f"{y.shape[1]} for argument #2 'targets' {where}"
            )
        out = y[:, :longest].copy()
        out[np.arange(longest) >= np.array(sizes)[:, None]] = -1
        return out
    if len(y) != sum(sizes):
        raise RuntimeError(
            f"Expected tensor to have size {sum(sizes)} at dimension 0, but got size {len(y)} for "
            f"argument #2 'targets' {where}"
        )
    out = np.full((len(sizes), longest), -1, np.int64)
    out[np.arange(longest) < np.array(sizes)[:, None]] = y
    return out


def _losses(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int,
    zero_infinity: bool,
) -> tuple:  # fmt: skip
    """The loss of every sequence (T, N, C), and the lengths of the targets."""
    time, batch, classes = log_probs._spec.shape
    check_float(log_probs, "ctc_loss", "ctc_loss_cpu")
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    steps = _numbers(input_lengths, "input_lengths", batch, time)
    sizes = _numbers(target_lengths, "target_lengths", batch, 1 << 62)
    y = _padded(targets, sizes)
    wrong = (y >= classes) | (y < -1)
    if wrong.any():
        raise RuntimeError(
            f"targets must be classes from 0 to {classes - 1}, but one of them is {y[wrong][0]}"
        )
    filled = wrap(np.where(y < 0, blank, y))
    if plainly(log_probs):
        losses = _ctc(log_probs, filled, steps, sizes, blank, zero_infinity)[0]
    else:
        losses = _small(log_probs, filled, steps, sizes, blank)
    return losses, sizes


def _ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int,
    reduction: str, zero_infinity: bool,
) -> Tensor:  # fmt: skip
    check_tensor(log_probs, "ctc_loss", "log_probs")
    check_tensor(targets, "ctc_loss", "targets", 2)
    single = log_probs._spec.ndim == 2
    if single:
        log_probs = T.unsqueeze(log_probs, 1)
        targets = T.reshape(targets, (-1,))
    losses, sizes = _losses(
        log_probs, targets, input_lengths, target_lengths, blank, zero_infinity
    )
    if zero_infinity:
        losses = T.masked_fill(losses, T.eq(losses, float("inf")), 0.0)
    if reduction == "mean":
        counts = np.maximum(np.array(sizes), 1).astype(losses._spec.np)
        return T.mean(losses / wrap(counts), None, False)
    if reduction == "sum":
        return T.sum(losses, None, False)
    return losses.squeeze(0) if single else losses


# ---------------------------------------------------------------- public functions
@public("F")
def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """Return minus the log-probability of target sequences, summed over all alignments.

    `log_probs` (T, N, C) are logs of normalised probabilities (log_softmax), `targets` (N, S) or all
    labels one after the other; the lengths say how many steps and labels count. "mean" divides each
    loss by the length of its target first. `zero_infinity` drops targets too long to fit. Graves et
    al., "Connectionist Temporal Classification", 2006.

    >>> import wengert as torch
    >>> x = torch.zeros(3, 1, 2).log_softmax(2)
    >>> loss = torch.nn.functional.ctc_loss(x, torch.tensor([[1]]), [3], [1])
    >>> (-loss).exp()  # 6 of the 8 paths of three steps have one run of the label
    tensor(0.7500)
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return _ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity
    )


@public("torch", name="ctc_loss")
def _torch_ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: int = 0, zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """The CTC loss with `reduction` 0, 1 or 2 for none, mean or sum; see nn.functional.ctc_loss."""
    how = ("none", "mean", "sum")[reduction]
    return _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, how, zero_infinity)
