"""Recurrent networks over sequences: RNN, LSTM, GRU."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ...core.parameter import Parameter
from ...core.tensor import Tensor
from ...ops.create import empty, zeros
from .. import init
from .module import Module

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _check_sizes(
    input_size: Any, hidden_size: Any, num_layers: int, bias: Any, batch_first: Any, dropout: Any,
    proj_size: int,
) -> None:  # fmt: skip
    number = isinstance(dropout, int | float) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            "being zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={num_layers}",
            stacklevel=4,
        )
    for name, flag in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(flag, bool):
            raise TypeError(f"{name} should be of type bool, got: {type(flag).__name__}")
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(size, int):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNNBase(Module):
    """What the recurrent networks share: the parameters of all layers and directions.

    Layer k has weight_ih_l<k>, weight_hh_l<k>, bias_ih_l<k>, bias_hh_l<k> (and weight_hr_l<k> with
    `proj_size`), the direction back in time the same with `_reverse` appended; all of them start
    uniform in +-1 / sqrt(hidden_size).

    >>> import wengert as torch
    >>> layers = torch.nn.LSTM(2, 3, num_layers=2, bidirectional=True)
    >>> [name for name, _ in layers.named_parameters()][:5]
    ['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0', 'weight_ih_l0_reverse']
    """

    __constants__ = [
        "mode",
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
        "proj_size",
    ]

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_sizes(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        if mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        rows, width = _GATES[mode] * hidden_size, proj_size or hidden_size
        features = input_size
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (rows, features),
                    "weight_hh": (rows, width),
                }
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = []
                for name, shape in shapes.items():
                    names.append(f"{name}_l{layer}{suffix}")
                    setattr(self, names[-1], Parameter(empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(names)
            features = width * (2 if bidirectional else 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters of every layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Any]:
        return [getattr(self, name) for names in self._all_weights for name in names]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    def flatten_parameters(self) -> None:
        """Does nothing; it rearranges memory on a GPU in PyTorch."""

    # ------------------------------------------------------------ checks
    def check_input(self, input: Tensor, batch_sizes: Any) -> None:
        """Raises unless the input's dtype, rank and last size fit."""
        weight = getattr(self, self._all_weights[0][0])
        if input.dtype is not weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: "
                f"model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.shape[-1]}"
            )

    def _expected(self, batch: int, width: int) -> tuple[int, int, int]:
        return self.num_layers * (2 if self.bidirectional else 1), batch, width

    def _batch(self, input: Tensor, batch_sizes: Any) -> int:
        if batch_sizes is not None:
            return int(batch_sizes[0])
        return input.shape[0 if self.batch_first else 1]

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Any) -> tuple[int, int, int]:
        """The shape that h_0 must have."""
        return self._expected(self._batch(input, batch_sizes), self.proj_size or self.hidden_size)

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple, msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Raises unless a state has the expected shape."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(tuple(expected_hidden_size), list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Any) -> None:
        """Raises unless input and states fit this network."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        """The state (or states) with the sequences of the batch in another order."""
        if permutation is None:
            return hx
        if isinstance(hx, tuple):
            return tuple([h.index_select(1, permutation) for h in hx])
        return hx.index_select(1, permutation)

    # ------------------------------------------------------------ forward
    def _zeros(self, input: Tensor, batch_sizes: Any) -> Any:
        shape = self.get_expected_hidden_size(input, batch_sizes)
        return zeros(shape, dtype=input.dtype)

    def _check_rank(self, hx: Any, ndim: int) -> None:
        """Raises unless the given states are batched if the input is."""
        if hx.dim() != ndim:
            kind = "batched" if ndim == 3 else "unbatched"
            raise RuntimeError(
                f"For {kind} {ndim}-D input, hx should also be {ndim}-D but got {hx.dim()}-D tensor"
            )

    def _states(self, hx: Any) -> tuple:
        return (hx,)

    def _given(self, states: tuple) -> Any:
        return states[0]

    def _each(self, hx: Any, f: Any) -> Any:
        return self._given(tuple([f(h) for h in self._states(hx)]))

    def _through(self, x: Tensor, sizes: tuple | None, hx: Any) -> tuple:
        from ...ops.recurrent_layers import run_layers

        out, *states = run_layers(
            self.mode, x, sizes, self._states(hx), self._flat_weights, self.bias, self.num_layers,
            self.dropout, self.training, self.bidirectional,
        )  # fmt: skip
        return out, self._given(tuple(states))

    def forward(self, input: Any, hx: Any = None) -> Any:
        if not isinstance(input, Tensor):
            return self._forward_packed(input, hx)
        ndim = input.dim()
        if ndim not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 2D or 3D, got {ndim}D instead"
            )
        if hx is not None:
            self._check_rank(hx, ndim)
        lone = ndim == 2
        if lone:
            input = input.unsqueeze(0 if self.batch_first else 1)
            hx = None if hx is None else self._each(hx, lambda h: h.unsqueeze(1))
        if hx is None:
            self.check_input(input, None)
            hx = self._zeros(input, None)
        else:
            self.check_forward_args(input, hx, None)
        out, last = self._through(input.transpose(0, 1) if self.batch_first else input, None, hx)
        if self.batch_first:
            out = out.transpose(0, 1)
        if lone:
            out = out.squeeze(0 if self.batch_first else 1)
            last = self._each(last, lambda h: h.squeeze(1))
        return out, last

    def _forward_packed(self, input: Any, hx: Any) -> Any:
        from ..utils.rnn import PackedSequence

        if not isinstance(input, PackedSequence):
            raise TypeError(
                f"{type(self).__name__}: input must be a Tensor or a PackedSequence, not "
                f"{type(input).__name__}"
            )
        data, batch_sizes, order, back = input
        if hx is None:
            self.check_input(data, batch_sizes)
            hx = self._zeros(data, batch_sizes)
        else:
            hx = self.permute_hidden(hx, order)
            self.check_forward_args(data, hx, batch_sizes)
        out, last = self._through(data, tuple(batch_sizes.tolist()), hx)
        return PackedSequence(out, batch_sizes, order, back), self.permute_hidden(last, back)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults: dict[str, Any] = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        for name, default in defaults.items():
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value}")
        return ", ".join(parts)


class RNN(RNNBase):
    """h_t = tanh or relu(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), over a sequence and in layers.

    Input (length, batch, input_size), with `batch_first` (batch, length, input_size), unbatched
    (length, input_size), or a PackedSequence; optionally h_0 (layers * directions, batch, hidden).
    Returns the outputs of the last layer, both directions side by side, and the last states.

    >>> import wengert as torch
    >>> out, h = torch.nn.RNN(10, 20, 2)(torch.randn(5, 3, 10))
    >>> out.shape, h.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if proj_size:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory over a sequence and in layers; shapes as of RNN.

    i, f, o = sigmoid and g = tanh of W_ih x_t + b_ih + W_hh h_(t-1) + b_hh, in the order i, f, g, o;
    c_t = f c_(t-1) + i g; h_t = o tanh(c_t), times W_hr with `proj_size`. The states are pairs
    (h, c). Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997.

    >>> import wengert as torch
    >>> out, (h, c) = torch.nn.LSTM(10, 20, 2)(torch.randn(5, 3, 10))
    >>> out.shape, h.shape, c.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            proj_size, device, dtype,
        )  # fmt: skip

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Any) -> tuple[int, int, int]:
        """The shape that c_0 must have."""
        return self._expected(self._batch(input, batch_sizes), self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Any) -> None:
        """Raises unless input and states fit this network."""
        self.check_input(input, batch_sizes)
        text = "Expected hidden[{}] size {{}}, got {{}}"
        h = self.get_expected_hidden_size(input, batch_sizes)
        self.check_hidden_size(hidden[0], h, text.format(0))
        c = self.get_expected_cell_size(input, batch_sizes)
        self.check_hidden_size(hidden[1], c, text.format(1))

    def _check_rank(self, hx: Any, ndim: int) -> None:
        h, c = hx[0].dim(), hx[1].dim()
        if h != ndim or c != ndim:
            kind = "batched" if ndim == 3 else "unbatched"
            raise RuntimeError(
                f"For {kind} {ndim}-D input, hx and cx should also be {ndim}-D but got ({h}-D, "
                f"{c}-D) tensors"
            )

    def _zeros(self, input: Tensor, batch_sizes: Any) -> Any:
        cell = self.get_expected_cell_size(input, batch_sizes)
        return super()._zeros(input, batch_sizes), zeros(cell, dtype=input.dtype)

    def _states(self, hx: Any) -> tuple:
        return tuple(hx)

    def _given(self, states: tuple) -> Any:
        return states


class GRU(RNNBase):
    """Gated recurrent units over a sequence and in layers; shapes as of RNN.

    With a = W_ih x_t + b_ih and b = W_hh h_(t-1) + b_hh in three parts each: r = sigmoid(a_r + b_r),
    z = sigmoid(a_z + b_z), n = tanh(a_n + r b_n), h_t = (1 - z) n + z h_(t-1). Cho et al., "Learning
    Phrase Representations using RNN Encoder-Decoder", 2014.

    >>> import wengert as torch
    >>> out, h = torch.nn.GRU(10, 20, bidirectional=True)(torch.randn(5, 3, 10))
    >>> out.shape, h.shape
    (torch.Size([5, 3, 40]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if proj_size:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip
