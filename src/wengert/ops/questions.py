"""Questions about tensors and the runtime, switches without an effect here, and refusals.

What belongs to layouts and devices that wengert does not have says so.
"""

from __future__ import annotations

import warnings
from typing import Any

from ..core.registry import API, find, public
from ..core.tensor import Tensor
from .checking import check_tensor
from .facts import Storage


# ------------------------------------------------------------------- about tensors
@public("torch", "Tensor")
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Return True if both have the same shape.

    >>> import wengert as torch
    >>> torch.is_same_size(torch.ones(2), torch.zeros(2))
    True
    """
    check_tensor(input, "is_same_size")
    check_tensor(other, "is_same_size", "other", 2)
    return tuple(input.shape) == tuple(other.shape)


@public("torch", "Tensor")
def is_distributed(input: Tensor) -> bool:
    """Return False: the tensor lives in this process.

    >>> import wengert as torch
    >>> torch.is_distributed(torch.ones(1))
    False
    """
    check_tensor(input, "is_distributed")
    return False


@public("torch")
def is_storage(obj: Any, /) -> bool:
    """Return True if the object is a storage.

    >>> import wengert as torch
    >>> torch.is_storage(torch.ones(1).untyped_storage())
    True
    """
    return isinstance(obj, Storage)


@public("torch")
def typename(obj: Any, /) -> str:
    """Return the name of an object's type, as PyTorch calls it.

    >>> import wengert as torch
    >>> torch.typename(torch.ones(1))
    'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        name: str = obj.type()
        return name
    if hasattr(obj, "__qualname__"):
        named = obj
    else:
        named = type(obj)
    module = getattr(named, "__module__", None) or ""
    qualified = getattr(named, "__qualname__", None) or named.__name__
    if module in ("", "builtins"):
        return str(qualified)
    return f"{module.replace('wengert', 'torch', 1)}.{qualified}"


@public("Tensor")
def storage_type(self: Tensor) -> type:
    """Return the type of this tensor's storage.

    >>> import wengert as torch
    >>> torch.tensor([1.0]).storage_type().__name__
    'Storage'
    """
    return Storage


public("Tensor", name="volatile")(
    property(
        lambda self: warnings.warn(
            "volatile was removed (Variable.volatile is always False)", UserWarning, stacklevel=2
        )
        or False,
        doc="False; PyTorch has replaced it by `torch.no_grad`.",
    )
)


def _rdiv(self: Tensor, other: Any) -> Tensor:
    """other / self."""
    quotient: Tensor = other / self
    return quotient


public("Tensor", name="__rdiv__")(_rdiv)

# functions that exist as methods: the same under `torch`
for _name in (
    "addmv_", "conj_physical_", "detach", "detach_", "fix_", "gcd_", "get_device", "lcm_", "ldexp_",
    "resize_as_", "round_",
):  # fmt: skip
    _method = find("Tensor", _name) or getattr(Tensor, _name)
    if _name not in API["torch"]:
        API["torch"][_name] = _method


# ------------------------------------------------------------------- about the runtime
_precision = "highest"
_interop: int | None = None
_warn_always = False


@public("torch")
def get_float32_matmul_precision() -> str:
    """Return what was given to `set_float32_matmul_precision`; products are always exact float32.

    >>> import wengert as torch
    >>> torch.get_float32_matmul_precision()
    'highest'
    """
    return _precision


@public("torch")
def set_float32_matmul_precision(precision: str) -> None:
    """Note a precision ("highest", "high" or "medium"); it allows faster products, none are here.

    >>> import wengert as torch
    >>> torch.set_float32_matmul_precision("highest")
    """
    global _precision
    if precision not in ("highest", "high", "medium"):
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current "
            "setFloat32MatmulPrecision call has no effect.",
            UserWarning,
            stacklevel=2,
        )
        return
    _precision = precision


@public("torch")
def get_num_interop_threads() -> int:
    """Return the number given to `set_num_interop_threads`, 1 at first.

    >>> import wengert as torch
    >>> torch.get_num_interop_threads()
    1
    """
    return 1 if _interop is None else _interop


