"""Recurrent cells: one step of RNN, LSTM and GRU."""

from __future__ import annotations

import math
from typing import Any

from ...core.parameter import Parameter
from ...core.tensor import Tensor
from ...late import named
from ...ops.create import empty, zeros
from .. import init
from .module import Module


class RNNCellBase(Module):
    """What the cells share: weight_ih, weight_hh, bias_ih, bias_hh of `num_chunks` parts each.

    >>> import wengert as torch
    >>> {name: tuple(p.shape) for name, p in torch.nn.GRUCell(2, 4).named_parameters()}
    {'weight_ih': (12, 2), 'weight_hh': (12, 4), 'bias_ih': (12,), 'bias_hh': (12,)}
    """

    __constants__ = ["input_size", "hidden_size", "bias"]
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(empty((rows, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            made = Parameter(empty(rows, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew, uniform in +-1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            parts.append(f"nonlinearity={self.nonlinearity}")
        return ", ".join(parts)

    def _checked(self, t: Tensor, name: str) -> None:
        if t.dim() not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected {name} to be 1D or 2D, got {t.dim()}D instead"
            )

    def _step(self, function: str, input: Tensor, hx: Any) -> Any:
        """One step of a function of one state, batched or not."""
        self._checked(input, "input")
        if hx is not None:
            self._checked(hx, "hidden")
        lone = input.dim() == 1
        x = input.unsqueeze(0) if lone else input
        if hx is None:
            hx = zeros(x.shape[0], self.hidden_size, dtype=x.dtype)
        elif lone:
            hx = hx.unsqueeze(0)
        f = named("torch", function)
        out = f(x, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return out.squeeze(0) if lone else out


class RNNCell(RNNCellBase):
    """h' = tanh or relu(W_ih x + b_ih + W_hh h + b_hh): (batch, input_size) to (batch, hidden_size).

    >>> import wengert as torch
    >>> torch.nn.RNNCell(10, 20)(torch.randn(3, 10)).shape
    torch.Size([3, 20])
    """

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        out: Tensor = self._step(f"rnn_{self.nonlinearity}_cell", input, hx)
        return out


class GRUCell(RNNCellBase):
    """One step of a gated recurrent unit; see GRU.

    >>> import wengert as torch
    >>> torch.nn.GRUCell(10, 20)(torch.randn(3, 10), torch.randn(3, 20)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        out: Tensor = self._step("gru_cell", input, hx)
        return out


class LSTMCell(RNNCellBase):
    """One step of an LSTM: input and a pair (h, c) to the next pair; see LSTM.

    >>> import wengert as torch
    >>> h, c = torch.nn.LSTMCell(10, 20)(torch.randn(3, 10))
    >>> h.shape, c.shape
    (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        self._checked(input, "input")
        for k, state in enumerate(hx or ()):
            self._checked(state, f"hx[{k}]")
        lone = input.dim() == 1
        x = input.unsqueeze(0) if lone else input
        if hx is None:
            zero = zeros(x.shape[0], self.hidden_size, dtype=x.dtype)
            states = (zero, zero)
        else:
            states = (hx[0].unsqueeze(0), hx[1].unsqueeze(0)) if lone else (hx[0], hx[1])
        f = named("torch", "lstm_cell")
        h, c = f(x, states, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return (h.squeeze(0), c.squeeze(0)) if lone else (h, c)
