"""How tensors print: PyTorch's layout, character for character.

Two halves. `array_text` lays out the numbers of one array and knows nothing of tensors;
`tensor_repr` adds what a tensor says about itself (dtype, size, grad_fn, ...). All values that
will be shown are turned into text once; their common width, and whether they read as integers,
decimals or powers of ten, is decided from the finite non-zero ones among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf, isfinite
from typing import Any

import numpy as np

from ..core.batch import depth_of
from ..core.dual import Dual, Wrapper, is_open
from ..core.parameter import Buffer, Parameter
from ..core.tensor import Tensor
from ..kernels import dtypes

_PROFILES: dict[str, dict[str, float]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": inf, "edgeitems": 3, "linewidth": 80},
}
_options: dict[str, Any] = {**_PROFILES["default"], "sci_mode": None}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print; what is None stays as it is, except ``sci_mode``, which is reset.

    precision: digits after the point; threshold: more elements than this are summarised, with
    edgeitems at either end of each dimension; linewidth: characters per line; profile:
    "default", "short" or "full", applied first; sci_mode: scientific notation always (True),
    never (False), or by the values (None). TypeError or ValueError for values of no use.

    >>> import wengert as torch
    >>> torch.set_printoptions(precision=2)
    >>> torch.tensor([1.12345])
    tensor([1.12])
    >>> torch.set_printoptions(profile="default")
    """
    changes: dict[str, Any] = {}
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(
                f"set_printoptions(): profile must be one of {', '.join(_PROFILES)}, "
                f"got {profile!r}"
            )
        changes.update(_PROFILES[profile])
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    for name, value in given.items():
        if value is None:
            continue
        kinds = (int, float, np.number) if name == "threshold" else (int, np.integer)
        if not isinstance(value, kinds) or isinstance(value, bool) or value < 0:
            raise TypeError(
                f"set_printoptions(): {name} must be a non-negative number, got {value!r}"
            )
        changes[name] = value
    changes["sci_mode"] = sci_mode
    _options.update(changes)


