"""The examples in the sources that need an extra are left out where it is not installed."""

from __future__ import annotations

import importlib.util

collect_ignore = (
    []
    if importlib.util.find_spec("scipy")
    else ["src/wengert/bridges/scipy.py", "src/wengert/func/sparse.py"]
)
