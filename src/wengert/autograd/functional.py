"""Jacobians, Hessians and their products with vectors, for functions of tensors.

Every function takes `func` and `inputs`, a tensor or a tuple of tensors, and mirrors that structure
in what it returns; what is nested deeper is mirrored too (`functional_trees`). `func` sees fresh
tensors, so gradients of captured tensors are not affected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._missing import getter
from ..core import state
from ..core.batch import batched_over, close_batch, open_batch, whole
from ..core.op import TENSORS
from ..core.tensor import Tensor, wrap
from .functional_trees import matrix_over_trees, product_over_trees
from .run import grad

_HESSIAN_STRICT = (
    "While computing the hessian, found that the jacobian of the user-provided function with "
    "respect to input {} is independent of the input. This is not allowed in strict mode. You "
    "should ensure that your function is twice differentiable and that the jacobian depends on the "
    "inputs (this would be violated by a linear function for example)."
)


# ------------------------------------------------------------------- what users give and get
def _as_tuple(value: Any, what: str, name: str) -> tuple[bool, tuple[Tensor, ...]]:
    """Return (was it a tuple, the tuple), or a TypeError that names what is wrong."""
    many = isinstance(value, tuple)
    for k, t in enumerate(value if many else (value,)):
        if not isinstance(t, Tensor):
            found = f"the value at index {k}" if many else f"the given {what}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but "
                f"{found} has type {type(t)}."
            )
    return many, (value if many else (value,))


def _outputs(value: Any, name: str) -> tuple[bool, tuple[Tensor, ...]]:
    return _as_tuple(value, "outputs of the user-provided function", name)


def _fresh(inputs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    """The points to differentiate at: new leaves, or with create_graph views of the inputs."""
    return tuple((t.view_as(t) if create_graph else t.detach()).requires_grad_() for t in inputs)


def _finished(results: Any, create_graph: bool) -> Any:
    """Cut results off from the graph unless it was asked for."""
    if create_graph:
        return results
    if isinstance(results, tuple):
        return tuple(_finished(r, False) for r in results)
    return results.detach()


def _like(structure_is_tuple: bool, items: Sequence) -> Any:
    return tuple(items) if structure_is_tuple else items[0]


def _vector(v: Any, other: tuple[Tensor, ...], many: bool, name: str, missing: str) -> tuple:
    """Check a vector against the tensors that it goes with; None stands for a single one."""
    if v is None:
        if len(other) != 1 or other[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {missing}.")
        return (TENSORS.ones_like(other[0]).detach(),)
    _, v = _as_tuple(v, "v", name)
    if len(v) != len(other):
        if many:
            raise RuntimeError(
                f"v is a tuple of invalid length: should be {len(other)} but got {len(v)}."
            )
        raise RuntimeError("The given v should contain a single Tensor.")
    for k, (a, b) in enumerate(zip(v, other, strict=True)):
        if a.shape != b.shape:
            entry = f"Entry {k} in " if many else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {b.shape} but got {a.shape}.")
    return v


_NO_V_OUTPUT = "the user-provided function returns a single Tensor with a single element"
_NO_V_INPUT = "the input to the user-provided function is a single Tensor with a single element"


# ------------------------------------------------------------------- gradients with strictness
def _need_history(outputs: tuple[Tensor, ...], strict: bool) -> None:
    if strict:
        for k, t in enumerate(outputs):
            if not t.requires_grad:
                raise RuntimeError(
                    f"Output {k} of the user-provided function does not require gradients. The "
                    "outputs must be computed in a differentiable manner from the input when "
                    "running in strict mode."
                )


def _grads(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], v: Sequence | None, create: bool,
    *, retain: bool | None = None,
) -> tuple:  # fmt: skip
    """Gradients of those outputs that have a history; None where nothing arrives."""
    pairs = [(t, None if v is None else v[k]) for k, t in enumerate(outputs) if t.requires_grad]
    if v is not None:
        pairs = [(t, g) for t, g in pairs if g is not None]
    if not pairs:
        return (None,) * len(inputs)
    roots, cotangents = zip(*pairs, strict=True)
    return grad(
        roots, inputs, cotangents, create_graph=create, retain_graph=retain, allow_unused=True
    )


def _filled(
    grads: Sequence, like: Sequence[Tensor], strict: bool, create_graph: bool, stage: str
) -> tuple[Tensor, ...]:
    """Zeros where nothing arrived; in strict mode an error that says what is independent."""
    filled = []
    for k, (g, t) in enumerate(zip(grads, like, strict=True)):
        if g is None:
            if strict:
                if stage == "double_back":
                    raise RuntimeError(_HESSIAN_STRICT.format(k))
                raise RuntimeError(
                    f"The output of the user-provided function is independent of input {k}. This "
                    "is not allowed in strict mode."
                )
            g = TENSORS.zeros_like(t)
        elif strict and create_graph and not g.requires_grad:
            if stage == "back_of_two":
                raise RuntimeError(_HESSIAN_STRICT.format(k))
            if stage == "double_back":
                raise RuntimeError(
                    "The hessian of the user-provided function is independent of input "
                    f"{k}. This is not allowed in strict mode when create_graph=True."
                )
            raise RuntimeError(
                "The jacobian of the user-provided function is independent of input "
                f"{k}. This is not allowed in strict mode when create_graph=True."
            )
        filled.append(g)
    return tuple(filled)


def _recording(f: Callable) -> Callable:
    """Run with recording on, whatever the caller's mode; restored also after an error."""
    import functools

    @functools.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        before = state.set_grad_enabled(True)
        try:
            return f(*args, **kwargs)
        finally:
            state.set_grad_enabled(before)

    return run


