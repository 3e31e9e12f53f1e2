"""Forward-mode transforms: jvp, jacfwd, hessian and linearize."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..autograd.function_op import check_tangent
from ..core import dual, engine, state
from ..core.dual import Dual
from ..core.op import TENSORS as T
from ..core.op import share
from ..core.tensor import Tensor
from ..core.tree import flatten, unflatten
from .level import Arguments, only_tensors, pull, running, settle, variables
from .mapping import chunk_sizes, vmap
from .reverse import _with_aux, jacrev, only_real, unit_vectors


def jvp(
    func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """Return (func(*primals), J t): the value and its derivative in the direction of the tangents.

    Both have the structure of the output; aux is a third result with `has_aux`. Tangents have the
    structure, shapes and kinds of the primals. With `strict` an output that does not depend on the
    primals is a RuntimeError.

    >>> import wengert as torch
    >>> from wengert.func import jvp
    >>> jvp(torch.sin, (torch.tensor(0.),), (torch.tensor(2.),))
    (tensor(0.), tensor(2.))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to "
            "call f(*primals)."
        )
    xs, structure = flatten(primals)
    ts, given = flatten(tangents)
    if structure != given:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python "
            "structure. For example, if primals is a tuple of 3 tensors, tangents also must be. "
            f"Got primals with structure {structure!r} and tangents with structure {given!r}"
        )
    for leaves, name in ((xs, "primals"), (ts, "tangents")):
        if not leaves:
            raise RuntimeError(f"jvp(f, primals, tangents): Expected at least one Tensor in {name}")
        only_tensors(leaves, f"jvp(f, primals, tangents): Expected {name} to only contain Tensors, got")
    level = dual.open_level()
    try:
        with running(None):
            result = func(*unflatten([made_dual(level, x, t) for x, t in zip(xs, ts, strict=True)], structure))
        value, aux = _with_aux(result, "jvp") if has_aux else (result, None)
        outs, out_structure = flatten(value)
        only_tensors(
            outs,
            "jvp(f, primals, tangents): expected f(*primals) to return only tensors, got "
            "unsupported type",
        )
        values, pushed = [], []
        for o in outs:
            v, t = parted(level, o)
            if t is None:
                if strict:
                    raise RuntimeError(
                        "jvp(f, primals, tangents, strict=True): The output of f is independent of "
                        "the inputs. This is not allowed with strict=True."
                    )
                t = T.zeros_like(v)
            values.append(v)
            pushed.append(t)
        if has_aux:
            leaves, spec = flatten(aux)
            aux = unflatten([parted(level, a)[0] if isinstance(a, Tensor) else a for a in leaves], spec)
    finally:
        dual.close_level(level)
    both = unflatten(values, out_structure), unflatten(pushed, out_structure)
    return (*both, aux) if has_aux else both


def made_dual(level: int, x: Tensor, t: Tensor) -> Tensor:
    """Return x with the tangent t at a level."""
    for which, what in ((x, "primal"), (t, "tangent")):
        if which.dtype.category < 2:
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {which.dtype}")
    check_tangent(x, t)
    return Dual.over(level, share(x, x._edge), t)


def parted(level: int, t: Tensor) -> tuple[Tensor, Any]:
    """Return the value and the tangent (or None) of a result of a level."""
    if isinstance(t, Dual) and t.level == level:
        return t.value, t.note
    return t, None


