"""Trees in the functional API: nested containers of tensors as inputs, outputs and vectors.

The faces in `functional` know a tensor and a tuple of tensors, as PyTorch does. This decorator
flattens anything else on the way in and nests the results alike: a tuple has an entry for each
argument of the function, and every entry (or the one argument) may be a dict, list or tuple.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from ..core import tree
from ..core.tensor import Tensor
from . import naming


def _is_flat(value: Any) -> bool:
    """Return True for what PyTorch takes too, or refuses with words of its own."""
    if isinstance(value, Tensor):
        return True
    if value.__class__ is not tuple:
        return value.__class__ is list or tree.flatten(value)[1].is_leaf()
    return all(isinstance(v, Tensor) or tree.flatten(v)[1].is_leaf() for v in value)


class _Call:
    """One call of a face: its function over flat tuples, and the structures of inputs and outputs."""

    def __init__(self, name: str, func: Callable, inputs: Any) -> None:
        self.name, self.func = name, func
        self.many = inputs.__class__ is tuple
        self.within: Any = None  # the spec of the inputs if they are nested
        self.out: Any = None  # that of the outputs
        self.one_output = False
        self.inputs = inputs
        if not _is_flat(inputs):
            self.inputs, self.within = self._flat(inputs, "inputs")

    def _flat(self, value: Any, what: str) -> tuple[tuple, Any]:
        leaves, spec = tree.flatten(value)
        for k, t in enumerate(leaves):
            if not isinstance(t, Tensor):
                raise TypeError(
                    f"The {what} given to {self.name} must be Tensors or nested tuples, lists and "
                    f"dicts of Tensors but {naming.paths(value, what)[k]} has type {type(t)}."
                )
        return tuple(leaves), spec

    def __call__(self, *flat: Any) -> Any:
        """Call the function with its arguments nested again; return its results flat."""
        if self.within is not None:
            given = tree.unflatten(list(flat), self.within)
            flat = given if self.many else (given,)
        result = self.func(*flat)
        self.one_output = isinstance(result, Tensor)
        if _is_flat(result):
            return result
        leaves, self.out = self._flat(result, "outputs of the user-provided function")
        return leaves

    def vector(self, v: Any, spec: Any) -> Any:
        """Return a vector flat; its structure must be that of what it goes with, if that is known."""
        if v is None or (spec is None and _is_flat(v)):
            return v
        leaves, found = self._flat(v, "v")
        if spec is not None and found != spec:
            raise RuntimeError(
                f"v must be nested like what it goes with: {spec!r} and not {found!r}."
            )
        return leaves

    def argument(self, k: int) -> str | None:
        """Return the name of the k-th flat input: the parameter of the function, the place in it."""
        leaves = self.inputs if isinstance(self.inputs, tuple) else (self.inputs,)
        nested = leaves if self.within is None else tree.unflatten(list(leaves), self.within)
        arguments = nested if self.many else (nested,)
        names = naming.arguments(self.func, len(arguments))
        if names is None:
            return None
        found = [p for name, a in zip(names, arguments, strict=True) for p in naming.paths(a, name)]
        return found[k] if k < len(found) else None


def _nested(flat: Any, spec: Any) -> Any:
    return flat if spec is None else tree.unflatten(list(flat), spec)


def _named(call: _Call, error: RuntimeError) -> RuntimeError:
    """Add to an error of strict mode, which gives the number of an input, the name of that input."""
    text = str(error)
    number = re.search(r"input (\d+)", text)
    if number is not None and "not allowed in strict mode" in text:
        name = call.argument(int(number[1]))
        if name is not None:
            error.args = (f"{text} Input {number[1]} is {name!r}.",)
    return error


def product_over_trees(vector_of: str, result_of: str) -> Callable:
    """Decorate vjp and its like: is the vector, and is the second result, like the inputs or the outputs?"""

    def decorate(face: Callable) -> Callable:
        @functools.wraps(face)
        def call(
            func: Callable,
            inputs: Any,
            v: Any = None,
            create_graph: bool = False,
            strict: bool = False,
        ) -> tuple[Any, Any]:
            flat = _Call(face.__name__, func, inputs)
            try:
                v = flat.vector(v, flat.within if vector_of == "inputs" else None)
                outputs, product = face(flat, flat.inputs, v, create_graph, strict)
            except RuntimeError as error:
                raise _named(flat, error) from None
            like = flat.within if result_of == "inputs" else flat.out
            return _nested(outputs, flat.out), _nested(product, like)

        return call

    return decorate


def matrix_over_trees(times: int) -> Callable:
    """Decorate jacobian (outputs by inputs) and hessian (inputs by inputs: `times` 2)."""

    def decorate(face: Callable) -> Callable:
        @functools.wraps(face)
        def call(func: Callable, inputs: Any, *args: Any, **options: Any) -> Any:
            flat = _Call(face.__name__, func, inputs)
            try:
                found = face(flat, flat.inputs, *args, **options)
            except RuntimeError as error:
                raise _named(flat, error) from None
            if flat.within is not None:
                if times == 1 and flat.one_output:
                    return _nested(found, flat.within)
                found = tuple([_nested(row, flat.within) for row in found])
            return _nested(found, flat.within if times == 2 else flat.out)

        return call

    return decorate
