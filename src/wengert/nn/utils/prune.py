"""Pruning: parameters with a mask, which is applied before each forward.

A pruned module has `name_orig` (a parameter), `name_mask` (a buffer) and `name`, their product, as
a plain attribute that a hook renews. Methods pruned one after the other become one hook, a
`PruningContainer`: each acts on what the ones before have left.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from ...core.op import TENSORS as T
from ...core.tensor import Tensor
from ...late import named
from ...ops.create import ones_like, zeros_like
from ...ops.random import rand, rand_like
from ..modules.module import Module

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]

Amount = int | float


class BasePruningMethod(ABC):
    """A way to choose a mask: a subclass defines `compute_mask` and `PRUNING_TYPE`.

    The type says what a method sees of a tensor that is pruned already: its remaining entries
    ("unstructured"), its remaining channels ("structured") or everything ("global").

    >>> import wengert as torch
    >>> class Negative(torch.nn.utils.prune.BasePruningMethod):
    ...     PRUNING_TYPE = "unstructured"
    ...     def compute_mask(self, t, default_mask):
    ...         return default_mask * (t >= 0)
    >>> Negative().prune(torch.tensor([1.0, -2.0, 3.0]))
    tensor([1., -0., 3.])
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Returns a mask of the shape of `t`: zero where `default_mask` is zero, and more."""

    def apply_mask(self, module: Module) -> Tensor:
        """Returns the product of the original parameter and the mask."""
        if not hasattr(self, "_tensor_name"):
            raise AssertionError(f"Module {module} has to be pruned")
        mask: Any = getattr(module, self._tensor_name + "_mask")
        original: Any = getattr(module, self._tensor_name + "_orig")
        result: Tensor = mask.to(dtype=original.dtype) * original
        return result

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> BasePruningMethod:  # fmt: skip
        """Prunes a parameter of a module with this method and returns the hook.

        `importance_scores`, of the parameter's shape, are looked at in its place.
        """
        found = [
            (key, hook)
            for key, hook in module._forward_pre_hooks.items()
            if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
        ]
        method = cls(*args, **kwargs)
        method._tensor_name = name
        value: Any = getattr(module, name)
        scores = value if importance_scores is None else importance_scores
        if scores.shape != value.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, "
                f"got {scores.shape} vs {value.shape}"
            )
        if found:
            key, before = found[0]
            known = list(before) if isinstance(before, PruningContainer) else [before]
            method = PruningContainer(*known, method)
            default_mask = getattr(module, name + "_mask").detach().clone()
        else:
            default_mask = ones_like(value)
        mask = method.compute_mask(scores.detach(), default_mask=default_mask)
        if found:
            del module._forward_pre_hooks[key]
        else:
            del module._parameters[name]
            module.register_parameter(name + "_orig", value)
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """Returns `t` with zeros where this method puts them; no module is involved."""
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError(
                "importance_scores should have the same shape as tensor t, got "
                f"{scores.shape} vs {t.shape}"
            )
        mask = ones_like(t) if default_mask is None else default_mask
        result: Tensor = t * self.compute_mask(scores, default_mask=mask)
        return result

    def remove(self, module: Module) -> None:
        """Makes the pruned value the parameter; the zeros stay, the mask goes."""
        name = self._tensor_name
        value = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original: Any = module._parameters.pop(name + "_orig")
        original.data = value.detach()
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Several methods on one parameter; a new one acts on what the others have left.

    >>> import wengert as torch
    >>> P = torch.nn.utils.prune
    >>> layer = torch.nn.Linear(4, 4)
    >>> for _ in range(2):
    ...     _ = P.random_unstructured(layer, "weight", amount=0.5)
    >>> layer.weight_mask.sum()
    tensor(4.)
    """

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if not args:
            return
        first = args[0]
        for method in args[0] if isinstance(first, Iterable) and len(args) == 1 else args:
            if not hasattr(self, "_tensor_name"):
                self._tensor_name = method._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """Adds a method; TypeError for something else, ValueError for another parameter's."""
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        if method is not None:
            self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Returns `default_mask` with what the newest method prunes of the rest."""
        method: Any = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype, copy=True)
        where: Any
        if method.PRUNING_TYPE == "unstructured":
            where = mask == 1
        elif method.PRUNING_TYPE == "structured":
            dim = method.dim % t.ndim if method.dim < 0 else method.dim
            others = [d for d in range(t.ndim) if d != dim]
            kept = mask.sum(dim=others) != 0
            where = tuple(kept if d == dim else slice(None) for d in range(t.ndim))
        elif method.PRUNING_TYPE == "global":
            where = (slice(None),) * t.ndim
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        mask[where] = method.compute_mask(t[where], default_mask=mask[where]).to(dtype=mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing, but gives the module its mask of ones.

    >>> import wengert as torch
    >>> torch.nn.utils.prune.Identity().prune(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class _Counted(BasePruningMethod):
    """A method that prunes an amount: a number, or a fraction of what there is."""

    def __init__(self, amount: Amount) -> None:
        _check_amount(amount)
        self.amount = amount


class RandomUnstructured(_Counted):
    """Prunes single entries at random.

    >>> import wengert as torch
    >>> torch.nn.utils.prune.RandomUnstructured(2).prune(torch.ones(5)).sum()
    tensor(3.)
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = _count(self.amount, t.numel())
        mask = default_mask.clone()
        if count:
            return _without(mask, _ranked(rand_like(t).reshape(-1), count, largest=True))
        return mask


