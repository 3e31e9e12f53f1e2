"""Helpers around parameters and gradients."""

from __future__ import annotations

from typing import Any

from .clip_grad import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from .convert_parameters import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "rnn",
    "vector_to_parameters",
]


def __getattr__(name: str) -> Any:
    if name == "rnn":
        import importlib

        return importlib.import_module(".rnn", __name__)
    from ..._missing import explain

    raise AttributeError(explain(name, __all__, __name__))
