"""Transforms of functions: grad, vjp, jvp, vmap and what is made of them; they nest in any order."""

from __future__ import annotations

from .custom import custom_jvp, custom_vjp
from .forward import hessian, jacfwd, jvp, linearize
from .mapping import vmap
from .reverse import grad, grad_and_value, jacrev, vjp
from .shapes import debug_unwrap, rearrange
from .sparse import hessian_pattern, jacobian_pattern, sparse_hessian, sparse_jacobian
from .stateless import (
    functional_call,
    functionalize,
    replace_all_batch_norm_modules_,
    stack_module_state,
)

__all__ = [
    "custom_jvp", "custom_vjp", "hessian_pattern", "jacobian_pattern", "sparse_hessian",
    "sparse_jacobian",
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian",
    "jacfwd", "jacrev", "jvp", "linearize", "rearrange", "replace_all_batch_norm_modules_",
    "stack_module_state", "vjp", "vmap",
]  # fmt: skip
