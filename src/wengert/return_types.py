"""`torch.return_types`: the named tuples that functions with several results return."""

from .core import return_types as _kinds

__all__ = [
    n for n, k in vars(_kinds).items()
    if isinstance(k, type) and issubclass(k, _kinds.ReturnType) and k is not _kinds.ReturnType
]
globals().update({n: getattr(_kinds, n) for n in __all__})
