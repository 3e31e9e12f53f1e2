"""Data parallelism under PyTorch's path: there is one device, so modules are just called."""

from __future__ import annotations

from typing import Any

from .._missing import getter
from .modules.module import Module
from .modules.single_process import DataParallel

__all__ = ["DataParallel", "data_parallel"]


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Returns `module(*inputs)`; a single input need not be in a tuple.

    >>> import wengert as torch
    >>> torch.nn.parallel.data_parallel(torch.nn.ReLU(), torch.tensor([-1.0, 1.0]))
    tensor([0., 1.])
    """
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*args, **(module_kwargs or {}))


__getattr__ = getter(__name__, __all__)
