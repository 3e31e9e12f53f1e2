"""What a `.pt` file may build: the allow-list of names, and a checked constructor for each.

`lookup` turns a name of the program into a value (a dtype) or a Constructor, our own function that
takes the arguments as data; everything else is refused by name. No object of the file is ever
called, imported or looked up in a module.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import layout as layouts
from ..core.device import device
from ..core.parameter import Parameter
from ..core.size import Size
from ..core.tensor import Tensor, wrap
from ..kernels import dtypes
from .formats import STORAGES, LoadError
from .limits import short

_MAX_EXPANDED = 1 << 31  # elements of a tensor that repeats its storage (stride 0)


class Constructor:
    """A name of the program that may be called, as our function of the argument tuple.

    `keys` says which items of its first argument will be hashed: "items", "pairs" or none.
    """

    __slots__ = ("call", "keys", "name")

    def __init__(self, name: str, call: Callable[..., Any], keys: str = "") -> None:
        self.name = name
        self.call = call
        self.keys = keys

    def keys_of(self, arguments: tuple[Any, ...]) -> list[Any]:
        """The collections of keys that a call with these arguments would hash."""
        if not self.keys or not arguments or type(arguments[0]) not in (list, tuple):
            return []
        first = arguments[0]
        return [
            first
            if self.keys == "items"
            else [p[0] for p in first if type(p) in (list, tuple) and p]
        ]

    def __call__(self, arguments: tuple[Any, ...]) -> Any:
        try:
            return self.call(*arguments)
        except ImportError as error:  # of the package that has the dtype
            raise LoadError(f"the file cannot be loaded here: {error}") from None
        except (TypeError, ValueError, OverflowError, RuntimeError, AttributeError) as error:
            if isinstance(error, LoadError):
                raise
            raise LoadError(
                f"the file builds a {self.name} from wrong arguments: {error}"
            ) from None

    def __repr__(self) -> str:
        return f"<{self.name}, named in a file>"


class StorageKind:
    """The class of a storage as the program names it; dtype None for untyped bytes."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype


class Storage:
    """The bytes of one storage, with the dtype under which they are first referred to."""

    __slots__ = ("bytes", "dtype", "location")

    def __init__(self, data: Any, dtype: Any, location: str) -> None:
        self.bytes = data
        self.dtype = dtype
        self.location = location

    def nbytes(self) -> int:
        """The size in bytes."""
        return int(self.bytes.nbytes)

    def cpu(self) -> Storage:
        """The storage itself, which is on the CPU: what `map_location` functions ask for."""
        return self

    def __len__(self) -> int:
        return self.nbytes() // (1 if self.dtype is None else self.dtype.itemsize)


# ------------------------------------------------------------------ tensors


def _naturals(values: Any, what: str) -> tuple[int, ...]:
    if type(values) not in (tuple, list, Size) or not all(
        type(v) is int and 0 <= v < 1 << 62 for v in values
    ):
        raise LoadError(f"the file gives a tensor the {what} {short(values)}: refused")
    return tuple(values)


def _tensor(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any = None,
    metadata: Any = None,
) -> Tensor:
    if not isinstance(storage, Storage) or storage.dtype is None:
        raise LoadError("the file builds a tensor of something that is no typed storage: refused")
    return _strided(storage, storage.dtype, offset, size, stride, requires_grad, hooks, metadata)


