"""Layer 2: the op table, the only place where derivatives are written. See README.md here."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "aten":
        import importlib

        return importlib.import_module(".aten", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
