"""Changing shape: view, reshape, squeeze, expand and their kin; clone and contiguous."""

from __future__ import annotations

from typing import Any

from ..core.dual import example
from ..core.layout import check_format, contiguous_format, preserve_format
from ..core.op import TENSORS
from ..core.record import view1
from ..core.registry import public
from ..core.size import Size
from ..core.spec import spec_of
from ..core.tensor import Tensor
from ..kernels import dims, dtypes, layouts, strides
from ..kernels.dims import as_ints, infer_size, shown, wrap_dim, wrap_dims
from .views import clone_op, expand_op, reshape_any, spec_in, squeeze_op, unsqueeze_op, view_op

_VIEW, _EXPAND, _UNSQUEEZE = view_op.op, expand_op.op, unsqueeze_op.op


# ------------------------------------------------------------------- reshaping
@public("Tensor")
def view(self: Tensor, *shape: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """Return the same memory under another shape, or read as another dtype.

    One size may be -1. RuntimeError if the strides don't allow it (then use `reshape`).

    >>> import wengert as torch
    >>> torch.arange(6).view(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    for n in shape:
        if n.__class__ is not int or n < -1:
            break
    else:
        if shape and size is None and dtype is None:
            try:
                return view1(_VIEW, self, (shape,))  # the kernel infers the -1
            except ValueError:
                return view_op(self, infer_size(shape, self._spec.numel))  # for the error's text
    if size is not None:
        shape = tuple(size)
    elif dtype is not None or (len(shape) == 1 and isinstance(shape[0], dtypes.dtype)):
        return _view_as_dtype(self, shape[0] if dtype is None else dtypes.as_dtype(dtype, "view"))
    elif not shape:
        raise TypeError(
            "view() received an invalid combination of arguments - got (), but expected one of:\n"
            " * (torch.dtype dtype)\n * (tuple of ints size)\n"
        )
    return view_op(self, infer_size(as_ints(shape, "view", "size"), self._spec.numel))


def _view_as_dtype(x: Tensor, d: Any) -> Tensor:
    old, s = x._spec.dtype, x._spec
    if old.itemsize != d.itemsize:
        names = f"to view {old.scalar_name} as {d.scalar_name} (different element sizes)"
        if s.ndim == 0:
            raise RuntimeError(f"self.dim() cannot be 0 {names}")
        step = strides.element_strides(x._array)[-1]
        if step != 1:
            raise RuntimeError(f"self.stride(-1) must be 1 {names}, but got {step}")
        if s.shape[-1] * old.itemsize % d.itemsize:
            ratio = d.itemsize // old.itemsize
            raise RuntimeError(
                f"self.size(-1) must be divisible by {ratio} {names}, but got {s.shape[-1]}"
            )
    v = x.detach()  # shares memory and version; bits of another type carry no gradient
    v._array = x._array.view(d.np)
    v._spec = spec_of(v._array)
    return v


@public("Tensor")
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the same memory under the shape of `other`.

    >>> import wengert as torch
    >>> torch.arange(4).view_as(torch.ones(2, 2)).shape
    torch.Size([2, 2])
    """
    return view_op(self, infer_size(tuple(spec_in(other, "view_as").shape), self._spec.numel))


@public("torch", "Tensor")
def reshape(input: Tensor, *args: Any, shape: Any = None) -> Tensor:
    """Return the elements under another shape: a view where possible, else a copy.

    One size may be -1. RuntimeError unless the sizes multiply up to the number of elements.

    >>> import wengert as torch
    >>> torch.arange(6).reshape(3, 2).t().reshape(-1)
    tensor([0, 2, 4, 1, 3, 5])
    """
    s = spec_in(input, "reshape")
    if shape is not None:
        args = (shape,)
    if not args:
        raise TypeError("reshape() missing 1 required positional arguments: \"shape\"")
    return reshape_any(input, infer_size(as_ints(args, "reshape", "shape"), s.numel))


@public("Tensor")
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the elements under the shape of `other`: a view where possible, else a copy."""
    shape = tuple(spec_in(other, "reshape_as").shape)
    return reshape_any(self, infer_size(shape, self._spec.numel))


@public("torch", "Tensor")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the dims from `start_dim` to `end_dim` into one; `input` itself if there is one only.

    >>> import wengert as torch
    >>> torch.ones(2, 3, 4).flatten(1).shape
    torch.Size([2, 12])
    """
    s = spec_in(input, "flatten")
    shape = s.shape
    start, end = wrap_dim(start_dim, s.ndim), wrap_dim(end_dim, s.ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return reshape_any(input, (1,))
    if start == end:
        return input
    merged = dims.count(shape[start : end + 1])
    return reshape_any(input, (*shape[:start], merged, *shape[end + 1 :]))


@public("torch", "Tensor")
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Split one dim into several; one of the sizes may be -1.

    >>> import wengert as torch
    >>> torch.ones(2, 12).unflatten(1, (3, -1)).shape
    torch.Size([2, 3, 4])
    """
    s = spec_in(input, "unflatten")
    d = wrap_dim(dim, s.ndim)
    sizes = as_ints((sizes,), "unflatten", "sizes")
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    n = s.shape[d] if s.ndim else 1
    try:
        sizes = infer_size(sizes, n)
    except RuntimeError as e:
        if "invalid for input" not in str(e):
            raise RuntimeError(f"unflatten got an unexpected error:\n{e}") from None
        raise RuntimeError(
            f"unflatten: Provided sizes {shown(sizes)} don't multiply up to the size of dim {d} "
            f"({n}) in the input tensor"
        ) from None
    return reshape_any(input, (*s.shape[:d], *sizes, *s.shape[d + 1 :]))


@public("torch", "Tensor")
def ravel(input: Tensor) -> Tensor:
    """Return the elements as one row: a view if `input` is contiguous, else a copy.

    >>> import wengert as torch
    >>> torch.ones(2, 3).ravel().shape
    torch.Size([6])
    """
    s = spec_in(input, "ravel")
    return view_op(contiguous(input), (s.numel,))


# ------------------------------------------------------------------- copies of the same shape
_ORDERS = {preserve_format: "K", contiguous_format: "C", None: "K"}


@public("torch", "Tensor")
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """Return a copy with memory of its own, through which gradients flow.

    The layout is kept by default; `torch.contiguous_format` gives a row-major one.

    >>> import wengert as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> x.clone()
    tensor([1., 1.], grad_fn=<CloneBackward0>)
    """
    spec_in(input, "clone")
    check_format(memory_format, "clone")
    return clone_op(input, _ORDERS.get(memory_format) or memory_format._name)


@public("Tensor")
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """Return `self` if its memory is row-major without gaps, else such a copy.

    >>> import wengert as torch
    >>> torch.ones(2, 3).t().contiguous().stride()
    (2, 1)
    """
    check_format(memory_format, "contiguous")
    if memory_format in _ORDERS:
        return self if example(self).flags.c_contiguous else clone_op(self, "C")
    wanted = layouts.empty(self._spec.shape, self._spec.np, memory_format._name)
    return self if example(self).strides == wanted.strides else clone_op(self, memory_format._name)


# ------------------------------------------------------------------- dims of size 1
_ALL = object()


@public("torch", "Tensor")
def squeeze(input: Tensor, dim: Any = _ALL, *, axis: Any = _ALL) -> Tensor:
    """Remove dims of size 1: all, or those named; a named dim of another size stays.

    >>> import wengert as torch
    >>> torch.ones(1, 3, 1).squeeze(0).shape
    torch.Size([3, 1])
    """
    ndim = spec_in(input, "squeeze").ndim
    if dim is _ALL:
        if axis is _ALL:
            return squeeze_op(input, None)
        dim = axis
    if isinstance(dim, (tuple, list)):
        return squeeze_op(input, wrap_dims(tuple(dim), ndim))
    return squeeze_op(input, wrap_dim(dim, ndim))


@public("torch", "Tensor")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert a dim of size 1.

    >>> import wengert as torch
    >>> torch.ones(3).unsqueeze(-1).shape
    torch.Size([3, 1])
    """
    return view1(_UNSQUEEZE, input, (wrap_dim(dim, spec_in(input, "unsqueeze").ndim + 1),))


def _widened(name: str, doc: str, unit: int, ends: dict[int, tuple[int, ...]]) -> Any:
    """Make atleast_1d, _2d or _3d: `ends` says where new dims go for a smaller tensor."""

    def one(x: Tensor) -> Tensor:
        ndim = spec_in(x, name).ndim
        if ndim >= unit:
            return x
        if ndim == 0:
            return reshape_any(x, (1,) * unit)
        for d in ends[ndim]:
            x = unsqueeze_op(x, d)
        return x

    def atleast(*tensors: Any) -> Any:
        if len(tensors) == 1:
            if isinstance(tensors[0], (tuple, list)):
                return tuple([one(t) for t in tensors[0]])
            return one(tensors[0])
        return tuple([one(t) for t in tensors])

    atleast.__name__ = atleast.__qualname__ = name
    atleast.__doc__ = doc
    return public("torch")(atleast)


atleast_1d = _widened("atleast_1d", "Return a 0-d tensor with one dim; others as they are.", 1, {})
atleast_2d = _widened("atleast_2d", "Give a tensor at least two dims, new ones in front.", 2, {1: (0,)})
atleast_3d = _widened(
    "atleast_3d", "Give a tensor three dims: a vector becomes 1 x n x 1, a matrix n x m x 1.", 3,
    {1: (0, 2), 2: (2,)},
)  # fmt: skip


# ------------------------------------------------------------------- expanding
@public("Tensor")
def expand(self: Tensor, *sizes: Any, size: Any = None, implicit: bool = False) -> Tensor:
    """Repeat dims of size 1 without copying; -1 keeps a size, new dims come first.

    >>> import wengert as torch
    >>> torch.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    s = self._spec
    target = as_ints(sizes if size is None else (size,), "expand", "size")
    lead = len(target) - s.ndim
    for n, m in zip(target[lead:], s.shape, strict=False):
        if n != m and (m != 1 or n < 0):
            break
    else:
        if lead == 0 or (lead > 0 and min(target[:lead]) >= 0):
            return view1(_EXPAND, self, (target,))
    return view1(_EXPAND, self, (dims.expanded(s.shape, target, s.dtype.scalar_name),))


@public("Tensor")
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """Repeat dims of size 1 without copying until the shape is that of `other`."""
    return expand(self, spec_in(other, "expand_as").shape)


@public("torch", "Tensor")
def broadcast_to(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """Repeat dims of size 1 without copying.

    >>> import wengert as torch
    >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    spec_in(input, "broadcast_to")
    return expand(input, *sizes, size=size)


@public("Tensor")
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Sum over the dims that broadcasting a tensor of the given size to this one would add.

    >>> import wengert as torch
    >>> torch.ones(2, 3).sum_to_size(3)
    tensor([2., 2., 2.])
    """
    target = as_ints(size, "sum_to_size", "size")
    try:
        dims.expanded(target, self._spec.shape)
    except RuntimeError:
        raise RuntimeError(
            f"size {{{shown(target)}}} is not expandable to size {{{shown(self._spec.shape)}}}."
        ) from None
    shape = self._spec.shape
    if shape == target:
        return self
    lead = len(shape) - len(target)
    where = [k for k, n in enumerate(shape) if k < lead or (target[k - lead] == 1 != n)]
    return reshape_any(TENSORS.sum(self, tuple(where), True), target)


@public("torch")
def broadcast_shapes(*shapes: Any) -> Size:
    """Return the shape that several shapes broadcast to.

    >>> import wengert as torch
    >>> torch.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    out: tuple[Any, ...] = ()
    for k, shape in enumerate(shapes):
        shape = as_ints((shape,), "broadcast_shapes", "shapes")
        try:
            if any(n < 0 for n in shape):
                raise RuntimeError
            out = dims.broadcast_shapes(out, shape)
        except RuntimeError:
            bad = next(
                j for j in range(-1, -len(shape) - 1, -1)
                if shape[j] < 0 or (-j <= len(out) and shape[j] != 1 != out[j] != shape[j])
            )  # fmt: skip
            raise RuntimeError(
                f"Attempting to broadcast a dimension of length {shape[bad]} at {bad}! Mismatching "
                f"argument at index {k} had {tuple(shape)}; but expected shape should be "
                f"broadcastable to {shown(out)}"
            ) from None
    return Size(out)


@public("torch")
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Expand tensors to their common shape; those that have it already come back as they are.

    >>> import wengert as torch
    >>> [x.shape for x in torch.broadcast_tensors(torch.ones(2, 1), torch.ones(3))]
    [torch.Size([2, 3]), torch.Size([2, 3])]
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    shape: tuple[Any, ...] = ()
    for x in tensors:
        shape = dims.broadcast_shapes(shape, tuple(spec_in(x, "broadcast_tensors").shape))
    return tuple([x if x._spec.shape == shape else expand_op(x, shape) for x in tensors])
