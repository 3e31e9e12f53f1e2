"""Special functions under PyTorch's name for them: `torch.special`.

Most run on NumPy alone (ops/special.py). The rarer ones of this list come from SciPy and are not
differentiable, as in PyTorch; without SciPy they say what to install.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import methods  # noqa: F401  (fills the registry)
from .core.registry import API as _API
from .core.tensor import Tensor, as_tensor_arg, wrap
from .late import named as _named
from .late import names as _names

globals().update(_API.get("special", {}))

# our name -> SciPy's
_FROM_SCIPY = {
    "airy_ai": "airy", "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0", "bessel_y1": "y1",
    "modified_bessel_k0": "k0", "modified_bessel_k1": "k1", "scaled_modified_bessel_k0": "k0e",
    "scaled_modified_bessel_k1": "k1e", "gammainc": "gammainc", "gammaincc": "gammaincc",
}  # fmt: skip

__all__ = sorted({*_names("special"), *_FROM_SCIPY})  # noqa: PLE0605


def _borrow(name: str) -> Callable[..., Tensor]:
    """Return a function that SciPy computes, as a function of tensors."""

    def f(*inputs: Any) -> Tensor:
        try:
            from scipy import special  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            raise ImportError(
                f"torch.special.{name} needs SciPy, which wengert does not require: "
                "pip install 'wengert[scipy]'"
            ) from None
        like = next((x for x in inputs if isinstance(x, Tensor)), None)
        tensors = [as_tensor_arg(x, like) for x in inputs]
        if any(t.requires_grad for t in tensors):
            raise NotImplementedError(
                f"the derivative for '{name}' is not implemented; pass x.detach()"
            )
        out = getattr(special, _FROM_SCIPY[name])(*[t._array for t in tensors])
        return wrap(out[0] if name == "airy_ai" else out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"SciPy's `{_FROM_SCIPY[name]}`, element by element; not differentiable."
    return f


def __getattr__(name: str) -> Any:
    if name in _FROM_SCIPY:
        f = globals()[name] = _borrow(name)
        return f
    found = _named("special", name)
    if found is not None:
        globals()[name] = found
        return found
    from ._missing import explain

    raise AttributeError(explain(name, __all__, "wengert.special"))
