"""Stepping an optimizer on other parameters and another state, and then going back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.tensor import Tensor
from .optimizer import Optimizer


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Tensor], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """Inside `with`, the optimizer has these parameters, in order, and this `state_dict()`.

    Its own come back at the end. Tensors of the given state are written in place, nothing else of
    it is changed. Raises ValueError if the numbers of parameters or groups differ.

    >>> import wengert as torch
    >>> a, b = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    >>> optimizer = torch.optim.SGD([a], lr=0.5)
    >>> b.grad = torch.ones(1)
    >>> swap = torch.optim.swap_in_optimizer_params_and_state
    >>> with swap(optimizer, {"b": b}, optimizer.state_dict()):
    ...     optimizer.step()
    >>> a.item(), b.item()
    (1.0, 0.5)
    """
    given = list(swapin_parameters.values())
    groups, packed = optimizer.param_groups, swapin_optim_state["param_groups"]
    sizes = [len(group["params"]) for group in groups]
    if [len(group["params"]) for group in packed] != sizes or len(given) != sum(sizes):
        raise ValueError(
            f"the optimizer has groups of {sizes} parameters: the given state has "
            f"{[len(group['params']) for group in packed]}, and {len(given)} parameters are given"
        )
    numbers = [number for group in packed for number in group["params"]]
    by_number = dict(zip(numbers, given, strict=True))
    before = optimizer.state, [dict(group) for group in groups]
    state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
    for number, values in swapin_optim_state["state"].items():
        state[by_number.get(number, number)] = dict(values)
    try:
        optimizer.state = state
        for group, new in zip(groups, packed, strict=True):
            group.update(new)
            group["params"] = [by_number[number] for number in new["params"]]
        yield
    finally:
        optimizer.state = before[0]
        for group, old in zip(groups, before[1], strict=True):
            group.clear()
            group.update(old)
