"""Layer 3: the faces of automatic differentiation.

`functional`, `profiler`, `gradcheck`, `forward_ad` and the others load when they are touched.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .grad_mode import (
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    is_multithreading_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from .run import backward, grad
from .variable import Variable

if TYPE_CHECKING:  # what __getattr__ loads when it is touched
    from . import anomaly_mode as anomaly_mode
    from . import forward_ad as forward_ad
    from . import function as function
    from . import functional as functional
    from . import graph as graph
    from . import profiler as profiler
    from . import profiler_legacy as profiler_legacy
    from . import profiler_util as profiler_util
    from .anomaly_mode import detect_anomaly, set_detect_anomaly
    from .function import Function, NestedIOFunction
    from .gradcheck import GradcheckError, gradcheck, gradgradcheck
    from .nan_mode import debug_nans
    from .saved_tensors import SavedTensor as SavedTensor

_SUBMODULES = frozenset(
    (
        "functional forward_ad graph grad_mode profiler profiler_util profiler_legacy anomaly_mode "
        "function"
    ).split()
)
_LAZY = {
    "Function": "function", "NestedIOFunction": "function", "gradgradcheck": "gradcheck",
    "detect_anomaly": "anomaly_mode", "set_detect_anomaly": "anomaly_mode",
    "GradcheckError": "gradcheck", "debug_nans": "nan_mode", "SavedTensor": "saved_tensors",
    "DeviceType": "profiler_util", "ProfilerActivity": "profiler_util", "ProfilerEvent": "profiler_util",
    "ProfilerConfig": "profiler_tools", "ProfilerState": "profiler_tools", "kineto_available": "profiler",
}  # fmt: skip


def variable(*args: Any, **kwargs: Any) -> None:
    """Refuse, as PyTorch does: use `wengert.tensor`."""
    raise RuntimeError("torch.autograd.variable(...) is deprecated, use torch.tensor(...) instead")


def is_view_replay_enabled() -> bool:
    """Return True: views of a base that was written in place are always replayed here."""
    return True


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module = importlib.import_module(f".{_LAZY[name]}", __name__)
        value = getattr(module, "FunctionEvent" if name == "ProfilerEvent" else name)
    elif name in _SUBMODULES:
        return importlib.import_module(f".{name}", __name__)
    elif name == "gradcheck":
        value = importlib.import_module(".gradcheck", __name__).gradcheck
    else:
        from .._missing import explain

        raise AttributeError(explain(name, [*globals(), *_LAZY, *_SUBMODULES], __name__))
    globals()[name] = value
    return value


__all__ = [
    "Function", "GradcheckError", "NestedIOFunction", "Variable", "backward", "debug_nans",
    "detect_anomaly", "enable_grad", "enforce_grad_layout_policy", "grad", "gradcheck", "gradgradcheck", "inference_mode",
    "is_multithreading_enabled", "is_view_replay_enabled", "no_grad", "set_detect_anomaly",
    "set_grad_enabled", "set_multithreading_enabled", "variable",
]  # fmt: skip
