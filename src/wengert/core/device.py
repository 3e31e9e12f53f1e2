"""`device`: where a tensor lives: on the CPU; the other names exist, and say what is missing.

A device object may be made for any name PyTorch knows, so that scripts which ask for "cuda if
available" run unchanged; only placing a tensor there is refused (`as_device`).
"""

from __future__ import annotations

import re
from typing import Any, Self

_TYPES = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga",
    "maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip

_NO_CUDA = (
    "Torch not compiled with CUDA enabled: this is wengert, which computes on the CPU. GPUs come "
    "with a later release, as the extras cuda12 and cuda13 (pip install 'wengert[cuda12]'); until "
    "then use device='cpu', or choose with torch.cuda.is_available()"
)


class device:  # PyTorch's spelling
    """A device: ``device("cpu")``, ``device("cuda:0")``, ``device("cuda", 0)``.

    As a context (``with torch.device("cpu"):``) it is the device of the tensors created inside.
    RuntimeError for a name that PyTorch does not know.

    >>> import wengert as torch
    >>> torch.device("cuda:0")
    device(type='cuda', index=0)
    >>> str(torch.device("cpu"))
    'cpu'
    """

    __slots__ = ("index", "type")
    __module__ = "wengert"

    type: str
    index: int | None

    def __new__(cls, type: Any = None, index: int | None = None, *, device: Any = None) -> Self:
        source = type if device is None else device
        if isinstance(source, cls) and index is None:
            return source
        if isinstance(source, int) and not isinstance(source, bool) and index is None:
            raise RuntimeError(
                "Cannot access accelerator device when none is available (a device number names "
                "a GPU; use device='cpu')"
            )
        if not isinstance(source, str):
            got = "" if source is None else source.__class__.__name__
            raise TypeError(
                f"device() received an invalid combination of arguments - got ({got}), but "
                "expected one of:\n * (torch.device device)\n * (str type, int index = -1)"
            )
        name, found = _parse(source)
        if index is not None:
            if found is not None:
                raise RuntimeError(
                    "type (string) must not include an index because index was passed "
                    f"explicitly: {source}"
                )
            if index < 0:
                raise RuntimeError("Device index must not be negative")
            found = int(index)
        self = object.__new__(cls)
        object.__setattr__(self, "type", name)
        object.__setattr__(self, "index", found)
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute '{name}' of 'torch.device' objects is not writable")

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type='{self.type}')"
        return f"device(type='{self.type}', index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, device):
            return NotImplemented
        return self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return device, (self.type,) if self.index is None else (self.type, self.index)

    def __enter__(self) -> Self:
        as_device(self)
        return self

    def __exit__(self, *exc: object) -> None:
        return None


def _parse(text: str) -> tuple[str, int | None]:
    if not text:
        raise RuntimeError("Device string must not be empty")
    match = re.fullmatch(r"([a-z_]+)(?::(0|[1-9][0-9]*))?", text)
    if match is None and text.split(":")[0] in _TYPES:
        raise RuntimeError(f"Invalid device string: '{text}'")
    if match is None or match[1] not in _TYPES:
        raise RuntimeError(
            f"Expected one of {', '.join(_TYPES)} device type at start of device string: {text}"
        )
    return match[1], None if match[2] is None else int(match[2])


CPU = device("cpu")


def as_device(x: Any, caller: str = "") -> device:
    """Return the device on which a tensor asked for with ``device=x`` is made: always `CPU`.

    ``x`` is None, a name or a device. AssertionError for CUDA and XPU, as in a PyTorch built
    without them; NotImplementedError for the other devices; TypeError for anything else.
    """
    if x is None or x is CPU:
        return CPU
    if not isinstance(x, device):
        if not isinstance(x, (str, int)) or isinstance(x, bool):
            where = f"{caller}(): " if caller else ""
            raise TypeError(
                f"{where}argument 'device' must be torch.device, not {type(x).__name__}"
            )
        x = device(x)
    if x.type == "cpu":
        return CPU
    if x.type == "cuda":
        raise AssertionError(_NO_CUDA)
    if x.type == "xpu":
        raise AssertionError("Torch not compiled with XPU enabled: wengert computes on the CPU")
    raise NotImplementedError(
        f"wengert has no '{x.type}' device: it computes on the CPU; use device='cpu'"
    )
