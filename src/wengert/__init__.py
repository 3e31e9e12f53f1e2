"""wengert: PyTorch's autograd semantics on NumPy.

`import wengert as torch` and an autograd script runs as it does with PyTorch.
"""

from __future__ import annotations

import importlib as _importlib
import warnings as _warnings
from typing import Any as _Any

from . import autograd as autograd
from .autograd.grad_mode import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_grad_enabled as is_grad_enabled,
    is_inference as is_inference,
    is_inference_mode_enabled as is_inference_mode_enabled,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)
from .core import layout as _layout
from .core.device import device as device
from .core.size import Size as Size
from .core.tensor import Tensor as Tensor
from .inspect.printing import (
    get_printoptions as get_printoptions,
    printoptions as printoptions,
    set_printoptions as set_printoptions,
)
from .kernels import dtypes as _dtypes
from .kernels.memory import keep_freed_memory as _keep_freed_memory
from . import late as _late
from .einops_hook import watch as _watch_einops
from .methods import API as _API

__version__ = "0.1.0"

# inf and nan are values here, as in PyTorch: NumPy's warnings about them, raised from this
# package's own calls, are not shown (an errstate around every call would double its cost)
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"wengert\.")

inf, nan, pi, e = float("inf"), float("nan"), 3.141592653589793, 2.718281828459045
newaxis = None

_keep_freed_memory()
_watch_einops()
globals().update(_API["torch"])
globals().update({_name: getattr(_dtypes, _name) for _name in _dtypes.__all__})
globals().update(_layout.NAMES)
globals().update(_dtypes.NAMES)  # last: float, int and bool hide Python's own from here on

# what loads when it is touched: module -> names it offers here
_LAZY_MODULES = frozenset(
    "nn optim utils distributions func linalg special fft masked random accelerator backends cuda profiler testing inspect serialization "
    "return_types alias version cli bridges".split()
)
_LAZY_NAMES = {
    "vmap": "func", "custom_jvp": "func", "custom_vjp": "func",
    "save": "serialization", "load": "serialization", "manual_seed": "random", "seed": "random",
    "initial_seed": "random", "get_rng_state": "random", "set_rng_state": "random",
    "Generator": "random", "default_generator": "random",
    "use_deterministic_algorithms": "random", "are_deterministic_algorithms_enabled": "random",
    "is_deterministic_algorithms_warn_only_enabled": "random",
    "set_deterministic_debug_mode": "random", "get_deterministic_debug_mode": "random",
    "set_anomaly_enabled": "autograd.anomaly_mode",
    "is_anomaly_enabled": "autograd.anomaly_mode",
    "is_anomaly_check_nan_enabled": "autograd.anomaly_mode",
    "install_as_torch": "alias", "load_safetensors": "serialization", "save_safetensors": "serialization",
    "load_npz": "serialization", "save_npz": "serialization",
}  # fmt: skip


def __getattr__(name: str) -> _Any:
    if name.startswith("__"):  # Python itself asks whether there is one
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _LAZY_MODULES:
        try:
            return _importlib.import_module(f".{name}", __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    elif name in _LAZY_NAMES:
        value = getattr(_importlib.import_module(f".{_LAZY_NAMES[name]}", __name__), name)
        globals()[name] = value
        return value
    else:
        value = _late.named("torch", name)
        if value is not None:
            globals()[name] = value
            return value
    from ._missing import explain

    raise AttributeError(explain(name, [*globals(), *_LAZY_MODULES, *_LAZY_NAMES, *_late.names("torch")]))


# what `from wengert import *` gives: as in PyTorch functions, types and constants, no modules
__all__ = sorted(  # noqa: PLE0605 (most names come from the table)
    {n for n, v in globals().items() if n[0] != "_" and type(v) not in (type(_warnings), type(annotations))}
    | _LAZY_NAMES.keys()
    | set(_late.names("torch"))
)


def __dir__() -> list[str]:
    return sorted({*__all__, *_LAZY_MODULES, "autograd", "__version__"})
