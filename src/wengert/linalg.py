"""`torch.linalg`: products, norms, solutions and factorisations of matrices."""

from .core.registry import API as _API

globals().update(_API["linalg"])
__all__ = sorted(_API["linalg"])
