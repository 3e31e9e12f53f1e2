"""`factory_kwargs`: what a module hands to the constructors of its tensors."""

from __future__ import annotations

from typing import Any


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """Returns the settings `device`, `dtype` and `memory_format` of a module's keyword arguments.

    They may stand in a dict under `factory_kwargs` as well; TypeError for one that stands twice and
    for other names.

    >>> import wengert as torch
    >>> torch.nn.factory_kwargs({"dtype": torch.float64})
    {'dtype': torch.float64}
    """
    if kwargs is None:
        return {}
    names = {"device", "dtype", "memory_format"}
    unknown = set(kwargs) - names - {"factory_kwargs"}
    if unknown:
        raise TypeError(f"unexpected kwargs {unknown}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in sorted(names & set(kwargs)):
        if name in found:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        found[name] = kwargs[name]
    return found
