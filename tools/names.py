"""Count PyTorch's public names that wengert has: the table of docs/differences.md.

`python tools/names.py` prints the table, `--missing` the names as well. Needs PyTorch installed.
"""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from typing import Any

SPACES = """
torch torch.Tensor torch.autograd torch.autograd.forward_ad torch.autograd.function
torch.autograd.functional torch.autograd.gradcheck torch.autograd.grad_mode torch.autograd.graph
torch.autograd.profiler torch.nn torch.nn.functional torch.nn.init torch.nn.utils
torch.nn.utils.parametrize torch.nn.utils.parametrizations torch.nn.utils.prune torch.nn.utils.rnn
torch.nn.attention torch.optim torch.optim.lr_scheduler torch.optim.swa_utils torch.utils.data
torch.utils.checkpoint torch.func torch.linalg torch.special torch.fft torch.distributions
torch.distributions.constraints torch.distributions.transforms torch.random torch.profiler
torch.masked torch.testing torch.signal.windows torch.amp torch.sparse
""".split()

# machinery that is public in `torch` but is not about tensors: compilers, back ends, quantisation
OTHER_MACHINERY = (
    "cudnn_", "miopen_", "mkldnn_", "fbgemm_", "quantize", "fake_quantize", "fused_", "sym_", "q_",
    "import_ir", "parse_", "autocast", "set_autocast", "get_autocast", "is_autocast", "native_",
    "clear_autocast", "batch_norm_", "bits", "float4_", "float8_", "quint", "qint", "qscheme", "has_",
)  # fmt: skip


def public(where: str, space: Any) -> list[str]:
    """Return the names of a namespace that are meant for users."""
    found = []
    for name in sorted(set(getattr(space, "__all__", None) or dir(space))):
        value = getattr(space, name, None)
        if name.startswith("_") or value is None or isinstance(value, types.ModuleType):
            continue
        if where == "torch" and (
            name.startswith(OTHER_MACHINERY)
            or name.endswith("_copy")
            or (name[0].isupper() and name not in ("Tensor", "Size", "Generator"))  # JIT types
        ):
            continue
        if where.endswith("functional") and not callable(value):
            continue
        found.append(name)
    return found


def ours(name: str) -> Any:
    """Return the namespace of wengert that answers to one of PyTorch's, or None."""
    parent, _, last = name.rpartition(".")
    for path in (name, parent):
        try:
            module = importlib.import_module(path.replace("torch", "wengert", 1))
        except ImportError:
            continue
        return module if path == name else getattr(module, last, None)
    return None


def main() -> int:
    """Print the table."""
    warnings.simplefilter("ignore")
    missing: dict[str, list[str]] = {}
    print("| | PyTorch | here |\n|---|---|---|")
    for name in SPACES:
        parent, _, last = name.rpartition(".")
        try:
            theirs = importlib.import_module(name)
        except ImportError:
            theirs = getattr(importlib.import_module(parent), last)
        names, mine = public(name, theirs), ours(name)
        missing[name] = [n for n in names if mine is None or not hasattr(mine, n)]
        print(f"| `{name}` | {len(names)} | {len(names) - len(missing[name])} |")
    if "--missing" in sys.argv:
        for name, names in missing.items():
            print(f"\n{name}: {' '.join(names) or '-'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
