"""Recurrent layers as rows: one op is one layer in one direction over the whole sequence.

The kernels and their backward are in kernels/recurrent.py. `by_steps` says the same in small ops,
for second derivatives, forward mode and vmap (see again.py). Parameters of the rows: `sizes` (None,
or the number of sequences alive at every step of packed data), `reverse`, and the node's `name`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..core.tensor import Tensor
from ..kernels import recurrent as k
from .addmm import linear
from .again import in_small_ops, plainly, pulled_again
from .join import cat, stack
from .recurrent_cell import gru_step, lstm_step

T: Any = TENSORS


# ---------------------------------------------------------------- in small ops
def by_steps(
    gates: Tensor, states: tuple, step: Callable, sizes: tuple | None, reverse: bool
) -> tuple:
    """Run `step(rows, *states) -> states` over time: (first states of all steps, *last states)."""
    if sizes is None:
        rows = [gates[t] for t in range(gates.shape[0])]
    else:
        rows, start = [], 0
        for n in sizes:
            rows.append(gates[start : start + n])
            start += n
    if reverse:
        rows = rows[::-1]
    first = states
    states = tuple([s[: sizes[-1 if reverse else 0]] for s in states]) if sizes else states
    left: list[tuple] = []  # what leaves, later ones have lower numbers
    outs = []
    for row in rows:
        n, m = states[0].shape[0], row.shape[0]
        if m < n:
            left.append(tuple([s[m:] for s in states]))
            states = tuple([s[:m] for s in states])
        elif m > n:
            states = tuple([cat([s, f[n:m]], 0) for s, f in zip(states, first, strict=True)])
        states = step(row, *states)
        outs.append(states[0])
    if left:
        states = tuple([cat([s, *gone[::-1]], 0) for s, *gone in zip(states, *left, strict=True)])
    if reverse:
        outs = outs[::-1]
    return (stack(outs, 0) if sizes is None else cat(outs, 0), *states)


def _rnn_steps(
    x: Any, h: Any, wi: Any, wh: Any, bi: Any, bh: Any, relu: bool, sizes: Any, reverse: bool
) -> tuple:
    def step(row: Any, h: Any) -> tuple:
        a = row + linear(h, wh, bh)
        return (T.relu(a) if relu else T.tanh(a),)

    return by_steps(linear(x, wi, bi), (h,), step, sizes, reverse)


def _lstm_steps(
    x: Any, h: Any, c: Any, wi: Any, wh: Any, bi: Any, bh: Any, wr: Any, sizes: Any, reverse: bool
) -> tuple:
    def step(row: Any, h: Any, c: Any) -> tuple:
        h, c = lstm_step(row + linear(h, wh, bh), c)
        return (h if wr is None else linear(h, wr)), c

    return by_steps(linear(x, wi, bi), (h, c), step, sizes, reverse)


def _gru_steps(
    x: Any, h: Any, wi: Any, wh: Any, bi: Any, bh: Any, sizes: Any, reverse: bool
) -> tuple:
    def step(row: Any, h: Any) -> tuple:
        return (gru_step(row, linear(h, wh, bh), h),)

    return by_steps(linear(x, wi, bi), (h,), step, sizes, reverse)


# ---------------------------------------------------------------- rows
def _over(steps: Callable, count: int) -> Callable:
    """The pull over tensors: `count` inputs, then what only the kernel needs, then parameters."""

    def pull(g: Any, inputs: tuple, kept: tuple, params: tuple, need: tuple) -> tuple:
        return pulled_again(lambda *xs: steps(*xs, *params), inputs, need, list(g)[:count])

    return pull


utility(
    "rnn_pull",
    lambda g, xs, kept, params, need: k.rnn_backward(
        (g[0], g[1]), *xs[:4], kept[2], *params, need
    ),
    _over(_rnn_steps, 2),
)
utility(
    "lstm_pull",
    lambda g, xs, kept, params, need: k.lstm_backward(
        (g[0], g[1], g[2]), *xs[:5], xs[7], kept[0], kept[3], *params, need
    ),
    _over(_lstm_steps, 3),
)
utility(
    "gru_pull",
    lambda g, xs, kept, params, need: k.gru_backward(
        (g[0], g[1]), *xs[:4], kept[3], kept[2], *params, need
    ),
    _over(_gru_steps, 2),
)


def _rnn_rule(
    xp: Any, g: Any, x: Any, h: Any, wi: Any, wh: Any, bi: Any, bh: Any, out: Any, need: tuple,
    relu: bool, sizes: Any, reverse: bool,
) -> tuple:  # fmt: skip
    return xp.rnn_pull(g, (x, h, wi, wh, bi, bh), out, (relu, sizes, reverse), need)


def _lstm_rule(
    xp: Any, g: Any, x: Any, h: Any, c: Any, wi: Any, wh: Any, bi: Any, bh: Any, wr: Any, out: Any,
    need: tuple, sizes: Any, reverse: bool,
) -> tuple:  # fmt: skip
    return xp.lstm_pull(g, (x, h, c, wi, wh, bi, bh, wr), out, (sizes, reverse), need)


def _gru_rule(
    xp: Any, g: Any, x: Any, h: Any, wi: Any, wh: Any, bi: Any, bh: Any, out: Any, need: tuple,
    sizes: Any, reverse: bool,
) -> tuple:  # fmt: skip
    return xp.gru_pull(g, (x, h, wi, wh, bi, bh), out, (sizes, reverse), need)


def _called(rest: tuple) -> str:
    return rest[-1]


def _unnamed(f: Callable) -> Callable:
    """The function without its last argument, the node's name."""
    return lambda *args: f(*args[:-1])


