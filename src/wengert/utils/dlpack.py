"""torch.utils.dlpack: tensors as DLPack capsules, and back."""

from __future__ import annotations

from typing import Any

from ..core.numpy_protocol import from_dlpack
from ..core.tensor import Tensor


def to_dlpack(tensor: Tensor) -> Any:
    """Return a DLPack capsule over the memory of a tensor; it can be imported once.

    >>> import wengert as torch
    >>> from wengert.utils.dlpack import from_dlpack, to_dlpack
    >>> from_dlpack(to_dlpack(torch.ones(2)))
    tensor([1., 1.])
    """
    return tensor.__dlpack__(max_version=(1, 0))


__all__ = ["from_dlpack", "to_dlpack"]
