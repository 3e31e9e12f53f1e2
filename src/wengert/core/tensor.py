"""The tensor: an array, its spec and one edge, from which everything about gradients is read."""

from __future__ import annotations

import warnings
import weakref
from typing import Any

import numpy as np

from . import errors, state
from .node import LEAF, PORT, Node, Poison, hooks_of, leaf_node, public_name, see
from .spec import Spec, spec_of

new = object.__new__
ndarray = np.ndarray


class Storage:
    """What aliases share: how often, when and where their memory was written."""

    __slots__ = ("limit", "source", "stamps", "version", "views", "where", "written")

    def __init__(self) -> None:
        self.version = 0
        self.written = 0
        self.stamps: list[int] | None = None  # when the latest writes were
        self.where: Any = None  # (code, instruction) of the latest write
        self.views: list | None = None  # weak references to the live views
        self.limit = 32
        self.source: Any = None  # weak reference to a node that wants a copy before a write

    def stamp(self, when: int, where: Any = None) -> None:
        """Note one write."""
        self.version += 1
        self.written = when
        self.where = where
        if self.stamps is None:
            self.stamps = [when]
        else:
            if len(self.stamps) > 64:
                del self.stamps[:32]
            self.stamps.append(when)
        if when > state.LAST_WRITE:
            state.LAST_WRITE = when

    def version_at(self, seq: int) -> int:
        """Return the version that a call of number `seq` saw."""
        later = sum(1 for s in self.stamps or () if s >= seq)
        return self.version - later

    def add_view(self, t: Tensor) -> None:
        """Remember a live view, weakly."""
        views = self.views
        if views is None:
            views = self.views = []
        elif len(views) >= self.limit:
            views = self.views = [r for r in views if r() is not None]
            self.limit = 2 * len(views) + 32
        views.append(weakref.ref(t))


class Extra:
    """What few tensors have: aliases, a view's base, a retained gradient, flags."""

    __slots__ = (
        "base", "chain", "creation", "grad", "grad_dtype", "inference", "leaf", "name", "storage",
        "retains", "post_hooks",
    )  # fmt: skip

    def __init__(self) -> None:
        self.storage: Storage | None = None
        self.base: Tensor | None = None  # the tensor that a view looks into
        self.chain: tuple = ()  # how to get from the base to the view: ((op, params), ...)
        self.creation = ""  # "", or why in-place on this view is refused
        self.grad: Any = None  # of a non-leaf that retains it
        self.retains = False
        self.inference = False
        self.leaf: Any = None  # the node of a leaf that was switched off, with its hooks
        self.name: str | None = None
        self.grad_dtype: Any = False
        self.post_hooks: Any = None


