"""Modules whose shapes come from the first input: the mixin, LazyLinear and the lazy norms.

Lazy convolutions are in lazy_conv.py.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Self

from ...autograd.grad_mode import no_grad
from ...core.tensor import Tensor
from ...kernels.dtypes import int64
from ...ops.data import tensor
from ..parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from .batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .linear import Linear
from .module import Module


class LazyModuleMixin:
    """Makes a module class lazy: a subclass registers uninitialized tensors and fills them later.

    It defines `initialize_parameters(*args)`, which the first forward calls before anything else
    and which must materialize all of them. The module then becomes one of `cls_to_become`, if the
    subclass names one. A state with shapes materializes too.

    >>> import wengert as torch
    >>> class Scale(torch.nn.modules.lazy.LazyModuleMixin, torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = torch.nn.UninitializedParameter()
    ...     def initialize_parameters(self, x):
    ...         self.factor.materialize(x.shape[-1:])
    ...         torch.nn.init.ones_(self.factor)
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(torch.tensor([[1.0, 2.0]])).detach()
    tensor([[1., 2.]])
    """

    cls_to_become: type[Module] | None = None
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        module: Any = self
        self._load_hook = module._register_load_state_dict_pre_hook(
            _materialize_from, with_module=True
        )
        self._initialize_hook = module.register_forward_pre_hook(_initialize, with_kwargs=True)

    def _tensors(self) -> Any:
        return chain(self._parameters.items(), self._buffers.items())

    def has_uninitialized_params(self) -> bool:
        """Returns True if a parameter or buffer has no shape yet."""
        return any(is_lazy(value) for _, value in self._tensors())

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """To override: materializes every tensor from the arguments of the first forward."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        module: Any = self
        for name, value in module._saved_members():
            destination[prefix + name] = value if keep_vars or is_lazy(value) else value.detach()

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        module: Any = super()
        tables = (self._parameters, self._buffers)
        kept = [dict(table) for table in tables]
        try:  # the ordinary tensors as always, the others by their empty data
            for table in tables:
                for name, value in list(table.items()):
                    if is_lazy(value):
                        table[name] = None
                        value.data = fn(value.data)
            module._apply(fn, recurse)
        finally:
            for table, before in zip(tables, kept, strict=True):
                table.update({name: v for name, v in before.items() if is_lazy(v)})
        return self


def _materialize_from(module: Any, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Before loading: uninitialized tensors take the shapes that the state has for them."""
    for name, value in module._tensors():
        found = state_dict.get(prefix + name)
        if is_lazy(value) and found is not None and not is_lazy(found):
            with no_grad():
                value.materialize(found.shape)


def _initialize(module: Any, args: Any, kwargs: Any) -> None:
    """Before the first forward: fills the module from its input and makes it an ordinary one."""
    module.initialize_parameters(*args, **(kwargs or {}))
    if module.has_uninitialized_params():
        raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
    module._initialize_hook.remove()
    module._load_hook.remove()
    del module._initialize_hook, module._load_hook
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become


def _materialize(value: Any, shape: tuple[int, ...]) -> None:
    """Gives a tensor its shape, unless a partial state has done so."""
    if is_lazy(value):
        value.materialize(shape)


class LazyLinear(LazyModuleMixin, Linear):
    """`Linear` that takes in_features from the last size of its first input.

    >>> import wengert as torch
    >>> layer = torch.nn.LazyLinear(3)
    >>> layer.weight
    <UninitializedParameter>
    >>> layer(torch.ones(2, 5)).shape, layer
    (torch.Size([2, 3]), Linear(in_features=5, out_features=3, bias=True))
    """

    cls_to_become = Linear
    weight: Any
    bias: Any

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draws the parameters anew, once there are some."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Materializes the parameters for inputs like this one."""
        if self.has_uninitialized_params():
            with no_grad():
                self.in_features = input.shape[-1]
                _materialize(self.weight, (self.out_features, self.in_features))
                _materialize(self.bias, (self.out_features,))
                self.reset_parameters()
        if self.in_features == 0:  # a state gave the weight its shape
            self.in_features = self.weight.shape[-1]


class _LazyNorm(LazyModuleMixin):
    """A norm over channels that takes num_features from dim 1 of its first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tensor(0, dtype=int64, device=device)

    def reset_parameters(self) -> None:
        """Resets parameters and statistics, once there are some."""
        module: Any = self
        if not self.has_uninitialized_params() and module.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor) -> None:
        """Materializes parameters and statistics for inputs like this one."""
        self.num_features = input.shape[1]
        if self.has_uninitialized_params():
            for _, value in self._tensors():
                _materialize(value, (self.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):  # type: ignore[misc]
    """`BatchNorm1d` that takes num_features from its first input.

    >>> import wengert as torch
    >>> norm = torch.nn.LazyBatchNorm1d()
    >>> norm(torch.randn(4, 3)).shape, norm.num_features
    (torch.Size([4, 3]), 3)
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):  # type: ignore[misc]
    """`BatchNorm2d` that takes num_features from its first input.

    >>> import wengert as torch
    >>> torch.nn.LazyBatchNorm2d()(torch.randn(4, 3, 5, 5)).shape
    torch.Size([4, 3, 5, 5])
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):  # type: ignore[misc]
    """`BatchNorm3d` that takes num_features from its first input.

    >>> import wengert as torch
    >>> torch.nn.LazyBatchNorm3d()(torch.randn(4, 3, 2, 5, 5)).shape
    torch.Size([4, 3, 2, 5, 5])
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):  # type: ignore[misc]
    """`InstanceNorm1d` that takes num_features from its first input; affine by default.

    >>> import wengert as torch
    >>> torch.nn.LazyInstanceNorm1d()(torch.randn(4, 3, 6)).shape
    torch.Size([4, 3, 6])
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):  # type: ignore[misc]
    """`InstanceNorm2d` that takes num_features from its first input; affine by default.

    >>> import wengert as torch
    >>> torch.nn.LazyInstanceNorm2d()(torch.randn(4, 3, 5, 5)).shape
    torch.Size([4, 3, 5, 5])
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):  # type: ignore[misc]
    """`InstanceNorm3d` that takes num_features from its first input; affine by default.

    >>> import wengert as torch
    >>> torch.nn.LazyInstanceNorm3d()(torch.randn(4, 3, 2, 5, 5)).shape
    torch.Size([4, 3, 2, 5, 5])
    """

    cls_to_become = InstanceNorm3d
