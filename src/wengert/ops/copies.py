"""The copying forms of views (`permute_copy` and its kin), and splits that are no views."""

from __future__ import annotations

from typing import Any

from ..core.op import TENSORS
from ..core.registry import API, find, public
from ..core.tensor import Tensor
from .checking import check_tensor
from .quiet import with_out

T: Any = TENSORS

_VIEWS = (
    "alias", "as_strided", "detach", "diagonal", "expand", "narrow", "permute", "select", "split",
    "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unfold", "unsqueeze", "view",
    "view_as_complex", "view_as_real",
)  # fmt: skip


def _view_of(name: str) -> Any:
    if name == "alias":
        return T.alias
    return find("torch", name) or find("Tensor", name)


def _copied(name: str) -> None:
    def f(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        check_tensor(input, f"{name}_copy")
        if out is not None:
            return with_out(out, f, f"{name}_copy", (input, *args), kwargs)
        found = _view_of(name)(input, *args, **kwargs)
        return tuple([T.clone(v, "C") for v in found]) if isinstance(found, tuple | list) else T.clone(found, "C")

    f.__name__ = f.__qualname__ = f"{name}_copy"
    f.__doc__ = f"Return what `{name}` returns, as a copy that shares no memory with the input."
    if f.__name__ not in API["torch"]:
        public("torch")(f)


for _name in _VIEWS:
    _copied(_name)


@public("torch")
def slice_copy(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1, *,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """Return a copy of the elements start, start + step, ... below end of one dim.

    >>> import wengert as torch
    >>> torch.slice_copy(torch.arange(5), 0, 1, None, 2)
    tensor([1, 3])
    """
    check_tensor(input, "slice_copy")
    if out is not None:
        return with_out(out, slice_copy, "slice_copy", (input, dim, start, end, step), {})
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    d = dim + input.ndim if dim < 0 else dim
    first, last, by = slice(start, end, step).indices(input.shape[d])
    return T.clone(T.slice(input, d, slice(first, max(first, last), by)), "C")


# ------------------------------------------------------------------- unsafe
def _pieces(name: str) -> None:
    def f(input: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        return tuple([T.clone(v, "C") for v in find("torch", name)(input, *args, **kwargs)])

    f.__name__ = f.__qualname__ = f"unsafe_{name}"
    f.__doc__ = (
        f"Return the pieces of `{name}` as tensors that are no views, which may be written in place."
    )
    public("torch", "Tensor")(f)


for _name in ("split", "chunk", "split_with_sizes"):
    _pieces(_name)
