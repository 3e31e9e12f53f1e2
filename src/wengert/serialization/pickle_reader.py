"""Reads the pickle program of a `.pt` file without `pickle`: an interpreter of a few opcodes.

Nothing in a file is ever executed. A name in the program stands for one of the constructors of
rebuild.py or is refused; items can be put only into containers that the program made; the memo is a
dict, so a huge index costs nothing; every length is checked against what is left of the file; and
what the program copies and hashes is charged to a budget in proportion to the file (limits.py).
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

from .formats import LoadError
from .limits import Budget
from .rebuild import Constructor, Storage, StorageKind, build, lookup

_MARK = object()
_DICTS = (dict, OrderedDict, Counter, defaultdict)


class PickleReader:
    """Runs one program. `load_storage(persistent_id)` returns the storage it refers to.

    `nbytes` is the size of the whole file, which says how much the program may ask for.
    """

    def __init__(self, data: bytes, load_storage: Callable[[Any], Any], nbytes: int = 0) -> None:
        self.data = data
        self.budget = Budget(max(nbytes, len(data)))
        self.at = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.load_storage = load_storage

    def load(self) -> Any:
        """Returns the object that the program builds; LoadError if it is not a plain one."""
        try:
            return self._run()
        except LoadError:
            raise
        except (IndexError, struct.error):
            raise LoadError(
                f"data.pkl is damaged near byte {self.at}: the program ends early or "
                "takes more than it has put"
            ) from None
        except (
            TypeError, ValueError, OverflowError, KeyError, AttributeError, RecursionError,
        ) as error:  # fmt: skip
            raise LoadError(f"data.pkl is damaged near byte {self.at}: {error}") from None

    def _run(self) -> Any:
        data, table = self.data, _OPCODES
        while True:
            code = data[self.at]
            self.at += 1
            if code == 0x2E:  # STOP
                if len(self.stack) != 1:
                    raise LoadError(f"data.pkl is damaged: {len(self.stack)} objects at its end")
                return self._result(self.stack[0])
            step = table.get(code)
            if step is None:
                raise LoadError(
                    f"data.pkl uses the opcode {bytes((code,))!r} at byte {self.at - 1}, which "
                    "files of tensors do not need: refused"
                )
            step(self)

    def _result(self, value: Any) -> Any:
        if value is _MARK:
            raise LoadError("data.pkl is damaged: it ends at a mark")
        if isinstance(value, Constructor | StorageKind | Storage):
            raise LoadError(
                f"the file holds a {type(value).__name__.lower()}, not a value: refused"
            )
        return value

    # -- reading the program

    def _take(self, n: int) -> bytes:
        stop = self.at + n
        if n < 0 or stop > len(self.data):
            raise LoadError(
                f"data.pkl is damaged near byte {self.at}: a length of {n} goes beyond its end"
            )
        part = self.data[self.at : stop]
        self.at = stop
        return part

    def _number(self, form: str, size: int) -> int:
        value: int = struct.unpack(form, self._take(size))[0]
        return value

    def _line(self) -> str:
        stop = self.data.index(b"\n", self.at)
        text = self.data[self.at : stop].decode("utf-8")
        self.at = stop + 1
        return text

    def _after_mark(self) -> list[Any]:
        stack = self.stack
        for k in range(len(stack) - 1, -1, -1):
            if stack[k] is _MARK:
                items = stack[k + 1 :]
                del stack[k:]
                return items
        raise LoadError("data.pkl is damaged: a mark is missing")

    def _pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise LoadError("data.pkl is damaged: a mark stands where a value was expected")
        return value

    # -- opcodes

    def _proto(self) -> None:
        version = self._take(1)[0]
        if version > 5:
            raise LoadError(f"data.pkl has pickle protocol {version}, which is not known")

    def _text(self, form: str, size: int) -> None:
        self.stack.append(self._take(self._number(form, size)).decode("utf-8", "surrogatepass"))

    def _raw(self, form: str, size: int) -> None:
        self.stack.append(self._take(self._number(form, size)))

    def _long(self, form: str, size: int) -> None:
        self.stack.append(
            int.from_bytes(self._take(self._number(form, size)), "little", signed=True)
        )

    def _last(self, n: int) -> None:
        items = [self._pop() for _ in range(n)]
        self.stack.append(tuple(reversed(items)))

    def _put(self, key: int) -> None:
        if self.stack[-1] is _MARK:
            raise LoadError("data.pkl is damaged: it remembers a mark")
        self.memo[key] = self.stack[-1]

    def _get(self, key: int) -> None:
        if key not in self.memo:
            raise LoadError(f"data.pkl is damaged: it recalls number {key}, which it never stored")
        self.stack.append(self.memo[key])

    def _global(self, module: str, name: str) -> None:
        self.stack.append(lookup(module, name))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise LoadError("data.pkl is damaged: the name of a global is not text")
        self._global(module, name)

    def _reduce(self) -> None:
        arguments, constructor = self._pop(), self._pop()
        if not isinstance(constructor, Constructor) or type(arguments) is not tuple:
            raise LoadError(
                f"data.pkl calls a {type(constructor).__name__}, which is no function "
                "that may be called: refused"
            )
        self.budget.copies(arguments)
        for keys in constructor.keys_of(arguments):
            self._check_keys(arguments, keys)
        self.stack.append(constructor(arguments))

    def _build(self) -> None:
        state = self._pop()
        self.budget.copies(state if type(state) is tuple else (state,))
        build(self.stack[-1], state)

    def _persistent(self) -> None:
        self.stack.append(self.load_storage(self._pop()))

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise LoadError(f"data.pkl appends to a {type(target).__name__}: refused")
        target.extend(items)

    def _add(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not set:
            raise LoadError(f"data.pkl adds items to a {type(target).__name__}: refused")
        self._check_keys(target, items)
        target.update(items)

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in _DICTS:
            raise LoadError(f"data.pkl sets items of a {type(target).__name__}: refused")
        if len(items) % 2:
            raise LoadError("data.pkl is damaged: a key without a value")
        for k in range(0, len(items), 2):
            self.budget.key(target, items[k])
            target[items[k]] = items[k + 1]

    def _frozenset(self) -> None:
        items = self._after_mark()
        self._check_keys(items, items)
        self.stack.append(frozenset(items))

    def _check_keys(self, container: Any, keys: Any) -> None:
        for key in keys:
            self.budget.key(container, key)

    def _set_one(self) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def _append_one(self) -> None:
        item = self._pop()
        self._extend([item])


def _constant(make: Callable[[], Any]) -> Callable[[PickleReader], None]:
    return lambda r: r.stack.append(make())


_OPCODES: dict[int, Callable[[PickleReader], Any]] = {
    0x80: PickleReader._proto,
    0x95: lambda r: r._take(8),  # FRAME only announces a length
    0x28: lambda r: r.stack.append(_MARK),
    0x30: lambda r: r.stack.pop(),
    0x31: lambda r: r._after_mark(),
    ord("N"): lambda r: r.stack.append(None),
    0x88: lambda r: r.stack.append(True),
    0x89: lambda r: r.stack.append(False),
    ord("K"): lambda r: r.stack.append(r._number("<B", 1)),
    ord("M"): lambda r: r.stack.append(r._number("<H", 2)),
    ord("J"): lambda r: r.stack.append(r._number("<i", 4)),
    0x8A: lambda r: r._long("<B", 1),
    0x8B: lambda r: r._long("<i", 4),
    ord("G"): lambda r: r.stack.append(r._number(">d", 8)),
    0x8C: lambda r: r._text("<B", 1),
    ord("X"): lambda r: r._text("<I", 4),
    0x8D: lambda r: r._text("<Q", 8),
    ord("C"): lambda r: r._raw("<B", 1),
    ord("B"): lambda r: r._raw("<I", 4),
    0x8E: lambda r: r._raw("<Q", 8),
    0x96: lambda r: r.stack.append(bytearray(r._take(r._number("<Q", 8)))),
    ord("]"): _constant(list),
    ord("}"): _constant(dict),
    ord(")"): _constant(tuple),
    0x8F: _constant(set),
    0x85: lambda r: r._last(1),
    0x86: lambda r: r._last(2),
    0x87: lambda r: r._last(3),
    ord("t"): lambda r: r.stack.append(tuple(r._after_mark())),
    ord("l"): lambda r: r.stack.append(r._after_mark()),
    0x91: PickleReader._frozenset,
    ord("q"): lambda r: r._put(r._number("<B", 1)),
    ord("r"): lambda r: r._put(r._number("<I", 4)),
    0x94: lambda r: r._put(len(r.memo)),
    ord("h"): lambda r: r._get(r._number("<B", 1)),
    ord("j"): lambda r: r._get(r._number("<I", 4)),
    ord("c"): lambda r: r._global(r._line(), r._line()),
    0x93: PickleReader._stack_global,
    ord("R"): PickleReader._reduce,
    ord("b"): PickleReader._build,
    ord("Q"): PickleReader._persistent,
    ord("a"): PickleReader._append_one,
    ord("e"): lambda r: r._extend(r._after_mark()),
    0x90: lambda r: r._add(r._after_mark()),
    ord("s"): PickleReader._set_one,
    ord("u"): lambda r: r._set(r._after_mark()),
}


def names_in(data: bytes) -> list[tuple[str, str]]:
    """All (module, name) that a program mentions, in order, once each; it is read, not run."""
    import pickletools

    found: dict[tuple[str, str], None] = {}
    texts: list[str] = []  # the last two that were pushed, for a name made of two texts
    memo: dict[Any, str] = {}
    top = ""  # the text on top of the stack, if the last opcode put one there
    try:
        for code, argument, _ in pickletools.genops(data):
            kind, pushed = code.name, ""
            if kind in ("GLOBAL", "INST"):
                module, _, name = str(argument).partition(" ")
                found[module, name] = None
            elif kind == "STACK_GLOBAL" and len(texts) == 2:
                found[texts[0], texts[1]] = None
            elif kind in ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"):
                pushed = str(argument)
            elif kind in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
                memo[len(memo) if kind == "MEMOIZE" else argument] = top
            elif kind in ("BINGET", "LONG_BINGET", "GET"):
                pushed = memo.get(argument, "")
            if pushed:
                texts = [*texts[-1:], pushed]
            top = pushed
    except Exception as error:  # pickletools raises many kinds for a damaged program
        raise LoadError(f"data.pkl is damaged: {error}") from None
    return list(found)
