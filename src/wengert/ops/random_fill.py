"""Random numbers in place: uniform_, normal_, random_, bernoulli_ and their kin.

A fill forgets what it overwrites, so every rule is zero; the rows exist because a fill of a tensor
with a history is recorded like any other write (and refused on a leaf that requires grad).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import state
from ..core.define import elementwise
from ..core.inplace import write
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import dtypes
from ..kernels.random import Generator, filled_like, largest_whole, memory_order
from .draws import batched_draw, check_target, drawn
from .generator import source

ndarray = np.ndarray

# What C++ calls the element types, in the messages about bounds.
_C_NAMES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short",
    "int32": "int", "int64": "int64_t", "uint16": "unsigned short", "uint32": "unsigned int",
    "uint64": "uint64_t", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    "float32": "float", "float64": "double",
}  # fmt: skip


def _forgotten(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


def _row(name: str, params: str, kernel: Callable[..., ndarray], node: str) -> Any:
    return elementwise(f"{name}(x, *, {params})", kernel, promote=None, node=node, x=_forgotten,
                       batch=batched_draw)  # fmt: skip


def _elements(draw: str) -> Callable[..., ndarray]:
    """The kernel that fills an array by a method of the generator, in the order of its memory."""

    def kernel(x: ndarray, *params: Any) -> ndarray:
        *numbers, g = params
        return filled_like(
            x, x.dtype, lambda size: getattr(g, draw)(size, *numbers, dtype=x.dtype)
        )

    return kernel


def _normal_kernel(x: ndarray, mean: float, std: float, g: Generator) -> ndarray:
    contiguous = x.flags.c_contiguous
    return filled_like(x, x.dtype, lambda size: g.normal(size, mean, std, x.dtype, contiguous))


def _bernoulli_each_kernel(x: ndarray, p: ndarray, g: Generator) -> ndarray:
    p = np.broadcast_to(p, x.shape)
    if not x.flags.c_contiguous:
        p = p.transpose(memory_order(x))
    return filled_like(x, x.dtype, lambda size: g.bernoulli_each(p, x.dtype))


_uniform = _row("uniform_", "low, high, source", _elements("uniform"), "UniformBackward0")
_normal = _row("normal_", "mean, std, source", _normal_kernel, "NormalBackward0")
_random = _row("random_", "source", _elements("random"), "RandomBackward2")
_randint = _row("random_from_to_", "low, high, source", _elements("randint"), "RandomBackward0")
_below = _row("random_to_", "low, high, source", _elements("randint"), "RandomBackward1")
_bernoulli = _row("bernoulli_", "p, source", _elements("bernoulli"), "BernoulliBackward2")
_bernoulli_each = _row("bernoulli_each_", "p, source", _bernoulli_each_kernel,
                       "BernoulliBackward1")  # fmt: skip
_exponential = _row("exponential_", "rate, source", _elements("exponential"), "ExponentialBackward0")
_geometric = _row("geometric_", "p, source", _elements("geometric"), "GeometricBackward0")
_log_normal = _row("log_normal_", "mean, std, source", _elements("log_normal"),
                   "LogNormalBackward0")  # fmt: skip
_cauchy = _row("cauchy_", "median, sigma, source", _elements("cauchy"), "CauchyBackward0")


# ----------------------------------------------------------------- checks
_LIMITS: dict[dtypes.dtype, tuple[Any, Any]] = {dtypes.bool_: (0, 1)}


def _limits(d: dtypes.dtype) -> tuple[Any, Any]:
    """The lowest and the highest finite number of d."""
    found = _LIMITS.get(d)
    if found is None:
        info: Any = dtypes.iinfo(d) if d.category == dtypes.INT else dtypes.finfo(d)
        found = _LIMITS[d] = (info.min, info.max)
    return found


def _not_implemented(kernel: str, d: dtypes.dtype) -> NotImplementedError:
    return NotImplementedError(f"\"{kernel}\" not implemented for '{d.scalar_name}'")


def check_continuous(d: dtypes.dtype, kernel: str, complex_too: bool = True) -> None:
    """Raise NotImplementedError unless a continuous distribution can have this dtype."""
    if d.category < dtypes.FLOAT or (d.category == dtypes.COMPLEX and not complex_too):
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{d.scalar_name}': it gives floating-point numbers, "
            f"and {d} has none"
        )


def _check_distribution(d: dtypes.dtype, name: str) -> None:
    if d.category != dtypes.FLOAT:
        raise RuntimeError(
            f"{name} distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {d.scalar_name}"
        )


def check_uniform(low: float, high: float, d: dtypes.dtype) -> None:
    """Raise unless low <= high, both and their distance representable in d."""
    check_continuous(d, "check_uniform_bounds")
    limit = _limits(d)[1]
    for name, value in (("from", low), ("to", high)):
        if not -limit <= value <= limit:
            raise RuntimeError(f"{name} is out of bounds for {_C_NAMES[d.to_real().name]}")
    if low > high:
        raise RuntimeError(
            "uniform_ expects to return a [from, to) range, but found "
            f"from={low:g} > to={high:g}"
        )
    if high - low > limit:
        raise RuntimeError(
            "uniform_ expects to-from <= std::numeric_limits<"
            f"{d.to_real().scalar_name}>::max(), but found to={high:g} and from={low:g} which "
            "result in to-from to exceed the limit"
        )


def check_normal(std: float, d: dtypes.dtype) -> None:
    """Raise unless d can hold normal numbers and std is not negative."""
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    check_continuous(d, "normal_kernel_cpu")


_BOTTOM, _TOP = -(1 << 63), (1 << 63) - 1


def check_whole(low: int, high: int, d: dtypes.dtype) -> tuple[int, int]:
    """Return the range to draw from for [low, high): the same, unless d is a float with gaps in it.

    Then there is a warning, and the ends move inwards so far that rounding does not leave the
    range. RuntimeError for an empty range or one outside d.
    """
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    if d.category == dtypes.COMPLEX:
        raise RuntimeError(
            "check_random_bounds handles only integral, floating-point and boolean types"
        )
    name = _C_NAMES[d.name]
    floating = d.category == dtypes.FLOAT
    lowest, highest = _limits(d)
    for what, value in (("from", low), ("to - 1", high - 1)):
        if not lowest <= value <= highest:
            raise RuntimeError(f"{what} is out of bounds for {name}")
    if not _BOTTOM <= low < high <= _TOP:
        raise ValueError(
            "Overflow when unpacking long long: bounds are 64-bit integers, not "
            f"{high if high > _TOP else low}"
        )
    if not floating:
        return low, high
    start, stop = _rounded_up(low, d), _rounded_down(high, d)
    if start >= stop:
        raise RuntimeError(
            "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
            f"from={start} >= to={stop}"
        )
    for what, value in (("from", low), ("to - 1", high - 1)):
        if abs(value) > largest_whole(d.np):
            digits = _digits(d)
            warnings.warn(
                f"{what} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision "
                f"limitations {name} can support discrete uniform distribution only within this "
                "range.",
                UserWarning,
                stacklevel=4,
            )
    return start, stop


def _check_from(low: int, d: dtypes.dtype) -> tuple[int, int]:
    """Return the range from low to the last whole number of d that has no gap before it."""
    if d.category == dtypes.COMPLEX:
        raise RuntimeError("random_from_to handles only integral, floating-point and boolean types")
    last = largest_whole(d.np)
    if d.category == dtypes.FLOAT:
        low = _rounded_up(low, d)
    if low > last:
        raise RuntimeError(
            "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to "
            f"dtype, but got from={low} > to_inc={last}"
        )
    return low, last + 1


def _digits(d: dtypes.dtype) -> int:
    return largest_whole(d.np).bit_length() - 1


def _as_int64(x: int, d: dtypes.dtype) -> int:
    """x rounded to d and back; what does not fit becomes the lowest number, as on x86."""
    back = int(d.np.type(x))
    return back if back <= _TOP else _BOTTOM


def _rounded_up(low: int, d: dtypes.dtype) -> int:
    """low, moved up by the spacing of d if d rounds the number after it to one below it."""
    after = _as_int64(low + 1, d)
    return low if after >= low else after + (1 << (abs(low + 1).bit_length() - _digits(d)))


def _rounded_down(high: int, d: dtypes.dtype) -> int:
    """high, moved down by the spacing of d if d rounds the number before it to high or above."""
    last = _as_int64(high - 1, d)
    return high if last < high else last - (1 << (abs(high - 1).bit_length() - _digits(d)))


def check_probability(p: ndarray) -> None:
    """Raise unless p holds probabilities of a real floating-point dtype."""
    d = dtypes.of(p.dtype)
    if d.category != dtypes.FLOAT:
        raise NotImplementedError(
            f"\"bernoulli_tensor_cpu_p_\" not implemented for '{d.scalar_name}': probabilities "
            "are floating-point numbers"
        )
    if not ((p >= 0) & (p <= 1)).all():
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false: every probability given "
            "to bernoulli lies between 0 and 1"
        )


def number(x: Any, caller: str, name: str) -> float:
    """Return an argument that must be a number as a float."""
    if isinstance(x, Tensor):
        if x._spec.numel != 1 or x._edge is not None:
            raise TypeError(f"{caller}(): argument '{name}' must be float, not Tensor")
        x = x._array.item()
    try:
        return float(x)
    except (TypeError, ValueError):
        raise TypeError(
            f"{caller}(): argument '{name}' must be float, not {type(x).__name__}"
        ) from None


def whole(x: Any, caller: str, name: str) -> int:
    """Return an argument that must be an integer as an int."""
    try:
        return x.__index__()
    except (AttributeError, TypeError):
        raise TypeError(
            f"{caller}(): argument '{name}' must be int, not {type(x).__name__}"
        ) from None


def _bounds(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], defaults: Any) -> list[Any]:
    """Return (from, to) given by position or by name; `from` is no name that Python can spell."""
    values = list(args)
    for key in ("from", "to")[len(values) :]:
        values.append(kwargs.pop(key, defaults[len(values)]))
    if kwargs or len(values) > 2:
        extra = next(iter(kwargs), "a third argument")
        raise TypeError(f"{name}() got an unexpected argument: {extra}; it takes from and to")
    return values


# ----------------------------------------------------------------- methods
def _filled(self: Tensor, row: Any, args: tuple) -> Tensor:
    if state.current_batch() is not None:
        check_target(self, row.op.name)
    return write(self, row, args, copy_old=False)


@public("Tensor")
def uniform_(
    self: Tensor, *args: Any, generator: Any = None, **kwargs: Any
) -> Tensor:
    """uniform_(from=0, to=1): fill with numbers uniform on [from, to); return self.

    RuntimeError for an empty or unrepresentable range, NotImplementedError for integer dtypes.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.empty(3).uniform_(-1, 1)
    tensor([-0.0075,  0.5364, -0.8230])
    """
    low, high = (
        number(v, "uniform_", n)
        for v, n in zip(_bounds("uniform_", args, kwargs, (0.0, 1.0)), ("from", "to"), strict=True)
    )
    check_uniform(low, high, self._spec.dtype)
    return _filled(self, _uniform, (low, high, source(generator, "uniform_")))


@public("Tensor")
def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None
) -> Tensor:
    """Fill with normal numbers and return self; a complex number has variance std**2 in all.

    RuntimeError for a negative std, NotImplementedError for integer dtypes.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.empty(3).normal_(10, 0.1)
    tensor([10.1541,  9.9707,  9.7821])
    """
    mean, std = number(mean, "normal_", "mean"), number(std, "normal_", "std")
    check_normal(std, self._spec.dtype)
    return _filled(self, _normal, (mean, std, source(generator, "normal_")))


@public("Tensor")
def random_(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
    """random_(from, to), random_(to), random_(): fill with whole numbers; return self.

    They lie in [from, to); without `to` they go up to the last number that the dtype holds with
    no gap before it (2**24 for float32). RuntimeError for an empty range or one outside the dtype.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.empty(4).random_(10)
    tensor([4., 9., 3., 0.])
    """
    g = source(generator, "random_")
    d = self._spec.dtype
    row = _randint
    if len(args) == 1 and not kwargs:
        args, row = (0, args[0]), _below
    elif not args and not kwargs:
        if d.category == dtypes.COMPLEX or (d.np.kind == "u" and d.itemsize > 1):
            raise _not_implemented("random_kernel_cpu", d)
        return _filled(self, _random, (g,))
    start, stop = _bounds("random_", args, kwargs, (0, None))
    start = whole(start, "random_", "from")
    if stop is None:
        start, stop = _check_from(start, d)
    else:
        start, stop = check_whole(start, whole(stop, "random_", "to"), d)
    return _filled(self, row, (start, stop, g))


def _each_in_ops(x: Tensor, p: Tensor, g: Generator) -> Tensor:
    """bernoulli_ with probabilities of a transform: numbers are drawn in the shape of x, then compared."""
    u = drawn(tuple(x.shape), lambda size: g.rand(size, np.dtype(np.float64)))
    below: Tensor = TENSORS.cast(TENSORS.lt(u, p), x._spec.dtype)
    return below


@public("Tensor")
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 (with probability p) and 0; return self.

    p is a number, or a tensor of probabilities that broadcasts to self. RuntimeError for p outside
    [0, 1], NotImplementedError for complex dtypes.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.empty(4).bernoulli_(0.8)
    tensor([0., 1., 1., 0.])
    """
    g = source(generator, "bernoulli_")
    d = self._spec.dtype
    if d.category == dtypes.COMPLEX:
        raise _not_implemented("bernoulli_scalar_cpu_", d)
    if isinstance(p, Tensor) and state.current_batch() is not None:
        check_target(self, "bernoulli_")
        return write(self, _each_in_ops, (p, g), copy_old=False)
    if isinstance(p, Tensor):
        check_probability(p._array)
        try:
            np.broadcast_to(p._array, self._array.shape)
        except ValueError:
            raise RuntimeError(
                "The expanded size of the tensor must match the existing size: probabilities of "
                f"shape {list(p.shape)} do not broadcast to a tensor of shape {list(self.shape)}"
            ) from None
        return _filled(self, _bernoulli_each, (p._array, g))
    p = number(p, "bernoulli_", "p")
    if not 0.0 <= p <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    return _filled(self, _bernoulli, (p, g))