class L1Unstructured(_Counted):
    """Prunes the single entries of smallest magnitude.

    >>> import wengert as torch
    >>> torch.nn.utils.prune.L1Unstructured(2).prune(torch.tensor([3.0, -1.0, 2.0]))
    tensor([3., -0., 0.])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = _count(self.amount, t.numel())
        mask = default_mask.clone()
        if count:
            return _without(mask, _ranked(t.abs().reshape(-1), count, largest=False))
        return mask


class RandomStructured(_Counted):
    """Prunes whole channels along `dim` at random.

    >>> import wengert as torch
    >>> torch.nn.utils.prune.RandomStructured(amount=1, dim=0).prune(torch.ones(3, 2)).sum()
    tensor(4.)
    """

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Amount, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        size = _channels(t, self.dim)
        count = _count(self.amount, size)
        if not count:
            return default_mask
        chances = rand(size)
        kept = chances > named("torch", "kthvalue")(chances, k=count)[0]
        return _keep(t, self.dim, kept) * default_mask.to(dtype=t.dtype)


class LnStructured(_Counted):
    """Prunes the channels along `dim` of smallest n-norm.

    >>> import wengert as torch
    >>> t = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    >>> torch.nn.utils.prune.LnStructured(1, n=2, dim=0).prune(t)
    tensor([[3., 4.],
            [0., 0.]])
    """

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Amount, n: float | str, dim: int = -1) -> None:
        super().__init__(amount)
        self.n, self.dim = n, dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        size = _channels(t, self.dim)
        count = _count(self.amount, size)
        if not count:
            return default_mask
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        norms = named("torch", "norm")(t, p=self.n, dim=others)
        kept = _ranked(norms, size - count, largest=True)
        return _keep(t, self.dim, kept) * default_mask.to(dtype=t.dtype)


class CustomFromMask(BasePruningMethod):
    """Prunes where a given mask is zero.

    >>> import wengert as torch
    >>> torch.nn.utils.prune.CustomFromMask(torch.tensor([1, 0])).prune(torch.tensor([3.0, 4.0]))
    tensor([3., 0.])
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        result: Tensor = default_mask * self.mask.to(dtype=default_mask.dtype)
        return result


