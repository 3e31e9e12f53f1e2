"""`wengert.linalg`: linear algebra, under PyTorch's names."""

from .core.registry import API as _API

globals().update(_API["linalg"])
__all__ = sorted(_API["linalg"])  # noqa: PLE0605
