"""What the modes of checkpointing share: each is a context that minds one thread."""

from __future__ import annotations

import threading
from typing import Any, Self

from ...core import state


class ThreadMode(state.Mode):
    """Within the block, sees the calls of the thread that entered; `mine` tells them from others."""

    _thread = 0

    def _begin(self) -> None:
        """Forget what an earlier block has left."""

    def mine(self) -> bool:
        """Return True in the thread that entered the block."""
        return threading.get_ident() == self._thread

    def __enter__(self) -> Self:
        self._begin()
        self._thread = threading.get_ident()
        with state._lock:
            state.push_mode(self)
        return self

    def __exit__(self, *exc: Any) -> None:
        with state._lock:
            state.pop_mode(self)