def _own(kernel: Callable) -> Callable:
    """A kernel whose first result is kept apart, so that the caller may write into the one returned.

    (PyTorch stacks the states of all steps here; an LSTM's outputs may not be written, as there.)
    """

    def run(*args: Any) -> tuple:
        out, *rest = kernel(*args[:-1])
        return (out.copy(), *rest, out)

    return run


_rnn = primitive(
    "opaque", "rnn_layer(x, h, wi, wh, bi?, bh?, *, relu, sizes, reverse, name)",
    _own(k.rnn), outputs=3, parts=(2,), node=_called, batch=in_small_ops(_unnamed(_rnn_steps), 1),
    rules={"x, h, wi, wh, bi, bh": _rnn_rule},
)  # fmt: skip

_lstm = primitive(
    "opaque", "lstm_layer(x, h, c, wi, wh, bi?, bh?, wr?, *, sizes, reverse, name)",
    _unnamed(k.lstm), outputs=4, parts=(0, 3), node=_called,
    batch=in_small_ops(_unnamed(_lstm_steps), 1),
    rules={"x, h, c, wi, wh, bi, bh, wr": _lstm_rule},
)  # fmt: skip

_gru = primitive(
    "opaque", "gru_layer(x, h, wi, wh, bi?, bh?, *, sizes, reverse, name)",
    _own(k.gru), outputs=4, parts=(2, 3), node=_called, batch=in_small_ops(_unnamed(_gru_steps), 2),
    rules={"x, h, wi, wh, bi, bh": _gru_rule},
)  # fmt: skip


def layer(
    kind: str, x: Tensor, states: Any, weights: Any, sizes: tuple | None, reverse: bool,
    name: str,
) -> tuple:  # fmt: skip
    """One layer in one direction: (outputs, last h) or (outputs, last h, last c).

    kind "LSTM", "GRU", "RNN_TANH" or "RNN_RELU"; x (time, batch, features) or packed rows;
    weights (wi, wh, bi, bh, wr), the last three may be None.
    """
    small: Any  # the same function in small ops
    if kind == "LSTM":
        given, fused, small, count = (x, *states, *weights, sizes, reverse), _lstm, _lstm_steps, 3
    elif kind == "GRU":
        given, fused, small, count = (x, *states, *weights[:4], sizes, reverse), _gru, _gru_steps, 2
    else:
        relu = kind == "RNN_RELU"
        given = (x, *states, *weights[:4], relu, sizes, reverse)
        fused, small, count = _rnn, _rnn_steps, 2
    if plainly(x, *states, *weights):
        return fused(*given, name)[:count]
    return small(*given)
