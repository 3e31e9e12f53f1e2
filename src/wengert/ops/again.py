"""Derivatives of fused ops over tensors: the plain composition is run again and differentiated.

A kernel that does a whole layer has a backward kernel for arrays. Where the cotangents themselves
must be differentiated (create_graph), or where an input is a wrapper (forward mode, vmap), the same
function written in small ops takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.batching import composed
from ..core.engine import run
from ..core.state import set_grad_enabled
from ..core.tensor import Tensor, wrap
from .views import alias


def plainly(*tensors: Tensor | None) -> bool:
    """Say whether a fused kernel may take these tensors: none of them is a wrapper."""
    return all([t is None or t._spec.plain for t in tensors])


def in_small_ops(small: Callable, extra: int) -> Callable:
    """The batching rule of a fused row: small(*inputs, *params) takes its place.

    `extra` is how many results the row has besides, which only its own rules read.
    """

    def instead(xp: Any, *args: Any) -> tuple:
        out = small(*args)
        nothing = wrap(np.zeros(0))
        return (*(out if isinstance(out, tuple) else (out,)), *[nothing] * extra)

    return composed(instead)


def pulled_again(
    f: Callable, inputs: Sequence[Tensor | None], need: Sequence[bool], cotangents: Sequence
) -> tuple:
    """Return the recorded cotangents of `inputs` for those of the results of f(*inputs).

    None stands for a missing input or cotangent, and for what is not needed.
    """
    before = set_grad_enabled(True)
    try:
        given = [
            alias(t) if t is not None and wanted else t
            for t, wanted in zip(inputs, need, strict=True)
        ]
        outs = f(*given)
        outs = outs if isinstance(outs, tuple) else (outs,)
        roots = [
            (o._edge, g)
            for o, g in zip(outs, cotangents, strict=False)
            if g is not None and o._edge is not None
        ]
        edges = [
            t._edge if t is not None and wanted else None
            for t, wanted in zip(given, need, strict=True)
        ]
        caught = run(roots, inputs=[e for e in edges if e is not None], retain=True, create=True)
    finally:
        set_grad_enabled(before)
    return tuple([None if e is None else caught.get(e) for e in edges])
