"""`wengert tour`: train on real digits, then look at what autograd did."""

from __future__ import annotations

from .tour import tour

__all__ = ["tour"]