@public("torch")
def set_num_interop_threads(num: int, /) -> None:
    """Note a number of threads; calls run one after the other here. It can be set once."""
    global _interop
    if not isinstance(num, int) or isinstance(num, bool):
        raise RuntimeError(f"set_num_interop_threads expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    if _interop is not None:
        raise RuntimeError(
            "Error: cannot set number of interop threads after parallel work has started or "
            "set_num_interop_threads called"
        )
    _interop = num


@public("torch")
def init_num_threads() -> None:
    """Do nothing: NumPy's threads are chosen by its environment variables."""


@public("torch")
def is_warn_always_enabled() -> bool:
    """Return what was given to `set_warn_always`.

    >>> import wengert as torch
    >>> torch.is_warn_always_enabled()
    False
    """
    return _warn_always


@public("torch")
def set_warn_always(b: bool, /) -> None:
    """Note whether warnings that appear once shall appear always; Python's filters decide that."""
    global _warn_always
    if not isinstance(b, bool):
        raise TypeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    _warn_always = b


@public("torch")
def set_flush_denormal(mode: bool) -> bool:
    """Return whether the wish is granted: False to flush tiny numbers to 0, which NumPy can't.

    >>> import wengert as torch
    >>> torch.set_flush_denormal(False)
    True
    """
    return not mode


@public("torch")
def is_vulkan_available() -> bool:
    """Return False: there is no GPU here.

    >>> import wengert as torch
    >>> torch.is_vulkan_available()
    False
    """
    return False


# ------------------------------------------------------------------- control
_told = False


@public("torch")
def compile(model: Any = None, *, backend: Any = None, disable: bool = False, **options: Any) -> Any:
    """Return the function or module itself: there is no compiler here, calls run as they are written.

    Scripts for PyTorch run on, with the same results; a warning says once that nothing gets faster
    (not with backend="eager" or disable=True, which ask for this). Also a decorator, with or without
    arguments.

    >>> import wengert as torch
    >>> torch.compile(torch.sin, backend="eager") is torch.sin
    True
    """
    if model is None:
        return lambda f: compile(f, backend=backend, disable=disable, **options)
    if not callable(model):
        raise RuntimeError(f"torch.compile() takes a function or a module, not {type(model).__name__}")
    global _told
    if not _told and not disable and backend != "eager":
        _told = True
        warnings.warn(
            "torch.compile(): wengert has no compiler; the function is returned as it is",
            UserWarning,
            stacklevel=2,
        )
    return model


@public("torch")
def cond(pred: Any, true_fn: Any, false_fn: Any, operands: Any = ()) -> Any:
    """Return true_fn(*operands) if `pred` holds, else false_fn(*operands).

    >>> import wengert as torch
    >>> torch.cond(torch.tensor(True), lambda x: x + 1, lambda x: x, (torch.tensor(1.),))
    tensor(2.)
    """
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(
            f"Expected pred to be bool or single-element tensor, but got a tensor of shape {list(pred.shape)}"
        )
    if not isinstance(operands, tuple | list):
        raise RuntimeError(f"Expected operands to be a tuple or a list, but got {operands!r}")
    return true_fn(*operands) if bool(pred) else false_fn(*operands)


# ------------------------------------------------------------------- refusals
def _refuse(name: str, error: type, text: str, *spaces: str) -> None:
    def f(*args: Any, **kwargs: Any) -> Any:
        raise error(text)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Raise {error.__name__}: {text[0].lower()}{text[1:]}."
    public(*spaces)(f)


_SPARSE = "there are no sparse tensors here: all are dense (strided)"
for _name in (
    "to_sparse", "to_sparse_coo", "to_sparse_csr", "to_sparse_csc", "to_sparse_bsr", "to_sparse_bsc",
    "sparse_mask", "sparse_resize_", "sparse_resize_and_clear_",
):  # fmt: skip
    _refuse(_name, NotImplementedError, f"{_name}(): {_SPARSE}", "Tensor")
for _name in (
    "sparse_coo_tensor", "sparse_csr_tensor", "sparse_csc_tensor", "sparse_bsr_tensor",
    "sparse_bsc_tensor", "sparse_compressed_tensor", "dsmm", "hsmm", "hspmm", "saddmm", "spmm",
):  # fmt: skip
    _refuse(_name, NotImplementedError, f"{_name}(): {_SPARSE}", "torch")
for _name in ("smm", "sspaddmm", "resize_as_sparse_"):
    _refuse(_name, NotImplementedError, f"{_name}(): {_SPARSE}", "torch", "Tensor")
for _name, _layout in {
    "values": "sparse", "indices": "sparse coordinate", "coalesce": "sparse coordinate",
    "is_coalesced": "sparse coordinate", "crow_indices": "sparse row compressed",
    "col_indices": "sparse row compressed", "ccol_indices": "sparse column compressed",
    "row_indices": "sparse column compressed",
}.items():  # fmt: skip
    _refuse(_name, RuntimeError, f"{_name} expected {_layout} tensor layout but got Strided", "Tensor")
for _name in (
    "int_repr", "q_scale", "q_zero_point", "q_per_channel_axis", "q_per_channel_scales",
    "q_per_channel_zero_points", "qscheme",
):  # fmt: skip
    _refuse(_name, NotImplementedError, f"{_name}(): there are no quantised tensors here", "Tensor")
_refuse("to_mkldnn", RuntimeError, "to_mkldnn(): there is no MKL-DNN layout here", "Tensor")
_refuse("to_padded_tensor", NotImplementedError, "to_padded_tensor(): there are no nested tensors here", "Tensor")
_refuse("chalf", TypeError, "chalf(): NumPy has no complex numbers of 16-bit parts; use cfloat()", "Tensor")
_refuse("xpu", AssertionError, "Torch not compiled with XPU enabled: tensors live on the CPU here", "Tensor")
_refuse("mtia", AssertionError, "Torch not compiled with MTIA enabled: tensors live on the CPU here", "Tensor")
_refuse("ipu", RuntimeError, "PyTorch is not linked with support for ipu devices", "Tensor")
_refuse("record_stream", RuntimeError, "record_stream(): there are no streams on the CPU", "Tensor")
_refuse("reinforce", RuntimeError, "reinforce() was removed. Use torch.distributions instead.", "Tensor")
