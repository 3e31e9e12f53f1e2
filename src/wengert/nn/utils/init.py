"""Modules without initialisation."""

from __future__ import annotations

from typing import Any

from ..modules.module import Module


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """Returns `module_cls(*args, **kwargs)` for parameters that will be overwritten anyway.

    There is no device without memory here: the numbers are drawn on the side, so that the random
    stream is as if they were not, and left as they are. Raises RuntimeError for a class whose
    `__init__` takes no `device`, as in PyTorch.

    >>> import wengert as torch
    >>> torch.nn.utils.skip_init(torch.nn.Linear, 2, 3)
    Linear(in_features=2, out_features=3, bias=True)
    """
    from ...random import fork_rng

    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    import inspect

    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    with fork_rng(devices=[]):
        return module_cls(*args, **kwargs)
