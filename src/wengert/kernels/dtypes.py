"""The element types: their names, NumPy counterparts, promotion, limits and the default dtype.

Everything here follows PyTorch's tables. It knows NumPy and nothing of tensors: the promotion of a
call is split into three categories (tensors with dimensions, 0-dim tensors, Python numbers) that
callers fill in, see `combine`.
"""

from __future__ import annotations

import builtins
from math import copysign, inf, isfinite
from typing import Any, Self

import numpy as np

# What the package offers as it is; the dtypes themselves are in NAMES.
__all__ = [
    "can_cast",
    "dtype",
    "finfo",
    "get_default_dtype",
    "iinfo",
    "promote_types",
    "set_default_dtype",
]

BOOL, INT, FLOAT, COMPLEX = range(4)


class dtype:  # PyTorch's spelling
    """The type of a tensor's elements; compare with ``is`` or ``==``, prints as torch.float32."""

    __slots__ = (
        "abbr",
        "category",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "name",
        "np",
        "scalar_name",
    )
    __module__ = "wengert"

    name: str
    np: np.dtype[Any]
    abbr: str
    #: What PyTorch calls the type in error texts and in ``tensor.type()``: Float, Long, ...
    scalar_name: str
    category: int
    itemsize: int
    is_floating_point: builtins.bool
    is_complex: builtins.bool
    is_signed: builtins.bool

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        raise TypeError("cannot create 'torch.dtype' instances")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute '{name}' of 'torch.dtype' objects is not writable")

    def __repr__(self) -> str:
        return "torch." + self.name

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _named, (self.name,)

    @property
    def type(self) -> Any:
        """NumPy's scalar type of this dtype, which NumPy-calling code asks a dtype for."""
        return self.np.type

    def to_real(self) -> dtype:
        """Return the type of a real part: float32 for complex64, itself where there is none."""
        return _REAL.get(self, self)

    def to_complex(self) -> dtype:
        """Return the complex type that holds this one.

        float16 answers complex64, the smallest complex type that NumPy has (PyTorch: complex32).
        RuntimeError for integers and bool.
        """
        if self.category == COMPLEX:
            return self
        if self.category != FLOAT:
            raise RuntimeError(f"Unknown Complex ScalarType for {self.scalar_name}")
        return complex128 if self is float64 else complex64


