"""Derivative rules of one's own for plain functions: `custom_vjp` and `custom_jvp`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..core.op import TENSORS as T
from ..core.tensor import Tensor
from ..core.tree import broadcast_prefix, flatten, unflatten
from .rules import CustomOp, JvpRule, VjpRule, bare, is_smooth, run


class _Custom:
    """A function with a rule: its arguments by position, those without a derivative apart."""

    def __init__(
        self,
        fun: Callable,
        nondiff_argnums: int | Sequence[int] = (),
        nondiff_argnames: str | Sequence[str] = (),
    ) -> None:
        self.fun = fun
        self.__name__ = getattr(fun, "__name__", type(fun).__name__)
        functools.update_wrapper(self, fun)
        self._nums = (
            (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        )
        names = (
            (nondiff_argnames,) if isinstance(nondiff_argnames, str) else tuple(nondiff_argnames)
        )
        self._signature: Any = None
        self.op = CustomOp(self.__name__)
        if names:
            parameters = list(self._parameters())
            for name in names:
                if name not in parameters:
                    raise ValueError(
                        f"{self.__name__} has no parameter {name!r}; it has {parameters}"
                    )
            self._nums += tuple(parameters.index(name) for name in names)

    def _parameters(self) -> Any:
        import inspect

        if self._signature is None:
            self._signature = inspect.signature(self.fun)
        return self._signature.parameters

    def _positional(self, args: tuple, kwargs: dict) -> tuple:
        if not kwargs:
            return args
        self._parameters()
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise TypeError(
                f"{self.__name__}: the argument {next(iter(bound.kwargs))!r} is keyword-only, which a "
                "function with a derivative rule can't have: cotangents are returned by position"
            )
        return bound.args

    def _rule(self, call: _Call) -> Any:
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args = self._positional(args, kwargs)
        call = _Call(self, args)
        outs = run(self._rule(call), call.leaves(args))
        return unflatten(list(outs), call.out)

    def __str__(self) -> str:
        return self.__name__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


class _Call:
    """One call: the leaves of the differentiable arguments and how to call over them."""

    def __init__(self, custom: _Custom, args: tuple) -> None:
        self.custom = custom
        count = len(args)
        for k in custom._nums:
            if not -count <= k < count:
                raise TypeError(
                    f"{custom.__name__}: nondiff_argnums has {k}, but got {count} arguments"
                )
        nondiff = sorted({k % count for k in custom._nums})
        self.constants = [args[k] for k in nondiff]  # the arguments without a derivative
        self.diff = [k for k in range(count) if k not in nondiff]
        self.args = [None if k in self.diff else a for k, a in enumerate(args)]
        self.spec: Any = None
        self.out: Any = None

    def leaves(self, args: tuple) -> list:
        """Return the leaves of the other arguments, and note their structure."""
        leaves, self.spec = flatten(tuple([args[k] for k in self.diff]))
        return leaves

    def whole(self, leaves: list) -> list:
        """Return all arguments in order, with other leaves."""
        args = list(self.args)
        for k, value in zip(self.diff, unflatten(list(leaves), self.spec), strict=True):
            args[k] = value
        return args

    def flat(self, result: Any) -> list:
        """Return the leaves of a result, and note its structure."""
        leaves, self.out = flatten(result)
        return leaves

    def function(self, leaves: list) -> list:
        """Call the function itself over leaves."""
        return self.flat(self.custom.fun(*self.whole(leaves)))


class custom_vjp(_Custom):
    """Give a function a reverse-mode rule of your own (decorator).

    `f.defvjp(fwd, bwd)`: fwd takes the arguments of f and returns (result, residuals); bwd takes the
    residuals and the cotangent of the result and returns a tuple, one cotangent for each argument,
    None for zero. Arguments, results and residuals may be trees; cotangents have their structure
    (for complex tensors they are gradients in PyTorch's convention).

    nondiff_argnums  arguments without a derivative; bwd gets them first
    nondiff_argnames  the same by name

    fwd is recorded, so derivatives of every order are right, through the residuals too. Forward mode
    transposes bwd, which is linear in the cotangent; vmap maps fwd and bwd. RuntimeError if f uses a
    tensor that requires grad and is no argument.

    >>> import wengert as torch
    >>> @torch.func.custom_vjp
    ... def log1pexp(x):
    ...     return torch.log(1 + torch.exp(x))
    >>> log1pexp.defvjp(lambda x: (log1pexp(x), x), lambda x, g: (g * torch.sigmoid(x),))
    >>> x = torch.tensor(100., requires_grad=True)
    >>> log1pexp(x).backward()
    >>> x.grad
    tensor(1.)
    """

    fwd: Any = None
    bwd: Any = None

    def __new__(cls, fun: Any = None, **options: Any) -> Any:
        return functools.partial(cls, **options) if fun is None else super().__new__(cls)

    def defvjp(self, fwd: Callable, bwd: Callable) -> None:
        """Set the rule: fwd(*args) -> (result, residuals), bwd(*nondiff, residuals, cotangent)."""
        self.fwd, self.bwd = fwd, bwd

    def _rule(self, call: _Call) -> VjpRule:
        if self.fwd is None:
            raise AttributeError(
                f"{self.__name__} has no rule yet: call {self.__name__}.defvjp(fwd, bwd)"
            )
        kept_spec: list = []

        def fwd(leaves: list) -> tuple[list, list]:
            pair = self.fwd(*call.whole(leaves))
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise TypeError(
                    f"the fwd of {self.__name__} must return a pair (result, residuals), not "
                    f"{type(pair).__name__}"
                )
            kept, spec = flatten(pair[1])
            kept_spec[:] = [spec]
            return call.flat(pair[0]), kept

        def bwd(kept: list, cotangents: list) -> list:
            residuals = unflatten(kept, kept_spec[0])
            found = self.bwd(*call.constants, residuals, unflatten(cotangents, call.out))
            return _matched(self.__name__, found, call)

        return VjpRule(self, call.function, fwd, bwd)


def _matched(name: str, found: Any, call: _Call) -> list:
    """Return the cotangents that a bwd returned, one for each leaf of the arguments."""
    count = len(call.diff)
    if not isinstance(found, tuple):
        found = (found,) if count == 1 else found
    if not isinstance(found, tuple | list) or len(found) != count:
        got = f"{len(found)} values" if isinstance(found, tuple | list) else type(found).__name__
        raise TypeError(
            f"the bwd of {name} must return a tuple of {count} cotangents, one for each argument that "
            f"is differentiated (None for zero); it returned {got}"
        )
    leaves: list = []
    for k, (c, spec) in enumerate(zip(found, call.spec.children, strict=True)):
        part = broadcast_prefix(c, spec)
        if part is None or (isinstance(c, Tensor) and not spec.is_leaf()):
            raise TypeError(
                f"the bwd of {name} returned a cotangent for argument {call.diff[k]} whose structure is "
                f"not that of the argument: {flatten(c)[1]!r} and {spec!r}"
            )
        for value in part:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"the bwd of {name} returned a {type(value).__name__} for argument {call.diff[k]}: "
                    "cotangents are tensors, or None for zero"
                )
        leaves += part
    return leaves


class custom_jvp(_Custom):
    """Give a function a forward-mode rule of your own (decorator); reverse mode transposes it.

    `f.defjvp(jvp)`: jvp takes the tuple of arguments and that of their tangents (zeros where there
    is none) and returns (result, tangent of the result), linear in the tangents. Or
    `f.defjvps(*rules)`: one rule for each argument, called as rule(t, result, *args), or None for an
    argument without influence; the tangent is their sum. Arguments and results may be trees.

    nondiff_argnums  arguments without a derivative; jvp gets them first
    nondiff_argnames  the same by name

    Derivatives of every order and vmap work. RuntimeError if f uses a tensor that requires grad and
    is no argument.

    >>> import wengert as torch
    >>> @torch.func.custom_jvp
    ... def safe_sqrt(x):
    ...     return torch.sqrt(x)
    >>> safe_sqrt.defjvps(lambda t, result, x: t / (2 * result.clamp(min=0.5)))
    >>> torch.func.grad(safe_sqrt)(torch.tensor(0.)), torch.func.jvp(safe_sqrt, (torch.tensor(4.),), (torch.tensor(1.),))[1]
    (tensor(1.), tensor(0.2500))
    """

    rule: Any = None

    def __new__(cls, fun: Any = None, **options: Any) -> Any:
        return functools.partial(cls, **options) if fun is None else super().__new__(cls)

    def defjvp(self, jvp: Callable) -> Callable:
        """Set the rule: jvp(*nondiff, primals, tangents) -> (result, tangent); usable as a decorator."""
        self.rule = jvp
        return jvp

    def defjvps(self, *rules: Callable | None) -> None:
        """Set one rule for each argument: rule(tangent, result, *args) -> tangent of the result."""
        if self._nums:
            raise TypeError("defjvps: not for functions with nondiff_argnums; use defjvp")

        def jvp(primals: tuple, tangents: tuple) -> tuple:
            if len(rules) != len(primals):
                raise TypeError(
                    f"{self.__name__} has {len(primals)} arguments and {len(rules)} rules"
                )
            result = self(*primals)
            total = None
            for rule, t in zip(rules, tangents, strict=True):
                if rule is not None and t is not None:
                    term = rule(t, result, *primals)
                    total = term if total is None else total + term
            return result, T.zeros_like(result) if total is None else total

        self.rule = jvp

    def _rule(self, call: _Call) -> JvpRule:
        if self.rule is None:
            raise AttributeError(
                f"{self.__name__} has no rule yet: call {self.__name__}.defjvp(jvp)"
            )

        def jvp(leaves: list, ts: list) -> tuple[list, list]:
            primals = tuple(unflatten(list(leaves), call.spec))
            tangents = tuple(unflatten(list(ts), call.spec))
            pair = self.rule(*call.constants, primals, tangents)
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise TypeError(
                    f"the jvp of {self.__name__} must return a pair (result, tangent), not "
                    f"{type(pair).__name__}"
                )
            outs = call.flat(pair[0])
            found = broadcast_prefix(pair[1], call.out)
            if found is None or any(t is not None and not isinstance(t, Tensor) for t in found):
                raise TypeError(
                    f"the jvp of {self.__name__} returned a tangent whose structure is not that of the "
                    f"result: {flatten(pair[1])[1]!r} and {call.out!r}"
                )
            for o, t in zip(outs, found, strict=True):
                if t is not None and t.shape != o.shape:
                    raise RuntimeError(
                        f"the jvp of {self.__name__} returned a tangent of shape {list(t.shape)} for a "
                        f"result of shape {list(o.shape)}"
                    )
            return outs, [
                t if t is not None or not is_smooth(o) else T.zeros_like(bare(o))
                for o, t in zip(outs, found, strict=True)
            ]

        return JvpRule(self, call.function, jvp)


__all__ = ["custom_jvp", "custom_vjp"]
