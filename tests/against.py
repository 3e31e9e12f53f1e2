"""Which library the tests speak to, and the few helpers they share.

The behaviour tests are written against PyTorch's semantics and import `torch` from here. Normally that
is wengert; with WENGERT_TEST_AGAINST=torch in the environment it is PyTorch itself, which is how the
tests are checked against the thing they describe. Tests of what wengert adds carry `wengert_only`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings

import pytest

REAL = os.environ.get("WENGERT_TEST_AGAINST") == "torch"

if REAL:
    import torch

    # Forward mode compiles scripts on first use, which warns about itself: let it do so here.
    with warnings.catch_warnings(), torch.autograd.forward_ad.dual_level():
        warnings.simplefilter("ignore")
        torch.autograd.forward_ad.make_dual(torch.ones(1), torch.ones(1))
else:
    import wengert as torch

NAME = "torch" if REAL else "wengert"

__all__ = [
    "NAME",
    "REAL",
    "chain",
    "collected_warnings",
    "leaf",
    "plain",
    "printed",
    "raises",
    "torch",
]


def plain(text: str) -> str:
    """The text with object addresses replaced, so that two runs can be compared byte for byte."""
    return re.sub(r"0x[0-9A-Fa-f]+", "0x...", str(text))


def printed(*values: object) -> str:
    """What `print(*values)` writes, addresses replaced."""
    out = io.StringIO()
    print(*values, file=out)
    return plain(out.getvalue())


def leaf(*shape: int, dtype=None):
    """A leaf of ones that requires grad."""
    return torch.ones(*shape, requires_grad=True, dtype=dtype)


def raises(kind, *phrases: str):
    """`pytest.raises`, where the message must contain every phrase, in this order."""
    return pytest.raises(kind, match="(?s)" + ".*".join(re.escape(p) for p in phrases))


@contextlib.contextmanager
def collected_warnings():
    """The warnings of a block, as a list; NumPy's about nan and inf are hidden, as they are by default."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        yield caught


def chain(node) -> str:
    """The nodes from `node` down to the leaves, as in `MulBackward0(SinBackward0)`; leaves are left out."""
    if node is None:
        return "None"
    below = [
        chain(following)
        for following, _ in node.next_functions
        if following is not None and type(following).__name__ != "AccumulateGrad"
    ]
    name = type(node).__name__
    return f"{name}({', '.join(below)})" if below else name
