"""Registers the einops backend when einops is imported, before or after this package.

einops asks only backends that are defined, so somebody has to notice its import: a finder that
answers no other name, and steps aside once it has seen this one.
"""

from __future__ import annotations

import sys
from typing import Any

_NAME = "einops._backends"


class _Finder:
    """Lets the real finders load einops' backends and adds ours afterwards."""

    looking = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != _NAME or self.looking:
            return None
        from importlib.util import find_spec

        self.looking = True
        try:
            spec = find_spec(name)
        finally:
            self.looking = False
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                run(module)
                stop()
                _register()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_finder = _Finder()


def _register() -> None:
    from .bridges.einops import register

    register()


def watch() -> None:
    """Register now if einops is there, else when it comes."""
    if _NAME in sys.modules:
        _register()
    elif _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def stop() -> None:
    """Watch no longer."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
