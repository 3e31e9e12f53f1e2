"""Layer 4: what tests need: `assert_close`, `make_tensor`, `check_grads` and the op grid (`grid`)."""

from __future__ import annotations

from .compare import assert_close
from .gradients import check_grads
from .make import make_tensor

__all__ = ["assert_close", "check_grads", "make_tensor"]