class _BFloat16(dtype):
    """bfloat16, whose NumPy type waits until somebody needs it: importing ml_dtypes costs time.

    A class of its own, because a `__getattr__` on dtype would slow every look at every dtype.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name == "np":
            found = _load_bfloat16()
            object.__setattr__(self, "np", found)
            return found
        raise AttributeError(f"'torch.dtype' object has no attribute '{name}'")


def _load_bfloat16() -> np.dtype[Any]:
    try:
        import ml_dtypes
    except ImportError:
        raise ImportError(
            "torch.bfloat16 needs the package ml_dtypes, which NumPy does not include: "
            "pip install 'wengert[bf16]'"
        ) from None
    found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    _BY_NUMPY[found] = bfloat16
    return found


def _define(
    name: str,
    category: int,
    scalar_name: str,
    abbr: str,
    itemsize: int,
    signed: builtins.bool = True,
) -> dtype:
    d: dtype = object.__new__(_BFloat16 if name == "bfloat16" else dtype)
    write = object.__setattr__
    write(d, "name", name)
    write(d, "category", category)
    write(d, "scalar_name", scalar_name)
    write(d, "abbr", abbr)
    write(d, "itemsize", itemsize)
    write(d, "is_floating_point", category == FLOAT)
    write(d, "is_complex", category == COMPLEX)
    write(d, "is_signed", signed)
    if name != "bfloat16":
        write(d, "np", np.dtype(name))
    return d


bool_ = _define("bool", BOOL, "Bool", "b8", 1, False)
uint8 = _define("uint8", INT, "Byte", "u8", 1, False)
int8 = _define("int8", INT, "Char", "i8", 1)
int16 = _define("int16", INT, "Short", "i16", 2)
int32 = _define("int32", INT, "Int", "i32", 4)
int64 = _define("int64", INT, "Long", "i64", 8)
uint16 = _define("uint16", INT, "UInt16", "u16", 2, False)
uint32 = _define("uint32", INT, "UInt32", "u32", 4, False)
uint64 = _define("uint64", INT, "UInt64", "u64", 8, False)
float16 = _define("float16", FLOAT, "Half", "f16", 2)
bfloat16 = _define("bfloat16", FLOAT, "BFloat16", "bf16", 2)
float32 = _define("float32", FLOAT, "Float", "f32", 4)
float64 = _define("float64", FLOAT, "Double", "f64", 8)
complex64 = _define("complex64", COMPLEX, "ComplexFloat", "c64", 8)
complex128 = _define("complex128", COMPLEX, "ComplexDouble", "c128", 16)

#: In the order of PyTorch's tables.
ALL: tuple[dtype, ...] = (
    bool_, uint8, int8, int16, int32, int64, uint16, uint32, uint64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip

#: Every public name, second names included: what the package exports (``bool`` and friends would
#: hide Python's own names inside this module, so they exist as keys only).
NAMES: dict[str, dtype] = {d.name: d for d in ALL} | {
    "half": float16,
    "float": float32,
    "double": float64,
    "cfloat": complex64,
    "cdouble": complex128,
    "short": int16,
    "int": int32,
    "long": int64,
}

_REAL = {complex64: float32, complex128: float64}
_BY_NUMPY: dict[np.dtype[Any], dtype] = {d.np: d for d in ALL if d is not bfloat16}
_BY_PYTHON: dict[type, dtype] = {
    builtins.float: float64,
    builtins.int: int64,
    builtins.bool: bool_,
    builtins.complex: complex128,
}


def _named(name: str) -> dtype:
    """Return the dtype of that name (how a pickled or copied dtype finds itself again)."""
    return NAMES[name]


def of(np_dtype: np.dtype[Any]) -> dtype:
    """Return the dtype of a NumPy dtype; TypeError where tensors have no such type."""
    found = _BY_NUMPY.get(np_dtype)
    if found is None:
        if np_dtype.name != "bfloat16":
            raise TypeError(
                f"can't convert np.ndarray of type {_numpy_name(np_dtype)}. The only supported "
                "types are: float64, float32, float16, complex64, complex128, int64, int32, "
                "int16, int8, uint64, uint32, uint16, uint8, and bool."
            )
        _BY_NUMPY[np_dtype] = found = bfloat16
    return found


def _numpy_name(np_dtype: np.dtype[Any]) -> str:
    if not np_dtype.isnative:
        return f"{np_dtype.type.__module__}.{np_dtype.type.__name__} in the other byte order"
    return f"{np_dtype.type.__module__}.{np_dtype.type.__name__}"


def as_dtype(x: Any, caller: str = "", argument: str = "dtype") -> dtype:
    """Return ``x`` as a dtype: one of ours, Python's float/int/bool/complex, or NumPy's.

    TypeError otherwise, naming the argument of the calling function.
    """
    if isinstance(x, dtype):
        return x
    if isinstance(x, type):
        found = _BY_PYTHON.get(x)
        if found is not None:
            return found
        if issubclass(x, np.generic):
            try:
                return of(np.dtype(x))
            except TypeError:
                pass
    elif isinstance(x, np.dtype):
        return of(x)
    where = f"{caller}(): " if caller else ""
    hint = f"; did you mean torch.{x}?" if isinstance(x, str) and x in NAMES else ""
    raise TypeError(
        f"{where}argument '{argument}' must be torch.dtype, not {type(x).__name__}{hint}"
    )


# ---------------------------------------------------------------------------------- default dtype

_default = float32


def get_default_dtype() -> dtype:
    """Return the dtype that Python floats take when they become tensors.

    >>> import wengert as torch
    >>> torch.get_default_dtype()
    torch.float32
    """
    return _default


def set_default_dtype(d: dtype, /) -> None:
    """Make ``d`` the dtype of new floating-point tensors; TypeError unless it is a float dtype.

    >>> import wengert as torch
    >>> torch.set_default_dtype(torch.float64)
    >>> torch.tensor(1.5).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    global _default
    if type(d) is not dtype:
        raise TypeError(
            "invalid dtype object: only floating-point types are supported as the default type, "
            f"got {d!r}"
        )
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d!r}")
    _default = d


# -------------------------------------------------------------------------------------- promotion

# The wide unsigned types came late to PyTorch: they combine with themselves and with floats only.
_BARE_UNSIGNED = (uint16, uint32, uint64)


