"""What kind of tensor this is: dtype, device, layout, and the questions PyTorch asks about them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.device import CPU
from ..core.layout import strided
from ..core.promote import result_dtype
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import dtypes
from .checking import check_tensor


@public("torch", "Tensor")
def is_floating_point(input: Tensor) -> bool:
    """Return True if the dtype is a real float.

    >>> import wengert as torch
    >>> torch.is_floating_point(torch.ones(1)), torch.is_floating_point(torch.tensor(1))
    (True, False)
    """
    check_tensor(input, "is_floating_point")
    return input._spec.dtype.is_floating_point


@public("torch", "Tensor")
def is_complex(input: Tensor) -> bool:
    """Return True if the dtype is complex.

    >>> import wengert as torch
    >>> torch.is_complex(torch.tensor(1j))
    True
    """
    check_tensor(input, "is_complex")
    return input._spec.dtype.is_complex


@public("torch", "Tensor")
def is_signed(input: Tensor) -> bool:
    """Return True if the dtype has negative numbers.

    >>> import wengert as torch
    >>> torch.is_signed(torch.tensor(1)), torch.is_signed(torch.tensor(True))
    (True, False)
    """
    check_tensor(input, "is_signed")
    return input._spec.dtype.is_signed


_RESULT_TYPE_NAMES = ("tensor1", "tensor2", "tensor", "other", "scalar", "scalar1", "scalar2")


@public("torch")
def result_type(*pair: Any, **named: Any) -> dtypes.dtype:
    """Return the dtype that arithmetic on two tensors or numbers would have.

    Tensors with dims count before 0-dim tensors, and these before Python numbers: the weaker one
    speaks up only when its kind (bool, integer, float, complex) is higher.

    >>> import wengert as torch
    >>> torch.result_type(torch.tensor([1, 2], dtype=torch.int8), 1.5)
    torch.float32
    """
    pair += tuple(named.pop(n) for n in _RESULT_TYPE_NAMES if n in named)
    if len(pair) != 2 or named:
        raise TypeError("result_type() takes two tensors or numbers")
    for x in pair:
        if not isinstance(x, (Tensor, bool, int, float, complex, np.number, np.bool_)):
            raise TypeError(
                "result_type() received an invalid combination of arguments - got "
                f"({', '.join(type(a).__name__ for a in pair)}), but expected tensors or numbers"
            )
    d: dtypes.dtype = result_dtype(pair)
    return d


def _constant(name: str, value: Any, doc: str) -> None:
    public("Tensor", name=name)(property(lambda self: value, doc=doc))


_constant("device", CPU, "Where the tensor lives: the CPU.")
_constant("layout", strided, "How the tensor lies in memory: strided.")
_constant("is_cpu", True, "True: tensors live on the CPU.")
for _name in (
    "is_cuda", "is_sparse", "is_sparse_csr", "is_quantized", "is_meta", "is_mkldnn", "is_mps",
    "is_xpu", "is_xla", "is_ipu", "is_maia", "is_vulkan", "is_mtia", "is_nested",
):  # fmt: skip
    _constant(_name, False, "False: tensors are plain CPU tensors.")


@public("Tensor")
def get_device(self: Tensor) -> int:
    """Return the number of the GPU: -1, the tensor is on the CPU."""
    return -1


@public("Tensor")
def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Return False: there is no pinned memory without a GPU."""
    return False


@public("Tensor")
def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """Raise RuntimeError: there is no pinned memory without a GPU."""
    raise RuntimeError("Cannot access accelerator device when none is available: no pinned memory")


@public("Tensor")
def is_shared(self: Tensor) -> bool:
    """Return True if forked processes share the memory; see `share_memory_`."""
    base: Any = self._array
    while isinstance(base, np.ndarray):
        base = base.base
    return type(getattr(base, "obj", base)).__module__ == "mmap"