# ------------------------------------------------------------------- products
@product_over_trees("outputs", "inputs")
@_recording
def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return `(func(*inputs), v^T J)`, J being the Jacobian of `func` at `inputs`.

    v             of the shapes of the outputs; may be None for an output of one element
    create_graph  make the result differentiable
    strict        RuntimeError instead of zeros for an output that does not depend on an input

    >>> import wengert as torch
    >>> x = torch.tensor([1., 2.])
    >>> torch.autograd.functional.vjp(lambda x: x ** 2, x, torch.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    many, inputs = _as_tuple(inputs, "inputs", "vjp")
    inputs = _fresh(inputs, create_graph)
    many_out, outputs = _outputs(func(*inputs), "vjp")
    _need_history(outputs, strict)
    v = _vector(v, outputs, many_out, "vjp", _NO_V_OUTPUT)
    found = _filled(_grads(outputs, inputs, v, create_graph), inputs, strict, create_graph, "back")
    return (
        _finished(_like(many_out, outputs), create_graph),
        _finished(_like(many, found), create_graph),
    )


@product_over_trees("inputs", "outputs")
@_recording
def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return `(func(*inputs), J v)`, J being the Jacobian of `func` at `inputs`.

    It differentiates u -> u^T J, which is linear in u, once more: only reverse mode is needed.
    Forward mode (`forward_ad`) costs less where every call has a forward rule.

    v             of the shapes of the inputs; may be None for an input of one element
    create_graph  make the result differentiable
    strict        RuntimeError instead of zeros for an output that does not depend on an input

    >>> import wengert as torch
    >>> x = torch.tensor([1., 2.])
    >>> torch.autograd.functional.jvp(lambda x: (x ** 2).sum(), x, torch.ones(2))
    (tensor(5.), tensor(6.))
    """
    many, inputs = _as_tuple(inputs, "inputs", "jvp")
    inputs = _fresh(inputs, create_graph)
    v = _vector(v, inputs, many, "jvp", _NO_V_INPUT)
    many_out, outputs = _outputs(func(*inputs), "jvp")
    _need_history(outputs, strict)
    u = tuple(TENSORS.zeros_like(t).detach().requires_grad_() for t in outputs)
    rows = _grads(outputs, inputs, u, True)
    rows = _filled(rows, inputs, strict, create_graph, "back")
    columns = _grads(rows, u, v, create_graph)
    if create_graph and strict:
        for k, c in enumerate(columns):
            if c is not None and not c.requires_grad:
                raise RuntimeError(
                    f"The jacobian of the user-provided function is independent of input {k}. "
                    "This is not allowed in strict mode when create_graph=True."
                )
    found = tuple(
        TENSORS.zeros_like(t) if c is None else c for c, t in zip(columns, outputs, strict=True)
    )
    return (
        _finished(_like(many_out, outputs), create_graph),
        _finished(_like(many_out, found), create_graph),
    )


def _scalar(many_out: bool, outputs: tuple[Tensor, ...], name: str) -> None:
    if many_out:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element"
        )


@product_over_trees("inputs", "inputs")
@_recording
def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return `(func(*inputs), v^T H)`, H being the Hessian of a scalar `func`.

    One reverse pass through the gradient; the Hessian being symmetric this is also H v, at half
    the cost of `hvp`. `v` has the shapes of the inputs.

    >>> import wengert as torch
    >>> torch.autograd.functional.vhp(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]), torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    many, inputs = _as_tuple(inputs, "inputs", "vhp")
    inputs = _fresh(inputs, create_graph)
    v = _vector(v, inputs, many, "vhp", _NO_V_INPUT)
    many_out, outputs = _outputs(func(*inputs), "vhp")
    _scalar(many_out, outputs, "vhp")
    _need_history(outputs, strict)
    slope = _filled(_grads(outputs, inputs, None, True), inputs, strict, strict, "back_of_two")
    second = _grads(slope, inputs, v, create_graph)
    found = _filled(second, inputs, strict, create_graph, "double_back")
    return (
        _finished(outputs[0], create_graph),
        _finished(_like(many, found), create_graph),
    )


@product_over_trees("inputs", "inputs")
@_recording
def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return `(func(*inputs), H v)`, H being the Hessian of a scalar `func`.

    The gradient, and then its product with v by the same double reverse pass as `jvp`.

    >>> import wengert as torch
    >>> torch.autograd.functional.hvp(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]), torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    many, inputs = _as_tuple(inputs, "inputs", "hvp")
    inputs = _fresh(inputs, create_graph)
    v = _vector(v, inputs, many, "hvp", _NO_V_INPUT)
    many_out, outputs = _outputs(func(*inputs), "hvp")
    _scalar(many_out, outputs, "hvp")
    _need_history(outputs, strict)
    slope = _filled(_grads(outputs, inputs, None, True), inputs, strict, strict, "back_of_two")
    u = tuple(TENSORS.zeros_like(t).detach().requires_grad_() for t in inputs)
    rows = _filled(_grads(slope, inputs, u, True), inputs, strict, create_graph, "double_back")
    columns = _grads(rows, u, v, create_graph)
    found = _filled(columns, inputs, False, False, "double_back")
    return (
        _finished(outputs[0], create_graph),
        _finished(_like(many, found), create_graph),
    )


# ------------------------------------------------------------------- matrices
@matrix_over_trees(1)
@_recording
def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return the Jacobian of `func` at `inputs`.

    For one output and one input a tensor J of shape output.shape + input.shape with
    J[i, j] = d output_i / d input_j; with tuples a tuple over outputs of tuples over inputs.

    create_graph  make the result differentiable
    strict        RuntimeError instead of zeros where an output does not depend on an input
    vectorize     compute all rows of an output in one pass (vmap) rather than one after the other
    strategy      "reverse-mode", or (with vectorize) "forward-mode", which is the faster one where
                  there are more outputs than inputs

    >>> import wengert as torch
    >>> torch.autograd.functional.jacobian(lambda x: x ** 2, torch.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        return _forward_jacobian(func, inputs, create_graph, strict, vectorize)
    if vectorize and strict:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    many, inputs = _as_tuple(inputs, "inputs", "jacobian")
    return _reverse_jacobian(func, many, inputs, create_graph, strict, vectorize=vectorize)


def _reverse_jacobian(
    func: Callable, many: bool, inputs: tuple[Tensor, ...], create: bool, strict: bool,
    of_slope: bool = False, vectorize: bool = False,
) -> Any:  # fmt: skip
    """The Jacobian by reverse mode; `of_slope` says that a Hessian is being computed with it."""
    inputs = _fresh(inputs, create)
    many_out, outputs = _outputs(func(*inputs), "jacobian")
    _need_history(outputs, strict)
    found = tuple(
        _like(
            many,
            _all_rows(t, inputs, create)
            if vectorize
            else _reverse_rows(t, inputs, k, create, strict, of_slope),
        )
        for k, t in enumerate(outputs)
    )
    return _finished(_like(many_out, found), create)


def _reverse_rows(
    out: Tensor, inputs: tuple[Tensor, ...], number: int, create: bool, strict: bool, of_slope: bool
) -> list[Tensor]:
    """The Jacobians of one output: a reverse pass per element, stacked."""
    _check_real(out)
    rows: list[list[Tensor]] = [[] for _ in inputs]
    used = [False] * len(inputs)
    for k in range(out.numel() if out.requires_grad else 0):
        unit = np.zeros(tuple(out.shape), out.dtype.np)
        unit.reshape(-1)[k] = 1
        row = grad(
            out, inputs, wrap(unit), retain_graph=True, create_graph=create, allow_unused=True
        )
        for i, (g, t) in enumerate(zip(row, inputs, strict=True)):
            if strict:
                _need_dependence(g, number, i, create, of_slope)
            used[i] |= g is not None
            rows[i].append(TENSORS.zeros_like(t) if g is None else g)
    result = []
    for i, t in enumerate(inputs):
        shape = tuple(out.shape) + tuple(t.shape)
        if not used[i]:
            result.append(wrap(np.zeros(shape, t.dtype.np)))
        elif create:
            result.append(TENSORS.stack(rows[i], 0).view(shape))
        else:
            result.append(wrap(np.stack([g._array for g in rows[i]]).reshape(shape)))
    return result


def _check_real(out: Tensor) -> None:
    if out.dtype.is_complex:
        raise RuntimeError(
            f"grad can be implicitly created only for real scalar outputs but got {out.dtype}; "
            "take the Jacobians of out.real and out.imag"
        )


def _units(t: Tensor) -> Tensor:
    """Return all unit tensors of the shape of `t`, along a new first dim."""
    n = t.numel()
    return wrap(np.eye(n, dtype=t.dtype.np).reshape((n, *t.shape)))


def _all_rows(out: Tensor, inputs: tuple[Tensor, ...], create: bool) -> list[Tensor]:
    """The Jacobians of one output by one batched pass."""
    _check_real(out)
    found: Any = [None] * len(inputs)
    if out.requires_grad and out.numel():
        found = grad(
            out, inputs, _units(out), retain_graph=True, create_graph=create, allow_unused=True,
            is_grads_batched=True,
        )  # fmt: skip
    return [
        wrap(np.zeros((*out.shape, *t.shape), t.dtype.np))
        if g is None
        else TENSORS.reshape(g, (*out.shape, *t.shape))
        for g, t in zip(found, inputs, strict=True)
    ]


def _need_dependence(g: Any, number: int, i: int, create: bool, of_slope: bool) -> None:
    """Raise if an output, or its gradient where that must have a history, is independent."""
    if of_slope and (g is None or not g.requires_grad):
        raise RuntimeError(_HESSIAN_STRICT.format(i))
    if g is None:
        raise RuntimeError(
            f"Output {number} of the user-provided function is independent of input {i}. This is "
            "not allowed in strict mode."
        )
    if create and not g.requires_grad:
        raise RuntimeError(
            f"The jacobian of the user-provided function is independent of input {i}. This is not "
            "allowed in strict mode when create_graph=True."
        )


def _forward_jacobian(
    func: Callable, inputs: Any, create_graph: bool, strict: bool, vectorize: bool
) -> Any:
    """The Jacobian by forward mode: a pass per input element, each a column."""
    from . import forward_ad

    which = "torch.autograd.functional.jacobian: "
    if strict:
        raise RuntimeError(
            f'{which}`strict=True` and `strategy="forward-mode"` are not supported together (yet). '
            'Please either set `strict=False` or `strategy="reverse-mode"`.'
        )
    if create_graph:
        raise NotImplementedError(
            f'{which}`create_graph=True` and `strategy="forward-mode"` are not supported together '
            '(yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
        )
    if not vectorize:
        raise NotImplementedError(  # PyTorch's words, its missing space included
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is"
            "only implemented for `vectorize=True`."
        )
    many, inputs = _as_tuple(inputs, "inputs", "jacobian")
    blocks: list[list[Tensor]] = []  # [input][output]
    many_out = False
    for i, t in enumerate(inputs):
        level = open_batch(t.numel(), "error")
        try:
            with forward_ad.dual_level():
                tangent = batched_over(level, _units(t), 0)
                point = tuple(
                    forward_ad.make_dual(s, tangent) if j == i else s.view_as(s)
                    for j, s in enumerate(inputs)
                )
                many_out, outputs = _outputs(func(*point), "jacobian")
                pairs = [forward_ad.unpack_dual(o) for o in outputs]
            blocks.append([])
            for p in pairs:
                slope = TENSORS.zeros_like(p.primal).detach() if p.tangent is None else p.tangent
                columns = whole(level, slope, p.primal.ndim)  # the elements of the input come last
                blocks[-1].append(TENSORS.reshape(columns, (*p.primal.shape, *t.shape)))
        finally:
            close_batch(level)
    found = [_like(many, list(row)) for row in zip(*blocks, strict=True)]
    return _like(many_out, found)


@matrix_over_trees(2)
@_recording
def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return the Hessian of a scalar `func` at `inputs`.

    For one input a tensor H of shape input.shape + input.shape with
    H[i, j] = d^2 func / d input_i d input_j; for a tuple a tuple of tuples, [i][j] for inputs i, j.
    The flags are those of `jacobian`.

    >>> import wengert as torch
    >>> torch.autograd.functional.hessian(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    many, inputs = _as_tuple(inputs, "inputs", "hessian")

    def scalar(*point: Tensor) -> Tensor:
        many_out, outputs = _outputs(func(*point), "hessian")
        _scalar(many_out, outputs, "hessian")
        return outputs[0].reshape(()) if outputs[0].ndim else outputs[0]

    def slope(*point: Tensor) -> tuple[Tensor, ...]:
        return _reverse_jacobian(scalar, True, point, True, strict, of_slope=True)

    found = jacobian(
        slope, inputs, create_graph, strict, vectorize=vectorize, strategy=outer_jacobian_strategy
    )
    return _like(many, tuple(_like(many, row) for row in found))


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

__getattr__ = getter(__name__, __all__)