def get_printoptions() -> dict[str, Any]:
    """Return the print options as a dictionary that `set_printoptions` takes as keywords."""
    return dict(_options)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print with other options inside a ``with`` block; the arguments of `set_printoptions`.

    >>> import wengert as torch
    >>> with torch.printoptions(precision=1):
    ...     print(torch.tensor([0.25]))
    tensor([0.2])
    """
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        _options.update(before)


# ---------------------------------------------------------------------------------------- numbers


def _float_style(values: list[float]) -> tuple[Callable[[float], str], int]:
    """Choose one way of writing for all floats, and the width of the finite non-zero ones."""
    telling = [v for v in values if v and isfinite(v)]
    if not telling:
        return _whole, 1
    digits = _options["precision"]
    scientific = _options["sci_mode"]
    if scientific is None:
        sizes = [abs(v) for v in telling]
        low, high = min(sizes), max(sizes)
        scientific = high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4
    if scientific:
        write: Callable[[float], str] = f"{{:.{digits}e}}".format
    elif all(v.is_integer() for v in telling):
        write = _whole
    else:
        write = f"{{:.{digits}f}}".format
    return write, max(len(write(v)) for v in telling)


def _whole(v: float) -> str:
    return f"{v:.0f}." if isfinite(v) else f"{v:.0f}"


def _padded(values: list[Any], is_float: bool) -> tuple[list[str], int]:
    """Write all values right-aligned; return the texts and the width that lines reckon with."""
    if is_float:
        write, width = _float_style(values)
        texts = [write(v) for v in values]
    else:
        texts = [str(v) for v in values]
        width = max(map(len, texts))
    return [text.rjust(width) for text in texts], width


def _complex(values: list[complex]) -> tuple[list[str], int]:
    """Write complex values; the parts are aligned apart, the imaginary one then moves up."""
    reals, width_real = _padded([v.real for v in values], True)
    imags, width_imag = _padded([v.imag for v in values], True)
    texts = []
    for re, im in zip(reals, imags, strict=True):
        im = im.lstrip()
        texts.append(f"{re}{im}j" if im[0] == "-" else f"{re}+{im}j")
    return texts, width_real + width_imag + 1


# ----------------------------------------------------------------------------------------- layout


def array_text(array: np.ndarray, indent: int = 0) -> str:
    """Return the bracketed numbers of ``array`` as PyTorch lays them out.

    ``indent`` is the column at which the text starts; continuation lines are indented to match.
    """
    if array.size == 0:
        return "[]"
    summarise, edge = array.size > _options["threshold"], _options["edgeitems"]
    cut: list[bool] = []  # for each dim: is its middle left out?
    for axis, n in enumerate(array.shape):
        cut.append(summarise and n > 2 * edge)
        if cut[-1]:
            array = np.take(array, [*range(edge), *range(n - edge, n)], axis)
    if array.size == 0:  # edgeitems=0: nothing to show in any dim
        return "[...]"
    if array.dtype.kind == "V":  # bfloat16 has no text of its own
        array = array.astype(np.float32)
    values = array.ravel().tolist()
    if array.dtype.kind == "c":
        texts, width = _complex(values)
    else:
        texts, width = _padded(values, array.dtype.kind == "f")
    if array.ndim == 0:
        return texts[0]
    return _block(iter(texts), array.shape, cut, 0, indent, width)


def _block(
    texts: Iterator[str],
    shape: Sequence[int],
    cut: Sequence[bool],
    axis: int,
    indent: int,
    width: int,
) -> str:
    """Lay out one dim (and, by recursion, those inside it), consuming ``texts`` in order."""
    n = shape[axis]
    rows_below = len(shape) - axis - 1
    if rows_below:
        items = [_block(texts, shape, cut, axis + 1, indent + 1, width) for _ in range(n)]
    else:
        items = [next(texts) for _ in range(n)]
    if cut[axis]:
        items.insert(n // 2, "..." if rows_below else " ...")
    margin = " " * (indent + 1)
    if rows_below:
        return "[" + ("," + "\n" * rows_below + margin).join(items) + "]"
    per_line = max(1, (_options["linewidth"] - indent) // (width + 2))
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + margin).join(lines) + "]"


# ---------------------------------------------------------------------------------------- tensors


def array_repr(
    array: np.ndarray,
    dtype: dtypes.dtype,
    notes: Sequence[str] = (),
    name: str = "tensor",
) -> str:
    """Return ``name(numbers, dtype=..., notes...)`` for an array of the given dtype.

    ``notes`` follow the size and the dtype, which are named only where the numbers do not tell.
    """
    suffixes = []
    default = dtypes.get_default_dtype()
    if array.size == 0:
        if array.ndim != 1:
            suffixes.append(f"size={array.shape}")
        if dtype is not default:
            suffixes.append(f"dtype={dtype}")
    else:
        if not _options["edgeitems"]:
            suffixes.append(f"size={array.shape}")
        wide = dtypes.complex128 if default is dtypes.float64 else dtypes.complex64
        if dtype not in (default, wide, dtypes.int64, dtypes.bool_):
            suffixes.append(f"dtype={dtype}")
    suffixes.extend(notes)

    indent = len(name) + 1
    text = f"{name}({array_text(array, indent)}"
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        # PyTorch counts the first suffix one column late on the first line; so do we.
        if column + len(suffix) + 2 > _options["linewidth"]:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"


_PLAIN = (Tensor, Parameter, Buffer, Dual)


def tensor_repr(t: Tensor) -> str:
    """Return a tensor as text: its numbers, and what they do not tell about it.

    >>> import wengert as torch
    >>> print(torch.tensor([1., 2.], requires_grad=True) * 2)
    tensor([2., 4.], grad_fn=<MulBackward0>)
    """
    kind = type(t)
    if isinstance(t, Wrapper) and kind is not Dual:
        return _wrapper_repr(t)
    notes = _history(t)
    if isinstance(t, Dual) and is_open(t.level):
        notes.append(f"tangent={t.note}")
    name = "tensor" if kind in _PLAIN else kind.__name__
    value = t._value()
    text = array_repr(value._array, value._spec.dtype, notes, name)
    if isinstance(t, Parameter) and kind is not Parameter:
        text = f"Parameter({text})"
    return text


def _history(t: Tensor) -> list[str]:
    try:
        node = t.grad_fn
    except RuntimeError:  # a view whose history can't be told any more
        return ["grad_fn=<Invalid>"]
    if node is not None:
        return [f"grad_fn=<{type(node).__name__}>"]
    return ["requires_grad=True"] if t.requires_grad else []


def _wrapper_repr(t: Wrapper) -> str:
    inner = "\n".join("    " + line for line in tensor_repr(t.value).split("\n"))
    return f"BatchedTensor(lvl={depth_of(t.level)}, bdim=0, value=\n{inner}\n)"


Tensor.__repr__ = tensor_repr  # type: ignore[method-assign]
