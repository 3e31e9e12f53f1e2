"""Recurrent cells: one step of an LSTM or a GRU as one row, of a plain network as small ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import recurrent_cell as k
from .addmm import linear
from .again import in_small_ops, plainly, pulled_again
from .checking import check_tensor

T: Any = TENSORS


# ---------------------------------------------------------------- in small ops
def lstm_step(a: Any, c: Any) -> tuple:
    """The next (h, c) given the four parts i, f, g, o before activation side by side."""
    n = c.shape[-1]
    i, f, g, o = (T.narrow(a, -1, j * n, n) for j in range(4))
    c = T.sigmoid(f) * c + T.sigmoid(i) * T.tanh(g)
    return T.sigmoid(o) * T.tanh(c), c


def gru_step(a: Any, b: Any, h: Any) -> Any:
    """The next h given the three parts r, z, n of Wi x + bi and of Wh h + bh."""
    n = h.shape[-1]
    r, z = (T.sigmoid(T.narrow(a, -1, j * n, n) + T.narrow(b, -1, j * n, n)) for j in range(2))
    new = T.tanh(T.narrow(a, -1, 2 * n, n) + r * T.narrow(b, -1, 2 * n, n))
    return (h - new) * z + new


def _lstm(x: Any, h: Any, c: Any, wi: Any, wh: Any, bi: Any, bh: Any) -> tuple:
    return lstm_step(linear(x, wi, bi) + linear(h, wh, bh), c)


def _gru(x: Any, h: Any, wi: Any, wh: Any, bi: Any, bh: Any) -> Any:
    return gru_step(linear(x, wi, bi), linear(h, wh, bh), h)


# ---------------------------------------------------------------- rows
utility(
    "lstm_cell_pull",
    lambda g, xs, kept, need: k.lstm_cell_backward((g[0], g[1]), *xs[:5], kept[2], kept[3], need),
    lambda g, xs, kept, need: pulled_again(_lstm, xs, need, (g[0], g[1])),
)
utility(
    "gru_cell_pull",
    lambda g, xs, kept, need: k.gru_cell_backward(g[0], *xs[:4], kept[1], kept[2], need),
    lambda g, xs, kept, need: pulled_again(_gru, xs, need, (g[0],)),
)


def _lstm_rule(
    xp: Any, g: Any, x: Any, h: Any, c: Any, wi: Any, wh: Any, bi: Any, bh: Any, out: Any, need: tuple
) -> tuple:
    return xp.lstm_cell_pull(g, (x, h, c, wi, wh, bi, bh), out, need)


def _gru_rule(
    xp: Any, g: Any, x: Any, h: Any, wi: Any, wh: Any, bi: Any, bh: Any, out: Any, need: tuple
) -> tuple:
    return xp.gru_cell_pull(g, (x, h, wi, wh, bi, bh), out, need)


_lstm_row = primitive(
    "opaque", "lstm_cell(x, h, c, wi, wh, bi?, bh?)", k.lstm_cell, outputs=4, parts=(2, 3),
    node="MulBackward0", rules={"x, h, c, wi, wh, bi, bh": _lstm_rule}, batch=in_small_ops(_lstm, 2),
)  # fmt: skip

_gru_row = primitive(
    "opaque", "gru_cell(x, h, wi, wh, bi?, bh?)", k.gru_cell, outputs=3, parts=(1, 2),
    node="AddBackward0", rules={"x, h, wi, wh, bi, bh": _gru_rule}, batch=in_small_ops(_gru, 2),
)  # fmt: skip


# ---------------------------------------------------------------- arguments
def _check(input: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, name: str) -> None:
    check_tensor(input, name)
    x, state, wi, wh = input._spec.shape, h._spec.shape, w_ih._spec.shape, w_hh._spec.shape
    if x[-1] != wi[-1]:
        raise RuntimeError(f"input has inconsistent input_size: got {x[-1]} expected {wi[-1]}")
    if x[0] != state[0]:
        raise RuntimeError(f"Input batch size {x[0]} doesn't match hidden0 batch size {state[0]}")
    if state[-1] != wh[-1]:
        raise RuntimeError(
            f"hidden0 has inconsistent hidden_size: got {state[-1]}, expected {wh[-1]}"
        )


def _biases(b_ih: Tensor | None, b_hh: Tensor | None) -> tuple:
    """Both biases or none: a missing one counts as zeros."""
    if (b_ih is None) == (b_hh is None):
        return b_ih, b_hh
    given: Any = b_ih if b_hh is None else b_hh
    zero = wrap(np.zeros(given._spec.shape, given._spec.np))
    return (b_ih, zero) if b_hh is None else (zero, b_hh)


# ---------------------------------------------------------------- public functions
@public("torch")
def lstm_cell(
    input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return the next (h, c) of an LSTM cell: input (batch, features), hx two (batch, hidden).

    >>> import wengert as torch
    >>> w = torch.zeros(4, 1)
    >>> h, c = torch.lstm_cell(torch.ones(1, 1), (torch.ones(1, 1), torch.ones(1, 1)), w, w)
    >>> c
    tensor([[0.5000]])
    """
    h, c = hx
    _check(input, h, w_ih, w_hh, "lstm_cell")
    width = w_hh._spec.shape[0] // 4
    if c._spec.shape != (h._spec.shape[0], width):
        raise RuntimeError(
            f"hidden1 has inconsistent hidden_size: got {c._spec.shape[-1]}, expected {width}"
        )
    given = (input, h, c, w_ih, w_hh, *_biases(b_ih, b_hh))
    if plainly(*given):
        out = _lstm_row(*given)
        return out[0], out[1]
    return _lstm(*given)


@public("torch")
def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the next state of a GRU cell: (batch, features), (batch, hidden) to (batch, hidden).

    >>> import wengert as torch
    >>> w = torch.zeros(3, 1)
    >>> torch.gru_cell(torch.ones(1, 1), torch.ones(1, 1), w, w)
    tensor([[0.5000]])
    """
    _check(input, hx, w_ih, w_hh, "gru_cell")
    given = (input, hx, w_ih, w_hh, *_biases(b_ih, b_hh))
    out: Tensor = _gru_row(*given)[0] if plainly(*given) else _gru(*given)
    return out


@public("torch")
def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return tanh(w_ih input + b_ih + w_hh hx + b_hh) for every row.

    >>> import wengert as torch
    >>> torch.rnn_tanh_cell(torch.ones(1, 2), torch.ones(1, 1), torch.eye(1, 2), torch.zeros(1, 1))
    tensor([[0.7616]])
    """
    _check(input, hx, w_ih, w_hh, "rnn_tanh_cell")
    out: Tensor = T.tanh(linear(input, w_ih, b_ih) + linear(hx, w_hh, b_hh))
    return out


@public("torch")
def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return relu(w_ih input + b_ih + w_hh hx + b_hh) for every row.

    >>> import wengert as torch
    >>> torch.rnn_relu_cell(torch.ones(1, 2), torch.ones(1, 1), torch.eye(1, 2), torch.zeros(1, 1))
    tensor([[1.]])
    """
    _check(input, hx, w_ih, w_hh, "rnn_relu_cell")
    out: Tensor = T.relu(linear(input, w_ih, b_ih) + linear(hx, w_hh, b_hh))
    return out
