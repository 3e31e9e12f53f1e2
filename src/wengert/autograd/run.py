"""`backward` and `grad`: check what the user gave, then run the engine."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from ..core import engine, state, tree
from ..core.batch import batched_over, close_batch, open_batch, whole
from ..core.node import Node
from ..core.tensor import Tensor, wrap
from .gradient_edge import GradientEdge
from .nesting import flat, flat_pair, is_edge, is_nested

K = TypeVar("K")


def _as_sequence(x: Any) -> tuple:
    return (x,) if isinstance(x, Tensor | GradientEdge) else tuple(x)


def _edge(t: Any, k: int) -> Node:
    """The edge that a root starts from."""
    if isinstance(t, GradientEdge):
        return t.edge
    if not isinstance(t, Tensor):
        raise TypeError(f"element {k} of tensors must be a Tensor, not {type(t).__name__}")
    e = t._edge
    while e is None and (inner := getattr(t, "value", None)) is not None:
        t = inner
        e = t._edge
    if e is None:
        raise RuntimeError(
            f"element {k} of tensors does not require grad and does not have a grad_fn (it is a "
            f"tensor of shape {list(t.shape)}); compute it from a tensor with requires_grad=True, "
            "with recording switched on"
        )
    return e


def _first_cotangent(out: Any, g: Any, k: int, create: bool) -> Any:
    """Check one grad_output and turn it into a cotangent (an array, or a tensor with create)."""
    if g is None:
        if isinstance(out, GradientEdge):
            raise RuntimeError("grad_outputs must be given for outputs that are gradient edges")
        if not out.dtype.is_floating_point:
            raise RuntimeError(
                "grad can be implicitly created only for real scalar outputs but got "
                f"{out.dtype}"
            )
        if out._spec.numel != 1:
            raise RuntimeError(
                "grad can be implicitly created only for scalar outputs; this one has shape "
                f"{list(out.shape)}: call .sum() first, or pass gradient= of that shape"
            )
        ones = np.ones(out._spec.shape, out._spec.np)
        return wrap(ones) if create else ones
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if isinstance(out, Tensor):
        if g.shape != out.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{k}] has a shape of {g.shape} and output[{k}] has "
                f"a shape of {out.shape}."
            )
        if g.dtype.is_complex != out.dtype.is_complex:
            raise RuntimeError(
                "For complex Tensors, both grad_output and output are required to have the same "
                f"dtype. Mismatch in dtype: grad_output[{k}] has a dtype of {g.dtype} and "
                f"output[{k}] has a dtype of {out.dtype}."
            )
        if g.dtype is not out.dtype:
            g = g.to(out.dtype)
    g = engine.from_user(g)
    return g if create or not g._spec.plain else g._array


def _roots(tensors: tuple, grads: Any, create: bool) -> list[tuple[Node, Any]]:
    if grads is None:
        given: tuple = (None,) * len(tensors)
    else:
        given = (grads,) if isinstance(grads, Tensor) else tuple(grads)
        if len(given) != len(tensors):
            raise RuntimeError(
                f"got {len(tensors)} tensors and {len(given)} gradients: they must be as many"
            )
    roots = []
    for k, (t, g) in enumerate(zip(tensors, given, strict=True)):
        first = _first_cotangent(t, g, k, create) if isinstance(t, Tensor | GradientEdge) else None
        roots.append((_edge(t, k), first))
    return roots


def _tensor_mode(tensors: tuple, create: bool, grads: Any = None) -> bool:
    """Wrapped values (duals, batches) can only be pulled over tensors."""
    given = (grads,) if grads is None or isinstance(grads, Tensor) else tuple(grads)
    return create or any(isinstance(t, Tensor) and not t._spec.plain for t in (*tensors, *given))


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Compute the gradients of `tensors` and add them to `.grad` of the leaves.

    The gradient of a leaf w is the sum over the roots of (grad_tensor)^T (d root / d w). A root
    that is not a single element needs its grad_tensor, of the same shape.

    tensors       a tensor, or a sequence of them (or of gradient edges)
    grad_tensors  the cotangents; None entries are allowed for single-element real roots
    retain_graph  keep what the graph saved, so that it can run again (default: create_graph)
    create_graph  record the computation of the gradients, for higher derivatives
    inputs        only these tensors (leaves or not) receive a gradient

    >>> import wengert as torch
    >>> x = torch.tensor([1., 2.], requires_grad=True)
    >>> torch.autograd.backward((x ** 2).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    if state.in_transform():
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or functorch.vjp instead or call backward() outside of functorch "
            "transforms; here they are torch.func.grad and torch.func.vjp"
        )
    if inputs is not None:
        inputs = flat(inputs)[0] if is_nested(inputs) else _as_sequence(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    tensors, grad_tensors = flat_pair(tensors, grad_tensors)
    tensors = _as_sequence(tensors)
    retain = create_graph if retain_graph is None else retain_graph
    over_tensors = _tensor_mode(tensors, create_graph)
    roots = _roots(tensors, grad_tensors, over_tensors)
    if create_graph:
        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the "
            "parameter and its gradient which can cause a memory leak. We recommend using "
            "autograd.grad when creating the graph to avoid this. If you have to use this "
            "function, make sure to reset the .grad fields of your parameters to None after use "
            "to break the cycle and avoid the leak.",
            UserWarning,
            stacklevel=3,
        )
    wanted = [_wanted(t, k) for k, t in enumerate(inputs)] if inputs is not None else []
    for t in inputs or ():
        if isinstance(t, Tensor):
            t.retain_grad()
    before = state.set_grad_enabled(create_graph)
    try:
        engine.run(roots, inputs=wanted, leaves=True, retain=retain, create=over_tensors)
    finally:
        state.set_grad_enabled(before)


def _wanted(t: Any, k: int, paths: list[str] | None = None) -> Node:
    if isinstance(t, GradientEdge):
        return t.edge
    if not isinstance(t, Tensor):
        where = f"entry {k}" if paths is None else paths[k]
        raise TypeError(f"inputs must be Tensors, but {where} is {type(t).__name__}")
    if t._edge is None:
        from .naming import called

        raise RuntimeError(
            "One of the differentiated Tensors does not require grad: "
            f"{called(t, k, paths)}; call requires_grad_() on it before it is used"
        )
    return t._edge


if TYPE_CHECKING:

    @overload
    def grad(outputs: Any, inputs: dict[K, Any], *args: Any, **kwargs: Any) -> dict[K, Tensor]: ...
    @overload
    def grad(
        outputs: Any,
        inputs: Any,
        grad_outputs: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        only_inputs: bool = True,
        allow_unused: bool | None = None,
        is_grads_batched: bool = False,
        materialize_grads: bool = False,
    ) -> tuple[Tensor, ...]: ...


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Return the gradients of `outputs` with respect to `inputs`; no `.grad` is touched.

    Entry k is the sum over outputs of (grad_output)^T (d output / d inputs[k]), of the shape of
    inputs[k]; None for an unused input if `allow_unused`, zeros if `materialize_grads`. A dict of
    inputs gives a dict, any nesting of dicts, lists and tuples the same nesting. With
    `is_grads_batched`, grad_outputs has a leading batch dim and so have the results.

    >>> import wengert as torch
    >>> x = torch.tensor(3., requires_grad=True)
    >>> (g,) = torch.autograd.grad(x ** 3, x, create_graph=True)
    >>> g, torch.autograd.grad(g, x)
    (tensor(27., grad_fn=<MulBackward0>), (tensor(18.),))
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    if allow_unused is None:
        allow_unused = materialize_grads
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To "
            "accumulate gradient for other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    spec: Any = None
    paths: list[str] | None = None
    if is_nested(inputs):
        from . import naming

        paths = naming.paths(inputs, "inputs", is_edge)
        inputs, spec = flat(inputs)
    outputs, grad_outputs = flat_pair(outputs, grad_outputs)
    outputs, inputs = _as_sequence(outputs), _as_sequence(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if is_grads_batched:
        found = _batched(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads)
        return found if spec is None else tree.unflatten(list(found), spec)
    retain = create_graph if retain_graph is None else retain_graph
    over_tensors = _tensor_mode(outputs, create_graph, grad_outputs)
    roots = _roots(outputs, grad_outputs, over_tensors)
    wanted = [_wanted(t, k, paths) for k, t in enumerate(inputs)]
    before = state.set_grad_enabled(create_graph)
    try:
        caught = engine.run(roots, inputs=wanted, retain=retain, create=over_tensors)
        results = []
        for k, (t, e) in enumerate(zip(inputs, wanted, strict=True)):
            g = caught.get(e)
            if g is None:
                if not allow_unused:
                    raise _unused(inputs, wanted, caught, k, paths)
                results.append(engine.zeros_for(t._spec) if materialize_grads else None)
                continue
            if isinstance(t, Tensor):
                g = engine.to_user(g, t._spec)
            results.append(g if isinstance(g, Tensor) else _own_tensor(g, roots))
    finally:
        state.set_grad_enabled(before)
    return tuple(results) if spec is None else tree.unflatten(results, spec)


def _unused(inputs: tuple, wanted: list, caught: dict, k: int, paths: Any) -> RuntimeError:
    """Name every input that the outputs don't depend on; the first is number k."""
    from .naming import called

    unused = [j for j, e in enumerate(wanted) if caught.get(e) is None]
    named = "; ".join(called(inputs[j], j, paths) for j in unused)
    return RuntimeError(
        f"The differentiated Tensor at index {k} appears to not have been used in the graph. Set "
        f"allow_unused=True if this is the desired behavior. No output depends on {named}: "
        "allow_unused=True gives None for it, materialize_grads=True gives zeros."
    )