def identity(module: Module, name: str) -> Module:
    """Gives a parameter the form of a pruned one, with a mask of ones.

    >>> import wengert as torch
    >>> layer = torch.nn.utils.prune.identity(torch.nn.Linear(2, 1), "bias")
    >>> layer.bias_mask
    tensor([1.])
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: Amount) -> Module:
    """Prunes `amount` entries of a parameter (a number or a fraction) at random.

    >>> import wengert as torch
    >>> layer = torch.nn.Linear(4, 2)
    >>> _ = torch.nn.utils.prune.random_unstructured(layer, "weight", amount=0.25)
    >>> layer.weight_mask.sum()
    tensor(6.)
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: Amount, importance_scores: Tensor | None = None
) -> Module:
    """Prunes the `amount` entries (a number or a fraction) of smallest magnitude.

    >>> import wengert as torch
    >>> layer = torch.nn.Linear(2, 2, bias=False)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([[3.0, -1.0], [2.0, 4.0]])})
    >>> torch.nn.utils.prune.l1_unstructured(layer, "weight", amount=0.5).weight.detach()
    tensor([[3., -0.],
            [0., 4.]])
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: Amount, dim: int) -> Module:
    """Prunes `amount` channels along `dim` at random.

    >>> import wengert as torch
    >>> layer = torch.nn.Linear(4, 2)
    >>> _ = torch.nn.utils.prune.random_structured(layer, "weight", amount=1, dim=1)
    >>> layer.weight_mask.sum()
    tensor(6.)
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module,
    name: str,
    amount: Amount,
    n: float | str,
    dim: int,
    importance_scores: Tensor | None = None,
) -> Module:
    """Prunes the `amount` channels along `dim` of smallest n-norm (any `p` of `torch.norm`).

    >>> import wengert as torch
    >>> layer = torch.nn.Linear(2, 2)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([[3.0, 4.0], [0.0, 1.0]])}, strict=False)
    >>> torch.nn.utils.prune.ln_structured(layer, "weight", amount=1, n=2, dim=0).weight_mask
    tensor([[1., 1.],
            [0., 0.]])
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prunes several parameters as if they were one, with an unstructured method.

    `kwargs` go to the method; `importance_scores` are by (module, name).

    >>> import wengert as torch
    >>> P = torch.nn.utils.prune
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    >>> wanted = [(layer, "weight") for layer in model]
    >>> P.global_unstructured(wanted, P.L1Unstructured, amount=4)
    >>> sum(layer.weight_mask.sum() for layer in model)
    tensor(5.)
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    wanted = list(parameters)
    values: list[Any] = [getattr(module, name) for module, name in wanted]
    flat = T.cat(
        [
            scores.get(key, value).detach().reshape(-1)
            for key, value in zip(wanted, values, strict=True)
        ],
        0,
    )
    default = T.cat(
        [
            getattr(module, name + "_mask", ones_like(value)).reshape(-1)
            for (module, name), value in zip(wanted, values, strict=True)
        ],
        0,
    )
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    mask = PruningContainer(method).compute_mask(flat, default)
    start = 0
    for (module, name), value in zip(wanted, values, strict=True):
        stop = start + value.numel()
        custom_from_mask(module, name, mask=mask[start:stop].reshape(value.shape))
        start = stop


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prunes a parameter where `mask` is zero.

    >>> import wengert as torch
    >>> P = torch.nn.utils.prune
    >>> P.custom_from_mask(torch.nn.Linear(2, 2), "bias", torch.tensor([0, 1])).bias_mask
    tensor([0., 1.])
    """
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: Module, name: str) -> Module:
    """Makes pruning permanent: the parameter with its zeros, without mask and hook.

    >>> import wengert as torch
    >>> P = torch.nn.utils.prune
    >>> layer = P.remove(P.random_unstructured(torch.nn.Linear(4, 2), "weight", amount=3), "weight")
    >>> int((layer.weight == 0).sum()), P.is_pruned(layer)
    (3, False)
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Module) -> bool:
    """Returns True if a parameter of the module, or of one below it, is pruned.

    >>> import wengert as torch
    >>> P = torch.nn.utils.prune
    >>> P.is_pruned(P.identity(torch.nn.Linear(2, 2), "weight")), P.is_pruned(torch.nn.Linear(2, 2))
    (True, False)
    """
    return any(
        isinstance(hook, BasePruningMethod)
        for part in module.modules()
        for hook in part._forward_pre_hooks.values()
    )


# ------------------------------------------------------------------ amounts, channels, masks


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    whole = isinstance(amount, numbers.Integral)
    if (whole and amount < 0) or (not whole and not 0.0 <= float(amount) <= 1.0):
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer"
        )


def _count(amount: Amount, size: int) -> int:
    """How many of `size` the amount is."""
    if isinstance(amount, numbers.Integral):
        if amount > size:
            raise ValueError(
                f"amount={amount} should be smaller than the number of parameters to prune={size}"
            )
        return int(amount)
    return round(amount * size)


def _channels(t: Tensor, dim: int) -> int:
    """The number of channels along `dim` of a tensor that has channels."""
    if t.ndim <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of "
            f"shape {t.shape} with {t.ndim} dims"
        )
    if dim >= t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")
    size: int = t.shape[dim]
    return size


def _ranked(values: Tensor, count: int, largest: bool) -> Any:
    """The places of the `count` largest, or smallest, values."""
    return named("torch", "topk")(values, k=count, largest=largest)[1]


def _without(mask: Tensor, places: Tensor) -> Tensor:
    mask.view(-1)[places] = 0
    return mask


def _keep(t: Tensor, dim: int, kept: Tensor) -> Tensor:
    """A mask with ones in the kept channels (a mask of channels, or their numbers)."""
    mask = zeros_like(t)
    mask[tuple(kept if d == dim % t.ndim else slice(None) for d in range(t.ndim))] = 1
    return mask
