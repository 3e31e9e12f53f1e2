"""The old spectral norm: a hook that divides the weight before each forward."""

from __future__ import annotations

from typing import Any

from ...autograd.grad_mode import no_grad
from ...core.parameter import Parameter
from ...core.tensor import Tensor
from ...late import named
from .. import functional as F
from ..modules.conv import _ConvTransposeNd
from ..modules.module import Module


class SpectralNorm:
    """The hook; the module has `name_orig` as parameter, `name_u` and `name_v` as buffers."""

    _version = 1

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = n_power_iterations

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """Returns the weight as a matrix whose rows are along `dim`."""
        if self.dim != 0:
            rest = [d for d in range(weight.ndim) if d != self.dim]
            weight = weight.permute(self.dim, *rest)
        return weight.reshape(weight.shape[0], -1)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """Returns the weight over its largest singular value, followed a little further if asked."""
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.t().mv(u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix.mv(v), dim=0, eps=self.eps))
            # copies: the graph of this call keeps them, the next call writes the buffers
            u, v = u.clone(), v.clone()
        sigma = named("torch", "dot")(u, matrix.mv(v))
        result: Tensor = weight / sigma
        return result

    @staticmethod
    def apply(
        module: Module, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Puts a hook on the module; RuntimeError if there is one for that name."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(
                    f"Cannot register two spectral_norm hooks on the same parameter {name}"
                )
        made = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        with no_grad():
            matrix = made.reshape_weight_to_matrix(weight)
            rows, columns = matrix.shape
            u = F.normalize(weight.new_empty(rows).normal_(0, 1), dim=0, eps=eps)
            v = F.normalize(weight.new_empty(columns).normal_(0, 1), dim=0, eps=eps)
        delattr(module, name)
        module.register_parameter(f"{name}_orig", weight)
        # a plain attribute, so that it is there before the first forward
        setattr(module, name, weight.detach())
        module.register_buffer(f"{name}_u", u)
        module.register_buffer(f"{name}_v", v)
        module.register_forward_pre_hook(made)
        module._register_state_dict_hook(_StateDictHook(made))
        module._register_load_state_dict_pre_hook(_LoadHook(made))
        return made

    def remove(self, module: Module) -> None:
        """Makes the present weight a parameter again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        delattr(module, self.name)
        for part in ("u", "v", "orig"):
            delattr(module, f"{self.name}_{part}")
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


class _StateDictHook:
    """Notes the version of the buffers' meaning in the metadata of a state dict."""

    def __init__(self, norm: SpectralNorm) -> None:
        self.norm = norm

    def __call__(self, module: Any, state_dict: Any, prefix: str, metadata: Any) -> None:
        versions = metadata.setdefault("spectral_norm", {})
        key = f"{self.norm.name}.version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.norm._version


class _LoadHook:
    """Completes states of before version 1, which had no `name_v`."""

    def __init__(self, norm: SpectralNorm) -> None:
        self.norm = norm

    def __call__(
        self, state_dict: Any, prefix: str, metadata: Any, strict: Any, *rest: Any
    ) -> None:
        norm = self.norm
        version = metadata.get("spectral_norm", {}).get(f"{norm.name}.version")
        key = prefix + norm.name
        if (version is not None and version >= 1) or all(
            f"{key}_{part}" in state_dict for part in ("orig", "u", "v")
        ):
            return
        if f"{key}_orig" not in state_dict or key not in state_dict:
            return
        with no_grad():
            original = state_dict[f"{key}_orig"]
            weight = state_dict.pop(key)
            sigma = (original / weight).mean()
            matrix = norm.reshape_weight_to_matrix(original)
            state_dict[f"{key}_v"] = _solve(matrix, sigma, state_dict[f"{key}_u"])


def _solve(matrix: Tensor, sigma: Tensor, u: Tensor) -> Tensor:
    """A v with u = W v / |W v| and u'W v = sigma: the one that the given u and sigma stand for."""
    inverse = named("linalg", "pinv")(matrix.t() @ matrix)
    v = (inverse @ matrix.t() @ u.unsqueeze(1)).squeeze(1)
    result: Tensor = v * (sigma / named("torch", "dot")(u, matrix @ v))
    return result


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """The old form of `parametrizations.spectral_norm`: parameter `name_orig`, buffers `name_u`, `_v`.

    >>> import wengert as torch
    >>> list(torch.nn.utils.spectral_norm(torch.nn.Linear(3, 2)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if dim is None:
        dim = 1 if isinstance(module, _ConvTransposeNd) else 0
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Takes the old spectral norm off; ValueError if there is none.

    >>> import wengert as torch
    >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(3, 2))
    >>> list(torch.nn.utils.remove_spectral_norm(layer).state_dict())
    ['bias', 'weight']
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    for table, kind in (
        (module._state_dict_hooks, _StateDictHook),
        (module._load_state_dict_pre_hooks, _LoadHook),
    ):
        for key, hook in list(table.items()):
            if isinstance(hook, kind) and hook.norm.name == name:
                del table[key]
    return module