@public("Tensor")
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with exponentially distributed numbers of rate lambd; return self.

    RuntimeError for a rate that is not positive and for integer dtypes.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.empty(3).exponential_()
    tensor([3.5083, 1.2304, 0.6150])
    """
    lambd = number(lambd, "exponential_", "lambd")
    _check_distribution(self._spec.dtype, "Exponential")
    if not lambd > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    return _filled(self, _exponential, (lambd, source(generator, "exponential_")))


@public("Tensor")
def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fill with the number of trials up to the first success of probability p; return self.

    RuntimeError unless 0 < p < 1.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.empty(4).geometric_(0.2)
    tensor([1., 2., 4., 1.])
    """
    p = number(p, "geometric_", "p")
    d = self._spec.dtype
    if not 0.0 < p < 1.0:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if d.category in (dtypes.COMPLEX, dtypes.BOOL):
        raise _not_implemented("geometric_cpu", d)
    return _filled(self, _geometric, (p, source(generator, "geometric_")))


@public("Tensor")
def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Any = None
) -> Tensor:
    """Fill with the exponentials of normal numbers of this mean and std; return self.

    RuntimeError unless std is positive, NotImplementedError for integer dtypes.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.empty(3).log_normal_(0, 1)
    tensor([4.6692, 0.7457, 0.1132])
    """
    mean, std = number(mean, "log_normal_", "mean"), number(std, "log_normal_", "std")
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    check_continuous(self._spec.dtype, "log_normal_cpu", complex_too=False)
    return _filled(self, _log_normal, (mean, std, source(generator, "log_normal_")))


@public("Tensor")
def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None
) -> Tensor:
    """Fill with numbers of the Cauchy distribution; return self.

    RuntimeError unless sigma is positive, and for integer dtypes.

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.empty(3).cauchy_()
    tensor([10.5977,  0.7648, -0.1283])
    """
    median, sigma = number(median, "cauchy_", "median"), number(sigma, "cauchy_", "sigma")
    _check_distribution(self._spec.dtype, "Cauchy")
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    return _filled(self, _cauchy, (median, sigma, source(generator, "cauchy_")))