class Tensor:
    """A multi-dimensional array that records what is computed from it.

    Tensor(data) makes a tensor of the default float dtype from nested lists, Tensor(2, 3) an
    uninitialised one of that shape; use `wengert.tensor` to choose dtype and requires_grad.

    >>> import wengert as torch
    >>> x = torch.tensor([1., 2.], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __module__ = "wengert"
    __slots__ = ("__dict__", "__weakref__", "_array", "_edge", "_ext", "_spec")

    _array: np.ndarray
    _spec: Spec
    _edge: Node | None
    _ext: Extra | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        from ..ops.create import legacy_tensor

        return legacy_tensor(cls, *args, **kwargs)

    # ---------------------------------------------------------------- facts
    @property
    def shape(self) -> Any:
        """The size of every dim."""
        return self._spec.shape

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._spec.dtype

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return self._spec.ndim

    @property
    def requires_grad(self) -> bool:
        """True if calls on this tensor are recorded."""
        return self._edge is not None

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        _set_requires_grad(self, flag, "only Tensors of floating point and complex dtype can require gradients")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start (or stop) recording calls on this leaf, in place; return self."""
        _set_requires_grad(self, requires_grad, "only Tensors of floating point dtype can require gradients")
        return self

    @property
    def is_leaf(self) -> bool:
        """True if no recorded call made this tensor."""
        e = self._edge
        return e is None or e.op is LEAF

    @property
    def grad_fn(self) -> Node | None:
        """The node of the call that made this tensor; None for a leaf."""
        e = self._edge
        if e is None or e.op is LEAF:
            return None
        return see(e.edges[0]) if e.op is PORT else see(e)

    @property
    def output_nr(self) -> int:
        """Which output of its grad_fn this tensor is."""
        e = self._edge
        return e.rest[0] if e is not None and e.op is PORT else 0

    @property
    def grad(self) -> Tensor | None:
        """The gradient accumulated by backward(); None before the first."""
        e = self._edge
        x = self._ext
        if e is None:
            return x.grad if x is not None else None
        if e.op is LEAF:
            return e.out
        if x is None or not x.retains:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
                ".grad attribute won't be populated during autograd.backward(). If you indeed want "
                "the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the "
                "non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you "
                "access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for "
                "more information.",
                UserWarning,
                stacklevel=2,
            )
        return x.grad if x is not None else None

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            _check_assigned_grad(self, value)
        e = self._edge
        if e is not None and e.op is LEAF:
            e.out = value
        elif value is not None or self._ext is not None:
            extra_of(self).grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def _grad(self) -> Tensor | None:
        e = self._edge
        if e is not None and e.op is LEAF:
            return e.out
        return self._ext.grad if self._ext is not None else None

    @_grad.setter
    def _grad(self, value: Tensor | None) -> None:
        self.grad = value

    @property
    def grad_dtype(self) -> Any:
        """The dtype that `.grad` must have: the tensor's own by default, None for any."""
        if self._ext is not None and self._ext.grad_dtype is not False:
            return self._ext.grad_dtype
        return self._spec.dtype

    @grad_dtype.setter
    def grad_dtype(self, value: Any) -> None:
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be set on leaf tensors.")
        extra_of(self).grad_dtype = value

    @property
    def retains_grad(self) -> bool:
        """True if this non-leaf keeps its gradient."""
        return self._ext is not None and self._ext.retains and not self.is_leaf

    def retain_grad(self) -> None:
        """Make backward() fill `.grad` of this non-leaf tensor."""
        e = self._edge
        if e is None:
            raise RuntimeError(
                "can't retain_grad on Tensor that has requires_grad=False. "
                + errors.not_recorded(self)
            )
        if e.op is LEAF:
            return
        x = extra_of(self)
        if not x.retains:
            x.retains = True
            hooks_of(e).retain(self)

    # ---------------------------------------------------------------- aliases
    def detach(self) -> Tensor:
        """Return a tensor over the same memory that is cut off from the history.

        The result shares the version counter, so in-place writes through it are noticed.
        """
        t = self._share(None)
        x = t._ext = Extra()
        x.storage = storage_of(self)
        if self._ext is not None:
            x.inference = self._ext.inference
        return t

    def detach_(self) -> Tensor:
        """Cut this tensor off from its history, in place; return self."""
        x = self._ext
        if x is not None and x.base is not None:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using "
                "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set "
                "as True, gradients are views of DDP buckets, and hence detach_() cannot be called "
                "on these gradients. To fix this error, please refer to the "
                "Optimizer.zero_grad() function in torch/optim/optimizer.py as a solution."
            )
        e = self._edge
        if e is not None:
            self._edge = None
            if e.op is LEAF:
                _switch_off(self, e)
            elif x is not None:
                x.retains = False
                if e.hooks is not None:
                    e.hooks.release(self)
        return self

    @property
    def data(self) -> Tensor:
        """The same memory without history and with a version counter of its own."""
        return self._share(None)

    @data.setter
    def data(self, other: Tensor) -> None:
        if not isinstance(other, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
        if self._edge is not None and other._spec.dtype.category < 2:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype"
            )
        self._array, self._spec = other._array, other._spec
        e = self._edge
        if e is not None and e.op is LEAF:
            e.y, e.rest = other._array, other._spec

    @property
    def _version(self) -> int:
        x = self._ext
        if x is None:
            return 0
        if x.inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return 0 if x.storage is None else x.storage.version

    @property
    def _base(self) -> Tensor | None:
        return None if self._ext is None else self._ext.base

    def _is_view(self) -> bool:
        return self._ext is not None and self._ext.base is not None

    def is_inference(self) -> bool:
        """True if this tensor was made in inference mode."""
        return self._ext is not None and self._ext.inference

    @property
    def name(self) -> str | None:
        """The name of the tensor; None unless one was set by the library."""
        return None if self._ext is None else self._ext.name

    # ---------------------------------------------------------------- hooks
    def register_hook(self, hook: Any) -> Any:
        """Call `hook(grad)` when the gradient of this tensor is computed; return a handle.

        The hook may return a tensor that takes the gradient's place. Hooks run in the order of
        registration, each seeing the result of the one before.
        """
        if self._edge is None:
            raise RuntimeError(
                "cannot register a hook on a tensor that doesn't require gradient. "
                + errors.not_recorded(self)
            )
        return hooks_of(self._edge).add("tensor", hook)

    def register_post_accumulate_grad_hook(self, hook: Any) -> Any:
        """Call `hook(tensor)` after backward() has added to this leaf's `.grad`; return a handle."""
        e = self._edge
        if e is None:
            raise RuntimeError(
                "cannot register a hook on a tensor that doesn't require gradient. "
                + errors.not_recorded(self)
            )
        if e.op is not LEAF:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return hooks_of(e).add("accumulated", hook)

    @property
    def _backward_hooks(self) -> Any:
        h = None if self._edge is None else self._edge.hooks
        return None if h is None or not h.tensor else h.tensor

    @property
    def _post_accumulate_grad_hooks(self) -> Any:
        h = None if self._edge is None else self._edge.hooks
        return None if h is None or not h.accumulated else h.accumulated

    @property
    def _grad_fn(self) -> Node | None:
        return self.grad_fn

    def _share(self, edge: Node | None) -> Tensor:
        """Another plain tensor over the same value (wrappers override this)."""
        t = new(Tensor)
        t._array, t._spec, t._edge, t._ext = self._array, self._spec, edge, None
        return t

    def _value(self) -> Tensor:
        """What a wrapper wraps; a plain tensor is its own value."""
        return self


