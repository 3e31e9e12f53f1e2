"""Reverse-mode transforms: grad, grad_and_value, vjp and jacrev."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import state
from ..core.op import TENSORS as T
from ..core.tensor import Tensor, wrap
from ..core.tree import flatten, unflatten
from .level import Arguments, only_tensors, pull, running, settle, variables
from .mapping import chunk_sizes, vmap

_JACREV = "jacrev"


def grad(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """Return the function that computes the gradient of `func`, which returns one real number.

    argnums  which argument to differentiate: its position or its name, or a tuple of such; an
             argument may be a tensor or any tree of tensors, and the gradient has its structure
    has_aux  `func` returns (value, aux), and the new function (gradient, aux); aux may be anything

    The result can be differentiated, mapped and nested again. RuntimeError if the value is no
    real scalar tensor.

    >>> import wengert as torch
    >>> from wengert.func import grad
    >>> grad(torch.sin)(torch.tensor(0.))
    tensor(1.)
    >>> grad(lambda p, x: (p["w"] * x + p["b"]) ** 2)({"w": torch.tensor(2.), "b": torch.tensor(1.)}, torch.tensor(3.))
    {'w': tensor(42.), 'b': tensor(14.)}
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        g, value = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


def grad_and_value(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """Return the function that computes (gradient, value) of `func`; see `grad`.

    With `has_aux` it returns (gradient, (value, aux)).

    >>> import wengert as torch
    >>> from wengert.func import grad_and_value
    >>> grad_and_value(lambda x: (x ** 2).sum())(torch.tensor([1., 2.]))
    (tensor([2., 4.]), tensor(5.))
    """

    @functools.wraps(func)
    def gradient_and_value(*args: Any, **kwargs: Any) -> Any:
        given = Arguments(argnums, args, kwargs, func)
        with running() as scope:
            inner = variables(given.leaves, scope)
            result = given.call(func, inner)
            value, aux = _with_aux(result, "grad_and_value") if has_aux else (result, None)
            _check_scalar(value)
            gradients = pull([value], [T.ones_like(value)], inner, scope, retain=False)
        found = given.trees(gradients)
        value = settle(value, scope)
        return (found, (value, settle(aux, scope))) if has_aux else (found, value)

    return gradient_and_value


def _with_aux(result: Any, name: str) -> tuple[Any, Any]:
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{name}(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


def _check_scalar(value: Any) -> None:
    if not isinstance(value, Tensor):
        raise RuntimeError(
            f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(value)}"
        )
    if value.ndim:
        raise RuntimeError(
            "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor "
            f"with {value.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
        )
    if not value.dtype.is_floating_point:
        raise RuntimeError(
            f"grad can be implicitly created only for real scalar outputs but got {value.dtype}"
        )


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> Any:
    """Return (func(*primals), vjp_fn), and aux as a third with `has_aux`.

    vjp_fn takes a cotangent for the output, in its structure, and returns the tuple of v^T J: one
    entry for each primal, in its structure. It may be called as often as wanted, mapped, and
    differentiated.

    >>> import wengert as torch
    >>> from wengert.func import vjp
    >>> y, pullback = vjp(torch.sin, torch.tensor([0., 1.]))
    >>> pullback(torch.ones(2))
    (tensor([1.0000, 0.5403]),)
    """
    return _vjp(func, primals, has_aux, "vjp")


def _vjp(func: Callable, primals: tuple, has_aux: bool, name: str) -> Any:
    leaves, structure = flatten(primals)
    with running() as scope:
        inner = variables(leaves, scope)
        result = func(*unflatten(inner, structure))
        value, aux = _with_aux(result, name) if has_aux else (result, None)
        outs, out_structure = flatten(value)
        only_tensors(
            outs, "vjp(f, *primals): expected f(*primals) to return only tensors, got unsupported type"
        )

    def pullback(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        flat, found = flatten(given)
        if found != out_structure:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {found.brief()}, primal output: "
                f"{out_structure.brief()}"
            )
        for k, (o, c) in enumerate(zip(outs, flat, strict=True)):
            if not isinstance(c, Tensor):
                raise RuntimeError(f"vjp_fn: cotangent {k} must be a Tensor, not {type(c).__name__}")
            if c.shape != o.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{k}] has a shape of {c.shape} and output[{k}] "
                    f"has a shape of {o.shape}."
                )
        now = state.is_grad_enabled() if create_graph is None else create_graph
        with running(now) as called:
            called.outer = now
            results = pull(outs, flat, inner, called, retain=retain_graph)
        return unflatten(results, structure)

    shown = settle(value, scope)
    return (shown, pullback, settle(aux, scope)) if has_aux else (shown, pullback)


