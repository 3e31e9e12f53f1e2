"""What a tensor's memory looks like: sizes, strides, offsets, storage."""

from __future__ import annotations

from typing import Any

from ..core.dual import example
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import strides
from ..kernels.dims import wrap_dim
from .views import spec_in


@public("torch", "Tensor")
def numel(input: Tensor) -> int:
    """Return the number of elements.

    >>> import wengert as torch
    >>> torch.ones(2, 3).numel()
    6
    """
    return spec_in(input, "numel").numel


@public("Tensor")
def nelement(self: Tensor) -> int:
    """Return the number of elements (another name for `numel`)."""
    return self._spec.numel


@public("Tensor")
def dim(self: Tensor) -> int:
    """Return the number of dims."""
    return self._spec.ndim


@public("Tensor")
def ndimension(self: Tensor) -> int:
    """Return the number of dims (another name for `dim`)."""
    return self._spec.ndim


@public("Tensor")
def size(self: Tensor, dim: int | None = None) -> Any:
    """Return the shape, or the size of one dim.

    >>> import wengert as torch
    >>> torch.ones(2, 3).size(), torch.ones(2, 3).size(-1)
    (torch.Size([2, 3]), 3)
    """
    s = self._spec
    if dim is None:
        return s.shape
    d = wrap_dim(dim, s.ndim)
    if s.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return s.shape[d]


@public("Tensor")
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Return how many elements apart neighbours along every dim are, or along one.

    >>> import wengert as torch
    >>> torch.ones(2, 3).stride()
    (3, 1)
    """
    steps = strides.element_strides(example(self))
    if dim is None:
        return steps
    d = wrap_dim(dim, self._spec.ndim)
    if not steps:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return steps[d]


@public("Tensor")
def storage_offset(self: Tensor) -> int:
    """Return how many elements after the start of its storage this tensor begins."""
    return strides.storage_offset(example(self))


@public("Tensor")
def element_size(self: Tensor) -> int:
    """Return the size of one element in bytes."""
    return self._spec.np.itemsize


public("Tensor", name="itemsize")(property(element_size))
public("Tensor", name="nbytes")(
    property(lambda x: x._spec.numel * x._spec.np.itemsize, doc="How many bytes the elements take.")
)


@public("Tensor")
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Return True if the elements lie row by row, without gaps, or in the order of a format.

    >>> import wengert as torch
    >>> torch.ones(2, 3).t().is_contiguous()
    False
    """
    array = example(self)
    if memory_format is not None and memory_format._name.startswith("channels_last"):
        rank = 5 if memory_format._name.endswith("3d") else 4
        if array.ndim != rank:
            return False
        array = array.transpose(0, *range(2, rank), 1)
    return bool(array.flags.c_contiguous)


@public("Tensor")
def data_ptr(self: Tensor) -> int:
    """Return the address of the first element; 0 for an empty tensor."""
    return strides.address(self._array) if self._spec.numel else 0


@public("Tensor")
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Return True if both have the same memory, offset, shape and strides."""
    a, b = self._array, tensor._array
    return (
        strides.address(a) == strides.address(b) and a.shape == b.shape and a.strides == b.strides
    )


class Storage:
    """The memory that a tensor and its views share: enough to compare and to measure it."""

    __slots__ = ("_memory", "_unit")
    __module__ = "wengert"

    def __init__(self, x: Tensor, unit: int) -> None:
        self._memory, self._unit = strides.owner(x._array), unit

    def data_ptr(self) -> int:
        """Return the address of the first byte."""
        return strides.address(self._memory)

    def nbytes(self) -> int:
        """Return the size in bytes."""
        return self._memory.nbytes

    def size(self) -> int:
        """Return the number of elements (bytes, for an untyped storage)."""
        return self._memory.nbytes // self._unit

    __len__ = size


@public("Tensor")
def untyped_storage(self: Tensor) -> Storage:
    """Return the memory behind this tensor, counted in bytes.

    >>> import wengert as torch
    >>> x = torch.ones(2, 3)
    >>> x.t().untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    True
    """
    return Storage(self, 1)


@public("Tensor")
def storage(self: Tensor) -> Storage:
    """Return the memory behind this tensor, counted in elements."""
    return Storage(self, self._spec.np.itemsize)


def _len(self: Tensor) -> int:
    """The size of the first dim."""
    shape = self._spec.shape
    if not shape:
        raise TypeError("len() of a 0-d tensor")
    return shape[0]


public("Tensor", name="__len__")(_len)
