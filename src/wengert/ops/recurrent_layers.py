"""Recurrent networks as functions: torch.lstm, gru, rnn_tanh, rnn_relu."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from .checking import check_tensor
from .dropout import dropout
from .join import cat, stack
from .recurrent import layer

T: Any = TENSORS

_NODES = {"LSTM": "MkldnnRnnLayerBackward0"}  # others stack the states of all steps in PyTorch


def run_layers(
    kind: str, x: Tensor, sizes: tuple | None, hx: Sequence[Tensor], params: Sequence[Tensor],
    has_biases: bool, num_layers: int, p: float, train: bool, bidirectional: bool,
) -> tuple:  # fmt: skip
    """All layers over x (time, batch, features), or packed rows: (outputs, last states ...).

    hx holds one tensor (layers * directions, batch, hidden) per state; params the weights in
    PyTorch's order.
    """
    directions = 2 if bidirectional else 1
    per = len(params) // (num_layers * directions)
    if sizes is None and x.shape[0] == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    name = "CatBackward0" if sizes else "StackBackward0"
    if not sizes and per <= 4 and x._spec.dtype.name == "float32":
        name = _NODES.get(kind, name)
    lasts: list[list] = [[] for _ in hx]
    for n in range(num_layers):
        outs = []
        for d in range(directions):
            j = n * directions + d
            w = _weights(params[j * per : (j + 1) * per], has_biases)
            out, *last = layer(kind, x, tuple([h[j] for h in hx]), w, sizes, bool(d), name)
            outs.append(out)
            for all_last, one in zip(lasts, last, strict=True):
                all_last.append(one)
        x = outs[0] if len(outs) == 1 else cat(outs, -1)
        if p and train and n < num_layers - 1:
            x = dropout(x, p, True)
    return (x, *[stack(last, 0) for last in lasts])


def _weights(params: Sequence[Tensor], has_biases: bool) -> tuple:
    """(wi, wh, bi, bh, wr) of one layer and direction; None for what is missing."""
    wi, wh, *rest = params
    bi, bh = rest[:2] if has_biases else (None, None)
    rest = rest[2:] if has_biases else rest
    return wi, wh, bi, bh, rest[0] if rest else None


# ---------------------------------------------------------------- the functions of torch
def _network(kind: str, name: str) -> Any:
    """torch.lstm and its like: (input, hx, ...) or (data, batch_sizes, hx, ...)."""

    def batched(
        input: Tensor, hx: Any, params: Any, has_biases: bool, num_layers: int, dropout: float,
        train: bool, bidirectional: bool, batch_first: bool,
    ) -> Any:  # fmt: skip
        check_tensor(input, name)
        x = T.transpose(input, 0, 1) if batch_first else input
        states = list(hx) if kind == "LSTM" else [hx]
        made = run_layers(
            kind, x, None, states, list(params), has_biases, num_layers, dropout, train, bidirectional
        )
        return (T.transpose(made[0], 0, 1), *made[1:]) if batch_first else made

    def packed(
        data: Tensor, batch_sizes: Tensor, hx: Any, params: Any, has_biases: bool, num_layers: int,
        dropout: float, train: bool, bidirectional: bool,
    ) -> Any:  # fmt: skip
        check_tensor(data, name, "data")
        states = list(hx) if kind == "LSTM" else [hx]
        sizes = tuple(batch_sizes.tolist())
        return run_layers(
            kind, data, sizes, states, list(params), has_biases, num_layers, dropout, train,
            bidirectional,
        )  # fmt: skip

    def call(*args: Any, **kwargs: Any) -> Any:
        is_packed = (
            "batch_sizes" in kwargs or "data" in kwargs or (len(args) > 3 and not isinstance(args[3], bool))
        )
        return (packed if is_packed else batched)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"""Run a recurrent network with the given weights; nn.{name.partition("_")[0].upper()} says more.

    {name}(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first), or
    with packed data {name}(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,
    bidirectional). Returns the outputs and the last state{"s h and c" if kind == "LSTM" else ""}.
    """
    return call


for _kind, _name in (
    ("LSTM", "lstm"), ("GRU", "gru"), ("RNN_TANH", "rnn_tanh"), ("RNN_RELU", "rnn_relu"),
):  # fmt: skip
    public("torch", name=_name)(_network(_kind, _name))