def jacfwd(
    func: Callable, argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable:  # fmt: skip
    """Return the function that computes the Jacobian of `func`, column by column in forward mode.

    The result is that of `jacrev`; this is the faster one where there are more outputs than
    inputs. All columns are computed in one pass, or `chunk_size` at a time. `randomness` is that of
    `vmap`.

    >>> import wengert as torch
    >>> from wengert.func import jacfwd
    >>> jacfwd(lambda x: x ** 2)(torch.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacfwd: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        given = Arguments(argnums, args, kwargs, func)
        xs = given.leaves
        for x in xs:
            if not isinstance(x, Tensor):
                raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
        only_real(xs, "jacfwd", "inputs")
        kept: list = []

        def push(*tangents: Any) -> Any:
            result = jvp(lambda *leaves: given.call(func, leaves), tuple(xs), tangents, has_aux=has_aux)
            outs, structure = flatten(result[1])
            only_real(outs, "jacfwd", "outputs")
            if not kept:
                kept[:] = [structure, [tuple(o.shape) for o in outs], None]
            return (*outs, result[2]) if has_aux else tuple(outs)

        total = sum(x.numel() for x in xs)
        columns: list[list] = []
        at = 0
        for size in chunk_sizes(total, chunk_size):
            basis = unit_vectors(xs, at, size)
            found = _mapped(push, basis, randomness, has_aux, kept)
            columns = columns or [[] for _ in found]
            for piece, c in zip(columns, found, strict=True):
                piece.append(c)
            at += size
        structure, shapes, aux = kept
        blocks = []
        for piece, shape in zip(columns, shapes, strict=True):
            c = piece[0] if len(piece) == 1 else T.cat(piece, 0)
            parts, begin = [], 0
            for x in xs:
                n = x.numel()
                part = c if n == total else T.slice(c, 0, slice(begin, begin + n, 1))
                order = (*range(1, part.ndim), 0)
                parts.append(T.reshape(T.permute(part, order), (*shape, *x.shape)))
                begin += n
            blocks.append(given.trees(parts))
        jac = unflatten(blocks, structure)
        return (jac, aux) if has_aux else jac

    return jacobian


def _mapped(push: Callable, basis: list, randomness: str, has_aux: bool, kept: list) -> list:
    """Map over the basis; aux, which no tangent changes, is taken from the first example."""
    if not has_aux:
        return list(vmap(push, randomness=randomness)(*basis))

    def without_aux(*tangents: Any) -> Any:
        *outs, aux = push(*tangents)
        kept[2] = aux
        return tuple(outs)

    return list(vmap(without_aux, randomness=randomness)(*basis))


def hessian(func: Callable, argnums: Any = 0) -> Callable:
    """Return the function that computes the Hessian: forward over reverse, jacfwd(jacrev(func)).

    For a scalar function of a tensor of shape A it has the shape A + A; trees nest twice.

    >>> import wengert as torch
    >>> from wengert.func import hessian
    >>> hessian(lambda x: x[0] ** 2 * x[1])(torch.tensor([1., 3.]))
    tensor([[6., 2.],
            [2., 0.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """Return (func(*primals), jvp_fn): the derivative at one point as a function of the tangents.

    `func` runs once. jvp_fn(*tangents) is linear and costs one pass over the recorded graph; it is
    the transpose of the transposed graph (reverse mode differentiated in reverse mode), so it needs
    no forward rules.

    >>> import wengert as torch
    >>> from wengert.func import linearize
    >>> y, push = linearize(torch.sin, torch.tensor([0., 1.]))
    >>> push(torch.ones(2))
    tensor([1.0000, 0.5403])
    """
    leaves, structure = flatten(primals)
    with running() as scope:
        inner = variables(leaves, scope)
        value = func(*unflatten(inner, structure))
        outs, out_structure = flatten(value)
        only_tensors(
            outs, "linearize(f, *primals): expected f(*primals) to return only tensors, got"
        )
        us = variables([T.zeros_like(o._share(None)) for o in outs], scope)
        transposed = _transpose(outs, us, inner)
    shown = settle(value, scope)

    def push(*tangents: Any) -> Any:
        flat, found = flatten(tangents)
        if found != structure:
            raise RuntimeError(
                f"Expected the tangents {found!r} to have the same argspec as the primals {structure!r}"
            )
        for k, (x, t) in enumerate(zip(leaves, flat, strict=True)):
            if not isinstance(t, Tensor) or t.shape != x.shape:
                said = t.shape if isinstance(t, Tensor) else type(t).__name__
                raise RuntimeError(
                    f"tangent:{k} with shape {said} in flattened pytree doesn't match the shape "
                    f"{x.shape} of the corresponding primal."
                )
        now = state.is_grad_enabled()
        with running(now) as called:
            called.outer = now
            results = pull(transposed, flat, us, called, retain=True)
        return unflatten(results, out_structure)

    return shown, push


def _transpose(outs: list, us: list, inner: list) -> list:
    """Pull the variables `us` back, recorded: what comes out is linear in them."""
    roots = [(o._edge, engine.from_user(u)) for o, u in zip(outs, us, strict=True) if o._edge is not None]
    edges = [v._edge for v in inner]
    caught = engine.run(roots, inputs=edges, retain=True, create=True) if roots else {}
    return [
        engine.to_user(caught[e], v._spec) if e in caught else T.zeros_like(v._share(None))
        for v, e in zip(inner, edges, strict=True)
    ]


__all__ = ["hessian", "jacfwd", "jvp", "linearize"]