def attach(array: ndarray, spec: Spec, edge: Node | None = None) -> Tensor:
    """Make a tensor of its parts, without any check."""
    t = new(Tensor)
    t._array = array
    t._spec = spec
    t._edge = edge
    t._ext = None
    return t


def wrap(array: Any) -> Tensor:
    """Return a tensor over an array (or NumPy scalar) that belongs to no graph."""
    if array.__class__ is not ndarray:
        array = np.asarray(array)
    t = new(Tensor)
    t._array = array
    t._spec = spec_of(array)
    t._edge = None
    t._ext = None
    return t


def as_tensor_arg(x: Any, like: Tensor | None = None) -> Tensor:
    """Return a tensor for an argument that may be a Python number or an ndarray.

    A Python number takes the dtype of `like` where its kind allows (it is *weak*), otherwise the
    default dtype of its kind.
    """
    if isinstance(x, Tensor):
        return x
    if isinstance(x, ndarray):
        return wrap(x)
    from .promote import number_dtype

    return wrap(np.asarray(x, number_dtype(x, like).np))


def extra_of(t: Tensor) -> Extra:
    """Return the Extra of a tensor, made at need."""
    x = t._ext
    if x is None:
        x = t._ext = Extra()
    return x


def storage_of(t: Tensor) -> Storage:
    """Return the storage record of a tensor, made at need.

    The node that saved this very array as its result is told, so that later writes are noticed.
    """
    x = t._ext
    if x is None:
        x = t._ext = Extra()
    s = x.storage
    if s is None:
        e = t._edge
        k = 0
        if e is not None and e.op is PORT:
            k, e = e.rest[0], e.edges[0]
        if e is None or not e.op.saves_out or e.op.copy_out:
            s = x.storage = Storage()
            if e is not None and e.op.saves_out and t._spec.plain and e.out is t._array:
                s.source = weakref.ref(e)
            return s
        stores = getattr(e, "store", None)
        if stores is None:
            e.store = stores = {}
        s = x.storage = stores.setdefault(k, Storage())
    return s


def _set_requires_grad(t: Tensor, flag: bool, refusal: str) -> None:
    if not isinstance(flag, bool | np.bool_):
        raise TypeError(f"requires_grad must be a bool, not {type(flag).__name__}")
    e = t._edge
    if flag:
        if state.in_transform():
            raise RuntimeError(errors.REQUIRES_GRAD_INSIDE)
        if e is None:
            if t._spec.dtype.category < 2:
                raise RuntimeError(
                    f"{refusal}; this one is {str(t.dtype).removeprefix('torch.')}: convert it first, "
                    "with .float() for example"
                )
            x = t._ext
            if x is not None and x.inference and not state.is_inference():
                raise RuntimeError(
                    "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
                )
            old = None if x is None else x.leaf
            if old is None:
                t._edge = leaf_node(t)
            else:  # graphs from before lead here again
                t._edge, old.y, old.rest = old, t._array, t._spec
            if x is not None:
                t._edge.out, x.grad = x.grad, None
    elif e is not None:
        if e.op is not LEAF:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                f"var_no_grad = var.detach(). The tensor is a {errors.described(t)}, made by "
                f"{public_name(e)}."
            )
        t._edge = None
        _switch_off(t, e)


def _switch_off(t: Tensor, leaf: Node) -> None:
    """A leaf stops to require grad: graphs that still lead to its node must not add to its grad."""
    x = extra_of(t)
    x.leaf = leaf
    if leaf.out is not None:
        x.grad, leaf.out = leaf.out, None


def _check_assigned_grad(t: Tensor, g: Any) -> None:
    if not isinstance(g, Tensor):
        raise TypeError(
            f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}"
        )
    if g is t:
        raise RuntimeError("can't assign Variable as its own grad")
    wanted = t.grad_dtype
    if wanted is not None and g.dtype is not wanted:
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{errors.cpp_name(g.dtype)}' to "
            f"a tensor with grad_dtype '{wanted.scalar_name}'. The gradient must match the "
            "tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's "
            "grad_dtype attribute with a specific dtype, or None to allow any dtype. Set grad_dtype "
            "with caution. Diverging the dtypes of a tensor and its gradient may break downstream "
            "systems that assume they match."
        )
    if g.shape != t.shape:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(g.shape)}' to a tensor of size "
            f"'{list(t.shape)}'. Please ensure that the gradient and the tensor are the same size"
        )


__all__ = [
    "Extra", "Storage", "Tensor", "as_tensor_arg", "attach", "errors", "extra_of", "public_name",
    "Poison", "storage_of", "wrap",
]  # fmt: skip
