"""Layer 4: what tests need: `assert_close`, `make_tensor` and the op grid (`grid`)."""

from __future__ import annotations

from .compare import assert_close
from .make import make_tensor

__all__ = ["assert_close", "make_tensor"]