def jacrev(
    func: Callable,
    argnums: Any = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """Return the function that computes the Jacobian of `func`, row by row in reverse mode.

    For an output of shape S and an argument of shape A the Jacobian has the shape S + A; trees of
    outputs and arguments give a tree of them, outputs outside. All rows are computed in one pass
    (vmap) or, with `chunk_size`, so many at a time. `argnums` and `has_aux` are those of `grad`.
    RuntimeError for complex inputs or outputs.

    >>> import wengert as torch
    >>> from wengert.func import jacrev
    >>> jacrev(lambda x: x ** 2)(torch.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"{_JACREV}: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        given = Arguments(argnums, args, kwargs, func)
        only_real(given.leaves, "jacrev", "inputs")

        def flat(*leaves: Any) -> Any:
            return given.call(func, leaves)

        result = _vjp(flat, tuple(given.leaves), has_aux, "jacrev")
        value, pullback = result[:2]
        outs, out_structure = flatten(value)
        only_real(outs, "jacrev", "outputs")
        rows = _rows(outs, out_structure, pullback, len(given.leaves), chunk_size)
        blocks = []
        at = 0
        for o in outs:
            n = o.numel()
            parts = [
                T.reshape(_part(r, at, n), (*o.shape, *x.shape))
                for r, x in zip(rows, given.leaves, strict=True)
            ]
            blocks.append(given.trees(parts))
            at += n
        jac = unflatten(blocks, out_structure)
        return (jac, result[2]) if has_aux else jac

    return jacobian


def only_real(leaves: Any, name: str, what: str) -> None:
    """Raise RuntimeError for complex tensors among the leaves."""
    for k, t in enumerate(leaves):
        if isinstance(t, Tensor) and t.dtype.is_complex:
            raise RuntimeError(
                f"{name}: Expected all {what} to be real but received complex tensor at flattened "
                f"{what[:-1]} idx: {k}"
            )


def _part(t: Tensor, at: int, n: int) -> Tensor:
    return t if t.shape[0] == n else T.slice(t, 0, slice(at, at + n, 1))


def _rows(outs: list, structure: Any, pullback: Callable, count: int, chunk: int | None) -> list:
    """Pull every unit cotangent of the outputs back: one tensor (number of outputs, ...) per input."""
    total = sum(o.numel() for o in outs)
    pieces: list[list] = [[] for _ in range(count)]
    at = 0
    for size in chunk_sizes(total, chunk):
        basis = unflatten(unit_vectors(outs, at, size), structure)
        if size == 1 and total > 1:
            one = unflatten([T.select(b, 0, 0) for b in flatten(basis)[0]], structure)
            found = [T.unsqueeze(r, 0) for r in pullback(one)]
        else:
            found = vmap(pullback)(basis)
        for piece, r in zip(pieces, found, strict=True):
            piece.append(r)
        at += size
    return [p[0] if len(p) == 1 else T.cat(p, 0) for p in pieces]


def unit_vectors(outs: list, at: int, size: int) -> list:
    """Return rows at .. at + size of the identity over the elements of all outputs, split among them."""
    basis, begin = [], 0
    for o in outs:
        n = o.numel()
        rows = np.zeros((size, n), o.dtype.np)
        first, last = max(at, begin), min(at + size, begin + n)
        if first < last:
            k = np.arange(first, last)
            rows[k - at, k - begin] = 1
        basis.append(wrap(rows.reshape((size, *o.shape))))
        begin += n
    return basis


__all__ = ["grad", "grad_and_value", "jacrev", "vjp"]