def _promote(a: dtype, b: dtype) -> dtype | None:
    if a is b:
        return a
    if a.category > b.category:
        a, b = b, a
    if b.category == COMPLEX:
        if a in _BARE_UNSIGNED:
            return None
        return complex128 if float64 in (a, b) or complex128 in (a, b) else complex64
    if b.category == FLOAT:
        if a.category < FLOAT:
            return b
        if a.itemsize == b.itemsize:  # float16 with bfloat16: neither holds the other
            return float32
        return a if a.itemsize > b.itemsize else b
    if a in _BARE_UNSIGNED or b in _BARE_UNSIGNED:
        return None
    if a.category == BOOL:
        return b
    if {a, b} == {uint8, int8}:
        return int16
    if a.itemsize == b.itemsize:
        raise AssertionError(f"no promotion rule for {a} and {b}")
    return a if a.itemsize > b.itemsize else b


_PROMOTED = {(a, b): _promote(a, b) for a in ALL for b in ALL}


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """Return the smallest dtype that holds both, by PyTorch's table.

    RuntimeError for uint16, uint32 and uint64 with another integer or complex dtype.

    >>> import wengert as torch
    >>> torch.promote_types(torch.uint8, torch.int8)
    torch.int16
    """
    try:
        found = _PROMOTED[type1, type2]
    except (KeyError, TypeError):
        type1 = as_dtype(type1, "promote_types", "type1")
        type2 = as_dtype(type2, "promote_types", "type2")
        found = _PROMOTED[type1, type2]
    if found is None:
        raise RuntimeError(
            "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{type1.scalar_name} and {type2.scalar_name}; convert one of them first, "
            "for example with .to(torch.int64)"
        )
    return found


def number_dtype(x: Any) -> dtype:
    """Return the dtype of a Python number as PyTorch sees it: bool, int64 or the default dtype."""
    if isinstance(x, (builtins.bool, np.bool_)):
        return bool_
    if isinstance(x, (builtins.int, np.integer)):
        return int64
    if isinstance(x, (builtins.float, np.floating)):
        return _default
    if isinstance(x, (builtins.complex, np.complexfloating)):
        return _default.to_complex()
    raise TypeError(f"expected a number, got {type(x).__name__}")


def combine(dims: dtype | None, scalars: dtype | None, numbers: dtype | None) -> dtype:
    """Return the result dtype of a call from its three categories of operands.

    ``dims``: the promoted dtype of the tensors with dimensions; ``scalars``: of the 0-dim tensors;
    ``numbers``: of the Python numbers (`number_dtype`). A category counts against a stronger one
    only when its kind is higher: an int tensor with a Python float becomes the default float, an
    int8 tensor with a 0-dim int64 tensor stays int8.
    """
    result = _over(dims, _over(scalars, numbers))
    if result is None:
        raise ValueError("result_type needs at least one operand")
    return result


def _over(strong: dtype | None, weak: dtype | None) -> dtype | None:
    if strong is None:
        return weak
    if weak is None:
        return strong
    if strong.category == COMPLEX:
        return strong
    if strong.category == FLOAT:
        return strong.to_complex() if weak.category == COMPLEX else strong
    if weak.category >= FLOAT:
        return weak
    return promote_types(strong, weak) if strong.category == BOOL else strong


def can_cast(from_: dtype, to: dtype) -> builtins.bool:
    """Say whether a result of dtype ``from_`` may be written into dtype ``to``.

    Allowed is everything but a step down in kind: complex to real, float to integer, anything
    else to bool.

    >>> import wengert as torch
    >>> torch.can_cast(torch.float64, torch.float32), torch.can_cast(torch.float32, torch.int64)
    (True, False)
    """
    from_ = as_dtype(from_, "can_cast", "from_")
    to = as_dtype(to, "can_cast", "to")
    return from_.category <= to.category


# ----------------------------------------------------------------------------------------- limits


class _Limits:
    __slots__ = ("_shown", "bits", "dtype", "max", "min")

    _shown: tuple[str, ...]
    dtype: str
    bits: int

    def __eq__(self, other: object) -> builtins.bool:
        return type(other) is type(self) and other.dtype == self.dtype

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        body = ", ".join(f"{name}={getattr(self, name):g}" for name in self._shown)
        return f"{type(self).__name__}({body}, dtype={self.dtype})"


