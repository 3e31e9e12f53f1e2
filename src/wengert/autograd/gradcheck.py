"""Checks of derivatives against differences.

`gradcheck` compares what backward (and forward mode) computes with central differences of the
function; `gradgradcheck` does the same to the gradient. The numbers are in gradcheck_jacobian.
"""

from __future__ import annotations

import contextlib
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core import engine
from ..core.node import PORT, Parts
from ..core.tensor import Tensor, wrap
from . import gradcheck_batched
from . import gradcheck_jacobian as jac
from .gradcheck_legacy import (
    get_analytical_jacobian,
    get_numerical_jacobian,
    get_numerical_jacobian_wrt_specific_input,
)
from .run import grad


class GradcheckError(RuntimeError):
    """A derivative does not agree with the differences of the function."""


_FAST_NOTE = """
The above quantities relating the numerical and analytical jacobians are computed
in fast mode: each is the product of the jacobian with random vectors. Below, the
jacobians themselves, computed in slow mode:

Numerical:
 {}
Analytical:
{}

The max per-element difference (slow mode) is: {}.
"""
_FAST_ONLY = """
The above quantities relating the numerical and analytical jacobians are computed
in fast mode: each is the product of the jacobian with random vectors. In slow mode
every element is within the tolerances; pass fast_mode=False for the slow check.
"""


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Check the derivatives of `func` at `inputs` against central differences; return True.

    Only inputs with requires_grad are varied, by `eps`; use float64. Complex inputs and outputs
    are taken as pairs of reals. Elements agree if |a - n| <= atol + rtol |n|.

    raise_exception       GradcheckError (the default) or a return value of False
    nondet_tol            how far two backward runs may differ
    check_undefined_grad  also run backward with cotangents missing or zero
    check_grad_dtypes     gradients must have the dtype of their inputs
    check_forward_ad      also check forward mode; check_backward_ad=False leaves out reverse mode
    fast_mode             compare u^T J v for random u, v instead of all of J
    check_batched_grad    also compare backward of several cotangents at once (vmap) with each alone
    check_batched_forward_grad
                          the same of forward mode; needs check_forward_ad
    masked                about sparse tensors: without effect

    >>> import wengert as torch
    >>> x = torch.tensor([1., 2.], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: x ** 3, (x,))
    True
    """
    if not check_forward_ad and not check_backward_ad:
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if check_batched_grad and not check_backward_ad:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_backward_ad to be True"
        )
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True"
        )
    check = _Check(func, inputs, eps, atol, rtol)
    try:
        check.outputs_now()
        if not check.outputs:
            return check.expect_no_slope()
        if check_backward_ad:
            check.reverse(fast_mode, nondet_tol, check_grad_dtypes)
        if check_forward_ad:
            check.forward(fast_mode, check_grad_dtypes)
            if check_undefined_grad:
                check.missing_tangents()
        if check_batched_forward_grad:
            gradcheck_batched.forward(check, GradcheckError)
        if check_backward_ad:
            if check_batched_grad:
                gradcheck_batched.reverse(check.outputs, check.points, GradcheckError)
            check.proportional()
            if check_undefined_grad:
                check.missing_cotangents()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


class _Check:
    """One function at one point, and the tolerances."""

    def __init__(self, func: Callable, inputs: Any, eps: float, atol: float, rtol: float) -> None:
        self.inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        self.func, self.eps, self.atol, self.rtol = func, eps, atol, rtol
        self.error, self.check_tangent_dtypes = GradcheckError, False
        self.where = [
            k for k, t in enumerate(self.inputs) if isinstance(t, Tensor) and t.requires_grad
        ]
        self.points = [self.inputs[k] for k in self.where]
        self._check_points()

    def _check_points(self) -> None:
        if not self.points:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of them "
                "have requires_grad=True."
            )
        for k, t in zip(self.where, self.points, strict=True):
            if t.dtype.itemsize // (2 if t.dtype.is_complex else 1) < 8:
                warnings.warn(
                    f"Input #{k} requires gradient and is not a double precision floating point or "
                    "complex. This check will likely fail if all the inputs are not of double "
                    "precision floating point or complex. ",
                    stacklevel=4,
                )
            array = t._array
            if any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True)):
                raise RuntimeError(
                    f"The {k}th input has a dimension with stride 0. gradcheck only supports inputs "
                    "that are non-overlapping to be able to compute the numerical gradients "
                    "correctly. You should call .contiguous on the input before passing it to "
                    "gradcheck."
                )

    def run(self) -> tuple[Tensor, ...]:
        """Call the function; its tensor results of a differentiable dtype."""
        result = self.func(*self.inputs)
        results = tuple(result) if isinstance(result, tuple | list) else (result,)
        for r in results:
            if not isinstance(r, Tensor):
                raise TypeError(
                    f"gradcheck: the function must return tensors, but it returned {type(r).__name__}"
                )
        return tuple(r for r in results if r.dtype.is_floating_point or r.dtype.is_complex)

    def outputs_now(self) -> None:
        """Note the outputs that backward can start from."""
        results = self.run()
        self.with_history = [k for k, t in enumerate(results) if t.requires_grad]
        self.outputs = tuple(results[k] for k in self.with_history)

    def arrays(self) -> list[np.ndarray]:
        """Copies of the values of those outputs that have a history."""
        results = self.run()
        return [results[k]._array.copy() for k in self.with_history]

    def expect_no_slope(self) -> bool:
        """No output has a history: then none may depend on an input."""

        def values() -> list[np.ndarray]:
            return [t._array.copy() for t in self.run()]

        for t in self.points:
            for n in jac.numerical(values, t._array, self.eps):
                if np.abs(n).max(initial=0) > 0:
                    raise GradcheckError("Numerical gradient for function expected to be zero")
        return True

    # ---------------------------------------------------------------- reverse mode
    def reverse(self, fast: bool, nondet_tol: float, check_dtypes: bool) -> None:
        """Compare reverse mode with differences, output by output, input by input."""
        for j, out in enumerate(self.outputs):
            for part, prefix in jac.parts_of(out.dtype):
                self._reverse_part(j, out, part, prefix, fast, nondet_tol, check_dtypes)

    def _reverse_part(
        self, j: int, out: Tensor, part: str, prefix: str, fast: bool, nondet_tol: float,
        check_dtypes: bool,
    ) -> None:  # fmt: skip
        if fast:
            v = jac.random_like(out._array.shape, j)
            rows = [jac.analytical(out, self.points, part, [v]) for _ in range(2)]
        else:
            rows = [jac.analytical(out, self.points, part) for _ in range(2)]
        for i, (k, t) in enumerate(zip(self.where, self.points, strict=True)):
            a, again = rows[0][i], rows[1][i]
            if check_dtypes and a.dtype is not None and a.dtype != t.dtype.np:
                raise GradcheckError(
                    f"Gradient has dtype mismatch: that of output {j} with respect to input {k} is "
                    f"{a.dtype}, the input is {t.dtype}"
                )
            if fast:
                u = jac.unit_like(t._array, i)
                have = jac.contract(a.matrix[:, 0], u)
                want = jac.slope_along(self.arrays, t._array, u, self.eps, j, part, v)
                scale = np.abs(u).sum() * np.abs(v).sum()
                if not jac.close(have, want, self.rtol, self.atol * scale):
                    self._fast_mismatch(j, i, out, part, prefix, have, want, "")
            else:
                n = jac.numerical(self.arrays, t._array, self.eps, j, part)[0]
                if not jac.close(a.matrix, n, self.rtol, self.atol):
                    raise GradcheckError(prefix + _mismatch(j, k, n, a.matrix, ""))
            if np.abs(a.matrix - again.matrix).max(initial=0) > nondet_tol:
                raise GradcheckError(
                    prefix + "Backward is not reentrant, i.e., running backward with same input "
                    "and grad_output multiple times gives different values, although analytical "
                    "gradient matches numerical gradient."
                    f"The tolerance for nondeterminism was {nondet_tol}. If that is expected of "
                    "the function, pass nondet_tol."
                )

    def _fast_mismatch(
        self, j: int, i: int, out: Tensor, part: str, prefix: str, have: Any, want: Any, mode: str
    ) -> None:
        t = self.points[i]
        n = jac.numerical(self.arrays, t._array, self.eps, j, part)[0]
        reverse = jac.analytical(out, [t], part)[0].matrix
        a = jac.forward(self, i, j, part) if mode else reverse
        text = prefix + _mismatch(j, self.where[i], want, have, mode)
        if jac.close(a, n, self.rtol, self.atol):
            raise GradcheckError(text + _FAST_ONLY)
        raise GradcheckError(
            text + _FAST_NOTE.format(wrap(n), wrap(a), np.abs(n - a).max(initial=0))
        )

    def proportional(self) -> None:
        """Backward must send zero cotangents to zeros."""
        zeros = [wrap(np.zeros(t._array.shape, t._array.dtype)) for t in self.outputs]
        for g in grad(self.outputs, self.points, zeros, retain_graph=True, allow_unused=True):
            if g is not None and np.any(g._array != 0):
                raise GradcheckError(
                    "backward not multiplied by grad_output: it must be linear in its cotangents, "
                    "no constants added"
                )

    def missing_cotangents(self) -> None:
        """Backward must cope with outputs that nothing arrives at."""
        results = self.run()
        outputs = tuple(results[k] for k in self.with_history)
        with _undefined("every output"):
            for t in outputs:
                self._nothing_arrives(t)
        if len(outputs) < 2:
            return
        for k in range(len(outputs)):
            others = [t for i, t in enumerate(outputs) if i != k]
            ones = [wrap(np.ones(t._array.shape, t._array.dtype)) for t in others]
            with _undefined(f"output {k}"):
                grad(others, self.points, ones, retain_graph=True, allow_unused=True)

    def _nothing_arrives(self, t: Tensor) -> None:
        """Run a custom function behind an output on cotangents that are all missing."""
        n: Any = t._edge
        k, count = n.rest if n.op is PORT else (0, 1)
        n = n.edges[0] if n.op is PORT else n
        if k or getattr(n.op, "kind", "") != "function":
            return
        wanted = [p._edge for p in self.points if p._edge is not None]
        found = engine.run([(n, Parts([None] * count))], inputs=wanted, retain=True)
        if any(np.any(g != 0) for g in found.values()):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are "
                f"undefined or zero; {n.name()} returned others where nothing had arrived."
            )

    # ---------------------------------------------------------------- forward mode
    def forward(self, fast: bool, check_dtypes: bool) -> None:
        """Compare forward mode with differences."""
        self.check_tangent_dtypes = check_dtypes
        for j, out in enumerate(self.outputs):
            for part, prefix in jac.parts_of(out.dtype):
                for i, (k, t) in enumerate(zip(self.where, self.points, strict=True)):
                    if fast:
                        u = jac.unit_like(t._array, i)
                        v = jac.random_like(out._array.shape, j)
                        have = (jac.take(jac.push(self, i, u)[j], part) * v).sum()
                        want = jac.slope_along(self.arrays, t._array, u, self.eps, j, part, v)
                        scale = np.abs(u).sum() * np.abs(v).sum()
                        if not jac.close(have, want, self.rtol, self.atol * scale):
                            self._fast_mismatch(j, i, out, part, prefix, have, want, _FORWARD)
                    else:
                        a = jac.forward(self, i, j, part)
                        n = jac.numerical(self.arrays, t._array, self.eps, j, part)[0]
                        if not jac.close(a, n, self.rtol, self.atol):
                            raise GradcheckError(prefix + _mismatch(j, k, n, a, _FORWARD))

    def missing_tangents(self) -> None:
        """An input without a tangent must count as one whose tangent is zero."""
        tangents = [
            wrap(jac.unit_like(t._array, i).astype(t._array.dtype))
            for i, t in enumerate(self.points)
        ]
        for i, k in enumerate(self.where):
            zeros = wrap(np.zeros_like(tangents[i]._array))
            with_zeros = jac.push_all(self, [*tangents[:i], zeros, *tangents[i + 1 :]])
            without = jac.push_all(self, [*tangents[:i], None, *tangents[i + 1 :]])
            for j, (a, b) in enumerate(zip(with_zeros, without, strict=True)):
                if not np.allclose(a, b):
                    raise GradcheckError(
                        f"Mismatch in tangent values for output with index: {j} when input {k} has "
                        f"an undefined tangent value. Got: {wrap(b)} but expected: {wrap(a)}"
                    )


_FORWARD = " computed with forward mode"


@contextlib.contextmanager
def _undefined(what: str) -> Iterator[None]:
    """Turn an exception into one that says that a gradient was missing."""
    try:
        yield
    except GradcheckError:
        raise
    except Exception as error:
        raise GradcheckError(
            "Expected backward function to handle undefined output grads: with no gradient for "
            f"{what} it raised {type(error).__name__}: {error}"
        ) from error


def _mismatch(j: int, k: int, numerical: Any, analytical: Any, mode: str) -> str:
    def shown(a: Any) -> Any:
        return wrap(a) if isinstance(a, np.ndarray) else a.item()

    return (
        f"Jacobian{mode} mismatch for output {j} with respect to input {k},\n"
        f"numerical:{shown(numerical)}\nanalytical:{shown(analytical)}\n"
    )


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Check the second derivatives of `func` at `inputs` against differences of the first.

    `grad_outputs` are the cotangents at which the gradient is taken (random ones by default, from
    a generator of its own; `gen_non_contig_grad_outputs` makes them non-contiguous).
    check_fwd_over_rev checks forward mode over reverse mode, check_rev_over_rev=False leaves out
    reverse over reverse. The other arguments are those of `gradcheck`.

    >>> import wengert as torch
    >>> x = torch.tensor([1., 2.], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(lambda x: x ** 3, (x,))
    True
    """
    if not check_fwd_over_rev and not check_rev_over_rev:
        raise AssertionError(
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True"
        )
    for flag, name in (
        (check_undefined_grad, "check_undefined_grad"),
        (check_batched_grad, "check_batched_grad"),
    ):
        if flag and not check_rev_over_rev:
            raise AssertionError(f"Setting {name}=True requires check_rev_over_rev to be True")
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    first = _differentiable(func(*inputs))
    if grad_outputs is None:
        cotangents = tuple(
            _random_cotangent(t, k, gen_non_contig_grad_outputs) for k, t in enumerate(first)
        )
    else:
        given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
        cotangents = tuple(given)
        for t in cotangents:
            if not t.requires_grad:
                raise ValueError("gradgradcheck: every grad_output must have requires_grad=True")
    count = len(cotangents)
    where = [k for k, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]

    def slope(*args: Any) -> tuple[Tensor, ...]:
        point, v = args[: len(args) - count], args[len(args) - count :]
        wanted = tuple(point[k].requires_grad_() for k in where)  # duals come without
        outputs = _differentiable(func(*point))
        found = grad(outputs, wanted, v, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        slope, inputs + cotangents, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode, masked=masked,
    )  # fmt: skip


def _differentiable(result: Any) -> tuple[Tensor, ...]:
    results: Sequence = result if isinstance(result, tuple | list) else (result,)
    return tuple(t for t in results if isinstance(t, Tensor) and t.requires_grad)


def _random_cotangent(t: Tensor, k: int, scattered: bool) -> Tensor:
    """A cotangent that requires grad; the global random stream is left alone."""
    g = jac.random_like(t._array.shape, k) - 0.5
    if t.dtype.is_complex:
        g = g + 1j * (jac.random_like(t._array.shape, k + 1) - 0.5)
    g = (g * 2).astype(t._array.dtype)
    if scattered and g.ndim:
        wide = np.zeros((*g.shape, 2), g.dtype)
        wide[..., 0] = g
        g = wide[..., 0]
    return wrap(g).requires_grad_()


class _CallableModule(types.ModuleType):
    """`autograd.gradcheck` is a function; once this module is imported it has the same name."""

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule

__all__ = [
    "GradcheckError", "get_analytical_jacobian", "get_numerical_jacobian",
    "get_numerical_jacobian_wrt_specific_input", "gradcheck", "gradgradcheck",
]  # fmt: skip
