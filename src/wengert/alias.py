"""`import torch` resolved to wengert: for `wengert run` and for `install_as_torch()`.

Every module `torch.x.y` is the very module `wengert.x.y`, so classes and state are the same
whichever name a script imports them by.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any

_OURS = __name__.partition(".")[0]
_THEIRS = "torch"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `torch` and everything below it in wengert."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != _THEIRS and not name.startswith(_THEIRS + "."):
            return None
        return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Put our module in the place of the empty one that the import system has made.

        Handing ours over in create_module would not do: it would get another `__spec__`.
        """
        theirs = module.__name__
        name = _OURS + theirs.removeprefix(_THEIRS)
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            attribute = self._attribute(name)
            if attribute is None:
                raise ModuleNotFoundError(_missing(theirs), name=theirs) from None
            found = attribute
        sys.modules[theirs] = found

    def _attribute(self, name: str) -> ModuleType | None:
        """A module that lives under another name, such as torch.autograd.gradcheck."""
        parent, _, last = name.rpartition(".")
        try:
            value = getattr(importlib.import_module(parent), last, None)
        except ModuleNotFoundError:
            return None
        return value if isinstance(value, ModuleType) else None


def _missing(name: str) -> str:
    import difflib
    import pkgutil

    package = importlib.import_module(_OURS)
    known = [
        _THEIRS + m.name.removeprefix(_OURS)
        for m in pkgutil.walk_packages(package.__path__, _OURS + ".", onerror=lambda _: None)
    ]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; the closest match is {close[0]!r}" if close else ""
    return f"No module named {name!r}: wengert does not have it (yet){hint}"


_finder = _Finder()


def install_as_torch() -> None:
    """Make `import torch` (and `torch.nn`, ...) give wengert in this process from now on.

    Raises RuntimeError if PyTorch itself has already been imported.

    >>> import wengert
    >>> wengert.install_as_torch()
    >>> import torch.nn.functional as F
    >>> F.__name__
    'wengert.nn.functional'
    >>> wengert.alias.uninstall()
    """
    package = importlib.import_module(_OURS)
    present = sys.modules.get(_THEIRS)
    if present is not None and present is not package:
        raise RuntimeError("PyTorch is already imported here; install_as_torch() must come first")
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    sys.modules[_THEIRS] = package


def uninstall() -> None:
    """Undo `install_as_torch`."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    for name in [m for m in sys.modules if m == _THEIRS or m.startswith(_THEIRS + ".")]:
        if getattr(sys.modules[name], "__name__", "").startswith(_OURS):
            del sys.modules[name]