class finfo(_Limits):
    """The limits of a floating-point dtype (of the parts, for a complex one).

    >>> import wengert as torch
    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    __slots__ = ("eps", "resolution", "smallest_normal", "tiny")
    __module__ = "wengert"

    def __init__(self, type: Any = None) -> None:
        d = _default if type is None else as_dtype(type, "finfo", "type")
        if d.category < FLOAT:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                f"'{d}'"
            )
        d = d.to_real()
        self._shown = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        self.dtype = d.name
        self.bits = d.itemsize * 8
        if d is bfloat16:  # known without ml_dtypes: 8 bits of precision, float32's exponents
            self.resolution, self.eps = 0.01, 2.0**-7
            self.max, self.tiny = (2 - 2.0**-7) * 2.0**127, 2.0**-126
        else:
            info = np.finfo(d.np)
            self.resolution, self.eps = 10.0**-info.precision, builtins.float(info.eps)
            self.max, self.tiny = builtins.float(info.max), builtins.float(info.tiny)
        self.min, self.smallest_normal = -self.max, self.tiny


class iinfo(_Limits):
    """The limits of an integer dtype.

    >>> import wengert as torch
    >>> torch.iinfo(torch.int8).max
    127
    """

    __slots__ = ()
    __module__ = "wengert"

    def __init__(self, type: Any) -> None:
        d = as_dtype(type, "iinfo", "type")
        if d.category > INT:
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{d}'"
            )
        if d.category == BOOL:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        self._shown = ("min", "max")
        self.dtype = d.name
        self.bits = d.itemsize * 8
        self.min = -(1 << (self.bits - 1)) if d.is_signed else 0
        self.max = (1 << (self.bits - d.is_signed)) - 1


# ---------------------------------------------------------------------------------------- numbers

# How PyTorch's overflow messages call the types.
_C_NAMES = {
    "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t",
    "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t", "float16": "c10::Half",
    "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>", "bool": "bool",
}  # fmt: skip


def number_array(value: Any, d: dtype, *, saturate: builtins.bool = False) -> np.ndarray:
    """Return a Python number as a 0-d array of dtype ``d``.

    RuntimeError where the value does not fit: an integer out of range (negative ones wrap around
    in unsigned types, as in PyTorch), a fraction of infinity as an integer, an imaginary part in a
    real type. ``saturate`` lets floats that are too large become inf instead.
    """
    fits, given = True, value
    if d.category == COMPLEX:
        value = builtins.complex(value)
        real, imag = _float_fits(value.real, d), _float_fits(value.imag, d)
        fits = saturate or (real and imag)
        if saturate and not (real and imag):
            value = builtins.complex(*(_saturated(v, d) for v in (value.real, value.imag)))
    elif isinstance(value, (builtins.complex, np.complexfloating)):
        fits = value.imag == 0
        value = value.real
    if fits and d.category == BOOL:
        value = builtins.bool(value)
    elif fits and d.category == FLOAT:
        value = builtins.float(value)
        fits = _float_fits(value, d)
        if saturate and not fits:
            fits, value = True, _saturated(value, d)
    elif fits and d.category == INT:
        fits, value = _integer(value, d)
    if not fits:
        name = d.name if saturate else _C_NAMES[d.name]
        raise RuntimeError(
            f"value cannot be converted to type {name} without overflow: {given!r} does not fit "
            f"in {d}"
        )
    return np.array(value, d.np)


_LARGEST: dict[dtype, builtins.float] = {}


def _float_fits(value: builtins.float, d: dtype) -> builtins.bool:
    largest = _LARGEST.get(d)
    if largest is None:
        limits = finfo(d)  # what rounds to the largest number still fits
        largest = limits.max + limits.max * (limits.eps / (2 - limits.eps) / 2)
        _LARGEST[d] = largest
    return -largest < value < largest or not isfinite(value) or d is float64


def _saturated(value: builtins.float, d: dtype) -> builtins.float:
    return value if _float_fits(value, d) else copysign(inf, value)


def _integer(value: Any, d: dtype) -> tuple[builtins.bool, Any]:
    limits = iinfo(d)
    low, high = limits.min, limits.max
    if isinstance(value, (builtins.float, np.floating)):
        return (True, builtins.int(value)) if low <= value <= high else (False, value)
    value = builtins.int(value)
    if not d.is_signed:
        return -high <= value <= high, value & high
    return low <= value <= high, value