def _tensor_with_dtype(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    if not isinstance(storage, Storage) or not isinstance(dtype, dtypes.dtype):
        raise LoadError("the file builds a tensor of something that is no storage: refused")
    return _strided(storage, dtype, offset, size, stride, requires_grad, hooks, metadata)


def _strided(
    storage: Storage,
    dtype: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    metadata: Any,
) -> Tensor:
    size, stride = _naturals(size, "size"), _naturals(stride, "stride")
    (offset,) = _naturals((offset,), "offset")
    if len(size) != len(stride) or len(size) > 64:
        raise LoadError(
            f"the file gives a tensor size {short(size)} with stride {short(stride)}: refused"
        )
    if type(requires_grad) is not bool:
        raise LoadError("the file gives a tensor a requires_grad that is no bool: refused")
    _no_hooks(hooks)
    item = dtype.itemsize
    numel = 1
    for n in size:
        numel *= n
    if numel == 0:
        return _finished(np.empty(size, dtype.np), requires_grad)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if (last + 1) * item > storage.nbytes():
        raise LoadError(
            f"the file gives a tensor of size {size} with stride {stride} and offset {offset}, "
            f"which reaches beyond its storage of {storage.nbytes()} bytes: refused"
        )
    if numel > max(_MAX_EXPANDED, storage.nbytes()):
        raise LoadError(
            f"the file gives a tensor of size {size} that repeats a storage of "
            f"{storage.nbytes()} bytes: refused as too large"
        )
    flat: Any = np.ndarray(last + 1 - offset, dtype.np, storage.bytes, offset * item)
    for flag, value in _metadata(metadata):
        if value:  # on the storage, which is never larger than the file; a view may repeat it
            flat = flat.conj() if flag == "conj" else -flat
    strides = tuple(s * item for s in stride)
    return _finished(np.ndarray(size, dtype.np, flat, strides=strides), requires_grad)


def _finished(array: Any, requires_grad: bool) -> Tensor:
    t = wrap(array)
    return t.requires_grad_(True) if requires_grad else t


def _no_hooks(hooks: Any) -> None:
    if hooks:
        raise LoadError("the file attaches hooks to a tensor: refused")


def _metadata(metadata: Any) -> list[tuple[str, bool]]:
    if metadata is None:
        return []
    if type(metadata) is not dict or not set(metadata) <= {"conj", "neg"}:
        raise LoadError(f"the file gives a tensor the unknown metadata {short(metadata)}: refused")
    return list(metadata.items())


def _parameter(data: Any, requires_grad: Any, hooks: Any = None) -> Parameter:
    if not isinstance(data, Tensor) or type(requires_grad) is not bool:
        raise LoadError("the file builds a Parameter of something that is no tensor: refused")
    _no_hooks(hooks)
    made: Parameter = Parameter(data.detach(), requires_grad)
    return made


def _parameter_with_state(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Parameter:
    made = _parameter(data, requires_grad, hooks)
    _attributes(made, state)
    return made


def _from_type(constructor: Any, kind: Any, arguments: Any, state: Any) -> Tensor:
    """A tensor with attributes; `kind` is its class, of which there are two."""
    if not (
        isinstance(constructor, Constructor)
        and constructor.name.startswith("tensor")
        and isinstance(kind, Constructor)
        and kind.name in ("Tensor", "Parameter")
        and type(arguments) is tuple
    ):
        raise LoadError("the file builds a subclass of Tensor: refused")
    made: Tensor = constructor(arguments)
    if kind.name == "Parameter" and not isinstance(made, Parameter):
        made = Parameter(made.detach(), made.requires_grad)
    _attributes(made, state)
    return made


def _attributes(t: Tensor, state: Any) -> None:
    """Extra attributes of a tensor, unless they would hide a method."""
    if type(state) is not dict:
        raise LoadError("the file gives a tensor attributes that are no dict: refused")
    for name, value in state.items():
        # NumPy reads memory where an attribute such as __array_interface__ says
        if type(name) is not str or name.startswith("__") or hasattr(type(t), name):
            raise LoadError(f"the file gives a tensor the attribute {short(name)}: refused")
        t.__dict__[name] = value


def _not_callable(name: str) -> Constructor:
    """A class that may be named but not called."""

    def refuse(*arguments: Any) -> Any:
        raise LoadError(f"the file makes a {name} by calling its class: refused")

    return Constructor(name, refuse)


# ------------------------------------------------------------------ plain values


def _size(values: Any = ()) -> Size:
    return Size(_naturals(values, "size"))


def _device(kind: Any, index: Any = None) -> device:
    if type(kind) is not str or type(index) not in (int, type(None)):
        raise LoadError(f"the file names the device {short(kind)}: refused")
    return device(kind) if index is None else device(kind, index)


def _layout(name: Any) -> Any:
    found = getattr(layouts, name.removeprefix("torch."), None) if type(name) is str else None
    if not isinstance(found, layouts.layout):
        raise LoadError(f"the file names the layout {short(name)}: refused")
    return found


def _ordered_dict(pairs: Any = ()) -> OrderedDict[Any, Any]:
    if type(pairs) not in (list, tuple):
        raise LoadError("the file builds an OrderedDict of something that is no list: refused")
    return OrderedDict([(key, value) for key, value in pairs])


def _counter(counts: Any = None) -> Counter[Any]:
    if counts is not None and type(counts) is not dict:
        raise LoadError("the file builds a Counter of something that is no dict: refused")
    made: Counter[Any] = Counter()
    made.update(counts or {})
    return made


def _defaultdict(factory: Any = None) -> defaultdict[Any, Any]:
    if factory is None:
        return defaultdict(None)
    if not isinstance(factory, Constructor) or factory.name not in _FACTORIES:
        raise LoadError(f"the file gives a defaultdict the factory {factory!r}: refused")
    return defaultdict(_FACTORIES[factory.name])


def _list_only(make: Callable[[Any], Any]) -> Callable[..., Any]:
    def call(items: Any = ()) -> Any:
        if type(items) not in (list, tuple):
            raise LoadError("the file builds a set of something that is no list: refused")
        return make(items)

    return call


def _complex(real: Any, imag: Any) -> complex:
    if type(real) is not float or type(imag) is not float:
        raise LoadError("the file builds a complex number of other things than floats: refused")
    return complex(real, imag)


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    if type(text) is not str or codec not in ("latin1", "latin-1"):
        raise LoadError(f"the file encodes {type(text).__name__} as {short(codec)}: refused")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    return b""


def _bytearray(data: Any = b"", codec: Any = None) -> bytearray:
    return bytearray(_encode(data, codec) if type(data) is str else bytes(memoryview(data)))


_FACTORIES: dict[str, Any] = {f.__name__: f for f in (dict, list, set, int, float, str, tuple)}


# ------------------------------------------------------------------ NumPy arrays and scalars

_NUMPY_DTYPE = re.compile(r"[<>|=]?([biufc][0-9]{1,2}|[SU][0-9]{1,9}|\?)", re.ASCII)


def _numpy_dtype(text: Any, align: Any = False, copy: Any = False) -> Any:
    if type(text) is not str or not _NUMPY_DTYPE.fullmatch(text):
        raise LoadError(f"the file names the NumPy dtype {short(text)}: refused")
    # a fresh object, because its byte order is set in a second step, in place
    return np.dtype(text, copy=True)


def _set_byte_order(dtype: Any, state: Any) -> None:
    plain = type(state) is tuple and len(state) == 8 and state[2:5] == (None, None, None)
    if not plain or state[1] not in ("<", ">", "|", "="):
        raise LoadError("the file describes a NumPy dtype that is not a plain one: refused")
    if dtype.byteorder == "|" or state[1] in ("|", "=") or np.dtype(state[1] + "i4").isnative:
        return
    if dtype.kind == "U":
        raise LoadError("the file holds NumPy text in foreign byte order: refused")
    dtype.__setstate__((3, state[1], None, None, None, -1, -1, 0))


def _numpy_empty(kind: Any, shape: Any, code: Any) -> Any:
    if not isinstance(kind, Constructor) or kind.name != "ndarray":
        raise LoadError("the file builds a subclass of ndarray: refused")
    return np.empty(0, np.uint8)


def _numpy_fill(array: Any, state: Any) -> None:
    if type(state) is not tuple or len(state) != 5 or not isinstance(state[2], np.dtype):
        raise LoadError("the file describes a NumPy array that is not a plain one: refused")
    _, shape, dtype, fortran, data = state
    shape = _naturals(shape, "shape")
    numel = 1
    for n in shape:
        numel *= n
    if type(data) is not bytes or len(data) != numel * dtype.itemsize or len(shape) > 32:
        raise LoadError("the file holds a NumPy array whose bytes do not match its shape: refused")
    # __setstate__ keeps the bytes as the array's memory: they must be nobody else's
    array.__setstate__((1, shape, dtype, bool(fortran), bytes(bytearray(data))))


def _numpy_scalar(dtype: Any, data: Any) -> Any:
    if not isinstance(dtype, np.dtype) or type(data) is not bytes or len(data) != dtype.itemsize:
        raise LoadError("the file holds a NumPy scalar that is not a plain one: refused")
    return np.frombuffer(data, dtype)[0] if data else dtype.type()


# ------------------------------------------------------------------ the allow-list


def _allowed() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {
        ("torch._utils", "_rebuild_tensor"): Constructor(
            "tensor", lambda s, o, size, stride: _tensor(s, o, size, stride, False)
        ),
        ("torch._utils", "_rebuild_tensor_v2"): Constructor("tensor", _tensor),
        ("torch._utils", "_rebuild_tensor_v3"): Constructor("tensor", _tensor_with_dtype),
        ("torch._utils", "_rebuild_parameter"): Constructor("Parameter", _parameter),
        ("torch._utils", "_rebuild_parameter_with_state"): Constructor(
            "Parameter", _parameter_with_state
        ),
        ("torch._tensor", "_rebuild_from_type_v2"): Constructor("Tensor", _from_type),
        ("torch", "Tensor"): _not_callable("Tensor"),
        ("torch.nn.parameter", "Parameter"): _not_callable("Parameter"),
        ("torch", "Size"): Constructor("Size", _size),
        ("torch", "device"): Constructor("device", _device),
        ("torch.serialization", "_get_layout"): Constructor("layout", _layout),
        ("collections", "OrderedDict"): Constructor("OrderedDict", _ordered_dict, "pairs"),
        ("collections", "Counter"): Constructor("Counter", _counter),
        ("collections", "defaultdict"): Constructor("defaultdict", _defaultdict),
        ("_codecs", "encode"): Constructor("bytes", _encode),
        ("numpy", "dtype"): Constructor("NumPy dtype", _numpy_dtype),
        ("numpy", "ndarray"): _not_callable("ndarray"),
        ("torch.storage", "UntypedStorage"): StorageKind(None),
    }
    plain: dict[str, Callable[..., Any]] = {
        "set": _list_only(set),
        "frozenset": _list_only(frozenset),
        "complex": _complex,
        "bytearray": _bytearray,
        "bytes": _no_bytes,
    }
    for module in ("__builtin__", "builtins"):
        for name in _FACTORIES:
            table[module, name] = _not_callable(name)
        for name, call in plain.items():
            table[module, name] = Constructor(name, call, "items" if "set" in name else "")
    for module in ("numpy._core.multiarray", "numpy.core.multiarray"):
        table[module, "_reconstruct"] = Constructor("ndarray", _numpy_empty)
        table[module, "scalar"] = Constructor("NumPy scalar", _numpy_scalar)
    for name, dtype in dtypes.NAMES.items():
        table["torch", name] = dtype
    for name, dtype in STORAGES.items():
        table["torch", name] = StorageKind(dtype)
    return table


_ALLOWED = _allowed()
_DTYPE_LIKE = re.compile(r"(float|complex|q?u?int|bits)[0-9]|Q\w+Storage$")


def allowed(module: str, name: str) -> bool:
    """Whether files may name `module.name`."""
    return (module, name) in _ALLOWED


def lookup(module: str, name: str) -> Any:
    """Returns what the global `module.name` stands for; LoadError if it is not on the list."""
    found = _ALLOWED.get((module, name))
    if found is not None:
        return found
    full = f"{module[:200]}.{name[:200]}"
    if (module, name) == ("torch.nn.parameter", "UninitializedParameter"):
        advice = "a lazy module has no parameters yet: run it once before it is saved"
    elif module.startswith(("torch.nn.modules", "torch.optim", "__main__")):
        advice = (
            "the file holds a whole pickled object instead of its state; load it where its "
            "class is known and save its state_dict()"
        )
    elif "sparse" in name.lower() or "_rebuild_q" in name or "nested" in name or "_meta_" in name:
        advice = "only dense tensors can be loaded"
    elif module == "torch" and _DTYPE_LIKE.match(name):
        advice = "wengert has no such dtype; convert the tensors with PyTorch"
    else:
        advice = (
            "files may hold tensors, numbers, strings, dicts, lists, tuples and sets; "
            "nothing in a file is ever executed, with weights_only=False neither. If the file holds "
            "a whole model or another object, load it with PyTorch and save its state_dict()"
        )
    raise LoadError(
        f"refusing to load global {full}: Unsupported global: GLOBAL {full} is not on "
        f"the list of allowed ones. {advice[0].upper()}{advice[1:]}."
    )


def build(target: Any, state: Any) -> None:
    """The second step of an object: the metadata of a state dict, or what NumPy needs."""
    if type(target) is OrderedDict:
        if type(state) is not dict or not all(
            type(k) is str and not k.startswith("__") and not hasattr(OrderedDict, k) for k in state
        ):
            raise LoadError("the file gives an OrderedDict attributes that hide its own: refused")
        target.__dict__.update(state)
    elif isinstance(target, np.dtype):
        _set_byte_order(target, state)
    elif type(target) is np.ndarray:
        if target.size or target.dtype != np.uint8:
            raise LoadError("the file fills a NumPy array twice: refused")
        _numpy_fill(target, state)
    else:
        raise LoadError(f"the file sets the state of a {type(target).__name__}: refused")
