"""`RemovableHandle`: what every hook registration returns."""

from __future__ import annotations

from ..core.hooks import RemovableHandle

__all__ = ["RemovableHandle"]
