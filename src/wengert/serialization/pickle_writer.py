"""Writes the pickle program of a `.pt` file, protocol 2, for tensors and plain values only.

The program is made of opcodes written here, not by `pickle`: what is not on the list below is
refused by its path in the object, so nothing is written that `load` could not read back.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict, defaultdict
from typing import Any

import numpy as np

from ..core.device import device as device_class
from ..core.layout import layout as layout_class
from ..core.parameter import Parameter
from ..core.size import Size
from ..core.tensor import Tensor
from ..kernels.dtypes import dtype as dtype_class
from ..kernels.strides import address, element_strides, owner
from .formats import STORAGE_NAMES

_FACTORIES = {f: f.__name__ for f in (dict, list, set, int, float, str, tuple)}


class StorageTable:
    """The storages of the tensors to be written: which bytes of which memory, under which key.

    Tensors over one memory share a storage that spans what they need of it together, so views stay
    views; the rest of that memory is not written.
    """

    def __init__(self) -> None:
        self.keys: dict[tuple[int, str], int] = {}
        self.spans: list[list[int]] = []  # first and one-past-last byte, from the owner's start
        self.owners: list[Any] = []
        self.placed: dict[int, tuple[int, int, Any]] = {}  # tensor id: key, first byte, array

    def add(self, tensor: Tensor) -> None:
        if id(tensor) in self.placed:
            return
        array = _plain(tensor._array)
        base = owner(array)
        lo = address(array) - address(base)
        hi = (
            lo
            + array.itemsize
            + sum((n - 1) * s for n, s in zip(array.shape, array.strides, strict=True))
        )
        dense = base.flags.c_contiguous or base.flags.f_contiguous
        if not (
            array.size and dense and lo % array.itemsize == 0 and lo >= 0 and hi <= base.nbytes
        ):
            array = base = np.ascontiguousarray(array).reshape(array.shape)
            lo, hi = 0, array.nbytes
        place = (id(base), array.dtype.str)
        key = self.keys.setdefault(place, len(self.owners))
        if key == len(self.owners):
            self.owners.append(base)
            self.spans.append([lo, hi])
        else:
            span = self.spans[key]
            span[0], span[1] = min(span[0], lo), max(span[1], hi)
        self.placed[id(tensor)] = (key, lo, array)

    def bytes_of(self, key: int) -> Any:
        """The bytes of one storage, without a copy."""
        base, (lo, hi) = self.owners[key], self.spans[key]
        flat = (base if base.flags.c_contiguous else base.T).reshape(-1)
        return memoryview(flat.view(np.uint8)[lo:hi]) if hi > lo else b""


def _plain(array: Any) -> Any:
    """The array in native byte order with element-wise, non-negative strides."""
    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    if any(s < 0 or s % array.itemsize for s in array.strides):
        return np.ascontiguousarray(array).reshape(array.shape)
    return array


class PickleWriter:
    """Turns one object into a program; the storages it refers to are in `storages` afterwards."""

    def __init__(self) -> None:
        self.out = bytearray(b"\x80\x02")
        self.memo: dict[Any, int] = {}
        self.kept: list[Any] = []  # ids stay valid while the objects live
        self.open_tuples: set[int] = set()
        self.path: list[str] = []
        self.storages = StorageTable()

    def dump(self, value: Any) -> bytes:
        try:
            self._collect(value, set())
            self._write(value)
        except RecursionError:
            raise ValueError("save(): the object is nested too deeply") from None
        return bytes(self.out + b".")

    def _collect(self, value: Any, seen: set[int]) -> None:
        """Finds the tensors first: how much of a memory is written depends on all of them."""
        if isinstance(value, Tensor):
            if value._spec.plain and id(value) not in seen:
                seen.add(id(value))
                self.storages.add(value)
                for item in value.__dict__.values():
                    self._collect(item, seen)
        elif isinstance(value, dict | list | tuple | set | frozenset):
            if id(value) in seen:
                return
            seen.add(id(value))
            for item in value:
                self._collect(item, seen)
            if isinstance(value, dict):
                for item in value.values():
                    self._collect(item, seen)

    # -- the small change

    def _remember(self, key: Any, owner: Any = None) -> None:
        number = self.memo[key] = len(self.memo)
        self.kept.append(owner)
        self.out += bytes((0x71, number)) if number < 256 else struct.pack("<cI", b"r", number)

    def _recall(self, key: Any) -> bool:
        number = self.memo.get(key)
        if number is None:
            return False
        self.out += bytes((0x68, number)) if number < 256 else struct.pack("<cI", b"j", number)
        return True

    def _global(self, module: str, name: str) -> None:
        if not self._recall((module, name)):
            self.out += f"c{module}\n{name}\n".encode()
            self._remember((module, name))

    def _text(self, value: str) -> None:
        if not self._recall(("text", value)):
            data = value.encode("utf-8", "surrogatepass")
            self.out += struct.pack("<cI", b"X", len(data)) + data
            self._remember(("text", value))

    def _integer(self, value: int) -> None:
        if 0 <= value < 256:
            self.out += bytes((0x4B, value))
        elif 0 <= value < 65536:
            self.out += struct.pack("<cH", b"M", value)
        elif -(2**31) <= value < 2**31:
            self.out += struct.pack("<ci", b"J", value)
        else:
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            head = (
                bytes((0x8A, len(data)))
                if len(data) < 256
                else struct.pack("<ci", b"\x8b", len(data))
            )
            self.out += head + data

    def _bytes(self, value: bytes) -> None:
        """Protocol 2 has no bytes: they are text in latin-1, encoded by the reader."""
        self._global("_codecs", "encode")
        self._text(value.decode("latin-1"))
        self._text("latin1")
        self.out += b"\x86R"

    def _small_tuple(self, values: Any) -> None:
        """A tuple of integers that nobody shares."""
        if len(values) > 3:
            self.out += b"("
        for value in values:
            self._integer(int(value))
        self.out += (b")", b"\x85", b"\x86", b"\x87")[len(values)] if len(values) < 4 else b"t"

    # -- values

    def _write(self, value: Any) -> None:
        kind = type(value)
        if value is None:
            self.out += b"N"
        elif kind is bool:
            self.out += b"\x88" if value else b"\x89"
        elif kind is int:
            self._integer(value)
        elif kind is float:
            self.out += struct.pack(">cd", b"G", value)
        elif kind is str:
            self._text(value)
        elif isinstance(value, dtype_class):
            self._global("torch", value.name)
        elif kind is complex:
            self._global("__builtin__", "complex")
            self.out += struct.pack(">cdcd", b"G", value.real, b"G", value.imag) + b"\x86R"
        elif not self._recall(id(value)):
            self._write_object(value, kind)

    def _write_object(self, value: Any, kind: type) -> None:
        if isinstance(value, Tensor) and value._spec.plain:
            self._tensor(value)
        elif kind is list:
            self.out += b"]"
            self._remember(id(value), value)
            self._items(value)
        elif kind is tuple:
            self._tuple(value)
            return
        elif kind is dict:
            self.out += b"}"
            self._remember(id(value), value)
            self._pairs(value)
        elif kind is OrderedDict:
            self._ordered_dict(value)
        elif kind is defaultdict:
            self._defaultdict(value)
        elif kind is Counter:
            self._global("collections", "Counter")
            self.out += b"}"
            self._pairs(value)
            self.out += b"\x85R"
            self._remember(id(value), value)
        elif kind in (set, frozenset):
            self._global("__builtin__", kind.__name__)
            self.out += b"]"
            self._items(value)
            self.out += b"\x85R"
            self._remember(id(value), value)
        elif kind is Size:
            self._global("torch", "Size")
            self._small_tuple(value)
            self.out += b"\x85R"
            self._remember(id(value), value)
        elif kind is bytes:
            self._bytes(value)
            self._remember(id(value), value)
        elif kind is bytearray:
            self._global("__builtin__", "bytearray")
            self._bytes(bytes(value))
            self.out += b"\x85R"
            self._remember(id(value), value)
        elif isinstance(value, device_class):
            self._device(value)
        elif isinstance(value, layout_class):
            self._global("torch.serialization", "_get_layout")
            self._text(repr(value))
            self.out += b"\x85R"
            self._remember(id(value), value)
        elif isinstance(value, np.generic) or kind is np.ndarray:
            self._numpy(value)
        else:
            self._refuse(value, kind)

    def _items(self, values: Any) -> None:
        if not values:
            return
        self.out += b"("
        for k, item in enumerate(values):
            self.path.append(f"[{k}]")
            self._write(item)
            self.path.pop()
        self.out += b"e"

    def _pairs(self, value: Any) -> None:
        if not value:
            return
        self.out += b"("
        for key, item in value.items():
            self.path.append(f"[{key!r}]")
            self._write(key)
            self._write(item)
            self.path.pop()
        self.out += b"u"

    def _tuple(self, value: tuple[Any, ...]) -> None:
        if not value:
            self.out += b")"
            return
        if id(value) in self.open_tuples:
            raise ValueError(f"save(): the tuple at obj{''.join(self.path)} contains itself")
        self.open_tuples.add(id(value))
        if len(value) > 3:
            self.out += b"("
        for k, item in enumerate(value):
            self.path.append(f"[{k}]")
            self._write(item)
            self.path.pop()
        self.open_tuples.discard(id(value))
        self.out += (b"", b"\x85", b"\x86", b"\x87")[len(value)] if len(value) < 4 else b"t"
        self._remember(id(value), value)

    def _ordered_dict(self, value: OrderedDict[Any, Any]) -> None:
        self._global("collections", "OrderedDict")
        self.out += b")R"
        self._remember(id(value), value)
        self._pairs(value)
        metadata = getattr(value, "_metadata", None)
        if metadata is not None:
            self.out += b"}("
            self._text("_metadata")
            self._write(metadata)
            self.out += b"ub"

    def _defaultdict(self, value: defaultdict[Any, Any]) -> None:
        factory = value.default_factory
        self._global("collections", "defaultdict")
        if factory is None:
            self.out += b"N"
        elif factory in _FACTORIES:
            self._global("__builtin__", _FACTORIES[factory])
        else:
            self._refuse(factory, type(factory))
        self.out += b"\x85R"
        self._remember(id(value), value)
        self._pairs(value)

    def _device(self, value: Any) -> None:
        self._global("torch", "device")
        self._text(value.type)
        if value.index is None:
            self.out += b"\x85R"
        else:
            self._integer(value.index)
            self.out += b"\x86R"
        self._remember(id(value), value)

    # -- tensors

    def _tensor(self, tensor: Tensor) -> None:
        attributes = tensor.__dict__
        if isinstance(tensor, Parameter):
            stateful = "_rebuild_parameter_with_state" if attributes else "_rebuild_parameter"
            self._global("torch._utils", stateful)
            self.out += b"("
            self._rebuild(tensor, False)
            self.out += b"\x88" if tensor.requires_grad else b"\x89"
            self._no_hooks()
            if attributes:
                self._attributes(attributes)
            self.out += b"tR"
        elif attributes:
            self._global("torch._tensor", "_rebuild_from_type_v2")
            self.out += b"("
            self._rebuild(tensor, tensor.requires_grad, kind=True)
            self._attributes(attributes)
            self.out += b"tR"
        else:
            self._rebuild(tensor, tensor.requires_grad)
        self._remember(id(tensor), tensor)

    def _attributes(self, attributes: dict[str, Any]) -> None:
        """What the user has hung on a tensor."""
        self.out += b"}("
        for name, value in attributes.items():
            self.path.append(f".{name}")
            self._text(name)
            self._write(value)
            self.path.pop()
        self.out += b"u"

    def _rebuild(self, tensor: Tensor, requires_grad: bool, kind: bool = False) -> None:
        """The call that makes a tensor; with `kind` its function, class and arguments only."""
        key, lo, array = self.storages.placed[id(tensor)]
        start, stop = self.storages.spans[key]
        dtype = tensor.dtype
        storage = STORAGE_NAMES.get(dtype)
        size = array.itemsize
        self._global("torch._utils", "_rebuild_tensor_v2" if storage else "_rebuild_tensor_v3")
        if kind:
            self._global("torch", "Tensor")
        self.out += b"(("
        self._text("storage")
        if storage:
            self._global("torch", storage)
        else:
            self._global("torch.storage", "UntypedStorage")
        self._text(str(key))
        self._text("cpu")
        self._integer((stop - start) // (size if storage else 1))
        self.out += b"tQ"
        self._integer((lo - start) // size)
        self._small_tuple(array.shape)
        self._small_tuple(element_strides(array))
        self.out += b"\x88" if requires_grad else b"\x89"
        self._no_hooks()
        if not storage:
            self._global("torch", dtype.name)
        self.out += b"t" if kind else b"tR"

    def _no_hooks(self) -> None:
        self._global("collections", "OrderedDict")
        self.out += b")R"

    # -- NumPy, in the form of its own pickles

    def _numpy(self, value: Any) -> None:
        array = np.asarray(value)
        if array.dtype.kind not in "biufcSU":
            self._refuse(value, type(value))
        if isinstance(value, np.generic):
            self._global("numpy._core.multiarray", "scalar")
            self._numpy_dtype(array.dtype)
            self._bytes(array.tobytes())
            self.out += b"\x86R"
        else:
            self._global("numpy._core.multiarray", "_reconstruct")
            self._global("numpy", "ndarray")
            self._small_tuple((0,))
            self._bytes(b"b")
            self.out += b"\x87R("
            self._integer(1)
            self._small_tuple(array.shape)
            self._numpy_dtype(array.dtype)
            self.out += b"\x89"
            self._bytes(array.tobytes())
            self.out += b"tb"
        self._remember(id(value), value)

    def _numpy_dtype(self, dtype: Any) -> None:
        self._global("numpy", "dtype")
        self._text(dtype.str[1:])
        self.out += b"\x89\x88\x87R("
        self._integer(3)
        self._text(dtype.str[0])
        self.out += b"NNN"
        if dtype.kind == "U":
            self._integer(dtype.itemsize)
            self._integer(4)
        elif dtype.kind == "S":
            self._integer(dtype.itemsize)
            self._integer(1)
        else:
            self._integer(-1)
            self._integer(-1)
        self.out += b"K\x00tb"

    def _refuse(self, value: Any, kind: type) -> None:
        where = f"obj{''.join(self.path)}"
        name = f"{kind.__module__}.{kind.__qualname__}"
        if hasattr(value, "state_dict"):
            advice = f"save its state instead: {where}.state_dict()"
        else:
            advice = (
                "tensors, numbers, strings, bytes, None, dtypes, devices, NumPy arrays, and "
                "dicts, lists, tuples and sets of them can be saved"
            )
        raise TypeError(
            f"save(): cannot save {where}, of type {name}: files hold data only, "
            f"never code or classes. {advice[0].upper()}{advice[1:]}."
        )