def _own_tensor(g: Any, roots: list) -> Tensor:
    """A result must not alias the cotangent that the user gave, nor be read-only."""
    g = np.asarray(g)
    if not g.flags.writeable or g.base is not None or any(g is r for _, r in roots):
        g = np.array(g)
    return wrap(g)


def _batched(
    outputs: tuple, inputs: tuple, grad_outputs: Any, retain_graph: Any, create_graph: bool,
    allow_unused: bool, materialize: bool,
) -> tuple:  # fmt: skip
    """One run for all entries of the leading dim of grad_outputs, under vmap."""
    given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs or ())
    sizes = [g.shape[0] for g in given if isinstance(g, Tensor) and g.ndim]
    if not sizes:
        raise RuntimeError(
            "is_grads_batched=True takes grad_outputs whose leading dim counts the gradients, but "
            "there are none"
        )
    level = open_batch(sizes[0], "error")
    try:
        rows = [batched_over(level, g, 0) if isinstance(g, Tensor) else g for g in given]
        found = grad(
            outputs, inputs, rows, retain_graph, create_graph, True, allow_unused, False, materialize
        )
        return tuple([None if g is None else whole(level, g, 0) for g in found])
    finally:
        close_batch(level)


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Compute the gradients of this tensor and add them to `.grad` of the leaves.

    A tensor with more than one element needs `gradient`, the cotangent, of its own shape. See
    `wengert.autograd.backward`.

    >>> import wengert as torch
    >>> x = torch.tensor(2., requires_grad=True)
    >>> (x * x).backward()
    >>> x.grad
    tensor(4.)
    """
    s, e = self._spec, self._edge
    if (
        gradient is None
        and inputs is None
        and e is not None
        and not create_graph
        and s.cpu
        and s.numel == 1
        and not s.dtype.is_complex
        and not state.in_transform()
    ):  # a real loss: nothing to check
        one = _ones[s.np.char].copy() if not s.shape and s.np.char in _ones else np.ones(s.shape, s.np)
        before = state.set_grad_enabled(False)
        try:
            engine.run(((e, one),), leaves=True, retain=bool(retain_graph))
        finally:
            state.set_grad_enabled(before)
        return
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


_ones = {c: np.array(1, c) for c in "efd"}
_backward.__name__ = _backward.__qualname__ = "backward"
Tensor.backward = _backward  # type: ignore[method-assign]
